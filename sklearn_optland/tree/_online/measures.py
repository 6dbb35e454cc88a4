"""What the counts of its leaves say of a tree: probabilities, and the quality of its splits."""

import numpy as np
from scipy import sparse
from scipy.special import entr

from sklearn_optland.tree._online.route_fast import read_counts
from sklearn_optland.tree._online.tree import view


def leaf_counts(arrays, leaves=None):
    """The classes that leaves have counted, the most frequent first, ties in their order.

    Parameters
    ----------
    arrays : dict of ndarray
        Those of a tree.
    leaves : ndarray of int32, default=None
        Of these nodes; None is all, in their order.

    Returns
    -------
    counts : dict of ndarray
        Entries "first"[l] to "first"[l + 1] of "classes" (ranks) and "n" are those of the l-th of
        the nodes; "total" is the sum of n for each. A leaf that has counted nothing has an entry
        with n = 0 for the class that it predicts. Nodes that are no leaves have none.
    """
    nodes = view(arrays, "nodes")
    leaves = np.arange(len(nodes), dtype=np.int32) if leaves is None else leaves
    length = np.where(nodes["left"][leaves] < 0, np.maximum(nodes["n_classes"][leaves], 1), 0)
    first = np.concatenate([[0], np.cumsum(length)])
    leaf = np.repeat(np.arange(len(leaves)), length)
    classes, n = nodes["majority"][leaves[leaf]], np.zeros(len(leaf))
    read_counts(arrays, leaves, first, classes, n)
    classes = arrays["ranks"][classes]
    order = np.lexsort((classes, -n, leaf))
    total = np.bincount(leaf, weights=n, minlength=len(leaves))
    return {"first": first, "classes": classes[order], "n": n[order], "total": total}


def class_probabilities(counts, leaves, n_classes, most=None):
    """Smoothed class frequencies (n_y + 1/k) / (n + 1) at the leaves of some rows.

    Parameters
    ----------
    counts : dict of ndarray
        As `leaf_counts` returns them. A leaf without any is taken to have one row.
    leaves : ndarray of shape (n_rows,)
        Places in `counts`.
    n_classes : int
        k.
    most : int, default=None
        The most classes of a row.

    Returns
    -------
    row, classes, probability : ndarray of shape (n_entries,)
        For the classes that the leaves have met, the most probable of a row first.
    other : ndarray of shape (n_rows,)
        The probability of each of the other classes.
    """
    first = counts["first"][leaves]
    length = counts["first"][leaves + 1] - first
    if most is not None:
        length = np.minimum(length, most)
    row = np.repeat(np.arange(len(leaves)), length)
    entry = np.arange(len(row)) + np.repeat(first - np.cumsum(length) + length, length)
    total = counts["total"][leaves]
    inherited = (total == 0).astype(float)
    other = 1 / n_classes / (total + inherited + 1)
    n = counts["n"][entry] + inherited[row]
    probability = n / (total + inherited + 1)[row] + other[row]
    return row, counts["classes"][entry], probability, other


def paths(nodes):
    """Which nodes lie between the root and each node, and which of them it is to the right of.

    Returns
    -------
    above, right_of : csr_array of shape (n_nodes, n_nodes), int8
        [node, ancestor]; a node counts as its own ancestor, and is not to the right of itself.
    """
    shape = (len(nodes), len(nodes))
    start, via = np.arange(len(nodes)), np.arange(len(nodes))
    pairs, right_pairs = [(start, via)], []
    while True:
        above = nodes["parent"][via]
        has = above >= 0
        if not has.any():
            break
        start, via, above = start[has], via[has], above[has]
        right = nodes["right"][above] == via
        pairs.append((start, above))
        right_pairs.append((start[right], above[right]))
        via = above

    def indicator(pairs):
        row, column = np.concatenate([np.empty((2, 0), int), *pairs], axis=1)
        ones = np.ones(len(row), dtype=np.int8)
        return sparse.coo_array((ones, (row, column)), shape=shape).tocsr()

    return indicator(pairs), indicator(right_pairs)


def node_measures(arrays):
    """Measures of the splits, from what the leaves below have counted.

    Returns
    -------
    measures : dict of ndarray of shape (n_nodes,)
        "n"; "balance", P(right); "purity", sum_y pi_y min(P(right|y), P(left|y)); "J", 2 sum_y pi_y
        |P(right) - P(right|y)|; "n_classes". The middle three are NaN at leaves and where n = 0.
    """
    nodes, counts = view(arrays, "nodes"), leaf_counts(arrays)
    shape = (len(nodes), len(arrays["classes"]))
    at_leaf = sparse.csr_array((counts["n"], counts["classes"], counts["first"]), shape=shape)
    above, right_of = paths(nodes)
    n = above.T @ at_leaf  # node, class
    to_right = right_of.T @ at_leaf
    total = n.sum(axis=1)
    with np.errstate(invalid="ignore"):
        balance = to_right.sum(axis=1) / total
        imbalance = abs(sparse.diags_array(np.nan_to_num(balance)) @ n - to_right).sum(axis=1)
        purity = (n.sum(axis=1) - abs(2 * to_right - n).sum(axis=1)) / 2 / total
        measures = {"balance": balance, "purity": purity, "J": 2 * imbalance / total}
    for values in measures.values():
        values[nodes["left"] < 0] = np.nan
    n.eliminate_zeros()
    return {"n": total, **measures, "n_classes": np.diff(n.tocsr().indptr)}


def leaf_entropy(counts):
    """G = sum over leaves of w_l sum_y pi_ly ln(1 / pi_ly), and what it would be for one leaf."""
    total = counts["total"].sum()
    leaf = np.repeat(np.arange(len(counts["total"])), np.diff(counts["first"]))
    counted = counts["n"] > 0
    share = counts["n"][counted] / counts["total"][leaf[counted]]
    entropy = float(np.sum(counts["total"][leaf[counted]] * entr(share)) / total)
    prior = np.bincount(counts["classes"], weights=counts["n"]) / total
    return entropy, float(max(entr(prior).sum(), entropy))  # concave: less only by rounding
