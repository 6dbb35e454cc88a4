"""The forest of `leaf="rerank"` on a stream: trees, lists and ranking learn each row once.

Coordinates stay those of the fit before. In them

means    of the classes are running sums, and exact;
lists    of the leaves are those of Metwally, Agrawal and El Abbadi (2005): whoever has more than a
         sixteenth of a leaf's visits is listed;
ranking  takes the step that it takes in a fit: of AdaGrad, or, with a share of C, an exact one in
         the dual variables of the row, those of older rows being what they are. The discriminant is
         recomputed, exactly;
trees    are grown anew, over the means, when there are more classes by CHECKED_SHARE, which the
         lists of old leaves would not hold, or when the entropy of their leaves has drifted. Their
         lists are then drawn: in these coordinates the rows of a class are normal around its mean.

A row takes no time in proportion to the classes, which all have their turn only when rows have
grown by CHECKED_SHARE.
"""

import numpy as np
from scipy import sparse

from sklearn_optland._rows.reduce import row_blocks
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.tree._forest.fits import squares_of_bytes
from sklearn_optland.tree._forest.growing import LIMIT, Counting, FeatureTable, Growing
from sklearn_optland.tree._forest.label_trees import (
    LEAST_PRIOR_VOTE,
    LISTED_CLASSES,
    grow,
    list_frequent_classes,
    tree_arrays,
    visits_as_votes,
    visits_of,
    votes,
)
from sklearn_optland.tree._forest.ranking import as_kind, ranking_of, share_of
from sklearn_optland.tree._forest.search_fast import (
    LabelForest,
    as_floats,
    count_visits,
)
from sklearn_optland.tree._forest.training import (
    DISCRIMINANT_SHARE,
    NONE,
    Lesson,
    VisitingRows,
    discriminant_rows,
    rate_and_C,
)
from sklearn_optland.tree._training_rows import one_class_each, row_of_pairs, with_columns

# Trees are looked at when rows have grown by this share, and grown anew when the mean entropy of
# their leaves has risen by so many nats, or when classes have grown by the same share.
CHECKED_SHARE = 0.25
DRIFT = 0.2
# Rows that are drawn for each prototype to fill the lists of new trees.
DRAWN_ROWS = 8
# Of C: a row that comes once has its step not taken back by others, and with it full steps are as
# noisy as the rows are. Sparse rows share little.
SPARSE_SHARE, DENSE_SHARE = 0.1, 0.01


class Stream:
    """A forest that learns rows as they come.

    Parameters
    ----------
    arrays : dict
        What Model takes; copied.
    memory : dict
        What a fit has left for this: see `fits.memory_of`.
    loss : str
    n_bits : int
        Bounds the table of sparse data.
    rng : RandomState
    """

    def __init__(self, arrays, memory, loss, n_bits, rng):
        self.loss, self.rng = loss, rng
        self.arrays = dict(arrays)
        self.sizes, self.factor = memory["sizes"], memory["factor"]
        self.basis, self.offset = memory["basis"], memory["offset"]
        self.is_sparse = arrays["projection"].shape[0] > 0
        means = as_floats(memory["means"]["words"], memory["means"]["scale"])
        self.means = Growing(means[:, : memory["rank"]])
        self.totals = Growing(memory["totals"])
        self.first_total = float(memory["totals"].sum())
        self.class_of = Growing(arrays["class_of"])
        by_class = np.argsort(arrays["class_of"], kind="stable")
        # A class's prototypes are those from its `first` to that of the next class.
        bounds = np.arange(arrays["n_classes"] + 1)
        first = np.searchsorted(arrays["class_of"], bounds, sorter=by_class)
        self.by_class, self.first = Growing(by_class), Growing(first)
        self.counting = Counting()
        squares = squares_of_bytes(memory["squares"])
        self.table = FeatureTable(arrays, squares, n_bits) if self.is_sparse else None
        self.has_table = self.is_sparse and self.table.has_weights
        ranking = arrays["ranking"]
        self.ranking = {name: Growing(part) for name, part in ranking.items()}
        self.has_ranking = len(ranking["bias"]) > 0
        if self.has_table:
            self.w, self.squares = self.table.w, self.table.squares
        else:
            rows = as_floats(ranking["words"], ranking["scale"])
            self.n_ranked = memory["rank"] if self.is_sparse else len(arrays["scale"])
            n, d = len(rows), self.n_ranked
            n_z = LabelForest(**self._of_forest(), beam=1).n_z
            w = np.zeros((n, n_z), dtype=np.float32)
            w[:, :d], w[:, d] = rows[:, :d], ranking["bias"]
            self.w = Growing(w)
            self.squares = Growing(squares.reshape(-1, n_z))
        self._pad_lists()
        self.entropy, self.n_grown = self._leaf_entropy(), self.class_of.size
        self._look_at_all()

    def _of_forest(self):
        """What LabelForest takes."""
        ranks = "ranking", "table", "start"
        return {name: part for name, part in self.arrays.items() if name not in ranks}

    def learn(self, X, Y, weights, settings):
        """Learn rows, in their order.

        Parameters
        ----------
        X : ndarray or CSR of shape (n_rows, n_features)
        Y : csr_array of shape (n_rows, n_classes)
            Classes as the model numbers them; the last may be new.
        weights : ndarray of shape (n_rows,)
            Positive; 1 is the mean of the fit.
        settings : Settings

        Returns
        -------
        loss : float
            The mean of a row, before its step.
        recall : float
            Share of the rows' classes that were candidates.
        """
        X = as_kind(X, self.is_sparse)
        if self.is_sparse:
            X = self.table.known_columns(X)
        n_known = self.class_of.size
        self._add_classes(Y.shape[1])
        self.publish()
        u = self._coordinates(X)
        own = self._own_prototypes(Y, u)
        source = ArraySource(X, Y=own, weights=weights)
        arrays = self._of_forest()
        if self.is_sparse:
            arrays["column_of"] = self.counting.below(X.shape[1])
        number = self.counting.below(self.class_of.size)
        rows = VisitingRows(source, arrays, number, settings.beam_width)
        recall = self._recall(rows)
        self._move_means(own, weights, u)
        new = np.arange(n_known, self.class_of.size)
        self._start_ranking(new)
        count_visits(
            rows.leaves,
            rows.leaves.shape[1] // len(self.arrays["roots"]),
            own.indptr,
            own.indices,
            weights,
            self.members,
            self.counts,
        )
        self._say(np.unique(rows.leaves[rows.leaves >= 0]))
        forest = LabelForest(**arrays, beam=settings.beam_width)
        loss, moved = self._take_steps(forest, rows, own, settings)
        self._round(np.union1d(moved, new))
        self.publish()
        if self.class_of.size > (1 + CHECKED_SHARE) * self.n_grown:
            self._grow_trees(settings)
            self._look_at_all()
        elif self.total > (1 + CHECKED_SHARE) * self.n_checked:
            self._check_trees(settings)
        return loss / X.shape[0], recall

    def _add_classes(self, n_classes):
        """New classes get a prototype each."""
        n_new = n_classes - self.arrays["n_classes"]
        if n_new <= 0:
            return
        n_old, n = self.class_of.size, self.class_of.size + n_new
        for part in (self.means, self.totals, self.class_of, self.by_class, self.prior_votes):
            part.extend(n)
        self.by_class.array[n_old:] = np.arange(n_old, n)
        self.class_of.array[n_old:] = np.arange(n_classes - n_new, n_classes)
        self.first.extend(n_classes + 1)
        self.first.array[-n_new:] = np.arange(n_old + 1, n + 1)
        self.prior_votes.array[n_old:] = LEAST_PRIOR_VOTE
        self.arrays["n_classes"] = n_classes
        if self.is_sparse:
            self.table.have_prototypes(n)
        if self.has_ranking:
            for part in self.ranking.values():
                part.extend(n)
            self.ranking["scale"].array[n_old:] = 1
        if not self.has_table:
            self.w.extend(n)
            if len(self.squares.buffer):
                self.squares.extend(n)

    def _coordinates(self, X):
        """Where the trees see rows."""
        arrays = self.arrays
        if self.is_sparse:
            return self.table.coordinates(X, self.means.buffer.shape[1])
        z = np.clip((X - arrays["shift"]) * arrays["scale"], -LIMIT, LIMIT)
        return (z @ self.basis - self.offset).astype(np.float32)

    def _own_prototypes(self, Y, u):
        """Of each row, the nearest prototype of each of its classes."""
        order, first = self.by_class.array, self.first.array
        if len(order) == Y.shape[1]:
            return with_columns(Y, order[Y.indices], len(order))
        sizes = first[Y.indices + 1] - first[Y.indices]
        begin = np.cumsum(sizes) - sizes
        listed = order[np.arange(sizes.sum()) + np.repeat(first[Y.indices] - begin, sizes)]
        row = np.repeat(row_of_pairs(Y), sizes)
        distance = np.sum((u[row] - self.means.array[listed]) ** 2, axis=1)
        distance[self.totals.array[listed] == 0] = 0  # of a new class, its only one
        pair = np.repeat(np.arange(len(sizes)), sizes)
        by_distance = np.lexsort((distance, pair))
        return with_columns(Y, listed[by_distance[begin]], len(order))

    def _recall(self, rows):
        """Share of the rows' prototypes that are on the lists of their leaves."""
        row = row_of_pairs(rows.own)
        if not row.size:
            return 1.0
        found = np.zeros(len(row), dtype=bool)
        for leaf in rows.leaves.T:
            there = self.members[np.maximum(leaf[row], 0)] == rows.own.indices[:, None]
            found |= there.any(axis=1) & (leaf[row] >= 0)
        return float(np.average(found, weights=rows.weights[row]))

    def _move_means(self, own, weights, u):
        touched, place = np.unique(own.indices, return_inverse=True)
        parts = weights[row_of_pairs(own)], place, own.indptr
        weighted = sparse.csr_array(parts, (own.shape[0], len(touched)))
        gain, means = weighted.sum(axis=0), self.means.array
        totals = self.totals.array[touched] + gain
        self.total += gain.sum()
        # By the difference: sums would lose what means far from 0 have in common.
        moves = weighted.T @ u - gain[:, None] * means[touched]
        means[touched] += moves / totals[:, None]
        self.totals.array[touched] = totals

    def _start_ranking(self, new):
        """Have prototypes start as those of a fit do, and learn no faster than others do by now.

        From weights of zero, with nothing to slow them down, their first steps would be so large
        that rows of other classes came to them.
        """
        if self.loss == "softmax" and not self.has_table and new.size:
            rows = DISCRIMINANT_SHARE * self._discriminant(new)
            self.w.array[new, : rows.shape[1]] = rows
            self.squares.array[new] = self.usual_squares

    def _discriminant(self, prototypes):
        prior = self.totals.array[prototypes] / self.first_total
        return discriminant_rows(self.means.array[prototypes], prior, self.basis, self.offset)

    def _take_steps(self, forest, rows, own, settings):
        """Let the ranking model learn; returns the sum of the losses, and who has learned."""
        w, squares = self.w.array.reshape(-1), self.squares.array.reshape(-1)
        rate, C = rate_and_C(self.sizes, self.is_sparse, settings)
        C *= SPARSE_SHARE if self.is_sparse else DENSE_SHARE
        seed = self.rng.randint(np.iinfo(np.int32).max)
        start = self.table.columns["start"].array if self.has_table else np.zeros(0, dtype=np.int64)
        lesson = Lesson(rate, C, start, seed, rows.values_per_row)
        n, width = own.shape[0], forest.max_trained + max(int(np.diff(own.indptr).max()), 1)
        alpha = np.zeros((n if self.loss == "squared_hinge" else 0, width), dtype=np.float32)
        is_told = self.factor == 0 and self.has_ranking
        moved = np.full((n, width), -1, dtype=np.int32) if is_told else NONE
        order = self.counting.below(n)
        loss = rows.learn(forest, lesson, order, self.rng, w, squares, alpha, moved)
        return loss, np.unique(moved[moved >= 0] if is_told else own.indices)

    def _round(self, moved):
        """Have the prototypes that moved predict what they have learned, or where they are."""
        if not self.has_ranking or not moved.size:
            return
        if self.factor > 0:
            rows = self._discriminant(moved)
            if not self.has_table:
                self.w.array[moved, : rows.shape[1]] = rows
            ranking = share_of(ranking_of(rows), self.factor)
        else:
            ranking = ranking_of(self.w.array[moved, : self.n_ranked + 1])
        for name, part in ranking["ranking"].items():
            self.ranking[name].array[moved] = part

    def publish(self):
        """Have `arrays` be what a Model predicts with."""
        self.arrays |= self._published()

    def _published(self):
        """What Model takes of the parts that grow."""
        return (self.table.arrays() if self.is_sparse else {}) | {
            "ranking": {name: part.array for name, part in self.ranking.items()},
            "class_of": self.class_of.array,
            "leaf_members": self.members.reshape(-1),
            "votes": self.votes.reshape(-1),
            "prior_votes": self.prior_votes.array,
        }

    def __getstate__(self):
        """Without what `publish` makes of the rest: copies would have it twice."""
        published = self._published()
        arrays = {name: part for name, part in self.arrays.items() if name not in published}
        return {**vars(self), "arrays": arrays}

    def __setstate__(self, state):
        vars(self).update(state)
        self.publish()

    def _say(self, leaves):
        """Have some leaves say what they have counted."""
        if self.arrays["vote_factor"] > 0:
            members = self.members[leaves]
            prior = np.exp(self.prior_votes.array[members])
            self.votes[leaves] = visits_as_votes(self.counts[leaves], prior, self.arrays)

    def _look_at_all(self):
        """Count the rows, and have all leaves say what they have counted beside classes' shares."""
        totals = self.totals.array
        self.total = self.n_checked = float(totals.sum())
        told = votes(self.counts, self.members, totals / self.total, self.arrays)
        self.votes, self.prior_votes = told["votes"], Growing(told["prior_votes"])
        if self.loss == "softmax" and not self.has_table:
            self.usual_squares = self.squares.array.mean(axis=0)
        self.publish()

    def _pad_lists(self):
        """Have all lists be of one length; a class that fills up a list has no visits there."""
        start, members = self.arrays["leaf_start"], self.arrays["leaf_members"]
        counts = visits_of(self.arrays["votes"], members, self.arrays["prior_votes"], self.arrays)
        sizes = np.diff(start)
        width = max(LISTED_CLASSES, int(sizes.max()))
        slot = np.arange(width)
        at = start[:-1, None] + np.where(slot < sizes[:, None], slot, 0)
        self.members = np.ascontiguousarray(members[at])
        self.counts = np.where(slot < sizes[:, None], counts[at], 0).astype(np.float32)
        self.arrays["leaf_start"] = (width * np.arange(len(sizes) + 1)).astype(np.int32)
        self.arrays["leaf_members"], self.arrays["longest"] = self.members.reshape(-1), width

    def _leaf_entropy(self):
        """The mean entropy of the classes in a leaf."""
        in_leaf = self.counts.sum(axis=1, dtype=np.float64)
        share = self.counts / np.maximum(in_leaf, np.finfo(np.float32).tiny)[:, None]
        entropy = -np.sum(share * np.log(np.maximum(share, np.finfo(np.float32).tiny)), axis=1)
        return float(np.average(entropy, weights=np.maximum(in_leaf, 1e-30)))

    def _check_trees(self, settings):
        """Grow new trees, if the leaves are less pure than they were."""
        entropy = self._leaf_entropy()
        if self.entropy is None:  # the first rows of new trees
            self.entropy = entropy
        elif entropy > self.entropy + DRIFT:
            self._grow_trees(settings)
        self._look_at_all()

    def _grow_trees(self, settings):
        """Trees over the classes where they are now."""
        means, totals = self.means.array.astype(np.float64), self.totals.array
        share = totals / totals.sum()
        trees = [grow(means, share, self.rng) for _ in range(len(self.arrays["roots"]))]
        place = () if self.is_sparse else (self.basis, self.offset)
        self.arrays |= tree_arrays(trees, *place)
        rank, n = means.shape[1], len(means)
        prior_votes = np.zeros(n, dtype=np.float32)
        seen = self._of_forest() | tree_arrays(trees) | {
            "shift": np.zeros(rank),
            "scale": np.ones(rank),
            "projection": np.zeros((0, 0), dtype=np.float32),
            "class_of": self.class_of.array,
            "prior_votes": prior_votes,
            "constant": rank,
        }  # fmt: skip
        number, visits = np.arange(n, dtype=np.int32), 0
        for first, last in row_blocks(n, DRAWN_ROWS * max(rank, 1)):
            codes = np.repeat(number[first:last], DRAWN_ROWS)
            u = means[codes] + self.rng.standard_normal((len(codes), rank))
            source = ArraySource(u, Y=one_class_each(codes, n), weights=totals[codes] / DRAWN_ROWS)
            visits = visits + VisitingRows(source, seen, number, settings.beam_width).visits(seen)
        list_frequent_classes(self.arrays, visits)
        self._pad_lists()
        self.entropy, self.n_grown = None, n
