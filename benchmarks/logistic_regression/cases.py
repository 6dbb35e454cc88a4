"""Seconds to three levels of the objective, of this package's solver and of its best peer.

The optimum F* is the lowest objective that any fit of the run reached, long Newton fits in float64
among them. Every solver is fitted at each count of its grid of iterations; the first count with
(F - F*) / F* under a level is what it needs for that level. Then the solvers are timed at their
counts in turn, round after round, so that the machine's noise hits all alike.
"""

import time
import tracemalloc
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from common.folder import Case
from common.measure import log, ratio
from common.sweep import enter
from common.tables import RATIO
from logistic_regression.iterations import Iterations

OURS = "sklearn-optland[auto,full]"
LEVELS = 1e-3, 1e-6, 1e-9  # of (F - F*) / F*
REFERENCES = "scikit-learn[newton-cholesky]", "scikit-learn[newton-cg]"
REFERENCE_ITERATIONS = 300
REPETITIONS = 3  # rounds of timing, at least
MIN_SECONDS = 1  # of timing a problem: short fits get more rounds
HOPELESS = 3  # times the best peer's seconds: a slower peer is neither swept further nor timed
CHEAP = 0.05  # seconds of a fit that never counts as slow
NOT_REACHED = "not reached"

EMBEDDED = "breast_cancer", "digits", "iris", "wine"
MULTINOMIAL = "isolet", "mnist", "usps", "pendigits", "satimage", "shuttle"
OTHERS = "skin_nonskin", "madelon_train", "covtype20k", "segment", "vowel", "poker_train"
N_ROWS = {"mnist": 12_000}  # where not all training rows are used


def npz(name, **parameters):
    return {"dataset": name, "n_rows": N_ROWS.get(name), **parameters}


# The row's name in the table: the data set of this folder and its parameters.
PROBLEMS = {
    **{name: ("embedded", {"dataset": name}) for name in EMBEDDED},
    "simulated 5k x 30": ("simulated", {}),
    "simulated 200k x 54": ("simulated", {"n_samples": 200_000, "n_features": 54}),
    "simulated text": ("simulated-text", {}),
    "covtype20k class 2": ("npz", npz("covtype20k", positive_class=2)),
    "a9a dense": ("npz", npz("a9a", storage="dense")),
    "shuttle class 1": ("npz", npz("shuttle", positive_class=1)),
    "news20": ("npz", npz("news20_bydate_tfidf")),
    "clinc150": ("npz", npz("clinc150_tfidf")),
    **{name: ("npz", npz(name)) for name in ("magic04", "a9a", *MULTINOMIAL, *OTHERS)},
    **{f"{name} float32": ("npz", npz(name, dtype="float32")) for name in MULTINOMIAL},
}


@dataclass(frozen=True)
class Race:
    """A problem, C, the starts of the peers' names, and the longest fit of a sweep in seconds."""

    data: str
    C: float
    peers: tuple
    timeout: float


def races(*names, Cs=(1, 100), peers=("scikit-learn",), timeout=60):
    return [Race(name, C, peers, timeout) for name, C in product(names, Cs)]


@dataclass(frozen=True)
class Speed(Case):
    """Rows: problems. Columns: seconds of ours and of the best peer, and their ratio, by level."""

    races: list
    smoke: dict

    @property
    def columns(self):
        forms = {"ours": "{:.3g}", "best peer": "{:.3g} {}", "ratio": RATIO}
        levels = {f"{what} {level:.0e}": form for level in LEVELS for what, form in forms.items()}
        return {"data": "{}", "C": "{:g}", **levels, "MiB": "{:.1f}", "faults": "{}"}

    def rows(self, folder, cell):
        for race in self.races:
            log(f"{race.data}, C = {race.C}")
            line = cell("speed", partial(measure, folder), **vars(race))
            if line is not None:
                yield {"data": race.data, "C": race.C, **line}


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


def in_turn(entrants, targets):
    """Seconds by level and solver, of rounds in which every contender runs in turn."""
    seconds = {level: defaultdict(list) for level in targets}
    runs = list(contenders(entrants, targets))
    start, n_rounds = time.perf_counter(), 0
    while n_rounds < REPETITIONS or time.perf_counter() - start < MIN_SECONDS:
        for level, name, n_iter in runs:
            seconds[level][name].append(entrants[name].time(n_iter))
        n_rounds += 1
    return seconds


def peak_mebibytes(entrant):
    """What Python and NumPy hold at most during the last fit, beyond the data."""
    tracemalloc.start()
    entrant.solver.run(entrant.points[-1].n_iter)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 2**20


def measure(folder, data, C, peers, timeout):
    """The cells of the problem's row."""
    dataset, parameters = PROBLEMS[data]
    stored = folder.data(dataset, **parameters)
    in_float64 = {**stored, "X": stored["X"].astype(np.float64, copy=False)}
    objective, exact = (
        folder.objective(part, C=C, fit_intercept=False) for part in (stored, in_float64)
    )
    solvers = {  # of our own the default mode alone
        name: solver
        for name, solver in folder.instances().items()
        if name == OURS or not name.startswith("sklearn-optland")
    }
    optimum = reference_optimum(solvers, exact)
    # float32 does not resolve the last level
    levels = LEVELS[:2] if stored["X"].dtype == np.float32 else LEVELS
    chosen = {name: s for name, s in solvers.items() if name.startswith((OURS, *peers))}
    entrants = sweep_all(chosen, objective, (1 + levels[-1]) * optimum, timeout)
    optimum = min(optimum, *(p.value for entrant in entrants.values() for p in entrant.points))
    targets = {level: (1 + level) * optimum for level in levels}
    cells = {}
    for level, seconds in in_turn(entrants, targets).items():
        found = compare(seconds)
        cells |= {f"{what} {level:.0e}": value for what, value in found.items()}
    ours = entrants[OURS]
    return {**cells, "MiB": peak_mebibytes(ours), "faults": ours.faults(optimum)}


def compare(seconds):
    """Cells of one level."""
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    ours = medians.pop(OURS, None)
    peer = min(medians, key=medians.get, default=None)
    cells = {
        "ours": NOT_REACHED if ours is None else ours,
        "best peer": NOT_REACHED if peer is None else [medians[peer], short_name(peer)],
    }
    if ours is not None and peer is not None:
        cells["ratio"] = ratio(seconds[peer], seconds[OURS])
    return cells


def short_name(name):
    """Of scikit-learn's solvers that of the solver alone."""
    return name.removeprefix("scikit-learn[").removesuffix("]") if "scikit" in name else name


DENSE = {"peers": ("scikit-learn[lbfgs]", "scikit-learn[newton"), "timeout": 6}
NEWTON = {"peers": ("scikit-learn[lbfgs]", "scikit-learn[newton-cg]"), "timeout": 8}
SINGLE = {**NEWTON, "Cs": [1], "timeout": 4}
SAG = {"peers": ("scikit-learn[sag]", "scikit-learn[lbfgs]"), "Cs": [1], "timeout": 2}
ALL = {"peers": ("",), "timeout": 4}
CASES = {
    "two-classes": Speed(
        [
            *races("covtype20k class 2", "a9a dense", "magic04", "shuttle class 1", "a9a"),
            *races("simulated 200k x 54", Cs=[1]),
            *races("breast_cancer", "skin_nonskin", "madelon_train"),
        ],
        smoke={"races": races("breast_cancer", Cs=[1])},
    ),
    "all-peers": Speed(
        [
            *races("covtype20k class 2", "a9a dense", "magic04", "shuttle class 1", "a9a", **ALL),
            *races("usps", "pendigits", **ALL),
            *races("satimage", "usps float32", "pendigits float32", Cs=[1], **ALL),
            *races("satimage float32", Cs=[1], **ALL),
            *races("breast_cancer", **ALL),
        ],
        smoke={"races": races("iris", Cs=[1], **ALL)},
    ),
    "several-classes": Speed(
        [
            *races("isolet", **NEWTON),
            *races("mnist", Cs=[1], **NEWTON),
            *races("usps", "pendigits", **DENSE),
            *races("satimage", "shuttle", Cs=[1], **DENSE),
        ],
        smoke={"races": races("digits", Cs=[1], **NEWTON)},
    ),
    "float32": Speed(
        [
            *races(*(f"{name} float32" for name in MULTINOMIAL if name != "shuttle"), **SINGLE),
            *races("shuttle float32", Cs=[1], **DENSE),
        ],
        smoke={"races": races("pendigits float32", **SINGLE)},
    ),
    "sparse": Speed(
        [
            *races("news20", "clinc150", **SAG),
            *races("news20", "clinc150", **{**NEWTON, "Cs": [100]}),
        ],
        smoke={"races": races("clinc150", **{**SAG, "timeout": 1})},
    ),
    "embedded": Speed(races("digits", "iris", "wine"), smoke={"races": races("wine", Cs=[1])}),
    "others": Speed(
        races(
            "simulated 5k x 30", "simulated text", "covtype20k", "segment", "vowel", "poker_train"
        ),
        smoke={"races": races("simulated 5k x 30", Cs=[1])},
    ),
    "iterations": Iterations(),
}
