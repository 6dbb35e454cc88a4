/* The pull of the multinomial log-loss on one row's k scores, and the pull after the step that it
 * causes: the exact step of a dual coordinate ascent. */
#ifndef OPTLAND_SOFTMAX_IMPLICIT_H
#define OPTLAND_SOFTMAX_IMPLICIT_H

#include "lanes.h"

/* pull = e_own - softmax(z); z becomes exp(z - max). */
OPTLAND_INLINE void optland_softmax_pull(double *z, int64_t k, int own, double *pull)
{
    double top = z[0], total = 0;
    for (int64_t j = 1; j < k; j++)
        top = z[j] > top ? z[j] : top;
    for (int64_t j = 0; j < k; j++)
        z[j] = optland_exp_negative(z[j] - top);
    for (int64_t j = 0; j < k; j++)
        total += z[j];
    for (int64_t j = 0; j < k; j++)
        pull[j] = -z[j] / total;
    pull[own] = (total - z[own]) / total;
}

#define OPTLAND_REAL double
#define OPTLAND_OF_REAL(NAME) NAME##_double
#include "softmax_implicit_of.h"
#undef OPTLAND_REAL
#undef OPTLAND_OF_REAL

#define OPTLAND_REAL float
#define OPTLAND_OF_REAL(NAME) NAME##_float
#include "softmax_implicit_of.h"
#undef OPTLAND_REAL
#undef OPTLAND_OF_REAL
#endif
