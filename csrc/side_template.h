/* side_template.h: routines for LANES small matrices of a batch side by side, for one type T; see small_template.h and
 * gradc_side of private.h.  Where one of them fails nothing is written: it is found when they are done one by one. */

/* Where lanes begin in an array; those that are left have the last matrix. */
static inline void NAME(lanes_of)(int64_t count, const void *array, int64_t step, const T **from)
{
    for (int64_t c = 0; c < LANES; ++c)
        from[c] = (const T *)((const char *)array + (c < count ? c : count - 1) * step);
}

/* The m x n elements of `count` matrices, rows `row` apart, in lanes. */
static inline void NAME(gather)(int64_t count, int64_t m, int64_t n, int64_t row, const void *array, int64_t step, T *to)
{
    const T *from[LANES];
    NAME(lanes_of)(count, array, step, from);
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j)
            for (int lane = 0; lane < LANES; ++lane)
                to[(i * n + j) * LANES + lane] = from[lane][i * row + j];
}

/* n elements of each of `count` matrices. */
static inline void NAME(scatter)(int64_t count, int64_t n, const T *from, void *to, int64_t step)
{
    for (int64_t c = 0; c < count; ++c) {
        T *one = (T *)((char *)to + c * step);
        for (int64_t i = 0; i < n; ++i)
            one[i] = from[i * LANES + c];
    }
}

/* Has one of so many matrices a 0 on its diagonal? */
static inline int NAME(any_singular)(int64_t m, const T *a)
{
    T found[LANES] = {0}, any = 0;
    for (int64_t i = 0; i < m; ++i)
        EACH_LANE
            found[lane] = a[i * (m + 1) * LANES + lane] == 0 ? 1 : found[lane];
    EACH_LANE
        any += found[lane];
    return any != 0;
}

GRADC_CLONES int NAME(CHOLESKY_SIDE)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                                     const int64_t *steps)
{
    const int64_t n = numbers[0];
    T l[SIDE_SIZE], fault[LANES] = {0}, any = 0;
    if (n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, n, n, n, in[0], steps[0], l);
    OF_SIZE(n, SIDE(factor), l, fault)
    EACH_LANE
        any += fault[lane];
    if (any != 0)
        return 0;
    NAME(scatter)(count, n * n, l, out[0], steps[1]);
    return 1;
}

GRADC_CLONES int NAME(CHOLESKY_BACK_SIDE)(int64_t count, const void *const *in, const int64_t *numbers,
                                          void *const *out, const int64_t *steps)
{
    const int64_t n = numbers[0];
    T l[SIDE_SIZE], g[SIDE_SIZE];
    if (n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, n, n, n, in[0], steps[0], l);
    NAME(gather)(count, n, n, n, in[1], steps[1], g);
    OF_SIZE(n, SIDE(factor_back), n, l, g)
    for (int64_t i = 0; i < n; ++i)
        for (int64_t k = (i * (n + 1) + 1) * LANES; k < (i + 1) * n * LANES; ++k)
            g[k] = 0;
    NAME(scatter)(count, n * n, g, out[0], steps[2]);
    return 1;
}

GRADC_CLONES int NAME(SOLVE_TRIANGULAR_SIDE)(int64_t count, const void *const *in, const int64_t *numbers,
                                             void *const *out, const int64_t *steps)
{
    const int64_t m = numbers[2], n = numbers[3];
    T a[SIDE_SIZE], x[SIDE_SIZE];
    if (m > GRADC_SIDE_ROWS || n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, m, m, numbers[5], in[0], steps[0], a);
    NAME(gather)(count, m, n, n, in[1], steps[1], x);
    if (!numbers[1] && NAME(any_singular)(m, a))
        return 0;
    if (n == 1)
        OF_SIZE(m, SIDE(substitute), (int)numbers[0], (int)numbers[1], (int)numbers[4], 1, a, m, x)
    else
        SIDE(substitute)(m, (int)numbers[0], (int)numbers[1], (int)numbers[4], n, a, m, x);
    NAME(scatter)(count, m * n, x, out[0], steps[2]);
    return 1;
}

GRADC_CLONES int NAME(CHOLESKY_SOLVE_SIDE)(int64_t count, const void *const *in, const int64_t *numbers,
                                           void *const *out, const int64_t *steps)
{
    const int64_t m = numbers[0], n = numbers[1];
    T l[SIDE_SIZE], x[SIDE_SIZE];
    if (m > GRADC_SIDE_ROWS || n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, m, m, m, in[0], steps[0], l);
    NAME(gather)(count, m, n, n, in[1], steps[1], x);
    if (NAME(any_singular)(m, l))
        return 0;
    for (int upper = 0; upper < 2; ++upper)
        if (n == 1)
            OF_SIZE(m, SIDE(substitute), upper, 0, upper, 1, l, m, x)
        else
            SIDE(substitute)(m, upper, 0, upper, n, l, m, x);
    NAME(scatter)(count, m * n, x, out[0], steps[2]);
    return 1;
}

/* ---------------------------------------------------------------------------------------- LU factors */

GRADC_CLONES int NAME(LU_SIDE)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                               const int64_t *steps)
{
    const int64_t n = numbers[0];
    T a[SIDE_SIZE], swaps[GRADC_SIDE_ROWS * LANES];
    if (n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, n, n, n, in[0], steps[0], a);
    OF_SIZE(n, SIDE(eliminate), a, swaps)
    NAME(scatter)(count, n * n, a, out[0], steps[1]);
    for (int64_t c = 0; c < count; ++c)
        for (int64_t k = 0; k < n; ++k)
            ((int64_t *)((char *)out[1] + c * steps[2]))[k] = (int64_t)swaps[k * LANES + c];
    return 1;
}

/* x = a^-1 x, or a^-T x, by the factors of a; rows of x, m x n, stand where interchanges put them first, or have put
 * them. */
static inline __attribute__((always_inline)) void NAME(solved_by_lu_side)(int trans, int64_t m, int64_t n,
                                                                          const T *factors, T *x)
{
    for (int upper = 0; upper < 2; ++upper)
        if (n == 1)
            OF_SIZE(m, SIDE(substitute), upper, upper != trans, trans, 1, factors, m, x)
        else if (n == m)
            OF_SIZE(m, SIDE(substitute), upper, upper != trans, trans, m, factors, m, x)
        else
            SIDE(substitute)(m, upper, upper != trans, trans, n, factors, m, x);
}

/* Which row stands where after interchanges, in order. */
static inline void NAME(order_of)(int64_t m, const void *swaps, int64_t *order)
{
    for (int64_t i = 0; i < m; ++i)
        order[i] = i;
    for (int64_t i = 0; i < m; ++i) {
        const int64_t other = ((const int64_t *)swaps)[i], kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

GRADC_CLONES int NAME(LU_SOLVE_SIDE)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                                     const int64_t *steps)
{
    const int64_t m = numbers[1], n = numbers[2];
    const int trans = (int)numbers[0];
    T factors[SIDE_SIZE], x[SIDE_SIZE];
    int64_t orders[LANES][GRADC_SIDE_ROWS];
    if (m > GRADC_SIDE_ROWS || n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, m, m, m, in[0], steps[0], factors);
    if (NAME(any_singular)(m, factors))
        return 0;
    for (int64_t c = 0; c < LANES; ++c) {
        const int64_t from = c < count ? c : count - 1;
        NAME(order_of)(m, (const char *)in[1] + from * steps[1], orders[c]);
        const T *b = (const T *)((const char *)in[2] + from * steps[2]);
        for (int64_t i = 0; i < m; ++i)
            for (int64_t j = 0; j < n; ++j)
                x[(i * n + j) * LANES + c] = b[(trans ? orders[c][i] : i) * n + j];
    }
    NAME(solved_by_lu_side)(trans, m, n, factors, x);
    for (int64_t c = 0; c < count; ++c) {
        T *to = (T *)((char *)out[0] + c * steps[3]);
        for (int64_t i = 0; i < m; ++i)
            for (int64_t j = 0; j < n; ++j)
                to[(trans ? i : orders[c][i]) * n + j] = x[(i * n + j) * LANES + c];
    }
    return 1;
}

GRADC_CLONES int NAME(LU_INVERSE_SIDE)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                                       const int64_t *steps)
{
    const int64_t n = numbers[0];
    T factors[SIDE_SIZE], x[SIDE_SIZE];
    if (n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, n, n, n, in[0], steps[0], factors);
    if (NAME(any_singular)(n, factors))
        return 0;
    for (int64_t i = 0; i < n * n; ++i)
        EACH_LANE
            x[i * LANES + lane] = i % (n + 1) == 0;
    NAME(solved_by_lu_side)(0, n, n, factors, x);
    for (int64_t c = 0; c < count; ++c) {
        int64_t order[GRADC_SIDE_ROWS];
        NAME(order_of)(n, (const char *)in[1] + c * steps[1], order);
        T *to = (T *)((char *)out[0] + c * steps[2]);
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < n; ++j)
                to[order[i] * n + j] = x[(i * n + j) * LANES + c];
    }
    return 1;
}

/* ---------------------------------------------------------------------------------------- spectra */

/* Are all elements of `n` lanes finite? */
static inline int NAME(all_lanes_finite)(int64_t n, const T *x)
{
    T sums[LANES] = {0}, sum = 0;
    for (int64_t i = 0; i < n; ++i)
        EACH_LANE
            sums[lane] += x[i * LANES + lane] * 0;
    EACH_LANE
        sum += sums[lane];
    return sum == 0;
}

static GRADC_CLONES int NAME(eigen_side)(int64_t count, int64_t n, const void *in, int64_t step, void *w,
                                         int64_t step_of_w, void *vectors, int64_t step_of_vectors)
{
    T a[SIDE_SIZE], v[SIDE_SIZE];
    if (n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, n, n, n, in, step, a);
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < i; ++j)
            EACH_LANE
                a[(j * n + i) * LANES + lane] = a[(i * n + j) * LANES + lane];
    if (!NAME(all_lanes_finite)(n * n, a))
        return 0;
    if (vectors)
        OF_SIZE(n, SIDE(jacobi), a, v)
    else
        OF_SIZE(n, SIDE(jacobi), a, NULL)
    for (int64_t c = 0; c < count; ++c) {
        T *values = (T *)((char *)w + c * step_of_w), *to = NULL;
        for (int64_t i = 0; i < n; ++i)
            values[i] = a[i * (n + 1) * LANES + c];
        if (vectors) {
            to = (T *)((char *)vectors + c * step_of_vectors);
            for (int64_t i = 0; i < n * n; ++i)
                to[i] = v[i * LANES + c];
        }
        NAME(ascending)(n, values, to);
        if (vectors)
            NAME(as_columns)(n, to);
    }
    return 1;
}

int NAME(EIGH_SIDE)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                    const int64_t *steps)
{
    return NAME(eigen_side)(count, numbers[0], in[0], steps[0], out[0], steps[1], out[1], steps[2]);
}

int NAME(EIGVALSH_SIDE)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                        const int64_t *steps)
{
    return NAME(eigen_side)(count, numbers[0], in[0], steps[0], out[0], steps[1], NULL, 0);
}

/* u and v: with two steps more; or NULL. */
static GRADC_CLONES int NAME(singular_values_side)(int64_t count, int64_t m, int64_t n, const void *in, int64_t step,
                                                   void *const *out, int values, const int64_t *steps)
{
    const int64_t k = m < n ? m : n, l = m < n ? n : m;
    T a[SIDE_SIZE], v[SIDE_SIZE], x[SIDE_SIZE / LANES], turned[SIDE_SIZE / LANES], by[LANES];
    if (l > GRADC_SIDE_ROWS)
        return 0;
    for (int64_t c = 0; c < LANES; ++c) {
        const T *one = (const T *)((const char *)in + (c < count ? c : count - 1) * step);
        T most = 0;
        for (int64_t i = 0; i < m * n; ++i)
            most = fabs((double)one[i]) > most ? (T)fabs((double)one[i]) : most;
        by[c] = most > 0 ? most : 1;
        for (int64_t i = 0; i < m; ++i)
            for (int64_t j = 0; j < n; ++j)
                a[(m < n ? i * n + j : j * m + i) * LANES + c] = one[i * n + j] / by[c];
    }
    if (!NAME(all_lanes_finite)(m * n, a))
        return 0;
    const int vectors = values == 1;
    if (k == l)
        OF_SIZE(k, SIDE(one_sided), k, a, vectors ? v : NULL)
    else
        SIDE(one_sided)(k, l, a, vectors ? v : NULL);
    for (int64_t c = 0; c < count; ++c) {
        T *s = (T *)((char *)out[values] + c * steps[values]);
        T *u = vectors ? (T *)((char *)out[0] + c * steps[0]) : NULL;
        T *w = vectors ? (T *)((char *)out[2] + c * steps[2]) : NULL;
        for (int64_t i = 0; i < m * n; ++i)
            x[i] = a[i * LANES + c];
        for (int64_t i = 0; vectors && i < k * k; ++i)
            turned[i] = v[i * LANES + c];
        NAME(put_factors)(m, n, x, turned, by[c], u, s, w);
        NAME(put_signs)(m, n, u, w);
    }
    return 1;
}

int NAME(SVD_SIDE)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                   const int64_t *steps)
{
    return NAME(singular_values_side)(count, numbers[0], numbers[1], in[0], steps[0], out, 1, steps + 1);
}

int NAME(SVDVALS_SIDE)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                       const int64_t *steps)
{
    return NAME(singular_values_side)(count, numbers[0], numbers[1], in[0], steps[0], out, 0, steps + 1);
}
