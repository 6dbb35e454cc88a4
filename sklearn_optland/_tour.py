"""The tour: every estimator of the package on real data, beside scikit-learn's counterpart.

It is the console script ``sklearn-optland-tour``. The data come with scikit-learn. A new estimator
joins by one more `Entry` in `ENTRIES`; the rest of this file does not know any estimator.
"""

import argparse
import pickle
import sys
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.callback import ProgressBar
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

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
from sklearn_optland.plotting import ConvergenceDisplay
from sklearn_optland.structured import ChainCRFClassifier
from sklearn_optland.tensor import NNLiftRegressor
from sklearn_optland.tree import LOMForestClassifier, LOMTreeClassifier

DATA = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "diabetes": load_diabetes,
}


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
        Keys of `DATA`.
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
        counterpart=LogisticRegressionCV(
            Cs=6, l1_ratios=(0.0,), max_iter=1000, scoring=None, use_legacy_attributes=False
        ),
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
        counterpart=LogisticRegressionCV(
            Cs=6, l1_ratios=(0.0,), max_iter=1000, scoring=None, use_legacy_attributes=False
        ),
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
        data=("wine", "digits"),
    ),
    *(
        Entry(
            estimator=named(random_state=0),
            counterpart=SGDClassifier("log_loss", random_state=0),
            grid={"alpha": [0.01, 0.1, 1.0]},
            data=("wine",),
        )
        for named in (SAGAClassifier, SDCAClassifier, SVRGClassifier)
    ),
    *(
        Entry(
            estimator=named(random_state=0),
            counterpart=SGDRegressor(random_state=0),
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
]

FOLDS = 5
# The width where the output is no terminal, which has its own.
WIDTH = 120
# Even the slowest variant takes only a few seconds for so many, on digits.
FIGURE_ITERATIONS = 300
NOTES = """\
score: on a quarter of the rows, kept out of the search.
seconds: the whole grid search, on one thread, each estimator at its default tol.
certificate: how far the best model, refitted, can be from the optimum, as a share of what it names.
Every best model was pickled and reloaded, and predicted the same.\
"""


def main(argv=None):
    """Run the tour.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments of the command line; None takes those of the process.

    Returns
    -------
    status : int
        Exit status of the process: 0, since what fails raises.
    """
    arguments = _parser().parse_args(argv)
    for library in ["rich", "matplotlib"] if arguments.plots else ["rich"]:
        if find_spec(library) is None:
            sys.exit(f'The tour needs {library}: pip install "sklearn-optland[tour]" brings it.')
    if arguments.plots:
        arguments.plots.mkdir(parents=True, exist_ok=True)
    # Where nothing can be redrawn, finished bars would only pile up in the output.
    progress = arguments.progress and sys.stdout.isatty()

    stops = [(data, entry) for data in arguments.data for entry in ENTRIES if data in entry.data]
    # One thread each is fair and, with data so small, much the fastest for both.
    with threadpool_limits(limits=1):
        rows = [
            _search(data, estimator, entry.grid, progress)
            for data, entry in stops
            for estimator in (entry.estimator, entry.counterpart)
        ]
        _print_table(rows)
        if arguments.plots:
            for data, entry in stops:
                if entry.variants:
                    print(_write_figure(data, entry, arguments.plots))
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="sklearn-optland-tour",
        description="Fit every estimator of sklearn_optland on real data, beside scikit-learn's.",
    )
    parser.add_argument(
        "--data", nargs="+", choices=DATA, default=list(DATA), help="data sets (default: all)"
    )
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="write figures of the convergence to DIR"
    )
    parser.add_argument(
        "--no-progress", dest="progress", action="store_false", help="show no progress bars"
    )
    return parser


def _split(data):
    """X_train, X_test, y_train, y_test: the same for all who ask."""
    return train_test_split(*DATA[data](return_X_y=True), test_size=0.25, random_state=0)


def _search(data, estimator, grid, progress):
    """Tune, score, pickle and reload one estimator: a row of the table."""
    name = type(estimator).__name__
    X_train, X_test, y_train, y_test = _split(data)
    search = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("model", clone(estimator))]),
        {f"model__{parameter}": values for parameter, values in grid.items()},
        cv=FOLDS,
    )
    if progress:
        print(f"{data}: {name}")
        # Bars for each fit inside the search would not fit on a screen.
        search.set_callbacks(ProgressBar(max_propagation_depth=0))
    start = perf_counter()
    search.fit(X_train, y_train)
    seconds = perf_counter() - start

    best = search.best_estimator_
    reloaded = pickle.loads(pickle.dumps(best))
    if not np.array_equal(reloaded.predict(X_test), best.predict(X_test)):
        raise RuntimeError(f"{data}: {name} predicts something else after pickling.")
    certificate = getattr(best["model"], "certificate_", None)
    return (
        data,
        name,
        f"{best.score(X_test, y_test):.3f}",
        f"{seconds:.2f}",
        "-" if certificate is None else str(certificate),
    )


def _print_table(rows):
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    table = Table(box=box.SIMPLE, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("data", no_wrap=True)
    table.add_column("estimator", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("certificate")  # the one that wraps in a narrow terminal
    for i, row in enumerate(rows):
        table.add_row(*row, end_section=i + 1 < len(rows) and rows[i + 1][0] != row[0])
    console.print(table)
    console.print(f"\n{NOTES}")


def _write_figure(data, entry, directory):
    """Draw the convergence of an entry's variants; return the path of the PNG file."""
    # A Figure without pyplot needs no display and leaves no global state.
    from matplotlib.figure import Figure

    X_train, _, y_train, _ = _split(data)
    X_train = StandardScaler().fit_transform(X_train)
    models = [
        clone(entry.estimator).set_params(max_iter=FIGURE_ITERATIONS, **variant)
        for variant in entry.variants
    ]
    with warnings.catch_warnings():
        # A curve that ends above the others says it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for model in models:
            model.fit(X_train, y_train)
    labels = [
        ", ".join(f"{parameter}={value!r}" for parameter, value in variant.items())
        for variant in entry.variants
    ]
    axes = Figure(figsize=(7, 4.5), layout="constrained").add_subplot()
    ConvergenceDisplay.from_estimators(models, names=labels, slopes=False, ax=axes)
    axes.set_xscale("log")  # variants differ by orders of magnitude
    axes.xaxis.set_major_formatter("{x:g}")
    name = type(entry.estimator).__name__
    axes.set_title(f"{name} on {data}")
    path = directory / f"{data}_{name}.png"
    axes.figure.savefig(path, dpi=150)
    return path
