"""Strings and elastic bands: what makes a path between two points one of low loss."""

from itertools import pairwise

import numpy as np

from sklearn_optland._optim.lbfgs import Memory, minimize

# New points of a string are trained to this share of the level, so that segments stay below it.
BELOW = 0.98
# Steps of a descent to a level, and pairs that its L-BFGS remembers.
DESCENT, PAIRS = 2000, 10
# Points inside each segment where the loss is looked at.
GRID = 9
# Pivots that a band starts with, steps in a cycle, and the excess over the chord between pivots,
# as a share of the losses' range, above which one is inserted.
PIVOTS, CYCLE, EXCESS = 3, 40, 0.1
# Growth and cut of a pivot's step size.
GROW, CUT = 1.2, 0.5


def inner_grid():
    """Where inside a segment the loss is looked at."""
    return np.arange(1, GRID + 1) / (GRID + 1)


def segment_losses(surface, p, q):
    """Losses inside a segment."""
    return [surface.loss(p + t * (q - p)) for t in inner_grid()]


def descend(surface, theta, target):
    """Train from theta until the loss is at most a target, or there is nothing more to do."""
    if surface.loss(theta) <= target:
        return theta
    for n_steps, step in enumerate(minimize(surface.loss_and_gradient, theta, Memory(PAIRS)), 1):
        if step.loss <= target or step.done or n_steps == DESCENT:
            return step.parameters
    return theta


def string(surface, a, b, level, max_points):
    """Dynamic string sampling: Algorithm 1 of Freeman and Bruna, the highest segment first.

    Returns
    -------
    points : list of ndarray
    """
    points = [descend(surface, end, level) for end in (a, b)]
    segments = [segment_losses(surface, *points)]
    while len(points) < max_points:
        k = int(np.argmax([max(losses) for losses in segments]))
        if max(segments[k]) <= level:
            break
        p, q = points[k], points[k + 1]
        t = inner_grid()[int(np.argmax(segments[k]))]
        middle = descend(surface, p + t * (q - p), BELOW * level)
        if np.array_equal(middle, p) or np.array_equal(middle, q):
            break
        points.insert(k + 1, middle)
        halves = (p, middle), (middle, q)
        segments[k : k + 1] = [segment_losses(surface, *half) for half in halves]
    return points


def band(surface, a, b, max_points, max_iter):
    """A nudged elastic band with stiff springs: pivots spread evenly, and descend across the path.

    Each pivot has a step size of its own, which grows while its loss falls. After each cycle
    points are inserted in the two segments whose loss is most above their chord.

    Returns
    -------
    points : list of ndarray
    """
    points = np.linspace(a, b, min(PIVOTS + 2, max_points))
    sizes, n_iter = np.ones(len(points)), 0
    while True:
        for _ in range(min(CYCLE, max_iter - n_iter)):
            points, sizes = relaxed(surface, points, sizes)
            n_iter += 1
        if n_iter >= max_iter:
            return list(points)
        where = too_high(surface, points)[: max_points - len(points)]
        for k in sorted(where, reverse=True):
            points = np.insert(points, k + 1, 0.5 * (points[k] + points[k + 1]), axis=0)
            sizes = np.insert(sizes, k + 1, min(sizes[k], sizes[k + 1]))


def relaxed(surface, points, sizes):
    """One step of all pivots across the path, and pivots spread evenly along it again."""
    values = [surface.loss_and_gradient(point) for point in points]
    losses = np.array([loss for loss, _ in values])
    moved, sizes = points.copy(), sizes.copy()
    for k in range(1, len(points) - 1):
        tangent = tangent_at(points, losses, k)
        across = values[k][1] - (values[k][1] @ tangent) * tangent
        trial = points[k] - sizes[k] * across
        if surface.loss(trial) < losses[k]:
            moved[k], sizes[k] = trial, GROW * sizes[k]
        else:
            sizes[k] *= CUT
    return evenly(moved), sizes


def tangent_at(points, losses, k):
    """The path's direction at a pivot: to the higher neighbour; at extrema, a mean of both."""
    ahead, behind = points[k + 1] - points[k], points[k] - points[k - 1]
    rise_ahead, rise_behind = losses[k + 1] - losses[k], losses[k] - losses[k - 1]
    if rise_ahead > 0 and rise_behind > 0:
        tangent = ahead
    elif rise_ahead < 0 and rise_behind < 0:
        tangent = behind
    else:
        large, small = sorted([abs(rise_ahead), abs(rise_behind)], reverse=True)
        is_ahead_higher = losses[k + 1] > losses[k - 1]
        weights = (large, small) if is_ahead_higher else (small, large)
        tangent = weights[0] * unit(ahead) + weights[1] * unit(behind)
        if not tangent.any():
            tangent = ahead + behind
    return unit(tangent)


def unit(v):
    """v with length 1, or 0."""
    length = np.linalg.norm(v)
    return v / length if length > 0 else v


def evenly(points):
    """As many points on the same path, at even distances along it."""
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    ends = np.append(0.0, np.cumsum(lengths))
    if ends[-1] == 0:
        return points
    spread = points.copy()
    for k, where in enumerate(np.linspace(0, ends[-1], len(points))[1:-1], 1):
        piece = min(int(np.searchsorted(ends, where, side="right")) - 1, len(lengths) - 1)
        t = (where - ends[piece]) / lengths[piece] if lengths[piece] > 0 else 0.0
        spread[k] = points[piece] + t * (points[piece + 1] - points[piece])
    return spread


def too_high(surface, points):
    """Up to two segments whose loss is most above their chord, if it is by much."""
    losses = np.array([surface.loss(point) for point in points])
    dense = np.array([segment_losses(surface, *pair) for pair in pairwise(points)])
    chords = losses[:-1, None] + inner_grid() * np.diff(losses)[:, None]
    excess = (dense - chords).max(axis=1)
    least = EXCESS * (max(losses.max(), dense.max()) - min(losses.min(), dense.min()))
    order = np.argsort(excess)[::-1][:2]
    return [int(k) for k in order if excess[k] > least]
