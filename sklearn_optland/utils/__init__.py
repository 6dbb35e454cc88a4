"""Building blocks of the estimators, and tools for those who use them."""

__all__ = ["discovery"]
