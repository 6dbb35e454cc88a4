"""Wide two-layer ReLU nets, trained as measures."""

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from sklearn_optland._estimator.training_rows import (
    as_columns,
    as_targets,
    encode_classes,
    normalized,
    refuse_balanced,
    row_weights,
    times_class_weight,
)
from sklearn_optland._net.predictions import FLOATS, NetworkClassifier, NetworkRegressor
from sklearn_optland.neural_network._mean_field import docs
from sklearn_optland.neural_network._mean_field.base import MARGIN_ASCENT, MeanFieldNet


def _is_stochastic(estimator):
    if estimator.solver != "flow":
        raise AttributeError(f"partial_fit needs solver='flow', not {estimator.solver!r}")
    return True


class MeanFieldTwoLayerNet(NetworkRegressor, RegressorMixin, MeanFieldNet):
    __doc__ = rf"""Wide two-layer ReLU net for regression, trained as a measure.

    {docs.OBJECTIVE}

    The loss is half the squared error, summed over outputs.

    Parameters
    ----------
    {docs.PARAMETERS.format_map(dict.fromkeys(docs.MARGIN, ""))}

    Attributes
    ----------
    {docs.ATTRIBUTES}

    See Also
    --------
    MeanFieldTwoLayerNetClassifier : The same for classification.
    conic_descent : The solver "conic" for feature maps of your own.

    Notes
    -----
    {docs.NOTES}

    References
    ----------
    {docs.REFERENCES}

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


class MeanFieldTwoLayerNetClassifier(NetworkClassifier, ClassifierMixin, MeanFieldNet):
    __doc__ = rf"""Wide two-layer ReLU net for classification, trained as a measure.

    {docs.OBJECTIVE}

    The loss is the log-loss: with two classes that of one score, with more that of a softmax.

    Parameters
    ----------
    {docs.PARAMETERS.format_map(docs.MARGIN)}
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts). `partial_fit`, which sees a part of
        the rows only, takes a dict or None.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    {docs.ATTRIBUTES}
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
    {docs.NOTES}

    References
    ----------
    {docs.REFERENCES}

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

    _parameter_constraints = {
        **MeanFieldNet._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
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
        class_weight=None,
    ):
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
        classes, codes, c = encode_classes(y, row_weights(X, sample_weight), self.class_weight)
        Y = as_columns(codes, len(classes)).astype(np.float64)
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
        return self._fit(X, Y, c, codes, extra, metadata, y)

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
        refuse_balanced(self.class_weight)
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
        extra = {
            "classes_": known,
            "out_activation_": "logistic" if len(known) == 2 else "softmax",
        }
        c = row_weights(X, sample_weight)
        if self.class_weight is not None:
            c = normalized(times_class_weight(c, self.class_weight, y, known, codes))
        Y = as_columns(codes, len(known)).astype(np.float64)
        return self._partial_fit(X, Y, c, extra)
