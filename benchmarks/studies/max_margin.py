"""The widest margins of news20's classes against the rest, beside those of LinearSVC(C=1e6).

    OPTLAND_DATA=~/data python benchmarks/studies/max_margin.py

A row has the margin, the certificate's relative gap and CPU seconds, then the peer's margin and its
CPU seconds; its intercept is moved to where its margin is widest. Two classes share documents with
others, and cannot be separated.
"""

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


def main():
    """Print the table."""
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


if __name__ == "__main__":
    main()
