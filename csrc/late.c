/* late.c: memory of which a unit learns the size while it runs (rooms, and outputs), without the GIL, on the thread that
 * called the Function.  Rooms end when entry has returned, whatever it returned (the thread may keep their
 * memory for later calls); outputs belong to the call.
 */
#define NO_IMPORT_ARRAY
#include "dispatch.h"

#include <stdlib.h>
#include <string.h>

/* As many rooms as `count`; those that are new are empty. */
static int have_rooms(running *now, int count)
{
    if (count <= now->n_rooms)
        return 0;
    room *rooms = realloc(now->rooms, (size_t)count * sizeof(room));
    if (!rooms)
        return -1;
    memset(rooms + now->n_rooms, 0, (size_t)(count - now->n_rooms) * sizeof(room));
    now->rooms = rooms;
    now->n_rooms = count;
    return 0;
}

void *gradc_room(gradc_frame *frame, int number, int64_t bytes)
{
    running *now = frame->host;
    bytes = bytes > 0 ? (bytes + 63) & ~(int64_t)63 : bytes < 0 ? -1 : 64;
    if (bytes < 0 || have_rooms(now, number + 1))
        return NULL;
    room *r = &now->rooms[number];
    if (r->block && bytes <= r->bytes)
        return r->block;
    const int64_t more = r->bytes + r->bytes / 2;       /* steps that need a little more each: not all of them pay */
    gradc_keep_room(r->block, r->bytes);
    r->block = gradc_take_room(bytes > more ? bytes : more, &r->bytes);
    if (!r->block && bytes < more)
        r->block = gradc_take_room(bytes, &r->bytes);
    if (!r->block)
        r->bytes = 0;
    return r->block;
}

void gradc_free_rooms(running *now)
{
    if (!now->rooms)
        return;
    for (int k = 0; k < now->n_rooms; ++k)
        gradc_keep_room(now->rooms[k].block, now->rooms[k].bytes);
    free(now->rooms);
    gradc_rooms_kept();
}

/* Why there is none, the unit's check says. */
void *gradc_late_output(gradc_frame *frame, int number, const int64_t *shape)
{
    running *now = frame->host;
    Function *self = now->function;
    const output *out = &self->outputs[number];
    memcpy(frame->shapes + out->first, shape, (size_t)out->ndim * sizeof(int64_t));
    PyEval_RestoreThread(now->state);
    int rc = gradc_take_output(self, now->w, number);
    if (rc)
        PyErr_Clear();
    now->state = PyEval_SaveThread();
    return rc ? NULL : now->w->out_data[number];
}
