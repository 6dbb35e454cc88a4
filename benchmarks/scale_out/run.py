"""Fits of data on disk by workers of limited memory, and what a cluster adds to a pass.

    python benchmarks/scale_out/run.py --what disk --gigabytes 20 --workers 2 --memory 2GB --clean
    python benchmarks/scale_out/run.py --what disk kill

Tables go to results/scale_out.json. The data are made in OPTLAND_SCRATCH, /tmp/optland_scale_out
by default. `peers` takes a Python that has dask-ml from OPTLAND_DASK_ML.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from common.measure import log
from common.tables import Table, read, write
from scale_out import data
from scale_out.simulate import simulated

LEVEL = 1e-4  # suboptimality relative to the objective, against dask-ml
NET = {"hidden_layer_sizes": (32,), "max_iter": 12, "tol": 0.0, "random_state": 0}


def models():
    from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
    from sklearn_optland.neural_network import ADMMNetClassifier

    return {
        "logistic regression": BoundMajorizationLogisticRegression(),
        "ADMM net, 12 iterations": ADMMNetClassifier(**NET),
    }


def timed(model, X, y):
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    return time.perf_counter() - start


class Alone:
    """This process, in place of a cluster."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def everywhere(self, function):
        """What it returns in each process that reads."""
        return [function()]


class Cluster:
    """Workers of one thread, and counts of the rounds and bytes of a fit."""

    def __init__(self, n_workers, memory):
        from distributed import Client, LocalCluster

        self.cluster = LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            memory_limit=memory,
            dashboard_address=None,
            local_directory=str(data.folder(0).parent),
        )
        self.client = Client(self.cluster)
        self.client.run(import_module, "sklearn_optland.neural_network")  # no part of a fit

    def __enter__(self):
        from sklearn_optland._rows import cluster

        self.rounds = self.sent = 0
        self.run, submit = cluster.Cluster.run, cluster.Cluster._payload

        def counted(place, function, partitions, *columns):
            self.rounds += 1
            return self.run(place, function, partitions, *columns)

        def weighed(place, entry):
            self.sent += len(cluster.dumps(entry))
            return submit(place, entry)

        cluster.Cluster.run, cluster.Cluster._payload = counted, weighed
        self.undo = lambda: (
            setattr(cluster.Cluster, "run", self.run),
            setattr(cluster.Cluster, "_payload", submit),
        )
        return self

    def __exit__(self, *_):
        self.undo()
        self.client.close()
        self.cluster.close()

    def everywhere(self, function):
        """What it returns in each process that reads."""
        return list(self.client.run(function).values())

    def kill_one_after(self, seconds):
        pid = next(iter(self.client.run(os.getpid).values()))
        timer = threading.Timer(seconds, os.kill, (pid, signal.SIGKILL))
        timer.start()
        return timer


def disk(options):
    """Blocks that are read from the disk for each pass, against passes by bandwidth."""
    start = time.perf_counter()
    paths = data.parts(options.gigabytes)
    log(f"data: {time.perf_counter() - start:.3g} s")
    some, start = paths[-10:], time.perf_counter()
    for path in some:
        data.read_uncached(path)
    bandwidth = len(some) * data.PART_BYTES / (time.perf_counter() - start)
    log(f"the disk gives {bandwidth / 1e9:.2f} GB/s")
    table = Table(
        {
            "fit": "{}", "GB": "{:.3g}", "seconds": "{:.3g}", "passes": "{:.0f}",
            "passes × bytes / bandwidth, s": "{:.3g}", "peak memory, MB": "{:.0f}",
            "certificate": "{:.1e}",
        }
    )  # fmt: skip
    for name, model in models().items():
        if options.fit not in name:
            continue
        with Cluster(options.workers, options.memory) if options.workers else Alone() as place:
            place.everywhere(data.forget_usage)
            seconds = timed(model, *data.blocks(paths, data.read_uncached))
            reads, peaks = zip(*place.everywhere(data.usage), strict=True)
        passes, gigabytes = sum(reads) / len(paths), len(paths) * data.PART_BYTES / 1e9
        least = 1e9 * passes * gigabytes / bandwidth
        row = [name, gigabytes, seconds, passes, least, max(peaks), model.certificate_.relative]
        print(table.add(dict(zip(table.columns, row, strict=True))), flush=True)
    where = "One process" if not options.workers else f"{options.workers} workers, {options.memory}"
    table.notes.append(f"{where}, one thread each; the disk gave {bandwidth / 1e9:.2f} GB/s.")
    return table


def workers(options):
    """One worker against two in alternating rounds, and the rounds of a fit."""
    paths = data.parts(options.gigabytes)
    table = Table(
        {
            "fit": "{}", "workers": "{:d}", "seconds": "{:.3g}", "speed-up": "{:.2f}",
            "rounds": "{:d}", "sent a round, bytes": "{:.0f}", "certificate": "{:.1e}",
        }
    )  # fmt: skip
    for name, model in models().items():
        if options.fit not in name:
            continue
        seconds, found = {1: [], 2: []}, {}
        for n_workers in options.rounds * (1, 2):
            with Cluster(n_workers, options.memory) as cluster:
                seconds[n_workers].append(timed(model, *data.blocks(paths)))
                sent = cluster.sent / max(cluster.rounds, 1)
                found[n_workers] = cluster.rounds, sent, model.certificate_.relative
            log(f"{name}, {n_workers} workers: {seconds[n_workers][-1]:.3g} s")
        medians = {n_workers: np.median(values) for n_workers, values in seconds.items()}
        for n_workers, median in medians.items():
            row = [name, n_workers, median, medians[1] / median, *found[n_workers]]
            print(table.add(dict(zip(table.columns, row, strict=True))), flush=True)
    table.notes.append(
        f"{len(paths)} partitions; workers of one thread and {options.memory}, which have imported "
        f"the package; medians of {options.rounds} alternating rounds."
    )
    return table


def kill(options):
    """A worker killed in the middle of a fit: the same bits."""
    paths = data.parts(options.gigabytes)
    table = Table({"fit": "{}", "seconds": "{:.3g}", "with a worker killed": "{:.3g}",
                   "same bits": "{}"})  # fmt: skip
    for name, model in models().items():
        if options.fit not in name:
            continue
        seconds, parameters = [], []
        for is_killed in (False, True):
            with Cluster(2, options.memory) as cluster:
                timer = cluster.kill_one_after(0.5 * seconds[0]) if is_killed else None
                seconds.append(timed(model, *data.blocks(paths)))
                if timer:
                    timer.join()
            found = [model.coef_] if hasattr(model, "coef_") else model.coefs_
            parameters.append([part.copy() for part in found])
        same = all(map(np.array_equal, *parameters))
        row = [name, *seconds, "yes" if same else "no"]
        print(table.add(dict(zip(table.columns, row, strict=True))), flush=True)
    return table


def peers(options):
    """dask-ml's LogisticRegression in a process of its own, to the same suboptimality."""
    from sklearn_optland.linear_model import BoundMajorizationLogisticRegression

    paths, ours = data.parts(options.gigabytes), "BoundMajorizationLogisticRegression"
    model = BoundMajorizationLogisticRegression(fit_intercept=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exact = model.set_params(tol=1e-12).fit(*data.blocks(paths))
    least = data.objective(paths, exact.coef_)
    model.set_params(tol=LEVEL)
    seconds = {ours: [], **{solver: [] for solver in options.solvers}}
    gaps = {solver: [] for solver in options.solvers}
    for number in range(options.rounds):
        with Cluster(2, options.memory):
            X, y = data.dask_arrays(paths)
            timed(model, X, y)  # workers import the package
            seconds[ours].append(timed(model, X, y))
        log(f"ours: {seconds[ours][-1]:.3g} s")
        for solver in options.solvers if number == 0 else options.solvers[:1]:
            versions, fits = _of_dask_ml(solver, options, least)
            gaps[solver] += [fit["gap"] for fit in fits]
            seconds[solver] += [fit["seconds"] for fit in fits if fit["gap"] <= LEVEL][:1]
            log(f"{solver}: {fits}")
    gaps[ours] = [data.objective(paths, model.coef_) / least - 1]
    table = Table({"solver": "{}", "seconds to 1e-4": "{:.3g}", "of ours": "{:.1f}",
                   "best suboptimality": "{:.1e}"})  # fmt: skip
    for solver, found in seconds.items():
        median = np.median(found) if found else None
        ratio = median / np.median(seconds[ours]) if found else None
        row = [solver if solver == ours else f"dask-ml, {solver}", median, ratio]
        row.append(min(gaps[solver]))
        print(table.add(dict(zip(table.columns, row, strict=True))), flush=True)
    table.notes.append(
        f"Medians of {options.rounds} alternating rounds (admm: one), each after another fit on "
        f"the same two workers; dask-ml in an environment of its own: {versions}."
    )
    return table


def _of_dask_ml(solver, options, least):
    """Versions, and fits with ever more iterations, until one is at the level."""
    command = [
        os.environ["OPTLAND_DASK_ML"],
        str(Path(__file__).with_name("dask_ml_fit.py")),
        *(solver, options.memory, str(options.budget), str(options.gigabytes)),
        *map(str, (least, LEVEL)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    versions, *fits = map(json.loads, done.stdout.splitlines())
    return versions, fits


TABLES = {"disk": disk, "workers": workers, "kill": kill, "peers": peers, "simulated": simulated}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--what", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--memory", default="1GB", help="of a worker")
    parser.add_argument("--workers", type=int, default=0, help="that read: disk; 0: no cluster")
    parser.add_argument("--clean", action="store_true", help="delete the data in the end")
    parser.add_argument("--fit", default="", help="fits whose names have this")
    parser.add_argument("--rounds", type=int, default=3, help="that alternate: workers, peers")
    parser.add_argument("--solvers", nargs="+", default=["lbfgs", "admm"], help="of dask-ml")
    parser.add_argument("--budget", type=float, default=150.0, help="seconds of a rival's fits")
    options = parser.parse_args()
    try:
        run(options)
    finally:
        if options.clean:
            data.remove(options.gigabytes)


def run(options):
    """Make the tables, and write each as soon as it is there."""
    for what in options.what:
        table = TABLES[what](options)
        packages = ("sklearn-optland", "scikit-learn", "numpy", "dask", "distributed")
        fits = f" --fit '{options.fit}'" if options.fit else ""
        fits += f" --workers {options.workers}" if what == "disk" and options.workers else ""
        fits += f" --rounds {options.rounds}" if what in ("workers", "peers") else ""
        table.conditions = {
            "command": f"python benchmarks/scale_out/run.py --what {what} --gigabytes "
            f"{options.gigabytes:g} --memory {options.memory}{fits}",
            "date": time.strftime("%Y-%m-%d"),
            "versions": {"Python": platform.python_version()}
            | {name: version(name) for name in packages},
            "machine": f"{os.cpu_count()} cores, shared, {platform.system()} "
            f"{platform.machine()}, load {os.getloadavg()[0]:.1f}",
        }
        kept = read("scale_out").get(what)
        if kept is not None and options.fit:  # the other fits stay
            rows = [row for row in kept.rows if options.fit not in row["fit"]]
            table.rows = rows + table.rows
        write("scale_out", read("scale_out") | {what: table})
        print("\n".join(["", *table.notes]), flush=True)


if __name__ == "__main__":
    main()
