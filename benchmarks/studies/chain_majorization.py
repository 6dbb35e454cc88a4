"""Passes and CPU seconds of `ChainCRFClassifier(solver="jc12")` beside the other solvers.

    OPTLAND_DATA=~/data python benchmarks/studies/chain_majorization.py
    OPTLAND_DATA=~/data python benchmarks/studies/chain_majorization.py --words

Whether a token of conll2000's training sentences begins a chunk, goes on with one, or is in none,
3 labels (22 with `--chunks`), from the tags of it and its neighbours, some 120 columns, or with
`--words` from their words too. A row is a solver and the level to which
its certificate proves the fit, in CPU seconds of one process.
"""

import argparse
import gzip
import os
import time
import warnings
from pathlib import Path

from sklearn.exceptions import ConvergenceWarning

from sklearn_optland.structured import ChainCRFClassifier, DictSequenceVectorizer


def sentences(n):
    """The first n sentences: (word, tag, chunk) of each token."""
    path = Path(os.environ.get("OPTLAND_DATA", ".")) / "conll2000_train.txt.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        blocks = file.read().strip().split("\n\n")[:n]
    return [[line.split() for line in block.splitlines()] for block in blocks]


def features(sentence, has_words):
    """Dicts of a sentence's tokens: tags, and perhaps words, of it and both neighbours."""
    rows = []
    for i in range(len(sentence)):
        row = {}
        for step in (-1, 0, 1):
            word, tag, _ = sentence[i + step] if 0 <= i + step < len(sentence) else ("", "", "")
            row[f"{step} tag"] = tag
            if has_words:
                row[f"{step} word"] = word.lower()
        rows.append(row)
    return rows


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", action="store_true")
    parser.add_argument("--chunks", action="store_true")
    parser.add_argument("--sentences", type=int, default=300)
    parser.add_argument("--C", type=float, default=0.1)
    parser.add_argument("--solvers", nargs="+", default=["sdca", "lbfgs", "jc12"])
    parser.add_argument("--levels", nargs="+", type=float, default=[1e-1, 1e-2])
    parser.add_argument("--max-iter", type=int, default=2000)
    args = parser.parse_args()
    data = sentences(args.sentences)
    X = DictSequenceVectorizer().fit_transform([features(s, args.words) for s in data])
    y = [[chunk if args.chunks else chunk[0] for _, _, chunk in sentence] for sentence in data]
    print(f"{X!r}, C = {args.C:g}")
    print("| solver | proven | iterations | passes | CPU seconds |")
    print("| --- | --- | --- | --- | --- |")
    for level in args.levels:
        for solver in args.solvers:
            model = ChainCRFClassifier(args.C, solver=solver, tol=level, max_iter=args.max_iter)
            begin = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X, y)
            seconds = time.process_time() - begin
            proven, passes = model.certificate_.relative, model.history_["passes"][-1]
            print(
                f"| {solver} | {proven:.0e} | {model.n_iter_} | {passes:.0f} | {seconds:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
