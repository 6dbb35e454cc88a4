"""The tree of `LOMTreeClassifier`: arrays that Python allocates and grows, and kernels fill."""

import numpy as np
from scipy import sparse

from sklearn_optland._rows.reduce import row_blocks
from sklearn_optland.tree._online.learn_fast import (
    COUNTERS,
    FILL,
    NODE,
    SLOT,
    hash_weights,
    insert,
    learn,
    link,
    set_rates,
    slots_of_a_row,
)
from sklearn_optland.tree._training_rows import new_labels

# Arrays that need not be kept, because they follow from the statistics of the features.
FOLLOWING = ("centres", "rates")
MIN_SLOTS = 64
MIN_REGRESSORS = 16
# Nodes have numbers of 32 bits.
MAX_SPLITS = 2**30 - 1
# A slot's key is the name of a node, shifted by these bits, and the number of a class.
CLASS_BITS, CLASS_MASK = np.uint64(32), np.uint64(0xFFFFFFFF)


def single_leaf(n_features, classes):
    """The arrays of a tree that has learned nothing.

    Parameters
    ----------
    n_features : int
    classes : ndarray
        Sorted labels. Their numbers are their places, while labels that come later have the next
        numbers.

    Returns
    -------
    arrays : dict of ndarray
        "nodes", "slots" (statistics of classes) and "counters", of the kernel's structures;
        "weights" and "intercepts" of the regressors; "means" of the features, with the "squares"
        and the "largest" of the deviations from them.
        "weights" is flat: a row for each regressor, or, if "counters" says `n_bits`, a table that
        all share, where a hash of regressor and feature finds its place.
        "classes", sorted, their numbers as "codes", and "ranks", the place of each number.
    """
    codes = np.arange(len(classes), dtype=np.int32)
    nodes, counters = np.zeros(1, NODE), np.zeros(1, COUNTERS)
    for name in ("parent", "left", "right", "regressor"):
        nodes[name] = -1
    nodes["name"] = 1
    counters["n_nodes"], counters["next_name"] = 1, 2
    return {
        "nodes": nodes,
        "slots": np.zeros(MIN_SLOTS, SLOT),
        "counters": counters,
        "weights": np.zeros(0, np.float32),
        "intercepts": np.zeros(0, np.float32),
        "largest": np.zeros(n_features, np.float32),
        "means": np.zeros(n_features),
        "squares": np.zeros(n_features),
        "classes": classes,
        "codes": codes,
        "ranks": codes.copy(),
    }


class OnlineTree:
    """A tree that learns.

    Parameters
    ----------
    arrays : dict of ndarray
        As `single_leaf` makes them; those that may be written to are used in place.
    """

    def __init__(self, arrays):
        self._working = {
            name: np.require(array, requirements="CW") for name, array in arrays.items()
        }
        for name in FOLLOWING:
            self._working[name] = np.zeros(len(arrays["largest"]), np.float32)

    @property
    def arrays(self):
        """What has to be kept."""
        return {name: array for name, array in self._working.items() if name not in FOLLOWING}

    def copy(self):
        """A tree that learns on its own."""
        return OnlineTree({name: array.copy() for name, array in self.arrays.items()})

    def __getitem__(self, name):
        """One of the arrays; of the nodes, those in use; the counters as a scalar."""
        return view(self._working, name)

    def learn(
        self, rows, codes, weight, order, *, values_per_row, measure, n_bits=None, **settings
    ):
        """Learn from the rows of `order`, once; the kernel says what the other settings are.

        Parameters
        ----------
        rows, codes, weight, order, measure
            As the kernel takes them.
        values_per_row : float
        n_bits : int, default=None
            Where the regressors would have more than 2^n_bits weights, they begin to share so many.

        Returns
        -------
        mistakes : float
            The share of the rows that came to a leaf with another majority class than theirs; NaN
            without rows.
        """
        counters = self["counters"]
        counters["mistakes"] = counters["visits"] = 0
        if not measure:
            set_rates(self._working)
        settings["max_depth"] = min(settings["max_depth"], MAX_SPLITS)
        settings["max_regressors"] = min(settings["max_regressors"], MAX_SPLITS)
        # Usual trees have a depth around log2 of their splits.
        n_splits = max(settings["max_regressors"], int(counters["n_regressors"]))
        depth = min(settings["max_depth"], 1 + 2 * np.log2(n_splits))
        for start, stop in row_blocks(len(order), values_per_row * depth):
            while start < stop:
                self._make_room(settings["max_regressors"], settings["max_depth"], n_bits)
                start = learn(
                    self._working,
                    rows,
                    codes,
                    weight,
                    order,
                    start=start,
                    stop=stop,
                    measure=measure,
                    **settings,
                )
        return float(counters["mistakes"] / counters["visits"]) if len(order) else np.nan

    def set_leaf_counts(self, leaves, codes, weight):
        """Replace what the leaves have counted; a leaf without rows keeps its majority class.

        Parameters
        ----------
        leaves, codes, weight : ndarray of shape (n_rows,)
            The leaf of each row, the number of its class, and its positive weight.
        """
        nodes = self["nodes"]
        shape = (len(nodes), int(codes.max()) + 1)
        counts = sparse.coo_array((weight, (leaves, codes)), shape=shape)
        counts.sum_duplicates()
        leaf, code = counts.row, counts.col
        # The majority is the last of its leaf.
        order = np.lexsort((-self["ranks"][code], counts.data, leaf))
        leaf, code, n = leaf[order], code[order], counts.data[order]

        is_leaf = nodes["left"] < 0
        nodes["n_classes"][is_leaf] = np.bincount(leaf, minlength=len(nodes))[is_leaf]
        nodes["max_count"] = 0
        nodes["majority"][leaf] = code  # of equal indices, NumPy assigns the last
        nodes["max_count"][leaf] = n
        total = np.bincount(leaf, weights=n, minlength=len(nodes))
        nodes["n"][is_leaf] = nodes["min_count"][is_leaf] = total[is_leaf]
        self._update_min_counts()
        slots, owner = live_slots(self._working)
        internal = ~is_leaf[owner]
        counted = np.zeros(len(leaf), SLOT)
        counted["key"], counted["n"] = code, n
        self._rebuild(
            np.concatenate([slots[internal], counted]), np.concatenate([owner[internal], leaf])
        )

    def join_classes(self, labels, is_closed=False):
        """The numbers of some labels, after those that are new have joined the classes.

        Parameters
        ----------
        labels : ndarray
        is_closed : bool, default=False
            Whether new labels are an error.

        Returns
        -------
        codes : ndarray of int32
        """
        known, codes = self["classes"], self["codes"]
        fresh = new_labels(known, labels, is_closed)
        if not fresh.size:
            return codes[np.searchsorted(known, labels)]
        # What nodes know is filed under a class's number, which stays: only its rank moves.
        at = np.searchsorted(known, fresh)
        merged = known.astype(np.result_type(known, fresh), copy=False)
        codes = np.insert(codes, at, len(known) + np.arange(len(fresh)))
        ranks = np.empty_like(codes)
        ranks[codes] = np.arange(len(codes))
        self._working |= {"classes": np.insert(merged, at, fresh), "codes": codes, "ranks": ranks}
        return codes[np.searchsorted(self["classes"], labels)]

    def remove_idle_splits(self):
        """Put a child in the place of each split whose other side has no rows at its leaves.

        Called after `set_leaf_counts`. A budget of regressors leaves many such splits: online, a
        leaf splits as soon as a stray row brings a second class.
        """
        nodes, counters = self["nodes"], self["counters"]
        left, right, parent = nodes["left"], nodes["right"], nodes["parent"]
        is_reached = nodes["max_count"] > 0
        place = np.arange(len(nodes), dtype=np.int32)  # who stands there in the end
        for level in reversed(self._levels()):
            split = level[left[level] >= 0]
            by_left, by_right = is_reached[left[split]], is_reached[right[split]]
            place[split[~by_right]] = place[left[split[~by_right]]]
            place[split[~by_left]] = place[right[split[~by_left]]]
            is_reached[split] = by_left | by_right
        split = left >= 0
        left[split], right[split] = place[left[split]], place[right[split]]
        counters["root"] = place[counters["root"]]

        levels = self._levels()
        parent[levels[0]] = -1
        for level in levels:
            split = level[left[level] >= 0]
            parent[left[split]] = parent[right[split]] = split
        self._update_min_counts()

    def _update_min_counts(self):
        """Bring those of splits in line with the leaves."""
        nodes = self["nodes"]
        left, right, min_count = nodes["left"], nodes["right"], nodes["min_count"]
        for level in reversed(self._levels()):
            split = level[left[level] >= 0]
            min_count[split] = np.minimum(min_count[left[split]], min_count[right[split]])

    def _levels(self):
        """The numbers of the nodes at each depth, from the root on."""
        nodes, level = self["nodes"], np.array([self["counters"]["root"]])
        levels = []
        while len(level):
            levels.append(level)
            level = level[nodes["left"][level] >= 0]
            level = np.column_stack([nodes["left"][level], nodes["right"][level]]).ravel()
        return levels

    def compact(self):
        """Number nodes and regressors breadth-first; drop nodes that the root does not reach."""
        nodes, counters = self["nodes"], self["counters"]
        order = np.concatenate(self._levels())
        number = np.full(len(nodes) + 1, -1, np.int32)  # the last one is that of no node
        number[order] = np.arange(len(order))
        nodes = nodes[order]
        for name in ("parent", "left", "right"):
            nodes[name] = number[nodes[name]]
        counters["root"], counters["n_nodes"] = 0, len(nodes)
        if not counters["n_bits"]:  # a hashed weight knows its regressor's number
            internal = nodes["regressor"] >= 0
            regressors = nodes["regressor"][internal]
            weights = self["weights"].reshape(-1, len(self["largest"]))
            self._working["weights"] = weights[regressors].ravel()
            self._working["intercepts"] = self["intercepts"][regressors]
            nodes["regressor"][internal] = np.arange(len(regressors))
            counters["n_regressors"] = len(regressors)
        self._working["nodes"] = nodes
        # No table any more, but only half the size; the next row that is learned makes one again.
        slots, owner = live_slots(self._working)
        self._rename(slots, owner)
        self._working["slots"] = slots
        link(nodes, slots)

    def hash_weights(self, n_bits):
        """Let all regressors share 2^n_bits weights from now on."""
        rows = self["weights"].reshape(-1, len(self["largest"]))
        self._working["weights"] = np.zeros(1 << n_bits, np.float32)
        hash_weights(rows, n_bits, self["weights"])
        self["counters"]["n_bits"] = n_bits

    def _make_room(self, max_regressors, max_depth, n_bits):
        """Let each array that a row could overflow grow to twice its size."""
        arrays, counters = self._working, self["counters"]
        n_regressors, n_features = int(counters["n_regressors"]), len(arrays["largest"])
        if n_regressors < max_regressors:
            if n_regressors == len(arrays["intercepts"]):
                capacity = min(max(MIN_REGRESSORS, 2 * n_regressors), max_regressors)
                if n_bits and not counters["n_bits"]:
                    n_rows = (1 << n_bits) // n_features
                    if n_regressors < n_rows:
                        capacity = min(capacity, n_rows)
                    else:
                        self.hash_weights(n_bits)
                arrays["intercepts"] = _longer(arrays["intercepts"], capacity)
                if not counters["n_bits"]:
                    arrays["weights"] = _longer(arrays["weights"], capacity * n_features)
            if counters["n_nodes"] + 2 > len(arrays["nodes"]):
                arrays["nodes"] = _longer(arrays["nodes"], 2 * len(arrays["intercepts"]) + 1)
        room = slots_of_a_row(max_depth, counters["n_regressors"])
        if counters["n_slots"] + room > FILL * len(arrays["slots"]):
            slots, owner = live_slots(self._working)
            self._rebuild(slots, owner, room + len(slots))

    def _rebuild(self, slots, owner, room=0):
        """Fill a new table, with room for more, with slots whose keys are bare classes."""
        self._rename(slots, owner)
        size = MIN_SLOTS
        while FILL * size < len(slots) + room:
            size *= 2
        self._working["slots"] = np.zeros(size, SLOT)
        insert(self._working["slots"], slots)
        link(self["nodes"], self._working["slots"])

    def _rename(self, slots, owner):
        """Put names into keys that are bare classes: new names, so that they stay small."""
        nodes, counters = self["nodes"], self["counters"]
        slots["key"] |= (owner.astype(np.uint64) + np.uint64(1)) << CLASS_BITS
        nodes["name"] = np.arange(1, len(nodes) + 1)
        counters["next_name"] = len(nodes) + 1
        counters["n_slots"] = len(slots)


def view(arrays, name):
    """One of the arrays; of the nodes, those in use; the counters as a scalar."""
    if name == "nodes":
        return arrays["nodes"][: arrays["counters"]["n_nodes"][0]]
    return arrays["counters"][0] if name == "counters" else arrays[name]


def live_slots(arrays):
    """The slots in use, their keys being bare classes, and the nodes that they belong to."""
    nodes, slots = view(arrays, "nodes"), arrays["slots"]
    slots = slots[slots["key"] > 0]
    names = slots["key"] >> CLASS_BITS
    by_name = np.argsort(nodes["name"])
    found = np.searchsorted(nodes["name"], names, sorter=by_name)
    owner = by_name[np.minimum(found, len(nodes) - 1)]
    live = nodes["name"][owner] == names  # else what its node knew before it was recycled
    slots, owner = slots[live], owner[live]
    slots["key"] &= CLASS_MASK
    return slots, owner


def _longer(array, size):
    """A copy with zeros at the end."""
    copy = np.zeros(size, array.dtype)
    copy[: len(array)] = array
    return copy
