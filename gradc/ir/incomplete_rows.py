"""Rows of the incomplete gamma and beta functions and of entropies, see `scalars.py`."""

from __future__ import annotations

from gradc.ir import special_beta, special_entropy, special_incomplete
from gradc.ir.scalars import Value, keep
from gradc.ir.special_rows import special_row

_SECOND = "{0} has no third derivative by its parameters"
_POLE = "{0} has no derivative by its order, an integer"


def _times(o: Value, g: Value, *factors: Value) -> Value:
    for factor in factors:
        g = o.mul(g, factor)
    return g


def _log_slope(o: Value, a: Value, x: Value) -> Value:
    """log(x) - psi(a), by which the density of the gamma distribution changes with a."""
    return o.sub(o.log(x), o.psi(a))


def _beta_log_slope(o: Value, a: Value, b: Value, x: Value, da: Value) -> Value:
    """The same of the beta distribution, by a (da = 1) or b (0)."""
    one = o.const(1, x)
    both = o.sub(o.psi(o.add(a, b)), o.switch(o.eq(da, one), o.psi(a), o.psi(b)))
    return o.add(o.switch(o.eq(da, one), o.log(x), o.log1p(o.neg(x))), both)


# --- the gamma distribution

special_row(special_incomplete.gammainc, ulp=60, domain="positive",
            d=(lambda o, g, out, a, x: o.mul(g, o.gammainc_slope(a, x)),
               lambda o, g, out, a, x: o.mul(g, o.gamma_density(a, x))))
special_row(special_incomplete.gammaincc, ulp=60, domain="positive",
            d=(lambda o, g, out, a, x: o.neg(o.mul(g, o.gammainc_slope(a, x))),
               lambda o, g, out, a, x: o.neg(o.mul(g, o.gamma_density(a, x)))))
special_row(special_incomplete.gamma_density, ulp=60, domain="positive",
            d=(lambda o, g, out, a, x: _times(o, g, out, _log_slope(o, a, x)),
               lambda o, g, out, a, x: _times(o, g, out, o.sub(o.true_divide(o.sub(a, o.const(1, g)), x),
                                                               o.const(1, g)))))
special_row(special_incomplete.gammainc_slope, ulp=100, domain="positive",
            d=(lambda o, g, out, a, x: o.mul(g, o.gammainc_curvature(a, x)),
               lambda o, g, out, a, x: _times(o, g, o.gamma_density(a, x), _log_slope(o, a, x))))
special_row(special_incomplete.gammainc_curvature, ulp=1e5, domain="positive",
            d=(_SECOND.format("gammainc"),
               lambda o, g, out, a, x: _times(o, g, o.gamma_density(a, x),
                                              o.sub(o.square(_log_slope(o, a, x)), o.tri_gamma(a)))))
special_row(special_incomplete.gammaincinv, ulp=200, domain="zero_to_one",
            d=(lambda o, g, out, a, p: o.neg(o.true_divide(o.mul(g, o.gammainc_slope(a, out)),
                                                           o.gamma_density(a, out))),
               lambda o, g, out, a, p: o.true_divide(g, o.gamma_density(a, out))))
special_row(special_incomplete.gammainccinv, ulp=200, domain="zero_to_one",
            d=(lambda o, g, out, a, p: o.neg(o.true_divide(o.mul(g, o.gammainc_slope(a, out)),
                                                           o.gamma_density(a, out))),
               lambda o, g, out, a, p: o.neg(o.true_divide(g, o.gamma_density(a, out)))))

# --- the beta function and distribution

special_row(special_beta.betaln, ulp=20, domain="positive",
            d=(lambda o, g, out, a, b: o.mul(g, o.sub(o.psi(a), o.psi(o.add(a, b)))),
               lambda o, g, out, a, b: o.mul(g, o.sub(o.psi(b), o.psi(o.add(a, b))))))
special_row(special_beta.beta, ulp=40, domain="positive",
            d=(lambda o, g, out, a, b: _times(o, g, out, o.sub(o.psi(a), o.psi(o.add(a, b)))),
               lambda o, g, out, a, b: _times(o, g, out, o.sub(o.psi(b), o.psi(o.add(a, b))))))
special_row(special_beta.betainc, ulp=100, domain="zero_to_one",
            d=(lambda o, g, out, a, b, x: o.mul(g, o.betainc_slope(a, b, x, o.const(1, x))),
               lambda o, g, out, a, b, x: o.mul(g, o.betainc_slope(a, b, x, o.const(0, x))),
               lambda o, g, out, a, b, x: o.mul(g, o.beta_density(a, b, x))))
special_row(special_beta.beta_density, ulp=100, domain="zero_to_one",
            d=(lambda o, g, out, a, b, x: _times(o, g, out, _beta_log_slope(o, a, b, x, o.const(1, x))),
               lambda o, g, out, a, b, x: _times(o, g, out, _beta_log_slope(o, a, b, x, o.const(0, x))),
               lambda o, g, out, a, b, x: _times(o, g, out, o.sub(
                   o.true_divide(o.sub(a, o.const(1, g)), x),
                   o.true_divide(o.sub(b, o.const(1, g)), o.sub(o.const(1, g), x))))))
special_row(special_beta.betainc_slope, ulp=200, domain="zero_to_one",
            d=(lambda o, g, out, a, b, x, da: o.mul(g, o.betainc_curvature(a, b, x, da, o.const(1, x))),
               lambda o, g, out, a, b, x, da: o.mul(g, o.betainc_curvature(a, b, x, da, o.const(0, x))),
               lambda o, g, out, a, b, x, da: _times(o, g, o.beta_density(a, b, x), _beta_log_slope(o, a, b, x, da)),
               _POLE.format("betainc_slope")))
special_row(special_beta.betainc_curvature, ulp=4e5, domain="zero_to_one", d=tuple([_SECOND.format("betainc")] * 5))
special_row(special_beta.betaincinv, ulp=400, domain="zero_to_one",
            d=(lambda o, g, out, a, b, p: o.neg(o.true_divide(
                o.mul(g, o.betainc_slope(a, b, out, o.const(1, p))), o.beta_density(a, b, out))),
               lambda o, g, out, a, b, p: o.neg(o.true_divide(
                   o.mul(g, o.betainc_slope(a, b, out, o.const(0, p))), o.beta_density(a, b, out))),
               lambda o, g, out, a, b, p: o.true_divide(g, o.beta_density(a, b, out))))

# --- entropies, logit and sinc

special_row(special_entropy.xlogy, ulp=6, domain="positive",
            d=(lambda o, g, out, x, y: o.mul(g, o.log(y)),
               lambda o, g, out, x, y: keep(o, o.or_(o.neq(x, o.const(0, x)), o.neq(y, o.const(0, y))),
                                            o.true_divide(o.mul(g, x), y))))
special_row(special_entropy.xlog1py, ulp=6, domain="positive",
            d=(lambda o, g, out, x, y: o.mul(g, o.log1p(y)),
               lambda o, g, out, x, y: keep(o, o.or_(o.neq(x, o.const(0, x)), o.neq(y, o.const(-1, y))),
                                            o.true_divide(o.mul(g, x), o.add(o.const(1, g), y)))))
special_row(special_entropy.entr, ulp=6, domain="positive",
            d=(lambda o, g, out, x: o.neg(o.mul(g, o.log_plus_one(x))),))
special_row(special_entropy.exp_difference, ulp=6,
            d=(lambda o, g, out, x, y, d: o.mul(g, o.exp(x)), lambda o, g, out, x, y, d: o.neg(o.mul(g, o.exp(y))),
               None))
special_row(special_entropy.log_ratio, ulp=6, domain="positive",
            d=(lambda o, g, out, x, y: o.true_divide(g, x), lambda o, g, out, x, y: o.neg(o.true_divide(g, y))))
special_row(special_entropy.rel_entr, ulp=6, domain="positive",
            d=(lambda o, g, out, x, y: o.mul(g, o.log_plus_one(o.true_divide(x, y))),
               lambda o, g, out, x, y: o.neg(o.mul(g, o.true_divide(x, y)))))
special_row(special_entropy.kl_div, ulp=60, domain="positive",
            d=(lambda o, g, out, x, y: o.mul(g, o.log_ratio(x, y)),
               lambda o, g, out, x, y: o.mul(g, o.true_divide(o.sub(y, x), y))))
special_row(special_entropy.logit, ulp=8, domain="zero_to_one",
            d=(lambda o, g, out, x: o.true_divide(g, o.times_complement(x)),))
special_row(special_entropy.sinc, ulp=6,
            d=(lambda o, g, out, x: o.mul(g, o.sinc_derivative(o.const(1, x), x)),))
special_row(special_entropy.sinc_derivative, ulp=60,
            d=(_POLE.format("sinc_derivative"),
               lambda o, g, out, n, x: o.mul(g, o.sinc_derivative(o.add(n, o.const(1, n)), x))))
