"""Finite-sum estimators: what users count on."""

import numpy as np
import pytest
from helpers import fit_quietly
from linear_model.finite_sum_helpers import data, objective
from sklearn.callback import ProgressBar
from sklearn.datasets import load_breast_cancer, load_diabetes, make_classification
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
    ("named", "solver"),
    [(SAGAClassifier, "saga"), (SVRGClassifier, "svrg"), (SDCAClassifier, "sdca")],
)
def test_named_classifiers_are_the_same_code(named, solver):
    X, y = StandardScaler().fit_transform(load_breast_cancer().data), load_breast_cancer().target
    one = fit_quietly(named(alpha=0.01, random_state=0), X, y)
    other = fit_quietly(FiniteSumClassifier(solver=solver, alpha=0.01, random_state=0), X, y)
    np.testing.assert_array_equal(one.coef_, other.coef_)
    assert one.solver_ == solver
    assert "solver" not in one.get_params()


@pytest.mark.parametrize(
    ("named", "solver"),
    [(SAGARegressor, "saga"), (SVRGRegressor, "svrg"), (SDCARegressor, "sdca")],
)
def test_named_regressors_are_the_same_code(named, solver):
    X, y = load_diabetes(return_X_y=True)
    one = fit_quietly(named(alpha=0.01, random_state=0), X, y)
    other = fit_quietly(FiniteSumRegressor(solver=solver, alpha=0.01, random_state=0), X, y)
    np.testing.assert_array_equal(one.coef_, other.coef_)


@pytest.mark.parametrize("solver", SOLVERS)
def test_same_seed_same_bits(solver):
    X, y = data("log_loss", 0, n=100)
    fits = [
        fit_quietly(FiniteSumClassifier(solver=solver, max_iter=7, random_state=seed), X, y)
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    assert np.any(fits[0].coef_ != fits[2].coef_)


@pytest.mark.parametrize("solver", SOLVERS)
def test_warm_start_takes_up_where_the_last_fit_ended(solver):
    X, y = data("log_loss", 0, n=200)
    model = FiniteSumClassifier(solver=solver, alpha=0.01, warm_start=True, random_state=0)
    first = model.fit(X, y).n_iter_
    model.fit(X, y)
    assert model.n_iter_ <= max(first / 2, 4)
    X3, y3 = data("log_loss", 0, n=200, n_classes=3)
    if solver not in ("katyusha", "point-saga"):
        model.fit(X3, y3)  # other classes: a cold start, not an error
        assert model.certificate_.reached


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


def test_callbacks_and_grid_search():
    pytest.importorskip("rich")
    X, y = data("log_loss", 0, n=100)
    FiniteSumClassifier(alpha=0.01).set_callbacks(ProgressBar()).fit(X, y)
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
        FiniteSumClassifier(alpha=1e-5, tol=0).fit(X, y)
