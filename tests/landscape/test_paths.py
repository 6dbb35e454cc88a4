"""Paths between minima: symmetries, strings, bands, graphs."""

import itertools

import numpy as np
import pytest
from helpers import fit_quietly
from landscape.nets import classifier, digits, drawn, iris, iris_surface
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_optland.landscape import LossSurface, connect, connectivity_graph
from sklearn_optland.landscape._alignment import aligned, balanced


def deep_surface(activation):
    X, y = iris()
    settings = {"activation": activation, "solver": "lbfgs", "alpha": 0.0, "max_iter": 50}
    net = fit_quietly(MLPClassifier((6, 5), random_state=0, **settings), X, y)
    return LossSurface(net, X, y)


@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "identity"])
@pytest.mark.parametrize("seed", range(3))
def test_symmetries_do_not_change_the_net(activation, seed):
    surface = deep_surface(activation)
    theta, target = drawn(surface, seed), drawn(surface, seed + 10)
    for changed in (
        balanced(surface.network, theta),
        aligned(surface.network, target, theta),
    ):
        assert surface.loss(changed) == pytest.approx(surface.loss(theta), rel=1e-10)
    near = aligned(surface.network, target, theta)
    assert near @ target >= theta @ target - 1e-12
    if activation == "relu":
        assert np.linalg.norm(balanced(surface.network, theta)) <= np.linalg.norm(theta)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_exchanged_units_are_found(activation):
    surface = deep_surface(activation)
    theta, rng = surface.theta_, np.random.RandomState(0)
    mixed = theta.copy()
    layers = surface.network.layers(mixed)
    for before, after in itertools.pairwise(layers):
        order = rng.permutation(before.shape[1])
        sign = rng.choice([-1.0, 1.0], len(order)) if activation == "tanh" else np.ones(len(order))
        before[:] = before[:, order] * sign
        after[:-1] = after[order] * sign[:, None]
    np.testing.assert_allclose(aligned(surface.network, theta, mixed), theta, atol=1e-12)


@pytest.mark.parametrize("method", ["string", "neb"])
def test_a_path_is_what_it_says(method):
    X, y = digits(200)
    a, b = (classifier(X, y, width=16, seed=seed, alpha=0.1) for seed in (0, 1))
    surface = LossSurface(a, X, y)
    path = connect(surface, a, b, method, level=0.2)
    assert path.connected_
    assert path.maximum_ <= 0.2
    np.testing.assert_allclose(path.losses_, [surface.loss(point) for point in path.points_])
    assert path.losses_[0] == pytest.approx(surface.loss(surface.flat(a)), rel=1e-9)
    assert path.losses_[-1] == pytest.approx(surface.loss(surface.flat(b)), rel=1e-9)
    assert path.barrier_ >= 0
    assert path.normalized_length_ >= 1
    assert path.grid_[0] == 0
    assert path.grid_[-1] == 1
    assert (np.diff(path.grid_) >= 0).all()
    steps = np.linalg.norm(np.diff(path.points_, axis=0), axis=1)
    assert path.length_ == pytest.approx(steps.sum())
    straight = connect(surface, a, b, method, level=0.2, max_points=2, max_iter=1)
    assert path.maximum_ <= straight.maximum_


@pytest.mark.parametrize("method", ["string", "neb"])
def test_what_cannot_be_connected_is_not(method):
    # Three points in the plane, and a net of three units that fits them: the net with two units
    # exchanged lies in another component of the level set (Freeman and Bruna).
    X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    W = np.array([[1.0, -1.0, 0.5], [-1.0, 1.0, 0.5]])
    V = np.array([[1.0], [-1.0], [2.0]])
    y = np.maximum(X @ W, 0) @ V
    net = MLPRegressor(hidden_layer_sizes=(3,), activation="relu", alpha=0.0)
    fit_quietly(net, np.vstack([X] * 9), np.concatenate([y] * 9).ravel())
    net.coefs_, net.intercepts_ = [W, V], [np.zeros(3), np.zeros(1)]
    surface = LossSurface(net, X, y.ravel(), penalty=False)
    order = [1, 0, 2]
    mixed = surface.network.join([W[:, order], V[order]], [np.zeros(3), np.zeros(1)], np.float64)
    path = connect(surface, surface.theta_, mixed, method, level=1e-3, align=False, max_points=20)
    assert path.maximum_ >= 0
    assert connect(surface, surface.theta_, mixed, method, level=1e-3).connected_


def test_a_convex_function_needs_no_detour():
    X, y = iris()
    surface = LossSurface(LogisticRegression(max_iter=1000).fit(X, y), X, y)
    a, b = drawn(surface, 0), drawn(surface, 1)
    path = connect(surface, a, b, align=False)
    assert len(path.points_) == 2
    assert path.normalized_length_ == 1
    assert path.barrier_ == 0
    same = connect(surface, a, a)
    assert same.length_ == 0
    assert same.normalized_length_ == 1
    assert same.connected_


def test_an_end_above_the_level_is_trained():
    surface = iris_surface(width=8, alpha=0.01)
    start = drawn(surface, 0, 2.0)
    level = 2 * surface.loss(surface.theta_)
    assert surface.loss(start) > level
    path = connect(surface, surface.theta_, start, level=level)
    assert path.losses_[-1] <= level


def test_tree_has_the_lowest_saddles():
    X, y = digits(150)
    nets = [classifier(X, y, width=8, seed=seed, alpha=0.1) for seed in range(4)]
    surface = LossSurface(nets[0], X, y)
    graph = connectivity_graph(surface, nets, level=0.3)
    assert len(graph.paths_) == 6
    assert len(graph.tree_) == 3
    np.testing.assert_array_equal(graph.saddles_, graph.saddles_.T)
    for (i, j), path in graph.paths_.items():
        assert graph.saddles_[i, j] == path.maximum_
        # between i and j, the tree's highest saddle is no higher than that of their own path
        assert highest_on_tree(graph, i, j) <= path.maximum_


def highest_on_tree(graph, i, j):
    found, frontier = {i: -np.inf}, [i]
    while frontier:
        here = frontier.pop()
        for edge in graph.tree_:
            if here in edge:
                there = edge[0] if edge[1] == here else edge[1]
                if there not in found:
                    found[there] = max(found[here], graph.saddles_[edge])
                    frontier.append(there)
    return found[j]


def test_errors_name_what_was_found():
    surface = iris_surface()
    with pytest.raises(ValueError, match="method"):
        connect(surface, surface.theta_, surface.theta_, "straight")
    with pytest.raises(ValueError, match="theta: found"):
        connect(surface, surface.theta_, np.zeros(2))
    with pytest.raises(ValueError, match="level"):
        connect(surface, surface.theta_, surface.theta_, level=-1.0)
