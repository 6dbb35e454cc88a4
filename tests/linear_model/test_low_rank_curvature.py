"""The low-rank form of JC12's bound: above Algorithm 1's matrix at any rank, and exact at the full.

That its steps never raise the objective is tested with the other curvatures.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linear_model.logistic_helpers import assert_monotone, load, objective
from linear_model.logistic_problems import PROBLEMS, dense_curvature, make_problem, random_W, ratio
from numpy.testing import assert_allclose
from scipy.linalg import eigvalsh

from sklearn_optland._loss.log_loss import diagonal_bound
from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
from sklearn_optland.linear_model._logistic import low_rank
from sklearn_optland.linear_model._logistic.curvatures import jc12_of_scores


def matrix_of(curvature):
    """K'K + diag(D), parameters in C order."""
    blocks = [
        K.T @ K + np.diag(1 / inverse)
        for K, inverse in zip(curvature.K, curvature.inverse, strict=True)
    ]
    d, k = len(blocks[0]), len(blocks)
    matrix = np.zeros((d, k, d, k))
    for y, block in enumerate(blocks):
        matrix[:, y, :, y] = block
    return matrix.reshape(d * k, d * k)


def curvature_at(case, W):
    curvature = low_rank.LowRankCurvature(case.problem)
    curvature.refresh(case.problem.evaluate(W))
    return curvature


@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize("rank", [1, 3])
@given(problem=PROBLEMS, scale=st.sampled_from([0.0, 1.0, 10.0]))
def test_the_matrix_is_above_algorithm_1_s(rank, batch, problem, scale):
    case = make_problem(**{**problem, "fit_intercept": True, "l2": 1.0, "spread": 0.0})
    W = random_W(case, scale)
    Z = case.A @ W
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(low_rank, "RANK", rank)
        patch.setattr(low_rank, "BATCH", batch)
        curvature = curvature_at(case, W)
    assert curvature.K.shape == (case.k, min(rank, len(W)), len(W))
    exact = dense_curvature(case, ratio(Z)[:, :, None] if case.k == 1 else jc12_of_scores(Z))
    matrix = matrix_of(curvature)
    assert eigvalsh(matrix - exact)[0] >= -1e-12 * np.trace(matrix)


def test_at_full_rank_the_blocks_are_exact(global_random_seed):
    case = make_problem(global_random_seed, 4)
    W = random_W(case)
    D = diagonal_bound(case.A @ W)[1]
    expected = dense_curvature(case, D[:, :, None] * np.eye(4))
    curvature = curvature_at(case, W)
    for _ in range(3):
        curvature.refresh(case.problem.evaluate(W))
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert (abs(matrix_of(curvature) - expected) <= 1e-5 * size).all()


@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
@pytest.mark.parametrize("refresh", [1, 10])
def test_the_optimum_is_that_of_the_other_curvatures(monkeypatch, name, refresh):
    monkeypatch.setattr(low_rank, "RANK", 4)
    X, y = load(name)
    settings = {"C": 0.1, "tol": 1e-9, "max_iter": 5000}
    model = BoundMajorizationLogisticRegression(curvature="low-rank", refresh=refresh, **settings)
    model.fit(X, y)
    other = BoundMajorizationLogisticRegression(**settings).fit(X, y)
    assert_monotone(model)
    assert model.plan_ == ("majorization", "low rank")
    assert model.certificate_.reached
    best = objective(other, X, y, C=0.1)
    assert_allclose(objective(model, X, y, C=0.1), best, rtol=2e-9)


def test_no_matrix_of_all_coefficients_is_made():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2500)), np.arange(20) % 3
    model = BoundMajorizationLogisticRegression(1e-4, curvature="jc12", tol=1e-3)
    with pytest.raises(ValueError, match="side 7503"):
        model.fit(X, y)
    model.set_params(curvature="low-rank", refresh=10).fit(X, y)
    assert_monotone(model)
    assert model.certificate_.reached
