"""Writes `docs/functions.md`: each public function of `gradc.tensor` with its dtypes, batches, derivatives and route.

All of it is computed: the functions and their families from the modules, what they take by building the rows of
`tests/cases.py` with arguments of other dtypes and with a further axis; the derivatives by what these rows test.
`python -m docs.functions_page` prints the page, `--write` puts it into the file; a test compares.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradc
import gradc.tensor as at
from gradc.errors import GradcError
from gradc.ir import ops
from gradc.ir.convert import to_program
from gradc.ir.scalars import get_row
from gradc.ir.types import TensorType
from gradc.loops.lower import unsupported
from tests.cases import CASES
from tests.cases_base import Case
from tests.dtype_cases import with_dtype

PAGE = Path(__file__).parent / "functions.md"
DTYPES = {"bool": "bool", "int64": "int", "float16": "float16", "float32": "float32", "float64": "float64",
          "complex128": "complex"}
HEAD = """# Functions

Written by `docs/functions_page.py`: the public functions of `gradc.tensor` by family, each tested by its rows in
`tests/cases.py`.

- **takes**: kinds of dtypes of the arguments that are floats in those rows (of all arguments, where none is). Where a
  function is not one of integers, integers and bools become floatX.
- **rows**: `vectorize` over new axes of these arguments. "at once": one vectorised expression; "loop": a loop over
  the rows for some forms; "one size": refused where sizes of results would differ from row to row.
- **derivatives**: orders that are tested, by reverse and forward mode, against complex steps (2) or differences (1);
  "-" where the function is piecewise constant, or of integers.
- **C**: whether it runs in a kernel.
- **error**: of an elementwise function that is one operation the bound for float64, in units in the last place; else
  the relative difference from NumPy, SciPy or mpmath that tests allow. Of float32 the bound holds in its own units; of
  float16 there is one rounding more. `tests/test_dtype_table.py` compares every function of every dtype it takes.

## Dtypes of Python numbers

Functions of several arguments compute in the dtype that NumPy promotes theirs to: int32 and float32 give float64,
uint64 and int64 float64; `+` and `*` of bools are or and and, `-` refuses bools. Which dtype a Python number (a bool,
int, float or complex; not NumPy's scalars, which have one) brings along is what `config.cast_policy` says when the
graph is built:

| x | expression | `custom` | `numpy+floatX` | `weak` |
|---|---|---|---|---|
| float32 | `x * 2.5` | float32 | float64 | float32 |
| float32 | `x * 0.1` | float64 | float64 | float32 |
| float32 | `x + 100000` | float64 | float64 | float32 |
| float32 | `x * 2j` | complex128 | complex128 | complex64 |
| int8 | `x + 1` | int8 | int64 | int8 |
| int8 | `x + 1000` | int16 | int64 | OverflowError |
| int64 | `x * 0.5` | float64 | float64 | float64 |
| bool | `x + 1` | int8 | int64 | int64 |
| | `constant(1)` | int8 | int64 | int64 |
| | `constant(0.5)` | float32 | float64 | float64 |

These are the dtypes for floatX float64. With floatX float32 Python floats are float32 under each policy, and

- `custom`, Aesara's and the default: ints are the smallest signed dtype that holds them, floats float32 where that is
  exact;
- `numpy+floatX`, Aesara's too: ints are int64; integers become float32 where they would make a float64 of what is none
  (int64 and float32);
- `weak`, the rule of NumPy 2, JAX and PyTorch: a number takes the dtype of the arrays it meets if that is of its kind
  (bool, integer, float, complex) or a higher one. Else it is int64, floatX or complex with such parts, and integers
  beside a float become floatX. So a float32 model stays float32.

`weak` acts wherever numbers meet tensors: operators, elementwise functions, `switch` and `where`, `clip`,
`set_subtensor`, `stack` and lists that hold variables, products, `ifelse`. An int that the dtype does not hold is an
OverflowError with the line; comparisons see the number itself, and for `clip` such a bound is none. What has no array
beside it (`full`, `constant`, the first value of a loop) is int64 or floatX; lists of numbers are arrays.

## float16, and integers

float16 (`tensor("x", dtype="float16", shape=(None,))`) is how numbers are kept: inputs, results, shared variables,
constants, gradients. What is computed of them is computed in float32, sums in float64, and is rounded where it leaves
the function, is stacked by a loop, is put into a part of an array or is cast to float16; what a loop carries from step
to step is not rounded. NumPy rounds after each operation; so results differ from NumPy's by less than those differ
from the exact value, and 65504 is no limit for what stands between. Beside integers of up to 8 bits the dtype is
float16, 16 bits float32, more float64. Python floats that float16 holds exactly (2.5, not 0.1) are float16 beside one
for `custom`, too. Conversions are those of NumPy bit by bit. Linear algebra (as in NumPy), `spacing`, `nextafter`,
`verify_grad`, sparse matrices and `CFunction` refuse float16; Fourier transforms give float32 and complex64.

Integers wrap around. Division and remainder by 0 give 0. uint64 beside signed integers is computed in float64, as in
NumPy, but compared exactly. Casts from floats truncate and saturate, nan gives 0 (NumPy leaves that to the processor).
Functions with values in the reals make float32 of integers of up to 16 bits, which includes bools (NumPy: float16 of 8
bits), else float64; `floor`, `ceil` and `trunc` are such functions. Sums of integers are int64 or uint64. A negative
power of integers is the truncated one (NumPy: ValueError).
"""


def _function(name: str) -> Any:
    found: Any = at.TensorVariable if name == "getitem" else at
    for part in ("__getitem__" if name == "getitem" else name).split("."):
        found = getattr(found, part)
    return found


def _family(name: str) -> str:
    """The first sentence of the module that the function is from."""
    if name.startswith("linalg."):
        return "Linear algebra"
    module = inspect.getmodule(_function(name))
    first = re.split(r"[:.;](?:\s|$)", (module and module.__doc__) or "", maxsplit=1)[0]
    return " ".join(first.split())


def _builds(case: Case) -> bool:
    try:
        case.outputs(case.variables())
    except (GradcError, TypeError, ValueError):
        return False
    return True


def _loops(outputs: list[Any], inputs: list[Any]) -> int:
    """How many loops are in the graph."""
    return sum(type(eqn.op) is ops.Scan for eqn in to_program(inputs, outputs).eqns)


def _rows(case: Case) -> str | None:
    """What becomes of the case with rows of its floats; None where it has no arguments."""
    floats = any(a.dtype.startswith("float") for a in case.args)
    flags = [a.dtype.startswith("float") or not floats for a in case.args]
    if not flags:
        return None
    plain = case.variables()
    given = [TensorType(v.dtype, (None, *v.type.shape))(v.name) if f else v for v, f in zip(plain, flags)]
    try:
        made = gradc.vectorize(case.build, [0 if f else None for f in flags])(*given)
    except GradcError:
        return "one size"
    outputs = list(made) if isinstance(made, (list, tuple)) else [made]
    return "loop" if _loops(outputs, given) > _loops(case.outputs(plain), plain) else "at once"


def _in_c(case: Case) -> bool:
    inputs = case.variables()
    return unsupported(to_program(inputs, case.outputs(inputs))) is None


def _error(cases: list[Case]) -> str:
    """The bound of the row, or else the largest tolerance."""
    for case in cases:
        inputs = case.variables()
        node = case.outputs(inputs)[0].owner
        if node is not None and type(node.op) is ops.Map and all(x in inputs for x in node.inputs):
            bound = get_row(node.op.fn).ulp
            return f"{bound:g} ulp" if bound else "exact"
    return f"{max(c.rtol for c in cases):.0e}".replace("e-0", "e-")


def _line(name: str, cases: list[Case]) -> str:
    """The row of a function."""
    taken = [word for dtype, word in DTYPES.items() if any(_builds(with_dtype(c, dtype)) for c in cases if c.args)]
    rows = {_rows(c) for c in cases} - {None}
    words = [word for word in ("at once", "loop", "one size") if word in rows]
    order = max((2 if c.grad == "complex" else 1) if c.differentiable() else 0 for c in cases)
    cells = [f"`{name}`", ", ".join(taken), ", ".join(words), str(order or "-"),
             "yes" if all(map(_in_c, cases)) else "no" if not any(map(_in_c, cases)) else "partly", _error(cases)]
    return f"| {' | '.join(cells)} |"


def page() -> str:
    """The text of the page."""
    return "\n".join([HEAD, *_tables()]) + "\n"


def _tables() -> Iterator[str]:
    cases: dict[str, list[Case]] = {}
    for case in CASES:
        cases.setdefault(case.name, []).append(case)
    families: dict[str, list[str]] = {}
    for name in cases:
        families.setdefault(_family(name), []).append(name)
    for family, names in sorted(families.items()):
        yield from (f"## {family}", "", "| function | takes | rows | derivatives | C | error |",
                    "|---|---|---|---|---|---|")
        yield from (_line(name, cases[name]) for name in sorted(names))
        yield ""


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")
