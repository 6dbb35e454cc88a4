import numpy as np
from benchopt.stopping_criterion import SufficientProgressCriterion
from common.bases import DataObjective


class Objective(DataObjective):
    """Mean log-loss of two classes plus alpha times ½‖w‖² or ‖w‖₁, without intercept, in float64.

    strength : alpha is strength / n for the L2 penalty, strength * alpha_max for L1, alpha_max the
        smallest alpha with w = 0
    """

    name = "Finite sum"
    seen = "X", "y", "alpha", "penalty"
    parameters = {"penalty, strength": [("l2", 1.0), ("l2", 0.01), ("l1", 0.01)]}
    sampling_strategy = "iteration"
    stopping_criterion = SufficientProgressCriterion(eps=1e-12, patience=6)
    test_dataset_name = "rcv1-like"

    def set_data(self, X, y):
        self.X, self.y = X, np.where(y == np.unique(y)[-1], 1.0, -1.0)
        n = len(y)
        largest = np.abs(X.T @ self.y).max() / (2 * n)
        self.alpha = self.strength * (largest if self.penalty == "l1" else 1 / n)

    def evaluate_result(self, coef, bound=np.nan):
        """The objective; `bound` is what the solver itself claims of objective − optimum."""
        coef = np.ravel(np.asarray(coef, dtype=np.float64))
        size = np.abs(coef).sum() if self.penalty == "l1" else 0.5 * coef @ coef
        loss = np.logaddexp(0, -self.y * (self.X @ coef)).mean()
        return {"value": loss + self.alpha * size, "bound": bound}

    def get_one_result(self):
        return {"coef": np.zeros(self.X.shape[1])}
