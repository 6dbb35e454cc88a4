"""The one look of all figures."""

from collections.abc import Mapping
from itertools import cycle

# Okabe and Ito's colours, which colour-blind people tell apart; the markers tell the lines apart
# without any colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

# What has a sign, and what is beside the point.
POSITIVE, NEGATIVE, FAINT = COLOURS[1], COLOURS[0], "#999999"

# Of figures with their own axes: Matplotlib's parameters. Displays draw on the axes of others too,
# and set what they need themselves.
STYLE = {
    "axes.grid": True,
    "axes.prop_cycle": f"cycler(color={list(COLOURS)!r})",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "grid.alpha": 0.3,
    "lines.markersize": 4,
    "savefig.dpi": 150,
}


def styles():
    """Colours and markers, each line's its own, for ever."""
    return zip(cycle(COLOURS), cycle(MARKERS), strict=True)


def draw_curve(ax, x, y, name, colour, marker):
    """Draw a line with some ten markers and an entry in the legend; return it."""
    (line,) = ax.plot(
        x,
        y,
        color=colour,
        marker=marker,
        markersize=STYLE["lines.markersize"],
        markevery=max(1, len(x) // 10),
        label=name,
    )
    return line


def named(curves, parameter, kind):
    """Pairs of names and curves; an error if what was given is no dict of them."""
    if not isinstance(curves, Mapping) or not curves:
        found = "an empty dict" if isinstance(curves, Mapping) else type(curves).__name__
        raise ValueError(
            f"{parameter}: found {found}; allowed are dicts of names and {kind}, of one or more."
        )
    return curves.items()


def axes_of(display, ax, xlabel, ylabel):
    """The axes that a display draws on and keeps: those given, or of a new figure."""
    if ax is None:
        from matplotlib import pyplot  # nobody needs it before something is drawn

        ax = pyplot.subplots(layout="constrained")[1]
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    display.ax_, display.figure_ = ax, ax.figure
    return ax
