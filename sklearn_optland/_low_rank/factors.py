r"""Factors of observed entries with a norm of their product, and the proof that they are the best.

    minimise over U, V   sum_k l_k(u_i'v_j) + strength/2 (||U||^2 + ||V||^2)

is not convex, but its minimum over all ranks is that of sum_k l_k + strength ||U V'||_*. With
Theta the pulls at the observed entries, a stationary point is the optimum if the largest singular
value of Theta is at most the strength (Haeffele and Vidal 2015). The meta-algorithm: L-BFGS on the
factors; singular vectors of Theta beyond the strength become new columns, with a line search along
them; columns that vanish are dropped. With other norms of the columns (`norms`) it is the same, but
for the polar, and for L-BFGS-B (Byrd, Lu, Nocedal and Zhu 1995) on parts that are not negative.
"""

from dataclasses import dataclass
from operator import lt

import numpy as np
from scipy import linalg as dense
from scipy.sparse import linalg

from sklearn_optland._loss.gauge_dual import dual_scale
from sklearn_optland._low_rank.descent import descend
from sklearn_optland._optim.line_search import backtrack
from sklearn_optland._optim.step import Step

EPS = np.finfo(float).eps
# Columns that are added at once, at most.
NEW_COLUMNS = 8
# What the latest steps must have brought to go on without a look at the polar, relative to the gap:
# as long as they bring much, the gap is that of the factors.
WINDOW = 5
SHARE = 0.05
# Looks that neither lower the objective beyond its rounding nor the gap, after which a fit ends.
PATIENCE = 5
ROUNDING = 1e-14
# With as many columns as may be, the gap may never come within the tolerance. There a look counts
# only if it lowers the objective by SHARE of the tolerance, or the gap to this share of the least.
FALLS, PATIENCE_WHEN_FULL = 0.9, 2
# Below this side singular values come from a dense Gram matrix.
DENSE_SIDE = 400
# Beyond it they come from Lanczos' method: the residual of an eigenpair of the Gram matrix,
# relative to the eigenvalue, and how often the basis begins anew. Where nothing is proven in the
# end, eigenvalues of the noise, of which many are close, need not be told apart.
LANCZOS_TOL = 1e-11
UNPROVEN_LANCZOS_TOL = 1e-4
MOST_RESTARTS = 300
# Lanczos' value is raised by this share in a dual point. A Cholesky factorisation proves that this
# bounds the largest singular value, if it takes no more multiply-adds than these; one of a sparse
# Gram matrix costs as much as some ten of the factorisation.
MARGIN = 1e-8
MOST_DENSE_WORK = 2e10
SPARSE_COST = 10
# A column whose singular value is this share of the largest is dropped.
VANISHED = 1e-7
# Of `refitted`: sweeps, and the least variance of the noise, relative to that of a column.
SWEEPS = 1
LEAST_NOISE = 1e-10


@dataclass
class Point:
    """Factors with their objective, gap and polar.

    Parameters
    ----------
    U, V : ndarray of shape (n_rows, rank) and (n_columns, rank)
        Balanced: both have orthogonal columns, of equal norms.
    objective : float
    gap : float
        Infinite before there is one.
    polar : float
        The largest singular value of the pulls, divided by the strength.
    """

    U: np.ndarray
    V: np.ndarray
    objective: float
    gap: float = np.inf
    polar: float = np.nan


class Factorization:
    """The objective, and what certifies it.

    Parameters
    ----------
    observed : Observed
    strength : float
        Of the nuclear norm; the losses are summed.
    max_rank : int
    rng : RandomState
        Starts Lanczos' method.
    norm : ProductNorm
    """

    def __init__(self, observed, strength, max_rank, rng, norm):
        self.observed, self.strength, self.max_rank = observed, strength, max_rank
        self.norm = norm
        self.start = rng.uniform(-1.0, 1.0, min(observed.shape))
        self.positive_start = rng.uniform(0.0, 1.0, observed.shape[1])
        self.ones = observed.matrix(observed.ones)
        is_large = norm.is_nuclear and min(observed.shape) > DENSE_SIDE
        self.margin = MARGIN if is_large else 0.0
        is_wide = observed.shape[0] < observed.shape[1]
        work = dense_work(self.ones.T.tocsr() if is_wide else self.ones)
        self.may_be_proven = work <= MOST_DENSE_WORK

    def balanced(self, U, V):
        """The same product with columns of equal norms, in falling order."""
        return balanced(U, V) if self.norm.is_nuclear else self.norm.balanced(U, V)

    def evaluate(self, U, V):
        """Objective, scores and pulls."""
        f = self.observed.scores(U, V)
        loss, theta = self.observed.pulls(f)
        return loss + self.strength * self.norm.penalty(U, V), f, theta

    def certify(self, U, V):
        """The point with its gap; singular vectors of the pulls beyond the strength."""
        objective, f, theta = self.evaluate(U, V)
        left, values, right = self.top(theta)
        polar = float(values[0] / self.strength) if len(values) else 0.0
        scaled = dual_scale(polar * (1.0 + self.margin), 1.0) * theta
        penalty = self.strength * self.norm.penalty(U, V)
        gap = self.observed.fenchel_gap(f, scaled) + penalty - (self.observed.c * scaled) @ f
        gap = max(gap, 0.0) + 8 * EPS * abs(objective)
        new = values > self.strength
        room = max(self.max_rank - U.shape[1], 0)
        new[room:] = False
        columns = left[:, new], values[new] - self.strength, right[:, new]
        return Point(U, V, objective, float(gap), polar), columns

    def top(self, theta):
        """Unit columns with the largest u'Rv of the pulls R, in falling order."""
        R = self.observed.pull_matrix(theta)
        if not theta.any():
            return np.zeros((R.shape[0], 0)), np.zeros(0), np.zeros((R.shape[1], 0))
        if not self.norm.is_nuclear:
            return self.norm.top(R, NEW_COLUMNS, self.positive_start)
        is_wide = R.shape[0] < R.shape[1]
        A = R.T.tocsr() if is_wide else R
        right = self._lanczos(A, np.abs(A.data).max()) if A.shape[1] > DENSE_SIDE else None
        if right is None:
            right = np.linalg.eigh((A.T @ A).toarray())[1]
        right = right[:, ::-1][:, :NEW_COLUMNS]
        left = A @ right
        values = np.sqrt((left**2).sum(axis=0))
        left = left / np.maximum(values, 1e-300)
        return (right, values, left) if is_wide else (left, values, right)

    def _lanczos(self, A, unit):
        """Right singular vectors of A in rising order of their values, or None: dense is better."""
        A = A / unit  # ARPACK takes what is small in absolute terms for converged
        side = A.shape[1]
        gram = linalg.LinearOperator((side, side), lambda v: A.T @ (A @ v), dtype=np.float64)
        tol = LANCZOS_TOL if self.may_be_proven else UNPROVEN_LANCZOS_TOL
        settings = {"v0": self.start, "tol": tol, "maxiter": MOST_RESTARTS}
        try:
            right = linalg.eigsh(gram, NEW_COLUMNS, **settings)[1]
        except linalg.ArpackNoConvergence as error:
            # too many of nearly the same size
            if dense_work(A) <= MOST_DENSE_WORK:
                return None
            right = error.eigenvectors[:, np.argsort(error.eigenvalues)]
            if not right.size:
                right = self.start[:, None] / np.linalg.norm(self.start)
        self.start = right[:, -1].copy()
        return right

    def is_proven(self, point):
        """Whether the polar, with its margin, is proven to be no less than the true one.

        Lanczos' method finds singular values, but not that none is larger. Of pulls R,
        ``bound**2 I - R'R`` has a Cholesky factor only if none exceeds the bound.
        """
        if not self.norm.is_nuclear:
            return self.norm.is_exact
        if not self.margin:
            return True
        if not self.may_be_proven:
            return False
        theta = self.evaluate(point.U, point.V)[2]
        R = self.observed.pull_matrix(theta)
        R = R.T.tocsr() if R.shape[0] < R.shape[1] else R
        side = R.shape[1]
        square = self.strength**2 * max(point.polar * (1.0 + self.margin), 1.0) ** 2
        # what rounding does to a factorisation (of a trace) and to the sums of the Gram matrix
        longest = np.bincount(R.indices).max()
        rounding = EPS * (side**2 * square + longest * (R.data @ R.data))
        rest = -(R.T @ R).toarray()
        rest.flat[:: side + 1] += square - rounding
        try:
            dense.cholesky(rest.T, overwrite_a=True, check_finite=False)
        except dense.LinAlgError:
            return False
        return True

    def grow(self, point, columns):
        """Factors with new columns, of sizes that lower the objective; None if none does."""
        left, sizes, right = columns
        root = np.sqrt(sizes)

        def trial(size):
            scale = np.sqrt(size) * root
            U, V = np.hstack([point.U, left * scale]), np.hstack([point.V, right * scale])
            factors = np.ascontiguousarray(U), np.ascontiguousarray(V)
            return self.evaluate(*factors)[0], factors

        curvature = self.observed.loss.curvature
        size = 1.0 / curvature if np.isfinite(curvature) else 1.0
        # entries are few: a step that fits them fits them too little elsewhere
        size *= np.prod(self.observed.shape) / max(len(self.observed.y), 1)
        slope = -float(sizes @ sizes)
        _, factors, _ = backtrack(trial, point.objective, slope, size=size, max_trials=60)
        return factors


def refitted(problem, point):
    """Factors without what the penalty takes from their product, and the strength of rows.

    The nuclear norm takes its strength from each singular value. Here the rows' factors are
    standard normal, and the columns' have the lengths of the singular values with the strength put
    back; losses are logarithms of densities, squared errors in units of the noise's variance. Rows
    are solved for, then columns, whose prior has the mean squares of theirs, then rows again. More
    sweeps would not help: what is a point takes its prior for wider than its spread is.

    Returns
    -------
    U, V : ndarray
    beta : float
        The strength of |u_i|^2 / 2 with which rows are solved.
    """
    observed = problem.observed
    total = observed.shape[0] if observed.weights is None else observed.weights.sum()
    lengths = np.linalg.norm(point.V, axis=0)
    V = point.V / lengths * (lengths**2 + problem.strength) / np.sqrt(total)
    beta = 1.0
    if observed.loss.is_bounded and not observed.loss.for_classes:
        theta = problem.evaluate(point.U, point.V)[2]
        squares = (V**2).sum(axis=0).max(initial=0.0)
        beta = max(float(np.average(theta**2, weights=observed.c)), LEAST_NOISE * squares, 1e-300)
    for _ in range(SWEEPS):
        U = observed.row_factors(V, beta)
        roots = np.sqrt((V**2).mean(axis=0))
        V = observed.transposed().row_factors(U * roots, beta) * roots
    return observed.row_factors(V, beta), V, beta


def dense_work(A):
    """Multiply-adds of a Gram matrix and its Cholesky factor, in units of the latter's."""
    counts = np.diff(A.indptr).astype(float)
    return A.shape[1] ** 3 / 3 + SPARSE_COST * (counts @ counts)


def balanced(U, V):
    """The same product, with orthogonal columns of equal norms in falling order; vanished ones go.

    The sign of a column is that of its largest entry in V.
    """
    Q, R = np.linalg.qr(U)
    P, T = np.linalg.qr(V)
    A, s, Bt = np.linalg.svd(R @ T.T)
    kept = s > VANISHED * s.max(initial=0.0)
    V = P @ Bt[kept].T
    signs = np.sign(V[np.abs(V).argmax(axis=0), np.arange(V.shape[1])]) if V.size else np.ones(0)
    root = signs * np.sqrt(s[kept])
    return np.ascontiguousarray(Q @ A[:, kept] * root), np.ascontiguousarray(V * root)


def factor_steps(problem, U, V, tol):
    """Steps of L-BFGS, with looks at the polar in between.

    Parameters
    ----------
    problem : Factorization
    U, V : ndarray
        Where to start; of rank 0 perhaps.
    tol : float
        Of the gap, relative to the objective.

    Yields
    ------
    step : Step
        Its parameters are a Point; where the gap was not computed, the curve "certificate" is NaN.
    """
    passes, age, least = 0, 0, (np.inf, np.inf)
    while True:
        U, V = problem.balanced(U, V)
        point, columns = problem.certify(U, V)
        passes += 2
        is_full = U.shape[1] >= problem.max_rank
        patience = PATIENCE_WHEN_FULL if is_full else PATIENCE
        margin = max(SHARE * tol, ROUNDING) if is_full else ROUNDING
        now = point.objective * (1 + margin), point.gap / (FALLS if is_full else 1.0)
        age = 0 if any(map(lt, now, least)) else age + 1
        least = min(point.objective, least[0]), min(point.gap, least[1])
        reached = point.gap <= tol * point.objective
        if len(columns[1]) and not reached:
            U, V = problem.grow(point, columns) or (U, V)
        yield _step(point, passes, reached, reached or U.shape[1] == 0 or age > patience)
        values, before = [], passes
        for factors, value, evaluations in descend(problem, U, V):
            U, V = factors
            passes = before + evaluations
            values.append(value)
            fall = values[-WINDOW - 1] - values[-1] if len(values) > WINDOW else np.inf
            if fall <= SHARE * max(point.gap, tol * value) * 0.5:
                break
            yield _step(Point(U, V, value), passes, False, False)


def _step(point, passes, reached, done):
    gap = point.gap if np.isfinite(point.gap) else np.nan
    curves = {"objective": point.objective, "certificate": gap, "passes": passes}
    curves["rank"] = point.U.shape[1]
    return Step(point, curves, point.objective, reached, done)
