/* Branch-free exp and log1p that the compiler turns into vector code.
 *
 * libm's exp is called one number at a time unless -ffast-math is on, which the wheels may not use.
 * Both functions here are within 2 ulp on their range. OPTLAND_CLONES compiles a loop once for
 * each x86-64 level and picks one when the library is loaded, so that wheels need no -march; it is
 * off under sanitizers, whose runtime is not up yet at that time.
 */
#ifndef OPTLAND_VECTOR_MATH_H
#define OPTLAND_VECTOR_MATH_H

#include <stdint.h>
#include <math.h>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && __GNUC__ >= 12 \
    && !defined(__clang__) && !defined(OPTLAND_SANITIZE)
#define OPTLAND_CLONES \
    __attribute__((unused, target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#elif defined(__GNUC__)
#define OPTLAND_CLONES __attribute__((unused))
#else
#define OPTLAND_CLONES
#endif

/* What a cloned loop calls must be part of it: else it is compiled once, for the lowest level. */
#if defined(__GNUC__)
#define OPTLAND_INLINE static inline __attribute__((always_inline))
#define OPTLAND_PREFETCH(address) __builtin_prefetch(address)
#else
#define OPTLAND_INLINE static inline
#define OPTLAND_PREFETCH(address)
#endif

/* Where optland_exp_negative is held: what reasons with its logarithm must add what is beyond. */
#define OPTLAND_LEAST_EXPONENT (-708.0)

/* exp(x) for -708 <= x <= 0, of numbers or of vectors (lanes.h); BITS are integers of their size.
 * x = n ln 2 + r with |r| <= ln 2 / 2; adding 1.5 * 2^52 rounds n into the low bits of the sum. */
#define OPTLAND_EXP_OF(NAME, VALUE, BITS)                                                          \
    OPTLAND_INLINE VALUE NAME(VALUE x)                                                             \
    {                                                                                              \
        const double shift = 6755399441055744.0;                                                   \
        union { VALUE value; BITS bits; } n, scaled;                                               \
        n.value = x * 1.4426950408889634 + shift;                                                  \
        VALUE whole = n.value - shift;                                                             \
        VALUE r =                                                                                  \
            (x - whole * 6.93147180369123816490e-01) - whole * 1.90821492927058770002e-10;         \
        VALUE p = 2.5110037605963777712e-8 * r + 2.7632639639041029749e-7;                         \
        p = p * r + 2.7557240918578969823e-6;                                                      \
        p = p * r + 2.4801485482328492419e-5;                                                      \
        p = p * r + 1.9841269890047113707e-4;                                                      \
        p = p * r + 1.3888888952314774652e-3;                                                      \
        p = p * r + 8.333333333319600611e-3;                                                       \
        p = p * r + 4.1666666666488095495e-2;                                                      \
        p = p * r + 0.16666666666666680806;                                                        \
        p = p * r + 0.50000000000000183855;                                                        \
        p = p * r + 1.0;                                                                           \
        scaled.value = p * r + 1.0;                                                                \
        scaled.bits += n.bits << 52;                                                               \
        return scaled.value;                                                                       \
    }

/* The same in float32 for -87 <= x <= 0. */
#define OPTLAND_EXPF_OF(NAME, VALUE, BITS)                                                         \
    OPTLAND_INLINE VALUE NAME(VALUE x)                                                             \
    {                                                                                              \
        const float shift = 12582912.0f; /* 1.5 * 2^23 */                                          \
        union { VALUE value; BITS bits; } n, scaled;                                               \
        n.value = x * 1.44269504f + shift;                                                         \
        VALUE whole = n.value - shift;                                                             \
        VALUE r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;                             \
        VALUE p = 1.3981999e-3f * r + 8.3334519e-3f;                                               \
        p = p * r + 4.1665795e-2f;                                                                 \
        p = p * r + 1.6666665e-1f;                                                                 \
        p = p * r + 0.5f;                                                                          \
        scaled.value = (p * r * r + r) + 1.0f;                                                     \
        scaled.bits += n.bits << 23;                                                               \
        return scaled.value;                                                                       \
    }

/* 2 atanh(t), the logarithm of (1 + t) / (1 - t), for |t| <= 1/3. */
#define OPTLAND_LOG_RATIO_OF(NAME, VALUE)                                                          \
    OPTLAND_INLINE VALUE NAME(VALUE t)                                                             \
    {                                                                                              \
        VALUE s = t * t;                                                                           \
        VALUE p = 0.088903819130566514469 * s + 0.049403945243823931204;                           \
        p = p * s + 0.067956527427899469179;                                                       \
        p = p * s + 0.076818381244458171292;                                                       \
        p = p * s + 0.090914299002369554786;                                                       \
        p = p * s + 0.11111095430673142019;                                                        \
        p = p * s + 0.14285714555828580111;                                                        \
        p = p * s + 0.19999999997643800004;                                                        \
        p = p * s + 0.33333333333341287164;                                                        \
        return 2.0 * t * (p * s + 1.0);                                                            \
    }

OPTLAND_EXP_OF(optland_exp_in_range, double, int64_t)
OPTLAND_EXPF_OF(optland_expf_in_range, float, uint32_t)
OPTLAND_LOG_RATIO_OF(optland_log_ratio, double)

/* exp(x) for x <= 0, held above exp(-708) > 0: a probability never becomes exactly 0. */
OPTLAND_INLINE double optland_exp_negative(double x)
{
    return optland_exp_in_range(x < OPTLAND_LEAST_EXPONENT ? OPTLAND_LEAST_EXPONENT : x);
}

/* exp(x) for x <= 0, held above exp(-87) > 0, to 2 ulp. */
OPTLAND_INLINE float optland_expf_negative(float x)
{
    return optland_expf_in_range(x < -87.0f ? -87.0f : x);
}

/* log(1 + e) for 0 <= e <= 1, to full relative accuracy. */
OPTLAND_INLINE double optland_log1p_unit(double e)
{
    return optland_log_ratio(e / (2.0 + e));
}

/* log(1 + x) for x > -1; finite at -1. With 1 + x = 2^n m, m in [sqrt(1/2), sqrt(2)); where n = 0
 * m - 1 is x itself, without the rounding of 1 + x. */
OPTLAND_INLINE double optland_log1p(double x)
{
    union { double value; int64_t bits; } y, n;
    y.value = 1.0 + x;
    int64_t whole = (y.bits - 0x3fe6a09e667f3bcd) >> 52;
    n.bits = whole + 0x4338000000000000; /* 1.5 * 2^52 + n, as in optland_exp_negative */
    y.bits -= whole << 52;
    double above = whole == 0 ? x : y.value - 1.0;
    return (n.value - 6755399441055744.0) * 0.69314718055994530942
        + optland_log_ratio(above / (2.0 + above));
}

/* Sum in eight lanes: vectorisable without leave to reorder, and more accurate than one lane. */
OPTLAND_INLINE double optland_sum(int64_t n, const double *x)
{
    double lane[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            lane[j] += x[i + j];
    double rest = 0;
    for (; i < n; i++)
        rest += x[i];
    return ((lane[0] + lane[4]) + (lane[1] + lane[5]))
        + ((lane[2] + lane[6]) + (lane[3] + lane[7])) + rest;
}

/* Largest magnitude. */
OPTLAND_INLINE double optland_largest(int64_t n, const double *x)
{
    double lane[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (int64_t i = 0; i < n; i += 8)
        for (int64_t j = i; j < (i + 8 < n ? i + 8 : n); j++) {
            double size = x[j] < 0 ? -x[j] : x[j];
            lane[j - i] = size > lane[j - i] ? size : lane[j - i];
        }
    double top = 0;
    for (int j = 0; j < 8; j++)
        top = lane[j] > top ? lane[j] : top;
    return top;
}

/* Define a function of n floats: the sum of TERM, an expression in their number `at`. It runs in
 * lanes that the vectoriser keeps in registers. */
#define OPTLAND_LANE_SUM(NAME, LANES, PARAMETERS, TERM)                                            \
NAME PARAMETERS                                                                                    \
{                                                                                                  \
    float lane[LANES] = {0}, rest = 0;                                                             \
    int64_t i = 0;                                                                                 \
    for (; i + LANES <= n; i += LANES)                                                             \
        for (int j = 0; j < LANES; j++) {                                                          \
            int64_t at = i + j;                                                                    \
            lane[j] += TERM;                                                                       \
        }                                                                                          \
    for (int64_t at = i; at < n; at++)                                                             \
        rest += TERM;                                                                              \
    for (int width = LANES / 2; width > 0; width /= 2)                                             \
        for (int j = 0; j < width; j++)                                                            \
            lane[j] += lane[j + width];                                                            \
    return lane[0] + rest;                                                                         \
}

/* Sum of x, sum of x y and maximum of x in float32, in lanes. */
OPTLAND_LANE_SUM(OPTLAND_INLINE float optland_sum_float32, 16, (int64_t n, const float *x), x[at])
OPTLAND_LANE_SUM(OPTLAND_INLINE float optland_dot_float32, 16,
                 (int64_t n, const float *x, const float *y), x[at] * y[at])

OPTLAND_INLINE float optland_max_float32(int64_t n, const float *x)
{
    float lane[16], top = x[0];
    int64_t i = 0;
    for (int j = 0; j < 16; j++)
        lane[j] = top;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++)
            lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    for (; i < n; i++)
        top = x[i] > top ? x[i] : top;
    for (int j = 0; j < 16; j++)
        top = lane[j] > top ? lane[j] : top;
    return top;
}
#endif
