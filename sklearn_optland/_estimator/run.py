"""The one loop that runs an algorithm: callbacks, early stopping, history, Ctrl-C."""

from functools import partial
from time import perf_counter

import numpy as np

from sklearn_optland._estimator.advice import warn_unless_reached
from sklearn_optland._estimator.early_stopping import BestSoFar


def run(
    estimator,
    steps,
    attributes,
    *,
    rows,
    max_iter,
    keeps_best=False,
    held_out=None,
    patience=np.inf,
    every=1,
    curve="validation_loss",
    task_name="iteration",
):
    """Ask an algorithm for steps under scikit-learn's callbacks, and say which one is kept.

    Parameters
    ----------
    estimator : estimator with `sklearn.callback.CallbackSupportMixin`
    steps : iterator of Step
        The algorithm, a generator that computes a step each time it is asked.
    attributes : callable
        Makes the fitted attributes that `predict` needs of a step's parameters; called only if a
        callback asks for a fitted estimator.
    rows : TrainingRows
    max_iter : int
        The most steps.
    keeps_best : bool, default=False
        Whether the step of the least loss is kept, or the first that has reached its tolerance.
        Else it is the last. With `held_out` it is the best on those rows.
    held_out : callable, default=None
        Takes a step's parameters, and returns the loss on rows that early stopping has set aside.
    patience : float, default=np.inf
        Looks at these rows without a lower loss after which to stop.
    every : int, default=1
        Steps between two looks.
    curve : str, default="validation_loss"
        The name of that loss in the history.
    task_name : str, default="iteration"
        What a progress bar calls a step.

    Returns
    -------
    kept : Step
    history : dict of str to ndarray
        The curves, an entry a step, and "seconds" since the start of the loop.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, with a message that says how far the fit had come.
    """
    best, kept, records, reconstruct = BestSoFar(patience), None, [], None
    context, data = estimator._init_callback_context(max_subtasks=max_iter), rows.callback_data
    context.call_on_fit_task_begin(estimator=estimator, **data)
    # Building a context for each step costs a few microseconds: only if someone listens.
    listening = hasattr(estimator, "_skl_callbacks")
    start = perf_counter()
    try:
        for number in range(max_iter):
            if listening:
                task = context.subcontext(task_name=task_name)
                task.call_on_fit_task_begin(
                    estimator=estimator, reconstruction_attributes=reconstruct, **data
                )
            step = next(steps)
            stop, is_kept = step.done, held_out is None and (not keeps_best or step.reached)
            if held_out is not None:
                step.curves[curve] = np.nan
                if step.done or number % every == 0:
                    step.curves[curve] = loss = held_out(step.parameters)
                    stop |= best.update(loss)
                    is_kept = best.age == 0
            elif keeps_best:
                best.update(step.loss)
                is_kept |= best.age == 0
            if is_kept or kept is None:
                kept, reconstruct = step, partial(attributes, step.parameters)
            records.append({**step.curves, "seconds": perf_counter() - start})
            if listening:
                stop |= task.call_on_fit_task_end(
                    estimator=estimator, reconstruction_attributes=reconstruct, **data
                )
            if stop:
                break
    except KeyboardInterrupt:
        last = ", ".join(f"{name} {value:.6g}" for name, value in (records or [{}])[-1].items())
        raise KeyboardInterrupt(
            f"{type(estimator).__name__}.fit was interrupted after {len(records)} iterations"
            f"{' (' + last + ')' if last else ''}; the estimator keeps what it had before the fit."
        ) from None
    context.call_on_fit_task_end(estimator=estimator, reconstruction_attributes=reconstruct, **data)
    history = {name: np.array([record[name] for record in records]) for name in records[0]}
    return kept, history


def finish(estimator, fitted, history, certificate, *, n_iter=None, advice=None):
    """Store what a fit has found, and warn if it ended above its tolerance.

    Parameters
    ----------
    estimator : estimator
    fitted : dict
        The fitted attributes that `predict` needs.
    history : dict of ndarray
    certificate : Certificate
    n_iter : int, default=None
        Default: the steps that the history has.
    advice : str, default=None
        What to change if the tolerance was not reached. None: there is no warning.
    """
    for name, value in fitted.items():
        setattr(estimator, name, value)
    estimator.history_ = history
    estimator.n_iter_ = len(history["objective"]) if n_iter is None else n_iter
    estimator.certificate_ = certificate
    if advice is not None:
        warn_unless_reached(estimator, certificate, estimator.n_iter_, advice)
