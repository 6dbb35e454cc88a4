"""Random problems of logistic regression, with their objective, curvatures and optimum in NumPy."""

from types import SimpleNamespace

import numpy as np
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit, log_expit, logsumexp, softmax

from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model._logistic.problem import log_loss_problem

SETTINGS = {
    "seed": st.integers(0, 2**32 - 1),
    "n_classes": st.sampled_from([2, 2, 3, 5]),
    "fit_intercept": st.booleans(),
    "csr": st.booleans(),
    "n": st.integers(5, 40),
    "d": st.integers(1, 8),
    "weights": st.sampled_from([-3.0, 0.0, 3.0]),
    "spread": st.sampled_from([0.0, 1.0, 4.0]),
    "signal": st.sampled_from([0.0, 1.0, 100.0]),
}
PROBLEMS = st.fixed_dictionaries({**SETTINGS, "l2": st.sampled_from([1.0, 1.0, 0.0])})


def array_problem(X, y, c, **settings):
    """The problem of arrays."""
    return log_loss_problem(ArraySource(X, y=y, c=c), **settings)


def make_problem(
    seed, n_classes=2, fit_intercept=True, csr=False, n=40, d=4, weights=0.0, spread=0.0,
    signal=1.0, offset=1.0, l2=1.0, dtype=float,
):  # fmt: skip
    """A random problem and its pieces in NumPy.

    weights: log10 of their size; spread: columns from 10^-spread to 10^spread; offset: of their
    means; signal: how far apart the classes are, 100 is separable.
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + offset * rng.normal(size=d)
    scores = signal * X @ rng.normal(size=(d, n_classes)) + rng.gumbel(size=(n, n_classes))
    y = scores.argmax(axis=1).astype(np.int32)
    y[:n_classes] = np.arange(n_classes)
    X *= 10 ** rng.uniform(-spread, spread, d)
    if csr:
        X[rng.random(X.shape) < 0.5] = 0.0
    X = X.astype(dtype)
    c = 10**weights * rng.exponential(size=n) + 1e-3
    problem = array_problem(
        sparse.csr_array(X) if csr else X,
        y,
        c,
        n_classes=n_classes,
        l2=l2,
        fit_intercept=fit_intercept,
    )
    A = np.column_stack([X, np.full(n, float(fit_intercept))]).astype(float)
    penalty = np.append(np.full(d, l2), 0.0)[:, None]
    return SimpleNamespace(problem=problem, A=A, y=y, c=c, penalty=penalty, k=problem.k, rng=rng)


def random_W(case, scale=1.0):
    """Parameters as the problem wants them: centred over the classes, the intercept last."""
    W = scale * case.rng.normal(size=(case.A.shape[1], case.k))
    if case.k > 1:
        W -= W.mean(axis=1, keepdims=True)
    if not case.problem.fit_intercept:
        W[-1] = 0.0
    return W


def objective(case, W):
    Z = case.A @ W
    if case.k == 1:
        losses = -log_expit(np.where(case.y, 1, -1) * Z[:, 0])
    else:
        losses = logsumexp(Z, axis=1) - Z[np.arange(len(Z)), case.y]
    return case.c @ losses + np.sum(case.penalty * W**2) / 2


def dense_curvature(case, S):
    """sum_i c_i S_i kron x_i x_i' + penalty, for parameters in C order."""
    side = case.A.shape[1] * case.k
    M = np.einsum("i,iab,ij,il->jalb", case.c, S, case.A, case.A).reshape(side, side)
    return M + np.diag(np.repeat(case.penalty[:, 0], case.k))


def newton_classes(case, W):
    """diag p - pp' of each row."""
    Z = case.A @ W
    if case.k == 1:
        return (expit(Z) * expit(-Z))[:, :, None]
    P = softmax(Z, axis=1)
    return P[:, :, None] * np.eye(case.k) - P[:, :, None] * P[:, None, :]


def ratio(r):
    return np.where(r == 0, 0.25, np.tanh(r / 2) / (2 * np.where(r == 0, 1.0, r)))
