"""The one iteration loop of the package: callbacks, stopping, history, Ctrl-C."""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from sklearn.exceptions import ConvergenceWarning

# Packages between a user's line and a warning.
BETWEEN = ("sklearn", "sklearn_optland", "joblib")
# Advice never asks for more iterations than so many times those that there were.
MAX_ADVISED = 1000
# A relative value above this is no fit that a larger tol should accept.
LARGEST_ADVISED = 0.1


@dataclass
class Iteration:
    """What an algorithm yields after each iteration.

    Parameters
    ----------
    curves : dict of str to float
        One number for each curve of `history_`: "objective", "passes", ...
    attributes : callable
        Returns the fitted attributes that `predict` needs if the fit stopped here; called only
        if a callback asks for a fitted estimator.
    done : bool
        The algorithm has reached its tolerance, or the precision of its arithmetic.
    """

    curves: dict[str, float]
    attributes: Callable[[], dict] = field(repr=False)
    done: bool = False


def fit_loop(estimator, iterations, *, max_iter, X, y, metadata=None, task_name="iteration"):
    """Run an algorithm under scikit-learn's callbacks.

    Parameters
    ----------
    estimator : estimator with `sklearn.callback.CallbackSupportMixin`
    iterations : iterator of Iteration
        The algorithm, written as a generator: it computes one iteration each time it is asked.
    max_iter : int
        The most iterations that are asked for.
    X, y, metadata
        Handed to the callbacks as they are.
    task_name : str
        What a progress bar calls an iteration.

    Returns
    -------
    history : dict of str to ndarray
        The curves, an entry an iteration, and "seconds" since the start of the loop.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, with a message that says how far the fit had come.
    """
    context = estimator._init_callback_context(max_subtasks=max_iter)
    context.call_on_fit_task_begin(estimator=estimator, X=X, y=y, metadata=metadata)
    # Building a context for each iteration costs a few microseconds: only if someone listens.
    listening = hasattr(estimator, "_skl_callbacks")
    data = {"X": X, "y": y, "metadata": metadata}
    records = []
    start = perf_counter()
    iteration = None
    try:
        for _ in range(max_iter):
            if listening:
                task = context.subcontext(task_name=task_name)
                task.call_on_fit_task_begin(
                    estimator=estimator,
                    reconstruction_attributes=iteration and iteration.attributes,
                    **data,
                )
            iteration = next(iterations)
            records.append({**iteration.curves, "seconds": perf_counter() - start})
            stop = listening and task.call_on_fit_task_end(
                estimator=estimator, reconstruction_attributes=iteration.attributes, **data
            )
            if iteration.done or stop:
                break
    except KeyboardInterrupt:
        last = ", ".join(f"{name} {value:.6g}" for name, value in (records or [{}])[-1].items())
        raise KeyboardInterrupt(
            f"{type(estimator).__name__}.fit was interrupted after {len(records)} iterations"
            f"{' (' + last + ')' if last else ''}; the estimator keeps what it had before the fit."
        ) from None
    context.call_on_fit_task_end(
        estimator=estimator, reconstruction_attributes=iteration.attributes, **data
    )
    return {name: np.array([record[name] for record in records]) for name in records[0]}


def advise(estimator, n_iter, dtype, certificate, counts, values, remedy="scale the data"):
    """Say what to change, with its number, if a fit ended above its tolerance.

    Parameters
    ----------
    estimator : estimator with `max_iter`
    n_iter : int
        What `max_iter` counts, at the end of the fit.
    dtype : dtype
        Of the data.
    certificate : Certificate
    counts, values : ndarray
        What `max_iter` counts, and the certificate's value, at each iteration that measured it.
    remedy : str, default="scale the data"
        What helps where more iterations would not.
    """
    tol = f"tol to {2 * certificate.relative:.1g}"
    if n_iter < estimator.max_iter:
        return f"That is as far as {dtype} goes: set {tol}, or to 0."
    or_tol = f", or {tol}" if certificate.relative < LARGEST_ADVISED else ""
    if certificate.tolerance:
        needed = predicted_count(counts, values, certificate.tolerance)
        if needed < MAX_ADVISED * estimator.max_iter:
            return f"Set max_iter to about {float(f'{needed:.2g}'):.0f}{or_tol}."
    return f"It hardly falls any more: {remedy}{or_tol}."


def predicted_count(counts, values, tolerance):
    """Iterations until a value comes to its tolerance, at the rate of the later half."""
    known = np.isfinite(values) & (values > 0)
    counts, logs = np.asarray(counts)[known], np.log(np.asarray(values)[known])
    if len(counts) < 2:
        return np.inf
    middle = (len(counts) - 1) // 2
    fall = (logs[middle] - logs[-1]) / (counts[-1] - counts[middle])
    return 1.2 * (counts[-1] + (logs[-1] - np.log(tolerance)) / fall) if fall > 0 else np.inf


def warn_unless_reached(estimator, certificate, n_iter, advice):
    """Warn if a fit ended above its tolerance: with the relative value, and what to change."""
    if certificate.reached is False:
        asked = certificate.tolerance * certificate.relative / certificate.value
        warn_of_the_end(estimator, certificate, n_iter, f"tol asks for {asked:.1e}. {advice}")


def warn_of_the_end(estimator, certificate, n_iter, advice):
    """Warn of where a fit has ended."""
    warnings.warn(
        f"{type(estimator).__name__} stopped after {n_iter} iterations with {certificate}; "
        f"{advice}",
        ConvergenceWarning,
        stacklevel=_levels_to_the_caller(),
    )


def _levels_to_the_caller():
    """The `stacklevel` of a warning at the user's line."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in BETWEEN:
        frame, level = frame.f_back, level + 1
    return level
