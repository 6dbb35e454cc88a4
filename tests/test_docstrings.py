"""The public docstrings: their examples run, and numpydoc has nothing against them."""

import doctest
import inspect
import re
from itertools import combinations

import pytest
from numpydoc.validate import validate
from sklearn.utils._testing import assert_docstring_consistency

from sklearn_optland.utils.discovery import _public_modules, all_estimators

PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in _public_modules()
    for name in module.__all__
    if callable(getattr(module, name))
}
ESTIMATORS = {name for name, obj in PUBLIC.items() if hasattr(obj, "get_params")}
# RT02 wants no names for returned values, GL01 an empty first line: scikit-learn does neither.
IGNORED = {"RT02", "GL01"}
# Only estimators need an extended summary (ES01), See Also (SA01) and Examples (EX01).
ESTIMATORS_ONLY = {"ES01", "SA01", "EX01"}
# Estimators of one family, and the parameters and attributes that mean something else in each.
FAMILIES = {
    r"(FiniteSum|SAGA|SDCA|SVRG)(Classifier|Regressor)$": (
        {"loss", "epsilon"},
        {"coef_", "intercept_"},
    ),
    r"(FiniteSum|SAGA|SDCA|SVRG)Classifier$": ({"loss"}, set()),
    r"(FiniteSum|SAGA|SDCA|SVRG)Regressor$": ({"loss", "epsilon"}, set()),
    r"FiniteSum\w+CV": (
        {"loss", "alphas", "solver", "sampling", "step_size", "cv", "scoring", "random_state"},
        {"coef_", "intercept_", "scores_", "history_"},
    ),
    r"FiniteSumClassifier": (
        {
            "loss",
            "solver",
            "sampling",
            "step_size",
            "tol",
            "max_iter",
            "class_weight",
            "random_state",
        },
        {"certificate_", "history_", "n_iter_", "solver_"},
    ),
    r"ADMMNet": (set(), set()),
    r"Langevin": ({"C"}, {"samples_"}),
    r"MeanFieldTwoLayerNet": ({"solver", "regime", "tol"}, set()),
    r"TensorNet": ({"warm_start"}, set()),
}


def _own_methods(cls):
    """Names of the public methods and properties that the package itself defines."""
    return sorted(
        name
        for base in cls.__mro__
        if base.__module__.startswith("sklearn_optland.")
        for name, member in vars(base).items()
        if not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property))
    )


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_run(name):
    # Empty globals: an example imports all that it uses, as its reader must.
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    output = []
    for example in finder.find(PUBLIC[name], name, globs={}):
        runner.run(example, out=output.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(output)


@pytest.mark.parametrize("name", PUBLIC)
def test_numpydoc(name):
    paths = [name]
    if inspect.isclass(PUBLIC[name]):
        paths += [f"{name}.{method}" for method in _own_methods(PUBLIC[name])]
    complaints = [
        f"{path}: {code} {message}"
        for path in paths
        for code, message in validate(path)["errors"]
        if code not in IGNORED and not (code in ESTIMATORS_ONLY and path not in ESTIMATORS)
    ]
    assert not complaints, "\n".join(complaints)


@pytest.mark.filterwarnings("ignore:Checking was skipped")  # what only one of a pair has
@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_family_shares_is_described_alike(family):
    members = [cls for name, cls in all_estimators() if re.match(family, name)]
    assert len(members) > 1
    parameters, attributes = map(sorted, FAMILIES[family])
    for pair in combinations(members, 2):
        assert_docstring_consistency(
            pair,
            include_params=True,
            exclude_params=parameters,
            include_attrs=True,
            exclude_attrs=attributes,
        )
