"""BoundMajorizationLogisticRegression: solution, monotony, certificate, modes and odd inputs."""

import warnings

import numpy as np
import pytest
from helpers import fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression

LOADERS = {
    "iris": load_iris,
    "wine": load_wine,
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
}
MODES = {
    "auto": {},
    "jc12": {"curvature": "jc12"},
    "jc12 every 5": {"curvature": "jc12", "refresh": 5},
    "bohning": {"curvature": "bohning"},
    "bohning-nesterov": {"curvature": "bohning-nesterov"},
    "growing": {"batch": "growing", "random_state": 0},
    "growing bohning": {"batch": "growing", "curvature": "bohning", "random_state": 0},
}
by_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)


def load(name, *, standardized=True):
    X, y = LOADERS[name](return_X_y=True)
    return (StandardScaler().fit_transform(X) if standardized else X), y


def objective(model, X, y, *, C=1.0, sample_weight=None):
    """The objective of the class docstring, by scikit-learn's own formula in float64."""
    scores = X @ model.coef_.T.astype(float) + model.intercept_
    if scores.shape[1] == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    codes = np.searchsorted(model.classes_, y)
    losses = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(y)), codes]
    weights = np.ones(len(y)) if sample_weight is None else sample_weight
    penalty = 0.5 * np.sum(model.coef_.astype(float) ** 2) if np.isfinite(C) else 0.0
    return penalty + (C if np.isfinite(C) else 1.0) * weights @ losses


def assert_monotone(model):
    full = np.isfinite(model.history_["certificate"])
    values = model.history_["objective"][full]
    assert np.all(values[1:] <= values[:-1] * (1 + 1e-12))


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
    X = sparse.random_array((120, 300), density=0.04, format="csr", random_state=rng)
    if values == "counts":
        X.data = np.ceil(20 * X.data)
    elif values == "spread":
        X = X @ sparse.diags_array(10.0 ** rng.integers(-3, 4, 300)).tocsr()
    y = (X @ rng.normal(size=(300, 5)) + rng.normal(size=(120, 5))).argmax(axis=1)
    weights = rng.exponential(size=120)
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


def test_without_penalty(global_random_seed):
    X, y = make_classification(300, 5, n_redundant=0, flip_y=0.3, random_state=global_random_seed)
    model = BoundMajorizationLogisticRegression(C=np.inf, tol=1e-9).fit(X, y)
    exact = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(X, y)
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-5)
    assert (model.certificate_.quantity, model.certificate_.scope) == (
        "gradient norm",
        "stationary",
    )
    p = model.predict_proba(X)[:, 1]
    gradient = np.append(X.T @ (p - y), np.sum(p - y))
    assert model.certificate_.value == pytest.approx(np.linalg.norm(gradient), abs=1e-9)
    assert model.certificate_.reached


def separable(n_classes):
    X = np.random.RandomState(0).randn(120, 4)
    return X, np.digitize(X[:, 0], np.linspace(-0.5, 0.5, n_classes - 1))


def odd_columns(kind, X):
    X = X.copy()
    match kind:
        case "constant":
            X[:, 1], X[:, 2] = 3.0, 0.0
        case "scaled":
            X[:, 1] *= 1e8
        case "tiny":
            X *= 1e-8
        case "huge":
            X *= 1e100
    return X


@by_mode
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ["as is", "constant", "scaled", "tiny", "huge"])
@pytest.mark.parametrize("C", [1e-10, 1.0, 1e10, np.inf])
def test_odd_data_give_finite_monotone_certified_fits(mode, n_classes, kind, C):
    X, y = separable(n_classes)
    X = odd_columns(kind, X)
    model = fit_quietly(BoundMajorizationLogisticRegression(C=C, max_iter=200, **mode), X, y)
    for array in (model.coef_, model.intercept_, model.history_["objective"]):
        assert np.isfinite(array).all()
    assert np.isfinite(model.predict_log_proba(X)).all()
    assert np.isfinite(model.certificate_.value)
    assert_monotone(model)


@pytest.mark.parametrize("kind", ["as is", "constant", "scaled", "tiny"])
@pytest.mark.parametrize("C", [1e-10, 1.0, 1e10])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_default_converges_on_odd_data(n_classes, kind, C):
    X, y = separable(n_classes)
    X = odd_columns(kind, X)
    model = fit_quietly(BoundMajorizationLogisticRegression(C=C), X, y)
    # Rounding of scores, times 1e8 and 1e10, is all that the dual bound sees in that corner.
    assert model.certificate_.reached or (kind == "scaled" and C == 1e10)
    if C == 1e10 and kind != "tiny":
        assert model.score(X, y) == 1.0


@pytest.mark.parametrize("value", [1e300, -1e300, 1e200])
@pytest.mark.parametrize("n_classes", [2, 3])
@by_mode
def test_values_whose_squares_overflow_are_refused(mode, n_classes, value):
    X, y = separable(n_classes)
    X[:, 1] *= value
    with pytest.raises(ValueError, match=r"X: its products overflow float64\. Allowed"):
        BoundMajorizationLogisticRegression(**mode).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "weights", "message"),
    [
        ({}, [0, 0, 0, 1, 1, 1], "class 'a'.* sum to 0"),
        ({"class_weight": {"a": 0.0}}, None, "class 'a'.* sum to 0"),
        ({}, [1e308] * 6, "sum to inf"),
        ({}, [1e150] + [1.0] * 5, r"sample_weight: .* is 1e\+150; allowed are 1e\+30 at most"),
        ({"C": 1e40}, None, r"and C, is 1e\+40; .* C=inf is no penalty"),
        ({}, [-1.0] * 6, "Negative values"),
        ({"batch": "growing", "curvature": "bohning-nesterov"}, None, "exact gradients"),
        ({"refresh": 0}, None, "'refresh' parameter"),
        ({"C": 0.0}, None, "'C' parameter"),
        ({"curvature": "newton"}, None, "'curvature' parameter"),
    ],
)
def test_errors_name_what_was_found(parameters, weights, message):
    X, y = np.arange(12.0).reshape(6, 2), np.repeat(["a", "b"], 3)
    with pytest.raises(ValueError, match=message):
        BoundMajorizationLogisticRegression(**parameters).fit(X, y, sample_weight=weights)


@pytest.mark.filterwarnings("error")
def test_a_row_of_next_to_no_weight_may_be_the_only_large_one():
    X, y = np.array([[0.0], [0.0], [1.0]], np.float32), [2, 0, 1]
    model = BoundMajorizationLogisticRegression().fit(X, y, sample_weight=[1.0, 1e-213, 1e-213])
    assert model.certificate_.reached
    np.testing.assert_array_equal(model.predict(X), [2, 2, 2])


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="one class 'a'; allowed are at least two"):
        BoundMajorizationLogisticRegression().fit(np.eye(3), ["a"] * 3)


def test_one_sample_a_class_and_string_labels():
    labels = np.array(["d", "b", "a", "c"])
    model = BoundMajorizationLogisticRegression(C=100.0).fit(np.eye(4), labels)
    np.testing.assert_array_equal(model.predict(np.eye(4)), labels)
    assert model.certificate_.reached


@given(
    n_classes=st.integers(2, 4),
    n_features=st.integers(1, 6),
    scale=st.integers(-150, 130),
    C=st.integers(-10, 10),
    fit_intercept=st.booleans(),
    curvature=st.sampled_from(["auto", "jc12", "bohning", "bohning-nesterov"]),
    storage=st.sampled_from([np.asarray, sparse.csr_array]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_fit_is_finite_monotone_and_certified(
    n_classes, n_features, scale, C, fit_intercept, curvature, storage, dtype, seed
):
    rng = np.random.RandomState(seed)
    y = np.append(np.arange(n_classes), rng.randint(n_classes, size=20))
    if dtype == np.float32:
        scale = scale // 5
    X = (rng.randn(len(y), n_features) * 10.0**scale).astype(dtype)
    model = BoundMajorizationLogisticRegression(
        C=10.0**C, curvature=curvature, fit_intercept=fit_intercept, max_iter=60
    )
    fit_quietly(model, storage(X), y)
    assert model.coef_.dtype == dtype
    assert np.isfinite(model.coef_).all()
    assert_monotone(model)
    value = objective(model, X.astype(float), y, C=10.0**C)
    # The best that is known: a tight fit, which can itself be short of the optimum.
    tight = BoundMajorizationLogisticRegression(C=10.0**C, fit_intercept=fit_intercept, tol=1e-12)
    fit_quietly(tight, X.astype(float), y)
    gap = value - objective(tight, X.astype(float), y, C=10.0**C)
    assert gap <= model.certificate_.value * (1 + 1e-6) + 1e-12 * value


def test_float32_keeps_its_type_and_says_what_it_reached():
    X, y = load("digits")
    model = BoundMajorizationLogisticRegression().fit(X.astype(np.float32), y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    assert model.predict_proba(X[:5].astype(np.float32)).dtype == np.float32
    assert model.certificate_.reached
    X32 = X.astype(np.float32).astype(float)
    optimum = BoundMajorizationLogisticRegression(tol=1e-13).fit(X32, y).history_["objective"][-1]
    # Of the rounded coefficients, not of those before rounding.
    assert objective(model, X32, y) - optimum <= model.certificate_.value


def test_read_only_memory_map(tmp_path):
    X, y = load("breast_cancer")
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = BoundMajorizationLogisticRegression(random_state=0).fit(mapped, y)
    expected = BoundMajorizationLogisticRegression(random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(library):
    frames = pytest.importorskip(library)
    X, y = load("wine")
    names = [f"column {j}" for j in range(X.shape[1])]
    frame = frames.DataFrame({name: X[:, j] for j, name in enumerate(names)})
    model = BoundMajorizationLogisticRegression(random_state=0).fit(frame, y)
    assert list(model.feature_names_in_) == names
    np.testing.assert_array_equal(model.predict(frame), model.predict(frame.to_numpy()))


@by_mode
def test_plan_is_shown(mode):
    X, y = load("digits")
    binary, several = (
        fit_quietly(BoundMajorizationLogisticRegression(max_iter=1, **mode), X, labels).plan_
        for labels in (y == 3, y % 3)
    )
    if not mode:
        assert binary == ("quasi-newton from samples", "gram")
        assert several == ("quasi-newton, newton-cg", "kronecker")
    if mode.get("curvature") == "jc12":
        assert (binary[1], several[1]) == ("gram", "jc12")
    assert ("growing" in binary[0]) == ("batch" in mode)


def test_dense_data_of_mostly_zeros_are_fitted_as_sparse(global_dtype, global_random_seed):
    X, y = make_classification(500, 30, random_state=global_random_seed)
    X[np.random.RandomState(global_random_seed).rand(*X.shape) < 0.9] = 0.0
    X = X.astype(global_dtype)
    dense, csr = (
        BoundMajorizationLogisticRegression(random_state=0).fit(A, y)
        for A in (X, sparse.csr_array(X))
    )
    np.testing.assert_array_equal(dense.coef_, csr.coef_)


@by_mode
def test_same_seed_same_bits(mode):
    X, y = load("digits")
    one, two = (
        fit_quietly(
            BoundMajorizationLogisticRegression(max_iter=15, **{**mode, "random_state": 3}),
            X,
            y == 3,
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.coef_, two.coef_)


def test_warm_start_takes_up_where_the_last_fit_ended():
    X, y = load("digits")
    model = BoundMajorizationLogisticRegression(tol=1e-8, warm_start=True).fit(X, y)
    first = model.n_iter_
    model.set_params(C=1.1).fit(X, y)
    assert model.n_iter_ < first
    model.fit(X, y % 3)  # other classes: a cold start, not an error
    cold = BoundMajorizationLogisticRegression(C=1.1, tol=1e-8).fit(X, y % 3)
    np.testing.assert_array_equal(model.coef_, cold.coef_)


def test_probabilities():
    for n_classes in (2, 3):
        X, y = separable(n_classes)
        model = BoundMajorizationLogisticRegression(C=1e10).fit(X, y)
        far = 1e4 * X  # where probabilities underflow their logarithms do not
        np.testing.assert_allclose(model.predict_proba(far).sum(axis=1), 1.0)
        log_p = model.predict_log_proba(far)
        assert np.isfinite(log_p).all()
        assert log_p.min() < -1e4
        np.testing.assert_allclose(
            np.exp(model.predict_log_proba(X)), model.predict_proba(X), atol=1e-14
        )
        np.testing.assert_array_equal(
            model.classes_[model.predict_proba(X).argmax(axis=1)], model.predict(X)
        )


def test_warning_says_value_tolerance_and_what_to_change():
    X, y = load("digits")
    with pytest.warns(ConvergenceWarning, match=r"2 iterations with duality gap .* > .*max_iter"):
        BoundMajorizationLogisticRegression(max_iter=2).fit(X, y)


def test_zero_tolerance_goes_as_far_as_float64_and_does_not_warn():
    X, y = load("wine")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = BoundMajorizationLogisticRegression(tol=0.0).fit(X, y)
    assert model.n_iter_ < model.max_iter
    assert model.certificate_.value < 1e-13 * model.history_["objective"][-1]


def test_callbacks_and_grid_search():
    pytest.importorskip("rich")
    X, y = load("iris")
    monitor = ScoringMonitor(scoring="accuracy")
    model = BoundMajorizationLogisticRegression().set_callbacks(ProgressBar(), monitor)
    model.fit(X, y)
    search = GridSearchCV(BoundMajorizationLogisticRegression(), {"C": [0.1, 1.0]}, n_jobs=2)
    search.set_callbacks(ProgressBar())
    assert search.fit(X, y).best_score_ > 0.9


@settings.get_profile("fits")
@given(seed=st.integers(0, 2**32 - 1), curvature=st.sampled_from(["auto", "jc12"]))
def test_sample_weights_are_repetitions(seed, curvature):
    rng = np.random.RandomState(seed)
    X, y = rng.randn(60, 3), np.append([0, 1, 2], rng.randint(3, size=57))
    weights = np.append([1, 1, 1], rng.randint(0, 4, size=57))
    fits = [
        BoundMajorizationLogisticRegression(curvature=curvature, tol=1e-12).fit(*data)
        for data in (
            (X, y, weights),
            (np.repeat(X, weights, axis=0), np.repeat(y, weights)),
        )
    ]
    np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, atol=1e-5)
