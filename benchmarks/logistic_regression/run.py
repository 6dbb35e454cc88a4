"""Time this package's solver against its peers and print a markdown table, a row a problem.

    python benchmarks/logistic_regression/run.py --suite small

The optimum F* is the lowest objective that any fit of the run reached, long Newton fits in float64
among them. Every solver is fitted at each count of its grid of iterations; the first count with
(F - F*) / F* under a level is what it needs for that level. Then the solvers are timed at their
counts in turn, round after round, so that the machine's noise hits all alike.
"""

import argparse
import sys
import time
import tracemalloc
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import benchmark_utils  # noqa: F401, finds measure.py
import numpy as np
from benchopt.benchmark import Benchmark
from benchopt.utils.parametrized_name_mixin import product_param
from measure import conditions, installed_solvers, log, median_ratio, print_header, print_row

OURS = "sklearn-optland[auto,full]"
LEVELS = 1e-3, 1e-6, 1e-9  # of (F - F*) / F*
REFERENCES = "scikit-learn[newton-cholesky]", "scikit-learn[newton-cg]"
REFERENCE_ITERATIONS = 300
PATIENCE = 8  # fits without progress that end a sweep
HOPELESS = 3  # times the best peer's seconds: a slower peer is neither swept further nor timed
CHEAP = 0.05  # seconds of a fit that never counts as slow
MIN_SECONDS = 1  # of timing a problem: short fits get more rounds
ROUNDING = 1e-12  # of the objective, granted to the checks

EMBEDDED = "breast_cancer", "digits", "iris", "wine"
MULTINOMIAL = "isolet", "mnist", "usps", "pendigits", "satimage", "shuttle"
OTHERS = "skin_nonskin", "madelon_train", "covtype20k", "segment", "vowel", "poker_train"
N_ROWS = {"mnist": 12_000}  # where not all training rows are used


def npz(name, **parameters):
    return "npz", {"dataset": name, "n_rows": N_ROWS.get(name), **parameters}


# The row's name in the table: the dataset of this folder and its parameters.
PROBLEMS = {
    **{name: ("embedded", {"dataset": name}) for name in EMBEDDED},
    "simulated 5k x 30": ("simulated", {}),
    "simulated 200k x 54": ("simulated", {"n_samples": 200_000, "n_features": 54}),
    "simulated text": ("simulated-text", {}),
    "covtype20k class 2": npz("covtype20k", positive_class=2),
    "a9a dense": npz("a9a", storage="dense"),
    "magic04": npz("magic04"),
    "shuttle class 1": npz("shuttle", positive_class=1),
    "a9a": npz("a9a"),
    "news20": npz("news20_bydate_tfidf"),
    "clinc150": npz("clinc150_tfidf"),
    **{name: npz(name) for name in MULTINOMIAL + OTHERS},
    **{f"{name} float32": npz(name, dtype="float32") for name in MULTINOMIAL},
}


def cases(*names, Cs=(1, 100)):
    return [(name, C) for name in names for C in Cs]


SUITES = {
    "small": cases(*EMBEDDED, "simulated 5k x 30"),
    "issue2": cases(*EMBEDDED, "a9a", "a9a dense", "magic04", "covtype20k class 2", Cs=[1]),
    "issue3": [
        *cases("covtype20k class 2", "a9a dense", "magic04", "shuttle class 1", "a9a"),
        *cases("simulated 200k x 54", Cs=[1]),
        *cases("isolet", "mnist", "usps", "pendigits"),
        *cases("satimage", "shuttle", Cs=[1]),
        *cases(*(f"{name} float32" for name in MULTINOMIAL), Cs=[1]),
        *cases("news20", "clinc150"),
        *cases(*EMBEDDED, "simulated text", *OTHERS),
    ],
}


@dataclass
class Point:
    """One fit of a sweep."""

    n_iter: int
    seconds: float
    value: float  # the objective
    bound: float  # the solver's own on objective - optimum, or NaN


@dataclass
class Entrant:
    """A solver on one problem and the points of its sweep."""

    solver: object
    points: list = field(default_factory=list)

    def time(self, n_iter):
        start = time.perf_counter()
        self.solver.run(n_iter)
        return time.perf_counter() - start

    def sweep(self, objective, target, max_seconds):
        """Fit at each count of the grid until the target, a fit too long or no more progress."""
        n_iter = 0
        while True:
            n_iter = self.solver.get_next(n_iter)
            seconds = self.time(n_iter)
            point = Point(n_iter, seconds, **objective.evaluate_result(**self.solver.get_result()))
            self.points.append(point)
            if point.value <= target or seconds > max_seconds or self._stalls():
                return

    def _stalls(self):
        values = [point.value for point in self.points]
        before, recent = values[:-PATIENCE], values[-PATIENCE:]
        return bool(before) and min(recent) >= min(before)

    def first(self, target):
        """The first point that is not above the target, or None."""
        return next((point for point in self.points if point.value <= target), None)

    def faults(self, optimum):
        """What the sweep shows against the solver's promises, or "none"."""
        slack = ROUNDING * optimum
        rises = any(b.value > a.value + slack for a, b in pairwise(self.points))
        lies = any(point.value - optimum > point.bound + slack for point in self.points)
        return ", ".join(["not monotone"] * rises + ["false bound"] * lies) or "none"

    def peak_mebibytes(self):
        """What Python and NumPy hold at most during the last fit, beyond the data."""
        tracemalloc.start()
        self.solver.run(self.points[-1].n_iter)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak / 2**20


def enter(solver, objective):
    """The solver, set up and warm; None and a message if it does not take the problem."""
    arguments = objective.get_objective()
    skip, reason = solver.skip(**arguments)
    if skip:
        log(f"    {solver}: skipped, {reason}")
        return None
    solver.set_objective(**arguments)
    solver.warm_up()
    return Entrant(solver)


def reference_optimum(solvers, objective):
    """The lowest objective of two long fits: ours and the first reference that takes it."""
    newton = filter(None, (enter(solvers[name], objective) for name in REFERENCES))
    values = []
    for entrant in (next(newton), enter(solvers[OURS], objective)):
        entrant.time(REFERENCE_ITERATIONS)
        values.append(objective.evaluate_result(**entrant.solver.get_result())["value"])
    log(f"    reference {values[0]:.15g}, ours differs by {values[1] / values[0] - 1:+.1e}")
    return min(values)


def sweep_all(solvers, objective, target, timeout):
    """Our solver and every peer that takes the problem, swept."""
    entrants, max_seconds = {}, timeout
    for name, solver in solvers.items():
        entrant = enter(solver, objective)
        if entrant is None:
            continue
        try:
            entrant.sweep(objective, target, timeout if name == OURS else max_seconds)
        except FloatingPointError as error:
            log(f"    {name}: {error}")
        if not entrant.points:
            continue
        entrants[name] = entrant
        last = entrant.points[-1]
        if last.value <= target and name != OURS:
            max_seconds = min(max_seconds, max(CHEAP, HOPELESS * last.seconds))
        reached = "reached" if last.value <= target else f"stopped at {last.value / target - 1:.1e}"
        log(f"    {name}: {reached} after {last.n_iter} iterations, {last.seconds:.3g} s")
    return entrants


def contenders(entrants, targets):
    """(level, solver, iterations) to be timed: ours and the peers that may be the best."""
    for level, target in targets.items():
        points = {name: entrant.first(target) for name, entrant in entrants.items()}
        points = {name: point for name, point in points.items() if point}
        fastest = min((p.seconds for name, p in points.items() if name != OURS), default=0)
        for name, point in points.items():
            if name == OURS or point.seconds <= max(CHEAP, HOPELESS * fastest):
                yield level, name, point.n_iter


def race(entrants, targets, repetitions):
    """Seconds by level and solver, of rounds in which every contender runs in turn."""
    seconds = {level: defaultdict(list) for level in targets}
    runs = list(contenders(entrants, targets))
    start, n_rounds = time.perf_counter(), 0
    while n_rounds < repetitions or time.perf_counter() - start < MIN_SECONDS:
        for level, name, n_iter in runs:
            seconds[level][name].append(entrants[name].time(n_iter))
        n_rounds += 1
    return seconds


def measure(benchmark, solvers, problem, C, options):
    """The cells of the problem's row."""
    name, parameters = PROBLEMS[problem]
    datasets = {dataset.name: dataset for dataset in benchmark.get_datasets()}
    data = datasets[name].get_instance(**parameters).get_data()
    if "missing" in data:
        return [data["missing"]]
    is_float32 = data["X"].dtype == np.float32
    make_objective = benchmark.get_benchmark_objective().get_instance
    objective, exact = (make_objective(C=C, fit_intercept=False) for _ in range(2))
    objective.set_data(**data)
    exact.set_data(data["X"].astype(np.float64, copy=False), data["y"])

    optimum = reference_optimum(solvers, exact)
    levels = LEVELS[:2] if is_float32 else LEVELS  # float32 does not resolve the last
    chosen = {name: solvers[name] for name in solvers if name.startswith(options.peers)}
    chosen[OURS] = solvers[OURS]
    entrants = sweep_all(chosen, objective, (1 + levels[-1]) * optimum, options.timeout)
    optimum = min(optimum, *(p.value for entrant in entrants.values() for p in entrant.points))
    targets = {level: (1 + level) * optimum for level in levels}
    seconds = race(entrants, targets, options.repetitions)
    cells = [cell for level in levels for cell in compare(seconds[level])]
    cells += [""] * (3 * len(LEVELS) - len(cells))
    ours = entrants[OURS]
    return [*cells, f"{ours.peak_mebibytes():.1f}", ours.faults(optimum)]


def compare(seconds):
    """Cells of one level: our seconds, the best peer's and its name, the quotient's quartiles."""
    medians = {name: np.median(times) for name, times in seconds.items()}
    ours = medians.pop(OURS, None)
    peer = min(medians, key=medians.get, default=None)
    cells = [
        "not reached" if ours is None else f"{ours:.3g}",
        "not reached" if peer is None else f"{medians[peer]:.3g} {peer}",
    ]
    if ours is None or peer is None:
        return [*cells, ""]
    return [*cells, median_ratio(seconds[peer], seconds[OURS])]


def find_solvers(benchmark):
    """The installed solvers by name, of ours the default mode only."""
    solvers = {}
    for solver_class in installed_solvers(benchmark):
        for parameters in product_param(solver_class.parameters):
            solver = solver_class.get_instance(**parameters)
            if solver_class.name != OURS.partition("[")[0] or str(solver) == OURS:
                solvers[str(solver)] = solver
    if not {OURS, *REFERENCES} <= set(solvers):
        sys.exit("run.py needs sklearn-optland and scikit-learn")
    return solvers


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--suite", choices=SUITES, default="small")
    starts = {"nargs": "+", "type": str, "default": [""]}
    parser.add_argument("--data", **starts, help="only rows whose name starts so")
    parser.add_argument("--C", nargs="+", type=float, help="only these C")
    parser.add_argument("--peers", **starts, help="only peers whose name starts so")
    parser.add_argument("--repetitions", type=int, default=3, help="rounds of timing, at least")
    parser.add_argument("--timeout", type=float, default=60, help="seconds of one fit of a sweep")
    options = parser.parse_args()
    options.data, options.peers = tuple(options.data), tuple(options.peers)
    return options


def main():
    options = parse_options()
    benchmark = Benchmark(Path(__file__).parent)
    solvers = find_solvers(benchmark)
    print(conditions())
    heads = [f"{head} {level:.0e}" for level in LEVELS for head in ("ours", "best peer", "ratio")]
    print_header("data", "C", *heads, "MiB", "faults")
    for problem, C in SUITES[options.suite]:
        if problem.startswith(options.data) and C in (options.C or [C]):
            log(f"{problem}, C = {C}")
            print_row(problem, C, *measure(benchmark, solvers, problem, C, options))


if __name__ == "__main__":
    main()
