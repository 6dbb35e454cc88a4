"""Rows as the online tree visits them: one after the other, in an order."""

import numpy as np

from sklearn_optland._rows.reduce import row_blocks
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import share_rows
from sklearn_optland.tree._online.route_fast import route
from sklearn_optland.tree._training_rows import hold_out


class OnlineRows(ArraySource):
    """Rows that a tree learns from, or routes.

    Parameters
    ----------
    X : ndarray or CSR
    codes, weights : ndarray of shape (n_rows,), default=None
        Class numbers (int32) and weights, to learn.

    Attributes
    ----------
    used : ndarray, int32
        The rows that have a weight.
    """

    def __init__(self, X, codes=None, weights=None):
        super().__init__(X, in_order=False, codes=codes, weights=weights)
        self.used = np.arange(self.n_rows, dtype=np.int32)
        if weights is not None:
            self.used = self.used[weights > 0]

    def hold_out(self, share, rng):
        """Take a share of the rows out of those that are used; None if that is none of them."""
        kept, held_out = hold_out(len(self.used), share, rng)
        held_out, self.used = self.used[held_out], self.used[kept]
        return held_out if len(held_out) else None

    def leaves(self, arrays, order=None, n_jobs=None):
        """The leaves of the rows `order`, or of those that are used, in a tree's arrays."""
        order = self.used if order is None else order
        leaves = np.empty(len(order), np.int32)
        rows, depth = self.rows[0], 1 + np.log2(len(arrays["nodes"]))

        def find(part):
            for start, stop in row_blocks(part.stop - part.start, self.n_values * depth):
                route(arrays, rows, order, part.start + start, part.start + stop, leaves)

        share_rows(find, len(order), n_jobs)
        return leaves

    def error(self, tree, order):
        """The weighted share of the rows `order` that an OnlineTree takes for another class."""
        wrong = tree["nodes"]["majority"][self.leaves(tree.arrays, order)] != self.codes[order]
        return float(np.average(wrong, weights=self.weights[order]))
