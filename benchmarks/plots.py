"""Draw the tables of README.md, a picture a family, into the folder `figures`.

    python benchmarks/plots.py

The tables are the record of the full runs: when one has changed, run this again.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import Bbox

from sklearn_optland.plotting._style import COLOURS, FAINT, MARKERS, STYLE, styles

HERE = Path(__file__).parent
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
# The same tables give the same file, byte by byte.
SVG = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sklearn-optland",
    "font.size": 8,
    "legend.fontsize": 7,
}
BLUE, ORANGE, _, _, YELLOW, *_ = COLOURS


@dataclass
class Table:
    section: str  # the heading above it
    caption: str  # the last line above it
    rows: list  # of each row a dict by column


def read_tables(text):
    """All tables of a markdown text, in order."""
    tables, section, caption = [], "", ""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("## "):
            section = line[3:]
        if not line.startswith("|"):
            caption = line or caption
            continue
        columns, rows = split(line), []
        next(lines)  # | --- |
        while (line := next(lines, "")).startswith("|"):
            rows.append(dict(zip(columns, split(line), strict=True)))
        tables.append(Table(section, caption, rows))
    return tables


def split(line):
    return [cell.strip() for cell in line.strip()[1:-1].split("|")]


def numbers(cell):
    """All numbers of a cell: of 4.13 (3.96–4.17), of 0.16 ± 0.04, 0.17."""
    return [float(text) for text in NUMBER.findall(cell)]


def select(tables, *columns):
    """Those with these columns."""
    found = [table for table in tables if table.rows[0].keys() >= set(columns)]
    if not found:
        raise ValueError(f"there is no table with the columns {columns}")
    return found


def fingerprint(tables):
    """Another one when a cell changes: a picture holds that of the tables it was drawn from."""
    return sha256(repr([table.rows for table in tables]).encode()).hexdigest()[:16]


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
    room = ax.figure.bbox
    for point, label in zip(points, labels, strict=True):
        texts = [
            ax.annotate(
                label, point, (5 if side == "left" else -5, height), fontsize=6.5, ha=side,
                va="center", textcoords="offset points", in_layout=False,
            )
            for height in (0, 6, -6, 11, -11)
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
    first, *others = select(tables, "ratio 1e-06")
    panels = {"two classes": first.rows, "several classes": [r for t in others for r in t.rows]}
    heights = max(len(rows) for rows in panels.values())
    figure.set_size_inches(9.5, 0.9 + 0.17 * heights)
    for ax, (title, rows) in zip(figure.subplots(1, 2, sharex=True), panels.items(), strict=True):
        for level, style in styled(["1e-03", "1e-06", "1e-09"]):
            ratios = [numbers(row[f"ratio {level}"])[:1] or [np.nan] for row in rows]
            label = f"to {float(level):g} of the optimum"
            ax.plot(np.ravel(ratios), range(len(rows)), label=label, linestyle="none", **style)
        name_rows(ax, [f"{row['data']}, C = {row['C']}" for row in rows])
        ax.axvline(1, color="black", linewidth=0.8)
        ax.set(title=title, xlabel="seconds of the best rival ÷ ours")
    figure.axes[0].legend()


def finite_sums(figure, tables):
    """Ratios to each rival; passes against the condition number."""
    figure.set_size_inches(9.5, 3.6)
    left, right = figure.subplots(1, 2)
    (table,) = select(tables, "rival: s (count), ratio")
    rivals = "scikit-learn[saga]", "scikit-learn[liblinear]", "skglm", "celer"
    heights = dict(enumerate(row["rival: s (count), ratio"] for row in table.rows))
    for name, style in styled(rivals):
        # NAME seconds (count), ratio; with > before what is a bound
        found = re.compile(re.escape(name) + r" [^(]+\([^)]+\), (> )?([\d.]+)")
        cells = {height: found.search(cell) for height, cell in heights.items()}
        reached = [(float(c[2]), height) for height, c in cells.items() if c and not c[1]]
        bounds = [(float(c[2]), height) for height, c in cells.items() if c and c[1]]
        left.plot(*np.transpose(reached), label=name, linestyle="none", **style)
        for bound in bounds:
            left.plot(*bound, markerfacecolor="white", **style)
    left.plot([], [], "o", color=FAINT, markerfacecolor="white", label="did not arrive: at least")
    labels = [f"{r['data']}, {r['penalty']}, strength {r['strength']}" for r in table.rows]
    name_rows(left, labels, spare=2.5)
    left.axvline(1, color="black", linewidth=0.8)
    left.set_xlabel("seconds of the rival ÷ ours")
    left.set_title("to 1e-6 of the optimum")
    left.legend(loc="lower center", ncols=2)

    rates = select(tables, "κ/n = 1")[-1]
    colours = {"nκ": FAINT, "n√κ": YELLOW, "n + κ": BLUE, "n + √(nκ)": ORANGE}
    ratios = [float(column.partition("= ")[2]) for column in rates.rows[0] if "κ/n" in column]
    shown = [row for row in rates.rows if row["row"] in colours]
    for row, marker in zip(shown, "x+osv^DPX*", strict=True):
        cells = [row[f"κ/n = {ratio:g}"] for ratio in ratios]
        passes = [np.nan if cell.startswith(">") else numbers(cell)[0] for cell in cells]
        theory = [numbers(cell)[1] for cell in cells]  # the same in all rows of a colour
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
    titles = {"**isolet**": "isolet, 26 classes", "**clinc150**": "clinc150, 150 classes"}
    points = {}
    errors = select(tables, "error %")
    for ax, (caption, title) in zip(panels, titles.items(), strict=True):
        (table,) = (table for table in errors if table.caption == caption)
        ax.set(title=title, xscale="log", yscale="log", xlabel="µs a predicted row")
        ax.set_xlim(0.015, 900)
        ax.margins(y=0.1)
        ours_first = sorted(table.rows, key=lambda row: not row["learner"].startswith("LOM"))
        rows = [(numbers(row["predict µs"])[0], numbers(row["error %"])[0]) for row in ours_first]
        names = [row["learner"].removesuffix("Classifier") for row in ours_first]
        colours = [ORANGE if name.startswith("LOM") else BLUE for name in names]
        ax.scatter(*np.transpose(rows), s=16, color=colours)
        plain_ticks(ax.xaxis, digits=[1])
        plain_ticks(ax.yaxis, digits=(1, 1.5, *range(2, 10)))
        points[ax] = rows, names
    panels[0].set_ylabel("error on test rows, %")

    (table,) = select(tables, "µs an example, predict")
    sizes = [column for column in table.rows[0] if column.startswith("k = ")]
    ks = [int(size.removeprefix("k = ").replace(",", "")) for size in sizes]
    ends, names = [], []
    for row, marker in zip(table.rows, MARKERS, strict=False):
        times = {k: numbers(row[size])[0] for k, size in zip(ks, sizes, strict=True) if row[size]}
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
            rows = [r for t in tables for r in t.rows if r.get(column) and "≤" not in r["data"]]
            if not rows:
                continue
            found = []
            for row in rows:
                rivals = [numbers(row[f"MLP {solver}: {kind}, s"]) for solver in ("adam", "lbfgs")]
                # Cells are error ± deviation, seconds: the better is the one with less error.
                (error, *_, seconds), own = min(rivals), numbers(row[column])
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
    (table,) = select(tables, "particles: s, iterations")
    problems = [f"d = {row['d']}, seed {row['seed']}" for row in table.rows]
    columns = [column for column in table.rows[0] if column.endswith(": s, iterations")]
    for column, style in styled(columns):
        seconds = [(numbers(row[column]) or [np.nan])[0] for row in table.rows]
        name = column.partition(":")[0]
        speed.plot(seconds, range(len(problems)), label=name, linestyle="none", **style)
    name_rows(speed, problems, spare=1)
    speed.set(xlabel="CPU seconds", title="to a risk of 1e-4")
    speed.legend(loc="lower center", ncols=2)

    (table,) = select(tables, "neurons", "seed 0")
    neurons = [int(row["neurons"]) for row in table.rows]
    seeds = [column for column in table.rows[0] if column.startswith("seed ")]
    risks = [[numbers(row[seed])[0] for seed in seeds] for row in table.rows]
    teacher.plot(neurons, risks, "o", color=BLUE, markerfacecolor="none")
    teacher.axhline(1e-4, color=FAINT, linewidth=0.8)
    teacher.set(xscale="log", yscale="log", xlabel="neurons", ylabel="risk at the end")
    teacher.set(title="gradient flow, a teacher of 5")
    teacher.set_xticks(neurons, neurons)
    teacher.minorticks_off()

    (table,) = select(tables, "both layers: error")
    rows = [int(row["rows"]) for row in table.rows]
    for name, style in styled(["output layer", "both layers"]):
        errors, deviations = np.transpose([numbers(row[f"{name}: error"]) for row in table.rows])
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
    (table,) = select(tables, "ours: s, iterations, test")
    columns = [column for column in table.rows[0] if column.endswith(": s, iterations, test")]
    for column, style in styled(columns):
        seconds = [(numbers(row[column]) or [np.nan])[0] for row in table.rows]
        if not np.isnan(seconds).all():
            name = column.partition(":")[0]
            speed.plot(seconds, range(len(seconds)), label=name, linestyle="none", **style)
    name_rows(speed, [row["data"] for row in table.rows])
    speed.set(xlabel="CPU seconds", title="to a training loss")
    speed.legend()

    (table,) = select(tables, "learner")
    columns = [column for column in table.rows[0] if column.endswith(": accuracy by seed")]
    rows = [row for row in table.rows if any(row[column] for column in columns)]
    for column, style in styled(columns):
        points = [(x, height) for height, row in enumerate(rows) for x in numbers(row[column])]
        label = f"from {column.partition(':')[0]}"
        sigmoid.plot(*np.transpose(points), label=label, mfc="none", linestyle="none", **style)
    sigmoid.set_yticks(range(len(rows)), [row["learner"] for row in rows])
    sigmoid.set(xlabel="accuracy on test rows, five seeds", title="eight hidden layers of sigmoids")
    sigmoid.set(xlim=(0, 1.02), ylim=(len(rows) - 0.5, -0.5))
    sigmoid.legend()


PICTURES = {  # by the heading of their tables
    "Logistic regression": logistic_regression,
    "Finite sums": finite_sums,
    "Multiclass in logarithmic time": multiclass,
    "Tuned nets": tuned_nets,
    "Two-layer nets": two_layer_nets,
    "Deep nets": deep_nets,
}


def main():
    tables = read_tables((HERE / "README.md").read_text(encoding="utf-8"))
    (HERE / "figures").mkdir(exist_ok=True)
    for section, draw in PICTURES.items():
        own = [table for table in tables if table.section == section]
        path = HERE / "figures" / f"{draw.__name__}.svg"
        with rc_context({**STYLE, **SVG}):
            figure = Figure()
            draw(figure, own)
            figure.savefig(path, metadata={"Date": None, "Identifier": fingerprint(own)})
        print(path)


if __name__ == "__main__":
    main()
