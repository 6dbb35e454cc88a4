"""The table of codes against a dict, and what it holds while others change theirs."""

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_optland.structured._vectorizer_fast import ABSENT, NUMBER, Codes

pytestmark = pytest.mark.kernels

NAMES = st.text("ab:ü\U0001f600", max_size=3)
VALUES = st.booleans() | st.floats(-9, 9) | st.integers(-2, 2) | NAMES
TOKENS = st.lists(st.dictionaries(NAMES, VALUES, max_size=5), max_size=6)


def codes_of(token, column_of, numbers):
    """The codes that a dict of columns gives, and the numbers beside."""
    for name, value in token.items():
        if isinstance(value, str):
            yield column_of(f"{name}:{value}")
        elif value == 0:
            yield ABSENT
        else:
            column = column_of(name)
            if value != 1 and column != ABSENT:
                numbers.append(value)
                column = NUMBER - column
            yield column


def as_float(item):
    name, value = item
    return name, value if isinstance(value, str) else float(value)


@given(TOKENS, st.booleans())
def test_codes_are_those_of_a_dict(tokens, grows):
    known = {"a": 0, "a:b": 1, "": 2}
    mine = known.copy()

    def column_of(columns):
        if grows:
            return lambda name: columns.setdefault(name, len(columns))
        return lambda name: columns.get(name, ABSENT)

    numbers = []
    expected = [list(codes_of(token, column_of(known), numbers)) for token in tokens]
    for by_items in (False, True):
        codes = Codes(column_of(mine))
        if by_items:
            for token in tokens:
                codes.add_items(as_float(item) for item in token.items())
        else:
            assert codes.add_tokens(tokens)
        found, values, sizes = codes.arrays()
        assert found.tolist() == [code for token in expected for code in token]
        assert values.tolist() == numbers
        assert sizes.tolist() == [len(token) for token in tokens]
    assert mine == known


def test_the_table_grows_and_keeps_what_it_points_at():
    codes = Codes({}.setdefault)  # no columns, and therefore an error
    with pytest.raises(TypeError):
        codes.add_tokens([{"a": "b"}])
    columns = {}
    codes = Codes(lambda name: columns.setdefault(name, len(columns)))
    n = 5000
    for _ in range(2):
        for i in range(n):  # each string is new, and gone after the call
            assert codes.add_tokens([{f"name{i}": f"value{i}", f"flag{i}": True}])
        gc.collect()
    found, _, sizes = codes.arrays()
    np.testing.assert_array_equal(found, np.tile(np.arange(2 * n), 2))
    np.testing.assert_array_equal(sizes, 2)


@pytest.mark.parametrize(
    "bad", [3, ["a"], {1: "b"}, {"a": None}, {"a": np.nan}, {"a": 10**400}, {"a": ["b"]}]
)
def test_other_tokens_are_left_alone(bad):
    codes = Codes(len)
    assert codes.add_tokens([{"ab": 0.5}])
    assert not codes.add_tokens([{"a": 2.5, "b": "c"}, bad])
    found, numbers, sizes = codes.arrays()
    assert (found.tolist(), numbers.tolist(), sizes.tolist()) == ([NUMBER - 2], [0.5], [1])


def test_what_the_callable_raises_comes_through():
    def column_of(name):
        raise KeyError(name)

    codes = Codes(column_of)
    for _ in range(2):
        with pytest.raises(KeyError, match="a:b"):
            codes.add_tokens([{"a": "b"}])
