"""Displays: figures of fitted estimators, for those who have Matplotlib."""

from sklearn_optland.plotting._convergence import ConvergenceDisplay
from sklearn_optland.plotting._crf import CRFDisplay
from sklearn_optland.plotting._kkt import KKTDisplay
from sklearn_optland.plotting._landscape import (
    PathDisplay,
    SpectrumDisplay,
    SpinGlassDisplay,
    SurfaceDisplay,
)
from sklearn_optland.plotting._margins import MarginDisplay
from sklearn_optland.plotting._mean_field import CertificateDisplay, ParticlesDisplay

__all__ = [
    "CRFDisplay",
    "CertificateDisplay",
    "ConvergenceDisplay",
    "KKTDisplay",
    "MarginDisplay",
    "ParticlesDisplay",
    "PathDisplay",
    "SpectrumDisplay",
    "SpinGlassDisplay",
    "SurfaceDisplay",
]
