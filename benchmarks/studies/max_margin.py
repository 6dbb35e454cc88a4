"""Widest margins: news20 beside LinearSVC, and the implicit bias of gradient methods.

    OPTLAND_DATA=~/data python benchmarks/studies/max_margin.py --what news20
    python benchmarks/studies/max_margin.py --what bias

`news20`: classes against the rest, beside LinearSVC(C=1e6). A row has the margin, the certificate's
relative gap and CPU seconds, then the peer's margin and its CPU seconds; its intercept is moved to
where its margin is widest. Two classes share documents with others, and cannot be separated.

`bias`: deficits of the margin after some steps, medians of five data sets of 60 normal rows of 10
columns, moved apart by 0.2 on each side of a hyperplane through 0; the last column is the relative
gap that the fit itself proves at the end.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from sklearn_optland.linear_model import MaxMarginClassifier


def timed_fit(model, X, y):
    """CPU seconds of a fit."""
    begin = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    return time.process_time() - begin


def news20():
    data = np.load(Path(os.environ.get("OPTLAND_DATA", ".")) / "news20_bydate_tfidf.npz")
    indices, indptr = data["indices"].astype(np.int32), data["indptr"].astype(np.int32)
    X = csr_array((data["data"].astype(float), indices, indptr), shape=tuple(data["shape"]))
    X, y = X[: int(data["n_train"])], data["y"][: int(data["n_train"])]
    print("| class | margin | gap | CPU seconds | LinearSVC: margin | CPU seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    totals = np.zeros(2)
    for label in np.unique(y):
        ours, peer = MaxMarginClassifier(), LinearSVC(C=1e6)
        seconds = timed_fit(ours, X, y == label), timed_fit(peer, X, y == label)
        totals += seconds
        scores = X @ peer.coef_[0]
        width = scores[y == label].min() - scores[y != label].max()
        print(
            f"| {label} | {ours.margin_:.6f} | {ours.certificate_.relative:.0e} "
            f"| {seconds[0]:.2f} | {width / 2 / np.linalg.norm(peer.coef_):.6f} "
            f"| {seconds[1]:.2f} |",
            flush=True,
        )
    print(f"| all | | | {totals[0]:.1f} | | {totals[1]:.1f} |")


def bias():
    n_steps = (100, 1000, 10_000, 100_000)
    print("| solver | " + " | ".join(f"{n} steps" for n in n_steps) + " | proven |")
    print("| --- |" + " --- |" * (len(n_steps) + 1))
    for solver in ("gradient-descent", "normalized", "momentum"):
        found = []
        for seed in range(5):
            rng = np.random.default_rng(seed)
            X, w = rng.standard_normal((60, 10)), rng.standard_normal(10)
            y = np.sign(X @ w)
            X += 0.2 * np.outer(y, w / np.linalg.norm(w))
            settings = {"fit_intercept": False, "tol": 0.0}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                widest = MaxMarginClassifier(**settings).fit(X, y).margin_
                model = MaxMarginClassifier(solver=solver, max_iter=n_steps[-1], **settings)
                margins = model.fit(X, y).history_["objective"]
            missing = [1 - margins[n - 1] / widest for n in n_steps]
            found.append([*missing, model.certificate_.relative])
        print(f"| {solver} | " + " | ".join(f"{v:.1e}" for v in np.median(found, axis=0)) + " |",
              flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    tables = {"news20": news20, "bias": bias}
    parser.add_argument("--what", nargs="+", choices=tables, default=["news20"])
    for what in parser.parse_args().what:
        tables[what]()


if __name__ == "__main__":
    main()
