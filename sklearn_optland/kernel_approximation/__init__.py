"""Random features whose inner products approximate kernels."""

from sklearn_optland.kernel_approximation._arc_cosine import ArcCosineSampler

__all__ = ["ArcCosineSampler"]
