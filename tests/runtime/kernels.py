"""What the tests of the runtime share: tiny units, ways to call them, Python processes."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import gradc.errors
from gradc.runtime import build

ROOT = Path(gradc.errors.__file__).resolve().parent.parent


def key_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def unit(value: int = 42, *, constants: tuple[np.ndarray, ...] = (), extra: str = "") -> build.Unit:
    """A unit whose gradc_entry returns `value`."""
    text = (
        "#include <gradc_runtime.h>\n"
        f"{extra}\n"
        "int gradc_prepare(gradc_frame *frame) { (void)frame; return 0; }\n"
        f"int gradc_entry(gradc_frame *frame) {{ (void)frame; return {value}; }}\n"
    )
    return build.Unit(text, {"value": value}, constants)


def call(loaded: build.Loaded) -> int:
    """Run gradc_entry without a frame."""
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(loaded.entry)(None)


def never() -> build.Unit:
    raise AssertionError("the kernel should have come from the cache")


def entry_path(folder: Path, key: str) -> Path:
    return folder / key[:2] / f"{key}.so"


# What every test process starts with.  The package itself is not run: only the runtime is wanted.
PRELUDE = (
    f"""
import ctypes, hashlib, os, sys, time, types, warnings
gradc = sys.modules["gradc"] = types.ModuleType("gradc")
gradc.__path__ = [{str(ROOT / "gradc")!r}]
"""
    + """
from gradc.runtime import build, cache
from gradc.runtime.entry import FOOTER, pack
from gradc.config import config
def unit(value):
    return build.Unit("#include <gradc_runtime.h>\\n"
        "int gradc_prepare(gradc_frame *f) { (void)f; return 0; }\\n"
        "int gradc_entry(gradc_frame *f) { (void)f; return %d; }\\n" % value, {"value": value})
def call(loaded):
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(loaded.entry)(None)
"""
)


def environment(**variables: str) -> dict[str, str]:
    """The environment of a test process in which this gradc is importable; an empty value removes the variable."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return {name: value for name, value in env.items() if value}


def start(code: str, **variables: str) -> subprocess.Popen[str]:
    """Start a Python process that runs PRELUDE and `code`."""
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + code],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = 60) -> tuple[str, str]:
    """Wait for a test process; its output and errors.  It must end with status 0."""
    output, errors = process.communicate(timeout=timeout)
    assert process.returncode == 0, f"status {process.returncode}\n{output}\n{errors}"
    return output, errors


def python(code: str, **variables: str) -> tuple[str, str]:
    """`finish(start(code))`."""
    return finish(start(code, **variables))
