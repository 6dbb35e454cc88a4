"""Displays: what their lines hold, and what is seen of them."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_optland.linear_model import FiniteSumRegressor
from sklearn_optland.neural_network import ADMMNetRegressor, MeanFieldTwoLayerNet
from sklearn_optland.plotting import (
    CertificateDisplay,
    ConvergenceDisplay,
    KKTDisplay,
    ParticlesDisplay,
)
from sklearn_optland.plotting._style import COLOURS, MARKERS, STYLE
from sklearn_optland.tree import LOMTreeClassifier, plot_tree

matplotlib = pytest.importorskip("matplotlib")
figure = pytest.importorskip("matplotlib.figure")
agg = pytest.importorskip("matplotlib.backends.backend_agg")
colors = pytest.importorskip("matplotlib.colors")


@pytest.fixture
def ax():
    return agg.FigureCanvasAgg(figure.Figure(layout="constrained")).figure.add_subplot()


def pixels(drawn):
    """The image of a figure, an array of shape (height, width, 3) of bytes."""
    drawn.canvas.draw()
    return np.asarray(drawn.canvas.buffer_rgba())[..., :3].copy()


def n_seen(image, colour):
    """How many pixels have the colour, or nearly: edges of lines fade into the white."""
    wanted = 255 * np.array(colors.to_rgb(colour))
    return int((np.abs(image - wanted).max(axis=-1) < 16).sum())


@pytest.fixture(scope="module")
def models():
    X, y = load_diabetes(return_X_y=True)
    return [
        FiniteSumRegressor(solver=solver, alpha=1e-4, tol=1e-9, random_state=0).fit(X, y)
        for solver in ("saga", "catalyst")
    ]


@pytest.mark.parametrize("x", ["passes", "seconds"])
def test_curves_are_the_histories(models, ax, x):
    display = ConvergenceDisplay.from_estimators(models, x=x, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert len(display.slopes_) == (2 if x == "passes" else 0)
    for line, model in zip(display.lines_, models, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), model.history_[x])
        assert (line.get_ydata() > 0).all()
    assert [line.get_label() for line in display.lines_] == [
        "FiniteSumRegressor, saga",
        "FiniteSumRegressor, catalyst",
    ]


def test_one_estimator_is_a_list_of_one(models, ax):
    display = ConvergenceDisplay.from_estimator(models[0], name="a", x="seconds", ax=ax)
    expected = ConvergenceDisplay.from_estimators(models[:1], names=["a"], x="seconds", ax=ax)
    (line,), (other,) = display.lines_, expected.lines_
    assert line.get_label() == "a"
    np.testing.assert_array_equal(line.get_xydata(), other.get_xydata())


def test_models_of_pipelines_and_searches(ax):
    X, y = load_diabetes(return_X_y=True)
    model = make_pipeline(StandardScaler(), FiniteSumRegressor())
    searches = [
        GridSearchCV(model, {"finitesumregressor__alpha": [0.1]}, cv=2),
        make_pipeline(StandardScaler(), GridSearchCV(FiniteSumRegressor(), {}, cv=2)),
    ]
    for whole in model, *searches:
        with pytest.raises(NotFittedError):
            ConvergenceDisplay.from_estimator(whole)
        (line,) = ConvergenceDisplay.from_estimator(whole.fit(X, y), ax=ax).lines_
        assert line.get_label() == "FiniteSumRegressor, newton"
    with pytest.raises(ValueError, match="found a Ridge, which has no history_; allowed is an est"):
        ConvergenceDisplay.from_estimator(Ridge().fit(X, y))
    with pytest.raises(ValueError, match="found a Ridge, which has no kkt_residuals_; allowed is"):
        KKTDisplay.from_estimator(Ridge().fit(X, y))


def test_slopes_fall_by_e_in_the_passes_of_the_rate(models, ax):
    display = ConvergenceDisplay.from_estimators(models, ax=ax)
    for slope, model in zip(display.slopes_, models, strict=True):
        x, y = slope.get_xdata(), slope.get_ydata()
        expected = -1 / model.rate_["passes_per_e"]
        np.testing.assert_allclose(np.diff(np.log(y)) / np.diff(x), expected)


def test_names_optimum_and_errors(models, ax):
    display = ConvergenceDisplay.from_estimators(
        models, names=["a", "b"], optimum=0.0, slopes=False, ax=ax
    )
    np.testing.assert_allclose(display.lines_[0].get_ydata(), models[0].history_["objective"])
    assert not display.slopes_
    with pytest.raises(ValueError, match="x must be one of"):
        display.plot(x="hours", ax=ax)
    with pytest.raises(ValueError, match="names: found 1; allowed are 2"):
        ConvergenceDisplay.from_estimators(models, names=["a"])
    with pytest.raises(NotFittedError):
        ConvergenceDisplay.from_estimators([FiniteSumRegressor()])


def test_without_a_certificate_the_best_objective_is_the_optimum(ax):
    objective = np.array([3.0, 2.0, 1.0])
    curve = {"objective": objective, "passes": np.arange(3), "seconds": np.arange(3)}
    display = ConvergenceDisplay({"a forest": curve}).plot(ax=ax)
    np.testing.assert_allclose(display.lines_[0].get_ydata()[:2], [2.0, 1.0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_kkt_curves_are_the_residuals(ax):
    X, y = load_diabetes(return_X_y=True)
    net = ADMMNetRegressor((5,), "logistic", solver="admm", max_iter=30, random_state=0).fit(X, y)
    display = KKTDisplay.from_estimator(net, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert ax.get_yscale() == "log"
    # One hidden layer has no middle ones.
    drawn = [line for line in net.kkt_residuals_ if line not in ("W_i", "V_i")]
    assert len(display.lines_) == len(drawn) == 6
    for name, line in zip(drawn, display.lines_, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, net.n_iter_ + 1))
        np.testing.assert_array_equal(line.get_ydata(), net.kkt_residuals_[name])
    with pytest.raises(NotFittedError):
        KKTDisplay.from_estimator(ADMMNetRegressor())


def test_curves_are_seen_in_their_colours(models, ax):
    ConvergenceDisplay.from_estimators(models, slopes=False, ax=ax)
    image = pixels(ax.figure)
    for colour in COLOURS[:2]:
        assert n_seen(image, colour) > 100
    assert not n_seen(image, COLOURS[2])


def test_slopes_are_seen(models, ax):
    display = ConvergenceDisplay.from_estimators(models, ax=ax)
    with_slopes = pixels(ax.figure)
    for slope in display.slopes_:
        slope.set_visible(False)
    assert (with_slopes != pixels(ax.figure)).any()


def test_no_two_of_eight_lines_look_the_same(ax):
    """KKTDisplay has as many, and colours and markers repeat only after all."""
    assert len(set(COLOURS)) == len(set(MARKERS)) == len(COLOURS) == len(MARKERS) >= 8
    names = [f"line {i}" for i in range(8)]
    display = KKTDisplay({name: np.full(5, 10.0**-i) for i, name in enumerate(names)}).plot(ax=ax)
    looks = {(line.get_color(), line.get_marker()) for line in display.lines_}
    assert len(looks) == 8
    image = pixels(ax.figure)
    assert all(n_seen(image, line.get_color()) > 20 for line in display.lines_)


def test_colours_differ_in_lightness():
    """Those of the first lines can be told apart without any colour, and from the paper."""
    linear = np.array([colors.to_rgb(colour) for colour in COLOURS[:2]]) ** 2.2
    light = linear @ [0.2126, 0.7152, 0.0722]
    assert ((1.05 / (light + 0.05)) > 3).all()  # contrast with white, by WCAG's formula


def test_style_is_of_matplotlib():
    with matplotlib.rc_context(STYLE):
        cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    assert tuple(cycle) == COLOURS


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("make", ["convergence", "kkt", "particles", "certificate"])
def test_displays_give_their_axes(make, models, ax):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 1))
    y = np.abs(X[:, 0])
    net = MeanFieldTwoLayerNet(10, max_iter=20, tol=0, random_state=0)
    draw = {
        "convergence": lambda: ConvergenceDisplay.from_estimators(models, ax=ax),
        "kkt": lambda: KKTDisplay.from_estimator(
            ADMMNetRegressor((3,), max_iter=20, tol=0).fit(X, y), ax=ax
        ),
        "particles": lambda: ParticlesDisplay.from_estimator(net.fit(X, y), ax=ax),
        "certificate": lambda: CertificateDisplay.from_estimator(net.fit(X, y), X, y, ax=ax),
    }[make]
    blank = pixels(ax.figure)
    display = draw()
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert (pixels(ax.figure) != blank).mean() > 0.005
    assert display.plot(ax=ax) is display


@pytest.fixture
def tree(ax):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(6), 30)
    X = np.column_stack([np.cos(y), np.sin(y)]) + 0.1 * rng.standard_normal((180, 2))
    return plot_tree(LOMTreeClassifier(random_state=0).fit(X, y), ax=ax, max_depth=6, fontsize=5)


def test_boxes_of_a_tree_do_not_overlap(tree, ax):
    pixels(ax.figure)
    boxes = [text.get_bbox_patch().get_window_extent() for text in tree]
    assert len(boxes) > 10
    for i, box in enumerate(boxes):
        assert ax.figure.bbox.contains(*box.min)
        assert ax.figure.bbox.contains(*box.max)
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_lines_of_a_tree_end_at_its_boxes(tree, ax):
    """Nothing crosses the text of a node: its box looks the same without the others."""
    drawn = pixels(ax.figure)
    box = tree[0].get_bbox_patch().get_window_extent()
    height = len(drawn)
    rows = slice(height - int(box.y1) + 3, height - int(box.y0) - 3)
    columns = slice(int(box.x0) + 3, int(box.x1) - 3)
    for text in tree[1:]:
        text.set_visible(False)
    np.testing.assert_array_equal(drawn[rows, columns], pixels(ax.figure)[rows, columns])
    assert (drawn[rows, columns] < 128).any()  # the text itself
