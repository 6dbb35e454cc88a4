/* The multinomial log-loss in float32 on tiles of rows.
 *
 * A tile holds 32 rows, one feature or class after the other: x[f][row], z[j][row]. Every loop runs
 * along the rows, so it is vector code for any number of classes, and products need no copies into
 * another order, which is half of what BLAS does for so few columns. Losses and residuals near 0
 * keep their relative accuracy, as in log_loss.h.
 *
 * A tile's features are padded with zeros to a multiple of 4, and tiles lie `stride` floats
 * apart, an odd multiple of 256 bytes: else the same feature of all tiles would share a cache set.
 */
#ifndef OPTLAND_SOFTMAX_TILES_H
#define OPTLAND_SOFTMAX_TILES_H

#include <string.h>
#include "vector_math.h"

#define OPTLAND_TILE 32
#define OPTLAND_LANES 8
#define OPTLAND_VECTORS (OPTLAND_TILE / OPTLAND_LANES)

OPTLAND_INLINE int64_t optland_tiles_of(int64_t rows)
{
    return (rows + OPTLAND_TILE - 1) / OPTLAND_TILE;
}

/* A tile's features, and the floats between two tiles. */
OPTLAND_INLINE int64_t optland_padded(int64_t d)
{
    return (d + 3) / 4 * 4;
}

OPTLAND_INLINE int64_t optland_tile_stride(int64_t d)
{
    return 64 * (OPTLAND_TILE * optland_padded(d) / 64 | 1);
}

/* Macros on values: through pointers compilers keep the sums on the stack. */
#if defined(__GNUC__)
typedef float optland_lanes __attribute__((vector_size(4 * OPTLAND_LANES)));
typedef float optland_some_lanes
    __attribute__((vector_size(4 * OPTLAND_LANES), aligned(4), may_alias));
#define OPTLAND_ZERO(x) (x) = (optland_lanes){0}
#define OPTLAND_LOAD(x, from) (x) = *(const optland_some_lanes *)(from)
#define OPTLAND_STORE(x, to) *(optland_some_lanes *)(to) = (x)
#define OPTLAND_FMA(sum, a, b) (sum) += (a) * (b)
#define OPTLAND_FMA_NUMBER OPTLAND_FMA
#else
typedef struct { float lane[OPTLAND_LANES]; } optland_lanes;
#define OPTLAND_EACH for (int lane_ = 0; lane_ < OPTLAND_LANES; lane_++)
#define OPTLAND_ZERO(x) OPTLAND_EACH (x).lane[lane_] = 0
#define OPTLAND_LOAD(x, from) OPTLAND_EACH (x).lane[lane_] = (from)[lane_]
#define OPTLAND_STORE(x, to) OPTLAND_EACH (to)[lane_] = (x).lane[lane_]
#define OPTLAND_FMA(sum, a, b) OPTLAND_EACH (sum).lane[lane_] += (a).lane[lane_] * (b).lane[lane_]
#define OPTLAND_FMA_NUMBER(sum, a, b) OPTLAND_EACH (sum).lane[lane_] += (a).lane[lane_] * (b)
#endif

OPTLAND_INLINE float optland_reduce(const float *lane)
{
    float sum[OPTLAND_LANES];
    memcpy(sum, lane, sizeof sum);
    for (int width = OPTLAND_LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            sum[i] += sum[i + width];
    return sum[0];
}

/* z_j = sum_f w[f][j] x_f for `count` classes; w begins at the first of them. */
OPTLAND_INLINE void optland_tile_scores_some(
    int count, int64_t d, int64_t k, const float *x, const float *w, float *z)
{
    optland_lanes sum[3][OPTLAND_VECTORS], row[OPTLAND_VECTORS];
    for (int j = 0; j < count; j++)
        for (int v = 0; v < OPTLAND_VECTORS; v++)
            OPTLAND_ZERO(sum[j][v]);
    for (int64_t f = 0; f < d; f++) {
        for (int v = 0; v < OPTLAND_VECTORS; v++)
            OPTLAND_LOAD(row[v], x + f * OPTLAND_TILE + v * OPTLAND_LANES);
        for (int j = 0; j < count; j++)
            for (int v = 0; v < OPTLAND_VECTORS; v++)
                OPTLAND_FMA_NUMBER(sum[j][v], row[v], w[f * k + j]);
    }
    for (int j = 0; j < count; j++)
        for (int v = 0; v < OPTLAND_VECTORS; v++)
            OPTLAND_STORE(sum[j][v], z + j * OPTLAND_TILE + v * OPTLAND_LANES);
}

/* Scores of tiles, with w (d, k). */
OPTLAND_CLONES
static void optland_tile_scores(
    int64_t tiles, int64_t stride, int64_t d, int64_t k, const float *x, const float *w, float *z)
{
    for (int64_t t = 0; t < tiles; t++)
        for (int64_t j = 0; j < k; j += 3) {
            const float *tile = x + t * stride;
            float *out = z + (t * k + j) * OPTLAND_TILE;
            switch (k - j) {
            case 1: optland_tile_scores_some(1, d, k, tile, w + j, out); break;
            case 2: optland_tile_scores_some(2, d, k, tile, w + j, out); break;
            default: optland_tile_scores_some(3, d, k, tile, w + j, out);
            }
        }
}

/* g[f][j] += sum over the rows of x_f r_j for 4 features and `count` classes. */
OPTLAND_INLINE void optland_tile_gradient_some(
    int count, int64_t tiles, int64_t stride, int64_t k, const float *x, const float *r, float *g)
{
    optland_lanes sum[4][3], row[3];
    for (int f = 0; f < 4; f++)
        for (int j = 0; j < count; j++)
            OPTLAND_ZERO(sum[f][j]);
    for (int64_t t = 0; t < tiles; t++)
        for (int v = 0; v < OPTLAND_VECTORS; v++) {
            const float *values = x + t * stride + v * OPTLAND_LANES;
            for (int j = 0; j < count; j++)
                OPTLAND_LOAD(row[j], r + (t * k + j) * OPTLAND_TILE + v * OPTLAND_LANES);
            for (int f = 0; f < 4; f++) {
                optland_lanes value;
                OPTLAND_LOAD(value, values + f * OPTLAND_TILE);
                for (int j = 0; j < count; j++)
                    OPTLAND_FMA(sum[f][j], row[j], value);
            }
        }
    for (int f = 0; f < 4; f++)
        for (int j = 0; j < count; j++) {
            float lane[OPTLAND_LANES];
            OPTLAND_STORE(sum[f][j], lane);
            g[f * k + j] = optland_reduce(lane);
        }
}

/* g (d, k), d a multiple of 4: the sum over tiles of x_f r_j; with `lower` as far as the diagonal. */
OPTLAND_INLINE void optland_tile_products(
    int lower, int64_t tiles, int64_t stride, int64_t d, int64_t k, const float *x, const float *r,
    float *g)
{
    for (int64_t f = 0; f < d; f += 4)
        for (int64_t j = 0; j < (lower ? f + 4 : k); j += 3) {
            const float *values = x + f * OPTLAND_TILE, *some = r + j * OPTLAND_TILE;
            float *out = g + f * k + j;
            switch (k - j) {
            case 1: optland_tile_gradient_some(1, tiles, stride, k, values, some, out); break;
            case 2: optland_tile_gradient_some(2, tiles, stride, k, values, some, out); break;
            default: optland_tile_gradient_some(3, tiles, stride, k, values, some, out);
            }
        }
}

/* g (d, k), d a multiple of 4: the sum over tiles of x_f r_j. */
OPTLAND_CLONES
static void optland_tile_gradient(
    int64_t tiles, int64_t stride, int64_t d, int64_t k, const float *x, const float *r, float *g)
{
    optland_tile_products(0, tiles, stride, d, k, x, r, g);
}

/* out = h x for each feature, in the layout of residuals with d classes. */
OPTLAND_CLONES
static void optland_tile_weighted(
    int64_t tiles, int64_t stride, int64_t d, const float *x, const float *h, float *out)
{
    for (int64_t t = 0; t < tiles; t++)
        for (int64_t f = 0; f < d; f++)
            for (int i = 0; i < OPTLAND_TILE; i++)
                out[(t * d + f) * OPTLAND_TILE + i] =
                    h[t * OPTLAND_TILE + i] * x[t * stride + f * OPTLAND_TILE + i];
}

/* The same of a square g (d, d), from the first column to the diagonal. */
OPTLAND_CLONES
static void optland_tile_gram(
    int64_t tiles, int64_t stride, int64_t d, const float *x, const float *r, float *g)
{
    optland_tile_products(1, tiles, stride, d, d, x, r, g);
}

/* A tile of scores becomes exp(z - top). */
OPTLAND_INLINE void optland_tile_exp(int64_t k, float *z, float *top)
{
    for (int i = 0; i < OPTLAND_TILE; i++)
        top[i] = z[i];
    for (int64_t j = 1; j < k; j++)
        for (int i = 0; i < OPTLAND_TILE; i++)
            top[i] = z[j * OPTLAND_TILE + i] > top[i] ? z[j * OPTLAND_TILE + i] : top[i];
    for (int64_t j = 0; j < k; j++)
        for (int i = 0; i < OPTLAND_TILE; i++)
            z[j * OPTLAND_TILE + i] = optland_expf_negative(z[j * OPTLAND_TILE + i] - top[i]);
}

/* Scores become residuals c (p - onehot(y)) / unit; returns the sum of c (logsumexp(z) - z_y).
 * Rows from `rows` on, a part of the last tile, count for nothing. `loss` has room for the rows of
 * the tiles. */
OPTLAND_CLONES
static double optland_tile_residuals(
    int64_t rows, int64_t k, const int *y, const double *c, double unit, float *z, double *loss)
{
    for (int64_t start = 0; start < rows; start += OPTLAND_TILE, z += k * OPTLAND_TILE) {
        int count = rows - start < OPTLAND_TILE ? (int)(rows - start) : OPTLAND_TILE;
        float top[OPTLAND_TILE], own[OPTLAND_TILE], others[OPTLAND_TILE], weight[OPTLAND_TILE];
        float lead[OPTLAND_TILE];
        double weights[OPTLAND_TILE];
        for (int i = 0; i < OPTLAND_TILE; i++) {
            weights[i] = i < count ? c[start + i] : 0.0;
            lead[i] = z[(i < count ? y[start + i] : 0) * OPTLAND_TILE + i];
            others[i] = 0;
        }
        optland_tile_exp(k, z, top);
        for (int i = 0; i < count; i++) {
            float *e = z + y[start + i] * OPTLAND_TILE + i;
            own[i] = *e;
            *e = 0;
        }
        for (int i = count; i < OPTLAND_TILE; i++)
            own[i] = 1;
        for (int64_t j = 0; j < k; j++)
            for (int i = 0; i < OPTLAND_TILE; i++)
                others[i] += z[j * OPTLAND_TILE + i];
        for (int i = 0; i < OPTLAND_TILE; i++) {
            lead[i] = top[i] - lead[i];
            float total = own[i] + others[i];
            /* if the row's own class leads, log(total) = log1p(others) is small */
            double x = lead[i] == 0 ? others[i] : total - 1.0f;
            loss[start + i] = weights[i] == 0 ? 0 : weights[i] * (lead[i] + optland_log1p(x));
            weight[i] = (float)(weights[i] / unit) / total;
        }
        for (int64_t j = 0; j < k; j++)
            for (int i = 0; i < OPTLAND_TILE; i++)
                z[j * OPTLAND_TILE + i] *= weight[i];
        for (int i = 0; i < count; i++)
            z[y[start + i] * OPTLAND_TILE + i] = -others[i] * weight[i];
    }
    return optland_sum(rows, loss);
}

/* Scores of tiles become probabilities. */
OPTLAND_CLONES
static void optland_tile_softmax(int64_t tiles, int64_t k, float *z)
{
    for (int64_t t = 0; t < tiles; t++, z += k * OPTLAND_TILE) {
        float top[OPTLAND_TILE], total[OPTLAND_TILE];
        optland_tile_exp(k, z, top);
        for (int i = 0; i < OPTLAND_TILE; i++)
            total[i] = 0;
        for (int64_t j = 0; j < k; j++)
            for (int i = 0; i < OPTLAND_TILE; i++)
                total[i] += z[j * OPTLAND_TILE + i];
        for (int i = 0; i < OPTLAND_TILE; i++)
            total[i] = 1 / total[i];
        for (int64_t j = 0; j < k; j++)
            for (int i = 0; i < OPTLAND_TILE; i++)
                z[j * OPTLAND_TILE + i] *= total[i];
    }
}

/* Changes t of the scores become c / unit (diag p - pp') t. */
OPTLAND_CLONES
static void optland_tile_hessian(
    int64_t rows, int64_t k, const float *p, const double *c, double unit, float *t)
{
    for (int64_t start = 0; start < rows; start += OPTLAND_TILE) {
        float mean[OPTLAND_TILE], weight[OPTLAND_TILE];
        for (int i = 0; i < OPTLAND_TILE; i++) {
            mean[i] = 0;
            weight[i] = start + i < rows ? (float)(c[start + i] / unit) : 0;
        }
        for (int64_t j = 0; j < k; j++)
            for (int i = 0; i < OPTLAND_TILE; i++)
                mean[i] += p[j * OPTLAND_TILE + i] * t[j * OPTLAND_TILE + i];
        for (int64_t j = 0; j < k; j++)
            for (int i = 0; i < OPTLAND_TILE; i++)
                t[j * OPTLAND_TILE + i] =
                    weight[i] * p[j * OPTLAND_TILE + i] * (t[j * OPTLAND_TILE + i] - mean[i]);
        p += k * OPTLAND_TILE;
        t += k * OPTLAND_TILE;
    }
}
#endif
