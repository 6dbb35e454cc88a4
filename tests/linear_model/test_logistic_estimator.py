"""BoundMajorizationLogisticRegression: what users count on."""

import warnings

import numpy as np
import pytest
from helpers import fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_model.logistic_helpers import by_mode, load, objective, separable
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression


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
        assert several == ("truncated newton", "class blocks")
    if mode.get("curvature") == "jc12":
        assert (binary[1], several[1]) == ("gram", "jc12")
    assert ("growing" in binary[0]) == ("batch" in mode)


@pytest.mark.parametrize("name", ["iris", "digits"])
def test_a_fit_that_ends_early_has_the_bound_of_the_whole_call(name):
    X, y = load(name)
    whole = BoundMajorizationLogisticRegression().fit(X, y)
    early = fit_quietly(BoundMajorizationLogisticRegression(max_iter=3), X, y)
    assert early.n_iter_ == 3
    np.testing.assert_allclose(
        early.history_["objective"], whole.history_["objective"][:3], rtol=1e-12
    )
    gap = whole.certificate_.value
    lost = early.history_["objective"][-1] - whole.history_["objective"][-1]
    assert early.certificate_.value == pytest.approx(gap + lost, rel=1e-6)


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
    message = (
        r"after 3 iterations with duality gap \S+ of the objective \(global\); "
        r"tol asks for 1.0e-06. Set max_iter to about \d+"
    )
    with pytest.warns(ConvergenceWarning, match=message):
        BoundMajorizationLogisticRegression(max_iter=3).fit(X, y)


def test_zero_tolerance_goes_as_far_as_float64_and_does_not_warn():
    X, y = load("wine")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = BoundMajorizationLogisticRegression(tol=0.0).fit(X, y)
    assert model.n_iter_ < model.max_iter
    assert model.certificate_.value < 1e-13 * model.history_["objective"][-1]


def test_callbacks_and_grid_search(callbacks):
    pytest.importorskip("rich")
    X, y = load("iris")
    monitor = callbacks.ScoringMonitor(scoring="accuracy")
    model = BoundMajorizationLogisticRegression().set_callbacks(callbacks.ProgressBar(), monitor)
    model.fit(X, y)
    search = GridSearchCV(BoundMajorizationLogisticRegression(), {"C": [0.1, 1.0]}, n_jobs=2)
    search.set_callbacks(callbacks.ProgressBar())
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


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("as_container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(("n_samples", "n_features"), [(100, 300), (30, 1200), (20, 5100)])
def test_more_columns_than_rows(n_samples, n_features, as_container, n_classes, global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    X = rng.standard_normal((n_samples, n_features))
    y = rng.integers(n_classes, size=n_samples)
    for C in (1.0, 100.0):
        model = BoundMajorizationLogisticRegression(C=C).fit(as_container(X), y)
        assert model.certificate_.scope == "global"
        assert model.certificate_.reached
        # The optimum is in the span of the rows: what is outside is above it, half its square.
        span = np.linalg.svd(X, full_matrices=False)[2]
        outside = model.coef_ - (model.coef_ @ span.T) @ span
        assert 0.5 * np.vdot(outside, outside) <= model.certificate_.value
