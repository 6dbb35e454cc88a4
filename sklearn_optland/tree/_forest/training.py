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
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.tree._forest.coordinates import LEAST_WEIGHT, coordinates_of
from sklearn_optland.tree._forest.label_trees import (
    SPARSE_LENGTH,
    forest_arrays,
    grow,
    list_frequent_classes,
    visits,
)
from sklearn_optland.tree._forest.search_fast import LabelForest, as_short_rows, route
from sklearn_optland.tree._forest.train_fast import train

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
# Rows that the mean length of a row is taken from.
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
    n_bits: int

    @property
    def n_passes(self):
        """The discriminant is not trained: one pass measures it."""
        return 1 if self.loss == "discriminant" else self.max_iter


def prototypes(X, codes, weights, n_classes, n_prototypes, rng):
    """Cut the rows of each class into clusters.

    Returns
    -------
    prototype : ndarray of shape (n_rows,), int32
    class_of : ndarray, int32
        The class of each prototype, ascending.
    """
    if n_prototypes == 1:
        return codes, np.arange(n_classes, dtype=np.int32)
    prototype, class_of = np.zeros(len(codes), dtype=np.int32), []
    order = np.argsort(codes, kind="stable")
    first = np.searchsorted(codes[order], np.arange(n_classes + 1))
    deviation = 1.0 if sparse.issparse(X) else X.std(axis=0, dtype=np.float64)
    scale = np.divide(1, deviation, where=deviation > 0, out=np.zeros_like(deviation))
    for k in range(n_classes):
        rows = order[first[k] : first[k + 1]]
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
        prototype[rows] = len(class_of) + labels
        class_of += [k] * len(found)
    return prototype, np.array(class_of, dtype=np.int32)


class Candidates:
    """The rows, and the trees that name candidates for them.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_features)
        Of the kind that `as_kind` returns.
    codes : ndarray of shape (n_rows,), int32
        Classes; each has a row.
    weights : ndarray of shape (n_rows,)
        Positive, of mean 1.
    n_classes : int
    settings : Settings
    rng : RandomState
    """

    def __init__(self, X, codes, weights, n_classes, settings, rng):
        own, class_of = prototypes(X, codes, weights, n_classes, settings.n_prototypes, rng)
        floor = LEAST_WEIGHT * weights.max()
        self.source = ArraySource(X, codes=own, weights=np.maximum(weights, floor))
        number, self.place, self.arrays = label_trees(
            self.source, class_of, n_classes, settings, rng
        )
        self.own, self.weights = number[own], weights
        self.rows, self.leaves = visited_leaves(X, self.arrays, settings.beam_width)
        counts = visits(self.arrays, self.leaves, self.own, weights)
        list_frequent_classes(self.arrays, counts)
        self.leaves = self.leaves.reshape(len(own), -1)
        self.forest = LabelForest(**self.arrays, beam=settings.beam_width)

    def train(self, lesson, rng, w, squares):
        """Learn each row once, in random order: the sum of losses; `w` and `squares` change."""
        rows = self.rows, self.leaves, self.own, self.weights
        return learn(self.forest, rows, lesson, rng, w, squares)


@dataclass(frozen=True)
class Lesson:
    """What the kernel is told of a pass, and what decides how many rows a call of it has."""

    is_log_loss: bool
    rate: float
    start: np.ndarray
    values_per_row: float


def learn(forest, rows, lesson, rng, w, squares):
    """Train with rows, once each, in random order; returns the sum of their losses."""
    X, leaves, own, weights = rows
    order = rng.permutation(len(own)).astype(np.int32)
    loss = 0.0
    for first, last in row_blocks(len(own), lesson.values_per_row * forest.max_candidates):
        loss += train(
            forest,
            X,
            lesson.is_log_loss,
            lesson.rate,
            order[first:last],
            leaves,
            own,
            weights,
            lesson.start,
            rng.randint(np.iinfo(np.int32).max),
            w,
            squares,
        )
    return loss


def visited_leaves(X, arrays, beam):
    """Rows as kernels see them, and the leaves they visit, of shape (n_rows, n_trees, beam)."""
    rows, forest = as_rows(X, in_order=False), LabelForest(**arrays, beam=beam)
    leaves = np.empty((X.shape[0], forest.n_trees * forest.beam), dtype=np.int32)
    for first, last in row_blocks(X.shape[0], forest.n_z * forest.depth * forest.n_trees):
        route(forest, rows, first, last, leaves)
    return rows, leaves.reshape(-1, forest.n_trees, forest.beam)


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
    source, forest, place = candidates.source, candidates.forest, candidates.place
    start, w = _weights(place, forest, settings, source.n_columns)
    is_trained = settings.loss != "discriminant"
    rate = min(settings.learning_rate, LARGEST_LEARNING_RATE) if is_trained else 0.0
    rate *= SPARSE_RATE if forest.is_sparse else DENSE_RATE
    rate /= _mean_length(source, place) + 1
    lesson = Lesson(settings.loss != "squared_hinge", rate, start, source.n_values)
    squares, average = np.zeros_like(w), w
    averaged = 0
    for step in range(settings.n_passes):
        loss = candidates.train(lesson, rng, w, squares)
        if step >= settings.n_passes // 2:  # the mean of the later half of the passes
            averaged += 1
            if averaged == 1:
                average = w.copy()
            else:
                average += (w - average) / averaged
        parameters = {**candidates.arrays, **_ranking(forest, start, average)}
        yield Step(parameters, {"objective": loss / source.n_rows, "passes": step + 1})


def label_trees(source, class_of, n_classes, settings, rng):
    """Trees over the prototypes of the classes.

    Parameters
    ----------
    source : ArraySource or another source
        With columns codes, the prototypes of the rows, and weights.
    class_of : ndarray of int32
        The class of each prototype, ascending.
    n_classes, settings, rng
        As `Candidates` takes them.

    Returns
    -------
    number : ndarray of int32
        Of the prototypes, as the trees have them.
    place : Coordinates
        Of the prototypes.
    arrays : dict
        What LabelForest takes, besides the width of the beam.
    """
    place = coordinates_of(source, len(class_of), rng)
    trees = [grow(place.means, place.prior, rng)]
    # Prototypes are numbered as the first tree has them, so that candidates are neighbours.
    order = np.concatenate(trees[0].leaves)
    number = np.empty(len(order), dtype=np.int32)
    number[order] = np.arange(len(order))
    trees[0].leaves = [number[leaf] for leaf in trees[0].leaves]
    place.means, place.prior = place.means[order], place.prior[order]
    trees += [grow(place.means, place.prior, rng) for _ in range(1, settings.n_estimators)]
    arrays = {
        **forest_arrays(source, place, trees),
        "class_of": class_of[order],
        "n_classes": n_classes,
    }
    return number, place, arrays


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


def _mean_length(source, place):
    """The mean of a row's sum of absolute values, as the kernel sees them."""
    if source.is_sparse:
        return SPARSE_LENGTH
    sample = source.take(slice(None, None, max(source.n_rows // LENGTH_SAMPLE, 1))).X
    return float(np.abs((sample - place.shift) * place.scale).sum(axis=1).mean())
