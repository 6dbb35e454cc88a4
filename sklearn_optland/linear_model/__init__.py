"""Linear models."""

from sklearn_optland._loss.partition_bound import partition_function_bound
from sklearn_optland.linear_model._finite_sum.classifier_cv import FiniteSumClassifierCV
from sklearn_optland.linear_model._finite_sum.classifiers import (
    FiniteSumClassifier,
    SAGAClassifier,
    SDCAClassifier,
    SVRGClassifier,
)
from sklearn_optland.linear_model._finite_sum.function import finite_sum
from sklearn_optland.linear_model._finite_sum.regressor_cv import FiniteSumRegressorCV
from sklearn_optland.linear_model._finite_sum.regressors import (
    FiniteSumRegressor,
    SAGARegressor,
    SDCARegressor,
    SVRGRegressor,
)
from sklearn_optland.linear_model._finite_sum.strengths import alpha_max
from sklearn_optland.linear_model._latent.estimator import LatentLogisticRegression
from sklearn_optland.linear_model._logistic.cross_validation import (
    BoundMajorizationLogisticRegressionCV,
)
from sklearn_optland.linear_model._logistic.estimator import BoundMajorizationLogisticRegression
from sklearn_optland.linear_model._max_margin import MaxMarginClassifier
from sklearn_optland.linear_model._paths import regularization_path
from sklearn_optland.linear_model._separation import separation

__all__ = [
    "BoundMajorizationLogisticRegression",
    "BoundMajorizationLogisticRegressionCV",
    "FiniteSumClassifier",
    "FiniteSumClassifierCV",
    "FiniteSumRegressor",
    "FiniteSumRegressorCV",
    "LatentLogisticRegression",
    "MaxMarginClassifier",
    "SAGAClassifier",
    "SAGARegressor",
    "SDCAClassifier",
    "SDCARegressor",
    "SVRGClassifier",
    "SVRGRegressor",
    "alpha_max",
    "finite_sum",
    "partition_function_bound",
    "regularization_path",
    "separation",
]
