"""Train label trees that name candidates, and the linear model that ranks them."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland._optim.step import Step
from sklearn_optland._rows.reduce import row_blocks
from sklearn_optland._rows.rows import as_rows
from sklearn_optland.tree._forest.coordinates import coordinates
from sklearn_optland.tree._forest.label_trees import (
    SPARSE_LENGTH,
    forest_arrays,
    grow,
    list_frequent_classes,
)
from sklearn_optland.tree._forest.search_fast import LabelForest, as_short_rows, route
from sklearn_optland.tree._forest.train_fast import train
from sklearn_optland.tree._training_rows import row_of_pairs, with_columns

# The softmax of dense data starts from so much of linear discriminant analysis: full scores are
# too sure of themselves.
DISCRIMINANT_SHARE = 0.1
# The largest weight to begin with: a class of next to no weight can lie anywhere, and scores are
# float32.
LARGEST_WEIGHT = 1e18
# How far the first step of a row moves the score of a class, on average.
DENSE_RATE = 3.0
SPARSE_RATE = 1.0
# Of `learning_rate`: at larger ones each row undoes what others have taught, and the squares of
# scores leave float32.
LARGEST_LEARNING_RATE = 1e6
# Of C, at which margins are hard.
LARGEST_C = 1e6
# Rows without values have no size to measure C by.
LEAST_SQUARE = 1e-6
# Rows that the mean sizes of a row are taken from.
LENGTH_SAMPLE = 1000


@dataclass(frozen=True)
class Settings:
    """What a training run is told."""

    n_estimators: int
    beam_width: int
    loss: str
    n_prototypes: int
    max_iter: int
    learning_rate: float
    C: float
    n_bits: int

    @property
    def n_passes(self):
        """The discriminant is not trained: one pass measures it."""
        return 1 if self.loss == "discriminant" else self.max_iter


def prototypes(X, Y, weights, n_prototypes, rng):
    """Cut the rows of each class into clusters.

    Returns
    -------
    own : csr_array of shape (n_rows, number of prototypes)
        The prototypes of each row, one for each of its classes.
    class_of : ndarray, int32
        The class of each prototype, ascending.
    """
    n_classes = Y.shape[1]
    if n_prototypes == 1:
        return Y, np.arange(n_classes, dtype=np.int32)
    prototype, class_of = np.zeros(Y.nnz, dtype=np.int32), []
    row, order = row_of_pairs(Y), np.argsort(Y.indices, kind="stable")
    first = np.searchsorted(Y.indices[order], np.arange(n_classes + 1))
    deviation = 1.0 if sparse.issparse(X) else X.std(axis=0, dtype=np.float64)
    scale = np.divide(1, deviation, where=deviation > 0, out=np.zeros_like(deviation))
    for k in range(n_classes):
        pairs = order[first[k] : first[k + 1]]
        rows = row[pairs]
        n_clusters = min(n_prototypes, len(rows))
        members = X[rows] if sparse.issparse(X) else X[rows] * scale.astype(X.dtype)
        if sparse.issparse(X):  # KMeans takes no others
            members.indices = members.indices.astype(np.int32)
            members.indptr = members.indptr.astype(np.int32)
        clusters = KMeans(
            n_clusters, n_init=1, max_iter=20, random_state=rng.randint(np.iinfo(np.int32).max)
        )
        with warnings.catch_warnings():  # rows that are the same make fewer clusters
            warnings.simplefilter("ignore", ConvergenceWarning)
            labels = clusters.fit_predict(members, sample_weight=weights[rows])
        found, labels = np.unique(labels, return_inverse=True)
        prototype[pairs] = len(class_of) + labels
        class_of += [k] * len(found)
    own = with_columns(Y, prototype, len(class_of))
    return own, np.array(class_of, dtype=np.int32)


class Candidates:
    """The rows, and the trees that name candidates for them.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_features)
        Of the kind that `as_kind` returns.
    Y : csr_array of shape (n_rows, n_classes)
        The classes of each row; each class has a row.
    weights : ndarray of shape (n_rows,)
        Positive, of mean 1.
    settings : Settings
    rng : RandomState
    """

    def __init__(self, X, Y, weights, settings, rng):
        self.X, self.weights, self.rows = X, weights, as_rows(X, in_order=False)
        self.own, self.place, arrays = _trees(X, Y, weights, settings, rng)
        forest = LabelForest(**arrays, beam=settings.beam_width)
        leaves = np.empty((X.shape[0], forest.n_trees * forest.beam), dtype=np.int32)
        for first, last in row_blocks(X.shape[0], forest.n_z * forest.depth * forest.n_trees):
            route(forest, self.rows, first, last, leaves)
        list_frequent_classes(
            arrays, leaves.reshape(-1, forest.n_trees, forest.beam), self.own, weights
        )
        self.arrays, self.leaves = arrays, leaves
        self.most_own = int(np.diff(self.own.indptr).max())
        self.forest = LabelForest(**arrays, beam=settings.beam_width)


def passes(candidates, settings, rng):
    """Train the model that ranks candidates.

    Parameters
    ----------
    candidates : Candidates
    settings : Settings
    rng : RandomState

    Yields
    ------
    step : Step
        Its parameters are what Model takes; the next pass changes these arrays. The objective is
        the mean loss in the pass, while the weights moved.
    """
    X, forest, place = candidates.X, candidates.forest, candidates.place
    start, w = _weights(place, forest, settings, X.shape[1])
    is_dual = settings.loss == "squared_hinge"
    width = forest.max_trained + candidates.most_own
    alpha = np.zeros((X.shape[0] if is_dual else 0, width), dtype=np.float32)
    squares = np.zeros(0 if is_dual else len(w), dtype=np.float32)
    rate, C = _steps(candidates, settings)
    average, averaged = w, 0
    seed = rng.randint(np.iinfo(np.int32).max)
    values_per_row = X.nnz / X.shape[0] if forest.is_sparse else X.shape[1]
    for step in range(settings.n_passes):
        visits = rng.permutation(X.shape[0]).astype(np.int32)
        loss = 0.0
        for first, last in row_blocks(X.shape[0], values_per_row * forest.max_candidates):
            loss += train(
                forest,
                candidates.rows,
                visits[first:last],
                candidates.leaves,
                candidates.own.indptr,
                candidates.own.indices,
                candidates.weights,
                start,
                seed if is_dual else rng.randint(np.iinfo(np.int32).max),
                rate,
                C,
                w,
                squares,
                alpha,
            )
        if step >= settings.n_passes // 2 and not is_dual:  # the mean of the later half
            averaged += 1
            if averaged == 1:
                average = w.copy()
            else:
                average += (w - average) / averaged
        parameters = {**candidates.arrays, **_ranking(forest, start, average)}
        yield Step(parameters, {"objective": loss / X.shape[0], "passes": step + 1})


def _steps(candidates, settings):
    """The rate of AdaGrad, and C, for rows of this size."""
    X, place = candidates.X, candidates.place
    length, square = _mean_sizes(X, place)
    rate = min(settings.learning_rate, LARGEST_LEARNING_RATE)
    rate *= SPARSE_RATE if sparse.issparse(X) else DENSE_RATE
    if settings.loss == "discriminant":
        rate = 0.0
    return rate / (length + 1), min(settings.C, LARGEST_C) / square


def _trees(X, Y, weights, settings, rng):
    """Trees over the prototypes of the classes.

    Returns
    -------
    own : csr_array of shape (n_rows, number of prototypes)
        The prototypes of each row.
    place : Coordinates
        Of the prototypes.
    arrays : dict
        What LabelForest takes, besides the width of the beam.
    """
    own, class_of = prototypes(X, Y, weights, settings.n_prototypes, rng)
    place = coordinates(X, own, weights, rng)
    trees = [grow(place.means, place.prior, rng)]
    # Prototypes are numbered as the first tree has them, so that candidates are neighbours.
    order = np.concatenate(trees[0].leaves)
    number = np.empty(len(order), dtype=np.int32)
    number[order] = np.arange(len(order))
    trees[0].leaves = [number[leaf] for leaf in trees[0].leaves]
    own, class_of = with_columns(own, number[own.indices], len(order)), class_of[order]
    place.means, place.prior = place.means[order], place.prior[order]
    trees += [grow(place.means, place.prior, rng) for _ in range(1, settings.n_estimators)]
    arrays = {
        **forest_arrays(X, place, trees),
        "class_of": class_of,
        "n_classes": Y.shape[1],
    }
    return own, place, arrays


def _weights(place, forest, settings, n_columns):
    """Where the weights of a sparse feature start in the table, and the weights to begin with."""
    if not forest.is_sparse:
        w = np.zeros((forest.n_prototypes, forest.n_z), dtype=np.float32)
        if settings.loss != "squared_hinge":
            constant = -0.5 * np.sum(place.means**2, axis=1) - place.means @ place.offset
            constant += np.log(place.prior)
            discriminant = np.column_stack([place.means @ place.basis.T, constant])
            if settings.loss == "softmax":
                discriminant *= DISCRIMINANT_SHARE
            w[:, : n_columns + 1] = np.clip(discriminant, -LARGEST_WEIGHT, LARGEST_WEIGHT)
        return np.zeros(0, dtype=np.int64), w.ravel()
    feature = np.arange(n_columns + 1)
    size = min((n_columns + 1) * forest.n_prototypes, 1 << settings.n_bits)
    if size < (n_columns + 1) * forest.n_prototypes:
        # Multiplicative hashing (Knuth); a feature's classes stay neighbours.
        hashed = feature.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)
        size = max(size, forest.n_prototypes)
        start = hashed.astype(np.int64) % (size - forest.n_prototypes + 1)
    else:
        start = feature * forest.n_prototypes
    return start.astype(np.int64), np.zeros(size, dtype=np.float32)


def _ranking(forest, start, w):
    """What a Model ranks with."""
    if forest.is_sparse:
        rows, bias, table = np.zeros((0, 0)), np.zeros(0), w
    else:
        padded_rows, table = w.reshape(forest.n_prototypes, forest.n_z), w[:0]
        rows, bias = padded_rows[:, : forest.n_columns], padded_rows[:, forest.n_columns]
    return {"ranking": as_short_rows(rows, bias), "table": table, "start": start}


def _mean_sizes(X, place):
    """The means of a row's sum of absolute values and of squares, as the kernel sees them."""
    if sparse.issparse(X):
        values = X.data.astype(np.float64)
        length, square = np.abs(values).sum() / X.shape[0], values @ values / X.shape[0]
        unit = SPARSE_LENGTH / length if length > 0 else 1.0
        return SPARSE_LENGTH, max(square * unit**2, LEAST_SQUARE)
    sample = X[:: max(X.shape[0] // LENGTH_SAMPLE, 1)]
    rows = np.abs((sample - place.shift) * place.scale)
    return float(rows.sum(axis=1).mean()), max(float((rows**2).sum(axis=1).mean()), LEAST_SQUARE)
