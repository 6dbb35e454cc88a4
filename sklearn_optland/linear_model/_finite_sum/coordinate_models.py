"""Coordinate descent for smooth losses: minimises the models of a proximal Newton method.

A model is  -v'(w - w0) + (w - w0)'H(w - w0) / 2 + penalty(w),  with the intercept minimised out: H
is that of columns which are centred in the metric of the curvatures. Coordinate descent finds the
support; on it and with its signs the model is a square, and one linear system takes it to the
minimum there, or as far as the signs hold.
"""

import numpy as np

from sklearn_optland._optim.conjugate_gradients import conjugate_gradients
from sklearn_optland.linear_model._finite_sum.gram_descent_fast import minimize_gram
from sklearn_optland.linear_model._finite_sum.problem import without_intercept

# Columns whose Gram matrix is made once and for all: so many, or up to this share of the rows for
# each fit that uses it, and up to this number.
FEW, GRAM_SHARE, MAX_GRAM_COLUMNS = 32, 0.25, 2000
# Columns of a Gram matrix up to which a model has all of them; else those whose pull is above this
# share of l1, as strong rules have it.
ALL_GRAM_COLUMNS, NEAR = 100, 0.9
# Epochs while violators are left out; those before the first solution on the support, and how many
# times these a model may have; the most products of a solution.
FIRST_EPOCHS, EPOCHS, MAX_EPOCHS, MAX_PRODUCTS = 3, 10, 30, 50
# Epochs of a whole fit, in passes over the data, small data as if they had so many values.
MAX_SPENT, SMALL = 3000, 20_000
# Times the epochs before the first solution: then a model is slow.
SLOW = 20
# Of the largest violation at the start: what is left of a model that is not the last. Near the
# optimum Newton's method squares it.
LEAST, MOST = 0.01, 0.1
# Of the largest violation on the support: what a solution there leaves; one after which all signs
# held, when little but the support's system is left to do.
SOLVED, FINE = 0.1, 1e-3
# Epochs after such a solution: one that sees to signs, one that looks at all columns.
EPOCHS_AFTER = 2
# Of the tolerance: the gap that a model may leave.
GAP = 0.2
TINY = 1e-300


class Models:
    """The models of a problem, at one point after the other.

    Parameters
    ----------
    problem : FiniteSum
    tol : float
        Of the gap, relative to the objective.
    """

    solves_sets = False  # also those that leave violators out
    has_dual = False  # coordinates are slow, and another way to the minimum has been found

    def __init__(self, problem, tol):
        self.problem, self.tol = problem, tol
        self.is_exact = problem.loss.is_square  # one model, that of all points
        n_values = problem.k * problem.n_samples * problem.source.n_values
        self.spent = 0  # values that epochs have visited
        self.most = MAX_SPENT * max(n_values, SMALL)

    def __call__(self, point, h):
        """Go to about the minimum of the model at a point.

        Returns
        -------
        direction : ndarray
            0 when the epochs have become too many: then coordinates are a poor choice.
        added : ndarray
            Scores that it adds.
        dual : ndarray or None
            The pulls at the minimum, where the model is as good as the objective and was solved to
            the tolerance of the fit: a better dual point than the pulls that follow, which differ
            from these in the first order.
        """
        problem, penalty = self.problem, self.problem.penalty
        if self.is_spent:
            return np.zeros_like(point.W), self.problem.zeros_like_scores(), None
        w0, pulls = point.W[:-1].ravel(), -point.gradient[:-1].ravel()
        nearest = penalty.subgradient(w0, pulls)
        violations = np.abs(pulls - nearest)
        chosen, is_all = self.choose(w0, pulls, violations)
        model = self.model(point, h, chosen)
        model.w, tilt = w0[chosen].copy(), penalty.tilt(w0[chosen])
        model.lean(tilt)
        is_last = self.is_exact and is_all and penalty.is_convex
        worst = violation_felt(w0, violations, np.abs(pulls) > np.abs(nearest))
        share = min(MOST, max(LEAST, worst / penalty.l1)) if penalty.l1 else LEAST
        least, dual = 0.0 if is_last or self.has_dual else share * worst, None
        if is_all or self.solves_sets:
            # of a penalty that is not convex the certificate is no gap
            is_gap = is_all and penalty.is_convex
            gap = GAP * self.tol * point.objective if is_gap else 0.0
            # What scaling the dual point costs is in proportion to |w|, and where a loss has
            # straight parts to the objective.
            felt = point.objective / penalty.l1 if penalty.l1 and not self.is_exact else 0.0
            epochs = model.minimize(penalty, gap, felt, least)
            direction, added = self.step(model, w0, chosen)
            if is_gap and not is_last:
                pulls = self.pulls(point, h, added)
                if problem.losses_gap(problem.further(point.scores, 1.0, added), pulls) <= gap:
                    epochs += model.minimize(penalty, gap, felt, 0.0)
                    direction, added = self.step(model, w0, chosen)
                    dual = self.pulls(point, h, added)
        else:
            terms = penalty.l1, penalty.l2, penalty.positive
            epochs = model.descend(*terms, least, FIRST_EPOCHS)
            direction, added = self.step(model, w0, chosen)
        self.spent += epochs * model.n_values
        return direction, added, dual

    @property
    def is_spent(self):
        """Whether there have been too many epochs."""
        return self.spent > self.most

    def step(self, model, w0, chosen):
        """The direction to where a model is, and the scores that it adds."""
        direction, step = self.problem.zeros(), model.w - w0[chosen]
        direction[:-1].reshape(-1)[chosen] = step
        if self.problem.fit_intercept:
            direction[-1] = model.intercept(step)
        return direction, model.scores(step, direction)

    def pulls(self, point, h, added):
        """The pulls that the model has where scores have been added."""
        return self.problem.source.map(_model_pulls, point.pulls, h, added)


def _model_pulls(pulls, h, added):
    return pulls - h * added


def violation_felt(w, violations, is_outward):
    """The largest violation outward, which scales the dual point; or inward the support's mean."""
    outward = np.max(violations, where=is_outward, initial=0.0)
    return max(outward, np.vdot(np.abs(w), violations) / max(np.abs(w).sum(), TINY))


def violation_of_gap(gap, felt, penalty, w):
    """A violation of the optimality of all coefficients that costs about this gap."""
    of_l1 = gap / max(np.abs(w).sum(), felt, TINY) if w.any() else 0.0
    return max(of_l1, np.sqrt(2 * penalty.l2 * gap / max(np.count_nonzero(w), 1)))


def solve_on_support(product, rhs, scale, tol, share):
    """Solve H step = rhs for the coefficients in use by conjugate gradients, and count products.

    Parameters
    ----------
    product : callable
        H times a vector.
    rhs, scale : ndarray
        Scale is about the diagonal of H.
    tol : float
        A violation that the model may leave.
    share : float
        Of the largest violation: what the solution may leave in any case.

    Returns
    -------
    step : ndarray
    n_products : int
    """
    enough, n_products = max(0.5 * tol, share * np.abs(rhs).max(initial=0.0)), 0

    def counted(p):
        nonlocal n_products
        n_products += 1
        return product(p)

    step, _ = conjugate_gradients(
        counted,
        np.zeros_like(rhs),
        rhs,
        lambda r: r / scale,
        lambda _, residual, *norms: np.abs(residual).max() <= enough,
        max_iter=MAX_PRODUCTS,
    )
    return step, n_products


class GramModels(Models):
    """Models with the Gram matrix of all columns."""

    H = None

    def choose(self, w, pulls, violations):
        """All columns, or of many those that are near l1; the next point shows if others are."""
        if len(w) <= ALL_GRAM_COLUMNS:
            return np.arange(len(w)), True
        penalty = self.problem.penalty
        sizes = pulls if penalty.positive else np.abs(pulls)
        return np.flatnonzero((w != 0) | (sizes >= NEAR * penalty.l1)), True

    def model(self, point, h, chosen):
        """The model at a point; of a squared loss its matrix is always the same."""
        if self.H is None or not self.is_exact:
            gram = self.problem.hessian(h)
            self.H, self.sums, self.total = without_intercept(gram, self.problem.fit_intercept)
        return GramModel(self, point.gradient, chosen)


class QuadraticModel:
    """A model at its current w."""

    is_slow = False  # whether coordinates have been slow in an earlier one

    def finish(self, penalty, enough):
        """Go to the minimum in another way, and return the epochs that it took; 0 without one."""
        return 0

    def minimize(self, penalty, gap, felt, least):
        """Minimise until what violates the model's optimality costs no more than a gap.

        Parameters
        ----------
        penalty : ElasticNet
        gap : float
        felt : float
            What a violation is multiplied with in the gap, at least.
        least : float
            A violation that may be left in any case.

        Returns
        -------
        epochs : int
            What it took, a product with H as two.
        """
        epochs, terms = self.epochs, (penalty.l1, penalty.l2, penalty.positive)
        spent, share, is_slow = 0, SOLVED, self.is_slow

        def enough(w):
            return max(least, violation_of_gap(gap, felt, penalty, w))

        while spent < MAX_EPOCHS * self.epochs:
            if is_slow is not None and (is_slow or spent > SLOW * self.epochs):
                spent += self.finish(penalty, enough)
                is_slow = None  # that was all that could be done
            tol = enough(self.w)
            done = self.descend(*terms, tol, epochs)
            spent += done
            if done < epochs:
                break
            n_products, is_whole = self.step_on_support(penalty, tol, share)
            spent += 2 * n_products
            epochs = EPOCHS_AFTER if is_whole else 2 * max(epochs, self.epochs)
            share = FINE if is_whole else SOLVED
        return spent

    def step_on_support(self, penalty, tol, share):
        """Go to the minimum on the support, or as far as the signs hold.

        Parameters
        ----------
        penalty : ElasticNet
        tol, share : float
            As of `solve_on_support`.

        Returns
        -------
        n_products : int
            With H.
        is_whole : bool
            Whether all signs held.
        """
        chosen = np.flatnonzero(self.w)
        w, signs = self.w[chosen], np.sign(self.w[chosen])
        step, n_products = self.solve(chosen, penalty, signs, tol, share)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.where(step * signs < 0, -w / step, np.inf)
        length = min(1.0, ends.min(initial=1.0))
        self.move(chosen, np.where(ends <= length, -w, length * step))
        return n_products, length == 1


class GramModel(QuadraticModel):
    """A model with H as a matrix."""

    def __init__(self, models, gradient, chosen):
        is_all = len(chosen) == len(models.sums)
        self.H = models.H if is_all else models.H[np.ix_(chosen, chosen)]
        self.problem, self.sums, self.total = models.problem, models.sums[chosen], models.total
        self.b = -gradient[-1] / models.total if models.problem.fit_intercept else 0.0
        self.v = -self.sums * self.b - gradient[chosen]
        self.n_values = self.H.size

    def lean(self, tilt):
        """Add to the pulls."""
        self.v += tilt

    def minimize(self, penalty, *settings):
        terms = penalty.l1, penalty.l2, penalty.positive
        return minimize_gram(self.H, self.v, self.w, *terms, *settings)

    def intercept(self, step):
        return self.b - self.sums @ step / self.total

    def scores(self, step, direction):
        return self.problem.scores(direction)
