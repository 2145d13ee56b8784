/* random_vectors.c: draws of vectors and out of given values, bit for bit those of numpy.random.Generator.
 *
 * Of several sets of parameters there are as many draws each, one set after the other.  A result that two arguments
 * tell the length of is drawn as often as it has room.  The algorithms are those of Generator's methods of these names.
 */
#include "private.h"

#ifdef GRADC_HAS_NPYRANDOM

#include <stdlib.h>

#include <numpy/random/distributions.h>

#include "bits.h"

/* Fisher and Yates's shuffle, of the last elements down to `first`. */
static void shuffle(bitgen_t *g, int64_t n, int64_t first, int64_t *x)
{
    for (int64_t i = n; i-- > first;) {
        const int64_t j = (int64_t)random_bounded_uint64(g, 0, (uint64_t)i, 0, false), kept = x[j];
        x[j] = x[i];
        x[i] = kept;
    }
}

/* state, n -> 0, ..., n - 1 in random order.  numbers: elements of the result */
static int permutation(gradc_frame *frame, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame;
    bitgen_t g = gradc_bits_of(in[0], out[0]);
    const int64_t n = *(const int64_t *)in[1];
    int64_t *x = out[1], *const end = x + numbers[0];
    for (; x < end; x += n) {
        for (int64_t i = 0; i < n; ++i)
            x[i] = i;
        for (int64_t i = n - 1; i > 0; --i) {           /* unlike those of `choice`, by random_interval */
            const int64_t j = (int64_t)random_interval(&g, (uint64_t)i), kept = x[j];
            x[j] = x[i];
            x[i] = kept;
        }
    }
    return 0;
}

static int refuse(gradc_frame *frame, int number, int64_t first, int64_t second)
{
    frame->error[0] = first;
    frame->error[1] = second;
    return number;
}

/* R. Floyd's sample of `count` of 0, ..., n - 1, in a hash table of mask + 1 entries that are -1. */
static void sample(bitgen_t *g, int64_t n, int64_t count, uint64_t *table, uint64_t mask, int64_t *x)
{
    const uint64_t none = (uint64_t)-1;
    for (int64_t j = n - count; j < n; ++j) {
        uint64_t value = random_bounded_uint64(g, 0, (uint64_t)j, 0, false), at = value & mask;
        while (table[at] != none && table[at] != value)
            at = (at + 1) & mask;
        if (table[at] != none) {                        /* drawn before: j, which is not */
            value = (uint64_t)j;
            at = value & mask;
            while (table[at] != none)
                at = (at + 1) & mask;
        }
        table[at] = value;
        x[j - n + count] = (int64_t)value;
    }
}

/* Draws of `count` different ones of 0, ..., n - 1, in random order if `mixed`, up to `end`. */
static int choices(bitgen_t *g, int64_t count, int64_t n, int64_t mixed, int64_t *x, const int64_t *end)
{
    const int tail = n > 10000 && count > n / (mixed ? 50 : 20);
    uint64_t mask = (uint64_t)(1.2 * (double)count);
    for (int bits = 1; bits < 64; bits *= 2)
        mask |= mask >> bits;
    const size_t size = tail ? (size_t)n : (size_t)mask + 1;
    uint64_t *const work = malloc(size * sizeof *work);
    if (!work)
        return GRADC_NO_MEMORY;
    for (; x < end; x += count) {
        if (tail) {
            for (int64_t i = 0; i < n; ++i)
                work[i] = (uint64_t)i;
            shuffle(g, n, n - count > 1 ? n - count : 1, (int64_t *)work);
            memcpy(x, work + n - count, (size_t)count * sizeof *x);
        } else {
            memset(work, 0xff, size * sizeof *work);
            sample(g, n, count, work, mask, x);
            if (mixed)
                shuffle(g, count, 1, x);
        }
    }
    free(work);
    return 0;
}

/* state, count, n (b), in random order? -> `count` different ones of 0, ..., n - 1.  numbers: b, elements of the result */
static int choice(gradc_frame *frame, const void *const *in, const int64_t *numbers, void *const *out)
{
    const int64_t count = *(const int64_t *)in[1], *const n = in[2], mixed = *(const int64_t *)in[3], b = numbers[0];
    for (int64_t set = 0; set < b; ++set)
        if (count > n[set])
            return refuse(frame, 1, count, n[set]);
    bitgen_t g = gradc_bits_of(in[0], out[0]);
    int64_t *x = out[1];
    const int64_t each = numbers[1] ? numbers[1] / b : 0;
    int status = 0;
    for (int64_t set = 0; each && !status && set < b; ++set, x += each)
        status = choices(&g, count, n[set], mixed, x, x + each);
    return status;
}

/* One choice of `count` different ones of k by the weights p, which become 0 as they are drawn; sums: room for k. */
static void weighted(bitgen_t *g, int64_t count, int64_t k, double *p, double *sums, int64_t *x)
{
    for (int64_t found = 0; found < count;) {
        double sum = 0;
        for (int64_t i = 0; i < k; ++i)
            sums[i] = sum += p[i];
        for (int64_t i = 0; i < k; ++i)
            sums[i] /= sum;
        const int64_t wanted = count - found;
        for (int64_t i = 0; i < wanted; ++i) {
            const double u = gradc_uniform(g);
            int64_t low = 0, high = k;                  /* the first sum that is greater */
            while (low < high) {
                const int64_t middle = low + (high - low) / 2;
                if (u < sums[middle])
                    high = middle;
                else
                    low = middle + 1;
            }
            if (low < k && p[low] != 0) {               /* not drawn in this round */
                x[found++] = low;
                p[low] = 0;
            }
        }
    }
}

/* state, count, weights (b, k) -> `count` different ones of 0, ..., k - 1.  numbers: b, k, elements of the result */
static int choice_weighted(gradc_frame *frame, const void *const *in, const int64_t *numbers, void *const *out)
{
    const int64_t count = *(const int64_t *)in[1], b = numbers[0], k = numbers[1];
    const int64_t draws = count ? numbers[2] / count : 0;
    const double *const p = in[2];
    for (int64_t set = 0; set < b; ++set) {
        int64_t possible = 0;
        for (int64_t i = 0; i < k; ++i)
            possible += p[set * k + i] > 0;
        if (possible < count)
            return refuse(frame, 1, possible, count);
    }
    bitgen_t g = gradc_bits_of(in[0], out[0]);
    double *const work = draws ? malloc(2 * (size_t)k * sizeof *work) : NULL;
    if (draws && !work)
        return GRADC_NO_MEMORY;
    for (int64_t draw = 0; draw < draws; ++draw) {
        memcpy(work, p + draw / (draws / b) * k, (size_t)k * sizeof *work);
        weighted(&g, count, k, work, work + k, (int64_t *)out[1] + draw * count);
    }
    free(work);
    return 0;
}

/* By stick-breaking, if all of alpha are small; rest[j]: the sum of alpha[j], ..., alpha[k - 1]. */
static void dirichlet_of_small(bitgen_t *g, int64_t k, const double *alpha, const double *rest, double *x)
{
    memset(x, 0, (size_t)k * sizeof *x);
    if (!(rest[0] > 0))
        return;
    double left = 1;
    for (int64_t j = 0; j < k - 1; ++j) {
        const double v = random_beta(g, alpha[j], rest[j + 1]);
        x[j] = left * v;
        left *= 1 - v;
        if (rest[j + 1] == 0)           /* nothing is left */
            break;
    }
    x[k - 1] = left;
}

static void dirichlet_of(bitgen_t *g, int64_t k, const double *alpha, double *x)
{
    double sum = 0;
    for (int64_t j = 0; j < k; ++j)
        sum += x[j] = random_standard_gamma(g, alpha[j]);
    const double factor = 1 / sum;
    for (int64_t j = 0; j < k; ++j)
        x[j] *= factor;
}

/* state, alpha (b, k) -> vectors of k.  numbers: b, k, elements of the result */
static int dirichlet(gradc_frame *frame, const void *const *in, const int64_t *numbers, void *const *out)
{
    const double *const alpha = in[1];
    const int64_t b = numbers[0], k = numbers[1], draws = k ? numbers[2] / k : 0, each = draws ? draws / b : 0;
    for (int64_t i = 0; i < b * k; ++i)
        if (alpha[i] < 0) {
            memcpy(frame->error, alpha + i, sizeof alpha[i]);
            return 1;
        }
    bitgen_t g = gradc_bits_of(in[0], out[0]);
    double *const rest = draws ? malloc((size_t)k * sizeof *rest) : NULL;
    if (draws && !rest)
        return GRADC_NO_MEMORY;
    double *x = out[1];
    for (int64_t set = 0; draws && set < b; ++set) {
        const double *const a = alpha + set * k;
        double most = a[0], sum = 0;
        for (int64_t j = k; j--;) {
            most = a[j] > most || a[j] != a[j] ? a[j] : most;
            rest[j] = sum += a[j];
        }
        for (int64_t draw = 0; draw < each; ++draw, x += k)
            if (most < 0.1)
                dirichlet_of_small(&g, k, a, rest, x);
            else
                dirichlet_of(&g, k, a, x);
    }
    free(rest);
    return 0;
}

/* Is the sum of p greater than 1?  By Kahan's algorithm, as in NumPy. */
static int above_1(const double *p, int64_t n)
{
    double sum = n > 0 ? p[0] : 0, lost = 0;
    for (int64_t i = 1; i < n; ++i) {
        const double y = p[i] - lost, t = sum + y;
        lost = t - sum - y;
        sum = t;
    }
    return sum > 1 + 1e-12;
}

/* state, trials (c), probabilities (b, k) -> vectors of k.  numbers: c, b, k, elements of the result */
static int multinomial(gradc_frame *frame, const void *const *in, const int64_t *numbers, void *const *out)
{
    const int64_t *const trials = in[1];
    const double *const p = in[2];
    const int64_t c = numbers[0], b = numbers[1], k = numbers[2], draws = k ? numbers[3] / k : 0;
    for (int64_t i = 0; i < c; ++i)
        if (trials[i] < 0)
            return refuse(frame, 1, trials[i], 0);
    for (int64_t set = 0; set < b; ++set)
        if (above_1(p + set * k, k - 1))
            return 2;
    bitgen_t g = gradc_bits_of(in[0], out[0]);
    binomial_t kept = {0};
    int64_t *x = memset(out[1], 0, (size_t)numbers[3] * sizeof *x);
    for (int64_t draw = 0; draw < draws; ++draw, x += k)
        random_multinomial(&g, trials[draw / (draws / c)], x, (double *)(p + draw / (draws / b) * k), (npy_intp)k,
                           &kept);
    return 0;
}

static int draw(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    switch (number) {
    case GRADC_PERMUTATION:
        return permutation(frame, in, numbers, out);
    case GRADC_CHOICE:
        return choice(frame, in, numbers, out);
    case GRADC_CHOICE_WEIGHTED:
        return choice_weighted(frame, in, numbers, out);
    case GRADC_DIRICHLET:
        return dirichlet(frame, in, numbers, out);
    default:
        return multinomial(frame, in, numbers, out);
    }
}

const gradc_routine gradc_draw_vectors = draw;

#else

const gradc_routine gradc_draw_vectors = NULL;

#endif
