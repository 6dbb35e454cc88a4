"""Missing values, filled by models that prove how well they fit."""

from sklearn_optland.impute._low_rank_imputer import LowRankImputer

__all__ = ["LowRankImputer"]
