/* arena.c: scratch memory of calls.  Each thread keeps one block, which grows as calls ask for more, and some rooms. */
#define _DEFAULT_SOURCE                 /* posix_memalign, madvise: -std=c11 hides them */
#include "private.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    ARENA_KEPT = 256 << 20,             /* a larger arena is given back after each call   */
    ARENA_PATIENCE = 64,                /* calls that need less than a quarter of it      */
    ROOMS_KEPT = 64 << 20,              /* of the rooms of earlier calls, together        */
    ROOM_KEPT = 64 << 10,               /* a smaller one malloc finds as fast             */
    SPARES = 64,
    HUGE_PAGE = 2 << 20
};

static _Thread_local struct {
    char *block;
    int64_t bytes;
    int in_use, too_large;
} kept;
static pthread_key_t kept_key;
/* Rooms of earlier calls, and for how many calls nobody has taken them. */
static _Thread_local struct spare {
    char *block;
    int64_t bytes;
    int idle;
} spares[SPARES];
static _Thread_local int64_t spare_bytes;

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

static void free_spare(struct spare *s)
{
    free(s->block);
    spare_bytes -= s->bytes;
    *s = (struct spare){0};
}

static void free_arena(void)
{
    free(kept.block);
    kept.block = NULL;
    kept.bytes = 0;
}

static void free_kept(void *unused)
{
    (void)unused;
    free_arena();
    for (int k = 0; k < SPARES; ++k)
        free_spare(&spares[k]);
}

char *gradc_get_arena(int64_t bytes)
{
    if (kept.in_use || bytes < 0 || bytes > ARENA_KEPT)
        return gradc_get_block(bytes);
    kept.too_large = bytes < kept.bytes / 4 ? kept.too_large + 1 : 0;
    if (bytes > kept.bytes || kept.too_large > ARENA_PATIENCE) {
        free_arena();
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

char *gradc_take_room(int64_t bytes, int64_t *got)
{
    struct spare *best = NULL;
    for (int k = 0; bytes >= ROOM_KEPT && k < SPARES; ++k)
        if (spares[k].bytes >= bytes && spares[k].bytes / 2 <= bytes && (!best || spares[k].bytes < best->bytes))
            best = &spares[k];
    if (!best) {
        *got = bytes;
        return gradc_get_block(bytes);
    }
    char *const block = best->block;
    *got = best->bytes;
    spare_bytes -= best->bytes;
    *best = (struct spare){0};
    return block;
}

void gradc_keep_room(char *block, int64_t bytes)
{
    struct spare *place = NULL;
    for (int k = 0; bytes >= ROOM_KEPT && spare_bytes + bytes <= ROOMS_KEPT && k < SPARES && !place; ++k)
        place = spares[k].block ? NULL : &spares[k];
    if (!place) {
        free(block);
        return;
    }
    *place = (struct spare){block, bytes, 0};
    spare_bytes += bytes;
    pthread_setspecific(kept_key, &kept);
}

void gradc_rooms_kept(void)
{
    for (int k = 0; k < SPARES; ++k)
        if (spares[k].block && ++spares[k].idle > ARENA_PATIENCE)
            free_spare(&spares[k]);
}

int gradc_arena_start(void)
{
    return pthread_key_create(&kept_key, free_kept);
}
