"""The floors of the package: what is imported, included or cimported lies below; marked kernels.

An import inside a function counts like one at the top of its file.
"""

import ast
import re
from pathlib import Path

import pytest

# From the ground up. A room is a module or a package with all that it holds, but for what has a
# line of its own; rooms on one floor do not know each other.
FLOORS = [
    ["_version", "utils._build_info"],
    ["_rows"],
    ["_loss", "_optim"],
    ["_estimator"],
    ["_net", "_low_rank"],
    [
        "linear_model._coordinates",
        "linear_model._scores",
        "linear_model._paths",
        "structured._sequences",
        "structured._vectorizer_fast",
        "structured._sequences",
        "tree._log_probabilities",
        "tree._top_k",
        "tree._training_rows",
    ],  # of several families
    ["linear_model._cross_validation", "structured._vectorizer"],  # of these
    [
        "linear_model._logistic",
        "linear_model._finite_sum",
        "linear_model._latent",
        "neural_network._deep",
        "neural_network._mean_field",
        "structured._chain",
        "tree._forest",
        "tree._online",
    ],
    [
        "decomposition",
        "impute",
        "kernel_approximation",
        "landscape",
        "langevin",
        "linear_model",
        "metrics",
        "neural_network",
        "structured",
        "tree",
    ],  # the public names
    ["tensor"],  # polishes by deep nets
    ["plotting"],
    ["_show_versions"],
    [""],  # the package's own __init__
    ["utils"],  # finds the estimators of the whole package
    ["_tour"],
]
NEIGHBOURS = {
    (
        "linear_model._finite_sum",
        "linear_model._logistic",
    ): "a finite sum of log-losses with an L2 penalty is logistic regression",
    (
        "linear_model._latent",
        "linear_model._logistic",
    ): "one component a class is logistic regression, and its metrics serve more",
    ("tree._forest", "tree._online"): "a forest may be made of online trees",
}

TESTS = Path(__file__).parent
ROOT = TESTS.parent / "sklearn_optland"  # an installed package has no sources of kernels
SOURCES = sorted(
    path for path in ROOT.rglob("*") if path.suffix in {".py", ".pyx", ".pxd", ".pxi", ".h"}
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def module_of(path):
    """The dotted name of a file within the package; that of the package itself is empty."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module):
    """The room with the longest name that the module lies in, or None."""
    parts = module.split(".")
    names = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((name for name in names if name in FLOOR_OF), None)


MODULES = {module_of(path): path for path in SOURCES if path.suffix != ".h"}
PACKAGES = {module for module, path in MODULES.items() if path.name == "__init__.py"}
HEADERS = {path.name: module_of(path) for path in SOURCES if path.suffix == ".h"}


def imported_modules(module, names):
    """`from module import names`, where the names may be modules; nothing of other packages."""
    package, _, inside = module.partition(".")
    if package != ROOT.name:
        return []
    below = [f"{inside}.{name}".lstrip(".") for name in names]
    return [name if name in MODULES else inside for name in below] or [inside]


def python_imports(text, package):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from imported_modules(alias.name, [])
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                base = [ROOT.name, *filter(None, package.split("."))]
                base = base[: len(base) + 1 - node.level]
                module = ".".join([*base, *filter(None, [module])])
            yield from imported_modules(module, [alias.name for alias in node.names])


FROM = re.compile(r"^[ \t]*from[ \t]+(\S+)[ \t]+c?import[ \t]+(?:\(([^)]*)\)|(.*))", re.MULTILINE)
IMPORT = re.compile(r"^[ \t]*c?import[ \t]+(.*)", re.MULTILINE)
INCLUDE = re.compile(r"""(?:extern[ \t]+from|include)[ \t]*["']([^"']+)["']""")


def first_words(names):
    return [name.split()[0] for name in (names or "").split("#")[0].split(",") if name.split()]


def compiled_imports(text):
    for module, in_brackets, on_line in FROM.findall(text):
        yield from imported_modules(module, first_words(in_brackets or on_line))
    for names in IMPORT.findall(text):
        for module in first_words(names):
            yield from imported_modules(module, [])
    for file in INCLUDE.findall(text):
        if (header := Path(file).name) in HEADERS:
            yield HEADERS[header]


def imports(path):
    """Modules of the package that a source file names, and rooms of headers."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return set(compiled_imports(text))
    module = module_of(path)
    package = module if module in PACKAGES else module.rpartition(".")[0]
    return set(python_imports(text, package))


def test_every_source_has_a_room():
    assert [str(path) for path in SOURCES if room_of(module_of(path)) is None] == []


def test_every_private_package_has_a_line_of_its_own():
    private = [package for package in PACKAGES if package.rpartition(".")[2].startswith("_")]
    missing = sorted(set(private) - FLOOR_OF.keys())
    assert not missing, f"add to FLOORS of {Path(__file__).name}, on their floors: {missing}"


@pytest.mark.parametrize("room", FLOOR_OF)
def test_imports_point_down(room):
    wrong = [
        f"{path.relative_to(ROOT)} imports {module or 'the package'}"
        for path in SOURCES
        if room_of(module_of(path)) == room
        for module in sorted(imports(path))
        if (other := room_of(module)) != room
        and FLOOR_OF[other] >= FLOOR_OF[room]
        and (room, other) not in NEIGHBOURS
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("room", "neighbour"), NEIGHBOURS)
def test_exceptions_are_needed(room, neighbour):
    files = [path for path in SOURCES if room_of(module_of(path)) == room]
    assert any(room_of(module) == neighbour for path in files for module in imports(path))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from sklearn_optland._rows import reduce", ["_rows.reduce"]),
        ("from sklearn_optland._rows.reduce import Statistic", ["_rows.reduce"]),
        ("def f():\n    import sklearn_optland._rows.threads as t", ["_rows.threads"]),
        ("from .._rows import threads, source", ["_rows.threads", "_rows.source"]),
        ("from . import step", ["_optim.step"]),
        ("from numpy import linalg", []),
        ("from sklearn_optland import Certificate", [""]),
    ],
)
def test_python_imports(text, found):
    assert list(python_imports(text, "_optim")) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from sklearn_optland._rows.rows cimport (\n    Rows,\n    visit,\n)", ["_rows.rows"]),
        ("from sklearn_optland._rows cimport blas, random", ["_rows.blas", "_rows.random"]),
        ("cimport sklearn_optland._rows.blas as b, cython", ["_rows.blas"]),
        ('cdef extern from "../_rows/dense_rows.h" nogil:', ["_rows.dense_rows"]),
        ('#include "vector_math.h"\n#include <math.h>', ["_rows.vector_math"]),
        ("cimport numpy", []),
    ],
)
def test_compiled_imports(text, found):
    assert set(compiled_imports(text)) == set(found)


# Kernels that no test imports, and the file of tests that reaches them.
REACHED_BY = {
    "class_major_fast": "linear_model/test_newton_kernels.py",
    "hessian_tiles_fast": "linear_model/test_newton_kernels.py",
    "_spin_glass_fast": "landscape/test_spin_glass.py",
    "float32_csr_fast": "linear_model/test_logistic_samples.py",
    "lbfgs_fast": "_optim/test_lbfgs.py",
}


def test_sanitizers_run_every_kernel():
    texts = {path: path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py")}
    mark = re.compile(r"^pytestmark = pytest\.mark\.kernels$", re.MULTILINE)
    marked = {path: text for path, text in texts.items() if mark.search(text)}
    kernels = {path.stem for path in SOURCES if path.suffix == ".pyx"} - {"_build_info"}
    assert REACHED_BY.keys() <= kernels
    missed = {
        kernel
        for kernel in kernels
        if TESTS / REACHED_BY.get(kernel, "") not in marked
        and not any(re.search(rf"\b{kernel}\b", text) for text in marked.values())
    }
    assert missed == set()
