"""The stochastic flow: a step of gradient descent on each mini-batch that comes.

Units of data and targets are those of the recent batches: the net is the same in any of them, and
is taken from one to the next by an exact change of its parameters.
"""

import numpy as np

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._estimator.penalty_search import ALPHA
from sklearn_optland._estimator.training_rows import normalized
from sklearn_optland._net.recent_moments import are_misjudged, record, typical, with_batch
from sklearn_optland._net.units import SMALLEST_SPREAD
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.neural_network._mean_field.flow import descend
from sklearn_optland.neural_network._mean_field.particles import net_attributes
from sklearn_optland.neural_network._mean_field.units import Scales, StandardColumns

# The step does not fall below this.
SHORTEST_STEP = 1e-6
BATCH_SIZE = 200


def flow_state(records):
    """The flow between two calls of `partial_fit`, in types that pickle anywhere."""
    return {"records": records, "units": None, "step": 1.0, "n_steps": 0}


def partial_fit(net, X, Y, c, extra):
    """Steps of the flow, one for each mini-batch, each backtracked on its batch.

    Parameters
    ----------
    net : MeanFieldNet
    X, Y, c : ndarray
        Rows, targets and weights.
    extra : dict
        Fitted attributes that predictions need besides the net.

    Returns
    -------
    net : MeanFieldNet
    """
    net._check_choice()
    used, state = c > 0, getattr(net, "_flow", None)
    is_first = state is None
    X = X[used] if is_first else X[used].astype(net.coefs_[0].dtype, copy=False)
    with one_blas_thread():
        source = ArraySource(X, Y=Y[used], c=normalized(c[used]))
        state = flow_state([]) if is_first else dict(state)
        state["records"] = with_batch(state["records"], record(source, Y.shape[1]))
        columns, scales = _units(net, state["records"], X.dtype)
        alpha = net.alpha if net.alpha != "auto" else getattr(net, "alpha_", ALPHA)
        problem = net._problem(source.with_rows(columns), Y.shape[1], X.dtype, alpha, scales)
        layout = problem.layout
        units = (columns.spread if net.scale_inputs else problem.x_scale), scales.y_scale
        if is_first or are_misjudged(state["units"], units):
            rng, m = private_random_state(net.random_state), net.n_particles
            theta = layout.spread_start(m, 1 / np.sqrt(m), rng)
        else:
            theta = layout.to_inside(*columns.to_inside(net.coefs_, net.intercepts_))
        state["units"] = units
        size = BATCH_SIZE if net.batch_size == "auto" else net.batch_size
        theta = _visit(theta, state, problem, size)
    fitted = net_attributes(layout, columns, theta) | extra
    fitted |= {"_flow": state, "_hidden_activation": net.activation}
    fitted["alpha_"] = alpha
    fitted["_standard"] = net._standard_units(columns, scales)
    for name, value in fitted.items():
        setattr(net, name, value)
    net.n_iter_ = state["n_steps"]
    for stale in ("certificate_", "first_variation_max_", "history_"):
        if hasattr(net, stale):
            delattr(net, stale)
    return net


def _units(net, records, dtype):
    """Columns and scales of the recent batches."""
    center, spread, y_mean, y_spread = typical(records)
    bias = float(net.fit_intercept)
    columns = StandardColumns()
    lengths = np.hypot(spread, center)
    if net.scale_inputs:
        columns = StandardColumns.by(center, spread, dtype, net.fit_intercept)
        lengths = np.hypot(spread, center - columns.center) / columns.spread
    x_scale = float(np.hypot.reduce([*lengths, bias])) or 1.0
    if net._is_log_loss:
        return columns, Scales(x_scale, np.zeros_like(y_mean), 1.0)
    y_mean, left = (y_mean, 0.0) if net.fit_intercept else (np.zeros_like(y_mean), y_mean)
    y_scale = float(np.linalg.norm(np.hypot(y_spread, left)))
    return columns, Scales(x_scale, y_mean, y_scale if y_scale > SMALLEST_SPREAD else 1.0)


def _visit(theta, state, problem, size):
    """A step of the flow on each mini-batch of the rows, in their order."""
    for batch in _batches(problem, size):
        function = batch.value_and_gradient
        step, trial, _ = descend(function, theta, *function(theta), state["step"])
        if trial is not None:
            theta = trial[0]
        # A batch on which no step is short enough must not stop those after it.
        state["step"] = max(2.0 * step, SHORTEST_STEP)
        state["n_steps"] += 1
    return theta


def _batches(problem, size):
    """The problem on some rows after the other."""
    source = problem.source
    if source.n_rows <= size:
        yield problem
        return
    for first in range(0, source.n_rows, size):
        rows = slice(first, first + size)
        c = source.c[rows]
        yield problem.on(source.take(rows, c=c / c.sum()))
