"""The tour's tables and figures."""

import pickle
import sys
import warnings
from time import perf_counter

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_optland._tour.entries import DATA
from sklearn_optland._tour.stories import tell
from sklearn_optland.plotting import ConvergenceDisplay

FOLDS = 5
# The width where the output is no terminal, which has its own.
WIDTH = 120
# Even the slowest variant takes only a few seconds for so many, on digits.
FIGURE_ITERATIONS = 300
FIT_NOTES = """\
score: on a quarter of the rows, which no fit saw.
seconds: one fit on one thread, columns standardised.
gap: what certificate_.relative says, the distance from the optimum where it is global.
Each model was pickled and reloaded, and predicted the same. --all tunes each on all of its data.\
"""
SEARCH_NOTES = """\
score: on a quarter of the rows, kept out of the search.
seconds: the whole grid search, on one thread, each estimator at its default tol.
certificate: how far the best model, refitted, can be from the optimum, as a share of what it names.
Every best model was pickled and reloaded, and predicted the same.\
"""


def stories(told):
    """Print each story: both estimators, and what their figures say."""
    console = _console()
    for story in told:
        table = _table("estimator", "score", "seconds", "above the optimum", "what the fit says")
        for outcome in tell(story):
            table.add_row(
                outcome.name,
                f"{outcome.score:.3f}",
                f"{outcome.seconds:.2f}",
                outcome.distance,
                outcome.says,
            )
        console.print(f"[bold]{story.title}[/bold]\n")
        console.print(table)
        console.print(f"\n{story.moral}\n\n")


def fits(stops, progress):
    """Print a table with a line for each estimator: its fit, and its counterpart's."""
    table = _table(
        "data", "estimator", "score", "seconds", "counterpart", "score", "seconds", "gap"
    )
    for data, entry in _with_progress(stops, progress):
        X_train, _, y_train, _ = _split(data)
        cells = []
        for estimator in (entry.estimator, entry.counterpart):
            start = perf_counter()
            with warnings.catch_warnings():
                if estimator is entry.counterpart:  # which has no gap to be shown instead
                    warnings.simplefilter("ignore", ConvergenceWarning)
                model = _pipeline(estimator).fit(X_train, y_train)
            cells += _cells(data, model, perf_counter() - start)
        *cells, _ = cells  # counterparts have no certificate
        name, score, seconds, certificate, *counterpart = cells
        gap = f"{certificate.relative:.0e} {certificate.scope}"
        table.add_row(data, name, score, seconds, *counterpart, gap)
    _print(table, FIT_NOTES)


def searches(stops, progress):
    """Print a table with a tuned model of each estimator and of its counterpart."""
    table = _table("data", "estimator", "score", "seconds", "certificate")
    for data, entry in _with_progress(stops, progress):
        X_train, _, y_train, _ = _split(data)
        for estimator in (entry.estimator, entry.counterpart):
            pipeline = _pipeline(estimator)
            grid = {f"{pipeline.steps[-1][0]}__{name}": grid for name, grid in entry.grid.items()}
            search = GridSearchCV(pipeline, grid, cv=FOLDS)
            start = perf_counter()
            search.fit(X_train, y_train)
            *cells, certificate = _cells(data, search.best_estimator_, perf_counter() - start)
            table.add_row(data, *cells, "-" if certificate is None else str(certificate))
    _print(table, SEARCH_NOTES)


def figures(stops, directory):
    """Write a figure of the convergence of each entry's variants; print where."""
    for data, entry in stops:
        if entry.variants:
            print(_write_figure(data, entry, directory))


def _console():
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)


def _table(*columns):
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=0)
    for column in columns[:-1]:
        number = column in {"score", "seconds", "above the optimum"}
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    table.add_column(columns[-1])  # the one that wraps in a narrow terminal
    return table


def _with_progress(stops, progress):
    """The stops, with a bar on a terminal: elsewhere it would only pile up in the output."""
    if not (progress and sys.stdout.isatty()):
        return stops
    from rich.progress import track

    return track(stops, description="Fitting", console=_console())


def _pipeline(estimator):
    return make_pipeline(StandardScaler(), clone(estimator))


def _split(data):
    """X_train, X_test, y_train, y_test: the same for all who ask."""
    return train_test_split(*DATA[data](return_X_y=True), test_size=0.25, random_state=0)


def _cells(data, pipeline, seconds):
    """Score, pickle and reload a fitted pipeline: name, score, seconds, certificate or None."""
    name = type(pipeline[-1]).__name__
    _, X_test, _, y_test = _split(data)
    reloaded = pickle.loads(pickle.dumps(pipeline))
    if not np.array_equal(reloaded.predict(X_test), pipeline.predict(X_test)):
        raise RuntimeError(f"{data}: {name} predicts something else after pickling.")
    score = f"{pipeline.score(X_test, y_test):.3f}"
    return name, score, f"{seconds:.2f}", getattr(pipeline[-1], "certificate_", None)


def _print(table, notes):
    console = _console()
    console.print(table)
    console.print(f"\n{notes}")


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
