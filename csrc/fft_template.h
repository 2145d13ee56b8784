/* fft_template.h: plans and transforms for one type T; see fft.c. */

typedef struct NAME(plan) {
    int64_t n;
    int passes;
    struct {
        int64_t radix, m, s;
        T *w, *root;                    /* see fft_passes.h; root: of radices above 8 */
    } pass[MOST_PASSES];
    T *buffer[2];                       /* n real parts, n imaginary ones from `apart` on */
    int64_t apart;
    T *table[TABLES];                   /* what data of some form take; NULL until needed */
    struct NAME(plan) *longer;          /* Bluestein: the transform by which it convolves */
    T *chirp, *kernel;
    int64_t bytes;
    uint64_t used;                      /* when, in calls */
} NAME(plan);

static void NAME(free_plan)(NAME(plan) *p)
{
    if (!p)
        return;
    for (int k = 0; k < p->passes; ++k) {
        free(p->pass[k].w);
        free(p->pass[k].root);
    }
    free(p->buffer[0]);
    for (int k = 0; k < TABLES; ++k)
        free(p->table[k]);
    free(p->chirp);
    free(p->kernel);
    NAME(free_plan)(p->longer);
    free(p);
}

/* Memory of a plan, aligned; NULL if there is none. */
static T *NAME(room)(NAME(plan) *p, int64_t count)
{
    p->bytes += count * (int64_t)sizeof(T);
    return (T *)gradc_get_block(count * (int64_t)sizeof(T));
}

/* Roots at the exponents first + step * k, 0 <= k < count: real parts, then imaginary ones, `apart` from them. */
static void NAME(roots_at)(const roots *of, int64_t first, int64_t step, int64_t count, T *real, int64_t apart)
{
    for (int64_t k = 0, at = first; k < count; ++k, at = (at + step) % of->n) {
        const root value = root_at(of, at);
        real[k] = (T)value.r;
        real[apart + k] = (T)value.i;
    }
}

static T *NAME(run)(const NAME(plan) *p, const T *x, T sign, T *y, T f, T g);

static int NAME(plan_passes)(NAME(plan) *p)
{
    roots of;
    if (!roots_make(&of, p->n))
        return 0;
    int ok = 1;
    int64_t left = p->n, s = 1;
    for (int k = 0; k < p->passes; ++k) {
        const int64_t radix = p->pass[k].radix, m = left / radix;
        p->pass[k].m = m, p->pass[k].s = s;
        if (m > 1 || k == 0) {
            T *w = p->pass[k].w = NAME(room)(p, 2 * m * (radix - 1));
            ok &= w != NULL;
            for (int64_t j = 1; w && j < radix; ++j)
                NAME(roots_at)(&of, 0, s * j, m, w + 2 * m * (j - 1), m);
        }
        if (radix > 8) {
            p->pass[k].root = NAME(room)(p, 2 * radix);
            ok &= p->pass[k].root != NULL;
            if (p->pass[k].root)
                NAME(roots_at)(&of, 0, p->n / radix, radix, p->pass[k].root, radix);
        }
        left = m, s *= radix;
    }
    roots_free(&of);
    return ok;
}

/* L. Bluestein, A linear filtering approach to the computation of discrete Fourier transform, 1970. */
static int NAME(plan_chirp)(NAME(plan) *p)
{
    const int64_t n = p->n, longer = p->longer->n;
    roots of;
    if (!roots_make(&of, 2 * n))
        return 0;
    p->chirp = NAME(room)(p, 2 * n);
    p->kernel = NAME(room)(p, 2 * longer);
    if (p->chirp && p->kernel) {
        T *xr = p->longer->buffer[0], *xi = xr + p->longer->apart;
        memset(xr, 0, (size_t)longer * sizeof(T));
        memset(xi, 0, (size_t)longer * sizeof(T));
        for (int64_t k = 0, at = 0; k < n; at = (at + 2 * k + 1) % (2 * n), ++k) {
            const root value = root_at(&of, at);        /* at: k * k */
            p->chirp[k] = (T)value.r;
            p->chirp[n + k] = (T)value.i;
            xr[k] = (T)(value.r / longer), xi[k] = (T)(-value.i / longer);
            if (k)
                xr[longer - k] = xr[k], xi[longer - k] = xi[k];
        }
        const T *yr = NAME(run)(p->longer, NULL, 1, NULL, 1, 1);
        memcpy(p->kernel, yr, (size_t)longer * sizeof(T));
        memcpy(p->kernel + longer, yr + p->longer->apart, (size_t)longer * sizeof(T));
    }
    roots_free(&of);
    return p->chirp && p->kernel;
}

static NAME(plan) *NAME(make_plan)(int64_t n)
{
    NAME(plan) *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    int64_t radices[MOST_PASSES], longer;
    p->n = n;
    p->apart = ((n + 15) & ~(int64_t)15) + 16;
    p->passes = passes_of(n, radices, &longer);
    for (int k = 0; k < p->passes; ++k)
        p->pass[k].radix = radices[k];
    int ok = 1;
    if (longer) {
        p->longer = NAME(make_plan)(longer);
        ok = p->longer && NAME(plan_chirp)(p);
        p->bytes += p->longer ? p->longer->bytes : 0;
    } else {
        p->buffer[0] = NAME(room)(p, 4 * p->apart);
        p->buffer[1] = p->buffer[0] ? p->buffer[0] + 2 * p->apart : NULL;
        ok = p->buffer[0] && NAME(plan_passes)(p);
    }
    if (!ok) {
        NAME(free_plan)(p);
        return NULL;
    }
    return p;
}

/* ---- a transform */

#define EACH_RADIX(CASE) CASE(2) CASE(3) CASE(4) CASE(5) CASE(7) CASE(8)
#define CASE_FIRST(R) case R: NAME(first_##R)(m, xr, xi, yr, yi, w); break;
#define CASE_TAKE(R) case R: NAME(take_##R)(m, sign, x, yr, yi, w); break;
#define CASE_MIDDLE(R) case R: NAME(middle_##R)(m, s, xr, xi, yr, yi, w); break;
#define CASE_LAST(R) case R: NAME(last_##R)(s, xr, xi, yr, yi); break;
#define CASE_GIVE(R) case R: NAME(give_##R)(s, f, g, xr, xi, y); break;

/* The transform of x, or if that is NULL of buffer[0], which is used up.  Conjugates are taken of x if sign is -1.  Its
 * real parts times f and imaginary parts times g go to y; if that is NULL it is left, as it is, in a buffer: its first
 * real part is returned. */
static T *NAME(passes)(const NAME(plan) *p, const T *x, T sign, T *y, T f, T g)
{
    const int last = p->passes - 1;
    int from = 0;
    if (x && (p->passes < 1 || p->pass[0].radix > 8)) {
        NAME(split)(p->n, sign, x, p->buffer[0], p->buffer[0] + p->apart);
        x = NULL;
    }
    for (int k = 0; k <= last; ++k) {
        const int64_t m = p->pass[k].m, s = p->pass[k].s;
        const T *w = p->pass[k].w;
        T *xr = p->buffer[from], *xi = xr + p->apart, *yr = p->buffer[!from], *yi = yr + p->apart;
        if (p->pass[k].radix > 8) {
            NAME(odd)(p->pass[k].radix, m, s, xr, xi, yr, yi, m > 1 ? w : NULL, p->pass[k].root);
        } else if (k == 0 && x) {
            switch (p->pass[k].radix) {
                EACH_RADIX(CASE_TAKE)
            }
        } else if (k == 0) {
            switch (p->pass[k].radix) {
                EACH_RADIX(CASE_FIRST)
            }
        } else if (k < last) {
            switch (p->pass[k].radix) {
                EACH_RADIX(CASE_MIDDLE)
            }
        } else if (y) {
            switch (p->pass[k].radix) {
                EACH_RADIX(CASE_GIVE)
            }
            return NULL;
        } else {
            switch (p->pass[k].radix) {
                EACH_RADIX(CASE_LAST)
            }
        }
        from = !from;
    }
    T *zr = p->buffer[from];
    if (y)
        NAME(join)(p->n, f, g, zr, zr + p->apart, y);
    return zr;
}

/* z becomes z times w; sign = -1: the conjugates of that. */
static GRADC_CLONES void NAME(multiply)(int64_t n, const T *restrict wr, const T *restrict wi, T sign, T *restrict zr,
                                        T *restrict zi)
{
    for (int64_t k = 0; k < n; ++k) {
        const T r = zr[k] * wr[k] - zi[k] * wi[k], i = zr[k] * wi[k] + zi[k] * wr[k];
        zr[k] = r, zi[k] = sign * i;
    }
}

static void NAME(conjugate)(int64_t n, T *zi)
{
    for (int64_t k = 0; k < n; ++k)
        zi[k] = -zi[k];
}

/* The plan that has the buffers. */
static const NAME(plan) *NAME(base)(const NAME(plan) *p)
{
    return p->longer ? p->longer : p;
}

/* As `passes`, of any plan; the buffers are those of its base. */
static T *NAME(run)(const NAME(plan) *p, const T *x, T sign, T *y, T f, T g)
{
    const NAME(plan) *by = p->longer;
    if (!by)
        return NAME(passes)(p, x, sign, y, f, g);
    const T *cr = p->chirp, *ci = p->chirp + p->n;
    const size_t rest = (size_t)(by->n - p->n) * sizeof(T);
    T *zr = by->buffer[0], *zi = zr + by->apart;
    if (x)
        NAME(split)(p->n, sign, x, zr, zi);
    NAME(multiply)(p->n, cr, ci, 1, zr, zi);
    memset(zr + p->n, 0, rest);
    memset(zi + p->n, 0, rest);
    T *made = NAME(passes)(by, NULL, 1, NULL, 1, 1);
    if (made != zr)
        memcpy(zr, made, (size_t)(by->apart + by->n) * sizeof(T));
    NAME(multiply)(by->n, p->kernel, p->kernel + by->n, -1, zr, zi);
    made = NAME(passes)(by, NULL, 1, NULL, 1, 1);
    NAME(conjugate)(p->n, made + by->apart);
    NAME(multiply)(p->n, cr, ci, 1, made, made + by->apart);
    if (y)
        NAME(join)(p->n, f, g, made, made + by->apart, y);
    return made;
}

/* ---- the plans of a thread */

static _Thread_local struct {
    NAME(plan) *plans[KEPT_PLANS];
    uint64_t calls;
} NAME(kept);

static void NAME(free_plans)(void)
{
    for (int k = 0; k < KEPT_PLANS; ++k) {
        NAME(free_plan)(NAME(kept).plans[k]);
        NAME(kept).plans[k] = NULL;
    }
}

/* Frees the plans that were used least recently, but not that of slot `not`, until the others take `bytes` at most. */
static void NAME(shrink)(int64_t bytes, int not)
{
    for (;;) {
        int64_t total = 0;
        int oldest = -1;
        for (int k = 0; k < KEPT_PLANS; ++k) {
            const NAME(plan) *p = NAME(kept).plans[k];
            total += p ? p->bytes : 0;
            if (p && k != not && (oldest < 0 || p->used < NAME(kept).plans[oldest]->used))
                oldest = k;
        }
        if (total <= bytes || oldest < 0)
            return;
        NAME(free_plan)(NAME(kept).plans[oldest]);
        NAME(kept).plans[oldest] = NULL;
    }
}

/* The thread's plan for that length; NULL without memory. */
static NAME(plan) *NAME(plan_of)(int64_t n)
{
    int slot = 0;
    for (int k = 0; k < KEPT_PLANS; ++k) {
        NAME(plan) *p = NAME(kept).plans[k];
        if (p && p->n == n) {
            p->used = ++NAME(kept).calls;
            return p;
        }
        const NAME(plan) *old = NAME(kept).plans[slot];
        if (!p || (old && p->used < old->used))
            slot = k;
    }
    NAME(free_plan)(NAME(kept).plans[slot]);
    NAME(plan) *p = NAME(kept).plans[slot] = NAME(make_plan)(n);
    if (!p)
        return NULL;
    p->used = ++NAME(kept).calls;
    NAME(shrink)(KEPT_BYTES, slot);
    keep_plans();
    return p;
}

/* Of the thread's plan for length n the table of that kind; without a plan, NULL. */
static const T *NAME(table_of)(NAME(plan) *p, int kind)
{
    if (!p || p->table[kind])
        return p ? p->table[kind] : NULL;
    const int64_t order = tables[kind].order * p->n, count = p->n + 1;
    roots of;
    if (!roots_make(&of, order))
        return NULL;
    T *made = p->table[kind] = NAME(room)(p, 2 * count);
    if (made)
        NAME(roots_at)(&of, tables[kind].first, tables[kind].step, count, made, count);
    roots_free(&of);
    return made;
}

/* ---- real data */

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
        const NAME(plan) *p = NAME(plan_of)(n);
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
