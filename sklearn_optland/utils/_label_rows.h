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

static inline float optland_sum_floats(float *lane)
{
    for (int width = OPTLAND_FLOATS / 2; width > 0; width /= 2)
        for (int e = 0; e < width; e++)
            lane[e] += lane[e + width];
    return lane[0];
}

static inline void optland_fetch_row(int64_t n, const float *row)
{
    for (int64_t j = 0; j < n; j += OPTLAND_FLOATS)
        OPTLAND_PREFETCH(row + j);
}

/* scores_c = x'w_c for the listed rows of w, each n floats: four at a time, which share x. The
 * last ones are computed more than once to make four. */
OPTLAND_CLONES
static void optland_dense_scores(
    int64_t n, const float *x, const float *w, int64_t n_listed, const int *listed, float *scores)
{
    for (int64_t c = 0; c < n_listed; c += 4) {
        int64_t last = n_listed - 1;
        int64_t c1 = c + 1 < last ? c + 1 : last, c2 = c + 2 < last ? c + 2 : last;
        int64_t c3 = c + 3 < last ? c + 3 : last;
        const float *w0 = w + listed[c] * n, *w1 = w + listed[c1] * n;
        const float *w2 = w + listed[c2] * n, *w3 = w + listed[c3] * n;
        float lane0[OPTLAND_FLOATS] = {0}, lane1[OPTLAND_FLOATS] = {0};
        float lane2[OPTLAND_FLOATS] = {0}, lane3[OPTLAND_FLOATS] = {0};
        for (int64_t ahead = c + 4; ahead < c + 8 && ahead < n_listed; ahead++)
            optland_fetch_row(n, w + listed[ahead] * n);
        for (int64_t j = 0; j < n; j += OPTLAND_FLOATS)
            for (int e = 0; e < OPTLAND_FLOATS; e++) {
                lane0[e] += x[j + e] * w0[j + e];
                lane1[e] += x[j + e] * w1[j + e];
                lane2[e] += x[j + e] * w2[j + e];
                lane3[e] += x[j + e] * w3[j + e];
            }
        scores[c] = optland_sum_floats(lane0);
        scores[c1] = optland_sum_floats(lane1);
        scores[c2] = optland_sum_floats(lane2);
        scores[c3] = optland_sum_floats(lane3);
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
