"""Tensor nets: arithmetic circuits whose coefficients are a decomposed tensor."""

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import StrOptions

from sklearn_optland._estimator.base import fit_context
from sklearn_optland._estimator.lazy import by_partition
from sklearn_optland._estimator.scores import LazyScore, LogLossClassifier
from sklearn_optland._estimator.training_rows import (
    as_columns,
    as_targets,
    classification_rows,
    regression_rows,
)
from sklearn_optland._estimator.typing import ClassWeight, MatrixLike, RandomState
from sklearn_optland.tensor._tensor_net_base import TensorNet


class TensorNetClassifier(LogLossClassifier, ClassifierMixin, TensorNet):
    r"""Arithmetic circuit for classification: a decomposed tensor of products of columns.

    The columns are standardised and grouped into N patches. A net is a multilinear function of
    them, an arithmetic circuit: nothing but sums and products,

    .. math:: f(x) = o + \sum_{d_1 \ldots d_N} A_{d_1 \ldots d_N} \prod_i z^i_{d_i}, \qquad
              z^i = [x^i, 1],

    whose tensor of coefficients A is decomposed. With r numbers for each patch,
    :math:`\phi^i = z^i W_i`, neighbours are multiplied, entry by entry, and mixed,
    :math:`\phi = (\phi^{left} * \phi^{right}) M`, up a binary tree, and
    :math:`f = o + \phi\, a` at its root. "cp" has no M.

    The fit minimises

    .. math:: \frac{\sum_i s_i\, \ell(y_i, f(x_i))}{\sum_i s_i} + \frac{\alpha}{2}
              \Bigl( \sum_i \|W_i - 1\|^2 + \sum \|M - I\|^2 + \|a\|^2 \Bigr)

    with the log-loss of one logit for two classes and of a softmax for more; 1 stands for the
    entries of W that belong to the constant, o is free.

    Parameters
    ----------
    patches : int or list of array-like of int, default=8
        Patches of the columns. A number: so many groups of neighbouring columns of nearly the same
        size, at most one for each column. A list: the columns of each patch; columns may be in
        several or in none.
    rank : int, default=10
        Numbers r of each node: terms of "cp", hierarchical rank of "ht".
    decomposition : {"cp", "ht"}, default="ht"
        Of the tensor of coefficients.

        - "cp": a sum of r products of all patches, a shallow net.
        - "ht": hierarchical Tucker, a net of as many layers as the tree has levels. It starts where
          "cp" does.
    alpha : float, default=1e-2
        Strength of the penalty.
    tol : float, default=1e-2
        The fit stops when the norm of the gradient is at most `tol` times that at the start.
    max_iter : int, default=1000
        The most iterations of L-BFGS.
    warm_start : bool, default=False
        Whether to start from the net of the previous fit, unless its sizes or classes have changed.
    random_state : int, RandomState instance or None, default=None
        Draws the start. None stands for 0.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    factors_ : ndarray of shape (n_patches, side, rank)
        W of the patches, ones included; the last of the side is for the constant 1. float32 if X
        was, else float64, like the next three.
    mixings_ : list of ndarray of shape (n_nodes, rank, rank)
        M of the nodes of each level but the root; empty with "cp".
    output_weights_ : ndarray of shape (rank, n_outputs)
        What outputs take of the root.
    intercept_ : ndarray of shape (n_outputs,)
        Constants of the outputs.
    patches_ : list of ndarray of int
        The columns of each patch.
    mean_, scale_ : ndarray of shape (n_features,)
        What columns are standardised with; weighted.
    certificate_ : Certificate
        The norm of the gradient, scope "stationary": the problem is not convex.
    history_ : dict of ndarray of shape (`n_iter_`,)
        "objective", "certificate", "passes" and "seconds" at each iteration, the start included.
    n_iter_ : int
        Number of iterations, the start included.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    TensorNetRegressor : The same for regression.
    random_tensor : Tensors of either decomposition.
    matricization_rank : How many terms of "cp" a tensor needs at least.

    Notes
    -----
    Products of many factors vanish or explode. Here factors and mixings are 1 and I plus what is
    fitted, which starts near 0 and is penalised: the net starts as a sum of products close to 1.

    A pass costs n_samples * (n_features + n_patches * rank) * rank multiply-adds or so. Memory: a
    float64 copy of X, and its blocks.

    References
    ----------
    N. Cohen, O. Sharir and A. Shashua, "On the expressive power of deep learning: a tensor
    analysis", COLT 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_optland.tensor import TensorNetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> quarters = X.reshape(-1, 2, 4, 2, 4).transpose(0, 1, 3, 2, 4).reshape(len(X), -1)
    >>> net = TensorNetClassifier(4, decomposition="cp").fit(quarters[:1300], y[:1300])
    >>> net.score(quarters[1300:], y[1300:]) > 0.9
    True
    >>> net.coefficient_tensor(output=3).shape
    (17, 17, 17, 17)
    """

    _parameter_constraints = {
        **TensorNet._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        patches: int | Sequence[int] = 8,
        rank: int = 10,
        *,
        decomposition: Literal["ht", "cp"] = "ht",
        alpha: float = 1e-2,
        tol: float = 1e-2,
        max_iter: int = 1000,
        warm_start: bool = False,
        random_state: RandomState = None,
        class_weight: ClassWeight = None,
    ) -> None:
        super().__init__(
            patches,
            rank,
            decomposition=decomposition,
            alpha=alpha,
            tol=tol,
            max_iter=max_iter,
            warm_start=warm_start,
            random_state=random_state,
        )
        self.class_weight = class_weight

    @fit_context
    def fit(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the net.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,)
            Class labels, of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights s, not all zero. Default: all 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data have fewer than two classes, no weight, or missing or infinite values; or if
            `patches` has columns that X does not have.
        """
        rows = classification_rows(self, X, y, sample_weight)
        targets = as_columns(rows.codes, len(rows.classes)).astype(np.float64)
        return self._fit(rows, targets, True, {"classes_": rows.classes})

    @by_partition
    def decision_function(self, X: MatrixLike) -> NDArray:
        """Compute the scores of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Logits; with two classes, that of `classes_[1]`.
        """
        scores = self._scores(X)
        return scores.ravel() if scores.shape[1] == 1 else scores


class TensorNetRegressor(LazyScore, RegressorMixin, TensorNet):
    r"""Arithmetic circuit for regression: a decomposed tensor of products of columns.

    The columns are standardised and grouped into N patches. A net is a multilinear function of
    them, an arithmetic circuit: nothing but sums and products,

    .. math:: f(x) = o + \sum_{d_1 \ldots d_N} A_{d_1 \ldots d_N} \prod_i z^i_{d_i}, \qquad
              z^i = [x^i, 1],

    whose tensor of coefficients A is decomposed. With r numbers for each patch,
    :math:`\phi^i = z^i W_i`, neighbours are multiplied, entry by entry, and mixed,
    :math:`\phi = (\phi^{left} * \phi^{right}) M`, up a binary tree, and
    :math:`f = o + \phi\, a` at its root. "cp" has no M.

    The fit minimises

    .. math:: \frac{\sum_i s_i\, \tfrac12 \|y_i - f(x_i)\|^2}{\sum_i s_i}
              + \frac{\alpha}{2} \Bigl( \sum_i \|W_i - 1\|^2 + \sum \|M - I\|^2 + \|a\|^2
              \Bigr)

    for targets in units of their standard deviation; 1 stands for the entries of W that belong to
    the constant, o is free.

    Parameters
    ----------
    patches : int or list of array-like of int, default=8
        Patches of the columns. A number: so many groups of neighbouring columns of nearly the same
        size, at most one for each column. A list: the columns of each patch; columns may be in
        several or in none.
    rank : int, default=10
        Numbers r of each node: terms of "cp", hierarchical rank of "ht".
    decomposition : {"cp", "ht"}, default="ht"
        Of the tensor of coefficients.

        - "cp": a sum of r products of all patches, a shallow net.
        - "ht": hierarchical Tucker, a net of as many layers as the tree has levels. It starts where
          "cp" does.
    alpha : float, default=1e-2
        Strength of the penalty.
    tol : float, default=1e-2
        The fit stops when the norm of the gradient is at most `tol` times that at the start.
    max_iter : int, default=1000
        The most iterations of L-BFGS.
    warm_start : bool, default=False
        Whether to start from the net of the previous fit, unless its sizes have changed.
    random_state : int, RandomState instance or None, default=None
        Draws the start. None stands for 0.

    Attributes
    ----------
    factors_ : ndarray of shape (n_patches, side, rank)
        W of the patches, ones included; the last of the side is for the constant 1. float32 if X
        was, else float64, like the next three.
    mixings_ : list of ndarray of shape (n_nodes, rank, rank)
        M of the nodes of each level but the root; empty with "cp".
    output_weights_ : ndarray of shape (rank, n_outputs)
        What outputs take of the root.
    intercept_ : ndarray of shape (n_outputs,)
        Constants of the outputs.
    patches_ : list of ndarray of int
        The columns of each patch.
    mean_, scale_ : ndarray of shape (n_features,)
        What columns are standardised with; weighted.
    certificate_ : Certificate
        The norm of the gradient, scope "stationary": the problem is not convex.
    history_ : dict of ndarray of shape (`n_iter_`,)
        "objective", "certificate", "passes" and "seconds" at each iteration, the start included.
    n_iter_ : int
        Number of iterations, the start included.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    TensorNetClassifier : The same for classification.
    random_tensor : Tensors of either decomposition.
    matricization_rank : How many terms of "cp" a tensor needs at least.

    Notes
    -----
    Products of many factors vanish or explode. Here factors and mixings are 1 and I plus what is
    fitted, which starts near 0 and is penalised: the net starts as a sum of products close to 1.

    A pass costs n_samples * (n_features + n_patches * rank) * rank multiply-adds or so. Memory: a
    float64 copy of X, and its blocks.

    References
    ----------
    N. Cohen, O. Sharir and A. Shashua, "On the expressive power of deep learning: a tensor
    analysis", COLT 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.tensor import TensorNetRegressor
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> y = X[:, 0] * X[:, 1] + X[:, 2] * X[:, 3]
    >>> net = TensorNetRegressor(4, alpha=1e-4).fit(X, y)
    >>> net.score(X, y) > 0.99
    True
    """

    @fit_context
    def fit(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the net.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights s, not all zero. Default: all 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data have no weight, or missing or infinite values; or if `patches` has columns
            that X does not have.
        """
        rows = regression_rows(self, X, y, sample_weight, multi_output=True)
        targets = as_targets(rows.y, rows.dtype)
        return self._fit(rows, targets, False, {"_y_is_1d": rows.y.ndim == 1})

    @by_partition
    def predict(self, X: MatrixLike) -> NDArray:
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted values, in the shape of the training targets.
        """
        scores = self._scores(X)
        return scores.ravel() if self._y_is_1d else scores

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
