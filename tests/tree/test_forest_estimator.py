"""What a fitted LOMForestClassifier promises."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_sample_weight
from tree.forest_helpers import documents_of_styles, many_classes, sparse_classes

from sklearn_optland.tree import LOMForestClassifier
from sklearn_optland.tree._forest.label_trees import LISTED_CLASSES
from sklearn_optland.tree._forest.training import prototypes
from sklearn_optland.tree._training_rows import hold_out, one_class_each

pytestmark = pytest.mark.kernels


@pytest.mark.parametrize("leaf", ["rerank", "histogram"])
def test_predictions_agree(data_and_model, leaf):
    X, y, model = data_and_model
    if leaf == "histogram":
        model = LOMForestClassifier(leaf="histogram", random_state=0).fit(X, y)
    probabilities, labels = model.predict_proba(X), model.predict(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities >= 0).all()
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], labels)
    top = model.predict_top_k(X, 3)
    assert np.diff(top.indptr).max() <= 3
    row = np.repeat(np.arange(X.shape[0]), np.diff(top.indptr))
    np.testing.assert_allclose(top.data, probabilities[row, top.indices])
    np.testing.assert_array_equal(model.classes_[top.indices[top.indptr[:-1]]], labels)
    scores = model.candidate_scores(X)
    for i in range(0, len(y), 50):  # the best ones among the candidates
        stored = scores.indices[scores.indptr[i] : scores.indptr[i + 1]]
        kept = top.data[top.indptr[i] : top.indptr[i + 1]]
        np.testing.assert_allclose(kept, np.sort(probabilities[i, stored])[::-1][:3])
    np.testing.assert_array_equal(model.classes_[scores.indices[scores.indptr[:-1]]], labels)


def test_dense_and_sparse_input_predict_the_same(data_and_model):
    X, _, model = data_and_model
    other = X.toarray() if sparse.issparse(X) else sparse.csr_array(X)
    np.testing.assert_array_equal(model.predict(X), model.predict(other))
    np.testing.assert_allclose(model.predict_proba(X), model.predict_proba(other), atol=1e-5)


def test_few_sparse_columns_are_fitted_as_dense_ones():
    X, y = many_classes(n_classes=20)
    X[np.abs(X) < 1] = 0
    first = LOMForestClassifier(random_state=0).fit(X, y)
    second = LOMForestClassifier(random_state=0).fit(sparse.csr_array(X), y)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


@pytest.mark.parametrize("leaf", ["rerank", "histogram"])
def test_threads_change_nothing(data_and_model, leaf):
    X, y, _ = data_and_model
    model = LOMForestClassifier(leaf=leaf, max_iter=2, random_state=0).fit(X, y)
    expected = model.predict_proba(X)
    model.set_params(n_jobs=3)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    np.testing.assert_array_equal(model.predict(X), model.classes_[expected.argmax(axis=1)])


def test_a_seed_gives_the_same_bits(data_and_model):
    X, y, model = data_and_model
    again = LOMForestClassifier(**model.get_params()).fit(X, y)
    for part in ("words", "scale", "bias"):
        first, second = (m._arrays["ranking"][part] for m in (model, again))
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(model._arrays["table"], again._arrays["table"])
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))


def test_float32_and_float64_rows_predict_the_same(dense):
    X, _, model = dense
    np.testing.assert_array_equal(model.predict(X), model.predict(X.astype(np.float64)))


def test_units_of_dense_features_do_not_matter(dense):
    X, y, _ = dense
    X = X.astype(np.float64)
    units = 10.0 ** np.arange(-6, 6)
    model = LOMForestClassifier(random_state=0).fit(X, y)
    scaled = LOMForestClassifier(random_state=0).fit(X * units + units, y)
    agreement = np.mean(model.predict(X) == scaled.predict(X * units + units))
    assert agreement > 0.98


def test_candidate_recall_holds_for_new_rows():
    X, y = many_classes(n_classes=200, n_features=8, rows_per_class=60)
    model = LOMForestClassifier(n_estimators=1, beam_width=1, random_state=0).fit(X[::2], y[::2])
    new = model.candidate_scores(X[1::2])
    row = np.repeat(np.arange(new.shape[0]), np.diff(new.indptr))
    recall = np.sum(new.indices == y[1::2][row]) / new.shape[0]
    assert 0.5 < recall < 1  # one leaf of one tree: the measure has something to measure
    # It was measured on 600 rows, here on 6000.
    error = np.sqrt(recall * (1 - recall) * (1 / 600 + 1 / 6000))
    assert abs(model.candidate_recall_ - recall) < 5 * error
    assert model.score(X[1::2], y[1::2]) <= recall


def test_candidate_recall_of_training_rows():
    X, y = many_classes(n_classes=100, n_features=6)
    model = LOMForestClassifier(1, beam_width=1, validation_fraction=0, random_state=0).fit(X, y)
    scores = model.candidate_scores(X)
    row = np.repeat(np.arange(len(y)), np.diff(scores.indptr))
    assert model.candidate_recall_ == pytest.approx(np.sum(scores.indices == y[row]) / len(y))
    assert model.candidate_recall_ < 1
    assert model.validation_errors_ == {}


def test_candidates_do_not_grow_with_the_classes():
    X, y = many_classes(n_classes=500, n_features=20, rows_per_class=6)
    model = LOMForestClassifier(validation_fraction=0, max_iter=1, random_state=0).fit(X, y)
    scores = model.candidate_scores(X)
    assert np.diff(scores.indptr).max() <= 3 * 2 * LISTED_CLASSES
    assert model._arrays["depth"] <= 2.5 * np.log2(500) + 3


def test_forest_is_about_as_good_as_all_classes(dense, global_random_seed):
    X, y, model = dense
    X_new, y_new = many_classes(seed=global_random_seed)
    X_new = X_new + 0.3 * np.random.RandomState(5).standard_normal(X_new.shape)
    every = LogisticRegression(max_iter=300).fit(X, y).score(X_new, y_new)
    assert model.score(X_new, y_new) > every - 0.02


def few_rows(n_rows, k=1000, d=16):
    """Classes around means of their own, a few rows each, and rows to test."""
    rng = np.random.default_rng(0)
    means = 2 * rng.standard_normal((k, d))
    y = np.repeat(np.arange(k), n_rows)
    test = rng.integers(k, size=1000)
    X, X_test = (means[codes] + rng.standard_normal((len(codes), d)) for codes in (y, test))
    return X, y, X_test, test


def test_few_rows_a_class_are_ranked_by_discriminant_analysis():
    X, y, X_test, y_test = few_rows(4)
    model = LOMForestClassifier(n_estimators=2, random_state=0).fit(X, y)
    assert model.loss_ == "discriminant"
    assert model.n_iter_ == 1
    means = X.reshape(-1, 4, 16).mean(axis=1)
    nearest = (2 * X_test @ means.T - (means**2).sum(axis=1)).argmax(axis=1)
    score = model.set_params(beam_width=4).score(X_test, y_test)
    assert score > np.mean(nearest == y_test) - 0.03
    trained = LOMForestClassifier(n_estimators=2, loss="softmax", max_iter=3, random_state=0)
    assert score > trained.fit(X, y).score(X_test, y_test)


def test_more_rows_decide_between_discriminant_and_softmax():
    X, y, *_ = few_rows(20, k=20)
    model = LOMForestClassifier(validation_fraction=0.2, random_state=0).fit(X, y)
    errors = model.validation_errors_
    assert set(errors) == {"softmax, 1", "discriminant, 1"}
    assert errors[f"{model.loss_}, 1"] == min(errors.values())


def test_the_second_loss_has_to_be_clearly_better():
    # Two standard deviations of a difference of n errors are 2 sqrt(n) at least: n is above 4.
    for seed in range(3):
        X, y = sparse_classes(n_classes=20, n_features=100, seed=seed)
        model = LOMForestClassifier(validation_fraction=0.2, max_iter=1, random_state=0).fit(X, y)
        errors = model.validation_errors_
        first = min(errors["squared_hinge, 1"], errors["squared_hinge, 1, scaled"])
        others = errors["discriminant, 1"], errors["softmax, 1"]
        fewer = round(80 * (first - min(others)))
        assert fewer > 4 or model.loss_ == "squared_hinge"


def test_discriminants_of_sparse_rows_are_those_of_their_coordinates(global_random_seed):
    X, y = sparse_classes(n_classes=12, seed=global_random_seed)
    weights = np.random.RandomState(0).uniform(0.5, 2, len(y))
    model = LOMForestClassifier(loss="discriminant", validation_fraction=0, random_state=0)
    scores = model.fit(X, y, weights).candidate_scores(X)
    arrays = model._arrays
    u = X[:, arrays["column_of"] >= 0] @ (arrays["scale"][:, None] * arrays["projection"][:-1])
    u = (u + arrays["projection"][-1])[:, : model._memory["rank"]]
    means = [np.average(u[y == k], axis=0, weights=weights[y == k]) for k in range(12)]
    prior = np.bincount(y, weights) / weights.sum()
    expected = u @ np.transpose(means) - 0.5 * np.sum(np.square(means), axis=1) + np.log(prior)
    row = np.repeat(np.arange(len(y)), np.diff(scores.indptr))
    np.testing.assert_allclose(scores.data, expected[row, scores.indices], rtol=1e-3, atol=1e-2)
    assert not len(arrays["table"])
    assert 0 < model.certificate_.value < np.log(12)


@pytest.mark.parametrize("loss", ["auto", "squared_hinge", "discriminant"])
def test_rows_of_a_class_may_be_the_same(loss):
    y = np.repeat(np.arange(100), 5)
    X = sparse.csr_array(np.eye(100)[y])
    assert LOMForestClassifier(loss=loss, random_state=0).fit(X, y).score(X, y) == 1
    assert LOMForestClassifier(loss=loss, random_state=0).fit(X[::5], y[::5]).score(X, y) == 1


@pytest.mark.filterwarnings("error")
def test_rows_without_values_have_probabilities():
    X, y = sparse.csr_array((600, 80)), np.arange(600) % 5
    found = LOMForestClassifier(random_state=0).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_parts_of_a_value_are_the_value():
    X, y = sparse_classes(n_classes=10)
    parts = sparse.csr_matrix(
        (np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), 2 * X.indptr), X.shape
    )
    models = [LOMForestClassifier(random_state=0).fit(rows, y) for rows in (X, parts)]
    expected, found = (model.predict_proba(X) for model in models)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert parts.nnz == 2 * X.nnz


def test_discriminants_help_scores_of_few_documents(global_random_seed):
    X, y = documents_of_styles(seed=global_random_seed)
    X, X_new, y, y_new = train_test_split(X, y, random_state=0, stratify=y)
    trained = LOMForestClassifier(loss="squared_hinge", max_iter=3, random_state=0)
    model = clone(trained).fit(X, y)
    assert model._memory["factor"] > 0
    alone = trained.set_params(validation_fraction=0).fit(X, y)
    assert model.score(X_new, y_new) > alone.score(X_new, y_new) + 0.3


def test_columns_are_scored_by_their_scales_where_that_is_better(global_random_seed):
    X, y = sparse_classes(rows_per_class=40, seed=global_random_seed)
    units = 10 ** np.random.RandomState(global_random_seed).uniform(-1, 1, X.shape[1])
    X = sparse.csr_array(X @ sparse.diags_array(units))
    X, X_new, y, y_new = train_test_split(X, y, random_state=0, stratify=y)
    trained = LOMForestClassifier(loss="squared_hinge", max_iter=5, random_state=0)
    model = clone(trained).fit(X, y)
    errors = model.validation_errors_
    assert errors["squared_hinge, 1, scaled"] < errors["squared_hinge, 1"]
    assert np.ptp(model._arrays["scale"]) > 0
    alone = trained.set_params(validation_fraction=0).fit(X, y)
    assert model.score(X_new, y_new) > alone.score(X_new, y_new)


def test_prototypes_are_chosen_where_classes_have_clusters():
    X, cluster = make_blobs(1500, centers=30, n_features=5, cluster_std=0.7, random_state=3)
    y = cluster % 5  # six clusters each, far from linear
    model = LOMForestClassifier(random_state=0).fit(X[:1000], y[:1000])
    one = LOMForestClassifier(n_prototypes=1, random_state=0).fit(X[:1000], y[:1000])
    assert model.n_prototypes_ > 1
    assert model.score(X[1000:], y[1000:]) > one.score(X[1000:], y[1000:]) + 0.05
    assert set(model.validation_errors_) >= {"softmax, 1", "softmax, 3"}
    assert model.validation_errors_[f"softmax, {model.n_prototypes_}"] == min(
        model.validation_errors_.values()
    )


def test_prototypes_partition_classes(global_random_seed):
    X, y = many_classes(n_classes=8, seed=global_random_seed)
    X[y == 3] = X[y == 3][0]  # rows that are the same make one cluster
    own, class_of = prototypes(
        X, one_class_each(y, 8), np.ones(len(y)), 3, np.random.RandomState(global_random_seed)
    )
    own = own.indices
    np.testing.assert_array_equal(class_of[own], y)
    np.testing.assert_array_equal(np.unique(own), np.arange(len(class_of)))
    np.testing.assert_array_equal(np.bincount(class_of), [3, 3, 3, 1, 3, 3, 3, 3])


@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=60), st.floats(0, 0.99), st.integers(0, 1000)
)
def test_held_out_rows_leave_every_class_a_row(codes, share, seed):
    codes = np.array(codes)
    Y = one_class_each(codes.astype(np.int32), 9)
    kept, held_out = hold_out(len(codes), share, np.random.RandomState(seed), Y)
    np.testing.assert_array_equal(np.sort(np.r_[kept, held_out]), np.arange(len(codes)))
    assert set(codes[kept]) == set(codes)
    assert len(held_out) <= share * len(codes)


def test_hashed_weights_keep_to_their_bound(csr):
    X, y, exact = csr
    model = LOMForestClassifier(n_bits=11, random_state=0).fit(X, y)
    assert exact._arrays["table"].size == (X.shape[1] + 1) * 40
    assert model._arrays["table"].size == 2**11
    starts = model._arrays["start"]
    assert 0 <= starts.min() <= starts.max() <= 2**11 - 40
    assert model.score(X, y) > 0.8
    tiny = LOMForestClassifier(n_bits=1, random_state=0).fit(X, y)
    assert tiny._arrays["table"].size == 40
    assert np.isfinite(tiny.predict_proba(X)).all()


@pytest.mark.parametrize("leaf", ["rerank", "histogram"])
def test_memory_follows_sparse_data(leaf):
    X, y = sparse_classes(n_classes=10, n_features=100)
    model = LOMForestClassifier(leaf=leaf, max_iter=2, random_state=0).fit(X, y)
    assert len(pickle.dumps(model)) < 1e6  # 2^n_bits weights would be 64 MB


def test_columns_that_no_row_has_cost_nothing(csr):
    X, y, model = csr
    rng = np.random.RandomState(0)
    columns = np.sort(rng.choice(1_000_000, X.shape[1], replace=False)).astype(np.int32)
    shape = X.shape[0], 1_000_000
    wide = sparse.csr_array((X.data, columns[X.indices], X.indptr), shape)
    other = LOMForestClassifier(random_state=0).fit(wide, y)
    np.testing.assert_array_equal(other.predict_proba(wide), model.predict_proba(X))
    assert len(pickle.dumps(other)) < len(pickle.dumps(model)) + 4.1e6
    extra = wide + sparse.csr_array((np.ones(1), ([0], [0])), shape)  # a word that is new
    np.testing.assert_array_equal(other.predict(extra), model.predict(X))


def test_model_has_no_hyperplane_as_long_as_sparse_rows():
    X, y = sparse_classes(n_features=5000)
    arrays = LOMForestClassifier(n_bits=12, random_state=0).fit(X, y)._arrays
    n_bytes = sum(arrays[key].nbytes for key in ("shift", "scale", "projection", "start", "table"))
    n_bytes += arrays["nodes"]["words"].nbytes + arrays["leaf_members"].nbytes
    assert n_bytes < 4 * 2**12 + 320 * 5000 + 100_000


def test_weights_decide_between_equal_rows():
    X = np.repeat(np.eye(4), 60, axis=0)
    y = np.tile(["a", "b"], 120)
    weights = np.where(y == "a", 1.0, 5.0)
    model = LOMForestClassifier(random_state=0)
    assert set(model.fit(X, y, weights).predict(X)) == {"b"}
    assert set(model.fit(X, y, weights[::-1]).predict(X)) == {"a"}


@pytest.mark.parametrize("leaf", ["rerank", "histogram"])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 4.0, 2: 0.0}])
def test_class_weights_are_sample_weights(leaf, class_weight):
    X, y = load_iris(return_X_y=True)
    X, y = X[:120], y[:120]  # the last class has 20 rows
    model = LOMForestClassifier(leaf=leaf, random_state=0)
    expected = clone(model).fit(X, y, sample_weight=compute_sample_weight(class_weight, y))
    weighted = model.set_params(class_weight=class_weight).fit(X, y)
    np.testing.assert_array_equal(weighted.classes_, expected.classes_)
    np.testing.assert_array_equal(weighted.predict(X), expected.predict(X))


def test_rows_without_weight_are_as_if_absent(global_random_seed):
    X, y = many_classes(n_classes=12, seed=global_random_seed)
    weights = np.random.RandomState(0).choice([0.0, 2.0], len(y))
    first = LOMForestClassifier(random_state=0).fit(X, y, weights)
    second = LOMForestClassifier(random_state=0).fit(X[weights > 0], y[weights > 0])
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("exponent", [-30, -100, -200, -323])
def test_a_class_of_next_to_no_weight_can_lie_anywhere(exponent):
    X, y = np.eye(2).repeat(20, axis=0), np.arange(2).repeat(20)  # no variance to measure it by
    model = LOMForestClassifier(random_state=0).fit(X, y, np.where(y, 1.0, 10.0**exponent))
    assert np.isfinite(model.predict_proba(X)).all()
    assert model.score(X[y == 1], y[y == 1]) == 1


@pytest.mark.parametrize("leaf", ["rerank", "histogram"])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_unusual_data(leaf, container, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    X = rng.standard_normal((90, 100)) * (rng.uniform(size=(90, 100)) < 0.1)
    X[:5] = 0  # empty rows
    X[:, 7] = 3.0
    labels = {
        "one class": np.zeros(90, dtype=int),
        "a class a row": np.arange(90) * 11_111,
        "sorted strings": np.repeat(["b", "a", "c"], 30),
        "rare class": np.r_[np.zeros(89), 1],
    }
    for y in labels.values():
        model = LOMForestClassifier(leaf=leaf, max_iter=3, random_state=0).fit(container(X), y)
        assert set(model.predict(container(X))) <= set(y)
        np.testing.assert_allclose(model.predict_proba(container(X)).sum(axis=1), 1)
        assert np.isfinite(model.predict_proba(container(X))).all()
        assert model.score(container(X), np.full(90, y[0])) <= 1
        assert 0 <= model.candidate_recall_ <= 1


def test_unseen_labels_are_wrong(dense):
    X, _, model = dense
    assert model.score(X, np.full(len(X), 10**6)) == 0


@pytest.mark.parametrize("size", [1e-100, 1e-30, 1e15])
def test_values_of_any_size(size, global_random_seed):
    X, y = many_classes(n_classes=10, seed=global_random_seed)
    model = LOMForestClassifier(random_state=0).fit(X * size, y)
    assert model.score(X * size, y) > 0.9
    far = model.predict_proba(np.full((2, X.shape[1]), 1e300) * [[1], [-1]])
    assert np.isfinite(far).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("loss", ["softmax", "squared_hinge"])
@pytest.mark.parametrize("learning_rate", [1e20, 1e300, 10**400])
def test_any_learning_rate_leaves_probabilities(loss, learning_rate):
    X, y = load_iris(return_X_y=True)
    wide = sparse.csr_array(np.hstack([X, np.zeros((150, 100))]))
    settings = {"learning_rate": learning_rate, "max_iter": 3, "random_state": 0}
    for data in (X, wide):
        model = LOMForestClassifier(loss=loss, **settings).fit(data, y)
        largest = clone(model).set_params(learning_rate=1e6).fit(data, y)
        np.testing.assert_array_equal(model.predict_proba(data), largest.predict_proba(data))
        assert np.isfinite(model.predict_proba(data)).all()
        assert 0 < model.certificate_.value < np.inf
    histogram = LOMForestClassifier(leaf="histogram", **settings).fit(X, y)
    assert np.isfinite(histogram.predict_proba(X)).all()


def test_one_huge_value_harms_nothing_else():
    X, y = sparse_classes()
    X[0, 3] = -1e18
    for data in (X, X.toarray()):
        model = LOMForestClassifier(random_state=0).fit(data, y)
        assert np.isfinite(model.predict_proba(data)).all()
    assert np.isfinite(LOMForestClassifier(loss="squared_hinge").fit(X, y).predict_proba(X)).all()


def test_units_of_sparse_rows_do_not_matter(csr):
    X, y, model = csr
    scaled = LOMForestClassifier(random_state=0).fit(X * 1e12, y)
    assert np.mean(model.predict(X) == scaled.predict(X * 1e12)) > 0.98


def test_too_large_values_are_refused():
    X, y = many_classes(n_classes=3)
    X[0, 0] = -1e300
    with pytest.raises(ValueError, match=r"X: found a value of size 1e\+300; allowed is at most"):
        LOMForestClassifier().fit(X, y)


def test_weights_without_a_sum_are_refused():
    X, y = many_classes(n_classes=3)
    with pytest.raises(ValueError, match="sample_weight: found a sum of inf"):
        LOMForestClassifier().fit(X, y, np.full(90, 1e308))
    with pytest.raises(ValueError, match="at least one non-zero"):
        LOMForestClassifier().fit(X, y, np.zeros(90))


@pytest.mark.parametrize("k", [0, -1, 1.5, "all"])
def test_bad_k_is_refused(dense, k):
    with pytest.raises(ValueError, match=r"k: found .* allowed is an integer of at least 1"):
        dense[2].predict_top_k(dense[0], k)


def test_histogram_is_the_mean_of_its_trees(dense):
    X, y, _ = dense
    model = LOMForestClassifier(4, leaf="histogram", max_iter=3, random_state=0).fit(X, y)
    trees = [tree.predict_proba(X) for tree in model.estimators_]
    np.testing.assert_allclose(model.predict_proba(X), np.mean(trees, axis=0), atol=1e-12)
    assert len({tree.random_state for tree in model.estimators_}) == 4
    assert model.n_iter_ == len(model.history_["objective"]) == 4
    relative = [tree.certificate_.relative for tree in model.estimators_]
    assert model.certificate_.relative == np.mean(relative)
    assert model.certificate_.value == np.mean([tree.leaf_entropy_ for tree in model.estimators_])


def test_loss_falls_and_is_certified(data_and_model):
    _, _, model = data_and_model
    objective = model.history_["objective"]
    assert len(objective) == model.n_iter_ == model.max_iter
    assert objective[-1] < 0.5 * objective[0]
    assert model.certificate_.scope == "estimate"
    assert model.certificate_.value == objective[-1]
    assert model.certificate_.relative == objective[-1] / objective[0]
    assert model.certificate_.reached is None
