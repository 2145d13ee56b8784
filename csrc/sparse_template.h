/* sparse_template.h: the products of sparse.c for one type T of elements; undefines what it is given.
 *
 * A: the type of sums, unsigned for integers, so that they wrap.  The loops are compiled for each of some numbers n of
 * columns of the dense matrix (`OF_WIDTH`), so that what belongs to a row of it is in registers. */

/* Columns first..first + width - 1 of a product, of n columns. */
LOOPS int NAME(panel)(int width, gradc_frame *frame, rows of, const T *restrict data, const T *restrict x, int64_t m,
                      int64_t n, int64_t first, T *restrict out)
{
    for (int64_t i = 0; i < of.count; ++i) {
        A sum[WIDEST];
        for (int c = 0; c < width; ++c)
            sum[c] = 0;
        for (int32_t k = of.begin[i]; k < of.end[i]; ++k) {
            const int64_t j = of.indices[k];
            if (UNLIKELY((uint64_t)j >= (uint64_t)m))
                return outside(frame, j, m);
            const A a = (A)data[k];
            fetch(&of, k, x + first, n * (int64_t)sizeof(T), width * (int64_t)sizeof(T));
            for (int c = 0; c < width; ++c)
                sum[c] += a * (A)x[j * n + first + c];
        }
        for (int c = 0; c < width; ++c)
            out[i * n + first + c] = (T)sum[c];
    }
    return 0;
}

/* The matrix, or the transposed one, times a vector: m is the size of what indices look up. */
LOOPS int NAME(times_vector)(int transposed, gradc_frame *frame, rows of, const T *restrict data, const T *restrict x,
                             int64_t m, T *restrict out)
{
    for (int64_t i = 0; i < of.count; ++i) {
        A sum = 0;
        const A factor = transposed ? (A)x[i] : 0;
        fetch_entries(of.indices, data, of.begin[i], (int64_t)sizeof(T));
        for (int32_t k = of.begin[i]; k < of.end[i]; ++k) {
            const int64_t j = of.indices[k];
            if (UNLIKELY((uint64_t)j >= (uint64_t)m))
                return outside(frame, j, m);
            if (transposed)
                out[j] = (T)((A)out[j] + (A)data[k] * factor);
            else
                sum += (A)data[k] * (A)x[j];
        }
        if (!transposed)
            out[i] = (T)sum;
    }
    return 0;
}

/* The matrix times a dense one, m rows of n columns.  numbers: rows, entries, m, n. */
GRADC_CLONES int NAME(CSR_DOT)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers,
                               void *const *out)
{
    (void)number;
    const int64_t m = numbers[2], n = numbers[3];
    rows of;
    int status = rows_of(frame, in, numbers, &of);
    if (status)
        return status;
    if (n == 1)
        return NAME(times_vector)(0, frame, of, in[3], in[4], m, out[0]);
    int64_t first = 0;
    for (; !status && first + WIDEST <= n; first += WIDEST)
        status = NAME(panel)(WIDEST, frame, of, in[3], in[4], m, n, first, out[0]);
    for (; !status && first + 4 <= n; first += 4)
        status = NAME(panel)(4, frame, of, in[3], in[4], m, n, first, out[0]);
    if (!status && first + 2 <= n) {
        status = NAME(panel)(2, frame, of, in[3], in[4], m, n, first, out[0]);
        first += 2;
    }
    if (!status && first < n)
        status = NAME(panel)(1, frame, of, in[3], in[4], m, n, first, out[0]);
    return n ? status : checked(frame, of, m);
}

LOOPS int NAME(scattered)(int64_t n, gradc_frame *frame, rows of, const T *restrict data, const T *restrict y, int64_t m,
                          T *restrict made)
{
    for (int64_t i = 0; i < of.count; ++i)
        for (int32_t k = of.begin[i]; k < of.end[i]; ++k) {
            const int64_t j = of.indices[k];
            if (UNLIKELY((uint64_t)j >= (uint64_t)m))
                return outside(frame, j, m);
            const A a = (A)data[k];
            fetch(&of, k, made, n * (int64_t)sizeof(T), n * (int64_t)sizeof(T));
            for (int64_t c = 0; c < n; ++c)
                made[j * n + c] = (T)((A)made[j * n + c] + a * (A)y[i * n + c]);
        }
    return 0;
}

/* The transposed matrix times a dense one of n columns: m rows.  numbers: rows, entries, n, m. */
GRADC_CLONES int NAME(CSR_TRANSPOSED_DOT)(gradc_frame *frame, int number, const void *const *in,
                                          const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t n = numbers[2], m = numbers[3];
    rows of;
    const int status = rows_of(frame, in, numbers, &of);
    if (status)
        return status;
    memset(out[0], 0, (size_t)(m * n) * sizeof(T));
    if (n == 1)
        return NAME(times_vector)(1, frame, of, in[3], in[4], m, out[0]);
    OF_WIDTH(n, return NAME(scattered), frame, of, in[3], in[4], m, out[0])
}

LOOPS int NAME(sampled)(int64_t n, gradc_frame *frame, rows of, const T *restrict u, const T *restrict v, int64_t m,
                        T *restrict made)
{
    for (int64_t i = 0; i < of.count; ++i)
        for (int32_t k = of.begin[i]; k < of.end[i]; ++k) {
            const int64_t j = of.indices[k];
            if (UNLIKELY((uint64_t)j >= (uint64_t)m))
                return outside(frame, j, m);
            fetch(&of, k, v, n * (int64_t)sizeof(T), n * (int64_t)sizeof(T));
            A sum[LANES] = {0}, total = 0;
            int64_t c = 0;
            for (; c + LANES <= n; c += LANES)
                for (int lane = 0; lane < LANES; ++lane)
                    sum[lane] += (A)u[i * n + c + lane] * (A)v[j * n + c + lane];
            for (; c < n; ++c)
                total += (A)u[i * n + c] * (A)v[j * n + c];
            if (n >= LANES)
                total += ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
            made[k] = (T)(of.whole ? total : (A)made[k] + total);
        }
    return 0;
}

/* For each entry the product of row i of one matrix and row j of another, both of n columns.  numbers: rows, entries, n,
 * rows of the other matrix. */
GRADC_CLONES int NAME(CSR_SAMPLED_DOT)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers,
                                       void *const *out)
{
    (void)number;
    const int64_t n = numbers[2], m = numbers[3];
    rows of;
    const int status = rows_of(frame, in, numbers, &of);
    if (status)
        return status;
    if (!of.whole)
        memset(out[0], 0, (size_t)numbers[1] * sizeof(T));
    OF_WIDTH(n, return NAME(sampled), frame, of, in[3], in[4], m, out[0])
}

#undef T
#undef A
#undef NAME
