"""Steps of the feasible form on the batches of a stream, one for each mini-batch.

A step is that of `FeasibleDescent` without a memory: the gradient of the batch's objective in the
metric of the batch's Grams, with delta as it is at the start of a fit, so that directions of little
variance, which a batch hardly knows, are not fitted to it. It is shortened until it brings half of
what its slope promises on the batch.

Columns and targets are in units of the recent batches (`recent_moments`): the net is the same in
any of them, and is taken from one to the next by an exact change of its parameters.
"""

import numpy as np

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._estimator.penalty_search import ALPHA, alpha_attributes
from sklearn_optland._estimator.training_rows import normalized
from sklearn_optland._net.passes import Passes
from sklearn_optland._net.recent_moments import are_misjudged, record, typical, with_batch
from sklearn_optland._net.units import units_by
from sklearn_optland._optim.line_search import backtrack
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.neural_network._deep.kkt import Objective
from sklearn_optland.neural_network._deep.metric import GramMetric

# Rows of a mini-batch, as scikit-learn's MLP has them.
BATCH_ROWS = 200
# How a step is shortened, and what it does not fall below.
SEARCH = {"share": 0.5, "cuts": (0.5, 0.5), "max_trials": 30}
SHORTEST_STEP = 1e-6
# What a fit says of its end, which is not that of a stream.
OF_A_FIT = (
    *("certificate_", "kkt_residuals_", "history_", "loss_curve_", "loss_"),
    *("validation_scores_", "best_validation_score_"),
)


def stream_state(records):
    """A stream between two calls of `partial_fit`, in types that pickle anywhere."""
    return {"records": records, "units": None, "step": 1.0, "n_steps": 0}


def partial_fit(net, kind, X, Y, c, fitted):
    """Take a step on each mini-batch of some rows.

    Parameters
    ----------
    net : ADMMNet
    kind : LossKind
    X, Y, c : ndarray
        Rows, targets and weights.
    fitted : dict
        Attributes that predictions need besides the net.

    Returns
    -------
    net : ADMMNet
    """
    used, state = c > 0, net._stream
    is_first = state is None
    X = X[used] if is_first else X[used].astype(net.coefs_[0].dtype, copy=False)
    network = net._network(X.shape[1], Y.shape[1], kind)
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", under="ignore"):
        source = ArraySource(X, Y=Y[used], c=normalized(c[used]))
        state = stream_state([]) if is_first else dict(state)
        state["records"] = with_batch(state["records"], record(source, Y.shape[1]))
        moments = typical(state["records"])
        scaling = {"is_standard": net.scale_inputs, "dtype": X.dtype}
        units = units_by(moments, kind.is_log_loss, **scaling)
        spreads = moments[1], units.size
        if is_first or not _fits(net, network) or are_misjudged(state["units"], spreads):
            theta = network.glorot(private_random_state(net.random_state), X.dtype)
        else:
            theta = units.to_inside(network, net.coefs_, net.intercepts_, X.dtype)
        state["units"] = spreads
        alpha = net.alpha if net.alpha != "auto" else getattr(net, "alpha_", ALPHA)
        for batch in _batches(source):
            passes = Passes(network, batch, units, X.dtype)
            factors = units.penalty_factors(network, X.dtype)
            theta = _step(net, Objective(passes, alpha, factors, units.size**2), theta, state)
    coefs, intercepts = units.to_user(network, theta)
    fitted |= {"coefs_": coefs, "intercepts_": intercepts, "_stream": state}
    fitted |= {"_penalty_factors": units.user_factors(network), **alpha_attributes(alpha, None)}
    fitted |= {"n_iter_": state["n_steps"], "n_outputs_": Y.shape[1]}
    fitted |= {"n_layers_": len(network.sizes), "_hidden_activation": net.activation}
    for name, value in fitted.items():
        setattr(net, name, value)
    for stale in OF_A_FIT:
        vars(net).pop(stale, None)
    return net


def _fits(net, network):
    """Whether the net that is there is of these layers."""
    return [(W.shape[0] + 1, W.shape[1]) for W in net.coefs_] == network.shapes


def _step(net, objective, theta, state):
    """Where a step on a batch leads; the state takes its length."""
    metric = GramMetric(objective, net.metric)
    point = objective.at(theta, metric.hidden)
    if metric.levels:
        metric.refresh(point)
    direction = -metric(point.gradient)

    def evaluate(size):
        new = objective.at(theta + theta.dtype.type(size) * direction)
        return new.value, new.theta

    slope = float(np.vdot(direction, point.gradient))
    size, new, _ = backtrack(evaluate, point.value, slope, size=state["step"], **SEARCH)
    state["step"] = min(max(2.0 * size, SHORTEST_STEP), 1.0)
    state["n_steps"] += 1
    return theta if new is None else new


def _batches(source):
    """Rows after rows, as sources with weights that sum to 1."""
    for first in range(0, source.n_rows, BATCH_ROWS):
        rows = slice(first, first + BATCH_ROWS)
        yield source.take(rows, c=normalized(source.c[rows]))
