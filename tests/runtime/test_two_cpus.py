"""One cache, two CPUs: a kernel compiled on this machine is not run on one that lacks its instructions.

The second CPU is emulated by `qemu-x86_64` (Debian's package qemu-user); without it, or on a CPU no better than the
emulated one, these tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gradc.runtime import toolchain

QEMU = shutil.which("qemu-x86_64")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(QEMU is None, reason="needs qemu-x86_64 (qemu-user)"),
    pytest.mark.skipif("avx2" not in toolchain.cpu_isa(), reason="this CPU has no more than the emulated one"),
]

PROGRAM = """
import json
import numpy as np
import gradc
from gradc import tensor as aet

x = aet.dvector("x")
f = gradc.function([x], gradc.grad(aet.sum(1 / (1 + aet.exp(-x))), x), name="slope")
values = np.linspace(-3, 3, 37)
s = 1 / (1 + np.exp(-values))
error = float(abs(f(values) - s * (1 - s)).max())
print(json.dumps({"mode": f.info["mode"], "cached": f.info["cached"], "isa": f.info["isa"], "key": f.info["key"],
                  "error": error}))
"""


def run(cache: Path, *emulator: str) -> dict[str, object]:
    environment = {**os.environ, "GRADC_CACHE_DIR": str(cache), "GRADC_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("OPENBLAS_CORETYPE", None)
    done = subprocess.run([*emulator, sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_an_older_cpu_on_the_same_cache_gets_a_kernel_of_its_own(tmp_path: Path) -> None:
    here = run(tmp_path)
    older = [run(tmp_path, str(QEMU), "-cpu", "Nehalem") for _ in range(2)]
    again = run(tmp_path)
    assert all(r["mode"] == "c" and r["error"] < 1e-14 for r in (here, *older, again))  # type: ignore[operator]
    assert [r["cached"] for r in (here, *older, again)] == [False, False, True, True]
    assert older[0]["key"] == older[1]["key"] != here["key"] == again["key"]
    assert older[0]["isa"] != here["isa"]
