"""A finite sum with its penalty: objective, duality gap, and the constants that solvers need."""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from sklearn_optland._loss import linear_passes as passes
from sklearn_optland._loss import log_loss_fast as log_loss
from sklearn_optland._loss import scalar_losses_fast as scalar_losses
from sklearn_optland._loss.intercept import best_shift, solve_semidefinite
from sklearn_optland._loss.log_loss import class_curvature, divergences
from sklearn_optland._loss.scalar_losses import LOSSES
from sklearn_optland._rows.reduce import reduce
from sklearn_optland.linear_model._coordinates import USERS_OWN
from sklearn_optland.linear_model._finite_sum.unpenalized import (
    MOST_ROOM,
    NARROW,
    UNFELT,
    cancelling_pulls,
)

EPS = np.finfo(float).eps
# Of a matrix' diagonal: keeps its factor definite.
RIDGE = 1e-13
# Mean squares and Lipschitz constants up to this are taken for 0: their inverses would overflow.
TINY = 1e-250
# An imbalance, relative to the rarest class or to one sign's pulls, that is left to rounding's
# share.
BALANCED = 1e-13
# The least logarithm of a factor of probabilities.
LEAST_SHIFT = -700.0


def gram_of(source, h):
    """[X 1]' diag(h) [X 1]; an error if it overflows."""
    lower = reduce(passes.WeightedGram(source), source, (h,))[1]
    refuse_overflow(lower)
    return lower + np.tril(lower, -1).T


def without_intercept(gram, fit_intercept):
    """The Gram matrix of columns that a free intercept centres; their sums, and that of weights."""
    H, sums, total = gram[:-1, :-1].copy(), gram[-1, :-1], gram[-1, -1]
    if fit_intercept:
        H -= np.outer(sums, sums / total)
    return H, sums, total


def refuse_overflow(squares):
    """Raise an error if sums of squares of X are not finite."""
    if not np.isfinite(squares).all():
        raise ValueError(
            "X: its products overflow float64. Allowed are values whose squares can be summed; "
            "rescale the columns, with StandardScaler for example."
        )


def as_column(values):
    """A number a row as a row of one."""
    return values[:, None]


@dataclass
class Point:
    """Parameters with what an evaluation tells about them."""

    W: np.ndarray  # (n_features + 1,) or (n_features + 1, k), the intercept last
    objective: float
    certificate: float  # the duality gap, or the norm of the gradient
    scores: np.ndarray | None
    pulls: np.ndarray | None  # minus the derivatives of the losses at W
    gradient: np.ndarray | None  # of the losses at W; None if the gap was another dual point's


class FiniteSum:
    """Minimise sum_i c_i l(y_i, x_i'w + b) + penalty(w).

    Parameters
    ----------
    source : ArraySource
        The rows and their weights `c`, which are positive and sum to 1.
    y : ndarray of float64 of shape (n_samples,)
        Targets, or signs of the classes.
    loss : ScalarLoss
    penalty : ElasticNet
    fit_intercept : bool
    coordinates : Coordinates, default=USERS_OWN
        What the columns are made of.
    """

    k = 1
    is_partitioned = False  # what has an entry for each row is in this process

    def __init__(self, source, y, *, loss, penalty, fit_intercept, coordinates=USERS_OWN):
        self.source, self.y, self.c = source, y, source.c
        self.loss = loss
        self.penalty, self.fit_intercept = penalty, fit_intercept
        self.coordinates = coordinates
        self.n_samples, self.n_features = source.n_rows, source.n_columns
        self.curvature = self._typical_curvature()
        self.passes = 0.0
        self.lower_bound = 0.0  # of the dual point 0: no loss and no penalty is negative

    def _typical_curvature(self):
        return self.loss.typical_curvature(self.y, self.c)

    def mean(self, values):
        """Return sum_i c_i values_i."""
        return self.c @ values

    def mean_square_of(self, values):
        """Return sum_i c_i |values_i|^2."""
        values = values.reshape(self.n_samples, -1)
        return np.einsum("i,ij,ij->", self.c, values, values)

    @property
    def rows(self):
        """The rows as kernels see them that visit one at a time."""
        return self.source.rows[0]

    @property
    def is_penalized(self):
        """Whether there is any penalty."""
        return self.penalty.l1 > 0 or self.penalty.l2 > 0

    @property
    def has_dual_bound(self):
        """Whether duality bounds the optimum: without a penalty, if parameters are few."""
        if not self.penalty.is_convex:
            return False
        return self.is_penalized or (self.n_features + 1) * self.k <= NARROW

    @cached_property
    def row_squares(self):
        """|x_i|^2 of each row."""
        out = self.source.empty()
        self._reduce(passes.RowSquares(self.source), np.ones(self.n_features), out)
        refuse_overflow(self.mean(out))
        return out

    @property
    def longest_square(self):
        """The largest |x_i|^2."""
        return self.row_squares.max()

    @cached_property
    def column_squares(self):
        """The columns' mean squares."""
        return self._reduce(passes.ColumnSquares(self.source), self.source.c)

    @cached_property
    def column_means(self):
        """The columns' means; 0 without an intercept, which alone could make up for them."""
        if not self.fit_intercept:
            return np.zeros(self.n_features)
        column = self.source.map(as_column, self.c)
        return self._reduce(passes.Backward(self.source), column)[:-1, 0]

    @cached_property
    def mean_square(self):
        """The rows' mean |x_i|^2."""
        mean = self.mean(self.row_squares)
        return mean if mean > TINY else 0.0

    @cached_property
    def unit_of_scores(self):
        """A size that scores may have: 1 of margins and logarithms, else that of the targets."""
        if self.loss.for_classes or self.loss.log_link:
            return 1.0
        return float(np.sqrt(self.mean_square_of(self.y)))

    @cached_property
    def unit(self):
        """Value of the intercept's column: the rows' mean length; 0 without an intercept.

        The intercept is free, so its column may have any scale; with this one it moves as fast as
        the coefficients do and at most doubles the condition number.
        """
        return float(self.fit_intercept) * (np.sqrt(self.mean_square) or 1.0)

    @cached_property
    def lipschitz(self):
        """L_i of each row's loss, n c_i l_i, in w and b / unit; if l'' has no bound, as if it had.

        Their mean over uniformly drawn rows is the constant of the sum.
        """
        return self.n_samples * self.c * self.curvature * (self.row_squares + self.unit**2)

    def zeros(self):
        """Return parameters that are all zero."""
        return np.zeros(self.n_features + 1)

    def zeros_like_scores(self):
        """Return an array for the scores or the pulls, zero."""
        return self.source.zeros()

    def project(self, W):
        """Return the nearest parameters of the feasible set: w >= 0, b = 0 if they have to be.

        Zeros stand in for parameters so large that the objective would overflow.
        """
        if not W.any():
            return W
        longest = np.sqrt(self.longest_square)
        with np.errstate(over="ignore"):
            if not np.isfinite((np.abs(W).max() * (1.0 + longest)) ** 2 * W.size):
                return self.zeros()
        return np.concatenate([self.penalty.project(W[:-1]), W[-1:] * self.fit_intercept])

    def scores(self, W):
        """Return x_i'w + b."""
        f = self.source.empty(self.k)
        columns = W.reshape(self.n_features + 1, self.k)
        self._reduce(passes.Forward(self.source, self.k), columns, f, cost=0.5)
        return f.reshape((self.n_samples, *W.shape[1:]))

    def pull(self, theta):
        """Return sum_i c_i theta_i (x_i, 1), minus the gradient of the losses."""
        R = np.ascontiguousarray((self.c * theta.T).T).reshape(self.n_samples, self.k)
        out = self._reduce(passes.Backward(self.source, self.k), R, cost=0.5)
        return out.reshape((self.n_features + 1, *theta.shape[1:]))

    def _reduce(self, statistic, *parameters, cost=1.0):
        self.passes += cost
        return reduce(statistic, self.source, parameters)[1]

    def losses(self, scores):
        """Return the weighted sum of the losses and their pulls -l'."""
        theta = np.empty_like(scores)
        total = scalar_losses.pulls(self.loss, self.y, self.c, scores, theta)
        return total, theta

    def measured(self, scores):
        """Return `losses(scores)`, and the mean squares of scores and pulls."""
        loss, pulls = self.losses(scores)
        return loss, pulls, self.mean_square_of(scores), self.mean_square_of(pulls)

    def further(self, scores, t, added):
        """Return scores + t added."""
        return further(t, scores, added)

    def shifted(self, scores, shift):
        """Return scores of an intercept that is higher by a shift."""
        return scores + shift

    def gain(self, point, direction, added):
        """Return by how much the losses would fall along a direction if they were straight.

        `added` are the scores that it adds.
        """
        return self._gain(point.pulls, added)

    def _gain(self, pulls, added):
        return float(np.sum(self.c @ (pulls * added)))

    def losses_along(self, scores, t, added):
        """Return the losses at scores + t added, and `gain` there."""
        loss, pulls = self.losses(scores + t * added)
        return loss, self._gain(pulls, added)

    def balance(self, scores, shift):
        """Return what a shift of the intercept leaves it to feel.

        Returns
        -------
        imbalance : ndarray of shape (k,)
            The sums of the pulls.
        hessian : ndarray of shape (k, k)
        size : float
            The sum of their magnitudes.
        """
        _, pulls = self.losses(scores + shift)
        return *self.at_intercept(pulls), np.sum(self.c @ np.abs(pulls))

    def at_intercept(self, pulls):
        """Return what the intercept feels of the pulls at W, and its second derivative."""
        h = scalar_losses.curvatures(self.loss, self.y, pulls)
        return np.array([self.c @ pulls]), np.array([[self.c @ h]])

    def losses_gap(self, scores, theta):
        """Return sum_i c_i [l_i(f_i) + l_i*(-theta_i) + theta_i f_i]."""
        return scalar_losses.fenchel_gap(self.loss, self.y, self.c, scores, theta)

    def in_domain(self, theta):
        """Return the nearest pulls at which the conjugates of the losses are finite."""
        return scalar_losses.in_domain(self.loss, self.y, theta)

    def balanced(self, theta):
        """Scale the pulls of the heavier sign down, so that the intercept feels none.

        The conjugate of every loss is finite between 0 and any point where it is.
        """
        weighted = self.c * theta
        up, down = weighted[theta > 0].sum(), -weighted[theta < 0].sum()
        if abs(up - down) <= BALANCED * up:
            return theta
        return np.where((theta > 0) == (up > down), theta * (min(up, down) / max(up, down)), theta)

    def balanced_pull(self, theta):
        """Return balanced pulls, of which an intercept feels nothing, and `pull` of them."""
        if self.fit_intercept:
            theta = self.balanced(theta)
        return theta, self.pull(theta)

    def scaled(self, factor, theta):
        """Return pulls times a number."""
        return factor * theta

    def evaluate(self, W, theta=None, scores=None):
        """Objective and certificate of W; one pass, half of one if the scores are known.

        Any theta in the domain of the conjugates, balanced if there is an intercept, bounds the
        optimum from below. By default theta are the pulls at W; solvers that have a dual point of
        their own hand it in. The best bound so far is kept. W that is not feasible has an infinite
        objective and proves nothing.
        """
        # what is not finite proves nothing
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._certified(W, theta, self.scores(W) if scores is None else scores)

    def _certified(self, W, theta, scores):
        loss, pulls, *squares = self.measured(scores)
        objective = loss + self.penalty.value(W[:-1])
        if not self.fit_intercept and np.any(W[-1]):
            objective = np.inf
        if not np.isfinite(objective):
            return Point(W, np.inf, np.inf, scores, pulls, None)
        if not self.has_dual_bound:
            gradient = -self.pull(pulls)
            norm = self.gradient_norm(W, gradient)
            return Point(W, objective, norm, scores, pulls, gradient)
        dual = pulls if theta is None else self.in_domain(theta)
        rounding = self._rounding(W, objective, *np.sqrt(squares))
        if self.is_penalized:
            dual, v = self.balanced_pull(dual)
            gradient = -v if dual is pulls else None
            scale = self.penalty.largest_scale(v[:-1])
            if scale < 1:
                dual, v = self.scaled(scale, dual), scale * v
            gap = self.penalty.fenchel_gap(W[:-1], v[:-1]) + rounding
        else:
            moved, v, pulled = cancelling_pulls(self, W, dual)
            gradient = -pulled if dual is pulls else None
            dual, gap = moved, self._felt(W, v) + rounding
        if dual is None:
            gap = np.inf
        elif dual is not pulls:  # whose own part is 0
            gap += self.losses_gap(scores, dual)
        if self.fit_intercept:  # what rounding leaves of the balance
            gap += np.sum(np.abs(v[-1]) * (self.unit_of_scores + np.abs(W[-1])))
        if not np.isfinite(gap):  # a dual point out of range proves nothing
            gap = np.inf
        self.lower_bound = max(self.lower_bound, objective - gap - rounding)
        return Point(W, objective, self.gap(objective, gap), scores, pulls, gradient)

    def _rounding(self, W, objective, own, pulled):
        """What float64 may lose of an objective: a few ulp, and those of scores and residuals.

        `own` and `pulled` are the sizes of scores and pulls.

        Targets and the intercept may be far larger than what is left of them. Rounded scores cost
        their ulp times the pulls, and half its square.
        """
        ulp = EPS * (self.unit_of_scores + 2 * np.abs(W[-1]).max() + own)
        return 8 * EPS * objective + ulp * (pulled + self.curvature * ulp)

    def _felt(self, W, v):
        """What coefficients gain by what they feel: rounding, or 0 >= v where they are 0."""
        lengths = np.sqrt(np.maximum(self.column_squares, TINY))
        slack = np.abs(W[:-1].T) + (v[:-1].T > 0 if self.penalty.positive else 1.0) / lengths
        return np.sum(np.abs(v[:-1].T) * slack)

    def metric(self, theta):
        """The matrix of `unpenalized.py` for all parameters, the rows' room at theta in it."""
        return self.gram(self.c * self.loss.room(self.y, theta))

    def hessian(self, h):
        """[X 1]' diag(c h) [X 1], a copy; of a squared loss it is always the same."""
        if self.loss.is_square:
            return self._square_hessian.copy()
        return self.gram(self.source.map(np.multiply, self.c, h))

    @cached_property
    def _square_hessian(self):
        return self.gram(self.c)

    def gram(self, h):
        """[X 1]' diag(h) [X 1]."""
        self.passes += 1.0
        return gram_of(self.source, h)

    def moved(self, theta, z):
        """Return theta - room z, or a part of the way."""
        step = self.loss.room(self.y, theta) * z
        if self.loss.is_square:
            return theta - step
        return self.in_domain(theta - step * min(1.0, MOST_ROOM / np.abs(z).max()))

    def gap(self, objective, own=np.inf):
        """How far an objective can be above the optimum, by its own dual point or the best."""
        return max(0.0, min(own, objective - self.lower_bound))

    def gradient_norm(self, W, gradient):
        """Norm of the gradient, or of the prox-gradient step of unit length under w >= 0.

        Columns are taken from their means and in units of their deviations. Of a penalty that is
        not convex, the norm of what its subgradients leave of the gradient, in units of its own.
        """
        if not self.penalty.is_convex:
            pulls = -gradient
            left = pulls[:-1] - self.penalty.subgradient(W[:-1], pulls[:-1])
            return float(
                np.hypot(np.linalg.norm(left), np.linalg.norm(pulls[-1] * self.fit_intercept))
            )
        return float(np.linalg.norm(self._scaled_gradient(W, gradient)))

    def gradient_norm_at_zero(self, pulls):
        """That at zero but for the intercept, which may be of any size."""
        if not self.penalty.is_convex:
            return float(np.linalg.norm(self.pull(pulls)[:-1]))
        G = self._scaled_gradient(self.zeros(), -self.pull(pulls))
        own, all_in_all = np.linalg.norm(G[:-1]), np.linalg.norm(G)
        return float(own if own > UNFELT * all_in_all else all_in_all)

    def _scaled_gradient(self, W, gradient):
        means, squares = self.column_means, self.column_squares
        variances = squares - means**2
        varies = variances > EPS * squares
        deviations = np.sqrt(np.where(varies, variances, 1.0))
        w, G = (W[:-1].T * deviations).T, gradient.copy()
        G[:-1] -= np.multiply.outer(means, G[-1])
        G[:-1] = (G[:-1].T * varies / deviations).T
        if self.penalty.positive:
            G[:-1] = w - np.maximum(w - G[:-1], 0.0)
        if not self.fit_intercept:
            G[-1] = 0.0
        return G


class SoftmaxSum(FiniteSum):
    """Minimise sum_i c_i [logsumexp(z_i) - z_i,y_i] + penalty(W), z_i = W'x_i + b: k classes.

    Parameters
    ----------
    source, **common
        As in `FiniteSum`.
    y : ndarray of int32 of shape (n_samples,)
        Class numbers.
    n_classes : int
    """

    def __init__(self, source, y, *, n_classes, **common):
        super().__init__(source, y, loss=LOSSES["log_loss"], **common)
        self.k = n_classes
        self.curvature = 0.5

    def zeros(self):
        return np.zeros((self.n_features + 1, self.k))

    def zeros_like_scores(self):
        return self.source.zeros(self.k)

    def losses(self, scores):
        loss, _ = log_loss.loss_along(self.y, self.c, scores, scores, 0.0)
        return loss, softmax_pulls(self.y, scores)

    def at_intercept(self, pulls):
        return self.c @ pulls, class_curvature(self.probabilities(pulls), self.c)

    def probabilities(self, theta):
        """Return p_i of theta_i = e_y - p_i."""
        return probabilities_of(self.y, theta)

    def losses_gap(self, scores, theta):
        """Return sum_i c_i KL(p_i || softmax(z_i)) for theta_i = e_y - p_i."""
        return self.c @ divergences(self.probabilities(theta), scores)

    def in_domain(self, theta):
        return softmax_domain(self.y, theta)

    def metric(self, theta):
        P, d = self.probabilities(theta), self.n_features + 1
        blocks = np.empty((d, self.k, d, self.k))
        for a in range(self.k):
            for b in range(a):
                blocks[:, a, :, b] = blocks[:, b, :, a] = -self.gram(self.c * P[:, a] * P[:, b])
            blocks[:, a, :, a] = self.gram(self.c * P[:, a] * (1.0 - P[:, a]))
        return blocks.reshape(d * self.k, d * self.k)

    def moved(self, theta, z):
        P = self.probabilities(theta)
        z = z - np.sum(P * z, axis=1, keepdims=True)
        step = P * z * min(1.0, MOST_ROOM / np.abs(z).max())
        return -_less_own_class(P + step, self.y)

    def balanced(self, theta):
        """Move the probabilities as a shift of all scores would, until the classes balance.

        A mixture with a constant row takes what rounding leaves.
        """
        P = self.probabilities(theta)
        target = np.bincount(self.y, weights=self.c, minlength=self.k)
        least = BALANCED * target.min()
        if not np.abs(target - self.c @ P).max() <= least:

            def balance(shift):
                Q = shifted_probabilities(shift, P)
                return target - self.c @ Q, class_curvature(Q, self.c), least

            P = shifted_probabilities(best_shift(balance, np.zeros(self.k)), P)
        mixture = rest_of_mass(self.c @ P, target)
        return mixed_pulls(self.y, P, *mixture)


# Functions of rows, which stay where these are


def further(t, scores, added):
    """scores + t added."""
    return scores + t * added


def softmax_pulls(y, scores):
    """e_y - softmax(z) of each row."""
    P = np.empty_like(scores)
    log_loss.softmax(scores, P)
    return -_less_own_class(P, y)


def probabilities_of(y, theta):
    """p_i of theta_i = e_y - p_i."""
    P = -theta
    P[np.arange(len(y)), y] += 1.0
    return P


def softmax_domain(y, theta):
    """The nearest pulls whose probabilities are not negative."""
    P = probabilities_of(y, theta)
    if not (P < 0).any():
        return theta
    P = np.maximum(P, 0.0)
    return -_less_own_class(P / P.sum(axis=1, keepdims=True), y)


def shifted_probabilities(shift, P):
    """P exp(shift), its rows normalised; their largest entries stay above 0."""
    factors = np.exp(np.maximum(shift - shift.max(), LEAST_SHIFT))
    return P * factors / (P @ factors)[:, None]


def rest_of_mass(mass, target):
    """The share and the row of a mixture that takes weighted sums to a target."""
    share = np.max(1.0 - target / mass)
    row = np.maximum(target - (1 - share) * mass, 0.0)
    return (share, row / row.sum()) if row.sum() > 0 else (0.0, row)


def mixed_pulls(y, P, share, row):
    """Pulls e_y - p of probabilities that are mixed with a constant row."""
    return -_less_own_class((1 - share) * P + share * row, y)


def _less_own_class(R, y):
    """Put minus the sum of the others in each row's own class: no cancellation.

    It is not below -1, lest rounding leave a probability below 0.
    """
    own = (np.arange(len(y)), y)
    R[own] = 0.0
    R[own] = np.maximum(-R.sum(axis=1), -1.0)
    return R


def inverse_of(H):
    """The inverse of a semi-definite matrix as a function; its diagonal grows by a rounding."""
    diagonal = np.einsum("ii->i", H)
    diagonal += RIDGE * diagonal
    # LAPACK itself: SciPy's functions around it take longer than a small matrix does.
    factor, failed = dpotrf(np.asarray_chkfinite(H), clean=0)
    if failed:
        return partial(solve_semidefinite, H)
    return lambda rhs: dpotrs(factor, rhs)[0]
