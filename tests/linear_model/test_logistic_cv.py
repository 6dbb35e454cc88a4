"""The penalty's strength by cross-validation, and regularization paths."""

import numpy as np
import pytest
from helpers import ONE_PENALTY, needs_attributes_of_one_penalty
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, cross_val_score
from sklearn.preprocessing import StandardScaler

from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    BoundMajorizationLogisticRegressionCV,
    FiniteSumClassifier,
    FiniteSumRegressor,
    regularization_path,
)

CS = [10.0, 0.01, 1.0]


def standardised(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@needs_attributes_of_one_penalty
@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
@pytest.mark.parametrize("refit", [True, False])
def test_it_chooses_what_scikit_learn_chooses(load, refit):
    X, y = standardised(load)
    settings = {"Cs": CS, "scoring": "neg_log_loss", "refit": refit}
    ours = BoundMajorizationLogisticRegressionCV(**settings, tol=1e-10).fit(X, y)
    theirs = LogisticRegressionCV(
        **settings,
        **ONE_PENALTY,
        solver="newton-cholesky",
        tol=1e-10,
    ).fit(X, y)
    assert pytest.approx(theirs.C_) == ours.C_
    np.testing.assert_array_equal(ours.Cs_, theirs.Cs_)
    np.testing.assert_allclose(ours.scores_, theirs.scores_[:, 0], rtol=1e-6)
    paths = theirs.coefs_paths_[:, 0]
    np.testing.assert_allclose(ours.coefs_paths_, paths, atol=1e-4 * np.abs(paths).max())
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4 * np.abs(ours.coef_).max())
    np.testing.assert_allclose(
        ours.intercept_, theirs.intercept_, atol=1e-4 * np.abs(ours.coef_).max()
    )


def test_scores_are_those_of_separate_fits():
    X, y = standardised(load_wine)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, size=len(y))
    for data, scoring in ((X, None), (sparse.csr_array(X), "accuracy"), (X, "f1_macro")):
        model = BoundMajorizationLogisticRegressionCV(Cs=CS, scoring=scoring).fit(data, y)
        for C, scores in zip(CS, model.scores_.T, strict=True):
            each = BoundMajorizationLogisticRegression(C=C)
            np.testing.assert_allclose(
                scores, cross_val_score(each, data, y, scoring=scoring or "accuracy")
            )
    weighted = BoundMajorizationLogisticRegressionCV(Cs=CS).fit(X, y, sample_weight=weight)
    for number, (train, test) in enumerate(StratifiedKFold(5).split(X, y)):
        each = BoundMajorizationLogisticRegression(C=CS[0])
        each.fit(X[train], y[train], weight[train])
        expected = each.score(X[test], y[test], weight[test])
        assert weighted.scores_[number, 0] == pytest.approx(expected)


def test_every_fit_is_certified():
    X, y = standardised(load_iris)
    model = BoundMajorizationLogisticRegressionCV(Cs=CS).fit(X, y)
    assert all(one.reached for fold in model.certificates_ for one in fold)
    alone = BoundMajorizationLogisticRegression(C=model.C_).fit(X, y)
    np.testing.assert_array_equal(model.coef_, alone.coef_)
    assert model.certificate_ == alone.certificate_
    averaged = clone(model).set_params(refit=False).fit(X, y)
    assert averaged.certificate_ is None
    assert averaged.history_ == {}


def test_balanced_weights_count_all_rows():
    X, y = standardised(load_iris)
    X, y = X[30:], y[30:]
    counts = np.bincount(y)
    given = {label: len(y) / (3 * count) for label, count in enumerate(counts)}
    fits = [
        BoundMajorizationLogisticRegressionCV(Cs=CS, cv=KFold(3, shuffle=True, random_state=0))
        .set_params(class_weight=weight)
        .fit(X, y)
        for weight in ("balanced", given)
    ]
    np.testing.assert_allclose(fits[0].coefs_paths_, fits[1].coefs_paths_, rtol=1e-12)


def test_classes_that_a_fold_lacks_are_not_predicted_there():
    X, y = standardised(load_iris)
    model = BoundMajorizationLogisticRegressionCV(Cs=CS, cv=KFold(3)).fit(X, y)
    np.testing.assert_array_equal(model.scores_, 0.0)
    assert model.coefs_paths_.shape == (3, 3, 3, 5)


def test_groups_are_routed():
    X, y = standardised(load_iris)
    order = np.random.default_rng(0).permutation(len(y))
    X, y, groups = X[order], y[order], np.arange(len(y)) % 4
    with config_context(enable_metadata_routing=True):
        model = BoundMajorizationLogisticRegressionCV(Cs=CS, cv=GroupKFold(4))
        model.fit(X, y, groups=groups)
    folds = GroupKFold(4).split(X, y, groups)
    explicit = BoundMajorizationLogisticRegressionCV(Cs=CS, cv=list(folds)).fit(X, y)
    np.testing.assert_array_equal(model.scores_, explicit.scores_)
    with pytest.raises(ValueError, match="groups"):
        BoundMajorizationLogisticRegressionCV(cv=4).fit(X, y, groups=groups)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Cs": [1.0, 0.0]}, r"Cs: found \[1.0, 0.0\]; allowed are positive"),
        ({"Cs": []}, "Cs: found"),
    ],
)
def test_what_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        BoundMajorizationLogisticRegressionCV(**parameters).fit(*standardised(load_iris))


def test_path_has_the_fits_of_all_values():
    X, y = standardised(load_wine)
    path = regularization_path(BoundMajorizationLogisticRegression(tol=1e-10), X, y, CS)
    assert path.coefs.shape == (3, 3, 13)
    for value, coef, certificate in zip(CS, path.coefs, path.certificates, strict=True):
        alone = BoundMajorizationLogisticRegression(C=value, tol=1e-10).fit(X, y)
        np.testing.assert_allclose(coef, alone.coef_, atol=1e-8)
        assert certificate.reached
    assert (path.seconds > 0).all()
    path = regularization_path(FiniteSumRegressor(random_state=0), X, y.astype(float), [1e-3, 1.0])
    assert np.abs(path.coefs[0]).sum() > np.abs(path.coefs[1]).sum()


def test_path_wants_a_strength():
    X, y = standardised(load_iris)
    with pytest.raises(ValueError, match="found LogisticRegressionCV; allowed are linear models"):
        regularization_path(LogisticRegressionCV(), X, y, [1.0])
    with pytest.raises(ValueError, match="values: found"):
        regularization_path(FiniteSumClassifier(), X, y, [])
