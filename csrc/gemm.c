/* gemm.c: gradc's own matrix product, used where no BLAS is found and for config.deterministic. */
#include <stdlib.h>

#include "private.h"

#ifdef __GNUC__
#pragma GCC optimize("O3")      /* the tiles are meant to be unrolled and vectorised */
#endif

/* One body compiled for several instruction sets, chosen when the library is loaded (too early for the thread
 * sanitizer). */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) \
    && !defined(__SANITIZE_THREAD__)
#define GRADC_CLONES __attribute__((target_clones("avx512f", "avx2", "default"), noinline))
#else
#define GRADC_CLONES
#endif

enum { MC = 96, KC = 256, NC = 2048 };

#define MR 6
#define T double
#define NR 8
#define NAME(x) gradc_d##x
#include "gemm_template.h"
#undef T
#undef NR
#undef NAME

#define T float
#define NR 16
#define NAME(x) gradc_s##x
#include "gemm_template.h"
