/* The step of dual coordinate ascent that sdca_classes_fast.pyx derives, in float and in double. */
#ifndef OPTLAND_SDCA_CLASSES_H
#define OPTLAND_SDCA_CLASSES_H

#include <string.h>
#include "softmax_implicit.h"

/* Vectors of a row's classes that a compiler keeps in registers, at most; larger rows use `room`. */
#define OPTLAND_FEW_GROUPS 4
#define OPTLAND_ROW_VECTORS 8 /* of scratch, of that size */
#define OPTLAND_ROWS_AHEAD 4 /* that are fetched before their turn */
#define OPTLAND_MAX_NEWTON_STEPS 60
/* The dual need not be maximised to the last digit in one row, since it is in the limit. A Newton
 * step no longer than this, in logarithms, ends the search. */
#define OPTLAND_COARSE 0.3

typedef struct {
    /* The rows, as RowPointers have them. */
    const float *values32;
    const double *values64;
    const int *indices;
    const long long *indptr;
    int64_t n_columns;
    const int *codes;
    int64_t k, groups;
    const double *c, *q;
    const double *knee;  /* -log(1 + q) */
    const double *delta; /* NULL: SDCA */
    double threshold;    /* l1 / l2 */
    double inverse_l2, inverse_rho; /* the latter 0: no intercept */
    int positive, is_quadratic;
    double *theta; /* k of each row */
    /* Of the kind of number that the steps are made in, in whole vectors: w before the threshold,
     * b, and scratch for a row's values and for vectors of its classes. */
    void *w, *b, *row, *room;
} optland_classes;

/* Ask for a sparse row before its turn: rows come in random order, from beyond the caches. */
OPTLAND_INLINE void optland_classes_fetch(const optland_classes *a, int64_t i)
{
    for (int64_t p = a->indptr[i]; p < a->indptr[i + 1]; p += 16) {
        if (a->values32)
            OPTLAND_PREFETCH(a->values32 + p);
        else {
            OPTLAND_PREFETCH(a->values64 + p);
            OPTLAND_PREFETCH(a->values64 + p + 8);
        }
        OPTLAND_PREFETCH(a->indices + p);
    }
}

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
