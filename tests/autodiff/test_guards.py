"""Derivatives behind guards, at points where a factor, a base or an argument is 0, 1, negative or equal to another.

First and second derivatives of some 80 functions, in reverse, forward over reverse and reverse over reverse, against
differences with 120 digits of the same function on mpmath numbers.  A guard is taken there as it is at the point: the
derivative is that of the branch taken, and what the other branch is there must not matter.
"""

import mpmath
import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import GradcError
from gradc.gradient import Rop, grad, hessian
from gradc.ir import ops
from gradc.ir.convert import to_program
from gradc.ir.interp import evaluate
from tests import cases
from tests.seeds import sampled


def value(inputs, outputs, *values):
    """Outputs in the interpreter."""
    with np.errstate(all="ignore"):
        return evaluate(to_program(inputs, outputs), [np.asarray(v) for v in values])


class Symbols:
    """Functions of gradc."""

    def __getattr__(self, name):
        return getattr(at, name)


class Numbers:
    """The same functions on arrays of mpmath numbers; conditions are those of the first evaluation."""

    def __init__(self):
        self.conditions, self.position = [], 0

    def __getattr__(self, name):
        def one(*args):
            try:
                return getattr(mpmath, name)(*args)
            except (ValueError, ZeroDivisionError):
                return mpmath.nan
        return np.frompyfunc(one, 2 if name == "power" else 1, 1)

    def switch(self, c, a, b):
        if self.position == len(self.conditions):
            self.conditions.append(np.asarray(c, bool))
        self.position += 1
        return np.where(self.conditions[self.position - 1], a, b)

    def maximum(self, a, b):
        return self.switch(a >= b, a, b)

    def minimum(self, a, b):
        return self.switch(a <= b, a, b)

    def clip(self, x, lo, hi):
        return self.minimum(self.maximum(x, lo), hi)

    @staticmethod
    def sqr(x):
        return x * x

    @staticmethod
    def prod(x, axis=None):
        return np.prod(x, axis=axis)

    @staticmethod
    def cumprod(x, axis=0):
        return np.cumprod(x, axis=axis)

    cumsum, sum, dot, outer, stack, concatenate = (
        staticmethod(f) for f in (np.cumsum, np.sum, np.dot, np.outer, np.stack, np.concatenate))

    def reciprocal(self, x):
        return self.true_divide(1, x)

    @staticmethod
    def true_divide(x, y):
        return np.frompyfunc(lambda a, b: a / b if b else mpmath.nan, 2, 1)(x, y)

    @staticmethod
    def power(x, y):
        return np.frompyfunc(_power, 2, 1)(x, y)

    @staticmethod
    def xlogx(x):
        return np.frompyfunc(lambda a: a * mpmath.log(a) if a else a, 1, 1)(x)

    @staticmethod
    def xlogy0(x, y):
        return np.frompyfunc(lambda a, b: a * mpmath.log(b) if a else a, 2, 1)(x, y)


def _power(x, y):
    try:
        return mpmath.mpmathify(x) ** y
    except ZeroDivisionError:
        return mpmath.nan


def pair(o, x):
    return o.stack([x, x[::-1] + 1])


# Functions of a vector of four; the cost is the weighted sum.  Smooth at every point of POINTS.
SMOOTH = {
    "prod": lambda o, x: o.prod(x),
    "prod of squares": lambda o, x: o.prod(x * x),
    "prod of a part": lambda o, x: o.prod(x[:3]) * x,
    "prod of prods": lambda o, x: o.prod(x[:2]) * o.prod(x[2:]),
    "square of prod": lambda o, x: o.prod(x) ** 2,
    "exp of prod": lambda o, x: o.exp(o.prod(x)),
    "prod of sines": lambda o, x: o.prod(o.sin(x)),
    "prod of one": lambda o, x: o.prod(x[:1]) * x[1],
    "prod of rows": lambda o, x: o.prod(pair(o, x), axis=1),
    "prod of columns": lambda o, x: o.prod(pair(o, x), axis=0),
    "prod of a matrix": lambda o, x: o.prod(pair(o, x)),
    "prod of an outer product": lambda o, x: o.prod(o.outer(x, x[:2]), axis=1),
    "prod of 1 - x": lambda o, x: o.prod(1 - x),
    "prod over x + 3": lambda o, x: o.prod(x) / (x + 3),
    "cumprod": lambda o, x: o.cumprod(x),
    "cumprod of squares": lambda o, x: o.cumprod(x * x),
    "square of cumprod": lambda o, x: o.cumprod(x) ** 2,
    "cumprod of rows": lambda o, x: o.cumprod(pair(o, x), axis=1),
    "cumprod of columns": lambda o, x: o.cumprod(pair(o, x), axis=0),
    "cumprod of cumsum": lambda o, x: o.cumprod(o.cumsum(x)),
    "cumsum of cumprod": lambda o, x: o.cumsum(o.cumprod(x)),
    "cumprod twice": lambda o, x: o.cumprod(o.cumprod(x)),
    "cumprod of 1 - x": lambda o, x: o.cumprod(1 - x),
    "cumprod times prod": lambda o, x: o.cumprod(x) * o.prod(x),
    "x ** 2": lambda o, x: x ** 2,
    "x ** 3": lambda o, x: x ** 3,
    "x ** 1": lambda o, x: x ** 1,
    "x ** 0": lambda o, x: x ** 0 + x,
    "powers by a constant vector": lambda o, x: o.power(x, np.array([0.0, 1.0, 2.0, 3.0])),
    "x[0] ** y": lambda o, x: o.power(x[0] * x[0] + 1, x),
    "(x * x) ** (y + 3)": lambda o, x: o.power(x * x, x * x + 3),
    "2 ** x": lambda o, x: o.power(2.0, x),
    "(x + 3) ** y": lambda o, x: o.power(x + 3, x[::-1]),
    "x * y": lambda o, x: x * x[::-1],
    "x / (x + 3)": lambda o, x: o.true_divide(x, x + 3),
    "x * x / exp(x)": lambda o, x: o.true_divide(x * x, o.exp(x)),
    "sqrt(x * x + 1)": lambda o, x: o.sqrt(x * x + 1),
    "dot(x, x) * x": lambda o, x: o.dot(x, x) * x,
    "xlogy0": lambda o, x: o.xlogy0(x, x * x + 1),
    "xlogy0 of another": lambda o, x: o.xlogy0(x, x[::-1] + 3),
    "xlogx(x + 3)": lambda o, x: o.xlogx(x + 3),
    "sin(x) * cumprod": lambda o, x: o.sin(x) * o.cumprod(x),
}

# Functions with a guard: `x > 0` is false at 0 and below, and there a branch that is not taken is nan or infinite.
GUARDED = {
    "sqrt": lambda o, x: o.switch(x > 0, o.sqrt(x), 0.0),
    "log": lambda o, x: o.switch(x > 0, o.log(x), 0.0),
    "other way": lambda o, x: o.switch(x <= 0, 0.0, o.log(x)),
    "1 / x": lambda o, x: o.switch(x > 0, o.true_divide(1.0, x), 1.0),
    "reciprocal": lambda o, x: o.switch(x > 0, o.reciprocal(x), x),
    "x log x": lambda o, x: o.switch(x > 0, x * o.log(x), 0.0),
    "sqrt of log": lambda o, x: o.switch(x > 1, o.sqrt(o.log(x)), x),
    "log of sqrt": lambda o, x: o.switch(x > 0, o.log(o.sqrt(x)), x * x),
    "x ** 1.5": lambda o, x: o.switch(x > 0, o.power(x, 1.5), 0.0),
    "x ** -2": lambda o, x: o.switch(x > 0, o.power(x, -2.0), x),
    "x ** x": lambda o, x: o.switch(x > 0, o.power(x, x), 1.0),
    "x ** y": lambda o, x: o.switch(x > 0, o.power(x, x[::-1]), x),
    "quotient of quotients": lambda o, x: o.switch(x > 0, o.true_divide(o.sqrt(x), o.true_divide(x[::-1] + 3, x)), 0.0),
    "sin(x) / x": lambda o, x: o.switch(x > 0, o.true_divide(o.sin(x), x), 1.0),
    "product of singular ones": lambda o, x: o.switch(x > 0, o.log(x) * o.sqrt(x) * x[::-1], x),
    "exp that overflows": lambda o, x: o.switch(x < 4, x, o.exp(x * 1e3)),
    "difference": lambda o, x: o.switch(x > 0, o.log(x) - o.sqrt(x), -x),
    "arcsin": lambda o, x: o.switch(x * x < 1, o.asin(x) if isinstance(o, Numbers) else o.arcsin(x), x),
    "outer of a branch": lambda o, x: o.exp(o.switch(x > 0, o.sqrt(x), x)),
    "guard in a guard": lambda o, x: o.switch(x > 0, o.switch(x > 1, o.log(x - 1), o.sqrt(x)), x * x),
    "three branches": lambda o, x: o.switch(x < 0, x * x, o.switch(x < 0.5, 0.0, o.sqrt(x - 0.5) * o.log(x))),
    "shared by two guards": lambda o, x: (lambda r: o.switch(x > 0, r, 0.0) + o.switch(x > 1, r * x, x))(o.sqrt(x)),
    "shared and not taken": lambda o, x: (lambda r: o.switch(x < 6, x, r) + o.switch(x < 7, x * x, r * x))(
        o.sqrt(x - 5)),
    "argument of sqrt": lambda o, x: o.sqrt(o.switch(x > 0, x, 0.0)),
    "safe argument too": lambda o, x: o.switch(x > 0, o.sqrt(o.switch(x > 0, x, 1.0)), 0.0),
    "maximum": lambda o, x: o.maximum(x, -2.5) * o.switch(x > 0, o.log(x), x),
    "maximum of sqrt": lambda o, x: o.maximum(o.sqrt(x * x), 0.5),
    "maximum below sqrt": lambda o, x: o.sqrt(o.maximum(x - 0.25, 0.0)),
    "clip": lambda o, x: o.clip(o.sqrt(x * x), 0.5, 1.5),
    "sum of a branch": lambda o, x: o.switch(x > 0, o.sum(o.sqrt(o.outer(x, x + 4)), axis=1), 0.0),
    "prod of a branch": lambda o, x: o.switch(x > 0, o.prod(o.sqrt(o.outer(x, x + 4)), axis=1), 0.0),
    "prod of guarded": lambda o, x: o.prod(o.switch(x > 0, o.sqrt(x), x)),
    "cumsum of guarded": lambda o, x: o.cumsum(o.switch(x > 0, o.sqrt(x), x)),
    "cumsum of a branch": lambda o, x: o.switch(x > 5, o.cumsum(o.sqrt(x)), x),
    "cumprod of guarded": lambda o, x: o.cumprod(o.switch(x > 0, o.log(x), x)),
    "scalar of a branch": lambda o, x: o.switch(x > 5, o.sqrt(x[0] * 0) * x, x),
    "dot of a branch": lambda o, x: o.switch(o.sum(x) > 100, o.dot(o.sqrt(x), x), x[0]),
    "dot of columns": lambda o, x: o.switch(x > 5, o.dot(o.outer(x, x), o.sqrt(x)), x),
    "reversed": lambda o, x: o.switch(x[::-1] > 0, o.sqrt(x)[::-1], x),
    "joined": lambda o, x: o.switch(o.concatenate([x, x]) > 0, o.concatenate([o.sqrt(x), o.log(x)]), 1.0),
    "a part": lambda o, x: o.switch(x[1:] > 0, o.log(x[1:]), x[:3]),
    "transposed": lambda o, x: o.switch(o.outer(x, x).T > 0, o.sqrt(o.outer(x, x)).T, 0.0),
    "gammaln": lambda o, x: o.switch(x > 0, o.loggamma(x) if isinstance(o, Numbers) else o.gammaln(x), x),
}
POINTS = [[0.0, 2.0, 3.0, 1.0], [2.0, 0.0, -1.0, 0.0], [1.0, 1.0, -2.0, -2.0]]


def reference(function, point):
    """Gradient and Hessian by differences with 120 digits."""
    with mpmath.workdps(120):
        numbers, h = Numbers(), mpmath.mpf(10) ** -30
        base = np.array([mpmath.mpf(p) for p in point], object)
        steps = [np.array([h if j == k else mpmath.mpf(0) for j in range(4)], object) for k in range(4)]

        def cost(x):
            numbers.position = 0
            y = np.ravel(function(numbers, x))
            return mpmath.re(sum((k + 1) * v for k, v in enumerate(y)))

        cost(base)
        gradient = [(cost(base + s) - cost(base - s)) / (2 * h) for s in steps]
        second = np.zeros((4, 4))
        for i, s in enumerate(steps):
            for j, t in enumerate(steps[:i + 1]):
                second[i, j] = second[j, i] = (cost(base + s + t) - cost(base + s - t) - cost(base - s + t)
                                               + cost(base - s - t)) / (4 * h * h)
    return np.array(gradient, float), second


def derivatives(function):
    """x, v, and gradient, Hessian, Rop of the gradient, gradient of the gradient times v."""
    x, v = at.TensorType("float64", (4,))("x"), at.TensorType("float64", (4,))("v")
    y = at.as_tensor_variable(function(Symbols(), x)).flatten()
    cost = (y * (at.arange(y.shape[0]) + 1)).sum()
    g = grad(cost, x)
    return [x, v], [g, hessian(cost, x), Rop(g, x, v, disconnected_outputs="ignore"),
                    grad((g * v).sum(), x, disconnected_inputs="ignore")]


CASES = {**SMOOTH, **GUARDED}
V = np.array([0.5, -1.0, 2.0, 0.75])


@pytest.mark.parametrize("name", CASES)
def test_second_derivatives(name):
    inputs, outputs = derivatives(CASES[name])
    for point in POINTS:
        g, H, forward, backward = value(inputs, outputs, point, V)
        first, second = reference(CASES[name], point)
        tolerance = 1e-12 * (1 + np.abs(second).max())
        np.testing.assert_allclose(g, first, rtol=1e-12, atol=tolerance, err_msg=f"gradient at {point}")
        np.testing.assert_allclose(H, second, rtol=1e-12, atol=tolerance, err_msg=f"Hessian at {point}")
        np.testing.assert_allclose(forward, second @ V, rtol=1e-12, atol=5 * tolerance, err_msg=f"Rop at {point}")
        np.testing.assert_allclose(backward, second @ V, rtol=1e-12, atol=5 * tolerance, err_msg=f"twice at {point}")


COMPILED = ["prod", "cumprod of rows", "x[0] ** y", "xlogy0", "log of sqrt", "guard in a guard", "sum of a branch",
            "argument of sqrt", "dot of a branch"]


def test_the_compiled_function_does_the_same():
    x, v = at.dvector("x"), at.dvector("v")
    outputs = []
    for name in COMPILED:
        y = at.as_tensor_variable(CASES[name](Symbols(), x)).flatten()
        g = grad((y * (at.arange(y.shape[0]) + 1)).sum(), x)
        outputs += [g, grad((g * v).sum(), x, disconnected_inputs="ignore")]
    f = gradc.function([x, v], outputs)
    for point in POINTS:
        for got, want, k in zip(f(point, V), value([x, v], outputs, point, V), range(len(outputs))):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12, err_msg=f"{COMPILED[k // 2]} at {point}")


def three(cost, x, point):
    """Gradient, Rop along ones, gradient of the sum of the gradient."""
    g = grad(cost, x)
    ones = at.ones_like(x)
    outputs = [g, Rop(cost, x, ones), grad(g.sum(), x, disconnected_inputs="ignore"),
               Rop(g, x, ones, disconnected_outputs="ignore")]
    return value([x], outputs, point)


LOOPS = {       # the sum of the roots of what is positive
    "guard in the step": lambda x: gradc.scan(lambda a: at.switch(a > 0, at.sqrt(a), 0.0), sequences=x)[0].sum(),
    "guard around a map": lambda x: at.switch(x > 0, gradc.scan(at.sqrt, sequences=x)[0], 0.0).sum(),
    "guard around the last value": lambda x: at.switch(
        x > 0, gradc.scan(lambda h, a: h * at.sqrt(a), outputs_info=at.ones_like(x), non_sequences=x, n_steps=1)[0][-1],
        0.0).sum(),
    "singular before the loop": lambda x: at.switch(
        x > 0, gradc.scan(lambda a: 1 * a, sequences=at.sqrt(x))[0], 0.0).sum(),
    "guard in the step, singular before": lambda x: gradc.scan(
        lambda a, b: at.switch(b > 0, a, 0.0), sequences=[at.sqrt(x), x])[0].sum(),
    "singular state": lambda x: at.switch(
        x > 0, gradc.scan(at.sqrt, outputs_info=x, n_steps=2)[0][0], 0.0).sum(),
    "loop of a guarded value": lambda x: gradc.scan(at.sqrt, sequences=at.switch(x > 0, x, 0.0))[0].sum(),
    "branch": lambda x: at.switch(x > 0, gradc.ifelse(x.sum() > 0, at.sqrt(x), x), 0.0).sum(),
    "numpy's where": lambda x: np.where(x > 0, np.sqrt(x), 0.0).sum(),
}


@pytest.mark.parametrize("name", LOOPS)
def test_guards_in_and_around_loops_and_branches(name):
    x = at.dvector("x")
    g, forward, second, other = three(LOOPS[name](x), x, [0.0, 1.0, 4.0])
    np.testing.assert_allclose(g, [0, 0.5, 0.25], rtol=1e-14)
    assert forward == pytest.approx(0.75)
    np.testing.assert_allclose(second, [0, -0.25, -1 / 32], rtol=1e-14)
    np.testing.assert_allclose(other, [0, -0.25, -1 / 32], rtol=1e-14)


def test_guard_of_a_whole_loop():
    x = at.dvector("x")
    roots = gradc.scan(lambda a, total: total + at.sqrt(a), sequences=x, outputs_info=at.zeros(()))[0][-1]
    for got, want in zip(three(at.switch(x.sum() > 100, roots, x.sum()), x, [0.0, 1.0]), ([1, 1], 2, [0, 0], [0, 0])):
        np.testing.assert_array_equal(got, want)


def test_a_parameter_of_no_branch_that_is_taken():
    s, x = at.dscalar("s"), at.dvector("x")
    g = grad(at.switch(x > 0, at.sqrt(s) * x, 0.0).sum(), s)
    assert value([s, x], [g], 0.0, [0.0, -1.0])[0] == 0
    assert value([s, x], [g], 0.0, [0.0, 1.0])[0] == np.inf      # it is taken, and the slope is infinite


@pytest.mark.parametrize("weights", [None, np.ones(3), np.ones((2, 3))])
@pytest.mark.parametrize("guard", [lambda x, a: at.switch(x <= 0, 0.0, a), lambda x, a: at.switch(x > 0, a, 0.0),
                                   lambda x, a: at.switch((x <= 0) | (x > 9), 0.0, a)])
def test_a_guard_beside_what_knows_more_of_its_sizes(guard, weights):
    """The cotangent had shape (3,), x has shape (?,): that was taken for a broadcast undone, which guards less."""
    x = at.dvector("x")
    y = guard(x, x * at.log(x))
    g = grad((y if weights is None else y * weights).sum(), x)
    times = 1 if weights is None or weights.ndim == 1 else 2
    first, second = value([x], [g, grad(g.sum(), x)], [0.0, -1.0, 4.0])
    np.testing.assert_allclose(first, [0, 0, times * (1 + np.log(4))], rtol=1e-14)
    np.testing.assert_allclose(second, [0, 0, times / 4], rtol=1e-14)


def test_products_with_what_has_poles_under_no_branch_that_is_taken():
    s, x, z = at.dscalar("s"), at.dvector("x"), at.dmatrix("z")
    for branch in (s * at.log(s), -s * (1 - at.log(s))):
        assert value([s, x], [grad(at.switch(x > 0, branch, 0.0).sum(), s)], 0.0, [0.0, -1.0])[0] == 0
    cost = at.switch(z.sum(axis=1) > 0, at.dot(at.log(z), at.sqrt(z[0])), 0.0).sum()
    got, = value([z], [grad(cost, z)], [[1.0, 2.0], [0.0, 0.0]])
    np.testing.assert_allclose(got, [[1, (1 + np.log(2) / 2) / np.sqrt(2)], [0, 0]], rtol=1e-14)


def test_masked_factors_of_a_product_with_poles():
    """What docs/derivatives.md says: rows that the mask leaves out as a whole have no part in derivatives."""
    x, y, m = at.dmatrix("x"), at.dmatrix("y"), at.matrix("m", dtype="bool")
    a, b = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.0, 4.0], [0.0, 0.0]])
    part, whole = np.array([[1, 1], [1, 0]], dtype=bool), np.array([[1, 0], [1, 0]], dtype=bool)
    z = at.dot(at.switch(m, x, 0), at.sqrt(y))
    outputs = [*grad(z.sum(), [x, y]), Rop(z, [x, y], [at.ones_like(x), at.ones_like(y)])]
    for got, want in zip(value([x, y, m], outputs, a, b, whole),
                         ([[3, 0], [3, 0]], [[2, 1], [0, 0]], [[1.5, 2.25], [2.5, 2.75]])):
        np.testing.assert_allclose(got, want, rtol=1e-14)
    _, by_y, along = value([x, y, m], outputs, a, b, part)
    np.testing.assert_array_equal(by_y, [[2, 1], [np.inf, np.inf]])
    np.testing.assert_array_equal(along, [[np.inf, np.inf], [np.nan, np.nan]])
    elementwise = at.switch(m, x, 0) * at.sqrt(y)
    np.testing.assert_array_equal(value([x, y, m], [grad(elementwise.sum(), y)], a, b, whole)[0],
                                  [[0.5, 0], [np.inf, np.nan]])
    poles = [[1.0, 0.0], [2.0, 0.0]]
    for mask, want in ((m[0], [[1, 0.5], [1, 0.5]]), (m, [[np.nan, np.nan], [np.nan, np.nan]])):
        cost = at.switch(mask, at.dot(x, 1 / y), 0).sum()
        np.testing.assert_array_equal(value([x, y, m], [grad(cost, x)], a, poles, whole)[0], want)


def test_missing_data():
    x, mu = at.dvector("x"), at.dscalar("mu")
    cost = at.switch(at.isnan(x), 0.0, at.exp(x * mu) / mu).sum()
    g = grad(cost, mu)
    h = grad(g, mu)
    data, m = np.array([1.0, np.nan, 2.0]), 0.5
    kept = data[[0, 2]]
    want = (np.exp(kept * m) * (kept / m - 1 / m**2)).sum()
    second = (np.exp(kept * m) * (kept**2 / m - 2 * kept / m**2 + 2 / m**3)).sum()
    np.testing.assert_allclose(value([x, mu], [g, h], data, m), [want, second], rtol=1e-14)


def test_nan_of_the_branch_that_is_taken_stays():
    x = at.dvector("x")
    g = grad(at.switch(x >= 0, at.sqrt(x) ** 2, 0.0).sum(), x)      # 0 * inf, of a branch that counts
    np.testing.assert_array_equal(value([x], [g], [0.0, 4.0])[0], [np.nan, 1.0])


def test_where_the_mixed_derivative_of_a_power_does_not_exist():
    v = at.dvector("v")
    c = v[0] ** v[1]
    assert value([v], [grad(c, v)], [0.0, 1.0])[0].tolist() == [1, 0]       # by v[1] it would tend to -inf
    assert value([v], [grad(c, v)], [0.0, 0.0])[0].tolist() == [0, 0]       # 0**0 is 1, beside it is 0


def test_a_constant_base_has_the_logarithm_of_the_result_dtype():
    x = at.dvector("x")     # 2.0 is a float32 constant, exactly, but log(2) is not to be one
    assert value([x], [grad((2.0 ** x).sum(), x)], [0.0])[0][0] == pytest.approx(np.log(2), rel=1e-15)


def test_programs_without_guards_have_none():
    x = at.dvector("x")
    g = grad((at.log(at.exp(x) * at.sqrt(x)) / x.sum()).sum(), x)
    assert all(eqn.op != ops.Map("switch") for eqn in to_program([x], [g]).eqns)


def differentiable_cases():
    return [case for case in cases.CASES if any(case.args[k].dtype == "float64" for k in case.differentiable())]


@pytest.mark.parametrize("case", sampled(differentiable_cases(), 60), ids=lambda case: case.id)
def test_every_function_in_a_branch_that_is_not_taken(case):
    """All derivatives are 0, of first and second order, reverse and forward, whatever the arguments are."""
    inputs, flag = case.variables(), at.scalar("flag", dtype="bool")
    outputs = [y for y in case.outputs(inputs) if getattr(y, "dtype", "") == "float64"]
    cost = sum((at.switch(flag, y, 0.0).sum() for y in outputs), at.constant(0.0))
    numbers = [k for k in case.differentiable() if case.args[k].dtype == "float64"]
    wrt = [inputs[k] for k in numbers]
    ones = [at.ones_like(x) for x in wrt]
    g = grad(cost, wrt, disconnected_inputs="ignore")
    zeros = [*g, Rop(cost, wrt, ones, disconnected_outputs="ignore"),
             *grad(sum((v.sum() for v in g), at.constant(0.0)), wrt, disconnected_inputs="ignore"),
             *[Rop(v, wrt, ones, disconnected_outputs="ignore") for v in g]]
    for number in (np.nan, np.inf, 0.0, -1.0):
        values = [np.full_like(v, number) if k in numbers else v for k, v in enumerate(case.sample())]
        try:
            found = value([flag, *inputs], zeros, False, *values)
        except GradcError:              # no value, so no derivative: a singular matrix, a quantile of -1
            continue
        assert all((v == 0).all() for v in found), number


def test_guards_around_functions_of_whole_arrays():
    """Where nan came from: a condition for all that other conditions or axes hid, and the slope of abs at nan."""
    flag, x = at.scalar("flag", dtype="bool"), at.dmatrix("x")
    made = []
    for build in (lambda x: at.linalg.cond(x, 1), lambda x: at.linalg.inv(at.tril(x)), at.corrcoef,
                  lambda x: abs(x).sum(axis=0, keepdims=True).max(axis=1),
                  lambda x: (abs(x) ** 3).sum(axis=1) ** (1 / 3)):
        g = grad(at.switch(flag, build(x), 0.0).sum(), x)
        made += [g, grad(g.sum(), x, disconnected_inputs="ignore")]
    f = gradc.function([flag, x], made)
    for found in (f(False, np.full((3, 3), np.nan)), value([flag, x], made, False, np.full((3, 3), np.nan))):
        assert all((v == 0).all() for v in found)
