"""Passes over sequences of a linear-chain model, and its dual ascent.

    P(theta) = 1/2 |theta|^2 + sum_i c_i [log Z_i - score_i],   theta = (W, A, ends).

Dual ascent (SDCA; Collins et al. 2008 have it for structured models in a dual with exponentiated
steps) has a distribution alpha_i over the labellings of each sequence and theta as their image,

    D(alpha) = sum_i c_i H(alpha_i) - 1/2 |theta|^2,   theta = sum_i c_i (f_i(y_i) - E_alpha_i f_i).

Of alpha_i only the marginals mu of tokens, the pair marginals xi summed over the sequence, and a
lower bound of its entropy H are kept: theta needs no more, and D is a lower bound all the same. A
visit mixes alpha_i with the model's own distribution p at theta,

    alpha_i <- (1 - g) alpha_i + g p,   d = c_i (E_alpha_i f - E_p f),   theta <- theta + g d.

With the gap c_i KL(alpha_i | p), entropy's concavity and Pinsker's inequality, tau the largest
|mu_t - p_t|_1 of a token,

    D(g) - D(0) >= g gap + g (1 - g) c_i tau^2 / 2 - g^2 |d|^2 / 2,

which the visit maximises; the entropy's bound follows in the same way. From a single labelling the
mixture's entropy is known exactly, and the first visit maximises D itself.

The stochastic average gradient (SAG; Schmidt et al. 2015, Algorithm 2) keeps the gradient of each
sequence's loss at its last visit, which are marginals too: the image of these duals is minus the
sum of the gradients. A visit replaces those of one sequence, and all parameters take a step along
the sum and the penalty's gradient,

    theta <- theta - (alpha / n) (theta - image),
    alpha = [1 / (L_max + 1/n) + 1 / (L_mean + 1/n)] / 2,

for Lipschitz constants L_i of the losses' gradients, found by backtracking. A column's part of the
image stands still between visits of its tokens, so that its steps are a power of 1 - alpha / n,
taken when it is next seen.
"""
from libc.stdint cimport int64_t

import numpy as np

from sklearn_optland._rows.rows cimport RowPointers, Rows

cdef extern from "chain_average.h" nogil:
    enum:
        OPTLAND_OCTET
    ctypedef struct optland_chain:
        const float* values32
        const double* values64
        const int* indices
        const long long* indptr
        int64_t n_columns
        const int64_t* starts
        const int* codes
        int64_t k, lanes, stride
        double* W
        double* last_row
        double* A
        double* first
        double* last
        const unsigned char* has_W
        const unsigned char* has_A
        const unsigned char* has_ends
        const double* live
        double* s
        double* e
        double* a
        double* b
        double* v
        double* p
        double* top
        double* z
        double* r
        double* q
        double* line
        double* M
        double* transposed
        double* pairs
        double* rows
    ctypedef struct optland_marginals:
        double* in64
        float* in32
    ctypedef struct optland_chain_dual:
        const double* c
        optland_marginals mu, xi
        const int64_t* pairs
        double* entropy
        double* rounding
        double* gap
        const float* gram
        const int64_t* grams
        double* buffer
    ctypedef struct optland_chain_average:
        double* image
        double* seen
        double* lipschitz
        int* skips
        int* wait
        int64_t n
        double total, most, left
    double optland_chain_prepare(const optland_chain* chain)
    double optland_chain_loss(const optland_chain* chain, int64_t i, double most)
    double optland_chain_gradient(
        const optland_chain* chain, int64_t i, double c, double most, double* G)
    double optland_chain_distribution(
        const optland_chain* chain, int64_t i, double most, double* p, double* pairs,
        double* entropy)
    void optland_chain_gram(
        const optland_chain* chain, int64_t i, int has_ends, double* scratch, float* gram)
    void optland_chain_draw(
        const optland_chain* chain, int64_t i, int64_t n_draws, int64_t n_tokens,
        const double* uniform, int* labels)
    void optland_chain_decode(const optland_chain* chain, int64_t i, const double* A, int* path)
    double optland_chain_visit(
        const optland_chain* chain, const optland_chain_dual* dual, int64_t i)
    double optland_chain_average_visit(
        const optland_chain* chain, const optland_chain_dual* dual, optland_chain_average* average,
        int64_t i)
    void optland_chain_catch_up(
        const optland_chain* c, optland_chain_average* average, int64_t column)


def lanes_of(Py_ssize_t k):
    """k, rounded up to whole octets."""
    return (k + OPTLAND_OCTET - 1) // OPTLAND_OCTET * OPTLAND_OCTET


def aligned(*shape, dtype=np.float64):
    """Zeros that begin at a cache line: rows of whole octets then lie in as few as possible."""
    size, line = int(np.prod(shape)), 64 // np.dtype(dtype).itemsize
    flat = np.zeros(size + line, dtype=dtype)
    skip = -flat.ctypes.data % 64 // flat.itemsize
    return flat[skip:skip + size].reshape(shape)


cdef optland_marginals marginals_in(array):
    """Where the kernels find an array of float64 or float32."""
    cdef optland_marginals kept = optland_marginals(NULL, NULL)
    cdef double[::1] in64
    cdef float[::1] in32
    if array.size and array.dtype == np.float32:
        in32 = array.reshape(-1)
        kept.in32 = &in32[0]
    elif array.size:
        in64 = array.reshape(-1)
        kept.in64 = &in64[0]
    return kept


cdef class Chain:
    """Sequences, parameters and scratch.

    Parameters
    ----------
    rows : Rows
        Of all tokens.
    starts : ndarray of int64 of shape (n_sequences + 1,)
        Sequence i has the tokens starts[i] to starts[i + 1]; none is empty.
    k : int
        Labels.
    codes : ndarray of int32 of shape (n_tokens,), default=None
        Their labels, where kernels need these.
    """
    cdef optland_chain chain
    cdef readonly Rows rows
    cdef readonly object starts, codes
    cdef const int64_t[::1] _starts
    cdef const int[::1] _codes
    cdef const double[:, ::1] _W, _A, _ends
    cdef double[:, ::1] _by_token, _by_label
    cdef const unsigned char[:, ::1] _has
    cdef double[::1] _live, _rest, _last_row, _buffer
    cdef double most

    def __init__(self, Rows rows, starts, Py_ssize_t k, codes=None):
        cdef RowPointers x = rows.pointers()
        cdef Py_ssize_t lanes = lanes_of(k), longest = np.diff(starts).max()
        cdef Py_ssize_t n_rows = max(OPTLAND_OCTET * longest, lanes)
        cdef optland_chain* c = &self.chain
        self.rows, self.starts, self.codes = rows, starts, codes
        self._starts = starts
        self._by_token = aligned(6 * longest, lanes)
        self._by_label = aligned(3 * lanes, lanes)
        self._rest = aligned(n_rows + 4 * longest + max(longest, lanes))
        self._live = aligned(lanes)
        self._live[:k] = 1.0
        c.values32, c.values64, c.indices, c.indptr = x.values32, x.values64, x.indices, x.indptr
        c.n_columns, c.starts, c.k, c.lanes = x.n_columns, &self._starts[0], k, lanes
        if codes is not None:
            self._codes = codes
            c.codes = &self._codes[0]
        c.live = &self._live[0]
        c.s, c.e = &self._by_token[0, 0], &self._by_token[longest, 0]
        c.a, c.b = &self._by_token[2 * longest, 0], &self._by_token[3 * longest, 0]
        c.v, c.p = &self._by_token[4 * longest, 0], &self._by_token[5 * longest, 0]
        c.M, c.transposed = &self._by_label[0, 0], &self._by_label[lanes, 0]
        c.pairs = &self._by_label[2 * lanes, 0]
        c.rows, c.top, c.z = &self._rest[0], &self._rest[n_rows], &self._rest[n_rows + longest]
        c.r, c.q = c.z + longest, c.z + 2 * longest
        c.line = c.z + 3 * longest

    def share(self):
        """The same sequences for another thread, with scratch of its own."""
        return Chain(self.rows.share(), self.starts, self.chain.k, self.codes)

    def set(self, const double[:, ::1] W, const double[:, ::1] A, ends=None):
        """Set the parameters, which only dual ascent changes.

        Parameters
        ----------
        W : ndarray of shape (n_columns, k) or (n_columns, lanes)
        A : ndarray of shape (k, lanes)
        ends : ndarray of shape (2, lanes), default=None
        """
        cdef Py_ssize_t last = W.shape[0] - 1, stride = W.shape[1]
        cdef optland_chain* c = &self.chain
        self._W, self._A = W, A
        c.W, c.stride, c.A = <double*>&self._W[0, 0], stride, <double*>&self._A[0, 0]
        c.last_row = <double*>&self._W[last, 0]
        if stride != c.lanes:
            self._last_row = np.append(W[last], np.zeros(c.lanes - stride))
            c.last_row = &self._last_row[0]
        c.first = c.last = NULL
        if ends is not None:
            self._ends = ends
            c.first, c.last = <double*>&self._ends[0, 0], <double*>&self._ends[1, 0]
        self.most = optland_chain_prepare(c)

    def restrict(self, has):
        """Keep parameters at zero where `has`, of theta's shape, is."""
        cdef optland_chain* c = &self.chain
        self._has = has
        c.has_W, c.has_A = &self._has[0, 0], &self._has[c.n_columns, 0]
        c.has_ends = &self._has[c.n_columns + c.k, 0]

    def losses(self, Py_ssize_t begin, Py_ssize_t end, double[::1] out):  # OUT
        """log Z - score of the sequences from `begin` to `end`."""
        cdef Py_ssize_t i
        with nogil:
            for i in range(begin, end):
                out[i] = optland_chain_loss(&self.chain, i, self.most)

    def gradient(
        self, Py_ssize_t begin, Py_ssize_t end, const double[::1] c, double[:, ::1] G  # IN / OUT
    ):
        """Add the gradient of the weighted losses; returns their sum."""
        cdef Py_ssize_t i
        cdef double total = 0
        with nogil:
            for i in range(begin, end):
                total += optland_chain_gradient(&self.chain, i, c[i], self.most, &G[0, 0])
        return total

    def marginals(
        self, Py_ssize_t begin, Py_ssize_t end,
        double[:, ::1] p,  # OUT, (n_tokens, lanes), of the sequences' tokens from starts[begin] on
        double[:, :, ::1] pairs,  # OUT, or None; sequence i's is pairs[numbers[i]]
        const int64_t[::1] numbers,  # -1: none
        double[::1] entropies,  # OUT
        double[::1] log_z,  # OUT
    ):
        """Distributions of labellings at the parameters."""
        cdef Py_ssize_t i, skip = self._starts[begin]
        cdef double* pair
        with nogil:
            for i in range(begin, end):
                pair = NULL if pairs is None or numbers[i] < 0 else &pairs[numbers[i], 0, 0]
                log_z[i] = optland_chain_distribution(
                    &self.chain, i, self.most, &p[self._starts[i] - skip, 0], pair, &entropies[i]
                )

    def draw(
        self, Py_ssize_t begin, Py_ssize_t end,
        const double[::1] uniform,  # a number for each label
        int[:, ::1] labels,  # OUT, (n_draws, n_tokens)
    ):
        """Draw labellings from the model's distribution."""
        cdef Py_ssize_t i, n_draws = labels.shape[0], n_tokens = labels.shape[1]
        with nogil:
            for i in range(begin, end):
                optland_chain_draw(
                    &self.chain, i, n_draws, n_tokens, &uniform[n_draws * self._starts[i]],
                    &labels[0, self._starts[i]],
                )

    def grams(
        self, const int64_t[::1] grams, bint has_ends, float[::1] out, double[::1] scratch
    ):
        """Write the Gram matrices of the tokens of sequences to where `grams` says.

        Parameters
        ----------
        grams : ndarray of int64 of shape (n_sequences,)
            -1 of sequences without one.
        has_ends : bool
            Whether there are parameters for both ends.
        out : ndarray of float32
            Lower triangles, by rows.
        scratch : ndarray of shape (n_columns,)
            Zeros.
        """
        cdef Py_ssize_t i
        with nogil:
            for i in range(grams.shape[0]):
                if grams[i] >= 0:
                    optland_chain_gram(&self.chain, i, has_ends, &scratch[0], &out[grams[i]])

    def decode(
        self, Py_ssize_t begin, Py_ssize_t end,
        const double[:, ::1] A,  # in place of the model's: -infinity where it is not allowed
        int[::1] paths,  # OUT
    ):
        """The best labellings."""
        cdef Py_ssize_t i
        with nogil:
            for i in range(begin, end):
                optland_chain_decode(&self.chain, i, &A[0, 0], &paths[self._starts[i]])


cdef class DualAscent(Chain):
    """A chain with duals.

    Parameters
    ----------
    rows, starts, k, codes : as Chain has them
    c : ndarray of shape (n_sequences,)
        Positive weights.
    gram, grams : ndarray of float32 and of int64 of shape (n_sequences,)
        As `Chain.grams` makes them.
    buffer : ndarray of shape (n_columns, lanes) or (0, 0)
        Zeros, if a sequence has no Gram matrix.
    dtype : type, default=np.float64
        Of the marginals, float32 or float64.

    Attributes
    ----------
    mu, xi : ndarray
        Marginals of tokens, and of pairs, less those of the sequences' own labellings, which the
        duals are at first.
    entropy, rounding, gap : ndarray of shape (n_sequences,)
        Of the duals, as chain_dual.h has them.
    """
    cdef optland_chain_dual dual
    cdef readonly object mu, xi, pairs, entropy, rounding, gap
    cdef const int64_t[::1] _pairs
    cdef const double[::1] _c
    cdef double[:, ::1] _buffer2
    cdef double[::1] _entropy, _rounding, _gap
    cdef const float[::1] _gram
    cdef const int64_t[::1] _grams

    def __init__(self, rows, starts, k, codes, c, gram, grams, buffer, dtype=np.float64):
        super().__init__(rows, starts, k, codes)
        lanes, n_sequences = self.chain.lanes, len(starts) - 1
        has_pairs = np.diff(starts) > 1
        self.pairs = np.where(has_pairs, np.cumsum(has_pairs) - 1, -1)
        self.mu = aligned(len(codes), lanes, dtype=dtype)
        self.xi = aligned(has_pairs.sum(), k, lanes, dtype=dtype)
        self.entropy, self.rounding = np.zeros(n_sequences), np.zeros(n_sequences)
        self.gap = np.full(n_sequences, np.inf)
        self._entropy, self._rounding, self._gap = self.entropy, self.rounding, self.gap
        self._c, self._gram, self._grams, self._buffer2 = c, gram, grams, buffer
        self._pairs = self.pairs
        self.dual.c, self.dual.pairs = &self._c[0], &self._pairs[0]
        self.dual.mu, self.dual.xi = marginals_in(self.mu), marginals_in(self.xi)
        self.dual.entropy, self.dual.gap = &self._entropy[0], &self._gap[0]
        self.dual.rounding = &self._rounding[0]
        if self._gram.shape[0]:
            self.dual.gram = &self._gram[0]
        self.dual.grams = &self._grams[0]
        if self._buffer2.shape[0]:
            self.dual.buffer = &self._buffer2[0, 0]

    def without_labellings(self, double[:, ::1] mu, double[:, :, ::1] xi):  # IN/OUT
        """Subtract the sequences' own labellings from marginals."""
        cdef const int[::1] y = self._codes
        cdef Py_ssize_t i, t
        with nogil:
            for i in range(self._starts.shape[0] - 1):
                for t in range(self._starts[i], self._starts[i + 1]):
                    mu[t, y[t]] -= 1
                    if t > self._starts[i]:
                        xi[self._pairs[i], y[t - 1], y[t]] -= 1

    def widen(self):
        """Keep marginals in float64 from now on."""
        mu = aligned(*self.mu.shape)
        mu[:] = self.mu
        self.mu = mu  # one after the other: the old ones make room
        xi = aligned(*self.xi.shape)
        xi[:] = self.xi
        self.xi = xi
        self.dual.mu, self.dual.xi = marginals_in(self.mu), marginals_in(self.xi)

    def visit(self, const int[::1] order):
        """Take a step for each sequence in `order`; returns the sum of c tau^2."""
        cdef Py_ssize_t i
        cdef double moved = 0
        with nogil:
            for i in range(order.shape[0]):
                moved += optland_chain_visit(&self.chain, &self.dual, order[i])
        return moved


cdef class AverageGradient(DualAscent):
    """A chain whose duals are the gradients of the losses at the last visits.

    Parameters
    ----------
    rows, starts, k, codes, c, gram, grams, buffer : as DualAscent has them
    image : ndarray of theta's shape
        That of the duals, which visits change.
    lipschitz : ndarray of shape (n_sequences,)
        Positive guesses of the Lipschitz constants, which visits change.
    """
    cdef optland_chain_average average
    cdef double[:, ::1] _image
    cdef double[::1] _seen, _lipschitz
    cdef int[:, ::1] _searches

    def __init__(self, *chain_and_duals, image, lipschitz):
        super().__init__(*chain_and_duals)
        cdef Py_ssize_t n = len(lipschitz)
        self._image, self._lipschitz = image, lipschitz
        self._seen = np.zeros(self.chain.n_columns)
        self._searches = np.zeros((2, n), dtype=np.int32)
        self.average.image, self.average.seen = &self._image[0, 0], &self._seen[0]
        self.average.lipschitz, self.average.n = &self._lipschitz[0], n
        self.average.skips, self.average.wait = &self._searches[0, 0], &self._searches[1, 0]

    def visit(self, const int[::1] order):
        """Take a step for each sequence in `order`; returns the sum of c tau^2."""
        cdef Py_ssize_t i
        cdef double moved = 0
        self.average.total = np.sum(self._lipschitz)
        self.average.most = np.max(self._lipschitz)
        with nogil:
            for i in range(order.shape[0]):
                moved += optland_chain_average_visit(
                    &self.chain, &self.dual, &self.average, order[i]
                )
        return moved

    def catch_up(self):
        """Take the steps of all columns that are due."""
        cdef Py_ssize_t j
        with nogil:
            for j in range(self.chain.n_columns):
                optland_chain_catch_up(&self.chain, &self.average, j)
