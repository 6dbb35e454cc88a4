"""Tables of results: values, the formats that write them, and how they were measured.

`results/FOLDER.json` holds a folder's tables by name; what pages and pictures show is made of it.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import date
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from string import Formatter

RESULTS = Path(__file__).parents[1] / "results"
RATIO = "{:.2f} ({:.2f}–{:.2f})"  # a median and its quartiles
DIGITS = 6  # that are kept of a number


@dataclass
class Table:
    """A table.

    Parameters
    ----------
    columns : dict of str to str or list of str
        By heading the template, as for `str.format`, of a cell's values; or several templates, of
        which the one with as many fields as there are values is taken.
    rows : list of dict
        Cells by heading: None is left empty, a text stays as it is, a number is the one value of
        its template, a list are its values, and a list of lists is written with semicolons.
    notes : list of str
        Lines below the table.
    conditions : dict
        "command", "date", "versions" and "machine".
    """

    columns: dict
    rows: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    conditions: dict = field(default_factory=dict)

    def add(self, row):
        """Append a row, and return its line; what is missing of the columns is left empty."""
        self.rows.append({heading: rounded(row.get(heading)) for heading in self.columns})
        return self.line(self.rows[-1])

    def line(self, row):
        return markdown(write_cell(row[heading], form) for heading, form in self.columns.items())

    def head(self):
        return f"{markdown(self.columns)}\n{'| --- ' * len(self.columns)}|"

    def __str__(self):
        notes = ["", *self.notes] if self.notes else []
        return "\n".join([self.head(), *map(self.line, self.rows), *notes])


def markdown(cells):
    return f"| {' | '.join(cells)} |"


def rounded(value):
    """The value with all numbers in it rounded."""
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    value = value.item() if hasattr(value, "item") else value  # NumPy's
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def write_cell(value, form):
    """The text of a cell."""
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list):
        value = [value]
    if value and isinstance(value[0], list):
        return "; ".join(write_cell(part, form) for part in value)
    forms = [form] if isinstance(form, str) else form
    templates = {n_fields(template): template for template in forms}
    return templates[len(value)].format(*value)


def n_fields(template):
    return sum(name is not None for _, name, _, _ in Formatter().parse(template))


def fingerprint(tables):
    """A text that is another one when a cell changes."""
    return sha256(repr([table.rows for table in tables.values()]).encode()).hexdigest()[:16]


def conditions_of(command, *packages):
    """The conditions of a study's table: its command, today, and versions of the packages."""
    versions = ", ".join(f"{name} {version_of(name)}" for name in packages)
    return {"command": command, "date": date.today().isoformat(), "versions": versions}


def version_of(package):
    """The version of a package; of this one, that of the checkout that is imported."""
    if package == "sklearn-optland":
        import sklearn_optland  # not at the top: some rivals' environments do not have it

        return sklearn_optland.__version__
    return version(package)


def read(folder):
    """The tables of a folder's results by name."""
    path = RESULTS / f"{folder}.json"
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: Table(**fields) for name, fields in stored.items()}


def write(folder, tables):
    """Keep the tables, a line a row."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{folder}.json").write_text(dumps(tables), encoding="utf-8")


def dumps(tables):
    """JSON of the tables with a line a row, as `git diff` wants it."""

    def items(fields, indent, inner):
        lines = (f"\n{indent} {text(key)}: {inner(value)}" for key, value in fields.items())
        return "{" + ",".join(lines) + f"\n{indent}}}"

    def text(value):
        return json.dumps(value, ensure_ascii=False)

    def lines(value):
        if isinstance(value, list) and value:
            return "[\n   " + ",\n   ".join(map(text, value)) + "\n  ]"
        return text(value)

    return items(tables, "", lambda table: items(asdict(table), " ", lines)) + "\n"
