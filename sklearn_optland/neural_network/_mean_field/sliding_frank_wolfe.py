"""Sliding Frank-Wolfe for wide two-layer nets: sparse nets, small gaps.

Particles are added where the certificate is violated, all of them slide by L-BFGS, the masses alone
are solved for, and what has none is dropped (Denoyelle et al. 2020).
"""

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland._optim.step import Stall
from sklearn_optland._rows.reduce import reduce
from sklearn_optland.neural_network._mean_field.passes import MassLoss, MassNewton, NewParticles
from sklearn_optland.neural_network._mean_field.solvers import MEMORY, PATIENCE, as_step

# Random starts of the ascent, and those of a second look where nothing is proven: a maximum that
# was missed makes the gap too small.
N_STARTS, MORE_STARTS = 128, 2048
# The most particles that a round adds: a look costs more than a particle that is dropped again.
N_NEW = 64
# What makes it give up: so many rounds that bring less than this times tol.
ROUND_PATIENCE = 3
ROUND_TOL = 0.1
# Steps of L-BFGS in a round, the share of tol at which they stall, and Newton steps for the masses.
SLIDES = 50
SLIDE_TOL = 0.01
NEWTON_STEPS = 20
# Share of the variation norm below which a particle is dropped, cosine above which two are one.
DROPPED = 1e-9
SAME = 1 - 1e-7


def sliding_frank_wolfe(problem, theta, tol, *, random_state):
    """Particles where the certificate is violated, one round after the other.

    `theta` may have no particles: the method starts from nothing. A round adds particles, lets all
    of them slide by L-BFGS, and then solves for the masses alone, a small convex problem: at the
    optimum many neurons switch exactly at a row, and across such kinks sliding is slow.
    """
    inputs, passes, rng = problem.inputs(), 0, np.random.RandomState(random_state)
    theta = problem.with_best_intercept(theta)
    stall = Stall(max(ROUND_TOL * tol, np.finfo(problem.dtype).eps), ROUND_PATIENCE)
    while True:
        bound = _look(problem, theta, inputs, N_STARTS, rng)
        if not bound.proven and bound.gap <= tol * bound.objective:
            bound = max(bound, _look(problem, theta, inputs, MORE_STARTS, rng), key=_gap)
        value = bound.objective / problem.units
        passes += 1
        done = bound.gap <= tol * bound.objective or not bound.objective > 0
        yield as_step(problem, theta, value, passes, done or stall(value), bound)
        theta = _add(problem, theta, inputs, bound)
        slide_stall = Stall(SLIDE_TOL * tol, PATIENCE)
        for i, step in enumerate(minimize(problem.value_and_gradient, theta, Memory(MEMORY))):
            if step.done or i == SLIDES or slide_stall(step.loss):
                break
        theta, newton_steps = _best_masses(problem, _merge(problem.layout, step.parameters))
        passes += step.curves["passes"] + newton_steps


def _look(problem, theta, inputs, n_starts, rng):
    """The bound by new starts each time: from the same ones the same maxima would be missed."""
    seed = rng.randint(1 << 31)
    starts = {"n_starts": n_starts, "random_state": seed, "from_rows": True, "n_points": N_NEW}
    return problem.bound(theta, inputs=inputs, **starts)


def _gap(bound):
    return bound.gap


def _best_masses(problem, theta):
    """The best masses of particles that stay where they are, and the best output intercept.

    Newton's method: each step is a non-negative least squares problem, with the free intercept
    eliminated.
    """
    layout = problem.layout
    B, A = layout.particles(theta)
    T, U = (part / np.linalg.norm(part, axis=1)[:, None] for part in (B, A))
    masses = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
    F = problem.scores(theta)
    offset = problem.best_intercept(F, layout.parts(theta)[3])
    m, k = U.shape
    if m == 0:
        return theta, 0
    H = problem.hidden(layout.join(T, np.zeros_like(U), np.zeros(k)))

    def value(masses, offset, F):
        """The objective; F takes the scores."""
        parameters = H, U, masses, F, offset, problem.Y
        loss = reduce(MassLoss(problem.kind, k), problem.source, parameters)[0]
        return loss + problem.alpha * masses.sum()

    newton = MassNewton(problem.kind, k, m)
    new_F = problem.source.empty(k)
    current, n_steps = value(masses, offset, F), 0
    while n_steps < NEWTON_STEPS:
        n_steps += 1
        parameters = H, U, F, offset, problem.Y
        products, balance, Q, cross, free = reduce(newton, problem.source, parameters)[1]
        if problem.is_log_loss and k > 1 and not problem.kind.is_multilabel:
            free += 1 / k  # a constant shift of all classes changes nothing: none is made
        if not problem.fit_intercept:
            cross, free = 0.0 * cross, 0.0 * free
        gradient = problem.alpha - np.einsum("jk,jk->j", products, U)
        eliminate = np.linalg.lstsq(free, cross.T, rcond=None)[0]
        pull = gradient - eliminate.T @ -balance
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
        free_step = np.linalg.lstsq(free, balance - cross.T @ step, rcond=None)[0]
        t = 1.0
        while t > 1e-3:
            trial = masses + t * step, offset + t * free_step
            new = value(*trial, new_F)
            if new < current:
                break
            t /= 2
        else:
            break
        fall, current, F, new_F = current - new, new, new_F, F
        masses, offset = trial
        if fall <= 1e-14 * abs(current):
            break
    alive = masses > 0
    root = np.sqrt(masses[alive])[:, None]
    return layout.join(root * T[alive], root * U[alive], offset), n_steps


def _add(problem, theta, inputs, bound):
    """New particles at the violators, their masses by a Newton step along each."""
    B, A = problem.layout.particles(theta)
    offset = problem.layout.parts(theta)[3]
    is_new = bound.values > problem.alpha * (1 + 1e-9)
    if not is_new.any():
        return theta
    points, values = bound.points[is_new], bound.values[is_new]
    weighted = problem.weighted(problem.pulls(problem.scores(theta), offset))
    statistic = NewParticles(*points.shape, problem.n_outputs)
    parameters = inputs.X, points, weighted
    directions, curvature = reduce(statistic, problem.source, parameters)[1]
    directions /= np.maximum(np.linalg.norm(directions, axis=1), 1e-300)[:, None]
    curvature *= 0.25 if problem.is_log_loss else 1.0
    masses = (values - problem.alpha) / np.maximum(curvature, 1e-300) / len(points)
    root = np.sqrt(np.minimum(masses, 1e6))[:, None]
    if not problem.fit_intercept:
        points = np.column_stack([points, np.zeros(len(points))])
    B, A = np.concatenate([B, root * points]), np.concatenate([A, root * directions])
    return problem.layout.join(B, A, offset)


def _merge(layout, theta):
    """One particle for those of the same directions, none for those without mass."""
    B, A = layout.particles(theta)
    sizes = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
    keep = sizes > DROPPED * sizes.sum()
    if not keep.any():
        return layout.join(B[:0], A[:0], layout.parts(theta)[3])
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
    return layout.join(T, U, layout.parts(theta)[3])
