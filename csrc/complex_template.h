/* complex_template.h: small_template.h's functions of real matrices for a complex type T, whose parts are of type PART. */

/* The Cholesky factor in the place of the lower triangle, 0 above it; pivot, before a positive number: the first that
 * is not positive, or the last one.  Imaginary parts on the diagonal are not read. */
SMALL_LOOP void ONE(factor)(int64_t n, T *restrict l, PART *restrict pivot)
{
    for (int64_t j = 0; j < n; ++j) {
        PART rest = RE(l[j * (n + 1)]);
        for (int64_t k = 0; k < j; ++k)
            rest -= (PART)SQUARE(l[j * n + k]);
        *pivot = *pivot > 0 ? rest : *pivot;
        const PART root = (PART)sqrt((double)rest), inverse = 1 / root;
        l[j * (n + 1)] = root;
        for (int64_t i = j + 1; i < n; ++i) {
            T sum = l[i * n + j];
            for (int64_t k = 0; k < j; ++k)
                sum -= l[i * n + k] * CONJ(l[j * n + k]);
            l[i * n + j] = sum * inverse;
            l[j * n + i] = 0;
        }
    }
}

/* -- rotations: a phase makes an element real, a real rotation makes it 0 -------------------------------------- */

/* Row q of x times `phase`; then rows p and q become c times p - s times q, and s times p + c times q. */
SMALL_LOOP void ONE(rotate)(int64_t n, T *restrict p, T *restrict q, T phase, double c, double s)
{
    for (int64_t i = 0; i < n; ++i) {
        const T one = p[i], other = phase * q[i];
        p[i] = (T)(c * one - s * other);
        q[i] = (T)(s * one + c * other);
    }
}

/* Rotations of all rows and columns of a Hermitian matrix, in pairs.  v, or NULL: what takes part.  Was there an element
 * off the diagonal that is larger than `least`? */
static int ONE(sweep)(int64_t n, T *restrict a, T *restrict v, double least)
{
    int moved = 0;
    for (int64_t p = 0; p < n; ++p)
        for (int64_t q = p + 1; q < n; ++q) {
            const double b = MODULUS(a[p * n + q]);
            if (b <= least)
                continue;
            moved = 1;
            const double first = (double)RE(a[p * (n + 1)]), second = (double)RE(a[q * (n + 1)]), half = second - first;
            const double t = 2 * b / (half + copysign(sqrt(half * half + 4 * b * b), half));
            const double c = 1 / sqrt(1 + t * t), s = t * c;
            const T phase = (T)(a[p * n + q] / b);
            ONE(rotate)(n, a + p * n, a + q * n, phase, c, s);
            a[p * (n + 1)] = (PART)(first - t * b);
            a[q * (n + 1)] = (PART)(second + t * b);
            a[p * n + q] = a[q * n + p] = 0;
            for (int64_t i = 0; i < n; ++i) {
                a[i * n + p] = CONJ(a[p * n + i]);
                a[i * n + q] = CONJ(a[q * n + i]);
            }
            if (v)
                ONE(rotate)(n, v + p * n, v + q * n, phase, c, s);
        }
    return moved;
}

/* A Hermitian matrix becomes diagonal; v, or NULL: the conjugates of its eigenvectors as rows. */
static void ONE(jacobi)(int64_t n, T *restrict a, T *restrict v)
{
    double norm = 0;
    for (int64_t i = 0; i < n * n; ++i)
        norm = MODULUS(a[i]) > norm ? MODULUS(a[i]) : norm;
    for (int64_t i = 0; v && i < n * n; ++i)
        v[i] = i % (n + 1) == 0;
    const PART by = norm > 0 ? (PART)norm : 1;              /* no square overflows or vanishes */
    for (int64_t i = 0; i < n * n; ++i)
        a[i] /= by;
    for (int count = 0; count < 60 && ONE(sweep)(n, a, v, EPSILON / 8); ++count)
        ;
    for (int64_t i = 0; i < n; ++i)
        a[i * (n + 1)] *= by;
}

/* The k rows of x, of length l >= k, are made orthogonal by rotations, which v (k rows, or NULL) takes part in. */
static void ONE(one_sided)(int64_t k, int64_t l, T *restrict x, T *restrict v)
{
    for (int64_t i = 0; v && i < k * k; ++i)
        v[i] = i % (k + 1) == 0;
    for (int sweep = 0, moved = 1; moved && sweep < 60; ++sweep) {
        moved = 0;
        for (int64_t p = 0; p < k; ++p)
            for (int64_t q = p + 1; q < k; ++q) {
                T *one = x + p * l, *other = x + q * l;
                double a = 0, c = 0;
                double _Complex inner = 0;
                for (int64_t i = 0; i < l; ++i) {
                    a += SQUARE(one[i]);
                    inner += (double _Complex)one[i] * CONJ(other[i]);
                    c += SQUARE(other[i]);
                }
                const double b = cabs(inner);
                if (!(b > EPSILON * sqrt(a) * sqrt(c)))
                    continue;
                moved = 1;
                const double half = (c - a) / (2 * b), far = fabs(half), root = far > 1e150 ? far : sqrt(1 + half * half);
                const double t = 1 / (half + copysign(root, half)), cosine = 1 / sqrt(1 + t * t);
                ONE(rotate)(l, one, other, (T)(inner / b), cosine, t * cosine);
                if (v)
                    ONE(rotate)(k, v + p * k, v + q * k, (T)(inner / b), cosine, t * cosine);
            }
    }
}
