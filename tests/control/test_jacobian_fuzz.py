"""Random functions of a vector: matrices of derivatives and products with them, against complex step.

A recipe is a list of steps that is run twice, by gradc's functions and by NumPy's on complex numbers.  Lengths of
vectors are numbers while it is made, so that only fitting ones meet; for gradc they are known when compiled, or not.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.compile.ingest import ingest
from gradc.gradient import Lop, Rop, grad, hessian, hessian_vector_product, jacobian
from gradc.ir.interp import evaluate
from gradc.passes.phases import optimize
from gradc.sparse import SparseVariable
from tests.control.test_jacobian import numeric
from tests.control.test_sparse_jacobian import dense
from tests.loops.kernels import compare
from tests.seeds import seeds

LENGTHS = (1, 2, 3, 4, 6, 7)
STEP = 1e-4


class Symbolic:
    """What steps call, by gradc."""

    def __getattr__(self, name: str) -> Any:
        return getattr(at, name)

    where = staticmethod(at.switch)
    greater = staticmethod(at.gt)
    put = staticmethod(lambda x, items, part: at.set_subtensor(x[items], part))
    add_to = staticmethod(lambda x, items, part: at.inc_subtensor(x[items], part))

    @staticmethod
    def states(start: Any, xs: Any) -> Any:
        return gradc.scan(lambda x, h: at.tanh(h * 0.5 + x), sequences=xs, outputs_info=start)[0]

    @staticmethod
    def either(condition: Any, a: Any, b: Any) -> Any:
        return gradc.ifelse.ifelse(condition, a, b)


class Numeric:
    """The same on complex arrays."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    greater = staticmethod(lambda a, b: np.real(a) > np.real(b))

    @staticmethod
    def put(x: Any, items: Any, part: Any) -> Any:
        made = np.array(x)
        made[items] = part
        return made

    @staticmethod
    def add_to(x: Any, items: Any, part: Any) -> Any:
        made = np.array(x)
        made[items] += part
        return made

    @staticmethod
    def states(start: Any, xs: Any) -> Any:
        made = []
        for x in xs:
            start = np.tanh(start * 0.5 + x)
            made.append(start)
        return np.stack(made)

    @staticmethod
    def either(condition: Any, a: Any, b: Any) -> Any:
        return a if condition else b


@dataclass
class Recipe:
    """`steps`: functions of the module and all values so far; `lengths` of all values, None for scalars."""

    random: random.Random
    steps: list[Callable[..., Any]] = field(default_factory=list)
    lengths: list[int | None] = field(default_factory=list)
    kinds: set[Any] = field(default_factory=set)

    def pick(self, length: int | None) -> int | None:
        """A value of this length, later ones preferred."""
        found = [k for k, n in enumerate(self.lengths) if n == length]
        return self.random.choice(found[-4:] if self.random.random() < 0.7 else found) if found else None

    def vector(self) -> int:
        found = [k for k, n in enumerate(self.lengths) if n is not None]
        return self.random.choice(found[-5:] if self.random.random() < 0.7 else found)

    def add(self, function: Callable[..., Any], *arguments: int, length: int | None) -> None:
        self.steps.append(lambda m, values: function(m, *[values[k] for k in arguments]))
        self.lengths.append(length)

    def run(self, m: Any, x: Any) -> Any:
        values = [x]
        for step in self.steps:
            values.append(step(m, values))
        return values[-1]


def unary(r: Recipe, v: int, n: int) -> None:
    f = r.random.choice((lambda m, v: m.sin(v), lambda m, v: m.tanh(v), lambda m, v: m.exp(-v ** 2),
                         lambda m, v: v ** 2, lambda m, v: v ** 3 / 4,
                         lambda m, v: m.sqrt(1.5 + v ** 2), lambda m, v: 1 / (2 + m.cos(v)),
                         lambda m, v: -v, lambda m, v: m.where(m.greater(v, 0.1), v ** 2, m.sin(v))))
    r.add(f, v, length=n)


def binary(r: Recipe, v: int, n: int) -> None:
    f = r.random.choice((lambda m, v, w: v * w, lambda m, v, w: v + w, lambda m, v, w: v - 2 * w ** 2,
                         lambda m, v, w: v / (1.5 + w ** 2), lambda m, v, w: m.where(m.greater(v, w), v * w, w),
                         lambda m, v, w: m.exp(v - w ** 2)))
    r.add(f, v, r.pick(n), length=n)


def part(r: Recipe, v: int, n: int) -> None:
    start, stop = r.random.choice((None, 0, 1, 2)), r.random.choice((None, -1, -2))
    step = r.random.choice((1, 1, 2, -1))
    items = slice(None, None, -1) if step == -1 else slice(start, stop, step)
    length = len(range(n)[items])
    if length:
        r.add(lambda m, v: v[items], v, length=length)


def element(r: Recipe, v: int, n: int) -> None:
    at_ = r.random.choice((0, -1, n // 2))
    r.add(lambda m, v: v[at_], v, length=None)


def with_scalar(r: Recipe, v: int, n: int) -> None:
    s = r.pick(None)
    if s is not None:
        r.add(r.random.choice((lambda m, v, s: v * s, lambda m, v, s: m.sin(v + s))), v, s, length=n)


def fold(r: Recipe, v: int, n: int) -> None:
    w = r.pick(n)
    f = r.random.choice((lambda m, v, w: (v * w).sum(), lambda m, v, w: m.tanh(v).mean(),
                         lambda m, v, w: m.dot(v, w) / n, lambda m, v, w: m.log(m.exp(v).sum())))
    r.add(f, v, w, length=None)


def joined(r: Recipe, v: int, n: int) -> None:
    w = r.vector()
    r.add(lambda m, v, w: m.concatenate([v, m.sin(w)]), v, w, length=n + r.lengths[w])


def woven(r: Recipe, v: int, n: int) -> None:
    r.add(lambda m, v, w: m.stack([v, w ** 2], axis=1).reshape((-1,)), v, r.pick(n), length=2 * n)


def placed(r: Recipe, v: int, n: int) -> None:
    """A part of one vector put or added at a shifted place of another."""
    if n < 2:
        return
    w = r.pick(n)
    there, here = r.random.choice(((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None)),
                                   (slice(1, -1), slice(2, None)), (slice(None, None, 2), slice(None, None, 2))))
    if r.random.random() < 0.5:
        r.add(lambda m, v, w: m.put(w, there, m.sin(v)[here]), v, w, length=n)
    else:
        r.add(lambda m, v, w: m.add_to(w, there, (v ** 2)[here]), v, w, length=n)


def matrix(r: Recipe, v: int, n: int) -> None:
    rows = r.random.choice((2, 3, n))
    a = np.random.default_rng(r.random.randrange(10 ** 6)).normal(size=(rows, n)) / n
    if r.random.random() < 0.4:
        a *= np.abs(np.subtract.outer(np.arange(rows), np.arange(n))) < 2
    r.add(lambda m, v: m.dot(a, v), v, length=rows)


def outer(r: Recipe, v: int, n: int) -> None:
    axis = r.random.choice((0, 1))
    w = r.vector()
    length = r.lengths[w] if axis == 0 else n
    r.add(lambda m, v, w: m.tanh(v[:, None] * w[None, :]).sum(axis=axis) / 3, v, w, length=length)


def table(r: Recipe, v: int, n: int) -> None:
    """A vector as a matrix of two rows or columns."""
    if n % 2 == 0:
        f, length = r.random.choice(((lambda m, v: (v.reshape((2, n // 2)) ** 2).sum(axis=0), n // 2),
                                     (lambda m, v: v.reshape((n // 2, 2)).T.reshape((-1,)), n),
                                     (lambda m, v: v.reshape((n // 2, 2))[:, 0] * v[:n // 2], n // 2)))
        r.add(f, v, length=length)


def running(r: Recipe, v: int, n: int) -> None:
    r.add(lambda m, v: m.cumsum(v) / n, v, length=n)


def loop(r: Recipe, v: int, n: int) -> None:
    s = r.pick(None)
    if s is not None:
        r.add(lambda m, s, v: m.states(s, v), s, v, length=n)


def branch(r: Recipe, v: int, n: int) -> None:
    s = r.pick(None)
    if s is not None:
        r.add(lambda m, s, v, w: m.either(m.greater(s, 0.2), v * 2, m.sin(w)), s, v, r.pick(n), length=n)


def gathered(r: Recipe, v: int, n: int) -> None:
    """Elements at positions that repeat and count from the end."""
    places = np.array([r.random.randrange(-n, n) for _ in range(r.random.randint(1, 6))])
    r.add(lambda m, v: v[places] * 0.7, v, length=len(places))


def solved(r: Recipe, v: int, n: int) -> None:
    """The solution of a system that depends on vectors, far from singular."""
    r.add(lambda m, v, w: m.linalg.solve(2 * np.eye(n) + m.outer(m.tanh(v), m.sin(w)) / n, w), v, r.pick(n), length=n)


STEPS: dict[Callable[[Recipe, int, int], None], int] = {
    unary: 16, binary: 14, part: 12, element: 8, with_scalar: 5, fold: 8, joined: 5, woven: 4, placed: 8, matrix: 5,
    outer: 4, table: 6, running: 3, loop: 6, branch: 5, gathered: 5, solved: 4,
}


def grown(seed: int) -> tuple[Recipe, int]:
    """A random recipe for a vector of n elements, and n."""
    choice = random.Random(seed)
    n = choice.choice(LENGTHS)
    r = Recipe(choice, [], [n], set())
    for _ in range(choice.randint(3, 10)):
        v, count = r.vector(), len(r.steps)
        kind = choice.choices(list(STEPS), list(STEPS.values()))[0]
        kind(r, v, r.lengths[v])
        if len(r.steps) > count:
            r.kinds.add(kind)
    while r.lengths[-1] is None or r.lengths[-1] > 40:
        unary(r, 0, n)
    return r, n


def slope(f: Callable[..., Any], x: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The derivative of f at x along a direction, by differences of fourth order."""
    one, two = [f(x + k * STEP * direction) - f(x - k * STEP * direction) for k in (1, 2)]
    return (8 * one - two) / (12 * STEP)


def agrees(seed: int) -> None:
    """All that there is of first and second order, by gradc, is what complex step and differences find."""
    r, n = grown(seed)
    numbers = np.random.default_rng(seed)
    given, v = numbers.normal(size=n) * 0.7, numbers.normal(size=n)
    u = numbers.normal(size=r.lengths[-1])

    def cost_of(m: Any, x: Any) -> Any:
        return (m.log(1.5 + r.run(m, x) ** 2) * u).sum()

    want = numeric(lambda z: r.run(Numeric(), z), given)
    want = np.broadcast_to(want, (len(u), n))
    curved = np.array([slope(lambda z: numeric(lambda z: cost_of(Numeric(), z), z), given, e) for e in np.eye(n)])
    x = at.TensorType("float64", (n if seed % 2 else None,))("x")
    y, cost = r.run(Symbolic(), x), cost_of(Symbolic(), x)
    assert y.type.ndim == 1
    at_v, at_u = at.constant(v), at.constant(u)
    J, H, g = jacobian(y, x), hessian(cost, x), grad(cost, x)
    first = {"reverse": J, "forward": jacobian(y, x, mode="forward"), "sparse": jacobian(y, x, sparse=True)}
    second = {"dense": H, "sparse": hessian(cost, x, sparse=True), "of the gradient": jacobian(g, x)}
    products = {
        "J v": (Rop(y, x, at_v), want @ v), "u J": (Lop(y, x, at_u), u @ want), "J dot v": (at.dot(J, at_v), want @ v),
        "u dot J": (at.dot(at_u, J), u @ want), "gradient": (g, numeric(lambda z: cost_of(Numeric(), z), given)),
        "H v": (grad((g * at_v).sum(), x), curved @ v), "H dot v": (at.dot(H, at_v), curved @ v),
        "hvp": (hessian_vector_product(cost, x, at_v), curved @ v),
    }
    outputs: list[Any] = []
    for made in (*first.values(), *second.values()):
        outputs += [*made] if isinstance(made, SparseVariable) else [made]
    outputs += [made for made, _ in products.values()]
    program = ingest([x], outputs).program
    got = iter(evaluate(program, [given]))
    for names, wanted, error in ((first, want, 1e-9), (second, curved, 1e-7)):
        for name, made in names.items():
            is_sparse = isinstance(made, SparseVariable)
            value = dense([next(got) for _ in made], wanted.shape) if is_sparse else next(got)
            close(value, wanted, error, f"{name} {wanted.shape}")
    for name, (_, wanted) in products.items():
        close(next(got), wanted, 1e-7 if name[0] in "Hh" else 1e-9, name)
    compare(optimize(program, checked=True), [given], 1e-9)


def close(got: Any, wanted: np.ndarray, error: float, name: str) -> None:
    scale = max(1.0, np.abs(wanted).max(initial=0))
    np.testing.assert_allclose(got, wanted, rtol=error, atol=error * scale, err_msg=name)


@pytest.mark.parametrize("seed", range(10))
def test_random_functions(seed: int) -> None:
    agrees(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(100, 115, 200))
def test_random_functions_at_length(seed: int) -> None:
    agrees(seed)


@pytest.mark.parametrize("seed", seeds(300, 308, 320))
def test_by_a_matrix(seed: int) -> None:
    r, n = grown(seed)
    shape = (n // 2, 2) if n % 2 == 0 else (1, n)
    numbers = np.random.default_rng(seed)
    given, u = numbers.normal(size=shape) * 0.7, numbers.normal(size=r.lengths[-1])

    def f(m: Any, z: Any) -> Any:
        return r.run(m, (z.T * 0.8).reshape((n,)))

    want = np.broadcast_to(numeric(lambda z: f(Numeric(), z), given), (len(u), *shape))
    x = at.TensorType("float64", shape if seed % 2 else (None, None))("x")
    y = f(Symbolic(), x)
    g = grad((y * at.constant(u)).sum(), x)
    outputs = [jacobian(y, x), jacobian(y, x, mode="forward"), g, jacobian(g, x, disconnected_inputs="ignore")]
    got = evaluate(ingest([x], outputs).program, [given])
    for made, name in zip(got, ("reverse", "forward")):
        close(made, want, 1e-9, name)
    close(got[2], np.tensordot(u, want, 1), 1e-9, "gradient")
    curved = [slope(lambda z: np.tensordot(u, np.broadcast_to(numeric(lambda z: f(Numeric(), z), z), want.shape), 1),
                    given, e.reshape(shape)) for e in np.eye(n)]
    close(got[3], np.array(curved).reshape(shape * 2), 1e-7, "second order")


def test_seeds_meet_every_kind_of_step() -> None:
    assert set.union(*[grown(seed)[0].kinds for seed in (*range(10), *range(300, 320))]) == set(STEPS)
