"""Fits of dask-ml in its own environment: versions, then seconds and gap of each, as JSON.

    python dask_ml_fit.py SOLVER MEMORY SECONDS GIGABYTES OPTIMUM LEVEL

Ever more iterations, until the objective is within LEVEL of OPTIMUM, relative to it, or the seconds
are used up.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import dask
from dask_ml.linear_model import LogisticRegression
from distributed import Client, LocalCluster
from scale_out import data


def main(solver, memory, budget, gigabytes, optimum, level):
    names = ("dask-ml", "dask-glm", "dask", "scikit-learn", "numpy")
    print(json.dumps({name: version(name) for name in names}))
    paths, began = data.parts(float(gigabytes)), time.perf_counter()
    settings = {"solver": solver, "C": 1.0, "tol": 1e-12, "fit_intercept": False}
    workers = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": memory}
    with LocalCluster(dashboard_address=None, **workers) as cluster, Client(cluster):
        X, y = data.dask_arrays(paths)
        LogisticRegression(max_iter=1, **settings).fit(X, y)  # workers import the package
        for iterations in (3, 4, 5, 6, 8, 10, 15, 25, 50, 100):
            start = time.perf_counter()
            # it reads them again for each iteration else
            model = LogisticRegression(max_iter=iterations, **settings).fit(*dask.persist(X, y))
            seconds = time.perf_counter() - start
            gap = data.objective(paths, model.coef_) / float(optimum) - 1
            fit = {"iterations": iterations, "seconds": seconds, "gap": gap}
            print(json.dumps(fit), flush=True)
            if gap <= float(level) or time.perf_counter() - began + 2 * seconds > float(budget):
                break


if __name__ == "__main__":
    main(*sys.argv[1:])
