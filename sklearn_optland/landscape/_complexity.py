"""Spectral complexity and margins of nets, by which their generalisation error scales."""

from collections.abc import Sequence
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import Bunch, check_array
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.typing import MatrixLike
from sklearn_optland._net.predictions import scores_of
from sklearn_optland.landscape._nets import activation_of, layers_of, targets

# Lipschitz constants of the activations.
SLOPES = {"logistic": 0.25, "tanh": 1.0, "relu": 1.0, "identity": 1.0}


def spectral_complexity(
    estimator: BaseEstimator, *, reference: Sequence[ArrayLike] | None = None, biases: bool = True
) -> float:
    r"""Compute the spectral complexity of a net.

    With the layers' matrices A, reference matrices M of the same shapes, and Lipschitz constants
    :math:`\rho` of the activations,

    .. math:: R_A = \left(\prod_l \rho_l \|A_l\|_\sigma\right)
              \left(\sum_l \frac{\|A_l^T - M_l^T\|_{2,1}^{2/3}}{\|A_l\|_\sigma^{2/3}}\right)^{3/2},

    the spectral norm being :math:`\|\cdot\|_\sigma`, and :math:`\|A^T\|_{2,1}` the sum of the norms
    of the columns of `coefs_`, one a unit.

    Parameters
    ----------
    estimator : estimator
        Fitted: `MLPClassifier` or `MLPRegressor` of scikit-learn, a net of this package, or a
        linear model as `LossSurface` takes it.
    reference : list of array-like of shape (n_in, n_out), default=None
        The M, of the shapes of `coefs_`: the weights at the start of the training, as a rule.
        Default: zeros. Those of biases are zero.
    biases : bool, default=True
        Whether biases count, as weights of a constant 1 that all layers pass on: the theorem is of
        nets without them, and so is true of all. Without, they are taken for zero.

    Returns
    -------
    complexity : float
        0 for a net with a layer of zeros.

    Raises
    ------
    ValueError
        If the estimator is no net, or has another activation; or if the shapes of `reference` are
        not those of `coefs_`.

    See Also
    --------
    normalized_margins : Margins in units of it.
    margin_rate : How both bound the error on new rows.

    Notes
    -----
    The theorem has activations of :math:`\sigma(0) = 0`. The logistic one is taken less one half,
    which the biases of the next layer make up for.

    References
    ----------
    P. L. Bartlett, D. J. Foster and M. Telgarsky, "Spectrally-normalized margin bounds for neural
    networks", NeurIPS 2017, equation 1.2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_optland.landscape import spectral_complexity
    >>> model = LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True))
    >>> found = spectral_complexity(model, biases=False)
    >>> bool(np.isclose(found, np.linalg.norm(model.coef_, axis=1).sum()))  # of a single layer
    True
    """
    check_is_fitted(estimator)
    coefs, _ = layers_of(estimator)
    if reference is None:
        reference = [np.zeros(np.shape(W)) for W in coefs]
    shapes, wanted = ([np.shape(W) for W in matrices] for matrices in (reference, coefs))
    if shapes != wanted:
        raise ValueError(f"reference: found the shapes {shapes}; allowed are {wanted}.")
    slope = SLOPES[activation_of(estimator)] if len(coefs) > 1 else 1.0
    product, total = slope ** (len(coefs) - 1), 0.0
    for number, (A, M) in enumerate(zip(matrices_of(estimator, biases), reference, strict=True)):
        norm = float(np.linalg.norm(A, 2))
        if norm == 0.0:
            return 0.0
        distance = A.copy()
        distance[: len(M), : M.shape[1]] -= check_array(M, input_name=f"reference[{number}]")
        if biases and number < len(coefs) - 1:
            distance[-1, -1] = 0.0  # the constant itself is in both
        product *= norm
        total += (np.linalg.norm(distance, axis=0).sum() / norm) ** (2 / 3)
    return float(product * total**1.5)


def matrices_of(estimator, biases):
    """Layers' matrices of shape (n_in, n_out), with a constant as the last of the units."""
    coefs, intercepts = layers_of(estimator)
    coefs = [np.asarray(W, dtype=np.float64) for W in coefs]
    if not biases:
        return coefs
    is_shifted = len(coefs) > 1 and activation_of(estimator) == "logistic"
    matrices = []
    for number, (W, b) in enumerate(zip(coefs, intercepts, strict=True)):
        b = np.asarray(b, dtype=np.float64)
        if is_shifted and number:
            b = b + 0.5 * W.sum(axis=0)
        A = np.vstack([W, b])
        if number < len(coefs) - 1:
            A = np.column_stack([A, np.eye(len(A))[-1]])
        matrices.append(A)
    return matrices


def margins_of(estimator, X, y):
    """Score of each row's class less the best other one, and the rows."""
    check_is_fitted(estimator)
    if not is_classifier(estimator):
        raise ValueError(f"estimator: found {type(estimator).__name__}; allowed are classifiers.")
    _check_feature_names(estimator, X, reset=False)
    X = check_array(X, dtype=np.float64, order="C")
    coefs, intercepts = layers_of(estimator)
    Y, is_multilabel = targets(estimator, y, coefs[-1].shape[1])
    if is_multilabel:
        raise ValueError("y: found several labels a row; allowed is one.")
    if X.shape != (len(Y), coefs[0].shape[0]):
        raise ValueError(
            f"X: found the shape {X.shape}; allowed is {(len(Y), coefs[0].shape[0])}, with a row "
            "for each label and the columns of the fit."
        )
    activation = activation_of(estimator) if len(coefs) > 1 else "identity"
    layers = [[np.asarray(part, np.float64) for part in parts] for parts in (coefs, intercepts)]
    F = scores_of(X, *layers, activation)
    if F.shape[1] == 1:
        return (2.0 * Y[:, 0] - 1.0) * F[:, 0], X
    own = Y > 0
    return F[own] - np.where(own, -np.inf, F).max(axis=1), X


def size_of(X, biases):
    """Norm of all rows, a constant column included."""
    size = np.abs(X).max() or 1.0  # squares neither overflow nor vanish
    return np.hypot(size * np.linalg.norm(X / size), np.sqrt(len(X)) if biases else 0.0)


def normalized_margins(
    estimator: BaseEstimator,
    X: MatrixLike,
    y: ArrayLike,
    *,
    reference: Sequence[ArrayLike] | None = None,
    biases: bool = True,
) -> NDArray:
    r"""Compute the margins of rows in units of the net's spectral complexity.

    .. math:: \frac{f(x_i)_{y_i} - \max_{j \neq y_i} f(x_i)_j}{R_A \|X\| / n}

    Margins alone say little, since a net can be scaled. In these units those of nets that fit true
    labels are larger than those of nets that fit random ones.

    Parameters
    ----------
    estimator : classifier
        As `spectral_complexity` takes it; two classes have one score f, and margins of
        :math:`\pm f`.
    X : array-like of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,)
        Their labels.
    reference : list of array-like, default=None
        As in `spectral_complexity`.
    biases : bool, default=True
        As in `spectral_complexity`; then the rows have a constant column, too.

    Returns
    -------
    margins : ndarray of shape (n_samples,)
        Negative for rows that are classified wrongly.

    Raises
    ------
    ValueError
        If the estimator is no classifier or no net, or all its outputs are zero; or if X and y do
        not fit it.

    See Also
    --------
    spectral_complexity : The unit.
    sklearn_optland.plotting.MarginDisplay : Their distributions.

    References
    ----------
    P. L. Bartlett, D. J. Foster and M. Telgarsky, "Spectrally-normalized margin bounds for neural
    networks", NeurIPS 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_optland.landscape import normalized_margins
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> margins = normalized_margins(model, X, y)
    >>> bool((margins > 0).mean() == model.score(X, y))
    True
    """
    margins, X = margins_of(estimator, X, y)
    complexity = spectral_complexity(estimator, reference=reference, biases=biases)
    unit = complexity * size_of(X, biases) / len(X)
    if unit == 0.0:
        raise ValueError("estimator: found a net of complexity 0; allowed are others.")
    return margins / unit


@validate_params(
    {
        "gamma": ["array-like", Interval(Real, 0, None, closed="neither")],
        "delta": [Interval(Real, 0, 1, closed="neither")],
        "constant": [Interval(Real, 0, None, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def margin_rate(
    estimator: BaseEstimator,
    X: MatrixLike,
    y: ArrayLike,
    gamma: ArrayLike,
    *,
    delta: float = 0.05,
    constant: float = 1.0,
    reference: Sequence[ArrayLike] | None = None,
    biases: bool = True,
) -> Bunch:
    r"""Compute how the error on new rows scales with margins and spectral complexity.

    .. math:: \frac{1}{n} \#\{i : \text{margin of } x_i \leq \gamma\}
              + c \left(\frac{\|X\| R_A}{\gamma n} \ln W + \sqrt{\frac{\ln(1 / \delta)}{n}}\right)

    with the widest layer's W. With probability :math:`1 - \delta` the error is at most that, for
    all :math:`\gamma` at once, up to logarithms and the constant c, of which the theorem says that
    they exist. So it is a rate, and no bound.

    Parameters
    ----------
    estimator : classifier
        As `normalized_margins` takes it.
    X : array-like of shape (n_samples, n_features)
        Training rows.
    y : array-like of shape (n_samples,)
        Their labels.
    gamma : float or array-like of shape (n_gammas,)
        Margins, in units of the scores.
    delta : float, default=0.05
        The chance that the theorem leaves to bad luck.
    constant : float, default=1.0
        The c.
    reference : list of array-like, default=None
        As in `spectral_complexity`. It must not depend on the rows.
    biases : bool, default=True
        As in `normalized_margins`.

    Returns
    -------
    rate : Bunch
        `rate`, the sum, and its parts `error_at_margin` and `complexity_term`, each of the shape of
        gamma; and the float `confidence_term`.

    Raises
    ------
    ValueError
        As for `normalized_margins`, or if a gamma is not positive.

    See Also
    --------
    sklearn_optland.langevin.stability_rate : Of stochastic gradient Langevin dynamics.

    References
    ----------
    P. L. Bartlett, D. J. Foster and M. Telgarsky, "Spectrally-normalized margin bounds for neural
    networks", NeurIPS 2017, theorem 1.1.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_optland.landscape import margin_rate
    >>> X, y = load_iris(return_X_y=True)
    >>> found = margin_rate(LogisticRegression(max_iter=1000).fit(X, y), X, y, [0.1, 1.0])
    >>> bool(found.error_at_margin[0] < found.error_at_margin[1])
    True
    >>> bool(found.complexity_term[0] > found.complexity_term[1])
    True
    """
    gamma = np.asarray(gamma, dtype=np.float64)
    if gamma.ndim > 1 or not (np.isfinite(gamma) & (gamma > 0)).all():
        raise ValueError(f"gamma: found {gamma}; allowed are positive, finite numbers.")
    margins, X = margins_of(estimator, X, y)
    n, layers = len(margins), matrices_of(estimator, biases)
    width = max(max(A.shape) for A in layers)
    complexity = spectral_complexity(estimator, reference=reference, biases=biases)
    error = np.mean(margins <= gamma[..., None], axis=-1)
    term = constant * size_of(X, biases) * complexity * np.log(width) / (gamma * n)
    confidence = float(constant * np.sqrt(np.log(1.0 / delta) / n))
    return Bunch(
        rate=error + term + confidence,
        error_at_margin=error,
        complexity_term=term,
        confidence_term=confidence,
    )
