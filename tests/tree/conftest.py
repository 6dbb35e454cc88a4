"""Fitted forests, and the digits."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tree.forest_helpers import many_classes, sparse_classes

from sklearn_optland.tree import LOMForestClassifier


@pytest.fixture(scope="module")
def dense(global_random_seed):
    X, y = many_classes(seed=global_random_seed, dtype=np.float32)
    return X, y, LOMForestClassifier(n_prototypes=2, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def csr(global_random_seed):
    X, y = sparse_classes(seed=global_random_seed)
    return X, y, LOMForestClassifier(random_state=0).fit(X, y)


@pytest.fixture(params=["dense", "csr"])
def data_and_model(request, dense, csr):
    return {"dense": dense, "csr": csr}[request.param]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, random_state=0)
