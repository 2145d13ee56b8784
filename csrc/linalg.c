/* linalg.c: routines of linear algebra, for both types of floats and of complex numbers.  Matrices are row-major. */
#include <complex.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#if defined(__clang__)
#pragma STDC CX_LIMITED_RANGE ON
#elif defined(__GNUC__)     /* inner loops are meant to be vectorised; no call multiplies complex numbers */
#pragma GCC optimize("O3", "cx-fortran-rules")
#endif

enum { ROW_MAJOR = 101, LEFT = 141, RIGHT = 142, NO_TRANS = 111, TRANS = 112, CONJ_TRANS = 113, UPPER = 121, LOWER = 122,
       NON_UNIT = 131, UNIT = 132 };
enum { SMALL = 24 };            /* rows of a matrix up to which a call of a library takes longer than loops */
enum { SMALL_SPECTRUM = 10 };   /* the same of eigenvalues and singular values */
enum { SMALL_PRODUCT = 1000 };  /* products of two numbers each up to which a product of matrices takes less in loops */
enum { BLOCK = 48 };            /* rows of a block where LAPACK has no function and gemm does most, or of a copy */
enum { SYMMETRIC = 64 };        /* rows of a product of a matrix with itself from which on half of it takes less time */

/* Loops over a small matrix, compiled for each size: they are unrolled. */
#define SMALL_LOOP static inline __attribute__((always_inline))
#define OF_SIZE(n, call, ...) \
    switch (n) { \
    case 2: call(2, __VA_ARGS__); break; \
    case 3: call(3, __VA_ARGS__); break; \
    case 4: call(4, __VA_ARGS__); break; \
    case 6: call(6, __VA_ARGS__); break; \
    default: call(n, __VA_ARGS__); \
    }
#define OF_SIZE_4(n, call, ...) \
    if (n == 4) \
        call(4, __VA_ARGS__); \
    else \
        call(n, __VA_ARGS__);

/* LAPACK is given its integers as int64_t, of which one of 32 bits sees the lower halves, where they come first. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { LAPACK_BITS = 32 };
#else
enum { LAPACK_BITS = 64 };
#endif

/* A function of LAPACK for matrices of n rows, and the bits of its integers; NULL if there is none. */
static void *any_lapack(const gradc_frame *frame, const char *name, int64_t n, int *bits)
{
    *bits = 0;
    void *found = frame->blas->find(name, bits);
    return *bits == 64 || (*bits >= LAPACK_BITS && n <= INT_MAX) ? found : NULL;
}

/* The same; NULL, too, where loops take less time. */
static void *lapack(const gradc_frame *frame, const char *name, int64_t n, int *bits)
{
    *bits = 0;
    return n > SMALL ? any_lapack(frame, name, n, bits) : NULL;
}

/* n integers of LAPACK, of so many bits, become interchanges: they count from 0. */
static void interchanges_of(int64_t *swaps, int64_t n, int bits)
{
    for (int64_t k = n - 1; k >= 0; --k) {
        int32_t narrow;
        memcpy(&narrow, (char *)swaps + k * (bits / 8), sizeof narrow);
        swaps[k] = (bits == 64 ? swaps[k] : narrow) - 1;
    }
}

/* And back. */
static void integers_of(void *to, const int64_t *swaps, int64_t n, int bits)
{
    for (int64_t k = 0; k < n; ++k)
        if (bits == 64)
            ((int64_t *)to)[k] = swaps[k] + 1;
        else
            ((int32_t *)to)[k] = (int32_t)(swaps[k] + 1);
}

/* Is the number of interchanges odd? */
static int is_odd(int64_t n, const int64_t *swaps)
{
    int odd = 0;
    for (int64_t k = 0; k < n; ++k)
        odd ^= swaps[k] != k;
    return odd;
}

/* Memory for the work of a routine: `room`, or so many bytes that have to be freed; NULL if there are none. */
static void *work_memory(void *room, size_t size, size_t bytes)
{
    return bytes <= size ? room : malloc(bytes);
}

static void work_done(void *room, void *work)
{
    if (work != room)
        free(work);
}

/* -- small matrices, one at a time: functions of T; side by side: of vectors of doubles ------------------------ */

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"        /* no vector is handed from one function to another */
#endif

enum { LANES = GRADC_SIDE_BY_SIDE };            /* 4: see `lanes_turn` */
typedef double lanes __attribute__((vector_size(LANES * sizeof(double))));
typedef int64_t lane_bits __attribute__((vector_size(LANES * sizeof(int64_t))));

#ifdef __clang__
#define SHUFFLED(x, y, a, b, c, d) __builtin_shufflevector(x, y, a, b, c, d)
#else
#define SHUFFLED(x, y, a, b, c, d) __builtin_shuffle(x, y, (lane_bits){a, b, c, d})
#endif

/* 4 x 4 elements are transposed. */
SMALL_LOOP void lanes_turn(lanes *x)
{
    const lanes even = SHUFFLED(x[0], x[1], 0, 4, 2, 6), odd = SHUFFLED(x[0], x[1], 1, 5, 3, 7);
    const lanes later_even = SHUFFLED(x[2], x[3], 0, 4, 2, 6), later_odd = SHUFFLED(x[2], x[3], 1, 5, 3, 7);
    x[0] = SHUFFLED(even, later_even, 0, 1, 4, 5);
    x[1] = SHUFFLED(odd, later_odd, 0, 1, 4, 5);
    x[2] = SHUFFLED(even, later_even, 2, 3, 6, 7);
    x[3] = SHUFFLED(odd, later_odd, 2, 3, 6, 7);
}

SMALL_LOOP lanes lanes_pick(lane_bits condition, lanes yes, lanes no)
{
    return (lanes)((condition & (lane_bits)yes) | (~condition & (lane_bits)no));
}

SMALL_LOOP lanes lanes_magnitude(lanes x)
{
    return (lanes)((lane_bits)x & INT64_MAX);
}

SMALL_LOOP lanes lanes_with_sign(lanes x, lanes sign)
{
    return (lanes)(((lane_bits)x & INT64_MAX) | ((lane_bits)sign & INT64_MIN));
}

SMALL_LOOP lanes lanes_root(lanes x)
{
    for (int c = 0; c < LANES; ++c)
        x[c] = sqrt(x[c]);
    return x;
}

SMALL_LOOP int lanes_any(lane_bits condition)
{
    int64_t found = 0;
    for (int c = 0; c < LANES; ++c)
        found |= condition[c];
    return found != 0;
}

/* Of n elements, `step` apart, those at k and best, which is k or not before `from`, change places. */
SMALL_LOOP void lanes_exchange(int64_t n, int64_t step, int64_t k, int64_t from, lane_bits best, lanes *x)
{
    const lanes first = x[k * step];
    lanes found = first;
    for (int64_t j = from; j < n; ++j) {
        const lane_bits here = best == (lane_bits){0} + j;
        found = lanes_pick(here, x[j * step], found);
        x[j * step] = lanes_pick(here, first, x[j * step]);
    }
    x[k * step] = found;
}

#define IS_COMPLEX 0
#define TURNED(trans, x) ((void)(trans), (x))
#define V lanes
#define R lanes
#define S lanes
#define SMALL(x) side_##x
#define PLACE lane_bits
#define PICK lanes_pick
#define PICK_PLACE(condition, yes, no) (lane_bits)lanes_pick(condition, (lanes)(yes), (lanes)(no))
#define WIDE_PICK lanes_pick
#define ROOT lanes_root
#define WIDE_ROOT lanes_root
#define MAGNITUDE lanes_magnitude
#define WIDE_MAGNITUDE lanes_magnitude
#define WITH_SIGN lanes_with_sign
#define ANY lanes_any
#define EXCHANGE lanes_exchange
#define EPSILON DBL_EPSILON
#include "small_template.h"
#undef V
#undef R
#undef S
#undef SMALL
#undef PLACE
#undef PICK
#undef PICK_PLACE
#undef WIDE_PICK
#undef ROOT
#undef WIDE_ROOT
#undef MAGNITUDE
#undef WIDE_MAGNITUDE
#undef WITH_SIGN
#undef ANY
#undef EXCHANGE
#undef EPSILON

enum { SIDE_SIZE = GRADC_SIDE_ROWS * GRADC_SIDE_ROWS };

/* Has one of so many matrices a 0 on its diagonal? */
SMALL_LOOP int any_singular(int64_t m, const lanes *a)
{
    lane_bits found = {0};
    for (int64_t i = 0; i < m; ++i)
        found |= a[i * (m + 1)] == 0;
    return lanes_any(found);
}

SMALL_LOOP int all_lanes_finite(int64_t n, const lanes *x)
{
    lanes sum = {0};
    for (int64_t i = 0; i < n; ++i)
        sum += x[i] * 0;
    return !lanes_any(sum != 0);
}

/* x = a^-1 x, or a^-T x, by the factors of a; x is m x n. */
SMALL_LOOP void solved_by_lu_side(int trans, int64_t m, int64_t n, const lanes *factors, const lane_bits *swaps,
                                  lanes *x)
{
    for (int64_t k = 0; trans && k < m; ++k)
        for (int64_t c = 0; c < n; ++c)
            lanes_exchange(m, n, k, 0, swaps[k], x + c);
    side_substitute(m, 0, trans, trans, n, factors, m, x);
    side_substitute(m, 1, !trans, trans, n, factors, m, x);
    for (int64_t k = m - 1; !trans && k >= 0; --k)
        for (int64_t c = 0; c < n; ++c)
            lanes_exchange(m, n, k, 0, swaps[k], x + c);
}

SMALL_LOOP void vector_by_lu_side(int64_t m, int trans, const lanes *factors, const lane_bits *swaps, lanes *x)
{
    solved_by_lu_side(trans, m, 1, factors, swaps, x);
}

#define V T
#define R double
#define S PART
#define SMALL(x) ONE(x)
#define PLACE int64_t
#define PICK(condition, yes, no) ((condition) ? (yes) : (no))
#define PICK_PLACE PICK
#define WIDE_PICK PICK
#define ROOT(x) (T)sqrt((double)(x))
#define WIDE_ROOT sqrt
#define MAGNITUDE(x) (T)fabs((double)(x))
#define MODULUS(x) fabs((double)(x))
#define SQUARE(x) ((double)(x) * (double)(x))
#define RE(x) (x)
#define CONJ(x) (x)
#define SIGN(x) (T)((x) > 0 ? 1 : (x) < 0 ? -1 : (x))      /* of nan nan */
#define ADJOINT 1
#define SCALAR T
#define BY(x) (x)
#define SYMMETRIC_NAME "sy"
#define ORTHOGONAL_NAME "or"
#define WIDE_MAGNITUDE fabs
#define WITH_SIGN copysign
#define ANY(condition) (condition)
#define EXCHANGE(n, step, k, from, best, x) \
    do { \
        const T kept = (x)[(k) * (step)]; \
        (x)[(k) * (step)] = (x)[(best) * (step)]; \
        (x)[(best) * (step)] = kept; \
    } while (0)

#define T double
#define PART double
#define NAME(x) gradc_##x##_F64
#define ONE(x) gradc_one_##x##_F64
#define BLAS(x) d##x
#define TEXT(before, after) before "d" after
#define EPSILON DBL_EPSILON
#include "small_template.h"
#include "linalg_template.h"
#include "spectra_template.h"
#include "qr_template.h"
#include "functions_template.h"
#include "schur_template.h"
#include "ldl_template.h"
#include "side_template.h"
#undef T
#undef PART
#undef NAME
#undef ONE
#undef BLAS
#undef TEXT
#undef EPSILON

#define T float
#define PART float
#define NAME(x) gradc_##x##_F32
#define ONE(x) gradc_one_##x##_F32
#define BLAS(x) s##x
#define TEXT(before, after) before "s" after
#define EPSILON FLT_EPSILON
#include "small_template.h"
#include "linalg_template.h"
#include "spectra_template.h"
#include "qr_template.h"
#include "functions_template.h"
#include "schur_template.h"
#include "ldl_template.h"
#include "side_template.h"
#undef T
#undef PART
#undef NAME
#undef ONE
#undef BLAS
#undef TEXT
#undef EPSILON

/* -- complex numbers --------------------------------------------------------------------------------------------- */

#undef IS_COMPLEX
#undef TURNED
#undef MAGNITUDE
#undef MODULUS
#undef SQUARE
#undef RE
#undef CONJ
#undef SIGN
#undef ADJOINT
#undef SCALAR
#undef BY
#undef SYMMETRIC_NAME
#undef ORTHOGONAL_NAME
#define IS_COMPLEX 1
#define TURNED(trans, x) ((trans) == 2 ? CONJ(x) : (x))
#define MAGNITUDE(x) (PART)(fabs((double)creal(x)) + fabs((double)cimag(x)))        /* by which LAPACK chooses pivots */
#define MODULUS(x) cabs(x)
#define SQUARE(x) (creal(x) * creal(x) + cimag(x) * cimag(x))
#define RE(x) (PART)creal(x)
#define CONJ(x) (T)conj(x)
#define SIGN(x) (T)((x) == 0 ? 0 : (x) / MODULUS(x))
#define ADJOINT 2
#define SCALAR const void *
#define BY(x) &(const T){x}
#define SYMMETRIC_NAME "he"
#define ORTHOGONAL_NAME "un"

#define T double _Complex
#define PART double
#define NAME(x) gradc_##x##_C128
#define PARTS(x) gradc_##x##_F64
#define ONE(x) gradc_one_##x##_C128
#define BLAS(x) z##x
#define TEXT(before, after) before "z" after
#define EPSILON DBL_EPSILON
#include "small_template.h"
#include "complex_template.h"
#include "linalg_template.h"
#include "spectra_template.h"
#include "qr_template.h"
#include "functions_template.h"
#include "schur_template.h"
#include "ldl_template.h"
#undef T
#undef PART
#undef NAME
#undef PARTS
#undef ONE
#undef BLAS
#undef TEXT
#undef EPSILON

#define T float _Complex
#define PART float
#define NAME(x) gradc_##x##_C64
#define PARTS(x) gradc_##x##_F32
#define ONE(x) gradc_one_##x##_C64
#define BLAS(x) c##x
#define TEXT(before, after) before "c" after
#define EPSILON FLT_EPSILON
#include "small_template.h"
#include "complex_template.h"
#include "linalg_template.h"
#include "spectra_template.h"
#include "qr_template.h"
#include "functions_template.h"
#include "schur_template.h"
#include "ldl_template.h"
