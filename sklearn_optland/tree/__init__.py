"""Trees and forests for many classes."""

from sklearn_optland.tree._lom_tree import LOMTreeClassifier

__all__ = ["LOMTreeClassifier"]
