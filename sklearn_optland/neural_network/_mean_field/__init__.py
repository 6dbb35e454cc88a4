"""Wide two-layer nets as measures."""
