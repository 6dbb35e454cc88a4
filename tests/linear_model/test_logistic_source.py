"""Logistic regression on rows in other processes."""

from functools import partial

import numpy as np
import pytest
from process_source import ProcessSource

from sklearn_optland._rows import reduce
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model._logistic.certified_descent import CertifiedDescent
from sklearn_optland.linear_model._logistic.plan import plan, start
from sklearn_optland.linear_model._logistic.problem import log_loss_problem

METHODS = {
    "auto": ("auto", "full"),
    "jc12": ("jc12", "full"),
    "bohning": ("bohning", "full"),
    "bohning-nesterov": ("bohning-nesterov", "full"),
    "growing": ("auto", "growing"),
}


class ArraySourceInFloat64(ArraySource):
    """As a source of other processes is: no copies of the rows in float32."""

    may_be_copied = False


def fit(source, n_classes, curvature, batch, l2):
    """Parameters, objectives and bounds of 12 iterations."""
    problem = log_loss_problem(source, n_classes=n_classes, l2=l2, fit_intercept=True)
    W = problem.zeros()
    rng = partial(np.random.RandomState, 0)
    steps = start(problem, W, *plan(problem, curvature, batch), tol=1e-8, refresh=1, rng=rng)
    descent = CertifiedDescent(problem, W, steps, tol=1e-8)
    objectives = [
        step.curves["objective"] for step, _ in zip(descent.steps(), range(12), strict=False)
    ]
    history = {"objective": np.array(objectives)}
    if not l2:
        history["certificate"] = np.zeros(len(objectives))
    descent.full = descent.full[: len(objectives)]
    certificate = descent.finish(descent.point.W, history)
    return descent.point.W, objectives, certificate.value


@pytest.mark.parametrize("l2", [1.0, 0.0])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(("curvature", "batch"), METHODS.values(), ids=METHODS)
def test_rows_of_other_processes_give_what_an_array_gives(
    curvature, batch, n_classes, l2, monkeypatch, global_random_seed
):
    # several chunks in each process
    monkeypatch.setattr(reduce, "CHUNK_WORK", 1)
    monkeypatch.setattr(reduce, "WORK_PER_ENTRY", 0)
    rng = np.random.RandomState(global_random_seed)
    X, c = rng.randn(640, 5), rng.rand(640) + 0.5
    y = (X @ rng.randn(5, n_classes) + rng.gumbel(size=(640, n_classes))).argmax(axis=1)
    y = y.astype(np.int32)
    remote = ProcessSource(X, y=y, c=c)
    here = fit(ArraySourceInFloat64(X, y=y, c=c), n_classes, curvature, batch, l2)
    there = fit(remote, n_classes, curvature, batch, l2)
    remote.close()
    scale = np.abs(here[0]).max()
    np.testing.assert_allclose(there[0], here[0], rtol=0, atol=1e-10 * scale)
    # The last steps are rounding, and so is how many there are of them.
    n_steps = min(len(here[1]), len(there[1]))
    np.testing.assert_allclose(there[1][:n_steps], here[1][:n_steps], rtol=1e-12)
