"""Finite-sum estimators: what users count on."""

import numpy as np
import pytest
from helpers import fit_quietly
from linear_model.finite_sum_helpers import FULL_BATCH, PENALTIES, data, estimator, objective
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from sklearn_optland.linear_model import (
    FiniteSumClassifier,
    FiniteSumRegressor,
    SAGAClassifier,
    SAGARegressor,
    SDCAClassifier,
    SDCARegressor,
    SVRGClassifier,
    SVRGRegressor,
)
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum
from sklearn_optland.linear_model._finite_sum.solver_specs import SOLVERS


@pytest.mark.parametrize(
    ("named", "solver", "alpha"),
    [
        (SAGAClassifier, "saga", 0.01),
        (SVRGClassifier, "svrg", 0.01),
        (SDCAClassifier, "sdca", 0.1),  # so that it need not accelerate
    ],
)
def test_named_classifiers_are_the_same_code(named, solver, alpha):
    X, y = StandardScaler().fit_transform(load_breast_cancer().data), load_breast_cancer().target
    one = fit_quietly(named(alpha=alpha, random_state=0), X, y)
    other = fit_quietly(FiniteSumClassifier(solver=solver, alpha=alpha, random_state=0), X, y)
    np.testing.assert_array_equal(one.coef_, other.coef_)
    assert one.solver_ == solver
    assert "solver" not in one.get_params()


@pytest.mark.parametrize(
    ("named", "solver", "alpha"),
    [
        (SAGARegressor, "saga", 0.01),
        (SVRGRegressor, "svrg", 0.01),
        (SDCARegressor, "sdca", 1.0),  # so that it need not accelerate
    ],
)
def test_named_regressors_are_the_same_code(named, solver, alpha):
    X, y = load_diabetes(return_X_y=True)
    one = fit_quietly(named(alpha=alpha, random_state=0), X, y)
    other = fit_quietly(FiniteSumRegressor(solver=solver, alpha=alpha, random_state=0), X, y)
    np.testing.assert_array_equal(one.coef_, other.coef_)
    assert one.solver_ == solver


@pytest.mark.parametrize(("l1_ratio", "scaled"), [(0.0, False), (0.0, True), (0.5, True)])
def test_sdca_accelerates_where_its_passes_gain_too_little(l1_ratio, scaled):
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X) if scaled else X
    settings = {"l1_ratio": l1_ratio, "random_state": 0}
    models = [
        (SDCARegressor, FiniteSumRegressor, X[:, :3], X[:, 3]),
        (SDCAClassifier, FiniteSumClassifier, X, y),
    ]
    for named, kind, X_train, target in models:
        model = named(**settings).fit(X_train, target)
        assert model.solver_ == "catalyst"
        assert model.rate_["row"] == "n + sqrt(n kappa)"
        assert model.certificate_.reached
        best = kind(**settings, tol=1e-9).fit(X_train, target)
        assert best.solver_ in ("newton", "cd")
        # the L2 part is the objective's curvature
        atol = np.sqrt(2 * model.certificate_.value / (1e-4 * (1 - l1_ratio)))
        assert np.linalg.norm(model.coef_ - best.coef_) <= 1.01 * atol
        plain = kind(solver="sdca", **settings, max_iter=model.n_iter_)
        fit_quietly(plain, X_train, target)
        assert plain.solver_ == "sdca"  # the paper's algorithm stays one's own choice
        assert not plain.certificate_.reached


def test_sdca_stays_where_it_is_fast():
    # fewer rows than columns, independent ones: fast whatever the condition number says
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(60, 600)), rng.normal(size=600)
    for model, y in ((SDCAClassifier(), X @ w > 0), (SDCARegressor(), X @ w)):
        model.set_params(alpha=1e-2, random_state=0).fit(X, y)
        assert model.solver_ == "sdca"
        assert model.certificate_.reached


FOR_LOG_LOSS = [solver for solver in SOLVERS if solver != "interior-point"]


@pytest.mark.parametrize("solver", FOR_LOG_LOSS)
def test_same_seed_same_bits(solver):
    X, y = data("log_loss", 0, n=100)
    fits = [
        fit_quietly(FiniteSumClassifier(solver=solver, max_iter=7, random_state=seed), X, y)
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    assert np.any(fits[0].coef_ != fits[2].coef_) == (solver not in FULL_BATCH)


@pytest.mark.parametrize("solver", FOR_LOG_LOSS)
def test_warm_start_takes_up_where_the_last_fit_ended(solver):
    X, y = data("log_loss", 0, n=200)
    model = FiniteSumClassifier(solver=solver, alpha=0.01, warm_start=True, random_state=0)
    first = model.fit(X, y).n_iter_
    model.fit(X, y)
    assert model.n_iter_ <= max(first / 2, 4)
    X3, y3 = data("log_loss", 0, n=200, n_classes=3)
    if solver not in ("cd", "katyusha", "point-saga"):
        model.fit(X3, y3)  # other classes: a cold start, not an error
        assert model.certificate_.reached


@pytest.mark.parametrize(("n", "d"), [(30, 60), (60, 5)])
@pytest.mark.parametrize(("alpha", "next_alpha"), [(0.1, 1e-3), (1e-3, 0.1), (0.01, 0.01)])
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_error", "huber"])
@pytest.mark.parametrize("penalty", [name for name in PENALTIES if name != "l1"])
def test_dual_warm_start_along_alpha_is_no_slower_than_a_cold_one(
    penalty, loss, alpha, next_alpha, n, d
):
    X, y = data(loss, 0, n=n, d=d)
    l1_ratio, positive = PENALTIES[penalty]
    settings = {"solver": "sdca", "l1_ratio": l1_ratio, "positive": positive, "max_iter": 300}
    warm = fit_quietly(estimator(loss, alpha=alpha, warm_start=True, **settings), X, y)
    fit_quietly(warm.set_params(alpha=next_alpha), X, y)
    cold = fit_quietly(estimator(loss, alpha=next_alpha, **settings), X, y)
    assert warm.n_iter_ <= 1.3 * cold.n_iter_ + 4
    assert warm.certificate_.reached or warm.certificate_.value <= 2 * cold.certificate_.value


@pytest.mark.parametrize("solver", FOR_LOG_LOSS)
def test_warm_start_that_is_worse_than_zero_is_a_cold_one(solver):
    X, y = data("log_loss", 0, n=100)
    model = FiniteSumClassifier(solver=solver, alpha=0.01, max_iter=5, random_state=0)
    cold = fit_quietly(model, X, y).coef_
    model.set_params(warm_start=True)
    model.coef_, model.intercept_ = -1e3 * cold, -1e3 * model.intercept_
    np.testing.assert_array_equal(fit_quietly(model, X, y).coef_, cold)


def rare_class(n=4000):
    X, y = np.random.RandomState(0).randn(n, 3), np.zeros(n, dtype=int)
    y[:10], X[:10, 0] = 1, X[:10, 0] + 1
    return X, y


@pytest.mark.parametrize("parameters", [{}, {"l1_ratio": 1.0}, {"loss": "squared_hinge"}])
def test_rare_class_that_is_balanced_takes_a_third_of_uniform_passes_or_less(parameters):
    parameters["solver"] = "catalyst"
    model = FiniteSumClassifier(class_weight="balanced", random_state=0, **parameters)
    passes = model.fit(*rare_class()).n_iter_
    assert model.certificate_.reached
    assert passes < fit_quietly(model.set_params(sampling="uniform"), *rare_class()).n_iter_ / 3


def test_rows_of_equal_weight_and_length_are_visited_in_turn():
    X, y = StandardScaler().fit_transform(load_breast_cancer().data), load_breast_cancer().target
    one, other = (
        FiniteSumClassifier(solver="sdca", alpha=0.01, sampling=sampling, random_state=0).fit(X, y)
        for sampling in ("auto", "uniform")
    )
    np.testing.assert_array_equal(one.coef_, other.coef_)


def test_warning_names_what_is_to_blame():
    model = FiniteSumClassifier(solver="sdca", max_iter=20, random_state=0)
    model.set_params(class_weight="balanced", sampling="uniform")
    with pytest.warns(ConvergenceWarning, match="set sampling='lipschitz'"):
        model.fit(*rare_class())
    X, y = data("log_loss", 0, n=200)
    model = FiniteSumClassifier("hinge", solver="sdca", alpha=1e-9, max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning, match="set a larger alpha"):
        model.fit(X, y)
    with pytest.warns(ConvergenceWarning, match="scale the data"):
        model.fit(X * [1, 1, 1e5, 1e-5], y)


def test_warning_names_a_solver_that_arrives():
    X, y = StandardScaler().fit_transform(load_breast_cancer().data), load_breast_cancer().target
    weak = {"alpha": 1e-6, "random_state": 0}
    with pytest.warns(ConvergenceWarning, match="solver='auto', which takes 'interior-point'"):
        FiniteSumClassifier("hinge", solver="sdca", **weak).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="FiniteSumClassifier, whose solver is 'interior-"):
        SDCAClassifier("hinge", **weak).fit(X, y)
    assert FiniteSumClassifier("hinge", **weak).fit(X, y).certificate_.reached


def test_read_only_memory_map_and_float32(tmp_path):
    X, y = make_classification(200, 10, random_state=0)
    X32 = X.astype(np.float32)
    np.save(tmp_path / "X.npy", X32)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = FiniteSumClassifier(alpha=0.01, random_state=0).fit(mapped, y)
    expected = FiniteSumClassifier(alpha=0.01, random_state=0).fit(X32, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    exact = FiniteSumClassifier(alpha=0.01, tol=1e-12, random_state=0).fit(X32.astype(float), y)
    # Of the rounded coefficients, not of those before rounding.
    gap = objective(model, X32, y) - objective(exact, X32, y)
    assert gap <= model.certificate_.value


def test_callbacks_and_grid_search(callbacks):
    pytest.importorskip("rich")
    X, y = data("log_loss", 0, n=100)
    FiniteSumClassifier(alpha=0.01).set_callbacks(callbacks.ProgressBar()).fit(X, y)
    search = GridSearchCV(FiniteSumClassifier(), {"alpha": [0.01, 0.1]}, n_jobs=2)
    assert search.fit(X, y).best_score_ > 0.6


def test_ctrl_c_says_how_far_the_fit_had_come(monkeypatch):
    X, y = data("log_loss", 0, n=100)
    evaluate = FiniteSum.evaluate
    calls = []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(self, *arguments)

    monkeypatch.setattr(FiniteSum, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"FiniteSumClassifier\.fit was interrupted after"):
        FiniteSumClassifier(solver="sdca", alpha=1e-5, tol=0).fit(X, y)


@pytest.mark.parametrize("Model", [FiniteSumRegressor, SAGARegressor])
def test_selection_by_an_l1_fit_keeps_exactly_the_columns_that_it_uses(Model):
    X, y = load_diabetes(return_X_y=True)
    selector = SelectFromModel(Model(alpha=0.05, l1_ratio=1.0, tol=1e-3, random_state=0)).fit(X, y)
    used = selector.estimator_.coef_ != 0
    assert 0 < used.sum() < X.shape[1]
    np.testing.assert_array_equal(selector.get_support(), used)
