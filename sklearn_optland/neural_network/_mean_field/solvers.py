"""Solvers of wide two-layer nets, as generators: a step each time they are asked.

"particles"              L-BFGS on all particles
"flow"                   the discretised Wasserstein gradient flow of Chizat and Bach (2018)
"conic"                  multiplicative weights, and positions on the sphere: Chizat (2019)

"sliding-frank-wolfe" and "margin-ascent" have files of their own.
"""

from collections import deque
from copy import copy
from dataclasses import dataclass

import numpy as np

from sklearn_optland._optim.lbfgs import remember, solve
from sklearn_optland._optim.lbfgs_fast import two_loops
from sklearn_optland._rows.source import float32_pays
from sklearn_optland.neural_network._mean_field.conic import conic_steps

MEMORY = 20
# Squares below it have lost their digits: the gradient of separated classes falls without end.
TINY = 1e-290
# A step must bring this share of what the gradient promises.
ARMIJO = 1e-4
MAX_HALVINGS = 40
# A fit has converged when so many steps together bring less than tol times the objective.
PATIENCE = 10
# "particles" go on in float64 when PATIENCE steps in float32 bring less than this, or twice tol.
FLOAT32_TOL = 1e-5
# Length of the particles at the start of "particles", in units of data and targets: shorter ones
# learn slower, longer ones generalise less.
START = 0.1
# A step of the flow is compared with the highest of so many values: at a kink, where a neuron
# switches at a row, no step along the gradient goes down, and the flow must go across.
RECENT = 5


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
    """L-BFGS on all particles, far from the end in float32."""
    stall, memory, passes = Stall(tol), None, 0
    if float32_pays(problem.X, theta.size):
        memory = _Ring(theta.astype(np.float32))
        is_slow = Stall(max(2 * tol, FLOAT32_TOL))
        rough = problem.in_float32()
        for step in lbfgs(rough.value_and_gradient, theta.astype(np.float32), memory):
            theta, passes = step.theta.astype(problem.dtype), step.passes
            stall(step.value)
            if step.done or is_slow(step.value):
                break
            yield Step(theta, step.value, passes)
        memory = memory.astype(problem.dtype)
    for step in lbfgs(problem.value_and_gradient, theta, memory):
        step.passes += passes
        step.done = step.done or stall(step.value)
        yield step


def kernel(problem, theta, tol):
    """L-BFGS on the output layer, in the metric of its Gram matrix; done by the gap."""
    stall = Stall(tol)
    for step in lbfgs(problem.value_and_gradient, theta, _Pairs(problem.metric(theta))):
        if problem.kernel_alpha > 0:
            step.bound = problem.bound(step.theta)
            step.done = step.done or step.bound.gap <= tol * step.bound.objective
        step.done = step.done or stall(step.value)
        yield step


def lbfgs(function, theta, memory=None):
    """Steps of L-BFGS with backtracking.

    Parameters
    ----------
    function : callable
        Value and gradient.
    theta : ndarray
        Where to start.
    memory : _Ring or _Pairs, default=None
        What it remembers, around which metric. Default: nothing, around the identity, scaled.

    Yields
    ------
    step : Step
        Done where rounding leaves no step.
    """
    value, gradient = function(theta)
    passes = 1
    memory = memory or _Ring(theta)
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
        # Zeros: to change the type of what has no value yet may warn.
        self.steps, self.changes = (np.zeros((MEMORY, theta.size), theta.dtype) for _ in range(2))
        self.curvatures, self.shares = (np.zeros(MEMORY, theta.dtype) for _ in range(2))
        self.forget()

    def astype(self, dtype):
        """The same memory in another precision."""
        other = copy(self)
        for name in ("steps", "changes", "curvatures", "shares"):
            setattr(other, name, getattr(self, name).astype(dtype))
        return other

    @property
    def is_empty(self):
        return self.count == 0

    def forget(self):
        self.newest, self.count, self.scale = -1, 0, 1.0

    def first_step(self, gradient):
        return 1.0 if self.count else min(1.0, 1 / max(float(np.linalg.norm(gradient)), 1e-300))

    def solve(self, gradient):
        q = gradient.copy()
        two_loops(
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
