"""What growing batches save L-BFGS on a chain CRF: passes and CPU seconds without and with them.

    python benchmarks/studies/chain_batches.py

Chains of random dense columns, times a scale, whose labels a random model of 4 or 10 labels draws.
Rounds of both alternate; seconds are medians.
"""

import argparse
import time

import numpy as np

from sklearn_optland.structured import ChainCRFClassifier
from sklearn_optland.structured._chain.lbfgs import LBFGS

# Sequences, tokens of each, columns, labels, scale of the columns.
DATA = [
    (1000, 10, 20, 4, 3.0),
    (20_000, 1, 20, 4, 3.0),
    (100_000, 1, 30, 4, 3.0),
    (10_000, 10, 50, 4, 3.0),
    (10_000, 10, 20, 4, 10.0),
    (8000, 20, 100, 10, 1.0),
]
COLUMNS = ["data", "C", "tol", "passes, all", "passes, batches", "s, all", "s, batches"]


def chains(n_sequences, length, d, k, scale):
    """Rows of tokens, their labels, and lengths."""
    rng = np.random.default_rng(0)
    n = n_sequences * length
    X, A = rng.normal(size=(n, d)), rng.normal(size=(k, k))
    scores = 2 / np.sqrt(d) * X @ rng.normal(size=(d, k)) + rng.gumbel(size=(n, k))
    y = np.empty((n_sequences, length), dtype=int)
    by_place = scores.reshape(n_sequences, length, k)
    for t in range(length):
        y[:, t] = np.argmax(by_place[:, t] + (A[y[:, t - 1]] if t else 0), axis=1)
    return scale * X, y.ravel(), np.full(n_sequences, length)


def fit(data, C, tol, least_tokens):
    """Passes and CPU seconds of a fit that takes batches from so many tokens on."""
    LBFGS.LEAST_TOKENS = least_tokens
    X, y, lengths = data
    model = ChainCRFClassifier(C, solver="lbfgs", tol=tol)
    begin = time.process_time()
    model.fit(X, y, lengths=lengths)
    return model.history_["passes"][-1], time.process_time() - begin


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |")
    print("| --- " * len(COLUMNS) + "|")
    for n_sequences, length, d, k, scale in DATA:
        data = chains(n_sequences, length, d, k, scale)
        for C in (0.1, 1.0, 100.0):
            for tol in (1e-2, 1e-4):
                rounds = [
                    [fit(data, C, tol, least) for least in (np.inf, 0)] for _ in range(args.rounds)
                ]
                (passes, fewer), (s, s_batches) = np.median(rounds, axis=0).T
                name = f"{n_sequences} x {length}, {d} columns, {k} labels, times {scale:g}"
                numbers = (
                    f"{C:g} | {tol:g} | {passes:.0f} | {fewer:.0f} | {s:.2f} | {s_batches:.2f}"
                )
                print(f"| {name} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
