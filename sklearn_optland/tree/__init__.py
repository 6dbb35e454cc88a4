"""Trees and forests for many classes."""

from sklearn_optland.tree._export import export_text, plot_tree
from sklearn_optland.tree._lom_forest import LOMForestClassifier
from sklearn_optland.tree._lom_tree import LOMTreeClassifier

__all__ = ["LOMForestClassifier", "LOMTreeClassifier", "export_text", "plot_tree"]
