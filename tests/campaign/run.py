"""The campaign: loop nests compiled as gradc does, with -O1, and by other compilers, and their numbers compared.

    python -m tests.campaign.run --nests 20000 --programs 2000

See README.md beside this file.  Exit status 1 if a build computes other numbers.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from gradc.loops.nodes import For, Kernel, Tile
from gradc.runtime import toolchain
from tests.campaign import builds, emulator, nests, programs, reduce

PER_KERNEL = 25         # nests of a hand-made Kernel
PER_BATCH = 4           # hand-made Kernels of a linked program
PROGRAMS = 20           # programs of gradc of one
Made = tuple[builds.Case, Kernel, Sequence[tuple[int, ...]]]


def hand_made(seed: int, count: int) -> list[Made]:
    """Kernels of random nests."""
    found: list[Made] = []
    for k in range(count):
        kernel = nests.kernel(random.Random(f"{seed}.{k}"), PER_KERNEL)
        found.append((builds.case(f"nests_{seed}_{k}", kernel), kernel, ()))
    return found


def gradcs_own(seed: int, count: int) -> list[Made]:
    """Kernels that gradc makes of random programs."""
    found: list[Made] = []
    for k in range(count):
        made = programs.program(random.Random(f"{seed}.{k}"))
        if made is not None and made[0].sections and not made[0].routines and not made[0].constants:
            found.append((builds.case(f"program_{seed}_{k}", *made), *made))
    return found


def count_nests(kernel: Kernel) -> int:
    """The loops that stand in no other."""
    return sum(type(s) in (For, Tile) for section in kernel.sections for s in section.body)


def compare(made: Sequence[Made], ways: Sequence[builds.Build]) -> list[builds.Fault]:
    with tempfile.TemporaryDirectory() as folder:
        return builds.compare([case for case, _, _ in made], ways, Path(folder))


def smallest(made: Made, fault: builds.Fault, ways: Sequence[builds.Build]) -> builds.Case:
    """The part of a Kernel that shows a fault, as a unit."""
    case, kernel, shapes = made
    pair = [ways[0], next(w for w in ways if w.name == fault.build)]

    def holds(candidate: Kernel) -> bool:
        return bool(compare([(builds.case(case.name, candidate, shapes), candidate, shapes)], pair))

    part = reduce.only(kernel, fault.output)
    return builds.case(case.name, reduce.reduced(part if holds(part) else kernel, holds), shapes)


def rotated(compilers: Sequence[str], batch: int, rotate: bool) -> list[str]:
    """The other compilers of a batch: all of them, or one in turn."""
    return [compilers[batch % len(compilers)]] if rotate and compilers else list(compilers)


class State:
    """What was done, in a file if one is given; where the file is there already, a run goes on from it."""

    def __init__(self, file: Path | None, seed: int) -> None:
        self.file = file
        self.seed, self.batch, self.faults = seed, 0, 0
        self.nests: dict[str, int] = {}         # of each build
        self.programs: dict[str, int] = {}
        if file is not None and file.exists():
            vars(self).update(json.loads(file.read_text()))

    def add(self, made: Sequence[Made], ways: Sequence[builds.Build], faults: int) -> None:
        """A batch is done."""
        own = sum(case.name.startswith("program") for case, _, _ in made)
        nests = sum(count_nests(kernel) for case, kernel, _ in made if not case.name.startswith("program"))
        for way in ways:
            self.nests[way.name] = self.nests.get(way.name, 0) + nests
            self.programs[way.name] = self.programs.get(way.name, 0) + own
        self.batch += 1
        self.faults += faults
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            new = self.file.with_suffix(".new")
            new.write_text(json.dumps({k: v for k, v in vars(self).items() if k != "file"}, indent=1) + "\n")
            new.replace(self.file)


def main(argv: Sequence[str] | None = None) -> int:
    """Run, report, write the reduced units."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nests", type=int, default=20_000, help="hand-made loop nests")
    parser.add_argument("--programs", type=int, default=2_000, help="programs of gradc")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--targets", default="v3,v4", help="instruction sets: v2, v3, v4 (of x86-64)")
    parser.add_argument("--compilers", default="", help="others that are compared: commands, with commas between them")
    parser.add_argument("--rotate", action="store_true", help="each unit by one of the other compilers only, in turn")
    parser.add_argument("--flags", default="", help="more flags for the builds that are compared")
    parser.add_argument("--out", default="campaign-out", help="where units that show a fault are written")
    parser.add_argument("--state", type=Path, help="a file for the counts; where it is there, the run goes on from it")
    options = parser.parse_args(argv)
    targets = [t for t in options.targets.split(",") if t]
    if "v4" in targets and "avx512f" not in toolchain.cpu_isa() and not emulator.present():
        print("v4 is left out: no AVX-512 here, and no Bochs (apt install bochs bochsbios vgabios bochs-term)")
        targets.remove("v4")
    compilers = [c for c in options.compilers.split(",") if c and shutil.which(c)]
    made_by = {c: [builds.production(f"x86-64-{t}", c, options.flags.split()) for t in targets]
               for c in ["", *compilers]}
    state, reference = State(options.state, options.seed), builds.reference()
    names = [w.name for w in (reference, *chain(*made_by.values()))]
    print("builds:", ", ".join(names), " seed", state.seed, flush=True)
    while (nests := state.nests.get(reference.name, 0)) < options.nests or \
            state.programs.get(reference.name, 0) < options.programs:
        made = hand_made(state.seed + state.batch, min(PER_BATCH, -(-max(options.nests - nests, 0) // PER_KERNEL)))
        left = options.programs - state.programs.get(reference.name, 0)
        made += gradcs_own(state.seed + state.batch, max(0, min(PROGRAMS, left)))
        ways = [reference, *chain(*[made_by[c] for c in ["", *rotated(compilers, state.batch, options.rotate)]])]
        reported = set()
        for fault in compare(made, ways):
            if (fault.case, fault.build) not in reported:
                reported.add((fault.case, fault.build))
                unit = smallest(next(m for m in made if m[0].name == fault.case), fault, ways)
                out = Path(options.out)
                out.mkdir(parents=True, exist_ok=True)
                file = out / f"{fault.case}_{fault.build.replace(' ', '_')}.c"
                file.write_text(unit.text)
                print(f"FAULT {fault.case}, {fault.build}: {file}", flush=True)
        state.add(made, ways, len(reported))
        print(f"{state.nests[reference.name]} nests, {state.programs[reference.name]} programs, {state.faults} faults",
              flush=True)
    for name, nests in state.nests.items():
        print(f"{name}: {nests} nests, {state.programs[name]} programs")
    return int(state.faults > 0)


if __name__ == "__main__":
    sys.exit(main())
