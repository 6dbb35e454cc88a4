"""The code on the pages of documentation runs, and prints what the pages say; the map is right."""

import doctest
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NEEDS = {"plotting": "matplotlib", "ProgressBar": "rich", "skops": "skops"}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks(page):
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.stem) for page in PAGES if _blocks(page)]
)
def test_code_runs(page, monkeypatch, tmp_path):
    """The blocks of a page follow each other in one namespace; those with prompts are doctests."""
    text = page.read_text(encoding="utf-8")
    for word, library in NEEDS.items():
        if word in text:
            pytest.importorskip(library)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    module, output = ModuleType("page"), []
    monkeypatch.setitem(sys.modules, "page", module)  # its classes can be pickled
    namespace = vars(module)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for number, block in enumerate(_blocks(page)):
        name = f"{page.name}, block {number}"
        if ">>>" in block:
            example = doctest.DocTestParser().get_doctest(block, namespace, name, str(page), 0)
            runner.run(example, out=output.append, clear_globs=False)
            namespace |= example.globs
            assert not runner.failures, "".join(output)
        else:
            exec(compile(block, name, "exec"), namespace)


def test_the_map_of_contributing_is_that_of_the_package():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(_[a-z]\w+)", page.split("## Map")[1].split("## A new")[0]))
    package = ROOT / "sklearn_optland"
    private = {path.parent.name for path in package.rglob("_[a-z]*/__init__.py")}
    assert private <= named
    assert named <= private | {path.stem for path in package.glob("_*.py")}
