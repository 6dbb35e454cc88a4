"""Logistic regression by bound majorization."""
