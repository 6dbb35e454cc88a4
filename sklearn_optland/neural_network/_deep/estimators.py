"""Deep nets trained by splitting, and by its form on the feasible set."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from sklearn_optland._estimator.base import fit_context
from sklearn_optland._estimator.dask_rows import (
    classification_rows_of,
    regression_rows_of,
)
from sklearn_optland._estimator.training_rows import targets_and_weights
from sklearn_optland._estimator.typing import ClassWeight, ColumnLike, MatrixLike, RandomState
from sklearn_optland._net.batches import classification_batch, regression_batch
from sklearn_optland._net.forward import LossKind
from sklearn_optland._net.predictions import (
    NetworkClassifier,
    NetworkRegressor,
    class_columns,
    n_class_outputs,
)
from sklearn_optland.neural_network._deep import streaming
from sklearn_optland.neural_network._deep.base import ADMMNet


def _is_feasible(estimator):
    if estimator.solver != "feasible":
        raise AttributeError(f"partial_fit needs solver='feasible', not {estimator.solver!r}")
    return True


class ADMMNetClassifier(NetworkClassifier, ClassifierMixin, ADMMNet):
    r"""Deep net for classification, trained by splitting methods.

    With the net's scores f, one logit for two classes and a softmax for more, or a logit for each
    column of an indicator matrix, it minimises

    .. math:: \frac{\sum_i s_i\, \ell(y_i, f(x_i))}{\sum_i s_i}
              + \frac{\alpha}{2} \sum_l \|W_l\|^2, \qquad f(x) = \sigma(\cdots \sigma(x W_1
              + b_1) \cdots) W_L + b_L,

    :math:`\ell` being the log-loss, with sample weights s and free biases b, for columns that are
    standardised inside.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer. Empty: a linear model.
    activation : {"logistic", "tanh", "relu"}, default="relu"
        Of the hidden layers. "admm" asks for "logistic", "taylor" and "bcd" for "relu", "emsa" for
        "logistic" or "tanh".
    solver : {"feasible", "admm", "taylor", "bcd", "emsa"}, default="feasible"
        The algorithm.

        - "feasible": ADMM's metric on its feasible set, accelerated by L-BFGS. It is not the
          paper's Algorithm 1, but what works.
        - "admm": Algorithm 1, with hidden layers' blocks by one step on a safe majorizer.
        - "taylor": splitting of products and activations, with multipliers of the output only.
        - "bcd": the same without multipliers, proximal.
        - "emsa": Pontryagin's maximum principle. A sweep is a pass forward, one backward, and for
          each layer ten steps of L-BFGS on its augmented Hamiltonian. The objective falls with
          each sweep.

        "admm", "taylor" and "bcd" split, are fast for some sweeps and then oscillate; the net with
        the lowest objective on the way is returned.
    metric : {"auto", "gram", "identity"}, default="auto"
        Of "feasible": the Gram matrix of each layer's inputs, or none. "auto" takes none for
        layers with more than 2000 inputs, where a Gram costs more than it saves.
    alpha : float or "auto", default="auto"
        Strength of the penalty. It is not divided by the number of rows, as `MLPRegressor`'s is.
        "auto" goes from 0.03 down in steps of a half power of ten, and chooses by rows that folds
        of the training rows hold out, see Notes; with `early_stopping` it is 1e-3.
    scale_inputs : bool, default=True
        Whether the penalty is that of the net for standardised columns and targets. Then offsets
        and units of the data change nothing. Without it the penalty is that of `coefs_`.
    rho : float or array-like of shape (n_layers - 1,), default=None
        Strength of the splitting solvers' couplings, the β of the papers; one for each layer with
        weights, or the same for all. None is 0.1 for "admm", the least bad in our measurements,
        and 1 for the others. Of "emsa" it is the first strength of the augmented Hamiltonian's
        terms: it doubles where a sweep would raise the objective, which is done again, and falls by
        a fifth after each sweep.
    tol : float, default=1e-3
        The fit stops when the relative KKT residual is at most `tol`: the largest of the layers'

        .. math:: \frac{\|H_l^T D_l + \alpha W_l\|}{\|H_l\| \|D_l\| + \alpha \|W_l\|}
                  \cdot \frac{\|D_L\|}{\|D_0\|},

        with a layer's inputs H, the adjoints D, and the output residuals D_0 of a constant
        prediction. Unlike the gradient it is not small on the plateaus of deep nets. With
        `early_stopping` the held-out rows alone say when to stop.
    max_iter : int, default=1000
        The most iterations: steps of "feasible", sweeps of the others.
    early_stopping : bool, default=False
        Whether to hold out rows, to stop when the loss on them has not fallen for
        `n_iter_no_change` iterations, and to return the net that had the lowest.
    validation_fraction : float, default=0.1
        Share of the rows that `early_stopping` holds out.
    n_iter_no_change : int, default=100
        Patience of `early_stopping`. The loss on held-out rows often rises for some tens of
        iterations before it falls on.
    init : "glorot", float or tuple of (coefs, intercepts), default="glorot"
        Where to start: uniform draws with the bounds of scikit-learn's MLP, those times a factor,
        or given arrays.
    warm_start : bool, default=False
        Whether to start from the net of the previous fit, unless columns, classes or layers have
        changed.
    random_state : int, RandomState instance or None, default=None
        Draws the start and the held-out rows.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    alpha_ : float
        Strength of the penalty.
    alphas_, alpha_losses_ : ndarray of shape (n_alphas,)
        The strengths that "auto" has tried, and the mean losses of held-out rows. Empty if none
        were.
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer; float32 if X was, else float64.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
    certificate_ : Certificate
        The relative KKT residual, as `tol` has it, scope "stationary". Of a regression without
        hidden layers, the gap to the optimum in units of the objective, scope "global". It has no
        tolerance with `early_stopping`.
    kkt_residuals_ : dict of ndarray
        Norms of the eight lines of the KKT system at each iteration, in units of standardised
        targets: "W_1", "W_i", "W_l" for the weights of the first, the middle and the last layer,
        "V_i", "V_l-1", "V_l" for the layers' outputs, "constraint_i" and "constraint_l". On the
        feasible set all but the first three are 0.
    history_ : dict of ndarray
        "objective", "certificate", "passes" (over the data), "seconds", and with `early_stopping`
        "validation_loss", at each iteration. Of "admm", also "lagrangian".
    validation_scores_ : list of float or None
        With `early_stopping` the R² or accuracy of the held-out rows at each iteration.
    best_validation_score_ : float or None
        The largest of them.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        The objective at each iteration.
    loss_ : float
        The objective of the net that is returned, on the rows that were not held out.
    n_iter_ : int
        Number of iterations.
    n_layers_ : int
        Number of layers, inputs and outputs counted.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Activation of the output layer, as `MLPClassifier` names it.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    ADMMNetRegressor : The same for regression.
    sklearn.neural_network.MLPClassifier : Stochastic gradients or L-BFGS without a metric.

    Notes
    -----
    The W line of the KKT system is all that is left when V is the forward pass and the
    multipliers its exact adjoint. "feasible" moves on that set, in the metric of ADMM's W step,
    (HᵀH + δI)⁻¹ with the layer's inputs H: a Gram-preconditioned L-BFGS, close to one-sided K-FAC.
    Grams G are taken every 5 iterations; δ, relative to abs(G)² / tr(G), starts at 0.2 and falls
    tenfold, to 1e-8 at least, when 5 iterations have brought less than a tenth. The penalty of nets
    with three or more hidden layers waits until their plateau is left.

    `alpha="auto"` fits nets of at most 32 units a layer by "feasible", 100 iterations at most, to
    three folds of the rows, of more than 1500 to fewer folds, of at most 20 000 rows, and takes the
    strongest penalty whose loss on held-out rows is within half a standard error of the lowest. The
    folds are drawn by `random_state`, so that a row of weight two is not quite two rows. The net
    itself is then fitted to all rows.

    Columns and targets are standardised inside, and `coefs_` and `intercepts_` are for the data as
    they are. With `scale_inputs` the objective is that of the standardised data times the targets'
    variance, so that it has the units of the squared targets; several targets share their unit, the
    root of their mean variance. Columns that vary by less than 1e-12 of their mean are constant.
    CSR is not centred, and its columns share one divisor, the root mean square of what is stored.
    Without `scale_inputs` columns are standardised inside only if a mean or standard deviation is
    beyond 10, and the penalty stays that of `coefs_`.

    float32 data are computed in float32. Of float64 data "feasible" computes the first iterations
    in float32 too, on a copy, unless the net is deep, the data small or a memory map; the net that
    is returned is judged in float64.

    References
    ----------
    J. Zeng, S. Ouyang, T. T.-K. Lau, S. Lin and Y. Yao, "Global convergence in deep
    learning with variable splitting via the Kurdyka-Łojasiewicz property", 2018; J. Zeng, T. T.-K.
    Lau, S. Lin and Y. Yao, "Global convergence of block coordinate descent in deep learning",
    ICML 2019: "bcd".

    J. Zeng, S.-B. Lin, Y. Yao and D.-X. Zhou, "On ADMM in deep learning: convergence and
    saturation-avoidance", JMLR 22 (2021): "admm".

    G. Taylor, R. Burmeister, Z. Xu, B. Singh, A. Patel and T. Goldstein, "Training neural networks
    without gradients: a scalable ADMM approach", ICML 2016: "taylor".

    Q. Li, L. Chen, C. Tai and W. E, "Maximum principle based algorithms for deep learning", JMLR 18
    (2018): "emsa".

    J. Martens and R. Grosse, "Optimizing neural networks with Kronecker-factored approximate
    curvature", ICML 2015: K-FAC.

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
        **ADMMNet._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: ArrayLike = (100,),
        activation: Literal["relu", "logistic", "tanh"] = "relu",
        *,
        solver: Literal["feasible", "admm", "bcd", "taylor", "emsa"] = "feasible",
        metric: Literal["auto", "gram", "identity"] = "auto",
        alpha: Literal["auto"] | float = "auto",
        scale_inputs: bool = True,
        rho: ArrayLike | None = None,
        tol: float = 1e-3,
        max_iter: int = 1000,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 100,
        init: Literal["glorot"] | float | Sequence[Any] = "glorot",
        warm_start: bool = False,
        random_state: RandomState = None,
        class_weight: ClassWeight = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation,
            solver=solver,
            metric=metric,
            alpha=alpha,
            scale_inputs=scale_inputs,
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

    @fit_context
    def fit(self, X: MatrixLike, y: ColumnLike, sample_weight: ColumnLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Training data. Memory maps in C order are read a block at a time.
            Or a dask array or dataframe, whose rows stay with their workers, or
            :class:`~sklearn_optland.utils.RowBlocks`; then y and sample_weight are of that kind.
        y : array-like of shape (n_samples,), or (n_samples, n_classes)
            Class labels, of at least two classes; or the indicator matrix of rows with any number
            of labels, in memory, each a logit of its own.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights s. Default: all 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data have fewer than two classes, no weight, or missing or infinite values; or if
            parameters do not fit each other.
        """
        takes = {"accept_sparse": True, "in_memory": {"multi_label": True}}
        rows = classification_rows_of(self, X, y, sample_weight, **takes)
        columns, fitted = class_columns(rows, np.float32)
        kind = LossKind(True, rows.is_multilabel)
        self._solve(rows, columns, n_class_outputs(rows), kind, fitted)
        return self

    @available_if(_is_feasible)
    @fit_context
    def partial_fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Take a step on each mini-batch of 200 rows, in their order.

        Only for `solver="feasible"`. It goes on from the net of `fit` or of the last call. Units of
        the columns are medians over the latest 25 calls, of a `fit` all 25, so that an odd batch
        changes little. If they turn out to be more than ten times wider, the first calls were odd,
        and the net is drawn anew. `alpha="auto"` is 1e-3, or what the fit before has chosen.

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
        self : object
            The fitted estimator.
        """
        takes = {"is_first": self._stream is None, "accept_sparse": True}
        X, Y, c, fitted = classification_batch(self, X, y, classes, sample_weight, **takes)
        kind = LossKind(True, fitted["_indicator_dtype"] is not None)
        return streaming.partial_fit(self, kind, X, Y, c, fitted)


class ADMMNetRegressor(NetworkRegressor, RegressorMixin, ADMMNet):
    r"""Deep net for regression, trained by splitting methods.

    It minimises

    .. math:: \frac{\sum_i s_i\, \tfrac12 \|y_i - f(x_i)\|^2}{\sum_i s_i}
              + \frac{\alpha}{2} \sum_l \|W_l\|^2, \qquad f(x) = \sigma(\cdots \sigma(x W_1
              + b_1) \cdots) W_L + b_L,

    with sample weights s and free biases b, for one or several outputs, and for columns and targets
    that are standardised inside.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer. Empty: a linear model.
    activation : {"logistic", "tanh", "relu"}, default="relu"
        Of the hidden layers. "admm" asks for "logistic", "taylor" and "bcd" for "relu", "emsa" for
        "logistic" or "tanh".
    solver : {"feasible", "admm", "taylor", "bcd", "emsa"}, default="feasible"
        The algorithm.

        - "feasible": ADMM's metric on its feasible set, accelerated by L-BFGS. It is not the
          paper's Algorithm 1, but what works.
        - "admm": Algorithm 1, with hidden layers' blocks by one step on a safe majorizer.
        - "taylor": splitting of products and activations, with multipliers of the output only.
        - "bcd": the same without multipliers, proximal.
        - "emsa": Pontryagin's maximum principle. A sweep is a pass forward, one backward, and for
          each layer ten steps of L-BFGS on its augmented Hamiltonian. The objective falls with
          each sweep.

        "admm", "taylor" and "bcd" split, are fast for some sweeps and then oscillate; the net with
        the lowest objective on the way is returned.
    metric : {"auto", "gram", "identity"}, default="auto"
        Of "feasible": the Gram matrix of each layer's inputs, or none. "auto" takes none for
        layers with more than 2000 inputs, where a Gram costs more than it saves.
    alpha : float or "auto", default="auto"
        Strength of the penalty. It is not divided by the number of rows, as `MLPRegressor`'s is.
        "auto" goes from 0.03 down in steps of a half power of ten, and chooses by rows that folds
        of the training rows hold out, see Notes; with `early_stopping` it is 1e-3.
    scale_inputs : bool, default=True
        Whether the penalty is that of the net for standardised columns and targets. Then offsets
        and units of the data change nothing. Without it the penalty is that of `coefs_`.
    rho : float or array-like of shape (n_layers - 1,), default=None
        Strength of the splitting solvers' couplings, the β of the papers; one for each layer with
        weights, or the same for all. None is 0.1 for "admm", the least bad in our measurements,
        and 1 for the others. Of "emsa" it is the first strength of the augmented Hamiltonian's
        terms: it doubles where a sweep would raise the objective, which is done again, and falls by
        a fifth after each sweep.
    tol : float, default=1e-3
        The fit stops when the relative KKT residual is at most `tol`: the largest of the layers'

        .. math:: \frac{\|H_l^T D_l + \alpha W_l\|}{\|H_l\| \|D_l\| + \alpha \|W_l\|}
                  \cdot \frac{\|D_L\|}{\|D_0\|},

        with a layer's inputs H, the adjoints D, and the output residuals D_0 of a constant
        prediction. Unlike the gradient it is not small on the plateaus of deep nets. With
        `early_stopping` the held-out rows alone say when to stop.
    max_iter : int, default=1000
        The most iterations: steps of "feasible", sweeps of the others.
    early_stopping : bool, default=False
        Whether to hold out rows, to stop when the loss on them has not fallen for
        `n_iter_no_change` iterations, and to return the net that had the lowest.
    validation_fraction : float, default=0.1
        Share of the rows that `early_stopping` holds out.
    n_iter_no_change : int, default=100
        Patience of `early_stopping`. The loss on held-out rows often rises for some tens of
        iterations before it falls on.
    init : "glorot", float or tuple of (coefs, intercepts), default="glorot"
        Where to start: uniform draws with the bounds of scikit-learn's MLP, those times a factor,
        or given arrays.
    warm_start : bool, default=False
        Whether to start from the net of the previous fit, unless columns, classes or layers have
        changed.
    random_state : int, RandomState instance or None, default=None
        Draws the start and the held-out rows.

    Attributes
    ----------
    alpha_ : float
        Strength of the penalty.
    alphas_, alpha_losses_ : ndarray of shape (n_alphas,)
        The strengths that "auto" has tried, and the mean losses of held-out rows. Empty if none
        were.
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer; float32 if X was, else float64.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
    certificate_ : Certificate
        The relative KKT residual, as `tol` has it, scope "stationary". Of a regression without
        hidden layers, the gap to the optimum in units of the objective, scope "global". It has no
        tolerance with `early_stopping`.
    kkt_residuals_ : dict of ndarray
        Norms of the eight lines of the KKT system at each iteration, in units of standardised
        targets: "W_1", "W_i", "W_l" for the weights of the first, the middle and the last layer,
        "V_i", "V_l-1", "V_l" for the layers' outputs, "constraint_i" and "constraint_l". On the
        feasible set all but the first three are 0.
    history_ : dict of ndarray
        "objective", "certificate", "passes" (over the data), "seconds", and with `early_stopping`
        "validation_loss", at each iteration. Of "admm", also "lagrangian".
    validation_scores_ : list of float or None
        With `early_stopping` the R² or accuracy of the held-out rows at each iteration.
    best_validation_score_ : float or None
        The largest of them.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        The objective at each iteration.
    loss_ : float
        The objective of the net that is returned, on the rows that were not held out.
    n_iter_ : int
        Number of iterations.
    n_layers_ : int
        Number of layers, inputs and outputs counted.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Activation of the output layer, as `MLPClassifier` names it.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    ADMMNetClassifier : The same for classification.
    convergence_conditions : For which parameters Algorithm 1 is proven to converge.
    sklearn.neural_network.MLPRegressor : Stochastic gradients or L-BFGS without a metric.

    Notes
    -----
    The W line of the KKT system is all that is left when V is the forward pass and the
    multipliers its exact adjoint. "feasible" moves on that set, in the metric of ADMM's W step,
    (HᵀH + δI)⁻¹ with the layer's inputs H: a Gram-preconditioned L-BFGS, close to one-sided K-FAC.
    Grams G are taken every 5 iterations; δ, relative to abs(G)² / tr(G), starts at 0.2 and falls
    tenfold, to 1e-8 at least, when 5 iterations have brought less than a tenth. The penalty of nets
    with three or more hidden layers waits until their plateau is left.

    `alpha="auto"` fits nets of at most 32 units a layer by "feasible", 100 iterations at most, to
    three folds of the rows, of more than 1500 to fewer folds, of at most 20 000 rows, and takes the
    strongest penalty whose loss on held-out rows is within half a standard error of the lowest. The
    folds are drawn by `random_state`, so that a row of weight two is not quite two rows. The net
    itself is then fitted to all rows.

    Columns and targets are standardised inside, and `coefs_` and `intercepts_` are for the data as
    they are. With `scale_inputs` the objective is that of the standardised data times the targets'
    variance, so that it has the units of the squared targets; several targets share their unit, the
    root of their mean variance. Columns that vary by less than 1e-12 of their mean are constant.
    CSR is not centred, and its columns share one divisor, the root mean square of what is stored.
    Without `scale_inputs` columns are standardised inside only if a mean or standard deviation is
    beyond 10, and the penalty stays that of `coefs_`.

    float32 data are computed in float32. Of float64 data "feasible" computes the first iterations
    in float32 too, on a copy, unless the net is deep, the data small or a memory map; the net that
    is returned is judged in float64.

    References
    ----------
    J. Zeng, S. Ouyang, T. T.-K. Lau, S. Lin and Y. Yao, "Global convergence in deep
    learning with variable splitting via the Kurdyka-Łojasiewicz property", 2018; J. Zeng, T. T.-K.
    Lau, S. Lin and Y. Yao, "Global convergence of block coordinate descent in deep learning",
    ICML 2019: "bcd".

    J. Zeng, S.-B. Lin, Y. Yao and D.-X. Zhou, "On ADMM in deep learning: convergence and
    saturation-avoidance", JMLR 22 (2021): "admm".

    G. Taylor, R. Burmeister, Z. Xu, B. Singh, A. Patel and T. Goldstein, "Training neural networks
    without gradients: a scalable ADMM approach", ICML 2016: "taylor".

    Q. Li, L. Chen, C. Tai and W. E, "Maximum principle based algorithms for deep learning", JMLR 18
    (2018): "emsa".

    J. Martens and R. Grosse, "Optimizing neural networks with Kronecker-factored approximate
    curvature", ICML 2015: K-FAC.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_optland.neural_network import ADMMNetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = ADMMNetRegressor((20,), alpha=0.03, random_state=0)
    >>> net.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.4
    True
    """

    @fit_context
    def fit(self, X: MatrixLike, y: ColumnLike, sample_weight: ColumnLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Training data. Memory maps in C order are read a block at a time.
            Or a dask array or dataframe, whose rows stay with their workers, or
            :class:`~sklearn_optland.utils.RowBlocks`; then y and sample_weight are of that kind.
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
        takes = {"accept_sparse": True, "multi_output": True}
        rows = regression_rows_of(self, X, y, sample_weight, **takes)
        fitted = {"out_activation_": "identity", "_y_is_1d": rows.y_is_1d}
        columns = partial(targets_and_weights, dtype=rows.dtype, total=rows.total_weight)
        self._solve(rows, columns, rows.n_outputs, LossKind(False), fitted)
        return self

    @available_if(_is_feasible)
    @fit_context
    def partial_fit(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Take a step on each mini-batch of 200 rows, in their order.

        Only for `solver="feasible"`. It goes on from the net of `fit` or of the last call. Units of
        columns and targets are medians over the latest 25 calls, of a `fit` all 25, so that an odd
        batch changes little. If columns turn out to be more than ten times wider, or targets of
        another size, the first calls were odd, and the net is drawn anew. `alpha="auto"` is 1e-3,
        or what the fit before has chosen.

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
        self : object
            The fitted estimator.
        """
        takes = {"is_first": self._stream is None, "accept_sparse": True}
        X, Y, c, fitted = regression_batch(self, X, y, sample_weight, **takes)
        return streaming.partial_fit(self, LossKind(False), X, Y, c, fitted)
