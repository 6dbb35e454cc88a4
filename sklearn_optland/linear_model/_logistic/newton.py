"""What `curvature="auto"` runs, as generators of steps like those of `_optim.majorize`.

Two classes: L-BFGS on a factored curvature, started on samples. Several: L-BFGS, or dual ascent,
far from the optimum, then truncated Newton steps. A step of a bound is the last resort of both.
"""

from functools import partial
from itertools import count

import numpy as np

from sklearn_optland._loss.log_loss import moved
from sklearn_optland._optim.lbfgs import Memory
from sklearn_optland._optim.majorize import ROUNDING, MetricStep, majorize, on_samples
from sklearn_optland._optim.metrics import deflated
from sklearn_optland._rows.batches import rows_of_batches
from sklearn_optland.linear_model._logistic.curvatures import (
    BinaryNewtonCurvature,
    DiagonalCurvature,
    GramCurvature,
    NewtonCurvature,
    has_small_hessian,
)
from sklearn_optland.linear_model._logistic.dual_ascent import start_ascent
from sklearn_optland.linear_model._logistic.dual_bound import bound_from_image
from sklearn_optland.linear_model._logistic.newton_kernels import optimum_of_sample
from sklearn_optland.linear_model._logistic.preconditioners import choose_preconditioner
from sklearn_optland.linear_model._logistic.samples import (
    IMPORTANCE_RIDGE,
    after_samples,
    importance_sample,
    sample_of_many,
    sample_sizes,
    sampling_ridge,
    uniform_sample,
)

# "growing": part of the data for the first batch, and the factor between two batches. The error of
# a batch gradient falls with the root of its size, so 1.5 a step follows a linear rate of 0.8
# without an extra pass.
FIRST_BATCH = 64
GROWTH = 1.5
# Parts of the data for the first steps, and the most steps on each, and on what partitions sent.
FIRST_BATCHES = (32, 8)
MAX_BATCH_STEPS, MAX_STEPS_HERE = 4, 20
# Of a sample that partitions sent, every eighth row is the part for its first steps.
THINNED = 8
# A curvature is renewed once the decrement falls less than that many times in a step.
SLOW = 16
# From this price of a Gram matrix in passes on, L-BFGS without it is tried first, for some
# steps; and what a fit takes from the decrement, as a logarithm.
EXPENSIVE = 15
# A Gram matrix of at most so many passes is worth its Newton step, which proves what it gains,
# once no more than a share of the objective is expected to be left.
CHEAP, WITHIN_NEWTON = 8, 3e-4
TRIAL_STEPS = 5
DIGITS = np.log(1e10)
LBFGS_MEMORY = 10
# Several classes: steps after which the classes' curvature is renewed, the memory of L-BFGS and its
# scales, and the decrement, relative to the objective, from which on Newton steps pay.
CLASS_REFRESHES = 1, 2, 4, 7
KRONECKER_MEMORY = 15
KRONECKER_SCALES = 0.05, 1.0
NEAR = 1e-2
# What products in float32 leave open of an objective, relative to it, with a margin.
FLOAT32_ROUNDING = 1e-6
# Dual ascent, many sparse columns: passes before a point is evaluated, and what they have to make
# of the gap; the gap, relative to the objective, that float32 leaves open.
DUAL_PASSES = 4
DUAL_GAIN = 0.1
FLOAT32_GAP = 1e-11
# Newton steps: shares of the Hessian's trace whose rows its products take, one after the other; the
# decrements, relative to the objective, from which on the Hessian hardly changes and gradients are
# in float64, the latter for scores up to a size (of larger ones float32 knows less); the residual
# of a step in the preconditioner's norm; and how many of a system's directions the next ones know,
# at least; and the passes of a step from which on its preconditioner is renewed, while the Hessian
# changes and once it is settled.
HESSIAN_SHARES = 0.95, 0.99, 0.997, 1.0
SETTLED = 1e-3
FLOAT64_GRADIENTS, FLOAT32_SCORES = 1e-4, 30.0
CG_TOLERANCE = 0.2
MAX_DIRECTIONS = 30
PASSES_OF_OLD_CURVATURE, PASSES_WHEN_SETTLED = 4, 20


def quasi_newton_from_samples(problem, W, rng):
    """Few columns, two classes: `quasi_newton`, started on samples of the data.

    The samples find the region where Newton's curvature holds, and the last one's curvature
    serves the whole data until it slows the descent.
    """
    curvature, fresh = GramCurvature(problem), False
    if not W.any():
        W, fresh = _on_importance_samples(problem, W, curvature, rng)
    steps = partial(quasi_newton, problem, curvature=curvature, fresh=fresh)
    # The first point has no name here, which would keep its scores until the end.
    if fresh or problem.gram_price <= EXPENSIVE:
        yield from steps(after_samples(problem, W))
    else:
        yield from steps((yield from limited_memory(problem, after_samples(problem, W))))


def _on_importance_samples(problem, W, curvature, rng):
    """Steps on growing samples, and whether there was one: the curvature is the last one's."""
    seed = None
    for size in sample_sizes(problem, FIRST_BATCHES, 10 * problem.n_features):
        seed = int(rng().randint(2**31)) if seed is None else seed
        sample = importance_sample(problem, size, seed)
        if sample.source.may_be_copied and not problem.source.may_be_copied:
            W = _on_sample_of_partitions(problem, sample, W, curvature)
        else:
            W = _on_sample(problem, sample, W, curvature, MAX_BATCH_STEPS).W
    vars(problem).pop("row_squares", None)  # one for each row
    curvature.problem, curvature.ridge = problem, 0.0
    return W, seed is not None


def _on_sample_of_partitions(problem, sample, W, curvature):
    """Steps without messages, the first on a part of the rows, and a curvature at their end."""
    index = np.arange(0, sample.n_samples, THINNED)
    is_enough = len(index) >= 10 * sample.n_features
    if is_enough:
        part = sample.restrict(index, THINNED * sample.source.c[index])
        W = _on_sample(problem, part, W, curvature, MAX_STEPS_HERE).W
    point = _on_sample(problem, sample, W, curvature, MAX_STEPS_HERE, fresh=is_enough)
    curvature.refresh(point, 0.0)
    return point.W


def _on_sample(problem, sample, W, curvature, n_steps, *, fresh=False):
    """The point where steps on a sample end: nearer to its optimum is no nearer to all rows'.

    `fresh`: the curvature holds that of a part of the sample.
    """
    size, point = max(sample.n_samples, 1), sample.evaluate(W)
    curvature.problem = sample
    curvature.ridge = IMPORTANCE_RIDGE * sampling_ridge(problem, size)
    descent = quasi_newton(sample, point, curvature, fresh=fresh)
    for _, step in zip(range(n_steps), descent, strict=False):
        point = step.point
        # about the distance between the optimum of a sample and that of the data
        if step.expected_gap <= 0.1 * sample.n_features / size * point.objective:
            break
    return point


class LimitedMemory:
    """The metric of L-BFGS: the memory's pairs on top of a scaled curvature."""

    def __init__(self, curvature, size, scales):
        self.curvature, self.memory, self.scales = curvature, Memory(size), scales
        self.scale = 1.0

    def add(self, point, new):
        shape = point.W.shape
        self.memory.remember(new.W - point.W, new.gradient - point.gradient)
        if len(self.memory):
            scale = self.memory.scale(lambda change: self.curvature.solve(change.reshape(shape)))
            self.scale = np.clip(scale, *self.scales)

    def solve(self, G):
        return self.memory.solve(G, self.curvature.solve, self.scale)


def limited_memory(problem, point):
    """L-BFGS on the diagonal, until the rest would take more steps than a Gram matrix costs passes.

    Yields steps and returns the last point.
    """
    diagonal = DiagonalCurvature(problem)
    diagonal.refresh(point)
    metric, first = LimitedMemory(diagonal, LBFGS_MEMORY, (0.0, np.inf)), None
    for n_steps in count():
        direction = -metric.solve(point.gradient)
        decrement = -np.vdot(point.gradient, direction)
        if n_steps > 0:
            yield MetricStep(point, metric, decrement=decrement)
        first = decrement if first is None else first
        gained = np.log(first / decrement) if 0 < decrement < first else 0.0
        if n_steps >= TRIAL_STEPS and (DIGITS - gained) * n_steps > problem.gram_price * gained:
            return point
        new, _ = problem.search(point, direction)
        if new is None:
            return point
        metric.add(point, new)
        point = new


def quasi_newton(problem, point, curvature, *, fresh):
    """L-BFGS on a factored curvature, which is renewed when the decrement falls too slowly.

    The curvature of a row is Newton's, widened towards JC12 for the rows whose scores the last
    step would have moved too far: after a step that had to be cut, each row's radius is what it
    moved. If a fresh curvature gives no descent either, the last resort is a pure JC12 step, which
    cannot raise the objective. Once Newton's method converges, a Gram matrix that costs little
    gives a step and the bound that goes with it.

    `fresh`: the curvature holds something to start with.
    """
    memory, radius, renew = Memory(LBFGS_MEMORY), 0.0, not fresh
    may_prove = problem.whole is problem and problem.l2 > 0
    previous, worth_it = np.inf, may_prove and problem.gram_price <= CHEAP
    while True:
        if not renew:
            direction = -memory.solve(point.gradient, curvature.solve)
            decrement = -np.vdot(point.gradient, direction)
            near = decrement <= 2 * WITHIN_NEWTON * point.objective
            renew = decrement > previous / SLOW or (near and worth_it)
        is_hessian = renew and np.isscalar(radius)
        if renew:
            curvature.refresh(point, radius)
            memory.forget()
            direction = -curvature.solve(point.gradient)
        decrement = -np.vdot(point.gradient, direction)
        if decrement <= ROUNDING * point.objective and not decrement < previous:
            return
        previous = decrement
        if is_hessian and may_prove and decrement <= 2 * WITHIN_NEWTON * point.objective:
            worth_it, renew = False, False
            new, bound = _proving_step(problem, point, curvature, direction)
            if bound is not None:
                yield MetricStep(new, curvature, lower_bound=bound)
                new.gradient = problem.gradient(new)
                memory.remember(new.W - point.W, new.gradient - point.gradient)
                point = new
                continue
        new, t = problem.search(point, direction)
        if new is None:
            curvature.refresh(point)
            memory.forget()
            new = problem.evaluate(point.W - curvature.solve(point.gradient))
            if not new.objective < point.objective:
                return
            t = 1.0
        renew = t < 1.0
        radius = 0.0
        if renew:
            radius = problem.source.map(partial(moved, max(t, 0.25) / t), new.Z, point.Z)
        else:
            memory.remember(new.W - point.W, new.gradient - point.gradient)
        point = new
        yield MetricStep(point, curvature)


def _proving_step(problem, point, curvature, direction):
    """The Newton step of a curvature that is the Hessian, and the lower bound that it proves.

    One pass: scores are linear in the parameters. The bound is None where the step is none.
    """
    scores = problem.forward(direction)
    Z = problem.source.map(np.add, point.Z, scores)
    new = problem.at_scores(point.W + direction, Z)
    if not new.objective < point.objective:
        return new, None
    residual = -point.gradient - curvature.product(direction)
    point.image = direction, scores, residual, curvature.intercept_column
    return new, bound_from_image(problem, point)


def quasi_newton_then_newton_cg(problem, W, metric, rng):
    """L-BFGS in the metric `metric` while far from the optimum, then `newton_cg`.

    Far from the optimum a conjugate gradient iteration and a step cost the same pass, and the step
    also moves. The classes' curvature is renewed often at first, then seldom: it settles. Products
    run in float32 where that is faster: each step lowers the objective by far more than that
    rounds. Of many sparse columns, vectors of the parameters cost as much as a pass: `dual_ascent`
    takes the place of L-BFGS.
    """
    fast = problem.in_float32
    curvature = metric(fast)
    if not fast.products.has_vectors_as_costly_as_passes:
        point = yield from _lbfgs_steps(fast, fast.evaluate(W), curvature)
    else:
        if not W.any():
            W = yield from dual_ascent(problem, W, rng)
        point = fast.evaluate(W)
    yield from newton_cg(problem, point, curvature)


def dual_ascent(problem, W, rng):
    """Passes of dual coordinate ascent from W = 0, for as long as they gain much.

    Yields steps and returns the last parameters.
    """
    ascent = start_ascent(problem.in_float32, rng())
    objective, previous = problem.at_zero, ascent and ascent.run()
    while ascent:
        for _ in range(DUAL_PASSES):
            gap = ascent.run()
            if gap <= DUAL_GAIN**2 * previous:
                break
        point = problem.value(ascent.W)
        if not point.objective < objective:
            break
        W, objective = point.W, point.objective
        yield MetricStep(point, None, decrement=2 * gap, dual=ascent.scores)
        if gap > DUAL_GAIN * previous or gap <= FLOAT32_GAP * objective:
            break
        previous = gap
    return W


def _lbfgs_steps(problem, point, curvature):
    metric = LimitedMemory(curvature, KRONECKER_MEMORY, KRONECKER_SCALES)
    for n_steps in count():
        if n_steps in CLASS_REFRESHES or n_steps % 10 == 0:
            curvature.refresh(point)
        direction = -metric.solve(point.gradient)
        if -np.vdot(point.gradient, direction) <= NEAR * point.objective:
            break
        new, _ = problem.search(point, direction)
        if new is None or new.objective > (1 - FLOAT32_ROUNDING) * point.objective:
            break
        metric.add(point, new)
        point = new
        yield MetricStep(point, curvature)
    return point


def newton_cg_from_sample(problem, W, metric, rng, otherwise):
    """Truncated Newton steps from the optimum of a sample, preconditioned by its `metric`.

    Where the sample knows too little, of rare classes say, rows of all the data precondition them.
    Where they end, `otherwise(W)` goes on.
    """
    sample = sample_of_many(problem, rng)
    W = W if W.any() else optimum_of_sample(sample, W)
    curvature = metric(sample)
    curvature.refresh(sample.evaluate(W))
    point = after_samples(problem, W)
    fast = problem.in_float32
    steps = partial(_newton_steps, problem, fast, stall=2)
    point = yield from steps(point, curvature, settled=True, renew=False)
    if point is not None and fast is not problem and not problem.source.is_sparse:
        point = yield from steps(point, choose_preconditioner(fast, curvature))
    if point is not None:
        yield from otherwise(point.W)


def newton_cg(problem, point, metric):
    """Truncated Newton steps; the last resort is a step of Boehning's bound.

    First all of it is in float32, then the directions are, and at the end nothing: each stage
    lasts as long as it serves. A Hessian that is small is factored in the end: under a weak
    penalty no simpler metric is near it.
    """
    fast = problem.in_float32
    in_stages = fast is not problem
    if in_stages:
        curvature = choose_preconditioner(fast, metric)
        point = yield from _newton_steps(fast, fast, point, curvature, far=True)
        point = problem.evaluate(point.W)
        point = yield from _newton_steps(problem, fast, point, curvature, settled=True, stall=2)
    is_small = has_small_hessian(problem)
    if is_small and not in_stages:
        point = yield from _newton_steps(problem, problem, point, metric, stall=2)
    # what float32 has made of the columns may be of no use
    last = type(metric)(problem) if in_stages else metric
    if is_small:
        last = (BinaryNewtonCurvature if problem.has_one_score else NewtonCurvature)(problem)
    while point is not None:
        if is_small:
            point = yield from _factored_newton_steps(problem, point, last)
        else:
            last.refresh(point)
            point = yield from _newton_steps(problem, problem, point, last, settled=in_stages)
        if point is not None:
            bound = type(metric)(problem)
            bound.bohning()
            new = problem.evaluate(point.W - bound.solve(point.gradient))
            point = new if new.objective < point.objective else None
            if point is not None:
                yield MetricStep(point, last)


def _factored_newton_steps(problem, point, curvature):
    """Newton steps with the Hessian factored at each point; ends as `_newton_steps` does."""
    previous = np.inf
    while True:
        curvature.refresh(point)
        direction = -curvature.solve(point.gradient)
        decrement = -np.vdot(point.gradient, direction)
        if decrement <= ROUNDING * point.objective and not decrement < previous:
            return None
        previous = decrement
        new, _ = problem.search(point, direction)
        if new is None:
            return point
        point = new
        yield MetricStep(point, curvature)


def _newton_steps(
    problem, products, point, curvature, *, settled=False, far=False, stall=0.0, renew=True
):
    """Newton steps of `problem`, with the Hessian's products of `products`.

    The products begin on the rows that are least certain and take in more of them as the steps
    gain less. `settled`: the Hessian hardly changes any more. The steps end when the decrement has
    fallen less than `stall` times, or no step lowers the objective; with `far`, when gradients in
    float32 no longer serve; where the curvature is not to `renew`, when it should be. Returns the
    last point; None at the end of the arithmetic.
    """
    last = len(HESSIAN_SHARES) - 1
    previous, level, directions = np.inf, last if settled else 0, []
    spent = 0 if settled else np.inf
    if problem.n_features >= problem.n_samples:
        level = last  # every row has directions of its own
    while True:
        direction = point.newton
        if direction is None:
            if spent > (PASSES_WHEN_SETTLED if settled else PASSES_OF_OLD_CURVATURE):
                if not renew:
                    return point
                curvature.refresh(point)
                directions = []
            same = settled and level == last
            before = problem.whole.passes
            direction = products.newton_direction(
                point,
                deflated(curvature.solve, directions) if same else curvature.solve,
                share=HESSIAN_SHARES[level],
                tolerance=CG_TOLERANCE,
                directions=directions if same and len(directions) < MAX_DIRECTIONS else None,
            )
            spent = problem.whole.passes - before
        decrement = -np.vdot(point.gradient, direction)
        if decrement <= ROUNDING * point.objective and not decrement < previous:
            return point if stall else None
        near = FLOAT64_GRADIENTS * max(1.0, np.abs(point.Z).max() / FLOAT32_SCORES) if far else 0.0
        if decrement <= near * point.objective or stall * decrement > previous:
            return point
        settled = decrement <= SETTLED * point.objective
        if settled or decrement > previous / 20:
            level = min(level + 1, last)
        previous = decrement
        new, _ = problem.search(point, direction)
        if new is None:
            return point
        point = new
        yield MetricStep(point, curvature)


def growing(problem, W, metric, refresh, rng):
    """The semi-stochastic method: a majorization step on a batch, and the batch grows.

    The curvature of a batch of m rows gets a ridge of d/m of the bound's diagonal: the error that a
    sample leaves in directions it has not seen. From the whole data on it is `majorize`.
    """
    n = problem.n_samples
    first = max(10 * problem.n_classes, n // FIRST_BATCH)

    def batches():
        for index in rows_of_batches(n, first, GROWTH, rng()):
            sample = uniform_sample(problem, index)
            yield sample, metric(sample, ridge=sampling_ridge(problem, len(index)))

    W = yield from on_samples(batches(), W)
    yield from majorize(problem, after_samples(problem, W), metric(problem), refresh)
