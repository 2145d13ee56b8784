/* sort_words.h: radix sort of unsigned integers of one type W, for sort.c.  WORDS(x) puts its bits into names.
 *
 * Passes go from the last of the digits that a plan chooses to the first; each keeps the order of equal digits.  The
 * plan leaves low bits out where few elements are equal in all bits above; `finish` sorts those. */

static void WORDS(sort)(W *a, W *other, int64_t n);

/* One pass for each digit between two arrays; returns the one that has the result. */
static W *WORDS(passes)(W *from, W *to, int64_t n, plan p, int64_t (*counts)[DIGITS])
{
    const W mask = (W)(((W)1 << p.width) - 1);
    int shift = p.shift;
    for (int pass = 0; pass < p.passes; ++pass, shift += p.width) {
        int64_t *restrict next = counts[pass], sum = 0;
        for (int64_t d = 0; d <= (int64_t)mask; ++d) {
            const int64_t count = next[d];
            next[d] = sum;
            sum += count;
        }
        const W *restrict source = from;
        W *restrict target = to;
        for (int64_t i = 0; i < n; ++i)
            target[next[source[i] >> shift & mask]++] = source[i];
        to = from;
        from = target;
    }
    return from;
}

static inline void WORDS(count)(W word, plan p, int64_t (*counts)[DIGITS])
{
    const W mask = (W)(((W)1 << p.width) - 1);
    for (int pass = 0; pass < p.passes; ++pass)
        ++counts[pass][word >> (p.shift + pass * p.width) & mask];
}

/* Sorts an array that is in order but for the bits below `shift`. */
static void WORDS(finish)(W *a, W *other, int64_t n, int shift)
{
    for (int64_t i = 1; shift && i < n; ++i)
        if (a[i] < a[i - 1]) {
            int64_t first = i - 1, end = i + 1;
            const W top = a[i] >> shift;
            while (first && a[first - 1] >> shift == top)
                --first;
            while (end < n && a[end] >> shift == top)
                ++end;
            WORDS(sort)(a + first, other + first, end - first);
            i = end;
        }
}

/* Sorts a; what is in `other` is lost. */
static void WORDS(sort)(W *a, W *other, int64_t n)
{
    if (n <= SHORT) {
        for (int64_t i = 1, j; i < n; ++i) {
            const W word = a[i];
            for (j = i; j && a[j - 1] > word; --j)
                a[j] = a[j - 1];
            a[j] = word;
        }
        return;
    }
    W low = a[0], high = a[0];
    for (int64_t i = 1; i < n; ++i) {
        low = a[i] < low ? a[i] : low;
        high = a[i] > high ? a[i] : high;
    }
    int64_t counts[MOST_PASSES][DIGITS];
    const plan p = plan_for(n, (W)(high - low), 64);
    clear(counts, p);
    for (int64_t i = 0; i < n; ++i) {
        other[i] = (W)(a[i] - low);
        WORDS(count)(other[i], p, counts);
    }
    W *const made = WORDS(passes)(other, a, n, p, counts);
    WORDS(finish)(made, made == a ? other : a, n, p.shift);
    for (int64_t i = 0; i < n; ++i)
        a[i] = (W)(made[i] + low);
}
