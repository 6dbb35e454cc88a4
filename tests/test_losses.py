"""Scalar losses against SciPy, and the identities that tie them together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, log_expit, xlogy

from sklearn_optland.utils import _losses

margins = st.floats(-1e4, 1e4)


@given(margins)
def test_value_and_derivatives(m):
    assert _losses.log_loss(m) == pytest.approx(-log_expit(m), rel=1e-14, abs=1e-300)
    assert _losses.log_loss_derivative(m) == pytest.approx(-expit(-m), rel=1e-14, abs=1e-300)
    assert _losses.log_loss_curvature(m) == pytest.approx(
        expit(m) * expit(-m), rel=1e-14, abs=1e-300
    )


@given(margins, margins)
def test_bound_lies_above_and_touches(m, other):
    d = other - m
    quadratic = (
        _losses.log_loss(m)
        + _losses.log_loss_derivative(m) * d
        + 0.5 * _losses.log_loss_bound(m) * d * d
    )
    assert _losses.log_loss(other) <= quadratic + 1e-12 * (1 + abs(quadratic))


@pytest.mark.parametrize("m", [0.0, 1e-5, 1e-3, 0.5, 30.0, -7.0])
def test_bound_touches_at_both_margins(m):
    # The tightest such quadratic touches again at -m.
    gap = _losses.log_loss(m) - 2 * m * _losses.log_loss_derivative(m)
    assert gap + 2 * m * m * _losses.log_loss_bound(m) == pytest.approx(_losses.log_loss(-m))


@given(st.floats(0, 1), margins)
def test_conjugate(a, m):
    value = _losses.log_loss_conjugate(a)
    assert value == pytest.approx(xlogy(a, a) + xlogy(1 - a, 1 - a), abs=1e-15)
    # Fenchel and Young, with equality at the derivative
    assert value + _losses.log_loss(m) >= -a * m - 1e-12 * (1 + abs(m))
    at = -_losses.log_loss_derivative(m)
    assert _losses.log_loss_conjugate(at) + _losses.log_loss(m) == pytest.approx(
        -at * m, abs=1e-11 * (1 + abs(m))
    )


@given(margins, st.floats(0, 1e6))
def test_prox_is_stationary(m, q):
    u = _losses.log_loss_prox(m, q)
    assert m <= u <= m + q
    curvature = 1 + q * _losses.log_loss_curvature(u)
    slope = u - m + q * _losses.log_loss_derivative(u)
    assert abs(slope) <= 1e-12 * curvature * (1 + abs(u)) + 4 * np.finfo(float).eps * (abs(m) + q)
