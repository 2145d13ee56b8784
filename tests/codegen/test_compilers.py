"""The C compiler's wrong numbers: what the table of faults shuts out, and a short form of the campaign.

The long form is `make nightly` (tests/campaign/README.md).
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gradc.codegen import unit
from gradc.loops.nodes import Kernel
from gradc.record import replace
from gradc.runtime import toolchain
from gradc.target import FAULTS, CompilerFault
from tests.campaign import builds, nests, reduce, run

REDUCED = Path(builds.__file__).parent / "reduced"
OTHERS = [name for name in ("gcc", "clang") if shutil.which(name)]


def assembly(source: Path, build: builds.Build, *more: str) -> str:
    argv = [*build.command, *build.flags, *more, f"-I{toolchain.include_dir()}", "-S", "-o", "-", str(source)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("fault", FAULTS, ids=[f.reduced for f in FAULTS])
def test_the_flag_of_a_fault_shuts_it_out(fault: CompilerFault, tmp_path: Path) -> None:
    """A program that tests itself, built by each compiler here with what gradc would give it."""
    target = "x86-64-v4" if fault.needs in toolchain.LEVELS["x86-64-v4"][-5:] else "x86-64-v3"
    for command in OTHERS:
        build = builds.production(target, command)
        if toolchain.runs_here(toolchain.LEVELS[target]):
            program = tmp_path / command
            subprocess.run([*build.command, *build.flags, str(REDUCED / fault.reduced), "-o", str(program)], check=True)
            assert subprocess.run([str(program)]).returncode == 0, build.name
        elif command == "gcc":
            assert "zmm" not in assembly(REDUCED / fault.reduced, build)


def test_no_masked_loads_and_no_permuted_doubles(tmp_path: Path) -> None:
    """What gcc's faults come from is not in its code, for CPUs with AVX-512 too, whether this one has it or not."""
    if toolchain.find().kind != "gcc":
        pytest.skip("these are faults of gcc")
    source = tmp_path / "unit.c"
    source.write_text(unit.generate(nests.kernel(random.Random(1), 25)).text)
    text = assembly(source, builds.production("x86-64-v4"), f"-fdump-tree-optimized={tmp_path / 'tree'}")
    tree = (tmp_path / "tree").read_text()
    assert "vector(8) double" in tree or "vector(4) double" in tree
    assert not re.search(r"\.MASK_(LOAD|STORE)", tree)
    assert not re.search(r"vpermilpd.*%zmm", text)


@pytest.mark.parametrize("targets, programs", [
    (["x86-64-v3"], 3), pytest.param(["x86-64-v3", "x86-64-v4"], 8, marks=pytest.mark.nightly)])
def test_the_campaign_in_short(targets: list[str], programs: int) -> None:
    """25 nests made by hand and some programs, as gradc compiles them here and by other compilers, against -O1."""
    targets = [t for t in targets if toolchain.runs_here(toolchain.LEVELS[t])]
    ways = [builds.reference(), *[builds.production(t, c) for t in targets for c in OTHERS]]
    made = [*run.hand_made(0, 1), *run.gradcs_own(0, programs)]
    assert run.count_nests(made[0][1]) >= 25 and len(made) > programs // 2
    assert run.compare(made, ways) == []


def test_the_campaign_finds_a_fault(tmp_path: Path) -> None:
    """A build that takes minima for maxima is found, in an output of a section that has one."""
    ways = [way := builds.reference(), builds.Build("wrong", way.command, (*way.flags, "-DWRONG"))]
    kernel = nests.kernel(random.Random(2), 4)

    def faults(candidate: Kernel) -> list[builds.Fault]:
        case = builds.case("case", candidate)
        head, include, body = case.text.partition("#include <gradc_math.h>\n")
        text = f"{head}{include}#ifdef WRONG\n#define gradc_maximum_f64 gradc_minimum_f64\n#endif\n{body}"
        return builds.compare([replace(case, text=text)], ways, tmp_path)

    found = faults(kernel)
    assert found and {f.build for f in found} == {"wrong"}
    part = reduce.only(kernel, found[0].output)
    assert len(part.sections) == 1 and faults(part)


def test_kernels_are_reduced_to_what_a_condition_needs() -> None:
    kernel = nests.kernel(random.Random(8), 4)

    def holds(candidate: Kernel) -> bool:
        return "gradc_maximum_f64(" in unit.generate(candidate).text

    assert holds(kernel)
    least = reduce.reduced(kernel, holds, tries=1000)
    body = unit.generate(least).text.split("/* ----")[1].split("int gradc_prepare")[0]
    assert holds(least) and len(least.sections) == 1 and body.count(";") < 12, body
