"""Discovery of estimators, and what skops trusts."""

import pytest
from sklearn.base import ClassifierMixin

from sklearn_optland._estimator.base import OptlandEstimator
from sklearn_optland.utils.discovery import _public_modules, all_estimators, skops_trusted_types


def test_all_estimators_finds_every_public_estimator():
    exported = [
        (name, getattr(module, name)) for module in _public_modules() for name in module.__all__
    ]
    estimators = {item for item in exported if hasattr(item[1], "get_params")}
    assert estimators
    assert {cls for _, cls in all_estimators()} == {cls for _, cls in estimators}
    assert all(name == cls.__name__ for name, cls in all_estimators())
    assert set(all_estimators()) <= estimators
    assert all(issubclass(cls, OptlandEstimator) for _, cls in estimators)


def test_all_estimators_filters_by_type():
    classifiers = all_estimators("classifier")
    assert all(issubclass(cls, ClassifierMixin) for _, cls in classifiers)
    assert all_estimators(["classifier", "cluster"]) == classifiers
    with pytest.raises(ValueError, match=r"type_filter must be None or .* got 'classifer'"):
        all_estimators("classifer")


def test_skops_trusts_estimators_and_what_they_store():
    trusted = skops_trusted_types()
    assert "sklearn_optland._estimator.certificate.Certificate" in trusted
    assert {f"{cls.__module__}.{name}" for name, cls in all_estimators()} <= set(trusted)
