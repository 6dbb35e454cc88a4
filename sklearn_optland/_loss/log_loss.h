/* The log-loss of a block of rows, binary and multinomial, written for the vectoriser.
 *
 * z are scores, y class numbers, c non-negative row weights. Nothing here overflows, and a loss or
 * a residual near 0 keeps its relative accuracy: separable data with a weak penalty need it.
 */
#ifndef OPTLAND_LOG_LOSS_H
#define OPTLAND_LOG_LOSS_H

#include "vector_math.h"

/* Binary: r = c (sigmoid(z) - y) and the sum of c log(1 + exp(-m)), m = z or -z by class. */
OPTLAND_CLONES
static double optland_logistic(
    int64_t n, const double *z, const int *y, const double *c, double *r, double *loss)
{
    for (int64_t i = 0; i < n; i++) {
        double sign = 2.0 * y[i] - 1.0;
        double m = sign * z[i];
        double e = optland_exp_negative(m < 0 ? m : -m);
        double q = 1.0 / (1.0 + e);
        loss[i] = c[i] * (optland_log1p_unit(e) + (m < 0 ? -m : 0.0));
        r[i] = -sign * c[i] * (m < 0 ? q : e * q);
    }
    return optland_sum(n, loss);
}

/* Binary curvature c * min(JC12(z), phi''((|z| - radius)+)), phi the log-loss: radius = 0 is
 * Newton's, radius = infinity is the bound of Jebara and Choromanska (2012) at z, tanh(z/2) / (2z),
 * and in between it majorizes a row's loss as long as its score moves by no more than its radius. */
OPTLAND_CLONES
static void optland_logistic_curvature(
    int64_t n, const double *z, const double *c, const double *radius, double *h)
{
    for (int64_t i = 0; i < n; i++) {
        double a = z[i] < 0 ? -z[i] : z[i];
        double e = optland_exp_negative(-a);
        double near = a - radius[i];
        double f = optland_exp_negative(near > 0 ? -near : 0.0);
        double newton = f / ((1.0 + f) * (1.0 + f));
        double small = 0.25 - a * a * (1.0 / 48.0);
        double wide = (1.0 - e) / ((1.0 + e) * 2.0 * (a < 1e-4 ? 1.0 : a));
        double jc12 = a < 1e-4 ? small : wide;
        h[i] = c[i] * (newton < jc12 ? newton : jc12);
    }
}

/* Binary: dual point of the Newton step dz, p' = p + cut p (1 - p) dz, i.e. p (1 + cut change) with
 * change = (1 - p) dz, and (1 - p)(1 - cut p dz) for the other class. The first call finds the
 * smallest change of a probability, the second writes c (p' - y) to r and returns the sum of
 * c KL(p' || p), KL being p f(change) + (1 - p) f(-p dz) with f(x) = (1 + x) log(1 + x) - x. */
OPTLAND_CLONES
static double optland_logistic_smallest_change(int64_t n, const double *z, const double *dz)
{
    double lane[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (int64_t i = 0; i < n; i += 8)
        for (int64_t j = i; j < (i + 8 < n ? i + 8 : n); j++) {
            double e = optland_exp_negative(z[j] < 0 ? z[j] : -z[j]);
            double q = 1.0 / (1.0 + e);
            /* the change of the class that the step takes from */
            double share = (z[j] < 0) == (dz[j] < 0) ? q : e * q;
            double change = dz[j] < 0 ? share * dz[j] : -share * dz[j];
            lane[j - i] = change < lane[j - i] ? change : lane[j - i];
        }
    double smallest = 0;
    for (int j = 0; j < 8; j++)
        smallest = lane[j] < smallest ? lane[j] : smallest;
    return smallest;
}

/* f(x) = (1 + x) log(1 + x) - x for x >= -1; near 0 the difference would cancel. */
OPTLAND_INLINE double optland_divergence_term(double x)
{
    double series = x * x * (0.5 - x * (1.0 / 6 - x * (1.0 / 12 - x * (0.05 - x * (1.0 / 30)))));
    double direct = (1.0 + x) * optland_log1p(x) - x;
    return x < 1e-3 && x > -1e-3 ? series : direct;
}

/* p f(x), also where f(x) would overflow. */
OPTLAND_INLINE double optland_divergence(double p, double x)
{
    double far = (p + p * x) * optland_log1p(x) - p * x;
    return x > 1e290 ? far : p * optland_divergence_term(x);
}

OPTLAND_CLONES
static double optland_logistic_dual(
    int64_t n, const double *z, const double *dz, double cut, const int *y, const double *c,
    double *r, double *terms)
{
    for (int64_t i = 0; i < n; i++) {
        double e = optland_exp_negative(z[i] < 0 ? z[i] : -z[i]);
        double large = 1.0 / (1.0 + e), small = e * large;
        double p = z[i] < 0 ? small : large, q = z[i] < 0 ? large : small;
        double up = cut * q * dz[i], down = -cut * p * dz[i];
        r[i] = c[i] * (y[i] ? -q * (1.0 + down) : p * (1.0 + up));
        terms[i] = c[i] * (p * optland_divergence_term(up) + q * optland_divergence_term(down));
    }
    return optland_sum(n, terms);
}

/* Binary with signs s = -1 or 1 for classes: the pull theta = s sigmoid(-s z), minus the loss'
 * derivative, and the sum of c log(1 + exp(-s z)). */
OPTLAND_CLONES
static double optland_logistic_pulls(
    int64_t n, const double *z, const double *s, const double *c, double *theta, double *loss)
{
    for (int64_t i = 0; i < n; i++) {
        double m = s[i] * z[i];
        double e = optland_exp_negative(m < 0 ? m : -m);
        double q = 1.0 / (1.0 + e);
        loss[i] = c[i] * (optland_log1p_unit(e) + (m < 0 ? -m : 0.0));
        theta[i] = s[i] * (m < 0 ? q : e * q);
    }
    return optland_sum(n, loss);
}

/* The sum of c KL(a || p), a = s theta in [0, 1] and p = sigmoid(-s z): the loss at z plus its
 * conjugate at -theta plus theta z. The smaller of p and q is held above exp(-708); how far its
 * true logarithm is below that, times a or 1 - a, is what the divergence lacks then. */
OPTLAND_CLONES
static double optland_logistic_fenchel_gap(
    int64_t n, const double *z, const double *s, const double *c, const double *theta,
    double *terms)
{
    for (int64_t i = 0; i < n; i++) {
        double m = s[i] * z[i];
        double e = optland_exp_negative(m < 0 ? m : -m);
        double large = 1.0 / (1.0 + e), small = e * large;
        double p = m < 0 ? large : small, q = m < 0 ? small : large;
        double change = s[i] * theta[i] - p;
        double up = change / p, down = -change / q;
        up = up < -1.0 ? -1.0 : up; /* by no more than rounding: a is in [0, 1] */
        down = down < -1.0 ? -1.0 : down;
        double beyond = OPTLAND_LEAST_EXPONENT - (m < 0 ? m : -m);
        double share = m < 0 ? 1.0 - s[i] * theta[i] : s[i] * theta[i];
        double lack = beyond > 0 ? share * beyond : 0.0;
        terms[i] = c[i] * (optland_divergence(p, up) + optland_divergence(q, down) + lack);
    }
    return optland_sum(n, terms);
}

/* p = exp(z - top), top and total the maximum of a row of z and the sum of one of p. */
OPTLAND_CLONES
static void optland_exp_rows(
    int64_t n, int64_t k, const double *z, double *p, double *tops, double *total)
{
    for (int64_t i = 0; i < n; i++) {
        const double *row = z + i * k;
        double top = row[0];
        for (int64_t j = 1; j < k; j++)
            top = row[j] > top ? row[j] : top;
        for (int64_t j = 0; j < k; j++)
            p[i * k + j] = row[j] - top;
        tops[i] = top;
    }
    for (int64_t i = 0; i < n * k; i++)
        p[i] = optland_exp_negative(p[i]);
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < k; j++)
            sum += p[i * k + j];
        total[i] = sum;
    }
}

/* Multinomial: r = c (softmax(z) - onehot(y)) and the sum of c (logsumexp(z) - z_y). */
OPTLAND_INLINE double optland_softmax_residual(
    int64_t n, int64_t k, const double *z, const int *y, const double *c, double *r,
    double *tops, double *total)
{
    double loss = 0;
    optland_exp_rows(n, k, z, r, tops, total);
    for (int64_t i = 0; i < n; i++) {
        double *row = r + i * k;
        double lead = tops[i] - z[i * k + y[i]];
        double others = 0;
        row[y[i]] = 0;
        for (int64_t j = 0; j < k; j++)
            others += row[j];
        loss += c[i] * (lead == 0 ? log1p(others) : lead + log(total[i]));
        double scale = c[i] / total[i];
        for (int64_t j = 0; j < k; j++)
            row[j] *= scale;
        row[y[i]] = -others * scale;
    }
    return loss;
}

OPTLAND_INLINE void optland_softmax(
    int64_t n, int64_t k, const double *z, double *p, double *tops, double *total)
{
    optland_exp_rows(n, k, z, p, tops, total);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++)
            p[i * k + j] /= total[i];
}

/* KL(q || p) of each row, p = softmax(z): a sum of terms that are not negative, and keep digits,
 * p ((1 + x) log(1 + x) - x) with x = q/p - 1. Where p is held up it is too large, or q/p overflows:
 * there by true logarithms. */
OPTLAND_CLONES
static void optland_softmax_divergences(
    int64_t n, int64_t k, const double *z, const double *q, double *p, double *tops,
    double *total, double *divergences)
{
    const double far = -700;
    optland_softmax(n, k, z, p, tops, total);
    for (int64_t e = 0; e < n * k; e++) {
        double x = (q[e] - p[e]) / p[e];
        x = x > -1 ? x : -1;
        double size = x < 0 ? -x : x;
        double series = x * x * (1.0 / 2 - x * (1.0 / 6 - x * (1.0 / 12 - x / 20)));
        double direct = (1 + x) * optland_log1p(x) - x;
        p[e] *= size < 1e-3 ? series : direct;
    }
    for (int64_t i = 0; i < n; i++) {
        divergences[i] = 0;
        for (int64_t e = i * k; e < (i + 1) * k; e++) {
            const double lead = z[e] - tops[i];
            if (lead < far)
                p[e] = q[e] > 0 ? q[e] * (log(q[e]) - lead + log(total[i]) - 1) : 0;
            divergences[i] += p[e];
        }
    }
}

/* Multinomial: dual point of the Newton step dz, p' = p (1 + cut change), change = dz - p'dz. */
OPTLAND_CLONES
static double optland_softmax_changes(
    int64_t n, int64_t k, const double *z, const double *dz, double *p, double *change,
    double *tops, double *total)
{
    double smallest = 0;
    optland_exp_rows(n, k, z, p, tops, total);
    for (int64_t i = 0; i < n; i++) {
        double mean = 0;
        for (int64_t j = 0; j < k; j++) {
            p[i * k + j] /= total[i];
            mean += p[i * k + j] * dz[i * k + j];
        }
        for (int64_t j = 0; j < k; j++) {
            change[i * k + j] = dz[i * k + j] - mean;
            smallest = change[i * k + j] < smallest ? change[i * k + j] : smallest;
        }
    }
    return smallest;
}

/* r = c (p' - onehot(y)), and the sum of c KL(p' || p). `terms` has room for n k values. */
OPTLAND_CLONES
static double optland_softmax_dual(
    int64_t n, int64_t k, double cut, const int *y, const double *c, const double *p,
    const double *change, double *r, double *terms)
{
    for (int64_t i = 0; i < n * k; i++) {
        double x = cut * change[i];
        terms[i] = p[i] * optland_divergence_term(x);
        r[i] = p[i] * (1.0 + x);
    }
    double divergence = 0;
    for (int64_t i = 0; i < n; i++) {
        double *row = r + i * k, others = 0, sum = 0;
        row[y[i]] = 0;
        for (int64_t j = 0; j < k; j++) {
            row[j] *= c[i];
            others += row[j];
            sum += terms[i * k + j];
        }
        row[y[i]] = -others;
        divergence += c[i] * sum;
    }
    return divergence;
}
#endif
