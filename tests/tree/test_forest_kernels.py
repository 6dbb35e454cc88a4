"""LOMForestClassifier's kernels against plain NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as np_arrays
from scipy import sparse, stats
from sklearn.svm import LinearSVC
from tree.forest_helpers import indicators, many_classes, sparse_classes

from sklearn_optland._rows.rows import as_rows
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.tree import LOMForestClassifier
from sklearn_optland.tree._forest.coordinates import DENSE_RIDGE, coordinates
from sklearn_optland.tree._forest.label_trees import (
    LATER_VISIT,
    LEAF_CLASSES,
    LISTED_CLASSES,
    grow,
)
from sklearn_optland.tree._forest.ranking import NO_RANKING, Model, ranking_of
from sklearn_optland.tree._forest.search_fast import HOME_SHARE, as_short_rows, padded, route
from sklearn_optland.tree._forest.split_fast import split_classes
from sklearn_optland.tree._forest.train_fast import train
from sklearn_optland.tree._forest.training import NONE
from sklearn_optland.tree._training_rows import one_class_each

pytestmark = pytest.mark.kernels

# The objective and its splits


@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_split_reports_its_objective(n, r, seed):
    rng = np.random.RandomState(seed)
    means, prior = 3 * rng.standard_normal((n, r)), rng.dirichlet(np.ones(n))
    w, b, J = split_classes(means, prior, 2, seed)
    t = means @ w
    right = stats.norm.cdf(t - b)
    assert np.linalg.norm(w) == pytest.approx(1)
    assert pytest.approx(2 * prior @ np.abs(prior @ right - right), abs=1e-12) == J
    assert 0 <= J <= 1
    assert (t > b).any()
    assert (t <= b).any()


def test_objective_is_that_of_gaussian_classes(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    means, prior = rng.standard_normal((5, 3)), rng.dirichlet(np.ones(5))
    w, b, J = split_classes(means, prior, 2, global_random_seed)
    n = 400_000
    y = rng.choice(5, n, p=prior)
    right = (means[y] + rng.standard_normal((n, 3))) @ w > b
    share, of_class = right.mean(), np.bincount(y, weights=right) / np.bincount(y)
    frequency = np.bincount(y) / n
    assert pytest.approx(2 * frequency @ np.abs(share - of_class), abs=0.01) == J


def test_split_separates_two_groups(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    side = np.repeat([-1.0, 1.0], 20)
    means = rng.standard_normal((40, 6))
    means[:, 2] += 8 * side
    w, b, J = split_classes(means, np.full(40, 1 / 40), 4, global_random_seed)
    right = means @ w > b
    assert (right == right[-1]).tolist() == (side > 0).tolist()
    assert J > 0.99


def test_equal_means_are_not_split():
    _, _, J = split_classes(np.ones((5, 3)), np.full(5, 0.2), 3, 0)
    assert J < 0


# Coordinates and trees


def coordinates_of(X, Y, weights):
    source = ArraySource(X, Y=Y, weights=weights)
    return coordinates(source, Y.shape[1], np.random.RandomState(0))


def test_coordinates_have_unit_covariance_within_classes(global_random_seed):
    X, y = many_classes(n_classes=5, rows_per_class=400, seed=global_random_seed)
    X = X @ np.random.RandomState(1).standard_normal((12, 12)) + 1000
    place = coordinates_of(X, one_class_each(y, 5), np.ones(len(y)))
    u = (X - place.shift) * place.scale @ place.basis - place.offset
    means = np.array([u[y == k].mean(axis=0) for k in range(5)])
    np.testing.assert_allclose(means, place.means, atol=1e-8)
    z = (X - place.shift) * place.scale
    within = np.mean([np.cov(z[y == k].T, ddof=0) for k in range(5)], axis=0)
    within += DENSE_RIDGE * np.trace(within) / 12 * np.eye(12)
    np.testing.assert_allclose(place.basis.T @ within @ place.basis, np.eye(4), atol=1e-8)


@pytest.mark.parametrize("make", [many_classes, sparse_classes])
def test_weights_of_coordinates_are_repetitions(make, global_random_seed):
    X, y = make(n_classes=10, seed=global_random_seed)
    weights = np.random.RandomState(0).randint(1, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), weights)
    Y = one_class_each(y, 10)
    first = coordinates_of(X, Y, weights.astype(float))
    ones = np.ones(len(repeated))
    second = coordinates_of(X[repeated], Y[repeated], ones)
    assert_same_place(first, second)


def assert_same_place(first, second):
    np.testing.assert_allclose(first.prior, second.prior)
    np.testing.assert_allclose(first.scale, second.scale)
    distances = [np.linalg.norm(p.means[:, None] - p.means, axis=2) for p in (first, second)]
    np.testing.assert_allclose(*distances, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("make", [many_classes, sparse_classes])
def test_a_row_of_several_classes_stands_for_a_copy_of_each(make, global_random_seed):
    X, y = make(n_classes=10, seed=global_random_seed)
    rng = np.random.RandomState(0)
    Y = indicators(y, 10, rng)
    Y[:4] = 0  # rows without classes
    weights = rng.uniform(0.5, 2, len(y))
    row, code = np.nonzero(Y)
    several = coordinates_of(X, sparse.csr_array(Y), weights)
    copies = one_class_each(code.astype(np.int32), 10)
    single = coordinates_of(X[row], copies, weights[row])
    assert_same_place(several, single)


@given(st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_leaves_of_a_tree_partition_the_classes(n, seed):
    rng = np.random.RandomState(seed)
    means = rng.standard_normal((n, 3)) * rng.choice([0, 1], 3)
    tree = grow(means, rng.dirichlet(np.ones(n)), rng)
    np.testing.assert_array_equal(np.sort(np.concatenate(tree.leaves)), np.arange(n))
    assert len(tree.leaves) == len(tree.b) + 1
    below = tree.children.ravel()
    assert sorted(below[below < 0]) == list(range(-len(tree.leaves), 0))[: len(below[below < 0])]
    assert sorted(below[below >= 0]) == list(range(1, len(tree.b)))
    if np.ptp(means, axis=0).any():
        assert max(map(len, tree.leaves)) <= LEAF_CLASSES
    assert tree.depth <= 2.5 * np.log2(n) + 3


# Search, scores and training against plain NumPy


def standardised(model, X):
    """What the kernel calls z, in float64, and the entries that score."""
    arrays = model._arrays
    X = np.hstack([(X - arrays["shift"]) * arrays["scale"], np.ones((len(X), 1))])
    if len(arrays["projection"]):
        return X @ arrays["projection"].astype(float), X
    z = np.hstack([X, np.zeros((len(X), padded(X.shape[1]) - X.shape[1]))])
    return z, z


def short_rows(words, scale, bias):
    """The rows and biases that ShortRows stands for."""
    n = 2 * words.shape[1]
    words = words.reshape(len(words), n // 32, 16).astype(np.int64)
    low = (words + 2**15) % 2**16 - 2**15
    values = np.stack([low, words >> 16], axis=2)
    return values.reshape(len(words), n) * scale[:, None].astype(float), bias.astype(float)


@given(
    np_arrays(
        np.float32, st.tuples(st.integers(0, 2), st.integers(1, 40)), elements=st.floats(width=32)
    )
)
def test_short_rows_are_close_to_the_rows(rows):
    rows = np.nan_to_num(rows)
    bias = np.arange(len(rows))
    again, same = short_rows(**as_short_rows(rows, bias))
    largest = np.abs(rows).max(axis=1, keepdims=True).astype(float)
    assert (np.abs(again[:, : rows.shape[1]] - rows) <= 2e-5 * largest + 1e-33).all()
    assert not again[:, rows.shape[1] :].any()
    np.testing.assert_array_equal(same, bias)


def cheapest_leaves(model, z, beam):
    """Of each tree, the leaves that cost least; the whole tree is searched."""
    arrays = model._arrays
    nodes, biases = short_rows(**arrays["nodes"])
    found = []
    for root in arrays["roots"]:
        costs, waiting = {}, [(root, 0.0)]
        while waiting:
            node, cost = waiting.pop()
            if node < 0:
                costs[-1 - node] = cost
                continue
            margin = z[: nodes.shape[1]] @ nodes[node] + biases[node]
            left, right = arrays["children"][node]
            waiting.append((right, cost + 0.5 * min(margin, 0) ** 2))
            waiting.append((left, cost + 0.5 * max(margin, 0) ** 2))
        found += sorted(costs, key=costs.get)[:beam]
    return found


def oracle_scores(model, X):
    """Scores of the candidates of each row, a dict a row."""
    arrays, n_classes = model._arrays, len(model.classes_)
    z, entries = standardised(model, X)
    rows, biases = short_rows(**arrays["ranking"])
    result = []
    for i in range(len(X)):
        members = {
            member
            for leaf in cheapest_leaves(model, z[i], model.beam_width)
            for member in arrays["leaf_members"][
                arrays["leaf_start"][leaf] : arrays["leaf_start"][leaf + 1]
            ]
        }
        scores = {}
        for member in members:
            score = 0.0
            if len(arrays["table"]):
                score += entries[i] @ arrays["table"][arrays["start"] + member]
            if len(rows):
                score += z[i, : rows.shape[1]] @ rows[member] + biases[member]
            label = arrays["class_of"][member]
            scores[label] = max(scores.get(label, -np.inf), score)
        assert max(scores) < n_classes
        result.append(scores)
    return result


@pytest.mark.parametrize("beam_width", [1, 2, 5, 100])
def test_candidates_and_scores_are_those_of_the_oracle(data_and_model, beam_width):
    X, _, fitted = data_and_model
    model = LOMForestClassifier(beam_width=beam_width)
    vars(model).update({**vars(fitted), "beam_width": beam_width})
    assert_scores_are_those_of_the_oracle(model, X[:60])


@pytest.mark.parametrize("parts", [("table",), ("ranking",), ("table", "ranking")])
def test_scores_of_values_and_of_coordinates_add_up(parts, global_random_seed):
    X, y = sparse_classes(seed=global_random_seed)
    settings = {"validation_fraction": 0, "max_iter": 2, "random_state": 0}
    model = LOMForestClassifier(loss="squared_hinge", **settings).fit(X, y)
    scale, n = model._arrays["scale"], model._arrays["projection"].shape[1] - 1
    rng = np.random.RandomState(global_random_seed)
    model._arrays |= {
        "scale": scale * rng.uniform(0.5, 2, len(scale)),
        **ranking_of(rng.standard_normal((40, n))),
    }
    none = {"table": model._arrays["table"][:0], **NO_RANKING}
    model._arrays |= {name: part for name, part in none.items() if name not in parts}
    assert_scores_are_those_of_the_oracle(model, X[:60])


def assert_scores_are_those_of_the_oracle(model, X):
    scores = model.candidate_scores(X)
    expected = oracle_scores(model, X.toarray() if sparse.issparse(X) else X.astype(float))
    for i, of_row in enumerate(expected):
        stored = slice(scores.indptr[i], scores.indptr[i + 1])
        assert set(scores.indices[stored]) == set(of_row)
        np.testing.assert_allclose(
            scores.data[stored], [of_row[c] for c in scores.indices[stored]], rtol=1e-4, atol=1e-4
        )
        assert (np.diff(scores.data[stored]) <= 0).all()


@pytest.fixture(params=[1, 3], ids=["one class a row", "several"])
def competition(request, data_and_model, global_random_seed):
    """Rows, weights of prototypes to start with, and all that `train` wants.

    With a beam that reaches every leaf all prototypes that are listed compete.
    """
    X, y, _ = data_and_model
    keep = y < 10
    X, y = X[keep][:40], y[keep][:40]
    if sparse.issparse(X):
        X = X[:, np.unique(X.indices)]  # the others are not in the model
    model = LOMForestClassifier(n_prototypes=2, beam_width=100, validation_fraction=0, max_iter=1)
    model.fit(X, y)
    forest = Model(model._arrays, 100).forest
    class_of, n = model._arrays["class_of"], forest.n_prototypes
    rng = np.random.RandomState(global_random_seed)
    codes = np.searchsorted(model.classes_, y)
    Y = indicators(codes, 10, rng) if request.param > 1 else np.eye(10, dtype=int)[codes]
    own = np.zeros((len(y), n), dtype=bool)
    for i, code in zip(*np.nonzero(Y), strict=True):
        own[i, rng.choice(np.flatnonzero(class_of == code))] = True
    _, entries = standardised(model, X.toarray() if sparse.issparse(X) else X.astype(float))
    start = model._arrays["start"]
    size = model._arrays["table"].size if len(start) else n * entries.shape[1]
    w = (0.1 * rng.standard_normal(size)).astype(np.float32)
    rows = as_rows(X, in_order=False)
    leaves = np.empty((len(y), forest.n_trees * forest.beam), dtype=np.int32)
    route(forest, rows, 0, len(y), leaves)
    of_row = sparse.csr_array(own)
    weights, order = rng.uniform(0.5, 2, len(y)), rng.permutation(len(y)).astype(np.int32)
    columns = of_row.indptr.astype(np.int32), of_row.indices.astype(np.int32)
    arguments = forest, rows, order, leaves, *columns, weights, start, 1

    def matrix(w):
        if len(start):
            return np.array([w[start + c] for c in range(n)], dtype=float)
        return w.reshape(n, -1).astype(float)

    return arguments, w, matrix, entries, own, own @ np.eye(10, dtype=bool)[class_of], class_of


def test_softmax_step_is_that_of_the_oracle(competition):
    arguments, w, matrix, entries, _, has, class_of = competition
    order, weights = arguments[2], arguments[6]
    W, G, expected = matrix(w), 0.0 * matrix(w), 0.0
    for i in order:
        scores = W @ entries[i]
        p = np.exp(scores - scores.max())
        g = has[i].sum() * p / p.sum()
        for code in np.flatnonzero(has[i]):
            mine = class_of == code
            expected += weights[i] * np.log(p.sum() / p[mine].sum())
            g -= np.where(mine, p, 0) / p[mine].sum()
        g[g**2 <= 1e-6] = 0
        gradient = weights[i] * g[:, None] * entries[i]
        G += gradient**2
        W -= 0.1 * gradient / np.sqrt(G + 1e-20)
    none = np.zeros((0, 1), dtype=np.float32)
    loss = train(*arguments, 0.1, 1.0, w, np.zeros_like(w), none, NONE)
    assert loss == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(matrix(w), W, atol=2e-3)


def test_dual_steps_are_those_of_the_oracle(competition):
    arguments, w, matrix, entries, own, has, class_of = competition
    order, weights = arguments[2], arguments[6]
    C, expected = 0.05, 0.0
    W, A = matrix(w), np.zeros(own.shape)
    for i in np.tile(order, 2):
        x, ridge = entries[i], 0.5 / (C * weights[i])
        for c in np.flatnonzero(own[i] | ~has[i][class_of]):
            sign = 1 if own[i, c] else -1
            miss = 1 - sign * W[c] @ x
            expected += weights[i] * max(miss, 0) ** 2
            goal = max(A[i, c] + (miss - ridge * A[i, c]) / (x @ x + ridge), 0)
            W[c] += (goal - A[i, c]) * sign * x
            A[i, c] = goal
    n_rows, width = len(order), arguments[0].max_trained + own.shape[1]
    alpha = np.zeros((n_rows, width), dtype=np.float32)
    loss = sum(train(*arguments, 0.0, C, w, w[:0].copy(), alpha, NONE) for _ in range(2))
    assert loss == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(matrix(w), W, atol=2e-3)
    np.testing.assert_allclose(np.sort(alpha)[:, -own.shape[1] :], np.sort(A), atol=2e-3)


def test_squared_hinge_of_all_classes_is_one_against_all(csr):
    X, y, _ = csr
    X = (X / 3).tocsr()  # of one length
    model = LOMForestClassifier(
        1, beam_width=100, loss="squared_hinge", max_iter=200, validation_fraction=0, random_state=0
    ).fit(X, y)
    unit = model._arrays["scale"][0]
    rows = np.hstack([X.toarray() * unit, np.ones((len(y), 1))])
    C = 1 / np.mean(np.sum(rows[:, :-1] ** 2, axis=1))
    scores = model.candidate_scores(X).toarray()
    svm = LinearSVC(C=C, fit_intercept=False, tol=1e-8, max_iter=10_000)
    for code in range(0, 40, 10):
        expected = svm.fit(rows, y == code).decision_function(rows)
        np.testing.assert_allclose(scores[:, code], expected, atol=2e-3)


def test_leaves_list_the_classes_that_come_to_them(dense):
    X, y, _ = dense
    model = LOMForestClassifier(n_prototypes=1, validation_fraction=0, max_iter=1, random_state=0)
    model.fit(X, y)
    z, _ = standardised(model, X.astype(float))
    arrays = model._arrays
    n_leaves = len(arrays["leaf_start"]) - 1
    counts = np.zeros((n_leaves, 60))
    for row, label in zip(z, y, strict=True):
        leaves = np.reshape(cheapest_leaves(model, row, 2), (3, 2))
        counts[leaves[:, 0], label] += 1
        counts[leaves[:, 1], label] += LATER_VISIT
    for leaf in range(n_leaves):
        listed = arrays["leaf_members"][arrays["leaf_start"][leaf] : arrays["leaf_start"][leaf + 1]]
        assert len(set(listed)) == len(listed) <= LISTED_CLASSES
        of_listed = np.sort(counts[leaf, arrays["class_of"][listed]])[::-1]
        np.testing.assert_allclose(of_listed, np.sort(counts[leaf])[::-1][: len(listed)])


def test_scored_leaves_are_one_against_all_for_the_labels_at_home(csr):
    X, y, _ = csr
    X = (X / 3).tocsr()  # of one length
    Y = indicators(y, 40, np.random.RandomState(0))
    model = LOMForestClassifier(
        2, beam_width=100, loss="squared_hinge", C=1, max_iter=100, validation_fraction=0
    ).fit(X, Y)
    arrays = model._arrays
    rows = np.hstack([X.toarray() * arrays["scale"][0], np.ones((len(y), 1))])
    C = 1 / np.mean(np.sum(rows[:, :-1] ** 2, axis=1))
    learned = [rows @ arrays["table"][arrays["start"] + c] for c in range(40)]
    homes, of_leaf = arrays["homes"], {}
    svm = LinearSVC(C=C, fit_intercept=False, tol=1e-8, max_iter=10_000)
    assert set(homes.ravel()) == set(range(len(arrays["leaf_start"]) - 1))
    for leaf in np.unique(homes):
        of_leaf[leaf] = rows @ arrays["table"][arrays["start"] + 40 + leaf]
        has = Y[:, arrays["class_of"][(homes == leaf).any(axis=1)]].any(axis=1)
        if leaf % 8 == 0 and not has.all():
            expected = svm.fit(rows, has).decision_function(rows)
            np.testing.assert_allclose(of_leaf[leaf], expected, atol=5e-3)
    scores = model.candidate_scores(X).toarray()
    for member, code in enumerate(arrays["class_of"]):
        of_homes = np.mean([of_leaf[leaf] for leaf in homes[member]], axis=0)
        expected = learned[member] + HOME_SHARE * of_homes
        listed = scores[:, code] != 0  # leaves list 32 labels of 40
        np.testing.assert_allclose(scores[listed, code], expected[listed], atol=1e-4)
    assert np.mean(scores != 0) > 0.95
