"""A primal-dual interior point method for losses with kinks and any elastic net.

Hinges are maxima of straight lines, so the dual is a quadratic program in a box. With a variable a
in [0, 1] for each line that may hold, of slope s and intercept p in the prediction f,

    maximise  sum_i c_i p_i'a_i - |sum_i c_i s_i'a_i x_i|^2 / (2 l2)
    so that   sum_i c_i s_i'a_i = 0,

whose multipliers z of a >= 0 and u of a <= 1 fulfil s f - p = z - u at the optimum, a z = 0 and
(1 - a) u = 0. The method of Mehrotra (1992) takes Newton steps on these with a z = (1 - a) u = mu
and mu to 0. Eliminating all that belongs to rows leaves a Gram matrix of the columns, as Ferris and
Munson (2002) have it for support vector machines.

A penalty that is no square has lines too, one for each coefficient:

    l1 |w| = l1 w + 2 l1 max(0, -w),

and w >= 0 is the same with a weight above all that losses can pull at the column, |pulls| <= 1, an
exact penalty. Such lines add to the matrix' diagonal.

These are rows as well: of a diagonal matrix, without an intercept. A step takes three passes: one
for the matrix, and one each for what Mehrotra's prediction and its correction do to the rows' a, z
and u, which stay with them (`Lines`).
"""

from functools import partial

import numpy as np
from scipy import sparse

from sklearn_optland._loss import linear_passes as passes
from sklearn_optland._rows.reduce import ExtremeOf, Several, SumOf, reduce
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model._finite_sum.newton import penalized_inverse
from sklearn_optland.linear_model._finite_sum.problem import TINY, further
from sklearn_optland.linear_model._finite_sum.solver import FullBatchSolver

# Of the way to the boundary that a step may go, and the shortest that leads anywhere.
INSIDE, SHORTEST = 0.99, 1e-8
# Rows whose lines hold exactly would have infinite curvatures.
MOST_CURVED = 1e100
# Of the objective: a mean product that is nothing but rounding.
LEAST_PRODUCT = 1e-18
# Of the targets' mean size: the least multipliers at the start.
OUTSIDE = 0.1


class InteriorPoint(FullBatchSolver):
    """The interior point method of this module, its matrix of few columns."""

    patience = 1.0  # it ends by itself, and its last steps gain most

    def points(self, W):
        problem, penalty = self.problem, self.problem.penalty
        rows = lines_of_rows(problem)
        groups = [rows] if penalty.is_quadratic else [rows, lines_of_columns(problem)]
        weight = sum(lines.n_lines * lines.weight for lines in groups)
        above, square = sum(lines.sums_at(W) for lines in groups) / weight
        for lines in groups:
            lines.start(above + OUTSIDE * np.sqrt(square))
        while True:
            product, gram, pulls = summed(lines.system() for lines in groups)
            mu = 0.5 * product / weight
            if not (np.isfinite(gram).all() and mu > 0):
                return
            left = pulls[:, 0] - penalty.l2 * W
            left[:-1] -= penalty.l1
            left[-1] = pulls[-1, 0]
            solve = penalized_inverse(problem, gram)
            dW = solve(left + pulls[:, 1])
            bend, pulls = summed(lines.predict(dW) for lines in groups)
            length = longest(max(lines.fastest for lines in groups))
            # a prediction takes the product to 0, but for its second order
            ahead = 0.5 * np.polyval([bend, -product, product], length) / weight
            target = mu * (ahead / mu) ** 3
            dW = solve(left + pulls @ [target, 1.0])
            for lines in groups:
                lines.correct(dW, target)
            length = INSIDE * longest(max(lines.fastest for lines in groups))
            if not length > SHORTEST:
                return
            W = W + length * dW
            for lines in groups:
                lines.move(length)
            point = evaluated(problem, W, *groups)
            yield point
            if mu <= LEAST_PRODUCT * point.objective:
                return


class Lines:
    """The lines of some rows, at their a, 1 - a, z and u.

    Parameters
    ----------
    problem : FiniteSum
        Whose passes these are.
    source : ArraySource or another source of rows
    slopes, values : callable
        Picklable; take y, and return s and p of the lines p - s f of these rows, arrays that
        broadcast to the shape (n_lines, n_rows).
    n_lines : int
        Of a row.
    y, c : arrays of the source
    weight : float
        The sum of c.
    has_intercept : bool

    Attributes
    ----------
    fastest : float
        The largest rate at which the last step goes to the boundary.
    """

    def __init__(self, problem, source, slopes, values, n_lines, *, y, c, weight, has_intercept):
        self.problem, self.source, self.n_lines = problem, source, n_lines
        self.slopes, self.values = slopes, values
        self.y, self.c, self.weight, self.has_intercept = y, c, weight, has_intercept
        self.scores = self.h = self.R = self.added = self.step = self.at = None

    def sums_at(self, W):
        """Sums over all lines: how far the loss is above them, their squares at 0."""
        source, k = self.source, self.n_lines
        self.scores = source.zeros(1)
        forward = (self._columns(W), self.scores) if W.any() else None
        if forward:
            reduce(passes.Forward(source), source, forward)
        self.h, self.R = source.empty(), source.empty(2)
        self.added, self.step = source.empty(1), source.map(partial(_no_step, k), self.y)
        sums = partial(_sums_at, self.slopes, self.values)
        arrays = self.y, self.c, self.scores
        return reduce(SumOf(sums, (2,)), source, arrays)[1]

    def start(self, outside):
        """Begin in the middle, with multipliers of at least this."""
        start = partial(_start, self.slopes, self.values, outside)
        self.at = self.source.map(start, self.y, self.scores)

    def system(self):
        """What the Newton step is made of.

        Returns
        -------
        product : float
            The sum of a z and (1 - a) u.
        gram : ndarray of shape (n_features + 1, n_features + 1)
            Of the curvatures; its lower triangle.
        pulls : ndarray of shape (n_features + 1, 2)
            Of a, and the right side of Mehrotra's prediction.
        """
        source, own = self.source, (self.y, self.c, self.at, self.h, self.R)
        sums = SumOf(partial(_system, self.slopes), writes=(3, 4))
        statistic = Several(sums, passes.WeightedGram(source), passes.Backward(source, 2))
        self.problem.passes += 1.5
        product, gram, pulls = reduce(statistic, source, (own, (self.h,), (self.R,)))[1]
        gram += np.tril(gram, -1).T
        if not self.has_intercept:
            pulls[-1] = gram[-1] = gram[:, -1] = 0.0
        return product, gram, pulls

    def predict(self, dW):
        """Take Newton's step to a z = (1 - a) u = 0.

        Returns
        -------
        bend : float
            The sum of da dz and d(1 - a) du.
        pulls : ndarray of shape (n_features + 1, 2)
            Right sides of the correction: what is multiplied with its target, and the rest.
        """
        source = self.source
        own = self.y, self.c, self.at, self.added, self.step, self.R
        statistic = Several(
            passes.Forward(source),
            SumOf(partial(_predict, self.slopes), writes=(4, 5)),
            ExtremeOf(_fastest, np.maximum),
            passes.Backward(source, 2),
        )
        forward = self._columns(dW), self.added
        self.problem.passes += 1.0
        parameters = forward, own, (self.at, self.step), (self.R,)
        _, bend, self.fastest, pulls = reduce(statistic, source, parameters)[1]
        if not self.has_intercept:
            pulls[-1] = 0.0
        return bend, pulls

    def correct(self, dW, target):
        """Take the step to a z = (1 - a) u = target, with the prediction's second order."""
        source = self.source
        own = self.y, self.at, self.added, self.step
        corrected = ExtremeOf(partial(_correct, self.slopes, target), np.maximum, writes=(3,))
        statistic = Several(passes.Forward(source), corrected)
        self.problem.passes += 0.5
        parameters = (self._columns(dW), self.added), own
        _, self.fastest = reduce(statistic, source, parameters)[1]

    def move(self, length):
        """Go a part of the step."""
        source = self.source
        self.at = source.map(partial(_moved, length), self.at, self.step)
        self.scores = source.map(partial(further, length), self.scores, self.added)

    def theta(self):
        """The pulls that a stands for."""
        return self.source.map(partial(_pulls, self.slopes), self.y, self.at)

    def _columns(self, W):
        return np.append(W[:-1], W[-1] * self.has_intercept)[:, None]


def lines_of_rows(problem):
    """The lines whose positive parts the losses are."""
    loss = problem.loss
    lines = _slopes_of_residuals, partial(_values_of_residuals, loss.epsilon), 2
    if loss.for_classes:
        lines = _slopes_of_margins, _one, 1
    columns = {"y": problem.y, "c": problem.c, "weight": 1.0, "has_intercept": True}
    return Lines(problem, problem.source, *lines, **columns)


def lines_of_columns(problem):
    """The lines whose positive parts the penalty is, but for its square and l1 sum(w).

    Coefficients are in units of scores, times their columns' lengths.
    """
    penalty, d = problem.penalty, problem.n_features
    # of pulls up to 1 a column feels no more than its length: those below l1 stay out
    lengths = np.maximum(np.sqrt(np.maximum(problem.column_squares, TINY)), penalty.l1)
    most = 2 * lengths + penalty.l1
    c = (most if penalty.positive else np.full(d, 2 * penalty.l1)) / lengths
    source = ArraySource(sparse.diags_array(lengths, format="csr"))
    columns = {"y": np.zeros(d), "c": c, "weight": c.sum(), "has_intercept": False}
    return Lines(problem, source, _one, _zero, 1, **columns)


def evaluated(problem, W, rows, columns=None):
    """The point at W, coefficients zero that are on their way there; certified by a."""
    if columns is None:
        return problem.evaluate(W, rows.theta(), problem.source.map(np.ravel, rows.scores))
    # |f| min(a, 1 - a) is mu for all: one of the factors goes to 0, the other does not
    a, room = columns.at.T[:2]
    inside = np.minimum(a, room) * problem.unit_of_scores
    w = np.where(np.abs(columns.scores[:, 0]) < inside, 0.0, W[:-1])
    return problem.evaluate(np.append(problem.penalty.project(w), W[-1]), rows.theta())


def summed(parts):
    """Sums of corresponding entries of tuples."""
    return [sum(entries[1:], start=entries[0]) for entries in zip(*parts, strict=True)]


def longest(fastest):
    """The longest step, 1 / INSIDE at most, after which no value is negative."""
    return 1 / max(INSIDE, float(fastest))


# Functions of rows: of lines (n_lines, n_rows), and what rows keep of them, (n_rows, ... n_lines)


def _slopes_of_margins(y):
    return y[None]


def _slopes_of_residuals(y):
    return np.array([[1.0], [-1.0]])


def _values_of_residuals(epsilon, y):
    return np.stack([y - epsilon, -y - epsilon])


def _one(y):
    return np.ones((1, 1))


def _zero(y):
    return np.zeros((1, 1))


def _of_lines(kept, n_kinds):
    """What rows keep, by kind: each of shape (n_lines, n_rows)."""
    return np.ascontiguousarray(kept.T).reshape(n_kinds, -1, len(kept))


def _sums_at(slopes, values, y, c, f):
    at_zero = values(y)
    above = at_zero - slopes(y) * f[:, 0]
    squares = np.broadcast_to(at_zero**2, above.shape)
    return np.array([np.sum(np.abs(above) @ c), np.sum(squares @ c)])


def _start(slopes, values, outside, y, f):
    above = values(y) - slopes(y) * f[:, 0]
    z = np.maximum(-above, 0.0) + outside
    middle = np.full_like(z, 0.5)
    return np.concatenate([middle, middle, z, z + above]).T


def _no_step(n_lines, y):
    return np.zeros((3 * n_lines, len(y))).T  # a line's values are side by side


def _system(slopes, y, c, at, h, R):
    s = slopes(y)
    a, room, z, u = _of_lines(at, 4)
    give = 1 / (z / a + u / room)
    np.multiply(c, np.minimum(np.sum(give, axis=0), MOST_CURVED), out=h)
    np.multiply(c, np.sum(s * a, axis=0), out=R[:, 0])
    np.multiply(c, np.sum(s * (u - z) * give, axis=0), out=R[:, 1])
    return np.sum((a * z + room * u) @ c)


def _predict(slopes, y, c, at, added, step, R):
    s = slopes(y)
    a, room, z, u = _of_lines(at, 4)
    za, ur = z / a, u / room
    give = 1 / (za + ur)
    da = (u - z - s * added[:, 0]) * give
    dz, du = -z - za * da, ur * da - u
    step[:] = np.concatenate([da, dz, du]).T
    np.multiply(c, np.sum(s * (1 / a - 1 / room) * give, axis=0), out=R[:, 0])
    rest = u - z - da * (dz / a + du / room)
    np.multiply(c, np.sum(s * rest * give, axis=0), out=R[:, 1])
    return np.sum((da * (dz - du)) @ c)


def _correct(slopes, target, y, at, added, step):
    s = slopes(y)
    a, room, z, u = _of_lines(at, 4)
    da, dz, du = _of_lines(step, 3)
    of_a, of_room = target - a * z - da * dz, target - room * u + da * du
    da = (of_a / a - of_room / room - s * added[:, 0]) / (z / a + u / room)
    step[:] = np.concatenate([da, (of_a - z * da) / a, (of_room + u * da) / room]).T
    return _fastest(at, step)


def _changes(step):
    """How a, 1 - a, z and u change in a step, of shape (4 n_lines, n_rows)."""
    n_lines = step.shape[1] // 3
    da, others = step.T[:n_lines], step.T[n_lines:]
    return np.concatenate([da, -da, others])


def _fastest(at, step):
    """The rate at which the fastest of the values goes to zero."""
    return -np.min(_changes(step) / at.T)


def _moved(length, at, step):
    return (at.T + length * _changes(step)).T


def _pulls(slopes, y, at):
    s = slopes(y)
    return np.sum(s * at.T[: len(s)], axis=0)
