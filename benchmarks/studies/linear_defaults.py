"""Finite sums with solver="auto" against the class of scikit-learn that a user would take.

    OMP_NUM_THREADS=1 python benchmarks/studies/linear_defaults.py
    OMP_NUM_THREADS=1 python benchmarks/studies/linear_defaults.py --what l1
    OMP_NUM_THREADS=1 python benchmarks/studies/linear_defaults.py --what lasso
    OMP_NUM_THREADS=1 python benchmarks/studies/linear_defaults.py --what classes
    OMP_NUM_THREADS=1 python benchmarks/studies/linear_defaults.py --what multinomial
    OMP_NUM_THREADS=1 python benchmarks/studies/linear_defaults.py --what cv
    OMP_NUM_THREADS=1 python benchmarks/studies/linear_defaults.py --what l1 --only madelon
    python benchmarks/report.py

`defaults`: both minimise the same objective at the default strength of scikit-learn's class, each
with its own default tolerance; ours is certified to 1e-6 of the optimum. The objective of
HuberRegressor has a scale besides, and there each has its own default strength. Rows that end
early in `max_iter` are counted as they are.

`l1`: log-loss with the L1 penalty, without intercept, at shares of the least strength that leaves
no coefficient. Rivals are liblinear, skglm and celer, those that are installed, at the loosest
tolerance of a grid that reaches 1e-6 of the optimum; ours stops by its certificate at 1e-6.
liblinear gets CSR as ours does, skglm and celer get CSC.

`lasso`: squared losses with the L1 penalty in the same way, by columns for all rivals, and the path
of 100 strengths from the largest to a hundredth, to 1e-6 of the optimum at each.

`classes`: the multinomial log-loss with the L1 penalty, without intercept, on data of several
classes, where scikit-learn has saga alone. It takes 10, 20, 40 ... passes until it is within 1e-6
of the optimum, or a fit has taken a minute; a `>` says that it was not, and the row is then a bound
that flatters it. One round.

`multinomial`: the multinomial log-loss with the L2 penalty at alpha = 1e-4, standardised columns,
against each solver of LogisticRegression. sag and saga take the fewest passes, to a tenth, that
reach 1e-6 of the optimum, lbfgs and newton-cg the loosest tolerance of the grid; ours stop by their
certificates at 1e-6. All take turns.

`cv`: cross-validation over 100 strengths and 5 folds, all at their defaults but for the L1 share,
against LassoCV, ElasticNetCV and LogisticRegressionCV with liblinear, which has 10 strengths, given
to both. Ours certify each fit to 1e-6.

A row has the medians of rounds in turn, in milliseconds of CPU time, and the median of theirs ÷
ours with its quartiles. Tables go to results/linear_defaults.json. `--only` measures the rows of
some data anew and keeps the others.
"""

import argparse
import importlib
import sys
import warnings
from datetime import date
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import sklearn
from defaults import in_turn
from scipy.sparse import issparse
from scipy.special import logsumexp
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    HuberRegressor,
    Lasso,
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    lasso_path,
)
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

import sklearn_optland
from sklearn_optland.linear_model import (
    FiniteSumClassifier,
    FiniteSumClassifierCV,
    FiniteSumRegressor,
    FiniteSumRegressorCV,
    SDCAClassifier,
    alpha_max,
    regularization_path,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import npz
from common.tables import RATIO, Table, read, write
from finite_sum.datasets.rcv1_like import Dataset as Rcv1Like

cpu_seconds = partial(in_turn, clock=process_time)
SHAPES = (2000, 20), (1000, 500), (100_000, 50)
CV_SHAPES = (2000, 20), (20_000, 50), (1000, 500)
ROUNDS, SECONDS = 15, 60  # of a row, and the most that its rounds may take
LEVEL = 1e-6
TOLERANCES = 1e-2, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6, 1e-7, 1e-8
L1_DATA = {
    "rcv1-like": None,
    "a9a": 1,
    "news20, one class": 0,
    "clinc150, one class": 0,
    "madelon": 1,
    "200 × 5000": None,
}
FILES = {
    "a9a": "a9a",
    "news20, one class": "news20_bydate_tfidf",
    "clinc150, one class": "clinc150_tfidf",
    "madelon": "madelon_train",
}
SQUARES_DATA = {"1000 × 5000": (1000, 5000), "50000 × 90": (50_000, 90), "rcv1-like": None}
CLASSES_DATA = {
    "news20": "news20_bydate_tfidf",
    "satimage": "satimage",
    "digits": "digits",
}
SHARES = 0.1, 0.01
PAIR = {"data": "", "problem": "", "ours ms": "{:.3g}", "theirs ms": "{:.3g}"}
LAST = {"theirs ÷ ours": RATIO, "solver": "", "gap": "{:.0e}"}


def pairs(n):
    """Names, whether of classes, ours, and theirs."""
    R, C = FiniteSumRegressor, FiniteSumClassifier
    insensitive = {"loss": "epsilon_insensitive", "epsilon": 0.0, "alpha": 1 / n}
    return [
        ("ridge", False, R(alpha=1 / n), Ridge()),
        ("lasso", False, R(alpha=1.0, l1_ratio=1.0), Lasso()),
        ("elastic net", False, R(alpha=1.0, l1_ratio=0.5), ElasticNet()),
        ("lasso, alpha = .01", False, R(alpha=0.01, l1_ratio=1.0), Lasso(alpha=0.01)),
        ("huber", False, R("huber"), HuberRegressor()),
        ("epsilon-insensitive", False, R(**insensitive), LinearSVR()),
        ("squared hinge", True, C("squared_hinge", alpha=1 / n), LinearSVC()),
        ("hinge", True, C("hinge", alpha=1 / n), LinearSVC(loss="hinge")),
        ("log-loss", True, C(alpha=1 / n), LogisticRegression()),
    ]


def drawn(n, d, has_classes):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    f = X @ (rng.standard_normal(d) * (rng.random(d) < 0.3))
    noise = rng.standard_normal(n)
    return X, f + 2 * noise > 0 if has_classes else f + noise


def name_of(shape):
    return "{} × {}".format(*shape)


def defaults(only):
    for n, d in (shape for shape in SHAPES if only(name_of(shape))):
        for name, has_classes, ours, theirs in pairs(n):
            data = drawn(n, d, has_classes)
            seconds = cpu_seconds([ours.fit, theirs.fit], data, 1)
            n_rounds = int(np.clip(SECONDS / seconds.sum(), 3, ROUNDS))
            seconds = cpu_seconds([ours.fit, theirs.fit], data, n_rounds)
            yield [name_of((n, d)), name], seconds, [ours.solver_, ours.certificate_.relative]


def l1_data(name):
    if name == "rcv1-like":
        X, y = Rcv1Like.get_instance(seed=1).get_data().values()
        return X, y
    if name == "200 × 5000":
        X, y = drawn(200, 5000, has_classes=True)
        return X, y.astype(float)
    X, y = npz.load(FILES[name])[:2]
    X = X.astype(float)
    X = X if issparse(X) else StandardScaler().fit_transform(X)
    return X, (y == np.unique(y)[L1_DATA[name]]).astype(float)


def rivals(alpha, n):
    """Constructors that take a tolerance, by name, and whether they want columns."""
    l1 = {"C": 1 / (n * alpha), "fit_intercept": False}
    liblinear = partial(LogisticRegression, solver="liblinear", l1_ratio=1.0, max_iter=5000, **l1)
    found = {"liblinear": (liblinear, False)}
    for module, name in (("skglm", "SparseLogisticRegression"), ("celer", "LogisticRegression")):
        try:
            kind = getattr(importlib.import_module(module), name)
        except ImportError:
            print(f"{module} is not installed", file=sys.stderr)
            continue
        own = {"alpha": alpha, "fit_intercept": False} if module == "skglm" else l1
        found[module] = partial(kind, max_iter=50, max_epochs=50_000, **own), True
    return found


def objective(w, X, y, alpha):
    return np.logaddexp(0, (1 - 2 * y) * (X @ w)).mean() + alpha * np.abs(w).sum()


def fit_of(kind, X, y, tol):
    return kind(tol=tol).fit(X, y)


def loosest(fit, level):
    """The fit at the loosest tolerance that is good enough; None if there is none, or it lasts."""
    for tol in TOLERANCES:
        start = process_time()
        fitted = fit(tol=tol)
        if level(fitted) <= LEVEL:
            return partial(fit, tol=tol)
        if process_time() - start > SECONDS / 3:
            return None
    return None


def best_of(fits, ours):
    """The best rival, and the seconds of ours and its."""
    seconds = {
        name: cpu_seconds([ours, fit], (), 5) for name, fit in fits.items() if fit is not None
    }
    best = min(seconds, key=lambda name: np.median(seconds[name][1]))
    return best, seconds[best]


def l1(only):
    for name in filter(only, L1_DATA):
        X, y = l1_data(name)
        columns = X.tocsc() if issparse(X) else np.asfortranarray(X)
        settings = {"l1_ratio": 1.0, "fit_intercept": False}
        largest = alpha_max(FiniteSumClassifier(**settings), X, y)
        for share in SHARES:
            alpha = share * largest
            ours = FiniteSumClassifier(alpha=alpha, **settings)
            tight = FiniteSumClassifier(alpha=alpha, tol=1e-9, **settings).fit(X, y)
            best = objective(tight.coef_[0], X, y, alpha)

            def level(model, X=X, y=y, alpha=alpha, best=best):
                return objective(model.coef_.ravel(), X, y, alpha) / best - 1

            fits = {
                rival: loosest(partial(fit_of, kind, columns if wants_columns else X, y), level)
                for rival, (kind, wants_columns) in rivals(alpha, len(y)).items()
            }
            rival, seconds = best_of(fits, partial(ours.fit, X, y))
            label = f"{share:g} alpha_max, {rival}"
            yield [name, label], seconds, [ours.solver_, ours.certificate_.relative]


def squares_data(name):
    if name == "rcv1-like":
        return l1_data(name)
    return drawn(*SQUARES_DATA[name], has_classes=False)


def squares_objective(w, X, y, alpha):
    """Of one w, or of one in each column."""
    residuals = y.reshape(-1, *[1] * (w.ndim - 1)) - X @ w
    return 0.5 * (residuals**2).mean(axis=0) + alpha * np.abs(w).sum(axis=0)


def squares_rivals(alpha):
    own = {"alpha": alpha, "fit_intercept": False}
    found = {"scikit-learn": partial(Lasso, max_iter=100_000, **own)}
    for module in ("skglm", "celer"):
        try:
            kind = importlib.import_module(module).Lasso
        except ImportError:
            print(f"{module} is not installed", file=sys.stderr)
            continue
        found[module] = partial(kind, max_iter=50, max_epochs=50_000, **own)
    return found


def paths():
    """Names of functions of a whole path, and these."""
    yield "lasso_path", lasso_path
    try:
        yield "celer_path", partial(importlib.import_module("celer").celer_path, pb="lasso")
    except ImportError:
        print("celer is not installed", file=sys.stderr)


def lasso(only):
    settings = {"l1_ratio": 1.0, "fit_intercept": False}
    for name in filter(only, SQUARES_DATA):
        X, y = squares_data(name)
        columns = X.tocsc() if issparse(X) else np.asfortranarray(X)
        largest = alpha_max(FiniteSumRegressor(**settings), X, y)
        for share in SHARES:
            alpha = share * largest
            ours = FiniteSumRegressor(alpha=alpha, **settings)
            tight = FiniteSumRegressor(alpha=alpha, tol=1e-9, **settings).fit(X, y)
            best = squares_objective(tight.coef_, X, y, alpha)

            def level(model, X=X, y=y, alpha=alpha, best=best):
                return squares_objective(model.coef_, X, y, alpha) / best - 1

            fits = {
                rival: loosest(partial(fit_of, kind, columns, y), level)
                for rival, kind in squares_rivals(alpha).items()
            }
            rival, seconds = best_of(fits, partial(ours.fit, X, y))
            label = f"{share:g} alpha_max, {rival}"
            yield [name, label], seconds, [ours.solver_, ours.certificate_.relative]
        alphas = largest * np.geomspace(1, 0.01, 100)
        ours = FiniteSumRegressor(**settings)
        tight = regularization_path(FiniteSumRegressor(tol=1e-9, **settings), X, y, alphas)
        best = squares_objective(tight.coefs.reshape(100, -1).T, X, y, alphas)

        def level(path, X=X, y=y, alphas=alphas, best=best):
            return np.max(squares_objective(path[1], X, y, alphas) / best - 1)

        fits = {
            rival: loosest(partial(path, columns, y, alphas=alphas), level)
            for rival, path in paths()
        }
        rival, seconds = best_of(fits, partial(regularization_path, ours, X, y, alphas))
        yield [name, f"100 alphas to 0.01, {rival}"], seconds, ["", None]


def objective_of_classes(coef, X, y, alpha):
    Z = X @ coef.T
    own = Z[np.arange(len(y)), y]
    return (logsumexp(Z, axis=1) - own).mean() + alpha * np.abs(coef).sum()


def classes(only):
    for name in filter(only, CLASSES_DATA):
        X, y, n_train = npz.load(CLASSES_DATA[name])
        X, y = X[:n_train].astype(float), np.unique(y[:n_train], return_inverse=True)[1]
        X = X if issparse(X) else StandardScaler().fit_transform(X)
        settings = {"l1_ratio": 1.0, "fit_intercept": False}
        largest = alpha_max(FiniteSumClassifier(**settings), X, y)
        for share in SHARES:
            alpha = share * largest
            tight = FiniteSumClassifier(alpha=alpha, tol=1e-9, **settings).fit(X, y)
            best = objective_of_classes(tight.coef_, X, y, alpha)
            ours = FiniteSumClassifier(alpha=alpha, **settings)
            took, passes, level = 0.0, 10, np.inf
            while level > LEVEL and took <= SECONDS:
                theirs = LogisticRegression(
                    solver="saga", C=1 / (len(y) * alpha), tol=0, max_iter=passes, **settings
                )
                start = process_time()
                theirs.fit(X, y)
                took = process_time() - start
                level = objective_of_classes(theirs.coef_, X, y, alpha) / best - 1
                passes *= 2
            start = process_time()
            ours.fit(X, y)
            seconds = np.array([[process_time() - start], [took]])
            reached = "" if level <= LEVEL else f" > (at {level:.0e})"
            label = f"{share:g} alpha_max, saga{reached}"
            yield [name, label], seconds, [ours.solver_, ours.certificate_.relative]


def fewest_passes(error, solver):
    """The model with the fewest passes, to a tenth, that is within `LEVEL`; None if none is."""
    fails, reaches, start = 0, 10, process_time()
    while error(solver(reaches)) > LEVEL:
        if process_time() - start > SECONDS:
            return None
        fails, reaches = reaches, 2 * reaches
    while reaches - fails > 0.1 * reaches:
        middle = (fails + reaches) // 2
        reached = error(solver(middle)) <= LEVEL
        fails, reaches = (fails, middle) if reached else (middle, reaches)
    return solver(reaches)


def multinomial(only):
    alpha = 1e-4
    for name in filter(only, ("digits", "pendigits", "satimage")):
        X, y, n_train = npz.load(name)
        X, y = StandardScaler().fit_transform(X[:n_train]), np.unique(y, return_inverse=True)[1]
        y = y[:n_train]

        def objective(model, X=X, y=y):
            losses = -model.predict_log_proba(X)[np.arange(len(y)), y]
            return losses.mean() + 0.5 * alpha * np.sum(model.coef_**2)

        best = objective(FiniteSumClassifier(alpha=alpha, tol=1e-11).fit(X, y))

        def error(model, X=X, y=y, objective=objective, best=best):
            return objective(model.fit(X, y)) / best - 1

        theirs = partial(LogisticRegression, C=1 / (len(y) * alpha))
        models = {"SDCAClassifier": SDCAClassifier(alpha=alpha, max_iter=5000, tol=LEVEL)}
        models["FiniteSumClassifier"] = FiniteSumClassifier(alpha=alpha, tol=LEVEL)
        for solver in ("lbfgs", "newton-cg"):
            grid = (theirs(solver=solver, tol=tol, max_iter=10_000) for tol in TOLERANCES)
            models[solver] = next((model for model in grid if error(model) <= LEVEL), None)
        for solver in ("sag", "saga"):
            passes = partial(theirs, solver=solver, tol=0, random_state=0)
            models[solver] = fewest_passes(error, lambda n, passes=passes: passes(max_iter=n))
        models = {solver: model for solver, model in models.items() if model is not None}
        fits = [model.fit for model in models.values()]
        seconds = dict(zip(models, cpu_seconds(fits, (X, y), 3), strict=True))
        for own in ("SDCAClassifier", "FiniteSumClassifier"):
            ours = models[own]
            for solver in list(models)[2:]:
                last = [getattr(ours, "solver_", "sdca"), ours.certificate_.relative]
                yield [name, f"{own}, {solver}"], np.array([seconds[own], seconds[solver]]), last


def cv_pairs():
    """Names of data, of problems, ours, theirs, X and y."""
    share = {"l1_ratios": (0.5,)}
    X, y = load_diabetes(return_X_y=True)
    of_targets = {"diabetes": (X, y)}
    for shape in CV_SHAPES:
        of_targets[name_of(shape)] = drawn(*shape, has_classes=False)
    for name, data in of_targets.items():
        yield name, "LassoCV", FiniteSumRegressorCV(l1_ratios=(1.0,)), LassoCV(), data
        yield name, "ElasticNetCV", FiniteSumRegressorCV(**share), ElasticNetCV(), data
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    Cs = np.logspace(-4, 4, 10)
    ours = FiniteSumClassifierCV(alphas=1 / (Cs * 0.8 * len(y)), l1_ratios=(1.0,))
    theirs = LogisticRegressionCV(
        Cs=Cs, l1_ratios=(1.0,), solver="liblinear", use_legacy_attributes=False
    )
    yield "breast_cancer", "LogisticRegressionCV", ours, theirs, (X, y)


def cv(only):
    for name, problem, ours, theirs, data in cv_pairs():
        if only(name):
            seconds = cpu_seconds([ours.fit, theirs.fit], data, 7)
            yield [name, problem], seconds, [ours.solver_, ours.certificate_.relative]


TABLES = {
    "cv": cv,
    "defaults": defaults,
    "l1": l1,
    "lasso": lasso,
    "classes": classes,
    "multinomial": multinomial,
}


def table_of(what, only, stored):
    """A table of the rows of some data, all if there are none, and of what else is stored."""
    versions = f"sklearn-optland {sklearn_optland.__version__}, scikit-learn {sklearn.__version__}"
    command = f"OMP_NUM_THREADS=1 python benchmarks/studies/linear_defaults.py --what {what}"
    conditions = {"command": command, "date": date.today().isoformat(), "versions": versions}
    table = Table(PAIR | LAST, conditions=conditions)
    if only and stored:
        table.rows = [row for row in stored.rows if row["data"] not in only]
    print(f"\n{what}\n{table.head()}")
    for name, seconds, last in TABLES[what](lambda data: not only or data in only):
        ratios = np.percentile(seconds[1] / seconds[0], [50, 25, 75])
        cells = [*name, *(1e3 * np.median(seconds, axis=1)), list(ratios), *last]
        print(table.add(dict(zip(table.columns, cells, strict=True))), flush=True)
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--what", nargs="+", default=list(TABLES))
    parser.add_argument("--only", nargs="+", default=(), metavar="DATA")
    warnings.simplefilter("ignore")
    arguments = parser.parse_args()
    for what in arguments.what:
        tables = read("linear_defaults")
        table = table_of(what, arguments.only, tables.get(what))
        write("linear_defaults", tables | {what: table})


if __name__ == "__main__":
    main()
