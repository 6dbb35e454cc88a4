/* The pull of the multinomial log-loss on one row's k scores, and the pull after the step that it
 * causes: the exact step of a dual coordinate ascent. */
#ifndef OPTLAND_SOFTMAX_IMPLICIT_H
#define OPTLAND_SOFTMAX_IMPLICIT_H

#include "vector_math.h"

/* pull = e_own - softmax(z); z becomes exp(z - max). */
OPTLAND_INLINE void optland_softmax_pull(double *z, int64_t k, int own, double *pull)
{
    double top = z[0], total = 0;
    for (int64_t j = 1; j < k; j++)
        top = z[j] > top ? z[j] : top;
    for (int64_t j = 0; j < k; j++)
        z[j] = optland_exp_negative(z[j] - top);
    for (int64_t j = 0; j < k; j++)
        total += z[j];
    for (int64_t j = 0; j < k; j++)
        pull[j] = -z[j] / total;
    pull[own] = (total - z[own]) / total;
}

/* The probabilities p = softmax(z + q (old - p)), in logarithms s. With m = z + q old that is
 *
 *     s_j + q exp(s_j) = m_j - t,   for the t that makes the sum of p 1:
 *
 * Newton on s and t together, whose matrix is an arrow. In: m, and s and p = exp(s) to start from.
 * Out: s and p, whose sum is 1 to about `coarse`. u and w are scratch. Returns 0 if it does not
 * arrive.
 *
 * `coarse` is the step, times `magnified`, that ends the search; no s leaves `ceiling`. */
#define OPTLAND_SOFTMAX_NEWTON(NAME, REAL, SUM, DOT, LARGEST, EXP)                                 \
    OPTLAND_INLINE int NAME(                                                                       \
        int64_t k, int own, REAL q, const REAL *m, REAL *s, REAL *p, REAL *u, REAL *w,             \
        int max_steps, REAL coarse, REAL magnified, REAL ceiling)                                  \
    {                                                                                              \
        const REAL one = 1, longest_step = 3; /* of a logarithm */                                 \
        const REAL corner = (REAL)1e-9; /* probabilities too small to hold up the search */        \
        REAL t = m[own] - s[own] - q * p[own], limit = longest_step * (one + q);                   \
        for (int step = 0; step < max_steps; step++) {                                             \
            for (int64_t j = 0; j < k; j++) {                                                      \
                w[j] = one / (one + q * p[j]);                                                     \
                u[j] = (m[j] - s[j] - q * p[j] - t) * w[j];                                        \
            }                                                                                      \
            REAL total = SUM(k, p), weight = DOT(k, p, w);                                         \
            REAL change = (total - one + DOT(k, p, u)) / weight;                                   \
            change = change > limit ? limit : change < -limit ? -limit : change;                   \
            t += change;                                                                           \
            for (int64_t j = 0; j < k; j++) {                                                      \
                REAL move = u[j] - change * w[j];                                                  \
                move = move > longest_step ? longest_step : move;                                  \
                move = move < -longest_step ? -longest_step : move;                                \
                s[j] += move;                                                                      \
                s[j] = s[j] > ceiling ? ceiling : s[j];                                            \
                REAL size = move < 0 ? -move : move;                                               \
                w[j] = p[j] > corner || move > 0 ? size * magnified : 0;                           \
                p[j] = EXP(s[j] > 0 ? 0 : s[j]);                                                   \
            }                                                                                      \
            /* the sum of p must not undo the steps */                                             \
            REAL longest = LARGEST(k, w), excess = (total - one) * (one + q);                      \
            excess = excess < 0 ? -excess : excess;                                                \
            if ((longest > excess ? longest : excess) <= coarse)                                   \
                return 1;                                                                          \
        }                                                                                          \
        return 0;                                                                                  \
    }

/* In one lane: k is small. */
OPTLAND_INLINE double optland_row_sum(int64_t k, const double *x)
{
    double total = 0;
    for (int64_t j = 0; j < k; j++)
        total += x[j];
    return total;
}

OPTLAND_INLINE double optland_row_dot(int64_t k, const double *x, const double *y)
{
    double total = 0;
    for (int64_t j = 0; j < k; j++)
        total += x[j] * y[j];
    return total;
}

OPTLAND_INLINE double optland_row_max(int64_t k, const double *x)
{
    double top = x[0];
    for (int64_t j = 1; j < k; j++)
        top = x[j] > top ? x[j] : top;
    return top;
}

OPTLAND_SOFTMAX_NEWTON(
    optland_softmax_newton, double, optland_row_sum, optland_row_dot, optland_row_max,
    optland_exp_negative)
/* Compiled for each level: a call costs less than its loops gain. */
OPTLAND_CLONES
static int optland_softmax_newton_of_level(
    int64_t k, int own, double q, const double *m, double *s, double *p, double *u, double *w,
    int max_steps, double coarse, double magnified, double ceiling)
{
    return optland_softmax_newton(k, own, q, m, s, p, u, w, max_steps, coarse, magnified, ceiling);
}

OPTLAND_SOFTMAX_NEWTON(
    optland_softmax_newton_float32, float, optland_sum_float32, optland_dot_float32,
    optland_max_float32, optland_expf_negative)
#endif
