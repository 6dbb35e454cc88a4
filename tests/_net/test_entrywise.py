"""Entrywise kernels of nets against SciPy."""

import numpy as np
import pytest
from _net.nets import ACTIVATIONS
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logsumexp, softmax

from sklearn_optland._net.entrywise_fast import KINDS, activate, output_residuals, times_slope

pytestmark = pytest.mark.kernels


finite = st.floats(-1e300, 1e300) | st.floats(-40, 40) | st.floats(-1e-3, 1e-3)


@given(arrays(np.float64, (5, 3), elements=finite), st.sampled_from(sorted(ACTIVATIONS)))
def test_activations(Z, name):
    bias = np.array([0.0, 0.5, -0.25])
    V = Z.copy()
    activate(V, bias, KINDS[name])
    expected = ACTIVATIONS[name](Z + bias)
    np.testing.assert_allclose(V, expected, rtol=1e-14, atol=1e-300)
    small = np.clip(Z, -1e30, 1e30).astype(np.float32)
    expected = ACTIVATIONS[name]((small + bias.astype(np.float32)).astype(np.float64))
    activate(small, bias.astype(np.float32), KINDS[name])
    np.testing.assert_allclose(small, expected, rtol=1e-6, atol=1e-37)


@given(
    arrays(np.float64, (4, 3), elements=st.floats(-30, 30)), st.sampled_from(["logistic", "tanh"])
)
def test_slopes_are_derivatives(Z, name):
    V, D = Z.copy(), np.full_like(Z, 2.0)
    activate(V, np.zeros(3), KINDS[name])
    times_slope(D, V, KINDS[name])
    step = 1e-6
    sigma = ACTIVATIONS[name]
    numeric = (sigma(Z + step) - sigma(Z - step)) / step
    np.testing.assert_allclose(D, numeric, atol=1e-8)


@given(
    arrays(np.float64, (6, 4), elements=st.floats(-1e300, 1e300) | st.floats(-60, 60)),
    st.integers(0, 2**31 - 1),
)
def test_softmax_loss_and_residuals(F, seed):
    rng = np.random.RandomState(seed)
    codes, c = rng.randint(0, 4, 6), rng.rand(6)
    Y, R = np.eye(4)[codes], F.copy()
    loss = output_residuals(R, Y, c, True)
    rows = logsumexp(F - F[np.arange(6), codes][:, None], axis=1)
    np.testing.assert_allclose(loss, c @ rows, rtol=1e-12)
    np.testing.assert_allclose(R, c[:, None] * (softmax(F, axis=1) - Y), atol=1e-14)
    assert np.isfinite(R).all()


def test_small_residuals_keep_their_digits():
    R = np.array([[60.0, 0.0, 1.0]])
    loss = output_residuals(R, np.array([[1.0, 0.0, 0.0]]), np.ones(1), True)
    rest = np.exp(-60.0) + np.exp(-59.0)
    np.testing.assert_allclose([loss, R[0, 0]], [rest, -rest], rtol=1e-12)
    R = np.array([[60.0]])
    loss = output_residuals(R, np.ones((1, 1)), np.ones(1), True)
    np.testing.assert_allclose([loss, R[0, 0]], [np.exp(-60.0), -np.exp(-60.0)], rtol=1e-12)


def test_kernels_refuse_shapes_that_do_not_fit():
    A = np.zeros((3, 2))
    with pytest.raises(ValueError, match="same number of columns"):
        activate(A, np.zeros(3), 0)
    with pytest.raises(ValueError, match="same shape"):
        times_slope(A, np.zeros((2, 3)), 0)
    with pytest.raises(ValueError, match="same number of rows"):
        output_residuals(A, A, np.zeros(2), False)
