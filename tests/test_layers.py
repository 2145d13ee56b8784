"""The layers of gradc: who may import whom, and that imports stand at the top, absolute and by name."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "gradc"

BASE = {"errors", "record", "config", "target"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "record": set(),
    "config": {"errors", "record"},
    "target": {"record"},
    "ir": BASE,
    "tensor": BASE | {"ir"},
    "sparse": BASE | {"ir", "tensor"},
    "printing": BASE | {"ir", "tensor"},
    "autodiff": BASE | {"ir", "tensor", "sparse"},
    "control": BASE | {"ir", "tensor", "sparse", "autodiff"},
    "passes": BASE | {"ir"},
    "loops": BASE | {"ir"},
    "codegen": BASE | {"ir", "loops"},
    "runtime": BASE,
    "compile": BASE | {"ir", "tensor", "sparse", "printing", "autodiff", "control", "passes", "loops", "codegen",
                       "runtime"},
}
FACADES = {"", "gradient", "ifelse", "scan", "updates", "graph", "compat", "interop", "mcmc", "__main__"}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def module_name(path: Path) -> str:
    return ".".join(("gradc", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def package(module: str) -> str:
    """First component below gradc: the layer that a module belongs to."""
    return module.split(".")[1] if "." in module else ""


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """What is below a node and runs: not what stands there for type checkers."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")):
            yield child
            yield from executed(child)


def edges(path: Path) -> Iterator[tuple[str, int]]:
    """(imported module, line) for each import of gradc's own modules."""
    for node in executed(parsed(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and not node.level:
            base = node.module or ""
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                place = ROOT.joinpath(*inner.split(".")[1:])
                yield inner if place.with_suffix(".py").exists() or place.is_dir() else base, node.lineno


@pytest.mark.parametrize("path", modules(), ids=module_name)
def test_imports_follow_the_layers(path: Path) -> None:
    layer = package(module_name(path))
    for target, line in edges(path):
        if target.split(".")[0] != "gradc":
            continue
        wanted = package(target)
        if layer in FACADES:
            assert wanted not in ("compat", "interop") or layer == wanted, f"{path}:{line}: nothing imports {wanted}"
        else:
            assert wanted == layer or wanted in ALLOWED[layer], f"{path}:{line}: {layer} must not import {target}"


@pytest.mark.parametrize("path", modules(), ids=module_name)
def test_imports_stand_at_the_top_absolute_and_named(path: Path) -> None:
    for node in ast.walk(parsed(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            for inner in ast.walk(node):
                assert not isinstance(inner, (ast.Import, ast.ImportFrom)), f"{path}:{inner.lineno}: deferred import"
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: relative import"
            if path.relative_to(ROOT).as_posix() not in NAMESPACES:
                assert all(alias.name != "*" for alias in node.names), f"{path}:{node.lineno}: import *"


# What modules name in `__all__`.
NAMESPACES = ("sparse/__init__.py", "tensor/__init__.py", "tensor/fft/__init__.py", "tensor/linalg/__init__.py",
              "tensor/nlinalg.py", "tensor/slinalg.py")


@pytest.mark.parametrize("path", modules(), ids=module_name)
def test_modules_say_what_they_hold(path: Path) -> None:
    assert not parsed(path).body or ast.get_docstring(parsed(path)), f"{path} has no docstring"


def test_no_module_cycles() -> None:
    """Inside a layer, too, imports make no cycle."""
    graph = {module_name(p): {t for t, _ in edges(p) if t.split(".")[0] == "gradc"} for p in modules()}
    state: dict[str, int] = {}
    for start in graph:
        stack = [(start, iter(graph[start]))]
        if state.setdefault(start, 1) == 2:
            continue
        while stack:
            module, rest = stack[-1]
            for target in rest:
                if target not in graph or target == module:
                    continue
                assert state.get(target) != 1, f"{module} and {target} import each other"
                if target not in state:
                    state[target] = 1
                    stack.append((target, iter(graph[target])))
                    break
            else:
                state[module] = 2
                stack.pop()


def test_files_of_the_extension_use_those_above_them() -> None:
    """The order of the sections in dispatch.h and private.h, each named after the file that has its functions."""
    csrc = ROOT.parent / "csrc"
    owner: dict[str, str] = {}
    for header in ("private.h", "dispatch.h"):
        sections = re.split(r"/\* (\w+\.c) -+ \*/", (csrc / header).read_text())
        for file, text in zip(sections[1::2], sections[2::2]):
            owner.update(dict.fromkeys(re.findall(r"\b(gradc_\w+)(?=\(|\[|;)", text), file))
    order = list(dict.fromkeys(owner.values()))
    assert {"arena.c", "tables.c", "call.c", "bound.c"} <= set(order)
    for place, file in enumerate(order):
        text = re.sub(r"/\*.*?\*/", "", (csrc / file).read_text(), flags=re.S)
        for name in set(re.findall(r"\bgradc_\w+", text)) & set(owner):
            assert order.index(owner[name]) <= place, f"{file} uses {name} of {owner[name]}, which stands below it"


def test_no_two_classes_have_one_name() -> None:
    """A name means one thing wherever it is read."""
    found: dict[str, list[str]] = {}
    for path in modules():
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(module_name(path))
    assert {name: where for name, where in found.items() if len(where) > 1} == {}
