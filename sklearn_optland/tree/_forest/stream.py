"""The forest of `leaf="rerank"` on a stream: trees, lists and ranking learn each row once.

Coordinates stay those of the fit before. In them

means    of the classes are running sums, and exact;
lists    of the leaves are those of Metwally, Agrawal and El Abbadi (2005): whoever has more than a
         sixteenth of a leaf's visits is listed;
ranking  takes the step that it takes in a fit: of AdaGrad, or, with a share of C, an exact one in
         the dual variables of the row, those of older rows being what they are. The discriminant is
         recomputed, exactly;
trees    are grown anew, over the means, when the entropy of their leaves has drifted. Their lists
         are then drawn: in these coordinates the rows of a class are normal around its mean.

A stream that begins without a fit keeps its first rows, and is fitted to them whenever they have
doubled, up to KEPT_ROWS.
"""

from dataclasses import replace

import numpy as np
from scipy import sparse

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._estimator.training_rows import TrainingRows
from sklearn_optland._rows.reduce import row_blocks
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.tree._forest.coordinates import LEAST_WEIGHT
from sklearn_optland.tree._forest.fits import fit_rows, forest_settings, squares_of_bytes
from sklearn_optland.tree._forest.label_trees import (
    LISTED_CLASSES,
    grow,
    list_frequent_classes,
    tree_arrays,
    visits_of,
    votes,
)
from sklearn_optland.tree._forest.ranking import as_kind, with_used_columns
from sklearn_optland.tree._forest.search_fast import (
    LabelForest,
    as_floats,
    as_short_rows,
    count_visits,
)
from sklearn_optland.tree._forest.training import (
    Lesson,
    VisitingRows,
    discriminant_rows,
    hashed_starts,
    rate_and_C,
)
from sklearn_optland.tree._training_rows import (
    new_labels,
    one_class_each,
    row_of_pairs,
    with_columns,
)

# Rows that a stream without a fit keeps, and is fitted to whenever they have doubled.
KEPT_ROWS = 10_000
# Trees are looked at when rows have grown by this share, and grown anew when the mean entropy of
# their leaves has risen by so many nats.
CHECKED_SHARE = 0.25
DRIFT = 0.2
# Rows that are drawn for each prototype to fill the lists of new trees.
DRAWN_ROWS = 8
# Rows that the recall of the latest ones is a mean over, about.
RECALL_ROWS = 2000
# Of C: a row that comes once has its step not taken back by others, and with it full steps are as
# noisy as the rows are. Sparse rows share little.
SPARSE_SHARE, DENSE_SHARE = 0.1, 0.01
# The most that a row weighs, relative to the mean of the fit: gradients and counts are float32.
LARGEST_WEIGHT = 1e6
# The largest values that coordinates are made of, as in the kernel.
LIMIT = 1e3


class Growing:
    """An array to whose end entries come, in a buffer that doubles when it is full."""

    def __init__(self, array):
        self.buffer, self.size = array.copy(), len(array)

    @property
    def array(self):
        """The entries."""
        return self.buffer[: self.size]

    def extend(self, size):
        """Have so many entries, the new ones 0."""
        if size > len(self.buffer):
            buffer = np.zeros((max(size, 2 * len(self.buffer)), *self.buffer.shape[1:]),
                              dtype=self.buffer.dtype)  # fmt: skip
            buffer[: self.size] = self.array
            self.buffer = buffer
        self.size = size


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
        self.loss, self.n_bits, self.rng = loss, n_bits, rng
        self.arrays = dict(arrays)
        self.sizes, self.basis, self.offset = (memory[key] for key in ("sizes", "basis", "offset"))
        self.is_sparse = arrays["projection"].shape[0] > 0
        means = as_floats(memory["means"]["words"], memory["means"]["scale"])
        self.means = Growing(means[:, : memory["rank"]])
        self.totals = Growing(memory["totals"])
        self.first_total = float(memory["totals"].sum())
        self.class_of = Growing(arrays["class_of"])
        self.by_class = Growing(np.argsort(arrays["class_of"], kind="stable"))
        squares = squares_of_bytes(memory["squares"])
        if self.is_sparse:
            self.columns = {
                name: Growing(arrays[name]) for name in ("shift", "scale", "projection", "start")
            }
            self.arrays["column_of"] = arrays["column_of"].copy()
            self.w, self.squares = Growing(arrays["table"]), Growing(squares)
            start = arrays["start"]
            self.stride = len(arrays["class_of"])
            self.is_shared = len(self.w.array) < len(start) * self.stride
        else:
            ranking = arrays["ranking"]
            self.ranking = {name: Growing(part) for name, part in ranking.items()}
            rows = as_floats(ranking["words"], ranking["scale"])
            n, d = len(rows), len(arrays["scale"])
            n_z = LabelForest(**self._of_forest(), beam=1).n_z
            w = np.zeros((n, n_z), dtype=np.float32)
            w[:, :d], w[:, d] = rows[:, :d], ranking["bias"]
            self.w = Growing(w)
            self.squares = Growing(squares.reshape(-1, n_z))
        self._pad_lists()
        self.entropy, self.n_checked = self._leaf_entropy(), self.totals.array.sum()

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
            X = self._known_columns(X)
        self._add_classes(Y.shape[1])
        self.publish()
        u = self._coordinates(X)
        own = self._own_prototypes(Y, u)
        source = ArraySource(X, Y=own, weights=weights)
        arrays = self._of_forest()
        if self.is_sparse:
            arrays["column_of"] = np.arange(X.shape[1], dtype=np.int32)
        number = np.arange(self.class_of.size, dtype=np.int32)
        rows = VisitingRows(source, arrays, number, settings.beam_width)
        recall = self._recall(rows)
        self._move_means(own, weights, u)
        count_visits(
            rows.leaves,
            rows.leaves.shape[1] // len(self.arrays["roots"]),
            own.indptr,
            own.indices,
            weights,
            self.members,
            self.counts,
        )
        forest = LabelForest(**arrays, beam=settings.beam_width)
        moved = np.zeros(self.class_of.size, dtype=np.uint8)
        loss = self._take_steps(forest, rows, own, settings, moved)
        self._round(np.flatnonzero(moved))
        self.publish()
        if self.totals.array.sum() > (1 + CHECKED_SHARE) * self.n_checked:
            self._check_trees(settings)
        return loss / X.shape[0], recall

    def _known_columns(self, X):
        """Rows in the columns of the model, to which new ones come."""
        column_of = self.arrays["column_of"]
        new = np.unique(X.indices[column_of[X.indices] < 0])
        n_old = self.columns["scale"].size
        if new.size:
            first = max(n_old, self.arrays["constant"] + 1)  # the constant is between old and new
            column_of[new] = np.arange(first, first + new.size)
            for name in ("shift", "scale", "projection", "start"):
                self.columns[name].extend(first + new.size)
            self.columns["scale"].array[n_old:] = self.columns["scale"].array[0]
            self._place(np.arange(first, first + new.size))
        return with_used_columns(X, column_of, self.columns["scale"].size)

    def _place(self, features):
        """Give new features places in the table: of their own, as long as `n_bits` allows it."""
        start, n = self.columns["start"].array, self.stride
        size = self.w.size + n * len(features)
        if not self.is_shared and size <= 1 << self.n_bits:
            start[features] = self.w.size + n * np.arange(len(features))
            self._extend_table(size)
        else:
            self.is_shared = True
            start[features] = hashed_starts(features, self.w.size - n + 1)

    def _extend_table(self, size):
        self.w.extend(size)
        if self.squares.size:
            self.squares.extend(size)

    def _add_classes(self, n_classes):
        """New classes get a prototype each."""
        n_new = n_classes - self.arrays["n_classes"]
        if n_new <= 0:
            return
        n_old, n = self.class_of.size, self.class_of.size + n_new
        for part in (self.means, self.totals, self.class_of, self.by_class):
            part.extend(n)
        self.by_class.array[n_old:] = np.arange(n_old, n)
        self.class_of.array[n_old:] = np.arange(n_classes - n_new, n_classes)
        self.arrays["n_classes"] = n_classes
        if not self.is_sparse:
            for part in (*self.ranking.values(), self.w):
                part.extend(n)
            self.ranking["scale"].array[n_old:] = 1
            if len(self.squares.buffer):
                self.squares.extend(n)
            return
        start = self.columns["start"].array
        if n > self.stride and not self.is_shared:
            wide = 2 * n
            if len(start) * wide <= 1 << self.n_bits:
                self._widen(start, wide)
            else:
                self.is_shared = True
        self._extend_table(max(self.w.size, int(start.max()) + n))

    def _widen(self, start, wide):
        """Lay the table out anew, with room for more classes."""
        taken = start[:, None] + np.arange(self.stride)
        start[:] = wide * np.arange(len(start))
        for part in (self.w, self.squares):
            if part.size:
                table = np.zeros((len(start), wide), dtype=np.float32)
                table[:, : self.stride] = part.array[taken]
                part.buffer, part.size = table.ravel(), table.size
        self.stride = wide

    def _coordinates(self, X):
        """Where the trees see rows."""
        arrays, rank = self.arrays, self.means.buffer.shape[1]
        if self.is_sparse:
            projection = arrays["projection"]
            X = X * np.float32(arrays["scale"][0])
            z = X @ projection[:, :rank][: X.shape[1]] + projection[arrays["constant"], :rank]
            return np.asarray(z, dtype=np.float32)
        z = np.clip((X - arrays["shift"]) * arrays["scale"], -LIMIT, LIMIT)
        return (z @ self.basis - self.offset).astype(np.float32)

    def _own_prototypes(self, Y, u):
        """Of each row, the nearest prototype of each of its classes."""
        class_of, order = self.class_of.array, self.by_class.array
        if len(class_of) == Y.shape[1]:
            return with_columns(Y, order[Y.indices], len(class_of))
        first = np.searchsorted(class_of[order], np.arange(Y.shape[1] + 1))
        sizes = np.diff(first)[Y.indices]
        begin = np.cumsum(sizes) - sizes
        listed = order[np.arange(sizes.sum()) + np.repeat(first[Y.indices] - begin, sizes)]
        row = np.repeat(row_of_pairs(Y), sizes)
        distance = np.sum((u[row] - self.means.array[listed]) ** 2, axis=1)
        distance[self.totals.array[listed] == 0] = 0  # of a new class, its only one
        pair = np.repeat(np.arange(len(sizes)), sizes)
        by_distance = np.lexsort((distance, pair))
        return with_columns(Y, listed[by_distance[begin]], len(class_of))

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
        weighted = sparse.csr_array(
            (weights[row_of_pairs(own)], own.indices, own.indptr), own.shape
        )
        touched = np.unique(own.indices)
        weighted = weighted.tocsc()[:, touched]
        gain, means = weighted.sum(axis=0), self.means.array
        totals = self.totals.array[touched] + gain
        # By the difference: sums would lose what means far from 0 have in common.
        moves = weighted.T @ u - gain[:, None] * means[touched]
        means[touched] += moves / totals[:, None]
        self.totals.array[touched] = totals

    def _take_steps(self, forest, rows, own, settings, moved):
        """Let the ranking model learn; returns the sum of the losses."""
        w, squares = self.w.array.reshape(-1), self.squares.array.reshape(-1)
        rate, C = rate_and_C(self.sizes, self.is_sparse, settings)
        C *= SPARSE_SHARE if self.is_sparse else DENSE_SHARE
        seed = self.rng.randint(np.iinfo(np.int32).max)
        start = self.columns["start"].array if self.is_sparse else np.zeros(0, dtype=np.int64)
        lesson = Lesson(rate, C, start, seed, rows.values_per_row)
        width = forest.max_trained + max(int(np.diff(own.indptr).max()), 1)
        n_dual = own.shape[0] if self.loss == "squared_hinge" else 0
        if self.loss == "discriminant":
            squares = np.zeros(len(w), dtype=np.float32)
            moved[np.unique(own.indices)] = 1
        alpha = np.zeros((n_dual, width), dtype=np.float32)
        order = np.arange(own.shape[0], dtype=np.int32)
        flags = np.zeros_like(moved) if self.loss == "discriminant" else moved
        return rows.learn(forest, lesson, order, self.rng, w, squares, alpha, flags)

    def _round(self, moved):
        """Have the prototypes that moved predict what they have learned."""
        if self.is_sparse or not moved.size:
            return
        w, d = self.w.array, len(self.arrays["scale"])
        if self.loss == "discriminant":
            prior = self.totals.array[moved] / self.first_total
            parts = self.means.array[moved], prior, self.basis, self.offset
            w[moved, : d + 1] = discriminant_rows(*parts)
        for name, part in as_short_rows(w[moved, :d], w[moved, d]).items():
            self.ranking[name].array[moved] = part

    def publish(self):
        """Have `arrays` be what a Model predicts with."""
        if self.is_sparse:
            self.arrays |= {name: part.array for name, part in self.columns.items()}
            self.arrays["table"] = self.w.array
        else:
            self.arrays["ranking"] = {name: part.array for name, part in self.ranking.items()}
        self.arrays["class_of"] = self.class_of.array
        self.arrays["leaf_members"] = self.members.reshape(-1)
        n = self.class_of.size
        if self.arrays["vote_factor"] > 0:
            share = self.totals.array / self.totals.array.sum()
            told = votes(self.counts, self.members, share, self.arrays)
            self.arrays |= {"votes": told["votes"].reshape(-1), "prior_votes": told["prior_votes"]}
        elif len(self.arrays["prior_votes"]) < n:
            self.arrays["prior_votes"] = np.zeros(n, dtype=np.float32)

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
        self.arrays["leaf_members"] = self.members.reshape(-1)
        self.arrays["votes"] = np.zeros(self.members.size, dtype=np.float32)

    def _leaf_entropy(self):
        """The mean entropy of the classes in a leaf."""
        in_leaf = self.counts.sum(axis=1, dtype=np.float64)
        share = self.counts / np.maximum(in_leaf, np.finfo(np.float32).tiny)[:, None]
        entropy = -np.sum(share * np.log(np.maximum(share, np.finfo(np.float32).tiny)), axis=1)
        return float(np.average(entropy, weights=np.maximum(in_leaf, 1e-30)))

    def _check_trees(self, settings):
        """Grow new trees, if the leaves are less pure than they were."""
        self.n_checked = self.totals.array.sum()
        entropy = self._leaf_entropy()
        if self.entropy is None:  # the first rows of new trees
            self.entropy = entropy
        elif entropy > self.entropy + DRIFT:
            self._grow_trees(settings)

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
        self.entropy = None
        self.publish()


def stream_ranking(forest, rows, classes, lock):
    """Let a forest learn rows, its first ones or more: as `stream_histograms`."""
    if not hasattr(forest, "_met"):
        if not rows.weights.any():
            raise ValueError("sample_weight: found no positive weight in the first rows.")
        kept = {"rows": [], "n_fitted": 0}
        known, is_closed = np.unique(rows.y if classes is None else classes), classes is not None
    else:
        known, is_closed, kept = forest.classes_, forest._is_closed, forest._kept
        if classes is not None and not np.array_equal(np.unique(classes), known):
            raise ValueError(
                f"classes: found {np.unique(classes)}; allowed are those known, {known}."
            )
    fresh = new_labels(known, rows.y, is_closed)
    known = np.union1d(known, fresh) if fresh.size else known
    X, weights, y = rows.used(rows.y)
    if kept is not None:
        part = X.copy(), weights, y.copy()  # users fill their arrays with the next rows
        kept = {**kept, "rows": [*kept["rows"], part]}
        n_rows = sum(len(part[1]) for part in kept["rows"])
        if n_rows >= min(2 * kept["n_fitted"], KEPT_ROWS):
            fit_rows(forest, _joined(kept["rows"]), lock)
            _know(forest, known)
            kept = None if n_rows >= KEPT_ROWS else {**kept, "n_fitted": n_rows}
            forest._is_closed, forest._kept = is_closed, kept
            return float(forest.history_["objective"][-1])
    forest._kept = kept
    _know(forest, known)
    return _learn(forest, X, weights, y) if len(weights) else 0.0


def _know(forest, labels):
    """Have the forest's classes be these labels, among which are its own."""
    if len(labels) > len(forest.classes_):
        forest._met = np.searchsorted(labels, forest.classes_)[forest._met]
        forest.classes_ = labels


def _learn(forest, X, weights, y):
    """Let the forest's stream learn rows that have weights."""
    stream = forest._stream
    if stream is None:
        rng = private_random_state(forest.random_state)
        stream = Stream(forest._arrays, forest._memory, forest.loss_, forest.n_bits, rng)
    place = np.searchsorted(forest.classes_, y)
    number = np.full(len(forest.classes_), -1)
    number[forest._met] = np.arange(len(forest._met))
    new = np.unique(place[number[place] < 0])
    number[new] = len(forest._met) + np.arange(len(new))
    met = np.concatenate([forest._met, new])
    Y = one_class_each(number[place].astype(np.int32), len(met))
    settings = forest_settings(forest)
    C = forest.C_ if settings.C == "auto" else settings.C
    settings = replace(settings, loss=forest.loss_, C=C)
    weights = np.clip(weights / forest._mean_weight, LEAST_WEIGHT, LARGEST_WEIGHT)
    loss, recall = stream.learn(X, Y, weights, settings)
    rate = -np.expm1(-X.shape[0] / RECALL_ROWS)
    vars(forest).update(
        _met=met,
        _stream=stream,
        _memory=None,
        _arrays=stream.arrays,
        candidate_recall_=float((1 - rate) * forest.candidate_recall_ + rate * recall),
    )
    return loss


def _joined(parts):
    """All rows that are kept, as TrainingRows."""
    X, weights, y = zip(*parts, strict=True)
    is_sparse = any(map(sparse.issparse, X))
    X = sparse.csr_array(sparse.vstack(X)) if is_sparse else np.concatenate(X)
    return TrainingRows(X, np.concatenate(y), None, np.concatenate(weights))
