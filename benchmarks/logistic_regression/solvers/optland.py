from benchmark_utils import EstimatorSolver, skip_large_hessian

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression


class Solver(EstimatorSolver):
    """Bound majorization, this package's estimator."""

    name = "sklearn-optland"
    requirements = ["pip::sklearn-optland"]
    parameters = {
        "curvature, batch": [
            ("auto", "full"),
            ("jc12", "full"),
            ("bohning", "full"),
            ("auto", "growing"),
        ]
    }
    parameter_template = "{curvature},{batch}"

    def skip(self, X, y, C, fit_intercept):
        return skip_large_hessian(X, y) if self.curvature == "jc12" else (False, None)

    def make_estimator(self):
        return BoundMajorizationLogisticRegression(
            curvature=self.curvature, batch=self.batch, random_state=0
        )

    def get_result(self):
        return {**super().get_result(), "bound": self._bound()}

    def _bound(self):
        certificate = getattr(self.estimator, "certificate_", None)  # none before the first fit
        is_bound = certificate is not None and certificate.scope == "global"
        return certificate.value if is_bound else float("nan")
