"""The check of a function's parameters."""

from collections.abc import Callable
from typing import Any

import sklearn.utils._param_validation as scikit_learn

from sklearn_optland._estimator.typing import Method


def validate_params(
    constraints: dict[str, Any], *, prefer_skip_nested_validation: bool
) -> Callable[[Method], Method]:
    """scikit-learn's decorator, of which a type checker would not see that it keeps signatures."""
    return scikit_learn.validate_params(
        constraints, prefer_skip_nested_validation=prefer_skip_nested_validation
    )
