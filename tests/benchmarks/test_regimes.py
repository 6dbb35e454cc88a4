"""The reference of the regimes' table, which has no optimum but its own."""

import numpy as np


def test_the_widest_margin_separates_what_a_net_can():
    from two_layer.widest_margin import widest_margin

    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (30, 2))
    y = (np.abs(X[:, 0]) > 0.5).astype(int)
    labels = widest_margin(X, y, X, rng.standard_normal((20, 3)))
    np.testing.assert_array_equal(labels, y)
