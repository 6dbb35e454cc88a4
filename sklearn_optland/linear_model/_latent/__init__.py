"""Logistic regression with hidden components of the classes."""
