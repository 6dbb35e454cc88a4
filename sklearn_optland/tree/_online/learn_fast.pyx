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

Leaves that rows were counted at anew, when a fit ended, are worth more than a first stray row. They
split, also by growth, only if their rows beside the majority are more than R (min_count of the root
+ 1). Their children inherit half of what was counted of the majority, but no more than that many
rows: so many have to speak against the majority before a child predicts another class.

Steps. Feature j has one rate for all nodes, with the largest size M_j and the root mean square s_j
of its deviations from its mean m_j so far (sparse rows: of its values, and m = 0),

    r_j = 1 / (M_j sqrt(M_j s_j)),    of rows that are visited once    1 / (M_j s_j),

and the intercept the rate 1. For gradients of one size, the normalised adaptive gradient of Ross,
Mineiro and Langford (2013) has 1 / (M_j s_j), which rows have that are visited once; the range
alone would be 1 / M_j^2. Over several passes their geometric mean does better, with which rare
features do not learn single rows by heart. No node needs a state of its own.

With z_j = r_j (x_j - m_j), c = 1 - m'z and q = z'(x - m) + 1, a step of length t changes

    w += t b z,    a += t b c,    so that f(x) changes by t b q, exactly:

the step is that of centred features, and the margin under the new weights costs no second product.
f itself stays a function of x, so that means may move, and sparse rows be routed. t is the learning
rate over the running mean of q. Rows of rare features hardly undo what others have taught, and one
visit may teach more: all visits of a row together have at least SHARED / density times the rate,
but at most MOST times, where the density is the share of the features met that a row has. A row of
weight h makes the step that h repetitions would make (Karampatziakis and Langford 2011), and no
step goes past the margin where the gradient of the loss vanishes.
"""
from libc.math cimport fabs, sqrt
from libc.stdint cimport uint32_t, uint64_t

import numpy as np

from sklearn_optland._rows.random cimport mix
from sklearn_optland._rows.row_access cimport row_add
from sklearn_optland._rows.rows cimport RowPointers, Rows
from sklearn_optland.tree._online.losses cimport ABSOLUTE, HINGE, LOG, Loss, rise
from sklearn_optland.tree._online.tree cimport (
    LARGEST_MARGIN, Counters, Node, Row, Slot, Tree, bounded, hashed_place, lend, load, locate,
    margin_at,
)

cdef extern from "float_rows.h" nogil:
    void optland_float_add(long long n, float t, const float* x, float* w)
    float optland_float_dot(long long n, const float* x, const float* w)
    float optland_float_scale(
        long long n, const float* x, const float* m, const float* r, float* z
    )

LOSSES = {"absolute": ABSOLUTE, "hinge": HINGE, "log_loss": LOG}

cdef Node _node
cdef Slot _slot
cdef Counters _counters
NODE = np.asarray(<Node[:1]>&_node).dtype
SLOT = np.asarray(<Slot[:1]>&_slot).dtype
COUNTERS = np.asarray(<Counters[:1]>&_counters).dtype

# The table of slots is full, for speed, when this part of it is in use.
FILL = 0.5
cdef double _FILL = FILL

cdef double LARGEST_RATE = 1e36
# Features that rows share: at this density, or above, steps disturb other rows; far below it, a
# step of MOST times the rate goes to the target at once.
cdef double SHARED = 0.1
cdef double MOST = 20
# Of the mean: a feature that deviates less has float32's rounding for deviations.
cdef double LEAST_DEVIATION = 1e-7


cdef struct Learner:
    Tree tree
    const int* ranks  # of classes
    Py_ssize_t max_regressors, max_depth
    double swap_resistance, learning_rate, n_visits
    Loss loss


def learn(
    arrays, Rows rows, const int[::1] y, const double[::1] weight, const int[::1] order, *,
    Py_ssize_t start, Py_ssize_t stop, Py_ssize_t max_regressors, Py_ssize_t max_depth,
    double swap_resistance, int loss, double learning_rate, double n_visits, bint measure,
):
    """Learn from the rows order[start:stop], one after the other.

    Parameters
    ----------
    arrays : dict of ndarray
        The tree, as `OnlineTree` keeps it. Changed in place.
    rows : Rows
    y : ndarray of shape (n_rows,), int32
        Class numbers. "ranks" of the arrays has their order, by which ties of a majority go.
    weight : ndarray of shape (n_rows,)
        Positive weights.
    order : ndarray, int32
    start, stop : int
    max_regressors, max_depth, swap_resistance, learning_rate
        As in the estimator.
    loss : int
        An entry of `LOSSES`.
    n_visits : float
        How often the rows will have been learned in the end, this time included.
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
    cdef float[::1] centres = arrays["centres"]
    cdef double[::1] means = arrays["means"], squares = arrays["squares"]
    cdef const int[::1] ranks = arrays["ranks"]
    cdef Counters[::1] counters = arrays["counters"]
    cdef Py_ssize_t d = rows.n_columns, t = start, i
    cdef float[::1] values = np.empty(d, np.float32), scaled = np.empty(d, np.float32)
    cdef int[::1] places = np.empty(d if counters[0].n_bits else 0, np.int32)
    cdef RowPointers pointers = rows.pointers()
    cdef Learner learner
    cdef Row row
    lend(&learner.tree, nodes, slots, weights, intercepts, counters, places)
    learner.tree.n_features = d
    learner.ranks = &ranks[0]
    learner.max_regressors, learner.max_depth = max_regressors, max_depth
    learner.swap_resistance, learner.loss = swap_resistance, <Loss>loss
    learner.learning_rate, learner.n_visits = learning_rate, n_visits
    if counters[0].is_single != (n_visits == 1):  # other rates, of which q is made
        counters[0].is_single = n_visits == 1
        counters[0].q = counters[0].q_rows = 0
    with nogil:
        while t < stop and has_room(&learner):
            i = order[t]
            load(&pointers, &order[0], t, stop, &values[0], &row)
            if measure:
                measure_features(
                    &row, weight[i], &counters[0], &means[0], &squares[0], &largest[0],
                    &centres[0], &rates[0],
                )
            scale(&row, &centres[0], &rates[0], &scaled[0])
            learn_row(&learner, &row, y[i], weight[i])
            t += 1
    return t


def set_rates(arrays):
    """Compute the rate and the centre of every feature from what has been measured."""
    cdef float[::1] largest = arrays["largest"], rates = arrays["rates"]
    cdef float[::1] centres = arrays["centres"]
    cdef double[::1] means = arrays["means"], squares = arrays["squares"]
    cdef Counters[::1] counters = arrays["counters"]
    cdef Py_ssize_t j
    with nogil:
        for j in range(rates.shape[0]):
            rates[j] = rate(largest[j], means[j], squares[j], &counters[0])
            centres[j] = <float>means[j]


def link(Node[::1] nodes, Slot[::1] slots):
    """Chain the slots of each leaf; nodes are called by their numbers, plus 1."""
    cdef Py_ssize_t node, s
    with nogil:
        for node in range(nodes.shape[0]):
            nodes[node].first = 0
        for s in range(slots.shape[0]):
            if slots[s].key:
                node = (slots[s].key >> 32) - 1
                if nodes[node].left < 0:
                    append(&nodes[node], &slots[0], s)


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


def hash_weights(const float[:, ::1] weights, int n_bits, float[::1] table):
    """Add the weights of regressors, a row each, to a table of 2^n_bits that all share."""
    cdef Py_ssize_t r, j
    with nogil:
        for r in range(weights.shape[0]):
            for j in range(weights.shape[1]):
                table[hashed_place(r, j, n_bits)] += weights[r, j]


# Rows


cdef inline float rate(
    double largest, double mean, double squares, const Counters* counters
) noexcept nogil:
    cdef double deviation = sqrt(squares / counters.rows) if squares > 0 else 0
    if deviation <= LEAST_DEVIATION * fabs(mean):
        return 0
    if not counters.is_single:
        deviation = sqrt(largest * deviation)
    return <float>min(1 / (largest * deviation), LARGEST_RATE)


cdef void measure_features(
    const Row* row, double weight, Counters* counters, double* means, double* squares,
    float* largest, float* centres, float* rates,
) noexcept nogil:
    """Bring the statistics, centres and rates of the row's features up to date.

    Squares are summed about the mean so far (Welford).
    """
    cdef Py_ssize_t p, j
    cdef double before, after
    counters.rows += weight
    for p in range(row.size):
        if row.index == NULL:
            j = p
            before = row.x[p] - means[j]
            means[j] += weight / counters.rows * before
            centres[j] = <float>means[j]
            after = row.x[p] - means[j]
        else:
            j = row.index[p]
            before = after = row.x[p]
        if row.index == NULL or row.x[p] != 0:
            counters.values += weight
        if fabs(after) > largest[j]:
            counters.n_features += largest[j] == 0
            largest[j] = <float>fabs(after)
        squares[j] += weight * before * after
        rates[j] = rate(largest[j], means[j], squares[j], counters)


cdef void scale(Row* row, const float* centres, const float* rates, float* scaled) noexcept nogil:
    """Compute z, c and q."""
    cdef Py_ssize_t p
    cdef double q = 0
    row.c = 1
    if row.index == NULL:
        q = optland_float_scale(row.size, row.x, centres, rates, scaled)
        row.c -= optland_float_dot(row.size, centres, scaled)
    else:
        for p in range(row.size):
            scaled[p] = rates[row.index[p]] * row.x[p]
            q += scaled[p] * row.x[p]
    row.scaled = scaled
    row.q = q + 1


# Learning


cdef inline double boost(const Counters* counters, double n_visits) noexcept nogil:
    """By how much steps are longer, because rows share few features."""
    cdef double features_met = <double>counters.n_features * counters.rows
    if SHARED * features_met >= MOST * counters.values:
        return max(MOST / n_visits, 1)
    return max(SHARED * features_met / counters.values / n_visits, 1)


cdef inline void append(Node* leaf, Slot* slots, Py_ssize_t place) noexcept nogil:
    """Add a slot to the leaf's chain."""
    slots[place].next = leaf.first
    leaf.first = <uint32_t>(place + 1)


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
    cdef double mean_of_class = slot.margins / slot.n if slot.n > 0 else 0
    cdef double target = -1 if mean > mean_of_class else 1
    cdef double mean_q = tree.counters.q / tree.counters.q_rows
    cdef double rate = learner.learning_rate * boost(tree.counters, learner.n_visits)
    cdef double limit = min(weight * rate * row.q / mean_q, LARGEST_MARGIN)
    cdef double change = target * rise(learner.loss, target * margin, limit)
    cdef float step
    if change != 0:
        step = <float>(change / row.q)
        if places == NULL:
            optland_float_add(row.size, step, row.scaled, weights)
        else:
            row_add(row.scaled, places, row.size, step, weights)
        tree.intercepts[here.regressor] += <float>(step * row.c)
        margin = bounded(margin + change)
    return margin


cpdef inline Py_ssize_t slots_of_a_row(Py_ssize_t max_depth, Py_ssize_t n_splits) noexcept nogil:
    """The most slots that one row can take: one a node, and three more where a leaf splits."""
    return min(max_depth, n_splits + 1) + 4  # no tree is deeper than it has splits


cdef inline bint has_room(const Learner* learner) noexcept nogil:
    """Whether one more row cannot overflow an array: it splits one leaf at most."""
    cdef const Tree* tree = &learner.tree
    cdef Py_ssize_t room = slots_of_a_row(learner.max_depth, tree.counters.n_regressors)
    return tree.counters.n_slots + room <= _FILL * (tree.mask + 1) and (
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
    cdef bint is_first_leaf = True
    counters.q += weight * row.q
    counters.q_rows += weight
    while True:
        node = tree.nodes + here
        slot = slot_of(tree, node.name, c)
        if node.left < 0:
            if is_first_leaf:
                counters.visits += weight
                counters.mistakes += weight * (node.majority != c)
            if slot.n == 0:
                node.n_classes += 1
                append(node, tree.slots, slot - tree.slots)
            slot.n += weight
            if slot.n > node.max_count or (
                slot.n == node.max_count and learner.ranks[c] < learner.ranks[node.majority]
            ):
                node.max_count = slot.n
                node.majority = c
            if node.n > 0:
                node.n += weight
            if (
                not is_first_leaf or node.n_classes < 2 or depth >= learner.max_depth
                or not split(learner, here)
            ):
                node.min_count += weight
                update_min_counts(tree, node.parent)
                return
            is_first_leaf = False
            slot = slot_of(tree, node.name, c)
        margin = train(learner, row, here, slot, weight)
        node.margins += weight * margin
        node.n += weight
        slot.margins += weight * margin
        slot.n += weight
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


cdef void make_leaf(Tree* tree, int node, int parent, double known) noexcept nogil:
    """A leaf with what it inherits."""
    cdef Node* leaf = tree.nodes + node
    cdef Slot* slot
    leaf.parent = parent
    leaf.left = leaf.right = leaf.regressor = -1
    leaf.margins = leaf.n = leaf.max_count = 0
    leaf.n_classes = 0
    leaf.first = 0
    leaf.min_count = tree.nodes[parent].min_count / 2
    leaf.majority = tree.nodes[parent].majority
    rename(tree, leaf)
    if known > 0:
        slot = slot_of(tree, leaf.name, leaf.majority)
        slot.n = leaf.n = leaf.max_count = known
        leaf.n_classes = 1
        append(leaf, tree.slots, slot - tree.slots)


cdef inline void rename(Tree* tree, Node* node) noexcept nogil:
    """Forget the statistics of a node: slots of its old name are found no more."""
    node.name = tree.counters.next_name
    tree.counters.next_name += 1


cdef bint split(Learner* learner, int leaf) noexcept nogil:
    """Make a leaf internal by growth or recycling, if one of them may.

    A leaf that a fit has counted rows at has n > 0, as do the children of its splits.
    """
    cdef Tree* tree = &learner.tree
    cdef Counters* counters = tree.counters
    cdef Node* node = tree.nodes + leaf
    cdef int orphan, parent, sibling, grandparent
    cdef double floor = learner.swap_resistance * (tree.nodes[counters.root].min_count + 1)
    cdef double known = min(node.max_count / 2, floor) if node.n > 0 else 0
    cdef double n = node.n if node.n > 0 else node.min_count
    cdef bint resists = n - node.max_count <= floor
    if counters.n_regressors < learner.max_regressors:
        if node.n > 0 and resists:
            return False
        node.left, node.right = counters.n_nodes, counters.n_nodes + 1
        node.regressor = counters.n_regressors
        counters.n_nodes += 2
        counters.n_regressors += 1
    else:
        if resists:
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
    make_leaf(tree, node.left, leaf, known)
    make_leaf(tree, node.right, leaf, known)
    node.margins = node.n = 0
    node.first = 0
    rename(tree, node)
    update_min_counts(tree, leaf)
    return True
