/* sort_template.h: the routines of sort.c for one type T of elements; undefines what it is given.
 *
 * W, WORDS: unsigned integers of at least as many bits, and the functions on them.  Of floats also IS_NAN(x), SIGN(x);
 * KEY(x): x as W, in the same order, not of nan, equal of equal elements; BACK(key): the element.
 * nan comes last, as in NumPy; everything here keeps the order of equal elements. */

#ifndef KEY
#define FLIPPED (W)((T)-1 > 0 ? 0 : (W)1 << (8 * sizeof(W) - 1))
#define KEY(x) (W)((W)(x) ^ FLIPPED)
#define BACK(key) (T)((key) ^ FLIPPED)
#define SIGN(x) 0
#endif

static inline int NAME(less)(T a, T b)
{
    return a < b || (IS_NAN(b) && !IS_NAN(a));
}

/* How many of n sorted elements are less than x, or, if `right`, not greater. */
static inline int64_t NAME(place)(const T *sorted, int64_t n, T x, int right)
{
    const T *base = sorted;
    while (n > 0) {
        const int64_t half = (n + 1) / 2;
        const int before = right ? !NAME(less)(x, base[half - 1]) : NAME(less)(base[half - 1], x);
        base += before ? half : 0;
        n = before ? n - half : half - 1;
    }
    return base - sorted;
}

/* Copies an array; how many nan there are, and -0.0. */
static GRADC_CLONES void NAME(survey)(const T *restrict x, int64_t n, T *restrict copy, int64_t *nans,
                                      int64_t *negative_zeros)
{
    int64_t missing = 0, zeros = 0;
    for (int64_t i = 0; i < n; ++i) {
        copy[i] = x[i];
        missing += IS_NAN(x[i]);
        zeros += x[i] == 0 && SIGN(x[i]);
    }
    *nans = missing;
    *negative_zeros = zeros;
}

/* The lowest and the highest key of what is not nan; returns how many are. */
static GRADC_CLONES int64_t NAME(range)(const T *x, int64_t n, W *lowest, W *highest)
{
    W low = (W)-1, high = 0;
    int64_t nans = 0;
    for (int64_t i = 0; i < n; ++i) {
        const W nan = IS_NAN(x[i]) ? (W)-1 : 0, key = KEY(x[i]);
        low = (key | nan) < low ? (key | nan) : low;
        high = (key & (W)~nan) > high ? (key & (W)~nan) : high;
        nans += IS_NAN(x[i]);
    }
    *lowest = low;
    *highest = high;
    return nans;
}

static GRADC_CLONES void NAME(elements)(T *restrict out, const W *restrict words, int64_t n, W low)
{
    for (int64_t i = 0; i < n; ++i)
        out[i] = BACK((W)(words[i] + low));
}

/* Keys go up with the places of elements; if `down`, they go down.  nan is the largest. */
static inline W NAME(place_key)(T x, int down)
{
    const W key = IS_NAN(x) ? (W)-1 : KEY(x);
    return down ? (W)~key : key;
}

/* Where each element of a short array belongs: behind those of lower keys, and equal ones in front of it. */
static GRADC_CLONES void NAME(ranks)(const T *x, int n, int down, uint8_t *rank)
{
    W keys[SHORT];
    uint8_t equal[SHORT] = {0};
    for (int i = 0; i < n; ++i)
        keys[i] = NAME(place_key)(x[i], down);
    for (int i = 0; i < n; ++i) {
        W less = 0;
        for (int j = 0; j < n; ++j)
            less += keys[j] < keys[i];
        rank[i] = (uint8_t)(less + equal[less]++);
    }
}

/* Sorts what is not nan, m of the n elements. */
static int NAME(radix)(const T *x, int64_t n, int64_t m, T *sorted)
{
    W low, high;
    int64_t counts[MOST_PASSES][DIGITS];
    NAME(range)(x, n, &low, &high);
    const plan p = plan_for(m, m ? (W)(high - low) : 0, 64);
    const int room = sizeof(T) == sizeof(W);                /* are the results large enough for words? */
    W *const words = malloc((size_t)n * sizeof(W) * (room ? 1 : 2));
    if (!words)
        return GRADC_NO_MEMORY;
    W *const other = room ? (W *)(void *)sorted : words + n, *const first = p.passes % 2 ? other : words;
    clear(counts, p);
    for (int64_t i = 0, k = 0; i < n; ++i)
        if (!IS_NAN(x[i])) {
            first[k] = (W)(KEY(x[i]) - low);
            WORDS(count)(first[k++], p, counts);
        }
    WORDS(passes)(first, first == words ? other : words, m, p, counts);      /* ends in words */
    WORDS(finish)(words, other, m, p.shift);
    NAME(elements)(sorted, words, m, low);
    free(words);
    return 0;
}

int NAME(SORT)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame, (void)number;
    const T *x = in[0];
    T *sorted = out[0];
    const int64_t n = numbers[0];
    const gradc_sorter numpys = gradc_sorters[NAME(TYPE)];
    if (n <= (numpys ? SHORTEST : SHORT)) {
        uint8_t rank[SHORT];
        NAME(ranks)(x, (int)n, 0, rank);
        for (int64_t i = 0; i < n; ++i)
            sorted[rank[i]] = x[i];
        return 0;
    }
    int64_t nans, negative_zeros;
    NAME(survey)(x, n, sorted, &nans, &negative_zeros);
    const int64_t m = n - nans;
    int status;
    if (numpys) {
        for (int64_t i = 0, k = 0; nans && i < n; ++i)
            if (!IS_NAN(x[i]))
                sorted[k++] = x[i];
        status = numpys(sorted, (intptr_t)m, NULL) ? GRADC_NO_MEMORY : 0;
    } else
        status = NAME(radix)(x, n, m, sorted);
    for (int64_t i = 0, k = m; nans && i < n; ++i)
        if (IS_NAN(x[i]))
            sorted[k++] = x[i];
    for (int64_t i = 0, k = negative_zeros ? NAME(place)(sorted, m, 0, 0) : 0; negative_zeros && i < n; ++i)
        if (x[i] == 0)
            sorted[k++] = x[i];
    return status;
}

/* The same of the n elements at the positions `from` (all of them: NULL). */
static int64_t NAME(range_of)(const T *x, const int64_t *from, int64_t n, W *lowest, W *highest)
{
    if (!from)
        return NAME(range)(x, n, lowest, highest);
    W low = (W)-1, high = 0;
    int64_t nans = 0;
    for (int64_t i = 0; i < n; ++i) {
        const T element = x[from[i]];
        const W key = KEY(element);
        nans += IS_NAN(element);
        low = !IS_NAN(element) && key < low ? key : low;
        high = !IS_NAN(element) && key > high ? key : high;
    }
    *lowest = low;
    *highest = high;
    return nans;
}

/* The order of the n elements of x at the positions `from` (all of them: NULL), which go up; `down`: the largest first. */
static int NAME(order)(const T *x, const int64_t *from, int64_t n, int down, int64_t *order)
{
    W low = (W)-1, high = 0;
    int64_t counts[MOST_PASSES][DIGITS];
    const int64_t nans = NAME(range_of)(x, from, n, &low, &high);
    const W nan = n > nans ? (W)(high - low + 1) : 0;
    const int bits = bits_of((uint64_t)(n - 1));            /* a word is a key, and behind it a position */
    const W top = nans ? nan : nan - 1;
    plan p = plan_for(n, top, 64 - bits);
    const int left_out = p.shift;
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    uint64_t *const words = malloc((size_t)n * sizeof *words), *const other = (uint64_t *)order;
    if (!words)
        return GRADC_NO_MEMORY;
    uint64_t *const first = p.passes % 2 ? other : words;
    p.shift = bits;
    clear(counts, p);
    for (int64_t i = 0; i < n; ++i) {
        const T element = x[from ? from[i] : i];
        const W key = IS_NAN(element) ? nan : (W)(KEY(element) - low);
        first[i] = (uint64_t)((W)(down ? top - key : key) >> left_out) << bits | (uint64_t)i;
        count_64(first[i], p, counts);
    }
    passes_64(first, first == words ? other : words, n, p, counts);
    for (int64_t i = 0; i < n; ++i)
        order[i] = from ? from[words[i] & mask] : (int64_t)(words[i] & mask);
    int status = 0;
    for (int64_t i = 0, end; left_out && !status && i < n; i = end) {
        for (end = i + 1; end < n && words[end] >> bits == words[i] >> bits;)
            ++end;
        if (end - i > SHORT) {
            memcpy(words + i, order + i, (size_t)(end - i) * sizeof *order);
            status = NAME(order)(x, (const int64_t *)(words + i), end - i, down, order + i);
            continue;
        }
        for (int64_t k = i + 1, j; k < end; ++k) {
            const int64_t position = order[k];
            const W own = NAME(place_key)(x[position], down);
            for (j = k; j > i && own < NAME(place_key)(x[order[j - 1]], down); --j)
                order[j] = order[j - 1];
            order[j] = position;
        }
    }
    free(words);
    return status;
}

/* The order of a short array. */
static inline void NAME(short_order)(const T *x, int n, int down, int64_t *order)
{
    uint8_t rank[SHORT];
    NAME(ranks)(x, n, down, rank);
    for (int64_t i = 0; i < n; ++i)
        order[rank[i]] = i;
}

int NAME(ARGSORT)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame, (void)number;
    const int64_t n = numbers[0];
    int64_t *order = out[0];
    if (n > SHORT)
        return NAME(order)(in[0], NULL, n, 0, order);
    NAME(short_order)(in[0], (int)n, 0, order);
    return 0;
}

#include "select_template.h"

/* numbers: is it the place behind equal elements; n, m. */
int NAME(SEARCHSORTED)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame, (void)number;
    const T *sorted = in[0], *x = in[1];
    int64_t *places = out[0];
    for (int64_t i = 0; i < numbers[2]; ++i)
        places[i] = NAME(place)(sorted, numbers[1], x[i], (int)numbers[0]);
    return 0;
}

static int NAME(row_less)(const T *a, const T *b, int64_t m)
{
    int64_t k = 0;
    while (k < m && !NAME(less)(a[k], b[k]) && !NAME(less)(b[k], a[k]))
        ++k;
    return k < m && NAME(less)(a[k], b[k]);
}

/* The order of the rows of n x m, of which the first column counts most: merges of runs twice as long each time. */
int NAME(ORDER_OF_ROWS)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame, (void)number;
    const T *x = in[0];
    const int64_t n = numbers[0], m = numbers[1];
    int64_t *const order = out[0], *const memory = malloc((size_t)(n ? n : 1) * sizeof *memory);
    if (!memory)
        return GRADC_NO_MEMORY;
    int64_t *from = order, *to = memory;
    for (int64_t i = 0; i < n; ++i)
        order[i] = i;
    for (int64_t length = 1; length < n; length *= 2) {
        for (int64_t i = 0; i < n; i += 2 * length) {
            const int64_t middle = i + length < n ? i + length : n, end = middle + length < n ? middle + length : n;
            for (int64_t a = i, b = middle, k = i; k < end; ++k)
                to[k] = b == end || (a < middle && !NAME(row_less)(x + from[b] * m, x + from[a] * m, m)) ? from[a++]
                                                                                                         : from[b++];
        }
        int64_t *const made = to;
        to = from;
        from = made;
    }
    if (from != order)
        memcpy(order, from, (size_t)n * sizeof *order);
    free(memory);
    return 0;
}

#undef T
#undef NAME
#undef W
#undef WORDS
#undef KEY
#undef BACK
#undef SIGN
#undef FLIPPED
