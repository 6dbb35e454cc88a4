"""The console script ``sklearn-optland-tour``: the package on real data, beside scikit-learn."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from threadpoolctl import threadpool_limits

from sklearn_optland._tour import report
from sklearn_optland._tour.entries import DATA, ENTRIES
from sklearn_optland._tour.stories import STORIES

__all__ = ["main"]


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
    if arguments.data or arguments.all:
        chosen = arguments.data or DATA
        stops = [(data, entry) for data in chosen for entry in ENTRIES if data in entry.data]
    else:
        stops = [(entry.data[-1], entry) for entry in ENTRIES]
    # One thread each is fair and, with data so small, much the fastest for both.
    with threadpool_limits(limits=1):
        if arguments.all:
            report.searches(stops, arguments.progress)
        else:
            if not arguments.data:
                report.stories(STORIES)
            report.fits(stops, arguments.progress)
        if arguments.plots:
            report.figures(stops, arguments.plots)
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="sklearn-optland-tour",
        description="Fit every estimator of sklearn_optland on real data, beside scikit-learn's.",
    )
    parser.add_argument(
        "--data",
        nargs="+",
        choices=DATA,
        help="only the estimators, on these data sets (default: the stories, then each estimator "
        "on the largest of its data sets)",
    )
    parser.add_argument(
        "--all", action="store_true", help="tune every estimator on each of its data sets instead"
    )
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="write figures of the convergence to DIR"
    )
    parser.add_argument(
        "--no-progress", dest="progress", action="store_false", help="show no progress bars"
    )
    return parser
