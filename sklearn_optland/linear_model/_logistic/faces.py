"""Which rows of several classes can be separated, by Newton's method on what is left of them.

A pair (row, other class) has a margin. Where classes are separated quasi-completely, Newton's step
V for the log-loss adds 1 to the margin of a pair that can be separated, and in the end nothing to
that of others. So the pairs to which V adds more than 1/2 are tried: V, projected onto what leaves
the others as they are (the null space of their Gram matrix), is to separate all of these. Then they
leave the problem, a softmax over the classes that each row has left, and it begins anew, until the
image of its step proves that what is left overlaps (newton_image.py), or nothing is left. The
directions of all rounds together, the earlier with more weight, separate the most.

Hessian and Gram matrix have one form, for edges a_jl >= 0 of each row between classes j and l:

    sum_i sum_{j < l} a_i,jl (e_j - e_l)(e_j - e_l)' kron x_i x_i',

with a_jl = p_j p_l, and 1 for the pairs of a row.
"""

from time import monotonic

import numpy as np
from scipy.linalg import eigh

# Parameters up to which matrices of their square are decomposed, some ten times.
MOST_PARAMETERS = 1500
MAX_STEPS, MAX_HALVINGS = 60, 30
# Eigenvalues that are 0, relative to the largest.
NULL_HESSIAN, NULL_GRAM = 1e-13, 1e-10
# The share of a probability that a step may take in a proof.
MOST = 0.95
# What may be left of a margin that is 0, beside those that are 1.
LEFT = 1e-7


class Remaining:
    """The pairs that are not separated yet.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_parameters)
    codes : ndarray of shape (n_rows,)
    n_classes : int

    Attributes
    ----------
    pairs : ndarray of bool, of shape (n_rows, n_classes)
        Without the rows' own classes.
    """

    def __init__(self, X, codes, n_classes):
        self.X, self.codes, self.every = X, codes, np.arange(len(codes))
        self.own = np.zeros((len(codes), n_classes), dtype=bool)
        self.own[self.every, codes] = True
        self.pairs = ~self.own

    def scores(self, W):
        return self.X @ W.reshape(self.own.shape[1], -1).T

    def margins(self, W):
        """Of the row's own class over each one."""
        Z = self.scores(W)
        return Z[self.every, self.codes][:, None] - Z

    def evaluate(self, W):
        """Probabilities of the classes that rows have left, and the log-loss."""
        Z = np.where(self.pairs | self.own, self.scores(W), -np.inf)
        Z -= Z.max(axis=1, keepdims=True)
        P = np.exp(Z)
        sums = P.sum(axis=1)
        return P / sums[:, None], float((np.log(sums) - Z[self.every, self.codes]).sum())

    def newton(self, P):
        """Newton's step of least norm, and its image."""
        gradient = ((P - self.own).T @ self.X).ravel()
        values, vectors = eigh(self._matrix(lambda j, m: P[:, j] * P[:, m]))
        kept = values > NULL_HESSIAN * values[-1]
        V = -(vectors[:, kept] / values[kept]) @ (vectors[:, kept].T @ gradient)
        Z = self.scores(V)
        return V, P + P * (Z - (P * Z).sum(axis=1, keepdims=True))

    def unfelt(self, V, pairs):
        """The part of V that adds nothing to these pairs' margins."""

        def edges(j, m):
            return np.where(self.own[:, j], pairs[:, m], self.own[:, m] & pairs[:, j]).astype(float)

        values, vectors = eigh(self._matrix(edges))
        null = vectors[:, values <= NULL_GRAM * values[-1]]
        return null @ (null.T @ V)

    def _matrix(self, edges):
        k, d = self.own.shape[1], self.X.shape[1]
        H = np.zeros((k, d, k, d))
        for j in range(k):
            for m in range(j):
                a = edges(j, m)
                rows = np.flatnonzero(a)
                X = self.X[rows]
                G = (X.T * a[rows]) @ X
                H[j, :, j] += G
                H[m, :, m] += G
                H[j, :, m] -= G
                H[m, :, j] -= G
        return H.reshape(k * d, k * d)


def separate(X, codes, n_classes, seconds=np.inf):
    """Separate the most pairs.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_parameters)
        Rows with a 1 if there is an intercept, in units of their size.
    codes : ndarray of shape (n_rows,)
        Class numbers.
    n_classes : int
    seconds : float, default=np.inf
        The most to take, but for the last step.

    Returns
    -------
    W : ndarray of shape (n_parameters, n_classes)
        Scores. The least positive margin is 1.
    weights : ndarray of shape (n_rows, n_classes)
        q of the pairs, 0 of those that are separated.
    or None, if that much could not be proven.
    """
    problem = Remaining(X, codes, n_classes)
    total = np.zeros(n_classes * X.shape[1])
    W = np.zeros_like(total)
    P, loss = problem.evaluate(W)
    end = monotonic() + seconds
    for _ in range(MAX_STEPS):
        if monotonic() > end:
            break
        V, Q = problem.newton(P)
        margins = problem.margins(V)
        separated = problem.pairs & (margins > 0.5)
        others = problem.pairs & ~separated
        left = others | problem.own
        if not separated.any() and (Q >= (1 - MOST) * P)[left].all():
            return _checked(problem, total, np.where(problem.pairs, Q, 0.0))
        if separated.any() and (Q > 0)[others].all():
            v = problem.unfelt(V, others)
            margins = problem.margins(v)
            least = margins[separated].min()
            if least > 0 and np.abs(margins[others]).max(initial=0.0) <= LEFT * least:
                total = v / least + (1 + np.abs(margins).max() / least) * total
                problem.pairs = others
                if not others.any():
                    return _checked(problem, total, np.zeros(others.shape))
                P, loss = problem.evaluate(W)
                continue
        size = 1.0
        for _ in range(MAX_HALVINGS):
            P, new = problem.evaluate(W + size * V)
            if new <= loss:
                break
            size *= 0.5
        else:
            return None
        W, loss = W + size * V, new
    return None


def _checked(problem, total, weights):
    """The answer, if its margins are what they should be."""
    separated = ~(problem.pairs | problem.own)
    margins = problem.margins(total)
    if separated.any():
        least = margins[separated].min()
        if not (least > 0 and np.abs(margins[problem.pairs]).max(initial=0.0) <= LEFT * least):
            return None
        total = total / least
    return total.reshape(problem.own.shape[1], -1).T, weights
