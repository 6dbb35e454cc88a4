"""Write the tables of README.md and draw its pictures from the results.

    python benchmarks/report.py

A table of `results/FOLDER.json` stands between <!-- table FOLDER NAME --> and <!-- end -->.
"""

import re
from pathlib import Path

from common.tables import read

HERE = Path(__file__).parent
README = HERE / "README.md"
BLOCK = re.compile(r"(<!-- table (\S+) (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text):
    """The text with each block as the results have it."""

    def block(match):
        begin, folder, name, end = match.groups()
        table = read(folder)[name]
        caption = f"`{table.conditions['command']}`, {table.conditions['date']}:"
        return f"{begin}{caption}\n\n{table}\n{end}"

    return BLOCK.sub(block, text)


def main():
    from common import figures  # not at the top: to write tables takes no matplotlib

    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
    for folder, function in figures.PICTURES.items():
        figures.draw(folder, read(folder), HERE / "figures" / f"{function.__name__}.svg")


if __name__ == "__main__":
    main()
