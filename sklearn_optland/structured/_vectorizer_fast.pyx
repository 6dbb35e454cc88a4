"""Codes of the features of tokens: a loop over dicts, and a hash table of what they hold.

A feature (name, value) has one code wherever it comes, and most come many times: its code is found
in a table by the two objects, whose hashes Python keeps with strings. Only what is new is made a
string "name:value" and gets a code from outside. In a dict with pairs for keys a look-up makes a
pair, and compares it by way of three more objects that are in no cache: it takes twice as long.

The table is open: a feature is in the first slot from that of its hash on that is not another's.
At most half of the slots are in use, and their number is a power of 2.
"""

from cpython.object cimport Py_EQ, PyObject, PyObject_RichCompareBool
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

import numpy as np

# Codes: a column stands for the value 1 there, NUMBER - column for a number that is kept beside,
# and ABSENT for a value of 0, or a feature without a column.
cdef enum:
    ABSENT_CODE = -1
    NUMBER_CODE = -2
ABSENT, NUMBER = ABSENT_CODE, NUMBER_CODE
SEPARATOR = ":"
cdef Py_ssize_t FIRST_SIZE = 1024


cdef struct Slot:
    PyObject* name  # NULL: free
    PyObject* value
    uint64_t hash
    int64_t code


cdef class Buffer:
    """Numbers of 8 bytes that become more."""

    cdef void* data
    cdef Py_ssize_t size, allocated

    def __dealloc__(self):
        free(self.data)

    cdef int grow(self) except -1:
        cdef Py_ssize_t allocated = max(2 * self.allocated, 64)
        cdef void* data = realloc(self.data, 8 * allocated)
        if data == NULL:
            raise MemoryError()
        self.data, self.allocated = data, allocated

    cdef inline int add_code(self, int64_t code) except -1:
        if self.size == self.allocated:
            self.grow()
        (<int64_t*>self.data)[self.size] = code
        self.size += 1

    cdef inline int add_number(self, double number) except -1:
        if self.size == self.allocated:
            self.grow()
        (<double*>self.data)[self.size] = number
        self.size += 1

    cdef array(self, dtype):
        """A copy of the numbers."""
        cdef unsigned char[::1] target
        out = np.empty(self.size, dtype)
        if self.size:
            target = out.view(np.uint8)
            memcpy(&target[0], self.data, 8 * self.size)
        return out


cdef class Codes:
    """Codes of features, in the order in which they come.

    Parameters
    ----------
    column_of : callable
        The column of a feature's name, "name:value" for a string, or ABSENT.
    """

    cdef object column_of
    cdef list kept  # the objects in the table, so that they stay
    cdef Slot* slots
    cdef Py_ssize_t n_slots, n_used
    cdef Buffer codes, numbers, sizes

    def __cinit__(self, column_of):
        self.column_of, self.kept = column_of, []
        self.codes, self.numbers, self.sizes = Buffer(), Buffer(), Buffer()
        self.n_slots = FIRST_SIZE
        self.slots = <Slot*>calloc(self.n_slots, sizeof(Slot))
        if self.slots == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self.slots)

    def add_tokens(self, tokens):
        """Add tokens, if all are dicts with strings for names.

        Parameters
        ----------
        tokens : list or tuple

        Returns
        -------
        done : bool
            Else there are other tokens, or values that are no strings, booleans, or finite numbers
            of Python's own types; then nothing was added.
        """
        cdef Py_ssize_t n_codes = self.codes.size, n_numbers = self.numbers.size
        cdef Py_ssize_t n_tokens = self.sizes.size
        for token in tokens:
            if not isinstance(token, dict) or not self.add_dict(<dict>token):
                self.codes.size, self.numbers.size = n_codes, n_numbers
                self.sizes.size = n_tokens
                return False
        return True

    def add_items(self, items):
        """Add a token, given as pairs of a name and a string, boolean or finite float."""
        cdef Py_ssize_t n_codes = self.codes.size
        for name, value in items:
            if not self.add(name, value):
                raise TypeError(f"{name!r}, {value!r}: no string and a string, boolean or float")
        self.sizes.add_code(self.codes.size - n_codes)

    def arrays(self):
        """Codes, numbers in the order of their codes, and the number of codes of each token."""
        return (
            self.codes.array(np.int64), self.numbers.array(np.float64), self.sizes.array(np.int64)
        )

    cdef bint add_dict(self, dict token) except -1:
        cdef Py_ssize_t n_codes = self.codes.size
        for name, value in token.items():
            if not self.add(name, value):
                return False
        self.sizes.add_code(self.codes.size - n_codes)
        return True

    cdef inline bint add(self, name, value) except -1:
        if not isinstance(name, str):
            return False
        if isinstance(value, (str, bool)):
            self.codes.add_code(self.code(name, value))
            return True
        if isinstance(value, (float, int)):
            return self.add_value(name, value)
        return False

    cdef bint add_value(self, name, value) except -1:
        cdef double number
        cdef int64_t column
        try:
            number = value
        except OverflowError:
            return False
        if not isfinite(number):
            return False
        if number == 0 or number == 1:
            self.codes.add_code(self.code(name, number == 1))
            return True
        # The table holds its column too, as that of the value 1.
        column = self.code(name, True)
        if column != ABSENT_CODE:
            self.numbers.add_number(number)
            column = NUMBER_CODE - column
        self.codes.add_code(column)
        return True

    cdef int64_t code(self, name, value) except? -3:
        """The code of a string or a boolean, found in the table or put there."""
        # A product and a shift, so that the bits that choose a slot depend on all of both.
        cdef uint64_t hashed = <uint64_t>hash(name) * 0x9E3779B97F4A7C15u + <uint64_t>hash(value)
        hashed ^= hashed >> 32
        cdef uint64_t mask = self.n_slots - 1
        cdef uint64_t place = hashed & mask
        cdef Slot* slot = &self.slots[place]
        while slot.name != NULL:
            if (
                slot.hash == hashed
                and PyObject_RichCompareBool(<object>slot.name, name, Py_EQ)
                and PyObject_RichCompareBool(<object>slot.value, value, Py_EQ)
            ):
                return slot.code
            place = (place + 1) & mask
            slot = &self.slots[place]
        cdef int64_t code = self.new_code(name, value)
        self.kept.append(name)
        self.kept.append(value)
        slot.name, slot.value = <PyObject*>name, <PyObject*>value
        slot.hash, slot.code = hashed, code
        self.n_used += 1
        if 2 * self.n_used > self.n_slots:
            self.double_slots()
        return code

    cdef int64_t new_code(self, name, value) except? -3:
        if isinstance(value, str):
            return self.column_of(name + SEPARATOR + value)
        return self.column_of(name) if value else ABSENT_CODE

    cdef int double_slots(self) except -1:
        cdef Py_ssize_t i, n_slots = 2 * self.n_slots
        cdef Slot* slots = <Slot*>calloc(n_slots, sizeof(Slot))
        cdef uint64_t place
        if slots == NULL:
            raise MemoryError()
        for i in range(self.n_slots):
            if self.slots[i].name != NULL:
                place = self.slots[i].hash & (n_slots - 1)
                while slots[place].name != NULL:
                    place = (place + 1) & (n_slots - 1)
                slots[place] = self.slots[i]
        free(self.slots)
        self.slots, self.n_slots = slots, n_slots
