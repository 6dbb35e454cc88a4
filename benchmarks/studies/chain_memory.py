"""Memory of a fit of `ChainCRFClassifier` with many labels, beside what its docstring says.

    python benchmarks/studies/chain_memory.py --tokens 50000 200000

Sequences of 25 tokens with 10 of 20,000 binary columns each, and random labels. A row has, in MB
above the data, what the parameters, their copy in the attributes, marginals and Gram matrices
should take, and the peak of the process in three epochs.
"""

import argparse
import gc
import re
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland.structured import ChainCRFClassifier

LENGTH, N_COLUMNS, N_VALUES = 25, 20_000, 10


def status(name):
    """Bytes of an entry of this process's status, by Linux."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(re.search(rf"{name}:\s*(\d+)", text).group(1))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[50_000, 200_000])
    parser.add_argument("--labels", type=int, default=100)
    args = parser.parse_args()
    k = -(-args.labels // 8) * 8
    print("| tokens | labels | parameters | marginals | Gram matrices | in all | measured |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for n_tokens in args.tokens:
        rng = np.random.default_rng(0)
        n = n_tokens // LENGTH
        indices = rng.integers(N_COLUMNS, size=(n * LENGTH, N_VALUES), dtype=np.int32)
        indptr = np.arange(n * LENGTH + 1, dtype=np.int32) * N_VALUES
        ones = np.ones(indices.size)
        X = sparse.csr_array((ones, indices.ravel(), indptr), (n * LENGTH, N_COLUMNS))
        X.sum_duplicates()
        y, lengths = rng.integers(args.labels, size=n * LENGTH), np.full(n, LENGTH)
        parts = [
            8 * (N_COLUMNS + args.labels) * (k + args.labels),
            4 * k * (n * LENGTH + args.labels * n),
            4 * n * LENGTH * (LENGTH + 1) // 2,
        ]
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forget the peak so far
        before = status("VmRSS")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = ChainCRFClassifier(max_iter=3).fit(X, y, lengths=lengths)
        assert model.solver_ == "sdca"
        cells = [*parts, sum(parts), status("VmHWM") - before]
        values = " | ".join(f"{value / 1e6:.0f}" for value in cells)
        print(f"| {n_tokens} | {args.labels} | {values} |", flush=True)


if __name__ == "__main__":
    main()
