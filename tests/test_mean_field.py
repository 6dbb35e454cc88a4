"""Two-layer nets as measures: objective, dual bound, solvers, estimators, displays."""

import _thread
import threading
import time
import warnings

import numpy as np
import pytest
from helpers import fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad, linprog, minimize
from scipy.special import expit, log_softmax, softmax
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.datasets import load_iris, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_optland._rows import source
from sklearn_optland.neural_network import (
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
    conic_descent,
)
from sklearn_optland.neural_network._mean_field import problem as problem_module
from sklearn_optland.neural_network._mean_field import solvers
from sklearn_optland.neural_network._mean_field.kernel_regime import KernelProblem
from sklearn_optland.neural_network._mean_field.margin import _best_bound
from sklearn_optland.neural_network._mean_field.problem import TwoLayerProblem
from sklearn_optland.neural_network._mean_field.sliding_frank_wolfe import (
    _best_masses,
    _merge,
)
from sklearn_optland.plotting import CertificateDisplay, ParticlesDisplay

SOLVERS = ["particles", "flow", "conic", "sliding-frank-wolfe"]


def curve(n=60, d=1, seed=0, noise=0.2):
    """Rows and targets that no line fits."""
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d)
    return X, np.sin(3 * X[:, 0]) + noise * rng.randn(n) + 2


def teacher(seed, n=300, d=2, k=5):
    """Targets that k neurons of length 1 give exactly."""
    rng = np.random.RandomState(seed)
    X, B = rng.randn(n, d), rng.randn(k, d)
    B /= np.linalg.norm(B, axis=1)[:, None]
    return X, np.maximum(X @ B.T, 0) @ rng.choice([-1.0, 1.0], k)


def make_problem(seed=0, n=30, d=3, k=1, *, is_log_loss=False, fit_intercept=True, **settings):
    rng = np.random.RandomState(seed)
    X, c = rng.randn(n, d), rng.rand(n) + 0.1
    Y = rng.randn(n, k) + 1
    if is_log_loss:
        Y = (Y > 1) * 1.0 if k == 1 else np.eye(k)[rng.randint(k, size=n)]
    settings = {"alpha": 0.1, **settings}
    return TwoLayerProblem(
        X.astype(settings.pop("dtype", np.float64)),
        Y,
        c / c.sum(),
        is_log_loss=is_log_loss,
        fit_intercept=fit_intercept,
        **settings,
    )


def plain_loss(F, Y, c, is_log_loss):
    """Mean loss, written plainly."""
    if not is_log_loss:
        return 0.5 * c @ ((F - Y) ** 2).sum(axis=1)
    if F.shape[1] == 1:
        return c @ np.logaddexp(0, -(2 * Y[:, 0] - 1) * F[:, 0])
    return -c @ (Y * log_softmax(F, axis=1)).sum(axis=1)


def plain_objective(X, Y, c, coefs, intercepts, alpha, is_log_loss):
    """The estimators' objective in the user's units, written plainly."""
    F = np.maximum(X @ coefs[0] + intercepts[0], 0) @ coefs[1] + intercepts[1]
    lengths = np.linalg.norm(np.vstack([coefs[0], intercepts[0]]), axis=0)
    norm = lengths @ np.linalg.norm(coefs[1], axis=1)
    return plain_loss(F, Y, c, is_log_loss) + alpha * norm


def grid_optimum(X, y, alpha, *, is_log_loss=False, fit_intercept=True, n_angles=400):
    """The best objective of neurons on a grid of the circle or the sphere, by L-BFGS-B."""
    if fit_intercept:
        X = np.column_stack([X, np.ones(len(X))])
    if X.shape[1] == 2:
        angles = np.linspace(0, 2 * np.pi, n_angles, endpoint=False)
        T = np.column_stack([np.cos(angles), np.sin(angles)])
    else:
        T = np.random.RandomState(0).randn(n_angles, X.shape[1])
        T /= np.linalg.norm(T, axis=1)[:, None]
    H = np.maximum(X @ T.T, 0)
    H = np.column_stack([H, -H])

    def objective(w):
        f = H @ w[:-1] + w[-1]
        if is_log_loss:
            value, slope = np.logaddexp(0, -(2 * y - 1) * f).mean(), (expit(f) - y) / len(y)
        else:
            value, slope = 0.5 * np.mean((f - y) ** 2), (f - y) / len(y)
        return value + alpha * w[:-1].sum(), np.append(H.T @ slope + alpha, slope.sum())

    free = (None, None) if fit_intercept else (0, 0)
    bounds = [(0, None)] * H.shape[1] + [free]
    options = {"maxiter": 20_000, "maxfun": 10**6, "ftol": 1e-13, "gtol": 1e-10, "maxcor": 50}
    return minimize(
        objective, np.zeros(H.shape[1] + 1), jac=True, bounds=bounds, options=options
    ).fun


# The objective


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("is_log_loss", "k"), [(False, 1), (False, 3), (True, 1), (True, 3)])
def test_value_is_the_plain_objective_and_gradient_its_slope(
    is_log_loss, k, fit_intercept, global_random_seed
):
    problem = make_problem(
        global_random_seed, k=k, is_log_loss=is_log_loss, fit_intercept=fit_intercept
    )
    theta = solvers.spread_start(problem, 5, 1.0, np.random.RandomState(global_random_seed + 1))
    theta += 0.1 * np.random.RandomState(global_random_seed + 2).randn(theta.size)
    if not fit_intercept:
        problem.parts(theta)[1][:], problem.parts(theta)[3][:] = 0, 0
    value, gradient = problem.value_and_gradient(theta)
    B, A = problem.particles(theta)
    ridge = 0.5 * problem.alpha * ((B**2).sum() + (A**2).sum())
    rest = problem.alpha * problem.variation_norm(theta) - ridge
    Y = problem.Y * problem.y_scale + problem.y_mean
    plain = plain_objective(problem.X, Y, problem.c, *problem.to_user(theta), 0.1, is_log_loss)
    np.testing.assert_allclose(problem.units * (value + rest), plain, rtol=1e-12)
    free = np.ones(theta.size, bool)
    if not fit_intercept:
        problem.parts(free)[1][:], problem.parts(free)[3][:] = False, False
    trial = theta.copy()

    def at(part, index):
        trial[free] = part
        return problem.value_and_gradient(trial)[index]

    error = check_grad(lambda p: at(p, 0), lambda p: at(p, 1)[free], theta[free].copy())
    assert error < 1e-6
    np.testing.assert_array_equal(gradient[~free], 0)


@pytest.mark.parametrize("k", [1, 2])
def test_blocks_and_float32_change_only_rounding(k, monkeypatch, global_random_seed):
    problem, single = (
        make_problem(global_random_seed, n=200, k=k),
        make_problem(global_random_seed, n=200, k=k, dtype=np.float32),
    )
    theta = solvers.spread_start(problem, 6, 1.0, np.random.RandomState(global_random_seed + 1))
    value, gradient = problem.value_and_gradient(theta)
    value_32, gradient_32 = single.value_and_gradient(theta.astype(np.float32))
    assert gradient_32.dtype == np.float32
    np.testing.assert_allclose(value_32, value, rtol=1e-5)
    np.testing.assert_allclose(gradient_32, gradient, rtol=1e-3, atol=1e-5)
    monkeypatch.setattr(problem_module, "HIDDEN_VALUES", 1)
    for_blocks = make_problem(global_random_seed, n=200, k=k)
    np.testing.assert_allclose(for_blocks.value_and_gradient(theta)[0], value, rtol=1e-12)
    np.testing.assert_allclose(for_blocks.value_and_gradient(theta)[1], gradient, atol=1e-13)


@pytest.mark.parametrize("k", [1, 3])
def test_threads_share_large_passes(k, monkeypatch, global_random_seed):
    problem = make_problem(global_random_seed, n=20_000, d=8, k=k)
    theta = solvers.spread_start(problem, 60, 1.0, np.random.RandomState(global_random_seed + 1))
    F = problem.scores(theta) + problem.parts(theta)[3]
    value, gradient = problem.value_and_gradient(theta)
    expected = plain_loss(F, problem.Y, problem.c, False) + 0.5 * problem.alpha * theta @ theta
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    again, gradient_again = problem.value_and_gradient(theta)
    assert value == again
    np.testing.assert_array_equal(gradient, gradient_again)


@pytest.mark.parametrize("Problem", [TwoLayerProblem, KernelProblem])
def test_to_inside_inverts_to_user(Problem, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    X, Y = 1e3 * rng.randn(20, 2), 1e-3 * rng.randn(20, 2)
    problem = Problem(X, Y, np.full(20, 0.05), is_log_loss=False, alpha=0.1, fit_intercept=True)
    B, A = rng.randn(4, 3), rng.randn(4, 2)
    if Problem is TwoLayerProblem:  # it balances both layers
        B /= np.linalg.norm(B, axis=1)[:, None]
        A /= np.linalg.norm(A, axis=1)[:, None]
    theta = problem.join(B, A, rng.randn(2))
    np.testing.assert_allclose(problem.to_inside(*problem.to_user(theta)), theta, rtol=1e-10)


# The dual


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("is_log_loss", "k"), [(False, 1), (False, 2), (True, 1), (True, 3)])
@settings.get_profile("fits")
@given(seed=st.integers(0, 10**6), log_alpha=st.floats(-4, 1), m=st.integers(1, 6))
def test_no_net_is_below_the_dual_bound_of_another(
    is_log_loss, k, fit_intercept, seed, log_alpha, m
):
    problem = make_problem(
        seed,
        n=8,
        d=1,
        k=k,
        is_log_loss=is_log_loss,
        fit_intercept=fit_intercept,
        alpha=10.0**log_alpha,
    )
    rng = np.random.RandomState(seed)
    bounds = []
    for length in (0.1, 1.0):
        theta = solvers.spread_start(problem, m, length, rng)
        for step in solvers.lbfgs(problem.value_and_gradient, theta):
            if step.done or step.passes > 1 + 20 * length:
                break
        bound = problem.bound(step.theta, rows=problem.augmented(), n_starts=8, random_state=0)
        assert bound.proven
        assert bound.gap >= 0
        bounds.append((bound.objective, bound.objective - bound.gap))
    slack = 1e-9 * (1 + bounds[0][0])
    assert max(lower for _, lower in bounds) <= min(upper for upper, _ in bounds) + slack


@pytest.mark.parametrize(
    ("d", "fit_intercept", "is_log_loss"),
    [(1, True, False), (1, True, True), (2, False, False), (2, True, False), (3, False, True)],
)
@pytest.mark.parametrize("solver", SOLVERS)
def test_gap_bounds_the_suboptimality_against_a_grid(
    solver, d, fit_intercept, is_log_loss, global_random_seed
):
    X, y = curve(40, d, global_random_seed)
    if is_log_loss:
        y = (y > 2) * 1.0
    Estimator = MeanFieldTwoLayerNetClassifier if is_log_loss else MeanFieldTwoLayerNet
    alpha = 0.03
    model = Estimator(
        40, solver=solver, alpha=alpha, fit_intercept=fit_intercept, tol=1e-3, random_state=0
    ).fit(X, y)
    assert model.certificate_.scope == "global"
    Y, c = y[:, None], np.full(len(y), 1 / len(y))
    objective = plain_objective(X, Y, c, model.coefs_, model.intercepts_, alpha, is_log_loss)
    grid = grid_optimum(X, y, alpha, is_log_loss=is_log_loss, fit_intercept=fit_intercept)
    assert objective - model.certificate_.value <= grid + 1e-9
    if solver == "sliding-frank-wolfe":
        assert model.certificate_.reached
        assert model.certificate_.value <= 1e-3 * objective
        assert objective <= grid * (1 + 1e-3)
        assert model.first_variation_max_ <= 1.02 * alpha
    history = model.history_["objective"]
    np.testing.assert_allclose(history[-1], objective, rtol=1e-2)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_stopped_fit_has_a_large_gap(solver):
    X, y = curve()
    model = MeanFieldTwoLayerNet(solver=solver, alpha=1e-3, max_iter=1, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"stopped after 1 iterations with duality gap"):
        model.fit(X, y)
    assert model.certificate_.value > 0.3 * model.history_["objective"][-1]
    assert model.first_variation_max_ > 2 * model.alpha


def test_memory_of_lbfgs_changes_its_type_without_a_warning(monkeypatch):
    def unset(shape, dtype):
        return np.full(shape, 0x7FA00000, np.uint32).view(dtype)  # a NaN that signals

    monkeypatch.setattr(np, "empty", unset)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solvers._Ring(np.zeros(3, np.float32)).astype(np.float64)


@pytest.mark.parametrize("Net", [MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier])
def test_a_solver_that_stands_still_at_nothing_says_so(Net, global_random_seed):
    # columns of mean 1e6 and deviation 1 leave L-BFGS no step that helps
    rng = np.random.RandomState(global_random_seed)
    X = rng.randn(200, 8)
    y = X[:, 0] > 0
    with pytest.warns(ConvergenceWarning, match=r"duality gap .* scale_inputs=True"):
        Net(random_state=0).fit(X + 1e6, y)
    net = fit_quietly(Net(random_state=0, scale_inputs=True), X + 1e6, y)
    assert net.score(X + 1e6, y) > 0.5


def test_above_three_dimensions_it_is_an_estimate():
    X, y = curve(d=3)
    model = MeanFieldTwoLayerNet(alpha=0.01, random_state=0).fit(X, y)
    assert model.certificate_.scope == "estimate"
    X[:, 2] = X[:, 0] - X[:, 1]  # with the bias three dimensions again
    assert MeanFieldTwoLayerNet(alpha=0.01, random_state=0).fit(X, y).certificate_.scope == "global"


def test_without_a_penalty_it_is_the_gradient():
    X, y = curve(d=4)
    model = MeanFieldTwoLayerNet(alpha=0, random_state=0).fit(X, y)
    assert model.certificate_.quantity == "gradient norm"
    assert model.certificate_.scope == "stationary"
    assert np.isnan(model.first_variation_max_)
    with pytest.raises(ValueError, match="alpha: found 0; solver='sliding-frank-wolfe'"):
        MeanFieldTwoLayerNet(alpha=0, solver="sliding-frank-wolfe").fit(X, y)


def test_a_large_penalty_leaves_the_mean():
    X, y = curve()
    for solver in SOLVERS:
        model = MeanFieldTwoLayerNet(solver=solver, alpha=100, tol=1e-6, random_state=0).fit(X, y)
        np.testing.assert_allclose(model.predict(X), y.mean(), rtol=1e-6)
        assert model.certificate_.scope == "global"


# Solvers


def plain_gradient(problem, theta):
    """The objective and its gradient in the problem's units, without blocks or kernels."""
    W, b, A, offset = (part.astype(float) for part in problem.parts(theta))
    X = problem.X / problem.x_scale
    H = np.maximum(X @ W + problem.bias * b, 0)
    R = (H @ A + offset - problem.Y) * problem.c[:, None]
    P = (R @ A.T) * (H > 0)
    weights = np.concatenate([W.ravel(), b, A.ravel()])
    parts = [(X.T @ P).ravel(), problem.bias * P.sum(axis=0), (H.T @ R).ravel()]
    gradient = np.concatenate(parts) + problem.alpha * weights
    value = plain_loss(H @ A + offset, problem.Y, problem.c, False)
    value += 0.5 * problem.alpha * weights @ weights
    free = R.sum(axis=0) if problem.fit_intercept else np.zeros(len(offset))
    return value, np.concatenate([gradient, free])


def test_flow_is_plain_gradient_descent_in_the_scaling_of_the_paper(global_random_seed):
    problem = make_problem(global_random_seed, k=2)
    m = 6
    theta = solvers.spread_start(
        problem, m, 1 / np.sqrt(m), np.random.RandomState(global_random_seed)
    )
    steps = solvers.flow(problem, theta.copy(), tol=0)
    # Particles w = sqrt(m) theta of the net (1/m) sum a relu(b'x); the flow is -m grad.
    w, t, recent = np.sqrt(m) * theta, 1.0, []
    n_weights = theta.size - problem.n_outputs
    w[n_weights:] = theta[n_weights:]

    def unscaled(w):
        return np.concatenate([w[:n_weights] / np.sqrt(m), w[n_weights:]])

    for _ in range(20):
        value, gradient = plain_gradient(problem, unscaled(w))
        flow = gradient.copy()
        flow[:n_weights] *= np.sqrt(m)  # m times the gradient in w
        recent = [*recent[-4:], value]
        while True:
            trial = w - t * flow
            new, _ = plain_gradient(problem, unscaled(trial))
            if new <= max(recent) - 0.5 * t * gradient @ gradient:
                break
            t /= 2
        w, t = trial, 1.5 * t
        step = next(steps)
        np.testing.assert_allclose(step.value, new, rtol=1e-10)
        np.testing.assert_allclose(step.theta, unscaled(w), rtol=1e-8, atol=1e-12)


def test_flow_with_enough_particles_finds_the_teacher(global_random_seed):
    X, y = teacher(global_random_seed)
    model = MeanFieldTwoLayerNet(
        100, solver="flow", alpha=0, fit_intercept=False, tol=0, max_iter=4000, random_state=0
    )
    fit_quietly(model, X, y)
    assert 0.5 * np.mean((model.predict(X) - y) ** 2) < 1e-4
    values = model.history_["objective"]
    highest = np.lib.stride_tricks.sliding_window_view(values, solvers.RECENT).max(axis=1)
    assert (values[solvers.RECENT :] <= highest[:-1]).all()


def test_langevin_noise_has_the_temperature_s_size():
    problem = make_problem(alpha=0.0)
    problem.Y[:] = 0  # with f = 0 nothing pulls: all movement is noise, of a step of length 1
    m = 2000
    theta = solvers.spread_start(problem, m, 1.0, np.random.RandomState(0))
    steps = solvers.flow(problem, theta, 0, noise=0.01, rng=np.random.RandomState(1))
    moved = (next(steps).theta - theta)[:-1]
    expected = np.sqrt(2 * 0.01 / problem.units / m)
    assert abs(moved.std() / expected - 1) < 0.05
    X, y = curve()
    model = MeanFieldTwoLayerNet(solver="flow", noise=1e-3, max_iter=20, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    assert model.n_iter_ == 20


@pytest.mark.parametrize("is_log_loss", [False, True])
def test_the_best_masses_are_those_of_a_bounded_solver(is_log_loss, global_random_seed):
    problem = make_problem(global_random_seed, n=50, k=3, is_log_loss=is_log_loss, alpha=0.01)
    theta = solvers.spread_start(problem, 12, 1.0, np.random.RandomState(global_random_seed))
    better, _ = _best_masses(problem, theta)
    B, A = problem.particles(theta)
    T, U = (part / np.linalg.norm(part, axis=1)[:, None] for part in (B, A))
    rows = problem.augmented()
    H = np.maximum(rows @ T.T, 0)

    def objective(w):
        F = (H * w[:-3]) @ U + w[-3:]
        R = (softmax(F, axis=1) if is_log_loss else F) - problem.Y
        R *= problem.c[:, None]
        masses = ((H.T @ R) * U).sum(axis=1) + problem.alpha
        value = plain_loss(F, problem.Y, problem.c, is_log_loss) + problem.alpha * w[:-3].sum()
        return value, np.concatenate([masses, R.sum(axis=0)])

    bounds = [(0, None)] * 12 + [(None, None)] * 3
    options = {"ftol": 1e-15, "gtol": 1e-11, "maxiter": 10_000}
    best = minimize(objective, np.ones(15), jac=True, bounds=bounds, options=options).fun
    F = problem.scores(better) + problem.parts(better)[3]
    found = problem.loss(F) + problem.alpha * problem.variation_norm(better)
    np.testing.assert_allclose(found, best, rtol=1e-7)


def test_merging_keeps_the_function(global_random_seed):
    problem = make_problem(global_random_seed)
    theta = solvers.spread_start(problem, 4, 1.0, np.random.RandomState(global_random_seed))
    B, A = problem.particles(theta)
    B, A = np.concatenate([B, 3 * B, B[:1]]), np.concatenate([A, A, 0 * A[:1]])
    doubled = problem.join(B, A, np.zeros(1))
    merged = _merge(problem, doubled)
    assert problem.n_particles(merged) == 4
    np.testing.assert_allclose(problem.scores(merged), problem.scores(doubled), rtol=1e-10)


def test_sliding_frank_wolfe_is_sparse_and_goes_on_from_a_fit():
    X, y = curve(200)
    model = MeanFieldTwoLayerNet(
        solver="sliding-frank-wolfe", alpha=0.01, tol=1e-5, warm_start=True, random_state=0
    ).fit(X, y)
    assert model.n_particles_ == model.coefs_[1].shape[0] <= 12
    rounds = model.n_iter_
    assert model.fit(X, y).n_iter_ == 1 < rounds
    assert model.certificate_.reached


def test_kernel_regime_is_ridge_on_random_features(global_random_seed):
    X, y = curve(d=3, seed=global_random_seed)
    model = MeanFieldTwoLayerNet(50, alpha=0.1, regime="kernel", tol=1e-12, random_state=0)
    model.fit(X, y)
    H = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
    lengths = np.linalg.norm(np.vstack([model.coefs_[0], model.intercepts_[0]]), axis=0)
    np.testing.assert_allclose(lengths, 1)
    ridge = Ridge(alpha=0.1 * 50 * len(y)).fit(H, y)
    np.testing.assert_allclose(model.predict(X), ridge.predict(H), rtol=1e-8)
    assert model.certificate_.scope == "global"
    objective = model.history_["objective"][-1]
    residual = 0.5 * np.mean((y - ridge.predict(H)) ** 2) + 0.05 * 50 * ridge.coef_ @ ridge.coef_
    np.testing.assert_allclose(objective, residual, rtol=1e-8)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_kernel_regime_of_the_log_loss_is_certified(n_classes):
    X, y = load_iris(return_X_y=True)
    X, y = X[y < n_classes], y[y < n_classes]
    gaps = []
    for tol in (1e-2, 1e-8):
        model = MeanFieldTwoLayerNetClassifier(
            30, alpha=0.1, regime="kernel", tol=tol, random_state=0
        ).fit(X, y)
        assert model.certificate_.reached
        gaps.append((model.history_["objective"][-1], model.certificate_.value))
    assert gaps[0][0] - gaps[0][1] <= gaps[1][0] + 1e-12


def test_conic_descent_certifies_spikes(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    frequencies = np.arange(1, 8)

    def waves(positions):
        angle = 2 * np.pi * positions * frequencies
        features = np.column_stack([np.ones(len(angle)), np.cos(angle), np.sin(angle)])
        slopes = (
            2
            * np.pi
            * np.column_stack(
                [np.zeros(len(angle)), -frequencies * np.sin(angle), frequencies * np.cos(angle)]
            )
        )
        return features, slopes[:, :, None]

    spikes = (np.array([0.1, 0.4, 0.75]) + 0.05 * rng.rand(3))[:, None]
    y = rng.uniform(1, 2, 3) @ waves(spikes)[0]
    start = np.linspace(0, 1, 30, endpoint=False)[:, None]
    alpha = 0.3
    result = conic_descent(waves, y, start, alpha=alpha, tol=1e-13)
    grid = np.linspace(0, 1, 2000)[:, None]
    assert (waves(grid)[0] @ result.residual).max() <= 1.001 * alpha
    assert (np.diff(result.history) <= 0).all()
    assert result.n_iter == len(result.history)
    heavy = result.masses > 1e-3
    distance = np.abs((result.positions[heavy] - spikes.T + 0.5) % 1 - 0.5)
    assert distance.min(axis=1).max() < 0.02


def test_conic_descent_refuses_what_does_not_fit():
    def features(positions):
        return np.ones((len(positions), 3)), np.zeros((len(positions), 3, 1))

    with pytest.raises(ValueError, match=r"feature_map: found arrays of shapes"):
        conic_descent(features, np.ones(4), np.ones((2, 1)))
    with pytest.raises(ValueError, match=r"masses: found shape \(3,\)"):
        conic_descent(features, np.ones(3), np.ones((2, 1)), masses=np.ones(3))


# Margins


def separable(n=20, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, 2)
    return X, (np.abs(X[:, 0]) > 0.7).astype(int)


def widest_margin(rows, signs, directions):
    """The widest margin over masses of both signs on the directions: a linear program."""
    H = signs[:, None] * np.maximum(rows @ directions.T, 0)
    n, m = H.shape
    A = np.column_stack([-H, H, np.ones(n)])
    A = np.vstack([A, np.append(np.ones(2 * m), 0)])
    b = np.append(np.zeros(n), 1)
    return -linprog(np.append(np.zeros(2 * m), -1), A_ub=A, b_ub=b).fun


@pytest.mark.parametrize("seed", range(5))
def test_bound_of_the_margin_is_above_that_of_known_directions(seed):
    # Of many columns the sphere is searched from few starts: what is known must be among them.
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.uniform(-0.5, 0.5, (30, 20)), np.ones(30)])
    signs = np.where(rows[:, 0] * rows[:, 1] > 0, 1.0, -1.0)
    directions = rng.standard_normal((100, 21))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    bound = _best_bound(rows, signs, directions, tol=0.05, n_starts=1, random_state=0)
    assert widest_margin(rows, signs, directions) <= bound * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_margin_is_close_to_the_best_and_its_bound_holds(seed):
    X, y = separable(seed=seed)
    model = MeanFieldTwoLayerNetClassifier(
        100, solver="margin-ascent", tol=0.05, max_iter=5000, random_state=0
    ).fit(X, y)
    assert model.certificate_.scope == "global"
    assert model.certificate_.reached
    rows = np.column_stack([X, np.ones(len(X))])
    T = np.random.RandomState(0).randn(3000, 3)
    T /= np.linalg.norm(T, axis=1)[:, None]
    best = widest_margin(rows, 2 * y - 1, T)
    assert best <= model.margin_bound_ * (1 + 1e-9)
    assert 0.95 * best <= model.margin_ <= model.margin_bound_
    # The net has a least margin of 1.
    margins = (2 * y - 1) * model.decision_function(X)
    np.testing.assert_allclose(margins.min(), 1)
    np.testing.assert_allclose(1 / model.variation_norm_, model.margin_)


def test_margin_of_the_kernel_regime():
    X, y = separable()
    model = MeanFieldTwoLayerNetClassifier(
        200, solver="margin-ascent", regime="kernel", tol=0.2, max_iter=20_000, random_state=0
    ).fit(X, y)
    assert model.certificate_.reached
    assert model.score(X, y) == 1
    norm = np.sqrt(200) * np.linalg.norm(model.coefs_[1])
    np.testing.assert_allclose(1 / norm, model.margin_)
    assert model.margin_ <= model.margin_bound_


def test_margin_ascent_of_what_no_net_separates():
    X, y = np.zeros((4, 2)), np.array([0, 1, 0, 1])
    model = MeanFieldTwoLayerNetClassifier(solver="margin-ascent", max_iter=50, random_state=0)
    with pytest.warns(ConvergenceWarning, match="margin gap"):
        model.fit(X, y)
    assert model.margin_ <= 0 <= model.margin_bound_


# Estimators


@pytest.mark.parametrize("solver", SOLVERS)
def test_units_of_the_data_change_nothing(solver, global_random_seed):
    X, y = curve(d=2, seed=global_random_seed)
    model = MeanFieldTwoLayerNet(solver=solver, alpha=0.01, fit_intercept=False, random_state=0)
    expected = model.fit(X, y).predict(X)
    scaled = model.set_params(alpha=0.01 * 2.0**40).fit(2.0**30 * X, 2.0**10 * y)
    np.testing.assert_allclose(scaled.predict(2.0**30 * X), 2.0**10 * expected, rtol=1e-10)


def test_scale_inputs_is_a_scaler_before():
    X, y = curve(d=3)
    X = X * [1.0, 10.0, 0.1] + [5.0, 0.0, 1.0]
    w = np.random.RandomState(0).rand(len(y))
    mean = np.average(X, weights=w, axis=0)
    Z = (X - mean) / np.sqrt(np.average((X - mean) ** 2, weights=w, axis=0))
    settings = {"alpha": 0.01, "max_iter": 20, "tol": 0, "random_state": 0, "warm_start": True}
    outside, inside = MeanFieldTwoLayerNet(**settings), MeanFieldTwoLayerNet(**settings)
    inside.set_params(scale_inputs=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(2):  # also from where the first fit ended
            outside.fit(Z, y, w)
            inside.fit(X, y, w)
            np.testing.assert_allclose(inside.predict(X), outside.predict(Z), rtol=1e-7)
    np.testing.assert_allclose(inside.variation_norm_, outside.variation_norm_, rtol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_is_kept(solver):
    X, y = curve(d=2)
    single = MeanFieldTwoLayerNet(solver=solver, alpha=0.01, random_state=0)
    single.fit(X.astype(np.float32), y)
    double = MeanFieldTwoLayerNet(solver=solver, alpha=0.01, random_state=0).fit(X, y)
    for part in (*single.coefs_, *single.intercepts_, single.predict(X.astype(np.float32))):
        assert part.dtype == np.float32
    np.testing.assert_allclose(
        single.history_["objective"][-1], double.history_["objective"][-1], rtol=0.02
    )


@pytest.mark.parametrize("scale", [1e-30, 1e3, 1e130])
@pytest.mark.parametrize("max_iter", [8, 1000])
def test_particles_begin_in_float32_and_are_judged_in_float64(max_iter, scale, monkeypatch):
    X, y = curve(d=2)
    X = X * scale
    copies, in_float32 = [], TwoLayerProblem.in_float32
    monkeypatch.setattr(source, "FLOAT32_PAYS", 0)
    monkeypatch.setattr(
        TwoLayerProblem, "in_float32", lambda problem: copies.append(1) or in_float32(problem)
    )
    alpha = 1e-3 * scale
    model = MeanFieldTwoLayerNet(10, alpha=alpha, max_iter=max_iter, random_state=0)
    fit_quietly(model, X, y)
    assert copies == [1]
    assert model.coefs_[0].dtype == np.float64
    c, curve_ = np.full(len(y), 1 / len(y)), model.history_["objective"]
    value = plain_objective(X, y[:, None], c, model.coefs_, model.intercepts_, alpha, False)
    assert curve_[-1] == pytest.approx(value, rel=1e-12)
    assert (np.diff(curve_) <= 1e-6 * curve_[:-1]).all()
    if max_iter == 1000:
        assert model.n_iter_ < max_iter
        assert curve_[-1] < curve_[0]
    # float32 data stay what they are.
    model.set_params(alpha=1e-3, max_iter=8).fit((X / scale).astype(np.float32), y)
    assert copies == [1]


def test_layout_is_that_of_scikit_learn_s_mlp():
    X, y = curve(d=3)
    model = MeanFieldTwoLayerNet(7, random_state=0).fit(X, y)
    mlp = fit_quietly(MLPRegressor(hidden_layer_sizes=(7,), max_iter=1), X, y)
    assert [W.shape for W in model.coefs_] == [W.shape for W in mlp.coefs_]
    assert [b.shape for b in model.intercepts_] == [b.shape for b in mlp.intercepts_]
    assert (model.n_layers_, model.n_outputs_) == (mlp.n_layers_, mlp.n_outputs_)
    assert model.out_activation_ == mlp.out_activation_
    mlp.coefs_, mlp.intercepts_ = model.coefs_, model.intercepts_
    np.testing.assert_allclose(mlp.predict(X), model.predict(X), rtol=1e-12)
    lengths = np.linalg.norm(np.vstack([model.coefs_[0], model.intercepts_[0]]), axis=0)
    np.testing.assert_allclose(lengths, np.linalg.norm(model.coefs_[1], axis=1))
    np.testing.assert_allclose(model.variation_norm_, lengths @ lengths)


@pytest.mark.parametrize("solver", SOLVERS)
def test_many_outputs(solver):
    X, y = curve(d=2)
    Y = np.column_stack([y, -y, np.abs(X[:, 1])])
    model = MeanFieldTwoLayerNet(60, solver=solver, alpha=1e-3, random_state=0).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.score(X, Y) > 0.5
    assert model.certificate_.scope == "global"
    c = np.full(len(y), 1 / len(y))
    objective = plain_objective(X, Y, c, model.coefs_, model.intercepts_, 1e-3, False)
    np.testing.assert_allclose(model.history_["objective"][-1], objective, rtol=0.05)


@pytest.mark.parametrize("solver", [*SOLVERS, "margin-ascent"])
def test_string_labels(solver):
    X, y = make_moons(60, noise=0.1, random_state=0)
    labels = np.array(["no", "yes"])[y]
    tol = 0.05 if solver == "margin-ascent" else 1e-3
    model = MeanFieldTwoLayerNetClassifier(solver=solver, tol=tol, random_state=0)
    model.fit(X, labels)
    assert model.score(X, labels) > 0.85
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "name", ["one row", "constant y", "equal rows", "wide column", "zeros", "one particle"]
)
def test_odd_data(solver, name, global_random_seed):
    X, y = curve(20, 3, global_random_seed)
    m = 10
    if name == "one row":
        X, y = X[:1], y[:1]
    elif name == "constant y":
        y = np.full(20, 3.0)
    elif name == "equal rows":
        X = np.repeat(X[:1], 20, axis=0)
    elif name == "wide column":
        X = X * [1e8, 1.0, 1e-150]
    elif name == "zeros":
        X = np.zeros_like(X)
    else:
        m = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = MeanFieldTwoLayerNet(m, solver=solver, max_iter=50, random_state=0).fit(X, y)
        predictions = model.predict(X)
    assert np.isfinite(predictions).all()
    assert np.isfinite(model.certificate_.value)
    if name in ("one row", "constant y"):
        # A gradient method has its start to forget.
        exact = solver in ("particles", "sliding-frank-wolfe")
        np.testing.assert_allclose(predictions, y, rtol=1e-9 if exact else 1e-3)
        assert model.certificate_.value <= (1e-9 if exact else 1e-3)
    elif name in ("equal rows", "zeros"):
        np.testing.assert_allclose(predictions, y.mean(), rtol=1e-3)


@pytest.mark.filterwarnings("error", "ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [1e-30, 1e-100, 1e-160, 1e-310])
def test_targets_of_any_small_scale_in_float32(scale, solver):
    X, y = curve(20, 3)
    model = MeanFieldTwoLayerNet(8, solver=solver, max_iter=5, random_state=0)
    predictions = model.fit(X.astype(np.float32), y * scale).predict(X.astype(np.float32))
    # The penalty is of another scale: what is left is the mean.
    np.testing.assert_allclose(predictions, y.mean() * scale, rtol=1e-3, atol=1e-45)


@pytest.mark.filterwarnings("error", "ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_row_of_next_to_no_weight_harms_no_other():
    X, y = curve(20, 3)
    y[0], weights = 1e15, np.append(1e-300, np.ones(19))
    model = MeanFieldTwoLayerNet(8, max_iter=20, random_state=0)
    assert np.abs(model.fit(X.astype(np.float32), y, weights).predict(X[1:])).max() < 100


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e130, 1e300])
@pytest.mark.parametrize("Estimator", [MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier])
def test_any_scale_of_columns_gives_numbers(Estimator, solver, scale, global_random_seed):
    X, y = curve(20, 3, global_random_seed)
    X[:, 0] *= scale
    y = y if Estimator is MeanFieldTwoLayerNet else y > y.mean()
    model = Estimator(8, solver=solver, max_iter=20, random_state=0)
    fit_quietly(model, X, y)
    for part in (
        *model.coefs_,
        *model.intercepts_,
        model.decision_function(X) if hasattr(model, "decision_function") else model.predict(X),
    ):
        assert np.isfinite(part).all()
    assert np.isfinite(model.certificate_.value)


def test_early_stopping_keeps_the_best_net():
    X, y = curve(200, 6, noise=2.0)
    model = MeanFieldTwoLayerNet(alpha=1e-6, early_stopping=True, tol=0, random_state=0)
    model.fit(X, y)
    loss = model.history_["validation_loss"]
    assert model.n_iter_ < 500
    best = np.nanargmin(loss)
    assert np.isfinite(loss[best + 1 :]).sum() == model.n_iter_no_change
    plain = MeanFieldTwoLayerNet(alpha=1e-6, random_state=0).fit(X, y)
    rng = np.random.RandomState(1)
    X_new = rng.randn(500, 6)
    y_new = np.sin(3 * X_new[:, 0]) + 2
    assert model.score(X_new, y_new) > plain.score(X_new, y_new)


@pytest.mark.parametrize("regime", ["feature", "kernel"])
def test_warm_start_goes_on(regime):
    X, y = curve(d=4)
    model = MeanFieldTwoLayerNet(regime=regime, warm_start=True, max_iter=15, tol=1e-9)
    model.set_params(random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        first = model.fit(X, y).history_["objective"]
        second = model.fit(X, y).history_["objective"]
        assert second[0] <= first[-1] * (1 + 1e-9)
        model.set_params(n_particles=5).fit(X, y)
    assert model.coefs_[0].shape == (4, 5)


def test_read_only_and_memory_mapped_data(tmp_path):
    X, y = curve(d=3)
    model = MeanFieldTwoLayerNet(20, alpha=0.01, random_state=0)
    expected = model.fit(X, y).predict(X)
    mapped = np.memmap(tmp_path / "X", dtype=float, mode="w+", shape=X.shape)
    mapped[:] = X
    mapped.flush()
    mapped = np.memmap(tmp_path / "X", dtype=float, mode="r", shape=X.shape)
    np.testing.assert_array_equal(model.fit(mapped, y).predict(mapped), expected)


@pytest.mark.parametrize("Estimator", [MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier])
def test_partial_fit_learns_from_batches(Estimator):
    rng = np.random.RandomState(0)
    X = rng.randn(2000, 2)
    y = np.abs(X[:, 0])
    is_classifier = Estimator is MeanFieldTwoLayerNetClassifier
    y = np.where(y > 0.7, "far", "near") if is_classifier else y
    model = Estimator(50, solver="flow", alpha=1e-4, random_state=0)
    for start in range(0, 2000, 500):
        for _ in range(10):
            rows = slice(start, start + 500)
            arguments = {"classes": ["near", "far"]} if is_classifier else {}
            model.partial_fit(X[rows], y[rows], **arguments)
    assert model.n_iter_ == 4 * 10 * 3
    assert model.score(X, y) > 0.9
    assert not hasattr(model, "certificate_")
    before = model.score(X, y)
    assert model.partial_fit(X, y).score(X, y) > 0.9 * before
    model.fit(X, y)
    assert model.certificate_.quantity == "duality gap"
    fitted = model.coefs_[0].copy()
    model.partial_fit(X[:200], y[:200])  # goes on from the fit
    assert np.abs(model.coefs_[0] - fitted).max() < np.abs(fitted).max()


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 3.0, 2: 0.5}])
def test_class_weights_are_sample_weights(class_weight):
    X, y = load_iris(return_X_y=True)
    X, y = X[:120] - X.mean(axis=0), y[:120]  # the last class has 20 rows
    weights = compute_sample_weight(class_weight, y)
    model = MeanFieldTwoLayerNetClassifier(6, solver="flow", max_iter=20, random_state=0)
    weighted = clone(model).set_params(class_weight=class_weight)
    expected = fit_quietly(model, X, y, sample_weight=weights).predict_proba(X)
    fit_quietly(weighted, X, y)
    np.testing.assert_allclose(weighted.predict_proba(X), expected, rtol=1e-9)
    if class_weight == "balanced":
        with pytest.raises(ValueError, match="class_weight: found 'balanced'; partial_fit allows"):
            weighted.partial_fit(X, y)
        return
    expected = model.partial_fit(X, y, sample_weight=weights).predict_proba(X)
    np.testing.assert_allclose(weighted.partial_fit(X, y).predict_proba(X), expected, rtol=1e-9)


def test_partial_fit_refuses_what_does_not_fit():
    X, y = curve(d=2)
    model = MeanFieldTwoLayerNetClassifier(solver="flow")
    with pytest.raises(ValueError, match="classes: found None"):
        model.partial_fit(X, y > 2)
    with pytest.raises(ValueError, match=r"classes: found \[1\]"):
        model.partial_fit(X, y > 2, classes=[1])
    with pytest.raises(ValueError, match=r"y: found labels \[5\]"):
        model.partial_fit(X, np.full(len(X), 5), classes=[1, 2])
    model.partial_fit(X, y > 2, classes=[False, True])
    with pytest.raises(ValueError, match=r"classes: found \[0, 1, 2\]"):
        model.partial_fit(X, y > 2, classes=[0, 1, 2])
    regressor = MeanFieldTwoLayerNet(solver="flow").partial_fit(X, y)
    with pytest.raises(ValueError, match="y: found 2 outputs"):
        regressor.partial_fit(X, np.column_stack([y, y]))
    assert not hasattr(MeanFieldTwoLayerNet(), "partial_fit")
    with pytest.raises(ValueError, match="scale_inputs: found True"):
        MeanFieldTwoLayerNet(solver="flow", scale_inputs=True).partial_fit(X, y)


def test_impossible_choices_are_refused():
    X, y = curve()
    with pytest.raises(ValueError, match=r"solver: found 'flow'; allowed for .* are \['particles'"):
        MeanFieldTwoLayerNet(solver="flow", regime="kernel").fit(X, y)
    with pytest.raises(ValueError, match="solver: found 'margin-ascent'"):
        MeanFieldTwoLayerNet(solver="margin-ascent").fit(X, y)
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="y: found 3 classes"):
        MeanFieldTwoLayerNetClassifier(solver="margin-ascent").fit(X, y)


def test_callbacks_and_grid_search():
    X, y = curve()
    MeanFieldTwoLayerNet(10, max_iter=2000).set_callbacks(ProgressBar()).fit(X, y)
    search = GridSearchCV(MeanFieldTwoLayerNet(20, random_state=0), {"alpha": [1e-3, 10.0]}, cv=2)
    assert search.fit(X, y).best_params_ == {"alpha": 1e-3}


@pytest.mark.parametrize("solver", SOLVERS)
def test_ctrl_c_ends_a_fit_with_a_message(solver):
    X, y = curve(3000, 12)
    model = MeanFieldTwoLayerNet(solver=solver, alpha=1e-7, tol=0, max_iter=10**6, random_state=0)
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt, match="was interrupted after"):
        model.fit(X, y)
    timer.join()
    assert time.monotonic() - start < 30  # not the hours of a million steps


# Displays


@pytest.fixture
def ax():
    return pytest.importorskip("matplotlib.figure").Figure().add_subplot()


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_particles_display_shows_the_net(d, fit_intercept, ax):
    X, y = curve(d=d)
    model = MeanFieldTwoLayerNet(12, alpha=1e-3, fit_intercept=fit_intercept, random_state=0)
    model.fit(X, y)
    display = ParticlesDisplay.from_estimator(model, ax=ax)
    assert display.points_.shape == (1, 12, 2)
    assert display.ax_ is ax
    if d == 2 and not fit_intercept:
        expected = model.coefs_[0].T * np.abs(model.coefs_[1])
        np.testing.assert_allclose(display.points_[0], expected)
    elif d == 5:
        points = np.vstack([model.coefs_[0], model.intercepts_[0]]).T * np.abs(model.coefs_[1])
        top = np.linalg.svd(points)[1][:2]
        np.testing.assert_allclose(np.linalg.svd(display.points_[0])[1], top)


def test_particles_display_draws_paths(ax):
    X, y = curve()
    model = MeanFieldTwoLayerNet(6, solver="flow", max_iter=1000, random_state=0)
    display = ParticlesDisplay.from_fit(model, X, y, ax=ax)
    assert not hasattr(model, "coefs_")  # a copy was fitted
    fitted = model.fit(X, y)
    # The steps, and the whole fit.
    assert len(display.points_) in (fitted.n_iter_, fitted.n_iter_ + 1)
    points = np.column_stack([fitted.coefs_[0][0], fitted.intercepts_[0]])
    points = points * np.abs(fitted.coefs_[1])
    np.testing.assert_allclose(display.points_[-1], points, rtol=1e-5, atol=1e-8)
    other = MeanFieldTwoLayerNet(3, random_state=0).fit(X, y)
    display = ParticlesDisplay([(net.coefs_, net.intercepts_) for net in (fitted, other)])
    with pytest.raises(ValueError, match="nets: found output layers"):
        display.plot(ax=ax)


@pytest.mark.parametrize("is_log_loss", [False, True])
def test_certificate_display_shows_the_maximum(is_log_loss, ax):
    X, y = curve()
    Estimator = MeanFieldTwoLayerNetClassifier if is_log_loss else MeanFieldTwoLayerNet
    y = y > 2 if is_log_loss else y
    w = np.random.RandomState(0).rand(len(y)) + 0.5
    model = Estimator(alpha=0.003, random_state=0).fit(X, y, w)
    display = CertificateDisplay.from_estimator(model, X, y, sample_weight=w, ax=ax)
    np.testing.assert_allclose(display.first_variation.max(), model.first_variation_max_, rtol=1e-3)
    np.testing.assert_array_equal(display.line_.get_ydata(), display.first_variation)
    with pytest.raises(ValueError, match="X: found 3 columns"):
        CertificateDisplay.from_estimator(
            MeanFieldTwoLayerNet().fit(np.column_stack([X, X]), y), np.column_stack([X, X]), y
        )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_separated_classes_without_a_penalty():
    """The gradient of the log-loss falls until its square underflows, which is an end."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((64, 2))
    y = X[:, 0] * X[:, 1] > 0
    model = MeanFieldTwoLayerNetClassifier(200, alpha=0, tol=0, random_state=0).fit(X, y)
    assert model.score(X, y) == 1
    assert all(np.isfinite(W).all() for W in model.coefs_)
