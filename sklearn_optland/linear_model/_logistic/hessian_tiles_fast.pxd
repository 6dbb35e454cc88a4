from sklearn_optland.linear_model._logistic.class_major_fast cimport Problem, Work


cdef struct Tiles:
    int n_rows, padded
    Py_ssize_t stride
    double* scale  # of the columns
    float* x
    float* p
    double* c
    float* weights  # padded x k
    float* sums  # padded x max(k, padded)
    float* scores  # of a block; so are the next two
    float* weighted
    float* plain


cdef Py_ssize_t tiles_room(Problem q)
cdef void share_tiles(
    Problem q, float* memory, double* scale, double* c, Tiles* all, Tiles* some
)
cdef void fill_tiles(Problem q, Tiles t) noexcept nogil
cdef int gather(
    Problem q, Work w, Tiles all, Tiles some, double even, int* rows
) noexcept nogil
cdef void hessian_product(Problem q, Tiles t, const double* V, double* out) noexcept nogil
cdef int invert_blocks(
    Problem q, Work w, Tiles t, double* blocks, bint uniform, int* rows, double* price
) noexcept nogil
