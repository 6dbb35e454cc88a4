"""How a forest is fitted: label trees with a ranking, in memory or on partitions; online trees."""

from contextlib import closing
from dataclasses import fields
from functools import partial

import numpy as np
from scipy import sparse

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._estimator.certificate import Certificate, ratio
from sklearn_optland._estimator.dask_rows import classification_rows_of
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.tree._forest.held_out import (
    choose,
    judged_on_training_rows,
    sigmoid_scale,
    softmax_scale,
    unjudged,
    unscaled,
    untried,
)
from sklearn_optland.tree._forest.histogram import Histograms, grown_trees
from sklearn_optland.tree._forest.partitions import (
    PartitionedCandidates,
    partitioned_rows,
    refuse_on_partitions,
)
from sklearn_optland.tree._forest.ranking import (
    Model,
    as_kind,
    counts_of_columns,
    is_sparse_problem,
    used_columns,
    with_used_columns,
)
from sklearn_optland.tree._forest.search_fast import as_short_rows
from sklearn_optland.tree._forest.training import LARGEST_WEIGHT, Candidates, Settings, passes
from sklearn_optland.tree._online.shared_lock import SharedLock
from sklearn_optland.tree._training_rows import indicator, with_columns

# Sums of squared gradients are remembered by a byte: their logarithm to base 2, in quarters.
SQUARES_PER_BIT, LEAST_BIT = 4, 40
# What a forest knows of the stream before it has learned of one.
NO_STREAM = {
    "_stream": None,
    "_kept": None,
    "_is_closed": False,
    "_mean_weight": 1.0,
    "_number": None,
}


def fit_rows(forest, rows, lock):
    """Fit to rows in memory.

    Parameters
    ----------
    forest : LOMForestClassifier
    rows : TrainingRows
    lock : SharedLock
        Of the fitted forest.
    """
    classes, Y = indicator(rows.y)
    X, weights, Y = rows.used(Y)
    # Classes without weight stay in `classes_`, and are no candidates.
    met, codes = np.unique(Y.indices, return_inverse=True)
    Y = with_columns(Y, codes, len(met))
    mean = weights.mean()
    rng = private_random_state(forest.random_state)
    fit = fit_histograms if forest.leaf == "histogram" else fit_ranking
    labels = {
        "classes_": classes,
        "multilabel_": rows.y.ndim > 1,
        "_has_sparse_labels": sparse.issparse(rows.y),
        "_met": met,
        "_lock": lock,
        **NO_STREAM,
        "_mean_weight": float(mean),
    }
    return fit(forest, rows, X, Y, weights / mean, labels, rng)


def fit_ranking(forest, rows, X, Y, weights, labels, rng):
    """Choose settings on held-out rows, then train with all.

    Parameters
    ----------
    forest : LOMForestClassifier
    rows : TrainingRows
    X : ndarray or CSR of shape (n_rows, n_features)
        The rows that have a weight.
    Y : csr_array of shape (n_rows, n_classes)
        Their classes, of those that have rows.
    weights : ndarray of shape (n_rows,)
        Of mean 1.
    labels : dict
        Fitted attributes that say what the classes are.
    rng : RandomState
    """
    calibrate = sigmoid_scale if labels["multilabel_"] else softmax_scale
    X, columns = as_kind(X, is_sparse_problem(X)), {}
    if sparse.issparse(X):
        columns["column_of"], n_used = used_columns(counts_of_columns(X))
        X = with_used_columns(X, columns["column_of"], n_used)
    seed = np.random.RandomState(rng.randint(np.iinfo(np.int32).max))
    settings, quality = choose(
        X, Y, weights, forest_settings(forest), forest.validation_fraction, calibrate, rng
    )
    source = ArraySource(X, Y=Y, weights=weights)
    make = partial(Candidates, X, Y, weights, settings, seed)
    trial = settings, quality
    return _train(forest, rows, source, make, trial, labels, columns, seed, rng)


def fit_partitions(forest, X, y, sample_weight):
    """Fit to collections of Dask, or blocks, as `LOMForestClassifier.fit` takes them."""
    refuse_on_partitions(forest)
    rows = classification_rows_of(forest, X, y, sample_weight, accept_sparse=True)
    rng = private_random_state(forest.random_state)
    seed = np.random.RandomState(rng.randint(np.iinfo(np.int32).max))
    source, met, columns = partitioned_rows(rows)
    with closing(source):
        labels = {
            "classes_": rows.classes,
            "multilabel_": False,
            "_has_sparse_labels": False,
            "_met": met,
            "_lock": SharedLock(),
            **NO_STREAM,
            "_mean_weight": rows.total_weight / rows.n_used,
        }
        settings, quality = untried(forest_settings(forest))
        make = partial(PartitionedCandidates, source, len(met), settings, seed)
        trial = settings, quality
        return _train(forest, rows, source, make, trial, labels, columns, seed, rng)


def _train(forest, rows, source, make, trial, labels, columns, seed, rng):
    """Train the model that ranks the candidates that `make` names."""
    settings, quality = trial
    made = []

    def attributes(arrays):
        judgement = unjudged(labels["multilabel_"]) | quality
        return {**labels, "_arrays": arrays | columns, **judgement}

    def steps():
        made.append(make())
        yield from passes(made[0], settings, seed)

    last, history = run(
        forest, steps(), attributes, rows=rows, max_iter=settings.n_passes, task_name="pass"
    )
    if "candidate_recall_" not in quality:
        model = Model(last.parameters, forest.beam_width, n_jobs=forest.n_jobs)
        calibrate = sigmoid_scale if labels["multilabel_"] else unscaled
        quality |= judged_on_training_rows(model, source, calibrate, rng)
    first_loss, loss = history["objective"][[0, -1]]
    certificate = Certificate("mean loss", float(loss), None, "estimate", ratio(loss, first_loss))
    memory = {"_memory": memory_of(made[0], settings, source.is_sparse)}
    finish(forest, attributes(last.parameters) | memory, history, certificate)
    vars(forest).pop("estimators_", None)
    return forest


def memory_of(candidates, settings, is_sparse):
    """What a stream needs beside what predicts, in few bits: means, weights, gradients so far."""
    place = candidates.place
    way = {"basis": None, "offset": None}
    if not is_sparse:
        way = {"basis": place.basis, "offset": place.offset}
    means = np.clip(place.means, -LARGEST_WEIGHT, LARGEST_WEIGHT)
    return {
        "means": as_short_rows(means, np.zeros(len(means))),
        "rank": place.means.shape[1],
        "totals": place.prior * place.total,
        "sizes": candidates.sizes,
        "squares": squares_as_bytes(candidates.squares),
        "factor": 1.0 if settings.loss == "discriminant" else settings.discriminant_factor,
        **way,
    }


def squares_as_bytes(squares):
    """Logarithms of sums of squares, 0 for zero; they are right within a tenth."""
    with np.errstate(divide="ignore"):
        codes = SQUARES_PER_BIT * (np.log2(squares) + LEAST_BIT)
    return np.where(squares > 0, np.clip(np.rint(codes), 1, 255), 0).astype(np.uint8)


def squares_of_bytes(codes):
    """What `squares_as_bytes` was given, about."""
    table = np.exp2(np.arange(256) / SQUARES_PER_BIT - LEAST_BIT).astype(np.float32)
    table[0] = 0
    return table[codes]


def forest_settings(forest):
    names = (field.name for field in fields(Settings) if hasattr(forest, field.name))
    return Settings(**{name: getattr(forest, name) for name in names})


def fit_histograms(forest, rows, X, Y, weights, labels, rng):
    """Fit online trees one after the other: parameters as of `fit_ranking`."""
    codes = Y.indices

    def attributes(trees):
        return {**labels, "_arrays": None, "estimators_": trees}

    labels["_n_streamed"] = 0
    known = labels["classes_"][labels["_met"]]
    steps = grown_trees(forest, X, known[codes], weights, rng)
    last, history = run(
        forest, steps, attributes, rows=rows, max_iter=forest.n_estimators, task_name="tree"
    )
    trees = last.parameters
    votes, _ = Histograms(trees, len(labels["_met"]), forest.n_jobs).votes(X)
    met = np.asarray(votes[np.arange(len(codes)), codes]).ravel() > 0
    recall = {"candidate_recall_": float(np.average(met, weights=weights))}
    relative = np.mean([tree.certificate_.relative for tree in trees])
    certificate = Certificate(
        "leaf entropy", float(history["objective"][-1]), None, "estimate", float(relative)
    )
    finish(forest, attributes(trees) | recall, history, certificate)
    return forest
