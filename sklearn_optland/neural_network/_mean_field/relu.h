/* A hidden layer of ReLUs on a block of rows, written for the vectoriser.
 *
 * z (n x m, C order) are the inputs of the layer without its biases b, h = max(z + b, 0) its
 * outputs. One output of the net (a, of length m) is by far the most frequent case and is fused;
 * several go through BLAS, with `_net/entrywise.h` between the products.
 *
 * A kink may be rounded, by a parabola from -width / 2 to width / 2: the slope is
 * s = min(max(z / width + 1/2, 0), 1), and h = width s^2 / 2 below its end. `at_zero` is 1/2, and 0
 * where nothing is rounded; then `inverse`, of the width, is about the largest number.
 */
#ifndef OPTLAND_RELU_TILES_H
#define OPTLAND_RELU_TILES_H

#include "vector_math.h"

#define OPTLAND_RELU_TILES(real, LANES)                                                            \
/* z <- h; f_i = sum_j a_j h_ij, in lanes. */                                                      \
OPTLAND_CLONES                                                                                     \
static void optland_relu_scores_##real(                                                            \
    int64_t n, int64_t m, real *z, const real *b, const real *a, real *f)                          \
{                                                                                                  \
    for (int64_t i = 0; i < n; i++) {                                                              \
        real *row = z + i * m;                                                                     \
        real lane[LANES] = {0}, rest = 0;                                                          \
        int64_t j = 0;                                                                             \
        for (; j + LANES <= m; j += LANES)                                                         \
            for (int k = 0; k < LANES; k++) {                                                      \
                real h = row[j + k] + b[j + k];                                                    \
                h = h > 0 ? h : 0;                                                                 \
                row[j + k] = h;                                                                    \
                lane[k] += a[j + k] * h;                                                           \
            }                                                                                      \
        for (; j < m; j++) {                                                                       \
            real h = row[j] + b[j];                                                                \
            h = h > 0 ? h : 0;                                                                     \
            row[j] = h;                                                                            \
            rest += a[j] * h;                                                                      \
        }                                                                                          \
        for (int width = LANES / 2; width > 0; width /= 2)                                         \
            for (int k = 0; k < width; k++)                                                        \
                lane[k] += lane[k + width];                                                        \
        f[i] = lane[0] + rest;                                                                     \
    }                                                                                              \
}                                                                                                  \
/* h <- g_ij = r_i a_j 1(h_ij > 0); ga_j += sum_i r_i h_ij; gb_j += sum_i g_ij. */                 \
OPTLAND_CLONES                                                                                     \
static void optland_relu_pull_##real(                                                              \
    int64_t n, int64_t m, real *h, const real *a, const real *r, real *ga, real *gb)               \
{                                                                                                  \
    for (int64_t i = 0; i < n; i++) {                                                              \
        real *row = h + i * m, ri = r[i];                                                          \
        for (int64_t j = 0; j < m; j++) {                                                          \
            real g = row[j] > 0 ? ri * a[j] : 0;                                                   \
            ga[j] += ri * row[j];                                                                  \
            row[j] = g;                                                                            \
            gb[j] += g;                                                                            \
        }                                                                                          \
    }                                                                                              \
}                                                                                                  \
/* z <- h, or the slopes. */                                                                       \
OPTLAND_CLONES                                                                                     \
static void optland_rounded_relu_##real(                                                           \
    int64_t size, real *z, real width, real inverse, real at_zero, int want_slopes)                \
{                                                                                                  \
    for (int64_t j = 0; j < size; j++) {                                                           \
        real s = z[j] * inverse + at_zero;                                                         \
        s = s < 0 ? 0 : s;                                                                         \
        s = s > 1 ? 1 : s;                                                                         \
        real h = s < 1 ? width / 2 * s * s : z[j];                                                 \
        z[j] = want_slopes ? s : h;                                                                \
    }                                                                                              \
}                                                                                                  \
/* f_j += sum_i r_i h_ij; z <- r_i times the slopes. */                                            \
OPTLAND_CLONES                                                                                     \
static void optland_rounded_sums_##real(                                                           \
    int64_t n, int64_t m, real *z, const real *r, real width, real inverse, real at_zero, real *f) \
{                                                                                                  \
    for (int64_t i = 0; i < n; i++) {                                                              \
        real *row = z + i * m, ri = r[i];                                                          \
        for (int64_t j = 0; j < m; j++) {                                                          \
            real s = row[j] * inverse + at_zero;                                                   \
            s = s < 0 ? 0 : s;                                                                     \
            s = s > 1 ? 1 : s;                                                                     \
            f[j] += ri * (s < 1 ? width / 2 * s * s : row[j]);                                     \
            row[j] = ri * s;                                                                       \
        }                                                                                          \
    }                                                                                              \
}

OPTLAND_RELU_TILES(float, 16)
OPTLAND_RELU_TILES(double, 8)
#endif
