/* Permuted doubles of gcc 12.2 at -O3 -mavx512f -mavx512vl: of VEC_PERM_EXPR <a, a, {1, 1, 2, 4, 4, 5, 7, 7}> it makes
 * `vpermilpd $243`, which leaves element 3 below the middle.  Right with -mprefer-vector-width=256. */
#include <stdint.h>

enum { ROWS = 16 };

__attribute__((noinline)) static void tested(double *restrict y, const double *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        const double a = x[3 * i], b = x[3 * i + 1], c = x[3 * i + 2];
        y[3 * i] = a * a + b * a + c * a;
        y[3 * i + 1] = a * b + b * b + c * b;
        y[3 * i + 2] = a * c + b * c + c * c;
    }
}

int main(void)
{
    double x[3 * ROWS], y[3 * ROWS];
    for (int k = 0; k < 3 * ROWS; ++k)
        x[k] = k * 37 % 101 - 50;
    tested(y, x, ROWS);
    for (int k = 0; k < 3 * ROWS; ++k) {
        const volatile double *row = x + k / 3 * 3;     /* one by one; small integers, so that sums are exact */
        if (y[k] != (row[0] + row[1] + row[2]) * x[k])
            return 1;
    }
    return 0;
}
