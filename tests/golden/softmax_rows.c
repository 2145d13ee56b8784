/* gradc  function: softmax_rows
 *
 * program (x: f64[?,?]) ->
 *   v1: f64[?]   = max[1](x)
 *   v2: f64[?,1] = dimshuffle(0, x)(v1)
 *   v3: f64[?,?] = sub(x, v2)
 *   v4: f64[?,?] = exp(v3)
 *   v5: f64[?]   = sum[1](v4)
 *   v6: f64[?,1] = dimshuffle(0, x)(v5)
 *   y: f64[?,?]  = true_divide(v4, v6)
 *   return y
 */
#include <gradc_runtime.h>
#include <gradc_sizes.h>
#include <gradc_math.h>

typedef struct {
    int64_t x_n1;
    int64_t stride;
    int64_t x_n0;
    int64_t bytes;
    char *slot[1];      /* of the arena, once there is one */
} sizes;

/* Sizes from the inputs' shapes and integer scalars; checks that they fit. */
static int measure(gradc_frame *frame, sizes *sz)
{
    const int64_t x_n0 = frame->sizes[0];
    const int64_t x_n1 = frame->sizes[1];
    if (!(x_n1 > 0)) {
        return 1;
    }
    const int64_t stride = gradc_size_add(x_n1, 7) & (-8);
    const int64_t bytes = gradc_size_mul(128, stride);
    sz->x_n1 = x_n1;
    sz->x_n0 = x_n0;
    sz->stride = stride;
    sz->bytes = bytes;
    return 0;
}

/* ---- max, exp, sum, y    reads x exp_v    writes exp_v y ---- */
static GRADC_NOINLINE GRADC_WIDE void section_1_loop(double *restrict exp_v, double *restrict y,
    const double *restrict x, int64_t x_n1, int64_t lo, int64_t hi)
{
    for (int64_t i = lo; i < hi; ++i) {
        double max = (-(double)INFINITY);
        if (x_n1 <= 8) {
            for (int64_t j = 0; j < x_n1; ++j) {
                const double x_j = x[x_n1 * i + j];
                max = gradc_maximum_f64(max, x_j);
            }
        } else {
            double max_lanes[32];
            for (int lane = 0; lane < 32; ++lane)
                max_lanes[lane] = (-(double)INFINITY);
            int64_t j_base = 0;
            for (; j_base + 32 <= x_n1; j_base += 32)
                for (int64_t lane = 0; lane < 32; ++lane) {
                    const int64_t j = j_base + lane;
                    const double x_j = x[x_n1 * i + j];
                    max_lanes[lane] = gradc_maximum_f64(max_lanes[lane], x_j);
                }
            for (int64_t lane = 0; j_base + lane < x_n1; ++lane) {
                const int64_t j = j_base + lane;
                const double x_j = x[x_n1 * i + j];
                max_lanes[lane] = gradc_maximum_f64(max_lanes[lane], x_j);
            }
            for (int half = 16; half > 0; half /= 2)
                for (int lane = 0; lane < half; ++lane)
                    max_lanes[lane] = gradc_maximum_f64(max_lanes[lane], max_lanes[lane + half]);
            max = max_lanes[0];
        }
        double sum = 0.0;
        if (x_n1 <= 8) {
            for (int64_t j = 0; j < x_n1; ++j) {
                const double x_j_2 = x[x_n1 * i + j];
                const double sub = x_j_2 - max;
                const double exp_j = exp(sub);
                exp_v[j] = exp_j;
                sum = sum + exp_j;
            }
        } else {
            double sum_lanes[32];
            for (int lane = 0; lane < 32; ++lane)
                sum_lanes[lane] = 0.0;
            int64_t j_base_2 = 0;
            for (; j_base_2 + 32 <= x_n1; j_base_2 += 32)
                for (int64_t lane = 0; lane < 32; ++lane) {
                    const int64_t j = j_base_2 + lane;
                    const double x_j_2 = x[x_n1 * i + j];
                    const double sub = x_j_2 - max;
                    const double exp_j = exp(sub);
                    exp_v[j] = exp_j;
                    sum_lanes[lane] = sum_lanes[lane] + exp_j;
                }
            for (int64_t lane = 0; j_base_2 + lane < x_n1; ++lane) {
                const int64_t j = j_base_2 + lane;
                const double x_j_2 = x[x_n1 * i + j];
                const double sub = x_j_2 - max;
                const double exp_j = exp(sub);
                exp_v[j] = exp_j;
                sum_lanes[lane] = sum_lanes[lane] + exp_j;
            }
            for (int half = 16; half > 0; half /= 2)
                for (int lane = 0; lane < half; ++lane)
                    sum_lanes[lane] = sum_lanes[lane] + sum_lanes[lane + half];
            sum = sum_lanes[0];
        }
        for (int64_t j = 0; j < x_n1; ++j) {
            const double exp_j_2 = exp_v[j];
            const double y_j = exp_j_2 / sum;
            y[x_n1 * i + j] = y_j;
        }
    }
}

static void section_1(void *const *arrays, const int64_t *numbers, int64_t block, int64_t lo, int64_t hi)
{
    section_1_loop((void *)((char *)arrays[0] + block * numbers[1]), arrays[1], arrays[2], numbers[0], lo,
        hi);
}

int gradc_prepare(gradc_frame *frame)
{
    sizes *const sz = frame->known;
    int status = measure(frame, sz);
    if (status)
        return status;
    frame->shapes[0] = sz->x_n0;
    frame->shapes[1] = sz->x_n1;
    frame->arena_bytes = sz->bytes;
    return 0;
}

int gradc_entry(gradc_frame *frame)
{
    sizes *const sz = frame->known;
    sz->slot[0] = frame->arena;
    /* max, exp, sum, y */
    gradc_run(frame, section_1, (void *const[]){(void *)sz->slot[0], frame->outputs[0],
        (void *)frame->inputs[0]}, (const int64_t[]){sz->x_n1, sz->stride * 8}, sz->x_n0, sz->x_n1, 1, 16,
        2.81);
    return 0;
}
