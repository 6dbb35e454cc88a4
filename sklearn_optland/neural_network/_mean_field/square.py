"""Quadratic nets: two-layer nets with the activation z^2, fitted to the global optimum.

    f(x) = o + sum_j a_j (b_j'z)^2 = o + z'B z,   z = [x, 1],   B = sum_j a_j b_j b_j'

Each neuron serves one output, with a_j = -1 or 1 there, so that B is one symmetric matrix for each
output. The variation norm sum_j |a_j| |b_j|^2 is at least the sum of their nuclear norms, and equal
to it where the b_j of an output are orthogonal. So

    sum_i c_i l(y_i, f(x_i)) + alpha sum_j |b_j|^2

is at its minimum a convex problem in B. The polar of the nuclear norm is the largest |eigenvalue|
of M = sum_i c_i r_i z_i z_i', r_i the pulls: what takes branch and bound for ReLU is an eigenvalue
problem here, in any dimension.

The solver is the meta-algorithm of Haeffele and Vidal (2015): descend over the neurons; replace
them by the eigenvectors of their B, which lowers the norm; where an eigenvalue of M is beyond
alpha, add its eigenvector, with the sign that it asks for. Venturi, Bandeira and Bruna (2019) show
that the descent has no spurious valley once there are enough neurons.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.special import expit, softmax

from sklearn_optland._net.forward import residuals
from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland._optim.step import Stall
from sklearn_optland._rows.reduce import Statistic, reduce, some_rows
from sklearn_optland.neural_network._mean_field.first_variation import SphereMaximum
from sklearn_optland.neural_network._mean_field.particles import ParticleLayout
from sklearn_optland.neural_network._mean_field.problem import TwoLayerProblem
from sklearn_optland.neural_network._mean_field.solvers import as_step

# Up to this side M is computed and decomposed; above it Lanczos' method multiplies by it, which may
# miss an eigenvalue: then the bound is an estimate.
DENSE_SIDE = 640
# Eigenvectors of M that are looked at, those of the largest |eigenvalues|.
N_EXTREME = 8
# Up to this side L-BFGS has a metric from the fourth moments of the rows.
METRIC_SIDE = 32
# Of the metric's part that may vanish, in units of alpha.
FLOOR = 1e-2
# What keeps the metric positive, relative to its mean eigenvalue.
JITTER = 1e-12
# Of the log-loss in the metric: that of certain predictions underflows.
LEAST_CURVATURE = 1e-6
# Values of a hidden layer in a block of rows.
HIDDEN_VALUES, LARGE_VALUES = 1 << 18, 1 << 23
EPS = np.finfo(np.float64).eps
# Accuracy of Lanczos' eigenvalues, relative; their residuals join the estimate.
LANCZOS_TOL = 1e-6
# Of a new neuron, in units of data and targets.
LARGEST_MASS = 1e6
# Steps of L-BFGS between two looks at the bound, with the metric and without; its pairs.
SLIDES, PLAIN_SLIDES = 10, 300
MEMORY = 20
# They end when two of them with the metric, ten without, bring less than this share of `tol`.
SLIDE_TOL, PLAIN_TOL = 1e-2, 1e-4
# What makes the solver give up: so many rounds that bring less than rounding does.
ROUND_PATIENCE = 3
# Share of an output's largest eigenvalue below which one is dropped.
DROPPED = 1e-12


@dataclass(frozen=True)
class SquareNeurons(ParticleLayout):
    """The layout of quadratic nets: a_j is -1 or 1 for one output, and stays.

    Inside it is float64; `user_dtype` is that of the attributes.
    """

    user_dtype: np.dtype | type = np.float64

    degree = 2

    def to_user(self, theta):
        """`coefs_` and `intercepts_`; neurons without length are left out of the outputs."""
        B, A = self.particles(theta)
        unit = np.sqrt(self.scales.y_scale) / self.scales.x_scale
        coefs, intercepts = self._as_network(B * unit, A * B.any(axis=1)[:, None], theta)
        dtype = self.user_dtype
        return [W.astype(dtype) for W in coefs], [b.astype(dtype) for b in intercepts]

    def to_inside(self, coefs, intercepts):
        """The flat array of a net in the user's units."""
        unit = self.scales.x_scale / np.sqrt(self.scales.y_scale)
        B = np.column_stack([coefs[0].T, intercepts[0] * self.fit_intercept]) * unit
        return self.join(B, coefs[1], self._offset_inside(intercepts[1]))


class SquareLossGradient(Statistic):
    """Mean loss of a quadratic net, and its gradient by the scaled weights; float64."""

    def __init__(self, layout, kind, m, n_values):
        d, k = layout.n_features, layout.n_outputs
        self.layout, self.kind, self.m = layout, kind, m
        self.values, self.work = n_values, m * (2 * n_values + 4 * k)
        self.shape = (d + 1 + k) * m + k

    def add(self, block, parameters, total):
        Y, W, bias, A, offset = parameters
        Y, c = block.local(Y), block.source.c
        gW, gbias, _, goffset = self.layout.parts(total)
        # A sparse block adds into all of the gradient, so that it had better be large.
        most = LARGE_VALUES if block.source.is_sparse else HIDDEN_VALUES
        size, loss = max(32, most // max(self.m, 1)), 0.0
        for start in range(block.first, block.last, size):
            rows = slice(start, min(start + size, block.last))
            x = inputs(block, rows)
            Z = x @ W
            Z += bias
            F = (Z * Z) @ A + offset
            loss += residuals(self.kind, F, Y[rows], c[rows])
            Z *= F @ (2 * A.T)
            gW += x.T @ Z
            gbias += Z.sum(axis=0)
            if self.layout.fit_intercept:
                goffset += F.sum(axis=0)
        return loss


class SquareScores(Statistic):
    """`F` takes the scores without the output intercept."""

    def __init__(self, m):
        self.values = 64 * (m + 1)

    def add(self, block, parameters, _):
        W, bias, A, F = parameters
        Z = inputs(block, block.slice) @ W
        Z += bias
        block.local(F)[block.slice] = (Z * Z) @ A


class PullProducts(Statistic):
    """M V of each output, M = sum_i c_i r_i z_i z_i'; R has the weights of its rows."""

    def __init__(self, side, widths, n_values):
        self.shape = [(side, width) for width in widths]
        self.values = 16 * (n_values + sum(widths))
        self.work = 4 * n_values * sum(widths)

    def add(self, block, parameters, total):
        R, Vs, x_scale, bias = parameters
        x, R = inputs(block, block.slice), block.local(R)[block.slice]
        for product, V, pulls in zip(total, Vs, R.T, strict=True):
            if V.shape[1]:
                P = pulls[:, None] * hidden(x, V, x_scale, bias)
                product[:-1] += (x.T @ P) / x_scale
                product[-1] += bias * P.sum(axis=0)


class FourthMoments(Statistic):
    """sum_i c_i (t'z_i)^4 for each row t of T."""

    def __init__(self, n_points):
        self.shape, self.values = n_points, 64 * n_points

    def add(self, block, parameters, total):
        T, x_scale, bias = parameters
        squares = hidden(inputs(block, block.slice), T.T, x_scale, bias) ** 2
        total += block.source.c[block.slice] @ squares**2


class ProductMoments(Statistic):
    """sum_i c_i h_i p_i p_i' for the products p of two entries of z, and a last one, 1.

    h is the loss' curvature in one of the outputs.
    """

    def __init__(self, side):
        self.pairs = np.triu_indices(side)
        width = len(self.pairs[0]) + 1
        self.shape, self.values, self.work = (width, width), 64 * width, width * width

    def add(self, block, parameters, total):
        curvature, output, x_scale, bias = parameters
        h = block.local(curvature)[block.slice, output]
        x = inputs(block, block.slice)
        x = x.toarray() if block.source.is_sparse else x
        z = np.column_stack([x / x_scale, np.full(len(x), bias)])
        first, second = self.pairs
        P = np.column_stack([z[:, first] * z[:, second], np.ones(len(z))])
        total += (P * (h * block.source.c[block.slice])[:, None]).T @ P


def curvature(F, *, kind):
    """Bounds of the loss' second derivatives at scores, an output at a time.

    2 p (1 - p) times the identity is above the Hessian of a softmax.
    """
    if not kind.is_log_loss:
        return np.ones((len(F), 1))
    has_logits = F.shape[1] == 1 or kind.is_multilabel
    P = expit(F) if has_logits else softmax(F, axis=1)
    return np.maximum(P * (1 - P) * (1 if has_logits else 2), LEAST_CURVATURE)


def inputs(block, rows):
    """Some rows as float64, dense or CSR."""
    x = some_rows(block.source.X, rows)
    return x if block.source.is_sparse else np.asarray(x, dtype=np.float64)


def hidden(x, V, x_scale, bias):
    """z'V for rows x, z = [x / x_scale, bias]."""
    Z = x @ (V[:-1] / x_scale)
    Z += bias * V[-1]
    return Z


class SquareProblem(TwoLayerProblem):
    """Objective of a quadratic net on weighted rows, dense or CSR, computed in float64."""

    layout_class = SquareNeurons

    def __init__(self, source, n_outputs, dtype, **settings):
        super().__init__(source, n_outputs, np.float64, **settings)
        self.layout = replace(self.layout, user_dtype=np.dtype(dtype))
        self._moments = None

    def value_and_gradient(self, theta):
        """Objective and its gradient, zero for the signs."""
        W, bias, *_ = self.layout.parts(theta)
        value, gradient = self.loss_and_gradient(theta)
        gW, gbias, *_ = self.layout.parts(gradient)
        gW += 2 * self.alpha * W
        gbias += 2 * self.alpha * bias
        return value + self.alpha * float(np.vdot(W, W) + bias @ bias), gradient

    def _loss_gradient(self, net):
        statistic = SquareLossGradient(
            self.layout, self.kind, net[0].shape[1], self.source.n_values
        )
        return reduce(statistic, self.source, (self.Y, *net))

    def scores(self, theta):
        """f at the rows, without the output intercept."""
        F = self.source.empty(self.n_outputs)
        W, bias, A, _ = self._net(theta)
        reduce(SquareScores(len(A)), self.source, (W, bias, A, F))
        return F

    def inputs(self):
        """Nothing: the polar reads the rows where they are."""

    def rounded(self, theta):
        """The net that the user's dtype can hold."""
        return theta.astype(self.layout.user_dtype).astype(np.float64)

    def products(self, weighted, Vs):
        """M V of each output."""
        side, widths = self.layout.n_features + 1, [V.shape[1] for V in Vs]
        statistic = PullProducts(side, widths, self.source.n_values)
        return reduce(statistic, self.source, (weighted, Vs, self.x_scale, self.bias))[1]

    def _first_variation(self, B, A, weighted, inputs, from_rows, settings):
        """The largest |eigenvalue| of the outputs' M, and a_j eta(b_j) of each neuron."""
        k, side = self.n_outputs, self.layout.n_features + 1
        owner = np.abs(A).argmax(axis=1)
        own = [B[owner == output].T for output in range(k)]
        if side <= DENSE_SIDE:
            moments = self.products(weighted, [np.eye(side)] * k)
            images = [M @ V for M, V in zip(moments, own, strict=True)]
            pairs = [np.linalg.eigh(M) for M in moments]
            upper = max(np.abs(e).max() for e, _ in pairs) * (1 + 8 * side * EPS)
        else:
            images = self.products(weighted, own)
            pairs, upper = self._lanczos(weighted, settings["random_state"])
        inner = np.empty(len(B))
        for output in range(k):
            inner[owner == output] = np.einsum("dj,dj->j", own[output], images[output])
        inner *= A.sum(axis=1)
        values = np.concatenate([e for e, _ in pairs])
        points = np.concatenate([V.T for _, V in pairs])
        directions = np.repeat(np.eye(k), [len(e) for e, _ in pairs], axis=0)
        directions *= np.sign(values)[:, None]
        values = np.abs(values)
        return SphereMaximum(upper, side <= DENSE_SIDE, points, values, directions), inner

    def _product_moments(self, F, offset):
        """Moments of z (x) z and 1 by output, weighted with the loss' curvature at scores."""
        if not self.is_log_loss and self._moments:
            return self._moments * self.n_outputs
        side, moments = self.layout.n_features + 1, []
        statistic = ProductMoments(side)
        number = np.zeros((side, side), dtype=int)
        number[statistic.pairs] = np.arange(len(statistic.pairs[0]))
        number = np.maximum(number, number.T)
        curvatures = self.source.map(partial(curvature, kind=self.kind), F + offset)
        for output in range(self.n_outputs if self.is_log_loss else 1):
            parameters = curvatures, output, self.x_scale, self.bias
            G = reduce(statistic, self.source, parameters)[1]
            fourth = G[number[..., None, None], number]
            moments.append((fourth, G[number, -1], G[-1, -1]))
        self._moments = moments
        return moments if self.is_log_loss else moments * self.n_outputs

    def metric(self, theta):
        """Solver of a matrix close to the Hessian at the optimum; None if that is large.

        The Hessian is Gauss and Newton's part, from the fourth moments of the rows, and for each
        neuron 2 (alpha I - a_j M), which is not negative at the optimum; elsewhere its eigenvalues'
        sizes are taken, so that steps towards new neurons are not too long. Of several classes,
        outputs are taken for themselves.
        """
        side, k = self.layout.n_features + 1, self.n_outputs
        if side > METRIC_SIDE:
            return None
        B, A = self.layout.particles(theta)
        F, offset = self.scores(theta), self.layout.parts(theta)[3]
        Ms = self.products(self.weighted(self.pulls(F, offset)), [np.eye(side)] * k)
        owner = np.abs(A).argmax(axis=1)
        parts = zip(Ms, self._product_moments(F, offset), strict=True)
        owned = [np.flatnonzero(owner == output) for output in range(k)]
        factors = [
            cho_factor(self._hessian(B[own], A[own].sum(axis=1), *part), check_finite=False)
            for own, part in zip(owned, parts, strict=True)
        ]

        def solve(gradient):
            gW, gbias, _, goffset = self.layout.parts(gradient)
            step = np.zeros_like(gradient)
            W, bias, _, offset = self.layout.parts(step)
            for output, (own, factor) in enumerate(zip(owned, factors, strict=True)):
                g = np.append(np.column_stack([gW[:, own].T, gbias[own]]), goffset[output])
                x = cho_solve(factor, g, check_finite=False)
                b = x[:-1].reshape(len(own), side)
                W[:, own], bias[own], offset[output] = b[:, :-1].T, b[:, -1], x[-1]
            return step

        return solve

    def _hessian(self, B, signs, M, moments):
        """The metric in the neurons of one output, and its intercept."""
        (m, side), (fourth, second, zeroth) = B.shape, moments
        signed = B * signs[:, None]
        H = np.tensordot(signed, fourth, axes=(1, 0))  # by neuron, row, row, row
        H = 4 * np.einsum("jacd,lc->jald", H, signed, optimize=True)
        e, U = np.linalg.eigh(M)
        for j, sign in enumerate(signs):
            rest = np.maximum(np.abs(self.alpha - sign * e), FLOOR * self.alpha)
            H[j, :, j] += 2 * (U * rest) @ U.T
        full = np.empty((m * side + 1, m * side + 1))
        full[:-1, :-1] = H.reshape(m * side, m * side)
        full[:-1, -1] = full[-1, :-1] = 2 * (signed @ second).ravel() * self.fit_intercept
        full[-1, -1] = zeroth
        full[np.diag_indices(len(full))] += JITTER * np.trace(full) / len(full)
        return full

    def _lanczos(self, weighted, random_state):
        """Extreme eigenpairs of each M, and the largest eigenvalue that their residuals leave."""
        k, side = self.n_outputs, self.layout.n_features + 1
        start = np.random.RandomState(random_state).standard_normal(side)
        nothing, pairs, upper = np.empty((side, 0)), [], 0.0
        for output in range(k):

            def times(v, output=output):
                Vs = [nothing] * k
                Vs[output] = v.reshape(side, -1)
                return self.products(weighted, Vs)[output]

            M = LinearOperator((side, side), matvec=times, matmat=times, dtype=np.float64)
            e, V = eigsh(M, k=N_EXTREME, which="LM", v0=start, tol=LANCZOS_TOL)
            residual = np.linalg.norm(times(V) - V * e, axis=0).max()
            upper = max(upper, np.abs(e).max() + residual)
            pairs.append((e, V))
        return pairs, upper


def quadratic(problem, theta, tol, *, random_state):
    """Rounds of descent over the neurons, eigenvectors of B, and new neurons by the polar."""
    stall, passes = Stall(np.finfo(problem.layout.user_dtype).eps, ROUND_PATIENCE), 0
    while True:
        theta = problem.rounded(problem.with_best_intercept(theta))
        bound = problem.bound(theta, inputs=None, n_starts=0, random_state=random_state)
        value, passes = bound.objective / problem.units, passes + 1
        done = bound.gap <= tol * bound.objective or stall(value)
        yield as_step(problem, theta, value, passes, done, bound)
        theta = _add(problem, theta, bound)
        metric = problem.metric(theta)
        if metric is None:
            n_slides, settled = PLAIN_SLIDES, Stall(PLAIN_TOL * tol, 10)
        else:
            n_slides, settled = SLIDES, Stall(SLIDE_TOL * tol, 2)
        steps = minimize(problem.value_and_gradient, theta, Memory(MEMORY), metric)
        for i, step in enumerate(steps):
            if step.done or i == n_slides or settled(step.loss):
                break
        passes += step.curves["passes"]
        theta = orthogonal(problem.layout, step.parameters)


def _add(problem, theta, bound):
    """Neurons for the eigenvalues beyond alpha, their masses by a Newton step along each."""
    is_new = bound.values > problem.alpha * (1 + 1e-9)
    order = np.argsort(-bound.values)
    chosen = order[is_new[order]][: 2 * N_EXTREME * problem.n_outputs]
    if not len(chosen):
        return theta
    T, values = bound.points[chosen], bound.values[chosen]
    moments = FourthMoments(len(T))
    curvature = reduce(moments, problem.source, (T, problem.x_scale, problem.bias))[1]
    curvature *= 0.25 if problem.is_log_loss else 1.0
    masses = (values - problem.alpha) / np.maximum(curvature, 1e-300) / len(T)
    new = np.sqrt(np.minimum(masses, LARGEST_MASS))[:, None] * T
    B, A = problem.layout.particles(theta)
    B, A = np.concatenate([B, new]), np.concatenate([A, bound.directions[chosen]])
    return problem.layout.join(B, A, problem.layout.parts(theta)[3])


def orthogonal(layout, theta):
    """The same net with the eigenvectors of each output's B as neurons: none has a lower norm."""
    B, A = layout.particles(theta)
    k, owner, neurons, signs = layout.n_outputs, np.abs(A).argmax(axis=1), [], []
    for output in range(k):
        own = owner == output
        Q, R = np.linalg.qr(B[own].T)
        e, U = np.linalg.eigh((R * A[own, output]) @ R.T)
        alive = np.abs(e) > DROPPED * np.abs(e).max(initial=0)
        neurons.append((np.sqrt(np.abs(e[alive])) * (Q @ U[:, alive])).T)
        signs.append(np.sign(e[alive])[:, None] * np.eye(k)[output])
    return layout.join(np.concatenate(neurons), np.concatenate(signs), layout.parts(theta)[3])
