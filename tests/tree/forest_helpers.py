"""Data with many classes."""

import numpy as np
from scipy import sparse


def many_classes(n_classes=60, n_features=12, rows_per_class=30, seed=0, dtype=np.float64):
    """Gaussian classes that overlap a little, in random order."""
    rng = np.random.RandomState(seed)
    means = 2.5 * rng.standard_normal((n_classes, n_features))
    y = rng.permutation(np.repeat(np.arange(n_classes), rows_per_class))
    X = means[y] + rng.standard_normal((len(y), n_features))
    return X.astype(dtype), y


def sparse_classes(n_classes=40, n_features=200, rows_per_class=20, seed=0):
    """Documents: each class prefers some words."""
    rng = np.random.RandomState(seed)
    y = rng.permutation(np.repeat(np.arange(n_classes), rows_per_class))
    words = rng.randint(n_features, size=(n_classes, 8))
    own = words[y[:, None], rng.randint(8, size=(len(y), 6))]
    columns = np.hstack([own, rng.randint(n_features, size=(len(y), 3))])
    counts = np.ones(columns.size)
    rows = np.repeat(np.arange(len(y)), columns.shape[1])
    return sparse.coo_array((counts, (rows, columns.ravel())), (len(y), n_features)).tocsr(), y


def documents_of_styles(n_classes=150, rows_per_class=6, seed=0):
    """Documents of few rows a class, half of whose words come from styles that all classes have."""
    X, y = sparse_classes(n_classes, 400, rows_per_class, seed)
    rng = np.random.RandomState(seed)
    styles = sparse.random(10, 400, 0.05, random_state=rng) != 0
    loudness = sparse.csr_array(rng.poisson(0.5, (len(y), 10)).astype(float))
    return sparse.csr_array(X + loudness @ styles), y


def indicators(y, n_classes, rng):
    """An indicator matrix: each row has its class, and each other one with probability 0.2."""
    own = np.eye(n_classes, dtype=bool)[y]
    return (own | (rng.uniform(size=own.shape) < 0.2)).astype(int)
