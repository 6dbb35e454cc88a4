"""What tensor nets share: patches of the columns, the fit by L-BFGS, scores and coefficients."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_optland._estimator.advice import advise
from sklearn_optland._estimator.base import (
    OptlandEstimator,
    check_start,
    goes_on,
    private_random_state,
)
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.certificate import Certificate, ratio, tolerance_of
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._estimator.training_rows import (
    normalized,
    validate_rows,
)
from sklearn_optland._estimator.typing import RandomState
from sklearn_optland._net.units import choose_units, column_moments, standardised
from sklearn_optland._optim import step
from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland._rows.reduce import row_blocks
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.tensor._circuit import Circuit, Objective, coefficients, root

# Pairs of L-BFGS.
MEMORY = 20
# A column whose deviation is below this share of its largest value is constant.
CONSTANT = 1e-12
# Coefficients that are computed at most: 128 MB.
MAX_COEFFICIENTS = 1 << 24


@dataclass
class Step(step.Step):
    """A circuit after an iteration; its parameters are the flat array.

    Parameters
    ----------
    norm : float
        Of the gradient.
    """

    norm: float = np.nan


class TensorNet(OptlandEstimator, CallbackSupportMixin, BaseEstimator):
    """What classifier and regressor share: parameters, the fit, scores and coefficients."""

    _parameter_constraints = {
        "patches": [Interval(Integral, 1, None, closed="left"), list, tuple],
        "rank": [Interval(Integral, 1, None, closed="left")],
        "decomposition": [StrOptions({"cp", "ht"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        patches: int | Sequence[int] = 8,
        rank: int = 10,
        *,
        decomposition: Literal["ht", "cp"] = "ht",
        alpha: float = 1e-2,
        tol: float = 1e-2,
        max_iter: int = 1000,
        warm_start: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.patches = patches
        self.rank = rank
        self.decomposition = decomposition
        self.alpha = alpha
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.random_state = random_state

    def _fit(self, rows, targets, is_log_loss, fitted):
        """Run L-BFGS, and store what came out.

        Parameters
        ----------
        rows : TrainingRows
        targets : ndarray of float64 of shape (n_rows, n_outputs)
        is_log_loss : bool
        fitted : dict
            What predictions need besides the circuit.
        """
        X, c, Y = rows.used(targets)
        d, n_outputs, c = X.shape[1], Y.shape[1], normalized(c)
        patches = column_patches(self.patches, d)
        source = ArraySource(X, Y=Y, c=c)
        mean, deviation = column_moments(source, d)
        scale = np.where(deviation > CONSTANT * np.abs(X).max(axis=0), deviation, 1.0)
        units = choose_units(source, n_outputs, is_log_loss)
        side = 1 + max(map(len, patches))
        circuit = Circuit(self.decomposition == "ht", len(patches), side, self.rank, n_outputs)
        in_units = {"mean": units.mean, "size": units.size, "rounding": units.rounding}
        Y = standardised(Y, **in_units, dtype=np.float64)
        inside = patched(X, patches, mean, scale).reshape(len(X), -1)
        objective = Objective(circuit, ArraySource(inside, Y=Y, c=c), is_log_loss, self.alpha)

        def attributes(theta):
            W, mixings, a, o = circuit.tree(theta)
            layers = W, *mixings, a * units.size, o * units.size + units.mean
            W, *mixings, a, o = (part.astype(X.dtype) for part in layers)
            return {
                "mean_": mean,
                "scale_": scale,
                "patches_": patches,
                "factors_": W,
                "mixings_": mixings,
                "output_weights_": a,
                "intercept_": o,
                **fitted,
            }

        theta = self._start(circuit, units, rows.classes)
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
            reference = float(np.linalg.norm(objective(self._cold(circuit))[1]))
            steps = descent(objective, theta, self.tol * reference)
            kept, history = run(self, steps, attributes, rows=rows, max_iter=self.max_iter)
        certificate = Certificate(
            "gradient norm",
            kept.norm,
            tolerance_of(self.tol, reference),
            "stationary",
            ratio(kept.norm, reference),
        )
        counts = np.arange(1, len(history["objective"]) + 1)
        advice = advise(
            self, len(counts), rows.dtype, certificate, counts, history["certificate"],
            "raise alpha",
        )  # fmt: skip
        finish(self, attributes(kept.parameters), history, certificate, advice=advice)
        return self

    def _cold(self, circuit):
        """Where a fit starts without another one before it."""
        return circuit.start(private_random_state(self.random_state, 0))

    def _start(self, circuit, units, classes):
        """Parameters of the previous fit, if it was asked for and has the sizes; random ones."""
        if goes_on(self, "factors_", classes):
            layers = [self.factors_, *self.mixings_, self.output_weights_, self.intercept_]
            if [part.shape for part in layers] == circuit.shapes:
                check_start(self, "factors_", "mixings_", "output_weights_", "intercept_")
                W, *mixings, a, o = (part.astype(np.float64) for part in layers)
                return circuit.apart((W, mixings, a / units.size, (o - units.mean) / units.size))
        return self._cold(circuit)

    def _scores(self, X):
        """Output of the circuit for rows as the user gave them, of shape (n_samples, n_outputs)."""
        X = validate_rows(self, X)
        scores = np.empty((len(X), len(self.intercept_)), self.factors_.dtype)
        n_patches, side, rank = self.factors_.shape
        with np.errstate(over="ignore", invalid="ignore"):
            for first, last in row_blocks(len(X), 256 * n_patches * (side + rank)):
                x = patched(X[first:last], self.patches_, self.mean_, self.scale_)
                phi = root(x.astype(scores.dtype), self.factors_, self.mixings_)[0]
                scores[first:last] = phi @ self.output_weights_ + self.intercept_
        return np.nan_to_num(scores, copy=False)

    def coefficient_tensor(self, output: int = 0) -> NDArray:
        r"""Compute the coefficients of an output.

        It is the tensor of which the net is a decomposition: with standardised patches
        :math:`z^i = [x^i, 1]` an output is :math:`o + \sum A_{d_1 \ldots d_N} \prod_i z^i_{d_i}`.

        Parameters
        ----------
        output : int, default=0
            Which output: a target, or a class; of two classes there is one output.

        Returns
        -------
        A : ndarray of shape (side, ..., side)
            A mode for each patch. The side is the size of the largest patch, and 1.

        Raises
        ------
        ValueError
            If there is no such output, or the tensor has more than 2^24 entries.
        """
        check_is_fitted(self)
        n_outputs = self.output_weights_.shape[1]
        if not (isinstance(output, Integral) and 0 <= output < n_outputs):
            raise ValueError(f"output: found {output!r}; allowed are 0 to {n_outputs - 1}.")
        n_patches, side, _ = self.factors_.shape
        if side**n_patches > MAX_COEFFICIENTS:
            raise ValueError(
                f"patches: found {n_patches} of up to {side - 1} columns, whose tensor has "
                f"{side}**{n_patches} entries; allowed are at most {MAX_COEFFICIENTS}."
            )
        return coefficients(self.factors_, self.mixings_, self.output_weights_[:, output])


def descent(objective, theta, tolerance):
    """Steps of L-BFGS, until the norm of the gradient is at most a tolerance."""
    known = {}

    def function(theta):
        known["theta"], (value, known["gradient"]) = theta, objective(theta)
        return value, known["gradient"]

    def as_step(theta, value, passes, done):
        # the latest evaluation is that of the step, unless that is where the search began
        at = known["gradient"] if known["theta"] is theta else objective(theta)[1]
        norm = float(np.linalg.norm(at))
        reached = norm <= tolerance
        curves = {"objective": value, "certificate": norm, "passes": passes}
        return Step(theta, curves, value, reached, done or reached, norm)

    value, _ = function(theta)
    yield as_step(theta, value, 1, False)
    for at in minimize(function, theta, Memory(MEMORY)):
        yield as_step(at.parameters, at.loss, 1 + at.curves["passes"], at.done)


def column_patches(patches, n_columns):
    """Index arrays of the columns of each patch; an error if they do not fit."""
    if isinstance(patches, Integral):
        return np.array_split(np.arange(n_columns), min(patches, n_columns))
    found = []
    for patch in patches:
        columns = np.atleast_1d(np.asarray(patch))
        if columns.ndim != 1 or columns.dtype.kind not in "iu" or not columns.size:
            raise ValueError(
                f"patches: found {patch!r}; allowed are lists of numbers of columns, not empty."
            )
        if columns.min() < 0 or columns.max() >= n_columns:
            raise ValueError(
                f"patches: found columns {columns.min()} to {columns.max()}; allowed are 0 to "
                f"{n_columns - 1}."
            )
        found.append(columns.astype(np.intp))
    if not found:
        raise ValueError("patches: found none; allowed is at least one.")
    return found


def patched(X, patches, mean, scale):
    """Standardised rows of shape (n_rows, n_patches, side - 1), 0 where a patch is short."""
    out = np.zeros((len(X), len(patches), max(map(len, patches))))
    for number, columns in enumerate(patches):
        out[:, number, : len(columns)] = (X[:, columns] - mean[columns]) / scale[columns]
    return out
