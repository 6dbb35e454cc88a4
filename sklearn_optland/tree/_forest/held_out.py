"""What held-out rows decide of a forest that ranks: its settings, and the scale of its scores."""

from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_expit

from sklearn_optland.tree._forest.ranking import Model, score_and_sum, softmax
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
# Of the squared hinge, where rows have several classes, some of which their labels may miss.
MULTILABEL_C = [1.0, 0.3]
# How much what leaves say of classes may count beside the scores: the best, if it is better than
# nothing by LEAST_GAIN standard deviations of the difference; so must a loss be that is not the
# first one.
VOTE_FACTORS = (0.05, 0.1, 0.2, 0.4, 0.8)
LEAST_GAIN = 2.0
# Of Platt's line: scores that part all classes would have an infinite one.
LARGEST_LOGIT = 1e3


def choose(X, Y, weights, settings, fraction, calibrate, rng):
    """Choose what is "auto" in the settings, by the error on held-out rows.

    The error is the share of rows whose best class is none of theirs; of rows with several, the
    share of classes that their first ones are not, as many as each row has.

    Parameters
    ----------
    X, Y, weights, settings, rng
        As `Candidates` takes them.
    fraction : float
        Share of the rows that is held out.
    calibrate : callable
        `softmax_scale` or `sigmoid_scale`.

    Returns
    -------
    settings : Settings
    quality : dict
        Fitted attributes: how good the model with these settings is.
    """
    losses, numbers = [settings.loss], [settings.n_prototypes]
    if settings.loss == "auto":
        losses = _losses(X, Y)
    if settings.n_prototypes == "auto":
        most = 1 if sparse.issparse(X) else Y.nnz / Y.shape[1] / ROWS_PER_PROTOTYPE
        numbers = [1, *(number for number in PROTOTYPES if number <= most)]
    strengths = [settings.C]
    if settings.C == "auto":
        strengths = [1.0] if Y.nnz == Y.shape[0] else MULTILABEL_C
    settings = replace(settings, loss=losses[0], n_prototypes=numbers[0], C=strengths[0])
    share = min(fraction, MAX_HELD_OUT / X.shape[0])
    kept, held_out = hold_out(X.shape[0], share, rng, Y)
    if len(held_out) < MIN_HELD_OUT:
        return settings, chosen(settings, {})
    seed = rng.randint(np.iinfo(np.int32).max)
    found, errors = {}, {}

    def candidates(trial):
        data = X[kept], Y[kept], weights[kept] / weights[kept].mean()
        return Candidates(*data, trial, np.random.RandomState(seed))

    def error(trial, trees):
        for step in passes(trees, trial, np.random.RandomState(seed)):  # the last counts
            arrays = step.parameters
        ranked = {factor: ranks(arrays, factor) for factor in (0.0, *VOTE_FACTORS)}
        missed = {factor: misses(ranked[factor]) for factor in ranked}
        clear = [factor for factor in VOTE_FACTORS if is_clear(missed[0.0], missed[factor])]
        best = min(clear, key=lambda factor: mean(missed[factor]), default=0.0)
        found[trial] = best, missed[best], ranked[best]
        errors[trial] = mean(missed[best])
        return errors[trial]

    def ranks(arrays, factor):
        return Model({**arrays, "vote_factor": factor}, settings.beam_width).best(X[held_out])

    def mean(missed):
        return float(np.average(missed, weights=weights[held_out]))

    def is_clear(before, after):
        gains = weights[held_out] * (before - after)
        return gains.sum() > LEAST_GAIN * np.sqrt(gains @ gains)

    def misses(ranked):
        n_own = np.maximum(np.diff(Y[held_out].indptr), 1)
        first = is_own(ranked[0][:, : n_own.max()], Y[held_out])
        first &= np.arange(first.shape[1]) < n_own[:, None]
        return 1 - first.sum(axis=1) / n_own

    trees = candidates(settings)
    trials = [[replace(settings, loss=loss, C=C) for C in strengths] for loss in losses]
    trials = [trial if trial[0].loss == "squared_hinge" else trial[:1] for trial in trials]
    settings, *others = (min(tried, key=lambda trial: error(trial, trees)) for tried in trials)
    for trial in others:
        settings = trial if is_clear(found[settings][1], found[trial][1]) else settings
    for number in numbers[1:]:
        trial = replace(settings, n_prototypes=number)
        if error(trial, candidates(trial)) >= errors[settings]:
            break
        settings = trial
    factor, _, ranked = found[settings]
    judgement = judged(*ranked, Y[held_out], weights[held_out], calibrate)
    return replace(settings, vote_factor=factor), chosen(settings, errors) | judgement


def _losses(X, Y):
    """The losses to try, first the one to use without a trial."""
    if sparse.issparse(X):
        return ["squared_hinge", "softmax"]
    n_rows = Y.nnz / Y.shape[1]
    if Y.shape[1] >= MANY_CLASSES and n_rows < FEW_ROWS:
        return ["discriminant"]
    return ["softmax", "discriminant"] if n_rows < TRIED_ROWS else ["softmax"]


def untried(settings):
    """What `choose` returns of rows in partitions, of which none are held out."""
    loss = "softmax" if settings.loss == "auto" else settings.loss
    C = 1.0 if settings.C == "auto" else settings.C
    settings = replace(settings, loss=loss, n_prototypes=1, C=C)
    return settings, chosen(settings, {})


def chosen(settings, errors):
    """Fitted attributes that say what was chosen, and why."""
    several = len({trial.C for trial in errors}) > 1
    named = {
        f"{trial.loss}, {trial.n_prototypes}" + f", {trial.C:g}" * several: error
        for trial, error in errors.items()
    }
    return {
        "loss_": settings.loss,
        "C_": settings.C,
        "n_prototypes_": settings.n_prototypes,
        "validation_errors_": named,
    }


def judged(codes, scores, Y, weights, calibrate):
    """Fitted attributes that say how good the candidates of some rows are.

    Parameters
    ----------
    codes, scores : ndarray of shape (n_rows, width)
        As `Model.best` returns them.
    Y : csr_array of shape (n_rows, n_classes)
    weights : ndarray of shape (n_rows,)
    calibrate : callable
        `softmax_scale`, `sigmoid_scale` or `unscaled`.
    """
    found, n_own = is_own(codes, Y), np.diff(Y.indptr)
    total = weights @ n_own
    recall = float(weights @ found.sum(axis=1) / total) if total > 0 else 1.0
    return {
        "candidate_recall_": recall,
        "_classes_per_row": float(total / weights.sum()),
        "_calibration": calibrate(scores, found, weights),
    }


def unjudged(multilabel):
    """The same of a model that no rows have judged yet, as callbacks may see it."""
    calibration = np.array([1.0, 0.0, 0.0]) if multilabel else 1.0
    return {"candidate_recall_": 1.0, "_classes_per_row": 1.0, "_calibration": calibration}


def is_own(codes, Y):
    """Which of the listed classes of each row are its own; -1 is no class."""
    row = np.arange(len(codes))[:, None]
    return np.asarray(Y[row, np.maximum(codes, 0)].todense()) * (codes >= 0) > 0


def judged_on_training_rows(model, source, calibrate, rng):
    """The same where no rows were held out: of a sample of the training rows, if they are many.

    Parameters
    ----------
    model : Model
    source : ArraySource or DaskSource
        With the columns Y, the classes of the rows, and weights.
    calibrate : callable
    rng : RandomState
    """
    rows, most = slice(None), min(MAX_HELD_OUT, source.most_sampled)
    if source.n_rows > most:
        rows = np.sort(rng.choice(source.n_rows, most, replace=False))
    sample = source.take(rows)
    return judged(*model.best(sample.X), sample.Y, sample.weights, calibrate)


def unscaled(scores, found, weights):
    """The factor that leaves the scores as they are: learned rows would make a softmax too sure."""
    return 1.0


def sigmoid_scale(scores, found, weights):
    """The line whose sigmoid is the probability that a candidate is one of the row's classes.

    That is Platt's scaling, of the candidates' scores and the logarithm of the sum of their
    exponentials: scores of a softmax say something only beside those of the others.

    Returns
    -------
    line : ndarray of shape (3,)
        Factors of the score and of the logarithm, and an offset.
    """
    listed = scores > -np.inf
    values = np.stack([part[listed] for part in (*score_and_sum(scores), np.ones(scores.shape))])
    unit = np.maximum(np.abs(values).max(axis=1, initial=0.0), np.finfo(np.float32).tiny)
    values /= unit[:, None]
    sign = np.where(found[listed], 1.0, -1.0)
    c = np.broadcast_to(weights[:, None], listed.shape)[listed]
    c = c / c.sum()

    def loss(line):
        margin = sign * (line @ values)
        return -c @ log_expit(margin), -values @ (c * sign * expit(-margin))

    bounds = [(1 / LARGEST_LOGIT, LARGEST_LOGIT), *[(-LARGEST_LOGIT, LARGEST_LOGIT)] * 2]
    return minimize(loss, [1.0, 0.0, 0.0], jac=True, bounds=bounds, method="L-BFGS-B").x / unit


def softmax_scale(scores, found, weights):
    """The factor of the scores that gives the found classes the best log-likelihood."""
    rows = found.any(axis=1)
    if not rows.any():
        return 1.0
    scores, found, weights = scores[rows], found[rows], weights[rows]

    def loss(log_factor):
        mine = softmax(scores, np.exp(log_factor))[found]
        return -weights @ np.log(np.maximum(mine, 1e-300))

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))
