"""The online multiclass tree."""

from numbers import Integral, Real
from time import perf_counter
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.base import fit_context, private_random_state
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.in_order import in_order
from sklearn_optland._estimator.run import run
from sklearn_optland._estimator.scores import LazyScore
from sklearn_optland._estimator.training_rows import (
    check_weighted_labels,
    encode,
    refuse_balanced,
)
from sklearn_optland._estimator.typing import ClassWeight, ColumnLike, MatrixLike, RandomState
from sklearn_optland._optim.step import Step
from sklearn_optland.tree._online.fitted import FittedTree
from sklearn_optland.tree._online.learn_fast import LOSSES
from sklearn_optland.tree._online.rows import OnlineRows
from sklearn_optland.tree._online.shared_lock import SharedLock
from sklearn_optland.tree._online.tree import OnlineTree, single_leaf
from sklearn_optland.tree._training_rows import training_rows

# Of early stopping: the share of the rows that is held out, and how many passes in a row may fail
# to lower the error on it.
VALIDATION_SHARE = 0.1
PATIENCE = 5
# Integers may be beyond C's numbers; this does all that more would.
LARGEST_SETTING = 1e300


class LOMTreeClassifier(
    LazyScore, FittedTree, CallbackSupportMixin, ClassifierMixin, BaseEstimator
):
    r"""Online multiclass tree: training and prediction in time logarithmic in the classes.

    Each internal node has a linear regressor that is trained, a row at a time, to send every class
    to one side and half of the rows to each, which is how Choromanska and Langford maximise

    .. math:: J(h) = 2 \sum_y \pi_y \, |P(h(x) > 0) - P(h(x) > 0 \mid y)| \in [0, 1]

    online. Rows go down by the signs of the margins; a leaf predicts its majority class. A leaf
    that meets a second class splits, while there are regressors left; then the leaf with the fewest
    rows gives its parent's regressor to one that has many rows beside those of its majority.

    Parameters
    ----------
    max_nodes : int, default=None
        The most internal nodes, each with a regressor: the paper's T. None is 4k - 1 for k classes.
    swap_resistance : float, default=4.0
        The paper's R_S: a leaf takes a regressor from elsewhere only if its rows outside its
        majority are more than so many times those of the smallest leaf.
    max_depth : int, default=None
        Leaves at this depth do not split. None is 2.5 log2 k + 3, rounded down: without a bound a
        large budget goes into chains, which a stray label starts.
    max_iter : int, default=20
        The most passes over the rows.
    learning_rate : float, default=0.2
        How far a step moves the margin of its own row, on average, in units of the targets' size,
        which is 1. Features are scaled inside, dense ones also centred, so that this does not
        depend on their units and offsets. Sparse rows that have few of the features each are
        learned faster, up to 20 times over all passes, since they hardly disturb each other.
    loss : {"hinge", "absolute", "log_loss"}, default="hinge"
        What the regressors minimise, for targets b = -1 or 1 and margins f: max(0, 1 - bf),
        abs(b - f) or log(1 + exp(-bf)).
    refit_leaves : bool, default=True
        Whether the leaves, in the end, count the training rows anew, and splits that send all of
        them to one side are removed. What leaves counted online was routed by regressors that have
        changed since. The error hardly changes; the tree has a third of the nodes.
    n_bits : int, default=None
        If set, there are at most 2^n_bits weights: where the regressors would have more, a hash
        finds that of a regressor and a feature in a table that all share. For sparse data with many
        features. From 1 to 30.
    shuffle : bool, default=True
        Whether each pass visits the rows in a new random order. Online learning needs it: rows
        sorted by class make a poor tree.
    early_stopping : bool, default=False
        Whether to hold out a tenth of the rows, to stop after 5 passes without a lower error on
        them, and to keep the tree that had the lowest.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).
    warm_start : bool, default=False
        Whether `fit` goes on with the tree of the previous fit. New labels join its classes.
    random_state : int, RandomState instance or None, default=None
        Draws the orders of the rows, and those that are held out.
    n_jobs : int, default=None
        Number of threads that share the rows in prediction, as joblib understands it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    history_ : dict of ndarray
        A value a pass. "objective": the share of rows that came to a leaf with another majority
        than their class, at the time they were learned (after the steps on the way, so it is below
        the error of prediction); "n_splits": internal nodes; "n_swaps": regressors that have moved;
        "passes", "seconds"; with early stopping "validation_error".
    n_iter_ : int
        Number of passes.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    export_text : Write a fitted tree as text.
    plot_tree : Draw a fitted tree.
    sklearn.tree.DecisionTreeClassifier : Splits on one feature a node.

    Notes
    -----
    The order of the paper is kept: a node's statistics give the target, its regressor is updated,
    the margin under the new weights is added to the statistics and decides the way down.
    What the paper leaves open is done so: ties of a majority go to the class that is first in
    `classes_`; steps are those of centred features, scaled by M ** -1.5 * s ** -0.5, with the
    largest size M and the root mean square s of a feature's deviations from its mean so far (of
    rows that are visited once, as in `partial_fit`, by 1 / (M * s)), the same at all nodes, and
    end at the target; there is a largest depth, and an option to refit the
    leaves. Sparse rows are not centred, which would fill them: there, M and s are of the values.

    The result depends on the order of the rows, as online learning does. Sample weights act as
    repetition does at one place of that order.

    A model has 4 bytes for each pair of internal node and feature (at most 4 * 2^n_bits in total if
    `n_bits` is set), and some 100 bytes for each node and for each class that a node has met.
    Steps need nothing else a weight; training holds up to twice that while arrays grow.
    float64 rows are converted to float32 one at a time.

    References
    ----------
    A. Choromanska and J. Langford, "Logarithmic time online multiclass prediction", NIPS 2015.

    S. Ross, P. Mineiro and J. Langford, "Normalized online learning", UAI 2013.

    N. Karampatziakis and J. Langford, "Online importance weight aware updates", UAI 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_optland.tree import LOMTreeClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> tree = LOMTreeClassifier(random_state=0).fit(X[:1500], y[:1500])
    >>> tree.score(X[1500:], y[1500:]) > 0.8
    True
    >>> tree.get_depth() <= 11
    True
    """

    _takes_sparse = True
    _parameter_constraints = {
        "max_nodes": [Interval(Integral, 1, None, closed="left"), None],
        "swap_resistance": [Interval(Real, 0, None, closed="left")],
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "loss": [StrOptions(set(LOSSES))],
        "refit_leaves": ["boolean"],
        "n_bits": [Interval(Integral, 1, 30, closed="both"), None],
        "shuffle": ["boolean"],
        "early_stopping": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        max_nodes: int | None = None,
        *,
        swap_resistance: float = 4.0,
        max_depth: int | None = None,
        max_iter: int = 20,
        learning_rate: float = 0.2,
        loss: Literal["hinge", "absolute", "log_loss"] = "hinge",
        refit_leaves: bool = True,
        n_bits: int | None = None,
        shuffle: bool = True,
        early_stopping: bool = False,
        class_weight: ClassWeight = None,
        warm_start: bool = False,
        random_state: RandomState = None,
        n_jobs: int | None = None,
    ) -> None:
        self.max_nodes = max_nodes
        self.swap_resistance = swap_resistance
        self.max_depth = max_depth
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.loss = loss
        self.refit_leaves = refit_leaves
        self.n_bits = n_bits
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_arrays")

    @fit_context
    def fit(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the tree by `max_iter` passes over the rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. float32 and float64 in C order, and CSR, are used without a copy.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A row of weight w counts as w rows in all statistics, and takes
            the step that w visits would take; a row of weight 0 is left out. Default: all 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data have missing or infinite values, or values beyond 1e18 in size, or if no
            row has a positive weight.
        """
        again = self.warm_start and self.__sklearn_is_fitted__()
        data = training_rows(self, X, y, sample_weight, is_part=again, reset=not again)
        if again:  # on a copy: the estimator keeps what it had until the fit has ended
            tree = OnlineTree(self._snapshot())
            codes = tree.join_classes(data.y)
        else:
            classes, codes = encode(data.y)
            tree = OnlineTree(single_leaf(self.n_features_in_, classes))
        rng = private_random_state(self.random_state)
        rows = OnlineRows(data.X, codes, data.weights)
        held_out = rows.hold_out(VALIDATION_SHARE, rng) if self.early_stopping else None
        is_judged = held_out is not None
        last, history = run(
            self,
            self._passes(tree, rows, rng, keep_trees=is_judged),
            lambda tree: self._finished(tree.copy(), rows),
            rows=data,
            max_iter=self.max_iter,
            held_out=(lambda tree: rows.error(tree, held_out)) if is_judged else None,
            patience=PATIENCE,
            curve="validation_error",
            task_name="pass",
        )
        vars(self).update(self._finished(last.parameters, rows))
        self.history_, self.n_iter_ = history, len(history["passes"])
        return self

    @in_order
    @fit_context
    def partial_fit(
        self,
        X: MatrixLike,
        y: ColumnLike,
        classes: ArrayLike | None = None,
        sample_weight: ColumnLike | None = None,
    ) -> Self:
        """Learn from some rows, once, in their order.

        The tree goes on from where it is, also after `fit`: leaves that the fit has refitted split
        only for as many rows as a regressor would move for (`swap_resistance`), and what they
        counted stays with their children. Calls in a row give the same tree as
        one pass of `fit` over all their rows, with `shuffle=False` and `refit_leaves=False`, if
        `max_nodes` and `max_depth` are set or `classes` are given (the defaults follow the number
        of classes known).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. A collection of Dask, or :class:`~sklearn_optland.utils.RowBlocks`, is
            loaded and learned partition after partition, as by a call for each; `history_` is
            that of the last.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that may ever appear, in the first call. If they are not given then, any
            later call may bring new labels.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`; all may be 0.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            As in `fit`; and if a label is not among `classes`, if `classes` differ from those of
            the first call, or if `class_weight` is "balanced".
        """
        refuse_balanced(self.class_weight)
        first = not self.__sklearn_is_fitted__()
        data = training_rows(self, X, y, sample_weight, is_part=True, reset=first)
        if first:
            known = np.unique(data.y if classes is None else classes)
            if classes is not None:
                check_weighted_labels(self.class_weight, known)
            lock, is_closed = SharedLock(), classes is not None
        else:
            lock, is_closed = self._lock, self._is_closed
        start = perf_counter()
        with lock.writing():
            arrays = single_leaf(self.n_features_in_, known) if first else self._arrays
            if classes is not None and not np.array_equal(np.unique(classes), arrays["classes"]):
                raise ValueError(
                    f"classes: found {np.unique(classes)}; allowed are those known, "
                    f"{arrays['classes']}."
                )
            tree = OnlineTree(arrays)
            rows = OnlineRows(data.X, tree.join_classes(data.y, is_closed), data.weights)
            try:
                curves = self._learn(tree, rows, rows.used, measure=True)
            finally:  # the tree is whole after every kernel call, also if Ctrl-C makes one the last
                vars(self).update(self._attributes(tree), _lock=lock, _is_closed=is_closed)
        curves |= {"passes": 1, "seconds": perf_counter() - start}
        self.history_ = {name: np.array([value]) for name, value in curves.items()}
        self.n_iter_ = 1
        return self

    def _learn(self, tree, rows, order, *, measure, n_visits=1):
        """One pass over the rows of `order`; returns what the history says of it."""
        max_nodes, max_depth, n_classes = self.max_nodes, self.max_depth, len(tree["classes"])
        mistakes = tree.learn(
            rows.rows[0],
            rows.codes,
            rows.weights,
            order,
            values_per_row=rows.n_values,
            measure=measure,
            n_bits=self.n_bits,
            max_regressors=4 * n_classes - 1 if max_nodes is None else max_nodes,
            max_depth=int(2.5 * np.log2(n_classes) + 3) if max_depth is None else max_depth,
            swap_resistance=min(self.swap_resistance, LARGEST_SETTING),
            loss=LOSSES[self.loss],
            learning_rate=min(self.learning_rate, LARGEST_SETTING),
            n_visits=n_visits,
        )
        return {
            "objective": mistakes,
            "n_splits": int(tree["counters"]["n_regressors"]),
            "n_swaps": int(tree["counters"]["n_swaps"]),
        }

    def _passes(self, tree, rows, rng, *, keep_trees):
        """Yield a step a pass, whose parameters are the tree; the next one may change it."""
        for number in range(1, self.max_iter + 1):
            if keep_trees and number > 1:
                tree = tree.copy()
            order = rng.permutation(rows.used) if self.shuffle else rows.used
            curves = self._learn(tree, rows, order, measure=number == 1, n_visits=self.max_iter)
            yield Step(tree, {**curves, "passes": number})

    def _finished(self, tree, rows):
        """The fitted attributes of a tree whose training has ended."""
        if self.refit_leaves:
            leaves = rows.leaves(tree.arrays, rows.used)
            tree.set_leaf_counts(leaves, rows.codes[rows.used], rows.weights[rows.used])
            tree.remove_idle_splits()
        tree.compact()
        return {**self._attributes(tree), "_lock": SharedLock(), "_is_closed": False}

    @staticmethod
    def _attributes(tree):
        """What the estimator keeps of a tree."""
        return {"classes_": tree["classes"], "_arrays": tree.arrays}
