"""Text forms of expression graphs: `pp` as a formula, `debugprint` as a tree, `str(variable)`.

Here: how each op kind is written; rows carry their own template (`Row.pretty`).  Not here: Programs (`ir.pretty`, also
for the bodies of loops and branches below a tree), loop IR (`loops.pretty`).  Nothing recurses over graph depth.

In a graph as the user built it every constant prints as `TensorConstant{2}`; in the graph of a compiled
function (`f.maker.fgraph`, whose constants `ir.convert.inline` marks as `bare`) scalar ones print as `2.0`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TextIO

import numpy as np

from gradc.errors import TypeMismatchError, at, quoted
from gradc.ir import graph, ops
from gradc.ir.graph import Apply, Constant, Variable, user_line
from gradc.ir.pretty import pretty
from gradc.ir.program import bodies
from gradc.ir.scalars import get_row

Pieces = list[Any]      # of texts and variables

# ------------------------------------------------------------------------------------------- names of ops


def _bounds(item: ops.Item) -> str:
    """An index entry as dprint and pp show it: the type of each bound given, nothing for those left out."""
    if item.is_single:
        return "int64"
    text = ":".join("" if b is None else "int64" for b in (item.start, item.stop))
    return text if item.step is None else f"{text}:int64"


def _entries(items: ops.Items) -> str:
    return ", ".join(_bounds(i) if i.is_single or i.step is not None else _bounds(i) + ":" for i in items)


def _axes(op: Any, node: Apply) -> list[int] | None:
    """The axes of a Reduce, None for all."""
    axes = list(op.axes)
    return None if len(axes) == node.inputs[0].type.ndim else axes


def _reduce_label(op: ops.Reduce, node: Apply) -> str:
    axes = _axes(op, node)
    fields = [] if axes is None else [f"axis={axes}"]
    if op.fn in ("add", "mul"):
        fields.append(f"acc_dtype={node.inputs[0].type.dtype}")
    name = {"add": "Sum", "mul": "Prod", "maximum": "Max", "minimum": "Min", "and_": "All", "or_": "Any"}[op.fn]
    return f"{name}{{{', '.join(fields)}}}" if fields else name


def _contract_text(op: ops.Contract) -> str:
    letters = {k: ops.letter(n) for n, k in enumerate(dict.fromkeys(op.a + op.b))}
    a, b, out = ("".join(letters[k] for k in labels) for labels in (op.a, op.b, op.out))
    return f"{a},{b}->{out}"


def _is_dot(op: ops.Contract) -> bool:
    """Is this numpy.dot of vectors and matrices?"""
    if not (0 < len(op.a) <= 2 and 0 < len(op.b) <= 2) or op.a[-1] != op.b[0]:
        return False
    return op.out == op.a[:-1] + op.b[1:] and len(set(op.a + op.b)) == len(op.a) + len(op.b) - 1


def _perm(op: ops.Transpose) -> str:
    return ",".join("x" if p < 0 else str(p) for p in op.perm)


_LABELS: dict[type[ops.OpKind], Callable[..., str]] = {
    ops.Map: lambda op, node: f"Elemwise{{{op},no_inplace}}",
    ops.Cast: lambda op, node: f"Elemwise{{Cast{{{op.dtype}}}}}",
    ops.Reduce: _reduce_label,
    ops.Cumulate: lambda op, node: f"CumOp{{{op.axis}, {op.fn}}}",
    ops.ArgReduce: lambda op, node: f"{'Argmax' if op.fn == 'maximum' else 'Argmin'}{{axis={op.axis}}}",
    ops.Contract: lambda op, node: "dot" if _is_dot(op) else f"Contract{{{_contract_text(op)}}}",
    ops.Broadcast: lambda op, node: "Alloc",
    ops.Transpose: lambda op, node: f"InplaceDimShuffle{{{_perm(op)}}}",
    ops.Reshape: lambda op, node: f"Reshape{{{op.ndim}}}",
    ops.Slice: lambda op, node: f"Subtensor{{{_entries(op.items)}}}",
    ops.Scatter: lambda op, node: f"IncSubtensor{{{op.mode.capitalize()};{_entries(op.items)}}}",
    ops.Gather: lambda op, node: "AdvancedSubtensor",
    ops.ScatterAt: lambda op, node: f"AdvancedIncSubtensor{{{op.mode}}}",
    ops.Concat: lambda op, node: f"Join{{{op.axis}}}",
    ops.Iota: lambda op, node: "ARange{dtype='int64'}",
    ops.ShapeOf: lambda op, node: "Shape" if op.axis is None else f"Shape_i{{{op.axis}}}",
    ops.Assert: lambda op, node: f"Assert{{msg={op.message!r}}}",
}


def op_label(node: Apply) -> str:
    """The name of a node's op in `debugprint` and `str`, in Aesara's style: `Elemwise{mul,no_inplace}`."""
    label = _LABELS.get(type(node.op))
    return str(node.op) if label is None else label(node.op, node)


def constant_text(constant: Constant) -> str:
    """`TensorConstant{2}`, `TensorConstant{(3,) of 1.0}`, `TensorConstant{[1 2 3]}`, long ones cut."""
    data = constant.data
    if not isinstance(data, np.ndarray):
        return f"Constant{{{data!r}}}"
    if data.ndim == 0:
        return f"TensorConstant{{{data[()]}}}"
    if data.size > 1 and data.dtype.kind != "c" and (data == data.flat[0]).all():
        return f"TensorConstant{{{data.shape} of {data.flat[0]}}}"
    if data.size > 1000:
        return f"TensorConstant{{{data.dtype} array of shape {data.shape}}}"
    text = " ".join(str(data).split())
    return f"TensorConstant{{{text if len(text) <= 20 else text[:10] + '..' + text[-10:]}}}"


def variable_text(variable: Variable) -> str:
    """`str(variable)`: its name, or `TensorConstant{2}`, `Elemwise{pow,no_inplace}.0`, `<TensorType(...)>`."""
    if variable.name is not None:
        return variable.name
    if isinstance(variable, Constant):
        return constant_text(variable)
    if variable.owner is not None:
        return f"{op_label(variable.owner)}.{variable.index}"
    return f"<{variable.type}>"


# ---------------------------------------------------------------------------------------------------- pp


@lru_cache(maxsize=512)
def _template(text: str) -> tuple[str | int, ...]:
    """A row's template as texts and argument numbers."""
    parts = re.split(r"\{(\d+)\}", text)           # texts, with an argument number between each two
    return tuple([int(part) if k % 2 else part for k, part in enumerate(parts) if part])


def _call(name: str, args: Sequence[Variable | str]) -> Pieces:
    """name(arg, arg, ...)"""
    pieces: Pieces = [f"{name}("]
    for k, a in enumerate(args):
        if k:
            pieces.append(", ")
        pieces.append(a)
    pieces.append(")")
    return pieces


def _map_pieces(op: ops.Map, node: Apply) -> Pieces:
    row = get_row(op.fn)
    if row.pretty is None:
        return _call(row.name, node.inputs)
    return [node.inputs[p] if isinstance(p, int) else p for p in _template(row.pretty)]


def _reduce_pieces(op: ops.Reduce, node: Apply) -> Pieces:
    axes = _axes(op, node)
    return _call(str(op), [node.inputs[0], f"axis={None if axes is None else tuple(axes)}"])


def _contract_pieces(op: ops.Contract, node: Apply) -> Pieces:
    x, y = node.inputs
    if _is_dot(op):
        return ["(", x, " \\dot ", y, ")"]
    return _call("einsum", [repr(_contract_text(op)), x, y])


def _transpose_pieces(op: ops.Transpose, node: Apply) -> Pieces:
    x = node.inputs[0]
    kept = [p for p in op.perm if p >= 0]
    if kept == sorted(kept):                # only new or dropped axes of size 1: hidden
        return [x]
    if op.perm == tuple(range(x.type.ndim))[::-1]:
        return [x, ".T"]
    return _call(f"DimShuffle{{{', '.join('x' if p < 0 else str(p) for p in op.perm)}}}", [x])


def _index_pieces(items: ops.Items, dynamic: Sequence[Variable]) -> Pieces:
    """[0, :, int64:int64]: positions print their value, bounds of slices their type, as in Aesara."""
    pieces: Pieces = ["["]
    for k, (item, given) in enumerate(ops.with_arguments(items, dynamic)):
        if k:
            pieces.append(", ")
        if item.is_single:
            pieces.append(given[0] if given else str(item.at))
        else:
            pieces.append(_bounds(item))
    pieces.append("]")
    return pieces


def _at_pieces(axes: Sequence[int], index: Sequence[Variable]) -> Pieces:
    """[i, :, j]: index arrays print their value."""
    given = dict(zip(axes, index))
    pieces: Pieces = ["["]
    for k in range(axes[-1] + 1):
        pieces += [", "] * (k > 0) + [given.get(k, ":")]
    return [*pieces, "]"]


def _changed_pieces(op: Any, node: Apply, place: Pieces) -> Pieces:
    return [f"{op.mode}_subtensor(", node.inputs[0], *place, ", ", node.inputs[1], ")"]


_PIECES: dict[type[ops.OpKind], Callable[..., Pieces]] = {
    ops.Map: _map_pieces,
    ops.Cast: lambda op, node: _call(op.dtype, node.inputs),
    ops.Reduce: _reduce_pieces,
    ops.Cumulate: lambda op, node: _call(str(op), [node.inputs[0], f"axis={op.axis}"]),
    ops.ArgReduce: lambda op, node: _call(str(op), [node.inputs[0], f"axis=({op.axis},)"]),
    ops.Contract: _contract_pieces,
    ops.Broadcast: lambda op, node: _call("Alloc", node.inputs),
    ops.Transpose: _transpose_pieces,
    ops.Slice: lambda op, node: [node.inputs[0], *_index_pieces(op.items, node.inputs[1:])],
    ops.Scatter: lambda op, node: _changed_pieces(op, node, _index_pieces(op.items, node.inputs[2:])),
    ops.Gather: lambda op, node: [node.inputs[0], *_at_pieces(op.axes, node.inputs[1:])],
    ops.ScatterAt: lambda op, node: _changed_pieces(op, node, _at_pieces(op.axes, node.inputs[2:])),
    ops.Concat: lambda op, node: _call("join", [str(op.axis), *node.inputs]),
    ops.Iota: lambda op, node: _call("arange", node.inputs),
    ops.ShapeOf: lambda op, node: ["Shape(", node.inputs[0], ")" if op.axis is None else f")[{op.axis}]"],
    ops.GradientOf: lambda op, node: _call(str(op), node.inputs),
}


def _pieces(variable: Variable) -> Pieces:
    """One level of a formula."""
    node = variable.owner
    if node is None:
        if isinstance(variable, Constant) and variable.bare and np.ndim(variable.data) == 0 and variable.name is None:
            return [str(variable.data[()])]
        return [variable_text(variable)]
    write = _PIECES.get(type(node.op))
    if write is not None:
        return write(node.op, node)
    name = op_label(node) if len(node.outputs) == 1 else f"{op_label(node)}.{variable.index}"
    return _call(name, node.inputs)


def pprint(variable: object) -> str:
    """The expression that computes `variable`, as one formula: `(x ** TensorConstant{2})`.

    Every operation is in parentheses; axes that are only added or dropped are not shown.  Parts that are used
    twice are written twice.
    Raises: TypeMismatchError for anything that is no variable.
    """
    if not isinstance(variable, Variable):
        raise TypeMismatchError(f"pp takes a variable, got a {type(variable).__name__}; for a function f write "
                                f"pp(f.maker.fgraph.outputs[0]){at(user_line())}")
    text: list[str] = []
    stack: Pieces = [variable]
    while stack:
        piece = stack.pop()
        if isinstance(piece, str):
            text.append(piece)
        else:
            stack.extend(reversed(_pieces(piece)))
    return "".join(text)


pp = pprint


# --------------------------------------------------------------------------------------------- debugprint


def _letters(k: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    text = ""
    k += 1
    while k:
        k, rest = divmod(k - 1, 26)
        text = chr(ord("A") + rest) + text
    return text


class _Ids:
    """Names for variables in the order in which they are first seen; outputs of one node share its letter."""

    def __init__(self, id_type: str, used: dict[object, str] | None = None) -> None:
        if id_type not in ("CHAR", "int", "id", "auto", ""):
            raise TypeMismatchError(f"id_type must be 'CHAR', 'int', 'id', 'auto' or '', got {quoted(id_type)}"
                                    f"{at(user_line())}")
        self.id_type = id_type
        self.used: dict[object, str] = {} if used is None else used

    def text(self, thing: object) -> str:
        found = self.used.get(thing)
        if found is None:
            found = self.used[thing] = self._new(thing, len(self.used))
        return f" {found}" if found else ""

    def _new(self, thing: object, number: int) -> str:
        match self.id_type:
            case "CHAR":
                return f"[id {_letters(number)}]"
            case "int":
                return f"[id {number}]"
            case "id":
                return f"[id {id(thing)}]"
            case "auto":
                return f"[id auto_{number}]"
        return ""


def _roots(obj: object) -> tuple[list[Variable], list[Apply] | None, dict[int, list[object]]]:
    """Variables to print, the order of a compiled function's nodes, and the values of its shared variables."""
    if isinstance(obj, Variable):
        return [obj], None, {}
    if isinstance(obj, Apply):
        return list(obj.outputs), None, {}
    if isinstance(obj, (list, tuple, set)):
        found = [_roots(o) for o in obj]
        orders = [node for _, order, _ in found for node in order or ()]
        return [v for roots, _, _ in found for v in roots], orders or None, {}
    graph = getattr(getattr(obj, "maker", None), "fgraph", obj)
    if hasattr(graph, "outputs") and hasattr(graph, "toposort"):
        return list(graph.outputs), list(graph.toposort()), {
            id(v): v.container.storage for v in getattr(graph, "inputs", ()) if hasattr(v, "container")}
    raise TypeMismatchError(f"debugprint takes a variable, an Apply, a function, a FunctionGraph or a list of such, "
                            f"got a {type(obj).__name__}{at(user_line())}")


def _inputs(obj: Any) -> list[Variable]:
    """The inputs of a compiled function or a FunctionGraph, or of those in a list."""
    if isinstance(obj, (list, tuple, set)):
        return [v for o in obj for v in _inputs(o)]
    graph = getattr(getattr(obj, "maker", None), "fgraph", obj)
    return list(graph.inputs) if hasattr(graph, "toposort") else []


def debugprint(obj: object, depth: int = -1, print_type: bool = False, file: TextIO | None = None,
               id_type: str = "CHAR",
               stop_on_name: bool = False, done: dict[object, str] | None = None, print_storage: bool = False,
               used_ids: dict[object, str] | None = None, print_op_info: bool = False, print_destroy_map: bool = False,
               print_view_map: bool = False, print_fgraph_inputs: bool = False,
               ids: str | None = None) -> str | TextIO | None:
    """The graph of `obj` as a tree, one line per variable, inputs below their operation.

    obj: a variable, an Apply, a compiled function, a FunctionGraph, or a list of those.  A node that was shown
    before is not opened again; its id says which it is.  Functions append each node's place in the order of
    computation.
    depth: levels to show (-1: all).  print_type: append `<type>`.  id_type: "CHAR" (A, B, ...), "int", "id",
    "auto", or "" for none.  stop_on_name: don't open named variables.  print_storage: append the values of
    shared variables.  print_fgraph_inputs: list the inputs of functions first.  file: None prints, "str" returns the
    text, anything with `write` gets it.
    done, used_ids: dicts that one call fills and the next goes on from: nodes that were opened, ids that were given.
    ids: old name of id_type.  print_op_info, print_destroy_map, print_view_map: nothing to add in gradc.
    """
    roots, order, storage = _roots(obj)
    place = {id(node): k for k, node in enumerate(order or ())}
    names = _Ids(id_type if ids is None else ids, used_ids)
    seen: dict[object, str] = {} if done is None else done
    lines = [f"-{v}{names.text(v)}{f' <{v.type}>' if print_type else ''}"
             for v in (_inputs(obj) if print_fgraph_inputs else ())]
    opened: list[tuple[Apply, str]] = []        # loops and branches met
    # (variable, what stands before it, what stands before its inputs, levels left)
    stack: list[tuple[Variable, str, str, int]] = [(v, "", "", depth) for v in reversed(roots)]
    while stack:
        variable, lead, below, left = stack.pop()
        if left == 0:
            continue
        node = variable.owner
        kind = f" <{variable.type}>" if print_type else ""
        if node is None:
            value = f" [{storage[id(variable)][0]!r}]" if print_storage and id(variable) in storage else ""
            text = constant_text(variable) if isinstance(variable, Constant) and not variable.name else str(variable)
            lines.append(f"{lead}{text}{names.text(variable)}{kind}{value}")
            continue
        label = op_label(node) if len(node.outputs) == 1 else f"{op_label(node)}.{variable.index}"
        name = f" {variable.name!r}" if variable.name else ""
        number = f" {place[id(node)]}" if id(node) in place else ""
        lines.append(f"{lead}{label}{names.text(node)}{kind}{name}{number}")
        if node in seen or (stop_on_name and variable.name):
            continue
        seen[node] = names.text(node).strip()
        if any(program.eqns for program in bodies(node.op)):        # not an `ifelse` that has its branches outside yet
            opened.append((node, label.rpartition(".")[0] if len(node.outputs) > 1 else label))
        last = len(node.inputs) - 1
        stack.extend((v, below + " |", below + ("  " if k == last else " |"), left - 1)
                     for k, v in reversed(list(enumerate(node.inputs))))
    _print_bodies(lines, opened, names)
    text = "\n".join(lines) + "\n"
    if file == "str":
        return text
    (sys.stdout if file is None else file).write(text)
    return file


def _print_bodies(lines: list[str], opened: Sequence[tuple[Apply, str]], ids: _Ids) -> None:
    """The Programs inside loops and branches, after the tree they stand in."""
    if opened:
        lines += ["", "Inner graphs:"]
    for node, label in opened:
        lines += ["", f"{label}{ids.text(node)}"]
        for program in bodies(node.op):
            lines += [f" {line}" for line in pretty(program).splitlines()]


dprint = debugprint


def min_informative_str(obj: object) -> str:
    """The graph of a variable by lines `A. name`, named and repeated parts not opened; for error messages."""
    lines: list[str] = []
    letters: dict[int, str] = {}
    stack: list[tuple[Any, int]] = [(obj, 0)]
    while stack:
        variable, level = stack.pop()
        found = letters.get(id(variable))
        if found is not None:
            lines.append(f"{' ' * level}<{found}>")
            continue
        letters[id(variable)] = letter = _letters(len(letters))
        opened = variable.owner is not None and variable.name is None
        lines.append(f"{' ' * level}{letter}. {op_label(variable.owner) if opened else variable}")
        if opened:
            stack.extend((v, level + 1) for v in reversed(variable.owner.inputs))
    return "\n".join(lines)


graph.spelling = variable_text
