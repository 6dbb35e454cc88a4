"""Posteriors of linear models and nets: against closed forms, and Metropolis' algorithm."""

import numpy as np
import pytest
from helpers import fit_quietly
from numpy.testing import assert_allclose
from scipy.special import expit, log_expit, softmax
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_optland._estimator.training_rows import as_columns
from sklearn_optland._net.network import Network
from sklearn_optland._net.units import Units
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.langevin import (
    LangevinClassifier,
    LangevinRegressor,
    effective_sample_size,
    r_hat,
)
from sklearn_optland.langevin._chains import Chains
from sklearn_optland.langevin._posterior import BIAS_VARIANCE, Posterior, posterior_of

PRIOR = 2.0


def posterior(hidden, n_outputs, batch_rows=10**6, kind=posterior_of, seed=0):
    """Of random rows: classes, or for one output targets."""
    rng = np.random.RandomState(seed)
    X, n = rng.randn(40, 3), 40
    Y = rng.randn(n, 1) if n_outputs == 1 else as_columns(np.arange(n) % n_outputs, n_outputs)
    c = rng.rand(n)
    units = Units(np.full(3, 0.3), np.array([1.0, 2.0, 1.5]), np.zeros(n_outputs), 1.0)
    network = Network((3, *hidden, n_outputs), "tanh", n_outputs > 1)
    source = ArraySource(X, Y=Y.astype(float), c=c / c.sum())
    generator = np.random.default_rng(seed)
    return kind(network, source, units, np.dtype(float), 40.0, PRIOR, batch_rows, generator)


# Gradients


@pytest.mark.parametrize("hidden", [(), (4,)])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_gradients_are_differences_of_the_potential(hidden, n_outputs):
    some, rng = posterior(hidden, n_outputs), np.random.RandomState(1)
    theta = rng.randn(2, some.network.n_parameters)
    if not hidden:
        some.center(theta[0], 2)
    noise = np.array([[0.5], [2.0]])
    value, gradient = some.gradient(theta, noise)
    exact = [some.value_and_gradient(*pair) for pair in zip(theta, noise[:, 0], strict=True)]
    assert value == pytest.approx(np.mean([F for F, _ in exact]))
    assert_allclose(gradient, [g for _, g in exact], atol=1e-12)
    direction, h = rng.randn(theta.shape[1]), 1e-5
    ends = [some.value_and_gradient(theta[0] + s * h * direction, 0.5)[0] for s in (1, -1)]
    assert gradient[0] @ direction == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)
    assert_allclose(
        some.hessian_products(theta[0], direction[None], 0.5)[0] @ direction,
        (ends[0] + ends[1] - 2 * exact[0][0]) / h**2,
        rtol=1e-3,
    )


@pytest.mark.parametrize("hidden", [(), (4,)])
def test_minibatches_of_a_pass_average_to_the_gradient(hidden):
    some = posterior(hidden, 3, batch_rows=10)
    rng, noise = np.random.RandomState(1), np.ones((2, 1))
    theta = rng.randn(2, some.network.n_parameters)
    if not hidden:
        some.center(rng.randn(theta.shape[1]), 2)
    parts = [some.gradient(theta, noise) for _ in range(8)]
    values, gradients = zip(*parts, strict=True)
    exact = [some.value_and_gradient(row, 1.0) for row in theta]
    assert np.mean(values) == pytest.approx(np.mean([F for F, _ in exact]))
    assert_allclose(np.mean(gradients, axis=0), [g for _, g in exact], atol=1e-12)
    assert np.std(gradients, axis=0).max() > 1e-3


def test_minibatches_of_a_linear_model_have_no_noise_at_the_mode():
    some = posterior((), 3, batch_rows=7)
    theta = np.random.RandomState(0).randn(1, some.network.n_parameters)
    some.center(theta[0], 1)
    exact = some.value_and_gradient(theta[0], 1.0)[1]
    for _ in range(7):  # of 40 rows, the last batch is smaller
        assert_allclose(some.gradient(theta, np.ones((1, 1)))[1][0], exact, atol=1e-12)
    plain = posterior((), 3, batch_rows=7, kind=Posterior)
    assert np.abs(plain.gradient(theta, np.ones((1, 1)))[1][0] - exact).max() > 1e-3


# Closed forms

rng = np.random.RandomState(0)
X = rng.randn(50, 2) @ [[1.0, 0.8], [0.0, 0.6]]
y = X @ [1.0, -2.0] + 5.0 + 0.7 * rng.randn(50)
NOISE = 0.5


def normal_posterior(step_size=0.0):
    """Mean and covariance of coefficients and intercept, in units of y."""
    size = y.std()
    H, v = np.column_stack([X, np.ones(50)]), NOISE / size**2
    precision = np.diag([1 / PRIOR, 1 / PRIOR, 1 / BIAS_VARIANCE])
    A = H.T @ H / 50 + v * precision / 50
    mean = np.linalg.solve(A, H.T @ (y - y.mean()) / size / 50)
    covariance = np.linalg.inv(50 / v * A) @ np.linalg.inv(np.eye(3) - 0.5 * step_size * A)
    return size * mean + [0, 0, y.mean()], size**2 * covariance


def joint(model):
    W, b = (model.samples_[f"{name}_0"] for name in ("coefs", "intercepts"))
    return np.concatenate([W[..., 0], b], axis=-1).reshape(-1, W.shape[2] + 1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("preconditioner", [None, "hessian"])
def test_a_linear_regression_has_its_normal_posterior(preconditioner):
    step_size = 0.4
    model = LangevinRegressor(
        C=PRIOR,
        noise_variance=NOISE,
        preconditioner=preconditioner,
        step_size=step_size,
        n_chains=150,
        thin=4,
        max_iter=150,
        random_state=0,
    ).fit(X, y)
    # The Hessian's metric takes the bias of the steps away.
    mean, covariance = normal_posterior(step_size if preconditioner is None else 0.0)
    draws = joint(model)
    assert_allclose(draws.mean(axis=0), mean, rtol=0.02)
    assert_allclose(np.cov(draws.T), covariance, atol=0.05 * covariance.max())
    if preconditioner == "hessian":
        at = np.array([[0.5, -1.0], [4.0, 4.0]])
        found, std = model.predict(at, return_std=True)
        H = np.column_stack([at, np.ones(2)])
        assert_allclose(found, H @ mean, rtol=0.02)
        assert_allclose(std, np.sqrt(np.diag(H @ covariance @ H.T) + NOISE), rtol=0.05)


def test_the_noise_variance_is_drawn():
    model = LangevinRegressor(random_state=0).fit(X, y)
    draws = model.samples_["noise_variance"]
    assert draws.shape == (4, 150)
    residual = y - model.predict(X)
    assert draws.mean() == pytest.approx(residual @ residual / 47, rel=0.1)
    assert draws.std() == pytest.approx(draws.mean() * np.sqrt(2 / 50), rel=0.35)


def test_units_of_the_targets_and_offsets_of_the_columns_do_not_matter():
    model = LangevinRegressor(random_state=0, max_iter=300)
    mean, std = fit_quietly(model, X, y).predict(X, return_std=True)
    moved, moved_std = fit_quietly(model, X, 1000 * y - 7).predict(X, return_std=True)
    assert_allclose(moved, 1000 * mean - 7, rtol=1e-6)
    assert_allclose(moved_std, 1000 * std, rtol=1e-6)
    far = StandardScaler().fit_transform(X)
    near = fit_quietly(model, far, y).predict(far)
    assert_allclose(fit_quietly(model, far + 1e3, y).predict(far + 1e3), near, rtol=1e-2)


# Metropolis


def metropolis(X, codes, C, n_chains=400, n_steps=1500):
    """Draws of a logistic regression's posterior, by random walks; the intercept is the last."""
    rng = np.random.RandomState(0)
    H, sign = np.column_stack([X, np.ones(len(X))]), 2.0 * codes - 1
    precision = np.r_[np.full(X.shape[1], 1 / C), 1 / BIAS_VARIANCE]

    def log_density(theta):
        return log_expit(sign * (theta @ H.T)).sum(axis=1) - 0.5 * theta**2 @ precision

    mode = np.r_[LogisticRegression(C=C).fit(X, codes).coef_[0], 0.0]
    p = expit(H @ mode)
    root = np.linalg.cholesky(np.linalg.inv((H.T * (p * (1 - p))) @ H + np.diag(precision)))
    theta, kept = mode + rng.randn(n_chains, len(mode)) @ root.T, []
    density = log_density(theta)
    for step in range(n_steps):
        trial = theta + 1.2 * rng.randn(*theta.shape) @ root.T
        new = log_density(trial)
        accepted = np.log(rng.rand(n_chains)) < new - density
        theta = np.where(accepted[:, None], trial, theta)
        density = np.where(accepted, new, density)
        if step >= 200 and step % 10 == 0:
            kept.append(theta)
    return np.concatenate(kept)


@pytest.fixture(scope="module")
def logistic():
    rng = np.random.RandomState(1)
    X = rng.randn(60, 3)
    codes = (X @ [1.5, -1.0, 0.5] + 0.5 + rng.logistic(size=60) > 0).astype(int)
    return X, codes, metropolis(X, codes, PRIOR)


@pytest.mark.parametrize(
    "settings",
    [
        {"max_iter": 400},
        {"max_iter": 400, "batch_size": 20},
        {"preconditioner": None, "step_size": 1.0, "max_iter": 800},
        {"preconditioner": "rmsprop", "max_iter": 800},
    ],
)
def test_a_logistic_regression_has_the_posterior_that_metropolis_finds(logistic, settings):
    X, codes, reference = logistic
    model = LangevinClassifier(C=PRIOR, n_chains=100, random_state=0, **settings)
    draws = joint(model.fit(X, codes))
    mean, size = reference.mean(axis=0), np.linalg.norm(reference.mean(axis=0))
    assert_allclose(draws.mean(axis=0), mean, atol=0.05 * size)
    assert_allclose(draws.std(axis=0), reference.std(axis=0), rtol=0.1)
    H = np.column_stack([X, np.ones(60)])
    assert_allclose(model.predict_proba(X)[:, 1], expit(reference @ H.T).mean(axis=0), atol=0.02)


# Estimators


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_probabilities_are_no_worse_than_those_of_the_mode():
    X, y = load_breast_cancer(return_X_y=True)
    models = LangevinClassifier(max_iter=600, random_state=0), LogisticRegression()
    ours, theirs = (
        cross_val_predict(make_pipeline(StandardScaler(), model), X, y, method="predict_proba")
        for model in models
    )
    for loss in (log_loss, brier_score_loss):
        assert loss(y, ours[:, 1]) <= loss(y, theirs[:, 1])


@pytest.mark.parametrize("hidden", [(), (3,)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_are_means_over_the_draws(hidden, dtype):
    X, y = load_iris(return_X_y=True)
    X = X.astype(dtype)
    model = LangevinClassifier(hidden, decay=0.5, max_iter=60, random_state=0)
    samples = fit_quietly(model, X, y).samples_
    assert {array.dtype.name for array in samples.values()} == {dtype}
    assert samples["coefs_0"].shape == (4, 5, 4, 3)
    assert list(samples) == [
        f"{name}_{level}" for level in range(len(hidden) + 1) for name in ("coefs", "intercepts")
    ]
    expected = 0.0
    for draw, weight in enumerate(model.draw_weights_):
        for chain in range(4):
            get = lambda name, at=(chain, draw): samples[name][at].astype(float)  # noqa: E731
            Z = X @ get("coefs_0") + get("intercepts_0")
            if hidden:
                Z = np.tanh(Z) @ get("coefs_1") + get("intercepts_1")
            P = np.exp(Z - Z.max(axis=1, keepdims=True))
            expected += weight / 4 * P / P.sum(axis=1, keepdims=True)
    assert_allclose(model.predict_proba(X), expected, atol=1e-5 if dtype == "float32" else 1e-12)
    assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    assert model.draw_weights_.sum() == pytest.approx(1)
    assert (np.diff(model.draw_weights_) < 0).all()


def test_low_temperatures_come_to_the_mode():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    cold = LangevinClassifier(temperature=1e-8, max_iter=20, random_state=0)
    draws = joint(fit_quietly(cold, X, y))
    mode = LogisticRegression(tol=1e-8).fit(X, y).coef_[0]
    assert_allclose(draws[:, :-1], np.broadcast_to(mode, draws[:, :-1].shape), atol=0.02)


def test_nets_learn_what_is_not_linear():
    rng = np.random.RandomState(0)
    X = rng.uniform(-3, 3, (200, 1))
    y = np.sin(2 * X[:, 0]) + 0.1 * rng.randn(200)
    model = fit_quietly(LangevinRegressor((10,), C=10.0, max_iter=1000, random_state=0), X, y)
    assert model.score(X, y) > 0.95
    std = model.predict([[0.0], [9.0]], return_std=True)[1]
    assert std[1] > 2 * std[0]  # far from the data there is less knowledge


def test_chains_that_diverge_start_again_with_shorter_steps():
    X, y = load_iris(return_X_y=True)
    model = LangevinClassifier(preconditioner="hessian", step_size=50.0, random_state=0)
    fit_quietly(model, X, y)
    assert model.history_["step_size"][-1] < 3
    assert all(np.isfinite(array).all() for array in model.samples_.values())
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("preconditioner", ["hessian", None])
def test_no_draw_is_of_a_chain_that_diverged(preconditioner):
    # Steps of any length: until they are short enough, draws are no draws of the posterior.
    X, y = load_diabetes(return_X_y=True)
    settings = {"preconditioner": preconditioner, "n_chains": 2, "random_state": 0}
    model = LangevinRegressor(step_size=1e6, max_iter=150, **settings)
    fit_quietly(model, X, y)
    assert model.score(X, y) > 0.2 or model.certificate_.value > 0.1  # it says that it failed
    assert np.abs(model.samples_["coefs_0"]).max() < 1e5
    draws = fit_quietly(model.set_params(max_iter=30), X, y).samples_["coefs_0"]
    assert draws.shape[1] >= 1
    assert np.abs(draws).max() < 1e5


def test_a_late_divergence_begins_another_burn_in():
    chains = Chains(posterior((), 1), None, 1.0, np.random.default_rng(0))
    chains.start(np.zeros((2, 4)), "hessian", None)
    steps = chains.steps(100, burn_in=40, thin=1, decay=0.0)
    n_draws = []
    for number, _ in enumerate(steps):
        n_draws.append(len(chains.draws))
        if number in (9, 59):
            chains.theta = np.full_like(chains.theta, 1e12)
    assert n_draws[45] == 0
    assert n_draws[59] == 14  # from 10 + 36 on
    assert n_draws[60] == n_draws[75] == 0
    assert n_draws[99] == 24  # 60 % of the 40 steps that were left


def test_steps_that_were_halved_draw_the_same_posterior():
    X, y = load_diabetes(return_X_y=True)
    X = X * 20
    spreads = []
    for step_size in ("auto", 12.8):  # seven halvings are 0.1
        model = LangevinRegressor(step_size=step_size, max_iter=1000, random_state=0)
        spreads.append(fit_quietly(model, X, y).samples_["coefs_0"].std(axis=(0, 1)).mean())
    assert model.history_["step_size"][-1] < 2
    assert spreads[1] == pytest.approx(spreads[0], rel=0.3)


@pytest.mark.parametrize("scale", [2.0**330, 2.0**990])
def test_nets_take_columns_of_any_size(scale):
    X, y = load_iris(return_X_y=True)
    settings = {"n_chains": 2, "max_iter": 50, "random_state": 0}
    with np.errstate(all="raise", under="ignore"):
        found, expected = (
            fit_quietly(LangevinClassifier((3,), **settings), X * factor, y).predict_proba(
                X * factor
            )
            for factor in (scale, 2.0**165)
        )
    assert_allclose(found, expected, atol=1e-4)


def test_few_steps_warn_and_many_do_not(recwarn):
    X, y = load_diabetes(return_X_y=True)
    model = LangevinRegressor(random_state=0).fit(X, y)
    assert not recwarn.list
    assert model.certificate_.value == model.r_hat_.max() - 1
    assert model.effective_sample_size_.min() > 100
    with pytest.warns(ConvergenceWarning, match=r"Set max_iter to more than 10") as caught:
        model.set_params(max_iter=5).fit(X, y)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("hidden", [(), (3,)])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_r_hat_is_that_of_the_probabilities(hidden, n_classes):
    X, y = load_iris(return_X_y=True)
    X, y = X[y < n_classes], y[y < n_classes]
    model = fit_quietly(LangevinClassifier(hidden, max_iter=200, random_state=0), X, y)
    probes = X[np.unique(np.linspace(0, len(X) - 1, 50).astype(int))]
    draws, V = model.samples_, probes
    for level in range(len(hidden) + 1):
        V = V @ draws[f"coefs_{level}"] + draws[f"intercepts_{level}"][:, :, None]
        V = np.tanh(V) if level < len(hidden) else V
    P = (expit(V) if n_classes == 2 else softmax(V, axis=-1)).round(6)
    assert_allclose(model.r_hat_, r_hat(P), rtol=1e-6)
    assert_allclose(model.effective_sample_size_, effective_sample_size(P), rtol=1e-4)


def test_constant_targets():
    model = LangevinRegressor(max_iter=50, random_state=0)
    assert_allclose(fit_quietly(model, X, np.full(50, 3.0)).predict(X), 3.0, atol=0.1)


def test_hidden_layers_have_units():
    with pytest.raises(ValueError, match=r"hidden_layer_sizes: found \(2, 0\)"):
        LangevinRegressor((2, 0)).fit([[0.0], [1.0]], [0, 1])
