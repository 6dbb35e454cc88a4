"""Finite sums on partitions: the optimum of a fit in memory, and a gap that proves it."""

import numpy as np
import pytest
from scale_out.data import (
    PARTITIONS,
    as_array,
    as_csr,
    as_frame,
    refused,
    two_or_more_classes,
    with_unknown_lengths,
)
from scipy.sparse import csr_array

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland._loss.scalar_losses import LOSSES
from sklearn_optland._rows.reduce import reduce
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model import (
    FiniteSumClassifier,
    FiniteSumClassifierCV,
    FiniteSumRegressor,
    SAGAClassifier,
    SDCAClassifier,
    SDCARegressor,
)
from sklearn_optland.linear_model._finite_sum.cocoa import Ascent
from sklearn_optland.linear_model._finite_sum.partitioned import PartitionedSum
from sklearn_optland.utils import RowBlocks

CLASSIFIERS = {
    "log_loss": {},
    "elastic net": {"l1_ratio": 0.3},
    "positive": {"positive": True},
    "no intercept": {"fit_intercept": False, "alpha": 1e-3},
    "balanced": {"class_weight": "balanced"},
    "smooth_hinge": {"loss": "smooth_hinge"},
    "squared_hinge": {"loss": "squared_hinge"},
    "hinge": {"loss": "hinge", "tol": 1e-3},
}
REGRESSORS = {
    "squared_error": {},
    "lasso-like": {"l1_ratio": 0.9},
    "huber": {"loss": "huber"},
    "poisson": {"loss": "poisson"},
    "epsilon_insensitive": {"loss": "epsilon_insensitive", "tol": 1e-2},
}


def certified(found, exact):
    """Both fits are within their gaps of the same optimum."""
    certificate, best = found.certificate_, exact.history_["objective"].min()
    assert certificate.scope == "global"
    assert certificate.reached
    objective = found.history_["objective"].min()
    rounding = 1e-12 * best
    assert best - exact.certificate_.value - rounding <= objective
    assert objective <= best + certificate.value + rounding
    # alpha/2 |w - w*|^2 is at most the gap of each
    distance = np.linalg.norm(found.coef_ - exact.coef_)
    strength = found.alpha * (1 - found.l1_ratio)
    gaps = np.sqrt([certificate.value + rounding, exact.certificate_.value + rounding])
    assert np.sqrt(0.5 * strength) * distance <= gaps.sum()


@pytest.mark.parametrize("sizes", PARTITIONS.values(), ids=PARTITIONS)
@pytest.mark.parametrize("settings", CLASSIFIERS.values(), ids=CLASSIFIERS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifiers(n_classes, settings, sizes):
    X, y, w = two_or_more_classes(n_classes, 0)
    settings = {"alpha": 1e-2, "tol": 1e-7} | settings
    exact = FiniteSumClassifier(**settings | {"tol": 1e-10}).fit(X, y, w)
    found = FiniteSumClassifier(solver="sdca", **settings)
    found.fit(*(as_array(A, sizes) for A in (X, y, w)))
    certified(found, exact)
    assert found.rate_["row"] == "none: partitions"
    np.testing.assert_array_equal(found.classes_, exact.classes_)


@pytest.mark.parametrize("sizes", PARTITIONS.values(), ids=PARTITIONS)
@pytest.mark.parametrize("settings", REGRESSORS.values(), ids=REGRESSORS)
def test_regressors(settings, sizes):
    X, _, w = two_or_more_classes(2, 0)
    y = np.abs(X[:, 0] + X[:, 1] + 100.0)
    settings = {"alpha": 1e-2, "tol": 1e-7} | settings
    if settings.get("loss") == "poisson":
        y = np.random.default_rng(0).poisson(np.exp(0.3 * X[:, 0])).astype(float)
    exact = FiniteSumRegressor(**settings | {"tol": 1e-10}).fit(X, y, w)
    found = FiniteSumRegressor(solver="sdca", **settings)
    found.fit(*(as_array(A, sizes) for A in (X, y, w)))
    certified(found, exact)
    assert isinstance(found.intercept_, float)


def test_kinds_of_collections():
    X, y, w = two_or_more_classes(3, 0)
    X = X * (np.abs(X) > 0.5)
    sizes = PARTITIONS["seven"]
    exact = SDCAClassifier(alpha=1e-2, tol=1e-10).fit(csr_array(X), y, w)
    dX, dy, dw = (as_array(A, sizes) for A in (X, y, w))
    parts = np.split(X, np.cumsum(sizes)[:-1])
    model = SDCAClassifier(alpha=1e-2, tol=1e-7)
    coefs = []
    for data in [
        (dX, dy, dw),
        (with_unknown_lengths(dX), with_unknown_lengths(dy), dw),
        (as_frame(X, sizes), as_frame(y, sizes), as_frame(w, sizes)),
        (RowBlocks([lambda part=part: part for part in parts], lengths=sizes), y, w),
    ]:
        coefs.append(model.fit(*data).coef_)
        np.testing.assert_array_equal(coefs[-1], coefs[0])
        certified(model, exact)
    certified(model.fit(as_csr(X, sizes), dy, dw), exact)
    found = model.fit(dX.astype(np.float32), dy, dw)
    assert found.coef_.dtype == np.float32
    np.testing.assert_allclose(found.coef_, coefs[0], rtol=1e-3, atol=1e-4)


def test_a_start_from_the_last_fit():
    X, y, w = two_or_more_classes(2, 0)
    data = [as_array(A, PARTITIONS["three"]) for A in (X, y, w)]
    model = SDCAClassifier(alpha=1e-3, tol=1e-8, warm_start=True).fit(*data)
    n_iter = model.n_iter_
    assert model.fit(*data).n_iter_ < n_iter / 2


def test_classes_without_weight_and_partitions_of_one_class():
    X, y, w = two_or_more_classes(3, 0)
    order = np.argsort(y, kind="stable")
    X, y, w = X[order], y[order], w[order]
    w[y == "class 1"] = 0.0
    sizes = PARTITIONS["three"]
    for loss in ("log_loss", "smooth_hinge"):
        model = FiniteSumClassifier(loss, alpha=1e-2, tol=1e-7)
        found = model.fit(*(as_array(A, sizes) for A in (X, y, w)))
        exact = FiniteSumClassifier(loss, alpha=1e-2, tol=1e-10).fit(X, y, w)
        np.testing.assert_allclose(found.coef_, exact.coef_, rtol=0, atol=1e-2)
        np.testing.assert_array_equal(found.predict(X), exact.predict(X))


def test_one_round_is_sdca_of_the_rows_alone():
    """The bound that a partition ascends, against NumPy: squared error."""
    rng = np.random.RandomState(0)
    X, y, c = rng.randn(3, 2), rng.randn(3), np.full(3, 1 / 6)
    source = ArraySource(X, y=y, c=c)
    penalty = ElasticNet(0.0, 0.1)
    settings = {"loss": LOSSES["squared_error"], "penalty": penalty, "fit_intercept": True}
    problem = PartitionedSum(source, y, **settings)
    problem.n_samples = 6  # as many more are in another partition
    ascent, rho = Ascent(problem, 0.1, 0.2), 0.2
    theta, v, b = np.zeros(3), rng.randn(2), np.array([0.3])
    start = v.copy()
    moved, total = reduce(ascent, source, (y, c, (X**2).sum(axis=1), theta, v, b, 5))
    np.testing.assert_array_equal(v, start)  # the partition's own copy moves
    np.testing.assert_allclose(total[:2, 0], (c * theta) @ X)
    np.testing.assert_allclose(total[2], c @ theta)
    assert moved == pytest.approx(c @ theta**2)
    # The last row of some order has the best theta for what the others did: share 1/2, sigma' 2.
    w, bias = (v + 2 * (c * theta) @ X) / 0.1, b[0] + 2 * (c @ theta) / rho
    residuals = y - X @ w - bias - theta
    assert np.abs(residuals).min() < 1e-12


def test_refusals_name_what_is_there():
    X, y, _ = two_or_more_classes(2, 0)
    dX, dy = (as_array(A, PARTITIONS["three"]) for A in (X, y))
    refused("allowed with them are 'auto' and", dX, dy, model=FiniteSumClassifier(solver="saga"))
    refused(r"solver='saga' was given with collections.*'sdca'", dX, dy, model=SAGAClassifier())
    refused("needs an L2 part", dX, dy, model=FiniteSumClassifier(alpha=0.0))
    refused("needs a convex", dX, dy, model=FiniteSumClassifier(sparsity="mcp", l1_ratio=0.5))
    refused("penalty_groups was given", dX, dy, model=FiniteSumClassifier(penalty_groups=[0] * 5))
    refused(
        "penalty_weights was given", dX, dy, model=FiniteSumClassifier(penalty_weights=[1.0] * 5)
    )
    refused(
        "sampling='lipschitz' was given", dX, dy, model=FiniteSumClassifier(sampling="lipschitz")
    )
    refused("fit: found a dask Array", dX, dy, model=FiniteSumClassifierCV())
    t = X[:, 0].copy()
    t[300] = -1.0
    dt = as_array(np.abs(t) * np.sign(t), PARTITIONS["three"])
    refused("Partition [012]: y: found values down to", dX, dt, model=SDCARegressor("poisson"))
    zeros = as_array(np.zeros(600), PARTITIONS["three"])
    refused("nothing but zeros", dX, zeros, model=SDCARegressor("poisson"))
