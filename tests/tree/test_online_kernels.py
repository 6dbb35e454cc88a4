"""The online tree against an independent version; bounds checks and sanitizers run it."""

import numpy as np
import pytest
from helpers import SEEDS, STORAGES
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from tree.online_faults import fault
from tree.online_oracle import Oracle, same_shape

from sklearn_optland._rows.rows import as_rows
from sklearn_optland.tree._online.learn_fast import LOSSES, NODE, SLOT, learn
from sklearn_optland.tree._online.route_fast import route
from sklearn_optland.tree._online.tree import OnlineTree, live_slots, single_leaf, view

pytestmark = pytest.mark.kernels

DEFAULTS = {
    "max_regressors": 7,
    "max_depth": 5,
    "swap_resistance": 4.0,
    "loss": "hinge",
    "learning_rate": 0.2,
    "n_visits": 1,
}


def grown(X, y, *, tree=None, weight=None, measure=True, n_bits=None, order=None, **settings):
    """A tree that has learned the rows in their order."""
    tree = OnlineTree(single_leaf(X.shape[1], np.arange(100))) if tree is None else tree
    settings = {**DEFAULTS, **settings}
    settings["loss"] = LOSSES[settings["loss"]]
    tree.learn(
        as_rows(X, in_order=False),
        np.asarray(y, dtype=np.int32),
        np.ones(len(y)) if weight is None else weight,
        np.arange(len(y), dtype=np.int32) if order is None else order,
        values_per_row=X.shape[1],
        measure=measure,
        n_bits=n_bits,
        **settings,
    )
    return tree


def stream(rng, n, d, k, storage=np.ascontiguousarray):
    """Clusters with noise, in random order; grid values and half of them zero."""
    centres = rng.integers(-4, 5, (k, d)) / 4.0
    y = rng.integers(k, size=n)
    X = centres[y] + rng.integers(-2, 3, (n, d)) / 8.0
    X[rng.random((n, d)) < 0.3] = 0.0
    return storage(X), y


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("storage", STORAGES)
def test_is_the_algorithm_of_the_paper(loss, storage, global_random_seed):
    compared = n_swaps = 0
    for seed in range(30):
        rng = np.random.default_rng([global_random_seed, seed])
        k, d, n = rng.integers(2, 7), rng.integers(1, 40), rng.integers(5, 250)
        settings = {
            "max_regressors": int(rng.integers(1, 2 * k)),
            "max_depth": int(rng.integers(1, 8)),
            "swap_resistance": float(rng.choice([0.0, 0.1, 1.0, 4.0])),
            "loss": loss,
            "learning_rate": float(rng.choice([0.05, 0.3, 1.0])),
            "n_visits": int(rng.choice([1, 2, 20])),
        }
        X, y = stream(rng, n, d, k)
        if seed % 3 == 0:  # few entries: longer steps
            X = np.where(rng.random((n, 8)) < 0.9, 0.0, 1.0)[:, :, None] * X[:, None, :]
            X, d = X.reshape(n, -1), 8 * d
        weight = rng.integers(1, 4, n) / 2.0
        oracle = Oracle(d, **settings, is_centred="dense" in storage)
        for x, c, h in zip(X, y, weight, strict=True):
            oracle.learn(x, int(c), h)
        tree = grown(STORAGES[storage](X), y, weight=weight, **settings)
        if oracle.closest < 1e-5:  # float32 may have decided otherwise
            continue
        compared += 1
        n_swaps += oracle.n_swaps
        assert tree["counters"]["n_swaps"] == oracle.n_swaps
        assert fault(tree.arrays) == ""
        same_shape(tree.arrays, oracle)
    assert compared > 10
    assert n_swaps > 20


def test_margins_are_those_of_the_new_weights(global_random_seed):
    # One split: all that it has learned is one regressor, looked at after each row.
    rng = np.random.default_rng(global_random_seed)
    X, y = stream(rng, 200, 30, 3)
    for loss in LOSSES:
        tree = grown(X[:5], y[:5], loss=loss, max_depth=1)
        for x, c in zip(X[5:], y[5:], strict=True):
            before = tree["nodes"]["margins"][0]
            grown(x[None], [c], tree=tree, loss=loss, max_depth=1)
            w, a = tree["weights"][:30].astype(float), tree["intercepts"][0]
            margin = tree["nodes"]["margins"][0] - before
            assert_allclose(margin, w @ x + a, rtol=1e-4, atol=1e-5)


def test_weight_is_repetition_on_the_spot(global_random_seed):
    # With entries -1 and 1, and none centred, all rates are 1 and all rows have one length,
    # whatever has been seen.
    rng = np.random.default_rng(global_random_seed)
    X = rng.choice([-1.0, 1.0], (300, 12))
    X, y = sparse.csr_array(X), (X[:, 0] > 0).astype(int)
    for loss in LOSSES:
        trees = [grown(X, y, loss=loss, max_depth=1) for _ in range(2)]
        for i in range(20):
            c = y[i]
            grown(X[[i]], [c], tree=trees[0], weight=np.array([3.0]), loss=loss, max_depth=1)
            grown(X[[i] * 3], [c] * 3, tree=trees[1], loss=loss, max_depth=1)
        once, repeated = trees
        assert_allclose(once["weights"], repeated["weights"], rtol=1e-3, atol=1e-5)
        for name in ("n", "min_count", "max_count", "majority"):
            assert_array_equal(once["nodes"][name], repeated["nodes"][name])
        assert np.abs(once["weights"]).max() > 0.1


def test_random_streams_leave_sound_trees(global_random_seed):
    # Many rows a class share few places, so that budgets run out and regressors move.
    rng = np.random.default_rng(global_random_seed)
    n_streams, n, length = 25_000, 4096, 24
    X, _ = stream(rng, n, 2, 5)
    rows = as_rows(X)
    n_swaps = n_root_swaps = 0
    order = rng.integers(n, size=(n_streams, length), dtype=np.int32)
    codes = rng.integers(4, size=n, dtype=np.int32)
    weight = rng.integers(1, 9, n) / 4.0
    budget, depth = rng.integers(1, 6, n_streams), rng.integers(2, 9, n_streams)
    resistance = rng.choice([0.0, 0.05, 0.3, 1.0], n_streams)
    empty = single_leaf(2, np.arange(4))
    empty["slots"] = empty["slots"][:128]
    arrays = {**empty, "rates": np.zeros(2, np.float32), "centres": np.zeros(2, np.float32)}
    for t in range(n_streams):
        arrays["nodes"] = np.zeros(11, NODE)
        arrays["nodes"][0] = empty["nodes"][0]
        arrays["slots"] = np.zeros(256, SLOT)
        arrays["counters"] = empty["counters"].copy()
        arrays["weights"] = np.zeros(2 * budget[t], np.float32)
        arrays["intercepts"] = np.zeros(budget[t], np.float32)
        for name in ("largest", "means", "squares"):
            arrays[name][:] = 0
        stop = learn(
            arrays,
            rows,
            codes,
            weight,
            order[t],
            start=0,
            stop=length,
            max_regressors=budget[t],
            max_depth=depth[t],
            swap_resistance=resistance[t],
            loss=LOSSES["hinge"],
            learning_rate=0.5,
            n_visits=1,
            measure=True,
        )
        assert stop == length
        assert fault(arrays) == "", t
        counters = arrays["counters"][0]
        n_swaps += counters["n_swaps"]
        n_root_swaps += counters["root"] != 0
    assert n_swaps > n_streams / 2
    assert n_root_swaps > n_streams / 50


def test_orphan_with_the_root_as_parent():
    # One regressor. All rows are alike and go one way, so the other child of the root is the
    # orphan; then their leaf, which has two classes, takes the root's place and its regressor.
    X, y = sparse.csr_array(np.ones((40, 1))), np.arange(40) % 2
    tree = grown(X[:2], y[:2], max_regressors=1, swap_resistance=1.0)
    root = int(tree["counters"]["root"])
    leaves = {int(tree["nodes"]["left"][root]), int(tree["nodes"]["right"][root])}
    tree["weights"][0] += 10  # to know the regressor by
    tree["intercepts"][0] -= 10
    for t in range(2, 40):
        full = tree["nodes"]["min_count"].argmax()
        grown(X[t : t + 1], y[t : t + 1], tree=tree, max_regressors=1, swap_resistance=1.0)
        assert fault(tree.arrays) == ""
        if tree["counters"]["n_swaps"]:
            break
    new_root = int(tree["counters"]["root"])
    assert tree["counters"]["n_swaps"] == 1
    assert new_root in leaves
    assert new_root == full
    assert tree["nodes"]["parent"][new_root] == -1
    children = {int(tree["nodes"]["left"][new_root]), int(tree["nodes"]["right"][new_root])}
    assert children == {root, *leaves} - {new_root}
    assert tree["nodes"]["regressor"][new_root] == 0
    assert tree["weights"][0] > 9


def test_orphan_below_the_root_leaves_its_sibling_in_its_parents_place():
    # Classes 0 and 1 on the left, 2 and 3 on the right: three regressors. Then only 2, 4 and 5
    # come, at one place, and the subtree of 0 and 1 is starved.
    rng = np.random.default_rng(0)
    centres = np.array([[-4.0, -1.0], [-4.0, 1.0], [4.0, -1.0], [4.0, 1.0], [4.0, -1.0]])
    y = rng.integers(4, size=400)
    tree = grown(centres[y], y, max_regressors=3, swap_resistance=0.5)
    assert tree["counters"]["n_regressors"] == 3
    for c in rng.choice([2, 4], 1000):
        before = tree.copy()
        grown(centres[c][None], [c], tree=tree, max_regressors=3, swap_resistance=0.5)
        assert fault(tree.arrays) == ""
        if tree["counters"]["n_swaps"] > before["counters"]["n_swaps"]:
            break
    assert tree["counters"]["n_swaps"] == before["counters"]["n_swaps"] + 1
    old, new = before["nodes"], tree["nodes"]
    split = np.flatnonzero((old["left"] < 0) & (new["left"] >= 0))[0]
    orphan, parent = int(new["left"][split]), int(new["right"][split])
    assert old["min_count"][orphan] == old["min_count"][old["left"] < 0].min()
    assert old["parent"][orphan] == parent
    assert new["regressor"][split] == old["regressor"][parent]
    sibling = old["left"][parent] + old["right"][parent] - orphan
    assert new["parent"][sibling] == old["parent"][parent]


@pytest.mark.parametrize("loss", LOSSES)
def test_storage_and_blocks_do_not_matter(loss, global_random_seed, monkeypatch):
    rng = np.random.default_rng(global_random_seed)
    X, y = stream(rng, 400, 9, 5)
    in_one_block = grown(X, y, loss=loss)
    monkeypatch.setattr("sklearn_optland._rows.reduce.BLOCK_VALUES", 100)
    trees = {kind: grown(storage(X), y, loss=loss) for kind, storage in STORAGES.items()}
    # The same bits: 9 products are summed in lanes when dense, so those are compared.
    for name in ("nodes", "weights", "intercepts", "squares"):
        assert_array_equal(trees["dense"][name], in_one_block[name])
        assert_array_equal(trees["dense float32"][name], in_one_block[name])
        assert_array_equal(trees["csr"][name], trees["csr float32"][name])


@given(SEEDS, st.sampled_from([None, 6, 20]), st.sampled_from(list(STORAGES)))
def test_route_descends_by_the_signs(seed, n_bits, storage):
    rng = np.random.default_rng(seed)
    X, y = stream(rng, 120, 5, 4)
    arrays = grown(X, y, n_bits=n_bits).arrays
    for array in arrays.values():
        array.flags.writeable = False
    order = rng.permutation(120).astype(np.int32)[:50]
    leaves = np.empty(50, np.int32)
    route(arrays, as_rows(STORAGES[storage](X), in_order=False), order, 0, 50, leaves)
    if n_bits is None:
        W = arrays["weights"].reshape(-1, 5)
        nodes = arrays["nodes"]
        for x, leaf in zip(X[order], leaves, strict=True):
            node = int(view(arrays, "counters")["root"])
            while nodes["left"][node] >= 0:
                r = nodes["regressor"][node]
                margin = W[r] @ x + arrays["intercepts"][r]
                if abs(margin) < 1e-5:
                    break
                node = nodes["left" if margin < 0 else "right"][node]
            else:
                assert leaf == node
    assert (arrays["nodes"]["left"][leaves] < 0).all()


def test_hashing_without_collisions_changes_nothing(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    X, y = stream(rng, 500, 6, 5, sparse.csr_array)
    exact, hashed = grown(X, y), grown(X[:40], y[:40])
    assert hashed["counters"]["n_regressors"] > 0
    hashed.hash_weights(28)
    grown(X[40:], y[40:], tree=hashed)
    assert np.count_nonzero(hashed["weights"]) == np.count_nonzero(exact["weights"])
    for name in exact["nodes"].dtype.names:
        assert_array_equal(exact["nodes"][name], hashed["nodes"][name])


@given(SEEDS)
def test_bookkeeping_keeps_a_tree_sound(seed):
    rng = np.random.default_rng(seed)
    X, y = stream(rng, 200, 4, 4)
    settings = {"max_regressors": 9, "max_depth": 9, "swap_resistance": 0.3}
    tree = grown(X, y, **settings)

    def leaves():
        found = np.empty(200, np.int32)
        route(tree.arrays, as_rows(X), np.arange(200, dtype=np.int32), 0, 200, found)
        return found

    def predicted():
        return tree["nodes"]["majority"][leaves()]

    weight = rng.integers(1, 4, 200).astype(float)
    internal = tree["nodes"]["left"] >= 0
    n_before = tree["nodes"]["n"][internal]
    tree.set_leaf_counts(leaves(), y, weight)
    assert fault(tree.arrays) == ""
    assert_array_equal(tree["nodes"]["n"][internal], n_before)
    counted = np.bincount(leaves(), weights=weight, minlength=len(tree["nodes"]))
    slots, owner = live_slots(tree.arrays)
    at_leaf = tree["nodes"]["left"][owner] < 0
    found = np.bincount(owner[at_leaf], weights=slots["n"][at_leaf], minlength=len(counted))
    assert_array_equal(found, counted)
    classes = predicted()
    for leaf in np.unique(leaves()):
        at = leaves() == leaf
        counts = np.bincount(y[at], weights=weight[at])
        assert tree["nodes"]["majority"][leaf] == counts.argmax()

    tree.remove_idle_splits()
    tree.compact()
    assert fault(tree.arrays) == ""
    assert_array_equal(predicted(), classes)
    nodes = tree["nodes"]
    assert (nodes["parent"][1:] < np.arange(1, len(nodes))).all()
    assert (np.diff(nodes["parent"]) >= 0).all()
    n = np.bincount(leaves(), minlength=len(nodes))
    is_leaf = nodes["left"] < 0
    assert (n[is_leaf] > 0).all()


@given(
    SEEDS,
    st.floats(1e-30, 1e18),
    st.sampled_from(list(LOSSES)),
    st.floats(1e-6, 1e6),
    st.floats(1e-9, 1e9),
)
def test_extremes_stay_finite(seed, size, loss, learning_rate, weight):
    rng = np.random.default_rng(seed)
    X, y = stream(rng, 60, 4, 3)
    X *= size * np.array([1, 1e-3, 1e-20, 0])
    X = np.clip(X, -1e18, 1e18)
    tree = grown(X, y, weight=np.full(60, weight), loss=loss, learning_rate=learning_rate)
    assert fault(tree.arrays) == ""
    for name in ("weights", "intercepts", "squares"):
        assert np.isfinite(tree[name]).all()
    slots, _ = live_slots(tree.arrays)
    assert np.isfinite(slots["margins"]).all()


@pytest.mark.parametrize(
    ("array", "field", "value"),
    [
        ("nodes", "parent", 5),
        ("nodes", "regressor", 0),
        ("nodes", "name", 1),
        ("nodes", "min_count", None),  # numbers that all differ
        ("nodes", "n", 0.5),
        ("nodes", "n_classes", 9),
        ("nodes", "majority", 9),
        ("slots", "margins", 1e6),
        ("nodes", "first", 0),
        ("slots", "next", 7),
        ("counters", "n_slots", 1),
        ("counters", "n_regressors", 1),
        ("counters", "root", 1),
    ],
)
def test_faults_are_found(array, field, value, global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    arrays = grown(*stream(rng, 200, 4, 5)).arrays
    assert fault(arrays) == ""
    arrays[array][field] = np.arange(len(arrays[array])) if value is None else value
    assert fault(arrays) != ""
