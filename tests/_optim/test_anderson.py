"""Anderson acceleration: exact on linear maps once it has seen them in every direction."""

import numpy as np
from numpy.testing import assert_allclose

from sklearn_optland._optim.anderson import Anderson


def test_a_linear_map_of_four_dimensions_is_solved_in_six_images():
    rng = np.random.default_rng(0)
    A = 0.9 * np.linalg.qr(rng.normal(size=(4, 4)))[0]
    b, x, anderson = rng.normal(size=4), np.zeros(4), Anderson(8)
    for _ in range(6):
        x = anderson.mix(x, A @ x + b)
    assert_allclose(x, np.linalg.solve(np.eye(4) - A, b), rtol=1e-6)


def test_the_first_image_is_taken_as_it_is_and_forgetting_starts_anew():
    anderson = Anderson(2)
    for _ in range(2):
        assert not anderson
        assert_allclose(anderson.mix(np.zeros((1, 2)), np.ones((1, 2))), [[1.0, 1.0]])
        anderson.mix(np.ones((1, 2)), np.full((1, 2), 1.5))
        assert anderson
        anderson.forget()


def test_repeated_iterates_do_no_harm():
    anderson = Anderson(3)
    for _ in range(4):
        x = anderson.mix(np.ones(3), np.ones(3))
    assert_allclose(x, 1.0)
