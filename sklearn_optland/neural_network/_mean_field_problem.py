"""The objective of wide two-layer nets, its gradient, and its dual."""

import numpy as np

from sklearn_optland._blocks import n_threads, pass_over_rows
from sklearn_optland.neural_network import _mean_field_fast as fast

# Values of the hidden layer in a block of rows: they stay in the second-level cache.
HIDDEN_VALUES = 1 << 16


def row_norms_rms(X, c, bias):
    """Root mean square of the rows' lengths, the bias feature included, without overflow."""
    top = max(np.abs(X).max(initial=0.0), abs(bias))
    if top == 0:
        return 1.0
    total = 0.0
    for first in range(0, len(X), 4096):
        part = X[first : first + 4096] / X.dtype.type(top)
        total += c[first : first + 4096] @ np.einsum("ij,ij->i", part, part)
    return float(top * np.sqrt(total + (bias / top) ** 2))


class TwoLayer:
    def __init__(self, X, Y, c, loss, alpha, fit_intercept):
        self.X, self.c, self.loss, self.fit_intercept = X, c, loss, fit_intercept
        self.x_scale = row_norms_rms(X, c, float(fit_intercept))
        self.bias = X.dtype.type(fit_intercept / self.x_scale)
        self.y_mean, self.y_scale = np.zeros(Y.shape[1]), 1.0
        if loss == "squared_error":
            if fit_intercept:
                self.y_mean = c @ Y
            Y = Y - self.y_mean
            self.y_scale = float(np.sqrt(c @ (Y * Y).sum(axis=1))) or 1.0
            Y = Y / self.y_scale
        self.Y = np.ascontiguousarray(Y, dtype=X.dtype)
        self.alpha = alpha / self.x_scale / self.y_scale
        self.units = self.y_scale**2
        self.scratch = {}

    @property
    def n_outputs(self):
        return self.Y.shape[1]

    def size(self, m):
        d = self.X.shape[1]
        return m * (d + 1 + self.n_outputs) + self.n_outputs

    def split(self, flat, m):
        d, k = self.X.shape[1], self.n_outputs
        W = flat[: d * m].reshape(d, m)
        b = flat[d * m : (d + 1) * m]
        A = flat[(d + 1) * m : (d + 1 + k) * m].reshape(m, k)
        return W, b, A, flat[(d + 1 + k) * m :]

    def residuals(self, F, first, last):
        """F <- c dl/dF; the sum of c l."""
        Y, c = self.Y[first:last], self.c[first:last, None]
        if self.loss == "squared_error":
            F -= Y
            value = 0.5 * float(np.einsum("ij,ij,ik->", F, F, c, dtype=np.float64))
            F *= c
            return value
        if F.shape[1] == 1:
            margin = np.where(Y > 0, F, -F)
            value = float((np.logaddexp(0, -margin) * c).sum())
            F[...] = np.where(Y > 0, -1, 1) / (1 + np.exp(np.minimum(margin, 80))) * c
            return value
        F -= F.max(axis=1, keepdims=True)
        E = np.exp(F)
        s = E.sum(axis=1, keepdims=True)
        value = float(((np.log(s) - (F * Y).sum(axis=1, keepdims=True)) * c).sum())
        F[...] = (E / s - Y) * c
        return value

    def value_and_gradient(self, flat, m):
        """alpha/2 ||(A, W, b)||^2 + sum_i c_i l_i, and the gradient."""
        X, k = self.X, self.n_outputs
        n, d = X.shape
        dtype = X.dtype
        W, b, A, offset = self.split(flat, m)
        scaled = W * dtype.type(1 / self.x_scale)
        shift = b * self.bias
        a = np.ascontiguousarray(A[:, 0]) if k == 1 else None
        rows = max(16, HIDDEN_VALUES // m)
        gradient = np.zeros(flat.size, dtype)

        def block(thread, out, first, last):
            gW, gb, gA, goffset = self.split(out, m)
            Z = self._scratch(thread, rows * m)
            P = self._scratch((thread, "pull"), rows * m) if k > 1 else None
            F = self._scratch((thread, "scores"), rows * k)
            total = 0.0
            for start in range(first, last, rows):
                stop = min(start + rows, last)
                size = stop - start
                x = X[start:stop]
                z = Z[: size * m].reshape(size, m)
                f = F[: size * k].reshape(size, k)
                np.matmul(x, scaled, out=z)
                if k == 1:
                    fast.relu_scores(z, shift, a, f[:, 0])
                else:
                    fast.relu(z, shift)
                    np.matmul(z, A, out=f)
                f += offset
                total += self.residuals(f, start, stop)
                if k == 1:
                    fast.relu_pull(z, a, f[:, 0], gA[:, 0], gb)
                else:
                    gA += z.T @ f
                    p = P[: size * m].reshape(size, m)
                    np.matmul(f, A.T, out=p)
                    fast.relu_mask(z, p, gb)
                    z = p
                gW += x.T @ z
                if self.fit_intercept:
                    goffset += f.sum(axis=0)
            return total

        value = pass_over_rows(block, n, d, m * (2 * d + 4 * k), gradient)
        gW, gb, _, _ = self.split(gradient, m)
        gW *= dtype.type(1 / self.x_scale)
        gb *= self.bias
        weights = flat[: flat.size - k]
        value += 0.5 * self.alpha * float(weights @ weights)
        gradient[: flat.size - k] += dtype.type(self.alpha) * weights
        return value, gradient

    def _scratch(self, key, size):
        held = self.scratch.get(key)
        if held is None or held.size < size:
            held = self.scratch[key] = np.empty(size, self.X.dtype)
        return held


def lbfgs(function, x, *, memory=20):
    """Yield (x, value, gradient norm, done) after each step."""
    value, g = function(x)
    size, n = memory, x.size
    S, Y = np.empty((size, n), x.dtype), np.empty((size, n), x.dtype)
    curvatures, shares = np.empty(size, x.dtype), np.empty(size, x.dtype)
    newest, count, scale = -1, 0, 1.0
    eps = float(np.finfo(x.dtype).eps)
    evals = 1
    while True:
        d = g.copy()
        fast.two_loops(S, Y, curvatures, shares, newest, count, scale, d)
        np.negative(d, out=d)
        slope = float(g @ d)
        if not slope < 0:
            if count == 0:
                yield x, value, g, evals, True
                return
            count = 0
            continue
        t = 1.0 if count else min(1.0, 1 / float(np.sqrt(g @ g)))
        for _ in range(30):
            trial = x + x.dtype.type(t) * d
            v, gt = function(trial)
            evals += 1
            if v <= value + 1e-4 * t * slope + 0 * eps * abs(value):
                break
            t = max(0.1 * t, min(0.5 * t, -0.5 * t * t * slope / (v - value - t * slope)))
        else:
            if count == 0:
                yield x, value, g, evals, True
                return
            count, scale = 0, 1.0
            continue
        s, y = trial - x, gt - g
        sy = float(s @ y)
        yy = float(y @ y)
        if sy > 1e-10 * np.sqrt(float(s @ s) * yy):
            newest = (newest + 1) % size
            count = min(count + 1, size)
            S[newest], Y[newest], curvatures[newest] = s, y, sy
            scale = sy / yy
        x, value, g = trial, v, gt
        yield x, value, g, evals, False
