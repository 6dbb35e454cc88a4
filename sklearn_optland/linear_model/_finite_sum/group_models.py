"""Models of a proximal Newton method with a group lasso, minimised by descent in groups.

They have the Gram matrix of their columns, with the intercept minimised out: of all columns where
these are few, else of a working set of whole groups. On the support the norms have derivatives, and
Newton's method goes on where the descent becomes slow.
"""

import numpy as np

from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model._finite_sum.coordinate_models import (
    EPOCHS,
    GramModel,
    Models,
    QuadraticModel,
)
from sklearn_optland.linear_model._finite_sum.group_descent_fast import (
    descend_groups,
    group_bounds,
)
from sklearn_optland.linear_model._finite_sum.problem import gram_of, inverse_of, without_intercept
from sklearn_optland.linear_model._finite_sum.working_set_models import ALL_COLUMNS, FIRST_SET

# How many times the support a working set is at most: its Gram matrix costs the square.
GROWTH = 2
# How often a Newton step on the support is cut to a quarter until the model falls.
MAX_CUTS = 6
# Products in the time that such a step on a small support takes at least.
SOLUTION = 100_000


class GroupModels(Models):
    """Models on the columns of some groups, group by group.

    Of these columns there is a copy, of a squared loss their Gram matrix is made once.
    """

    solves_sets = True  # each costs a Gram matrix
    chosen = None

    def __init__(self, problem, tol):
        super().__init__(problem, tol)
        self.most = np.inf  # no other solver could take over

    def choose(self, w, pulls, violations):
        penalty = self.problem.penalty
        groups, n_groups = penalty.groups, len(penalty.scales)
        if len(w) <= ALL_COLUMNS:
            return np.argsort(groups, kind="stable"), True
        is_used = np.bincount(groups, weights=w != 0, minlength=n_groups) > 0
        rank = np.where(is_used, np.inf, penalty.norms(violations) / penalty.scales)
        candidates = np.flatnonzero(rank > 0)
        if self.chosen is not None and np.isin(candidates, groups[self.chosen]).all():
            return self.chosen, True
        sizes = np.bincount(groups, minlength=n_groups)
        most = max(FIRST_SET, GROWTH * sizes[is_used].sum())
        candidates = candidates[np.argsort(-rank[candidates], kind="stable")]
        n_taken = max(1, np.searchsorted(np.cumsum(sizes[candidates]), most, side="right"))
        is_taken = np.zeros(n_groups, dtype=bool)
        is_taken[candidates[:n_taken]] = True
        columns = np.flatnonzero(is_taken[groups])
        chosen = columns[np.argsort(groups[columns], kind="stable")]
        return chosen, n_taken >= len(candidates)

    def model(self, point, h, chosen):
        problem = self.problem
        is_new = self.chosen is None or not np.array_equal(self.chosen, chosen)
        if is_new:
            self.chosen = chosen
            source = problem.source
            X = source.X[:, chosen]
            X = X if source.is_sparse else np.ascontiguousarray(X)
            self.source = ArraySource(X, c=source.c)
        if is_new or not self.is_exact:
            self._make(h)
        return GroupModel(self, point.gradient, chosen)

    def _make(self, h):
        problem, penalty = self.problem, self.problem.penalty
        gram = gram_of(self.source, problem.c * h)
        self.H, self.sums, self.total = without_intercept(gram, problem.fit_intercept)
        groups = penalty.groups[self.chosen]
        ends = np.flatnonzero(np.diff(groups)) + 1
        self.starts = np.concatenate([[0], ends, [len(groups)]]).astype(np.int64)
        self.bounds = np.empty(len(self.starts) - 1)
        group_bounds(self.H, self.starts, self.bounds)


class GroupModel(GramModel):
    """A model on the columns of whole groups."""

    minimize = QuadraticModel.minimize

    def __init__(self, models, gradient, chosen):
        columns = np.append(chosen, len(gradient) - 1)
        super().__init__(models, gradient[columns], np.arange(len(chosen)))
        self.starts, self.bounds = models.starts, models.bounds
        self.penalty = models.problem.penalty.of(chosen)
        firsts = self.penalty.groups[self.starts[:-1]]
        self.thresholds = self.penalty.l1 * self.penalty.scales[firsts]
        self.step = np.empty(len(chosen))

    @property
    def epochs(self):
        """As many as take the time of a step on the support."""
        solution = max(SOLUTION, np.count_nonzero(self.w) ** 3 // 3)
        return max(EPOCHS, solution // max(self.H.size, 1))

    def descend(self, l1, l2, positive, tol, max_epochs):
        return descend_groups(
            *(self.H, self.v, self.w, self.step, self.starts, self.thresholds, self.bounds),
            *(l2, tol, max_epochs),
        )

    def step_on_support(self, penalty, tol, share):
        """A step of Newton's method on the groups that are not zero, as far as the model falls.

        Groups that it would turn round end at zero.
        """
        penalty = self.penalty
        is_used = penalty.norms(self.w) > 0
        chosen = np.flatnonzero(is_used[penalty.groups])
        if not len(chosen):
            return 0, True
        part, w, v = penalty.of(chosen), self.w[chosen], self.v[chosen]
        H = self.H[np.ix_(chosen, chosen)]
        newton = inverse_of(H + part.curvature(w))(v - part.subgradient(w, v))
        for cut in range(MAX_CUTS):
            step = 0.25**cut * newton
            step = np.where(part.turns(w, w + step), -w, step)
            if step @ (part.secant(w, step) - v + 0.5 * (H @ step)) < 0:
                self.w[chosen] += step
                self.v -= step @ self.H[chosen]
                break
        return cut + 1, cut == 0
