/* gemm_template.h: C = alpha op(A) op(B) + beta C for one type, row-major.  Included by gemm.c with T, MR, NR and
 * NAME(x) defined.
 *
 * The scheme is the usual one (K. Goto, R. van de Geijn, Anatomy of High-Performance Matrix Multiplication, ACM TOMS
 * 34 (2008) 12): a KC x NC block of op(B) and an MC x KC block of op(A) are packed into panels of NR and MR, and a
 * register tile of MR x NR (two vectors of 32 bytes) runs over KC.  Each element of C is summed in the order of k, in
 * steps of KC, whatever the vector width: the same bits on every machine (no fused multiply-add).
 */

/* Panels of `width` rows (or columns) of a block: element (i, p) stands at [p * width + i] of its panel; the last
 * panel is padded with zeros. */
static void NAME(pack)(T *restrict to, const T *from, int64_t rows, int64_t depth, int64_t row_step, int64_t depth_step,
                       int width)
{
    for (int64_t i0 = 0; i0 < rows; i0 += width) {
        int n = rows - i0 < width ? (int)(rows - i0) : width;
        const T *block = from + i0 * row_step;
        for (int64_t p = 0; p < depth; ++p, to += width) {
            for (int i = 0; i < n; ++i)
                to[i] = block[i * row_step + p * depth_step];
            for (int i = n; i < width; ++i)
                to[i] = 0;
        }
    }
}

typedef T NAME(vector) __attribute__((vector_size(32), may_alias));

GRADC_CLONES
static void NAME(tile)(T *restrict sums, const T *restrict a, const T *restrict b, int64_t depth)
{
    NAME(vector) s[MR][2] = {{{0}}};            /* 12 of the 16 registers of AVX2 */
    for (int64_t p = 0; p < depth; ++p, a += MR, b += NR) {
        const NAME(vector) b0 = *(const NAME(vector) *)b, b1 = *(const NAME(vector) *)(b + NR / 2);
#pragma GCC unroll 6
        for (int i = 0; i < MR; ++i) {
            s[i][0] += a[i] * b0;
            s[i][1] += a[i] * b1;
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < MR; ++i) {
        *(NAME(vector) *)(sums + i * NR) = s[i][0];
        *(NAME(vector) *)(sums + i * NR + NR / 2) = s[i][1];
    }
}

/* beta is 1 after the first block of k; with beta 0 C is not read, as in BLAS. */
static void NAME(add)(T *c, int64_t ldc, const T *sums, int rows, int columns, T alpha, T beta)
{
    for (int i = 0; i < rows; ++i)
        for (int j = 0; j < columns; ++j) {
            T *to = c + i * ldc + j;
            T product = alpha * sums[i * NR + j];
            *to = beta == 0 ? product : beta == 1 ? *to + product : beta * *to + product;
        }
}

static void NAME(scale)(int64_t m, int64_t n, T beta, T *c, int64_t ldc)
{
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j)
            c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
}

/* Without memory for the packed blocks: the same sums in the same order, slowly. */
static void NAME(unpacked)(int64_t m, int64_t n, int64_t k, T alpha, const T *a, int64_t a_row, int64_t a_depth,
                           const T *b, int64_t b_row, int64_t b_depth, T beta, T *c, int64_t ldc)
{
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j)
            for (int64_t p0 = 0; p0 < k; p0 += KC) {
                T sum = 0;
                for (int64_t p = p0; p < k && p < p0 + KC; ++p)
                    sum += a[i * a_row + p * a_depth] * b[j * b_row + p * b_depth];
                NAME(add)(c + i * ldc + j, ldc, &sum, 1, 1, alpha, p0 ? 1 : beta);
            }
}

void NAME(gemm)(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, T alpha, const T *a, int64_t lda, const T *b,
                int64_t ldb, T beta, T *c, int64_t ldc)
{
    if (m <= 0 || n <= 0)
        return;
    if (k <= 0 || alpha == 0) {
        if (beta != 1)
            NAME(scale)(m, n, beta, c, ldc);
        return;
    }
    /* steps from one row of op(A) (column of op(B)) to the next, and along k */
    const int64_t a_row = trans_a ? 1 : lda, a_depth = trans_a ? lda : 1;
    const int64_t b_row = trans_b ? ldb : 1, b_depth = trans_b ? 1 : ldb;
    const int64_t depth = k < KC ? k : KC;
    const int64_t rows = m < MC ? (m + MR - 1) / MR * MR : MC, columns = n < NC ? (n + NR - 1) / NR * NR : NC;
    T *packed = aligned_alloc(64, ((size_t)(rows + columns) * (size_t)depth * sizeof(T) + 63) / 64 * 64);
    if (!packed) {
        NAME(unpacked)(m, n, k, alpha, a, a_row, a_depth, b, b_row, b_depth, beta, c, ldc);
        return;
    }
    T *packed_a = packed + columns * depth;
    _Alignas(64) T sums[MR * NR];
    for (int64_t j0 = 0; j0 < n; j0 += NC) {
        const int64_t nc = n - j0 < NC ? n - j0 : NC;
        for (int64_t p0 = 0; p0 < k; p0 += KC) {
            const int64_t kc = k - p0 < KC ? k - p0 : KC;
            const T factor = p0 ? 1 : beta;
            NAME(pack)(packed, b + j0 * b_row + p0 * b_depth, nc, kc, b_row, b_depth, NR);
            for (int64_t i0 = 0; i0 < m; i0 += MC) {
                const int64_t mc = m - i0 < MC ? m - i0 : MC;
                NAME(pack)(packed_a, a + i0 * a_row + p0 * a_depth, mc, kc, a_row, a_depth, MR);
                for (int64_t j = 0; j < nc; j += NR)
                    for (int64_t i = 0; i < mc; i += MR) {
                        NAME(tile)(sums, packed_a + i * kc, packed + j * kc, kc);
                        NAME(add)(c + (i0 + i) * ldc + j0 + j, ldc, sums, mc - i < MR ? (int)(mc - i) : MR,
                                  nc - j < NR ? (int)(nc - j) : NR, alpha, factor);
                    }
            }
        }
    }
    free(packed);
}
