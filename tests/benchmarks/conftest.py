"""Small copies of the public originals in the place of the network."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))
collect_ignore_glob = [] if BENCHMARKS.exists() else ["*"]  # tests may stand without benchmarks


@pytest.fixture
def data(monkeypatch, tmp_path):
    """The originals, their folder of files, and a site in the place of all of the network's."""
    from common import npz
    from common import originals as module

    folder, site = tmp_path / "data", tmp_path / "site"
    monkeypatch.setenv("OPTLAND_DATA", str(folder))
    monkeypatch.setenv("OPTLAND_FETCH", "1")
    for address in ("LIBSVM", "UCI"):
        monkeypatch.setattr(module, address, f"{site.as_uri()}/")
    monkeypatch.setattr(module, "CLINC", (site / "clinc.json").as_uri())

    def forbidden(*args, **options):
        raise AssertionError(f"this would use the network: {args} {options}")

    for name in ("openml", "covtype", "california_housing", "20newsgroups"):
        monkeypatch.setattr(module.datasets, f"fetch_{name}", forbidden)

    def publish(path, content):
        file = site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def resize(name, shape, n_classes=None):
        """Let a small copy pass for the original."""
        small = replace(module.ORIGINALS[name], shape=shape, n_classes=n_classes)
        monkeypatch.setitem(module.ORIGINALS, name, small)

    def serve(name, *arrays, **options):
        """Let a function of scikit-learn return these arrays."""

        def served(**asked):
            assert options.items() <= asked.items()
            return arrays

        monkeypatch.setattr(module.datasets, name, served)

    return SimpleNamespace(
        module=module, load=npz.load, folder=folder, publish=publish, resize=resize, serve=serve
    )
