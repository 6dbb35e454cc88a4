"""The particles of a two-layer net as one flat array, and as the user sees them.

The parts of the array are, in the layout of scikit-learn's MLP,

    W (n_features x m), bias weights (m), A (m x n_outputs), o (n_outputs):

particle j is (a_j, b_j), a_j a row of A and b_j a column of W with its bias weight.
"""

from dataclasses import dataclass

import numpy as np

from sklearn_optland._net.directions import random_directions
from sklearn_optland.neural_network._mean_field.units import Scales


@dataclass(frozen=True)
class ParticleLayout:
    """From flat arrays to particles and back, and to the user's units.

    Parameters
    ----------
    n_features, n_outputs : int
    dtype : dtype
        Of the flat arrays.
    fit_intercept : bool
        Whether particles have a bias weight, and the net an output intercept.
    scales : Scales
        The units inside.
    """

    n_features: int
    n_outputs: int
    dtype: np.dtype
    fit_intercept: bool
    scales: Scales

    # Of a neuron's homogeneity in b_j.
    degree = 1

    @property
    def x_unit(self):
        """What the hidden layer's outputs are divided by inside."""
        with np.errstate(over="ignore"):
            return np.nan_to_num(np.float64(self.scales.x_scale) ** self.degree)

    def n_particles(self, theta):
        """Number of particles in a flat array."""
        return (theta.size - self.n_outputs) // (self.n_features + 1 + self.n_outputs)

    def parts(self, theta):
        """Views of a flat array: W, bias weights, A, output intercept."""
        d, k, m = self.n_features, self.n_outputs, self.n_particles(theta)
        first, second = d * m, (d + 1) * m
        return (
            theta[:first].reshape(d, m),
            theta[first:second],
            theta[second : second + k * m].reshape(m, k),
            theta[second + k * m :],
        )

    def join(self, B, A, offset):
        """A flat array of b_j (rows of B, bias weight last), a_j (rows of A) and the intercept."""
        d = self.n_features
        pieces = (B[:, :d].T.ravel(), B[:, d], A.ravel(), offset)
        return np.concatenate(pieces).astype(self.dtype)

    def particles(self, theta):
        """b_j with their bias weight, and a_j, as rows; float64."""
        W, bias, A, _ = self.parts(theta)
        return np.column_stack([W.T, bias]).astype(np.float64), A.astype(np.float64)

    def variation_norm(self, theta):
        """sum_j |a_j| |b_j|^degree."""
        B, A = self.particles(theta)
        return float(np.linalg.norm(A, axis=1) @ np.linalg.norm(B, axis=1) ** self.degree)

    def spread_start(self, m, length, rng):
        """Particles of one length over the sphere, in pairs of opposite a: f = 0 with an even m."""
        n_pairs = (m + 1) // 2
        B = rng.standard_normal((n_pairs, self.n_features + 1))
        if not self.fit_intercept:
            B[:, -1] = 0.0
        A = rng.standard_normal((n_pairs, self.n_outputs))
        B, A = (part / np.linalg.norm(part, axis=1)[:, None] for part in (B, A))
        B, A = np.repeat(B, 2, axis=0)[:m], np.repeat(A, 2, axis=0)[:m]
        A[1::2] *= -1
        return self.join(length * B, length * A, np.zeros(self.n_outputs))

    def to_user(self, theta):
        """`coefs_` and `intercepts_`, with |a_j| = |b_j| and without units."""
        B, A = self.particles(theta)
        sizes = [np.linalg.norm(part, axis=1) for part in (A, B)]
        alive = (sizes[0] > 0) & (sizes[1] > 0)
        ratio = np.sqrt(
            sizes[0] / np.where(alive, sizes[1], 1.0), where=alive, out=np.zeros(len(A))
        )
        # f = y_scale / x_scale sum_j a_j relu(b_j'[x, 1])
        unit = np.sqrt(self.scales.y_scale) / np.sqrt(self.scales.x_scale)
        inverse = np.divide(unit, ratio, where=ratio > 0, out=np.zeros(len(A)))
        return self._as_network(B * (unit * ratio)[:, None], A * inverse[:, None], theta)

    def to_inside(self, coefs, intercepts):
        """The flat array of a net in the user's units."""
        unit = np.sqrt(self.scales.x_scale) / np.sqrt(self.scales.y_scale)
        B = np.column_stack([coefs[0].T, intercepts[0] * self.fit_intercept]) * unit
        return self.join(B, coefs[1] * unit, self._offset_inside(intercepts[1]))

    def _as_network(self, B, A, theta):
        offset = self.parts(theta)[3].astype(np.float64) * self.scales.y_scale + self.scales.y_mean
        coefs, intercepts = [B[:, :-1].T, A], [B[:, -1] * self.fit_intercept, offset]
        return (
            [np.ascontiguousarray(W, dtype=self.dtype) for W in coefs],
            [b.astype(self.dtype) for b in intercepts],
        )

    def _offset_inside(self, offset):
        return (offset - self.scales.y_mean) / self.scales.y_scale * self.fit_intercept


class FixedNeurons(ParticleLayout):
    """The layout of the kernel regime: neurons keep their length."""

    def random_neurons(self, m, rng, *, is_zero):
        """Neurons of length 1 and their outputs: zero, or random ones of length 1."""
        d = self.n_features
        B = np.zeros((m, d + 1))
        used = B[:, : d + self.fit_intercept]
        used[:] = random_directions(m, used.shape[1], rng)
        A = np.zeros((m, self.n_outputs))
        if not is_zero:
            A = rng.standard_normal(A.shape)
            A /= np.linalg.norm(A, axis=1)[:, None]
        return self.join(B, A, np.zeros(self.n_outputs))

    def to_user(self, theta):
        """`coefs_` and `intercepts_`; the neurons have length 1."""
        B, A = self.particles(theta)
        return self._as_network(B, A * (self.scales.y_scale / self.scales.x_scale), theta)

    def to_inside(self, coefs, intercepts):
        """The flat array of a net in the user's units."""
        B = np.column_stack([coefs[0].T, intercepts[0] * self.fit_intercept])
        A = coefs[1] * (self.scales.x_scale / self.scales.y_scale)
        return self.join(B, A, self._offset_inside(intercepts[1]))


def net_attributes(layout, columns, theta):
    """What predictions need of particles, as fitted attributes."""
    coefs, intercepts = layout.to_user(theta)
    sizes = np.linalg.norm(coefs[1], axis=1) * np.hypot(
        np.linalg.norm(coefs[0], axis=0), intercepts[0]
    )
    coefs, intercepts = columns.to_user(coefs, intercepts)
    unit = layout.scales.y_scale / layout.x_unit
    return {
        "coefs_": coefs,
        "intercepts_": intercepts,
        "n_particles_": int((sizes > 0).sum()),
        "variation_norm_": float(layout.variation_norm(theta) * unit),
        "n_layers_": 3,
        "n_outputs_": layout.n_outputs,
    }
