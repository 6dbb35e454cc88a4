/* Products with a block of n rows of d values, row-major, for one vector, and the weighted Gram.
 *
 * Faster than BLAS where rows are short: nothing is dispatched or packed, and several rows are in
 * flight at once. The loops are written for the vectoriser, in lanes that it may keep in registers.
 */
#ifndef OPTLAND_DENSE_ROWS_H
#define OPTLAND_DENSE_ROWS_H

#include "vector_math.h"

#define OPTLAND_LANES 8 /* doubles in a vector register of x86-64-v4 */
#define OPTLAND_GRAM_ROWS 64 /* rows of a packed panel: those of two panels fit the L1 or L2 cache */

/* Doubles between two rows of a packed panel: d rounded up to whole tiles. */
OPTLAND_INLINE int64_t optland_panel_stride(int64_t d)
{
    return (d + OPTLAND_LANES - 1) / OPTLAND_LANES * OPTLAND_LANES;
}

OPTLAND_INLINE double optland_sum_lanes(const double *lane)
{
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

/* Products with k columns, W of shape (d, k) and Z, R of shape (n, k), row-major: `quads` vectors of
 * four columns at a time. A load may run over into the next row, whose values go into lanes that
 * nobody reads; of the last row there is a copy with room. */
#if defined(__GNUC__)
typedef double optland_quad __attribute__((vector_size(32)));
typedef double optland_some_quad __attribute__((vector_size(32), aligned(8), may_alias));
#define OPTLAND_QUADS 3

/* z += X w for `count` of the columns, four rows at a time. */
OPTLAND_INLINE void optland_forward_some(
    int quads, int count, int64_t n, int64_t d, int64_t k, const double *x, const double *w,
    double *z)
{
    double last[4 * OPTLAND_QUADS] = {0}, sum[4 * OPTLAND_QUADS];
    for (int a = 0; a < count; a++)
        last[a] = w[(d - 1) * k + a];
    for (int64_t i = 0; i < n; i += 4) {
        const double *row[4];
        optland_quad s[4][OPTLAND_QUADS];
        for (int r = 0; r < 4; r++) {
            row[r] = x + (i + r < n ? i + r : i) * d;
            for (int q = 0; q < quads; q++)
                s[r][q] = (optland_quad){0};
        }
        for (int64_t j = 0; j < d; j++) {
            const double *column = j == d - 1 ? last : w + j * k;
            optland_quad weight[OPTLAND_QUADS];
            for (int q = 0; q < quads; q++)
                weight[q] = *(const optland_some_quad *)(column + 4 * q);
            for (int r = 0; r < 4; r++)
                for (int q = 0; q < quads; q++)
                    s[r][q] += row[r][j] * weight[q];
        }
        for (int r = 0; r < 4 && i + r < n; r++) {
            for (int q = 0; q < quads; q++)
                *(optland_some_quad *)(sum + 4 * q) = s[r][q];
            for (int a = 0; a < count; a++)
                z[(i + r) * k + a] += sum[a];
        }
    }
}

/* g += X'r for `count` of the columns, four of g's rows at a time. */
OPTLAND_INLINE void optland_backward_some(
    int quads, int count, int64_t n, int64_t d, int64_t k, const double *x, const double *r,
    double *g)
{
    double last[4 * OPTLAND_QUADS] = {0}, sum[4 * OPTLAND_QUADS];
    for (int a = 0; a < count; a++)
        last[a] = r[(n - 1) * k + a];
    for (int64_t j = 0; j < d; j += 4) {
        int64_t step[4];
        optland_quad s[4][OPTLAND_QUADS];
        for (int f = 0; f < 4; f++) {
            step[f] = j + f < d ? f : 0;
            for (int q = 0; q < quads; q++)
                s[f][q] = (optland_quad){0};
        }
        for (int64_t i = 0; i < n; i++) {
            const double *row = x + i * d + j, *residuals = i == n - 1 ? last : r + i * k;
            optland_quad residual[OPTLAND_QUADS];
            for (int q = 0; q < quads; q++)
                residual[q] = *(const optland_some_quad *)(residuals + 4 * q);
            for (int f = 0; f < 4; f++)
                for (int q = 0; q < quads; q++)
                    s[f][q] += row[step[f]] * residual[q];
        }
        for (int f = 0; f < 4 && j + f < d; f++) {
            for (int q = 0; q < quads; q++)
                *(optland_some_quad *)(sum + 4 * q) = s[f][q];
            for (int a = 0; a < count; a++)
                g[(j + f) * k + a] += sum[a];
        }
    }
}

#define OPTLAND_IN_QUADS(CALL) \
    for (int64_t a = 0; a < k; a += 4 * OPTLAND_QUADS) { \
        int count = k - a < 4 * OPTLAND_QUADS ? (int)(k - a) : 4 * OPTLAND_QUADS; \
        if (count <= 4) \
            CALL(1); \
        else if (count <= 8) \
            CALL(2); \
        else \
            CALL(3); \
    }

/* Z += X W. */
OPTLAND_CLONES
static void optland_forward_many(
    int64_t n, int64_t d, int64_t k, const double *x, const double *w, double *z)
{
#define OPTLAND_CALL(QUADS) optland_forward_some(QUADS, count, n, d, k, x, w + a, z + a)
    OPTLAND_IN_QUADS(OPTLAND_CALL)
#undef OPTLAND_CALL
}

/* G += X'R, on blocks of rows whose residuals stay in the L1 cache. */
OPTLAND_CLONES
static void optland_backward_many(
    int64_t n, int64_t d, int64_t k, const double *x, const double *r, double *g)
{
    for (int64_t first = 0; first < n; first += 256) {
        int64_t rows = n - first < 256 ? n - first : 256;
#define OPTLAND_CALL(QUADS) \
    optland_backward_some(QUADS, count, rows, d, k, x + first * d, r + first * k + a, g + a)
        OPTLAND_IN_QUADS(OPTLAND_CALL)
#undef OPTLAND_CALL
    }
}
#else
static void optland_forward_many(
    int64_t n, int64_t d, int64_t k, const double *x, const double *w, double *z)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            for (int64_t a = 0; a < k; a++)
                z[i * k + a] += x[i * d + j] * w[j * k + a];
}

static void optland_backward_many(
    int64_t n, int64_t d, int64_t k, const double *x, const double *r, double *g)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            for (int64_t a = 0; a < k; a++)
                g[j * k + a] += x[i * d + j] * r[i * k + a];
}
#endif

/* Tile of C += A'B, 8 x 8, for n rows of panels whose rows are `stride` apart. */
OPTLAND_INLINE void optland_gram_tile(
    int64_t n, int64_t stride, const double *restrict a, const double *restrict b, double *tile)
{
    double t0[8] = {0}, t1[8] = {0}, t2[8] = {0}, t3[8] = {0};
    double t4[8] = {0}, t5[8] = {0}, t6[8] = {0}, t7[8] = {0};
    for (int64_t i = 0; i < n; i++, a += stride, b += stride)
        for (int e = 0; e < 8; e++) {
            t0[e] += a[0] * b[e];
            t1[e] += a[1] * b[e];
            t2[e] += a[2] * b[e];
            t3[e] += a[3] * b[e];
            t4[e] += a[4] * b[e];
            t5[e] += a[5] * b[e];
            t6[e] += a[6] * b[e];
            t7[e] += a[7] * b[e];
        }
    for (int e = 0; e < 8; e++) {
        tile[e] = t0[e];
        tile[8 + e] = t1[e];
        tile[16 + e] = t2[e];
        tile[24 + e] = t3[e];
        tile[32 + e] = t4[e];
        tile[40 + e] = t5[e];
        tile[48 + e] = t6[e];
        tile[56 + e] = t7[e];
    }
}

#define OPTLAND_REAL double
#define OPTLAND_OF_REAL(NAME) NAME##_double
#include "dense_rows_of.h"
#undef OPTLAND_REAL
#undef OPTLAND_OF_REAL

#define OPTLAND_REAL float
#define OPTLAND_OF_REAL(NAME) NAME##_float
#include "dense_rows_of.h"
#undef OPTLAND_REAL
#undef OPTLAND_OF_REAL
#endif
