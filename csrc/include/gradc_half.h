/* gradc_half.h: float16, which is kept as 16 bits and computed with as float (gradc/ir/halves.py).
 *
 * Here: its conversions, exact and rounded to the nearest, ties to even, as numpy.float16 and the instructions of x86
 * make them (a nan stays one; its sign and the leading bits of its payload are kept).  They are free of branches, so
 * that their loops are vector code for any target; a unit includes this file if it has a float16.
 * Source: F. Giesen, "Half to float done quic" and "Float->half variants" (2012), public domain; of doubles: S. Boldo,
 * G. Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd" (2008). */
#ifndef GRADC_HALF_H
#define GRADC_HALF_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

static inline float gradc_f16_to_f32(uint16_t x)
{
    const union { uint32_t bits; float value; } shifted = {(uint32_t)(x & 0x7fff) << 13};
    union { float value; uint32_t bits; } r = {shifted.value * 0x1p112f};          /* exponents of 15 and of 127 */
    r.bits |= r.value >= 65536.0f ? UINT32_C(0x7f800000) : 0;                       /* inf and nan */
    r.bits |= (uint32_t)(x & 0x8000) << 16;
    return r.value;
}

static inline uint16_t gradc_f32_to_f16(float x)
{
    const union { float value; uint32_t bits; } u = {x};
    const uint32_t size = u.bits & UINT32_C(0x7fffffff);
    const union { uint32_t bits; float value; } v = {size};
    const union { float value; uint32_t bits; } tiny = {v.value + 0.5f};            /* rounds to units of 2**-24 */
    const uint32_t small = tiny.bits - UINT32_C(0x3f000000);
    const uint32_t usual = (size + UINT32_C(0xc8000fff) + ((size >> 13) & 1)) >> 13;
    const uint32_t large = size > UINT32_C(0x7f800000) ? 0x7e00 | ((size >> 13) & 0x3ff) : 0x7c00;
    const uint32_t r = size < UINT32_C(0x38800000) ? small : size < UINT32_C(0x47800000) ? usual : large;
    return (uint16_t)(r | ((u.bits >> 16) & 0x8000));
}

/* First to float, where what is not exact becomes odd: then the second rounding is that of x itself. */
static inline uint16_t gradc_f64_to_f16(double x)
{
    union { float value; uint32_t bits; } u = {(float)x};
    const double back = (double)u.value;
    u.bits -= fabs(back) > fabs(x);
    u.bits |= back != x;
    return gradc_f32_to_f16(u.value);
}

static inline uint16_t gradc_select_f16(bool c, uint16_t x, uint16_t y)
{
    const uint16_t mask = (uint16_t)-(uint16_t)c;
    return (uint16_t)((x & mask) | (y & (uint16_t)~mask));
}

#endif
