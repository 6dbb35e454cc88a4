"""Penalties: prox, projection, conjugate, and how far a dual point may go."""

import numpy as np
from helpers import SEEDS
from hypothesis import given
from hypothesis import strategies as st

from sklearn_optland._loss.gauge_dual import dual_scale
from sklearn_optland._loss.penalties import ElasticNet

PENALTIES = st.builds(
    ElasticNet, st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.5]), st.booleans()
)


@given(seed=SEEDS, penalty=PENALTIES)
def test_prox_and_projection_are_minimisers(seed, penalty):
    rng = np.random.default_rng(seed)
    v, other = rng.normal(size=(2, 6))
    w, nearest = penalty.prox(v), penalty.project(v)
    l1 = ElasticNet(penalty.l1, 0.0, penalty.positive)
    for rival in (w + 0.01 * other, penalty.project(other), np.zeros(6)):
        assert l1.value(w) + 0.5 * np.sum((w - v) ** 2) <= (
            l1.value(rival) + 0.5 * np.sum((rival - v) ** 2) + 1e-12
        )
    assert np.isfinite(penalty.value(nearest))
    assert np.linalg.norm(nearest - v) <= np.linalg.norm(penalty.project(other) - v) + 1e-12


@given(seed=SEEDS, penalty=PENALTIES, size=st.floats(-3, 3))
def test_fenchel_gap_covers_every_other_point(seed, penalty, size):
    # conjugate(v) >= u'v - penalty(u) for any u
    rng = np.random.default_rng(seed)
    w, u = (penalty.project(10**size * part) for part in rng.normal(size=(2, 6)))
    v = rng.normal(size=6)
    v = penalty.largest_scale(v) * v
    gap = penalty.fenchel_gap(w, v)
    rival = penalty.value(w) - w @ v + u @ v - penalty.value(u)
    assert gap >= 0
    assert gap >= rival - 1e-12 * (1 + abs(rival) + penalty.value(u))


@given(polar=st.floats(0, 1e3), alpha=st.floats(1e-6, 1e3), best=st.floats(-1, 3))
def test_dual_scale_is_feasible_and_next_to_the_best(polar, alpha, best):
    scale = dual_scale(polar, alpha, best)
    assert 0 <= scale <= max(best, 0.0)
    assert scale * polar <= alpha
    assert scale >= min(max(best, 0.0), 0.999 * alpha / polar if polar > 0 else np.inf)
