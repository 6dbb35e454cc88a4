"""Certificates are proofs: no start, and no dual point, makes one say more than is true.

The value of any feasible point is at least the optimum. So none may be below a proven lower bound,
and a fit may not be farther above it than its certificate says.
"""

import warnings

import numpy as np
import pytest
from helpers import EPSILON, LOG_LINKS, QUANTILE, SEEDS, fit_quietly, loss_value, scalar_loss
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_model.logistic_problems import array_problem
from scipy.special import log_softmax, xlogy

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland._loss.scalar_losses import LOSSES
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    FiniteSumClassifier,
    FiniteSumRegressor,
    finite_sum,
)
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum, SoftmaxSum
from sklearn_optland.linear_model._finite_sum.solver_specs import SOLVERS
from sklearn_optland.linear_model._logistic.dual_bound import dual_bound, lower_bound
from sklearn_optland.neural_network import MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier

MARGINS = ["log_loss", "squared_hinge", "smooth_hinge", "hinge"]
RESIDUALS = [name for name in LOSSES if name not in MARGINS]
SIZES = (st.floats(-3, 6) | st.floats(6, 120)).map(lambda exponent: 10**exponent)
# What float64 leaves open of an objective of size 1, or of this size.
ROUNDING = 1e-11


def data(seed, n_classes, d=3):
    rng = np.random.RandomState(seed % 1000)
    X = rng.randn(20, d)
    scores = X @ rng.randn(d, max(n_classes, 1)) + rng.randn(20, max(n_classes, 1))
    if n_classes == 0:
        return X, scores[:, 0]
    y = scores.argmax(axis=1) if n_classes > 2 else (scores[:, 0] > 0).astype(int)
    y[:n_classes] = np.arange(n_classes)
    return X, y


def targets(loss, y):
    """What a loss takes, made of numbers of any sign: themselves, or counts, or sizes."""
    y = np.exp(y) if loss in LOG_LINKS else y
    return np.ceil(y) if loss == "poisson" else y


def mean_loss(loss, X, y, coef, intercept):
    """The mean loss of linear scores, as the docstrings write it; y classes or targets."""
    F = X @ np.atleast_2d(coef).T.astype(float) + np.asarray(intercept, dtype=float)
    if loss in RESIDUALS or F.shape[1] == 1:
        return loss_value(loss, y if loss in RESIDUALS else 2.0 * y - 1, F.ravel()).mean()
    if loss == "log_loss":
        return -log_softmax(F, axis=1)[np.arange(len(y)), y].mean()
    return loss_value(loss, np.where(y[:, None] == np.arange(F.shape[1]), 1, -1), F).sum() / len(y)


def objective(model, X, y):
    """The objective of a finite sum, or of bound majorization divided by n C."""
    if isinstance(model, BoundMajorizationLogisticRegression):
        loss, alpha, l1_ratio = "log_loss", 1 / (len(y) * model.C), 0.0
    else:
        loss, alpha, l1_ratio = model.loss, model.alpha, model.l1_ratio
    w = model.coef_.astype(float)
    penalty = l1_ratio * np.abs(w).sum() + 0.5 * (1 - l1_ratio) * np.vdot(w, w)
    return mean_loss(loss, X.astype(float), y, w, model.intercept_) + alpha * penalty


def assert_certified(model, reference, X, y):
    """Assert that the certificate covers how far the model is above a reference's objective."""
    unit = len(y) * model.C if hasattr(model, "C") else 1.0
    above = objective(model, X, y) - objective(reference, X, y)
    assert model.certificate_.scope == "global"
    assert above <= model.certificate_.value / unit + ROUNDING * (1 + objective(model, X, y))


@st.composite
def settings_of_sums(draw, n_classes):
    """Parameters of a finite sum that some solver can minimise."""
    loss = draw(st.sampled_from(MARGINS if n_classes else RESIDUALS))
    parameters = {
        "loss": loss,
        "alpha": draw(st.sampled_from([0.0, 1e-8, 1e-4, 1e-2, 1.0])),
        "l1_ratio": draw(st.sampled_from([0.0, 0.0, 0.5, 1.0])),
        "positive": draw(st.booleans()),
        "fit_intercept": draw(st.booleans()),
    }
    quadratic = parameters["l1_ratio"] == 0 and not parameters["positive"]
    is_softmax = n_classes > 2 and loss == "log_loss"
    able = [
        name
        for name, needs in SOLVERS.items()
        if not (needs.losses in ("smooth", "bounded") and not LOSSES[loss].is_smooth)
        and not (needs.losses == "bounded" and not LOSSES[loss].is_bounded)
        and not (needs.quadratic and not quadratic)
        and not (needs.l2 and (parameters["alpha"] == 0 or parameters["l1_ratio"] == 1))
        and not (needs.penalized and parameters["alpha"] == 0)
        and not (needs.losses == "kinked" and LOSSES[loss].is_smooth)
        and not (is_softmax and not needs.multinomial)
    ]
    return {**parameters, "solver": draw(st.sampled_from(able))}


@st.composite
def overwritten(draw, model):
    """Overwrite the coefficients that a fit would start from."""
    rng = np.random.RandomState(draw(st.integers(0, 99)))
    model.coef_ = draw(SIZES) * rng.randn(*np.shape(model.coef_))
    size = draw(SIZES) if draw(st.booleans()) else 0.0
    model.intercept_ = size * rng.randn(*np.shape(model.intercept_))


@settings.get_profile("fits")
@given(draws=st.data(), seed=SEEDS, n_classes=st.sampled_from([0, 2, 3]))
def test_finite_sums_never_claim_too_much_wherever_they_start(draws, seed, n_classes):
    d = draws.draw(st.sampled_from([3, 40]))
    X, y = data(seed, n_classes, d)
    Model = FiniteSumClassifier if n_classes else FiniteSumRegressor
    fixed = {"random_state": 0}
    if not n_classes:
        fixed |= {"epsilon": EPSILON, "quantile": QUANTILE}
    before_classes = draws.draw(st.sampled_from([2, 3])) if n_classes else 0
    before, after = (draws.draw(settings_of_sums(k)) for k in (before_classes, n_classes))
    offset = draws.draw(st.sampled_from([0.0, 0.0, 10.0, 1e3])) * after["fit_intercept"]
    X = X + offset
    first, second = (X.astype(draws.draw(st.sampled_from(["f4", "f8"]))) for _ in range(2))
    model = Model(**before, **fixed, warm_start=True, max_iter=draws.draw(st.sampled_from([2, 50])))
    fit_quietly(model, first, targets(before["loss"], data(seed, before_classes, d)[1]))
    if draws.draw(st.booleans()):
        draws.draw(overwritten(model))
    y = targets(after["loss"], y)
    model.set_params(**after, step_size=draws.draw(st.sampled_from(["auto", 3.0])))
    fit_quietly(model.set_params(max_iter=draws.draw(st.sampled_from([1, 20]))), second, y)
    cold = Model(**{**after, "solver": "catalyst"}, **fixed, tol=1e-8, max_iter=500)
    assert_certified(model, fit_quietly(cold, second.astype(float), y), second, y)
    if second.dtype == float:
        at_zero = mean_loss(model.loss, second, y, 0 * model.coef_, 0 * model.intercept_)
        assert objective(model, second, y) <= at_zero * (1 + 1e-9)
    assert not (model.positive and (model.coef_ < 0).any())
    assert model.fit_intercept or not np.any(model.intercept_)


@settings.get_profile("fits")
@given(draws=st.data(), seed=SEEDS, n_classes=st.sampled_from([2, 3]))
def test_bound_majorization_never_claims_too_much_wherever_it_starts(draws, seed, n_classes):
    X, y = data(seed, n_classes, d=draws.draw(st.sampled_from([3, 40])))
    choices = {
        "C": st.sampled_from([1e-3, 1.0, 1e5]),
        "fit_intercept": st.booleans(),
        "curvature": st.sampled_from(["auto", "jc12", "low-rank", "bohning"]),
        "max_iter": st.sampled_from([1, 3, 100]),
    }
    before, after = (draws.draw(st.fixed_dictionaries(choices)) for _ in range(2))
    model = BoundMajorizationLogisticRegression(**before, warm_start=True)
    fit_quietly(model, X.astype(draws.draw(st.sampled_from(["f4", "f8"]))), y)
    draws.draw(overwritten(model))
    fit_quietly(model.set_params(**after), X, y)
    cold = FiniteSumClassifier(
        alpha=1 / (len(y) * model.C), fit_intercept=model.fit_intercept, tol=1e-9, random_state=0
    )
    assert_certified(model, fit_quietly(cold, X, y), X, y)


@settings.get_profile("fits")
@given(draws=st.data(), seed=SEEDS, size=SIZES, is_classifier=st.booleans())
def test_wide_nets_never_claim_too_much_wherever_they_start(draws, seed, size, is_classifier):
    X, y = data(seed, 2 if is_classifier else 0, d=2)
    Model = MeanFieldTwoLayerNetClassifier if is_classifier else MeanFieldTwoLayerNet
    choices = {"alpha": st.sampled_from([1e-3, 0.1]), "fit_intercept": st.booleans()}
    before, after = (draws.draw(st.fixed_dictionaries(choices)) for _ in range(2))
    model = Model(n_particles=5, warm_start=True, max_iter=5, random_state=0, **before)
    fit_quietly(model, X, y)
    model.coefs_ = [size * W for W in model.coefs_]
    model.intercepts_ = [size * b for b in model.intercepts_]
    fit_quietly(model.set_params(**after), X, y)
    cold = fit_quietly(Model(n_particles=5, max_iter=20, random_state=0, **after), X, y)
    above = model.history_["objective"][-1] - cold.history_["objective"][-1]
    if model.certificate_.scope == "global":
        assert above <= model.certificate_.value + 1e-9 * (1 + abs(above))
    assert model.fit_intercept or not any(b.any() for b in model.intercepts_)


@given(
    draws=st.data(), seed=SEEDS, loss=st.sampled_from([*MARGINS, *RESIDUALS, "softmax"]), size=SIZES
)
def test_no_parameters_and_no_dual_point_of_a_finite_sum_prove_too_much(draws, seed, loss, size):
    rng = np.random.default_rng(seed)
    positive, fit_intercept = draws.draw(st.booleans()), draws.draw(st.booleans())
    X, y = data(seed, 3 if loss == "softmax" else 2 if loss in MARGINS else 0)
    penalty = ElasticNet(
        draws.draw(st.sampled_from([0, 0.1])), draws.draw(st.sampled_from([1e-3, 1.0])), positive
    )
    common = {"penalty": penalty, "fit_intercept": fit_intercept}
    c = rng.dirichlet(np.ones(len(y)))
    if loss == "softmax":
        problem = SoftmaxSum(ArraySource(X, c=c), y.astype(np.int32), n_classes=3, **common)
    else:
        y = 2.0 * y - 1 if loss in MARGINS else targets(loss, y)
        problem = FiniteSum(ArraySource(X, c=c), y, loss=scalar_loss(loss), **common)
    zeros, theta = problem.zeros(), problem.zeros_like_scores()
    some = problem.project(0.1 * rng.standard_normal(zeros.shape))
    known = min(problem.evaluate(zeros).objective, problem.evaluate(some).objective)
    theta = draws.draw(SIZES) * rng.standard_normal(theta.shape)
    if loss == "softmax":
        theta -= theta.mean(axis=1, keepdims=True)
    anywhere = size * rng.standard_normal(zeros.shape)
    point = problem.evaluate(anywhere, theta)
    if positive and (anywhere[:-1] < 0).any():
        assert point.objective == point.certificate == np.inf
    for start in (anywhere, problem.project(anywhere)):
        _, pulls = problem.losses(problem.scores(rng.permuted(start, axis=0)))
        point = problem.evaluate(start, pulls)
        assert point.objective - known <= point.certificate + ROUNDING * (1 + point.objective)
    assert problem.lower_bound <= known * (1 + ROUNDING)


@given(seed=SEEDS, size=SIZES, n_classes=st.sampled_from([2, 3, 8]))
def test_log_loss_gap_is_the_divergence_for_any_scores(seed, size, n_classes):
    rng = np.random.default_rng(seed)
    Z, P = size * rng.standard_normal((9, n_classes)), rng.dirichlet(np.ones(n_classes), 9)
    P[:3] = np.eye(n_classes)[rng.integers(n_classes, size=3)]
    y, c = rng.integers(n_classes, size=9).astype(np.int32), rng.dirichlet(np.ones(9))
    common = {"penalty": ElasticNet(0.0, 1.0), "fit_intercept": False}
    source = ArraySource(np.eye(9), c=c)
    expected = c @ (xlogy(P, P) - P * log_softmax(Z, axis=1)).sum(axis=1)
    if n_classes == 2:
        signs = 2.0 * y - 1
        problem = FiniteSum(source, signs, loss=scalar_loss("log_loss"), **common)
        gap = problem.losses_gap(Z[:, 1] - Z[:, 0], y - P[:, 1])
    else:
        problem = SoftmaxSum(source, y, n_classes=n_classes, **common)
        gap = problem.losses_gap(Z, np.eye(n_classes)[y] - P)
    assert gap == pytest.approx(expected, rel=1e-9, abs=1e-13 * (1 + size))


@given(
    seed=SEEDS,
    size=SIZES,
    step=SIZES,
    shift=SIZES,
    n_classes=st.sampled_from([2, 3]),
    free=st.booleans(),
)
def test_no_dual_point_of_bound_majorization_proves_too_much(
    seed, size, step, shift, n_classes, free
):
    rng = np.random.default_rng(seed)
    X, y = data(seed, n_classes)
    problem = array_problem(
        X, y.astype(np.int32), rng.random(len(y)), n_classes=n_classes, l2=1.0, fit_intercept=free
    )
    W, direction = (rng.standard_normal(problem.zeros().shape) for _ in range(2))
    if not free:
        W[-1] = direction[-1] = 0.0
    else:
        W[-1] *= shift
    near, far = problem.evaluate(0.1 * W), problem.evaluate(size * W)
    known = min(problem.at_zero, near.objective) * (1 + ROUNDING)
    for point in near, far:
        assert lower_bound(problem, point, step * direction) <= known
        assert lower_bound(problem, point, -point.gradient) <= known
        assert dual_bound(problem, point, step * rng.standard_normal(point.Z.shape)) <= known


@pytest.mark.parametrize("solver", [s for s in SOLVERS if SOLVERS[s].losses != "kinked"])
def test_start_of_the_function_has_an_intercept_only_where_it_is_fitted(solver):
    X, y = data(0, 0)
    arguments = {"alpha": 0.01, "solver": solver, "random_state": 0}
    cold = finite_sum("squared_error", "l2", X, y, **arguments)
    warm = finite_sum("squared_error", "l2", X, y, start=[0, 0, 0, 5.0], **arguments)
    assert warm.intercept == 0
    np.testing.assert_array_equal(warm.coef, cold.coef)
    assert warm.certificate == cold.certificate


SMOOTH = [solver for solver in SOLVERS if SOLVERS[solver].losses != "kinked"]


@pytest.mark.parametrize("solver", [s for s in SMOOTH if not SOLVERS[s].quadratic])
def test_start_that_is_negative_is_moved_to_the_feasible_set(solver):
    X, y = data(0, 0)
    arguments = {"alpha": 0.01, "solver": solver, "positive": True, "random_state": 0}
    cold = finite_sum("squared_error", "l2", X, y, **arguments)
    warm = finite_sum("squared_error", "l2", X, y, start=[-9.0] * 4, **arguments)
    np.testing.assert_array_equal(warm.coef, cold.coef)


@pytest.mark.parametrize("name", ["coef_", "intercept_"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("Model", [FiniteSumClassifier, BoundMajorizationLogisticRegression])
def test_warm_start_at_what_is_not_finite_is_refused(Model, name, value):
    X, y = data(0, 3)
    model = Model(warm_start=True).fit(X, y)
    getattr(model, name).flat[0] = value
    with pytest.raises(ValueError, match=f"{name}: found NaN or infinity"):
        model.fit(X, y)


@pytest.mark.parametrize("n_classes", [0, 2, 3])
@pytest.mark.parametrize("solver", [*SOLVERS, "bound majorization"])
def test_warm_start_so_far_out_that_the_objective_overflows_is_a_cold_one(solver, n_classes):
    X, y = data(0, n_classes)
    if solver == "bound majorization":
        if n_classes == 0:
            return
        model = BoundMajorizationLogisticRegression()
    else:
        spec = SOLVERS[solver]
        if spec.losses == "kinked" or (n_classes == 3 and not spec.multinomial):
            return
        Model = FiniteSumClassifier if n_classes else FiniteSumRegressor
        model = Model(solver=solver, alpha=0.1, random_state=0)
    cold = model.fit(X, y).coef_
    model.set_params(warm_start=True)
    model.coef_ = 1e200 * cold
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    np.testing.assert_array_equal(model.coef_, cold)
