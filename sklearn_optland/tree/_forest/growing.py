"""Arrays to whose end entries come, and the table of weights to which columns and classes come."""

import numpy as np
from scipy import sparse

from sklearn_optland.tree._forest.ranking import with_used_columns
from sklearn_optland.tree._forest.training import hashed_starts

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
            shape = max(size, 2 * len(self.buffer)), *self.buffer.shape[1:]
            buffer = np.zeros(shape, dtype=self.buffer.dtype)
            buffer[: self.size] = self.array
            self.buffer = buffer
        self.size = size

    def __getstate__(self):
        """Copies have no room to spare, nor its bytes."""
        return {**vars(self), "buffer": self.array}


class Counting:
    """The numbers from 0 on, of which nobody writes to any."""

    def __init__(self):
        self.numbers = np.zeros(0, dtype=np.int32)

    def below(self, n):
        """The first n of them, int32."""
        if n > len(self.numbers):
            self.numbers = np.arange(2 * n, dtype=np.int32)
        return self.numbers[:n]

    def __reduce__(self):
        """A copy counts anew."""
        return Counting, ()


class FeatureTable:
    """The weights of sparse features, and where each feature has them.

    Parameters
    ----------
    arrays : dict
        What Model takes; copied.
    squares : ndarray
        Sums of squared gradients, as the weights; or empty.
    n_bits : int
        There are at most 2^n_bits weights, or as many as prototypes.
    """

    def __init__(self, arrays, squares, n_bits):
        self.columns = {
            name: Growing(arrays[name]) for name in ("shift", "scale", "projection", "start")
        }
        self.column_of, self.constant = arrays["column_of"].copy(), arrays["constant"]
        self.w, self.squares = Growing(arrays["table"]), Growing(squares)
        start, self.n_bits = arrays["start"], n_bits
        # Of weights that are not shared, a feature has `stride`: as many as prototypes, or more.
        self.n_prototypes = self.stride = len(arrays["class_of"])
        self.is_shared = len(arrays["table"]) < len(start) * self.stride
        self.last_start = int(start.max(initial=0))
        self.has_weights = len(start) > 0

    def arrays(self):
        """What Model takes of it."""
        columns = {name: part.array for name, part in self.columns.items()}
        return {**columns, "column_of": self.column_of, "table": self.w.array}

    def known_columns(self, X):
        """Rows in the columns of the table, to which new ones come."""
        new = np.unique(X.indices[self.column_of[X.indices] < 0])
        n_old = self.columns["scale"].size
        if new.size:
            first = max(n_old, self.constant + 1)  # the constant is between old and new
            self.column_of[new] = np.arange(first, first + new.size)
            for name in ("shift", "scale", "projection"):
                self.columns[name].extend(first + new.size)
            # A column that no row of the fit has is as rare as any.
            self.columns["scale"].array[n_old:] = self.columns["scale"].array[:n_old].max()
            if self.has_weights:
                self.columns["start"].extend(first + new.size)
                self._place(np.arange(first, first + new.size))
        return with_used_columns(X, self.column_of, self.columns["scale"].size)

    def _place(self, features):
        """Give new features places in the table: of their own, as long as `n_bits` allows it."""
        start, n = self.columns["start"].array, self.stride
        size = self.w.size + n * len(features)
        if not self.is_shared and size <= 1 << self.n_bits:
            start[features] = self.w.size + n * np.arange(len(features))
            self._extend(size)
        else:
            self.is_shared = True
            start[features] = hashed_starts(features, self.w.size - self.n_prototypes + 1)
        self.last_start = max(self.last_start, int(start[features].max()))

    def have_prototypes(self, n):
        """Have a weight for each of n prototypes and each feature."""
        if not self.has_weights:
            return
        start, self.n_prototypes = self.columns["start"].array, n
        if n > self.stride and not self.is_shared:
            wide = 2 * n
            if len(start) * wide <= 1 << self.n_bits:
                self._widen(start, wide)
            else:
                self.is_shared = True
        self._extend(max(self.w.size, self.last_start + n))

    def _extend(self, size):
        self.w.extend(size)
        if self.squares.size:
            self.squares.extend(size)

    def _widen(self, start, wide):
        """Lay the table out anew, with room for more prototypes."""
        taken = start[:, None] + np.arange(self.stride)
        start[:] = wide * np.arange(len(start))
        for part in (self.w, self.squares):
            if part.size:
                table = np.zeros((len(start), wide), dtype=np.float32)
                table[:, : self.stride] = part.array[taken]
                part.buffer, part.size = table.ravel(), table.size
        self.stride, self.last_start = wide, int(start[-1])

    def coordinates(self, X, rank):
        """Where the trees see rows in the columns of the table."""
        projection = self.columns["projection"].array[:, :rank]
        used, place = np.unique(X.indices, return_inverse=True)
        values = np.clip(X.data * self.columns["scale"].array[X.indices], -LIMIT, LIMIT)
        values = values.astype(np.float32)
        X = sparse.csr_array((values, place, X.indptr), (X.shape[0], len(used)))
        return np.asarray(X @ projection[used] + projection[self.constant], dtype=np.float32)
