"""Arithmetic circuits: their function, gradients and coefficients, and the theorem of depth."""

import numpy as np
import pytest
from helpers import SEEDS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import check_grad

from sklearn_optland._rows.source import ArraySource
from sklearn_optland.tensor import matricization_rank, random_tensor
from sklearn_optland.tensor._circuit import Circuit, Objective, coefficients, root
from sklearn_optland.tensor._matricization import matricization

CIRCUITS = st.builds(
    Circuit, st.booleans(), st.integers(1, 7), st.integers(1, 3), st.integers(1, 3), st.just(2)
)


def contracted(A, z):
    """sum of A's entries times the products of z's, by patches."""
    for part in z:
        A = np.tensordot(part, A, axes=1)
    return A


@settings(max_examples=30)
@given(CIRCUITS, SEEDS)
def test_the_tree_computes_what_its_coefficients_say(circuit, seed):
    rng = np.random.RandomState(seed)
    theta, x = rng.randn(circuit.n_parameters), rng.randn(3, circuit.n_patches, circuit.side - 1)
    W, mixings, a, _ = layers = circuit.tree(theta)
    assert_allclose(circuit.apart(layers), theta, atol=1e-14)
    A = coefficients(W, mixings, a[:, 1])
    assert A.shape == (circuit.side,) * circuit.n_patches
    z = np.concatenate([x, np.ones((3, circuit.n_patches, 1))], axis=2)
    expected = [contracted(A, row) for row in z]
    assert_allclose(root(x, W, mixings)[0] @ a[:, 1], expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=20)
@given(CIRCUITS, st.booleans(), SEEDS)
def test_gradients_are_finite_differences(circuit, is_log_loss, seed):
    rng = np.random.RandomState(seed)
    X, c = rng.randn(9, circuit.n_patches * (circuit.side - 1)), rng.rand(9)
    Y = np.eye(2)[rng.randint(2, size=9)]
    objective = Objective(circuit, ArraySource(X, Y=Y, c=c), is_log_loss, 0.1)
    theta = 0.3 * rng.randn(circuit.n_parameters)
    error = check_grad(lambda t: objective(t)[0], lambda t: objective(t)[1], theta)
    assert error <= 1e-5 * (1 + np.linalg.norm(objective(theta)[1]))


def test_blocks_add_up():
    rng = np.random.RandomState(0)
    circuit = Circuit(True, 6, 3, 8, 1)
    X, c, Y = rng.randn(4001, 12), np.full(4001, 1 / 4001), rng.randn(4001, 1)
    theta = 0.1 * rng.randn(circuit.n_parameters)

    def at(rows):
        X_part, Y_part, c_part = (np.ascontiguousarray(array[rows]) for array in (X, Y, c))
        source = ArraySource(X_part, Y=Y_part, c=c_part)
        return Objective(circuit, source, False, 0.0)(theta)

    value, gradient = at(slice(None))
    parts = [at(slice(i, None, 3)) for i in range(3)]
    assert_allclose(value, sum(part[0] for part in parts), rtol=1e-12)
    assert_allclose(gradient, sum(part[1] for part in parts), atol=1e-12)


@pytest.mark.parametrize("is_hierarchical", [False, True])
def test_products_of_many_patches_neither_vanish_nor_explode_at_the_start(is_hierarchical):
    rng = np.random.RandomState(0)
    circuit = Circuit(is_hierarchical, 256, 4, 5, 1)
    W, mixings, *_ = circuit.tree(circuit.start(rng))
    phi = np.abs(root(rng.randn(50, 256, 3), W, mixings)[0])
    assert phi.min() > 0.1
    assert phi.max() < 10


# The theorem of Cohen, Sharir and Shashua (2016)


@pytest.mark.parametrize("n_modes", [2, 4, 8])
@pytest.mark.parametrize("side", [1, 2, 3])
@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_the_rank_of_random_hierarchical_tensors(n_modes, side, rank):
    for seed in range(3):
        A = random_tensor("ht", n_modes=n_modes, side=side, rank=rank, random_state=seed)
        assert matricization_rank(A) == min(rank, side) ** (n_modes // 2)


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 5), SEEDS)
def test_products_add_at_most_one_to_the_rank(n_modes, side, rank, seed):
    rng = np.random.RandomState(seed)
    A = random_tensor("cp", n_modes=n_modes, side=side, rank=rank, random_state=rng)
    rows = rng.permutation(n_modes)[: rng.randint(n_modes + 1)]
    assert matricization_rank(A, rows, tol=1e-9) <= rank
    term = random_tensor("cp", n_modes=n_modes, side=side, rank=1, random_state=rng)
    assert matricization_rank(A + term, rows, tol=1e-9) <= rank + 1


def test_no_sum_of_few_products_comes_close_to_a_hierarchical_tensor():
    """What Eckart and Young leave of the matrix, no CP of so few terms goes below."""
    A = random_tensor("ht", n_modes=4, side=3, rank=3, random_state=0)
    least = np.linalg.svd(matricization(A), compute_uv=False)
    for terms in (1, 4, 8):
        rng, bound = np.random.RandomState(terms), np.linalg.norm(least[terms:])
        factors = [rng.randn(3, terms) for _ in range(4)]
        for sweep in range(200):  # alternating least squares
            mode = sweep % 4
            others = [factors[i] for i in range(4) if i != mode]
            khatri_rao = np.einsum("ar,br,cr->abcr", *others).reshape(-1, terms)
            target = np.moveaxis(A, mode, -1).reshape(-1, 3)
            factors[mode] = np.linalg.lstsq(khatri_rao, target, rcond=None)[0].T
        error = np.linalg.norm(np.einsum("ar,br,cr,dr->abcd", *factors) - A)
        assert error >= bound > 0


def test_matricization_is_numpy_s():
    A = np.arange(24.0).reshape(2, 3, 4)
    assert_allclose(matricization(A, [1]), A.transpose(1, 0, 2).reshape(3, 8))
    assert matricization(A).shape == (8, 3)
    assert matricization(A, []).shape == (1, 24)
    assert matricization_rank([1.0, 2.0]) == 1
    assert matricization_rank(np.diag([1.0, 0.1]), tol=0.5) == 1


@pytest.mark.parametrize("rows", [[3], [0, 0], [-1], [0.5], [[0]]])
def test_modes_that_a_tensor_does_not_have(rows):
    with pytest.raises(ValueError, match=r"^rows: found .*; allowed are different"):
        matricization_rank(np.ones((2, 2, 2)), rows)


def test_tensors_too_large_to_draw():
    with pytest.raises(ValueError, match=r"^n_modes: found 30, with "):
        random_tensor(n_modes=30, side=2)
