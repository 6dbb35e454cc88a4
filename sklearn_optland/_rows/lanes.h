/* Arithmetic on OPTLAND_WIDTH numbers at once, for loops that are too short for vectorisers: of a few
 * classes, say. Names end in the kind of number.
 *
 * A vector is a type of the compiler's; where that has none, vectors are of one number.
 */
#ifndef OPTLAND_LANES_H
#define OPTLAND_LANES_H

#include "vector_math.h"

#if defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 12)
#define OPTLAND_WIDTH 8
#else
#define OPTLAND_WIDTH 1
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi" /* vectors as arguments: all functions here are inlined */
#endif

#define OPTLAND_REAL double
#define OPTLAND_BITS int64_t
#define OPTLAND_OF_REAL(NAME) NAME##_double
#include "lanes_of.h"
#undef OPTLAND_REAL
#undef OPTLAND_BITS
#undef OPTLAND_OF_REAL

#define OPTLAND_REAL float
#define OPTLAND_BITS int32_t
#define OPTLAND_OF_REAL(NAME) NAME##_float
#include "lanes_of.h"
#undef OPTLAND_REAL
#undef OPTLAND_BITS
#undef OPTLAND_OF_REAL

OPTLAND_EXP_OF(optland_vector_exp_in_range, optland_vector_double, optland_mask_double)
OPTLAND_EXPF_OF(optland_vector_expf_in_range, optland_vector_float, optland_mask_float)
OPTLAND_LOG_RATIO_OF(optland_vector_log_ratio, optland_vector_double)

/* exp(x) of x up to 0, which larger ones are taken for; held above 0, see vector_math.h. */
OPTLAND_INLINE optland_vector_double optland_lane_exp_double(optland_vector_double x)
{
    x = optland_larger_double(x, optland_all_double(OPTLAND_LEAST_EXPONENT));
    return optland_vector_exp_in_range(optland_smaller_double(x, optland_all_double(0)));
}

OPTLAND_INLINE optland_vector_float optland_lane_exp_float(optland_vector_float x)
{
    x = optland_larger_float(x, optland_all_float(-87));
    return optland_vector_expf_in_range(optland_smaller_float(x, optland_all_float(0)));
}

/* log(x) of normal x > 0, to a few ulp. With x = 2^n m, m in [sqrt(1/2), sqrt(2)); adding 1.5 * 2^52
 * turns the integer n into a number. */
OPTLAND_INLINE optland_vector_double optland_lane_log_double(optland_vector_double x)
{
    optland_mask_double bits = optland_bits_double(x);
    optland_mask_double whole = (bits - 0x3fe6a09e667f3bcd) >> 52;
    optland_vector_double n =
        optland_of_bits_double(whole + 0x4338000000000000) - 6755399441055744.0;
    optland_vector_double above = optland_of_bits_double(bits - (whole << 52)) - 1.0;
    return n * 0.69314718055994530942 + optland_vector_log_ratio(above / (2.0 + above));
}

OPTLAND_INLINE optland_vector_float optland_lane_log_float(optland_vector_float x)
{
    optland_mask_float bits = optland_bits_float(x);
    optland_mask_float whole = (bits - 0x3f3504f3) >> 23;
    optland_vector_float n = optland_of_bits_float(whole + 0x4b400000) - 12582912.0f;
    optland_vector_float above = optland_of_bits_float(bits - (whole << 23)) - 1.0f;
    optland_vector_float t = above / (2.0f + above), s = t * t;
    optland_vector_float p = s * 0.11111111f + 0.14285714f;
    p = p * s + 0.2f;
    p = p * s + 0.33333333f;
    return n * 0.69314718f + 2.0f * t * (p * s + 1.0f);
}
#endif
