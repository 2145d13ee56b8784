/* linalg_template.h: the routines of linalg.c for one type T.  BLAS(x) and TEXT(a, b) put its letter into names. */

int NAME(GEMM)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t m = numbers[0], k = numbers[1], n = numbers[2], *a = numbers + 3, *b = numbers + 5;
    frame->blas->BLAS(gemm)((int)a[0], (int)b[0], m, n, k, 1, in[0], a[1], in[1], b[1], 0, out[0], n);
    return 0;
}

/* x = op(a)^-1 x, a being m x m, x m x n in one piece. */
static void NAME(solve)(int upper, int unit, int trans, int64_t m, int64_t n, const T *a, int64_t lda, T *x)
{
    const int64_t row = trans ? 1 : lda, column = trans ? lda : 1;
    for (int64_t k = 0; k < m; ++k) {
        const int64_t i = upper ? m - 1 - k : k, first = upper ? i + 1 : 0, last = upper ? m : i;
        T *restrict to = x + i * n;
        for (int64_t j = first; j < last; ++j) {
            const T factor = a[i * row + j * column];
            const T *restrict from = x + j * n;
            for (int64_t c = 0; c < n; ++c)
                to[c] -= factor * from[c];
        }
        if (!unit)
            for (int64_t c = 0; c < n; ++c)
                to[c] /= a[i * row + i * column];
    }
}

/* numbers: is it the upper triangle, are 1s on the diagonal; m, n; trans and step of the matrix. */
int NAME(SOLVE_TRIANGULAR)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers,
                           void *const *out)
{
    (void)number;
    const int unit = (int)numbers[1], trans = (int)numbers[4], upper = (int)numbers[0];
    const int64_t m = numbers[2], n = numbers[3], lda = numbers[5];
    const T *a = in[0];
    for (int64_t i = 0; !unit && i < m; ++i)
        if (a[i * (lda + 1)] == 0) {
            frame->error[0] = i;
            return 1;
        }
    if (out[0] != in[1])
        memcpy(out[0], in[1], (size_t)(m * n) * sizeof(T));
    int bits = 0;
    void *found = m > SMALL && n ? frame->blas->find(TEXT("cblas_", "trsm"), &bits) : NULL;
    const int uplo = upper != trans ? UPPER : LOWER, op = trans ? TRANS : NO_TRANS, diagonal = unit ? UNIT : NON_UNIT;
    if (found && bits == 64)
        ((void (*)(int, int, int, int, int, int64_t, int64_t, T, const T *, int64_t, T *, int64_t))found)(
            ROW_MAJOR, LEFT, uplo, op, diagonal, m, n, 1, a, lda, out[0], n);
    else if (found && m <= INT_MAX && n <= INT_MAX && lda <= INT_MAX)
        ((void (*)(int, int, int, int, int, int, int, T, const T *, int, T *, int))found)(
            ROW_MAJOR, LEFT, uplo, op, diagonal, (int)m, (int)n, 1, a, (int)lda, out[0], (int)n);
    else
        NAME(solve)(upper, unit, trans, m, n, a, lda, out[0]);
    return 0;
}

/* Of the lower triangle of n x n; nan, and status 1, where the matrix is not positive definite. */
int NAME(CHOLESKY)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    int64_t n = numbers[0], fault = 0;
    T *l = memmove(out[0], in[0], (size_t)(n * n) * sizeof(T));
    void (*found)(const char *, const int64_t *, T *, const int64_t *, int64_t *, size_t);
    *(void **)&found = lapack(frame, TEXT("", "potrf_"), n);
    if (found)
        found("U", &n, l, &n, &fault, 1);           /* the upper triangle by columns */
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; !found && j <= i; ++j) {
            for (int64_t k = 0; k < j; ++k)
                l[i * n + j] -= l[i * n + k] * l[j * n + k];
            l[i * n + j] = j < i ? l[i * n + j] / l[j * n + j] : (T)sqrt(l[i * n + i]);
        }
        fault |= !(l[i * n + i] > 0);
        memset(l + i * (n + 1) + 1, 0, (size_t)(n - 1 - i) * sizeof(T));
    }
    for (int64_t i = 0; fault && i < n * n; ++i)
        l[i] = NAN;
    return fault != 0;
}
