"""Algorithms that see a problem only through evaluations, gradients and metrics."""
