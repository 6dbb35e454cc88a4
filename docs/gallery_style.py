"""The look of the gallery's figures, that of the package's Displays, and the order of its pages."""

import re

from sphinx_gallery.sorting import FileNameSortKey

from sklearn_optland.plotting._style import STYLE


def use(gallery_conf, script):
    """Reset Matplotlib to the style; sphinx-gallery calls it before and after each example."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(STYLE)


class ByNumber(FileNameSortKey):
    """The order of the numbers in the files' names."""

    def __call__(self, filename):
        return int(re.search(r"\d+", filename)[0]), filename
