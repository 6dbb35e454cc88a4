"""Both forms of input, and errors that name the sequence."""

import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_optland.metrics import sequence_accuracy_scorer
from sklearn_optland.structured import ChainCRFClassifier, Sequences

LENGTHS = [3, 1, 4, 2, 5, 2]


def make_lists(seed=0):
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(n, 3)) for n in LENGTHS]
    y = [np.array(list("ab"))[(part.sum(axis=1) > 0).astype(int)] for part in X]
    return X, y


X, Y = make_lists()
ROWS, LABELS = np.concatenate(X), np.concatenate(Y)


@pytest.mark.parametrize(
    ("sequences", "labels"),
    [
        (X, Y),
        (tuple(X), [part.tolist() for part in Y]),
        ([part.tolist() for part in X], Y),
        ([sparse.csr_array(part) for part in X], Y),
        ([sparse.coo_matrix(part) for part in X], tuple(map(tuple, Y))),
        ((part for part in X), (part for part in Y)),
        ([iter(part) for part in X], [iter(part) for part in Y]),
        (np.array([*X, None], dtype=object)[:-1], np.array([*Y, None], dtype=object)[:-1]),
    ],
    ids=["arrays", "tuple", "lists", "csr", "coo", "generators", "iterators", "object array"],
)
def test_lists_are_rows_with_lengths(sequences, labels):
    model = ChainCRFClassifier().fit(sequences, labels)
    expected = ChainCRFClassifier().fit(ROWS, LABELS, lengths=LENGTHS)
    assert_array_equal(model.coef_, expected.coef_)
    predicted, whole = model.predict(X), expected.predict(ROWS, LENGTHS)
    assert [len(part) for part in predicted] == LENGTHS
    assert_array_equal(np.concatenate(predicted), whole)
    assert_array_equal(
        np.concatenate(model.predict_marginals(X)), expected.predict_proba(ROWS, LENGTHS)
    )
    assert_array_equal(
        model.sequence_log_proba(X, Y), expected.sequence_log_proba(ROWS, LABELS, LENGTHS)
    )
    assert model.score(X, Y) == expected.score(ROWS, LABELS, LENGTHS) == np.mean(whole == LABELS)
    draws = model.sample(X, n_samples=2, random_state=0)
    assert_array_equal(
        np.concatenate(draws, axis=1), expected.sample(ROWS, LENGTHS, 2, random_state=0)
    )


@pytest.mark.parametrize("value", [1.0, 0.1])
def test_sparse_lists_keep_the_type_of_parameters(value):
    """Ones are held in float32 in a fit, which changes nothing; 0.1 would not be the same."""
    parts = [value * (part > 0) for part in X]
    model = ChainCRFClassifier().fit(list(map(sparse.csr_array, parts)), Y)
    assert model.coef_.dtype == np.float64
    assert_array_equal(model.coef_, ChainCRFClassifier().fit(parts, Y).coef_)
    single = [sparse.csr_array(part.astype(np.float32)) for part in parts]
    assert ChainCRFClassifier().fit(single, Y).coef_.dtype == np.float32


def test_score_has_the_weights_of_sequences():
    model = ChainCRFClassifier(1e-3).fit(X, Y)
    weights = np.arange(1.0, 7.0)
    hits = [np.sum(model.predict([part])[0] == labels) for part, labels in zip(X, Y, strict=True)]
    expected = weights @ hits / (weights @ LENGTHS)
    assert model.score(X, Y, sample_weight=weights) == pytest.approx(expected)


@pytest.mark.parametrize("cv", [3, KFold(3)])
def test_cross_validation_splits_sequences(cv):
    model = ChainCRFClassifier()
    scores = cross_val_score(model, X, Y, cv=cv)
    assert len(scores) == 3
    train, test = next(KFold(3).split(X))
    model.fit([X[i] for i in train], [Y[i] for i in train])
    assert scores[0] == model.score([X[i] for i in test], [Y[i] for i in test])
    search = GridSearchCV(model, {"C": [1e-3, 1.0]}, cv=cv).fit(X, Y)
    assert search.predict(X[:1])[0].shape == (3,)


def test_lists_of_lists_need_a_splitter_of_their_own():
    lists = [part.tolist() for part in Y]
    assert len(cross_val_score(ChainCRFClassifier(), X, lists, cv=KFold(3))) == 3


def test_lengths_are_metadata():
    with config_context(enable_metadata_routing=True):
        model = ChainCRFClassifier().set_fit_request(lengths=True).set_predict_request(lengths=True)
        pipeline = make_pipeline(StandardScaler(), model).fit(ROWS, LABELS, lengths=LENGTHS)
        labels = pipeline.predict(ROWS, lengths=LENGTHS)
    own = ChainCRFClassifier().fit(StandardScaler().fit_transform(ROWS), LABELS, LENGTHS)
    assert_array_equal(pipeline[-1].coef_, own.coef_)
    assert_array_equal(labels, own.predict(StandardScaler().fit_transform(ROWS), LENGTHS))


def test_rows_alone_are_sequences():
    model = ChainCRFClassifier().fit(ROWS, LABELS)
    assert not model.transition_.any()
    expected = ChainCRFClassifier().fit(ROWS, LABELS, lengths=[1] * len(ROWS))
    assert_array_equal(model.coef_, expected.coef_)
    assert cross_val_predict(model, ROWS, LABELS).shape == LABELS.shape


def with_nan(as_type=np.asarray):
    bad = [part.copy() for part in X]
    bad[4][3, 1] = np.nan
    return [as_type(part) for part in bad]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (([], []), "X: found an empty list"),
        ((Sequences(ROWS, LENGTHS)[:0], []), "X: found an empty list"),
        (([*X[:2], np.empty((0, 3))], Y[:3]), "X: sequence 2 is empty"),
        (([*X[:2], X[2][:, :2]], Y[:3]), "X: found 2 columns in sequence 2"),
        (([*X[:2], X[2][0]], Y[:3]), "shape (3,)"),
        ((X, Y[:3]), "y: found labels of 3 sequences; X has 6"),
        ((X, [*Y[:5], Y[0]]), "y: found 3 labels for sequence 5; it has 2 tokens"),
        ((X, [*Y[:5], "ab"]), "sequence 5"),
        ((with_nan(), Y), "X: found NaN or infinity in sequence 4"),
        ((with_nan(sparse.csr_array), Y), "X: found NaN or infinity in sequence 4"),
        ((np.concatenate(with_nan()), LABELS, LENGTHS), "X: found NaN or infinity in sequence 4"),
        ((X, [["a"] * n for n in LENGTHS]), "y: found the one class 'a'"),
        ((X, Y, LENGTHS), "lengths: found some for a list of sequences"),
        ((ROWS, LABELS, [3, 0, 14]), "lengths: found 0 for sequence 1"),
        ((ROWS, LABELS, [3, -2, 16]), "lengths: found -2 for sequence 1"),
        (
            (ROWS, LABELS, [3, 4]),
            "lengths: found a sum of 7; allowed is the number of rows of X, 17",
        ),
        ((ROWS, LABELS, [3.0, 14.0]), "lengths: found the shape (2,) and type float64"),
        ((ROWS, LABELS[:5], LENGTHS), "inconsistent numbers of samples"),
        ((1e200 * ROWS, LABELS, LENGTHS), "X: found a value of size"),
        ((X, None), "requires y to be passed"),
        ((X, [["a", None, "b"], *Y[1:]]), "y: found None and texts in sequence 0"),
        ((X, [*Y[:2], ["a", 1, "b", "b"], *Y[3:]]), "y: found numbers and texts in sequence 2"),
        ((X, [*Y[:1], [1], *Y[2:]]), "y: found numbers and texts in sequence 1"),
    ],
)
def test_bad_data(data, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ChainCRFClassifier().fit(*data)


def test_bad_weights():
    with pytest.raises(ValueError, match=r"sample_weight.*\(2,\)"):
        ChainCRFClassifier().fit(X, Y, sample_weight=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"at least one non-zero|positive, finite"):
        ChainCRFClassifier().fit(X, Y, sample_weight=np.zeros(6))
    with pytest.raises(ValueError, match="1e\\+30"):
        ChainCRFClassifier().fit(X, Y, sample_weight=np.full(6, 1e40))
    with pytest.raises(ValueError, match="class_weight"):
        ChainCRFClassifier(class_weight={"z": 1.0}).fit(X, Y)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"sample_weight.shape == \(2,\), expected \(6,\)"),
        (np.full(6, -1.0), "Negative values"),
        (np.full(6, np.nan), "NaN"),
        (np.zeros(6), "at least one non-zero"),
    ],
)
def test_bad_weights_of_scores(weights, message):
    with pytest.raises(ValueError, match=message):
        ChainCRFClassifier().fit(X, Y).score(X, Y, sample_weight=weights)


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, "a"])
def test_bad_number_of_draws(n_samples):
    with pytest.raises(ValueError, match="n_samples: found"):
        ChainCRFClassifier().fit(X, Y).sample(X, n_samples=n_samples)


def test_lists_of_labels_for_rows():
    model = ChainCRFClassifier().fit(ROWS, Y, lengths=LENGTHS)
    assert_array_equal(model.coef_, ChainCRFClassifier().fit(X, Y).coef_)
    assert model.score(ROWS, Y, LENGTHS) == model.score(X, Y)
    with pytest.raises(ValueError, match="y: found 2 labels for sequence 0"):
        ChainCRFClassifier().fit(ROWS, [Y[0][:2], *Y[1:]], lengths=LENGTHS)


@pytest.mark.parametrize("as_tokens", [list, np.array])
def test_words_in_place_of_tokens(as_tokens):
    sentence = as_tokens(["the", "dog"])
    with pytest.raises(ValueError, match=r"X\[0\]: found the word 'the' .* {'word': 'the'}"):
        ChainCRFClassifier().fit([sentence], [["D", "N"]])
    with pytest.raises(ValueError, match="Expected 2D array"):
        ChainCRFClassifier().fit([np.array(1.0), np.array(2.0)], ["D", "N"])


def test_lists_of_data_frames():
    pandas = pytest.importorskip("pandas")
    frames = [pandas.DataFrame(part, columns=list("uvw")) for part in X]
    model = ChainCRFClassifier().fit(frames, Y)
    assert_array_equal(model.coef_, ChainCRFClassifier().fit(X, Y).coef_)
    assert model.feature_names_in_.tolist() == list("uvw")
    assert model.score(frames, Y) == model.score(pandas.concat(frames), Y, LENGTHS)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict([frame[["w", "u", "v"]] for frame in frames])
    with pytest.raises(ValueError, match=r"X: found the columns \['w', 'u', 'v'\] in sequence 1"):
        model.fit([frames[0], frames[1][["w", "u", "v"]], *frames[2:]], Y)


def own_score(model, X, y, **metadata):
    return model.score(X, y, **metadata)


@pytest.mark.usefixtures("callbacks")
@pytest.mark.parametrize("weights", [None, np.arange(1.0, 7.0)])
@pytest.mark.parametrize(
    ("scorer", "data"),
    [
        (own_score, (X, Y)),
        (sequence_accuracy_scorer, (X, [part.tolist() for part in Y])),
        (own_score, (ROWS, LABELS, LENGTHS)),
    ],
)
def test_callbacks_score_the_data_in_their_form(scorer, data, weights):
    class Monitor:
        def setup(self, estimator, context):
            self.scores = []

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **data):
            pass

        def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
            self.scores.append(scorer(fitted_estimator, X, y, **metadata))

    monitor = Monitor()
    model = ChainCRFClassifier(tol=1e-6).set_callbacks(monitor)
    model.fit(*data, sample_weight=weights)
    assert len(monitor.scores) == model.n_iter_ + 1
    metadata = {"lengths": LENGTHS} if len(data) == 3 else {}
    assert monitor.scores[-1] == scorer(model, *data[:2], sample_weight=weights, **metadata)


def test_unseen_labels():
    model = ChainCRFClassifier().fit(X, Y)
    objects = [np.array(part, dtype=object) for part in [Y[0], ["q"], *Y[2:]]]
    with pytest.raises(ValueError, match="y: found the label 'q' in sequence 1"):
        model.sequence_log_proba(X, objects)
    with pytest.raises(ValueError, match="y: found the label 'q' in sequence 1"):
        model.sequence_log_proba(X, [Y[0], ["q"], *Y[2:]])
    known = model.score(X, Y)
    assert model.score(X, [Y[0], ["q"], *Y[2:]]) in (known, pytest.approx(known - 1 / 17))
    with pytest.raises(ValueError, match="y: found labels of 2 sequences"):
        model.score(X, Y[:2])
    with pytest.raises(ValueError, match="y: found the shape"):
        model.sequence_log_proba(ROWS, LABELS[:3], LENGTHS)


def test_a_failed_fit_leaves_the_model_as_it_was():
    model = ChainCRFClassifier().fit(X, Y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="sequence 4"):
        model.fit(with_nan(), Y)
    for old, new in zip(before, model.predict(X), strict=True):
        assert_array_equal(old, new)
