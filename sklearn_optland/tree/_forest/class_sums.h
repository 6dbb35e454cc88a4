/* Products and sums of classes' means in float64, n rows of r numbers one after the other. */
#ifndef OPTLAND_CLASS_SUMS_H
#define OPTLAND_CLASS_SUMS_H

#include "vector_math.h"

#if defined(__GNUC__)
/* Lanes of a sum; gcc keeps vectors that are wider than a processor's registers in memory. */
typedef double optland_quad __attribute__((vector_size(32), aligned(8), may_alias));
#endif

/* x'w by eight sums, which a processor adds up side by side. */
OPTLAND_INLINE double optland_row_product(int64_t r, const double *x, const double *w)
{
    double total = 0;
    int64_t j = 0;
#if defined(__GNUC__)
    optland_quad low = {0}, high = {0};
    for (; j + 8 <= r; j += 8) {
        low += *(const optland_quad *)(x + j) * *(const optland_quad *)(w + j);
        high += *(const optland_quad *)(x + j + 4) * *(const optland_quad *)(w + j + 4);
    }
    low += high;
    total = (low[0] + low[1]) + (low[2] + low[3]);
#endif
    for (; j < r; j++)
        total += x[j] * w[j];
    return total;
}

/* t_i = row_i'w */
OPTLAND_CLONES
static void optland_project_rows(int64_t n, int64_t r, const double *rows, const double *w, double *t)
{
    for (int64_t i = 0; i < n; i++)
        t[i] = optland_row_product(r, rows + i * r, w);
}

/* sums_s += the sum of factor_i row_i over the rows of side s. */
OPTLAND_CLONES
static void optland_add_rows(
    int64_t n, int64_t r, const double *restrict rows, const double *restrict factor,
    const unsigned char *side, double *restrict sums)
{
    for (int64_t i = 0; i < n; i++) {
        const double *row = rows + i * r, share = factor[i];
        double *sum = sums + side[i] * r;
        for (int64_t j = 0; j < r; j++)
            sum[j] += share * row[j];
    }
}

#endif
