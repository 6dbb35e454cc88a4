"""Trees over classes, grown on the classes' means by the LOM objective.

Rows are seen through `coordinates`, in which the objective of a split of classes is in closed form
(`split_fast`). What is called a class here may be a prototype, one of several that a class has.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from sklearn_optland._rows.largest import largest_of_rows
from sklearn_optland._rows.reduce import Statistic, reduce
from sklearn_optland.tree._forest.search_fast import LATER_VISIT, as_short_rows, padded
from sklearn_optland.tree._forest.split_fast import split_classes
from sklearn_optland.tree._training_rows import row_of_pairs

# The least mean sum of absolute values, and of squares, that sparse rows are scaled to, beside a
# constant of 1: about what tf-idf rows of short texts have. With less the constant would rule.
SPARSE_LENGTH, SPARSE_SQUARE = 4.0, 1.0
# Restarts of a split, and the most classes that it is searched on. Trees differ by both.
N_RESTARTS = 4
MAX_SAMPLE = 500
# A set of so few classes is not split. A leaf lists more of them: those that came to it most
# often, since rows of a class do not all go where its mean goes.
LEAF_CLASSES = 12
LISTED_CLASSES = 16
# Of rows that have several classes each, all of which should be candidates.
LISTED_OF_SEVERAL = 32
TINY_VISIT = 1e-9
# Visits that a leaf has had, in the shares of all classes, before the first row came.
PRIOR_VISITS = 5.0
LEAST_SHARE = 1e-12
LEAST_PRIOR_VOTE = np.log(PRIOR_VISITS * LEAST_SHARE)


@dataclass
class Tree:
    """A tree over classes.

    Coordinates u go right if w'u > b. A leaf l is -1 - l among the children, and `leaves` has the
    classes whose means came to it; leaves are numbered from left to right.
    """

    w: np.ndarray
    b: np.ndarray
    children: np.ndarray
    leaves: list
    depth: int


def grow(means, prior, rng):
    """Grow a tree from the root down, until no leaf has more than LEAF_CLASSES classes."""
    w, b, children, leaves, depth = [], [], [], [], 0
    # Where the tree goes on: the classes, the parent, the side of it, the level.
    waiting = [(np.arange(len(means)), -1, 0, 0)]
    while waiting:
        members, parent, side, level = waiting.pop()
        depth = max(depth, level)
        J = -1.0
        if len(members) > LEAF_CLASSES:
            sample = members
            if len(members) > MAX_SAMPLE:
                sample = rng.choice(members, MAX_SAMPLE, replace=False)
            share = prior[sample] / prior[sample].sum()
            seed = rng.randint(np.iinfo(np.int32).max)
            direction, cut, J = split_classes(means[sample], share, N_RESTARTS, seed)
            if J >= 0:  # a split and its mirror image are equally good: rounding should not choose
                sign = np.sign(direction[np.argmax(np.abs(direction))])
                direction, cut = sign * direction, sign * cut
        if J < 0:  # few classes, or none that differ
            leaves.append(members)
            node = -len(leaves)
        else:
            node = len(w)
            w.append(direction)
            b.append(cut)
            children.append([0, 0])
            right = means[members] @ direction > cut
            waiting += [(members[right], node, 1, level + 1), (members[~right], node, 0, level + 1)]
        if parent >= 0:
            children[parent][side] = node
    return Tree(
        np.array(w).reshape(len(w), means.shape[1]),
        np.array(b),
        np.array(children, dtype=np.int32).reshape(-1, 2),
        leaves,
        depth,
    )


def forest_arrays(source, place, trees):
    """What a LabelForest needs of its trees, as arrays; the leaves list the classes they have.

    The whitening goes into the hyperplanes of dense data, so that prediction does not pay for it,
    and into a projection for sparse data, whose hyperplanes would be as long as there are features.
    """
    is_sparse, d = source.is_sparse, len(place.scale)
    return {
        "column_of": np.arange(d if is_sparse else 0, dtype=np.int32),
        "shift": place.shift,
        "scale": place.scale,
        "projection": np.zeros((0, 0), dtype=np.float32),
        "constant": d,
        **(sparse_columns(source, place) if is_sparse else {}),
        **tree_arrays(trees, *(() if is_sparse else (place.basis, place.offset))),
    }


def sparse_columns(source, place, power=0.0):
    """What scales sparse columns where classes are scored, and the way from there to coordinates.

    Parameters
    ----------
    source : ArraySource or DaskSource
    place : Coordinates
    power : float, default=0.0
        Of the scale of the coordinates, which the scores have as well: 0 leaves the features their
        relations, with more of it rare ones weigh more.
    """
    d, r = place.basis.shape
    scale = sparse_scale(source, place, power)[0]
    projection = np.zeros((d + 1, padded(r + 1)), dtype=np.float32)
    projection[:d, :r] = (place.scale / scale)[:, None] * place.basis
    projection[d, :r], projection[d, r] = -place.offset, 1
    return {"scale": scale, "projection": projection}


def tree_arrays(trees, basis=None, offset=0.0):
    """The trees among what a LabelForest needs, for rows in coordinates z'basis - offset."""
    nodes, biases, children, roots, leaves = [], [], [], [], []
    n_nodes = 0
    for tree in trees:
        nodes.append(tree.w if basis is None else tree.w @ basis.T)
        biases.append(-tree.b if basis is None else -tree.b - tree.w @ offset)
        children.append(tree.children + np.where(tree.children < 0, -len(leaves), n_nodes))
        roots.append(n_nodes if len(tree.b) else -1 - len(leaves))
        n_nodes += len(tree.b)
        leaves += tree.leaves
    return {
        "nodes": as_short_rows(np.vstack(nodes), np.concatenate(biases)),
        "children": np.vstack(children).astype(np.int32),
        "roots": np.array(roots, dtype=np.int32),
        "depth": max(tree.depth for tree in trees),
        **_lists(leaves),
    }


def sparse_scale(source, place, power):
    """What scales sparse columns, and the rows' mean sums of magnitudes and of squares then."""
    # Columns without values have the scale of the rarest.
    rarest = place.scale.max(initial=0) or 1.0
    scale = np.where(place.scale > 0, place.scale, rarest) ** power
    length, square = reduce(Magnitudes(source), source, (scale,))[1] / source.n_rows
    unit = 1.0
    if square > 0:
        unit = max(SPARSE_LENGTH / length, np.sqrt(SPARSE_SQUARE / square))
    return unit * scale, length * unit, square * unit**2


class Magnitudes(Statistic):
    """Sums of the magnitudes and of the squares of sparse values; parameters are their scales."""

    shape = (2,)

    def __init__(self, source):
        self.values = 2 * source.n_values

    def add(self, block, parameters, total):
        """Add a block's."""
        (scale,) = parameters
        X = block.source.X[block.slice]
        values = scale[X.indices] * X.data
        total += np.abs(values).sum(), values @ values


def _lists(leaves):
    return {
        "leaf_start": np.cumsum([0, *map(len, leaves)]).astype(np.int32),
        "leaf_members": np.concatenate(leaves).astype(np.int32),
        "longest": max(map(len, leaves)),
        "votes": np.zeros(sum(map(len, leaves)), dtype=np.float32),
    }


def list_frequent_classes(arrays, counts, n_listed=LISTED_CLASSES):
    """Replace the lists of the leaves by the classes whose rows come to them most often.

    Parameters
    ----------
    arrays : dict
        As `forest_arrays` returns them; modified.
    counts : csr_array of shape (n_leaves, n_classes)
        What `visits` has counted of all rows.
    n_listed : int, default=16
        The most classes of a leaf.
    """
    start, members = arrays["leaf_start"], arrays["leaf_members"]
    # The classes that a leaf was grown with come after all that rows have brought to it.
    grown = np.repeat(np.arange(len(start) - 1), np.diff(start))
    tiny = sparse.csr_array((np.full(len(members), TINY_VISIT), (grown, members)), counts.shape)
    # In float32 equal numbers of visits are a tie, in whatever order they were summed.
    listed = largest_of_rows(counts.astype(np.float32) + tiny, n_listed)
    arrays["leaf_start"] = listed.indptr.astype(np.int32)
    arrays["leaf_members"] = listed.indices.astype(np.int32)
    arrays["longest"] = int(np.diff(listed.indptr).max())
    share = counts.sum(axis=0)
    arrays |= votes(listed.data, listed.indices, share / share.sum(), arrays)


def votes(counts, members, share, arrays):
    """What leaves say of the classes, as LabelForest takes it.

    A leaf in which a class has n visits of N says log (n + a p) / (N + a), p being the share of the
    class in all rows and a `PRIOR_VISITS`; less what is the same for all classes, and less log a p,
    which each class has for all leaves at once. They are means over trees.

    Parameters
    ----------
    counts, members : ndarray of the same shape
        Visits of classes to leaves, and the classes.
    share : ndarray of shape (n_classes,)
    arrays : dict
        Of a LabelForest, for the number of trees.
    """
    prior = PRIOR_VISITS * np.maximum(share, LEAST_SHARE)
    return {
        "votes": visits_as_votes(counts, prior[members], arrays),
        "prior_votes": np.log(prior).astype(np.float32),
    }


def visits_as_votes(counts, prior, arrays):
    """The votes of visits to leaves; `prior` are those of each class before the first row."""
    return (np.log1p(counts / prior) / len(arrays["roots"])).astype(np.float32)


def visits_of(votes, members, prior_votes, arrays):
    """The counts that `votes` was told."""
    return np.expm1(votes * len(arrays["roots"])) * np.exp(prior_votes)[members]


def visits(arrays, leaves, Y, weights):
    """Count the visits of rows to leaves, by their classes.

    Parameters
    ----------
    arrays : dict
        As `forest_arrays` returns them.
    leaves : ndarray of shape (n_rows, n_trees, beam)
        The leaves that each row visits, the nearest first; -1 where there are no more.
    Y : csr_array of shape (n_rows, n_classes)
        The classes of each row.
    weights : ndarray of shape (n_rows,)

    Returns
    -------
    counts : csr_array of shape (n_leaves, n_classes)
    """
    counts = sparse.csr_array((len(arrays["leaf_start"]) - 1, len(arrays["class_of"])))
    row = row_of_pairs(Y)
    for tree in range(leaves.shape[1]):
        for turn in range(leaves.shape[2]):
            visited = leaves[row, tree, turn]
            there = visited >= 0
            share = weights[row[there]] * (LATER_VISIT if turn else 1.0)
            pairs = visited[there], Y.indices[there]
            counts += sparse.csr_array((share, pairs), counts.shape)
    return counts
