"""What a fitted forest answers."""

from contextlib import contextmanager
from copy import copy, deepcopy

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from sklearn_optland._estimator.base import OptlandEstimator
from sklearn_optland._estimator.lazy import by_partition
from sklearn_optland._estimator.training_rows import validate_rows
from sklearn_optland._estimator.typing import MatrixLike
from sklearn_optland.tree._forest.histogram import Histograms
from sklearn_optland.tree._forest.ranking import Model, MultilabelModel
from sklearn_optland.tree._log_probabilities import LogProbabilities
from sklearn_optland.tree._online.shared_lock import SharedLock
from sklearn_optland.tree._top_k import check_k


class FittedForest(LogProbabilities, OptlandEstimator):
    """Predictions of label trees with a ranking, or of online trees.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    multilabel_ : bool
    _met : ndarray of int
        The classes that have had weight, which are what is predicted.
    _arrays : dict
        What Model takes; None of online trees, which are `estimators_`.
    _lock : SharedLock
        Held while trees are read or learn.
    """

    @by_partition
    def predict(self, X: MatrixLike) -> NDArray | sparse.csr_array:
        """Predict class labels, in logarithmic time.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The class of the highest score among each row's candidates. After a fit to an indicator
            matrix, one of shape (n_samples, n_classes), CSR if that was sparse: 1 for the classes
            whose probability is at least 1/2.
        """
        X = validate_rows(self, X, accept_sparse=True)
        with self._reading() as model:
            if not self.multilabel_:
                return self.classes_[self._met[model.codes(X)]]
            labels = self._of_all_classes(model.indicator(X))
            return labels if self._has_sparse_labels else labels.toarray()

    @by_partition
    def candidate_scores(self, X: MatrixLike) -> sparse.csr_array:
        """Score the candidates of each row, in logarithmic time.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        scores : csr_array of shape (n_samples, n_classes)
            The scores of the candidates, the best of a row first. Classes that are not stored are
            no candidates; a score may be below zero. With `leaf="histogram"`, the candidates are
            the classes that a row's leaves have met, and the scores their mean shares there.
        """
        X = validate_rows(self, X, accept_sparse=True)
        with self._reading() as model:
            return self._of_all_classes(model.scores(X))

    @by_partition
    def predict_top_k(self, X: MatrixLike, k: int = 5) -> sparse.csr_array:
        """Predict the most probable classes, in logarithmic time.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.
        k : int, default=5
            The most classes of a row. There are fewer where the row has fewer candidates.

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
        X = validate_rows(self, X, accept_sparse=True)
        with self._reading() as model:
            return self._of_all_classes(model.top_k(X, k))

    @by_partition
    def predict_proba(self, X: MatrixLike) -> NDArray:
        """Predict class probabilities.

        The time and the size of the result are proportional to the number of classes;
        `predict_top_k` is the logarithmic one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. The candidates of a row share `candidate_recall_` (but at
            most 0.999) by the softmax of their scores, with a factor that suits held-out rows best;
            all other classes share the rest evenly. With `leaf="histogram"`, the mean of the
            trees' probabilities.

            After a fit to an indicator matrix, the probability of each class to be among those of
            the row, and rows need not sum to 1. Of a candidate it is the sigmoid of its score,
            scaled on held-out rows; all other classes have what was missed there, evenly.
        """
        X = validate_rows(self, X, accept_sparse=True)
        with self._reading() as model:
            probabilities = model.probabilities(X)
            if np.array_equal(self._met, np.arange(len(self.classes_))):
                return probabilities
            whole = np.zeros((len(probabilities), len(self.classes_)))
            whole[:, self._met] = probabilities
            return whole

    def _of_all_classes(self, scores):
        """Columns for the classes without weight as well."""
        columns = self._met.astype(scores.indices.dtype)[scores.indices]
        shape = scores.shape[0], len(self.classes_)
        return sparse.csr_array((scores.data, columns, scores.indptr), shape=shape)

    @contextmanager
    def _reading(self):
        """What predicts, in which `partial_fit` changes nothing meanwhile."""
        check_is_fitted(self)
        with self._lock.reading():
            if self._arrays is None:
                yield Histograms(self.estimators_, len(self._met), self.n_jobs)
            else:
                kind = MultilabelModel if self.multilabel_ else Model
                yield kind(
                    self._arrays,
                    self.beam_width,
                    missed=(1 - self.candidate_recall_) * self._classes_per_row,
                    calibration=self._calibration,
                    n_jobs=self.n_jobs,
                )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self.leaf == "rerank"
        return tags

    def __getstate__(self):
        state = super().__getstate__()
        if "_lock" not in state:
            return state
        with self._lock.reading():  # locks are of one process, and trees that learn of one forest
            state = super().__getstate__()
            del state["_lock"]
            if "estimators_" in state:
                state["estimators_"] = [copy(tree) for tree in state["estimators_"]]
            if state.get("_stream") is not None:
                state["_stream"], state["_arrays"] = deepcopy(state["_stream"]), None
            if state.get("_kept") is not None:
                state["_kept"] = {**state["_kept"], "rows": list(state["_kept"]["rows"])}
            state["_number"] = None
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "_met" in state:
            self._lock = SharedLock()
            if state.get("_stream") is not None:
                self._arrays = self._stream.arrays
