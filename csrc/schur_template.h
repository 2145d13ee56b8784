/* schur_template.h: Schur's form of any square matrix, and what goes by it, for one type T; see linalg.c.  LAPACK finds
 * it.  Of complex matrices the real and imaginary parts are two arrays. */

/* t becomes the (quasi-)triangular form of t, z the unitary matrix with t = z form z^H, in rows; values: real, then
 * imaginary parts of n eigenvalues, or n complex ones.  Returns 0, 1 for what has nan or does not converge, 2 without
 * LAPACK. */
static int NAME(schur_form)(gradc_frame *frame, int64_t n, T *t, T *z, T *values)
{
    const int64_t length = 40 * n;
    int bits;
    if (!NAME(all_finite)(n * n, t))
        return 1;
    if (!n)
        return 0;
    void *gees = any_lapack(frame, TEXT("", "gees_"), n, &bits);
    if (!gees)
        return 2;
    T *work = malloc((size_t)(2 * n + length) * sizeof(T));
    if (!work)
        return GRADC_NO_MEMORY;
    NAME(transpose)(n, t);
    const int64_t fault = NAME(schur)(gees, n, t, z, work, length);
    NAME(transpose)(n, t);
    NAME(transpose)(n, z);
    memcpy(values, work, (size_t)(2 * n) * sizeof(T));
    free(work);
    return fault ? 1 : 0;
}

int NAME(SCHUR)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t n = numbers[0];
    T *values = malloc((size_t)(2 * n + 1) * sizeof(T));
    if (!values)
        return GRADC_NO_MEMORY;
    memcpy(out[0], in[0], (size_t)(n * n) * sizeof(T));
    const int status = NAME(schur_form)(frame, n, out[0], out[1], values);
    free(values);
    return status;
}

#if !IS_COMPLEX
/* Columns j and j + 1 of x, those of `rows` rows, times [[i c, -s], [s, -i c]]. */
static void NAME(turn_columns)(int64_t rows, int64_t n, int64_t j, T c, T s, T *x, T *xi)
{
    for (int64_t i = 0; i < rows; ++i) {
        T *p = x + i * n + j, *pi = xi + i * n + j;
        const T a = p[0], ai = pi[0], b = p[1], bi = pi[1];
        p[0] = s * b - c * ai;
        pi[0] = s * bi + c * a;
        p[1] = c * bi - s * a;
        pi[1] = -c * b - s * ai;
    }
}

/* The form t, with its z, becomes triangular and complex, by a rotation for each block of two rows.  Is there one? */
static int NAME(triangular_form)(int64_t n, T *t, T *ti, T *z, T *zi)
{
    int turned = 0;
    for (int64_t m = n - 1; m > 0; --m) {
        T *p = t + (m - 1) * n, *pi = ti + (m - 1) * n;         /* a block [[a, b], [below, a]], with b below < 0 */
        const double below = p[n + m - 1], mu = sqrt(-below * p[m]), r = hypot(mu, below);
        if (below == 0)
            continue;
        const T c = (T)(mu / r), s = (T)(below / r);
        turned = 1;
        for (int64_t j = m - 1; j < n; ++j) {
            const T a = p[j], ai = pi[j], b = p[n + j], bi = pi[n + j];
            p[j] = s * b + c * ai;
            pi[j] = s * bi - c * a;
            p[n + j] = -s * a - c * bi;
            pi[n + j] = c * b - s * ai;
        }
        NAME(turn_columns)(m + 1, n, m - 1, c, s, t, ti);
        NAME(turn_columns)(n, n, m - 1, c, s, z, zi);
        p[n + m - 1] = pi[n + m - 1] = 0;
    }
    return turned;
}

/* y -= (x + i xi) other, from element `from` to n - 1. */
static void NAME(subtract_row)(int64_t from, int64_t n, T x, T xi, const T *restrict other, const T *restrict otheri,
                               T *restrict y, T *restrict yi)
{
    for (int64_t k = from; k < n; ++k) {
        y[k] -= x * other[k] - xi * otheri[k];
        yi[k] -= x * otheri[k] + xi * other[k];
    }
}

/* The square root of a triangular matrix in its place: A. Bjorck, S. Hammarling, A Schur method for the square root of
 * a matrix (1983).  Returns 0 if there is none. */
static int NAME(root_of_triangle)(int64_t n, T *t, T *ti)
{
    for (int64_t i = n - 1; i >= 0; --i) {
        T *row = t + i * n, *rowi = ti + i * n;
        const double complex root = csqrt(row[i] + I * (double)rowi[i]);
        for (int64_t j = i + 1; j < n; ++j) {
            const double complex sum = root + t[j * (n + 1)] + I * (double)ti[j * (n + 1)];
            const double complex known = row[j] + I * (double)rowi[j], value = known == 0 ? 0 : known / sum;
            if (known != 0 && sum == 0)
                return 0;
            row[j] = (T)creal(value);
            rowi[j] = (T)cimag(value);
            NAME(subtract_row)(j + 1, n, row[j], rowi[j], t + j * n, ti + j * n, row, rowi);
        }
        row[i] = (T)creal(root);
        rowi[i] = (T)cimag(root);
    }
    return 1;
}

/* The logarithm of a triangular matrix in its place, by square roots and the Pade approximant of degree 7, in partial
 * fractions: N. Higham, Functions of Matrices (2008), 11.5 and 11.4.  work: 6 n^2.  Returns 0 if there is none. */
static int NAME(log_of_triangle)(int64_t n, T *t, T *ti, T *work)
{
    static const double node[] = {0.02544604382862074, 0.12923440720030278, 0.2970774243113014, 0.5,
                                  0.7029225756886985, 0.8707655927996972, 0.9745539561713792};
    static const double weight[] = {0.06474248308443485, 0.13985269574463833, 0.19091502525255946, 0.20897959183673469,
                                    0.19091502525255946, 0.13985269574463833, 0.06474248308443485};
    const size_t bytes = (size_t)(n * n) * sizeof(T);
    T *x = work, *xi = x + n * n, *y = xi + n * n, *yi = y + n * n, *sum = yi + n * n;
    T *sumi = sum + n * n;
    double factor = 1;
    memcpy(x, t, bytes);
    memcpy(xi, ti, bytes);
    for (int more = 1; more;) {
        double norm = 0;
        for (int64_t i = 0; i < n; ++i) {
            double row = 0;
            for (int64_t j = i; j < n; ++j)
                row += hypot((double)x[i * n + j] - (i == j), (double)xi[i * n + j]);
            norm = row > norm ? row : norm;
        }
        more = norm > 0.264 && factor < 1e30;
        if (more && !NAME(root_of_triangle)(n, x, xi))
            return 0;
        factor *= more ? 2 : 1;
    }
    for (int64_t i = 0; i < n; ++i)
        x[i * (n + 1)] -= 1;
    memset(sum, 0, 2 * bytes);
    for (int p = 0; p < 7; ++p) {
        memcpy(y, x, bytes);
        memcpy(yi, xi, bytes);
        for (int64_t i = n - 1; i >= 0; --i) {          /* y = (1 + node x)^-1 x */
            T *row = y + i * n, *rowi = yi + i * n;
            for (int64_t k = i + 1; k < n; ++k)
                NAME(subtract_row)(k, n, (T)(node[p] * x[i * n + k]), (T)(node[p] * xi[i * n + k]), y + k * n, yi + k * n,
                                   row, rowi);
            const double complex inverse = 1 / (1 + node[p] * (x[i * (n + 1)] + I * (double)xi[i * (n + 1)]));
            for (int64_t j = i; j < n; ++j) {
                const double complex value = (row[j] + I * (double)rowi[j]) * inverse;
                row[j] = (T)creal(value);
                rowi[j] = (T)cimag(value);
                sum[i * n + j] += (T)(weight[p] * factor * creal(value));
                sumi[i * n + j] += (T)(weight[p] * factor * cimag(value));
            }
        }
    }
    for (int64_t i = 0; i < n; ++i) {
        const double complex value = clog(t[i * (n + 1)] + I * (double)ti[i * (n + 1)]);
        sum[i * (n + 1)] = (T)creal(value);
        sumi[i * (n + 1)] = (T)cimag(value);
    }
    memcpy(t, sum, bytes);
    memcpy(ti, sumi, bytes);
    return 1;
}

/* The square root, or the logarithm, of a matrix without eigenvalues for which it is not real.  numbers: is it the
 * logarithm; n.  Status 1: as of the form; 2: there is such an eigenvalue; 3: there is no root; 4: no LAPACK. */
int NAME(OF_SCHUR)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t n = numbers[1], size = n * n;
    T *t = calloc((size_t)(10 * size + 2 * n + 1), sizeof(T));
    if (!t)
        return GRADC_NO_MEMORY;
    T *ti = t + size, *z = ti + size, *zi = z + size, *work = zi + size, *values = work + 6 * size, *made = out[0];
    memcpy(t, in[0], (size_t)size * sizeof(T));
    int status = NAME(schur_form)(frame, n, t, z, values);
    status = status == 2 ? 4 : status;
    double most = 0;
    for (int64_t i = 0; i < 2 * n; ++i)
        most = fabs((double)values[i]) > most ? fabs((double)values[i]) : most;
    for (int64_t i = 0; !status && i < n; ++i) {
        T *value = t + i * (n + 1);
        const int is_real = values[n + i] == 0;
        if (is_real && !numbers[0] && *value < 0 && *value >= -(double)n * EPSILON * most)
            *value = 0;                                     /* by rounding */
        if (is_real && (*value < 0 || (numbers[0] && *value == 0)))
            status = 2;
    }
    if (!status) {
        const int turned = NAME(triangular_form)(n, t, ti, z, zi);
        if (!(numbers[0] ? NAME(log_of_triangle)(n, t, ti, work) : NAME(root_of_triangle)(n, t, ti)))
            status = 3;
        T *half = work, *more = half + size;
        NAME(times)(frame, 0, 0, n, n, n, z, t, half);
        for (int k = 0; turned && k < 2; ++k) {             /* re = z t - zi ti, im = z ti + zi t */
            NAME(times)(frame, 0, 0, n, n, n, k ? z : zi, ti, more);
            for (int64_t i = 0; i < size; ++i)
                half[i] = k ? more[i] : half[i] - more[i];
            if (!k) {
                NAME(times)(frame, 0, 1, n, n, n, half, z, made);
                continue;
            }
            NAME(times)(frame, 0, 0, n, n, n, zi, t, more);
            for (int64_t i = 0; i < size; ++i)
                half[i] += more[i];
            NAME(times)(frame, 0, 1, n, n, n, half, zi, more);
            for (int64_t i = 0; i < size; ++i)
                made[i] += more[i];
        }
        if (!turned)
            NAME(times)(frame, 0, 1, n, n, n, half, z, made);
    }
    free(t);
    return status;
}

#else
/* The square root, or the logarithm.  numbers and status: as of real matrices, but that each eigenvalue has one of both,
 * except 0 (status 3). */
int NAME(OF_SCHUR)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const int64_t n = numbers[1], size = n * n;
    T *t = calloc((size_t)(7 * size + 2 * n + 1), sizeof(T)), *made = out[0];
    if (!t)
        return GRADC_NO_MEMORY;
    T *z = t + size, *half = z + size, *values = half + 5 * size;
    PART *re = (PART *)(half + size), *im = re + size;
    memcpy(t, in[0], (size_t)size * sizeof(T));
    int status = NAME(schur_form)(frame, n, t, z, values);
    status = status == 2 ? 4 : status;
    for (int64_t i = 0; !status && i < n; ++i)
        status = numbers[0] && t[i * (n + 1)] == 0 ? 3 : 0;
    if (!status) {
        for (int64_t i = 0; i < size; ++i) {
            re[i] = (PART)creal(t[i]);
            im[i] = (PART)cimag(t[i]) + 0;              /* no -0: below the cut */
        }
        if (!(numbers[0] ? PARTS(log_of_triangle)(n, re, im, im + size) : PARTS(root_of_triangle)(n, re, im)))
            status = 3;
        for (int64_t i = 0; i < size; ++i)
            t[i] = (T)(re[i] + I * (double)im[i]);
        NAME(times)(frame, 0, 0, n, n, n, z, t, half);
        NAME(times)(frame, 0, ADJOINT, n, n, n, half, z, made);
    }
    free(t);
    return status;
}
#endif

/* Element i of a vector that LAPACK gives: of real matrices real and imaginary parts are n apart, sign is that of the
 * eigenvalue's imaginary part. */
static double complex NAME(element)(const T *x, int64_t n, int64_t i, int sign)
{
    return IS_COMPLEX || !sign ? x[i] : x[i] + I * sign * x[n + i];
}

/* Eigenvalues, right eigenvectors of norm 1 (columns), and the inverse of their matrix, all of them complex; of each
 * vector the element that is made positive: the first that is not smaller than 0.6 of the largest. */
int NAME(EIG)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    int64_t n = numbers[0], length = 40 * n, fault = 0, *place = out[3];
    PART *w = out[0], *vectors = out[1], *inverse = out[2];
    if (!NAME(all_finite)(n * n, in[0]))
        return 1;
    if (!n)
        return 0;
    int bits;
    void *found = any_lapack(frame, TEXT("", "geev_"), n, &bits);
    if (!found)
        return 2;
    T *a = malloc((size_t)(3 * n * n + 4 * n + length) * sizeof(T));
    if (!a)
        return GRADC_NO_MEMORY;
    T *left = a + n * n, *right = left + n * n, *values = right + n * n, *work = values + 2 * n;
    memcpy(a, in[0], (size_t)(n * n) * sizeof(T));
    NAME(transpose)(n, a);
#if IS_COMPLEX
    ((void (*)(const char *, const char *, const int64_t *, T *, const int64_t *, T *, T *, const int64_t *, T *,
               const int64_t *, T *, const int64_t *, void *, int64_t *, size_t, size_t))found)(
        "V", "V", &n, a, &n, values, left, &n, right, &n, work + 2 * n, &length, work, &fault, 1, 1);
#else
    ((void (*)(const char *, const char *, const int64_t *, T *, const int64_t *, T *, T *, T *, const int64_t *, T *,
               const int64_t *, T *, const int64_t *, int64_t *, size_t, size_t))found)(
        "V", "V", &n, a, &n, values, values + n, left, &n, right, &n, work, &length, &fault, 1, 1);
#endif
    for (int64_t j = 0; !fault && j < n; ++j) {
        const double imaginary = IS_COMPLEX ? cimag(values[j]) : (double)RE(values[n + j]);
        const int sign = (imaginary > 0) - (imaginary < 0);
        const int64_t first = !IS_COMPLEX && sign < 0 ? j - 1 : j;      /* of a pair: the conjugate of the one before */
        const T *v = right + first * n, *u = left + first * n;
        double most = 0, norm = 0;
        for (int64_t i = 0; i < n; ++i) {
            const double size = cabs(NAME(element)(v, n, i, sign));
            most = size > most ? size : most;
            norm += size * size;
        }
        double complex turn = 1;
        for (int64_t i = n - 1; i >= 0; --i) {
            const double complex value = NAME(element)(v, n, i, sign);
            if (cabs(value) >= 0.6 * most) {
                place[j] = i;
                turn = conj(value) / cabs(value) / sqrt(norm);
            }
        }
        double complex inner = 0;
        for (int64_t i = 0; i < n; ++i) {
            const double complex value = turn * NAME(element)(v, n, i, sign);
            inner += conj(NAME(element)(u, n, i, sign)) * value;
            vectors[2 * (i * n + j)] = (PART)creal(value);
            vectors[2 * (i * n + j) + 1] = (PART)cimag(value);
        }
        for (int64_t i = 0; i < n; ++i) {
            const double complex value = conj(NAME(element)(u, n, i, sign)) / inner;
            inverse[2 * (j * n + i)] = (PART)creal(value);
            inverse[2 * (j * n + i) + 1] = (PART)cimag(value);
        }
        w[2 * j] = RE(values[j]);
        w[2 * j + 1] = (PART)imaginary;
    }
    free(a);
    return fault ? 1 : 0;
}
