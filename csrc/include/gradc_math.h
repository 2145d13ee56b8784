/* gradc_math.h: the scalar functions of generated code, with NumPy's results.
 *
 * Here: helpers that the C column of gradc/ir/scalars.py names, gradc_<function>_<dtype>, and casts,
 * gradc_<from>_to_<to>; beside each its NumPy counterpart ("elementary.x" is x of gradc/ir/elementary.py,
 * which has the same formulas and their sources).  Not here: special functions, whose C text is made of their Python
 * text (gradc/ir/scalar_c.py), loops, buffers, anything with a frame.
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
#define GRADC_VECTOR_FUNCTIONS
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

/* Of functions without branches: a loop that calls one is vector code only where it stands in the loop. */
#define GRADC_INLINED inline __attribute__((always_inline))

/* scalar_math.square_rest: x * x less what it is rounded to. */
static inline double gradc_square_rest_f64(double x)
{
#ifdef __FMA__
    return __builtin_fma(x, x, -(x * x));
#else
    const double c = 134217729.0 * x, high = c - (c - x), low = x - high;
    return ((high * high - x * x) + 2 * high * low) + low * low;
#endif
}

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
    /* np.fmax, np.fmin: nan if both are */                                                          \
    static inline T gradc_fmax_##t(T x, T y) { return gradc_select_##t((x >= y) | (y != y), x, y); } \
    static inline T gradc_fmin_##t(T x, T y) { return gradc_select_##t((x <= y) | (y != y), x, y); } \
    /* np.signbit, np.heaviside, np.spacing, np.frexp; numbers._ldexp, _logaddexp2 */                \
    static inline bool gradc_signbit_##t(T x) { return signbit(x) != 0; }                            \
    static inline T gradc_heaviside_##t(T x, T h)                                                    \
    {                                                                                                \
        return gradc_select_##t(x > 0, 1, gradc_select_##t(x < 0, 0, gradc_select_##t(x == 0, h, x))); \
    }                                                                                                \
    static inline T gradc_spacing_##t(T x)                                                           \
    {                                                                                                \
        if (!(fabs##s(x) < (T)INFINITY))                                                             \
            return NAN;                                                                              \
        const T next = nextafter##s(x, x < 0 ? -(T)INFINITY : (T)INFINITY);                          \
        return next - x;                                                                             \
    }                                                                                                \
    static inline T gradc_ldexp_##t(T x, T n)                                                        \
    {                                                                                                \
        return n != n ? n : ldexp##s(x, (int)(n < -5000 ? -5000 : n > 5000 ? 5000 : n));             \
    }                                                                                                \
    static inline T gradc_frexp_mantissa_##t(T x)                                                    \
    {                                                                                                \
        int e;                                                                                       \
        return frexp##s(x, &e);                                                                      \
    }                                                                                                \
    static inline int32_t gradc_frexp_exponent_##t(T x)                                              \
    {                                                                                                \
        int e = 0;                                                                                   \
        if (fabs##s(x) < (T)INFINITY)                                                                \
            (void)frexp##s(x, &e);                                                                   \
        return e;                                                                                    \
    }                                                                                                \
    static inline T gradc_logaddexp2_##t(T x, T y)                                                   \
    {                                                                                                \
        T gap = gradc_select_##t(x == y, 0, -fabs##s(x - y));                                        \
        return gradc_select_##t(x >= y, x, y) + log1p##s(exp2##s(gap)) * (T)1.4426950408889634;      \
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
    static inline T gradc_fmax_##t(T x, T y) { return x > y ? x : y; }                                \
    static inline T gradc_fmin_##t(T x, T y) { return x < y ? x : y; }                                \
    static inline bool gradc_isnan_##t(T x) { (void)x; return false; }                                \
    static inline bool gradc_isinf_##t(T x) { (void)x; return false; }                                \
    static inline T gradc_imag_##t(T x) { (void)x; return 0; }

#define GRADC_SIGNED(T, U, t)                                                                         \
    GRADC_INTEGER(T, t)                                                                               \
    static inline T gradc_abs_##t(T x) { return (T)(x < 0 ? -x : x); }                                \
    static inline T gradc_sgn_##t(T x) { return (T)((x > 0) - (x < 0)); }                             \
    static inline T gradc_fmod_##t(T x, T y) { return y == 0 || y == -1 ? 0 : (T)(x % y); }           \
    static inline T gradc_gcd_##t(T x, T y)                                                           \
    {                                                                                                 \
        U a = (U)(x < 0 ? -x : x), b = (U)(y < 0 ? -y : y);                                           \
        while (b) {                                                                                   \
            const U rest = (U)(a % b);                                                                \
            a = b;                                                                                    \
            b = rest;                                                                                 \
        }                                                                                             \
        return (T)a;                                                                                  \
    }                                                                                                 \
    static inline T gradc_lcm_##t(T x, T y)                                                           \
    {                                                                                                 \
        const U d = (U)gradc_gcd_##t(x, y), a = (U)(x < 0 ? -x : x), b = (U)(y < 0 ? -y : y);         \
        return d ? (T)(U)((U)(a / d) * (uint64_t)b) : 0;                                              \
    }                                                                                                 \
    static inline uint8_t gradc_bitwise_count_##t(T x)                                                \
    {                                                                                                 \
        return (uint8_t)__builtin_popcountll((U)(x < 0 ? -x : x));                                    \
    }                                                                                                 \
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
    static inline bool gradc_signbit_##t(T x) { (void)x; return false; }                              \
    static inline T gradc_fmod_##t(T x, T y) { return y == 0 ? 0 : (T)(x % y); }                      \
    static inline T gradc_gcd_##t(T x, T y)                                                           \
    {                                                                                                 \
        while (y) {                                                                                   \
            const T rest = (T)(x % y);                                                                \
            x = y;                                                                                    \
            y = rest;                                                                                 \
        }                                                                                             \
        return x;                                                                                     \
    }                                                                                                 \
    static inline T gradc_lcm_##t(T x, T y)                                                           \
    {                                                                                                 \
        const T d = gradc_gcd_##t(x, y);                                                              \
        return d ? (T)((T)(x / d) * (uint64_t)y) : 0;                                                 \
    }                                                                                                 \
    static inline uint8_t gradc_bitwise_count_##t(T x) { return (uint8_t)__builtin_popcountll(x); }   \
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
static inline bool gradc_fmax_bool(bool x, bool y) { return x | y; }
static inline bool gradc_fmin_bool(bool x, bool y) { return x & y; }
static inline bool gradc_signbit_bool(bool x) { (void)x; return false; }
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

#endif
