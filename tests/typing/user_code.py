"""What a user writes, for a type checker: `mypy --strict`; see test_types.py."""

from typing import Any, assert_type

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from sklearn_optland import Certificate
from sklearn_optland.decomposition import LowRankFactorization
from sklearn_optland.impute import LowRankImputer
from sklearn_optland.landscape import LossSurface, Path, connect
from sklearn_optland.langevin import LangevinRegressor
from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    FiniteSumClassifierCV,
    FiniteSumRegressor,
    SAGAClassifier,
    alpha_max,
    regularization_path,
)
from sklearn_optland.neural_network import ADMMNetRegressor, MeanFieldTwoLayerNetClassifier
from sklearn_optland.plotting import ConvergenceDisplay
from sklearn_optland.structured import ChainCRFClassifier, DictSequenceVectorizer
from sklearn_optland.tree import LOMForestClassifier, LOMTreeClassifier, export_text
from sklearn_optland.utils import RowBlocks
from sklearn_optland.utils.discovery import all_estimators

Floats = NDArray[np.float64]


def linear(X: Floats, y: NDArray[Any]) -> float:
    """Linear models of arrays, sparse rows, frames and blocks."""
    model = BoundMajorizationLogisticRegression(C=10, class_weight="balanced", random_state=0)
    assert_type(model.fit(X, y), BoundMajorizationLogisticRegression)
    assert_type(model.fit(X, y).predict_proba(X), NDArray[Any])
    model.fit(sparse.csr_array(X), y.tolist(), sample_weight=np.ones(len(y)))
    model.fit(pd.DataFrame(X), pd.Series(y))
    model.fit(RowBlocks([X, X]), RowBlocks([y, y]))
    certificate: Certificate = model.certificate_
    reached: bool | None = certificate.reached
    chosen = FiniteSumClassifierCV(alphas=[0.1, 1], l1_ratios=[0.5, 1.0], cv=3).fit(X, y)
    SAGAClassifier("squared_hinge", class_weight={0: 1.0, 1: 2.0}).fit(X, y)
    return model.score(X, y) + chosen.score(X, y) + bool(reached)


def sparse_regression(X: Floats, y: Floats) -> ConvergenceDisplay:
    """A path, and what a fit did."""
    regressor = FiniteSumRegressor(loss="huber", solver="cd", l1_ratio=1.0)
    strongest = alpha_max(regressor, X, y)
    assert_type(strongest, float)
    path = regularization_path(regressor, X, y, strongest * np.logspace(0, -3))
    print(path.coefs.shape)
    return ConvergenceDisplay.from_estimators([regressor.fit(X, y)], x="seconds")


def nets(X: Floats, y: Floats) -> Path:
    """Nets, and the way between two of them."""
    net = ADMMNetRegressor((20, 20), activation="tanh", alpha=1e-3).fit(X, y)
    other = ADMMNetRegressor(hidden_layer_sizes=[20, 20], activation="tanh").fit(X, y)
    stream = MeanFieldTwoLayerNetClassifier(solver="flow")
    stream.partial_fit(X, y > 0, classes=[False, True])
    return connect(LossSurface(net, X, y), net, other, level=0.1)


def trees(X: Floats, y: NDArray[Any]) -> str:
    """Streams and many classes."""
    tree = LOMTreeClassifier().partial_fit(X, y, classes=np.unique(y))
    forest = LOMForestClassifier(5, n_jobs=2).fit(X, y)
    print(forest.predict_top_k(X, k=3).shape)
    return export_text(tree)


def sequences(rows: list[list[dict[str, str]]], y: list[list[str]]) -> NDArray[Any] | list[Any]:
    """Labels of sequences."""
    vectorizer = DictSequenceVectorizer()
    crf = ChainCRFClassifier(solver="lbfgs").fit(vectorizer.fit_transform(rows), y)
    return crf.predict(vectorizer.transform(rows))


def others(X: Floats, y: Floats) -> list[str]:
    """Transformers, posteriors, and what there is."""
    filled = LowRankImputer(alpha="cv").fit(X).transform(X)
    assert_type(filled, NDArray[Any])
    LowRankFactorization(loss="poisson").fit(X).predict_entries([0], [1])
    LangevinRegressor(noise_variance="auto").fit(X, y).predict(X, return_std=True)
    return [name for name, _ in all_estimators("classifier")]
