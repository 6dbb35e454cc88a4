/* Products of one row of floats with one vector of floats.
 *
 * float32 throughout: linear routers are learned from noisy single rows, and half the bytes are
 * half the time.
 */
#ifndef OPTLAND_FLOAT_ROWS_H
#define OPTLAND_FLOAT_ROWS_H

#include "vector_math.h"

#define OPTLAND_FLOAT_LANES 32 /* four registers of x86-64-v3, two of x86-64-v4 */

/* x'w */
OPTLAND_CLONES
OPTLAND_LANE_SUM(static float optland_float_dot, OPTLAND_FLOAT_LANES,
                 (int64_t n, const float *x, const float *w), x[at] * w[at])

/* w += t x */
OPTLAND_CLONES
static void optland_float_add(int64_t n, float t, const float *x, float *restrict w)
{
    for (int64_t j = 0; j < n; j++)
        w[j] += t * x[j];
}

/* z = r (x - m), elementwise; returns (x - m)'z */
OPTLAND_CLONES
OPTLAND_LANE_SUM(static float optland_float_scale, OPTLAND_FLOAT_LANES,
                 (int64_t n, const float *x, const float *m, const float *r, float *restrict z),
                 (z[at] = r[at] * (x[at] - m[at])) * (x[at] - m[at]))

#endif
