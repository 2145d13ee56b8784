/* arena.c: scratch memory of calls.  Each thread keeps one block, which grows as calls ask for more. */
#include "private.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    ARENA_KEPT = 256 << 20,             /* a larger arena is given back after each call   */
    ARENA_PATIENCE = 64,                /* calls that need less than a quarter of it      */
    HUGE_PAGE = 2 << 20
};

static _Thread_local struct {
    char *block;
    int64_t bytes;
    int in_use, too_large;
} kept;
static pthread_key_t kept_key;

char *gradc_get_block(int64_t bytes)
{
    void *block = NULL;
    if (bytes < 0 || posix_memalign(&block, bytes >= HUGE_PAGE ? HUGE_PAGE : 64, (size_t)bytes))
        return NULL;
#ifdef MADV_HUGEPAGE
    if (bytes >= HUGE_PAGE)
        madvise(block, (size_t)bytes, MADV_HUGEPAGE);
#endif
    return block;
}

static void free_kept(void *unused)
{
    (void)unused;
    free(kept.block);
    kept.block = NULL;
    kept.bytes = 0;
}

char *gradc_get_arena(int64_t bytes)
{
    if (kept.in_use || bytes < 0 || bytes > ARENA_KEPT)
        return gradc_get_block(bytes);
    kept.too_large = bytes < kept.bytes / 4 ? kept.too_large + 1 : 0;
    if (bytes > kept.bytes || kept.too_large > ARENA_PATIENCE) {
        free_kept(NULL);
        int64_t rounded = (bytes + 4095) & ~(int64_t)4095;
        kept.block = gradc_get_block(rounded);
        if (!kept.block)
            return NULL;
        kept.bytes = rounded;
        kept.too_large = 0;
        pthread_setspecific(kept_key, &kept);           /* the destructor runs when the thread ends */
    }
    kept.in_use = 1;
    return kept.block;
}

void gradc_put_arena(char *block)
{
    if (block == kept.block)
        kept.in_use = 0;
    else
        free(block);
}

int gradc_arena_start(void)
{
    return pthread_key_create(&kept_key, free_kept);
}
