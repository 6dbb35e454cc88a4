"""Risk that the gradient flow ends at, by the number of neurons: a teacher of 5, two columns.

Global convergence needs more neurons than the teacher has: with as many, some starts end in a
local minimum.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from common.folder import Case
from common.measure import cpu_seconds, median

from sklearn_optland.neural_network import MeanFieldTwoLayerNet

NEURONS = 5, 10, 20, 100
SEEDS = range(5)
LEVEL = 1e-4
MAX_ITER = 10_000


def measure(folder, n_neurons, seed):
    parameters = {"n_features": 2, "n_rows": 1000, "n_teachers": 5, "seed": seed}
    data = folder.data("teacher", **parameters)
    model = MeanFieldTwoLayerNet(
        n_particles=n_neurons,
        solver="flow",
        alpha=0.0,
        fit_intercept=False,
        scale_inputs=False,
        tol=1e-8,
        max_iter=MAX_ITER,
        random_state=seed,
    )
    seconds = cpu_seconds(lambda: model.fit(data["X"], data["y"]))
    risk = 0.5 * np.mean((model.predict(data["X"]) - data["y"]) ** 2)
    return {"risk": float(risk), "seconds": seconds, "iterations": int(model.n_iter_)}


@dataclass(frozen=True)
class Teacher(Case):
    """Rows: numbers of neurons. Columns: risks by seed, how many reach the level, costs."""

    neurons: tuple = NEURONS
    smoke = {"neurons": NEURONS[:1]}

    @property
    def columns(self):
        return {
            "neurons": "{}",
            **{f"seed {seed}": "{:.1e}" for seed in SEEDS},
            f"risk <= {LEVEL:g}": "{} of {}",
            "median s": "{:.3g}",
            "median iterations": "{:.3g}",
        }

    def rows(self, folder, cell):
        for n in self.neurons:
            lines = cell.each("teacher", partial(measure, folder), n_neurons=[n], seed=SEEDS)
            if lines is None:
                continue
            risks = [line["risk"] for line in lines]
            yield {
                "neurons": n,
                **{f"seed {seed}": risk for seed, risk in zip(SEEDS, risks, strict=True)},
                f"risk <= {LEVEL:g}": [sum(risk <= LEVEL for risk in risks), len(risks)],
                "median s": median(lines, "seconds"),
                "median iterations": median(lines, "iterations"),
            }
