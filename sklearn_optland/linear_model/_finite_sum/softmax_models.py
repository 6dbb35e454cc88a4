"""Models of the multinomial log-loss for coordinate descent: a coordinate is a column of a class.

The curvature of a row is c (diag p - p p'), with its probabilities p: the model is Newton's, and
takes neither a bound instead nor one class at a time. Coordinate descent keeps p'z of each row, z
being the change of its scores; with it a coordinate of one class needs nothing of the others.
"""

import numpy as np

from sklearn_optland.linear_model._finite_sum.coordinate_descent_fast import (
    descend_softmax,
    softmax_changes,
    softmax_curvatures,
    softmax_felt,
    softmax_metric,
)
from sklearn_optland.linear_model._finite_sum.coordinate_models import (
    EPOCHS,
    QuadraticModel,
    solve_on_support,
)
from sklearn_optland.linear_model._finite_sum.working_set_models import WorkingSetModels

# Coordinates of the first working set, as measured on 20 classes.
FIRST_SET = 400


class SoftmaxModels(WorkingSetModels):
    """Models on some columns of some classes; coordinates are numbered column by column."""

    first_set = FIRST_SET

    def __init__(self, problem, tol):
        super().__init__(problem, tol)
        self.roots = np.sqrt(problem.c)

    def model(self, point, P, chosen):
        problem = self.problem
        columns, places = np.unique(chosen // problem.k, return_inverse=True)
        if self.made is None or not np.array_equal(self.made[0], columns):
            _, A, _, _ = self.columns.scaled(columns, self.roots, np.zeros_like(self.roots))
            self.made = columns, A, self.columns.n_values(columns)
        _, A, n_values = self.made
        return SoftmaxModel(problem, A, n_values, self.roots, P, point.pulls, places, chosen)

    def pulls(self, point, P, added):
        Z = np.ascontiguousarray(added.T)
        softmax_metric(np.ascontiguousarray(P.T), Z)
        return point.pulls - Z.T


class SoftmaxModel(QuadraticModel):
    """A model at the probabilities P of the rows.

    Parameters
    ----------
    problem : SoftmaxSum
    rows : Rows
        Columns of X times the roots of the weights.
    n_values : int
        Of these.
    roots : ndarray of shape (n_samples,)
    P, pulls : ndarray of shape (n_samples, k)
    places : ndarray of shape (n_coordinates,)
        The coordinates' rows of A.
    chosen : ndarray of shape (n_coordinates,)
    """

    epochs = EPOCHS

    def __init__(self, problem, rows, n_values, roots, P, pulls, places, chosen):
        self.rows, self.roots, self.k = rows, roots, problem.k
        self.fits_intercept = problem.fit_intercept
        self.columns, self.classes = places.astype(np.int32), (chosen % self.k).astype(np.int32)
        self.P = np.ascontiguousarray(P.T)
        self.r, self.s = np.multiply(pulls.T, roots, order="C"), np.zeros_like(roots)
        self.b = np.zeros(self.k)
        self.n_values = n_values * len(chosen) / max(rows.n_rows, 1)
        self.n_values += self.fits_intercept * self.P.size
        self.curvatures = np.empty(len(chosen) + self.k)
        softmax_curvatures(self.rows, self.columns, self.classes, self.P, self.curvatures)
        weighted = self.P * problem.c
        H = np.diag(weighted.sum(axis=1)) - weighted @ self.P.T
        self.curvatures[len(chosen) :] = H.diagonal()
        # H leaves out what all classes have in common, but for rounding, which has no inverse.
        common = H.trace() / self.k
        self.inverse = np.linalg.inv(H + common / self.k) - 1 / (common * self.k)

    def descend(self, *settings):
        return descend_softmax(
            *(self.rows, self.columns, self.classes, self.P, self.curvatures),
            self.roots if self.fits_intercept else np.empty(0),
            *(self.r, self.s, self.w, self.b, self.tilt, *settings),
        )

    def lean(self, tilt):
        self.tilt = tilt

    def solve(self, chosen, penalty, signs, tol, share):
        columns, classes = self.columns[chosen], self.classes[chosen]

        def felt(R):
            out = np.empty(len(chosen))
            softmax_felt(self.rows, columns, classes, R, out)
            return out

        def product(step):
            Z = self._changes(chosen, step)
            softmax_metric(self.P, Z)
            if self.fits_intercept:
                b = self.inverse @ (Z @ self.roots)
                Z -= self.P * (b[:, None] - b @ self.P) * self.roots
            return felt(Z) + penalty.l2 * step

        self._balance()
        rhs = felt(self.r + self.P * self.s) + self.tilt[chosen]
        rhs -= penalty.l1 * signs + penalty.l2 * self.w[chosen]
        return solve_on_support(product, rhs, self.curvatures[chosen] + penalty.l2, tol, share)

    def move(self, chosen, step):
        self.w[chosen] += step
        self._take(self._changes(chosen, step))
        self._balance()

    def intercept(self, step):
        return self.b - self.b.mean()  # a constant for all classes changes nothing

    def scores(self, step, direction):
        moved = np.flatnonzero(step)
        Z = self._changes(moved, step[moved]) / self.roots
        return np.ascontiguousarray(Z.T) + direction[-1]

    def _changes(self, chosen, step):
        """Changes of the scores times the roots of the weights, classes x rows."""
        Z = np.zeros_like(self.P)
        softmax_changes(self.rows, self.columns[chosen], self.classes[chosen], step, Z)
        return Z

    def _balance(self):
        """Take the intercepts to their optimum."""
        if not self.fits_intercept:
            return
        b = self.inverse @ ((self.r + self.P * self.s) @ self.roots)
        self.b = self.b + b
        self._take(np.multiply.outer(b, self.roots))

    def _take(self, Z):
        """Let the scores change."""
        Z *= self.P
        self.r -= Z
        self.s += Z.sum(axis=0)
