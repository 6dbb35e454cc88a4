"""SDCA with several classes: float32 first, float64 at the end; hinge losses, weak penalties."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklearn_optland.linear_model import FiniteSumClassifier, SDCAClassifier
from sklearn_optland.linear_model._finite_sum.sdca import Sdca


def classes_data(seed, n, d, k):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.6)
    y = (X @ rng.normal(size=(d, k)) + rng.gumbel(size=(n, k))).argmax(axis=1)
    y[:k] = np.arange(k)
    return X, y, rng.integers(0, 4, n).astype(float)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("kind", ["dense", "float32", "csr"])
@pytest.mark.parametrize("k", [3, 10, 34])
def test_sdca_ends_at_newton_s_optimum(k, kind, fit_intercept, global_random_seed):
    X, y, weights = classes_data(global_random_seed, n=8 * k, d=6, k=k)
    weights[:k] = 1.0  # all classes stay
    alpha, X = 0.02, X.astype(np.float32) if kind == "float32" else X
    theirs = LogisticRegression(
        C=1 / (alpha * weights.sum()),
        solver="newton-cholesky",
        tol=1e-12,
        fit_intercept=fit_intercept,
    ).fit(X.astype(float), y, weights)
    model = SDCAClassifier(
        alpha=alpha, tol=1e-11, max_iter=5000, fit_intercept=fit_intercept, random_state=0
    ).fit(sparse.csr_array(X) if kind == "csr" else X, y, weights)
    assert model.certificate_.reached or kind == "float32"  # whose coefficients are rounded
    assert model.coef_.dtype == X.dtype
    # what the penalty's curvature leaves of the gap; the intercept has that of the rarest class
    atol = np.sqrt(2 * model.certificate_.value / alpha) + 1e-7
    np.testing.assert_allclose(model.coef_, theirs.coef_, atol=atol)
    if fit_intercept:
        ours = model.intercept_
        assert abs(ours.mean()) < 1e-6 if kind == "float32" else abs(ours.mean()) < 1e-12
        best = theirs.intercept_ - theirs.intercept_.mean()
        np.testing.assert_allclose(ours, best, atol=10 * atol)


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_sdca_leaves_float32_where_rounding_costs_more_than_a_pass_gains(offset, monkeypatch):
    kinds = []
    original = Sdca._pass

    def noted(self, order):
        kinds.append(self.in_float32)
        return original(self, order)

    monkeypatch.setattr(Sdca, "_pass", noted)
    X, y, _ = classes_data(0, n=200, d=4, k=3)
    model = SDCAClassifier(alpha=1e-3, tol=1e-14, max_iter=3000, random_state=0)
    model.fit(X + offset, y)
    assert model.certificate_.reached
    assert kinds[0]
    assert not kinds[-1]
    assert kinds == sorted(kinds, reverse=True)  # it does not come back


@pytest.mark.parametrize("size", [1e-20, 1e-10, 1e10, 1e20])
def test_sizes_that_float32_has_no_room_for(size):
    X, y, _ = classes_data(0, n=60, d=4, k=3)
    usual = SDCAClassifier(alpha=0.1, tol=1e-8, max_iter=2000).fit(X, y)
    scaled = SDCAClassifier(alpha=0.1 * size * size, tol=1e-8, max_iter=2000)
    scaled.fit(X * size, y)
    np.testing.assert_allclose(scaled.coef_ * size, usual.coef_, atol=1e-3)


@pytest.mark.parametrize("loss", ["squared_hinge", "smooth_hinge", "hinge"])
@pytest.mark.parametrize("scaled", [False, True])
def test_hinge_losses_with_weak_penalties_arrive(scaled, loss):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X) if scaled else X
    model = FiniteSumClassifier(loss, alpha=1e-6).fit(X, y)
    assert model.certificate_.reached
    assert model.n_iter_ < 300
