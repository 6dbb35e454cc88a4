"""A net: the sizes of its layers, and its parameters as one flat array."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from numbers import Integral

import numpy as np


def hidden_sizes(hidden_layer_sizes):
    """The parameter as a tuple of int; an error for what are no sizes."""
    sizes = tuple(np.atleast_1d(np.asarray(hidden_layer_sizes)).tolist())
    if not all(isinstance(size, Integral) and size >= 1 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes: found {hidden_layer_sizes!r}; allowed are integers of at least 1."
        )
    return sizes


@dataclass(frozen=True)
class Network:
    """Sizes of the layers, and their parameters as one flat array.

    Layer l has a matrix of shape (sizes[l] + 1, sizes[l + 1]), whose last row is the bias.

    Parameters
    ----------
    sizes : tuple of int
        Columns of X, units of each hidden layer, outputs.
    activation : {"logistic", "tanh", "relu", "identity"}
        Of the hidden layers.
    is_log_loss : bool
        The loss: log-loss, of one logit or of a softmax, or squared error, half its square.
    is_multilabel : bool, default=False
        Whether the log-loss is that of a logit for each output.
    """

    sizes: tuple[int, ...]
    activation: str
    is_log_loss: bool
    is_multilabel: bool = False

    @cached_property
    def shapes(self):
        """Shapes of the layers' matrices."""
        return [(n_in + 1, n_out) for n_in, n_out in pairwise(self.sizes)]

    def gram_shapes(self, levels):
        """Shapes of the Gram matrices of some layers' inputs."""
        return [(self.sizes[level] + 1, self.sizes[level] + 1) for level in levels]

    @property
    def n_parameters(self):
        """Length of the flat array."""
        return sum(n_in * n_out for n_in, n_out in self.shapes)

    def layers(self, theta):
        """Views of the flat array: a matrix a layer."""
        views, end = [], 0
        for n_in, n_out in self.shapes:
            start, end = end, end + n_in * n_out
            views.append(theta[start:end].reshape(n_in, n_out))
        return views

    def glorot(self, rng, dtype, scale=1.0):
        """The start of scikit-learn's MLP: uniform draws by the sizes of a layer's two sides."""
        theta = np.empty(self.n_parameters, dtype=dtype)
        factor = 2.0 if self.activation == "logistic" else 6.0
        for W in self.layers(theta):
            bound = scale * np.sqrt(factor / (W.shape[0] - 1 + W.shape[1]))
            W[:-1] = rng.uniform(-bound, bound, (W.shape[0] - 1, W.shape[1]))
            W[-1] = rng.uniform(-bound, bound, W.shape[1])
        return theta

    def join(self, coefs, intercepts, dtype):
        """The flat array of `coefs_` and `intercepts_`; ValueError if shapes do not fit."""
        theta = np.empty(self.n_parameters, dtype=dtype)
        found = [(*np.shape(W), *np.shape(b)) for W, b in zip(coefs, intercepts, strict=False)]
        wanted = [(n_in - 1, n_out, n_out) for n_in, n_out in self.shapes]
        if found != wanted or len(coefs) != len(intercepts):
            raise ValueError(
                f"coefs and intercepts: found (n_in, n_out, n_intercepts) = {found} by layer; "
                f"allowed are {wanted}."
            )
        for layer, W, b in zip(self.layers(theta), coefs, intercepts, strict=True):
            layer[:-1], layer[-1] = W, b
        return theta
