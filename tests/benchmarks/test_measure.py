"""Measurements: what an interrupted run has is not measured again; the least count to a level."""

from functools import partial

import numpy as np
import pytest
from common.measure import Cells, MissingData, OutOfTime, first_count
from common.search import search
from common.sweep import Entrant, Point
from hypothesis import given
from hypothesis import strategies as st


def test_what_is_measured_stays_in_the_file(tmp_path):
    path = tmp_path / "unfinished" / "cells.jsonl"
    calls = []

    def measure(data, fold):
        calls.append(1)
        return {"seconds": np.float32(0.5), "name": "κ"}

    first, again = Cells(path), {"seconds": 0.5, "name": "κ"}
    assert first("speed", measure, data="iris", fold=0) == again
    assert first("speed", measure, data="iris", fold=0) == again
    assert Cells(path)("speed", measure, data="iris", fold=0) == again
    assert len(calls) == 1
    Cells(path)("speed", measure, data="iris", fold=1)
    assert len(calls) == 2


def test_missing_data_is_told_and_not_kept(tmp_path):
    def measure(data):
        raise MissingData("no file")

    cell = Cells(tmp_path / "cells.jsonl")
    assert cell("speed", measure, data="a9a") is None
    assert cell.missing == ["speed, data=a9a"]
    assert cell("speed", dict, data="a9a") == {"data": "a9a"}


@pytest.mark.parametrize(
    ("only", "solvers"),
    [
        ([], ["VW oaa", "VW plt", "forest"]),
        (["VW"], ["VW oaa", "VW plt"]),
        (["iso", "VW p"], ["VW plt"]),
        (["mnist"], []),
        (["errors", "forest"], ["forest"]),
    ],
)
def test_only_what_begins_so_is_measured(only, solvers):
    cell = Cells(only=only)
    names = ["VW oaa", "VW plt", "forest"]
    found = [name for name in names if cell("errors", dict, data="isolet", solver=name) is not None]
    assert found == solvers
    assert len(cell.missing) == len(names) - len(solvers)


def test_each_combination_of_values_is_measured():
    cell = Cells()
    found = cell.each("speed", dict, data=["iris"], seed=range(2))
    assert found == [{"data": "iris", "seed": 0}, {"data": "iris", "seed": 1}]

    def measure(seed):
        if seed == 1:
            raise MissingData("no file")
        return {}

    assert cell.each("others", measure, seed=range(3)) is None


def test_nothing_begins_after_the_time(tmp_path):
    path = tmp_path / "cells.jsonl"
    Cells(path)("speed", dict, data="iris")
    late = Cells(path, minutes=-1)
    assert late("speed", dict, data="iris") == {"data": "iris"}
    with pytest.raises(OutOfTime):
        late("speed", dict, data="wine")


@given(st.integers(1, 1000), st.integers(1, 2000))
def test_the_least_count_is_found_within_an_eighth(least, most):
    def value(count):
        return 0 if count >= least else np.nan

    count = first_count(value, 0, most)
    assert (count is None) == (least > most)
    if count is not None:
        assert least <= count <= max(least + 1, least * 8 / 7)


def test_settings_are_chosen_on_the_folds_of_the_search():
    """By the mean error there; a setting that was skipped on one of them is not."""
    errors = {  # of both folds of the search, then of both of the test
        ("a", "x"): [3, 3, 0, 0],
        ("a", "y"): [1, 4, 7, 9],
        ("b", "z"): [0, None, 0, 0],
    }
    grids = {"a": {"x": {}, "y": {}}, "b": {"z": {}}}

    def fit(solver, setting, fold):
        value = errors[solver, setting][fold]
        return {"skipped": "too large"} if value is None else {"value": value}

    searched, chosen, lines = search(partial(Cells(), "topic"), fit, grids, [0, 1], [2, 3])
    assert chosen == {"a": "y", "b": None}
    assert lines == {"a": [{"value": 7}, {"value": 9}], "b": []}
    assert searched["b"] == {"z": [{"value": 0}, {"skipped": "too large"}]}


def test_a_sweep_shows_faults():
    def faults(*points):
        return Entrant(None, [Point(1, 0.0, *point) for point in points]).faults(optimum=1.0)

    assert faults((3.0, 2.0), (2.0, np.nan)) == "none"
    assert faults((2.0, 1.5), (3.0, 2.0)) == "not monotone"
    assert faults((3.0, 1.0), (2.0, 1.0)) == "false bound"
