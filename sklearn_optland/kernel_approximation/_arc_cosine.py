"""Random features of the arc-cosine kernel: the hidden layers of a random net."""

from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, Options
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_optland._estimator.base import OptlandEstimator, fit_context, private_random_state
from sklearn_optland._estimator.lazy import by_partition
from sklearn_optland._estimator.training_rows import FLOATS, always_checked
from sklearn_optland._estimator.typing import MatrixLike, RandomState
from sklearn_optland._net.directions import random_directions


class ArcCosineSampler(
    ClassNamePrefixFeaturesOutMixin, OptlandEstimator, TransformerMixin, BaseEstimator
):
    r"""Random features whose inner products approximate the arc-cosine kernel.

    .. math:: \varphi_j(x) = \sqrt{2 / m}\, (w_j^T x)_+^n

    are the m units of a hidden layer with random weights: linear models on them are two-layer nets
    whose first layer is not trained. More layers take the features of the one before.

    Parameters
    ----------
    n_components : int, default=100
        Number m of features, of each layer.
    degree : {0, 1, 2}, default=1
        The power n: steps, ReLUs, squares of ReLUs.
    bias : float, default=0.0
        Standard deviation of the units' biases, which is that of one more column in each layer.
    depth : int, default=1
        Number of layers.
    orthogonal : bool, default=True
        Whether the weights are orthogonal, in blocks of as many as there are columns, in pairs
        :math:`\pm w` and of one length: each is uniform on a sphere, and the kernel's mean is the
        same. False: independent normal weights, whose error is two to five times as large.
    random_state : int, RandomState instance or None, default=None
        Draws the weights.

    Attributes
    ----------
    random_weights_ : list of ndarray of shape (n_inputs, n_components)
        The weights of each layer, those of the first with `n_features_in_` inputs. Factors that
        give features their size are in them, if `degree` is not 0.
    random_offsets_ : list of ndarray of shape (n_components,)
        The biases of each layer.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    sklearn_optland.metrics.pairwise.arc_cosine_kernel : The kernel itself.
    sklearn.kernel_approximation.RBFSampler : Random features of the Gaussian kernel.
    sklearn_optland.neural_network.MeanFieldTwoLayerNet : With `regime="kernel"` fits the linear
        model on such features, certified.

    Notes
    -----
    Of a pair :math:`\pm w` the features' difference is linear, and of a whole block of pairs that
    part of the kernel has no error: with degree 1 choose at least 2 n_features components if you
    can.

    References
    ----------
    Y. Cho and L. K. Saul, "Kernel methods for deep learning", NeurIPS 2009.

    F. X. Yu et al., "Orthogonal random features", NeurIPS 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_optland.kernel_approximation import ArcCosineSampler
    >>> X, y = load_iris(return_X_y=True)
    >>> sampler = ArcCosineSampler(50, bias=1.0, random_state=0)
    >>> model = make_pipeline(StandardScaler(), sampler, LogisticRegression(max_iter=1000))
    >>> bool(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _takes_sparse = True
    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "degree": [Options(Integral, {0, 1, 2})],
        "bias": [Interval(Real, 0, None, closed="left")],
        "depth": [Interval(Integral, 1, None, closed="left")],
        "orthogonal": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int = 100,
        *,
        degree: Literal[0, 1, 2] = 1,
        bias: float = 0.0,
        depth: int = 1,
        orthogonal: bool = True,
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.degree = degree
        self.bias = bias
        self.depth = depth
        self.orthogonal = orthogonal
        self.random_state = random_state

    @fit_context
    def fit(self, X: MatrixLike, y: None = None) -> Self:
        """Draw the weights.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, of which only the number of columns and the type count.
        y : None
            Not used.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X has missing or infinite values, or a parameter is not allowed.
        """
        X = self._read(X, reset=True)
        rng = private_random_state(self.random_state)
        n_inputs, self.random_weights_, self.random_offsets_ = X.shape[1], [], []
        for _ in range(self.depth):
            W = self._weights(n_inputs + (self.bias > 0), rng)
            offsets = self.bias * W[:, -1] if self.bias > 0 else np.zeros(self.n_components)
            self.random_weights_.append(W[:, :n_inputs].T.astype(X.dtype, order="C"))
            self.random_offsets_.append(offsets.astype(X.dtype))
            n_inputs = self.n_components
        return self

    def _weights(self, n_columns, rng):
        """Weights of a layer, by rows, scaled so that features need no factor but for degree 0."""
        n, m = self.degree, self.n_components
        if self.orthogonal:
            W = random_directions(m, n_columns, rng)
            # the mean of |w|^2n of normal weights
            power = (1.0, n_columns, n_columns * (n_columns + 2.0))[n]
        else:
            W, power = rng.standard_normal((m, n_columns)), 1.0
        return W if n == 0 else W * (2.0 * power / m) ** (0.5 / n)

    @by_partition
    def transform(self, X: MatrixLike) -> NDArray:
        """Compute the features.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows. Of a dask collection the result is lazy.

        Returns
        -------
        features : ndarray of shape (n_samples, n_components)
            The features, float32 if X is, else float64.

        Raises
        ------
        ValueError
            If X has missing or infinite values, another number of columns than in `fit`, or values
            whose features overflow.
        """
        check_is_fitted(self)
        features = self._read(X, reset=False)
        with np.errstate(over="ignore", invalid="ignore"):
            for W, offsets in zip(self.random_weights_, self.random_offsets_, strict=True):
                Z = safe_sparse_dot(features, W.astype(features.dtype, copy=False))
                Z += offsets
                features = self._activated(Z)
        if not np.isfinite(features).all():
            raise ValueError(
                f"X: found values whose features overflow {features.dtype}; scale them."
            )
        return features

    def _activated(self, Z):
        if self.degree == 0:
            return (Z > 0).astype(Z.dtype) * Z.dtype.type(np.sqrt(2.0 / self.n_components))
        np.maximum(Z, 0.0, out=Z)
        return Z if self.degree == 1 else np.multiply(Z, Z, out=Z)

    @property
    def _n_features_out(self):
        return self.n_components

    def _read(self, X, *, reset):
        with always_checked():
            return validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=reset)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
