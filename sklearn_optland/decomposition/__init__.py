"""Matrix factorizations that prove how well they fit."""

from sklearn_optland.decomposition._low_rank_factorization import LowRankFactorization

__all__ = ["LowRankFactorization"]
