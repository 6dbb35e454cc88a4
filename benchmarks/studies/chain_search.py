"""A search over five C on all training sentences of conll2000, with a progress bar.

    OPTLAND_DATA=~/data python benchmarks/studies/chain_search.py

`GridSearchCV(n_jobs=2)` over folds of sentences, scored by chunk F1; features as vectorizers.py has
them. It prints the mean F1 of each C, that of the best on the test sentences, and wall seconds.
"""

import os
import time
from pathlib import Path

from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV, KFold
from vectorizers import features, sentences

from sklearn_optland.metrics import chunk_f1_scorer
from sklearn_optland.structured import ChainCRFClassifier, DictSequenceVectorizer


def main():
    """Search, and print what is found."""
    folder = Path(os.environ["OPTLAND_DATA"]).expanduser()
    data = [sentences(folder / f"conll2000_{part}.txt.gz") for part in ("train", "test")]
    X, X_test = ([features(sentence) for sentence in part] for part in data)
    y, y_test = ([[row[2] for row in sentence] for sentence in part] for part in data)
    begin = time.perf_counter()
    vectorizer = DictSequenceVectorizer()
    rows = vectorizer.fit_transform(X)
    made = time.perf_counter() - begin
    model, grid = ChainCRFClassifier(boundary=False), {"C": [0.03, 0.1, 0.3, 1.0, 3.0]}
    search = GridSearchCV(model, grid, scoring=chunk_f1_scorer, cv=KFold(3), n_jobs=2)
    search.set_callbacks(ProgressBar()).fit(rows, y)
    print(f"{rows!r}, made in {made:.1f} s")
    print("| C | F1 of three folds | mean seconds of a fit |")
    print("| --- | --- | --- |")
    results = search.cv_results_
    for C, score, seconds in zip(
        results["param_C"], results["mean_test_score"], results["mean_fit_time"], strict=True
    ):
        print(f"| {C:g} | {100 * score:.2f} | {seconds:.1f} |")
    score = chunk_f1_scorer(search, vectorizer.transform(X_test), y_test)
    print(f"C = {search.best_params_['C']:g}: F1 of the test sentences {100 * score:.2f}")
    print(f"{search.best_estimator_.certificate_}")
    print(f"{time.perf_counter() - begin:.0f} wall seconds")


if __name__ == "__main__":
    main()
