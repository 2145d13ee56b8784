"""`optimize` keeps the value of random Programs, their types, and the user's lines; it ends, and without recursion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradc.tensor as at
from gradc.errors import GradcError
from gradc.gradient import grad
from gradc.ir import convert, interp, ops
from gradc.ir.graph import Apply, Op
from gradc.ir.pretty import pretty
from gradc.ir.program import Builder, Program, Var
from gradc.ir.types import TensorType
from gradc.passes import rewrite
from gradc.passes.phases import PHASES, optimize

UNARY = ("neg", "exp", "sigmoid", "tanh", "square", "abs", "log1p", "sqrt", "reciprocal", "softplus", "expm1")
BINARY = ("add", "sub", "mul", "true_divide", "maximum", "minimum", "second", "pow")
NUMBERS = (0.0, 1.0, -1.0, 2.0, 0.5, 4.0, -3.0, -0.0)
TYPES = (TensorType("float64", (None, None)), TensorType("float64", (None, None)), TensorType("float64", (None,)),
         TensorType("float64", ()), TensorType("float32", (None, 1)), TensorType("int32", (None, None)))


@st.composite
def programs(draw: Any) -> Program:
    b = Builder()
    made: list[Var] = [b.input(t, f"x{k}") for k, t in enumerate(TYPES)]
    made.append(b.constant(draw(st.sampled_from(NUMBERS)), "float64"))
    made.append(b.constant(draw(st.sampled_from((0, 1, 2, 3))), "int8"))
    for _ in range(draw(st.integers(1, 25))):
        x = draw(st.sampled_from(made[-8:] + made))
        y = draw(st.sampled_from(made))
        try:
            made.append(_step(draw, b, x, y))
        except GradcError:
            continue
    outputs = draw(st.lists(st.sampled_from(made[len(TYPES):]), min_size=1, max_size=3, unique=True))
    return b.program([*outputs, made[-1]])


def _step(draw: Any, b: Builder, x: Var, y: Var) -> Var:
    ndim = x.type.ndim
    kind = draw(st.sampled_from(("unary", "binary", "binary", "reduce", "transpose", "insert", "slice", "dot", "size",
                                 "alloc", "switch", "cast", "join", "reshape", "scatter", "gather", "scatter at")))
    axis = draw(st.integers(0, max(ndim - 1, 0)))
    match kind:
        case "unary":
            return b.map(draw(st.sampled_from(UNARY)), x)
        case "binary":
            return b.map(draw(st.sampled_from(BINARY)), x, y)
        case "reduce" if ndim:
            axes = draw(st.sampled_from([(axis,), tuple(range(ndim))]))
            return b.apply(ops.Reduce(draw(st.sampled_from(("add", "maximum"))), axes), x)
        case "transpose" if ndim:
            return b.apply(ops.Transpose(tuple(range(ndim))[::-1]), x)
        case "insert" if ndim < 3:
            return b.apply(ops.Transpose((*range(axis), -1, *range(axis, ndim))), x)
        case "slice" if ndim:
            item = draw(st.sampled_from((ops.Item(start=1), ops.Item(stop=-1), ops.Item(at=0), ops.Item(step=-1))))
            return b.apply(ops.Slice((ops.Item(),) * axis + (item,)), x)
        case "dot" if ndim == 2 and y.type.ndim == 2:
            return b.apply(ops.Contract((0, 1), (2, 1), (0, 2)), x, y)
        case "size" if ndim:
            return b.apply(ops.ShapeOf(axis), x)
        case "alloc" if ndim:
            return b.apply(ops.Broadcast(), draw(st.sampled_from([b.constant(2.0, "float64"), x])),
                           b.constant(2, "int64"), *[b.apply(ops.ShapeOf(k), x) for k in range(ndim)])
        case "switch":
            return b.map("switch", b.map("lt", x, y), x, y)
        case "cast":
            return b.apply(ops.Cast(draw(st.sampled_from(("float64", "float32")))), x)
        case "join" if ndim == y.type.ndim and ndim:
            return b.apply(ops.Concat(axis), x, y)
        case "reshape" if ndim == 2:
            n, m = b.apply(ops.ShapeOf(0), x), b.apply(ops.ShapeOf(1), x)
            return b.apply(ops.Reshape(2), b.apply(ops.Reshape(1), x, b.map("mul", n, m)), m, n)
        case "scatter" if ndim == 2 and x.type.dtype == "float64":
            zero = b.apply(ops.Broadcast(), b.constant(0.0, "float64"), *[b.apply(ops.ShapeOf(k), x) for k in (0, 1)])
            return b.apply(ops.Scatter(draw(st.sampled_from(("set", "inc"))), (ops.Item(start=1),)), zero,
                           b.apply(ops.Slice((ops.Item(start=1),)), x))
        case "gather" if ndim and x.type.dtype[0] == "f":
            return b.apply(ops.Gather((axis,)), x, _positions(draw, b))
        case "scatter at" if ndim and x.type.dtype == "float64":
            i, op = _positions(draw, b), ops.ScatterAt(draw(st.sampled_from(("set", "inc"))), (axis,))
            zero = b.apply(ops.Broadcast(), b.constant(0.0, "float64"),
                           *[b.apply(ops.ShapeOf(k), x) for k in range(ndim)])
            base = draw(st.sampled_from((x, zero)))
            return b.apply(op, base, b.apply(ops.Gather((axis,)), x, i), i)
    return b.map("add", x, y)


def _positions(draw: Any, b: Builder) -> Var:
    """Some that are constant, among them ranges, and some of an input."""
    if draw(st.booleans()):
        return b.constant(draw(st.lists(st.integers(-2, 2), min_size=1, max_size=4)), "int64")
    return b.map("sub", b.apply(ops.Slice((ops.Item(at=0),)), b.inputs[5]), b.constant(2, "int8"))


def run(program: Program, values: list[Any]) -> Any:
    try:
        return interp.evaluate(program, values)
    except GradcError as error:
        return type(error)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(), st.integers(0, 2 ** 31))
def test_optimize_keeps_values(program: Program, seed: int) -> None:
    rng = np.random.default_rng(seed)
    after = optimize(program, checked=True)
    values = [rng.uniform(0.5, 1.5, [3 if s is None else s for s in t.shape]).astype(t.dtype) if t.dtype[0] == "f"
              else rng.integers(1, 4, (3, 3)).astype(t.dtype) for t in TYPES]
    want, got = run(program, values), run(after, values)
    text = f"{pretty(program)}\n{pretty(after)}"
    if isinstance(want, type):
        assert isinstance(got, type) or all(type(e.op) is not ops.Map for e in after.eqns if e.out.type.ndim), text
        return
    assert not isinstance(got, type), f"{got}\n{text}"
    for w, g, old, new in zip(want, got, program.outputs, after.outputs):
        assert w.shape == g.shape and w.dtype == g.dtype and old.type.ndim == new.type.ndim, text
        if w.dtype.kind == "f":
            big = np.abs(w) > 1e30          # after overflow the two may differ in which of inf, nan they reach
            single = any(v.type.dtype == "float32" for e in program.eqns for v in (e.out, *e.args))
            eps = 1e-3 if single else 1e-9
            np.testing.assert_allclose(np.where(big | np.isnan(w), 0, g), np.where(big | np.isnan(w), 0, w), rtol=eps,
                                       atol=eps, err_msg=text)
        else:
            assert np.array_equal(w, g), text


def _network(steps: int) -> tuple[list[Any], list[Any]]:
    """The graph of the speed target: x <- tanh(a x + b y), y <- y + x c, and its gradient in everything."""
    x, y = at.dvectors("x", "y")
    inputs = [x, y]
    for k in range(steps):
        a, b, c = at.dscalars(f"a{k}", f"b{k}", f"c{k}")
        inputs += [a, b, c]
        x = at.tanh(a * x + b * y)
        y = y + x * c
    return inputs, grad(at.sum(x) + at.sum(y), inputs)


def test_large_gradient_keeps_values_and_shrinks() -> None:
    inputs, outputs = _network(12)
    before = convert.to_program(inputs, outputs)
    after = optimize(before, checked=True)
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(5 if v.type.ndim else ()) for v in before.inputs]
    for a, b in zip(interp.evaluate(before, values), interp.evaluate(after, values)):
        np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12)
    assert not any(e.op == ops.Map("second") for e in after.eqns)
    assert len(after.eqns) < len(before.eqns)


def test_work_is_linear_in_equations() -> None:
    """Counted in attempts of rules, not in time."""
    counts = []
    for steps in (40, 80):
        inputs, outputs = _network(steps)
        before = convert.to_program(inputs, outputs)
        calls = 0
        original = rewrite.Rewriter.fire

        def counted(self: Any, *args: Any, original: Any = original) -> Any:
            nonlocal calls
            calls += 1
            return original(self, *args)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rewrite.Rewriter, "fire", counted)
            optimize(before, checked=False)
        counts.append(calls)
    assert counts[1] < 2.1 * counts[0]


@pytest.mark.parametrize("fns", [("neg", "exp"), ("square",), ("add", "mul"), ("sigmoid", "sub"),
                                 ("true_divide", "exp")])
@pytest.mark.parametrize("depth", [2000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_deep_chains(fns: tuple[str, ...], depth: int) -> None:
    b = Builder()
    x = v = b.input(TensorType("float64", (None,)))
    for k in range(depth):
        fn = fns[k % len(fns)]
        v = b.map(fn, v) if fn in UNARY else b.map(fn, v, x)
    program = b.program([v])
    after = optimize(program, checked=False)
    assert len(after.eqns) <= len(program.eqns) + 2
    with np.errstate(all="ignore"):
        a, c = interp.evaluate(program, [np.array([0.3, -0.2])]), interp.evaluate(after, [np.array([0.3, -0.2])])
    np.testing.assert_allclose(c[0], a[0], rtol=1e-6)


def test_optimize_is_idempotent_and_deterministic() -> None:
    x, w = at.dmatrix("x"), at.dmatrix("w")
    y = at.log(at.exp(x) / at.exp(x).sum(axis=1, keepdims=True))
    outputs = [y, grad(at.sum(y * w), x), at.sum(x ** 1.5)]
    first = optimize(convert.to_program([x, w], outputs))
    again = optimize(convert.to_program([x, w], outputs))
    assert pretty(first) == pretty(again)
    assert len(optimize(first).eqns) == len(first.eqns)


def test_input_program_is_left_alone() -> None:
    x = at.dmatrix("x")
    before = convert.to_program([x], [grad(at.sum(1 / (1 + at.exp(-x))), x), x ** 2 + x ** 2])
    text, sources = pretty(before), [e.sources for e in before.eqns]
    optimize(before, checked=True)
    assert pretty(before) == text and [e.sources for e in before.eqns] == sources


def test_lines_survive() -> None:
    x = at.dmatrix("x")
    y = at.log(1 + at.exp(x))
    made = convert.to_program([x], [y, grad(at.sum(y), x)])
    after = optimize(made)
    assert all(e.sources for e in after.eqns if type(e.op) is not ops.Const)
    assert {s for e in after.eqns for s in e.sources} <= {s for e in made.eqns for s in e.sources}


def test_log_names_phase_and_rule() -> None:
    x = at.dscalar("x")
    log: list[tuple[str, str]] = []
    optimize(convert.to_program([x], [at.log(1 + x)]), log)
    assert ("stabilize", "log_one_plus") in log
    assert {phase for phase, _ in log} <= {p.name for p in PHASES}


def test_every_phase_has_a_reason() -> None:
    assert all(len(why.split()) > 4 and "crash" not in why for why in [p.why for p in PHASES])


def test_failing_equations_are_not_folded_away() -> None:
    b = Builder()
    x = b.constant(np.arange(3.0))
    y = b.apply(ops.Slice((ops.Item(at=ops.DYNAMIC),)), x, b.constant(7, "int64"))
    with pytest.raises(GradcError):
        interp.evaluate(optimize(b.program([y]), checked=True), [])


class _Split(Op):
    """A user's operation with two results, whose sizes are its own affair."""

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [x.type(), x.type()])

    def perform(self, node: Any, inputs: Any, storage: Any) -> None:
        storage[0][0], storage[1][0] = inputs[0][:2] * 1, inputs[0][2:] * 1


def test_user_operations_pass_through() -> None:
    x = at.dvector("x")
    low, high = _Split()(at.exp(x) * 1)
    outputs = [low.shape[0], high + high.shape[0], at.zeros_like(low), low, x, x]
    before = convert.to_program([x], outputs)
    after = optimize(before, checked=True)
    assert sum(type(e.op) is ops.Call for e in after.eqns) == 1
    for a, b in zip(interp.evaluate(before, [np.arange(5.0)]), interp.evaluate(after, [np.arange(5.0)])):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["complex128", "bool", "uint8", "float32"])
def test_other_dtypes(dtype: str) -> None:
    x = at.tensor(dtype=dtype, shape=(None,), name="x")
    outputs = [x * 1, x + x * 2, at.sum(x * 3), at.prod(x), at.eq(x, x), x ** 2,
               at.cast(at.cast(x, "complex128"), "complex64")]
    if dtype != "bool":
        outputs += [x - 0, at.neg(at.neg(x)), x * x, x + (-x)]
    before = convert.to_program([x], outputs)
    after = optimize(before, checked=True)
    values = [np.array([0, 1, 2, 3, 250]).astype(dtype)]
    for a, b in zip(interp.evaluate(before, values), interp.evaluate(after, values)):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=1e-6)


def test_sizes_that_become_known_are_known_of_results() -> None:
    b = Builder()
    x = b.input(TensorType("float64", ()))
    n = b.map("maximum", b.constant(2, "int64"), b.constant(3, "int64"))
    first = b.apply(ops.Cumulate("add", 0), b.apply(ops.Broadcast(), x, n))
    second = b.apply(ops.Cumulate("add", 0), b.apply(ops.Broadcast(), x, b.constant(3, "int64")))
    head = b.apply(ops.Transpose(()), b.apply(ops.Slice((ops.Item(start=0, stop=1),)), second))
    program = optimize(b.program([first, head]), checked=True)
    assert [v.type for v in program.outputs] == [TensorType("float64", (3,)), x.type]
