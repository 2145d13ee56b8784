/* fft_routines.h: transforms of real data for one type T, and the routines; see fft.c. */

/* y[k], 0 <= k <= h, of 2h real numbers by the transform z of the h complex ones that they are. */
static GRADC_CLONES void NAME(after_half)(int64_t h, T f, const T *restrict zr, const T *restrict zi,
                                          const T *restrict w, T *restrict y)
{
    for (int64_t k = 0; k <= h; ++k) {
        const T sr = zr[k] + zr[h - k], si = zi[k] - zi[h - k], dr = zr[k] - zr[h - k], di = zi[k] + zi[h - k];
        y[2 * k] = f * (sr + (w[k] * di + w[h + 1 + k] * dr));
        y[2 * k + 1] = f * (si + (w[h + 1 + k] * di - w[k] * dr));
    }
}

/* And back: what transforms to the conjugates of the complex numbers. */
static GRADC_CLONES void NAME(before_half)(int64_t h, const T *restrict xr, const T *restrict xi, const T *restrict w,
                                           T *restrict zr, T *restrict zi)
{
    for (int64_t k = 0; k < h; ++k) {
        const T sr = xr[k] + xr[h - k], si = xi[k] - xi[h - k], dr = xr[k] - xr[h - k], di = xi[k] + xi[h - k];
        zr[k] = sr + (w[h + 1 + k] * dr - w[k] * di);
        zi[k] = -(si + (w[k] * dr + w[h + 1 + k] * di));
    }
}

/* The first n / 2 + 1 elements of the transform of n real numbers, times f; of y[0], and y[n / 2] if n is even, `ends`
 * as much.  Returns 0 without memory. */
static int NAME(of_real)(int64_t n, const T *x, T f, T ends, T *y)
{
    const int64_t h = n / 2;
    if (n % 2 == 0) {
        NAME(plan) *p = NAME(plan_of)(h);
        const T *w = NAME(table_of)(p, REAL);
        if (!w)
            return 0;
        T *zr = NAME(run)(p, x, 1, NULL, 1, 1), *zi = zr + NAME(base)(p)->apart;
        zr[h] = zr[0], zi[h] = zi[0];
        NAME(after_half)(h, f / 2, zr, zi, w, y);
        y[1] = y[2 * h + 1] = 0;
        y[2 * h] *= ends;
    } else {
        NAME(plan) *p = NAME(plan_of)(n);
        if (!p)
            return 0;
        const int64_t apart = NAME(base)(p)->apart;
        T *zr = NAME(base)(p)->buffer[0];
        memcpy(zr, x, (size_t)n * sizeof(T));
        memset(zr + apart, 0, (size_t)n * sizeof(T));
        zr = NAME(run)(p, NULL, 1, NULL, 1, 1);
        NAME(join)(h + 1, f, f, zr, zr + apart, y);
        y[1] = 0;
    }
    y[0] *= ends;
    return 1;
}

/* f times the n real numbers that, in the inverse transform, have the first elements x, of which x[0], and x[n / 2] if n
 * is even, count `ends` times.  Elements of x from number `given` on are 0.  Returns 0 without memory. */
static int NAME(to_real)(int64_t n, int64_t given, const T *x, T f, T ends, T *y)
{
    const int64_t h = n / 2, even = n % 2 == 0;
    NAME(plan) *p = NAME(plan_of)(even ? h : n);
    const T *w = even ? NAME(table_of)(p, REAL) : NULL;
    if (!p || (even && !w))
        return 0;
    const int64_t apart = NAME(base)(p)->apart;
    T *zr = NAME(base)(p)->buffer[0], *zi = zr + apart;
    given = given < h + 1 ? given : h + 1;
    if (even) {
        T *xr = NAME(base)(p)->buffer[1], *xi = xr + apart;
        NAME(split)(given, 1, x, xr, xi);
        memset(xr + given, 0, (size_t)(h + 1 - given) * sizeof(T));
        memset(xi + given, 0, (size_t)(h + 1 - given) * sizeof(T));
        xr[0] *= ends, xr[h] *= ends;
        xi[0] = xi[h] = 0;
        NAME(before_half)(h, xr, xi, w, zr, zi);
        NAME(run)(p, NULL, 1, y, f, -f);
        return 1;
    }
    NAME(split)(given, -1, x, zr, zi);
    memset(zr + given, 0, (size_t)(h + 1 - given) * sizeof(T));
    memset(zi + given, 0, (size_t)(h + 1 - given) * sizeof(T));
    zr[0] *= ends, zi[0] = 0;
    for (int64_t k = 1; k <= h; ++k)
        zr[n - k] = zr[k], zi[n - k] = -zi[k];
    zr = NAME(run)(p, NULL, 1, NULL, 1, 1);
    for (int64_t k = 0; k < n; ++k)
        y[k] = f * zr[k];
    return 1;
}

/* ---- routines */

/* in: x, a factor; numbers: whether it is the inverse transform, n. */
int NAME(FFT)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame, (void)number;
    const int64_t n = numbers[1];
    const T sign = numbers[0] ? -1 : 1, f = *(const T *)in[1];
    const NAME(plan) *p = n ? NAME(plan_of)(n) : NULL;
    if (p)
        NAME(run)(p, in[0], sign, out[0], f, sign * f);
    return p || !n ? 0 : GRADC_NO_MEMORY;
}

/* The same of n real numbers: the first n / 2 + 1 elements, or 0.  numbers: by which power of 2 the elements that are
 * their own conjugates count, how many are given, how many are made. */
int NAME(RFFT)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame, (void)number;
    const T ends = (T)ldexp(1, (int)numbers[0]), f = *(const T *)in[1] / ends;
    const int64_t n = numbers[1], made = n ? n / 2 + 1 : 0, count = numbers[2] < made ? numbers[2] : made;
    T *y = out[0], *whole = count < made ? (T *)malloc((size_t)(2 * made) * sizeof(T)) : y;
    const int ok = whole && (!n || NAME(of_real)(n, in[0], f, ends, whole));
    if (ok && whole != y)
        memcpy(y, whole, (size_t)(2 * count) * sizeof(T));
    memset(y + 2 * count, 0, (size_t)(2 * (numbers[2] - count)) * sizeof(T));
    if (whole != y)
        free(whole);
    return ok ? 0 : GRADC_NO_MEMORY;
}

/* And back: n real numbers.  numbers: as above. */
int NAME(IRFFT)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame, (void)number;
    const T ends = (T)ldexp(1, (int)numbers[0]), f = *(const T *)in[1] / ends;
    return !numbers[2] || NAME(to_real)(numbers[2], numbers[1], in[0], f, ends, out[0]) ? 0 : GRADC_NO_MEMORY;
}
