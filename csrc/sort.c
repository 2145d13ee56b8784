/* sort.c: sorting and what follows from it, for all real types.
 *
 * Short arrays: the place of each element is how many elements come before it, which vectors count.  Long ones: NumPy's
 * own sorts where they use vectors, for values of 4 and 8 bytes; else a radix sort (sort_words.h) of integers that are
 * in the order of the elements.  Orders are a radix sort, too. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#ifdef __GNUC__
#pragma GCC optimize("O3")      /* inner loops are meant to be vectorised */
#endif

enum {
    SHORT = 64,                 /* elements of a short array                                        */
    SHORTEST = 16,              /* below which NumPy's sorts are not faster                         */
    WIDTH = 10,                 /* bits of a digit: counts and the open lines of targets fit caches */
    NARROW = 8,                 /* in arrays of no more elements than digits                        */
    DIGITS = 1 << WIDTH,
    MOST_PASSES = 4,
    FEW = 4096,                 /* elements of which the order is made for the sake of some ranks   */
    SAMPLE = 1024,              /* of more, this many tell between which elements these are         */
    MOST_GROUPS = 12,           /* ranks at more places are read from the order                     */
    FEW_RANKS = 64              /* whose places and pivots are kept on the stack                    */
};

gradc_sorter gradc_sorters[GRADC_TYPES];

/* Which bits of words are sorted by: `passes` digits of `width` bits, from bit `shift` on. */
typedef struct plan {
    int passes, width, shift;
} plan;

static int bits_of(uint64_t x)
{
    int bits = 0;
    for (int half = 32; half; half /= 2)
        if (x >> half) {
            x >>= half;
            bits += half;
        }
    return bits + (int)x;
}

/* For n words up to `most`, of which `room` bits can be used. */
static plan plan_for(int64_t n, uint64_t most, int room)
{
    const int bits = bits_of(most), widest = n < 2 * DIGITS ? NARROW : WIDTH;
    int used = bits < room ? bits : room;
    used = used < MOST_PASSES * widest ? used : MOST_PASSES * widest;
    const int passes = (used + widest - 1) / widest;
    return (plan){passes, passes ? (used + passes - 1) / passes : 0, bits - used};
}

/* A rank among n elements as one among those of the sample, below it (side: -1) or above (1) by three deviations. */
static int rank_in_sample(int64_t rank, int64_t n, int side)
{
    const double part = ((double)rank + 0.5) / (double)n;
    return (int)floor(part * SAMPLE + side * (3 * sqrt(SAMPLE * part * (1 - part)) + 2));
}

/* The first place at which a sorted array has x. */
static int64_t rank_place(const int64_t *sorted, int64_t n, int64_t x)
{
    int64_t low = 0;
    while (low < n) {
        const int64_t middle = (low + n) / 2;
        if (sorted[middle] < x)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

static void clear(int64_t (*counts)[DIGITS], plan p)
{
    for (int pass = 0; pass < p.passes; ++pass)
        memset(counts[pass], 0, sizeof(int64_t) << p.width);
}

#define W uint64_t
#define WORDS(x) x##_64
#include "sort_words.h"
#undef W
#undef WORDS
#define W uint32_t
#define WORDS(x) x##_32
#include "sort_words.h"
#undef W
#undef WORDS

/* Bits of floats in the order of the floats; -0.0 has those of 0.0. */
static inline uint64_t key_of_double(double x)
{
    const union {
        double value;
        uint64_t bits;
    } both = {x + 0.0};
    return both.bits ^ (((uint64_t)0 - (both.bits >> 63)) | (uint64_t)1 << 63);
}

static inline double double_of_key(uint64_t key)
{
    union {
        uint64_t bits;
        double value;
    } both = {key ^ (((key >> 63) - 1) | (uint64_t)1 << 63)};
    return both.value;
}

static inline uint32_t key_of_float(float x)
{
    const union {
        float value;
        uint32_t bits;
    } both = {x + 0.0f};
    return both.bits ^ (((uint32_t)0 - (both.bits >> 31)) | (uint32_t)1 << 31);
}

static inline float float_of_key(uint32_t key)
{
    union {
        uint32_t bits;
        float value;
    } both = {key ^ (((key >> 31) - 1) | (uint32_t)1 << 31)};
    return both.value;
}

/* T, its name, the words of at least as many bits. */
#define IS_NAN(x) ((x) != (x))
#define T double
#define NAME(x) gradc_##x##_F64
#define KEY(x) key_of_double(x)
#define BACK(key) double_of_key(key)
#define SIGN(x) (signbit(x) != 0)
#define W uint64_t
#define WORDS(x) x##_64
#include "sort_template.h"
#define T float
#define NAME(x) gradc_##x##_F32
#define KEY(x) key_of_float(x)
#define BACK(key) float_of_key(key)
#define SIGN(x) (signbit(x) != 0)
#define W uint32_t
#define WORDS(x) x##_32
#include "sort_template.h"
#undef IS_NAN

/* Integers as words: the sign bit, if there is one, the other way round. */
#define IS_NAN(x) 0
#define T int64_t
#define NAME(x) gradc_##x##_I64
#define W uint64_t
#define WORDS(x) x##_64
#include "sort_template.h"
#define T uint64_t
#define NAME(x) gradc_##x##_U64
#define W uint64_t
#define WORDS(x) x##_64
#include "sort_template.h"
#define T int32_t
#define NAME(x) gradc_##x##_I32
#define W uint32_t
#define WORDS(x) x##_32
#include "sort_template.h"
#define T uint32_t
#define NAME(x) gradc_##x##_U32
#define W uint32_t
#define WORDS(x) x##_32
#include "sort_template.h"
#define T int16_t
#define NAME(x) gradc_##x##_I16
#define W uint32_t
#define WORDS(x) x##_32
#include "sort_template.h"
#define T uint16_t
#define NAME(x) gradc_##x##_U16
#define W uint32_t
#define WORDS(x) x##_32
#include "sort_template.h"
#define T int8_t
#define NAME(x) gradc_##x##_I8
#define W uint32_t
#define WORDS(x) x##_32
#include "sort_template.h"
#define T uint8_t
#define NAME(x) gradc_##x##_U8
#define W uint32_t
#define WORDS(x) x##_32
#include "sort_template.h"
#define T _Bool
#define NAME(x) gradc_##x##_BOOL
#define W uint32_t
#define WORDS(x) x##_32
#include "sort_template.h"
