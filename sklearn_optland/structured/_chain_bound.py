"""The quadratic bound on the log-partition function of a chain.

Along the chain a message says of each label v at t how much the labellings up to t weigh that end
in v, as a function of theta: at most z_v exp(mu_v'Delta + Delta'Sigma_v Delta / 2) for
theta = theta~ + Delta. The next message sums over the labels u before v, so it is a partition
function whose "features" are f(u, v) + mu_u. Algorithm 1 bounds it, and what it needs of the
Sigma_u is one matrix above all of them.
"""

from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.linalg import eigh  # SciPy 1.12 refuses matrices without rows
from numpy.typing import ArrayLike, NDArray

COMBINE = ("loewner", "sum")
CURVATURES = ("full", "diagonal", "low-rank")


class LowRankCurvature(NamedTuple):
    """A curvature V'SV + D.

    Parameters
    ----------
    components : ndarray of shape (k, n_features)
        V, with orthonormal rows.
    values : ndarray of shape (k,)
        The diagonal of S, positive.
    diagonal : ndarray of shape (n_features,)
        The diagonal of D.
    """

    components: np.ndarray
    values: np.ndarray
    diagonal: np.ndarray


def chain_partition_bound(
    node_features: ArrayLike,
    theta: ArrayLike,
    *,
    edge_features: ArrayLike | None = None,
    node_weights: ArrayLike | None = None,
    edge_weights: ArrayLike | None = None,
    combine: Literal["loewner", "sum"] = "loewner",
    curvature: Literal["full", "diagonal", "low-rank"] = "full",
    rank: int = 10,
) -> tuple[float, NDArray, Any]:
    r"""Bound the log-partition function of a chain by a quadratic around a point.

    For labellings y of a chain of T nodes with K labels each,

    .. math:: Z(\theta) = \sum_y \prod_t g_t(y_t) e^{\theta^T f_t(y_t)}
              \prod_{t > 1} h_t(y_{t-1}, y_t) e^{\theta^T e_t(y_{t-1}, y_t)},

    and any :math:`\Delta = \theta - \tilde\theta`,

    .. math:: \log Z(\theta) \le \log z + \Delta^T \mu + \tfrac12 \Delta^T \Sigma \Delta,

    with equality at :math:`\tilde\theta`; :math:`\mu` is the gradient of log Z there. One pass
    along the chain finds them, the recursion of Jebara and Choromanska (2012) on junction trees; a
    chain of one node is their Algorithm 1.

    Parameters
    ----------
    node_features : array-like of shape (n_nodes, n_labels, n_features)
        Rows f_t(y) of each node and label.
    theta : array-like of shape (n_features,)
        The point at which the bound touches.
    edge_features : array-like, default=None
        Rows e_t(u, v) of each pair of labels that follow each other, of shape (n_labels, n_labels,
        n_features) for all edges or (n_nodes - 1, n_labels, n_labels, n_features) for each. The
        first axis of labels is that of the earlier node. Default: all zero.
    node_weights : array-like of shape (n_nodes, n_labels), default=None
        Values g_t(y), non-negative. Default: all 1.
    edge_weights : array-like, default=None
        Values h_t(u, v), non-negative, of shape (n_labels, n_labels) for all edges or (n_nodes - 1,
        n_labels, n_labels) for each; 0 forbids a pair. Default: all 1.
    combine : {"loewner", "sum"}, default="loewner"
        What stands above the curvatures of all labels at one node.

        - "loewner": a common upper bound in the order of symmetric matrices,
          :math:`S \leftarrow S + (\Sigma_u - S)_+` from the largest on. It is not of the paper.
        - "sum": their sum, as the paper has it. It grows like K^T with the length of the chain.
    curvature : {"full", "diagonal", "low-rank"}, default="full"
        The form of Sigma. Both others are above a matrix and cost less: with "diagonal" vv' is
        replaced by the diagonal of v's magnitudes times their sum; "low-rank" does that with the
        directions v of the smallest curvatures only.
    rank : int, default=10
        Directions of "low-rank".

    Returns
    -------
    log_z : float
        The value log Z at theta.
    mu : ndarray of shape (n_features,)
        The gradient of log Z at theta.
    sigma : ndarray or LowRankCurvature
        The curvature of the bound: a symmetric positive semi-definite matrix, the diagonal of one,
        or the named tuple (`components`, `values`, `diagonal`) of V, S and D in V'SV + D.

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite or so large that the bound is not, or if
        the weights leave no labelling.

    See Also
    --------
    sklearn_optland.linear_model.partition_function_bound : For a sum without structure.

    Notes
    -----
    For n features a node costs O(K^2 n^2 + K n^3) with a full matrix, O(K^2 n) with a diagonal, and
    O(K n (K + rank)^2) with a low rank.

    References
    ----------
    T. Jebara and A. Choromanska, "Majorization for CRFs and latent likelihoods", NIPS 2012,
    Algorithms 1 and 3 to 5.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.structured import chain_partition_bound
    >>> nodes = np.array([[[0.0], [1.0]]])
    >>> log_z, mu, sigma = chain_partition_bound(nodes, [0.0])
    >>> round(log_z, 4), mu, sigma
    (0.6931, array([0.5]), array([[0.25]]))
    >>> log_z, mu, sigma = chain_partition_bound(np.repeat(nodes, 3, axis=0), [0.0])
    >>> round(log_z, 4), mu, sigma
    (2.0794, array([1.5]), array([[0.75]]))
    """
    if combine not in COMBINE:
        raise ValueError(f"combine: found {combine!r}; allowed are {list(COMBINE)}.")
    if curvature not in CURVATURES:
        raise ValueError(f"curvature: found {curvature!r}; allowed are {list(CURVATURES)}.")
    if rank < 1:
        raise ValueError(f"rank: found {rank}; allowed is at least 1.")
    nodes, edges, theta, log_g, log_h = _checked(
        node_features, theta, edge_features, node_weights, edge_weights
    )
    forms = {"full": Full, "diagonal": Diagonal, "low-rank": LowRank}
    zero = forms[curvature].zero(len(theta), rank)
    combined = forms[curvature].upper_bound if combine == "loewner" else forms[curvature].total
    with np.errstate(over="ignore", invalid="ignore"), _overflow_named(nodes, edges):
        # The first message is exact: of the one label that it is about.
        log_z, mu, sigmas = log_g[0] + nodes[0] @ theta, nodes[0], [zero] * nodes.shape[1]
        for t in range(1, len(nodes)):
            scores = log_z[:, None] + log_h[t - 1] + edges[t - 1] @ theta
            features = mu[:, None] + edges[t - 1]
            log_z, mu, sigmas = _sums(scores, features, sigmas, combined)
            log_z, mu = log_z + log_g[t] + nodes[t] @ theta, mu + nodes[t]
        log_z, mu, sigmas = _sums(log_z[:, None], mu[:, None], sigmas, combined)
    if log_z[0] == -np.inf:
        raise ValueError("node_weights, edge_weights: found no labelling that all of them allow.")
    return float(log_z[0]), mu[0], sigmas[0].result()


def _sums(scores, features, sigmas, combined):
    """Messages that sum over an earlier label, the first axis; the second is that of the later one.

    Parameters
    ----------
    scores : ndarray of shape (n_earlier, n_later)
        Logarithms of what is summed at theta; -inf is absent.
    features : ndarray of shape (n_earlier, n_later, n_features)
        Gradients of these logarithms.
    sigmas : list of n_earlier curvatures
    combined : callable
        Makes one curvature above several.

    Returns
    -------
    log_z : ndarray of shape (n_later,)
    mu : ndarray of shape (n_later, n_features)
    sigmas : list of n_later curvatures, None where nothing is summed
    """
    log_z, mu = np.full(scores.shape[1], -np.inf), np.zeros(features.shape[1:])
    later, above = [None] * scores.shape[1], {}
    for v, log_alpha in enumerate(scores.T):
        present = np.flatnonzero(log_alpha != -np.inf)
        if not len(present):
            continue
        key = present.tobytes()
        if key not in above:  # the same labels before, the same curvature
            above[key] = combined([sigmas[u] for u in present])
        log_z[v], mu[v], roots = curvature_roots(features[present, v], log_alpha[present])
        if not np.isfinite(log_z[v] + np.vdot(roots, roots)):
            raise OverflowError
        later[v] = above[key].plus(roots)
    return log_z, mu, later


def curvature_roots(features, log_alpha):
    """Algorithm 1 of Jebara and Choromanska (2012), with Sigma as a sum of rank-one matrices.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
    log_alpha : ndarray of shape (n,)
        Logarithms of what is summed.

    Returns
    -------
    log_z : float
    mu : ndarray of shape (n_features,)
    roots : ndarray of shape (n - 1, n_features)
        Sigma = roots' roots.
    """
    order = np.argsort(-log_alpha, kind="stable")  # the largest first: the tightest
    log_alpha, features = log_alpha[order], features[order]
    log_z = np.logaddexp.accumulate(log_alpha)
    # Relative to the first, which also keeps the digits of features that are far from zero.
    steps = features - features[0]
    sums = np.cumsum(np.exp(log_alpha - log_alpha[0])[:, None] * steps, axis=0)
    means = sums / np.exp(log_z - log_alpha[0])[:, None]
    # l l' tanh(log(alpha / z) / 2) / (2 log(alpha / z)), alpha <= z; the first has z = 0 before it.
    x = log_z[:-1] - log_alpha[1:]
    with np.errstate(invalid="ignore"):
        curvatures = np.where(np.abs(x) > 1e-6, 0.5 * np.tanh(0.5 * x) / x, 0.25)
    roots = np.sqrt(curvatures)[:, None] * (steps[1:] - means[:-1])
    return log_z[-1], features[0] + means[-1], roots


# Forms of a curvature. Each has `plus`, which adds roots'roots, and two ways to one curvature above
# several: their `total` and an `upper_bound`.


class Full:
    """A symmetric matrix."""

    def __init__(self, matrix):
        self.matrix = matrix

    @classmethod
    def zero(cls, n_features, rank):
        return cls(np.zeros((n_features, n_features)))

    def plus(self, roots):
        return Full(self.matrix + roots.T @ roots)

    @staticmethod
    def total(parts):
        return Full(sum(part.matrix for part in parts))

    @staticmethod
    def upper_bound(parts):
        matrices = sorted((part.matrix for part in parts), key=np.trace, reverse=True)
        above = matrices[0]
        for matrix in matrices[1:]:
            above = above + _positive_part(matrix - above)
        return Full(above)

    def result(self):
        return self.matrix


class Diagonal:
    """A diagonal matrix, by its entries."""

    def __init__(self, entries):
        self.entries = entries

    @classmethod
    def zero(cls, n_features, rank):
        return cls(np.zeros(n_features))

    def plus(self, roots):
        return Diagonal(self.entries + _diagonal_above(roots))

    @staticmethod
    def total(parts):
        return Diagonal(sum(part.entries for part in parts))

    @staticmethod
    def upper_bound(parts):
        return Diagonal(np.max([part.entries for part in parts], axis=0))

    def result(self):
        return self.entries


class LowRank:
    """V'SV + D with at most `rank` rows in V, by R = sqrt(S) V and the entries of D."""

    def __init__(self, roots, entries, rank):
        self.roots, self.entries, self.rank = roots, entries, rank

    @classmethod
    def zero(cls, n_features, rank):
        return cls(np.zeros((0, n_features)), np.zeros(n_features), rank)

    def plus(self, roots):
        """Add them all at once, where Algorithm 5 adds one at a time; D takes the smallest."""
        _, sizes, components = np.linalg.svd(np.vstack([self.roots, roots]), full_matrices=False)
        roots = sizes[:, None] * components
        kept, dropped = np.split(roots, [self.rank])
        return LowRank(kept, self.entries + _diagonal_above(dropped), self.rank)

    @staticmethod
    def total(parts):
        above = parts[0]
        for part in parts[1:]:
            above = above.plus(part.roots)
            above = LowRank(above.roots, above.entries + part.entries, above.rank)
        return above

    @staticmethod
    def upper_bound(parts):
        above, *others = sorted(parts, key=LowRank.trace, reverse=True)
        for part in others:
            # The positive part of a difference lies in the span of both.
            basis = np.linalg.qr(np.vstack([above.roots, part.roots]).T)[0]
            mine, other = above.roots @ basis, part.roots @ basis
            values, vectors = eigh(other.T @ other - mine.T @ mine)
            new = (np.sqrt(np.maximum(values, 0.0)) * vectors).T @ basis.T
            entries = np.maximum(above.entries, part.entries)
            above = LowRank(above.roots, entries, above.rank).plus(new)
        return above

    def trace(self):
        return np.vdot(self.roots, self.roots) + self.entries.sum()

    def result(self):
        values = np.einsum("ij,ij->i", self.roots, self.roots)
        roots, values = self.roots[values > 0], values[values > 0]
        return LowRankCurvature(roots / np.sqrt(values)[:, None], values, self.entries)


def _positive_part(matrix):
    values, vectors = eigh(matrix)
    kept = values > 0
    return (vectors[:, kept] * values[kept]) @ vectors[:, kept].T


def _diagonal_above(roots):
    """Entries of a diagonal matrix above roots'roots: vv' is at most diag(|v|) sum(|v|)."""
    sizes = np.abs(roots)
    return sizes.sum(axis=1) @ sizes


@contextmanager
def _overflow_named(nodes, edges):
    """What overflows is an error about the features."""
    try:
        yield
    except OverflowError:
        top = max(np.abs(nodes).max(), np.abs(edges).max(initial=0.0))
        raise ValueError(
            f"node_features, edge_features: found magnitudes up to {top:.3g}, whose squares or "
            "scores overflow; allowed are those for which both are finite."
        ) from None


def _checked(node_features, theta, edge_features, node_weights, edge_weights):
    """Arrays of the shapes that the recursion has, and logarithms of the weights."""
    nodes = np.asarray(node_features, dtype=np.float64)
    theta = np.asarray(theta, dtype=np.float64)
    if nodes.ndim != 3 or 0 in nodes.shape:
        raise ValueError(
            f"node_features: found shape {nodes.shape}; allowed is (n_nodes, n_labels, "
            "n_features), not empty."
        )
    n_nodes, n_labels, n_features = nodes.shape
    pairs = n_labels, n_labels

    def of_shape(array, name, default, *shapes):
        array = np.full(shapes[0], default) if array is None else np.asarray(array, np.float64)
        if array.shape not in shapes:
            allowed = " or ".join(map(str, shapes))
            raise ValueError(f"{name}: found shape {array.shape}; node_features ask for {allowed}.")
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: found NaN or infinity; allowed are finite values.")
        return array

    of_shape(nodes, "node_features", 0.0, nodes.shape)
    theta = of_shape(theta, "theta", 0.0, (n_features,))
    edges = (*pairs, n_features), (n_nodes - 1, *pairs, n_features)
    edges = of_shape(edge_features, "edge_features", 0.0, *edges)
    g = of_shape(node_weights, "node_weights", 1.0, (n_nodes, n_labels))
    h = of_shape(edge_weights, "edge_weights", 1.0, pairs, (n_nodes - 1, *pairs))
    for name, weights in (("node_weights", g), ("edge_weights", h)):
        if (weights < 0).any():
            raise ValueError(f"{name}: found {weights.min()}; allowed are non-negative values.")
    edges = np.broadcast_to(edges, (n_nodes - 1, *pairs, n_features))
    h = np.broadcast_to(h, (n_nodes - 1, *pairs))
    with np.errstate(divide="ignore"):
        return nodes, edges, theta, np.log(g), np.log(h)
