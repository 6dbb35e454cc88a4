"""Data sets that benchmarks read: files of a folder; what is said of those that are not there."""

import fetch
import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse


@pytest.mark.parametrize("n_train", [None, 4])
@pytest.mark.parametrize("kind", ["float32", "uint8", "sparse"])
def test_a_stored_file_is_read_as_it_is(data, kind, n_train, monkeypatch):
    monkeypatch.delenv("OPTLAND_FETCH")
    rng = np.random.default_rng(0)
    if kind == "sparse":
        X = csr_matrix(np.maximum(rng.standard_normal((6, 5)), 0), dtype=np.float32)
        parts = {"data": X.data, "indices": X.indices, "indptr": X.indptr, "shape": X.shape}
    else:
        X = (10 * rng.random((6, 5))).astype(kind)
        parts = {"X": X}
    y = np.arange(6)
    data.folder.mkdir()
    split = {} if n_train is None else {"n_train": n_train}
    np.savez(data.folder / "mine.npz", y=y, **parts, **split)
    found, labels, n_found = data.load("mine")
    if kind == "sparse":
        assert issparse(found)
        found, X = found.toarray(), X.toarray()
    np.testing.assert_array_equal(found, X, strict=True)
    np.testing.assert_array_equal(labels, y, strict=True)
    assert n_found == (n_train or 6)


def test_digits_need_no_folder(data, monkeypatch):
    monkeypatch.delenv("OPTLAND_DATA")
    X, y, n_train = data.load("digits")
    assert X.shape == (1797, 64)
    assert n_train == len(y) == 1797


def test_without_a_folder_it_is_asked_for(data, monkeypatch):
    monkeypatch.delenv("OPTLAND_DATA")
    with pytest.raises(FileNotFoundError, match="a9a: OPTLAND_DATA must name the folder"):
        data.load("a9a")


@pytest.mark.parametrize("value", [None, "", "0"])
def test_nothing_is_fetched_unless_asked_for(data, value, monkeypatch):
    monkeypatch.delenv("OPTLAND_FETCH")
    if value is not None:
        monkeypatch.setenv("OPTLAND_FETCH", value)
    monkeypatch.setattr(data.module, "urlopen", None)  # would fail
    with pytest.raises(FileNotFoundError, match=r"no file .*a9a\.npz: OPTLAND_FETCH=1 fetches"):
        data.load("a9a")
    assert not data.folder.exists()


def test_what_has_no_known_original_is_not_fetched(data):
    with pytest.raises(FileNotFoundError, match=r"no file .*kin40k\.npz, and no public original"):
        data.load("kin40k")


def test_a_failing_network_is_told(data):
    with pytest.raises(FileNotFoundError, match=r"a9a\.npz, and its public original cannot be"):
        data.load("a9a")
    assert not data.folder.exists()


def test_the_command_names_what_there_is_and_what_is_not(data, monkeypatch, capsys):
    data.publish("multiclass/shuttle.scale", "1 1:0.5\n4 2:1\n")
    data.publish("multiclass/shuttle.scale.t", "1 3:1\n")
    data.resize("shuttle", (3, 9), 2)
    monkeypatch.setattr("sys.argv", ["fetch.py", "shuttle", "kin40k"])
    fetch.main()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("shuttle: 3 rows, 2 of them for training, 9 columns; the original ")
    assert "no public original of kin40k" in second
