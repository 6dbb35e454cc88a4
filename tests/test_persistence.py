"""Pickles, joblib and skops files of every estimator, fitted."""

import io
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils._testing import set_random_state

from sklearn_optland._estimator import base
from sklearn_optland.utils.discovery import all_estimators, skops_trusted_types

X, y = load_iris(return_X_y=True)
fitted = pytest.mark.parametrize(
    "estimator", [e for _, e in all_estimators(["classifier", "regressor"])]
)


def fit(estimator):
    model = estimator()
    set_random_state(model)
    return model.fit(X, y)


def assert_same(model, loaded):
    np.testing.assert_array_equal(model.predict(X), loaded.predict(X))
    assert loaded.certificate_ == model.certificate_
    assert loaded.history_.keys() == model.history_.keys()
    assert clone(loaded).get_params() == model.get_params()


@fitted
def test_pickle(estimator):
    model = fit(estimator)
    assert_same(model, pickle.loads(pickle.dumps(model)))


@fitted
def test_pickle_of_another_version_warns_and_loads(estimator, monkeypatch):
    model = fit(estimator)
    with monkeypatch.context() as patch:
        patch.setattr(base, "__version__", "0.0.0")
        data = pickle.dumps(model)
    with pytest.warns(InconsistentVersionWarning, match=r"0\.0\.0"):
        loaded = pickle.loads(data)
    assert_same(model, loaded)


@fitted
def test_joblib_memory_map(estimator, tmp_path):
    model = fit(estimator)
    joblib.dump(model, tmp_path / "model.joblib")
    assert_same(model, joblib.load(tmp_path / "model.joblib", mmap_mode="r"))


@fitted
def test_skops(estimator):
    skops_io = pytest.importorskip("skops.io")
    model = fit(estimator)
    data = skops_io.dumps(model)
    trusted = skops_trusted_types()
    assert set(skops_io.get_untrusted_types(file=io.BytesIO(data))) <= set(trusted)
    assert_same(model, skops_io.loads(data, trusted=trusted))
