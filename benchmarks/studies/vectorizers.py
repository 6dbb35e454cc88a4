"""Tokens a second of `DictSequenceVectorizer` beside scikit-learn's `DictVectorizer`.

    OPTLAND_DATA=~/data python benchmarks/studies/vectorizers.py

The sentences are conll2000's (`conll2000_train.txt.gz`, `conll2000_test.txt.gz`), with some 20
features a token, as users of CRFsuite write them. The vectorizers take turns; a row has the median
of the rounds, in CPU seconds of one process. `DictVectorizer` gets a flat list of tokens, whose
making is not counted, and stores what is False as 0.
"""

import argparse
import gzip
import os
import platform
import time
from itertools import chain
from pathlib import Path
from statistics import median

import sklearn
from sklearn.feature_extraction import DictVectorizer

import sklearn_optland
from sklearn_optland.structured import DictSequenceVectorizer

NEIGHBOURS = (-2, -1, 1, 2)


def sentences(path):
    """Sentences of a file in CoNLL's format: a token a line, an empty line after each sentence."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        blocks = file.read().strip().split("\n\n")
    return [[line.split() for line in block.splitlines()] for block in blocks]


def features(sentence):
    """Dicts of a sentence's tokens: the word, its ends and shape, its tag, and its neighbours'."""
    rows = []
    for i, (word, tag, *_) in enumerate(sentence):
        row = {
            "bias": 1.0,
            "word": word.lower(),
            "last 3": word[-3:],
            "last 2": word[-2:],
            "upper": word.isupper(),
            "title": word.istitle(),
            "digit": word.isdigit(),
            "tag": tag,
            "tag 2": tag[:2],
        }
        for step in NEIGHBOURS:
            if 0 <= i + step < len(sentence):
                other, tag, *_ = sentence[i + step]
                row[f"{step} word"], row[f"{step} tag"] = other.lower(), tag
                row[f"{step} title"] = other.istitle()
            else:
                row[f"{step} edge"] = True
        rows.append(row)
    return rows


def seconds(function, *arguments):
    """CPU seconds of a call."""
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    folder = Path(os.environ["OPTLAND_DATA"]).expanduser()
    train, test = (
        [features(sentence) for sentence in sentences(folder / f"conll2000_{part}.txt.gz")]
        for part in ("train", "test")
    )
    n_train, n_test = (sum(map(len, part)) for part in (train, test))
    flat = [list(chain.from_iterable(part)) for part in (train, test)]
    n_features = median(map(len, flat[0]))
    rivals = {
        "DictSequenceVectorizer": (DictSequenceVectorizer(), train, test),
        "DictSequenceVectorizer(2**18)": (DictSequenceVectorizer(2**18), train, test),
        "DictVectorizer": (DictVectorizer(), *flat),
    }
    taken = {name: {"fit_transform": [], "transform": []} for name in rivals}
    for _ in range(rounds):
        for name, (vectorizer, first, second) in rivals.items():
            taken[name]["fit_transform"].append(seconds(vectorizer.fit_transform, first))
            taken[name]["transform"].append(seconds(vectorizer.transform, second))
    print(
        f"sklearn_optland {sklearn_optland.__version__}, scikit-learn {sklearn.__version__}, "
        f"Python {platform.python_version()}; {n_train} + {n_test} tokens, {n_features} features "
        f"in a token, {rounds} rounds"
    )
    print("| vectorizer | fit_transform, tokens/s | transform, tokens/s |\n| --- | --- | --- |")
    for name, times in taken.items():
        fit, transform = (
            n_train / median(times["fit_transform"]),
            n_test / median(times["transform"]),
        )
        print(f"| {name} | {fit:,.0f} | {transform:,.0f} |")


if __name__ == "__main__":
    main()
