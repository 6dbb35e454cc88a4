"""What users of sklearn-crfsuite have reported there does not happen here."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from sklearn_optland.structured import ChainCRFClassifier

X = [np.eye(3), np.eye(3)[:2]]
Y = [["a", "b", "a"], ["a", "b"]]


def test_clone_repr_and_parameters():
    """Its `repr`, `clone` and `get_params` fail since scikit-learn 0.24."""
    model = ChainCRFClassifier(2.0, states="observed", class_weight={"a": 2.0}).fit(X, Y)
    text = "ChainCRFClassifier(C=2.0, class_weight={'a': 2.0}, states='observed')"
    assert repr(model) == repr(clone(model)) == text
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model), "coef_")


def test_no_files(tmp_path, monkeypatch):
    """Its models are temporary files, and pickles of them go astray."""
    monkeypatch.chdir(tmp_path)
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    model = ChainCRFClassifier().fit(X, Y)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict(X)[0], model.predict(X)[0])
    assert list(tmp_path.iterdir()) == []


def test_a_generator_that_has_been_read_is_named():
    """A second use of it is an error, and leaves the model as it was."""
    sequences, labels = (x for x in X), (y for y in Y)
    model = ChainCRFClassifier().fit(sequences, labels)
    message = "X: found an empty list, or an iterator that has been read"
    with pytest.raises(ValueError, match=message):
        model.fit(sequences, Y)
    with pytest.raises(ValueError, match=message):
        model.predict(sequences)
    with pytest.raises(ValueError, match="y: found labels of 0 sequences; X has 2"):
        model.fit(X, labels)
    assert len(model.predict(X)) == 2
