"""One rule for all estimators: labels, types of parameters."""

import numpy as np
import pytest
from helpers import fit_quietly
from sklearn.base import is_classifier

from sklearn_optland.neural_network import MeanFieldTwoLayerNetClassifier
from sklearn_optland.utils.discovery import all_estimators

ESTIMATORS = [Estimator for _, Estimator in all_estimators()]
CLASSIFIERS = [Estimator for Estimator in ESTIMATORS if is_classifier(Estimator())]


def data(n=30, k=3):
    rng = np.random.RandomState(0)
    return rng.randn(n, 3), np.arange(n) % k


@pytest.mark.parametrize("Classifier", CLASSIFIERS)
@pytest.mark.parametrize("dtype", ["S1", object])
def test_labels_of_bytes_are_refused_as_scikit_learn_does(Classifier, dtype):
    X, codes = data()
    y = np.array([b"a", b"b", b"c"], dtype)[codes]
    with pytest.raises(TypeError, match="labels represented as bytes"):
        Classifier().fit(X, y)
    streaming = Classifier()
    if isinstance(streaming, MeanFieldTwoLayerNetClassifier):
        streaming.set_params(solver="flow")
    if hasattr(streaming, "partial_fit"):
        with pytest.raises(TypeError, match="labels represented as bytes"):
            streaming.partial_fit(X, y, classes=np.unique(y))


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_parameters_may_be_numpy_s_numbers(Estimator):
    X, y = data()
    kinds = {bool: np.bool_, int: np.int64, float: np.float64}
    model = Estimator(max_iter=3, random_state=0)
    expected = fit_quietly(model, X, y).predict(X)
    numbers = {
        name: kinds[type(value)](value)
        for name, value in model.get_params().items()
        if type(value) in kinds
    }
    fit_quietly(model.set_params(**numbers), X, y)
    np.testing.assert_array_equal(model.predict(X), expected)
