"""What every estimator of the package has beyond scikit-learn's base classes."""

import warnings
from functools import wraps

import numpy as np
from sklearn.base import _fit_context
from sklearn.exceptions import InconsistentVersionWarning

from sklearn_optland._version import __version__

COLUMNS = ("n_features_in_", "feature_names_in_")


def fit_context(method):
    """Decorate `fit` and `partial_fit`: if one raises, the estimator keeps the columns it had.

    Validation stores those of new rows before anything can be found wrong with them. Around the
    method is scikit-learn's context, which checks the parameters and opens that of callbacks.
    """
    in_context = _fit_context(prefer_skip_nested_validation=True)(method)
    # An interrupted partial_fit keeps what it has learned.
    undone = BaseException if method.__name__ == "fit" else Exception

    @wraps(method)
    def call(estimator, *data, **options):
        before = {name: vars(estimator)[name] for name in COLUMNS if name in vars(estimator)}
        try:
            return in_context(estimator, *data, **options)
        except undone:
            vars(estimator).update(before)
            for name in COLUMNS:
                if name not in before:
                    vars(estimator).pop(name, None)
            raise

    return call


def check_start(estimator, *names):
    """Raise ValueError if attributes that a warm start takes up are not finite.

    Parameters
    ----------
    estimator : estimator
        A fitted one.
    *names : str
        Of arrays, or of lists of arrays.
    """
    for name in names:
        value = getattr(estimator, name)
        parts = value if isinstance(value, list) else [value]
        if not all(np.isfinite(part).all() for part in parts):
            raise ValueError(
                f"{name}: found NaN or infinity, with warm_start=True; allowed are finite values."
            )


class OptlandEstimator:
    """Mixin of all estimators: pickles know the version of the package that wrote them.

    It stands before scikit-learn's mixins and ``BaseEstimator``, whose own version stamp and
    documentation links are for scikit-learn's modules only.
    """

    # The documentation has no address yet. Until `_doc_link_module` and `_doc_link_template` are
    # set here, scikit-learn's HTML display links to nothing.

    def __getstate__(self):
        return {**super().__getstate__(), "_sklearn_optland_version": __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop("_sklearn_optland_version", "unknown")
        if version != __version__:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=__version__,
                    original_sklearn_version=version,
                ),
                stacklevel=2,
            )
        super().__setstate__(state)
