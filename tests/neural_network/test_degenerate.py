"""Nets of both families where the optimum is degenerate, and in units far from 1."""

import warnings

import numpy as np
import pytest
from helpers import fit_quietly
from neural_network.mean_field_helpers import SOLVERS
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland.neural_network import (
    ADMMNetClassifier,
    ADMMNetRegressor,
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
)

REGRESSORS = [
    *(
        ADMMNetRegressor((5,), activation, solver=solver, random_state=0)
        for solver, activation in (
            ("feasible", "relu"),
            ("admm", "logistic"),
            ("taylor", "relu"),
            ("bcd", "relu"),
        )
    ),
    ADMMNetRegressor((), random_state=0),
    ADMMNetRegressor((4, 4, 4, 4), "tanh", random_state=0),
    *(MeanFieldTwoLayerNet(6, solver=solver, random_state=0) for solver in SOLVERS),
    MeanFieldTwoLayerNet(6, regime="kernel", random_state=0),
    MeanFieldTwoLayerNet(6, alpha=0, random_state=0),
]


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        yield


def rows(n=60, d=3, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d)
    return X, np.abs(X[:, 0]) + 0.5 * X[:, 1]


def draws(*shape):
    return np.random.RandomState(1).randn(*shape)


CONSTANTS = {
    "0": np.zeros(60),
    "5": np.full(60, 5.0),
    "0.1": np.full(60, 0.1),
    "1e-9": np.full(60, 1e-9),
    "1e30": np.full(60, 1e30),
    "rounded": 0.1 * (1 + 3e-16 * draws(60)),
    "nearly": 1e6 * (1 + 1e-14 * draws(60)),
    "outputs": np.tile([0.0, 0.3, -7.0], (60, 1)),
}


@pytest.mark.parametrize("name", CONSTANTS)
@pytest.mark.parametrize("model", REGRESSORS, ids=str)
def test_constant_targets_are_fitted_exactly_and_certified(model, name):
    X, y = rows()[0], CONSTANTS[name]
    model = clone(model).fit(X, y)
    assert model.n_iter_ <= 2
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-12)
    assert model.certificate_.reached
    assert model.certificate_.relative == 0


@pytest.mark.parametrize("model", REGRESSORS, ids=str)
def test_one_row_is_fitted_exactly(model):
    X, y = rows()
    model = clone(model).fit(X[:1], y[:1])
    np.testing.assert_allclose(model.predict(X), y[0], rtol=1e-12)
    assert model.certificate_.reached


@pytest.mark.parametrize(
    "model",
    [
        ADMMNetRegressor((5,), random_state=0),
        MeanFieldTwoLayerNet(6, random_state=0),
        MeanFieldTwoLayerNet(6, solver="conic", random_state=0),
        ADMMNetClassifier((5,), random_state=0),
        MeanFieldTwoLayerNetClassifier(6, random_state=0),
    ],
    ids=str,
)
class TestWithoutAnythingToLearn:
    """The optimum is the net that says the mean."""

    def check(self, model, X, y):
        """The optimum is known, and so is the certificate's value: 0."""
        model = clone(model).set_params(alpha=10.0).fit(X, y)
        assert model.certificate_.relative <= model.tol
        assert model.certificate_.reached in (True, None)
        if hasattr(model, "classes_"):
            expected = np.tile(np.bincount(y) / len(y), (len(X), 1))
            np.testing.assert_allclose(model.predict_proba(X), expected, atol=2e-3)
        else:
            np.testing.assert_allclose(model.predict(X), y.mean(), atol=2e-3 * y.std())

    def targets(self, model, y):
        return (y > 1).astype(int) if hasattr(model, "predict_proba") else y

    def test_rows_of_zeros(self, model):
        X, y = rows()
        self.check(model, 0 * X, self.targets(model, y))

    def test_a_penalty_that_nothing_is_worth(self, model):
        X, y = rows()
        self.check(model, X, self.targets(model, y))

    def test_targets_that_the_penalty_dwarfs(self, model):
        X, y = rows()
        if not hasattr(model, "classes_") and "Regressor" in type(model).__name__:
            self.check(model, X, 1e-6 * y)


@pytest.mark.parametrize("seed", range(6))
def test_a_net_at_the_optimum_has_no_gap(seed):
    """No particle is worth its mass: the net is the intercept alone."""
    rng = np.random.RandomState(seed)
    y = rng.randint(0, 2, 150)
    X = 0.3 * rng.randn(2, 5)[y] + rng.randn(150, 5)
    model = MeanFieldTwoLayerNetClassifier(alpha=1.0, random_state=0).fit(X, y)
    assert model.first_variation_max_ < model.alpha_
    assert model.certificate_.relative <= 1e-4


@pytest.mark.parametrize("alpha", [1e-12, 1e-3])
@pytest.mark.parametrize(
    "Net",
    [lambda **a: ADMMNetClassifier((5,), **a), lambda **a: MeanFieldTwoLayerNetClassifier(10, **a)],
)
def test_separable_classes(Net, alpha):
    X, y = rows()
    y = (X[:, 0] > 0).astype(int)
    model = fit_quietly(Net(alpha=alpha, random_state=0), X, y)
    assert model.score(X, y) == 1.0
    assert 0 <= model.certificate_.relative <= 1


@pytest.mark.parametrize("Net", [ADMMNetClassifier, MeanFieldTwoLayerNetClassifier])
def test_one_class_alone_has_weight(Net):
    X, y = rows()
    y = (y > 1).astype(int)
    for weighted in (0, 1):  # the fixture makes errors of warnings: there is nothing to miss
        net = Net(20, alpha=1e-3, random_state=0, class_weight={1 - weighted: 0})
        assert (net.fit(X, y).predict(X) == weighted).all()
        assert 0 <= net.certificate_.relative <= 1
    model = fit_quietly(Net(random_state=0), X, y, sample_weight=y)
    assert (model.predict(X) == 1).all()


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize(
    "model",
    [
        ADMMNetRegressor((5,), random_state=0, max_iter=30, tol=0),
        MeanFieldTwoLayerNet(6, alpha=1e-3, scale_inputs=False, random_state=0, max_iter=30, tol=0),
    ],
    ids=str,
)
def test_units_and_offset_of_the_targets_change_nothing(model, scale, shift):
    """If the penalty has the targets' units too."""
    X, y = rows()
    expected = fit_quietly(clone(model), X, y).predict(X)
    if isinstance(model, MeanFieldTwoLayerNet):
        scaled = clone(model).set_params(alpha=model.alpha * scale)
    else:  # the penalty of the hidden weights has them squared, that of the last layer has none
        model, scaled = (clone(model).set_params(alpha=0) for _ in range(2))
        expected = fit_quietly(model, X, y).predict(X)
    found = fit_quietly(scaled, X, scale * (y + shift)).predict(X) / scale - shift
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("size", [1e-3, 1e-2])
def test_features_much_smaller_than_the_bias_are_learned(size):
    """Particles must turn before they win anything, and lose their mass meanwhile."""
    rng = np.random.RandomState(0)
    y = rng.randint(0, 3, 150)
    X = size * ((2 * rng.randn(3, 5))[y] + rng.randn(150, 5))
    settings = {"alpha": 1e-3, "scale_inputs": False, "random_state": 0}
    best = MeanFieldTwoLayerNetClassifier(solver="sliding-frank-wolfe", max_iter=30, **settings)
    fit_quietly(best, X, y)
    model = MeanFieldTwoLayerNetClassifier(**settings).fit(X, y)
    assert model.history_["objective"][-1] < 1.01 * best.history_["objective"][-1]
    right = [(fit.predict(X) == y).sum() for fit in (model, best)]
    assert abs(right[0] - right[1]) <= 3  # 0.02 of the rows


@pytest.mark.parametrize("solver", ["particles", "flow", "conic"])
def test_a_net_that_has_learned_next_to_nothing_of_what_there_is_says_so(solver):
    X, y = rows(d=2)
    settings = {"alpha": 1e-33, "scale_inputs": False, "max_iter": 200, "random_state": 0}
    model = MeanFieldTwoLayerNet(20, solver=solver, **settings)
    with pytest.warns(ConvergenceWarning, match="scale the data"):
        model.fit(1e-30 * X, y)
    assert model.certificate_.relative > 0.5
