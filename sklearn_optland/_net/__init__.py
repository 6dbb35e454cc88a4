"""Layers of nets, their passes and predictions."""
