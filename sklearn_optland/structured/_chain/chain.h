/* Recursions of a linear chain, and the dual ascent step that rests on them.
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

/* The duals of sequences, and what their steps need. */
typedef struct {
    const double *c;       /* weights */
    double *mu, *xi;       /* token marginals; pair marginals, summed over a sequence */
    const int64_t *pairs;  /* the number of a sequence's block in xi; -1: a single token */
    double *entropy;       /* at most that of the dual's distribution */
    double *gap;           /* c times the divergence at the last visit; infinity before the first */
    const float *gram;     /* lower triangles of the tokens' inner products, by rows */
    const int64_t *grams;  /* where that of a sequence begins; -1: none */
    double *buffer;        /* W's shape, zero: of sequences without a Gram matrix */
} optland_chain_dual;

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

/* ---- rows of tokens ---- */

OPTLAND_INLINE double optland_chain_value(const optland_chain *c, int64_t p)
{
    return c->values64 ? c->values64[p] : c->values32[p];
}

OPTLAND_INLINE void optland_chain_row(
    const optland_chain *c, int64_t token, int64_t *begin, int64_t *end)
{
    *begin = c->indptr ? c->indptr[token] : token * c->n_columns;
    *end = c->indptr ? c->indptr[token + 1] : *begin + c->n_columns;
}

/* The column of entry p of a row that begins at `begin`. */
OPTLAND_INLINE int64_t optland_chain_column(const optland_chain *c, int64_t begin, int64_t p)
{
    return c->indices ? c->indices[p] : p - begin;
}

OPTLAND_INLINE const double *optland_chain_weights(const optland_chain *c, int64_t column)
{
    return column == c->n_columns - 1 ? c->last_row : c->W + column * c->stride;
}

#define OPTLAND_CHAIN_AHEAD 16 /* entries whose rows of W are fetched before their turn */

/* s = X W of a sequence, and the scores of its ends. */
OPTLAND_INLINE void optland_chain_scores(const optland_chain *c, int64_t first, int64_t n, double *s)
{
    const int64_t lanes = c->lanes;
    int64_t begin, end, last, unused;
    optland_chain_row(c, first + n - 1, &unused, &last);
    for (int64_t t = 0; t < n; t++) {
        optland_chain_row(c, first + t, &begin, &end);
        for (int64_t l = 0; l < lanes; l += 24) {
            double s0[8] = {0}, s1[8] = {0}, s2[8] = {0};
            const int64_t width = lanes - l;
            for (int64_t p = begin; p < end; p++) {
                const double x = optland_chain_value(c, p);
                const double *w = optland_chain_weights(c, optland_chain_column(c, begin, p)) + l;
                if (c->indices && p + OPTLAND_CHAIN_AHEAD < last) {
                    const double *next = c->W + c->indices[p + OPTLAND_CHAIN_AHEAD] * c->stride + l;
                    OPTLAND_PREFETCH(next);
                    OPTLAND_PREFETCH(next + 8);
                    OPTLAND_PREFETCH(next + 16);
                }
                if (width >= 24)
                    for (int j = 0; j < 8; j++) {
                        s0[j] += x * w[j];
                        s1[j] += x * w[8 + j];
                        s2[j] += x * w[16 + j];
                    }
                else if (width == 16)
                    for (int j = 0; j < 8; j++) {
                        s0[j] += x * w[j];
                        s1[j] += x * w[8 + j];
                    }
                else
                    for (int j = 0; j < 8; j++)
                        s0[j] += x * w[j];
            }
            double *out = s + t * lanes + l;
            for (int j = 0; j < 8; j++)
                out[j] = s0[j];
            if (width >= 16)
                for (int j = 0; j < 8; j++)
                    out[8 + j] = s1[j];
            if (width >= 24)
                for (int j = 0; j < 8; j++)
                    out[16 + j] = s2[j];
        }
        for (int64_t l = lanes - OPTLAND_OCTET; l < lanes; l++)
            s[t * lanes + l] = c->live[l] > 0 ? s[t * lanes + l] : 0;
    }
    if (c->first)
        for (int64_t l = 0; l < lanes; l++) {
            s[l] += c->first[l];
            s[(n - 1) * lanes + l] += c->last[l];
        }
}

/* target += scale X'd of a sequence; entries of W without a parameter stay 0. */
OPTLAND_INLINE void optland_chain_scatter(
    const optland_chain *c, int64_t first, int64_t n, double scale, const double *d,
    double *target)
{
    const int64_t lanes = c->lanes;
    int64_t begin, end;
    for (int64_t t = 0; t < n; t++) {
        const double *row = d + t * lanes;
        optland_chain_row(c, first + t, &begin, &end);
        for (int64_t p = begin; p < end; p++) {
            const double x = scale * optland_chain_value(c, p);
            const int64_t at = optland_chain_column(c, begin, p) * lanes;
            double *restrict w = target + at;
            if (c->has_W)
                for (int64_t l = 0; l < lanes; l++)
                    w[l] += x * row[l] * c->has_W[at + l];
            else
                for (int64_t l = 0; l < lanes; l += OPTLAND_OCTET)
                    for (int j = 0; j < OPTLAND_OCTET; j++)
                        w[l + j] += x * row[l + j];
        }
    }
}

/* The lower triangle, by rows, of the Gram matrix of a sequence's tokens, to which the parameters of
 * both ends belong. `scratch` has an entry for each column, zero before and after. */
static inline void optland_chain_gram(
    const optland_chain *c, int64_t i, int has_ends, double *scratch, float *gram)
{
    const int64_t start = c->starts[i], n = c->starts[i + 1] - start;
    int64_t begin, end;
    for (int64_t t = 0; t < n; gram += ++t) {
        optland_chain_row(c, start + t, &begin, &end);
        for (int64_t p = begin; p < end; p++)
            scratch[optland_chain_column(c, begin, p)] = optland_chain_value(c, p);
        for (int64_t u = 0; u <= t; u++) {
            double sum = 0;
            optland_chain_row(c, start + u, &begin, &end);
            for (int64_t p = begin; p < end; p++)
                sum += optland_chain_value(c, p) * scratch[optland_chain_column(c, begin, p)];
            if (has_ends && u == t)
                sum += (t == 0) + (t == n - 1);
            gram[u] = (float)sum;
        }
        optland_chain_row(c, start + t, &begin, &end);
        for (int64_t p = begin; p < end; p++)
            scratch[optland_chain_column(c, begin, p)] = 0;
    }
}

/* |X'd|^2 by way of a buffer of W's shape, which is zero before and after. */
OPTLAND_INLINE double optland_chain_square(
    const optland_chain *c, int64_t first, int64_t n, const double *d, double *buffer)
{
    const int64_t lanes = c->lanes;
    int64_t begin, end;
    double square = 0;
    optland_chain_scatter(c, first, n, 1, d, buffer);
    for (int64_t t = 0; t < n; t++) {
        optland_chain_row(c, first + t, &begin, &end);
        for (int64_t p = begin; p < end; p++) {
            double *sum = buffer + optland_chain_column(c, begin, p) * lanes;
            square += optland_octet_dot(lanes, sum, sum);
            for (int64_t l = 0; l < lanes; l++)
                sum[l] = 0;
        }
    }
    return square;
}

/* |X'd|^2 by way of the Gram matrix of the tokens. */
OPTLAND_INLINE double optland_chain_square_by_gram(
    const optland_chain *c, int64_t n, const double *d, const float *gram)
{
    const int64_t lanes = c->lanes;
    double square = 0;
    for (int64_t t = 0; t < n; gram += ++t) {
        for (int64_t u = 0; u < t; u++)
            c->line[u] = 2.0 * gram[u];
        c->line[t] = gram[t];
        optland_product(t + 1, lanes, c->line, d, c->rows);
        square += optland_octet_dot(lanes, c->rows, d + t * lanes);
    }
    return square;
}

/* The best labelling of one sequence. */
OPTLAND_CLONES
static void optland_chain_decode(const optland_chain *chain, int64_t i, const double *A, int *path)
{
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    optland_chain_scores(chain, start, n, chain->s);
    optland_chain_best_path(n, chain->k, chain->lanes, A, chain->s, path);
}

/* Draw labellings of one sequence: the last label by its message, then each one before it given the
 * next. `uniform` has n numbers in [0, 1) for each of the draws, whose labels are n_tokens apart. */
static inline void optland_chain_draw(
    const optland_chain *chain, int64_t i, int64_t n_draws, int64_t n_tokens,
    const double *uniform, int *labels)
{
    const int64_t k = chain->k, lanes = chain->lanes;
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    optland_chain_scores(chain, start, n, chain->s);
    optland_chain_messages(chain, n, chain->s);
    for (int64_t draw = 0; draw < n_draws; draw++, labels += n_tokens)
        for (int64_t t = n - 1; t >= 0; t--) {
            const double *message = chain->a + t * lanes;
            double top = -INFINITY, total = 0, left;
            for (int64_t l = 0; l < k; l++) {
                const double step = t < n - 1 ? chain->A[l * lanes + labels[t + 1]] : 0;
                chain->line[l] = message[l] + step;
                top = chain->line[l] > top ? chain->line[l] : top;
            }
            for (int64_t l = 0; l < k; l++)
                total += chain->line[l] = exp(chain->line[l] - top);
            left = total * *uniform++;
            int label = 0;
            while (label < k - 1 && left >= chain->line[label])
                left -= chain->line[label++];
            labels[t] = label;
        }
}

/* Add c times the gradient of one sequence's loss to G, in rows of lanes as theta is: those of the
 * columns, of the labels and of both ends; returns c times the loss. */
OPTLAND_CLONES
static double optland_chain_gradient(
    const optland_chain *chain, int64_t i, double c, double most, double *G)
{
    const int64_t k = chain->k, lanes = chain->lanes, d = chain->n_columns;
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    const int *y = chain->codes + start;
    optland_chain_scores(chain, start, n, chain->s);
    const double score = optland_chain_score(chain, n, chain->s, y);
    const double log_z = most == most ? optland_chain_both(chain, n, chain->s, most)
                                      : optland_chain_logarithms(chain, n, chain->s);
    double *p = chain->p, *A = G + d * lanes, *ends = A + k * lanes;
    for (int64_t t = 0; t < n; t++)
        p[t * lanes + y[t]] -= 1;
    optland_chain_scatter(chain, start, n, c, p, G);
    for (int64_t l = 0; n > 1 && l < k * lanes; l++)
        A[l] += c * chain->pairs[l];
    for (int64_t t = 1; t < n; t++)
        A[y[t - 1] * lanes + y[t]] -= c;
    for (int64_t l = 0; chain->first && l < lanes; l++) {
        ends[l] += c * p[l];
        ends[lanes + l] += c * p[(n - 1) * lanes + l];
    }
    return c * (log_z - score);
}

/* The marginals of one sequence, and the entropy of its labellings' distribution; `pairs` is NULL
 * or takes their sums. Returns log Z. */
OPTLAND_CLONES
static double optland_chain_distribution(
    const optland_chain *chain, int64_t i, double most, double *p, double *pairs, double *entropy)
{
    const int64_t k = chain->k, lanes = chain->lanes;
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    optland_chain_scores(chain, start, n, chain->s);
    const double log_z = most == most ? optland_chain_both(chain, n, chain->s, most)
                                      : optland_chain_logarithms(chain, n, chain->s);
    double h = log_z - optland_octet_dot(n * lanes, chain->s, chain->p);
    for (int64_t l = 0; l < n * lanes; l++)
        p[l] = chain->p[l];
    if (n > 1) {
        h -= optland_octet_dot(k * lanes, chain->A, chain->pairs);
        for (int64_t l = 0; pairs && l < k * lanes; l++)
            pairs[l] = chain->pairs[l];
    } else
        for (int64_t l = 0; pairs && l < k * lanes; l++)
            pairs[l] = 0;
    *entropy = h > 0 ? h : 0;
    return log_z;
}

/* The loss of one sequence, by the forward recursion alone. */
OPTLAND_CLONES
static double optland_chain_loss(const optland_chain *chain, int64_t i, double most)
{
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    optland_chain_scores(chain, start, n, chain->s);
    const double score = optland_chain_score(chain, n, chain->s, chain->codes + start);
    return (most == most ? optland_chain_forward(chain, n, chain->s, most)
                         : optland_chain_messages(chain, n, chain->s)) - score;
}

/* Maximise c H(g) - g linear - g^2 square / 2 over g in (0, 1], for the entropy of the mixture
 * (1 - g) point mass + g p, exactly
 *     H(g) = -q log q - g b log g + g (h + p_y log p_y),   b = 1 - p_y,   q = 1 - g b.
 * Starts at g; returns the best found, and its entropy. */
static inline double optland_chain_first_step(
    double c, double log_py, double h, double linear, double square, double g, double *entropy)
{
    const double b = -expm1(log_py), flat = h + exp(log_py) * log_py;
    double best = -1, best_value = -INFINITY;
    for (int step = 0; step < 5; step++) {
        const double q = 1 - g * b, log_q = log1p(-g * b), log_g = log(g);
        const double H = -q * log_q - g * b * log_g + g * flat;
        const double value = c * H - g * linear - 0.5 * g * g * square;
        if (value > best_value) {
            best_value = value;
            best = g;
            *entropy = H;
        }
        const double slope = c * (b * (log_q - log_g) + flat) - linear - g * square;
        const double curvature = -c * (b * b / q + b / g) - square;
        double next = g - slope / curvature;
        next = next > 0.1 * g ? next : 0.1 * g;
        next = next < 1 ? next : 1;
        if (!(next > 0) || next == g)
            break;
        g = next;
    }
    return best;
}

typedef struct {
    double size, square, with_p, with_mu;
} optland_chain_sums;

/* d = c (mu - p) of whole octets; adds |mu - p|, d'd, s'p and s'mu to the sums. */
OPTLAND_INLINE void optland_chain_change(
    int64_t n, double c, const double *mu, const double *p, const double *s, double *restrict d,
    optland_chain_sums *sums)
{
    double size[8] = {0}, square[8] = {0}, with_p[8] = {0}, with_mu[8] = {0};
    for (int64_t l = 0; l < n; l += OPTLAND_OCTET)
        for (int j = 0; j < OPTLAND_OCTET; j++) {
            const double change = mu[l + j] - p[l + j];
            const double step = c * change;
            d[l + j] = step;
            size[j] += change < 0 ? -change : change;
            square[j] += step * step;
            with_p[j] += s[l + j] * p[l + j];
            with_mu[j] += s[l + j] * mu[l + j];
        }
    sums->size += optland_octet_sum(size);
    sums->square += optland_octet_sum(square);
    sums->with_p += optland_octet_sum(with_p);
    sums->with_mu += optland_octet_sum(with_mu);
}

/* One step of dual ascent, for sequence i, as chain_fast.pyx has it; returns c tau^2. */
OPTLAND_CLONES
static double optland_chain_visit(const optland_chain *chain, const optland_chain_dual *dual, int64_t i)
{
    const int64_t k = chain->k, lanes = chain->lanes;
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    const double c = dual->c[i];
    double *s = chain->s, *p = chain->p, *pairs = chain->pairs;
    double *mu = dual->mu + start * lanes, *xi = dual->xi + dual->pairs[i] * k * lanes;
    const int is_first = dual->gap[i] == INFINITY;
    double most = 0;
    int exponentials = 1;

    optland_chain_scores(chain, start, n, s);
    if (n > 1) {
        double least;
        optland_chain_limits(chain, &least, &most);
        exponentials = most - least <= OPTLAND_CHAIN_RANGE;
        if (exponentials)
            optland_chain_exponentials(chain, most);
    }
    const double log_z = exponentials ? optland_chain_both(chain, n, s, most)
                                      : optland_chain_logarithms(chain, n, s);

    /* d = c (mu - p) in place of b, for pairs in place of M; tau is the largest |mu_t - p_t|_1. */
    double *d = chain->b, *d_pairs = chain->M;
    double tau = 0;
    optland_chain_sums tokens = {0, 0, 0, 0}, neighbours = {0, 0, 0, 0};
    for (int64_t t = 0; t < n; t++) {
        const int64_t at = t * lanes;
        tokens.size = 0;
        optland_chain_change(lanes, c, mu + at, p + at, s + at, d + at, &tokens);
        tau = tokens.size > tau ? tokens.size : tau;
    }
    if (n > 1)
        optland_chain_change(k * lanes, c, xi, pairs, chain->A, d_pairs, &neighbours);
    double square = neighbours.square;
    if (dual->grams[i] >= 0)
        square += optland_chain_square_by_gram(chain, n, d, dual->gram + dual->grams[i]);
    else
        square += optland_chain_square(chain, start, n, d, dual->buffer);
    if (chain->first && dual->grams[i] < 0)
        square += optland_octet_dot(lanes, d, d)
            + optland_octet_dot(lanes, d + (n - 1) * lanes, d + (n - 1) * lanes);

    const double with_p = tokens.with_p + neighbours.with_p;
    const double with_mu = tokens.with_mu + neighbours.with_mu;
    const double h = log_z - with_p;
    double gap = c * (log_z - with_mu - dual->entropy[i]);
    gap = gap > 0 ? gap : 0;
    const double extra = c * tau * tau;
    double g = 0;
    if (gap > 0 && square + extra > 0)
        g = gap + 0.5 * extra < square + extra ? (gap + 0.5 * extra) / (square + extra) : 1;
    if (is_first && g > 0)
        g = optland_chain_first_step(
            c, with_mu - log_z, h, c * (with_mu - with_p), square, g, dual->entropy + i);
    else
        dual->entropy[i] += g * (h - dual->entropy[i]) + 0.5 * g * (1 - g) * tau * tau;
    dual->gap[i] = gap;
    if (g == 0)
        return extra;

    /* g d are the steps of the parameters; mu and xi go g of the way to p and pairs. */
    for (int64_t l = 0; l < n * lanes; l++)
        mu[l] += g * (p[l] - mu[l]);
    optland_chain_scatter(chain, start, n, g, d, chain->W);
    if (n > 1)
        for (int64_t l = 0; l < k * lanes; l++) {
            xi[l] += g * (pairs[l] - xi[l]);
            chain->A[l] += chain->has_A && !chain->has_A[l] ? 0 : g * d_pairs[l];
        }
    if (chain->first)
        for (int64_t l = 0; l < lanes; l++) {
            const int64_t end = (n - 1) * lanes + l;
            chain->first[l] += chain->has_ends && !chain->has_ends[l] ? 0 : g * d[l];
            chain->last[l] += chain->has_ends && !chain->has_ends[lanes + l] ? 0 : g * d[end];
        }
    return extra;
}
#endif
