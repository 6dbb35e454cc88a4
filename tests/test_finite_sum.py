"""Finite-sum estimators: optimum, certificate, refusals, odd data, the function, the rate table."""

import warnings
from itertools import product

import numpy as np
import pytest
from helpers import EPSILON, fit_quietly, loss_pull, loss_value
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog, minimize
from sklearn.callback import ProgressBar
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    FiniteSumClassifier,
    FiniteSumRegressor,
    SAGAClassifier,
    SAGARegressor,
    SDCAClassifier,
    SDCARegressor,
    SVRGClassifier,
    SVRGRegressor,
    _finite_sum_dual_solvers,
    finite_sum,
)
from sklearn_optland.linear_model._finite_sum.descent import Descent
from sklearn_optland.linear_model._finite_sum.problem import CURVATURE, FiniteSum, Penalty
from sklearn_optland.linear_model._finite_sum.solver_specs import SOLVERS

CLASSIFIES = ["log_loss", "squared_hinge", "smooth_hinge", "hinge"]
SMOOTH = [loss for loss, curvature in CURVATURE.items() if np.isfinite(curvature)]
PENALTIES = {  # l1_ratio, positive
    "l2": (0.0, False),
    "elastic net": (0.4, False),
    "l1": (1.0, False),
    "non-negative": (0.0, True),
    "non-negative elastic net": (0.6, True),
}


def estimator(loss, **parameters):
    """The estimator for a loss."""
    if loss in CLASSIFIES:
        return FiniteSumClassifier(loss, random_state=0, **parameters)
    return FiniteSumRegressor(loss, epsilon=EPSILON, random_state=0, **parameters)


def allowed(solver, loss, penalty, n_classes=2):
    """Whether the issue allows the triple: the table of the user guide."""
    l1_ratio, positive = PENALTIES[penalty]
    if loss not in SMOOTH and solver not in ("sdca", "point-saga", "catalyst"):
        return False
    if solver in ("sag", "point-saga") and (l1_ratio or positive):
        return False
    if solver in ("sdca", "miso", "katyusha") and l1_ratio == 1:
        return False
    return not (n_classes > 2 and loss == "log_loss" and solver in ("katyusha", "point-saga"))


def data(loss, seed, *, n=40, d=4, n_classes=2):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d) * (rng.rand(n, d) < 0.7)
    scores = X @ rng.randn(d, n_classes if n_classes > 2 else 1) + 0.5
    noisy = scores + rng.randn(*scores.shape)
    if loss not in CLASSIFIES:
        return X, noisy[:, 0]
    y = noisy.argmax(axis=1) if n_classes > 2 else (noisy[:, 0] > 0).astype(int)
    y[:n_classes] = np.arange(n_classes)
    return X, y


def objective(model, X, y, sample_weight=None):
    """The objective of the class docstring, in float64, from the fitted attributes."""
    X = X.toarray() if sparse.issparse(X) else X
    s = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, float)
    coef = np.atleast_2d(model.coef_).astype(float)
    scores = X.astype(float) @ coef.T + np.asarray(model.intercept_, dtype=float)
    penalty = model.l1_ratio * np.abs(coef).sum() + 0.5 * (1 - model.l1_ratio) * np.sum(coef**2)
    if model.loss not in CLASSIFIES:
        rows = loss_value(model.loss, y, scores.ravel())
    elif len(model.classes_) == 2:
        rows = loss_value(model.loss, np.where(y == model.classes_[1], 1, -1), scores.ravel())
    elif model.loss == "log_loss":
        codes = np.searchsorted(model.classes_, y)
        rows = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(y)), codes]
    else:
        signs = np.where(y[:, None] == model.classes_, 1, -1)
        rows = loss_value(model.loss, signs, scores).sum(axis=1)
    return s @ rows / s.sum() + model.alpha * penalty


def independent_optimum(loss, X, y, s, alpha, penalty, fit_intercept):
    """The optimal objective by other people's solvers: LIBSVM, HiGHS, L-BFGS-B."""
    l1_ratio, positive = PENALTIES[penalty]
    c = s / s.sum()
    signs = np.where(y == 1, 1.0, -1.0) if loss in CLASSIFIES else y
    n, d = X.shape
    if loss not in SMOOTH and penalty == "l2" and fit_intercept:
        svm = (
            SVC(kernel="linear", C=1 / alpha, tol=1e-10)
            if loss == "hinge"
            else SVR(kernel="linear", C=1 / alpha, tol=1e-10, epsilon=EPSILON)
        )
        svm.fit(X, signs, sample_weight=c)
        w, b = svm.coef_.ravel(), svm.intercept_[0]
        return c @ loss_value(loss, signs, X @ w + b) + 0.5 * alpha * w @ w
    if loss not in SMOOTH and penalty == "l1":
        # variables w+, w-, b+, b-, slacks; slack_i >= each affine piece of the loss
        A = np.column_stack([X, np.full(n, float(fit_intercept))])
        both = np.column_stack([A[:, :-1], -A[:, :-1], A[:, -1:], -A[:, -1:]])
        cost = np.concatenate([np.full(2 * d, alpha), np.zeros(2), c])
        if loss == "hinge":
            rows, bounds = [-signs[:, None] * both], [-np.ones(n)]
        else:
            rows, bounds = [both, -both], [signs + EPSILON, EPSILON - signs]
        constraints = np.vstack([np.column_stack([row, -np.eye(n)]) for row in rows])
        return linprog(cost, A_ub=constraints, b_ub=np.concatenate(bounds)).fun
    if loss not in SMOOTH:
        return None

    def split(u):  # w = u+ - u-, which makes the L1 norm smooth
        w = u[:d] if positive else u[:d] - u[d : 2 * d]
        b = u[-1] * fit_intercept
        f = X @ w + b
        value = c @ loss_value(loss, signs, f) + alpha * (
            l1_ratio * np.sum(u[:-1]) + 0.5 * (1 - l1_ratio) * w @ w
        )
        slope = -c * loss_pull(loss, signs, f)
        g = X.T @ slope + alpha * (1 - l1_ratio) * w
        parts = [g + alpha * l1_ratio] + ([] if positive else [-g + alpha * l1_ratio])
        return value, np.append(np.concatenate(parts), fit_intercept * slope.sum())

    size = (d if positive else 2 * d) + 1
    bounds = [(0, None)] * (size - 1) + [(None, None)]
    options = {"ftol": 0, "gtol": 1e-12, "maxiter": 3000, "maxfun": 5000, "maxcor": 30}
    return minimize(
        split, np.zeros(size), jac=True, method="L-BFGS-B", bounds=bounds, options=options
    ).fun


@given(
    solver=st.sampled_from(["auto", *SOLVERS]),
    loss=st.sampled_from(list(CURVATURE)),
    penalty=st.sampled_from(list(PENALTIES)),
    storage=st.sampled_from([np.asarray, sparse.csr_array, sparse.csr_matrix]),
    dtype=st.sampled_from([np.float64, np.float32]),
    fit_intercept=st.booleans(),
    weights=st.sampled_from(["none", "random", "zeros"]),
    sampling=st.sampled_from(["uniform", "lipschitz"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_allowed_fit_reaches_the_optimum(
    solver, loss, penalty, storage, dtype, fit_intercept, weights, sampling, seed
):
    assume(solver == "auto" or allowed(solver, loss, penalty))
    X, y = data(loss, seed)
    X = X.astype(dtype)
    rng = np.random.RandomState(seed)
    s = {
        "none": np.ones(len(y)),
        "random": rng.uniform(0.2, 3, len(y)),
        "zeros": np.append(np.ones(4), rng.randint(0, 3, len(y) - 4)).astype(float),
    }[weights]
    l1_ratio, positive = PENALTIES[penalty]
    model = estimator(
        loss,
        solver=solver,
        alpha=0.05,
        l1_ratio=l1_ratio,
        positive=positive,
        fit_intercept=fit_intercept,
        sampling=sampling,
        tol=1e-9,
        max_iter=3000,
    )
    fit_quietly(model, storage(X), y, sample_weight=None if weights == "none" else s)
    assert model.coef_.dtype == dtype
    assert not positive or model.coef_.min() >= 0
    certificate, value = model.certificate_, objective(model, X, y, s)
    # One thing is left to chance: how soon a loss with kinks converges.
    reached = certificate.value <= 1e-8 * value
    assert reached or loss not in SMOOTH or dtype == np.float32
    optimum = independent_optimum(loss, X.astype(float), y, s, 0.05, penalty, fit_intercept)
    if optimum is not None:
        rounding = 1e-7 * value if loss not in SMOOTH else 1e-11 * value
        assert value - optimum <= certificate.value + rounding
        assert value >= optimum - rounding  # of the independent solver
        if reached:
            assert value - optimum <= 1e-8 * value + rounding


@pytest.mark.parametrize("penalty", ["l2", "elastic net", "l1"])
@pytest.mark.parametrize("solver", ["auto", "sag", "saga", "svrg", "sdca", "miso", "catalyst"])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_multinomial_log_loss(fit_intercept, storage, solver, penalty, global_random_seed):
    if solver != "auto" and not allowed(solver, "log_loss", penalty, 3):
        pytest.skip("refused")
    X, y = data("log_loss", global_random_seed, n=60, n_classes=3)
    l1_ratio, _ = PENALTIES[penalty]
    model = FiniteSumClassifier(
        solver=solver, alpha=0.05, l1_ratio=l1_ratio, fit_intercept=fit_intercept, tol=1e-9,
        max_iter=3000, random_state=0,
    ).fit(storage(X), y)  # fmt: skip
    value = objective(model, X, y)
    assert model.certificate_.reached
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    if penalty == "l2":
        exact = BoundMajorizationLogisticRegression(
            C=1 / (0.05 * len(y)), tol=1e-13, fit_intercept=fit_intercept
        ).fit(X, y)
        assert value - 0.05 * exact.history_["objective"][-1] <= model.certificate_.value
        np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-3)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("max_iter", [1, 4, 20])
@pytest.mark.parametrize("loss", CURVATURE)
@pytest.mark.parametrize("penalty", ["l2", "elastic net", "l1"])
def test_the_certificate_is_true_wherever_the_fit_stops(
    loss, penalty, max_iter, solver, global_random_seed
):
    if not allowed(solver, loss, penalty):
        pytest.skip("refused")
    X, y = data(loss, global_random_seed, n=80)
    X = X + 1.0  # an intercept that matters
    l1_ratio, _ = PENALTIES[penalty]
    parameters = {"alpha": 0.01, "l1_ratio": l1_ratio}
    tight = estimator(loss, solver="catalyst", tol=1e-11, max_iter=5000, **parameters)
    optimum = objective(fit_quietly(tight, X, y), X, y)
    model = fit_quietly(
        estimator(loss, solver=solver, tol=1e-12, max_iter=max_iter, **parameters), X, y
    )
    assert model.certificate_.scope == "global"
    gap = objective(model, X, y) - optimum
    assert gap <= model.certificate_.value
    slack = 1e-12 + tight.certificate_.value
    gaps = model.history_["objective"] - optimum
    assert np.all(gaps <= model.history_["certificate"] + slack)
    assert max_iter <= model.n_iter_ <= max_iter + 9  # SVRG and Katyusha end with a snapshot


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", CLASSIFIES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_where_losses_are_flat_a_fit_does_not_stop_early(
    solver, loss, fit_intercept, global_random_seed
):
    """Beyond the margin pulls are 0 and stay so, while the penalty still moves the coefficients."""
    if not allowed(solver, loss, "l2"):
        pytest.skip("refused, by another test")
    rng = np.random.RandomState(global_random_seed)
    y = np.repeat([0, 1], 15)
    X = rng.randn(30, 2) * 0.1 + 4.0 * y[:, None] - 2.0
    model = estimator(loss, alpha=1e-3, solver=solver, fit_intercept=fit_intercept, max_iter=2000)
    fit_quietly(model, X, y)
    assert model.certificate_.reached or model.n_iter_ >= 2000
    if solver == "point-saga" or (solver == "catalyst" and loss in SMOOTH):
        assert model.certificate_.reached


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
def test_auto_takes_the_dual_of_few_independent_rows(storage, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    X, y = rng.randn(30, 100), rng.randn(30)
    few = FiniteSumRegressor(random_state=0).fit(storage(X), y)
    assert few.solver_ == "sdca"
    assert few.certificate_.reached
    X[1::2] = X[::2]  # in pairs
    assert fit_quietly(FiniteSumRegressor(random_state=0), storage(X), y).solver_ == "catalyst"


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_a_constant_target_is_fitted_to_rounding_without_a_warning(loss, global_random_seed):
    X = np.random.RandomState(global_random_seed).randn(50, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = FiniteSumRegressor(loss, random_state=0).fit(X, np.full(50, 3.0))
    np.testing.assert_allclose(model.predict(X), 3.0, rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", CLASSIFIES)
def test_several_classes_and_weights(loss, n_classes, global_random_seed):
    X, y = data(loss, global_random_seed, n=90, n_classes=n_classes)
    labels = np.array(["a", "b", "c"])[y]
    model = FiniteSumClassifier(loss, alpha=0.02, tol=1e-7, class_weight="balanced")
    fit_quietly(model, X, labels)
    weights = (len(y) / n_classes / np.bincount(y))[y]
    same = FiniteSumClassifier(loss, alpha=0.02, tol=1e-7)
    fit_quietly(same, X, labels, sample_weight=weights)
    np.testing.assert_allclose(model.coef_, same.coef_, atol=1e-2)
    assert balanced_accuracy_score(labels, model.predict(X)) > 0.5
    assert model.coef_.shape == (1 if n_classes == 2 else n_classes, X.shape[1])
    assert hasattr(model, "predict_proba") == (loss == "log_loss")
    assert objective(model, X, labels, weights) == pytest.approx(
        model.history_["objective"].min(), rel=1e-6
    )


@pytest.mark.parametrize(
    ("solver", "loss", "penalty"), list(product(SOLVERS, CURVATURE, PENALTIES))
)
def test_impossible_triples_are_refused_with_the_names_of_solvers_that_can(solver, loss, penalty):
    X, y = data(loss, 0, n=10)
    l1_ratio, positive = PENALTIES[penalty]
    model = estimator(loss, solver=solver, l1_ratio=l1_ratio, positive=positive, max_iter=1)
    if allowed(solver, loss, penalty):
        fit_quietly(model, X, y)
        return
    with pytest.raises(ValueError, match=f"solver='{solver}' .*solvers that can: ") as error:
        model.fit(X, y)
    able = [other for other in SOLVERS if allowed(other, loss, penalty)]
    assert str(able) in str(error.value)


@pytest.mark.parametrize("solver", ["katyusha", "point-saga"])
def test_multinomial_is_refused_where_it_is_not_written(solver):
    with pytest.raises(ValueError, match="multinomial"):
        FiniteSumClassifier(solver=solver).fit(*load_iris(return_X_y=True))


def odd(kind, X, rng):
    X = X.copy()
    match kind:
        case "unscaled":
            X *= np.geomspace(1e-6, 1e6, X.shape[1])
        case "duplicated":
            X[:, 1] = X[:, 0]
        case "zero column":
            X[:, 0] = 0
        case "zero row":
            X[3] = 0
        case "all zero":
            X[:] = 0
        case "huge":
            X *= 1e100
        case "tiny":
            X *= 1e-100
        case "one outlier":
            X[5] *= 1e5
    return X


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("sampling", ["uniform", "lipschitz"])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(
    "kind",
    ["as is", "unscaled", "duplicated", "zero column", "zero row", "all zero", "huge", "tiny",
     "one outlier"],
)  # fmt: skip
def test_odd_data_converge_or_warn_and_are_never_nan(
    kind, storage, sampling, solver, global_random_seed
):
    # Issue's item 4: unscaled data, and weights from 0 to 1e6.
    for loss, weighted in product(("log_loss", "huber", "squared_error"), (False, True)):
        X, y = data(loss, global_random_seed, n=60, d=7)
        rng = np.random.RandomState(global_random_seed)
        X = odd(kind, X, rng)
        s = np.append(np.zeros(3), 10 ** rng.uniform(-6, 6, len(y) - 3)) if weighted else None
        model = estimator(loss, solver=solver, alpha=1e-3, sampling=sampling, max_iter=60)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(storage(X), y, sample_weight=s)
        assert all(issubclass(w.category, ConvergenceWarning) for w in caught)
        assert model.certificate_.reached or f"{model.certificate_.value:.2e}" in str(
            caught[0].message
        )
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.intercept_).all()
        for curve in model.history_.values():
            assert not np.isnan(curve).any()
        assert model.certificate_.value >= 0
        zero = fit_quietly(
            estimator(loss, solver="sdca", alpha=1e12, fit_intercept=False, max_iter=1), X, y,
            sample_weight=s,
        )  # fmt: skip
        # no solver ends worse than it began
        zero.alpha, zero.coef_ = 1e-3, np.zeros_like(model.coef_)
        assert objective(model, X, y, s) <= objective(zero, X, y, s) * (1 + 1e-9)


def test_a_step_that_is_too_long_is_cut():
    X, y = data("squared_error", 0, n=200)
    model = FiniteSumRegressor(solver="saga", step_size=1e3, alpha=0.01, random_state=0)
    model.fit(X, y)
    assert model.certificate_.reached


@pytest.mark.parametrize("value", [1e300, -1e200])
def test_values_whose_squares_overflow_are_refused(value):
    X, y = data("squared_error", 0)
    X[:, 1] *= value
    with pytest.raises(ValueError, match=r"X: its products overflow float64\. Allowed"):
        FiniteSumRegressor().fit(X, y)
    with pytest.raises(ValueError, match="y: found magnitudes up to"):
        FiniteSumRegressor().fit(np.ones_like(X), y * value)


def test_coefficients_that_overflow_float32_are_refused():
    X, y = data("squared_error", 0)
    with pytest.raises(ValueError, match=r"X: with this y, coefficients up to .* overflow"):
        FiniteSumRegressor().fit(X.astype(np.float32), 1e100 * y)
    FiniteSumRegressor().fit(X, 1e100 * y)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_values_whose_squares_are_subnormal_are_as_good_as_zero(
    fit_intercept, solver, global_random_seed
):
    X, y = data("squared_error", global_random_seed)
    model = FiniteSumRegressor(solver=solver, fit_intercept=fit_intercept, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prediction = model.fit(1e-160 * X, y).predict(1e-160 * X)
    # the objective is quadratic in the intercept
    errors = 0.5 * (prediction - fit_intercept * y.mean()) ** 2
    assert (errors <= model.certificate_.value + 1e-100).all()


@pytest.mark.parametrize(
    ("parameters", "weights", "message"),
    [
        ({}, [0, 0, 0, 1, 1, 1], "class 'a'.* sum to 0"),
        ({}, [1e308] * 6, "sum to inf"),
        ({}, [-1.0] * 6, "Negative values"),
        ({"alpha": -1.0}, None, "'alpha' parameter"),
        ({"l1_ratio": 1.5}, None, "'l1_ratio' parameter"),
        ({"solver": "newton"}, None, "'solver' parameter"),
        ({"loss": "huber"}, None, "'loss' parameter"),
        ({"step_size": 0.0}, None, "'step_size' parameter"),
        ({"solver": "sdca", "alpha": 0.0}, None, "needs an L2 part.*'catalyst'"),
    ],
)
def test_errors_name_what_was_found(parameters, weights, message):
    X, y = np.arange(12.0).reshape(6, 2), np.repeat(["a", "b"], 3)
    with pytest.raises(ValueError, match=message):
        FiniteSumClassifier(**parameters).fit(X, y, sample_weight=weights)


@pytest.mark.parametrize("solver", ["auto", "sag", "saga", "svrg", "catalyst"])
@pytest.mark.parametrize("positive", [False, True])
def test_without_penalty_the_certificate_is_a_gradient(solver, positive, global_random_seed):
    if solver == "sag" and positive:
        pytest.skip("refused")
    X, y = data("squared_error", global_random_seed, n=100)
    model = FiniteSumRegressor(alpha=0.0, solver=solver, positive=positive, tol=1e-7, max_iter=5000)
    model.fit(X, y)
    assert model.certificate_.scope == "stationary"
    assert model.certificate_.reached
    if not positive:
        A = np.column_stack([X, np.ones(len(y))])
        exact = np.linalg.lstsq(A, y, rcond=None)[0]
        np.testing.assert_allclose(model.coef_, exact[:-1], atol=1e-5)
        gradient = A.T @ (A @ np.append(model.coef_, model.intercept_) - y) / len(y)
        assert model.certificate_.value == pytest.approx(np.linalg.norm(gradient), rel=1e-3)


@pytest.mark.parametrize(
    ("named", "solver"),
    [(SAGAClassifier, "saga"), (SVRGClassifier, "svrg"), (SDCAClassifier, "sdca")],
)
def test_named_classifiers_are_the_same_code(named, solver):
    X, y = StandardScaler().fit_transform(load_breast_cancer().data), load_breast_cancer().target
    one = fit_quietly(named(alpha=0.01, random_state=0), X, y)
    other = fit_quietly(FiniteSumClassifier(solver=solver, alpha=0.01, random_state=0), X, y)
    np.testing.assert_array_equal(one.coef_, other.coef_)
    assert one.solver_ == solver
    assert "solver" not in one.get_params()


@pytest.mark.parametrize(
    ("named", "solver"),
    [(SAGARegressor, "saga"), (SVRGRegressor, "svrg"), (SDCARegressor, "sdca")],
)
def test_named_regressors_are_the_same_code(named, solver):
    X, y = load_diabetes(return_X_y=True)
    one = fit_quietly(named(alpha=0.01, random_state=0), X, y)
    other = fit_quietly(FiniteSumRegressor(solver=solver, alpha=0.01, random_state=0), X, y)
    np.testing.assert_array_equal(one.coef_, other.coef_)


@pytest.mark.parametrize("solver", SOLVERS)
def test_same_seed_same_bits(solver):
    X, y = data("log_loss", 0, n=100)
    fits = [
        fit_quietly(FiniteSumClassifier(solver=solver, max_iter=7, random_state=seed), X, y)
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    assert np.any(fits[0].coef_ != fits[2].coef_)


@pytest.mark.parametrize("solver", SOLVERS)
def test_warm_start_takes_up_where_the_last_fit_ended(solver):
    X, y = data("log_loss", 0, n=200)
    model = FiniteSumClassifier(solver=solver, alpha=0.01, warm_start=True, random_state=0)
    first = model.fit(X, y).n_iter_
    model.fit(X, y)
    assert model.n_iter_ <= max(first / 2, 4)
    X3, y3 = data("log_loss", 0, n=200, n_classes=3)
    if solver not in ("katyusha", "point-saga"):
        model.fit(X3, y3)  # other classes: a cold start, not an error
        assert model.certificate_.reached


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "smooth_hinge"])
def test_sdca_returns_to_the_rows_that_move(loss, monkeypatch):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)

    def fit():
        model = SDCAClassifier(loss, alpha=1e-3, max_iter=2000, random_state=0)
        return fit_quietly(model, X, y)

    model = fit()
    monkeypatch.setattr(_finite_sum_dual_solvers, "AT_KINKS", ())
    plain = fit()
    assert model.certificate_.reached
    assert model.n_iter_ < plain.n_iter_ / 2
    gaps = model.certificate_.value + plain.certificate_.value
    assert abs(objective(model, X, y) - objective(plain, X, y)) <= gaps


def test_certificates_cost_less_than_a_tenth_of_the_passes():
    X, y = data("log_loss", 0, n=500, d=20)
    for solver in ("saga", "sdca", "miso", "catalyst", "point-saga"):
        model = FiniteSumClassifier(solver=solver, alpha=1e-4, tol=1e-9, random_state=0)
        fit_quietly(model, X, y)
        assert model.n_iter_ > 30
        assert len(model.history_["passes"]) - 2 <= model.n_iter_ / 10


def test_rate_is_the_row_of_the_table():
    X, y = data("squared_error", 0, n=200)
    alpha = 1e-4
    kappa = (np.sum(X**2, axis=1)).max() / alpha
    for solver, row, passes in (
        ("saga", "n + kappa", 1 + kappa / 200),
        ("point-saga", "n + sqrt(n kappa)", 1 + np.sqrt(kappa / 200)),
    ):
        model = FiniteSumRegressor(solver=solver, alpha=alpha, fit_intercept=False, max_iter=5)
        fit_quietly(model, X, y)
        assert model.rate_["row"] == row
        assert model.rate_["kappa"] == pytest.approx(kappa)
        assert model.rate_["passes_per_e"] == pytest.approx(passes)


@pytest.mark.parametrize("solver", ["katyusha", "point-saga", "catalyst"])
def test_accelerated_solvers_win_on_ill_conditioned_problems(solver):
    # Issue's item 2: kappa = 300 n. The benchmark has the whole table.
    rng = np.random.RandomState(0)
    X = rng.randn(300, 30) * np.geomspace(1, 0.01, 30)
    y = X @ rng.randn(30) + rng.randn(300)
    alpha = np.sum(X**2, axis=1).max() / (300 * 300)
    passes = {}
    for name in ("saga", solver):
        passes[name] = finite_sum(
            "squared_error", "l2", X, y, alpha=alpha, solver=name, tol=1e-8, max_iter=5000,
            random_state=0,
        ).n_iter  # fmt: skip
    assert passes[solver] < 0.5 * passes["saga"]


def test_function_continues_where_it_stopped():
    X, y = load_diabetes(return_X_y=True)
    arguments = {"alpha": 1e-3, "random_state": 0, "fit_intercept": True}
    first = finite_sum("huber", "elasticnet", X, y, max_iter=2, tol=0, **arguments)
    assert first.n_iter == 2
    second = finite_sum("huber", "elasticnet", X, y, start=first.x, **arguments)
    assert second.certificate.reached
    assert second.history["objective"][0] <= first.objective
    cold = finite_sum("huber", "elasticnet", X, y, **arguments)
    assert second.objective == pytest.approx(cold.objective, rel=1e-6)
    model = FiniteSumRegressor("huber", alpha=1e-3, l1_ratio=0.5, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.coef_, cold.coef, rtol=1e-10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(10)}, "beside -1 and 1"),
        ({"y": np.ones(9)}, r"y: found shape \(9,\)"),
        ({"start": np.zeros(2)}, "start: found shape"),
        ({"sample_weight": np.full(10, 1e308)}, "sample_weight: found a sum of inf"),
        ({"penalty": "l3"}, "'penalty' parameter"),
    ],
)
def test_function_refuses_bad_input(change, message):
    arguments = {"loss": "hinge", "penalty": "l2", "X": np.eye(10), "y": np.ones(10), **change}
    with pytest.raises(ValueError, match=message):
        finite_sum(**arguments)


def test_read_only_memory_map_and_float32(tmp_path):
    X, y = make_classification(200, 10, random_state=0)
    X32 = X.astype(np.float32)
    np.save(tmp_path / "X.npy", X32)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = FiniteSumClassifier(alpha=0.01, random_state=0).fit(mapped, y)
    expected = FiniteSumClassifier(alpha=0.01, random_state=0).fit(X32, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    exact = FiniteSumClassifier(alpha=0.01, tol=1e-12, random_state=0).fit(X32.astype(float), y)
    # Of the rounded coefficients, not of those before rounding.
    gap = objective(model, X32, y) - objective(exact, X32, y)
    assert gap <= model.certificate_.value


def test_warning_says_value_tolerance_and_what_to_change():
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match=r"2 iterations with duality gap .* > .*max_iter"):
        FiniteSumClassifier(max_iter=2).fit(X, y)


def test_zero_tolerance_goes_as_far_as_float64_and_does_not_warn(global_random_seed):
    X, y = data("log_loss", global_random_seed, n=100)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = FiniteSumClassifier(alpha=0.1, tol=0.0, random_state=0).fit(X, y)
    assert model.n_iter_ < model.max_iter
    assert model.certificate_.value < 1e-13


def test_callbacks_and_grid_search():
    pytest.importorskip("rich")
    X, y = data("log_loss", 0, n=100)
    FiniteSumClassifier(alpha=0.01).set_callbacks(ProgressBar()).fit(X, y)
    search = GridSearchCV(FiniteSumClassifier(), {"alpha": [0.01, 0.1]}, n_jobs=2)
    assert search.fit(X, y).best_score_ > 0.6


def test_ctrl_c_says_how_far_the_fit_had_come(monkeypatch):
    X, y = data("log_loss", 0, n=100)
    evaluate = FiniteSum.evaluate
    calls = []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(self, *arguments)

    monkeypatch.setattr(FiniteSum, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"FiniteSumClassifier\.fit was interrupted after"):
        FiniteSumClassifier(alpha=1e-5, tol=0).fit(X, y)


def test_descent_keeps_the_best_point():
    X, y = data("log_loss", 0, n=100)
    problem = FiniteSum(
        X, np.where(y, 1.0, -1.0), np.full(100, 0.01), loss="log_loss", epsilon=0.0,
        penalty=Penalty(0.0, 0.01), fit_intercept=True,
    )  # fmt: skip
    solver = SOLVERS["sdca"].solver(problem, problem.zeros(), rng=np.random.RandomState(0))
    descent = Descent(problem, solver, 1e-10, 100)
    objectives, certificates = [], []
    while not descent.done:
        descent.advance()
        objectives.append(descent.point.objective)
        certificates.append(descent.best.certificate)
        assert descent.best.objective == min(objectives)
    assert np.all(np.diff(certificates) <= 0)


@pytest.mark.parametrize("last_weight", [1.0, 1e-12])
@pytest.mark.filterwarnings("error", "ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_gap_that_is_infinitely_larger_than_the_move(last_weight):
    X, y = np.array([[0.0], [0.0], [1e150]]), np.array([0.0, 0.0, 1e150])
    model = SDCARegressor(max_iter=5, random_state=0)
    model.fit(X, y, sample_weight=[1.0, 1.0, last_weight])
    assert np.isfinite(model.predict(X)).all()
