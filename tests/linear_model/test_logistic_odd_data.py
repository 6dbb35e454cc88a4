"""BoundMajorizationLogisticRegression on odd data, and its refusals."""

import numpy as np
import pytest
from helpers import fit_quietly
from hypothesis import given
from hypothesis import strategies as st
from linear_model.logistic_helpers import assert_monotone, by_mode, objective, separable
from scipy import sparse

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression


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
        ({}, [0] * 6, "at least one non-zero"),
        ({"class_weight": {"a": 0, "b": 0}}, None, "class_weight and C: found a sum of 0"),
        ({}, [1e308] * 6, "sample_weight: found a sum of inf"),
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


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_no_gap_is_negative_where_rounding_decides(fit_intercept, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    for _ in range(10):
        X = sparse.csr_array(rng.randn(60, 2) + 1e6 * rng.randn(2))
        y = rng.permutation(60) % 2
        model = BoundMajorizationLogisticRegression(C=1.0, fit_intercept=fit_intercept, tol=1e-6)
        model = fit_quietly(model, X, y)
        assert model.certificate_.value >= 0
        assert np.all(model.history_["certificate"] >= 0)
