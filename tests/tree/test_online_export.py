"""Text and pictures of a LOMTreeClassifier."""

import matplotlib
import pytest
from sklearn.tree import DecisionTreeClassifier

from sklearn_optland.tree import LOMForestClassifier, LOMTreeClassifier, export_text, plot_tree

matplotlib.use("agg")


def test_text_has_a_line_a_node(digits):
    X, _, y, _ = digits
    model = LOMTreeClassifier(random_state=0).fit(X, y)
    text = export_text(model, max_depth=99)
    assert len(text.splitlines()) == 2 * model.get_n_leaves() - 1
    assert text.count("class ") == model.get_n_leaves()
    assert f"split: {len(y)} rows, balance {model.node_stats_['balance'][0]:.2f}" in text
    short = export_text(model, max_depth=1, n_terms=0)
    assert len(short.splitlines()) <= 5
    assert "x" not in export_text(model, n_terms=0)
    hashed = LOMTreeClassifier(n_bits=9, random_state=0).fit(X, y)
    assert "margin" not in export_text(hashed)
    with pytest.raises(ValueError, match="max_depth: found -1; allowed is an integer"):
        export_text(model, max_depth=-1)


def test_text_names_the_features():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"height": [-1.0, 1.0] * 20, "noise": [0.0, 0.1, 0.0, -0.1] * 10})
    model = LOMTreeClassifier(random_state=0).fit(X, ["low", "high"] * 20)
    text = export_text(model, n_terms=1)
    assert "height" in text
    assert "class low: share 1.00, 20 rows" in text


def test_picture_has_a_box_a_node(digits):
    from matplotlib.figure import Figure

    X, _, y, _ = digits
    model = LOMTreeClassifier(random_state=0).fit(X, y)
    ax = Figure().add_subplot()
    boxes = plot_tree(model, max_depth=99, ax=ax)
    assert len(boxes) == 2 * model.get_n_leaves() - 1
    places = {tuple(box.xyann) for box in boxes}
    assert len(places) == len(boxes)
    assert len(plot_tree(model, max_depth=1)) == 3
    assert boxes[0].axes is ax


def test_labels_and_names_are_drawn_as_they_are():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"$x^2$, m: n": [-1.0, 1.0] * 10})
    model = LOMTreeClassifier(random_state=0).fit(X, ["$", "$$, a: b"] * 10)
    ax = FigureCanvasAgg(Figure()).figure.add_subplot()
    boxes = plot_tree(model, ax=ax)
    ax.figure.canvas.draw()  # as mathtext, "$$" cannot be read
    assert "$x^2$, m: n" in boxes[0].get_text()
    assert boxes[2].get_text().splitlines()[0] == "class $$, a: b"


@pytest.mark.parametrize("draw", [export_text, plot_tree])
@pytest.mark.parametrize(
    "other", [LOMForestClassifier(), DecisionTreeClassifier(), LOMTreeClassifier, 3]
)
def test_what_is_no_online_tree_is_refused(draw, other):
    with pytest.raises(TypeError, match=r"tree: found a \w+; allowed is a fitted LOMTree"):
        draw(other)
