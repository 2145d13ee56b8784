/* linalg.c: routines of linear algebra, for both types of floats.  Matrices are row-major. */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#ifdef __GNUC__
#pragma GCC optimize("O3")      /* inner loops are meant to be vectorised */
#endif

enum { ROW_MAJOR = 101, LEFT = 141, RIGHT = 142, NO_TRANS = 111, TRANS = 112, UPPER = 121, LOWER = 122, NON_UNIT = 131,
       UNIT = 132 };
enum { SMALL = 24 };            /* rows of a matrix up to which a call of a library takes longer than loops */
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

enum { SIDE_SIZE = GRADC_SIDE_ROWS * GRADC_SIDE_ROWS * GRADC_SIDE_BY_SIDE };

/* Loops over lanes become vectors, which unrolled ones need not. */
#if defined(__GNUC__) && !defined(__clang__)
#define NOT_UNROLLED _Pragma("GCC unroll 1") _Pragma("GCC ivdep")
#else
#define NOT_UNROLLED
#endif
#define UNROLLED _Pragma("GCC unroll 6")

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

#define T double
#define NAME(x) gradc_##x##_F64
#define ONE(x) gradc_one_##x##_F64
#define SIDE(x) gradc_side_##x##_F64
#define BLAS(x) d##x
#define TEXT(before, after) before "d" after
#define EPSILON DBL_EPSILON
#define SMALL(x) ONE(x)
#define LANES 1
#define EACH_LANE for (int lane = 0; lane < 1; ++lane)
#define PLACE int64_t
#include "small_template.h"
#undef SMALL
#undef LANES
#undef EACH_LANE
#undef PLACE
#define SMALL(x) SIDE(x)
#define LANES GRADC_SIDE_BY_SIDE
#define EACH_LANE NOT_UNROLLED for (int lane = 0; lane < LANES; ++lane)
#define PLACE T
#include "small_template.h"
#include "linalg_template.h"
#include "spectra_template.h"
#include "qr_template.h"
#include "functions_template.h"
#include "side_template.h"
#undef T
#undef NAME
#undef ONE
#undef SIDE
#undef BLAS
#undef TEXT
#undef EPSILON
#undef SMALL
#undef LANES
#undef EACH_LANE
#undef PLACE

#define T float
#define NAME(x) gradc_##x##_F32
#define ONE(x) gradc_one_##x##_F32
#define SIDE(x) gradc_side_##x##_F32
#define BLAS(x) s##x
#define TEXT(before, after) before "s" after
#define EPSILON FLT_EPSILON
#define SMALL(x) ONE(x)
#define LANES 1
#define EACH_LANE for (int lane = 0; lane < 1; ++lane)
#define PLACE int64_t
#include "small_template.h"
#undef SMALL
#undef LANES
#undef EACH_LANE
#undef PLACE
#define SMALL(x) SIDE(x)
#define LANES GRADC_SIDE_BY_SIDE
#define EACH_LANE NOT_UNROLLED for (int lane = 0; lane < LANES; ++lane)
#define PLACE T
#include "small_template.h"
#include "linalg_template.h"
#include "spectra_template.h"
#include "qr_template.h"
#include "functions_template.h"
#include "side_template.h"
