"""cpu_features: what the kernel reports, under gcc's names; every name is a flag of the compiler."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from gradc.runtime import _dispatch
from tests.csrc import units

KERNEL_NAMES = {"sse3": "pni", "sse4.1": "sse4_1", "sse4.2": "sse4_2", "sahf": "lahf_lm", "lzcnt": "abm", "bmi": "bmi1",
                "avx512vbmi2": "avx512_vbmi2", "avx512vnni": "avx512_vnni", "avx512bitalg": "avx512_bitalg",
                "avx512vpopcntdq": "avx512_vpopcntdq"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86 only")
def test_features_are_those_of_the_kernel() -> None:
    flags = set()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            flags = set(line.split(":")[1].split())
            break
    found = _dispatch.cpu_features()
    assert len(found) == len(set(found))
    assert {KERNEL_NAMES.get(name, name) for name in found} <= flags
    known = ("avx", "avx2", "fma", "f16c", "avx512f", "avx512vl", "bmi2", "popcnt", "movbe", "cx16")
    assert [n for n in known if n in flags] == [n for n in known if n in found]


def test_names_are_compiler_flags(tmp_path: Path) -> None:
    source = tmp_path / "empty.c"
    source.write_text("int x;\n")
    subprocess.run([units.CC, *(f"-m{name}" for name in _dispatch.cpu_features()), "-c", str(source), "-o",
                    str(tmp_path / "empty.o")], check=True)
