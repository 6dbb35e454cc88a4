"""Two-layer nets as measures: the dual bound."""

import warnings
from decimal import Decimal, localcontext

import numpy as np
import pytest
from helpers import fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from neural_network.mean_field_helpers import SOLVERS, curve, make_problem, plain_objective
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland._net.forward import LossKind
from sklearn_optland._optim import lbfgs
from sklearn_optland._rows.reduce import reduce
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.neural_network import MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier
from sklearn_optland.neural_network._mean_field.passes import Divergence


def grid_optimum(X, y, alpha, *, is_log_loss=False, fit_intercept=True, n_angles=400):
    """The best objective of neurons on a grid of the circle or the sphere, by L-BFGS-B."""
    if fit_intercept:
        X = np.column_stack([X, np.ones(len(X))])
    if X.shape[1] == 2:
        angles = np.linspace(0, 2 * np.pi, n_angles, endpoint=False)
        T = np.column_stack([np.cos(angles), np.sin(angles)])
    else:
        T = np.random.RandomState(0).randn(n_angles, X.shape[1])
        T /= np.linalg.norm(T, axis=1)[:, None]
    H = np.maximum(X @ T.T, 0)
    H = np.column_stack([H, -H])

    def objective(w):
        f = H @ w[:-1] + w[-1]
        if is_log_loss:
            value, slope = np.logaddexp(0, -(2 * y - 1) * f).mean(), (expit(f) - y) / len(y)
        else:
            value, slope = 0.5 * np.mean((f - y) ** 2), (f - y) / len(y)
        return value + alpha * w[:-1].sum(), np.append(H.T @ slope + alpha, slope.sum())

    free = (None, None) if fit_intercept else (0, 0)
    bounds = [(0, None)] * H.shape[1] + [free]
    options = {"maxiter": 20_000, "maxfun": 10**6, "ftol": 1e-13, "gtol": 1e-10, "maxcor": 50}
    return minimize(
        objective, np.zeros(H.shape[1] + 1), jac=True, bounds=bounds, options=options
    ).fun


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("is_log_loss", "k"), [(False, 1), (False, 2), (True, 1), (True, 3)])
@settings.get_profile("fits")
@given(seed=st.integers(0, 10**6), log_alpha=st.floats(-4, 1), m=st.integers(1, 6))
def test_no_net_is_below_the_dual_bound_of_another(
    is_log_loss, k, fit_intercept, seed, log_alpha, m
):
    problem = make_problem(
        seed,
        n=8,
        d=1,
        k=k,
        is_log_loss=is_log_loss,
        fit_intercept=fit_intercept,
        alpha=10.0**log_alpha,
    )
    rng = np.random.RandomState(seed)
    bounds = []
    for length in (0.1, 1.0):
        theta = problem.layout.spread_start(m, length, rng)
        for step in lbfgs.minimize(problem.value_and_gradient, theta, lbfgs.Memory(20)):
            if step.done or step.curves["passes"] > 1 + 20 * length:
                break
        settings = {"inputs": problem.inputs(), "n_starts": 8, "random_state": 0}
        bound = problem.bound(step.parameters, **settings)
        assert bound.proven
        assert bound.gap >= 0
        bounds.append((bound.objective, bound.objective - bound.gap))
    slack = 1e-9 * (1 + bounds[0][0])
    assert max(lower for _, lower in bounds) <= min(upper for upper, _ in bounds) + slack


@pytest.mark.parametrize(
    ("d", "fit_intercept", "is_log_loss"),
    [(1, True, False), (1, True, True), (2, False, False), (2, True, False), (3, False, True)],
)
@pytest.mark.parametrize("solver", SOLVERS)
def test_gap_bounds_the_suboptimality_against_a_grid(
    solver, d, fit_intercept, is_log_loss, global_random_seed
):
    X, y = curve(40, d, global_random_seed)
    if is_log_loss:
        y = (y > 2) * 1.0
    Estimator = MeanFieldTwoLayerNetClassifier if is_log_loss else MeanFieldTwoLayerNet
    alpha = 0.03
    settings = {"fit_intercept": fit_intercept, "scale_inputs": False, "random_state": 0}
    model = Estimator(40, solver=solver, alpha=alpha, tol=1e-3, **settings).fit(X, y)
    assert model.certificate_.scope == "global"
    Y, c = y[:, None], np.full(len(y), 1 / len(y))
    objective = plain_objective(X, Y, c, model.coefs_, model.intercepts_, alpha, is_log_loss)
    grid = grid_optimum(X, y, alpha, is_log_loss=is_log_loss, fit_intercept=fit_intercept)
    assert objective - model.certificate_.value <= grid + 1e-9
    if solver == "sliding-frank-wolfe":
        assert model.certificate_.reached
        assert model.certificate_.value <= 1e-3 * objective
        assert objective <= grid * (1 + 1e-3)
        assert model.first_variation_max_ <= 1.02 * alpha
    history = model.history_["objective"]
    np.testing.assert_allclose(history[-1], objective, rtol=1e-2)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_stopped_fit_has_a_large_gap(solver):
    X, y = curve()
    model = MeanFieldTwoLayerNet(solver=solver, alpha=1e-3, max_iter=1, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"stopped after 1 iterations with duality gap"):
        model.fit(X, y)
    assert model.certificate_.value > 0.3 * model.history_["objective"][-1]
    assert model.first_variation_max_ > 2 * model.alpha


def test_memory_of_lbfgs_changes_its_type_without_a_warning(monkeypatch):
    def unset(shape, dtype):
        return np.full(shape, 0x7FA00000, np.uint32).view(dtype)  # a NaN that signals

    monkeypatch.setattr(np, "empty", unset)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        memory = lbfgs.Memory(3)
        memory.remember(np.ones(2, np.float32), np.ones(2, np.float32))
        memory.astype(np.float64)


@pytest.mark.parametrize("Net", [MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier])
def test_a_solver_that_stands_still_at_nothing_says_so(Net, global_random_seed):
    # columns of mean 1e6 and deviation 1 leave L-BFGS no step that helps
    rng = np.random.RandomState(global_random_seed)
    X = rng.randn(200, 8)
    y = X[:, 0] > 0
    with pytest.warns(ConvergenceWarning, match=r"duality gap .* scale_inputs=True"):
        Net(random_state=0, scale_inputs=False).fit(X + 1e6, y)
    net = fit_quietly(Net(random_state=0), X + 1e6, y)
    assert net.score(X + 1e6, y) > 0.5


def test_above_three_dimensions_it_is_an_estimate():
    X, y = curve(d=3)
    model = MeanFieldTwoLayerNet(alpha=0.01, random_state=0).fit(X, y)
    assert model.certificate_.scope == "estimate"
    X[:, 2] = X[:, 0] - X[:, 1]  # with the bias three dimensions again
    assert MeanFieldTwoLayerNet(alpha=0.01, random_state=0).fit(X, y).certificate_.scope == "global"


def test_without_a_penalty_it_is_the_gradient():
    X, y = curve(d=4)
    model = MeanFieldTwoLayerNet(alpha=0, random_state=0).fit(X, y)
    assert model.certificate_.quantity == "gradient norm"
    assert model.certificate_.scope == "stationary"
    assert np.isnan(model.first_variation_max_)
    with pytest.raises(ValueError, match="alpha: found 0; solver='sliding-frank-wolfe'"):
        MeanFieldTwoLayerNet(alpha=0, solver="sliding-frank-wolfe").fit(X, y)


def test_a_large_penalty_leaves_the_mean():
    X, y = curve()
    for solver in SOLVERS:
        model = MeanFieldTwoLayerNet(solver=solver, alpha=100, tol=1e-6, random_state=0).fit(X, y)
        np.testing.assert_allclose(model.predict(X), y.mean(), rtol=1e-6)
        assert model.certificate_.scope == "global"


@pytest.mark.parametrize("k", [1, 3])
@given(
    scores=st.lists(st.floats(-1000, 1000), min_size=3, max_size=3),
    label=st.integers(0, 2),
    scale=st.floats(0, 1),
)
def test_divergences_are_exact_for_scores_of_any_size(k, scores, label, scale):
    """They are terms of a proven gap: none may be cut off, or lost where p underflows."""
    F = np.array([scores[:k]])
    label = min(label, 1) if k == 1 else label
    Y = np.array([[float(label)]]) if k == 1 else np.eye(3)[[label]]
    with localcontext(prec=100):
        logits = [Decimal(score) for score in ([0.0, scores[0]] if k == 1 else scores)]
        total, exact = sum(logit.exp() for logit in logits), Decimal(0)
        for i, logit in enumerate(logits):
            p = logit.exp() / total
            q = Decimal(scale) * p + (1 - Decimal(scale)) * (i == label)
            exact += (q * (q / p).ln() if q > 0 else 0) - q + p
        exact = float(exact)
    source = ArraySource(np.zeros((1, 1)), c=np.ones(1))
    found = reduce(Divergence(LossKind(True), k), source, (F, 0.0, Y, scale))[0]
    # log p has the rounding of the scores
    assert found == pytest.approx(exact, rel=1e-12, abs=4e-16 * (1 + np.abs(F).max()))
