"""Whether a rebuild moves a figure: some 3000 fits with one version, and again with another.

    python benchmarks/studies/same_fits.py store before.npz
    python benchmarks/studies/same_fits.py compare before.npz
    python benchmarks/studies/same_fits.py compare before.npz --family tree

Every estimator in all of its modes, on ten small data sets a family and on larger ones that reach
what small ones do not: threads, passes in float32, samples, other metrics. `compare` fits with the
version that is importable and prints, for each family, how many fits have the same bits and the
largest relative differences, max |a - b| / max |a|; it lists the fits with a difference above
`--most` and then ends with status 1. A difference is infinite where shapes differ.

Small fits run on one thread, larger ones on as many as the package takes, so that
`OMP_NUM_THREADS=1` in one of two runs shows whether threads change bits. Of one machine only, with
the same NumPy, SciPy and scikit-learn: BLAS rounds differently on another.
"""

import argparse
import sys
import time
import warnings
from functools import partial
from itertools import product
from tempfile import TemporaryDirectory

import numpy as np
import scipy
import sklearn
from scipy import sparse
from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from threadpoolctl import ThreadpoolController

from sklearn_optland import linear_model as linear
from sklearn_optland import neural_network as nets
from sklearn_optland import tree as trees

ROWS = 200  # that predictions are kept of
CONTROLLER = ThreadpoolController()
# Numbers that some estimators have besides.
NUMBERS = "margin_", "margin_bound_", "first_variation_max_", "variation_norm_"
NUMBERS += "candidate_recall_", "leaf_entropy_", "loss_"


# Data


def bundled(load, n=None):
    """One of scikit-learn's sets, standardised."""
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X)[:n], y[:n]


def rows_of(rng, n, d, density, dtype, storage):
    X = sparse.random(n, d, density, "csr", random_state=rng, data_rvs=rng.standard_normal)
    X.sort_indices()
    X = X.astype(dtype)
    return sparse.csr_array(X) if storage == "csr" else X.toarray()


@CONTROLLER.wrap(limits=1)  # products of larger arrays round by the number of threads
def labelled(n, d, k, *, density=1.0, dtype="float64", storage="dense"):
    """Rows whose classes follow a linear model."""
    rng = np.random.default_rng(n + d + k)
    X = rows_of(rng, n, d, density, dtype, storage)
    scores = X @ rng.normal(size=(d, k)) * (2 / np.sqrt(density * d))
    return X, (scores + rng.gumbel(size=(n, k))).argmax(axis=1)


@CONTROLLER.wrap(limits=1)
def measured(n, d, n_outputs=None, *, density=1.0, dtype="float64", storage="dense"):
    """Rows whose targets bend along a few directions, with noise that has heavy tails."""
    rng = np.random.default_rng(n + d)
    X = rows_of(rng, n, d, density, dtype, storage)
    hidden = np.maximum(X @ rng.normal(size=(d, 5)) / np.sqrt(density * d), 0.0)
    Y = hidden @ rng.normal(size=(5, n_outputs or 1))
    Y += 0.1 * rng.standard_t(3, size=Y.shape)
    return X, (Y if n_outputs else Y[:, 0])


CLASSES = {
    "iris": bundled(datasets.load_iris),
    "wine": bundled(datasets.load_wine),
    "cancer": bundled(datasets.load_breast_cancer),
    "digits": bundled(datasets.load_digits, 300),
    "moons": datasets.make_moons(200, noise=0.1, random_state=0),
    "20 classes": labelled(400, 8, 20),
    "3 classes float32": labelled(300, 10, 3, dtype="float32"),
    "2 classes mostly zeros": labelled(300, 40, 2, density=0.05),
}
SPARSE_CLASSES = {
    "2 classes CSR": labelled(300, 40, 2, density=0.1, storage="csr"),
    "5 classes CSR float32": labelled(300, 80, 5, density=0.1, dtype="float32", storage="csr"),
}
TARGETS = {
    "diabetes": bundled(datasets.load_diabetes),
    "line": measured(150, 1),
    "plane": measured(150, 2),
    "space": measured(150, 3),
    "10 columns": measured(200, 10),
    "10 columns float32": measured(200, 10, dtype="float32"),
}
SPARSE_TARGETS = {
    "CSR": measured(200, 60, density=0.1, storage="csr"),
    "CSR float32": measured(200, 60, density=0.1, dtype="float32", storage="csr"),
}
OUTPUTS = {
    "2 outputs": measured(200, 3, 2),
    "3 outputs float32": measured(200, 8, 3, dtype="float32"),
}


def some(data, *names):
    return {name: data[name] for name in names}


# Ways to fit


def plain(model, X, y):
    return model.fit(X, y)


def weighted(model, X, y):
    """Some rows have no weight, others are worth several."""
    return model.fit(X, y, sample_weight=0.5 * (np.arange(len(y)) % 4))


def warm(model, X, y):
    """Start where a short fit ended."""
    max_iter = model.max_iter
    model.set_params(warm_start=True, max_iter=2).fit(X, y)
    return model.set_params(max_iter=max_iter).fit(X, y)


def given(model, X, y):
    """Start from arrays."""
    start = clone(model).set_params(max_iter=2).fit(X, y)
    return model.set_params(init=(start.coefs_, start.intercepts_)).fit(X, y)


def mapped(model, X, y):
    """Read the rows from a file, a block at a time."""
    with TemporaryDirectory() as folder:
        np.save(f"{folder}/rows.npy", X)
        return model.fit(np.load(f"{folder}/rows.npy", mmap_mode="r"), y)


def in_parts(model, X, y):
    order = np.random.default_rng(0).permutation(len(y))
    classes = {"classes": np.unique(y)} if hasattr(model, "predict_proba") else {}
    for part in np.array_split(order, 3):
        model.partial_fit(X[part], y[part], **classes)
    return model


def fitted_in_parts(model, X, y):
    """Go on after a fit."""
    model.fit(X, y)
    return model.partial_fit(X[::2], y[::2])


# Figures


def parameters(model, rows):
    """The arrays that a model is made of, those of a layer together; trees by what they do."""
    if hasattr(model, "coefs_"):
        return [np.vstack(layer) for layer in zip(model.coefs_, model.intercepts_, strict=True)]
    if hasattr(model, "coef_"):
        return [np.column_stack([np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)])]
    if hasattr(model, "node_stats_"):
        return list(model.node_stats_.values())
    return [model.candidate_scores(rows).toarray()]


def figures(model, X):
    """What is compared of a fitted estimator."""
    rows = X[:ROWS]
    predictions = [model.predict(rows)]
    predictions += [
        getattr(model, method)(rows)
        for method in ("decision_function", "predict_proba", "apply")
        if hasattr(model, method)
    ]
    curve = getattr(model, "history_", {}).get("objective", [np.nan])
    certificate = getattr(model, "certificate_", None)
    return {
        "coefficients": parameters(model, rows),
        "objective": [curve[-1]],
        "certificate": [np.nan if certificate is None else certificate.value],
        "n_iter_": [model.n_iter_],
        "predictions": predictions,
        "others": [getattr(model, name) for name in NUMBERS if hasattr(model, name)],
    }


def fits(estimator, data, *settings, fit=plain, threads=1):
    """Cases: each setting on each data set."""
    for (name, (X, y)), setting in product(data.items(), settings):
        text = ", ".join(f"{key}={value!r}" for key, value in setting.items())

        def run(X=X, y=y, setting=setting):
            with CONTROLLER.limit(limits=threads):
                model = fit(estimator(random_state=0, **setting), X, y)
            with CONTROLLER.limit(limits=1):
                return figures(model, X)

        yield f"{name}, {estimator.__name__}({text}), {fit.__name__}", run


large = partial(fits, threads=None)


def grid(**choices):
    """Settings: every combination of the parameters' values."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


# Families


def linear_cases():
    """Bound majorization; sizes for each plan, metric and preconditioner."""
    estimator, data = linear.BoundMajorizationLogisticRegression, CLASSES | SPARSE_CLASSES
    modes = [
        *grid(C=[1.0, 100.0], tol=[1e-6, 1e-10]),
        *grid(curvature=["bohning", "bohning-nesterov"], max_iter=[50]),
        *grid(C=[np.inf], curvature=["auto", "bohning"], max_iter=[50]),
        *grid(curvature=["bohning", "auto"], batch=["growing"], max_iter=[25]),
        {"C": 0.01, "fit_intercept": False},
        {"class_weight": "balanced"},
        {"tol": 0.0, "max_iter": 100},
    ]
    yield from fits(estimator, data, *modes)
    small = {name: data[name] for name in data if name not in ("digits", "5 classes CSR float32")}
    jc12 = grid(curvature=["jc12"], refresh=[1, 4], C=[1.0, np.inf], max_iter=[25])
    yield from fits(estimator, small, *jc12)
    for fit in (weighted, warm):
        yield from fits(estimator, data, {}, {"C": 10.0, "fit_intercept": False}, fit=fit)

    many = {
        "2 classes, 2500 columns": labelled(300, 2500, 2),
        "3 classes, 2500 columns": labelled(300, 2500, 3),
        "2 classes CSR, 3000 columns": labelled(2000, 3000, 2, density=0.005, storage="csr"),
        # dual ascent
        "6 classes CSR, 3000 columns": labelled(2000, 3000, 6, density=0.005, storage="csr"),
        "4 classes CSR float32, 3000 columns": labelled(
            2000, 3000, 4, density=0.005, dtype="float32", storage="csr"
        ),
    }
    yield from large(estimator, many, {}, {"C": 100.0, "tol": 1e-9}, {"fit_intercept": False})
    yield from large(estimator, many, {"C": 1.0}, fit=warm)
    unpenalised = {"C": np.inf, "max_iter": 30}
    yield from large(estimator, many, unpenalised)
    tall = {
        "20000 rows": labelled(20_000, 10, 2),  # samples to start with
        "20000 rows float32": labelled(20_000, 12, 2, dtype="float32"),
        "20000 rows CSR": labelled(20_000, 50, 2, density=0.1, storage="csr"),
        "20000 rows, 5 classes": labelled(20_000, 20, 5),
        "20000 rows CSR, 5 classes": labelled(20_000, 40, 5, density=0.1, storage="csr"),
        "2000 rows, 300 columns": labelled(2000, 300, 2),  # L-BFGS before a Gram matrix
        "10 classes, 100 columns": labelled(2000, 100, 10),  # a block for each class
        "100 classes, 200 columns": labelled(1500, 200, 100),  # pairs
        "100 classes, 20 columns": labelled(4000, 20, 100),
    }
    yield from large(estimator, tall, {}, {"C": 100.0, "tol": 1e-10})
    yield from large(estimator, tall, {"batch": "growing", "curvature": "bohning", "max_iter": 15})
    two = some(tall, "20000 rows", "20000 rows CSR")
    batches = grid(curvature=["jc12"], batch=["full", "growing"], max_iter=[20])
    yield from large(estimator, two, *batches)
    yield from large(estimator, tall, {}, fit=weighted)
    yield from large(estimator, some(tall, "20000 rows", "20000 rows, 5 classes"), {}, fit=mapped)
    for n, d in product([2, 7, 50], [1, 3, 20]):
        yield f"partition_function_bound({n}, {d})", partial(bound, n, d)


def bound(n, d):
    rng = np.random.default_rng(n + d)
    features, weights, theta = rng.normal(size=(n, d)), rng.random(n), rng.normal(size=d)
    log_z, mu, sigma = linear.partition_function_bound(features, weights, theta)
    return {"coefficients": [mu, sigma], "objective": [log_z]}


SOLVERS = "auto", "sag", "saga", "svrg", "sdca", "miso", "katyusha", "point-saga", "catalyst"
PENALTIES = (
    {"alpha": 1e-2},
    {"alpha": 1e-2, "l1_ratio": 0.5},
    {"alpha": 1e-2, "l1_ratio": 1.0},
    {"alpha": 0.0},
    {"alpha": 1e-2, "positive": True},
)
LOSSES = "log_loss", "squared_hinge", "smooth_hinge", "hinge"
REGRESSION_LOSSES = "squared_error", "huber", "epsilon_insensitive"


def finite_sum_cases():
    """Every solver with every loss and penalty; a solver that refuses one is to do so again."""
    classifier, regressor = linear.FiniteSumClassifier, linear.FiniteSumRegressor
    classes = some(CLASSES, "iris", "moons", "3 classes float32", "cancer") | SPARSE_CLASSES
    targets = some(TARGETS, "diabetes", "10 columns", "10 columns float32") | SPARSE_TARGETS
    few = {"max_iter": 20}

    def settings(losses, solvers=SOLVERS):
        for (loss, solver), penalty in product(product(losses, solvers), PENALTIES):
            yield {"loss": loss, "solver": solver} | penalty | few

    yield from fits(classifier, classes, *settings(LOSSES))
    yield from fits(regressor, targets, *settings(REGRESSION_LOSSES))
    variants = [
        {"sampling": "lipschitz"},
        {"step_size": 0.1},
        {"fit_intercept": False},
        {"tol": 0.0},
    ]
    for solver, variant in product(SOLVERS, variants):
        setting = {"solver": solver, "alpha": 1e-2, "max_iter": 20} | variant
        yield from fits(classifier, classes, setting)
        yield from fits(regressor, targets, setting)
    for solver, fit in product(SOLVERS, (weighted, warm)):
        setting = {"solver": solver, "alpha": 1e-2, "max_iter": 20}
        yield from fits(classifier, classes, setting | {"class_weight": "balanced"}, fit=fit)
        yield from fits(regressor, targets, setting, fit=fit)
    for name in ("SAGA", "SVRG", "SDCA"):
        yield from fits(getattr(linear, f"{name}Classifier"), classes, {"alpha": 1e-2})
        yield from fits(getattr(linear, f"{name}Regressor"), targets, {"alpha": 1e-2})
    for loss, penalty, solver in product(
        LOSSES + REGRESSION_LOSSES, ("l2", "l1", "elasticnet", "none"), ("auto", "saga", "sdca")
    ):
        yield f"finite_sum({loss}, {penalty}, {solver})", partial(sum_, loss, penalty, solver)

    wide = {
        "5000 rows CSR, 3000 columns": labelled(5000, 3000, 2, density=0.005, storage="csr"),
        "3 classes CSR, 3000 columns": labelled(2000, 3000, 3, density=0.005, storage="csr"),
        "20000 rows": labelled(20_000, 30, 2),
        "20000 rows, 5 classes": labelled(20_000, 10, 5),
    }
    solvers = "auto", "saga", "svrg", "sdca", "point-saga", "catalyst"
    yield from large(classifier, wide, *grid(solver=solvers, alpha=[1e-4], max_iter=[10]))
    yield from large(classifier, wide, {}, {"loss": "hinge"}, {"l1_ratio": 0.5, "max_iter": 50})
    wide = {"2000 rows, 500 columns": measured(2000, 500), "20000 rows": measured(20_000, 20)}
    yield from large(regressor, wide, *grid(solver=solvers, alpha=[1e-3], max_iter=[10]), {})


def sum_(loss, penalty, solver):
    X, y = TARGETS["10 columns"]
    if loss in LOSSES:
        y = np.where(y > np.median(y), 1.0, -1.0)
    result = linear.finite_sum(
        loss, penalty, X, y, solver=solver, alpha=1e-2, max_iter=50, random_state=0
    )
    return {
        "coefficients": [result.x],
        "objective": [result.objective],
        "certificate": [result.certificate.value],
        "n_iter_": [result.n_iter],
    }


def tree_cases():
    """The online tree, and both forests."""
    tree, forest, data = trees.LOMTreeClassifier, trees.LOMForestClassifier, CLASSES
    data = data | SPARSE_CLASSES
    modes = [
        {},
        *grid(loss=["absolute", "log_loss"], max_iter=[5]),
        *grid(n_bits=[6, 18], max_iter=[5]),
        *grid(early_stopping=[True], learning_rate=[0.2, 1.0]),
        *grid(shuffle=[False], refit_leaves=[False], max_iter=[3]),
        {"max_nodes": 5, "swap_resistance": 0.5},
        {"max_depth": 3, "class_weight": "balanced"},
        {"n_jobs": 2},
    ]
    yield from fits(tree, data, *modes)
    for fit in (weighted, warm, in_parts, fitted_in_parts):
        yield from fits(tree, data, {"max_iter": 5}, {"n_bits": 10, "max_iter": 5}, fit=fit)
    modes = [
        {},
        *grid(loss=["softmax", "squared_hinge"], n_prototypes=[1, 3], max_iter=[4]),
        *grid(leaf=["histogram"], max_iter=[4], max_nodes=[None, 7]),
        {"beam_width": 4, "n_estimators": 1, "validation_fraction": 0.0},
        {"n_bits": 8, "learning_rate": 0.5},
        {"class_weight": "balanced", "n_jobs": 2},
    ]
    yield from fits(forest, data, *modes)
    settings = {"max_iter": 4}, {"leaf": "histogram", "max_iter": 4}
    yield from fits(forest, data, *settings, fit=weighted)
    many = {
        "100 classes": labelled(5000, 50, 100),
        "100 classes float32": labelled(5000, 50, 100, dtype="float32"),
        "200 classes CSR": labelled(4000, 2000, 200, density=0.01, storage="csr"),
        "50 classes CSR, 60 columns": labelled(4000, 60, 50, density=0.1, storage="csr"),
        "all digits": datasets.load_digits(return_X_y=True),
    }
    yield from large(tree, many, {"n_jobs": 2}, {"n_bits": 16, "max_iter": 5})
    yield from large(forest, many, {"n_jobs": 2, "max_iter": 4}, {"leaf": "histogram"})
    yield from large(forest, many, {"n_bits": 12, "max_iter": 4, "loss": "squared_hinge"})


DEPTHS = [(), (12,), (12, 8), (10, 8, 6), (10, 8, 6, 5)]


def deep_cases():
    """Deep nets: solvers, activations, depths 0 to 4."""
    classifier, regressor = nets.ADMMNetClassifier, nets.ADMMNetRegressor
    classes = {n: CLASSES[n] for n in CLASSES if n != "2 classes mostly zeros"}
    targets = some(TARGETS, "diabetes", "plane", "10 columns float32") | OUTPUTS
    activations = ["logistic", "tanh", "relu"]
    splittings = [
        *grid(hidden_layer_sizes=DEPTHS, activation=["logistic"], solver=["admm"], max_iter=[10]),
        *grid(hidden_layer_sizes=DEPTHS, solver=["taylor", "bcd"], max_iter=[10]),
        {"activation": "logistic", "solver": "admm", "rho": 1.0, "max_iter": 10},
    ]
    modes = [
        {"hidden_layer_sizes": (8,), "metric": "identity", "max_iter": 40},
        {"hidden_layer_sizes": (8, 8), "early_stopping": True, "n_iter_no_change": 10},
        {"hidden_layer_sizes": (8, 8), "init": 0.5, "alpha": 0.0, "max_iter": 40},
        {"hidden_layer_sizes": (8,), "tol": 0.0, "max_iter": 60},
        {"max_iter": 60},
    ]
    for estimator, data in ((classifier, classes), (regressor, targets)):
        depths = grid(hidden_layer_sizes=DEPTHS, activation=activations, max_iter=[40])
        yield from fits(estimator, data, *depths, *splittings, *modes)
        for fit in (weighted, warm, given):
            yield from fits(estimator, data, {"hidden_layer_sizes": (8,), "max_iter": 20}, fit=fit)
    balanced = {"hidden_layer_sizes": (8,), "class_weight": "balanced", "max_iter": 20}
    yield from fits(classifier, classes, balanced)

    wide = {  # rows for threads, and for a start in float32
        "all digits": bundled(datasets.load_digits),
        "5000 rows, 4 classes": labelled(5000, 20, 4),
        "5000 rows float32": labelled(5000, 20, 2, dtype="float32"),
        "2100 columns": labelled(100, 2100, 2),  # no Gram matrix
    }
    depths = [(), (50,), (40, 30), (30, 30, 30, 30)]
    settings = grid(hidden_layer_sizes=depths, activation=activations, max_iter=[30])
    yield from large(classifier, wide, *settings, {"early_stopping": True, "max_iter": 50})
    some_sweeps = grid(solver=["taylor", "bcd"], hidden_layer_sizes=[(30, 20)], max_iter=[5])
    admm = {"solver": "admm", "activation": "logistic", "max_iter": 5}
    yield from large(classifier, some(wide, "5000 rows, 4 classes"), *some_sweeps, admm)
    yield from large(classifier, wide, {"max_iter": 10}, fit=mapped)
    wide = {"10000 rows": measured(10_000, 8), "5000 rows, 3 outputs": measured(5000, 10, 3)}
    yield from large(regressor, wide, *settings, {})
    for sizes in ((5, 5), (20, 10)):
        yield f"convergence_conditions{sizes}", partial(conditions, sizes)


def conditions(sizes):
    found = nets.convergence_conditions(*TARGETS["10 columns"], sizes)
    return {"coefficients": [found.B, found.beta, found.lambda_, found.rho, found.alpha]}


def mean_field_cases():
    """Two-layer nets: solvers, regimes, one to many columns."""
    net, classifier = nets.MeanFieldTwoLayerNet, nets.MeanFieldTwoLayerNetClassifier
    circles = datasets.make_circles(150, noise=0.05, factor=0.5, random_state=0)
    classes = some(CLASSES, "iris", "moons", "3 classes float32", "wine") | {"circles": circles}
    targets = TARGETS | OUTPUTS
    few = {"n_particles": 20, "max_iter": 40}
    modes = [
        *grid(solver=["particles", "flow", "conic"], n_particles=[20], max_iter=[40]),
        *grid(solver=["particles", "flow", "conic"], n_particles=[30], alpha=[0.0], max_iter=[20]),
        *grid(solver=["sliding-frank-wolfe"], max_iter=[8], fit_intercept=[True, False]),
        *grid(regime=["kernel"], n_particles=[50], alpha=[1e-3, 0.0], max_iter=[50]),
        *(few | one for one in grid(fit_intercept=[False], scale_inputs=[True, False])),
        few | {"early_stopping": True, "n_iter_no_change": 2},
        few | {"solver": "flow", "noise": 1e-3},
        few | {"scale_inputs": True, "tol": 0.0},
        {"max_iter": 100},
    ]
    for estimator, data in ((net, targets), (classifier, classes)):
        yield from fits(estimator, data, *modes)
        for fit in (weighted, warm):
            kernel = {"regime": "kernel", "n_particles": 30, "max_iter": 30}
            sparse_net = {"solver": "sliding-frank-wolfe", "max_iter": 5}
            yield from fits(estimator, data, few, kernel, sparse_net, fit=fit)
        flow = {"solver": "flow", "n_particles": 20, "batch_size": 30, "max_iter": 10}
        for fit in (in_parts, fitted_in_parts):
            yield from fits(estimator, data, flow, fit=fit)
    yield from fits(classifier, classes, few | {"class_weight": "balanced"})
    pairs = some(classes, "moons", "circles") | some(CLASSES, "cancer")
    pairs["line"] = (circles[0][:, :1], (circles[0][:, 0] > 0.1).astype(int))
    ascents = grid(solver=["margin-ascent"], regime=["feature", "kernel"], max_iter=[60, 300])
    yield from fits(classifier, pairs, *ascents)

    wide = {
        "diabetes": TARGETS["diabetes"],
        "10000 rows": measured(10_000, 20),
        "10000 rows float32": measured(10_000, 20, dtype="float32"),
        "5000 rows, plane": measured(5000, 2),
        "5000 rows, 3 outputs": measured(5000, 6, 3),
    }
    solvers = grid(solver=["particles", "flow", "conic"], max_iter=[20])
    kernel = {"regime": "kernel", "max_iter": 20}
    frank_wolfe = {"solver": "sliding-frank-wolfe", "max_iter": 2}
    yield from large(net, wide, *solvers, kernel, {"max_iter": 60})
    yield from large(net, wide, {"max_iter": 10}, kernel, fit=mapped)
    yield from large(net, some(wide, "5000 rows, plane", "5000 rows, 3 outputs"), frank_wolfe)
    wide = {"all digits": bundled(datasets.load_digits), "5000 rows": labelled(5000, 10, 2)}
    yield from large(classifier, wide, *solvers, kernel)
    yield from large(classifier, some(wide, "5000 rows"), {"solver": "margin-ascent"} | few)
    for m, alpha in product([10, 40], [1e-3, 1e-2]):
        yield f"conic_descent({m}, {alpha})", partial(spikes, m, alpha)


def spikes(m, alpha):
    """Spikes that a Gaussian filter has blurred."""
    t = np.linspace(0, 1, 60)

    def gaussians(positions):
        distance = t - positions
        features = np.exp(-(distance**2) / 0.02)
        return features, (features * distance / 0.01)[:, :, None]

    y = np.array([1.0, 2.0, 0.5]) @ gaussians(np.array([[0.2], [0.5], [0.9]]))[0]
    start = np.linspace(0, 1, m)[:, None]
    result = nets.conic_descent(gaussians, y, start, alpha=alpha, max_iter=500)
    return {
        "coefficients": [result.masses, result.positions],
        "objective": [result.objective],
        "n_iter_": [result.n_iter],
        "predictions": [result.residual],
    }


FAMILIES = {
    "linear": linear_cases,
    "finite_sum": finite_sum_cases,
    "tree": tree_cases,
    "deep": deep_cases,
    "mean_field": mean_field_cases,
}


# Store and compare


def figures_of(family):
    """The figures of each case, by the case's name; `refused` if the estimator raised an error."""
    names = set()
    for name, run in FAMILIES[family]():
        if name in names:
            raise AssertionError(f"two cases have the name {name}")
        names.add(name)
        try:
            found = run()
        except ValueError:
            found = {"refused": [True]}
        yield f"{family}: {name}", {key: list(map(np.asarray, a)) for key, a in found.items() if a}


def versions():
    return ", ".join(f"{m.__name__} {m.__version__}" for m in (np, scipy, sklearn))


def store(path, families):
    arrays = {"versions": np.array(versions())}
    for family in families:
        start, n_cases = time.perf_counter(), 0
        for name, found in figures_of(family):
            n_cases += 1
            for key, parts in found.items():
                arrays |= {f"{name}|{key}|{number}": part for number, part in enumerate(parts)}
        print(f"{family}: {n_cases} fits, {time.perf_counter() - start:.0f} s", flush=True)
    np.savez_compressed(path, **arrays)


def load(path):
    """The figures that `store` wrote, in the form of `figures_of`."""
    cases = {}
    with np.load(path) as file:
        if str(file["versions"]) != versions():
            print(f"stored with {file['versions']}, compared with {versions()}")
        for entry in file.files[1:]:
            name, key, _ = entry.split("|")
            cases.setdefault(name, {}).setdefault(key, []).append(file[entry])
    return cases


def same_bits(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def difference(a, b):
    """max |a - b| / max |a|; infinite if shapes differ or only one of two values is finite."""
    if same_bits(a, b):
        return 0.0
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return np.inf
    a, b = (np.nan_to_num(part.astype(np.float64)) for part in (a, b))
    size = np.abs(a).max(initial=0.0)
    return float(np.abs(a - b).max(initial=0.0) / (size if size > 0 else 1.0))


def differences(before, after):
    """The largest difference of each kind of figure."""
    if before.keys() != after.keys():
        return {"kinds of figures": np.inf}
    return {
        key: max(map(difference, before[key], after[key]), default=0.0)
        if len(before[key]) == len(after[key])
        else np.inf
        for key in before
    }


def all_same_bits(before, after):
    return before.keys() == after.keys() and all(
        len(before[key]) == len(after[key]) and all(map(same_bits, before[key], after[key]))
        for key in before
    )


def compare(path, families, most):
    """Print a line a family and the fits that differ; returns whether any does."""
    stored, any_differ = load(path), False
    for family in families:
        start, n_same, n_refused, by_name = time.perf_counter(), 0, 0, {}
        missing = {name for name in stored if name.startswith(f"{family}: ")}
        for name, found in figures_of(family):
            before = stored.get(name, {})
            missing.discard(name)
            n_same += all_same_bits(before, found)
            n_refused += "refused" in found
            by_name[name] = differences(before, found)
        by_name |= {name: differences(stored[name], {}) for name in missing}
        largest = {
            kind: max((by_kind.get(kind, 0.0) for by_kind in by_name.values()), default=0.0)
            for kind in ("coefficients", "certificate", "objective", "predictions")
        }
        text = ", ".join(f"{kind} {value:.1e}" for kind, value in largest.items())
        n_other = sum(by_kind.get("n_iter_", 0.0) > 0 for by_kind in by_name.values())
        lines = [
            f"    {name}: "
            + ", ".join(f"{kind} {value:.1e}" for kind, value in by_kind.items() if value)
            for name, by_kind in by_name.items()
            if max(by_kind.values(), default=0.0) > most
        ]
        print(
            f"{family}: {len(by_name)} fits ({n_refused} refused), {n_same} the same bits; "
            f"largest differences: {text}; {n_other} with another n_iter_; "
            f"{len(lines)} above {most:g}; {time.perf_counter() - start:.0f} s"
        )
        print(*lines, sep="\n", end="\n" if lines else "", flush=True)
        any_differ = any_differ or bool(lines)
    return any_differ


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("action", choices=["store", "compare"])
    parser.add_argument("file", help="an .npz file")
    parser.add_argument("--family", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--most", type=float, default=1e-10, help="largest relative difference")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if options.action == "store":
        store(options.file, options.family)
    else:
        sys.exit(compare(options.file, options.family, options.most))


if __name__ == "__main__":
    main()
