"""Seconds to 1e-6 of the optimum, every peer against ours; and passes by the condition number.

Every solver is fitted at each count of its grid; the first with (F - F*) / F* <= 1e-6 is what it
needs, F* the lowest objective of all fits. Then the solvers are timed at their counts in turn,
round after round, so that the machine's noise hits all alike; ratios are of medians. Seconds are
wall time of the whole fit, from X, y to the coefficients.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from common.folder import Case
from common.measure import log
from common.sweep import enter
from finite_sum.rates import Rates

OURS = "sklearn-optland[auto]"
RIVALS = "sklearn-optland[saga]", "scikit-learn[saga", "scikit-learn[liblinear"
RIVALS += "skglm", "celer", "lightning"
LEVEL = 1e-6
EXTRA = 1e-8  # the sweep goes on to it, for the optimum
REPETITIONS = 7  # rounds of timing
TIMEOUT = 2  # seconds of one fit of a sweep; all may take six times that
PROBLEMS = {
    "a9a": ("npz", {"dataset": "a9a"}),
    "clinc150": ("npz", {"dataset": "clinc150_tfidf"}),
    "news20": ("npz", {"dataset": "news20_bydate_tfidf"}),
    "rcv1-like": ("rcv1-like", {}),
}


@dataclass(frozen=True)
class Speed(Case):
    """Rows: problems. Columns: what ours needs, and what its rivals do."""

    problems: list  # name, penalty, strength
    smoke = {"problems": [("rcv1-like", "l2", 1.0)]}

    @property
    def columns(self):
        return {
            "data": "{}",
            "penalty": "{}",
            "strength": "{:g}",
            "ours: s (passes)": "{:.3g} ({})",
            "rival: s (count), ratio": [
                "{} {:.3g} ({}), {:.2f}",
                # of one that does not arrive: what it gets to, and when
                "{} > {:.3g} ({}; at {:.0e}), > {:.1f}",
            ],
        }

    def rows(self, folder, cell):
        for data, penalty, strength in self.problems:
            log(f"{data}, {penalty}, {strength}")
            key = {"data": data, "penalty": penalty, "strength": strength}
            line = cell("speed", partial(measure, folder), **key)
            if line is not None:
                yield {**key, **line}


def measure(folder, data, penalty, strength):
    dataset, parameters = PROBLEMS[data]
    objective = folder.objective(
        folder.data(dataset, **parameters), penalty=penalty, strength=strength
    )
    entrants, optimum = {}, np.inf
    for name, solver in folder.instances([OURS, *RIVALS]).items():
        if (entrant := enter(solver, objective)) is not None:
            entrants[name] = entrant
    for name in sorted(entrants, key=lambda name: name != OURS):  # ours comes first
        target = (1 + EXTRA) * optimum if np.isfinite(optimum) else -np.inf
        entrants[name].sweep(objective, target, TIMEOUT, 6 * TIMEOUT)
        optimum = min([optimum, *(point.value for point in entrants[name].points)])
        log(f"    {name}: {entrants[name].points[-1]}")
    for name, entrant in entrants.items():
        if entrant.lies(optimum):
            log(f"    FALSE BOUND: {name}")
    firsts = {name: entrant.first((1 + LEVEL) * optimum) for name, entrant in entrants.items()}
    reached = {name: point.n_iter for name, point in firsts.items() if point}
    rounds = [
        {name: entrants[name].time(n_iter) for name, n_iter in reached.items()}
        for _ in range(REPETITIONS)
    ]
    seconds = {name: np.median([one[name] for one in rounds]) for name in reached}
    ours = seconds.get(OURS, np.nan)
    rivals = [
        [name, seconds[name], count, seconds[name] / ours]
        for name, count in reached.items()
        if name != OURS
    ]
    for name, entrant in entrants.items():
        if name in reached or name == OURS:
            continue
        last = entrant.points[-1]
        gap = last.value / optimum - 1
        rivals.append([name, last.seconds, last.n_iter, gap, last.seconds / ours])
    own = [ours, reached[OURS]] if OURS in reached else None
    return {"ours: s (passes)": own, "rival: s (count), ratio": rivals}


CASES = {
    "speed": Speed(
        [
            *((name, "l2", strength) for name, strength in product(PROBLEMS, (1.0, 0.01))),
            ("rcv1-like", "l1", 0.1),
            ("rcv1-like", "l1", 0.01),
        ]
    ),
    "rates-squared-error": Rates("squared_error"),
    "rates-log-loss": Rates("log_loss"),
}
