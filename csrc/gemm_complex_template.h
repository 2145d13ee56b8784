/* gemm_complex_template.h: C = alpha op(A) op(B) + beta C for a complex type T, row-major, by four products of the parts,
 * which are of type PART.  Included by gemm.c after gemm_template.h; REAL(x) is the name of a real function. */

/* Both parts of op(A), rows x columns, each in one piece. */
static void NAME(planes)(int trans, int64_t rows, int64_t columns, const T *from, int64_t step, PART *real, PART *imag)
{
    const PART sign = trans == 2 ? -1 : 1;
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) {
            const PART *x = (const PART *)(from + (trans ? j * step + i : i * step + j));
            real[i * columns + j] = x[0];
            imag[i * columns + j] = sign * x[1];
        }
}

/* What is made of a sum of products and an element of C, which is not read for beta 0. */
static void NAME(put)(T *to, T product, T alpha, T beta)
{
    *to = beta == 0 ? alpha * product : alpha * product + beta * *to;
}

void NAME(gemm)(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, T alpha, const T *a, int64_t lda, const T *b,
                int64_t ldb, T beta, T *c, int64_t ldc)
{
    if (m <= 0 || n <= 0)
        return;
    k = k < 0 ? 0 : k;
    PART *const ar = malloc((size_t)(2 * (m * k + k * n + m * n)) * sizeof(PART));
    if (!ar) {                                  /* the same sums, slowly */
        for (int64_t i = 0; i < m; ++i)
            for (int64_t j = 0; j < n; ++j) {
                T sum = 0;
                for (int64_t p = 0; p < k; ++p) {
                    const T x = trans_a ? a[p * lda + i] : a[i * lda + p], y = trans_b ? b[j * ldb + p] : b[p * ldb + j];
                    sum += (trans_a == 2 ? (T)conj(x) : x) * (trans_b == 2 ? (T)conj(y) : y);
                }
                NAME(put)(c + i * ldc + j, sum, alpha, beta);
            }
        return;
    }
    PART *const ai = ar + m * k, *const br = ai + m * k, *const bi = br + k * n, *const cr = bi + k * n;
    PART *const ci = cr + m * n;
    NAME(planes)(trans_a, m, k, a, lda, ar, ai);
    NAME(planes)(trans_b, k, n, b, ldb, br, bi);
    REAL(gemm)(0, 0, m, n, k, 1, ar, k, br, n, 0, cr, n);
    REAL(gemm)(0, 0, m, n, k, -1, ai, k, bi, n, 1, cr, n);
    REAL(gemm)(0, 0, m, n, k, 1, ar, k, bi, n, 0, ci, n);
    REAL(gemm)(0, 0, m, n, k, 1, ai, k, br, n, 1, ci, n);
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
            T product;
            ((PART *)&product)[0] = cr[i * n + j];
            ((PART *)&product)[1] = ci[i * n + j];
            NAME(put)(c + i * ldc + j, product, alpha, beta);
        }
    free(ar);
}
