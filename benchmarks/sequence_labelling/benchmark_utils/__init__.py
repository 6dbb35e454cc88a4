"""CoNLL's text format, features of tokens, and chunk F1."""

import gzip

import numpy as np
from scipy import sparse


def read_conll(path):
    """Sentences of a file: lists of rows, each a token's columns."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        sentences = file.read().strip().split("\n\n")
    return [[line.split() for line in sentence.split("\n")] for sentence in sentences]


def around(values, name, position, offsets, width=1):
    """Features of `width` neighbours in a row, at each offset that lies within the sentence."""
    for offset in offsets:
        first = position + offset
        if first >= 0 and first + width <= len(values):
            yield f"{name}[{offset}]={'|'.join(values[first : first + width])}"


def token_features(words, tags=None):
    """Names of the binary features of each token.

    The templates of CRFsuite's chunking example, which has words and tags around a token, alone, in
    pairs and in threes; and those of sklearn-crfsuite's tutorial: endings and case. Without tags,
    which are then the labels, their templates are left out.
    """
    lower = [word.lower() for word in words]
    for i, word in enumerate(words):
        features = ["bias", f"end3={word[-3:]}", f"end2={word[-2:]}", f"title={word.istitle()}"]
        features += around(lower, "word", i, (-2, -1, 0, 1, 2))
        features += around(lower, "words", i, (-1, 0), width=2)
        if tags is not None:
            features += around(tags, "tag", i, (-2, -1, 0, 1, 2))
            features += around(tags, "tags", i, (-2, -1, 0, 1), width=2)
            features += around(tags, "three", i, (-2, -1, 0), width=3)
        features += ["first"] * (i == 0) + ["last"] * (i == len(words) - 1)
        yield features


def as_matrices(sentences, columns, grows):
    """A CSR matrix for each sentence; `columns` numbers the features, and may grow."""
    matrices = []
    for sentence in sentences:
        rows = []
        for features in sentence:
            if grows:
                row = [columns.setdefault(feature, len(columns)) for feature in features]
            else:
                row = [columns[feature] for feature in features if feature in columns]
            rows.append(sorted(row))
        indptr = np.cumsum([0, *map(len, rows)])
        indices = np.concatenate(rows).astype(np.int32)
        matrices.append((indices, indptr))
    return [
        sparse.csr_array((np.ones(len(indices)), indices, indptr), (len(indptr) - 1, len(columns)))
        for indices, indptr in matrices
    ]


def as_dicts(sentences):
    """Tokens as dicts: "word[0]=the" is the string "the", and a name alone is True."""
    return [
        [
            {key: value if mark else True for key, mark, value in (n.partition("=") for n in names)}
            for names in sentence
        ]
        for sentence in sentences
    ]


def chunks(labels):
    """Chunks of a sentence in BIO labels, as (type, first, last excluded)."""
    found, begin = set(), None
    for i, label in enumerate([*labels, "O"]):
        part, _, kind = label.partition("-")
        if begin is not None and (part != "I" or kind != begin[0]):
            found.add((*begin, i))
            begin = None
        if part != "O" and begin is None:
            begin = kind, i
    return found


def chunk_f1(expected, predicted):
    """F1 of chunks, as conlleval counts them."""
    pairs = [(chunks(a), chunks(b)) for a, b in zip(expected, predicted, strict=True)]
    hits = sum(len(a & b) for a, b in pairs)
    return 2 * hits / max(sum(len(a) + len(b) for a, b in pairs), 1)
