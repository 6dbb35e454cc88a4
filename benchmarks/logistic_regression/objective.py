import numpy as np
from benchopt.stopping_criterion import SufficientProgressCriterion
from common.bases import DataObjective
from scipy.sparse import issparse
from scipy.special import logsumexp
from sklearn.utils import gen_batches

BLOCK_ENTRIES = 1_000_000  # of the largest temporary array of an evaluation


class Objective(DataObjective):
    """The objective of scikit-learn's LogisticRegression, ½‖w‖² + C Σ ℓ_i, evaluated in float64.

    Two classes: the logistic loss of one row of coefficients. More: softmax cross-entropy, one row
    a class. The intercept is not penalised.
    """

    name = "Logistic regression"
    seen = "X", "y", "C", "fit_intercept"
    parameters = {"C": [1.0], "fit_intercept": [False]}
    sampling_strategy = "iteration"
    # benchopt's own 1e-10 of the largest step would end slow solvers' curves before 1e-9 of F*.
    stopping_criterion = SufficientProgressCriterion(eps=1e-13, patience=8)
    test_dataset_name = "simulated"

    def set_data(self, X, y):
        self.X = X
        classes, self.y = np.unique(y, return_inverse=True)
        self.n_rows = 1 if len(classes) == 2 else len(classes)

    def evaluate_result(self, coef, intercept, bound=np.nan):
        """The objective; `bound` is what the solver itself claims of objective − optimum."""
        coef = np.asarray(coef, dtype=np.float64).reshape(self.n_rows, self.X.shape[1])
        loss = sum(self._loss(rows, coef, intercept) for rows in self._blocks())
        value = 0.5 * np.vdot(coef, coef) + self.C * loss
        if not np.isfinite(value):
            raise FloatingPointError(f"the objective at the solver's result is {value}")
        return {"value": value, "bound": bound}

    def get_one_result(self):
        zeros = np.zeros((self.n_rows, self.X.shape[1]))
        return {"coef": zeros, "intercept": zeros[:, 0]}

    def _blocks(self):
        # Dense float32 rows are copied to float64; of sparse rows only the logits are new.
        width = max(self.n_rows, 0 if issparse(self.X) else self.X.shape[1])
        return gen_batches(self.X.shape[0], max(1, BLOCK_ENTRIES // width))

    def _loss(self, rows, coef, intercept):
        logits = self.X[rows] @ coef.T + intercept
        if self.n_rows == 1:
            logits = np.hstack([np.zeros_like(logits), logits])
        # Relative to the true class nothing cancels: small losses keep their digits.
        logits -= np.take_along_axis(logits, self.y[rows, np.newaxis], axis=1)
        return logsumexp(logits, axis=1).sum()
