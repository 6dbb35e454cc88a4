"""Langevin dynamics: descent with noise, whose stationary law is a Gibbs distribution."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch, check_array
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.typing import RandomState

# Steps shrink as (1 + t / so many)^-decay.
DECAY_STEPS = 100
# Of the mean square of gradients in pSGLD: its memory, and what is added to the root, as a share of
# the root's mean at the start.
MEMORY, DAMPING = 0.99, 0.01
# Eigenvalues below this share of the largest are taken for it: flat directions are not left alone.
FLATTEST = 1e-10


class Identity:
    """No preconditioner."""

    def observe(self, gradient):
        """Nothing to learn."""

    def apply(self, gradient):
        """G g."""
        return gradient

    def root(self, noise):
        """G^(1/2) z."""
        return noise


class Matrix(Identity):
    """A constant matrix G, given as its inverse."""

    def __init__(self, inverse):
        values, Q = np.linalg.eigh(inverse)
        values = np.maximum(values, max(FLATTEST * values[-1], np.finfo(float).tiny))
        # The symmetric root: unlike Q it does not turn where eigenvalues are equal.
        self.half = (Q / np.sqrt(values)) @ Q.T
        self.whole = (Q / values) @ Q.T

    def apply(self, gradient):
        return gradient @ self.whole

    def root(self, noise):
        return noise @ self.half


class MeanSquares(Identity):
    """pSGLD's: one over the root of a mean of squared gradients, entry by entry.

    Parameters
    ----------
    squares : ndarray of shape (n_chains, n_parameters)
        The mean at the start.
    """

    def __init__(self, squares):
        self.squares = squares
        self.damping = max(DAMPING * float(np.sqrt(squares).mean()), np.finfo(float).tiny)

    def observe(self, gradient):
        self.squares = MEMORY * self.squares + (1.0 - MEMORY) * gradient**2

    def inverse(self):
        """Diagonal of 1 / G."""
        return self.damping + np.sqrt(self.squares)

    def apply(self, gradient):
        return gradient / self.inverse()

    def root(self, noise):
        return noise / np.sqrt(self.inverse())


def langevin_step(theta, gradient, step_size, beta, metric, rng):
    """One step of all chains; the metric has seen the gradient."""
    metric.observe(gradient)
    noise = np.sqrt(2.0 * step_size / beta) * metric.root(rng.standard_normal(theta.shape))
    return theta - step_size * metric.apply(gradient) + noise


def step_size_at(number, step_size, decay):
    """The size of a step, counted from 0."""
    return step_size * (1.0 + number / DECAY_STEPS) ** -decay if decay else step_size


@validate_params(
    {
        "gradient": [callable],
        "start": ["array-like"],
        "step_size": [Interval(Real, 0, None, closed="neither")],
        "beta": [Interval(Real, 0, None, closed="neither")],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "burn_in": [Interval(Integral, 0, None, closed="left")],
        "thin": [Interval(Integral, 1, None, closed="left")],
        "decay": [Interval(Real, 0, 1, closed="both")],
        "preconditioner": [StrOptions({"rmsprop"}), "array-like", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def sgld(
    gradient: Callable[[NDArray], NDArray],
    start: ArrayLike,
    step_size: float,
    *,
    beta: float = 1.0,
    n_steps: int = 1000,
    burn_in: int = 0,
    thin: int = 1,
    decay: float = 0.0,
    preconditioner: Literal["rmsprop"] | ArrayLike | None = None,
    random_state: RandomState = None,
) -> Bunch:
    r"""Draw from a Gibbs distribution by stochastic gradient Langevin dynamics.

    For a function F with (stochastic) gradients g the chains

    .. math:: w_{t+1} = w_t - \eta_t G\, g(w_t) + \sqrt{2 \eta_t / \beta}\, G^{1/2} z_t,
              \qquad z_t \sim N(0, I),

    come close to draws from the density proportional to :math:`e^{-\beta F}`, for small steps
    :math:`\eta_t = \eta (1 + t / 100)^{-\gamma}`. Of a quadratic with the matrix A, exact
    gradients and G = I, the covariance is :math:`(\beta A)^{-1} (I - \eta A / 2)^{-1}`, and steps
    of 2 over the largest eigenvalue of A diverge.

    Parameters
    ----------
    gradient : callable
        Takes an array of shape (n_chains, n_parameters), and returns the gradients of F in the same
        shape. For minibatches it draws the rows itself.
    start : array-like of shape (n_chains, n_parameters)
        Where the chains start.
    step_size : float
        The :math:`\eta`.
    beta : float, default=1.0
        The inverse temperature.
    n_steps : int, default=1000
        Steps of each chain.
    burn_in : int, default=0
        Steps at the start of which no draw is kept.
    thin : int, default=1
        Of the other steps each thin-th is kept, the last one always.
    decay : float, default=0.0
        The :math:`\gamma`; 0 keeps the steps constant. Welling and Teh (2011) have 0.55.
    preconditioner : {"rmsprop"}, array-like or None, default=None
        G: one over the root of a running mean of squared gradients (pSGLD, without the term of its
        derivative, as its paper leaves it out), a symmetric positive definite matrix of shape
        (n_parameters, n_parameters), or I.
    random_state : int, RandomState instance or None, default=None
        Draws the noise.

    Returns
    -------
    draws : Bunch
        `samples`, ndarray of shape (n_chains, n_draws, n_parameters); `step_sizes`, ndarray of
        shape (n_draws,), by which averages over draws should be weighted.

    Raises
    ------
    ValueError
        If arrays have shapes that do not fit, a gradient is not finite, as after steps that
        diverge, or burn_in leaves no step.

    See Also
    --------
    LangevinClassifier, LangevinRegressor : Draws of linear models and nets.
    r_hat : Whether chains have mixed.

    References
    ----------
    M. Welling and Y. W. Teh, "Bayesian learning via stochastic gradient Langevin dynamics",
    ICML 2011.

    C. Li, C. Chen, D. Carlson and L. Carin, "Preconditioned stochastic gradient Langevin dynamics
    for deep neural networks", AAAI 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.langevin import sgld
    >>> A = np.diag([1.0, 4.0])
    >>> chains = sgld(lambda w: w @ A, np.zeros((8, 2)), 0.1, n_steps=5000, random_state=0)
    >>> found = chains.samples[:, 100:].reshape(-1, 2).var(axis=0)
    >>> bool(np.allclose(found, [1 / 0.95, 0.25 / 0.8], rtol=0.1))
    True
    """
    theta = check_array(start, dtype=np.float64, input_name="start")
    if burn_in >= n_steps:
        raise ValueError(f"burn_in: found {burn_in}; allowed is less than n_steps, {n_steps}.")
    rng = np.random.default_rng(private_random_state(random_state).randint(2**31))
    metric, samples, sizes = None, [], []
    for number in range(n_steps):
        g = np.asarray(gradient(theta), dtype=np.float64)
        if g.shape != theta.shape or not np.isfinite(g).all():
            raise ValueError(
                f"gradient: found the shape {g.shape} at step {number}, or values that are not "
                f"finite; allowed are finite ones of the shape {theta.shape}. Where steps diverge, "
                "step_size should be smaller."
            )
        metric = metric_of(preconditioner, g) if metric is None else metric
        size = step_size_at(number, step_size, decay)
        theta = langevin_step(theta, g, size, beta, metric, rng)
        if number >= burn_in and (n_steps - 1 - number) % thin == 0:
            samples.append(theta)
            sizes.append(size)
    return Bunch(samples=np.stack(samples, axis=1), step_sizes=np.array(sizes))


def metric_of(preconditioner, gradient):
    """The preconditioner that a user asked for."""
    if preconditioner is None:
        return Identity()
    if isinstance(preconditioner, str):
        # Their mean alone: where a gradient happens to be 0, a step would have no end.
        start = float(np.mean(gradient**2))
        return MeanSquares(np.full(gradient.shape, start if start > 0 else 1.0))
    G = check_array(preconditioner, dtype=np.float64, input_name="preconditioner")
    side = gradient.shape[1]
    if G.shape != (side, side) or not np.allclose(G, G.T) or np.linalg.eigvalsh(G)[0] <= 0:
        raise ValueError(
            f"preconditioner: found a matrix of shape {G.shape}; allowed are symmetric positive "
            f"definite ones of shape {(side, side)}."
        )
    return Matrix(np.linalg.inv(G))
