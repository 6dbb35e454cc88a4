"""What every estimator shares with scikit-learn."""
