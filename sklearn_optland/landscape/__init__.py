"""The landscape of a net's loss: paths between minima, spectra, critical points."""

from sklearn_optland.landscape._complexity import (
    margin_rate,
    normalized_margins,
    spectral_complexity,
)
from sklearn_optland.landscape._correlation import LossCorrelation, loss_correlation
from sklearn_optland.landscape._critical_points import (
    CriticalPoint,
    critical_index,
    find_critical_point,
)
from sklearn_optland.landscape._exact import (
    linear_network_optimum,
    poor_minimum,
    quadratic_network_valley,
)
from sklearn_optland.landscape._paths import (
    ConnectivityGraph,
    Path,
    connect,
    connectivity_graph,
)
from sklearn_optland.landscape._residual import residual_net_bound
from sklearn_optland.landscape._slices import LossSlice, loss_slice
from sklearn_optland.landscape._spectrum import Spectrum, hessian_spectrum
from sklearn_optland.landscape._spin_glass import SphericalSpinGlass, SpinGlassPoints
from sklearn_optland.landscape._spin_glass_theory import (
    complexity,
    critical_energy,
    expected_index,
    threshold_energy,
)
from sklearn_optland.landscape._surface import LossSurface

__all__ = [
    "ConnectivityGraph",
    "CriticalPoint",
    "LossCorrelation",
    "LossSlice",
    "LossSurface",
    "Path",
    "Spectrum",
    "SphericalSpinGlass",
    "SpinGlassPoints",
    "complexity",
    "connect",
    "connectivity_graph",
    "critical_energy",
    "critical_index",
    "expected_index",
    "find_critical_point",
    "hessian_spectrum",
    "linear_network_optimum",
    "loss_correlation",
    "loss_slice",
    "margin_rate",
    "normalized_margins",
    "poor_minimum",
    "quadratic_network_valley",
    "residual_net_bound",
    "spectral_complexity",
    "threshold_energy",
]
