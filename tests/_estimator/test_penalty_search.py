"""The choice of a penalty by held-out rows."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from sklearn_optland._estimator import penalty_search
from sklearn_optland._estimator.early_stopping import row_losses
from sklearn_optland._estimator.penalty_search import ALPHA, ALPHAS, search_alpha
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.neural_network import (
    ADMMNetClassifier,
    ADMMNetRegressor,
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
)


def source_of(n, rng):
    c = rng.rand(n)
    return ArraySource(np.arange(n, dtype=float)[:, None], Y=rng.rand(n, 1), c=c / c.sum())


class Bowl:
    """Losses that are least at some strength, noisy or not."""

    def __init__(self, best, noise, train, held):
        self.best, self.noise, self.held = best, noise * held.Y[:, 0], held
        self.asked = []

    def __call__(self, alpha):
        self.asked.append(alpha)
        return 1 + np.abs(np.log10(alpha / self.best)) * (1 + self.noise)


@pytest.mark.parametrize("best", [0, 3, len(ALPHAS) - 1])
def test_the_least_loss_is_found_and_nothing_asked_after_it(best):
    rng, paths = np.random.RandomState(0), []

    def make(train, held):
        paths.append(Bowl(ALPHAS[best], 0.1, train, held))
        return paths[-1]

    alpha, losses = search_alpha(source_of(90, rng), rng, make)
    assert alpha == ALPHAS[best]
    assert list(losses) == list(ALPHAS[: best + 2])
    assert all(path.asked == list(losses) for path in paths)


def test_of_equally_good_strengths_the_strongest_is_taken():
    rng = np.random.RandomState(0)

    class Noise(Bowl):
        def __call__(self, alpha):
            return 1e-6 * super().__call__(alpha) + rng.randn(self.held.n_rows)

    def make(*parts):
        return Noise(ALPHAS[3], 0.0, *parts)

    many = [search_alpha(source_of(90, rng), rng, make)[0] for _ in range(20)]
    assert np.mean(np.equal(many, ALPHAS[0])) > 0.4


@pytest.mark.parametrize("unit", [1e-250, 1e250])
def test_the_unit_of_losses_does_not_matter(unit):
    def chosen(unit):
        rng = np.random.RandomState(1)

        def make(train, held):
            means = iter([2.0, 1.01, 1.0, 1.1])
            return lambda alpha: unit * (next(means) + rng.randn(held.n_rows))

        alpha, losses = search_alpha(source_of(900, rng), rng, make)
        return alpha, min(losses, key=losses.get)

    expected, lowest = chosen(1.0)
    assert lowest < expected < ALPHAS[0]  # the noise had a say
    with np.errstate(all="raise", under="ignore"):
        assert chosen(unit) == (expected, lowest)


@pytest.mark.parametrize("n", [30, 1500, 2500, 5000])
def test_folds_share_the_rows(n):
    rng, folds = np.random.RandomState(0), []

    def make(train, held):
        rows = [part.X[:, 0].astype(int) for part in (train, held)]
        assert not np.intersect1d(*rows).size
        assert sum(map(len, rows)) == n
        for part in (train, held):
            assert part.c.sum() == pytest.approx(1)
        folds.append(rows[1])
        return Bowl(ALPHA, 0.0, train, held)

    codes = np.arange(n) % 10
    source = source_of(n, rng)
    source = source.take(slice(None), Y=np.eye(10)[codes])
    search_alpha(source, rng, make, has_classes=True)
    held = np.concatenate(folds)
    assert len(held) == len(set(held)) >= min(n, penalty_search.HELD_ROWS)
    for fold in folds:
        assert np.ptp(np.bincount(codes[fold], minlength=10)) <= 1


def test_few_rows_have_nothing_to_choose_by():
    rng = np.random.RandomState(0)
    assert search_alpha(source_of(5, rng), rng, None) == (ALPHA, {})


@pytest.mark.parametrize("k", [1, 3])
def test_losses_of_rows(k):
    rng = np.random.RandomState(0)
    F = rng.randn(20, k)
    Y = np.eye(3)[rng.randint(3, size=20)] if k > 1 else rng.randint(2, size=(20, 1))
    np.testing.assert_allclose(row_losses(F, Y, False), 0.5 * ((F - Y) ** 2).sum(axis=1))
    scores = F if k > 1 else np.column_stack([0 * F, F])
    labels = Y.argmax(axis=1) if k > 1 else Y[:, 0]
    assert row_losses(F, Y, True).mean() == pytest.approx(log_loss(labels, softmax(scores, axis=1)))


@pytest.mark.kernels
@pytest.mark.parametrize(
    "net",
    [
        MeanFieldTwoLayerNet(20),
        MeanFieldTwoLayerNet(20, regime="kernel"),
        MeanFieldTwoLayerNet(activation="square"),
        ADMMNetRegressor((20,)),
        MeanFieldTwoLayerNetClassifier(20),
        ADMMNetClassifier((20,)),
    ],
    ids=str,
)
def test_noise_asks_for_a_stronger_penalty(net):
    rng = np.random.RandomState(0)
    X = rng.randn(200, 3)
    chosen = []
    for noise in (0.05, 3.0):
        y = np.abs(X[:, 0]) + X[:, 1] * X[:, 0] + noise * rng.randn(200)
        y = y > 1 if hasattr(net, "class_weight") else y
        net.set_params(random_state=0, max_iter=10).fit(X, y)
        assert net.alpha_ in net.alphas_
        assert len(net.alpha_losses_) == len(net.alphas_)
        chosen.append(net.alpha_)
    assert chosen[0] < chosen[1]
    again = net.set_params(warm_start=True).fit(X, y)
    assert again.alpha_ == chosen[1]
    assert len(again.alphas_) == 0


@pytest.mark.kernels
@pytest.mark.parametrize(
    "net",
    [
        MeanFieldTwoLayerNet(10),
        ADMMNetRegressor((10,)),
        MeanFieldTwoLayerNetClassifier(10),
        ADMMNetClassifier((10,)),
    ],
    ids=str,
)
@pytest.mark.parametrize("k", [1, 3])
def test_scores_of_the_rows_that_early_stopping_holds_out(net, k):
    rng = np.random.RandomState(0)
    X = rng.randn(300, 3)
    Y = np.abs(X @ rng.randn(3, k)) + 0.1 * rng.randn(300, k)
    y = np.column_stack([Y, 0.8 * np.ones(300)]).argmax(axis=1) if hasattr(net, "classes") else Y
    if hasattr(net, "class_weight"):
        y = np.column_stack([Y, 0.8 * np.ones(300)]).argmax(axis=1)
    net.set_params(random_state=0, early_stopping=True, n_iter_no_change=5).fit(X, y)
    looks = np.isfinite(net.history_["validation_loss"]).sum()
    assert len(net.validation_scores_) == looks
    assert net.best_validation_score_ == max(net.validation_scores_)
    # Other rows of the same kind have about the same score.
    assert net.best_validation_score_ == pytest.approx(net.score(X, y), abs=0.12)
    net.set_params(early_stopping=False, max_iter=2).fit(X, y)
    assert net.validation_scores_ is None
