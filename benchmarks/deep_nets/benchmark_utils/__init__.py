"""What the solvers share: a net with the layers of the problem, fitted for so many iterations."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))  # of `common`

from common.bases import IteratedSolver


class NetSolver(IteratedSolver):
    """A net with the layers and the activation of the problem."""

    def get_result(self):
        model = self.model
        fitted = model.predict if self.task == "regression" else model.predict_proba
        return {"fitted": fitted(self.X), "predicted": model.predict(self.X_test)}
