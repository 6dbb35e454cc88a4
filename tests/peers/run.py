"""scikit-learn's own tests, with our estimators in the place of theirs.

    python tests/peers/run.py              # all suites
    python tests/peers/run.py logistic

The tests are those of the installed scikit-learn; nothing of them is here. An adapter takes the
parameters of their estimator and fits ours. A test is "not applicable" if it never makes an adapter
(it tests another class or function), if it asks an adapter for what ours does not have, or if
`NOT_APPLICABLE` says why.
"""

import argparse
import os
import sys
from collections import defaultdict
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    FiniteSumClassifier,
    FiniteSumRegressor,
)
from sklearn_optland.neural_network import ADMMNetClassifier, ADMMNetRegressor


def needs(**parameters):
    """End the test as not applicable: it asks for these parameters."""
    found = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
    pytest.skip(f"not applicable: {found}")


class Adapter:
    """Mixin that counts what a test makes, and gives `n_iter_` in their shape."""

    made = 0
    least_tol = 0.0

    def __new__(cls, *args, **kwargs):
        Adapter.made += 1
        return super().__new__(cls)

    def fit(self, X, y, sample_weight=None):
        if self.max_iter < 1:
            needs(max_iter=self.max_iter)
        tol = self.tol
        # Theirs is a bound on gradients or steps; an objective's gap is quadratic in them.
        self.tol = np.clip(tol**2, self.least_tol, 1e-6)
        try:
            super().fit(X, y, sample_weight)
        finally:
            self.tol = tol
        self.n_iter_ = np.array([self.n_iter_], dtype=np.int32)
        return self


class LogisticParameters(Adapter):
    """Parameters of scikit-learn's LogisticRegression."""

    def __init__(
        self,
        penalty="deprecated",
        *,
        C=1.0,
        l1_ratio=0.0,
        dual=False,
        tol=1e-4,
        fit_intercept=True,
        intercept_scaling=1,
        class_weight=None,
        random_state=None,
        solver="lbfgs",
        max_iter=100,
        verbose=0,
        warm_start=False,
        n_jobs=None,
    ):
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    def fit(self, X, y, sample_weight=None):
        if self.l1_ratio not in (0, None):
            needs(l1_ratio=self.l1_ratio)
        if self.penalty not in ("deprecated", "l2"):
            needs(penalty=self.penalty)
        if self.dual:
            needs(dual=True)
        if self.solver == "liblinear" and self.fit_intercept:
            # It penalises the intercept: another objective.
            needs(solver="liblinear", fit_intercept=True)
        if self.n_jobs is not None:
            needs(n_jobs=self.n_jobs)
        return super().fit(X, y, sample_weight)


class BoundMajorization(LogisticParameters, BoundMajorizationLogisticRegression):
    """In the place of LogisticRegression."""

    curvature, batch, refresh = "auto", "full", 1
    least_tol = 2e-15  # it stops where float64 does, and warns that it is above its tolerance


class Sag(LogisticParameters, FiniteSumClassifier):
    """In the place of LogisticRegression, by the solver of the same name."""

    loss, positive, sampling, step_size = "log_loss", False, "uniform", "auto"
    penalty = None  # a parameter of theirs, which the property of ours must not hide

    def fit(self, X, y, sample_weight=None):
        if self.solver not in ("sag", "saga"):
            needs(solver=self.solver)
        if not np.isfinite(self.C):
            needs(C=self.C)
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        self.alpha = 1 / (self.C * np.sum(weights * compute_sample_weight(self.class_weight, y)))
        return super().fit(X, y, sample_weight)


class SagRidge(Adapter, FiniteSumRegressor):
    """In the place of Ridge."""

    loss, epsilon, l1_ratio, sampling, step_size = "squared_error", 1.35, 0.0, "uniform", "auto"
    warm_start = False

    def __init__(
        self,
        alpha=1.0,
        *,
        fit_intercept=True,
        copy_X=True,
        max_iter=None,
        tol=1e-4,
        solver="auto",
        positive=False,
        random_state=None,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        total = len(y) if sample_weight is None else np.sum(sample_weight)
        if self.solver not in ("sag", "saga"):
            needs(solver=self.solver)
        # Theirs is a sum over the rows, and ours their mean, with a half of the square.
        alpha, self.alpha = self.alpha, self.alpha / total
        try:
            return super().fit(X, y, sample_weight)
        finally:
            self.alpha = alpha


class Net(Adapter):
    """Parameters of scikit-learn's MLP; the fit and the predictions are those of our net."""

    def fit(self, X, y, sample_weight=None):
        if self.activation == "identity" or getattr(self, "loss", "") == "poisson":
            needs(activation=self.activation, loss=getattr(self, "loss", None))
        names = ["hidden_layer_sizes", "activation", "max_iter", "tol", "early_stopping"]
        names += ["validation_fraction", "n_iter_no_change", "random_state"]
        parameters = {name: getattr(self, name) for name in names}
        if not (self.warm_start and hasattr(self, "net_")):
            self.net_ = self.ours()
        # Their penalty is divided by the number of rows.
        self.net_.set_params(**parameters, warm_start=self.warm_start, alpha=self.alpha / len(y))
        self.net_.fit(X, y, sample_weight)
        vars(self).update({key: value for key, value in vars(self.net_).items() if key[-1] == "_"})
        return self

    def partial_fit(self, X, y, classes=None):
        needs(partial_fit=True)

    def __getattribute__(self, name):
        if name in ("predict", "predict_proba", "predict_log_proba"):
            return getattr(self.net_, name)
        return super().__getattribute__(name)


class NetClassifier(Net, MLPClassifier):
    """In the place of MLPClassifier."""

    ours = ADMMNetClassifier


class NetRegressor(Net, MLPRegressor):
    """In the place of MLPRegressor."""

    ours = ADMMNetRegressor


EARLY = "wants coefficients after 20 to 50 passes; ours are nearer to the optimum"
# Tests that ask for what another objective, solver or class has, by name.
NOT_APPLICABLE = {
    "test_binary_classifier_class_weight": EARLY,
    "test_check_solver_option": "names of their solvers",
    "test_classifier_single_class": "words of their error",
    "test_adaptive_learning_rate": "a learning rate",
    "test_dtype_match": "liblinear returns float64, ours keeps float32",
    "test_early_stopping": "best_loss_ and validation_scores_; ours are in history_",
    "test_early_stopping_stratified": "wants a class of one row refused, ours does not stratify",
    "test_l1_ratio_None_deprecated": "a deprecation of theirs",
    "test_learning_rate_warmstart": "a learning rate",
    "test_large_sparse_matrix": "ours takes the 64-bit indices that it wants refused",
    "test_logistic_cv": "LogisticRegressionCV as reference, at its tolerance",
    "test_logistic_cv_multinomial_score": "LogisticRegressionCV as reference, at its tolerance",
    "test_logistic_regression_callback_support": "counts an empty task after theirs have ended",
    "test_logistic_regression_callback_support_warning": "solvers of theirs without callbacks",
    "test_logreg_predict_proba_multinomial": "a private method",
    "test_max_iter": "words of their warnings",
    "test_minimum_input_sample_size": "wants few rows refused",
    "test_mlp_early_stopping_string_labels": "validation_scores_; ours is in history_",
    "test_mlp_regressor_dtypes_casting": "one path of Adam in both precisions",
    "test_mlp_warm_start_no_convergence": "an infinite patience",
    "test_mlp_warm_start_with_early_stopping": "validation_scores_; ours is in history_",
    "test_multilabel_classification": "several labels a row",
    "test_multinomial_logistic_regression_string_inputs": "a class of weight 0: ours refuses it",
    "test_n_iter_no_change": "a counter of theirs",
    "test_n_iter_no_change_inf": "an infinite patience",
    "test_newton_cholesky_fallback_to_lbfgs": "a fallback of theirs",
    "test_nonfinite_params": "wants what overflows in theirs refused, ours fits it",
    "test_penalty_deprecated": "a deprecation of theirs",
    "test_predict_proba_binary": "logarithms of rounded probabilities; ours are more accurate",
    "test_predict_proba_multilabel": "several labels a row",
    "test_preserve_feature_names": "a classifier of one class, which ours refuses",
    "test_sag_classifier_computed_correctly": EARLY,
    "test_sag_classifier_raises_error": "wants a singular problem refused, ours solves it",
    "test_sag_multiclass_computed_correctly": EARLY,
    "test_shuffle": "an order of the rows",
    "test_sparse_matrices": "sparse input",
    "test_sparsify": "no sparsify",
    "test_step_size_alpha_error": "a step size of theirs that is infinite",
    "test_warm_start": "wants other classes refused, ours starts anew",
    "test_warm_start_newton_solver": "wants one iteration twice to be two",
}
SUITES = {
    "logistic": (
        "sklearn.linear_model.tests.test_logistic",
        {"LogisticRegression": BoundMajorization},
    ),
    "mlp": (
        "sklearn.neural_network.tests.test_mlp",
        {"MLPClassifier": NetClassifier, "MLPRegressor": NetRegressor},
    ),
    "sag": ("sklearn.linear_model.tests.test_sag", {"LogisticRegression": Sag, "Ridge": SagRidge}),
}


class Replace:
    """A pytest plugin: puts the adapters into the test module, and keeps the outcomes."""

    def __init__(self, adapters):
        self.adapters = adapters
        self.outcomes = defaultdict(list)

    def pytest_collection_modifyitems(self, items):
        modules = {item.module for item in items}
        theirs = {vars(m)[name]: ours for m in modules for name, ours in self.adapters.items()}
        for item in items:
            vars(item.module).update(self.adapters)
            if hasattr(item, "callspec"):
                params = item.callspec.params
                for name, value in params.items():
                    if isinstance(value, type):
                        params[name] = theirs.get(value, value)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        Adapter.made = 0
        result = yield
        if not Adapter.made:
            pytest.skip("not applicable: makes no adapter")
        return result

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and not (report.when == "setup" and not report.passed):
            return
        name = report.nodeid.partition("::")[2]
        function = name.partition("[")[0]
        reason = ""
        if report.skipped:
            reason = report.longrepr[2].removeprefix("Skipped: ")
        elif report.failed:
            reason = report.longrepr.reprcrash.message.partition("\n")[0][:160]
        if function in NOT_APPLICABLE and not report.passed:
            self.outcomes["not applicable"].append((name, NOT_APPLICABLE[function]))
        else:
            outcome = "not applicable" if report.skipped else report.outcome
            self.outcomes[outcome].append((name, reason))


def run(suite):
    """Run a suite; print its outcomes by name and return the number of failures."""
    module, adapters = SUITES[suite]
    plugin = Replace(adapters)
    options = ["--pyargs", module, "--quiet", "-p", "no:cacheprovider", "-W", "ignore"]
    with redirect_stdout(StringIO()):
        pytest.main([*options, "-c", os.devnull], plugins=[plugin])
    print(f"\n{suite} ({module})")
    for outcome in ("failed", "not applicable", "passed"):
        tests = plugin.outcomes[outcome]
        print(f"  {outcome}: {len(tests)}")
        for name, reason in sorted(tests):
            print(f"    {name}{': ' + reason if reason else ''}")
    return len(plugin.outcomes["failed"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("suites", nargs="*", default=list(SUITES), help=", ".join(SUITES))
    sys.exit(sum(run(suite) for suite in parser.parse_args().suites) > 0)


if __name__ == "__main__":
    main()
