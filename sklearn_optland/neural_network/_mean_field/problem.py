"""The objective of wide two-layer nets: its gradient over particles, and its dual over rows.

A net with m particles (a_j, b_j) is f(x) = o + sum_j a_j relu(b_j'[x, 1]). The objective

    sum_i c_i l(y_i, f(x_i)) + alpha sum_j |a_j| |b_j|

is convex in the measure sum_j |a_j| |b_j| delta(a_j/|a_j|, b_j/|b_j|). Over the particles the
variation norm is the least value of sum_j (|a_j|^2 + |b_j|^2) / 2 over their rescalings: ridge on
both layers, smooth and equal to it where |a_j| = |b_j|.

Particles are one flat array with the parts, in the layout of scikit-learn's MLP,

    W (n_features x m), bias weights (m), A (m x n_outputs), o (n_outputs).

All of it is in units in which rows and targets have about length 1: relu is homogeneous, so that
this changes nothing but the scales of a, b and alpha, and data of any scale neither overflow nor
ask for other steps.
"""

from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, softmax

from sklearn_optland._net.entrywise_fast import output_residuals
from sklearn_optland._net.units import target_size
from sklearn_optland._rows.reduce import pass_over_rows, row_blocks
from sklearn_optland._rows.source import float32_copy
from sklearn_optland.neural_network._mean_field import relu_fast as fast
from sklearn_optland.neural_network._mean_field.first_variation import maximum_over_sphere

# Values of the hidden layer in a block of rows: with its adjoint they stay in the second-level
# cache. Products with fewer rows are slow.
HIDDEN_VALUES = 1 << 16
MIN_ROWS = 32
# Newton steps for the output intercept of the log-loss.
MAX_NEWTON_STEPS = 50
# A mean residual that the free intercept should have made zero: rounding and nothing else.
ROUNDING = 1e-9
# Targets that vary by less, relative to their mean, are constant.
CONSTANT = 1e-13
# Inside units: above 1 no penalty leaves a particle; float32 holds the square of this.
LARGEST_ALPHA = 1e12


@dataclass(frozen=True)
class Bound:
    """What a dual point says about a net.

    Parameters
    ----------
    objective : float
        The objective, with the output intercept at its best, in the user's units.
    gap : float
        Objective minus dual value, in the user's units.
    first_variation_max : float
        The largest |eta| that is known, in the user's units; at an optimum it is at most alpha.
    proven : bool
        Whether it is an upper bound over the whole sphere: then so is the gap.
    points : ndarray of shape (n_points, n_features + bias)
        Where |eta| is high, unit vectors in the problem's units.
    values : ndarray of shape (n_points,)
        |eta| there, in the problem's units.
    """

    objective: float
    gap: float
    first_variation_max: float
    proven: bool
    points: np.ndarray
    values: np.ndarray


class TwoLayerProblem:
    """Objective of a two-layer ReLU net on weighted rows.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32 or float64
        Memory maps are read a block at a time.
    Y : ndarray of shape (n_rows, n_outputs)
        Targets; for the log-loss 0 or 1, one column for two classes.
    c : ndarray of shape (n_rows,)
        Positive weights that sum to 1.
    is_log_loss : bool
        The loss: log-loss, or half the squared error.
    alpha : float
        Strength of the penalty.
    fit_intercept : bool
        Whether rows have the bias feature 1, and the output a free intercept.
    scales : (float, ndarray, float), default=None
        Of `choose_scales`. Default: those of these data.
    """

    def __init__(self, X, Y, c, *, is_log_loss, alpha, fit_intercept, scales=None):
        self.X, self.c, self.fit_intercept = X, c, fit_intercept
        self.is_log_loss, self.dtype = is_log_loss, X.dtype
        self.n_features, self.n_outputs = X.shape[1], Y.shape[1]
        self.scales = scales or choose_scales(X, Y, c, is_log_loss, fit_intercept)
        self.x_scale, self.y_mean, self.y_scale = self.scales
        self.bias = float(fit_intercept) / self.x_scale
        self.units = self.y_scale**2  # of the objective
        self.alpha = min(alpha / self.x_scale / self.y_scale, LARGEST_ALPHA)
        self.Y = np.ascontiguousarray((Y - self.y_mean) / self.y_scale, dtype=X.dtype)
        self._buffers = {}

    def on(self, X, Y, c):
        """The same objective, in the same units, on other rows."""
        other = copy(self)
        other.X, other.c, other._buffers = X, c, {}
        other.Y = np.ascontiguousarray((Y - self.y_mean) / self.y_scale, dtype=X.dtype)
        return other

    def in_float32(self):
        """The same objective, in the same units, on a copy of the rows in float32."""
        other = copy(self)
        other.X = float32_copy(self.X.shape, lambda first, last: self.X[first:last] / self.x_scale)
        other.Y, other.dtype = self.Y.astype(np.float32), other.X.dtype
        other.x_scale, other._buffers = 1.0, {}
        return other

    # Particles as a flat array

    def n_particles(self, theta):
        """Number of particles in a flat array."""
        return (theta.size - self.n_outputs) // (self.n_features + 1 + self.n_outputs)

    def parts(self, theta):
        """Views of a flat array: W, bias weights, A, output intercept."""
        d, k, m = self.n_features, self.n_outputs, self.n_particles(theta)
        first, second = d * m, (d + 1) * m
        return (
            theta[:first].reshape(d, m),
            theta[first:second],
            theta[second : second + k * m].reshape(m, k),
            theta[second + k * m :],
        )

    def join(self, B, A, offset):
        """A flat array of b_j (rows of B, bias weight last), a_j (rows of A) and the intercept."""
        d = self.n_features
        pieces = (B[:, :d].T.ravel(), B[:, d], A.ravel(), offset)
        return np.concatenate(pieces).astype(self.dtype)

    def particles(self, theta):
        """b_j with their bias weight, and a_j, as rows; float64."""
        W, bias, A, _ = self.parts(theta)
        return np.column_stack([W.T, bias]).astype(np.float64), A.astype(np.float64)

    def to_user(self, theta):
        """`coefs_` and `intercepts_`, with |a_j| = |b_j| and without units."""
        B, A = self.particles(theta)
        sizes = [np.linalg.norm(part, axis=1) for part in (A, B)]
        alive = (sizes[0] > 0) & (sizes[1] > 0)
        ratio = np.sqrt(
            sizes[0] / np.where(alive, sizes[1], 1.0), where=alive, out=np.zeros(len(A))
        )
        # f = y_scale / x_scale sum_j a_j relu(b_j'[x, 1])
        unit = np.sqrt(self.y_scale) / np.sqrt(self.x_scale)
        inverse = np.divide(unit, ratio, where=ratio > 0, out=np.zeros(len(A)))
        B, A = B * (unit * ratio)[:, None], A * inverse[:, None]
        offset = self.parts(theta)[3].astype(np.float64) * self.y_scale + self.y_mean
        coefs = [B[:, :-1].T, A]
        intercepts = [B[:, -1] * self.fit_intercept, offset]
        return (
            [np.ascontiguousarray(W, dtype=self.dtype) for W in coefs],
            [b.astype(self.dtype) for b in intercepts],
        )

    def to_inside(self, coefs, intercepts):
        """The flat array of a net in the user's units."""
        unit = np.sqrt(self.x_scale) / np.sqrt(self.y_scale)
        B = np.column_stack([coefs[0].T, intercepts[0] * self.fit_intercept]) * unit
        offset = (intercepts[1] - self.y_mean) / self.y_scale * self.fit_intercept
        return self.join(B, coefs[1] * unit, offset)

    def variation_norm(self, theta):
        """sum_j |a_j| |b_j|."""
        B, A = self.particles(theta)
        return float(np.linalg.norm(A, axis=1) @ np.linalg.norm(B, axis=1))

    # Passes over the rows

    def value_and_gradient(self, theta, rows=slice(None)):
        """Objective with ridge on both layers, and its gradient.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
        rows : slice, default=all
            A mini-batch; its weights are scaled to sum to 1.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
        """
        X, Y, c = self.X[rows], self.Y[rows], self.c[rows]
        if len(X) < len(self.X):
            c = c / c.sum()
        d, k, m = self.n_features, self.n_outputs, self.n_particles(theta)
        W, bias, A, offset = self.parts(theta)
        scale, unit_bias = self.dtype.type(1 / self.x_scale), self.dtype.type(self.bias)
        W, bias = W * scale, bias * unit_bias
        a = np.ascontiguousarray(A[:, 0])
        size = max(MIN_ROWS, HIDDEN_VALUES // max(m, 1))
        gradient = np.zeros_like(theta)

        def kernel(thread, out, first, last):
            gW, gbias, gA, goffset = self.parts(out)
            hidden, pull, scores = self._scratch(thread, min(size, last - first), m, k)
            loss = 0.0
            for start in range(first, last, size):
                part = slice(start, min(start + size, last))
                n = part.stop - start
                x, H, F = np.asarray(X[part]), hidden[:n], scores[:n]
                np.matmul(x, W, out=H)
                if k == 1:
                    fast.relu_scores(H, bias, a, F[:, 0])
                else:
                    fast.relu(H, bias)
                    np.matmul(H, A, out=F)
                F += offset
                loss += output_residuals(F, Y[part], c[part], self.is_log_loss)
                if k == 1:
                    fast.relu_pull(H, a, F[:, 0], gA[:, 0], gbias)
                    P = H
                else:
                    gA += H.T @ F
                    P = pull[:n]
                    np.matmul(F, A.T, out=P)
                    fast.relu_mask(H, P, gbias)
                gW += x.T @ P
                if self.fit_intercept:
                    goffset += F.sum(axis=0)
            return loss

        value = pass_over_rows(kernel, len(X), d, m * (2 * d + 4 * k), gradient)
        gW, gbias, _, _ = self.parts(gradient)
        gW *= scale
        gbias *= unit_bias
        weights = theta[: theta.size - k]
        gradient[: theta.size - k] += self.dtype.type(self.alpha) * weights
        return value + 0.5 * self.alpha * float(weights @ weights), gradient

    def _scratch(self, thread, n, m, k):
        """Buffers of a thread for n rows."""
        held = self._buffers.get(thread)
        if held is None or held[0].shape[1] != m or len(held[0]) < n:
            pull = (n, m) if k > 1 else (0, 0)
            held = [np.empty(shape, self.dtype) for shape in ((n, m), pull, (n, k))]
            self._buffers[thread] = held
        return held

    def scores(self, theta):
        """f at the rows, without the output intercept, as float64."""
        A = self.parts(theta)[2]
        F = np.empty((len(self.X), self.n_outputs))
        for first, last, H in self._hidden(theta):
            F[first:last] = H @ A
        return F

    def _hidden(self, theta):
        """Blocks of rows, and the outputs of the hidden layer there."""
        W, bias, _, _ = self.parts(theta)
        W, bias = W * self.dtype.type(1 / self.x_scale), bias * self.dtype.type(self.bias)
        for first, last in row_blocks(len(self.X), 64 * (len(bias) + 1)):
            H = np.asarray(self.X[first:last]) @ W
            fast.relu(H, bias)
            yield first, last, H

    def loss(self, F):
        """Mean loss of scores, in the problem's units."""
        return output_residuals(F.copy(), self.Y.astype(np.float64), self.c, self.is_log_loss)

    def pulls(self, F):
        """-dl/df of each row."""
        R = F.copy()
        output_residuals(R, self.Y.astype(np.float64), np.ones(len(F)), self.is_log_loss)
        return -R

    def best_intercept(self, F, offset):
        """The output intercept that is best for scores without one."""
        if not self.fit_intercept:
            return np.zeros(self.n_outputs)
        if not self.is_log_loss:
            return self.c @ (self.Y - F)
        offset = np.array(offset, dtype=np.float64)
        value = self.loss(F + offset)
        for _ in range(MAX_NEWTON_STEPS):
            R = self.pulls(F + offset)
            gradient = self.c @ R
            P = self.Y - R
            if self.n_outputs == 1:
                hessian = np.array([[self.c @ (P * (1 - P))[:, 0]]])
            else:
                # Constant shifts of all classes change nothing: one more curvature for them.
                hessian = np.diag(self.c @ P) - (P * self.c[:, None]).T @ P
                hessian += 1 / self.n_outputs
            step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
            t = 1.0
            while t > 1e-3 and not self.loss(F + offset + t * step) <= value:
                t /= 2
            if t <= 1e-3:
                break
            offset += t * step
            value = self.loss(F + offset)
            if np.abs(step).max() <= 1e-12 * (1 + np.abs(offset).max()):
                break
        return offset

    def null_loss(self):
        """Mean loss of the best intercept alone, in the user's units."""
        F = np.zeros((len(self.X), self.n_outputs))
        return self.units * self.loss(F + self.best_intercept(F, F[0]))

    def curvature(self, F, H, U):
        """Hessian of the loss in masses w and intercept o of f = sum_j w_j H_j u_j + o.

        Returns
        -------
        Q : ndarray of shape (m, m)
        cross : ndarray of shape (m, n_outputs)
        free : ndarray of shape (n_outputs, n_outputs)
            Zero without an intercept.
        """
        k, c = self.n_outputs, self.c[:, None]
        if not self.is_log_loss:
            Q = ((H * c).T @ H) * (U @ U.T)
            cross, free = (self.c @ H)[:, None] * U, np.eye(k)
        elif k == 1:
            h = softmax(np.column_stack([F, np.zeros(len(F))]), axis=1).prod(axis=1)[:, None] * c
            Q = ((H * h).T @ H) * (U @ U.T)
            cross, free = (h[:, 0] @ H)[:, None] * U, h.sum(axis=0)[:, None]
        else:
            P = softmax(F, axis=1)
            mean = H * (P @ U.T)  # sum_k p_k H u_k
            Q = (
                sum(np.outer(U[:, i], U[:, i]) * ((H * (P[:, [i]] * c)).T @ H) for i in range(k))
                - (mean * c).T @ mean
            )
            cross = (H.T @ (P * c)) * U - (mean * c).T @ P
            free = np.diag(self.c @ P) - (P * c).T @ P
        if not self.fit_intercept:
            cross, free = 0.0 * cross, 0.0 * free
        return Q, cross, free

    # The dual

    def with_best_intercept(self, theta):
        """The same particles with the output intercept at its best."""
        theta = theta.copy()
        offset = self.parts(theta)[3]
        offset[:] = self.best_intercept(self.scores(theta), offset)
        return theta

    def augmented(self):
        """Rows with the bias feature, in the problem's units."""
        X = np.asarray(self.X) / self.dtype.type(self.x_scale)
        if not self.fit_intercept:
            return X
        return np.column_stack([X, np.full(len(X), self.bias, self.dtype)])

    def bound(self, theta, *, rows, n_starts, random_state):
        """The gap of a net with the best output intercept, by its own residuals.

        Any pulls u in the domain of the loss' conjugate with |eta(t)| <= alpha on the sphere,
        eta(t) = sum_i c_i u_i relu(t'x_i), and with sum_i c_i u_i = 0 if there is an intercept, are
        a dual point. The net's own pulls are, if scaled by s = min(alpha / max |eta|, best s).
        The gap is a sum of terms that are not negative: Fenchel gaps of the rows, and
        alpha |a_j| |b_j| - a_j'eta(b_j) of the particles.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
        rows : ndarray of shape (n_rows, n_features + bias)
            Of `augmented`.
        n_starts : int
            Starts of the ascent where no exact maximum is at hand.
        random_state : int
            Of the starts.

        Returns
        -------
        bound : Bound
        """
        B, A = self.particles(theta)
        if not self.fit_intercept:
            B = B[:, :-1]
        F = self.scores(theta)
        F += self.best_intercept(F, self.parts(theta)[3])
        R = self.pulls(F)
        weighted = R * self.c[:, None]
        maximum = maximum_over_sphere(rows, weighted, n_starts=n_starts, random_state=random_state)
        sizes = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
        # eta at the particles, by the homogeneity of relu
        inner = np.zeros(len(A))
        for first, last in row_blocks(len(rows), 64 * (len(A) + 1)):
            H = np.maximum(rows[first:last].astype(np.float64) @ B.T, 0)
            inner += np.einsum("jk,jk->j", H.T @ weighted[first:last], A)
        alive = sizes > 0
        largest = max(maximum.value, (inner[alive] / sizes[alive]).max(initial=0.0))
        feasible = self.alpha / largest if largest > 0 else np.inf
        if self.fit_intercept and np.abs(weighted.sum(axis=0)).max() > ROUNDING:
            feasible = 0.0  # the intercept is not at its best: only u = 0 is known to be feasible
        if self.is_log_loss:
            scale = min(feasible, 1.0)
            fenchel = self.c @ self._divergences(F, scale)
        else:
            square = self.c @ np.einsum("ij,ij->i", R, R)
            best = self.c @ np.einsum("ij,ij->i", self.Y, R) / square if square > 0 else 0.0
            scale = max(min(feasible, best), 0.0)
            fenchel = 0.5 * (1 - scale) ** 2 * square
        gap = fenchel + (self.alpha * sizes - scale * inner).sum()
        return Bound(
            objective=float(self.units * (self.loss(F) + self.alpha * sizes.sum())),
            gap=float(self.units * max(gap, 0.0)),
            first_variation_max=float(largest * self.x_scale * self.y_scale),
            proven=maximum.proven,
            points=maximum.points,
            values=maximum.values,
        )

    def _divergences(self, F, scale):
        """KL(q || p) of each row: q - y = scale (p - y), p its probabilities and y its label."""
        if self.n_outputs == 1:
            F, Y = np.column_stack([np.zeros(len(F)), F]), np.column_stack([1 - self.Y, self.Y])
        else:
            Y = self.Y
        log_p, p = log_softmax(F, axis=1), softmax(F, axis=1)
        q = scale * p + (1 - scale) * Y
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(q > 0, q * (np.log(q) - log_p) - q + p, p)
        return np.maximum(terms, 0.0).sum(axis=1)


def choose_scales(X, Y, c, is_log_loss, fit_intercept):
    """Length of the rows, mean of the targets, size of the targets.

    Returns
    -------
    x_scale : float
        Root mean square of the rows' lengths, with the bias feature.
    y_mean : ndarray of shape (n_outputs,)
        0 without an intercept, and for classes.
    y_scale : float
        Root mean square of the targets' distance to it; 1 if they are constant, and for classes.
    """
    x_scale = _root_mean_square(X, c, float(fit_intercept))
    y_mean = np.zeros(Y.shape[1])
    if is_log_loss:
        return x_scale, y_mean, 1.0
    if fit_intercept:
        y_mean = c @ Y
    spread = _root_mean_square(Y - y_mean, c, 0.0)
    return x_scale, y_mean, target_size(spread, Y, y_mean, CONSTANT)


def _root_mean_square(X, c, bias):
    """Root mean square of the rows' lengths, the bias feature included, without overflow."""
    blocks = list(row_blocks(len(X), X.shape[1]))
    top = max([abs(bias), *(float(np.abs(X[first:last]).max()) for first, last in blocks)])
    if top == 0:
        return 1.0
    total = (bias / top) ** 2
    for first, last in blocks:
        part = np.asarray(X[first:last]) / X.dtype.type(top)
        total += float(c[first:last] @ np.einsum("ij,ij->i", part, part))
    return float(top * np.sqrt(total))
