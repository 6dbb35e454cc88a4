"""Two-layer nets as measures: solvers."""

import numpy as np
import pytest
from helpers import fit_quietly
from neural_network.mean_field_helpers import curve, make_problem, plain_loss
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from sklearn_optland.neural_network import (
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
    conic_descent,
)
from sklearn_optland.neural_network._mean_field.flow import RECENT, flow
from sklearn_optland.neural_network._mean_field.problem import TwoLayerProblem
from sklearn_optland.neural_network._mean_field.sliding_frank_wolfe import _best_masses, _merge


def teacher(seed, n=300, d=2, k=5):
    """Targets that k neurons of length 1 give exactly."""
    rng = np.random.RandomState(seed)
    X, B = rng.randn(n, d), rng.randn(k, d)
    B /= np.linalg.norm(B, axis=1)[:, None]
    return X, np.maximum(X @ B.T, 0) @ rng.choice([-1.0, 1.0], k)


def plain_gradient(problem, theta):
    """The objective and its gradient in the problem's units, without blocks or kernels."""
    W, b, A, offset = (part.astype(float) for part in problem.layout.parts(theta))
    X = problem.source.X / problem.x_scale
    H = np.maximum(X @ W + problem.bias * b, 0)
    R = (H @ A + offset - problem.Y) * problem.source.c[:, None]
    P = (R @ A.T) * (H > 0)
    weights = np.concatenate([W.ravel(), b, A.ravel()])
    parts = [(X.T @ P).ravel(), problem.bias * P.sum(axis=0), (H.T @ R).ravel()]
    gradient = np.concatenate(parts) + problem.alpha * weights
    value = plain_loss(H @ A + offset, problem.Y, problem.source.c, False)
    value += 0.5 * problem.alpha * weights @ weights
    free = R.sum(axis=0) if problem.fit_intercept else np.zeros(len(offset))
    return value, np.concatenate([gradient, free])


def test_flow_is_plain_gradient_descent_in_the_scaling_of_the_paper(global_random_seed):
    problem = make_problem(global_random_seed, k=2)
    m = 6
    theta = problem.layout.spread_start(
        m, 1 / np.sqrt(m), np.random.RandomState(global_random_seed)
    )
    steps = flow(problem, theta.copy(), tol=0)
    # Particles w = sqrt(m) theta of the net (1/m) sum a relu(b'x); the flow is -m grad.
    w, t, recent = np.sqrt(m) * theta, 1.0, []
    n_weights = theta.size - problem.n_outputs
    w[n_weights:] = theta[n_weights:]

    def unscaled(w):
        return np.concatenate([w[:n_weights] / np.sqrt(m), w[n_weights:]])

    for _ in range(20):
        value, gradient = plain_gradient(problem, unscaled(w))
        pull = gradient.copy()
        pull[:n_weights] *= np.sqrt(m)  # m times the gradient in w
        recent = [*recent[-4:], value]
        while True:
            trial = w - t * pull
            new, _ = plain_gradient(problem, unscaled(trial))
            if new <= max(recent) - 0.5 * t * gradient @ gradient:
                break
            t /= 2
        w, t = trial, 1.5 * t
        step = next(steps)
        np.testing.assert_allclose(step.loss, new, rtol=1e-10)
        np.testing.assert_allclose(step.parameters, unscaled(w), rtol=1e-8, atol=1e-12)


def test_flow_with_enough_particles_finds_the_teacher(global_random_seed):
    X, y = teacher(global_random_seed)
    model = MeanFieldTwoLayerNet(
        100, solver="flow", alpha=0, fit_intercept=False, tol=0, max_iter=4000, random_state=0
    )
    fit_quietly(model, X, y)
    assert 0.5 * np.mean((model.predict(X) - y) ** 2) < 1e-4
    values = model.history_["objective"]
    highest = np.lib.stride_tricks.sliding_window_view(values, RECENT).max(axis=1)
    assert (values[RECENT:] <= highest[:-1]).all()


def test_langevin_noise_has_the_temperature_s_size():
    problem = make_problem(alpha=0.0)
    problem.Y[:] = 0  # with f = 0 nothing pulls: all movement is noise, of a step of length 1
    m = 2000
    theta = problem.layout.spread_start(m, 1.0, np.random.RandomState(0))
    steps = flow(problem, theta, 0, noise=0.01, rng=np.random.RandomState(1))
    moved = (next(steps).parameters - theta)[:-1]
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
    theta = problem.layout.spread_start(12, 1.0, np.random.RandomState(global_random_seed))
    better, _ = _best_masses(problem, theta)
    B, A = problem.layout.particles(theta)
    T, U = (part / np.linalg.norm(part, axis=1)[:, None] for part in (B, A))
    rows = problem.inputs().X
    H = np.maximum(rows @ T.T, 0)

    def objective(w):
        F = (H * w[:-3]) @ U + w[-3:]
        R = (softmax(F, axis=1) if is_log_loss else F) - problem.Y
        R *= problem.source.c[:, None]
        masses = ((H.T @ R) * U).sum(axis=1) + problem.alpha
        value = (
            plain_loss(F, problem.Y, problem.source.c, is_log_loss) + problem.alpha * w[:-3].sum()
        )
        return value, np.concatenate([masses, R.sum(axis=0)])

    bounds = [(0, None)] * 12 + [(None, None)] * 3
    options = {"ftol": 1e-15, "gtol": 1e-11, "maxiter": 10_000}
    best = minimize(objective, np.ones(15), jac=True, bounds=bounds, options=options).fun
    offset = problem.layout.parts(better)[3]
    found = problem.loss(
        problem.scores(better), offset
    ) + problem.alpha * problem.layout.variation_norm(better)
    np.testing.assert_allclose(found, best, rtol=1e-7)


def test_merging_keeps_the_function(global_random_seed):
    problem = make_problem(global_random_seed)
    theta = problem.layout.spread_start(4, 1.0, np.random.RandomState(global_random_seed))
    B, A = problem.layout.particles(theta)
    B, A = np.concatenate([B, 3 * B, B[:1]]), np.concatenate([A, A, 0 * A[:1]])
    doubled = problem.layout.join(B, A, np.zeros(1))
    merged = _merge(problem.layout, doubled)
    assert problem.layout.n_particles(merged) == 4
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
    settings = {"scale_inputs": False, "random_state": 0}
    model = MeanFieldTwoLayerNet(50, alpha=0.1, regime="kernel", tol=1e-12, **settings)
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


def test_sliding_frank_wolfe_looks_from_new_starts_and_twice_before_it_stops(monkeypatch):
    rng = np.random.RandomState(0)
    X = rng.randn(80, 6)
    bound, looks = TwoLayerProblem.bound, []

    def recorded(self, theta, **settings):
        looks.append((settings["n_starts"], settings["random_state"], settings["from_rows"]))
        return bound(self, theta, **settings)

    monkeypatch.setattr(TwoLayerProblem, "bound", recorded)
    model = MeanFieldTwoLayerNet(
        solver="sliding-frank-wolfe", alpha=0.05, tol=1e-2, max_iter=30, random_state=0
    )
    model.fit(X, np.abs(X[:, 0]))
    assert model.certificate_.scope == "estimate"
    assert model.certificate_.reached
    assert len({seed for _, seed, _ in looks}) == len(looks) > model.n_iter_
    assert looks[-1][0] > looks[0][0]  # the second look has more starts
    assert all(from_rows for *_, from_rows in looks)
