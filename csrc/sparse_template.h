/* sparse_template.h: the products of sparse.c for one type T of elements; undefines what it is given.
 *
 * A: the type of sums, unsigned for integers, so that they wrap. */

/* Columns first..first + width - 1 of the product of n columns: `width` sums, in registers where it is a number. */
#define PANEL static inline __attribute__((always_inline))
PANEL int NAME(panel)(gradc_frame *frame, rows of, const T *data, const T *x, int64_t m, int64_t n, int64_t first,
                      int width, T *out)
{
    for (int64_t i = 0; i < of.count; ++i) {
        A sum[WIDEST] = {0};
        for (int32_t k = of.begin[i]; k < of.end[i]; ++k) {
            const int64_t j = of.indices[k];
            if (GRADC_UNLIKELY((uint64_t)j >= (uint64_t)m))
                return outside(frame, j, m);
            const A a = (A)data[k];
            const T *row = x + j * n + first;
            for (int c = 0; c < width; ++c)
                sum[c] += a * (A)row[c];
        }
        for (int c = 0; c < width; ++c)
            out[i * n + first + c] = (T)sum[c];
    }
    return 0;
}

/* Rows of the matrix times a dense one, m rows of n columns.  numbers: rows, entries, m, n. */
GRADC_CLONES int NAME(CSR_DOT)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers,
                               void *const *out)
{
    (void)number;
    const int64_t m = numbers[2], n = numbers[3];
    rows of;
    int status = rows_of(frame, in, numbers, &of);
    int64_t first = 0;
    for (; !status && first + WIDEST <= n; first += WIDEST)
        status = NAME(panel)(frame, of, in[3], in[4], m, n, first, WIDEST, out[0]);
    for (; !status && first + 4 <= n; first += 4)
        status = NAME(panel)(frame, of, in[3], in[4], m, n, first, 4, out[0]);
    if (!status && n - first == 3)
        return NAME(panel)(frame, of, in[3], in[4], m, n, first, 3, out[0]);
    if (!status && n - first == 2)
        return NAME(panel)(frame, of, in[3], in[4], m, n, first, 2, out[0]);
    if (!status && n - first == 1)
        return NAME(panel)(frame, of, in[3], in[4], m, n, first, 1, out[0]);
    return status ? status : n ? 0 : checked(frame, of, m);
}

/* The transposed matrix times a dense one of n columns: m rows.  numbers: rows, entries, n, m. */
GRADC_CLONES int NAME(CSR_TRANSPOSED_DOT)(gradc_frame *frame, int number, const void *const *in,
                                          const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t n = numbers[2], m = numbers[3];
    const T *data = in[3], *y = in[4];
    T *made = memset(out[0], 0, (size_t)(m * n) * sizeof(T));
    rows of;
    const int status = rows_of(frame, in, numbers, &of);
    if (status)
        return status;
    for (int64_t i = 0; i < of.count; ++i)
        for (int32_t k = of.begin[i]; k < of.end[i]; ++k) {
            const int64_t j = of.indices[k];
            if (GRADC_UNLIKELY((uint64_t)j >= (uint64_t)m))
                return outside(frame, j, m);
            const A a = (A)data[k];
            if (n == 1)
                made[j] = (T)((A)made[j] + a * (A)y[i]);
            else
                for (int64_t c = 0; c < n; ++c)
                    made[j * n + c] = (T)((A)made[j * n + c] + a * (A)y[i * n + c]);
        }
    return 0;
}

/* For each entry the product of row i of one matrix and row j of another, both of n columns, in `LANES` sums.
 * numbers: rows, entries, n, rows of the other matrix. */
GRADC_CLONES int NAME(CSR_SAMPLED_DOT)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers,
                                       void *const *out)
{
    (void)number;
    const int64_t n = numbers[2], m = numbers[3];
    const T *u = in[3], *v = in[4];
    T *made = memset(out[0], 0, (size_t)numbers[1] * sizeof(T));
    rows of;
    const int status = rows_of(frame, in, numbers, &of);
    if (status)
        return status;
    for (int64_t i = 0; i < of.count; ++i)
        for (int32_t k = of.begin[i]; k < of.end[i]; ++k) {
            const int64_t j = of.indices[k];
            if (GRADC_UNLIKELY((uint64_t)j >= (uint64_t)m))
                return outside(frame, j, m);
            const T *a = u + i * n, *b = v + j * n;
            A sum[LANES] = {0}, total = 0;
            int64_t c = 0;
            for (; c + LANES <= n; c += LANES)
                for (int lane = 0; lane < LANES; ++lane)
                    sum[lane] += (A)a[c + lane] * (A)b[c + lane];
            for (; c < n; ++c)
                total += (A)a[c] * (A)b[c];
            if (n >= LANES)
                for (int lane = 0; lane < LANES; ++lane)
                    total += sum[lane];
            made[k] = (T)((A)made[k] + total);
        }
    return 0;
}

#undef PANEL
#undef T
#undef A
#undef NAME
