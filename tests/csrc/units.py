"""Hand-written C units for the tests of csrc: compiled with the wrapper object, loaded, made into Functions."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradc.errors import BadArgumentError
from gradc.runtime import _dispatch

ROOT = Path(__file__).resolve().parents[2]
WRAPPER = Path(_dispatch.__file__).with_name("_gradc_wrapper.o")
CC = shutil.which("cc") or shutil.which("gcc")


@dataclass(frozen=True)
class Unit:
    """A loaded unit: addresses, and what keeps them valid."""

    prepare: int
    entry: int
    keep: Any


_LOADED: dict[str, Unit] = {}       # kernels are never unloaded, so equal texts share one


def load(text: str, directory: Path, flags: tuple[str, ...] = ("-O2",)) -> Unit:
    """Compile and load a unit that defines gradc_prepare and gradc_entry."""
    key = hashlib.sha256(repr((text, flags)).encode()).hexdigest()[:24]
    if key not in _LOADED:
        source, target = directory / f"{key}.c", directory / f"{key}.so"
        source.write_text('#include "gradc_runtime.h"\n' + text)
        subprocess.run([CC, "-std=c11", "-Wall", "-Wextra", "-Werror", *flags, "-fPIC", "-shared",
                        "-fvisibility=hidden", f"-I{ROOT / 'csrc' / 'include'}", str(source), str(WRAPPER), "-o",
                        str(target), "-lm"], check=True)
        loader = importlib.machinery.ExtensionFileLoader("_gradc_kernel", str(target))
        module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(
            "_gradc_kernel", str(target), loader=loader))
        loader.exec_module(module)
        sys.modules.pop("_gradc_kernel", None)
        addresses = [int(module.ffi.cast("uintptr_t", module.ffi.addressof(module.lib, name)))
                     for name in ("gradc_prepare", "gradc_entry")]
        _LOADED[key] = Unit(*addresses, module)
    return _LOADED[key]


def argument(name: str | None, dtype: str = "float64", shape: tuple[int, ...] = (), *, storage: list[Any] | None = None,
             default: list[Any] | None = None, strict: bool = False) -> tuple[Any, ...]:
    return name, dtype, shape, storage, default, strict


def function(unit: Unit, inputs: list[tuple[Any, ...]], outputs: list[tuple[str, int]], *, name: str = "f",
             n_results: int | None = None, result: str = "list", **options: Any) -> Any:
    """A Function whose `convert` takes what numpy.asarray takes, if the dtype is safe."""

    def convert(position: int, value: Any) -> np.ndarray:
        dtype = np.dtype(inputs[position][1])
        array = np.asarray(value)
        if not np.can_cast(array.dtype, dtype, "safe") or array.ndim != len(inputs[position][2]):
            raise BadArgumentError(f"input {position}: no {dtype} of rank {len(inputs[position][2])}")
        return np.ascontiguousarray(array, dtype).reshape(array.shape)

    return _dispatch.Function(name=name, prepare=unit.prepare, entry=unit.entry, inputs=inputs, outputs=outputs,
                              n_results=len(outputs) if n_results is None else n_results, result=result,
                              keep=unit.keep, **{"convert": convert, **options})


DOUBLE = """
int gradc_prepare(gradc_frame *f) { (void)f; return 0; }
int gradc_entry(gradc_frame *f)
{
    *(double *)f->outputs[0] = 2 * *(const double *)f->inputs[0];
    return 0;
}
"""


def many_scalars(n: int) -> str:
    """n float64 scalars in, each doubled out."""
    return f"""
int gradc_prepare(gradc_frame *f) {{ (void)f; return 0; }}
int gradc_entry(gradc_frame *f)
{{
    for (int i = 0; i < {n}; ++i)
        *(double *)f->outputs[i] = 2 * *(const double *)f->inputs[i];
    return 0;
}}
"""


# y = x + a (vectors of one length; check 1), s = sum(x) by way of the arena
ADD = """
int gradc_prepare(gradc_frame *f)
{
    f->error[0] = f->sizes[0];
    f->error[1] = f->sizes[1];
    if (f->sizes[0] != f->sizes[1])
        return 1;
    f->shapes[0] = f->sizes[0];
    f->arena_bytes = f->sizes[0] * 8;
    return 0;
}
int gradc_entry(gradc_frame *f)
{
    const double *x = f->inputs[0], *a = f->inputs[1];
    double *y = f->outputs[0], *s = f->outputs[1], *t = (double *)f->arena;
    if ((uintptr_t)t % 64)
        return 3;
    for (int64_t i = 0; i < f->sizes[0]; ++i) {
        t[i] = x[i];
        y[i] = x[i] + a[i];
    }
    *s = 0;
    for (int64_t i = 0; i < f->sizes[0]; ++i) {
        if (t[i] < 0) {
            f->error[0] = i;
            return 2;
        }
        *s += t[i];
    }
    return 0;
}
"""

# w, n shared: result = w . x; updates w <- w + x, n <- n + 1; check 1 if x[0] is nan, after everything is written
STEP = """
int gradc_prepare(gradc_frame *f)
{
    f->shapes[0] = f->sizes[0];
    return 0;
}
int gradc_entry(gradc_frame *f)
{
    const double *x = f->inputs[0], *w = f->inputs[1];
    const int64_t *n = f->inputs[2];
    double s = 0, *new_w = f->outputs[1];
    for (int64_t i = 0; i < f->sizes[0]; ++i) {
        s += x[i] * w[i];
        new_w[i] = w[i] + x[i];
    }
    *(double *)f->outputs[0] = s;
    *(int64_t *)f->outputs[2] = *n + 1;
    return x[0] != x[0];
}
"""

# x of size n (an int64 scalar): iota
IOTA = """
int gradc_prepare(gradc_frame *f)
{
    f->shapes[0] = *(const int64_t *)f->inputs[0];
    return 0;
}
int gradc_entry(gradc_frame *f)
{
    for (int64_t i = 0; i < f->shapes[0]; ++i)
        ((int64_t *)f->outputs[0])[i] = i;
    return 0;
}
"""


class Failed(Exception):
    """What `failure` makes: number, values, sizes, during."""


def failure(number: int, values: tuple[int, ...], sizes: tuple[int, ...], during: str) -> Exception:
    return Failed(number, values, sizes, during)


def resident() -> int:
    """Resident memory of this process in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096
