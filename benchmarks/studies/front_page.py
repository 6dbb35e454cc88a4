"""Default against default on the first page: seconds, and distance from the optimum.

    OMP_NUM_THREADS=1 python benchmarks/studies/front_page.py
    python benchmarks/report.py

Columns are not standardised, and the data come with scikit-learn: photographs, digits, tumours; one
set is drawn. Ours and scikit-learn's fit them in turn, in one process, both at their defaults for
the same objective. A row has medians of the rounds in seconds of wall time, the median of theirs ÷
ours with its quartiles, and how far both objectives are from the least value that our certificate
leaves possible, as a share of it. The table goes to results/front_page.json.
"""

import argparse
import sys
import warnings
from datetime import date
from pathlib import Path

import numpy as np
import sklearn
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_image
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, PoissonRegressor
from sklearn.metrics import mean_poisson_deviance

import sklearn_optland
from sklearn_optland._tour.stories import logistic_objective, middle_pixels
from sklearn_optland.linear_model import BoundMajorizationLogisticRegression, FiniteSumRegressor

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.tables import RATIO, Table, write
from studies.defaults import easy, in_turn

COLUMNS = {
    "task": "",
    "data": "",
    "theirs": "",
    "ours s": "{:.3g}",
    "theirs s": "{:.3g}",
    "theirs ÷ ours": RATIO,
    "ours above the optimum": "{:.0e}",
    "theirs above the optimum": "{:.0e}",
    "ours score": "{:.4f}",
    "theirs score": "{:.4f}",
}
N_ROUNDS = 5
LOGISTIC = BoundMajorizationLogisticRegression(), LogisticRegression()


def two_photographs():
    """Patches of 3 × 3 pixels in colour, and which of two photographs they are from."""
    images = [load_sample_image(name).astype(float) for name in ("china.jpg", "flower.jpg")]
    both = [sliding_window_view(image, (3, 3, 3)).reshape(-1, 27) for image in images]
    return np.vstack(both), np.repeat([0, 1], [len(rows) for rows in both])


def elastic_net(share):
    def objective(model, X, y):
        penalty = share * np.abs(model.coef_).sum() + 0.5 * (1 - share) * np.sum(model.coef_**2)
        return 0.5 * np.mean((y - model.predict(X)) ** 2) + penalty

    return objective


def poisson(model, X, y):
    return 0.5 * mean_poisson_deviance(y, model.predict(X)) + 0.5 * np.sum(model.coef_**2)


def cases():
    """Task, data, loader, both estimators, and what they minimise."""
    photograph = "photograph: 269 028 rows, 24 columns"
    yield (
        "lasso", photograph, middle_pixels,
        (FiniteSumRegressor(alpha=1.0, l1_ratio=1.0), Lasso(alpha=1.0)), elastic_net(1.0),
    )  # fmt: skip
    yield (
        "elastic net", photograph, middle_pixels,
        (FiniteSumRegressor(alpha=1.0, l1_ratio=0.5), ElasticNet(alpha=1.0)), elastic_net(0.5),
    )  # fmt: skip
    yield (
        "Poisson regression", photograph, middle_pixels,
        (FiniteSumRegressor("poisson", alpha=1.0), PoissonRegressor(alpha=1.0)), poisson,
    )  # fmt: skip
    for data, load in {
        "two photographs: 542 300 rows, 27 columns": two_photographs,
        "breast_cancer": lambda: load_breast_cancer(return_X_y=True),
        "digits": lambda: load_digits(return_X_y=True),
        "easy classes: 20 000 rows, 300 columns, 10 classes": easy,
    }.items():
        yield "logistic regression", data, load, LOGISTIC, logistic_objective


def main():
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    warnings.simplefilter("ignore")
    table = Table(
        COLUMNS,
        conditions={
            "command": "OMP_NUM_THREADS=1 python benchmarks/studies/front_page.py",
            "date": date.today().isoformat(),
            "versions": f"sklearn-optland {sklearn_optland.__version__}, "
            f"scikit-learn {sklearn.__version__}",
        },
    )
    print(table.head())
    for task, data, load, models, objective in cases():
        X, y = load()
        seconds = in_turn([model.fit for model in models], (X, y), N_ROUNDS)
        reached = [objective(model, X, y) for model in models]
        least = reached[0] * (1 - models[0].certificate_.relative)
        cells = [
            task,
            data,
            type(models[1]).__name__,
            *np.median(seconds, axis=1),
            list(np.percentile(seconds[1] / seconds[0], [50, 25, 75])),
            *((value - least) / least for value in reached),
            *(model.score(X, y) for model in models),
        ]
        print(table.add(dict(zip(COLUMNS, cells, strict=True))), flush=True)
    write("front_page", {"defaults": table})


if __name__ == "__main__":
    main()
