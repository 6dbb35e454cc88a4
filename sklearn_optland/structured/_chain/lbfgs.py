"""L-BFGS on a chain's objective."""

from itertools import islice

import numpy as np

from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland._rows.batches import rows_of_batches
from sklearn_optland._rows.source import ArraySource

# Tokens for each column above which columns are few.
TOKENS_PER_COLUMN = 10


class LBFGS:
    """L-BFGS on all parameters. The objective is 1-strongly convex: |gradient|^2 / 2 bounds a gap.

    That bound is the duality gap of the model's own marginals. A lower bound that is known already
    may be better.

    Where tokens are many and columns few, the first steps from zero are taken on growing batches of
    the sequences. With many columns, vectors cost more than a batch saves; and tokens that are
    sequences of their own need too few steps (benchmarks/studies/chain_batches.py).
    """

    name = "lbfgs"
    # Pairs of steps and gradient changes.
    MEMORY = 10
    # Batches: part of the sequences for the first, the factor to the next, steps on each.
    FIRST_BATCH, GROWTH, BATCH_STEPS = 16, 4, 10
    # The least number of tokens for them.
    LEAST_TOKENS = 100_000

    def __init__(self, problem, theta, tol, rng, lower_bound=0.0):
        self.problem, self.tol, self.rng, self.lower_bound = problem, tol, rng, lower_bound
        is_large = problem.n_tokens >= max(self.LEAST_TOKENS, 2 * problem.n_sequences)
        is_here = isinstance(problem.source, ArraySource)
        self.grows = theta is None and is_large and is_here and has_few_columns(problem)
        self.theta = problem.zeros() if theta is None else theta

    def certify(self, theta):
        """Objective at theta, and how far it can be above the optimum."""
        objective, gradient = self.problem.evaluate(theta)
        return objective, self._bound(theta, objective, gradient)

    def steps(self):
        """Yield a step for each iteration."""
        passes = (yield from self._on_batches()) if self.grows else 0.0
        for step, bound in self._minimize(self.problem):
            if bound is None:
                bound = self.certify(step.parameters)[1]
            step.curves |= {"lower_bound": step.loss - bound, "certificate": bound}
            step.curves["passes"] += passes
            step.reached = self.tol > 0 and bound <= self.tol * step.loss
            step.done |= step.reached
            yield step

    def _on_batches(self):
        """Yield steps on growing batches of the sequences; return the passes that they cost."""
        passes, n_sequences, n_tokens = 0.0, self.problem.n_sequences, self.problem.n_tokens
        first = n_sequences // self.FIRST_BATCH
        for index in rows_of_batches(n_sequences, first, self.GROWTH, self.rng):
            batch = self.problem.restrict(index)
            share = len(batch.codes) / n_tokens
            for step, _ in islice(self._minimize(batch), self.BATCH_STEPS):
                self.theta, step.done = step.parameters, False
                done = passes + share * step.curves["passes"]
                step.curves |= {"passes": done, "lower_bound": 0.0, "certificate": np.nan}
                yield step
            passes = done
        return passes

    def _minimize(self, problem):
        """Yield steps from `theta`, each with its bound, None if that is not known."""
        shape, latest = problem.shape, {}

        def function(flat):
            theta = flat.reshape(shape)
            value, gradient = problem.evaluate(theta)
            latest.update(theta=flat, bound=self._bound(theta, value, gradient))
            return value, gradient.reshape(-1)

        for step in minimize(function, self.theta.reshape(-1), Memory(self.MEMORY)):
            # The accepted trial is the last one; only a step that is no step any more is not.
            is_known = latest["theta"] is step.parameters
            step.parameters = step.parameters.reshape(shape)
            yield step, latest["bound"] if is_known else None

    def _bound(self, theta, objective, gradient):
        rounding = self.problem.rounding
        known = max(objective - self.lower_bound, 0.0) + rounding * float(np.linalg.norm(theta))
        return min(known, 0.5 * (float(np.linalg.norm(gradient)) + rounding) ** 2)


def has_few_columns(problem):
    """Whether there are many tokens for each column."""
    return TOKENS_PER_COLUMN * problem.n_columns < problem.n_tokens
