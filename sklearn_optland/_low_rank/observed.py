"""Losses of the observed entries of a matrix, with offsets of rows and columns."""

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
    """

    def __init__(self, X, loss, offsets=None):
        self.loss, self.y, self.shape = loss, X.data, X.shape
        self.indptr, self.indices = X.indptr.astype(np.intc), X.indices.astype(np.intc)
        self.rows = np.repeat(np.arange(X.shape[0], dtype=np.intc), np.diff(self.indptr))
        self.offsets = np.zeros(X.nnz) if offsets is None else offsets
        self.ones = np.ones(X.nnz)

    def scores(self, U, V):
        """What factors add to the scores."""
        f = np.empty(len(self.y))
        scores(self.indptr, self.indices, U, V, f)
        return f

    def pulls(self, f):
        """Sum of the losses, and minus their derivatives."""
        theta = np.empty(len(self.y))
        return pulls(self.loss, self.y, self.ones, self.offsets + f, theta), theta

    def fenchel_gap(self, f, theta):
        """The losses' part of the duality gap."""
        return fenchel_gap(self.loss, self.y, self.ones, self.offsets + f, theta)

    def matrix(self, theta):
        """A sparse matrix with numbers at the observed entries."""
        return sparse.csr_array((theta, self.indices, self.indptr), shape=self.shape)

    def row_factors(self, V, alpha):
        """Factors of the rows that minimise the losses plus alpha/2 |u_i|^2."""
        U = np.zeros((self.shape[0], V.shape[1]))
        data = self.indptr, self.indices, self.y, self.offsets
        if row_factors(*data, self.loss, V, alpha, U):
            raise ValueError(
                f"alpha: found {alpha:.3g}; allowed are values that keep the systems of rows "
                "definite, above some 1e-13 times the largest square of a column's factors."
            )
        return U


def fit_offsets(observed):
    """A constant and offsets of rows and columns, shrunk, which minimise the losses.

    Returns
    -------
    mean : float
    rows, columns : ndarray
    """
    n, d = observed.shape
    rows, columns = observed.rows, observed.indices

    def function(theta):
        a, b = theta[1 : n + 1], theta[n + 1 :]
        value, pulls = observed.pulls(theta[0] + a[rows] + b[columns])
        gradient = PRIOR_ENTRIES * np.r_[0.0, a, b]
        value += 0.5 * (theta @ gradient)
        gradient[0] -= pulls.sum()
        gradient[1 : n + 1] -= np.bincount(rows, pulls, minlength=n)
        gradient[n + 1 :] -= np.bincount(columns, pulls, minlength=d)
        return value, gradient

    counts = np.bincount(rows, minlength=n), np.bincount(columns, minlength=d)
    sizes = np.r_[len(rows), counts[0] + PRIOR_ENTRIES, counts[1] + PRIOR_ENTRIES]
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
    mean = float(np.mean(observed.y))
    if observed.loss.log_link:
        return float(np.log(mean))
    return 0.0 if observed.loss.for_classes else mean
