"""Builds of C units by several compilers and flags, linked into one program that compares what they compute.

The program runs on this machine, or, where a build needs AVX-512 and the machine has none, on an emulated one
(`emulator.py`).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from gradc.codegen import unit
from gradc.config import config
from gradc.loops.nodes import Kernel
from gradc.record import record
from gradc.runtime import toolchain
from gradc.target import TARGET
from tests.campaign import emulator

HERE = Path(__file__).resolve().parent
KINDS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
SIZES = {"n": 37, "m": 21}          # of the symbolic sizes: neither a multiple of a vector's or a tile's
CAPACITY = 37 * 21 * 18


@record
class Build:
    """A compiler and its flags; `name` is what reports call it."""

    name: str
    command: tuple[str, ...]
    flags: tuple[str, ...]


@record
class Case:
    """A unit with the sizes it is called with."""

    name: str
    text: str
    inputs: tuple[tuple[str, tuple[int, ...]], ...]         # dtype and sizes of each
    outputs: tuple[tuple[str, int], ...]                    # dtype and rank of each
    known: int                                              # how many int64_t prepare leaves for entry
    optimize: str = "-O3"


@record
class Fault:
    """An output that a build computes otherwise than the first build does."""

    case: str
    build: str
    output: int


def case(name: str, kernel: Kernel, shapes: Sequence[tuple[int, ...]] = ()) -> Case:
    """A Kernel's unit; its inputs have `shapes`, or those that SIZES gives."""
    made = unit.generate(kernel)
    known = shapes or [tuple(d if isinstance(d, int) else SIZES.get(d, CAPACITY) for d in b.shape)
                       for b in kernel.inputs]
    return Case(name, made.text, tuple((b.dtype, tuple(shape)) for b, shape in zip(kernel.inputs, known)),
                tuple((b.dtype, len(b.shape)) for b in kernel.outputs), made.known,
                TARGET.level(made.statements, made.deepest))


def production(target: str, command: str = "", extra: Sequence[str] = ()) -> Build:
    """What gradc compiles with at default settings on a CPU of level `target`."""
    with config.change_flags(cc=command, cc_flags=""):
        found = toolchain.find()
        flags = toolchain.unit_flags(found, target=toolchain.LEVELS[target])
    flags = [f for f in flags if f not in ("-shared", "-fPIC")]
    kind = Path(found.command[0]).name if command else found.kind
    return Build(f"{kind} {target[-2:]}{''.join(' ' + f for f in extra)}", found.command, (*flags, *extra))


def reference(command: str = "") -> Build:
    """The same unit with little optimisation, and no vectors."""
    made = production("x86-64-v3", command)
    return Build(made.name.replace(" v3", " -O1"), made.command, tuple("-O1" if f == "-O3" else f for f in made.flags))


def compare(cases: Sequence[Case], builds: Sequence[Build], folder: Path) -> list[Fault]:
    """Build every case in every way (the first is the reference), run all, and list where they differ."""
    objects = []
    lines = ['#include "driver.c"']
    rows = []
    for number, c in enumerate(cases):
        source = folder / f"case_{number}.c"
        source.write_text(c.text)
        made = []
        for k, b in enumerate(builds):
            symbols = [f"{part}_{number}_{k}" for part in ("prepare", "entry")]
            out = folder / f"case_{number}_{k}.o"
            compile_object(b, source, out, [f"-Dgradc_prepare={symbols[0]}", f"-Dgradc_entry={symbols[1]}"], c.optimize)
            objects.append(str(out))
            lines.append(f"int {symbols[0]}(gradc_frame *), {symbols[1]}(gradc_frame *);")
            made.append(f'{{"{b.name}", {symbols[0]}, {symbols[1]}}}')
        counts = []
        for _, shape in c.inputs:
            count = 1
            for d in shape:
                count *= d
            counts.append(count)
        arrays = {
            "kinds": ("int", [KINDS.index(d) for d, _ in c.inputs]),
            "outs": ("int", [KINDS.index(d) for d, _ in c.outputs]),
            "ranks": ("int", [r for _, r in c.outputs]), "counts": ("int64_t", counts),
            "sizes": ("int64_t", [d for _, shape in c.inputs for d in shape]),
        }
        for name, (kind, values) in arrays.items():
            lines.append(f"static const {kind} {name}_{number}[] = {{{', '.join(map(str, values or [0]))}}};")
        lines.append(f"static const build builds_{number}[] = {{{', '.join(made)}}};")
        rows.append(f'{{"{c.name}", {len(c.inputs)}, {len(c.outputs)}, {len(builds)}, kinds_{number}, outs_{number}, '
                    f"ranks_{number}, counts_{number}, sizes_{number}, {c.known}, builds_{number}}}")
    lines += [f"const unit units[] = {{{', '.join(rows)}}};", f"const int unit_count = {len(cases)};"]
    main = folder / "main.c"
    main.write_text("\n".join(lines) + "\n")
    program = folder / "program"
    include = [f"-I{HERE}", f"-I{toolchain.include_dir()}"]
    run_tool([*toolchain.find().command, "-O1", "-g0", "-static", "-no-pie", *include, str(main), *objects, "-lm", "-o",
              str(program)])
    output = execute(program, needs_avx512=any("-mavx512f" in b.flags for b in builds))
    if not re.search(r"^\d+ units, \d+ faults$", output, re.M):
        raise RuntimeError(f"the program of the campaign did not end as it should:\n{output[-2000:]}")
    found = re.findall(r"^FAULT (\S+) (.+?) (?:output|status) (\d+)", output, re.M)
    return list(dict.fromkeys(Fault(name, build, int(at)) for name, build, at in found))


def compile_object(build: Build, source: Path, out: Path, extra: Sequence[str], optimize: str) -> None:
    flags = [optimize if f == "-O3" else f for f in build.flags]
    include = f"-I{toolchain.include_dir()}"
    run_tool([*build.command, "-pipe", *flags, *extra, include, "-c", str(source), "-o", str(out)])


def execute(program: Path, needs_avx512: bool) -> str:
    if needs_avx512 and "avx512f" not in toolchain.cpu_isa():
        return emulator.run(program)
    return subprocess.run([str(program)], capture_output=True, text=True, timeout=600).stdout


def run_tool(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)} failed:\n{done.stderr[-2000:]}")

