/* gemm.c: gradc's own matrix product, used where no BLAS is found and for config.deterministic. */
#include <stdlib.h>

#include "private.h"

#ifdef __GNUC__
#pragma GCC optimize("O3")      /* the tiles are meant to be unrolled and vectorised */
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
