"""The forest of `leaf="histogram"`: the class probabilities of online trees are averaged."""

import numpy as np
from scipy import sparse

from sklearn_optland._optim.step import Step
from sklearn_optland.tree._forest.training import LARGEST_LEARNING_RATE
from sklearn_optland.tree._online.estimator import LOMTreeClassifier
from sklearn_optland.tree._top_k import largest_of_rows

# Of LOMTreeClassifier, where `learning_rate` is 1.
TREE_RATE = 0.2


def grown_trees(forest, X, codes, weights, rng):
    """Fit the trees of a forest.

    Parameters
    ----------
    forest : LOMForestClassifier
    X, codes, weights
        Rows, classes and positive weights.
    rng : RandomState

    Yields
    ------
    step : Step
        Its parameters are the trees so far. The objective is the mean of their leaf entropies.
    """
    trees = []
    for n_trees in range(1, forest.n_estimators + 1):
        tree = LOMTreeClassifier(
            max_nodes=forest.max_nodes,
            max_iter=forest.max_iter,
            learning_rate=TREE_RATE * min(forest.learning_rate, LARGEST_LEARNING_RATE),
            n_bits=forest.n_bits if sparse.issparse(X) else None,
            random_state=rng.randint(np.iinfo(np.int32).max),
        )
        trees = [*trees, tree.fit(X, codes, sample_weight=weights)]
        entropy = float(np.mean([tree.leaf_entropy_ for tree in trees]))
        yield Step(trees, {"objective": entropy, "passes": n_trees * forest.max_iter})


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
