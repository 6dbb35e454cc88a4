"""An independent version of the online tree."""

import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from sklearn_optland.tree._online.tree import live_slots, view


class Node:
    """A node of the independent version: plain attributes, in the words of the paper."""

    def __init__(self, parent=None, majority=0, min_count=0.0):
        self.parent, self.children, self.regressor = parent, None, None
        self.majority, self.min_count = majority, min_count
        self.counts = {}  # of a leaf, by class
        self.E, self.n, self.E_y, self.n_y = 0.0, 0.0, {}, {}

    def depth(self):
        return 0 if self.parent is None else 1 + self.parent.depth()

    def smallest(self):
        """min_count, computed from the leaves."""
        if self.children is None:
            return self.min_count
        return min(child.smallest() for child in self.children)


class Regressor:
    def __init__(self, d):
        self.w = np.zeros(d + 1)


class Oracle:
    """The online algorithm of Choromanska and Langford, written for the reader."""

    def __init__(
        self, d, max_regressors, max_depth, swap_resistance, loss, learning_rate, n_visits,
        is_centred,
    ):  # fmt: skip
        self.is_centred, self.n_visits = is_centred, n_visits  # dense rows are centred
        self.d, self.T, self.max_depth, self.R = d, max_regressors, max_depth, swap_resistance
        self.loss, self.learning_rate = loss, learning_rate
        self.root, self.n_regressors, self.n_swaps = Node(), 0, 0
        self.seen, self.largest, self.rows = [], np.zeros(d), 0.0
        self.q_sum = self.q_weight = 0.0
        self.closest = np.inf  # how near a decision was to going the other way

    def learn(self, x, c, h):
        self.seen.append((x, h))
        X, weight = (np.array(part) for part in zip(*self.seen, strict=True))
        mean = np.average(X, axis=0, weights=weight) if self.is_centred else np.zeros(self.d)
        variance = np.average((X - mean) ** 2, axis=0, weights=weight)
        self.largest = np.maximum(self.largest, np.abs(x - mean))
        if self.n_visits == 1:
            scale = self.largest * variance**0.5
        else:
            scale = self.largest**1.5 * variance**0.25
        moves = variance > (1e-7 * mean) ** 2
        z = np.where(moves, (x - mean) / np.where(moves, scale, 1), 0)
        q = z @ (x - mean) + 1
        z, x = np.append(z, 1 - z @ mean), np.append(x, 1.0)
        self.q_sum += h * q
        self.q_weight += h
        n_met = np.count_nonzero(self.largest)
        n_values = weight @ (np.full(len(X), self.d) if self.is_centred else (X != 0).sum(axis=1))
        boost = min(0.1 * n_met * weight.sum() / n_values, 20) if n_values else 20
        rate = self.learning_rate * max(boost / self.n_visits, 1)
        limit = h * rate * q / (self.q_sum / self.q_weight)
        node = self.root
        while True:
            if node.children is None:
                self.count(node, c, h)
                if not self.splits(node):
                    node.min_count += h
                    return
            node = self.train(node, x, z, q, limit, c, h)

    def train(self, node, x, z, q, limit, c, h):
        e = node.E / node.n if node.n else 0.0
        e_y = node.E_y[c] / node.n_y[c] if c in node.n_y else 0.0
        if set(node.n_y) - {c}:  # else a tie, exactly
            self.closest = min(self.closest, abs(e - e_y))
        b = -1 if e > e_y else 1
        w = node.regressor.w
        w += z * b * moved(self.loss, b * (w @ x), limit) / q
        margin = w @ x
        self.closest = min(self.closest, abs(margin))
        node.E += h * margin
        node.n += h
        node.E_y[c] = node.E_y.get(c, 0.0) + h * margin
        node.n_y[c] = node.n_y.get(c, 0.0) + h
        return node.children[0 if margin < 0 else 1]

    def count(self, leaf, c, h):
        leaf.counts[c] = leaf.counts.get(c, 0.0) + h
        leaf.majority = min(leaf.counts, key=lambda y: (-leaf.counts[y], y))

    def splits(self, leaf):
        if len(leaf.counts) < 2 or leaf.depth() >= self.max_depth:
            return False
        if self.n_regressors < self.T:
            self.n_regressors += 1
            leaf.regressor = Regressor(self.d)
        else:
            others = leaf.min_count - max(leaf.counts.values())
            if others <= self.R * (self.root.smallest() + 1):
                return False
            orphan = self.root
            while orphan.children is not None:
                left, right = orphan.children
                orphan = left if left.smallest() < right.smallest() else right
            if orphan is leaf:
                return False
            parent = orphan.parent
            sibling = next(child for child in parent.children if child is not orphan)
            sibling.parent = parent.parent
            if parent is self.root:
                self.root = sibling
            else:
                above = parent.parent.children
                above[above.index(parent)] = sibling
            leaf.regressor = parent.regressor
            self.n_swaps += 1
        leaf.children = [Node(leaf, leaf.majority, leaf.min_count / 2) for _ in range(2)]
        return True

    def shape(self):
        """What the tree is, preorder."""
        found, stack = [], [self.root]
        while stack:
            node = stack.pop()
            if node.children is None:
                found.append((node.majority, node.min_count, sorted(node.counts.items())))
            else:
                found.append((sorted(node.n_y.items()), node.E, node.E_y, node.regressor.w))
                stack += reversed(node.children)
        return found


def moved(loss, z, limit):
    """How far z = b f(x) goes along the negative gradient of the loss in the time `limit`."""
    if loss == "hinge":
        return min(limit, 1 - z) if z < 1 else 0.0
    if loss == "absolute":
        return np.clip(1 - z, -limit, limit)
    return brentq(lambda v: v + np.exp(z + v) - np.exp(z) - limit, 0, limit, xtol=1e-14)


def same_shape(arrays, oracle):
    """Compare node for node."""
    nodes, d = view(arrays, "nodes"), len(arrays["largest"])
    slots, owner = live_slots(arrays)
    stack = [int(view(arrays, "counters")["root"])]
    for expected in oracle.shape():
        node = stack.pop()
        mine = {int(s["key"]): s for s in slots[owner == node]}
        if nodes["left"][node] < 0:
            majority, min_count, counts = expected
            assert nodes["majority"][node] == majority
            assert_allclose(nodes["min_count"][node], min_count, rtol=1e-12)
            assert [(c, mine[c]["n"]) for c in sorted(mine)] == counts
        else:
            n_y, E, E_y, w = expected
            assert [c for c, _ in n_y] == sorted(mine)
            for c, n in n_y:
                assert_allclose(mine[c]["n"], n, rtol=1e-12)
                assert_allclose(mine[c]["margins"], E_y[c], rtol=1e-3, atol=1e-3)
            assert_allclose(nodes["margins"][node], E, rtol=1e-3, atol=1e-3)
            r = nodes["regressor"][node]
            learned = np.append(arrays["weights"][r * d :][:d], arrays["intercepts"][r])
            assert_allclose(learned, w, rtol=1e-3, atol=1e-4)
            stack += [int(nodes["right"][node]), int(nodes["left"][node])]
    assert not stack
