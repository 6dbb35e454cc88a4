"""The objective of logistic regression: passes over the data, Newton directions, line search."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from sklearn_optland._loss import float32_csr_fast as sparse_kernels
from sklearn_optland._loss import float32_dense_fast as tile_kernels
from sklearn_optland._loss import linear_passes_fast as kernels
from sklearn_optland._loss import log_loss_fast as log_loss
from sklearn_optland._rows.reduce import pass_over_rows
from sklearn_optland._rows.row_orders_fast import draw_rows
from sklearn_optland._rows.rows import as_rows

# Of a row in the weights: with less, its values may overflow float32 in units of the other rows.
LEAST_SHARE = 1e-30
EPS = np.finfo(float).eps
ARMIJO = 1e-4
# What float64 leaves open of an objective, relative to it: a sum of many terms.
ROUNDING = 4 * EPS
# More conjugate gradient steps than that do not pay for themselves in one Newton step.
MAX_CG_ITERATIONS = 50
MAX_LINE_TRIALS = 40
MAX_GRAM_COLUMNS = 2000


@dataclass
class Point:
    """Parameters with what one pass over the data tells about them."""

    W: np.ndarray  # (n_features + 1, k), the intercept last
    Z: np.ndarray  # (n_samples, k), scores
    objective: float
    gradient: np.ndarray | None  # (n_features + 1, k)
    exact: bool = True  # in float64: a proven bound needs that
    newton: np.ndarray | None = None  # a Newton direction, once something has asked for it
    # Two classes: a direction with the scores that it adds and -gradient - Hessian direction
    image: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None


class LogLossProblem:
    """Minimise l2/2 ||w||^2 + sum_i c_i [logsumexp(z_i) - z_i,y_i], z_i = W'x_i + b.

    With several classes, parameters are centred: w and b sum to 0 over the classes. The optimum
    is, and a step between centred points is.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    y : ndarray of int32 of shape (n_samples,)
        Class numbers.
    c : ndarray of float64 of shape (n_samples,)
        Positive weights.
    n_classes : int
        Two classes have one score, of class 1 against class 0; k classes have k.
    l2 : float
        1, or 0 for no penalty.
    fit_intercept : bool
    scale : ndarray of float64 of shape (n_features,), default=None
        If given, X is dense and products run in float32, on columns divided by this.
    whole : LogLossProblem, default=None
        The problem whose `passes` count the work on this one, a part of it. Default: itself.
    """

    def __init__(self, X, y, c, *, n_classes, l2, fit_intercept, scale=None, whole=None):
        self.X, self.y, self.c, self.scale = X, y, c, scale
        self.n_classes, self.l2, self.fit_intercept = n_classes, l2, fit_intercept
        self.whole = self if whole is None else whole
        self.n_samples, self.n_features = X.shape
        self.k = 1 if n_classes == 2 else n_classes
        self.non_zeros = X.nnz / X.shape[0] if hasattr(X, "nnz") else X.shape[1]  # of a row
        self.values_per_row = max(self.non_zeros, self.k)
        self.penalty = np.full((self.n_features + 1, 1), float(l2))
        self.penalty[-1] = 0.0
        self.is_sparse = sparse.issparse(X)
        # A d x d matrix pays for itself; for few rows it costs more than it tells.
        self.has_few_columns = self.n_features <= min(MAX_GRAM_COLUMNS, 2 * self.n_samples)
        self.passes = 0.0
        self._latest = None, None  # scores and their probabilities

    @cached_property
    def rows(self):
        """The rows as the kernels see them, for each thread."""
        rows = as_rows(self.X)
        return defaultdict(rows.share, {0: rows})

    @property
    def at_zero(self):
        """The objective at zero."""
        return self.c.sum() * np.log(self.n_classes)

    @property
    def precision(self):
        """The type that products run in."""
        return np.float64 if self.scale is None else np.float32

    @cached_property
    def float32_rows(self):
        """The rows in float32, as the kernels see them; dense ones for each thread."""
        if self.is_sparse:
            return sparse_kernels.SparseFloat32(self.X, self.scale, self.k)
        tiles = tile_kernels.as_tiles(self.X, self.scale, self.k)
        return defaultdict(tiles.share, {0: tiles})

    @property
    def gram_price(self):
        """What a Gram matrix and its factor cost, about, in passes over the data."""
        d, values = self.n_features, self.values_per_row
        return 1 + values / 12 + d**3 / (60 * values * self.n_samples)

    @property
    def _gram_work(self):
        """Multiply-adds that a Gram matrix costs in a row, in units of a product's, slower ones."""
        return self.values_per_row**2 / 64

    def restrict(self, index, c=None):
        """Return the problem on some of the rows, a slice or an index array."""
        c = self.c[index] if c is None else c
        return self._with(self.X[index], self.y[index], c, self.scale)

    def _with(self, X, y, c, scale):
        return LogLossProblem(
            X,
            y,
            c,
            n_classes=self.n_classes,
            l2=self.l2,
            fit_intercept=self.fit_intercept,
            scale=scale,
            whole=self.whole,
        )

    @cached_property
    def in_float32(self):
        """The same problem with products in float32 if that is faster, else this one."""
        if self.k == 1 or self.scale is not None or (self.is_sparse and self.has_few_columns):
            return self
        squares, total = self.column_squares[:-1], self.column_squares[-1]
        if self.c.min() < LEAST_SHARE * total:
            return self
        scale = np.sqrt(np.where(squares > 0, squares / total, 1.0))
        return self._with(self.X, self.y, self.c, scale)

    def sample(self, index):
        """Return the problem on a sample of the rows, weighted up to the same total."""
        c = self.c[index]
        return self.restrict(index, c * (self.c.sum() / c.sum()))

    @cached_property
    def column_squares(self):
        """Diagonal of [X 1]'C[X 1], shape (n_features + 1,)."""
        out = np.zeros(self.n_features)
        self._pass(kernels.column_squares, self.c, out=out)
        return _finite(np.append(out, self.c.sum()))

    @cached_property
    def row_squares(self):
        """Squares of each row relative to its columns', shape (n_samples,)."""
        squares = self.column_squares[:-1]
        weights = np.divide(1.0, squares, out=np.zeros_like(squares), where=squares > 0)
        out = np.empty(self.n_samples)
        self._pass(kernels.row_squares, weights, out)
        return out

    def row_lengths(self):
        """Square of each row's length: one pass."""
        out = np.empty(self.n_samples)
        self._pass(kernels.row_squares, np.ones(self.n_features), out)
        return out

    def draw_rows(self, weights, size, seed):
        """Draw about `size` rows; return their numbers and the probabilities that they had.

        Half are drawn by the weights, half also by their `row_squares`: a column that is 0 in most
        rows is sampled where it is not. With the same seed, a larger sample contains the smaller.
        """
        even, by_squares = weights.sum(), weights @ self.row_squares
        return draw_rows(
            weights,
            self.row_squares,
            0.5 * size / max(even, 1e-300),
            0.5 * size / by_squares if by_squares > 0 else 0.0,
            seed,
        )

    def importance_sample(self, size, seed):
        """Return the problem on rows of `draw_rows` that know the curvature, weighted back."""
        index, probability = self.draw_rows(self.c, size, seed)
        return self.restrict(index, self.c[index] / probability)

    def zeros(self):
        """Return parameters that are all zero."""
        return np.zeros((self.n_features + 1, self.k))

    def _pass(self, kernel, *inputs, out=None, work=None, tiles=False):
        """Run kernel(rows, first, last, *inputs[, out]) over the data, in rows or in tiles of rows.

        It adds into `out`, if there is one; `work` as in `pass_over_rows`.
        """
        self.count_pass()
        rows, n_rows, values = self.rows, self.n_samples, self.values_per_row
        if tiles:
            rows = self.float32_rows
            n_rows, values = rows[0].n_tiles, tile_kernels.TILE * values

        def block(thread, out, first, last):
            outputs = () if out is None else (out,)
            return kernel(rows[thread], first, last, *inputs, *outputs)

        work = work or values / self.values_per_row * self.non_zeros * self.k
        return pass_over_rows(block, n_rows, values, work, out)

    def count_pass(self):
        self.whole.passes += self.n_samples / self.whole.n_samples

    def evaluate(self, W):
        """Objective, gradient and scores at W: one pass."""
        Z = np.empty((self.n_samples, self.k))
        G = self.zeros()
        if self.scale is None:
            loss = self._pass(kernels.loss_gradient, self.y, self.c, W, Z, out=G)
        elif self.is_sparse:
            self.count_pass()
            loss = sparse_kernels.loss_gradient(self.float32_rows, self.y, self.c, W, Z, G)
        else:
            kernel = tile_kernels.loss_gradient
            loss = self._pass(kernel, self.y, self.c, W, Z, out=G, tiles=True)
        with np.errstate(invalid="ignore"):  # a trial too far out overflows, and is refused
            G = self._project(G + self.penalty * W)
        return Point(W, Z, loss + self.half_norm(W), G, exact=self.scale is None)

    def value(self, W):
        """Objective and scores at W, in float64: a pass without the way back to a gradient."""
        Z = self.forward(W)
        return Point(W, Z, self.loss(Z) + self.half_norm(W), None)

    def loss(self, Z):
        """The sum of the weighted losses at scores Z."""
        return log_loss.loss_along(self.y, self.c, Z, Z, 0.0)[0]

    def half_norm(self, W):
        """The penalty of W."""
        return 0.5 * self.l2 * np.vdot(W[:-1], W[:-1])

    def _project(self, G):
        """Remove from a gradient what is 0 but for rounding.

        With several classes parameters stay centred over the classes, and residuals sum to 0:
        so do gradients. Beside large columns the rounding would outweigh the penalty, which is
        alone in that direction.
        """
        if self.k > 1:
            G -= G.mean(axis=1, keepdims=True)
        if not self.fit_intercept:
            G[-1] = 0.0
        return G

    def forward(self, V):
        """Scores that V adds, X V: one pass."""
        Z = np.empty((self.n_samples, self.k))
        self._pass(kernels.forward, V, Z)
        return Z

    def backward(self, R):
        """X'R for residuals R: one pass."""
        G = self.zeros()
        self._pass(kernels.backward, R, out=G)
        return self._project(G)

    def gram(self, h):
        """[X 1]' diag(h) [X 1], lower triangle; without an intercept its row is that of I."""
        C = np.zeros((self.n_features + 1, self.n_features + 1))
        if self.scale is None or self.is_sparse:
            self._pass(kernels.weighted_gram, h, out=C, work=self._gram_work)
        else:
            self._add_gram_float32(h, C)
        if not self.fit_intercept:
            C[-1] = 0.0
            C[-1, -1] = 1.0
        return _finite(C)

    def _add_gram_float32(self, h, C):
        """The same in float32 within blocks of rows, for h >= 0."""
        top = max(h.max(), 1e-300)
        roots = np.sqrt(h / top).astype(np.float32)[:, None]
        scale = np.append(self.scale, 1.0)

        def kernel(_, first, last, C):
            A = tile_kernels.scaled_rows(self.X, np.arange(first, last), 1.0 / scale)
            A *= roots[first:last]
            C += A.T @ A

        self._pass(kernel, out=C, work=self._gram_work)
        C *= top * scale[:, None] * scale

    def binary_curvature(self, Z, radius):
        """Curvature of each row: Newton's for radius 0, JC12 for infinity, a majorizer between.

        `radius`, a number or one for each row, is how far a score may move.
        """
        h = np.empty(self.n_samples)
        radius = np.full(self.n_samples, radius) if np.isscalar(radius) else radius
        log_loss.binary_curvature(Z, self.c, radius, h)
        return h

    def probabilities(self, Z):
        """Class probabilities of rows of scores, for several classes; the latest are kept."""
        if self._latest[0] is not Z:
            P = np.empty_like(Z)
            log_loss.softmax(Z, P)
            P.flags.writeable = False
            self._latest = Z, P
        return self._latest[1]

    def uncertainty(self, Z):
        """c (1 - ||p||^2) of each row, the trace of its share in the Hessian."""
        P = self.probabilities(Z)
        return self.c * (1.0 - np.einsum("ij,ij->i", P, P))

    def class_curvature(self, Z):
        """Sum over rows of c (diag p - pp'), shape (k, k): the Hessian in a shift of the scores."""
        if self.k == 1:
            return np.array([[self.binary_curvature(Z, 0.0).sum()]])
        P = self.probabilities(Z)
        return np.diag(self.c @ P) - (P * self.c[:, None]).T @ P

    def hessian_operator(self, Z, scores=None):
        """Return a function V -> H V with the Hessian at scores Z; each product is one pass.

        With two classes it leaves the scores that V adds in `scores`.
        """
        if self.scale is not None:
            return self._float32_hessian_operator(Z)
        if self.k == 1:
            return self._binary_hessian_operator(Z, np.empty_like(Z) if scores is None else scores)
        h, P = self.c, self.probabilities(Z)

        def product(V):
            out = self.zeros()
            self._pass(kernels.hessian_product, h, P, V, out=out)
            return self._project(out + self.penalty * V)

        return product

    def _binary_hessian_operator(self, Z, scores):
        h = self.binary_curvature(Z, 0.0)

        def product(V):
            out = self.zeros()
            self._pass(kernels.binary_hessian_product, h, V, scores, out=out)
            return self._project(out + self.penalty * V)

        return product

    def _float32_hessian_operator(self, Z):
        P, scale = tile_kernels.softmax(Z), self.scale[:, None]

        def product(V):
            size = max(np.abs(V[:-1] * scale).max(initial=1e-300), np.abs(V[-1]).max())
            out = self.zeros()
            kernel = tile_kernels.hessian_product
            self._pass(kernel, self.c, P, V / size, out=out, tiles=True)
            return self._project(size * out + self.penalty * V)

        return product

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
        products take the rows that hold `share` of the Hessian's trace. `start` is a V to start
        from. The conjugate directions are added to `directions`, for `deflated`, unless rows are
        sparse in float32. With two classes `point.image` is filled.
        """
        part, Z = self, point.Z
        if share < 1.0:
            index = _largest(self.uncertainty(Z), share)
            part, Z = self.restrict(index), Z[index]
        if self.scale is not None and self.is_sparse:
            return part._sparse_newton_direction(Z, point.gradient, tolerance)
        scores, added = (np.empty_like(Z), np.zeros_like(Z)) if self.k == 1 else (None, None)
        product = part.hessian_operator(Z, scores)
        V, residual = np.zeros_like(point.W), -point.gradient
        if start is not None:
            V, residual = start, residual - product(start)

        def certifies():
            square, decrement = np.vdot(residual, residual), -np.vdot(point.gradient, V)
            gap = 0.5 * (decrement + np.vdot(residual, V) + square)  # to second order
            return square <= excess * decrement or gap <= 0.9 * target

        if start is not None and certifies():
            return V
        S = solve(residual)
        P = S
        rho = first = np.vdot(residual, S)
        for _ in range(MAX_CG_ITERATIONS):
            if rho <= 0:  # a zero gradient, or the end of the arithmetic
                break
            Q = product(P)
            curvature = np.vdot(P, Q)
            if not curvature > 0:
                break
            step = rho / curvature
            if directions is not None:
                directions.append((P.ravel(), Q.ravel(), curvature))
            V = V + step * P
            residual = residual - step * Q
            if self.k == 1:
                added += step * scores
            S = solve(residual)
            previous, rho = rho, np.vdot(residual, S)
            if certifies() if tolerance is None else rho <= tolerance**2 * first:
                break
            P = S + (rho / previous) * P
        if self.k == 1:
            point.image = V, added, residual
        return V

    def _sparse_newton_direction(self, Z, gradient, tolerance):
        """`newton_direction` in float32 for CSR rows, with a preconditioner of its own."""
        V, n_products = sparse_kernels.newton_direction(
            self.float32_rows,
            np.ascontiguousarray(Z),
            self.c,
            gradient,
            self.l2,
            self.fit_intercept,
            tolerance or 0.0,
            MAX_CG_ITERATIONS,
        )
        self.whole.passes += n_products * self.n_samples / self.whole.n_samples
        return self._project(V)  # float32 leaves it centred to 1e-7

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
        dZ = new.Z - point.Z
        low, high, t, slope_low = 0.0, 1.0, 0.5, slope
        best, best_t = point.objective, None
        for _ in range(MAX_LINE_TRIALS):
            W = point.W + t * direction
            loss, slope_t = log_loss.loss_along(self.y, self.c, point.Z, dZ, t)
            slope_t += np.vdot(self.penalty * W, direction)
            rise = loss + self.half_norm(W) - point.objective
            falls = rise <= ARMIJO * t * slope
            if falls and point.objective + rise < best:
                best, best_t = point.objective + rise, t
                if abs(slope_t) <= -0.3 * slope:
                    break
            if slope_t <= 0:
                low, slope_low, fraction = t, slope_t, 0.5
            else:
                high = t
                with np.errstate(all="ignore"):  # a fraction that is not finite becomes 0.01
                    if falls:  # false position on the slope
                        fraction = slope_low / (slope_low - slope_t)
                    else:  # minimum of the parabola through the start and t
                        fraction = (0.5 * slope * t * t / (slope * t - rise) - low) / (high - low)
            t = low + (high - low) * min(0.9, max(0.01, fraction))
        if best_t is None:
            return None, 0.0
        new = self.evaluate(point.W + best_t * direction)
        return (new, best_t) if new.objective < point.objective else (None, 0.0)


def _largest(values, share):
    """Index of the largest values, which sum to `share` of all, in ascending order."""
    order = np.argsort(-values)
    total = np.cumsum(values[order])
    return np.sort(order[: np.searchsorted(total, share * total[-1]) + 1])


def _finite(statistic):
    if not np.isfinite(statistic).all():
        raise ValueError(
            "X: its products overflow float64. Allowed are values whose squares, times C and the "
            "sample weights, can be summed; rescale the columns, with StandardScaler for example."
        )
    return statistic
