/* The 20-op chain of benchmarks/workloads/chain.py: value and gradients in a, b, c, in one pass.
 *
 * Derived by hand, backwards; g_k is the derivative of the loss by t_k. */
#include "hand.h"

#define CHAIN(NAME, POWER_15)                                                                                       \
    void NAME(const double *restrict a, const double *restrict b, const double *restrict c, double *restrict loss, \
              double *restrict ga, double *restrict gb, double *restrict gc, int64_t n)                            \
    {                                                                                                               \
        double sum = 0.0;                                                                                           \
        _Pragma("omp simd reduction(+ : sum)") for (int64_t i = 0; i < n; ++i)                                      \
        {                                                                                                           \
            const double t1 = exp(-0.5 * a[i] * a[i]);                                                              \
            const double b2 = 1.0 + b[i] * b[i];                                                                    \
            const double t2 = log(b2);                                                                              \
            const double t3 = tanh(c[i] * t1);                                                                      \
            const double t4 = sqrt(t2 + 1.0 + t3 * t3);                                                             \
            const double u = 1.0 + t1 * t2;                                                                         \
            const double t5 = POWER_15(u);                                                                          \
            const double r4 = 1.0 / (t4 + 2.0), q4 = 1.0 / (t4 + 1.0);                                              \
            const double t6 = a[i] * r4;                                                                            \
            const double e6 = exp(-t6);                                                                             \
            const double t7 = e6 * t3 - t5 * q4;                                                                    \
            const double e7 = exp(0.1 * t7);                                                                        \
            const double w = t5 + e7;                                                                               \
            const double t8 = log(w);                                                                               \
            sum += t8 * t7 + t6 * b[i];                                                                             \
            const double gw = t7 / w;                                                                               \
            const double g7 = t8 + 0.1 * e7 * gw;                                                                   \
            const double g6 = b[i] - g7 * e6 * t3;                                                                  \
            const double g5 = gw - g7 * q4;                                                                         \
            const double g4 = g7 * t5 * q4 * q4 - g6 * t6 * r4;                                                     \
            const double half = 0.5 * g4 / t4;                                                                      \
            const double g3 = g7 * e6 + 2.0 * half * t3;                                                            \
            const double gu = 1.5 * g5 * sqrt(u);                                                                   \
            const double g2 = half + gu * t1;                                                                       \
            const double gx = g3 * (1.0 - t3 * t3);                                                                 \
            const double g1 = gx * c[i] + gu * t2;                                                                  \
            ga[i] = g6 * r4 - g1 * t1 * a[i];                                                                       \
            gb[i] = t6 + 2.0 * g2 * b[i] / b2;                                                                      \
            gc[i] = gx * t1;                                                                                        \
        }                                                                                                           \
        *loss = sum;                                                                                                \
    }

#define BY_POW(u) pow(u, 1.5)
#define BY_SQRT(u) ((u)*sqrt(u))

CHAIN(hand_chain, BY_POW)
CHAIN(hand_chain_sqrt, BY_SQRT)
