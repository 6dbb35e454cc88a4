"""The stochastic flow: a step of gradient descent on each mini-batch that comes."""

import numpy as np

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._estimator.training_rows import normalized
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.neural_network._mean_field.flow import descend
from sklearn_optland.neural_network._mean_field.particles import net_attributes
from sklearn_optland.neural_network._mean_field.units import StandardColumns

# The step does not fall below this.
SHORTEST_STEP = 1e-6
BATCH_SIZE = 200


def flow_state(scales):
    """The flow between two calls of `partial_fit`, in types that pickle anywhere.

    Without particles it goes on from those of the net.
    """
    return {"theta": None, "scales": tuple(scales), "step": 1.0, "n_steps": 0}


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
    if net.scale_inputs:
        raise ValueError(
            "scale_inputs: found True; allowed with partial_fit is False, because the columns of "
            "later batches are not known."
        )
    used, state = c > 0, getattr(net, "_flow", None)
    X, scales = X[used], None
    if state is not None:
        X, scales = X.astype(net.coefs_[0].dtype, copy=False), state["scales"]
    with one_blas_thread():
        source = ArraySource(X, Y=Y[used], c=normalized(c[used]))
        problem = net._problem(source, Y.shape[1], X.dtype, scales)
        layout, is_first = problem.layout, state is None
        state = flow_state(problem.scales) if is_first else dict(state)
        if is_first:
            rng, m = private_random_state(net.random_state), net.n_particles
            state["theta"] = layout.spread_start(m, 1 / np.sqrt(m), rng)
        elif state["theta"] is None:
            state["theta"] = layout.to_inside(net.coefs_, net.intercepts_)
        _visit(state, problem, BATCH_SIZE if net.batch_size == "auto" else net.batch_size)
    columns = StandardColumns()
    fitted = net_attributes(layout, columns, state["theta"]) | extra
    fitted |= {"_flow": state, "_hidden_activation": net.activation}
    for name, value in fitted.items():
        setattr(net, name, value)
    net.n_iter_ = state["n_steps"]
    for stale in ("certificate_", "first_variation_max_", "history_"):
        if hasattr(net, stale):
            delattr(net, stale)
    return net


def _visit(state, problem, size):
    """A step of the flow on each mini-batch of the rows, in their order."""
    for batch in _batches(problem, size):
        function = batch.value_and_gradient
        step, trial, _ = descend(function, state["theta"], *function(state["theta"]), state["step"])
        if trial is not None:
            state["theta"] = trial[0]
        # A batch on which no step is short enough must not stop those after it.
        state["step"] = max(2.0 * step, SHORTEST_STEP)
        state["n_steps"] += 1


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
