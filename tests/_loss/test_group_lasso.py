"""The group lasso: prox, conjugate, derivatives and subgradients, against SciPy."""

import numpy as np
from helpers import SEEDS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime, minimize

from sklearn_optland._loss.penalties import ElasticNet, GroupLasso

GROUPS = np.array([1, 0, 2, 0, 2, 2])
STRENGTHS = st.sampled_from([0.1, 0.5, 2.0])
L2 = st.sampled_from([0.0, 0.3])


def group_lasso(l1, l2):
    return GroupLasso(l1, l2, groups=GROUPS, scales=np.sqrt([2.0, 1.0, 3.0]))


def value(l1, l2, w):
    """The sum of the docstring, group by group."""
    norms = [np.sqrt(np.sum(g == GROUPS)) * np.linalg.norm(w[g == GROUPS]) for g in range(3)]
    return l1 * np.sum(norms) + 0.5 * l2 * np.sum(w**2)


def vectors(seed):
    """One vector with a group that is zero, one without."""
    w, v = np.random.default_rng(seed).normal(size=(2, 6))
    w[seed % 3 == GROUPS] = 0.0
    return w, v


def conjugate(l1, l2, v):
    """sup_u u'v - penalty(u), group by group; l2 > 0."""
    best = 0.0
    for g in range(3):
        t, v_g = l1 * np.sqrt(np.sum(g == GROUPS)), v[g == GROUPS]

        def lost(u, t=t, v_g=v_g):
            return t * np.linalg.norm(u) + 0.5 * l2 * np.sum(u**2) - u @ v_g

        best += max(0.0, -minimize(lost, v_g / l2, method="BFGS", tol=1e-10).fun)
    return best


@settings(max_examples=20)
@given(seed=SEEDS, l1=STRENGTHS)
def test_prox_is_what_a_projection_onto_balls_leaves(seed, l1):
    v = vectors(seed)[1]
    w = group_lasso(l1, 0.0).prox(v)
    for g in range(3):
        v_g, radius = v[g == GROUPS], l1 * np.sqrt(np.sum(g == GROUPS))
        ball = {"type": "ineq", "fun": lambda u, r=radius: r**2 - u @ u}
        found = minimize(
            lambda u, v_g=v_g: np.sum((u - v_g) ** 2), 0.1 * v_g, constraints=ball, tol=1e-14
        )
        assert_allclose(w[g == GROUPS], v_g - found.x, atol=1e-5)
        assert not w[g == GROUPS].any() or np.linalg.norm(v_g) > radius


@settings(max_examples=20)
@given(seed=SEEDS, l1=STRENGTHS, size=st.floats(-2, 1))
def test_gap_of_an_elastic_net_is_by_the_conjugate(seed, l1, size):
    w, v = vectors(seed)
    penalty, w = group_lasso(l1, 0.3), 10**size * w
    assert penalty.largest_scale(v) == 1
    assert_allclose(
        penalty.fenchel_gap(w, v), value(l1, 0.3, w) + conjugate(l1, 0.3, v) - w @ v, atol=1e-6
    )


@given(seed=SEEDS, l1=STRENGTHS)
def test_gap_without_l2_is_that_of_pulls_in_the_balls(seed, l1):
    w, v = vectors(seed)
    penalty = group_lasso(l1, 0.0)
    v = penalty.largest_scale(v) * v
    norms = [np.linalg.norm(v[g == GROUPS]) / np.sqrt(np.sum(g == GROUPS)) for g in range(3)]
    assert max(norms) <= l1
    assert_allclose(penalty.polar(v), max(norms))
    assert_allclose(penalty.fenchel_gap(w, v), value(l1, 0.0, w) - w @ v, atol=1e-12)


@given(seed=SEEDS, l1=STRENGTHS, l2=L2)
def test_derivatives_are_those_of_differences(seed, l1, l2):
    w, v = vectors(seed)
    penalty = group_lasso(l1, l2)
    assert_allclose(penalty.value(w), value(l1, l2, w))
    assert_allclose(penalty.rise(w, v), value(l1, l2, w + v) - value(l1, l2, w), atol=1e-12)
    slope = (value(l1, l2, w + 1e-7 * v) - value(l1, l2, w)) / 1e-7
    assert_allclose(penalty.slope(w, v), slope, atol=1e-5)
    gradient = approx_fprime(v, lambda u: value(l1, l2, u), 1e-8)
    assert_allclose(penalty.subgradient(v, w), gradient, atol=1e-6)
    steps = 1e-6 * np.eye(6)
    curvature = [
        (penalty.subgradient(v + e, w) - penalty.subgradient(v - e, w)) / 2e-6 for e in steps
    ]
    assert_allclose(penalty.curvature(v), curvature, rtol=1e-4, atol=1e-4)


@given(seed=SEEDS, l1=STRENGTHS, l2=L2)
def test_subgradient_is_one_and_the_nearest(seed, l1, l2):
    w, v = vectors(seed)
    penalty = group_lasso(l1, l2)
    nearest = penalty.subgradient(w, v)
    zero = seed % 3 == GROUPS
    radius = l1 * np.sqrt(zero.sum())
    assert np.linalg.norm(nearest[zero]) <= radius * (1 + 1e-12)
    left = max(0.0, np.linalg.norm(v[zero]) - radius)
    assert_allclose(np.linalg.norm((v - nearest)[zero]), left, atol=1e-12)
    others = np.random.default_rng(seed + 1).normal(size=(20, 6))
    for u in others:
        assert value(l1, l2, u) >= value(l1, l2, w) + nearest @ (u - w) - 1e-9


@given(seed=SEEDS, l1=STRENGTHS, l2=L2)
def test_groups_of_one_column_are_an_elastic_net(seed, l1, l2):
    w, v = vectors(seed)
    ours = GroupLasso(l1, l2, groups=np.array([3, 1, 0, 2, 5, 4]), scales=np.ones(6))
    theirs = ElasticNet(l1, l2)
    scale = theirs.largest_scale(v)
    assert_allclose(ours.largest_scale(v), scale)
    assert_allclose(ours.fenchel_gap(w, scale * v), theirs.fenchel_gap(w, scale * v), atol=1e-12)
    for name, arguments in (
        ("value", (w,)),
        ("prox", (v,)),
        ("polar", (v,)),
        ("slope", (w, v)),
        ("rise", (w, v)),
        ("subgradient", (w, v)),
    ):
        expected = getattr(theirs, name)(*arguments)
        assert_allclose(getattr(ours, name)(*arguments), expected, atol=1e-12)
    part = w != 0
    assert_allclose(ours.of(part).value(w[part]), theirs.value(w))
