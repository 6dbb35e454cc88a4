"""Solvers of wide two-layer nets by L-BFGS, as generators: a step each time they are asked."""

from dataclasses import dataclass

import numpy as np

from sklearn_optland._optim import step
from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland._optim.step import Stall
from sklearn_optland.neural_network._mean_field.problem import Bound

# Pairs of L-BFGS.
MEMORY = 20
# A fit has converged when so many steps together bring less than tol times the objective.
PATIENCE = 10
# "particles" go on in float64 when PATIENCE steps in float32 bring less than this, or twice tol.
FLOAT32_TOL = 1e-5
# Length of the particles at the start of "particles", in units of data and targets: shorter ones
# learn slower, longer ones generalise less.
START = 0.1


@dataclass
class Step(step.Step):
    """Where a solver is; its parameters are a flat array of particles.

    Parameters
    ----------
    bound : Bound, default=None
        What is proven there, if the solver has looked.
    """

    bound: Bound | None = None


def as_step(problem, theta, value, passes, done=False, bound=None):
    """A step with its curves in the user's units.

    Parameters
    ----------
    problem : TwoLayerProblem
    theta : ndarray
    value : float
        The objective, in the problem's units.
    passes : float
        Passes over the data so far.
    done : bool, default=False
        Whether there is nothing more to do.
    bound : Bound, default=None
    """
    objective, gap = (
        (problem.units * value, np.inf) if bound is None else (bound.objective, bound.gap)
    )
    curves = {"objective": objective, "certificate": gap, "passes": passes}
    return Step(theta, curves, value, done=done, bound=bound)


def particles(problem, theta, tol):
    """L-BFGS on all particles, far from the end in float32."""
    stall, memory, passes = Stall(tol, PATIENCE), Memory(MEMORY), 0
    if problem.begins_in_float32(theta.size):
        is_slow = Stall(max(2 * tol, FLOAT32_TOL), PATIENCE)
        rough = problem.in_float32()
        for at in minimize(rough.value_and_gradient, theta.astype(np.float32), memory):
            theta, passes = at.parameters.astype(problem.dtype), at.curves["passes"]
            stall(at.loss)
            if at.done or is_slow(at.loss):
                break
            yield as_step(problem, theta, at.loss, passes)
        memory = memory.astype(problem.dtype)
    for at in minimize(problem.value_and_gradient, theta, memory):
        done = at.done or stall(at.loss)
        yield as_step(problem, at.parameters, at.loss, passes + at.curves["passes"], done)


def kernel(problem, theta, tol):
    """L-BFGS on the output layer, in the metric of its Gram matrix; done by the gap."""
    stall, metric = Stall(tol, PATIENCE), problem.metric(theta)
    for at in minimize(problem.value_and_gradient, theta, Memory(MEMORY), metric):
        theta, done, bound = at.parameters, at.done, None
        if problem.kernel_alpha > 0:
            bound = problem.bound(theta)
            done = done or bound.gap <= tol * bound.objective
        done = stall(at.loss) or done
        yield as_step(problem, theta, at.loss, at.curves["passes"], done, bound)
