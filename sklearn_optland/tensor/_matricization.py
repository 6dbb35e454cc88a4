"""How many products a tensor needs: ranks of its matricizations."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils._param_validation import Integral, Interval, Real, StrOptions

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.typing import RandomState
from sklearn_optland.tensor._circuit import Circuit, coefficients

# Entries of a tensor, at most: 128 MB.
MAX_ENTRIES = 1 << 24


@validate_params(
    {
        "tensor": ["array-like"],
        "rows": ["array-like", None],
        "tol": [Interval(Real, 0, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def matricization_rank(
    tensor: ArrayLike, rows: ArrayLike | None = None, tol: float | None = None
) -> int:
    r"""Compute the rank of a tensor as a matrix: a lower bound on its CP rank.

    Some modes are the rows of the matrix, the others its columns. A product of vectors becomes a
    matrix of rank one, so a sum of K of them has at most the rank K: as many terms as the rank is
    large are needed for the tensor [1]_. For a tensor of N modes of side M that the hierarchical
    Tucker decomposition of rank r makes, with every other mode as rows, that is

    .. math:: \min(r, M)^{N/2}

    for all parameters but a set of measure zero. A tensor of CP has at most r.

    Parameters
    ----------
    tensor : array-like of shape (side, ..., side)
        The tensor, of at least one mode.
    rows : array-like of int, default=None
        The modes that are rows. None: every other one, from the first on.
    tol : float, default=None
        Share of the largest singular value below which one is 0. None: `numpy.linalg.matrix_rank`'s
        for float64.

    Returns
    -------
    rank : int
        The rank.

    Raises
    ------
    ValueError
        If there are no such modes, or entries that are not finite.

    References
    ----------
    .. [1] Cohen, N., Sharir, O. and Shashua, A. "On the expressive power of deep learning: a tensor
       analysis". COLT 2016.

    Examples
    --------
    >>> from sklearn_optland.tensor import matricization_rank, random_tensor
    >>> matricization_rank(random_tensor("ht", n_modes=8, side=3, rank=2, random_state=0))
    16
    >>> matricization_rank(random_tensor("cp", n_modes=8, side=3, rank=2, random_state=0))
    2
    """
    matrix = matricization(tensor, rows)
    return int(np.linalg.matrix_rank(matrix, rtol=tol))


def matricization(tensor, rows=None):
    """A tensor as a matrix; parameters as in `matricization_rank`."""
    tensor = check_array(
        tensor, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name="tensor"
    )
    modes = np.arange(tensor.ndim)
    rows = modes[::2] if rows is None else np.asarray(rows)
    are_modes = rows.ndim == 1 and (rows.dtype.kind in "iu" or not rows.size)
    if not (are_modes and np.isin(rows, modes).all() and len(np.unique(rows)) == len(rows)):
        raise ValueError(
            f"rows: found {rows.tolist()}; allowed are different modes from 0 to {tensor.ndim - 1}."
        )
    rows = rows.astype(int)
    columns = np.setdiff1d(modes, rows)
    n_rows = int(np.prod([tensor.shape[mode] for mode in rows]))
    return tensor.transpose([*rows, *columns]).reshape(n_rows, -1)


@validate_params(
    {
        "decomposition": [StrOptions({"cp", "ht"})],
        "n_modes": [Interval(Integral, 1, None, closed="left")],
        "side": [Interval(Integral, 1, None, closed="left")],
        "rank": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def random_tensor(
    decomposition: Literal["ht", "cp"] = "ht",
    *,
    n_modes: int = 8,
    side: int = 3,
    rank: int = 2,
    random_state: RandomState = None,
) -> NDArray:
    """Draw a tensor of a decomposition, all parameters of it standard normal.

    Parameters
    ----------
    decomposition : {"cp", "ht"}, default="ht"
        A sum of products, or hierarchical Tucker, as :class:`TensorNetRegressor` has them.
    n_modes : int, default=8
        Number of modes.
    side : int, default=3
        Size of each.
    rank : int, default=2
        Terms of "cp"; numbers of each node of "ht".
    random_state : int, RandomState instance or None, default=None
        Draws the parameters.

    Returns
    -------
    tensor : ndarray of shape (side, ..., side)
        The tensor, its root mean square being 1.

    Raises
    ------
    ValueError
        If the tensor would have more than 2^24 entries.

    Examples
    --------
    >>> from sklearn_optland.tensor import random_tensor
    >>> random_tensor("cp", n_modes=4, side=2, rank=3, random_state=0).shape
    (2, 2, 2, 2)
    """
    if side**n_modes > MAX_ENTRIES:
        raise ValueError(
            f"n_modes: found {n_modes}, with {side}**{n_modes} entries; allowed are at most "
            f"{MAX_ENTRIES}."
        )
    rng = private_random_state(random_state)
    circuit = Circuit(decomposition == "ht", n_modes, side, rank, 1)
    W, mixings, a, _ = circuit.parts(rng.standard_normal(circuit.n_parameters))
    tensor = coefficients(W, mixings, a[:, 0])
    return tensor / np.sqrt(np.mean(tensor**2))
