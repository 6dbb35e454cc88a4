"""L-BFGS on growing batches of the sequences."""

import numpy as np
import pytest
from helpers import assert_close
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from structured.brute import brute_objective, optimum, random_sequences

from sklearn_optland.structured import ChainCRFClassifier
from sklearn_optland.structured._chain.lbfgs import LBFGS
from sklearn_optland.structured._chain.problem import ChainProblem

N_SEQUENCES, K, D = 80, 3, 3
ON_BATCHES = 2 * LBFGS.BATCH_STEPS  # of a sixteenth and of a quarter


@pytest.fixture(autouse=True)
def batches_of_few(monkeypatch):
    monkeypatch.setattr(LBFGS, "LEAST_TOKENS", 100)


def make_data(seed=0):
    rng = np.random.default_rng(seed)
    X, starts, codes, _ = random_sequences(rng, n_sequences=N_SEQUENCES, longest=5, k=K, d=D)
    return X, starts, codes, np.diff(starts)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("only_observed", [False, True])
def test_a_batch_is_its_sequences_weighted_up(storage, only_observed):
    X, starts, codes, lengths = make_data()
    rng = np.random.default_rng(1)
    X *= rng.random(X.shape) < 0.2
    c, index = rng.uniform(0.1, 2.0, N_SEQUENCES), np.array([3, 4, 17, 60])
    kinds = {"has_ends": True, "only_observed": only_observed}
    problem = ChainProblem(storage(X), starts, codes, c, K, **kinds)
    theta = problem.zeros()
    theta[:, :K] = rng.normal(size=(D + K + 2, K))
    if only_observed:
        theta *= problem.has
    value, gradient = problem.restrict(index).evaluate(theta)
    rows = np.concatenate([np.arange(*starts[i : i + 2]) for i in index])
    part = X[rows], np.append(0, np.cumsum(lengths[index])), codes[rows], 20 * c[index]
    expected = brute_objective(theta[:, :K], *part, K, True)
    assert_allclose(value, expected[0], rtol=1e-12)
    has = problem.has[:, :K] if only_observed else 1
    assert_close(gradient[:, :K], expected[1] * has + theta[:, :K] * (1 - has), rtol=1e-11)


@pytest.mark.parametrize("C", [0.1, 10.0])
def test_the_end_is_the_optimum_of_all_sequences(C):
    X, starts, codes, lengths = make_data()
    model = ChainCRFClassifier(C, solver="lbfgs", tol=1e-9).fit(X, codes, lengths=lengths)
    best = optimum(X, starts, codes, np.full(N_SEQUENCES, C), K, True)[0]
    history = model.history_
    assert np.isnan(history["certificate"][:ON_BATCHES]).all()
    assert np.isfinite(history["certificate"][ON_BATCHES:]).all()
    assert (np.diff(history["passes"]) > 0).all()
    assert history["passes"][ON_BATCHES - 1] < 0.5 * ON_BATCHES
    assert model.certificate_.reached
    assert -1e-12 * best <= history["objective"][-1] - best <= model.certificate_.value
    assert (history["lower_bound"] <= best).all()


@pytest.mark.parametrize("max_iter", [1, ON_BATCHES, ON_BATCHES + 1])
def test_the_certificate_of_a_fit_that_ends_on_a_batch_is_of_all_sequences(max_iter):
    X, starts, codes, lengths = make_data()
    model = ChainCRFClassifier(solver="lbfgs", tol=1e-12, max_iter=max_iter)
    with pytest.warns(ConvergenceWarning, match="stopped after"):
        model.fit(X, codes, lengths=lengths)
    theta = np.vstack([model.coef_.T, model.transition_, model.start_, model.end_])
    c = np.ones(N_SEQUENCES)
    value = brute_objective(theta, X, starts, codes, c, K, True)[0]
    assert_allclose(model.history_["objective"][-1], value, rtol=1e-12)
    assert value - optimum(X, starts, codes, c, K, True)[0] <= model.certificate_.value


def test_the_draws_of_batches_are_fixed_by_the_random_state():
    X, _, codes, lengths = make_data()
    first, again, other = (
        ChainCRFClassifier(solver="lbfgs", random_state=seed).fit(X, codes, lengths=lengths).coef_
        for seed in (0, None, 1)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_warm_start_and_many_columns_take_no_batches():
    X, _, codes, lengths = make_data()
    model = ChainCRFClassifier(solver="lbfgs", warm_start=True).fit(X, codes, lengths=lengths)
    model.set_params(C=2.0).fit(X, codes, lengths=lengths)
    assert np.isfinite(model.history_["certificate"]).all()
    wide = np.hstack([X, np.zeros((len(X), len(X) // 10))])
    model.set_params(warm_start=False).fit(wide, codes, lengths=lengths)
    assert np.isfinite(model.history_["certificate"]).all()


def test_rows_alone_take_no_batches():
    X, _, codes, _ = make_data()
    model = ChainCRFClassifier(solver="lbfgs").fit(X, codes)
    assert np.isfinite(model.history_["certificate"]).all()
