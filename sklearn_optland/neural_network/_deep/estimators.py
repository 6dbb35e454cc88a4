"""Deep nets trained by splitting, and by its form on the feasible set."""

from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from sklearn_optland._estimator.base import OptlandEstimator
from sklearn_optland._estimator.callbacks import Iteration, advice, fit_loop, warn_unless_reached
from sklearn_optland._estimator.certificate import Certificate
from sklearn_optland._estimator.early_stopping import BestSoFar, hold_out
from sklearn_optland._estimator.training_rows import (
    as_columns,
    as_targets,
    encode_classes,
    normalized,
    row_weights,
)
from sklearn_optland._net.network import Network
from sklearn_optland._net.passes import Passes
from sklearn_optland._net.predictions import FLOATS, NetworkClassifier, NetworkRegressor
from sklearn_optland._net.units import choose_units
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.neural_network._deep import docs
from sklearn_optland.neural_network._deep.feasible import KKT_LINES, Objective, feasible
from sklearn_optland.neural_network._deep.splitting import SPLITTINGS


class _ADMMNet(OptlandEstimator, CallbackSupportMixin, BaseEstimator):
    """What classifier and regressor share: parameters and the loop."""

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"logistic", "tanh", "relu"})],
        "solver": [StrOptions({"feasible", *SPLITTINGS})],
        "metric": [StrOptions({"auto", "gram", "identity"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "rho": ["array-like", Interval(Real, 0, None, closed="neither"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"glorot"}), Interval(Real, 0, None, closed="neither"), tuple, list],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="feasible",
        metric="auto",
        alpha=1e-4,
        rho=None,
        tol=1e-3,
        max_iter=1000,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=100,
        init="glorot",
        warm_start=False,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.metric = metric
        self.alpha = alpha
        self.rho = rho
        self.tol = tol
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.init = init
        self.warm_start = warm_start
        self.random_state = random_state

    @property
    def _hidden_activation(self):
        return self.activation

    def _network(self, n_columns, n_outputs, is_log_loss):
        """The net's sizes; an error if they or the activation do not fit."""
        hidden = tuple(np.atleast_1d(np.asarray(self.hidden_layer_sizes)).tolist())
        if not all(isinstance(size, Integral) and size >= 1 for size in hidden):
            raise ValueError(
                f"hidden_layer_sizes: found {self.hidden_layer_sizes!r}; allowed are integers of "
                "at least 1."
            )
        if self.solver in SPLITTINGS:
            allowed = SPLITTINGS[self.solver].activation
            if self.activation != allowed and hidden:
                raise ValueError(
                    f"activation: found {self.activation!r}; allowed with solver={self.solver!r} "
                    f"is {allowed!r}."
                )
        return Network((n_columns, *hidden, n_outputs), self.activation, is_log_loss)

    def _rho(self, network):
        """One coupling for each layer with weights."""
        n_layers = len(network.sizes) - 1
        rho = SPLITTINGS[self.solver].rho if self.rho is None else self.rho
        rho = np.atleast_1d(np.asarray(rho, dtype=np.float64))
        rho = np.full(n_layers, rho[0]) if len(rho) == 1 else rho
        if rho.shape != (n_layers,) or not (rho > 0).all() or not np.isfinite(rho).all():
            raise ValueError(
                f"rho: found {self.rho!r}; allowed are one positive number, or {n_layers}, one for "
                "each layer with weights."
            )
        return rho

    def _start(self, network, units, rng, dtype):
        """Parameters to start from, in the passes' units."""
        if self.warm_start and hasattr(self, "coefs_"):
            shapes = [(W.shape[0] + 1, W.shape[1]) for W in self.coefs_]
            if shapes == network.shapes:
                return units.to_inside(network, self.coefs_, self.intercepts_, dtype)
        if isinstance(self.init, (tuple, list)):
            if len(self.init) != 2:
                raise ValueError(
                    f"init: found {len(self.init)} entries; allowed are two, coefs and intercepts."
                )
            theta = units.to_inside(network, *self.init, dtype)
            if not np.isfinite(theta).all():
                raise ValueError("init: found values that are not finite; allowed are finite ones.")
            return theta
        return network.glorot(rng, dtype, 1.0 if self.init == "glorot" else self.init)

    def _solve(self, network, X, y, Y, c, codes, extra, sample_weight):
        """Run the solver on rows that are valid, and store what came out.

        `codes` are the numbers of the rows' classes, None in a regression.
        """
        rng = check_random_state(self.random_state)
        rows, held = X, None
        used = c > 0
        if not used.all():
            rows, Y, c = rows[used], Y[used], c[used]
            codes = None if codes is None else codes[used]
        units = choose_units(rows, Y, c, network.is_log_loss)
        theta = self._start(network, units, rng, X.dtype)
        if self.early_stopping:
            train, test = hold_out(len(rows), self.validation_fraction, rng, codes)
            held = Passes(network, rows[test], Y[test], normalized(c[test]), units)
            rows, Y, c = rows[train], Y[train], normalized(c[train])
        passes = Passes(network, rows, Y, c, units)
        objective = Objective(passes, self.alpha, units.penalty_factors(network, X.dtype))
        if self.solver == "feasible":
            steps = feasible(objective, theta, self.metric, self.tol)
        else:
            given = np.asarray(1.0 if sample_weight is None else sample_weight, dtype=np.float64)
            total = float(np.broadcast_to(given, len(X)).sum())
            steps = SPLITTINGS[self.solver].sweeps(objective, theta, self._rho(network), total)

        unit = units.size**2
        best = BestSoFar(self.n_iter_no_change if self.early_stopping else np.inf)
        kept = None

        def attributes(step):
            coefs, intercepts = units.to_user(network, step.theta)
            return {"coefs_": coefs, "intercepts_": intercepts, **extra}

        def iterations():
            nonlocal kept
            for step in steps:
                curves = {
                    "objective": unit * step.objective,
                    "certificate": step.residual,
                    "passes": step.passes,
                    **step.residuals,
                }
                if step.lagrangian is not None:
                    curves["lagrangian"] = unit * step.lagrangian
                loss = step.objective
                if held is not None:
                    loss = held.value(step.theta)
                    curves["validation_loss"] = unit * loss
                stop = best.update(loss, step.theta)
                reached = step.residual <= self.tol and held is None
                if best.age == 0 or reached:
                    kept = step
                yield Iteration(
                    curves, lambda step=kept: attributes(step), stop or step.done or reached
                )

        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", under="ignore"):
            history = fit_loop(
                self,
                iterations(),
                max_iter=self.max_iter,
                X=X,
                y=y,
                metadata={"sample_weight": sample_weight},
            )
            for name, value in attributes(kept).items():
                setattr(self, name, value)
            if kept.is_rough:
                end = objective.at(kept.theta)
                kept = replace(kept, objective=end.objective, residual=end.residual)
            self.certificate_ = self._certificate(objective, kept, unit)
        self.kkt_residuals_ = {line: history.pop(line) for line in KKT_LINES}
        self.history_, self.loss_curve_ = history, history["objective"]
        self.loss_ = float(unit * kept.objective)
        self.n_iter_ = len(self.loss_curve_)
        self.n_layers_, self.n_outputs_ = len(network.sizes), Y.shape[1]
        if not self.early_stopping and self.tol > 0:
            warn_unless_reached(self, self.certificate_, self.n_iter_, advice(self, X.dtype))

    def _certificate(self, objective, step, unit):
        """The KKT residual; of a linear regression, the gap to the optimum."""
        network = objective.network
        if len(network.sizes) > 2 or network.is_log_loss:
            return Certificate("KKT residual", step.residual, float(self.tol), "stationary")
        # The objective is quadratic: its gap is half the gradient's square in the inverse Hessian.
        gradient = network.layers(objective.at(step.theta).gradient.astype(np.float64))[0]
        (G,) = objective.passes.grams(step.theta, [0])
        G.flat[:: len(G) + 1] += network.layers(objective.penalty)[0][:, 0]
        newton = np.linalg.lstsq(G, gradient, rcond=None)[0]
        gap = max(0.5 * float(np.vdot(gradient, newton)), 0.0)
        tolerance = self.tol * 0.5 * objective.constant_residual**2
        return Certificate("optimality gap", unit * gap, unit * tolerance, "global")


class ADMMNetClassifier(NetworkClassifier, ClassifierMixin, _ADMMNet):
    __doc__ = rf"""Deep net for classification, trained by splitting methods.

    With the net's scores f, one logit for two classes and a softmax for more, it minimises

    .. math:: \frac{{\sum_i s_i\, \ell(y_i, f(x_i))}}{{\sum_i s_i}}
              + \frac{{\alpha}}{{2}} \sum_l \|W_l\|^2, \qquad f(x) = \sigma(\cdots \sigma(x W_1
              + b_1) \cdots) W_L + b_L,

    :math:`\ell` being the log-loss, with sample weights s and free biases b.

    Parameters
    ----------
    {docs.PARAMETERS}
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    {docs.ATTRIBUTES}

    See Also
    --------
    ADMMNetRegressor : The same for regression.
    sklearn.neural_network.MLPClassifier : Stochastic gradients or L-BFGS without a metric.

    Notes
    -----
    {docs.NOTES}

    References
    ----------
    {docs.REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_optland.neural_network import ADMMNetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> net = ADMMNetClassifier((40,) * 4, "logistic", alpha=1e-3, random_state=0)
    >>> net.fit(X[:1300], y[:1300]).score(X[1300:], y[1300:]) > 0.9
    True
    >>> net.certificate_.scope, net.certificate_.reached
    ('stationary', True)
    """

    _parameter_constraints = {
        **_ADMMNet._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="feasible",
        metric="auto",
        alpha=1e-4,
        rho=None,
        tol=1e-3,
        max_iter=1000,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=100,
        init="glorot",
        warm_start=False,
        random_state=None,
        class_weight=None,
    ):
        super().__init__(
            hidden_layer_sizes,
            activation,
            solver=solver,
            metric=metric,
            alpha=alpha,
            rho=rho,
            tol=tol,
            max_iter=max_iter,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            init=init,
            warm_start=warm_start,
            random_state=random_state,
        )
        self.class_weight = class_weight

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data. Memory maps in C order are read a block at a time.
        y : array-like of shape (n_samples,)
            Class labels, of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights s; each class needs a positive one. Default: all 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data have fewer than two classes, a class without weight, or missing or infinite
            values; or if parameters do not fit each other.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C")
        check_classification_targets(y)
        classes, codes, c = encode_classes(y, row_weights(X, sample_weight), self.class_weight)
        Y = as_columns(codes, len(classes))
        network = self._network(X.shape[1], Y.shape[1], is_log_loss=True)
        extra = {
            "classes_": classes,
            "out_activation_": "logistic" if Y.shape[1] == 1 else "softmax",
        }
        self._solve(network, X, y, Y, c, codes, extra, sample_weight)
        return self


class ADMMNetRegressor(NetworkRegressor, RegressorMixin, _ADMMNet):
    __doc__ = rf"""Deep net for regression, trained by splitting methods.

    It minimises

    .. math:: \frac{{\sum_i s_i\, \tfrac12 \|y_i - f(x_i)\|^2}}{{\sum_i s_i}}
              + \frac{{\alpha}}{{2}} \sum_l \|W_l\|^2, \qquad f(x) = \sigma(\cdots \sigma(x W_1
              + b_1) \cdots) W_L + b_L,

    with sample weights s and free biases b, for one or several outputs.

    Parameters
    ----------
    {docs.PARAMETERS}

    Attributes
    ----------
    {docs.ATTRIBUTES}

    See Also
    --------
    ADMMNetClassifier : The same for classification.
    convergence_conditions : For which parameters Algorithm 1 is proven to converge.
    sklearn.neural_network.MLPRegressor : Stochastic gradients or L-BFGS without a metric.

    Notes
    -----
    {docs.NOTES}

    References
    ----------
    {docs.REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_optland.neural_network import ADMMNetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> net = ADMMNetRegressor((20,), early_stopping=True, random_state=0)
    >>> net.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.4
    True
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data. Memory maps in C order are read a block at a time.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights s, not all zero. Default: all 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data have missing or infinite values or targets whose squares overflow; or if
            parameters do not fit each other.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C", multi_output=True, y_numeric=True)
        c = row_weights(X, sample_weight)
        Y = as_targets(y, X.dtype)
        network = self._network(X.shape[1], Y.shape[1], is_log_loss=False)
        extra = {"out_activation_": "identity", "_y_is_1d": y.ndim == 1}
        self._solve(network, X, y, Y, c, None, extra, sample_weight)
        return self
