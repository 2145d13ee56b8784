/* functions_template.h: functions of whole matrices, and equations with them, for one type T; see linalg.c. */

/* c = op(a) op(b), in one piece each; op(a) is m x k, op(b) is k x n. */
static void NAME(times)(gradc_frame *frame, int ta, int tb, int64_t m, int64_t n, int64_t k, const T *a, const T *b,
                        T *c)
{
    NAME(product)(frame, ta, tb, m, n, k, a, ta ? m : k, b, tb ? k : n, c);
}

/* The pseudo-inverse of m x n, of which singular values up to in[1] times the largest count as 0. */
int NAME(PINV)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t m = numbers[0], n = numbers[1], k = m < n ? m : n;
    T room[512];
    T *u = work_memory(room, sizeof room, (size_t)(k * (m + n + 1)) * sizeof(T));
    if (!u)
        return GRADC_NO_MEMORY;
    T *v = u + m * k;
    PART *s = (PART *)(v + k * n);
    const int status = NAME(singular_values)(frame, m, n, in[0], u, s, v);
    for (int64_t i = 0; !status && i < k; ++i)
        NAME(scale)(n, s[i] > *(const PART *)in[1] * s[0] ? 1 / s[i] : 0, v + i * n, 1);
    if (!status)
        NAME(times)(frame, ADJOINT, ADJOINT, n, m, k, v, u, out[0]);
    work_done(room, u);
    return status;
}

/* N. Higham, The scaling and squaring method for the matrix exponential revisited, SIAM J. Matrix Anal. Appl. 26
 * (2005): the Pade approximant of degree 13. */
int NAME(EXPM)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    static const double b[] = {64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800,
                               129060195264000, 10559470521600, 670442572800, 33522128640, 1323241920, 40840800,
                               960960, 16380, 182, 1};
    const int64_t n = numbers[0], size = n * n;
    if (!NAME(all_finite)(size, in[0]))
        return 1;
    T room[512], *made = out[0];
    int64_t *swaps = work_memory(room, sizeof room, (size_t)(6 * size) * sizeof(T) + (size_t)n * sizeof(int64_t));
    if (!swaps)
        return GRADC_NO_MEMORY;
    T *a = (T *)(swaps + n), *a2 = a + size, *a4 = a2 + size, *a6 = a4 + size, *u = a6 + size, *v = u + size;
    double norm = 0;
    memcpy(a, in[0], (size_t)size * sizeof(T));
    for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t i = 0; i < n; ++i)
            sum += MODULUS(a[i * n + j]);
        norm = sum > norm ? sum : norm;
    }
    int halvings = 0;
    frexp(norm / 5.371920351148152, &halvings);
    halvings = halvings > 0 ? halvings : 0;
    NAME(scale)(size, (PART)ldexp(1, -halvings), a, 1);
    NAME(times)(frame, 0, 0, n, n, n, a, a, a2);
    NAME(times)(frame, 0, 0, n, n, n, a2, a2, a4);
    NAME(times)(frame, 0, 0, n, n, n, a4, a2, a6);
    for (int64_t i = 0; i < size; ++i)
        v[i] = (T)(b[13] * a6[i] + b[11] * a4[i] + b[9] * a2[i]);
    NAME(times)(frame, 0, 0, n, n, n, a6, v, made);
    for (int64_t i = 0; i < size; ++i)
        made[i] += (T)(b[7] * a6[i] + b[5] * a4[i] + b[3] * a2[i] + (i % (n + 1) ? 0 : b[1]));
    NAME(times)(frame, 0, 0, n, n, n, a, made, u);
    for (int64_t i = 0; i < size; ++i)
        made[i] = (T)(b[12] * a6[i] + b[10] * a4[i] + b[8] * a2[i]);
    NAME(times)(frame, 0, 0, n, n, n, a6, made, v);
    for (int64_t i = 0; i < size; ++i) {
        v[i] += (T)(b[6] * a6[i] + b[4] * a4[i] + b[2] * a2[i] + (i % (n + 1) ? 0 : b[0]));
        made[i] = v[i] + u[i];
        v[i] -= u[i];
    }
    NAME(LU)(frame, number, (const void *const[]){v}, numbers, (void *const[]){v, swaps});
    NAME(solved_by_lu)(frame, 0, n, n, v, swaps, made);
    for (; halvings; --halvings) {
        memcpy(a, made, (size_t)size * sizeof(T));
        NAME(times)(frame, 0, 0, n, n, n, a, a, made);
    }
    work_done(room, swaps);
    return 0;
}

#if !IS_COMPLEX
/* v f(w) v^T of a symmetric matrix with eigenvalues w; numbers: is f the log, or the square root; n. */
int NAME(OF_SPECTRUM)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t n = numbers[1];
    T room[512];
    T *w = work_memory(room, sizeof room, (size_t)(n + 2 * n * n) * sizeof(T));
    if (!w)
        return GRADC_NO_MEMORY;
    T *v = w + n, *scaled = v + n * n;
    int status = NAME(eigen)(frame, n, in[0], w, v);
    const T slack = n ? -(T)(n * EPSILON * fabs((double)w[n - 1])) : 0;
    if (!status && n && (numbers[0] ? !(w[0] > 0) : !(w[0] >= slack)))
        status = 2;
    for (int64_t i = 0; !status && i < n; ++i)
        w[i] = (T)(numbers[0] ? log((double)w[i]) : sqrt(w[i] > 0 ? (double)w[i] : 0));
    for (int64_t i = 0; !status && i < n * n; ++i)
        scaled[i] = v[i] * w[i % n];
    if (!status)
        NAME(times)(frame, 0, 1, n, n, n, scaled, v, out[0]);
    work_done(room, w);
    return status;
}

#endif

/* Elimination in a band, with interchanges of rows.  Of the matrix a[i][j] stands at [u + i - j][j] of in[1], which has
 * d rows; in[0]: how many diagonals are below the first one.  numbers: d, m, n. */
int NAME(SOLVE_BANDED)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t m = numbers[1], n = numbers[2], low = *(const int64_t *)in[0], high = numbers[0] - 1 - low;
    const int64_t width = 2 * low + high + 1;          /* row i: columns i - low to i + low + high */
    const T *given = in[1];
    T room[512], *x = memmove(out[0], in[2], (size_t)(m * n) * sizeof(T));
    T *a = work_memory(room, sizeof room, (size_t)(m * width) * sizeof(T));
    if (!a)
        return GRADC_NO_MEMORY;
    memset(a, 0, (size_t)(m * width) * sizeof(T));
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = i > low ? i - low : 0; j < m && j <= i + high; ++j)
            a[i * width + j - i + low] = given[(high + i - j) * m + j];
    int status = 0;
    for (int64_t k = 0; k < m; ++k) {
        const int64_t last = k + low < m - 1 ? k + low : m - 1, end = k + low + high < m - 1 ? k + low + high : m - 1;
        int64_t best = k;
        for (int64_t i = k + 1; i <= last; ++i)
            best = MAGNITUDE(a[i * width + k - i + low]) > MAGNITUDE(a[best * width + k - best + low]) ? i : best;
        T *row = a + k * width + low - k, *other = a + best * width + low - best;       /* by columns of the matrix */
        for (int64_t j = k; best != k && j <= end; ++j) {
            const T kept = row[j];
            row[j] = other[j];
            other[j] = kept;
        }
        for (int64_t c = 0; best != k && c < n; ++c) {
            const T kept = x[k * n + c];
            x[k * n + c] = x[best * n + c];
            x[best * n + c] = kept;
        }
        if (row[k] == 0) {
            frame->error[0] = k;
            status = 1;
            break;
        }
        for (int64_t i = k + 1; i <= last; ++i) {
            T *to = a + i * width + low - i;
            const T factor = to[k] / row[k];
            for (int64_t j = k + 1; j <= end; ++j)
                to[j] -= factor * row[j];
            for (int64_t c = 0; c < n; ++c)
                x[i * n + c] -= factor * x[k * n + c];
        }
    }
    for (int64_t k = m - 1; !status && k >= 0; --k) {
        const T *row = a + k * width + low - k;
        for (int64_t j = k + 1; j < m && j <= k + low + high; ++j)
            for (int64_t c = 0; c < n; ++c)
                x[k * n + c] -= row[j] * x[j * n + c];
        for (int64_t c = 0; c < n; ++c)
            x[k * n + c] /= row[k];
    }
    work_done(room, a);
    return status;
}

/* a x + x b = q as one system of m n unknowns. */
static int NAME(kronecker)(gradc_frame *frame, int64_t m, int64_t n, const T *a, const T *b, T *x)
{
    const int64_t size = m * n;
    if (size > INT32_MAX)               /* its square elements are more than there can be */
        return GRADC_NO_MEMORY;
    T room[512];
    int64_t *swaps = work_memory(room, sizeof room, (size_t)(size * size) * sizeof(T) + (size_t)size * sizeof(int64_t));
    if (!swaps)
        return GRADC_NO_MEMORY;
    T *whole = memset(swaps + size, 0, (size_t)(size * size) * sizeof(T));
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
            T *row = whole + (i * n + j) * size;
            for (int64_t k = 0; k < m; ++k)
                row[k * n + j] += a[i * m + k];
            for (int64_t k = 0; k < n; ++k)
                row[i * n + k] += b[k * n + j];
        }
    NAME(LU)(frame, 0, (const void *const[]){whole}, &size, (void *const[]){whole, swaps});
    const int status = NAME(singular)(frame, size, whole, size);
    if (!status)
        NAME(solved_by_lu)(frame, 0, size, 1, whole, swaps, x);
    work_done(room, swaps);
    return status;
}

/* Of the transpose of a, which LAPACK sees, a becomes the triangular factor, and v the vectors, as rows; work: `length`
 * elements behind 2 n others.  Returns LAPACK's status. */
static int64_t NAME(schur)(void *gees, int64_t n, T *a, T *v, T *work, int64_t length)
{
    int64_t fault = 0, none = 0;
#if IS_COMPLEX
    ((void (*)(const char *, const char *, void *, const int64_t *, T *, const int64_t *, int64_t *, T *, T *,
               const int64_t *, T *, const int64_t *, void *, void *, int64_t *, size_t, size_t))gees)(
        "V", "N", NULL, &n, a, &n, &none, work, v, &n, work + 2 * n, &length, work + n, NULL, &fault, 1, 1);
#else
    ((void (*)(const char *, const char *, void *, const int64_t *, T *, const int64_t *, int64_t *, T *, T *, T *,
               const int64_t *, T *, const int64_t *, void *, int64_t *, size_t, size_t))gees)(
        "V", "N", NULL, &n, a, &n, &none, work, work + n, v, &n, work + 2 * n, &length, NULL, &fault, 1, 1);
#endif
    return fault;
}

/* x of a x + x b = q: R. Bartels, G. Stewart, Solution of the matrix equation AX + XB = C, CACM 15 (1972).  LAPACK,
 * which counts by columns, solves b^T x^T + x^T a^T = q^T.  numbers: m, n. */
int NAME(SYLVESTER)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    typedef void triangular(const char *, const char *, const int64_t *, const int64_t *, const int64_t *, const T *,
                            const int64_t *, const T *, const int64_t *, T *, const int64_t *, PART *, int64_t *,
                            size_t, size_t);
    int64_t m = numbers[0], n = numbers[1], most = m > n ? m : n, fault = 0, one = 1;
    if (!NAME(all_finite)(m * m, in[0]) || !NAME(all_finite)(n * n, in[1]) || !NAME(all_finite)(m * n, in[2]))
        return 1;
    T *x = memmove(out[0], in[2], (size_t)(m * n) * sizeof(T));
    PART scale = 1;
    int bits, more;
    void *gees = m * n > 16 ? any_lapack(frame, TEXT("", "gees_"), most, &bits) : NULL;
    void *trsyl = gees ? any_lapack(frame, TEXT("", "trsyl_"), most, &more) : NULL;
    if (!trsyl) {
        const int found = NAME(kronecker)(frame, m, n, in[0], in[1], x);
        return found == 1 ? 2 : found;
    }
    int64_t length = 40 * most;
    T *a = malloc((size_t)(2 * m * m + 2 * n * n + m * n + 2 * most + length) * sizeof(T));
    if (!a)
        return GRADC_NO_MEMORY;
    T *va = a + m * m, *b = va + m * m, *vb = b + n * n, *half = vb + n * n, *values = half + m * n;
    memcpy(a, in[0], (size_t)(m * m) * sizeof(T));
    memcpy(b, in[1], (size_t)(n * n) * sizeof(T));
    fault = NAME(schur)(gees, m, a, va, values, length);
    if (!fault)
        fault = NAME(schur)(gees, n, b, vb, values, length);
    int status = fault ? 1 : 0;
    if (!status) {
        NAME(times)(frame, 0, 0, m, n, m, va, x, half);
        NAME(times)(frame, 0, ADJOINT, m, n, n, half, vb, x);
        ((triangular *)trsyl)("N", "N", &one, &n, &m, b, &n, a, &m, x, &n, &scale, &fault, 1, 1);
        status = fault ? 2 : 0;
        NAME(scale)(m * n, 1 / scale, x, 1);
        NAME(times)(frame, ADJOINT, 0, m, n, m, va, x, half);
        NAME(times)(frame, 0, 0, m, n, n, half, vb, x);
    }
    free(a);
    return status;
}

/* The stabilizing x of x = a^H x a - a^H x b (r + b^H x b)^-1 b^H x a + q, by doubling: E. Chu, H. Fan, W. Lin, C.
 * Wang, Structure-preserving algorithms for periodic discrete-time algebraic Riccati equations (2004).
 * numbers: m, n. */
int NAME(RICCATI)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t m = numbers[0], n = numbers[1], size = m * m, more = m > n ? m : n;
    if (!NAME(all_finite)(size, in[0]) || !NAME(all_finite)(m * n, in[1]) || !NAME(all_finite)(size, in[2])
        || !NAME(all_finite)(n * n, in[3]))
        return 1;
    T room[512], *x = memmove(out[0], in[2], (size_t)size * sizeof(T));
    int64_t *swaps = work_memory(room, sizeof room, (size_t)more * sizeof(int64_t)
                                                        + (size_t)(7 * size + n * n + m * n) * sizeof(T));
    if (!swaps)
        return GRADC_NO_MEMORY;
    T *a = (T *)(swaps + more), *g = a + size, *w = g + size, *va = w + size, *vg = va + size, *half = vg + size;
    T *step = half + size, *r = step + size, *rb = r + n * n;
    memcpy(a, in[0], (size_t)size * sizeof(T));
    memcpy(r, in[3], (size_t)(n * n) * sizeof(T));
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < m; ++j)
            rb[i * m + j] = CONJ(((const T *)in[1])[j * n + i]);
    NAME(LU)(frame, 0, (const void *const[]){r}, &n, (void *const[]){r, swaps});
    int status = NAME(singular)(frame, n, r, n) ? 2 : 0, moving = 1;
    if (!status) {
        NAME(solved_by_lu)(frame, 0, n, m, r, swaps, rb);
        NAME(times)(frame, 0, 0, m, m, n, in[1], rb, g);
    }
    for (int count = 0; !status && moving && m; ++count) {
        NAME(times)(frame, 0, 0, m, m, m, g, x, w);
        for (int64_t i = 0; i < m; ++i)
            w[i * (m + 1)] += 1;
        NAME(LU)(frame, 0, (const void *const[]){w}, &m, (void *const[]){w, swaps});
        memcpy(va, a, (size_t)size * sizeof(T));
        memcpy(vg, g, (size_t)size * sizeof(T));
        NAME(solved_by_lu)(frame, 0, m, m, w, swaps, va);
        NAME(solved_by_lu)(frame, 0, m, m, w, swaps, vg);
        NAME(times)(frame, 0, 0, m, m, m, x, va, half);
        NAME(times)(frame, ADJOINT, 0, m, m, m, a, half, step);
        double most = 0, moved = 0;
        for (int64_t i = 0; i < size; ++i) {
            x[i] += step[i];
            most = MODULUS(x[i]) > most ? MODULUS(x[i]) : most;
            moved = MODULUS(step[i]) > moved ? MODULUS(step[i]) : moved;
        }
        moving = moved > EPSILON * most;
        if (count == 60 || !NAME(all_finite)(size, x))
            status = 3;
        NAME(times)(frame, 0, 0, m, m, m, a, vg, half);
        NAME(times)(frame, 0, ADJOINT, m, m, m, half, a, step);
        for (int64_t i = 0; i < size; ++i)
            g[i] += step[i];
        NAME(times)(frame, 0, 0, m, m, m, a, va, half);
        memcpy(a, half, (size_t)size * sizeof(T));
    }
    work_done(room, swaps);
    return status;
}
