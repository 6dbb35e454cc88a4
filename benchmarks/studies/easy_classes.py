"""Easy data, which the tables do not hold: classes that are separated without error.

    OMP_NUM_THREADS=1 python benchmarks/studies/easy_classes.py

Ten Gaussian clouds, 20 000 rows of 300 columns; default against default. Printed are the CPU
seconds of each, the median of three fits in turn, and by how much the objective of
`LogisticRegression` is above ours.
"""

from time import process_time

import numpy as np
from sklearn.linear_model import LogisticRegression

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression

ROUNDS = 3


def objective(model, X, y):
    """What both minimise at C = 1."""
    losses = -model.predict_log_proba(X)[np.arange(len(y)), y]
    return 0.5 * np.sum(model.coef_**2) + losses.sum()


def main():
    rng = np.random.RandomState(0)
    y = rng.randint(10, size=20_000)
    X = 0.35 * rng.randn(10, 300)[y] + rng.randn(20_000, 300)
    models = BoundMajorizationLogisticRegression(random_state=0), LogisticRegression()
    seconds = [[], []]
    for _ in range(ROUNDS):
        for model, times in zip(models, seconds, strict=True):
            start = process_time()
            model.fit(X, y)
            times.append(process_time() - start)
    ours, theirs = (np.median(times) for times in seconds)
    above = objective(models[1], X, y) / objective(models[0], X, y) - 1
    print(f"ours {ours:.2f} s, LogisticRegression {theirs:.2f} s, {100 * above:.0f} % above")


if __name__ == "__main__":
    main()
