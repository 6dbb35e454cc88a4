"""Public originals of the data sets: at OpenML, the LIBSVM site, UCI, and scikit-learn's fetchers.

What is made of one is a file as `npz.py` reads it. The files that the tables of README.md were
measured on were not made here: these readers are written by the descriptions of the originals and
tested on small copies, and `differs` says where an original is not the same as the file.
"""

import bz2
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO, StringIO
from urllib.request import urlopen
from zipfile import ZipFile

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn import datasets
from sklearn.feature_extraction.text import TfidfVectorizer

LIBSVM = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/"
UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases/"
CLINC = "https://raw.githubusercontent.com/clinc/oos-eval/master/data/data_full.json"
TIMEOUT = 60  # seconds without an answer from a server


def fetch(name, path):
    """Make a file of the folder from the public original."""
    if name not in ORIGINALS:
        raise FileNotFoundError(f"no file {path}, and no public original of {name} is known here")
    if os.environ.get("OPTLAND_FETCH") != "1":
        raise FileNotFoundError(f"no file {path}: OPTLAND_FETCH=1 fetches the public original")
    original = ORIGINALS[name]
    try:
        parts = original.read()
    except OSError as error:  # of the network
        message = f"no file {path}, and its public original cannot be fetched: {error}"
        raise FileNotFoundError(message) from error
    X, y = (join(arrays) for arrays in zip(*parts, strict=True))
    original.check(name, X, y)
    # A file in its place is complete: it is written beside it first.
    path.parent.mkdir(parents=True, exist_ok=True)
    incomplete = path.with_name(f"{name}.incomplete.npz")
    np.savez_compressed(
        incomplete,
        y=y.astype(np.int64 if original.n_classes else np.float64),
        **({"n_train": len(parts[0][1])} if len(parts) == 2 else {}),
        **stored(X),
    )
    incomplete.replace(path)


def join(parts):
    return vstack(parts, "csr") if issparse(parts[0]) else np.concatenate(parts)


def stored(X):
    """The arrays of a file that hold X."""
    if not issparse(X):
        return {"X": X if X.dtype == np.uint8 else X.astype(np.float32)}
    return {
        "data": X.data.astype(np.float32),
        "indices": X.indices.astype(np.int32),
        "indptr": X.indptr.astype(np.int64),
        "shape": np.array(X.shape),
    }


@dataclass(frozen=True)
class Original:
    """A public original: `read()` returns (X, y) of all rows, or of training and of test rows."""

    read: Callable
    shape: tuple  # of X; None for what is not known in advance
    n_classes: int | None = None  # None: a regression
    differs: str = ""  # from the file that the tables were measured on

    def check(self, name, X, y):
        """Say so if this is not the data set that it was."""
        if not all(known in (None, size) for known, size in zip(self.shape, X.shape, strict=True)):
            raise ValueError(f"{name}: the original has shape {X.shape} instead of {self.shape}")
        if self.n_classes and len(np.unique(y)) != self.n_classes:
            found = len(np.unique(y))
            raise ValueError(f"{name}: the original has {found} classes, not {self.n_classes}")


def download(address, member=None):
    """The bytes of a file on the network, unpacked; `member` is that of a zip."""
    with urlopen(address, timeout=TIMEOUT) as response:
        content = response.read()
    if member is not None:
        return ZipFile(BytesIO(content)).read(member)
    return bz2.decompress(content) if address.endswith(".bz2") else content


def numbers(file, member=None, **options):
    """A table of text at UCI, by NumPy's loadtxt and its options."""
    return np.loadtxt(StringIO(download(UCI + file, member).decode()), ndmin=2, **options)


def uci(*files, target=-1, **options):
    """Tables at UCI, a part each, `target` the column of y."""
    tables = [numbers(file, **options) for file in files]
    return [(np.delete(table, target, axis=1), table[:, target]) for table in tables]


def libsvm(*files, n_columns):
    """Sparse rows from the LIBSVM site, a part each file."""
    contents = [BytesIO(download(LIBSVM + file)) for file in files]
    arrays = datasets.load_svmlight_files(contents, n_features=n_columns)
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def openml(data_id, n_train=None):
    """A dense data set of OpenML; its first n_train rows are the training part."""
    X, y = datasets.fetch_openml(data_id=data_id, as_frame=False, return_X_y=True)
    y = np.array([float(str(label).strip("'")) for label in y])  # some labels have quotes
    if n_train is None:
        return [(X, y)]
    return [(X[:n_train], y[:n_train]), (X[n_train:], y[n_train:])]


def tfidf(train, test, **options):
    """Both parts' (texts, labels) with the words of the training part."""
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2, **options)
    return [
        (vectorizer.fit_transform(train[0]), train[1]),
        (vectorizer.transform(test[0]), test[1]),
    ]


def read_a9a():
    return [(X, y > 0) for X, y in libsvm("binary/a9a", "binary/a9a.t", n_columns=123)]


def read_usps():
    parts = libsvm("multiclass/usps.bz2", "multiclass/usps.t.bz2", n_columns=256)
    return [((X.toarray() + 1) / 2, y - 1) for X, y in parts]  # from -1..1 and 1..10


def read_shuttle():
    files = "multiclass/shuttle.scale", "multiclass/shuttle.scale.t"
    return [(X.toarray(), y) for X, y in libsvm(*files, n_columns=9)]


def read_mnist():
    return [(X.astype(np.uint8), y) for X, y in openml(554, n_train=60_000)]


def read_vowel():
    table = numbers("undocumented/connectionist-bench/vowel/vowel-context.data")
    is_test = table[:, 0] == 1  # the next columns are speaker and sex
    return [(rows[:, 3:13], rows[:, 13]) for rows in (table[~is_test], table[is_test])]


def read_magic04():
    is_gamma = {10: lambda letter: float(letter == "g")}
    return uci("magic/magic04.data", delimiter=",", converters=is_gamma, encoding="utf-8")


def read_madelon():
    X, y = (numbers(f"madelon/MADELON/madelon_train.{kind}") for kind in ("data", "labels"))
    return [(X, y.ravel() > 0)]


def read_bike_hour():
    columns = [*range(2, 14), 16]  # without the date, and without casual and registered
    options = {"delimiter": ",", "skiprows": 1, "usecols": columns}
    return uci("00275/Bike-Sharing-Dataset.zip", member="hour.csv", **options)


def read_naval():
    # The compressor's decay is the target; the turbine's, the last column, is left out.
    file, member = "00316/UCI%20CBM%20Dataset.zip", "UCI CBM Dataset/data.txt"
    return uci(file, member=member, usecols=range(17))


def read_pol():
    [(X, y)] = openml(201)
    X = X[:, np.ptp(X, axis=0) > 0]
    return [(X - X.mean(axis=0), y - y.mean())]


def read_elevators():
    [(X, y)] = openml(216)
    return [(X - X.mean(axis=0), np.log(y) - np.log(y).mean())]


def read_california_housing():
    return [datasets.fetch_california_housing(return_X_y=True)]


def read_covtype20k():
    X, y = datasets.fetch_covtype(return_X_y=True)
    return [(X[:20_000], y[:20_000])]


def read_news20():
    parts = (datasets.fetch_20newsgroups(subset=part) for part in ("train", "test"))
    return tfidf(*((part.data, part.target) for part in parts))


def read_clinc150():
    file = json.loads(download(CLINC))  # lists of text and intent; those out of scope are left out
    train = np.random.default_rng(0).permutation(file["train"] + file["val"])
    classes, y_train = np.unique(train[:, 1], return_inverse=True)
    test = np.array(file["test"])
    y_test = np.searchsorted(classes, test[:, 1])
    return tfidf((train[:, 0], y_train), (test[:, 0], y_test), ngram_range=(1, 2))


SHUFFLED, UNCOMPARED = "rows in another order", "the order of its rows was not compared"
ORIGINALS = {
    # Classes, and a test part of their own
    "a9a": Original(read_a9a, (48_842, 123), 2),
    "clinc150_tfidf": Original(
        read_clinc150, (22_500, None), 150, f"{SHUFFLED}; the vocabulary was not compared"
    ),
    "isolet": Original(
        partial(openml, 300, n_train=6238),
        (7797, 617),
        26,
        "the split takes its rows to be in the original order, which was not compared",
    ),
    "mnist": Original(read_mnist, (70_000, 784), 10),
    "news20_bydate_tfidf": Original(
        read_news20, (18_846, None), 20, f"{SHUFFLED}; the vocabulary was not compared"
    ),
    "pendigits": Original(
        partial(uci, "pendigits/pendigits.tra", "pendigits/pendigits.tes", delimiter=","),
        (10_992, 16),
        10,
        SHUFFLED,
    ),
    "satimage": Original(
        partial(uci, "statlog/satimage/sat.trn", "statlog/satimage/sat.tst"), (6435, 36), 6
    ),
    "shuttle": Original(
        read_shuttle,
        (58_000, 9),
        7,
        f"columns scaled to -1..1, which standardising undoes; {UNCOMPARED}",
    ),
    "usps": Original(read_usps, (9298, 256), 10),
    "vowel": Original(read_vowel, (990, 10), 11, SHUFFLED),
    # Classes, one part
    "covtype20k": Original(read_covtype20k, (20_000, 54), 7),
    "madelon_train": Original(read_madelon, (2000, 500), 2),
    "magic04": Original(read_magic04, (19_020, 10), 2),
    "poker_train": Original(
        partial(uci, "poker/poker-hand-training-true.data", delimiter=","),
        (25_010, 10),
        10,
        "two rows more, which were broken in the file",
    ),
    "segment": Original(partial(uci, "statlog/segment/segment.dat"), (2310, 19), 7, SHUFFLED),
    "skin_nonskin": Original(partial(uci, "00229/Skin_NonSkin.txt"), (245_057, 3), 2),
    # Regressions
    "bike_hour": Original(read_bike_hour, (17_379, 12)),
    "california_housing": Original(read_california_housing, (20_640, 8)),
    "concrete": Original(partial(openml, 44959), (1030, 8), None, UNCOMPARED),
    "elevators": Original(read_elevators, (16_599, 18), None, UNCOMPARED),
    "energy": Original(partial(openml, 44960), (768, 8), None, UNCOMPARED),
    "kin8nm": Original(partial(openml, 189), (8192, 8), None, UNCOMPARED),
    "naval": Original(read_naval, (11_934, 16)),
    "pol": Original(read_pol, (15_000, 26), None, UNCOMPARED),
    "protein": Original(
        partial(uci, "00265/CASP.csv", target=0, delimiter=",", skiprows=1), (45_730, 9)
    ),
    "wine_red": Original(
        partial(uci, "wine-quality/winequality-red.csv", delimiter=";", skiprows=1), (1599, 11)
    ),
    "yacht": Original(partial(uci, "00243/yacht_hydrodynamics.data"), (308, 6)),
}
