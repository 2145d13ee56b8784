"""The parts of csrc that know no Python, under gcc's sanitizers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.csrc import units


@pytest.mark.parametrize("kind", ["thread", pytest.param("address,undefined", marks=pytest.mark.slow)])
def test_pool_and_gemm_under_sanitizers(tmp_path: Path, kind: str) -> None:
    csrc, target = units.ROOT / "csrc", tmp_path / "main"
    argv = [units.CC, "-g", "-O1", "-std=c11", "-Wall", "-Wextra", f"-fsanitize={kind}", "-fno-sanitize-recover=all",
            f"-I{csrc}", f"-I{csrc / 'include'}", str(Path(__file__).with_name("pool_main.c")), str(csrc / "pool.c"),
            str(csrc / "gemm.c"), str(csrc / "cpu.c"), "-o", str(target), "-lpthread"]
    made = subprocess.run(argv, capture_output=True, text=True)
    if made.returncode:
        if "cannot find" in made.stderr or "unsupported" in made.stderr:
            pytest.skip("this compiler has no such sanitizer")
        pytest.fail(made.stderr)
    ran = subprocess.run([str(target)], capture_output=True, text=True, timeout=120)
    if "unexpected memory mapping" in ran.stderr:
        pytest.skip("the thread sanitizer does not run under this kernel")
    assert ran.returncode == 0, ran.stderr[:3000]


@pytest.mark.parametrize("effort", ["-fsyntax-only", pytest.param("-O2", marks=pytest.mark.nightly)])
def test_c_is_free_of_warnings(effort: str, tmp_path: Path) -> None:
    """Those of the code's flow need -O2, which takes a minute and a half."""
    for source in ("pool.c", "blas.c", "gemm.c", "linalg.c", "sort.c", "routines.c", "cpu.c", "covariance.c"):
        subprocess.run([units.CC, effort, "-std=c11", "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Werror",
                        f"-I{units.ROOT / 'csrc' / 'include'}", "-c", str(units.ROOT / "csrc" / source), "-o",
                        str(tmp_path / "x.o")], check=True)
