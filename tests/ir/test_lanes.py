"""`ir.scalar_c`: functions with branches and loops in lanes have each number's value, whatever its neighbours take."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.ir.scalar_c import c_functions
from gradc.ir.scalar_code import ScalarFunction, scalar
from gradc.ir.scalar_math import Real, fabs, floor, log
from gradc.runtime import toolchain

TABLE = (2.0, 3.0, 5.0, 7.0)


@scalar
def collatz(x: Real) -> Real:
    """Steps of the 3n + 1 problem: a loop that each lane leaves at another time."""
    steps = 0.0
    while x > 1:
        half = 0.5 * x
        x = half if half == floor(half) else 3 * x + 1
        steps += 1
        if steps > 60:
            return -1.0
    return steps


@scalar
def nested(x: Real) -> Real:
    """Loops in loops with a break, whose counts each lane has for itself; what is kept from one turn to the next."""
    total, last = 0.0, 0.0
    for i in range(1, int(x) + 1):
        part = 0.0
        for j in range(4):
            part += TABLE[j] * i
            if part > 3 * x:
                last = part
                break
            if j == 2 and i > 3:
                part -= last
        total += part
        if total > 200:
            break
    return total + 1000 * last


@scalar
def halves(x: Real) -> Real:
    """Two results."""
    if x < 4:
        return x, 0.5 * x
    whole = floor(0.5 * x)
    return whole, x - whole


@scalar
def branches(x: Real) -> Real:
    """Variables that only one branch assigns; calls that only some lanes take; numbers of a loop that goes down."""
    kept, low = 10.0, x < 3
    if low:
        kept = x
        if x > 1:
            kept += 100
    elif x < 20:
        small, large = halves(x)
        kept = small * large
    value = log(x) if x > 5 else nested(x)
    for k in range(int(x), 0, -1):
        value = 0.5 * value + k
        if k < 3 and not low:
            continue_at = k
            kept += continue_at
    return kept + value + (1 if fabs(x - 7) < 2 else collatz(x))


def in_c(function: ScalarFunction, directory: Path, x: np.ndarray) -> np.ndarray:
    text = "\n".join(["#include <gradc_sizes.h>", "#include <gradc_math.h>", *c_functions([function]),
                      "__attribute__((visibility(\"default\")))",
                      "void run(double *restrict y, const double *restrict x, int64_t n)",
                      f"{{ for (int64_t i = 0; i < n; ++i) y[i] = gradc_{function.name}_f64(x[i]); }}", ""])
    compiler, library = toolchain.find(), directory / f"{function.name}.so"
    subprocess.run([*compiler.command, *toolchain.unit_flags(compiler), "-Wall", "-Wextra", "-Werror", "-shared",
                    "-fPIC", f"-I{toolchain.include_dir()}", "-xc", "-", "-o", str(library), "-lm"],
                   input=text, text=True, check=True)
    y = np.empty_like(x)
    ctypes.CDLL(str(library)).run(*[ctypes.c_void_p(a.ctypes.data) for a in (y, x)], ctypes.c_int64(x.size))
    return y


@pytest.mark.parametrize("function", [collatz, nested, branches], ids=lambda f: f.name)
def test_lanes_have_the_values_of_python(function: ScalarFunction, tmp_path: Path) -> None:
    x = np.random.default_rng(3).permutation(np.concatenate([np.arange(1.0, 45), [1.5, 2.5, 7.25]]))
    np.testing.assert_allclose(in_c(function, tmp_path, x), function.numpy(x), rtol=1e-14)


def test_a_number_has_its_value_whatever_its_neighbours_are() -> None:
    rng = np.random.default_rng(4)
    a, x, p = rng.uniform(0.1, 9, 37), rng.uniform(0.1, 30, 37), rng.uniform(0, 1, 37)
    a[::5], x[::7], p[::11] = 300, np.inf, np.nan
    u, v, w = at.dvectors("u", "v", "w")
    f = gradc.function([u, v, w], [at.gammainc(u, v), at.gammaincinv(u, w), at.betainc(u, v, w), at.kv(u, v),
                                   at.jv(u, v), at.hyp2f1(u, w, v, -v), at.gamma(u - v)])
    whole = f(a, x, p)
    for k in range(0, 37, 3):
        for one, all_ in zip(f(a[k:k + 1], x[k:k + 1], p[k:k + 1]), whole):
            np.testing.assert_array_equal(one[0], all_[k])
