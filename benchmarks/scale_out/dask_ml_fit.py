"""Fits of dask-ml in its own environment: versions, then seconds and coefficients of each, as JSON.

    python dask_ml_fit.py SOLVER MEMORY SECONDS PART ...

Ever more iterations, until the seconds are used up.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np


def main(solver, memory, budget, *paths):
    import dask
    import dask.array as da
    from dask_ml.linear_model import LogisticRegression
    from distributed import Client, LocalCluster

    names = ("dask-ml", "dask-glm", "dask", "scikit-learn", "numpy")
    print(json.dumps({name: version(name) for name in names}))
    began = time.perf_counter()
    for iterations in (2, 5, 12, 30, 75, 190):
        with (
            LocalCluster(
                n_workers=2, threads_per_worker=1, memory_limit=memory, dashboard_address=None
            ) as cluster,
            Client(cluster),
        ):
            head = np.load(paths[0], mmap_mode="r")
            load = dask.delayed(np.load)
            X = da.concatenate([da.from_delayed(load(p), head.shape, head.dtype) for p in paths])
            labels = [Path(path).with_name(Path(path).name.replace("X", "y")) for path in paths]
            y = [da.from_delayed(load(p), head.shape[:1], np.int8) for p in labels]
            y = da.concatenate(y)
            settings = {"solver": solver, "max_iter": iterations, "C": 1.0, "tol": 1e-12}
            model = LogisticRegression(fit_intercept=False, **settings)
            start = time.perf_counter()
            X, y = dask.persist(X, y)  # it reads them again for each iteration else
            model.fit(X, y)
            seconds = time.perf_counter() - start
        coef = np.ravel(model.coef_).tolist()
        print(json.dumps({"iterations": iterations, "seconds": seconds, "coef": coef}), flush=True)
        if time.perf_counter() - began + 2 * seconds > float(budget):
            break


if __name__ == "__main__":
    main(*sys.argv[1:])
