/* ldl_template.h: triangular factors of symmetric or Hermitian matrices, for one type T; see linalg.c.  J. Bunch, L. Kaufman, Some
 * stable methods for calculating inertia and solving symmetric linear systems, Math. Comp. 31 (1977). */

/* The largest absolute value among `n` elements; where it is first. */
static PART NAME(largest)(int64_t n, const T *x, int64_t *where)
{
    PART most = 0;
    *where = 0;
    for (int64_t i = 0; i < n; ++i) {
        const PART size = MAGNITUDE(x[i]);
        *where = size > most ? i : *where;
        most = size > most ? size : most;
    }
    return most;
}

/* How many rows the block at k of the symmetric w has, and in *best the row that goes to its last one. */
static int NAME(block_at)(int64_t n, int64_t k, const T *w, int64_t *best)
{
    const double limit = (1 + sqrt(17)) / 8;
    int64_t where;
    const PART own = (PART)MODULUS(w[k * (n + 1)]), most = NAME(largest)(n - k - 1, w + k * (n + 1) + 1, &where);
    const int64_t row = k + 1 + where;
    *best = k;
    if (most == 0 || own >= limit * most)
        return 1;
    const PART before = NAME(largest)(row - k, w + row * n + k, &where);
    const PART after = NAME(largest)(n - row - 1, w + row * (n + 1) + 1, &where);
    const PART beside = before > after ? before : after;
    if (own >= limit * most * (most / beside))
        return 1;
    *best = row;
    return MODULUS(w[row * (n + 1)]) >= limit * beside ? 1 : 2;
}

/* l, d and order, of the lower triangle of n x n. */
int NAME(LDL)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number, (void)frame;
    const int64_t n = numbers[0];
    const T *given = in[0];
    T room[512], *l = memset(out[0], 0, (size_t)(n * n) * sizeof(T));
    T *d = memset(out[1], 0, (size_t)(n * n) * sizeof(T));
    int64_t *order = out[2];
    for (int64_t i = 0; i < n; ++i)
        if (!NAME(all_finite)(i + 1, given + i * n))
            return 1;
    T *w = work_memory(room, sizeof room, (size_t)(n * n) * sizeof(T));
    if (!w)
        return GRADC_NO_MEMORY;
    for (int64_t i = 0; i < n; ++i) {
        order[i] = i;
        l[i * (n + 1)] = 1;
        for (int64_t j = 0; j <= i; ++j)
            w[j * n + i] = CONJ(w[i * n + j] = given[i * n + j]);
        w[i * (n + 1)] = RE(w[i * (n + 1)]);
    }
    for (int64_t k = 0, width; k < n; k += width) {
        int64_t best;
        width = NAME(block_at)(n, k, w, &best);
        const int64_t last = k + width - 1;
        if (best != last) {
            const int64_t kept = order[last];
            order[last] = order[best];
            order[best] = kept;
            NAME(swap)(k, l + last * n, l + best * n);
            NAME(swap)(n, w + last * n, w + best * n);
            for (int64_t i = 0; i < n; ++i)
                NAME(swap)(1, w + i * n + last, w + i * n + best);
        }
        const T *own = w + k * n, *next = own + n;
        T a = own[k], b = 0, c = 0;             /* the inverse of the block: a, b; its adjoint, c */
        d[k * (n + 1)] = own[k];
        if (width == 2) {
            const PART scale = (PART)MODULUS(next[k]);
            const T first = next[k + 1] / scale, second = own[k] / scale, rest = first * second - 1;
            d[k * (n + 1) + 1] = CONJ(next[k]);
            d[k * (n + 1) + n] = next[k];
            d[k * (n + 1) + n + 1] = next[k + 1];
            a = first / rest / scale;
            b = -(CONJ(next[k]) / scale) / rest / scale;
            c = second / rest / scale;
        }
        for (int64_t i = k + width; i < n; ++i) {
            T *row = w + i * n;
            if (width == 1) {
                const T by = a != 0 ? row[k] / a : 0;
                l[i * n + k] = by;
                for (int64_t j = k + 1; j < n; ++j)
                    row[j] -= by * own[j];
            } else {
                const T by = row[k] * a + row[k + 1] * CONJ(b), more = row[k] * b + row[k + 1] * c;
                l[i * n + k] = by;
                l[i * n + k + 1] = more;
                for (int64_t j = k + 2; j < n; ++j)
                    row[j] -= by * own[j] + more * next[j];
            }
        }
    }
    work_done(room, w);
    return 0;
}
