"""Small copies of the public originals become the data sets that benchmarks read."""

import bz2
import json
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse


def _equal(X, expected):
    """Of the same type, and the same in every entry."""
    if issparse(expected):
        assert issparse(X)
        X, expected = X.toarray(), expected.toarray()
    np.testing.assert_array_equal(X, expected, strict=True)


SVMLIGHT = "-1 2:1 4:0.5\n+1 1:2\n-1 3:1\n"
SVMLIGHT_TEST = "+1 2:3\n-1 1:1 4:1\n"


def test_svmlight_files_are_fetched_once(data, monkeypatch):
    """Two parts, labels 0 and 1, sparse; the second time the file of the folder is read."""
    data.publish("binary/a9a", SVMLIGHT)
    data.publish("binary/a9a.t", SVMLIGHT_TEST)
    data.resize("a9a", (5, 123), 2)
    X, y, n_train = data.load("a9a")
    expected = np.zeros((5, 123), dtype=np.float32)
    expected[[0, 0, 1, 2, 3, 4, 4], [1, 3, 0, 2, 1, 0, 3]] = [1, 0.5, 2, 1, 3, 1, 1]
    _equal(X, csr_matrix(expected))
    _equal(y, np.array([0, 1, 0, 1, 0]))
    assert n_train == 3
    assert [file.name for file in data.folder.iterdir()] == ["a9a.npz"]
    with np.load(data.folder / "a9a.npz") as file:
        kinds = {name: file[name].dtype for name in file}
    assert kinds == {
        "data": np.float32,
        "indices": np.int32,
        **dict.fromkeys(("indptr", "shape", "y", "n_train"), np.int64),
    }

    monkeypatch.setattr(data.module, "urlopen", None)
    monkeypatch.delenv("OPTLAND_FETCH")
    again = data.load("a9a")
    _equal(again[0], X)
    _equal(again[1], y)
    assert again[2] == n_train


def test_usps_is_unpacked_and_becomes_pixels(data):
    """From -1..1 and classes 1..10 to 0..1 and 0..9."""
    line = " ".join(f"{column}:{2 * column / 256 - 1}" for column in range(1, 257))
    data.publish("multiclass/usps.bz2", bz2.compress(f"10 {line}\n1 {line}\n".encode()))
    data.publish("multiclass/usps.t.bz2", bz2.compress(f"3 {line}\n".encode()))
    data.resize("usps", (3, 256), 3)
    X, y, n_train = data.load("usps")
    _equal(X, np.tile(np.arange(1, 257, dtype=np.float32) / 256, (3, 1)))
    _equal(y, np.array([9, 0, 2]))
    assert n_train == 2


def test_shuttle_is_dense(data):
    data.publish("multiclass/shuttle.scale", "1 1:0.5 9:-1\n4 2:1\n")
    data.publish("multiclass/shuttle.scale.t", "1 3:1\n")
    data.resize("shuttle", (3, 9), 2)
    X, y, n_train = data.load("shuttle")
    expected = np.zeros((3, 9), dtype=np.float32)
    expected[[0, 0, 1, 2], [0, 8, 1, 2]] = [0.5, -1, 1, 1]
    _equal(X, expected)
    _equal(y, np.array([1, 4, 1]))
    assert n_train == 2


def _lines(table, separator=" "):
    return "".join(separator.join(map(str, row)) + "\n" for row in table)


def test_the_split_of_two_files_is_kept(data):
    data.publish("statlog/satimage/sat.trn", _lines([[92, 115, 3], [84, 102, 7]]))
    data.publish("statlog/satimage/sat.tst", _lines([[80, 102, 3]]))
    data.resize("satimage", (3, 2), 2)
    X, y, n_train = data.load("satimage")
    _equal(X, np.array([[92, 115], [84, 102], [80, 102]], dtype=np.float32))
    _equal(y, np.array([3, 7, 3]))
    assert n_train == 2


TABLES = {  # name: the file at UCI, its text, X and y
    "pendigits": (
        {"pendigits/pendigits.tra": " 47,100,8\n", "pendigits/pendigits.tes": " 0, 89,2\n"},
        [[47, 100], [0, 89]],
        [8, 2],
    ),
    "segment": (
        {"statlog/segment/segment.dat": "140.0 125.0 9 1\n188.0 133.0 9 7\n"},
        [[140, 125, 9], [188, 133, 9]],
        [1, 7],
    ),
    "skin_nonskin": (
        {"00229/Skin_NonSkin.txt": "74\t85\t123\t1\n73\t84\t122\t2\n"},
        [[74, 85, 123], [73, 84, 122]],
        [1, 2],
    ),
    "poker_train": (
        {"poker/poker-hand-training-true.data": "1,10,1,9\n2,11,2,0\n"},
        [[1, 10, 1], [2, 11, 2]],
        [9, 0],
    ),
    "magic04": (
        {"magic/magic04.data": f"{'0.5,' * 10}g\n{'1.5,' * 10}h\n"},
        [[0.5] * 10, [1.5] * 10],
        [1, 0],
    ),
    "madelon_train": (
        {
            "madelon/MADELON/madelon_train.data": "485 477 \n483 458 \n",
            "madelon/MADELON/madelon_train.labels": "-1\n1\n",
        },
        [[485, 477], [483, 458]],
        [0, 1],
    ),
    "vowel": (  # part, speaker, sex, ten features, class; the test part comes last
        {
            "undocumented/connectionist-bench/vowel/vowel-context.data": _lines(
                [[1, 8, 0, *[3.0] * 10, 1], [0, 0, 1, *[-1.0] * 10, 0]]
            )
        },
        [[-1] * 10, [3] * 10],
        [0, 1],
    ),
    "protein": (
        {"00265/CASP.csv": "RMSD,F1,F2\n17.284,13558.3,4305.35\n6.021,6191.96,1623.16\n"},
        [[13558.3, 4305.35], [6191.96, 1623.16]],
        [17.284, 6.021],
    ),
    "wine_red": (
        {"wine-quality/winequality-red.csv": '"acid";"pH";"quality"\n7.4;3.51;5\n7.8;3.2;6\n'},
        [[7.4, 3.51], [7.8, 3.2]],
        [5.0, 6.0],
    ),
    "yacht": (
        {"00243/yacht_hydrodynamics.data": "-2.3 0.568 0.11 \n-2.3 0.569  0.27 \n\n"},
        [[-2.3, 0.568], [-2.3, 0.569]],
        [0.11, 0.27],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_text(data, name):
    files, X, y = TABLES[name]
    for path, text in files.items():
        data.publish(path, text)
    is_regression = isinstance(y[0], float)
    data.resize(name, np.shape(X), None if is_regression else len(set(y)))
    found, target, n_train = data.load(name)
    _equal(found, np.array(X, dtype=np.float32))
    _equal(target, np.array(y))
    assert n_train == (1 if name in ("pendigits", "vowel") else 2)


def _zip(member, text):
    content = BytesIO()
    with ZipFile(content, "w") as file:
        file.writestr(member, text)
        file.writestr("Readme.txt", "about it")
    return content.getvalue()


def test_bike_hour_leaves_out_the_date_and_the_parts_of_the_count(data):
    head = ",".join(f"column{number}" for number in range(17)) + "\n"
    row = "1,2011-01-01,1,0,1,5,0,6,0,1,0.24,0.2879,0.81,0,3,13,16\n"
    data.publish("00275/Bike-Sharing-Dataset.zip", _zip("hour.csv", head + 2 * row))
    data.resize("bike_hour", (2, 12))
    X, y, _ = data.load("bike_hour")
    row = [1, 0, 1, 5, 0, 6, 0, 1, 0.24, 0.2879, 0.81, 0]
    _equal(X, np.array([row, row], dtype=np.float32))
    _equal(y, np.array([16.0, 16.0]))


def test_naval_takes_the_decay_of_the_compressor(data):
    row = "   ".join(f"{number:e}" for number in [*range(16), 0.95, 0.975])
    text = _zip("UCI CBM Dataset/data.txt", f"   {row} \n   {row} \n")
    data.publish("00316/UCI CBM Dataset.zip", text)  # %20 in the address
    data.resize("naval", (2, 16))
    X, y, _ = data.load("naval")
    _equal(X, np.tile(np.arange(16, dtype=np.float32), (2, 1)))
    _equal(y, np.array([0.95, 0.95]))


def test_openml_labels_lose_their_quotes(data, monkeypatch):
    X = np.arange(12.0).reshape(4, 3)
    labels = np.array(["'26'", "'1'", "2", "1"], dtype=object)
    data.serve("fetch_openml", X, labels, data_id=300, as_frame=False, return_X_y=True)
    data.resize("isolet", (4, 3), 3)
    read = data.module.ORIGINALS["isolet"].read
    monkeypatch.setitem(read.keywords, "n_train", 3)
    found, y, n_train = data.load("isolet")
    _equal(found, X.astype(np.float32))
    _equal(y, np.array([26, 1, 2, 1]))
    assert n_train == 3


def test_mnist_stays_bytes_and_has_the_original_split(data):
    X = np.zeros((60_002, 2))
    X[-1] = 255
    data.serve("fetch_openml", X, np.array(["5"] * 60_001 + ["0"], dtype=object), data_id=554)
    data.resize("mnist", (60_002, 2), 2)
    found, y, n_train = data.load("mnist")
    _equal(found[-1], np.array([255, 255], dtype=np.uint8))
    assert (y[0], y[-1], n_train) == (5, 0, 60_000)


@pytest.mark.parametrize("name", ["concrete", "energy", "kin8nm"])
def test_regressions_of_openml(data, name):
    X, y = np.arange(6.0).reshape(3, 2), np.array([0.5, 1.5, 2.0])
    data.serve("fetch_openml", X, y)
    data.resize(name, (3, 2))
    found, target, _ = data.load(name)
    _equal(found, X.astype(np.float32))
    _equal(target, y)


def test_pol_is_centred_and_has_no_constant_columns(data):
    X = np.array([[1.0, 7.0, 2.0], [3.0, 7.0, -2.0]])
    data.serve("fetch_openml", X, np.array([0.0, 100.0]), data_id=201)
    data.resize("pol", (2, 2))
    found, y, _ = data.load("pol")
    _equal(found, np.array([[-1, 2], [1, -2]], dtype=np.float32))
    _equal(y, np.array([-50.0, 50.0]))


def test_elevators_have_the_centred_logarithm_of_the_goal(data):
    X = np.array([[1.0, 7.0], [3.0, 7.0]])
    data.serve("fetch_openml", X, np.exp([-4.0, -3.0]), data_id=216)
    data.resize("elevators", (2, 2))
    found, y, _ = data.load("elevators")
    _equal(found, np.array([[-1, 0], [1, 0]], dtype=np.float32))
    np.testing.assert_allclose(y, [-0.5, 0.5], rtol=1e-12)


def test_california_housing_is_that_of_scikit_learn(data):
    X, y = np.arange(6.0).reshape(3, 2), np.array([4.526, 3.585, 3.521])
    data.serve("fetch_california_housing", X, y)
    data.resize("california_housing", (3, 2))
    found, target, _ = data.load("california_housing")
    _equal(found, X.astype(np.float32))
    _equal(target, y)


def test_covtype20k_has_the_first_rows(data):
    X = np.arange(20_003.0)[:, None]
    data.serve("fetch_covtype", X, np.arange(20_003) % 7 + 1)
    data.resize("covtype20k", (20_000, 1), 7)
    found, y, n_train = data.load("covtype20k")
    _equal(found, X[:20_000].astype(np.float32))
    assert n_train == len(y) == 20_000


TRAIN_TEXTS = ["a big cat sat", "the big dog sat", "the cat", "dog dog dog big"]


def test_news20_is_weighted_by_the_words_of_the_training_part(data, monkeypatch):
    """Words of two texts at least, logarithmic counts, rows of length 1."""
    parts = {
        "train": SimpleNamespace(data=TRAIN_TEXTS, target=np.array([0, 1, 0, 1])),
        "test": SimpleNamespace(data=["dog zebra zebra", "zebra"], target=np.array([1, 0])),
    }
    monkeypatch.setattr(data.module.datasets, "fetch_20newsgroups", lambda subset: parts[subset])
    data.resize("news20_bydate_tfidf", (6, None), 2)
    X, y, n_train = data.load("news20_bydate_tfidf")
    words = ["big", "cat", "dog", "sat", "the"]
    counts = np.array([[text.split().count(word) for word in words] for text in TRAIN_TEXTS])
    weights = np.log(5 / (1 + (counts > 0).sum(axis=0))) + 1
    rows = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * weights
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.vstack([rows, [0, 0, 1, 0, 0], np.zeros(5)])
    np.testing.assert_allclose(X.toarray(), rows, rtol=1e-6)
    assert X.dtype == np.float32
    _equal(y, np.array([0, 1, 0, 1, 1, 0]))
    assert n_train == 4


def test_clinc150_joins_training_and_validation_and_leaves_out_the_rest(data):
    file = {
        "train": [["big cat sat", "zoo"], ["big dog sat", "home"]],
        "val": [["the big cat", "zoo"]],
        "test": [["a big dog", "home"], ["big cat", "zoo"]],
        "oos_train": [["out of scope", "oos"]],
    }
    data.publish("clinc.json", json.dumps(file))
    data.resize("clinc150_tfidf", (5, None), 2)
    X, y, n_train = data.load("clinc150_tfidf")
    assert X.shape == (5, 4)  # big, "big cat", cat, sat
    assert n_train == 3
    assert sorted(y[:3]) == [0, 1, 1]  # in the order of the names
    _equal(y[3:], np.array([0, 1]))
    np.testing.assert_allclose(np.diff(X.indptr)[3:], [1, 3])  # the test part keeps its order


@pytest.mark.parametrize(
    ("shape", "n_classes", "message"),
    [
        ((6, 123), 2, r"a9a: the original has shape \(5, 123\) instead of \(6, 123\)"),
        ((5, 123), 3, "a9a: the original has 2 classes, not 3"),
    ],
)
def test_another_original_than_the_known_one_is_refused(data, shape, n_classes, message):
    data.publish("binary/a9a", SVMLIGHT)
    data.publish("binary/a9a.t", SVMLIGHT_TEST)
    data.resize("a9a", shape, n_classes)
    with pytest.raises(ValueError, match=message):
        data.load("a9a")
    assert not data.folder.exists()


def test_every_original_has_a_test(data):
    """A new one must not be forgotten here."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert not [name for name in data.module.ORIGINALS if f'"{name}"' not in text]
