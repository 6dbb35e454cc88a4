"""Models on a working set of columns, which are copied: their Hessian is never made."""

import numpy as np
from scipy.sparse import csr_array

from sklearn_optland._rows.rows import CSRRows, DenseRows
from sklearn_optland.linear_model._finite_sum.coordinate_descent_fast import (
    columns_changes,
    columns_felt,
    copy_columns,
    count_columns,
    descend_columns,
    scaled_columns,
)
from sklearn_optland.linear_model._finite_sum.coordinate_models import (
    EPOCHS,
    Models,
    QuadraticModel,
    solve_on_support,
)
from sklearn_optland.linear_model._finite_sum.problem import refuse_overflow
from sklearn_optland.linear_model._finite_sum.semismooth_newton import (
    centred,
    semismooth_newton,
)

# Columns up to which the working set is all of them; else the first set, and how many times the
# support the others are at most.
ALL_COLUMNS, FIRST_SET, GROWTH = 500, 100, 5
# Share of l1 from which on a pull lets its column join: one column that comes to violate its
# optimality outside scales the whole dual point.
NEAR_SET = 0.97
# Rows up to which the dual takes over where coordinate descent is slow. A matrix of so many takes
# as long as a product with the columns.
MAX_ROWS, PRODUCTS = 500, 16
# Tolerances below this ask for more digits than the dual leaves without an L2 part.
LEAST_TOL = 1e-10
# Values that are transposed at a time: rows in the cache, for which columns far apart are read.
TRANSPOSED = 1 << 15


class WorkingSetModels(Models):
    """Models on some columns: the support, and those that pull most.

    Columns are copied, times the roots of the rows' curvatures: a row of A each.
    """

    made, first_set = None, FIRST_SET

    def __init__(self, problem, tol):
        super().__init__(problem, tol)
        source = problem.source
        self.columns = SparseColumns(source.rows[0]) if source.is_sparse else DenseColumns(source.X)

    def choose(self, w, pulls, violations):
        penalty = self.problem.penalty
        if len(w) <= ALL_COLUMNS or penalty.is_quadratic or self.has_dual:
            return np.arange(len(w)), True
        size = max(self.first_set, GROWTH * np.count_nonzero(w))
        sizes = pulls if penalty.positive else np.abs(pulls)
        candidates = np.flatnonzero((w != 0) | (sizes >= NEAR_SET * penalty.l1))
        if len(candidates) <= size:
            return candidates, True
        rank = np.where(w != 0, np.inf, sizes)[candidates]
        return np.sort(candidates[np.argpartition(-rank, size)[:size]]), False

    def model(self, point, h, chosen):
        problem = self.problem
        if self.made is None or not (self.is_exact and np.array_equal(self.made[0], chosen)):
            roots = np.sqrt(problem.c * h)
            length = np.linalg.norm(roots)
            s = roots / length if problem.fit_intercept else np.zeros_like(roots)
            matrix, A, sums, squares = self.columns.scaled(chosen, roots, s)
            refuse_overflow(squares)
            values = self.columns.n_values(chosen)
            self.made = chosen, matrix, A, values, s, sums, squares - sums**2, roots, length
        return ColumnsModel(self, self.made[1:], over_roots(point.pulls * problem.c, self.made[-2]))


def over_roots(values, roots):
    """Divide values of rows by their roots, in place; leave those whose weight underflows."""
    return np.divide(values, roots, out=values, where=roots > 0)


class DenseColumns:
    """Columns of an array.

    Parameters
    ----------
    X : ndarray
    """

    def __init__(self, X):
        self.X = X

    def n_values(self, chosen):
        return len(self.X) * len(chosen)

    def times(self, roots, chosen):
        """Some columns times the roots of the rows, a row of the array each."""
        A = np.empty((len(chosen), len(roots)))
        is_all = len(chosen) == self.X.shape[1]
        size = -(-TRANSPOSED // max(len(chosen), 1))
        for first in range(0, len(roots), size):
            part = slice(first, first + size)
            rows = self.X[part] if is_all else self.X[part, chosen]
            np.multiply(rows.T, roots[part], out=A[:, part])
        return A

    def scaled(self, chosen, roots, s):
        """A, columns times the roots of the rows; A as kernels see it; A s; its rows' squares."""
        A = self.times(roots, chosen)
        return A, DenseRows(A), A @ s, np.einsum("ij,ij->i", A, A)


class SparseColumns:
    """Columns of sparse rows, of which there is a copy by columns.

    Parameters
    ----------
    rows : CSRRows
    """

    def __init__(self, rows):
        self.indptr = np.zeros(rows.n_columns + 1, dtype=np.int64)
        count_columns(rows, self.indptr[1:])
        np.cumsum(self.indptr, out=self.indptr)
        self.values, self.rows = np.empty(self.indptr[-1]), np.empty(self.indptr[-1], np.int32)
        copy_columns(rows, self.indptr[:-1].copy(), self.values, self.rows)

    def n_values(self, chosen):
        return int((self.indptr[chosen + 1] - self.indptr[chosen]).sum())

    def scaled(self, chosen, roots, s):
        """The same as of `DenseColumns`."""
        indptr = np.append(0, np.cumsum(self.indptr[chosen + 1] - self.indptr[chosen]))
        values, rows = np.empty(indptr[-1]), np.empty(indptr[-1], dtype=np.int32)
        sums, squares = np.empty((2, len(chosen)))
        scaled_columns(
            *(self.values, self.rows, self.indptr, chosen, roots, s),
            *(indptr, values, rows, sums, squares),
        )
        A = csr_array((values, rows, indptr), shape=(len(chosen), len(roots)))
        return A, CSRRows(values, rows, indptr, len(roots)), sums, squares


class ColumnsModel(QuadraticModel):
    """A model with H = A (I - ss') A'."""

    epochs = EPOCHS

    def __init__(self, models, made, u):
        self.models, self.is_slow = models, models.has_dual
        self.matrix, self.A, self.n_values, self.s, self.sums, *others = made
        self.squares, self.roots, self.length = others
        self.u = u

    def finish(self, penalty, enough):
        """Go to the minimum by the dual, and return what it took; 0 where that is not the way.

        Rows must be few. Of a penalty that is not convex the model changes with each step, and none
        is solved to the end.
        """
        if len(self.u) > MAX_ROWS or self.models.tol < LEAST_TOL or not penalty.is_convex:
            return 0
        self.models.has_dual = True
        t = centred(self.u + self.w @ self.matrix, self.s)
        rows = self.matrix, self.s, t
        w, n_steps = semismooth_newton(*rows, self.w, self.tilt, penalty, enough)
        self.move(np.arange(len(w)), w - self.w)
        return n_steps * (2 + len(self.u) // PRODUCTS)

    def lean(self, tilt):
        self.tilt = tilt

    def descend(self, *settings):
        return descend_columns(
            *(self.A, self.s, self.sums, self.squares, self.u, self.w, self.tilt, *settings)
        )

    def solve(self, chosen, penalty, signs, tol, share):
        sums = self.sums[chosen]

        def felt(u):
            out = np.empty(len(chosen))
            columns_felt(self.A, chosen, u, out)
            return out

        def product(p):
            return felt(self._changes(chosen, p)) - sums * (sums @ p) + penalty.l2 * p

        rhs = felt(self.u) - sums * (self.s @ self.u) + self.tilt[chosen]
        rhs -= penalty.l1 * signs + penalty.l2 * self.w[chosen]
        return solve_on_support(product, rhs, self.squares[chosen] + penalty.l2, tol, share)

    def move(self, chosen, step):
        self.w[chosen] += step
        columns_changes(self.A, chosen, -step, self.u)

    def intercept(self, step):
        return (self.s @ self.u) / self.length

    def scores(self, step, direction):
        moved = np.flatnonzero(step)
        return over_roots(self._changes(moved, step[moved]), self.roots) + direction[-1]

    def _changes(self, chosen, step):
        """Changes of the scores times the roots of the rows."""
        out = np.zeros_like(self.u)
        columns_changes(self.A, chosen, step, out)
        return out
