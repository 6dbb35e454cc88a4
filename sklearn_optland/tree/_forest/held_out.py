"""What held-out rows decide of a forest that ranks: its settings, and the scale of its scores."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_expit

from sklearn_optland.tree._forest.ranking import (
    Model,
    ranking_of,
    score_and_sum,
    share_of,
    softmax,
)
from sklearn_optland.tree._forest.training import (
    Candidates,
    Settings,
    discriminant,
    passes,
)
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
# nothing by LEAST_GAIN standard deviations of the difference. A loss has to be so much better than
# the first one.
VOTE_FACTORS = (0.05, 0.1, 0.2, 0.4, 0.8)
LEAST_GAIN = 2.0
# What the discriminant may count beside scores of sparse values, in units of how far both are
# apart; it has to gain as much.
DISCRIMINANT_SHARES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
LARGEST_FACTOR = 1e6
# The power of the coordinates' scales that sparse values may have in the scores. That makes
# no model larger or slower, so that less of a gain will do; without any, chance would choose.
COLUMN_POWER = 0.5
LITTLE_GAIN = 1.0
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
    is_sparse = sparse.issparse(X)
    losses, numbers = [settings.loss], [settings.n_prototypes]
    if settings.loss == "auto":
        losses = _losses(X, Y)
    if settings.n_prototypes == "auto":
        most = 1 if is_sparse else Y.nnz / Y.shape[1] / ROWS_PER_PROTOTYPE
        numbers = [1, *(number for number in PROTOTYPES if number <= most)]
    strengths = [settings.C]
    if settings.C == "auto":
        has_one_class_each = (np.diff(Y.indptr) == 1).all()
        strengths = [1.0] if has_one_class_each else MULTILABEL_C
    settings = replace(settings, loss=losses[0], n_prototypes=numbers[0], C=strengths[0])
    share = min(fraction, MAX_HELD_OUT / X.shape[0])
    kept, held_out = hold_out(X.shape[0], share, rng, Y)
    if len(held_out) < MIN_HELD_OUT:
        return settings, chosen(settings, {})
    trials = Trials(X, Y, weights, kept, held_out, rng.randint(np.iinfo(np.int32).max))
    trials.outcome(settings)  # also if nothing is compared with it
    if is_sparse and settings.loss != "discriminant":
        trial = replace(settings, column_power=COLUMN_POWER)
        settings = trial if trials.gains(settings, trial, LITTLE_GAIN) else settings
    if settings.loss == "squared_hinge":
        settings = min((replace(settings, C=C) for C in strengths), key=trials.error)
    for loss in losses[1:]:
        trial = replace(settings, loss=loss, column_power=0.0)
        settings = trial if trials.gains(settings, trial) else settings
    for number in numbers[1:]:
        trial = replace(settings, n_prototypes=number)
        if trials.error(trial) >= trials.error(settings):
            break
        settings = trial
    errors = {trial: trials.error(trial) for trial in trials.outcomes}
    best = trials.outcome(settings)
    judgement = judged(*best.ranked, trials.Y, trials.weights, calibrate)
    return best.settings, chosen(settings, errors) | judgement


@dataclass
class Outcome:
    """What a model comes to on held-out rows.

    `settings` are those of the trial and the factors that suit it, `arrays` is what Model takes,
    `ranked` what `Model.best` returns, and `missed` the error of each row.
    """

    settings: Settings
    arrays: dict | None
    ranked: tuple
    missed: np.ndarray


class Trials:
    """Models of some rows, judged on others.

    Parameters
    ----------
    X, Y, weights
        As `Candidates` takes them.
    kept, held_out : ndarray of int
        The rows to train on, and those that judge.
    seed : int
    """

    def __init__(self, X, Y, weights, kept, held_out, seed):
        self.data = X[kept], Y[kept], weights[kept] / weights[kept].mean()
        self.X, self.Y, self.weights = X[held_out], Y[held_out], weights[held_out]
        self.n_own = np.maximum(np.diff(self.Y.indptr), 1)
        self.seed = seed
        self.outcomes, self.n_prototypes, self.candidates = {}, None, None

    def error(self, trial):
        """The mean error of a model with these settings."""
        return self._mean(self.outcome(trial).missed)

    def gains(self, trial, other, least=LEAST_GAIN):
        """Whether another trial is better by so many standard deviations of the difference."""
        before, after = self.outcome(trial).missed, self.outcome(other).missed
        return is_less(before, after, self.weights, least)

    def outcome(self, trial):
        """The Outcome of these settings, without its arrays."""
        if trial not in self.outcomes:
            self.outcomes[trial] = replace(self._run(trial), arrays=None)
        return self.outcomes[trial]

    def _run(self, trial):
        if trial.n_prototypes != self.n_prototypes:
            self.n_prototypes = trial.n_prototypes
            self.candidates = Candidates(*self.data, trial, np.random.RandomState(self.seed))
        for step in passes(self.candidates, trial, np.random.RandomState(self.seed)):
            arrays = step.parameters  # the last counts
        best = self._judged(trial, arrays)
        table = arrays["table"]
        if len(table):
            ranking = ranking_of(discriminant(self.candidates.place, is_sparse=True))
            alone = self._judged(trial, {**arrays, **ranking, "table": table[:0]})
            unit = relative_spread(best.ranked[1], alone.ranked[1])
            factors = [unit * share for share in DISCRIMINANT_SHARES if unit > 0]
            tried = [
                (replace(trial, discriminant_factor=factor), arrays | share_of(ranking, factor))
                for factor in factors
            ]
            best = self._best(best, tried)
        tried = [
            (replace(best.settings, vote_factor=factor), {**best.arrays, "vote_factor": factor})
            for factor in VOTE_FACTORS
        ]
        return self._best(best, tried)

    def _judged(self, settings, arrays):
        ranked = Model(arrays, settings.beam_width).best(self.X)
        first = is_own(ranked[0][:, : self.n_own.max()], self.Y)
        first &= np.arange(first.shape[1]) < self.n_own[:, None]
        return Outcome(settings, arrays, ranked, 1 - first.sum(axis=1) / self.n_own)

    def _best(self, first, tried):
        """The best of some models, or the first one if none is clearly better."""
        outcomes = [self._judged(*model) for model in tried]
        clear = [found for found in outcomes if is_less(first.missed, found.missed, self.weights)]
        return min(clear, key=lambda found: self._mean(found.missed), default=first)

    def _mean(self, missed):
        return float(np.average(missed, weights=self.weights))


def is_less(before, after, weights, least=LEAST_GAIN):
    """Whether errors of rows fall by so many standard deviations of the difference."""
    gains = weights * (before - after)
    return gains.sum() > least * np.sqrt(gains @ gains)


def relative_spread(scores, others):
    """How far scores of a row's candidates are apart, in units of others; 0 if those are not.

    Scores of -inf are of no class.
    """
    spreads = []
    for part in (scores, others):
        listed = part > -np.inf
        values = np.where(listed, part, 0).astype(np.float64)
        values -= values.sum(axis=1, keepdims=True) / np.maximum(listed.sum(axis=1), 1)[:, None]
        spreads.append(np.sqrt(np.mean(values[listed] ** 2)) if listed.any() else 0.0)
    mine, other = spreads
    return float(min(mine / other, LARGEST_FACTOR)) if other > 0 else 0.0


def _losses(X, Y):
    """The losses to try, first the one to use without a trial."""
    if sparse.issparse(X):
        return ["squared_hinge", "discriminant", "softmax"]
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
        f"{trial.loss}, {trial.n_prototypes}"
        + ", scaled" * (trial.column_power > 0)
        + f", {trial.C:g}" * (several and trial.loss == "squared_hinge"): error
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
