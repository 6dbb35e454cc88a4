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
from sklearn_optland.tree import LOMTreeClassifier
from sklearn_optland.utils.discovery import all_estimators

ESTIMATORS = [Estimator for _, Estimator in all_estimators(["classifier", "regressor"])]
CONVERGENCE = "sklearn.exceptions.ConvergenceWarning"
CLASSIFIERS = [Estimator for Estimator in ESTIMATORS if is_classifier(Estimator())]


def data(n=30, k=3):
    rng = np.random.RandomState(0)
    return rng.randn(n, 3), np.arange(n) % k


def made(Estimator, **parameters):
    """An estimator with those of some parameters that it has."""
    names = Estimator().get_params()
    return Estimator(**{name: value for name, value in parameters.items() if name in names})


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
    model = made(Estimator, max_iter=3, random_state=0)
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
        model = made(Classifier, class_weight=class_weight, max_iter=20, random_state=0)
        fit_quietly(model, X, y, sample_weight=~np.isin(y, absent))
        np.testing.assert_array_equal(model.classes_, [0, 1, 2, 3])
        assert not set(model.predict(X)) & set(absent)
        if hasattr(model, "predict_top_k"):
            top = model.predict_top_k(X, k=1)
            assert top.shape == (len(X), 4)
            np.testing.assert_array_equal(top.indices, model.predict(X))
        if hasattr(model, "predict_proba"):
            P = model.predict_proba(X)
            np.testing.assert_allclose(P.sum(axis=1), 1.0)
            assert P[:, absent].max() < 0.2


@pytest.mark.parametrize(
    "Classifier", [C for C in CLASSIFIERS if "class_weight" in C().get_params()]
)
def test_negative_class_weights_are_refused(Classifier):
    X, y = data(k=3)
    with pytest.raises(ValueError, match="class_weight: found the weight -1"):
        Classifier(class_weight={0: -1.0, 1: 1.0, 2: 1.0}).fit(X, y)


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
    model = made(Classifier, max_iter=3, random_state=0)
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


# Warm starts


WARM = [Estimator for Estimator in ESTIMATORS if hasattr(Estimator(), "warm_start")]


def parameters_of(model):
    """Arrays of a linear model, of a tensor net, or of a net's layers."""
    if hasattr(model, "coef_"):
        return [model.coef_]
    if hasattr(model, "factors_"):
        return [model.factors_, model.output_weights_]
    return [*model.coefs_, *model.intercepts_]


@pytest.mark.parametrize("change", ["columns", "labels", "number of classes"])
@pytest.mark.parametrize("Estimator", [E for E in WARM if E is not LOMTreeClassifier])
def test_warm_start_begins_anew_where_columns_or_classes_have_changed(Estimator, change):
    if change != "columns" and not is_classifier(Estimator()):
        pytest.skip("has no classes")
    X, y = data()
    model = Estimator(max_iter=3, random_state=0, warm_start=True)
    fit_quietly(model, X, y)
    match change:
        case "columns":
            X = X[:, :2]
        case "labels":
            y = np.array(["a", "b", "c"])[y]
        case "number of classes":
            y = y % 2
    fit_quietly(model, X, y)
    cold = fit_quietly(Estimator(max_iter=3, random_state=0), X, y)
    for found, expected in zip(parameters_of(model), parameters_of(cold), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("Estimator", [E for E in WARM if E is not LOMTreeClassifier])
def test_warm_start_goes_on_in_another_dtype(Estimator, dtype):
    X, y = data()
    other = "float64" if dtype == "float32" else "float32"
    cold = Estimator(max_iter=5, random_state=0)
    if hasattr(cold, "alpha"):
        cold.set_params(alpha=0.1)  # five passes shall be better than zero
    if {"solver", "sampling"} <= cold.get_params().keys():
        cold.set_params(solver="sdca")  # which does not arrive
    model = clone(cold).set_params(warm_start=True)
    fit_quietly(model, X.astype(dtype), y)
    X = X.astype(other)
    fit_quietly(model, X, y)
    fit_quietly(cold, X, y)
    pairs = list(zip(parameters_of(model), parameters_of(cold), strict=True))
    assert {found.dtype for found, _ in pairs} == {np.dtype(other)}
    differ = not all(np.array_equal(found, expected) for found, expected in pairs)
    assert differ or model.n_iter_ < cold.n_iter_


def test_warm_start_of_a_tree_learns_new_labels_and_refuses_other_columns():
    X, y = data()
    model = LOMTreeClassifier(max_iter=3, random_state=0, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="features"):
        model.fit(X[:, :2], y)
    np.testing.assert_array_equal(model.fit(X, y + 1).classes_, [0, 1, 2, 3])


@pytest.mark.parametrize("Estimator", [E for E in WARM if E is not LOMTreeClassifier])
def test_warm_start_at_what_is_not_finite_is_refused(Estimator):
    X, y = data()
    model = fit_quietly(Estimator(max_iter=3, random_state=0, warm_start=True), X, y)
    parameters_of(model)[0][0] = np.nan
    found = r"(coefs?|factors)_: found NaN or infinity, with warm_start"
    with pytest.raises(ValueError, match=found):
        model.fit(X, y)
