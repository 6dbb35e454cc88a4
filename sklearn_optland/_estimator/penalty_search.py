"""The strength of a penalty by cross-validation, from strong to weak along a path.

The folds go down the path together, until a weaker penalty does worse on the rows that they hold
out. Of the strengths that do nearly as well as the best the strongest is taken: the losses of the
held-out rows are noisy, and a penalty too strong costs less than one too weak.

Many rows need neither all folds nor all rows.
"""

import numpy as np

from sklearn_optland._estimator.training_rows import normalized

# What is tried, for columns and targets of variance 1.
ALPHAS = tuple(10.0 ** np.arange(-1.5, -5, -0.5))
# What is taken if there are too few rows to choose by, or others hold rows out.
ALPHA = 1e-3
FEWEST_ROWS = 12
# The largest number of folds; fewer, once so many rows have been held out; and of the rows.
FOLDS, HELD_ROWS, ROWS = 3, 1500, 20_000
# Standard errors from the best.
STANDARD_ERRORS = 0.5


def search_alpha(source, rng, make_path, *, has_classes=False):
    """Choose a strength.

    Parameters
    ----------
    source : ArraySource or another source of rows
        With the columns Y, targets, and c, weights.
    rng : RandomState
    make_path : callable
        Takes the rows to train on and those to hold out, both as an `ArraySource`, and returns a
        callable: it takes a strength, the next weaker one each time, and returns the losses of the
        rows that are held out.
    has_classes : bool, default=False
        Whether Y are labels, 0 or 1, which all folds shall have.

    Returns
    -------
    alpha : float
    losses : dict of float to float
        The mean loss of held-out rows for each strength that was tried.
    """
    if source.n_rows < FEWEST_ROWS:
        return ALPHA, {}
    sample = source.take(np.sort(rng.permutation(source.n_rows)[:ROWS]))
    index = rng.permutation(sample.n_rows)
    if has_classes:
        codes = sample.Y @ np.arange(1, 1 + sample.Y.shape[1])
        index = index[np.argsort(codes[index], kind="stable")]
    n_folds = int(np.clip(np.ceil(HELD_ROWS * FOLDS / len(index)), 1, FOLDS))
    fold_of = np.arange(len(index)) % FOLDS
    paths, weights = [], []
    for fold in range(n_folds):
        parts = (np.sort(index[fold_of != fold]), np.sort(index[fold_of == fold]))
        train, held = (sample.take(part) for part in parts)
        weights.append(held.c)
        train, held = (part.take(slice(None), c=normalized(part.c)) for part in (train, held))
        paths.append(make_path(train, held))
    c = normalized(np.concatenate(weights))
    losses, best = {}, np.inf
    for alpha in ALPHAS:
        try:
            losses[alpha] = np.concatenate([path(alpha) for path in paths])
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"fit was interrupted after {len(losses)} strengths of the penalty that it chooses "
                "from; the estimator keeps what it had before the fit."
            ) from None
        loss = float(c @ losses[alpha])
        if not loss < best:
            break
        best = loss
    means = {alpha: float(c @ rows) for alpha, rows in losses.items()}
    lowest = min(means, key=means.get)
    for alpha, rows in losses.items():
        excess = rows - losses[lowest]
        unit = np.abs(excess).max() or 1.0  # squares of losses may overflow
        error = unit * np.sqrt(c**2 @ ((excess - c @ excess) / unit) ** 2)
        if means[alpha] - means[lowest] <= STANDARD_ERRORS * error:
            return float(alpha), means
    return float(lowest), means


def alpha_attributes(alpha, losses):
    """What a fit says of its penalty, as fitted attributes."""
    losses = losses or {}
    return {
        "alpha_": alpha,
        "alphas_": np.array(list(losses)),
        "alpha_losses_": np.array(list(losses.values())),
    }
