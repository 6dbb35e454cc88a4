"""BoundMajorizationLogisticRegression with no penalty, or a weak one: the measure, separation."""

import warnings

import numpy as np
import pytest
from helpers import fit_quietly
from linear_model.logistic_helpers import by_mode, objective
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression

QUIET = pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
CLASSES = pytest.mark.parametrize("n_classes", [2, 3])
STORAGES = pytest.mark.parametrize("storage", [np.ascontiguousarray, sparse.csr_array])


def overlapping(n_classes, seed=0, n=300, d=3):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d)
    y = np.digitize(2 * X[:, 0] + rng.logistic(size=n), np.linspace(-1, 1, n_classes - 1))
    return X, y


def unpenalised(**parameters):
    return BoundMajorizationLogisticRegression(C=np.inf, random_state=0, **parameters)


def least(X, y):
    peer = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(X, y)
    return objective(peer, X, y, C=np.inf)


@QUIET
@CLASSES
@by_mode
def test_gap_bounds_what_is_left_and_is_near_it(mode, n_classes, global_random_seed):
    X, y = overlapping(n_classes, global_random_seed)
    best = least(X, y)
    for tol in (1e-3, 1e-8):
        model = BoundMajorizationLogisticRegression(C=np.inf, tol=tol, max_iter=5000, **mode)
        model.fit(X, y)
        certificate = model.certificate_
        assert (certificate.quantity, certificate.scope) == ("duality gap", "global")
        assert certificate.reached
        left = objective(model, X, y, C=np.inf) - best
        assert left <= certificate.value + 1e-12 * best
        assert certificate.value <= 1.5 * left + 1e-12 * best


@CLASSES
@by_mode
def test_every_gap_on_the_way_bounds_what_is_left(mode, n_classes, global_random_seed):
    X, y = overlapping(n_classes, global_random_seed, n=60)
    best = least(X, y)
    for max_iter in (1, 2, 3, 5, 8):
        model = BoundMajorizationLogisticRegression(C=np.inf, tol=1e-9, max_iter=max_iter, **mode)
        certificate = fit_quietly(model, X, y).certificate_
        if certificate.scope == "global":
            left = objective(model, X, y, C=np.inf) - best
            assert left <= certificate.value + 1e-12 * best
        else:
            assert certificate.scope == "stationary"
            assert not certificate.reached


@QUIET
@CLASSES
@STORAGES
@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_units_and_offsets_of_a_column_do_not_matter(storage, n_classes, unit, offset):
    X, y = overlapping(n_classes)
    best = least(X, y)
    X[:, 0] = (X[:, 0] + offset) * unit
    model = unpenalised(tol=1e-8).fit(storage(X), y)
    assert objective(model, X, y, C=np.inf) <= best * (1 + 2e-8)


@QUIET
@CLASSES
@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dense_columns_far_from_zero_are_as_good_as_centred(n_classes, C, dtype):
    X, y = overlapping(n_classes)
    X = (X + 4000.0).astype(dtype)
    model = BoundMajorizationLogisticRegression(C=C, random_state=0, tol=1e-4).fit(X, y)
    centred = BoundMajorizationLogisticRegression(C=C, random_state=0, tol=1e-4)
    centred.fit(X - np.float32(4000), y)
    assert model.certificate_.reached
    np.testing.assert_allclose(model.predict_proba(X), centred.predict_proba(X - 4000), atol=0.01)
    again = BoundMajorizationLogisticRegression(C=C, tol=1e-4, warm_start=True, random_state=0)
    assert again.fit(X, y).fit(X, y).n_iter_ <= 2


@QUIET
@pytest.mark.parametrize("storage", [np.ascontiguousarray, sparse.csr_array])
def test_weak_penalty_on_few_columns_ends_within_tol(storage):
    rng = np.random.RandomState(0)
    X = rng.randn(500, 6) @ rng.randn(6, 6)
    y = (X @ rng.randn(6, 5) + 0.5 * rng.gumbel(size=(500, 5))).argmax(axis=1)
    model = BoundMajorizationLogisticRegression(C=1e6, random_state=0, max_iter=100)
    model.fit(storage(X), y)
    assert model.certificate_.reached


# Separated classes have no optimum


def separated(kind, n_classes):
    X, y = overlapping(n_classes)
    match kind:
        case "all rows":
            y = np.digitize(X[:, 0], np.linspace(-0.5, 0.5, n_classes - 1))
        case "a column of one class":
            X[:, 2] = (np.arange(len(y)) % 7 == 0) & (y == 1)
        case "a direction":
            X[:, 2] = X[:, 1] + np.abs(X[:, 2]) * (y == 0) * (np.arange(len(y)) % 3 == 0)
    return X, y


@CLASSES
@STORAGES
@pytest.mark.parametrize("kind", ["all rows", "a column of one class", "a direction"])
def test_without_an_optimum_nothing_is_claimed(kind, storage, n_classes):
    X, y = separated(kind, n_classes)
    model = unpenalised()
    with pytest.warns(ConvergenceWarning, match="set C to a finite value"):
        model.fit(storage(X), y)
    assert model.certificate_.scope == "estimate"
    assert model.certificate_.reached is None
    assert model.n_iter_ < 100


@STORAGES
def test_the_warning_names_rows_and_columns(storage):
    X, y = separated("a column of one class", 2)
    weights = np.ones(len(y))
    weights[:20] = 0  # rows without weight have numbers too
    rows = np.flatnonzero((X[:, 2] == 1) & (weights > 0))
    with pytest.warns(ConvergenceWarning) as warned:
        unpenalised().fit(storage(X), y, sample_weight=weights)
    first = ", ".join(map(str, rows[:5]))
    assert f"rows {first}, ... ({len(rows)} in all) are separated by column 2," in str(
        warned[0].message
    )


@by_mode
def test_no_mode_claims_an_optimum_where_there_is_none(mode):
    X, y = separated("a column of one class", 2)
    model = fit_quietly(BoundMajorizationLogisticRegression(C=np.inf, **mode), X, y)
    assert not model.certificate_.reached


@QUIET
@pytest.mark.parametrize("tol", [1e-2, 1e-6])
def test_rare_columns_of_both_classes_and_collinear_ones_have_an_optimum(tol):
    X, y = overlapping(2)
    rare = np.zeros(len(y))
    rare[np.flatnonzero(y == 0)[:1]] = rare[np.flatnonzero(y == 1)[:3]] = 1.0
    X = np.c_[X, rare, X[:, 0] - X[:, 1]]
    assert unpenalised(tol=tol).fit(X, y).certificate_.reached


def test_with_a_penalty_separated_classes_have_an_optimum():
    X, y = separated("all rows", 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = BoundMajorizationLogisticRegression(C=1e3).fit(X, y)
    assert model.certificate_.scope == "global"
