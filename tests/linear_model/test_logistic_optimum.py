"""BoundMajorizationLogisticRegression: solution, monotony, certificate in every mode."""

import numpy as np
import pytest
from helpers import fit_quietly
from linear_model.logistic_helpers import LOADERS, assert_monotone, by_mode, load, objective
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression


def weighting(kind, y):
    rng = np.random.RandomState(0)
    match kind:
        case "sample_weight":
            return {}, rng.uniform(0, 3, len(y)) * rng.randint(0, 2, len(y))
        case "class_weight":
            return {"class_weight": "balanced"}, None
    return {}, None


@pytest.mark.parametrize("weights", ["none", "sample_weight", "class_weight"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("name", LOADERS)
def test_solution_and_certificate(name, fit_intercept, weights):
    # Issue's items 4 and 5, on standardized data.
    X, y = load(name)
    parameters, sample_weight = weighting(weights, y)
    parameters["fit_intercept"] = fit_intercept
    exact = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=30, **parameters)
    fit_quietly(exact, X, y, sample_weight=sample_weight)
    tight = BoundMajorizationLogisticRegression(tol=0.0, **parameters)
    tight.fit(X, y, sample_weight=sample_weight)
    np.testing.assert_allclose(tight.coef_, exact.coef_, rtol=0, atol=1e-5)
    # With several classes an intercept is free up to a constant.
    centred = exact.intercept_ - (exact.intercept_.mean() if len(exact.intercept_) > 1 else 0)
    np.testing.assert_allclose(tight.intercept_, centred, rtol=0, atol=1e-4)

    model = BoundMajorizationLogisticRegression(random_state=0, **parameters)
    model.fit(X, y, sample_weight=sample_weight)
    optimum = min(tight.history_["objective"][-1], model.history_["objective"].min())
    gap = model.history_["objective"][-1] - optimum
    total = np.ones(len(y)) if sample_weight is None else sample_weight
    at_zero = total.sum() * np.log(len(model.classes_))
    assert model.certificate_.scope == "global"
    assert gap <= model.certificate_.value <= model.certificate_.tolerance
    assert model.certificate_.value <= 100 * gap + 1e-9 * at_zero
    assert_monotone(model)


@pytest.mark.parametrize("name", LOADERS)
def test_raw_data_beat_every_solver_of_scikit_learn(name):
    X, y = load(name, standardized=False)
    X, y = X[::3], y[::3]
    model = BoundMajorizationLogisticRegression(tol=0.0).fit(X, y)
    ours = objective(model, X, y)
    assert ours == pytest.approx(model.history_["objective"][-1], rel=1e-12)
    assert_monotone(model)
    for solver in ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga"):
        other = LogisticRegression(solver=solver, tol=1e-10, max_iter=1000, random_state=0)
        fit_quietly(other, X, y)
        assert ours <= objective(other, X, y) * (1 + 1e-13), solver


@by_mode
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_mode_finds_the_optimum(mode, storage, n_classes, global_random_seed):
    X, y = make_classification(
        400, 8, n_informative=5, n_classes=n_classes, random_state=global_random_seed
    )
    X[np.abs(X) < 0.3] = 0.0
    exact = LogisticRegression(solver="newton-cholesky", tol=1e-12, C=0.5).fit(X, y)
    model = BoundMajorizationLogisticRegression(C=0.5, tol=1e-11, max_iter=5000, **mode)
    model.fit(storage(X), y)
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-4)
    optimum = objective(exact, X, y, C=0.5)
    value = objective(model, X, y, C=0.5)
    assert value - optimum <= model.certificate_.value + 1e-13 * optimum
    assert model.certificate_.reached
    assert_monotone(model)
    assert {len(curve) for curve in model.history_.values()} == {model.n_iter_}


@by_mode
@pytest.mark.parametrize("max_iter", [1, 3, 10])
@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
def test_certificate_is_true_wherever_the_fit_stops(mode, max_iter, name):
    X, y = load(name, standardized=False)
    optimum = BoundMajorizationLogisticRegression(tol=1e-13).fit(X, y).history_["objective"][-1]
    model = BoundMajorizationLogisticRegression(max_iter=max_iter, **mode)
    fit_quietly(model, X, y)
    gap = objective(model, X, y) - optimum
    assert gap <= model.certificate_.value
    assert np.all(model.history_["certificate"] >= 0)


def test_many_columns_few_rows():
    # More columns than a d x d matrix is built for: truncated Newton with a diagonal metric.
    rng = np.random.RandomState(0)
    X = sparse.random_array((150, 3000), density=0.02, format="csr", random_state=rng)
    for n_classes in (2, 4):
        y = rng.randint(n_classes, size=150)
        model = BoundMajorizationLogisticRegression(tol=1e-10, C=10).fit(X, y)
        exact = LogisticRegression(solver="newton-cg", tol=1e-12, C=10, max_iter=1000).fit(X, y)
        np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-3)
        assert model.certificate_.reached
        with pytest.raises(ValueError, match=r"side .* at most 5000"):
            BoundMajorizationLogisticRegression(curvature="jc12").fit(sparse.hstack([X, X]), y)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [1e-4, 1.0, 1e2, 1e5, 1e10, np.inf])
@pytest.mark.parametrize("values", ["normal", "counts", "spread"])
def test_many_sparse_columns_and_classes(C, fit_intercept, values, global_random_seed):
    # dual coordinate ascent, then Newton steps
    rng = np.random.default_rng(global_random_seed)
    X = sparse.random_array((60, 150), density=0.08, format="csr", random_state=rng)
    if values == "counts":
        X.data = np.ceil(20 * X.data)
    elif values == "spread":
        X = X @ sparse.diags_array(10.0 ** rng.integers(-3, 4, 150)).tocsr()
    y = (X @ rng.normal(size=(150, 5)) + rng.normal(size=(60, 5))).argmax(axis=1)
    weights = rng.exponential(size=60)
    model = BoundMajorizationLogisticRegression(
        C=C, tol=1e-9, fit_intercept=fit_intercept, max_iter=200
    )
    assert_monotone(fit_quietly(model, X, y, weights))
    tight = clone(model).set_params(tol=0.0)
    optimum = fit_quietly(tight, X, y, weights).history_["objective"][-1]
    if np.isfinite(C):
        reached = model.history_["objective"][-1]
        assert model.certificate_.value >= reached - (1 + 1e-13) * optimum
    assert model.certificate_.reached or (1.0 if values == "spread" else 1e5) < C
    if 1 <= C <= 1e2 and values == "normal":
        exact = LogisticRegression(C=C, tol=1e-10, max_iter=5000, fit_intercept=fit_intercept)
        exact.fit(X, y, weights)
        np.testing.assert_allclose(model.predict_proba(X), exact.predict_proba(X), atol=1e-4)


def test_growing_batches_converge_linearly(global_random_seed):
    # The seed's rate: log suboptimality falls at least along a line while the batches grow, and the
    # run touches less data than as many full passes. A fit cut at k iterations is the k-th iterate.
    X, y = make_classification(
        4000, 10, n_informative=8, flip_y=0.2, random_state=global_random_seed
    )
    optimum = BoundMajorizationLogisticRegression(tol=1e-14).fit(X, y).history_["objective"][-1]
    model = BoundMajorizationLogisticRegression(
        batch="growing", tol=0.0, random_state=global_random_seed
    )
    counts = np.arange(1, 20)
    gaps = []
    for max_iter in counts:
        model.set_params(max_iter=max_iter)
        gaps.append(objective(fit_quietly(model, X, y), X, y) - optimum)
    log_gaps = np.log(np.maximum(gaps, 1e-12 * optimum))
    slope = np.polyfit(counts, log_gaps, 1)[0]
    assert slope < np.log(0.8)
    # no stall: each third of the run contributes
    assert np.all(np.diff(log_gaps[[0, 6, 12, 18]]) < 3 * np.log(0.9))
    on_batches = np.isinf(model.history_["certificate"])
    assert on_batches[0]
    assert not on_batches[-1]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", ["easy", "ill-conditioned", "sparse"])
def test_many_columns(kind, fit_intercept, global_random_seed):
    # L-BFGS comes before the Gram matrix, which costs many passes here, and may suffice
    rng = np.random.default_rng(global_random_seed)
    X = rng.normal(size=(400, 250))
    if kind == "ill-conditioned":
        X = X @ (rng.normal(size=(250, 250)) * np.geomspace(1, 1e-3, 250)[:, None])
    elif kind == "sparse":
        X = sparse.csr_array(X * (rng.random(X.shape) < 0.1))
    y = (X @ rng.normal(size=250) + rng.normal(size=400) > 0).astype(int)
    model = BoundMajorizationLogisticRegression(tol=1e-10, fit_intercept=fit_intercept)
    assert_monotone(model.fit(X, y))
    assert model.certificate_.reached
    assert model.plan_ == ("quasi-newton from samples", "gram")
    exact = LogisticRegression(solver="newton-cholesky", tol=1e-12, fit_intercept=fit_intercept)
    exact.fit(X, y)
    scale = np.abs(exact.coef_).max()
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-3 * scale)
    np.testing.assert_allclose(model.predict_proba(X), exact.predict_proba(X), atol=1e-4)
