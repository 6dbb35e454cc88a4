"""Wide two-layer ReLU nets, trained as measures."""

from functools import partial
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from sklearn_optland._estimator.base import fit_context
from sklearn_optland._estimator.dask_rows import classification_rows_of, regression_rows_of
from sklearn_optland._estimator.training_rows import targets_and_weights
from sklearn_optland._estimator.typing import ClassWeight, ColumnLike, MatrixLike, RandomState
from sklearn_optland._net.batches import classification_batch, regression_batch
from sklearn_optland._net.predictions import (
    NetworkClassifier,
    NetworkRegressor,
    class_columns,
    n_class_outputs,
)
from sklearn_optland.neural_network._mean_field import streaming
from sklearn_optland.neural_network._mean_field.base import MARGIN_ASCENT, MeanFieldNet


def _is_stochastic(estimator):
    if estimator.solver != "flow":
        raise AttributeError(f"partial_fit needs solver='flow', not {estimator.solver!r}")
    return True


class MeanFieldTwoLayerNet(NetworkRegressor, RegressorMixin, MeanFieldNet):
    r"""Wide two-layer ReLU net for regression, trained as a measure.

    `MeanFieldTwoLayerNetRegressor` is the same class.

    A net with neurons, or particles, :math:`(a_j, b_j)`,

    .. math:: f(x) = o + \sum_j a_j \max(b_j^T [x, 1], 0),

    is fitted to

    .. math:: \frac{\sum_i s_i\, \ell(y_i, f(x_i))}{\sum_i s_i}
              + \alpha \sum_j \|a_j\| \|b_j\|

    with sample weights s. The penalty is the variation norm; over rescalings of a particle it is
    the least value of half the squares of both layers' weights, biases included. The output
    intercept o is free. The problem is convex in the measure that the particles make up, and so
    has a dual: `certificate_` is a duality gap, proven where the maximum of the first variation
    over the unit sphere is, that is for data of up to three dimensions, the bias feature
    included.

    The loss is half the squared error, summed over outputs.

    Parameters
    ----------
    n_particles : int, default=100
        Number of hidden neurons. "sliding-frank-wolfe" starts with none and finds its own.
    alpha : float or "auto", default="auto"
        Strength of the penalty. With `scale_inputs` the best is mostly between 1e-5 and 0.1. Not
        used by "margin-ascent". "auto" goes from 0.03 down in steps of a half power of ten, and
        chooses by rows that folds of the training rows hold out, see Notes; with `early_stopping`
        and in `partial_fit` it is 1e-3, or what the fit before has chosen.
    solver : {"particles", "flow", "conic", "sliding-frank-wolfe"}, default="particles"
        The algorithm.

        - "particles": L-BFGS on all particles. The fastest, and the best on test data.
        - "flow": the Wasserstein gradient flow of Chizat and Bach (2018), discretised: gradient
          steps on the net scaled by 1/m, from a start spread over the sphere in pairs of opposite
          sign, each shortened until it brings half of what a tangent promises at the highest of
          the last five values.
        - "conic": multiplicative steps of the masses, gradient steps on the sphere of the
          directions (Chizat 2019).
        - "sliding-frank-wolfe": adds particles where the certificate is violated, lets all slide
          by L-BFGS, solves for their masses, drops those without. Sparse nets, small gaps.
    regime : {"feature", "kernel"}, default="feature"
        "feature": both layers learn. "kernel": the hidden layer stays as it was drawn, uniformly
        on the sphere; the penalty is half the squared norm of the random features' Hilbert space,
        m/2 times the sum of squares of the output weights. Solved by L-BFGS in the metric of the
        features' Gram matrix, whatever their number; needs `solver="particles"`.
    activation : {"relu", "square"}, default="relu"
        Of the hidden neurons; the theory needs its homogeneity. "square" makes the quadratic nets
        of Notes, with certificates in many dimensions. It needs the feature regime
        and the solver "particles" or "sliding-frank-wolfe", which then are one algorithm, that
        finds its own neurons.
    fit_intercept : bool, default=True
        Whether hidden neurons have biases, which the penalty takes as weights of a feature 1, and
        the output an intercept.
    scale_inputs : bool, default=True
        Whether the penalty is that of the net for standardised columns and targets. Then offsets
        and units of the data change nothing. Without it the penalty is that of `coefs_`.
    noise : float, default=0.0
        Temperature of Langevin noise in "flow". With noise it makes all `max_iter` steps.
    batch_size : "auto" or int, default="auto"
        Rows of a mini-batch in `partial_fit`. "auto" is 200.
    max_iter : int, default=1000
        The most steps; rounds of "sliding-frank-wolfe".
    tol : float, default=1e-4
        "sliding-frank-wolfe" and the kernel regime stop when the duality gap is at most `tol` times
        the objective, or nothing more is gained; the others when ten steps together bring less than
        that. 0 goes on until the steps are below the precision of the data's type.
    early_stopping : bool, default=False
        Whether to set rows aside, to stop when their loss falls no more, and to keep the net with
        the least.
    validation_fraction : float, default=0.1
        The share of rows that are set aside.
    n_iter_no_change : int, default=10
        With early stopping: looks at these rows, one every five steps, that may bring nothing.
    warm_start : bool, default=False
        Whether to start from the net of the last fit, unless columns, classes or the number of
        particles have changed.
    random_state : int, RandomState instance or None, default=None
        Draws the start, the rows set aside, and starts of the certificate's ascent.

    Attributes
    ----------
    coefs_ : list of two ndarrays
        b_j without bias weights, of shape (n_features, m), and a_j, of shape (m, n_outputs), in the
        layout of scikit-learn's MLP; float32 if X was, else float64. Each particle has
        :math:`\|a_j\| = \|b_j\|`; in the kernel regime :math:`\|b_j\| = 1`.
    intercepts_ : list of two ndarrays
        Bias weights of b_j, of shape (m,), and o, of shape (n_outputs,).
    n_particles_ : int
        Number of particles that have mass.
    interaction_matrix_ : ndarray of shape (n_features, n_features)
        With `activation="square"`: the symmetric matrix Q of f(x) = x'Qx + a linear part. Of
        several outputs a matrix each, of shape (n_outputs, n_features, n_features).
    alpha_ : float
        Strength of the penalty.
    alphas_, alpha_losses_ : ndarray of shape (n_alphas,)
        The strengths that "auto" has tried, and the mean losses of held-out rows. Empty if none
        were.
    variation_norm_ : float
        :math:`\sum_j \|a_j\| \|b_j\|`; with `scale_inputs` with b_j for standardised columns.
    first_variation_max_ : float
        Largest known norm of :math:`\sum_i c_i r_i \max(t^T [x_i, 1], 0)` over unit vectors t, c
        the weights that sum to 1 and r minus the derivatives of the loss. At an optimum it is
        `alpha_`. With `scale_inputs` that of standardised data. NaN without a penalty.
    certificate_ : Certificate
        The duality gap, in units of the objective: scope "global" where it is proven, else
        "estimate", because a maximum that was missed makes it larger. In the kernel regime it is
        proven for the features that were drawn. With `alpha=0` the norm of the gradient in the
        units of the solver, scope "stationary".
    history_ : dict of ndarray
        "objective", "certificate" (infinite where the solver did not look), "passes" (over the
        data) and "seconds" after each step; with early stopping "validation_loss".
    validation_scores_ : list of float or None
        With `early_stopping` the R² or accuracy of the rows set aside, at each look at them.
    best_validation_score_ : float or None
        The largest of them.
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
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    MeanFieldTwoLayerNetClassifier : The same for classification.
    conic_descent : The solver "conic" for feature maps of your own.

    Notes
    -----
    `alpha="auto"` fits nets of 32 particles to three folds of the rows, of more than 1500 to fewer
    folds, of at most 20 000 rows, and takes the strongest penalty whose loss on held-out rows is
    within half a standard error of the lowest. The folds are drawn by `random_state`, so that a row
    of weight two is not quite two rows. The net itself is then fitted to all rows.

    Columns and targets are standardised inside, and `coefs_` and `intercepts_` are for the data as
    they are. The objective with `scale_inputs` is that of standardised data times the targets'
    variance, so that objective and gap have the units of the squared targets. Several targets share
    their unit, the root of the sum of their variances. Columns that vary by less than 1e-12 of
    their mean are constant; without `fit_intercept` none are centred. CSR is not centred, and its
    columns share one divisor, the root mean square of what is stored: then offsets are not
    possible, and rare columns stay rare. Memory maps are standardised when a block is read.

    Without `scale_inputs` X and y are divided by their sizes alone, which the homogeneity of relu
    makes exact: units of the data change nothing if `alpha` has their proportion.

    With `activation="square"` the net is :math:`f(x) = o + \sum_j a_j (b_j^T [x, 1])^2`, each
    neuron for one output with :math:`a_j = \pm 1`, and the penalty :math:`\alpha \sum_j \|b_j\|^2`.
    That is a symmetric matrix :math:`\sum_j a_j b_j b_j^T` for each output, quadratic part, linear
    part and constant in one, with its nuclear norm as penalty: a convex factorization machine.
    The first variation's maximum is the largest eigenvalue of a matrix, hence gaps are proven with
    up to 639 columns; beyond, Lanczos' method may miss one, and the scope is "estimate". The solver
    adds eigenvectors where
    they violate the certificate, descends over the neurons by L-BFGS, up to 31 columns in a metric
    of the rows' fourth moments, and replaces the neurons by the matrix' eigenvectors
    (Haeffele and Vidal 2015). It computes in float64 whatever the data's type; `alpha` has the
    units of y over those of x squared.

    float32 data are computed in float32. Of float64 data of some size "particles" computes the
    first iterations in float32 too, on a copy, and ends in float64. Memory maps are read in blocks
    of rows by all solvers, but the certificate and "sliding-frank-wolfe" hold the rows once in
    memory.

    References
    ----------
    L. Chizat and F. Bach, "On the global convergence of gradient descent for
    over-parameterized models using optimal transport", NeurIPS 2018.

    L. Chizat, "Sparse optimization on measures with over-parameterized gradient descent",
    Mathematical Programming 194 (2022).

    L. Chizat and F. Bach, "Implicit bias of gradient descent for wide two-layer neural networks
    trained with the logistic loss", COLT 2020.

    F. Bach, "Breaking the curse of dimensionality with convex neural networks", JMLR 18 (2017).

    B. D. Haeffele and R. Vidal, "Global optimality in tensor factorization, deep learning, and
    beyond", arXiv:1506.07540 (2015).

    L. Venturi, A. S. Bandeira and J. Bruna, "Spurious valleys in one-hidden-layer neural network
    optimization landscapes", JMLR 20 (2019).

    Q. Denoyelle, V. Duval, G. Peyré and E. Soubies, "The sliding Frank-Wolfe algorithm and its
    application to super-resolution microscopy", Inverse Problems 36 (2020).

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

    @fit_context
    def fit(self, X: MatrixLike, y: ColumnLike, sample_weight: ColumnLike | None = None) -> Self:
        """Fit the net.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Training data. Dense, it may be
            a dask array or dataframe, whose rows stay with their workers, or
            :class:`~sklearn_optland.utils.RowBlocks`; then y and sample_weight are of that kind.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, not all zero. Default: all 1.

        Returns
        -------
        self : MeanFieldTwoLayerNet
            The fitted estimator.
        """
        takes = {"accept_sparse": True, "multi_output": True}
        rows = regression_rows_of(self, X, y, sample_weight, **takes)
        columns = partial(targets_and_weights, dtype=rows.dtype, total=rows.total_weight)
        extra = {"_y_is_1d": rows.y_is_1d, "out_activation_": "identity"}
        return self._fit(rows, columns, rows.n_outputs, extra)

    @available_if(_is_stochastic)
    @fit_context
    def partial_fit(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Take steps of the stochastic flow, one for each mini-batch.

        Only for `solver="flow"`. It goes on from the net of `fit`, whatever its solver was, or of
        the last call; the very first call takes the scales of data and targets from its rows.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
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
        batch = regression_batch(self, X, y, sample_weight, is_first=is_first, accept_sparse=True)
        return streaming.partial_fit(self, *batch)


# The same class by a name with the suffix.
MeanFieldTwoLayerNetRegressor = MeanFieldTwoLayerNet


class MeanFieldTwoLayerNetClassifier(NetworkClassifier, ClassifierMixin, MeanFieldNet):
    r"""Wide two-layer ReLU net for classification, trained as a measure.

    A net with neurons, or particles, :math:`(a_j, b_j)`,

    .. math:: f(x) = o + \sum_j a_j \max(b_j^T [x, 1], 0),

    is fitted to

    .. math:: \frac{\sum_i s_i\, \ell(y_i, f(x_i))}{\sum_i s_i}
              + \alpha \sum_j \|a_j\| \|b_j\|

    with sample weights s. The penalty is the variation norm; over rescalings of a particle it is
    the least value of half the squares of both layers' weights, biases included. The output
    intercept o is free. The problem is convex in the measure that the particles make up, and so
    has a dual: `certificate_` is a duality gap, proven where the maximum of the first variation
    over the unit sphere is, that is for data of up to three dimensions, the bias feature
    included.

    The loss is the log-loss: with two classes that of one score, with more that of a softmax.

    Parameters
    ----------
    n_particles : int, default=100
        Number of hidden neurons. "sliding-frank-wolfe" starts with none and finds its own.
    alpha : float or "auto", default="auto"
        Strength of the penalty. With `scale_inputs` the best is mostly between 1e-5 and 0.1. Not
        used by "margin-ascent". "auto" goes from 0.03 down in steps of a half power of ten, and
        chooses by rows that folds of the training rows hold out, see Notes; with `early_stopping`
        and in `partial_fit` it is 1e-3, or what the fit before has chosen.
    solver : {"particles", "flow", "conic", "sliding-frank-wolfe", "margin-ascent"}, default="particles"
        The algorithm.

        - "particles": L-BFGS on all particles. The fastest, and the best on test data.
        - "flow": the Wasserstein gradient flow of Chizat and Bach (2018), discretised: gradient
          steps on the net scaled by 1/m, from a start spread over the sphere in pairs of opposite
          sign, each shortened until it brings half of what a tangent promises at the highest of
          the last five values.
        - "conic": multiplicative steps of the masses, gradient steps on the sphere of the
          directions (Chizat 2019).
        - "sliding-frank-wolfe": adds particles where the certificate is violated, lets all slide
          by L-BFGS, solves for their masses, drops those without. Sparse nets, small gaps.
        - "margin-ascent": for two classes that a net separates. There is no penalty: it maximises
          the margin min y f of nets of norm 1, and bounds the best one (Chizat and Bach 2020).
    regime : {"feature", "kernel"}, default="feature"
        "feature": both layers learn. "kernel": the hidden layer stays as it was drawn, uniformly
        on the sphere; the penalty is half the squared norm of the random features' Hilbert space,
        m/2 times the sum of squares of the output weights. Solved by L-BFGS in the metric of the
        features' Gram matrix, whatever their number; needs `solver="particles"` or
        `"margin-ascent"`.
    activation : {"relu", "square"}, default="relu"
        Of the hidden neurons; the theory needs its homogeneity. "square" makes the quadratic nets
        of Notes, with certificates in many dimensions. It needs the feature regime
        and the solver "particles" or "sliding-frank-wolfe", which then are one algorithm, that
        finds its own neurons.
    fit_intercept : bool, default=True
        Whether hidden neurons have biases, which the penalty takes as weights of a feature 1, and
        the output an intercept.
    scale_inputs : bool, default=True
        Whether the penalty is that of the net for standardised columns and targets. Then offsets
        and units of the data change nothing. Without it the penalty is that of `coefs_`.
    noise : float, default=0.0
        Temperature of Langevin noise in "flow". With noise it makes all `max_iter` steps.
    batch_size : "auto" or int, default="auto"
        Rows of a mini-batch in `partial_fit`. "auto" is 200.
    max_iter : int, default=1000
        The most steps; rounds of "sliding-frank-wolfe".
    tol : float, default=1e-4
        "sliding-frank-wolfe" and the kernel regime stop when the duality gap is at most `tol` times
        the objective, or nothing more is gained; the others when ten steps together bring less than
        that, "margin-ascent" when the margin is that close to its bound. 0 goes on until the steps
        are below the precision of the data's type.
    early_stopping : bool, default=False
        Whether to set rows aside, to stop when their loss falls no more, and to keep the net with
        the least.
    validation_fraction : float, default=0.1
        The share of rows that are set aside.
    n_iter_no_change : int, default=10
        With early stopping: looks at these rows, one every five steps, that may bring nothing.
    warm_start : bool, default=False
        Whether to start from the net of the last fit, unless columns, classes or the number of
        particles have changed.
    random_state : int, RandomState instance or None, default=None
        Draws the start, the rows set aside, and starts of the certificate's ascent.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts). `partial_fit`, which sees a part of
        the rows only, takes a dict or None.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coefs_ : list of two ndarrays
        b_j without bias weights, of shape (n_features, m), and a_j, of shape (m, n_outputs), in the
        layout of scikit-learn's MLP; float32 if X was, else float64. Each particle has
        :math:`\|a_j\| = \|b_j\|`; in the kernel regime :math:`\|b_j\| = 1`.
    intercepts_ : list of two ndarrays
        Bias weights of b_j, of shape (m,), and o, of shape (n_outputs,).
    n_particles_ : int
        Number of particles that have mass.
    interaction_matrix_ : ndarray of shape (n_features, n_features)
        With `activation="square"`: the symmetric matrix Q of f(x) = x'Qx + a linear part. Of
        several outputs a matrix each, of shape (n_outputs, n_features, n_features).
    alpha_ : float
        Strength of the penalty.
    alphas_, alpha_losses_ : ndarray of shape (n_alphas,)
        The strengths that "auto" has tried, and the mean losses of held-out rows. Empty if none
        were.
    variation_norm_ : float
        :math:`\sum_j \|a_j\| \|b_j\|`; with `scale_inputs` with b_j for standardised columns.
    first_variation_max_ : float
        Largest known norm of :math:`\sum_i c_i r_i \max(t^T [x_i, 1], 0)` over unit vectors t, c
        the weights that sum to 1 and r minus the derivatives of the loss. At an optimum it is
        `alpha_`. With `scale_inputs` that of standardised data. NaN without a penalty.
    certificate_ : Certificate
        The duality gap, in units of the objective: scope "global" where it is proven, else
        "estimate", because a maximum that was missed makes it larger. In the kernel regime it is
        proven for the features that were drawn. With `alpha=0` the norm of the gradient in the
        units of the solver, scope "stationary".
    history_ : dict of ndarray
        "objective", "certificate" (infinite where the solver did not look), "passes" (over the
        data) and "seconds" after each step; with early stopping "validation_loss".
    validation_scores_ : list of float or None
        With `early_stopping` the R² or accuracy of the rows set aside, at each look at them.
    best_validation_score_ : float or None
        The largest of them.
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
        Names of features seen during `fit`, if X has string names.
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
    `alpha="auto"` fits nets of 32 particles to three folds of the rows, of more than 1500 to fewer
    folds, of at most 20 000 rows, and takes the strongest penalty whose loss on held-out rows is
    within half a standard error of the lowest. The folds are drawn by `random_state`, so that a row
    of weight two is not quite two rows. The net itself is then fitted to all rows.

    Columns and targets are standardised inside, and `coefs_` and `intercepts_` are for the data as
    they are. The objective with `scale_inputs` is that of standardised data times the targets'
    variance, so that objective and gap have the units of the squared targets. Several targets share
    their unit, the root of the sum of their variances. Columns that vary by less than 1e-12 of
    their mean are constant; without `fit_intercept` none are centred. CSR is not centred, and its
    columns share one divisor, the root mean square of what is stored: then offsets are not
    possible, and rare columns stay rare. Memory maps are standardised when a block is read.

    Without `scale_inputs` X and y are divided by their sizes alone, which the homogeneity of relu
    makes exact: units of the data change nothing if `alpha` has their proportion.

    With `activation="square"` the net is :math:`f(x) = o + \sum_j a_j (b_j^T [x, 1])^2`, each
    neuron for one output with :math:`a_j = \pm 1`, and the penalty :math:`\alpha \sum_j \|b_j\|^2`.
    That is a symmetric matrix :math:`\sum_j a_j b_j b_j^T` for each output, quadratic part, linear
    part and constant in one, with its nuclear norm as penalty: a convex factorization machine.
    The first variation's maximum is the largest eigenvalue of a matrix, hence gaps are proven with
    up to 639 columns; beyond, Lanczos' method may miss one, and the scope is "estimate". The solver
    adds eigenvectors where
    they violate the certificate, descends over the neurons by L-BFGS, up to 31 columns in a metric
    of the rows' fourth moments, and replaces the neurons by the matrix' eigenvectors
    (Haeffele and Vidal 2015). It computes in float64 whatever the data's type; `alpha` has the
    units of y over those of x squared.

    float32 data are computed in float32. Of float64 data of some size "particles" computes the
    first iterations in float32 too, on a copy, and ends in float64. Memory maps are read in blocks
    of rows by all solvers, but the certificate and "sliding-frank-wolfe" hold the rows once in
    memory.

    References
    ----------
    L. Chizat and F. Bach, "On the global convergence of gradient descent for
    over-parameterized models using optimal transport", NeurIPS 2018.

    L. Chizat, "Sparse optimization on measures with over-parameterized gradient descent",
    Mathematical Programming 194 (2022).

    L. Chizat and F. Bach, "Implicit bias of gradient descent for wide two-layer neural networks
    trained with the logistic loss", COLT 2020.

    F. Bach, "Breaking the curse of dimensionality with convex neural networks", JMLR 18 (2017).

    B. D. Haeffele and R. Vidal, "Global optimality in tensor factorization, deep learning, and
    beyond", arXiv:1506.07540 (2015).

    L. Venturi, A. S. Bandeira and J. Bruna, "Spurious valleys in one-hidden-layer neural network
    optimization landscapes", JMLR 20 (2019).

    Q. Denoyelle, V. Duval, G. Peyré and E. Soubies, "The sliding Frank-Wolfe algorithm and its
    application to super-resolution microscopy", Inverse Problems 36 (2020).

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
    """  # noqa: E501

    _is_log_loss = True

    _parameter_constraints = {
        **MeanFieldNet._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        n_particles: int = 100,
        *,
        alpha: Literal["auto"] | float = "auto",
        solver: Literal[
            "particles", "conic", "flow", "margin-ascent", "sliding-frank-wolfe"
        ] = "particles",
        regime: Literal["feature", "kernel"] = "feature",
        activation: Literal["relu", "square"] = "relu",
        fit_intercept: bool = True,
        scale_inputs: bool = True,
        noise: float = 0.0,
        batch_size: Literal["auto"] | int = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        random_state: RandomState = None,
        class_weight: ClassWeight = None,
    ) -> None:
        super().__init__(
            n_particles,
            alpha=alpha,
            solver=solver,
            regime=regime,
            activation=activation,
            fit_intercept=fit_intercept,
            scale_inputs=scale_inputs,
            noise=noise,
            batch_size=batch_size,
            max_iter=max_iter,
            tol=tol,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            random_state=random_state,
        )
        self.class_weight = class_weight

    @fit_context
    def fit(self, X: MatrixLike, y: ColumnLike, sample_weight: ColumnLike | None = None) -> Self:
        """Fit the net.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Training data; CSR not with `solver="margin-ascent"`. Dense, it may be
            a dask array or dataframe, whose rows stay with their workers, or
            :class:`~sklearn_optland.utils.RowBlocks`; then y and sample_weight are of that kind.
        y : array-like of shape (n_samples,), or (n_samples, n_classes)
            Class labels; or the indicator matrix of rows with any number of labels, in memory, each
            a logit of its own.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. Default: all 1.

        Returns
        -------
        self : MeanFieldTwoLayerNetClassifier
            The fitted estimator.
        """
        takes = {"accept_sparse": self._takes_sparse, "in_memory": {"multi_label": True}}
        rows = classification_rows_of(self, X, y, sample_weight, **takes)
        n_outputs = n_class_outputs(rows)
        if self.solver == MARGIN_ASCENT and n_outputs > 1:
            kind = "labels" if rows.is_multilabel else "classes"
            raise ValueError(
                f"y: found {n_outputs} {kind}; allowed with solver={MARGIN_ASCENT!r} are two "
                "classes."
            )
        self._is_multilabel = rows.is_multilabel
        columns, fitted = class_columns(rows, np.float64)
        return self._fit(rows, columns, n_outputs, fitted)

    @available_if(_is_stochastic)
    @fit_context
    def partial_fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Take steps of the stochastic flow, one for each mini-batch.

        Only for `solver="flow"`. It goes on from the net of `fit`, whatever its solver was, or of
        the last call; the very first call takes the scale of the data from its rows.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,), or (n_samples, n_classes)
            Class labels, or an indicator matrix.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come. Needed in the first call without a `fit`, but for an
            indicator matrix.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, not all zero. Default: all 1.

        Returns
        -------
        self : MeanFieldTwoLayerNetClassifier
            The fitted estimator.
        """
        is_first = getattr(self, "_flow", None) is None
        batch = classification_batch(
            self, X, y, classes, sample_weight, is_first=is_first, accept_sparse=True
        )
        self._is_multilabel = batch[-1]["_indicator_dtype"] is not None
        return streaming.partial_fit(self, *batch)
