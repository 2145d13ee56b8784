/* Masked loads of gcc 12.2 (bug 114375) at -O3 -mavx2: the load of v stands in a branch, in vectors it becomes a masked
 * load, and what puts the columns of a row in the reverse order is dropped.  Right with -fno-tree-loop-if-convert. */
#include <stdint.h>

enum { ROWS = 8, COLUMNS = 4 };

__attribute__((noinline)) static void tested(int32_t *restrict y, const int32_t *restrict x, const int32_t *restrict v)
{
    for (int64_t i = 0; i < ROWS; ++i)
        for (int64_t k = 0; k < COLUMNS; ++k)
            y[k] += x[COLUMNS * i + k] > 0 ? v[COLUMNS * i + COLUMNS - 1 - k] : 0;
}

int main(void)
{
    int32_t x[ROWS * COLUMNS], v[ROWS * COLUMNS], y[COLUMNS] = {0}, want[COLUMNS] = {0};
    for (int k = 0; k < ROWS * COLUMNS; ++k) {
        x[k] = k % 3 - 1;
        v[k] = k;
    }
    tested(y, x, v);
    for (int i = 0; i < ROWS; ++i)
        for (int k = 0; k < COLUMNS; ++k) {
            const volatile int32_t *from = v;       /* one by one */
            if (x[COLUMNS * i + k] > 0)
                want[k] += from[COLUMNS * i + COLUMNS - 1 - k];
        }
    for (int k = 0; k < COLUMNS; ++k)
        if (y[k] != want[k])
            return 1;
    return 0;
}
