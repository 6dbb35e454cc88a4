"""Iterations of the majorization modes to three relative suboptimalities.

The objective after each iteration is the fit's own `history_`; the optimum is that of a fit with
`tol=0`. C = 1, no intercept, standardised data (a9a as it is).
"""

from dataclasses import dataclass, field

import numpy as np
from common.folder import Case

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression

PROBLEMS = {
    "a9a": ("npz", {"dataset": "a9a", "storage": "dense"}),
    "magic04": ("npz", {"dataset": "magic04"}),
    "covtype20k class 2": ("npz", {"dataset": "covtype20k", "positive_class": 2}),
}
MODES = {
    "jc12": {"curvature": "jc12"},
    "jc12, refresh=10": {"curvature": "jc12", "refresh": 10},
    "bohning": {"curvature": "bohning"},
    "bohning-nesterov": {"curvature": "bohning-nesterov"},
    "growing": {"batch": "growing", "random_state": 0},
    "auto": {"random_state": 0},
}
LEVELS = 1e-3, 1e-6, 1e-9
MAX_ITER = 600
FIT = {"fit_intercept": False, "tol": 0.0}


@dataclass(frozen=True)
class Iterations(Case):
    problems: dict = field(default_factory=PROBLEMS.copy)
    smoke = {"problems": {"breast_cancer": ("embedded", {"dataset": "breast_cancer"})}}

    @property
    def columns(self):
        return {"data": "{}", **dict.fromkeys(MODES, " / ".join(["{}"] * len(LEVELS)))}

    def rows(self, folder, cell):
        def measure(data):
            dataset, parameters = self.problems[data]
            return counts(**folder.data(dataset, **parameters))

        for data in self.problems:
            line = cell("iterations", measure, data=data)
            if line is not None:
                yield {"data": data, **line}


def counts(X, y):
    """By mode the first iteration at or under each level, or a note that there is none."""
    exact = BoundMajorizationLogisticRegression(**FIT).fit(X, y)
    optimum = exact.history_["objective"].min()
    found = {}
    for name, mode in MODES.items():
        model = BoundMajorizationLogisticRegression(max_iter=MAX_ITER, **FIT, **mode).fit(X, y)
        gaps = model.history_["objective"] / optimum - 1
        gaps[np.isinf(model.history_["certificate"])] = np.inf  # measured on a batch
        below = [np.flatnonzero(gaps <= level) for level in LEVELS]
        found[name] = [int(at[0]) + 1 if len(at) else f"> {MAX_ITER}" for at in below]
    return found
