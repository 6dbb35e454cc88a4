"""The look of the gallery's figures: that of the package's Displays."""

from sklearn_optland.plotting._style import STYLE


def use(gallery_conf, script):
    """Reset Matplotlib to the style; sphinx-gallery calls it before and after each example."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(STYLE)
