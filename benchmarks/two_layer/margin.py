"""The margin of a net with both layers trained, and the bound on the best margin.

    python benchmarks/two_layer/margin.py --results DIR
    python benchmarks/two_layer/margin.py --results DIR --table

The rows of `regimes.py`; each draw is fitted from three starts. No margin of one may exceed the
bound of another. In 15 dimensions the bound comes from a search of the sphere, which may
miss its maximum; in the rows "2 columns" the other columns are left out, and the maximum is exact.
"""

import numpy as np
from benchmark_utils import threadpool_limits
from measure import Results, conditions, print_header, print_row, table_parser
from regimes import MAX_ITER, N_FEATURES, N_NEURONS, draw

from sklearn_optland.neural_network import MeanFieldTwoLayerNetClassifier

PROBLEMS = [(2, 32), (N_FEATURES, 32), (N_FEATURES, 256)]  # columns, rows
DRAWS, STARTS = range(3), range(3)


def measure(n_columns, n_rows, seed, start):
    X, y, *_ = draw(n_rows, seed)
    model = MeanFieldTwoLayerNetClassifier(
        n_particles=N_NEURONS, solver="margin-ascent", max_iter=MAX_ITER, random_state=start
    )
    with threadpool_limits(1):
        model.fit(X[:, :n_columns], y)
    return {
        "margin": float(model.margin_),
        "bound": float(model.margin_bound_),
        "scope": model.certificate_.scope,
    }


def main():
    options = table_parser(__doc__).parse_args()
    results = Results(options.results, measuring=not options.table)
    print(conditions())
    columns = ["margins", "bounds", "scope", "least margin ÷ bound", "holds"]
    print_header("columns", "rows", "draw", *columns)
    for n_columns, n_rows in PROBLEMS:
        for seed in DRAWS:
            lines = []
            for start in STARTS:

                def run(n_columns=n_columns, n_rows=n_rows, seed=seed, start=start):
                    return measure(n_columns, n_rows, seed, start)

                key = {"n_columns": n_columns, "n_rows": n_rows, "draw": seed, "start": start}
                line = results.cell("margin", run, **key)
                lines += [line] if line else []
            if not lines:
                continue
            margins, bounds = ([line[key] for line in lines] for key in ("margin", "bound"))
            print_row(
                n_columns,
                n_rows,
                seed,
                ", ".join(f"{margin:.4f}" for margin in margins),
                ", ".join(f"{bound:.4f}" for bound in bounds),
                lines[0]["scope"],
                f"{np.min(np.divide(margins, bounds)):.3f}",
                max(margins) <= min(bounds),
            )


if __name__ == "__main__":
    main()
