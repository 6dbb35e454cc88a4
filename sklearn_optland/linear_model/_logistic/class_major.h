/* The log-loss of few classes at scores with a row for each class, written for the vectoriser:
 * loops run over the n samples, whose number is large against the classes'.
 *
 * z, p, dz are k x n, y class numbers, c non-negative weights. A loss or a residual near 0 keeps
 * its relative accuracy.
 */
#ifndef OPTLAND_CLASS_MAJOR_H
#define OPTLAND_CLASS_MAJOR_H

#include "dense_rows.h"
#include "log_loss.h"

/* p = softmax(z); returns the sum of c (logsumexp(z) - z_y). `work` has room for 3 n values. */
OPTLAND_CLONES
static double optland_class_major_loss(
    int64_t n, int64_t k, const double *z, const int *y, const double *c, double *p, double *work)
{
    double *top = work, *others = work + n, *lead = work + 2 * n;
    for (int64_t i = 0; i < n; i++) {
        top[i] = z[i];
        lead[i] = 0;
        others[i] = 0;
    }
    for (int64_t a = 1; a < k; a++)
        for (int64_t i = 0; i < n; i++)
            top[i] = z[a * n + i] > top[i] ? z[a * n + i] : top[i];
    for (int64_t a = 0; a < k; a++)
        for (int64_t i = 0; i < n; i++) {
            double below = z[a * n + i] - top[i], e = optland_exp_negative(below);
            p[a * n + i] = e;
            lead[i] -= y[i] == a ? below : 0.0;
            others[i] += y[i] == a ? 0.0 : e;
        }
    /* Where y leads its e is 1, and the sum of the others is exact. */
    double loss = 0;
    for (int64_t i = 0; i < n; i++) {
        double e = optland_exp_negative(-lead[i]);
        double rest = lead[i] == 0 ? others[i] : others[i] + (e - 1.0);
        top[i] = 1.0 / (1.0 + rest);
        lead[i] = c[i] * (lead[i] + optland_log1p(rest));
    }
    loss = optland_sum(n, lead);
    for (int64_t a = 0; a < k; a++)
        for (int64_t i = 0; i < n; i++)
            p[a * n + i] *= top[i];
    return loss;
}

/* r = c (p - onehot(y)); a row's residuals sum to 0. `others` has room for n values. */
OPTLAND_CLONES
static void optland_class_major_residuals(
    int64_t n, int64_t k, const double *p, const int *y, const double *c, double *r,
    double *others)
{
    for (int64_t i = 0; i < n; i++)
        others[i] = 0;
    for (int64_t a = 0; a < k; a++)
        for (int64_t i = 0; i < n; i++)
            others[i] += y[i] == a ? 0.0 : c[i] * p[a * n + i];
    for (int64_t a = 0; a < k; a++)
        for (int64_t i = 0; i < n; i++)
            r[a * n + i] = y[i] == a ? -others[i] : c[i] * p[a * n + i];
}

/* p'dz of each row. */
OPTLAND_INLINE void optland_class_major_mean(
    int64_t n, int64_t k, const double *p, const double *dz, double *mean)
{
    for (int64_t i = 0; i < n; i++)
        mean[i] = 0;
    for (int64_t a = 0; a < k; a++)
        for (int64_t i = 0; i < n; i++)
            mean[i] += p[a * n + i] * dz[a * n + i];
}

/* The dual point of the Newton step dz, p' = p (1 + change), change = dz - p'dz: r = c (p' -
 * onehot(y)) and the sum of c KL(p' || p), infinite if p' leaves the simplex. */
OPTLAND_CLONES
static double optland_class_major_dual(
    int64_t n, int64_t k, const double *p, const double *dz, const int *y, const double *c,
    double *r, double *work)
{
    double *mean = work, *terms = work + n, *least = work + 2 * n, smallest = 0;
    for (int64_t i = 0; i < n; i++)
        terms[i] = least[i] = 0;
    optland_class_major_mean(n, k, p, dz, mean);
    for (int64_t a = 0; a < k; a++)
        for (int64_t i = 0; i < n; i++) {
            double change = dz[a * n + i] - mean[i];
            double valid = change < -1.0 ? -1.0 : change;
            least[i] = change < least[i] ? change : least[i];
            terms[i] += c[i] * p[a * n + i] * optland_divergence_term(valid);
            r[a * n + i] = p[a * n + i] * (1.0 + valid);
        }
    for (int64_t i = 0; i < n; i++)
        smallest = least[i] < smallest ? least[i] : smallest;
    optland_class_major_residuals(n, k, r, y, c, r, mean);
    return smallest < -1.0 ? INFINITY : optland_sum(n, terms);
}

/* r = c (diag p - pp') dz of each row. */
OPTLAND_CLONES
static void optland_class_major_product(
    int64_t n, int64_t k, const double *p, const double *dz, const double *c, double *r,
    double *mean)
{
    optland_class_major_mean(n, k, p, dz, mean);
    for (int64_t a = 0; a < k; a++)
        for (int64_t i = 0; i < n; i++)
            r[a * n + i] = c[i] * p[a * n + i] * (dz[a * n + i] - mean[i]);
}

/* A pair of classes' share in the curvature of each row, h = c p_a p_b. */
OPTLAND_CLONES
static void optland_pair_weights(
    int64_t n, const double *c, const double *p_a, const double *p_b, double *h)
{
    for (int64_t i = 0; i < n; i++)
        h[i] = c[i] * p_a[i] * p_b[i];
}
#endif
