"""A forest of `leaf="rerank"` on rows in partitions: trees of exact sums, a ranking model in turns.

The classes' means and their covariance are sums over the partitions, and so are the visits to the
leaves; the trees are those of a fit in memory. The ranking model is trained by one partition after
the other, on its rows in random order: it depends on the partitions, as stochastic gradients do on
the order of the rows. The squared hinge is not trained: its dual variables, which belong to rows,
would have to be kept between the passes of partitions that may be lost.
"""

from functools import partial

import numpy as np
from scipy import sparse

from sklearn_optland._rows.reduce import ExtremeOf, Statistic, reduce
from sklearn_optland.tree._forest.coordinates import LEAST_WEIGHT
from sklearn_optland.tree._forest.label_trees import list_frequent_classes
from sklearn_optland.tree._forest.ranking import (
    MAX_DENSE_COLUMNS,
    counts_of_columns,
    used_columns,
    with_used_columns,
)
from sklearn_optland.tree._forest.search_fast import LabelForest
from sklearn_optland.tree._forest.training import VisitingRows, label_trees
from sklearn_optland.tree._training_rows import LARGEST_VALUE, one_class_each, refuse_unless


def refuse_on_partitions(forest):
    """An error for settings that need all rows in this process."""
    allowed = {
        "leaf": ("rerank",),
        "n_prototypes": ("auto", 1),
        "loss": ("auto", "softmax", "discriminant"),
    }
    if forest.class_weight == "balanced":  # counts rows, of which partitions know weights
        allowed["class_weight"] = (None,)
    refuse_unless(forest, "collections of Dask, or blocks", **allowed)


def partitioned_rows(rows):
    """The rows of a `DaskRows` as a source with columns Y and weights, of mean 1.

    Returns
    -------
    source : DaskSource
    met : ndarray of int
        The classes that have weight; those of Y.
    columns : dict
        Of sparse rows "column_of", as `used_columns` returns it: the source has these columns.
    """
    met = np.flatnonzero(rows.has_weight)
    mean = rows.total_weight / rows.n_used
    least = LEAST_WEIGHT * rows.largest_weight / mean
    columns = partial(_classes_and_weights, met=met, mean=mean, least=least)
    source = rows.source(columns, ("Y", "weights"), in_order=False)
    if source.is_sparse and source.n_columns <= MAX_DENSE_COLUMNS:
        raise ValueError(
            f"X: found CSR partitions of {source.n_columns} columns; allowed are dense ones up to "
            f"{MAX_DENSE_COLUMNS} columns."
        )
    largest = float(reduce(LargestValue(source), source)[1])
    if largest > LARGEST_VALUE:
        raise ValueError(
            f"X: found a value of size {largest:.3g}; allowed are {LARGEST_VALUE:g} at most."
        )
    columns = {}
    if source.is_sparse:
        counts = reduce(ColumnCounts(source), source)[1]
        columns["column_of"], n_used = used_columns(counts)
        function = partial(with_used_columns, column_of=columns["column_of"], n_used=n_used)
        source = source.with_rows(function, n_used)
    return source, met, columns


def _classes_and_weights(y, w, met, mean, least):
    codes = np.searchsorted(met, y).astype(np.int32)
    return {"Y": one_class_each(codes, len(met)), "weights": np.maximum(w / mean, least)}


class LargestValue(ExtremeOf):
    """The largest magnitude of the rows' values."""

    def __init__(self, source):
        super().__init__(None, np.maximum)
        self.values = 2 * source.n_values

    def add(self, block, parameters, total):
        """Compare a block's."""
        X = block.source.X[block.slice]
        values = X.data if sparse.issparse(X) else X
        self.merge(total, np.abs(values).max(initial=0.0))


class ColumnCounts(Statistic):
    """Values that sparse rows have in each column."""

    dtype = np.int64

    def __init__(self, source):
        self.values, self.shape = source.n_values, (source.n_columns,)

    def add(self, block, parameters, total):
        """Count those of a block."""
        total += counts_of_columns(block.source.X[block.slice])


class Visits(Statistic):
    """Visits to leaves by class; parameters are the arrays of `label_trees`, and `number`."""

    def __init__(self, source, beam_width):
        self.values, self.beam_width = source.n_values, beam_width

    def zero(self, parameters):
        """Return the counts of no rows, in a list."""
        arrays, _ = parameters
        return [sparse.csr_array((len(arrays["leaf_start"]) - 1, len(arrays["class_of"])))]

    def add(self, block, parameters, total):
        """Count those of a block."""
        arrays, number = parameters
        rows = VisitingRows(block.source.take(block.slice), arrays, number, self.beam_width)
        self.merge(total, [rows.visits(arrays)])

    def merge(self, total, part):
        """Add other rows."""
        total[0] = total[0] + part[0]


class PartitionedCandidates:
    """As `Candidates`, of rows in partitions; a prototype for each class, and a class a row.

    Parameters
    ----------
    source : DaskSource
        As `partitioned_rows` makes it.
    n_classes, settings, rng
        As `Candidates` takes them.
    """

    most_own, homes = 1, {}

    def __init__(self, source, n_classes, settings, rng):
        self.source, self.beam_width = source, settings.beam_width
        class_of = np.arange(n_classes, dtype=np.int32)
        self.number, self.place, self.arrays = label_trees(
            source, class_of, n_classes, settings, rng
        )
        parameters = self.arrays, self.number
        (counts,) = reduce(Visits(source, self.beam_width), source, parameters)[1]
        list_frequent_classes(self.arrays, counts)
        self.forest = LabelForest(**self.arrays, beam=self.beam_width)

    def train(self, lesson, rng, w, squares, alpha):
        """As `Candidates.train`, one partition after the other: `w` and `squares` go round.

        `alpha` is empty, since there is no squared hinge.
        """
        seed = rng.randint(np.iinfo(np.int32).max)
        trees = self.arrays, self.number, self.beam_width
        function = partial(_learn_partition, trees, lesson, alpha, seed)
        _, loss, w[:], squares[:] = self.source.in_turn(function, (0, 0.0, w, squares))
        return loss


def _learn_partition(trees, lesson, alpha, seed, source, state):
    """Learn a partition's rows; the state is its number, the sum of losses, `w` and `squares`."""
    arrays, number, beam_width = trees
    turn, loss, w, squares = state
    w, squares = w.copy(), squares.copy()  # without a cluster they are the driver's
    rows = VisitingRows(source, arrays, number, beam_width)
    rng = np.random.RandomState([seed, turn])
    forest = LabelForest(**arrays, beam=beam_width)
    order = rng.permutation(source.n_rows).astype(np.int32)
    loss += rows.learn(forest, lesson, order, rng, w, squares, alpha)
    return turn + 1, loss, w, squares
