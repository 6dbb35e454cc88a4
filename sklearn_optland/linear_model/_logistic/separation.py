"""Which rows a hyperplane separates: a linear program whose two solutions prove the answer.

A has a row (e_y - e_j) kron (x, 1) for each row x of class y and each other class j; parameters v
separate it where Av > 0. The most that one v with Av >= 0 can separate is

    max sum_i t_i   over v and 0 <= t <= 1 with Av >= t,
    min sum_i max(0, 1 - q_i)   over q >= 0 with A'q = 0,

the program of Konis (2007) with margins capped at 1 instead of a box around v. At the optimum t is
0 or 1: v grows until a margin that can be positive is 1. Where t is 1, v is the proof; where it is
0, q >= 1 is: q'Av = 0 leaves no v with Av >= 0 a positive margin there.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from sklearn_optland.linear_model._logistic.faces import MOST_PARAMETERS, separate

# Means, in deviations, from which on a dense column is centred for the solver's tolerances.
FAR = 10.0
# What the solver's tolerances may leave of a margin that is 0, beside those that are 1.
LEFT = 1e-4
# A parameter that is rounding, relative to the largest in units of the columns.
NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class Separation:
    """What separates the most rows.

    Parameters
    ----------
    W : ndarray of shape (n_columns + 1, k)
        Parameters of the scores, the intercept last; k = 1 for two classes. Zero if classes
        overlap.
    margins : ndarray of shape (n_rows, n_classes - 1)
        By how much the score of a row's class exceeds each other one's.
    weights : ndarray of shape (n_rows, n_classes - 1)
        q.
    """

    W: np.ndarray
    margins: np.ndarray
    weights: np.ndarray

    @property
    def rows(self):
        """Indices of the rows that are separated from another class."""
        return np.flatnonzero((self.margins > 0.5).any(axis=1))

    @property
    def columns(self):
        """Indices of the columns that separate them."""
        return np.flatnonzero(self.W[:-1].any(axis=1))

    @property
    def kind(self):
        is_separated = self.margins > 0.5
        if is_separated.all():
            return "complete"
        return "quasi-complete" if is_separated.any() else "overlap"


def most_separated(X, codes, n_classes, fit_intercept, seconds=np.inf):
    """Solve the program, of several classes with few columns by Newton's method if that proves it.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_columns)
    codes : ndarray of shape (n_rows,)
        Class numbers.
    n_classes : int
    fit_intercept : bool
    seconds : float, default=np.inf
        The most that each of the two methods may take.

    Returns
    -------
    separation : Separation

    Raises
    ------
    ArithmeticError
        If HiGHS ends without an answer, or with one that does not prove itself.
    """
    X, origin, unit = _in_units(X, fit_intercept)
    if n_classes > 2 and n_classes * X.shape[1] <= MOST_PARAMETERS:
        found = _by_faces(X, codes, n_classes, fit_intercept, origin, unit, seconds)
        if found is not None:
            return found
    A = differences(X, codes, n_classes)
    n_pairs, n_parameters = A.shape
    answer = linprog(
        np.repeat([-1.0, 0.0], n_pairs),
        A_eq=sparse.hstack([A.T, A.T], format="csc"),
        b_eq=np.zeros(n_parameters),
        bounds=np.repeat([[0.0, 1.0], [0.0, np.inf]], n_pairs, axis=0),
        options={} if seconds == np.inf else {"time_limit": seconds},
    )
    if answer.status != 0:
        raise ArithmeticError(f"separation: HiGHS found no answer: {answer.message}")
    v = answer.eqlin.marginals
    v[np.abs(v) <= NEGLIGIBLE * np.abs(v).max(initial=0.0)] = 0.0
    margins, weights = -(A @ v), answer.x[:n_pairs] + answer.x[n_pairs:]
    overlaps = margins <= 0.5
    left = np.abs(margins[overlaps]).max(initial=0.0)
    if left > LEFT or weights[overlaps].min(initial=1.0) < 1 - LEFT:
        raise ArithmeticError(
            f"separation: found margins of {left:.1g} beside those of 1, which HiGHS's tolerances "
            "cannot tell from 0; rescale the columns, with StandardScaler for example."
        )
    W = -v.reshape(n_classes - 1, -1).T
    if n_classes > 2:  # the first class has the score 0
        W = np.column_stack([np.zeros(len(W)), W])
    W = _to_user(W, fit_intercept, origin, unit)
    shape = len(codes), n_classes - 1
    return Separation(W, margins.reshape(shape), weights.reshape(shape))


def _by_faces(X, codes, n_classes, fit_intercept, origin, unit, seconds):
    """The separation by Newton's method, or None; the program's, but for which v it is."""
    X = X.toarray() if sparse.issparse(X) else X
    found = separate(X, codes, n_classes, seconds)
    if found is None:
        return None
    W, weights = found
    W = W - W[:, :1]
    W[np.abs(W) <= NEGLIGIBLE * np.abs(W).max(initial=0.0)] = 0.0
    Z = X @ W
    margins = Z[np.arange(len(codes)), codes][:, None] - of_others(Z, codes)
    if np.abs(margins[margins <= 0.5]).max(initial=0.0) > LEFT:
        return None
    W = _to_user(W, fit_intercept, origin, unit)
    return Separation(W, margins, of_others(weights, codes))


def _to_user(W, fit_intercept, origin, unit):
    """Parameters in units of the user's columns, the intercept last."""
    W = W if fit_intercept else np.vstack([W, np.zeros(W.shape[1])])
    W[:-1] /= unit[:, None]
    W[-1] -= origin @ W[:-1]
    return W


def separated_by(problem, point):
    """The separation by the scores of a point, or None if it leaves a row of two classes or more.

    Parameters
    ----------
    problem : LogLossProblem
    point : Point
    """
    Z, y = problem.source.gather(point.Z), problem.source.gather(problem.source.y)
    if problem.has_one_score:
        margins = np.where(y[:, None] == 1, Z, -Z)
    else:
        margins = Z[np.arange(len(y)), y][:, None] - of_others(Z, y)
    least = margins.min()
    if not least > 0:
        return None
    return Separation(point.W / least, margins / least, np.zeros_like(margins))


def overlap_by(problem, residuals):
    """The overlap that residuals c (p - y) prove, with 0 < p < 1, which no column feels."""
    R, y = problem.source.gather(residuals), problem.source.gather(problem.source.y)
    weights = np.abs(R) if problem.has_one_score else of_others(R, y)
    return Separation(problem.zeros(), np.zeros_like(weights), weights)


def of_others(Z, y):
    """Of each row the entries of the other classes, from the one after its own on."""
    return np.take_along_axis(Z, other_classes(y, Z.shape[1]), axis=1)


def other_classes(y, n_classes):
    """The classes after each row's own, which 0 follows."""
    return (y[:, None] + np.arange(1, n_classes)) % n_classes


def differences(X, codes, n_classes):
    """A as CSR, the pairs of a row after each other; parameters are those of all but class 0."""
    n = len(codes)
    others = other_classes(codes, n_classes)
    signs = np.zeros((n, n_classes - 1, n_classes))
    np.put_along_axis(signs, others[:, :, None], -1.0, axis=2)
    signs[np.arange(n), :, codes] = 1.0
    signs = signs.reshape(-1, n_classes)
    rows = sparse.csr_array(X)[np.repeat(np.arange(n), n_classes - 1)]
    return sparse.hstack(
        [sparse.diags_array(signs[:, j]) @ rows for j in range(1, n_classes)], format="csr"
    )


def _in_units(X, fit_intercept):
    """Columns in units of their largest values, dense ones far from zero centred, and a 1."""
    n, d = X.shape
    origin = np.zeros(d)
    if sparse.issparse(X):
        X = sparse.csr_array(X, dtype=np.float64, copy=True)
        unit = np.asarray(abs(X).max(axis=0).toarray()).ravel()
        unit[unit == 0] = 1.0
        X.data /= unit[X.indices]
        return (sparse.hstack([X, np.ones((n, 1))]) if fit_intercept else X), origin, unit
    X = np.asarray(X, dtype=np.float64)
    if fit_intercept:
        means = X.mean(axis=0)
        origin = np.where(np.abs(means) > FAR * X.std(axis=0), means, 0.0)
    X = X - origin
    unit = np.abs(X).max(axis=0)
    unit[unit == 0] = 1.0
    X /= unit
    return (np.column_stack([X, np.ones(n)]) if fit_intercept else X), origin, unit
