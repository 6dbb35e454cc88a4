"""Nets on Dask's collections: the parameters of a fit in memory."""

import warnings

import numpy as np
import pytest
from scale_out.data import PARTITIONS, as_array, as_frame, two_or_more_classes
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland.neural_network import (
    ADMMNetClassifier,
    ADMMNetRegressor,
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
)

# Few steps: sums in another order take a method that is not convex another way in the end.
NETS = {
    "feasible": ADMMNetClassifier((4,), max_iter=8),
    "feasible, balanced": ADMMNetClassifier((4,), max_iter=8, class_weight="balanced"),
    "linear": ADMMNetRegressor(()),
    "taylor": ADMMNetClassifier((4,), solver="taylor", max_iter=5),
    "bcd": ADMMNetRegressor((4,), solver="bcd", max_iter=5),
    "admm": ADMMNetRegressor((4,), "logistic", solver="admm", max_iter=5),
    "particles": MeanFieldTwoLayerNet(5, max_iter=5),
    "particles of classes": MeanFieldTwoLayerNetClassifier(5, max_iter=5),
    "kernel regime": MeanFieldTwoLayerNet(5, regime="kernel"),
    "kernel regime of classes": MeanFieldTwoLayerNetClassifier(5, regime="kernel", tol=1e-8),
}


def fit(net, X, y, w):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(net).set_params(random_state=0).fit(X, y, w)


def parameters(net):
    return [*net.coefs_, *net.intercepts_]


@pytest.mark.parametrize("sizes", PARTITIONS.values(), ids=PARTITIONS)
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_collections_give_what_arrays_give(net, sizes, global_random_seed):
    X, y, w = two_or_more_classes(3, global_random_seed)
    if not hasattr(net, "class_weight"):
        y = np.abs(X[:, 0]) + X[:, 1]
    expected = fit(net, X, y, w)
    found = fit(net, *(as_array(A, sizes) for A in (X, y, w)))
    pairs = zip(parameters(found), parameters(expected), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-8 * max(np.abs(other).max(), 1.0))
    assert found.certificate_.scope == expected.certificate_.scope
    value = expected.certificate_.value
    assert found.certificate_.value == pytest.approx(value, rel=1e-4, abs=1e-12)
    assert found.n_iter_ == expected.n_iter_


def test_frames_and_several_targets():
    X, _, w = two_or_more_classes(3, 0)
    net, Y = ADMMNetRegressor((4,), max_iter=5), np.abs(X[:, :2])
    sizes = PARTITIONS["three"]
    expected = fit(net, X, Y, w)
    found = fit(net, *(as_frame(A, sizes) for A in (X, Y, w)))
    for one, other in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)
    assert found.predict(as_frame(X, sizes)).compute().shape == Y.shape
