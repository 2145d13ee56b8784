/* Logistic regression: one training step, and the gradient over many rows; one pass over the matrix each.
 *
 * A row is read twice, the second time from the first-level cache: once for its product with the weights, once
 * to add it to the gradient. */
#include <stdlib.h>

#include "hand.h"

/* Four rows together: four independent sums, so that additions do not wait for each other. */
static void products(const double *restrict rows, const double *restrict w, double *restrict z, int64_t m)
{
    double z0 = 0.0, z1 = 0.0, z2 = 0.0, z3 = 0.0;
#pragma omp simd reduction(+ : z0, z1, z2, z3)
    for (int64_t j = 0; j < m; ++j) {
        z0 += rows[j] * w[j];
        z1 += rows[m + j] * w[j];
        z2 += rows[2 * m + j] * w[j];
        z3 += rows[3 * m + j] * w[j];
    }
    z[0] = z0, z[1] = z1, z[2] = z2, z[3] = z3;
}

/* Here too: the gradient is loaded and stored once for four rows. */
static void add_rows(const double *restrict rows, const double *restrict d, double *restrict g, int64_t m)
{
    for (int64_t j = 0; j < m; ++j)
        g[j] += (d[0] * rows[j] + d[1] * rows[m + j]) + (d[2] * rows[2 * m + j] + d[3] * rows[3 * m + j]);
}

/* p = 1/(1+exp(-(x w + b))), entropy = -y log p - (1-y) log(1-p), loss = mean(entropy) + 0.01 sum(w^2);
 * w and b take one step of length 0.1 down the gradient; n must be divisible by 4. */
void hand_step(const double *restrict x, const double *restrict y, double *restrict w, double *restrict b,
               int8_t *restrict prediction, double *restrict entropy, double *restrict g, int64_t n, int64_t m)
{
    double z[4], d[4], gb = 0.0;
    for (int64_t j = 0; j < m; ++j)
        g[j] = 0.0;
    for (int64_t i = 0; i < n; i += 4) {
        products(x + i * m, w, z, m);
        for (int64_t k = 0; k < 4; ++k) {
            z[k] += *b;
            /* -log p = log1p(exp(-z)), -log(1-p) = z - log p */
            const double e = exp(-fabs(z[k])), l = log1p(e);
            const double p = z[k] >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
            const double minus_log_p = z[k] >= 0.0 ? l : l - z[k];
            entropy[i + k] = minus_log_p + (1.0 - y[i + k]) * z[k];
            prediction[i + k] = p > 0.5;
            d[k] = (p - y[i + k]) / (double)n;
        }
        gb += (d[0] + d[1]) + (d[2] + d[3]);
        add_rows(x + i * m, d, g, m);
    }
    for (int64_t j = 0; j < m; ++j)
        w[j] -= 0.1 * (g[j] + 0.02 * w[j]);
    *b -= 0.1 * gb;
}

/* g = x' (p - y) / n with p = 1/(1+exp(-x w)); n must be divisible by 4. */
void hand_regression(const double *restrict x, const double *restrict y, const double *restrict w, double *restrict g,
                     int64_t n, int64_t m)
{
    double z[4], d[4];
    for (int64_t j = 0; j < m; ++j)
        g[j] = 0.0;
    for (int64_t i = 0; i < n; i += 4) {
        products(x + i * m, w, z, m);
        for (int64_t k = 0; k < 4; ++k)
            d[k] = (1.0 / (1.0 + exp(-z[k])) - y[i + k]) / (double)n;
        add_rows(x + i * m, d, g, m);
    }
}
