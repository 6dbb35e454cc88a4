"""Landscapes of nets: paths between minima, correlation of losses, eigenpairs.

    export OPTLAND_DATA=~/data OMP_NUM_THREADS=1
    python benchmarks/studies/landscape.py --what paths
    python benchmarks/studies/landscape.py --what barriers
    python benchmarks/studies/landscape.py --what eigenpairs
    python benchmarks/studies/landscape.py --what curvlinops
    python benchmarks/studies/landscape.py --what correlation [--minutes 6]

Seconds are of the CPU. `paths`: ReLU nets on 600 rows of digits, two of each width trained to the
loss 0.1 from random starts, connected at that level by strings, with and without aligned units; and
the highest losses on the straight lines. `barriers`: ten pairs of width 64, the highest loss on the
path by both methods. `eigenpairs`: the ten largest eigenvalues of the Hessian of a net of 10⁵
parameters on the 60 000 training rows of mnist, beside power iteration with deflation in torch
(what PyHessian does), each in a process of its own, whose peak of memory beyond the rows in float32
is given. `curvlinops`: a torch copy of two nets on digits: its Hessian, its density by as many
products (the distance is Wasserstein's, of the eigenvalues' distributions, relative to the
spectrum's width), and the ten largest eigenvalues by ARPACK on both operators. `correlation`: the
table of Choromanska et al. (2015) on 6000 rows of mnist, and 6000 others to test.

A command that was interrupted, or whose --minutes were over, goes on where it was when it is given
again; `correlation` has the runs that there was time for. Tables go to results/landscape.json.
"""

import argparse
import os
import resource
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy.sparse.linalg import eigsh
from scipy.stats import wasserstein_distance
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from sklearn_optland.landscape import LossSurface, connect
from sklearn_optland.landscape._correlation import LossCorrelation, losses_of_run
from sklearn_optland.landscape._hessian import HessianAt
from sklearn_optland.landscape._path_methods import descend
from sklearn_optland.landscape._spectrum import BASIS, largest_eigenpairs, quadrature

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.measure import Cells, OutOfTime
from common.npz import load
from common.tables import RESULTS, Table, conditions_of, read, write

LEVEL, ROWS, WIDTHS, N_PAIRS = 0.1, 600, (8, 16, 32, 64, 128), 5
N_EIGENPAIRS, HIDDEN, TOL = 10, 126, 1e-3
# Normalised lengths that another implementation found for such nets, raw and aligned.
OTHER_LENGTHS = ((1.231, 1.095), (1.189, 1.058), (1.148, 1.021), (1.093, 1.012), (1.069, 1.010))
# Power iteration ends where an eigenvalue changes by less than TOL of it, PyHessian's default too.
POWER_STEPS = 1000
UNITS, RUNS, TRAIN = (25, 50, 100, 250, 500), 30, 6000
# Of Choromanska et al., by the number of units.
PUBLISHED = (0.7616, 0.6861, 0.5983, 0.5302, 0.4081)


def surface_of(width, X, y):
    net = MLPClassifier((width,), alpha=0.0, max_iter=1, random_state=0).fit(X, y)
    return LossSurface(net, X, y)


def minima(surface, n):
    """Ends of descents to the level, from random starts."""
    starts = (surface.network.glorot(np.random.RandomState(seed), np.float64) for seed in range(n))
    return [descend(surface, start, LEVEL) for start in starts]


def timed(function, *args, **settings):
    start = time.process_time()
    result = function(*args, **settings)
    return result, time.process_time() - start


def digits():
    X, y = load_digits(return_X_y=True)
    return X[:ROWS] / 16, y[:ROWS]


def paths(cell):
    """Yield rows of the table: a width each."""
    for width, others in zip(WIDTHS, OTHER_LENGTHS, strict=True):
        found = {align: cell("paths", strings, width=width, align=align) for align in (0, 1)}
        raw, aligned = found.values()
        yield {
            "width": width,
            "length ÷ distance, raw": mean_and_error(raw["lengths"]),
            "aligned": mean_and_error(aligned["lengths"]),
            "another implementation: raw, aligned": list(others),
            "highest loss on the straight line ÷ level, raw": np.mean(raw["straight"]),
            "the same, aligned": np.mean(aligned["straight"]),
            "connected": f"{sum(raw['connected'] + aligned['connected'])} of {2 * N_PAIRS}",
            "s a pair": np.median(raw["seconds"] + aligned["seconds"]),
        }


def strings(width, align):
    """Of each pair of a width: the string's length, the straight line's loss, seconds."""
    surface = surface_of(width, *digits())
    points, found = minima(surface, 2 * N_PAIRS), []
    for a, b in zip(points[::2], points[1::2], strict=True):
        settings = {"level": LEVEL, "align": bool(align)}
        path, seconds = timed(connect, surface, a, b, **settings)
        straight = connect(surface, a, b, max_points=2, **settings)
        connected = bool(path.connected_)
        found.append((path.normalized_length_, straight.maximum_ / LEVEL, connected, seconds))
    names = "lengths", "straight", "connected", "seconds"
    return dict(zip(names, map(list, zip(*found, strict=True)), strict=True))


def mean_and_error(values):
    """Their mean, and its standard error."""
    return [np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))]


def barriers(cell):
    """Yield rows of the table: a pair each."""
    for pair in range(10):
        found = cell("barriers", both_methods, pair=pair)
        yield {"pair": pair, **found}


def both_methods(pair):
    """The highest losses on both methods' paths of a pair, and their seconds."""
    surface, row = surface_of(64, *digits()), {}
    starts = [2 * pair, 2 * pair + 1]
    a, b = (
        descend(surface, surface.network.glorot(np.random.RandomState(seed), np.float64), LEVEL)
        for seed in starts
    )
    for name, method in (("string", "string"), ("band", "neb")):
        path, seconds = timed(connect, surface, a, b, method, level=LEVEL)
        row |= {f"{name} ÷ level": path.maximum_ / LEVEL, f"s a {name}": seconds}
    return row


def eigenpairs(cell):
    """Yield rows of the table: a method each."""
    exact = cell("eigenpairs", alone, method="lanczos", tol=1e-8)
    ours = cell("eigenpairs", alone, method="lanczos", tol=TOL)
    theirs = cell("eigenpairs", alone, method="power_iteration", tol=TOL)
    for name, found in (("hessian_spectrum", ours), ("power iteration, torch", theirs)):
        errors = np.sort(found["values"]) / np.sort(exact["values"]) - 1
        yield {
            "method": name,
            "s": found["seconds"],
            "products": found["products"],
            "largest relative error": np.abs(errors).max(),
            "MB": found["MB"],
            "÷ ours, s": found["seconds"] / ours["seconds"],
        }


def alone(method, tol):
    """Eigenvalues, seconds, products and memory of a method in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measured_eigenvalues, method, tol).result()


def measured_eigenvalues(method, tol):
    warnings.simplefilter("ignore")
    X, y, n_train = load("mnist")
    X, y = X[:n_train].astype(np.float32), y[:n_train]
    X /= 255
    settings = {"activation": "tanh", "alpha": 0.0, "max_iter": 3, "random_state": 0}
    net = MLPClassifier((HIDDEN,), **settings).fit(X, y)
    before = resident_megabytes()
    (values, n_products), seconds = timed(globals()[method], net, X, y, tol)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    found = {"values": list(values), "seconds": seconds, "products": n_products}
    return {**found, "MB": peak - before}


def resident_megabytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def lanczos(net, X, y, tol):
    """As `hessian_spectrum`: with products in float32 where these are exact enough."""
    surface = LossSurface(net, X, y, penalty=False)
    hessian = Counted(surface, surface.theta_, 0.1 * tol)
    values, _ = largest_eigenpairs(hessian, N_EIGENPAIRS, tol, np.random.RandomState(0))
    return values, hessian.n_products


class Counted(HessianAt):
    """That counts its products."""

    n_products = 0

    def _matvec(self, direction):
        self.n_products += 1
        return super()._matvec(direction)


def power_iteration(net, X, y, tol):
    """The largest eigenvalues one after the other, each deflated by those before."""
    import torch

    torch.set_num_threads(1)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    weights = [torch.tensor(W, dtype=torch.float32, requires_grad=True) for W in net.coefs_]
    biases = [torch.tensor(b, dtype=torch.float32, requires_grad=True) for b in net.intercepts_]
    parameters = [*weights, *biases]
    F = torch.tanh(X @ weights[0] + biases[0]) @ weights[1] + biases[1]
    loss = torch.nn.functional.cross_entropy(F, y)
    gradient = torch.autograd.grad(loss, parameters, create_graph=True)
    flat = torch.cat([part.ravel() for part in gradient])
    generator = torch.Generator().manual_seed(0)
    values, vectors, n_products = [], [], 0
    for _ in range(N_EIGENPAIRS):
        v, value = torch.randn(flat.numel(), generator=generator), None
        for _ in range(POWER_STEPS):
            for found in vectors:
                v = v - (v @ found) * found
            v = v / v.norm()
            image = torch.autograd.grad(flat @ v, parameters, retain_graph=True)
            image, n_products = torch.cat([part.ravel() for part in image]), n_products + 1
            before, value = value, float(v @ image)
            if before is not None and abs(value - before) <= tol * abs(before):
                break
            v = image
        values.append(value)
        vectors.append(v / v.norm())
    return np.array(values), n_products


def torch_copy(net, X, y):
    """A torch module with the parameters of a tanh net, its loss, and the data."""
    import torch

    torch.set_num_threads(1)
    layers = []
    for W, b in zip(net.coefs_, net.intercepts_, strict=True):
        linear = torch.nn.Linear(*W.shape, dtype=torch.float64)
        linear.weight.data, linear.bias.data = torch.tensor(W.T), torch.tensor(b)
        layers += [linear, torch.nn.Tanh()]
    data = [(torch.tensor(X), torch.tensor(y))]
    return torch.nn.Sequential(*layers[:-1]), torch.nn.CrossEntropyLoss(), data


def our_density(surface):
    """Nodes and weights of ten draws."""
    rng = np.random.default_rng(0)
    starts = rng.standard_normal((10, surface.n_parameters_))
    hessian = HessianAt(surface, surface.theta_)
    rules = [quadrature(hessian, start) for start in starts]
    return tuple(np.concatenate(part) for part in zip(*rules, strict=True))


def curvlinops(cell):
    """Yield rows of the table: a net each."""
    for units in (6, 32):
        yield {"hidden units": units, **cell("curvlinops", beside_curvlinops, units=units)}


def beside_curvlinops(units):
    import torch
    from curvlinops import HessianLinearOperator, lanczos_approximate_spectrum

    X, y = digits()
    settings = {"activation": "tanh", "alpha": 0.0, "max_iter": 100, "random_state": 0}
    net = MLPClassifier((units,), **settings).fit(X, y)
    surface = LossSurface(net, X, y, penalty=False)
    module, loss, data = torch_copy(net, X, y)
    theirs = HessianLinearOperator(
        module, loss, [*module.parameters()], data, check_deterministic=False
    )
    exact, n = np.linalg.eigvalsh(surface.hessian(surface.theta_)), surface.n_parameters_
    trace = float(torch.trace(theirs @ torch.eye(n, dtype=torch.float64)))
    ours, spent = timed(our_density, surface)
    others, more = timed(lanczos_approximate_spectrum, theirs, 80, num_repeats=10)
    distances = [
        wasserstein_distance(exact, np.asarray(at), None, np.asarray(mass)) / np.ptp(exact)
        for at, mass in (ours, others)
    ]
    row = {
        "parameters": n,
        "traces' relative difference": abs(trace / exact.sum() - 1),
        "density: distance, s": [distances[0], spent],
        "curvlinops' density": [distances[1], more],
    }
    rng, hessian = np.random.RandomState(0), HessianAt(surface, surface.theta_, 0.1 * TOL)
    (values, _), spent = timed(largest_eigenpairs, hessian, N_EIGENPAIRS, TOL, rng)
    size = {"k": N_EIGENPAIRS, "which": "LA", "tol": TOL, "ncv": BASIS * N_EIGENPAIRS}
    (others, _), more = timed(eigsh, theirs.to_scipy(), **size)
    ours, other = (
        np.abs(np.sort(found) / exact[-N_EIGENPAIRS:] - 1).max() for found in (values, others)
    )
    return row | {
        "eigenvalues: error, s": [ours, spent],
        "curvlinops' eigenvalues": [other, more],
    }


def correlation(cell):
    """Yield rows of the table: a width each, of the runs that there is time for."""
    runs = {units: [] for units in UNITS}
    for seed, units in product(range(RUNS), UNITS):
        with suppress(OutOfTime):
            runs[units].append(cell("correlation", one_run, seed=seed, units=units))
    for (units, own), published in zip(runs.items(), PUBLISHED, strict=True):
        train, test, seconds = (
            np.array([run[name] for run in own]) for name in ("train", "test", "seconds")
        )
        losses = LossCorrelation(train, test)
        yield {
            "hidden units": units,
            "runs": len(own),
            "correlation": [losses.correlation_, losses.standard_error_],
            "published": published,
            "training loss": [train.mean(), train.std(ddof=1)],
            "test loss": [test.mean(), test.std(ddof=1)],
            "test losses' quantiles": list(np.quantile(test, [0, 0.25, 0.5, 0.75, 1])),
            "s a run": np.median(seconds),
        }


def one_run(seed, units):
    """Losses at the end of a run."""
    X, y, _ = load("mnist")
    X, y = X[: 2 * TRAIN].astype(np.float32) / np.float32(255), y[: 2 * TRAIN]
    net = MLPClassifier((units,), alpha=0.0, max_iter=60, n_iter_no_change=60)
    data = X[:TRAIN], y[:TRAIN], X[TRAIN:], y[TRAIN:]
    (train, test), seconds = timed(losses_of_run, net, seed, *data)
    return {"train": train, "test": test, "seconds": seconds}


COLUMNS = {
    paths: {
        "width": "{}",
        "length ÷ distance, raw": "{:.3f} ± {:.3f}",
        "aligned": "{:.3f} ± {:.3f}",
        "another implementation: raw, aligned": "{:.3f}, {:.3f}",
        "highest loss on the straight line ÷ level, raw": "{:.1f}",
        "the same, aligned": "{:.1f}",
        "connected": "",
        "s a pair": "{:.2f}",
    },
    barriers: {
        "pair": "{}",
        "string ÷ level": "{:.3f}",
        "band ÷ level": "{:.3f}",
        "s a string": "{:.2f}",
        "s a band": "{:.2f}",
    },
    eigenpairs: {
        "method": "",
        "s": "{:.1f}",
        "products": "{}",
        "largest relative error": "{:.0e}",
        "MB": "{:.0f}",
        "÷ ours, s": "{:.1f}",
    },
    curvlinops: {
        "hidden units": "{}",
        "parameters": "{}",
        "traces' relative difference": "{:.0e}",
        "density: distance, s": "{:.1e}, {:.1f}",
        "curvlinops' density": "{:.1e}, {:.1f}",
        "eigenvalues: error, s": "{:.0e}, {:.2f}",
        "curvlinops' eigenvalues": "{:.0e}, {:.2f}",
    },
    correlation: {
        "hidden units": "{}",
        "runs": "{}",
        "correlation": "{:.3f} ± {:.3f}",
        "published": "{:.4f}",
        "training loss": "{:.4f} ± {:.4f}",
        "test loss": "{:.4f} ± {:.4f}",
        "test losses' quantiles": "{:.3f}, {:.3f}, {:.3f}, {:.3f}, {:.3f}",
        "s a run": "{:.1f}",
    },
}
PACKAGES = {eigenpairs: ["torch"], curvlinops: ["torch", "curvlinops-for-pytorch"]}


def main():
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--what", choices=[rows.__name__ for rows in COLUMNS], required=True)
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin nothing after these")
    options = parser.parse_args()
    rows, unfinished = globals()[options.what], RESULTS / "unfinished" / "landscape.jsonl"
    command = f"OMP_NUM_THREADS=1 python benchmarks/studies/landscape.py --what {options.what}"
    packages = "sklearn-optland", "scikit-learn", *PACKAGES.get(rows, ())
    table = Table(COLUMNS[rows], conditions=conditions_of(command, *packages))
    print(table.head())
    try:
        for row in rows(Cells(unfinished, minutes=options.minutes)):
            print(table.add(row), flush=True)
    except OutOfTime:
        sys.exit("out of time: give the same command again")
    write("landscape", read("landscape") | {options.what: table})


if __name__ == "__main__":
    main()
