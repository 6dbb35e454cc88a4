"""Linear and net regressors whose parameters are drawn from their posterior."""

from functools import partial
from numbers import Real
from typing import Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_optland._estimator.base import fit_context
from sklearn_optland._estimator.lazy import by_partition
from sklearn_optland._estimator.scores import LazyScore
from sklearn_optland._estimator.training_rows import (
    regression_rows,
    targets_and_weights,
    validate_rows,
)
from sklearn_optland._estimator.typing import MatrixLike, RandomState
from sklearn_optland.langevin._model import LangevinModel


class LangevinRegressor(LazyScore, RegressorMixin, LangevinModel):
    r"""Regressor whose parameters are drawn from their posterior by Langevin dynamics.

    A linear model, or a net, with the posterior density

    .. math:: p(w, v) \propto v^{-S k / 2} \exp\left(-\sum_i s_i\,
              \frac{\|y_i - f_w(x_i)\|^2}{2 v} - \frac{1}{2 C} \|w\|^2\right)\, p(v),

    with the noise variance v, sample weights s of the sum S, and k outputs, which share v: those of
    different units should be standardised. Targets are standardised inside, all by one size: of the
    output layer C is in units of their variance.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=()
        Units of each hidden layer. Empty: a linear model.
    activation : {"logistic", "tanh", "relu"}, default="tanh"
        Of the hidden layers.
    C : float, default=1.0
        Variance of the normal prior of each weight and of the hidden layers' biases, of the
        output layer in units of the targets' variance.
        The biases of the output have the variance 100, which leaves them nearly free.
    noise_variance : "auto" or float, default="auto"
        The v, in units of y. "auto" draws it with the parameters, by its own law given the
        residuals, under a weak inverse gamma prior.
    temperature : float, default=1.0
        Of the posterior, whose density is raised to the power 1 / temperature. Below 1 it is
        "cold": closer to its mode.
    preconditioner : {"auto", "hessian", "rmsprop"} or None, default="auto"
        The metric G of the steps.

        - "hessian": the inverse of the Hessian at the mode. Steps suit all directions at once, and
          the noise is scaled such that a normal posterior has its exact covariance. Memory grows
          with the square of the number of parameters.
        - "rmsprop": pSGLD (Li et al. 2016), one over the root of a running mean of squared
          gradients.
        - None: SGLD (Welling and Teh 2011), no metric.

        "auto" takes "hessian" for linear models of up to 1000 parameters, else "rmsprop".
    step_size : "auto" or float, default="auto"
        The :math:`\eta`, of the mean loss (of standardised targets, where there are such). "auto"
        is 0.1 for "hessian", else half of the inverse of the largest curvature in the metric, which
        is measured at the start and again after each hundred steps of the burn-in.
    decay : float, default=0.0
        Steps shrink as :math:`(1 + t / 100)^{-decay}`, and draws are weighted by their step.
        0 keeps them constant, which leaves a bias of the order of the step.
    batch_size : "auto" or int, default="auto"
        Rows of a minibatch, in a new order each pass; "auto" is 1000, or all if there are fewer. Of
        linear models the gradients of minibatches are corrected by those at the mode (Baker et al.
        2019), and add little noise. Of nets they widen the posterior.
    n_chains : int, default=4
        Number of chains, which are independent.
    burn_in : float, default=0.25
        Share of the steps at the start from which no draws are kept.
    thin : int, default=10
        Of the other steps each thin-th gives a draw, the last one always.
    max_iter : int, default=2000
        Number of steps of each chain.
    random_state : int, RandomState instance or None, default=None
        Draws starts, orders of rows and noise.

    Attributes
    ----------
    samples_ : dict of str to ndarray
        The draws, each an array of shape (n_chains, n_draws, ...), as ArviZ takes them:
        "coefs_0" of shape (..., n_features, n_units), "intercepts_0" of shape (..., n_units), and
        so on by layer, as scikit-learn's MLP has them; and "noise_variance". float32 if X was, else
        float64.
    draw_weights_ : ndarray of shape (n_draws,)
        Weights of the draws in averages, which sum to 1; equal unless steps decay.
    r_hat_ : ndarray of shape (n_probes, n_outputs)
        Split R-hat of the predictions for up to 50 training rows: outputs, or probabilities, of two
        classes one. Weights are no measure: units of nets may change places, and all scores of a
        row may move together. Infinity if there are fewer than four draws.
    effective_sample_size_ : ndarray of shape (n_probes, n_outputs)
        What the draws are worth for the same predictions.
    certificate_ : Certificate
        The largest R-hat, less 1, scope "estimate": it can refute that the chains have mixed, and
        prove nothing.
    history_ : dict of ndarray
        "objective", the mean over the chains of the mean loss with the prior's share, on the
        minibatch; "step_size", "passes" (over the data, of a chain), "seconds", at each step.
    n_iter_ : int
        Number of steps of each chain.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    LangevinClassifier : The same for classification.
    sgld : The dynamics with a gradient of your own.
    sklearn.linear_model.BayesianRidge : The posterior of a linear model in closed form.

    Notes
    -----
    With the mean loss and the prior's share F, and :math:`\beta` the sum of the weights over v
    and the temperature, the chains are

    .. math:: w_{t+1} = w_t - \eta_t G \nabla F(w_t) + \sqrt{2 \eta_t / \beta}\, G^{1/2} z_t,
              \qquad z_t \sim N(0, I).

    They start around the mode, each net's at a mode of its own. A chain that diverges starts again,
    all steps are halved, draws so far are dropped, and the steps that are left begin with a burn-in
    again. The posterior of a net has many modes, which no chain will visit all: R-hat says so, and
    a fit whose R-hat is above 1.1 warns.

    Columns whose mean or standard deviation is beyond 10 are standardised inside; the prior stays
    that of the weights of the columns as they are. The draws take n_chains times n_draws times the
    memory of the parameters.

    References
    ----------
    M. Welling and Y. W. Teh, "Bayesian learning via stochastic gradient Langevin dynamics",
    ICML 2011.

    C. Li, C. Chen, D. Carlson and L. Carin, "Preconditioned stochastic gradient Langevin dynamics
    for deep neural networks", AAAI 2016.

    J. Baker, P. Fearnhead, E. B. Fox and C. Nemeth, "Control variates for stochastic gradient
    MCMC", Statistics and Computing 29 (2019).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_optland.langevin import LangevinRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> model = LangevinRegressor(random_state=0).fit(X[:300], y[:300])
    >>> mean, std = model.predict(X[300:], return_std=True)
    >>> share = (abs(y[300:] - mean) < 2 * std).mean()
    >>> bool(0.9 < share < 1)
    True
    """

    _parameter_constraints = {
        **LangevinModel._parameter_constraints,
        "noise_variance": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        hidden_layer_sizes: ArrayLike = (),
        activation: Literal["tanh", "logistic", "relu"] = "tanh",
        *,
        C: float = 1.0,
        noise_variance: Literal["auto"] | float = "auto",
        temperature: float = 1.0,
        preconditioner: Literal["auto", "hessian", "rmsprop"] | None = "auto",
        step_size: Literal["auto"] | float = "auto",
        decay: float = 0.0,
        batch_size: Literal["auto"] | int = "auto",
        n_chains: int = 4,
        burn_in: float = 0.25,
        thin: int = 10,
        max_iter: int = 2000,
        random_state: RandomState = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation,
            C=C,
            temperature=temperature,
            preconditioner=preconditioner,
            step_size=step_size,
            decay=decay,
            batch_size=batch_size,
            n_chains=n_chains,
            burn_in=burn_in,
            thin=thin,
            max_iter=max_iter,
            random_state=random_state,
        )
        self.noise_variance = noise_variance

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @fit_context
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Draw from the posterior.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights s, not all zero: a row of weight 2 counts as two. Default: all 1.

        Returns
        -------
        self : LangevinRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data have missing or infinite values or targets whose squares overflow; or if
            parameters do not fit each other.
        """
        rows = regression_rows(self, X, y, sample_weight, multi_output=True)
        fitted = {"_y_is_1d": rows.y.ndim == 1}
        columns = partial(targets_and_weights, dtype=rows.dtype, total=rows.total_weight)
        self._sample(rows, columns, rows.n_outputs, False, fitted)
        return self

    @overload
    def predict(self, X: MatrixLike, return_std: Literal[False] = False) -> NDArray: ...

    @overload
    def predict(self, X: MatrixLike, return_std: Literal[True]) -> tuple[NDArray, NDArray]: ...

    @by_partition
    def predict(self, X, return_std=False):
        """Predict targets by the mean of the draws.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        return_std : bool, default=False
            Whether to return standard deviations, too.

        Returns
        -------
        mean : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted values, in the shape of the training targets.
        std : ndarray of the shape of mean
            Only with `return_std`: of new targets, that is of the draws' predictions and the noise
            together.
        """
        check_is_fitted(self)
        X = validate_rows(self, X)
        mean, square, total = 0.0, 0.0, 0.0
        for weight, F in self._scores(X):  # West's update: no difference of large squares
            total += weight
            change = F - mean
            mean = mean + change * (weight / total)
            square = square + weight * change * (F - mean)
        mean = mean.ravel() if self._y_is_1d else mean
        if not return_std:
            return mean
        noise = float((self.samples_["noise_variance"].mean(axis=0) * self.draw_weights_).sum())
        std = np.sqrt(square / total + noise)
        return mean, std.ravel() if self._y_is_1d else std
