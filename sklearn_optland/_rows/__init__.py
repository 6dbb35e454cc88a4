"""Rows of data by blocks; nothing here knows a loss or an estimator."""
