"""Where an algorithm is, and when it has stalled."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Step:
    """What an algorithm yields after an iteration; algorithms add what their certificates need.

    Parameters
    ----------
    parameters : object
        What the fitted attributes are made of; the algorithm does not change it afterwards.
    curves : dict of str to float
        One number for each curve of `history_`.
    loss : float, default=NaN
        What decides which step is the best, where that is not the last.
    reached : bool, default=False
        Whether the tolerance is reached.
    done : bool, default=False
        Whether there is nothing more to do: `reached`, or the end of the arithmetic.
    """

    parameters: Any = field(repr=False)
    curves: dict[str, float]
    loss: float = np.nan
    reached: bool = False
    done: bool = False


class Stall:
    """Notices when `patience` steps together bring no more than `tol` times the objective."""

    def __init__(self, tol, patience):
        self.tol, self.values = tol, deque(maxlen=patience + 1)

    @property
    def fall(self):
        """What the latest steps have brought together; infinite before there are enough."""
        is_full = len(self.values) == self.values.maxlen
        return self.values[0] - self.values[-1] if is_full else np.inf

    def __call__(self, value):
        """Note a value; whether to stop."""
        self.values.append(value)
        return self.tol > 0 and self.fall <= self.tol * abs(value)
