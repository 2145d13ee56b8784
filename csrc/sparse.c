/* sparse.c: products with matrices of compressed rows, for all real types.
 *
 * Row i has the entries begin[i]..end[i] - 1: data[k] in column indices[k].  Entries of a row may be in any order, and
 * several of one column, which are added; what is wrong with a matrix is found before it is looked up. */
#include <string.h>

#include "private.h"

#ifdef __GNUC__
#pragma GCC optimize("O3")      /* inner loops are meant to be vectorised */
#define UNLIKELY(x) __builtin_expect(x, 0)
#define PREFETCH(address) __builtin_prefetch((const void *)(address))
#else
#define UNLIKELY(x) (x)
#define PREFETCH(address) ((void)(address))
#endif

/* Loops compiled for each of some numbers of columns. */
#define LOOPS static inline __attribute__((always_inline))
#define OF_WIDTH(n, call, ...) \
    switch (n) { \
    case 1: call(1, __VA_ARGS__); \
    case 2: call(2, __VA_ARGS__); \
    case 4: call(4, __VA_ARGS__); \
    case 8: call(8, __VA_ARGS__); \
    case 16: call(16, __VA_ARGS__); \
    default: call(n, __VA_ARGS__); \
    }

enum {
    WIDEST = 16,                /* columns of a product that are summed at once                  */
    LANES = 8,                  /* sums of a product of two rows                                 */
    AHEAD = 16                  /* entries from one to that whose row of a dense matrix is fetched */
};
enum { ROWS_FAULT = 1, INDEX_FAULT = 2 };               /* in the order of ir/routines.py */

/* The entries of each row; whole: each entry is one of just one row, in their order. */
typedef struct rows {
    int64_t count, entries;
    int whole;
    const int32_t *begin, *end, *indices;
} rows;

static int outside(gradc_frame *frame, int64_t index, int64_t size)
{
    frame->error[0] = index;
    frame->error[1] = size;
    return INDEX_FAULT;
}

/* Does each row have its entries among that many?  *whole: each entry is one of just one row, in their order. */
static GRADC_CLONES int fit(int64_t count, const int32_t *restrict begin, const int32_t *restrict end, int64_t entries,
                            int *whole)
{
    const int32_t most = entries < INT32_MAX ? (int32_t)entries : INT32_MAX;
    int32_t wrong = 0, gaps = count ? begin[0] : 0;
    for (int64_t i = 0; i < count; ++i)
        wrong |= (begin[i] < 0) | (end[i] < begin[i]) | (end[i] > most);
    for (int64_t i = 1; i < count; ++i)
        gaps |= begin[i] ^ end[i - 1];
    *whole = !gaps && (count ? end[count - 1] : 0) == entries;
    return !wrong;
}

/* The first three arrays; numbers: rows, entries.  A fault unless each row has its entries among these. */
static int rows_of(gradc_frame *frame, const void *const *in, const int64_t *numbers, rows *of)
{
    *of = (rows){numbers[0], numbers[1], 1, in[0], in[1], in[2]};
    if (fit(of->count, of->begin, of->end, of->entries, &of->whole))
        return 0;
    int64_t i = 0;
    while (of->begin[i] >= 0 && of->end[i] >= of->begin[i] && of->end[i] <= of->entries)
        ++i;
    frame->error[0] = i;
    frame->error[1] = of->begin[i];
    frame->error[2] = of->end[i];
    frame->error[3] = of->entries;
    return ROWS_FAULT;
}

/* Fetches the row, of `bytes` bytes at a distance of `stride`, that the entry AHEAD of k needs. */
LOOPS void fetch(const rows *of, int64_t k, const void *matrix, int64_t stride, int64_t bytes)
{
    if (bytes > 8 && k + AHEAD < of->entries) {
        const uintptr_t row = (uintptr_t)matrix + (uintptr_t)((int64_t)of->indices[k + AHEAD] * stride);
        PREFETCH(row);
        PREFETCH(row + (uintptr_t)bytes - 1);
    }
}

/* Fetches what rows some way after the one that begins with entry k read. */
LOOPS void fetch_entries(const int32_t *indices, const void *data, int64_t k, int64_t bytes)
{
    const uintptr_t values = (uintptr_t)data + (uintptr_t)(k * bytes) + 1024;
    PREFETCH(values);
    PREFETCH(values + 64);
    PREFETCH((uintptr_t)indices + (uintptr_t)k * 4 + 1024);
}

/* A fault if an index is none of m. */
static int checked(gradc_frame *frame, rows of, int64_t m)
{
    for (int64_t i = 0; i < of.count; ++i)
        for (int32_t k = of.begin[i]; k < of.end[i]; ++k)
            if ((uint64_t)(int64_t)of.indices[k] >= (uint64_t)m)
                return outside(frame, of.indices[k], m);
    return 0;
}

/* For each entry its row; 0 for those of no row.  numbers: rows, entries. */
int gradc_CSR_ROWS(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    int64_t *made = out[0];
    rows of;
    const int status = rows_of(frame, in, numbers, &of);
    if (!status && !of.whole)
        memset(made, 0, (size_t)numbers[1] * sizeof(int64_t));
    for (int64_t i = 0; !status && i < of.count; ++i)
        for (int32_t k = of.begin[i]; k < of.end[i]; ++k)
            made[k] = i;
    return status;
}

#define T double
#define A double
#define NAME(x) gradc_##x##_F64
#include "sparse_template.h"
#define T float
#define A float
#define NAME(x) gradc_##x##_F32
#include "sparse_template.h"
#define T int64_t
#define A uint64_t
#define NAME(x) gradc_##x##_I64
#include "sparse_template.h"
#define T uint64_t
#define A uint64_t
#define NAME(x) gradc_##x##_U64
#include "sparse_template.h"
#define T int32_t
#define A uint32_t
#define NAME(x) gradc_##x##_I32
#include "sparse_template.h"
#define T uint32_t
#define A uint32_t
#define NAME(x) gradc_##x##_U32
#include "sparse_template.h"
#define T int16_t
#define A uint32_t
#define NAME(x) gradc_##x##_I16
#include "sparse_template.h"
#define T uint16_t
#define A uint32_t
#define NAME(x) gradc_##x##_U16
#include "sparse_template.h"
#define T int8_t
#define A uint32_t
#define NAME(x) gradc_##x##_I8
#include "sparse_template.h"
#define T uint8_t
#define A uint32_t
#define NAME(x) gradc_##x##_U8
#include "sparse_template.h"
#define T _Bool
#define A _Bool
#define NAME(x) gradc_##x##_BOOL
#include "sparse_template.h"
