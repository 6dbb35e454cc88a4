"""Models of structured outputs: labels of sequences."""

from sklearn_optland.structured._chain.estimator import ChainCRFClassifier

__all__ = ["ChainCRFClassifier"]
