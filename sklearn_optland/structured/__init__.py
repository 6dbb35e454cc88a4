"""Models of structured outputs: labels of sequences."""

from sklearn_optland.structured._chain.estimator import ChainCRFClassifier
from sklearn_optland.structured._chain_bound import chain_partition_bound
from sklearn_optland.structured._sequences import Sequences
from sklearn_optland.structured._vectorizer import DictSequenceVectorizer

__all__ = ["ChainCRFClassifier", "DictSequenceVectorizer", "Sequences", "chain_partition_bound"]
