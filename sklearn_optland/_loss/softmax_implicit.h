/* The probabilities of one row's k scores, and those after the step that they cause: the exact step
 * of a dual coordinate ascent. */
#ifndef OPTLAND_SOFTMAX_IMPLICIT_H
#define OPTLAND_SOFTMAX_IMPLICIT_H

#include "lanes.h"

#define OPTLAND_REAL double
#define OPTLAND_OF_REAL(NAME) NAME##_double
#include "softmax_implicit_of.h"
#undef OPTLAND_REAL
#undef OPTLAND_OF_REAL

#define OPTLAND_REAL float
#define OPTLAND_OF_REAL(NAME) NAME##_float
#include "softmax_implicit_of.h"
#undef OPTLAND_REAL
#undef OPTLAND_OF_REAL
#endif
