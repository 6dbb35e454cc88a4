"""What a fit that ended above its tolerance says: how far it came, and what to change."""

import sys
import warnings
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning

# Packages between a user's line and a warning.
BETWEEN = ("sklearn", "sklearn_optland", "joblib")
# Advice never asks for more iterations than so many times those that there were.
MAX_ADVISED = 1000
# Times those that there were, another remedy may be better.
MANY = 10
# A relative value above this is no fit that a larger tol should accept.
LARGEST_ADVISED = 0.1
# Where the warnings of fits go that are parts of a larger one, which says a word for all.
_kept = ContextVar("kept", default=None)


def advise(estimator, n_iter, limit, certificate, counts, values, remedy="scale the data"):
    """Say what to change, with its number, if a fit ended above its tolerance.

    Parameters
    ----------
    estimator : estimator with `max_iter`
    n_iter : int
        What `max_iter` counts, at the end of the fit.
    limit : dtype or str
        What ended a fit before `max_iter`: the type of the data, or a method.
    certificate : Certificate
    counts, values : ndarray
        What `max_iter` counts, and the certificate's value, at each iteration that measured it.
    remedy : str, default="scale the data"
        What helps where more iterations would not.
    """
    tol = f"tol to {2 * certificate.relative:.1g}"
    if n_iter < estimator.max_iter:
        change = f"set {tol}, or to 0" if certificate.relative < LARGEST_ADVISED else remedy
        return f"That is as far as {limit} goes: {change}."
    or_tol = f", or {tol}" if certificate.relative < LARGEST_ADVISED else ""
    if certificate.tolerance:
        needed = predicted_count(counts, values, certificate.tolerance)
        if needed < MAX_ADVISED * estimator.max_iter:
            or_remedy = f", or {remedy}" if needed > MANY * estimator.max_iter else ""
            return f"Set max_iter to about {float(f'{needed:.2g}'):.0f}{or_remedy}{or_tol}."
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
    message = f"{type(estimator).__name__} stopped after {n_iter} iterations with {certificate}; "
    if _kept.get() is None:
        _warn(message + advice)
    else:
        _kept.get().append((certificate.relative, message + advice))


@contextmanager
def warnings_kept():
    """Keep what fits warn of, in this thread: pairs of a relative value and a message."""
    token = _kept.set([])
    try:
        yield _kept.get()
    finally:
        _kept.reset(token)


def warn_of_the_worst(kept, n_fits):
    """Warn once of fits that are parts of a larger one."""
    if kept:
        _, message = max(kept)
        _warn(f"{len(kept)} of {n_fits} fits of the folds ended too early. The worst: {message}")


def _warn(message):
    warnings.warn(message, ConvergenceWarning, stacklevel=levels_to_the_caller())


def levels_to_the_caller():
    """The `stacklevel` of a warning at the user's line."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in BETWEEN:
        frame, level = frame.f_back, level + 1
    return level
