"""Parameters for which Algorithm 1 is proven to converge."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch, check_array

from sklearn_optland._estimator.parameters import validate_params


@validate_params(
    {"X": ["array-like"], "y": ["array-like"], "hidden_layer_sizes": ["array-like"]},
    prefer_skip_nested_validation=True,
)
def convergence_conditions(X: ArrayLike, y: ArrayLike, hidden_layer_sizes: ArrayLike) -> Bunch:
    """Compute parameters for which Algorithm 1 is proven to converge to a KKT point.

    The theorem is for sigmoids, half the squared error and three layers of weights W, without
    biases: the sum over rows of the losses plus λ/2 times the squared weights. Its constants are
    worst cases. They ask for a λ at which the net that is found has W close to 0: a check of the
    theorem, and no way to fit data.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    hidden_layer_sizes : array-like of shape (2,)
        Units of the two hidden layers.

    Returns
    -------
    conditions : Bunch
        "B", the theorem's bound on the weights; "beta", the least couplings β₁, β₂, β₃ that it
        allows; `lambda_`, the least penalty. "rho" and "alpha" are the same as parameters of
        :class:`ADMMNetRegressor`, whose objective is a mean over the rows.

    Raises
    ------
    ValueError
        If there are not two hidden layers, X is 0, or y has not as many rows as X.

    References
    ----------
    The slides "ADMM for DNN Learning", HKUST course on mathematical theories of deep learning;
    J. Zeng, S.-B. Lin, Y. Yao and D.-X. Zhou, "On ADMM in deep learning: convergence and
    saturation-avoidance", JMLR 22 (2021).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.neural_network import convergence_conditions
    >>> rng = np.random.RandomState(0)
    >>> conditions = convergence_conditions(rng.randn(300, 10), rng.randn(300), (10, 10))
    >>> [f"{value:.2g}" for value in conditions.beta]
    ['2.2e+06', '2e+02', '2']
    """
    X = check_array(X, dtype=np.float64)
    y = check_array(y, dtype=np.float64, ensure_2d=False)
    if len(y) != len(X):
        raise ValueError(f"y: found {len(y)} rows; allowed are {len(X)}, as many as X has.")
    sizes = np.asarray(hidden_layer_sizes)
    if sizes.shape != (2,) or sizes.dtype.kind not in "iu" or not (sizes >= 1).all():
        raise ValueError(
            f"hidden_layer_sizes: found {hidden_layer_sizes!r}; the theorem allows two layers, "
            "integers of at least 1."
        )
    norm = np.linalg.norm(X)
    if not 0 < norm < np.inf:
        raise ValueError(f"X: found the norm {norm}; allowed is a positive, finite one.")
    mean_norm = norm / np.sqrt(len(X))
    B = max(
        2 * np.sqrt(sizes[0]) / mean_norm,
        np.sqrt(2 * np.sqrt(sizes[1]) / mean_norm),
        np.cbrt(np.linalg.norm(y) / norm),
    )
    beta_3 = 2.0
    beta_2 = 16 * (beta_3 + 1) * B**2
    beta_1 = 11 * (beta_2 + 1) * B**4 * norm
    lambda_ = max(
        0.75 * beta_1 * B * norm**3, 10 * beta_2 * B**4 * norm**3, 4 * beta_3 * B**4 * norm**2
    )
    beta = np.array([beta_1, beta_2, beta_3])
    return Bunch(B=float(B), beta=beta, lambda_=float(lambda_), rho=beta, alpha=lambda_ / len(X))
