"""CPU seconds to a level of the training loss: ADMM nets against scikit-learn's, one thread.

Every solver is fitted from scratch for 1, 2, 4, … iterations until it reaches the level, and the
least count that does is found by bisection to within an eighth. Then whole fits of so many
iterations, input validation included, are timed in rounds of all solvers in turn.

The level is a cross-entropy of 0.03 for a classification, and 1.1 times the root mean squared
error that L-BFGS ends at after 500 iterations for a regression.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from common.folder import Case
from common.measure import ratio, seconds_in_turn
from common.sweep import fewest_iterations
from common.tables import RATIO
from deep_nets.sigmoid import Sigmoid

LOGISTIC, TANH = ((100,), "logistic"), ((50, 50), "tanh")
# Parameters of the data set, and the net.
PROBLEMS = {
    "mnist 6000 rows": ({"dataset": "mnist", "n_rows": 6000}, LOGISTIC),
    "isolet": ({"dataset": "isolet"}, LOGISTIC),
    "naval 4000 rows": ({"dataset": "naval", "task": "regression", "n_rows": 4000}, TANH),
}
LEVEL = 0.03
END, MARGIN = 500, 1.1
ITERATIONS, EPOCHS = 1000, 64  # at most; an iteration of Adam is an epoch
SETTINGS = {  # the name in the table: that of the solver's class, its parameters, the most counts
    "ours": ("sklearn-optland", {"solver": "feasible"}, ITERATIONS),
    "lbfgs": ("MLP", {"solver": "lbfgs", "learning_rate": 1e-3}, ITERATIONS),
    "adam 1e-3": ("MLP", {"solver": "adam", "learning_rate": 1e-3}, EPOCHS),
    "adam 5e-3": ("MLP", {"solver": "adam", "learning_rate": 5e-3}, EPOCHS),
}
RESULT = "s, iterations, test"


@dataclass(frozen=True)
class Speed(Case):
    """Rows: data. Columns: seconds, iterations and test error, and the seconds of L-BFGS ÷ ours."""

    problems: dict
    rounds: int = 5
    smoke = {"problems": {"digits": ({"dataset": "digits", "n_rows": 300}, LOGISTIC)}, "rounds": 1}

    @property
    def columns(self):
        results = {f"{name}: {RESULT}": "{:.3g}, {}, {:.3g}" for name in SETTINGS}
        return {"data": "{}", "level": "{:.3g}", **results, "lbfgs ÷ ours": RATIO}

    def rows(self, folder, cell):
        for data in self.problems:
            line = cell("speed", partial(self.measure, folder), data=data)
            if line is None:
                continue
            row, seconds = {"data": data, "level": line["level"]}, line["seconds"]
            for name in SETTINGS:
                found = name in seconds and [np.median(seconds[name]), *line["counts"][name]]
                row[f"{name}: {RESULT}"] = found or "not reached"
            if {"ours", "lbfgs"} <= seconds.keys():
                row["lbfgs ÷ ours"] = ratio(seconds["lbfgs"], seconds["ours"])
            yield row

    def measure(self, folder, data):
        parameters, net = self.problems[data]
        objective = folder.objective(folder.data("npz", **parameters))
        objective.layers, objective.activation = net
        solvers = {
            name: folder.solvers[solver_name].get_instance(**setting)
            for name, (solver_name, setting, _) in SETTINGS.items()
        }

        def result(name, count):
            solvers[name].set_objective(**objective.get_objective())
            solvers[name].run(count)
            return objective.evaluate_result(**solvers[name].get_result())

        level = LEVEL
        if objective.task == "regression":
            level = MARGIN * result("lbfgs", END)["value"]
        counts, calls = {}, {}
        for name, (*_, most) in SETTINGS.items():
            found = fewest_iterations([solvers[name]], objective, level, most)
            if found is not None:
                solver, count = found
                counts[name] = [count, result(name, count)["test_error"]]
                calls[name] = lambda solver=solver, count=count: solver.run(count)
        return {"level": level, "counts": counts, "seconds": seconds_in_turn(calls, self.rounds)}


CASES = {"speed": Speed(PROBLEMS), "sigmoid": Sigmoid()}
