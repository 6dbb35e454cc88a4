"""The solvers of finite sums: what each needs of a problem, its state, its pass over the data."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from sklearn_optland._blocks import row_blocks
from sklearn_optland._fit_loop import Iteration
from sklearn_optland.linear_model import _finite_sum_fast as kernels
from sklearn_optland.linear_model._finite_sum_problem import TINY

# The most passes without a certificate.
MAX_UNSEEN = 10
# Times the objective at zero: what no step size that converges comes near.
DIVERGED = 10.0
# Of Catalyst's kappa without an L2 penalty, measured: its factor a pass, and where it stops.
FALL, LOWEST = 0.95, 0.1
# Change of the dual variables, relative to their size at zero, that float64 does not resolve.
STILL = 100 * np.finfo(float).eps
# Dual solvers add into v at each step; so often it is computed anew.
REFRESH_PASSES = 50


class Solver:
    """A solver on one problem, from a start.

    Parameters
    ----------
    problem : FiniteSum
    W : ndarray
        The start, `problem.zeros()` for a cold one.
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
        self.table = None if shuffles else kernels.alias_table(self.chances)
        # of c_i l_i / p_i, the terms whose mean the sum is
        self.L = np.max(L / (problem.n_samples * self.chances))
        self.step_size = step_size if step_size is not None else self.default_step()
        self.start(W)

    def default_step(self):
        """Return the step size that "auto" stands for."""
        return None

    def values_per_step(self):
        """Return how many numbers a step touches, on average."""
        return self.problem.values_per_row * self.problem.k

    def next_order(self):
        """Return the rows of the next pass."""
        if self.table is None:
            kernels.shuffle(self.order, self._seed())
        else:
            kernels.draw(self.order, *self.table, self._seed())
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


class Sdca(Solver):
    """SDCA: each step maximises the dual in one coordinate.

    The intercept is not penalised, so the dual has the constraint sum_i c_i theta_i = 0, which
    no single coordinate can keep. It is moved into the objective as an augmented Lagrangian with
    the intercept as its multiplier: rho/2 (b - anchor)^2 is added to the primal, and after each
    pass the anchor moves to b. rho is the smaller of l'' / n, with which the intercept's share of
    the condition number is n, and l2 / mean |x_i|^2, with which it is the rows' own: it at most
    doubles the passes. The anchor's own rate is rho / (rho + curvature in b), and where w can
    stand in for the intercept that curvature is as small as the latter.
    """

    has_steps = False
    kappa = 0.0

    def start(self, W):
        problem = self.problem
        self.l2 = problem.penalty.l2 + self.kappa
        curvature = problem.curvature if problem.is_smooth else 1.0
        self.rho = 0.0
        if problem.fit_intercept:
            self.rho = curvature / problem.n_samples
            if problem.mean_square:
                self.rho = min(self.rho, self.l2 / problem.mean_square)
        self._weigh_rows()
        self.delta = self.steps()
        self.theta = problem.zeros_like_scores()
        if W.any():
            _, self.theta = problem.losses(problem.scores(W))
        self.b, self.anchor = W[-1:].ravel(), W[-1:].ravel()
        self.center = W[:-1].copy()
        self.age = 0
        self._refresh()

    def _weigh_rows(self):
        """Compute q, what a row's own score gains per unit of its theta."""
        lengths = self.problem.row_squares / self.l2
        self.q = self.problem.c * (lengths + (1 / self.rho if self.rho else 0.0))

    def steps(self):
        """Return the steps of MISO; none of SDCA."""
        return np.empty(0)

    def _refresh(self):
        """Compute v, w and b from theta, without the rounding of many small additions."""
        v = self.problem.pull(self.theta) if self.theta.any() else self.problem.zeros()
        self.v = v[:-1] + self.kappa * self.center
        if self.rho:
            self.b = self.anchor + v[-1:].ravel() / self.rho
        self._follow()

    def _follow(self):
        """Make w follow v."""
        self.w = self.problem.penalty.threshold(self.v) / self.l2

    def run(self):
        problem, penalty = self.problem, self.problem.penalty
        moved = self._in_pieces(
            self.next_order(),
            lambda order: problem.dual_kernel(
                problem.rows,
                problem.kind,
                problem.epsilon,
                order,
                problem.y,
                problem.c,
                self.q,
                self.delta,
                penalty.l1,
                self.l2,
                penalty.positive,
                self.rho,
                self.theta,
                self.v,
                self.b,
            ),
        )
        self._follow()
        self.move_centers()
        self.age += 1
        if self.age % REFRESH_PASSES == 0:
            self._refresh()
        return moved

    def move_centers(self):
        """Move the intercept's anchor to where the pass has taken it."""
        self._move_anchor(self.b)

    def _move_anchor(self, b):
        self.b = self.b + (b - self.anchor)
        self.anchor = b

    def point(self):
        return self.parameters(self.anchor), self.theta

    def parameters(self, b):
        """Return W."""
        return np.concatenate([self.w, b.reshape((1, *self.w.shape[1:]))])


class Miso(Sdca):
    """MISO, also known as Finito: SDCA with a short step in place of the maximiser."""

    has_steps = True

    def default_step(self):
        return 1.0

    def steps(self):
        """delta_i = min(1, mu n / (2 L_i)) of Lin, Mairal and Harchaoui (2015)."""
        q = self.problem.curvature * self.q
        return self.step_size * np.minimum(1.0, 0.5 / np.maximum(q, 0.5))


class Catalyst(Sdca):
    """Catalyst (Lin, Mairal and Harchaoui 2015) around SDCA, one pass a subproblem.

    Subproblems add kappa/2 |w - center|^2, which also makes up for a penalty without an L2 part,
    and rho/2 (b - anchor)^2. Center and anchor are extrapolated; the momentum starts anew where
    it points uphill.

    Without an L2 part there is no momentum, which a single pass a subproblem does not bear there
    (measured): plain proximal points, whose kappa falls by `FALL` a pass to `LOWEST` of its size.
    """

    def start(self, W):
        problem, l2 = self.problem, self.problem.penalty.l2
        curvature = problem.curvature if problem.is_smooth else 1.0
        longest = curvature * np.max(problem.c * problem.row_squares)
        # the condition number of a subproblem is n; all-zero rows leave nothing to measure it by
        self.kappa = max(longest - l2, 0.0) if longest > TINY else 1.0
        self.lowest = LOWEST * self.kappa
        self.share = l2 / (l2 + self.kappa)
        self.momentum = np.sqrt(self.share)
        self.last = self.solved = W.copy()
        super().start(W)

    def _lower_kappa(self):
        pulled = self.v - self.kappa * self.center
        self.kappa = self.l2 = max(FALL * self.kappa, self.lowest)
        self.v = pulled + self.kappa * self.center
        self._weigh_rows()

    def move_centers(self):
        self.solved = self.parameters(self.b)
        step = self.solved - self.last
        self.last = self.solved
        beta = self._next_beta(step) if self.share else 0.0
        self._move_center(self.w + beta * step[:-1])
        self._move_anchor(self.b + beta * step[-1:].ravel())
        if not self.share:
            self._lower_kappa()
        self._follow()

    def _next_beta(self, step):
        """The paper's extrapolation, or 0 where the momentum starts anew."""
        old, share = self.momentum, self.share
        ahead = np.vdot(self.center - self.w, step[:-1]) * self.kappa
        ahead += np.vdot(self.anchor - self.b, step[-1:]) * self.rho
        if ahead > 0:
            self.momentum = np.sqrt(share)
            return 0.0
        new = 0.5 * (share - old**2 + np.sqrt((share - old**2) ** 2 + 4 * old**2))
        self.momentum = new
        return old * (1 - old) / (old**2 + new)

    def _move_center(self, center):
        self.v = self.v + self.kappa * (center - self.center)
        self.center = center

    def point(self):
        return self.solved, None if self.problem.is_smooth else self.theta


@dataclass(frozen=True)
class Needs:
    """What a solver needs of a loss and a penalty."""

    solver: type
    smooth_loss: bool = True
    l2: bool = False  # a positive L2 part
    quadratic: bool = False  # an L2 part only
    multinomial: bool = False

    def lacks(self, problem):
        """Return what the solver misses, in words; None if nothing."""
        penalty = problem.penalty
        if self.smooth_loss and not problem.is_smooth:
            return f"needs a smooth loss, {problem.loss!r} is not"
        if problem.k > 1 and not self.multinomial:
            return "takes no multinomial log_loss"
        if self.quadratic and not penalty.is_quadratic:
            return "needs l1_ratio=0 and positive=False"
        if self.l2 and not penalty.l2 > 0:
            return "needs an L2 part of the penalty, alpha * (1 - l1_ratio) > 0"
        return None


SOLVERS = {
    "sag": Needs(Sag, quadratic=True, multinomial=True),
    "saga": Needs(Saga, multinomial=True),
    "svrg": Needs(Svrg, multinomial=True),
    "sdca": Needs(Sdca, smooth_loss=False, l2=True, multinomial=True),
    "miso": Needs(Miso, l2=True, multinomial=True),
    "katyusha": Needs(Katyusha, l2=True),
    "point-saga": Needs(PointSaga, smooth_loss=False, l2=True, quadratic=True),
    "catalyst": Needs(Catalyst, smooth_loss=False, multinomial=True),
}


def choose_solver(problem, name):
    """Return the name of a solver that can: the one asked for, or the fastest for "auto"."""
    if name == "auto":
        can_sdca = not SOLVERS["sdca"].lacks(problem)
        return "sdca" if can_sdca and not _is_ill_conditioned(problem) else "catalyst"
    lack = SOLVERS[name].lacks(problem)
    if lack:
        able = [other for other, needs in SOLVERS.items() if not needs.lacks(problem)]
        raise ValueError(f"solver={name!r} {lack}; solvers that can: {able}.")
    return name


# Columns of the rate table: passes for each factor e in the gap, from n and kappa.
RATES = {
    "n + kappa": lambda n, kappa: 1 + kappa / n,
    "n + sqrt(n kappa)": lambda n, kappa: 1 + np.sqrt(kappa / n),
}


def rate(problem, name, sampling):
    """Return the row of the rate table that a solver belongs to, with the problem's numbers.

    Returns
    -------
    rate : dict
        "row", the expression; "n"; "kappa", the condition number: the largest Lipschitz constant
        of a row (the mean for `sampling="lipschitz"`) by the L2 penalty; "passes_per_e", passes
        for a factor e in the gap by the row's expression, without its constant.
    """
    accelerated = name in ("katyusha", "point-saga", "catalyst")
    row = "n + sqrt(n kappa)" if accelerated else "n + kappa"
    L = np.mean(problem.lipschitz) if sampling == "lipschitz" else np.max(problem.lipschitz)
    l2 = problem.penalty.l2
    kappa = float(L / l2) if l2 > 0 else np.inf
    passes = float(RATES[row](problem.n_samples, kappa))
    return {"row": row, "n": problem.n_samples, "kappa": kappa, "passes_per_e": passes}


def _is_ill_conditioned(problem):
    """Whether a single column makes the problem hard: its second derivative is above l2 n / 10.

    The dual of sparse rows of many columns is well conditioned even where the largest row alone
    would give a condition number far above n: their products are small.
    """
    l2 = problem.penalty.l2
    if (
        not problem.is_smooth
        or problem.curvature * np.max(problem.c * problem.row_squares) < l2 / 2
    ):
        return False  # kappa < n/2: nothing is hard
    return problem.curvature * problem.largest_column > 0.1 * l2 * problem.n_samples


class Descent:
    """A solver on its way to a tolerance: when to look, what to keep, what to do on divergence.

    A certificate costs a pass. It is computed when the movement of the dual variables, which falls
    in proportion to the gap, says that the gap is small enough, and every `MAX_UNSEEN` passes;
    so it takes less than a tenth of the passes of a long fit.

    Parameters
    ----------
    problem : FiniteSum
    solver : Solver
    tol : float
        Of the objective; without a penalty, of the norm of the gradient at zero.
    max_passes : int
    """

    def __init__(self, problem, solver, tol, max_passes):
        self.problem, self.solver, self.tol, self.max_passes = problem, solver, tol, max_passes
        self.n_passes = self.seen = 0.0
        self.point = self.best = None  # the last one evaluated, and the best
        self.zeros = problem.zeros()
        self.at_zero, pulls = problem.losses(problem.zeros_like_scores())
        self.gap_per_move = 0.5 / (problem.curvature if problem.is_smooth else 1.0)
        self.scale = None
        if not problem.has_dual_bound:
            self.scale = problem.gradient_norm(self.zeros, -problem.pull(pulls))
        # movement that is nothing but rounding
        self.stillness = STILL**2 * np.sum(problem.c @ pulls.reshape(problem.n_samples, -1) ** 2)
        self.still = False

    @property
    def tolerance(self):
        """The certificate at which the fit stops."""
        return self.tol * (self.best.objective if self.scale is None else self.scale)

    @property
    def done(self):
        """Whether the best point is good enough, float64 or the passes are used up."""
        return (
            self.still
            or self.n_passes >= self.max_passes
            or (self.best is not None and self.best.certificate <= self.tolerance)
        )

    def advance(self):
        """Go on until the next certificate."""
        problem, solver = self.problem, self.solver
        while True:
            before = problem.passes
            with np.errstate(over="ignore", invalid="ignore"):  # the guard below sees it
                moved = solver.run()
            self.n_passes += problem.passes - before
            self.still = moved <= self.stillness
            self.point = solver.measured()
            if self.point is None and self._is_due(moved):
                self.point = problem.evaluate(*solver.point())
            if self.point is not None:
                break
        self.seen = self.n_passes
        self._keep(self.point)
        if self.best.objective > self.at_zero:  # no fit is worse than none
            self._keep(problem.evaluate(self.zeros))
        if solver.has_steps and not self.point.objective <= DIVERGED * self.at_zero:
            solver.step_size *= 0.25
            solver.start(self.best.W)
        if moved > 0 and self.scale is None:
            self.gap_per_move = self.point.certificate / moved

    def keep_as(self, dtype):
        """Round the best parameters to a type, and certify what is left; return them."""
        W = self.best.W
        if dtype != W.dtype:
            largest = np.abs(W).max()
            if largest > np.finfo(dtype).max:
                raise ValueError(
                    f"X: with this y, coefficients up to {largest:.3g} overflow its {dtype}. "
                    "Rescale X or y, or pass X as float64."
                )
            dual = self.solver.point()[1]
            self.best = self.problem.evaluate(W.astype(dtype).astype(W.dtype), dual)
        return self.best.W

    def _is_due(self, moved):
        since, left = self.n_passes - self.seen, self.max_passes - self.n_passes
        if left <= 0 or self.still or (since >= MAX_UNSEEN and left > 0.5 * MAX_UNSEEN):
            return True
        objective = self.at_zero if self.best is None else self.best.objective
        return (
            self.scale is None
            and self.gap_per_move * moved <= self.tol * objective
            and since > self.n_passes / MAX_UNSEEN - 1
        )

    def _keep(self, point):
        """Keep the better of two points, and what the best dual bound says about it."""
        value = "objective" if self.scale is None else "certificate"
        best = self.best
        if best is None or getattr(point, value) <= getattr(best, value):
            self.best = point
        elif self.scale is None:
            best.certificate = self.problem.gap(best.objective, best.certificate)


def descend(descents, attributes):
    """Yield the iterations of one or more problems that are solved side by side.

    Parameters
    ----------
    descents : list of Descent
    attributes : callable
        Makes the fitted attributes of the list of parameters.
    """
    while True:
        for descent in descents:
            if not descent.done:
                descent.advance()
        points = [descent.point for descent in descents]
        yield Iteration(
            curves={
                "objective": sum(point.objective for point in points),
                "certificate": sum(point.certificate for point in points),
                "passes": sum(descent.problem.passes for descent in descents),
            },
            attributes=lambda: attributes([descent.best.W for descent in descents]),
            done=all(descent.done for descent in descents),
        )


def until_done(iterations):
    """Yield iterations up to the first that is done."""
    for iteration in iterations:
        yield iteration
        if iteration.done:
            return
