"""The code on the pages runs, and prints what the pages say; what they name exists."""

import doctest
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NEEDS = {
    "sklearn.callback": "sklearn.callback",
    "plotting": "matplotlib",
    "ProgressBar": "rich",
    "skops": "skops",
}
NEEDS |= {f"import {name}": name for name in ("mlflow", "onnxruntime", "optuna", "shap")}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _name(page):
    return page.relative_to(ROOT).as_posix()


def _blocks(page):
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page)], ids=_name)
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


NAMED_FILE = re.compile(r"(?<![\w/])(?:tests|benchmarks|sklearn_optland|_\w+)/[\w./*]*\w")
NAMED_OBJECT = re.compile(r"\bsklearn_optland(?:\.\w+)+")


def _files(name):
    """Files of that name, in the checkout or in the package; FOLDER stands for any."""
    for folder in (ROOT, ROOT / "sklearn_optland"):
        yield from folder.glob(name.replace("FOLDER", "*"))


def _exists(name):
    """Whether there is the file, or for `_rows/source.ArraySource` the module that has the name."""
    module, _, attribute = name.rpartition(".")
    return any(_files(name)) or any(
        attribute in file.read_text() for file in _files(f"{module}.py")
    )


@pytest.mark.parametrize("page", [*PAGES, ROOT / "benchmarks" / "README.md"], ids=_name)
def test_what_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    assert [name for name in NAMED_FILE.findall(text) if not _exists(name)] == []
    for name in set(NAMED_OBJECT.findall(text)):
        pkgutil.resolve_name(name)


def test_the_map_of_contributing_is_that_of_the_package():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(_[a-z]\w+)", page.split("## Map")[1].split("## A new")[0]))
    package = ROOT / "sklearn_optland"
    private = {path.parent.name for path in package.rglob("_[a-z]*/__init__.py")}
    assert private <= named
    assert named <= private | {path.stem for path in package.glob("_*.py")}
