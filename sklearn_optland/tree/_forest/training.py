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
from sklearn_optland.tree._forest.coordinates import LEAST_WEIGHT, coordinates
from sklearn_optland.tree._forest.label_trees import (
    LISTED_CLASSES,
    LISTED_OF_SEVERAL,
    forest_arrays,
    grow,
    list_frequent_classes,
    sparse_columns,
    sparse_scale,
    visits,
)
from sklearn_optland.tree._forest.ranking import NO_RANKING, ranking_of, share_of
from sklearn_optland.tree._forest.search_fast import LabelForest, route
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
# Classes of a row, on average, from which on rows have several. Then labels have few rows each, and
# leaves have scores: what tells similar labels from others is learned from the rows of them all.
SEVERAL = 1.5
NONE = np.zeros((0, 1), dtype=np.int32)


@dataclass(frozen=True)
class Settings:
    """What a training run is told."""

    n_estimators: int
    beam_width: int
    loss: str
    n_prototypes: int
    max_iter: int
    learning_rate: float
    C: float | str
    n_bits: int
    vote_factor: float = 0.0
    # Of sparse rows whose values are scored: what the discriminant counts beside that, and the
    # power of the coordinates' scales that the values have.
    discriminant_factor: float = 0.0
    column_power: float = 0.0

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
        own, class_of = prototypes(X, Y, weights, settings.n_prototypes, rng)
        weights = np.maximum(weights, LEAST_WEIGHT * weights.max())
        self.source = ArraySource(X, Y=own, weights=weights)
        number, self.place, self.arrays = label_trees(
            self.source, class_of, Y.shape[1], settings, rng
        )
        self.rows = VisitingRows(self.source, self.arrays, number, settings.beam_width)
        has_several = own.nnz >= SEVERAL * own.shape[0]
        self.homes = homes(self.arrays) if has_several and self.source.is_sparse else {}
        n_listed = LISTED_OF_SEVERAL if has_several else LISTED_CLASSES
        list_frequent_classes(self.arrays, self.rows.visits(self.arrays), n_listed)
        self.most_own = int(np.diff(own.indptr).max())
        self.forest = LabelForest(**self.arrays, beam=settings.beam_width)

    def train(self, lesson, rng, w, squares, alpha):
        """Learn each row once, in random order; returns the sum of the losses.

        `w`, `squares` and `alpha` change.
        """
        order = rng.permutation(self.source.n_rows).astype(np.int32)
        return self.rows.learn(self.forest, lesson, order, rng, w, squares, alpha)


class VisitingRows:
    """Rows as kernels see them, and the leaves that they visit.

    Parameters
    ----------
    source : ArraySource
        With columns Y, the prototypes of each row, and weights.
    arrays : dict
        As `label_trees` returns them.
    number : ndarray of int32
        Of the prototypes, as the trees have them.
    beam_width : int
    """

    def __init__(self, source, arrays, number, beam_width):
        self.own = with_columns(source.Y, number[source.Y.indices], len(number))
        self.weights, self.rows = source.weights, as_rows(source.X, in_order=False)
        self.values_per_row = source.n_values
        forest = LabelForest(**arrays, beam=beam_width)
        self.leaves = np.empty((source.n_rows, forest.n_trees * forest.beam), dtype=np.int32)
        for first, last in row_blocks(source.n_rows, forest.n_z * forest.depth * forest.n_trees):
            route(forest, self.rows, first, last, self.leaves)

    def visits(self, arrays):
        """Count the visits to leaves by class: a csr_array of shape (n_leaves, n_prototypes)."""
        leaves = self.leaves.reshape(len(self.leaves), len(arrays["roots"]), -1)
        return visits(arrays, leaves, self.own, self.weights)

    def learn(self, forest, lesson, order, rng, w, squares, alpha, moved=NONE):
        """As `Candidates.train`, in the order given; `moved`, a row each, lists who has learned."""
        loss, is_dual = 0.0, alpha.shape[0] > 0
        for first, last in row_blocks(len(order), lesson.values_per_row * forest.max_candidates):
            loss += train(
                forest,
                self.rows,
                order[first:last],
                self.leaves,
                self.own.indptr,
                self.own.indices,
                self.weights,
                lesson.start,
                lesson.seed if is_dual else rng.randint(np.iinfo(np.int32).max),
                lesson.rate,
                lesson.C,
                w,
                squares,
                alpha,
                moved[first:last],
            )
        return loss


@dataclass(frozen=True)
class Lesson:
    """What the kernel is told of all passes.

    `seed` is that of the dual ascent, whose rows have the same random candidates in each pass.
    `values_per_row` decides how many rows a call of it has.
    """

    rate: float
    C: float
    start: np.ndarray
    seed: int
    values_per_row: float


def passes(candidates, settings, rng):
    """Train the model that ranks candidates.

    Parameters
    ----------
    candidates : Candidates or PartitionedCandidates
    settings : Settings
    rng : RandomState

    Yields
    ------
    step : Step
        Its parameters are what Model takes; the next pass changes these arrays. The objective is
        the mean loss in the pass, while the weights moved.
    """
    source, place = candidates.source, candidates.place
    is_dual = settings.loss == "squared_hinge"
    arrays = candidates.arrays | (candidates.homes if is_dual else {})
    if settings.column_power > 0:
        arrays |= sparse_columns(source, place, settings.column_power)
    candidates.forest = forest = LabelForest(**arrays, beam=settings.beam_width)
    start, w = _weights(place, forest, settings, source.n_columns)
    width = forest.max_scored(candidates.most_own)
    alpha = np.zeros((source.n_rows if is_dual else 0, width), dtype=np.float32)
    squares = np.zeros(len(w) if settings.loss == "softmax" else 0, dtype=np.float32)
    candidates.squares = squares
    candidates.sizes = mean_sizes(source, place, settings.column_power)
    seed = rng.randint(np.iinfo(np.int32).max)
    steps = rate_and_C(candidates.sizes, source.is_sparse, settings)
    lesson = Lesson(*steps, start, seed, source.n_values)
    beside = NO_RANKING
    if settings.discriminant_factor > 0:
        beside = share_of(ranking_of(discriminant(place, True)), settings.discriminant_factor)
    average, averaged = w, 0
    for step in range(settings.n_passes):
        loss = candidates.train(lesson, rng, w, squares, alpha)
        if step >= settings.n_passes // 2 and not is_dual:  # the mean of the later half
            averaged += 1
            if averaged == 1:
                average = w.copy()
            else:
                average += (w - average) / averaged
        parameters = {**arrays, **beside, **_ranking(forest, place, start, average)}
        yield Step(parameters, {"objective": loss / source.n_rows, "passes": step + 1})


def homes(arrays):
    """The leaf of each tree that prototypes were grown into, as LabelForest takes it."""
    n_trees = len(arrays["roots"])
    members = arrays["leaf_members"].reshape(n_trees, -1)  # each tree has them all once
    sizes = np.diff(arrays["leaf_start"])
    leaves = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes).reshape(n_trees, -1)
    found = np.empty(members.T.shape, dtype=np.int32)
    for tree in range(n_trees):
        found[members[tree], tree] = leaves[tree]
    return {"homes": found}


def rate_and_C(sizes, is_sparse, settings):
    """The rate of AdaGrad, and C, for rows of these `mean_sizes`."""
    length, square = sizes
    rate = min(settings.learning_rate, LARGEST_LEARNING_RATE)
    rate *= SPARSE_RATE if is_sparse else DENSE_RATE
    if settings.loss == "discriminant":
        rate = 0.0
    return rate / (length + 1), min(settings.C, LARGEST_C) / square


def label_trees(source, class_of, n_classes, settings, rng):
    """Trees over the prototypes of the classes.

    Parameters
    ----------
    source : ArraySource or DaskSource
        As `coordinates` takes it, of prototypes.
    class_of : ndarray of int32
        The class of each prototype, ascending.
    n_classes : int
    settings : Settings
    rng : RandomState

    Returns
    -------
    number : ndarray of int32
        Of the prototypes, as the trees have them.
    place : Coordinates
        Of the prototypes.
    arrays : dict
        What LabelForest takes, besides the width of the beam.
    """
    place = coordinates(source, len(class_of), rng)
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
        "prior_votes": np.zeros(len(order), dtype=np.float32),
        "vote_factor": settings.vote_factor,
    }
    return number, place, arrays


def _weights(place, forest, settings, n_columns):
    """Where the weights of a sparse feature start in the table, and the weights to begin with.

    Without a table, weights are those of z.
    """
    if not forest.is_sparse or settings.loss == "discriminant":
        w = np.zeros((forest.n_prototypes, forest.n_z), dtype=np.float32)
        if settings.loss != "squared_hinge":
            rows = discriminant(place, forest.is_sparse)
            if settings.loss == "softmax":
                rows *= DISCRIMINANT_SHARE
            w[:, : rows.shape[1]] = rows
        return np.zeros(0, dtype=np.int64), w.ravel()
    feature = np.arange(n_columns + 1)
    size = min((n_columns + 1) * forest.n_scored, 1 << settings.n_bits)
    if size < (n_columns + 1) * forest.n_scored:
        size = max(size, forest.n_scored)
        start = hashed_starts(feature, size - forest.n_scored + 1)
    else:
        start = feature * forest.n_scored
    return start.astype(np.int64), np.zeros(size, dtype=np.float32)


def hashed_starts(features, n_places):
    """Where features' weights start in a table that they share; their classes stay neighbours.

    Multiplicative hashing (Knuth).
    """
    hashed = features.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)
    return hashed.astype(np.int64) % n_places


def discriminant(place, is_sparse):
    """Weights of z, and a constant behind them, whose scores are those of the discriminant.

    z of a sparse row are the coordinates themselves.
    """
    way = () if is_sparse else (place.basis, place.offset)
    return np.clip(
        discriminant_rows(place.means, place.prior, *way), -LARGEST_WEIGHT, LARGEST_WEIGHT
    )


def discriminant_rows(means, prior, basis=None, offset=None):
    """The same of some classes; without a basis, of the coordinates."""
    constant = -0.5 * np.sum(means**2, axis=1)
    if basis is None:
        return np.column_stack([means, constant + np.log(prior)])
    return np.column_stack([means @ basis.T, constant - means @ offset + np.log(prior)])


def _ranking(forest, place, start, w):
    """What a Model ranks with; the discriminant beside a table is made once, by `passes`."""
    if len(start):
        return {"table": w, "start": start}
    rows = w.reshape(forest.n_prototypes, forest.n_z)
    n = place.means.shape[1] if forest.is_sparse else forest.n_columns
    return {**ranking_of(rows[:, : n + 1]), "table": w[:0], "start": start}


def mean_sizes(source, place, column_power):
    """The means of a row's sum of absolute values and of squares, as the kernel sees them."""
    if source.is_sparse:
        _, length, square = sparse_scale(source, place, column_power)
        return length, max(square, LEAST_SQUARE)
    sample = source.take(slice(None, None, max(source.n_rows // LENGTH_SAMPLE, 1))).X
    rows = np.abs((sample - place.shift) * place.scale)
    return float(rows.sum(axis=1).mean()), max(float((rows**2).sum(axis=1).mean()), LEAST_SQUARE)
