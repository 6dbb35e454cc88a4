"""Losses of the observed entries of a matrix, with offsets of rows and columns."""

from copy import copy

import numpy as np
from scipy import sparse

from sklearn_optland._loss.scalar_losses_fast import fenchel_gap, pulls
from sklearn_optland._low_rank.observed_fast import row_factors, scores
from sklearn_optland._optim.lbfgs import Memory, minimize

# Offsets are shrunk as if each row and column had so many more entries, of offset 0.
PRIOR_ENTRIES = 5.0
# Steps of their fit, and the least that ten of them must bring, relative to the objective.
OFFSET_STEPS = 200
OFFSET_TOL = 1e-10


class Observed:
    """Entries by rows, their losses, and the offsets that scores begin with.

    Parameters
    ----------
    X : CSR array of float64 of shape (n_rows, n_columns)
        Stored entries are the observed ones.
    loss : ScalarLoss
    offsets : ndarray of shape (nnz,), default=None
        Parts of the scores that are not fitted.
    weights : ndarray of shape (n_rows,), default=None
        Positive weights s of the rows. None: all 1. Factors U~ are then those of the rows times
        the roots of s, so that a row of weight two counts like two rows.
    """

    def __init__(self, X, loss, offsets=None, weights=None):
        self.loss, self.y, self.shape = loss, X.data, X.shape
        self.indptr, self.indices = X.indptr.astype(np.intc), X.indices.astype(np.intc)
        self.rows = np.repeat(np.arange(X.shape[0], dtype=np.intc), np.diff(self.indptr))
        self.offsets = np.zeros(X.nnz) if offsets is None else offsets
        self.ones = np.ones(X.nnz)
        self.weights = weights
        self.c = self.ones if weights is None else weights[self.rows]

    def scores(self, U, V):
        """What factors add to the scores."""
        f = np.empty(len(self.y))
        if self.weights is not None:
            U = U / np.sqrt(self.weights)[:, None]
        scores(self.indptr, self.indices, U, V, f)
        return f

    def pulls(self, f):
        """Weighted sum of the losses, and minus their derivatives, without weights."""
        theta = np.empty(len(self.y))
        return pulls(self.loss, self.y, self.c, self.offsets + f, theta), theta

    def fenchel_gap(self, f, theta):
        """The losses' part of the duality gap."""
        return fenchel_gap(self.loss, self.y, self.c, self.offsets + f, theta)

    def matrix(self, theta):
        """A sparse matrix with numbers at the observed entries."""
        return sparse.csr_array((theta, self.indices, self.indptr), shape=self.shape)

    def pull_matrix(self, theta):
        """The sum's negative gradient by the matrix U~V'."""
        return self.matrix(theta if self.weights is None else np.sqrt(self.c) * theta)

    def transposed(self):
        """The same entries by columns; what were rows of some weight are entries of it."""
        other, order = copy(self), self.matrix(np.arange(1.0, len(self.y) + 1)).T.tocsr()
        number = order.data.astype(np.intp) - 1
        for name in ("y", "c", "offsets"):
            setattr(other, name, getattr(self, name)[number])
        other.shape, other.weights = self.shape[::-1], None
        other.indptr, other.indices = order.indptr.astype(np.intc), order.indices.astype(np.intc)
        other.rows = self.indices[number]
        return other

    def row_factors(self, V, alpha, l1=None, positive=False):
        """Factors of the rows that minimise the losses plus alpha/2 |u_i|^2 + sum_k l1_k |u_ik|.

        `positive` keeps them from being negative.
        """
        U = np.zeros((self.shape[0], V.shape[1]))
        c = self.c if self.weights is None else self.ones
        data = self.indptr, self.indices, self.y, c, self.offsets
        l1 = np.zeros(V.shape[1]) if l1 is None else l1
        if row_factors(*data, self.loss, V, alpha, l1, positive, U):
            raise ValueError(
                f"alpha: found {alpha:.3g}; allowed are values that keep the systems of rows "
                "definite, above some 1e-13 times the largest square of a column's factors."
            )
        return U


def fit_offsets(observed):
    """A constant and offsets of rows and columns, shrunk, which minimise the weighted losses.

    Returns
    -------
    mean : float
    rows, columns : ndarray
    """
    n, d = observed.shape
    rows, columns = observed.rows, observed.indices
    s = np.ones(n) if observed.weights is None else observed.weights
    prior = PRIOR_ENTRIES * np.r_[0.0, s, np.ones(d)]

    def function(theta):
        a, b = theta[1 : n + 1], theta[n + 1 :]
        value, pulls = observed.pulls(theta[0] + a[rows] + b[columns])
        pulls *= observed.c
        gradient = prior * theta
        value += 0.5 * (theta @ gradient)
        gradient[0] -= pulls.sum()
        gradient[1 : n + 1] -= np.bincount(rows, pulls, minlength=n)
        gradient[n + 1 :] -= np.bincount(columns, pulls, minlength=d)
        return value, gradient

    c = observed.c
    sizes = prior + np.r_[c.sum(), np.bincount(rows, c, n), np.bincount(columns, c, d)]
    values = []
    start = np.zeros(n + d + 1)
    start[0] = _constant(observed)
    for _, step in zip(
        range(OFFSET_STEPS),
        minimize(function, start, Memory(10), lambda g: g / sizes),
        strict=False,
    ):
        values.append(step.loss)
        if step.done or (len(values) > 10 and values[-11] - values[-1] <= OFFSET_TOL * values[-1]):
            break
    theta = step.parameters
    return float(theta[0]), theta[1 : n + 1], theta[n + 1 :]


def row_offsets(observed):
    """Offsets of rows alone: the scores hold the rest already."""
    one = np.ones((observed.shape[1], 1))
    return observed.row_factors(one, PRIOR_ENTRIES)[:, 0]


def _constant(observed):
    """Where the constant starts: the best one, roughly."""
    mean = float(np.average(observed.y, weights=observed.c))
    if observed.loss.log_link:
        return float(np.log(mean))
    return 0.0 if observed.loss.for_classes else mean
