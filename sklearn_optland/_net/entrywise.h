/* Entrywise parts of a net's passes, written for the vectoriser: once for each real type.
 *
 * f are scores of a block of rows, c its row weights. Nothing here overflows for finite scores, and
 * a loss or a residual near 0 keeps its relative accuracy.
 */
#ifndef OPTLAND_ENTRYWISE_H
#define OPTLAND_ENTRYWISE_H

#include "vector_math.h"

enum { OPTLAND_LOGISTIC, OPTLAND_TANH, OPTLAND_RELU, OPTLAND_IDENTITY };

#define OPTLAND_ENTRYWISE(REAL, EXP, NAME)                                                         \
                                                                                                   \
OPTLAND_INLINE REAL NAME(sigmoid)(REAL z)                                                          \
{                                                                                                  \
    REAL e = EXP(z < 0 ? z : -z);                                                                  \
    REAL q = (REAL)1 / ((REAL)1 + e);                                                              \
    return z < 0 ? e * q : q;                                                                      \
}                                                                                                  \
                                                                                                   \
/* (1 - e) / (1 + e), e = exp(-2|z|), cancels near 0: there Taylor's series. */                    \
OPTLAND_INLINE REAL NAME(tanh)(REAL z)                                                             \
{                                                                                                  \
    REAL size = z < 0 ? -z : z;                                                                    \
    REAL e = EXP((REAL)-2 * size);                                                                 \
    REAL far = ((REAL)1 - e) / ((REAL)1 + e);                                                      \
    REAL s = size < (REAL)0.125 ? size * size : (REAL)0;                                           \
    REAL p = (REAL)(21844.0 / 6081075) ;                                                           \
    p = p * s - (REAL)(1382.0 / 155925);                                                           \
    p = p * s + (REAL)(62.0 / 2835);                                                               \
    p = p * s - (REAL)(17.0 / 315);                                                                \
    p = p * s + (REAL)(2.0 / 15);                                                                  \
    p = p * s - (REAL)(1.0 / 3);                                                                   \
    REAL near = size + size * s * p;                                                               \
    REAL value = size < (REAL)0.125 ? near : far;                                                  \
    return z < 0 ? -value : value;                                                                 \
}                                                                                                  \
                                                                                                   \
OPTLAND_CLONES                                                                                     \
static void NAME(activate)(int64_t rows, int64_t width, int kind, const REAL *bias, REAL *z)       \
{                                                                                                  \
    for (int64_t i = 0; i < rows; i++, z += width) {                                               \
        if (kind == OPTLAND_LOGISTIC)                                                              \
            for (int64_t j = 0; j < width; j++)                                                    \
                z[j] = NAME(sigmoid)(z[j] + bias[j]);                                              \
        else if (kind == OPTLAND_TANH)                                                             \
            for (int64_t j = 0; j < width; j++)                                                    \
                z[j] = NAME(tanh)(z[j] + bias[j]);                                                 \
        else if (kind == OPTLAND_RELU)                                                             \
            for (int64_t j = 0; j < width; j++) {                                                  \
                REAL f = z[j] + bias[j];                                                           \
                z[j] = f > 0 ? f : (REAL)0;                                                        \
            }                                                                                      \
        else                                                                                       \
            for (int64_t j = 0; j < width; j++)                                                    \
                z[j] += bias[j];                                                                   \
    }                                                                                              \
}                                                                                                  \
                                                                                                   \
/* d *= sigma', a function of the activation v = sigma(z). */                                      \
OPTLAND_CLONES                                                                                     \
static void NAME(times_slope)(int64_t n, int kind, const REAL *v, REAL *d)                         \
{                                                                                                  \
    if (kind == OPTLAND_LOGISTIC)                                                                  \
        for (int64_t i = 0; i < n; i++)                                                            \
            d[i] *= v[i] * ((REAL)1 - v[i]);                                                       \
    else if (kind == OPTLAND_TANH)                                                                 \
        for (int64_t i = 0; i < n; i++)                                                            \
            d[i] *= (REAL)1 - v[i] * v[i];                                                         \
    else if (kind == OPTLAND_RELU)                                                                 \
        for (int64_t i = 0; i < n; i++)                                                            \
            d[i] = v[i] > 0 ? d[i] : (REAL)0;                                                      \
}                                                                                                  \
                                                                                                   \
/* Sum of c x^2, c being weights of rows. */                                                       \
OPTLAND_CLONES                                                                                     \
static double NAME(weighted_squares)(int64_t rows, int64_t width, const double *c, const REAL *x)  \
{                                                                                                  \
    double total = 0;                                                                              \
    for (int64_t i = 0; i < rows; i++, x += width) {                                               \
        REAL lane[16] = {0}, row = 0;                                                              \
        int64_t j = 0;                                                                             \
        for (; j + 16 <= width; j += 16)                                                           \
            for (int k = 0; k < 16; k++)                                                           \
                lane[k] += x[j + k] * x[j + k];                                                    \
        for (; j < width; j++)                                                                     \
            row += x[j] * x[j];                                                                    \
        for (int k = 0; k < 16; k++)                                                               \
            row += lane[k];                                                                        \
        total += c[i] * row;                                                                       \
    }                                                                                              \
    return total;                                                                                  \
}                                                                                                  \
                                                                                                   \
/* Squared error: f becomes c (f - y); the sum of c (f - y)^2 / 2. */                              \
OPTLAND_CLONES                                                                                     \
static double NAME(squared_error)(                                                                 \
    int64_t rows, int64_t width, const REAL *y, const double *c, REAL *f)                          \
{                                                                                                  \
    double total = 0;                                                                              \
    for (int64_t i = 0; i < rows; i++, f += width, y += width) {                                   \
        double row = 0;                                                                            \
        REAL weight = (REAL)c[i];                                                                  \
        for (int64_t j = 0; j < width; j++) {                                                      \
            REAL r = f[j] - y[j];                                                                  \
            row += (double)r * r;                                                                  \
            f[j] = weight * r;                                                                     \
        }                                                                                          \
        total += c[i] * row;                                                                       \
    }                                                                                              \
    return 0.5 * total;                                                                            \
}                                                                                                  \
                                                                                                   \
/* Log-loss of one logit, y = 0 or 1: f becomes c (sigmoid(f) - y); the sum of c losses. */        \
OPTLAND_CLONES                                                                                     \
static double NAME(binary_log_loss)(int64_t rows, const REAL *y, const double *c, REAL *f)         \
{                                                                                                  \
    double total = 0;                                                                              \
    for (int64_t i = 0; i < rows; i++) {                                                           \
        double sign = 2.0 * y[i] - 1.0, m = sign * f[i];                                           \
        double e = optland_exp_negative(m < 0 ? m : -m), q = 1.0 / (1.0 + e);                      \
        total += c[i] * (optland_log1p_unit(e) + (m < 0 ? -m : 0.0));                              \
        f[i] = (REAL)(-sign * c[i] * (m < 0 ? q : e * q));                                         \
    }                                                                                              \
    return total;                                                                                  \
}                                                                                                  \
                                                                                                   \
/* Log-loss of a softmax, y one-hot: f becomes c (softmax(f) - y). The class's own residual is     \
 * minus the sum of the others', which does not cancel. */                                         \
OPTLAND_CLONES                                                                                     \
static double NAME(softmax_log_loss)(                                                              \
    int64_t rows, int64_t width, const REAL *y, const double *c, REAL *f)                          \
{                                                                                                  \
    double total = 0;                                                                              \
    for (int64_t i = 0; i < rows; i++, f += width, y += width) {                                   \
        REAL top = f[0], own = 0, rest = 0, mine = 0;                                              \
        for (int64_t j = 1; j < width; j++)                                                        \
            top = f[j] > top ? f[j] : top;                                                         \
        for (int64_t j = 0; j < width; j++) {                                                      \
            REAL e = EXP(f[j] - top);                                                              \
            own += y[j] * e;                                                                       \
            rest += ((REAL)1 - y[j]) * e;                                                          \
            mine += y[j] * (f[j] - top);                                                           \
            f[j] = e;                                                                              \
        }                                                                                          \
        double sum = (double)own + rest;                                                           \
        total += c[i] * (own >= rest ? log1p(rest / (double)own) : log(sum) - mine);               \
        REAL scale = (REAL)(c[i] / sum);                                                           \
        for (int64_t j = 0; j < width; j++)                                                        \
            f[j] = y[j] > 0 ? -scale * rest : scale * f[j];                                        \
    }                                                                                              \
    return total;                                                                                  \
}                                                                                                  \
                                                                                                   \
/* The loss of the output layer, one of the three above. */                                        \
static double NAME(output_residuals)(                                                              \
    int64_t rows, int64_t width, int is_log_loss, const REAL *y, const double *c, REAL *f)         \
{                                                                                                  \
    if (!is_log_loss)                                                                              \
        return NAME(squared_error)(rows, width, y, c, f);                                          \
    return width == 1 ? NAME(binary_log_loss)(rows, y, c, f)                                       \
                      : NAME(softmax_log_loss)(rows, width, y, c, f);                              \
}

#define OPTLAND_FLOAT(name) optland_##name##_float
#define OPTLAND_DOUBLE(name) optland_##name##_double
OPTLAND_ENTRYWISE(float, optland_expf_negative, OPTLAND_FLOAT)
OPTLAND_ENTRYWISE(double, optland_exp_negative, OPTLAND_DOUBLE)
#endif
