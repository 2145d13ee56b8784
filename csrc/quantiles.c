/* quantiles.c: how quantiles of the gamma and beta distributions move with a parameter: -(dF/da)/(dF/dx), F their
 * distribution function, which is the derivative of a draw (M. Figurnov, S. Mohamed, A. Mnih, "Implicit
 * Reparameterization Gradients", NeurIPS 2018).  F in x and its derivative in a have a common factor, which is left out.
 *
 * Series and continued fractions, NIST DLMF 8.7.1, 8.9.2 and 8.17.22, carry their derivative in a along.
 * The same, in Python: gradc/ir/quantiles.py.
 */
#include "private.h"

#include <float.h>
#include <math.h>

typedef struct dual {
    double v, d;
} dual;

static inline dual times(dual x, dual y)
{
    return (dual){x.v * y.v, x.d * y.v + x.v * y.d};
}

static inline dual over(dual x, dual y)
{
    const double q = x.v / y.v;
    return (dual){q, (x.d - q * y.d) / y.v};
}

enum { MOST_TERMS = 1000000 };

/* Lentz's algorithm: the next factor of a continued fraction with the parts a and b, and what it keeps. */
static inline dual lentz(dual a, dual b, dual *c, dual *d)
{
    const dual one = {1, 0};
    const dual low = times(a, *d), high = over(a, *c);
    *d = (dual){b.v + low.v, b.d + low.d};
    *c = (dual){b.v + high.v, b.d + high.d};
    if (d->v == 0)
        d->v = DBL_MIN;
    if (c->v == 0)
        c->v = DBL_MIN;
    *d = over(one, *d);
    return times(*c, *d);
}

static inline int settled(dual factor, dual value)
{
    return fabs(factor.v - 1) <= DBL_EPSILON && fabs(factor.d * value.v) <= DBL_EPSILON * fabs(value.d);
}

/* The expansion of E. A. Cornish and R. A. Fisher, "Moments and Cumulants in the Specification of Distributions" (1938):
 * x = a + z a^(1/2) + (z^2 - 1)/3 + (z^3 - 7 z)/36 a^(-1/2) - ..., solved for z, then differentiated. */
static double gamma_of_large(double a, double x)
{
    const double root = sqrt(a);
    double z = (x - a) / root;
    for (int k = 0; k < 8; ++k) {
        const double z2 = z * z;
        const double made = a + z * root + (z2 - 1) / 3 + z * (z2 - 7) / (36 * root)
                            - ((3 * z2 + 7) * z2 - 16) / (810 * a)
                            + z * ((9 * z2 + 256) * z2 - 433) / (38880 * a * root);
        z -= (made - x) / (root + 2 * z / 3 + (3 * z2 - 7) / (36 * root));
    }
    const double z2 = z * z;
    return 1 + z / (2 * root) - z * (z2 - 7) / (72 * a * root) + ((3 * z2 + 7) * z2 - 16) / (810 * a * a)
           - z * ((9 * z2 + 256) * z2 - 433) / (25920 * a * a * root);
}

/* of: log(x) - psi(a) */
static double gamma_slope(double a, double x, double of)
{
    if (x == 0)
        return 0;
    if (!(a > 0 && x > 0 && isfinite(a) && isfinite(x)))
        return NAN;
    if (a > 20000)
        return gamma_of_large(a, x);
    if (x <= a + 1) {                   /* F = x/a f sum of x^k / (a + 1)_k */
        dual term = {1, 0}, sum = term;
        for (int k = 1; k < MOST_TERMS; ++k) {
            term = times(term, over((dual){x, 0}, (dual){a + k, 1}));
            sum.v += term.v;
            sum.d += term.d;
            if (term.v <= DBL_EPSILON / 4 * sum.v && -term.d <= -DBL_EPSILON / 4 * sum.d)
                break;
        }
        return -x / a * (sum.v * (of - 1 / a) + sum.d);
    }
    dual b = {x + 1 - a, -1}, c = {1 / DBL_MIN, 0}, d = over((dual){1, 0}, b), value = d;       /* 1 - F = x f value */
    for (int k = 1; k < MOST_TERMS; ++k) {
        b.v += 2;
        const dual factor = lentz((dual){-k * (k - a), k}, b, &c, &d);
        value = times(value, factor);
        if (settled(factor, value))
            break;
    }
    return x * (value.v * of + value.d);
}

/* F = x (1 - x)/a f value; the derivative is that in a, or in b. */
static dual beta_fraction(double a, double b, double x, int by_b)
{
    const double da = !by_b, db = by_b;
    dual c = {1, 0}, d = {1 - (a + b) * x / (a + 1), 0};
    d.d = -x * ((da + db) - (a + b) / (a + 1) * da) / (a + 1);
    if (d.v == 0)
        d.v = DBL_MIN;
    d = over((dual){1, 0}, d);
    dual value = d;
    for (int k = 1; k < MOST_TERMS; ++k) {
        const dual one = {1, 0};
        const dual n = {a + 2 * k, da}, before = {n.v - 1, da}, after = {n.v + 1, da};
        dual part = over(times((dual){k * (b - k) * x, k * db * x}, one), times(before, n));
        const dual first = lentz(part, one, &c, &d);
        part = over(times((dual){-(a + k) * x, -da * x}, (dual){a + b + k, da + db}), times(n, after));
        const dual second = lentz(part, one, &c, &d), factor = times(first, second);
        value = times(value, factor);
        if (settled(factor, value))
            break;
    }
    return value;
}

/* y: 1 - x; of: log(x) - psi(a) + psi(a + b) */
static double beta_slope(double a, double b, double x, double y, double of)
{
    if (x == 0 || y == 0)
        return 0;
    if (!(a > 0 && b > 0 && x > 0 && y > 0 && isfinite(a) && isfinite(b)))
        return NAN;
    if (x <= (a + 1) / (a + b + 2)) {
        const dual f = beta_fraction(a, b, x, 0);
        return -x * y / a * (f.v * (of - 1 / a) + f.d);
    }
    const dual f = beta_fraction(b, a, y, 1);
    return x * y / b * (f.v * of + f.d);
}

int gradc_GAMMA_SLOPE(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame;
    (void)number;
    const double *const a = in[0], *const x = in[1], *const of = in[2];
    for (int64_t i = 0; i < numbers[0]; ++i)
        ((double *)out[0])[i] = gamma_slope(a[i], x[i], of[i]);
    return 0;
}

int gradc_BETA_SLOPE(gradc_frame *frame, int number, const void *const *in, const int64_t *numbers, void *const *out)
{
    (void)frame;
    (void)number;
    const double *const a = in[0], *const b = in[1], *const x = in[2], *const y = in[3], *const of = in[4];
    for (int64_t i = 0; i < numbers[0]; ++i)
        ((double *)out[0])[i] = beta_slope(a[i], b[i], x[i], y[i], of[i]);
    return 0;
}
