"""The tour: every estimator is on it, and what it shows is complete."""

import re
import sys
from types import SimpleNamespace

import pytest
from matplotlib.image import imread
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from sklearn_optland import _tour
from sklearn_optland._tour import report, stories
from sklearn_optland._tour.stories import Story
from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
from sklearn_optland.utils.discovery import all_estimators

# Every entry should have small data; the tests run on these.
SMALL = "iris"
SCOPES = {"global", "stationary", "estimate"}
ON_SMALL = [entry for entry in _tour.ENTRIES if SMALL in entry.data]


def test_every_estimator_is_on_the_tour():
    shown = {type(entry.estimator) for entry in _tour.ENTRIES}
    assert shown == {cls for _, cls in all_estimators(["classifier", "regressor"])}


def test_entries_name_data_that_exist():
    assert all(entry.data and set(entry.data) <= set(_tour.DATA) for entry in _tour.ENTRIES)


def no_warning(caught):
    """Python shows these two only to developers; anything else would be on the screen."""
    hidden = (DeprecationWarning, PendingDeprecationWarning)
    return [w for w in caught if not issubclass(w.category, hidden)] == []


def test_table_has_a_line_for_each_estimator(capsys, recwarn):
    assert _tour.main(["--data", SMALL]) == 0
    output = capsys.readouterr()
    pattern = rf"^{SMALL} +(\w+) +([\d.]+) +([\d.]+) +(\w+) +([\d.]+) +([\d.]+) +(\de\S+) +(\w+) *$"
    lines = re.findall(pattern, output.out, re.MULTILINE)
    for entry, line in zip(ON_SMALL, lines, strict=True):
        name, score, _, counterpart, its_score, _, gap, scope = line
        assert name == type(entry.estimator).__name__
        assert counterpart == type(entry.counterpart).__name__
        assert 0.9 < float(score) <= 1.0
        assert 0.9 < float(its_score) <= 1.0
        assert 0.0 <= float(gap) < 1.0
        assert scope in SCOPES
    assert no_warning(recwarn)
    assert output.err == ""


def test_table_of_searches_has_a_row_for_each_estimator_and_its_counterpart(capsys, recwarn):
    assert _tour.main(["--all", "--data", SMALL]) == 0
    output = capsys.readouterr()
    row = re.compile(rf"{SMALL} +(\w+) +([\d.]+) +([\d.]+) +(.+?) *$", re.MULTILINE)
    rows = iter(row.findall(output.out))
    for entry in ON_SMALL:
        name, score, _, certificate = next(rows)
        assert name == type(entry.estimator).__name__
        assert 0.9 < float(score) <= 1.0
        assert re.fullmatch(r"[\w -]+ \d\.\de[+-]\d+ [\w' ]*\(\w+\)", certificate)
        name, score, _, certificate = next(rows)
        assert name == type(entry.counterpart).__name__
        assert 0.9 < float(score) <= 1.0
        assert certificate == "-"
    assert not list(rows)
    assert no_warning(recwarn)
    assert output.err == ""


SMALL_STORY = Story(
    title="Logistic regression: breast_cancer",
    load=lambda: load_breast_cancer(return_X_y=True),
    estimator=BoundMajorizationLogisticRegression(),
    counterpart=LogisticRegression(),
    moral="The end.",
    objective=stories.logistic_objective,
)


def test_stories_say_how_far_both_are_from_the_optimum():
    ours, theirs = stories.tell(SMALL_STORY)
    assert (ours.name, theirs.name) == (
        "BoundMajorizationLogisticRegression",
        "LogisticRegression",
    )
    assert float(ours.distance) <= 1e-6 < 1e-3 < float(theirs.distance)
    assert ours.says.startswith("duality gap")
    assert theirs.says == "ConvergenceWarning"


@pytest.mark.parametrize("story", stories.STORIES[:1], ids=lambda story: story.title)
def test_objectives_of_stories_are_those_of_the_estimators(story):
    X, y = story.load()
    model = clone(story.estimator).fit(X[:1000], y[:1000])
    objective = model.history_["objective"][-1]
    assert story.objective(model, X[:1000], y[:1000]) == pytest.approx(objective, rel=1e-5)


def test_the_tour_opens_with_the_stories(capsys, monkeypatch):
    monkeypatch.setattr(_tour, "STORIES", [SMALL_STORY])
    monkeypatch.setattr(_tour, "ENTRIES", ON_SMALL[-1:])
    assert _tour.main([]) == 0
    output = capsys.readouterr().out
    assert SMALL_STORY.title in output.split("counterpart")[0]
    assert SMALL_STORY.moral in output
    assert type(ON_SMALL[-1].estimator).__name__ in output


@pytest.mark.parametrize(
    ("terminal", "options", "shown"),
    [(True, [], True), (True, ["--no-progress"], False), (False, [], False)],
)
def test_progress_bars_are_for_terminals(capsys, monkeypatch, terminal, options, shown):
    monkeypatch.setattr(_tour, "ENTRIES", ON_SMALL[-1:])  # one of them will do
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert _tour.main(["--data", SMALL, *options]) == 0
    assert ("Fitting" in capsys.readouterr().out) == shown


def test_plots_are_written(capsys, tmp_path):
    directory = tmp_path / "new" / "figures"
    assert _tour.main(["--data", SMALL, "--plots", str(directory)]) == 0
    names = [type(entry.estimator).__name__ for entry in ON_SMALL if entry.variants]
    expected = [directory / f"{SMALL}_{name}.png" for name in names]
    assert expected
    assert sorted(directory.iterdir()) == sorted(expected)
    output = capsys.readouterr().out
    for path in expected:
        assert str(path) in output
        assert imread(path).std() > 0.05  # a uniform picture has 0


@pytest.mark.parametrize(("library", "options"), [("rich", []), ("matplotlib", ["--plots", "x"])])
def test_missing_library_is_named_with_the_command_that_brings_it(monkeypatch, library, options):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SystemExit) as stopped:
        _tour.main(options)
    expected = f'The tour needs {library}: pip install "sklearn-optland[tour]" brings it.'
    assert stopped.value.code == expected


def test_model_that_changes_in_a_pickle_is_an_error(monkeypatch):
    changed = SimpleNamespace(predict=lambda X: None)
    monkeypatch.setattr(report.pickle, "loads", lambda dump: changed)
    name = type(ON_SMALL[0].estimator).__name__
    with pytest.raises(RuntimeError, match=f"{SMALL}: {name} predicts something else"):
        _tour.main(["--data", SMALL])
