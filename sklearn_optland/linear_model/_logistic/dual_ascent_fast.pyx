"""Passes of dual coordinate ascent in float32, for several classes and CSR rows.

    minimise  l2/2 |W|^2 + sum_i c_i [logsumexp(z_i) - z_i,y_i],   z_i = W'x_i + b.

The dual variables of row i are probabilities p_i; W = sum_i c_i x_i (e_y - p_i)' / l2 follows them.
A step maximises the dual in one row's p_i (Shalev-Shwartz and Zhang 2013): p_i becomes
softmax(z_i + q_i (old - p_i)), q_i = c_i (|x_i|^2 / l2 + 1 / rho). Of the intercept,
rho/2 (b - anchor)^2 is added to the objective: b = anchor + sum_i c_i (e_y - p_i) / rho.
"""
import numpy as np


cdef extern from "dual_ascent.h" nogil:
    double optland_dual_pass(
        long long n_steps, const int* order, long long d, long long k, const long long* indptr,
        const int* indices, const float* data, const int* y, const float* c, const float* q,
        float by_l2, float by_rho, int fresh, float* logs, float* V, float* work,
    )


def dual_pass(
    const int[::1] order,
    const long long[::1] indptr,
    const int[::1] indices,
    const float[::1] data,
    const int[::1] y,
    const float[::1] c,
    const float[::1] q,
    double l2,
    double rho,  # 0: no intercept
    bint fresh,  # the first pass: p_i is 1 in the row's own class
    float[:, ::1] logs,  # IN / OUT, log p
    float[:, ::1] V,  # IN / OUT, parameters, the intercept last
):
    """Visit the rows in `order` once; returns about the duality gap before."""
    cdef float[::1] work = np.empty(6 * V.shape[1], dtype=np.float32)
    cdef double gap
    cdef float by_rho = 1 / rho if rho > 0 else 0
    with nogil:
        gap = optland_dual_pass(
            order.shape[0], &order[0], V.shape[0] - 1, V.shape[1], &indptr[0], &indices[0],
            &data[0], &y[0], &c[0], &q[0], 1 / l2, by_rho, fresh, &logs[0, 0], &V[0, 0], &work[0],
        )
    return gap
