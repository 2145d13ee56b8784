/* Gradient of sum(1 / (1 + exp(-x))): s (1 - s) in each element. */
#include "hand.h"

void hand_logistic_f64(const double *restrict x, double *restrict out, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        const double s = 1.0 / (1.0 + exp(-x[i]));
        out[i] = s * (1.0 - s);
    }
}

void hand_logistic_f32(const float *restrict x, float *restrict out, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        const float s = 1.0f / (1.0f + expf(-x[i]));
        out[i] = s * (1.0f - s);
    }
}
