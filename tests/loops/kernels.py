"""What the tests below the Program share: a Kernel or a Program as a callable, as it is written, not optimised."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradc import errors
from gradc.codegen import unit
from gradc.compile.pipeline import numbered
from gradc.config import config
from gradc.ir import interp, ops
from gradc.ir.callback import performed
from gradc.ir.program import Builder, Eqn, Program, Var, equations
from gradc.ir.types import TensorType
from gradc.loops.check import check
from gradc.loops.lower import lower
from gradc.loops.nodes import Kernel
from gradc.runtime import _dispatch, build


def tensor(*shape: int | None, dtype: str = "float64") -> TensorType:
    return TensorType(dtype, shape)


def load(kernel: Kernel, optimize: str | None = None) -> tuple[Any, unit.CUnit]:
    """A Kernel's unit, compiled and in memory; `optimize` as of all tests (conftest.py), or as given."""
    check(kernel)
    made = unit.generate(kernel)
    constants = b"".join(c.tobytes() for c in made.constants)
    with config.change_flags(cc_flags=config.cc_flags if optimize is None else optimize):
        key = hashlib.sha256(f"{made.text} {config.cc_flags}".encode() + constants).hexdigest()
        return build.obtain(key, lambda: build.Unit(made.text, {}, made.constants)), made


def callable_of(kernel: Kernel, optimize: str | None = None, eqns: Sequence[Eqn] = ()) -> Any:
    """f(*arrays) -> list of arrays; inputs of the declared dtypes.  Product of matrices by gradc's own loops.

    eqns: the equations that the sources of the kernel's calls number.
    """
    loaded, made = load(kernel, optimize)
    users = [eqns[call.sources[0]] for call in made.calls]

    def call(number: int, arrays: list[Any], shapes: Sequence[tuple[int, ...] | None],
             sizes: Sequence[int]) -> list[Any]:
        return performed(users[number], arrays, shapes)

    def convert(position: int, value: Any) -> np.ndarray:
        b = kernel.inputs[position]
        return np.ascontiguousarray(value, b.dtype).reshape(np.shape(value))

    def fail(number: int, values: Sequence[int], sizes: Sequence[int], during: str) -> Exception:
        info = made.checks[number - 1]
        return getattr(errors, info.error)(info.message.format(*values))

    return _dispatch.Function(
        name=kernel.name, prepare=loaded.prepare, entry=loaded.entry,
        inputs=[(None, b.dtype, tuple(d if isinstance(d, int) else -1 for d in b.shape), None, None, False)
                for b in kernel.inputs],
        outputs=[(b.dtype, len(b.shape)) for b in kernel.outputs], constants=loaded.constants,
        n_results=len(kernel.outputs), result="list", convert=convert, fail=fail, keep=loaded.keep, deterministic=True,
        late=made.late, known=made.known, call=call,
        calls=[([(v.type.dtype, v.type.ndim) for v in eqn.op.split(eqn.args)[0]],  # type: ignore[attr-defined]
                [(v.type.dtype, v.type.ndim) for v in eqn.outs], False) for eqn in users])  # type: ignore[attr-defined]


def compiled(program: Program, optimize: str | None = None) -> Any:
    """A Program as f(*arrays) -> list of arrays."""
    return callable_of(lower(numbered(program), "f", checked=True), optimize, list(equations(program)))


def compare(program: Program, values: Sequence[Any], rtol: float = 1e-9, optimize: str | None = None) -> Any:
    """The C route gives what the interpreter gives; returns the callable."""
    f = compiled(program, optimize)
    values = [np.asarray(v, dtype=var.type.dtype) for v, var in zip(values, program.inputs)]
    with np.errstate(all="ignore"):
        wanted = interp.evaluate(program, values)
    for got, want in zip(f(*values), wanted):
        assert got.shape == np.shape(want) and got.dtype == np.asarray(want).dtype
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol)
    return f


def softmax(b: Builder, x: Var) -> Var:
    """Softmax of each row of a matrix."""
    most = b.apply(ops.Transpose((0, -1)), b.apply(ops.Reduce("maximum", (1,)), x))
    e = b.map("exp", b.map("sub", x, most))
    return b.map("true_divide", e, b.apply(ops.Transpose((0, -1)), b.apply(ops.Reduce("add", (1,)), e)))
