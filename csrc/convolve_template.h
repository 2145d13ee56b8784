/* convolve_template.h: parts of convolutions for one type T; see fft.c (floats, FFT is 1) and convolve.c (integers, 0).
 * U: the type of products and sums. */
#define CONVOLVED 1024                  /* elements made at once, by all factors */

/* y[k] = sum over j of w[j] x[k + j], 0 <= k < count, 0 <= j < m. */
static GRADC_CLONES void NAME(correlate)(int64_t count, int64_t m, const T *restrict x, const T *restrict w,
                                         T *restrict y)
{
    for (int64_t from = 0; from < count; from += CONVOLVED) {
        const int64_t n = count - from < CONVOLVED ? count - from : CONVOLVED;
        T *restrict to = y + from;
        int64_t j = 0;
        memset(to, 0, (size_t)n * sizeof(T));
        for (; j + 8 <= m; j += 8) {
            const T *restrict at = x + from + j;
            const U w0 = (U)w[j], w1 = (U)w[j + 1], w2 = (U)w[j + 2], w3 = (U)w[j + 3], w4 = (U)w[j + 4],
                    w5 = (U)w[j + 5], w6 = (U)w[j + 6], w7 = (U)w[j + 7];
            for (int64_t k = 0; k < n; ++k)
                to[k] = (T)((U)to[k] + ((w0 * (U)at[k] + w1 * (U)at[k + 1]) + (w2 * (U)at[k + 2] + w3 * (U)at[k + 3])
                                        + ((w4 * (U)at[k + 4] + w5 * (U)at[k + 5])
                                           + (w6 * (U)at[k + 6] + w7 * (U)at[k + 7]))));
        }
        for (; j < m; ++j) {
            const T *restrict at = x + from + j;
            const U wj = (U)w[j];
            for (int64_t k = 0; k < n; ++k)
                to[k] = (T)((U)to[k] + wj * (U)at[k]);
        }
    }
}

#if FFT
/* z becomes z times w: complex numbers. */
static GRADC_CLONES void NAME(product)(int64_t n, const T *restrict w, T *restrict z)
{
    for (int64_t k = 0; k < n; ++k) {
        const T r = z[2 * k] * w[2 * k] - z[2 * k + 1] * w[2 * k + 1];
        z[2 * k + 1] = z[2 * k] * w[2 * k + 1] + z[2 * k + 1] * w[2 * k];
        z[2 * k] = r;
    }
}

/* The same as `correlate`, by transforms of length n of overlapping parts of x.  Returns 0 without memory. */
static int NAME(correlate_parts)(int64_t count, int64_t m, const T *x, const T *w, int64_t n, T *y)
{
    const int64_t h = n / 2 + 1, step = n - m + 1;
    T *part = (T *)malloc((size_t)(n + 4 * h) * sizeof(T)), *z = part + n, *of_w = z + 2 * h;
    int ok = part != NULL;
    if (ok) {                                           /* w backwards, so that it is a product that is wanted */
        for (int64_t j = 0; j < m; ++j)
            part[j] = w[m - 1 - j];
        memset(part + m, 0, (size_t)(n - m) * sizeof(T));
        ok = NAME(of_real)(n, part, 1 / (T)n, 1, of_w);
    }
    for (int64_t from = 0; ok && from < count; from += step) {
        const int64_t given = count + m - 1 - from < n ? count + m - 1 - from : n;
        const int64_t made = count - from < step ? count - from : step;
        memcpy(part, x + from, (size_t)given * sizeof(T));
        memset(part + given, 0, (size_t)(n - given) * sizeof(T));
        ok = NAME(of_real)(n, part, 1, 1, z);
        if (ok) {
            NAME(product)(h, of_w, z);
            ok = NAME(to_real)(n, h, z, 1, 1, part);
            memcpy(y + from, part + m - 1, (size_t)made * sizeof(T));
        }
    }
    free(part);
    return ok;
}
#endif

/* in: a, v, start; numbers: 0 for what takes less time, 1 direct, 2 by transforms; n, m, count.  Elements start + k of
 * the convolution of a and v, 0 <= k < count, 0 outside of it. */
int NAME(CONVOLVE)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame, (void)number;
    const int swap = numbers[1] < numbers[2];           /* v is the shorter one */
    const int64_t n = numbers[1 + swap], m = numbers[2 - swap], count = numbers[3];
    const T *a = in[swap], *v = in[!swap];
    if (!n || !m || !count) {
        memset(out[0], 0, (size_t)count * sizeof(T));
        return 0;
    }
    const int64_t start = *(const int64_t *)in[2], total = count + m - 1;      /* elements of a, from first on */
    const int64_t first = start - (m - 1), skip = first < 0 ? (-first < total ? -first : total) : 0;
    const int64_t left = n - (first + skip), given = left < 0 ? 0 : left < total - skip ? left : total - skip;
    T *w = (T *)malloc((size_t)(m + total) * sizeof(T)), *x = w + m;
    if (!w)
        return GRADC_NO_MEMORY;
    for (int64_t j = 0; j < m; ++j)
        w[j] = v[m - 1 - j];
    memset(x, 0, (size_t)skip * sizeof(T));
    if (given)
        memcpy(x + skip, a + first + skip, (size_t)given * sizeof(T));
    memset(x + skip + given, 0, (size_t)(total - skip - given) * sizeof(T));
    int ok = 1;
#if FFT
    const int64_t length = numbers[0] == 1 ? 0 : length_of_parts(count, m, numbers[0] == 2, sizeof(T));
    if (length)
        ok = NAME(correlate_parts)(count, m, x, w, length, out[0]);
    else
#endif
        NAME(correlate)(count, m, x, w, out[0]);
    free(w);
    return ok ? 0 : GRADC_NO_MEMORY;
}
