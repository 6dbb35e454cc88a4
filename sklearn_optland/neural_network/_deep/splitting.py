"""Nets by splitting: ADMM (Algorithm 1), Taylor et al.'s method, block coordinate descent.

Rows are samples, H_l = [V_{l-1}, 1] with V_0 = X; rows have weights c_i that sum to 1, and every
term of a row, multipliers included, is weighted by c_i. So W sees weighted Grams, and V and Lambda
of a row do not see its weight. All statistics that cross rows are sums over blocks; a block keeps
its V and Lambda.

admm     minimise sum c_i l(V_L) + alpha/2 |W|^2 so that V_l = sigma(H_l W_l), V_L = H_L W_L, by the
         augmented Lagrangian
             sum_i c_i [ l(V_L) + sum_l <Lambda_l, N_l - V_l> + beta_l/2 |N_l - V_l|^2 ] + penalty,
         N_l the layer's output. A sweep is Algorithm 1: W from the last layer to the first, V from
         the first to the last, then the multipliers. Blocks of linear layers are minimised
         exactly. sigma(u) + b, squared and halved, is majorized in u by a parabola of curvature
             1/16 + max|sigma''| max(|b|, |1 + b|),
         since sigma' <= 1/4 and sigma + b lies between b and 1 + b: one step on it for W (the
         largest curvature of all entries) and for V (the largest of each row) lowers the
         Lagrangian.

taylor   Products z_l = H_l W_l and activations a_l = relu(z_l) are split; quadratic penalties
         beta_l and gamma_l; a multiplier for z_L = H_L W_L only, which is seen by the update of
         z_L and by no other (Taylor et al. 2016).

bcd      The same variables without multipliers; proximal terms for W, z; from the output back to
         the input (Zeng et al. 2019).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from sklearn.utils import Bunch, check_array
from sklearn.utils._param_validation import validate_params

from sklearn_optland._net.entrywise_fast import (
    KINDS,
    activate,
    output_residuals,
    times_slope,
)
from sklearn_optland.neural_network._deep.feasible import KKT_LINES, Step

STEEPEST = 1 / (6 * np.sqrt(3))  # max |sigma''| of the sigmoid
NEWTON_STEPS, HALVINGS = 3, 4
# Taylor et al.: gamma is 10 beta, and the multiplier waits for the first sweeps.
GAMMA = 10.0
WARM_UP = 10


class _Sweeps:
    """What the three algorithms share: blocks of rows, their weights, sums, the net's objective."""

    def __init__(self, objective, theta):
        self.objective, self.passes, self.network = objective, objective.passes, objective.network
        self.theta = theta.copy()
        self.W = self.network.layers(self.theta)
        self.penalties = [P[:, 0] for P in self.network.layers(objective.penalty)]
        size = self.passes.block_rows
        self.slices = [slice(i, i + size) for i in range(0, len(self.passes.X), size)]
        self.n_layers = len(self.W)

    def over_blocks(self, statistic):
        """Sum a list of arrays or numbers over blocks; `statistic` takes a block's number."""
        total = None
        for number in range(len(self.slices)):
            parts = statistic(number)
            total = parts if total is None else [a + b for a, b in zip(total, parts, strict=True)]
        return total

    def weights(self, number):
        """The rows' weights, as a column."""
        return self.passes.c[self.slices[number], None].astype(self.passes.dtype)

    def product(self, V, level):
        """H W of a layer."""
        return V @ self.W[level][:-1] + self.W[level][-1]

    def output_slope(self, F, number):
        """Sum of c l(F) over the block's rows, and dl/dF."""
        rows = self.slices[number]
        D = np.ascontiguousarray(F).copy()
        loss = output_residuals(
            D, self.passes.Y[rows], self.passes.c[rows], self.network.is_log_loss
        )
        return loss, D / self.weights(number)

    def output_prox(self, F, target, strength, number):
        """argmin over F of l(F) + strength/2 |F - target|^2, row by row.

        In closed form for squared error; for the log-loss by Newton steps from the given F, in
        which the Hessian is diagonal plus rank one, halved where they do not descend.
        """
        Y = self.passes.Y[self.slices[number]]
        if not self.network.is_log_loss:
            return (Y + strength * target) / (1 + strength)

        def value(F):
            if F.shape[1] == 1:
                losses = np.logaddexp(0, np.where(Y > 0, -F, F))[:, 0]
            else:
                losses = np.logaddexp.reduce(F, axis=1) - np.sum(F * Y, axis=1)
            return losses + 0.5 * strength * np.sum((F - target) ** 2, axis=1)

        at = value(F)
        for _ in range(NEWTON_STEPS):
            slope = self.output_slope(F, number)[1]
            p = np.where(Y > 0, 1.0, 0.0).astype(F.dtype) + slope
            rhs = slope + strength * (F - target)
            if F.shape[1] == 1:
                step = rhs / (p * (1 - p) + strength)
            else:  # (diag(p + strength) - p p')^-1 by Sherman and Morrison
                diagonal = p + strength
                scaled, pull = rhs / diagonal, p / diagonal
                rest = 1 - np.sum(p * pull, axis=1, keepdims=True)
                step = scaled + pull * (np.sum(p * scaled, axis=1, keepdims=True) / rest)
            limit = at + 64 * np.finfo(F.dtype).eps * np.abs(at)  # rounding does not halve a step
            for _ in range(HALVINGS):
                worse = value(F - step) > limit
                if not worse.any():
                    break
                step = np.where(worse[:, None], 0.5 * step, step)
            moved = value(F - step)
            F = np.where((moved <= limit)[:, None], F - step, F).astype(F.dtype)
            at = value(F)
        return F

    def step(self, lines, lagrangian=None):
        """The net of the current weights, as a Step."""
        point = self.objective.at(self.theta.copy())
        return Step(
            point.theta,
            point.objective,
            point.residual,
            dict(zip(KKT_LINES, (float(line) for line in lines), strict=True)),
            self.objective.n_passes,
            lagrangian=lagrangian,
            done=not np.isfinite(point.objective),
        )


def lines_of(squares_w, squares_v, squares_constraint):
    """The eight lines from squared norms by layer: W and constraints of all layers, V of all."""

    def root(values):
        return np.sqrt(float(np.sum(values)))

    last = len(squares_w) - 1
    return (
        root(squares_w[:1]),
        root(squares_w[1:last]),
        root(squares_w[last:]),
        root(squares_v[: max(last - 1, 0)]),
        root(squares_v[max(last - 1, 0) : last]),
        root(squares_v[last:]),
        root(squares_constraint[:last]),
        root(squares_constraint[last:]),
    )


def with_ones(V):
    """[V, 1]."""
    return np.hstack([V, np.ones((len(V), 1), dtype=V.dtype)])


def solve_psd(A, B):
    """A^-1 B for a positive semi-definite A; the least-norm solution if it is singular."""
    try:
        return cho_solve(cho_factor(A, lower=True), B)
    except LinAlgError:
        return np.linalg.lstsq(A, B, rcond=None)[0]


def admm(objective, theta, rho, total):
    """Sweeps of Algorithm 1; sigmoid layers.

    Parameters
    ----------
    objective : Objective
    theta : ndarray
        Weights to start from; V starts as their forward pass, the multipliers at 0.
    rho : ndarray of shape (n_layers,)
        beta of each layer.
    total : float
        Sum of the sample weights; not used.

    Yields
    ------
    step : Step
    """
    self = _Sweeps(objective, theta)
    L, kind = self.n_layers, KINDS["logistic"]
    beta = rho.astype(self.passes.dtype)
    V = [self.passes.activations(theta, s.start, s.stop) for s in self.slices]
    multipliers = [[np.zeros_like(A) for A in block[1:]] for block in V]

    def layer_output(V_below, level):
        """N_l, and sigma' as a function of D: D * sigma'."""
        Z = np.ascontiguousarray(V_below @ self.W[level][:-1])
        activate(Z, self.W[level][-1], kind if level < L - 1 else KINDS["identity"])

        def times(D):
            D = np.ascontiguousarray(D).copy()
            if level < L - 1:
                times_slope(D, Z, kind)
            return D

        return Z, times

    def statistics(number):
        """What the W sweep and the KKT lines need of a block."""
        block, Lambda, c = V[number], multipliers[number], self.weights(number)
        grams, pulls, slopes, widest = [], [], [], []
        constraint, couplings, terms = [], [], 0.0
        for level in range(L):
            H = with_ones(block[level])
            N, times = layer_output(block[level], level)
            gap, shift = N - block[level + 1], Lambda[level] / beta[level]
            weighted = (c * H).T
            grams.append(weighted @ H)
            pulls.append(weighted @ times(gap + shift))
            pull = times(Lambda[level])
            slopes.append(weighted @ pull)
            couplings.append(pull @ self.W[level][:-1].T)
            b = shift - block[level + 1]
            widest.append(np.maximum(np.abs(b), np.abs(1 + b)).max())
            constraint.append(np.sum(c * gap**2))
            terms += np.sum(c * (Lambda[level] * gap + 0.5 * beta[level] * gap**2))
        loss, slope = self.output_slope(block[L], number)
        lines = [np.sum(c * (couplings[i + 1] - Lambda[i]) ** 2) for i in range(L - 1)]
        lines.append(np.sum(c * (slope - Lambda[-1]) ** 2))
        return (
            grams,
            pulls,
            slopes,
            np.array(widest),
            np.array(lines),
            np.array(constraint),
            (loss + float(terms)),
        )

    def sum_statistics():
        totals = None
        for number in range(len(self.slices)):
            part = statistics(number)
            if totals is None:
                totals = [*part]
                continue
            for i in (0, 1, 2):
                totals[i] = [a + b for a, b in zip(totals[i], part[i], strict=True)]
            totals[3] = np.maximum(totals[3], part[3])
            for i in (4, 5, 6):
                totals[i] = totals[i] + part[i]
        return totals

    grams, pulls, slopes, widest, *_ = sum_statistics()
    while True:
        for level in range(L - 1, -1, -1):
            W, penalty = self.W[level], self.penalties[level]
            curvature = 1 / 16 + STEEPEST * widest[level] if level < L - 1 else 1.0
            hessian = beta[level] * curvature * grams[level] + np.diag(penalty)
            W -= solve_psd(hessian, beta[level] * pulls[level] + penalty[:, None] * W)

        spectra = [np.linalg.eigh(W[:-1] @ W[:-1].T) for W in self.W]
        for number in range(len(self.slices)):
            block, Lambda = V[number], multipliers[number]
            outputs = []
            for level in range(L - 1):
                N, _ = layer_output(block[level], level)
                outputs.append(N)
                # of V_l in its own constraint, and in that of the next layer
                ahead, times = layer_output(block[level + 1], level + 1)
                b = Lambda[level + 1] / beta[level + 1] - block[level + 2]
                rhs = beta[level] * (N - block[level + 1]) + Lambda[level]
                rhs -= beta[level + 1] * (times(ahead + b) @ self.W[level + 1][:-1].T)
                curvature = np.ones((len(b), 1), dtype=b.dtype)
                if level + 1 < L - 1:
                    bound = np.maximum(np.abs(b), np.abs(1 + b)).max(axis=1, keepdims=True)
                    curvature = (1 / 16 + STEEPEST * bound).astype(b.dtype)
                eigenvalues, Q = spectra[level + 1]
                scale = beta[level] + beta[level + 1] * curvature * np.maximum(eigenvalues, 0)
                block[level + 1] = block[level + 1] + ((rhs @ Q) / scale) @ Q.T
            N, _ = layer_output(block[L - 1], L - 1)
            outputs.append(N)
            block[L] = self.output_prox(block[L], N + Lambda[-1] / beta[-1], beta[-1], number)
            for level in range(L):
                Lambda[level] += beta[level] * (outputs[level] - block[level + 1])

        grams, pulls, slopes, widest, lines_v, constraint, lagrangian = sum_statistics()
        squares, penalty = [], 0.0
        for W, slope, strength in zip(self.W, slopes, self.penalties, strict=True):
            squares.append(np.sum((slope + strength[:, None] * W) ** 2))
            penalty += 0.5 * float(np.sum(strength[:, None] * W**2))
        # sweep and statistics
        objective.n_passes += 2
        yield self.step(lines_of(squares, lines_v, constraint), lagrangian + penalty)


class _Split(_Sweeps):
    """z, a and W of ReLU nets whose products and activations are split."""

    def __init__(self, objective, theta, beta, gamma):
        super().__init__(objective, theta)
        self.beta, self.gamma = beta.astype(objective.dtype), gamma.astype(objective.dtype)
        self.a, self.z = [], []
        for s in self.slices:
            below = self.passes.activations(theta, s.start, s.stop)[:-1]
            self.a.append(below)
            self.z.append([self.product(V, level) for level, V in enumerate(below)])
        self.multiplier = [np.zeros_like(z[-1]) for z in self.z]

    def normal_equations(self, level):
        """H'CH and H'Cz of a layer: all that is summed."""

        def statistic(number):
            H = with_ones(self.a[number][level])
            weighted = (self.weights(number) * H).T
            return weighted @ H, weighted @ self.z[number][level]

        return self.over_blocks(statistic)

    def update_activation(self, number, level):
        """a of a hidden layer, from its own z and the next product."""
        W, beta, gamma = self.W[level + 1], self.beta[level + 1], self.gamma[level]
        a, z = self.a[number], self.z[number]
        hessian = beta * (W[:-1] @ W[:-1].T)
        hessian.flat[:: len(hessian) + 1] += gamma
        rhs = beta * ((z[level + 1] - W[-1]) @ W[:-1].T) + gamma * np.maximum(z[level], 0)
        a[level + 1] = solve_psd(hessian, rhs.T).T

    def update_product(self, number, level, proximal=0.0):
        """z of a hidden layer: entry by entry, the better of the two sides of the ReLU."""
        a, old = self.a[number][level + 1], self.z[number][level]
        beta, gamma = self.beta[level], self.gamma[level]
        B = self.product(self.a[number][level], level)
        if proximal:
            B, beta = (beta * B + proximal * old) / (beta + proximal), beta + proximal
        above = np.maximum((beta * B + gamma * a) / (beta + gamma), 0)
        below = np.minimum(B, 0)
        cost_above = gamma * (a - above) ** 2 + beta * (above - B) ** 2
        cost_below = gamma * a**2 + beta * (below - B) ** 2
        self.z[number][level] = np.where(cost_above <= cost_below, above, below)

    def end_of_sweep(self):
        """The eight lines, of the penalised Lagrangian."""

        def statistic(number):
            a, z, c = self.a[number], self.z[number], self.weights(number)
            gaps = [self.product(a[level], level) - z[level] for level in range(self.n_layers)]
            pulls = [beta * gap for beta, gap in zip(self.beta, gaps, strict=True)]
            pulls[-1] = pulls[-1] - self.multiplier[number]
            kinks = [a[i + 1] - np.maximum(z[i], 0) for i in range(self.n_layers - 1)]
            lines = [
                np.sum(c * (gamma * kink + pull @ W[:-1].T) ** 2)
                for gamma, kink, pull, W in zip(
                    self.gamma, kinks, pulls[1:], self.W[1:], strict=False
                )
            ]
            slope = self.output_slope(z[-1], number)[1]
            lines.append(np.sum(c * (slope - pulls[-1]) ** 2))
            constraint = [np.sum(c * gap**2) for gap in gaps]
            for i, kink in enumerate(kinks):
                constraint[i] += np.sum(c * kink**2)
            slopes = [(c * with_ones(below)).T @ pull for below, pull in zip(a, pulls, strict=True)]
            return [*slopes, np.array(lines), np.array(constraint)]

        *slopes, lines_v, constraint = self.over_blocks(statistic)
        squares = [
            np.sum((slope + penalty[:, None] * W) ** 2)
            for slope, penalty, W in zip(slopes, self.penalties, self.W, strict=True)
        ]
        self.objective.n_passes += 2
        return self.step(lines_of(squares, lines_v, constraint))


def taylor(objective, theta, rho, total):
    """Sweeps of Taylor et al., from the first layer to the last; parameters as in `admm`."""
    self = _Split(objective, theta, rho, GAMMA * rho)
    last, sweep = self.n_layers - 1, 0
    while True:
        for level in range(self.n_layers):
            gram, moment = self.normal_equations(level)
            gram.flat[:: len(gram) + 1] += self.penalties[level] / self.beta[level]
            self.W[level][:] = np.linalg.pinv(gram, hermitian=True) @ moment
            for number in range(len(self.slices)):
                if level < last:
                    self.update_activation(number, level)
                    self.update_product(number, level)
                    continue
                B, beta = self.product(self.a[number][level], level), self.beta[level]
                z = self.z[number]
                z[-1] = self.output_prox(z[-1], B - self.multiplier[number] / beta, beta, number)
                if sweep >= WARM_UP:
                    self.multiplier[number] += beta * (z[-1] - B)
        sweep += 1
        yield self.end_of_sweep()


def bcd(objective, theta, rho, total):
    """Sweeps of block coordinate descent, from the last layer to the first.

    gamma = beta = the weight of the proximal terms = rho; for W, whose block has a term for each
    unit of sample weight, that is rho / total.
    """
    self = _Split(objective, theta, rho, rho)
    last = self.n_layers - 1
    while True:
        for level in range(last, -1, -1):
            beta = self.beta[level]
            for number in range(len(self.slices)):
                if level < last:
                    self.update_activation(number, level)
                    self.update_product(number, level, proximal=beta)
                    continue
                z, B = self.z[number], self.product(self.a[number][level], level)
                # the penalty and the proximal term are one of their sum's weight
                z[-1] = self.output_prox(z[-1], 0.5 * (B + z[-1]), 2 * beta, number)
            gram, moment = self.normal_equations(level)
            proximal = beta / total
            hessian = beta * gram
            hessian.flat[:: len(gram) + 1] += self.penalties[level] + proximal
            self.W[level][:] = solve_psd(hessian, beta * moment + proximal * self.W[level])
        yield self.end_of_sweep()


@dataclass(frozen=True)
class Splitting:
    """An algorithm, the activation that it is for, and its couplings by default."""

    sweeps: Callable
    activation: str
    rho: float


SPLITTINGS = {
    "admm": Splitting(admm, "logistic", 0.1),
    "taylor": Splitting(taylor, "relu", 1.0),
    "bcd": Splitting(bcd, "relu", 1.0),
}


@validate_params(
    {"X": ["array-like"], "y": ["array-like"], "hidden_layer_sizes": ["array-like"]},
    prefer_skip_nested_validation=True,
)
def convergence_conditions(X, y, hidden_layer_sizes):
    """Compute parameters for which Algorithm 1 is proven to converge to a KKT point.

    The theorem is for sigmoids, half the squared error and three layers of weights W, without
    biases: the sum over rows of the losses plus λ/2 times the squared weights. Its constants are
    worst cases. They ask for a λ at which the net that is found has W close to 0: a check of the
    theorem, and no way to fit data.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    hidden_layer_sizes : array-like of shape (2,)
        Units of the two hidden layers.

    Returns
    -------
    conditions : Bunch
        "B", the theorem's bound on the weights; "beta", the least couplings β₁, β₂, β₃ that it
        allows; `lambda_`, the least penalty. "rho" and "alpha" are the same as parameters of
        :class:`ADMMNetRegressor`, whose objective is a mean over the rows.

    Raises
    ------
    ValueError
        If there are not two hidden layers, or X is 0.

    References
    ----------
    The slides "ADMM for DNN Learning", HKUST course on mathematical theories of deep learning;
    J. Zeng, S.-B. Lin, Y. Yao and D.-X. Zhou, "On ADMM in deep learning: convergence and
    saturation-avoidance", JMLR 22 (2021).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.neural_network import convergence_conditions
    >>> rng = np.random.RandomState(0)
    >>> conditions = convergence_conditions(rng.randn(300, 10), rng.randn(300), (10, 10))
    >>> [f"{value:.2g}" for value in conditions.beta]
    ['2.2e+06', '2e+02', '2']
    """
    X = check_array(X, dtype=np.float64)
    y = check_array(y, dtype=np.float64, ensure_2d=False)
    sizes = np.asarray(hidden_layer_sizes)
    if sizes.shape != (2,) or not (sizes >= 1).all():
        raise ValueError(
            f"hidden_layer_sizes: found {hidden_layer_sizes!r}; the theorem allows two layers."
        )
    norm = np.linalg.norm(X)
    if not 0 < norm < np.inf:
        raise ValueError(f"X: found the norm {norm}; allowed is a positive, finite one.")
    mean_norm = norm / np.sqrt(len(X))
    B = max(
        2 * np.sqrt(sizes[0]) / mean_norm,
        np.sqrt(2 * np.sqrt(sizes[1]) / mean_norm),
        np.cbrt(np.linalg.norm(y) / norm),
    )
    beta_3 = 2.0
    beta_2 = 16 * (beta_3 + 1) * B**2
    beta_1 = 11 * (beta_2 + 1) * B**4 * norm
    lambda_ = max(
        0.75 * beta_1 * B * norm**3, 10 * beta_2 * B**4 * norm**3, 4 * beta_3 * B**4 * norm**2
    )
    beta = np.array([beta_1, beta_2, beta_3])
    return Bunch(B=float(B), beta=beta, lambda_=float(lambda_), rho=beta, alpha=lambda_ / len(X))
