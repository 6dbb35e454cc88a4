"""The rows that choose the strength of the penalty."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_optland._low_rank import alpha_choice
from sklearn_optland._rows.source import ArraySource


@pytest.mark.parametrize("n_rows", [40, 400], ids=["fewer than asked", "more than asked"])
def test_rows_without_an_entry_are_not_drawn(n_rows, global_random_seed, monkeypatch):
    monkeypatch.setattr(alpha_choice, "FEWEST_ROWS", 50)
    monkeypatch.setattr(alpha_choice, "WORK", 1.0)
    rng = np.random.RandomState(global_random_seed)
    X = rng.randn(n_rows, 3)
    X[rng.rand(n_rows, 3) < 0.2] = np.nan
    X = X[~np.isnan(X).all(axis=1)]
    mixed = np.full((len(X) + 300, 3), np.nan)
    mixed[np.sort(rng.permutation(len(mixed))[: len(X)])] = X
    used, seed = np.ones(3, dtype=bool), 7
    expected, found = (
        alpha_choice.sample_of_keys(ArraySource(rows, c=np.ones(len(rows))), used, seed).X
        for rows in (X, mixed)
    )
    assert_array_equal(found, expected)
    assert len(found) == min(len(X), 51)
