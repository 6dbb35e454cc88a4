"""Generated float32 data on disk, in parts: rows, and labels of a noisy linear rule."""

import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np

COLUMNS = 100
PART_ROWS = 500_000  # 200 MB: a pass over it takes ten times as long as Dask's work for a task
PART_BYTES = 4 * COLUMNS * PART_ROWS


def folder(gigabytes):
    root = Path(os.environ.get("OPTLAND_SCRATCH", "/tmp/optland_scale_out"))
    return root / f"{gigabytes:g}GB"


def parts(gigabytes):
    """Paths of the parts' rows; they are made if they are not there. Labels are beside them."""
    where, n_parts = folder(gigabytes), max(1, round(gigabytes * 1e9 / PART_BYTES))
    where.mkdir(parents=True, exist_ok=True)
    w = np.random.default_rng(0).standard_normal(COLUMNS) / np.sqrt(COLUMNS)
    paths = []
    for number in range(n_parts):
        path = where / f"X{number:04d}.npy"
        if not labels_of(path).exists():
            rng = np.random.default_rng([1, number])
            X = rng.standard_normal((PART_ROWS, COLUMNS), dtype=np.float32)
            noise = rng.logistic(size=PART_ROWS)
            np.save(path, X)
            np.save(labels_of(path), (2 * (X @ w) + noise > 0).astype(np.int8))
        paths.append(path)
    return paths


def remove(gigabytes):
    """Delete the parts."""
    shutil.rmtree(folder(gigabytes), ignore_errors=True)


def usage():
    """Parts that this process has read from the disk, and its largest memory so far in MB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return len(reads), int(status.split("VmHWM:")[1].split()[0]) / 1024


def forget_usage():
    """Begin to count anew."""
    reads.clear()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def labels_of(path):
    return path.with_name(path.name.replace("X", "y"))


# Parts that this process has read from the disk.
reads = []


def read_uncached(path):
    """A part's rows from the disk: the system's cache is asked to forget them."""
    reads.append(path)
    with open(path, "rb") as file:
        X = np.load(file)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return X


def blocks(paths, read=partial(np.load, mmap_mode="r")):  # noqa: B008
    """X and y of the parts, in blocks that are read for each pass: memory maps copy nothing."""
    from sklearn_optland.utils import RowBlocks

    lengths = [PART_ROWS] * len(paths)
    X = RowBlocks([partial(read, path) for path in paths], lengths=lengths)
    return X, RowBlocks([partial(np.load, labels_of(path)) for path in paths], lengths=lengths)


def dask_arrays(paths):
    """X and y of the parts as dask arrays, a chunk each."""
    import dask
    import dask.array as da

    load = dask.delayed(np.load)

    def array(paths, columns, dtype):
        shape = PART_ROWS, *columns
        return da.concatenate([da.from_delayed(load(path), shape, dtype) for path in paths])

    return array(paths, (COLUMNS,), np.float32), array(map(labels_of, paths), (), np.int8)


def objective(paths, coef):
    """Of logistic regression with C = 1 and no intercept."""
    coef = np.ravel(coef).astype(float)
    losses = [
        np.logaddexp(0, (1 - 2.0 * np.load(labels_of(path))) * (np.load(path) @ coef)).sum()
        for path in paths
    ]
    return 0.5 * coef @ coef + sum(losses)
