/* convolve.c: convolutions of integers, which wrap around; those of floats are in fft.c. */
#include <stdlib.h>
#include <string.h>

#include "private.h"

#ifdef __GNUC__
#pragma GCC optimize("O3")      /* inner loops are meant to be vectorised */
#endif

#define FFT 0
#define U uint32_t
#define T _Bool
#define NAME(x) gradc_##x##_BOOL
#include "convolve_template.h"
#undef T
#undef NAME
#define T int8_t
#define NAME(x) gradc_##x##_I8
#include "convolve_template.h"
#undef T
#undef NAME
#define T int16_t
#define NAME(x) gradc_##x##_I16
#include "convolve_template.h"
#undef T
#undef NAME
#define T int32_t
#define NAME(x) gradc_##x##_I32
#include "convolve_template.h"
#undef T
#undef NAME
#define T uint8_t
#define NAME(x) gradc_##x##_U8
#include "convolve_template.h"
#undef T
#undef NAME
#define T uint16_t
#define NAME(x) gradc_##x##_U16
#include "convolve_template.h"
#undef T
#undef NAME
#define T uint32_t
#define NAME(x) gradc_##x##_U32
#include "convolve_template.h"
#undef T
#undef NAME
#undef U
#define U uint64_t
#define T int64_t
#define NAME(x) gradc_##x##_I64
#include "convolve_template.h"
#undef T
#undef NAME
#define T uint64_t
#define NAME(x) gradc_##x##_U64
#include "convolve_template.h"
