"""The objective of wide two-layer nets: its gradient over particles, and its dual over rows.

A net with m particles (a_j, b_j) is f(x) = o + sum_j a_j relu(b_j'[x, 1]). The objective

    sum_i c_i l(y_i, f(x_i)) + alpha sum_j |a_j| |b_j|

is convex in the measure sum_j |a_j| |b_j| delta(a_j/|a_j|, b_j/|b_j|). Over the particles the
variation norm is the least value of sum_j (|a_j|^2 + |b_j|^2) / 2 over their rescalings: ridge on
both layers, smooth and equal to it where |a_j| = |b_j|.

All of it is in the units of `units.Scales`. What has an entry for each row, scores F and pulls R,
is an array of the source, and is touched by statistics and `map` only.
"""

from copy import copy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sklearn_optland._loss.gauge_dual import dual_scale
from sklearn_optland._loss.intercept import best_shift
from sklearn_optland._net.forward import LossKind
from sklearn_optland._net.units import standardised
from sklearn_optland._rows.reduce import ExtremeOf, reduce
from sklearn_optland.neural_network._mean_field import passes
from sklearn_optland.neural_network._mean_field.ascent import Inputs, Values, some_of
from sklearn_optland.neural_network._mean_field.first_variation import N_POINTS, maximum_over_sphere
from sklearn_optland.neural_network._mean_field.particles import ParticleLayout
from sklearn_optland.neural_network._mean_field.units import Scales, choose_scales

# A mean residual of the log-loss that one more Newton step for the output intercept takes to
# rounding.
BALANCED = 1e-8
# A mean residual that the free intercept should have made zero: rounding and nothing else.
ROUNDING = 1e-9
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
    points : ndarray of shape (n_points, n_features + bias), default=None
        Where |eta| is high, unit vectors in the problem's units.
    values : ndarray of shape (n_points,), default=None
        |eta| there, in the problem's units.
    directions : ndarray of shape (n_points, n_outputs), default=None
        Unit vectors along eta there, where the maximum's finder knows them.
    """

    objective: float
    gap: float
    first_variation_max: float
    proven: bool
    points: np.ndarray | None = None
    values: np.ndarray | None = None
    directions: np.ndarray | None = None


class TwoLayerProblem:
    """Objective of a two-layer ReLU net on weighted rows.

    Parameters
    ----------
    source : ArraySource or another source of rows
        Inputs, targets Y of shape (n_rows, n_outputs), for the log-loss 0 or 1 and one column for
        two classes, and positive weights c that sum to 1.
    n_outputs : int
    dtype : dtype
        Of the inputs, float32 or float64.
    is_log_loss : bool
        The loss: log-loss, or half the squared error.
    is_multilabel : bool, default=False
        Whether the log-loss is that of a logit for each output.
    alpha : float
        Strength of the penalty.
    fit_intercept : bool
        Whether rows have the bias feature 1, and the output a free intercept.
    scales : Scales, default=None
        Default: those of these data.
    """

    layout_class = ParticleLayout

    def __init__(
        self,
        source,
        n_outputs,
        dtype,
        *,
        is_log_loss,
        is_multilabel=False,
        alpha,
        fit_intercept,
        scales=None,
    ):
        if scales is None:
            scales = choose_scales(source, n_outputs, is_log_loss, fit_intercept)
        self.scales = Scales(*scales)
        self.layout = self.layout_class(
            source.n_columns, n_outputs, np.dtype(dtype), fit_intercept, self.scales
        )
        self.kind, self.dtype = LossKind(is_log_loss, is_multilabel), np.dtype(dtype)
        self.x_scale = self.scales.x_scale
        self.bias = float(fit_intercept) / self.x_scale
        self.units = self.scales.y_scale**2  # of the objective
        self.set_alpha(alpha)
        self._see(source)

    def set_alpha(self, alpha):
        """Set the strength of the penalty, in the user's units."""
        inside = alpha / self.layout.x_unit / self.scales.y_scale
        self.alpha = float(min(inside, LARGEST_ALPHA))

    def _see(self, source):
        _, mean, size, rounding = self.scales
        in_units = partial(standardised, mean=mean, size=size, rounding=rounding, dtype=self.dtype)
        self.source, self.X = source, None
        self.Y = source.map(in_units, source.Y)

    @property
    def is_log_loss(self):
        """Whether the loss is the log-loss."""
        return self.kind.is_log_loss

    @property
    def fit_intercept(self):
        """Whether particles have a bias weight, and the net an output intercept."""
        return self.layout.fit_intercept

    @property
    def n_outputs(self):
        """Number of outputs."""
        return self.layout.n_outputs

    def on(self, source):
        """The same objective, in the same units, on other rows."""
        other = copy(self)
        other._see(source)
        return other

    def in_float32(self):
        """The same objective, in the same units, on a copy of the rows in float32."""
        other, dtype = copy(self), np.dtype(np.float32)
        d = self.layout.n_features
        other.X = self.source.empty(d, dtype=dtype)
        reduce(passes.Augmented(d), self.source, (other.X, self.x_scale, None))
        other.Y = self.source.map(partial(np.asarray, dtype=dtype), self.Y)
        other.dtype, other.layout = dtype, replace(self.layout, dtype=dtype)
        other.x_scale = 1.0
        return other

    # Over particles

    def value_and_gradient(self, theta):
        """Objective with ridge on both layers, and its gradient.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
        """
        n_weights = theta.size - self.n_outputs
        value, gradient = self.loss_and_gradient(theta)
        weights = theta[:n_weights]
        gradient[:n_weights] += self.dtype.type(self.alpha) * weights
        return value + 0.5 * self.alpha * float(weights @ weights), gradient

    def loss_and_gradient(self, theta):
        """Mean loss and its gradient."""
        value, gradient = self._loss_gradient(self._net(theta))
        gW, gbias, _, _ = self.layout.parts(gradient)
        gW *= self.dtype.type(1 / self.x_scale)
        gbias *= self.dtype.type(self.bias)
        return value, gradient

    def _loss_gradient(self, net):
        """Mean loss of a net, and its gradient by the weights for the rows as they are."""
        statistic = passes.LossGradient(self.layout, self.kind, net[0].shape[1])
        return reduce(statistic, self.source, (self.X, self.Y, *net))

    def _net(self, theta):
        """W, bias weights, A and o for the rows as they are."""
        W, bias, A, offset = self.layout.parts(theta)
        W, bias = W * self.dtype.type(1 / self.x_scale), bias * self.dtype.type(self.bias)
        return W, bias, A, offset

    def hidden_layer(self, theta):
        """What the outputs of the hidden layer are made of: inputs, W and bias weights."""
        return self.X, *self._net(theta)[:2]

    def scores(self, theta):
        """f at the rows, without the output intercept; float64."""
        F = self.source.empty(self.n_outputs)
        W, bias, A, _ = self._net(theta)
        reduce(passes.Outputs(len(A)), self.source, (self.X, W, bias, A, F))
        return F

    def full_scores(self, theta):
        """f at the rows of a source in this process; float64."""
        return self.scores(theta) + self.layout.parts(theta)[3]

    def hidden(self, theta, dtype=np.float64):
        """Outputs of the hidden layer, an array of the source."""
        m = self.layout.n_particles(theta)
        H = self.source.empty(m, dtype=dtype)
        reduce(passes.Outputs(m), self.source, (*self.hidden_layer(theta), None, H))
        return H

    # Over scores

    def loss(self, F, offset):
        """Mean loss of scores F + offset, in the problem's units."""
        return reduce(self._of_loss(passes.Loss), self.source, (F, offset, self.Y))[0]

    def pulls(self, F, offset):
        """-dl/df of each row, at scores F + offset."""
        function = partial(passes.pulls, offset=offset, kind=self.kind)
        return self.source.map(function, F, self.Y)

    def least_margin(self, theta):
        """The least y f of a net without output intercept, y = -1 or 1."""
        margins = ExtremeOf(passes.least_margin, np.minimum, np.inf)
        return float(reduce(margins, self.source, (self.scores(theta), self.Y))[1])

    def weighted(self, R):
        """Each row times its weight."""
        return self.source.map(passes.times_weight, R, self.source.c)

    def best_intercept(self, F, offset):
        """The output intercept that is best for scores without one."""
        if not self.fit_intercept:
            return np.zeros(self.n_outputs)
        balance = self._of_loss(passes.Balance)
        if not self.is_log_loss:
            zero = np.zeros(self.n_outputs)
            return reduce(balance, self.source, (F, zero, self.Y))[1][0]

        def newton(shift):
            return *reduce(balance, self.source, (F, shift, self.Y))[1], BALANCED

        offset = offset.astype(np.float64)
        if not self.kind.is_multilabel:
            return best_shift(newton, offset)
        for output in range(self.n_outputs):  # a shift of one is none of the others

            def newton_of_one(shift, output=output):
                shifted = offset.copy()
                shifted[output] = shift[0]
                imbalance, hessian, balanced = newton(shifted)
                one = slice(output, output + 1)
                return imbalance[one], hessian[one, one], balanced

            offset[output] = best_shift(newton_of_one, offset[output : output + 1].copy())[0]
        return offset

    def _of_loss(self, statistic, *sizes):
        return statistic(self.kind, self.n_outputs, *sizes)

    def with_best_intercept(self, theta):
        """The same particles with the output intercept at its best."""
        theta = theta.copy()
        offset = self.layout.parts(theta)[3]
        offset[:] = self.best_intercept(self.scores(theta), offset)
        return theta

    def loss_of(self, theta):
        """Mean loss of a net, in the user's units."""
        return self.units * self.loss(self.scores(theta), self.layout.parts(theta)[3])

    def null_loss(self):
        """Mean loss of the best intercept alone, in the user's units."""
        F = self.source.zeros(self.n_outputs)
        return self.units * self.loss(F, self.best_intercept(F, np.zeros(self.n_outputs)))

    # The norm

    def norm(self, theta):
        """The variation norm."""
        return self.layout.variation_norm(theta)

    def divided(self, theta, divisor):
        """The net's particles with f / divisor, the output intercept being 0."""
        return theta / np.sqrt(divisor)

    # The dual

    def inputs(self):
        """All rows with the bias feature, in the problem's units."""
        d, bias = self.layout.n_features, self.bias if self.fit_intercept else None
        some = self.source.take(some_of(self.source.n_rows)).X
        some = passes.augmented(some, self.x_scale, bias)
        if self.source.is_sparse:
            X = passes.augmented(self.source.X, self.x_scale, bias)
            return Inputs(self.source, X, some.toarray())
        X = self.source.empty(some.shape[1], dtype=self.dtype)
        reduce(passes.Augmented(d), self.source, (X, self.x_scale, bias))
        return Inputs(self.source, X, some)

    def bound(self, theta, *, inputs, n_starts, random_state, from_rows=False, n_points=N_POINTS):
        """The gap of a net with the best output intercept, by its own residuals.

        Any pulls u in the domain of the loss' conjugate with |eta(t)| <= alpha on the sphere,
        eta(t) = sum_i c_i u_i relu(t'x_i), and with sum_i c_i u_i = 0 if there is an intercept, are
        a dual point. The net's own pulls are, if scaled by s = min(alpha / max |eta|, best s).
        The gap is a sum of terms that are not negative: Fenchel gaps of the rows, and
        alpha |a_j| |b_j| - a_j'eta(b_j) of the particles.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
        inputs : Inputs
            Of `inputs()`.
        n_starts : int
            Starts of the ascent where no exact maximum is at hand.
        random_state : int
            Of the starts.
        from_rows : bool, default=False
            Whether to start also from some rows and from the particles, and from their opposites.
        n_points : int, default=N_POINTS
            The most points to return.

        Returns
        -------
        bound : Bound
        """
        B, A = self.layout.particles(theta)
        F = self.scores(theta)
        offset = self.best_intercept(F, self.layout.parts(theta)[3])
        R = self.pulls(F, offset)
        weighted = self.weighted(R)
        settings = {"n_starts": n_starts, "n_points": n_points, "random_state": random_state}
        maximum, inner = self._first_variation(B, A, weighted, inputs, from_rows, settings)
        sizes = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1) ** self.layout.degree
        alive = sizes > 0
        largest = max(maximum.value, (inner[alive] / sizes[alive]).max(initial=0.0))
        sums = passes.PullSums(self.n_outputs)
        balance, (square, cross) = reduce(sums, self.source, (R, weighted, self.Y))[1]
        best = 1.0
        if not self.is_log_loss:
            best = cross / square if square > 0 else 0.0
        scale = dual_scale(largest, self.alpha, best)
        if self.fit_intercept and np.abs(balance).max() > ROUNDING:
            scale = 0.0  # the intercept is not at its best: only u = 0 is known to be feasible
        if self.is_log_loss:
            divergence = self._of_loss(passes.Divergence)
            fenchel = reduce(divergence, self.source, (F, offset, self.Y, scale))[0]
        else:
            fenchel = 0.5 * (1 - scale) ** 2 * square
        gap = fenchel + (self.alpha * sizes - scale * inner).sum()
        # What rounding leaves of the balance.
        gap += scale * np.abs(balance).sum() * (1 + np.abs(offset).max()) * self.fit_intercept
        objective = self.loss(F, offset) + self.alpha * sizes.sum()
        units = float(self.layout.x_unit) * float(self.scales.y_scale)
        return Bound(
            objective=float(self.units * objective),
            gap=float(self.units * min(max(gap, 0.0), objective)),  # u = 0 is a dual point too
            first_variation_max=float(largest) * units,
            proven=maximum.proven,
            points=maximum.points,
            values=maximum.values,
            directions=maximum.directions,
        )

    def _first_variation(self, B, A, weighted, inputs, from_rows, settings):
        """What is known of the maximum of |eta|, and a_j'eta(b_j) of each particle."""
        if not self.fit_intercept:
            B = B[:, :-1]
        starts = None
        if from_rows:
            starts = np.concatenate([inputs.some, B])
            starts = np.concatenate([starts, -starts])
        maximum = maximum_over_sphere(inputs, weighted, self.n_outputs, starts=starts, **settings)
        # by the homogeneity of relu
        eta = Values(A.shape, B.shape[1], np.dtype(np.float64))
        at_particles = reduce(eta, self.source, (inputs.X, weighted, B))[1]
        return maximum, np.einsum("jk,jk->j", at_particles, A)
