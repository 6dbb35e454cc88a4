"""ChainCRFClassifier: optimum, certificate, invariances, predictions."""

import itertools
from sys import getswitchinterval, setswitchinterval
from threading import Event, Thread, get_ident

import numpy as np
import pytest
from helpers import SEEDS, STORAGES, assert_close, fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from structured.brute import BruteChain, brute_objective, optimum, random_sequences

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
from sklearn_optland.structured import ChainCRFClassifier
from sklearn_optland.structured._chain import solvers

SOLVERS = ["sdca", "sag", "lbfgs"]
SMALL = {"n_sequences": 8, "longest": 5, "k": 3, "d": 3}


def make_data(seed=0, **sizes):
    rng = np.random.default_rng(seed)
    X, starts, codes, _ = random_sequences(rng, **(SMALL | sizes))
    return X, np.array(list("abcdefg"))[codes], np.diff(starts), codes, starts


def theta_of(model):
    return np.vstack([model.coef_.T, model.transition_, model.start_, model.end_])


@settings.get_profile("fits")
@given(SEEDS, st.sampled_from([0.01, 1.0, 30.0]), st.booleans(), st.sampled_from(SOLVERS))
def test_certificate_bounds_the_true_gap(seed, C, boundary, solver):
    X, y, lengths, codes, starts = make_data(seed)
    weights = np.random.default_rng(seed).uniform(0.1, 2.0, size=len(lengths))
    model = ChainCRFClassifier(C, solver=solver, boundary=boundary, max_iter=seed % 20 + 1)
    fit_quietly(model, X, y, lengths=lengths, sample_weight=weights)
    problem = X, starts, codes, C * weights, 3, boundary
    value = brute_objective(theta_of(model), *problem)[0]
    gap = value - optimum(*problem)[0]
    assert model.certificate_.scope == "global"
    assert gap <= model.certificate_.value + 1e-9 * value
    assert_allclose(model.certificate_.value / model.certificate_.relative, value, rtol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("boundary", [True, False])
@pytest.mark.parametrize("storage", STORAGES)
def test_optimum(solver, boundary, storage):
    X, y, lengths, codes, starts = make_data()
    X = X.astype(np.float32).astype(float)
    C = 3.0
    model = ChainCRFClassifier(C, solver=solver, boundary=boundary, tol=1e-12)
    fit_quietly(model, STORAGES[storage](X), y, lengths=lengths)
    value, theta = optimum(X, starts, codes, np.full(len(lengths), C), 3, boundary)
    is_single = "float32" in storage
    assert model.coef_.dtype == (np.float32 if is_single else np.float64)
    assert_close(theta_of(model), theta, rtol=1e-5)
    found = brute_objective(
        theta_of(model).astype(float), X, starts, codes, np.full(len(lengths), C), 3, boundary
    )[0]
    assert_allclose(found, value, rtol=1e-11 if not is_single else 1e-9)


def test_certificate_is_tight_at_convergence():
    X, y, lengths, codes, starts = make_data(n_sequences=20)
    c = np.ones(len(lengths))
    best = optimum(X, starts, codes, c, 3, True)[0]
    for tol in (1e-3, 1e-5, 1e-7):
        model = ChainCRFClassifier(solver="sdca", tol=tol).fit(X, y, lengths=lengths)
        gap = brute_objective(theta_of(model), X, starts, codes, c, 3, True)[0] - best
        assert gap <= model.certificate_.value <= 10 * gap
        assert model.certificate_.reached


@pytest.mark.parametrize("solver", SOLVERS)
def test_rows_alone_are_logistic_regression(solver):
    """With the ends' scores as a penalised intercept: 2 b'b / 4, as of a column of sqrt(2)."""
    X, y = load_iris(return_X_y=True)
    model = ChainCRFClassifier(solver=solver, tol=1e-12).fit(X, y)
    rows = np.column_stack([X, np.full(len(X), np.sqrt(2))])
    rival = BoundMajorizationLogisticRegression(tol=1e-12, fit_intercept=False).fit(rows, y)
    assert_close(model.coef_, rival.coef_[:, :-1], rtol=1e-5)
    assert_close(model.start_ + model.end_, np.sqrt(2) * rival.coef_[:, -1], rtol=1e-5)
    assert_close(model.predict_proba(X), rival.predict_proba(rows), rtol=1e-5)
    assert_array_equal(model.predict(X), rival.predict(rows))
    objective = rival.certificate_.value / rival.certificate_.relative
    assert_allclose(model.certificate_.value / model.certificate_.relative, objective, rtol=1e-10)
    bare = ChainCRFClassifier(solver=solver, tol=1e-11, boundary=False).fit(X, y)
    rival.fit(X, y)
    assert_close(bare.coef_, rival.coef_, rtol=1e-5)
    assert not bare.start_.any()


def test_two_labels_are_logistic_regression_with_twice_the_strength():
    X, y = load_iris(return_X_y=True)
    X, y = X[50:], y[50:]
    model = ChainCRFClassifier(0.5, tol=1e-11, boundary=False).fit(X, y)
    rival = BoundMajorizationLogisticRegression(1.0, tol=1e-12, fit_intercept=False).fit(X, y)
    assert_close(model.coef_, np.vstack([-rival.coef_, rival.coef_]) / 2, rtol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_weight_two_is_a_repeated_sequence(solver):
    X, y, lengths, _, starts = make_data()
    model = ChainCRFClassifier(solver=solver, tol=1e-12, class_weight="balanced")
    weights = np.array([2.0, 0.0] + [1.0] * (len(lengths) - 2))
    fit_quietly(model, X, y, lengths=lengths, sample_weight=weights)
    tokens = np.concatenate(
        [np.arange(starts[1]), np.arange(starts[1]), np.arange(starts[2], len(y))]
    )
    again = clone(model)
    fit_quietly(again, X[tokens], y[tokens], lengths=[lengths[0], lengths[0], *lengths[2:]])
    assert_close(theta_of(model), theta_of(again), rtol=1e-5)


def test_order_of_sequences_changes_nothing():
    X, y, lengths, _, starts = make_data()
    sequences = [(X[a:b], y[a:b]) for a, b in itertools.pairwise(starts)]
    order = np.random.RandomState(0).permutation(len(sequences))
    model, other = (ChainCRFClassifier(tol=1e-12) for _ in range(2))
    fit_quietly(model, *zip(*sequences, strict=True))
    fit_quietly(other, *zip(*[sequences[i] for i in order], strict=True))
    assert_close(theta_of(model), theta_of(other), rtol=1e-5)
    assert_allclose(
        other.sequence_log_proba(X, y, lengths), model.sequence_log_proba(X, y, lengths), atol=1e-5
    )


def test_class_weight_of_one_token_is_that_of_its_label():
    X, y = load_iris(return_X_y=True)
    weights = {0: 1.0, 1: 2.0, 2: 0.5}
    model = ChainCRFClassifier(tol=1e-11, class_weight=weights).fit(X, y)
    other = ChainCRFClassifier(tol=1e-11).fit(X, y, sample_weight=[weights[label] for label in y])
    assert_close(model.coef_, other.coef_, rtol=1e-6)


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_observed_states(solver, storage):
    """What does not occur with a label has no parameter, and the rest is the optimum without it."""
    X, y, lengths, _, starts = make_data(d=6)
    X = np.abs(X)
    X[y == "a", 0] = X[y == "b", 1:3] = 0.0
    keep = np.ones(len(y), dtype=bool)
    model = ChainCRFClassifier(5.0, solver=solver, states="observed", tol=1e-11)
    fit_quietly(model, STORAGES[storage](X), y, lengths=lengths)
    occurs = np.array([(X[y == label] != 0).any(axis=0) for label in model.classes_])
    follows = np.zeros((3, 3), dtype=bool)
    for a, b in itertools.pairwise(starts):
        for before, after in zip(y[a : b - 1], y[a + 1 : b], strict=True):
            follows[model.classes_ == before, model.classes_ == after] = True
    assert not occurs.all()
    assert_array_equal(model.coef_ != 0, occurs)
    assert_array_equal(model.transition_ != 0, follows)
    assert model.certificate_.reached
    assert keep.all()
    everything = ChainCRFClassifier(5.0, tol=1e-11)
    fit_quietly(everything, X, y, lengths=lengths)
    objective = [m.certificate_.value / m.certificate_.relative for m in (model, everything)]
    assert objective[0] > objective[1]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("states", ["all", "observed"])
def test_warm_start(solver, states):
    X, y, lengths, *_ = make_data(n_sequences=30)
    model = ChainCRFClassifier(solver=solver, states=states, tol=1e-8, warm_start=True)
    cold = model.fit(X, y, lengths=lengths).n_iter_
    first = theta_of(model)
    assert model.fit(X, y, lengths=lengths).n_iter_ < cold
    assert_close(theta_of(model), first, rtol=1e-3)
    model.set_params(C=2.0).fit(X, y, lengths=lengths)
    afresh = clone(model).fit(X, y, lengths=lengths)
    assert_close(theta_of(model), theta_of(afresh), rtol=1e-2)
    assert model.certificate_.reached
    model.fit(X[:, :2], y, lengths=lengths)  # other columns: from zero
    assert model.coef_.shape == (3, 2)


def test_predictions_are_those_of_all_labellings():
    X, y, lengths, codes, starts = make_data()
    model = ChainCRFClassifier(2.0).fit(X, y, lengths=lengths)
    labels, marginals = model.predict(X, lengths), model.predict_marginals(X, lengths)
    logs = model.sequence_log_proba(X, y, lengths)
    assert_allclose(marginals.sum(axis=1), 1.0)
    for i, (a, b) in enumerate(itertools.pairwise(starts)):
        brute = BruteChain(X[a:b] @ model.coef_.T, model.transition_, model.start_, model.end_)
        best = model.classes_[brute.paths[brute.scores.argmax()]]
        assert_array_equal(labels[a:b], best)
        assert_allclose(marginals[a:b], brute.tokens, atol=1e-12)
        assert_allclose(logs[i], np.log(brute.p[brute.number(codes[a:b])]), rtol=1e-9)
    assert model.score(X, y, lengths) == np.mean(labels == y)
    draws = model.sample(X, lengths, n_samples=3, random_state=0)
    assert draws.shape == (3, len(y))
    assert_array_equal(draws, model.sample(X, lengths, n_samples=3, random_state=0))


def test_allowed_transitions():
    X, y, lengths, _, starts = make_data()
    model = ChainCRFClassifier().fit(X, y, lengths=lengths)

    def may_follow(before, label):  # c only after b, and not first
        return label != "c" or before in ("b", "c")

    labels = model.predict(X, lengths, allowed_transitions=may_follow)
    for a, b in itertools.pairwise(starts):
        brute = BruteChain(X[a:b] @ model.coef_.T, model.transition_, model.start_, model.end_)
        paths = model.classes_[brute.paths]
        fine = [all(map(may_follow, [None, *path[:-1]], path)) for path in paths.tolist()]
        assert_array_equal(labels[a:b], paths[np.where(fine, brute.scores, -np.inf).argmax()])
    matrix = np.array([[may_follow(a, b) for b in "abc"] for a in "abc"])
    free_start = model.predict(X, lengths, allowed_transitions=matrix)
    assert all(map(may_follow, free_start[: lengths[0] - 1], free_start[1 : lengths[0]]))
    with pytest.raises(ValueError, match="sequence 0"):
        model.predict(X, lengths, allowed_transitions=lambda before, label: False)
    with pytest.raises(ValueError, match=r"allowed_transitions.*\(2, 2\)"):
        model.predict(X, lengths, allowed_transitions=np.ones((2, 2), dtype=bool))


def test_random_state_fixes_the_bits_and_the_order():
    X, y, lengths, *_ = make_data(n_sequences=20)
    fits = [
        theta_of(ChainCRFClassifier(random_state=seed, tol=1e-3).fit(X, y, lengths=lengths))
        for seed in (0, None, 1)
    ]
    assert_array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])


def test_threads():
    """Predictions are the same for any number of threads, and fits in two threads do not mix."""
    X, y, lengths, *_ = make_data(n_sequences=30)
    models = [ChainCRFClassifier(C) for C in (0.5, 2.0)]
    threads = [Thread(target=model.fit, args=(X, y, lengths)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for model in models:
        assert_array_equal(theta_of(model), theta_of(clone(model).fit(X, y, lengths)))
        one = model.predict_marginals(X, lengths)
        assert_array_equal(model.set_params(n_jobs=2).predict_marginals(X, lengths), one)


def test_marginals_in_float32_give_way_to_float64(monkeypatch):
    """Where their rounding would be most of the tolerance."""
    X, y, lengths, codes, starts = make_data(n_sequences=30)
    monkeypatch.setattr(solvers, "FLOAT32_TOL", 0.0)
    model = ChainCRFClassifier(solver="sdca", tol=1e-9).fit(X, y, lengths=lengths)
    best = optimum(X, starts, codes, np.ones(len(lengths)), 3, True)[0]
    assert model.certificate_.reached
    assert model.history_["objective"][-1] - best <= model.certificate_.value + 1e-12 * best
    assert (model.history_["lower_bound"] <= best * (1 + 1e-12)).all()
    exact = fit_quietly(ChainCRFClassifier(solver="sdca", tol=0.0), X, y, lengths=lengths)
    assert exact.certificate_.relative < 1e-12


def test_fits_in_two_threads_overlap(monkeypatch):
    """With no turns by time, a thread runs inside another's kernel only if that has no lock."""
    inside, overlapped = set(), Event()

    class Watched(solvers.Duals):
        def visit(self, order):
            inside.add(get_ident())
            moved = super().visit(order)
            if len(inside) > 1:
                overlapped.set()
            inside.discard(get_ident())
            return moved

    def fit():
        for _ in range(1000):
            if overlapped.is_set():
                break
            ChainCRFClassifier(tol=1e-3).fit(X, y, lengths=lengths)

    monkeypatch.setattr(solvers, "Duals", Watched)
    X, y, lengths, *_ = make_data(n_sequences=300)
    threads, turns = [Thread(target=fit) for _ in range(2)], getswitchinterval()
    setswitchinterval(1e6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        setswitchinterval(turns)
    assert overlapped.is_set()


def test_auto_leaves_dual_ascent_where_its_marginals_are_large(monkeypatch):
    X, y, lengths, *_ = make_data()
    assert ChainCRFClassifier().fit(X, y, lengths=lengths).solver_ == "sdca"
    monkeypatch.setattr(solvers.Auto, "MOST_DUALS", 1000)
    assert ChainCRFClassifier().fit(X, y, lengths=lengths).solver_ == "lbfgs"
    assert ChainCRFClassifier(solver="sdca").fit(X, y, lengths=lengths).solver_ == "sdca"


def test_auto_takes_lbfgs_where_tokens_share_strong_features():
    X, y, lengths, codes, starts = make_data(n_sequences=30)
    for scale, C in ((10.0, 1.0), (1.0, 100.0)):
        model = ChainCRFClassifier(C, tol=1e-8).fit(scale * X, y, lengths=lengths)
        assert model.solver_ == "lbfgs"
        best = optimum(scale * X, starts, codes, np.full(len(lengths), C), 3, True)[0]
        assert_allclose(model.history_["objective"][-1], best, rtol=1e-8)
    # rare columns, a few tokens each, are as strong
    columns = np.arange(len(y)) // 3
    rare = sparse.csr_array((np.full(len(y), 10.0), (np.arange(len(y)), columns)))
    assert ChainCRFClassifier(tol=1e-2).fit(rare, y, lengths=lengths).solver_ == "sdca"


@pytest.mark.parametrize("tol", [1e-9, 0.0])
def test_auto_leaves_slow_dual_ascent(monkeypatch, tol):
    """It goes on with L-BFGS, and has the better of both bounds."""
    monkeypatch.setattr(solvers.Auto, "HARD", np.inf)
    X, y, lengths, codes, starts = make_data(n_sequences=30)
    model = ChainCRFClassifier(100.0, tol=tol, warm_start=True).fit(X, y, lengths=lengths)
    assert model.solver_ == "lbfgs"
    best = optimum(X, starts, codes, np.full(len(lengths), 100.0), 3, True)[0]
    assert_allclose(model.history_["objective"][-1], best, rtol=1e-9)
    assert (model.history_["lower_bound"] <= best * (1 + 1e-12)).all()
    assert (np.diff(model.history_["passes"]) > 0).all()
    # With tol=0 rounding, which differs between processors, says when a fit is at rest.
    most = 40 if tol else 0.6 * model.n_iter_
    assert model.fit(X, y, lengths=lengths).n_iter_ < most
    rescued = model.history_["certificate"][-1]
    assert model.history_["objective"][-1] - best <= rescued + 1e-9 * best


def test_ends_before_its_tolerance():
    X, y, lengths, *_ = make_data()
    with pytest.warns(ConvergenceWarning, match="Set max_iter to about"):
        ChainCRFClassifier(max_iter=5, tol=1e-12).fit(X, y, lengths=lengths)
    exact = fit_quietly(ChainCRFClassifier(tol=0.0, max_iter=5000), X, y, lengths=lengths)
    assert exact.n_iter_ < 5000
    assert exact.certificate_.reached is None
    assert exact.certificate_.relative < 1e-12


def test_not_fitted():
    X = [[0.0], [1.0]]
    model = ChainCRFClassifier()
    for method in (model.predict, model.predict_marginals, model.predict_proba, model.sample):
        with pytest.raises(NotFittedError):
            method(X)
    for method in (model.sequence_log_proba, model.score):
        with pytest.raises(NotFittedError):
            method(X, [0, 1])


def test_a_sparse_matrix_with_repeated_entries():
    X = sparse.csr_array(
        (np.array([1.0, 1.0, 3.0]), np.array([0, 0, 1]), np.array([0, 2, 3])), shape=(2, 2)
    )
    model, other = (ChainCRFClassifier(tol=1e-10) for _ in range(2))
    model.fit(X, [0, 1], lengths=[2])
    other.fit(X.toarray(), [0, 1], lengths=[2])
    assert_close(model.coef_, other.coef_, rtol=1e-6)


@pytest.mark.parametrize("weight", [1e12, 1e14, 1e16, 1e18, 1e25])
def test_certificate_knows_the_rounding_of_large_weights(weight):
    """A loss is a difference of scores: their rounding, times such a weight, is no small gap."""
    X, y, lengths, *_ = make_data(n_sequences=18)
    weights = np.array([weight] + [1.0] * (len(lengths) - 1))
    fits = [
        fit_quietly(ChainCRFClassifier(solver=solver, tol=1e-4), X, y, lengths, weights)
        for solver in SOLVERS
    ]
    least = min(model.history_["objective"][-1] for model in fits)
    for model in fits:
        assert model.history_["objective"][-1] - model.certificate_.value <= least
