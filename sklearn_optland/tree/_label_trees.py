"""Trees over classes, grown on the classes' means by the LOM objective.

Rows are seen through coordinates in which every class has covariance I, as far as one covariance
can do that for all classes: those of linear discriminant analysis. There the best split of a set
of classes is in closed form (`_label_trees_fast`).
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from sklearn.utils.extmath import randomized_svd

from sklearn_optland._blocks import sum_over_blocks
from sklearn_optland.tree._label_trees_fast import split_classes

# Dimensions of the coordinates. Of sparse rows, every one costs a multiply-add a non-zero.
MAX_DENSE_RANK = 128
SPARSE_RANK = 64
# Restarts of a split; large sets of classes have many good ones.
N_RESTARTS = 4
MANY_CLASSES = 500


@dataclass
class Coordinates:
    """Where the trees see rows and classes.

    With z = (x - shift) scale, the coordinates of a row are z'basis - offset.
    """

    shift: np.ndarray
    scale: np.ndarray
    basis: np.ndarray
    offset: np.ndarray
    means: np.ndarray  # of the classes, (n_classes, r)
    prior: np.ndarray


def class_totals(X, codes, weights, n_classes):
    """Weights of the classes and weighted sums of their rows."""
    member = sparse.csr_array((weights, codes, np.arange(len(codes) + 1)), (len(codes), n_classes))
    if sparse.issparse(X):
        sums = member.T @ sparse.csr_array(X).astype(np.float64)
    else:
        sums = sum_over_blocks(
            lambda first, last: member[first:last].T @ X[first:last].astype(np.float64),
            *X.shape,
        )
    return np.bincount(codes, weights=weights, minlength=n_classes), sums


def dense_coordinates(X, codes, weights, n_classes, ridge):
    """Coordinates of dense rows: linear discriminant analysis."""
    totals, sums = class_totals(X, codes, weights, n_classes)
    total = totals.sum()
    shift = sums.sum(axis=0) / total
    means = sums / totals[:, None] - shift

    def scatter(first, last):
        rest = (X[first:last] - shift - means[codes[first:last]]) * np.sqrt(
            weights[first:last, None]
        )
        return rest.T @ rest

    within = sum_over_blocks(scatter, *X.shape) / total
    variance = np.diag(within).copy()
    between = totals / total @ means**2
    # A feature that is constant within every class has its variance between them for a scale.
    variance = np.where(variance > 1e-12 * between, variance, between)
    scale = np.divide(1, np.sqrt(variance), where=variance > 0, out=np.zeros_like(variance))
    within *= scale[:, None] * scale
    means *= scale
    return Coordinates(shift, scale, *_whiten(within, means, totals / total, ridge, MAX_DENSE_RANK))


def _whiten(within, means, prior, ridge, max_rank):
    """Basis, offset, means and priors in coordinates of unit covariance within classes."""
    values, vectors = linalg.eigh(within)
    whitening = vectors / np.sqrt(np.maximum(values, 0) + ridge)
    whitened = means @ whitening
    centre = prior @ whitened
    whitened -= centre
    # The classes' means span at most n_classes - 1 dimensions.
    rank = min(max_rank, len(within), len(prior) - 1)
    between = whitened.T @ (prior[:, None] * whitened)
    d = len(within)
    _, axes = linalg.eigh(between, subset_by_index=(d - rank, d - 1)) if rank else (0, np.zeros((d, 0)))
    return whitening @ axes, centre @ axes, whitened @ axes, prior


def sparse_coordinates(X, codes, weights, n_classes, ridge, rng, floor=0.01):
    """Coordinates of sparse rows: discriminant analysis of the leading singular directions."""
    totals, sums = class_totals(X, codes, weights, n_classes)
    total, prior = totals.sum(), totals / totals.sum()
    n_columns = X.shape[1]
    first = np.asarray(sums.sum(axis=0)).ravel() / total
    squares = np.bincount(
        X.indices,
        weights=X.data.astype(np.float64) ** 2 * np.repeat(weights, np.diff(X.indptr)),
        minlength=n_columns,
    ) / total
    variance = np.maximum(squares - first**2, 0)
    variance += floor * variance.mean()
    scale = np.divide(1, np.sqrt(variance), where=squares > 0, out=np.zeros(n_columns))
    means = sparse.diags_array(1 / totals) @ sums @ sparse.diags_array(scale)
    rank = min(SPARSE_RANK, n_classes - 1, n_columns)
    _, _, V = randomized_svd(
        sparse.diags_array(np.sqrt(prior)) @ means, rank, n_iter=4, random_state=rng
    )
    V = V.T
    narrow = means @ V
    S = sparse.diags_array(scale) @ V

    def scatter(first, last):
        rest = (X[first:last] @ S - narrow[codes[first:last]]) * np.sqrt(
            weights[first:last, None]
        )
        return rest.T @ rest

    within = sum_over_blocks(scatter, X.shape[0], rank * 64) / total
    within_scale = np.trace(within) / rank
    basis, offset, means, prior = _whiten(within / within_scale, narrow / np.sqrt(within_scale), prior, ridge, rank)
    return Coordinates(np.zeros(n_columns), scale, V @ basis / np.sqrt(within_scale), offset, means, prior)


@dataclass
class Tree:
    """A tree over classes: hyperplanes w'u > b go right; a leaf l is -1 - l among the children."""

    w: np.ndarray
    b: np.ndarray
    children: np.ndarray
    leaves: list
    depth: int


def grow(means, prior, leaf_size, rng):
    """Grow a tree top-down until no leaf has more than `leaf_size` classes."""
    w, b, children, leaves, depth = [], [], [], [], 0
    # Where the tree goes on: the classes, the parent, the side, the level.
    waiting = [(np.arange(len(means)), -1, 0, 0)]
    while waiting:
        members, parent, side, level = waiting.pop()
        depth = max(depth, level)
        J = -1.0
        if len(members) > leaf_size:
            share = prior[members] / prior[members].sum()
            sample = members
            if len(members) > MANY_CLASSES:
                sample = rng.choice(members, MANY_CLASSES, replace=False)
            direction, cut, J = split_classes(means[sample], prior[sample] / prior[sample].sum(), N_RESTARTS, rng.randint(np.iinfo(np.int32).max))
        if J < 0:
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
    r = means.shape[1]
    return Tree(
        np.array(w).reshape(-1, r),
        np.array(b),
        np.array(children, dtype=np.int32).reshape(-1, 2),
        leaves,
        depth,
    )
