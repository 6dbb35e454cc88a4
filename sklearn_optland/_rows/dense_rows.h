/* Products with a block of n rows of d doubles, row-major, for one vector, and the weighted Gram.
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

/* z += X w: short rows four at a time, longer ones in lanes. */
OPTLAND_CLONES
static void optland_forward(int64_t n, int64_t d, const double *x, const double *w, double *z)
{
    int64_t i = 0;
    for (; d < 2 * OPTLAND_LANES && i + 4 <= n; i += 4) {
        const double *x0 = x + i * d, *x1 = x0 + d, *x2 = x1 + d, *x3 = x2 + d;
        double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (int64_t j = 0; j < d; j++) {
            s0 += x0[j] * w[j];
            s1 += x1[j] * w[j];
            s2 += x2[j] * w[j];
            s3 += x3[j] * w[j];
        }
        z[i] += s0;
        z[i + 1] += s1;
        z[i + 2] += s2;
        z[i + 3] += s3;
    }
    for (; i < n; i++) {
        const double *row = x + i * d;
        double lane[OPTLAND_LANES] = {0}, rest = 0;
        int64_t j = 0;
        for (; j + OPTLAND_LANES <= d; j += OPTLAND_LANES)
            for (int e = 0; e < OPTLAND_LANES; e++)
                lane[e] += row[j + e] * w[j + e];
        for (; j < d; j++)
            rest += row[j] * w[j];
        z[i] += optland_sum_lanes(lane) + rest;
    }
}

/* g += X'r, four rows at a time. */
OPTLAND_CLONES
static void optland_backward(
    int64_t n, int64_t d, const double *x, const double *r, double *restrict g)
{
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const double *x0 = x + i * d, *x1 = x0 + d, *x2 = x1 + d, *x3 = x2 + d;
        double r0 = r[i], r1 = r[i + 1], r2 = r[i + 2], r3 = r[i + 3];
        for (int64_t j = 0; j < d; j++)
            g[j] += (r0 * x0[j] + r1 * x1[j]) + (r2 * x2[j] + r3 * x3[j]);
    }
    for (; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            g[j] += r[i] * x[i * d + j];
}

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

/* Lower triangle of C (rows ldc apart) += X' diag(h) X. `plain` and `weighted` are panels of
 * OPTLAND_GRAM_ROWS rows, zero beyond column d. */
OPTLAND_CLONES
static void optland_gram(
    int64_t n, int64_t d, const double *x, const double *h, double *c, int64_t ldc,
    double *restrict plain, double *restrict weighted)
{
    const int64_t stride = optland_panel_stride(d);
    double tile[64];
    for (int64_t first = 0; first < n; first += OPTLAND_GRAM_ROWS) {
        int64_t m = n - first < OPTLAND_GRAM_ROWS ? n - first : OPTLAND_GRAM_ROWS;
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < d; j++) {
                plain[i * stride + j] = x[(first + i) * d + j];
                weighted[i * stride + j] = h[first + i] * x[(first + i) * d + j];
            }
        for (int64_t a = 0; a < d; a += 8)
            for (int64_t b = 0; b <= a; b += 8) {
                optland_gram_tile(m, stride, weighted + a, plain + b, tile);
                for (int64_t p = a; p < (a + 8 < d ? a + 8 : d); p++)
                    for (int64_t q = b; q < (b + 8 < p + 1 ? b + 8 : p + 1); q++)
                        c[p * ldc + q] += tile[(p - a) * 8 + q - b];
            }
    }
}
#endif
