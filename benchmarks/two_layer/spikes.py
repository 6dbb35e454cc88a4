"""Spike deconvolution by conic particles: the first variation at the end, by their number.

Five spikes on the circle, three up and two down, of mass 0.5 to 1.5, through an ideal low-pass
filter of 7 frequencies, with noise; the penalty is 0.3, a filtered spike has norm 1. A measure is
optimal if and only if max |eta| is 0.3, with eta on a grid of 20 000 points here. Particles start
evenly spread, half of each sign.
"""

from dataclasses import dataclass

import numpy as np
from common.folder import Case
from common.measure import cpu_seconds, median

from sklearn_optland.neural_network import conic_descent

PARTICLES = 6, 10, 20
SEEDS = range(4)
MAX_ITER = 10_000
FREQUENCIES, N_SAMPLES, NOISE, ALPHA = 7, 100, 0.02, 0.3


def low_pass(positions):
    """The filter's response to spikes at (place, sign), and its derivatives."""
    times = np.arange(N_SAMPLES) / N_SAMPLES
    phases = 2 * np.pi * (times[None, :] - positions[:, :1])
    k = np.arange(1, FREQUENCIES + 1)
    scale = positions[:, 1:] / np.sqrt(N_SAMPLES * (2 * FREQUENCIES + 1))
    features = scale * (1 + 2 * np.cos(phases[..., None] * k).sum(axis=-1))
    slopes = scale * 4 * np.pi * (np.sin(phases[..., None] * k) @ k)
    return features, np.stack([slopes, np.zeros_like(slopes)], axis=-1)


def measure(n_particles, seed):
    rng = np.random.default_rng(seed)
    places = (np.arange(5) + rng.uniform(-0.15, 0.15, 5)) / 5
    spikes = np.column_stack([places, rng.permutation([1.0, 1, 1, -1, -1])])
    y = rng.uniform(0.5, 1.5, 5) @ low_pass(spikes)[0] + NOISE * rng.standard_normal(N_SAMPLES)
    half = n_particles // 2
    even = np.arange(half) / half
    start = np.column_stack([np.tile(even, 2), np.repeat([1.0, -1.0], half)])
    found = []

    def descend():
        found.append(conic_descent(low_pass, y, start, alpha=ALPHA, max_iter=MAX_ITER))

    seconds = cpu_seconds(descend)
    grid = np.column_stack([np.arange(20_000) / 20_000, np.ones(20_000)])
    highest = max(
        np.abs(low_pass(part)[0] @ found[0].residual).max() for part in np.array_split(grid, 10)
    )
    return {"ratio": float(highest / ALPHA), "seconds": seconds, "steps": int(found[0].n_iter)}


@dataclass(frozen=True)
class Spikes(Case):
    """Rows: numbers of particles. Columns: the first variation by seed, costs."""

    particles: tuple = PARTICLES
    smoke = {"particles": PARTICLES[:1]}

    @property
    def columns(self):
        return {
            "particles": "{}",
            **{f"max abs eta ÷ penalty, seed {seed}": "{:.5f}" for seed in SEEDS},
            "median s": "{:.3g}",
            "median steps": "{:.3g}",
        }

    def rows(self, folder, cell):
        for n in self.particles:
            lines = cell.each("spikes", measure, n_particles=[n], seed=SEEDS)
            if lines is None:
                continue
            costs = median(lines, "seconds"), median(lines, "steps")
            values = n, *(line["ratio"] for line in lines), *costs
            yield dict(zip(self.columns, values, strict=True))
