"""The maximum over the sphere: bounds above fine grids, and no further above than promised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_optland.neural_network import MeanFieldTwoLayerNet
from sklearn_optland.neural_network._mean_field import branch_and_bound
from sklearn_optland.neural_network._mean_field import first_variation as _sphere
from sklearn_optland.neural_network._mean_field.ascent import SAME, FirstVariation, Inputs
from sklearn_optland.neural_network._mean_field.first_variation_fast import bound_triangles

pytestmark = pytest.mark.kernels

TOL = 1e-5
SEEDS = st.integers(0, 2**32 - 1)


def maximum_over_sphere(X, R, **settings):
    """The maximum for arrays."""
    R = np.asarray(R, dtype=float).reshape(len(X), -1)
    return _sphere.maximum_over_sphere(Inputs.of_array(X), R, R.shape[1], **settings)


def norm_of_f(X, R, points):
    """|sum_i relu(x_i't) R_i| at points, in one line."""
    return np.linalg.norm(np.maximum(points @ X.T, 0) @ R.reshape(len(X), -1), axis=1)


def unit(points):
    return points / np.linalg.norm(points, axis=1)[:, None]


def grid(n_dimensions, n_points):
    """Nearly even points on the sphere."""
    turns = (np.arange(n_points) + 0.5) / n_points
    if n_dimensions == 1:
        return np.array([[1.0], [-1.0]])
    if n_dimensions == 2:
        return np.column_stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)])
    height, angle = 2 * turns - 1, np.pi * (1 + 5**0.5) * np.arange(n_points)
    radius = np.sqrt(1 - height**2)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), height])


def check(X, R, maximum, points, tol=TOL):
    """What holds of every answer, and the bound against points of the sphere."""
    scales = [np.abs(A).max() or 1.0 for A in (X, R)]
    X, R = X / scales[0], (R / scales[1]).reshape(len(X), -1)  # this oracle would overflow
    value, values = (v / scales[1] / scales[0] for v in (maximum.value, maximum.values))
    size = np.linalg.norm(R, axis=1) @ np.linalg.norm(X, axis=1)
    assert np.isfinite(maximum.value)
    assert_allclose(np.linalg.norm(maximum.points, axis=1), 1, rtol=1e-6)
    # Of the largest entry, 1 here, the coordinates in the rows' span leave out up to 1e-12.
    atol = 1e-9 * size + 1e-11 * np.abs(R).sum()
    assert_allclose(norm_of_f(X, R, maximum.points), values, rtol=1e-6, atol=atol)
    assert np.all(np.diff(values) <= 0)
    assert value >= values[0]
    if maximum.proven:
        # The points' own values are rounded too.
        assert value >= norm_of_f(X, R, points).max() * (1 - 1e-14)
        assert value <= values[0] * (1 + tol) + atol


@pytest.mark.parametrize("n_outputs", [1, 2, 3])
@pytest.mark.parametrize("n_samples", [1, 2, 7, 200])
@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_against_a_fine_grid(n_features, n_samples, n_outputs, global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    X, R = rng.standard_normal((n_samples, n_features)), rng.standard_normal((n_samples, n_outputs))
    maximum = maximum_over_sphere(X, R, random_state=global_random_seed)
    assert maximum.proven
    points = grid(n_features, 20_000)
    check(X, R, maximum, points)
    # The bound is not above the grid by more than the grid is coarse.
    spacing = {1: 0, 2: 2e-4, 3: 0.03}[n_features]
    size = np.linalg.norm(R, axis=1) @ np.linalg.norm(X, axis=1)
    assert maximum.value <= norm_of_f(X, R, points).max() * (1 + TOL) + spacing * size


def test_one_row():
    """f(t) = relu(x't) R is highest at x/|x|."""
    X, R = np.array([[3.0, 0.0, -4.0]]), np.array([[2.0, -1.0]])
    maximum = maximum_over_sphere(X, R)
    assert maximum.value == pytest.approx(5 * 5**0.5, rel=TOL)
    assert_allclose(maximum.points[0], [0.6, 0, -0.8], atol=1e-8)


def test_all_local_maxima_of_a_circle():
    """Rows at right angles do not meet: each is the top of its own bump."""
    X = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    maximum = maximum_over_sphere(X, np.array([4.0, 0, -3, 0]))
    assert_allclose(maximum.values, [4, 3])
    assert_allclose(maximum.points, [[1, 0], [-1, 0]], atol=1e-12)


def test_rows_that_switch_together(global_random_seed):
    """Copies that rounding has moved apart: it must not decide which of them is on."""
    rng = np.random.default_rng(global_random_seed)
    for _ in range(200):
        X = rng.choice([-1.0, 0.0, 1.0], (rng.integers(1, 12), 2))
        X += 1e-15 * rng.standard_normal(X.shape)
        R = rng.choice([-1.0, 1.0], len(X))
        check(X, R, maximum_over_sphere(X, R), grid(2, 5000))


@st.composite
def problems(draw, dimensions=(1, 2, 3)):
    """Few values, so that rows repeat, vanish and line up; columns and rows of any scale."""
    n_samples, n_outputs = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    rank = draw(st.sampled_from(dimensions))
    entries = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0]) | st.floats(-1, 1, width=32)
    X = draw(arrays(float, (n_samples, rank), elements=entries))
    R = draw(arrays(float, (n_samples, n_outputs), elements=entries))
    scales = st.sampled_from([1e-8, 1.0, 1.0, 1e8])
    X = X * draw(arrays(float, rank, elements=scales)) * draw(st.sampled_from([1e-150, 1.0, 1e130]))
    return X, R * draw(scales)


@settings.get_profile("fits")
@given(problem=problems(), seed=SEEDS)
def test_bound_of_any_problem(problem, seed):
    X, R = problem
    rng = np.random.default_rng(seed)
    maximum = maximum_over_sphere(X, R, n_starts=16, max_nodes=20_000, random_state=0)
    assert maximum.proven
    # Even points, and such as do justice to all columns.
    scales = np.abs(X).max(axis=0) / (np.abs(X).max() or 1.0)
    points = rng.standard_normal((500, X.shape[1])) / np.maximum(scales, 1e-12)
    points = np.concatenate([grid(X.shape[1], 500), unit(points)])
    check(X, R, maximum, points, tol=1e-3)


@given(problem=problems(), seed=SEEDS)
def test_rows_that_span_less_than_the_space(problem, seed):
    """Three dimensions at most, in a space of five: as in coordinates of their span."""
    X, R = problem
    X = X / max(np.abs(X).max(), 1e-300)
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((5, X.shape[1])))[0].T
    settings = {"n_starts": 16, "max_nodes": 20_000, "random_state": 0}
    inside, embedded = (maximum_over_sphere(A, R, **settings) for A in (X, X @ basis))
    assert embedded.proven
    size = np.linalg.norm(R, axis=1) @ np.linalg.norm(X, axis=1)
    atol = 1e-9 * size + 1e-11 * np.abs(R).sum()
    assert_allclose(embedded.value, inside.value, rtol=2e-3, atol=atol)
    assert_allclose(norm_of_f(X @ basis, R, embedded.points), embedded.values, rtol=1e-6, atol=atol)


@given(seed=SEEDS, n_outputs=st.integers(1, 3), size=st.floats(1e-6, 0.3))
def test_bounds_on_triangles(seed, n_outputs, size):
    """No point of a triangle is above the kernel's bound, which closes as triangles shrink."""
    rng = np.random.default_rng(seed)
    n, m = 5, 20
    X, R = rng.standard_normal((n, 3)), rng.standard_normal((n, n_outputs))
    middles = unit(rng.standard_normal((m, 3)))
    corners = middles[:, None] + size * rng.standard_normal((m, 3, 3))
    corners /= np.linalg.norm(corners, axis=2, keepdims=True)
    centers = unit(corners.sum(axis=1))
    bounds, values = np.empty(m), np.empty(m)
    linear, first = np.empty((m, 3, n_outputs)), np.empty(m + 1, dtype=np.intp)
    rows = np.empty(m * n, dtype=np.intc)
    bound_triangles(
        X,
        R,
        np.linalg.norm(R, axis=1),
        corners,
        centers,
        np.zeros(m, dtype=np.intp),
        np.zeros((1, 3, n_outputs)),
        np.array([0, n]),
        np.arange(n, dtype=np.intc),
        bounds,
        values,
        linear,
        first,
        rows,
    )
    assert_allclose(values, norm_of_f(X, R, centers), rtol=1e-9, atol=1e-12)
    for triangle in range(m):
        mixture = rng.dirichlet([0.7, 0.7, 0.7], 200)
        inside = unit(np.concatenate([mixture @ corners[triangle], corners[triangle]]))
        assert bounds[triangle] >= norm_of_f(X, R, inside).max() * (1 - 1e-12) - 1e-12
        z = X @ corners[triangle].T
        mixed = np.flatnonzero((z.max(axis=1) > 0) & (z.min(axis=1) < 0))
        assert_array_equal(rows[first[triangle] : first[triangle + 1]], mixed)
        active = (z.min(axis=1) >= 0) & (z.max(axis=1) > 0)
        assert_allclose(linear[triangle], X[active].T @ R[active], atol=1e-12)
        # The norm changes by no more than its slope over a triangle, and so does the bound.
        slope = np.linalg.norm(R, axis=1) @ np.linalg.norm(X, axis=1)
        assert bounds[triangle] <= values[triangle] + 20 * size * slope


def test_cancelling_copies():
    """Rows whose residuals cancel leave nothing, however many there are."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3))
    R = rng.standard_normal(50)
    maximum = maximum_over_sphere(np.concatenate([X, X]), np.concatenate([R, -R]), random_state=0)
    assert maximum.proven
    assert maximum.value < 1e-10


@pytest.mark.parametrize(
    ("X", "R"), [(np.zeros((4, 3)), np.ones(4)), (np.ones((4, 6)), np.zeros(4))]
)
def test_nothing_to_maximise(X, R):
    maximum = maximum_over_sphere(X, R)
    assert maximum.proven
    assert maximum.value == 0
    assert maximum.points.shape == (1, X.shape[1])


@pytest.mark.parametrize("max_nodes", [1, 100, 1000])
def test_an_early_end_is_still_a_bound(max_nodes, global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    X, R = rng.standard_normal((100, 3)), rng.standard_normal(100)
    exact = maximum_over_sphere(X, R, random_state=0)
    early = maximum_over_sphere(X, R, max_nodes=max_nodes, tol=0, random_state=0)
    assert early.proven
    assert early.value >= exact.values[0]


def test_tolerance(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    X, R = np.column_stack([rng.standard_normal((400, 2)), np.ones(400)]), rng.standard_normal(400)
    for tol in (1e-2, 1e-4, 1e-7):
        check(X, R, maximum_over_sphere(X, R, tol=tol, random_state=0), grid(3, 20_000), tol)


def test_four_dimensions_prove_nothing_and_use_the_starts(global_random_seed):
    """The highest of the starts is not lost, and the gradient vanishes at the top."""
    rng = np.random.default_rng(global_random_seed)
    X, R = rng.standard_normal((300, 8)), rng.standard_normal((300, 2))
    starts = 7 * rng.standard_normal((20, 8))
    maximum = maximum_over_sphere(X, R, starts=starts, n_starts=0, random_state=0)
    assert not maximum.proven
    assert maximum.value == maximum.values[0] >= norm_of_f(X, R, unit(starts)).max()
    many = maximum_over_sphere(X, R, n_starts=500, random_state=0)
    assert many.value >= norm_of_f(X, R, unit(rng.standard_normal((20_000, 8)))).max()
    distances = np.linalg.norm(many.points[:, None] - many.points, axis=2)
    assert np.all(distances[~np.eye(len(distances), dtype=bool)] > SAME)


def test_ascent_finds_a_planted_direction(global_random_seed):
    """With residuals relu(t'x) the first variation is highest near t."""
    rng = np.random.default_rng(global_random_seed)
    X, planted = rng.standard_normal((4000, 10)), unit(rng.standard_normal((1, 10)))
    maximum = maximum_over_sphere(X, np.maximum(X @ planted[0], 0), random_state=0)
    assert maximum.points[0] @ planted[0] > 0.95


@pytest.mark.parametrize("seed", [0, 1])
def test_ascent_follows_ridges(seed):
    """Of a sparse net's residuals the maxima are on ridges, where rows switch."""
    rng = np.random.RandomState(seed)
    X, y, alpha = rng.randint(0, 4, (40, 4)).astype(float), rng.randn(40), 0.02
    settings = {"solver": "sliding-frank-wolfe", "tol": 1e-3, "random_state": 0}
    net = MeanFieldTwoLayerNet(alpha=alpha, **settings).fit(X, y)
    assert net.first_variation_max_ == pytest.approx(alpha, rel=0.01)
    Z = np.column_stack([(X - X.mean(axis=0)) / X.std(axis=0), np.ones(40)])
    R = (y - net.predict(X)) / y.std() / 40
    points = unit(rng.standard_normal((100_000, 5)))
    assert norm_of_f(Z, R, points).max() <= net.first_variation_max_


@pytest.mark.parametrize("n_features", [2, 3, 6])
def test_input_is_only_read(n_features, global_dtype, tmp_path):
    """Memory maps and read-only arrays, float32 too; the same answer, to the bit, a second time."""
    rng = np.random.default_rng(0)
    X, R = rng.standard_normal((80, n_features)).astype(global_dtype), rng.standard_normal(80)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    R.flags.writeable = False
    first, second = (maximum_over_sphere(A, R, random_state=3) for A in (X, mapped))
    assert first.value == second.value
    assert_array_equal(first.points, second.points)
    assert first.points.dtype == float


@pytest.mark.parametrize("block_values", [1, 64, 1000])
def test_blocks_of_rows(block_values, monkeypatch):
    rng = np.random.default_rng(0)
    X, R = rng.standard_normal((90, 5)), rng.standard_normal((90, 2))
    points = unit(rng.standard_normal((7, 5)))
    whole = maximum_over_sphere(X, R, random_state=0)
    monkeypatch.setattr("sklearn_optland._rows.reduce.BLOCK_VALUES", block_values)
    f = FirstVariation(Inputs.of_array(X), R, 2)
    assert_allclose(f.norms(points), norm_of_f(X, R, points), rtol=1e-12)
    # Sums in another order take the ascent to the same top by another way.
    assert maximum_over_sphere(X, R, random_state=0).value == pytest.approx(whole.value, rel=1e-3)


def test_batches_of_triangles(monkeypatch):
    rng = np.random.default_rng(0)
    X, R = rng.standard_normal((90, 3)), rng.standard_normal((90, 2))
    whole = maximum_over_sphere(X, R, random_state=0)
    monkeypatch.setattr(branch_and_bound, "BATCH_ROWS", 100)
    assert maximum_over_sphere(X, R, random_state=0).value == whole.value
