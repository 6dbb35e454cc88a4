"""`partial_fit` of collections: one partition after the other, in this process."""

from functools import wraps
from typing import cast

from sklearn_optland._estimator.alignment import aligned_blocks
from sklearn_optland._estimator.dask_rows import any_collection
from sklearn_optland._estimator.typing import Method
from sklearn_optland._rows.blocks import read_block
from sklearn_optland._rows.cluster import is_dask


def in_order(method: Method) -> Method:
    """Decorate `partial_fit`: of a collection it learns partition after partition.

    Each is loaded into this process when its turn comes. An error names the partition; what was
    learned of those before it stays.
    """

    @wraps(method)
    def call(estimator, X, y, classes=None, sample_weight=None):
        if not any_collection(X, y, sample_weight):
            return method(estimator, X, y, classes, sample_weight)
        for number, blocks in enumerate(zip(*aligned_blocks(X, y, sample_weight), strict=True)):
            X_part, y_part, weights = map(_loaded, blocks)
            if X_part.shape[0] == 0:
                continue
            try:
                method(estimator, X_part, y_part, classes, weights)
            except ValueError as error:
                raise ValueError(f"Partition {number}: {error}") from error
        return estimator

    return cast(Method, call)


def _loaded(block):
    return block.compute() if is_dask(block) else read_block(block)
