/* Calls each build of each unit on the same inputs and prints where an output is not what the first build gives.
 * Included by a file that defines `units` (written by builds.py); no C library beyond stdio, stdlib and string. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gradc_runtime.h>

enum kind { BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F32, F64 };
static const int item[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8};

typedef struct {
    const char *name;
    int (*prepare)(gradc_frame *), (*entry)(gradc_frame *);
} build;

typedef struct {
    const char *name;
    int inputs, outputs, builds;
    const int *input_kinds, *output_kinds, *output_ranks;
    const int64_t *counts;          /* elements of each input */
    const int64_t *sizes;           /* of all inputs */
    int64_t known;                  /* what prepare leaves for entry */
    const build *build;
} unit;

static uint64_t state;
static unsigned draw(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 40);
}

/* Multiples of 1/8 between -8 and 8, many of them zero: sums and products of a few are exact. */
static void fill(void *data, int kind, int64_t count)
{
    for (int64_t k = 0; k < count; ++k) {
        const unsigned r = draw();
        const int eighths = r % 7 == 0 ? 0 : (int)(r / 7 % 129) - 64;
        switch (kind) {
        case BOOL: ((uint8_t *)data)[k] = r / 7 % 2; break;
        case I8: case U8: ((uint8_t *)data)[k] = (uint8_t)(kind == I8 ? eighths : abs(eighths)); break;
        case I16: case U16: ((uint16_t *)data)[k] = (uint16_t)(kind == I16 ? eighths : abs(eighths)); break;
        case I32: case U32: ((uint32_t *)data)[k] = (uint32_t)(kind == I32 ? eighths : abs(eighths)); break;
        case I64: case U64: ((uint64_t *)data)[k] = (uint64_t)(int64_t)(kind == I64 ? eighths : abs(eighths)); break;
        case F32: ((float *)data)[k] = (float)eighths / 8; break;
        default: ((double *)data)[k] = eighths / 8.0;
        }
    }
}

/* Equal, both nan, or as near as two right orders of rounding are. */
static int same(const char *a, const char *b, int kind)
{
    if (kind < F32)
        return memcmp(a, b, (size_t)item[kind]) == 0;
    double x, y;
    if (kind == F32) {
        float u, v;
        memcpy(&u, a, sizeof u);
        memcpy(&v, b, sizeof v);
        x = u;
        y = v;
    } else {
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
    }
    if (x == y || (x != x && y != y))
        return 1;
    const double near = (kind == F32 ? 0x1p-20 : 0x1p-46) * (fabs(x) > 1 ? fabs(x) : 1);
    return fabs(x - y) <= near;
}

static int serial(gradc_frame *frame, gradc_section section, const void *context, int64_t blocks, int64_t grain)
{
    (void)grain;
    return section(frame, context, 0, blocks);
}

static void *memory(int64_t bytes)      /* with as much behind it that no input reads */
{
    void *got = aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64);
    memset(got, 0x7b, (size_t)(bytes + 127) / 64 * 64);
    return got;
}

enum { ROOMS = 64 };
typedef struct {
    const unit *unit;
    char **outputs;                 /* of this build */
    void *rooms[ROOMS];
    int64_t room_bytes[ROOMS];
} host;

static void *room(gradc_frame *frame, int number, int64_t bytes)
{
    host *h = frame->host;
    if (number >= ROOMS || bytes < 0)
        return NULL;
    if (!h->rooms[number] || bytes > h->room_bytes[number]) {
        free(h->rooms[number]);
        h->rooms[number] = memory(bytes);
        h->room_bytes[number] = bytes;
    }
    return h->rooms[number];
}

static int64_t count_of(const unit *u, const int64_t *shapes, int number)
{
    int64_t count = 1;
    for (int k = 0; k < number; ++k)
        shapes += u->output_ranks[k];
    for (int axis = 0; axis < u->output_ranks[number]; ++axis)
        count *= shapes[axis];
    return count;
}

static void *late_output(gradc_frame *frame, int number, const int64_t *shape)
{
    host *h = frame->host;
    int64_t *to = frame->shapes;
    for (int k = 0; k < number; ++k)
        to += h->unit->output_ranks[k];
    memcpy(to, shape, sizeof *to * (size_t)h->unit->output_ranks[number]);
    return h->outputs[number] = memory(count_of(h->unit, frame->shapes, number) * item[h->unit->output_kinds[number]]);
}

static int run(const unit *u, uint64_t seed)
{
    int faults = 0;
    void **inputs = malloc(sizeof *inputs * (size_t)(u->inputs + 1));
    char **outputs = malloc(sizeof *outputs * (size_t)(2 * u->outputs));
    int ranks = 0;
    for (int k = 0; k < u->outputs; ++k)
        ranks += u->output_ranks[k];
    int64_t *shapes = calloc(2 * (size_t)(ranks + 1), sizeof *shapes);      /* of the first build, of another */
    state = seed;
    for (int k = 0; k < u->inputs; ++k) {
        inputs[k] = memory(u->counts[k] * 8);
        fill(inputs[k], u->input_kinds[k], u->counts[k]);
    }
    for (int b = 0; b < u->builds; ++b) {
        char **mine = outputs + (b ? u->outputs : 0);
        int64_t *sizes = shapes + (b ? ranks : 0);
        host h = {.unit = u, .outputs = mine};
        gradc_frame frame = {.inputs = (const void *const *)inputs, .sizes = u->sizes, .shapes = sizes,
                             .known = memory(u->known * 8), .parallel = serial, .room = room, .output = late_output,
                             .host = &h};
        int status = u->build[b].prepare(&frame);
        for (int k = 0, at = 0; k < u->outputs && !status; at += u->output_ranks[k++])
            mine[k] = u->output_ranks[k] && sizes[at] == GRADC_LATE ? NULL
                : memory(count_of(u, sizes, k) * item[u->output_kinds[k]]);
        frame.arena = memory(frame.arena_bytes);
        frame.outputs = (void *const *)mine;
        if (!status)
            status = u->build[b].entry(&frame);
        if (status) {
            printf("FAULT %s %s status %d\n", u->name, u->build[b].name, status);
            return 1;
        }
        free(frame.arena);
        free(frame.known);
        for (int k = 0; k < ROOMS; ++k)
            free(h.rooms[k]);
        for (int k = 0, at = 0; k < u->outputs && b; at += u->output_ranks[k++]) {
            const int kind = u->output_kinds[k];
            int64_t count = count_of(u, sizes, k), element = 0;
            if (memcmp(shapes + at, sizes + at, sizeof *sizes * (size_t)u->output_ranks[k]))
                count = element = -1;
            while (element < count && same(outputs[k] + element * item[kind], mine[k] + element * item[kind], kind))
                ++element;
            if (element < count || element < 0) {
                printf("FAULT %s %s output %d element %ld\n", u->name, u->build[b].name, k, (long)element);
                ++faults;
            }
            free(mine[k]);
        }
    }
    for (int k = 0; k < u->inputs; ++k)
        free(inputs[k]);
    for (int k = 0; k < u->outputs; ++k)
        free(outputs[k]);
    free(inputs);
    free(outputs);
    free(shapes);
    return faults;
}

extern const unit units[];
extern const int unit_count;

int main(void)
{
    int faults = 0;
    for (int k = 0; k < unit_count; ++k)
        for (uint64_t seed = 1; seed <= 2; ++seed)
            faults += run(&units[k], seed);
    printf("%d units, %d faults\n", unit_count, faults);
    return faults != 0;
}
