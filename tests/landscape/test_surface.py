"""Loss surfaces of fitted estimators against their own losses and gradients."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import ONE_PENALTY, fit_quietly
from landscape.nets import classifier, digits, drawn, iris, iris_surface, regressor
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeClassifier,
    RidgeCV,
    SGDClassifier,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from sklearn_optland.landscape import LossSurface
from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    BoundMajorizationLogisticRegressionCV,
    FiniteSumClassifier,
    FiniteSumClassifierCV,
    FiniteSumRegressor,
    FiniteSumRegressorCV,
    LatentLogisticRegression,
)
from sklearn_optland.neural_network import (
    ADMMNetClassifier,
    ADMMNetRegressor,
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
)


def scikit_learns_gradient(net, X, Y, sample_weight):
    """Loss and gradient by the private method that its solvers call."""
    activations = [X] + [None] * (net.n_layers_ - 1)
    deltas = [None] * (net.n_layers_ - 1)
    grads = [[np.empty_like(A) for A in arrays] for arrays in (net.coefs_, net.intercepts_)]
    loss, coefs, intercepts = net._backprop(X, Y, sample_weight, activations, deltas, *grads)
    flat = [np.vstack([W, b]).ravel() for W, b in zip(coefs, intercepts, strict=True)]
    return loss, np.concatenate(flat)


@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "identity"])
@pytest.mark.parametrize("target", ["classes", "two classes", "labels", "numbers", "columns"])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_equals_scikit_learns_backprop(activation, target, is_weighted, global_random_seed):
    X, y = iris()
    rng = np.random.RandomState(global_random_seed)
    weights = rng.rand(len(X)) if is_weighted else None
    settings = {"activation": activation, "alpha": 0.3, "max_iter": 5, "seed": global_random_seed}
    targets = {
        "classes": y,
        "two classes": y > 0,
        "labels": np.column_stack([y > 0, y > 1]).astype(int),
        "numbers": X[:, 0] * X[:, 1],
        "columns": np.column_stack([X[:, 0] * X[:, 1], X[:, 2]]),
    }
    y = targets[target]
    make = regressor if target in ("numbers", "columns") else classifier
    net = make(X, y, **settings)
    surface = LossSurface(net, X, y, weights)
    Y = net._label_binarizer.transform(y) if make is classifier else y.reshape(len(y), -1)
    loss, gradient = scikit_learns_gradient(net, X, Y.astype(float), weights)
    mine, my_gradient = surface.loss_and_gradient(surface.theta_)
    np.testing.assert_allclose(my_gradient, gradient, rtol=1e-7, atol=1e-10)
    if target != "columns":  # its loss is a mean over outputs, its gradient that of a sum
        assert mine == pytest.approx(loss, rel=1e-10)


ESTIMATORS = [
    (ADMMNetClassifier((3,), "tanh", alpha=0.01, max_iter=20, random_state=0), True),
    (ADMMNetRegressor((3,), "tanh", alpha=0.01, scale_inputs=False, max_iter=20), False),
    (ADMMNetRegressor((3,), "tanh", alpha=0.01, max_iter=20, random_state=0), False),
    (MeanFieldTwoLayerNet(alpha=0.01, scale_inputs=False, max_iter=20, random_state=0), False),
]


@pytest.mark.parametrize(("estimator", "classifies"), ESTIMATORS)
def test_loss_is_the_estimators_objective(estimator, classifies):
    X, y = iris()
    y = y if classifies else X[:, 0] * X[:, 1]
    fit_quietly(estimator, X, y)
    surface = LossSurface(estimator, X, y)
    objective = getattr(estimator, "loss_", estimator.history_["objective"][-1])
    assert surface.loss(surface.theta_) == pytest.approx(objective, rel=1e-6)


FINE = {"tol": 1e-10, "max_iter": 10_000}
LINEAR = [
    (LogisticRegression(C=0.3, **FINE), True),
    (LogisticRegression(C=0.3, **FINE, class_weight="balanced"), True),
    (BoundMajorizationLogisticRegression(C=0.3, tol=1e-12), True),
    (FiniteSumClassifier(alpha=0.01, tol=1e-12), True),
    (FiniteSumRegressor(alpha=0.01, tol=1e-12), False),
    (Ridge(alpha=3.0), False),
    (LinearRegression(), False),
    # Cross-validation: the penalty is that of the strength it chose.
    (
        LogisticRegressionCV(Cs=2, scoring="accuracy", **ONE_PENALTY, **FINE),
        True,
    ),
    (RidgeCV(), False),
    (BoundMajorizationLogisticRegressionCV(Cs=2, tol=1e-12), True),
    (FiniteSumClassifierCV(alphas=2, tol=1e-12), True),
    (FiniteSumRegressorCV(alphas=2, tol=1e-12), False),
]


@pytest.mark.parametrize(("estimator", "classifies"), LINEAR)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_linear_models_are_at_their_optimum(estimator, classifies, n_classes):
    X, y = iris()
    y = np.minimum(y, n_classes - 1) if classifies else X[:, 0] ** 2
    weights = np.random.RandomState(0).rand(len(X)) + 0.1
    estimator.fit(X, y, weights)
    surface = LossSurface(estimator, X, y, weights)
    gradient = surface.gradient(surface.theta_)
    if n_classes == 3:  # the gradients of classes sum to 0 however far the optimum is
        assert np.abs(surface.gradient(0 * surface.theta_)).max() > 1e-2
    assert np.abs(gradient).max() < 1e-5


SGD = {"alpha": 0.1, "tol": None, "max_iter": 3000, "average": True, "random_state": 0}
TWO_CLASSES = [
    (LogisticRegression(C=0.3, tol=1e-10, solver="liblinear"), 1e-6),  # it penalizes the bias
    (SGDClassifier("log_loss", **SGD), 1e-3),
]


@pytest.mark.parametrize(("estimator", "tol"), TWO_CLASSES)
@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_models_of_two_classes_are_at_their_optimum(estimator, tol, scale):
    X, y = iris()
    weights = scale * (np.random.RandomState(0).rand(len(X)) + 0.1)
    estimator.fit(X, y > 0, sample_weight=weights)
    surface = LossSurface(estimator, X, y > 0, weights)
    assert np.abs(surface.gradient(surface.theta_)).max() < tol
    assert np.abs(surface.gradient(0.5 * surface.theta_)).max() > 10 * tol


@pytest.mark.parametrize("seed", range(3))
def test_estimator_at_predicts_with_the_parameters(seed):
    surface = iris_surface()
    X, y = iris()
    theta = drawn(surface, seed)
    net = surface.estimator_at(theta)
    again = LossSurface(net, X, y)
    np.testing.assert_array_equal(again.theta_, theta)
    P = net.predict_proba(X)[np.arange(len(y)), y]
    penalty = 0.5 * net.alpha * sum((W**2).sum() for W in net.coefs_) / len(X)
    assert surface.loss(theta) == pytest.approx(penalty - np.log(P).mean(), rel=1e-10)
    assert not np.array_equal(surface.estimator.coefs_[0], net.coefs_[0])


def test_estimator_at_of_linear_models():
    X, y = load_diabetes(return_X_y=True)
    model = Ridge().fit(X, y)
    surface = LossSurface(model, X, y)
    moved = surface.estimator_at(surface.theta_ + 1.0)
    np.testing.assert_allclose(moved.coef_, model.coef_ + 1.0)
    assert moved.intercept_ == pytest.approx(model.intercept_ + 1.0)
    np.testing.assert_array_equal(surface.flat(moved), surface.theta_ + 1.0)


def test_estimator_at_of_several_outputs_without_intercept():
    X, _ = iris()
    model = Ridge(fit_intercept=False).fit(X, X[:, :2])
    surface = LossSurface(model, X, X[:, :2])
    moved = surface.estimator_at(surface.theta_ + np.arange(10))
    np.testing.assert_array_equal(moved.intercept_, [8, 9])


def test_columns_in_another_order_are_refused():
    pd = pytest.importorskip("pandas")
    X, y = iris()
    frame = pd.DataFrame(X, columns=list("abcd"))
    net = classifier(frame, pd.Series(y).map({0: "p", 1: "q", 2: "r"}))
    names = np.array(["p", "q", "r"])[y]
    assert (
        LossSurface(net, frame, pd.Series(names)).n_parameters_ == net_theta(net, frame, names).size
    )
    with pytest.raises(ValueError, match="feature names"):
        LossSurface(net, frame[list("dcba")], names)


def test_threads_share_a_surface():
    X, y = digits(300)
    surface = pickle.loads(pickle.dumps(LossSurface(classifier(X, y, width=20, max_iter=3), X, y)))
    points = [drawn(surface, seed) for seed in range(8)]

    def derivatives(theta):
        return surface.gradient(theta), surface.hessian_product(theta, theta)

    expected = [derivatives(theta) for theta in points]
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(derivatives, points)), expected)


def test_sparse_rows_and_zero_weights():
    X, y = iris()
    net = classifier(X, y)
    theta = LossSurface(net, X, y).theta_
    weights = (np.arange(len(X)) % 3).astype(float)
    some = weights > 0
    surfaces = [
        LossSurface(net, X, y, weights, penalty=False),
        LossSurface(net, sparse.csr_matrix(X), y, weights, penalty=False),
        LossSurface(net, X[some], y[some], weights[some], penalty=False),
    ]
    values = [surface.loss_and_gradient(theta) for surface in surfaces]
    for loss, gradient in values[1:]:
        assert loss == pytest.approx(values[0][0], rel=1e-13)
        np.testing.assert_allclose(gradient, values[0][1], rtol=1e-10, atol=1e-14)


def test_indicators_may_be_sparse():
    X, y = iris()
    labels = np.column_stack([y > 0, y > 1]).astype(int)
    net = classifier(X, labels, max_iter=5)
    dense, thin = (LossSurface(net, X, Y) for Y in (labels, sparse.csr_array(labels)))
    assert thin.loss(thin.theta_) == dense.loss(dense.theta_)


def test_products_take_columns():
    surface = iris_surface()
    D = np.random.RandomState(0).randn(surface.n_parameters_, 40)
    products = surface.hessian_product(surface.theta_, D)
    np.testing.assert_allclose(products, surface.hessian(surface.theta_) @ D, atol=1e-12)
    np.testing.assert_allclose(
        surface.hessian_product(surface.theta_, D[:, 0]), products[:, 0], atol=1e-14
    )


def test_a_loss_that_overflows_is_infinite():
    surface = iris_surface()
    far = np.full(surface.n_parameters_, 1e200)
    assert surface.loss(far) == np.inf
    assert surface.loss_and_gradient(far)[0] == np.inf


@pytest.mark.parametrize("scale", [1e160, 1e-160])
def test_what_would_overflow_is_refused(scale):
    X, _ = iris()
    net = LinearRegression().fit(X * scale, X[:, 0])
    with pytest.raises(ValueError, match=r"allowed is at most 1e\+100"):
        LossSurface(net, X * scale, X[:, 0])


def test_strengths_of_several_outputs_are_refused():
    X, _ = iris()
    targets = X[:, :2] * [1.0, 30.0]
    model = Ridge(alpha=np.array([1.0, 2.0])).fit(X, targets)
    with pytest.raises(ValueError, match=r"alpha_? = \[1.0, 2.0\]"):
        LossSurface(model, X, targets)
    assert LossSurface(model, X, targets, penalty=False).penalty_factors.max() == 0


def test_errors_name_what_was_found():
    X, y = iris()
    net = classifier(X, y)
    with pytest.raises(ValueError, match="columns; allowed are 4"):
        LossSurface(net, X[:, :3], y)
    with pytest.raises(ValueError, match="y: found the labels"):
        LossSurface(net, X, y + 1)
    with pytest.raises(ValueError, match="y: found 149 rows"):
        LossSurface(net, X, y[1:])
    with pytest.raises(ValueError, match="estimator: found DecisionTreeClassifier"):
        LossSurface(DecisionTreeClassifier().fit(X, y), X, y)
    with pytest.raises(ValueError, match="estimator: found RidgeClassifier"):
        LossSurface(RidgeClassifier().fit(X, y), X, y)
    with pytest.raises(ValueError, match="penalty: found True, and Lasso,"):
        LossSurface(Lasso().fit(X, y), X, y)
    for other in (LatentLogisticRegression(), make_pipeline(LogisticRegression())):
        with pytest.raises(ValueError, match=f"estimator: found {type(other).__name__}"):
            LossSurface(fit_quietly(other, X, y), X, y)
    with pytest.raises(ValueError, match="estimator: found SGDClassifier with 3"):
        LossSurface(SGDClassifier("log_loss").fit(X, y), X, y, penalty=False)
    poisson = fit_quietly(MLPRegressor("poisson", (2,), max_iter=1), X, X[:, 0] ** 2)
    with pytest.raises(ValueError, match="loss: found 'poisson'"):
        LossSurface(poisson, X, y)
    scaled = MeanFieldTwoLayerNetClassifier(max_iter=2, scale_inputs=True, random_state=0)
    fit_quietly(scaled, X, y)
    with pytest.raises(ValueError, match="scale_inputs"):
        LossSurface(scaled, X, y)
    kernel = MeanFieldTwoLayerNet(9, regime="kernel", max_iter=9, random_state=0)
    margin = MeanFieldTwoLayerNetClassifier(9, solver="margin-ascent", max_iter=9, random_state=0)
    for net_of_other, targets in ((kernel, X[:, 0]), (margin, y > 0)):
        with pytest.raises(ValueError, match="a net whose objective is not"):
            LossSurface(fit_quietly(net_of_other, X, targets), X, targets)
    with pytest.raises(ValueError, match=r"theta: found an array of shape \(3,\)"):
        LossSurface(net, X, y).loss(np.zeros(3))
    with pytest.raises(ValueError, match="directions: found"):
        LossSurface(net, X, y).hessian_product(net_theta(net, X, y), np.zeros(3))
    with pytest.raises(ValueError, match="NaN"):
        LossSurface(net, np.where(X[0, 0] == X, np.nan, X), y)
    numbers = regressor(X, X[:, 0], max_iter=1)
    with pytest.raises(ValueError, match="y contains NaN"):
        LossSurface(numbers, X, np.where(X[:, 0] == X[0, 0], np.nan, X[:, 0]))
    labels = np.column_stack([y > 0, y > 1]).astype(int)
    with pytest.raises(ValueError, match="y: found entries other than 0 and 1"):
        LossSurface(classifier(X, labels, max_iter=1), X, 2 * labels)
    with pytest.raises(ValueError, match="not fitted"):
        LossSurface(MLPClassifier(), X, y)


def net_theta(net, X, y):
    return LossSurface(net, X, y).theta_
