"""Annotations of the public signatures: all are there, and mean what the parameters allow."""

import inspect
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args, get_origin, get_overloads

import pytest
from sklearn.utils._param_validation import StrOptions

from sklearn_optland.utils.discovery import _public_modules, all_estimators

HERE = Path(__file__).parent
NAMED = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in _public_modules()
    for name in module.__all__
}


def own_functions(public):
    """The functions of a public name: itself, or methods and properties that are the package's."""
    if not inspect.isclass(public):
        return [public] if callable(public) else []
    members = [
        member
        for cls in public.__mro__
        if cls.__module__.startswith("sklearn_optland.")
        for name, member in vars(cls).items()
        if name == "__init__" or not name.startswith("_")
    ]
    functions = [
        getattr(member, "fget", None) or getattr(member, "func", None) or member
        for member in members
    ]
    functions = [getattr(function, "__func__", function) for function in functions]
    unwrapped = [inspect.unwrap(function) for function in functions if callable(function)]
    return [
        function
        for function in unwrapped
        if inspect.isfunction(function)
        and function.__module__.startswith("sklearn_optland.")
        and not function.__code__.co_filename.startswith("<")  # of a dataclass
    ]


def words_of(annotation):
    """The strings of the Literals in an annotation."""
    if get_origin(annotation) is Literal:
        return {word for word in get_args(annotation) if isinstance(word, str)}
    return set().union(*map(words_of, get_args(annotation)))


def test_the_package_says_that_it_is_typed():
    assert (files("sklearn_optland") / "py.typed").is_file()


@pytest.mark.parametrize("name", sorted(NAMED))
def test_public_signatures_are_annotated(name):
    for function in own_functions(NAMED[name]):
        for variant in get_overloads(function) or [function]:
            signature = inspect.signature(inspect.unwrap(variant))
            parameters = list(signature.parameters.values())
            if parameters and parameters[0].name in ("self", "cls"):
                del parameters[0]
            missing = [p.name for p in parameters if p.annotation is inspect.Parameter.empty]
            if signature.return_annotation is inspect.Signature.empty:
                missing.append("return")
            assert missing == [], function.__qualname__


@pytest.mark.parametrize("name", [name for name, _ in all_estimators()])
def test_choices_are_those_that_the_estimator_allows(name):
    estimator = dict(all_estimators())[name]
    for parameter in inspect.signature(estimator).parameters.values():
        constraints = estimator._parameter_constraints[parameter.name]
        if parameter.name in ("dtype", "scoring") or isinstance(constraints, str):
            continue
        allowed = set().union(*(c.options for c in constraints if isinstance(c, StrOptions)))
        assert words_of(parameter.annotation) == allowed, parameter.name


def test_a_strict_type_checker_finds_the_mistakes_and_nothing_else():
    api = pytest.importorskip("mypy.api")
    config = ["--config-file", str(HERE.parents[1] / "pyproject.toml"), "--cache-dir", os.devnull]
    source = HERE / "wrong_code.py"
    out, err, _ = api.run([*config, str(HERE / "user_code.py"), str(source)])
    lines = enumerate(source.read_text(encoding="utf-8").splitlines(), start=1)
    expected = [(source.name, n, line.split("# ")[1]) for n, line in lines if "  # " in line]
    found = re.findall(r"(\w+\.py):(\d+): error: .*\[([a-z-]+)\]$", out, re.MULTILINE)
    assert [(file, int(line), code) for file, line, code in found] == expected, out + err
