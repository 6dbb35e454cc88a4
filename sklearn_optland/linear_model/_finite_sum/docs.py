"""Docstrings of the finite sums' estimators: what several of them say is written once."""

PARAMETERS = """alpha : float, default=1e-4
        Strength of the penalty.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalty: 0 is L2, 1 is L1.
    positive : bool, default=False
        Whether coefficients must not be negative. The intercept may be.
    sampling : {"uniform", "lipschitz"}, default="uniform"
        Which rows a pass visits. "uniform": each once, in a new random order (SAG: n independent
        draws). "lipschitz": n independent draws, half uniform and half in proportion to the rows'
        Lipschitz constants, with weights that keep the steps unbiased. It pays where row norms or
        sample weights differ by orders of magnitude. Point-SAGA is always "uniform".
    step_size : "auto" or float, default="auto"
        "auto" is 1/(2L) for SAG, SAGA and SVRG, 1/L for Katyusha, and what their papers say for
        Point-SAGA and MISO (of which this is a factor); SDCA and Catalyst have none. A step
        after which the objective is ten times that at zero is cut to a quarter, and the solver
        starts again from the best point.
    tol : float, default=1e-6
        The fit stops when the duality gap is at most `tol` times the objective; with `alpha=0`,
        when the norm of the gradient is at most `tol` times that at zero. 0 goes on until the
        steps are below the precision of float64, and does not warn there.
    max_iter : int, default=1000
        The most passes over the data.
    fit_intercept : bool, default=True
        Whether to fit b.
    """
CLASS_WEIGHT = """class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).
    """
LAST_PARAMETERS = """warm_start : bool, default=False
        Whether to start from the coefficients of the previous fit, if their shape is the same.
    random_state : int, RandomState instance or None, default=None
        Draws the rows."""
ATTRIBUTES = """certificate_ : Certificate
        How far the fit can be from the optimum, in units of the objective: the duality gap, scope
        "global"; with `alpha=0` the norm of the gradient, scope "stationary".
    history_ : dict of ndarray
        "objective", "certificate", "seconds" and "passes" (over the data, those for certificates
        included) at each certificate: every ten passes at most, and where the fit may stop.
    n_iter_ : int
        Number of passes, those for certificates not counted.
    solver_ : str
        The solver that ran.
    rate_ : dict
        The solver's row of the rate table: "row", the expression; "n"; "kappa", the condition
        number; "passes_per_e", the passes that it gives for a factor e in the gap.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names."""
CLASSIFIER_ATTRIBUTES = f"""classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts b; zero if `fit_intercept=False`.
    {ATTRIBUTES}"""
REGRESSOR_ATTRIBUTES = f"""coef_ : ndarray of shape (n_features,)
        float32 if X was, else float64.
    intercept_ : float
        The intercept b; zero if `fit_intercept=False`.
    {ATTRIBUTES}"""
OBJECTIVE = r"""It minimises

    .. math:: \frac{\sum_i s_i\, \ell(y_i, x_i^T w + b)}{\sum_i s_i} + \alpha \Bigl[
              \rho \|w\|_1 + \frac{1 - \rho}{2} \|w\|^2 \Bigr]

    with sample weights s, :math:`\rho` = `l1_ratio` and a free intercept b. The fit stops when a
    duality gap proves that it is within `tol` of the optimum."""
SOLVER = """solver : {"auto", "sag", "saga", "svrg", "sdca", "miso", "katyusha", "point-saga", \
            "catalyst"}, default="auto"
        The algorithm. One that cannot take the loss or the penalty is refused by `fit`, with
        the names of those that can.

        - "auto": the fastest for the loss, the penalty and the shape of the data, as measured.
        - "sag", "saga", "svrg": stochastic gradients, corrected by a table of old ones or a
          snapshot. Smooth losses; SAG with the L2 penalty only.
        - "sdca": ascent in one dual variable at a time, without a step size. Any loss; needs an
          L2 part of the penalty.
        - "miso": the same with short steps; smooth losses.
        - "katyusha", "point-saga", "catalyst": accelerated, for condition numbers well above n.
          "katyusha" costs all columns a step, also on sparse rows. "point-saga" takes any loss
          and the L2 penalty only. "catalyst" runs SDCA on regularised problems: any loss and
          penalty.
    """
NOTES = """All arithmetic is in float64; float32 data are read as they are, without a copy.

    The intercept is a column like the others, of the rows' mean length and without a penalty; in
    the dual it is a constraint, which SDCA, MISO and Catalyst handle by an augmented Lagrangian."""
REFERENCES = """M. Schmidt, N. Le Roux and F. Bach, "Minimizing finite sums with the stochastic
    average gradient", Mathematical Programming 162 (2017).

    A. Defazio, F. Bach and S. Lacoste-Julien, "SAGA: a fast incremental gradient method with
    support for non-strongly convex composite objectives", NIPS 2014.

    R. Leblond, F. Pedregosa and S. Lacoste-Julien, "ASAGA: asynchronous parallel SAGA",
    AISTATS 2017: the sparse form.

    R. Johnson and T. Zhang, "Accelerating stochastic gradient descent using predictive variance
    reduction", NIPS 2013.

    S. Shalev-Shwartz and T. Zhang, "Stochastic dual coordinate ascent methods for regularized loss
    minimization", JMLR 14 (2013)."""
MORE_REFERENCES = """

    H. Lin, J. Mairal and Z. Harchaoui, "A universal Catalyst for first-order optimization",
    NIPS 2015: also MISO with a penalty.

    D. Kovalev, S. Horváth and P. Richtárik, "Don't jump through hoops and remove those loops",
    ALT 2020: loopless Katyusha.

    A. Defazio, "A simple practical accelerated method for finite sums", NIPS 2016: Point-SAGA."""

# Of the estimators that are named after their solver: what it does, the losses that it takes (of
# classification and of regression), notes.
SMOOTH_LOSSES = '"log_loss", "squared_hinge", "smooth_hinge"', '"squared_error", "huber"'
SAGA_NOTES = """Smooth losses, any penalty. The step size is 1/(2L), L the largest Lipschitz
    constant of a row; the paper proves 1/(3L) for independent draws."""
SVRG_NOTES = """Smooth losses, any penalty. A snapshot is taken every two passes, and is a pass
    itself; the duality gap there is almost free."""
SDCA_NOTES = """Any loss; needs an L2 part of the penalty. There is no step size: each step
    maximises the dual exactly in its coordinate (for the log-loss, by Newton steps in a
    bracket)."""
NAMED = {
    "SAGA": ("gradients corrected by a table of old ones", SMOOTH_LOSSES, SAGA_NOTES),
    "SVRG": ("gradients corrected by those at a snapshot", SMOOTH_LOSSES, SVRG_NOTES),
    "SDCA": (
        "ascent in one dual variable at a time",
        (f'{SMOOTH_LOSSES[0]}, "hinge"', f'{SMOOTH_LOSSES[1]}, "epsilon_insensitive"'),
        SDCA_NOTES,
    ),
}


def _other_solvers(name, kind):
    """The lines of See Also."""
    others = [f"{other}{kind} : {other} instead." for other in NAMED if other != name]
    return "\n    ".join([f"FiniteSum{kind} : All solvers.", *others])


def named_classifier(name):
    """The docstring of the classifier that is named after a solver."""
    title, (losses, _), notes = NAMED[name]
    return rf"""Linear classification by {name}: {title}.

    It is :class:`FiniteSumClassifier` with `solver="{name.lower()}"`. {OBJECTIVE}

    Parameters
    ----------
    loss : {{{losses}}}, default="log_loss"
        The loss of a row, as in :class:`FiniteSumClassifier`.
    {PARAMETERS}{CLASS_WEIGHT}{LAST_PARAMETERS}

    Attributes
    ----------
    {CLASSIFIER_ATTRIBUTES}

    See Also
    --------
    {_other_solvers(name, "Classifier")}

    Notes
    -----
    {notes}

    {NOTES}

    References
    ----------
    {REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_optland.linear_model import {name}Classifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> model = {name}Classifier(alpha=1e-3, random_state=0).fit(X, y)
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """


def named_regressor(name):
    """The docstring of the regressor that is named after a solver."""
    title, (_, losses), notes = NAMED[name]
    bent = '"huber" and "epsilon_insensitive" bend' if "epsilon" in losses else '"huber" bends'
    return rf"""Linear regression by {name}: {title}.

    It is :class:`FiniteSumRegressor` with `solver="{name.lower()}"`. {OBJECTIVE}

    Parameters
    ----------
    loss : {{{losses}}}, default="squared_error"
        The loss of a row, as in :class:`FiniteSumRegressor`.
    epsilon : float, default=1.35
        Where {bent}, in units of y.
    {PARAMETERS}{LAST_PARAMETERS}

    Attributes
    ----------
    {REGRESSOR_ATTRIBUTES}

    See Also
    --------
    {_other_solvers(name, "Regressor")}

    Notes
    -----
    {notes}

    {NOTES}

    References
    ----------
    {REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_optland.linear_model import {name}Regressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = {name}Regressor(alpha=1e-3, random_state=0).fit(X, y)
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """
