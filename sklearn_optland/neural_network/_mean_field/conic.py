"""Conic particle gradient descent: sparse measures from many particles."""

from collections.abc import Callable
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch, check_array, column_or_1d
from sklearn.utils._param_validation import Interval

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._optim.line_search import backtrack
from sklearn_optland._optim.step import Stall, Step
from sklearn_optland.neural_network._mean_field.solvers import PATIENCE, Settled, as_step

# Share of what a tangent promises that a step must bring, what a step that is too long is cut to,
# and how often.
SEARCH = {"share": 0.3, "cuts": (0.3, 0.3), "max_trials": 25}
# The most that a weight may change in a step, as a logarithm.
MOST_LOG = 1.0


def conic(problem, theta, tol):
    """Conic particle gradient descent on the sphere, with the particles of a net."""
    layout, d = problem.layout, problem.layout.n_features + 1
    B, A = layout.particles(theta)
    sizes = [np.linalg.norm(part, axis=1) for part in (B, A)]
    alive = (sizes[0] > 0) & (sizes[1] > 0)
    B, A = (part[alive] / size[alive, None] for part, size in zip((B, A), sizes, strict=True))
    weights = (sizes[0] * sizes[1])[alive]
    offset = layout.parts(theta)[3].astype(np.float64)

    def to_theta(weights, positions, offset):
        root = np.sqrt(weights)[:, None]
        return layout.join(root * positions[:, :d], root * positions[:, d:], offset)

    def evaluate(weights, positions, offset):
        theta = to_theta(weights, positions, offset)
        value, gradient = problem.value_and_gradient(theta)
        # Of the loss alone, and of a unit of mass.
        gradient = gradient - problem.dtype.type(problem.alpha) * theta
        gB, gA = layout.particles(gradient)
        root = np.sqrt(np.maximum(weights, np.finfo(problem.dtype).tiny))[:, None]
        slopes = np.column_stack([gB, gA]) / root
        first_variation = np.einsum("ij,ij->i", positions[:, d:], slopes[:, d:])
        tangent = slopes.copy()
        for part in (slice(None, d), slice(d, None)):
            inner = np.einsum("ij,ij->i", positions[:, part], slopes[:, part])
            tangent[:, part] -= inner[:, None] * positions[:, part]
        return value, first_variation, tangent, layout.parts(gradient)[3].astype(np.float64)

    def retract(positions):
        for part in (slice(None, d), slice(d, None)):
            positions[:, part] /= np.linalg.norm(positions[:, part], axis=1)[:, None]
        return positions

    settled, positions = Settled(problem, tol), np.column_stack([B, A])
    for at in conic_steps(evaluate, retract, weights, positions, offset, problem.alpha):
        theta = to_theta(*at.parameters)
        done = at.done or settled(theta, at.loss)
        yield as_step(problem, theta, at.loss, at.curves["passes"], done)


def conic_steps(evaluate, retract, weights, positions, free, alpha):
    """Steps of conic particle gradient descent, backtracked.

    In the metric of the cone over the positions (Chizat 2022) a weight moves by
    w <- w exp(-4 s (J + alpha)), J being the first variation of the loss, and its position by
    -t grad J. Both happen in turn, each with a step size of its own: what positions allow depends
    on the features' curvature, what weights allow does not.

    Parameters
    ----------
    evaluate : callable
        Takes weights, positions and free parameters; returns the objective, J (m,), its gradient
        in the positions (m, n_coordinates) and the gradient in the free parameters.
    retract : callable
        Takes positions that a step has moved, and puts them back where positions are.
    weights : ndarray of shape (m,)
        Positive.
    positions : ndarray of shape (m, n_coordinates)
    free : ndarray
        Parameters that move with the weights, by plain gradient steps.
    alpha : float
        What a unit of mass costs.

    Yields
    ------
    step : Step
        Its parameters are (weights, positions, free).
    """

    def move_weights(state, at, s):
        weights, positions, free = state
        _, J, _, pull = at
        factor = np.exp(np.clip(-4 * s * (J + alpha), -MOST_LOG, MOST_LOG))
        return weights * factor, positions, free - s * pull

    def move_positions(state, at, t):
        weights, positions, free = state
        return weights, retract(positions - t * at[2]), free

    def weights_slope(state, at):
        _, J, _, pull = at
        return -(4 * state[0] @ (J + alpha) ** 2 + pull @ pull)

    def positions_slope(state, at):
        return -(state[0] @ np.einsum("ij,ij->i", at[2], at[2]))

    def try_move(size):
        new = move(state, at, size)
        new_at = evaluate(*new)
        return new_at[0], (new, new_at)

    state = weights, positions, free
    at, passes = evaluate(*state), 1
    moves = (move_weights, weights_slope), (move_positions, positions_slope)
    sizes = [1.0, 1.0]
    while True:
        moved = False
        for k in range(2):
            move, slope_of = moves[k]
            slope = float(slope_of(state, at))
            size, found, n_trials = backtrack(try_move, at[0], slope, size=sizes[k], **SEARCH)
            passes += n_trials
            if found is not None:  # else there is nothing to gain here before the other has moved
                (state, at), moved, sizes[k] = found, True, 1.5 * size
        yield Step(state, {"objective": at[0], "passes": passes}, at[0], done=not moved)
        if not moved:
            return


@validate_params(
    {
        "feature_map": [callable],
        "y": ["array-like"],
        "positions": ["array-like"],
        "masses": ["array-like", None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def conic_descent(
    feature_map: Callable[[NDArray], tuple[NDArray, NDArray]],
    y: ArrayLike,
    positions: ArrayLike,
    *,
    masses: ArrayLike | None = None,
    alpha: float = 1e-3,
    tol: float = 1e-10,
    max_iter: int = 10_000,
) -> Bunch:
    """Fit a sparse measure: conic particle gradient descent with a feature map of your own.

    It minimises, over masses :math:`w_j \\ge 0` and positions :math:`\\theta_j`,

    .. math:: \\frac{1}{2} \\Bigl\\| y - \\sum_j w_j \\varphi(\\theta_j) \\Bigr\\|^2
              + \\alpha \\sum_j w_j,

    as in spike deconvolution, where :math:`\\varphi(\\theta)` is a filter's response to a spike at
    :math:`\\theta`. Masses move multiplicatively and positions by gradients, in turn, with
    backtracked steps. With positions that cover the domain densely enough it finds the global
    optimum: that is where :math:`\\varphi(\\theta)^T r \\le \\alpha` for all positions, r being the
    residual.

    Parameters
    ----------
    feature_map : callable
        Takes positions of shape (m, n_coordinates) and returns the features, of shape (m, n), and
        their derivatives, of shape (m, n, n_coordinates). For spikes of both signs let one
        coordinate, which never moves since its derivative is 0, be the sign.
    y : array-like of shape (n,)
        The signal.
    positions : array-like of shape (m, n_coordinates)
        Where the particles start: spread over the domain.
    masses : array-like of shape (m,), default=None
        Positive masses to start with. Default: 1/m each.
    alpha : float, default=1e-3
        What a unit of mass costs.
    tol : float, default=1e-10
        It stops when ten steps together bring less than `tol` times the objective.
    max_iter : int, default=10_000
        The most steps.

    Returns
    -------
    result : Bunch
        "positions"; "masses"; "residual", y minus the fit; "objective"; "history", the objective
        after each step; "n_iter".

    References
    ----------
    L. Chizat, "Sparse optimization on measures with over-parameterized gradient descent",
    Mathematical Programming 194 (2022).

    Examples
    --------
    Two spikes seen through a Gaussian filter:

    >>> import numpy as np
    >>> from sklearn_optland.neural_network import conic_descent
    >>> t = np.linspace(0, 1, 50)
    >>> def gaussians(positions):
    ...     distance = t - positions
    ...     features = np.exp(-(distance**2) / 0.02)
    ...     return features, (features * distance / 0.01)[:, :, None]
    >>> y = np.array([1.0, 2.0]) @ gaussians(np.array([[0.3], [0.7]]))[0]
    >>> spread = np.linspace(0, 1, 20)[:, None]
    >>> result = conic_descent(gaussians, y, spread, alpha=0.01)
    >>> grid = np.linspace(0, 1, 1001)[:, None]
    >>> bool((gaussians(grid)[0] @ result.residual).max() < 0.01 * 1.01)
    True
    >>> [float(result.masses[np.abs(result.positions[:, 0] - at) < 0.05].sum().round(1))
    ...  for at in (0.3, 0.7)]
    [1.0, 2.0]
    """
    y = column_or_1d(check_array(y, dtype=np.float64, ensure_2d=False))
    positions = check_array(positions, dtype=np.float64)
    m = len(positions)
    if masses is None:
        masses = np.full(m, 1.0 / m)
    masses = check_array(masses, dtype=np.float64, ensure_2d=False)
    if masses.shape != (m,) or not (masses > 0).all():
        raise ValueError(
            f"masses: found shape {masses.shape} and a least value of {masses.min()}; allowed are "
            f"{m} positive numbers, one for each position."
        )
    shapes = [np.shape(part) for part in feature_map(positions)]
    if shapes != [(m, len(y)), (m, len(y), positions.shape[1])]:
        raise ValueError(
            f"feature_map: found arrays of shapes {shapes}; allowed are {(m, len(y))} and "
            f"{(m, len(y), positions.shape[1])}, features and derivatives."
        )

    def evaluate(masses, positions, free):
        features, derivatives = feature_map(positions)
        residual = y - masses @ features
        value = 0.5 * residual @ residual + alpha * masses.sum()
        return value, -features @ residual, -np.einsum("jni,n->ji", derivatives, residual), free

    stall, history = Stall(tol, PATIENCE), []
    for step in conic_steps(evaluate, lambda moved: moved, masses, positions, np.empty(0), alpha):
        history.append(step.loss)
        if step.done or stall(step.loss) or len(history) == max_iter:
            break
    masses, positions, _ = step.parameters
    return Bunch(
        positions=positions,
        masses=masses,
        residual=y - masses @ feature_map(positions)[0],
        objective=step.loss,
        history=np.array(history),
        n_iter=len(history),
    )
