"""ConvergenceDisplay and KKTDisplay."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError

from sklearn_optland.linear_model import FiniteSumRegressor
from sklearn_optland.neural_network import ADMMNetRegressor
from sklearn_optland.plotting import ConvergenceDisplay, KKTDisplay

figure = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def ax():
    return figure.Figure().add_subplot()


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
    with pytest.raises(NotFittedError):
        ConvergenceDisplay.from_estimators([FiniteSumRegressor()])


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
