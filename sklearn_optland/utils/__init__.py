"""Building blocks of the estimators, and tools for those who use them."""

from sklearn_optland._rows.blocks import RowBlocks

__all__ = ["RowBlocks", "discovery"]
