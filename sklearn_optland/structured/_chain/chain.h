/* Recursions of a linear chain.
 *
 * A sequence has n tokens, each with `lanes` scores: k labels, rounded up to whole octets of
 * doubles, in which all loops run. What no label has is 0 in parameters and probabilities.
 *
 *     log p(y | x) = sum_t s_t[y_t] + sum_t A[y_{t-1}, y_t] - log Z.
 *
 * Forward and backward (Rabiner 1989, with its scaling) run on exponentials,
 *
 *     e_t = exp(s_t - max s_t),  M = exp(A - max A),
 *     a_t = e_t o (M'a_{t-1}) / z_t,   b_{t-1} = M (e_t o b_t) / r_t,   p_t = a_t o b_t / q_t,
 *     log Z = sum_t (max s_t + log z_t) + (n - 1) max A,
 *     sum_t p(y_{t-1}, y_t) = M o sum_t a_{t-1} (e_t o b_t)' / (r_t q_{t-1}).
 *
 * Messages differ by no more than exp(range of A) between labels. Up to OPTLAND_CHAIN_RANGE an
 * exponential that is held or underflows is therefore one of a label without probability; beyond,
 * the recursions run on logarithms.
 */
#ifndef OPTLAND_CHAIN_H
#define OPTLAND_CHAIN_H

#include "vector_math.h"

#define OPTLAND_OCTET 8
#define OPTLAND_CHAIN_RANGE 150.0

typedef struct {
    /* The rows of all tokens, as RowPointers have them. */
    const float *values32;
    const double *values64;
    const int *indices;
    const long long *indptr;
    int64_t n_columns;
    /* Sequence i has the tokens starts[i] to starts[i + 1]. */
    const int64_t *starts;
    const int *codes;
    /* Parameters: a row for each column, `stride` apart, for each label, and for the ends of a
     * sequence, NULL if they have none. The last row of W may be a copy: lanes beyond a row's end
     * are read, and not used. */
    int64_t k, lanes, stride;
    double *W, *last_row, *A, *first, *last;
    /* 1 where there is a parameter, in rows of lanes; NULL: everywhere. */
    const unsigned char *has_W, *has_A, *has_ends;
    const double *live; /* a row: 1 for labels */
    /* For the longest sequence: n lanes each, then n each, then k lanes each. */
    double *s, *e, *a, *b, *v, *p;
    double *top, *z, *r, *q, *line;
    double *M, *transposed, *pairs, *rows;
} optland_chain;

OPTLAND_INLINE double optland_octet_sum(const double *lane)
{
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

/* x'y of whole octets. */
OPTLAND_INLINE double optland_octet_dot(int64_t n, const double *x, const double *y)
{
    double lane[OPTLAND_OCTET] = {0};
    for (int64_t i = 0; i < n; i += OPTLAND_OCTET)
        for (int j = 0; j < OPTLAND_OCTET; j++)
            lane[j] += x[i + j] * y[i + j];
    return optland_octet_sum(lane);
}

/* out = x'M for m rows of M, `lanes` apart: one, two or three octets of columns. Two sums for each
 * column hide the latency of additions. */
OPTLAND_INLINE void optland_octets_1(
    int64_t m, int64_t lanes, const double *x, const double *M, double *restrict out)
{
    double s0[8] = {0}, t0[8] = {0};
    int64_t j = 0;
    for (; j + 2 <= m; j += 2, M += 2 * lanes)
        for (int l = 0; l < 8; l++) {
            s0[l] += x[j] * M[l];
            t0[l] += x[j + 1] * M[lanes + l];
        }
    for (; j < m; j++)
        for (int l = 0; l < 8; l++)
            s0[l] += x[j] * M[l];
    for (int l = 0; l < 8; l++)
        out[l] = s0[l] + t0[l];
}

OPTLAND_INLINE void optland_octets_2(
    int64_t m, int64_t lanes, const double *x, const double *M, double *restrict out)
{
    double s0[8] = {0}, s1[8] = {0}, t0[8] = {0}, t1[8] = {0};
    int64_t j = 0;
    for (; j + 2 <= m; j += 2, M += 2 * lanes)
        for (int l = 0; l < 8; l++) {
            s0[l] += x[j] * M[l];
            s1[l] += x[j] * M[8 + l];
            t0[l] += x[j + 1] * M[lanes + l];
            t1[l] += x[j + 1] * M[lanes + 8 + l];
        }
    for (; j < m; j++)
        for (int l = 0; l < 8; l++) {
            s0[l] += x[j] * M[l];
            s1[l] += x[j] * M[8 + l];
        }
    for (int l = 0; l < 8; l++) {
        out[l] = s0[l] + t0[l];
        out[8 + l] = s1[l] + t1[l];
    }
}

OPTLAND_INLINE void optland_octets_3(
    int64_t m, int64_t lanes, const double *x, const double *M, double *restrict out)
{
    double s0[8] = {0}, s1[8] = {0}, s2[8] = {0}, t0[8] = {0}, t1[8] = {0}, t2[8] = {0};
    int64_t j = 0;
    for (; j + 2 <= m; j += 2, M += 2 * lanes)
        for (int l = 0; l < 8; l++) {
            s0[l] += x[j] * M[l];
            s1[l] += x[j] * M[8 + l];
            s2[l] += x[j] * M[16 + l];
            t0[l] += x[j + 1] * M[lanes + l];
            t1[l] += x[j + 1] * M[lanes + 8 + l];
            t2[l] += x[j + 1] * M[lanes + 16 + l];
        }
    for (; j < m; j++)
        for (int l = 0; l < 8; l++) {
            s0[l] += x[j] * M[l];
            s1[l] += x[j] * M[8 + l];
            s2[l] += x[j] * M[16 + l];
        }
    for (int l = 0; l < 8; l++) {
        out[l] = s0[l] + t0[l];
        out[8 + l] = s1[l] + t1[l];
        out[16 + l] = s2[l] + t2[l];
    }
}

OPTLAND_INLINE void optland_product(
    int64_t m, int64_t lanes, const double *x, const double *M, double *restrict out)
{
    int64_t l = 0;
    for (; lanes - l >= 24; l += 24)
        optland_octets_3(m, lanes, x, M + l, out + l);
    if (lanes - l == 16)
        optland_octets_2(m, lanes, x, M + l, out + l);
    else if (lanes - l == 8)
        optland_octets_1(m, lanes, x, M + l, out + l);
}

/* The smallest and the largest of A's k x k entries. */
OPTLAND_INLINE void optland_chain_limits(const optland_chain *c, double *least, double *most)
{
    double low[OPTLAND_OCTET], high[OPTLAND_OCTET];
    for (int j = 0; j < OPTLAND_OCTET; j++)
        low[j] = high[j] = c->A[0];
    for (int64_t i = 0; i < c->k; i++)
        for (int64_t l = 0; l < c->lanes; l += OPTLAND_OCTET)
            for (int j = 0; j < OPTLAND_OCTET; j++) {
                double value = l + j < c->k ? c->A[i * c->lanes + l + j] : c->A[0];
                low[j] = value < low[j] ? value : low[j];
                high[j] = value > high[j] ? value : high[j];
            }
    for (int j = 1; j < OPTLAND_OCTET; j++) {
        low[0] = low[j] < low[0] ? low[j] : low[0];
        high[0] = high[j] > high[0] ? high[j] : high[0];
    }
    *least = low[0];
    *most = high[0];
}

/* M = exp(A - most), and its transpose. */
OPTLAND_INLINE void optland_chain_exponentials(const optland_chain *c, double most)
{
    const int64_t k = c->k, lanes = c->lanes;
    for (int64_t i = 0; i < k; i++)
        for (int64_t l = 0; l < lanes; l++) {
            double below = c->A[i * lanes + l] - most;
            c->M[i * lanes + l] = c->live[l] * optland_exp_negative(below < 0 ? below : 0);
        }
    for (int64_t i = 0; i < k; i++)
        for (int64_t l = 0; l < k; l++)
            c->transposed[l * lanes + i] = c->M[i * lanes + l];
}

/* e_t = exp(s_t - top_t). */
OPTLAND_INLINE void optland_chain_tokens(const optland_chain *c, int64_t n, const double *s)
{
    const int64_t lanes = c->lanes;
    for (int64_t t = 0; t < n; t++) {
        const double *row = s + t * lanes;
        double top[OPTLAND_OCTET];
        for (int j = 0; j < OPTLAND_OCTET; j++)
            top[j] = row[0];
        for (int64_t l = 0; l < lanes; l += OPTLAND_OCTET)
            for (int j = 0; j < OPTLAND_OCTET; j++) {
                double value = c->live[l + j] > 0 ? row[l + j] : row[0];
                top[j] = value > top[j] ? value : top[j];
            }
        for (int width = OPTLAND_OCTET / 2; width > 0; width /= 2)
            for (int j = 0; j < width; j++)
                top[j] = top[j + width] > top[j] ? top[j + width] : top[j];
        c->top[t] = top[0];
        for (int64_t l = 0; l < lanes; l++) {
            double below = row[l] - top[0];
            c->e[t * lanes + l] = c->live[l] * optland_exp_negative(below < 0 ? below : 0);
        }
    }
}

/* out = e o x; returns its sum. */
OPTLAND_INLINE double optland_times(
    int64_t lanes, const double *e, const double *x, double *restrict out)
{
    double lane[OPTLAND_OCTET] = {0};
    for (int64_t l = 0; l < lanes; l += OPTLAND_OCTET)
        for (int j = 0; j < OPTLAND_OCTET; j++) {
            out[l + j] = e[l + j] * x[l + j];
            lane[j] += out[l + j];
        }
    return optland_octet_sum(lane);
}

OPTLAND_INLINE double optland_total(int64_t lanes, const double *x)
{
    double lane[OPTLAND_OCTET] = {0};
    for (int64_t l = 0; l < lanes; l += OPTLAND_OCTET)
        for (int j = 0; j < OPTLAND_OCTET; j++)
            lane[j] += x[l + j];
    return optland_octet_sum(lane);
}

OPTLAND_INLINE void optland_scale(int64_t lanes, double by, double *x)
{
    for (int64_t l = 0; l < lanes; l++)
        x[l] *= by;
}

/* sum_t log z_t, by few logarithms. */
OPTLAND_INLINE double optland_sum_of_logs(int64_t n, const double *z)
{
    double total = 0, product = 1;
    for (int64_t t = 0; t < n; t++) {
        product *= z[t];
        if (product < 1e-150 || product > 1e150) {
            total += log(product);
            product = 1;
        }
    }
    return total + log(product);
}

/* The forward recursion alone: log Z. */
OPTLAND_INLINE double optland_chain_forward(
    const optland_chain *c, int64_t n, const double *s, double most)
{
    const int64_t k = c->k, lanes = c->lanes;
    double log_z = (double)(n - 1) * most;
    optland_chain_tokens(c, n, s);
    c->z[0] = optland_times(lanes, c->e, c->live, c->a);
    optland_scale(lanes, 1 / c->z[0], c->a);
    for (int64_t t = 1; t < n; t++) {
        double *a = c->a + t * lanes;
        optland_product(k, lanes, a - lanes, c->M, c->v);
        c->z[t] = optland_times(lanes, c->e + t * lanes, c->v, a);
        optland_scale(lanes, 1 / c->z[t], a);
    }
    for (int64_t t = 0; t < n; t++)
        log_z += c->top[t];
    return log_z + optland_sum_of_logs(n, c->z);
}

/* Forward and backward in one loop, since neither waits for the other: p, pairs and log Z. */
OPTLAND_INLINE double optland_chain_both(
    const optland_chain *c, int64_t n, const double *s, double most)
{
    const int64_t k = c->k, lanes = c->lanes;
    double log_z = (double)(n - 1) * most;
    optland_chain_tokens(c, n, s);
    c->z[0] = optland_times(lanes, c->e, c->live, c->a);
    optland_scale(lanes, 1 / c->z[0], c->a);
    for (int64_t l = 0; l < lanes; l++)
        c->b[(n - 1) * lanes + l] = c->live[l];
    for (int64_t t = 1; t < n; t++) {
        int64_t u = n - t;
        double *a = c->a + t * lanes, *b = c->b + (u - 1) * lanes, *v = c->v + u * lanes;
        double *message = c->rows; /* not used before the pairs are summed */
        optland_product(k, lanes, a - lanes, c->M, message);
        optland_times(lanes, c->e + u * lanes, b + lanes, v);
        optland_product(k, lanes, v, c->transposed, b);
        c->z[t] = optland_times(lanes, c->e + t * lanes, message, a);
        c->r[u] = optland_total(lanes, b);
        optland_scale(lanes, 1 / c->z[t], a);
        optland_scale(lanes, 1 / c->r[u], b);
    }
    for (int64_t t = 0; t < n; t++) {
        double *p = c->p + t * lanes;
        c->q[t] = optland_times(lanes, c->a + t * lanes, c->b + t * lanes, p);
        optland_scale(lanes, 1 / c->q[t], p);
        log_z += c->top[t];
    }
    for (int64_t t = 1; t < n; t++)
        optland_scale(lanes, 1 / (c->r[t] * c->q[t - 1]), c->v + t * lanes);
    /* pairs = M o sum_t a_{t-1} v_t', eight labels by eight lanes at a time: the columns of a are
     * copied, so that each is read in order. */
    for (int64_t i = 0; n > 1 && i < k; i += OPTLAND_OCTET) {
        for (int64_t t = 1; t < n; t++)
            for (int j = 0; j < OPTLAND_OCTET; j++)
                c->rows[(t - 1) * OPTLAND_OCTET + j] = c->a[(t - 1) * lanes + i + j];
        for (int64_t l = 0; l < lanes; l += OPTLAND_OCTET) {
            double t0[8] = {0}, t1[8] = {0}, t2[8] = {0}, t3[8] = {0};
            double t4[8] = {0}, t5[8] = {0}, t6[8] = {0}, t7[8] = {0};
            const double *v = c->v + lanes + l, *x = c->rows;
            for (int64_t t = 1; t < n; t++, v += lanes, x += OPTLAND_OCTET)
                for (int j = 0; j < 8; j++) {
                    t0[j] += x[0] * v[j];
                    t1[j] += x[1] * v[j];
                    t2[j] += x[2] * v[j];
                    t3[j] += x[3] * v[j];
                    t4[j] += x[4] * v[j];
                    t5[j] += x[5] * v[j];
                    t6[j] += x[6] * v[j];
                    t7[j] += x[7] * v[j];
                }
            double *out = c->pairs + i * lanes + l;
            const double *m = c->M + i * lanes + l;
            for (int j = 0; j < 8; j++) {
                out[j] = m[j] * t0[j];
                out[lanes + j] = m[lanes + j] * t1[j];
                out[2 * lanes + j] = m[2 * lanes + j] * t2[j];
                out[3 * lanes + j] = m[3 * lanes + j] * t3[j];
                out[4 * lanes + j] = m[4 * lanes + j] * t4[j];
                out[5 * lanes + j] = m[5 * lanes + j] * t5[j];
                out[6 * lanes + j] = m[6 * lanes + j] * t6[j];
                out[7 * lanes + j] = m[7 * lanes + j] * t7[j];
            }
        }
    }
    return log_z + optland_sum_of_logs(n, c->z);
}

/* log sum_l exp(x_l). */
static inline double optland_log_sum(int64_t k, const double *x)
{
    double top = x[0], total = 0;
    for (int64_t l = 1; l < k; l++)
        top = x[l] > top ? x[l] : top;
    for (int64_t l = 0; l < k; l++)
        total += exp(x[l] - top);
    return top + log(total);
}

/* The forward recursion on logarithms, a, for transitions that exponentials cannot hold. */
static inline double optland_chain_messages(const optland_chain *c, int64_t n, const double *s)
{
    const int64_t k = c->k, lanes = c->lanes;
    for (int64_t l = 0; l < k; l++)
        c->a[l] = s[l];
    for (int64_t t = 1; t < n; t++)
        for (int64_t l = 0; l < k; l++) {
            for (int64_t i = 0; i < k; i++)
                c->line[i] = c->a[(t - 1) * lanes + i] + c->A[i * lanes + l];
            c->a[t * lanes + l] = s[t * lanes + l] + optland_log_sum(k, c->line);
        }
    return optland_log_sum(k, c->a + (n - 1) * lanes);
}

/* Both recursions on logarithms, a and b: p, pairs and log Z. */
static inline double optland_chain_logarithms(const optland_chain *c, int64_t n, const double *s)
{
    const int64_t k = c->k, lanes = c->lanes;
    const double log_z = optland_chain_messages(c, n, s);
    for (int64_t l = 0; l < k; l++)
        c->b[(n - 1) * lanes + l] = 0;
    for (int64_t t = n - 1; t > 0; t--)
        for (int64_t i = 0; i < k; i++) {
            for (int64_t l = 0; l < k; l++)
                c->line[l] = c->A[i * lanes + l] + s[t * lanes + l] + c->b[t * lanes + l];
            c->b[(t - 1) * lanes + i] = optland_log_sum(k, c->line);
        }
    for (int64_t i = 0; i < n * lanes; i++)
        c->p[i] = 0;
    for (int64_t i = 0; i < k * lanes; i++)
        c->pairs[i] = 0;
    for (int64_t t = 0; t < n; t++) {
        double *p = c->p + t * lanes, total = 0;
        for (int64_t l = 0; l < k; l++)
            total += p[l] = exp(c->a[t * lanes + l] + c->b[t * lanes + l] - log_z);
        for (int64_t l = 0; l < k; l++)
            p[l] /= total;
    }
    for (int64_t t = 1; t < n; t++)
        for (int64_t i = 0; i < k; i++)
            for (int64_t l = 0; l < k; l++)
                c->pairs[i * lanes + l] += exp(
                    c->a[(t - 1) * lanes + i] + c->A[i * lanes + l] + s[t * lanes + l]
                    + c->b[t * lanes + l] - log_z);
    return log_z;
}

/* Prepare the recursions for the present A; returns max A, or NaN where logarithms are needed. */
OPTLAND_CLONES
static double optland_chain_prepare(const optland_chain *c)
{
    double least, most;
    optland_chain_limits(c, &least, &most);
    if (!(most - least <= OPTLAND_CHAIN_RANGE))
        return NAN;
    optland_chain_exponentials(c, most);
    return most;
}

/* The score of the labels y. */
OPTLAND_INLINE double optland_chain_score(
    const optland_chain *c, int64_t n, const double *s, const int *y)
{
    double score = s[y[0]];
    for (int64_t t = 1; t < n; t++)
        score += s[t * c->lanes + y[t]] + c->A[y[t - 1] * c->lanes + y[t]];
    return score;
}

/* Scores of label paths as the best path needs them: delta_t = s_t + max_i (delta_{t-1}[i] +
 * A[i]), in place of s (Viterbi 1967). The path is then found backwards without stored pointers:
 * the same sums are made again for the one label of each token. */
OPTLAND_INLINE void optland_chain_best_path(
    int64_t n, int64_t k, int64_t lanes, const double *A, double *s, int *path)
{
    for (int64_t t = 1; t < n; t++) {
        const double *before = s + (t - 1) * lanes;
        double *now = s + t * lanes;
        for (int64_t l = 0; l < lanes; l += OPTLAND_OCTET) {
            double best[OPTLAND_OCTET];
            const double *row = A + l;
            for (int j = 0; j < OPTLAND_OCTET; j++)
                best[j] = before[0] + row[j];
            for (int64_t i = 1; i < k; i++) {
                row += lanes;
                for (int j = 0; j < OPTLAND_OCTET; j++) {
                    double value = before[i] + row[j];
                    best[j] = value > best[j] ? value : best[j];
                }
            }
            for (int j = 0; j < OPTLAND_OCTET; j++)
                now[l + j] += best[j];
        }
    }
    const double *end = s + (n - 1) * lanes;
    int label = 0;
    for (int64_t l = 1; l < k; l++)
        label = end[l] > end[label] ? (int)l : label;
    path[n - 1] = label;
    for (int64_t t = n - 1; t > 0; t--) {
        const double *before = s + (t - 1) * lanes;
        int from = 0;
        double best = before[0] + A[label];
        for (int64_t i = 1; i < k; i++) {
            double value = before[i] + A[i * lanes + label];
            from = value > best ? (int)i : from;
            best = value > best ? value : best;
        }
        path[t - 1] = label = from;
    }
}
#endif
