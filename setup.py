"""Build steps that need code; all metadata stands in pyproject.toml.

The extension `gradc.runtime._dispatch` from csrc/; the object `_gradc_wrapper.o`, cffi's part of every kernel,
compiled here once so that no kernel ever needs Python.h; the C headers; the build id.  Without a C compiler
the extension and the object are left out and gradc runs in the interpreter.
"""

from __future__ import annotations

import hashlib
import os
import runpy
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cffi
import numpy as np
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

try:
    from setuptools.errors import CCompilerError, CompileError, ExecError, PlatformError
    _NO_COMPILER: tuple[type[BaseException], ...] = (CCompilerError, CompileError, ExecError, PlatformError, OSError)
except ImportError:                                         # names moved between versions of setuptools
    from distutils.errors import CCompilerError, DistutilsError
    _NO_COMPILER = (CCompilerError, DistutilsError, OSError)

ROOT = Path(__file__).resolve().parent
HEADERS = sorted((ROOT / "csrc" / "include").glob("*.h"))
# -g0: no paths of the build in the objects.  Square roots and comparisons of floats become vectors only where neither
# errno nor the flags of exceptions count.
FLAGS = ["-O2", "-g0", "-std=c11", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math"]
WRAPPER = "_gradc_wrapper.o"


def wrapper_source(directory: Path) -> Path:
    """cffi's C text for the module `_gradc_kernel`, written to `directory`; its name is relative to ROOT."""
    declarations = (ROOT / "csrc" / "include" / "gradc_entry.h").read_text()
    ffi = cffi.FFI()
    ffi.cdef(declarations)
    ffi.set_source("_gradc_kernel", declarations, py_limited_api=True)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "_gradc_wrapper.c"
    ffi.emit_c_code(str(path))
    return path


def build_id(package: Path, wrapper: Path | None) -> str:
    """SHA-256 over everything that decides what code a kernel becomes: Python sources, C sources, wrapper."""
    digest = hashlib.sha256()
    files = [*package.rglob("*.py"), *(ROOT / "csrc").rglob("*.[ch]")]
    for path in sorted(files, key=lambda p: p.relative_to(ROOT).as_posix()):
        text = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()} {len(text)}\n".encode() + text)
    if wrapper is not None:
        digest.update(wrapper.read_bytes())
    return digest.hexdigest()


class BuildExt(build_ext):
    """The extension, and beside it wrapper object, headers and build id.

    An editable install writes into the tree, and leaves out what would go stale there when sources change: the
    headers are taken from csrc/include, and the pipeline looks at the sources themselves instead of a build id.

    gradc works without the extension, in the interpreter: an installation where it can't be built warns and goes on.
    An editable one, a developer's, fails with the compiler's text unless there is no compiler at all; so does any with
    GRADC_REQUIRE_EXTENSION=1.
    """

    def run(self) -> None:
        in_tree = bool(self.inplace or getattr(self, "editable_mode", False))
        compiler = shutil.which(os.environ.get("CC", "cc").split()[0])
        required = os.environ.get("GRADC_REQUIRE_EXTENSION") == "1" or (in_tree and compiler is not None)
        for extension in self.extensions:
            extension.optional = not required
        super().run()
        package = (ROOT if in_tree else Path(self.build_lib)) / "gradc"
        include, written = package / "runtime" / "include", package / "_build_id.txt"
        shutil.rmtree(include, ignore_errors=True)
        written.unlink(missing_ok=True)
        wrapper = self._wrapper(package / "runtime" / WRAPPER)
        if not in_tree:
            include.mkdir(parents=True)
            for header in HEADERS:
                shutil.copyfile(header, include / header.name)
            written.write_text(build_id(ROOT / "gradc", wrapper) + "\n")

    def build_extensions(self) -> None:
        """Sources are compiled side by side, as many as there are CPUs."""
        whole = self.compiler.compile

        def compile_all(sources: list[str], *args: object, **options: object) -> list[str]:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                made = pool.map(lambda source: whole([source], *args, **options), sources)
                return [name for objects in made for name in objects]

        self.compiler.compile = compile_all
        super().build_extensions()

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *(str(p.relative_to(ROOT)) for p in HEADERS)]

    def _wrapper(self, target: Path) -> Path | None:
        """Compile cffi's wrapper to `target`; None without a working compiler."""
        target.unlink(missing_ok=True)
        source = wrapper_source(Path(self.build_temp))
        compiler = getattr(self, "compiler", None)
        if compiler is None or isinstance(compiler, str):
            return None
        try:
            objects = compiler.compile([str(source)], output_dir=self.build_temp, extra_preargs=[*FLAGS, "-fPIC"],
                                       include_dirs=[str(ROOT / "csrc" / "include")])
        except _NO_COMPILER as error:
            print(f"gradc: no C compiler ({error}); functions will run in the interpreter", file=sys.stderr)
            return None
        shutil.copyfile(objects[0], target)
        return target


SOURCES = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "csrc").glob("*.c"))
DEPENDS = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "csrc").rglob("*.h"))

# NumPy's distributions of random numbers, as a static library; without it random numbers are drawn in the interpreter.
NPYRANDOM = Path(np.random.__file__).parent / "lib"
RANDOM = (NPYRANDOM / "libnpyrandom.a").exists()
# What was compiled: an import from a source tree compares it with what is there.
DIGEST = runpy.run_path(str(ROOT / "gradc" / "runtime" / "sources.py"))["digest"](str(ROOT / "csrc"))
MACROS = [("GRADC_SOURCES", f'"{DIGEST}"'), *[("GRADC_HAS_NPYRANDOM", "1")] * RANDOM]

os.chdir(ROOT)
setup(
    ext_modules=[Extension("gradc.runtime._dispatch", SOURCES, depends=DEPENDS, extra_compile_args=FLAGS,
                           include_dirs=[np.get_include(), "csrc/include"],
                           libraries=[*["npyrandom"] * RANDOM, "m", "dl", "pthread"], define_macros=MACROS,
                           library_dirs=[str(NPYRANDOM)] * RANDOM, optional=True)],
    cmdclass={"build_ext": BuildExt},
)
