"""Early stopping: the rows that it holds out, and the best loss so far."""

import numpy as np
from scipy.special import log_softmax
from sklearn.metrics import r2_score
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


class HeldOut:
    """Judges parameters by rows that are held out: their loss, and their R² or accuracy.

    Parameters
    ----------
    scores_of : callable
        Takes parameters, and returns scores of shape (n_rows, n_outputs).
    Y : ndarray of shape (n_rows, n_outputs)
        Targets in the units of the scores; 0 or 1 for the log-loss.
    c : ndarray of shape (n_rows,)
        Weights that sum to 1.
    is_log_loss : bool
    unit : float, default=1.0
        The user's loss is so many times that of these units.
    is_multilabel : bool, default=False
        Whether the log-loss is that of a logit for each output.

    Attributes
    ----------
    scores : list of float
        R² or accuracy of each call; the R² of a single row is NaN.
    """

    def __init__(self, scores_of, Y, c, is_log_loss, unit=1.0, is_multilabel=False):
        self.scores_of, self.Y, self.c, self.unit = scores_of, Y.astype(np.float64), c, unit
        self.is_log_loss, self.is_multilabel, self.scores = is_log_loss, is_multilabel, []

    def __call__(self, parameters):
        """The loss."""
        F = self.scores_of(parameters)
        self.scores.append(self._score(np.nan_to_num(F.astype(np.float64))))
        return self.unit * float(
            self.c @ row_losses(F, self.Y, self.is_log_loss, self.is_multilabel)
        )

    def _score(self, F):
        if not self.is_log_loss:
            if len(self.Y) == 1:
                return np.nan
            return float(r2_score(self.Y, F, sample_weight=self.c))
        if F.shape[1] == 1 or self.is_multilabel:
            return float(self.c @ ((F > 0) == (self.Y > 0.5)).all(axis=1))
        return float(self.c @ (F.argmax(axis=1) == self.Y.argmax(axis=1)))


def validation_attributes(held_out):
    """The scores of held-out rows as fitted attributes; None without such rows."""
    scores = None if held_out is None else held_out.scores
    best = None if held_out is None else max(scores)
    return {"validation_scores_": scores, "best_validation_score_": best}


def row_losses(F, Y, is_log_loss, is_multilabel=False):
    """The loss of each row at scores F; targets Y are 0 or 1 for the log-loss."""
    F, Y = F.astype(np.float64), Y.astype(np.float64)
    if not is_log_loss:
        return 0.5 * np.sum((F - Y) ** 2, axis=1)
    if F.shape[1] == 1 or is_multilabel:
        return np.sum(np.logaddexp(0.0, F) - Y * F, axis=1)
    return -np.sum(Y * log_softmax(F, axis=1), axis=1)


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
