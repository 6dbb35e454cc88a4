"""The objective of logistic regression: passes over the data, Newton directions, duality gap."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from sklearn_optland._blocks import pass_over_rows, sum_over_blocks
from sklearn_optland.linear_model import _bound_majorization_fast as kernels
from sklearn_optland.linear_model import _dual_ascent_fast as dual_kernels
from sklearn_optland.linear_model import _sparse_float32_fast as sparse_kernels
from sklearn_optland.linear_model import _tiles_fast as tile_kernels
from sklearn_optland.utils._rows import as_rows

EPS = np.finfo(float).eps
ARMIJO = 1e-4
# What float64 leaves open of an objective, relative to it: a sum of many terms.
ROUNDING = 4 * EPS
# More conjugate gradient steps than that do not pay for themselves in one Newton step.
MAX_CG_ITERATIONS = 50
MAX_LINE_TRIALS = 40
MAX_GRAM_COLUMNS = 2000
MAX_INTERCEPT_STEPS = 50
# An imbalance of the residuals, relative to them, that one more Newton step takes to rounding.
BALANCED = 1e-10


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

    def importance_sample(self, size, seed):
        """Return the problem on about `size` rows that know the curvature, weighted back.

        Half are drawn evenly, half by their `row_squares`: a column that is 0 in most rows is
        sampled where it is not. With the same seed, a larger sample contains the smaller.
        """
        even, by_squares = self.c.sum(), self.c @ self.row_squares
        index, probability = kernels.draw_rows(
            self.c,
            self.row_squares,
            0.5 * size / even,
            0.5 * size / by_squares if by_squares > 0 else 0.0,
            seed,
        )
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
        return Point(W, Z, loss + self._half_norm(W), G, exact=self.scale is None)

    def value(self, W):
        """Objective and scores at W, in float64: a pass without the way back to a gradient."""
        Z = self.forward(W)
        return Point(W, Z, self._loss(Z) + self._half_norm(W), None)

    def _half_norm(self, W):
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
        kernels.binary_curvature(Z, self.c, radius, h)
        return h

    def probabilities(self, Z):
        """Class probabilities of rows of scores, for several classes; the latest are kept."""
        if self._latest[0] is not Z:
            P = np.empty_like(Z)
            kernels.softmax(Z, P)
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

    def dual_ascent(self, rng):
        """Return a `DualAscent` from zero in float32, or None if this problem does not suit it."""
        squares = np.empty(self.n_samples)
        self._pass(kernels.row_squares, np.ones(self.n_features), squares)
        sizes = self.c, self.scale, 1.0 + self.c * squares
        fits = all(size.min() > 1e-9 and size.max() < 1e9 for size in sizes)
        if not (self.l2 and fits):
            return None
        return DualAscent(self, squares, rng)

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
            loss, slope_t = kernels.loss_along(self.y, self.c, point.Z, dZ, t)
            slope_t += np.vdot(self.penalty * W, direction)
            rise = loss + self._half_norm(W) - point.objective
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

    def lower_bound(self, point, direction):
        """Return a proven lower bound on the optimum: the value of a dual point.

        Dual points are probabilities p' that balance the classes, sum_i c_i (p'_i - y_i) = 0, if
        there is an intercept. Theirs is the bound F(w, b) - 1/2 ||w + X'c (p' - y)||^2
        - sum_i c_i KL(p'_i || p_i), with b the best intercept for w. The probabilities of
        the point itself lose a factor that grows with the condition number. A Newton step for the
        scores, p' = p + (diag p - pp') dz, makes the first term ||dw||^2 / 2, and the bound is
        then as far below the optimum as the objective is above it, or closer. Far from the
        optimum that step has to be cut to stay in the simplex; then softmax(z + dz) is tried too.
        """
        if point.image is not None and point.image[0] is direction:
            bound = self._bound_from_image(point)
            if bound is not None:
                return bound
        dZ = self.forward(direction)
        Z, loss = self._balanced_scores(point)
        if self.fit_intercept:
            dZ += _solve(self.class_curvature(Z), -self._column_sums(Z, dZ))
        objective = loss + self._half_norm(point.W)
        cut, R, divergence = self._newton_dual(Z, dZ)
        bound = objective - self._dual_gap(point, R, divergence, self._dual_gradient(point, R))
        if cut < 1.0:
            bound = max(bound, self._softmax_bound(point, Z, loss, Z + dZ))
        return _less_rounding(bound, objective)

    def dual_bound(self, point, scores):
        """Return a proven lower bound on the optimum, from the dual point softmax(scores)."""
        Z, loss = self._balanced_scores(point)
        bound = self._softmax_bound(point, Z, loss, scores)
        return _less_rounding(bound, loss + self._half_norm(point.W))

    def _balanced_scores(self, point):
        """Scores with the best intercept for the point's coefficients, and their loss."""
        Z = point.Z + self._best_intercept(point.Z) if self.fit_intercept else point.Z
        return Z, self._loss(Z)

    def _softmax_bound(self, point, Z, loss, scores):
        """`lower_bound` with p' = softmax(scores), which a shift balances."""
        if self.fit_intercept:
            scores = scores + self._best_intercept(scores)
        R = self._residuals(scores)
        # KL(p' || p) = logsumexp(z) - logsumexp(z') + p'(z' - z), y's share in each cancels
        divergence = loss - self._loss(scores) + np.vdot(R, scores - Z)
        gap = self._dual_gap(point, R, divergence, self._dual_gradient(point, R))
        return loss + self._half_norm(point.W) - gap

    def _bound_from_image(self, point):
        """`lower_bound` for two classes without a pass, by what conjugate gradients have left.

        Without a cut p' is linear in the step: X'c (p' - y) = -w - direction - residual.
        Only balancing the classes costs a pass back. Returns None if the step has to be cut.
        """
        direction, scores, residual = point.image
        if self.fit_intercept:
            h = self.binary_curvature(point.Z, 0.0)
            total = h.sum()
            shift = residual[-1] / total if total > 0 else 0.0
            scores = scores + shift
            residual = residual - shift * self.backward(h[:, None])
        cut, R, divergence = self._newton_dual(point.Z, scores)
        if cut < 1.0:
            return None
        gap = self._dual_gap(point, R, divergence, self.l2 * direction + residual)
        return _less_rounding(point.objective - gap, point.objective)

    def _newton_dual(self, Z, dZ):
        """Probabilities p' = p + cut (diag p - pp') dz with the largest cut <= 1 that they allow.

        Returns cut, the residuals c (p' - y) and sum_i c_i KL(p'_i || p_i).
        """
        R = np.empty_like(Z)
        kernel = kernels.logistic_dual if self.k == 1 else kernels.softmax_dual
        cut, divergence = kernel(Z, dZ, self.y, self.c, R)
        return cut, R, divergence

    def _loss(self, Z):
        return kernels.loss_along(self.y, self.c, Z, Z, 0.0)[0]

    def _residuals(self, Z):
        """c (P - Y) at scores Z."""
        return self._newton_dual(Z, np.zeros_like(Z))[1]

    def _dual_gradient(self, point, R):
        """Penalty's gradient plus X'R: 0 at the optimum."""
        return self.l2 * point.W + self.backward(R)

    def _dual_gap(self, point, R, divergence, G):
        """Objective minus dual objective of probabilities with these residuals and divergence.

        G is their `_dual_gradient`.
        """
        gap = 0.5 * np.vdot(G[:-1], G[:-1]) + divergence
        if self.fit_intercept:
            imbalance = np.abs(R.sum(axis=0)).max()
            if not imbalance <= 1e-12 * np.abs(R).sum():
                return np.inf  # no dual point: the intercept could not be balanced
            gap += imbalance * self.k * (1.0 + np.abs(point.W[-1]).max())  # rounding
        return gap

    def _intercept_derivatives(self, Z):
        """Derivatives of the loss in a shift of the scores.

        Returns the gradient relative to the sum of the residuals' magnitudes, that sum, and the
        Hessian.
        """
        R = self._residuals(Z)
        size = max(np.abs(R).sum(), 1e-300)
        return R.sum(axis=0) / size, size, self.class_curvature(Z)

    def _column_sums(self, Z, dZ):
        """Sum over rows of c (diag p - pp') dz."""
        if self.k == 1:
            return self.binary_curvature(Z, 0.0) @ dZ
        P = self.probabilities(Z)
        return self.c @ (P * (dZ - np.sum(P * dZ, axis=1, keepdims=True)))

    def _best_intercept(self, Z):
        """Shift of the scores that minimises the loss: a damped Newton iteration, O(n k^2)."""
        shift = np.zeros(self.k)
        loss = self._loss(Z)
        for _ in range(MAX_INTERCEPT_STEPS):
            imbalance, size, hessian = self._intercept_derivatives(Z + shift)
            step = _solve(hessian, -imbalance * size)
            for _ in range(MAX_LINE_TRIALS):
                new = self._loss(Z + (shift + step))
                # on a flat that float64 does not resolve Newton's step is right all the same
                if new <= loss * (1 + ROUNDING):
                    break
                step = step / 4
            else:
                break
            shift = shift + step
            if np.abs(imbalance).max() <= BALANCED:
                break
            loss = new
        return shift


class DualAscent:
    """Dual coordinate ascent from zero, for several classes and CSR rows, in float32.

    The intercept has no penalty, which would be a constraint on the dual: it gets
    rho/2 (b - anchor)^2, and the anchor moves to b after each pass, as in the finite sums' SDCA.

    Attributes
    ----------
    scores : ndarray of float32 of shape (n_samples, k)
        Logarithms of the dual variables, which are probabilities.
    """

    def __init__(self, problem, squares, rng):
        self.problem, self.rng, X, c = problem, rng, problem.X, problem.c
        self.indptr, self.indices = X.indptr.astype(np.int64), X.indices.astype(np.int32)
        self.data, self.c = X.data.astype(np.float32), c.astype(np.float32)
        self.rho = 0.0
        if problem.fit_intercept:
            self.rho = min(0.5 * c.mean(), problem.l2 * c.sum() / max(c @ squares, 1e-300))
        lengths = squares / problem.l2 + (1.0 / self.rho if self.rho else 0.0)
        self.q = (c * lengths).astype(np.float32)
        self.scores = np.empty((problem.n_samples, problem.k), dtype=np.float32)
        self._V = problem.zeros().astype(np.float32)
        self._anchor = self._V[-1].copy()
        self._fresh = True

    def run(self):
        """Visit each row once, in random order; returns about the duality gap before."""
        problem = self.problem
        order = self.rng.permutation(problem.n_samples).astype(np.int32)
        problem.count_pass()
        gap = sum_over_blocks(
            lambda first, last: dual_kernels.dual_pass(
                order[first:last],
                self.indptr,
                self.indices,
                self.data,
                problem.y,
                self.c,
                self.q,
                problem.l2,
                self.rho,
                self._fresh,
                self.scores,
                self._V,
            ),
            problem.n_samples,
            problem.values_per_row * problem.k,
        )
        b = self._V[-1].copy()
        self._V[-1] += b - self._anchor
        self._anchor = b
        self._fresh = False
        return gap

    @property
    def W(self):
        """Parameters."""
        W = self._V.astype(float)
        return W - W.mean(axis=1, keepdims=True)


def _largest(values, share):
    """Index of the largest values, which sum to `share` of all, in ascending order."""
    order = np.argsort(-values)
    total = np.cumsum(values[order])
    return np.sort(order[: np.searchsorted(total, share * total[-1]) + 1])


def _less_rounding(bound, objective):
    """A lower bound on the optimum less the few ulp to which float64 knows the objective."""
    bound -= 8 * EPS * objective
    return max(0.0, bound) if np.isfinite(bound) else 0.0


def _finite(statistic):
    if not np.isfinite(statistic).all():
        raise ValueError(
            "X: its products overflow float64. Allowed are values whose squares, times C and the "
            "sample weights, can be summed; rescale the columns, with StandardScaler for example."
        )
    return statistic


def _solve(A, rhs):
    """Solve A u = rhs for a semi-definite A, free up to a constant with several classes."""
    scale = np.sqrt(np.maximum(np.diag(A), 1e-300))
    with np.errstate(over="ignore"):  # an infinite step is refused by who asked for it
        rhs = np.clip(rhs / scale, -1e300, 1e300)
        return np.linalg.lstsq(A / np.outer(scale, scale), rhs)[0] / scale
