"""What holds for every online tree, written for arrays."""

import numpy as np

from sklearn_optland.tree._online.tree import view


def fault(arrays):
    """Say what is wrong with a tree: "" if nothing is."""
    nodes, counters = view(arrays, "nodes"), view(arrays, "counters")
    return _fault_of_shape(nodes, counters) or _fault_of_counts(arrays["slots"], nodes, counters)


def _fault_of_shape(nodes, counters):
    """Every node is reached once, by its parent; each has a name, each split a regressor."""
    n_nodes, n_regressors = len(nodes), counters["n_regressors"]
    split = np.flatnonzero(nodes["left"] >= 0)
    leaf = np.flatnonzero(nodes["left"] < 0)
    if nodes["parent"][counters["root"]] != -1:
        return "the root has a parent"
    if (nodes["right"][leaf] >= 0).any() or (nodes["regressor"][leaf] >= 0).any():
        return "a leaf has a child or a regressor"
    names = nodes["name"]
    if len(np.unique(names)) < n_nodes or names.min() <= 0 or names.max() >= counters["next_name"]:
        return "a name is not that of one node"
    if not np.array_equal(np.sort(nodes["regressor"][split]), np.arange(n_regressors)):
        return "a regressor is not that of one node"
    if n_nodes != 2 * n_regressors + 1:
        return "a node or a regressor is lost"
    left, right = nodes["left"][split], nodes["right"][split]
    children = np.concatenate([left, right])
    if not np.array_equal(
        np.sort(np.append(children, counters["root"])), np.arange(n_nodes)
    ) or n_nodes != _n_reached(nodes, counters["root"]):
        return "a node is not reached once"
    if not np.array_equal(nodes["parent"][children], np.concatenate([split, split])):
        return "a child does not know its parent"
    min_count = nodes["min_count"]
    if not np.array_equal(min_count[split], np.minimum(min_count[left], min_count[right])):
        return "min_count is not that of the smaller child"
    return ""


def _n_reached(nodes, root):
    """Number of nodes below the root, it included; none is the child of two."""
    stack, n_reached = [root], 0
    while stack:
        node = stack.pop()
        n_reached += 1
        stack += [child for child in (nodes["left"][node], nodes["right"][node]) if child >= 0]
    return n_reached


def _fault_of_counts(slots, nodes, counters):
    """Counts of a node are the sums over its classes, and its majority is the largest of them."""
    table, places = slots, np.flatnonzero(slots["key"] > 0)
    slots = slots[places]
    if len(slots) != counters["n_slots"]:
        return "slots are not counted"
    node_of = {int(name): node for node, name in enumerate(nodes["name"])}
    owner = np.array([node_of.get(int(key) >> 32, -1) for key in slots["key"]], dtype=int)
    is_split = nodes["left"] >= 0
    is_known = (owner >= 0) & ~is_split[owner]
    of_leaves = set(zip(owner[is_known].tolist(), places[is_known].tolist(), strict=True))
    if _chained(nodes["first"].tolist(), table["next"].tolist()) != of_leaves:
        return "the chain of a leaf is not that of its slots"
    slots, owner = slots[owner >= 0], owner[owner >= 0]  # the others knew a node that is no more

    def total(values):
        return np.bincount(owner, values, minlength=len(nodes))

    n, margins = total(slots["n"]), total(slots["margins"])
    if (np.abs(n - nodes["n"]) > 1e-9 * n)[is_split].any():
        return "rows of a split are lost"
    # terms of both signs may cancel, and leave the rounding of each
    sizes = 1 + total(np.abs(slots["margins"]))
    if (np.abs(margins - nodes["margins"]) > 1e-9 * sizes)[is_split].any():
        return "margins of a split are lost"
    if (np.abs(n - nodes["n"]) > 1e-9 * n)[~is_split & (nodes["n"] > 0)].any():
        return "rows of a counted leaf are lost"
    met = total(slots["n"] > 0)
    if (met != nodes["n_classes"])[~is_split].any():
        return "classes of a leaf are lost"
    code = (slots["key"] & np.uint64(0xFFFFFFFF)).astype(int)
    of_majority = total(slots["n"] * (code == nodes["majority"][owner]))
    largest = np.zeros(len(nodes))
    np.maximum.at(largest, owner, slots["n"])
    is_other = (nodes["max_count"] != of_majority) | (of_majority != largest)
    if is_other[~is_split & (met > 0)].any():
        return "the majority of a leaf is another"
    return ""


def _chained(first, following):
    """Pairs of a node and the place of a slot in its chain."""
    pairs = set()
    for node, place in enumerate(first):
        while place and (node, place - 1) not in pairs:
            pairs.add((node, place - 1))
            place = following[(place - 1) % len(following)]
    return pairs
