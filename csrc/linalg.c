/* linalg.c: routines of linear algebra, for both types of floats.  Matrices are row-major. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "private.h"

#ifdef __GNUC__
#pragma GCC optimize("O3")      /* inner loops are meant to be vectorised */
#endif

enum { ROW_MAJOR = 101, LEFT = 141, NO_TRANS = 111, TRANS = 112, UPPER = 121, LOWER = 122, NON_UNIT = 131, UNIT = 132 };
enum { SMALL = 24 };            /* rows of a matrix up to which a call of a library takes longer than loops */

/* LAPACK is given its integers as int64_t, of which one of 32 bits sees the lower halves, where they come first. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { LAPACK_BITS = 32 };
#else
enum { LAPACK_BITS = 64 };
#endif

/* A function of LAPACK that takes matrices of n rows; NULL if there is none. */
static void *lapack(const gradc_frame *frame, const char *name, int64_t n)
{
    int bits = 0;
    void *found = n > SMALL ? frame->blas->find(name, &bits) : NULL;
    return bits == 64 || (bits >= LAPACK_BITS && n <= INT_MAX) ? found : NULL;
}

#define T double
#define NAME(x) gradc_##x##_F64
#define BLAS(x) d##x
#define TEXT(before, after) before "d" after
#include "linalg_template.h"
#undef T
#undef NAME
#undef BLAS
#undef TEXT

#define T float
#define NAME(x) gradc_##x##_F32
#define BLAS(x) s##x
#define TEXT(before, after) before "s" after
#include "linalg_template.h"
