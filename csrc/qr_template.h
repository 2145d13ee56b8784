/* qr_template.h: orthogonal and triangular factors for one type T; see linalg.c.  Where the matrix is large LAPACK
 * finds them, else Householder's reflections (G. Golub, C. Van Loan, Matrix Computations, 5.2). */

/* The reflection 1 - factor v v^H, whose adjoint turns column j of a (m x n) from row j on into a real multiple of a unit
 * vector: v (of which the first element is 1) and the multiple stand in the column. */
static T NAME(reflection)(int64_t m, int64_t n, int64_t j, T *a)
{
    double most = 0, sum = 0;
    for (int64_t i = j + 1; i < m; ++i)
        most = MODULUS(a[i * n + j]) > most ? MODULUS(a[i * n + j]) : most;
    const T first = a[j * n + j];
    if ((most == 0 && first == RE(first)) || j >= m)
        return 0;
    most = MODULUS(first) > most ? MODULUS(first) : most;
    for (int64_t i = j; i < m; ++i)
        sum += SQUARE(a[i * n + j] / most);
    const double made = -copysign(most * sqrt(sum), (double)RE(first));
    for (int64_t i = j + 1; i < m; ++i)
        a[i * n + j] = (T)(a[i * n + j] / (first - made));
    a[j * n + j] = (T)made;
    return (T)((made - first) / made);
}

/* That reflection of the columns from `from` on of x (m x columns), which may be a: `from` is above j then. */
static void NAME(reflect)(int64_t m, int64_t n, int64_t j, const T *a, T factor, int64_t from, int64_t columns, T *x,
                          T *restrict sums)
{
    for (int64_t c = from; c < columns; ++c)
        sums[c] = x[j * columns + c];
    for (int64_t i = j + 1; i < m; ++i)
        for (int64_t c = from; c < columns; ++c)
            sums[c] += CONJ(a[i * n + j]) * x[i * columns + c];
    for (int64_t c = from; c < columns; ++c)
        x[j * columns + c] -= factor * sums[c];
    for (int64_t i = j + 1; i < m; ++i) {
        const T by = factor * a[i * n + j];
        for (int64_t c = from; c < columns; ++c)
            x[i * columns + c] -= by * sums[c];
    }
}

/* q (m x k) and r (k x n), k = min(m, n); numbers: m, n.  For LAPACK, which counts by columns, that is an LQ. */
int NAME(QR)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    int64_t m = numbers[0], n = numbers[1], k = m < n ? m : n, fault = 0;
    T room[512], *q = out[0], *r = out[1];
    int64_t length = 32 * (m > n ? m : n);
    T *a = work_memory(room, sizeof room, (size_t)(m * n + k + length) * sizeof(T));
    if (!a)
        return GRADC_NO_MEMORY;
    T *factors = a + m * n, *work = factors + k;
    if (!NAME(all_finite)(m * n, in[0])) {
        for (int64_t i = 0; i < m * k; ++i)
            q[i] = NAN;
        for (int64_t i = 0; i < k * n; ++i)
            r[i] = i % n < i / n ? 0 : (T)NAN;
        work_done(room, a);
        return 0;
    }
    int bits, more;
    void *find = k ? lapack(frame, TEXT("", "gelqf_"), m < n ? n : m, &bits) : NULL;
    void *make = find ? lapack(frame, TEXT("", ORTHOGONAL_NAME "glq_"), m < n ? n : m, &more) : NULL;
    memcpy(a, in[0], (size_t)(m * n) * sizeof(T));
    if (make)
        ((void (*)(const int64_t *, const int64_t *, T *, const int64_t *, T *, T *, const int64_t *, int64_t *))find)(
            &n, &m, a, &n, factors, work, &length, &fault);
    for (int64_t j = 0; !make && j < k; ++j) {
        factors[j] = NAME(reflection)(m, n, j, a);
        NAME(reflect)(m, n, j, a, CONJ(factors[j]), j + 1, n, a, work);
    }
    for (int64_t i = 0; i < k; ++i)
        for (int64_t j = 0; j < n; ++j)
            r[i * n + j] = j < i ? 0 : a[i * n + j];
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < k; ++j)
            q[i * k + j] = make ? a[i * n + j] : i == j;
    if (make)
        ((void (*)(const int64_t *, const int64_t *, const int64_t *, T *, const int64_t *, const T *, T *,
                   const int64_t *, int64_t *))make)(&k, &m, &k, q, &k, factors, work, &length, &fault);
    for (int64_t j = k - 1; !make && j >= 0; --j)
        NAME(reflect)(m, n, j, a, factors[j], j, k, q, work);
    work_done(room, a);
    return 0;
}
