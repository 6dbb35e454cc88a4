"""What the package is for, in a few fits: its defaults against scikit-learn's, wins and a loss."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits, load_sample_image
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    FiniteSumClassifier,
    FiniteSumRegressor,
)
from sklearn_optland.neural_network import ADMMNetClassifier


@dataclass(frozen=True)
class Story:
    """A task, and two estimators at their defaults on it.

    Parameters
    ----------
    title : str
        The task and the data.
    load : callable
        ``load() -> X, y``.
    estimator, counterpart : estimator
        Ours, and the class that a user of scikit-learn takes. They are cloned, never fitted.
    moral : str
        What the figures say.
    objective : callable, default=None
        ``objective(model, X, y) -> float``, which both minimise; None where they minimise
        different things.
    """

    title: str
    load: Callable
    estimator: BaseEstimator
    counterpart: BaseEstimator
    moral: str
    objective: Callable | None = None


def middle_pixels():
    """Each pixel of a photograph, and the 24 around it: 269 028 rows."""
    brightness = load_sample_image("china.jpg").mean(axis=2)
    patches = sliding_window_view(brightness, (5, 5)).reshape(-1, 25)
    return np.delete(patches, 12, axis=1), patches[:, 12]


def digits():
    return load_digits(return_X_y=True)


def lasso_objective(model, X, y):
    return 0.5 * np.mean((y - model.predict(X)) ** 2) + model.alpha * np.abs(model.coef_).sum()


def logistic_objective(model, X, y):
    losses = log_loss(y, model.predict_proba(X), normalize=False)
    return model.C * losses + 0.5 * np.sum(model.coef_**2)


STORIES = [
    Story(
        title="Lasso: the middle of 269 028 patches of a photograph by the 24 pixels around it",
        load=middle_pixels,
        estimator=FiniteSumRegressor(alpha=1.0, l1_ratio=1.0),
        counterpart=Lasso(alpha=1.0),
        moral="One pass over the rows; then every step works on 24 × 24 numbers.",
        objective=lasso_objective,
    ),
    Story(
        title="Logistic regression: ten digits, columns as they come",
        load=digits,
        estimator=BoundMajorizationLogisticRegression(),
        counterpart=LogisticRegression(),
        moral="The default of the one is proven to be at the optimum; the other's stops short.",
        objective=logistic_objective,
    ),
    Story(
        title="Eight layers of sigmoids: ten digits",
        load=digits,
        # MLPClassifier's alpha; the default would choose its own by held-out rows.
        estimator=ADMMNetClassifier((50,) * 8, "logistic", alpha=1e-4, random_state=0),
        counterpart=MLPClassifier((50,) * 8, "logistic", random_state=0),
        moral="Stochastic gradients do not leave the start; a step in ADMM's metric does.",
    ),
    Story(
        title="A loss: squared hinge, ten digits, each against the rest",
        load=digits,
        estimator=FiniteSumClassifier("squared_hinge", alpha=1 / 1347),
        counterpart=LinearSVC(),
        moral="liblinear's ground: here it stops sooner, and its labels are as good.",
    ),
]


@dataclass(frozen=True)
class Outcome:
    """A fit of a story: its time and score, its distance from the optimum, and what it said."""

    name: str
    seconds: float
    score: float
    distance: str
    says: str


def tell(story):
    """Fit both estimators of a story on three quarters of the rows.

    Returns
    -------
    outcomes : list of Outcome
        Of the estimator and of its counterpart. A distance is that of the objective on the
        training rows from the least value that the certificate leaves possible.
    """
    X_train, X_test, y_train, y_test = train_test_split(*story.load(), random_state=0)
    models, seconds, says = [], [], []
    for estimator in (story.estimator, story.counterpart):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            start = perf_counter()
            models.append(clone(estimator).fit(X_train, y_train))
            seconds.append(perf_counter() - start)
        kinds = sorted({warning.category.__name__ for warning in caught})
        certificate = getattr(models[-1], "certificate_", None)
        says.append(", ".join(kinds) or ("-" if certificate is None else str(certificate)))
    distances = ["", ""]
    if story.objective is not None:
        reached = [story.objective(model, X_train, y_train) for model in models]
        least = reached[0] - models[0].certificate_.relative * reached[0]
        distances = [f"{(value - least) / least:.0e}" for value in reached]
    return [
        Outcome(type(model).__name__, second, model.score(X_test, y_test), distance, said)
        for model, second, distance, said in zip(models, seconds, distances, says, strict=True)
    ]
