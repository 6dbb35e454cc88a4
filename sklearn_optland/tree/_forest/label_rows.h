/* Dot products and AdaGrad steps in float32, for classes that are visited one row at a time.
 *
 * Rows are padded with zeros to a multiple of 2 * OPTLAND_FLOATS values, so that no loop has a
 * rest.
 */
#ifndef OPTLAND_LABEL_ROWS_H
#define OPTLAND_LABEL_ROWS_H

#include <string.h>

#include "vector_math.h"

#define OPTLAND_FLOATS 16    /* a cache line */

/* OPTLAND_FLOATS lanes of a sum. gcc finds no vectors in loops over lanes of several sums; vectors
 * that are wider than a processor's registers it keeps in memory, so that they are of 8 lanes.
 *
 * A word holds two weights of 16 bits, of x_j and x_{j + OPTLAND_FLOATS}: two shifts take it apart,
 * where weights side by side would need shuffles. */
#if defined(__GNUC__)
#define OPTLAND_ALIGNED __attribute__((aligned(64)))  /* where a short loop lies costs up to 10 % */
typedef float optland_eight __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t optland_words __attribute__((vector_size(32), aligned(4), may_alias));
typedef float optland_four __attribute__((vector_size(16)));
typedef struct { optland_eight low, high; } optland_sixteen;

OPTLAND_INLINE void optland_add_floats(optland_sixteen *sum, const float *x, const float *w)
{
    const optland_eight *xs = (const optland_eight *)x, *ws = (const optland_eight *)w;
    sum->low += xs[0] * ws[0];
    sum->high += xs[1] * ws[1];
    sum->low += xs[2] * ws[2];
    sum->high += xs[3] * ws[3];
}

OPTLAND_INLINE void optland_add_words(optland_sixteen *sum, const float *x, const int32_t *w)
{
    const optland_eight *xs = (const optland_eight *)x;
    const optland_words low = ((const optland_words *)w)[0], high = ((const optland_words *)w)[1];
    sum->low += xs[0] * __builtin_convertvector(low << 16 >> 16, optland_eight);
    sum->high += xs[1] * __builtin_convertvector(high << 16 >> 16, optland_eight);
    sum->low += xs[2] * __builtin_convertvector(low >> 16, optland_eight);
    sum->high += xs[3] * __builtin_convertvector(high >> 16, optland_eight);
}

OPTLAND_INLINE float optland_sum_sixteen(const optland_sixteen *lanes)
{
    const optland_eight eight = lanes->low + lanes->high;
    optland_four part[2], sum;
    memcpy(part, &eight, sizeof part);
    sum = part[0] + part[1];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}
#else
#define OPTLAND_ALIGNED
typedef struct { float e[OPTLAND_FLOATS]; } optland_sixteen;

OPTLAND_INLINE void optland_add_floats(optland_sixteen *sum, const float *x, const float *w)
{
    for (int e = 0; e < OPTLAND_FLOATS; e++)
        sum->e[e] += x[e] * w[e] + x[e + OPTLAND_FLOATS] * w[e + OPTLAND_FLOATS];
}

OPTLAND_INLINE void optland_add_words(optland_sixteen *sum, const float *x, const int32_t *w)
{
    for (int e = 0; e < OPTLAND_FLOATS; e++)
        sum->e[e] += x[e] * (int16_t)(w[e] & 0xffff) + x[e + OPTLAND_FLOATS] * (w[e] >> 16);
}

OPTLAND_INLINE float optland_sum_sixteen(const optland_sixteen *lanes)
{
    const float *e = lanes->e;
    float part[4];
    for (int i = 0; i < 4; i++)
        part[i] = (e[i] + e[i + 4]) + (e[i + 8] + e[i + 12]);
    return (part[0] + part[1]) + (part[2] + part[3]);
}
#endif

OPTLAND_INLINE void optland_fetch_row(int64_t n, const float *row)
{
    for (int64_t j = 0; j < n; j += OPTLAND_FLOATS)
        OPTLAND_PREFETCH(row + j);
}

/* scores_c = x'w_c for the first `width` of four listed rows of w, which share x. The width is
 * known when this is compiled, and what it does not need is not there. `step` entries of a row go
 * with each pair of x's vectors. */
#define OPTLAND_FEW_SCORES(NAME, TYPE, STEP, ADD)                                                  \
OPTLAND_INLINE void NAME(                                                                          \
    int width, int64_t n, const float *x, const TYPE *w, const int *listed, float *scores)         \
{                                                                                                  \
    const int64_t length = n / (2 * OPTLAND_FLOATS) * STEP;                                        \
    optland_sixteen sum0 = {{0}}, sum1 = {{0}}, sum2 = {{0}}, sum3 = {{0}};                        \
    const TYPE *w0 = w + listed[0] * length, *w1 = w + listed[width > 1 ? 1 : 0] * length;         \
    const TYPE *w2 = w + listed[width > 2 ? 2 : 0] * length;                                       \
    const TYPE *w3 = w + listed[width > 3 ? 3 : 0] * length;                                       \
    for (int64_t j = 0; j < length; j += STEP, x += 2 * OPTLAND_FLOATS) {                          \
        ADD(&sum0, x, w0 + j);                                                                     \
        if (width > 1)                                                                             \
            ADD(&sum1, x, w1 + j);                                                                 \
        if (width > 2)                                                                             \
            ADD(&sum2, x, w2 + j);                                                                 \
        if (width > 3)                                                                             \
            ADD(&sum3, x, w3 + j);                                                                 \
    }                                                                                              \
    scores[0] = optland_sum_sixteen(&sum0);                                                        \
    if (width > 1)                                                                                 \
        scores[1] = optland_sum_sixteen(&sum1);                                                    \
    if (width > 2)                                                                                 \
        scores[2] = optland_sum_sixteen(&sum2);                                                    \
    if (width > 3)                                                                                 \
        scores[3] = optland_sum_sixteen(&sum3);                                                    \
}

OPTLAND_FEW_SCORES(optland_few_scores, float, 2 * OPTLAND_FLOATS, optland_add_floats)
OPTLAND_FEW_SCORES(optland_few_word_scores, int32_t, OPTLAND_FLOATS, optland_add_words)

/* scores_c = x'w_c for the listed rows of w, each n floats: four at a time. */
OPTLAND_CLONES
static void optland_dense_scores(
    int64_t n, const float *x, const float *w, int64_t n_listed, const int *listed, float *scores)
{
    int64_t c = 0;
    for (; c + 4 <= n_listed; c += 4) {
        for (int64_t ahead = c + 4; ahead < c + 8 && ahead < n_listed; ahead++)
            optland_fetch_row(n, w + listed[ahead] * n);
        optland_few_scores(4, n, x, w, listed + c, scores + c);
    }
    for (; c < n_listed; c++)
        optland_few_scores(1, n, x, w, listed + c, scores + c);
}

/* The same, of rows of n / 2 words; row c is scale_c times its integers, plus bias_c. */
OPTLAND_CLONES
static void optland_word_scores(
    int64_t n, const float *x, const int32_t *w, const float *scale, const float *bias,
    int64_t n_listed, const int *listed, float *scores)
{
    int64_t c = 0;
    for (; c + 4 <= n_listed; c += 4) {
        for (int64_t ahead = c + 4; ahead < c + 8 && ahead < n_listed; ahead++) {
            optland_fetch_row(n / 2, (const float *)(w + listed[ahead] * (n / 2)));
            OPTLAND_PREFETCH(scale + listed[ahead]);
            OPTLAND_PREFETCH(bias + listed[ahead]);
        }
        optland_few_word_scores(4, n, x, w, listed + c, scores + c);
    }
    if (n_listed - c == 3)
        optland_few_word_scores(3, n, x, w, listed + c, scores + c);
    else if (n_listed - c == 2)
        optland_few_word_scores(2, n, x, w, listed + c, scores + c);
    else if (n_listed - c == 1)
        optland_few_word_scores(1, n, x, w, listed + c, scores + c);
    for (c = 0; c < n_listed; c++)
        scores[c] = scale[listed[c]] * scores[c] + bias[listed[c]];
}

/* scores_c = sum over the non-zeros of x_j w[start_j + c] for the listed classes c. */
OPTLAND_CLONES OPTLAND_ALIGNED
static void optland_sparse_scores(
    int64_t size, const int *columns, const float *x, const int64_t *start, const float *w,
    int64_t n_listed, const int *listed, float *scores)
{
    for (int64_t c = 0; c < n_listed; c++)
        scores[c] = 0;
    for (int64_t p = 0; p < size; p++) {
        const float *row = w + start[columns[p]];
        if (p + 1 < size) {
            const float *ahead = w + start[columns[p + 1]];
            for (int64_t c = 0; c < n_listed; c++)
                OPTLAND_PREFETCH(ahead + listed[c]);
        }
        for (int64_t c = 0; c < n_listed; c++)
            scores[c] += x[p] * row[listed[c]];
    }
}

/* z += sum over the non-zeros of x_j times row j of the projection, n floats each. */
OPTLAND_CLONES
static void optland_project(
    int64_t size, const int *columns, const float *x, const float *projection, int64_t n, float *z)
{
    for (int64_t p = 0; p < size; p++) {
        const float *row = projection + columns[p] * n;
        if (p + 2 < size)
            optland_fetch_row(n, projection + columns[p + 2] * n);
        for (int64_t j = 0; j < n; j++)
            z[j] += x[p] * row[j];
    }
}

/* One AdaGrad step with the gradient g x: each coordinate has the sum of its squared gradients. */
OPTLAND_CLONES
static void optland_adagrad(
    int64_t n, const float *x, float g, float rate, float *restrict w, float *restrict squares)
{
    for (int64_t j = 0; j < n; j++) {
        float gradient = g * x[j];
        squares[j] += gradient * gradient;
        w[j] -= rate * gradient / sqrtf(squares[j] + 1e-20f);
    }
}

/* (x - shift) scale, held within limit; of float32 and float64 rows. */
#define OPTLAND_STANDARDISE(NAME, REAL)                                                            \
OPTLAND_CLONES                                                                                     \
static void NAME(                                                                                  \
    int64_t n, const REAL *x, const REAL *shift, const REAL *scale, float limit, float *out)       \
{                                                                                                  \
    for (int64_t j = 0; j < n; j++) {                                                              \
        REAL value = (x[j] - shift[j]) * scale[j];                                                 \
        value = value < limit ? value : limit;                                                     \
        out[j] = (float)(value > -limit ? value : -limit);                                         \
    }                                                                                              \
}

OPTLAND_STANDARDISE(optland_standardise_float32, float)
OPTLAND_STANDARDISE(optland_standardise_float64, double)

#endif
