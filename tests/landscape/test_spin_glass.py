"""Spherical spin glasses: derivatives, theory's figures, descents and critical points."""

import pickle
from functools import reduce
from itertools import pairwise
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import approx_fprime

from sklearn_optland.landscape import (
    SphericalSpinGlass,
    complexity,
    critical_energy,
    expected_index,
    threshold_energy,
)

pytestmark = pytest.mark.kernels

# Energies -E_k of Auffinger, Ben Arous and Cerny, evaluated with 30 digits.
ENERGIES = {
    3: {0: -1.656998, 1: -1.652873, 2: -1.650253, 10: -1.642568},
    4: {0: -1.794085, 1: -1.783300, 2: -1.776478},
    5: {0: -1.887989, 1: -1.870576, 2: -1.859599},
}
GLASSES = [(2, 6), (3, 6), (4, 5), (5, 4)]


@pytest.mark.parametrize(("p", "expected"), [(3, 1.632993), (4, 1.732051), (5, 1.788854)])
def test_energies_of_theory(p, expected):
    assert threshold_energy(p) == pytest.approx(-expected, abs=1e-6)
    for k, energy in ENERGIES[p].items():
        assert critical_energy(p, k) == pytest.approx(energy, abs=1e-6)
        assert complexity(critical_energy(p, k), p, k) == pytest.approx(0.0, abs=1e-12)


def test_complexity():
    u = np.linspace(-2.0, 0.5, 60)
    for p in (3, 4, 7):
        whole, rates = complexity(u, p), [complexity(u, p, k) for k in range(4)]
        below = u <= threshold_energy(p)
        np.testing.assert_allclose(whole[below], rates[0][below])
        assert (np.diff(whole) >= 0).all()
        assert whole[-1] == pytest.approx(0.5 * np.log(p - 1))
        for more, fewer in pairwise(rates):
            assert (fewer[below] < more[below]).all()
            np.testing.assert_allclose(fewer[~below], 0.5 * np.log(p - 1) - (p - 2) / p)
    assert complexity(threshold_energy(2), 2) == 0
    assert critical_energy(2, 3) == threshold_energy(2)


@pytest.mark.parametrize("p", [2, 3, 6])
def test_expected_index_is_the_semicircle_below_zero(p):
    radius = 2 * np.sqrt(p * (p - 1))
    for u in (threshold_energy(p) * 0.7, -0.3, 0.0, 0.8):
        end = np.clip(p * u, -radius, radius)
        density = quad(lambda x: 2 / (np.pi * radius**2) * np.sqrt(radius**2 - x**2), -radius, end)
        assert expected_index(u, p) == pytest.approx(density[0], abs=1e-7)
    assert expected_index(-9.0, p) == 0


@pytest.mark.parametrize(("p", "n"), GLASSES)
@given(seed=st.integers(0, 2**31))
@settings(max_examples=5, deadline=None)
def test_derivatives(p, n, seed):
    glass = SphericalSpinGlass(p, n, field=0.5, random_state=seed)
    s = np.random.RandomState(seed).randn(n)
    gradient = glass.gradient(s)
    scale = 1 + np.abs(gradient).max()
    close = {"rtol": 0, "atol": 1e-5 * scale}
    np.testing.assert_allclose(approx_fprime(s, glass.energy, 1e-7), gradient, **close)
    hessian = glass.hessian(s)
    close["atol"] += 1e-5 * np.abs(hessian).max()
    np.testing.assert_allclose(approx_fprime(s, glass.gradient, 1e-7), hessian, **close)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12, atol=1e-12)
    # Euler: the polynomial is homogeneous
    own = glass.energy(s) - s @ glass.field_
    assert s @ (gradient - glass.field_) == pytest.approx(p * own, rel=1e-10, abs=1e-12)
    assert hessian @ s == pytest.approx((p - 1) * (gradient - glass.field_), rel=1e-10, abs=1e-10)


@pytest.mark.parametrize(("p", "n"), GLASSES)
def test_energy_is_the_sum_over_all_orders(p, n):
    """Polarisation gives the symmetric tensor, and the tensor the energies."""
    glass = SphericalSpinGlass(p, n, random_state=1)
    signs = np.array(np.meshgrid(*[[-1, 1]] * p)).reshape(p, -1)
    tensor = np.zeros((n,) * p)
    for index in np.ndindex(tensor.shape):
        values = glass.energy(signs.T @ np.eye(n)[list(index)])
        tensor[index] = signs.prod(axis=0) @ values / (2**p * factorial(p))
    S = np.random.RandomState(0).randn(7, n)
    energies = glass.energy(S)
    contracted = [reduce(lambda part, _, s=s: part @ s, range(p), tensor) for s in S]
    np.testing.assert_allclose(contracted, energies, rtol=1e-9, atol=1e-9)
    for s, energy, gradient in zip(S, energies, glass.gradient(S), strict=True):  # the batch
        assert glass.energy(s) == pytest.approx(energy, rel=1e-12)
        np.testing.assert_allclose(glass.gradient(s), gradient, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("p", "n"), [(2, 3), (3, 3), (4, 2), (5, 2)])
def test_covariance_of_energies(p, n):
    """E H(s) H(t) = n (s't / n)^p, along an axis, along a diagonal and between."""
    S = np.vstack([np.eye(n)[0], np.eye(n)[1], np.ones(n), np.arange(n) + 1.0])
    S *= np.sqrt(n) / np.linalg.norm(S, axis=1, keepdims=True)
    rng = np.random.RandomState(0)
    H = np.array([SphericalSpinGlass(p, n, random_state=rng).energy(S) for _ in range(1200)])
    expected = n * (S @ S.T / n) ** p
    error = np.sqrt((n**2 + expected**2) / len(H))
    assert (np.abs(H.T @ H / len(H) - expected) < 4 * error).all()


def test_sphere_hessian_is_that_along_great_circles():
    glass = SphericalSpinGlass(3, 8, field=1.0, random_state=0)
    (s,) = glass.random_points(1)
    H = glass.sphere_hessian(s)
    np.testing.assert_allclose(H @ s, 0, atol=1e-12)
    v = np.linalg.qr(np.column_stack([s, np.arange(8.0)]))[0][:, 1]
    r, t = np.sqrt(8), 1e-4
    along = [np.cos(x / r) * s + np.sin(x / r) * r * v for x in (-t, 0, t)]
    low, middle, high = (glass.energy(point) for point in along)
    assert (low - 2 * middle + high) / t**2 == pytest.approx(v @ H @ v, abs=1e-5)


def test_two_spins_have_the_eigenvectors_as_critical_points():
    glass = SphericalSpinGlass(2, 12, random_state=0)
    found = glass.critical_points()
    assert len(found.points) == 12
    np.testing.assert_allclose(found.gradient_norms, 0, atol=1e-12)
    np.testing.assert_array_equal(found.indices, np.arange(12))
    for k in (0, 4, 11):
        values = np.linalg.eigvalsh(glass.sphere_hessian(found.points[k]))
        assert np.sum(values < -1e-9) == k
        assert found.energies[k] == pytest.approx(glass.energy(found.points[k]) / 12)
    ends = glass.descend(5, tol=1e-9)
    np.testing.assert_allclose(ends.energies, found.energies[0], rtol=1e-12)


def test_descents_end_at_the_known_energy():
    """Mean energies of descents, 25 spins: -1.450 in the literature's prototype, of .099 spread."""
    rng = np.random.RandomState(0)
    ends = [SphericalSpinGlass(3, 25, random_state=rng).descend(20, tol=1e-3) for _ in range(12)]
    means = [end.energies.mean() for end in ends]
    assert abs(np.mean(means) + 1.450) < 2 * np.std(means, ddof=1) / np.sqrt(12) + 0.005
    assert 0.06 < np.std([end.energies for end in ends]) < 0.14
    assert max(end.gradient_norms.max() for end in ends) <= 1e-3


def test_index_follows_the_law():
    glass = SphericalSpinGlass(3, 60, random_state=0)
    found = glass.critical_points(30)
    assert len(found.points) > 15
    assert found.gradient_norms.max() < 1e-9
    share = found.indices / 60
    assert np.corrcoef(share, expected_index(found.energies, 3))[0, 1] > 0.99
    assert np.abs(share - expected_index(found.energies, 3)).max() < 0.06


@pytest.mark.parametrize(("field", "n_levels"), [(0.0, 5), (3.0, 1)])
def test_a_strong_field_leaves_one_minimum(field, n_levels):
    glass = SphericalSpinGlass(3, 30, field=field, random_state=0)
    ends = glass.descend(30, tol=1e-8)
    levels = np.unique(ends.energies.round(8))
    if field:
        assert len(levels) == 1
        found = glass.critical_points(glass.random_points(30))
        assert set(found.indices.tolist()) == {0, 29}  # one minimum, one maximum
        assert len(np.unique(found.points.round(5), axis=0)) == 2
    else:
        assert len(levels) > n_levels


def test_descents_stop_where_they_are_told():
    glass = SphericalSpinGlass(3, 20, random_state=3)
    starts = glass.random_points(6)
    levels = np.linspace(-1.0, -0.2, 6)
    ends = glass.descend(starts, until=levels)
    assert (ends.energies <= levels).all()
    above = glass.energy(starts) / 20 > levels
    assert above.sum() > 2
    assert (ends.energies > levels - 0.5)[above].all()
    np.testing.assert_allclose(ends.points[~above], starts[~above], rtol=1e-12)
    few = glass.descend(starts, max_iter=3)
    assert few.n_iter == 3
    assert (few.energies < glass.energy(starts) / 20).all()
    more = glass.descend(few.points, tol=1e-7)
    assert (more.energies <= few.energies).all()
    assert "6 points" in repr(more)


def test_same_state_same_bits():
    one, two = (SphericalSpinGlass(4, 10, field=0.1, random_state=7) for _ in range(2))
    copy = pickle.loads(pickle.dumps(two))
    ends = [glass.descend(3).points for glass in (one, two, copy)]
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[0], ends[2])


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e90])
def test_starts_of_any_length(size):
    glass = SphericalSpinGlass(3, 12, random_state=0)
    starts = np.random.RandomState(0).standard_normal((2, 12))
    expected = glass.descend(starts, max_iter=3)
    np.testing.assert_allclose(
        glass.descend(size * starts, max_iter=3).energies, expected.energies, rtol=1e-10
    )


def test_nothing_to_do():
    glass = SphericalSpinGlass(3, 5, random_state=0)
    assert glass.descend(0).points.shape == (0, 5)
    none = glass.critical_points(glass.random_points(2), max_iter=0)
    assert none.points.shape == (0, 5)
    assert repr(none) == "no points"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SphericalSpinGlass(1), "'p' parameter"),
        (lambda: SphericalSpinGlass(3, 1), "'n' parameter"),
        (lambda: SphericalSpinGlass(3, 5, field=-1.0), "'field' parameter"),
        (lambda: SphericalSpinGlass(6, 1000), "p, n: found p=6 and n=1000"),
        (lambda: SphericalSpinGlass(3, 5).energy(np.ones(4)), r"s: found an array of shape \(4,\)"),
        (lambda: SphericalSpinGlass(3, 5).gradient([[np.nan] * 5]), "s: found NaN"),
        (lambda: SphericalSpinGlass(3, 5).energy([1e200] * 5), r"s: found a value of size 1e\+200"),
        (lambda: SphericalSpinGlass(3, 5, field=1e300), "'field' parameter"),
        (lambda: SphericalSpinGlass(3, 5).hessian(np.ones((2, 5))), "s: found 2 points"),
        (lambda: SphericalSpinGlass(3, 5).descend(np.zeros((1, 5))), "starts: found zero"),
        (lambda: SphericalSpinGlass(3, 5).descend(-1), "'starts' parameter"),
        (lambda: SphericalSpinGlass(3, 5).descend(3, tol=-1.0), "'tol' parameter"),
        (lambda: SphericalSpinGlass(3, 5).descend(3, until=[0.0]), "until: found an array"),
        (lambda: SphericalSpinGlass(3, 5).critical_points(2, max_iter=-1), "'max_iter' parameter"),
        (lambda: SphericalSpinGlass(3, 5).random_points(-1), "'n_points' parameter"),
        (lambda: complexity(np.nan, 3), "u: found NaN"),
        (lambda: critical_energy(3, -1), "'k' parameter"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
