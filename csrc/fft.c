/* fft.c: discrete Fourier transforms, and what they make fast, for both types of floats.
 *
 * Lengths whose prime factors are small are transformed by passes of these radices (fft_passes.h), others by a
 * convolution (Bluestein).  The error is of the order of eps log(n), relative to the norm of the data.  What depends on
 * the length alone is a plan: each thread keeps those that it used last, with memory for the work. */
#define _DEFAULT_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#ifdef __GNUC__
#pragma GCC optimize("O3")      /* inner loops are meant to be vectorised */
#endif

enum {
    MOST_PASSES = 64,
    KEPT_PLANS = 16,            /* of each type, by each thread                               */
    KEPT_BYTES = 128 << 20,     /* which of them that were not used last may take             */
    SIDE_BYTES = 256 << 10,     /* what transforms side by side may take                      */
    COLUMNS_GRAIN = 1 << 14     /* elements for which another thread pays                     */
};

/* ---- roots of unity */

typedef struct root {
    long double r, i;
} root;

/* e^(-2 pi i k / n) is the product of one of `steps` and one of `fine`: k = width * a + b, b < width. */
typedef struct roots {
    int64_t n, width;
    root *fine, *steps;
} roots;

/* e^(-2 pi i k / n), 0 <= k < n: cosine and sine of at most an eighth of a turn. */
static root root_of(int64_t k, int64_t n)
{
    const int64_t eighth = 8 * k / n;
    const int64_t from = (eighth + 1) / 2;              /* the nearest quarter, and how far it is, in 1 / 4n turns */
    const long double angle = 1.57079632679489661923132169163975144L * (long double)(4 * k - from * n) / (long double)n;
    const long double c = cosl(angle), s = -sinl(angle);
    switch (from) {
        case 1: return (root){s, -c};
        case 2: return (root){-c, -s};
        case 3: return (root){-s, c};
        default: return (root){c, s};
    }
}

static void roots_free(roots *of)
{
    free(of->fine);
}

static int roots_make(roots *of, int64_t n)
{
    of->n = n;
    of->width = 1;
    while (of->width * of->width < n)
        of->width *= 2;
    const int64_t steps = (n + of->width - 1) / of->width;
    of->fine = malloc((size_t)(of->width + steps) * sizeof(root));
    if (!of->fine)
        return 0;
    of->steps = of->fine + of->width;
    for (int64_t k = 0; k < of->width; ++k)
        of->fine[k] = root_of(k % n, n);
    for (int64_t k = 0; k < steps; ++k)
        of->steps[k] = root_of(k * of->width, n);
    return 1;
}

static root root_at(const roots *of, int64_t k)
{
    const root a = of->steps[k / of->width], b = of->fine[k % of->width];
    return (root){a.r * b.r - a.i * b.i, a.r * b.i + a.i * b.r};
}

/* Tables of roots of a plan of length n: of order order * n, at the exponents first + step * k, 0 <= k <= n. */
enum { REAL, COSINES_EVEN, COSINES_ODD, COSINES_4, BEFORE_4, AFTER_4, TABLES };
static const struct {
    int64_t order, first, step;
} tables[TABLES] = {[REAL] = {2, 0, 1},         [COSINES_EVEN] = {8, 0, 1}, [COSINES_ODD] = {4, 0, 1},
                    [COSINES_4] = {32, 1, 8},   [BEFORE_4] = {2, 0, 1},     [AFTER_4] = {4, 1, 2}};

/* ---- passes */

/* What an element costs in a pass of that radix, against a copy. */
static double cost_of(int64_t radix)
{
    static const double costs[] = {0, 0, 1.2, 1.8, 1.6, 2.6, 0, 3.6, 2.2};
    return radix <= 8 ? costs[radix] : 0.7 * (double)radix;
}

/* The radices of a transform of length n by passes, and its cost. */
static double factors_of(int64_t n, int64_t *radices, int *count)
{
    static const int64_t small[] = {4, 2, 3, 5, 7};
    int k = 0;
    int64_t left = n;
    if (n % 8 == 0 && (n & -n) != 16) {                 /* an 8 takes a 2 that fours leave */
        int twos = 0;
        for (int64_t x = n; x % 2 == 0; x /= 2)
            ++twos;
        if (twos % 2) {
            radices[k++] = 8;
            left /= 8;
        }
    }
    for (int j = 0; j < 5; ++j)
        for (; left % small[j] == 0; left /= small[j])
            radices[k++] = small[j];
    for (int64_t radix = 11; left > 1; radix += 2) {
        if (radix * radix > left)
            radix = left;
        for (; left % radix == 0; left /= radix)
            radices[k++] = radix;
    }
    double cost = 0;
    for (int j = 0; j < k; ++j)
        cost += cost_of(radices[j]);
    *count = k;
    return cost * (double)n;
}

/* The length from n on, a multiple of `of`, 1 or a power of 2, whose transform costs least by passes; of 1, 3, 5, 9, 15,
 * 25, 27, 45 times a power of 2. */
static int64_t fast_length(int64_t n, int64_t of, double *least)
{
    int64_t best = 0, radices[MOST_PASSES];
    *least = HUGE_VAL;
    for (int64_t odd = 1; odd <= 45; odd += 2) {
        int64_t rest = odd, m = odd * of;
        for (; rest % 3 == 0; rest /= 3)
            ;
        for (; rest % 5 == 0; rest /= 5)
            ;
        while (m < n)
            m *= 2;
        int unused;
        const double cost = rest == 1 ? factors_of(m, radices, &unused) : HUGE_VAL;
        if (cost < *least) {
            best = m;
            *least = cost;
        }
    }
    return best;
}

/* The passes of a transform of length n; 0 if a convolution costs less: by a transform of length *longer, which is 0
 * otherwise. */
static int passes_of(int64_t n, int64_t *radices, int64_t *longer)
{
    int count;
    const double cost = factors_of(n, radices, &count);
    double other;
    *longer = 0;
    if (n < 2 || radices[count - 1] <= 8)
        return count;
    const int64_t found = fast_length(2 * n - 1, 4, &other);
    if (2 * other + 4 * (double)found >= cost)
        return count;
    *longer = found;
    return 0;
}

/* ---- convolutions */

/* In the units of `cost_of`: a product of doubles added, and a call. */
static const double DIRECT = 0.35, CALL = 100;
enum { FEW = 48 };             /* terms of sums that no transforms are asked for */

/* The length of transforms of parts, by which `count` sums of m products of that many bytes are made in the least time; 0
 * if sums as they are take less, and it is not `only` to be by transforms. */
static int64_t length_of_parts(int64_t count, int64_t m, int only, size_t bytes)
{
    int64_t best = 0;
    if (!only && m < FEW)
        return 0;
    double least = only ? HUGE_VAL : DIRECT * (double)count * (double)m * (double)bytes / 8 + CALL;
    for (int64_t n = 2 * m;; n *= 2) {
        double one;
        const int whole = n >= count + m - 1;
        const int64_t length = fast_length(whole ? count + m - 1 : n, 2, &one), step = length - m + 1;
        const double parts = (double)((count + step - 1) / step);
        const double cost = (1 + 2 * parts) * (one / 2 + 6 * (double)length + CALL);
        if (cost < least) {
            least = cost;
            best = length;
        }
        if (whole)
            return best;
    }
}

static void keep_plans(void);

/* ---- as many rows of so many elements, transposed */

typedef double four __attribute__((vector_size(32), may_alias));
typedef float eight __attribute__((vector_size(32), may_alias));
typedef int64_t places_of_four __attribute__((vector_size(32)));
typedef int32_t places_of_eight __attribute__((vector_size(32)));
#ifdef __clang__
#define PICK(type, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(type, a, b, ...) __builtin_shuffle(a, b, (places_of_##type){__VA_ARGS__})
#endif

static inline __attribute__((always_inline)) void gradc_turn_F64(double *rows)
{
    four *a = (four *)rows;
    const four l01 = PICK(four, a[0], a[1], 0, 4, 2, 6), h01 = PICK(four, a[0], a[1], 1, 5, 3, 7);
    const four l23 = PICK(four, a[2], a[3], 0, 4, 2, 6), h23 = PICK(four, a[2], a[3], 1, 5, 3, 7);
    a[0] = PICK(four, l01, l23, 0, 1, 4, 5), a[2] = PICK(four, l01, l23, 2, 3, 6, 7);
    a[1] = PICK(four, h01, h23, 0, 1, 4, 5), a[3] = PICK(four, h01, h23, 2, 3, 6, 7);
}

static inline __attribute__((always_inline)) void gradc_turn_F32(float *rows)
{
    eight *a = (eight *)rows, b[8];
    for (int k = 0; k < 8; k += 2) {                    /* pairs of rows, then of pairs, then of halves */
        b[k] = PICK(eight, a[k], a[k + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        b[k + 1] = PICK(eight, a[k], a[k + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int k = 0; k < 8; k += 4)
        for (int half = 0; half < 2; ++half) {
            a[k + 2 * half] = PICK(eight, b[k + half], b[k + 2 + half], 0, 1, 8, 9, 4, 5, 12, 13);
            a[k + 2 * half + 1] = PICK(eight, b[k + half], b[k + 2 + half], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int k = 0; k < 4; ++k) {
        const eight low = PICK(eight, a[k], a[k + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        a[k + 4] = PICK(eight, a[k], a[k + 4], 4, 5, 6, 7, 12, 13, 14, 15);
        a[k] = low;
    }
}

#define FFT 1
#define U T
#define T double
#define NAME(x) gradc_##x##_F64
#include "fft_passes.h"
#include "fft_template.h"
#include "fft_routines.h"
#include "fft_lanes.h"
#include "dct_template.h"
#include "convolve_template.h"

#undef T
#undef NAME

#define T float
#define NAME(x) gradc_##x##_F32
#include "fft_passes.h"
#include "fft_template.h"
#include "fft_routines.h"
#include "fft_lanes.h"
#include "dct_template.h"
#include "convolve_template.h"

/* ---- the end of a thread */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void free_kept_plans(void *unused)
{
    (void)unused;
    gradc_free_plans_F64();
    gradc_free_plans_F32();
}

static void make_key(void)
{
    (void)pthread_key_create(&key, free_kept_plans);
}

/* Sees to it that the plans of this thread are freed when it ends. */
static void keep_plans(void)
{
    pthread_once(&once, make_key);
    pthread_setspecific(key, &key);
}
