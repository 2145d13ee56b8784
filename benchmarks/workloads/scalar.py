"""Calls whose work is nothing: the gradient of x^2 at one number, and of a sum of squares in ten numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, Seconds


def one_float64() -> Arrays:
    """x = np.float64(4)."""
    return {"x": np.float64(4)}


def one_int() -> Arrays:
    """x = 4."""
    return {"x": 4}


def ten() -> Arrays:
    """Ten np.float64."""
    return {f"x{k}": np.float64(k + 1) for k in range(10)}


def _double(x: Any) -> Any:
    return 2.0 * x


def _numpy(arrays: Arrays) -> Call:
    return Call(lambda x: np.multiply(2.0, x), tuple(arrays.values()))


def _numpy_ten(arrays: Arrays) -> Call:
    return Call(lambda *xs: [np.multiply(2.0, x) for x in xs], tuple(arrays.values()))


def _compiled(lib: Any) -> Any:
    x = lib.tensor.dscalar("x")
    return lib.function([x], lib.grad(x**2, x))


def _symbolic(lib: Any, arrays: Arrays) -> Call:
    return Call(_compiled(lib), tuple(arrays.values()))


def _symbolic_ten(lib: Any, arrays: Arrays) -> Call:
    xs = [lib.tensor.dscalar(name) for name in arrays]
    cost = sum((x**2 for x in xs[1:]), xs[0] ** 2)
    return Call(lib.function(xs, lib.grad(cost, xs)), tuple(arrays.values()))


def _bound(lib: Any, arrays: Arrays) -> Call:
    call = _compiled(lib).bind(x=np.array(4.0), out=np.empty(()))
    return Call(call, (), lambda: [np.array(call.out)])


def _jax(jax: Any, arrays: Arrays) -> Call:
    return Call(jax.jit(jax.grad(lambda x: 1.0 * x**2)), tuple(float(x) for x in arrays.values()))


def _jax_ten(jax: Any, arrays: Arrays) -> Call:
    function = jax.jit(jax.grad(lambda *xs: sum(x**2 for x in xs), argnums=tuple(range(10))))
    return Call(function, tuple(arrays.values()))


def _torch(torch: Any, arrays: Arrays) -> Call:
    function = torch.compile(torch.func.grad(lambda x: x**2), fullgraph=True)
    return Call(function, (torch.tensor(4.0, dtype=torch.float64),))


def _numba(numba: Any, arrays: Arrays) -> Call:
    return Call(numba.njit(_double), tuple(arrays.values()))


def _casadi(casadi: Any, arrays: Arrays) -> Call:
    x = casadi.SX.sym("x")
    return Call(casadi.Function("f", [x], [casadi.gradient(x**2, x)]), tuple(float(x) for x in arrays.values()))


def _casadi_bound(casadi: Any, arrays: Arrays) -> Call:
    x = casadi.SX.sym("x")
    buffers, trigger = casadi.Function("f", [x], [casadi.gradient(x**2, x)]).buffer()
    given, result = np.full(1, 4.0), np.zeros(1)
    buffers.set_arg(0, memoryview(given))
    buffers.set_res(0, memoryview(result))
    alive = (buffers, given, result)        # the trigger itself keeps none of them
    return Call(trigger, (), lambda: [alive[-1]])


def _bound_numpy(arrays: Arrays) -> Call:
    x, result = np.array(4.0), np.empty(())
    return Call(lambda: np.multiply(2.0, x, out=result) and None, (), lambda: [result])


ROWS = [
    Row("scalar-float64", "call of a scalar gradient, `f(np.float64(4))`", Seconds(0.2e-6), one_float64, _numpy, None,
        _symbolic, jax=_jax, torch=_torch, numba=_numba, casadi=_casadi, loop_of_calls=True),
    Row("scalar-int", "the same, `f(4)`", Seconds(0.2e-6), one_int, _numpy, None,
        _symbolic, jax=_jax, numba=_numba, casadi=_casadi, loop_of_calls=True),
    Row("scalar-bound", "the same, bound: `call = f.bind(x=..., out=...)`; `call()`", Seconds(0.08e-6), one_float64,
        _bound_numpy, None, None, gradc=_bound, casadi=_casadi_bound, loop_of_calls=True),
    Row("ten-scalars", "gradient of ten squares: ten scalar inputs and outputs", Seconds(1.0e-6), ten, _numpy_ten, None,
        _symbolic_ten, jax=_jax_ten, loop_of_calls=True),
]
