"""What a fitted online tree answers."""

from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from sklearn_optland._estimator.base import OptlandEstimator
from sklearn_optland._estimator.certificate import Certificate, ratio
from sklearn_optland._estimator.lazy import by_partition
from sklearn_optland._estimator.training_rows import validate_rows
from sklearn_optland._estimator.typing import MatrixLike
from sklearn_optland.tree._log_probabilities import LogProbabilities
from sklearn_optland.tree._online.measures import (
    class_probabilities,
    leaf_counts,
    leaf_entropy,
    node_measures,
    paths,
)
from sklearn_optland.tree._online.rows import OnlineRows
from sklearn_optland.tree._online.shared_lock import SharedLock
from sklearn_optland.tree._online.tree import view
from sklearn_optland.tree._top_k import check_k


class FittedTree(LogProbabilities, OptlandEstimator):
    """Predictions and measures, from arrays that another thread may learn in between two calls.

    Attributes
    ----------
    _arrays : dict of ndarray
        As `OnlineTree` keeps them.
    _lock : SharedLock
        Held while they are read or learned in.
    """

    @by_partition
    def apply(self, X: MatrixLike) -> NDArray:
        """Route rows to their leaves.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        leaves : ndarray of shape (n_samples,), int32
            The number of each row's leaf.
        """
        X = validate_rows(self, X, accept_sparse=True)
        with self._reading() as arrays:
            return self._leaves(arrays, X)

    @by_partition
    def predict(self, X: MatrixLike) -> NDArray:
        """Predict class labels, in logarithmic time.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The majority class of each row's leaf.
        """
        X = validate_rows(self, X, accept_sparse=True)
        with self._reading() as arrays:
            codes = arrays["nodes"]["majority"][self._leaves(arrays, X)]
            return arrays["classes"][arrays["ranks"][codes]]

    @by_partition
    def predict_proba(self, X: MatrixLike) -> NDArray:
        """Predict class probabilities, from the counts of the leaves.

        The time and the size of the result are proportional to the number of classes;
        `predict_top_k` is the logarithmic one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            (n_y + 1/k) / (n + 1), where the leaf has counted n rows, n_y of the class y of k. A
            leaf without rows counts one of the class that it predicts.
        """
        k, row, classes, probability, other = self._probabilities(X)
        probabilities = np.repeat(other, k).reshape(-1, k)
        probabilities[row, classes] = probability
        return probabilities

    @by_partition
    def predict_top_k(self, X: MatrixLike, k: int = 5) -> sparse.csr_array:
        """Predict the most probable classes, in logarithmic time.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.
        k : int, default=5
            The most classes of a row. There are fewer where the row's leaf has met fewer.

        Returns
        -------
        probabilities : csr_array of shape (n_samples, n_classes)
            Those of `predict_proba`, the largest of a row first, ties in the order of `classes_`.

        Raises
        ------
        ValueError
            If `k` is not a positive integer.
        """
        check_k(k)
        n_classes, row, classes, probability, other = self._probabilities(X, k)
        first = np.searchsorted(row, np.arange(len(other) + 1))
        return sparse.csr_array((probability, classes, first), shape=(len(other), n_classes))

    @by_partition
    def decision_path(self, X: MatrixLike) -> sparse.csr_array:
        """Find the nodes that rows pass.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        indicator : csr_array of shape (n_samples, n_nodes)
            1 where the row passes the node, from the root to the leaf.
        """
        X = validate_rows(self, X, accept_sparse=True)
        with self._reading() as arrays:
            above, _ = paths(view(arrays, "nodes"))
            return above[self._leaves(arrays, X)]

    def get_depth(self) -> int:
        """Get the depth of the tree.

        Returns
        -------
        depth : int
            The most splits between the root and a leaf.
        """
        with self._reading() as arrays:
            above, _ = paths(view(arrays, "nodes"))
        return int(np.diff(above.indptr).max()) - 1

    def get_n_leaves(self) -> int:
        """Get the number of leaves.

        Returns
        -------
        n_leaves : int
            One more than internal nodes.
        """
        with self._reading() as arrays:
            return int(np.count_nonzero(view(arrays, "nodes")["left"] < 0))

    @property
    def node_stats_(self) -> dict[str, NDArray]:
        """What the splits do, from the counts of the leaves.

        They are those of the training rows under the final tree if `refit_leaves`, else what was
        counted online.

        Returns
        -------
        stats : dict of ndarray of shape (n_nodes,)
            "n": weight of the rows; "n_classes": number of their classes; "balance": P(right);
            "purity": sum over y of pi_y min(P(right | y), P(left | y)), 0 for a pure split; "J".
            The last three are NaN at leaves and at nodes without rows.
        """
        with self._reading() as arrays:
            return node_measures(arrays)

    @property
    def leaf_entropy_(self) -> float:
        """G, the mean entropy of the classes in a leaf, in nats.

        Returns
        -------
        entropy : float
            Sum over leaves of w_l sum_y pi_ly ln(1 / pi_ly), w_l the share of the rows.
        """
        with self._reading() as arrays:
            return leaf_entropy(leaf_counts(arrays))[0]

    @property
    def certificate_(self) -> Certificate:
        """`leaf_entropy_`, relative to the entropy of the classes before any split.

        Returns
        -------
        certificate : Certificate
            Its scope is "estimate": the objective is not convex, and nothing is proven. It has no
            tolerance.
        """
        with self._reading() as arrays:
            entropy, prior = leaf_entropy(leaf_counts(arrays))
        return Certificate("leaf entropy", entropy, None, "estimate", ratio(entropy, prior))

    def entropy_bound(self, gamma: float | None = None) -> float:
        """Bound the leaf entropy by the paper's theorem.

        If every split is weakly better than chance, J / 2 >= gamma, then t splits of the heaviest
        leaves reach an entropy of t ** (-gamma ** 2 / (4 (1 - gamma) ** 2 ln k)).

        Parameters
        ----------
        gamma : float, default=None
            In [0, 1/2]. None takes the smallest J / 2 of the splits that have met several classes.

        Returns
        -------
        bound : float
            At most 1; for `gamma` = 0 the theorem says nothing, and it is 1.

        Raises
        ------
        ValueError
            If `gamma` is not in [0, 1/2].
        """
        with self._reading() as arrays:
            stats, k = node_measures(arrays), len(arrays["classes"])
        n_splits = len(stats["n"]) // 2
        if gamma is None:
            informative = stats["J"][(stats["n_classes"] > 1) & ~np.isnan(stats["J"])]
            gamma = min(informative.min(initial=1.0) / 2, 0.5)
        if not 0 <= gamma <= 0.5:
            raise ValueError(f"gamma: found {gamma}; allowed is a number in [0, 1/2].")
        if k == 1 or n_splits < 2:
            return 0.0 if k == 1 else 1.0
        return float(n_splits ** (-(gamma**2) / (4 * (1 - gamma) ** 2 * np.log(k))))

    @contextmanager
    def _reading(self):
        """The tree's arrays, in which `partial_fit` changes nothing meanwhile."""
        check_is_fitted(self)
        with self._lock.reading():
            yield self._arrays

    def _snapshot(self):
        """A copy of the arrays, which stays as it is."""
        with self._reading() as arrays:
            return {name: array.copy() for name, array in arrays.items()}

    def _leaves(self, arrays, X):
        return OnlineRows(X).leaves(arrays, n_jobs=self.n_jobs)

    def _probabilities(self, X, most=None):
        """The number of classes, and the `class_probabilities` of rows."""
        X = validate_rows(self, X, accept_sparse=True)
        with self._reading() as arrays:
            leaves, place = np.unique(self._leaves(arrays, X), return_inverse=True)
            counts, n_classes = leaf_counts(arrays, leaves), len(arrays["classes"])
        most = n_classes if most is None else min(most, n_classes)
        return n_classes, *class_probabilities(counts, place, n_classes, most)

    def __getstate__(self):
        state = super().__getstate__()
        if "_lock" in state:  # locks are of one process, and arrays that learn of one estimator
            del state["_lock"]
            state["_arrays"] = self._snapshot()
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "_arrays" in state:
            self._lock = SharedLock()
