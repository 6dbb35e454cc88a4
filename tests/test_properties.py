"""Any data, on every estimator: a fit ends with finite numbers, or with an error that helps."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import get_tags
from sklearn.utils._testing import set_random_state

from sklearn_optland.utils.discovery import all_estimators

ORDINARY = st.floats(-3, 3) | st.integers(-2, 2).map(float)
# Their squares, products, sums or inverses leave the range of floats.
EXTREME = st.sampled_from([1e300, -1e300, 1e150, -1e18, 1e-20, 1e-160, -5e-324])
NOT_FINITE = st.sampled_from([np.nan, np.inf, -np.inf])
VALUES = st.sampled_from([ORDINARY, ORDINARY | EXTREME, ORDINARY | EXTREME | NOT_FINITE])
NAMES = r"\b(X|y|sample_weight|Sample weights|class|classes|n_splits)\b"
WEIGHTS = st.sampled_from([st.just(0.0) | st.floats(0, 9), EXTREME | st.just(1.0), NOT_FINITE])


@st.composite
def training_data(draw, labels, storages):
    """X, y and sample_weight: sound data, odd data, and what is none."""
    n, d = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    X = draw(arrays(float, (n, d), elements=draw(VALUES)))
    with np.errstate(over="ignore"):
        X = X.astype(draw(st.sampled_from(["float32", "float64"])))
    y = draw(
        arrays(int, n, elements=st.integers(0, 3))
        if labels
        else arrays(float, n, elements=draw(VALUES))
    )
    weight = draw(st.none() | arrays(float, n, elements=draw(WEIGHTS)))
    return draw(st.sampled_from(storages))(X), y, weight


@pytest.mark.parametrize(
    "Estimator", [cls for _, cls in all_estimators(["classifier", "regressor"])]
)
@settings.get_profile("fits")
@given(data=st.data())
def test_any_data_give_finite_numbers_or_a_helpful_error(Estimator, data):
    model = Estimator(max_iter=5)
    set_random_state(model)
    storages = [np.asarray]
    if get_tags(model).input_tags.sparse:
        storages += [sparse.csr_array, sparse.csc_matrix]
    X, y, weight = data.draw(training_data(is_classifier(model), storages))
    is_finite = all(
        np.isfinite(values.data if sparse.issparse(values) else values).all()
        for values in (X, y, weight)
        if values is not None
    )
    with warnings.catch_warnings():
        # scikit-learn's validation warns of infinity before it refuses it.
        warnings.simplefilter("error" if is_finite else "ignore")
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Of stratified folds, where a class is smaller than their number.
        warnings.filterwarnings("ignore", "The least populated class")
        try:
            model.fit(X, y, sample_weight=weight)
        except ValueError as error:
            assert re.search(NAMES, str(error)), error  # noqa: PT017, it may or may not raise
            return
        predicted = model.predict(X if weight is None else X[weight > 0])
    assert is_finite
    if is_classifier(model):
        assert set(predicted) <= set(y)
    else:
        assert np.isfinite(predicted).all()
    assert model.certificate_.value >= 0  # not NaN
