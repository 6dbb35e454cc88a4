"""Neural networks: deep ones by splitting, wide two-layer ones as measures."""

__all__ = []
