"""One rule for all estimators: labels, types of parameters."""

import numpy as np
import pytest
from helpers import fit_quietly
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression, FiniteSumClassifier
from sklearn_optland.neural_network import MeanFieldTwoLayerNetClassifier
from sklearn_optland.utils.discovery import all_estimators

ESTIMATORS = [Estimator for _, Estimator in all_estimators()]
CONVERGENCE = "sklearn.exceptions.ConvergenceWarning"
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


@pytest.mark.parametrize("Estimator", ESTIMATORS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_whatever_assume_finite_says(Estimator, value):
    X, y = data()
    X[3, 1] = value
    models = [Estimator()]
    if "flow" in str(Estimator._parameter_constraints.get("solver")):
        models.append(Estimator(solver="flow"))
    with config_context(assume_finite=True):
        for model in models:
            for fit in ("fit", "partial_fit"):
                if hasattr(model, fit):
                    classes = {"classes": [0, 1, 2]} if fit == "partial_fit" else {}
                    classes = classes if is_classifier(model) else {}
                    with pytest.raises(ValueError, match=r"X contains (NaN|infinity)"):
                        getattr(model, fit)(X, y, **classes)
        if not is_classifier(Estimator()):
            with pytest.raises(ValueError, match=r"y contains (NaN|infinity)"):
                Estimator().fit(data()[0], X[:, 1])


# Classes without weight: what meta-estimators make of rare ones


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}])
@pytest.mark.parametrize("Classifier", CLASSIFIERS)
def test_classes_without_weight_are_hardly_ever_predicted(Classifier, class_weight):
    X, y = data(k=4)
    for absent in ([1], [0, 3], [1, 2, 3]):
        model = Classifier(class_weight=class_weight, max_iter=20, random_state=0)
        fit_quietly(model, X, y, sample_weight=~np.isin(y, absent))
        assert not set(model.predict(X)) & set(absent)
        if hasattr(model, "predict_proba"):
            P = model.predict_proba(X)
            np.testing.assert_allclose(P.sum(axis=1), 1.0)
            found = np.isin(model.classes_, absent)
            assert P[:, found].max(initial=0.0) < 0.2


LINEAR = [
    BoundMajorizationLogisticRegression(tol=1e-13),
    BoundMajorizationLogisticRegression(C=np.inf, curvature="jc12", tol=1e-13),
    FiniteSumClassifier(alpha=0.1, tol=1e-13, random_state=0),
    FiniteSumClassifier("squared_hinge", alpha=0.1, tol=1e-13, random_state=0),
    FiniteSumClassifier(alpha=0.1, l1_ratio=0.5, positive=True, tol=1e-13, random_state=0),
]
# Strongly convex: a gap of 1e-13 of the objective leaves coefficients that are right to this.
EXACT = {"rtol": 0, "atol": 1e-5}
QUIET = pytest.mark.filterwarnings("error::RuntimeWarning", f"error::{CONVERGENCE}")


@QUIET
@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("model", LINEAR)
def test_fit_is_that_of_the_classes_with_weight(model, class_weight, by_class):
    X, y = data(60, 4)
    is_absent = y == 2
    expected = clone(model).set_params(class_weight=class_weight).fit(X[~is_absent], y[~is_absent])
    if by_class and class_weight is None:
        found = clone(model).set_params(class_weight={2: 0.0}).fit(X, y)
    else:
        found = clone(model).set_params(class_weight=class_weight).fit(X, y, ~is_absent)
    np.testing.assert_array_equal(found.classes_, [0, 1, 2, 3])
    np.testing.assert_allclose(found.coef_[[0, 1, 3]], expected.coef_, **EXACT)
    np.testing.assert_allclose(found.intercept_[[0, 1, 3]], expected.intercept_, **EXACT)
    assert not found.coef_[2].any()
    assert found.certificate_.reached


@QUIET
@pytest.mark.parametrize("absent", [[1], [0, 2]])
@pytest.mark.parametrize("model", [LINEAR[0], LINEAR[2]])
def test_without_an_intercept_a_class_without_weight_has_its_probability(model, absent):
    X, y = data(60, 3)
    weight = 1.0 * ~np.isin(y, absent)
    C = 1.0 if "C" in model.get_params() else 1 / (model.alpha * weight.sum())
    peer = LogisticRegression(C=C, fit_intercept=False, tol=1e-8, max_iter=1000)
    expected = peer.fit(X, y, weight).predict_proba(X)
    found = clone(model).set_params(fit_intercept=False).fit(X, y, weight)
    np.testing.assert_allclose(found.predict_proba(X), expected, **EXACT)


@QUIET
@pytest.mark.parametrize("model", LINEAR)
def test_one_class_with_weight_is_certain(model):
    X, y = data(60, 3)
    for labels, only in ((y, 2), (y > 0, True), (y > 0, False)):
        found = clone(model).fit(X, labels, labels == only)
        assert (found.predict(X) == only).all()
        assert found.certificate_.reached
        assert found.history_["objective"][-1] < 1e-12


@pytest.mark.parametrize("Classifier", CLASSIFIERS)
@pytest.mark.parametrize("meta", ["bagging", "boosting", "one vs rest", "calibrated", "stacking"])
def test_meta_estimators_take_it_with_a_rare_class(Classifier, meta):
    X, codes = np.random.RandomState(0).randn(40, 3), (np.arange(40) < 3).astype(int)
    y = np.array(["common", "rare"])[codes]
    model = Classifier(max_iter=3, random_state=0)
    if meta == "calibrated" and not hasattr(model, "predict_proba"):
        pytest.skip("needs scores or probabilities")
    wrapped = {
        "bagging": lambda: BaggingClassifier(model, n_estimators=8, random_state=0),
        "boosting": lambda: AdaBoostClassifier(model, n_estimators=2, random_state=0),
        "one vs rest": lambda: OneVsRestClassifier(model),
        "calibrated": lambda: CalibratedClassifierCV(model, cv=2),
        "stacking": lambda: StackingClassifier([("a", model)], cv=2),
    }[meta]()
    fit_quietly(wrapped, X, y)
    assert np.mean(wrapped.predict(X) == y) > 0.5
