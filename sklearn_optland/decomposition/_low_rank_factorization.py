"""Low-rank factorization of observed entries."""

from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import expit
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sklearn_optland._estimator.advice import advise
from sklearn_optland._estimator.base import (
    OptlandEstimator,
    check_start,
    fit_context,
    private_random_state,
)
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.certificate import Certificate, ratio, tolerance_of
from sklearn_optland._estimator.lazy import refuse_dask
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._estimator.training_rows import (
    FLOATS,
    TrainingRows,
    always_checked,
    check_magnitudes,
    sample_weights,
    total_weight,
)
from sklearn_optland._estimator.typing import MatrixLike, RandomState
from sklearn_optland._loss.scalar_losses import LOSSES
from sklearn_optland._low_rank.factors import Factorization, factor_steps, refitted
from sklearn_optland._low_rank.norms import NORMS, product_norm
from sklearn_optland._low_rank.observed import Observed, fit_offsets, row_offsets
from sklearn_optland._rows.threads import one_blas_thread

# Beyond it sums of squares overflow.
LARGEST_VALUE = 1e140


class LowRankFactorization(
    OptlandEstimator,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    r"""Low-rank factorization of observed entries with a certificate of global optimality.

    Of a matrix of n rows some entries :math:`y_{ij}` are observed: ratings of users and items,
    answers to questions, counts. Their scores are :math:`f_{ij} = m + a_i + b_j + u_i^T v_j`. Given
    a constant and offsets of rows and columns, which are fitted before, the fit minimises

    .. math:: \frac1n \sum_{ij \text{ observed}} s_i\, \ell(y_{ij}, f_{ij})
              + \frac\alpha{\sqrt n} \bigl\| S^{1/2} U V^T \bigr\|_*

    with weights s of the rows, 1 unless given, n being their sum, and the nuclear norm, the sum of
    singular values, or another one (`norm`), over factors of any rank, and stops when a duality gap
    proves that it is within `tol` of the optimum.

    Parameters
    ----------
    alpha : float, default=0.5
        Strength of the penalty, positive. In the sum over entries it is :math:`\alpha\sqrt n`;
        from `alpha_max_` on the rank is 0.
    loss : {"squared_error", "huber", "log_loss", "poisson"}, default="squared_error"
        - "squared_error": half of the squared error.
        - "huber": the same for errors up to `epsilon`, linear beyond.
        - "log_loss": for entries -1 and 1, or 0 and 1: one-bit matrix completion.
        - "poisson": for counts; scores are logarithms of means.
    epsilon : float, default=1.35
        Where "huber" becomes linear.
    norm : {"nuclear", "l1_l2", "l1_l1"}, default="nuclear"
        The penalty of :math:`UV^T`: the least total of products of column norms,
        :math:`\sum_k \|u_k\| \|v_k\|`, over its factors of any rank. See Notes.

        - "nuclear": Euclidean norms. It predicts entries from those of similar rows and columns.
        - "l1_l2": L1 norms of U's columns, Euclidean ones of V's: few rows take part in a column.
        - "l1_l1": L1 norms of both: few rows and few columns do.
    positive : bool, default=False
        Whether U and V have no negative entries: parts that only add up. Scores are then at least
        the offsets, for which ``offsets=False`` may suit better. With "nuclear" the certificate is
        an estimate.
    offsets : bool, default=True
        Whether there are the constant and the offsets.
    debias : bool, default=False
        Whether the factors are refitted after the certified fit, without the loss of
        :math:`\alpha` in the singular values: see Notes. It predicts better where entries are few,
        as with ratings. For the nuclear norm without `positive`. `certificate_`, `history_`,
        `singular_values_` and `polar_` stay those of the certified optimum.
    max_rank : int, default=None
        The most columns of the factors. None: as many as the optimum has.
    tol : float, default=1e-3
        The fit stops when the duality gap is at most `tol` times the objective.
    max_iter : int, default=1000
        The most iterations of L-BFGS.
    warm_start : bool, default=False
        Whether to start from the factors of the previous fit, if the shape is the same: for a path
        over `alpha`, from large to small. The other way round, columns that the optimum no longer
        has may stay, as far as `tol` allows.
    random_state : int, RandomState instance or None, default=None
        Starts Lanczos' method. None stands for 0.

    Attributes
    ----------
    components_ : ndarray of shape (`rank_`, n_features)
        V'. Balanced with the rows: V'V = U'SU / n is diagonal, with falling entries, or of other
        norms: columns of V have the norms of those of :math:`S^{1/2}U` divided by the root of n.
        With `debias` the rows have variance 1 instead.
    row_factors_ : ndarray of shape (n_samples, `rank_`)
        U.
    intercept_ : float
        The constant m.
    row_offsets_ : ndarray of shape (n_samples,)
        a.
    column_offsets_ : ndarray of shape (n_features,)
        b.
    rank_ : int
        Number of columns of the factors.
    singular_values_ : ndarray of shape (`rank_`,)
        Of the optimum's UV', divided by the root of n: in units of `alpha`. Of other norms the
        products of the columns' norms, in their place.
    polar_ : float
        The largest singular value of the derivatives of the losses, or the polar of another norm,
        over what the penalty allows. At most 1 at the optimum; above, another column would lower
        the objective.
    alpha_max_ : float
        The least strength at which the rank is 0.
    certificate_ : Certificate
        How far the fit can be from the optimum, in units of the objective. Its scope is "global",
        or "estimate" where the largest singular value that it takes is not proven: see Notes.
    history_ : dict of ndarray of shape (`n_iter_`,)
        "objective", "certificate", "passes", "rank" and "seconds" after each iteration. The
        certificate is NaN where it was not computed.
    n_iter_ : int
        Number of iterations.
    n_features_in_ : int
        Number of columns seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of columns seen during `fit`, if X has string names.

    See Also
    --------
    sklearn_optland.impute.LowRankImputer : Tables with holes, columns standardised.
    sklearn.decomposition.TruncatedSVD : All entries are observed, those not stored as zeros.

    Notes
    -----
    The factorised problem is not convex. L-BFGS takes it to a stationary point; singular vectors
    of the losses' derivatives beyond the penalty become new columns, until there are none: then
    the factors are globally optimal [1]_. Offsets are shrunk as if each row and column had five
    more entries of offset 0; the certificate is for the offsets as they are.

    L1 norms have exact polars: the longest row of the derivatives, or the largest entry. At their
    optimum a row's scores depend on that row alone, with "l1_l1" each on its own entry, and are
    the offsets where nothing is observed. So without `max_rank` they find which rows or entries
    depart from the offsets, and predict no others; with a small `max_rank` columns are shared, and
    are sparse factors, a stationary point whose certificate is the distance to that optimum. Prefer
    "nuclear" to predict. Fits with L1 norms or `positive` go by L-BFGS-B and take more iterations.
    The polar of non-negative Euclidean columns is NP-hard: the largest value that power iterations
    find stands in for it, so that `certificate_` is an estimate, like `alpha_max_` and `polar_`.

    With `debias`, V gets the lengths of the singular values with :math:`\alpha` put back, and one
    sweep of regressions follows: rows with a standard normal prior, columns with a normal one of
    the variances that V has, rows again. The noise has the variance of the optimum's residuals. On
    generated ratings the error fell from .919 to .872; `benchmarks/studies/low_rank.py` has it.

    Rows without weight do not take part. Their factors are those of new rows.

    The certificate takes the largest singular value of the losses' derivatives. With a side up to
    400 it comes from a dense Gram matrix. Beyond, Lanczos' method finds it, but could miss it: at
    the end of the fit a Cholesky factorisation proves that none is larger by more than 1e-8 of it,
    so a `tol` far below 1e-7 is out of reach. With a shorter side beyond some 3900, or where so
    many entries of a row meet that it would take too long, there is no such proof, and the scope is
    "estimate"; Lanczos' method then ends at 1e-4 of the eigenvalue.

    An iteration costs 6 * rank multiply-adds for each observed entry. Memory: 56 bytes for each
    observed entry, and 25 sets of factors. 10^8 entries of 10^6 rows and 10^4 columns at rank 10
    take 5.6 + 2 GB.

    References
    ----------
    .. [1] Haeffele, B. D. and Vidal, R. "Global optimality in tensor factorization, deep
       learning, and beyond". arXiv:1506.07540 (2015).

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> from sklearn_optland.decomposition import LowRankFactorization
    >>> rng = np.random.default_rng(0)
    >>> truth = np.outer(rng.normal(size=60), rng.normal(size=40))
    >>> rows, cols = np.nonzero(rng.random((60, 40)) < 0.5)
    >>> X = csr_array((truth[rows, cols], (rows, cols)), shape=(60, 40))
    >>> model = LowRankFactorization(alpha=0.2, offsets=False).fit(X)
    >>> model.rank_
    1
    >>> bool(abs(model.predict_entries([3], [5])[0] - truth[3, 5]) < 0.1)
    True
    """

    _parameter_constraints = {
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "loss": [StrOptions({"squared_error", "huber", "log_loss", "poisson"})],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "norm": [StrOptions(NORMS)],
        "positive": ["boolean"],
        "offsets": ["boolean"],
        "debias": ["boolean"],
        "max_rank": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }
    _takes_sparse = True

    def __init__(
        self,
        alpha: float = 0.5,
        *,
        loss: Literal["squared_error", "huber", "log_loss", "poisson"] = "squared_error",
        epsilon: float = 1.35,
        norm: Literal["nuclear", "l1_l2", "l1_l1"] = "nuclear",
        positive: bool = False,
        offsets: bool = True,
        debias: bool = False,
        max_rank: int | None = None,
        tol: float = 1e-3,
        max_iter: int = 1000,
        warm_start: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.alpha = alpha
        self.loss = loss
        self.epsilon = epsilon
        self.norm = norm
        self.positive = positive
        self.offsets = offsets
        self.debias = debias
        self.max_rank = max_rank
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.random_state = random_state

    @fit_context
    def fit(self, X: MatrixLike, y: None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the factors.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_samples, n_features)
            Of a sparse matrix the stored entries are observed, zeros among them; of an array those
            that are not NaN.
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of rows. A row of weight two counts like two rows. None: all 1.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If nothing is observed, for values that the loss does not take, weights without a
            positive sum, or `debias` with another norm than the nuclear one.
        """
        if self.debias and (self.norm != "nuclear" or self.positive):
            raise ValueError(
                f"debias: found True with norm={self.norm!r} and positive={self.positive}; allowed "
                "is False with these."
            )
        with always_checked():
            given = self._read(X, reset=True)
        weights = sample_weights(given, sample_weight)
        total, is_used = total_weight(weights), weights > 0
        used, weights = (given, weights) if is_used.all() else (given[is_used], weights[is_used])
        if not used.nnz:
            raise ValueError("X: found no observed entry; allowed are matrices with some.")
        rows = TrainingRows(given, y, sample_weight, weights)
        n, d = used.shape
        loss = LOSSES[self.loss].with_parameters(self.epsilon, 0.5)
        is_even = sample_weight is None
        observed = Observed(self._coded(used), loss, weights=None if is_even else weights)
        loss.check_targets(observed.y, observed.ones)
        mean, a, b = fit_offsets(observed) if self.offsets else (0.0, np.zeros(n), np.zeros(d))
        observed.offsets = mean + a[observed.rows] + b[observed.indices]
        strength = self.alpha * np.sqrt(total)
        norm = product_norm(self.norm, self.positive, np.sqrt(weights), d)
        most = min(n, d) if norm.is_nuclear else n + d
        max_rank = most if self.max_rank is None else self.max_rank
        rng = private_random_state(self.random_state, 0)
        problem = Factorization(observed, strength, max_rank, rng, norm)

        def attributes(point):
            return self._attributes(problem, point, total)

        with one_blas_thread():
            largest = problem.top(observed.pulls(np.zeros(len(observed.y)))[1])[1]
            is_empty = largest.max(initial=0.0) <= strength
            start = self._start(is_used, d, np.sqrt(weights), 0 if is_empty else max_rank)
            steps = factor_steps(problem, *start, self.tol)
            kept, history = run(self, steps, attributes, rows=rows, max_iter=self.max_iter)
            point = kept.parameters
            if not np.isfinite(point.gap):
                point = problem.certify(*problem.balanced(point.U, point.V))[0]
                history["objective"][-1], history["certificate"][-1] = point.objective, point.gap
            scope = "global" if problem.is_proven(point) else "estimate"
        for name in ("objective", "certificate"):
            history[name] = history[name] / total
        objective, gap = point.objective / total, point.gap / total
        certificate = Certificate(
            "duality gap", gap, tolerance_of(self.tol, objective), scope, ratio(gap, objective)
        )
        remedy = "raise max_rank" if self.max_rank is not None else "raise alpha"
        counts, values = np.arange(1, len(history["passes"]) + 1), history["certificate"]
        advice = advise(self, len(counts), given.dtype, certificate, counts, values, remedy)
        self.intercept_, self.row_offsets_, self.column_offsets_ = mean, a, b
        self.alpha_max_ = float(largest.max(initial=0.0) / np.sqrt(total))
        finish(self, attributes(point), history, certificate, advice=advice)
        if not is_used.all():
            self._fill_rows(given, is_used)
        return self

    def _fill_rows(self, X, is_used):
        """Offsets and factors of the rows without weight as well: those of new rows."""
        known = self.row_offsets_, self.row_factors_
        new = self._rows(X[~is_used])
        whole = [np.empty((len(is_used), *part.shape[1:])) for part in known]
        for array, mine, others in zip(whole, known, new, strict=True):
            array[is_used], array[~is_used] = mine, others
        self.row_offsets_, self.row_factors_ = whole

    def _start(self, is_used, d, roots, max_rank):
        """Factors of the previous fit, if they have no more columns than may be, or of rank 0."""
        n = len(is_used)
        if max_rank and self.warm_start and hasattr(self, "row_factors_"):
            U, V = self.row_factors_, self.components_.T
            if (len(U), len(V)) == (n, d) and U.shape[1] <= max_rank:
                check_start(self, "row_factors_", "components_")
                U, V = U[is_used] * roots[:, None], np.ascontiguousarray(V)
                return (np.maximum(U, 0), np.maximum(V, 0)) if self.positive else (U, V)
        return np.zeros((len(roots), 0)), np.zeros((d, 0))

    def _attributes(self, problem, point, total):
        """What predictions need."""
        lengths = problem.norm.columns.lengths(point.V)
        fitted = {
            "rank_": point.U.shape[1],
            "singular_values_": lengths**2 / np.sqrt(total),
            "polar_": point.polar,
        }
        if self.debias:
            U, V, beta = refitted(problem, point)
            return fitted | {"components_": V.T, "row_factors_": U, "_row_penalty": (beta,)}
        weights, unit = problem.observed.weights, total**0.25
        U = point.U if weights is None else point.U / np.sqrt(weights)[:, None]
        penalty = (float(self.alpha),)
        if problem.norm.rows.is_l1:
            penalty = 0.0, self.alpha * np.sqrt(total) * lengths / unit
        fitted |= {"components_": point.V.T / unit, "row_factors_": U * unit}
        return fitted | {"_row_penalty": penalty}

    def transform(self, X: MatrixLike) -> NDArray:
        """Find the factors of rows that are optimal for the columns' factors.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_samples, n_features)
            Observed entries of new rows, as in `fit`.

        Returns
        -------
        U : ndarray of shape (n_samples, `rank_`)
            Their factors; offsets of the rows are fitted first.
        """
        check_is_fitted(self)
        refuse_dask(self, "transform", (X,))
        return self._rows(self._read(X, reset=False))[1]

    def _rows(self, X):
        """Offsets and factors of rows."""
        loss = LOSSES[self.loss].with_parameters(self.epsilon, 0.5)
        observed = Observed(self._coded(X), loss)
        if X.nnz:
            loss.check_targets(observed.y, observed.ones)
        observed.offsets = self.intercept_ + self.column_offsets_[observed.indices]
        a = row_offsets(observed) if self.offsets else np.zeros(X.shape[0])
        observed.offsets = observed.offsets + a[observed.rows]
        V = np.ascontiguousarray(self.components_.T)
        return a, observed.row_factors(V, *self._row_penalty, positive=self.positive)

    def predict_entries(
        self, rows: ArrayLike, columns: ArrayLike, X: MatrixLike | None = None
    ) -> NDArray:
        """Predict entries of the matrix.

        Parameters
        ----------
        rows, columns : array-like of int of shape (n_entries,)
            Where they are.
        X : sparse matrix or array-like, default=None
            Observed entries of other rows, which `rows` then counts. None: the rows of `fit`.

        Returns
        -------
        values : ndarray of shape (n_entries,)
            Expected values: of "log_loss" probabilities of 1, of "poisson" means.

        Raises
        ------
        ValueError
            If there are no such rows or columns.
        """
        check_is_fitted(self)
        refuse_dask(self, "predict_entries", (X,))
        a, U = self.row_offsets_, self.row_factors_
        if X is not None:
            a, U = self._rows(self._read(X, reset=False))
        rows = _indices("rows", rows, len(U))
        columns = _indices("columns", columns, self.n_features_in_)
        if rows.shape != columns.shape:
            raise ValueError(
                f"columns: found {columns.shape[0]} of them; allowed are as many as rows, "
                f"{rows.shape[0]}."
            )
        scores = self.intercept_ + a[rows] + self.column_offsets_[columns]
        scores += np.einsum("ij,ji->i", U[rows], self.components_[:, columns])
        return {"log_loss": expit, "poisson": np.exp}.get(self.loss, np.asarray)(scores)

    @property
    def _n_features_out(self):
        return self.rank_

    def _read(self, X, *, reset):
        """Observed entries as CSR of float64."""
        X = validate_data(
            self, X, accept_sparse="csr", dtype=FLOATS, ensure_all_finite="allow-nan", reset=reset
        )
        if sparse.issparse(X):
            X = check_array(X, accept_sparse="csr", dtype=np.float64, input_name="X")
            X = sparse.csr_array(X, copy=True)
            X.sum_duplicates()
        else:
            rows, columns = np.nonzero(~np.isnan(X))
            values = X[rows, columns].astype(np.float64)
            X = sparse.csr_array((values, (rows, columns)), shape=X.shape)
        check_magnitudes(X, LARGEST_VALUE)
        return X

    def _coded(self, X):
        """Entries as the losses take them: -1 and 1 for classes."""
        if self.loss != "log_loss":
            return X
        X = X.copy()
        X.data[X.data == 0] = -1.0
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _indices(name, values, length):
    """Indices as an array; an error for others than those from 0 to length - 1."""
    values = np.asarray(values)
    if values.shape == (0,):
        return values.astype(np.intp)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: found an array of {values.dtype} of shape {values.shape}; allowed are "
            "integers in one dimension."
        )
    if values.size and not (values.min() >= 0 and values.max() < length):
        raise ValueError(
            f"{name}: found values from {values.min()} to {values.max()}; allowed are 0 to "
            f"{length - 1}."
        )
    return values
