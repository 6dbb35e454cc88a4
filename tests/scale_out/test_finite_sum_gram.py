"""Finite sums on partitions by Gram matrices: the points of a fit in memory, and its gap."""

import numpy as np
import pytest
from scale_out.data import PARTITIONS, as_array, as_csr, refused, two_or_more_classes

from sklearn_optland._rows.dask_source import DaskSource
from sklearn_optland.linear_model import FiniteSumClassifier, FiniteSumRegressor

# Weak penalties, where SDCA in each partition takes thousands of rounds.
FITS = {
    "newton log_loss": {},
    "newton squared_hinge": {"loss": "squared_hinge"},
    "newton no intercept": {"loss": "smooth_hinge", "fit_intercept": False},
    "newton squared_error": {"loss": "squared_error"},
    "newton huber": {"loss": "huber", "epsilon": 0.5},
    "newton poisson": {"loss": "poisson"},
    "cd log_loss": {"l1_ratio": 0.9},
    "cd squared_error": {"loss": "squared_error", "l1_ratio": 1.0},
    "cd positive": {"loss": "squared_hinge", "positive": True, "l1_ratio": 1.0},
    "cd smooth_quantile": {"loss": "smooth_quantile", "epsilon": 0.5, "l1_ratio": 0.5},
    "interior-point hinge": {"loss": "hinge"},
    "interior-point L1": {"loss": "hinge", "l1_ratio": 1.0},
    "interior-point positive": {"loss": "hinge", "positive": True, "alpha": 1e-3},
    "interior-point no intercept": {"loss": "epsilon_insensitive", "fit_intercept": False},
}


def problem(settings, n_classes=2):
    """An estimator of these settings, rows, targets that suit it, and weights."""
    X, y, w = two_or_more_classes(n_classes, 0)
    name = settings.get("loss", "log_loss")
    if "hinge" in name or name == "log_loss":
        return FiniteSumClassifier(**{"alpha": 1e-5} | settings), X, y, w
    t = X[:, 0] + X[:, 1] ** 2 + 50.0
    if name == "poisson":
        t = np.random.default_rng(0).poisson(np.exp(0.3 * X[:, 0])).astype(float)
    return FiniteSumRegressor(**{"alpha": 1e-5} | settings), X, t, w


@pytest.mark.parametrize(
    "sizes", [PARTITIONS["three"], PARTITIONS["seven"]], ids=["three", "seven"]
)
@pytest.mark.parametrize("name", FITS)
def test_the_optimum_of_a_fit_in_memory(name, sizes):
    model, X, y, w = problem(FITS[name] | {"tol": 1e-9})
    model.fit(*(as_array(A, sizes) for A in (X, y, w)))
    assert model.solver_ == name.split()[0]
    assert model.certificate_.scope == "global"
    assert model.certificate_.reached
    exact = type(model)(**model.get_params() | {"tol": 1e-11}).fit(X, y, w)
    objective, best = (fit.history_["objective"].min() for fit in (model, exact))
    assert objective <= best + model.certificate_.value + 1e-12 * best
    assert best - exact.certificate_.value - 1e-12 * best <= objective
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-3 * np.abs(exact.coef_).max())
    np.testing.assert_allclose(model.intercept_, exact.intercept_, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["newton huber", "cd log_loss", "interior-point L1"])
def test_partitions_change_nothing_but_rounding(name):
    fits = []
    for sizes in (PARTITIONS["one"], PARTITIONS["seven"]):
        model, X, y, w = problem(FITS[name])
        data = as_csr(X, sizes), as_array(y, sizes), as_array(w, sizes)
        fits.append(model.fit(*data))
    one, seven = fits
    np.testing.assert_allclose(seven.coef_, one.coef_, rtol=1e-7, atol=1e-9)
    assert len(seven.history_["objective"]) == len(one.history_["objective"])


@pytest.mark.parametrize(("name", "most"), [("newton huber", 10), ("interior-point hinge", 7)])
def test_messages_of_a_step(name, most, monkeypatch):
    n_messages, ask = [0], DaskSource._ask

    def counted(self, *operations, **settings):
        n_messages[0] += 1
        return ask(self, *operations, **settings)

    monkeypatch.setattr(DaskSource, "_ask", counted)
    model, X, y, w = problem(FITS[name])
    model.fit(*(as_array(A, PARTITIONS["three"]) for A in (X, y, w)))
    assert n_messages[0] <= most * len(model.history_["objective"]) + 10


def test_one_problem_for_each_class():
    model, X, y, w = problem({"loss": "hinge"}, n_classes=3)
    model.fit(*(as_array(A, PARTITIONS["three"]) for A in (X, y, w)))
    exact = FiniteSumClassifier("hinge", alpha=1e-5).fit(X, y, w)
    assert model.coef_.shape == (3, 5)
    np.testing.assert_allclose(model.coef_, exact.coef_, rtol=1e-6)


def test_many_columns_have_no_gram_matrix(monkeypatch):
    monkeypatch.setattr("sklearn_optland.linear_model._finite_sum.solver_specs.MAX_COLUMNS", 4)
    X, y, w = two_or_more_classes(2, 0)
    data = [as_array(A, PARTITIONS["three"]) for A in (X, y, w)]
    assert FiniteSumClassifier(alpha=1e-2).fit(*data).solver_ == "sdca"
    asked = FiniteSumClassifier(solver="newton")
    refused(r"'newton' needs a Gram matrix, of 4 columns at most.*\['sdca'\]", *data, model=asked)
    refused("needs an L2 part", *data, model=FiniteSumClassifier(l1_ratio=1.0))
