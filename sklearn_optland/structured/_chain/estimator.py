"""Conditional random fields on linear chains."""

from collections.abc import Callable, Sequence
from contextlib import closing
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_optland._estimator.advice import advise, warn_of_the_end
from sklearn_optland._estimator.base import (
    OptlandEstimator,
    check_start,
    fit_context,
    goes_on,
    private_random_state,
)
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.certificate import Certificate, ratio, tolerance_of
from sklearn_optland._estimator.dask_rows import any_collection
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._estimator.typing import ClassWeight, MatrixLike, RandomState
from sklearn_optland._rows.rows import as_rows
from sklearn_optland._rows.threads import one_blas_thread, share_rows
from sklearn_optland.structured._chain.chain_fast import Chain, aligned, lanes_of
from sklearn_optland.structured._chain.partitions import partitioned_sequences
from sklearn_optland.structured._chain.sequences import (
    read_labels,
    read_tokens,
    sequence_weights,
    training_sequences,
)
from sklearn_optland.structured._chain.solvers import SOLVERS
from sklearn_optland.structured._sequences import Sequences

# Of the weights times C: their squares, times those of the largest values, are far from overflow.
LARGEST_WEIGHT = 1e30


class ChainCRFClassifier(OptlandEstimator, CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    r"""Conditional random field on a linear chain, for the labels of sequences.

    The labels of a sequence with the tokens x have the probability

    .. math:: p(y | x) = \frac1{Z(x)} \exp \Bigl[ \sum_t w_{y_t}^T x_t
              + \sum_t A_{y_{t-1} y_t} + a_{y_1} + b_{y_T} \Bigr],

    with W for columns, A for transitions, and a and b for both ends. With sequences i and weights
    s, the fit minimises

    .. math:: \tfrac12 \bigl(\|W\|^2 + \|A\|^2 + \|a\|^2 + \|b\|^2\bigr)
              + C \sum_i s_i \bigl[-\log p(y_i | x_i)\bigr]

    and stops when a duality gap proves that it is within `tol` of the optimum.

    Sequences come in two forms. As a list, with a matrix for each sequence and a list of lists of
    labels, they are what cross-validation splits; instead of matrices there may be lists of dicts,
    one a token, whose features get columns as :class:`DictSequenceVectorizer` gives them. As the
    rows of one matrix, each a token, sequences come with their lengths; without lengths each row is
    a sequence of its own, and the model is multinomial logistic regression: a and b, which are
    penalised, are its intercept.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the penalty, positive and finite.
    solver : {"auto", "sdca", "sag", "lbfgs", "jc12"}, default="auto"
        - "sdca": stochastic dual coordinate ascent. A visit of a sequence costs one
          forward-backward recursion, and needs no step size; sequences are drawn in proportion to
          their duality gaps.
        - "sag": the stochastic average gradient, half of whose draws are in proportion to Lipschitz
          constants, which a line search finds for each sequence. Between the others where tokens
          share strong features.
        - "lbfgs": L-BFGS on all parameters, with a looser bound. Where there are 10^5 tokens,
          two for each sequence and ten for each column, or more, the first steps see a sixteenth
          and then a quarter of the sequences.
        - "jc12": bound majorization: each iteration minimises, by conjugate gradients, a quadratic
          that touches the objective and lies above it. The objective never rises and there is no
          step size, but it takes hundreds of iterations, more with each label: for study, with few
          labels.
        - "auto": "lbfgs" where it is faster, "sdca" elsewhere; see Notes.
    states : {"all", "observed"}, default="all"
        Which parameters there are: all, or only those of columns, neighbours and ends that occur
        with a label in the training data, as CRFsuite has them by default. The latter take less
        memory when saved, and know less of what does not occur.
    boundary : bool, default=True
        Whether the first and the last label of a sequence have scores of their own, a and b.
    tol : float, default=1e-4
        The fit stops when the duality gap is at most `tol` times the objective. 0 goes on until
        float64 ends it, and does not warn there. Predictions rarely change below 1e-2.
    max_iter : int, default=1000
        The most epochs of "sdca" and "sag", of as many visits as there are sequences, or
        iterations.
    class_weight : dict or "balanced", default=None
        Weights of the labels; labels that a dict lacks have 1. A sequence's weight is multiplied by
        the mean over its labels. "balanced" is n_tokens / (n_classes * label counts).
    warm_start : bool, default=False
        Whether to start from the parameters of the previous fit, unless columns or labels have
        changed.
    n_jobs : int, default=None
        Threads that share predictions, as joblib understands it. Passes of a fit are shared by as
        many threads as scikit-learn would use; visits of "sdca" and "sag" are not shared.
    random_state : int, RandomState instance or None, default=None
        Draws the order of the visits, and the sequences of the first steps of "lbfgs". None stands
        for 0.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    coef_ : ndarray of shape (n_classes, n_features)
        W. float32 if X was, else float64; so are the other parameters.
    transition_ : ndarray of shape (n_classes, n_classes)
        A, a row for the label before.
    start_, end_ : ndarray of shape (n_classes,)
        a and b; zero if `boundary=False`.
    certificate_ : Certificate
        How far the fit can be from the optimum, in units of the objective.
    history_ : dict of ndarray of shape (`n_iter_`,)
        "objective", "lower_bound" of the optimum, "certificate", "seconds" and "passes" (over the
        data) after each iteration. The certificate of "sdca" and "sag" costs a pass, and is NaN
        where none was made; the objective is what the visits saw there. So it is where "lbfgs" saw
        a part of the sequences.
    n_iter_ : int
        Number of epochs or iterations.
    solver_ : str
        The solver that ran, of "auto" the last one.
    vectorizer_ : DictSequenceVectorizer
        What gave features their columns; only if `fit` was given dicts. Features that it has not
        seen are ignored in predictions.
    n_features_in_ : int
        Number of columns seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of columns seen during `fit`, if X has string names.

    See Also
    --------
    DictSequenceVectorizer : Columns of dicts, made once for many fits.
    BoundMajorizationLogisticRegression : Labels that do not depend on their neighbours.

    Notes
    -----
    Memory, beside X, with labels rounded up to a multiple of 8 (k): all solvers have a set of
    parameters, (n_features + n_classes) k numbers of float64, and a copy of X if it came in a list.
    "sdca" has marginals of (n_tokens + n_classes * n_sequences) k, sequences of one token not
    counted, in float32 if `tol` is 5e-5 or more, unless rounding turns out to be half of it or
    the fit is a warm start, and in float64 else; and length^2 / 2 numbers of float32 for each
    sequence of up to 100 tokens. 10^6 tokens in 40,000 sequences with 100 labels thus take 2.2 GB.
    "sag" has another set of parameters and marginals of float64, "lbfgs" 25 sets and no marginals.
    Predictions have k numbers for a token if they are marginals, and one if they are labels.

    "auto" takes "lbfgs" if these marginals exceed 2 GiB, or if the mean of C times a token's
    squared norm exceeds 20 and there are ten tokens or more for each column: dual ascent is slow
    where tokens share strong features, L-BFGS where columns are many and rare, as those of words
    are. Else it takes "sdca", and goes on with "lbfgs" if that may need 300 epochs more.

    With two labels both have coefficients, one the negative of the other. The model of one token a
    sequence is then that of :class:`~sklearn.linear_model.LogisticRegression` with 2 C; with more
    labels it is the same with C.

    The dual of a sequence is a distribution over its labellings, of which a fit keeps the marginals
    of tokens, those of neighbours summed over the sequence, and a lower bound of the entropy. A
    visit mixes it with the model's distribution; the share comes from the concavity of entropy and
    from Pinsker's inequality and never lowers the dual objective. The certificate counts what
    rounding of marginals to float32 can change.

    Two fits in two threads run side by side: kernels do not hold the interpreter's lock.

    References
    ----------
    T. Jebara and A. Choromanska, "Majorization for CRFs and latent likelihoods", NIPS 2012.

    J. Lafferty, A. McCallum and F. Pereira, "Conditional random fields: probabilistic models for
    segmenting and labeling sequence data", ICML 2001.

    S. Shalev-Shwartz and T. Zhang, "Stochastic dual coordinate ascent methods for regularized loss
    minimization", JMLR 14 (2013).

    R. Le Priol, A. Piché and S. Lacoste-Julien, "Adaptive stochastic dual coordinate ascent for
    conditional random fields", UAI 2018, whose gap sampling this is.

    M. Schmidt, R. Babanezhad, M. O. Ahmed, A. Defazio, A. Clifton and A. Sarkar, "Non-uniform
    stochastic average gradient method for training conditional random fields", AISTATS 2015: "sag".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.structured import ChainCRFClassifier
    >>> X = [np.eye(3)[[0, 1, 2]], np.eye(3)[[2, 1]]]
    >>> y = [["DET", "NOUN", "VERB"], ["VERB", "NOUN"]]
    >>> model = ChainCRFClassifier(C=10.0).fit(X, y)
    >>> [labels.tolist() for labels in model.predict(X)]
    [['DET', 'NOUN', 'VERB'], ['VERB', 'NOUN']]
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """

    _takes_sparse = True
    _parameter_constraints = {
        "C": [Interval(Real, 0, None, closed="neither")],
        "solver": [StrOptions(set(SOLVERS))],
        "states": [StrOptions({"all", "observed"})],
        "boundary": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }
    _takes_dask = ("fit",)

    def __init__(
        self,
        C: float = 1.0,
        *,
        solver: Literal["auto", "jc12", "lbfgs", "sag", "sdca"] = "auto",
        states: Literal["all", "observed"] = "all",
        boundary: bool = True,
        tol: float = 1e-4,
        max_iter: int = 1000,
        class_weight: ClassWeight = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.C = C
        self.solver = solver
        self.states = states
        self.boundary = boundary
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state

    @fit_context
    def fit(
        self,
        X: MatrixLike | Sequences | Sequence[Any],
        y: ArrayLike | Sequence[Any],
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : list of {array-like, sparse matrix}, or {array-like, sparse matrix} of shape \
                (n_tokens, n_features)
            Sequences, of shape (length, n_features) each, or the tokens of all of them. float64 and
            float32 in C order, and CSR, are used without a copy unless they come in a list. Also
            :class:`Sequences`, lists of lists of dicts, and bags of Dask or
            :class:`~sklearn_optland.utils.RowBlocks` of matrices, with which y and `sample_weight`
            are of the same kind and `solver` is "auto" or "lbfgs".
        y : list of array-like, or array-like of shape (n_tokens,)
            The labels of each sequence, or of all tokens; at least two different ones.
        lengths : array-like of int of shape (n_sequences,), default=None
            Lengths of the sequences whose tokens are the rows of X. Default: each row is a sequence
            of its own. Not with lists.
        sample_weight : array-like of shape (n_sequences,), default=None
            Non-negative weights s of the sequences. Default: all 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a sequence is empty or has another number of labels, if the lengths do not add up,
            there is one class only, values are missing, infinite or above 1e100, or there is no
            weight at all or one, times `C`, above 1e30. Where it is one sequence's, the error says
            its number.
        """
        in_partitions = any_collection(X, y, sample_weight)
        read = partitioned_sequences if in_partitions else training_sequences
        rows = read(self, X, y, lengths, sample_weight, factor=self.C)
        if rows.largest_weight > LARGEST_WEIGHT:
            raise ValueError(
                f"sample_weight: a weight, times class_weight and C, is {rows.largest_weight:.3g}; "
                f"allowed are {LARGEST_WEIGHT:g} at most."
            )
        classes, dtype = rows.classes, rows.dtype
        kinds = {"has_ends": self.boundary, "only_observed": self.states == "observed"}
        problem = rows.problem(**kinds)
        theta = None if rows.has_new_columns else self._previous(problem, classes)
        names = {} if rows.vectorizer is None else {"vectorizer_": rows.vectorizer}

        def attributes(theta):
            d, k = problem.n_columns, problem.k
            W, A, first, last = np.split(theta[:, :k].astype(dtype), [d, d + k, d + k + 1])
            return names | {
                "classes_": classes,
                "coef_": W.T,
                "transition_": A,
                "start_": first[0],
                "end_": last[0],
            }

        quiet = np.errstate(over="ignore", invalid="ignore")
        with closing(problem.source), one_blas_thread(), quiet:
            rng = private_random_state(self.random_state, 0)
            kind = SOLVERS["lbfgs" if in_partitions else self.solver]
            solver = kind(problem, theta, self.tol, rng)
            kept, history = run(self, solver.steps(), attributes, rows=rows, max_iter=self.max_iter)
            stored = theta = kept.parameters
            if dtype != theta.dtype:  # as the attributes are kept
                stored = problem.zeros()
                stored[:] = theta.astype(dtype)
            if not np.isfinite(stored).all():
                raise ValueError(
                    f"X: coefficients up to {np.abs(theta).max():.3g} overflow its {dtype}. "
                    "Rescale X, or pass it as float64."
                )
            objective, gap = solver.certify(stored)
            name = solver.name
        del solver  # its duals take more memory than what is made now
        certificate = Certificate(
            "duality gap",
            gap,
            tolerance_of(self.tol, objective),
            "global",
            ratio(gap, objective),
        )
        n_iter = len(history["objective"])
        history["objective"][-1], history["certificate"][-1] = objective, gap
        curves = np.arange(1, n_iter + 1), history["objective"] - history["lower_bound"]
        remedy = "scale the data or set a smaller C"
        if self.solver in ("sdca", "sag"):
            remedy += ' or solver="lbfgs"'
        advice = advise(self, n_iter, dtype, certificate, *curves, remedy=remedy)
        self.solver_ = name
        vars(self).pop("vectorizer_", None)  # of a fit before
        finish(self, attributes(theta), history, certificate, advice=advice)
        if self.tol == 0 and n_iter == self.max_iter:
            warn_of_the_end(self, certificate, n_iter, "increase max_iter, or set tol.")
        return self

    def predict(
        self,
        X: MatrixLike | Sequences | Sequence[Any],
        lengths: ArrayLike | None = None,
        *,
        allowed_transitions: Callable[[Any, Any], bool] | ArrayLike | None = None,
    ) -> NDArray | list[NDArray]:
        """Predict the most probable labelling of each sequence (Viterbi's).

        Parameters
        ----------
        X : list of {array-like, sparse matrix}, or {array-like, sparse matrix} of shape \
                (n_tokens, n_features)
            As `fit` takes it.
        lengths : array-like of int of shape (n_sequences,), default=None
            Lengths of the sequences whose tokens are the rows of X. Default: each row is one.
        allowed_transitions : callable or array-like of bool of shape (n_classes, n_classes), \
                default=None
            Which label may follow which: a function of the label before, None at the start of a
            sequence, and the label; or a matrix in the order of `classes_`, a row for the label
            before. Default: all.

        Returns
        -------
        labels : list of ndarray of shape (length,), or ndarray of shape (n_tokens,)
            In the form of X.

        Raises
        ------
        ValueError
            If a sequence has no labelling that is allowed.
        """
        check_is_fitted(self)
        tokens = read_tokens(self, X, lengths)
        paths = self._best_paths(tokens, *self._allowed(allowed_transitions))
        return tokens.as_given(self.classes_[paths])

    def predict_marginals(
        self, X: MatrixLike | Sequences | Sequence[Any], lengths: ArrayLike | None = None
    ) -> NDArray | list[NDArray]:
        """Predict the probabilities of each token's labels, given all tokens of its sequence.

        Parameters
        ----------
        X : list of {array-like, sparse matrix}, or {array-like, sparse matrix} of shape \
                (n_tokens, n_features)
            As `fit` takes it.
        lengths : array-like of int of shape (n_sequences,), default=None
            Lengths of the sequences whose tokens are the rows of X. Default: each row is one.

        Returns
        -------
        probabilities : list of ndarray of shape (length, n_classes), or ndarray of shape \
                (n_tokens, n_classes)
            In the form of X. Rows sum to 1.
        """
        check_is_fitted(self)
        tokens = read_tokens(self, X, lengths)
        k, n_sequences = len(self.classes_), tokens.n_sequences
        p = np.empty((tokens.X.shape[0], lanes_of(k)))
        entropies, log_z = np.empty(n_sequences), np.empty(n_sequences)
        none = np.full(n_sequences, -1)

        def marginals(chain, begin, end):
            part = p[tokens.starts[begin] :]
            chain.marginals(begin, end, part, None, none, entropies, log_z)

        self._share(tokens, marginals)
        return tokens.as_given(np.ascontiguousarray(p[:, :k]))

    def predict_proba(
        self, X: MatrixLike | Sequences | Sequence[Any], lengths: ArrayLike | None = None
    ) -> NDArray | list[NDArray]:
        """Predict the probabilities of each token's labels: the same as `predict_marginals`.

        Parameters
        ----------
        X : list of {array-like, sparse matrix}, or {array-like, sparse matrix} of shape \
                (n_tokens, n_features)
            As `fit` takes it.
        lengths : array-like of int of shape (n_sequences,), default=None
            Lengths of the sequences whose tokens are the rows of X. Default: each row is one.

        Returns
        -------
        probabilities : list of ndarray of shape (length, n_classes), or ndarray of shape \
                (n_tokens, n_classes)
            In the form of X. The most probable labelling need not be that of the most probable
            labels.
        """
        return self.predict_marginals(X, lengths)

    def sequence_log_proba(
        self,
        X: MatrixLike | Sequences | Sequence[Any],
        y: ArrayLike | Sequence[Any],
        lengths: ArrayLike | None = None,
    ) -> NDArray:
        """Compute the logarithms of the probabilities of given labellings.

        Parameters
        ----------
        X : list of {array-like, sparse matrix}, or {array-like, sparse matrix} of shape \
                (n_tokens, n_features)
            As `fit` takes it.
        y : list of array-like, or array-like of shape (n_tokens,)
            The labels of each sequence, or of all tokens; of those that `fit` has seen.
        lengths : array-like of int of shape (n_sequences,), default=None
            Lengths of the sequences whose tokens are the rows of X. Default: each row is one.

        Returns
        -------
        log_probabilities : ndarray of shape (n_sequences,)
            The logarithm of p(y | x) for each sequence.

        Raises
        ------
        ValueError
            If a label is none of `classes_`.
        """
        check_is_fitted(self)
        tokens = read_tokens(self, X, lengths)
        y = read_labels(tokens, y)
        codes = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        unseen = self.classes_[codes] != y
        if unseen.any():
            token = int(np.argmax(unseen))
            i = int(np.searchsorted(tokens.starts, token, side="right")) - 1
            label = y[token : token + 1].tolist()[0]
            raise ValueError(
                f"y: found the label {label!r} in sequence {i}; allowed are the classes "
                "that fit has seen."
            )
        losses = np.empty(tokens.n_sequences)
        self._share(
            tokens,
            lambda chain, begin, end: chain.losses(begin, end, losses),
            codes=codes.astype(np.int32),
        )
        return -losses

    def sample(
        self,
        X: MatrixLike | Sequences | Sequence[Any],
        lengths: ArrayLike | None = None,
        n_samples: int = 1,
        random_state: RandomState = None,
    ) -> NDArray | list[NDArray]:
        """Draw labellings from the model's distribution.

        Parameters
        ----------
        X : list of {array-like, sparse matrix}, or {array-like, sparse matrix} of shape \
                (n_tokens, n_features)
            As `fit` takes it.
        lengths : array-like of int of shape (n_sequences,), default=None
            Lengths of the sequences whose tokens are the rows of X. Default: each row is one.
        n_samples : int, default=1
            Labellings of each sequence.
        random_state : int, RandomState instance or None, default=None
            Draws the labels. None stands for a new seed each time.

        Returns
        -------
        labels : list of ndarray of shape (n_samples, length), or ndarray of shape \
                (n_samples, n_tokens)
            In the form of X.

        Raises
        ------
        ValueError
            If `n_samples` is no positive whole number.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples: found {n_samples!r}; allowed are positive whole numbers.")
        tokens = read_tokens(self, X, lengths)
        n_tokens = tokens.X.shape[0]
        uniform = private_random_state(random_state).uniform(size=n_samples * n_tokens)
        codes = np.empty((n_samples, n_tokens), dtype=np.int32)
        self._share(tokens, lambda chain, begin, end: chain.draw(begin, end, uniform, codes))
        labels = self.classes_[codes]
        return np.split(labels, tokens.starts[1:-1], axis=1) if tokens.listed else labels

    def score(
        self,
        X: MatrixLike | Sequences | Sequence[Any],
        y: ArrayLike | Sequence[Any],
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Compute the share of the tokens whose labels are predicted right.

        Parameters
        ----------
        X : list of {array-like, sparse matrix}, or {array-like, sparse matrix} of shape \
                (n_tokens, n_features)
            As `fit` takes it.
        y : list of array-like, or array-like of shape (n_tokens,)
            The labels of each sequence, or of all tokens.
        lengths : array-like of int of shape (n_sequences,), default=None
            Lengths of the sequences whose tokens are the rows of X. Default: each row is one.
        sample_weight : array-like of shape (n_sequences,), default=None
            Non-negative weights of the sequences, which all of their tokens have.

        Returns
        -------
        accuracy : float
            Between 0 and 1.
        """
        check_is_fitted(self)
        tokens = read_tokens(self, X, lengths)
        y = read_labels(tokens, y)
        paths = self._best_paths(tokens, *self._allowed(None))
        if sample_weight is not None:
            weights = sequence_weights(sample_weight, tokens.n_sequences)
            sample_weight = np.repeat(weights, np.diff(tokens.starts))
        return float(np.average(self.classes_[paths] == y, weights=sample_weight))

    def _previous(self, problem, classes):
        """The parameters of the previous fit, or None."""
        names = "coef_", "transition_", "start_", "end_"
        if not goes_on(self, "coef_", classes):
            return None
        if self.coef_.shape != (problem.k, problem.n_columns):
            return None
        check_start(self, *names)
        theta, d, k = problem.zeros(), problem.n_columns, problem.k
        theta[:d, :k], theta[d : d + k, :k] = self.coef_.T, self.transition_
        if problem.has_ends:
            theta[d + k, :k], theta[d + k + 1, :k] = self.start_, self.end_
        if problem.has is not None:
            theta *= problem.has
        return theta

    def _best_paths(self, tokens, allowed, may_start):
        """Codes of the most probable labels among those that are allowed."""
        A = self._in_lanes(self.transition_)
        A[:, : len(self.classes_)][~allowed] = -np.inf
        paths = np.empty(tokens.X.shape[0], dtype=np.int32)

        def decode(chain, begin, end):
            chain.decode(begin, end, A, paths)

        self._share(tokens, decode, ~may_start)
        if not (allowed.all() and may_start.all()):
            _refuse_impossible(paths, tokens.starts, allowed, may_start)
        return paths

    def _share(self, tokens, task, forbidden_starts=None, codes=None):
        """Call a task with a chain at the model's parameters and a range of sequences."""
        k = len(self.classes_)
        W = np.ascontiguousarray(self.coef_.T, dtype=np.float64)
        A = self._in_lanes(self.transition_)
        ends = None
        has_ends = self.start_.any() or self.end_.any()
        if has_ends or (forbidden_starts is not None and forbidden_starts.any()):
            ends = self._in_lanes(np.stack([self.start_, self.end_]))
            if forbidden_starts is not None:
                ends[0, :k][forbidden_starts] = -np.inf
        rows = as_rows(tokens.X, in_order=False)

        def run_slice(sequences):
            chain = Chain(rows.share(), tokens.starts, k, codes)
            chain.set(W, A, ends)
            task(chain, sequences.start, sequences.stop)

        share_rows(run_slice, tokens.n_sequences, self.n_jobs)

    def _in_lanes(self, rows):
        """Parameters in rows of whole octets."""
        out = aligned(len(rows), lanes_of(len(self.classes_)))
        out[:, : len(self.classes_)] = rows
        return out

    def _allowed(self, allowed_transitions):
        """Which labels may follow which, and which may be the first."""
        k, may_start = len(self.classes_), np.ones(len(self.classes_), dtype=bool)
        if allowed_transitions is None:
            return np.ones((k, k), dtype=bool), may_start
        if callable(allowed_transitions):
            labels = self.classes_.tolist()
            allowed = [[bool(allowed_transitions(a, b)) for b in labels] for a in (None, *labels)]
            allowed = np.array(allowed)
            return allowed[1:], allowed[0]
        allowed = np.asarray(allowed_transitions)
        if allowed.shape != (k, k) or allowed.dtype != bool:
            raise ValueError(
                f"allowed_transitions: found the shape {allowed.shape} and type {allowed.dtype}; "
                f"allowed are a function and bools of the shape {(k, k)}."
            )
        return allowed, may_start


def _refuse_impossible(paths, starts, allowed, may_start):
    """Raise ValueError if a best labelling has a transition that is not allowed."""
    wrong = np.zeros(len(paths), dtype=bool)
    wrong[1:] = ~allowed[paths[:-1], paths[1:]]
    wrong[starts[:-1]] = ~may_start[paths[starts[:-1]]]
    if wrong.any():
        i = int(np.searchsorted(starts, np.argmax(wrong), side="right")) - 1
        raise ValueError(
            f"allowed_transitions: sequence {i}, of {starts[i + 1] - starts[i]} tokens, has no "
            "labelling that is allowed."
        )
