"""The forest of label trees."""
