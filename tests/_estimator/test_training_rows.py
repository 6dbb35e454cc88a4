"""Plain arrays take a short way through the door, which lets in what the long one does."""

import gc
import weakref

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.validation import validate_data

from sklearn_optland._estimator.training_rows import FLOATS, regression_rows
from sklearn_optland.linear_model import FiniteSumClassifier, FiniteSumRegressor


def arrays(dtype=np.float64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, 3)).astype(dtype), rng.normal(size=30)


def changed(array, value):
    array = array.copy()
    array.flat[-1] = value
    return array


X, y = arrays()
REFUSED = {
    "NaN in X": (changed(X, np.nan), y),
    "infinity in X": (changed(X, np.inf), y),
    "both infinities": (changed(changed(X, np.inf)[::-1].copy(), -np.inf), y),
    "NaN in y": (X, changed(y, np.nan)),
    "infinity in y": (X, changed(y, -np.inf)),
    "lengths": (X, y[:-1]),
    "no rows": (X[:0], y[:0]),
    "no columns": (X[:, :0], y),
    "one dimension": (X[:, 0].copy(), y),
    "complex": (X + 1j, y),
    "no targets": (X, None),
}


def refusal(validate, *arguments, **settings):
    """What a ValueError says, None without one."""
    try:
        validate(*arguments, **settings)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("case", REFUSED)
def test_what_scikit_learn_refuses_is_refused_in_its_words(case):
    settings = {"accept_sparse": "csr", "dtype": FLOATS, "y_numeric": True}
    theirs = refusal(validate_data, FiniteSumRegressor(), *REFUSED[case], **settings)
    ours = refusal(regression_rows, FiniteSumRegressor(), *REFUSED[case], None, accept_sparse=True)
    assert ours == theirs is not None


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("scale", [1.0, 1e300])
def test_rows_are_those_of_scikit_learn(dtype, scale):
    X, y = arrays()
    X, y = X.astype(dtype), scale * np.abs(y) / np.abs(y).max()  # of which the sum overflows
    own, theirs = FiniteSumRegressor(), FiniteSumRegressor()
    rows = regression_rows(own, X, y, None, accept_sparse=True)
    expected = validate_data(theirs, X, y, accept_sparse="csr", dtype=FLOATS, y_numeric=True)
    for ours, other in zip((rows.X, rows.y), expected, strict=True):
        np.testing.assert_array_equal(ours, other)
        assert ours.dtype == other.dtype
    assert own.n_features_in_ == theirs.n_features_in_ == 3


def test_names_of_an_earlier_fit_are_forgotten():
    pandas = pytest.importorskip("pandas")
    X, y = arrays()
    model = FiniteSumRegressor().fit(pandas.DataFrame(X, columns=list("abc")), y)
    assert list(model.feature_names_in_) == list("abc")
    model.fit(X, y)
    assert not hasattr(model, "feature_names_in_")


def test_parameters_of_a_subclass_are_checked_by_its_own_constraints():
    class Positive(FiniteSumRegressor):
        _parameter_constraints = {**FiniteSumRegressor._parameter_constraints, "alpha": ["boolean"]}

    X, y = arrays()
    FiniteSumRegressor(alpha=0.1).fit(X, y)
    with pytest.raises(ValueError, match="'alpha' parameter of Positive"):
        Positive(alpha=0.1).fit(X, y)


@pytest.mark.parametrize(
    "model",
    [
        FiniteSumRegressor(alpha=0.1, l1_ratio=1.0),
        FiniteSumRegressor("huber", alpha=0.1),
        FiniteSumClassifier("hinge", alpha=0.1),
    ],
)
def test_a_fit_leaves_no_cycle_that_keeps_the_data(model):
    X, y = arrays()
    targets = y > 0 if isinstance(model, FiniteSumClassifier) else y
    gc.disable()
    try:
        known = weakref.ref(X)
        clone(model).fit(X, targets)
        del X
        assert known() is None
    finally:
        gc.enable()
