"""The group lasso of finite sums against a proximal gradient method, and at its edges."""

import numpy as np
import pytest
from helpers import EPSILON, STORAGES, fit_quietly, loss_pull, loss_value
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_model.finite_sum_helpers import CLASSIFIES, SMOOTH, data, estimator
from numpy.testing import assert_allclose

from sklearn_optland.linear_model import (
    FiniteSumClassifier,
    FiniteSumRegressor,
    FiniteSumRegressorCV,
    SAGARegressor,
    alpha_max,
    finite_sum,
    regularization_path,
)
from sklearn_optland.linear_model._finite_sum.solver_specs import SOLVERS

LABELS = np.array(["b", "a", "b", "c", "a", "b", "d"])
seeds = st.integers(0, 2**32 - 1)


class Oracle:
    """The objective of the docstring, and its minimum by accelerated proximal gradients."""

    def __init__(self, loss, X, y, s, labels, alpha, l1_ratio, fit_intercept):
        self.loss, self.y, self.c = loss, y, s / s.sum()
        self.A = np.column_stack([X, np.full(len(y), float(fit_intercept))])
        self.groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        self.l1, self.l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)

    def value(self, W):
        losses = loss_value(self.loss, self.y, self.A @ W)
        norms = sum(np.sqrt(len(g)) * np.linalg.norm(W[g]) for g in self.groups)
        return self.c @ losses + self.l1 * norms + 0.5 * self.l2 * np.sum(W[:-1] ** 2)

    def minimum(self, n_steps=4000):
        A, W = self.A, np.zeros(self.A.shape[1])
        largest = np.linalg.eigvalsh(A.T @ (self.c[:, None] * A))[-1]
        L = {"squared_hinge": 2.0, "smooth_quantile": 1 / EPSILON}.get(self.loss, 1.0) * largest
        Z, t, value = W, 1.0, self.value(W)
        for _ in range(n_steps):
            pulls = loss_pull(self.loss, self.y, A @ Z)
            V = Z + A.T @ (self.c * pulls) / L
            for g in self.groups:
                size = np.linalg.norm(V[g])
                V[g] *= max(0.0, 1 - self.l1 * np.sqrt(len(g)) / (L * size)) if size else 0.0
            V[:-1] /= 1 + self.l2 / L
            new = self.value(V)
            if new > value:  # begin the momentum anew
                Z, t = W, 1.0
                value = np.inf
                continue
            if np.abs(V - W).max() <= 1e-13:
                break
            following = 0.5 + np.sqrt(0.25 + t * t)
            Z, W, t, value = V + (t - 1) / following * (V - W), V, following, new
        return self.value(W)


@settings(max_examples=30)
@given(
    seed=seeds,
    storage=st.sampled_from(list(STORAGES.values())),
    loss=st.sampled_from(
        ["squared_error", "huber", "smooth_quantile", "log_loss", "squared_hinge"]
    ),
    l1_ratio=st.sampled_from([0.5, 1.0]),
    share=st.sampled_from([0.02, 0.3, 0.8]),
    fit_intercept=st.booleans(),
    is_weighted=st.booleans(),
)
def test_the_optimum_is_that_of_proximal_gradients(
    seed, storage, loss, l1_ratio, share, fit_intercept, is_weighted
):
    X, y = data(loss, seed % 1000, d=7)
    X = X.astype(np.float32).astype(float)  # float32 storages hold the same numbers
    s = np.random.default_rng(seed).uniform(0.5, 2, len(y)) if is_weighted else None
    model = estimator(
        loss, l1_ratio=l1_ratio, penalty_groups=LABELS, fit_intercept=fit_intercept, tol=1e-7
    )
    alpha = share * alpha_max(model, X, y, sample_weight=s)
    fit_quietly(model.set_params(alpha=alpha), storage(X), y, sample_weight=s)
    assert model.solver_ == "cd"
    assert model.certificate_.scope == "global"
    signs = np.where(y == y.max(), 1, -1) if loss in CLASSIFIES else y
    s = np.ones(len(y)) if s is None else s
    oracle = Oracle(loss, X, signs, s, LABELS, alpha, l1_ratio, fit_intercept)
    W = np.append(np.ravel(model.coef_), model.intercept_).astype(float)
    best, ours = oracle.minimum(), oracle.value(W)
    rounding = (1e-6 if model.coef_.dtype == np.float32 else 1e-12) * (1 + ours)
    assert ours - best <= model.certificate_.value + rounding
    assert abs(ours - best) <= 1e-6 * ours + rounding
    for label in np.unique(LABELS):
        group = W[:-1][label == LABELS]
        assert not group.any() or X[:, label == LABELS].any(axis=0)[group == 0].sum() == 0


@pytest.mark.parametrize("loss", SMOOTH)
@pytest.mark.parametrize("storage", [STORAGES["dense"], STORAGES["csr"]])
@pytest.mark.parametrize(("n", "d"), [(150, 8), (60, 800)])
def test_a_fit_ends_where_no_group_is_pulled(loss, storage, n, d):
    X, y = data(loss, 0, n=n, d=d)
    y = np.minimum(y, 20)  # of many columns counts would be astronomic
    groups = np.random.RandomState(0).permutation(np.arange(d) // 4)
    model = estimator(loss, l1_ratio=0.9, penalty_groups=groups, tol=1e-9)
    model.set_params(alpha=0.3 * alpha_max(model, X, y)).fit(storage(X), y)
    assert model.certificate_.reached
    w, f = np.ravel(model.coef_), X @ np.ravel(model.coef_) + model.intercept_
    signs = np.where(y == 1, 1, -1) if loss in CLASSIFIES else y
    pulls = loss_pull(loss, signs, f)
    # at a gap the pulls are sqrt(2 L gap) from the optimum's, coefficients sqrt(2 gap / l2)
    gap, l2, radius = model.certificate_.value, 0.1 * model.alpha, 2 * 0.9 * model.alpha
    bends = np.abs(loss_pull(loss, signs, f + 1e-4) - loss_pull(loss, signs, f - 1e-4)) / 2e-4
    from_pulls = np.sqrt(2 * np.linalg.norm(X, 2) ** 2 / n * 2 * bends.max() * gap)
    felt, n_used = X.T @ pulls / n, 0
    assert abs(pulls.mean()) <= 1e-6 * np.abs(pulls).max()
    for g in np.unique(groups):
        w_g, felt_g = w[groups == g], felt[groups == g]
        if not w_g.any():
            assert np.linalg.norm(felt_g) <= radius + from_pulls
            continue
        n_used += 1
        size = np.linalg.norm(w_g)
        slack = from_pulls + (2 * radius / size + l2) * np.sqrt(2 * gap / l2)
        assert np.linalg.norm(felt_g - radius * w_g / size - l2 * w_g) <= slack
    assert 0 < n_used < d // 4 + (d == 8)


@pytest.mark.parametrize("l1_ratio", [0.6, 1.0])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("d", [6, 600])
def test_groups_of_one_column_are_the_l1_norm(loss, l1_ratio, d):
    X, y = data(loss, 1, n=80, d=d)
    settings = {"l1_ratio": l1_ratio, "tol": 1e-10}
    other = estimator(loss, **settings)
    settings["alpha"] = 0.2 * alpha_max(other, X, y)
    ours = estimator(loss, penalty_groups=np.arange(d)[::-1], **settings).fit(X, y)
    other.set_params(alpha=settings["alpha"]).fit(X, y)
    assert_allclose(ours.coef_, other.coef_, atol=1e-5)
    assert_allclose(ours.history_["objective"][-1], other.history_["objective"][-1], rtol=1e-9)


@pytest.mark.parametrize("loss", ["huber", "poisson", "log_loss"])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_alpha_max_is_where_the_first_group_enters(loss, is_weighted):
    X, y = data(loss, 2, d=7)
    p = np.linspace(0.5, 2, 7) if is_weighted else None
    model = estimator(loss, l1_ratio=0.7, penalty_groups=LABELS, penalty_weights=p, tol=1e-10)
    largest = alpha_max(model, X, y)
    assert not model.set_params(alpha=1.001 * largest).fit(X, y).coef_.any()
    used = np.ravel(model.set_params(alpha=0.9995 * largest).fit(X, y).coef_) != 0
    assert len(np.unique(LABELS[used])) == 1


def test_weights_are_units_of_columns():
    X, y = data("squared_error", 3, d=7)
    p = np.linspace(0.5, 2, 7)
    settings = {"alpha": 0.05, "l1_ratio": 0.9, "penalty_groups": LABELS, "tol": 1e-12}
    ours = FiniteSumRegressor(penalty_weights=p, **settings).fit(X, y)
    other = FiniteSumRegressor(**settings).fit(X / p, y)
    assert_allclose(ours.coef_ * p, other.coef_, atol=1e-8)


def test_each_of_several_classes_has_its_groups():
    X, y = data("squared_hinge", 0, n=150, d=7, n_classes=3)
    settings = {"alpha": 0.1, "l1_ratio": 1.0, "penalty_groups": LABELS, "tol": 1e-9}
    model = FiniteSumClassifier("squared_hinge", **settings).fit(X, y)
    for code in range(3):
        one = FiniteSumClassifier("squared_hinge", **settings).fit(X, y == code)
        assert_allclose(model.coef_[code], one.coef_[0], atol=1e-5)


def test_paths_cross_validation_and_the_function_mean_the_same():
    X, y = data("squared_error", 0, n=80, d=7)
    settings = {"penalty_groups": LABELS, "tol": 1e-9}
    model = FiniteSumRegressorCV(alphas=6, l1_ratios=(0.0, 0.5, 1.0), cv=3, **settings).fit(X, y)
    best = {"alpha": model.alpha_, "l1_ratio": model.l1_ratio_}
    one = FiniteSumRegressor(**best, **settings).fit(X, y)
    assert_allclose(model.coef_, one.coef_, atol=1e-6)
    one = FiniteSumRegressor(l1_ratio=1.0, **settings)
    largest = alpha_max(one, X, y)
    assert_allclose(model.alphas_[2][0], largest)
    alphas = largest * np.array([1.0, 0.5, 0.1])
    path = regularization_path(one, X, y, alphas)
    for alpha, coef, certificate in zip(path["values"], path.coefs, path.certificates, strict=True):
        assert (certificate.scope, certificate.reached) == ("global", True)
        assert_allclose(one.set_params(alpha=alpha).fit(X, y).coef_, np.ravel(coef), atol=1e-5)
    result = finite_sum(
        *("squared_error", "l1", X, y),
        **{"alpha": alpha, "fit_intercept": True, **settings},
    )
    assert_allclose(result.coef, one.coef_, atol=1e-5)


def test_a_warm_start_needs_fewer_passes():
    X, y = data("log_loss", 0, n=100, d=7)
    model = FiniteSumClassifier(
        alpha=0.02, l1_ratio=1.0, penalty_groups=LABELS, warm_start=True, tol=1e-9
    ).fit(X, y)
    cold = model.n_iter_
    assert model.fit(X, y).n_iter_ < cold


def test_without_an_l1_part_groups_do_not_matter():
    X, y = data("squared_error", 0, d=7)
    ours = FiniteSumRegressor(penalty_groups=LABELS).fit(X, y)
    np.testing.assert_array_equal(ours.coef_, FiniteSumRegressor().fit(X, y).coef_)
    assert "penalty_groups" not in SAGARegressor().get_params()


@pytest.mark.parametrize(
    "groups", [[0, 1], np.zeros((7, 1), dtype=int), [0, 0, 1, 1, 2, 2, np.nan]]
)
def test_labels_are_one_for_each_column(groups):
    X, y = data("squared_error", 0, d=7)
    model = FiniteSumRegressor(l1_ratio=1.0, penalty_groups=groups)
    with pytest.raises(
        ValueError, match=r"penalty_groups(: found .* allowed are 7 labels| contains NaN)"
    ):
        model.fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"positive": True}, "positive=True"),
        ({"sparsity": "mcp"}, "'mcp'"),
        ({"sparsity": "scad"}, "'scad'"),
    ],
)
def test_other_penalties_have_no_groups(parameters, found):
    X, y = data("squared_error", 0, d=7)
    model = FiniteSumRegressor(l1_ratio=1.0, penalty_groups=LABELS, **parameters)
    with pytest.raises(ValueError, match=f"penalty_groups: found some with .*{found}; allowed"):
        model.fit(X, y)


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "cd"])
def test_other_solvers_refuse_them(solver):
    X, y = data("squared_error", 0, d=7)
    model = FiniteSumRegressor(solver=solver, alpha=0.1, l1_ratio=0.5, penalty_groups=LABELS)
    with pytest.raises(ValueError, match=r"solvers that can: \['cd'\]"):
        model.fit(X, y)


@pytest.mark.parametrize(("loss", "n_classes"), [("hinge", 2), ("log_loss", 3)])
def test_kinks_and_the_softmax_have_no_solver(loss, n_classes):
    X, y = data(loss, 0, d=7, n_classes=n_classes)
    model = FiniteSumClassifier(loss, alpha=0.1, l1_ratio=0.5, penalty_groups=LABELS)
    with pytest.raises(ValueError, match=r"(smooth loss|multinomial).* solvers that can: \[\]"):
        model.fit(X, y)
