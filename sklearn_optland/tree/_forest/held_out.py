"""What held-out rows decide of a forest that ranks: its settings, and the scale of its scores."""

from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.optimize import minimize_scalar

from sklearn_optland._rows.reduce import BLOCK_VALUES, Statistic, SumOf, reduce
from sklearn_optland.tree._forest.ranking import Model, softmax
from sklearn_optland.tree._forest.training import Candidates, passes
from sklearn_optland.tree._training_rows import hold_out

# Numbers of prototypes that are tried, and the rows that each must have on average.
PROTOTYPES = (3, 10)
ROWS_PER_PROTOTYPE = 30
# Where classes have fewer rows on average than TRIED_ROWS, linear discriminant analysis may rank
# them better than what is trained; it always did for many classes of fewer rows than FEW_ROWS,
# whose training would be most of the time of a fit.
TRIED_ROWS = 30
FEW_ROWS = 10
MANY_CLASSES = 1000
# Fewer held-out rows than this decide nothing.
MIN_HELD_OUT = 50
# More do not decide better.
MAX_HELD_OUT = 20_000
# Rows whose candidates are kept at a time.
RECALL_ROWS = 10_000


def choose(X, codes, weights, n_classes, settings, fraction, rng):
    """Choose what is "auto" in the settings, by the error on held-out rows.

    Parameters
    ----------
    X, codes, weights, n_classes, rng
        As `passes` takes them.
    settings : Settings
    fraction : float
        Share of the rows that is held out.

    Returns
    -------
    settings : Settings
    quality : dict
        Fitted attributes: how good the model with these settings is.
    """
    losses, numbers = [settings.loss], [settings.n_prototypes]
    if settings.loss == "auto":
        losses = _losses(X, n_classes)
    if settings.n_prototypes == "auto":
        most = 1 if sparse.issparse(X) else len(codes) / n_classes / ROWS_PER_PROTOTYPE
        numbers = [1, *(number for number in PROTOTYPES if number <= most)]
    settings = replace(settings, loss=losses[0], n_prototypes=numbers[0])
    share = min(fraction, MAX_HELD_OUT / len(codes))
    if int(share * len(codes)) < MIN_HELD_OUT:
        return settings, _quality(settings, None, 1.0, {})
    kept, held_out = hold_out(len(codes), share, rng, codes)
    if len(held_out) < MIN_HELD_OUT:
        return settings, _quality(settings, None, 1.0, {})
    seed = rng.randint(np.iinfo(np.int32).max)
    scores, errors = {}, {}

    def candidates(trial):
        data = X[kept], codes[kept], weights[kept] / weights[kept].mean()
        return Candidates(*data, n_classes, trial, np.random.RandomState(seed))

    def error(trial, trees):
        for step in passes(trees, trial, np.random.RandomState(seed)):  # the last counts
            model = step.parameters
        best = scores[trial] = Model(model, trial.beam_width).best(X[held_out])
        wrong = best[0][:, 0] != codes[held_out]
        errors[trial] = float(np.average(wrong, weights=weights[held_out]))
        return errors[trial]

    trees = candidates(settings)
    trials = [replace(settings, loss=loss) for loss in losses]
    settings = min(trials, key=lambda trial: error(trial, trees))
    for number in numbers[1:]:
        trial = replace(settings, n_prototypes=number)
        if error(trial, candidates(trial)) >= errors[settings]:
            break
        settings = trial
    best, of_row = scores[settings], weights[held_out]
    recall, found = _recall(best, codes[held_out], of_row)
    return settings, _quality(settings, recall, _temper(best[1], found, of_row), errors)


def untried(is_sparse, settings):
    """Settings for "auto" without a trial, and fitted attributes that no held-out rows decide."""
    if settings.loss == "auto":
        settings = replace(settings, loss="squared_hinge" if is_sparse else "softmax")
    settings = replace(settings, n_prototypes=1)
    return settings, _quality(settings, None, 1.0, {})


def _losses(X, n_classes):
    """The losses to try, first the one to use without a trial."""
    if sparse.issparse(X):
        return ["squared_hinge", "softmax"]
    n_rows = X.shape[0] / n_classes
    if n_classes >= MANY_CLASSES and n_rows < FEW_ROWS:
        return ["discriminant"]
    return ["softmax", "discriminant"] if n_rows < TRIED_ROWS else ["softmax"]


def _quality(settings, recall, temper, errors):
    """Fitted attributes that held-out rows decide; the recall is None if there are none."""
    return {
        "loss_": settings.loss,
        "n_prototypes_": settings.n_prototypes,
        "candidate_recall_": recall,
        "validation_errors_": {
            f"{trial.loss}, {trial.n_prototypes}": error for trial, error in errors.items()
        },
        "_temper": temper,
    }


def _recall(best, codes, weights):
    """The weighted share of rows that have their class among the candidates, and where it is."""
    found = best[0] == codes[:, None]
    return float(np.average(found.any(axis=1), weights=weights)), found


class Recall(Statistic):
    """The weight of the rows that have their class among the candidates.

    Parameters are what `Model` takes first, codes and weights.
    """

    def __init__(self, source, beam_width, n_jobs=None):
        self.values = max(source.n_values, BLOCK_VALUES / RECALL_ROWS)
        self.beam_width, self.n_jobs = beam_width, n_jobs

    def add(self, block, parameters, total):
        """Return that of a block."""
        arrays, codes, weights = parameters
        codes, weights = (block.local(array)[block.slice] for array in (codes, weights))
        model = Model(arrays, self.beam_width, n_jobs=self.n_jobs)
        recall, _ = _recall(model.best(block.source.X[block.slice]), codes, weights)
        return recall * weights.sum()


def recall_of_rows(arrays, beam_width, source, codes, n_jobs=None):
    """The recall of all rows of a source with the column weights, some at a time."""
    parameters = arrays, codes, source.weights
    found, _ = reduce(Recall(source, beam_width, n_jobs), source, parameters)
    return float(found / reduce(SumOf(np.sum), source, (source.weights,))[1])


def _temper(scores, found, weights):
    """The factor of the scores that gives the found classes the best log-likelihood."""
    rows = found.any(axis=1)
    if not rows.any():
        return 1.0
    scores, found, weights = scores[rows], found[rows], weights[rows]

    def loss(log_factor):
        mine = softmax(scores, np.exp(log_factor))[found]
        return -weights @ np.log(np.maximum(mine, 1e-300))

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))
