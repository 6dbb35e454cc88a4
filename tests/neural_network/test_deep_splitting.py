"""Splitting solvers of nets: equal to independent versions in plain NumPy, theorem of the paper."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neural_network.splitting_oracles import (
    ReferenceADMM,
    ReferenceSplit,
    forward_objective,
    loss_and_slope,
)
from process_source import ProcessSource
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland._net.network import Network
from sklearn_optland._net.passes import Passes
from sklearn_optland._net.units import choose_units
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.neural_network import ADMMNetRegressor, convergence_conditions
from sklearn_optland.neural_network._deep.base import SPLITTINGS
from sklearn_optland.neural_network._deep.feasible import FeasibleDescent
from sklearn_optland.neural_network._deep.kkt import KKT_LINES, Objective
from sklearn_optland.neural_network._deep.sweeps import OutputLoss

SWEEPS = 20
LOSSES = {"squared error": (False, 2), "binary": (True, 1), "softmax": (True, 3)}


def problem(solver, loss, seed, *, alpha=0.01, n=40, sizes=(5, 4), source=ArraySource):
    is_log_loss, k = LOSSES[loss]
    rng = np.random.RandomState(seed)
    X, c = rng.randn(n, 3), rng.rand(n) + 0.5
    c /= c.sum()
    if not is_log_loss:
        Y = X @ rng.randn(3, k) + 0.3 * rng.randn(n, k)
        Y = (Y - c @ Y) / np.sqrt(np.mean(c @ (Y - c @ Y) ** 2))  # their own units
    elif k == 1:
        Y = (X[:, :1] + rng.randn(n, 1) > 0).astype(float)
    else:
        Y = np.eye(k)[(X + rng.randn(n, 3)).argmax(axis=1)]
    activation = "tanh" if solver == "feasible" else SPLITTINGS[solver].activations[0]
    network = Network((3, *sizes, k), activation, is_log_loss)
    source = source(X, Y=Y, c=c)
    units = choose_units(source, k, is_log_loss)
    passes = Passes(network, source, units, X.dtype)
    objective = Objective(passes, alpha, units.penalty_factors(network, np.float64))
    return objective, network.glorot(rng, np.float64), X, Y, c


def solver_of(name, objective, theta, beta, total_weight):
    """The steps of a solver."""
    if name == "feasible":
        return iter(FeasibleDescent(objective, theta))
    weight = (total_weight,) if name == "bcd" else ()
    return iter(SPLITTINGS[name](objective, theta, beta, *weight))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("block_rows", [7, 1000])
def test_admm_equals_an_independent_version(loss, block_rows, global_random_seed):
    objective, theta, X, Y, c = problem("admm", loss, global_random_seed)
    objective.passes.forward.block_rows = block_rows
    beta = np.array([0.3, 0.1, 0.2])
    shapes, is_log_loss = objective.network.shapes, objective.network.is_log_loss
    # Sweeps are as sensitive as any iteration far from its end: rounding grows in each version as
    # it does between two starts that are an ulp apart.
    ulps = np.finfo(float).eps * np.random.RandomState(0).choice([-1, 1], theta.size)
    reference, nearby = (
        ReferenceADMM(start, shapes, X, Y, c, 0.01, beta, is_log_loss)
        for start in (theta, theta * (1 + ulps))
    )

    def measured(version):
        value = forward_objective(version.W, X, Y, c, 0.01, is_log_loss, expit)
        flat = np.concatenate([W.ravel() for W in version.W])
        return [flat, version.lines(), version.lagrangian(), value]

    sensitivity = 0.0
    sweeps = solver_of("admm", objective, theta, beta, len(X))
    for _ in range(SWEEPS):
        step = next(sweeps)
        reference.sweep()
        nearby.sweep()
        lines = [step.curves[line] for line in KKT_LINES]
        found = step.parameters, lines, step.curves["lagrangian"], step.loss
        expected, moved = measured(reference), measured(nearby)
        sizes = [np.abs(part).max() for part in expected]
        for one, other, size in zip(expected, moved, sizes, strict=True):
            sensitivity = max(sensitivity, np.abs(one - other).max() / size)
        for value, one, size in zip(found, expected, sizes, strict=True):
            np.testing.assert_allclose(value, one, rtol=0, atol=100 * sensitivity * size)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("solver", ["taylor", "bcd"])
@pytest.mark.parametrize("block_rows", [7, 1000])
def test_splits_equal_independent_versions(solver, loss, block_rows, global_random_seed):
    objective, theta, X, Y, c = problem(solver, loss, global_random_seed)
    objective.passes.forward.block_rows = block_rows
    beta = np.array([0.8, 1.0, 1.2])
    gamma = 10 * beta if solver == "taylor" else beta
    shapes, is_log_loss = objective.network.shapes, objective.network.is_log_loss
    reference = ReferenceSplit(theta, shapes, X, Y, c, 0.01, beta, gamma, is_log_loss)
    sweeps = solver_of(solver, objective, theta, beta, len(X))
    for _ in range(SWEEPS):
        step = next(sweeps)
        getattr(reference, solver)()
        flat = np.concatenate([W.ravel() for W in reference.W])
        np.testing.assert_allclose(step.parameters, flat, rtol=1e-10, atol=1e-10)
        gap = c @ (reference.product(2) - reference.z[-1]) ** 2
        assert step.curves["constraint_l"] == pytest.approx(np.sqrt(gap.sum()), rel=1e-8)


@settings.get_profile("fits")
@given(
    st.integers(0, 2**31 - 1),
    st.sampled_from(sorted(LOSSES)),
    st.lists(st.floats(0.01, 10), min_size=3, max_size=3),
)
def test_every_block_lowers_the_augmented_lagrangian(seed, loss, beta):
    # Whatever the couplings: the blocks' majorizers are safe. Only multipliers may raise it.
    objective, theta, X, Y, c = problem("admm", loss, seed, n=15)
    network = objective.network
    reference = ReferenceADMM(
        3 * theta, network.shapes, X, Y, c, 0.01, np.array(beta), network.is_log_loss
    )
    for _ in range(5):
        values = [reference.lagrangian()]
        reference.sweep(lambda values=values: values.append(reference.lagrangian()))
        assert (np.diff(values) <= 1e-10 * np.abs(values[:-1]) + 1e-13).all()


@pytest.mark.parametrize("loss", ["binary", "softmax"])
def test_output_prox_descends_to_its_minimum(loss, global_random_seed):
    _, _, _, Y, c = problem("admm", loss, global_random_seed)
    rows, rng = OutputLoss(Y, c, True), np.random.RandomState(global_random_seed)
    F, target = rng.randn(*Y.shape), 5 * rng.randn(*Y.shape)
    for strength in (0.01, 1.0):
        for _ in range(10):
            F = rows.prox(F, target, strength)
        for i in range(5):

            def cost(v, i=i, strength=strength):
                own = loss_and_slope(v[None], Y[i : i + 1], True)[0][0]
                return own + 0.5 * strength * np.sum((v - target[i]) ** 2)

            best = minimize(cost, target[i], tol=1e-10)
            np.testing.assert_allclose(F[i], best.x, atol=1e-3)
            assert cost(F[i]) <= best.fun + 1e-12


@pytest.mark.parametrize("loss", ["squared error", "softmax"])
@pytest.mark.parametrize("solver", ["feasible", "admm", "taylor", "bcd", "emsa"])
def test_rows_may_live_in_other_processes(solver, loss, global_random_seed):
    curves, beta = [], np.array([0.3, 0.1, 0.2])
    for source in (ArraySource, ProcessSource):
        objective, theta, X, *_ = problem(solver, loss, global_random_seed, source=source)
        steps = solver_of(solver, objective, theta, beta, len(X))
        curves.append([list(next(steps).curves.values()) for _ in range(3)])
        if source is ProcessSource:
            objective.passes.source.close()
    np.testing.assert_allclose(*curves, rtol=1e-9, atol=1e-12)


def test_theorem_of_algorithm_1():
    # Its conditions make the augmented Lagrangian fall and the KKT residuals vanish, at W = 0.
    rng = np.random.RandomState(0)
    X, y = rng.randn(300, 10), rng.randn(300)
    X, y = (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std()
    conditions = convergence_conditions(X, y, (10, 10))
    assert conditions.beta == pytest.approx([1.9e6, 192, 2], rel=0.05)
    assert conditions.lambda_ == pytest.approx(4.6e11, rel=0.01)
    model = ADMMNetRegressor(
        (10, 10),
        "logistic",
        solver="admm",
        rho=conditions.rho,
        alpha=conditions.alpha,
        tol=0,
        max_iter=100,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    lagrangian = model.history_["lagrangian"]
    assert (np.diff(lagrangian) <= 1e-9 * np.abs(lagrangian[:-1])).all()
    assert max(values[-1] for values in model.kkt_residuals_.values()) < 1e-6
    assert max(np.abs(W).max() for W in model.coefs_) < 1e-6
    np.testing.assert_allclose(model.predict(X), y.mean(), atol=1e-3)


def test_conditions_refuse_what_the_theorem_does_not_cover():
    X, y = np.ones((5, 2)), np.ones(5)
    for sizes in ((3, 3, 3), (2.5, 3), (0, 3), ("a", "b")):
        with pytest.raises(ValueError, match="the theorem allows two layers"):
            convergence_conditions(X, y, sizes)
    with pytest.raises(ValueError, match="y: found 3 rows; allowed are 5"):
        convergence_conditions(X, y[:3], (3, 3))
    with pytest.raises(ValueError, match="X: found the norm 0"):
        convergence_conditions(0 * X, y, (3, 3))
