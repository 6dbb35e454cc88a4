"""ADMM nets on odd data, their refusals, and what users count on."""

import tracemalloc

import numpy as np
import pytest
from _net.nets import scaled
from helpers import fit_quietly
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_optland._net.passes import Passes
from sklearn_optland._rows import source
from sklearn_optland.neural_network import ADMMNetClassifier, ADMMNetRegressor

pytestmark = pytest.mark.kernels


@pytest.fixture(params=["float64", "float32 first"])
def precision(request, monkeypatch):
    """How the feasible form begins with float64 data: small ones, or as large ones."""
    if request.param == "float32 first":
        monkeypatch.setattr(source, "FLOAT32_PAYS", 0)


# Odd data


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["feasible", "admm", "taylor", "bcd", "emsa"])
def test_columns_of_any_scale(solver, dtype):
    X, y = scaled(load_iris)
    activation = "relu" if solver in ("taylor", "bcd") else "logistic"
    scales = [1e8, 1e-150, 1e130, 1.0] if dtype == np.float64 else [1e8, 1e-30, 1e30, 1.0]
    X = (X * scales + [1e9, 0, 0, 0]).astype(dtype)
    model = ADMMNetClassifier((6,), activation, solver=solver, max_iter=30, random_state=0)
    fit_quietly(model, X, y)
    assert np.isfinite(model.predict_proba(X)).all()
    assert all(np.isfinite(W).all() for W in model.coefs_)
    if solver == "feasible":
        assert model.score(X, y) > 0.9
    regressor = ADMMNetRegressor((6,), activation, solver=solver, max_iter=30, random_state=0)
    fit_quietly(regressor, X, y * 1e6 + 1e8)
    assert regressor.score(X, y * 1e6 + 1e8) > 0.7


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_extreme_values_are_fitted_or_refused(dtype):
    top = float(np.finfo(dtype).max)
    X = np.array([[top], [-top], [top / 3], [0.0]] * 5, dtype=dtype)
    y = np.array([1.0, 0.0, 1.0, 0.0] * 5)
    model = fit_quietly(ADMMNetClassifier((3,), max_iter=20, random_state=0), X, y)
    assert np.isfinite(model.predict_proba(X)).all()
    with pytest.raises(ValueError, match="y: found magnitudes up to"):
        ADMMNetRegressor().fit(X, y * 1e300)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("solver", ["feasible", "admm", "taylor", "bcd", "emsa"])
def test_constant_targets_one_unit_and_singular_grams(solver):
    activation = "relu" if solver in ("taylor", "bcd") else "logistic"
    X, y = scaled(load_diabetes)
    X = np.column_stack([X[:, :3], X[:, :3], np.zeros(len(X))])
    model = ADMMNetRegressor((1,), activation, solver=solver, max_iter=50, alpha=0, random_state=0)
    fit_quietly(model, X, y)
    assert np.isfinite(model.predict(X)).all()
    constant = fit_quietly(model, X, np.full(len(X), 1e9 / 3))
    np.testing.assert_allclose(constant.predict(X), 1e9 / 3, rtol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weight", [1e-30, 1e-160, 2e-311])
def test_a_row_of_next_to_no_weight_harms_no_other(weight, dtype):
    X, y = np.array([[0.0], [1.0], [2.0]], dtype=dtype), np.array([0.0, 0.0, 1.0])
    model = ADMMNetRegressor((3,), max_iter=20, random_state=0)
    fit_quietly(model, X, y, sample_weight=[1.0, 1.0, weight])
    np.testing.assert_allclose(model.predict(X[:2]), 0, atol=1e-3)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.usefixtures("precision")
def test_rows_without_weight_are_as_if_not_there():
    X, y = scaled(load_diabetes)
    s = np.arange(len(y)) % 3
    model = ADMMNetRegressor((5,), "tanh", max_iter=30, random_state=0)
    kept = fit_quietly(model, X[s > 0], y[s > 0], sample_weight=s[s > 0]).predict(X)
    np.testing.assert_allclose(fit_quietly(model, X, y, sample_weight=s).predict(X), kept)


@pytest.mark.filterwarnings("error", "ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_weight_whose_inverse_overflows():
    X, y = scaled(load_diabetes)
    weights = np.append(1e-310, np.ones(len(y) - 1))
    model = ADMMNetRegressor((5,), "tanh", max_iter=5, random_state=0).fit(X, y, weights)
    assert np.isfinite(model.predict(X)).all()


# What users count on


def test_multi_output_keeps_the_shape_of_the_targets():
    X, y = scaled(load_diabetes)
    Y = np.column_stack([y, -3 * y, X[:, 2]])
    model = fit_quietly(ADMMNetRegressor((10,), max_iter=50, random_state=0), X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.n_outputs_ == 3
    assert fit_quietly(model, X, y).predict(X).shape == y.shape
    assert fit_quietly(model, X, y[:, None]).predict(X).shape == (len(y), 1)


def test_early_stopping_returns_the_best_net():
    X, y = scaled(load_diabetes)
    model = ADMMNetRegressor(
        (50,), "tanh", early_stopping=True, n_iter_no_change=20, random_state=0
    ).fit(X, y)
    losses = model.history_["validation_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == model.n_iter_ == best + 21
    assert model.loss_ == model.loss_curve_[best]
    stopped = model.predict(X)
    # The rows that are held out are drawn after the start, so that fewer iterations end there too.
    np.testing.assert_array_equal(model.set_params(max_iter=best + 1).fit(X, y).predict(X), stopped)
    with pytest.raises(ValueError, match=r"validation_fraction: found 0\.99"):
        model.set_params(validation_fraction=0.99).fit(X[:3], y[:3])


def test_classifier_holds_out_rows_of_every_class():
    X, y = scaled(load_iris)
    names = np.array(["b", "a", "c"])[y]
    model = ADMMNetClassifier((5,), early_stopping=True, random_state=0).fit(X, names)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert model.score(X, names) > 0.9


def test_warm_start_continues():
    X, y = scaled(load_diabetes)
    model = ADMMNetRegressor((10,), "tanh", max_iter=20, warm_start=True, random_state=0)
    first = fit_quietly(model, X, y).loss_curve_
    second = fit_quietly(model, X, y).loss_curve_
    assert second[0] <= first[-1]
    fit_quietly(model.set_params(hidden_layer_sizes=(11,)), X, y)
    assert model.coefs_[0].shape == (10, 11)


def test_init_takes_a_factor_or_arrays():
    X, y = scaled(load_iris)
    model = ADMMNetClassifier((4,), "tanh", max_iter=5, random_state=0)
    plain = fit_quietly(model, X, y).loss_curve_
    np.testing.assert_array_equal(fit_quietly(model.set_params(init=1.0), X, y).loss_curve_, plain)
    assert fit_quietly(model.set_params(init=4.0), X, y).loss_curve_[0] != plain[0]
    rng = np.random.RandomState(0)
    arrays_ = [rng.randn(4, 4), rng.randn(4, 3)], [rng.randn(4), rng.randn(3)]
    fit_quietly(model.set_params(init=arrays_, random_state=1), X, y)
    first = model.loss_curve_
    np.testing.assert_array_equal(fit_quietly(model, X, y).loss_curve_, first)
    with pytest.raises(ValueError, match="coefs and intercepts: found"):
        model.set_params(init=(arrays_[0][:1], arrays_[1])).fit(X, y)
    with pytest.raises(ValueError, match="init: found 1 entries"):
        model.set_params(init=arrays_[:1]).fit(X, y)
    arrays_[0][0][0, 0] = np.nan
    with pytest.raises(ValueError, match="init: found values that are not finite"):
        model.set_params(init=arrays_).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "admm"}, "activation: found 'relu'; allowed with solver='admm' is 'logistic'"),
        ({"solver": "bcd", "activation": "tanh"}, "allowed with solver='bcd' is 'relu'"),
        ({"hidden_layer_sizes": (3, 0)}, r"hidden_layer_sizes: found \(3, 0\)"),
        ({"hidden_layer_sizes": (3.5,)}, "hidden_layer_sizes: found"),
        ({"solver": "taylor", "rho": (1.0, 2.0, 3.0)}, "rho: found .*one positive number, or 2"),
        ({"solver": "taylor", "rho": (1.0, -2.0)}, "rho: found"),
    ],
)
def test_refusals(parameters, message):
    X, y = scaled(load_iris)
    with pytest.raises(ValueError, match=message):
        ADMMNetClassifier(**parameters).fit(X, y)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 3.0, 2: 0.5}])
def test_class_weights_are_sample_weights(class_weight):
    X, y = scaled(load_iris)
    X, y = X[:120], y[:120]  # the last class has 20 rows
    weights = compute_sample_weight(class_weight, y)
    model = ADMMNetClassifier((5,), "tanh", max_iter=20, random_state=0)
    expected = fit_quietly(model, X, y, sample_weight=weights).predict_proba(X)
    model.set_params(class_weight=class_weight)
    np.testing.assert_allclose(fit_quietly(model, X, y).predict_proba(X), expected, rtol=1e-9)


def test_warning_says_what_to_change():
    X, y = scaled(load_diabetes)
    with pytest.warns(ConvergenceWarning, match="after 3 iterations with KKT residual .* max_iter"):
        ADMMNetRegressor(alpha=1e-4, max_iter=3, random_state=0).fit(X, y)


@pytest.mark.usefixtures("precision")
def test_fixed_seed_gives_the_same_bits_and_any_number_of_threads(monkeypatch):
    X, y = scaled(load_digits)
    model = ADMMNetClassifier((100,), max_iter=5, random_state=0)
    one = fit_quietly(model, X, y).predict_proba(X)
    monkeypatch.setattr("sklearn_optland._rows.threads.n_threads", lambda: 3)
    np.testing.assert_array_equal(fit_quietly(model, X, y).predict_proba(X), one)


@pytest.mark.usefixtures("precision")
def test_interrupt_says_how_far_the_fit_had_come(monkeypatch):
    gradient, calls = Passes.gradient_and_squares, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return gradient(*arguments)

    monkeypatch.setattr(Passes, "gradient_and_squares", interrupted)
    X, y = scaled(load_iris)
    model = ADMMNetClassifier((20,), "tanh", alpha=1e-4, random_state=0)
    with pytest.raises(
        KeyboardInterrupt, match=r"ADMMNetClassifier\.fit was interrupted after \d "
    ):
        model.fit(X, y)
    assert not hasattr(model, "coefs_")
    calls.clear()
    with pytest.raises(KeyboardInterrupt, match="interrupted after 0 strengths of the penalty"):
        model.set_params(alpha="auto").fit(X, y)
    assert not hasattr(model, "coefs_")


def test_memory_map_is_read_in_blocks(tmp_path):
    rng = np.random.RandomState(0)
    n, d = 100_000, 40
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (n, d))
    X[:] = rng.randn(n, d)
    X.flush()
    y = np.sin(X[:, 0]) + X[:, 1]
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = ADMMNetRegressor((5,), "tanh", max_iter=3, random_state=0)
    tracemalloc.start()
    fit_quietly(model, X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * X.nbytes  # most of it y, in float64, and its weights
    in_memory = fit_quietly(model, np.array(X), y)
    np.testing.assert_array_equal(in_memory.predict(X[:100]), model.predict(X[:100]))
