/* What the hand-written loops share: vector versions of libm's functions, as glibc's libmvec has them. */
#ifndef HAND_H
#define HAND_H

#include <math.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#define HAND_VECTOR __attribute__((simd("notinbranch")))
HAND_VECTOR double exp(double);
HAND_VECTOR double log(double);
HAND_VECTOR double pow(double, double);
HAND_VECTOR double tanh(double);
HAND_VECTOR double log1p(double);
HAND_VECTOR float expf(float);
#endif

#endif
