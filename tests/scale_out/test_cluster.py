"""Fits on a cluster of two processes: workers that are killed, Ctrl-C, a cluster that is gone."""

import os
import signal
import sys
import warnings
from itertools import pairwise

import cloudpickle
import dask
import distributed
import numpy as np
import pytest
from scale_out.data import as_array, as_frame, two_or_more_classes
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland._rows import dask_source, partition
from sklearn_optland._rows.cluster import Cluster
from sklearn_optland.linear_model import BoundMajorizationLogisticRegression, FiniteSumClassifier
from sklearn_optland.neural_network import ADMMNetClassifier, MeanFieldTwoLayerNet
from sklearn_optland.utils import RowBlocks

SIZES = (200, 0, 250, 150)
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not find the tests


def start():
    return distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )


@pytest.fixture(scope="module")
def client():
    with start() as cluster, distributed.Client(cluster) as client:
        yield client


def fit(model, X, y, w=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y, w)


def collections(n_classes, cut=as_array):
    return [cut(A, SIZES) for A in two_or_more_classes(n_classes, 0)]


def no_states():
    return len(partition._states)


# Few rounds: to the same bits, wherever the fits end.
MODELS = {
    "two classes": (BoundMajorizationLogisticRegression(tol=1e-2), 2),
    "three classes": (BoundMajorizationLogisticRegression(tol=1e-2), 3),
    "sdca": (FiniteSumClassifier(alpha=0.1, tol=1e-2), 2),
    "taylor": (ADMMNetClassifier((4,), solver="taylor", max_iter=2, random_state=0), 3),
    "kernel regime": (MeanFieldTwoLayerNet(5, regime="kernel", random_state=0), 2),
}


def parameters(model):
    names = ("coef_", "intercept_") if hasattr(model, "coef_") else ("coefs_", "intercepts_")
    return [np.ravel(part) for name in names for part in getattr(model, name)]


def data_of(name):
    _, n_classes = MODELS[name]
    X, y, w = collections(n_classes)
    return (X, X[:, 0], w) if name == "kernel regime" else (X, y, w)


@pytest.fixture(params=MODELS)
def case(request, client):
    """Data, a model, and the parameters of its fit without the cluster."""
    model = MODELS[request.param][0]
    with dask.config.set(scheduler="threads"):
        expected = parameters(fit(model, *data_of(request.param)))
    return data_of(request.param), model, expected


def same_bits(model, expected):
    for one, other in zip(parameters(model), expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_cluster_gives_the_bits_of_one_process(case, client):
    data, model, expected = case
    same_bits(fit(model, *data), expected)
    assert set(client.run(no_states).values()) == {0}


def test_a_killed_worker_changes_no_bit(case, client, monkeypatch):
    data, model, expected = case
    run, messages = Cluster.run, []

    def deadly_run(place, function, *arguments):
        messages.append(function.__name__)
        if messages.count("serve") == 5:
            messages.append("killed")
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        return run(place, function, *arguments)

    monkeypatch.setattr(Cluster, "run", deadly_run)
    same_bits(fit(model, *data), expected)
    assert "killed" in messages


def test_ctrl_c_cancels_what_was_asked_for(client, monkeypatch):
    X, y, w = collections(2)
    gather, calls, asked = client.gather, [], []

    def interrupted(futures, *arguments, **settings):
        calls.append(1)
        if len(calls) == 5:
            asked.extend(futures)
            raise KeyboardInterrupt
        return gather(futures, *arguments, **settings)

    monkeypatch.setattr(client, "gather", interrupted)
    model = BoundMajorizationLogisticRegression()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y, w)
    assert not hasattr(model, "coef_")
    assert {future.status for future in asked} == {"cancelled"}


def test_predictions_on_a_cluster(client):
    X, y, _ = two_or_more_classes(3, 0)
    model = BoundMajorizationLogisticRegression().fit(X, y)
    for cut in (as_array, as_frame):
        lazy = model.predict_proba(cut(X, SIZES))
        np.testing.assert_allclose(lazy.compute(), model.predict_proba(X), rtol=1e-12)
        assert model.score(cut(X, SIZES), cut(y, SIZES)) == model.score(X, y)


def test_nan_names_its_partition(client):
    X, y, _ = two_or_more_classes(2, 0)
    X[550, 0] = np.nan
    with pytest.raises(ValueError, match="Partition 3: Input X contains NaN"):
        BoundMajorizationLogisticRegression().fit(as_array(X, SIZES), as_array(y, SIZES))


def test_a_cluster_that_is_gone(monkeypatch):
    X, y, w = collections(2)
    model = BoundMajorizationLogisticRegression()
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=True),
    ):
        run, messages = Cluster.run, []

        def run_until_it_is_gone(place, *arguments):
            messages.append(1)
            if len(messages) == 6:
                place.client.close()
            return run(place, *arguments)

        monkeypatch.setattr(Cluster, "run", run_until_it_is_gone)
        with pytest.raises(RuntimeError, match="The Dask cluster is gone"):
            model.fit(X, y, w)
    assert not hasattr(model, "coef_")
    assert not hasattr(model, "n_features_in_")


def test_workers_read_blocks(client):
    X, y, w = two_or_more_classes(3, 0)
    bounds = np.cumsum([0, *SIZES])
    parts = [X[first:last] for first, last in pairwise(bounds)]
    rows = RowBlocks([lambda part=part: part.copy() for part in parts], lengths=SIZES)
    model = MODELS["three classes"][0]
    with dask.config.set(scheduler="threads"):
        expected = parameters(fit(model, *collections(3)))
    same_bits(fit(model, rows, y, w), expected)
    assert set(client.run(no_states).values()) == {0}


def test_totals_by_a_tree_lose_no_bit_with_a_worker(client, monkeypatch):
    monkeypatch.setattr(dask_source, "LARGE_TOTAL", 1)
    X, y, w = (as_array(A, (60,) * 10) for A in two_or_more_classes(2, 0))
    model = MODELS["two classes"][0]
    with dask.config.set(scheduler="threads"):
        expected = parameters(fit(model, X, y, w))
    run_tree, calls = Cluster.run_tree, []

    def deadly_run_tree(place, *arguments):
        calls.append(1)
        if len(calls) == 3:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        return run_tree(place, *arguments)

    monkeypatch.setattr(Cluster, "run_tree", deadly_run_tree)
    same_bits(fit(model, X, y, w), expected)
    assert len(calls) >= 3
