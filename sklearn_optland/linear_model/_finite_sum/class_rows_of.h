/* Rows in OPTLAND_REAL, float or double; class_rows.h includes this for each. */

#define VECTOR OPTLAND_OF_REAL(optland_vector)
#define ALL_GROUPS for (int64_t g = 0; g < groups; g++)

/* Copy the values of row i; their columns (NULL: all of them) and their number. */
OPTLAND_INLINE int64_t OPTLAND_OF_REAL(optland_class_row)(
    const optland_class_rows *a, int64_t i, const int **index)
{
    const int64_t begin = a->indptr ? a->indptr[i] : i * a->n_columns;
    const int64_t size = a->indptr ? a->indptr[i + 1] - begin : a->n_columns;
    OPTLAND_REAL *x = a->row;
    *index = a->indices ? a->indices + begin : NULL;
    if (a->values32)
        for (int64_t f = 0; f < size; f++)
            x[f] = (OPTLAND_REAL)a->values32[begin + f];
    else
        for (int64_t f = 0; f < size; f++)
            x[f] = (OPTLAND_REAL)a->values64[begin + f];
    return size;
}

/* z += W'x, the columns of W `stride` vectors apart, in two sums that hide the latency of
 * additions. */
OPTLAND_INLINE void OPTLAND_OF_REAL(optland_class_scores)(
    int64_t groups, const VECTOR *w, int64_t stride, const OPTLAND_REAL *x, const int *index,
    int64_t size, VECTOR *z, VECTOR *also)
{
    int64_t f = 0;
    ALL_GROUPS also[g] = OPTLAND_OF_REAL(optland_all)(0);
    for (; f + 2 <= size; f += 2) {
        const VECTOR *one = w + (index ? index[f] : f) * stride;
        const VECTOR *two = w + (index ? index[f + 1] : f + 1) * stride;
        ALL_GROUPS {
            z[g] += x[f] * one[g];
            also[g] += x[f + 1] * two[g];
        }
    }
    for (; f < size; f++) {
        const VECTOR *column = w + (index ? index[f] : f) * stride;
        ALL_GROUPS z[g] += x[f] * column[g];
    }
    ALL_GROUPS z[g] += also[g];
}

/* w after a threshold, and no less than 0 if asked. */
OPTLAND_INLINE VECTOR OPTLAND_OF_REAL(optland_class_prox)(
    VECTOR w, OPTLAND_REAL threshold, int positive)
{
    const VECTOR high = OPTLAND_OF_REAL(optland_all)(threshold);
    const VECTOR low = OPTLAND_OF_REAL(optland_all)(positive ? -INFINITY : -threshold);
    return w - OPTLAND_OF_REAL(optland_smaller)(OPTLAND_OF_REAL(optland_larger)(w, low), high);
}

#undef VECTOR
#undef ALL_GROUPS
