from common.bases import OneThreadSolver
from common.measure import cpu_seconds

from sklearn_optland.structured import ChainCRFClassifier


class Solver(OneThreadSolver):
    """This package's chain CRF, by dual coordinate ascent."""

    name = "ChainCRFClassifier"
    sampling_strategy = "run_once"
    requirements = ["pip::sklearn-optland"]
    parameters = {"tol": [1e-4], "max_iter": [1000]}

    def run(self, _):
        self.model = ChainCRFClassifier(
            self.C, boundary=False, tol=self.tol, max_iter=self.max_iter, random_state=0
        )
        self.train_seconds = cpu_seconds(lambda: self.model.fit(self.X, self.y))

    def get_result(self):
        certificate = self.model.certificate_
        return {
            "objective": certificate.value / certificate.relative,
            "predicted": self.predict(),
        }

    def predict(self):
        return self.model.predict(self.X_test)

    predict_from_names = predict
