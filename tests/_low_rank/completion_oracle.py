"""Nuclear-norm completion by accelerated proximal gradients, in plain NumPy."""

import numpy as np


def soft_threshold(A, alpha):
    """The proximal point of alpha times the nuclear norm, and its nuclear norm."""
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    s = np.maximum(s - alpha, 0)
    return (U * s) @ Vt, s.sum()


def complete(X, weights, alpha, gap=1e-9, max_iter=20_000):
    """Soft-impute with momentum that restarts, to a duality gap relative to the objective.

    Parameters
    ----------
    X : ndarray with NaN
    weights : ndarray, of sum 1
    """
    root, seen = np.sqrt(weights)[:, None], ~np.isnan(X)
    Y = np.where(seen, root * X, 0.0)
    A = Z = np.zeros_like(Y)
    t, best = 1.0, np.inf
    for _ in range(max_iter):
        new, nuclear = soft_threshold(Z + np.where(seen, Y - Z, 0.0), alpha)
        R = np.where(seen, Y - new, 0.0)
        objective = 0.5 * (R**2).sum() + alpha * nuclear
        polar = np.linalg.norm(R, 2) / alpha
        square = (R**2).sum()
        c = min(1 / max(polar, 1e-300), (R * Y).sum() / max(square, 1e-300))
        dual = c * (R * Y).sum() - 0.5 * c**2 * square
        if objective - dual <= gap * objective:
            break
        if objective > best:
            t, Z, best = 1.0, A, np.inf
            continue
        best, after = objective, 0.5 * (1 + np.sqrt(1 + 4 * t * t))
        Z = new + (t - 1) / after * (new - A)
        A, t = new, after
    else:
        raise AssertionError("the oracle has not converged")
    return objective, new / root


def random_table(rng, n, d, rank, observed=0.6, noise=0.3):
    """A low-rank table with noise, NaN where nothing is observed."""
    X = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d)) + noise * rng.normal(size=(n, d))
    X[rng.random((n, d)) >= observed] = np.nan
    return X
