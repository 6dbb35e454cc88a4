"""The problem that users describe: its penalty, its rows and their coordinates."""

from functools import partial

import numpy as np
from sklearn.utils import check_array

from sklearn_optland._estimator.dask_rows import refuse_partitions
from sklearn_optland._estimator.training_rows import always_checked
from sklearn_optland._loss.penalties import SPARSITIES, ElasticNet, GroupLasso
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model._coordinates import (
    Coordinates,
    centred_targets,
    conditioned_columns,
    occupied_columns,
    weighted_columns,
)
from sklearn_optland.linear_model._finite_sum.partitioned import PartitionedSum
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum


def make_penalty(alpha, l1_ratio, positive, sparsity, groups, n_features):
    """The penalty that users describe so; without an L1 part there is nothing to make sparse."""
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    if groups is not None:
        groups = _checked_groups(groups, positive, sparsity, n_features)
        if l1 > 0:
            _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
            return GroupLasso(l1, l2, groups=numbers, scales=np.sqrt(sizes))
    kind = SPARSITIES[sparsity] if l1 > 0 else ElasticNet
    return kind(l1, l2, positive)


def _checked_groups(groups, positive, sparsity, n_features):
    if positive or sparsity != "l1":
        found = "positive=True" if positive else f"the penalty {sparsity!r}"
        raise ValueError(
            f"penalty_groups: found some with {found}; allowed with groups are positive=False and "
            "the penalty 'l1'."
        )
    with always_checked():
        groups = check_array(groups, dtype=None, ensure_2d=False, input_name="penalty_groups")
    if groups.shape != (n_features,):
        raise ValueError(
            f"penalty_groups: found shape {groups.shape}; allowed are {n_features} labels, that "
            "of a group for each column."
        )
    return groups


def training_source(X, c, penalty, penalty_weights, fit_intercept):
    """Rows to train on, and what all problems on them have in common."""
    X, coordinates = weighted_columns(X, penalty_weights)
    if not isinstance(penalty, GroupLasso):  # whose groups are of all columns
        X, occupied = occupied_columns(X)
        coordinates = occupied.after(coordinates)
    X, conditioned = conditioned_columns(X, c, penalty, fit_intercept)
    coordinates = conditioned.after(coordinates)
    # without a penalty the certificate needs a Gram matrix, and that the order
    source = ArraySource(X, in_order=not (penalty.l1 > 0 or penalty.l2 > 0), c=c)
    common = {"penalty": penalty, "fit_intercept": fit_intercept, "coordinates": coordinates}
    return source, common


def partitioned_source(estimator, rows, columns):
    """`training_source` of rows in partitions, whose columns stay as they are."""
    if estimator.penalty_weights is not None:
        refuse_partitions(rows, "penalty_weights")
    if estimator.penalty_groups is not None:
        refuse_partitions(rows, "penalty_groups")
    if estimator.sampling == "lipschitz":
        refuse_partitions(rows, "sampling='lipschitz'")
    settings = estimator.alpha, estimator.l1_ratio, estimator.positive, estimator.sparsity
    penalty = make_penalty(*settings, None, rows.n_columns)
    source = rows.source(columns, ("y", "c"), in_order=False)
    return source, {"penalty": penalty, "fit_intercept": estimator.fit_intercept}


def regression_problem(source, y, loss, common):
    """The problem of a regression; its rows and what `training_source` says of them."""
    if common["fit_intercept"] and loss.is_of_residuals:
        y, coordinates = centred_targets(y, source.c, common["coordinates"])
        common = {**common, "coordinates": coordinates}
    return FiniteSum(source, y, loss=loss, **common)


def partitioned_regression(source, loss, common):
    """`regression_problem` of rows in partitions; targets go less their mean with the intercept."""
    problem = PartitionedSum(source, source.y, loss=loss, **common)
    if loss.log_link and not problem.mean(source.y) > 0:
        loss.check_targets(np.zeros(1), np.ones(1))
    if not (common["fit_intercept"] and loss.is_of_residuals):
        return problem
    target = problem.mean(source.y)
    y = source.map(partial(np.add, -target), source.y)
    return PartitionedSum(source, y, loss=loss, coordinates=Coordinates(target=target), **common)
