/* Derivatives of Rosenbrock's chained function sum 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2. */
#include "hand.h"

/* The Hessian is tridiagonal: 1200 x[i]^2 - 400 x[i+1] + 2 (and 200) on the diagonal, -400 x[i] beside it. */
void hand_rosenbrock_product(const double *restrict x, const double *restrict v, double *restrict out, int64_t n)
{
    out[0] = (1200.0 * x[0] * x[0] - 400.0 * x[1] + 2.0) * v[0] - 400.0 * x[0] * v[1];
    for (int64_t i = 1; i < n - 1; ++i)
        out[i] = (1200.0 * x[i] * x[i] - 400.0 * x[i + 1] + 202.0) * v[i] - 400.0 * (x[i - 1] * v[i - 1] + x[i] * v[i + 1]);
    out[n - 1] = 200.0 * v[n - 1] - 400.0 * x[n - 2] * v[n - 2];
}
