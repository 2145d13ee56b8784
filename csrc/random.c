/* random.c: draws of random numbers, bit for bit those of numpy.random.Generator(PCG64).
 *
 * The distributions are NumPy's own functions, from its library npyrandom (setup.py links it; without it gradc_draw
 * is NULL and random numbers are drawn in the interpreter).  The generator is written here, so that a state is plain data
 * which a kernel can own: PCG XSL RR 128/64 of M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient
 * Statistically Good Algorithms for Random Number Generation" (Harvey Mudd College, 2014), section 6.3, with the buffer
 * for the second half of a word of NumPy's PCG64.
 *
 * What parameters may be is NumPy's rule too; the numbers of faults are those of gradc/ir/distributions.py.
 */
#include "private.h"

#ifdef GRADC_HAS_NPYRANDOM

#include <math.h>
#include <string.h>

#include <numpy/random/distributions.h>

typedef unsigned __int128 word128;

/* The six words of a state (gradc_runtime.h). */
enum { STATE, INCREMENT = 2, HAS_UINT32 = 4, UINTEGER };

static const word128 MULTIPLIER = (word128)UINT64_C(0x2360ed051fc65da4) << 64 | UINT64_C(0x4385df649fccf645);

static word128 both(const uint64_t *words)
{
    return (word128)words[1] << 64 | words[0];
}

static uint64_t pcg_uint64(void *of)
{
    uint64_t *g = of;
    const word128 state = both(g + STATE) * MULTIPLIER + both(g + INCREMENT);
    g[STATE] = (uint64_t)state;
    g[STATE + 1] = (uint64_t)(state >> 64);
    const uint64_t mixed = (uint64_t)(state >> 64) ^ (uint64_t)state;
    const unsigned turn = (unsigned)(state >> 122);
    return mixed >> turn | mixed << (-turn & 63);
}

static uint32_t pcg_uint32(void *of)
{
    uint64_t *g = of;
    if (g[HAS_UINT32]) {                /* the upper half of the last number is still to be given out */
        g[HAS_UINT32] = 0;
        return (uint32_t)g[UINTEGER];
    }
    const uint64_t number = pcg_uint64(g);
    g[HAS_UINT32] = 1;
    g[UINTEGER] = number >> 32;
    return (uint32_t)number;
}

static double pcg_double(void *of)
{
    return (double)(pcg_uint64(of) >> 11) * 0x1p-53;
}

/* Parameters of one call; the same for all draws where the step is 0.  frame: for those of a draw at fault. */
typedef struct given {
    const void *const *data;
    const int64_t *steps;
    int64_t n;
    gradc_frame *frame;
} given;

static inline double real(const given *p, int k, int64_t i)
{
    return ((const double *)p->data[k])[i * p->steps[k]];
}

static inline int64_t whole(const given *p, int k, int64_t i)
{
    return ((const int64_t *)p->data[k])[i * p->steps[k]];
}

static inline int fault_at(const given *p, int64_t i, int number)
{
    p->frame->error[3] = i;
    return number;
}

/* ---- parameters --------------------------------------------------------------------------------------------- */

static int any_negative(const given *p, int k)          /* -0.0 is, nan is not */
{
    for (int64_t i = 0; i < (p->steps[k] ? p->n : 1); ++i)
        if (!isnan(real(p, k, i)) && signbit(real(p, k, i)))
            return fault_at(p, i, 1);
    return 0;
}

static int any_not_positive(const given *p, int k)      /* nan is */
{
    for (int64_t i = 0; i < (p->steps[k] ? p->n : 1); ++i)
        if (real(p, k, i) <= 0)
            return fault_at(p, i, 1);
    return 0;
}

static int any_outside(const given *p, int k, double low, double high)      /* nan is */
{
    for (int64_t i = 0; i < (p->steps[k] ? p->n : 1); ++i)
        if (!(real(p, k, i) >= low && real(p, k, i) <= high))
            return fault_at(p, i, 1);
    return 0;
}

static int any_not_probability_above_0(const given *p, int k)
{
    for (int64_t i = 0; i < (p->steps[k] ? p->n : 1); ++i)
        if (!(real(p, k, i) > 0 && real(p, k, i) <= 1))
            return fault_at(p, i, 1);
    return 0;
}

/* Do all parameters stay the same?  Then one look at them is enough, else one for each draw. */
static int64_t looks(const given *p, int count)
{
    for (int k = 0; k < count; ++k)
        if (p->steps[k])
            return p->n;
    return 1;
}

static int fault_of_uniform(const given *p)
{
    const int64_t n = looks(p, 2);
    for (int64_t i = 0; i < n; ++i)
        if (!isfinite(real(p, 1, i) - real(p, 0, i)))
            return fault_at(p, i, 1);
    for (int64_t i = 0; i < n; ++i)
        if (signbit(real(p, 1, i) - real(p, 0, i)))
            return fault_at(p, i, 2);
    return 0;
}

static int fault_of_triangular(const given *p)
{
    const int64_t n = looks(p, 3);
    for (int64_t i = 0; i < n; ++i)
        if (real(p, 0, i) > real(p, 1, i))
            return fault_at(p, i, 1);
    for (int64_t i = 0; i < n; ++i)
        if (real(p, 1, i) > real(p, 2, i))
            return fault_at(p, i, 2);
    for (int64_t i = 0; i < n; ++i)
        if (real(p, 0, i) == real(p, 2, i))
            return fault_at(p, i, 3);
    return 0;
}

static int fault_of_integers(const given *p)
{
    for (int64_t i = 0; i < (p->n ? looks(p, 2) : 0); ++i)
        if (whole(p, 0, i) >= whole(p, 1, i))
            return fault_at(p, i, 1);
    return 0;
}

static int fault_of_binomial(const given *p)
{
    for (int64_t i = 0; i < (p->steps[0] ? p->n : 1); ++i)
        if (whole(p, 0, i) < 0)
            return fault_at(p, i, 1);
    return any_outside(p, 1, 0.0, 1.0) ? 2 : 0;
}

/* 0, or the number of what is wrong. */
static int fault_of(int distribution, const given *p)
{
    switch (distribution) {
    case GRADC_UNIFORM:
        return fault_of_uniform(p);
    case GRADC_NORMAL:
    case GRADC_LOGNORMAL:
    case GRADC_GUMBEL:
    case GRADC_LAPLACE:
    case GRADC_LOGISTIC:
    case GRADC_VONMISES:
        return any_negative(p, 1);
    case GRADC_EXPONENTIAL:
    case GRADC_WEIBULL:
        return any_negative(p, 0);
    case GRADC_GAMMA:
        return any_negative(p, 0) ? 1 : any_negative(p, 1) ? 2 : 0;
    case GRADC_BETA:
        return any_not_positive(p, 0) ? 1 : any_not_positive(p, 1) ? 2 : 0;
    case GRADC_CHISQUARE:
        return any_not_positive(p, 0);
    case GRADC_TRIANGULAR:
        return fault_of_triangular(p);
    case GRADC_INTEGERS:
        return fault_of_integers(p);
    case GRADC_BINOMIAL:
        return fault_of_binomial(p);
    case GRADC_POISSON:                 /* the largest: INT64_MAX less ten of its square roots */
        return any_outside(p, 0, 0.0, INFINITY) ? 2 : any_outside(p, 0, 0.0, 0x1p63 - 10 * sqrt(0x1p63)) ? 1 : 0;
    case GRADC_GEOMETRIC:
        return any_not_probability_above_0(p, 0);
    default:
        return 0;
    }
}

/* How many parameters the distributions have of which some are refused. */
static const int parameters[] = {
    [GRADC_UNIFORM] = 2, [GRADC_NORMAL] = 2, [GRADC_LOGNORMAL] = 2, [GRADC_EXPONENTIAL] = 1, [GRADC_BETA] = 2,
    [GRADC_GAMMA] = 2, [GRADC_CHISQUARE] = 1, [GRADC_GUMBEL] = 2, [GRADC_LAPLACE] = 2, [GRADC_LOGISTIC] = 2,
    [GRADC_TRIANGULAR] = 3, [GRADC_VONMISES] = 2, [GRADC_WEIBULL] = 1, [GRADC_BINOMIAL] = 2, [GRADC_POISSON] = 1,
    [GRADC_GEOMETRIC] = 1, [GRADC_INTEGERS] = 2};

/* ---- draws -------------------------------------------------------------------------------------------------- */

#define REAL(k) real(&p, k, i)
#define WHOLE(k) whole(&p, k, i)
#define EACH(type, draw) \
    for (int64_t i = 0; i < n; ++i) \
        ((type *)out)[i] = (draw); \
    break

static int draw(gradc_frame *frame, int distribution, const void *const *in, const int64_t *numbers,
                void *const *results)
{
    const uint64_t *before = in[0];
    uint64_t *after = results[0];
    void *out = results[1];
    const int64_t n = numbers[0], *steps = numbers + 1;
    const given p = {in + 1, steps, n, frame};
    const int fault = fault_of(distribution, &p);
    if (fault) {
        for (int k = 0; k < parameters[distribution]; ++k)      /* words, whether double or int64_t */
            frame->error[k] = whole(&p, k, frame->error[3]);
        return fault;
    }
    if (after != before)
        memcpy(after, before, 6 * sizeof *after);
    bitgen_t bits = {after, pcg_uint64, pcg_uint32, pcg_double, pcg_uint64}, *const g = &bits;
    switch (distribution) {
    case GRADC_UNIFORM:
        EACH(double, REAL(0) + (REAL(1) - REAL(0)) * pcg_double(after));
    case GRADC_NORMAL:
        EACH(double, random_normal(g, REAL(0), REAL(1)));
    case GRADC_STANDARD_NORMAL:
        EACH(double, random_standard_normal(g));
    case GRADC_LOGNORMAL:
        EACH(double, random_lognormal(g, REAL(0), REAL(1)));
    case GRADC_EXPONENTIAL:
        EACH(double, random_exponential(g, REAL(0)));
    case GRADC_BETA:
        EACH(double, random_beta(g, REAL(0), REAL(1)));
    case GRADC_GAMMA:
        EACH(double, random_gamma(g, REAL(0), REAL(1)));
    case GRADC_CHISQUARE:
        EACH(double, random_chisquare(g, REAL(0)));
    case GRADC_GUMBEL:
        EACH(double, random_gumbel(g, REAL(0), REAL(1)));
    case GRADC_LAPLACE:
        EACH(double, random_laplace(g, REAL(0), REAL(1)));
    case GRADC_LOGISTIC:
        EACH(double, random_logistic(g, REAL(0), REAL(1)));
    case GRADC_TRIANGULAR:
        EACH(double, random_triangular(g, REAL(0), REAL(1), REAL(2)));
    case GRADC_VONMISES:
        EACH(double, random_vonmises(g, REAL(0), REAL(1)));
    case GRADC_WEIBULL:
        EACH(double, random_weibull(g, REAL(0)));
    case GRADC_BINOMIAL: {
        binomial_t kept = {0};          /* what it computes of n and p, as long as they stay the same */
        EACH(int64_t, random_binomial(g, REAL(1), WHOLE(0), &kept));
    }
    case GRADC_POISSON:
        EACH(int64_t, random_poisson(g, REAL(0)));
    case GRADC_GEOMETRIC:
        EACH(int64_t, random_geometric(g, REAL(0)));
    case GRADC_INTEGERS:
        if (!steps[0] && !steps[1]) {
            const int64_t low = ((const int64_t *)in[1])[0], high = ((const int64_t *)in[2])[0];
            random_bounded_uint64_fill(g, (uint64_t)low, (uint64_t)high - 1 - (uint64_t)low, n, false, out);
            break;
        }
        EACH(int64_t, (int64_t)random_bounded_uint64(g, (uint64_t)WHOLE(0), (uint64_t)WHOLE(1) - 1 - (uint64_t)WHOLE(0),
                                                     0, false));
    }
    return 0;
}

const gradc_routine gradc_draw = draw;

#else

const gradc_routine gradc_draw = NULL;

#endif
