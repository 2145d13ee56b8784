/* Indexing by arrays: the log posterior of a hierarchical regression with its gradient, and rows of an embedding. */
#include "hand.h"

/* r = (y - a[county] - b floor) / s, z = (a - mu) / t; the gradients by a, b, mu, log s and log t. */
void hand_houses(const double *restrict a, const double *restrict b, const double *restrict mu,
                 const double *restrict log_s, const double *restrict log_t, const int64_t *restrict county,
                 const double *restrict floor, const double *restrict y, double *restrict value, double *restrict by_a,
                 double *restrict by_b, double *restrict by_mu, double *restrict by_s, double *restrict by_t, int64_t n,
                 int64_t m)
{
    const double over_s = 1.0 / exp(*log_s), over_t = 1.0 / exp(*log_t);
    double rr = 0.0, rf = 0.0, zz = 0.0, zs = 0.0;
    for (int64_t j = 0; j < m; ++j)
        by_a[j] = 0.0;
    for (int64_t i = 0; i < n; ++i) {
        const double r = (y[i] - a[county[i]] - *b * floor[i]) * over_s;
        rr += r * r;
        rf += r * floor[i];
        by_a[county[i]] += r * over_s;
    }
    for (int64_t j = 0; j < m; ++j) {
        const double z = (a[j] - *mu) * over_t;
        zz += z * z;
        zs += z;
        by_a[j] -= z * over_t;
    }
    *value = -0.5 * (rr + zz + *b * *b + *mu * *mu + *log_s * *log_s + *log_t * *log_t) - (double)n * *log_s
             - (double)m * *log_t;
    *by_b = rf * over_s - *b;
    *by_mu = zs * over_t - *mu;
    *by_s = rr - (double)n - *log_s;
    *by_t = zz - (double)m - *log_t;
}

/* 1/2 mean((table[tokens] - target)^2), and its gradient by the table. */
void hand_embedding(const float *restrict table, const int64_t *restrict tokens, const float *restrict target,
                    float *restrict loss, float *restrict slope, int64_t n, int64_t words, int64_t width)
{
    const float over = 1.0f / (float)(n * width);
    double total = 0.0;
    for (int64_t k = 0; k < words * width; ++k)
        slope[k] = 0.0f;
    for (int64_t i = 0; i < n; ++i) {
        const float *restrict row = table + tokens[i] * width;
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < width; ++j) {
            const float d = row[j] - target[i * width + j];
            sum += d * d;
            slope[tokens[i] * width + j] += d * over;
        }
        total += (double)sum;
    }
    *loss = (float)(0.5 * total * (double)over);
}
