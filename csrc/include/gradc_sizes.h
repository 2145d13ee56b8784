/* Sizes and block counts: integer helpers of generated code's prologue and entry function. */
#ifndef GRADC_SIZES_H
#define GRADC_SIZES_H

#include <stddef.h>
#include <stdint.h>

#include "gradc_runtime.h"

/* Sections stay functions of their own: the compiler's time grows with the square of a function's length. */
#define GRADC_NOINLINE __attribute__((noinline))

/* Of a function whose vectors may have 512 bits, for nothing in it makes the compiler permute elements: units are compiled
 * for 256, since gcc permutes eight doubles wrongly (gradc/target.py, FAULTS). */
#if defined(__AVX512F__) && defined(__GNUC__) && !defined(__clang__)
#define GRADC_WIDE __attribute__((target("prefer-vector-width=512")))
#else
#define GRADC_WIDE
#endif

/* Before a loop no iteration of which uses memory that another writes. */
#ifdef __clang__
#define GRADC_FREE_ORDER _Pragma("clang loop vectorize(assume_safety)")
#else
#define GRADC_FREE_ORDER _Pragma("GCC ivdep")
#endif

/* a * b + c, rounded once where the CPU does so at no cost. */
#ifdef __FMA__
#define GRADC_FMA_f64(a, b, c) __builtin_fma(a, b, c)
#define GRADC_FMA_f32(a, b, c) __builtin_fmaf(a, b, c)
#else
#define GRADC_FMA_f64(a, b, c) ((a) * (b) + (c))
#define GRADC_FMA_f32(a, b, c) ((a) * (b) + (c))
#endif

/* A row that is read soon, but not next, is brought into the second-level cache.  In long ones the processor finds
 * the stream itself, and many of them would not stay there. */
static inline void gradc_fetch(const void *from, int64_t bytes)
{
    if (bytes > 4096)
        return;
    for (int64_t at = 0; at < bytes; at += 64)
        __builtin_prefetch((const char *)from + at, 0, 2);
}

/* Sums and products of sizes.  Too large a one stays too large: memory of so many bytes is refused. */
static __attribute__((noinline, cold, unused)) int64_t gradc_too_large(int64_t sign)
{
    return (sign < 0 ? -1 : 1) * (INT64_C(1) << 62);
}

static inline int64_t gradc_size_add(int64_t a, int64_t b)
{
    int64_t c;
    return __builtin_add_overflow(a, b, &c) ? gradc_too_large(a) : c;
}

static inline int64_t gradc_size_mul(int64_t a, int64_t b)
{
    int64_t c;
    return __builtin_mul_overflow(a, b, &c) ? gradc_too_large(a ^ b) : c;
}

/* An index that may count from the end; it has been checked. */
static inline int64_t gradc_position(int64_t at, int64_t n) { return at < 0 ? at + n : at; }

/* A slice bound for a positive step: slice(start, None).indices(n)[0]. */
static inline int64_t gradc_slice_start(int64_t n, int64_t start)
{
    if (start < 0)
        start += n;
    return start < 0 ? 0 : start > n ? n : start;
}

/* range(*slice(start, stop, step).indices(n)): flags 1: start is None, 2: stop is None. */
static inline int64_t gradc_slice_limit(int64_t bound, int64_t n, int64_t step)
{
    if (bound < 0)
        bound += n;
    if (step > 0)
        return bound < 0 ? 0 : bound > n ? n : bound;
    return bound < -1 ? -1 : bound > n - 1 ? n - 1 : bound;
}

static inline int64_t gradc_slice_first(int64_t n, int64_t start, int64_t stop, int64_t step, int64_t flags)
{
    (void)stop;
    if (flags & 1)
        return step > 0 ? 0 : n - 1;
    if (step < 0 && start < 0 && start + n < 0)
        return -1;
    return gradc_slice_limit(start, n, step);
}

static inline int64_t gradc_slice_count(int64_t n, int64_t start, int64_t stop, int64_t step, int64_t flags)
{
    const int64_t first = gradc_slice_first(n, start, stop, step, flags);
    int64_t last;
    if (flags & 2)
        last = step > 0 ? n : -1;
    else if (step < 0 && stop < 0 && stop + n < 0)
        last = -1;
    else
        last = gradc_slice_limit(stop, n, step);
    if (step > 0)
        return last > first ? (last - first + step - 1) / step : 0;
    return step < 0 && first > last ? (first - last - step - 1) / -step : 0;      /* a step 0 is refused later */
}

/* How an outer loop of `extent` iterations is cut into blocks of `step` iterations.  Only sizes decide, never
 * the number of threads, so results have the same bits on any number of threads. */
typedef struct {
    int64_t step;   /* iterations of a block */
    int64_t count;  /* blocks, at least 1 */
    int64_t grain;  /* blocks that are worth a hand-over to another thread */
} gradc_cut;

enum { GRADC_BLOCK = 16384 };           /* elements of one block, so that it stays in the cache it came to */

static inline gradc_cut gradc_cut_loop(int64_t extent, int64_t work, int64_t multiple, int64_t limit, double cost)
{
    gradc_cut cut;
    if (work < 1)
        work = 1;
    cut.step = (GRADC_BLOCK + work - 1) / work;
    if (limit > 0 && cut.step < (extent + limit - 1) / limit)
        cut.step = (extent + limit - 1) / limit;
    cut.step = (cut.step + multiple - 1) / multiple * multiple;
    cut.count = extent > cut.step ? (extent + cut.step - 1) / cut.step : 1;
    const double block_ns = cost * (double)cut.step * (double)work;
    cut.grain = block_ns >= 20000.0 ? 1 : (int64_t)(20000.0 / (block_ns + 1.0)) + 1;
    return cut;
}

/* A section that is cut: iterations lo..hi-1, which are block number `block`, with these arrays and sizes. */
typedef void (*gradc_body)(void *const *arrays, const int64_t *numbers, int64_t block, int64_t lo, int64_t hi);

/* What those that run its blocks are told. */
typedef struct {
    gradc_body body;
    void *const *arrays;
    const int64_t *numbers;
    int64_t extent, step;
} gradc_nest;

static inline int gradc_blocks(gradc_frame *frame, const void *context, int64_t first, int64_t last)
{
    const gradc_nest *nest = context;
    (void)frame;
    for (int64_t block = first; block < last; ++block) {
        const int64_t lo = block * nest->step;
        const int64_t hi = nest->extent - lo < nest->step ? nest->extent : lo + nest->step;
        nest->body(nest->arrays, nest->numbers, block, lo, hi);
    }
    return 0;
}

/* Where n arrays begin: place k is slot k, ~k input k. */
static GRADC_NOINLINE __attribute__((unused)) void gradc_find_arrays(
    const gradc_frame *frame, char *const *slots, const int *places, int n, void **arrays)
{
    for (int at = 0; at < n; ++at)
        arrays[at] = places[at] < 0 ? (void *)frame->inputs[~places[at]] : slots[places[at]];
}

/* Runs all blocks of a section, perhaps on several threads; returns how many they were. */
static GRADC_NOINLINE __attribute__((unused)) int64_t gradc_run(
    gradc_frame *frame, gradc_body body, void *const *arrays, const int64_t *numbers, int64_t extent, int64_t work,
    int64_t multiple, int64_t limit, double cost)
{
    if (extent <= GRADC_BLOCK && work <= GRADC_BLOCK && extent * work <= GRADC_BLOCK) {
        body(arrays, numbers, 0, 0, extent);          /* what gradc_cut_loop would say, without its divisions */
        return 1;
    }
    const gradc_cut cut = gradc_cut_loop(extent, work, multiple, limit, cost);
    const gradc_nest nest = {body, arrays, numbers, extent, cut.step};
    if (cut.count == 1)
        gradc_blocks(frame, &nest, 0, 1);
    else
        frame->parallel(frame, gradc_blocks, &nest, cut.count, cut.grain);
    return cut.count;
}

/* A batch of calls: indices lo..hi-1 of its first axis; 0, or what the first that failed reports. */
typedef int (*gradc_calls)(gradc_frame *frame, void *const *arrays, const int64_t *numbers, int64_t lo, int64_t hi);

typedef struct {
    gradc_calls calls;
    void *const *arrays;
    const int64_t *numbers;
} gradc_batch;

static inline int gradc_part_of_batch(gradc_frame *frame, const void *context, int64_t first, int64_t last)
{
    const gradc_batch *batch = context;
    return batch->calls(frame, batch->arrays, batch->numbers, first, last);
}

/* Runs all calls of a batch, perhaps on several threads; work: additions of one index, cost: nanoseconds of one. */
static GRADC_NOINLINE __attribute__((unused)) int gradc_run_batch(
    gradc_frame *frame, gradc_calls calls, void *const *arrays, const int64_t *numbers, int64_t extent, int64_t work,
    double cost)
{
    const gradc_batch batch = {calls, arrays, numbers};
    const double call_ns = cost * (double)work;
    const int64_t grain = call_ns >= 20000.0 ? 1 : (int64_t)(20000.0 / (call_ns + 50.0)) + 1;
    return frame->parallel(frame, gradc_part_of_batch, &batch, extent, grain);
}

#endif
