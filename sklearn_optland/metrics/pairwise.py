"""Kernels between rows."""

from numbers import Integral, Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.metrics.pairwise import check_pairwise_arrays
from sklearn.utils._param_validation import Interval, Options
from sklearn.utils.extmath import row_norms, safe_sparse_dot

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.typing import MatrixLike

__all__ = ["arc_cosine_kernel"]


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "Y": ["array-like", "sparse matrix", None],
        "degree": [Options(Integral, {0, 1, 2})],
        "bias": [Interval(Real, 0, None, closed="left")],
        "depth": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def arc_cosine_kernel(
    X: MatrixLike,
    Y: MatrixLike | None = None,
    *,
    degree: Literal[0, 1, 2] = 1,
    bias: float = 0.0,
    depth: int = 1,
) -> NDArray:
    r"""Compute the arc-cosine kernel between rows: that of infinitely wide random nets.

    With standard normal weights w, and 0 to the power of 0 being 0,

    .. math:: k(x, y) = 2\, \mathrm{E} \left[(w^T x)_+^n\, (w^T y)_+^n\right]
              = \frac{1}{\pi} \|x\|^n \|y\|^n J_n(\theta),

    for the angle :math:`\theta` between x and y and the degree n: of 0 units are steps, of 1 ReLUs,
    of 2 their squares, with

    .. math:: J_0 = \pi - \theta, \quad
              J_1 = \sin \theta + (\pi - \theta) \cos \theta, \quad
              J_2 = 3 \sin \theta \cos \theta + (\pi - \theta) (1 + 2 \cos^2 \theta).

    Deeper nets apply it to its own feature space: inner products and lengths in the formula are
    those of the layer before.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples_X, n_features)
        Rows.
    Y : {array-like, sparse matrix} of shape (n_samples_Y, n_features), default=None
        Rows. Default: X.
    degree : {0, 1, 2}, default=1
        The power n.
    bias : float, default=0.0
        Standard deviation of the units' biases, which is that of one more column in each layer.
    depth : int, default=1
        Number of hidden layers.

    Returns
    -------
    K : ndarray of shape (n_samples_X, n_samples_Y)
        The kernel. float32 if X and Y are, else float64.

    Raises
    ------
    ValueError
        If the rows have missing or infinite values, or other numbers of columns; if a parameter is
        not allowed, or the kernel overflows.

    See Also
    --------
    sklearn_optland.kernel_approximation.ArcCosineSampler : Random features of the kernel.

    References
    ----------
    Y. Cho and L. K. Saul, "Kernel methods for deep learning", NeurIPS 2009.

    Examples
    --------
    >>> from sklearn_optland.metrics.pairwise import arc_cosine_kernel
    >>> arc_cosine_kernel([[1.0, 0.0], [0.0, 2.0]]).round(3)
    array([[1.   , 0.637],
           [0.637, 4.   ]])
    """
    is_same = Y is None or Y is X
    X, Y = check_pairwise_arrays(X, Y)
    dtype = np.result_type(X.dtype, Y.dtype)
    X, Y = (rows.astype(np.float64, copy=False) for rows in (X, Y))
    # The kernel is homogeneous: rows have the size 1, and their sizes are multiplied at the end.
    (X, x_sizes), (Y, y_sizes) = _by_size(X), _by_size(Y)
    sizes = [x_sizes, y_sizes]
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        K = safe_sparse_dot(X, Y.T, dense_output=True)
        squares = [row_norms(X, squared=True), row_norms(Y, squared=True)]
        for _ in range(depth):
            if bias:  # one more column
                larger = [np.maximum(size, bias) for size in sizes]
                columns = [bias / size for size in larger]
                shrinks = [size / new for size, new in zip(sizes, larger, strict=True)]
                K = K * np.multiply.outer(*shrinks) + np.multiply.outer(*columns)
                parts = zip(squares, shrinks, columns, strict=True)
                squares = [square * shrink**2 + column**2 for square, shrink, column in parts]
                sizes = larger
            K = _next_layer(K, *squares, degree, is_same)
            squares = [(3.0 if degree == 2 else 1.0) * part**degree for part in squares]
            sizes = [size**degree for size in sizes]
        K = (K * sizes[0][:, None] * sizes[1]).astype(dtype, copy=False)
    if not np.isfinite(K).all():
        raise ValueError(f"X, Y: found rows whose kernel overflows {dtype}; scale them.")
    return K


def _by_size(X):
    """Rows divided by the size of their largest value, and these sizes; 1 of rows of zeros."""
    sizes = abs(X).max(axis=1)
    sizes = sizes.toarray().ravel() if issparse(sizes) else sizes
    sizes[sizes == 0] = 1.0
    sizes = np.maximum(sizes, np.finfo(float).tiny)
    scaled = X.multiply(1.0 / sizes[:, None]).tocsr() if issparse(X) else X / sizes[:, None]
    return scaled, sizes


def _next_layer(inner, x_squares, y_squares, n, is_same):
    """The kernel of a layer, of the inner products and squared lengths of its inputs."""
    x_lengths, y_lengths = np.sqrt(x_squares)[:, None], np.sqrt(y_squares)
    cosine = np.divide(inner, x_lengths, out=np.zeros_like(inner), where=x_lengths > 0)
    cosine = np.divide(cosine, y_lengths, out=np.zeros_like(inner), where=y_lengths > 0)
    np.clip(cosine, -1.0, 1.0, out=cosine)
    if is_same:
        np.fill_diagonal(cosine, 1.0)
    angle = np.arccos(cosine)
    if n == 0:
        return np.where((x_lengths > 0) & (y_lengths > 0), 1.0 - angle / np.pi, 0.0)
    sine = np.sin(angle)
    if n == 1:
        J = sine + (np.pi - angle) * cosine
    else:
        J = 3.0 * sine * cosine + (np.pi - angle) * (1.0 + 2.0 * cosine**2)
    return x_lengths**n * y_lengths**n * J / np.pi
