/* linalg_template.h: the routines of linalg.c for one type T.  BLAS(x) and TEXT(a, b) put its letter into names. */

/* C = op(A) op(A)^T, m x m: the library makes the lower triangle, in half the time, the upper one is its mirror image.
 * Returns 0, and does nothing, if there is no such function. */
static int NAME(product_with_itself)(const gradc_frame *frame, int trans, int64_t m, int64_t k, const T *a, int64_t lda,
                                     T *c)
{
    int bits = 0;
    void *found = frame->blas->find(TEXT("cblas_", "syrk"), &bits);
    const int op = trans ? TRANS : NO_TRANS;
    if (found && bits == 64)
        ((void (*)(int, int, int, int64_t, int64_t, T, const T *, int64_t, T, T *, int64_t))found)(
            ROW_MAJOR, LOWER, op, m, k, 1, a, lda, 0, c, m);
    else if (found && bits == 32 && m <= INT_MAX && k <= INT_MAX && lda <= INT_MAX)
        ((void (*)(int, int, int, int, int, T, const T *, int, T, T *, int))found)(
            ROW_MAJOR, LOWER, op, (int)m, (int)k, 1, a, (int)lda, 0, c, (int)m);
    else
        return 0;
    for (int64_t rows = 0; rows < m; rows += BLOCK)
        for (int64_t columns = 0; columns <= rows; columns += BLOCK)
            for (int64_t i = rows; i < m && i < rows + BLOCK; ++i)
                for (int64_t j = columns; j < i && j < columns + BLOCK; ++j)
                    c[j * m + i] = c[i * m + j];
    return 1;
}

/* `width` columns of C = op(A) op(B), of which the elements are `row` and `column` apart in A. */
SMALL_LOOP void NAME(columns_of_product)(int64_t width, int64_t m, int64_t k, const T *a, int64_t row, int64_t column,
                                         const T *b, int64_t ldb, T *c, int64_t ldc)
{
    for (int64_t i = 0; i < m; ++i) {
        T sums[8] = {0};
        for (int64_t p = 0; p < k; ++p)
            for (int64_t j = 0; j < width; ++j)
                sums[j] += a[i * row + p * column] * b[p * ldb + j];
        for (int64_t j = 0; j < width; ++j)
            c[i * ldc + j] = sums[j];
    }
}

static GRADC_CLONES_256 void NAME(small_product)(int ta, int tb, int64_t m, int64_t n, int64_t k, const T *a,
                                                 int64_t lda, const T *b, int64_t ldb, T *c)
{
    const int64_t row = ta ? 1 : lda, column = ta ? lda : 1;
    T turned[SMALL_PRODUCT];
    for (int64_t p = 0; tb && p < k; ++p)
        for (int64_t j = 0; j < n; ++j)
            turned[p * n + j] = b[j * ldb + p];
    b = tb ? turned : b;
    ldb = tb ? n : ldb;
    for (int64_t j = 0; j < n; j += 8)
        switch (n - j) {
        case 1: NAME(columns_of_product)(1, m, k, a, row, column, b + j, ldb, c + j, n); break;
        case 2: NAME(columns_of_product)(2, m, k, a, row, column, b + j, ldb, c + j, n); break;
        case 3: NAME(columns_of_product)(3, m, k, a, row, column, b + j, ldb, c + j, n); break;
        case 4: NAME(columns_of_product)(4, m, k, a, row, column, b + j, ldb, c + j, n); break;
        case 5: NAME(columns_of_product)(5, m, k, a, row, column, b + j, ldb, c + j, n); break;
        case 6: NAME(columns_of_product)(6, m, k, a, row, column, b + j, ldb, c + j, n); break;
        case 7: NAME(columns_of_product)(7, m, k, a, row, column, b + j, ldb, c + j, n); break;
        default: NAME(columns_of_product)(8, m, k, a, row, column, b + j, ldb, c + j, n);
        }
}

/* C = op(A) op(B), in one piece; op(A) is m x k, op(B) is k x n. */
static void NAME(product)(gradc_frame *frame, int ta, int tb, int64_t m, int64_t n, int64_t k, const T *a, int64_t lda,
                          const T *b, int64_t ldb, T *c)
{
    if (m <= SMALL && n <= SMALL && k <= SMALL && m * n * k <= SMALL_PRODUCT && k * n <= SMALL_PRODUCT)
        NAME(small_product)(ta, tb, m, n, k, a, lda, b, ldb, c);
    else
        frame->blas->BLAS(gemm)(ta, tb, m, n, k, 1, a, lda, b, ldb, 0, c, n);
}

int NAME(GEMM)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t m = numbers[0], k = numbers[1], n = numbers[2], *a = numbers + 3, *b = numbers + 5;
    const int itself = in[0] == in[1] && m == n && a[0] != b[0] && a[1] == b[1];
    if (itself && m >= SYMMETRIC && m * k >= SYMMETRIC * SYMMETRIC
        && NAME(product_with_itself)(frame, (int)a[0], m, k, in[0], a[1], out[0]))
        return 0;
    NAME(product)(frame, (int)a[0], (int)b[0], m, n, k, in[0], a[1], in[1], b[1], out[0]);
    return 0;
}

/* alpha op(A) op(B) + beta C; factors of 0 are applied, which BLAS does not: 0 nan is nan. */
int NAME(GEMM_ADD)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t m = numbers[0], k = numbers[1], n = numbers[2], *ta = numbers + 3, *tb = numbers + 5;
    const T *a = in[0], *b = in[1], alpha = *(const T *)in[3];
    T *c = out[0], beta = *(const T *)in[4];
    if (c != in[2])
        memcpy(c, in[2], (size_t)(m * n) * sizeof(T));
    for (int64_t i = 0; beta == 0 && i < m * n; ++i)
        c[i] *= beta;
    beta = beta == 0 ? 1 : beta;
    if (alpha != 0) {
        frame->blas->BLAS(gemm)((int)ta[0], (int)tb[0], m, n, k, alpha, a, ta[1], b, tb[1], beta, c, n);
        return 0;
    }
    for (int64_t i = 0; i < m * n; ++i) {
        T sum = 0;
        for (int64_t p = 0; p < k; ++p)
            sum += a[ta[0] ? p * ta[1] + i / n : i / n * ta[1] + p] * b[tb[0] ? i % n * tb[1] + p : p * tb[1] + i % n];
        c[i] = alpha * sum + beta * c[i];
    }
    return 0;
}

/* x = op(a)^-1 x, a being m x m, x m x n in one piece. */
static void NAME(solve)(int upper, int unit, int trans, int64_t m, int64_t n, const T *a, int64_t lda, T *x)
{
    if (n == 1)
        OF_SIZE(m, ONE(substitute), upper, unit, trans, 1, a, lda, x)
    else
        ONE(substitute)(m, upper, unit, trans, n, a, lda, x);
}

/* The same by the library where the matrix is large. */
static void NAME(solved)(gradc_frame *frame, int upper, int unit, int trans, int64_t m, int64_t n, const T *a,
                         int64_t lda, T *x)
{
    int bits = 0;
    void *found = m > SMALL && n ? frame->blas->find(n == 1 ? TEXT("cblas_", "trsv") : TEXT("cblas_", "trsm"), &bits)
                                 : NULL;
    const int uplo = upper != trans ? UPPER : LOWER, op = trans ? TRANS : NO_TRANS, diagonal = unit ? UNIT : NON_UNIT;
    const int fits = bits == 32 && m <= INT_MAX && n <= INT_MAX && lda <= INT_MAX;
    if (found && bits == 64 && n == 1)
        ((void (*)(int, int, int, int, int64_t, const T *, int64_t, T *, int64_t))found)(
            ROW_MAJOR, uplo, op, diagonal, m, a, lda, x, 1);
    else if (found && fits && n == 1)
        ((void (*)(int, int, int, int, int, const T *, int, T *, int))found)(
            ROW_MAJOR, uplo, op, diagonal, (int)m, a, (int)lda, x, 1);
    else if (found && bits == 64)
        ((void (*)(int, int, int, int, int, int64_t, int64_t, T, const T *, int64_t, T *, int64_t))found)(
            ROW_MAJOR, LEFT, uplo, op, diagonal, m, n, 1, a, lda, x, n);
    else if (found && fits)
        ((void (*)(int, int, int, int, int, int, int, T, const T *, int, T *, int))found)(
            ROW_MAJOR, LEFT, uplo, op, diagonal, (int)m, (int)n, 1, a, (int)lda, x, (int)n);
    else
        NAME(solve)(upper, unit, trans, m, n, a, lda, x);
}

/* The first 0 on the diagonal of a matrix of m rows goes to frame->error, and 1 is returned; 0 if there is none. */
static int NAME(singular)(gradc_frame *frame, int64_t m, const T *a, int64_t lda)
{
    for (int64_t i = 0; i < m; ++i)
        if (a[i * (lda + 1)] == 0) {
            frame->error[0] = i;
            return 1;
        }
    return 0;
}

/* numbers: is it the upper triangle, are 1s on the diagonal; m, n; trans and step of the matrix. */
int NAME(SOLVE_TRIANGULAR)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers,
                           void *const *out)
{
    (void)number;
    const int unit = (int)numbers[1];
    const int64_t m = numbers[2], n = numbers[3], lda = numbers[5];
    if (!unit && NAME(singular)(frame, m, in[0], lda))
        return 1;
    if (out[0] != in[1])
        memcpy(out[0], in[1], (size_t)(m * n) * sizeof(T));
    NAME(solved)(frame, (int)numbers[0], unit, (int)numbers[4], m, n, in[0], lda, out[0]);
    return 0;
}

/* Of the lower triangle of n x n; nan, and status 1, where the matrix is not positive definite, 2 where it has nan.
 * numbers: are these no errors; n. */
int NAME(CHOLESKY)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    int64_t n = numbers[1], stopped = 0;
    int bits;
    T pivot = 1, *l = memmove(out[0], in[0], (size_t)(n * n) * sizeof(T));
    void (*found)(const char *, const int64_t *, T *, const int64_t *, int64_t *, size_t);
    *(void **)&found = lapack(frame, TEXT("", "potrf_"), n, &bits);
    if (found)
        found("U", &n, l, &n, &stopped, 1);         /* the upper triangle by columns */
    else
        OF_SIZE(n, ONE(factor), l, &pivot)
    for (int64_t i = 0; found && i < n; ++i) {
        pivot = pivot > 0 ? l[i * (n + 1)] : pivot;         /* not all LAPACKs stop at nan */
        memset(l + i * (n + 1) + 1, 0, (size_t)(n - 1 - i) * sizeof(T));
    }
    const int fault = pivot > 0 ? stopped != 0 : pivot == pivot ? 1 : 2;
    for (int64_t i = 0; fault && i < n * n; ++i)
        l[i] = NAN;
    return numbers[0] ? 0 : fault;
}

/* x = x d^-1, d being lower triangular, m x m; x is n x m.  Steps of `step`. */
static void NAME(right_solved)(gradc_frame *frame, int64_t m, int64_t n, const T *d, T *x, int64_t step)
{
    int bits = 0;
    void *found = frame->blas->find(TEXT("cblas_", "trsm"), &bits);
    if (found && bits == 64)
        ((void (*)(int, int, int, int, int, int64_t, int64_t, T, const T *, int64_t, T *, int64_t))found)(
            ROW_MAJOR, RIGHT, LOWER, NO_TRANS, NON_UNIT, n, m, 1, d, step, x, step);
    else if (found && m <= INT_MAX && n <= INT_MAX && step <= INT_MAX)
        ((void (*)(int, int, int, int, int, int, int, T, const T *, int, T *, int))found)(
            ROW_MAJOR, RIGHT, LOWER, NO_TRANS, NON_UNIT, (int)n, (int)m, 1, d, (int)step, x, (int)step);
    else
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = m - 1; j >= 0; --j) {
                const T value = x[i * step + j] /= d[j * (step + 1)];
                for (int64_t k = 0; k < j; ++k)
                    x[i * step + k] -= value * d[j * step + k];
            }
}

/* The same in blocks of rows: chol_blocked_rev. */
int NAME(CHOLESKY_BACK)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t n = numbers[0];
    const T *l = in[0];
    T *g = memmove(out[0], in[1], (size_t)(n * n) * sizeof(T)), square[BLOCK * BLOCK];
    if (n <= BLOCK)
        OF_SIZE(n, ONE(factor_back), n, l, g)
    for (int64_t last = n > BLOCK ? n : 0; last > 0; last -= BLOCK) {
        const int64_t j = last > BLOCK ? last - BLOCK : 0, m = last - j, below = n - last;
        const T *r = l + j * n, *d = r + j, *b = l + last * n, *c = b + j;
        T *to_r = g + j * n, *to_d = to_r + j, *to_b = g + last * n, *to_c = to_b + j;
        NAME(right_solved)(frame, m, below, d, to_c, n);
        frame->blas->BLAS(gemm)(0, 0, below, j, m, -1, to_c, n, r, n, 1, to_b, n);
        frame->blas->BLAS(gemm)(1, 0, m, m, below, -1, to_c, n, c, n, 1, to_d, n);
        ONE(factor_back)(m, n, d, to_d);
        for (int64_t i = 0; i < m; ++i)
            for (int64_t k = 0; k < m; ++k)
                square[i * m + k] = k < i ? to_d[i * n + k] : k > i ? to_d[k * n + i] : 2 * to_d[i * n + i];
        frame->blas->BLAS(gemm)(1, 0, m, j, below, -1, to_c, n, b, n, 1, to_r, n);
        frame->blas->BLAS(gemm)(0, 0, m, j, m, -1, square, m, r, n, 1, to_r, n);
    }
    for (int64_t i = 0; i < n; ++i)
        memset(g + i * (n + 1) + 1, 0, (size_t)(n - 1 - i) * sizeof(T));
    return 0;
}

/* The solution x of a x = b, l l^T = a; numbers: m, n. */
int NAME(CHOLESKY_SOLVE)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers,
                         void *const *out)
{
    (void)number;
    const int64_t m = numbers[0], n = numbers[1];
    if (NAME(singular)(frame, m, in[0], m))
        return 1;
    if (out[0] != in[1])
        memcpy(out[0], in[1], (size_t)(m * n) * sizeof(T));
    NAME(solved)(frame, 0, 0, 0, m, n, in[0], m, out[0]);
    NAME(solved)(frame, 1, 0, 1, m, n, in[0], m, out[0]);
    return 0;
}

/* ---------------------------------------------------------------------------------------- LU factors
 *
 * a with its columns interchanged is l u, u having 1s on its diagonal: for LAPACK, which counts by columns, that is
 * the transpose with its rows interchanged.  No matrix has to be transposed. */

int NAME(LU)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    int64_t n = numbers[0], fault = 0;
    int bits;
    T *a = memmove(out[0], in[0], (size_t)(n * n) * sizeof(T));
    int64_t *swaps = out[1];
    void (*found)(const int64_t *, const int64_t *, T *, const int64_t *, void *, int64_t *);
    *(void **)&found = lapack(frame, TEXT("", "getrf_"), n, &bits);
    if (found) {
        found(&n, &n, a, &n, swaps, &fault);
        interchanges_of(swaps, n, bits);
        return 0;
    }
    OF_SIZE(n, ONE(eliminate), a, swaps)
    return 0;
}

/* The same of a symmetric matrix: with l l^T = a and d the diagonal of l, l d and d^-1 l^T without interchanges, if no
 * pivot is lost in the rounding of its row. */
int NAME(LU_DEFINITE)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    int64_t n = numbers[0], fault = 0;
    int bits;
    const T *given = in[0];
    T pivot = 1, *a = memcpy(out[0], given, (size_t)(n * n) * sizeof(T));
    int64_t *swaps = out[1];
    void (*found)(const char *, const int64_t *, T *, const int64_t *, int64_t *, size_t);
    *(void **)&found = lapack(frame, TEXT("", "potrf_"), n, &bits);
    if (found)
        found("U", &n, a, &n, &fault, 1);
    else
        OF_SIZE(n, ONE(factor), a, &pivot)
    for (int64_t i = 0; i < n; ++i) {
        const T root = a[i * (n + 1)];
        if (fault || !(pivot > 0) || !(root * root > (T)n * EPSILON * given[i * (n + 1)]))
            return NAME(LU)(frame, number, in, numbers, out);
        swaps[i] = i;
    }
    for (int64_t rows = 0; rows < n; rows += BLOCK)
        for (int64_t columns = 0; columns <= rows; columns += BLOCK)
            for (int64_t i = rows; i < n && i < rows + BLOCK; ++i) {
                for (int64_t j = columns; j < i && j < columns + BLOCK; ++j) {
                    a[j * n + i] = a[i * n + j] / a[j * (n + 1)];
                    a[i * n + j] *= a[j * (n + 1)];
                }
            }
    for (int64_t i = 0; i < n; ++i)
        a[i * (n + 1)] *= a[i * (n + 1)];
    return 0;
}

/* Rows of x interchanged, in order or from the last on. */
static void NAME(interchange)(int backwards, int64_t m, int64_t n, const int64_t *swaps, T *x)
{
    for (int64_t i = 0; i < m; ++i) {
        const int64_t k = backwards ? m - 1 - i : i;
        T *one = x + k * n, *other = x + swaps[k] * n;
        for (int64_t j = 0; one != other && j < n; ++j) {
            const T kept = one[j];
            one[j] = other[j];
            other[j] = kept;
        }
    }
}

/* The user may have given the positions.  numbers: from the last on; m, n. */
int NAME(INTERCHANGE)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t m = numbers[1], n = numbers[2], *swaps = in[0];
    for (int64_t k = 0; k < m; ++k)
        if (swaps[k] < 0 || swaps[k] >= m) {
            frame->error[0] = swaps[k];
            frame->error[1] = m;
            return 1;
        }
    if (out[0] != in[1])
        memcpy(out[0], in[1], (size_t)(m * n) * sizeof(T));
    NAME(interchange)((int)numbers[0], m, n, swaps, out[0]);
    return 0;
}

/* The solution of a x = b, or of a^T x = b, by the factors of a. */
static void NAME(solved_by_lu)(gradc_frame *frame, int trans, int64_t m, int64_t n, const T *factors,
                               const int64_t *swaps, T *x)
{
    if (trans)
        NAME(interchange)(0, m, n, swaps, x);
    NAME(solved)(frame, 0, trans, trans, m, n, factors, m, x);
    NAME(solved)(frame, 1, !trans, trans, m, n, factors, m, x);
    if (!trans)
        NAME(interchange)(1, m, n, swaps, x);
}

/* numbers: is it the transpose; m, n. */
int NAME(LU_SOLVE)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t m = numbers[1], n = numbers[2];
    if (NAME(singular)(frame, m, in[0], m))
        return 1;
    if (out[0] != in[2])
        memcpy(out[0], in[2], (size_t)(m * n) * sizeof(T));
    NAME(solved_by_lu)(frame, (int)numbers[0], m, n, in[0], in[1], out[0]);
    return 0;
}

int NAME(LU_INVERSE)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    int64_t n = numbers[0], fault = 0;
    int bits;
    T *made = out[0];
    if (NAME(singular)(frame, n, in[0], n))
        return 1;
    void (*found)(const int64_t *, T *, const int64_t *, const void *, T *, const int64_t *, int64_t *);
    *(void **)&found = lapack(frame, TEXT("", "getri_"), n, &bits);
    int64_t length = 64 * n;
    T *work = found ? malloc((size_t)length * sizeof(T) + (size_t)n * sizeof(int64_t)) : NULL;
    if (work) {
        void *pivots = work + length;
        integers_of(pivots, in[1], n, bits);
        memmove(made, in[0], (size_t)(n * n) * sizeof(T));
        found(&n, made, &n, pivots, work, &length, &fault);
        free(work);
        return 0;
    }
    memset(made, 0, (size_t)(n * n) * sizeof(T));
    for (int64_t i = 0; i < n; ++i)
        made[i * (n + 1)] = 1;
    NAME(solved_by_lu)(frame, 0, n, n, in[0], in[1], made);
    return 0;
}

int NAME(LU_DET)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number, (void)frame;
    const int64_t n = numbers[0];
    const T *factors = in[0];
    T product = is_odd(n, in[1]) ? -1 : 1;
    for (int64_t i = 0; i < n; ++i)
        product *= factors[i * (n + 1)];
    *(T *)out[0] = product;
    return 0;
}

int NAME(LU_SLOGDET)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number, (void)frame;
    const int64_t n = numbers[0];
    const T *factors = in[0];
    int odd = is_odd(n, in[1]);
    double sum = 0;
    T sign = 1;
    for (int64_t i = 0; i < n; ++i) {
        const T u = factors[i * (n + 1)];
        sign = u != u || u == 0 ? u * sign : sign;
        odd ^= u < 0;
        sum += log(fabs((double)u));
    }
    *(T *)out[0] = odd ? -sign : sign;
    *(T *)out[1] = (T)sum;
    return 0;
}
