"""Runs a static program on an emulated machine with AVX-512, where this one has none.

The emulator is Bochs, whose CPU `corei7_skylake_x` has it (`apt install bochs bochsbios vgabios bochs-term`; QEMU has
none).  No operating system is started: the emulated machine's ROM (`emulator/rom.S`, `emulator/linux.c`) enters 64-bit
mode, finds the program in memory, and answers the few system calls that a C library makes by itself.  BOCHS_ROOT names
a folder that Debian's packages were unpacked in, where they are not installed.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "emulator"
BASE = 0x400000         # where the program lies
SECONDS = 3000


def present() -> bool:
    """Can programs be run?"""
    return _bochs() is not None and shutil.which("script") is not None


def run(program: Path) -> str:
    """What a static x86-64 Linux program prints; it has no arguments, files or environment."""
    bochs = _bochs()
    if bochs is None:
        raise RuntimeError("AVX-512 needs a CPU that has it, or Bochs: apt install bochs bochsbios vgabios bochs-term")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "program.bin").write_bytes(_flat(program.read_bytes()))
        _rom(folder)
        root = Path(os.environ.get("BOCHS_ROOT", "/"))
        (folder / "bochsrc").write_text(f"""\
display_library: term
cpu: model=corei7_skylake_x, count=1, ips=400000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=1024, host=1024
romimage: file={folder}/rom.bin
vgaromimage: file={root}/usr/share/bochs/VGABIOS-lgpl-latest
optramimage1: file={folder}/program.bin, address={BASE:#x}
port_e9_hack: enabled=1
clock: sync=none
log: {folder}/log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
""")
        (folder / "rc").write_text("c\n")       # Debian's Bochs starts in its debugger
        libraries = f"{root}/usr/lib/x86_64-linux-gnu"
        environment = {**os.environ, "LTDL_LIBRARY_PATH": f"{libraries}/bochs/plugins", "TERM": "xterm",
                       "BXSHARE": f"{root}/usr/share/bochs"}
        if "BOCHS_ROOT" in os.environ:
            environment["LD_LIBRARY_PATH"] = libraries
        command = f"{bochs} -q -rc {folder}/rc -f {folder}/bochsrc"
        done = subprocess.run(["script", "-qfc", command, "/dev/null"], capture_output=True, text=True, env=environment,
                              stdin=subprocess.DEVNULL, timeout=SECONDS, errors="replace")
        return done.stdout.replace("\r", "")


def _bochs() -> str | None:
    root = os.environ.get("BOCHS_ROOT")
    return shutil.which(f"{root}/usr/bin/bochs-bin" if root else "bochs-bin")


def _flat(elf: bytes) -> bytes:
    """The program as it lies in memory from BASE on."""
    start, = struct.unpack_from("<Q", elf, 32)
    count, = struct.unpack_from("<H", elf, 56)
    image = bytearray()
    for k in range(count):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", elf, start + 56 * k)
        if kind == 1:
            at = address - BASE
            image.extend(bytes(max(0, at + size - len(image))))
            image[at:at + size] = elf[offset:offset + size]
    return bytes(image)


def _rom(folder: Path) -> None:
    flags = ("-O1", "-ffreestanding", "-fno-stack-protector", "-fcf-protection=none", "-mgeneral-regs-only",
             "-mno-red-zone", "-fPIC", "-fvisibility=hidden", "-fno-tree-loop-distribute-patterns")
    for argv in (["gcc", "-c", FOLDER / "rom.S", "-o", folder / "rom.o"],
                 ["gcc", *flags, "-c", FOLDER / "linux.c", "-o", folder / "linux.o"],
                 ["ld", "--no-warnings", "-T", FOLDER / "rom.ld", "-o", folder / "rom.elf", folder / "rom.o",
                  folder / "linux.o"],
                 ["objcopy", "-O", "binary", folder / "rom.elf", folder / "rom.bin"]):
        subprocess.run(argv, check=True, capture_output=True)
