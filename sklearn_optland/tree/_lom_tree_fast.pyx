"""The online multiclass tree of Choromanska and Langford (2015), a block of rows a call.

A node holds one linear regressor f(x) = w'x + a, the sum E of the margins it has given and their
number n, and for each class y that passed it their sum E_y and number n_y. A row x of class y
starts at the root. At an internal node

    target      b = -1 if E/n > E_y/n_y, else +1;
    regressor   one step on the loss of (f(x), b);
    margin      m = f(x), with the new weights; E and E_y grow by m, n and n_y by one;
    route       left if m < 0, else right.

At a leaf the class is counted, and the row adds one to the leaf's `min_count`. Above the leaves
`min_count` is that of the smaller child. A leaf that has met two classes and is not at the largest
depth becomes internal, with two new leaves that inherit its majority class and half its `min_count`,

    growth      while the budget of regressors lasts; later
    recycling   if min_count - max_count > R (min_count of the root + 1), where max_count is what the
                leaf counted of its majority: descend from the root to the smaller `min_count`, to
                the orphan leaf. Its sibling takes its parent's place (also if that is the root),
                and orphan and parent become the two new leaves. The parent's regressor moves to
                the node that splits, with its weights.

Steps. Feature j has one rate for all nodes, r_j = 1 / (largest |x_j| * root mean square of x_j),
and the intercept the rate 1: the geometric mean of the normalisations by range and by second moment,
as in the normalised adaptive gradient of Ross, Mineiro and Langford (2013) for gradients of constant
size, but without a state for each node. With q = sum_j r_j x_j^2 + 1 a step of length s changes

    w_j += s b r_j x_j,    so that f(x) changes by s b q, exactly:

the margin under the new weights costs no second product. s is the learning rate over the running
mean of q; a row of weight h makes the step that h repetitions would make (Karampatziakis and Langford
2011), and no step goes past the margin where the gradient of the loss vanishes.
"""
from libc.math cimport exp, expm1, fabs, log1p, sqrt
from libc.stdint cimport int32_t, uint32_t, uint64_t

import numpy as np

from sklearn_optland.utils._rows cimport RowPointers, Rows

cdef extern from *:
    """
    #if defined(__GNUC__)
        #define OPTLAND_PREFETCH(address) __builtin_prefetch(address)
    #else
        #define OPTLAND_PREFETCH(address)
    #endif
    """
    void OPTLAND_PREFETCH(const void* address) nogil

cdef extern from "_float_rows.h" nogil:
    float optland_float_dot(long long n, const float* x, const float* w)
    void optland_float_add(long long n, float t, const float* x, float* w)
    float optland_float_scale(long long n, const float* x, const float* r, float* z)

cdef enum Loss:
    ABSOLUTE = 0
    HINGE = 1
    LOG = 2

LOSSES = {"absolute": ABSOLUTE, "hinge": HINGE, "log_loss": LOG}

# A node, one cache line.
cdef struct Node:
    double margins  # E
    double n
    double min_count, max_count
    int32_t parent, left, right  # -1: none
    int32_t regressor
    int32_t majority  # the class predicted here, ties to the lower number
    int32_t n_classes  # classes met since the node became a leaf
    uint32_t statistics  # names the node in the table of (node, class)
    int32_t unused

# What a node knows of a class. At an internal node the sum and the mean of its margins and their
# number; at a leaf, n counts its rows.
cdef struct Slot:
    uint64_t key  # statistics << 32 | class; 0: empty
    double margins, mean, n

cdef struct Counters:
    double rows  # total weight of the rows that feature statistics have seen
    double q, q_rows  # sum of q, and of the weights it was summed with
    double mistakes, visits  # of the progressive predictions, since the pass began
    int32_t root, n_nodes, n_regressors, n_swaps
    uint32_t next_statistics
    int32_t n_slots, n_bits
    int32_t unused

cdef Node _node
cdef Slot _slot
cdef Counters _counters
NODE = np.asarray(<Node[:1]>&_node).dtype
SLOT = np.asarray(<Slot[:1]>&_slot).dtype
COUNTERS = np.asarray(<Counters[:1]>&_counters).dtype

cdef enum:
    MIN_SLOTS = 1024
    FILL = 5  # tenths of the table that may be in use

# Margins beyond this are cut, and what is not a number is 0: sums of them stay finite.
cdef double LARGEST_MARGIN = 1e30
cdef double LARGEST_RATE = 1e36


cdef struct Row:
    const float* x
    const float* scaled  # r x
    const int* index  # columns; NULL: all of them
    Py_ssize_t size
    double q


cdef inline uint64_t mix(uint64_t z) noexcept nogil:
    """The finaliser of splitmix64."""
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline double bounded(double margin) noexcept nogil:
    if fabs(margin) < LARGEST_MARGIN:
        return margin
    return LARGEST_MARGIN if margin > 0 else (-LARGEST_MARGIN if margin < 0 else 0)


def single_leaf(n_features, n_bits=0):
    """The arrays of a tree that has learned nothing.

    Parameters
    ----------
    n_features : int
    n_bits : int
        0: every regressor has a row of weights. Else all share a table of 2^n_bits weights, where
        a hash of regressor and feature finds its place.
    """
    counters = np.zeros(1, COUNTERS)
    counters["n_nodes"], counters["next_statistics"], counters["n_bits"] = 1, 2, n_bits
    nodes = np.zeros(1, NODE)
    for name in ("parent", "left", "right", "regressor"):
        nodes[name] = -1
    nodes["statistics"] = 1
    return {
        "nodes": nodes,
        "slots": np.zeros(MIN_SLOTS, SLOT),
        "weights": np.zeros(1 << n_bits if n_bits else 0, np.float32),
        "intercepts": np.zeros(0, np.float32),
        "largest": np.zeros(n_features, np.float32),
        "squares": np.zeros(n_features),
        "counters": counters,
    }


cdef class OnlineTree:
    """The tree as arrays that grow, with what it needs to learn and to route.

    Parameters
    ----------
    arrays : dict of ndarray
        As `single_leaf` or `arrays` returned them; those that may be written to are used in place.
    """

    cdef Node[::1] nodes
    cdef Slot[::1] slots
    cdef float[::1] weights, intercepts, largest, rates
    cdef double[::1] squares
    cdef Counters[::1] counters
    cdef readonly Py_ssize_t n_features
    cdef readonly int n_bits

    def __init__(self, arrays):
        arrays = {name: np.require(array, requirements="CW") for name, array in arrays.items()}
        self.nodes, self.slots = arrays["nodes"], arrays["slots"]
        self.weights, self.intercepts = arrays["weights"], arrays["intercepts"]
        self.largest, self.squares = arrays["largest"], arrays["squares"]
        self.counters = arrays["counters"]
        self.n_features, self.n_bits = self.largest.shape[0], self.counters[0].n_bits
        self.rates = np.zeros(self.n_features, np.float32)

    def arrays(self):
        """The arrays, by name."""
        return {
            "nodes": np.asarray(self.nodes),
            "slots": np.asarray(self.slots),
            "weights": np.asarray(self.weights),
            "intercepts": np.asarray(self.intercepts),
            "largest": np.asarray(self.largest),
            "squares": np.asarray(self.squares),
            "counters": np.asarray(self.counters),
        }

    def learn(
        self, Rows rows, const int[::1] y, const double[::1] weight, const int[::1] order, *,
        Py_ssize_t start, Py_ssize_t stop, Py_ssize_t max_regressors, Py_ssize_t max_depth,
        double swap_resistance, int loss, double learning_rate, bint measure,
    ):
        """Learn from rows order[start:stop], one after the other.

        Parameters
        ----------
        rows : Rows
        y : ndarray of shape (n_rows,), int32
            Class numbers.
        weight : ndarray of shape (n_rows,)
            Positive weights.
        order : ndarray, int32
        start, stop : int
        max_regressors, max_depth, swap_resistance, loss, learning_rate
            As in the estimator; `loss` is an entry of `LOSSES`.
        measure : bool
            Whether the rows are new to the statistics of the features. If not, `set_rates` was
            called.
        """
        cdef RowPointers pointers = rows.pointers()
        cdef Learner learner
        cdef Row row
        cdef Py_ssize_t t, i
        cdef float[::1] values = np.empty(self.n_features, np.float32)
        cdef float[::1] scaled = np.empty(self.n_features, np.float32)
        cdef int[::1] places = np.empty(self.n_features if self.n_bits else 0, np.int32)
        learner.max_regressors, learner.max_depth = max_regressors, max_depth
        learner.swap_resistance, learner.loss = swap_resistance, <Loss>loss
        learner.learning_rate = learning_rate
        t = start
        while t < stop:
            self._make_room(max_regressors, max_depth)
            self._lend(&learner.tree, places)
            with nogil:
                while t < stop and has_room(&learner):
                    i = order[t]
                    load(&pointers, i, &values[0], &row)
                    if measure:
                        measure_features(
                            &row, weight[i], learner.tree.counters, &self.largest[0],
                            &self.squares[0], &self.rates[0],
                        )
                    scale(&row, &self.rates[0], &scaled[0])
                    learn_row(&learner, &row, y[i], weight[i])
                    t += 1

    @property
    def n_nodes(self):
        return self.counters[0].n_nodes

    def begin_pass(self):
        """Count progressive mistakes anew."""
        self.counters[0].mistakes = self.counters[0].visits = 0

    def set_rates(self):
        """Compute the rate of every feature from what has been measured."""
        cdef Py_ssize_t j
        with nogil:
            for j in range(self.n_features):
                self.rates[j] = rate(self.largest[j], self.squares[j], self.counters[0].rows)

    def apply(
        self, Rows rows, const int[::1] order, Py_ssize_t start, Py_ssize_t stop,
        int[::1] leaves,  # OUT
    ):
        """Compute the leaves of the rows order[start:stop]."""
        cdef RowPointers pointers = rows.pointers()
        cdef Tree tree
        cdef Row row
        cdef Py_ssize_t i
        cdef int node
        cdef float[::1] values = np.empty(self.n_features, np.float32)
        cdef int[::1] places = np.empty(self.n_features if self.n_bits else 0, np.int32)
        self._lend(&tree, places)
        with nogil:
            for i in range(start, stop):
                load(&pointers, order[i], &values[0], &row)
                node = tree.counters.root
                while tree.nodes[node].left >= 0:
                    node = (
                        tree.nodes[node].left
                        if margin_of(&tree, &row, tree.nodes[node].regressor) < 0
                        else tree.nodes[node].right
                    )
                leaves[i] = node

    cdef void _lend(self, Tree* tree, int[::1] places) noexcept:
        tree.nodes, tree.slots = &self.nodes[0], &self.slots[0]
        tree.mask = self.slots.shape[0] - 1
        tree.weights = &self.weights[0] if self.weights.shape[0] else NULL
        tree.intercepts = &self.intercepts[0] if self.intercepts.shape[0] else NULL
        tree.counters = &self.counters[0]
        tree.places = &places[0] if places.shape[0] else NULL
        tree.n_features, tree.n_bits = self.n_features, self.n_bits
        tree.max_nodes, tree.max_regressors = self.nodes.shape[0], self.intercepts.shape[0]

    def _make_room(self, max_regressors, max_depth):
        """Let every array that a row could overflow grow to twice its size."""
        cdef Counters* counters = &self.counters[0]
        if counters.n_regressors < max_regressors:
            if counters.n_regressors >= self.intercepts.shape[0]:
                capacity = min(max(16, 2 * self.intercepts.shape[0]), max_regressors)
                self.intercepts = longer(self.intercepts, capacity)
                if not self.n_bits:
                    self.weights = longer(self.weights, capacity * self.n_features)
            if counters.n_nodes + 2 > self.nodes.shape[0]:
                self.nodes = longer(self.nodes, 2 * self.intercepts.shape[0] + 1)
        if not slots_suffice(counters, self.slots.shape[0], max_depth):
            self._rebuild(*self._live_slots(), max_depth + 3)

    def _live_slots(self):
        """The slots in use, without their names, and the nodes that they belong to."""
        nodes = np.asarray(self.nodes)[: self.counters[0].n_nodes]
        slots = np.asarray(self.slots)
        slots = slots[slots["key"] > 0]
        names = slots["key"] >> np.uint64(32)
        by_name = np.argsort(nodes["statistics"])
        owner = np.searchsorted(nodes["statistics"], names, sorter=by_name)
        owner = by_name[np.minimum(owner, len(nodes) - 1)]
        live = nodes["statistics"][owner] == names  # else of a node that was recycled
        slots, owner = slots[live], owner[live]
        slots["key"] &= np.uint64(0xFFFFFFFF)
        return slots, owner

    def _rebuild(self, slots, owner, room=0):
        """Fill a new table with slots whose keys are bare class numbers; nodes are named anew."""
        n_nodes = self.counters[0].n_nodes
        slots["key"] |= (owner.astype(np.uint64) + np.uint64(1)) << np.uint64(32)
        np.asarray(self.nodes)["statistics"][:n_nodes] = np.arange(1, n_nodes + 1)
        self.counters[0].next_statistics = n_nodes + 1
        capacity = MIN_SLOTS
        while capacity * FILL < 10 * (2 * len(slots) + room):
            capacity *= 2
        self.slots = np.zeros(capacity, SLOT)
        self._insert(slots)

    def leaf_counts(self):
        """Leaf, class and weight of the rows of that class, for all pairs that have any."""
        slots, owner = self._live_slots()
        at_leaf = np.asarray(self.nodes)["left"][owner] < 0
        slots, owner = slots[at_leaf], owner[at_leaf]
        return owner, slots["key"].astype(np.intp), slots["n"]

    def set_leaf_counts(self, leaves, classes, n):
        """Replace what the leaves have counted; a leaf without rows keeps its majority class.

        Parameters
        ----------
        leaves, classes : ndarray of int
            Pairs, each of them once, sorted by leaf, then class.
        n : ndarray of float
            Positive weights.
        """
        nodes = np.asarray(self.nodes)[: self.counters[0].n_nodes]
        slots, owner = self._live_slots()
        internal = nodes["left"][owner] >= 0
        counted = np.zeros(len(leaves), SLOT)
        counted["key"], counted["n"] = classes, n
        is_leaf = nodes["left"] < 0
        nodes["n_classes"][is_leaf] = np.bincount(leaves, minlength=len(nodes))[is_leaf]
        nodes["max_count"][is_leaf] = 0
        best = np.lexsort((-classes, n, leaves))  # the last one of each leaf
        nodes["majority"][leaves[best]] = classes[best]
        nodes["max_count"][leaves[best]] = n[best]
        self._rebuild(
            np.concatenate([slots[internal], counted]), np.concatenate([owner[internal], leaves])
        )

    def renumber_classes(self, numbers):
        """Class c becomes numbers[c]; the order of the classes stays."""
        nodes = np.asarray(self.nodes)
        nodes["majority"] = numbers[nodes["majority"]]
        slots, owner = self._live_slots()
        slots["key"] = numbers[slots["key"].astype(np.intp)]
        self._rebuild(slots, owner)

    def compact(self):
        """Number nodes and regressors breadth-first and give back what was not used."""
        nodes = np.asarray(self.nodes)
        level = np.array([self.counters[0].root])
        levels = []
        while len(level):
            levels.append(level)
            level = level[nodes["left"][level] >= 0]
            level = np.column_stack([nodes["left"][level], nodes["right"][level]]).ravel()
        order = np.concatenate(levels)
        number = np.full(len(nodes) + 1, -1, np.int32)
        number[order] = np.arange(len(order))
        nodes = nodes[order]
        for name in ("parent", "left", "right"):
            nodes[name] = number[nodes[name]]
        self.counters[0].root, self.counters[0].n_nodes = 0, len(nodes)
        if not self.n_bits:
            internal = nodes["regressor"] >= 0
            regressors = nodes["regressor"][internal]
            self.intercepts = np.asarray(self.intercepts)[regressors]
            weights = np.asarray(self.weights).reshape(-1, self.n_features)
            self.weights = weights[regressors].ravel()
            nodes["regressor"][internal] = np.arange(len(regressors))
            self.counters[0].n_regressors = len(regressors)
        self.nodes = nodes

    def _insert(self, const Slot[::1] slots):
        cdef uint64_t mask = self.slots.shape[0] - 1, place
        cdef Py_ssize_t s
        with nogil:
            for s in range(slots.shape[0]):
                place = mix(slots[s].key) & mask
                while self.slots[place].key:
                    place = (place + 1) & mask
                self.slots[place] = slots[s]
        self.counters[0].n_slots = <int32_t>slots.shape[0]


def longer(array, size):
    """A copy with zeros at the end."""
    array = np.asarray(array)
    copy = np.zeros(size, array.dtype)
    copy[: len(array)] = array
    return copy


# Rows


cdef void load(
    const RowPointers* rows, Py_ssize_t i, float* values, Row* row
) noexcept nogil:
    """Point to row i; float64 is converted into `values`."""
    cdef Py_ssize_t p, first
    if rows.indptr == NULL:
        first, row.size = i * rows.n_columns, rows.n_columns
        row.index = NULL
    else:
        first, row.size = rows.indptr[i], rows.indptr[i + 1] - rows.indptr[i]
        row.index = rows.indices + first
    if rows.values32 != NULL:
        row.x = rows.values32 + first
    else:
        for p in range(row.size):
            values[p] = <float>rows.values64[first + p]
        row.x = values


cdef inline float rate(float largest, double squares, double rows) noexcept nogil:
    if squares > 0:
        return <float>min(1 / (largest * sqrt(squares / rows)), LARGEST_RATE)
    return 0


cdef void measure_features(
    const Row* row, double weight, Counters* counters, float* largest, double* squares,
    float* rates,
) noexcept nogil:
    """Bring the statistics and rates of the row's features up to date."""
    cdef Py_ssize_t p, j
    cdef double x
    counters.rows += weight
    for p in range(row.size):
        j = p if row.index == NULL else row.index[p]
        x = fabs(row.x[p])
        if x > largest[j]:
            largest[j] = <float>x
        squares[j] += weight * x * x
        rates[j] = rate(largest[j], squares[j], counters.rows)


cdef void scale(Row* row, const float* rates, float* scaled) noexcept nogil:
    """Compute r x, and q = x'(r x) + 1."""
    cdef Py_ssize_t p
    cdef double q = 0
    if row.index == NULL:
        q = optland_float_scale(row.size, row.x, rates, scaled)
    else:
        for p in range(row.size):
            scaled[p] = rates[row.index[p]] * row.x[p]
            q += scaled[p] * row.x[p]
    row.scaled = scaled
    row.q = q + 1


# Regressors


cdef struct Tree:
    Node* nodes
    Slot* slots
    uint64_t mask
    float* weights
    float* intercepts
    Counters* counters
    int* places  # of a hashed row's weights
    Py_ssize_t n_features, max_nodes, max_regressors
    int n_bits


cdef inline const int* locate(
    const Tree* tree, const Row* row, int regressor, float** weights
) noexcept nogil:
    """Where the regressor's weights of the row are: at `weights` + the returned places."""
    cdef Py_ssize_t p
    cdef uint64_t column
    if tree.n_bits == 0:
        weights[0] = tree.weights + regressor * tree.n_features
        return row.index
    weights[0] = tree.weights
    for p in range(row.size):
        column = p if row.index == NULL else row.index[p]
        tree.places[p] = <int>(mix((<uint64_t>regressor << 32) + column) >> (64 - tree.n_bits))
    return tree.places


cdef inline double margin_at(
    const Row* row, const float* weights, const int* places, double intercept
) noexcept nogil:
    cdef float a = 0, b = 0, c = 0, d = 0
    cdef Py_ssize_t p = 0
    if places == NULL:
        return bounded(optland_float_dot(row.size, row.x, weights) + intercept)
    while p + 4 <= row.size:
        a += row.x[p] * weights[places[p]]
        b += row.x[p + 1] * weights[places[p + 1]]
        c += row.x[p + 2] * weights[places[p + 2]]
        d += row.x[p + 3] * weights[places[p + 3]]
        p += 4
    for p in range(p, row.size):
        a += row.x[p] * weights[places[p]]
    return bounded((a + b) + (c + d) + intercept)


cdef inline double margin_of(const Tree* tree, const Row* row, int regressor) noexcept nogil:
    cdef float* weights
    cdef const int* places = locate(tree, row, regressor, &weights)
    return margin_at(row, weights, places, tree.intercepts[regressor])


# Learning


cdef struct Learner:
    Tree tree
    Py_ssize_t max_regressors, max_depth
    double swap_resistance, learning_rate
    Loss loss


cdef double rise(Loss loss, double z, double limit) noexcept nogil:
    """How far the margin z = b f(x) moves if it may move by `limit` at a gradient of size 1.

    The loss |1 - z| or max(0, 1 - z): up to where its gradient vanishes. The log-loss: the flow
    dz/dt = 1 / (1 + exp(z)) for the time `limit`, which solves z + exp(z) = z0 + exp(z0) + limit.
    """
    cdef double v, grown, step
    cdef int _
    if loss == HINGE:
        return max(0.0, min(limit, 1 - z))
    if loss == ABSOLUTE:
        return max(-limit, min(limit, 1 - z))
    # The change v solves v + exp(z) (exp(v) - 1) = limit: increasing and convex, so that Newton's
    # steps from the right fall to the root. Both starts are to the right of it.
    grown = exp(max(-300.0, min(z, 300.0)))
    v = min(limit / (1 + grown), log1p(limit / grown))
    for _ in range(20):
        step = (v + grown * expm1(v) - limit) / (1 + grown * exp(v))
        v -= step
        if fabs(step) <= 1e-6 * v:
            break
    return max(v, 0.0)


cdef double train(Learner* learner, const Row* row, int node, Slot* slot, double weight) noexcept nogil:
    """Update the node's regressor; return the margin under its new weights."""
    cdef Tree* tree = &learner.tree
    cdef Node* here = tree.nodes + node
    cdef float* weights
    cdef const int* places = locate(tree, row, here.regressor, &weights)
    cdef double margin = margin_at(row, weights, places, tree.intercepts[here.regressor])
    cdef double mean = here.margins / here.n if here.n > 0 else 0
    cdef double target = -1 if mean > slot.mean else 1
    cdef double mean_q = tree.counters.q / tree.counters.q_rows
    cdef double change = target * rise(
        learner.loss, target * margin, weight * learner.learning_rate * row.q / mean_q
    )
    cdef float step
    cdef Py_ssize_t p
    if change != 0:
        step = <float>(change / row.q)
        if places == NULL:
            optland_float_add(row.size, step, row.scaled, weights)
        else:
            for p in range(row.size):
                weights[places[p]] += step * row.scaled[p]
        tree.intercepts[here.regressor] += step
        margin = bounded(margin + change)
    return margin


cdef inline bint slots_suffice(
    const Counters* counters, Py_ssize_t n_slots, Py_ssize_t max_depth
) noexcept nogil:
    return 10 * (counters.n_slots + max_depth + 3) <= FILL * n_slots


cdef inline bint has_room(const Learner* learner) noexcept nogil:
    """Whether one more row cannot overflow an array: it splits one leaf at most."""
    cdef const Tree* tree = &learner.tree
    return slots_suffice(tree.counters, tree.mask + 1, learner.max_depth) and (
        tree.counters.n_regressors >= learner.max_regressors
        or (
            tree.counters.n_regressors < tree.max_regressors
            and tree.counters.n_nodes + 2 <= tree.max_nodes
        )
    )


cdef inline Slot* slot_of(Tree* tree, uint32_t statistics, int c) noexcept nogil:
    """The slot of (node, class), taken if it is new."""
    cdef uint64_t key = (<uint64_t>statistics << 32) | <uint64_t>c
    cdef uint64_t place = mix(key) & tree.mask
    while tree.slots[place].key != key:
        if tree.slots[place].key == 0:
            tree.slots[place].key = key
            tree.counters.n_slots += 1
            break
        place = (place + 1) & tree.mask
    return tree.slots + place


cdef void learn_row(Learner* learner, const Row* row, int c, double weight) noexcept nogil:
    cdef Tree* tree = &learner.tree
    cdef Counters* counters = tree.counters
    cdef Node* node
    cdef Slot* slot
    cdef int here = counters.root, depth = 0
    cdef double margin
    cdef bint seen = False
    counters.q += weight * row.q
    counters.q_rows += weight
    while True:
        node = tree.nodes + here
        slot = slot_of(tree, node.statistics, c)
        if node.left < 0:
            if not seen:
                seen = True
                counters.visits += weight
                counters.mistakes += weight * (node.majority != c)
            node.n_classes += slot.n == 0
            slot.n += weight
            if slot.n > node.max_count or (slot.n == node.max_count and c < node.majority):
                node.max_count = slot.n
                node.majority = c
            if node.n_classes < 2 or depth >= learner.max_depth or not split(learner, here):
                node.min_count += weight
                update_min_counts(tree, node.parent)
                return
            slot = slot_of(tree, node.statistics, c)
        margin = train(learner, row, here, slot, weight)
        node.margins += weight * margin
        node.n += weight
        slot.margins += weight * margin
        slot.n += weight
        slot.mean = slot.margins / slot.n
        here = node.left if margin < 0 else node.right
        depth += 1


# The shape of the tree


cdef void update_min_counts(Tree* tree, int node) noexcept nogil:
    """Bring `min_count` up to date from a node to the root."""
    cdef double smaller
    while node >= 0:
        smaller = min(
            tree.nodes[tree.nodes[node].left].min_count,
            tree.nodes[tree.nodes[node].right].min_count,
        )
        if tree.nodes[node].min_count == smaller:
            return
        tree.nodes[node].min_count = smaller
        node = tree.nodes[node].parent


cdef void make_leaf(Tree* tree, int node, int parent) noexcept nogil:
    """A leaf without statistics, with what it inherits."""
    cdef Node* leaf = tree.nodes + node
    leaf.parent = parent
    leaf.left = leaf.right = leaf.regressor = -1
    leaf.margins = leaf.n = leaf.max_count = 0
    leaf.n_classes = 0
    leaf.min_count = tree.nodes[parent].min_count / 2
    leaf.majority = tree.nodes[parent].majority
    rename(tree, leaf)


cdef inline void rename(Tree* tree, Node* node) noexcept nogil:
    """Forget the statistics of a node: slots of its old name are found no more."""
    node.statistics = tree.counters.next_statistics
    tree.counters.next_statistics += 1


cdef bint split(Learner* learner, int leaf) noexcept nogil:
    """Make a leaf internal by growth or recycling, if one of them may."""
    cdef Tree* tree = &learner.tree
    cdef Counters* counters = tree.counters
    cdef Node* node = tree.nodes + leaf
    cdef int orphan, parent, sibling, grandparent
    if counters.n_regressors < learner.max_regressors:
        node.left, node.right = counters.n_nodes, counters.n_nodes + 1
        node.regressor = counters.n_regressors
        counters.n_nodes += 2
        counters.n_regressors += 1
    else:
        if node.min_count - node.max_count <= learner.swap_resistance * (
            tree.nodes[counters.root].min_count + 1
        ):
            return False
        orphan = counters.root
        while tree.nodes[orphan].left >= 0:
            sibling, parent = tree.nodes[orphan].right, tree.nodes[orphan].left
            if tree.nodes[parent].min_count < tree.nodes[sibling].min_count:
                orphan = parent
            else:
                orphan = sibling
        if orphan == leaf:  # without resistance; nothing is smaller than the leaf itself
            return False
        parent = tree.nodes[orphan].parent
        grandparent = tree.nodes[parent].parent
        sibling = tree.nodes[parent].left
        if sibling == orphan:
            sibling = tree.nodes[parent].right
        tree.nodes[sibling].parent = grandparent
        if grandparent < 0:
            counters.root = sibling
        else:
            if tree.nodes[grandparent].left == parent:
                tree.nodes[grandparent].left = sibling
            else:
                tree.nodes[grandparent].right = sibling
            update_min_counts(tree, grandparent)
        node.left, node.right = orphan, parent
        node.regressor = tree.nodes[parent].regressor
        counters.n_swaps += 1
    make_leaf(tree, node.left, leaf)
    make_leaf(tree, node.right, leaf)
    node.margins = node.n = 0
    rename(tree, node)
    update_min_counts(tree, leaf)
    return True
