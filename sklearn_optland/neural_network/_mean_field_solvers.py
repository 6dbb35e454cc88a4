"""Solvers of wide two-layer nets, as generators: a step each time they are asked.

"particles"              L-BFGS on all particles
"flow"                   the discretised Wasserstein gradient flow of Chizat and Bach (2018)
"conic"                  multiplicative weights, and positions on the sphere: Chizat (2019)
"sliding-frank-wolfe"    add where the certificate is violated, let all particles slide, merge
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from sklearn_optland._lbfgs import remember, solve
from sklearn_optland.neural_network import _mean_field_fast as fast
from sklearn_optland.neural_network._conic import conic_steps

MEMORY = 20
# Squares below it have lost their digits: the gradient of separated classes falls without end.
TINY = 1e-290
# A step must bring this share of what the gradient promises.
ARMIJO = 1e-4
MAX_HALVINGS = 40
# A fit has converged when so many steps together bring less than tol times the objective.
PATIENCE = 10
# Length of the particles at the start of "particles", in units of data and targets: shorter ones
# learn slower, longer ones generalise less.
START = 0.1
# A step of the flow is compared with the highest of so many values: at a kink, where a neuron
# switches at a row, no step along the gradient goes down, and the flow must go across.
RECENT = 5
# Sliding Frank-Wolfe: starts of the ascent.
FRANK_WOLFE_STARTS = 128
# What makes it give up: so many rounds that bring less than this times tol.
ROUND_PATIENCE = 3
ROUND_TOL = 0.1
# Steps of L-BFGS in a round, the share of tol at which they stall, and Newton steps for the masses.
SLIDES = 100
SLIDE_TOL = 0.01
NEWTON_STEPS = 20
# Share of the variation norm below which a particle is dropped, cosine above which two are one.
DROPPED = 1e-9
SAME = 1 - 1e-7


@dataclass
class Step:
    """Where a solver is.

    Parameters
    ----------
    theta : ndarray
        Particles, as in `TwoLayerProblem`.
    value : float
        The objective, in the problem's units.
    passes : float
        Passes over the data so far.
    done : bool, default=False
        Whether there is nothing more to do.
    bound : Bound, default=None
        What is proven there, if the solver has looked.
    """

    theta: np.ndarray
    value: float
    passes: float
    done: bool = False
    bound: object = None


class Stall:
    """Notices when `patience` steps together bring no more than `tol` times the objective."""

    def __init__(self, tol, patience=PATIENCE):
        self.tol, self.values = tol, deque(maxlen=patience + 1)

    def __call__(self, value):
        """Note a value; whether to stop."""
        self.values.append(value)
        fall = self.values[0] - value
        is_full = len(self.values) == self.values.maxlen
        return is_full and self.tol > 0 and fall <= self.tol * abs(value)


def spread_start(problem, m, length, rng):
    """Particles of one length over the sphere, in pairs of opposite a: f = 0 with an even m."""
    n_pairs = (m + 1) // 2
    B = rng.standard_normal((n_pairs, problem.n_features + 1))
    if not problem.fit_intercept:
        B[:, -1] = 0.0
    A = rng.standard_normal((n_pairs, problem.n_outputs))
    B, A = (part / np.linalg.norm(part, axis=1)[:, None] for part in (B, A))
    B, A = np.repeat(B, 2, axis=0)[:m], np.repeat(A, 2, axis=0)[:m]
    A[1::2] *= -1
    return problem.join(length * B, length * A, np.zeros(problem.n_outputs))


# Particles


def particles(problem, theta, tol):
    """L-BFGS on all particles."""
    stall = Stall(tol)
    for step in lbfgs(problem.value_and_gradient, theta):
        step.done = step.done or stall(step.value)
        yield step


def kernel(problem, theta, tol):
    """L-BFGS on the output layer, in the metric of its Gram matrix; done by the gap."""
    metric = problem.metric(theta)
    stall = Stall(tol)
    for step in lbfgs(problem.value_and_gradient, theta, metric):
        if problem.kernel_alpha > 0:
            step.bound = problem.bound(step.theta)
            step.done = step.done or step.bound.gap <= tol * step.bound.objective
        step.done = step.done or stall(step.value)
        yield step


def lbfgs(function, theta, metric=None):
    """Steps of L-BFGS with backtracking.

    Parameters
    ----------
    function : callable
        Value and gradient.
    theta : ndarray
        Where to start.
    metric : callable, default=None
        Applies the inverse of a metric without a memory. Default: the identity, scaled.

    Yields
    ------
    step : Step
        Done where rounding leaves no step.
    """
    value, gradient = function(theta)
    passes = 1
    memory = _Ring(theta) if metric is None else _Pairs(metric)
    while True:
        direction = -memory.solve(gradient)
        slope = float(gradient @ direction)
        t = memory.first_step(gradient)
        trial = None
        for _ in range(MAX_HALVINGS if slope < 0 else 0):
            trial = theta + theta.dtype.type(t) * direction
            new_value, new_gradient = function(trial)
            passes += 1
            if new_value <= value + ARMIJO * t * slope:
                break
            curve = new_value - value - t * slope
            t *= min(0.5, max(0.1, -0.5 * t * slope / curve)) if curve < np.inf else 0.1
            trial = None
        if trial is None or np.array_equal(trial, theta):
            if memory.is_empty:
                yield Step(theta, value, passes, done=True)
                return
            memory.forget()
            continue
        memory.remember(trial - theta, new_gradient - gradient)
        theta, value, gradient = trial, new_value, new_gradient
        yield Step(theta, value, passes)


class _Ring:
    """L-BFGS' memory for flat arrays, with the loops in a kernel."""

    def __init__(self, theta):
        self.steps, self.changes = (np.empty((MEMORY, theta.size), theta.dtype) for _ in range(2))
        self.curvatures, self.shares = (np.empty(MEMORY, theta.dtype) for _ in range(2))
        self.forget()

    @property
    def is_empty(self):
        return self.count == 0

    def forget(self):
        self.newest, self.count, self.scale = -1, 0, 1.0

    def first_step(self, gradient):
        return 1.0 if self.count else min(1.0, 1 / max(float(np.linalg.norm(gradient)), 1e-300))

    def solve(self, gradient):
        q = gradient.copy()
        fast.two_loops(
            self.steps,
            self.changes,
            self.curvatures,
            self.shares,
            self.newest,
            self.count,
            self.scale,
            q,
        )
        return q

    def remember(self, step, change):
        curvature, square = float(step @ change), float(change @ change)
        least = 1e-10 * np.sqrt(float(step @ step)) * np.sqrt(square)
        if not (curvature > least and square > TINY):
            return
        self.newest = (self.newest + 1) % MEMORY
        self.count = min(self.count + 1, MEMORY)
        self.steps[self.newest], self.changes[self.newest] = step, change
        self.curvatures[self.newest] = curvature
        self.scale = curvature / square


class _Pairs:
    """L-BFGS' memory around a metric."""

    def __init__(self, metric):
        self.metric, self.pairs = metric, []

    @property
    def is_empty(self):
        return not self.pairs

    def forget(self):
        self.pairs = []

    def first_step(self, _gradient):
        return 1.0

    def solve(self, gradient):
        return solve(self.pairs, self.metric, gradient)

    def remember(self, step, change):
        self.pairs = remember(self.pairs, step, change, MEMORY)


# Gradient flow


def flow(problem, theta, tol, *, noise=0.0, rng=None):
    """The Wasserstein gradient flow with a backtracked step.

    The flow of the particles w_j = sqrt(m) (a_j, b_j) of the net with the scaling 1/m is
    dw/dt = -m grad F(w), and this is dtheta/dt = -grad F(theta): the m cancels. Noise of
    temperature tau is sqrt(2 tau dt) for each w_j. Steps need not go down one by one.
    """
    stall, passes, t = Stall(tol), 0, 1.0
    recent = deque(maxlen=RECENT)
    value, gradient = problem.value_and_gradient(theta)
    m, n_weights = problem.n_particles(theta), theta.size - problem.n_outputs
    while True:
        recent.append(value)
        trial, shorter, tries, new = descend(
            problem.value_and_gradient, theta, max(recent), gradient, t
        )
        passes += tries
        if trial is not None:
            theta, (value, gradient), t = trial, new, shorter
        elif not noise:
            yield Step(theta, value, passes, done=True)
            return
        if noise:
            size = np.sqrt(2 * noise / problem.units * t / m)
            theta = theta.copy()
            theta[:n_weights] += (size * rng.standard_normal(n_weights)).astype(theta.dtype)
            if not problem.fit_intercept:
                problem.parts(theta)[1][:] = 0
            value, gradient = problem.value_and_gradient(theta)
            passes += 1
        yield Step(theta, value, passes, done=not noise and stall(value))
        t *= 1.5


def descend(function, theta, value, gradient, t):
    """A gradient step that brings half of what a tangent at `value` promises; its length at most t.

    Returns
    -------
    trial : ndarray or None
        None if rounding leaves no step.
    t : float
        The step that was taken.
    tries : int
        Evaluations of the function.
    new : (float, ndarray)
        Value and gradient at trial.
    """
    square = float(gradient @ gradient)
    for tries in range(1, MAX_HALVINGS + 1):
        trial = theta - theta.dtype.type(t) * gradient
        new = function(trial)
        if square > 0 and new[0] < value and new[0] <= value - 0.5 * t * square:
            return trial, t, tries, new
        t *= 0.5
    return None, t, tries, None


# Conic descent


def conic(problem, theta, tol):
    """Conic particle gradient descent on the sphere."""
    d = problem.n_features + 1
    B, A = problem.particles(theta)
    sizes = [np.linalg.norm(part, axis=1) for part in (B, A)]
    alive = (sizes[0] > 0) & (sizes[1] > 0)
    B, A = (part[alive] / size[alive, None] for part, size in zip((B, A), sizes, strict=True))
    weights = (sizes[0] * sizes[1])[alive]
    offset = problem.parts(theta)[3].astype(np.float64)

    def to_theta(weights, positions, offset):
        root = np.sqrt(weights)[:, None]
        return problem.join(root * positions[:, :d], root * positions[:, d:], offset)

    def evaluate(weights, positions, offset):
        theta = to_theta(weights, positions, offset)
        value, gradient = problem.value_and_gradient(theta)
        # Of the loss alone, and of a unit of mass.
        gradient = gradient - problem.dtype.type(problem.alpha) * theta
        gB, gA = problem.particles(gradient)
        root = np.sqrt(np.maximum(weights, np.finfo(problem.dtype).tiny))[:, None]
        slopes = np.column_stack([gB, gA]) / root
        first_variation = np.einsum("ij,ij->i", positions[:, d:], slopes[:, d:])
        tangent = slopes.copy()
        for part in (slice(None, d), slice(d, None)):
            inner = np.einsum("ij,ij->i", positions[:, part], slopes[:, part])
            tangent[:, part] -= inner[:, None] * positions[:, part]
        return value, first_variation, tangent, problem.parts(gradient)[3].astype(np.float64)

    def retract(positions):
        for part in (slice(None, d), slice(d, None)):
            positions[:, part] /= np.linalg.norm(positions[:, part], axis=1)[:, None]
        return positions

    stall = Stall(tol)
    positions = np.column_stack([B, A])
    steps = conic_steps(evaluate, retract, weights, positions, offset, problem.alpha)
    for weights, positions, offset, value, passes, done in steps:
        theta = to_theta(weights, positions, offset)
        yield Step(theta, value, passes, done=done or stall(value))


# Sliding Frank-Wolfe


def sliding_frank_wolfe(problem, theta, tol, *, random_state):
    """Particles where the certificate is violated, one round after the other.

    `theta` may have no particles: the method starts from nothing. A round adds particles, lets all
    of them slide by L-BFGS, and then solves for the masses alone, a small convex problem: at the
    optimum many neurons switch exactly at a row, and across such kinks sliding is slow.
    """
    rows, passes = problem.augmented(), 0
    theta = problem.with_best_intercept(theta)
    stall = Stall(max(ROUND_TOL * tol, np.finfo(problem.dtype).eps), patience=ROUND_PATIENCE)
    while True:
        bound = problem.bound(
            theta, rows=rows, n_starts=FRANK_WOLFE_STARTS, random_state=random_state
        )
        value = bound.objective / problem.units
        passes += 1
        done = bound.gap <= tol * bound.objective or not bound.objective > 0
        yield Step(theta, value, passes, done=done or stall(value), bound=bound)
        theta = _add(problem, theta, rows, bound)
        slide_stall = Stall(SLIDE_TOL * tol)
        for i, step in enumerate(lbfgs(problem.value_and_gradient, theta)):
            if step.done or i == SLIDES or slide_stall(step.value):
                break
        theta, newton_steps = _best_masses(problem, _merge(problem, step.theta))
        passes += step.passes + newton_steps


def _best_masses(problem, theta):
    """The best masses of particles that stay where they are, and the best output intercept.

    Newton's method: each step is a non-negative least squares problem, with the free intercept
    eliminated.
    """
    B, A = problem.particles(theta)
    T, U = (part / np.linalg.norm(part, axis=1)[:, None] for part in (B, A))
    masses = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
    offset = problem.best_intercept(problem.scores(theta), problem.parts(theta)[3])
    m, k = U.shape
    if m == 0:
        return theta, 0
    unit = problem.join(T, np.zeros_like(U), np.zeros(k))
    H = np.concatenate([block for _, _, block in problem._hidden(unit)]).astype(np.float64)

    def value(masses, offset):
        F = (H * masses) @ U + offset
        return problem.loss(F) + problem.alpha * masses.sum(), F

    current, F = value(masses, offset)
    n_steps = 0
    while n_steps < NEWTON_STEPS:
        n_steps += 1
        R = problem.pulls(F) * problem.c[:, None]
        gradient = problem.alpha - np.einsum("jk,jk->j", H.T @ R, U)
        Q, cross, free = problem.curvature(F, H, U)
        eliminate = np.linalg.lstsq(free, cross.T, rcond=None)[0]
        pull = gradient - eliminate.T @ -R.sum(axis=0)
        Q = Q - cross @ eliminate
        # min pull'(w - masses) + (w - masses)'Q(w - masses) / 2 over w >= 0
        Q[np.diag_indices(m)] += 1e-13 * np.trace(Q) / m + 1e-300
        try:
            factor = np.linalg.cholesky(Q)
            target = solve_triangular(factor, Q @ masses - pull, lower=True)
            w = nnls(factor.T, target)[0]
        except (np.linalg.LinAlgError, RuntimeError):
            break
        step = w - masses
        free_step = np.linalg.lstsq(free, R.sum(axis=0) - cross.T @ step, rcond=None)[0]
        t = 1.0
        while t > 1e-3:
            trial = masses + t * step, offset + t * free_step
            new, new_F = value(*trial)
            if new < current:
                break
            t /= 2
        else:
            break
        fall, current, F = current - new, new, new_F
        masses, offset = trial
        if fall <= 1e-14 * abs(current):
            break
    alive = masses > 0
    root = np.sqrt(masses[alive])[:, None]
    return problem.join(root * T[alive], root * U[alive], offset), n_steps


def _add(problem, theta, rows, bound):
    """New particles at the violators, their masses by a Newton step along each."""
    B, A = problem.particles(theta)
    offset = problem.parts(theta)[3]
    is_new = bound.values > problem.alpha * (1 + 1e-9)
    if not is_new.any():
        return theta
    points, values = bound.points[is_new], bound.values[is_new]
    H = np.maximum(rows @ points.T.astype(rows.dtype), 0).astype(np.float64)
    F = problem.scores(theta)
    R = problem.pulls(F + offset) * problem.c[:, None]
    directions = H.T @ R
    directions /= np.maximum(np.linalg.norm(directions, axis=1), 1e-300)[:, None]
    curvature = problem.c @ (H * H) * (0.25 if problem.is_log_loss else 1.0)
    masses = (values - problem.alpha) / np.maximum(curvature, 1e-300) / len(points)
    root = np.sqrt(np.minimum(masses, 1e6))[:, None]
    if not problem.fit_intercept:
        points = np.column_stack([points, np.zeros(len(points))])
    return problem.join(
        np.concatenate([B, root * points]), np.concatenate([A, root * directions]), offset
    )


def _merge(problem, theta):
    """One particle for those of the same directions, none for those without mass."""
    B, A = problem.particles(theta)
    sizes = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
    keep = sizes > DROPPED * sizes.sum()
    if not keep.any():
        return problem.join(B[:0], A[:0], problem.parts(theta)[3])
    B, A, sizes = B[keep], A[keep], sizes[keep]
    T = B / np.linalg.norm(B, axis=1)[:, None]
    U = A / np.linalg.norm(A, axis=1)[:, None]
    same = (T @ T.T > SAME) & (U @ U.T > SAME)
    groups = np.unique(np.argmax(same, axis=1), return_inverse=True)[1]
    merged = np.zeros((groups.max() + 1, T.shape[1] + U.shape[1]))
    np.add.at(merged, groups, sizes[:, None] * np.column_stack([T, U]))
    mass = np.bincount(groups, weights=sizes)
    T, U = merged[:, : T.shape[1]], merged[:, T.shape[1] :]
    root = np.sqrt(mass)[:, None]
    T = root * T / np.linalg.norm(T, axis=1)[:, None]
    U = root * U / np.linalg.norm(U, axis=1)[:, None]
    return problem.join(T, U, problem.parts(theta)[3])
