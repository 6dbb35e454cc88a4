"""Branch and bound for the first variation of two-layer nets in four and five dimensions.

    OMP_NUM_THREADS=1 OPTLAND_DATA=~/data python benchmarks/studies/sphere_bound.py
    OMP_NUM_THREADS=1 OPTLAND_DATA=~/data python benchmarks/studies/sphere_bound.py --columns 4

`MeanFieldTwoLayerNet` proves its gap in up to three dimensions. Here sliding Frank-Wolfe is fitted
to 300 rows of the first columns of a set, and the maximum of sum_i r_i relu(x_i't) over unit
vectors t is bounded, for one output: orthants are cut at the middle of their longest edge until no
bound is above the highest value by more than `--tol`. On a simplicial cone a row that switches is
bounded by its chord if it pulls up, by one of its two slopes if it pulls down; that is linear, and
its maximum on the sphere is that of a projection onto a face. Printed, over `alpha`: what the fit
says, what 1000 starts find, what is found and what is proven here, cones, and CPU seconds.
"""

import argparse
import sys
import time
from itertools import combinations, product
from pathlib import Path

import numpy as np
from sklearn.preprocessing import StandardScaler

from sklearn_optland.neural_network import MeanFieldTwoLayerNet
from sklearn_optland.neural_network._mean_field.ascent import Inputs
from sklearn_optland.neural_network._mean_field.first_variation import maximum_over_sphere

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.npz import load

N_ROWS, ALPHA, STARTS, BATCH = 300, 1e-2, 1000, 2000


def bounds(V, X, r):
    """Bounds on cones with the unit vectors V[i] as edges, and the values at their centers."""
    centers = V.sum(axis=1)
    centers /= np.linalg.norm(centers, axis=1)[:, None]
    at_edges, at_centers = np.einsum("nj,kvj->knv", X, V), centers @ X.T
    up, down = r > 0, r <= 0
    tops = np.einsum("n,knv->kv", r[up], np.maximum(at_edges[:, up], 0))
    fallen = at_edges[:, down]
    slope = np.where((fallen >= 0).all(axis=2), True, at_centers[:, down] > 0)
    slope &= ~(fallen <= 0).all(axis=2)
    tops += np.einsum("n,kn,knv->kv", r[down], slope, fallen)
    grams, highest = V @ V.transpose(0, 2, 1), tops.max(axis=1)
    for size in range(2, V.shape[1] + 1):
        for face in map(list, combinations(range(V.shape[1]), size)):
            w = np.linalg.solve(grams[:, face][:, :, face], tops[:, face, None])[..., 0]
            square = np.sum(tops[:, face] * w, axis=1)
            inside = (w >= -1e-12).all(axis=1) & (square > 0)
            highest[inside] = np.maximum(highest[inside], np.sqrt(square[inside]))
    return highest, np.maximum(at_centers, 0) @ r


def maximum(X, r, lower, tol, seconds):
    """The highest value, a bound, and the number of cones."""
    V = np.array([np.diag(signs) for signs in product([1.0, -1.0], repeat=X.shape[1])])
    parents, closed, n_cones, start = np.full(len(V), np.inf), lower, 0, time.process_time()
    while len(V):
        parts = [bounds(V[i : i + BATCH], X, r) for i in range(0, len(V), BATCH)]
        upper, values = map(np.concatenate, zip(*parts, strict=True))
        upper = np.minimum(upper, parents)
        lower, n_cones = max(lower, values.max()), n_cones + len(V)
        is_open = upper > lower * (1 + tol)
        if time.process_time() - start > seconds:
            is_open[:] = False
        closed = max(closed, upper[~is_open].max(initial=0.0))
        V, upper = V[is_open], upper[is_open]
        cosines = (V @ V.transpose(0, 2, 1)).reshape(len(V), X.shape[1] ** 2)
        a, b = np.divmod(cosines.argmin(axis=1), X.shape[1])
        each = np.arange(len(V))
        middle = V[each, a] + V[each, b]
        middle /= np.linalg.norm(middle, axis=1)[:, None]
        left, right = V.copy(), V.copy()
        left[each, a] = right[each, b] = middle
        V, parents = np.concatenate([left, right]), np.concatenate([upper, upper])
    return lower, closed, n_cones


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=["concrete", "energy"])
    parser.add_argument("--columns", nargs="+", type=int, default=[3])
    parser.add_argument("--tol", type=float, default=1e-3)
    parser.add_argument("--seconds", type=float, default=20.0, help="at most, for each sign")
    arguments = parser.parse_args()
    print("data, dimensions, distinct rows: fit, starts, found, proven; cones, s")
    for name, n_columns in product(arguments.data, arguments.columns):
        X, y, _ = load(name)
        rows = np.random.default_rng(0).permutation(len(y))[:N_ROWS]
        X, y = np.asarray(X, dtype=float)[rows, :n_columns], y[rows]
        net = MeanFieldTwoLayerNet(alpha=ALPHA, solver="sliding-frank-wolfe", random_state=0)
        net.fit(X, y)
        Z = np.column_stack([StandardScaler().fit_transform(X), np.ones(len(X))])
        Z, index = np.unique(Z, axis=0, return_inverse=True)
        r = np.bincount(index.ravel(), (y - net.predict(X)) / y.std() / len(y))
        settings = {"starts": np.concatenate([Z, -Z]), "n_starts": STARTS, "random_state": 0}
        ascent = maximum_over_sphere(Inputs.of_array(Z), r[:, None], 1, **settings).value
        start = time.process_time()
        ends = [maximum(Z, s * r, ascent, arguments.tol, arguments.seconds) for s in (1, -1)]
        seconds = time.process_time() - start
        found, proven, n_cones = zip(*ends, strict=True)
        known = (net.first_variation_max_, ascent, max(found), max(proven))
        known = ", ".join(f"{value / ALPHA:.4f}" for value in known)
        size = f"{name}, {n_columns + 1}, {len(Z)}"
        print(f"{size}: {known}; {sum(n_cones)}, {seconds:.1f}", flush=True)


if __name__ == "__main__":
    main()
