"""Spherical spin glasses against their theory.

    OMP_NUM_THREADS=1 python benchmarks/studies/spin_glass.py --what energies index field
    OMP_NUM_THREADS=1 python benchmarks/studies/spin_glass.py --what descents [--spins 25 50 100]

`energies`: the threshold and the energies -E_k below which there are no points of index k.
`index`: saddles that Newton's method finds, p = 3, 60 spins: correlation of their index with the
law. `field`: distinct minima of 40 descents under external fields. `descents`: mean energies per
spin where descents from random points end (a gradient of 1e-3 √n), with the standard error over
glasses. Seconds are of the CPU.
"""

import argparse
import time

import numpy as np

from sklearn_optland.landscape import (
    SphericalSpinGlass,
    critical_energy,
    expected_index,
    threshold_energy,
)

# Glasses of each size, and descents in each.
N_GLASSES, N_REPLICAS = {25: 60, 50: 40, 100: 12, 300: 3}, 20


def energies():
    print("| p | -E_∞ | -E_0 | -E_1 | -E_2 | -E_10 |")
    print("| --- | --- | --- | --- | --- | --- |")
    for p in (3, 4, 5):
        found = [threshold_energy(p), *(critical_energy(p, k) for k in (0, 1, 2, 10))]
        print(f"| {p} | " + " | ".join(f"{energy:.6f}" for energy in found) + " |")


def index():
    print("| glass | saddles | of starts | correlation with the law | s |")
    print("| --- | --- | --- | --- | --- |")
    for seed in range(4):
        start = time.process_time()
        points = SphericalSpinGlass(3, 60, random_state=seed).critical_points(80)
        law = expected_index(points.energies, 3)
        correlation = np.corrcoef(law, points.indices)[0, 1]
        print(f"| {seed} | {len(points.points)} | 80 | {correlation:.4f} "
              f"| {time.process_time() - start:.1f} |", flush=True)  # fmt: skip


def field():
    fields, n_spins = (0.0, 0.5, 1.0, np.sqrt(3), 2.5), (20, 40, 80)
    print("| spins | " + " | ".join(f"field {h:.2f}" for h in fields) + " |")
    print("| --- |" + " --- |" * len(fields))
    for n in n_spins:
        counts = []
        for h in fields:
            ends = SphericalSpinGlass(3, n, field=h, random_state=0).descend(40, tol=1e-7)
            counts.append(len(np.unique(ends.energies.round(6))))
        print(f"| {n} | " + " | ".join(map(str, counts)) + " |", flush=True)


def descents(n_spins):
    print("| spins | descents | mean energy | standard error | deviation | s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for n in n_spins:
        start, ends = time.process_time(), []
        for seed in range(N_GLASSES.get(n, 3)):
            glass = SphericalSpinGlass(3, n, random_state=seed)
            ends.append(glass.descend(N_REPLICAS, tol=1e-3).energies)
        ends = np.array(ends)
        error = ends.mean(axis=1).std(ddof=1) / np.sqrt(len(ends))
        print(f"| {n} | {ends.size} | {ends.mean():.4f} | {error:.4f} | {ends.std():.3f} "
              f"| {time.process_time() - start:.0f} |", flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    tables = {"energies": energies, "index": index, "field": field}
    parser.add_argument("--what", nargs="+", choices=[*tables, "descents"], required=True)
    parser.add_argument("--spins", type=int, nargs="+", default=[25, 50, 100])
    arguments = parser.parse_args()
    for what in arguments.what:
        print(f"\n{what}")
        if what == "descents":
            descents(arguments.spins)
        else:
            tables[what]()


if __name__ == "__main__":
    main()
