"""The fitted model that a Display is made of, alone, at the end of a pipeline or in a search."""

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


def fitted_model(estimator, attribute, kind):
    """The model that has this attribute; an error, which says what kind has it, if it has not."""
    check_is_fitted(estimator)
    model = estimator
    while hasattr(model, "best_estimator_") or isinstance(model, Pipeline):
        model = model[-1] if isinstance(model, Pipeline) else model.best_estimator_
    if not hasattr(model, attribute):
        raise ValueError(
            f"estimator: found a {type(model).__name__}, which has no {attribute}; "
            f"allowed is {kind}."
        )
    return model
