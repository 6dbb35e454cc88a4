"""The loss of a fitted net as a function of one flat array."""

from contextlib import contextmanager
from copy import deepcopy
from threading import Lock

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import _check_feature_names, _check_sample_weight, check_is_fitted

from sklearn_optland._estimator.training_rows import check_magnitudes, normalized
from sklearn_optland._estimator.typing import MatrixLike
from sklearn_optland._net.passes import Passes
from sklearn_optland._net.units import Units
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.landscape._nets import activation_of, layers_of, net_of, weights_of

# Directions whose products share a pass.
DIRECTIONS = 32
# The size of values and parameters of which products and squares can be summed.
LARGEST = 1e100


class LossSurface:
    r"""The loss of a fitted net as a function of one flat array of its parameters.

    .. math:: L(\theta) = \frac{\sum_i s_i\, \ell(y_i, f_\theta(x_i))}{\sum_i s_i}
              + \text{the estimator's penalty}

    Layer by layer, the array has the weights of `coefs_` row after row and then the biases. All is
    computed in float64.

    Parameters
    ----------
    estimator : estimator
        Fitted: `MLPClassifier` or `MLPRegressor` of scikit-learn, a deep or a mean-field net of
        this package, or a linear model with log-loss or squared error, which is a net without
        hidden layers. It is not changed. Of a pipeline, take the last step, and the rows as it
        gets them.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Rows to take the loss on: those of the fit, or others.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets or labels; for nets with several labels an indicator matrix of 0 and 1, which may
        be sparse.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights s. Default: all 1. `class_weight` of the estimator multiplies them.
    penalty : bool, default=True
        Whether to add the penalty as the estimator has it: `alpha` of scikit-learn's nets is
        divided by the sum of the weights there, `C` of logistic regression multiplies a sum.

    Attributes
    ----------
    theta_ : ndarray of shape (n_parameters,)
        The parameters of the fit.
    n_parameters_ : int
        Their number.

    Raises
    ------
    ValueError
        If the estimator is no net, has another loss or a penalty that is not a squared norm, or if
        X and y do not fit it or have missing values, or X or the parameters values beyond 1e100.
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    connect : A path between two minima.
    hessian_spectrum : Eigenvalues of the Hessian.
    loss_slice : The loss on a line or a plane.

    Notes
    -----
    The squared error of several outputs is half the sum of their squares. Of that scikit-learn's
    `MLPRegressor` takes the gradient, too, while its `loss_` is a mean over outputs.

    The biases of a model that was fitted without them are parameters, too, 0 at the fit, and
    `positive=True` does not bound the surface. Threads may share a surface; its passes, which use
    threads themselves, run one after the other.

    Of ReLU nets the Hessian is that of the linear piece that the parameters are in. Products with
    it take about three passes of the net, forward and back.

    References
    ----------
    B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6 (1994).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_optland.landscape import LossSurface
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((5,), "tanh", solver="lbfgs", max_iter=5000, random_state=0).fit(X, y)
    >>> surface = LossSurface(net, X, y)
    >>> surface.n_parameters_
    43
    >>> bool(abs(surface.loss(surface.theta_) - net.loss_) < 1e-3)
    True
    >>> bool(abs(surface.gradient(surface.theta_)).max() < 1e-2)
    True
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        penalty: bool = True,
    ) -> None:
        check_is_fitted(estimator)
        _check_feature_names(estimator, X, reset=False)
        X = check_array(X, dtype=np.float64, order="C", accept_sparse="csr")
        y = y.toarray() if issparse(y) else np.asarray(y)
        if len(y) != X.shape[0]:
            raise ValueError(f"y: found {len(y)} rows; allowed are {X.shape[0]}, those of X.")
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        check_magnitudes(X, LARGEST)
        weights = weights_of(estimator, y, weights)
        net = net_of(estimator, y, weights, penalty)
        n_columns = net.network.sizes[0]
        if X.shape[1] != n_columns:
            raise ValueError(
                f"X: found {X.shape[1]} columns; allowed are {n_columns}, those of the fit."
            )
        found = np.abs(net.theta).max(initial=0.0)
        if found > LARGEST:
            raise ValueError(
                f"estimator: found a parameter of size {found:.3g}; allowed is at most {LARGEST:g}."
            )
        used = weights > 0
        c = normalized(weights)
        X, Y, c = (X, net.Y, c) if used.all() else (X[used], net.Y[used], c[used])
        self.estimator, self.network, self.penalty_factors = estimator, net.network, net.penalty
        self.theta_, self.n_parameters_ = net.theta, net.theta.size
        source = ArraySource(X, Y=np.ascontiguousarray(Y), c=c)
        units = Units(None, None, np.zeros(Y.shape[1]), 1.0)
        self.passes = Passes(self.network, source, units, np.float64)
        self._lock = Lock()

    def loss(self, theta: ArrayLike) -> float:
        """Compute the loss.

        Parameters
        ----------
        theta : array-like of shape (n_parameters,)
            The net's parameters.

        Returns
        -------
        loss : float
            The mean loss, and the penalty.
        """
        theta = self._checked(theta)
        with self._pass():
            return self._objective(self.passes.value(theta), theta)

    def gradient(self, theta: ArrayLike) -> NDArray:
        """Compute the gradient.

        Parameters
        ----------
        theta : array-like of shape (n_parameters,)
            The net's parameters.

        Returns
        -------
        gradient : ndarray of shape (n_parameters,)
            Derivatives of the loss.
        """
        return self.loss_and_gradient(theta)[1]

    def loss_and_gradient(self, theta: ArrayLike) -> tuple[float, NDArray]:
        """Compute the loss and its gradient in one pass.

        Parameters
        ----------
        theta : array-like of shape (n_parameters,)
            The net's parameters.

        Returns
        -------
        loss : float
            The mean loss, and the penalty.
        gradient : ndarray of shape (n_parameters,)
            Its derivatives.
        """
        theta = self._checked(theta)
        with self._pass():
            loss, gradient, *_ = self.passes.gradient_and_squares(theta)
        return self._objective(loss, theta), gradient + self.penalty_factors * theta

    def hessian_product(self, theta: ArrayLike, directions: ArrayLike) -> NDArray:
        """Multiply the Hessian with directions.

        Parameters
        ----------
        theta : array-like of shape (n_parameters,)
            The net's parameters.
        directions : array-like of shape (n_parameters,) or (n_parameters, n_directions)
            Directions, as columns. Several share the pass forward.

        Returns
        -------
        products : ndarray of the shape of directions
            The Hessian times the directions.
        """
        theta = self._checked(theta)
        directions = np.asarray(directions, dtype=np.float64)
        if directions.ndim not in (1, 2) or directions.shape[0] != self.n_parameters_:
            raise ValueError(
                f"directions: found an array of shape {directions.shape}; allowed are "
                f"{self.n_parameters_} rows."
            )
        rows = np.ascontiguousarray(directions.reshape(self.n_parameters_, -1).T)
        with self._pass():
            parts = [
                self.passes.hessian_products(theta, rows[start : start + DIRECTIONS])
                for start in range(0, len(rows), DIRECTIONS)
            ]
        products = np.concatenate(parts) if parts else rows
        products += self.penalty_factors * rows
        return products.T.reshape(directions.shape)

    def hessian(self, theta: ArrayLike) -> NDArray:
        """Compute the whole Hessian.

        Parameters
        ----------
        theta : array-like of shape (n_parameters,)
            The net's parameters.

        Returns
        -------
        hessian : ndarray of shape (n_parameters, n_parameters)
            Symmetric. It takes 8 n_parameters² bytes, and a product for each parameter.
        """
        H = self.hessian_product(theta, np.eye(self.n_parameters_))
        return 0.5 * (H + H.T)

    def estimator_at(self, theta: ArrayLike) -> BaseEstimator:
        """Return the estimator with other parameters.

        Parameters
        ----------
        theta : array-like of shape (n_parameters,)
            The net's parameters.

        Returns
        -------
        estimator : estimator
            A copy, with `coefs_` and `intercepts_`, or `coef_` and `intercept_`, of theta. Its
            other attributes, such as curves of the fit, are the old ones.
        """
        layers = self.network.layers(self._checked(theta).copy())
        estimator = deepcopy(self.estimator)
        if hasattr(estimator, "coefs_"):
            old = estimator.coefs_[0].dtype
            estimator.coefs_ = [W[:-1].astype(old) for W in layers]
            estimator.intercepts_ = [W[-1].astype(old) for W in layers]
            return estimator
        shape = np.shape(estimator.intercept_)
        estimator.coef_ = layers[0][:-1].T.reshape(estimator.coef_.shape)
        intercepts = layers[0][-1]
        is_number = not shape and len(intercepts) == 1
        estimator.intercept_ = float(intercepts[0]) if is_number else intercepts.copy()
        return estimator

    def flat(self, point: BaseEstimator | ArrayLike) -> NDArray:
        """Return the flat array of a fitted estimator, or of itself.

        Parameters
        ----------
        point : estimator or array-like of shape (n_parameters,)
            A fitted net with the layers of this one, or parameters.

        Returns
        -------
        theta : ndarray of shape (n_parameters,)
            Its parameters.

        Raises
        ------
        ValueError
            If layers or activations are not those of this net, or parameters are not finite.
        NotFittedError
            If the estimator is not fitted.
        """
        if hasattr(point, "fit"):
            check_is_fitted(point)
            theta = self.network.join(*layers_of(point), np.float64)
            if len(self.network.sizes) > 2 and activation_of(point) != self.network.activation:
                raise ValueError(
                    f"activation: found {activation_of(point)!r}; allowed is "
                    f"{self.network.activation!r}, the surface's."
                )
        else:
            theta = self._checked(point)
        if not np.isfinite(theta).all():
            raise ValueError("theta: found NaN or infinity; allowed are finite parameters.")
        return theta

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state):
        vars(self).update(state)
        self._lock = Lock()

    @contextmanager
    def _pass(self):
        """One pass at a time, whatever thread asks for it: they share buffers."""
        with self._lock, one_blas_thread():
            yield

    def _objective(self, loss, theta):
        """The loss with the penalty; infinity where scores overflow."""
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(loss + 0.5 * (self.penalty_factors @ theta**2))
        return np.inf if np.isnan(total) else total

    def _checked(self, theta):
        theta = np.ascontiguousarray(theta, dtype=np.float64)
        if theta.shape != (self.n_parameters_,):
            raise ValueError(
                f"theta: found an array of shape {theta.shape}; allowed is "
                f"({self.n_parameters_},), the net's."
            )
        return theta
