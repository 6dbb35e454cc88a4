"""What the solvers of finite sums share; those by single rows their order, and a pass over them."""

import numpy as np

from sklearn_optland._rows import row_orders_fast as orders
from sklearn_optland._rows.reduce import row_blocks


class Solver:
    """A solver on one problem, from a start.

    Each has a `start(W)`, to begin or begin anew at W; a `run()`, which goes over the data about
    once and returns the sum of c_i (change of theta_i)^2, which falls in proportion to the gap; and
    a `point()`, the current parameters and a dual point or None.

    Attributes
    ----------
    has_steps : bool
        Whether there is a step size, which might be too long.
    draws_rows : bool
    weighs_draws : bool
        Whether rows may be drawn with other chances than the same.
    starts_from_pulls : bool
        At W; W itself is forgotten.
    is_slow : bool
        Whether another solver is expected to be faster from here on.
    patience : float
        The share of the most passes that it may take before another one takes over.
    limited_by : str or None
        What ended it above its tolerance, if that was not rounding.
    """

    has_steps = False
    draws_rows = False
    weighs_draws = False
    starts_from_pulls = False
    is_slow = False
    patience = 0.5
    limited_by = None

    @staticmethod
    def minimizer(problem, tol, n_fits=1):
        """Return what minimises the models of a proximal Newton method; None if it is none.

        `n_fits` is the number of fits of a path that share it.
        """
        return None

    @staticmethod
    def least_squares(problem, n_fits=1):
        """Return what yields the points of a path by a Gram matrix, as `gram_points`, or None."""
        return None

    def measured(self):
        """Return the current parameters' evaluation, if the algorithm itself needed it."""
        return None

    def release(self):
        """Let go of what would keep its memory until a garbage collection."""


class FullBatchSolver(Solver):
    """A solver that visits all rows at once, and evaluates each of its points anyway.

    Each has `points(W)`, an iterator of `Point` from W.

    Parameters
    ----------
    problem : FiniteSum
    W : ndarray
        The start, `problem.zeros()` for a cold one. It is projected onto the feasible set.
    tol : float
        Of the gap, relative to the objective.
    """

    def __init__(self, problem, W, *, tol, **_):
        self.problem, self.tol = problem, tol
        self.start(problem.project(W))

    def start(self, W):
        """Begin, or begin anew, at W."""
        self.W, self.latest = W, None
        self.following = self.points(W)

    def run(self):
        """Go on to the next point; 0 if there is none."""
        following = next(self.following, None)
        if following is None:
            self.latest = self.latest or self.problem.evaluate(self.W)
            return 0.0
        self.latest, self.W = following, following.W
        return np.inf

    def point(self):
        return self.W, None

    def measured(self):
        return self.latest

    def release(self):
        self.following = None  # whose frame has the solver


class RowSolver(Solver):
    """A solver that visits single rows.

    Parameters
    ----------
    problem : FiniteSum
    W : ndarray
        The start, `problem.zeros()` for a cold one. It is projected onto the feasible set.
    rng : RandomState
    sampling : {"uniform", "lipschitz"}
        Each row once a pass in a new random order, or with replacement, half uniformly and half
        in proportion to the rows' Lipschitz constants.
    step_size : float or None
        None takes the solver's own.
    """

    has_steps = True
    draws_rows = True
    needs_replacement = False  # rows must be drawn independently
    weighs_draws = True

    def __init__(self, problem, W, *, rng, sampling="uniform", step_size=None, **_):
        self.problem, self.rng = problem, rng
        self.order = np.arange(problem.n_samples, dtype=np.int32)
        L = problem.lipschitz
        self.chances = np.full(problem.n_samples, 1 / problem.n_samples)
        if sampling == "lipschitz" and self.weighs_draws and L.max() > 0:
            self.chances = 0.5 * self.chances + 0.5 * L / L.sum()
        shuffles = not (self.needs_replacement or (sampling == "lipschitz" and self.weighs_draws))
        self.table = None if shuffles else orders.alias_table(self.chances)
        # of c_i l_i / p_i, the terms whose mean the sum is
        self.L = np.max(L / (problem.n_samples * self.chances))
        self.step_size = step_size if step_size is not None else self.default_step()
        self.start(problem.project(W))

    def default_step(self):
        """Return the step size that "auto" stands for."""
        return None

    def values_per_step(self):
        """Return how many numbers a step touches, on average."""
        return self.problem.source.n_values * self.problem.k

    def next_order(self):
        """Return the rows of the next pass."""
        if self.table is None:
            orders.shuffle(self.order, self._seed())
        else:
            orders.draw(self.order, *self.table, self._seed())
        return self.order

    def _seed(self):
        return self.rng.randint(np.iinfo(np.int32).max)

    def _take(self, order, *state):
        """Take the steps of an order, in pieces that leave time for Ctrl-C.

        Parameters
        ----------
        order : ndarray of int32
            Row numbers.
        *state : ndarray
            What the steps change, as `self.steps` has it; C-contiguous.

        Returns
        -------
        moved : float
            Sum of c_i (change of theta_i)^2.
        """
        self.problem.passes += len(order) / self.problem.n_samples
        state = [array.reshape(-1) for array in state]
        return sum(
            self.steps.take(order[first:last], *state)
            for first, last in row_blocks(len(order), self.values_per_step())
        )
