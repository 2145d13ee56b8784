"""What a type checker says of users' programs: nothing of README's tour, and where each mistake is."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each line is a user's; `# ...` is its type, `# error: ...` what is wrong with it.
LINES = """
x, m = aet.dvector("x"), aet.matrix("m", dtype="float32")
aet.exp(x).sum(axis=0)                          # TensorVariable
1 / x[::2] ** 2 - m.T                           # TensorVariable
aet.dmatrices("a", "b")                         # list[TensorVariable]
gradc.shared(np.zeros(3)).get_value()           # ndarray
gradc.grad(x.sum(), x)                          # TensorVariable
gradc.grad(x.sum(), [x, m])                     # list[TensorVariable]
aet.jacobian(x, x, sparse=True).indptr          # TensorVariable
gradc.gradient.Rop([x, x], x, x)                # list[TensorVariable]
gradc.ifelse(x.any(), x, 2 * x)                 # TensorVariable
gradc.function([x], x)                          # Function[ndarray]
gradc.function([x], [x, m], name="f")([1.0])    # list[ndarray]
gradc.function([x], {"sum": x.sum()})([1.0])    # dict[str, ndarray]
aet.exp("a")                                    # error: Argument 1 to "exp" has incompatible type "str"
aet.epx(x)                                      # error: Module has no attribute "epx"
x + "a"                                         # error: Unsupported operand types
x.sum(axis="rows")                              # error: Argument "axis"
x.sum(axes=1)                                   # error: Unexpected keyword argument "axes"
x.nothing                                       # error: "TensorVariable" has no attribute "nothing"
aet.reshape(x, "a")                             # error: Argument 2 to "reshape" has incompatible type "str"
gradc.function(x)                               # error: No overload variant of "function"
gradc.function([x], x, profil=True)             # error: No overload variant of "function"
gradc.function([x], x).nothing                  # error: "Function[ndarray[Any, Any]]" has no attribute "nothing"
gradc.grad(x)                                   # error: No overload variant of "grad"
gradc.scan(x)                                   # error: incompatible type "TensorVariable"
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What mypy says about two files of a user, in one run: file:line -> text."""
    folder = tmp_path_factory.mktemp("user")
    tour = doctest.DocTestParser().get_examples((ROOT / "README.md").read_text())
    (folder / "tour.py").write_text("".join(example.source for example in tour))
    lines = ["import numpy as np", "import gradc", "from gradc import tensor as aet", *LINES.strip().splitlines()]
    lines[4:] = [line if "# error" in line else f"reveal_type({line.partition('#')[0].strip()})" for line in lines[4:]]
    (folder / "lines.py").write_text("\n".join(lines))
    # As the tree is no installed package, mypy would report its errors, too: those are for `make lint`.
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports", "silent", "--no-error-summary",
               "--python-version", "3.10", "--cache-dir", str(ROOT / ".mypy_cache" / "users"), "tour.py", "lines.py"]
    done = subprocess.run(command, cwd=folder, env={"MYPYPATH": str(ROOT)}, capture_output=True, text=True)
    assert not done.stderr, done.stderr
    found: dict[str, str] = {}
    for place, text in re.findall(r"^(\w+\.py:\d+): ((?:error|note): .*)$", done.stdout, re.MULTILINE):
        found[place] = found.get(place, "") + text + "\n"
    return found


def test_the_tour_is_right(checked: dict[str, str]) -> None:
    assert [f"{place} {text}" for place, text in checked.items() if place.startswith("tour")] == []


@pytest.mark.parametrize("number", range(1, len(LINES.strip().splitlines())))
def test_line(checked: dict[str, str], number: int) -> None:
    code, _, wanted = LINES.strip().splitlines()[number].partition("# ")
    said = checked.get(f"lines.py:{number + 4}", "")
    if wanted.startswith("error"):
        assert said.startswith("error") and wanted.removeprefix("error: ") in said, code
    else:
        plain = re.sub(r"ndarray\[(?:[^][]|\[[^]]*\])*\]", "ndarray", re.sub(r"\b(?:\w+\.)+", "", said))
        assert f'"{wanted}"' in plain, said


def test_what_is_installed_says_that_it_is_typed(tmp_path: Path) -> None:
    """By the step of the build that copies Python files; a whole wheel would compile for half a minute."""
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "gradc" / "py.typed").exists()
