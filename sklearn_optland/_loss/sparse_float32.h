/* Products of a sparse matrix and the multinomial log-loss in float32, a row after the other.
 *
 * Arrays are row-major with k values a row. A product costs little beside fetching the row of the
 * other factor that a non-zero asks for, which comes from beyond the L2 cache: rows are fetched
 * ahead.
 */
#ifndef OPTLAND_SPARSE_FLOAT32_H
#define OPTLAND_SPARSE_FLOAT32_H

#include "vector_math.h"

#define OPTLAND_AHEAD 3 /* non-zeros */

/* out_i += sum over the non-zeros of row i of x_ij values_j, for rows first to last. */
OPTLAND_CLONES
static void optland_sparse_product(
    int64_t first, int64_t last, int64_t k, const long long *indptr, const int *indices,
    const float *data, const float *values, float *out)
{
    long long end = indptr[last];
    for (int64_t i = first; i < last; i++, out += k)
        for (long long p = indptr[i]; p < indptr[i + 1]; p++) {
            const float *row = values + (int64_t)indices[p] * k;
            float x = data[p];
            if (p + OPTLAND_AHEAD < end) {
                const float *ahead = values + (int64_t)indices[p + OPTLAND_AHEAD] * k;
                for (int64_t j = 0; j < k; j += 16)
                    OPTLAND_PREFETCH(ahead + j);
            }
            for (int64_t j = 0; j < k; j++)
                out[j] += x * row[j];
        }
}

/* Scores become residuals c (p - onehot(y)) / unit; returns the sum of c (logsumexp(z) - z_y). */
OPTLAND_CLONES
static double optland_rows_residuals(
    int64_t n, int64_t k, const int *y, const double *c, double unit, float *z)
{
    double loss = 0;
    for (int64_t i = 0; i < n; i++, z += k) {
        float top = optland_max_float32(k, z), lead = top - z[y[i]];
        for (int64_t j = 0; j < k; j++)
            z[j] = optland_expf_negative(z[j] - top);
        float own = z[y[i]];
        z[y[i]] = 0;
        float others = optland_sum_float32(k, z), total = own + others;
        loss += c[i] * (lead == 0 ? log1p((double)others) : lead + log((double)total));
        float weight = (float)(c[i] / unit) / total;
        for (int64_t j = 0; j < k; j++)
            z[j] *= weight;
        z[y[i]] = -others * weight;
    }
    return loss;
}

/* Scores become probabilities. */
OPTLAND_CLONES
static void optland_rows_softmax(int64_t n, int64_t k, float *z)
{
    for (int64_t i = 0; i < n; i++, z += k) {
        float top = optland_max_float32(k, z);
        for (int64_t j = 0; j < k; j++)
            z[j] = optland_expf_negative(z[j] - top);
        float scale = 1 / optland_sum_float32(k, z);
        for (int64_t j = 0; j < k; j++)
            z[j] *= scale;
    }
}

/* Changes t of the scores become c / unit (diag p - pp') t. */
OPTLAND_CLONES
static void optland_rows_hessian(
    int64_t n, int64_t k, const float *p, const double *c, double unit, float *t)
{
    for (int64_t i = 0; i < n; i++, p += k, t += k) {
        float mean = optland_dot_float32(k, p, t), weight = (float)(c[i] / unit);
        for (int64_t j = 0; j < k; j++)
            t[j] = weight * p[j] * (t[j] - mean);
    }
}

/* Conjugate gradients on parameters (d, k), centred over the classes, the intercept last; without
 * one its row stays 0. Preconditioner: 1 / (curvature_j + penalty_f), centred. */
OPTLAND_INLINE void optland_centre(int64_t k, float *x)
{
    float mean = optland_sum_float32(k, x) / k;
    for (int64_t j = 0; j < k; j++)
        x[j] -= mean;
}

OPTLAND_INLINE void optland_precondition(
    int64_t k, float penalty, const float *curvature, const float *r, float *s)
{
    for (int64_t j = 0; j < k; j++)
        s[j] = r[j] / (curvature[j] + penalty);
    optland_centre(k, s);
}

/* q += penalty p, centred; returns p'q. */
OPTLAND_CLONES
static double optland_cg_curvature(
    int64_t d, int64_t k, int intercept, const float *penalty, const float *p, float *q)
{
    double total = 0;
    for (int64_t f = 0; f < d; f++, p += k, q += k) {
        float kept = f == d - 1 && !intercept ? 0 : 1;
        for (int64_t j = 0; j < k; j++)
            q[j] = kept * (q[j] + penalty[f] * p[j]);
        optland_centre(k, q);
        total += optland_dot_float32(k, p, q);
    }
    return total;
}

/* v += step p and r -= step q; returns r's, s the preconditioned r, and the squared norm of r with
 * its rows times `scale` in *norm. */
OPTLAND_CLONES
static double optland_cg_step(
    int64_t d, int64_t k, float step, const float *penalty, const float *curvature,
    const double *scale, const float *p, const float *q, float *v, float *r, float *s, double *norm)
{
    double rho = 0;
    *norm = 0;
    for (int64_t f = 0; f < d; f++, p += k, q += k, v += k, r += k) {
        for (int64_t j = 0; j < k; j++) {
            v[j] += step * p[j];
            r[j] -= step * q[j];
        }
        optland_precondition(k, penalty[f], curvature, r, s);
        rho += optland_dot_float32(k, r, s);
        *norm += scale[f] * scale[f] * optland_dot_float32(k, r, r);
    }
    return rho;
}

/* p = s + beta p, s the preconditioned r. */
OPTLAND_CLONES
static void optland_cg_direction(
    int64_t d, int64_t k, float beta, const float *penalty, const float *curvature, const float *r,
    float *p, float *s)
{
    for (int64_t f = 0; f < d; f++, p += k, r += k) {
        optland_precondition(k, penalty[f], curvature, r, s);
        for (int64_t j = 0; j < k; j++)
            p[j] = s[j] + beta * p[j];
    }
}

static double optland_dot(int64_t n, const float *x, const float *y)
{
    double total = 0;
    for (int64_t i = 0; i < n; i += 1024)
        total += optland_dot_float32(n - i < 1024 ? n - i : 1024, x + i, y + i);
    return total;
}
#endif
