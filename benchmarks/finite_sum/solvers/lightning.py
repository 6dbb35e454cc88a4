from benchmark_utils import LinearSolver
from common.bases import TOL
from lightning.classification import SAGAClassifier


class Solver(LinearSolver):
    """lightning's SAGA; it has wheels up to Python 3.10 only."""

    name = "lightning"
    requirements = ["pip::sklearn-contrib-lightning"]

    def solve(self, n_iter):
        is_l1 = self.penalty == "l1"
        model = SAGAClassifier(
            loss="log",
            penalty="l1" if is_l1 else None,
            alpha=0.0 if is_l1 else self.alpha,
            beta=self.alpha if is_l1 else 0.0,
            max_iter=n_iter,
            tol=TOL,
            random_state=0,
        )
        return model.fit(self.X, self.y).coef_
