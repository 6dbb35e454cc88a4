"""Nets as a new user meets them: defaults against defaults, on raw columns and raw targets.

    OMP_NUM_THREADS=1 OPTLAND_DATA=~/data python benchmarks/studies/net_defaults.py
    OMP_NUM_THREADS=1 OPTLAND_DATA=~/data python benchmarks/studies/net_defaults.py --data yacht
    OMP_NUM_THREADS=1 OPTLAND_DATA=~/data python benchmarks/studies/net_defaults.py \
        --what certificates
    python benchmarks/report.py

Ours are `MeanFieldTwoLayerNet` and `ADMMNetRegressor`, and their classifiers. Theirs are
scikit-learn's MLP, on raw data and in a pipeline with a StandardScaler and, for regression, a
TransformedTargetRegressor; HistGradientBoosting, RandomForest, and Ridge or LogisticRegression
behind a StandardScaler. All that is set is random_state. Of three random splits a quarter tests, at
most 5000 rows; of the rest at most `--max-rows` rows train. A cell has the mean of R² or accuracy,
and the median of CPU seconds of a fit. `gaps` are the certificates of our nets on the first split.
`certificates` are what is known of the mean-field fits to three sets: their gap, the largest first
variation over `alpha` that thousands of starts find, what rounds of sliding Frank-Wolfe from there
come to, and a bound that is proven for any number of columns (`proven_maximum`). Tables go to
results/net_defaults.json.
"""

import argparse
import sys
import time
import warnings
from datetime import date
from pathlib import Path

import numpy as np
import sklearn
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_optland
from sklearn_optland.neural_network import (
    ADMMNetClassifier,
    ADMMNetRegressor,
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
)
from sklearn_optland.neural_network._mean_field.ascent import Inputs
from sklearn_optland.neural_network._mean_field.first_variation import maximum_over_sphere

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.npz import load
from common.tables import Table, read, write

BUNDLED = {"diabetes": datasets.load_diabetes, "breast_cancer": datasets.load_breast_cancer}
REGRESSION = (
    *("concrete", "energy", "power_plant", "kin8nm", "california_housing", "bike_hour"),
    *("protein", "yacht", "wine_red", "abalone", "diabetes"),
)
CLASSIFICATION = "digits", "satimage", "pendigits", "usps", "breast_cancer"
OURS = "mean field", "ADMM"
SPLITS, TEST_ROWS = 3, 5000
FEWER = 0.005  # what counts as level
CERTIFIED = "concrete", "energy", "breast_cancer"
ROUNDS, GAP, STARTS = 40, 1e-3, 2000


def scaled(model):
    return make_pipeline(StandardScaler(), model)


def regressors(seed):
    mlp = MLPRegressor(random_state=seed)
    return {
        "mean field": MeanFieldTwoLayerNet(random_state=seed),
        "ADMM": ADMMNetRegressor(random_state=seed),
        "MLP": mlp,
        "MLP, scaled": TransformedTargetRegressor(scaled(mlp), transformer=StandardScaler()),
        "boosting": HistGradientBoostingRegressor(random_state=seed),
        "forest": RandomForestRegressor(random_state=seed),
        "linear": scaled(Ridge()),
    }


def classifiers(seed):
    mlp = MLPClassifier(random_state=seed)
    return {
        "mean field": MeanFieldTwoLayerNetClassifier(random_state=seed),
        "ADMM": ADMMNetClassifier(random_state=seed),
        "MLP": mlp,
        "MLP, scaled": scaled(mlp),
        "boosting": HistGradientBoostingClassifier(random_state=seed),
        "forest": RandomForestClassifier(random_state=seed),
        "linear": scaled(LogisticRegression()),
    }


def split(name, seed, max_rows):
    if name in BUNDLED:
        X, y = BUNDLED[name](return_X_y=True)
    else:
        X, y, _ = load(name)
    X = np.asarray(X, dtype=np.float64)
    test, train = np.split(np.random.default_rng(seed).permutation(len(y)), [len(y) // 4])
    train, test = train[:max_rows], test[:TEST_ROWS]
    return X[train], y[train], X[test], y[test]


def results(name, models, wanted, max_rows):
    """By wanted model the scores and seconds of all splits, and the first fit."""
    found, fits = {}, {}
    for seed in range(SPLITS):
        X, y, X_test, y_test = split(name, seed, max_rows)
        for model in wanted:
            estimator = models(seed)[model]
            start = time.process_time()
            estimator.fit(X, y)
            seconds = time.process_time() - start
            found.setdefault(model, []).append((estimator.score(X_test, y_test), seconds))
            fits.setdefault(model, estimator)
    return {model: np.transpose(cells) for model, cells in found.items()}, fits


def certificates(name, max_rows):
    """What is known of the default fit, and of sliding Frank-Wolfe that goes on from it."""
    X, y, *_ = split(name, 0, max_rows)
    make = MeanFieldTwoLayerNet if name in REGRESSION else MeanFieldTwoLayerNetClassifier
    net = make(random_state=0).fit(X, y)
    row = {"data": name, "alpha": net.alpha_}
    row |= {"gap": net.certificate_.relative, "scope": net.certificate_.scope}
    row["largest ÷ alpha"] = first_variation(net, X, y)[0] / net.alpha_
    row["proven ÷ alpha"] = first_variation(net, X, y)[1] / net.alpha_
    before = net.history_["objective"][-1]
    net.set_params(solver="sliding-frank-wolfe", warm_start=True, max_iter=ROUNDS, tol=GAP)
    start = time.process_time()
    net.fit(X, y)
    row["sliding: rounds, s"] = [net.n_iter_, time.process_time() - start]
    row["sliding: gap"] = net.certificate_.relative
    row["sliding: objective ÷ default's"] = net.history_["objective"][-1] / before
    row["sliding: largest ÷ alpha"] = first_variation(net, X, y)[0] / net.alpha_
    return row


def first_variation(net, X, y):
    """The largest first variation that many starts find, and a bound, in standard units."""
    Z = np.column_stack([StandardScaler().fit_transform(X), np.ones(len(X))])
    if net._is_log_loss:
        R = (y == net.classes_[1]) - net.predict_proba(X)[:, 1]
    else:
        R = (y - net.predict(X)) / y.std()
    R = (R - R.mean())[:, None] / len(R)
    settings = {"starts": np.concatenate([Z, -Z]), "n_starts": STARTS, "random_state": 0}
    found = maximum_over_sphere(Inputs.of_array(Z), R, 1, **settings)
    return found.value, max(proven_maximum(Z, R[:, 0]), proven_maximum(Z, -R[:, 0]))


def proven_maximum(Z, r):
    """A bound on sum_i r_i relu(z_i't) over unit vectors t, in any dimension.

    relu is half its argument and half its size. |u| is at most (u^2 / s + s) / 2 for any s > 0,
    and -|u| at most -u^2 / |z_i|: the rest is an eigenvalue. The best s of a few is taken, in
    proportion to |z_i|.
    """
    lengths, positive = np.linalg.norm(Z, axis=1), r > 0
    bounds = []
    for share in np.geomspace(0.02, 2, 40):
        s = share * lengths
        weights = np.where(positive, r / (2 * s), r / lengths)
        largest = np.linalg.eigvalsh((Z.T * weights) @ Z)[-1]
        bounds.append(0.5 * (largest + 0.5 * r[positive] @ s[positive]))
    return 0.5 * np.linalg.norm(Z.T @ r) + min(bounds)


def summary(rows, names):
    """What the table says of ours, as notes."""
    notes = []
    for model in OURS:
        scores = {name: np.array([row[name][0] for row in rows]) for name in names}
        seconds = {name: np.array([row[name][1] for row in rows]) for name in names}
        level = int((scores[model] >= scores["MLP, scaled"] - FEWER).sum())
        below = [row["data"] for row in rows if row[model][0] < row["linear"][0] - FEWER]
        ratio = np.exp(np.mean(np.log(seconds[model] / seconds["MLP, scaled"])))
        notes.append(
            f"{model}: at least the scaled MLP's score − {FEWER} on {level} of {len(rows)} sets, "
            f"below the linear model's − {FEWER} on {', '.join(below) or 'none'}; "
            f"geometric mean of seconds ÷ the scaled MLP's {ratio:.2f}."
        )
    return notes


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=[*REGRESSION, *CLASSIFICATION])
    parser.add_argument("--max-rows", type=int, default=3000)
    parser.add_argument("--models", nargs="+", help="those to run; others keep their cells")
    parser.add_argument("--what", choices=["scores", "certificates"], default="scores")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.what == "certificates":
        table = certificate_table(arguments.max_rows)
        write("net_defaults", {**read("net_defaults"), "certificates": table})
        print(table)
        return
    names = list(regressors(0))
    tables = read("net_defaults")
    old = {row["data"]: row for row in tables["scores"].rows} if "scores" in tables else {}
    old_gaps = {row["data"]: row for row in tables["gaps"].rows} if "gaps" in tables else {}
    for name in arguments.data:
        models = regressors if name in REGRESSION else classifiers
        wanted = arguments.models or names
        found, fits = results(name, models, wanted, arguments.max_rows)
        cells = {n: [cell[0].mean(), np.median(cell[1])] for n, cell in found.items()}
        old[name] = {**old.get(name, {}), "data": name, **cells}
        if set(OURS) <= set(wanted):
            certificate = fits["mean field"].certificate_
            old_gaps[name] = {
                "data": name,
                "relative gap": certificate.relative,
                "scope": certificate.scope,
                "alpha": fits["mean field"].alpha_,
                "ADMM: KKT residual": fits["ADMM"].certificate_.relative,
            }
        print(name, {n: [round(float(v), 4) for v in c] for n, c in cells.items()}, flush=True)
        tables = {**read("net_defaults"), **tables_of(old, old_gaps)}
        write("net_defaults", tables)
    print(*tables.values(), sep="\n\n")


def conditions_of(options=""):
    versions = f"sklearn-optland {sklearn_optland.__version__}, scikit-learn {sklearn.__version__}"
    return {
        "command": f"OMP_NUM_THREADS=1 python benchmarks/studies/net_defaults.py{options}",
        "date": date.today().isoformat(),
        "versions": versions,
    }


def certificate_table(max_rows):
    table = Table(
        {
            "data": "",
            "alpha": "{:.0e}",
            "gap": "{:.1e}",
            "scope": "",
            "largest ÷ alpha": "{:.2f}",
            "proven ÷ alpha": "{:.0f}",
            "sliding: rounds, s": "{:.0f}, {:.1f}",
            "sliding: gap": "{:.1e}",
            "sliding: objective ÷ default's": "{:.3f}",
            "sliding: largest ÷ alpha": "{:.2f}",
        },
        conditions=conditions_of(" --what certificates"),
    )
    for name in CERTIFIED:
        print(table.add(certificates(name, max_rows)), flush=True)
    return table


def tables_of(rows, gap_rows):
    """The tables, of the sets that there are."""
    names = list(regressors(0))
    order = [name for name in (*REGRESSION, *CLASSIFICATION) if name in rows]
    conditions = conditions_of()
    scores = Table({"data": "", **dict.fromkeys(names, "{:.3f}, {:.2f} s")}, conditions=conditions)
    for name in order:
        scores.add(rows[name])
    scores.notes = [f"- {note}" for note in summary(scores.rows, names)]
    gaps = Table(
        {
            "data": "",
            "alpha": "{:.0e}",
            "relative gap": "{:.1e}",
            "scope": "",
            "ADMM: KKT residual": "{:.1e}",
        },
        conditions=conditions,
    )
    for name in order:
        gaps.add(gap_rows[name])
    return {"scores": scores, "gaps": gaps}


if __name__ == "__main__":
    main()
