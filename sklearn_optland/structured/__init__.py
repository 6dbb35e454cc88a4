"""Models of structured outputs: sequences of labels."""

from sklearn_optland.structured._chain_bound import chain_partition_bound
from sklearn_optland.structured._sequences import Sequences
from sklearn_optland.structured._vectorizer import DictSequenceVectorizer

__all__ = ["DictSequenceVectorizer", "Sequences", "chain_partition_bound"]
