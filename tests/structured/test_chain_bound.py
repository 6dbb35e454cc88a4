"""`chain_partition_bound` against sums over all labellings."""

from itertools import product

import numpy as np
import pytest
from helpers import SEEDS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import logsumexp

from sklearn_optland.linear_model import partition_function_bound
from sklearn_optland.structured import chain_partition_bound

COMBINE = ["loewner", "sum"]
CURVATURES = ["full", "diagonal", "low-rank"]
MODES = list(product(COMBINE, CURVATURES))


class Chain:
    """A random chain; some have features that are 0, or weights."""

    def __init__(self, rng, n_nodes, n_labels, n_features):
        size = 10 ** rng.uniform(-1, 0.7)
        self.nodes = size * rng.normal(size=(n_nodes, n_labels, n_features))
        self.edges = size * rng.normal(size=(n_nodes - 1, n_labels, n_labels, n_features))
        if rng.random() < 0.3:
            self.nodes[rng.random(self.nodes.shape) < 0.5] = 0.0
            self.edges[rng.random(self.edges.shape) < 0.5] = 0.0
        self.g, self.h = np.ones(self.nodes.shape[:2]), np.ones(self.edges.shape[:3])
        if rng.random() < 0.5:
            self.g = 10 ** rng.uniform(-3, 3, self.g.shape)
            self.h = 10 ** rng.uniform(-3, 3, self.h.shape)
            self.h[rng.random(self.h.shape) < 0.2] = 0.0
        self.theta = rng.normal(size=n_features) * 10 ** rng.uniform(-2, 0.5)

    def bound(self, combine="loewner", curvature="full", rank=2, theta=None):
        return chain_partition_bound(
            self.nodes,
            self.theta if theta is None else theta,
            edge_features=self.edges,
            node_weights=self.g,
            edge_weights=self.h,
            combine=combine,
            curvature=curvature,
            rank=rank,
        )

    def labellings(self):
        """Logarithms of the weights and the features of all labellings that have a weight."""
        n_nodes, n_labels, _ = self.nodes.shape
        y = np.array(list(product(range(n_labels), repeat=n_nodes)))
        t = np.arange(n_nodes)
        edge = t[:-1], y[:, :-1], y[:, 1:]
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.g[t, y]).sum(axis=1) + np.log(self.h[edge]).sum(axis=1)
        features = self.nodes[t, y].sum(axis=1) + self.edges[edge].sum(axis=1)
        possible = log_weights > -np.inf
        return log_weights[possible], features[possible]


def dense(sigma):
    if isinstance(sigma, tuple):
        return sigma.components.T * sigma.values @ sigma.components + np.diag(sigma.diagonal)
    return sigma if sigma.ndim == 2 else np.diag(sigma)


SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5))


@pytest.mark.parametrize(("combine", "curvature"), MODES)
@settings.get_profile("fits")
@given(seed=SEEDS, sizes=SIZES)
def test_it_touches_and_stays_above(combine, curvature, seed, sizes):
    rng = np.random.default_rng(seed)
    chain = Chain(rng, *sizes)
    log_weights, features = chain.labellings()
    if not len(log_weights):
        with pytest.raises(ValueError, match="found no labelling"):
            chain.bound(combine, curvature)
        return
    log_z, mu, sigma = chain.bound(combine, curvature)
    sigma = dense(sigma)
    scores = log_weights + features @ chain.theta
    exact = logsumexp(scores)
    p = np.exp(scores - exact)
    size = 1 + np.abs(features).max()
    assert_allclose(log_z, exact, rtol=1e-10, atol=1e-10)
    assert_allclose(mu, p @ features, rtol=0, atol=1e-10 * size)
    directions = rng.normal(size=(100, sizes[2]))
    directions = np.vstack([directions, features - mu, mu - features])
    directions *= 10 ** rng.uniform(-2, 2, (len(directions), 1))
    moved = logsumexp(log_weights + (chain.theta + directions) @ features.T, axis=1)
    above = log_z + directions @ mu + 0.5 * np.einsum("ij,ij->i", directions @ sigma, directions)
    assert (above - moved >= -1e-9 * (1 + np.abs(moved))).all()
    values = np.linalg.eigvalsh(sigma)
    assert values[0] >= -1e-9 * max(values[-1], 1e-300)


@pytest.mark.parametrize("combine", COMBINE)
@given(seed=SEEDS, n_labels=st.integers(1, 6), n_features=st.integers(1, 5))
def test_one_node_is_algorithm_1(combine, seed, n_labels, n_features):
    chain = Chain(np.random.default_rng(seed), 1, n_labels, n_features)
    expected = partition_function_bound(chain.nodes[0], chain.g[0], chain.theta)
    size = 1 + np.abs(chain.nodes).max() ** 2
    for found, value in zip(chain.bound(combine), expected, strict=True):
        assert_allclose(found, value, rtol=1e-10, atol=1e-10 * size)


@given(seed=SEEDS)
def test_a_star_of_depth_one_is_algorithm_1(seed):
    """A last node of one label sums over the labels of the first, as a partition function does."""
    rng = np.random.default_rng(seed)
    chain = Chain(rng, 2, 4, 3)
    chain.g[1, 1:] = 0.0
    chain.h[:] = np.maximum(chain.h, 0.1)
    features = chain.nodes[0] + chain.edges[0, :, 0] + chain.nodes[1, 0]
    weights = chain.g[0] * chain.h[0, :, 0] * chain.g[1, 0]
    expected = partition_function_bound(features, weights, chain.theta)
    size = 1 + np.abs(features).max() ** 2
    for found, value in zip(chain.bound(), expected, strict=True):
        assert_allclose(found, value, rtol=1e-10, atol=1e-9 * size)


@pytest.mark.parametrize("combine", COMBINE)
@settings.get_profile("fits")
@given(seed=SEEDS, sizes=SIZES)
def test_a_low_rank_that_is_high_enough_changes_nothing(combine, seed, sizes):
    chain = Chain(np.random.default_rng(seed), *sizes)
    if not len(chain.labellings()[0]):
        return
    full = chain.bound(combine)[2]
    low = chain.bound(combine, "low-rank", rank=sizes[2])[2]
    size = max(np.abs(full).max(), 1e-300)
    assert_allclose(dense(low), full, rtol=0, atol=1e-7 * size)
    assert np.abs(low.diagonal).max() <= 1e-9 * size
    assert_allclose(low.components @ low.components.T, np.eye(len(low.values)), atol=1e-8)


@pytest.mark.parametrize("curvature", ["diagonal", "low-rank"])
@settings.get_profile("fits")
@given(seed=SEEDS, sizes=SIZES)
def test_cheaper_sums_are_above_the_full_one(curvature, seed, sizes):
    chain = Chain(np.random.default_rng(seed), *sizes)
    if not len(chain.labellings()[0]):
        return
    full, cheap = (dense(chain.bound("sum", form, rank=1)[2]) for form in ("full", curvature))
    size = max(np.abs(cheap).max(), 1e-300)
    assert np.linalg.eigvalsh(cheap - full)[0] >= -1e-9 * size


def test_the_common_bound_grows_far_slower_than_the_sum():
    rng = np.random.default_rng(0)
    nodes, edges = rng.normal(size=(8, 3, 8)), rng.normal(size=(3, 3, 8))
    sigmas = [
        chain_partition_bound(nodes, rng.normal(size=8), edge_features=edges, combine=combine)[2]
        for combine in COMBINE
    ]
    traces = [np.trace(sigma) for sigma in sigmas]
    assert 20 * traces[0] < traces[1]


def test_edges_of_all_nodes_or_of_each():
    rng = np.random.default_rng(1)
    nodes, edges, theta = rng.normal(size=(3, 2, 4)), rng.normal(size=(2, 2, 4)), rng.normal(size=4)
    weights = np.array([[1.0, 0.0], [2.0, 1.0]])
    once = chain_partition_bound(nodes, theta, edge_features=edges, edge_weights=weights)
    each = chain_partition_bound(
        nodes, theta, edge_features=[edges] * 2, edge_weights=[weights] * 2
    )
    for a, b in zip(once, each, strict=True):
        assert_allclose(a, b)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"combine": "max"}, "combine: found 'max'; allowed are"),
        ({"curvature": "block"}, "curvature: found 'block'; allowed are"),
        ({"rank": 0}, "rank: found 0; allowed is at least 1"),
        ({"node_features": np.zeros((3, 2))}, r"node_features: found shape \(3, 2\)"),
        ({"node_features": np.zeros((0, 2, 1))}, r"node_features: found shape \(0, 2, 1\)"),
        ({"theta": [1.0, 2.0]}, r"theta: found shape \(2,\); node_features ask for \(1,\)"),
        ({"theta": [np.nan]}, "theta: found NaN or infinity"),
        ({"edge_features": np.zeros((3, 2, 2, 1))}, r"edge_features: found shape \(3, 2, 2, 1\)"),
        ({"edge_weights": np.zeros((2, 3))}, r"edge_weights: found shape \(2, 3\)"),
        ({"node_weights": -np.ones((3, 2))}, "node_weights: found -1"),
        ({"node_weights": np.zeros((3, 2))}, "node_weights, edge_weights: found no labelling"),
        ({"node_features": np.full((3, 2, 1), 1e200) * [[0], [1]]}, "magnitudes up to 1e"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {"node_features": np.zeros((3, 2, 1)), "theta": [0.0], **change}
    with pytest.raises(ValueError, match=message):
        chain_partition_bound(given.pop("node_features"), given.pop("theta"), **given)
