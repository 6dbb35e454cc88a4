"""Samples of the rows, on which the first steps are taken."""

import numpy as np

from sklearn_optland._rows.row_orders_fast import draw_rows

# Of the ridge: "growing" takes all of it. An importance sample has seen every direction;
# a larger ridge would hold up the directions of little curvature.
IMPORTANCE_RIDGE = 0.01
# Many rows: the sample that Newton's method starts on, in parts of the data and in rows for each
# parameter.
SAMPLE_PART, SAMPLE_ROWS = 32, 10


def uniform_sample(problem, index):
    """The problem on some of the rows, weighted up to the same total."""
    c = problem.source.gather(problem.source.c)
    part = c[index]
    return problem.restrict(index, part * (c.sum() / part.sum()))


def sample_size(problem):
    """Rows of a sample for Newton's method; 0 if that is not a small part of the data."""
    n = problem.n_samples
    size = max(n // SAMPLE_PART, SAMPLE_ROWS * problem.k * (problem.n_features + 1))
    return size if 8 * size < n else 0  # rare classes may double it


def sample_sizes(problem, parts, least):
    """Rows of the samples for the first steps: so many parts of the data, of at least `least`.

    Of partitions one that is small enough comes here: others would cost a message each.
    """
    n, most = problem.n_samples, problem.source.most_sampled
    sizes = sorted({min(n // part, max(most, least)) for part in parts})
    sizes = [size for size in sizes if size >= least]
    return sizes[-1:] if sizes and sizes[-1] <= most < np.inf else sizes


def sample_of_many(problem, rng):
    """The problem on a small part of its rows, weighted back; rare classes have a larger part."""
    source, n = problem.source, problem.n_samples
    y, c = source.gather(source.y), source.gather(source.c)
    n_rows = np.maximum(np.bincount(y, minlength=problem.k), 1)
    part = sample_size(problem) / n * np.maximum(1.0, n / (problem.k * n_rows))
    probability = np.minimum(part, 1.0)[y]
    index = np.flatnonzero(rng().random_sample(n) < probability)
    return problem.restrict(index, c[index] / probability[index])


def draw(problem, weights, size, seed):
    """Draw about `size` rows; return their numbers and the probabilities that they had.

    Half are drawn by the weights, half also by their `row_squares`: a column that is 0 in most
    rows is sampled where it is not. With the same seed, a larger sample contains the smaller.
    """
    squares = problem.row_squares
    return draw_rows(weights, squares, *_rates(size, weights.sum(), weights @ squares), seed)


def _rates(size, even, by_squares):
    """What half of `size` rows each are drawn by, for sums of the weights and of their squares."""
    return 0.5 * size / max(even, 1e-300), 0.5 * size / by_squares if by_squares > 0 else 0.0


def importance_sample(problem, size, seed):
    """The problem on rows that know the curvature, weighted back; they stay where they are."""
    # Each column's squares sum to 1.
    rates = _rates(size, problem.total, np.count_nonzero(problem.column_squares[:-1]))
    return problem.on(problem.source.draw(size, problem.row_squares, *rates, seed))


def sampling_ridge(problem, size):
    """What a sample of `size` rows may miss of the curvature, for each column.

    The error that a sample leaves in directions that it has not seen: d / size of the bound's
    diagonal.
    """
    ridge = 0.25 * min(1.0, problem.n_features / size) * problem.column_squares
    if not problem.fit_intercept:
        ridge[-1] = 0.0
    return ridge


def after_samples(problem, W):
    """Evaluate where samples have led, or zero if that is better."""
    point = problem.evaluate(W)
    return point if point.objective <= problem.at_zero else problem.evaluate(problem.zeros())
