"""The C text: one golden file for readers, the same bytes always, no warnings, clean under sanitizers.

`make golden` (GRADC_UPDATE_GOLDEN=1) writes the golden file anew; read the difference before committing it.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.codegen import unit
from gradc.config import config
from gradc.errors import Unsupported
from gradc.ir.convert import to_program
from gradc.ir.program import Program
from gradc.loops.lower import lower
from gradc.passes import phases
from tests.cases import CASES
from tests.loops.test_fuzz import grown
from tests.seeds import first_by_day

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "softmax_rows.c"
INCLUDE = ROOT / "csrc" / "include"


def find(name: str) -> str | None:
    """A compiler, perhaps with its version in its name."""
    versions = [f"{name}-{n}" for n in range(20, 10, -1)]
    return next((found for n in (name, *versions) if (found := shutil.which(n))), None)


def softmax_rows() -> str:
    """The unit of the golden file."""
    x = at.dmatrix("x")
    y = at.exp(x - at.max(x, axis=1, keepdims=True))
    y = y / at.sum(y, axis=1, keepdims=True)
    y.name = "y"
    return gradc.function([x], y, name="softmax_rows", mode="interpret").c_source()


def test_golden_file_is_what_is_generated():
    text = softmax_rows()
    if os.environ.get("GRADC_UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text, encoding="ascii")
    golden = GOLDEN.read_text(encoding="ascii")
    difference = "\n".join(difflib.unified_diff(golden.splitlines(), text.splitlines(), "golden", "now", lineterm=""))
    assert text == golden, f"`make golden` writes the file anew, if this is meant:\n{difference}"


def test_golden_file_is_fit_to_read():
    lines = GOLDEN.read_text(encoding="ascii").splitlines()
    assert max(map(len, lines)) <= 120
    assert not any(line != line.rstrip() or "\t" in line for line in lines)
    assert any("softmax_rows" in line for line in lines[:2])


SCRIPT = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from gradc.codegen import unit
from gradc.config import config
from gradc.ir.convert import to_program
from gradc.loops.lower import lower
from gradc.errors import Unsupported
from gradc.passes import phases
from tests.cases import CASES
from tests.codegen.test_golden import softmax_rows
digest = hashlib.sha256(softmax_rows().encode())
for case in CASES[::40]:
    inputs = case.variables()
    try:
        text = unit.generate(lower(phases.optimize(to_program(inputs, case.outputs(inputs))), "f")).text
    except Unsupported:
        continue
    digest.update(text.encode())
print(digest.hexdigest())
"""


def test_equal_graphs_give_equal_bytes_whatever_the_hash_seed():
    running = [subprocess.Popen([sys.executable, "-c", SCRIPT, str(ROOT)], stdout=subprocess.PIPE, text=True,
                                env={**os.environ, "PYTHONHASHSEED": str(seed)}) for seed in range(2)]
    digests = [process.communicate()[0] for process in running]
    assert all(process.returncode == 0 for process in running)
    assert len(set(digests)) == 1


# -- warnings


def programs(every: int) -> Iterator[tuple[str, Program]]:
    """Cases' Programs as written and optimised, and random ones; every so many of them."""
    for case in CASES[::every]:
        inputs = case.variables()
        program = to_program(inputs, case.outputs(inputs))
        yield case.id, program
        yield f"{case.id} optimised", phases.optimize(program)
    for seed in range(0, 40, every):
        yield f"random {seed}", grown(seed)[0]


OWN_NAMES = re.compile(r"(?<!->)\b(gradc_prepare|gradc_entry|measure|sizes|fold_\w+"
                       r"|(?:section|measure|prepare|entry)_\d\w*)\b")


@pytest.fixture(scope="module", params=[pytest.param(5, id="every fifth"),
                                        pytest.param(1, id="all", marks=pytest.mark.nightly)])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All different units in one file, each with names of its own: the headers are read once.

    Units that define special functions have a file each.
    """
    texts: dict[str, str] = {}
    for name, program in programs(request.param):
        try:
            texts.setdefault(unit.generate(lower(program, "f")).text, name)
        except Unsupported:
            continue
    assert len(texts) > 500 // request.param
    folder = tmp_path_factory.mktemp("units")
    own = re.compile(r"^static .*\bgradc_\w+\(", re.MULTILINE)
    alone = [text for text in texts if "GRADC_LANES" in text or own.search(text)]
    together = "".join(f"/* {name.replace('*', '')} */\n" + OWN_NAMES.sub(rf"\g<1>_unit{number}", text)
                       for number, (text, name) in enumerate(texts.items()) if text not in alone)
    paths = [folder / f"{k}.c" for k in range(1 + len(alone))]
    for path, text in zip(paths, [together, *alone]):
        path.write_text(text, encoding="ascii")
    return paths


def complaints(compiler: str, sources: list[Path], *flags: str) -> str:
    """What a compiler says about files."""
    ran = subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", *flags, "-fsyntax-only",
                          f"-I{INCLUDE}", *map(str, sources)], capture_output=True, text=True)
    return ran.stderr[:4000] if ran.returncode else ""


# bool & bool is meant: it has no branch, so that loops become vector code
DELIBERATE = {"gcc": ("-fopenmp-simd",), "clang": ("-Wno-unknown-warning-option", "-Wno-bitwise-instead-of-logical")}


@pytest.mark.parametrize("name", DELIBERATE)
def test_units_are_free_of_warnings(source: list[Path], name: str):
    compiler = find(name)
    if compiler is None:
        assert name != "gcc", "the tests need gcc"
        pytest.skip(f"no {name} here")
    assert complaints(compiler, source, *DELIBERATE[name]) == ""


def _optimised(x, t):
    """Programs whose sizes gcc 12 at -O3 took for uninitialised."""
    yield t, at.set_subtensor(t[..., 0], 1.0)
    yield t, t.reshape((6, 4))
    yield t, t.min(axis=-1)
    yield x, at.set_subtensor(x[1:, ::2], x[:-1, 1::2])
    yield x, at.special.softmax(x, axis=0)


def test_optimised_units_are_free_of_warnings():
    """-fsyntax-only follows no values; what the optimizer sees has to be clean as well."""
    with config.change_flags(cc_flags="-Wall -Wextra -Werror"):
        for v, y in _optimised(at.dmatrix("x"), at.dtensor3("t")):
            gradc.function([v], [y, gradc.grad((y * y).sum() + at.sin(y).sum(), v)], mode=gradc.Mode("c"))


# -- sanitizers

SANITIZED = """
import sys
sys.path.insert(0, sys.argv[1])
from gradc.config import config
from tests.loops.test_fuzz import agrees
config.cache_dir = sys.argv[2]
config.cc_flags = "-fsanitize=address,undefined -fno-sanitize-recover=all -g1 -O1"
for seed in range(int(sys.argv[3]), int(sys.argv[4])):
    agrees(seed)
print("done")
"""


@pytest.mark.slow
@pytest.mark.parametrize("first", first_by_day(range(600, 660, 3), 1))
def test_random_units_run_under_sanitizers(first: int, tmp_path: Path):
    """No access outside of an array, no signed overflow; arrays are NumPy's, of the sanitizer's malloc."""
    gcc = find("gcc")
    assert gcc, "the tests need gcc"
    libraries = [subprocess.run([gcc, f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
                 for name in ("libasan.so", "libubsan.so")]
    if not all(map(os.path.isabs, libraries)):
        pytest.skip("this compiler has no sanitizers")
    ran = subprocess.run([sys.executable, "-c", SANITIZED, str(ROOT), str(tmp_path), str(first), str(first + 3)],
                         capture_output=True, text=True, timeout=280,
                         env={**os.environ, "LD_PRELOAD": " ".join(libraries), "PYTHONMALLOC": "malloc",
                              "ASAN_OPTIONS": "detect_leaks=0", "GRADC_CC": gcc, "GRADC_NUM_THREADS": "1"})
    assert ran.returncode == 0 and ran.stdout.strip() == "done", (ran.stdout + ran.stderr)[-4000:]


def test_numbers_are_written_so_that_they_read_back():
    """Constants of every kind of value come through the text bit for bit."""
    values = [0.0, -0.0, 1.0, -1.5, 0.1, 1e300, -5e-324, np.pi, np.inf, -np.inf, np.nan]
    x = at.dscalar("x")
    f = gradc.function([x], [at.where(x > 0, v, x) for v in values], mode=gradc.Mode("c", None))
    assert np.array(f(1.0)).tobytes() == np.array(values).tobytes()
    x = at.lscalar("x")
    whole = [0, -1, 2**31, -2**31, 2**63 - 1, -2**63]
    f = gradc.function([x], [at.where(at.gt(x, 0), np.int64(v), x) for v in whole], mode=gradc.Mode("c", None))
    assert [int(v) for v in f(1)] == whole
