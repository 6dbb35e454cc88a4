"""How training and test losses of many runs of one net go together."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.typing import MatrixLike, RandomState
from sklearn_optland.landscape._surface import LossSurface


@dataclass(frozen=True, repr=False)
class LossCorrelation:
    """Training and test losses of many runs.

    Parameters
    ----------
    train_losses_, test_losses_ : ndarray of shape (n_runs,)
        Mean losses without penalty.
    """

    train_losses_: np.ndarray
    test_losses_: np.ndarray

    @property
    def correlation_(self) -> float:
        """Pearson's correlation; NaN if all runs ended at one loss."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.corrcoef(self.train_losses_, self.test_losses_)[0, 1])

    @property
    def standard_error_(self) -> float:
        """(1 - ρ²) / √n_runs."""
        return (1.0 - self.correlation_**2) / np.sqrt(len(self.train_losses_))

    def __repr__(self):
        return f"correlation {self.correlation_:.3f} ± {self.standard_error_:.3f}"


@validate_params(
    {
        "estimator": [HasMethods(["fit"])],
        "n_runs": [Interval(Integral, 2, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def loss_correlation(
    estimator: BaseEstimator,
    X: MatrixLike,
    y: ArrayLike,
    X_test: MatrixLike,
    y_test: ArrayLike,
    *,
    n_runs: int = 30,
    n_jobs: int | None = None,
    random_state: RandomState = None,
) -> LossCorrelation:
    """Train a net many times, and correlate its training and test losses.

    The wider a net, the nearer to each other are the losses at which training ends, and the less
    does the training loss say of the test loss.

    Parameters
    ----------
    estimator : estimator
        A net as `LossSurface` takes it, with the parameter `random_state`. It is cloned.
    X, y : array-like
        Training rows.
    X_test, y_test : array-like
        Test rows.
    n_runs : int, default=30
        Number of runs.
    n_jobs : int, default=None
        Processes, as joblib has them.
    random_state : int, RandomState instance or None, default=None
        Draws the states of the runs.

    Returns
    -------
    losses : LossCorrelation
        The losses, their correlation and its standard error.

    Raises
    ------
    ValueError
        If the estimator is no net.

    References
    ----------
    A. Choromanska, M. Henaff, M. Mathieu, G. Ben Arous and Y. LeCun, "The loss surfaces of
    multilayer networks", AISTATS 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_optland.landscape import loss_correlation
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((3,), alpha=0.1, solver="lbfgs", max_iter=9999)
    >>> runs = loss_correlation(net, X[::2], y[::2], X[1::2], y[1::2], n_runs=5, random_state=0)
    >>> runs.train_losses_.shape
    (5,)
    """
    rng = check_random_state(random_state)
    states = rng.randint(np.iinfo(np.int32).max, size=n_runs).tolist()
    runs = Parallel(n_jobs)(
        delayed(losses_of_run)(estimator, state, X, y, X_test, y_test) for state in states
    )
    train, test = (np.array(part) for part in zip(*runs, strict=True))
    return LossCorrelation(train, test)


def losses_of_run(estimator, state, X, y, X_test, y_test):
    """Training and test loss of one run."""
    net = clone(estimator).set_params(random_state=state).fit(X, y)
    surfaces = (LossSurface(net, *part, penalty=False) for part in ((X, y), (X_test, y_test)))
    return tuple(surface.loss(surface.theta_) for surface in surfaces)
