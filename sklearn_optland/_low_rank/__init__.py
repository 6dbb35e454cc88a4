"""Low-rank models of partly observed matrices, for the imputer and the factorization."""
