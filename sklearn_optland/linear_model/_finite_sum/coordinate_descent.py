"""Coordinate descent for smooth losses: minimises the models of a proximal Newton method.

A model is  -v'(w - w0) + (w - w0)'H(w - w0) / 2 + penalty(w),  with the intercept minimised out: H
is that of columns which are centred in the metric of the curvatures. Coordinate descent finds the
support; on it and with its signs the model is a square, and one linear system takes it to the
minimum there, or as far as the signs hold.
"""

import numpy as np
from scipy import sparse
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from sklearn_optland._optim.conjugate_gradients import conjugate_gradients
from sklearn_optland._rows.rows import as_rows
from sklearn_optland.linear_model._finite_sum.coordinate_descent_fast import (
    descend_columns,
    descend_gram,
)
from sklearn_optland.linear_model._finite_sum.newton import RIDGE, proximal_newton
from sklearn_optland.linear_model._finite_sum.problem import refuse_overflow
from sklearn_optland.linear_model._finite_sum.solver import FullBatchSolver

# Columns whose Gram matrix is made once and for all: so many, or up to this share of the rows and
# up to this number.
FEW, GRAM_SHARE, MAX_GRAM_COLUMNS = 32, 0.25, 1000
# Values of the data up to which the working set is all columns; else the first set, and its growth
# in units of the support.
SMALL, FIRST_SET, GROWTH = 2e6, 100, 5
# Epochs between two solutions on the support, the most of these, and the most products of one.
EPOCHS, MAX_EPOCHS, MAX_ROUNDS, MAX_PRODUCTS = 10, 1000, 100, 50
# Of the largest violation at the start: what is left of a model that is not the last.
SHARE = 0.1
SOLVED = 0.1
# Of the tolerance: the gap that a model may leave.
GAP = 0.2
TINY = 1e-300


class CoordinateDescent(FullBatchSolver):
    """Proximal Newton, its models minimised by coordinate descent."""

    def points(self, W):
        problem = self.problem
        d, n = problem.n_features, problem.n_samples
        has_gram = d <= max(FEW, min(GRAM_SHARE * n, MAX_GRAM_COLUMNS))
        kind = GramModels if has_gram else WorkingSetModels
        return proximal_newton(problem, W, kind(problem, self.tol))


class Models:
    """The models of a problem, at one point after the other.

    Parameters
    ----------
    problem : FiniteSum
    tol : float
        Of the gap, relative to the objective.
    """

    def __init__(self, problem, tol):
        self.problem, self.tol = problem, tol
        self.is_exact = problem.loss.is_square  # one model, that of all points

    def __call__(self, point, h):
        """Return the direction to about the minimum of the model, and the scores that it adds."""
        problem, penalty = self.problem, self.problem.penalty
        w0, pulls = point.W[:-1], -point.gradient[:-1]
        violations = penalty.violations(w0, pulls)
        chosen, is_all = self.choose(w0, violations)
        model = self.model(point, h, chosen)
        model.w = w0[chosen].copy()
        is_last = self.is_exact and is_all
        least = 0.0 if is_last else SHARE * violations.max(initial=0.0)
        minimize(model, penalty, GAP * self.tol * point.objective, least)
        direction = np.zeros_like(point.W)
        step = model.w - w0[chosen]
        direction[:-1][chosen] = step
        if problem.fit_intercept:
            direction[-1] = model.intercept(step)
        return direction, model.scores(step, direction)


def minimize(model, penalty, gap, least):
    """Minimise a model until what violates its optimality costs no more than a gap.

    Parameters
    ----------
    model : GramModel or ColumnsModel
    penalty : ElasticNet
    gap : float
    least : float
        A violation that may be left in any case.
    """
    epochs, terms = EPOCHS, (penalty.l1, penalty.l2, penalty.positive)
    for _ in range(MAX_ROUNDS):
        tol = max(least, violation_of_gap(gap, penalty, model.w))
        if model.descend(*terms, tol, epochs) < epochs:
            return
        chosen = np.flatnonzero(model.w)
        w, signs = model.w[chosen], np.sign(model.w[chosen])
        step = model.solve(chosen, penalty, signs, tol)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.where(step * signs < 0, -w / step, np.inf)
        length = min(1.0, ends.min(initial=1.0))
        model.move(chosen, np.where(ends <= length, -w, length * step))
        epochs = EPOCHS if length == 1 else min(2 * epochs, MAX_EPOCHS)


def violation_of_gap(gap, penalty, w):
    """A violation of the optimality of all coefficients that costs about this gap."""
    of_l1 = gap / max(np.abs(w).sum(), TINY) if w.any() else 0.0
    return max(of_l1, np.sqrt(2 * penalty.l2 * gap / max(np.count_nonzero(w), 1)))


class GramModels(Models):
    """Models with the Gram matrix of all columns."""

    gram = None

    def choose(self, w, violations):
        """All columns."""
        return slice(None), True

    def model(self, point, h, chosen):
        """The model at a point; of a squared loss its matrix is always the same."""
        if self.gram is None or not self.is_exact:
            self.gram = self.problem.gram(self.problem.c * h)
            self.sums, self.total = self.gram[-1, :-1].copy(), self.gram[-1, -1]
            self.H = np.ascontiguousarray(self.gram[:-1, :-1])
            if self.problem.fit_intercept:
                self.H -= np.outer(self.sums, self.sums / self.total)
        return GramModel(self, point.gradient)


class GramModel:
    """A model with H as a matrix."""

    def __init__(self, models, gradient):
        self.problem, self.H, self.sums = models.problem, models.H, models.sums
        self.total = models.total
        self.b = -gradient[-1] / models.total if models.problem.fit_intercept else 0.0
        self.v = -self.sums * self.b - gradient[:-1]

    def descend(self, *settings):
        return descend_gram(self.H, self.v, self.w, *settings)

    def solve(self, chosen, penalty, signs, tol):
        H = self.H[np.ix_(chosen, chosen)]
        diagonal = np.einsum("ii->i", H)
        diagonal += penalty.l2 + RIDGE * diagonal
        rhs = self.v[chosen] - penalty.l1 * signs - penalty.l2 * self.w[chosen]
        try:
            return cho_solve(cho_factor(H, lower=True), rhs)
        except LinAlgError:
            return np.zeros_like(rhs)

    def move(self, chosen, step):
        self.w[chosen] += step
        self.v -= step @ self.H[chosen]

    def intercept(self, step):
        return self.b - self.sums @ step / self.total

    def scores(self, step, direction):
        return self.problem.scores(direction)


class WorkingSetModels(Models):
    """Models on some columns: the support, and those that violate most.

    Columns are copied, times the roots of the rows' curvatures: a row of A each.
    """

    def __init__(self, problem, tol):
        super().__init__(problem, tol)
        self.is_small = problem.n_samples * problem.source.n_values <= SMALL
        self.made = None

    def choose(self, w, violations):
        if self.is_small:
            return slice(None), True
        support = np.count_nonzero(w)
        size = max(FIRST_SET, GROWTH * support)
        candidates = np.flatnonzero((violations > 0) | (w != 0))
        if len(candidates) <= size:
            return candidates, True
        rank = np.where(w != 0, np.inf, violations)[candidates]
        return np.sort(candidates[np.argpartition(-rank, size)[:size]]), False

    def model(self, point, h, chosen):
        problem = self.problem
        if self.made is None or not (self.is_exact and self.is_small):
            roots = np.sqrt(problem.c * h)
            A = problem.source.X_transposed[chosen]
            if sparse.issparse(A):
                A = sparse.csr_matrix(
                    (A.data * roots[A.indices], A.indices, A.indptr), shape=A.shape
                )
                squares = np.asarray(A.multiply(A).sum(axis=1)).ravel()
            else:
                A = np.multiply(A, roots, order="C")
                squares = np.einsum("ij,ij->i", A, A)
            length = np.linalg.norm(roots)
            s = roots / length if problem.fit_intercept else np.zeros_like(roots)
            refuse_overflow(squares)
            sums = A @ s
            self.made = A, as_rows(A), s, sums, np.maximum(squares - sums**2, 0.0), roots, length
        return ColumnsModel(self.made, point.pulls * problem.c / self.made[-2])


class ColumnsModel:
    """A model with H = A (I - ss') A'."""

    def __init__(self, made, u):
        self.A, self.rows, self.s, self.sums, self.squares, self.roots, self.length = made
        self.u = u

    def descend(self, *settings):
        return descend_columns(
            self.rows, self.s, self.sums, self.squares, self.u, self.w, *settings
        )

    def solve(self, chosen, penalty, signs, tol):
        A, sums = self.A[chosen], self.sums[chosen]
        rhs = A @ self.u - sums * (self.s @ self.u)
        rhs -= penalty.l1 * signs + penalty.l2 * self.w[chosen]
        scale = self.squares[chosen] + penalty.l2
        enough = max(0.5 * tol, SOLVED * np.abs(rhs).max(initial=0.0))
        return conjugate_gradients(
            lambda p: A @ (A.T @ p) - sums * (sums @ p) + penalty.l2 * p,
            np.zeros_like(rhs),
            rhs,
            lambda r: r / scale,
            lambda _, residual, *norms: np.abs(residual).max() <= enough,
            max_iter=MAX_PRODUCTS,
        )[0]

    def move(self, chosen, step):
        self.w[chosen] += step
        self.u -= self.A[chosen].T @ step

    def intercept(self, step):
        return (self.s @ self.u) / self.length

    def scores(self, step, direction):
        moved = np.flatnonzero(step)
        return (self.A[moved].T @ step[moved]) / self.roots + direction[-1]
