"""Tests of this folder need Dask, which is an extra."""

from importlib.util import find_spec

if not all(map(find_spec, ("dask", "distributed", "pandas", "pyarrow"))):
    collect_ignore_glob = ["test_*.py"]
