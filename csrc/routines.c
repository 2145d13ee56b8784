/* routines.c: the table behind frame->routines. */
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
