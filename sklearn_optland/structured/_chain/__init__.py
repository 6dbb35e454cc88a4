"""Conditional random fields on linear chains."""
