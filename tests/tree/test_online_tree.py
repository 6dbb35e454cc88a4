"""LOMTreeClassifier: quality, the shape of the tree, measures."""

import numpy as np
import pytest
from helpers import SEEDS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from tree.online_faults import fault
from tree.online_helpers import LOSSES, blobs, depth_bound

from sklearn_optland.tree import LOMTreeClassifier

# Quality


@pytest.mark.parametrize("loss", LOSSES)
def test_learns_digits(digits, loss, global_random_seed):
    X, X_test, y, y_test = digits
    model = LOMTreeClassifier(loss=loss, random_state=global_random_seed).fit(X, y)
    # A linear tree of ten leaves; guessing has 0.1.
    assert model.score(X_test, y_test) > 0.78
    assert model.history_["objective"][-1] < model.history_["objective"][0]


@pytest.mark.parametrize("loss", LOSSES)
def test_units_of_the_features_do_not_matter(digits, loss, global_random_seed):
    X, X_test, y, _ = digits
    # Powers of two change no digit of a float.
    units = 2.0 ** np.random.default_rng(global_random_seed).integers(-20, 20, X.shape[1])
    model = LOMTreeClassifier(loss=loss, max_iter=5, random_state=global_random_seed)
    expected = clone(model).fit(X, y).apply(X_test)
    assert_array_equal(model.fit(X * units, y).apply(X_test * units), expected)


def test_rows_sorted_by_class_are_shuffled(digits, global_random_seed):
    X, X_test, y, y_test = digits
    order = np.argsort(y, kind="stable")
    model = LOMTreeClassifier(random_state=global_random_seed).fit(X[order], y[order])
    assert model.score(X_test, y_test) > 0.78
    one_by_one = LOMTreeClassifier(shuffle=False).fit(X[order], y[order])
    assert one_by_one.get_depth() <= depth_bound(10)


# The shape of the tree


@settings.get_profile("fits")
@given(SEEDS, st.integers(1, 60), st.sampled_from(LOSSES), st.booleans(), st.booleans())
def test_depth_is_logarithmic_on_any_data(seed, k, loss, shuffle, refit):
    rng = np.random.default_rng(seed)
    n = 4 * k + 10
    X = rng.standard_normal((n, 3)) * rng.choice([0.0, 1.0, 100.0], 3)
    y = np.sort(rng.integers(k, size=n)) if rng.random() < 0.5 else rng.integers(k, size=n)
    model = LOMTreeClassifier(
        loss=loss, max_iter=3, shuffle=shuffle, refit_leaves=refit, random_state=seed
    ).fit(X, y)
    assert model.get_depth() <= depth_bound(len(model.classes_))
    assert fault(model._arrays) == ""


@pytest.mark.parametrize("max_nodes", [1, 3, 9])
def test_budgets_are_kept(max_nodes, global_random_seed):
    X, y = blobs(global_random_seed)
    model = LOMTreeClassifier(max_nodes, max_iter=5, random_state=global_random_seed).fit(X, y)
    assert model.get_n_leaves() <= max_nodes + 1
    assert (model.history_["n_splits"] <= max_nodes).all()
    shallow = LOMTreeClassifier(max_depth=2, max_iter=5, random_state=global_random_seed).fit(X, y)
    assert shallow.get_depth() <= 2
    assert shallow.get_n_leaves() <= 4


@pytest.mark.parametrize("huge", [10**15, 10**400])
def test_huge_settings_are_settings(huge, global_random_seed):
    X, y = blobs(global_random_seed)
    for loss in LOSSES:
        model = LOMTreeClassifier(
            loss=loss,
            max_nodes=huge,
            max_depth=huge,
            swap_resistance=huge,
            learning_rate=huge,
            max_iter=2,
            random_state=global_random_seed,
        ).fit(X, y)
        assert fault(model._arrays) == ""
        assert np.isfinite(model._arrays["weights"]).all()
        assert model.score(X, y) > 2 * np.bincount(y).max() / len(y)
        assert model.predict_top_k(X, huge).nnz == model.predict_top_k(X, 8).nnz


def test_resistance_stops_swaps(global_random_seed):
    X, y = blobs(global_random_seed, std=5.0)
    swaps = [
        LOMTreeClassifier(5, swap_resistance=R, max_iter=5, random_state=global_random_seed)
        .fit(X, y)
        .history_["n_swaps"][-1]
        for R in (0.5, 1e9)
    ]
    assert swaps[0] > 0
    assert swaps[1] == 0


def test_path_ends_at_the_leaf(digits, global_random_seed):
    X, X_test, y, _ = digits
    model = LOMTreeClassifier(random_state=global_random_seed).fit(X, y)
    path, leaves = model.decision_path(X_test), model.apply(X_test)
    assert path.shape == (len(X_test), 2 * model.get_n_leaves() - 1)
    nodes = model._arrays["nodes"]
    for row, leaf in enumerate(leaves[:50]):
        expected = []
        while leaf >= 0:
            expected.append(leaf)
            leaf = nodes["parent"][leaf]
        assert_array_equal(np.sort(path[[row]].indices), np.sort(expected))
    assert path.sum(axis=1).max() - 1 <= model.get_depth()


def test_memory_is_what_the_documentation_says(digits):
    X, _, y, _ = digits
    model = LOMTreeClassifier(random_state=0).fit(X, y)
    arrays = model._arrays
    assert arrays["weights"].nbytes == 4 * (model.get_n_leaves() - 1) * X.shape[1]
    assert arrays["nodes"].nbytes == 64 * (2 * model.get_n_leaves() - 1)
    assert arrays["slots"].nbytes == 32 * arrays["counters"]["n_slots"][0]
    hashed = LOMTreeClassifier(n_bits=10, random_state=0).fit(X, y)
    assert hashed._arrays["weights"].nbytes == 4 * 2**10
    # What need not be shared takes what it needs.
    bits = [LOMTreeClassifier(n_bits=n_bits, random_state=0).fit(X, y) for n_bits in (None, 30)]
    assert_array_equal(bits[0]._arrays["weights"], bits[1]._arrays["weights"])


# Measures


def numpy_measures(model, X, y, weight):
    """J, balance, purity and n of each split from `apply` alone."""
    nodes, leaves = model._arrays["nodes"], model.apply(X)
    inside = {}

    def below(node):
        if nodes["left"][node] < 0:
            return [node]
        found = below(nodes["left"][node]) + below(nodes["right"][node])
        inside[node] = found
        return found

    below(int(model._arrays["counters"]["root"][0]))
    for node, found in inside.items():
        here = np.isin(leaves, found)
        right = np.isin(leaves, inside.get(nodes["right"][node], [nodes["right"][node]]))
        w = weight * here
        n = w.sum()
        if n == 0:
            yield node, 0.0, np.nan, np.nan, np.nan
            continue
        p_right = (w * right).sum() / n
        J = purity = 0.0
        for c in np.unique(y[w > 0]):
            pi = w[y == c].sum() / n
            p = (w * right)[y == c].sum() / w[y == c].sum()
            J += 2 * pi * abs(p_right - p)
            purity += pi * min(p, 1 - p)
        yield node, n, p_right, purity, J


@settings.get_profile("fits")
@given(SEEDS, st.integers(1, 9), st.sampled_from(LOSSES), st.booleans())
def test_measures_are_those_of_the_routed_rows(seed, k, loss, weighted):
    rng = np.random.default_rng(seed)
    X, y = blobs(seed, n=150, k=k, std=2.0)
    weight = rng.integers(0, 4, 150).astype(float) if weighted else np.ones(150)
    weight[0] = 1.0
    model = LOMTreeClassifier(loss=loss, max_iter=4, random_state=seed)
    model.fit(X, y, sample_weight=weight)
    stats = model.node_stats_
    is_split = np.zeros(len(stats["n"]), dtype=bool)
    for node, n, balance, purity, J in numpy_measures(model, X, y, weight):
        is_split[node] = True
        found = [stats[name][node] for name in ("n", "balance", "purity", "J")]
        assert_allclose(found, [n, balance, purity, J], atol=1e-12)
        assert np.isnan(J) or -1e-12 <= J <= 1 + 1e-12
        assert np.isnan(purity) or -1e-12 <= purity <= 0.5 + 1e-12
    for name in ("balance", "purity", "J"):
        assert np.isnan(stats[name][~is_split]).all()

    leaves, G = model.apply(X), 0.0
    for leaf in np.unique(leaves):
        at = leaves == leaf
        counts = np.bincount(y[at], weights=weight[at])
        if counts.sum():
            pi = counts[counts > 0] / counts.sum()
            G -= counts.sum() / weight.sum() * (pi * np.log(pi)).sum()
    assert_allclose(model.leaf_entropy_, G, atol=1e-12)
    prior = np.bincount(y, weights=weight) / weight.sum()
    prior = prior[prior > 0]
    assert model.certificate_.value == model.leaf_entropy_
    entropy = -(prior * np.log(prior)).sum()
    assert_allclose(model.certificate_.relative * entropy, G, atol=1e-12)
    assert model.certificate_.relative <= 1
    assert model.certificate_.reached is None
    assert model.certificate_.scope == "estimate"


def test_entropy_bound_is_the_theorem(digits):
    X, _, y, _ = digits
    model = LOMTreeClassifier(random_state=0).fit(X, y)
    n_splits = model.get_n_leaves() - 1
    for gamma in (0.05, 0.2, 0.5):
        bound = model.entropy_bound(gamma)
        needed = (1 / bound) ** (4 * (1 - gamma) ** 2 * np.log(10) / gamma**2)
        assert_allclose(needed, n_splits)
    stats = model.node_stats_
    mixed = (stats["n_classes"] > 1) & ~np.isnan(stats["J"])
    assert model.entropy_bound() == model.entropy_bound(stats["J"][mixed].min() / 2)
    assert model.entropy_bound(0.0) == 1.0
    for gamma in (-0.1, 0.6):
        with pytest.raises(ValueError, match=r"gamma: found .* allowed is a number in \[0, 1/2\]"):
            model.entropy_bound(gamma)
