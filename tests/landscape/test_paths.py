"""Paths between minima: symmetries, strings, bands, graphs."""

import itertools

import numpy as np
import pytest
from helpers import fit_quietly
from landscape.nets import classifier, digits, drawn, iris, iris_surface
from scipy.optimize import brentq
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
        balanced(surface.network, theta, np.zeros_like(theta)),
        aligned(surface.network, target, theta),
    ):
        assert surface.loss(changed) == pytest.approx(surface.loss(theta), rel=1e-10)
    near = aligned(surface.network, target, theta)
    assert near @ target >= theta @ target - 1e-12
    if activation == "relu":
        near = balanced(surface.network, theta, np.zeros_like(theta))
        assert np.linalg.norm(near) <= np.linalg.norm(theta)


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


class WithoutBiases(LossSurface):
    """The surface of a net whose biases stay what they are."""

    def loss_and_gradient(self, theta):
        loss, gradient = super().loss_and_gradient(theta)
        for layer in self.network.layers(gradient):
            layer[-1] = 0.0
        return loss, gradient


def two_sides():
    """Two ReLU units that look to either side of three points fit |x|, and are exchanged.

    On the way the first unit's weight passes 0, where it is constant. The other one is monotone,
    and its loss at least that of isotonic regression, (0, 1, 1) -> (1/2, 1/2, 1): 1/12.
    """
    X, y = np.array([[-1.0], [0.0], [1.0]]), np.array([1.0, 0.0, 1.0])
    W, V = np.array([[1.0, -1.0]]), np.ones((2, 1))
    return LossSurface, X, y, W, V, lambda theta: theta[0]


def three_points():
    """Freeman and Bruna's disconnection: a 2-3-2 net without biases permutes three points.

    On the way from the 12 weights to those with two units exchanged, the matrix H of the units'
    outputs passes det H = 0, since its rows are exchanged. There its columns, none of them
    negative, have a normal n whose entries are not all of one strict sign. The targets Y span the
    plane across (1, 1, 1), and their squared error is at least |n'Y|^2 = 3/2 - (sum n)^2 / 2,
    smallest at n = (1, 1, 0) / sqrt 2: 1/2 in all, a loss of 1/12.
    """
    X = np.array([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
    Y = np.roll(X, -1, axis=0)

    def determinant(theta):
        return np.linalg.det(np.maximum(X @ theta[:6].reshape(2, 3), 0))

    return WithoutBiases, X, Y, X.T, Y, determinant


@pytest.mark.parametrize("method", ["string", "neb"])
@pytest.mark.parametrize("example", [two_sides, three_points])
def test_what_cannot_be_connected_is_not(method, example):
    kind, X, Y, W, V, passes_zero = example()
    n_units, n_outputs = V.shape
    net = MLPRegressor(hidden_layer_sizes=(n_units,), activation="relu", alpha=0.0, max_iter=1)
    surface = kind(fit_quietly(net, X, Y), X, Y)
    zero, order = [np.zeros(n_units), np.zeros(n_outputs)], [1, 0, 2][:n_units]
    start = surface.network.join([W, V], zero, np.float64)
    end = surface.network.join([W[:, order], V[order]], zero, np.float64)
    np.testing.assert_allclose([surface.loss(start), surface.loss(end)], 0, atol=1e-30)
    path = connect(surface, start, end, method, level=0.02, align=False, max_points=20)
    assert path.connected_ is None
    assert path.maximum_ > 0.02
    assert loss_where(passes_zero, surface, path) >= 1 / 12 - 1e-9
    assert connect(surface, start, end, method, level=0.02).connected_


def loss_where(passes_zero, surface, path):
    """The loss where a function passes 0 on the path for the first time."""

    def at(place):
        k = min(int(place), len(path.points_) - 2)
        return path.points_[k] + (place - k) * (path.points_[k + 1] - path.points_[k])

    places = np.linspace(0, len(path.points_) - 1, 1001)
    first = next(i for i, place in enumerate(places) if passes_zero(at(place)) <= 0)
    place = brentq(lambda place: passes_zero(at(place)), places[first - 1], places[first])
    return surface.loss(at(place))


def test_balancing_keeps_a_penalized_minimum():
    # The penalty leaves biases out: balanced with them, the ends' losses rose by a tenth.
    X, y = iris()
    settings = {"activation": "relu", "alpha": 0.5, "max_iter": 3000, "tol": 1e-10}
    a, b = (classifier(X, y, width=8, seed=seed, **settings) for seed in (0, 1))
    surface = LossSurface(a, X, y)
    path = connect(surface, a, b, "neb", max_iter=1)
    for loss, net in ((path.losses_[0], a), (path.losses_[-1], b)):
        assert loss <= surface.loss(surface.flat(net)) * (1 + 1e-9)


@pytest.mark.parametrize("max_points", [2, 4, 7])
@pytest.mark.parametrize("method", ["string", "neb"])
def test_paths_have_no_more_points_than_allowed(method, max_points):
    X, y = iris()
    a, b = (classifier(X, y, seed=seed, alpha=0.01) for seed in (0, 1))
    surface = LossSurface(a, X, y)
    path = connect(surface, a, b, method, max_points=max_points, max_iter=90, align=False)
    assert len(path.points_) <= max_points


@pytest.mark.parametrize("method", ["string", "neb"])
def test_a_point_is_connected_with_itself(method):
    surface = iris_surface()
    theta = drawn(surface, 0, 1.0)
    path = connect(surface, theta, theta, method)
    assert path.length_ == 0
    assert path.barrier_ == 0


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
    with pytest.raises(ValueError, match="theta: found NaN"):
        connect(surface, np.full(surface.n_parameters_, np.nan), surface.theta_)
    with pytest.raises(ValueError, match="not fitted"):
        connect(surface, surface.theta_, MLPClassifier())
    X, y = iris()
    with pytest.raises(ValueError, match="activation: found 'relu'"):
        connect(surface, surface.theta_, classifier(X, y, activation="relu", max_iter=1))
    with pytest.raises(ValueError, match="minima: found none"):
        connectivity_graph(surface, [])
    with pytest.raises(ValueError, match="level"):
        connect(surface, surface.theta_, surface.theta_, level=-1.0)
