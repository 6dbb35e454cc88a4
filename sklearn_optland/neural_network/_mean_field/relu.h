/* A hidden layer of ReLUs on a block of rows, written for the vectoriser.
 *
 * z (n x m, C order) are the inputs of the layer without its biases b, h = max(z + b, 0) its
 * outputs. One output of the net (a, of length m) is by far the most frequent case and is fused;
 * several go through BLAS, with `_net/entrywise.h` between the products.
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
}

OPTLAND_RELU_TILES(float, 16)
OPTLAND_RELU_TILES(double, 8)
#endif
