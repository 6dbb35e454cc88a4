/* Steps of _dual_ascent_fast.pyx: the multinomial log-loss, CSR rows, float32. */
#ifndef OPTLAND_DUAL_ASCENT_H
#define OPTLAND_DUAL_ASCENT_H

#include "vector_math.h"

#define OPTLAND_MAX_ROW_STEPS 40
#define OPTLAND_LONGEST 3.0f /* step of a logarithm */
#define OPTLAND_COARSE 0.3f  /* step that ends the search in one row */
#define OPTLAND_CORNER 1e-9f /* probabilities that are too small to hold up the search */

/* The new probabilities of a row: p = softmax(z + q (old - p)), in logarithms s. With m = z + q old
 * that is s + q exp(s) = m - t, for the t that makes the sum of p 1: Newton on s and t together.
 * In: m, and s and p to start from. Out: s and p, normalised. Returns 0 if it does not arrive. */
OPTLAND_INLINE int optland_dual_row(
    int64_t k, int own, float q, const float *m, float *s, float *p, float *u, float *w)
{
    float t = m[own] - s[own] - q * p[own];
    for (int step = 0; step < OPTLAND_MAX_ROW_STEPS; step++) {
        for (int64_t j = 0; j < k; j++) {
            float inverse = 1.0f / (1.0f + q * p[j]);
            u[j] = (m[j] - s[j] - q * p[j] - t) * inverse;
            w[j] = p[j] * inverse;
        }
        float total = optland_sum_float32(k, p), weight = optland_sum_float32(k, w);
        float change = (total - 1.0f + optland_dot_float32(k, p, u)) / weight;
        float limit = OPTLAND_LONGEST * (1.0f + q);
        change = change > limit ? limit : change < -limit ? -limit : change;
        t += change;
        for (int64_t j = 0; j < k; j++) {
            float inverse = 1.0f / (1.0f + q * p[j]);
            float move = u[j] - change * inverse;
            move = move > OPTLAND_LONGEST ? OPTLAND_LONGEST : move;
            move = move < -OPTLAND_LONGEST ? -OPTLAND_LONGEST : move;
            s[j] += move;
            s[j] = s[j] < 0.0f ? s[j] : 0.0f;
            float size = move < 0.0f ? -move : move;
            w[j] = p[j] > OPTLAND_CORNER || move > 0.0f ? size : 0.0f;
            p[j] = optland_expf_negative(s[j]);
        }
        float longest = optland_max_float32(k, w), excess = (total - 1.0f) * (1.0f + q);
        excess = excess < 0.0f ? -excess : excess;
        if ((longest > excess ? longest : excess) <= OPTLAND_COARSE) {
            float shift = logf(optland_sum_float32(k, p));
            for (int64_t j = 0; j < k; j++) {
                s[j] -= shift;
                s[j] = s[j] < -87.0f ? -87.0f : s[j];
                p[j] = optland_expf_negative(s[j]);
            }
            return 1;
        }
    }
    return 0;
}

/* A pass over the rows in `order`. logs (n, k) are the dual probabilities' logarithms; in the first
 * pass, `fresh`, they are of a one in the row's own class. V = (d + 1, k) parameters, the intercept
 * last. Returns the sum of c_i KL(p_i || softmax(z_i)), to second order, at the time of each visit:
 * about the duality gap. `work` has room for 6 k. */
OPTLAND_CLONES
static double optland_dual_pass(
    int64_t n_steps, const int *order, int64_t d, int64_t k, const long long *indptr,
    const int *indices, const float *data, const int *y, const float *c, const float *q,
    float by_l2, float by_rho, int fresh, float *logs, float *V, float *work)
{
    float *z = work, *old = work + k, *p = work + 2 * k;
    float *u = work + 3 * k, *w = work + 4 * k, *start = work + 5 * k;
    float *b = V + d * k;
    double gap = 0;
    for (int64_t step = 0; step < n_steps; step++) {
        int64_t i = order[step];
        long long first = indptr[i], last = indptr[i + 1], next = 0, next_last = 0;
        float *s = logs + i * k;
        if (step + 1 < n_steps) {
            next = indptr[order[step + 1]];
            next_last = indptr[order[step + 1] + 1];
            const float *ahead = logs + (int64_t)order[step + 1] * k;
            for (int64_t j = 0; j < k; j += 16)
                OPTLAND_PREFETCH(ahead + j);
        }
        for (int64_t j = 0; j < k; j++)
            z[j] = b[j];
        for (long long e = first; e < last; e++) {
            const float *row = V + (int64_t)indices[e] * k;
            float x = data[e];
            for (int64_t j = 0; j < k; j++)
                z[j] += x * row[j];
        }
        int own = y[i];
        if (fresh) {
            float top = optland_max_float32(k, z);
            for (int64_t j = 0; j < k; j++)
                p[j] = optland_expf_negative(z[j] - top);
            float total = optland_sum_float32(k, p), shift = top + logf(total);
            for (int64_t j = 0; j < k; j++) {
                old[j] = 0.0f;
                s[j] = z[j] - shift > -87.0f ? z[j] - shift : -87.0f;
                p[j] /= total;
            }
            old[own] = 1.0f;
            gap -= c[i] * s[own];
        } else {
            float offset = z[own] - s[own];
            for (int64_t j = 0; j < k; j++) {
                old[j] = p[j] = optland_expf_negative(s[j]);
                u[j] = z[j] - s[j] - offset;
                w[j] = old[j] * u[j];
            }
            float mean = optland_sum_float32(k, w);
            gap += 0.5 * c[i] * (optland_dot_float32(k, w, u) - mean * mean);
        }
        for (int64_t j = 0; j < k; j++) {
            start[j] = s[j];
            z[j] += q[i] * old[j];
        }
        if (!optland_dual_row(k, own, q[i], z, s, p, u, w)) {
            /* the short step that cannot lower the dual, towards softmax(z) */
            float top = -INFINITY, share = 1.0f / (1.0f + 0.5f * q[i]);
            for (int64_t j = 0; j < k; j++)
                z[j] -= q[i] * old[j];
            top = optland_max_float32(k, z);
            for (int64_t j = 0; j < k; j++)
                p[j] = optland_expf_negative(z[j] - top);
            float total = optland_sum_float32(k, p);
            for (int64_t j = 0; j < k; j++) {
                p[j] = old[j] + share * (p[j] / total - old[j]);
                s[j] = p[j] > 1.7e-38f ? logf(p[j]) : -87.0f;
            }
        }
        for (int64_t j = 0; j < k; j++) {
            float change = c[i] * (old[j] - p[j]);
            b[j] += by_rho * change;
            z[j] = by_l2 * change;
        }
        for (long long e = first; e < last; e++, next++) {
            float *row = V + (int64_t)indices[e] * k;
            float x = data[e];
            if (next < next_last) {
                const float *ahead = V + (int64_t)indices[next] * k;
                for (int64_t j = 0; j < k; j += 16)
                    OPTLAND_PREFETCH(ahead + j);
            }
            for (int64_t j = 0; j < k; j++)
                row[j] += x * z[j];
        }
    }
    return gap;
}
#endif
