/* side_template.h: routines for LANES small matrices of a batch side by side, of one type T; see small_template.h and
 * gradc_side of private.h.  Where one of them fails nothing is written: it is found when they are done one by one. */

/* Where the matrix of a lane begins in an array; lanes that are left have the last one. */
SMALL_LOOP const T *NAME(lane)(int64_t c, int64_t count, const void *array, int64_t step)
{
    return (const T *)((const char *)array + (c < count ? c : count - 1) * step);
}

/* The m x n elements of `count` matrices, rows `row` apart, in lanes. */
SMALL_LOOP void NAME(gather)(int64_t count, int64_t m, int64_t n, int64_t row, const void *array, int64_t step,
                             lanes *to)
{
    const T *from[LANES];
    for (int64_t c = 0; c < LANES; ++c)
        from[c] = NAME(lane)(c, count, array, step);
    int64_t done = 0;
    for (; row == n && done + LANES <= m * n; done += LANES) {
        for (int64_t c = 0; c < LANES; ++c)
            to[done + c] = (lanes){from[c][done], from[c][done + 1], from[c][done + 2], from[c][done + 3]};
        lanes_turn(to + done);
    }
    for (int64_t i = row == n ? done : 0; i < m * n; ++i) {
        const int64_t place = i / n * row + i % n;
        to[i] = (lanes){from[0][place], from[1][place], from[2][place], from[3][place]};
    }
}

/* n elements of each of `count` matrices. */
SMALL_LOOP void NAME(scatter)(int64_t count, int64_t n, const lanes *from, void *array, int64_t step)
{
    T *to[LANES];
    int64_t done = 0;
    for (int64_t c = 0; c < count; ++c)
        to[c] = (T *)((char *)array + c * step);
    for (; count == LANES && done + LANES <= n; done += LANES) {
        lanes x[LANES] = {from[done], from[done + 1], from[done + 2], from[done + 3]};
        lanes_turn(x);
        for (int64_t c = 0; c < LANES; ++c)
            for (int64_t i = 0; i < LANES; ++i)
                to[c][done + i] = (T)x[c][i];
    }
    for (; done < n; ++done)
        for (int64_t c = 0; c < count; ++c)
            to[c][done] = (T)from[done][c];
}

GRADC_CLONES_256 int NAME(CHOLESKY_SIDE)(int64_t count, const void *const *in, const int64_t *numbers,
                                         void *const *out, const int64_t *steps)
{
    const int64_t n = numbers[1];
    lanes l[SIDE_SIZE], pivot = (lanes){0} + 1;
    if (n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, n, n, n, in[0], steps[0], l);
    OF_SIZE(n, side_factor, l, &pivot)
    if (lanes_any(~(pivot > 0)))
        return 0;
    NAME(scatter)(count, n * n, l, out[0], steps[1]);
    return 1;
}

GRADC_CLONES_256 int NAME(CHOLESKY_BACK_SIDE)(int64_t count, const void *const *in, const int64_t *numbers,
                                          void *const *out, const int64_t *steps)
{
    const int64_t n = numbers[0];
    lanes l[SIDE_SIZE], g[SIDE_SIZE];
    if (n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, n, n, n, in[0], steps[0], l);
    NAME(gather)(count, n, n, n, in[1], steps[1], g);
    OF_SIZE(n, side_factor_back, n, l, g)
    for (int64_t i = 0; i < n; ++i)
        for (int64_t k = i + 1; k < n; ++k)
            g[i * n + k] = (lanes){0};
    NAME(scatter)(count, n * n, g, out[0], steps[2]);
    return 1;
}

GRADC_CLONES_256 int NAME(SOLVE_TRIANGULAR_SIDE)(int64_t count, const void *const *in, const int64_t *numbers,
                                             void *const *out, const int64_t *steps)
{
    const int64_t m = numbers[2], n = numbers[3];
    lanes a[SIDE_SIZE], x[SIDE_SIZE];
    if (m > GRADC_SIDE_ROWS || n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, m, m, numbers[5], in[0], steps[0], a);
    NAME(gather)(count, m, n, n, in[1], steps[1], x);
    if (!numbers[1] && any_singular(m, a))
        return 0;
    if (n == 1)
        OF_SIZE(m, side_substitute, (int)numbers[0], (int)numbers[1], (int)numbers[4], 1, a, m, x)
    else
        side_substitute(m, (int)numbers[0], (int)numbers[1], (int)numbers[4], n, a, m, x);
    NAME(scatter)(count, m * n, x, out[0], steps[2]);
    return 1;
}

GRADC_CLONES_256 int NAME(CHOLESKY_SOLVE_SIDE)(int64_t count, const void *const *in, const int64_t *numbers,
                                           void *const *out, const int64_t *steps)
{
    const int64_t m = numbers[0], n = numbers[1];
    lanes l[SIDE_SIZE], x[SIDE_SIZE];
    if (m > GRADC_SIDE_ROWS || n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, m, m, m, in[0], steps[0], l);
    NAME(gather)(count, m, n, n, in[1], steps[1], x);
    if (any_singular(m, l))
        return 0;
    for (int upper = 0; upper < 2; ++upper)
        if (n == 1)
            OF_SIZE(m, side_substitute, upper, 0, upper, 1, l, m, x)
        else
            side_substitute(m, upper, 0, upper, n, l, m, x);
    NAME(scatter)(count, m * n, x, out[0], steps[2]);
    return 1;
}

/* ---------------------------------------------------------------------------------------- LU factors */

GRADC_CLONES_256 int NAME(LU_SIDE)(int64_t count, const void *const *in, const int64_t *numbers, void *const *out,
                               const int64_t *steps)
{
    const int64_t n = numbers[0];
    lanes a[SIDE_SIZE];
    lane_bits swaps[GRADC_SIDE_ROWS];
    if (n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, n, n, n, in[0], steps[0], a);
    OF_SIZE(n, side_eliminate, a, swaps)
    NAME(scatter)(count, n * n, a, out[0], steps[1]);
    for (int64_t c = 0; c < count; ++c)
        for (int64_t k = 0; k < n; ++k)
            ((int64_t *)((char *)out[1] + c * steps[2]))[k] = swaps[k][c];
    return 1;
}

/* n interchanges of each of `count` matrices. */
SMALL_LOOP void NAME(gather_swaps)(int64_t count, int64_t n, const void *array, int64_t step, lane_bits *to)
{
    for (int64_t c = 0; c < LANES; ++c)
        for (int64_t i = 0; i < n; ++i)
            to[i][c] = ((const int64_t *)((const char *)array + (c < count ? c : count - 1) * step))[i];
}

GRADC_CLONES_256 int NAME(LU_SOLVE_SIDE)(int64_t count, const void *const *in, const int64_t *numbers,
                                         void *const *out, const int64_t *steps)
{
    const int64_t m = numbers[1], n = numbers[2];
    const int trans = (int)numbers[0];
    lanes factors[SIDE_SIZE], x[SIDE_SIZE];
    lane_bits swaps[GRADC_SIDE_ROWS];
    if (m > GRADC_SIDE_ROWS || n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, m, m, m, in[0], steps[0], factors);
    NAME(gather_swaps)(count, m, in[1], steps[1], swaps);
    NAME(gather)(count, m, n, n, in[2], steps[2], x);
    if (any_singular(m, factors))
        return 0;
    if (n == 1)
        OF_SIZE(m, vector_by_lu_side, trans, factors, swaps, x)
    else
        solved_by_lu_side(trans, m, n, factors, swaps, x);
    NAME(scatter)(count, m * n, x, out[0], steps[3]);
    return 1;
}

GRADC_CLONES_256 int NAME(LU_INVERSE_SIDE)(int64_t count, const void *const *in, const int64_t *numbers,
                                           void *const *out, const int64_t *steps)
{
    const int64_t n = numbers[0];
    lanes factors[SIDE_SIZE], x[SIDE_SIZE];
    lane_bits swaps[GRADC_SIDE_ROWS];
    if (n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, n, n, n, in[0], steps[0], factors);
    NAME(gather_swaps)(count, n, in[1], steps[1], swaps);
    if (any_singular(n, factors))
        return 0;
    for (int64_t i = 0; i < n * n; ++i)
        x[i] = (lanes){0} + (i % (n + 1) == 0);
    solved_by_lu_side(0, n, n, factors, swaps, x);
    NAME(scatter)(count, n * n, x, out[0], steps[2]);
    return 1;
}

/* ---------------------------------------------------------------------------------------- spectra */

static GRADC_CLONES_256 int NAME(eigen_side)(int64_t count, int64_t n, const void *in, int64_t step, void *w,
                                         int64_t step_of_w, void *vectors, int64_t step_of_vectors)
{
    lanes a[SIDE_SIZE], v[SIDE_SIZE];
    if (n > GRADC_SIDE_ROWS)
        return 0;
    NAME(gather)(count, n, n, n, in, step, a);
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < i; ++j)
            a[j * n + i] = a[i * n + j];
    if (!all_lanes_finite(n * n, a))
        return 0;
    OF_SIZE_4(n, side_jacobi, a, vectors ? v : NULL)
    for (int64_t c = 0; c < count; ++c) {
        T *values = (T *)((char *)w + c * step_of_w), *to = NULL;
        for (int64_t i = 0; i < n; ++i)
            values[i] = (T)a[i * (n + 1)][c];
        if (vectors) {
            to = (T *)((char *)vectors + c * step_of_vectors);
            for (int64_t i = 0; i < n * n; ++i)
                to[i] = (T)v[i][c];
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

/* values: which of the results has them; with u before and v after it if that is 1. */
static GRADC_CLONES_256 int NAME(singular_values_side)(int64_t count, int64_t m, int64_t n, const void *in,
                                                       int64_t step, void *const *out, int values,
                                                       const int64_t *steps)
{
    const int64_t k = m < n ? m : n, l = m < n ? n : m;
    lanes a[SIDE_SIZE], v[SIDE_SIZE];
    T x[SIDE_SIZE], turned[SIDE_SIZE], by[LANES];
    if (l > GRADC_SIDE_ROWS)
        return 0;
    for (int64_t c = 0; c < LANES; ++c) {
        const T *one = NAME(lane)(c, count, in, step);
        T most = 0;
        for (int64_t i = 0; i < m * n; ++i)
            most = fabs((double)one[i]) > most ? (T)fabs((double)one[i]) : most;
        by[c] = most > 0 ? most : 1;
        for (int64_t i = 0; i < m; ++i)
            for (int64_t j = 0; j < n; ++j)
                a[m < n ? i * n + j : j * m + i][c] = one[i * n + j] / by[c];
    }
    if (!all_lanes_finite(m * n, a))
        return 0;
    const int vectors = values == 1;
    if (k == l)
        OF_SIZE_4(k, side_one_sided, k, a, vectors ? v : NULL)
    else
        side_one_sided(k, l, a, vectors ? v : NULL);
    for (int64_t c = 0; c < count; ++c) {
        T *s = (T *)((char *)out[values] + c * steps[values]);
        T *u = vectors ? (T *)((char *)out[0] + c * steps[0]) : NULL;
        T *w = vectors ? (T *)((char *)out[2] + c * steps[2]) : NULL;
        for (int64_t i = 0; i < m * n; ++i)
            x[i] = (T)a[i][c];
        for (int64_t i = 0; vectors && i < k * k; ++i)
            turned[i] = (T)v[i][c];
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
