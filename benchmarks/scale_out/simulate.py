"""The same fit on 1 to 64 simulated machines, a partition each, against a formula.

The partitions work one after the other in this process, and a clock counts what a cluster would
take: of each round the longest CPU time of a partition, the network's latency, and the bytes that
the driver sends to and gets from all partitions by its bandwidth. Nothing waits. The formula knows
of the fit on one partition alone: its CPU seconds W, its R rounds, and the bytes B that travel to
and from a partition; P partitions take W / P + R latency + P B / bandwidth.
"""

import time
import warnings
from pickle import dumps

import numpy as np
from common.tables import Table

# Latency of a round in seconds, bytes a second: Dask on one machine as measured, and as it may be.
NETWORKS = {
    "14 ms, 1 Gbit/s": (14e-3, 125e6),
    "14 ms, 10 Gbit/s": (14e-3, 1250e6),
    "1 ms, 10 Gbit/s": (1e-3, 1250e6),
}
PARTITIONS = 1, 2, 4, 8, 16, 32, 64
ROWS, COLUMNS = 1_600_000, 100


def simulated(options):
    """A fit's seconds by the clock, for each network and number of partitions."""
    from sklearn_optland._estimator import dask_rows
    from sklearn_optland._rows.cluster import Here
    from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
    from sklearn_optland.utils import RowBlocks

    class Counted(Here):
        """CPU seconds of the partitions, and bytes, of each round."""

        def __init__(self):
            self.rounds = []

        def run(self, function, partitions, *columns):
            seconds, answers = [], []
            for call in zip(partitions, *columns, strict=True):
                start = time.thread_time()
                answers.append(function(*call))
                seconds.append(time.thread_time() - start)
            if self.rounds is not None and function.__name__ == "serve":
                sent = sum(len(dumps(message)) for message in columns[-1])
                self.rounds.append((seconds, sent + sum(len(dumps(one)) for one in answers)))
            return answers

    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, COLUMNS), dtype=np.float32)
    w = 2 * rng.standard_normal(COLUMNS) / np.sqrt(COLUMNS)
    y = X @ w + rng.logistic(size=ROWS) > 0
    rounds = {}
    for n_partitions in PARTITIONS:
        place = Counted()
        original, dask_rows.place_of = dask_rows.place_of, lambda _, place=place: place
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                blocks = RowBlocks.from_array(X, -(-ROWS // n_partitions))
                BoundMajorizationLogisticRegression().fit(blocks, y)
        finally:
            dask_rows.place_of = original
        rounds[n_partitions] = place.rounds
    table = Table(
        {"network": "{}", "machines": "{:d}", "simulated, s": "{:.3g}", "formula, s": "{:.3g}"}
    )
    work = sum(sum(seconds) for seconds, _ in rounds[1])
    n_rounds, volume = len(rounds[1]), sum(travelled for _, travelled in rounds[1])
    for name, (latency, bandwidth) in NETWORKS.items():
        for n, of_fit in rounds.items():
            clock = sum(max(s) + latency + travelled / bandwidth for s, travelled in of_fit)
            formula = work / n + n_rounds * latency + n * volume / bandwidth
            row = [name, n, clock, formula]
            print(table.add(dict(zip(table.columns, row, strict=True))), flush=True)
    table.notes.append(
        f"{ROWS:,} rows of {COLUMNS} columns, float32; {n_rounds} rounds, and {volume / 1e3:.0f} "
        f"kB to and from a partition in all. CPU time, of {work:.3g} s on one."
    )
    return table
