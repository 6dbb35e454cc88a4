"""Fitted estimators as nets: sizes, one flat array of parameters, targets, penalty."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import is_classifier
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.validation import check_is_fitted

from sklearn_optland._estimator.training_rows import (
    as_columns,
    encode,
    times_class_weight,
    total_weight,
)
from sklearn_optland._net.network import Network

# The derivatives of its hidden layers are known.
ACTIVATIONS = "logistic", "tanh", "relu", "identity"
# scikit-learn's linear models with log-loss or squared error, beside this package's.
LINEAR = LinearRegression, LogisticRegression, Ridge, ElasticNet, SGDClassifier, SGDRegressor


@dataclass(frozen=True)
class Net:
    """What a fitted estimator is as a net.

    Parameters
    ----------
    network : Network
    theta : ndarray of shape (n_parameters,)
    Y : ndarray of shape (n_rows, n_outputs)
        Targets, 0 or 1 for the log-loss.
    penalty : ndarray of shape (n_parameters,)
        The weight of each squared parameter, halved, in the objective.
    """

    network: Network
    theta: np.ndarray
    Y: np.ndarray
    penalty: np.ndarray


def weights_of(estimator, y, sample_weight):
    """Sample weights, times those of the classes that the estimator gives them."""
    class_weight = getattr(estimator, "class_weight", None)
    if class_weight is None:
        return sample_weight
    classes, codes = encode(y)
    return times_class_weight(sample_weight, class_weight, y, classes, codes)


def net_of(estimator, y, weights, penalty):
    """A fitted estimator as a net.

    Parameters
    ----------
    estimator : estimator
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
    weights : ndarray of shape (n_rows,)
        Sample weights.
    penalty : bool
        Whether the estimator's penalty counts.

    Returns
    -------
    net : Net

    Raises
    ------
    ValueError
        For estimators that are no nets, and losses, penalties and targets that do not fit.
    """
    check_is_fitted(estimator)
    coefs, intercepts = layers_of(estimator)
    hidden = activation_of(estimator) if len(coefs) > 1 else "identity"
    Y, is_multilabel = targets(estimator, y, coefs[-1].shape[1])
    sizes = (coefs[0].shape[0], *(W.shape[1] for W in coefs))
    network = Network(sizes, hidden, is_classifier(estimator), is_multilabel)
    theta = network.join(coefs, intercepts, np.float64)
    factors = np.zeros(network.n_parameters)
    if penalty:
        weight, with_biases = penalty_of(estimator, total_weight(weights))
        for level, layer in enumerate(network.layers(factors)):
            layer[: -1 if level or not with_biases else None] = weight
    return Net(network, theta, Y, factors)


def layers_of(estimator):
    """`coefs_` and `intercepts_`, those of a linear model as one layer."""
    if hasattr(estimator, "coefs_"):
        return estimator.coefs_, estimator.intercepts_
    is_own = type(estimator).__module__.startswith("sklearn_optland.")
    if not (hasattr(estimator, "coef_") and (is_own or isinstance(estimator, LINEAR))):
        names = ", ".join(kind.__name__ for kind in LINEAR)
        raise ValueError(
            f"estimator: found {type(estimator).__name__}; allowed are nets with coefs_, {names}, "
            "and linear models of this package."
        )
    W = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64)).T
    return [W], [np.broadcast_to(estimator.intercept_, W.shape[1])]


def activation_of(estimator):
    """Of the hidden layers; an error where it is not known."""
    name = getattr(estimator, "_hidden_activation", getattr(estimator, "activation", None))
    if name not in ACTIVATIONS:
        raise ValueError(f"activation: found {name!r}; allowed are {', '.join(ACTIVATIONS)}.")
    return name


def targets(estimator, y, n_outputs):
    """Targets as columns, and whether these are labels of their own."""
    y = np.asarray(y)
    if not is_classifier(estimator):
        if getattr(estimator, "loss", "squared_error") != "squared_error":
            raise ValueError(f"loss: found {estimator.loss!r}; allowed is 'squared_error'.")
        Y = y[:, None] if y.ndim == 1 else y
        check_outputs(Y, n_outputs)
        return Y.astype(np.float64), False
    if getattr(estimator, "loss", "log_loss") != "log_loss":
        raise ValueError(f"loss: found {estimator.loss!r}; allowed is 'log_loss'.")
    if y.ndim == 2 and y.shape[1] > 1:
        check_outputs(y, n_outputs)
        return y.astype(np.float64), True
    classes = np.asarray(estimator.classes_)
    y = y.ravel()
    codes = np.searchsorted(classes, y).clip(max=len(classes) - 1)
    strange = np.unique(y[classes[codes] != y])
    if len(strange):
        raise ValueError(
            f"y: found the labels {strange[:5].tolist()}; allowed are the classes of the fit, "
            f"{classes.tolist()[:10]}."
        )
    Y = as_columns(codes, len(classes)).astype(np.float64)
    check_outputs(Y, n_outputs)
    return Y, False


def check_outputs(Y, n_outputs):
    """An error for targets that the net has no outputs for."""
    if Y.shape[1] != n_outputs:
        raise ValueError(f"y: found {Y.shape[1]} outputs; allowed are {n_outputs}, the net's.")


def penalty_of(estimator, total):
    """What the estimator's squared weights weigh in its objective, and whether biases do.

    `total` is the sum of the sample weights. The objective is a mean over rows.
    """
    parameters = estimator.get_params(deep=False)
    if isinstance(estimator, (MLPClassifier, MLPRegressor)):
        return estimator.alpha / total, False
    if hasattr(estimator, "variation_norm_"):  # a mean-field net: half of |a|^2 + |b|^2
        if parameters["scale_inputs"]:
            raise ValueError(
                "penalty: found True, and a net that standardises its columns, whose penalty is "
                "not one of its coefs_; allowed are penalty=False and scale_inputs=False."
            )
        return estimator.alpha, True
    if hasattr(estimator, "coefs_"):
        return estimator.alpha, False
    if isinstance(estimator, LinearRegression):
        return 0.0, False
    if isinstance(estimator, Ridge):
        return estimator.alpha / total, False
    l1_ratio = parameters.get("l1_ratio") or 0.0
    is_squared = l1_ratio == 0 and parameters.get("penalty", "l2") in ("l2", "deprecated", None)
    is_squared &= parameters.get("penalty_weights") is None and not isinstance(estimator, Lasso)
    if isinstance(estimator, LogisticRegression) and estimator.penalty is None:
        return 0.0, False
    if is_squared and "C" in parameters:
        return 1.0 / (estimator.C * total), False
    if is_squared and "alpha" in parameters:
        return estimator.alpha, False
    raise ValueError(
        f"penalty: found True, and {type(estimator).__name__} with a penalty that is not a squared "
        "norm; allowed are penalty=False and estimators with an L2 penalty."
    )
