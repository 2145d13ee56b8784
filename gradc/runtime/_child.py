"""Script of a child process: have cffi and setuptools compile wrapper and unit into one module.

Not imported by gradc: `FFI.compile` changes the working directory and setuptools' global state.  In: a JSON
object as second argument (`build._child` writes it).  Out: the shared object it names.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from cffi import FFI


def compile_module(job: dict[str, Any]) -> None:
    """Compile `job["source"]` and the wrapper of `job["declarations"]` into `job["output"]`."""
    with open(job["declarations"], encoding="utf-8") as file:
        declarations = file.read()
    ffi = FFI()
    ffi.cdef(declarations)
    ffi.set_source(
        job["module"],
        declarations,
        sources=[job["source"]],
        include_dirs=[job["include"]],
        # -g0: the interpreter's own flags ask for debug information, which would hold this directory's name.
        extra_compile_args=[*job["compile_flags"], "-g0"],
        extra_link_args=job["link_flags"],
        py_limited_api=True,
    )
    os.replace(ffi.compile(tmpdir=os.path.dirname(job["output"])), job["output"])


if __name__ == "__main__":
    compile_module(json.loads(sys.argv[2]))
