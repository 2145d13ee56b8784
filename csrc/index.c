/* index.c: routines of indexing. */
#include <string.h>

#include "private.h"

#ifdef __GNUC__
#pragma GCC optimize("O3")      /* inner loops are meant to be unrolled */
#endif

/* How many elements of a mask are true.  numbers: its size.  Bytes are added up in bytes, so often that none overflows. */
GRADC_CLONES int gradc_COUNT_TRUE(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers,
                                  void *const *out)
{
    (void)frame;
    (void)number;
    enum { LANES = 64, MOST = 255 };
    const unsigned char *mask = in[0];
    const int64_t n = numbers[0];
    int64_t count = 0, i = 0;
    while (i + LANES <= n) {
        unsigned char lanes[LANES] = {0};
        for (int k = 0; k < MOST && i + LANES <= n; ++k, i += LANES)
            for (int lane = 0; lane < LANES; ++lane)
                lanes[lane] += mask[i + lane] != 0;
        for (int lane = 0; lane < LANES; ++lane)
            count += lanes[lane];
    }
    for (; i < n; ++i)
        count += mask[i] != 0;
    *(int64_t *)out[0] = count;
    return 0;
}

/* The positions of the true elements of a mask.  numbers: its size, and how many are true.  No branch depends on an
 * element: each position is written where the next one that is found goes.
 */
int gradc_NONZERO(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame;
    (void)number;
    const unsigned char *mask = in[0];
    const int64_t n = numbers[0], count = numbers[1];
    int64_t *found = out[0], k = 0, i = 0;
    for (; i + 8 <= n && k + 8 <= count; i += 8) {
        uint64_t eight;
        memcpy(&eight, mask + i, 8);
        if (!eight)             /* long runs that are false */
            continue;
        for (int64_t j = i; j < i + 8; ++j) {
            found[k] = j;
            k += mask[j] != 0;
        }
    }
    for (; i < n && k < count; ++i) {
        found[k] = i;
        k += mask[i] != 0;
    }
    memset(found + k, 0, (size_t)(count - k) * sizeof(int64_t));       /* a mask that is no mask of 0s and 1s */
    return 0;
}

/* How often each of 0, 1, ... occurs.  numbers: how many elements, and how many counts.  Status 1: error[0] is
 * none of these numbers.
 */
int gradc_BINCOUNT(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t *x = in[0];
    const int64_t n = numbers[0], size = numbers[1];
    int64_t *count = memset(out[0], 0, (size_t)size * sizeof(int64_t));
    for (int64_t i = 0; i < n; ++i) {
        if ((uint64_t)x[i] >= (uint64_t)size) {
            frame->error[0] = x[i];
            return 1;
        }
        ++count[x[i]];
    }
    return 0;
}
