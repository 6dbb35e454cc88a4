"""The chain CRF on bags and blocks of sequences: the coefficients of a fit in memory."""

import dask.bag as db
import numpy as np
import pytest
from scale_out.data import refused
from scipy.sparse import csr_array

from sklearn_optland.structured import ChainCRFClassifier, DictSequenceVectorizer, Sequences
from sklearn_optland.utils import RowBlocks

# Sequences of the partitions.
PARTITIONS = {"one": (60,), "three": (5, 34, 21), "seven": (1, 20, 0, 9, 10, 8, 12)}
FITTED = "coef_", "transition_", "start_", "end_"


def sequences(seed, n=60, d=4):
    """Sequences, labels that depend on the label before, and weights of which some are zero."""
    rng = np.random.RandomState(seed)
    X, y = [], []
    for length in rng.randint(1, 7, n):
        rows = rng.randn(length, d)
        rows[rng.rand(length, d) < 0.3] = 0.0
        scores = rows[:, :3] + rng.gumbel(size=(length, 3))
        scores[1:, 0] += scores[:-1, 1]
        X.append(rows)
        y.append([f"label {code}" for code in scores.argmax(axis=1)])
    w = rng.rand(n) + 0.5
    w[::11] = 0.0
    return X, y, w


def parts_of(items, sizes):
    bounds = np.cumsum([0, *sizes])
    return [items[bounds[i] : bounds[i + 1]] for i in range(len(sizes))]


def bag_of(items, sizes):
    """A bag with these partitions, of which some may be empty."""
    from dask import delayed

    return db.from_delayed([delayed(list)(part) for part in parts_of(items, sizes)])


def check_same(found, expected, rtol=1e-8):
    np.testing.assert_array_equal(found.classes_, expected.classes_)
    for name in FITTED:
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(one, other, rtol=0, atol=rtol * np.abs(expected.coef_).max())
    assert found.certificate_.scope == "global"


@pytest.mark.parametrize("sizes", PARTITIONS.values(), ids=PARTITIONS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"states": "observed", "class_weight": "balanced"},
        {"boundary": False, "class_weight": {"label 0": 2.0}},
    ],
    ids=["plain", "observed, balanced", "without ends"],
)
def test_bags_give_what_lists_give(settings, sizes, global_random_seed):
    X, y, w = sequences(global_random_seed)
    lbfgs = ChainCRFClassifier(solver="lbfgs", tol=1e-12, **settings)
    expected = lbfgs.fit(X, y, sample_weight=w)
    bags = [bag_of(part, sizes) for part in (X, y, w.tolist())]
    model = ChainCRFClassifier(solver="auto", tol=1e-12, **settings)
    found = model.fit(*bags[:2], sample_weight=bags[2])
    check_same(found, expected)
    assert found.solver_ == "lbfgs"
    assert found.certificate_.reached


def test_certificate_bounds_the_distance_to_the_optimum():
    X, y, _ = sequences(0)
    sizes = PARTITIONS["three"]
    found = ChainCRFClassifier(tol=1e-2).fit(bag_of(X, sizes), bag_of(y, sizes))
    least = ChainCRFClassifier(tol=1e-12, solver="lbfgs").fit(X, y).history_["objective"][-1]
    excess = found.history_["objective"][-1] - least
    assert 0 <= excess <= found.certificate_.value


@pytest.mark.parametrize("kind", ["lists", "CSR", "functions", "Sequences"])
def test_blocks_of_sequences(kind):
    X, y, _ = sequences(1)
    expected = ChainCRFClassifier(solver="lbfgs", tol=1e-12).fit(X, y)
    sizes = PARTITIONS["three"]
    blocks, labels = parts_of(X, sizes), RowBlocks(parts_of(y, sizes))
    if kind == "CSR":
        blocks = [[csr_array(rows) for rows in part] for part in blocks]
    elif kind == "functions":
        blocks = [lambda part=part: part for part in blocks]
    elif kind == "Sequences":
        blocks = [Sequences(np.concatenate(part), [len(rows) for rows in part]) for part in blocks]
    check_same(ChainCRFClassifier(tol=1e-12).fit(RowBlocks(blocks), labels), expected)


def test_dicts_of_features_by_a_vectorizer():
    X = [[{"word": "a"}, {"word": "b"}], [{"word": "b"}], [{"word": "a"}, {"word": "a"}]] * 4
    y = [["A", "B"], ["B"], ["A", "A"]] * 4
    bags = bag_of(X, (5, 7)), bag_of(y, (5, 7))
    refused("Partition [01]: X: found tokens with names", *bags, model=ChainCRFClassifier())
    vectorizer = DictSequenceVectorizer().fit(X)
    rows = bags[0].map_partitions(vectorizer.transform)
    found = ChainCRFClassifier(tol=1e-12).fit(rows, bags[1])
    check_same(found, ChainCRFClassifier(tol=1e-12, solver="lbfgs").fit(X, y))
    labels = rows.map_partitions(found.predict).compute(scheduler="threads")
    np.testing.assert_array_equal(np.concatenate(labels), np.concatenate(y))


def test_errors_name_the_partition():
    X, y, _ = sequences(2)
    sizes, model = PARTITIONS["three"], ChainCRFClassifier()
    labels = bag_of(y, sizes)

    def changed(items, i, item):
        return bag_of([*items[:i], item, *items[i + 1 :]], sizes)

    bad = X[40].copy()
    bad[0, 1] = np.nan
    refused("Partition 2: X: found NaN or infinity in sequence 1", changed(X, 40, bad), labels,
            model=model)  # fmt: skip
    refused("Partition 0: y: found 9 labels for sequence 3",
            bag_of(X, sizes), changed(y, 3, ["label 0"] * 9), model=model)  # fmt: skip
    numbers = bag_of([[1] * len(labels) for labels in y[:5]] + y[5:], sizes)
    refused("y: found numbers in partition 0 and texts in", bag_of(X, sizes), numbers, model=model)
    refused("y: found 7 partitions; allowed are 3", bag_of(X, sizes),
            bag_of(y, PARTITIONS["seven"]), model=model)  # fmt: skip
    refused("y: found list", bag_of(X, sizes), y, model=model)
    refused("solver: found 'sdca'.*allowed are", bag_of(X, sizes), labels,
            model=ChainCRFClassifier(solver="sdca"))  # fmt: skip
    refused("lengths: found some", bag_of(X, sizes), labels, [1] * 60, model=model)
