"""What a certificate holds."""

import dataclasses
import pickle

import numpy as np
import pytest

from sklearn_optland import Certificate


@pytest.mark.parametrize(
    ("value", "tolerance", "reached", "text"),
    [
        (2e-7, 1e-6, True, "duality gap 2.00e-07 <= 1.00e-06 (global)"),
        (1e-6, 1e-6, True, "duality gap 1.00e-06 <= 1.00e-06 (global)"),
        (0.0, 0.0, True, "duality gap 0.00e+00 <= 0.00e+00 (global)"),
        (1.5, 1e-6, False, "duality gap 1.50e+00 > 1.00e-06 (global)"),
        (np.inf, 1e-6, False, "duality gap inf > 1.00e-06 (global)"),
        (np.nan, 1e-6, False, "duality gap nan > 1.00e-06 (global)"),
    ],
)
def test_certificate(value, tolerance, reached, text):
    certificate = Certificate("duality gap", value, tolerance, "global")
    assert certificate.reached is reached
    assert str(certificate) == text
    assert str(pickle.loads(pickle.dumps(certificate))) == text


def test_certificate_is_frozen():
    certificate = Certificate("gradient norm", 1.0, 0.1, "stationary")
    with pytest.raises(dataclasses.FrozenInstanceError):
        certificate.value = 0.0
    assert certificate == Certificate("gradient norm", 1.0, 0.1, "stationary")
