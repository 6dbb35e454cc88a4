"""The forest of multiclass trees."""

from numbers import Integral, Real
from time import perf_counter
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import is_multilabel

from sklearn_optland._estimator.base import fit_context
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.dask_rows import any_collection
from sklearn_optland._estimator.scores import LazyScore
from sklearn_optland._estimator.training_rows import refuse_balanced
from sklearn_optland._estimator.typing import ClassWeight, ColumnLike, MatrixLike, RandomState
from sklearn_optland.tree._forest.fits import fit_partitions, fit_rows
from sklearn_optland.tree._forest.fitted import FittedForest
from sklearn_optland.tree._forest.histogram import stream_histograms
from sklearn_optland.tree._forest.partial_fits import stream_ranking
from sklearn_optland.tree._online.shared_lock import SharedLock
from sklearn_optland.tree._training_rows import refuse_unless, training_rows


class LOMForestClassifier(
    LazyScore, FittedForest, CallbackSupportMixin, ClassifierMixin, BaseEstimator
):
    r"""Forest of multiclass trees: prediction in time logarithmic in the classes.

    With `leaf="rerank"` each tree is grown over the means of the classes, from the root down, by
    the objective of Choromanska and Langford: every hyperplane maximises

    .. math:: J = 2 \sum_y \pi_y \, |P - P_y|, \qquad P_y = \Phi(w^T m_y - b),
              \quad P = \sum_y \pi_y P_y,

    in coordinates in which the classes have covariance I. A row visits `beam_width` leaves of each
    tree; the classes that these list are its candidates, and one linear model, shared by all trees,
    ranks them. The cost is that of some 50 to 100 classes, however many there are.

    With `leaf="histogram"` the class probabilities of several `LOMTreeClassifier` are averaged.

    Rows may have any number of classes: `y` is then an indicator matrix, dense or sparse, and in
    all statistics a row stands once for each of its classes. If rows are sparse and have 1.5 or
    more on average, the squared hinge trains a score for each leaf as well, of rows that have one
    of the classes that the leaf was grown with; 0.3 times the mean over trees goes to their scores:
    what many similar classes have in common is learned from the rows of them all.

    Parameters
    ----------
    n_estimators : int, default=3
        Number of trees.
    beam_width : int, default=2
        Leaves that a row visits in each tree; another number after the fit changes what `predict`
        does, but not `candidate_recall_`. The trees of "histogram" have no beam.
    leaf : {"rerank", "histogram"}, default="rerank"
        What leaves are for: to name candidates, or to predict.
    loss : {"auto", "softmax", "squared_hinge", "discriminant"}, default="auto"
        What the ranking model minimises over the candidates of a row, its classes and 16 random
        other ones: the log-loss, summed over its classes, by AdaGrad; or the sum of
        max(0, 1 - ys)², y = 1 for the row's classes and -1 for the others, s being scores, by dual
        coordinate ascent with an L2 penalty. "discriminant" is not trained: its scores are those of
        linear discriminant analysis, from which the softmax of dense data starts.
        "auto" compares on held-out rows, and takes the second only if it is clearly better, by two
        standard deviations of the difference: for sparse data "squared_hinge" and "discriminant" or
        "softmax", for dense classes of fewer than 30 rows on average "softmax" and "discriminant".
        With 1000 dense classes and fewer than 10 rows it is "discriminant", with more rows
        "softmax", without a comparison.
    n_prototypes : "auto" or int, default="auto"
        Into how many clusters the rows of a class are cut, each with a mean and a linear score of
        its own; a class scores what its best prototype does. "auto" compares 1, 3 and 10 on
        held-out rows, as far as the classes have 30 rows for each on average; with sparse data
        it is 1.
    max_iter : int, default=10
        Passes over the rows. With the softmax, the model is the mean of those after the later half.
    learning_rate : float, default=1.0
        Size of the softmax's steps, relative to those that served well on all data tried. Beyond
        1e6 it is 1e6.
    C : "auto" or float, default="auto"
        Of the squared hinge, whose weights have the penalty ½‖w‖² for each class: what the loss
        counts beside it, for rows of length 1; they are scaled to it on average. Beyond 1e6 it is
        1e6. "auto" is 1; of rows with any number of classes, it compares 1 and 0.3 on held-out
        rows.
    validation_fraction : float, default=0.1
        Share of the rows, but at most 20000, that is held out at first: to compare settings, to
        scale the probabilities and to measure `candidate_recall_`. Then the model is fitted to all
        rows.
        With 0, or with fewer than 50 rows to hold out, "auto" means "softmax" (for sparse data
        "squared_hinge") and 1 prototype, and the fit is done once.
    max_nodes : int, default=None
        Of each tree of "histogram": the most internal nodes, None being 4k - 1 for k classes.
    n_bits : int, default=24
        The weights of sparse data are at most 2^n_bits, or as many as classes. If there are more
        pairs of class and feature, they share weights by a hash. From 1 to 30.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).
    random_state : int, RandomState instance or None, default=None
        Draws held-out rows, restarts of splits, orders of rows and negatives.
    n_jobs : int, default=None
        Number of threads that share the rows in prediction, as joblib understands it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted; of an indicator matrix, the numbers of its columns.
    multilabel_ : bool
        Whether `y` was an indicator matrix.
    candidate_recall_ : float
        The share of rows whose class is among their candidates, or of the classes of all rows: a
        bound on the accuracy. Measured on held-out rows by the model that did not see them; with
        `leaf="histogram"` or without held-out rows on the training rows, at most 20000 of them.
    loss_ : str
        The loss that was used; of `leaf="rerank"`.
    C_ : float
        The C of the squared hinge; of `leaf="rerank"`.
    n_prototypes_ : int
        The most prototypes of a class; of `leaf="rerank"`.
    validation_errors_ : dict
        Error on held-out rows of each pair (loss, n_prototypes) that was tried, written as
        "loss, n_prototypes"; with ", scaled" where sparse columns had scales, and ", C" where
        several were tried.
    estimators_ : list of LOMTreeClassifier
        The trees of `leaf="histogram"`.
    certificate_ : Certificate
        Scope "estimate": nothing is proven. Of "rerank" the mean loss in the last pass, relative
        to that in the first; of "histogram" the mean of the trees' `leaf_entropy_`, relative to the
        entropy of the classes. There is no tolerance, and no certificate after `partial_fit`.
    history_ : dict of ndarray
        "objective": the mean loss of a row at the time it was visited, a value a pass; of
        "histogram" the leaf entropy, a value a tree. "passes", "seconds".
    n_iter_ : int
        Number of passes; of "histogram", of trees.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    LOMTreeClassifier : The online tree of the paper.
    sklearn.discriminant_analysis.LinearDiscriminantAnalysis : The same coordinates, all classes.

    Notes
    -----
    Dense rows are standardised inside, so their units do not matter. Sparse rows keep theirs, which
    suits tf-idf, unless held-out rows say that columns divided by the roots of their standard
    deviations are ranked better, by one standard deviation of the difference, as those of counts
    are. Held-out rows decide as well whether the discriminant counts beside what is trained of
    sparse rows: it has to gain two, and does where classes have few rows.
    CSR data of at most 64 columns are handled as dense ones.

    There is no `decision_function`, since scikit-learn asks there for scores of all classes;
    `candidate_scores` has those that exist.

    A model of dense data has 2 bytes for each pair of prototype and feature, and for `partial_fit`
    2 for each pair of prototype and coordinate, of which there are at most 128, and 1 more of the
    first ones with the softmax; of sparse data, some 540 a feature that training rows have and 512
    a class, and at most 5 * 2^n_bits, which the discriminant alone does not have. After a
    `partial_fit` they are 12 bytes each. Training takes 12 bytes where the model has 2 or 4, and 4
    bytes a row for each leaf that it visits; with the squared hinge 4 to 8 bytes there, and 4 a row
    for each candidate.

    References
    ----------
    A. Choromanska and J. Langford, "Logarithmic time online multiclass prediction", NIPS 2015.

    J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and
    stochastic optimization", JMLR 12 (2011).

    C.-J. Hsieh, K.-W. Chang, C.-J. Lin, S. S. Keerthi and S. Sundararajan, "A dual coordinate
    descent method for large-scale linear SVM", ICML 2008.

    H. K. H. Lee and M. A. Clyde, "Lossless online Bayesian bagging", JMLR 5 (2004).

    K. Weinberger, A. Dasgupta, J. Langford, A. Smola and J. Attenberg, "Feature hashing for large
    scale multitask learning", ICML 2009.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_optland.tree import LOMForestClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> forest = LOMForestClassifier(random_state=0).fit(X[:1500], y[:1500])
    >>> forest.score(X[1500:], y[1500:]) > 0.9
    True
    >>> forest.candidate_recall_ > 0.95
    True
    """

    _takes_sparse = True
    _takes_dask = ("fit",)
    _parameter_constraints = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "beam_width": [Interval(Integral, 1, None, closed="left")],
        "leaf": [StrOptions({"rerank", "histogram"})],
        "loss": [StrOptions({"auto", "softmax", "squared_hinge", "discriminant"})],
        "n_prototypes": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "C": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "max_nodes": [Interval(Integral, 1, None, closed="left"), None],
        "n_bits": [Interval(Integral, 1, 30, closed="both")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        n_estimators: int = 3,
        *,
        beam_width: int = 2,
        leaf: Literal["rerank", "histogram"] = "rerank",
        loss: Literal["auto", "discriminant", "softmax", "squared_hinge"] = "auto",
        n_prototypes: Literal["auto"] | int = "auto",
        max_iter: int = 10,
        learning_rate: float = 1.0,
        C: Literal["auto"] | float = "auto",
        validation_fraction: float = 0.1,
        max_nodes: int | None = None,
        n_bits: int = 24,
        class_weight: ClassWeight = None,
        random_state: RandomState = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.beam_width = beam_width
        self.leaf = leaf
        self.loss = loss
        self.n_prototypes = n_prototypes
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.C = C
        self.validation_fraction = validation_fraction
        self.max_nodes = max_nodes
        self.n_bits = n_bits
        self.class_weight = class_weight
        self.random_state = random_state
        self.n_jobs = n_jobs

    @fit_context
    def fit(self, X: MatrixLike, y: MatrixLike, sample_weight: ColumnLike | None = None) -> Self:
        """Fit the forest.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. float32 and float64 in C order, and CSR, are used without a copy.
            Or a dask array or dataframe, or :class:`~sklearn_optland.utils.RowBlocks`, with
            `leaf="rerank"` and a class for each row: then nothing is held out, a class has one
            prototype, and `loss` is no "squared_hinge"; "auto" is "softmax".
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Class labels. Or a matrix, which may be sparse, of zeros and ones, 1 for each class of a
            row; scikit-learn's `MultiLabelBinarizer` makes it of lists of labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights: of rows in all statistics, and of their gradients. A row of
            weight 0 is left out. Default: all 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data have missing or infinite values, or values beyond 1e18 in size, or if no
            row has a positive weight; if a matrix of labels is zero, has other values than 0 and 1,
            or comes with `leaf="histogram"` or `class_weight`; or if the data are collections, and
            a setting needs all rows in memory.
        """
        if any_collection(X, y, sample_weight):
            return fit_partitions(self, X, y, sample_weight)
        multilabel = getattr(y, "ndim", 2) > 1 and is_multilabel(y)
        if multilabel:
            allowed = {"leaf": ("rerank",), "class_weight": (None,)}
            refuse_unless(self, "an indicator matrix as y", **allowed)
        rows = training_rows(self, X, y, sample_weight, multi_output=multilabel)
        return fit_rows(self, rows, SharedLock())

    @fit_context
    def partial_fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from some rows, once, in their order.

        With `leaf="histogram"` each tree learns the rows with weights of its own, drawn from the
        exponential distribution of mean 1: online Bayesian bagging (Lee and Clyde 2004), without
        which trees that see the same rows in the same order would be the same. How a stream is cut
        into batches changes nothing, on the conditions that `LOMTreeClassifier.partial_fit` names.

        With `leaf="rerank"` the coordinates stay those of the fit before. The means of the classes
        are exact running sums in them; the lists of the leaves keep whoever has more than a
        sixteenth of a leaf's visits; the ranking model takes one step a row, as in a fit; the trees
        are grown anew when there are a quarter more classes, or their leaves' entropy has risen by
        0.2. A stream that begins without a fit keeps its first 10000 rows, and is fitted to them
        whenever they have doubled. Rows are routed batch by batch, so that cuts of the stream
        change the result a little.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that may ever appear, in the first call. If they are not given then, any
            later call may bring new labels.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`; all may be 0. With "rerank" a row counts at most as a million rows of
            the mean weight of the fit.

        Returns
        -------
        self : object
            The fitted estimator. It has no `certificate_`. "objective" of `history_` is the mean
            loss of the rows before they were learned, or that of all kept rows if those were
            fitted; with "histogram" the mean over trees of the share of the rows that came to a
            leaf of another class. `candidate_recall_` is then a mean over the latest 2000 rows or
            so; with "histogram" there is none.

        Raises
        ------
        ValueError
            As in `fit`; if a label is not among `classes`, if `classes` differ from those of the
            first call, if `class_weight` is "balanced", after a fit with another `leaf` or to an
            indicator matrix, or if no row of the first call has a weight, with "rerank".
        """
        refuse_balanced(self.class_weight)
        first = not hasattr(self, "_met")
        if not first:
            self._refuse_another_kind()
        data = training_rows(self, X, y, sample_weight, is_part=True, reset=first)
        start = perf_counter()
        lock = SharedLock() if first else self._lock
        learn = stream_histograms if self.leaf == "histogram" else stream_ranking
        with lock.writing():
            objective = learn(self, data, classes, lock)
            vars(self).pop("certificate_", None)
        curves = {"objective": objective, "passes": 1, "seconds": perf_counter() - start}
        self.history_ = {name: np.array([value]) for name, value in curves.items()}
        self.n_iter_ = 1
        return self

    def _refuse_another_kind(self):
        """An error if `partial_fit` is to go on with what is no stream, or another one."""
        fitted = "histogram" if self._arrays is None else "rerank"
        if self.leaf != fitted:
            raise ValueError(
                f"leaf: found {self.leaf!r} after a fit with {fitted!r}; allowed is the leaf of "
                "the fit."
            )
        if self.multilabel_:
            raise ValueError(
                "y: found a stream after a fit to an indicator matrix; allowed are streams of rows "
                "with one label each."
            )
