"""Finite sums with their penalty by cross-validation; sparse coefficients and selection by them."""

import warnings

import numpy as np
import pytest
from helpers import ONE_PENALTY, SEEDS, fit_quietly, needs_attributes_of_one_penalty
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import ElasticNetCV, LassoCV, LogisticRegressionCV
from sklearn.metrics import get_scorer, mean_absolute_error
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, cross_val_score
from sklearn.preprocessing import StandardScaler

from sklearn_optland.linear_model import (
    FiniteSumClassifier,
    FiniteSumClassifierCV,
    FiniteSumRegressor,
    FiniteSumRegressorCV,
    _cross_validation,
    alpha_max,
)
from sklearn_optland.linear_model._cross_validation import best_of, best_of_each, strongest_of

TIGHT = {"tol": 1e-12, "max_iter": 10_000, "random_state": 0}
ALPHAS = [0.1, 1e-3, 0.01]


def standardised(load, n=None):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X)[:n], y[:n]


def some_weights(y):
    return np.random.default_rng(0).integers(1, 4, size=len(y))


# What scikit-learn chooses


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("l1_ratios", [(1.0,), (0.5, 1.0)])
def test_it_chooses_what_scikit_learn_chooses(l1_ratios, is_weighted, positive):
    X, y = standardised(load_diabetes)
    weight = some_weights(y) if is_weighted else None
    settings = {"alphas": 6, "eps": 1e-2, "positive": positive}
    ours = FiniteSumRegressorCV(l1_ratios=l1_ratios, **settings, **TIGHT).fit(X, y, weight)
    theirs = ElasticNetCV(l1_ratio=l1_ratios, **settings, tol=1e-10, max_iter=100_000)
    theirs.fit(X, y, weight)
    assert ours.alpha_ == pytest.approx(theirs.alpha_, rel=1e-10)
    assert ours.l1_ratio_ == theirs.l1_ratio_
    shape = len(l1_ratios), 6
    np.testing.assert_allclose(ours.alphas_, theirs.alphas_.reshape(shape), rtol=1e-10)
    errors = np.moveaxis(theirs.mse_path_.reshape(*shape, 5), 2, 0)
    np.testing.assert_allclose(ours.scores_, -errors, rtol=1e-5)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    np.testing.assert_array_equal(ours.coef_ != 0, theirs.coef_ != 0)
    assert ours.intercept_ == pytest.approx(theirs.intercept_)
    assert isinstance(ours.intercept_, float)


def test_given_strengths_are_tried_as_lasso_does():
    X, y = standardised(load_diabetes)
    ours = FiniteSumRegressorCV(alphas=[0.1, 5.0, 1.0], l1_ratios=(1.0,), **TIGHT).fit(X, y)
    theirs = LassoCV(alphas=[0.1, 5.0, 1.0], tol=1e-8).fit(X, y)
    assert ours.alpha_ == theirs.alpha_
    np.testing.assert_array_equal(ours.alphas_, [[5.0, 1.0, 0.1]])


@needs_attributes_of_one_penalty
def test_log_loss_is_that_of_scikit_learn():
    X, y = standardised(load_iris)
    folds = list(StratifiedKFold(5).split(X, y))
    settings = {"scoring": "neg_log_loss", "cv": folds}
    ours = FiniteSumClassifierCV(alphas=ALPHAS, **settings, **TIGHT).fit(X, y)
    theirs = LogisticRegressionCV(
        Cs=1 / (120 * ours.alphas_[0]),  # rows of a fold
        **ONE_PENALTY,
        solver="newton-cholesky",
        tol=1e-10,
        **settings,
    ).fit(X, y)
    np.testing.assert_allclose(ours.scores_, theirs.scores_, rtol=1e-5)
    assert ours.alpha_ == pytest.approx(1 / (120 * theirs.C_))


# Folds, scores, choice


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
@pytest.mark.parametrize("scoring", [None, "f1_macro"])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
def test_scores_of_classes_are_those_of_separate_fits(loss, scoring, storage):
    X, y = standardised(load_iris)
    settings = {"tol": 1e-9, "random_state": 0}
    model = FiniteSumClassifierCV(loss, alphas=ALPHAS, scoring=scoring, **settings)
    model.fit(storage(X), y)
    np.testing.assert_array_equal(model.alphas_, [np.sort(ALPHAS)[::-1]])
    for alpha, scores in zip(model.alphas_[0], model.scores_[:, 0].T, strict=True):
        each = FiniteSumClassifier(loss, alpha=alpha, **settings)
        expected = cross_val_score(each, X, y, scoring=scoring or "accuracy")
        np.testing.assert_allclose(scores, expected)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson", "gamma"])
@pytest.mark.parametrize("batch", [1, 1 << 22])
def test_default_scores_of_targets_are_those_of_predictions(loss, batch, monkeypatch):
    monkeypatch.setattr(_cross_validation, "BATCH_VALUES", batch)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 3))
    y = np.exp(X @ [0.5, 0.2, 0.0]) * rng.uniform(0.5, 1.5, 80)
    of_scorer = FiniteSumRegressorCV(loss, alphas=4, scoring="neg_mean_squared_error").fit(X, y)
    scores = FiniteSumRegressorCV(loss, alphas=4).fit(X, y).scores_
    np.testing.assert_allclose(scores, of_scorer.scores_, rtol=1e-12)


@pytest.mark.parametrize("Model", [FiniteSumClassifierCV, FiniteSumRegressorCV])
def test_weights_are_those_of_fits_and_scores(Model):
    X, y = standardised(load_iris)
    X, y, weight = X[30:110], y[30:110], some_weights(y[30:110])
    folds = list(StratifiedKFold(3).split(X, y))
    model = Model(alphas=ALPHAS, l1_ratios=(0.5,), cv=folds, **TIGHT).fit(X, y, weight)
    first = np.concatenate([[0], np.cumsum(weight)])
    repeated = [
        tuple(np.concatenate([np.arange(first[i], first[i + 1]) for i in part]) for part in fold)
        for fold in folds
    ]
    again = clone(model).set_params(cv=repeated).fit(X.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_allclose(model.scores_, again.scores_, rtol=1e-5)
    np.testing.assert_allclose(model.coef_, again.coef_, atol=1e-5)
    assert model.alpha_ == again.alpha_


@given(scores=arrays(float, (4, 2, 5), elements=st.integers(-3, 3).map(float)), n=st.integers(1, 4))
def test_choices_are_those_of_plain_loops(scores, n):
    scores = scores[:n]
    mean = scores.mean(axis=0)
    best = max((mean[path, value], -path, -value) for path in range(2) for value in range(5))
    path, value = -best[1], -best[2]
    assert best_of(scores) == (path, value)
    error = np.std(scores[:, path, value], ddof=1) / np.sqrt(n) if n > 1 else 0.0
    within = [i for i in range(5) if mean[path, i] >= best[0] - error]
    assert strongest_of(scores) == (path, min(within))
    for fold, i, j in zip(*best_of_each(scores), strict=True):
        assert scores[fold, i, j] == scores[fold].max()
        assert not (scores[fold].ravel()[: 5 * i + j] == scores[fold, i, j]).any()


@pytest.mark.parametrize(
    ("Model", "scoring"),
    [(FiniteSumClassifierCV, "neg_log_loss"), (FiniteSumRegressorCV, None)],
)
def test_one_standard_error_takes_a_stronger_penalty(Model, scoring):
    X, y = standardised(load_iris)
    X, y = X[50:, :2], y[50:]  # two kinds that are hard to tell apart
    settings = {"alphas": 8, "eps": 0.01, "l1_ratios": (0.5, 0.8), "scoring": scoring}
    settings["cv"] = StratifiedKFold(5)
    best = Model(**settings).fit(X, y)
    model = Model(selection="one_standard_error", **settings).fit(X, y)
    np.testing.assert_array_equal(model.scores_, best.scores_)
    assert model.alpha_ > best.alpha_
    path, value = strongest_of(model.scores_)
    assert (model.alpha_, model.l1_ratio_) == (model.alphas_[path, value], [0.5, 0.8][path])
    assert model.l1_ratio_ == best.l1_ratio_


@pytest.mark.parametrize(
    ("model", "alone"),
    [
        (FiniteSumClassifierCV(alphas=4), FiniteSumClassifier()),
        (FiniteSumClassifierCV("hinge", alphas=4, eps=0.1), FiniteSumClassifier("hinge")),
        (
            FiniteSumRegressorCV("huber", epsilon=0.3, alphas=4, l1_ratios=(0.5, 1.0)),
            FiniteSumRegressor("huber", epsilon=0.3),
        ),
    ],
)
def test_every_fit_is_certified_and_the_refit_is_the_estimator_s(model, alone):
    X, y = standardised(load_iris)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = clone(model).fit(X, y)
    shape = 5, len(model.l1_ratios), 4
    assert model.scores_.shape == model.n_iter_.shape == shape
    certificates = np.array(model.certificates_, dtype=object)
    assert certificates.shape == shape
    assert all(one.reached for one in certificates.ravel())
    alone = clone(alone).set_params(alpha=model.alpha_, l1_ratio=model.l1_ratio_).fit(X, y)
    np.testing.assert_array_equal(model.coef_, alone.coef_)
    np.testing.assert_array_equal(model.predict(X), alone.predict(X))
    assert model.certificate_ == alone.certificate_
    assert model.solver_ == alone.solver_
    if hasattr(alone, "predict_proba"):
        np.testing.assert_array_equal(model.predict_proba(X), alone.predict_proba(X))
    else:
        assert not hasattr(model, "predict_proba")


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("Model", [FiniteSumClassifierCV, FiniteSumRegressorCV])
def test_without_a_refit_there_are_means_over_the_folds(Model, fit_intercept):
    X, y = standardised(load_iris)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    settings = {"tol": 1e-10, "random_state": 0, "fit_intercept": fit_intercept}
    model = Model(alphas=ALPHAS, l1_ratios=(0.5, 1.0), refit=False, **settings).fit(X, y)
    splitter = StratifiedKFold(5) if Model is FiniteSumClassifierCV else KFold(5)
    _, paths, values = best_of_each(model.scores_)
    alphas, ratios = model.alphas_[paths, values], np.array([0.5, 1.0])[paths]
    fits = [
        model._single(alpha=alpha, l1_ratio=ratio, **settings).fit(X[train], y[train])
        for alpha, ratio, (train, _) in zip(alphas, ratios, splitter.split(X, y), strict=True)
    ]
    coef, intercept = (
        np.mean([getattr(fit, name) for fit in fits], axis=0) for name in ("coef_", "intercept_")
    )
    np.testing.assert_allclose(model.coef_, coef, atol=1e-4)
    np.testing.assert_allclose(model.intercept_, intercept, atol=1e-4)
    assert model.alpha_ == pytest.approx(alphas.mean())
    assert model.l1_ratio_ == pytest.approx(ratios.mean())
    assert model.certificate_ is model.solver_ is None
    assert model.history_ == {}
    assert model.predict(X).shape == y.shape


def test_jobs_change_nothing_and_float32_stays():
    X, y = standardised(load_iris)
    model = FiniteSumClassifierCV(alphas=3, l1_ratios=(0.0, 0.5), eps=0.1, refit=False)
    one, two = (clone(model).set_params(n_jobs=n).fit(X.astype("f4"), y) for n in (None, 2))
    np.testing.assert_array_equal(one.scores_, two.scores_)
    np.testing.assert_array_equal(one.coef_, two.coef_)
    assert one.certificates_ == two.certificates_
    assert one.coef_.dtype == one.intercept_.dtype == np.float32


def test_balanced_weights_count_all_rows_and_classes_may_miss_in_a_fold():
    X, y = standardised(load_iris)
    X, y = X[30:], y[30:]
    given = {label: len(y) / (3 * count) for label, count in enumerate(np.bincount(y))}
    fits = [
        FiniteSumClassifierCV(alphas=4, cv=KFold(3), class_weight=weight).fit(X, y)
        for weight in ("balanced", given)
    ]
    np.testing.assert_allclose(fits[0].alphas_, fits[1].alphas_, rtol=1e-12)
    np.testing.assert_allclose(fits[0].scores_, fits[1].scores_, rtol=1e-12)
    assert fits[0].coef_.shape == (3, 4)


# What is passed on


def test_groups_are_routed():
    X, y = standardised(load_diabetes)
    groups = np.arange(len(y)) % 4
    with config_context(enable_metadata_routing=True):
        model = FiniteSumRegressorCV(alphas=4, cv=GroupKFold(4)).fit(X, y, groups=groups)
    folds = list(GroupKFold(4).split(X, y, groups))
    explicit = FiniteSumRegressorCV(alphas=4, cv=folds).fit(X, y)
    np.testing.assert_array_equal(model.scores_, explicit.scores_)
    with pytest.raises(ValueError, match="groups"):
        FiniteSumRegressorCV().fit(X, y, groups=groups)


@pytest.mark.parametrize("Model", [FiniteSumClassifierCV, FiniteSumRegressorCV])
def test_weights_are_routed_to_the_default_score(Model):
    X, y = standardised(load_iris)
    weight = some_weights(y)
    model = Model(alphas=3, cv=StratifiedKFold(3))
    expected = clone(model).fit(X, y, weight).scores_
    with config_context(enable_metadata_routing=True):
        model.fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(model.scores_, expected)


def absolute_error(model, X, y):
    return -mean_absolute_error(y, model.predict(X))


@pytest.mark.parametrize("scoring", ["neg_max_error", absolute_error])
def test_scorers_without_weights_get_none(scoring):
    X, y = standardised(load_diabetes)
    model = FiniteSumRegressorCV(alphas=3, cv=3, scoring=scoring).fit(X, y, some_weights(y))
    train, test = next(KFold(3).split(X))
    alone = FiniteSumRegressor(alpha=model.alphas_[0, 0])
    alone.fit(X[train], y[train], some_weights(y)[train])
    expected = get_scorer(scoring)(alone, X[test], y[test])
    assert model.scores_[0, 0, 0] == pytest.approx(expected, rel=1e-3)


def test_one_warning_speaks_for_all_fits():
    X, y = standardised(load_diabetes)
    model = FiniteSumRegressorCV(alphas=6, solver="saga", max_iter=2, tol=1e-10)
    with pytest.warns(ConvergenceWarning, match=r"of 30 fits of the folds .* worst: Fin") as caught:
        model.fit(X, y)
    assert len(caught) == 2  # and the refit's
    assert all(one.filename == __file__ for one in caught)
    # what a fit of another kind says is not kept
    with pytest.warns(ConvergenceWarning, match=r"^FiniteSumRegressor stopped"):
        FiniteSumRegressor(solver="saga", max_iter=2, tol=1e-10).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alphas": [1.0, -1.0]}, r"alphas: found \[1.0, -1.0\]; allowed"),
        ({"alphas": [np.inf]}, "alphas: found"),
        ({"alphas": []}, "alphas: found"),
        ({"l1_ratios": []}, r"l1_ratios: found \[\]; allowed"),
        ({"l1_ratios": [0.5, 1.5]}, "l1_ratios: found"),
        ({"eps": 1.0}, "'eps' parameter"),
        ({"refit": False, "selection": "one_standard_error"}, "refit: found False with selection"),
        ({"solver": "sag", "l1_ratios": (1.0,)}, "solver='sag' needs l1_ratio=0"),
        ({"scoring": lambda *_: np.nan}, "scoring=.*: found NaN or infinity"),
    ],
)
def test_what_is_refused(parameters, message):
    for Model in (FiniteSumClassifierCV, FiniteSumRegressorCV):
        with pytest.raises(ValueError, match=message):
            Model(**{"alphas": 3, **parameters}).fit(*standardised(load_iris))


# Sparse coefficients, and what selects by them


@pytest.mark.parametrize(
    "model",
    [
        FiniteSumClassifier(alpha=0.05, l1_ratio=1.0),
        FiniteSumClassifier("squared_hinge", alpha=0.05, l1_ratio=0.7),
        FiniteSumClassifierCV(alphas=3, l1_ratios=(1.0,)),
    ],
)
@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
def test_sparse_coefficients_predict_the_same(model, load):
    X, y = standardised(load)
    model = fit_quietly(clone(model), X, y)
    coef, expected = model.coef_, model.decision_function(X)
    name = "sparse_interface"  # scikit-learn has it from 1.9 on
    for interface in [{name: "sparray"}, {name: "spmatrix"}] if name in get_config() else [{}]:
        with config_context(**interface):
            assert sparse.issparse(model.sparsify().coef_)
            for storage in (np.asarray, sparse.csr_array, sparse.csr_matrix):
                scores = model.decision_function(storage(X))
                assert type(scores) is np.ndarray
                np.testing.assert_allclose(scores, expected, atol=1e-12)
            assert set(model.predict(X)) <= set(y)
        np.testing.assert_array_equal(model.densify().coef_, coef)


def test_a_warm_start_takes_up_sparse_coefficients():
    X, y = standardised(load_iris)
    model = FiniteSumClassifier(alpha=0.01, l1_ratio=0.5, tol=1e-9, warm_start=True).fit(X, y)
    first, coef = model.n_iter_, model.coef_
    model.sparsify().fit(X, y)
    assert model.n_iter_ < first
    np.testing.assert_allclose(model.coef_, coef, atol=1e-4)


@pytest.mark.parametrize(
    "model",
    [
        FiniteSumRegressor(alpha=0.5, l1_ratio=1.0),
        FiniteSumRegressorCV(alphas=5, l1_ratios=(1.0,)),
    ],
)
def test_regressors_have_sparse_coefficients_as_lasso_has(model):
    X, y = standardised(load_diabetes)
    model = clone(model).fit(X, y)
    assert model.sparse_coef_.shape == (1, X.shape[1])
    np.testing.assert_array_equal(model.sparse_coef_.toarray()[0], model.coef_)


@given(seed=SEEDS, l1_ratio=st.sampled_from([0.2, 0.8, 1.0]), k=st.sampled_from([0, 2, 3]))
def test_selection_without_a_threshold_keeps_exactly_the_columns_in_use(seed, l1_ratio, k):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 6))
    scores = X @ rng.normal(size=(6, max(k, 1))) + rng.normal(size=(40, max(k, 1)))
    y = scores[:, 0] if k == 0 else scores.argmax(axis=1) if k == 3 else (scores[:, 0] > 0) * 1
    Model = FiniteSumClassifier if k else FiniteSumRegressor
    model = Model(l1_ratio=l1_ratio, tol=1e-4, random_state=0)
    model.set_params(alpha=rng.uniform(0.05, 1.1) * alpha_max(model, X, y))
    selector = SelectFromModel(model).fit(X, y)
    used = np.atleast_2d(selector.estimator_.coef_).any(axis=0)
    np.testing.assert_array_equal(selector.get_support(), used)
    assert selector.threshold_ == 1e-5


@pytest.mark.parametrize("l1_ratios", [(0.5, 1.0), (0.0,)])
def test_selection_by_cross_validated_fits(l1_ratios):
    X, y = standardised(load_diabetes)
    model = FiniteSumRegressorCV(
        alphas=6, eps=0.1, l1_ratios=l1_ratios, selection="one_standard_error"
    )
    selector = SelectFromModel(model).fit(X, y)
    coef = selector.estimator_.coef_
    expected = coef != 0 if max(l1_ratios) > 0 else np.abs(coef) >= np.abs(coef).mean()
    np.testing.assert_array_equal(selector.get_support(), expected)
    assert 0 < expected.sum() < len(coef)


def test_selection_counts_small_coefficients_with_a_threshold_of_its_own():
    X, y = standardised(load_diabetes)
    model = FiniteSumRegressor(alpha=10.0, l1_ratio=1.0)
    selector = SelectFromModel(model, threshold=np.finfo(float).tiny).fit(1e7 * X, y)
    np.testing.assert_array_equal(selector.get_support(), selector.estimator_.coef_ != 0)
    assert np.abs(selector.estimator_.coef_).max() < 1e-5
