"""Metrics of sequence labelling, of many labels a row, and kernels between rows."""

from sklearn_optland.metrics._label_ranking import (
    label_propensities,
    precision_at_k,
    propensity_scored_precision,
)
from sklearn_optland.metrics._sequence_labelling import (
    chunk_f1,
    chunk_f1_scorer,
    sequence_accuracy,
    sequence_accuracy_scorer,
)

__all__ = [
    "chunk_f1",
    "chunk_f1_scorer",
    "label_propensities",
    "precision_at_k",
    "propensity_scored_precision",
    "sequence_accuracy",
    "sequence_accuracy_scorer",
]
