/* small_template.h: what is done with small matrices, with LANES of them at once: element i of matrix c stands at
 * [i * LANES + c].  LANES is 1, or so many that their elements fill vectors; T and SMALL(x) are type and names, PLACE has
 * the size of T where lanes have to be chosen by it. */

/* x = op(a)^-1 x, a being m x m, x m x n in one piece. */
SMALL_LOOP void SMALL(substitute)(int64_t m, int upper, int unit, int trans, int64_t n, const T *a, int64_t lda, T *x)
{
    const int64_t row = trans ? 1 : lda, column = trans ? lda : 1;
    UNROLLED for (int64_t k = 0; k < m; ++k) {
        const int64_t i = upper ? m - 1 - k : k, first = upper ? i + 1 : 0, last = upper ? m : i;
        T *restrict to = x + i * n * LANES;
        UNROLLED for (int64_t j = first; j < last; ++j) {
            const T *factor = a + (i * row + j * column) * LANES, *restrict from = x + j * n * LANES;
            UNROLLED for (int64_t c = 0; c < n; ++c)
                EACH_LANE
                    to[c * LANES + lane] -= factor[lane] * from[c * LANES + lane];
        }
        const T *pivot = a + i * (lda + 1) * LANES;
        UNROLLED for (int64_t c = 0; !unit && c < n; ++c)
            EACH_LANE
                to[c * LANES + lane] /= pivot[lane];
    }
}

/* The Cholesky factor in the place of the lower triangle, 0 above it; fault: 1 where it has none, 2 because of nan. */
SMALL_LOOP void SMALL(factor)(int64_t n, T *restrict l, T *restrict fault)
{
    UNROLLED for (int64_t j = 0; j < n; ++j) {
        T rest[LANES], inverse[LANES];
        EACH_LANE
            rest[lane] = l[j * (n + 1) * LANES + lane];
        UNROLLED for (int64_t k = 0; k < j; ++k)
            EACH_LANE
                rest[lane] -= l[(j * n + k) * LANES + lane] * l[(j * n + k) * LANES + lane];
        EACH_LANE {
            const T status = rest[lane] > 0 ? 0 : rest[lane] == rest[lane] ? 1 : 2;
            fault[lane] = fault[lane] == 0 ? status : fault[lane];
            const T root = (T)sqrt(rest[lane]);
            inverse[lane] = 1 / root;
            l[j * (n + 1) * LANES + lane] = root;
        }
        UNROLLED for (int64_t i = j + 1; i < n; ++i) {
            T sum[LANES];
            EACH_LANE
                sum[lane] = l[(i * n + j) * LANES + lane];
            UNROLLED for (int64_t k = 0; k < j; ++k)
                EACH_LANE
                    sum[lane] -= l[(i * n + k) * LANES + lane] * l[(j * n + k) * LANES + lane];
            EACH_LANE {
                l[(i * n + j) * LANES + lane] = sum[lane] * inverse[lane];
                l[(j * n + i) * LANES + lane] = 0;
            }
        }
    }
}

/* What of the lower triangle of g the cotangent of the factor l makes that of the matrix; n x n, steps of `step`.
 * I. Murray, Differentiation of the Cholesky decomposition, arXiv:1602.07527, chol_unblocked_rev. */
SMALL_LOOP void SMALL(factor_back)(int64_t n, int64_t step, const T *restrict l, T *restrict g)
{
    for (int64_t j = n - 1; j >= 0; --j) {
        const T *own = l + j * step * LANES;
        T *to = g + j * step * LANES;
        T inverse[LANES], sum[LANES], d[LANES];
        EACH_LANE {
            inverse[lane] = 1 / own[j * LANES + lane];
            sum[lane] = 0;
        }
        for (int64_t i = j + 1; i < n; ++i)
            EACH_LANE {
                g[(i * step + j) * LANES + lane] *= inverse[lane];
                sum[lane] += l[(i * step + j) * LANES + lane] * g[(i * step + j) * LANES + lane];
            }
        EACH_LANE
            d[lane] = (to[j * LANES + lane] - sum[lane]) * inverse[lane];
        for (int64_t k = 0; k < j; ++k)
            EACH_LANE
                to[k * LANES + lane] -= d[lane] * own[k * LANES + lane];
        for (int64_t i = j + 1; i < n; ++i) {
            T by[LANES];
            EACH_LANE
                by[lane] = g[(i * step + j) * LANES + lane];
            for (int64_t k = 0; k < j; ++k)
                EACH_LANE {
                    to[k * LANES + lane] -= by[lane] * l[(i * step + k) * LANES + lane];
                    g[(i * step + k) * LANES + lane] -= by[lane] * own[k * LANES + lane];
                }
        }
        EACH_LANE
            to[j * LANES + lane] = d[lane] / 2;
    }
}

/* Columns k and best[c] of matrix c change places. */
SMALL_LOOP void SMALL(swap_columns)(int64_t n, int64_t k, const PLACE *restrict best, T *restrict a)
{
    UNROLLED for (int64_t i = 0; i < n; ++i) {
        T *row = a + i * n * LANES, first[LANES], found[LANES], swapped[GRADC_SIDE_ROWS * LANES];
        EACH_LANE
            first[lane] = found[lane] = row[k * LANES + lane];
        if (LANES == 1) {
            const int64_t other = (int64_t)best[0];
            row[k] = row[other];
            row[other] = first[0];
            continue;
        }
        UNROLLED for (int64_t j = k + 1; j < n; ++j)
            EACH_LANE {
                const T old = row[j * LANES + lane];
                const PLACE here = (PLACE)j;
                swapped[j * LANES + lane] = best[lane] == here ? first[lane] : old;
                found[lane] = best[lane] == here ? old : found[lane];
            }
        EACH_LANE
            row[k * LANES + lane] = found[lane];
        UNROLLED for (int64_t j = k + 1; j < n; ++j)
            EACH_LANE
                row[j * LANES + lane] = swapped[j * LANES + lane];
    }
}

/* LU factors, see linalg_template.h: the factors in the place of a; swaps: n numbers of each matrix. */
SMALL_LOOP void SMALL(eliminate)(int64_t n, T *restrict a, PLACE *restrict swaps)
{
    UNROLLED for (int64_t k = 0; k < n; ++k) {
        T *row = a + k * n * LANES, most[LANES], inverse[LANES], pivot[LANES];
        PLACE *best = swaps + k * LANES;
        EACH_LANE {
            most[lane] = (T)fabs((double)row[k * LANES + lane]);
            best[lane] = (PLACE)k;
        }
        UNROLLED for (int64_t j = k + 1; j < n; ++j)
            EACH_LANE {
                const T size = (T)fabs((double)row[j * LANES + lane]);
                const PLACE here = (PLACE)j;
                best[lane] = size > most[lane] ? here : best[lane];
                most[lane] = size > most[lane] ? size : most[lane];
            }
        SMALL(swap_columns)(n, k, best, a);
        int exact = 0;                          /* the inverse of a subnormal number is inf */
        EACH_LANE {
            pivot[lane] = row[k * LANES + lane] != 0 ? row[k * LANES + lane] : 1;
            inverse[lane] = 1 / pivot[lane];
            exact |= isinf(inverse[lane]) != 0;
        }
        UNROLLED for (int64_t j = k + 1; j < n; ++j)
            EACH_LANE
                row[j * LANES + lane] = exact ? row[j * LANES + lane] / pivot[lane] : row[j * LANES + lane] * inverse[lane];
        UNROLLED for (int64_t i = k + 1; i < n; ++i) {
            T *to = a + i * n * LANES, factor[LANES];
            EACH_LANE
                factor[lane] = to[k * LANES + lane];
            UNROLLED for (int64_t j = k + 1; j < n; ++j)
                EACH_LANE
                    to[j * LANES + lane] -= factor[lane] * row[j * LANES + lane];
        }
    }
}

/* -- rotations -------------------------------------------------------------------------------------------------- */

/* Rows p and q of x become c times p - s times q, and s times p + c times q. */
SMALL_LOOP void SMALL(rotate)(int64_t n, T *restrict p, T *restrict q, const T *restrict c, const T *restrict s)
{
    for (int64_t i = 0; i < n; ++i)
        EACH_LANE {
            const T one = p[i * LANES + lane], other = q[i * LANES + lane];
            p[i * LANES + lane] = c[lane] * one - s[lane] * other;
            q[i * LANES + lane] = s[lane] * one + c[lane] * other;
        }
}

/* Rotations of all rows and columns but one of a symmetric matrix, in pairs: in a round no row is in two pairs, so that
 * what the rotations of a round are does not have to wait.  v, or NULL: what takes part.  Off the diagonal, elements up
 * to `least` are left.  Was there a larger one? */
SMALL_LOOP int SMALL(sweep)(int64_t n, T *restrict a, T *restrict v, double least)
{
    enum { MOST = 32 / LANES < 8 ? 8 : 32 / LANES };
    const int64_t even = n + (n & 1);
    double moved[LANES] = {0}, any = 0;
    for (int64_t round = 0; round + 1 < even; ++round)
        for (int64_t first = 0; first < even / 2; first += MOST) {
            const int64_t last = first + MOST < even / 2 ? first + MOST : even / 2;
            int64_t ps[MOST], qs[MOST];
            double ts[MOST][LANES], cs[MOST][LANES];
            for (int64_t k = first; k < last; ++k) {    /* the last row meets each other one, these meet in a circle */
                const int64_t one = k ? (round + k) % (even - 1) : round, two = k ? (round + even - 1 - k) % (even - 1)
                                                                                  : even - 1;
                const int64_t p = one < two ? one : two, q = one < two ? two : one;
                ps[k - first] = p;
                qs[k - first] = q;
                EACH_LANE {
                    const double b = q < n ? a[(p * n + q) * LANES + lane] : 0;
                    const double half = q < n ? (double)a[q * (n + 1) * LANES + lane] - a[p * (n + 1) * LANES + lane] : 1;
                    const double tangent = 2 * b / (half + copysign(sqrt(half * half + 4 * b * b), half));
                    const double size = fabs(b), t = size <= least ? 0 : tangent;
                    ts[k - first][lane] = t;
                    cs[k - first][lane] = 1 / sqrt(1 + t * t);
                    moved[lane] = size <= least ? moved[lane] : 1;
                }
            }
            for (int64_t k = 0; k < last - first; ++k) {
                const int64_t p = ps[k], q = qs[k];
                if (q == n || (LANES == 1 && ts[k][0] == 0))
                    continue;
                T c[LANES], s[LANES], low[LANES], high[LANES];
                EACH_LANE {
                    const double t = ts[k][lane], b = a[(p * n + q) * LANES + lane];
                    c[lane] = (T)cs[k][lane];
                    s[lane] = (T)(t * cs[k][lane]);
                    low[lane] = (T)(a[p * (n + 1) * LANES + lane] - t * b);
                    high[lane] = (T)(a[q * (n + 1) * LANES + lane] + t * b);
                }
                SMALL(rotate)(n, a + p * n * LANES, a + q * n * LANES, c, s);
                EACH_LANE {
                    a[p * (n + 1) * LANES + lane] = low[lane];
                    a[q * (n + 1) * LANES + lane] = high[lane];
                    a[(p * n + q) * LANES + lane] = a[(q * n + p) * LANES + lane] = 0;
                }
                for (int64_t i = 0; i < n; ++i)
                    EACH_LANE {
                        a[(i * n + p) * LANES + lane] = a[(p * n + i) * LANES + lane];
                        a[(i * n + q) * LANES + lane] = a[(q * n + i) * LANES + lane];
                    }
                if (v)
                    SMALL(rotate)(n, v + p * n * LANES, v + q * n * LANES, c, s);
            }
        }
    EACH_LANE
        any += moved[lane];
    return any != 0;
}

/* A symmetric matrix becomes diagonal, and v, which may be NULL, what has its eigenvectors as rows. */
SMALL_LOOP void SMALL(jacobi)(int64_t n, T *restrict a, T *restrict v)
{
    T by[LANES];
    EACH_LANE
        by[lane] = 0;
    for (int64_t i = 0; i < n * n; ++i)
        EACH_LANE {
            const T size = (T)fabs((double)a[i * LANES + lane]);
            by[lane] = size > by[lane] ? size : by[lane];
        }
    EACH_LANE
        by[lane] = by[lane] > 0 ? by[lane] : 1;         /* no square overflows or vanishes */
    for (int64_t i = 0; i < n * n; ++i)
        EACH_LANE
            a[i * LANES + lane] /= by[lane];
    for (int64_t i = 0; v && i < n * n; ++i)
        EACH_LANE
            v[i * LANES + lane] = i % (n + 1) == 0;
    for (int count = 0; count < 60 && SMALL(sweep)(n, a, v, EPSILON / 8); ++count)
        ;
    for (int64_t i = 0; i < n; ++i)
        EACH_LANE
            a[i * (n + 1) * LANES + lane] *= by[lane];
}

/* The k rows of x, of length l >= k, are made orthogonal by rotations, which v (k rows, or NULL) takes part in. */
SMALL_LOOP void SMALL(one_sided)(int64_t k, int64_t l, T *restrict x, T *restrict v)
{
    for (int64_t i = 0; v && i < k * k; ++i)
        EACH_LANE
            v[i * LANES + lane] = i % (k + 1) == 0;
    double any = 1;
    for (int sweep = 0; any != 0 && sweep < 60; ++sweep) {
        double moved[LANES] = {0};
        for (int64_t p = 0; p < k; ++p)
            for (int64_t q = p + 1; q < k; ++q) {
                T *one = x + p * l * LANES, *other = x + q * l * LANES, cosine[LANES], sine[LANES];
                double a[LANES], b[LANES], c[LANES];
                EACH_LANE
                    a[lane] = b[lane] = c[lane] = 0;
                for (int64_t i = 0; i < l; ++i)
                    EACH_LANE {
                        const double first = one[i * LANES + lane], second = other[i * LANES + lane];
                        a[lane] += first * first;
                        b[lane] += first * second;
                        c[lane] += second * second;
                    }
                EACH_LANE {
                    const double most = EPSILON * sqrt(a[lane]) * sqrt(c[lane]), size = fabs(b[lane]);
                    const double half = (c[lane] - a[lane]) / (2 * b[lane]), far = fabs(half);
                    const double root = far > 1e150 ? far : sqrt(1 + half * half);
                    const double tangent = 1 / (half + copysign(root, half)), t = size <= most ? 0 : tangent;
                    const double shrunk = 1 / sqrt(1 + t * t);
                    cosine[lane] = (T)shrunk;
                    sine[lane] = (T)(t * shrunk);
                    moved[lane] = size <= most ? moved[lane] : 1;
                }
                if (LANES == 1 && sine[0] == 0)
                    continue;
                SMALL(rotate)(l, one, other, cosine, sine);
                if (v)
                    SMALL(rotate)(k, v + p * k * LANES, v + q * k * LANES, cosine, sine);
            }
        any = 0;
        EACH_LANE
            any += moved[lane];
    }
}
