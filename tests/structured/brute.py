"""A chain by enumeration of all labellings, and chains to test with."""

from itertools import product

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax


class BruteChain:
    """All labellings of one sequence of scores s (n x k) under transitions A and the ends."""

    def __init__(self, s, A, start, end):
        n, k = s.shape
        self.paths = np.array(list(product(range(k), repeat=n)))
        tokens = np.arange(n)
        self.scores = s[tokens, self.paths].sum(axis=1)
        self.scores += A[self.paths[:, :-1], self.paths[:, 1:]].sum(axis=1)
        self.scores += start[self.paths[:, 0]] + end[self.paths[:, -1]]
        self.log_z = logsumexp(self.scores)
        self.p = softmax(self.scores)
        one_hot = np.eye(k)[self.paths]
        self.tokens = np.einsum("p,ptk->tk", self.p, one_hot)
        self.pairs = np.einsum("p,pti,ptj->ij", self.p, one_hot[:, :-1], one_hot[:, 1:])
        self.entropy = self.log_z - self.p @ self.scores

    def number(self, labels):
        return int(np.flatnonzero((self.paths == labels).all(axis=1))[0])


def random_sequences(rng, *, n_sequences, longest, k, d, scale=1.0):
    """Rows of tokens, starts, codes in which each label occurs, and parameters."""
    lengths = rng.integers(1, longest + 1, size=n_sequences)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    n = starts[-1]
    X = np.round(rng.normal(size=(n, d)), 2) * (rng.random((n, d)) < 0.7)
    codes = rng.integers(k, size=n).astype(np.int32)
    codes[: min(n, k)] = np.arange(min(n, k))
    theta = scale * rng.normal(size=(d + k + 2, k))
    return X, starts, codes, theta


def brute_objective(theta, X, starts, codes, c, k, has_ends):
    """Value and gradient of 1/2 |theta|^2 + sum_i c_i loss_i; theta as `ChainProblem` has it."""
    d = X.shape[1]
    W, A, ends = theta[:d], theta[d : d + k], theta[d + k :] * has_ends
    value, gradient = 0.5 * (theta**2).sum(), theta.copy()
    for i, weight in enumerate(c):
        rows, y = X[starts[i] : starts[i + 1]], codes[starts[i] : starts[i + 1]]
        chain = BruteChain(rows @ W, A, *ends)
        value += weight * (chain.log_z - chain.scores[chain.number(y)])
        rest = chain.tokens - np.eye(k)[y]
        gradient[:d] += weight * rows.T @ rest
        gradient[d : d + k] += weight * chain.pairs
        np.add.at(gradient, (d + y[:-1], y[1:]), -weight)
        if has_ends:
            gradient[d + k] += weight * rest[0]
            gradient[d + k + 1] += weight * rest[-1]
    return value, gradient


def optimum(X, starts, codes, c, k, has_ends):
    """The least value of the objective, and where it is, by SciPy."""
    shape = X.shape[1] + k + 2, k

    def function(flat):
        value, gradient = brute_objective(flat.reshape(shape), X, starts, codes, c, k, has_ends)
        return value, gradient.ravel()

    options = {"ftol": 0, "gtol": 1e-10, "maxiter": 5000, "maxfun": 50_000}
    found = minimize(
        function, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options
    )
    return found.fun, found.x.reshape(shape)
