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
    T *side;                            /* the same for several transforms at once (fft_lanes.h); NULL until needed */
    int64_t side_apart, side_lanes;
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
    free(p->side);
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
static NAME(plan) *NAME(base)(NAME(plan) *p)
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
