"""Quadratic nets: the optimum, its proof in any dimension, and what users count on."""

from itertools import islice

import numpy as np
import pytest
from helpers import fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from neural_network.mean_field_helpers import plain_loss
from scipy import sparse
from scipy.optimize import minimize as scipy_minimize
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import StandardScaler

from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.neural_network import MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier
from sklearn_optland.neural_network._mean_field import square
from sklearn_optland.neural_network._mean_field.square import SquareProblem, orthogonal


def make_problem(seed=0, n=40, d=3, k=1, *, is_log_loss=False, fit_intercept=True, alpha=0.05):
    rng = np.random.RandomState(seed)
    X, c = rng.randn(n, d), rng.rand(n) + 0.1
    Y = rng.randn(n, k) + X[:, :1] * X[:, 1:2]
    if is_log_loss:
        Y = (Y > 0) * 1.0 if k == 1 else np.eye(k)[rng.randint(k, size=n)]
    settings = {"is_log_loss": is_log_loss, "fit_intercept": fit_intercept, "alpha": alpha}
    return SquareProblem(ArraySource(X, Y=Y, c=c / c.sum()), k, X.dtype, **settings)


def random_net(problem, m, seed=0):
    rng = np.random.RandomState(seed)
    layout, k = problem.layout, problem.n_outputs
    A = np.zeros((m, k))
    A[np.arange(m), np.arange(m) // 2 % k] = 1.0 - 2.0 * (np.arange(m) % 2)
    B = rng.randn(m, layout.n_features + 1)
    B[:, -1] *= problem.fit_intercept
    return layout.join(B, A, rng.randn(k) * problem.fit_intercept)


def data(is_classifier=False, n=80, d=4, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d)
    y = X[:, 0] * X[:, 1] - X[:, 2] ** 2 + X[:, 3] + 0.3 * rng.randn(n)
    return X, (np.where(y > 0, "yes", "no") if is_classifier else y)


def objective(model, X, Y, c, alpha, is_log_loss):
    """The objective with nuclear norms, written plainly."""
    W, A = model.coefs_
    B = np.vstack([W, model.intercepts_[0]])
    Z = np.column_stack([X, np.ones(len(X))])
    matrices = [(B * a) @ B.T for a in A.T]
    F = np.column_stack([((Z @ Q) * Z).sum(axis=1) for Q in matrices]) + model.intercepts_[1]
    norm = sum(np.linalg.norm(Q, "nuc") for Q in matrices)
    return plain_loss(F, Y, c, is_log_loss) + alpha * norm


def best_objective(X, y, alpha):
    """The optimum of the convex problem by SciPy: B = P - N, both of full rank, P = U'U."""
    Z, D = np.column_stack([X, np.ones(len(X))]), X.shape[1] + 1

    def function(theta):
        U, V = theta[:-1].reshape(2, D, D)
        r = ((Z @ U) ** 2).sum(axis=1) - ((Z @ V) ** 2).sum(axis=1) + theta[-1] - y
        M = Z.T @ (r[:, None] * Z) / len(y)
        gradient = [2 * M @ U + 2 * alpha * U, -2 * M @ V + 2 * alpha * V]
        value = 0.5 * np.mean(r**2) + alpha * np.vdot(theta[:-1], theta[:-1])
        return value, np.append(np.ravel(gradient), r.mean())

    start = np.random.RandomState(0).randn(2 * D * D + 1)
    options = {"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-15, "gtol": 1e-10}
    return scipy_minimize(function, start, jac=True, method="L-BFGS-B", options=options).fun


@pytest.mark.parametrize(("is_log_loss", "k"), [(False, 1), (False, 2), (True, 1), (True, 3)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gradient_is_the_slope_of_the_objective(is_log_loss, k, fit_intercept):
    problem = make_problem(k=k, is_log_loss=is_log_loss, fit_intercept=fit_intercept)
    theta = random_net(problem, 6)
    gradient = problem.value_and_gradient(theta)[1]
    direction = np.random.RandomState(1).randn(theta.size) * (gradient != 0)
    h = 1e-5
    ends = [problem.value_and_gradient(theta + s * h * direction)[0] for s in (1, -1)]
    assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(gradient @ direction, rel=1e-6)


@pytest.mark.parametrize("alpha", [1e-3, 0.03, 0.3])
def test_the_optimum_is_scipy_s(alpha):
    X, y = data()
    settings = {"scale_inputs": False, "tol": 1e-9}
    model = MeanFieldTwoLayerNet(activation="square", alpha=alpha, **settings).fit(X, y)
    c = np.full(len(y), 1 / len(y))
    value = objective(model, X, y[:, None], c, alpha, False)
    assert value == pytest.approx(best_objective(X, y, alpha), rel=1e-7)
    assert model.history_["objective"][-1] == pytest.approx(value, rel=1e-12)
    assert model.certificate_.scope == "global"
    assert model.certificate_.reached
    assert model.first_variation_max_ == pytest.approx(alpha, rel=1e-3)


@pytest.mark.parametrize("is_log_loss", [False, True])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("dense_side", [128, 2])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), alpha=st.floats(1e-3, 1.0), m=st.integers(0, 8))
def test_a_gap_covers_what_is_missing(is_log_loss, k, dense_side, seed, alpha, m):
    problem = make_problem(seed, n=20, d=14, k=k, is_log_loss=is_log_loss, alpha=alpha)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(square, "DENSE_SIDE", dense_side)  # 2: by Lanczos' method
        patch.setattr(square, "N_EXTREME", 3)
        theta = problem.with_best_intercept(random_net(problem, m, seed))
        bound = problem.bound(theta, inputs=None, n_starts=0, random_state=0)
        *_, best = square_steps(problem, theta, 6)
        assert bound.proven == (dense_side > 2)
        assert bound.objective - bound.gap <= best * (1 + 1e-12)


def square_steps(problem, theta, n):
    for step, _ in zip(
        square.quadratic(problem, theta, 0.0, random_state=0), range(n), strict=False
    ):
        yield step.curves["objective"]
        if step.done:
            break


def test_lanczos_and_the_full_decomposition_agree(monkeypatch):
    problem = make_problem(d=20, k=2)
    theta = problem.with_best_intercept(random_net(problem, 5))
    settings = {"inputs": None, "n_starts": 0, "random_state": 0}
    full = problem.bound(theta, **settings)
    monkeypatch.setattr(square, "DENSE_SIDE", 2)
    some = problem.bound(theta, **settings)
    assert some.first_variation_max == pytest.approx(full.first_variation_max, rel=1e-5)
    assert some.gap == pytest.approx(full.gap, rel=1e-5)


def test_a_net_of_too_few_neurons_is_no_optimum():
    # Haeffele and Vidal's check: at a stationary net of rank 1 the polar is above alpha.
    problem = make_problem(d=4, alpha=0.01)
    theta = random_net(problem, 1)
    for step in minimize(problem.value_and_gradient, theta, Memory(10)):
        theta = step.parameters
        if step.done or step.curves["passes"] > 500:
            break
    bound = problem.bound(
        problem.with_best_intercept(theta), inputs=None, n_starts=0, random_state=0
    )
    assert bound.first_variation_max > 1.1 * 0.01
    assert bound.gap > 0.01 * bound.objective


def test_wide_nets_have_no_spurious_valley(global_random_seed):
    # Venturi, Bandeira and Bruna (2019): 2 N + 1 neurons, N = 4 with the bias feature, leave none.
    problem = make_problem(global_random_seed, n=30, d=3, alpha=0.02)
    *_, best = square_steps(problem, problem.layout.join(*np.zeros((2, 0, 4)), [0.0])[:1], 30)
    ends = []
    for seed in range(5):
        theta = random_net(problem, 18, seed)  # nine of each sign
        for step in minimize(problem.value_and_gradient, theta, Memory(20)):
            if step.done or step.curves["passes"] > 2000:
                break
        ends.append(step.loss * problem.units)
    np.testing.assert_allclose(ends, best, rtol=1e-6)


def test_eigenvectors_of_b_are_the_same_net_with_the_least_norm():
    problem = make_problem(k=2)
    theta = random_net(problem, 12)
    other = orthogonal(problem.layout, theta)
    np.testing.assert_allclose(problem.scores(other), problem.scores(theta), rtol=1e-9)
    B, A = problem.layout.particles(theta)
    norm = sum(np.linalg.norm((B.T * a) @ B, "nuc") for a in A.T)
    assert problem.norm(other) == pytest.approx(norm)
    assert norm < problem.norm(theta)


def test_the_metric_is_the_hessian_at_the_optimum():
    problem = make_problem(d=3, alpha=0.02)
    steps = square.quadratic(problem, random_net(problem, 0), 1e-13, random_state=0)
    for step in islice(steps, 30):
        theta = step.parameters
    problem_hessian = hessian(problem, theta)
    free = np.abs(problem_hessian).sum(axis=1) > 0  # the signs stay
    g = np.random.RandomState(0).randn(theta.size) * free
    g = problem_hessian @ g
    step = problem.metric(theta)(g)
    # rotations of neurons into each other change nothing, and have the metric's floor
    np.testing.assert_allclose(problem_hessian @ step, g, rtol=0.05, atol=0.05 * np.abs(g).max())


def hessian(problem, theta, h=1e-5):
    rows = []
    for e in np.eye(theta.size):
        up, down = (problem.value_and_gradient(theta + s * h * e)[1] for s in (1, -1))
        rows.append((up - down) / (2 * h))
    return np.array(rows)


@pytest.mark.parametrize("is_classifier", [False, True])
def test_sparse_rows_are_dense_ones(is_classifier):
    X, y = data(is_classifier)
    X[np.abs(X) < 0.7] = 0
    Model = MeanFieldTwoLayerNetClassifier if is_classifier else MeanFieldTwoLayerNet
    settings = {"activation": "square", "alpha": 0.02, "scale_inputs": False, "tol": 1e-8}
    dense, csr = Model(**settings).fit(X, y), Model(**settings).fit(sparse.csr_matrix(X), y)
    np.testing.assert_allclose(csr.interaction_matrix_, dense.interaction_matrix_, atol=1e-6)
    scores = csr.decision_function if is_classifier else csr.predict
    np.testing.assert_allclose(scores(sparse.csr_array(X)), scores(X), atol=1e-12)
    # Standard sparse columns are divided by one number.
    size = np.sqrt(np.mean(X[X != 0] ** 2))
    unit = 1.0 if is_classifier else y.std()
    inside = Model(activation="square", alpha=0.02, tol=1e-8).fit(sparse.csr_matrix(X), y)
    outside = dense.set_params(alpha=0.02 * unit).fit(X / size, y)
    np.testing.assert_allclose(
        inside.interaction_matrix_, outside.interaction_matrix_ / size**2, atol=1e-5
    )


def test_interactions_are_those_of_the_truth():
    rng = np.random.RandomState(0)
    X = rng.randn(2000, 6)
    y = 3 * X[:, 0] * X[:, 1] - X[:, 2] ** 2 + 2 * X[:, 5] + 0.1 * rng.randn(2000)
    model = MeanFieldTwoLayerNet(activation="square", alpha=1e-3).fit(X, y)
    truth = np.zeros((6, 6))
    truth[0, 1] = truth[1, 0] = 1.5
    truth[2, 2] = -1
    np.testing.assert_allclose(model.interaction_matrix_, truth, atol=0.02)
    with pytest.raises(AttributeError, match="activation='square'"):
        _ = fit_quietly(model.set_params(activation="relu", max_iter=2), X, y).interaction_matrix_


def test_units_offsets_of_y_and_early_digits():
    X, y = data()
    settings = {"fit_intercept": False, "scale_inputs": False, "tol": 1e-8}
    model = MeanFieldTwoLayerNet(activation="square", alpha=0.01, **settings)
    expected = model.fit(X, y).predict(X)
    model.set_params(alpha=0.01 * 2.0**70).fit(2.0**30 * X, 2.0**10 * y)
    np.testing.assert_allclose(model.predict(2.0**30 * X), 2.0**10 * expected, rtol=1e-6)


def test_float32_scales_and_many_outputs():
    X, Y = load_diabetes(return_X_y=True)
    Y = np.column_stack([Y, X[:, 0] * X[:, 1], X[:, 2] ** 2])
    Y = StandardScaler().fit_transform(Y)
    inside = MeanFieldTwoLayerNet(activation="square", alpha=0.01, scale_inputs=True)
    inside.fit(X.astype(np.float32), Y)
    outside = MeanFieldTwoLayerNet(activation="square", alpha=0.01)
    outside.fit(StandardScaler().fit_transform(X), Y)
    assert inside.coefs_[0].dtype == inside.predict(X.astype(np.float32)).dtype == np.float32
    assert inside.interaction_matrix_.shape == (3, 10, 10)
    assert inside.certificate_.reached
    np.testing.assert_allclose(
        inside.predict(X.astype(np.float32)),
        outside.predict(StandardScaler().fit_transform(X)),
        atol=0.02,
    )


def test_classes_and_warm_starts():
    X, y = load_iris(return_X_y=True)
    model = MeanFieldTwoLayerNetClassifier(activation="square", alpha=1e-2, warm_start=True)
    model.fit(X, y)
    assert model.score(X, y) > 0.95
    assert model.certificate_.scope == "global"
    assert model.certificate_.reached
    first, n_first = model.history_["objective"][-1], model.n_iter_
    model.fit(X, y)
    assert model.n_iter_ < n_first
    assert model.history_["objective"][-1] == pytest.approx(first, rel=1e-4)
    fit_quietly(model.set_params(activation="relu", max_iter=5), X, y)  # begins anew
    assert model.coefs_[0].shape == (4, 100)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"regime": "kernel"}, "regime: found 'kernel'"),
        ({"solver": "flow"}, "solver: found 'flow'"),
        ({"solver": "conic"}, "solver: found 'conic'"),
    ],
)
def test_what_quadratic_nets_do_not_have(settings, match):
    X, y = data()
    with pytest.raises(ValueError, match=match):
        MeanFieldTwoLayerNet(activation="square", **settings).fit(X, y)
