/* Loops with a recurrence: likelihoods and a network, each with its gradient by a hand-written reverse loop. */
#include <stdlib.h>
#include <string.h>

#include "hand.h"

/* GARCH(1,1): h' = omega + alpha r^2 + beta h, h0 = omega / (1 - alpha - beta), loss 1/2 sum(log h + r^2 / h). */
void hand_garch(const double *restrict r, const double *restrict parameters, double *restrict loss,
                double *restrict gradient, int64_t n)
{
    const double omega = parameters[0], alpha = parameters[1], beta = parameters[2];
    const double rest = 1.0 - alpha - beta;
    double *const h = malloc(2 * (size_t)n * sizeof *h), *const slope = h + n;
    h[0] = omega / rest;
    for (int64_t t = 1; t < n; ++t)
        h[t] = (omega + alpha * (r[t - 1] * r[t - 1])) + beta * h[t - 1];
    double total = 0.0;
#pragma omp simd reduction(+ : total)
    for (int64_t t = 0; t < n; ++t) {
        const double inverse = 1.0 / h[t], q = r[t] * r[t] * inverse;
        total += log(h[t]) + q;
        slope[t] = 0.5 * (inverse - q * inverse);
    }
    double g = 0.0, g_omega = 0.0, g_alpha = 0.0, g_beta = 0.0;
    for (int64_t t = n - 1; t > 0; --t) {
        g = slope[t] + beta * g;
        g_omega += g;
        g_alpha += g * (r[t - 1] * r[t - 1]);
        g_beta += g * h[t - 1];
    }
    g = slope[0] + beta * g;
    loss[0] = 0.5 * total;
    gradient[0] = g_omega + g / rest;
    gradient[1] = g_alpha + g * h[0] / rest;
    gradient[2] = g_beta + g * h[0] / rest;
    free(h);
}

/* Local level: v = y - a, F = P + R, k = P / F, a' = a + k v, P' = P (1 - k) + Q, loss 1/2 sum(log F + v^2 / F). */
void hand_kalman(const double *restrict y, const double *restrict logs, double *restrict loss,
                 double *restrict gradient, int64_t n)
{
    const double q = exp(logs[0]), r = exp(logs[1]);
    double *const stored = malloc(3 * (size_t)n * sizeof *stored);
    double *const vs = stored, *const fs = stored + n, *const ks = stored + 2 * n;
    double a = 0.0, p = 10.0, total = 0.0;
    for (int64_t t = 0; t < n; ++t) {
        const double v = y[t] - a, f = p + r, k = p / f;
        vs[t] = v, fs[t] = f, ks[t] = k;
        a += k * v;
        p = p * (1.0 - k) + q;
    }
#pragma omp simd reduction(+ : total)
    for (int64_t t = 0; t < n; ++t)
        total += log(fs[t]) + vs[t] * vs[t] / fs[t];
    double ga = 0.0, gp = 0.0, gq = 0.0, gr = 0.0;
    for (int64_t t = n - 1; t >= 0; --t) {
        const double v = vs[t], f = fs[t], k = ks[t], before = f - r;
        const double gk = ga * v - gp * before, inverse = 1.0 / f, e = v * inverse;
        const double gf = 0.5 * (inverse - e * e) - gk * k * inverse;
        gq += gp;
        gr += gf;
        gp = gp * (1.0 - k) + gk * inverse + gf;
        ga = ga * (1.0 - k) - e;
    }
    loss[0] = 0.5 * total;
    gradient[0] = gq * q;
    gradient[1] = gr * r;
    free(stored);
}

/* x' = a x (1 - x), `steps` times: the last x. */
void hand_recurrence(const double *restrict a, const double *restrict x0, double *restrict last, int64_t steps)
{
    double x = x0[0];
    for (int64_t t = 0; t < steps; ++t)
        x = a[0] * x * (1.0 - x);
    last[0] = x;
}

/* The same, and the derivatives of the last x by a and x0. */
void hand_recurrence_gradient(const double *restrict a, const double *restrict x0, double *restrict last,
                              double *restrict gradient, int64_t steps)
{
    double *const xs = malloc(((size_t)steps + 1) * sizeof *xs);
    xs[0] = x0[0];
    for (int64_t t = 0; t < steps; ++t)
        xs[t + 1] = a[0] * xs[t] * (1.0 - xs[t]);
    double g = 1.0, ga = 0.0;
    for (int64_t t = steps - 1; t >= 0; --t) {
        ga += g * xs[t] * (1.0 - xs[t]);
        g *= a[0] * (1.0 - 2.0 * xs[t]);
    }
    last[0] = xs[steps];
    gradient[0] = ga;
    gradient[1] = g;
    free(xs);
}

/* h' = tanh(x W + h U + b) for `batch` rows of N units, loss 1/2 sum(h^2) / steps, gradients in W, U, b. */
enum { N = 32 };        /* known when compiled, so that a row of sums stays in registers */

static void forward(const double *restrict x, const double *restrict h, const double *restrict w,
                    const double *restrict u, const double *restrict b, double *restrict next)
{
    double sum[N];
    for (int64_t j = 0; j < N; ++j)
        sum[j] = b[j];
    for (int64_t i = 0; i < N; ++i)
        for (int64_t j = 0; j < N; ++j)
            sum[j] += x[i] * w[i * N + j] + h[i] * u[i * N + j];
    for (int64_t j = 0; j < N; ++j)
        next[j] = tanh(sum[j]);
}

static void backward(const double *restrict x, const double *restrict h, const double *restrict after,
                     const double *restrict u, double *restrict g, double *restrict gw, double *restrict gu,
                     double *restrict gb, double scale)
{
    double z[N];
    for (int64_t j = 0; j < N; ++j)
        z[j] = (g[j] + scale * after[j]) * (1.0 - after[j] * after[j]);
    for (int64_t i = 0; i < N; ++i) {
        double sum = 0.0;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < N; ++j) {
            gw[i * N + j] += x[i] * z[j];
            gu[i * N + j] += h[i] * z[j];
            sum += u[i * N + j] * z[j];
        }
        g[i] = sum;
    }
    for (int64_t j = 0; j < N; ++j)
        gb[j] += z[j];
}

void hand_rnn(const double *restrict x, const double *restrict w, const double *restrict u, const double *restrict b,
              double *restrict loss, double *restrict gw, double *restrict gu, double *restrict gb, int64_t steps,
              int64_t batch)
{
    const int64_t size = batch * N;
    double *const hs = calloc((size_t)((steps + 1) * size), sizeof *hs);        /* h before step t is row t */
    double *const g = calloc((size_t)size, sizeof *g);
    double total = 0.0;
    for (int64_t t = 0; t < steps; ++t)
        for (int64_t row = 0; row < size; row += N)
            forward(x + t * size + row, hs + t * size + row, w, u, b, hs + (t + 1) * size + row);
#pragma omp simd reduction(+ : total)
    for (int64_t k = size; k < (steps + 1) * size; ++k)
        total += hs[k] * hs[k];
    loss[0] = 0.5 * total / (double)steps;
    memset(gw, 0, N * N * sizeof *gw);
    memset(gu, 0, N * N * sizeof *gu);
    memset(gb, 0, N * sizeof *gb);
    for (int64_t t = steps - 1; t >= 0; --t)
        for (int64_t row = 0; row < size; row += N)
            backward(x + t * size + row, hs + t * size + row, hs + (t + 1) * size + row, u, g + row, gw, gu, gb,
                     1.0 / (double)steps);
    free(hs);
    free(g);
}
