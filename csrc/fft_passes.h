/* fft_passes.h: one pass of a transform for one type T; see fft.c.
 *
 * The self-sorting algorithm of Stockham, decimated in frequency (C. Van Loan, Computational Frameworks for the Fast
 * Fourier Transform, 1.7).  A pass of radix R on data of which R * m * s are left to transform, in s rows: with w the
 * root of unity of order R * m,
 *     y[q + s (R p + j)] = w^(j p) sum over k of x[q + s (p + m k)] e^(-2 pi i j k / R),    0 <= p < m, 0 <= q < s.
 * Real and imaginary parts lie apart (x of length n: xr, xi), so that all inner loops are vectors.  The first pass has
 * s = 1, and its inner loop is over p; the last has m = 1, and no roots.  w: for each j >= 1 the m real parts, then the
 * m imaginary ones. */

enum { NAME(LANES) = 32 / (int)sizeof(T), NAME(PAIRS) = NAME(LANES) / 2 };
typedef T NAME(lanes) __attribute__((vector_size(32), aligned(sizeof(T)), may_alias));
typedef struct NAME(pair) {
    T r, i;
} NAME(pair);
typedef struct NAME(pairs) {
    NAME(lanes) r, i;
} NAME(pairs);

/* Complex numbers, each a C: a pair, or pairs of vectors.  E: their parts. */
#define ONE_BY_ONE typedef T E; typedef NAME(pair) C;
#define IN_VECTORS typedef NAME(lanes) E; typedef NAME(pairs) C;
#define PART(p) *(const E *)(p)
#define PLUS(a, b) ((C){(a).r + (b).r, (a).i + (b).i})
#define MINUS(a, b) ((C){(a).r - (b).r, (a).i - (b).i})
#define TIMES(a, f) ((C){(a).r * (f), (a).i * (f)})
#define TURNED(a) ((C){(a).i, -(a).r})                          /* times -i */

#define BUTTERFLY_2 \
    const C b0 = a0, b1 = a1; \
    a0 = PLUS(b0, b1), a1 = MINUS(b0, b1);
#define BUTTERFLY_3 \
    const C b1 = PLUS(a1, a2), b2 = TIMES(TURNED(MINUS(a1, a2)), (T)0.86602540378443864676); \
    const C b0 = {a0.r - b1.r * (T)0.5, a0.i - b1.i * (T)0.5}; \
    a0 = PLUS(a0, b1), a1 = PLUS(b0, b2), a2 = MINUS(b0, b2);
#define BUTTERFLY_4 \
    FOUR(b, a0, a1, a2, a3) \
    a0 = b0, a1 = b1, a2 = b2, a3 = b3;
#define FOUR(b, x0, x1, x2, x3) \
    const C b##02 = PLUS(x0, x2), b##d02 = MINUS(x0, x2), b##13 = PLUS(x1, x3), b##d13 = TURNED(MINUS(x1, x3)), \
            b##0 = PLUS(b##02, b##13), b##1 = PLUS(b##d02, b##d13), b##2 = MINUS(b##02, b##13), \
            b##3 = MINUS(b##d02, b##d13);
#define BUTTERFLY_5 \
    const C b1 = PLUS(a1, a4), b2 = PLUS(a2, a3), e1 = TURNED(MINUS(a1, a4)), e2 = TURNED(MINUS(a2, a3)); \
    const T c1 = (T)0.30901699437494742410, c2 = (T)-0.80901699437494742410, d1 = (T)0.95105651629515357212, \
            d2 = (T)0.58778525229247312917; \
    const C f1 = {a0.r + c1 * b1.r + c2 * b2.r, a0.i + c1 * b1.i + c2 * b2.i}, \
            f2 = {a0.r + c2 * b1.r + c1 * b2.r, a0.i + c2 * b1.i + c1 * b2.i}, \
            g1 = {d1 * e1.r + d2 * e2.r, d1 * e1.i + d2 * e2.i}, g2 = {d2 * e1.r - d1 * e2.r, d2 * e1.i - d1 * e2.i}; \
    a0 = PLUS(a0, PLUS(b1, b2)), a1 = PLUS(f1, g1), a2 = PLUS(f2, g2), a3 = MINUS(f2, g2), a4 = MINUS(f1, g1);
#define SEVENTH(x, u, v, w) {a0.x + (u) * b1.x + (v) * b2.x + (w) * b3.x}
#define BUTTERFLY_7 \
    const C b1 = PLUS(a1, a6), b2 = PLUS(a2, a5), b3 = PLUS(a3, a4), e1 = TURNED(MINUS(a1, a6)), \
            e2 = TURNED(MINUS(a2, a5)), e3 = TURNED(MINUS(a3, a4)); \
    const T c1 = (T)0.62348980185873353053, c2 = (T)-0.22252093395631440429, c3 = (T)-0.90096886790241912624, \
            d1 = (T)0.78183148246802980871, d2 = (T)0.97492791218182360702, d3 = (T)0.43388373911755812048; \
    const C f1 = {a0.r + c1 * b1.r + c2 * b2.r + c3 * b3.r, a0.i + c1 * b1.i + c2 * b2.i + c3 * b3.i}, \
            f2 = {a0.r + c2 * b1.r + c3 * b2.r + c1 * b3.r, a0.i + c2 * b1.i + c3 * b2.i + c1 * b3.i}, \
            f3 = {a0.r + c3 * b1.r + c1 * b2.r + c2 * b3.r, a0.i + c3 * b1.i + c1 * b2.i + c2 * b3.i}, \
            g1 = {d1 * e1.r + d2 * e2.r + d3 * e3.r, d1 * e1.i + d2 * e2.i + d3 * e3.i}, \
            g2 = {d2 * e1.r - d3 * e2.r - d1 * e3.r, d2 * e1.i - d3 * e2.i - d1 * e3.i}, \
            g3 = {d3 * e1.r - d1 * e2.r + d2 * e3.r, d3 * e1.i - d1 * e2.i + d2 * e3.i}; \
    a0 = PLUS(PLUS(a0, b1), PLUS(b2, b3)), a1 = PLUS(f1, g1), a2 = PLUS(f2, g2), a3 = PLUS(f3, g3); \
    a4 = MINUS(f3, g3), a5 = MINUS(f2, g2), a6 = MINUS(f1, g1);
#define BUTTERFLY_8 \
    FOUR(b, a0, a2, a4, a6) \
    FOUR(e, a1, a3, a5, a7) \
    const T root = (T)0.70710678118654752440; \
    const C e1t = {(e1.r + e1.i) * root, (e1.i - e1.r) * root}, e2t = TURNED(e2), \
            e3t = {(e3.i - e3.r) * root, -(e3.r + e3.i) * root}; \
    a0 = PLUS(b0, e0), a1 = PLUS(b1, e1t), a2 = PLUS(b2, e2t), a3 = PLUS(b3, e3t); \
    a4 = MINUS(b0, e0), a5 = MINUS(b1, e1t), a6 = MINUS(b2, e2t), a7 = MINUS(b3, e3t);

#define REST_2(EACH) EACH(1)
#define REST_3(EACH) EACH(1) EACH(2)
#define REST_4(EACH) EACH(1) EACH(2) EACH(3)
#define REST_5(EACH) REST_4(EACH) EACH(4)
#define REST_7(EACH) REST_5(EACH) EACH(5) EACH(6)
#define REST_8(EACH) REST_7(EACH) EACH(7)

#define LOAD(k) C a##k = {PART(xr + q + s * (p + m * k)), PART(xi + q + s * (p + m * k))};
#define LOAD_FIRST(k) C a##k = {xr[p + m * k], xi[p + m * k]};
#define LOAD_COMPLEX(k) C a##k = {x[2 * (p + m * k)], sign * x[2 * (p + m * k) + 1]};
#define LOAD_LAST(k) C a##k = {PART(xr + q + s * k), PART(xi + q + s * k)};
#define ROOT(k) const T wr##k = w[2 * m * (k - 1) + p], wi##k = w[2 * m * (k - 1) + m + p];
#define TIMES_ROOT(k) a##k = (C){a##k.r * wr##k - a##k.i * wi##k, a##k.r * wi##k + a##k.i * wr##k};
#define STORE(k) *(E *)(yr + q + s * (radix * p + k)) = a##k.r, *(E *)(yi + q + s * (radix * p + k)) = a##k.i;
#define STORE_FIRST(k) yr[radix * p + k] = a##k.r, yi[radix * p + k] = a##k.i;
#define STORE_LAST(k) *(E *)(yr + q + s * k) = a##k.r, *(E *)(yi + q + s * k) = a##k.i;
#define STORE_COMPLEX(k) y[2 * (q + s * k)] = f * a##k.r, y[2 * (q + s * k) + 1] = g * a##k.i;

#define ALWAYS static inline __attribute__((always_inline))

#define FIRST_LOOP(R, load) \
    enum { radix = R }; \
    typedef NAME(pair) C; \
    for (int64_t p = 0; p < m; ++p) { \
        load(0) REST_##R(load) REST_##R(ROOT) \
        BUTTERFLY_##R \
        REST_##R(TIMES_ROOT) \
        STORE_FIRST(0) REST_##R(STORE_FIRST) \
    }

#define ROW_MIDDLE(R) \
    LOAD(0) REST_##R(LOAD) \
    BUTTERFLY_##R \
    REST_##R(TIMES_ROOT) \
    STORE(0) REST_##R(STORE)
#define ROW_LAST(R) \
    LOAD_LAST(0) REST_##R(LOAD_LAST) \
    BUTTERFLY_##R \
    STORE_LAST(0) REST_##R(STORE_LAST)

/* Passes of radix R: the first, of split data and of complex numbers (sign = -1: conjugates); one between; the last, to
 * split data and to complex numbers, of which the real parts are multiplied by f and the imaginary ones by g. */
#define PASSES(R) \
static GRADC_CLONES void NAME(first_##R)(int64_t m, const T *restrict xr, const T *restrict xi, T *restrict yr, \
                                         T *restrict yi, const T *restrict w) \
{ \
    FIRST_LOOP(R, LOAD_FIRST) \
} \
static GRADC_CLONES void NAME(take_##R)(int64_t m, T sign, const T *restrict x, T *restrict yr, T *restrict yi, \
                                        const T *restrict w) \
{ \
    FIRST_LOOP(R, LOAD_COMPLEX) \
} \
ALWAYS void NAME(rows_##R)(int64_t m, int64_t s, const T *restrict xr, const T *restrict xi, T *restrict yr, \
                           T *restrict yi, const T *restrict w) \
{ \
    enum { radix = R }; \
    for (int64_t p = 0; p < m; ++p) { \
        REST_##R(ROOT) \
        int64_t q = 0; \
        for (; q + NAME(LANES) <= s; q += NAME(LANES)) { \
            IN_VECTORS \
            ROW_MIDDLE(R) \
        } \
        for (; q < s; ++q) { \
            ONE_BY_ONE \
            ROW_MIDDLE(R) \
        } \
    } \
} \
static GRADC_CLONES void NAME(middle_##R)(int64_t m, int64_t s, const T *restrict xr, const T *restrict xi, \
                                          T *restrict yr, T *restrict yi, const T *restrict w) \
{ \
    if (s == 4) \
        NAME(rows_##R)(m, 4, xr, xi, yr, yi, w); \
    else if (s == 8) \
        NAME(rows_##R)(m, 8, xr, xi, yr, yi, w); \
    else \
        NAME(rows_##R)(m, s, xr, xi, yr, yi, w); \
} \
static GRADC_CLONES void NAME(last_##R)(int64_t s, const T *restrict xr, const T *restrict xi, T *restrict yr, \
                                        T *restrict yi) \
{ \
    int64_t q = 0; \
    for (; q + NAME(LANES) <= s; q += NAME(LANES)) { \
        IN_VECTORS \
        ROW_LAST(R) \
    } \
    for (; q < s; ++q) { \
        ONE_BY_ONE \
        ROW_LAST(R) \
    } \
} \
static GRADC_CLONES void NAME(give_##R)(int64_t s, T f, T g, const T *restrict xr, const T *restrict xi, T *restrict y) \
{ \
    ONE_BY_ONE \
    for (int64_t q = 0; q < s; ++q) { \
        LOAD_LAST(0) REST_##R(LOAD_LAST) \
        BUTTERFLY_##R \
        STORE_COMPLEX(0) REST_##R(STORE_COMPLEX) \
    } \
}
PASSES(2)
PASSES(3)
PASSES(4)
PASSES(5)
PASSES(7)
PASSES(8)

/* A pass of an odd radix, of which `root` has the roots of unity: R real parts, then R imaginary ones.  x is used up. */
static GRADC_CLONES void NAME(odd)(int64_t radix, int64_t m, int64_t s, T *restrict xr, T *restrict xi,
                                   T *restrict yr, T *restrict yi, const T *restrict w, const T *restrict root)
{
    typedef NAME(pair) C;
    const int64_t half = radix / 2, row = s * m;
    for (int64_t p = 0; p < m; ++p) {
        T *restrict fr = xr + s * p, *restrict fi = xi + s * p, *restrict zr = yr + s * radix * p,
          *restrict zi = yi + s * radix * p;
        for (int64_t q = 0; q < s; ++q)
            zr[q] = fr[q], zi[q] = fi[q];
        for (int64_t k = 1; k <= half; ++k)
            for (int64_t q = 0; q < s; ++q) {           /* sums of pairs, and their differences times -i */
                const C a = {fr[q + row * k], fi[q + row * k]}, b = {fr[q + row * (radix - k)], fi[q + row * (radix - k)]};
                const C sum = PLUS(a, b), turned = TURNED(MINUS(a, b));
                fr[q + row * k] = sum.r, fi[q + row * k] = sum.i;
                fr[q + row * (radix - k)] = turned.r, fi[q + row * (radix - k)] = turned.i;
                zr[q] += sum.r, zi[q] += sum.i;
            }
        for (int64_t j = 1; j <= half; ++j) {
            T *restrict ar = zr + s * j, *restrict ai = zi + s * j, *restrict br = zr + s * (radix - j),
              *restrict bi = zi + s * (radix - j);
            for (int64_t q = 0; q < s; ++q)
                ar[q] = fr[q], ai[q] = fi[q], br[q] = 0, bi[q] = 0;
            for (int64_t k = 1, at = j; k <= half; ++k, at = at + j < radix ? at + j : at + j - radix) {
                const T c = root[at], d = -root[radix + at];
                const T *restrict ur = fr + row * k, *restrict ui = fi + row * k, *restrict vr = fr + row * (radix - k),
                        *restrict vi = fi + row * (radix - k);
                for (int64_t q = 0; q < s; ++q) {
                    ar[q] += c * ur[q], ai[q] += c * ui[q];
                    br[q] += d * vr[q], bi[q] += d * vi[q];
                }
            }
            const T cj = w ? w[2 * m * (j - 1) + p] : 1, dj = w ? w[2 * m * (j - 1) + m + p] : 0;
            const T ck = w ? w[2 * m * (radix - j - 1) + p] : 1, dk = w ? w[2 * m * (radix - j - 1) + m + p] : 0;
            for (int64_t q = 0; q < s; ++q) {
                const C u = {ar[q] + br[q], ai[q] + bi[q]}, v = {ar[q] - br[q], ai[q] - bi[q]};
                ar[q] = u.r * cj - u.i * dj, ai[q] = u.r * dj + u.i * cj;
                br[q] = v.r * ck - v.i * dk, bi[q] = v.r * dk + v.i * ck;
            }
        }
    }
}

/* Complex numbers from split ones, and back. */
static GRADC_CLONES void NAME(join)(int64_t n, T f, T g, const T *restrict xr, const T *restrict xi, T *restrict y)
{
    for (int64_t k = 0; k < n; ++k)
        y[2 * k] = f * xr[k], y[2 * k + 1] = g * xi[k];
}

static GRADC_CLONES void NAME(split)(int64_t n, T sign, const T *restrict x, T *restrict yr, T *restrict yi)
{
    for (int64_t k = 0; k < n; ++k)
        yr[k] = x[2 * k], yi[k] = sign * x[2 * k + 1];
}
