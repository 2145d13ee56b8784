/* dct_template.h: transforms by cosines and by sines for one type T; see fft.c.
 *
 * By transforms of real data of the same length (J. Makhoul, A fast cosine transform in one and two dimensions, 1980);
 * types 1 and 4 by those of other lengths.  w: roots, real parts, then imaginary ones `apart` from them. */

/* y[k] = 2 sum of x[j] cos(pi k (2j + 1) / 2n); v, z: room for n and n + 2 elements. */
static int NAME(dct2)(int64_t n, const T *x, T f, T *y, T *v, T *z)
{
    const int64_t h = n / 2, even = n % 2 == 0;
    for (int64_t j = 0; j < n - h; ++j)
        v[j] = x[2 * j];
    for (int64_t j = 0; j < h; ++j)
        v[n - 1 - j] = x[2 * j + 1];
    if (!NAME(of_real)(n, v, 2 * f, 1, z))
        return 0;
    const T *w = NAME(table_of)(NAME(plan_of)(even ? h : n), even ? COSINES_EVEN : COSINES_ODD);
    if (!w)
        return 0;
    const int64_t apart = (even ? h : n) + 1;
    y[0] = z[0];
    for (int64_t k = 1; k <= h; ++k) {
        y[n - k] = -(z[2 * k] * w[apart + k] + z[2 * k + 1] * w[k]);
        y[k] = z[2 * k] * w[k] - z[2 * k + 1] * w[apart + k];
    }
    return 1;
}

/* y[k] = x[0] + 2 sum of x[j] cos(pi j (2k + 1) / 2n), 1 <= j. */
static int NAME(dct3)(int64_t n, const T *x, T f, T *y, T *v, T *z)
{
    const int64_t h = n / 2, even = n % 2 == 0, apart = (even ? h : n) + 1;
    const T *w = NAME(table_of)(NAME(plan_of)(even ? h : n), even ? COSINES_EVEN : COSINES_ODD);
    if (!w)
        return 0;
    z[0] = x[0], z[1] = 0;
    for (int64_t k = 1; k <= h; ++k) {                  /* times the conjugates of the roots */
        z[2 * k] = x[k] * w[k] - x[n - k] * w[apart + k];
        z[2 * k + 1] = -(x[n - k] * w[k] + x[k] * w[apart + k]);
    }
    if (!NAME(to_real)(n, h + 1, z, f, 1, v))
        return 0;
    for (int64_t j = 0; j < n - h; ++j)
        y[2 * j] = v[j];
    for (int64_t j = 0; j < h; ++j)
        y[2 * j + 1] = v[n - 1 - j];
    return 1;
}

/* y[k] = 2 sum of x[j] cos(pi (2k + 1) (2j + 1) / 4n); z: room for 4n elements. */
static int NAME(dct4)(int64_t n, const T *x, T f, T *y, T *z)
{
    const int64_t h = n / 2, even = n % 2 == 0;
    NAME(plan) *p = NAME(plan_of)(even ? h : 2 * n);
    const T *w = NAME(table_of)(p, even ? COSINES_4 : BEFORE_4), *after = even ? w : NAME(table_of)(p, AFTER_4);
    if (!w || !after)
        return 0;
    const int64_t apart = p->n + 1;
    if (even) {
        for (int64_t j = 0; j < h; ++j) {
            const T r = x[2 * j], i = x[n - 1 - 2 * j];
            z[2 * j] = r * w[j] - i * w[apart + j];
            z[2 * j + 1] = r * w[apart + j] + i * w[j];
        }
        NAME(run)(p, z, 1, z + n, 2 * f, 2 * f);
        for (int64_t k = 0; k < h; ++k) {
            const T r = z[n + 2 * k], i = z[n + 2 * k + 1];
            y[2 * k] = r * w[k] - i * w[apart + k];
            y[n - 1 - 2 * k] = -(r * w[apart + k] + i * w[k]);
        }
        return 1;
    }
    memset(z, 0, (size_t)(4 * n) * sizeof(T));
    for (int64_t j = 0; j < n; ++j) {
        z[2 * j] = x[j] * w[j];
        z[2 * j + 1] = x[j] * w[apart + j];
    }
    NAME(run)(p, z, 1, z + 4 * n, 2 * f, 2 * f);
    for (int64_t k = 0; k < n; ++k)
        y[k] = z[4 * n + 2 * k] * after[k] - z[4 * n + 2 * k + 1] * after[apart + k];
    return 1;
}

/* y[k] = x[0] + (-1)^k x[n - 1] + 2 sum of x[j] cos(pi j k / (n - 1)), 0 < j < n - 1; by sines, y[k] = 2 sum of
 * x[j] sin(pi (j + 1) (k + 1) / (n + 1)): the transform of x and its mirror image.  z: room for 2n + 2, then 2n + 4. */
static int NAME(dct1)(int64_t n, const T *x, T f, int sines, T *y, T *z)
{
    const int64_t m = sines ? 2 * (n + 1) : 2 * (n - 1);
    T *made = z + 2 * n + 2;
    if (sines)
        z[0] = z[n + 1] = 0;
    for (int64_t j = 0; j < n; ++j) {
        const int64_t at = sines ? j + 1 : j;
        z[at] = x[j];
        if (at && at < m)
            z[m - at] = sines ? -x[j] : x[j];
    }
    if (!NAME(of_real)(m, z, f, 1, made))
        return 0;
    for (int64_t k = 0; k < n; ++k)
        y[k] = sines ? -made[2 * k + 3] : made[2 * k];
    return 1;
}

/* in: x, a factor; numbers: the type, 1 to 4; by sines?, n. */
int NAME(DCT)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame, (void)number;
    const int64_t type = numbers[0], n = numbers[2];
    const int sines = numbers[1] != 0;
    const T *x = in[0], f = *(const T *)in[1];
    T *y = out[0];
    if (!n)
        return 0;
    T *work = malloc((size_t)(9 * n + 8) * sizeof(T)), *z = work + n;
    if (!work)
        return GRADC_NO_MEMORY;
    if (sines && type > 1) {                            /* those by cosines of mirror images */
        for (int64_t j = 0; j < n; ++j)
            work[j] = type == 2 ? j % 2 ? -x[j] : x[j] : x[n - 1 - j];
        x = work;
    }
    const int ok = type == 1   ? NAME(dct1)(n, x, f, sines, y, z)
                   : type == 2 ? NAME(dct2)(n, x, f, y, z, z + n)
                   : type == 3 ? NAME(dct3)(n, x, f, y, z, z + n)
                               : NAME(dct4)(n, x, f, y, z);
    if (sines && type == 2)
        for (int64_t k = 0; k < n / 2; ++k) {
            const T t = y[k];
            y[k] = y[n - 1 - k];
            y[n - 1 - k] = t;
        }
    if (sines && type > 2)
        for (int64_t k = 1; k < n; k += 2)
            y[k] = -y[k];
    free(work);
    return ok ? 0 : GRADC_NO_MEMORY;
}
