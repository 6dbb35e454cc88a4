"""Labels of sequences, from lists to one array."""

import numpy as np


def labels_of_lists(y, lengths):
    """The labels in a list with an entry for each sequence, in one array."""
    if len(y) != len(lengths):
        raise ValueError(f"y: found labels of {len(y)} sequences; X has {len(lengths)} sequences.")
    for i, (labels, length) in enumerate(zip(y, lengths, strict=True)):
        if np.ndim(labels) != 1 or len(labels) != length:
            found = len(labels) if np.ndim(labels) == 1 else f"the shape {np.shape(labels)}"
            raise ValueError(
                f"y: found {found} labels for sequence {i}; it has {length} tokens in X."
            )
    parts = [np.asarray(labels) for labels in y]
    kinds = [_kinds(labels, part) for labels, part in zip(y, parts, strict=True)]
    for i, found in enumerate(kinds):
        if len(found | kinds[0]) > 1 or "None" in found:
            names = " and ".join(sorted(found | kinds[0]))
            raise ValueError(f"y: found {names} in sequence {i}; allowed are all texts or numbers.")
    return np.concatenate(parts)


def _kinds(labels, part):
    """Of labels, "texts", "numbers" or "None": mixed ones NumPy makes texts without a word."""
    if part.dtype.kind not in "UO" or (part.dtype.kind == "U" and part is labels):
        return {"texts" if part.dtype.kind == "U" else "numbers"}
    names = {str: "texts", type(None): "None"}
    return {
        next((name for kind, name in names.items() if issubclass(found, kind)), "numbers")
        for found in set(map(type, labels))
    }
