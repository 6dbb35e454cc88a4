"""Quadratic models of the multinomial log-loss, against their matrix."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland._rows.rows import as_rows
from sklearn_optland.linear_model._finite_sum.softmax_models import SoftmaxModel

pytestmark = pytest.mark.kernels

STORAGES = {"dense": np.ascontiguousarray, "csr": sparse.csr_array}
seeds = st.integers(0, 2**32 - 1)


class Dense:
    """A model with H as a matrix: coordinates, then intercepts."""

    def __init__(self, seed, storage, fit_intercept, n=20, d=4, k=3, concentration=1.0):
        rng = np.random.default_rng(seed)
        A = rng.normal(size=(d, n)) * (rng.random((d, n)) < 0.7)
        c = rng.dirichlet(np.ones(n))
        P = rng.dirichlet(np.full(k, concentration), n)
        self.pulls = np.eye(k)[rng.integers(k, size=n)] - P
        chosen = np.sort(rng.permutation(d * k)[: rng.integers(1, d * k + 1)])
        columns, places = np.unique(chosen // k, return_inverse=True)
        rows = A[columns] * np.sqrt(c)
        # what each coordinate adds to the scores, rows x classes
        adds = [
            np.multiply.outer(A[j], np.eye(k)[e]) for j, e in zip(*divmod(chosen, k), strict=True)
        ]
        adds += [np.tile(np.eye(k)[e], (n, 1)) for e in range(k)] if fit_intercept else []
        self.adds = np.array(adds)
        bends = np.einsum("i,ia,ab->iab", c, P, np.eye(k)) - np.einsum("i,ia,ib->iab", c, P, P)
        self.H = np.einsum("uia,iab,vib->uv", self.adds, bends, self.adds)
        self.v = np.einsum("uia,i,ia->u", self.adds, c, self.pulls)
        self.size = len(chosen)
        problem = SimpleNamespace(k=k, c=c, fit_intercept=fit_intercept)
        stored = STORAGES[storage](rows)
        self.model = SoftmaxModel(
            problem, as_rows(stored), stored.size, np.sqrt(c), P, self.pulls, places, chosen
        )
        self.model.w = np.zeros(self.size)
        tilt = 0.05 * rng.normal(size=self.size)
        self.model.lean(tilt)
        self.v[: self.size] += tilt

    def felt(self):
        """What coordinates and intercepts feel of the model at its point."""
        step = np.append(self.model.w, self.model.b)[: len(self.H)]
        return self.v - self.H @ step


@pytest.mark.parametrize("storage", STORAGES)
@given(
    seed=seeds,
    fit_intercept=st.booleans(),
    l1=st.sampled_from([0.0, 0.01, 0.1]),
    l2=st.sampled_from([1e-3, 0.1]),
    positive=st.booleans(),
)
def test_descent_ends_where_the_optimum_is(storage, seed, fit_intercept, l1, l2, positive):
    dense = Dense(seed, storage, fit_intercept)
    model = dense.model
    assert_allclose(model.curvatures[: len(dense.H)], np.diag(dense.H), atol=1e-14)
    epochs = model.descend(l1, l2, positive, 1e-12, 100_000)
    assert epochs < 100_000
    felt, w = dense.felt(), model.w
    assert_allclose(felt[dense.size :], 0.0, atol=1e-10)
    pull = felt[: dense.size] - l2 * w
    assert_allclose(pull[w != 0], l1 * np.sign(w[w != 0]), atol=1e-10)
    assert (pull[w == 0] <= l1 + 1e-10).all()
    assert positive or (pull[w == 0] >= -l1 - 1e-10).all()
    direction = np.zeros((1, model.k)) + model.b
    scores = np.tensordot(np.append(w, model.b)[: len(dense.H)], dense.adds, axes=1)
    assert_allclose(model.scores(w, direction), scores, atol=1e-9)


@pytest.mark.parametrize("storage", STORAGES)
@given(seed=seeds, fit_intercept=st.booleans(), l1=st.sampled_from([0.0, 0.01]))
def test_a_solution_on_the_support_is_the_minimum_with_its_signs(storage, seed, fit_intercept, l1):
    dense = Dense(seed, storage, fit_intercept)
    model, penalty = dense.model, ElasticNet(l1, 0.1)
    model.descend(l1, 0.1, False, 0.0, 1)
    chosen = np.flatnonzero(model.w)
    signs = np.sign(model.w[chosen])
    for _ in range(10):
        model.move(chosen, model.solve(chosen, penalty, signs, 0.0, 0.0)[0])
    felt = dense.felt()
    assert_allclose(felt[dense.size :], 0.0, atol=1e-12)
    assert_allclose(felt[chosen] - 0.1 * model.w[chosen], l1 * signs, atol=1e-12)


def test_what_classes_have_in_common_has_no_inverse():
    """Of nearly separable rows, whose probabilities are close to 0 and 1, it is rounding."""
    for seed in range(20):
        model = Dense(seed, "dense", True, concentration=0.1).model
        largest = np.abs(model.inverse).max()
        assert_allclose(model.inverse.sum(axis=1), 0.0, atol=1e-6 * largest)
        weighted = model.P * model.roots**2
        H = np.diag(weighted.sum(axis=1)) - weighted @ model.P.T
        assert_allclose(H @ model.inverse @ H, H, atol=1e-6 * H.max())
