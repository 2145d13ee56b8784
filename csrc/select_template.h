/* select_template.h: elements by rank, of one type T of elements, without sorting all; a part of sort_template.h.
 *
 * What has the ranks asked for lies between two elements of a sample, with a probability that makes anything else rare:
 * R. W. Floyd, R. L. Rivest, Expected Time Bounds for Selection, Communications of the ACM 18 (1975), 165-172.  One pass
 * keeps what lies there, and counts what comes before it.  A wrong guess costs time, no more: all is sorted then. */

/* Keys between which elements of the ranks first to last probably are, of n at the positions `from` (all: NULL). */
static void NAME(bracket)(const T *x, const int64_t *from, int64_t n, int64_t first, int64_t last, int down, W *low,
                          W *high)
{
    W sample[SAMPLE], other[SAMPLE];
    const double stratum = (double)n / SAMPLE;
    uint32_t random = 1;
    for (int k = 0; k < SAMPLE; ++k) {          /* one of each of so many parts, or a period could mislead */
        random = random * 1664525u + 1013904223u;
        const int64_t i = (int64_t)((k + random * 0x1p-32) * stratum), at = i < n ? i : n - 1;
        sample[k] = NAME(place_key)(x[from ? from[at] : at], down);
    }
    WORDS(sort)(sample, other, SAMPLE);
    const int begin = rank_in_sample(first, n, -1), end = rank_in_sample(last, n, 1);
    *low = begin < 0 ? 0 : sample[begin];
    *high = end >= SAMPLE ? (W)-1 : sample[end];
}

/* Positions of elements with keys from low to high, in order; how many, and how many have lower keys. */
static GRADC_CLONES int64_t NAME(keep)(const T *x, const int64_t *from, int64_t n, W low, W high, int down,
                                       int64_t *restrict kept, int64_t *below)
{
    int64_t count = 0, less = 0;
    for (int64_t i = 0; i < n; ++i) {
        const int64_t at = from ? from[i] : i;
        const W key = NAME(place_key)(x[at], down);
        less += key < low;
        kept[count] = at;
        count += (W)(key - low) <= (W)(high - low);
    }
    *below = less;
    return count;
}

/* Where the elements of the ranks from `first` on, `count` of them, are among n at the positions `from` (all: NULL). */
static int NAME(find)(const T *x, const int64_t *from, int64_t n, int64_t first, int64_t count, int down,
                      int64_t *places)
{
    int64_t *const kept = malloc((size_t)n * sizeof *kept);
    if (!kept)
        return GRADC_NO_MEMORY;
    int64_t below = 0, m = n;
    int status;
    if (n > FEW && count < n / 8) {
        W low, high;
        NAME(bracket)(x, from, n, first, first + count - 1, down, &low, &high);
        m = NAME(keep)(x, from, n, low, high, down, kept, &below);
        const int inside = first >= below && first + count <= below + m;
        if (inside && low == high) {            /* all are equal */
            memcpy(places, kept + (first - below), (size_t)count * sizeof *places);
            free(kept);
            return 0;
        }
        if (inside && m <= n / 2) {
            status = NAME(find)(x, kept, m, first - below, count, down, places);
            free(kept);
            return status;
        }
    }
    status = NAME(order)(x, from, n, down, kept);
    memcpy(places, kept + first, status ? 0 : (size_t)count * sizeof *places);
    free(kept);
    return status;
}

/* Where the elements of m ranks, which go up, are among n.  Ranks that are near each other are found together. */
static int NAME(places)(const T *x, int64_t n, const int64_t *ranks, int64_t m, int down, int64_t *places)
{
    int64_t groups = 1, most = 1;
    for (int64_t k = 1, begin = 0; k < m; ++k) {
        const int far = ranks[k] - ranks[k - 1] > n / 64;
        groups += far;
        begin = far ? k : begin;
        most = ranks[k] - ranks[begin] >= most ? ranks[k] - ranks[begin] + 1 : most;
    }
    int64_t *const found = malloc((size_t)(groups > MOST_GROUPS ? n : most) * sizeof *found);
    if (!found)
        return GRADC_NO_MEMORY;
    int status = 0;
    if (groups > MOST_GROUPS) {
        status = NAME(order)(x, NULL, n, down, found);
        for (int64_t k = 0; !status && k < m; ++k)
            places[k] = found[ranks[k]];
    }
    for (int64_t k = 0, end; groups <= MOST_GROUPS && !status && k < m; k = end) {
        for (end = k + 1; end < m && ranks[end] - ranks[end - 1] <= n / 64;)
            ++end;
        const int64_t first = ranks[k];
        status = NAME(find)(x, NULL, n, first, ranks[end - 1] - first + 1, down, found);
        for (int64_t j = k; !status && j < end; ++j)
            places[j] = found[ranks[j] - first];
    }
    free(found);
    return status;
}

/* Where the elements of the given ranks are among n; errors: a rank that there is not, n. */
static int NAME(at_ranks)(gradc_frame *frame, const T *x, int64_t n, const int64_t *ranks, int64_t m, int down,
                          int64_t *places)
{
    for (int64_t k = 0; k < m; ++k)
        if (ranks[k] < 0 || ranks[k] >= n) {
            frame->error[0] = ranks[k];
            frame->error[1] = n;
            return 1;
        }
    if (n <= SHORT) {
        int64_t order[SHORT];
        NAME(short_order)(x, (int)n, down, order);
        for (int64_t k = 0; k < m; ++k)
            places[k] = order[ranks[k]];
        return 0;
    }
    int in_order = 1;
    for (int64_t k = 1; k < m; ++k)
        in_order &= ranks[k - 1] <= ranks[k];
    if (in_order)
        return m ? NAME(places)(x, n, ranks, m, down, places) : 0;
    int64_t *const sorted = malloc(3 * (size_t)m * sizeof *sorted), *const found = sorted + m;
    if (!sorted)
        return GRADC_NO_MEMORY;
    memcpy(sorted, ranks, (size_t)m * sizeof *sorted);
    sort_64((uint64_t *)sorted, (uint64_t *)(found + m), m);
    const int status = NAME(places)(x, n, sorted, m, down, found);
    for (int64_t k = 0; !status && k < m; ++k)
        places[k] = found[rank_place(sorted, m, ranks[k])];
    free(sorted);
    return status;
}

/* numbers: n, how many ranks; in[2]: do ranks count from the largest element? */
int NAME(ORDER_AT)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    return NAME(at_ranks)(frame, in[0], numbers[0], in[1], numbers[1], *(const _Bool *)in[2], out[0]);
}

/* How many elements are less than `pivot`, which is not nan, or equal to it. */
static GRADC_CLONES int64_t NAME(count)(const T *x, int64_t n, T pivot, int64_t *equal)
{
    int64_t less = 0, same = 0;
    for (int64_t i = 0; i < n; ++i) {
        less += x[i] < pivot;
        same += x[i] == pivot;
    }
    *equal = same;
    return less;
}

/* The elements that are less than `pivot`, which is not nan, those equal to it, and the others, each in their order; or
 * where they are. */
static void NAME(part)(const T *restrict x, int64_t n, T pivot, T *restrict elements, int64_t *restrict positions)
{
    int64_t equal, a = 0, b = NAME(count)(x, n, pivot, &equal), c = b + equal;
    for (int64_t i = 0; i < n; ++i) {
        const T element = x[i];
        const int64_t less = element < pivot;
        int64_t to = c + ((a - c) & -less);
        if (element == pivot)
            to = b++;
        else {
            a += less;
            c += 1 - less;
        }
        if (elements)
            elements[to] = element;
        else
            positions[to] = i;
    }
}

/* The same for pivots that go up: elements less than the first, equal to it, between it and the second, ... */
static int NAME(parts)(const T *x, int64_t n, const W *pivots, int64_t m, T *elements, int64_t *positions)
{
    const size_t bytes = (size_t)(2 * m + 2) * sizeof(int64_t);
    int64_t *const next = malloc(bytes);
    if (!next)
        return GRADC_NO_MEMORY;
    memset(next, 0, bytes);
    for (int pass = 0; pass < 2; ++pass) {
        for (int64_t i = 0; i < n; ++i) {
            const W key = NAME(place_key)(x[i], 0);
            int64_t low = 0, high = m;
            while (low < high) {
                const int64_t middle = (low + high) / 2;
                const int before = pivots[middle] < key;
                low = before ? middle + 1 : low;
                high = before ? high : middle;
            }
            const int64_t part = 2 * low + (low < m && pivots[low] == key);
            if (!pass)
                ++next[part + 1];
            else if (elements)
                elements[next[part]++] = x[i];
            else
                positions[next[part]++] = i;
        }
        for (int64_t k = 0; !pass && k <= 2 * m; ++k)
            next[k + 1] += next[k];
    }
    free(next);
    return 0;
}

/* numbers: n, how many ranks. */
static inline int NAME(partition)(gradc_frame *frame, const T *x, const int64_t *ranks, const int64_t *numbers,
                                  T *elements, int64_t *positions)
{
    const int64_t n = numbers[0], m = numbers[1];
    int64_t few[FEW_RANKS];
    W few_pivots[2 * FEW_RANKS];
    const int small = m <= FEW_RANKS;
    int64_t *const places = small ? few : malloc((size_t)m * sizeof *places);
    W *const pivots = small ? few_pivots : malloc(2 * (size_t)m * sizeof *pivots);
    int status = places && pivots ? NAME(at_ranks)(frame, x, n, ranks, m, 0, places) : GRADC_NO_MEMORY;
    int64_t different = 0;
    if (!status && m) {
        for (int64_t k = 0; k < m; ++k)
            pivots[k] = NAME(place_key)(x[places[k]], 0);
        WORDS(sort)(pivots, pivots + m, m);
        for (int64_t k = 0; k < m; ++k)
            if (!k || pivots[k] != pivots[k - 1])
                pivots[different++] = pivots[k];
    }
    if (!status && different == 1 && !IS_NAN(x[places[0]]))
        NAME(part)(x, n, x[places[0]], elements, positions);
    else if (!status)
        status = NAME(parts)(x, n, pivots, different, elements, positions);
    if (!small) {
        free(places);
        free(pivots);
    }
    return status;
}

int NAME(PARTITION)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    return NAME(partition)(frame, in[0], in[1], numbers, out[0], NULL);
}

int NAME(ARGPARTITION)(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)number;
    return NAME(partition)(frame, in[0], in[1], numbers, NULL, out[0]);
}
