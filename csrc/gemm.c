/* gemm.c: gradc's own matrix products, used where no BLAS is found and for config.deterministic. */
#include <complex.h>
#include <stdlib.h>

#include "private.h"

#if defined(__clang__)
#pragma STDC CX_LIMITED_RANGE ON
#elif defined(__GNUC__)         /* tiles are meant to be unrolled and vectorised; no call multiplies complex numbers */
#pragma GCC optimize("O3", "cx-fortran-rules")
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
#undef T
#undef NR
#undef NAME

#define T double _Complex
#define PART double
#define NAME(x) gradc_z##x
#define REAL(x) gradc_d##x
#include "gemm_complex_template.h"
#undef T
#undef PART
#undef NAME
#undef REAL

#define T float _Complex
#define PART float
#define NAME(x) gradc_c##x
#define REAL(x) gradc_s##x
#include "gemm_complex_template.h"
