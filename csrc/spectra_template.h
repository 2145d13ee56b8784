/* spectra_template.h: eigenvalues, singular values and bases for one type T; see linalg.c.
 *
 * Where the matrix is large LAPACK finds them, else Jacobi's rotations (G. Golub, C. Van Loan, Matrix Computations, 8.5
 * and 8.6.3).  Signs that are free: `first_sign` says which are taken. */

static int NAME(all_finite)(int64_t n, const T *x)
{
    T sum = 0;
    for (int64_t i = 0; i < n; ++i)
        sum += x[i] * 0;
    return sum == 0;
}

/* The sign of the first element that is not smaller than 0.6 of the largest: one that rounding does not choose where
 * two are equally large. */
static T NAME(first_sign)(int64_t n, const T *x, int64_t step)
{
    T most = 0;
    for (int64_t i = 0; i < n; ++i)
        most = fabs((double)x[i * step]) > most ? (T)fabs((double)x[i * step]) : most;
    for (int64_t i = 0; i < n; ++i)
        if (fabs((double)x[i * step]) >= 0.6 * most)
            return x[i * step] < 0 ? -1 : 1;
    return 1;
}

static void NAME(scale)(int64_t n, T factor, T *x, int64_t step)
{
    for (int64_t i = 0; i < n; ++i)
        x[i * step] *= factor;
}

static void NAME(transpose)(int64_t n, T *a)
{
    for (int64_t i0 = 0; i0 < n; i0 += 16)
        for (int64_t j0 = 0; j0 <= i0; j0 += 16)
            for (int64_t i = i0; i < n && i < i0 + 16; ++i)
                for (int64_t j = j0; j < i && j < j0 + 16; ++j) {
                    const T kept = a[i * n + j];
                    a[i * n + j] = a[j * n + i];
                    a[j * n + i] = kept;
                }
}

/* -- a basis ------------------------------------------------------------------------------------------------- */

/* Rows `from` to l of x (l x l), of which those before are orthonormal, become so too: of the unit vectors the first
 * one of which a good part is in no row before, less what is. */
static void NAME(complete)(int64_t from, int64_t rows, int64_t l, T *x)
{
    for (int64_t r = from; r < rows; ++r) {
        T *row = x + r * l;
        for (int64_t j = 0; j < l; ++j) {
            double rest = 1;
            for (int64_t i = 0; i < r; ++i)
                rest -= (double)x[i * l + j] * x[i * l + j];
            if (rest < 0.45 * (double)(l - r) / (double)l)
                continue;
            memset(row, 0, (size_t)l * sizeof(T));
            row[j] = 1;
            for (int again = 0; again < 2; ++again)
                for (int64_t i = 0; i < r; ++i) {
                    const T *other = x + i * l;
                    T inner = 0;
                    for (int64_t c = 0; c < l; ++c)
                        inner += row[c] * other[c];
                    for (int64_t c = 0; c < l; ++c)
                        row[c] -= inner * other[c];
                }
            double sum = 0;
            for (int64_t c = 0; c < l; ++c)
                sum += (double)row[c] * row[c];
            NAME(scale)(l, (T)(1 / sqrt(sum)), row, 1);
            break;
        }
    }
}

/* An orthogonal matrix of m rows that begins with the n columns given; numbers: m, n. */
int NAME(COMPLETE_BASIS)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers,
                         void *const *out)
{
    (void)number, (void)frame;
    const int64_t m = numbers[0], n = numbers[1];
    const T *given = in[0];
    T *made = out[0];
    if (n > m)
        return 1;
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < m; ++j)
            made[i * m + j] = given[j * n + i];
    NAME(complete)(n, m, m, made);
    NAME(transpose)(m, made);
    return 0;
}

/* -- eigenvalues of symmetric matrices -------------------------------------------------------------------------- */

/* Rows p and q of x become c times p - s times q, and s times p + c times q. */
static inline void NAME(rotate)(int64_t n, T *restrict p, T *restrict q, T c, T s)
{
    for (int64_t i = 0; i < n; ++i) {
        const T one = p[i], other = q[i];
        p[i] = c * one - s * other;
        q[i] = s * one + c * other;
    }
}

/* The tangent of the smaller angle whose rotation makes the element b of [[a, b], [b, c]] 0. */
static inline double NAME(tangent)(double a, double b, double c)
{
    const double half = (c - a) / (2 * b);
    return fabs(half) > 1e150 ? 0.5 / half : 1 / (half + copysign(sqrt(1 + half * half), half));
}

/* Rotations of all rows and columns but one, in pairs, until they are orthogonal: in a round no row is in two pairs, so
 * that what the rotations of a round are does not have to wait. */
SMALL_LOOP int NAME(sweep)(int64_t n, T *restrict a, T *restrict v, double least)
{
    enum { MOST = 32 };
    const int64_t even = n + (n & 1);
    int moved = 0;
    for (int64_t round = 0; round + 1 < even; ++round)
        for (int64_t first = 0; first < even / 2; first += MOST) {
            const int64_t last = first + MOST < even / 2 ? first + MOST : even / 2;
            int64_t ps[MOST], qs[MOST];
            double ts[MOST], cs[MOST];
            for (int64_t k = first; k < last; ++k) {    /* the last row meets each other one, these meet in a circle */
                const int64_t one = k ? (round + k) % (even - 1) : round, two = k ? (round + even - 1 - k) % (even - 1)
                                                                                  : even - 1;
                const int64_t p = one < two ? one : two, q = one < two ? two : one;
                ps[k - first] = p;
                qs[k - first] = q;
                const double b = q < n ? a[p * n + q] : 0;
                const double half = q < n ? (double)a[q * (n + 1)] - a[p * (n + 1)] : 1;
                const double t = 2 * b / (half + copysign(sqrt(half * half + 4 * b * b), half));
                const int still = fabs(b) <= least;
                ts[k - first] = still ? 0 : t;
                cs[k - first] = still ? 1 : 1 / sqrt(1 + t * t);
                moved |= !still;
            }
            for (int64_t k = 0; k < last - first; ++k) {
                const int64_t p = ps[k], q = qs[k];
                if (ts[k] == 0)
                    continue;
                const double b = a[p * n + q];
                const T c = (T)cs[k], s = (T)(ts[k] * cs[k]);
                const T low = (T)(a[p * (n + 1)] - ts[k] * b), high = (T)(a[q * (n + 1)] + ts[k] * b);
                NAME(rotate)(n, a + p * n, a + q * n, c, s);
                a[p * (n + 1)] = low;
                a[q * (n + 1)] = high;
                a[p * n + q] = a[q * n + p] = 0;
                for (int64_t i = 0; i < n; ++i) {
                    a[i * n + p] = a[p * n + i];
                    a[i * n + q] = a[q * n + i];
                }
                if (v)
                    NAME(rotate)(n, v + p * n, v + q * n, c, s);
            }
        }
    return moved;
}

/* Eigenvalues, ascending, and eigenvectors, the rows of v, of a symmetric matrix; v may be NULL. */
static void NAME(jacobi)(int64_t n, T *restrict a, T *w, T *v)
{
    double norm = 0;
    for (int64_t i = 0; i < n * n; ++i)
        norm = fabs((double)a[i]) > norm ? fabs((double)a[i]) : norm;
    for (int64_t i = 0; v && i < n * n; ++i)
        v[i] = i % (n + 1) == 0;
    const double by = norm > 0 ? norm : 1;          /* no square overflows or vanishes */
    for (int64_t i = 0; i < n * n; ++i)
        a[i] = (T)(a[i] / by);
    for (int count = 0, moved = 1; moved && count < 60; ++count)
        if (n == 3)
            moved = NAME(sweep)(3, a, v, EPSILON / 8);
        else if (n == 4)
            moved = NAME(sweep)(4, a, v, EPSILON / 8);
        else
            moved = NAME(sweep)(n, a, v, EPSILON / 8);
    for (int64_t i = 0; i < n; ++i)
        a[i * (n + 1)] = (T)(a[i * (n + 1)] * by);
    for (int64_t i = 0; i < n; ++i)
        w[i] = a[i * (n + 1)];
    for (int64_t i = 0; i < n; ++i) {
        int64_t least = i;
        for (int64_t j = i + 1; j < n; ++j)
            least = w[j] < w[least] ? j : least;
        const T kept = w[i];
        w[i] = w[least];
        w[least] = kept;
        if (v && least != i)
            NAME(rotate)(n, v + i * n, v + least * n, 0, 1);
    }
}

/* Of the lower triangle of n x n; vectors: n x n, or NULL. */
static int NAME(eigen)(gradc_frame *frame, int64_t n, const T *given, T *w, T *vectors)
{
    for (int64_t i = 0; i < n; ++i)
        if (!NAME(all_finite)(i + 1, given + i * n))
            return 1;
    T room[512];
    int bits;
    void *found = lapack(frame, TEXT("", "syevd_"), n, &bits);
    int64_t length = found ? 1 + 6 * n + 2 * n * n : 0, integers = 3 + 5 * n, fault = 0;
    length += (n * n + length) & 1;             /* integers follow, of up to 8 bytes */
    T *a = work_memory(room, sizeof room, (size_t)(n * n + length) * sizeof(T) + (size_t)(found ? integers : 0) * 8);
    if (!a)
        return GRADC_NO_MEMORY;
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j <= i; ++j)
            a[i * n + j] = a[j * n + i] = given[i * n + j];
    if (found) {
        T *to = vectors ? vectors : a;
        if (vectors)
            memcpy(vectors, a, (size_t)(n * n) * sizeof(T));
        ((void (*)(const char *, const char *, const int64_t *, T *, const int64_t *, T *, T *, const int64_t *, void *,
                   const int64_t *, int64_t *, size_t, size_t))found)(
            vectors ? "V" : "N", "U", &n, to, &n, w, a + n * n, &length, a + n * n + length, &integers, &fault, 1, 1);
    } else
        NAME(jacobi)(n, a, w, vectors);
    for (int64_t i = 0; vectors && i < n; ++i)
        NAME(scale)(n, NAME(first_sign)(n, vectors + i * n, 1), vectors + i * n, 1);
    if (vectors)
        NAME(transpose)(n, vectors);
    work_done(room, a);
    return fault != 0;
}

int NAME(EIGH)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    return NAME(eigen)(frame, numbers[0], in[0], out[0], out[1]);
}

int NAME(EIGVALSH)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    return NAME(eigen)(frame, numbers[0], in[0], out[0], NULL);
}

/* -- singular values ------------------------------------------------------------------------------------------ */

/* The k rows of x, of length l >= k, are made orthogonal by rotations, which v (k rows, or NULL) takes part in; s:
 * their norms, descending. */
static void NAME(one_sided)(int64_t k, int64_t l, T *x, T *s, T *v)
{
    for (int64_t i = 0; v && i < k * k; ++i)
        v[i] = i % (k + 1) == 0;
    for (int sweep = 0, moved = 1; moved && sweep < 60; ++sweep) {
        moved = 0;
        for (int64_t p = 0; p < k; ++p)
            for (int64_t q = p + 1; q < k; ++q) {
                T *one = x + p * l, *other = x + q * l;
                double a = 0, b = 0, c = 0;
                for (int64_t i = 0; i < l; ++i) {
                    a += (double)one[i] * one[i];
                    b += (double)one[i] * other[i];
                    c += (double)other[i] * other[i];
                }
                if (fabs(b) <= EPSILON * sqrt(a) * sqrt(c))
                    continue;
                moved = 1;
                const double t = NAME(tangent)(a, b, c), cosine = 1 / sqrt(1 + t * t);
                NAME(rotate)(l, one, other, (T)cosine, (T)(t * cosine));
                if (v)
                    NAME(rotate)(k, v + p * k, v + q * k, (T)cosine, (T)(t * cosine));
            }
    }
    for (int64_t i = 0; i < k; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < l; ++j)
            sum += (double)x[i * l + j] * x[i * l + j];
        s[i] = (T)sqrt(sum);
    }
    for (int64_t i = 0; i < k; ++i) {
        int64_t most = i;
        for (int64_t j = i + 1; j < k; ++j)
            most = s[j] > s[most] ? j : most;
        if (most == i)
            continue;
        const T kept = s[i];
        s[i] = s[most];
        s[most] = kept;
        NAME(rotate)(l, x + i * l, x + most * l, 0, 1);
        if (v)
            NAME(rotate)(k, v + i * k, v + most * k, 0, 1);
    }
}

/* a (m x n) = u diag(s) v, k = min(m, n) singular values; u and v may be NULL.  For LAPACK, which counts by columns, it
 * is the transpose that has these factors, in the other order. */
static int NAME(singular_values)(gradc_frame *frame, int64_t m, int64_t n, const T *given, T *u, T *s, T *v)
{
    int64_t k = m < n ? m : n, l = m < n ? n : m, fault = 0;
    if (!NAME(all_finite)(m * n, given))
        return 1;
    T room[512], most = 0;
    int bits;
    void *found = k ? lapack(frame, TEXT("", "gesdd_"), l, &bits) : NULL;
    int64_t length = found ? 4 * k * k + 7 * k + 64 * (k + l) : u ? k * k : 0;
    length += (m * n + length) & 1;
    T *a = work_memory(room, sizeof room, (size_t)(m * n + length) * sizeof(T) + (size_t)(found ? 8 * k : 0) * 8);
    if (!a)
        return GRADC_NO_MEMORY;
    if (found) {
        memcpy(a, given, (size_t)(m * n) * sizeof(T));
        ((void (*)(const char *, const int64_t *, const int64_t *, T *, const int64_t *, T *, T *, const int64_t *, T *,
                   const int64_t *, T *, const int64_t *, void *, int64_t *, size_t))found)(
            u ? "S" : "N", &n, &m, a, &n, s, v, &n, u, &k, a + m * n, &length, a + m * n + length, &fault, 1);
    } else {
        T *turned = a + m * n;
        for (int64_t i = 0; i < m * n; ++i)
            most = fabs((double)given[i]) > most ? (T)fabs((double)given[i]) : most;
        const T by = most > 0 ? most : 1;           /* squares of what is left neither overflow nor vanish */
        for (int64_t i = 0; i < m; ++i)
            for (int64_t j = 0; j < n; ++j)
                a[m < n ? i * n + j : j * m + i] = given[i * n + j] / by;
        NAME(one_sided)(k, l, a, s, u ? turned : NULL);
        int64_t rank = 0;
        while (rank < k && s[rank] > 0)
            ++rank;
        for (int64_t i = 0; u && i < rank; ++i)
            NAME(scale)(l, 1 / s[i], a + i * l, 1);
        if (u)
            NAME(complete)(rank, k, l, a);
        /* rows of a: columns of u, or rows of v; those of turned: the other */
        for (int64_t i = 0; u && i < k; ++i) {
            for (int64_t j = 0; j < m; ++j)
                u[j * k + i] = m < n ? turned[i * k + j] : a[i * l + j];
            for (int64_t j = 0; j < n; ++j)
                v[i * n + j] = m < n ? a[i * l + j] : turned[i * k + j];
        }
        NAME(scale)(k, by, s, 1);
    }
    for (int64_t i = 0; u && i < k; ++i) {
        const T sign = NAME(first_sign)(m, u + i, k);
        NAME(scale)(m, sign, u + i, k);
        NAME(scale)(n, sign, v + i * n, 1);
    }
    work_done(room, a);
    return fault != 0;
}

/* numbers: m, n. */
int NAME(SVD)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    return NAME(singular_values)(frame, numbers[0], numbers[1], in[0], out[0], out[1], out[2]);
}

int NAME(SVDVALS)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    return NAME(singular_values)(frame, numbers[0], numbers[1], in[0], NULL, out[0], NULL);
}
