"""Methods that widen the margin of two classes, and what bounds it."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import issparse

from sklearn_optland._estimator.certificate import ratio
from sklearn_optland._optim.conjugate_gradients import conjugate_gradients
from sklearn_optland.linear_model._separation import separation

# The first weight of all constraints, for rows of length 1 on average, and its growth.
FIRST_WEIGHT, GROWTH = 1e4, 4.0
# The gradient that Newton's method leaves, relative to w: at first, its fall, and at last.
FIRST_TOLERANCE, FALL, LAST_TOLERANCE = 0.1, 0.2, 1e-12
MAX_NEWTON, MAX_HALVINGS = 50, 40
# Columns up to which a dense Hessian is factored; else conjugate gradients take a residual to this.
FEW_COLUMNS = 500
CG_TOLERANCE, MAX_CG = 0.1, 300


class Margins:
    """The rows of two classes, y = -1 and 1, in units of their mean length.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_columns)
    y, c : ndarray of shape (n_rows,)
    fit_intercept : bool
    """

    def __init__(self, X, y, c, fit_intercept):
        self.users, self.y, self.fit_intercept = X, y, fit_intercept
        X = X.astype(np.float64)
        squares = np.asarray(X.multiply(X).sum(axis=1)).ravel() if issparse(X) else (X**2).sum(1)
        self.unit = np.sqrt(c @ squares / c.sum()) or 1.0
        self.X, self.c = X / self.unit, c / c.sum()
        groups = [y > 0, y < 0] if fit_intercept else [np.ones(len(y), dtype=bool)]
        self.groups = [np.flatnonzero(group) for group in groups]

    def margin(self, W):
        """The margin of parameters as the user's columns have them; 0 if they are."""
        size = np.linalg.norm(W[:-1])
        least = float((self.y * (self.users @ W[:-1] + W[-1])).min())
        return float(least / size) + 0.0 if size > 0 else min(least, 0.0)

    def centre(self, scores):
        """The intercept with the largest least margin for scores without one."""
        if not self.fit_intercept:
            return 0.0
        positive, negative = self.groups
        return -0.5 * (scores[positive].min() + scores[negative].max())

    def dual_sum(self, multipliers):
        """sum_i q_i y_i x_i, whose length bounds the margin, with q of the multipliers; or None."""
        q = np.zeros(len(self.y))
        for group in self.groups:
            total = multipliers[group].sum()
            if not total > 0:
                return None
            q[group] = multipliers[group] / (total * len(self.groups))
        return self.X.T @ (self.y * q)


class MarginMethod:
    """A method's best margin and bound so far.

    Parameters
    ----------
    problem : Margins
    tol : float

    Attributes
    ----------
    W : ndarray of shape (n_columns + 1,)
        Parameters of the best margin so far, in units of the user's columns.
    margin, bound : float
        The best so far.
    obstacle : str or None
        Why there is no margin.
    is_done : bool
    """

    # Iterations without a margin after which to ask whether there can be one.
    patience = 8

    def __init__(self, problem, tol):
        self.problem, self.tol = problem, tol
        self.w, self.b, self.scores = np.zeros(problem.X.shape[1]), 0.0, np.zeros(len(problem.y))
        self.W, self.margin, self.latest, self.bound = None, -np.inf, None, np.inf
        self.n_updates, self.passes = 0, 0.0
        self.obstacle, self.is_done, self._can_have_margin = None, False, False

    @property
    def gap(self):
        """How much wider a margin can be."""
        return max(self.bound - self.margin, 0.0)

    @property
    def relative_gap(self):
        """The same, as a share of the bound."""
        return ratio(self.gap, self.bound)

    def update(self):
        """Do an iteration."""
        dual_sum = self._step()
        problem = self.problem
        if dual_sum is not None:
            self.bound = min(self.bound, problem.unit * float(np.linalg.norm(dual_sum)))
        self.n_updates += 1
        W = np.append(self.w / problem.unit, problem.centre(self.scores))
        self.latest = problem.margin(W)
        if self.latest > self.margin or self.W is None:
            least = self.latest * np.linalg.norm(W[:-1])
            self.W, self.margin = W / least if least > 0 else W, self.latest
        if self.n_updates % self.patience == 0:
            self.ask()
        self.is_done = self.gap <= self.tol * self.bound or self.obstacle is not None

    def ask(self):
        """Without a margin, find out whether there can be one."""
        if self.margin > 0 or self._can_have_margin or self.obstacle is not None:
            return
        problem = self.problem
        found = separation(problem.X, problem.y, fit_intercept=problem.fit_intercept)
        self._can_have_margin = found.kind == "complete"
        if found.kind == "overlap":
            self.obstacle = "no hyperplane separates the classes, they overlap."
        elif found.kind == "quasi-complete":
            self.obstacle = (
                "no hyperplane separates the classes: only "
                f"{len(found.rows)} of {len(problem.y)} rows can have a positive margin."
            )
        if self.obstacle is not None:
            self.bound = 0.0


class MultiplierMethod(MarginMethod):
    """The method of multipliers for the least norm with all margins 1 or more."""

    def __init__(self, problem, tol):
        super().__init__(problem, tol)
        self.multipliers, self.weight = np.zeros(len(problem.y)), FIRST_WEIGHT
        self.tolerance = FIRST_TOLERANCE

    def update(self):
        """Minimise over the parameters, and take new multipliers."""
        before = self.latest
        super().update()
        # as far as float64 goes: the same margin again
        self.is_done |= self.tolerance == LAST_TOLERANCE and self.latest == before
        self.weight *= GROWTH
        self.tolerance = max(self.tolerance * FALL, LAST_TOLERANCE)

    def _step(self):
        weights = self.weight * self.problem.c
        self.multipliers = self._minimize(self.multipliers, weights, self.tolerance)
        self.passes += 1
        return self.problem.dual_sum(self.multipliers)

    def _minimize(self, multipliers, weights, tolerance):
        """Minimise ½|w|^2 + sum_i h_i^2 / (2 weight_i), h_i = (multiplier_i + weight_i lack_i)_+.

        Semi-smooth Newton steps with an exact line search. Returns h, the next multipliers.
        """
        problem, y = self.problem, self.problem.y
        for _ in range(MAX_NEWTON):
            shifted = multipliers + weights * (1 - y * (self.scores + self.b))
            active = np.flatnonzero(shifted > 0)
            X, r, pulls = problem.X[active], weights[active], (y * shifted)[active]
            slope = self.w - X.T @ pulls
            slope_b = -pulls.sum() if problem.fit_intercept else 0.0
            self.passes += len(active) / len(y)
            size = max(np.linalg.norm(self.w), tolerance)
            if max(np.linalg.norm(slope), abs(slope_b)) <= tolerance * size:
                break
            v, v_b = self._newton(X, r, slope, slope_b)
            change = problem.X @ v
            t = self._length(shifted, weights * y * (change + v_b), weights, v)
            self.w = self.w + t * v
            self.scores, self.b = self.scores + t * change, self.b + t * v_b
            self.passes += 1
            if t == 0:
                break
        return np.maximum(multipliers + weights * (1 - y * (self.scores + self.b)), 0.0)

    def _newton(self, X, r, slope, slope_b):
        """Newton's step for w and b, of the active rows; b is eliminated."""
        total = r.sum()
        mean = np.zeros(len(slope))
        if self.problem.fit_intercept and total > 0:
            mean = (X.T @ r) / total
        right = -slope + mean * slope_b
        if not issparse(X) and X.shape[1] <= FEW_COLUMNS:
            centred = X - mean
            hessian = (centred.T * r) @ centred
            hessian[np.diag_indices_from(hessian)] += 1.0
            v = cho_solve(cho_factor(hessian), right)
        else:

            def product(v):
                self.passes += len(r) / len(self.problem.y)
                u = r * (X @ v - mean @ v)
                return v + X.T @ u - mean * u.sum()

            v, _ = conjugate_gradients(
                product,
                np.zeros_like(right),
                right,
                np.copy,
                lambda _v, _residual, rho, first: rho <= CG_TOLERANCE**2 * first,
                max_iter=MAX_CG,
            )
        has_intercept = self.problem.fit_intercept and total > 0
        return v, -slope_b / total - mean @ v if has_intercept else 0.0

    def _length(self, shifted, fall, weights, v):
        """The length t <= 1 of a step at which its slope is 0: the slope is monotone."""
        wv, vv, share = self.w @ v, v @ v, fall / weights

        def slope(t):
            return wv + t * vv - np.maximum(shifted - t * fall, 0.0) @ share

        if not slope(1.0) > 0:
            return 1.0
        low, high = 0.0, 1.0
        for _ in range(MAX_HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if slope(middle) > 0 else (middle, high)
        return low


class GradientMethod(MarginMethod):
    """Gradient methods for the exponential loss, whose direction tends to the widest margin.

    With the intercept that is best for w, the logarithm of the loss is, but for a constant,

        log L(w) = mean over the two classes of log sum_i c_i exp(-y_i w'x_i),

    and its gradient -v, v = sum_i q_i y_i x_i, with q the softmax of each class, halved: a dual
    point. All steps are along such v, so that w by the sum of its steps' sizes is one too.
    """

    patience = 1000

    def __init__(self, problem, tol, *, rule):
        super().__init__(problem, tol)
        squares = problem.X.multiply(problem.X) if issparse(problem.X) else problem.X**2
        self.rule, self.longest = rule, np.sqrt(float(squares.sum(axis=1).max())) or 1.0
        self.sizes, self.memory, self.memory_sizes = 0.0, np.zeros_like(self.w), 0.0

    def _step(self):
        problem, losses = self.problem, []
        multipliers = np.zeros(len(problem.y))
        for group in problem.groups:
            falls = -problem.y[group] * self.scores[group]
            most = falls.max()
            multipliers[group] = problem.c[group] * np.exp(falls - most)
            share = multipliers[group].sum() / problem.c[group].sum()
            losses.append(most + np.log(share))
        v = problem.dual_sum(multipliers)
        length = float(np.linalg.norm(v))
        direction, sizes = v, 1.0
        if self.rule == "gradient-descent":  # of the loss itself, which is 1 at 0
            size = np.exp(min(np.mean(losses), 0.0)) / self.longest**2
        elif self.rule == "normalized":
            size = 1 / (self.longest * np.sqrt(self.n_updates + 1) * (length or 1.0))
        else:
            self.memory = self.n_updates / (self.n_updates + 1) * (self.memory + v)
            self.memory_sizes = self.n_updates / (self.n_updates + 1) * (self.memory_sizes + 1)
            direction, sizes = self.memory + v, self.memory_sizes + 1
            size = 1 / self.longest**2
        self.w = self.w + size * direction
        self.sizes += size * sizes
        self.scores = problem.X @ self.w
        self.passes += 2
        mean = self.w / self.sizes
        return v if length < np.linalg.norm(mean) else mean
