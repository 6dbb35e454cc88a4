"""Landscapes of nets: paths between minima, correlation of losses, eigenpairs.

    OMP_NUM_THREADS=1 python benchmarks/studies/landscape.py --what paths barriers
    OMP_NUM_THREADS=1 python benchmarks/studies/landscape.py --what eigenpairs [--rows 60000]
    OMP_NUM_THREADS=1 python benchmarks/studies/landscape.py --what curvlinops
    export OPTLAND_DATA=~/data
    OMP_NUM_THREADS=1 python benchmarks/studies/landscape.py --what correlation [--units 25 500]

Seconds are of the CPU. `paths`: ReLU nets on 600 rows of digits, two of each width trained to the
loss 0.1 from random starts, connected at that level by strings, with and without aligned units; and
the bands' barriers of the same pairs. `barriers`: ten pairs of one width, the highest loss on the
path by both methods. `eigenpairs`: the ten largest eigenvalues of the Hessian of a net of 10⁵
parameters, beside power iteration with deflation in torch (what PyHessian does), where torch is
installed, on random rows. `curvlinops`: a torch copy of two nets on digits, where curvlinops is
installed: its Hessian, its density by as many products (the distance is Wasserstein's, of the
eigenvalues' distributions, relative to the spectrum's width), and the ten largest eigenvalues by
ARPACK on both operators. `correlation`: the table of Choromanska et al. (2015) on mnist.
"""

import argparse
import sys
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy.sparse.linalg import eigsh
from scipy.stats import wasserstein_distance
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from sklearn_optland.landscape import LossSurface, connect, loss_correlation
from sklearn_optland.landscape._hessian import HessianAt
from sklearn_optland.landscape._paths import descend
from sklearn_optland.landscape._spectrum import BASIS, largest_eigenpairs, quadrature

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.npz import load

LEVEL, ROWS, WIDTHS, N_PAIRS = 0.1, 600, (8, 16, 32, 64, 128), 5
N_EIGENPAIRS, HIDDEN, TOL = 10, 126, 1e-3
# Power iteration ends where an eigenvalue changes by less than this share: PyHessian's default, and
# a tenth of it.
POWER_TOLS, POWER_STEPS = (1e-3, 1e-4), 1000
UNITS, RUNS, TRAIN = (25, 50, 100, 250, 500), 30, 6000


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


def paths():
    print("| width | raw length | aligned length | raw barrier / level | aligned | s a string |")
    print("| --- | --- | --- | --- | --- | --- |")
    for width in WIDTHS:
        surface = surface_of(width, *digits())
        points = minima(surface, 2 * N_PAIRS)
        cells, seconds = [], []
        for align in (False, True):
            found = []
            for a, b in zip(points[::2], points[1::2], strict=True):
                path, spent = timed(connect, surface, a, b, level=LEVEL, align=align)
                straight = connect(surface, a, b, level=LEVEL, align=align, max_points=2)
                found.append((path.normalized_length_, straight.maximum_ / LEVEL))
                seconds.append(spent)
            cells.append(np.mean(found, axis=0))
        (raw, raw_top), (near, near_top) = cells
        print(f"| {width} | {raw:.3f} | {near:.3f} | {raw_top:.1f} | {near_top:.1f} "
              f"| {np.median(seconds):.2f} |", flush=True)  # fmt: skip


def barriers():
    print("| pair | string / level | band / level | s a string | s a band |")
    print("| --- | --- | --- | --- | --- |")
    surface = surface_of(64, *digits())
    points, wins = minima(surface, 20), 0
    for pair, (a, b) in enumerate(zip(points[::2], points[1::2], strict=True)):
        string, seconds = timed(connect, surface, a, b, level=LEVEL)
        band, more = timed(connect, surface, a, b, "neb", level=LEVEL)
        wins += band.maximum_ <= string.maximum_
        print(f"| {pair} | {string.maximum_ / LEVEL:.3f} | {band.maximum_ / LEVEL:.3f} "
              f"| {seconds:.2f} | {more:.2f} |", flush=True)  # fmt: skip
    print(f"the band is no higher in {wins} of 10")


def eigenpairs(n_rows):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 784)).astype(np.float32)
    y = (X @ rng.standard_normal((784, 10)) + 20 * rng.standard_normal((n_rows, 10))).argmax(axis=1)
    settings = {"activation": "tanh", "alpha": 0.0, "max_iter": 3, "random_state": 0}
    net = MLPClassifier((HIDDEN,), **settings).fit(X, y)
    surface = LossSurface(net, X, y, penalty=False)
    values, seconds = timed(top_eigenvalues, surface, TOL)
    print(f"{surface.n_parameters_} parameters, {n_rows} rows; Lanczos: {seconds:.1f} s")
    exact = top_eigenvalues(surface, 1e-8)[::-1]
    print(f"largest relative error {np.abs(values[::-1] / exact - 1).max():.0e}")
    if find_spec("torch") is None:
        print("torch: skipped, not installed", file=sys.stderr)
        return
    for tol in POWER_TOLS:
        (values, steps), theirs = timed(power_iteration, net, X, y, tol)
        error = np.abs(np.sort(values)[::-1] / exact - 1).max()
        print(f"power iteration, tol {tol:g}: {theirs:.1f} s, {steps} products, largest relative "
              f"error {error:.0e}; theirs / ours {theirs / seconds:.1f}", flush=True)  # fmt: skip


def top_eigenvalues(surface, tol):
    """The largest, as `hessian_spectrum` finds them: with products in float32 where those do."""
    hessian = HessianAt(surface, surface.theta_, 0.1 * tol)
    return largest_eigenpairs(hessian, N_EIGENPAIRS, tol, np.random.RandomState(0))[0]


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


def curvlinops():
    if find_spec("curvlinops") is None:
        print("curvlinops: skipped, not installed", file=sys.stderr)
        return
    import torch
    from curvlinops import HessianLinearOperator, lanczos_approximate_spectrum

    X, y = digits()
    for units in (6, 32):
        settings = {"activation": "tanh", "alpha": 0.0, "max_iter": 100, "random_state": 0}
        net = MLPClassifier((units,), **settings).fit(X, y)
        surface = LossSurface(net, X, y, penalty=False)
        module, loss, data = torch_copy(net, X, y)
        theirs = HessianLinearOperator(
            module, loss, [*module.parameters()], data, check_deterministic=False
        )
        exact, n = np.linalg.eigvalsh(surface.hessian(surface.theta_)), surface.n_parameters_
        trace = float(torch.trace(theirs @ torch.eye(n, dtype=torch.float64)))
        print(f"\n{n} parameters; traces {exact.sum():.12g}, curvlinops {trace:.12g}")
        found, spent = timed(our_density, surface)
        others, more = timed(lanczos_approximate_spectrum, theirs, 80, num_repeats=10)
        distances = [
            wasserstein_distance(exact, np.asarray(at), None, np.asarray(mass)) / np.ptp(exact)
            for at, mass in (found, others)
        ]
        print(f"density, 800 products: distance {distances[0]:.1e} in {spent:.1f} s, "
              f"curvlinops {distances[1]:.1e} in {more:.1f} s")  # fmt: skip
        values, spent = timed(top_eigenvalues, surface, TOL)
        size = {"k": N_EIGENPAIRS, "which": "LA", "tol": TOL, "ncv": BASIS * N_EIGENPAIRS}
        (others, _), more = timed(eigsh, theirs.to_scipy(), **size)
        ours, other = (
            np.abs(np.sort(found) / exact[-N_EIGENPAIRS:] - 1).max() for found in (values, others)
        )
        print(f"largest eigenvalues: error {ours:.0e} in {spent:.2f} s, curvlinops {other:.0e} "
              f"in {more:.2f} s", flush=True)  # fmt: skip


def correlation(n_units):
    X, y, _ = load("mnist")
    X, y = X[: 2 * TRAIN].astype(np.float32) / np.float32(255), y[: 2 * TRAIN]
    print("| hidden units | correlation | standard error | spread of the test loss | s |")
    print("| --- | --- | --- | --- | --- |")
    warnings.simplefilter("ignore")
    for units in n_units:
        net = MLPClassifier((units,), solver="adam", alpha=0.0, max_iter=60, n_iter_no_change=60)
        data = X[:TRAIN], y[:TRAIN], X[TRAIN:], y[TRAIN:]
        settings = {"n_runs": RUNS, "random_state": 0}
        runs, seconds = timed(loss_correlation, net, *data, **settings)
        print(f"| {units} | {runs.correlation_:.3f} | {runs.standard_error_:.3f} "
              f"| {runs.test_losses_.std():.4f} | {seconds:.0f} |", flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    tables = {"paths": paths, "barriers": barriers, "curvlinops": curvlinops}
    others = "eigenpairs", "correlation"
    parser.add_argument("--what", nargs="+", choices=[*tables, *others], required=True)
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--units", type=int, nargs="+", default=UNITS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for what in arguments.what:
        print(f"\n{what}")
        if what == "eigenpairs":
            eigenpairs(arguments.rows)
        elif what == "correlation":
            correlation(arguments.units)
        else:
            tables[what]()


if __name__ == "__main__":
    main()
