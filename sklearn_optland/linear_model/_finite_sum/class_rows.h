/* Rows of X for steps with several scores a row, whose classes are vectors (lanes.h), in float and in
 * double. */
#ifndef OPTLAND_CLASS_ROWS_H
#define OPTLAND_CLASS_ROWS_H

#include <string.h>
#include "softmax_implicit.h"

/* Vectors of a row's classes that a compiler keeps in registers, at most; larger rows use `room`. */
#define OPTLAND_FEW_GROUPS 4
#define OPTLAND_ROW_VECTORS 8 /* of scratch, of that size */
#define OPTLAND_ROWS_AHEAD 4 /* that are fetched before their turn */

typedef struct {
    /* As RowPointers have them. */
    const float *values32;
    const double *values64;
    const int *indices;
    const long long *indptr;
    int64_t n_columns;
    const int *codes;
    int64_t k, groups; /* classes, and vectors of them */
    double *theta;     /* k of each row */
    /* Of the kind of number that the steps are made in: scratch for a row's values, and for vectors
     * of its classes. */
    void *row, *room;
} optland_class_rows;

/* Ask for a row before its turn: rows come in random order, from beyond the caches. */
OPTLAND_INLINE void optland_class_fetch(
    const optland_class_rows *a, const int *order, int64_t t, int64_t n_steps)
{
    if (t + OPTLAND_ROWS_AHEAD >= n_steps)
        return;
    const int64_t i = order[t + OPTLAND_ROWS_AHEAD];
    const int64_t begin = a->indptr ? a->indptr[i] : i * a->n_columns;
    const int64_t end = a->indptr ? a->indptr[i + 1] : begin + a->n_columns;
    for (int64_t p = begin; p < end; p += 16) {
        if (a->values32)
            OPTLAND_PREFETCH(a->values32 + p);
        else {
            OPTLAND_PREFETCH(a->values64 + p);
            OPTLAND_PREFETCH(a->values64 + p + 8);
        }
        if (a->indices)
            OPTLAND_PREFETCH(a->indices + p);
    }
    for (int64_t j = 0; j < a->k; j += 8)
        OPTLAND_PREFETCH(a->theta + i * a->k + j);
}

#define OPTLAND_REAL double
#define OPTLAND_OF_REAL(NAME) NAME##_double
#include "class_rows_of.h"
#undef OPTLAND_REAL
#undef OPTLAND_OF_REAL

#define OPTLAND_REAL float
#define OPTLAND_OF_REAL(NAME) NAME##_float
#include "class_rows_of.h"
#undef OPTLAND_REAL
#undef OPTLAND_OF_REAL
#endif
