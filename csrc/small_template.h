/* small_template.h: what is done with small matrices, for elements of type V: T, or LANES doubles, one of each of so
 * many matrices side by side.  R is what sums are of, S what absolute values are.  SMALL(x) gives names, PICK, ROOT and the
 * like are functions of V and R; PLACE is the type of an index of which each lane has its own.  Of complex numbers only
 * what has one form for them and for reals is here; complex_template.h has the rest. */

/* x = op(a)^-1 x, a being m x m, x m x n in one piece; trans: see `gradc_blas`. */
SMALL_LOOP void SMALL(substitute)(int64_t m, int upper, int unit, int trans, int64_t n, const V *a, int64_t lda, V *x)
{
    const int64_t row = trans ? 1 : lda, column = trans ? lda : 1;
    for (int64_t k = 0; k < m; ++k) {
        const int64_t i = upper ? m - 1 - k : k, first = upper ? i + 1 : 0, last = upper ? m : i;
        V *restrict to = x + i * n;
        for (int64_t j = first; j < last; ++j) {
            const V factor = TURNED(trans, a[i * row + j * column]);
            const V *restrict from = x + j * n;
            for (int64_t c = 0; c < n; ++c)
                to[c] -= factor * from[c];
        }
        if (!unit)
            for (int64_t c = 0; c < n; ++c)
                to[c] /= TURNED(trans, a[i * row + i * column]);
    }
}

#if !IS_COMPLEX
/* The Cholesky factor in the place of the lower triangle, 0 above it; pivot, before a positive number: the first that
 * is not positive, or the last one. */
SMALL_LOOP void SMALL(factor)(int64_t n, V *restrict l, V *restrict pivot)
{
    for (int64_t j = 0; j < n; ++j) {
        V rest = l[j * (n + 1)];
        for (int64_t k = 0; k < j; ++k)
            rest -= l[j * n + k] * l[j * n + k];
        *pivot = PICK(*pivot > 0, rest, *pivot);
        const V root = ROOT(rest), inverse = 1 / root;
        l[j * (n + 1)] = root;
        for (int64_t i = j + 1; i < n; ++i) {
            V sum = l[i * n + j];
            for (int64_t k = 0; k < j; ++k)
                sum -= l[i * n + k] * l[j * n + k];
            l[i * n + j] = sum * inverse;
            l[j * n + i] = (V){0};
        }
    }
}

/* What of the lower triangle of g the cotangent of the factor l makes that of the matrix; n x n, steps of `step`.
 * I. Murray, Differentiation of the Cholesky decomposition, arXiv:1602.07527, chol_unblocked_rev. */
SMALL_LOOP void SMALL(factor_back)(int64_t n, int64_t step, const V *restrict l, V *restrict g)
{
    for (int64_t j = n - 1; j >= 0; --j) {
        const V inverse = 1 / l[j * (step + 1)];
        V sum = {0};
        for (int64_t i = j + 1; i < n; ++i) {
            g[i * step + j] *= inverse;
            sum += l[i * step + j] * g[i * step + j];
        }
        const V d = (g[j * (step + 1)] - sum) * inverse;
        for (int64_t k = 0; k < j; ++k)
            g[j * step + k] -= d * l[j * step + k];
        for (int64_t i = j + 1; i < n; ++i) {
            const V c = g[i * step + j];
            for (int64_t k = 0; k < j; ++k) {
                g[j * step + k] -= c * l[i * step + k];
                g[i * step + k] -= c * l[j * step + k];
            }
        }
        g[j * (step + 1)] = d / 2;
    }
}
#endif

/* LU factors in the place of a, see linalg_template.h; swaps: with which column each was interchanged. */
SMALL_LOOP void SMALL(eliminate)(int64_t n, V *restrict a, PLACE *restrict swaps)
{
    for (int64_t k = 0; k < n; ++k) {
        V *row = a + k * n;
        S most = MAGNITUDE(row[k]);
        PLACE best = (PLACE){0} + k;
        for (int64_t j = k + 1; j < n; ++j) {
            const S size = MAGNITUDE(row[j]);
            best = PICK_PLACE(size > most, (PLACE){0} + j, best);
            most = PICK(size > most, size, most);
        }
        swaps[k] = best;
        for (int64_t i = 0; i < n; ++i)
            EXCHANGE(n, 1, k, k + 1, best, a + i * n);
        const V pivot = PICK(row[k] != 0, row[k], (V){0} + 1), inverse = 1 / pivot;
        const int exact = ANY(MAGNITUDE(inverse) > DBL_MAX);       /* of a subnormal number */
        for (int64_t j = k + 1; j < n; ++j)
            row[j] = exact ? row[j] / pivot : row[j] * inverse;
        for (int64_t i = k + 1; i < n; ++i) {
            V *to = a + i * n;
            const V factor = to[k];
            for (int64_t j = k + 1; j < n; ++j)
                to[j] -= factor * row[j];
        }
    }
}

#if !IS_COMPLEX
/* -- rotations -------------------------------------------------------------------------------------------------- */

/* Rows p and q of x become c times p - s times q, and s times p + c times q. */
SMALL_LOOP void SMALL(rotate)(int64_t n, V *restrict p, V *restrict q, V c, V s)
{
    for (int64_t i = 0; i < n; ++i) {
        const V one = p[i], other = q[i];
        p[i] = c * one - s * other;
        q[i] = s * one + c * other;
    }
}

/* Rotations of all rows and columns but one of a symmetric matrix, in pairs, until they are orthogonal: in a round no
 * row is in two pairs, so that what the rotations of a round are does not have to wait.  v, or NULL: what takes part.
 * Was there an element off the diagonal that is larger than `least`? */
SMALL_LOOP int SMALL(sweep)(int64_t n, V *restrict a, V *restrict v, double least)
{
    enum { MOST = 32 };
    const int64_t even = n + (n & 1);
    int moved = 0;
    for (int64_t round = 0; round + 1 < even; ++round)
        for (int64_t first = 0; first < even / 2; first += MOST) {
            const int64_t last = first + MOST < even / 2 ? first + MOST : even / 2;
            int64_t ps[MOST], qs[MOST];
            R ts[MOST], cs[MOST];
            int still[MOST];
            for (int64_t k = first; k < last; ++k) {    /* the last row meets each other one, these meet in a circle */
                const int64_t one = k ? (round + k) % (even - 1) : round, two = k ? (round + even - 1 - k) % (even - 1)
                                                                                  : even - 1;
                const int64_t p = one < two ? one : two, q = one < two ? two : one;
                ps[k - first] = p;
                qs[k - first] = q;
                const R b = q < n ? (R)a[p * n + q] : (R){0};
                const R half = q < n ? (R)a[q * (n + 1)] - (R)a[p * (n + 1)] : (R){0} + 1;
                const R tangent = 2 * b / (half + WITH_SIGN(WIDE_ROOT(half * half + 4 * b * b), half));
                const R t = WIDE_PICK(WIDE_MAGNITUDE(b) <= least, (R){0}, tangent);
                ts[k - first] = t;
                cs[k - first] = 1 / WIDE_ROOT(1 + t * t);
                still[k - first] = !ANY(t != 0);
                moved |= !still[k - first];
            }
            for (int64_t k = 0; k < last - first; ++k) {
                const int64_t p = ps[k], q = qs[k];
                if (still[k])
                    continue;
                const R b = (R)a[p * n + q];
                const V c = (V)cs[k], s = (V)(ts[k] * cs[k]);
                const V low = (V)((R)a[p * (n + 1)] - ts[k] * b), high = (V)((R)a[q * (n + 1)] + ts[k] * b);
                SMALL(rotate)(n, a + p * n, a + q * n, c, s);
                a[p * (n + 1)] = low;
                a[q * (n + 1)] = high;
                a[p * n + q] = a[q * n + p] = (V){0};
                for (int64_t i = 0; i < n; ++i) {
                    a[i * n + p] = a[p * n + i];
                    a[i * n + q] = a[q * n + i];
                }
                if (v)
                    SMALL(rotate)(n, v + p * n, v + q * n, c, s);
            }
        }
    return moved;
}

/* A symmetric matrix becomes diagonal; v, or NULL: its eigenvectors as rows. */
SMALL_LOOP void SMALL(jacobi)(int64_t n, V *restrict a, V *restrict v)
{
    V norm = {0};
    for (int64_t i = 0; i < n * n; ++i) {
        const V size = MAGNITUDE(a[i]);
        norm = PICK(size > norm, size, norm);
    }
    for (int64_t i = 0; v && i < n * n; ++i)
        v[i] = (V){0} + (i % (n + 1) == 0);
    const V by = PICK(norm > 0, norm, (V){0} + 1);          /* no square overflows or vanishes */
    for (int64_t i = 0; i < n * n; ++i)
        a[i] /= by;
    for (int count = 0; count < 60 && SMALL(sweep)(n, a, v, EPSILON / 8); ++count)
        ;
    for (int64_t i = 0; i < n; ++i)
        a[i * (n + 1)] *= by;
}

/* The k rows of x, of length l >= k, are made orthogonal by rotations, which v (k rows, or NULL) takes part in. */
SMALL_LOOP void SMALL(one_sided)(int64_t k, int64_t l, V *restrict x, V *restrict v)
{
    for (int64_t i = 0; v && i < k * k; ++i)
        v[i] = (V){0} + (i % (k + 1) == 0);
    for (int sweep = 0, moved = 1; moved && sweep < 60; ++sweep) {
        moved = 0;
        for (int64_t p = 0; p < k; ++p)
            for (int64_t q = p + 1; q < k; ++q) {
                V *one = x + p * l, *other = x + q * l;
                R a = {0}, b = {0}, c = {0};
                for (int64_t i = 0; i < l; ++i) {
                    a += (R)one[i] * (R)one[i];
                    b += (R)one[i] * (R)other[i];
                    c += (R)other[i] * (R)other[i];
                }
                const R half = (c - a) / (2 * b), far = WIDE_MAGNITUDE(half);
                const R root = WIDE_PICK(far > 1e150, far, WIDE_ROOT(1 + half * half));
                const R tangent = 1 / (half + WITH_SIGN(root, half));
                const R small = (R){0} + EPSILON * WIDE_ROOT(a) * WIDE_ROOT(c);
                const R t = WIDE_PICK(WIDE_MAGNITUDE(b) <= small, (R){0}, tangent);
                if (!ANY(WIDE_MAGNITUDE(b) > small))
                    continue;
                moved = 1;
                const R cosine = 1 / WIDE_ROOT(1 + t * t);
                SMALL(rotate)(l, one, other, (V)cosine, (V)(t * cosine));
                if (v)
                    SMALL(rotate)(k, v + p * k, v + q * k, (V)cosine, (V)(t * cosine));
            }
    }
}
#endif
