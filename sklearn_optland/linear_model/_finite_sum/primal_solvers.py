"""The primal solvers of finite sums: each one's state, and its pass over the data."""

import numpy as np
from scipy import sparse

from sklearn_optland._rows import row_orders_fast as orders
from sklearn_optland._rows.reduce import row_blocks
from sklearn_optland.linear_model._finite_sum import steps_fast as kernels
from sklearn_optland.linear_model._finite_sum.problem import TINY


class Solver:
    """A solver on one problem, from a start.

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

    has_steps = True  # a step size, which might be too long
    needs_replacement = False  # rows must be drawn independently
    weighs_draws = True  # steps take account of the rows' chances

    def __init__(self, problem, W, *, rng, sampling="uniform", step_size=None):
        self.problem, self.rng, self.sampling = problem, rng, sampling
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
        return self.problem.values_per_row * self.problem.k

    def next_order(self):
        """Return the rows of the next pass."""
        if self.table is None:
            orders.shuffle(self.order, self._seed())
        else:
            orders.draw(self.order, *self.table, self._seed())
        return self.order

    def _seed(self):
        return self.rng.randint(np.iinfo(np.int32).max)

    def _in_pieces(self, order, kernel):
        """Call a kernel on pieces of an order that leave time for Ctrl-C; sum what it returns."""
        problem = self.problem
        problem.passes += len(order) / problem.n_samples
        return sum(
            kernel(order[first:last])
            for first, last in row_blocks(len(order), self.values_per_step())
        )

    def start(self, W):
        """Begin, or begin anew, at W."""
        raise NotImplementedError

    def run(self):
        """Go over the data about once; return how much the dual variables moved.

        That is the sum of c_i (change of theta_i)^2, which falls in proportion to the gap.
        """
        raise NotImplementedError

    def point(self):
        """Return the current parameters and, if the solver has one, a dual point."""
        raise NotImplementedError

    def measured(self):
        """Return the current parameters' evaluation, if the algorithm itself needed it."""
        return None


class Saga(Solver):
    """SAGA, on the support of a row only (Leblond et al. 2017)."""

    frozen = False

    def default_step(self):
        return 1 / (2 * self.L) if self.L > TINY else 1.0

    def correction(self):
        """c_i / p_i."""
        return self.problem.c / self.chances

    def start(self, W):
        problem, penalty = self.problem, self.problem.penalty
        chance = self._column_chances()
        k, columns = problem.k, W.reshape(-1, problem.k)
        self.state = np.zeros((problem.n_features, 2 * k + 2))
        self.state[:, :k] = columns[:-1] * (chance > 0)[:, None]  # a zero column is never visited
        self.state[:, 2 * k] = self.step_size / np.where(chance > 0, chance, 1.0)
        self.state[:, 2 * k + 1] = 1 / (1 + self.state[:, 2 * k] * penalty.l2)
        self.bias = np.zeros(2 * k)
        if problem.unit:
            self.bias[:k] = columns[-1] / problem.unit
        self.weights = self.correction()
        self.set_table(problem.evaluate(self.parameters()))

    def _column_chances(self):
        """Chance of each column to be in the support of a step."""
        X = self.problem.X
        if not sparse.issparse(X):
            return np.ones(X.shape[1])
        weights = np.repeat(self.chances, np.diff(X.indptr))
        return np.bincount(X.indices, weights=weights, minlength=X.shape[1])

    def set_table(self, point):
        """Fill the table with the pulls at a point."""
        problem = self.problem
        self.theta = point.pulls
        G = -problem.pull(self.theta) if point.gradient is None else point.gradient
        k, columns = problem.k, G.reshape(-1, problem.k)
        self.state[:, k : 2 * k] = columns[:-1]
        self.bias[k:] = columns[-1] * problem.unit

    def parameters(self):
        """Return W."""
        k = self.problem.k
        W = np.vstack([self.state[:, :k], self.bias[:k] * self.problem.unit])
        return W if k > 1 else W.ravel()

    def run(self):
        problem = self.problem
        return self._in_pieces(
            self.next_order(),
            lambda order: problem.primal_kernel(
                problem.rows,
                problem.kind,
                problem.epsilon,
                order,
                problem.y,
                problem.c,
                self.weights,
                self.step_size,
                problem.penalty.l1,
                problem.penalty.positive,
                problem.unit,
                self.frozen,
                self.theta,
                self.state,
                self.bias,
            ),
        )

    def point(self):
        return self.parameters(), None


class Sag(Saga):
    """SAG: the step is the table's new gradient; biased, with less noise.

    In shuffled order its bias does not average out, and it stalls: rows are drawn independently.
    """

    needs_replacement = True

    def correction(self):
        return self.problem.c


class Svrg(Saga):
    """SVRG: the table is that of a snapshot, taken every two passes."""

    frozen = True

    def start(self, W):
        super().start(W)
        self.snapshot = None

    def run(self):
        moved = super().run() + super().run()
        self.snapshot = self.problem.evaluate(self.parameters())
        if np.isfinite(self.snapshot.objective):
            self.set_table(self.snapshot)
        return moved

    def measured(self):
        return self.snapshot


class Katyusha(Solver):
    """Loopless Katyusha (Kovalev et al. 2020), accelerated; a step costs all columns."""

    def values_per_step(self):
        return self.problem.n_features

    def default_step(self):
        return 1 / self.L if self.L > TINY else 1.0

    def start(self, W):
        problem = self.problem
        scaled = W.copy()
        scaled[-1] = W[-1] / problem.unit if problem.unit else 0.0
        self.here, self.iterate, self.z = scaled.copy(), scaled.copy(), scaled.copy()
        self.weights = problem.c / self.chances
        sigma = problem.penalty.l2 * self.step_size
        self.theta1 = min(np.sqrt(2 * sigma * problem.n_samples / 3), 0.5)
        self.theta2 = 0.5
        self._snapshot()

    def _snapshot(self):
        problem = self.problem
        self.snapshot, self.base = problem.evaluate(self.parameters()), self.iterate.copy()
        if np.isfinite(self.snapshot.objective):
            G = self.snapshot.gradient
            self.G = -problem.pull(self.snapshot.pulls) if G is None else G.copy()
            self.G[-1] *= problem.unit

    def parameters(self):
        """Return W."""
        return np.append(self.iterate[:-1], self.iterate[-1] * self.problem.unit)

    def run(self):
        """Go over a pass at least, and on to a snapshot: each step takes one by chance 1 / n."""
        n, moved, steps = self.problem.n_samples, 0.0, 0
        while steps < n:
            left = self.rng.geometric(1 / n)
            steps += left
            moved += self._until_snapshot(left)
            self._snapshot()
        return moved

    def _until_snapshot(self, left):
        problem, penalty = self.problem, self.problem.penalty
        eta = self.theta2 / ((1 + self.theta2) * self.theta1)
        moved = 0.0
        while left > 0:
            order = self.next_order()[:left]
            left -= len(order)
            moved += self._in_pieces(
                order,
                lambda order: kernels.katyusha(
                    problem.rows,
                    problem.kind,
                    problem.epsilon,
                    order,
                    problem.y,
                    problem.c,
                    self.weights,
                    self.theta1,
                    self.theta2,
                    eta * self.step_size,
                    penalty.l1,
                    penalty.l2,
                    penalty.positive,
                    problem.unit,
                    self.snapshot.pulls,
                    self.G,
                    self.base,
                    self.here,
                    self.iterate,
                    self.z,
                ),
            )
        return moved

    def measured(self):
        return self.snapshot

    def point(self):
        return self.parameters(), None


class PointSaga(Solver):
    """Point-SAGA (Defazio 2016), accelerated, by proximal steps of single losses."""

    weighs_draws = False

    def default_step(self):
        n, mu = self.problem.n_samples, self.problem.penalty.l2
        L = np.max(self.problem.lipschitz) + mu
        return np.sqrt((n - 1) ** 2 + 4 * n * L / mu) / (2 * L * n) - (1 - 1 / n) / (2 * L)

    def start(self, W):
        problem = self.problem
        self.W = W.copy()
        self.W[-1] = W[-1] / problem.unit if problem.unit else 0.0
        lengths = problem.row_squares / (1 + self.step_size * problem.penalty.l2) + problem.unit**2
        self.q = self.step_size * problem.n_samples * problem.c * lengths
        _, self.theta = problem.losses(problem.scores(W))
        self.G = -problem.pull(self.theta)
        self.G[-1] *= problem.unit

    def run(self):
        problem = self.problem
        return self._in_pieces(
            self.next_order(),
            lambda order: kernels.point_saga(
                problem.rows,
                problem.kind,
                problem.epsilon,
                order,
                problem.y,
                problem.c,
                self.q,
                self.step_size,
                problem.penalty.l2,
                problem.unit,
                self.theta,
                self.W,
                self.G,
            ),
        )

    def point(self):
        W = np.append(self.W[:-1], self.W[-1] * self.problem.unit)
        return W, None if self.problem.is_smooth else self.theta
