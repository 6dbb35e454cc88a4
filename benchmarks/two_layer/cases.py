"""CPU seconds to a risk of 1e-4 on a teacher's data, and what nets end at, in modules beside it.

One thread; 1000 rows, 100 neurons, five teachers, no noise. Every solver is fitted from scratch for
1, 2, 4, … iterations until it reaches the risk, and the least count that does is found by bisection
to within an eighth. Then whole fits of so many iterations, validation included, are timed in rounds
of all solvers in turn. The rates of torch's optimisers are the best of a grid for each problem.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from common.folder import Case
from common.measure import ratio, seconds_in_turn
from common.sweep import fewest_iterations
from common.tables import RATIO
from two_layer.certificates import Certificates
from two_layer.margins import PROBLEMS, Margins
from two_layer.regimes import Regimes
from two_layer.spikes import Spikes
from two_layer.teacher import Teacher

LEVEL = 1e-4
MAX_ITER = 5000
RATES = {"GD": [0.125, 0.25, 0.35, 0.5, 0.7, 1, 2], "Adam": [0.01, 0.03, 0.1, 0.3]}
SETTINGS = {  # the name in the table: that of the solver's class, and its grid
    "particles": ("sklearn-optland", [{"solver": "particles"}]),
    "flow": ("sklearn-optland", [{"solver": "flow"}]),
    "MLP lbfgs": ("MLP lbfgs", [{}]),
    "torch GD": ("torch", [{"optimizer": "GD", "rate": rate} for rate in RATES["GD"]]),
    "torch Adam": ("torch", [{"optimizer": "Adam", "rate": rate} for rate in RATES["Adam"]]),
}
OURS, *RIVALS = (name for name in SETTINGS if name != "flow")


@dataclass(frozen=True)
class Speed(Case):
    """Rows: problems. Columns: seconds and iterations, and the rivals' seconds against ours."""

    n_features: tuple = (2, 10)
    seeds: tuple = (0, 1)
    rounds: int = 7
    smoke = {"n_features": (2,), "seeds": (0,), "rounds": 1}

    @property
    def columns(self):
        return {
            "d": "{}",
            "seed": "{}",
            **{f"{name}: s, iterations": "{:.3g}, {}" for name in SETTINGS},
            **{f"{name} ÷ {OURS}": RATIO for name in RIVALS},
        }

    def rows(self, folder, cell):
        for d, seed in product(self.n_features, self.seeds):
            line = cell("speed", partial(self.measure, folder), d=d, seed=seed)
            if line is None:
                continue
            row, seconds = {"d": d, "seed": seed}, line["seconds"]
            for name in line["tried"]:
                found = name in seconds and [np.median(seconds[name]), line["counts"][name]]
                row[f"{name}: s, iterations"] = found or "not reached"
            for name in RIVALS:
                if {name, OURS} <= seconds.keys():
                    row[f"{name} ÷ {OURS}"] = ratio(seconds[name], seconds[OURS])
            yield row

    def measure(self, folder, d, seed):
        data = folder.data("teacher", n_features=d, n_rows=1000, n_teachers=5, seed=seed)
        objective = folder.objective(data, seed=seed)
        counts, calls, tried = {}, {}, []
        for name, (solver_name, grid) in SETTINGS.items():
            if solver_name not in folder.solvers:
                continue
            tried.append(name)
            make = folder.solvers[solver_name].get_instance
            solvers = (make(**parameters) for parameters in grid)
            found = fewest_iterations(solvers, objective, LEVEL, MAX_ITER)
            if found is not None:
                solver, counts[name] = found
                calls[name] = lambda solver=solver, count=found[1]: solver.run(count)
        return {"tried": tried, "counts": counts, "seconds": seconds_in_turn(calls, self.rounds)}


CASES = {
    "speed": Speed(),
    "teacher": Teacher(),
    "regimes": Regimes(),
    "certificates": Certificates(),
    "spikes": Spikes(),
    "margins": Margins(PROBLEMS),
}
