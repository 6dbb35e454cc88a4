"""The landscape of a net's loss: paths between minima, spectra, critical points."""

from sklearn_optland.landscape._surface import LossSurface

__all__ = ["LossSurface"]
