/* The step of dual coordinate ascent that class_steps_fast.pyx derives, in float and in double. */
#ifndef OPTLAND_SDCA_CLASSES_H
#define OPTLAND_SDCA_CLASSES_H

#include "class_rows.h"

#define OPTLAND_MAX_NEWTON_STEPS 60
/* The dual need not be maximised to the last digit in one row, since it is in the limit. A Newton
 * step no longer than this, in logarithms, ends the search. */
#define OPTLAND_COARSE 0.3

typedef struct {
    optland_class_rows rows;
    const double *c, *q;
    const double *knee;  /* -log(1 + q) */
    const double *delta; /* NULL: SDCA */
    double threshold;    /* l1 / l2 */
    double inverse_l2, inverse_rho; /* the latter 0: no intercept */
    int positive, is_quadratic;
    /* Of the kind of number that the steps are made in, in whole vectors: w before the threshold,
     * and b. */
    void *w, *b;
} optland_classes;

#define optland_sqrt_double sqrt
#define optland_sqrt_float sqrtf

#define OPTLAND_REAL double
#define OPTLAND_OF_REAL(NAME) NAME##_double
#define OPTLAND_LEAST 1e-300
#include "sdca_classes_of.h"
#undef OPTLAND_REAL
#undef OPTLAND_OF_REAL
#undef OPTLAND_LEAST

#define OPTLAND_REAL float
#define OPTLAND_OF_REAL(NAME) NAME##_float
#define OPTLAND_LEAST 1e-37f
#include "sdca_classes_of.h"
#undef OPTLAND_REAL
#undef OPTLAND_OF_REAL
#undef OPTLAND_LEAST
#endif
