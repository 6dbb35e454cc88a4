"""The online multiclass tree."""
