"""Solvers of a chain's objective: dual ascent and average gradients over sequences.

A solver is made of a problem, parameters to start from, `tol` and a random state. `steps` yields a
`Step` an iteration, and `certify` bounds what is left at any parameters.
"""

import numpy as np

from sklearn_optland._optim.certify import BoundTrigger
from sklearn_optland._optim.step import Step
from sklearn_optland._rows.reduce import row_blocks
from sklearn_optland._rows.row_orders_fast import shuffle
from sklearn_optland.structured._chain.chain_fast import AverageGradient as Gradients
from sklearn_optland.structured._chain.chain_fast import DualAscent as Duals
from sklearn_optland.structured._chain.lbfgs import LBFGS, has_few_columns
from sklearn_optland.structured._chain.majorizer import BoundMajorization

# Longer sequences have no Gram matrix of their tokens, nor have those that are as long as this many
# stored values of a token: it would cost more than their columns do.
LONGEST_GRAM, VALUES_PER_TOKEN = 100, 8
# Of the visits, those drawn in proportion to the sequences' gaps.
BY_GAP = 0.7
# Epochs over all sequences alike before that.
EVEN_EPOCHS = 2
# What the visits have seen of the gap, over the gap itself, before anything is known.
SEEN = 1.5
# The most epochs without a certificate.
MAX_UNSEEN = 10
# The least tolerance for which marginals are kept in float32: for conll2000, rounding then is up to
# 2e-5 of the objective at C = 1, and more for larger C.
FLOAT32_TOL = 5e-5
# Marginals that move less are at rest, as far as float64 goes; so are those of which for this many
# epochs neither movement nor gap has fallen, nor the lower bound risen by more than rounding.
STILL, PATIENCE = 100 * np.finfo(float).eps, 20
ROUNDING, LEAST_FALL = 4 * np.finfo(float).eps, 1e-3


def type_of_marginals(theta, tol):
    """float32 where it is precise enough, and parameters begin at zero, with no rounding."""
    return np.float32 if theta is None and tol >= FLOAT32_TOL else np.float64


class DualAscent:
    """SDCA on marginals: a visit of a sequence mixes its dual with the model's distribution.

    It has a lower bound of the optimum at any time. A pass that computes the objective besides is
    made when the visits say that the gap should be within the tolerance.

    Marginals are kept in float32 where that is precise enough. Parameters are the image of what is
    kept; how far that can be from the image of distributions is known, and part of the bound.
    """

    name = "sdca"

    def __init__(self, problem, theta, tol, rng):
        self.problem, self.tol, self.rng = problem, tol, rng
        n_sequences = len(problem.c)
        grams, total = self._gram_places()
        gram, buffer = np.empty(total, dtype=np.float32), np.zeros((0, problem.lanes))
        if (grams < 0).any():
            buffer = np.zeros((problem.n_columns, problem.lanes))
        rows = problem.rows, problem.starts, problem.k, problem.codes
        self.dtype = type_of_marginals(theta, tol)
        self.theta, self.best_bound = problem.zeros(), 0.0
        # That of the duals: what dual ascent has for parameters.
        self.image = self.theta
        self.duals = problem.restricted(self._duals(*rows, problem.c, gram, grams, buffer))
        self.duals.grams(grams, problem.has_ends, gram, np.zeros(problem.n_columns))
        self.order = np.arange(n_sequences, dtype=np.int32)
        if theta is not None and theta.any():
            self._start(theta)
        self.duals.set(*problem.parts(self.theta))

    @property
    def lower_bound(self):
        """The dual objective, less what rounding can have added to it."""
        norm = float(np.linalg.norm(self.image))
        value = float(self.problem.c @ self.duals.entropy) - 0.5 * norm**2
        return value - self._rounding(norm) - self.problem.rounding * norm

    def _rounding(self, norm):
        """How far that of marginals can move the dual objective, where their image has a norm.

        That of their distributions' image is at most larger by what each sequence adds.
        """
        distance = float(self.problem.c @ self.duals.rounding)
        return distance * (norm + 0.5 * distance)

    @property
    def seen(self):
        """The duality gap, as far as the latest visits have seen it."""
        return float(self.duals.gap.sum())

    def certify(self, theta):
        """Objective at theta, and how far it can be above the optimum."""
        objective = self.problem.objective(theta)
        rounding = self.problem.rounding * float(np.linalg.norm(theta))
        return objective, max(objective - self.best_bound, 0.0) + rounding

    def steps(self):
        """Yield a step for each epoch."""
        trigger, unseen, passes = BoundTrigger(SEEN), 0, 0.0
        rest = STILL**2 * self.problem.c.sum()
        least, least_gap, age, epoch, still = np.inf, np.inf, 0, 0, False
        while True:
            if self.duals.mu.dtype == np.float32 and (still or self._is_coarse()):
                self.duals.widen()
                least, least_gap, age = np.inf, np.inf, 0
            order = self._next_order(epoch)
            moved = self._visit(order)
            epoch, unseen, passes = epoch + 1, unseen + 1, passes + len(order) / len(self.order)
            before, self.best_bound = self.best_bound, max(self.best_bound, self.lower_bound)
            seen = self.seen
            progress = moved < least or self.best_bound > (1 + ROUNDING) * before
            progress |= seen < (1 - LEAST_FALL) * least_gap
            least, least_gap = min(moved, least), min(seen, least_gap)
            age = 0 if progress else age + 1
            still = moved <= rest or age >= PATIENCE
            objective, certificate = self.best_bound + seen, np.nan
            if trigger.is_due(seen, self.tol * objective) or unseen == MAX_UNSEEN or still:
                objective, certificate = self.certify(self.theta)
                passes, unseen = passes + 0.5, 0
                if certificate > 0 and seen > 0:
                    trigger.learn(seen, certificate)
            reached = self.tol > 0 and certificate <= self.tol * objective
            curves = {
                "objective": objective,
                "lower_bound": self.best_bound,
                "certificate": certificate,
                "passes": passes,
            }
            # The next epoch changes theta in place: the last step is the one that is kept.
            done = reached or (still and self.duals.mu.dtype == np.float64)
            yield Step(self.theta, curves, objective, reached=reached, done=done)

    def _is_coarse(self):
        """Whether rounding is half of the gap that is allowed."""
        rounding = self._rounding(float(np.linalg.norm(self.image)))
        return rounding > 0.5 * self.tol * (self.best_bound + self.seen)

    def _duals(self, *chain_and_duals):
        return Duals(*chain_and_duals, self.dtype)

    def _gram_places(self):
        """Where the Gram matrix of each sequence begins, or -1, and the size of all of them."""
        lengths = np.diff(self.problem.starts)
        has_gram = lengths <= min(LONGEST_GRAM, VALUES_PER_TOKEN * self.problem.n_values)
        has_gram |= lengths == 1
        ends = np.cumsum(np.where(has_gram, lengths * (lengths + 1) // 2, 0))
        places = np.where(has_gram, ends - lengths * (lengths + 1) // 2, -1)
        return places.astype(np.int64), int(ends[-1])

    def _next_order(self, epoch):
        """Numbers of sequences in random order, repeated in proportion to their gaps."""
        gaps, total = self.duals.gap, self.duals.gap.sum()
        if epoch < EVEN_EPOCHS or not 0 < total < np.inf:
            order = self.order.copy()
        else:
            expected = (1 - BY_GAP) + BY_GAP * len(gaps) * (gaps / total)
            visits = np.floor(expected + self.rng.uniform(size=len(gaps))).astype(np.int64)
            order = np.repeat(self.order, visits)
        shuffle(order, self.rng.randint(np.iinfo(np.int32).max))
        return order

    def _visit(self, order):
        """Visit sequences; returns how far the duals have moved."""
        moved = 0.0
        for first, last in row_blocks(len(order), 2 * self.problem.work):
            moved += self.duals.visit(order[first:last])
        return moved

    def _start(self, theta):
        """Start from the model's distributions at theta.

        They are mixed with the sequences' own labellings, so that the duals' image is as near to
        theta as it can be: that of another C, or of other data, is not theta itself.
        """
        problem, duals = self.problem, self.duals
        n_sequences = len(problem.c)
        log_z, losses = np.empty(n_sequences), np.empty(n_sequences)
        duals.set(*problem.parts(theta))
        duals.losses(0, n_sequences, losses)
        duals.marginals(0, n_sequences, duals.mu, duals.xi, duals.pairs, duals.entropy, log_z)
        duals.without_labellings(duals.mu, duals.xi)
        image = -problem.evaluate(theta)[1] + theta
        square = np.vdot(image, image)
        share = min(max(np.vdot(theta, image) / square, 0.0), 1.0) if square > 0 else 1.0
        self.image[:] = share * image
        if share < 1:
            for marginals in (duals.mu, duals.xi):
                marginals *= share
            own = np.exp(-losses)
            rest = share * -np.expm1(-losses)
            flat = duals.entropy - own * losses
            logs = np.log(share) if share > 0 else 0.0
            duals.entropy[:] = np.maximum(
                -(1 - rest) * np.log1p(-rest) - rest * logs + share * flat, 0.0
            )
        # The gaps at the start, all visited: the entropy is not exact where they are mixed.
        duals.gap[:] = np.maximum(problem.c * losses, np.finfo(float).tiny)
        self.best_bound = max(self.best_bound, self.lower_bound)


class AverageGradient(DualAscent):
    """SAG with non-uniform sampling: the gradients at the last visits are duals.

    The paper divides their sum by the sequences visited so far; here the gradients of others count
    as zero.
    """

    name = "sag"
    # Of the visits, those drawn in proportion to Lipschitz constants.
    BY_CONSTANT = 0.5

    def __init__(self, problem, theta, tol, rng):
        super().__init__(problem, theta, tol, rng)
        if theta is None:
            self.duals.gap[:] = problem.c * np.diff(problem.starts) * np.log(problem.k)
        else:
            self.theta[:] = theta

    @property
    def seen(self):
        """The duality gap, as far as the latest visits have seen it."""
        distance = self.theta - self.image
        return float(self.duals.gap.sum()) + 0.5 * np.vdot(distance, distance)

    def _duals(self, *chain_and_duals):
        problem = self.problem
        self.image = problem.zeros()
        # To begin with as if sequences were tokens of the same norm.
        self.lipschitz = problem.c * (1 + problem.strength / problem.c.mean())
        return Gradients(*chain_and_duals, image=self.image, lipschitz=self.lipschitz)

    def _next_order(self, epoch):
        """Draws with replacement: without, steps of this size diverge."""
        n = len(self.order)
        shares = self.BY_CONSTANT * self.lipschitz / self.lipschitz.sum()
        shares += (1 - self.BY_CONSTANT) / n
        ends = np.cumsum(shares)
        draws = np.searchsorted(ends, ends[-1] * self.rng.uniform(size=n), side="right")
        return np.minimum(draws, n - 1).astype(np.int32)

    def _visit(self, order):
        moved = super()._visit(order)
        self.duals.catch_up()
        return moved


class Auto:
    """Dual ascent, unless L-BFGS is faster: at once, or after dual ascent has proved slow.

    The rate of dual ascent falls with the weight of a token's features, if tokens share them; that
    of L-BFGS with the columns, if these are many and rare.
    """

    # Mean c |x|^2 of a token above which L-BFGS is faster if columns are few: measured on chains of
    # 1 to 10 tokens, 4 labels and 10 to 100 columns, where it takes a tenth to a third of the time.
    # CoNLL-2000 has 23 C, and 1.4 tokens for each column.
    HARD = 20.0
    # Bytes of the duals above which they are left.
    MOST_DUALS = 1 << 31
    # Epochs before dual ascent can be called slow, and those that it may still need.
    FIRST_EPOCHS, MOST_EPOCHS = 20, 300
    # The relative gap that tol = 0 stands for.
    LEAST = 1e-10

    def __init__(self, problem, theta, tol, rng):
        self.problem, self.tol = problem, tol
        is_hard = problem.strength > self.HARD
        size = np.dtype(type_of_marginals(theta, tol)).itemsize
        too_large = size * problem.n_marginals > self.MOST_DUALS
        kind = LBFGS if (is_hard and has_few_columns(problem)) or too_large else DualAscent
        self.solver = kind(problem, theta, tol, rng)

    @property
    def name(self):
        """The solver that runs."""
        return self.solver.name

    def certify(self, theta):
        """Objective at theta, and how far it can be above the optimum."""
        return self.solver.certify(theta)

    def steps(self):
        """Yield a step for each epoch, and then for each iteration."""
        least = []
        for step in self.solver.steps():
            gap = (step.loss - step.curves["lower_bound"]) / step.loss if step.loss > 0 else 0.0
            least.append(min(gap, least[-1]) if least else gap)
            yield step
            if self.name == "sdca" and self._is_slow(least):
                break
        for later in self._goes_on(step.parameters).steps():
            later.curves["passes"] += step.curves["passes"]
            yield later

    def _is_slow(self, least):
        """Whether the gaps, the least so far, would take too long to fall to the tolerance."""
        n, target = len(least), self.tol or self.LEAST
        if n < self.FIRST_EPOCHS or not least[-1] > target:
            return False
        rate = np.log(least[n // 2 - 1] / least[-1]) / (n - n // 2)
        return np.log(least[-1] / target) > self.MOST_EPOCHS * rate

    def _goes_on(self, theta):
        """L-BFGS, from dual ascent's parameters unless zero is better."""
        problem, bound = self.problem, self.solver.best_bound
        zeros = problem.zeros()
        start = min(theta, zeros, key=problem.objective)
        self.solver = LBFGS(problem, start, self.tol, None, bound)
        return self.solver


SOLVERS = {
    "auto": Auto,
    "sdca": DualAscent,
    "sag": AverageGradient,
    "lbfgs": LBFGS,
    "jc12": BoundMajorization,
}
