"""Fits along the strengths of a penalty, each started where the last one ended."""

import time

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Bunch

from sklearn_optland._estimator.typing import MatrixLike


def fits_along(estimator, X, y, name, values, sample_weight=None):
    """Yield one clone of an estimator, fitted for each value of a parameter in turn.

    Parameters
    ----------
    estimator : estimator with `warm_start`
    X, y, sample_weight
        As of `fit`.
    name : str
    values : iterable of float
    """
    model = clone(estimator).set_params(warm_start=True)
    if hasattr(model, "_fits_along"):  # a family's own way
        yield from model._fits_along(X, y, sample_weight, values)
        return
    for value in values:
        yield model.set_params(**{name: float(value)}).fit(X, y, sample_weight=sample_weight)


def strongest_first(name, values):
    """Order of the values of `C` or of `alpha` from the strongest penalty on: near are near."""
    return np.argsort(values if name == "C" else -values, kind="stable")


def regularization_path(
    estimator: BaseEstimator,
    X: MatrixLike,
    y: ArrayLike,
    values: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> Bunch:
    """Compute the regularization path of a linear model.

    The model is fitted for many strengths of its penalty, L1, L2 or an elastic net, each fit
    started from the last.

    Parameters
    ----------
    estimator : estimator
        A linear model of this package, with its parameters; its `C` or `alpha` is replaced. It is
        cloned.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training data.
    y : array-like of shape (n_samples,)
        Targets.
    values : array-like of shape (n_values,)
        Values of `C` or `alpha`. The path runs from the strongest penalty to the weakest.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.

    Returns
    -------
    path : :class:`~sklearn.utils.Bunch`
        In the order of `values`:

        values : ndarray of shape (n_values,)
            The values.
        coefs : ndarray of shape (n_values, n_features) or (n_values, n_classes, n_features)
            `coef_` of each fit.
        intercepts : ndarray of shape (n_values,) or (n_values, n_classes)
            `intercept_` of each fit.
        certificates : list of Certificate
            `certificate_` of each fit.
        seconds : ndarray of shape (n_values,)
            Wall time of each fit.

    Raises
    ------
    ValueError
        If the estimator has neither `C` nor `alpha` with `warm_start`, or a value is not one.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_optland.linear_model import FiniteSumRegressor, regularization_path
    >>> X, y = load_diabetes(return_X_y=True, scaled=True)
    >>> model = FiniteSumRegressor(l1_ratio=1.0, random_state=0)
    >>> path = regularization_path(model, X, y, [1.0, 0.1, 0.01])
    >>> [int((coef != 0).sum()) for coef in path.coefs]
    [3, 7, 10]
    """
    parameters = estimator.get_params()
    name = next((name for name in ("C", "alpha") if name in parameters), None)
    if name is None or "warm_start" not in parameters:
        raise ValueError(
            f"estimator: found {type(estimator).__name__}; allowed are linear models with "
            "warm_start and with C or alpha."
        )
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values) or np.isnan(values).any():
        raise ValueError(f"values: found {values!r}; allowed are numbers, one or more.")
    order = strongest_first(name, values)
    found, start = [None] * len(values), time.perf_counter()
    fits = fits_along(estimator, X, y, name, values[order], sample_weight)
    for number, model in zip(order, fits, strict=True):
        now = time.perf_counter()
        found[number] = model.coef_, model.intercept_, model.certificate_, now - start
        start = time.perf_counter()
    coefs, intercepts, certificates, seconds = zip(*found, strict=True)
    return Bunch(
        values=values,
        coefs=np.array(coefs),
        intercepts=np.array(intercepts),
        certificates=list(certificates),
        seconds=np.array(seconds),
    )
