"""What the tour shows: every estimator on data of scikit-learn's, beside its counterpart.

A new estimator joins by one more `Entry` in `ENTRIES`; the rest of the tour does not know any.
"""

from dataclasses import dataclass
from inspect import signature

from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import (
    BayesianRidge,
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_optland.langevin import LangevinClassifier, LangevinRegressor
from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    BoundMajorizationLogisticRegressionCV,
    FiniteSumClassifier,
    FiniteSumClassifierCV,
    FiniteSumRegressor,
    FiniteSumRegressorCV,
    LatentLogisticRegression,
    MaxMarginClassifier,
    SAGAClassifier,
    SAGARegressor,
    SDCAClassifier,
    SDCARegressor,
    SVRGClassifier,
    SVRGRegressor,
)
from sklearn_optland.neural_network import (
    ADMMNetClassifier,
    ADMMNetRegressor,
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
)
from sklearn_optland.structured import ChainCRFClassifier
from sklearn_optland.tensor import NNLiftRegressor, TensorNetClassifier, TensorNetRegressor
from sklearn_optland.tree import LOMForestClassifier, LOMTreeClassifier

DATA = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "diabetes": load_diabetes,
}

# What its defaults will be, which scikit-learn warns of; before 1.8 they were so without a word.
_QUIET = {"l1_ratios": (0.0,), "scoring": None, "use_legacy_attributes": False}
if "use_legacy_attributes" not in signature(LogisticRegressionCV).parameters:
    _QUIET = {}


@dataclass(frozen=True)
class Entry:
    """An estimator on the tour, and what it is shown with.

    Parameters
    ----------
    estimator : estimator
        The estimator. It is cloned, never fitted.
    counterpart : estimator
        What scikit-learn has for the same task.
    grid : dict of str to list
        Parameters that the grid search tries, for both.
    data : tuple of str
        Keys of `DATA`, the largest last.
    variants : tuple of dict
        Settings of the estimator whose convergence ``--plots`` compares, a figure a data set.
    """

    estimator: BaseEstimator
    counterpart: BaseEstimator
    grid: dict
    data: tuple[str, ...]
    variants: tuple[dict, ...] = ()


ENTRIES = [
    Entry(
        estimator=ADMMNetClassifier((50,), "tanh", random_state=0),
        counterpart=MLPClassifier((50,), "tanh", solver="lbfgs", max_iter=1000, random_state=0),
        grid={"alpha": [1e-4, 1e-3, 1e-2]},
        data=("iris", "wine", "breast_cancer", "digits"),
    ),
    Entry(
        estimator=ADMMNetRegressor((10,), "tanh", random_state=0),
        counterpart=MLPRegressor(
            hidden_layer_sizes=(10,),
            activation="tanh",
            solver="lbfgs",
            max_iter=5000,
            random_state=0,
        ),
        grid={"alpha": [1.0, 10.0, 100.0]},
        data=("diabetes",),
    ),
    Entry(
        estimator=BoundMajorizationLogisticRegression(random_state=0),
        counterpart=LogisticRegression(max_iter=1000),
        grid={"C": [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]},
        data=("iris", "wine", "breast_cancer", "digits"),
        variants=(
            {"curvature": "auto"},
            {"curvature": "jc12"},
            {"curvature": "bohning-nesterov"},
        ),
    ),
    Entry(
        estimator=BoundMajorizationLogisticRegressionCV(Cs=6),
        counterpart=LogisticRegressionCV(Cs=6, max_iter=1000, **_QUIET),
        grid={"fit_intercept": [True, False]},
        data=("iris", "wine"),
    ),
    Entry(  # rows of a table are sequences of one token
        estimator=ChainCRFClassifier(random_state=0),
        counterpart=LogisticRegression(max_iter=1000),
        grid={"C": [0.01, 0.1, 1.0, 10.0]},
        data=("iris", "wine"),
        variants=({"solver": "sdca"}, {"solver": "lbfgs"}),
    ),
    Entry(
        estimator=FiniteSumClassifier(random_state=0),
        counterpart=SGDClassifier("log_loss", random_state=0),
        grid={"alpha": [0.0001, 0.001, 0.01, 0.1]},
        data=("iris", "wine", "breast_cancer", "digits"),
        variants=(
            {"solver": "saga", "alpha": 0.01},
            {"solver": "sdca", "alpha": 0.01},
            {"solver": "catalyst", "alpha": 0.01},
        ),
    ),
    Entry(
        estimator=FiniteSumRegressor("huber", epsilon=50.0, random_state=0),
        counterpart=SGDRegressor("huber", epsilon=50.0, random_state=0),
        grid={"alpha": [0.0001, 0.001, 0.01, 0.1]},
        data=("diabetes",),
        variants=(
            {"solver": "saga", "alpha": 0.01},
            {"solver": "svrg", "alpha": 0.01},
            {"solver": "point-saga", "alpha": 0.01},
        ),
    ),
    Entry(
        estimator=FiniteSumClassifierCV(alphas=6, random_state=0),
        counterpart=LogisticRegressionCV(Cs=6, max_iter=1000, **_QUIET),
        grid={"fit_intercept": [True, False]},
        data=("iris", "wine"),
    ),
    Entry(
        estimator=FiniteSumRegressorCV(alphas=20, l1_ratios=(1.0,), random_state=0),
        counterpart=LassoCV(alphas=20),
        grid={"fit_intercept": [True, False]},
        data=("diabetes",),
    ),
    Entry(
        estimator=LangevinClassifier(random_state=0),
        counterpart=LogisticRegression(max_iter=1000),
        grid={"C": [0.1, 1.0]},
        data=("wine", "breast_cancer"),
    ),
    Entry(
        estimator=LangevinRegressor(random_state=0),
        counterpart=BayesianRidge(),
        grid={},
        data=("diabetes",),
    ),
    Entry(
        estimator=LatentLogisticRegression(random_state=0),
        counterpart=LogisticRegression(max_iter=1000),
        grid={"C": [0.01, 0.1, 1.0]},
        data=("iris", "wine", "digits"),
        variants=({"solver": "lbfgs"}, {"solver": "jc12"}, {"solver": "bohning"}),
    ),
    Entry(
        estimator=MaxMarginClassifier(),
        counterpart=LinearSVC(C=1e6, max_iter=10_000),
        grid={"fit_intercept": [True, False]},
        data=("wine",),
    ),
    *(
        Entry(
            estimator=named(alpha=0.01, random_state=0),
            counterpart=SGDClassifier("log_loss", alpha=0.01, random_state=0),
            grid={"alpha": [0.01, 0.1, 1.0]},
            data=("wine",),
        )
        for named in (SAGAClassifier, SDCAClassifier, SVRGClassifier)
    ),
    *(
        Entry(
            estimator=named(alpha=0.01, random_state=0),
            counterpart=SGDRegressor(alpha=0.01, random_state=0),
            grid={"alpha": [0.01, 0.1, 1.0]},
            data=("diabetes",),
        )
        for named in (SAGARegressor, SDCARegressor, SVRGRegressor)
    ),
    Entry(
        estimator=LOMForestClassifier(random_state=0),
        counterpart=RandomForestClassifier(random_state=0),
        grid={"n_estimators": [3, 10, 30]},
        data=("iris", "wine", "breast_cancer", "digits"),
    ),
    Entry(
        estimator=LOMTreeClassifier(random_state=0),
        counterpart=DecisionTreeClassifier(random_state=0),
        grid={"max_depth": [2, 4, 6, 8, 10]},
        data=("iris", "wine", "breast_cancer", "digits"),
    ),
    Entry(
        estimator=MeanFieldTwoLayerNet(max_iter=5000, random_state=0),
        counterpart=MLPRegressor(learning_rate_init=0.01, max_iter=5000, random_state=0),
        grid={"alpha": [0.003, 0.01, 0.03, 0.1]},
        data=("diabetes",),
    ),
    Entry(
        estimator=MeanFieldTwoLayerNetClassifier(max_iter=5000, random_state=0),
        counterpart=MLPClassifier(solver="lbfgs", max_iter=5000, random_state=0),
        grid={"alpha": [0.001, 0.01, 0.1, 1.0]},
        data=("wine", "breast_cancer", "digits"),
    ),
    Entry(  # warns: some of the columns are far from normal
        estimator=NNLiftRegressor(random_state=0),
        counterpart=MLPRegressor(
            hidden_layer_sizes=(3,),
            activation="tanh",
            solver="lbfgs",
            max_iter=5000,
            random_state=0,
        ),
        grid={"alpha": [1e-4, 1e-2, 1.0]},
        data=("diabetes",),
    ),
    Entry(
        estimator=TensorNetClassifier(4),
        counterpart=MLPClassifier(solver="lbfgs", max_iter=1000, random_state=0),
        grid={"alpha": [1e-3, 1e-2, 1e-1]},
        data=("iris", "wine"),
    ),
    Entry(
        estimator=TensorNetRegressor(5),
        counterpart=MLPRegressor(solver="lbfgs", max_iter=5000, random_state=0),
        grid={"alpha": [1e-2, 1e-1, 1.0]},
        data=("diabetes",),
    ),
]
