"""The page and its pictures are made of the results."""

import json
import re

import pytest
import report
from common import tables
from common.tables import RATIO, Table

README = report.README.read_text(encoding="utf-8")
RESULTS = {path.stem: tables.read(path.stem) for path in tables.RESULTS.glob("*.json")}


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (None, "{:.2f}", ""),
        ("not reached", "{:.2f}", "not reached"),
        (0.5, "{:.2f}", "0.50"),
        (True, "{}", "True"),
        ([4.134, 3.96, 4.17], RATIO, "4.13 (3.96–4.17)"),
        ([4.5], ["{:.2f}", "{:.2f} ± {:.2f}"], "4.50"),
        ([4.5, 0.25], ["{:.2f}", "{:.2f} ± {:.2f}"], "4.50 ± 0.25"),
        ([["a", 1], ["b", 2, 0.5]], ["{} {}", "{} > {} (at {:.0e})"], "a 1; b > 2 (at 5e-01)"),
    ],
)
def test_cells_are_written_by_their_format(value, form, text):
    assert tables.write_cell(value, form) == text


def test_a_table_is_written_with_its_notes():
    table = Table({"data": "{}", "s": "{:.3g}"}, notes=["A note."])
    assert table.add({"data": "iris", "s": 1.23456}) == "| iris | 1.23 |"
    table.add({"data": "wine"})
    assert str(table).splitlines() == [
        "| data | s |",
        "| --- | --- |",
        "| iris | 1.23 |",
        "| wine |  |",
        "",
        "A note.",
    ]


def test_tables_are_kept_as_they_are(monkeypatch, tmp_path):
    """Every kind of cell, and another fingerprint after a change of one."""
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    table = Table(
        {"κ": "{:g}", "": ["{}", "{} {}"]}, notes=["“A”"], conditions={"date": "2026-11-21"}
    )
    for cell in (None, "text", 3, 0.1, False, [1, 2.5], [["a", 1], ["b", 2]]):
        table.add({"κ": 1, "": cell})
    tables.write("folder", {"one": table, "none": Table({})})
    found = tables.read("folder")
    assert found == {"one": table, "none": Table({})}
    before = tables.fingerprint(found)
    found["one"].rows[0][""] = 0
    assert tables.fingerprint(found) != before


def test_a_row_of_results_is_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    table = Table({"n": "{}"})
    for n in range(3):
        table.add({"n": n})
    tables.write("folder", {"one": table})
    text = (tmp_path / "folder.json").read_text(encoding="utf-8")
    assert [
        json.loads(row) for row in re.findall(r"^ *(\{\"n\": .\}),?$", text, re.M)
    ] == table.rows


def test_the_page_has_the_tables_of_the_results():
    """Fails after a change of results: `python benchmarks/report.py` mends it."""
    shown = report.BLOCK.findall(README)
    kept = {(folder, name) for folder, found in RESULTS.items() for name in found}
    assert {(folder, name) for _, folder, name, _ in shown} == kept
    assert report.with_tables(README) == README, "run benchmarks/report.py: results have changed"


def test_blocks_alone_change():
    folder, name = next((folder, name) for folder, found in RESULTS.items() for name in found)
    block = f"<!-- table {folder} {name} -->\n"
    page = report.with_tables(f"before\n{block}STALE\n<!-- end -->\nafter")
    command = RESULTS[folder][name].conditions["command"]
    assert page.startswith(f"before\n{block}`{command}`")
    assert page.endswith(f"{RESULTS[folder][name]}\n<!-- end -->\nafter")
    assert "STALE" not in page


def test_pictures_show_the_results_as_they_are():
    """Fails after a change of results: `python benchmarks/report.py` mends it."""
    pytest.importorskip("matplotlib")
    from common.figures import PICTURES

    assert PICTURES.keys() == RESULTS.keys()
    for folder, function in PICTURES.items():
        path = report.HERE / "figures" / f"{function.__name__}.svg"
        fingerprint = tables.fingerprint(RESULTS[folder])
        message = f"run benchmarks/report.py: {folder} has changed"
        assert fingerprint in path.read_text(encoding="utf-8"), message


def test_every_picture_is_on_the_page_and_small():
    pictures = sorted((report.HERE / "figures").iterdir())
    assert sorted(re.findall(r"\]\(figures/(.*?)\)", README)) == [path.name for path in pictures]
    assert all(path.stat().st_size < 100_000 for path in pictures)
