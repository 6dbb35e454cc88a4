# Random numbers for kernels. The state is one 64-bit number, seeded by Python once an epoch; the
# generator is splitmix64 (Steele, Lea and Flood 2014), which any seed suits, 0 too.
from libc.stdint cimport uint64_t


cdef inline uint64_t mix(uint64_t z) noexcept nogil:
    """A hash of 64 bits."""
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline uint64_t next_bits(uint64_t* state) noexcept nogil:
    """64 random bits."""
    state[0] += <uint64_t>0x9E3779B97F4A7C15
    return mix(state[0])


cdef inline void skip(uint64_t* state, uint64_t n) noexcept nogil:
    """Leave n numbers out."""
    state[0] += n * <uint64_t>0x9E3779B97F4A7C15


cdef inline double next_uniform(uint64_t* state) noexcept nogil:
    """A number in [0, 1), a multiple of 2^-53."""
    return (next_bits(state) >> 11) * (1.0 / 9007199254740992.0)


cdef inline Py_ssize_t next_below(uint64_t* state, uint64_t n) noexcept nogil:
    """An integer in [0, n), n < 2^32, as good as uniform: to n / 2^32 of each chance."""
    return <Py_ssize_t>(((next_bits(state) >> 32) * n) >> 32)
