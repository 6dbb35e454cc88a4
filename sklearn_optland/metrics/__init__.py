"""Metrics and scorers of sequence labelling."""

from sklearn_optland.metrics._sequence_labelling import (
    chunk_f1,
    chunk_f1_scorer,
    sequence_accuracy,
    sequence_accuracy_scorer,
)

__all__ = ["chunk_f1", "chunk_f1_scorer", "sequence_accuracy", "sequence_accuracy_scorer"]
