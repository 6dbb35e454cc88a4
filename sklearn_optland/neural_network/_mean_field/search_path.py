"""The fits by which mean-field nets choose the strength of their penalty."""

from itertools import islice

import numpy as np

from sklearn_optland._estimator.early_stopping import row_losses
from sklearn_optland._estimator.penalty_search import ALPHA
from sklearn_optland.neural_network._mean_field import solvers
from sklearn_optland.neural_network._mean_field.square import quadratic

# Particles, steps and tolerance of a fit.
N_PARTICLES, N_STEPS, TOL = 32, 100, 2e-3


class SearchPath:
    """Fits to some rows, one penalty after the other, each from a new start to about the end.

    Few particles do: what a penalty is worth does not depend on their number. A start from the net
    of the penalty before saves no steps, and ends in worse nets.

    Parameters
    ----------
    net : MeanFieldNet
    n_outputs : int
    dtype : dtype
    seed : int
    source, held : ArraySource
        Rows to train on, and those to judge by.
    """

    def __init__(self, net, n_outputs, dtype, seed, source, held):
        self.net, self.problem = net, net._problem(source, n_outputs, dtype, ALPHA)
        self.units = net._unit_of_alpha(self.problem.scales)
        self.held, self.seed = self.problem.on(held), seed

    def __call__(self, alpha):
        """The losses of the held-out rows."""
        net, problem = self.net, self.problem
        problem.set_alpha(alpha * self.units)
        rng = np.random.RandomState(self.seed)
        if net.activation == "square":
            theta = problem.layout.spread_start(0, 1.0, rng)
            steps = quadratic(problem, theta, TOL, random_state=self.seed)
        elif net.regime == "kernel":
            steps = solvers.kernel(problem, net._first_particles(problem, rng), TOL)
        else:
            m = min(net.n_particles, N_PARTICLES)
            theta = problem.layout.spread_start(m, solvers.START, rng)
            steps = solvers.particles(problem, theta, TOL)
        for step in islice(steps, N_STEPS):
            theta = step.parameters
            if step.done:
                break
        F = self.held.full_scores(theta)
        return problem.units * row_losses(F, self.held.Y, *problem.kind)
