"""CSR columns without values take no part in a fit, and have coefficients of zero."""

import numpy as np
import pytest
from scipy import sparse

from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    BoundMajorizationLogisticRegressionCV,
    FiniteSumClassifier,
    FiniteSumClassifierCV,
    FiniteSumRegressor,
    LatentLogisticRegression,
    MaxMarginClassifier,
    SAGAClassifier,
    finite_sum,
    separation,
)

N_COLUMNS, N_ALL = 12, 60
ESTIMATORS = [
    FiniteSumClassifier(alpha=0.01),
    FiniteSumClassifier("squared_hinge", alpha=0.01, l1_ratio=0.5),
    FiniteSumClassifier("hinge", alpha=0.1, fit_intercept=False),
    FiniteSumClassifier(alpha=0.05, l1_ratio=1.0, sparsity="mcp"),
    FiniteSumClassifierCV(cv=3),
    SAGAClassifier(alpha=0.01, random_state=0),
    FiniteSumRegressor(alpha=0.0),
    FiniteSumRegressor("huber", alpha=0.1, positive=True),
    BoundMajorizationLogisticRegression(),
    BoundMajorizationLogisticRegressionCV(cv=3),
    LatentLogisticRegression(n_components=2, random_state=0, max_iter=20, tol=0.0),
    MaxMarginClassifier(),
]


@pytest.fixture(params=[2, 3], ids=["two classes", "three"])
def problem(request, global_random_seed):
    """Rows, the same among empty columns, where those of the first are, and labels."""
    rng = np.random.RandomState(global_random_seed)
    X = sparse.random(90, N_COLUMNS, 0.4, "csr", random_state=rng, dtype=np.float64)
    y = (X @ rng.standard_normal((N_COLUMNS, request.param))).argmax(axis=1)
    y = np.where(rng.uniform(size=90) < 0.1, rng.randint(request.param, size=90), y)
    columns = np.sort(rng.choice(N_ALL, N_COLUMNS, replace=False))
    wide = sparse.csr_matrix((X.data, columns[X.indices], X.indptr), (90, N_ALL))
    return X, wide, columns, y


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: repr(estimator)[:60])
def test_fits_are_those_without_them(estimator, problem):
    X, wide, columns, y = problem
    narrow = estimator.fit(X, y)
    coef, intercept, scores = narrow.coef_, narrow.intercept_, narrow.predict(X)
    estimator.fit(wide, y)
    np.testing.assert_array_equal(estimator.coef_[..., columns], coef)
    np.testing.assert_array_equal(estimator.intercept_, intercept)
    np.testing.assert_array_equal(estimator.predict(wide), scores)
    others = np.setdiff1d(np.arange(N_ALL), columns)
    assert not estimator.coef_[..., others].any()
    assert estimator.coef_.shape[-1] == estimator.n_features_in_ == N_ALL


@pytest.mark.parametrize("kind", [FiniteSumClassifier, BoundMajorizationLogisticRegression])
def test_warm_starts_go_on(kind, problem):
    _, wide, _, y = problem
    model = kind(warm_start=True).fit(wide, y)
    coef, n_iter = model.coef_, model.n_iter_
    model.fit(wide, y)
    assert model.n_iter_ < n_iter
    np.testing.assert_allclose(model.coef_, coef, atol=1e-3)


def test_functions_and_weights_of_penalties_know_their_columns(problem):
    X, wide, columns, y = problem
    weights = np.linspace(0.5, 2, N_ALL)
    sign = np.where(y == 0, -1.0, 1.0)
    settings = {"alpha": 0.1, "l1_ratio": 0.5, "random_state": 0}
    described = "squared_hinge", "elasticnet"
    found = finite_sum(*described, wide, sign, penalty_weights=weights, **settings)
    expected = finite_sum(*described, X, sign, penalty_weights=weights[columns], **settings)
    start = np.zeros(N_ALL + 1)
    start[columns] = 1.0
    again = finite_sum(*described, wide, sign, penalty_weights=weights, start=start, **settings)
    np.testing.assert_allclose(again.coef, found.coef, atol=1e-3)
    np.testing.assert_array_equal(found.coef[columns], expected.coef)
    assert np.count_nonzero(found.coef) == np.count_nonzero(expected.coef)


def test_columns_that_separate_have_the_users_numbers(problem):
    X, wide, columns, _ = problem
    y = np.asarray(X[:, [3]].todense()).ravel() > 0
    model = BoundMajorizationLogisticRegression(C=np.inf, max_iter=1000)
    with pytest.warns(UserWarning, match=rf"separated by columns? .*\b{columns[3]}\b"):
        model.fit(wide, y)
    found, expected = separation(wide, y), separation(X, y)
    np.testing.assert_array_equal(found.columns, columns[expected.columns])
    np.testing.assert_array_equal(found.direction[:, columns], expected.direction)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("estimator", ESTIMATORS[:-1], ids=lambda estimator: repr(estimator)[:60])
def test_all_columns_may_be_empty(estimator):
    model = estimator.fit(sparse.csr_array((60, 9)), np.arange(60) % 2)
    assert model.coef_.shape[-1] == 9
    assert not model.coef_.any()
