"""Coordinates in which every class has covariance I, as far as one covariance can do that for all.

They are those of linear discriminant analysis. What is called a class here may be a prototype, one
of several that a class has.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from sklearn.utils.extmath import randomized_svd

from sklearn_optland._rows.reduce import Statistic, reduce
from sklearn_optland.tree._training_rows import row_of_pairs

# Up to so many dense features have a covariance of their own; more, and sparse ones, are first
# projected on the leading singular directions of the classes' means.
MAX_COVARIANCE = 1000
# With a constant behind them, sparse rows have 128.
SINGULAR_DIRECTIONS = 127
# The most dimensions of the coordinates.
MAX_RANK = 128
# Added to the eigenvalues of the covariance within classes, whose mean is 1; many sparse features
# are better spread over few directions.
DENSE_RIDGE = 0.03
SPARSE_RIDGE = 0.1
# The least variance within classes, in units of that between them.
LEAST_WITHIN = 1e-6
# A variance within classes, relative to that of all rows, that is nothing but rounding.
ROUNDING = 1e-9
# Of the largest: a row of less weight would take squares and priors out of float64's range.
LEAST_WEIGHT = 1e-100
# Added to the variance of a sparse feature, in units of their mean: rare ones would rule otherwise.
SPARSE_FLOOR = 1.0
# Arrays of a block that are float64, and as wide as the coordinates.
BLOCK_ARRAYS = 8


@dataclass
class Coordinates:
    """Where trees see rows and classes.

    With z = (x - shift) scale, the coordinates of a row x are z'basis - offset; `means` has those
    of the classes' means, and `total` is the weight of all pairs of a row and a class.
    """

    shift: np.ndarray
    scale: np.ndarray
    basis: np.ndarray
    offset: np.ndarray
    means: np.ndarray
    prior: np.ndarray
    total: float


def coordinates(source, n_classes, rng):
    """Discriminant coordinates of weighted rows; in all sums a row stands once for each class.

    Parameters
    ----------
    source : ArraySource or DaskSource
        With the columns Y, a csr_array of shape (n_rows, n_classes) of the classes of the rows,
        each of which has at least one, and weights, none below `LEAST_WEIGHT` of the largest.
    n_classes : int
    rng : RandomState

    Returns
    -------
    place : Coordinates
    """
    n_pairs, (means, totals) = reduce(ClassSums(source, n_classes), source)
    total, prior = totals.sum(), totals / totals.sum()
    if source.is_sparse:
        means = sparse.diags_array(1 / totals) @ means
        shift = np.zeros(source.n_columns)
    else:
        means /= totals[:, None]
        shift = prior @ means
        means -= shift
    between = prior @ (means.power(2) if source.is_sparse else means**2)
    _, overall = reduce(Squares(source), source, (shift,))
    scale = _feature_scale(overall / total, between, source.is_sparse)
    if source.is_sparse:
        means = means @ sparse.diags_array(scale)
    else:
        means *= scale
    directions = None  # the features themselves
    if source.is_sparse or source.n_columns > MAX_COVARIANCE:
        rank = min(SINGULAR_DIRECTIONS, n_classes, source.n_columns)
        root = sparse.diags_array(np.sqrt(prior))
        directions = randomized_svd(root @ means, rank, n_iter=4, random_state=rng)[2].T
        means = means @ directions
    projection = scale[:, None] * directions if source.is_sparse else directions
    scatter = Scatter(source, n_pairs, means.shape[1])
    _, within = reduce(scatter, source, (shift, scale, projection, means))
    basis, offset, means = _whitened(
        within / total, means, prior, SPARSE_RIDGE if source.is_sparse else DENSE_RIDGE
    )
    if directions is not None:
        basis = directions @ basis
    return Coordinates(shift, scale, basis, offset, means, prior, float(total))


class ClassSums(Statistic):
    """Weighted sums of the rows of each class, sparse if the rows are, and weights of the classes.

    The number beside them is that of pairs of a row and a class.
    """

    def __init__(self, source, n_classes):
        self.values, self.is_sparse = source.n_values, source.is_sparse
        self.shape = n_classes, source.n_columns

    def zero(self, parameters):
        """Return the sums of no rows."""
        sums = sparse.csc_array(self.shape) if self.is_sparse else np.zeros(self.shape)
        return [sums, np.zeros(self.shape[0])]

    def add(self, block, parameters, total):
        """Add the rows of a block."""
        source, Y = block.source, block.source.Y[block.slice]
        weights = source.weights[block.slice]
        sums = (sparse.diags_array(weights) @ Y).T @ source.X[block.slice].astype(np.float64)
        self.merge(total, [sums, Y.T @ weights])
        return Y.nnz

    def merge(self, total, part):
        """Add other rows."""
        total[1] += part[1]
        if not self.is_sparse:
            total[0] += part[0]
        else:
            total[0] = total[0] + part[0] if total[0].nnz else part[0]


class Squares(Statistic):
    """Weighted sums of the squares of the features, dense ones less `shift`."""

    def __init__(self, source):
        self.values, self.shape = source.n_values, source.n_columns

    def add(self, block, parameters, total):
        """Add the rows of a block."""
        (shift,) = parameters
        source, X = block.source, block.source.X[block.slice]
        copies = source.weights[block.slice] * np.diff(source.Y[block.slice].indptr)
        is_sparse = source.is_sparse
        total += copies @ (X.astype(np.float64).power(2) if is_sparse else (X - shift) ** 2)


class Scatter(Statistic):
    """Weighted products of the rows' differences from the means of their classes.

    Parameters are the shift and the scale of the features, what projects rows then (None: nothing;
    of sparse rows, at once) and the classes' means there.
    """

    def __init__(self, source, n_pairs, width):
        classes_per_row = max(n_pairs / source.n_rows, 1.0)
        self.values = BLOCK_ARRAYS * max(source.n_values, width) * classes_per_row
        self.shape = width, width

    def add(self, block, parameters, total):
        """Add the rows of a block."""
        shift, scale, projection, means = parameters
        source = block.source
        if source.is_sparse:
            rest = source.X[block.slice] @ projection
        else:
            rest = (source.X[block.slice] - shift) * scale
            rest = rest if projection is None else rest @ projection
        Y = source.Y[block.slice]
        row = row_of_pairs(Y)
        rest = rest[row] - means[Y.indices]
        rest *= np.sqrt(source.weights[block.slice][row, None])
        total += rest.T @ rest


def _feature_scale(overall, between, is_sparse):
    """1 / standard deviation within classes; 0 for a feature that is constant."""
    within = overall - between
    if is_sparse:
        within = np.maximum(within, 0)
        within[within <= ROUNDING * overall] = 0
        # Rows that are all as their class has them vary between classes only.
        variance = within + SPARSE_FLOOR * within.mean() if within.any() else overall
    else:
        # A feature that is constant within every class has its variance between them for a scale.
        variance = np.where(within > ROUNDING * overall, within, overall)
    used = (overall > 0) & (variance > 0)
    return np.divide(1, np.sqrt(variance), where=used, out=np.zeros_like(variance))


def _whitened(within, means, prior, ridge):
    """Basis, offset and means in coordinates of unit covariance within classes."""
    d = len(within)
    # Rows that are all at their class's mean have rounding errors for a covariance.
    apart = prior @ np.sum((means - prior @ means) ** 2, axis=1)
    variance = max(np.trace(within), LEAST_WITHIN * apart) / max(d, 1)
    values, vectors = linalg.eigh(within)
    vectors = _signed(vectors)
    values = np.maximum(values, 0) + ridge * (variance if variance > 0 else 1)
    whitening = vectors / np.sqrt(values)
    whitened = means @ whitening
    centre = prior @ whitened
    whitened -= centre
    # The classes' means span at most n_classes - 1 dimensions; of a single class, one is taken.
    rank = min(MAX_RANK, d, max(len(prior) - 1, 1))
    between = whitened.T @ (prior[:, None] * whitened)
    axes = _signed(linalg.eigh(between)[1][:, d - rank :])
    return whitening @ axes, centre @ axes, whitened @ axes


def _signed(vectors):
    """Columns with a positive largest entry: rounding should not choose the sign."""
    largest = np.argmax(np.abs(vectors), axis=0)
    return vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
