"""What measures: cells that outlast an interrupted run, seconds, the least count to a level."""

import json
import os
import sys
import time
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np


def log(message):
    print(message, file=sys.stderr, flush=True)


class MissingData(Exception):
    """A data set that is not there, or that nobody asked for."""


class OutOfTime(Exception):
    """The minutes of a command are over."""


class Cells:
    """Measurements by their keys.

    Parameters
    ----------
    path : Path or None
        The file in which they are kept, so that an interrupted command can go on; None keeps them
        in memory.
    only : sequence of str
        Measure only where each of these texts begins the topic or a value of the key.
    minutes : float
        Begin no measurement after these.
    """

    def __init__(self, path=None, only=(), minutes=np.inf):
        self.path, self.only = path, only
        self.end = time.monotonic() + 60 * minutes
        self.found = {}
        self.missing = []  # keys that were asked for in vain
        if path is not None and path.exists():
            self.found = dict(map(json.loads, path.read_text(encoding="utf-8").splitlines()))

    def __call__(self, topic, measure, **key):
        """What was measured, or else `measure(**key)`, a dict; None if it is not to be had."""
        name = ", ".join([topic, *(f"{part}={value}" for part, value in key.items())])
        if name not in self.found:
            try:
                self.found[name] = self._measure(name, measure, key, [topic, *key.values()])
            except MissingData as error:
                log(f"{name}: {error}")
                self.missing.append(name)
                return None
        return self.found[name]

    def each(self, topic, measure, **values):
        """The cells of all combinations of the key's values; None if one is not to be had."""
        keys = (dict(zip(values, parts, strict=True)) for parts in product(*values.values()))
        cells = [self(topic, measure, **key) for key in keys]
        return None if None in cells else cells

    def _measure(self, name, measure, key, values):
        if not all(any(str(value).startswith(text) for value in values) for text in self.only):
            raise MissingData("not among --only")
        if time.monotonic() > self.end:
            raise OutOfTime
        found = json.loads(json.dumps(measure(**key), default=float))
        log(f"{name}: {found}")
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as out:
                out.write(json.dumps([name, found]) + "\n")
        return found


def cpu_seconds(call):
    """Seconds of all of the process's threads in a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def wall_seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def seconds_in_turn(calls, rounds):
    """CPU seconds of each call by name, in rounds of all: noise hits all alike."""
    for call in calls.values():
        call()  # warm
    seconds = [{name: cpu_seconds(call) for name, call in calls.items()} for _ in range(rounds)]
    return {name: [one[name] for one in seconds] for name in calls}


def ratio(numerator, denominator):
    """Median of the ratios round by round, and their quartiles."""
    low, median, high = np.quantile(np.divide(numerator, denominator), [0.25, 0.5, 0.75])
    return [median, low, high]


def median(lines, key):
    return float(np.median([line[key] for line in lines]))


def mean_and_deviation(values):
    """Their mean, and their standard deviation if there are several."""
    return [np.mean(values), *([np.std(values, ddof=1)] if len(values) > 1 else [])]


def first_count(value_at, level, most):
    """The least count with value_at(count) <= level, within an eighth; None if beyond `most`."""
    low, high = 0, 1
    while not value_at(high) <= level:  # nor is NaN
        low, high = high, 2 * high
        if low >= most:
            return None
        high = min(high, most)
    while high - low > max(1, high // 8):
        middle = (low + high) // 2
        low, high = (low, middle) if value_at(middle) <= level else (middle, high)
    return high


@contextmanager
def quiet():
    """What compiled code prints, progress bars above all, goes nowhere."""
    kept = os.dup(1), os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        for number, copy in enumerate(kept, start=1):
            os.dup2(copy, number)
            os.close(copy)


def megabytes(path):
    """Of a file or of all files of a folder."""
    path = Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e6
