"""Trees."""
__all__ = []
