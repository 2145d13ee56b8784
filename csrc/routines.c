/* routines.c: what units call by frame->routines, by number.  The arguments are laid out as gradc_runtime.h says. */
#include "private.h"

#define GEMM(letter, T, name) \
    static int name(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out) \
    { \
        (void)number; \
        frame->blas->letter##gemm((int)numbers[3], (int)numbers[5], numbers[0], numbers[2], numbers[1], 1, in[0], \
                                  numbers[4], in[1], numbers[6], 0, out[0], numbers[2]); \
        return 0; \
    }
GEMM(d, double, gemm_f64)
GEMM(s, float, gemm_f32)

static int draw(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    return gradc_draw(frame, number, in, numbers, out);
}

#define DRAW(name) [GRADC_##name] = draw,
const gradc_routine gradc_routines[GRADC_ROUTINES] = {
    GRADC_DISTRIBUTIONS(DRAW)
    [GRADC_GEMM_F64] = gemm_f64, [GRADC_GEMM_F32] = gemm_f32,
};
