"""Time to 1e-6 of the optimum, every peer against ours: a markdown table, a row a problem.

    OPTLAND_DATA=... python benchmarks/finite_sum/run.py

Every solver is fitted at each count of its grid; the first with (F - F*) / F* <= 1e-6 is what it
needs, F* the lowest objective of all fits. Then the solvers are timed at their counts in turn,
round after round, so that the machine's noise hits all alike; ratios are of medians. Seconds are
wall time of the whole fit, from X, y to the coefficients.
"""

import argparse
import time
from pathlib import Path

import benchmark_utils  # noqa: F401, finds measure.py
import numpy as np
from benchopt.benchmark import Benchmark
from benchopt.utils.parametrized_name_mixin import product_param
from measure import conditions, installed_solvers, log, print_header, print_row

LEVEL = 1e-6
EXTRA = 1e-8  # the sweep goes on to it, for the optimum
ROUNDING = 1e-12  # of the objective, granted to the bounds
PATIENCE = 8  # fits without progress that end a sweep
PROBLEMS = {
    "a9a": ("npz", {"dataset": "a9a"}),
    "clinc150": ("npz", {"dataset": "clinc150_tfidf"}),
    "news20": ("npz", {"dataset": "news20_bydate_tfidf"}),
    "rcv1-like": ("rcv1-like", {}),
}
CASES = [
    *((name, "l2", strength) for name in PROBLEMS for strength in (1.0, 0.01)),
    ("rcv1-like", "l1", 0.1),
    ("rcv1-like", "l1", 0.01),
]


def timed(solver, n_iter):
    start = time.perf_counter()
    solver.run(n_iter)
    return time.perf_counter() - start


def sweep(solver, objective, floor, max_seconds):
    """(count, seconds, value, bound) of fits at each count: to the floor, too long, or stalled."""
    points, n_iter, spent = [], 0, 0.0
    while True:
        n_iter = solver.get_next(n_iter)
        seconds = timed(solver, n_iter)
        spent += seconds
        result = objective.evaluate_result(**solver.get_result())
        points.append((n_iter, seconds, result["value"], result["bound"]))
        values = [point[2] for point in points]
        stalls = len(values) > PATIENCE and min(values[-PATIENCE:]) >= min(values[:-PATIENCE])
        if (
            (np.isfinite(floor) and values[-1] <= floor * (1 + EXTRA))
            or seconds > max_seconds
            or spent > 6 * max_seconds
        ):
            return points
        if stalls:
            return points


def measure(solvers, objective, options):
    """Median seconds to the level and counts by solver, and milliseconds a pass."""
    entrants = {}
    for name, solver in solvers.items():
        skip, reason = solver.skip(**objective.get_objective())
        if skip:
            log(f"    {name}: skipped, {reason}")
            continue
        solver.set_objective(**objective.get_objective())
        solver.warm_up()
        entrants[name] = solver
    floor, points = np.inf, {}
    for name, solver in entrants.items():  # ours come first
        points[name] = sweep(solver, objective, floor, options.timeout)
        floor = min([floor, *(point[2] for point in points[name])])
        log(f"    {name}: {points[name][-1]}")
    for name, found in points.items():
        for n_iter, _, value, bound in found:
            if value - floor > bound + ROUNDING * value:
                log(f"    FALSE BOUND: {name} after {n_iter}: {value - floor} > {bound}")
    counts = {}
    for name, found in points.items():
        counts[name] = next((n for n, _, value, _ in found if value <= floor * (1 + LEVEL)), None)
    seconds = {name: [] for name, count in counts.items() if count}
    for _ in range(options.repetitions):
        for name in seconds:
            seconds[name].append(timed(entrants[name], counts[name]))
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    slowest = {name: found[-1] for name, found in points.items() if name not in medians}
    return medians, counts, slowest, floor


def find_solvers(benchmark, wanted):
    """Instances by name, ours first."""
    solvers = {}
    for solver_class in installed_solvers(benchmark):
        for parameters in product_param(solver_class.parameters):
            solver = solver_class.get_instance(**parameters)
            if str(solver).startswith(tuple(wanted)):
                solvers[str(solver)] = solver
    return dict(sorted(solvers.items(), key=lambda item: "optland[auto" not in item[0]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=list(PROBLEMS), help="only these problems")
    parser.add_argument("--penalties", nargs="+", default=["l2", "l1"])
    parser.add_argument(
        "--solvers",
        nargs="+",
        default=["sklearn-optland[auto", "sklearn-optland[saga", "scikit-learn[saga",
                 "scikit-learn[liblinear", "skglm", "celer", "lightning"],
        help="solvers whose name starts so",
    )  # fmt: skip
    parser.add_argument("--repetitions", type=int, default=5, help="rounds of timing")
    parser.add_argument("--timeout", type=float, default=5, help="seconds of one fit of a sweep")
    options = parser.parse_args()
    benchmark = Benchmark(Path(__file__).parent)
    datasets = {dataset.name: dataset for dataset in benchmark.get_datasets()}
    solvers = find_solvers(benchmark, options.solvers)
    print(conditions())
    print_header("data", "penalty", "strength", "ours: s (passes)", "rival: s (count), ratio")
    for problem, penalty, strength in CASES:
        if problem not in options.data or penalty not in options.penalties:
            continue
        log(f"{problem}, {penalty}, {strength}")
        name, parameters = PROBLEMS[problem]
        data = datasets[name].get_instance(**parameters).get_data()
        if "missing" in data:
            log(f"    {data['missing']}")
            continue
        objective = benchmark.get_benchmark_objective().get_instance(
            penalty=penalty, strength=strength
        )
        objective.set_data(**data)
        medians, counts, slowest, floor = measure(solvers, objective, options)
        ours = next(name for name in solvers if "optland[auto" in name)
        base = medians.get(ours, np.nan)
        cells = [
            f"{name} {seconds:.3g} ({counts[name]}), {seconds / base:.2f}"
            for name, seconds in medians.items()
            if name != ours
        ]
        cells += [
            f"{name} > {seconds:.3g} ({count}; at {value / floor - 1:.0e}), > {seconds / base:.1f}"
            for name, (count, seconds, value, _) in slowest.items()
        ]
        own = f"{base:.3g} ({counts[ours]})"
        print_row(problem, penalty, f"{strength:g}", own, "; ".join(cells))


if __name__ == "__main__":
    main()
