/* random.c: draws of random numbers, bit for bit those of numpy.random.Generator.
 *
 * The distributions are NumPy's own functions, from its library npyrandom (setup.py links it; without it gradc_draw
 * is NULL and random numbers are drawn in the interpreter).
 *
 * What parameters may be is NumPy's rule too; the numbers of faults are those of gradc/ir/distributions.py.
 */
#include "private.h"

#ifdef GRADC_HAS_NPYRANDOM

#include <math.h>

#include <numpy/random/distributions.h>

#include "bits.h"

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

static const int parameters[] = {
#define COUNT(name, count) [GRADC_##name] = count,
    GRADC_DISTRIBUTIONS(COUNT)
};

static inline int negative(double x)            /* -0.0 is, nan is not */
{
    return !isnan(x) && signbit(x);
}

static inline int no_probability(double p)      /* nan is none */
{
    return !(p >= 0 && p <= 1);
}

static const double MOST = 0x1p63;              /* INT64_MAX, as a double */

/* Do all parameters stay the same?  Then one look at them is enough, else one for each draw. */
static int64_t looks(const given *p, int count)
{
    for (int k = 0; k < count; ++k)
        if (p->steps[k])
            return p->n;
    return 1;
}

#define REAL(k) real(p, k, i)
#define WHOLE(k) whole(p, k, i)
/* The first draw for which something is wrong; with parameter k alone, or with several. */
#define REFUSE_UP_TO(end, number, wrong) \
    for (int64_t i = 0; i < (end); ++i) \
        if (wrong) \
            return fault_at(p, i, number)
#define REFUSE(number, k, wrong) REFUSE_UP_TO(p->steps[k] ? p->n : 1, number, wrong)
#define REFUSE_SETS(number, wrong) \
    for (int64_t i = 0, sets = looks(p, parameters[distribution]); i < sets; ++i) \
        if (wrong) \
            return fault_at(p, i, number)

/* 0, or the number of what is wrong. */
static int fault_of(int distribution, const given *p)
{
    switch (distribution) {
    case GRADC_UNIFORM:
        REFUSE_SETS(1, !isfinite(REAL(1) - REAL(0)));
        REFUSE_SETS(2, signbit(REAL(1) - REAL(0)));
        break;
    case GRADC_NORMAL:
    case GRADC_LOGNORMAL:
    case GRADC_GUMBEL:
    case GRADC_LAPLACE:
    case GRADC_LOGISTIC:
    case GRADC_VONMISES:
        REFUSE(1, 1, negative(REAL(1)));
        break;
    case GRADC_EXPONENTIAL:
    case GRADC_WEIBULL:
    case GRADC_STANDARD_GAMMA:
    case GRADC_RAYLEIGH:
        REFUSE(1, 0, negative(REAL(0)));
        break;
    case GRADC_GAMMA:
        REFUSE(1, 0, negative(REAL(0)));
        REFUSE(2, 1, negative(REAL(1)));
        break;
    case GRADC_CHISQUARE:
    case GRADC_STANDARD_T:
    case GRADC_POWER:
        REFUSE(1, 0, REAL(0) <= 0);
        break;
    case GRADC_BETA:
    case GRADC_WALD:
    case GRADC_F:
        REFUSE(1, 0, REAL(0) <= 0);
        REFUSE(2, 1, REAL(1) <= 0);
        break;
    case GRADC_NONCENTRAL_CHISQUARE:
        REFUSE(1, 0, REAL(0) <= 0);
        REFUSE(2, 1, negative(REAL(1)));
        break;
    case GRADC_NONCENTRAL_F:
        REFUSE(1, 0, REAL(0) <= 0);
        REFUSE(2, 1, REAL(1) <= 0);
        REFUSE(3, 2, negative(REAL(2)));
        break;
    case GRADC_TRIANGULAR:
        REFUSE_SETS(1, REAL(0) > REAL(1));
        REFUSE_SETS(2, REAL(1) > REAL(2));
        REFUSE_SETS(3, REAL(0) == REAL(2));
        break;
    case GRADC_INTEGERS:
        if (p->n)
            REFUSE_SETS(1, WHOLE(0) >= WHOLE(1));
        break;
    case GRADC_BINOMIAL:
        REFUSE(1, 0, WHOLE(0) < 0);
        REFUSE(2, 1, no_probability(REAL(1)));
        break;
    case GRADC_POISSON:
        REFUSE(2, 0, !(REAL(0) >= 0));
        REFUSE(1, 0, REAL(0) > MOST - 10 * sqrt(MOST));
        break;
    case GRADC_GEOMETRIC:
        REFUSE(1, 0, !(REAL(0) > 0 && REAL(0) <= 1));
        break;
    case GRADC_NEGATIVE_BINOMIAL:           /* the largest mean of its Poisson numbers: ten deviations below INT64_MAX */
        REFUSE(1, 0, isnan(REAL(0)));
        REFUSE(2, 0, REAL(0) <= 0);
        REFUSE(3, 1, !(REAL(1) > 0 && REAL(1) <= 1));
        REFUSE_SETS(4, (1 - REAL(1)) / REAL(1) * (REAL(0) + 10 * sqrt(REAL(0))) > MOST - 10 * sqrt(MOST));
        break;
    case GRADC_HYPERGEOMETRIC:
        REFUSE_SETS(1, WHOLE(0) >= 1000000000 || WHOLE(1) >= 1000000000);
        REFUSE_SETS(2, WHOLE(0) + WHOLE(1) < WHOLE(2));
        REFUSE(3, 0, WHOLE(0) < 0);
        REFUSE(4, 1, WHOLE(1) < 0);
        REFUSE(5, 2, WHOLE(2) < 0);
        break;
    case GRADC_ZIPF:
        REFUSE(1, 0, !(REAL(0) > 1));
        break;
    case GRADC_LOGSERIES:
        REFUSE(1, 0, !(REAL(0) >= 0 && REAL(0) < 1));
        break;
    case GRADC_HALFNORMAL:
    case GRADC_CAUCHY:
    case GRADC_HALFCAUCHY:
        REFUSE(1, 1, !(REAL(1) >= 0));
        break;
    case GRADC_PARETO:
    case GRADC_INVGAMMA:
        REFUSE(1, 0, !(REAL(0) > 0));
        REFUSE(2, 1, !(REAL(1) >= 0));
        break;
    case GRADC_T:
    case GRADC_TRUNCEXPON:
        REFUSE(1, 0, !(REAL(0) > 0));
        REFUSE(2, 2, !(REAL(2) >= 0));
        break;
    case GRADC_GENGAMMA:
        REFUSE_SETS(1, !(REAL(0) * REAL(1) > 0));
        REFUSE(2, 2, !(REAL(2) >= 0));
        break;
    case GRADC_BETABINOM:
        REFUSE(1, 0, WHOLE(0) < 0);
        REFUSE(2, 1, !(REAL(1) > 0));
        REFUSE(3, 2, !(REAL(2) > 0));
        break;
    }
    return 0;
}

/* ---- draws -------------------------------------------------------------------------------------------------- */

static const double PI = 3.14159265358979323846;

/* Quantiles, as SciPy has them (scipy.stats.cauchy is Boost's cauchy_distribution: from the nearer tail). */
static inline double cauchy_at(double u)
{
    return u == 0.5 ? 0.0 : -1 / tan(PI * (u > 0.5 ? u - 1 : u));
}

#define EACH(type, draw) \
    { \
        for (int64_t i = 0; i < n; ++i) \
            ((type *)out)[i] = (draw); \
        break; \
    }

static int draw(gradc_frame *frame, int distribution, const void *const *in, const int64_t *numbers,
                void *const *results)
{
    void *out = results[1];
    const int64_t n = numbers[0], *steps = numbers + 1;
    const given here = {in + 1, steps, n, frame}, *const p = &here;
    const int fault = fault_of(distribution, p);
    if (fault) {
        for (int k = 0; k < parameters[distribution]; ++k)      /* words, whether double or int64_t */
            frame->error[k] = whole(p, k, frame->error[3]);
        return fault;
    }
    bitgen_t bits = gradc_bits_of(in[0], results[0]), *const g = &bits;
    switch (distribution) {
    case GRADC_UNIFORM:
        if (g->next_double == gradc_functions[GRADC_PCG64].next_double)
            EACH(double, REAL(0) + (REAL(1) - REAL(0)) * gradc_pcg64_double(g->state));
        EACH(double, REAL(0) + (REAL(1) - REAL(0)) * g->next_double(g->state));
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
    case GRADC_STANDARD_EXPONENTIAL:
        EACH(double, random_standard_exponential(g));
    case GRADC_STANDARD_GAMMA:
        EACH(double, random_standard_gamma(g, REAL(0)));
    case GRADC_STANDARD_CAUCHY:
        EACH(double, random_standard_cauchy(g));
    case GRADC_STANDARD_T:
        EACH(double, random_standard_t(g, REAL(0)));
    case GRADC_POWER:
        EACH(double, random_power(g, REAL(0)));
    case GRADC_RAYLEIGH:
        EACH(double, random_rayleigh(g, REAL(0)));
    case GRADC_WALD:
        EACH(double, random_wald(g, REAL(0), REAL(1)));
    case GRADC_F:
        EACH(double, random_f(g, REAL(0), REAL(1)));
    case GRADC_NONCENTRAL_CHISQUARE:
        EACH(double, random_noncentral_chisquare(g, REAL(0), REAL(1)));
    case GRADC_NONCENTRAL_F:
        EACH(double, random_noncentral_f(g, REAL(0), REAL(1), REAL(2)));
    case GRADC_NEGATIVE_BINOMIAL:
        EACH(int64_t, random_negative_binomial(g, REAL(0), REAL(1)));
    case GRADC_HYPERGEOMETRIC:
        EACH(int64_t, random_hypergeometric(g, WHOLE(0), WHOLE(1), WHOLE(2)));
    case GRADC_ZIPF:
        EACH(int64_t, random_zipf(g, REAL(0)));
    case GRADC_LOGSERIES:
        EACH(int64_t, random_logseries(g, REAL(0)));
    case GRADC_HALFNORMAL:
        EACH(double, fabs(random_standard_normal(g)) * REAL(1) + REAL(0));
    case GRADC_CAUCHY:
        EACH(double, cauchy_at(gradc_uniform(g)) * REAL(1) + REAL(0));
    case GRADC_HALFCAUCHY:
        EACH(double, tan(PI / 2 * gradc_uniform(g)) * REAL(1) + REAL(0));
    case GRADC_PARETO:
        EACH(double, pow(1 - gradc_uniform(g), -1 / REAL(0)) * REAL(1));
    case GRADC_INVGAMMA:
        EACH(double, REAL(1) / random_standard_gamma(g, REAL(0)));
    case GRADC_T:
        EACH(double, random_standard_t(g, REAL(0)) * REAL(2) + REAL(1));
    case GRADC_TRUNCEXPON:
        EACH(double, -log1p(gradc_uniform(g) * expm1(-REAL(0))) * REAL(2) + REAL(1));
    case GRADC_GENGAMMA:
        EACH(double, pow(random_standard_gamma(g, REAL(0) / REAL(1)), 1 / REAL(1)) * REAL(2));
    case GRADC_BETABINOM: {             /* the probabilities of all draws come first */
        double *const odds = out;
        for (int64_t i = 0; i < n; ++i)
            odds[i] = random_beta(g, REAL(1), REAL(2));
        binomial_t kept = {0};
        for (int64_t i = 0; i < n; ++i) {
            const int64_t drawn = random_binomial(g, odds[i], WHOLE(0), &kept);
            memcpy(odds + i, &drawn, sizeof drawn);
        }
        break;
    }
    }
    return 0;
}

const gradc_routine gradc_draw = draw;

#else

const gradc_routine gradc_draw = NULL;

#endif
