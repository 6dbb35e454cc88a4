"""The margin of a net with both layers trained, and the bound on the best margin.

The rows of `regimes.py`; each draw is fitted from three starts. No margin of one may exceed the
bound of another. In 15 dimensions the bound comes from a search of the sphere, which may
miss its maximum; in the rows "2 columns" the other columns are left out, and the maximum is exact.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from common.folder import Case
from two_layer.regimes import MAX_ITER, N_FEATURES, N_NEURONS, draw

from sklearn_optland.neural_network import MeanFieldTwoLayerNetClassifier

PROBLEMS = [(2, 32), (N_FEATURES, 32), (N_FEATURES, 256)]  # columns, rows
DRAWS, STARTS = range(3), range(3)


def measure(n_columns, n_rows, seed, start):
    X, y, *_ = draw(n_rows, seed)
    model = MeanFieldTwoLayerNetClassifier(
        n_particles=N_NEURONS,
        solver="margin-ascent",
        scale_inputs=False,
        max_iter=MAX_ITER,
        random_state=start,
    )
    model.fit(X[:, :n_columns], y)
    return {
        "margin": float(model.margin_),
        "bound": float(model.margin_bound_),
        "scope": model.certificate_.scope,
    }


@dataclass(frozen=True)
class Margins(Case):
    """Rows: draws of problems. Columns: margins and bounds of all starts."""

    problems: list
    draws: tuple = tuple(DRAWS)
    smoke = {"problems": PROBLEMS[:1], "draws": (0,)}

    @property
    def columns(self):
        each = ", ".join(["{:.4f}"] * len(STARTS))
        return {
            "columns": "{}",
            "rows": "{}",
            "draw": "{}",
            "margins": each,
            "bounds": each,
            "scope": "{}",
            "least margin ÷ bound": "{:.3f}",
            "holds": "{}",
        }

    def rows(self, folder, cell):
        for (n_columns, n_rows), seed in product(self.problems, self.draws):
            key = {"n_columns": [n_columns], "n_rows": [n_rows], "seed": [seed], "start": STARTS}
            lines = cell.each("margins", measure, **key)
            if lines is None:
                continue
            margins, bounds = ([line[key] for line in lines] for key in ("margin", "bound"))
            yield {
                "columns": n_columns,
                "rows": n_rows,
                "draw": seed,
                "margins": margins,
                "bounds": bounds,
                "scope": lines[0]["scope"],
                "least margin ÷ bound": np.min(np.divide(margins, bounds)),
                "holds": max(margins) <= min(bounds),
            }
