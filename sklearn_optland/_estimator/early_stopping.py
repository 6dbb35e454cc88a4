"""Early stopping: the rows that it holds out, and the best loss so far."""

import numpy as np
from sklearn.model_selection import train_test_split


def hold_out(n_rows, fraction, rng, codes=None):
    """Indices of training and validation rows, stratified by `codes` where that is possible."""
    n_held = int(np.ceil(fraction * n_rows))
    if n_held >= n_rows:
        raise ValueError(
            f"validation_fraction: found {fraction}, which leaves none of {n_rows} samples for "
            "training; allowed with early_stopping is what leaves at least one."
        )
    if codes is not None:
        counts = np.bincount(codes)
        if counts.min() < 2 or n_held < len(counts) or n_rows - n_held < len(counts):
            codes = None
    train, held = train_test_split(
        np.arange(n_rows), test_size=n_held, random_state=rng, stratify=codes
    )
    return np.sort(train), np.sort(held)


class BestSoFar:
    """The least loss so far, and how many losses ago it came.

    Parameters
    ----------
    patience : float
        Losses in a row that are not lower after which to stop.
    """

    def __init__(self, patience):
        self.patience, self.loss, self.age = patience, None, 0

    def update(self, loss):
        """Note a loss; return whether to stop."""
        if self.loss is None or loss < self.loss:
            self.loss, self.age = loss, 0
        else:
            self.age += 1
        return self.age >= self.patience
