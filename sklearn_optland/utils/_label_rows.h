/* Dot products and AdaGrad steps in float32, for classes that are visited one row at a time.
 *
 * Rows are padded with zeros to a multiple of OPTLAND_FLOATS values, so that no loop has a rest.
 */
#ifndef OPTLAND_FLOAT_ROWS_H
#define OPTLAND_FLOAT_ROWS_H

#include "_vector_math.h"

#if defined(__GNUC__)
#define OPTLAND_PREFETCH(address) __builtin_prefetch(address)
#else
#define OPTLAND_PREFETCH(address)
#endif

#define OPTLAND_FLOATS 16    /* a cache line, and a vector register of x86-64-v4 */
#define OPTLAND_ROWS_AHEAD 2 /* classes that are fetched before their turn */

static inline float optland_padded_dot(int64_t n, const float *x, const float *w)
{
    float lane[2 * OPTLAND_FLOATS] = {0};
    int64_t j = 0;
    for (; j + 2 * OPTLAND_FLOATS <= n; j += 2 * OPTLAND_FLOATS)
        for (int e = 0; e < 2 * OPTLAND_FLOATS; e++)
            lane[e] += x[j + e] * w[j + e];
    for (; j < n; j += OPTLAND_FLOATS)
        for (int e = 0; e < OPTLAND_FLOATS; e++)
            lane[e] += x[j + e] * w[j + e];
    for (int width = OPTLAND_FLOATS; width > 0; width /= 2)
        for (int e = 0; e < width; e++)
            lane[e] += lane[e + width];
    return lane[0];
}

OPTLAND_CLONES
static float optland_margin(int64_t n, const float *x, const float *w)
{
    return optland_padded_dot(n, x, w);
}

static inline void optland_fetch_row(int64_t n, const float *row)
{
    for (int64_t j = 0; j < n; j += OPTLAND_FLOATS)
        OPTLAND_PREFETCH(row + j);
}

/* scores_c = x'w_c for the listed rows of w, each n floats. */
OPTLAND_CLONES
static void optland_dense_scores(
    int64_t n, const float *x, const float *w, int64_t n_listed, const int *listed, float *scores)
{
    for (int64_t c = 0; c < n_listed && c < OPTLAND_ROWS_AHEAD; c++)
        optland_fetch_row(n, w + listed[c] * n);
    for (int64_t c = 0; c < n_listed; c++) {
        if (c + OPTLAND_ROWS_AHEAD < n_listed)
            optland_fetch_row(n, w + listed[c + OPTLAND_ROWS_AHEAD] * n);
        scores[c] = optland_padded_dot(n, x, w + listed[c] * n);
    }
}

/* scores_c = sum over the non-zeros of x_j w[start_j + c] for the listed classes c. */
OPTLAND_CLONES
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
OPTLAND_CLONES
static void optland_standardise_float32(
    int64_t n, const float *x, const double *shift, const double *scale, float limit, float *out)
{
    for (int64_t j = 0; j < n; j++) {
        float value = (float)((x[j] - shift[j]) * scale[j]);
        value = value < limit ? value : limit;
        out[j] = value > -limit ? value : -limit;
    }
}

OPTLAND_CLONES
static void optland_standardise_float64(
    int64_t n, const double *x, const double *shift, const double *scale, float limit, float *out)
{
    for (int64_t j = 0; j < n; j++) {
        double value = (x[j] - shift[j]) * scale[j];
        value = value < limit ? value : limit;
        out[j] = (float)(value > -limit ? value : -limit);
    }
}

#endif
