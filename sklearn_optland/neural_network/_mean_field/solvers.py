"""Solvers of wide two-layer nets by L-BFGS, as generators: a step each time they are asked."""

from dataclasses import dataclass

import numpy as np

from sklearn_optland._optim import step
from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland._optim.step import Stall
from sklearn_optland._rows.source import float32_pays
from sklearn_optland.neural_network._mean_field.problem import Bound

# Pairs of L-BFGS.
MEMORY = 20
# A fit has converged when so many steps together bring less than tol times the objective.
PATIENCE = 10
# A net that has won less than this share of the loss without particles may be on a plateau.
PLATEAU = 0.1
# Starts of the bound's ascent there.
PLATEAU_STARTS = 32
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


class Settled:
    """Whether a solver has settled: `PATIENCE` steps together bring next to nothing.

    That is `tol` times the objective. Where data and bias feature differ much in size, particles
    first lose their mass, and win next to nothing until they have turned: on this plateau, while
    the bound leaves more than what has been won, it is `tol` times what has been won.

    Parameters
    ----------
    problem : TwoLayerProblem
    tol : float
    """

    def __init__(self, problem, tol):
        self.problem, self.stall = problem, Stall(tol, PATIENCE)
        self.without = self.inputs = None
        # Steps since the latest look at the bound, and until the next one.
        self.since, self.wait = 0, 0

    def __call__(self, theta, value):
        """Note a net and its objective; whether to stop."""
        self.since += 1
        if not self.stall(value):
            return False
        problem = self.problem
        if self.without is None:
            self.without = problem.null_loss() / problem.units
        won = self.without - value
        if won > PLATEAU * self.without or problem.alpha == 0:
            return True
        rounding = np.finfo(problem.dtype).eps * abs(value)
        if self.stall.fall <= max(self.stall.tol * won, rounding):
            return True
        if self.since < self.wait:
            return False
        self.inputs = self.inputs or problem.inputs()
        self.since, self.wait = 0, max(2 * self.wait, PATIENCE)
        bound = problem.bound(theta, inputs=self.inputs, n_starts=PLATEAU_STARTS, random_state=0)
        return bound.gap <= max(problem.units * won, self.stall.tol * bound.objective)


def particles(problem, theta, tol):
    """L-BFGS on all particles, far from the end in float32."""
    settled, memory, passes = Settled(problem, tol), Memory(MEMORY), 0
    if float32_pays(problem.source, problem.dtype, theta.size):
        is_slow = Stall(max(2 * tol, FLOAT32_TOL), PATIENCE)
        rough = problem.in_float32()
        for at in minimize(rough.value_and_gradient, theta.astype(np.float32), memory):
            theta, passes = at.parameters.astype(problem.dtype), at.curves["passes"]
            settled.stall(at.loss)
            if at.done or is_slow(at.loss):
                break
            yield as_step(problem, theta, at.loss, passes)
        memory = memory.astype(problem.dtype)
    for at in minimize(problem.value_and_gradient, theta, memory):
        done = at.done or settled(at.parameters, at.loss)
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
