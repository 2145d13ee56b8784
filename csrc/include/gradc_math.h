/* gradc_math.h: the scalar functions of generated code, with NumPy's results.
 *
 * Here: helpers that the C column of gradc/ir/scalars.py names, gradc_<function>_<dtype>, and casts,
 * gradc_<from>_to_<to>; beside each its NumPy counterpart ("special.x" is x of gradc/ir/special.py, which
 * has the same formulas and their sources; so is "elementary.x").  Not here: loops, buffers, anything with a frame.
 *
 * Math that libm has is called by its own name.  Under gcc and glibc on x86-64 the declarations below
 * give those names vector versions (libmvec, at most 4 ulp; compile with -fno-math-errno);
 * GRADC_MATH_ACCURATE leaves them scalar.  Hot helpers are free of branches, so that their loops
 * vectorise: gradc_select_<dtype>(c, x, y) for c ? x : y.  Signed integers wrap around: compile with -fwrapv. */
#ifndef GRADC_MATH_H
#define GRADC_MATH_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* ---------------------------------------------------------------- vector versions of libm's functions */

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__) \
    && !defined(GRADC_MATH_ACCURATE)
#define GRADC_VECTOR_1(name)                                        \
    __attribute__((simd("notinbranch"))) extern double name(double); \
    __attribute__((simd("notinbranch"))) extern float name##f(float);
#define GRADC_VECTOR_2(name)                                                \
    __attribute__((simd("notinbranch"))) extern double name(double, double); \
    __attribute__((simd("notinbranch"))) extern float name##f(float, float);
/* Of sin and cos of one number gcc makes a call of sincos, which has no vector version; of functions that it does not
 * know by these names it does not. */
#define GRADC_VECTOR_ALIAS(name)                                                                              \
    __attribute__((simd("notinbranch"), const)) extern double gradc_##name##_f64(double) __asm__(#name); \
    __attribute__((simd("notinbranch"), const)) extern float gradc_##name##_f32(float) __asm__(#name "f");
#if __GLIBC_PREREQ(2, 22)
GRADC_VECTOR_1(exp)
GRADC_VECTOR_1(log)
GRADC_VECTOR_2(pow)
GRADC_VECTOR_ALIAS(sin)
GRADC_VECTOR_ALIAS(cos)
#define GRADC_SIN_COS
#endif
#if __GLIBC_PREREQ(2, 35)
GRADC_VECTOR_1(exp2)
GRADC_VECTOR_1(expm1)
GRADC_VECTOR_1(log2)
GRADC_VECTOR_1(log10)
GRADC_VECTOR_1(log1p)
GRADC_VECTOR_1(tan)
GRADC_VECTOR_1(asin)
GRADC_VECTOR_1(acos)
GRADC_VECTOR_1(atan)
GRADC_VECTOR_2(atan2)
GRADC_VECTOR_1(sinh)
GRADC_VECTOR_1(cosh)
GRADC_VECTOR_1(tanh)
GRADC_VECTOR_1(asinh)
GRADC_VECTOR_1(acosh)
GRADC_VECTOR_1(atanh)
GRADC_VECTOR_1(erf)
GRADC_VECTOR_1(erfc)
GRADC_VECTOR_2(hypot)
#endif
#undef GRADC_VECTOR_1
#undef GRADC_VECTOR_2
#undef GRADC_VECTOR_ALIAS
#endif
#ifndef GRADC_SIN_COS
static inline double gradc_sin_f64(double x) { return sin(x); }
static inline double gradc_cos_f64(double x) { return cos(x); }
static inline float gradc_sin_f32(float x) { return sinf(x); }
static inline float gradc_cos_f32(float x) { return cosf(x); }
#endif

/* ------------------------------------------------------------------------------------- complex numbers */

/* x + iy, by its parts: nothing is computed, so that inf and -0.0 stay.  C's own arithmetic of complex numbers is not used:
 * its products are calls. */
static inline double _Complex gradc_complex_f64(double x, double y) { return __builtin_complex(x, y); }
static inline float _Complex gradc_complex_f32(float x, float y) { return __builtin_complex(x, y); }

/* ------------------------------------------------------------------------------------- c ? x : y */

/* x and y are values, computed before: no branch, hence no load in one.  gcc makes branches of ?:, moves loads into
 * them, and makes masked loads of those, in which it drops permutations (gradc/target.py, FAULTS); of these
 * bits it makes the CPU's selects. */
#ifdef __clang__
#define GRADC_SELECT(T, I, t) \
    static inline T gradc_select_##t(bool c, T x, T y) { return c ? x : y; }
#else
#define GRADC_SELECT(T, I, t)                                            \
    static inline T gradc_select_##t(bool c, T x, T y)                   \
    {                                                                    \
        const union { T value; I bits; } u = {x}, v = {y};               \
        const I mask = (I)-(I)c;                                         \
        const union { I bits; T value; } r = {(I)((u.bits & mask) | (v.bits & (I)~mask))}; \
        return r.value;                                                  \
    }
#endif
GRADC_SELECT(double, int64_t, f64)
GRADC_SELECT(float, int32_t, f32)
GRADC_SELECT(int8_t, int8_t, i8)
GRADC_SELECT(int16_t, int16_t, i16)
GRADC_SELECT(int32_t, int32_t, i32)
GRADC_SELECT(int64_t, int64_t, i64)
GRADC_SELECT(uint8_t, uint8_t, u8)
GRADC_SELECT(uint16_t, uint16_t, u16)
GRADC_SELECT(uint32_t, uint32_t, u32)
GRADC_SELECT(uint64_t, uint64_t, u64)
#undef GRADC_SELECT
static inline bool gradc_select_bool(bool c, bool x, bool y) { return (c & x) | (!c & y); }

/* ------------------------------------------------------------------------- floats: T, its name, suffix */

#define GRADC_FLOAT(T, t, s)                                                                         \
    /* np.sign */                                                                                    \
    static inline T gradc_sgn_##t(T x)                                                               \
    {                                                                                                \
        return gradc_select_##t(x > 0, 1, gradc_select_##t(x < 0, -1, gradc_select_##t(x == 0, 0, x))); \
    }                                                                                                \
    /* np.square */                                                                                  \
    static inline T gradc_square_##t(T x) { return x * x; }                                          \
    /* np.maximum, np.minimum: nan if either argument is nan */                                      \
    static inline T gradc_maximum_##t(T x, T y) { return gradc_select_##t((x > y) | (x != x), x, y); } \
    static inline T gradc_minimum_##t(T x, T y) { return gradc_select_##t((x < y) | (x != x), x, y); } \
    /* np.clip */                                                                                    \
    static inline T gradc_clip_##t(T x, T lo, T hi)                                                  \
    {                                                                                                \
        return gradc_minimum_##t(gradc_maximum_##t(x, lo), hi);                                      \
    }                                                                                                \
    /* np.isnan, np.isinf, np.imag, np.deg2rad, np.rad2deg */                                        \
    static inline bool gradc_isnan_##t(T x) { return x != x; }                                       \
    static inline bool gradc_isinf_##t(T x) { return fabs##s(x) == (T)INFINITY; }                    \
    static inline T gradc_imag_##t(T x) { (void)x; return 0; }                                       \
    static inline T gradc_deg2rad_##t(T x) { return x * (T)0.017453292519943295; }                   \
    static inline T gradc_rad2deg_##t(T x) { return x * (T)57.29577951308232; }                      \
    /* np.mod: the sign of y; as CPython's float_divmod */                                           \
    static inline T gradc_mod_##t(T x, T y)                                                          \
    {                                                                                                \
        T r = fmod##s(x, y);                                                                         \
        T signed_zero = gradc_select_##t(y == 0, r, copysign##s(0, y));                              \
        return gradc_select_##t(r == 0, signed_zero, gradc_select_##t((y < 0) != (r < 0), r + y, r)); \
    }                                                                                                \
    /* np.floor_divide: consistent with mod */                                                       \
    static inline T gradc_floor_divide_##t(T x, T y)                                                 \
    {                                                                                                \
        if (y == 0)                                                                                  \
            return x / y;                                                                            \
        T r = fmod##s(x, y);                                                                         \
        T q = (x - r) / y;                                                                           \
        if (r != 0 && (y < 0) != (r < 0))                                                            \
            q -= 1;                                                                                  \
        if (q == 0)                                                                                  \
            return copysign##s(0, x / y);                                                            \
        T whole = floor##s(q);                                                                       \
        return gradc_select_##t(q - whole > (T)0.5, whole + 1, whole);                               \
    }                                                                                                \
    /* (1 - x)(1 + x), x (1 - x), elementary.sech_squared, log_plus_one, softsign */                 \
    static inline T gradc_one_minus_square_##t(T x) { return (1 - x) * (1 + x); }                    \
    static inline T gradc_times_complement_##t(T x) { return x * (1 - x); }                          \
    static inline T gradc_sech_squared_##t(T x)                                                      \
    {                                                                                                \
        T e = exp##s(-2 * fabs##s(x));                                                               \
        return 4 * e / ((1 + e) * (1 + e));                                                          \
    }                                                                                                \
    /* np.tanh with the exp that gradc_sech_squared_t takes: faster than libmvec's by half in float64.  Near 0 by       \
     * Cephes' rational function (S. Moshier, Methods and Programs for Mathematical Functions, 1989). */                \
    static inline T gradc_tanh_##t(T x)                                                              \
    {                                                                                                \
        T a = fabs##s(x), q = a * a, e = exp##s(-2 * a);                                             \
        T p = ((T)-0.964399179425052238628 * q - (T)99.2877231001918586564) * q - (T)1614.68768441708447952; \
        T d = ((q + (T)112.811678491632931402) * q + (T)2235.48839060100448583) * q + (T)4844.06305325125486048; \
        const bool small = a < (T)0.625;                                                             \
        T top = gradc_select_##t(small, a * q * p, -2 * e), bottom = gradc_select_##t(small, d, 1 + e); \
        return copysign##s(gradc_select_##t(small, a, 1) + top / bottom, x);                         \
    }                                                                                                \
    static inline T gradc_log_plus_one_##t(T x)                                                      \
    {                                                                                                \
        const T high = (T)0.36787944117144233;                                                       \
        const T low = (T)((0.36787944117144233 - (double)high) - 1.2428753672788363e-17);            \
        T near = log1p##s(((x - high) - low) / high), far = log##s(x) + 1;                           \
        return gradc_select_##t(fabs##s(x - high) < (T)0.25, near, far);                             \
    }                                                                                                \
    static inline T gradc_softsign_##t(T x) { return x / (1 + fabs##s(x)); }                         \
    static inline T gradc_hypot_slope_##t(T x, T y)                                                  \
    {                                                                                                \
        const T a = fabs##s(x), b = fabs##s(y);                                                      \
        const bool flat = a >= b;                                                                    \
        const T r = gradc_select_##t(flat, b, a) / gradc_select_##t(flat, a, b);                     \
        const T cosine = gradc_select_##t(flat, 1, r) / sqrt##s(1 + r * r);                          \
        return gradc_select_##t(x == 0, x, copysign##s(cosine, x));                                  \
    }                                                                                                \
    /* elementary.sigmoid, softplus, log1mexp, log_cosh, logaddexp, xlogx, xlogy0 */                 \
    static inline T gradc_sigmoid_##t(T x) { return 1 / (1 + exp##s(-x)); }                          \
    static inline T gradc_softplus_##t(T x)                                                          \
    {                                                                                                \
        return log1p##s(exp##s(-fabs##s(x))) + gradc_select_##t(x > 0, x, 0);                        \
    }                                                                                                \
    static inline T gradc_log1mexp_##t(T x)                                                          \
    {                                                                                                \
        T near = log##s(-expm1##s(x));                                                               \
        T far = log1p##s(-exp##s(x));                                                                \
        return gradc_select_##t(x > (T)-0.6931471805599453, near, far);                              \
    }                                                                                                \
    static inline T gradc_log_cosh_##t(T x)                                                          \
    {                                                                                                \
        T a = fabs##s(x), h = sinh##s(gradc_select_##t(a < 1, a, 1) / 2);                            \
        T near = log1p##s(2 * h * h), far = a + (log1p##s(exp##s(-2 * a)) - (T)0.6931471805599453);  \
        return gradc_select_##t(a < 1, near, far);                                                   \
    }                                                                                                \
    static inline T gradc_logaddexp_##t(T x, T y)                                                    \
    {                                                                                                \
        T gap = gradc_select_##t(x == y, 0, -fabs##s(x - y));                                        \
        return gradc_select_##t(x >= y, x, y) + log1p##s(exp##s(gap));                               \
    }                                                                                                \
    static inline T gradc_xlogx_##t(T x) { return gradc_select_##t(x == 0, 0, x * log##s(x)); }      \
    static inline T gradc_xlogy0_##t(T x, T y) { return gradc_select_##t(x == 0, 0, x * log##s(y)); }

GRADC_FLOAT(double, f64, )
GRADC_FLOAT(float, f32, f)
#undef GRADC_FLOAT

/* The same for what one step of a loop over time leaves to the next: never in vectors, and as ?: half as long. */
#define GRADC_STEP(T, t)                                                                             \
    static inline T gradc_step_select_##t(bool c, T x, T y) { return c ? x : y; }                    \
    static inline T gradc_step_maximum_##t(T x, T y) { T m = x > y ? x : y; return x != x ? x : m; } \
    static inline T gradc_step_minimum_##t(T x, T y) { T m = x < y ? x : y; return x != x ? x : m; }
GRADC_STEP(double, f64)
GRADC_STEP(float, f32)
#undef GRADC_STEP

/* ------------------------------------------------------------------------------------------- integers */

/* NumPy's integers: x // 0 and x % 0 are 0, the sign of x % y is y's, shifts past the width give 0 (or -1),
 * everything wraps around.  elementary.power: negative exponents give 0, but for the bases 1 and -1. */
#define GRADC_INTEGER(T, t)                                                                           \
    static inline T gradc_square_##t(T x) { return (T)(x * x); }                                      \
    static inline T gradc_maximum_##t(T x, T y) { return x > y ? x : y; }                             \
    static inline T gradc_minimum_##t(T x, T y) { return x < y ? x : y; }                             \
    static inline T gradc_clip_##t(T x, T lo, T hi)                                                   \
    {                                                                                                 \
        T m = x > lo ? x : lo;                                                                        \
        return m < hi ? m : hi;                                                                       \
    }                                                                                                 \
    static inline bool gradc_isnan_##t(T x) { (void)x; return false; }                                \
    static inline bool gradc_isinf_##t(T x) { (void)x; return false; }                                \
    static inline T gradc_imag_##t(T x) { (void)x; return 0; }

#define GRADC_SIGNED(T, U, t)                                                                         \
    GRADC_INTEGER(T, t)                                                                               \
    static inline T gradc_abs_##t(T x) { return (T)(x < 0 ? -x : x); }                                \
    static inline T gradc_sgn_##t(T x) { return (T)((x > 0) - (x < 0)); }                             \
    static inline T gradc_floor_divide_##t(T x, T y)                                                  \
    {                                                                                                 \
        if (y == 0 || y == -1)                                                                        \
            return (T)(y * x);                                                                        \
        T q = (T)(x / y), r = (T)(x % y);                                                             \
        return (T)(q - (r != 0 && (r < 0) != (y < 0)));                                               \
    }                                                                                                 \
    static inline T gradc_mod_##t(T x, T y)                                                           \
    {                                                                                                 \
        if (y == 0 || y == -1)                                                                        \
            return 0;                                                                                 \
        T r = (T)(x % y);                                                                             \
        return (T)(r != 0 && (r < 0) != (y < 0) ? r + y : r);                                         \
    }                                                                                                 \
    static inline T gradc_pow_##t(T x, T y)                                                           \
    {                                                                                                 \
        if (y < 0)                                                                                    \
            return x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0;                                       \
        U base = (U)x, result = 1;                                                                    \
        for (; y > 0; y = (T)(y >> 1)) {                                                              \
            result = (U)(y & 1 ? result * base : result);                                             \
            base = (U)(base * base);                                                                  \
        }                                                                                             \
        return (T)result;                                                                             \
    }                                                                                                 \
    static inline T gradc_left_shift_##t(T x, T y)                                                    \
    {                                                                                                 \
        const U width = 8 * sizeof(T);                                                                \
        return gradc_select_##t((U)y < width, (T)((U)x << ((U)y & (width - 1))), 0);                  \
    }                                                                                                 \
    static inline T gradc_right_shift_##t(T x, T y)                                                   \
    {                                                                                                 \
        const U width = 8 * sizeof(T);                                                                \
        return gradc_select_##t((U)y < width, (T)(x >> ((U)y & (width - 1))), (T)-(x < 0));           \
    }

#define GRADC_UNSIGNED(T, t)                                                                          \
    GRADC_INTEGER(T, t)                                                                               \
    static inline T gradc_sgn_##t(T x) { return x > 0; }                                              \
    static inline T gradc_floor_divide_##t(T x, T y) { return y == 0 ? 0 : (T)(x / y); }              \
    static inline T gradc_mod_##t(T x, T y) { return y == 0 ? 0 : (T)(x % y); }                       \
    static inline T gradc_pow_##t(T x, T y)                                                           \
    {                                                                                                 \
        T result = 1;                                                                                 \
        for (; y > 0; y = (T)(y >> 1)) {                                                              \
            result = (T)(y & 1 ? (uint64_t)result * x : result);                                      \
            x = (T)((uint64_t)x * x);                                                                 \
        }                                                                                             \
        return result;                                                                                \
    }                                                                                                 \
    static inline T gradc_left_shift_##t(T x, T y)                                                   \
    {                                                                                                 \
        const T width = 8 * sizeof(T);                                                                \
        return gradc_select_##t(y < width, (T)(x << (y & (width - 1))), 0);                          \
    }                                                                                                 \
    static inline T gradc_right_shift_##t(T x, T y)                                                   \
    {                                                                                                 \
        const T width = 8 * sizeof(T);                                                                \
        return gradc_select_##t(y < width, (T)(x >> (y & (width - 1))), 0);                          \
    }

GRADC_SIGNED(int8_t, uint8_t, i8)
GRADC_SIGNED(int16_t, uint16_t, i16)
GRADC_SIGNED(int32_t, uint32_t, i32)
GRADC_SIGNED(int64_t, uint64_t, i64)
GRADC_UNSIGNED(uint8_t, u8)
GRADC_UNSIGNED(uint16_t, u16)
GRADC_UNSIGNED(uint32_t, u32)
GRADC_UNSIGNED(uint64_t, u64)
#undef GRADC_SIGNED
#undef GRADC_UNSIGNED
#undef GRADC_INTEGER

static inline bool gradc_maximum_bool(bool x, bool y) { return x | y; }
static inline bool gradc_minimum_bool(bool x, bool y) { return x & y; }
static inline bool gradc_clip_bool(bool x, bool lo, bool hi) { return (x | lo) & hi; }
static inline bool gradc_isnan_bool(bool x) { (void)x; return false; }
static inline bool gradc_isinf_bool(bool x) { (void)x; return false; }
static inline bool gradc_imag_bool(bool x) { (void)x; return false; }

/* ---------------------------------------------------------------------------------------------- casts */

/* Float to integer as gradc/ir/interp.float_to_int: truncation, nan gives 0, out of range saturates.
 * `above` is the first float past the range (a power of two, so exact). */
#define GRADC_TO_INTEGER(T, t, low, high, above)                                                       \
    static inline T gradc_saturated_##t(bool nan, bool below, bool over, T least, T most, T x)         \
    {                                                                                                  \
        const T inside = gradc_select_##t(below, least, gradc_select_##t(over, most, x));              \
        return gradc_select_##t(nan, 0, inside);                                                       \
    }                                                                                                  \
    static inline T gradc_f64_to_##t(double x)                                                         \
    {                                                                                                  \
        return gradc_saturated_##t(x != x, x <= (double)(low), x >= (above), low, high, (T)x);         \
    }                                                                                                  \
    static inline T gradc_f32_to_##t(float x)                                                          \
    {                                                                                                  \
        return gradc_saturated_##t(x != x, x <= (float)(low), x >= (float)(above), low, high, (T)x);   \
    }

GRADC_TO_INTEGER(int8_t, i8, INT8_MIN, INT8_MAX, 0x1p7)
GRADC_TO_INTEGER(int16_t, i16, INT16_MIN, INT16_MAX, 0x1p15)
GRADC_TO_INTEGER(int32_t, i32, INT32_MIN, INT32_MAX, 0x1p31)
GRADC_TO_INTEGER(int64_t, i64, INT64_MIN, INT64_MAX, 0x1p63)
GRADC_TO_INTEGER(uint8_t, u8, 0, UINT8_MAX, 0x1p8)
GRADC_TO_INTEGER(uint16_t, u16, 0, UINT16_MAX, 0x1p16)
GRADC_TO_INTEGER(uint32_t, u32, 0, UINT32_MAX, 0x1p32)
GRADC_TO_INTEGER(uint64_t, u64, 0, UINT64_MAX, 0x1p64)
#undef GRADC_TO_INTEGER
static inline bool gradc_f64_to_bool(double x) { return x != 0; }
static inline bool gradc_f32_to_bool(float x) { return x != 0; }

/* -------------------------------------------------------------- error functions and the gamma family */

#define GRADC_PI 3.141592653589793

/* c[0] + c[1] x + ... */
static inline double gradc_horner(const double *c, int n, double x)
{
    double r = c[n - 1];
    for (int k = n - 2; k >= 0; --k)
        r = r * x + c[k];
    return r;
}

/* c[0] + c[1] T1(x) + ..., by Clenshaw's recurrence. */
static inline double gradc_chebyshev(const double *c, int n, double x)
{
    double b1 = 0, b2 = 0;
    for (int k = n - 1; k >= 1; --k) {
        double b0 = c[k] + 2 * x * b1 - b2;
        b2 = b1;
        b1 = b0;
    }
    return c[0] + x * b1 - b2;
}

/* exp(x**2) with the rounding error of x**2 put back (Dekker's product). */
static inline double gradc_exp_of_square(double x)
{
    double c = 134217729.0 * x, high = c - (c - x), low = x - high, square = x * x;
    double error = ((high * high - square) + 2 * high * low) + low * low;
    return square < 700 ? exp(square) * (1 + error) : exp(square);
}

/* special.erfcx: Shepherd and Laframboise, Math. Comp. 36 (1981) 249-253. */
static inline double gradc_erfcx_f64(double x)
{
    static const double c[] = {
        1.1775789345674017, -0.004590054580646478, -0.08424913336651792, 0.05920993999819189,
        -0.026658668435305753, 0.009074997670705265, -0.002413163540417608, 0.0004907758365258086,
        -6.916973302501207e-05, 4.13902798607301e-06, 7.74038306619849e-07,
        -2.1886401049234397e-07, 1.076499946567091e-08, 4.521959811218287e-09,
        -7.754400208831351e-10, -6.318088340886684e-11, 2.86879501093067e-11,
        1.9455868545777347e-13, -9.65469674843344e-13, 3.25254814814874e-14,
        3.3478119482868056e-14, -1.864562880419313e-15, -1.2507950530688648e-15,
        7.418235256624044e-17, 5.068148904796111e-17, -2.2370566594359995e-18,
        -2.187342944303018e-18};
    double a = fabs(x), t = a > DBL_MAX ? 1 : (a - 3.75) / (a + 3.75);
    double positive = gradc_chebyshev(c, sizeof c / sizeof *c, t) / (1 + 2 * a);
    return x < 0 ? 2 * gradc_exp_of_square(a) - positive : positive;
}

/* special.log_erfc */
static inline double gradc_log_erfc_f64(double x)
{
    return x < 0.5 ? log1p(-erf(x)) : log(gradc_erfcx_f64(x)) - x * x;
}

/* The normal quantile for erfinv and erfcinv: Wichura, Algorithm AS 241, Appl. Statist. 37 (1988) 477-484. */
static inline double gradc_normal_center(double q)
{
    static const double p[] = {
        3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946,
        45921.95393154987, 67265.7709270087, 33430.57558358813, 2509.0809287301227};
    static const double d[] = {
        1.0, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597,
        39307.89580009271, 28729.085735721943, 5226.495278852854};
    double r = 0.180625 - q * q;
    return q * gradc_horner(p, 8, r) / gradc_horner(d, 8, r);
}

static inline double gradc_normal_tail(double tail)
{
    static const double near_p[] = {
        1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045,
        1.2704582524523684, 0.2417807251774506, 0.022723844989269184, 0.0007745450142783414};
    static const double near_d[] = {
        1.0, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008,
        0.015198666563616457, 0.0005475938084995345, 1.0507500716444169e-09};
    static const double far_p[] = {
        6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487,
        0.026532189526576124, 0.0012426609473880784, 2.7115555687434876e-05,
        2.0103343992922881e-07};
    static const double far_d[] = {
        1.0, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133,
        1.8463183175100548e-05, 1.421511758316446e-07, 2.0442631033899397e-15};
    double r = sqrt(-log(tail));
    if (r <= 5)
        return gradc_horner(near_p, 8, r - 1.6) / gradc_horner(near_d, 8, r - 1.6);
    return gradc_horner(far_p, 8, r - 5) / gradc_horner(far_d, 8, r - 5);
}

/* special.erfinv */
static inline double gradc_erfinv_f64(double x)
{
    double a = fabs(x);
    if (a <= 0.85)
        return gradc_normal_center(x / 2) * 0.7071067811865476;
    if (a < 1)
        return copysign(gradc_normal_tail((1 - a) / 2), x) * 0.7071067811865476;
    return a == 1 ? copysign(INFINITY, x) : NAN;
}

/* special.erfcinv */
static inline double gradc_erfcinv_f64(double x)
{
    double small = x < 2 - x ? x : 2 - x;
    if (small >= 0.15)
        return gradc_normal_center((1 - x) / 2) * 0.7071067811865476;
    if (small > 0)
        return copysign(gradc_normal_tail(small / 2), 1 - x) * 0.7071067811865476;
    return small == 0 ? copysign(INFINITY, 1 - x) : NAN;
}

/* special.psi: a Chebyshev series around the zero, recurrence, asymptotic series, reflection. */
static inline double gradc_psi_f64(double x)
{
    static const double center[] = {
        0.983570260441567, -0.2270640863346444, 0.03336889902393011, -0.005320077271596548,
        0.0008788656937820505, -0.00014773492650606044, 2.5060543468359146e-05,
        -4.2721034029993324e-06, 7.302769272465923e-07, -1.2502886813559594e-07,
        2.1425009322359472e-08, -3.673295918565179e-09, 6.299717236108931e-10,
        -1.080593028883266e-10, 1.853735192053638e-11, -3.18023536582553e-12,
        5.456147570322795e-13, -9.360993131036438e-14, 1.606064636295075e-14,
        -2.7555431377438815e-15, 4.727736178601912e-16, -8.11148420346509e-17};
    static const double series[] = {
        0.08333333333333333, -0.008333333333333333, 0.003968253968253968, -0.004166666666666667,
        0.007575757575757576, -0.02109279609279609, 0.08333333333333334, -0.4432598039215686,
        3.0539543302701198, -26.456212121212122, 281.46014492753625};
    if (x != x)
        return x;
    if (x == 0)
        return -copysign(INFINITY, x);
    double u = x < 0 ? 1 - x : x, value, shift = 0;
    if (u >= 10) {
        double i = 1 / (u * u);
        value = u > DBL_MAX ? u : log(u) - 0.5 / u - gradc_horner(series, sizeof series / sizeof *series, i) / (u * u);
    } else {
        if (u < 1) {
            shift = -1 / u;
            u += 1;
        }
        while (u >= 2) {
            u -= 1;
            shift += 1 / u;
        }
        value = ((u - 1.4616321449683622) - 9.549995429965697e-17)
                * gradc_chebyshev(center, sizeof center / sizeof *center, 2 * u - 3) + shift;
    }
    if (x > 0)
        return value;
    return x == floor(x) ? NAN : value - GRADC_PI / tan(GRADC_PI * (x - rint(x)));
}

/* special.tri_gamma: recurrence, asymptotic series, reflection. */
static inline double gradc_tri_gamma_f64(double x)
{
    static const double bernoulli[] = {
        0.16666666666666666, -0.03333333333333333, 0.023809523809523808, -0.03333333333333333,
        0.07575757575757576, -0.2531135531135531, 1.1666666666666667, -7.092156862745098,
        54.971177944862156, -529.1242424242424, 6192.123188405797};
    if (x != x)
        return x;
    double u = x <= 0 ? 1 - x : x, total = 0;
    while (u < 10) {
        total += 1 / (u * u);
        u += 1;
    }
    double i = 1 / u;
    total += i + i * i * (0.5 + i * gradc_horner(bernoulli, sizeof bernoulli / sizeof *bernoulli, i * i));
    if (x > 0)
        return total;
    if (x < -DBL_MAX)
        return NAN;
    double root = GRADC_PI / sin(GRADC_PI * (x - rint(x)));
    return root * root - total;
}

/* special.polygamma: Hurwitz zeta by summation and the Euler-Maclaurin formula. */
static inline double gradc_polygamma_f64(double n, double x)
{
    static const double bernoulli[] = {
        0.16666666666666666, -0.03333333333333333, 0.023809523809523808, -0.03333333333333333,
        0.07575757575757576, -0.2531135531135531, 1.1666666666666667, -7.092156862745098,
        54.971177944862156, -529.1242424242424, 6192.123188405797};
    if (n == 0)
        return gradc_psi_f64(x);
    if (n == 1)
        return gradc_tri_gamma_f64(x);
    if (!(n >= 2 && n <= 150 && n == floor(n) && x >= -1000))
        return NAN;
    double s = n + 1, u = x, total = 0;
    while (u < 12 + n) {
        total += pow(u, -s);
        u += 1;
    }
    total += pow(u, -n) / n + pow(u, -s) / 2;
    double term = s * pow(u, -s - 1) / 2;
    for (int k = 1; k <= (int)(sizeof bernoulli / sizeof *bernoulli); ++k) {
        total += bernoulli[k - 1] * term;
        term *= (s + 2 * k - 1) * (s + 2 * k) / (u * u * (2 * k + 1) * (2 * k + 2));
    }
    return (fmod(n, 2) == 0 ? -1 : 1) * tgamma(s) * total;
}

/* special.ierfcx: a three-term recurrence, upwards or as a continued fraction. */
static inline double gradc_ierfcx_f64(double n, double x)
{
    if (!(n >= 0 && n <= 150 && n == floor(n)))
        return NAN;
    double value = gradc_erfcx_f64(x), before = 1.1283791670955126;
    if (x > 1) {
        int last = (int)n + 150;
        double ratio = 1 / (x + sqrt(x * x + 2 * last + 4));
        for (int k = last; k > 0; --k) {
            ratio = 1 / (2 * x + 2 * (k + 1) * ratio);
            value *= k <= n ? ratio : 1;
        }
        return value;
    }
    for (int k = 1; k <= n; ++k) {
        double next = (before - 2 * x * value) / (2 * k);
        before = value;
        value = next;
    }
    return value;
}

/* In float32 these are computed in float64. */
static inline float gradc_erfcx_f32(float x) { return (float)gradc_erfcx_f64(x); }
static inline float gradc_log_erfc_f32(float x) { return (float)gradc_log_erfc_f64(x); }
static inline float gradc_erfinv_f32(float x) { return (float)gradc_erfinv_f64(x); }
static inline float gradc_erfcinv_f32(float x) { return (float)gradc_erfcinv_f64(x); }
static inline float gradc_psi_f32(float x) { return (float)gradc_psi_f64(x); }
static inline float gradc_tri_gamma_f32(float x) { return (float)gradc_tri_gamma_f64(x); }
static inline float gradc_polygamma_f32(float n, float x) { return (float)gradc_polygamma_f64(n, x); }
static inline float gradc_ierfcx_f32(float n, float x) { return (float)gradc_ierfcx_f64(n, x); }

#undef GRADC_PI
#endif
