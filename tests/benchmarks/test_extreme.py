"""The text format of rows with many labels, and the simulation of such rows."""

import numpy as np
import pytest
from common.extreme import hierarchical_multilabel, read_extreme, write_extreme


def test_a_small_file(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("4 5 4\n0,3 1:0.5 4:1\n2 0:0.25\n 3:1e-2 2:-1\n1\n")
    X, Y = read_extreme(path)
    expected = [[0, 0.5, 0, 0, 1], [0.25, 0, 0, 0, 0], [0, 0, -1, 0.01, 0], [0] * 5]
    np.testing.assert_allclose(X.toarray(), expected)
    np.testing.assert_array_equal(Y.toarray(), [[1, 0, 0, 1], [0, 0, 1, 0], [0] * 4, [0, 1, 0, 0]])
    assert X.dtype == np.float32
    assert X.has_sorted_indices


def test_what_is_written_is_read(tmp_path):
    X, Y = hierarchical_multilabel(50, 30, 100)
    write_extreme(tmp_path / "file.txt", X, Y)
    X_again, Y_again = read_extreme(tmp_path / "file.txt")
    np.testing.assert_allclose(X_again.toarray(), X.toarray(), rtol=1e-5)
    np.testing.assert_array_equal(Y_again.toarray(), Y.toarray())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2 5\n", "found the header"),
        ("2 5 4\n0 1:1\n", "found 1 rows; its header says 2"),
        ("1 5 4\n4 1:1\n", "found the numbers 4 to 4; its header says that there are 4"),
        ("1 5 4\n0 5:1\n", "found the numbers 5 to 5; its header says that there are 5"),
    ],
)
def test_bad_files_are_refused(tmp_path, text, message):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_extreme(path)


def test_simulated_rows():
    X, Y = hierarchical_multilabel(200, 500, 1000, seed=3)
    assert (X.shape, Y.shape) == ((500, 1000), (500, 200))
    np.testing.assert_allclose(np.sqrt(X.power(2).sum(axis=1)), 1, rtol=1e-5)
    assert set(Y.data) == {1}
    assert 1 < Y.nnz / 500 < 5
    again, _ = hierarchical_multilabel(200, 500, 1000, seed=3)
    assert abs(again - X).max() == 0
