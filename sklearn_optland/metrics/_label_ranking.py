"""How well the first labels of a ranking are chosen, where rows have several labels of many."""

from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import is_multilabel
from sklearn.utils.validation import _check_sample_weight, check_array, check_consistent_length

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.typing import MatrixLike
from sklearn_optland._rows.largest import largest_of_rows

MATRIX = ["array-like", "sparse matrix"]
COUNT = [Interval(Integral, 1, None, closed="left")]


@validate_params(
    {"y_true": MATRIX, "y_score": MATRIX, "k": COUNT, "sample_weight": ["array-like", None]},
    prefer_skip_nested_validation=True,
)
def precision_at_k(
    y_true: MatrixLike,
    y_score: MatrixLike,
    k: int = 5,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Compute the precision at k: the share of the k best-scored labels that are true.

    .. math:: P@k = \frac1n \sum_i \frac1k \, |\{\text{the } k \text{ labels of the highest
              scores}\} \cap \{\text{the true ones}\}|

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_samples, n_labels)
        Indicator matrix of the true labels.
    y_score : {array-like, sparse matrix} of shape (n_samples, n_labels)
        Scores, of which ties go to the first column. Of a sparse matrix, as
        `LOMForestClassifier.predict_top_k` returns it, what is stored is ranked and all else is
        not; a place that stays empty counts as wrong.
    k : int, default=5
        Number of labels.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    precision : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the shapes differ, `y_true` is no indicator matrix, or a score is NaN.

    See Also
    --------
    propensity_scored_precision : The same where rare labels count more.
    sklearn.metrics.label_ranking_average_precision_score : The whole ranking.

    Examples
    --------
    >>> from sklearn_optland.metrics import precision_at_k
    >>> precision_at_k([[1, 0, 1], [0, 1, 0]], [[0.9, 0.5, 0.1], [0.2, 0.7, 0.1]], k=2)
    0.5
    """
    Y, scores = _checked(y_true, y_score)
    hits = (_first(scores, k) * Y).sum(axis=1)
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, Y, ensure_non_negative=True)
    return float(np.average(hits, weights=sample_weight) / k)


@validate_params(
    {"y_true": MATRIX, "y_score": MATRIX, "propensities": ["array-like"], "k": COUNT},
    prefer_skip_nested_validation=True,
)
def propensity_scored_precision(
    y_true: MatrixLike, y_score: MatrixLike, propensities: ArrayLike, k: int = 5
) -> float:
    r"""Compute the precision at k in which a label counts by the inverse of its propensity.

    Labels that are seldom noticed, most often rare ones, count more. It is divided by the best
    value that a ranking could have, as tables of extreme classification do:

    .. math:: PSP@k = \frac{\sum_i \sum_{l \in \mathrm{top}_k(i)} y_{il} / p_l}
              {\sum_i \max_{|S| = k} \sum_{l \in S} y_{il} / p_l}

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_samples, n_labels)
        Indicator matrix of the true labels.
    y_score : {array-like, sparse matrix} of shape (n_samples, n_labels)
        Scores, as of :func:`precision_at_k`.
    propensities : array-like of shape (n_labels,)
        The probabilities p that a label which is relevant is also observed, in (0, 1], by
        :func:`label_propensities` of the training labels.
    k : int, default=5
        Number of labels.

    Returns
    -------
    precision : float
        Between 0 and 1; 0 if no label is true.

    Raises
    ------
    ValueError
        As of :func:`precision_at_k`, or if propensities are not in (0, 1].

    See Also
    --------
    label_propensities : The propensities of Jain et al.

    References
    ----------
    H. Jain, Y. Prabhu and M. Varma, "Extreme multi-label loss functions for recommendation,
    tagging, ranking & other missing label applications", KDD 2016.

    Examples
    --------
    >>> from sklearn_optland.metrics import propensity_scored_precision
    >>> y_true, y_score = [[1, 1, 0], [0, 1, 0]], [[0.9, 0.5, 0.1], [0.2, 0.7, 0.1]]
    >>> round(propensity_scored_precision(y_true, y_score, [1.0, 0.5, 0.1], k=1), 2)
    0.75
    """
    Y, scores = _checked(y_true, y_score)
    p = check_array(propensities, ensure_2d=False, dtype=np.float64, input_name="propensities")
    if p.shape != (Y.shape[1],):
        raise ValueError(
            f"propensities: found the shape {p.shape}; allowed is {(Y.shape[1],)}, one a label."
        )
    if not (p.min() > 0 and p.max() <= 1):
        raise ValueError(
            f"propensities: found values from {p.min():g} to {p.max():g}; allowed are those above "
            "0 and up to 1."
        )
    gains = Y @ sparse.diags_array(1 / p)
    best = (_first(gains, k) * gains).sum()
    return float((_first(scores, k) * gains).sum() / best) if best > 0 else 0.0


@validate_params(
    {
        "y": MATRIX,
        "A": [Interval(Real, 0, None, closed="left")],
        "B": [Interval(Real, 0, None, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def label_propensities(y: MatrixLike, *, A: float = 0.55, B: float = 1.5) -> NDArray:
    r"""Estimate how probable it is that a label which is relevant is also observed.

    Of N rows, :math:`N_l` with the label l,

    .. math:: p_l = \frac{1}{1 + C e^{-A \log(N_l + B)}}, \qquad C = (\log N - 1) (B + 1)^A.

    Parameters
    ----------
    y : {array-like, sparse matrix} of shape (n_samples, n_labels)
        Indicator matrix of the training rows.
    A, B : float, default=0.55 and 1.5
        Constants of the model. The defaults are those that are used where none were fitted; for
        Wikipedia the authors give 0.5 and 0.4, for products of Amazon 0.6 and 2.6.

    Returns
    -------
    propensities : ndarray of shape (n_labels,)
        In (0, 1].

    Raises
    ------
    ValueError
        If `y` is no indicator matrix.

    References
    ----------
    H. Jain, Y. Prabhu and M. Varma, "Extreme multi-label loss functions for recommendation,
    tagging, ranking & other missing label applications", KDD 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.metrics import label_propensities
    >>> label_propensities(np.eye(3, 50, dtype=int).repeat(20, axis=0)).round(2)[[0, 49]]
    array([0.51, 0.2 ])
    """
    Y = _indicator(y, "y")
    # Fewer rows than e would have a negative C; they are all observed.
    C = max(np.log(Y.shape[0]) - 1, 0) * (B + 1) ** A
    counts = Y.sum(axis=0)
    return 1 / (1 + C * (counts + B) ** -A)


def _checked(y_true, y_score):
    """The true labels and the scores, as CSR and as they are."""
    Y = _indicator(y_true, "y_true")
    scores = check_array(
        y_score,
        accept_sparse="csr",
        dtype=np.float64,
        input_name="y_score",
        ensure_all_finite=False,
    )
    values = scores.data if sparse.issparse(scores) else scores
    if np.isnan(values).any():
        raise ValueError("y_score: found NaN; allowed are numbers.")
    check_consistent_length(Y, scores)
    if scores.shape[1] != Y.shape[1]:
        raise ValueError(
            f"y_score: found {scores.shape[1]} columns; allowed are {Y.shape[1]}, those of y_true."
        )
    return Y, scores


def _indicator(y, name):
    """An indicator matrix as CSR."""
    if not sparse.issparse(y):
        y = np.asarray(y)
    if not is_multilabel(y):
        raise ValueError(
            f"{name}: found no indicator matrix; allowed is one of shape (n_samples, n_labels), "
            "with at least two labels, of zeros and ones."
        )
    Y = sparse.csr_array(y != 0, dtype=np.float64)
    Y.eliminate_zeros()
    return Y


def _first(scores, k):
    """The k labels of the highest scores of each row, as a CSR array of ones."""
    if sparse.issparse(scores):
        first = largest_of_rows(scores, k)
        return sparse.csr_array((np.ones(first.nnz), first.indices, first.indptr), first.shape)
    k = min(k, scores.shape[1])
    columns = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    indptr = np.arange(0, columns.size + 1, k)
    return sparse.csr_array((np.ones(columns.size), columns.ravel(), indptr), scores.shape)
