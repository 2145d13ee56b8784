/* routines.c: the table behind frame->routines, and what runs them for each index of a batch. */
#include "private.h"

static int draw(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    return gradc_draw(frame, number, in, numbers, out);
}

static int draw_vectors(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    return gradc_draw_vectors(frame, number, in, numbers, out);
}

#define DRAW_VECTORS(name) [GRADC_##name] = draw_vectors,
#define DRAW(name, parameters) [GRADC_##name] = draw,
#define OF_FLOATS(name) [GRADC_##name##_F32] = gradc_##name##_F32, [GRADC_##name##_F64] = gradc_##name##_F64,
#define OF_TYPE(name, type) [GRADC_##name##_##type] = gradc_##name##_##type,
#define OF_REALS(name) GRADC_OF_TYPES(OF_TYPE, name)
#define OF_ONE_DTYPE(name) [GRADC_##name] = gradc_##name,
const gradc_routine gradc_routines[GRADC_ROUTINES] = {
    GRADC_DISTRIBUTIONS(DRAW) GRADC_DRAWS_OF_VECTORS(DRAW_VECTORS) GRADC_OF_FLOATS(OF_FLOATS) GRADC_OF_REALS(OF_REALS)
    GRADC_OF_ONE_DTYPE(OF_ONE_DTYPE)};

/* What takes several indices of a batch at once, and how many. */
#define SIDE(name) \
    [GRADC_##name##_F32] = {gradc_##name##_SIDE_F32, GRADC_SIDE_BY_SIDE}, \
    [GRADC_##name##_F64] = {gradc_##name##_SIDE_F64, GRADC_SIDE_BY_SIDE},
#define ROWS(name) \
    [GRADC_##name##_F32] = {gradc_##name##_SIDE_F32, GRADC_ROWS_F32}, \
    [GRADC_##name##_F64] = {gradc_##name##_SIDE_F64, GRADC_ROWS_F64},
static const struct {
    gradc_side run;
    int64_t most;
} side_by_side[GRADC_ROUTINES] = {GRADC_HAVE_SIDE(SIDE) GRADC_HAVE_ROWS(ROWS)};

enum { MOST_ARRAYS = 8 };

int gradc_run_each(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out,
                   const int64_t *steps, int arguments, int results, int64_t *index, int64_t last)
{
    const gradc_side side = side_by_side[number].run;
    const int64_t most = side ? side_by_side[number].most : 1;
    const char *from[MOST_ARRAYS];
    char *to[MOST_ARRAYS];
    for (int k = 0; k < arguments; ++k)
        from[k] = in[k];
    for (int k = 0; k < results; ++k)
        to[k] = out[k];
    while (*index < last) {
        const int64_t rest = last - *index, count = rest < most ? rest : most;
        const int together = count > 1
                             && side(count, (const void *const *)from, numbers, (void *const *)to, steps);
        for (int64_t c = 0; c < count; ++c, ++*index) {
            const int status = together ? 0 : gradc_routines[number](frame, number, (const void *const *)from, numbers,
                                                                     (void *const *)to);
            if (status)
                return status;
            for (int k = 0; k < arguments; ++k)
                from[k] += steps[k];
            for (int k = 0; k < results; ++k)
                to[k] += steps[arguments + k];
        }
    }
    return 0;
}
