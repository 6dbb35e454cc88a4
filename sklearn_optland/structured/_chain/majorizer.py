"""Bound majorization of a chain's objective (Jebara and Choromanska 2012), without its matrix.

Along a chain the recursion of junction trees has for each label v at t a message with the quadratic
bound log z_v + mu_v'Delta + 1/2 Delta'Sigma_v Delta. With S above the Sigma_u of all labels u
before, Algorithm 1 gives Sigma_v = S + F_v'J_v F_v, where the rows of F_v are mu_u + e_uv and J_v
is the K x K curvature of log sum_u exp at log z_u + A_uv. S has to grow by what is above
F_v'J_v F_v for all v. What is summed here is so simple that S is never formed:

- l l' <= diag(|l|) sum|l| in each step of Algorithm 1, and J_v 1 = 0, so that J_v is at most
  Pi'diag(D_v)Pi with Pi = I - 1 pi'. With the largest entries D over v, and pi in proportion to it,

      J_v <= J = diag(D) - DD' / sum(D),

  which for two labels is J_v itself.
- Of F_v Delta = a + b_v, a = (mu_u'Delta)_u, only b_v, the column v of Delta's transitions, depends
  on v. With b their mean over v,

      (F_v Delta)'J_v F_v Delta <= 2 (a + b)'J(a + b) + 2 sum_v (b_v - b)'J_v(b_v - b).

mu_u follows a linear recursion, and so does a: S Delta takes one recursion along the chain and one
back, about what a gradient takes, and the bound's minimum is found by conjugate gradients. Memory
is that of a few numbers for each token and label.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sklearn_optland._loss.log_loss import diagonal_bound
from sklearn_optland._optim.conjugate_gradients import conjugate_gradients
from sklearn_optland._optim.majorize import majorize
from sklearn_optland._optim.step import Step

# What conjugate gradients leave of a gradient, in the preconditioner's norm. Any number of their
# steps lowers the bound, and so the objective.
CG_TOLERANCE, MAX_CG_ITERATIONS = 0.1, 100
# Pairs of labels of the tokens that a step along the chains takes together.
BLOCK = 1 << 18
# Transitions that differ by more have no exponentials to be multiplied with.
WIDEST = 600.0


@dataclass
class Point:
    """Parameters with the objective there."""

    W: np.ndarray
    objective: float
    gradient: np.ndarray


class BoundMajorization:
    """Minimises the bound that touches at the parameters, again and again.

    No iteration raises the objective, and there is no step size. The certificate is that of
    L-BFGS: the duality gap of the model's own marginals is |gradient|^2 / 2.
    """

    name = "jc12"

    def __init__(self, problem, theta, tol, rng):
        self.problem, self.tol = problem, tol
        self.theta = problem.zeros() if theta is None else theta
        self.curvature = ChainCurvature(problem)
        self.n_evaluations, self.lower_bound = 0, 0.0

    def certify(self, theta):
        """Objective at theta, and how far it can be above the optimum."""
        objective, gradient = self.problem.evaluate(theta)
        return objective, self._gap(objective, gradient)

    def evaluate(self, theta):
        """The point theta: what `majorize` asks of a problem."""
        self.n_evaluations += 1
        return Point(theta, *self.problem.evaluate(theta))

    def steps(self):
        """Yield a step for each iteration."""
        point, done = self.evaluate(self.theta), False
        for iteration in majorize(self, point, self.curvature, 1):
            point = iteration.point
            step = self._step(point)
            done = step.done = step.reached
            yield step
        if not done:  # float64 has ended it
            step = self._step(point)
            step.done = True
            yield step

    def _step(self, point):
        gap = self._gap(point.objective, point.gradient)
        curves = {
            "objective": point.objective,
            "lower_bound": self.lower_bound,
            "certificate": gap,
            "passes": self.n_evaluations + self.curvature.n_passes,
        }
        reached = self.tol > 0 and gap <= self.tol * point.objective
        return Step(point.W, curves, point.objective, reached=reached)

    def _gap(self, objective, gradient):
        """What is left above the best lower bound, that of this point among them."""
        rounding = self.problem.rounding
        gap = 0.5 * (float(np.linalg.norm(gradient)) + rounding) ** 2
        self.lower_bound = max(self.lower_bound, objective - gap)
        return min(gap, objective - self.lower_bound + rounding)


class ChainCurvature:
    """The curvature of all sequences' bounds, and of the penalty.

    Arrays of tokens are in the order of `order`: sequences of about the same length, the longest
    first, make a block, of which the first tokens come first, then the second ones, and so on.
    `steps` has for each block these groups, each with the tokens of it that have a next one.

    Parameters
    ----------
    problem : ChainProblem
    """

    follows = True

    def __init__(self, problem):
        self.problem, self.k, self.n_passes = problem, problem.k, 0
        self.X = problem.X.astype(float, copy=False)
        lengths = np.diff(problem.starts)
        by_length, size = np.argsort(-lengths, kind="stable"), max(BLOCK // self.k**2, 1)
        order, steps, ends, place = [], [], [], 0
        for first in range(0, len(lengths), size):
            members = by_length[first : first + size]
            counts = np.searchsorted(-lengths[members], -np.arange(lengths[members[0]]))
            steps.append([])
            for t, n in enumerate(counts):
                order.append(problem.starts[members[:n]] + t)
                goes_on = counts[t + 1] if t + 1 < len(counts) else 0
                steps[-1].append((slice(place, place + n), slice(place, place + goes_on)))
                ends.append(np.arange(place + goes_on, place + n))
                place += n
        self.order, self.steps = np.concatenate(order), steps
        self.last = np.concatenate(ends)
        self.first = np.concatenate([np.arange(*block[0][0].indices(place)) for block in steps])
        self.c = np.repeat(problem.c, lengths)[self.order]

    def refresh(self, point):
        """Take the bounds that touch at a point."""
        self.n_passes += 1
        k, c = self.k, self.c
        theta = point.W[:, :k]
        A = theta[self.problem.n_columns : self.problem.n_columns + k]
        self.A, logs = A, self._scores(theta)
        self.D, self.logs = np.empty_like(logs), logs
        self.pairs = np.zeros((k, k, k))
        for block in self.steps:
            for (_, goes_on), (group, _) in pairwise(block):
                log_alpha = logs[goes_on, None, :] + A.T
                log_z, D = diagonal_bound(log_alpha)
                logs[group] += log_z
                self.D[goes_on] = D.max(axis=1)
                D *= c[goes_on, None, None]
                D = D.transpose(1, 2, 0)
                J = (D / D.sum(axis=1, keepdims=True)) @ D.transpose(0, 2, 1)
                self.pairs -= J
                np.einsum("vuu->vu", self.pairs)[:] += D.sum(axis=2)
        self.D[self.last] = diagonal_bound(logs[self.last])[1]
        self.D *= c[:, None]
        # Where a chain goes on, the bound has twice the square of a + b.
        self.factor = np.full((len(c), 1), 2.0)
        self.factor[self.last] = 1.0
        self.alpha = np.exp(logs - logs.max(axis=1, keepdims=True))
        self.M = np.exp(A - A.max()) if np.ptp(A) < WIDEST else None
        self.inverse = 1 / self._diagonal()

    def solve(self, G):
        """The inverse times G, by conjugate gradients."""

        def is_short(_V, _residual, rho, first):
            return rho <= CG_TOLERANCE**2 * first

        return conjugate_gradients(
            self.product,
            np.zeros_like(G),
            G,
            lambda residual: self.inverse * residual,
            is_short,
            max_iter=MAX_CG_ITERATIONS,
        )[0]

    def product(self, V):
        """The curvature times V."""
        self.n_passes += 1
        k, d = self.k, self.problem.n_columns
        V_A = V[d : d + k, :k]
        mean = V_A.mean(axis=1)
        a = self._scores(V[:, :k])
        for block in self.steps:
            for (_, goes_on), (group, _) in pairwise(block):
                a[group] += self._expected(goes_on, a[goes_on], V_A)
        goes_on = self.factor > 1
        a += goes_on * mean
        shares = self.D / self.D.sum(axis=1, keepdims=True)
        a -= np.einsum("tu,tu->t", shares, a)[:, None]
        a *= self.factor * self.D  # what the bounds pull at, now
        G_A = np.repeat((goes_on * a).sum(axis=0)[:, None] / k, k, axis=1)
        deviations = 2 * np.einsum("vuw,wv->uv", self.pairs, V_A - mean[:, None])
        G_A += deviations - deviations.mean(axis=1, keepdims=True)
        for block in self.steps:
            for (_, goes_on), (group, _) in reversed([*pairwise(block)]):
                a[goes_on] += self._pulled_back(goes_on, a[group], G_A)
        return V + self._gathered(a, G_A)

    def _conditionals(self, tokens):
        """p(u | v) of neighbours' labels, the first the earlier one's, given all up to it."""
        log_alpha = self.logs[tokens, :, None] + self.A
        log_alpha -= log_alpha.max(axis=1, keepdims=True)
        p = np.exp(log_alpha)
        return p / p.sum(axis=1, keepdims=True)

    def _expected(self, tokens, a, V_A):
        """Expectations, given the next label, of a and of the transition to it."""
        if self.M is None:
            return np.einsum("tuv,tuv->tv", self._conditionals(tokens), a[:, :, None] + V_A)
        alpha = self.alpha[tokens]
        total = (alpha * a) @ self.M + alpha @ (self.M * V_A)
        return total / (alpha @ self.M)

    def _pulled_back(self, tokens, pulls, G_A):
        """The transpose of `_expected`; adds to G_A, and returns what goes to a."""
        if self.M is None:
            p = self._conditionals(tokens) * pulls[:, None, :]
            G_A += p.sum(axis=0)
            return p.sum(axis=2)
        alpha = self.alpha[tokens]
        pulls = pulls / (alpha @ self.M)
        G_A += self.M * (alpha.T @ pulls)
        return alpha * (pulls @ self.M.T)

    def _scores(self, theta):
        """Scores of tokens and of the ends."""
        d = self.problem.n_columns
        scores = (self.X @ theta[:d])[self.order]
        if self.problem.has_ends:
            scores[self.first] += theta[-2]
            scores[self.last] += theta[-1]
        return scores

    def _gathered(self, pulls, G_A):
        """The transpose of `_scores`, with the transitions' part."""
        d, k, problem = self.problem.n_columns, self.k, self.problem
        G, by_token = problem.zeros(), np.empty_like(pulls)
        by_token[self.order] = pulls
        G[:d, :k] = self.X.T @ by_token
        G[d : d + k, :k] = G_A
        if problem.has_ends:
            G[-2, :k] = pulls[self.first].sum(axis=0)
            G[-1, :k] = pulls[self.last].sum(axis=0)
        if problem.has is not None:
            G *= problem.has
        return G

    def _diagonal(self):
        """About the curvature's diagonal: each token by itself."""
        own = self.factor * self.D * (1 - self.D / self.D.sum(axis=1, keepdims=True))
        squares = self.X.multiply(self.X) if hasattr(self.X, "multiply") else self.X**2
        G = self.problem.zeros()
        d, k = self.problem.n_columns, self.k
        by_token = np.empty_like(own)
        by_token[self.order] = own
        G[:d, :k] = squares.T @ by_token
        G[d : d + k, :k] = 2 * np.einsum("vuu->uv", self.pairs)
        G[-2, :k], G[-1, :k] = own[self.first].sum(axis=0), own[self.last].sum(axis=0)
        return 1 + G
