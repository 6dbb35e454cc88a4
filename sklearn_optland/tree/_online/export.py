"""A fitted tree as text and as a picture."""

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from sklearn_optland.tree._online.fitted import FittedTree
from sklearn_optland.tree._online.measures import node_measures
from sklearn_optland.tree._online.tree import view

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def export_text(
    tree: FittedTree, *, max_depth: int = 10, n_terms: int = 3, decimals: int = 2
) -> str:
    """Write a fitted tree as text.

    Parameters
    ----------
    tree : LOMTreeClassifier
        A fitted tree.
    max_depth : int, default=10
        The deepest level that is written.
    n_terms : int, default=3
        The most terms of a margin that are written: the largest, for features of the size of their
        standard deviations (sparse: root mean squares). None are if the weights are hashed
        (`n_bits`).
    decimals : int, default=2
        Digits after the point.

    Returns
    -------
    text : str
        A line a node, left children first: at a split its rows, its balance, J and the largest
        terms of its margin, which sends rows to the left if it is negative; at a leaf its class,
        the share of the class, and its rows.

    Raises
    ------
    ValueError
        If `max_depth`, `n_terms` or `decimals` is not an integer of at least 0.
    TypeError
        If `tree` is no LOMTreeClassifier. A forest's online trees are its `estimators_`.

    Examples
    --------
    >>> from sklearn_optland.tree import LOMTreeClassifier, export_text
    >>> tree = LOMTreeClassifier(random_state=0).fit([[-1.0], [1.0]] * 10, ["no", "yes"] * 10)
    >>> print(export_text(tree))
    split: 20 rows, balance 0.50, J 1.00, margin +1.00 x0 +0.00
    |--- class no: share 1.00, 10 rows
    |--- class yes: share 1.00, 10 rows
    """
    _check_arguments(tree, max_depth, n_terms, decimals)
    describe = _Description(tree, n_terms, decimals)
    lines, stack = [], [(describe.root, 0)]
    while stack:
        node, depth = stack.pop()
        indent = "|   " * (depth - 1) + ("|--- " if depth else "")
        head, details = describe(node)
        lines.append(f"{indent}{head}: {', '.join(details)}")
        children = describe.children(node)
        if children and depth == max_depth:
            lines.append("|   " * depth + "|--- ...")
        elif children:
            stack += [(child, depth + 1) for child in reversed(children)]
    return "\n".join(lines)


def plot_tree(
    tree: FittedTree,
    *,
    max_depth: int = 4,
    n_terms: int = 2,
    decimals: int = 2,
    ax: "Axes | None" = None,
    fontsize: float | None = None,
) -> list[Any]:
    """Draw a fitted tree, with matplotlib.

    Parameters
    ----------
    tree : LOMTreeClassifier
        A fitted tree.
    max_depth : int, default=4
        The deepest level that is drawn.
    n_terms : int, default=2
        As in `export_text`.
    decimals : int, default=2
        Digits after the point.
    ax : matplotlib.axes.Axes, default=None
        Where to draw. None makes a new figure.
    fontsize : float, default=None
        Size of the text in points. None is matplotlib's default.

    Returns
    -------
    annotations : list of matplotlib.text.Annotation
        The boxes, parents before their children, left children before right ones.

    Raises
    ------
    ValueError
        If `max_depth`, `n_terms` or `decimals` is not an integer of at least 0.
    TypeError
        If `tree` is no LOMTreeClassifier. A forest's online trees are its `estimators_`.
    """
    _check_arguments(tree, max_depth, n_terms, decimals)
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(layout="constrained")[1]
    describe = _Description(tree, n_terms, decimals)
    drawn, stack = [], [(describe.root, None, 0)]
    while stack:  # parents before children, from left to right
        node, parent, depth = stack.pop()
        children = describe.children(node) if depth < max_depth else ()
        drawn.append((node, parent, depth, children))
        stack += [(child, node, depth + 1) for child in reversed(children)]
    across, n_tips = {}, 0
    for node, _, _, children in drawn:
        if not children:
            across[node], n_tips = n_tips + 0.5, n_tips + 1
    for node, _, _, children in reversed(drawn):
        if children:
            across[node] = np.mean([across[child] for child in children])
    down = {node: -depth for node, _, depth, _ in drawn}

    ax.set_axis_off()
    ax.set_xlim(0, n_tips)
    ax.set_ylim(min(down.values()) - 0.5, 0.5)
    boxes = []
    for node, parent, depth, children in drawn:
        head, details = describe(node)
        cut = ["..."] if depth == max_depth and describe.children(node) else []
        place = (across[node], down[node])
        boxes.append(
            ax.annotate(
                "\n".join([head, *details, *cut]),
                xy=place if parent is None else (across[parent], down[parent]),
                xytext=place,
                ha="center",
                va="center",
                fontsize=fontsize,
                bbox={"boxstyle": "round", "facecolor": "white" if children else "lightgrey"},
                arrowprops=None if parent is None else {"arrowstyle": "-", "color": "grey"},
                zorder=3 - depth / 1000,  # parents hide the ends of the lines to their children
                parse_math=False,  # labels and names of features are data: "$" is a dollar
            )
        )
    return boxes


def _check_arguments(tree, max_depth, n_terms, decimals):
    if not isinstance(tree, FittedTree):
        raise TypeError(
            f"tree: found a {type(tree).__name__}; allowed is a fitted LOMTreeClassifier. The "
            "online trees of a LOMForestClassifier with leaf='histogram' are its estimators_."
        )
    check_is_fitted(tree)
    for name, value in (("max_depth", max_depth), ("n_terms", n_terms), ("decimals", decimals)):
        if not isinstance(value, Integral) or value < 0:
            raise ValueError(f"{name}: found {value!r}; allowed is an integer of at least 0.")


class _Description:
    """What is said of a node: what it is, and a list of details."""

    def __init__(self, tree, n_terms, decimals):
        self.arrays = tree._snapshot()
        self.nodes = view(self.arrays, "nodes")
        self.root = int(view(self.arrays, "counters")["root"])
        self.stats = node_measures(self.arrays)
        self.n_terms, self.decimals = n_terms, decimals
        self.features = _check_feature_names_in(tree)

    def children(self, node):
        """Left and right child, or none."""
        left, right = self.nodes["left"][node], self.nodes["right"][node]
        return () if left < 0 else (int(left), int(right))

    def __call__(self, node):
        n = f"{self.stats['n'][node]:g} rows"
        if not self.children(node):
            label = self.arrays["classes"][self.arrays["ranks"][self.nodes["majority"][node]]]
            share = self.nodes["max_count"][node] / max(self.stats["n"][node], 1)
            return f"class {label}", [f"share {share:.{self.decimals}f}", n]
        measures = [
            f"{name} {self.stats[name][node]:.{self.decimals}f}" for name in ("balance", "J")
        ]
        return "split", [n, *measures, *self.terms(node)]

    def terms(self, node):
        """The largest terms of the margin, as one text in a list, or none."""
        counters, n_features = view(self.arrays, "counters"), len(self.features)
        if counters["n_bits"] or self.n_terms == 0:
            return []
        regressor = self.nodes["regressor"][node]
        weights = self.arrays["weights"][regressor * n_features :][:n_features]
        size = np.abs(weights) * np.sqrt(self.arrays["squares"])
        largest = [j for j in np.argsort(-size, kind="stable")[: self.n_terms] if size[j] > 0]
        terms = [f"{weights[j]:+.{self.decimals}f} {self.features[j]}" for j in largest]
        rest = np.count_nonzero(size) > len(terms)
        intercept = f"{self.arrays['intercepts'][regressor]:+.{self.decimals}f}"
        return [" ".join(["margin", *terms, *(["..."] if rest else []), intercept])]
