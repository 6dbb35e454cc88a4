"""The forest of `leaf="histogram"`: the class probabilities of online trees are averaged."""

import numpy as np
from scipy import sparse

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._optim.step import Step
from sklearn_optland._rows.largest import largest_of_rows
from sklearn_optland.tree._forest.training import LARGEST_LEARNING_RATE
from sklearn_optland.tree._online.estimator import LOMTreeClassifier

# Of LOMTreeClassifier, where `learning_rate` is 1.
TREE_RATE = 0.2


def grown_trees(forest, X, y, weights, rng):
    """Fit the trees of a forest.

    Parameters
    ----------
    forest : LOMForestClassifier
    X, y, weights
        Rows, labels and positive weights.
    rng : RandomState

    Yields
    ------
    step : Step
        Its parameters are the trees so far. The objective is the mean of their leaf entropies.
    """
    trees = []
    for n_trees in range(1, forest.n_estimators + 1):
        tree = _new_tree(forest, X, rng)
        trees = [*trees, tree.fit(X, y, sample_weight=weights)]
        entropy = float(np.mean([tree.leaf_entropy_ for tree in trees]))
        yield Step(trees, {"objective": entropy, "passes": n_trees * forest.max_iter})


def stream_histograms(forest, rows, classes, lock):
    """Let a forest learn rows, its first ones or more.

    Parameters
    ----------
    forest : LOMForestClassifier
    rows : TrainingRows
    classes : array-like or None
        What `partial_fit` was given.
    lock : SharedLock
        Of the forest.

    Returns
    -------
    objective : float
    """
    first = not hasattr(forest, "_met")
    trees = stream_trees(forest, rows.X) if first else forest.estimators_
    join_labels(trees, rows, classes)
    known = trees[0].classes_
    labels = known if first else np.union1d(forest.classes_, known)
    n_streamed = 0 if first else forest._n_streamed
    vars(forest).update(
        classes_=labels,
        multilabel_=False,
        _met=np.searchsorted(labels, known),
        _arrays=None,
        estimators_=trees,
        _lock=lock,
        _n_streamed=n_streamed + rows.X.shape[0],
    )
    vars(forest).pop("candidate_recall_", None)
    return learn_batch(forest, trees, rows, n_streamed)


def stream_trees(forest, X):
    """Trees that have learned nothing, for rows like those of X."""
    rng = private_random_state(forest.random_state)
    return [_new_tree(forest, X, rng) for _ in range(forest.n_estimators)]


def join_labels(trees, rows, classes):
    """Let all trees know all labels before one of them learns; refuse what they refuse.

    Parameters
    ----------
    trees : list of LOMTreeClassifier
    rows : TrainingRows
    classes : array-like or None
        What `partial_fit` was given.
    """
    is_known = hasattr(trees[0], "classes_") and classes is None
    if not is_known or not np.isin(rows.y, trees[0].classes_).all():
        for tree in trees:
            tree.partial_fit(rows.X, rows.y, classes, sample_weight=np.zeros(rows.X.shape[0]))


def learn_batch(forest, trees, rows, n_streamed):
    """Let each tree learn rows, with random weights of its own.

    Parameters
    ----------
    forest : LOMForestClassifier
    trees : list of LOMTreeClassifier
    rows : TrainingRows
    n_streamed : int
        Rows that earlier batches had: where the trees' streams of random numbers go on.

    Returns
    -------
    objective : float
        The mean of the trees' "objective".
    """
    objective = []
    for tree in trees:
        draws = np.random.Generator(np.random.PCG64(tree.random_state).advance(n_streamed))
        weights = -np.log1p(-draws.random(rows.X.shape[0])) * rows.weights
        tree.set_params(**_settings(forest))
        tree.partial_fit(rows.X, rows.y, sample_weight=weights)
        objective.append(tree.history_["objective"][0])
    return float(np.mean(objective))


def _new_tree(forest, X, rng):
    """A tree with a seed of its own."""
    n_bits = forest.n_bits if sparse.issparse(X) else None
    seed = rng.randint(np.iinfo(np.int32).max)
    return LOMTreeClassifier(**_settings(forest), n_bits=n_bits, random_state=seed)


def _settings(forest):
    """What the forest's settings are to its trees; they may change between two batches."""
    return {
        "max_nodes": forest.max_nodes,
        "max_iter": forest.max_iter,
        "learning_rate": TREE_RATE * min(forest.learning_rate, LARGEST_LEARNING_RATE),
    }


class Histograms:
    """What trees predict together.

    Parameters
    ----------
    trees : list of LOMTreeClassifier
    n_classes : int
    n_jobs : int, default=None
    """

    def __init__(self, trees, n_classes, n_jobs=None):
        self.trees, self.n_classes, self.n_jobs = trees, n_classes, n_jobs

    def codes(self, X):
        """The class that each row is predicted to have."""
        return largest_of_rows(self.votes(X)[0], 1).indices

    def scores(self, X):
        """Votes for the classes that the leaves have met as a CSR array, the most first."""
        return largest_of_rows(self.votes(X)[0], self.n_classes)

    def top_k(self, X, k):
        """Probabilities of k of these classes as a CSR array, the largest first."""
        votes, other = self.votes(X)
        best = largest_of_rows(votes, k)
        best.data += np.repeat(other, np.diff(best.indptr))
        return best

    def probabilities(self, X):
        """Probabilities of all classes."""
        votes, other = self.votes(X)
        return votes.toarray() + other[:, None]

    def votes(self, X):
        """The mean over trees of p - q, p a class's probability and q that of unmet classes.

        Returns
        -------
        votes : csr_array of shape (n_rows, n_classes)
        other : ndarray of shape (n_rows,)
            The mean of q.
        """
        total, mean = 0, np.zeros(X.shape[0])
        for tree in self.trees:
            met = tree.set_params(n_jobs=self.n_jobs).predict_top_k(X, self.n_classes)
            sizes = np.diff(met.indptr)
            unmet = np.maximum(self.n_classes - sizes, 1)
            other = np.where(sizes < self.n_classes, (1 - met.sum(axis=1)) / unmet, 0.0)
            met.data -= np.repeat(other, sizes)
            total, mean = met + total if sparse.issparse(total) else met, mean + other
        total.sort_indices()
        return total / len(self.trees), mean / len(self.trees)
