"""The function finite_sum."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from sklearn_optland.linear_model import FiniteSumRegressor, finite_sum


def test_function_continues_where_it_stopped():
    X, y = load_diabetes(return_X_y=True)
    arguments = {"alpha": 1e-3, "random_state": 0, "fit_intercept": True}
    first = finite_sum("huber", "elasticnet", X, y, max_iter=2, tol=0, **arguments)
    assert first.n_iter == 2
    second = finite_sum("huber", "elasticnet", X, y, start=first.x, **arguments)
    assert second.certificate.reached
    assert second.history["objective"][0] <= first.objective
    cold = finite_sum("huber", "elasticnet", X, y, **arguments)
    assert second.objective == pytest.approx(cold.objective, rel=1e-6)
    model = FiniteSumRegressor("huber", alpha=1e-3, l1_ratio=0.5, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.coef_, cold.coef, rtol=1e-10)


def test_targets_may_be_a_column_of_an_array():
    X, y = load_diabetes(return_X_y=True)
    results = [
        finite_sum("squared_error", "l2", X, targets, random_state=0)
        for targets in (y, np.column_stack([y, y])[:, 0])
    ]
    np.testing.assert_array_equal(results[1].x, results[0].x)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(10)}, "beside -1 and 1"),
        ({"y": np.ones(9)}, r"y: found shape \(9,\)"),
        ({"start": np.zeros(2)}, "start: found shape"),
        ({"sample_weight": np.full(10, 1e308)}, "sample_weight: found a sum of inf"),
        ({"penalty": "l3"}, "'penalty' parameter"),
    ],
)
def test_function_refuses_bad_input(change, message):
    arguments = {"loss": "hinge", "penalty": "l2", "X": np.eye(10), "y": np.ones(10), **change}
    with pytest.raises(ValueError, match=message):
        finite_sum(**arguments)
