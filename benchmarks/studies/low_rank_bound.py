"""Forty iterations of bound majorization with each curvature that isolet's coefficients allow.

    OPTLAND_DATA=~/data python benchmarks/studies/low_rank_bound.py

Every second row of isolet, standardised: 617 columns and 26 classes, of which "jc12" would need a
matrix of side 16,068. A row has the objective after so many iterations, and CPU seconds.
"""

import os
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression

MODES = {
    "low-rank, refresh=10": {"curvature": "low-rank", "refresh": 10},
    "bohning": {"curvature": "bohning"},
    "bohning-nesterov": {"curvature": "bohning-nesterov"},
}


def main():
    """Print the table."""
    data = np.load(Path(os.environ.get("OPTLAND_DATA", ".")) / "isolet.npz", allow_pickle=True)
    X, y = scale(data["X"][::2].astype(float)), data["y"][::2]
    print("| curvature | 10 | 20 | 40 | CPU seconds |")
    print("| --- | --- | --- | --- | --- |")
    for name, parameters in MODES.items():
        model = BoundMajorizationLogisticRegression(max_iter=40, **parameters)
        begin = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
        seconds = time.process_time() - begin
        values = " | ".join(f"{value:.0f}" for value in model.history_["objective"][[9, 19, 39]])
        print(f"| {name} | {values} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
