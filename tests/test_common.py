"""scikit-learn's own checks on every estimator and mode of the package; none may fail."""

import os
import subprocess
import sys
from pathlib import Path

from sklearn.utils.estimator_checks import parametrize_with_checks

import sklearn_optland
from sklearn_optland.utils.discovery import all_estimators

# Algorithms behind an estimator's parameters that its defaults do not reach.
MODES = {
    "BoundMajorizationLogisticRegression": [
        {"curvature": "jc12"},
        {"curvature": "bohning"},
        {"curvature": "bohning-nesterov"},
        {"batch": "growing"},
    ]
}


def instances():
    for name, estimator in all_estimators():
        yield estimator()
        yield from (estimator(**mode) for mode in MODES.get(name, []))


@parametrize_with_checks(list(instances()))
def test_scikit_learn_checks(estimator, check):
    if check.func.__name__.startswith("check_sample_weight_equivalence"):
        # It compares two fits to 1e-7, closer than the default tolerance takes them.
        estimator.set_params(tol=0.0)
    check(estimator)


def test_scikit_learn_checks_with_scipy_array_api():
    # The variable must be there before SciPy is imported.
    code = """
import warnings
from sklearn.utils.estimator_checks import check_estimator
from sklearn_optland.utils.discovery import all_estimators
warnings.simplefilter("ignore")
for _, estimator in all_estimators():
    check_estimator(estimator(tol=0.0))
"""
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    # Python puts the working directory first on its path: where the package is that is tested.
    folder = Path(sklearn_optland.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=folder, check=True)
