"""The public bound on a log-partition function: it holds, it touches, it is Algorithm 1."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import logsumexp, softmax

from sklearn_optland.linear_model import partition_function_bound

CASES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "k": st.integers(2, 50),
        "d": st.integers(1, 6),
        "logit": st.sampled_from([0.0, 1e-3, 1.0, 500.0]) | st.floats(0, 500),
        "feature": st.sampled_from([1e-3, 1.0, 1e3]),
        "zeros": st.sampled_from([0.0, 0.5, 0.95]),
        "discrete": st.booleans(),
    }
)


def make_case(seed, k, d, logit, feature, zeros, discrete):
    """Features f, weights h (some zero), and theta with the largest |theta'f| equal to `logit`."""
    rng = np.random.default_rng(seed)
    f, theta = rng.normal(size=(k, d)), rng.normal(size=d)
    h = np.exp(rng.normal(size=k))
    if discrete:  # ties, repeated and collinear features
        f, h = np.round(f), np.ones(k)
    h[1:][rng.random(k - 1) < zeros] = 0.0
    f *= feature
    largest = np.abs(f @ theta).max()
    return rng, f, h, theta * (logit / largest if largest else 1.0)


def log_partition(f, h, theta):
    return logsumexp(f @ theta, b=h)


def probabilities(f, h, theta):
    return softmax(f @ theta + np.log(h, out=np.full(len(h), -np.inf), where=h > 0))


def algorithm_1(f, h, theta):
    """The paper's pseudocode. With z -> 0+, the first y has z = alpha, mu = f(y), Sigma = 0."""
    log_alpha = np.log(h[h > 0]) + f[h > 0] @ theta
    mu, sigma, log_z = 0.0, np.zeros((f.shape[1], f.shape[1])), None
    for y in np.argsort(-log_alpha, kind="stable"):
        if log_z is None:
            mu, log_z = f[h > 0][y], log_alpha[y]
            continue
        r = log_alpha[y] - log_z  # log(alpha / z)
        l = f[h > 0][y] - mu  # noqa: E741, the paper's name
        sigma = sigma + (np.tanh(r / 2) / (2 * r) if r else 0.25) * np.outer(l, l)
        mu = mu + np.exp(r) / (1 + np.exp(r)) * l
        log_z = np.logaddexp(log_z, log_alpha[y])
    return log_z, mu, sigma


@given(case=CASES, move=st.floats(-8, 4))
def test_the_bound_holds_and_touches(case, move):
    rng, f, h, theta = make_case(**case)
    log_z, mu, sigma = partition_function_bound(f, h, theta)

    size = np.abs(f).max() or 1.0
    assert_allclose(log_z, log_partition(f, h, theta), rtol=1e-13, atol=1e-13)  # equality
    gradient = probabilities(f, h, theta) @ f
    assert_allclose(mu, gradient, rtol=0, atol=1e-12 * size)

    delta = rng.normal(size=len(theta)) * 10**move / size
    linear, quadratic = delta @ mu, delta @ sigma @ delta / 2
    # rounding of the left side: theta + delta loses bits of a small delta
    exponent = np.abs(f @ theta).max() + np.abs(f @ delta).max() + np.abs(log_z)
    bound = log_z + linear + quadratic
    assert log_partition(f, h, theta + delta) <= bound + 1e-13 * (1 + exponent + quadratic)


@given(case=CASES)
def test_it_is_algorithm_1(case):
    _, f, h, theta = make_case(**case)
    log_z, mu, sigma = partition_function_bound(f, h, theta)
    expected_log_z, expected_mu, expected_sigma = algorithm_1(f, h, theta)
    size = np.abs(f).max() or 1.0
    assert_allclose(log_z, expected_log_z, rtol=1e-13, atol=1e-13)
    assert_allclose(mu, expected_mu, rtol=0, atol=1e-12 * size)
    # equal alphas may come in any order, and then Sigma is another one, as good
    if not case["discrete"]:
        assert_allclose(sigma, expected_sigma, rtol=0, atol=1e-11 * size**2)


@given(case=CASES)
def test_sigma_is_symmetric_and_above_the_hessian(case):
    # the bound for small moves, which rounding hides from the test of its values
    _, f, h, theta = make_case(**case)
    _, mu, sigma = partition_function_bound(f, h, theta)
    size = np.abs(f).max() or 1.0
    assert_allclose(sigma, sigma.T, rtol=0, atol=1e-15 * len(f) * size**2)
    p = probabilities(f, h, theta)
    hessian = (p[:, None] * (f - mu)).T @ (f - mu)
    assert np.linalg.eigvalsh(sigma - hessian)[0] >= -1e-13 * len(f) * size**2


def test_two_values_give_the_bound_of_the_logistic_loss():
    z = np.linspace(-30, 30, 61)
    with np.errstate(invalid="ignore"):
        expected = np.where(z == 0, 0.25, np.tanh(z / 2) / (2 * z))
    sigmas = [partition_function_bound([[0.0], [1.0]], [1, 1], [t])[2][0, 0] for t in z]
    assert_allclose(sigmas, expected, rtol=1e-14)


def test_a_single_value_is_linear():
    log_z, mu, sigma = partition_function_bound([[1.0, -2.0]], [3.0], [0.5, 0.25])
    assert log_z == pytest.approx(np.log(3.0))
    assert_allclose(mu, [1.0, -2.0])
    assert_allclose(sigma, 0.0)


def test_input_is_not_changed_and_may_be_read_only_or_strided(global_random_seed):
    _, f, h, theta = make_case(global_random_seed, 7, 3, 10.0, 1.0, 0.3, False)
    expected = partition_function_bound(f, h, theta)
    f2, h2, theta2 = np.asfortranarray(f), np.repeat(h, 2)[::2], theta.tolist()
    f2.flags.writeable = h2.flags.writeable = False
    for actual, value in zip(partition_function_bound(f2, h2, theta2), expected, strict=True):
        assert_allclose(actual, value, rtol=1e-14)


F, H, T = np.eye(3, 2), np.ones(3), np.zeros(2)


@pytest.mark.parametrize(
    ("features", "weights", "theta", "message"),
    [
        (F[0], H, T, r"features: found shape \(2,\)"),
        (F[:0], H[:0], T, r"features: found shape \(0, 2\)"),
        (F[:, :0], H, T[:0], r"features: found shape \(3, 0\)"),
        (F * np.nan, H, T, "features: found NaN or infinity"),
        (F, H[:2], T, r"weights: found shape \(2,\); features ask for \(3,\)"),
        (F, H[:, None], T, r"weights: found shape \(3, 1\)"),
        (F, H * np.inf, T, "weights: found NaN or infinity"),
        (F, -H, T, r"weights: found values from -1\.0"),
        (F, 0 * H, T, r"weights: found values from 0\.0 to 0\.0"),
        (F, H, np.zeros(3), r"theta: found shape \(3,\); features ask for \(2,\)"),
        (F, H, [0.0, np.nan], "theta: found NaN or infinity"),
    ],
)
def test_errors_name_the_array(features, weights, theta, message):
    with pytest.raises(ValueError, match=message):
        partition_function_bound(features, weights, theta)


@pytest.mark.parametrize("theta", [1e200, 0.0])
@pytest.mark.parametrize("features", [[[1e200], [-1e200]], [[1e200], [1e200]]])
def test_huge_values_give_a_result_or_an_error(features, theta):
    try:
        result = partition_function_bound(features, [1.0, 1.0], [theta])
    except ValueError as error:
        result = []
        assert str(error).startswith(("features", "theta"))  # noqa: PT017, it may or may not raise
    assert all(np.isfinite(value).all() for value in result)
