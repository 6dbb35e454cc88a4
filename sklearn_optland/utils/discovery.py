"""Find the estimators of the package, as :mod:`sklearn.utils.discovery` finds scikit-learn's."""

import inspect
import pkgutil
from collections.abc import Sequence
from importlib import import_module

from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClusterMixin,
    RegressorMixin,
    TransformerMixin,
)

import sklearn_optland
from sklearn_optland._estimator.certificate import Certificate

__all__ = ["all_estimators", "skops_trusted_types"]

_TYPES = {
    "classifier": ClassifierMixin,
    "regressor": RegressorMixin,
    "transformer": TransformerMixin,
    "cluster": ClusterMixin,
}


def _public_modules():
    """Import and yield the package and its public modules."""
    yield sklearn_optland
    for module in pkgutil.walk_packages(sklearn_optland.__path__, prefix="sklearn_optland."):
        if "._" not in module.name:
            yield import_module(module.name)


def all_estimators(type_filter: str | Sequence[str] | None = None) -> list[tuple[str, type]]:
    """Get a list of all estimators of the package.

    Parameters
    ----------
    type_filter : {"classifier", "regressor", "transformer", "cluster"} or list of such str, \
            default=None
        Which kind of estimators to return; with a list, those that fit at least one of its types.
        If None, all estimators are returned.

    Returns
    -------
    estimators : list of tuples
        List of (name, class), sorted by name.

    See Also
    --------
    sklearn.utils.discovery.all_estimators : The same for scikit-learn, which sees itself only.

    Examples
    --------
    >>> from sklearn_optland.utils.discovery import all_estimators
    >>> "BoundMajorizationLogisticRegression" in dict(all_estimators("classifier"))
    True
    """
    if type_filter is None:
        wanted = (BaseEstimator,)
    else:
        names = [type_filter] if isinstance(type_filter, str) else list(type_filter)
        if not set(names) <= set(_TYPES):
            raise ValueError(f"type_filter must be None or of {list(_TYPES)}, got {type_filter!r}.")
        wanted = tuple(_TYPES[name] for name in names)

    return sorted(
        {
            (name, cls)
            for module in _public_modules()
            for name, cls in inspect.getmembers(module, inspect.isclass)
            if name == cls.__name__  # not a second name of a class
            and cls.__module__.startswith("sklearn_optland.")
            and issubclass(cls, BaseEstimator)
            and issubclass(cls, wanted)
        },
        key=lambda estimator: estimator[0],
    )


def skops_trusted_types() -> list[str]:
    """Get the types of the package that :func:`skops.io.load` needs to be told to trust.

    These are all estimators and what they store; a model whose other parts are scikit-learn's
    loads with this list alone.

    Returns
    -------
    trusted : list of str
        Names of types, for the parameter `trusted` of :func:`skops.io.load`.

    See Also
    --------
    all_estimators : The estimators themselves.

    Examples
    --------
    >>> from skops.io import dumps, loads
    >>> from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
    >>> from sklearn_optland.utils.discovery import skops_trusted_types
    >>> model = BoundMajorizationLogisticRegression().fit([[0.0], [1.0]], [0, 1])
    >>> loads(dumps(model), trusted=skops_trusted_types())
    BoundMajorizationLogisticRegression()
    """
    types = [cls for _, cls in all_estimators()] + [Certificate]
    return [f"{cls.__module__}.{cls.__name__}" for cls in types]
