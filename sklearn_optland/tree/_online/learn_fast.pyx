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
depth becomes internal, with two new leaves that inherit its majority class and half its
`min_count`,

    growth      while the budget of regressors lasts; later
    recycling   if min_count - max_count > R (min_count of the root + 1), where max_count is what
                the leaf counted of its majority: descend from the root to the smaller `min_count`,
                to the orphan leaf. Its sibling takes its parent's place (also if that is the root),
                and orphan and parent become the two new leaves. The parent's regressor moves to the
                node that splits, with its weights.

Steps. Feature j has one rate for all nodes, with the largest size M_j and the root mean square s_j
of its values,

    r_j = 1 / (M_j sqrt(M_j s_j)),

and the intercept the rate 1. For gradients of one size, the normalised adaptive gradient of Ross,
Mineiro and Langford (2013) has 1 / (M_j s_j); the range alone would be 1 / M_j^2. This is their
geometric mean: on clinc150 better than either, on news20 worse than the first by a point, elsewhere
alike. No node needs a state of its own. With q = sum_j r_j x_j^2 + 1 a step of length t changes

    w_j += t b r_j x_j,    so that f(x) changes by t b q, exactly:

the margin under the new weights costs no second product. t is the learning rate over the running
mean of q. A row of weight h makes the step that h repetitions would make (Karampatziakis and
Langford 2011), and no step goes past the margin where the gradient of the loss vanishes.
"""
from libc.math cimport exp, expm1, fabs, log1p, sqrt
from libc.stdint cimport int32_t, uint32_t, uint64_t

import numpy as np

from sklearn_optland._rows.random cimport mix
from sklearn_optland._rows.rows cimport RowPointers, Rows

cdef extern from "float_rows.h" nogil:
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
    uint32_t name  # of the node in the table of (node, class)
    int32_t unused

# What a node knows of a class. At an internal node the sum and the mean of its margins and their
# number; at a leaf, n counts its rows.
cdef struct Slot:
    uint64_t key  # name << 32 | class; 0: empty
    double margins, mean, n

cdef struct Counters:
    double rows  # total weight of the rows that feature statistics have seen
    double q, q_rows  # sum of q, and of the weights it was summed with
    double mistakes, visits  # rows at a leaf of another majority, and all, in this pass
    int32_t root, n_nodes, n_regressors, n_swaps
    uint32_t next_name
    int32_t n_slots, n_bits
    int32_t unused

cdef Node _node
cdef Slot _slot
cdef Counters _counters
NODE = np.asarray(<Node[:1]>&_node).dtype
SLOT = np.asarray(<Slot[:1]>&_slot).dtype
COUNTERS = np.asarray(<Counters[:1]>&_counters).dtype

# The table of slots is full, for speed, when this part of it is in use.
FILL = 0.5
cdef double _FILL = FILL

# Margins beyond this are cut, and what is not a number is 0: sums of them stay finite.
cdef double LARGEST_MARGIN = 1e30
cdef double LARGEST_RATE = 1e36


cdef struct Row:
    const float* x
    const float* scaled  # r x
    const int* index  # columns; NULL: all of them
    Py_ssize_t size
    double q


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


cdef struct Learner:
    Tree tree
    Py_ssize_t max_regressors, max_depth
    double swap_resistance, learning_rate
    Loss loss


cdef inline double bounded(double margin) noexcept nogil:
    if fabs(margin) < LARGEST_MARGIN:
        return margin
    return LARGEST_MARGIN if margin > 0 else (-LARGEST_MARGIN if margin < 0 else 0)


def learn(
    arrays, Rows rows, const int[::1] y, const double[::1] weight, const int[::1] order, *,
    Py_ssize_t start, Py_ssize_t stop, Py_ssize_t max_regressors, Py_ssize_t max_depth,
    double swap_resistance, int loss, double learning_rate, bint measure,
):
    """Learn from the rows order[start:stop], one after the other.

    Parameters
    ----------
    arrays : dict of ndarray
        The tree, as `OnlineTree` keeps it. Changed in place.
    rows : Rows
    y : ndarray of shape (n_rows,), int32
        Class numbers.
    weight : ndarray of shape (n_rows,)
        Positive weights.
    order : ndarray, int32
    start, stop : int
    max_regressors, max_depth, swap_resistance, learning_rate
        As in the estimator.
    loss : int
        An entry of `LOSSES`.
    measure : bool
        Whether the rows are new to the statistics of the features. If not, the rates are used as
        they are.

    Returns
    -------
    t : int
        `stop`, or the first row that could have overflown an array.
    """
    cdef Node[::1] nodes = arrays["nodes"]
    cdef Slot[::1] slots = arrays["slots"]
    cdef float[::1] weights = arrays["weights"], intercepts = arrays["intercepts"]
    cdef float[::1] largest = arrays["largest"], rates = arrays["rates"]
    cdef double[::1] squares = arrays["squares"]
    cdef Counters[::1] counters = arrays["counters"]
    cdef Py_ssize_t d = rows.n_columns, t = start, i
    cdef float[::1] values = np.empty(d, np.float32), scaled = np.empty(d, np.float32)
    cdef int[::1] places = np.empty(d if counters[0].n_bits else 0, np.int32)
    cdef RowPointers pointers = rows.pointers()
    cdef Learner learner
    cdef Row row
    lend(&learner.tree, nodes, slots, weights, intercepts, counters, places)
    learner.tree.n_features = d
    learner.max_regressors, learner.max_depth = max_regressors, max_depth
    learner.swap_resistance, learner.loss = swap_resistance, <Loss>loss
    learner.learning_rate = learning_rate
    with nogil:
        while t < stop and has_room(&learner):
            i = order[t]
            load(&pointers, i, &values[0], &row)
            if measure:
                measure_features(
                    &row, weight[i], &counters[0], &largest[0], &squares[0], &rates[0]
                )
            scale(&row, &rates[0], &scaled[0])
            learn_row(&learner, &row, y[i], weight[i])
            t += 1
    return t


def set_rates(arrays):
    """Compute the rate of every feature from what has been measured."""
    cdef float[::1] largest = arrays["largest"], rates = arrays["rates"]
    cdef double[::1] squares = arrays["squares"]
    cdef Counters[::1] counters = arrays["counters"]
    cdef Py_ssize_t j
    with nogil:
        for j in range(rates.shape[0]):
            rates[j] = rate(largest[j], squares[j], counters[0].rows)


def route(
    arrays, Rows rows, const int[::1] order, Py_ssize_t start, Py_ssize_t stop,
    int[::1] leaves,  # OUT
):
    """Compute the leaves of the rows order[start:stop]; the arrays may be read-only."""
    cdef const Node[::1] nodes = arrays["nodes"]
    cdef const Slot[::1] slots = arrays["slots"]
    cdef const float[::1] weights = arrays["weights"], intercepts = arrays["intercepts"]
    cdef const Counters[::1] counters = arrays["counters"]
    cdef Py_ssize_t d = rows.n_columns, i
    cdef float[::1] values = np.empty(d, np.float32)
    cdef int[::1] places = np.empty(d if counters[0].n_bits else 0, np.int32)
    cdef RowPointers pointers = rows.pointers()
    cdef Tree tree
    cdef Row row
    cdef int node
    lend(&tree, nodes, slots, weights, intercepts, counters, places)
    tree.n_features = d
    with nogil:
        for i in range(start, stop):
            load(&pointers, order[i], &values[0], &row)
            node = tree.counters.root
            while tree.nodes[node].left >= 0:
                if margin_of(&tree, &row, tree.nodes[node].regressor) < 0:
                    node = tree.nodes[node].left
                else:
                    node = tree.nodes[node].right
            leaves[i] = node


def insert(Slot[::1] table, const Slot[::1] slots):
    """Put slots with different keys into an empty table, whose size is a power of two."""
    cdef uint64_t mask = table.shape[0] - 1, place
    cdef Py_ssize_t s
    with nogil:
        for s in range(slots.shape[0]):
            place = mix(slots[s].key) & mask
            while table[place].key:
                place = (place + 1) & mask
            table[place] = slots[s]


cdef void lend(
    Tree* tree, const Node[::1] nodes, const Slot[::1] slots, const float[::1] weights,
    const float[::1] intercepts, const Counters[::1] counters, int[::1] places,
) noexcept:
    """Point to the arrays; who only reads them lends read-only ones."""
    tree.nodes, tree.slots = <Node*>&nodes[0], <Slot*>&slots[0]
    tree.mask = slots.shape[0] - 1
    tree.weights = <float*>&weights[0] if weights.shape[0] else NULL
    tree.intercepts = <float*>&intercepts[0] if intercepts.shape[0] else NULL
    tree.counters = <Counters*>&counters[0]
    tree.places = &places[0] if places.shape[0] else NULL
    tree.n_bits = counters[0].n_bits
    tree.max_nodes, tree.max_regressors = nodes.shape[0], intercepts.shape[0]


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
        return <float>min(1 / (largest * sqrt(largest * sqrt(squares / rows))), LARGEST_RATE)
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


cdef double train(
    Learner* learner, const Row* row, int node, const Slot* slot, double weight
) noexcept nogil:
    """Update the node's regressor; return the margin under its new weights."""
    cdef Tree* tree = &learner.tree
    cdef Node* here = tree.nodes + node
    cdef float* weights
    cdef const int* places = locate(tree, row, here.regressor, &weights)
    cdef double margin = margin_at(row, weights, places, tree.intercepts[here.regressor])
    cdef double mean = here.margins / here.n if here.n > 0 else 0
    cdef double target = -1 if mean > slot.mean else 1
    cdef double mean_q = tree.counters.q / tree.counters.q_rows
    cdef double limit = min(weight * learner.learning_rate * row.q / mean_q, LARGEST_MARGIN)
    cdef double change = target * rise(learner.loss, target * margin, limit)
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


cpdef inline Py_ssize_t slots_of_a_row(Py_ssize_t max_depth) noexcept nogil:
    """The most slots that one row can take: one a node, and one more where a leaf splits."""
    return max_depth + 2


cdef inline bint slots_suffice(
    const Counters* counters, Py_ssize_t n_slots, Py_ssize_t max_depth
) noexcept nogil:
    return counters.n_slots + slots_of_a_row(max_depth) <= _FILL * n_slots


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


cdef inline Slot* slot_of(Tree* tree, uint32_t name, int c) noexcept nogil:
    """The slot of (node, class), taken if it is new."""
    cdef uint64_t key = (<uint64_t>name << 32) | <uint64_t>c
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
        slot = slot_of(tree, node.name, c)
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
            slot = slot_of(tree, node.name, c)
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
    node.name = tree.counters.next_name
    tree.counters.next_name += 1


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


# For tests


def fault(arrays):
    """Say what is wrong with a tree: "" if nothing is.

    Every node is reached once from the root, by its parent; each has a name of its own, and each
    internal one a regressor; counts of a node are the sums over its classes, and `min_count` is
    that of the smaller child.
    """
    cdef Node[::1] nodes = arrays["nodes"]
    cdef Slot[::1] slots = arrays["slots"]
    cdef Counters[::1] counters = arrays["counters"]
    cdef Py_ssize_t n_nodes = counters[0].n_nodes, n_regressors = counters[0].n_regressors
    cdef Py_ssize_t n_reached = 0, n_slots = 0, height = 1, s
    cdef int node, child
    cdef uint32_t name
    cdef int[::1] stack = np.zeros(n_nodes + 1, np.int32)
    cdef int[::1] taken = np.zeros(n_regressors, np.int32)
    cdef int[::1] owner = np.full(counters[0].next_name, -1, np.int32)
    cdef int[::1] met = np.zeros(n_nodes, np.int32)
    cdef double[::1] n = np.zeros(n_nodes), margins = np.zeros(n_nodes)
    cdef double[::1] largest = np.zeros(n_nodes), majority = np.zeros(n_nodes)
    if nodes[counters[0].root].parent != -1:
        return "the root has a parent"
    stack[0] = counters[0].root
    while height > 0:
        height -= 1
        node = stack[height]
        n_reached += 1
        if n_reached > n_nodes:
            return "a node is reached twice"
        if not 0 < nodes[node].name < counters[0].next_name or owner[nodes[node].name] >= 0:
            return "a name is not that of one node"
        owner[nodes[node].name] = node
        if nodes[node].left < 0:
            if nodes[node].right >= 0 or nodes[node].regressor >= 0:
                return "a leaf has a child or a regressor"
            continue
        if not 0 <= nodes[node].regressor < n_regressors or taken[nodes[node].regressor]:
            return "a regressor is not that of one node"
        taken[nodes[node].regressor] = 1
        for child in (nodes[node].left, nodes[node].right):
            if not 0 <= child < n_nodes or nodes[child].parent != node:
                return "a child does not know its parent"
            stack[height] = child
            height += 1
        if nodes[node].min_count != min(
            nodes[nodes[node].left].min_count, nodes[nodes[node].right].min_count
        ):
            return "min_count is not that of the smaller child"
    if n_reached != n_nodes or n_nodes != 2 * n_regressors + 1:
        return "a node or a regressor is lost"
    for s in range(slots.shape[0]):
        name = <uint32_t>(slots[s].key >> 32)
        n_slots += slots[s].key != 0
        if slots[s].key == 0 or owner[name] < 0:
            continue
        node = owner[name]
        n[node] += slots[s].n
        met[node] += slots[s].n > 0
        largest[node] = max(largest[node], slots[s].n)
        if <int>(slots[s].key & <uint64_t>0xFFFFFFFF) == nodes[node].majority:
            majority[node] = slots[s].n
        margins[node] += slots[s].margins
        if nodes[node].left >= 0 and slots[s].mean != slots[s].margins / slots[s].n:
            return "a mean is not that of its margins"
    if n_slots != counters[0].n_slots:
        return "slots are not counted"
    for node in range(n_nodes):
        if nodes[node].left >= 0:
            if fabs(n[node] - nodes[node].n) > 1e-9 * n[node]:
                return "rows of a split are lost"
            if fabs(margins[node] - nodes[node].margins) > 1e-9 * (1 + fabs(margins[node])):
                return "margins of a split are lost"
        elif met[node] != nodes[node].n_classes:
            return "classes of a leaf are lost"
        elif met[node] and not nodes[node].max_count == majority[node] == largest[node]:
            return "the majority of a leaf is another"
    return ""
