"""The Wasserstein gradient flow of Chizat and Bach (2018), discretised."""

from collections import deque

import numpy as np

from sklearn_optland._optim.line_search import backtrack
from sklearn_optland.neural_network._mean_field.solvers import Settled, as_step

# A step must bring this share of what a tangent promises; half of it is tried next.
SEARCH = {"share": 0.5, "cuts": (0.5, 0.5), "max_trials": 40}
# A step is compared with the highest of so many values: at a kink, where a neuron switches at a
# row, no step along the gradient goes down, and the flow must go across.
RECENT = 5


def flow(problem, theta, tol, *, noise=0.0, rng=None):
    """The Wasserstein gradient flow with a backtracked step.

    The flow of the particles w_j = sqrt(m) (a_j, b_j) of the net with the scaling 1/m is
    dw/dt = -m grad F(w), and this is dtheta/dt = -grad F(theta): the m cancels. Noise of
    temperature tau is sqrt(2 tau dt) for each w_j. Steps need not go down one by one.
    """
    function, layout = problem.value_and_gradient, problem.layout
    settled, passes, t = Settled(problem, tol), 1, 1.0
    recent = deque(maxlen=RECENT)
    value, gradient = function(theta)
    m, n_weights = layout.n_particles(theta), theta.size - problem.n_outputs
    while True:
        recent.append(value)
        size, trial, tries = descend(function, theta, max(recent), gradient, t)
        passes += tries
        if trial is not None:
            (theta, value, gradient), t = trial, size
        elif not noise:
            yield as_step(problem, theta, value, passes, done=True)
            return
        if noise:
            deviation = np.sqrt(2 * noise / problem.units * t / m)
            theta = theta.copy()
            theta[:n_weights] += (deviation * rng.standard_normal(n_weights)).astype(theta.dtype)
            if not problem.fit_intercept:
                layout.parts(theta)[1][:] = 0
            value, gradient = function(theta)
            passes += 1
        yield as_step(problem, theta, value, passes, done=not noise and settled(theta, value))
        t *= 1.5


def descend(function, theta, value, gradient, t):
    """A gradient step that brings half of what a tangent at `value` promises; its length at most t.

    Returns
    -------
    size : float
        The step that was taken; 0 if rounding leaves none.
    trial : (ndarray, float, ndarray) or None
        Parameters, value and gradient there.
    tries : int
        Evaluations of the function.
    """

    def evaluate(size):
        trial = theta - theta.dtype.type(size) * gradient
        new, new_gradient = function(trial)
        return new, (trial, new, new_gradient)

    slope = -float(gradient @ gradient)
    return backtrack(evaluate, value, slope, size=t, **SEARCH)
