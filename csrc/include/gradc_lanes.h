/* gradc_lanes.h: what special functions with branches and loops are written in (made by gradc/ir/scalar_c.py).
 *
 * Each computes GRADC_LANES numbers at once: gradc_v holds them, gradc_m says of each whether something is true (all bits,
 * or none).  A branch or loop is run while it is some lane's, for all, and what it gives is kept where it is theirs.
 * Four lanes where there are AVX2 and vector versions of libm's functions (gradc_math.h), else one: then gradc_v is double,
 * and branches are branches. */
#ifndef GRADC_LANES_H
#define GRADC_LANES_H

#include "gradc_math.h"
#include "gradc_sizes.h"

#if defined(GRADC_VECTOR_FUNCTIONS) && defined(__AVX2__) && defined(__FMA__) && __GLIBC_PREREQ(2, 35)
#define GRADC_LANES 4
typedef double gradc_v __attribute__((vector_size(32)));
typedef int64_t gradc_m __attribute__((vector_size(32)));
#define GRADC_ALL ((gradc_m){-1, -1, -1, -1})
static GRADC_INLINED gradc_v gradc_splat(double x) { return (gradc_v){x, x, x, x}; }
static GRADC_INLINED gradc_m gradc_lt(gradc_v a, gradc_v b) { return a < b; }
static GRADC_INLINED gradc_m gradc_le(gradc_v a, gradc_v b) { return a <= b; }
static GRADC_INLINED gradc_m gradc_gt(gradc_v a, gradc_v b) { return a > b; }
static GRADC_INLINED gradc_m gradc_ge(gradc_v a, gradc_v b) { return a >= b; }
static GRADC_INLINED gradc_m gradc_eq(gradc_v a, gradc_v b) { return a == b; }
static GRADC_INLINED gradc_m gradc_ne(gradc_v a, gradc_v b) { return a != b; }
/* The first where m, else the second. */
static GRADC_INLINED gradc_v gradc_choose(gradc_m m, gradc_v a, gradc_v b)
{
    return __builtin_ia32_blendvpd256(b, a, (gradc_v)m);
}
static GRADC_INLINED bool gradc_some(gradc_m m) { return __builtin_ia32_movmskpd256((gradc_v)m) != 0; }
static GRADC_INLINED gradc_v gradc_fma_v(gradc_v a, gradc_v b, gradc_v c) { return __builtin_ia32_vfmaddpd256(a, b, c); }
static GRADC_INLINED gradc_v gradc_square_rest_v(gradc_v x) { return gradc_fma_v(x, x, -(x * x)); }
static GRADC_INLINED gradc_v gradc_fabs_v(gradc_v x) { return (gradc_v)((gradc_m)x & INT64_MAX); }
static GRADC_INLINED gradc_v gradc_copysign_v(gradc_v x, gradc_v y)
{
    return (gradc_v)(((gradc_m)x & INT64_MAX) | ((gradc_m)y & INT64_MIN));
}
static GRADC_INLINED gradc_v gradc_floor_v(gradc_v x) { return __builtin_ia32_roundpd256(x, 9); }
static GRADC_INLINED gradc_v gradc_rint_v(gradc_v x) { return __builtin_ia32_roundpd256(x, 4); }
static GRADC_INLINED gradc_v gradc_sqrt_v(gradc_v x) { return __builtin_ia32_sqrtpd256(x); }
#define GRADC_MATH_V(name, called)                     \
    __attribute__((const)) gradc_v _ZGVdN4v_##called(gradc_v); \
    static GRADC_INLINED gradc_v gradc_##name##_v(gradc_v x) { return _ZGVdN4v_##called(x); }
__attribute__((const)) gradc_v _ZGVdN4vv_pow(gradc_v, gradc_v);
static GRADC_INLINED gradc_v gradc_power_v(gradc_v x, gradc_v y) { return _ZGVdN4vv_pow(x, y); }

/* name_f64, a function of as many numbers as LIST has, by name_v; in vector loops gcc calls the functions of vectors
 * instead, which it takes from their names (the x86-64 vector ABI, as libmvec's). */
typedef double gradc_pair __attribute__((vector_size(16)));
#define GRADC_TAKES_PAIR(x) gradc_pair x
#define GRADC_OF_PAIR(x) (gradc_v){x[0], x[1], x[0], x[1]}
#ifdef __AVX512F__
typedef double gradc_eight __attribute__((vector_size(64)));
#define GRADC_TAKES_EIGHT(x) gradc_eight x
#define GRADC_LOW(x) (gradc_v){x[0], x[1], x[2], x[3]}
#define GRADC_HIGH(x) (gradc_v){x[4], x[5], x[6], x[7]}
#define GRADC_BY_EIGHT(name, letters, LIST)                                                   \
    gradc_eight _ZGVeN8##letters##_##name##_f64(LIST(GRADC_TAKES_EIGHT));                     \
    gradc_eight _ZGVeN8##letters##_##name##_f64(LIST(GRADC_TAKES_EIGHT))                      \
    {                                                                                         \
        const gradc_v u = name##_v(GRADC_ALL, LIST(GRADC_LOW)), v = name##_v(GRADC_ALL, LIST(GRADC_HIGH)); \
        return (gradc_eight){u[0], u[1], u[2], u[3], v[0], v[1], v[2], v[3]};                 \
    }
#else
#define GRADC_BY_EIGHT(name, letters, LIST)
#endif
#define GRADC_BY_LANES(name, letters, LIST)                                                   \
    __attribute__((const, simd("notinbranch"))) extern double name##_f64(LIST(GRADC_TAKES));  \
    double name##_alone(LIST(GRADC_TAKES)) __asm__(#name "_f64");                             \
    double name##_alone(LIST(GRADC_TAKES)) { return name##_v(GRADC_ALL, LIST(gradc_splat))[0]; } \
    gradc_v _ZGVdN4##letters##_##name##_f64(LIST(GRADC_TAKES_V));                             \
    gradc_v _ZGVdN4##letters##_##name##_f64(LIST(GRADC_TAKES_V)) { return name##_v(GRADC_ALL, LIST(GRADC_SAME)); } \
    gradc_pair _ZGVbN2##letters##_##name##_f64(LIST(GRADC_TAKES_PAIR));                       \
    gradc_pair _ZGVbN2##letters##_##name##_f64(LIST(GRADC_TAKES_PAIR))                        \
    {                                                                                         \
        const gradc_v made = name##_v(GRADC_ALL, LIST(GRADC_OF_PAIR));                        \
        return (gradc_pair){made[0], made[1]};                                                \
    }                                                                                         \
    GRADC_BY_EIGHT(name, letters, LIST)
#else
typedef double gradc_v;
typedef int64_t gradc_m;
#define GRADC_ALL ((gradc_m)-1)
static GRADC_INLINED gradc_v gradc_splat(double x) { return x; }
static GRADC_INLINED gradc_m gradc_lt(gradc_v a, gradc_v b) { return -(gradc_m)(a < b); }
static GRADC_INLINED gradc_m gradc_le(gradc_v a, gradc_v b) { return -(gradc_m)(a <= b); }
static GRADC_INLINED gradc_m gradc_gt(gradc_v a, gradc_v b) { return -(gradc_m)(a > b); }
static GRADC_INLINED gradc_m gradc_ge(gradc_v a, gradc_v b) { return -(gradc_m)(a >= b); }
static GRADC_INLINED gradc_m gradc_eq(gradc_v a, gradc_v b) { return -(gradc_m)(a == b); }
static GRADC_INLINED gradc_m gradc_ne(gradc_v a, gradc_v b) { return -(gradc_m)(a != b); }
static GRADC_INLINED gradc_v gradc_choose(gradc_m m, gradc_v a, gradc_v b) { return m ? a : b; }
static GRADC_INLINED bool gradc_some(gradc_m m) { return m != 0; }
static GRADC_INLINED gradc_v gradc_fma_v(gradc_v a, gradc_v b, gradc_v c) { return GRADC_FMA_f64(a, b, c); }
static GRADC_INLINED gradc_v gradc_square_rest_v(gradc_v x) { return gradc_square_rest_f64(x); }
static GRADC_INLINED gradc_v gradc_fabs_v(gradc_v x) { return fabs(x); }
static GRADC_INLINED gradc_v gradc_copysign_v(gradc_v x, gradc_v y) { return copysign(x, y); }
static GRADC_INLINED gradc_v gradc_floor_v(gradc_v x) { return floor(x); }
static GRADC_INLINED gradc_v gradc_rint_v(gradc_v x) { return rint(x); }
static GRADC_INLINED gradc_v gradc_sqrt_v(gradc_v x) { return sqrt(x); }
static GRADC_INLINED gradc_v gradc_power_v(gradc_v x, gradc_v y) { return pow(x, y); }
#define GRADC_BY_LANES(name, letters, LIST) \
    static inline double name##_f64(LIST(GRADC_TAKES)) { return name##_v(GRADC_ALL, LIST(GRADC_SAME)); }
#define GRADC_MATH_V(name, called) \
    static GRADC_INLINED gradc_v gradc_##name##_v(gradc_v x) { return called(x); }
#endif
#define GRADC_TAKES(x) double x
#define GRADC_TAKES_V(x) gradc_v x
#define GRADC_SAME(x) x
#define GRADC_LIST_1(F) F(a)
#define GRADC_LIST_2(F) F(a), F(b)
#define GRADC_LIST_3(F) F(a), F(b), F(c)
#define GRADC_LIST_4(F) F(a), F(b), F(c), F(d)
#define GRADC_LIST_5(F) F(a), F(b), F(c), F(d), F(e)
#define GRADC_BY_LANES_1(name) GRADC_BY_LANES(name, v, GRADC_LIST_1)
#define GRADC_BY_LANES_2(name) GRADC_BY_LANES(name, vv, GRADC_LIST_2)
#define GRADC_BY_LANES_3(name) GRADC_BY_LANES(name, vvv, GRADC_LIST_3)
#define GRADC_BY_LANES_4(name) GRADC_BY_LANES(name, vvvv, GRADC_LIST_4)
#define GRADC_BY_LANES_5(name) GRADC_BY_LANES(name, vvvvv, GRADC_LIST_5)

GRADC_MATH_V(exp, exp)
GRADC_MATH_V(expm1, expm1)
GRADC_MATH_V(log, log)
GRADC_MATH_V(log1p, log1p)
GRADC_MATH_V(sin, sin)
GRADC_MATH_V(cos, cos)
GRADC_MATH_V(tan, tan)
GRADC_MATH_V(sinh, sinh)
GRADC_MATH_V(cosh, cosh)
GRADC_MATH_V(arctan, atan)
GRADC_MATH_V(erf, erf)
GRADC_MATH_V(erfc, erfc)
#undef GRADC_MATH_V

#endif
