"""Identifiers of generated C: whatever a variable is called, the unit computes the same.

Right values: the unit of the same Program with an inconspicuous name, token for token; the compiler's own lists of
macros and declarations; NumPy.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.codegen import unit
from gradc.codegen.names import OWN, SUFFIX, Names
from gradc.ir import dtypes
from gradc.ir.convert import to_program
from gradc.ir.names import identifier
from gradc.ir.program import Program
from gradc.ir.scalar_c import c_functions
from gradc.ir.scalars import ROWS
from gradc.loops.lower import lower
from gradc.passes import phases
from gradc.runtime import toolchain
from gradc.scan.utils import until

WORD = re.compile(r"[A-Za-z_]\w*")
TOKEN = re.compile(r"(?:->|\.)?[A-Za-z_]\w*|\d\w*|\S")       # members of structs are names of their own
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@pytest.mark.parametrize("name, expected", [
    ("x", "x"), ("W_1", "W_1"), ("σ", "sigma"), ("β_0", "beta_0"), ("αβ", "alpha_beta"), ("ΔΘ", "Delta_Theta"),
    ("λ", "lambda"), ("ŷ", "y"), ("x₁", "x1"), ("𝛼", "alpha"), ("∇L", "nabla_L"), ("数据", "u6570_u636e"), ("б", "be"),
    ("_1", "v1"), ("-a", "a"), ("[0]", "v0"), ("W[1]", "W_1"), ("a*/b\n", "a__b"), ("", "v"), ("\u0302", "v"),
    ("n" * 100_000, "n" * 40)])
def test_names_in_ascii(name: str, expected: str):
    assert identifier(name) == expected


def test_names_of_a_scope_are_unique():
    names = Names()
    given = {name: names[name] for name in ("exp", "exp_v", "exp_v_2", "lane", "HUGE_VAL", "h_t", "t", "W1", "lo")}
    assert given == {"exp": "exp_v", "exp_v": "exp_v_2", "exp_v_2": "exp_v_2_2", "lane": "lane_v",
                     "HUGE_VAL": "HUGE_VAL_v", "h_t": "h_t", "t": "t", "W1": "W1", "lo": "lo"}
    inner = Names(names)
    assert inner["exp"] == "exp_v" and inner["x"] == "x" and inner.new("x") == "x_2"
    assert Names(names)["x"] == "x"


# ---------------------------------------------------------------------------------------------- what headers define


def _preprocessed(*flags: str) -> str:
    compiler = toolchain.find()
    source = "".join(f"#include <{h}>\n" for h in ("gradc_runtime.h", "gradc_sizes.h", "gradc_math.h", "gradc_entry.h",
                                                   "stdlib.h", "string.h"))
    argv = [*compiler.command, *toolchain.unit_flags(compiler), *flags, f"-I{toolchain.include_dir()}"]
    argv += ["-E", "-xc", "-"]
    return subprocess.run(argv, input=source, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("standard", ["-std=c11", "-std=gnu17"])
def test_no_name_is_a_macro(standard: str):
    """Object-like macros would be expanded wherever a variable of that name stands."""
    macros = set(re.findall(r"^#define (\w+)(?!\w|\()", _preprocessed("-dM", standard), re.MULTILINE))
    assert len(macros) > 500 and "HUGE_VAL" in macros
    assert [name for name in sorted(macros) if Names().new(name) in macros] == []


def test_names_of_headers_may_be_names_of_variables():
    """With variables called as anything that headers speak of, all rows compute as ever: nothing is hidden."""
    words = set(WORD.findall(_preprocessed())) | set(re.findall(r"^#define (\w+)", _preprocessed("-dM"), re.MULTILINE))
    words |= OWN
    assert len(words) > 1500
    text = ["#include <gradc_runtime.h>", "#include <gradc_sizes.h>", "#include <gradc_math.h>",
            *c_functions(row.function for row in ROWS.values() if row.function is not None)]
    ordered, most = sorted(words), max(row.nin for row in ROWS.values())
    for start in range(0, len(ordered), 150):
        names = Names()
        called = [names[w] for w in ordered[start:start + 150]]
        assert len({*called}) == len(called)
        *taken, total = (names.new(n) for n in (*"abcxyz"[:most], "total"))
        parameters = [*[f"double {v}, float {v}f" for v in taken], *[f"const double *restrict {w}" for w in called]]
        text += [f"double f{start}({', '.join(parameters)})", "{", f"    double {total} = 0;"]
        text += [f"    {total} += {value};" for value in (*_templates(*taken), *[f"*{w}" for w in called])]
        text += [f"    for (int64_t lane = 0; lane < 1; ++lane)  {total} += true ? NAN : INFINITY;",
                 f"    return {total};", "}"]
    compiler = toolchain.find()
    argv = [*compiler.command, *toolchain.unit_flags(compiler), "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
            f"-I{toolchain.include_dir()}", "-xc", "-"]
    ran = subprocess.run(argv, input="\n".join(text) + "\n", capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[:3000]


def _templates(*variables: str) -> Iterator[str]:
    """What rows print for floats."""
    for row in ROWS.values():
        found = row.c if isinstance(row.c, str) else row.c.get("f")
        for dtype in SUFFIX if found and row.rule not in ("bitwise", "shift", "bits") else ():
            arguments = [v + SUFFIX[dtype] for v in variables[:row.nin]]
            if row.name == "switch":
                arguments[0] = f"({arguments[0]} > 0)"
            yield f"({found.format(*arguments, s=SUFFIX[dtype], t=dtypes.SHORT[dtype])})"


# ---------------------------------------------------------------------------------------------- token for token


def _softmax() -> tuple[list[Any], list[Any]]:
    x = at.dmatrix("name")
    return [x], [at.special.softmax(x, axis=1)]


def _regression() -> tuple[list[Any], list[Any]]:
    """Rows that pass together, in tiles."""
    w, x, y = at.dvector("name"), at.dmatrix("X"), at.dvector("y")
    loss = at.nnet.binary_crossentropy(at.sigmoid(at.dot(x, w)), y).mean()
    return [w, x, y], [loss, gradc.grad(loss, w)]


def _sums() -> tuple[list[Any], list[Any]]:
    """Many folds of two dtypes in a loop, whose results come out of a table."""
    v, u = at.dvector("name"), at.fvector("u")
    return [v, u], [*[(v ** k).sum() for k in range(2, 12)], *[(u * k).sum() for k in range(2, 6)], v.argmax()]


def _loop() -> tuple[list[Any], list[Any]]:
    """A loop that ends when a step says so, draws and a branch."""
    v, s = at.dvector("name"), at.dscalar("s")
    out, _ = gradc.scan(lambda a, h: h * a + s, sequences=v, outputs_info=s)
    h, _ = gradc.scan(lambda a: (at.exp(a) + s, until(a > s)), sequences=v)
    return [v, s], [out, h, gradc.ifelse(s > 0, at.dot(at.outer(v, v), v), v * 2), gradc.grad(out.sum(), s)]


def _product() -> tuple[list[Any], list[Any]]:
    m, t = at.dmatrix("name"), at.dtensor3("t")
    return [m, t], [at.dot(m, m.T), at.batched_dot(t, t), at.cumsum(m, axis=0), at.concatenate([m, m])[::2]]


def _routines() -> tuple[list[Any], list[Any]]:
    """Sorting, searching, masks, transforms, systems, small matrices side by side, special functions in lanes."""
    v, m = at.dvector("name"), at.dmatrix("m")
    small = at.outer(v, v)[:3, :3] + 4 * at.eye(3)
    return [v, m], [at.sort(v), at.searchsorted(at.sort(v), v), v[v > 0].sum(), abs(at.fft.fft(v)),
                    at.linalg.solve(m, v),
                    at.linalg.inv(at.stack([small, 2 * small])), at.special.gammainc(v ** 2 + 1, 0.5),
                    at.special.jv(0.5, v ** 2),
                    (at.complex(v, 2 * v) ** 3).imag, m[at.argsort(v)]]


UNITS: list[Callable[[], tuple[list[Any], list[Any]]]] = [_softmax, _regression, _sums, _loop, _product, _routines]


@cache
def _program(make: Callable[[], tuple[list[Any], list[Any]]]) -> Program:
    return phases.optimize(to_program(*make()))


def _text(make: Callable[[], tuple[list[Any], list[Any]]], name: str) -> str:
    """The unit of `make`, its first input called `name`."""
    program = _program(make)
    program.inputs[0].name = name
    return COMMENT.sub("", unit.generate(lower(program, "f")).text)


@cache
def _words() -> list[str]:
    """Every identifier of the units."""
    return sorted({w for make in UNITS for w in WORD.findall(_text(make, "plain_name"))})


def _renamed(old: str, new: str) -> str:
    """What differs but names, function by function; nothing if there is no such thing."""
    functions: dict[str, str] = {}
    before, after = old.split("\n}\n"), new.split("\n}\n")
    if len(before) != len(after):
        return f"{len(before)} functions became {len(after)}"
    for a, b in zip(before, after):
        there: dict[str, str] = {}
        back: dict[str, str] = {}
        x, y = TOKEN.findall(a), TOKEN.findall(b)
        if len(x) != len(y):
            return f"{a}\nbecame\n{b}"
        for p, q in zip(x, y):
            word = p.strip("->.")
            fixed = p in OWN or not word[:1].isalpha() or Names().new(word) != word
            known = functions if p.startswith(("section_", "measure_", "fold_")) else there
            if (fixed and p != q) or known.setdefault(p, q) != q or back.setdefault(q, p) != p:
                return f"{p} became {q} in\n{b}"
    return ""


def test_the_comparison_sees_a_clash():
    text = "double f(double a, double b)\n{\n    return a * b + exp(a);\n}\n"
    assert _renamed(text, re.sub(r"\ba\b", "c", text)) == ""
    assert _renamed(text, re.sub(r"\bb\b", "a", text)) != ""
    assert _renamed(text, re.sub(r"\ba\b", "exp", text)) != ""


def _same_units(words: list[str], units: list[Any]) -> None:
    """Of names that sort alike, since the order of terms in sizes is that of their names."""
    for make in units:
        for word in words:
            plain = re.sub("^(GRAD|grad)[Cc]_", r"\1q_", identifier(word)[:30]) + "_q"
            assert _renamed(_text(make, plain), _text(make, word)) == "", word


ODD = ["σ", "β_0", "_1", "-a", "[0]", "数据", "HUGE_VAL", "DBL_MAX", "NULL", "j", "exp_v", "first_v", "add_lanes_1",
       "linux", "expf", "name_lanes", "x*/y", "a\\", "tile", "n" * 100_000]


def test_odd_names_make_the_same_units():
    _same_units(ODD, UNITS)


def test_every_identifier_as_a_name_makes_the_same_units():
    assert len(_words()) > 200
    _same_units(_words(), [_regression])


@pytest.mark.nightly
def test_every_identifier_as_a_name_makes_the_same_units_of_all_kinds():
    _same_units(_words(), UNITS)


# ---------------------------------------------------------------------------------------------- numbers


def _checked(names: list[str]) -> None:
    """Vectors called `names`, each in a product, rows and sums, against NumPy."""
    rng = np.random.default_rng(len(names))
    matrix = rng.normal(size=(37, 5))
    x = at.dmatrix("X")
    vectors = [at.dvector(name) for name in names]
    outs = [at.exp(at.dot(x, v)).sum() for v in vectors]
    values = [rng.normal(size=5) for _ in names]
    found = gradc.function([x, *vectors], outs, mode="c")(matrix, *values)
    for name, v, result in zip(names, values, found):
        np.testing.assert_allclose(result, np.exp(matrix @ v).sum(), rtol=1e-12, err_msg=name)


def test_numbers_with_odd_names():
    _checked(ODD)


@pytest.mark.nightly
def test_numbers_with_every_identifier_alone():
    for word in _words():
        _checked([word])


def test_numbers_with_every_identifier_in_company():
    words = _words()
    for start in range(0, len(words), 120):
        _checked(words[start:start + 120])
