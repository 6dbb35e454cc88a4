"""The metric of ADMM's W step: the Gram matrix of each layer's inputs."""

import numpy as np
from scipy.linalg import lapack

# delta: where it starts and ends, and its factor.
DELTA, LEAST_DELTA, DELTA_FACTOR = 0.2, 1e-8, 0.1
# Of a net without hidden layers the Gram is the whole metric.
LINEAR_DELTA = 1e-12
# A layer with more inputs has a Gram that costs more than it saves.
MAX_GRAM_INPUTS = 2000


class GramMetric:
    """The inverse metric (H'H + delta I)^-1 of each layer, or the identity."""

    def __init__(self, objective, choice):
        self.network = objective.network
        inputs = self.network.sizes[:-1]
        self.levels = [
            level
            for level, width in enumerate(inputs)
            if choice == "gram" or (choice == "auto" and width <= MAX_GRAM_INPUTS)
        ]
        # Exact for the squared error of a linear net.
        self.is_linear = objective.n_hidden == 0
        self.delta = LINEAR_DELTA if self.is_linear else DELTA
        self.take(objective)

    def take(self, objective):
        """Go on with an objective of another precision; `refresh` is due."""
        self.objective, self.inverses, self.columns_gram = objective, {}, None

    @property
    def can_fall(self):
        """Whether delta may be smaller."""
        return bool(self.levels) and not self.is_linear and self.delta > LEAST_DELTA

    @property
    def hidden(self):
        """Layers whose Gram changes with the weights."""
        return [level for level in self.levels if level]

    def refresh(self, point, fell=False):
        """Take the Grams at a point; with `fell`, delta falls first."""
        if fell:
            self.delta = max(LEAST_DELTA, DELTA_FACTOR * self.delta)
        passes, grams = self.objective.passes, {}
        if 0 in self.levels and (fell or 0 not in self.inverses):
            if self.columns_gram is None:
                (self.columns_gram,) = passes.grams(point.theta, [0])
            grams[0] = self.columns_gram
        if point.grams:
            grams.update(point.grams)
        elif self.hidden:
            found = passes.grams(point.theta, self.hidden)
            grams.update(zip(self.hidden, found, strict=True))
            self.objective.n_passes += 0.5
        penalties = self.network.layers(self.objective.penalty)
        for level, G in grams.items():
            # Units of a layer share their penalty but for the last, where all have the same.
            self.inverses[level] = _inverse(G, self.delta, penalties[level][:, 0]).astype(
                self.objective.dtype
            )

    def __call__(self, gradient):
        """Apply the inverse metric."""
        result = gradient.copy()
        for level, (out, G) in enumerate(
            zip(self.network.layers(result), self.network.layers(gradient), strict=True)
        ):
            if level in self.inverses:
                np.matmul(self.inverses[level], G, out=out)
        return result


def _inverse(G, delta, penalty):
    """(G + delta |G|^2 / tr(G) I + diag(penalty))^-1; delta grows if rounding asks for it."""
    trace = np.trace(G)
    mean = trace * np.sum((G / trace) ** 2)
    if not np.isfinite(mean):  # activations beyond the range of the dtype: no metric
        return np.eye(len(G))
    while True:
        A = G.copy()
        A.flat[:: len(G) + 1] += delta * mean + penalty
        factor, failed = lapack.dpotrf(A, lower=1, overwrite_a=1)
        if not failed:
            inverse, failed = lapack.dpotri(factor, lower=1, overwrite_c=1)
            if not failed and np.isfinite(inverse).all():
                break
        delta *= 100
    inverse = np.tril(inverse)
    return inverse + np.tril(inverse, -1).T
