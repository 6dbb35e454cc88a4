/* Vectors of OPTLAND_WIDTH numbers of OPTLAND_REAL, float or double; lanes.h includes this for each.
 * OPTLAND_BITS is the integer of that size. */

#if OPTLAND_WIDTH > 1
typedef OPTLAND_REAL OPTLAND_OF_REAL(optland_vector)
    __attribute__((vector_size(OPTLAND_WIDTH * sizeof(OPTLAND_REAL))));
typedef OPTLAND_BITS OPTLAND_OF_REAL(optland_mask)
    __attribute__((vector_size(OPTLAND_WIDTH * sizeof(OPTLAND_REAL))));
#else
typedef OPTLAND_REAL OPTLAND_OF_REAL(optland_vector);
typedef OPTLAND_BITS OPTLAND_OF_REAL(optland_mask);
#endif

#define VECTOR OPTLAND_OF_REAL(optland_vector)
#define MASK OPTLAND_OF_REAL(optland_mask)

OPTLAND_INLINE MASK OPTLAND_OF_REAL(optland_bits)(VECTOR x)
{
    union { VECTOR value; MASK bits; } u;
    u.value = x;
    return u.bits;
}

OPTLAND_INLINE VECTOR OPTLAND_OF_REAL(optland_of_bits)(MASK bits)
{
    union { VECTOR value; MASK bits; } u;
    u.bits = bits;
    return u.value;
}

/* All bits are set where a > b, none elsewhere. */
OPTLAND_INLINE MASK OPTLAND_OF_REAL(optland_above)(VECTOR a, VECTOR b)
{
#if OPTLAND_WIDTH > 1
    return a > b;
#else
    return -(MASK)(a > b);
#endif
}

OPTLAND_INLINE VECTOR OPTLAND_OF_REAL(optland_select)(MASK mask, VECTOR a, VECTOR b)
{
    return OPTLAND_OF_REAL(optland_of_bits)(
        (mask & OPTLAND_OF_REAL(optland_bits)(a)) | (~mask & OPTLAND_OF_REAL(optland_bits)(b)));
}

/* x where the mask is set, else 0. */
OPTLAND_INLINE VECTOR OPTLAND_OF_REAL(optland_masked)(MASK mask, VECTOR x)
{
    return OPTLAND_OF_REAL(optland_of_bits)(mask & OPTLAND_OF_REAL(optland_bits)(x));
}

OPTLAND_INLINE VECTOR OPTLAND_OF_REAL(optland_larger)(VECTOR a, VECTOR b)
{
    return OPTLAND_OF_REAL(optland_select)(OPTLAND_OF_REAL(optland_above)(a, b), a, b);
}

OPTLAND_INLINE VECTOR OPTLAND_OF_REAL(optland_smaller)(VECTOR a, VECTOR b)
{
    return OPTLAND_OF_REAL(optland_select)(OPTLAND_OF_REAL(optland_above)(a, b), b, a);
}

OPTLAND_INLINE VECTOR OPTLAND_OF_REAL(optland_all)(OPTLAND_REAL x)
{
#if OPTLAND_WIDTH > 1
    return (VECTOR){x, x, x, x, x, x, x, x};
#else
    return x;
#endif
}

/* Set in the lanes from `start` on that are `number`. */
OPTLAND_INLINE MASK OPTLAND_OF_REAL(optland_lane)(int64_t start, int64_t number)
{
#if OPTLAND_WIDTH > 1
    const MASK lanes = {0, 1, 2, 3, 4, 5, 6, 7};
    return lanes == (OPTLAND_BITS)(number - start);
#else
    return -(MASK)(start == number);
#endif
}

/* Set in the lanes from `start` on that are below `end`. */
OPTLAND_INLINE MASK OPTLAND_OF_REAL(optland_lanes_below)(int64_t start, int64_t end)
{
#if OPTLAND_WIDTH > 1
    const MASK lanes = {0, 1, 2, 3, 4, 5, 6, 7};
    return lanes < (OPTLAND_BITS)(end - start);
#else
    return -(MASK)(start < end);
#endif
}

#if OPTLAND_WIDTH > 1
#define SHUFFLED(x, ...) __builtin_shufflevector(x, x, __VA_ARGS__)
#endif

OPTLAND_INLINE OPTLAND_REAL OPTLAND_OF_REAL(optland_lane_sum)(VECTOR x)
{
#if OPTLAND_WIDTH > 1
    x += SHUFFLED(x, 4, 5, 6, 7, 0, 1, 2, 3);
    x += SHUFFLED(x, 2, 3, 0, 1, 6, 7, 4, 5);
    return x[0] + x[1];
#else
    return x;
#endif
}

OPTLAND_INLINE OPTLAND_REAL OPTLAND_OF_REAL(optland_lane_max)(VECTOR x)
{
#if OPTLAND_WIDTH > 1
    x = OPTLAND_OF_REAL(optland_larger)(x, SHUFFLED(x, 4, 5, 6, 7, 0, 1, 2, 3));
    x = OPTLAND_OF_REAL(optland_larger)(x, SHUFFLED(x, 2, 3, 0, 1, 6, 7, 4, 5));
    return x[0] > x[1] ? x[0] : x[1];
#else
    return x;
#endif
}

OPTLAND_INLINE VECTOR OPTLAND_OF_REAL(optland_lane_size)(VECTOR x)
{
    return OPTLAND_OF_REAL(optland_larger)(x, -x);
}

#undef VECTOR
#undef MASK
#undef SHUFFLED
