"""`CRFDisplay` on a model that says what it is told to."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_optland.plotting import CRFDisplay

figure = pytest.importorskip("matplotlib.figure")
agg = pytest.importorskip("matplotlib.backends.backend_agg")

CLASSES = ["B", "I", "O"]
TRANSITION = np.array([[0.1, 2.0, 0.3], [0.4, 1.0, 0.5], [0.9, -3.0, 0.8]])
MARGINALS = np.array([[0.7, 0.1, 0.2], [0.2, 0.5, 0.3]])


class Chain(BaseEstimator):
    """With the attributes and methods of ChainCRFClassifier that the display needs."""

    def __init__(self, prior=0):
        self.prior = prior

    def fit(self, X, y, start=(1.0, -5.0, 0.5), end=(0.0, 0.0, 0.0)):
        self.classes_, self.transition_ = np.array(CLASSES), TRANSITION
        self.start_, self.end_ = np.array(start), np.array(end)
        return self

    def predict_proba(self, X):
        return [MARGINALS[: len(x)] for x in X]

    def predict(self, X):
        return [np.array(["B", "I"])[: len(x)] for x in X]


@pytest.fixture
def ax():
    return agg.FigureCanvasAgg(figure.Figure(layout="constrained")).figure.add_subplot()


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_transitions_are_the_image(ax):
    display = CRFDisplay(CLASSES, TRANSITION).plot(ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    np.testing.assert_array_equal(display.image_.get_array(), TRANSITION)
    assert display.image_.get_clim() == (-3.0, 3.0)
    assert ticks(ax.xaxis) == ticks(ax.yaxis) == CLASSES
    assert {text.get_text() for text in ax.texts} >= {"2.0", "-3.0"}
    ax.figure.canvas.draw()


def test_scores_of_first_and_last_labels_have_a_row_and_a_column(ax):
    model = Chain().fit(None, None, end=(0.5, 0.0, -0.5))
    display = CRFDisplay.from_estimator(model, ax=ax)
    image = np.ma.filled(display.image_.get_array(), np.nan)
    np.testing.assert_array_equal(image[:3, :3], TRANSITION)
    np.testing.assert_array_equal(image[3], [1.0, -5.0, 0.5, np.nan])
    np.testing.assert_array_equal(image[:3, 3], [0.5, 0.0, -0.5])
    assert ticks(ax.yaxis) == [*CLASSES, "start"]
    assert ticks(ax.xaxis) == [*CLASSES, "end"]


def test_scores_that_are_all_zero_are_left_out(ax):
    model = Chain().fit(None, None, start=(0.0, 0.0, 0.0))
    assert CRFDisplay.from_estimator(model, ax=ax).image_.get_array().shape == (3, 3)


def test_a_sequence_has_its_marginals_and_labels(ax):
    X = np.zeros((2, 4))
    model = Chain().fit(None, None)
    display = CRFDisplay.from_estimator(model, X, tokens=["the", "cat"], y_true=["B", "O"], ax=ax)
    np.testing.assert_array_equal(display.image_.get_array(), MARGINALS.T)
    assert ticks(ax.xaxis) == ["the", "cat"]
    assert ticks(ax.yaxis) == CLASSES
    marks = {line.get_label(): line.get_ydata().tolist() for line in ax.lines}
    assert marks == {"true": [0, 2], "predicted": [0, 1]}
    ax.figure.canvas.draw()


def test_a_pipeline_draws_what_its_model_has_learned(ax):
    doubled = FunctionTransformer(lambda X: [np.vstack([x, x]) for x in X])
    model = make_pipeline(doubled, Chain().fit(None, None))
    display = CRFDisplay.from_estimator(model, ax=ax)
    np.testing.assert_array_equal(display.transition, TRANSITION)
    np.testing.assert_array_equal(display.start, model[-1].start_)
    display = CRFDisplay.from_estimator(model, np.zeros((1, 4)), ax=ax)
    np.testing.assert_array_equal(display.marginals, MARGINALS)


def test_a_true_label_that_the_model_does_not_know_is_not_marked(ax):
    display = CRFDisplay(CLASSES, marginals=MARGINALS, y_true=["B", "S"]).plot(ax=ax)
    (line,) = display.ax_.lines
    np.testing.assert_array_equal(line.get_ydata(), [0, np.nan])


def test_bad_input_is_named(ax):
    with pytest.raises(ValueError, match="tokens: found 1; allowed are 2"):
        CRFDisplay(CLASSES, marginals=MARGINALS, tokens=["the"]).plot(ax=ax)
    with pytest.raises(ValueError, match="y_true: found 3; allowed are 2"):
        CRFDisplay(CLASSES, marginals=MARGINALS, y_true=["B"] * 3).plot(ax=ax)
    with pytest.raises(ValueError, match="transition: found None"):
        CRFDisplay(CLASSES).plot(ax=ax)
    with pytest.raises(NotFittedError):
        CRFDisplay.from_estimator(Chain(), ax=ax)
    with pytest.raises(ValueError, match="estimator: found a FunctionTransformer, which has no tr"):
        CRFDisplay.from_estimator(FunctionTransformer().fit([[0.0]]), ax=ax)


def test_a_search_draws_its_best_model(ax):
    X, y = [np.ones((2, 1))] * 4, [["B", "I"]] * 4
    search = GridSearchCV(Chain(), {"prior": [0, 1]}, cv=KFold(2), scoring=lambda *_: 0.0)
    display = CRFDisplay.from_estimator(search.fit(X, y), X[0], ax=ax)
    np.testing.assert_array_equal(display.transition, TRANSITION)
    np.testing.assert_array_equal(display.marginals, MARGINALS)
