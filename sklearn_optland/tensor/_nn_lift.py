"""Weights of a two-layer net from the third moments of its data."""

import warnings
from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.advice import levels_to_the_caller
from sklearn_optland._estimator.base import OptlandEstimator, fit_context, private_random_state
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.certificate import Certificate
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._estimator.training_rows import as_targets, normalized, regression_rows
from sklearn_optland._estimator.typing import MatrixLike, RandomState
from sklearn_optland._net.predictions import NetworkRegressor
from sklearn_optland._net.units import column_moments
from sklearn_optland._optim.step import Stall, Step
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.neural_network import ADMMNetRegressor
from sklearn_optland.tensor._cp import als, jennrich
from sklearn_optland.tensor._moments import (
    Whitening,
    excess_kurtosis,
    third_moment,
    unexplained,
)

# The products of two columns have a Gram matrix of side^4 / 4 entries: 37 MB.
MAX_SIDE = 64
# Scales and biases of a neuron on whitened rows that are tried, and sweeps over the neurons.
SCALES = {"tanh": (0.5, 1.0, 1.5, 2.0), "relu": (-1.0, 1.0)}
BIASES = np.linspace(-2.0, 2.0, 17)
SWEEPS = 3
# Rows that are enough to choose them.
GRID_ROWS = 5000
ACTIVATIONS = {"tanh": np.tanh, "relu": lambda Z: np.maximum(Z, 0.0)}
# Sweeps of alternating least squares that stall, and the share of the residual they may bring.
PATIENCE = 5
# A column of excess kurtosis above this is not normal; below its noise nothing is said.
LARGEST_KURTOSIS = 0.5
NOISE = 5 * np.sqrt(24.0)


class NNLiftRegressor(
    NetworkRegressor, OptlandEstimator, CallbackSupportMixin, RegressorMixin, BaseEstimator
):
    r"""Two-layer net whose hidden weights come from third moments. Experimental.

    For inputs x that are normal, and whitened, and a net

    .. math:: f(x) = o + \sum_j a_j \sigma(b_j^T x + \beta_j),

    the third moment of y with the score function of x is a tensor of rank `n_neurons`,

    .. math:: E[y\, S_3(x)] = \sum_j \lambda_j\, b_j \otimes b_j \otimes b_j, \qquad
              \lambda_j = a_j E[\sigma'''(b_j^T x + \beta_j)],

    whose decomposition is unique: no descent, no starts, no local minima (Janzamin, Sedghi and
    Anandkumar 2015). What a polynomial of degree two explains of y is removed first, which leaves
    the tensor as it is, and less noise. Jennrich's algorithm and alternating least squares
    decompose it; scales and biases of the neurons are chosen on a grid, the output layer by ridge.

    It rests on the assumption that inputs are close to normal, and warns where a column of the
    whitened inputs is far from it. It does not work where all :math:`\lambda_j` vanish: ReLU
    neurons without bias.

    Parameters
    ----------
    n_neurons : int, default=3
        Number of hidden neurons, at most the number of columns.
    activation : {"tanh", "relu"}, default="tanh"
        Of the hidden neurons.
    alpha : float, default=1e-4
        Strength of the ridge penalty of the output layer, alpha / 2 times the sum of its squares.
    polish : bool, default=True
        Whether `ADMMNetRegressor` goes on from this net with all its parameters, at its default
        settings; for others, fit one with ``init=(model.coefs_, model.intercepts_)``. Without it,
        what third moments do not see is lost: linear and quadratic functions.
    max_iter : int, default=100
        The most sweeps of alternating least squares.
    tol : float, default=1e-6
        They end when five together lower the tensor's relative residual by no more than this share.
    random_state : int, RandomState instance or None, default=None
        Draws the contractions of Jennrich's algorithm.

    Attributes
    ----------
    coefs_ : list of two ndarrays
        Of shape (n_features, n_neurons) and (n_neurons, n_outputs), as scikit-learn's MLP has them;
        float32 if X was, else float64.
    intercepts_ : list of two ndarrays
        Of shape (n_neurons,) and (n_outputs,).
    moment_weights_ : ndarray of shape (n_neurons,)
        The :math:`\lambda_j`. Those next to 0 belong to neurons that the moment does not see.
    excess_kurtosis_ : ndarray of shape (n_directions,)
        Of the whitened columns; 0 if they are normal.
    certificate_ : Certificate
        What the decomposition leaves of the third moment, scope "estimate": nothing is proven.
    history_ : dict of ndarray
        "objective", which is the tensor's relative residual, "certificate", the same, and "seconds"
        after each sweep.
    n_iter_ : int
        Number of sweeps.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    sklearn_optland.neural_network.ADMMNetRegressor : Descent on all parameters.

    References
    ----------
    M. Janzamin, H. Sedghi and A. Anandkumar, "Beating the perils of non-convexity: guaranteed
    training of neural networks using tensor methods", arXiv:1506.08473 (2015).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.tensor import NNLiftRegressor
    >>> rng = np.random.RandomState(0)
    >>> X = rng.randn(20_000, 6)
    >>> B = np.linalg.qr(rng.randn(6, 2))[0]
    >>> y = np.tanh(X @ B) @ [1.0, -2.0]
    >>> model = NNLiftRegressor(n_neurons=2, random_state=0).fit(X, y)
    >>> found = model.coefs_[0] / np.linalg.norm(model.coefs_[0], axis=0)
    >>> bool(np.abs(B.T @ found).max(axis=1).min() > 0.99)
    True
    """

    _parameter_constraints = {
        "n_neurons": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({*ACTIVATIONS})],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "polish": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_neurons: int = 3,
        *,
        activation: Literal["tanh", "relu"] = "tanh",
        alpha: float = 1e-4,
        polish: bool = True,
        max_iter: int = 100,
        tol: float = 1e-6,
        random_state: RandomState = None,
    ) -> None:
        self.n_neurons = n_neurons
        self.activation = activation
        self.alpha = alpha
        self.polish = polish
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @fit_context
    def fit(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the net.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data, of at most 64 columns.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, not all zero. Default: all 1.

        Returns
        -------
        self : NNLiftRegressor
            The fitted estimator.
        """
        rows = regression_rows(self, X, y, sample_weight, multi_output=True)
        X, c, Y = rows.used(as_targets(rows.y, rows.X.dtype))
        if X.shape[1] > MAX_SIDE:
            raise ValueError(
                f"X: found {X.shape[1]} columns; allowed are at most {MAX_SIDE}, because memory "
                "grows with the fourth power of their number."
            )
        source = ArraySource(X, Y=Y, c=normalized(c))
        rng = private_random_state(self.random_state)
        with one_blas_thread():
            whiten = Whitening(source, *column_moments(source, X.shape[1]))
            Z = source.map(whiten, X)
            kurtosis = self._check_normality(Z, source.c)
            mean, deviation = column_moments(source, Y.shape[1], Y)
            size = np.where(deviation > 0, deviation, 1.0)
            Y = (Y - mean) / size
            R = unexplained(source, Z, Y)
            # One tensor for all outputs: the directions are theirs together.
            T = third_moment(
                source, Z, R @ rng.standard_normal(Y.shape[1]) if Y.shape[1] > 1 else R[:, 0]
            )
            k = min(self.n_neurons, Z.shape[1])
            start = jennrich(T, k, rng) if k else np.zeros((0, 0))

            def attributes(decomposition):
                A, weights = decomposition
                bias, A = self._place(A, Z, Y, source.c)
                H = ACTIVATIONS[self.activation](Z @ A + bias)
                out, offset = ridge(H, Y, source.c, self.alpha)
                W, bias = whiten.to_user(A, bias)
                dtype = X.dtype
                return {
                    "coefs_": [W.astype(dtype), (out * size).astype(dtype)],
                    "intercepts_": [bias.astype(dtype), (offset * size + mean).astype(dtype)],
                    "_y_is_1d": rows.y_is_1d,
                    "_hidden_activation": self.activation,
                    "moment_weights_": weights,
                    "excess_kurtosis_": kurtosis,
                }

            steps = self._sweeps(T, start)
            kept, history = run(
                self, steps, attributes, rows=rows, max_iter=self.max_iter, task_name="sweep"
            )
            fitted = attributes(kept.parameters)
        if self.polish and k:
            init = fitted["coefs_"], fitted["intercepts_"]
            net = ADMMNetRegressor(
                (k,), self.activation, init=init, alpha=self.alpha, scale_inputs=False
            )
            net.fit(rows.X, rows.y, sample_weight=sample_weight)
            fitted |= {"coefs_": net.coefs_, "intercepts_": net.intercepts_}
        residual = float(kept.loss)
        certificate = Certificate("tensor residual", residual, None, "estimate", residual)
        finish(self, fitted, history, certificate)
        return self

    def _check_normality(self, Z, c):
        """Warn of a column that is far from normal."""
        kurtosis = excess_kurtosis(Z, c)
        rows = 1 / np.sum(c**2)
        most = np.abs(kurtosis).max(initial=0.0)
        if most > max(LARGEST_KURTOSIS, NOISE / np.sqrt(rows)):
            warnings.warn(
                f"X: found whitened columns of excess kurtosis up to {most:.2g}; NNLiftRegressor "
                "rests on normal ones, of 0, and its weights may be far off.",
                stacklevel=levels_to_the_caller(),
            )
        return kurtosis

    def _sweeps(self, T, A):
        """Steps of alternating least squares."""
        stall = Stall(self.tol, PATIENCE)
        for columns, weights, residual in als(T, A):
            curves = {"objective": residual, "certificate": residual}
            yield Step((columns, weights), curves, residual, done=stall(residual))

    def _place(self, A, Z, Y, c):
        """Biases and scaled directions of the neurons, by sweeps over a grid."""
        some = slice(None, None, max(1, len(Z) // GRID_ROWS))
        P, Y, c = Z[some] @ A, Y[some], normalized(c[some])
        function, k = ACTIVATIONS[self.activation], A.shape[1]
        scale, bias = np.ones(k), np.zeros(k)
        grid = [(s, b) for s in SCALES[self.activation] for b in BIASES]
        H = function(P)
        for _ in range(SWEEPS):
            for j in range(k):
                errors = []
                for s, b in grid:
                    H[:, j] = function(s * P[:, j] + b)
                    out, offset = ridge(H, Y, c, self.alpha)
                    errors.append(c @ ((H @ out + offset - Y) ** 2).sum(axis=1))
                scale[j], bias[j] = grid[int(np.argmin(errors))]
                H[:, j] = function(scale[j] * P[:, j] + bias[j])
        return bias, A * scale


def ridge(H, Y, c, alpha):
    """Weights and intercepts of the output layer."""
    h, y = c @ H, c @ Y
    H = H - h
    gram = (H * c[:, None]).T @ H
    gram[np.diag_indices(len(gram))] += alpha
    out = np.linalg.solve(gram, (H * c[:, None]).T @ (Y - y))
    return out, y - h @ out
