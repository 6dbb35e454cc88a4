/* Products of one row of floats with one vector of floats.
 *
 * float32 throughout: linear routers are learned from noisy single rows, and half the bytes are
 * half the time. Sums run in lanes that the vectoriser keeps in registers.
 */
#ifndef OPTLAND_FLOAT_ROWS_H
#define OPTLAND_FLOAT_ROWS_H

#include "vector_math.h"

#define OPTLAND_FLOAT_LANES 32 /* four registers of x86-64-v3, two of x86-64-v4 */

OPTLAND_INLINE float optland_sum_float_lanes(float *lane)
{
    for (int width = OPTLAND_FLOAT_LANES / 2; width > 0; width /= 2)
        for (int e = 0; e < width; e++)
            lane[e] += lane[e + width];
    return lane[0];
}

/* x'w */
OPTLAND_CLONES
static float optland_float_dot(int64_t n, const float *x, const float *w)
{
    float lane[OPTLAND_FLOAT_LANES] = {0}, rest = 0;
    int64_t j = 0;
    for (; j + OPTLAND_FLOAT_LANES <= n; j += OPTLAND_FLOAT_LANES)
        for (int e = 0; e < OPTLAND_FLOAT_LANES; e++)
            lane[e] += x[j + e] * w[j + e];
    for (; j < n; j++)
        rest += x[j] * w[j];
    return optland_sum_float_lanes(lane) + rest;
}

/* w += t x */
OPTLAND_CLONES
static void optland_float_add(int64_t n, float t, const float *x, float *restrict w)
{
    for (int64_t j = 0; j < n; j++)
        w[j] += t * x[j];
}

/* z = r (x - m), elementwise; returns (x - m)'z */
OPTLAND_CLONES
static float optland_float_scale(int64_t n, const float *x, const float *m, const float *r,
                                 float *restrict z)
{
    float lane[OPTLAND_FLOAT_LANES] = {0}, rest = 0;
    int64_t j = 0;
    for (; j + OPTLAND_FLOAT_LANES <= n; j += OPTLAND_FLOAT_LANES)
        for (int e = 0; e < OPTLAND_FLOAT_LANES; e++) {
            z[j + e] = r[j + e] * (x[j + e] - m[j + e]);
            lane[e] += z[j + e] * (x[j + e] - m[j + e]);
        }
    for (; j < n; j++) {
        z[j] = r[j] * (x[j] - m[j]);
        rest += z[j] * (x[j] - m[j]);
    }
    return optland_sum_float_lanes(lane) + rest;
}

#endif
