"""Deep nets by splitting."""
