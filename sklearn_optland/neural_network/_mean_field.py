"""Wide two-layer ReLU nets, trained as measures."""

from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from sklearn_optland._base import OptlandEstimator
from sklearn_optland._blocks import one_blas_thread
from sklearn_optland._certificate import Certificate
from sklearn_optland._fit_loop import Iteration, fit_loop, warn_unless_reached
from sklearn_optland.neural_network import _mean_field_solvers as solvers
from sklearn_optland.neural_network._kernel_regime import KernelProblem
from sklearn_optland.neural_network._margin import margin_ascent
from sklearn_optland.neural_network._mean_field_problem import TwoLayerProblem
from sklearn_optland.neural_network._network import (
    FLOATS,
    BestSoFar,
    NetworkClassifier,
    NetworkRegressor,
    _mean_and_deviation,
    as_targets,
    encode_classes,
    hold_out,
    normalized,
    row_weights,
)

SOLVERS = ("particles", "flow", "conic", "sliding-frank-wolfe")
MARGIN_ASCENT = "margin-ascent"
# Starts of the certificate's ascent where the maximum over the sphere is not exact.
CERTIFICATE_STARTS = 32
# Steps between two looks at the validation rows.
VALIDATE_EVERY = 5
# The stochastic flow's step does not fall below this.
SHORTEST_STEP = 1e-6
BATCH_SIZE = 200
MAX_SEED = np.iinfo(np.int32).max


_OBJECTIVE = r"""A net with neurons, or particles, :math:`(a_j, b_j)`,

    .. math:: f(x) = o + \sum_j a_j \max(b_j^T [x, 1], 0),

    is fitted to

    .. math:: \frac{\sum_i s_i\, \ell(y_i, f(x_i))}{\sum_i s_i}
              + \alpha \sum_j \|a_j\| \|b_j\|

    with sample weights s. The penalty is the variation norm; over rescalings of a particle it is
    the least value of half the squares of both layers' weights, biases included. The output
    intercept o is free. The problem is convex in the measure that the particles make up, and so
    has a dual: `certificate_` is a duality gap, proven where the maximum of the first variation
    over the unit sphere is, that is for data of up to three dimensions, the bias feature
    included."""
_PARAMETERS = """n_particles : int, default=100
        Number of hidden neurons. "sliding-frank-wolfe" starts with none and finds its own.
    alpha : float, default=1e-3
        Strength of the penalty. With standardised columns and targets the best is mostly between
        1e-5 and 1e-2. Not used by "margin-ascent".
    solver : {{"particles", "flow", "conic", "sliding-frank-wolfe"{margin}}}, \
            default="particles"
        The algorithm.

        - "particles": L-BFGS on all particles. The fastest, and the best on test data.
        - "flow": the Wasserstein gradient flow of Chizat and Bach (2018), discretised: gradient
          steps on the net scaled by 1/m, from a start spread over the sphere in pairs of opposite
          sign, each shortened until it brings half of what a tangent promises at the highest of
          the last five values.
        - "conic": multiplicative steps of the masses, gradient steps on the sphere of the
          directions (Chizat 2019).
        - "sliding-frank-wolfe": adds particles where the certificate is violated, lets all slide
          by L-BFGS, solves for their masses, drops those without. Sparse nets, small
          gaps.{margin_text}
    regime : {{"feature", "kernel"}}, default="feature"
        "feature": both layers learn. "kernel": the hidden layer stays as it was drawn, uniformly
        on the sphere; the penalty is half the squared norm of the random features' Hilbert space,
        m/2 times the sum of squares of the output weights. Solved by L-BFGS in the metric of the
        features' Gram matrix, whatever their number; needs `solver="particles"`{or_margin}.
    activation : {{"relu"}}, default="relu"
        Of the hidden neurons. The theory needs its homogeneity.
    fit_intercept : bool, default=True
        Whether hidden neurons have biases, which the penalty takes as weights of a feature 1, and
        the output an intercept.
    scale_inputs : bool, default=False
        Whether columns are standardised inside. The penalty then is that of the standardised
        columns; `coefs_` and `intercepts_` are for the columns as they are.
    noise : float, default=0.0
        Temperature of Langevin noise in "flow". With noise it makes all `max_iter` steps.
    batch_size : "auto" or int, default="auto"
        Rows of a mini-batch in `partial_fit`. "auto" is 200.
    max_iter : int, default=1000
        The most steps; rounds of "sliding-frank-wolfe".
    tol : float, default=1e-4
        "sliding-frank-wolfe" and the kernel regime stop when the duality gap is at most `tol` times
        the objective, or nothing more is gained; the others when ten steps together bring less than
        that{margin_tol}.
        0 goes on until the steps are below the precision of the data's type.
    early_stopping : bool, default=False
        Whether to set rows aside, to stop when their loss falls no more, and to keep the net with
        the least.
    validation_fraction : float, default=0.1
        The share of rows that are set aside.
    n_iter_no_change : int, default=10
        With early stopping: looks at these rows, one every five steps, that may bring nothing.
    warm_start : bool, default=False
        Whether to start from the net of the last fit, if its shape is the same.
    random_state : int, RandomState instance or None, default=None
        Draws the start, the rows set aside, and starts of the certificate's ascent."""
_MARGIN = {
    "margin": ', "margin-ascent"',
    "margin_text": """
        - "margin-ascent": for two classes that a net separates. There is no penalty: it maximises
          the margin min y f of nets of norm 1, and bounds the best one (Chizat and Bach 2020).""",
    "or_margin": ' or `"margin-ascent"`',
    "margin_tol": ', "margin-ascent" when the margin is that close to its bound',
}
_ATTRIBUTES = """coefs_ : list of two ndarrays
        b_j without bias weights, of shape (n_features, m), and a_j, of shape (m, n_outputs), in the
        layout of scikit-learn's MLP; float32 if X was, else float64. Each particle has
        :math:`\\|a_j\\| = \\|b_j\\|`; in the kernel regime :math:`\\|b_j\\| = 1`.
    intercepts_ : list of two ndarrays
        Bias weights of b_j, of shape (m,), and o, of shape (n_outputs,).
    n_particles_ : int
        Number of particles that have mass.
    variation_norm_ : float
        :math:`\\sum_j \\|a_j\\| \\|b_j\\|`; with `scale_inputs` that of the standardised columns.
    first_variation_max_ : float
        Largest known norm of :math:`\\sum_i c_i r_i \\max(t^T [x_i, 1], 0)` over unit vectors t, c
        the weights that sum to 1 and r minus the derivatives of the loss. At an optimum it is
        `alpha`. NaN without a penalty.
    certificate_ : Certificate
        The duality gap, in units of the objective: scope "global" where it is proven, else
        "estimate", because a maximum that was missed makes it larger. In the kernel regime it is
        proven for the features that were drawn. With `alpha=0` the norm of the gradient in the
        units of the solver, scope "stationary".
    history_ : dict of ndarray
        "objective", "certificate" (infinite where the solver did not look), "passes" (over the
        data) and "seconds" after each step; with early stopping "validation_loss".
    n_iter_ : int
        Number of steps.
    n_layers_ : int
        3, as MLP counts.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        "identity", "logistic" or "softmax".
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names."""
_REFERENCES = """L. Chizat and F. Bach, "On the global convergence of gradient descent for
    over-parameterized models using optimal transport", NeurIPS 2018.

    L. Chizat, "Sparse optimization on measures with over-parameterized gradient descent",
    Mathematical Programming 194 (2022).

    L. Chizat and F. Bach, "Implicit bias of gradient descent for wide two-layer neural networks
    trained with the logistic loss", COLT 2020.

    F. Bach, "Breaking the curse of dimensionality with convex neural networks", JMLR 18 (2017).

    Q. Denoyelle, V. Duval, G. Peyré and E. Soubies, "The sliding Frank-Wolfe algorithm and its
    application to super-resolution microscopy", Inverse Problems 36 (2020)."""
_NOTES = """X and y are divided by their sizes inside, which the homogeneity of relu makes exact:
    any units of the data give the same net with `alpha` in the same proportion, and columns of any
    size neither overflow nor produce NaN. Columns are not standardised unless `scale_inputs` asks.

    float32 data are computed in float32; memory maps are read in blocks of rows by all solvers, but
    the certificate and "sliding-frank-wolfe" hold the rows once in memory."""


def _is_stochastic(estimator):
    if estimator.solver != "flow":
        raise AttributeError(f"partial_fit needs solver='flow', not {estimator.solver!r}")
    return True


class _MeanFieldNet(OptlandEstimator, CallbackSupportMixin, BaseEstimator):
    """What the classifier and the regressor share: parameters, loop, certificate."""

    _hidden_activation = "relu"

    _parameter_constraints = {
        "n_particles": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({*SOLVERS, MARGIN_ASCENT})],
        "regime": [StrOptions({"feature", "kernel"})],
        "activation": [StrOptions({"relu"})],
        "fit_intercept": ["boolean"],
        "scale_inputs": ["boolean"],
        "noise": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_particles=100,
        *,
        alpha=1e-3,
        solver="particles",
        regime="feature",
        activation="relu",
        fit_intercept=True,
        scale_inputs=False,
        noise=0.0,
        batch_size="auto",
        max_iter=1000,
        tol=1e-4,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        warm_start=False,
        random_state=None,
    ):
        self.n_particles = n_particles
        self.alpha = alpha
        self.solver = solver
        self.regime = regime
        self.activation = activation
        self.fit_intercept = fit_intercept
        self.scale_inputs = scale_inputs
        self.noise = noise
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state

    def _check_choice(self):
        """Refuse parameters that do not go together."""
        allowed = SOLVERS if self.regime == "feature" else ("particles",)
        if self._is_log_loss:
            allowed += (MARGIN_ASCENT,)
        if self.solver not in allowed:
            raise ValueError(
                f"solver: found {self.solver!r}; allowed for {type(self).__name__} with "
                f"regime={self.regime!r} are {list(allowed)}."
            )
        if self.solver == "sliding-frank-wolfe" and self.alpha == 0:
            raise ValueError(
                "alpha: found 0; solver='sliding-frank-wolfe' needs a penalty, alpha > 0."
            )

    def _fit(self, X, Y, c, codes, attributes, metadata, y):
        """Fit to validated data; `attributes` are those that predictions need besides."""
        self._check_choice()
        rng = check_random_state(self.random_state)
        used = np.flatnonzero(c > 0)
        held = None
        if self.early_stopping:
            train, held = hold_out(
                len(used), self.validation_fraction, rng, None if codes is None else codes[used]
            )
            used, held = used[train], used[held]
        c_used = normalized(c[used])
        scaling = _Scaling(X, c, self.scale_inputs, self.fit_intercept)
        X_used = scaling(X if len(used) == len(X) else X[used])
        with one_blas_thread():
            problem = (KernelProblem if self.regime == "kernel" else TwoLayerProblem)(
                X_used,
                Y[used],
                c_used,
                is_log_loss=self._is_log_loss,
                alpha=self.alpha,
                fit_intercept=self.fit_intercept,
            )
            start = self._start(problem, scaling, rng)
            validation = None
            if held is not None:
                validation = problem.on(scaling(X[held]), Y[held], normalized(c[held]))
            run = _Run(self, problem, scaling, attributes, validation)
            seed = rng.randint(MAX_SEED)
            history = fit_loop(
                self,
                run.iterations(self._steps(problem, start, seed)),
                max_iter=self.max_iter,
                X=X,
                y=y,
                metadata=metadata,
                task_name="step",
            )
            self.history_ = history
            step = run.last
            if run.best is not None:
                step = solvers.Step(run.best.theta, np.nan, step.passes, step.done)
            theta = step.theta
            if self.solver == MARGIN_ASCENT:
                theta = self._with_margin(problem, step)
            else:
                theta = problem.with_best_intercept(theta)
                self._certify(problem, theta, start, step, seed)
        for name, value in run.attributes(theta).items():
            setattr(self, name, value)
        self.n_iter_ = len(history["objective"])
        self._flow = _flow_state(theta, problem.scales) if self.solver == "flow" else None
        if self.n_iter_ == self.max_iter and not step.done:
            warn_unless_reached(
                self,
                self.certificate_,
                self.n_iter_,
                "Increase max_iter or tol, or scale the data.",
            )
        return self

    def _certify(self, problem, theta, start, step, seed):
        """What the fit proves: a duality gap, without a penalty the norm of the gradient."""
        if self.alpha > 0:
            bound = step.bound or problem.bound(
                theta,
                rows=problem.augmented() if self.regime == "feature" else None,
                n_starts=CERTIFICATE_STARTS,
                random_state=seed,
            )
            # The curves end with what the fitted net has.
            self.history_["objective"][-1] = bound.objective
            self.history_["certificate"][-1] = bound.gap
            self.first_variation_max_ = bound.first_variation_max
            self.certificate_ = Certificate(
                "duality gap",
                bound.gap,
                float(self.tol * bound.objective),
                "global" if bound.proven else "estimate",
            )
            return
        norms = [
            problem.units * float(np.linalg.norm(problem.value_and_gradient(at)[1]))
            for at in (theta, start)
        ]
        self.first_variation_max_ = np.nan
        self.certificate_ = Certificate(
            "gradient norm", norms[0], self.tol * norms[1], "stationary"
        )

    def _with_margin(self, problem, step):
        """Particles whose least y f is 1, if they separate the classes."""
        y = 2.0 * problem.Y.astype(np.float64) - 1.0
        least = float((y * problem.scores(step.theta)).min())
        if self.regime == "kernel":
            norm = np.sqrt(self.n_particles) * np.linalg.norm(problem.parts(step.theta)[2])
        else:
            norm = problem.variation_norm(step.theta)
        self.margin_ = float(least / norm * problem.x_scale)
        self.margin_bound_ = self.first_variation_max_ = step.bound.first_variation_max
        self.certificate_ = Certificate(
            "margin gap",
            max(self.margin_bound_ - self.margin_, 0.0),
            float(self.tol * self.margin_bound_),
            "global" if step.bound.proven else "estimate",
        )
        if not least > 0:
            return step.theta
        theta = step.theta.copy()
        if self.regime == "kernel":
            problem.parts(theta)[2][:] /= least
        else:
            theta /= np.sqrt(least)
        return theta

    def _start(self, problem, scaling, rng):
        """Particles to start from."""
        d, k = problem.n_features, problem.n_outputs
        m = 0 if self.solver == "sliding-frank-wolfe" else self.n_particles
        if self.warm_start and hasattr(self, "coefs_"):
            shapes = [W.shape for W in self.coefs_]
            if shapes[0][0] == d and shapes[1][1] == k and (m == 0 or shapes[0][1] == m):
                return problem.to_inside(*scaling.to_inside(self.coefs_, self.intercepts_))
        if self.regime == "kernel":
            theta = solvers.spread_start(problem, 2 * m, 1.0, rng)
            B, A = problem.particles(theta)
            return problem.join(
                B[::2], A[::2] if self.solver == MARGIN_ASCENT else 0 * A[::2], np.zeros(k)
            )
        length = solvers.START if self.solver == "particles" else 1 / np.sqrt(max(m, 1))
        return solvers.spread_start(problem, m, length, rng)

    def _steps(self, problem, theta, seed):
        """The solver's generator."""
        if self.solver == MARGIN_ASCENT:
            return margin_ascent(
                problem,
                theta,
                self.tol,
                n_starts=CERTIFICATE_STARTS,
                random_state=seed,
                is_kernel=self.regime == "kernel",
            )
        if self.regime == "kernel":
            return solvers.kernel(problem, theta, self.tol)
        if self.solver == "flow":
            rng = np.random.RandomState(seed)
            return solvers.flow(problem, theta, self.tol, noise=self.noise, rng=rng)
        if self.solver == "conic":
            return solvers.conic(problem, theta, self.tol)
        if self.solver == "sliding-frank-wolfe":
            return solvers.sliding_frank_wolfe(problem, theta, self.tol, random_state=seed)
        return solvers.particles(problem, theta, self.tol)

    def _partial_fit(self, X, Y, c, extra):
        """Steps of the flow, one for each mini-batch, each backtracked on its batch."""
        self._check_choice()
        if self.scale_inputs:
            raise ValueError(
                "scale_inputs: found True; allowed with partial_fit is False, because the columns "
                "of later batches are not known."
            )
        used = c > 0
        with one_blas_thread():
            flow = getattr(self, "_flow", None)
            problem = TwoLayerProblem(
                X[used] if flow is None else X[used].astype(flow["theta"].dtype, copy=False),
                Y[used],
                normalized(c[used]),
                is_log_loss=self._is_log_loss,
                alpha=self.alpha,
                fit_intercept=self.fit_intercept,
                scales=None if flow is None else flow["scales"],
            )
            if flow is None:
                rng = check_random_state(self.random_state)
                length = 1 / np.sqrt(self.n_particles)
                theta = solvers.spread_start(problem, self.n_particles, length, rng)
                self._flow = flow = _flow_state(theta, problem.scales)
            _visit(flow, problem, BATCH_SIZE if self.batch_size == "auto" else self.batch_size)
        run = _Run(self, problem, _Scaling(X, c, False, False), extra, None)
        for name, value in run.attributes(flow["theta"]).items():
            setattr(self, name, value)
        self.n_iter_ = flow["n_steps"]
        for stale in ("certificate_", "first_variation_max_", "history_"):
            if hasattr(self, stale):
                delattr(self, stale)
        return self


def _flow_state(theta, scales):
    """The stochastic flow between two calls of `partial_fit`, in types that pickle anywhere."""
    return {"theta": theta, "scales": scales, "step": 1.0, "n_steps": 0}


def _visit(state, problem, size):
    """A step of the flow on each mini-batch of the rows, in their order."""
    for first in range(0, len(problem.X), size):
        function = partial(problem.value_and_gradient, rows=slice(first, first + size))
        theta, step, _, _ = solvers.descend(
            function, state["theta"], *function(state["theta"]), state["step"]
        )
        if theta is not None:
            state["theta"] = theta
        # A batch on which no step is short enough must not stop those after it.
        state["step"] = max(2.0 * step, SHORTEST_STEP)
        state["n_steps"] += 1


class _Scaling:
    """Columns of mean 0 and standard deviation 1, if asked for."""

    def __init__(self, X, c, is_on, is_centered):
        self.center = None
        if is_on:
            center, spread = _mean_and_deviation(X, c)
            self.spread = np.where(spread > 1e-12 * np.abs(center), spread, 1.0)
            self.center = center if is_centered else np.zeros_like(center)

    def __call__(self, X):
        if self.center is None:
            return X
        return np.ascontiguousarray((X - self.center) / self.spread, dtype=X.dtype)

    def to_user(self, coefs, intercepts):
        """Parameters for columns as they were."""
        if self.center is None:
            return coefs, intercepts
        dtype = coefs[0].dtype
        W = coefs[0].astype(np.float64) / self.spread[:, None]
        return [W.astype(dtype), coefs[1]], [
            (intercepts[0] - self.center @ W).astype(dtype),
            intercepts[1],
        ]

    def to_inside(self, coefs, intercepts):
        """The inverse of `to_user`."""
        if self.center is None:
            return coefs, intercepts
        W = coefs[0].astype(np.float64)
        return [W * self.spread[:, None], coefs[1]], [
            intercepts[0] + self.center @ W,
            intercepts[1],
        ]


class _Run:
    """The loop around a solver: what callbacks may ask for, and early stopping."""

    def __init__(self, estimator, problem, scaling, attributes, validation):
        self.problem, self.scaling, self.extra = problem, scaling, attributes
        self.validation, self.last = validation, None
        self.best = None if validation is None else BestSoFar(estimator.n_iter_no_change)

    def iterations(self, steps):
        """What `fit_loop` asks for."""
        units = self.problem.units
        for number, step in enumerate(steps):
            self.last = step
            curves = {
                "objective": units * step.value if step.bound is None else step.bound.objective,
                "certificate": np.inf if step.bound is None else step.bound.gap,
                "passes": step.passes,
            }
            done = step.done
            if self.best is not None and (done or number % VALIDATE_EVERY == 0):
                scores = self.validation.scores(step.theta)
                scores += self.problem.parts(step.theta)[3]
                loss = self.validation.loss(scores)
                curves["validation_loss"] = units * loss
                done = self.best.update(loss, step.theta) or done
                step.done = done
            elif self.best is not None:
                curves["validation_loss"] = np.nan
            yield Iteration(curves, lambda: self.attributes(self.last.theta), done)

    def attributes(self, theta):
        """All that predictions need."""
        coefs, intercepts = self.problem.to_user(theta)
        sizes = np.linalg.norm(coefs[1], axis=1) * np.hypot(
            np.linalg.norm(coefs[0], axis=0), intercepts[0]
        )
        norm = self.problem.variation_norm(theta)
        coefs, intercepts = self.scaling.to_user(coefs, intercepts)
        return {
            "coefs_": coefs,
            "intercepts_": intercepts,
            "n_particles_": int((sizes > 0).sum()),
            "variation_norm_": norm * (self.problem.y_scale / self.problem.x_scale),
            "n_layers_": 3,
            "n_outputs_": self.problem.n_outputs,
            **self.extra,
        }


class MeanFieldTwoLayerNet(NetworkRegressor, RegressorMixin, _MeanFieldNet):
    __doc__ = rf"""Wide two-layer ReLU net for regression, trained as a measure.

    {_OBJECTIVE}

    The loss is half the squared error, summed over outputs.

    Parameters
    ----------
    {_PARAMETERS.format_map(dict.fromkeys(_MARGIN, ""))}

    Attributes
    ----------
    {_ATTRIBUTES}

    See Also
    --------
    MeanFieldTwoLayerNetClassifier : The same for classification.
    conic_descent : The solver "conic" for feature maps of your own.

    Notes
    -----
    {_NOTES}

    References
    ----------
    {_REFERENCES}

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.neural_network import MeanFieldTwoLayerNet
    >>> X = np.linspace(-2, 2, 100)[:, None]
    >>> y = np.abs(X[:, 0])
    >>> model = MeanFieldTwoLayerNet(solver="sliding-frank-wolfe", random_state=0).fit(X, y)
    >>> model.n_particles_ < 10, round(model.score(X, y), 2)
    (True, 1.0)
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """

    _is_log_loss = False

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the net.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, not all zero. Default: all 1.

        Returns
        -------
        self : MeanFieldTwoLayerNet
            The fitted estimator.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C", multi_output=True, y_numeric=True)
        c = row_weights(X, sample_weight)
        Y = as_targets(y, X.dtype)
        extra = {
            "_y_is_1d": y.ndim == 1,
            "out_activation_": "identity",
            "n_features_in_": self.n_features_in_,
        }
        metadata = {"sample_weight": sample_weight}
        return self._fit(X, Y, c, None, extra, metadata, y)

    @available_if(_is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Take steps of the stochastic flow, one for each mini-batch.

        Only for `solver="flow"`. It goes on from the net of `fit` or of the last call; the very
        first call takes the scales of data and targets from its rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, not all zero. Default: all 1.

        Returns
        -------
        self : MeanFieldTwoLayerNet
            The fitted estimator.
        """
        is_first = getattr(self, "_flow", None) is None
        X, y = validate_data(
            self, X, y, dtype=FLOATS, order="C", multi_output=True, y_numeric=True, reset=is_first
        )
        Y = as_targets(y, X.dtype)
        if not is_first and Y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y: found {Y.shape[1]} outputs; allowed are {self.n_outputs_}, as in the first "
                "call."
            )
        extra = {"_y_is_1d": y.ndim == 1, "out_activation_": "identity"}
        return self._partial_fit(X, Y, row_weights(X, sample_weight), extra)


class MeanFieldTwoLayerNetClassifier(NetworkClassifier, ClassifierMixin, _MeanFieldNet):
    __doc__ = rf"""Wide two-layer ReLU net for classification, trained as a measure.

    {_OBJECTIVE}

    The loss is the log-loss: with two classes that of one score, with more that of a softmax.

    Parameters
    ----------
    {_PARAMETERS.format_map(_MARGIN)}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    {_ATTRIBUTES}
    margin_ : float
        With `solver="margin-ascent"`: least y f over the rows, y = -1 or 1, of the net divided by
        its norm, the variation norm or that of the kernel regime. Positive if it separates the
        classes; the net itself is then scaled to a least y f of 1.
    margin_bound_ : float
        With `solver="margin-ascent"`: no net of norm 1 has a larger margin. `certificate_` is the
        difference.

    See Also
    --------
    MeanFieldTwoLayerNet : The same for regression.

    Notes
    -----
    {_NOTES}

    References
    ----------
    {_REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn_optland.neural_network import MeanFieldTwoLayerNetClassifier
    >>> X, y = make_moons(200, noise=0.1, random_state=0)
    >>> model = MeanFieldTwoLayerNetClassifier(alpha=1e-3, random_state=0).fit(X, y)
    >>> round(model.score(X, y), 1)
    1.0
    >>> model.certificate_.quantity, model.certificate_.scope
    ('duality gap', 'global')
    """

    _is_log_loss = True

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the net.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; some for each class. Default: all 1.

        Returns
        -------
        self : MeanFieldTwoLayerNetClassifier
            The fitted estimator.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C")
        check_classification_targets(y)
        c = row_weights(X, sample_weight)
        classes, Y = encode_classes(y, c)
        extra = {
            "classes_": classes,
            "out_activation_": "logistic" if Y.shape[1] == 1 else "softmax",
            "n_features_in_": self.n_features_in_,
        }
        if self.solver == MARGIN_ASCENT and len(classes) > 2:
            raise ValueError(
                f"y: found {len(classes)} classes; allowed with solver={MARGIN_ASCENT!r} are two."
            )
        metadata = {"sample_weight": sample_weight}
        codes = np.searchsorted(classes, y)
        return self._fit(X, Y.astype(np.float64), c, codes, extra, metadata, y)

    @available_if(_is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Take steps of the stochastic flow, one for each mini-batch.

        Only for `solver="flow"`. It goes on from the net of `fit` or of the last call; the very
        first call takes the scale of the data from its rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come. Needed in the first call without a `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, not all zero. Default: all 1.

        Returns
        -------
        self : MeanFieldTwoLayerNetClassifier
            The fitted estimator.
        """
        is_first = getattr(self, "_flow", None) is None
        if is_first and classes is None:
            raise ValueError("classes: found None; the first call of partial_fit needs all labels.")
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C", reset=is_first)
        if is_first:
            known = np.unique(classes)
            if len(known) < 2:
                raise ValueError(
                    f"classes: found {known.tolist()}; allowed are two classes or more."
                )
        else:
            known = self.classes_
            if classes is not None and not np.array_equal(np.unique(classes), known):
                raise ValueError(
                    f"classes: found {np.unique(classes).tolist()}; allowed are those of the first "
                    f"call, {known.tolist()}."
                )
        strange = np.setdiff1d(y, known)
        if len(strange):
            raise ValueError(f"y: found labels {strange.tolist()}; allowed are {known.tolist()}.")
        codes = np.searchsorted(known, y)
        one_hot = (codes[:, None] == np.arange(len(known))).astype(np.float64)
        extra = {
            "classes_": known,
            "out_activation_": "logistic" if len(known) == 2 else "softmax",
        }
        Y = one_hot[:, 1:] if len(known) == 2 else one_hot
        return self._partial_fit(X, Y, row_weights(X, sample_weight), extra)
