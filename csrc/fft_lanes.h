/* fft_lanes.h: several transforms of one length side by side, for one type T; see fft.c.
 *
 * Element j of lane q lies at lanes * j + q of the real parts and of the imaginary ones: the passes are those of one
 * transform with `lanes` times as many rows.  Rows take LANES, columns a multiple.  V: a vector of LANES elements. */

#define LANES NAME(LANES)
#define V NAME(lanes)

/* Room in a plan for the elements of so many lanes, of two buffers; as `buffer` and `apart` of one transform. */
static int NAME(side_room)(NAME(plan) *p, int64_t lanes)
{
    if (p->side_lanes < lanes) {
        p->bytes -= p->side ? 4 * p->side_apart * (int64_t)sizeof(T) : 0;
        free(p->side);
        p->side_apart = (((p->n + 2) * lanes + 15) & ~(int64_t)15) + 16;
        p->side = NAME(room)(p, 4 * p->side_apart);
        p->side_lanes = p->side ? lanes : 0;
    }
    return p->side != NULL;
}

/* Are transforms of that length side by side, in memory near the processor, faster than one after the other? */
static int NAME(fits_side)(const NAME(plan) *base)
{
    return base->n > 1 && base->n * LANES * 4 * (int64_t)sizeof(T) <= SIDE_BYTES;
}

/* ---- rows and lanes */

/* The n complex numbers of each row: real parts to zr, sign times the imaginary ones to zi. */
static GRADC_CLONES_256 void NAME(take_rows)(int64_t n, T sign, const T *const *x, T *restrict zr, T *restrict zi)
{
    int64_t j = 0;
    for (; j + NAME(PAIRS) <= n; j += NAME(PAIRS)) {
        V a[LANES];
        for (int q = 0; q < LANES; ++q)
            a[q] = *(const V *)(x[q] + 2 * j);
        NAME(turn)((T *)a);
        for (int c = 0; c < NAME(PAIRS); ++c) {
            *(V *)(zr + LANES * (j + c)) = a[2 * c];
            *(V *)(zi + LANES * (j + c)) = sign * a[2 * c + 1];
        }
    }
    for (; j < n; ++j)
        for (int q = 0; q < LANES; ++q)
            zr[LANES * j + q] = x[q][2 * j], zi[LANES * j + q] = sign * x[q][2 * j + 1];
}

/* And back, for the first `count` rows: real parts times f, imaginary ones times g. */
static GRADC_CLONES_256 void NAME(give_rows)(int64_t n, T f, T g, const T *restrict zr, const T *restrict zi,
                                             int64_t count, T *const *y)
{
    int64_t j = 0;
    for (; j + NAME(PAIRS) <= n; j += NAME(PAIRS)) {
        V a[LANES];
        for (int c = 0; c < NAME(PAIRS); ++c) {
            a[2 * c] = f * *(const V *)(zr + LANES * (j + c));
            a[2 * c + 1] = g * *(const V *)(zi + LANES * (j + c));
        }
        NAME(turn)((T *)a);
        for (int q = 0; q < count; ++q)
            *(V *)(y[q] + 2 * j) = a[q];
    }
    for (; j < n; ++j)
        for (int q = 0; q < count; ++q)
            y[q][2 * j] = f * zr[LANES * j + q], y[q][2 * j + 1] = g * zi[LANES * j + q];
}

/* Rows of n real numbers, and back. */
static GRADC_CLONES_256 void NAME(take_reals)(int64_t n, const T *const *x, T *restrict z)
{
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        V a[LANES];
        for (int q = 0; q < LANES; ++q)
            a[q] = *(const V *)(x[q] + j);
        NAME(turn)((T *)a);
        for (int c = 0; c < LANES; ++c)
            *(V *)(z + LANES * (j + c)) = a[c];
    }
    for (; j < n; ++j)
        for (int q = 0; q < LANES; ++q)
            z[LANES * j + q] = x[q][j];
}

static GRADC_CLONES_256 void NAME(give_reals)(int64_t n, T f, const T *restrict z, int64_t count, T *const *y)
{
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        V a[LANES];
        for (int c = 0; c < LANES; ++c)
            a[c] = f * *(const V *)(z + LANES * (j + c));
        NAME(turn)((T *)a);
        for (int q = 0; q < count; ++q)
            *(V *)(y[q] + j) = a[q];
    }
    for (; j < n; ++j)
        for (int q = 0; q < count; ++q)
            y[q][j] = f * z[LANES * j + q];
}

/* The same of columns of a matrix, of which `lanes` are beside each other; k numbers from one row to the next. */
static GRADC_CLONES_256 void NAME(take_columns)(int64_t n, int64_t k, int64_t lanes, T sign, const T *restrict x,
                                                T *restrict zr, T *restrict zi)
{
    for (int64_t j = 0; j < n; ++j, x += 2 * k, zr += lanes, zi += lanes)
        for (int64_t q = 0; q < lanes; ++q)
            zr[q] = x[2 * q], zi[q] = sign * x[2 * q + 1];
}

static GRADC_CLONES_256 void NAME(give_columns)(int64_t n, int64_t k, int64_t lanes, T f, T g, const T *restrict zr,
                                                const T *restrict zi, T *restrict y)
{
    for (int64_t j = 0; j < n; ++j, y += 2 * k, zr += lanes, zi += lanes)
        for (int64_t q = 0; q < lanes; ++q)
            y[2 * q] = f * zr[q], y[2 * q + 1] = g * zi[q];
}

/* ---- transforms */

#define CASE_MIDDLE_SIDE(R) case R: NAME(middle_##R)(m, s, xr, xi, yr, yi, w); break;
#define CASE_LAST_SIDE(R) case R: NAME(last_##R)(s, xr, xi, yr, yi); break;

/* The transforms of what lies at the start of p->side, which is used up; returns where they lie. */
static T *NAME(side_passes)(const NAME(plan) *p, int64_t lanes)
{
    int from = 0;
    for (int k = 0; k < p->passes; ++k) {
        const int64_t m = p->pass[k].m, s = lanes * p->pass[k].s;
        const T *w = p->pass[k].w;
        T *xr = p->side + 2 * from * p->side_apart, *xi = xr + p->side_apart;
        T *yr = p->side + 2 * !from * p->side_apart, *yi = yr + p->side_apart;
        if (p->pass[k].radix > 8)
            NAME(odd)(p->pass[k].radix, m, s, xr, xi, yr, yi, m > 1 ? w : NULL, p->pass[k].root);
        else if (k < p->passes - 1)
            switch (p->pass[k].radix) {
                EACH_RADIX(CASE_MIDDLE_SIDE)
            }
        else
            switch (p->pass[k].radix) {
                EACH_RADIX(CASE_LAST_SIDE)
            }
        from = !from;
    }
    return p->side + 2 * from * p->side_apart;
}

/* z becomes z times w, the same for all lanes; sign = -1: the conjugates of that. */
static GRADC_CLONES_256 void NAME(side_multiply)(int64_t n, int64_t lanes, const T *wr, const T *wi, T sign, T *zr,
                                                 T *zi)
{
    for (int64_t k = 0; k < n; ++k, zr += lanes, zi += lanes)
        for (int64_t q = 0; q < lanes; q += LANES) {
            const V r = *(V *)(zr + q), i = *(V *)(zi + q);
            *(V *)(zr + q) = r * wr[k] - i * wi[k];
            *(V *)(zi + q) = sign * (r * wi[k] + i * wr[k]);
        }
}

/* As `side_passes`, of any plan: of what lies at the start of the memory of its base. */
static T *NAME(side_run)(const NAME(plan) *p, int64_t lanes)
{
    const NAME(plan) *by = p->longer;
    if (!by)
        return NAME(side_passes)(p, lanes);
    const T *cr = p->chirp, *ci = p->chirp + p->n;
    const size_t rest = (size_t)(lanes * (by->n - p->n)) * sizeof(T);
    T *zr = by->side, *zi = zr + by->side_apart;
    NAME(side_multiply)(p->n, lanes, cr, ci, 1, zr, zi);
    memset(zr + lanes * p->n, 0, rest);
    memset(zi + lanes * p->n, 0, rest);
    T *made = NAME(side_passes)(by, lanes);
    if (made != zr)
        memcpy(zr, made, (size_t)(by->side_apart + lanes * by->n) * sizeof(T));
    NAME(side_multiply)(by->n, lanes, p->kernel, p->kernel + by->n, -1, zr, zi);
    made = NAME(side_passes)(by, lanes);
    T *mi = made + by->side_apart;
    NAME(conjugate)(lanes * p->n, mi);
    NAME(side_multiply)(p->n, lanes, cr, ci, 1, made, mi);
    return made;
}

/* As `after_half` and `before_half`. */
static GRADC_CLONES_256 void NAME(side_after_half)(int64_t h, const T *zr, const T *zi, const T *w, T *restrict yr,
                                                   T *restrict yi)
{
    for (int64_t k = 0; k <= h; ++k) {
        const V ar = *(const V *)(zr + LANES * k), ai = *(const V *)(zi + LANES * k);
        const V br = *(const V *)(zr + LANES * (h - k)), bi = *(const V *)(zi + LANES * (h - k));
        const V sr = ar + br, si = ai - bi, dr = ar - br, di = ai + bi;
        *(V *)(yr + LANES * k) = sr + (w[k] * di + w[h + 1 + k] * dr);
        *(V *)(yi + LANES * k) = si + (w[h + 1 + k] * di - w[k] * dr);
    }
}

static GRADC_CLONES_256 void NAME(side_before_half)(int64_t h, const T *xr, const T *xi, const T *w, T *restrict zr,
                                                    T *restrict zi)
{
    for (int64_t k = 0; k < h; ++k) {
        const V ar = *(const V *)(xr + LANES * k), ai = *(const V *)(xi + LANES * k);
        const V br = *(const V *)(xr + LANES * (h - k)), bi = *(const V *)(xi + LANES * (h - k));
        const V sr = ar + br, si = ai - bi, dr = ar - br, di = ai + bi;
        *(V *)(zr + LANES * k) = sr + (w[h + 1 + k] * dr - w[k] * di);
        *(V *)(zi + LANES * k) = -(si + (w[k] * dr + w[h + 1 + k] * di));
    }
}

static void NAME(side_times)(T *z, T by)
{
    for (int q = 0; q < LANES; ++q)
        z[q] *= by;
}

/* ---- routines for several rows of a batch: private.h's gradc_side */

/* The rows, of which there are `count`: what is missing is taken from the last one.  Returns whether it pays. */
static int NAME(side_rows)(int64_t count, NAME(plan) *p, const void *const *in, const int64_t *steps,
                           const T **x)
{
    if (!p || count <= NAME(PAIRS) || steps[1] || !NAME(fits_side)(NAME(base)(p)))
        return 0;
    for (int64_t q = 0; q < LANES; ++q)
        x[q] = (const T *)((const char *)in[0] + steps[0] * (q < count ? q : count - 1));
    return 1;
}

int NAME(FFT_SIDE)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                   const int64_t *steps)
{
    const int64_t n = numbers[1];
    const T sign = numbers[0] ? -1 : 1, f = *(const T *)in[1];
    NAME(plan) *p = n ? NAME(plan_of)(n) : NULL;
    const T *x[LANES];
    T *y[LANES];
    if (!NAME(side_rows)(count, p, in, steps, x) || !NAME(side_room)(NAME(base)(p), LANES))
        return 0;
    for (int64_t q = 0; q < count; ++q)
        y[q] = (T *)((char *)out[0] + steps[2] * q);
    const int64_t apart = NAME(base)(p)->side_apart;
    T *z = NAME(base)(p)->side;
    NAME(take_rows)(n, sign, x, z, z + apart);
    z = NAME(side_run)(p, LANES);
    NAME(give_rows)(n, f, sign * f, z, z + apart, count, y);
    return 1;
}

int NAME(RFFT_SIDE)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                    const int64_t *steps)
{
    const int64_t n = numbers[1], h = n / 2, even = n % 2 == 0;
    if (!n || numbers[2] != h + 1)
        return 0;
    const T ends = (T)ldexp(1, (int)numbers[0]), f = *(const T *)in[1] / ends;
    NAME(plan) *p = NAME(plan_of)(even ? h : n);
    const T *x[LANES];
    T *y[LANES];
    if (!NAME(side_rows)(count, p, in, steps, x) || !NAME(side_room)(NAME(base)(p), LANES))
        return 0;
    for (int64_t q = 0; q < count; ++q)
        y[q] = (T *)((char *)out[0] + steps[2] * q);
    NAME(plan) *base = NAME(base)(p);
    const int64_t apart = base->side_apart;
    T *z = base->side;
    if (even) {
        const T *w = NAME(table_of)(p, REAL);
        if (!w)
            return 0;
        NAME(take_rows)(h, 1, x, z, z + apart);
        z = NAME(side_run)(p, LANES);
        memcpy(z + LANES * h, z, sizeof(V));
        memcpy(z + apart + LANES * h, z + apart, sizeof(V));
        T *made = z == base->side ? base->side + 2 * apart : base->side;
        NAME(side_after_half)(h, z, z + apart, w, made, made + apart);
        z = made;
        memset(z + apart + LANES * h, 0, sizeof(V));
        NAME(side_times)(z + LANES * h, ends);
    } else {
        NAME(take_reals)(n, x, z);
        memset(z + apart, 0, (size_t)(LANES * n) * sizeof(T));
        z = NAME(side_run)(p, LANES);
    }
    memset(z + apart, 0, sizeof(V));
    NAME(side_times)(z, ends);
    NAME(give_rows)(h + 1, even ? f / 2 : f, even ? f / 2 : f, z, z + apart, count, y);
    return 1;
}

int NAME(IRFFT_SIDE)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                     const int64_t *steps)
{
    const int64_t n = numbers[2], h = n / 2, even = n % 2 == 0;
    if (!n)
        return 0;
    const T ends = (T)ldexp(1, (int)numbers[0]), f = *(const T *)in[1] / ends;
    const int64_t given = numbers[1] < h + 1 ? numbers[1] : h + 1;
    NAME(plan) *p = NAME(plan_of)(even ? h : n);
    const T *x[LANES];
    T *y[LANES];
    if (!NAME(side_rows)(count, p, in, steps, x) || !NAME(side_room)(NAME(base)(p), LANES))
        return 0;
    for (int64_t q = 0; q < count; ++q)
        y[q] = (T *)((char *)out[0] + steps[2] * q);
    NAME(plan) *base = NAME(base)(p);
    const int64_t apart = base->side_apart;
    T *zr = base->side, *zi = zr + apart;
    const size_t rest = (size_t)(LANES * (h + 1 - given)) * sizeof(T);
    T *xr = even ? zr + 2 * apart : zr, *xi = xr + apart;
    NAME(take_rows)(given, even ? 1 : -1, x, xr, xi);
    memset(xr + LANES * given, 0, rest);
    memset(xi + LANES * given, 0, rest);
    NAME(side_times)(xr, ends);
    memset(xi, 0, sizeof(V));
    if (even) {
        const T *w = NAME(table_of)(p, REAL);
        if (!w)
            return 0;
        NAME(side_times)(xr + LANES * h, ends);
        memset(xi + LANES * h, 0, sizeof(V));
        NAME(side_before_half)(h, xr, xi, w, zr, zi);
        zr = NAME(side_run)(p, LANES);
        NAME(give_rows)(h, f, -f, zr, zr + apart, count, y);
        return 1;
    }
    for (int64_t k = 1; k <= h; ++k) {
        *(V *)(zr + LANES * (n - k)) = *(V *)(zr + LANES * k);
        *(V *)(zi + LANES * (n - k)) = -*(V *)(zi + LANES * k);
    }
    NAME(give_reals)(n, f, NAME(side_run)(p, LANES), count, y);
    return 1;
}

/* ---- columns */

typedef struct NAME(columns) {
    int64_t n, k;
    T sign, f;
    const T *x;
    T *y;
} NAME(columns);

/* Columns lo to hi - 1, in units of LANES.  Few of them, and long ones, are brought into one piece and back. */
static int NAME(transform_columns)(gradc_frame *frame, const void *context, int64_t lo, int64_t hi)
{
    (void)frame;
    const NAME(columns) *of = context;
    const int64_t n = of->n, k = of->k, end = LANES * hi < k ? LANES * hi : k;
    NAME(plan) *p = NAME(plan_of)(n), *base = p ? NAME(base)(p) : NULL;
    if (!p || !NAME(side_room)(base, LANES))
        return GRADC_NO_MEMORY;
    int64_t widest = LANES;             /* more columns at once: longer pieces of memory */
    while (widest < 4 * LANES && base->n * widest * 8 * (int64_t)sizeof(T) <= SIDE_BYTES)
        widest *= 2;
    for (int64_t first = LANES * lo, lanes; first < end; first += lanes) {
        const T *x = of->x + 2 * first;
        T *y = of->y + 2 * first;
        for (lanes = widest; lanes > LANES && lanes > end - first;)
            lanes /= 2;
        if (lanes <= end - first && NAME(fits_side)(base)) {
            if (!NAME(side_room)(base, lanes))
                return GRADC_NO_MEMORY;
            T *z = base->side;
            NAME(take_columns)(n, k, lanes, of->sign, x, z, z + base->side_apart);
            z = NAME(side_run)(p, lanes);
            NAME(give_columns)(n, k, lanes, of->f, of->sign * of->f, z, z + base->side_apart, y);
            continue;
        }
        lanes = LANES < end - first ? LANES : end - first;
        T *z = base->side;
        for (int64_t j = 0; j < n; ++j)
            for (int64_t q = 0; q < lanes; ++q)
                z[2 * (n * q + j)] = x[2 * (k * j + q)], z[2 * (n * q + j) + 1] = x[2 * (k * j + q) + 1];
        for (int64_t q = 0; q < lanes; ++q)
            NAME(run)(p, z + 2 * n * q, of->sign, z + 2 * n * q, of->f, of->sign * of->f);
        for (int64_t j = 0; j < n; ++j)
            for (int64_t q = 0; q < lanes; ++q)
                y[2 * (k * j + q)] = z[2 * (n * q + j)], y[2 * (k * j + q) + 1] = z[2 * (n * q + j) + 1];
    }
    return 0;
}

/* As FFT, of each column of a matrix.  numbers: whether it is the inverse transform, rows, columns. */
int NAME(FFT_COLUMNS)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    const T sign = numbers[0] ? -1 : 1;
    const NAME(columns) of = {numbers[1], numbers[2], sign, *(const T *)in[1], in[0], out[0]};
    if (!of.n || !of.k)
        return 0;
    const int64_t blocks = (of.k + LANES - 1) / LANES, least = 1 + COLUMNS_GRAIN / (LANES * of.n);
    return frame->parallel(frame, NAME(transform_columns), &of, blocks, least);
}
#undef V
#undef LANES
