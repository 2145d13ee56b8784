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

static void NAME(swap)(int64_t n, T *one, T *other)
{
    for (int64_t i = 0; i < n; ++i) {
        const T kept = one[i];
        one[i] = other[i];
        other[i] = kept;
    }
}

/* Eigenvalues become ascending, vectors, which are rows and may be NULL, follow them. */
static void NAME(ascending)(int64_t n, T *w, T *vectors)
{
    for (int64_t i = 0; i < n; ++i) {
        int64_t least = i;
        for (int64_t j = i + 1; j < n; ++j)
            least = w[j] < w[least] ? j : least;
        if (least == i)
            continue;
        NAME(swap)(1, w + i, w + least);
        if (vectors)
            NAME(swap)(n, vectors + i * n, vectors + least * n);
    }
}

/* Vectors that are rows become columns with the signs that are chosen. */
static void NAME(as_columns)(int64_t n, T *vectors)
{
    for (int64_t i = 0; i < n; ++i)
        NAME(scale)(n, NAME(first_sign)(n, vectors + i * n, 1), vectors + i * n, 1);
    NAME(transpose)(n, vectors);
}

/* Of the lower triangle of n x n; vectors: n x n, or NULL. */
static int NAME(eigen)(gradc_frame *frame, int64_t n, const T *given, T *w, T *vectors)
{
    for (int64_t i = 0; i < n; ++i)
        if (!NAME(all_finite)(i + 1, given + i * n))
            return 1;
    T room[512];
    int bits;
    void *found = n > SMALL_SPECTRUM ? any_lapack(frame, TEXT("", "syevd_"), n, &bits) : NULL;
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
    } else {
        OF_SIZE_4(n, ONE(jacobi), a, vectors)
        for (int64_t i = 0; i < n; ++i)
            w[i] = a[i * (n + 1)];
        NAME(ascending)(n, w, vectors);
    }
    if (vectors)
        NAME(as_columns)(n, vectors);
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

/* The norms s of the k rows of x, of length l, become descending; rows, and those of v (k, or NULL), follow them. */
static void NAME(descending)(int64_t k, int64_t l, T *x, T *s, T *v)
{
    for (int64_t i = 0; i < k; ++i) {
        double sum = 0, least = 0;
        for (int64_t j = 0; j < l; ++j)
            sum += (double)x[i * l + j] * x[i * l + j];
        for (int64_t j = 0; sum < 1e-200 && j < l; ++j)         /* squares that vanish */
            least = fabs((double)x[i * l + j]) > least ? fabs((double)x[i * l + j]) : least;
        if (least > 0) {
            sum = 0;
            for (int64_t j = 0; j < l; ++j)
                sum += x[i * l + j] / least * (x[i * l + j] / least);
        }
        s[i] = (T)(least > 0 ? least * sqrt(sum) : sqrt(sum));
    }
    for (int64_t i = 0; i < k; ++i) {
        int64_t most = i;
        for (int64_t j = i + 1; j < k; ++j)
            most = s[j] > s[most] ? j : most;
        if (most == i)
            continue;
        NAME(swap)(1, s + i, s + most);
        NAME(swap)(l, x + i * l, x + most * l);
        if (v)
            NAME(swap)(k, v + i * k, v + most * k);
    }
}

/* Of k orthogonal rows x, of length l, norms s, descending, and u and v, or NULL, of the m x n matrix whose rows they
 * are made of by the rotations `turned`, or columns. */
static void NAME(put_factors)(int64_t m, int64_t n, T *x, T *turned, T by, T *u, T *s, T *v)
{
    const int64_t k = m < n ? m : n, l = m < n ? n : m;
    int64_t rank = 0;
    NAME(descending)(k, l, x, s, u ? turned : NULL);
    while (rank < k && s[rank] > 0)
        ++rank;
    for (int64_t i = 0; u && i < rank; ++i)
        for (int64_t j = 0; j < l; ++j)
            x[i * l + j] /= s[i];
    if (u)
        NAME(complete)(rank, k, l, x);
    /* rows of x: columns of u, or rows of v; those of turned: the other */
    for (int64_t i = 0; u && i < k; ++i) {
        for (int64_t j = 0; j < m; ++j)
            u[j * k + i] = m < n ? turned[i * k + j] : x[i * l + j];
        for (int64_t j = 0; j < n; ++j)
            v[i * n + j] = m < n ? x[i * l + j] : turned[i * k + j];
    }
    NAME(scale)(k, by, s, 1);
}

static void NAME(put_signs)(int64_t m, int64_t n, T *u, T *v)
{
    const int64_t k = m < n ? m : n;
    for (int64_t i = 0; u && i < k; ++i) {
        const T sign = NAME(first_sign)(m, u + i, k);
        NAME(scale)(m, sign, u + i, k);
        NAME(scale)(n, sign, v + i * n, 1);
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
    void *found = k && l > SMALL_SPECTRUM ? any_lapack(frame, TEXT("", "gesdd_"), l, &bits) : NULL;
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
        ONE(one_sided)(k, l, a, u ? turned : NULL);
        NAME(put_factors)(m, n, a, turned, by, u, s, v);
    }
    NAME(put_signs)(m, n, u, v);
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
