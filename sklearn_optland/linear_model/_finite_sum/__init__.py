"""Linear models by finite-sum solvers."""
