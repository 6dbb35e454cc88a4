r"""Arithmetic circuits: functions whose coefficients are a decomposed tensor.

    f(x) = o + sum_{d_1 ... d_N} A_{d_1 ... d_N} prod_i z^i_{d_i},   z^i = [x^i, 1],

for N patches x^i of the columns. A is never formed: layers of products compute f (Cohen, Sharir and
Shashua 2016). Patches are the leaves of a binary tree, with r numbers each,

    phi^{0,i} = 1 + z^i W_i,
    phi^{l,j} = (phi^{l-1,2j-1} * phi^{l-1,2j}) (I + D_{l,j}),

and f = o + phi a of the root, where there is no D; a node without a partner moves up as it is. That
is the hierarchical Tucker decomposition. Without the D it is CP, r products of all patches.

What is free are the distances W and D from products of ones and from the identity: near 0 no
product of many factors vanishes or explodes, and the hierarchical net starts as one of CP.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sklearn_optland._net.entrywise_fast import output_residuals
from sklearn_optland._rows.reduce import Statistic, reduce

# Standard deviation of the logarithm of a product of all patches at the start, roughly.
START = 0.5


@dataclass(frozen=True)
class Circuit:
    """Sizes of a circuit, and its flat parameters.

    Parameters
    ----------
    is_hierarchical : bool
        Whether there are the D.
    n_patches, side : int
        Patches, and what the largest of them has, 1 included.
    rank, n_outputs : int
    """

    is_hierarchical: bool
    n_patches: int
    side: int
    rank: int
    n_outputs: int

    @cached_property
    def n_mixings(self):
        """D of each level, from the leaves on: none at the root."""
        counts, n_nodes = [], self.n_patches
        while self.is_hierarchical and n_nodes > 2:
            counts.append(n_nodes // 2)
            n_nodes = (n_nodes + 1) // 2
        return counts

    @cached_property
    def shapes(self):
        """Of W, the D, a and o."""
        r, k = self.rank, self.n_outputs
        mixings = [(count, r, r) for count in self.n_mixings]
        return [(self.n_patches, self.side, r), *mixings, (r, k), (k,)]

    @property
    def n_parameters(self):
        """Length of the flat array."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def parts(self, theta):
        """W, a list of the D, a and o: views of the flat array."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])
        pieces = np.split(theta, ends[:-1])
        W, *D, a, o = (p.reshape(shape) for p, shape in zip(pieces, self.shapes, strict=True))
        return W, D, a, o

    def start(self, rng):
        """Random W, so that the r products differ; the rest is 0."""
        theta = np.zeros(self.n_parameters)
        W = self.parts(theta)[0]
        n_columns = self.n_patches * (self.side - 1)
        W[:, :-1] = rng.standard_normal(W[:, :-1].shape) * (START / np.sqrt(max(n_columns, 1)))
        return theta

    def tree(self, full):
        """The layers as they are applied: those of `parts` with the ones and the identities."""
        W, D, a, o = self.parts(full)
        W, eye = W.copy(), np.eye(self.rank)
        W[:, -1] += 1.0
        return W, [part + eye for part in D], a, o

    def apart(self, layers):
        """The flat array of layers; the inverse of `tree`."""
        W, D, a, o = layers
        eye = np.eye(self.rank)
        W = W.copy()
        W[:, -1] -= 1.0
        return np.concatenate([p.ravel() for p in (W, *(part - eye for part in D), a, o)])


def root(x, W, mixings):
    """The root's phi for rows.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_patches, side - 1)
    W : ndarray of shape (n_patches, side, rank)
    mixings : list of ndarray of shape (n_nodes, rank, rank)

    Returns
    -------
    phi : ndarray of shape (n_rows, rank)
    levels : list of ndarray of shape (n_nodes, n_rows, rank)
        The nodes of all levels, for `root_gradient`.
    products : list of ndarray
        Of pairs of nodes, before they are mixed.
    """
    nodes = x.transpose(1, 0, 2) @ W[:, :-1]
    nodes += W[:, -1:]
    levels, products = [nodes], []
    while len(nodes) > 1:
        n_pairs, level = len(nodes) // 2, len(products)
        mixed = product = nodes[0 : 2 * n_pairs : 2] * nodes[1 : 2 * n_pairs : 2]
        if level < len(mixings):
            mixed = product @ mixings[level]
        rest = nodes[2 * n_pairs :]
        nodes = np.concatenate([mixed, rest]) if len(rest) else mixed
        levels.append(nodes)
        products.append(product)
    return nodes[0], levels, products


def root_gradient(x, mixings, levels, products, G):
    """Gradients by W and the mixings of sum(G * phi) at the root."""
    G, by_mixing = G[None], [None] * len(mixings)
    for level in reversed(range(len(products))):
        nodes, product = levels[level], products[level]
        n_pairs = len(product)
        down = np.empty_like(nodes)
        down[2 * n_pairs :] = G[n_pairs:]
        G = G[:n_pairs]
        if level < len(mixings):
            by_mixing[level] = product.transpose(0, 2, 1) @ G
            G = G @ mixings[level].transpose(0, 2, 1)
        down[0 : 2 * n_pairs : 2] = G * nodes[1 : 2 * n_pairs : 2]
        down[1 : 2 * n_pairs : 2] = G * nodes[0 : 2 * n_pairs : 2]
        G = down
    by_W = np.concatenate([x.transpose(1, 2, 0) @ G, G.sum(axis=1, keepdims=True)], axis=1)
    return by_W, by_mixing


class CircuitLoss(Statistic):
    """Mean loss, and its gradient by the flat parameters. Parameters: targets and layers."""

    def __init__(self, circuit, is_log_loss):
        self.circuit, self.is_log_loss = circuit, is_log_loss
        self.shape = circuit.n_parameters
        size = circuit.n_patches * circuit.rank
        self.values = 256 * (size + circuit.n_patches * circuit.side)
        self.work = 4 * size * (circuit.side + (circuit.rank if circuit.is_hierarchical else 1))

    def add(self, block, parameters, total):
        Y, W, mixings, a, o = parameters
        rows, c = block.slice, block.source.c
        x = block.source.X[rows]
        x = x.reshape(len(x), len(W), W.shape[1] - 1)
        phi, levels, products = root(x, W, mixings)
        F = phi @ a + o
        loss = output_residuals(F, block.local(Y)[rows], c[rows], self.is_log_loss)
        gW, gD, ga, go = self.circuit.parts(total)
        by_W, by_mixing = root_gradient(x, mixings, levels, products, F @ a.T)
        gW += by_W
        for mine, part in zip(gD, by_mixing, strict=True):
            mine += part
        ga += phi.T @ F
        go += F.sum(axis=0)
        return loss


class Objective:
    """Mean loss plus alpha / 2 times the squares of all parameters but o."""

    def __init__(self, circuit, source, is_log_loss, alpha):
        self.circuit, self.source, self.alpha = circuit, source, alpha
        self.statistic = CircuitLoss(circuit, is_log_loss)

    def __call__(self, theta):
        """Value and gradient."""
        loss, gradient = reduce(
            self.statistic, self.source, (self.source.Y, *self.circuit.tree(theta))
        )
        penalised = theta.copy()
        self.circuit.parts(penalised)[-1][:] = 0.0
        gradient += self.alpha * penalised
        return loss + 0.5 * self.alpha * float(theta @ penalised), gradient


def coefficients(W, mixings, a):
    """The tensor A of one output, of shape (side,) * n_patches, from a of shape (rank,)."""
    nodes, level = [part.T for part in W], 0  # by the r numbers, then by the modes of the node
    while len(nodes) > 1:
        n_pairs = len(nodes) // 2
        paired = []
        for j in range(n_pairs):
            left, right = nodes[2 * j], nodes[2 * j + 1]
            node = np.einsum("ra,rb->rab", left, right).reshape(len(left), -1)
            paired.append(mixings[level][j].T @ node if level < len(mixings) else node)
        nodes, level = paired + nodes[2 * n_pairs :], level + 1
    return (a @ nodes[0]).reshape((W.shape[1],) * len(W))
