"""The online multiclass tree: prediction in logarithmic time."""

from numbers import Integral, Real

import numpy as np
from joblib import effective_n_jobs
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state, gen_even_slices
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from sklearn_optland._base import OptlandEstimator
from sklearn_optland._blocks import row_blocks
from sklearn_optland._certificate import Certificate
from sklearn_optland._fit_loop import Iteration, fit_loop
from sklearn_optland.tree._lom_tree_fast import LOSSES, OnlineTree, single_leaf
from sklearn_optland.utils._rows import as_rows

# Squares of values up to this are finite in float32.
LARGEST_VALUE = 1e18
# Of early stopping: the share of the rows that is held out, and how many passes may fail to improve
# the error on it.
VALIDATION_SHARE = 0.1
PATIENCE = 5


class LOMTreeClassifier(OptlandEstimator, CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Online multiclass tree.

    TODO
    """

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
        max_nodes=None,
        *,
        swap_resistance=4.0,
        max_depth=None,
        max_iter=20,
        learning_rate=0.2,
        loss="hinge",
        refit_leaves=True,
        n_bits=None,
        shuffle=True,
        early_stopping=False,
        class_weight=None,
        warm_start=False,
        random_state=None,
        n_jobs=None,
    ):
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
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
        again = self.warm_start and hasattr(self, "classes_")
        X, labels, weight = self._validate(X, y, sample_weight, reset=not again)
        classes, codes, tree = self._grown(labels, reset=not again)
        rng = check_random_state(self.random_state)
        used, held_out = _used(weight), None
        if self.early_stopping:
            used, held_out = _hold_out(used, rng)
        data = _Data(X, codes, weight, used)
        kept = {}
        history = fit_loop(
            self,
            self._passes(tree, data, held_out, classes, rng, kept),
            max_iter=self.max_iter,
            X=X,
            y=y,
            metadata={"sample_weight": sample_weight},
            task_name="pass",
        )
        for name, value in self._finished(kept["tree"], data, classes).items():
            setattr(self, name, value)
        self._labels_fixed = False
        self.history_, self.n_iter_ = history, len(history["passes"])
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Learn from some rows, once, in their order.

        The tree goes on from where it is, also after `fit`. Calls in a row give the same tree as
        one pass of `fit` over all their rows, with `shuffle=False` and `refit_leaves=False`, if
        `max_nodes` and `max_depth` are set or `classes` are given (the defaults follow the number
        of classes known).

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
            As in `fit`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            As in `fit`; and if a label is not among `classes`, or if `classes` differ from those
            of the first call.
        """
        first = not hasattr(self, "classes_")
        X, labels, weight = self._validate(X, y, sample_weight, reset=first)
        if first:
            self._labels_fixed = classes is not None
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes: found {np.unique(classes)!r}; allowed are those of the first call, "
                f"{self.classes_!r}."
            )
        self.classes_, codes, tree = self._grown(
            labels, reset=first, classes=classes, fixed=self._labels_fixed, in_place=True
        )
        data = _Data(X, codes, weight, _used(weight))
        curves = self._learn(tree, data, data.used, self.classes_, measure=True)
        self._arrays, self._leaf_lists = tree.arrays(), None
        self.history_ = {name: np.array([value]) for name, value in curves.items()}
        self.n_iter_ = 1
        return self

    def apply(self, X):
        """Route rows to their leaves.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        leaves : ndarray of shape (n_samples,), int32
            The number of each row's leaf.
        """
        check_is_fitted(self)
        X = validate_data(
            self, X, accept_sparse="csr", dtype=[np.float64, np.float32], order="C", reset=False
        )
        data = _Data(X)
        return _apply(OnlineTree(self._arrays), data, data.used, self.n_jobs)

    def predict(self, X):
        """Predict class labels, in logarithmic time.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The majority class of each row's leaf.
        """
        leaves = self.apply(X)
        return self.classes_[self._arrays["nodes"]["majority"][leaves]]

    def predict_proba(self, X):
        """Predict class probabilities, from the counts of the leaves.

        The time and the size of the result are proportional to the number of classes;
        `predict_top_k` is the logarithmic one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            (n_y + 1/k) / (n + 1), where the leaf has counted n rows, n_y of the class y of k. A
            leaf without rows counts one of the class that it predicts.
        """
        leaves = self.apply(X)
        lists = self._lists()
        k = len(self.classes_)
        total = np.add.reduceat(lists["n"], lists["start"][:-1])[lists["row"][leaves]]
        probabilities = np.empty((len(leaves), k))
        probabilities[:] = (1 / k / (total + 1))[:, None]
        sample, entry = _entries(lists, leaves)
        probabilities[sample, lists["classes"][entry]] += lists["n"][entry] / (total[sample] + 1)
        return probabilities

    def predict_top_k(self, X, k=5):
        """Predict the most probable classes, in logarithmic time.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.
        k : int, default=5
            The most classes for a row. There are fewer where the row's leaf knows fewer.

        Returns
        -------
        probabilities : csr_array of shape (n_samples, n_classes)
            Those of `predict_proba`, the largest of a row first, ties in the order of `classes_`.
        """
        if not isinstance(k, Integral) or k < 1:
            raise ValueError(f"k: found {k!r}; allowed is an integer of at least 1.")
        leaves = self.apply(X)
        lists = self._lists()
        n_classes = len(self.classes_)
        total = np.add.reduceat(lists["n"], lists["start"][:-1])[lists["row"][leaves]]
        sample, entry = _entries(lists, leaves, k)
        data = (lists["n"][entry] + 1 / n_classes) / (total[sample] + 1)
        indptr = np.searchsorted(sample, np.arange(len(leaves) + 1))
        return sparse.csr_array(
            (data, lists["classes"][entry], indptr), shape=(len(leaves), n_classes)
        )

    def _lists(self):
        """What the leaves have counted; `fit` computes it once, `partial_fit` does not."""
        return _leaf_lists(OnlineTree(self._arrays)) if self._leaf_lists is None else self._leaf_lists

    def _validate(self, X, y, sample_weight, reset):
        """Check the data; class weights are multiplied into the sample weights."""
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32], order="C", reset=reset
        )
        check_classification_targets(y)
        values = X.data if sparse.issparse(X) else X
        if values.size:
            largest = max(values.max(), -values.min())
            if largest > LARGEST_VALUE:
                raise ValueError(
                    f"X: found a value of size {largest:.3g}; allowed is at most {LARGEST_VALUE:g}."
                )
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if self.class_weight is not None:
            weight = weight * compute_sample_weight(self.class_weight, y)
        with np.errstate(over="ignore"):
            total = weight.sum()
        if not 0 < total < np.inf:
            raise ValueError(
                f"sample_weight: found a sum of {total}; allowed is a positive, finite one."
            )
        return X, y, weight

    def _grown(self, labels, *, reset, classes=None, fixed=False, in_place=False):
        """The classes with those that are new, the class numbers of the rows, and the tree."""
        if reset:
            known = np.unique(labels if classes is None else classes)
            tree = OnlineTree(single_leaf(self.n_features_in_, self.n_bits or 0))
        else:
            known = self.classes_
            tree = OnlineTree(self._arrays if in_place else _copies(self._arrays))
        fresh = np.setdiff1d(labels, known)
        if len(fresh) and (fixed or classes is not None):
            raise ValueError(
                f"y: found the labels {fresh!r}; allowed are the classes of the first call of "
                f"partial_fit, {known!r}."
            )
        if len(fresh):
            merged = np.union1d(known, fresh)
            tree.renumber_classes(np.searchsorted(merged, known))
            known = merged
        return known, np.searchsorted(known, labels).astype(np.int32), tree

    def _budget(self, classes):
        """Largest number of regressors, and largest depth."""
        k = len(classes)
        max_nodes = 4 * k - 1 if self.max_nodes is None else self.max_nodes
        max_depth = int(2.5 * np.log2(k) + 3) if self.max_depth is None else self.max_depth
        return max_nodes, max_depth

    def _learn(self, tree, data, order, classes, *, measure):
        """One pass over the rows of `order`; returns what the history says of it."""
        max_nodes, max_depth = self._budget(classes)
        if not measure:
            tree.set_rates()
        tree.begin_pass()
        for start, stop in row_blocks(len(order), data.values_per_row * max_depth):
            tree.learn(
                data.rows,
                data.codes,
                data.weight,
                order,
                start=start,
                stop=stop,
                max_regressors=max_nodes,
                max_depth=max_depth,
                swap_resistance=self.swap_resistance,
                loss=LOSSES[self.loss],
                learning_rate=self.learning_rate,
                measure=measure,
            )
        counters = tree.arrays()["counters"][0]
        return {
            "objective": counters["mistakes"] / counters["visits"],
            "n_splits": counters["n_regressors"],
            "n_swaps": counters["n_swaps"],
        }

    def _passes(self, tree, data, held_out, classes, rng, kept):
        """Yield an Iteration a pass; the tree that counts in the end is kept["tree"]."""
        best, best_pass = np.inf, 0
        kept["tree"] = tree
        for n_passes in range(1, self.max_iter + 1):
            order = rng.permutation(data.used) if self.shuffle else data.used
            curves = self._learn(tree, data, order, classes, measure=n_passes == 1)
            curves["passes"] = n_passes
            done = False
            if held_out is not None:
                leaves = _apply(tree, data, held_out)
                wrong = tree.arrays()["nodes"]["majority"][leaves] != data.codes[held_out]
                error = np.average(wrong, weights=data.weight[held_out])
                curves["validation_error"] = error
                if error < best:
                    best, best_pass = error, n_passes
                    kept["tree"] = OnlineTree(_copies(tree.arrays()))
                done = n_passes - best_pass >= PATIENCE
            yield Iteration(
                curves,
                lambda: self._finished(OnlineTree(_copies(kept["tree"].arrays())), data, classes),
                done,
            )

    def _finished(self, tree, data, classes):
        """The fitted attributes of a tree whose training has ended."""
        if self.refit_leaves:
            leaves = _apply(tree, data, data.used)
            tree.set_leaf_counts(*_count(leaves, data.codes[data.used], data.weight[data.used]))
        tree.compact()
        arrays = tree.arrays()
        return {"classes_": classes, "_arrays": arrays, "_leaf_lists": _leaf_lists(tree)}


class _Data:
    """Validated rows as the kernel wants them.

    Parameters
    ----------
    X : ndarray or CSR
    codes, weight : ndarray of shape (n_rows,)
        Class numbers and weights; None to predict.
    used : ndarray of int32
        The rows that count; None for all.
    """

    def __init__(self, X, codes=None, weight=None, used=None):
        self.rows = as_rows(X, in_order=False)
        self.codes, self.weight = codes, weight
        self.used = np.arange(X.shape[0], dtype=np.int32) if used is None else used
        self.values_per_row = (X.nnz if sparse.issparse(X) else X.size) / max(X.shape[0], 1)


def _used(weight):
    return np.flatnonzero(weight > 0).astype(np.int32)


def _hold_out(used, rng):
    """Split the rows at random into those to learn from, in order, and those to validate on."""
    shuffled = rng.permutation(used)
    n_held_out = int(VALIDATION_SHARE * len(used))
    return np.sort(shuffled[n_held_out:]), shuffled[:n_held_out]


def _copies(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def _apply(tree, data, order, n_jobs=None):
    """The leaves of the rows `order`, shared by threads."""
    leaves = np.empty(len(order), np.int32)

    def route(part):
        depth = 1 + np.log2(1 + len(tree.arrays()["intercepts"]))
        for start, stop in row_blocks(part.stop - part.start, data.values_per_row * depth):
            tree.apply(data.rows, order, part.start + start, part.start + stop, leaves)

    n_threads = min(effective_n_jobs(n_jobs), max(1, len(order)))
    if n_threads == 1:
        route(slice(0, len(order)))
    else:
        parts = gen_even_slices(len(order), n_threads)
        Parallel(n_threads, prefer="threads")(delayed(route)(part) for part in parts)
    return leaves


def _count(leaves, codes, weight):
    """The pairs of leaf and class that occur, sorted, and their weights."""
    shape = (leaves.max() + 1, codes.max() + 1)
    table = sparse.coo_array((weight, (leaves, codes)), shape=shape).tocsr()
    table.sort_indices()
    table = table.tocoo()
    return table.row.astype(np.intp), table.col.astype(np.intp), table.data


def _leaf_lists(tree):
    """The classes of each leaf, the most frequent first, ties to the lower number.

    Row r of the lists is `classes[start[r]:start[r + 1]]`, with the weights `n`; leaf l has the row
    row[l]. A leaf that has counted nothing has one row of the class that it predicts.
    """
    nodes = tree.arrays()["nodes"][: tree.n_nodes]
    leaf, classes, n = tree.leaf_counts()
    empty = np.setdiff1d(np.flatnonzero(nodes["left"] < 0), leaf)
    leaf = np.concatenate([leaf, empty])
    classes = np.concatenate([classes, nodes["majority"][empty]])
    n = np.concatenate([n, np.ones(len(empty))])
    order = np.lexsort((classes, -n, leaf))
    leaf, classes, n = leaf[order], classes[order], n[order]
    leaves, first = np.unique(leaf, return_index=True)
    row = np.full(len(nodes), -1)
    row[leaves] = np.arange(len(leaves))
    return {"start": np.append(first, len(leaf)), "row": row, "classes": classes, "n": n}


def _entries(lists, leaves, most=None):
    """For rows at these leaves: the numbers of the rows, and their entries in the lists."""
    row = lists["row"][leaves]
    first = lists["start"][row]
    length = lists["start"][row + 1] - first
    if most is not None:
        length = np.minimum(length, most)
    sample = np.repeat(np.arange(len(leaves)), length)
    offset = np.arange(len(sample)) - np.repeat(np.cumsum(length) - length, length)
    return sample, first[sample] + offset
