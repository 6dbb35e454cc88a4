"""The log-loss objective, its lower bounds and its curvatures, against dense NumPy."""

import warnings
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, log_expit, logsumexp, softmax
from sklearn.linear_model import LogisticRegression

from sklearn_optland._loss import linear_passes_fast as kernels
from sklearn_optland.linear_model._logistic import curvatures as _curvature
from sklearn_optland.linear_model._logistic.dual_bound import dual_bound, lower_bound
from sklearn_optland.linear_model._logistic.problem import LogLossProblem

SETTINGS = {
    "seed": st.integers(0, 2**32 - 1),
    "n_classes": st.sampled_from([2, 2, 3, 5]),
    "fit_intercept": st.booleans(),
    "csr": st.booleans(),
    "n": st.integers(5, 40),
    "d": st.integers(1, 8),
    "weights": st.sampled_from([-3.0, 0.0, 3.0]),
    "spread": st.sampled_from([0.0, 1.0, 4.0]),
    "signal": st.sampled_from([0.0, 1.0, 100.0]),
}
PROBLEMS = st.fixed_dictionaries({**SETTINGS, "l2": st.sampled_from([1.0, 1.0, 0.0])})
PENALISED = st.fixed_dictionaries({**SETTINGS, "offset": st.sampled_from([0.0, 1.0, 1e4])})


def make_problem(
    seed, n_classes=2, fit_intercept=True, csr=False, n=40, d=4, weights=0.0, spread=0.0,
    signal=1.0, offset=1.0, l2=1.0, dtype=float,
):  # fmt: skip
    """A random problem and its pieces in NumPy.

    weights: log10 of their size; spread: columns from 10^-spread to 10^spread; offset: of their
    means; signal: how far apart the classes are, 100 is separable.
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + offset * rng.normal(size=d)
    scores = signal * X @ rng.normal(size=(d, n_classes)) + rng.gumbel(size=(n, n_classes))
    y = scores.argmax(axis=1).astype(np.int32)
    y[:n_classes] = np.arange(n_classes)
    X *= 10 ** rng.uniform(-spread, spread, d)
    if csr:
        X[rng.random(X.shape) < 0.5] = 0.0
    X = X.astype(dtype)
    c = 10**weights * rng.exponential(size=n) + 1e-3
    problem = LogLossProblem(
        sparse.csr_array(X) if csr else X,
        y,
        c,
        n_classes=n_classes,
        l2=l2,
        fit_intercept=fit_intercept,
    )
    A = np.column_stack([X, np.full(n, float(fit_intercept))]).astype(float)
    penalty = np.append(np.full(d, l2), 0.0)[:, None]
    return SimpleNamespace(problem=problem, A=A, y=y, c=c, penalty=penalty, k=problem.k, rng=rng)


def random_W(case, scale=1.0):
    """Parameters as the problem wants them: centred over the classes, the intercept last."""
    W = scale * case.rng.normal(size=(case.A.shape[1], case.k))
    if case.k > 1:
        W -= W.mean(axis=1, keepdims=True)
    if not case.problem.fit_intercept:
        W[-1] = 0.0
    return W


def objective(case, W):
    Z = case.A @ W
    if case.k == 1:
        losses = -log_expit(np.where(case.y, 1, -1) * Z[:, 0])
    else:
        losses = logsumexp(Z, axis=1) - Z[np.arange(len(Z)), case.y]
    return case.c @ losses + np.sum(case.penalty * W**2) / 2


def gradient(case, W):
    Z = case.A @ W
    P, Y = (
        (softmax(Z, axis=1), np.eye(case.k)[case.y]) if case.k > 1 else (expit(Z), case.y[:, None])
    )
    return case.A.T @ (case.c[:, None] * (P - Y)) + case.penalty * W


def dense_curvature(case, S):
    """sum_i c_i S_i kron x_i x_i' + penalty, for parameters in C order."""
    side = case.A.shape[1] * case.k
    M = np.einsum("i,iab,ij,il->jalb", case.c, S, case.A, case.A).reshape(side, side)
    return M + np.diag(np.repeat(case.penalty[:, 0], case.k))


def newton_classes(case, W):
    """diag p - pp' of each row."""
    Z = case.A @ W
    if case.k == 1:
        return (expit(Z) * expit(-Z))[:, :, None]
    P = softmax(Z, axis=1)
    return P[:, :, None] * np.eye(case.k) - P[:, :, None] * P[:, None, :]


def bohning_classes(case):
    k = case.k
    S = np.eye(1) / 4 if k == 1 else (np.eye(k) - 1 / k) / 2
    return np.broadcast_to(S, (len(case.y), k, k))


def optimum(case):
    """The lowest objective that scikit-learn finds."""
    model = LogisticRegression(
        tol=1e-14,
        max_iter=500,
        solver="newton-cholesky",
        fit_intercept=case.problem.fit_intercept,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(case.problem.X, case.y, sample_weight=case.c)
    W = np.vstack([model.coef_.T, model.intercept_ * np.ones((1, case.k))])
    return objective(case, W), W


# Values and derivatives


@given(settings=PROBLEMS, scale=st.sampled_from([0.0, 1e-3, 1.0, 10.0]))
def test_evaluate(settings, scale):
    case = make_problem(**settings)
    W = random_W(case, scale)
    point = case.problem.evaluate(W)
    assert_allclose(point.Z, case.A @ W, rtol=1e-12, atol=1e-13 * np.abs(case.A).max() * scale)
    assert point.objective == pytest.approx(objective(case, W), rel=1e-12)
    expected = gradient(case, W)
    terms = np.abs(case.A).T @ case.c + np.abs(case.penalty * W).max(axis=1)
    assert_allclose(point.gradient, expected, rtol=0, atol=1e-13 * terms.max())
    assert case.problem.passes == 1
    assert case.problem.evaluate(case.problem.zeros()).W.shape == W.shape


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gradient_is_the_slope_of_the_objective(n_classes, fit_intercept, global_random_seed):
    case = make_problem(global_random_seed, n_classes, fit_intercept)
    W, V, step = random_W(case), random_W(case), 1e-5
    evaluate = case.problem.evaluate
    slope = (evaluate(W + step * V).objective - evaluate(W - step * V).objective) / (2 * step)
    assert np.vdot(evaluate(W).gradient, V) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_float32_rows_are_taken_as_they_are(csr, n_classes, global_random_seed):
    case = make_problem(global_random_seed, n_classes, csr=csr, dtype=np.float32)
    W = random_W(case)
    point = case.problem.evaluate(W)
    assert point.objective == pytest.approx(objective(case, W), rel=1e-13)
    assert_allclose(point.gradient, gradient(case, W), rtol=1e-11, atol=1e-12)
    assert_allclose(case.problem.column_squares, case.c @ case.A**2, rtol=1e-6)


def test_memory_map(tmp_path, global_random_seed):
    case = make_problem(global_random_seed)
    np.save(tmp_path / "X.npy", case.problem.X)
    mapped = LogLossProblem(
        np.load(tmp_path / "X.npy", mmap_mode="r"),
        case.y,
        case.c,
        n_classes=2,
        l2=1.0,
        fit_intercept=True,
    )
    W = random_W(case)
    assert mapped.evaluate(W).objective == case.problem.evaluate(W).objective
    assert_array_equal(mapped.column_squares, case.problem.column_squares)


@given(settings=PROBLEMS)
def test_sums_of_columns(settings):
    case = make_problem(**settings)
    h = case.rng.normal(size=len(case.y))
    squares = case.c @ case.A**2
    squares[-1] = case.c.sum()
    assert_allclose(case.problem.column_squares, squares, rtol=1e-12)
    expected = case.A.T @ (h[:, None] * case.A)
    if not settings["fit_intercept"]:
        expected[-1, -1] = 1.0
    tolerance = 1e-13 * np.abs(case.A).T @ (np.abs(h)[:, None] * np.abs(case.A))
    assert (np.abs(case.problem.gram(h) - np.tril(expected)) <= tolerance).all()


@pytest.mark.parametrize("csr", [False, True])
def test_sums_that_overflow_are_refused(csr):
    X = np.full((6, 1), 1e200)
    case = make_problem(0, csr=csr, n=6, d=1)
    case.problem = LogLossProblem(
        sparse.csr_array(X) if csr else X, case.y, case.c, n_classes=2, l2=1.0, fit_intercept=True
    )
    with np.errstate(over="ignore"):
        with pytest.raises(ValueError, match="X: its products overflow"):
            case.problem.gram(case.c)
        with pytest.raises(ValueError, match="X: its products overflow"):
            _ = case.problem.column_squares


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("index", [slice(3, 11), np.array([1, 5, 6, 30])])
def test_some_of_the_rows(csr, index, global_random_seed):
    case = make_problem(global_random_seed, 3, csr=csr)
    W = random_W(case)
    part = SimpleNamespace(
        A=case.A[index], y=case.y[index], c=case.c[index], penalty=case.penalty, k=3
    )
    restricted, sample = case.problem.restrict(index), case.problem.sample(index)
    assert restricted.evaluate(W).objective == pytest.approx(objective(part, W), rel=1e-13)
    part.c = part.c * case.c.sum() / part.c.sum()
    assert sample.evaluate(W).objective == pytest.approx(objective(part, W), rel=1e-13)
    assert sample.c.sum() == pytest.approx(case.c.sum())


@given(settings=PROBLEMS)
def test_hessian_product(settings):
    case = make_problem(**settings)
    W, V = random_W(case), random_W(case)
    product = case.problem.hessian_operator(case.problem.evaluate(W).Z)(V)
    H = dense_curvature(case, newton_classes(case, W))
    A = np.abs(case.A)
    tolerance = 1e-13 * np.max(A.T @ (case.c[:, None] * (A @ np.abs(V))) + case.penalty)
    assert_allclose(product.ravel(), H @ V.ravel(), rtol=0, atol=tolerance)


# Newton directions


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("metric", ["identity", "Kronecker", "diagonal"])
def test_newton_direction(n_classes, fit_intercept, metric, global_random_seed):
    case = make_problem(global_random_seed, n_classes, fit_intercept, weights=-1.0)
    point = case.problem.evaluate(random_W(case, 0.3))

    def solve(G):
        return G

    if metric != "identity":
        curvature = {
            "Kronecker": _curvature.KroneckerCurvature,
            "diagonal": _curvature.DiagonalCurvature,
        }[metric](case.problem)
        curvature.refresh(point)
        solve = curvature.solve
    H = dense_curvature(case, newton_classes(case, point.W))

    def residual(V):
        return H @ V.ravel() + point.gradient.ravel()

    V = case.problem.newton_direction(point, solve, tolerance=0.1)
    assert np.vdot(point.gradient, V) < 0
    R = residual(V).reshape(V.shape)
    start = np.vdot(point.gradient, solve(point.gradient))
    assert np.vdot(R, solve(R)) <= 1.001e-2 * start

    V = case.problem.newton_direction(point, solve)
    assert np.sum(residual(V) ** 2) <= -0.1001 * np.vdot(point.gradient, V)


def test_newton_direction_at_a_stationary_point():
    # every row with both labels, and no penalty: 0 is the optimum, its gradient is exactly 0
    X = np.repeat(np.random.default_rng(0).normal(size=(4, 2)), 2, axis=0)
    problem = LogLossProblem(
        X, np.array([0, 1] * 4, np.int32), np.ones(8), n_classes=2, l2=1.0, fit_intercept=True
    )
    point = problem.evaluate(problem.zeros())
    V = problem.newton_direction(point, lambda G: G, tolerance=0.1)
    assert_allclose(V, 0.0, atol=1e-15)
    assert lower_bound(problem, point, V) == pytest.approx(8 * np.log(2), rel=1e-13)


# Steps


@given(
    settings=PROBLEMS,
    start=st.sampled_from([0.0, 1.0, 30.0]),
    kind=st.sampled_from(["newton", "gradient", "random"]),
    scale=st.sampled_from([1e-6, 0.1, 1.0, 10.0, 1e3, 1e8]),
)
def test_search_never_returns_a_higher_point(settings, start, kind, scale):
    case = make_problem(**settings)
    problem = case.problem
    point = problem.evaluate(random_W(case, start))
    direction = {
        "newton": lambda: problem.newton_direction(point, lambda G: G, tolerance=0.1),
        "gradient": lambda: -point.gradient,
        "random": lambda: random_W(case),
    }[kind]()
    new, t = problem.search(point, scale * direction)
    if new is None:
        assert t == 0
        return
    assert t > 0
    rounding = 1e-15 * np.abs(point.W).max()
    assert_allclose(new.W, point.W + t * scale * direction, rtol=1e-12, atol=rounding)
    assert new.objective <= point.objective * (1 + 1e-15)
    rounding = 1e-14 * case.c.sum() * (1 + np.abs(new.Z).max())
    assert new.objective == pytest.approx(objective(case, new.W), rel=1e-11, abs=rounding)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weights", [0.0, 290.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e6, 1e12])
def test_search_finds_a_step_on_a_line_of_descent(n_classes, weights, scale, global_random_seed):
    # however far the whole step overshoots
    case = make_problem(global_random_seed, n_classes, weights=weights, l2=0.0)
    point = case.problem.evaluate(case.problem.zeros())
    direction = -scale * point.gradient / np.abs(point.gradient).max()
    new, t = case.problem.search(point, direction)
    assert new.objective < point.objective
    assert_allclose(new.W, t * direction, rtol=1e-12)


@pytest.mark.parametrize("size", [1e200, 1e308, np.inf, np.nan])
def test_search_far_out_gives_a_lower_point_or_none(size, global_random_seed):
    case = make_problem(global_random_seed)
    point = case.problem.evaluate(case.problem.zeros())
    with np.errstate(all="ignore"):
        new, t = case.problem.search(point, np.full_like(point.W, size))
    assert (new is None and t == 0) or new.objective < point.objective


# Lower bounds


def check_bound(case, point, direction, best, W, prove=lower_bound):
    """A bound is at most the best objective, known to the rounding of its scores."""
    calls = iter(range(5000))

    def counted(*args):  # an endless loop becomes an error
        next(calls)
        return loss_along(*args)

    loss_along = kernels.loss_along
    with mock.patch.object(kernels, "loss_along", counted):
        bound = prove(case.problem, point, direction)
    rounding = 1e-15 * np.max(case.c @ (np.abs(case.A) @ np.abs(W)))
    assert 0 <= bound <= best * (1 + 1e-13) + rounding
    return bound


@given(
    settings=PENALISED,
    start=st.sampled_from([0.0, 1e-3, 0.1, 1.0, 10.0, 1e3]),
    near=st.booleans(),
    kind=st.sampled_from(["newton", "kronecker", "none", "random", "huge"]),
)
def test_lower_bound_is_below_the_optimum(settings, start, near, kind):
    # from poor points (zero, random) and from close to the optimum, with good and bad directions
    case = make_problem(**settings)
    problem = case.problem
    best, W = optimum(case)
    if case.k > 1:
        W -= W.mean(axis=1, keepdims=True)
    point = problem.evaluate(W * near + random_W(case, start))
    if point.objective < best:
        best, W = point.objective, point.W
    solve = _curvature.KroneckerCurvature(problem).solve if kind == "kronecker" else lambda G: G
    direction = {
        "newton": lambda: problem.newton_direction(point, solve),
        "kronecker": lambda: problem.newton_direction(point, solve),
        "none": problem.zeros,
        "random": lambda: random_W(case),
        "huge": lambda: random_W(case, 1e6),
    }[kind]()
    check_bound(case, point, direction, best, W)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("signal", [0.0, 1.0, 100.0])
@pytest.mark.parametrize("weights", [-3.0, 0.0, 3.0])
def test_lower_bound_is_tight(n_classes, fit_intercept, csr, signal, weights, global_random_seed):
    case = make_problem(
        global_random_seed, n_classes, fit_intercept, csr, signal=signal, weights=weights
    )
    problem = case.problem
    best, W = optimum(case)
    if case.k > 1:
        W -= W.mean(axis=1, keepdims=True)
    solve = _curvature.KroneckerCurvature(problem).solve
    for distance in (0.0, 1e-6, 1e-4):
        point = problem.evaluate(W + random_W(case, distance))
        direction = problem.newton_direction(point, solve)
        bound = check_bound(case, point, direction, best, W)
        true_gap = point.objective - best
        assert point.objective - bound <= 3 * true_gap + 1e-12 * best


@given(
    settings=PENALISED.filter(lambda settings: settings["n_classes"] > 2),
    start=st.sampled_from([0.0, 1e-3, 1.0, 10.0]),
    noise=st.sampled_from([0.0, 1e-3, 1.0, 100.0]),
)
def test_dual_bound_is_below_the_optimum(settings, start, noise):
    case = make_problem(**settings)
    best, W = optimum(case)
    point = case.problem.evaluate(random_W(case, start))
    scores = point.Z + noise * case.rng.normal(size=point.Z.shape)
    check_bound(case, point, scores, min(best, point.objective), W, dual_bound)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_dual_bound_is_tight(fit_intercept, global_random_seed):
    case = make_problem(global_random_seed, 3, fit_intercept, True)
    best, W = optimum(case)
    point = case.problem.evaluate(W - W.mean(axis=1, keepdims=True))
    bound = check_bound(case, point, point.Z, best, W, dual_bound)
    assert bound == pytest.approx(best, rel=1e-11)


# Curvatures

CURVATURES = {
    "gram": (_curvature.GramCurvature, [2]),
    "jc12": (_curvature.JC12Curvature, [3, 4]),
    "kronecker": (_curvature.KroneckerCurvature, [2, 4]),
    "kronecker-mean": (_curvature.KroneckerCurvature, [2, 4]),
    "diagonal": (_curvature.DiagonalCurvature, [2, 4]),
    "diagonal-mean": (_curvature.DiagonalCurvature, [2]),
}
MAJORIZERS = [name for name in CURVATURES if not name.endswith("mean")]
METRICS = [
    (name, k, ridge)
    for name, (_, ks) in CURVATURES.items()
    for k in ks
    for ridge in ([0.0] if name.startswith("diagonal") else [0.0, 0.3])
]


def set_curvature(name, case, point, **options):
    """The curvature at a point, with what it needs to majorize."""
    curvature = CURVATURES[name][0](case.problem, **options)
    if name in ("kronecker", "diagonal"):
        curvature.bohning()
    else:
        curvature.refresh(point)
    return curvature


def expected_matrix(name, case, W):
    """The same as a dense matrix."""
    if name == "gram":
        return dense_curvature(case, ratio(case.A @ W)[:, :, None])
    if name == "jc12":
        S = np.array([jc12_classes(z) for z in case.A @ W])
        return dense_curvature(case, S)
    classes = bohning_classes(case)
    if name.endswith("mean"):
        mean = np.average(newton_classes(case, W), axis=0, weights=case.c)
        classes = np.broadcast_to(mean, classes.shape)
    if name.startswith("kronecker"):
        return dense_curvature(case, classes)
    weighted = case.c[:, None] * np.abs(case.A)
    columns = np.sum(weighted.T @ np.abs(case.A), axis=1)  # row sums: a majorizer
    if name == "diagonal-mean":
        columns = case.c @ case.A**2
    return np.kron(np.diag(columns), classes[0]) + np.diag(np.repeat(case.penalty, case.k))


def ratio(r):
    return np.where(r == 0, 0.25, np.tanh(r / 2) / (2 * np.where(r == 0, 1.0, r)))


def jc12_classes(z):
    """Algorithm 1 for unit vectors, classes in descending order of their scores."""
    k = len(z)
    order = np.argsort(-z)
    mu, S, log_z = np.eye(k)[order[0]], np.zeros((k, k)), z[order[0]]
    for y in order[1:]:
        r = z[y] - log_z
        step = np.eye(k)[y] - mu
        S += ratio(r) * np.outer(step, step)
        mu = mu + expit(r) * step
        log_z = np.logaddexp(log_z, z[y])
    return S


@pytest.mark.parametrize(("name", "n_classes", "ridge"), METRICS)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("l2", [1.0, 0.0])
def test_solve_is_the_inverse_of_the_dense_matrix(
    name, n_classes, ridge, fit_intercept, csr, l2, global_random_seed
):
    case = make_problem(global_random_seed, n_classes, fit_intercept, csr, l2=l2, weights=-1.0)
    W, G = random_W(case), random_W(case)
    M, options = expected_matrix(name, case, W), {}
    if ridge:  # of the columns, not of the intercept
        columns = np.append(np.full(case.A.shape[1] - 1, ridge), 0.0)
        M += np.diag(np.repeat(columns, case.k))
        options["ridge"] = ridge if name.startswith("kronecker") else columns
    out = set_curvature(name, case, case.problem.evaluate(W), **options).solve(G)
    assert_allclose(M @ out.ravel(), G.ravel(), rtol=0, atol=1e-11 * np.abs(G).max())
    if case.k > 1:
        assert_allclose(out.sum(axis=1), 0, atol=1e-13 * np.abs(out).max())
    if not fit_intercept:
        assert_array_equal(out[-1], 0)


def test_newton_gram_is_the_inverse_of_the_hessian(global_random_seed):
    case = make_problem(global_random_seed)
    W, G = random_W(case), random_W(case)
    curvature = _curvature.GramCurvature(case.problem)
    curvature.refresh(case.problem.evaluate(W), 0.0)
    H = dense_curvature(case, newton_classes(case, W))
    assert_allclose(curvature.solve(G), np.linalg.solve(H, G), rtol=1e-10)


def case_for(name, settings):
    """A problem with a number of classes that the curvature is for."""
    n_classes = CURVATURES[name][1]
    return make_problem(**{**settings, "n_classes": n_classes[settings["seed"] % len(n_classes)]})


@pytest.mark.parametrize("name", MAJORIZERS)
@given(settings=PROBLEMS, start=st.sampled_from([0.0, 0.1, 1.0, 10.0]))
def test_a_majorization_step_never_raises_the_objective(name, settings, start):
    case = case_for(name, settings)
    point = case.problem.evaluate(random_W(case, start))
    step = set_curvature(name, case, point).solve(point.gradient)
    assert np.vdot(point.gradient, step) >= 0
    assert objective(case, point.W - step) <= point.objective * (1 + 1e-12)


@pytest.mark.parametrize("name", MAJORIZERS)
@given(
    settings=PROBLEMS,
    start=st.sampled_from([0.0, 0.1, 1.0, 10.0]),
    move=st.sampled_from([1e-3, 1.0, -1.0, 10.0, 1e3]),
)
def test_majorizers_bound_the_objective_everywhere(name, settings, start, move):
    # F(W - S) <= F(W) - <gradient, S> + 1/2 <S, M S>, for S = M^-1 G with any G
    case = case_for(name, settings)
    point = case.problem.evaluate(random_W(case, start))
    G = np.abs(point.gradient).max() * move * random_W(case)
    S = set_curvature(name, case, point).solve(G)
    linear, quadratic = np.vdot(point.gradient, S), np.vdot(G, S) / 2
    assert quadratic >= 0
    rounding = 1e-11 * (point.objective + abs(linear) + quadratic)
    assert objective(case, point.W - S) <= point.objective - linear + quadratic + rounding


@given(settings=PROBLEMS, radius=st.sampled_from([1e-3, 0.1, 1.0, 5.0]))
def test_gram_curvature_majorizes_within_its_radius(settings, radius):
    case = make_problem(**{**settings, "n_classes": 2, "spread": 0.0})
    point = case.problem.evaluate(random_W(case))
    curvature = _curvature.GramCurvature(case.problem)
    curvature.refresh(point, radius)
    G = random_W(case)
    S = curvature.solve(G)
    shorter = radius / (np.abs(case.A @ S).max() + 1e-12)
    S, G = shorter * S, shorter * G
    linear, quadratic = np.vdot(point.gradient, S), np.vdot(G, S) / 2
    rounding = 1e-11 * (point.objective + abs(linear) + quadratic)
    assert objective(case, point.W - S) <= point.objective - linear + quadratic + rounding


@pytest.mark.parametrize("name", MAJORIZERS)
@pytest.mark.parametrize("columns", ["repeated", "constant", "zero"])
@pytest.mark.parametrize("l2", [1.0, 0.0])
def test_collinear_columns_still_give_a_descent_step(name, columns, l2, global_random_seed):
    case = make_problem(global_random_seed, CURVATURES[name][1][0], l2=l2)
    problem = case.problem
    case.A[:, 0] = {"repeated": case.A[:, 1], "constant": 2.0, "zero": 0.0}[columns]
    case.problem = LogLossProblem(
        np.ascontiguousarray(case.A[:, :-1]),
        case.y,
        case.c,
        n_classes=problem.n_classes,
        l2=l2,
        fit_intercept=True,
    )
    point = case.problem.evaluate(case.problem.zeros())
    new = case.problem.evaluate(-set_curvature(name, case, point).solve(point.gradient))
    assert new.objective < point.objective


@pytest.mark.parametrize(
    ("name", "n_classes", "d", "side"),
    [("gram", 2, 5000, 5001), ("kronecker", 3, 5000, 5001), ("jc12", 5, 1000, 5005)],
)
def test_large_matrices_are_refused(name, n_classes, d, side):
    case = make_problem(0, n_classes, csr=True, n=5, d=d)
    with pytest.raises(ValueError, match=f"side {side}.* at most 5000"):
        CURVATURES[name][0](case.problem)


# Samples and single precision


def rows_of(problem):
    return problem.X.toarray() if sparse.issparse(problem.X) else problem.X


@pytest.mark.parametrize("csr", [False, True])
def test_importance_samples(csr, global_random_seed):
    # Rows that alone hold a column come with certainty; all others in proportion; weights undo it.
    case = make_problem(global_random_seed, n=4000, d=3, csr=csr)
    problem = case.problem
    small, large = (problem.importance_sample(size, global_random_seed) for size in (400, 2000))
    # a row is drawn with at least half its share of the weights
    assert small.c.max() <= max(case.c.max(), case.c.sum() / (0.5 * 400)) * (1 + 1e-12)
    assert small.n_samples == pytest.approx(400, abs=100)
    assert {row.tobytes() for row in rows_of(small)} <= {row.tobytes() for row in rows_of(large)}
    assert large.c.sum() == pytest.approx(case.c.sum(), rel=0.2)
    whole = problem.importance_sample(1e9, global_random_seed)
    assert_allclose(whole.c, case.c)
    gram = large.gram(large.c)
    assert_allclose(np.diag(gram)[:-1], problem.column_squares[:-1], rtol=0.2)


# Float32


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("spread", [0.0, 20.0])
@pytest.mark.parametrize(("n_classes", "n", "d"), [(3, 33, 5), (4, 300, 20), (7, 3000, 130)])
def test_float32(n_classes, n, d, spread, fit_intercept, global_random_seed):
    case = make_problem(
        global_random_seed, n_classes, fit_intercept, spread=spread, n=n, d=d, weights=-1.0
    )
    scale = np.sqrt(case.problem.column_squares)[:, None]
    W, V = random_W(case) / scale, random_W(case) / scale
    rounded, point = case.problem.in_float32.evaluate(W), case.problem.evaluate(W)
    assert rounded.objective == pytest.approx(point.objective, rel=1e-6)
    assert_allclose(rounded.Z, point.Z, atol=1e-5 * np.abs(point.Z).max())
    in_units = np.abs(point.gradient / scale).max()
    assert np.abs((rounded.gradient - point.gradient) / scale).max() <= 1e-5 * in_units
    exact = case.problem.hessian_operator(point.Z)(V) / scale
    product = case.problem.in_float32.hessian_operator(point.Z)(V) / scale
    assert np.abs(product - exact).max() <= 1e-5 * np.abs(exact).max()
    h = np.random.default_rng(0).uniform(size=n)
    gram = case.problem.in_float32.gram(h) / scale / scale.T
    exact = case.problem.gram(h) / scale / scale.T
    assert_allclose(np.tril(gram), np.tril(exact), atol=1e-5 * np.abs(exact).max())


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("n_classes", "n", "d"), [(3, 20, 45), (9, 40, 90)])
def test_float32_of_sparse_rows(n_classes, n, d, fit_intercept, global_random_seed):
    case = make_problem(global_random_seed, n_classes, fit_intercept, csr=True, n=n, d=d)
    problem = case.problem
    W = random_W(case, 0.1)
    rounded, point = problem.in_float32.evaluate(W), problem.evaluate(W)
    assert rounded.objective == pytest.approx(point.objective, rel=1e-6)
    assert_allclose(rounded.Z, point.Z, atol=1e-5 * np.abs(point.Z).max())
    assert_allclose(rounded.gradient, point.gradient, atol=1e-5 * np.abs(point.gradient).max())
    H = dense_curvature(case, newton_classes(case, W))

    def residual(V):
        return H @ V.ravel() + point.gradient.ravel()

    V = problem.in_float32.newton_direction(point, None, tolerance=1e-3)
    assert_allclose(V.sum(axis=1), 0.0, atol=1e-14)
    assert_allclose(V[-1] * (not fit_intercept), 0.0)
    assert np.linalg.norm(residual(V)) <= 0.05 * np.linalg.norm(point.gradient)
    V = problem.in_float32.newton_direction(point, None)
    assert np.sum(residual(V) ** 2) <= -0.11 * np.vdot(point.gradient, V)


def test_float32_keeps_small_losses_and_takes_ties():
    X = np.array([[0.0], [20.0], [-20.0]])
    problem = LogLossProblem(
        X, np.array([0, 1, 0], np.int32), np.ones(3), n_classes=3, l2=0.0, fit_intercept=False
    )
    W = np.array([[-1.0, 2.0, -1.0], [0.0, 0.0, 0.0]])
    exact, rounded = problem.evaluate(W), problem.in_float32.evaluate(W)
    assert rounded.objective == pytest.approx(exact.objective, rel=1e-6)
    part = problem.restrict(slice(1, 2))
    exact, rounded = part.evaluate(W), part.in_float32.evaluate(W)
    assert 0 < exact.objective < 1e-20
    assert rounded.objective == pytest.approx(exact.objective, rel=1e-4)
    assert_allclose(rounded.gradient, exact.gradient, rtol=1e-4)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("name", ["diagonal", "Hessian", "class blocks", "pairs"])
def test_preconditioners(name, fit_intercept, global_random_seed):
    case = make_problem(global_random_seed, 3, fit_intercept, n=300, d=6, weights=-1.0)
    point = case.problem.evaluate(random_W(case))
    curvature = {
        "diagonal": _curvature.DiagonalCurvature,
        "Hessian": _curvature.HessianCurvature,
        "class blocks": _curvature.ClassBlocksCurvature,
        "pairs": _curvature.PairCurvature,
    }[name](case.problem.in_float32)
    curvature.refresh(point)
    G = centred(random_W(case), fit_intercept)
    V = curvature.solve(G)
    assert V.flags.c_contiguous
    assert_allclose(V.sum(axis=1), 0.0, atol=1e-12 * np.abs(V).max())
    assert_allclose(V[-1] * (not fit_intercept), 0.0)
    # symmetric, positive, and close to the Hessian: conjugate gradients take a few steps
    U = centred(random_W(case), fit_intercept)
    assert np.vdot(U, V) == pytest.approx(np.vdot(curvature.solve(U), G), rel=1e-3)
    assert np.vdot(G, V) > 0
    H = dense_curvature(case, newton_classes(case, point.W))
    ratio = np.vdot(V, H @ V.ravel()) / np.vdot(G, V)
    tolerance = {"diagonal": 1.0, "Hessian": 0.2, "class blocks": 0.5, "pairs": 0.1}[name]
    assert ratio == pytest.approx(1.0, abs=tolerance)


def centred(W, fit_intercept):
    W = W - W.mean(axis=1, keepdims=True)
    W[-1] *= fit_intercept
    return W
