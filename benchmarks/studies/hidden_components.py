"""Error of `LatentLogisticRegression` against the number of components.

    OPTLAND_DATA=~/data OMP_NUM_THREADS=1 python benchmarks/studies/hidden_components.py

Each data set's own test rows, columns standardised by the training rows, C = 1; a support vector
machine with its default kernel and C chosen of 1, 10, 100 by five folds is for comparison. Printed
are errors in percent, the objective, and CPU seconds of a fit at the default `tol`.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from sklearn_optland.linear_model import LatentLogisticRegression

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.npz import load, standardised

DATA = ("pendigits", "satimage", "vowel")
COMPONENTS = (1, 2, 4, 8)


def models():
    """Names and estimators of the rows of a table."""
    for n_components in COMPONENTS:
        for init in ("k-means", "noise")[: 1 + (n_components > 1)]:
            model = LatentLogisticRegression(n_components, init=init, random_state=0)
            yield f"M = {n_components}, {init}" if n_components > 1 else "M = 1", model
    yield "SVC", GridSearchCV(SVC(), {"C": [1.0, 10.0, 100.0]})


def main():
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| data | model | train | test | objective | steps | CPU s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in DATA:
        X, y, n_train = load(name)
        train, test = np.split(np.arange(len(y)), [n_train])
        X = standardised(X.astype(float), train)
        for label, model in models():
            start = time.process_time()
            model.fit(X[train], y[train])
            seconds = time.process_time() - start
            errors = [100 * (1 - model.score(X[part], y[part])) for part in (train, test)]
            fit = "| |"
            if hasattr(model, "history_"):
                fit = f"{model.history_['objective'][-1]:.1f} | {model.n_iter_} |"
            print(f"| {name} | {label} | {errors[0]:.1f} | {errors[1]:.1f} | {fit} {seconds:.2f} |")


if __name__ == "__main__":
    main()
