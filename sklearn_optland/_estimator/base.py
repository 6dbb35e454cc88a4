"""What every estimator of the package has beyond scikit-learn's base classes."""

import warnings
from functools import cache, wraps
from typing import cast

import numpy as np
from sklearn.base import _fit_context
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import make_constraint

from sklearn_optland._estimator.lazy import refuse_dask
from sklearn_optland._estimator.typing import Method
from sklearn_optland._version import __version__


def fit_context(method: Method) -> Method:
    """Decorate `fit` and `partial_fit`: if one raises, the estimator is what it was before.

    Validation stores the columns of new rows before anything can be found wrong with them. Around
    the method is scikit-learn's context, which checks the parameters and opens that of callbacks.
    """
    in_context = _fit_context(prefer_skip_nested_validation=True)(method)
    # An interrupted partial_fit keeps what it has learned.
    undone = BaseException if method.__name__ == "fit" else Exception

    @wraps(method)
    def call(estimator, *data, **options):
        refuse_dask(estimator, method.__name__, (*data, *options.values()))
        state = vars(estimator)
        before = state.copy()
        try:
            return in_context(estimator, *data, **options)
        except undone:
            state.update(before)
            for name in state.keys() - before.keys():
                del state[name]
            raise

    return cast(Method, call)


def goes_on(estimator, attribute, classes=None):
    """Whether `fit` starts from the previous one: it is asked to, and the classes are the same.

    Parameters
    ----------
    estimator : estimator with `warm_start`
    attribute : str
        What a previous fit has left. Whether its shape is that of the new problem, which follows
        from columns, outputs and sizes, is left to the caller.
    classes : ndarray, default=None
        Sorted labels of the new data; None in a regression.
    """
    if not (estimator.warm_start and hasattr(estimator, attribute)):
        return False
    return classes is None or np.array_equal(estimator.classes_, classes)


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


def private_random_state(random_state, default=None):
    """`check_random_state`, but None leaves NumPy's global generator alone.

    Parameters
    ----------
    random_state : int, RandomState instance or None
    default : int, default=None
        What None stands for. Default: a seed of its own each time.

    Returns
    -------
    rng : RandomState
    """
    if random_state is None:
        return np.random.RandomState(default)
    return check_random_state(random_state)


@cache
def _constraints_of(kind):
    """What a class allows its parameters to be, by their names: made once, not for each fit."""
    made = []
    for name in kind._get_param_names():
        allowed = kind._parameter_constraints.get(name, "no_validation")
        if not (isinstance(allowed, str) and allowed == "no_validation"):
            made.append((name, [make_constraint(constraint) for constraint in allowed]))
    return made


class OptlandEstimator:
    """Mixin of all estimators: pickles know the version of the package that wrote them.

    It stands before scikit-learn's mixins and ``BaseEstimator``, whose own version stamp and
    documentation links are for scikit-learn's modules only.
    """

    # The documentation has no address yet. Until `_doc_link_module` and `_doc_link_template` are
    # set here, scikit-learn's HTML display links to nothing.

    _takes_sparse = False
    # Methods that learn from collections of Dask.
    _takes_dask = ()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._takes_sparse
        return tags

    def _validate_params(self):
        """Check the parameters; what is wrong with one scikit-learn says."""
        for name, constraints in _constraints_of(type(self)):
            value = getattr(self, name)
            if not any(constraint.is_satisfied_by(value) for constraint in constraints):
                super()._validate_params()

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
