"""Trees and forests for many classes."""

from sklearn_optland.tree._forest.estimator import LOMForestClassifier
from sklearn_optland.tree._online.estimator import LOMTreeClassifier
from sklearn_optland.tree._online.export import export_text, plot_tree

__all__ = ["LOMForestClassifier", "LOMTreeClassifier", "export_text", "plot_tree"]
