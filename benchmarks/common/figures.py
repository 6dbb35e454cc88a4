"""Pictures of the tables, one a folder."""

from textwrap import fill

import numpy as np
from common.tables import fingerprint
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import Bbox

from sklearn_optland.plotting._style import COLOURS, FAINT, MARKERS, STYLE, styles

# The same tables give the same file, byte by byte.
SVG = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sklearn-optland",
    "font.size": 8,
    "legend.fontsize": 7,
}
BLUE, ORANGE, _, _, YELLOW, *_ = COLOURS


def first(value):
    """The number of a cell, its first if there are several; NaN if there is none."""
    value = value[0] if isinstance(value, list) else value
    return value if isinstance(value, int | float) else np.nan


def names_of(table, end):
    """What stands before an ending in the headings that have it."""
    return [heading.removesuffix(end) for heading in table.columns if heading.endswith(end)]


def name_rows(ax, labels, spare=0):
    """A row a label, from top to bottom, and spare ones for the legend; a logarithmic axis."""
    ax.set_yticks(range(len(labels)), labels)
    ax.set(xscale="log", ylim=(len(labels) - 0.5 + spare, -0.5))
    plain_ticks(ax.xaxis)


def plain_ticks(axis, digits=(1, 2, 5)):
    """Write 0.1, 0.2, 0.5, 1 on a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=digits))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def styled(items):
    """Each with the options of plot that tell it apart."""
    for item, (colour, marker) in zip(items, styles(), strict=False):  # styles never end
        yield item, {"color": colour, "marker": marker}


def label_points(ax, points, labels, lines=()):
    """Write labels beside their points, where they cover the least of what is there."""
    ax.figure.draw_without_rendering()  # the layout is final: labels take no part in it
    taken = [Bbox.from_bounds(x - 3, y - 3, 6, 6) for x, y in ax.transData.transform(points)]
    taken += [line.get_window_extent() for line in lines]
    taken += [other.get_tightbbox() for other in ax.figure.axes if other is not ax]
    room = ax.figure.bbox
    for point, label in zip(points, labels, strict=True):
        texts = [
            ax.annotate(
                label, point, (5 if side == "left" else -5, height), fontsize=6.5, ha=side,
                va="center", textcoords="offset points", in_layout=False,
            )
            for height in (0, 6, -6, 11, -11, 16, -16)
            for side in ("left", "right")
        ]  # fmt: skip
        boxes = [text.get_window_extent() for text in texts]
        cost = [
            sum(map(box.overlaps, taken)) + 9 * (box.x0 < ax.bbox.x0 or box.x1 > room.x1)
            for box in boxes
        ]
        best = int(np.argmin(cost))
        taken.append(boxes[best].padded(2))
        for text in texts[:best] + texts[best + 1 :]:
            text.remove()


def logistic_regression(figure, tables):
    """Ratios to the best rival, three levels a row."""
    several = "several-classes", "float32", "sparse", "embedded"
    panels = {
        "two classes": tables["two-classes"].rows,
        "several classes": [row for name in several for row in tables[name].rows],
    }
    heights = max(len(rows) for rows in panels.values())
    figure.set_size_inches(9.5, 0.9 + 0.17 * heights)
    for ax, (title, rows) in zip(figure.subplots(1, 2, sharex=True), panels.items(), strict=True):
        for level, style in styled(["1e-03", "1e-06", "1e-09"]):
            ratios = [first(row[f"ratio {level}"]) for row in rows]
            label = f"to {float(level):g} of the optimum"
            ax.plot(ratios, range(len(rows)), label=label, linestyle="none", **style)
        name_rows(ax, [f"{row['data']}, C = {row['C']}" for row in rows])
        ax.axvline(1, color="black", linewidth=0.8)
        ax.set(title=title, xlabel="seconds of the best rival ÷ ours")
    figure.axes[0].legend()


def finite_sums(figure, tables):
    """Ratios to each rival; passes against the condition number."""
    figure.set_size_inches(9.5, 3.6)
    left, right = figure.subplots(1, 2)
    rows = tables["speed"].rows
    rivals = "scikit-learn[saga]", "scikit-learn[liblinear]", "skglm", "celer"
    for name, style in styled(rivals):
        found = [
            (entry[-1], height, len(entry))
            for height, row in enumerate(rows)
            for entry in row["rival: s (count), ratio"]
            if entry[0] == name
        ]
        reached = [(ratio, height) for ratio, height, size in found if size == 4]
        bounds = [(ratio, height) for ratio, height, size in found if size == 5]
        left.plot(*np.transpose(reached), label=name, linestyle="none", **style)
        for bound in bounds:
            left.plot(*bound, markerfacecolor="white", **style)
    left.plot([], [], "o", color=FAINT, markerfacecolor="white", label="did not arrive: at least")
    labels = [f"{r['data']}, {r['penalty']}, strength {r['strength']}" for r in rows]
    name_rows(left, labels, spare=2.5)
    left.axvline(1, color="black", linewidth=0.8)
    left.set_xlabel("seconds of the rival ÷ ours")
    left.set_title("to 1e-6 of the optimum")
    left.legend(loc="lower center", ncols=2)

    rates = tables["rates-log-loss"]
    colours = {"nκ": FAINT, "n√κ": YELLOW, "n + κ": BLUE, "n + √(nκ)": ORANGE}
    ratios = [float(heading.partition("= ")[2]) for heading in rates.columns if "κ/n" in heading]
    shown = [row for row in rates.rows if row["row"] in colours]
    for row, marker in zip(shown, "x+osv^DPX*", strict=True):
        cells = [row[f"κ/n = {ratio:g}"] for ratio in ratios]
        passes = [first(cell) for cell in cells]
        theory = [cell[-1] for cell in cells]  # the same in all rows of a colour
        label, colour = f"{row['solver']}: {row['row']}", colours[row["row"]]
        right.plot(ratios, passes, color=colour, marker=marker, label=label, linewidth=1)
        right.plot(ratios, theory, color=colour, linestyle=":")
    right.set(xscale="log", yscale="log", xlabel="κ / n", ylabel="passes to 1e-8", ylim=(4, 5e4))
    right.set_title("log-loss, n = 1000; dotted: theory")
    right.legend(loc="upper left", bbox_to_anchor=(1, 1))


def multiclass(figure, tables):
    """Error against seconds of prediction; both against the number of classes."""
    figure.set_size_inches(9.5, 4)
    *panels, growth = figure.subplots(1, 3, width_ratios=(5, 5, 4))
    titles = {"isolet": "isolet, 26 classes", "clinc150": "clinc150, 150 classes"}
    points = {}
    for ax, (data, title) in zip(panels, titles.items(), strict=True):
        ax.set(title=title, xscale="log", yscale="log", xlabel="µs a predicted row")
        ax.set_xlim(0.015, 900)
        ax.margins(y=0.1)
        ours_first = sorted(tables[data].rows, key=lambda row: not row["learner"].startswith("LOM"))
        rows = [(first(row["predict µs"]), first(row["error %"])) for row in ours_first]
        names = [row["learner"].removesuffix("Classifier") for row in ours_first]
        colours = [ORANGE if name.startswith("LOM") else BLUE for name in names]
        ax.scatter(*np.transpose(rows), s=16, color=colours)
        plain_ticks(ax.xaxis, digits=[1])
        plain_ticks(ax.yaxis, digits=(1, 1.5, *range(2, 10)))
        points[ax] = rows, names
    panels[0].set_ylabel("error on test rows, %")

    table = tables["scaling-predict"]
    sizes = [heading for heading in table.columns if heading.startswith("k = ")]
    ks = [int(size.removeprefix("k = ").replace(",", "")) for size in sizes]
    ends, names = [], []
    for row, marker in zip(table.rows, MARKERS, strict=False):
        times = {k: row[size] for k, size in zip(ks, sizes, strict=True) if row[size]}
        name = row["µs an example, predict"].removesuffix("Classifier")
        colour = ORANGE if name.startswith("LOM") else BLUE
        growth.plot(*zip(*times.items(), strict=True), color=colour, marker=marker)
        ends.append(list(times.items())[-1])
        names.append(name)
    growth.set(title="sparse random codes", xscale="log", yscale="log")
    growth.set(xlabel="classes", ylabel="µs a predicted row", xlim=(600, 2e6))
    for ax, (rows, labels) in {**points, growth: (ends, names)}.items():
        label_points(ax, rows, labels)


def tuned_nets(figure, tables):
    """Error and seconds, both against the better of scikit-learn's nets, of at most 2000 rows."""
    figure.set_size_inches(9.5, 3.8)
    titles = {"particles": "two-layer nets: particles", "ADMM net": "deep nets: ADMM"}
    kinds = {"RMSE": (BLUE, "o", "regression"), "wrong %": (ORANGE, "s", "classification")}
    labels = {}
    for ax, (ours, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        points, names = [], []
        for kind, (colour, marker, label) in kinds.items():
            column = f"{ours}: {kind}, s"
            rows = [
                row
                for table in tables.values()
                for row in table.rows
                if row.get(column) and "≤" not in row["data"]
            ]
            if not rows:
                continue
            found = []
            for row in rows:
                rivals = [row[f"MLP {solver}: {kind}, s"] for solver in ("adam", "lbfgs")]
                # Cells are error ± deviation, seconds: the better is the one with less error.
                (error, *_, seconds), own = min(rivals), row[column]
                found.append((own[-1] / seconds, own[0] / error))
            ax.plot(*np.transpose(found), marker, color=colour, label=label)
            points += found
            names += [row["data"] for row in rows]
        lines = [draw(1, color="black", linewidth=0.8) for draw in (ax.axhline, ax.axvline)]
        ax.set(title=title, xscale="log")
        ax.set(xlabel="seconds ÷ the better MLP's", ylabel="error ÷ the better MLP's")
        ax.margins(x=0.15)
        ax.legend()
        plain_ticks(ax.xaxis)
        labels[ax] = points, names, lines
    for ax, what in labels.items():
        label_points(ax, *what)


def two_layer_nets(figure, tables):
    """Seconds to a risk; the risk by the number of neurons; both layers against one."""
    figure.set_size_inches(9.5, 3.2)
    speed, teacher, regimes = figure.subplots(1, 3)
    table = tables["speed"]
    problems = [f"d = {row['d']}, seed {row['seed']}" for row in table.rows]
    for name, style in styled(names_of(table, ": s, iterations")):
        seconds = [first(row[f"{name}: s, iterations"]) for row in table.rows]
        speed.plot(seconds, range(len(problems)), label=name, linestyle="none", **style)
    name_rows(speed, problems, spare=1)
    speed.set(xlabel="CPU seconds", title="to a risk of 1e-4")
    speed.legend(loc="lower center", ncols=2)

    table = tables["teacher"]
    neurons = [row["neurons"] for row in table.rows]
    seeds = [heading for heading in table.columns if heading.startswith("seed ")]
    risks = [[row[seed] for seed in seeds] for row in table.rows]
    teacher.plot(neurons, risks, "o", color=BLUE, markerfacecolor="none")
    teacher.axhline(1e-4, color=FAINT, linewidth=0.8)
    teacher.set(xscale="log", yscale="log", xlabel="neurons", ylabel="risk at the end")
    teacher.set(title="gradient flow, a teacher of 5")
    teacher.set_xticks(neurons, neurons)
    teacher.minorticks_off()

    table = tables["regimes"]
    rows = [row["rows"] for row in table.rows]
    for name, style in styled(["output layer", "both layers"]):
        errors, deviations = np.transpose([row[f"{name}: error"] for row in table.rows])
        regimes.errorbar(rows, errors, deviations, label=name, capsize=2, **style)
    regimes.set(xscale="log", xlabel="training rows", ylabel="error on test rows")
    regimes.set(title="classes in discs, 15 dimensions", ylim=(0, None))
    regimes.set_xticks(rows, rows)
    regimes.minorticks_off()
    regimes.legend()


def deep_nets(figure, tables):
    """Seconds to a training loss; accuracy of eight layers of sigmoids."""
    figure.set_size_inches(9.5, 2.6)
    speed, sigmoid = figure.subplots(1, 2)
    table = tables["speed"]
    for name, style in styled(names_of(table, ": s, iterations, test")):
        seconds = [first(row[f"{name}: s, iterations, test"]) for row in table.rows]
        if not np.isnan(seconds).all():
            speed.plot(seconds, range(len(seconds)), label=name, linestyle="none", **style)
    name_rows(speed, [row["data"] for row in table.rows])
    speed.set(xlabel="CPU seconds", title="to a training loss")
    speed.legend()

    rows = tables["sigmoid"].rows
    for start, style in styled(names_of(tables["sigmoid"], ": accuracy by seed")):
        accuracies = [row[f"{start}: accuracy by seed"] for row in rows]
        points = [(x, height) for height, found in enumerate(accuracies) for x in found]
        label = f"from {start}"
        sigmoid.plot(*np.transpose(points), label=label, mfc="none", linestyle="none", **style)
    sigmoid.set_yticks(range(len(rows)), [row["learner"] for row in rows])
    sigmoid.set(xlabel="accuracy on test rows, five seeds", title="eight hidden layers of sigmoids")
    sigmoid.set(xlim=(0, 1.02), ylim=(len(rows) - 0.5, -0.5))
    sigmoid.legend()


def defaults(figure, tables):
    """Ratios to scikit-learn's classes, everything at its defaults."""
    groups = {
        "fits": "fit",
        "memory_map": "fit",
        "grid": "grid search",
        "cv": "class with cross-validation",
    }
    found = [
        (f"{row['data']}: {text}", first(row["theirs ÷ ours"]))
        for name, text in groups.items()
        for row in tables[name].rows
    ]
    draw_ratios(figure, found)
    figure.axes[0].set_xlabel("seconds of scikit-learn's class ÷ ours, default against default")


def front_page(figure, tables):
    """Seconds and distance from the optimum: from scikit-learn's class to ours, a line a task."""
    figure.set_size_inches(7, 4.8)
    ax = figure.subplots()
    above_arrows = {"color": "white", "pad": 0}
    for row in tables["defaults"].rows:
        theirs, ours = (
            (row[f"{who} s"], row[f"{who} above the optimum"]) for who in ("theirs", "ours")
        )
        arrow = {"arrowstyle": "-|>", "color": FAINT, "shrinkA": 4, "shrinkB": 4}
        ax.annotate("", ours, theirs, arrowprops=arrow)
        ax.plot(*theirs, "s", color=BLUE)
        ax.plot(*ours, "o", color=ORANGE)
        label = f"{row['theirs']}, {row['data'].partition(':')[0]}"
        shift, side = (-6, "right") if theirs[0] < 0.2 else (6, "left")
        ax.annotate(
            label, theirs, (shift, 0), ha=side, fontsize=8, textcoords="offset points",
            bbox=above_arrows,
        )  # fmt: skip
    ax.plot([], [], "s", color=BLUE, label="scikit-learn's class")
    ax.plot([], [], "o", color=ORANGE, label="ours, proven")
    ax.set(xscale="log", yscale="log", xlabel="seconds of a fit", xlim=(1e-4, 2e3))
    ax.set(ylabel="objective above the optimum", ylim=(1e-15, 1e3))
    ax.set_yticks([1e-12, 1e-9, 1e-6, 1e-3, 1], ["1e-12", "1e-9", "1e-6", "0.1 %", "100 %"])
    ax.minorticks_off()
    plain_ticks(ax.xaxis, digits=[1])
    ax.legend(loc="lower right")


def linear_defaults(figure, tables):
    """Ratios of finite sums to the classes that a user would otherwise take, and of L1 fits."""
    found = [
        (f"{row['problem']}, {row['data']}", first(row["theirs ÷ ours"]))
        for name in ("defaults", "l1")
        for row in tables[name].rows
    ]
    draw_ratios(figure, found)
    figure.axes[0].set_xscale("log")
    figure.axes[0].set_xlabel("CPU seconds of theirs ÷ ours")


def net_defaults(figure, tables):
    """Scores at the defaults: ours, scikit-learn's nets on raw and scaled data, linear models."""
    rows = tables["scores"].rows
    figure.set_size_inches(7, 4.5)
    ax = figure.add_subplot()
    height = np.arange(len(rows))[::-1]
    for name, style in styled(["mean field", "ADMM", "MLP, scaled", "MLP", "linear"]):
        scores = [max(first(row[name]), 0.0) for row in rows]
        ax.plot(scores, height, linestyle="none", **style, label=name)
    ax.set_yticks(height, [row["data"] for row in rows])
    ax.set_xlabel("R² or accuracy on raw data, everything at its defaults; below 0 drawn at 0")
    ax.grid(alpha=0.3)
    ax.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.4, 1.0), frameon=False)


def sequence_labelling(figure, tables):
    """Ratios of CRFsuite to the chain CRF: training to a level, decoding, memory."""
    found = [
        (f"{row['task']}, C = {row['C']:g}: training to {row['level']:.0e}", row["ratio"])
        for row in (tables["levels"].rows if "levels" in tables else ())
        if isinstance(row.get("ratio"), float)
    ]
    heading = "thousand tokens a second"
    speeds = {(row["features"], row["solver"]): row[heading] for row in tables["decoding"].rows}
    for features, label in (("ready", "decoding"), ("dicts", "decoding from dicts of strings")):
        ratio = speeds[features, "ChainCRFClassifier"] / speeds[features, "CRFsuite"]
        found.append((label, ratio))
    sizes = {row["solver"]: row["fit, MB"] for row in tables["memory"].rows}
    found.append(("memory of a fit", sizes["CRFsuite"] / sizes["ChainCRFClassifier"]))
    draw_ratios(figure, found)
    figure.axes[0].set_xscale("log")
    figure.axes[0].set_xlabel("CRFsuite ÷ ours: CPU seconds, and MB beside the data")


def streams(figure, tables):
    """Accuracy of streams of text, each row predicted before it is learned, against CPU seconds."""
    figure.set_size_inches(9.5, 3.2)
    rows = tables["text"].rows
    titles = {"clinc150": "clinc150, 150 classes", "news20": "news20, 20 classes"}
    for ax, (data, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        own = [row for row in rows if row["data"].startswith(data)]
        points = [(row["seconds"], row["accuracy"]) for row in own]
        names = [row["model"].replace("Classifier", "") for row in own]
        ax.scatter(*np.transpose(points), s=16, color=[BLUE] + [ORANGE] * (len(own) - 1))
        ax.set(title=title, xscale="log", xlabel="CPU seconds", xlim=(0.1, 100))
        ax.margins(y=0.15)
        plain_ticks(ax.xaxis, digits=[1])
        label_points(ax, points, names)
    figure.axes[0].set_ylabel("accuracy")


def low_rank(figure, tables):
    """Errors of imputers on rows that they have not seen, and of ratings against seconds."""
    figure.set_size_inches(9.5, 3.2)
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    rows = tables["imputation"].rows
    sets = list(dict.fromkeys(row["data"] for row in rows))
    for name, style in styled(dict.fromkeys(row["imputer"] for row in rows)):
        own = [row for row in rows if row["imputer"] == name]
        places = [sets.index(row["data"]) for row in own]
        left.plot(places, [row["RMSE"] for row in own], linestyle="", label=name, **style)
    left.set_xticks(range(len(sets)), [name.replace("_housing", "") for name in sets])
    left.set(ylabel="RMSE of unseen rows", ylim=(0, None))
    left.margins(x=0.1)
    left.legend()
    ratings = tables["ratings"].rows
    points = [(row["fit, s"], row["test RMSE"]) for row in ratings]
    right.scatter(*np.transpose(points), s=16, color=BLUE)
    right.set(xscale="log", xlabel="CPU seconds of a fit", ylabel="RMSE of ratings", xlim=(0.1, 40))
    right.margins(y=0.25)
    plain_ticks(right.xaxis, digits=[1])
    label_points(right, points, [row["method"] for row in ratings])


def multilabel(figure, tables):
    """Precision at 5 against the time of a prediction, rows with several labels."""
    figure.set_size_inches(4.75 * len(tables), 3.2)
    axes = figure.subplots(1, len(tables), squeeze=False)[0]
    for ax, (n_labels, table) in zip(axes, tables.items(), strict=True):
        points = [(row["µs a prediction"], row["P@5 %"]) for row in table.rows]
        names = [fill(row["learner"].replace("Classifier", ""), 28) for row in table.rows]
        colours = [ORANGE if name.startswith("LOM") else BLUE for name in names]
        ax.scatter(*np.transpose(points), s=16, color=colours)
        ax.set(title=f"{n_labels} labels", xscale="log", xlabel="µs a prediction", xlim=(5, 5000))
        ax.margins(y=0.15)
        plain_ticks(ax.xaxis, digits=[1])
        label_points(ax, points, names)
    figure.axes[0].set_ylabel("precision at 5, %")


def landscape(figure, tables):
    """By width: lengths of paths, correlations of losses, and how test losses spread."""
    figure.set_size_inches(9.5, 3.0)
    lengths, correlations, spread = figure.subplots(1, 3)
    rows = tables["paths"].rows
    widths = [row["width"] for row in rows]
    for (heading, label), style in styled(
        [("length ÷ distance, raw", "raw"), ("aligned", "units aligned")]
    ):
        means, errors = np.transpose([row[heading] for row in rows])
        lengths.errorbar(widths, means, errors, label=label, capsize=2, **style)
    lengths.set(title="paths between minima, digits", ylabel="length ÷ distance")
    lengths.legend()

    rows = tables["correlation"].rows
    units = [row["hidden units"] for row in rows]
    means, errors = np.transpose([row["correlation"] for row in rows])
    correlations.errorbar(units, means, errors, color=BLUE, marker="o", capsize=2, label="here")
    published = [row["published"] for row in rows]
    correlations.plot(units, published, color=ORANGE, marker="s", label="Choromanska et al.")
    correlations.set(title="training and test losses, mnist", ylabel="correlation")
    correlations.legend()

    quantiles = np.transpose([row["test losses' quantiles"] for row in rows])
    spread.fill_between(units, quantiles[0], quantiles[-1], color=BLUE, alpha=0.2, label="all runs")
    spread.fill_between(units, quantiles[1], quantiles[3], color=BLUE, alpha=0.4, label="half")
    spread.plot(units, quantiles[2], color=BLUE, marker="o", label="median")
    spread.set(title="where training ends, mnist", ylabel="test loss")
    spread.legend()
    for ax, ticks in ((lengths, widths), (correlations, units), (spread, units)):
        ax.set(xscale="log", xlabel="hidden units")
        ax.set_xticks(ticks, ticks)
        ax.minorticks_off()


def draw_ratios(figure, found):
    """Bars from 1 to each ratio; `found` has labels and ratios."""
    figure.set_size_inches(9.5, 0.7 + 0.19 * len(found))
    ax = figure.subplots()
    labels, ratios = zip(*found, strict=True)
    colours = [BLUE if ratio >= 1 else ORANGE for ratio in ratios]
    ax.barh(range(len(ratios)), np.array(ratios) - 1, left=1, color=colours, height=0.6)
    for height, ratio in enumerate(ratios):
        side = 4 if ratio >= 1 else -4
        ax.annotate(
            f"{ratio:.2f}", (ratio, height), (side, 0), textcoords="offset points", va="center",
            ha="left" if ratio >= 1 else "right", fontsize=7,
        )  # fmt: skip
    name_rows(ax, labels)
    ax.margins(x=0.1)
    ax.axvline(1, color="black", linewidth=0.8)


def scale_out(figure, tables):
    """Simulated seconds of a fit by the number of machines, and the formula's."""
    figure.set_size_inches(4.4, 3.0)
    ax, table = figure.subplots(), tables["simulated"]
    names = list(dict.fromkeys(row["network"] for row in table.rows))
    for name, style in styled(names):
        rows = [row for row in table.rows if row["network"] == name]
        machines = [row["machines"] for row in rows]
        ax.plot(machines, [row["simulated, s"] for row in rows], linestyle="", label=name, **style)
        ax.plot(machines, [row["formula, s"] for row in rows], color=style["color"])
    ax.set(xscale="log", yscale="log", xlabel="machines, a partition each", ylabel="seconds")
    ax.set_xticks(machines, [f"{n}" for n in machines])
    ax.xaxis.set_minor_locator(NullLocator())
    plain_ticks(ax.yaxis)
    ax.legend(title="simulated; lines: formula")


PICTURES = {  # by the folder of their tables
    "defaults": defaults,
    "front_page": front_page,
    "linear_defaults": linear_defaults,
    "logistic_regression": logistic_regression,
    "finite_sum": finite_sums,
    "multiclass": multiclass,
    "sequence_labelling": sequence_labelling,
    "streams": streams,
    "multilabel": multilabel,
    "low_rank": low_rank,
    "landscape": landscape,
    "net_defaults": net_defaults,
    "tuned_nets": tuned_nets,
    "two_layer": two_layer_nets,
    "deep_nets": deep_nets,
    "scale_out": scale_out,
}


def draw(folder, tables, path):
    """Draw a folder's picture; the file names the tables that it was drawn from."""
    with rc_context({**STYLE, **SVG}):
        figure = Figure()
        PICTURES[folder](figure, tables)
        figure.savefig(path, metadata={"Date": None, "Identifier": fingerprint(tables)})
