"""The tour: every estimator is on it, and what it shows is complete."""

import re
import sys
from types import SimpleNamespace

import pytest
from matplotlib.image import imread

from sklearn_optland import _tour
from sklearn_optland.utils.discovery import all_estimators

# Every entry should have small data; the tests run on these.
SMALL = "iris"
ON_SMALL = [entry for entry in _tour.ENTRIES if SMALL in entry.data]


def test_every_estimator_is_on_the_tour():
    shown = {type(entry.estimator) for entry in _tour.ENTRIES}
    assert shown == {cls for _, cls in all_estimators(["classifier", "regressor"])}


def test_entries_name_data_that_exist():
    assert all(entry.data and set(entry.data) <= set(_tour.DATA) for entry in _tour.ENTRIES)


def test_table_has_a_row_for_each_estimator_and_its_counterpart(capsys, recwarn):
    assert _tour.main(["--data", SMALL]) == 0
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
    # Python shows these two only to developers; anything else would be on the screen.
    hidden = (DeprecationWarning, PendingDeprecationWarning)
    assert [w for w in recwarn if not issubclass(w.category, hidden)] == []
    assert output.err == ""


@pytest.mark.parametrize(
    ("terminal", "options", "shown"),
    [(True, [], True), (True, ["--no-progress"], False), (False, [], False)],
)
def test_progress_bars_are_for_terminals(capsys, monkeypatch, terminal, options, shown):
    monkeypatch.setattr(_tour, "ENTRIES", ON_SMALL[-1:])  # one of them will do
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert _tour.main(["--data", SMALL, *options]) == 0
    assert ("GridSearchCV - fit" in capsys.readouterr().out) == shown


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
    monkeypatch.setattr(_tour.pickle, "loads", lambda dump: changed)
    name = type(ON_SMALL[0].estimator).__name__
    with pytest.raises(RuntimeError, match=f"{SMALL}: {name} predicts something else"):
        _tour.main(["--data", SMALL])
