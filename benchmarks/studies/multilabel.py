"""Rows with several of many labels: precision at 1, 3 and 5, and what it costs.

    OMP_NUM_THREADS=1 python benchmarks/studies/multilabel.py --labels 1000 10000

Documents of `common.extreme.hierarchical_multilabel`, the last tenth to test; or files of the
extreme classification repository, `--files TRAIN TEST`. omikuji (three trees, Parabel), napkinXC
(one tree and three) and PECOS's XR-Linear run at their defaults, in an environment that has them.
Of ours, all settings but the first were chosen on the draw of seed 0; the tables are of seed 1.
Seconds and microseconds are CPU time of one thread; a prediction is that of the five best labels,
of batches where the library takes such, and of omikuji through its C function. PSP@5 counts rare
labels more (Jain et al. 2016).
Tables go to results/multilabel.json.
"""

import argparse
import pickle
import sys
import tempfile
import warnings
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from scipy import sparse

import sklearn_optland
from sklearn_optland.metrics import (
    label_propensities,
    precision_at_k,
    propensity_scored_precision,
)
from sklearn_optland.tree import LOMForestClassifier

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.extreme import hierarchical_multilabel, read_extreme, write_extreme
from common.measure import cpu_seconds, megabytes, quiet
from common.tables import Table, read, write

SEED = 1
ROWS_PER_LABEL, WORDS_PER_LABEL = 6, 3  # fewer labels than 3333 have 20 000 rows, 10 000 words
TOP = 5
COLUMNS = {
    "learner": "",
    "P@1 %": "{:.2f}",
    "P@3 %": "{:.2f}",
    "P@5 %": "{:.2f}",
    "PSP@5 %": "{:.2f}",
    "fit s": "{:.1f}",
    "µs a prediction": "{:.1f}",
    "model MB": "{:.0f}",
}


def simulated(n_labels):
    n_rows, n_words = (
        max(ROWS_PER_LABEL * n_labels, 20_000),
        max(WORDS_PER_LABEL * n_labels, 10_000),
    )
    X, Y = hierarchical_multilabel(n_labels, n_rows, n_words, SEED)
    n_train = n_rows - n_rows // 10
    return X[:n_train], Y[:n_train], X[n_train:], Y[n_train:]


def ours(settings, X, Y, X_test, folder):
    model = LOMForestClassifier(random_state=0, **settings)
    yield lambda: model.fit(X, Y)
    yield lambda: model.predict_top_k(X_test, TOP)
    yield len(pickle.dumps(model)) / 1e6


def with_omikuji(settings, X, Y, X_test, folder):
    import omikuji
    from omikuji import ffi, lib

    path = folder / "train"
    write_extreme(path, X, Y)
    models = []

    def fit():
        hyper_param = omikuji.Model.default_hyper_param()
        models.append(omikuji.Model.train_on_data(str(path), hyper_param, n_threads=1))

    yield fit
    model = models[0]
    model.init_prediction_thread_pool(1)
    indices, values = X_test.indices.astype(np.uint32), X_test.data.astype(np.float32)
    indices_at = int(ffi.cast("uintptr_t", ffi.from_buffer("uint32_t[]", indices)))
    values_at = int(ffi.cast("uintptr_t", ffi.from_buffer("float[]", values)))
    labels, scores = ffi.new("uint32_t[]", TOP), ffi.new("float[]", TOP)
    found = np.zeros((X_test.shape[0], TOP), dtype=np.int32)

    def predict():
        for row, (start, stop) in enumerate(pairwise(X_test.indptr.tolist())):
            first = ffi.cast("uint32_t *", indices_at + 4 * start)
            value = ffi.cast("float *", values_at + 4 * start)
            lib.omikuji_predict(
                model._model_ptr,
                10,
                stop - start,
                first,
                value,
                TOP,
                labels,
                scores,
                model._thread_pool.ptr,
            )  # a beam of 10, the default
            found[row] = list(labels)
        return found

    yield predict
    model.save(str(folder / "model"))
    yield megabytes(folder / "model")


def with_napkinxc(settings, X, Y, X_test, folder):
    from napkinxc.models import PLT

    model = PLT(str(folder), seed=1, threads=1, **settings)
    labels = [labels.tolist() for labels in np.split(Y.indices, Y.indptr[1:-1])]
    X, X_test = sparse.csr_matrix(X), sparse.csr_matrix(X_test)
    yield lambda: model.fit(X, labels)
    model.load()
    yield lambda: model.predict(X_test, top_k=TOP)
    yield megabytes(folder)


def with_pecos(settings, X, Y, X_test, folder):
    from pecos.xmc import Indexer, LabelEmbeddingFactory
    from pecos.xmc.xlinear.model import XLinearModel

    # Version 1.2.8, which wants NumPy 1 and SciPy before 1.14, looks for it where SciPy 1.7 had it.
    sparse.sputils.get_index_dtype = sparse._sputils.get_index_dtype

    X, Y, X_test = (sparse.csr_matrix(part, dtype=np.float32) for part in (X, Y, X_test))
    models = []

    def fit():
        tree = Indexer.gen(LabelEmbeddingFactory.create(Y, X), threads=1)
        models.append(XLinearModel.train(X, Y, C=tree, threads=1))

    yield fit
    yield lambda: models[0].predict(X_test, only_topk=TOP, threads=1)
    models[0].save(str(folder / "model"))
    yield megabytes(folder / "model")


LEARNERS = {
    "LOMForestClassifier": (ours, {"loss": "squared_hinge"}, "sklearn_optland"),
    "LOMForestClassifier, 5 trees, C=0.3, n_bits=27": (
        ours,
        {"loss": "squared_hinge", "n_estimators": 5, "C": 0.3, "n_bits": 27},
        "sklearn_optland",
    ),
    "LOMForestClassifier, C=0.3, n_bits=27, max_iter=5, validation_fraction=0": (
        ours,
        {"loss": "squared_hinge", "C": 0.3, "n_bits": 27, "max_iter": 5, "validation_fraction": 0},
        "sklearn_optland",
    ),
    "LOMForestClassifier, C=1, n_bits=29, beam_width=4, max_iter=5": (
        ours,
        {
            "loss": "squared_hinge",
            "C": 1.0,
            "n_bits": 29,
            "beam_width": 4,
            "max_iter": 5,
        },
        "sklearn_optland",
    ),
    "omikuji": (with_omikuji, {}, "omikuji"),
    "napkinXC PLT": (with_napkinxc, {}, "napkinxc"),
    "napkinXC PLT, 3 trees": (with_napkinxc, {"ensemble": 3}, "napkinxc"),
    "PECOS XR-Linear": (with_pecos, {}, "pecos"),
}


def as_ranking(found, shape):
    """Scores that rank the labels which a learner has returned."""
    if sparse.issparse(found):
        return sparse.csr_array(found)
    sizes = [len(labels) for labels in found]
    columns = np.concatenate([np.asarray(labels, dtype=np.int32) for labels in found])
    places = np.concatenate([np.arange(size, 0.0, -1) for size in sizes])
    return sparse.csr_array((places, columns, np.cumsum([0, *sizes])), shape)


def measured(name, X, Y, X_test, Y_test):
    learner, settings, _ = LEARNERS[name]
    with tempfile.TemporaryDirectory() as folder:
        parts = learner(settings, X, Y, X_test, Path(folder))
        with quiet():
            fit_seconds = cpu_seconds(next(parts))
            predict = next(parts)
            found = predict()
            seconds = cpu_seconds(predict)
            size = next(parts)
    scores = as_ranking(found, Y_test.shape)
    for k in (1, 3, 5):
        yield 100 * precision_at_k(Y_test, scores, k)
    yield 100 * propensity_scored_precision(Y_test, scores, label_propensities(Y), TOP)
    yield from (fit_seconds, 1e6 * seconds / X_test.shape[0], size)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--labels", nargs="*", type=int, default=[1000, 10_000])
    parser.add_argument("--only", nargs="+", default=[""], metavar="START", help="measure learners "
                        "whose names begin so, and keep the other rows")  # fmt: skip
    parser.add_argument("--files", nargs=2, metavar=("TRAIN", "TEST"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    problems = {f"--labels {k}": lambda k=k: simulated(k) for k in arguments.labels}
    if arguments.files:
        files = arguments.files
        problems = {f"--files {' '.join(files)}": lambda: chain(*map(read_extreme, files))}
    for which, load_rows in problems.items():
        command = f"OMP_NUM_THREADS=1 python benchmarks/studies/multilabel.py {which}"
        versions = f"sklearn-optland {sklearn_optland.__version__}, {installed_versions()}"
        today = date.today().isoformat()
        conditions = {"command": command, "date": today, "versions": versions}
        table = Table(COLUMNS, conditions=conditions)
        print(table.head(), flush=True)
        rows = list(load_rows())
        key = Path(which.split()[-1]).stem
        before = {row["learner"]: row for row in getattr(read("multilabel").get(key), "rows", [])}
        for name, (_, _, package) in LEARNERS.items():
            if name.startswith(tuple(arguments.only)) and find_spec(package):
                cells = name, *measured(name, *rows)
                print(table.add(dict(zip(table.columns, cells, strict=True))), flush=True)
            elif name in before:
                table.add(before[name])
        write("multilabel", read("multilabel") | {key: table})


def installed_versions():
    """Those of the other libraries."""
    names = "omikuji", "napkinxc", "libpecos", "numpy", "scipy", "scikit-learn"
    return ", ".join(f"{name} {version(name)}" for name in names if is_installed(name))


def is_installed(name):
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


if __name__ == "__main__":
    main()
