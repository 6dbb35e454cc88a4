"""What the solvers share: a net of one hidden layer, fitted for so many iterations."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))  # of `common`

from common.bases import IteratedSolver


class NetSolver(IteratedSolver):
    """A net of m ReLU neurons without a penalty, and without biases where that can be had."""

    def get_result(self):
        return {"fitted": self.model.predict(self.X)}
