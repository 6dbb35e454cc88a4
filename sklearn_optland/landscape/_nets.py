"""Fitted estimators as nets: sizes, one flat array of parameters, targets, penalty."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import check_array

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
LINEAR = (
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeCV,
    ElasticNet,
    SGDClassifier,
    SGDRegressor,
)


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
    coefs, intercepts = layers_of(estimator)
    hidden = activation_of(estimator) if len(coefs) > 1 else "identity"
    Y, is_multilabel = targets(estimator, y, coefs[-1].shape[1])
    sizes = (coefs[0].shape[0], *(W.shape[1] for W in coefs))
    network = Network(sizes, hidden, is_classifier(estimator), is_multilabel)
    theta = network.join(coefs, intercepts, np.float64)
    factors = np.zeros(network.n_parameters)
    if penalty:
        weight, with_biases = penalty_of(estimator, total_weight(weights), len(weights))
        for level, layer in enumerate(network.layers(factors)):
            layer[: -1 if level or not with_biases else None] = weight
            if hasattr(estimator, "_penalty_factors"):  # of data in standard units
                layer[:-1] *= estimator._penalty_factors[level]
    return Net(network, theta, Y, factors)


def layers_of(estimator):
    """`coefs_` and `intercepts_`, those of a linear model as one layer."""
    if hasattr(estimator, "coefs_"):
        return estimator.coefs_, estimator.intercepts_
    is_own = type(estimator).__module__.startswith("sklearn_optland.linear_model.")
    is_linear = hasattr(estimator, "coef_") and np.ndim(estimator.coef_) <= 2
    if not (is_linear and (is_own or isinstance(estimator, LINEAR))):
        names = ", ".join(kind.__name__ for kind in LINEAR)
        raise ValueError(
            f"estimator: found {type(estimator).__name__}; allowed are nets with coefs_, {names}, "
            "and linear models of this package."
        )
    coef = estimator.coef_.toarray() if issparse(estimator.coef_) else estimator.coef_
    W = np.atleast_2d(np.asarray(coef, dtype=np.float64)).T
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
        Y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        Y = Y[:, None] if Y.ndim == 1 else Y
        check_outputs(Y, n_outputs)
        return Y, False
    if getattr(estimator, "loss", "log_loss") != "log_loss":
        raise ValueError(f"loss: found {estimator.loss!r}; allowed is 'log_loss'.")
    if isinstance(estimator, SGDClassifier) and n_outputs > 1:
        raise ValueError(
            f"estimator: found SGDClassifier with {n_outputs} classes, each against the others; "
            "allowed are two, or a softmax as LogisticRegression has it."
        )
    if y.ndim == 2 and y.shape[1] > 1:
        check_outputs(y, n_outputs)
        if not np.isin(y, (0, 1)).all():
            raise ValueError("y: found entries other than 0 and 1; allowed is an indicator matrix.")
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


def penalty_of(estimator, total, n_rows):
    """What the estimator's squared weights weigh in its objective, and whether biases do.

    `total` is the sum of the sample weights. The objective is their mean over rows.
    """
    parameters = estimator.get_params(deep=False)
    if isinstance(estimator, (MLPClassifier, MLPRegressor)):
        return estimator.alpha / total, False
    if hasattr(estimator, "variation_norm_"):  # a mean-field net: half of |a|^2 + |b|^2
        if parameters["regime"] == "kernel" or parameters["solver"] == "margin-ascent":
            raise ValueError(
                "penalty: found True, and a net whose objective is not a mean loss with a penalty "
                "of all weights; allowed are penalty=False, regime='feature' and solvers other "
                "than 'margin-ascent'."
            )
        if parameters["scale_inputs"]:
            raise ValueError(
                "penalty: found True, and a net that standardises its columns, whose penalty is "
                "not one of its coefs_; allowed are penalty=False and scale_inputs=False."
            )
        return estimator.alpha_, True
    if hasattr(estimator, "coefs_"):
        return getattr(estimator, "alpha_", estimator.alpha), False
    if isinstance(estimator, LinearRegression):
        return 0.0, False
    strength, alpha = chosen(estimator, "C"), chosen(estimator, "alpha")
    if isinstance(estimator, (Ridge, RidgeCV)):
        return alpha / total, False
    is_sgd = isinstance(estimator, (SGDClassifier, SGDRegressor))
    if is_sgd and estimator.penalty in ("l2", None):  # its l1_ratio is that of "elasticnet" alone
        # Weighted losses are divided by the number of rows there, whatever the weights' sum.
        return (estimator.alpha * n_rows / total if estimator.penalty else 0.0), False
    is_squared = parameters.get("penalty", "l2") in ("l2", "deprecated", None)
    is_squared &= not chosen(estimator, "l1_ratio")
    # liblinear's intercept is the weight of one more column, of a constant.
    with_biases = parameters.get("solver") == "liblinear" and estimator.fit_intercept
    is_squared &= not with_biases or estimator.intercept_scaling == 1
    is_squared &= parameters.get("penalty_weights") is None and not isinstance(estimator, Lasso)
    if isinstance(estimator, LogisticRegression) and estimator.penalty is None:
        return 0.0, False
    if is_squared and strength is not None:
        return 1.0 / (strength * total), with_biases
    if is_squared and alpha is not None:
        return alpha, False
    raise ValueError(
        f"penalty: found True, and {type(estimator).__name__}, whose penalty is not known as a "
        "squared norm; allowed are penalty=False and estimators with an L2 penalty."
    )


def chosen(estimator, name):
    """A parameter's value, of a fit by cross-validation that which it chose; None without one."""
    parameters = estimator.get_params(deep=False)
    value = parameters[name] if name in parameters else getattr(estimator, f"{name}_", None)
    values = np.unique([0.0 if part is None else part for part in np.ravel(value)])
    if len(values) > 1:
        raise ValueError(
            f"penalty: found True, and {name} = {values.tolist()}, strengths of several outputs; "
            "allowed are penalty=False and one strength for all."
        )
    return None if value is None else float(values[0])
