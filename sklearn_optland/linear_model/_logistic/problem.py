"""The objective of logistic regression: evaluations, Newton directions, line search."""

from copy import copy
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from sklearn_optland._loss.linear_passes import (
    Backward,
    BinaryHessianProduct,
    ColumnSquares,
    Forward,
    RowSquares,
)
from sklearn_optland._loss.log_loss import (
    binary_curvature,
    class_curvature,
    class_variances,
    curvature_along,
    loss_along,
    residuals,
    softmax,
    uncertainty,
)
from sklearn_optland._optim.conjugate_gradients import conjugate_gradients
from sklearn_optland._optim.line_search import ARMIJO, minimize_along
from sklearn_optland._optim.majorize import ROUNDING
from sklearn_optland._rows.reduce import Several, SumOf, reduce
from sklearn_optland.linear_model._logistic.products import (
    CSRProducts,
    Float64Products,
    TileProducts,
)

# Of a row's weight: with less, its values may overflow float32 in units of the other rows.
LEAST_SHARE = 1e-30
EPS = np.finfo(float).eps
# More conjugate gradient steps than that do not pay for themselves in one Newton step.
MAX_CG_ITERATIONS = 50
MAX_GRAM_COLUMNS = 2000
# Multiply-adds of dense matrices that take as long as one with a value of a sparse row.
SPARSE_PRICE = 4


@dataclass
class Point:
    """Parameters with what one pass over the data tells about them."""

    W: np.ndarray  # (n_features + 1, k), the intercept last
    Z: object  # (n_samples, k) of the source, scores
    objective: float
    gradient: np.ndarray | None  # (n_features + 1, k)
    exact: bool = True  # in float64: a proven bound needs that
    newton: np.ndarray | None = None  # a Newton direction, once something has asked for it
    # Two classes: a direction with the scores that it adds, -gradient - Hessian direction, and the
    # Hessian's column of the intercept, or None
    image: tuple | None = None


def log_loss_problem(source, *, n_classes, l2, fit_intercept, has_one_score=None):
    """The problem of two classes with one score a row, or of k classes with k.

    Parameters
    ----------
    source : ArraySource or another source
        With columns y, class numbers as int32, and c, positive weights as float64.
    n_classes : int
    l2 : float
        1, or 0 for no penalty.
    fit_intercept : bool
    has_one_score : bool, default=None
        Default: of two classes. The penalty of a score each is half of that of one.
    """
    has_one_score = n_classes == 2 if has_one_score is None else has_one_score
    kind = BinaryProblem if has_one_score else LogLossProblem
    return kind(source, n_classes, l2, fit_intercept)


class LogLossProblem:
    """Minimise l2/2 ||w||^2 + sum_i c_i [logsumexp(z_i) - z_i,y_i], z_i = W'x_i + b.

    Parameters are centred: w and b sum to 0 over the classes. The optimum is, and a step between
    centred points is. Parameters as of `log_loss_problem`.
    """

    largest_curvature = 0.5  # of a row's loss in its scores
    has_one_score = False

    def __init__(self, source, n_classes, l2, fit_intercept):
        self.n_classes, self.l2, self.fit_intercept = n_classes, l2, fit_intercept
        self.penalty = np.full((source.n_columns + 1, 1), float(l2))
        self.penalty[-1] = 0.0
        self.whole, self.passes = self, 0.0
        self._take_rows(source, Float64Products(source, self.k))

    def _take_rows(self, source, products):
        self.source, self.products = source, products
        self.n_samples, self.n_features = source.n_rows, source.n_columns
        self.values_per_row = max(source.n_values, self.k)
        self.has_few_columns = self.n_features <= MAX_GRAM_COLUMNS and self._pays_for_matrix()
        self._latest = None, None  # scores and their probabilities
        self._forward, self._backward = Forward(source, self.k), Backward(source, self.k)

    def _pays_for_matrix(self):
        """Whether a d x d matrix pays for itself: its product costs less than a pass."""
        price = SPARSE_PRICE if self.source.is_sparse else 1
        return 2 * self.n_features**2 <= price * self.values_per_row * self.n_samples

    @property
    def k(self):
        """Scores of a row."""
        return self.n_classes

    @cached_property
    def total(self):
        """Sum of the weights."""
        return float(reduce(SumOf(np.sum), self.source, (self.source.c,))[1])

    @property
    def at_zero(self):
        """The objective at zero."""
        return self.total * np.log(self.n_classes)

    @property
    def gram_price(self):
        """What a Gram matrix and its factor cost, about, in passes over the data."""
        d, values = self.n_features, self.values_per_row
        return 1 + values / 12 + d**3 / (60 * values * self.n_samples)

    # The same problem on other rows, or with other products

    def _with(self, source, products):
        other = copy(self)
        for name in ("total", "column_squares", "column_means", "row_squares", "in_float32"):
            vars(other).pop(name, None)
        other._take_rows(source, products)
        return other

    def restrict(self, index, c=None):
        """Return the problem on some of the rows, a slice or an index array, in this process."""
        replaced = {} if c is None else {"c": c}
        return self.on(self.source.take(index, **replaced))

    def on(self, source):
        """Return the problem on other rows."""
        return self._with(source, self.products.on(source))

    @cached_property
    def in_float32(self):
        """The same problem with products in float32 if that is faster, else this one."""
        source = self.source
        if not (self.products.is_exact and source.may_be_copied):
            return self
        if source.is_sparse and self.has_few_columns:
            return self
        squares, total = self.column_squares[:-1], self.column_squares[-1]
        if source.c.min() < LEAST_SHARE * total:
            return self
        scale = np.sqrt(np.where(squares > 0, squares / total, 1.0))
        kind = CSRProducts if source.is_sparse else TileProducts
        return self._with(source, kind(source, self.k, scale))

    # Statistics of the rows

    @cached_property
    def column_squares(self):
        """Diagonal of [X 1]'C[X 1], shape (n_features + 1,)."""
        self.count_pass()
        both = Several(ColumnSquares(self.source, self.k), SumOf(np.sum, values=1.0))
        squares, self.total = reduce(both, self.source, ((self.source.c,), (self.source.c,)))[1]
        return finite(np.append(squares, self.total))

    @cached_property
    def column_means(self):
        """Means of the columns; 0 without an intercept, which alone could make up for them."""
        if not self.fit_intercept:
            return np.zeros(self.n_features)
        self.count_pass()
        weights = self.source.map(as_column, self.source.c)
        sums = reduce(Backward(self.source, 1), self.source, (weights,))[1]
        return sums[:-1, 0] / self.total

    @cached_property
    def row_squares(self):
        """Squares of each row relative to its columns', of the source."""
        squares = self.column_squares[:-1]
        weights = np.divide(1.0, squares, out=np.zeros_like(squares), where=squares > 0)
        return self._row_squares(weights)

    def row_lengths(self):
        """Square of each row's length: one pass."""
        return self._row_squares(np.ones(self.n_features))

    def _row_squares(self, weights):
        self.count_pass()
        out = self.source.empty()
        reduce(RowSquares(self.source, self.k), self.source, (weights, out))
        return out

    # Evaluations

    def zeros(self):
        """Return parameters that are all zero."""
        return np.zeros((self.n_features + 1, self.k))

    def count_pass(self, n_passes=1):
        self.whole.passes += n_passes * self.n_samples / self.whole.n_samples

    def evaluate(self, W):
        """Objective, gradient and scores at W: one pass."""
        self.count_pass()
        Z, loss, G = self.products.evaluate(W)
        with np.errstate(invalid="ignore"):  # a trial too far out overflows, and is refused
            G = self.project(G + self.penalty * W)
        return Point(W, Z, loss + self.half_norm(W), G, exact=self.products.is_exact)

    def value(self, W):
        """Objective and scores at W, in float64: a pass without the way back to a gradient."""
        return self.at_scores(W, self.forward(W))

    def at_scores(self, W, Z):
        """The point W, whose scores are known: no pass, and no gradient."""
        return Point(W, Z, self.loss(Z) + self.half_norm(W), None)

    def gradient(self, point):
        """The gradient at a point that has none: a pass back."""
        return self.project(self.backward(self.residuals(point.Z)) + self.penalty * point.W)

    def residuals(self, Z):
        """c (P - Y) at scores Z, of the source."""
        return self.source.map(residuals, Z, self.source.y, self.source.c)

    def loss(self, Z):
        """The sum of the weighted losses at scores Z."""
        return loss_along(self.source, Z, Z, 0.0)[0]

    def half_norm(self, W):
        """The penalty of W."""
        return 0.5 * self.l2 * np.vdot(W[:-1], W[:-1])

    def largest_rise(self, point, change):
        """An upper bound on what a change of a point's parameters adds to the objective: no pass.

        Scores move by x_i'v. By Minkowski's inequality sum_i c_i (x_i'v)^2 <= (sum_j |v_j| s_j)^2,
        s_j^2 the square of column j.
        """
        moved = np.sqrt(self.column_squares) @ np.abs(change)
        bend = 0.5 * self.largest_curvature * np.vdot(moved, moved) + self.half_norm(change)
        return np.vdot(point.gradient, change) + bend

    def project(self, G):
        """Remove from a gradient what is 0 but for rounding.

        Parameters stay centred over the classes, and residuals sum to 0: so do gradients. Beside
        large columns the rounding would outweigh the penalty, which is alone in that direction.
        """
        G = self.centred(G)
        if not self.fit_intercept:
            G[-1] = 0.0
        return G

    def centred(self, G):
        """G without its mean over the classes."""
        return G - G.mean(axis=1, keepdims=True)

    def forward(self, V):
        """Scores that V adds, X V: one pass."""
        self.count_pass()
        Z = self.source.empty(self.k)
        reduce(self._forward, self.source, (V, Z))
        return Z

    def backward(self, R):
        """X'R for residuals R: one pass."""
        self.count_pass()
        return self.project(reduce(self._backward, self.source, (R,))[1])

    def gram(self, h):
        """[X 1]' diag(h) [X 1], lower triangle; without an intercept its row is that of I."""
        self.count_pass()
        C = self.products.gram(h)
        if not self.fit_intercept:
            C[-1] = 0.0
            C[-1, -1] = 1.0
        return finite(C)

    def probabilities(self, Z):
        """Class probabilities of rows of scores, of the source; the latest are kept."""
        if self._latest[0] is not Z:
            self._latest = Z, self.source.map(softmax, Z)
        return self._latest[1]

    def uncertainty(self, Z):
        """The trace of each row's share in the Hessian, of the source."""
        return self.source.map(uncertainty, self.probabilities(Z), self.source.c)

    def class_curvature(self, Z):
        """The Hessian in a shift of the scores, shape (k, k)."""
        arrays = self.probabilities(Z), self.source.c
        return reduce(SumOf(class_curvature, (self.k, self.k)), self.source, arrays)[1]

    def curvature_along(self, Z, dZ):
        """The Hessian in a shift of the scores, along dZ; shape (k,)."""
        arrays = self.probabilities(Z), self.source.c, dZ
        return reduce(SumOf(curvature_along, (self.k,)), self.source, arrays)[1]

    def class_variances(self, Z):
        """The diagonal of `class_curvature`."""
        arrays = self.probabilities(Z), self.source.c
        return reduce(SumOf(class_variances, (self.k,)), self.source, arrays)[1]

    def bohning_curvature(self):
        """Boehning's bound on diag p - pp': (I - 11'/k) / 2."""
        return (np.eye(self.k) - 1.0 / self.k) / 2

    # Newton directions

    def newton_direction(
        self,
        point,
        solve,
        *,
        share=1.0,
        tolerance=None,
        target=0.0,
        excess=0.1,
        start=None,
        directions=None,
    ):
        """Solve H V = -gradient by conjugate gradients, preconditioned by `solve`.

        For a step they stop when the residual is `tolerance` of the gradient in the
        preconditioner's norm. Without a tolerance V is there to certify: they stop when the
        residual adds less than a share of `excess` to the gap, or the gap is below `target`. The
        products take the rows that hold `share` of the Hessian's trace, if they may be copied.
        `start` is a V to start from. The conjugate directions are added to `directions`, for
        `deflated`, unless rows are sparse in float32. With two classes `point.image` is filled.
        """
        part, Z = self, point.Z
        if share < 1.0 and self.source.may_be_copied:
            index = _largest(self.source.gather(self.uncertainty(Z)), share)
            part, Z = self.restrict(index), self.source.gather(Z)[index]
        if self.products.has_vectors_as_costly_as_passes:
            V, n_products = part.products.newton_direction(
                part, Z, point.gradient, tolerance, MAX_CG_ITERATIONS
            )
            part.count_pass(n_products)
            return self.project(V)  # float32 leaves it centred to 1e-7
        product, moved, image = part.hessian(Z)
        V, residual = np.zeros_like(point.W), -point.gradient
        if start is not None:
            V, residual = start, residual - product(start)

        def certifies(V, residual, *_):
            square, decrement = np.vdot(residual, residual), -np.vdot(point.gradient, V)
            gap = 0.5 * (decrement + np.vdot(residual, V) + square)  # to second order
            return square <= excess * decrement or gap <= 0.9 * target

        def is_short(_V, _residual, rho, first):
            return rho <= tolerance**2 * first

        if start is None or not certifies(V, residual):
            V, residual = conjugate_gradients(
                product,
                V,
                residual,
                solve,
                certifies if tolerance is None else is_short,
                max_iter=MAX_CG_ITERATIONS,
                directions=directions,
                moved=moved,
            )
        if image is not None and start is None:
            point.image = V, image[0], residual, None
        return V

    def hessian(self, Z):
        """V -> H V at scores Z; what is told of steps, and what they leave: nothing here."""
        operator = self.products.hessian_operator(self, Z)

        def product(V):
            self.count_pass()
            return self.project(operator(V) + self.penalty * V)

        return product, None, None

    # Line search

    def search(self, point, direction):
        """Evaluate point + t direction for a good t <= 1; returns the new point and t.

        Returns None, 0 if there is none.

        A step is good if the objective falls by at least a small share of what the slope promises,
        or changes by no more than rounding. The full step costs one pass. If it fails, the minimum
        along the line is sought on the scores of both ends, O(n k) a trial, and evaluated in one
        more pass.
        """
        slope = np.vdot(point.gradient, direction)
        new = self.evaluate(point.W + direction)
        if new.objective <= point.objective + ARMIJO * slope + ROUNDING * point.objective:
            return new, 1.0
        if not np.isfinite(new.objective):
            if not np.isfinite(direction).all():
                return None, 0.0
            new, t = self.search(point, direction / 1024)
            return new, t / 1024
        dZ = self.source.map(np.subtract, new.Z, point.Z)

        def along(t):
            W = point.W + t * direction
            loss, slope = loss_along(self.source, point.Z, dZ, t)
            slope += np.vdot(self.penalty * W, direction)
            return loss + self.half_norm(W) - point.objective, slope

        t = minimize_along(along, point.objective, slope)
        if t is None:
            return None, 0.0
        new = self.evaluate(point.W + t * direction)
        return (new, t) if new.objective < point.objective else (None, 0.0)


class BinaryProblem(LogLossProblem):
    """Two classes have one score, of class 1 against class 0; products are in float64."""

    largest_curvature = 0.25
    has_one_score = True

    @property
    def k(self):
        return 1

    @property
    def in_float32(self):
        return self

    def _pays_for_matrix(self):
        return self.n_features <= 2 * self.n_samples

    def centred(self, G):
        return G

    def curvature(self, Z, radius):
        """Curvature of each row, of the source: see `binary_curvature`; radius likewise."""
        if np.isscalar(radius):
            return self.source.map(partial(binary_curvature, radius=radius), Z, self.source.c)
        return self.source.map(binary_curvature, Z, self.source.c, radius)

    def class_curvature(self, Z):
        h = self.curvature(Z, 0.0)
        return reduce(SumOf(np.sum, (1, 1)), self.source, (h,))[1]

    def curvature_along(self, Z, dZ):
        h = self.curvature(Z, 0.0)
        return reduce(SumOf(np.matmul, (1,)), self.source, (h, dZ))[1]

    def class_variances(self, Z):
        return self.class_curvature(Z)[0]

    def bohning_curvature(self):
        """1/4, for p (1 - p)."""
        return np.array([[0.25]])

    def hessian(self, Z):
        """V -> H V, and the scores that steps along V add up to."""
        h, scores = self.curvature(Z, 0.0), self.source.empty(1)
        image = [self.source.zeros(1)]
        statistic = BinaryHessianProduct(self.source)

        def product(V):
            self.count_pass()
            out = reduce(statistic, self.source, (h, V, scores))[1]
            return self.project(out + self.penalty * V)

        def moved(step):
            image[0] = self.source.map(partial(_added, step), image[0], scores)

        return product, moved, image


def as_column(h):
    """One score a row."""
    return h[:, None]


def _added(step, total, scores):
    total += step * scores
    return total


def _largest(values, share):
    """Index of the largest values, which sum to `share` of all, in ascending order."""
    order = np.argsort(-values)
    total = np.cumsum(values[order])
    return np.sort(order[: np.searchsorted(total, share * total[-1]) + 1])


def finite(statistic):
    """The statistic; an error if it overflowed."""
    if not np.isfinite(statistic).all():
        raise ValueError(
            "X: its products overflow float64. Allowed are values whose squares, times C and the "
            "sample weights, can be summed; rescale the columns, with StandardScaler for example."
        )
    return statistic
