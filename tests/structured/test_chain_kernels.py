"""Recursions and steps of a chain against the enumeration of all labellings."""

import itertools

import numpy as np
import pytest
from helpers import SEEDS, STORAGES, assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from structured.brute import BruteChain, brute_objective, random_sequences

from sklearn_optland._rows.rows import as_rows
from sklearn_optland.structured._chain import solvers
from sklearn_optland.structured._chain.chain_fast import Chain, aligned, lanes_of
from sklearn_optland.structured._chain.problem import ChainProblem
from sklearn_optland.structured._chain.solvers import AverageGradient
from sklearn_optland.structured._chain.solvers import DualAscent as Solver

pytestmark = pytest.mark.kernels

CASES = st.fixed_dictionaries(
    {
        "n_sequences": st.integers(1, 4),
        "longest": st.integers(1, 5),
        "k": st.integers(2, 4),
        "d": st.integers(1, 4),
        # beyond 150, differences of transitions are taken on logarithms
        "scale": st.sampled_from([0.0, 0.1, 1.0, 10.0, 300.0]),
    }
)


def in_lanes(theta):
    out = aligned(len(theta), lanes_of(theta.shape[1]))
    out[:, : theta.shape[1]] = theta
    return out


def make_chain(X, starts, codes, theta, k, has_ends=True, storage="dense"):
    theta, d = in_lanes(theta), X.shape[1]
    chain = Chain(as_rows(STORAGES[storage](X)), starts, k, codes)
    chain.set(theta[:d], theta[d : d + k], theta[d + k :] if has_ends else None)
    return chain


def brutes(X, starts, theta, k, has_ends=True):
    d = X.shape[1]
    W, A, ends = theta[:d], theta[d : d + k], theta[d + k :] * has_ends
    return [BruteChain(X[a:b] @ W, A, *ends) for a, b in itertools.pairwise(starts)]


@given(SEEDS, CASES, st.booleans(), st.sampled_from(["dense", "csr"]))
def test_distributions(seed, case, has_ends, storage):
    rng, k = np.random.default_rng(seed), case["k"]
    X, starts, codes, theta = random_sequences(rng, **case)
    chain = make_chain(X, starts, codes, theta, k, has_ends, storage)
    n = len(starts) - 1
    p, pairs = aligned(starts[-1], lanes_of(k)), aligned(n, k, lanes_of(k))
    entropies, log_z, losses = np.empty(n), np.empty(n), np.empty(n)
    chain.marginals(0, n, p, pairs, np.arange(n), entropies, log_z)
    chain.losses(0, n, losses)
    assert (p[:, k:] == 0).all()
    for i, brute in enumerate(brutes(X, starts, theta, k, has_ends)):
        size = 1 + np.abs(brute.scores).max()
        tokens = slice(starts[i], starts[i + 1])
        assert_allclose(log_z[i], brute.log_z, rtol=0, atol=1e-13 * size)
        assert_allclose(p[tokens, :k], brute.tokens, rtol=0, atol=1e-13 * size)
        assert_allclose(pairs[i, :, :k], brute.pairs, rtol=0, atol=1e-13 * size)
        assert_allclose(entropies[i], brute.entropy, rtol=0, atol=1e-12 * size)
        loss = brute.log_z - brute.scores[brute.number(codes[tokens])]
        assert_allclose(losses[i], loss, rtol=0, atol=1e-13 * size)


@given(SEEDS, CASES, st.booleans())
def test_best_labelling(seed, case, some_forbidden):
    rng, k = np.random.default_rng(seed), case["k"]
    X, starts, codes, theta = random_sequences(rng, **case)
    chain = make_chain(X, starts, codes, theta, k)
    A = in_lanes(theta[X.shape[1] : X.shape[1] + k])
    allowed = np.ones((k, k), dtype=bool)
    if some_forbidden:  # a label may always follow itself
        allowed = (rng.random((k, k)) < 0.6) | np.eye(k, dtype=bool)
        A[:, :k][~allowed] = -np.inf
    paths = np.empty(starts[-1], dtype=np.int32)
    chain.decode(0, len(starts) - 1, A, paths)
    for i, brute in enumerate(brutes(X, starts, theta, k)):
        is_allowed = allowed[brute.paths[:, :-1], brute.paths[:, 1:]].all(axis=1)
        best = brute.scores[is_allowed].max()
        number = brute.number(paths[starts[i] : starts[i + 1]])
        assert is_allowed[number]
        assert brute.scores[number] >= best - 1e-12 * (1 + np.abs(best))


@given(SEEDS, CASES, st.booleans(), st.sampled_from(list(STORAGES)))
def test_objective_and_gradient(seed, case, has_ends, storage):
    rng, k = np.random.default_rng(seed), case["k"]
    X, starts, codes, theta = random_sequences(rng, **case)
    X = X.astype(np.float32).astype(float)
    c = rng.uniform(0.1, 3.0, size=len(starts) - 1)
    problem = ChainProblem(
        STORAGES[storage](X), starts, codes, c, k, has_ends=has_ends, only_observed=False
    )
    theta[X.shape[1] + k :] *= has_ends
    value, gradient = problem.evaluate(in_lanes(theta))
    expected = brute_objective(theta, X, starts, codes, c, k, has_ends)
    assert_allclose(value, expected[0], rtol=1e-12)
    assert_allclose(problem.objective(in_lanes(theta)), expected[0], rtol=1e-12)
    assert_close(gradient[:, :k], expected[1], rtol=1e-11)
    assert (gradient[:, k:] == 0).all()


@given(SEEDS, CASES)
def test_draws_have_the_model_s_probabilities(seed, case):
    rng, k = np.random.default_rng(seed), case["k"]
    X, starts, codes, theta = random_sequences(rng, **(case | {"n_sequences": 1, "longest": 3}))
    chain = make_chain(X, starts, codes, theta, k)
    n_draws, n = 400, starts[-1]
    labels = np.empty((n_draws, n), dtype=np.int32)
    chain.draw(0, 1, rng.uniform(size=n_draws * n), labels)
    (brute,) = brutes(X, starts, theta, k)
    counts = np.array([(labels == path).all(axis=1).sum() for path in brute.paths])
    assert counts.sum() == n_draws
    # of a binomial, six deviations and one more for the rare ones
    assert (np.abs(counts - n_draws * brute.p) <= 6 * np.sqrt(n_draws * brute.p) + 1).all()


def make_solver(X, starts, codes, c, k, has_ends=True, theta=None, kind=Solver):
    problem = ChainProblem(X, starts, codes, c, k, has_ends=has_ends, only_observed=False)
    return kind(problem, theta, 0.0, np.random.RandomState(0))


@settings.get_profile("fits")
@given(
    SEEDS,
    CASES | st.just({"n_sequences": 3, "longest": 120, "k": 2, "d": 2, "scale": 1.0}),
    st.sampled_from([1e-3, 1.0, 30.0]),
    st.booleans(),
    st.booleans(),
)
def test_no_visit_lowers_the_dual_objective(seed, case, weight, has_ends, only_observed):
    rng, k = np.random.default_rng(seed), case["k"]
    X, starts, codes, _ = random_sequences(rng, **case)
    c = weight * rng.uniform(0.1, 3.0, size=len(starts) - 1)
    problem = ChainProblem(X, starts, codes, c, k, has_ends=has_ends, only_observed=only_observed)
    solver = Solver(problem, None, 0.0, np.random.RandomState(0))
    bound = solver.lower_bound
    assert bound == 0
    least = min(problem.objective(problem.zeros()), problem.objective(solver.theta))
    for i in rng.integers(len(c), size=40).astype(np.int32):
        solver.duals.visit(np.array([i], dtype=np.int32))
        new = solver.lower_bound
        assert new >= bound - 1e-13 * (1 + least)
        bound = new
    assert bound <= min(least, problem.objective(solver.theta)) + 1e-12 * (1 + least)


@settings.get_profile("fits")
@given(SEEDS, CASES, st.booleans(), st.sampled_from([Solver, AverageGradient]))
def test_image_of_the_duals(seed, case, has_ends, kind):
    rng, k = np.random.default_rng(seed), case["k"]
    X, starts, codes, theta = random_sequences(rng, **(case | {"scale": 1.0}))
    d, c = X.shape[1], rng.uniform(0.1, 3.0, size=len(starts) - 1)
    start = in_lanes(theta) if seed % 2 else None
    solver = make_solver(X, starts, codes, c, k, has_ends, start, kind)
    for _ in range(3):
        solver.duals.visit(np.arange(len(c), dtype=np.int32))
    mu, xi = solver.duals.mu[:, :k], solver.duals.xi[:, :, :k]
    assert_allclose(mu.sum(axis=1), 0.0, atol=1e-12)
    weights = np.repeat(c, np.diff(starts))[:, None]
    rest = -weights * mu
    image = np.zeros((d + k + 2, k))
    image[:d] = X.T @ rest
    for i, number in enumerate(solver.duals.pairs):
        if number >= 0:
            image[d : d + k] -= c[i] * xi[number]
    if has_ends:
        image[d + k] = rest[starts[:-1]].sum(axis=0)
        image[d + k + 1] = rest[starts[1:] - 1].sum(axis=0)
    assert_close(solver.image[:, :k], image, rtol=1e-10)


@settings.get_profile("fits")
@given(SEEDS, CASES, st.sampled_from([0.1, 1.0, 30.0]), st.booleans(), st.booleans())
def test_rounding_of_float32_marginals_is_known(seed, case, weight, has_ends, has_gram):
    """Parameters are the image of what is kept; that of the exact mixture is as near as said."""
    rng, k = np.random.default_rng(seed), case["k"]
    X, starts, codes, theta = random_sequences(rng, **(case | {"n_sequences": 1, "scale": 1.0}))
    d, lanes, c = X.shape[1], lanes_of(k), np.full(1, weight)
    problem = ChainProblem(X, starts, codes, c, k, has_ends=has_ends, only_observed=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solvers, "LONGEST_GRAM", 100 if has_gram else 0)
        solver = Solver(problem, None, 1e-2, np.random.RandomState(0))
    duals, one = solver.duals, np.zeros(1, dtype=np.int32)
    assert duals.mu.dtype == np.float32

    def kept():
        return duals.mu.astype(float), duals.xi.sum(axis=0, dtype=float)

    def image(mu, xi):
        return np.vstack([X.T @ mu, xi, has_ends * mu[0], has_ends * mu[-1]])

    duals.visit(one)
    solver.theta[:, :k] = theta * np.append(np.ones(d + k), [has_ends] * 2)[:, None]
    duals.set(*problem.parts(solver.theta))
    p, pairs, h = aligned(len(codes), lanes), aligned(1, k, lanes), np.empty(1)
    duals.marginals(0, 1, p, pairs, np.zeros(1, dtype=np.int64), h, np.empty(1))
    (mu, xi), before, entropy = kept(), solver.theta.copy(), duals.entropy[0]
    p -= np.eye(lanes)[codes]
    np.subtract.at(pairs[0], (codes[:-1], codes[1:]), 1.0)
    duals.rounding[:] = 0.0
    duals.visit(one)
    now = kept()
    assert_allclose(solver.theta - before, -c * image(now[0] - mu, now[1] - xi), atol=1e-13)
    # the share g of the mixture, from its entropy: rise = g (h - entropy) + g (1 - g) tau^2 / 2
    half = 0.5 * np.abs(p - mu).sum(axis=1).max() ** 2
    rise, slope = duals.entropy[0] - entropy, h[0] - entropy + half
    root = np.sqrt(max(slope**2 - 4 * half * rise, 0.0))
    shares = [0.0, *(2 * rise / x for x in (slope + root, slope - root) if x != 0)]
    exact = [(mu + g * (p - mu), xi + g * (pairs[0] * (len(codes) > 1) - xi)) for g in shares]
    rest = [np.linalg.norm(image(now[0] - u, now[1] - v)) for u, v in exact]
    assert min(rest) <= (1 + 1e-5) * duals.rounding[0] + 1e-12
    assert duals.rounding[0] <= 1e-6 * (1 + np.abs(X).sum())
    duals.widen()
    assert duals.mu.dtype == duals.xi.dtype == np.float64
    assert_array_equal(kept()[0], now[0])


@settings.get_profile("fits")
@given(
    SEEDS,
    CASES | st.just({"n_sequences": 3, "longest": 120, "k": 2, "d": 2, "scale": 1.0}),
    st.booleans(),
    st.sampled_from(["dense", "csr"]),
)
def test_steps_along_average_gradients(seed, case, has_ends, storage):
    """Lazy steps are those of plain SAG, gradients those at the last visits."""
    rng, k = np.random.default_rng(seed), case["k"]
    X, starts, codes, theta = random_sequences(rng, **(case | {"scale": 1.0}))
    c = rng.uniform(0.1, 3.0, size=len(starts) - 1)
    theta[X.shape[1] + k :] *= has_ends
    make = make_solver, STORAGES[storage](X), starts, codes, c, k, has_ends
    solver = make[0](*make[1:], kind=AverageGradient)
    problem, n = solver.problem, len(c)
    gradients, plain = np.zeros((n, *problem.shape)), problem.zeros()
    for i in rng.integers(n, size=15).astype(np.int32):
        gradient = problem.zeros()
        problem.source.rows[0].set(*problem.parts(plain))
        problem.source.rows[0].gradient(i, i + 1, c, gradient)
        gradients[i] = gradient
        before, L = solver.lipschitz.max(), solver.lipschitz
        solver.duals.visit(np.array([i], dtype=np.int32))
        rate = min(0.5 / (1 + n * max(before, L.max())) + 0.5 / (1 + L.sum()), 0.5)
        plain = plain - rate * (plain + gradients.sum(axis=0))
    solver.duals.catch_up()
    assert_close(solver.image, -gradients.sum(axis=0), rtol=1e-9)
    assert_close(solver.theta, plain, rtol=1e-9)


@settings.get_profile("fits")
@given(SEEDS, CASES, st.booleans(), st.booleans())
def test_lipschitz_constants_keep_what_a_step_promises(seed, case, has_ends, has_gram):
    """A step of 1 / L against a sequence's gradient falls by |gradient|^2 / 2 L."""
    rng, k = np.random.default_rng(seed), case["k"]
    X, starts, codes, _ = random_sequences(rng, **(case | {"n_sequences": 1}))
    c = rng.uniform(0.1, 30.0, size=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solvers, "LONGEST_GRAM", 100 if has_gram else 0)
        solver = make_solver(X, starts, codes, c, k, has_ends, kind=AverageGradient)
    problem, before = solver.problem, solver.lipschitz[0]
    chain = problem.source.rows[0]

    def loss_and_gradient(at):
        gradient = problem.zeros()
        chain.set(*problem.parts(at))
        return chain.gradient(0, 1, c, gradient), gradient

    loss, gradient = loss_and_gradient(problem.zeros())
    square = np.vdot(gradient, gradient)
    solver.duals.visit(np.zeros(1, dtype=np.int32))
    L = solver.lipschitz[0]

    def keeps(L):
        return loss - loss_and_gradient(-gradient / L)[0] >= (1 - 1e-6) * square / (2 * L)

    if L / before < 1:
        assert_allclose(L, 0.9 * before)
        assert keeps(before)
    else:
        assert keeps(L)
        assert before == L or not keeps((1 - 1e-3) * L / 2)


@settings.get_profile("fits")
@given(SEEDS, CASES, st.sampled_from([0.1, 1.0, 10.0]))
def test_the_first_visit_is_the_best_mixture(seed, case, weight):
    """The entropy kept is that of the mixture, and no other share has a higher dual objective."""
    rng, k = np.random.default_rng(seed), case["k"]
    X, starts, codes, _ = random_sequences(rng, **(case | {"n_sequences": 1, "longest": 4}))
    y = codes
    solver = make_solver(X, starts, codes, np.array([weight]), k)
    brute = BruteChain(np.zeros((len(y), k)), np.zeros((k, k)), np.zeros(k), np.zeros(k))
    own = np.zeros(len(brute.paths))
    own[brute.number(y)] = 1.0

    def dual(share):
        alpha = (1 - share) * own + share * brute.p
        entropy = -np.sum(alpha[alpha > 0] * np.log(alpha[alpha > 0]))
        unit = (1 - share) * np.eye(k)[y] + share * brute.tokens
        rest = np.eye(k)[y] - unit
        pairs = np.zeros((k, k))
        np.add.at(pairs, (y[:-1], y[1:]), share)
        pairs -= share * brute.pairs
        theta = np.concatenate([X.T @ rest, pairs, rest[:1], rest[-1:]])
        return weight * entropy - 0.5 * weight**2 * np.vdot(theta, theta)

    solver.duals.visit(np.zeros(1, dtype=np.int32))
    found = solver.lower_bound
    assert found >= max(dual(share) for share in np.linspace(0, 1, 201)) * (1 - 1e-3) - 1e-12
    other = (y[0] + 1) % k
    share = solver.duals.mu[0, other] * k
    assert_allclose(found, dual(share), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_long_chains_and_large_scores_are_finite(scale):
    rng = np.random.default_rng(0)
    n, k = 10_000, 3
    X, codes = rng.normal(size=(n, 2)), rng.integers(k, size=n).astype(np.int32)
    starts = np.array([0, n])
    theta = scale * rng.normal(size=(2 + k + 2, k))
    chain = make_chain(X, starts, codes, theta, k)
    p, one = aligned(n, lanes_of(k)), [np.empty(1) for _ in range(3)]
    chain.marginals(0, 1, p, None, np.full(1, -1), one[0], one[1])
    chain.losses(0, 1, one[2])
    assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    # a plain recursion on logarithms
    s = X @ theta[:2]
    message = s[0] + theta[-2]
    for row in s[1:]:
        message = row + np.logaddexp.reduce(message[:, None] + theta[2 : 2 + k])
    assert_allclose(one[1][0], np.logaddexp.reduce(message + theta[-1]), rtol=1e-12)
    assert np.isfinite(one[0]).all()
    assert one[2][0] > 0


def test_many_labels_fill_several_blocks_of_lanes():
    """One to three octets, and more, are loops of their own."""
    rng = np.random.default_rng(1)
    for k in (2, 8, 9, 17, 24, 25, 40, 50):
        X, starts, codes, theta = random_sequences(
            rng, n_sequences=3, longest=2, k=k, d=3, scale=1.0
        )
        c = np.ones(3)
        problem = ChainProblem(X, starts, codes, c, k, has_ends=True, only_observed=False)
        value, gradient = problem.evaluate(in_lanes(theta))
        expected = brute_objective(theta, X, starts, codes, c, k, True)
        assert_allclose(value, expected[0], rtol=1e-12)
        assert_close(gradient[:, :k], expected[1], rtol=1e-11)


def test_scratch_of_a_long_sequence_leaves_nothing_for_a_short_one():
    rng = np.random.default_rng(2)
    X, starts, codes, _ = random_sequences(rng, n_sequences=6, longest=9, k=3, d=4)
    c = np.ones(6)
    for i in range(6):
        tokens = slice(starts[i], starts[i + 1])
        own = np.array([0, starts[i + 1] - starts[i]])
        alone = make_solver(X[tokens], own, codes[tokens], c[:1], 3)
        among = make_solver(X, starts, codes, c, 3)
        among.duals.visit(np.array([i], dtype=np.int32))
        alone.duals.visit(np.zeros(1, dtype=np.int32))
        assert_allclose(among.duals.mu[tokens], alone.duals.mu, rtol=1e-13)
        assert_allclose(among.lower_bound, alone.lower_bound, rtol=1e-12)
