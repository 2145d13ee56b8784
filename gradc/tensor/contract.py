"""Products that sum over axes: `dot, matmul, outer, tensordot, batched_dot, einsum` and relatives.

All are one sum of products of two operands (or several, for einsum), in which axes are named by small ints.
Dtype: common of the operands.  Sizes that are summed over must agree, at build where known, else at run time.
Error: products of matrices are summed by BLAS.  Other sums of float32 are no less exact than NumPy's: over the
innermost axis within 150 u sum(abs(x * y)), u = 2^-24, for any number n of terms (128 of a lane are added up in
float32, what they come to in float64); over outer axes within n u sum(abs(x * y)).
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import gradc.tensor.shape as shp
from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, graph
from gradc.ir.graph import describe
from gradc.tensor import elemwise as ew
from gradc.tensor.convert import as_tensor_variable
from gradc.tensor.diagonals import diagonal
from gradc.tensor.reduce import normalize_axis
from gradc.tensor.types import List, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "batched_dot", "batched_tensordot", "dot", "einsum", "inner", "matmul", "matvec", "outer", "tensordot", "vdot",
    "vecdot", "vecmat",
]


def _contract(x: TensorVariable, y: TensorVariable, a: Sequence[int], b: Sequence[int],
              out: Sequence[int]) -> TensorVariable:
    return build.contract(graph, x, a, y, b, out)


def dot(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Sum over the last axis of x and the second to last of y (its only one if y is a vector), as numpy.dot.

    Shapes: (n,) (n,) -> (); (n, k) (k, m) -> (n, m); a scalar multiplies.  Dtype: common.
    """
    return _sum_over(x, y, -2)


def _sum_over(x: TensorLike, y: TensorLike, axis: int) -> TensorVariable:
    """The sum over the last axis of x and `axis` of y (its only one if y is a vector)."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    nx, ny = x.type.ndim, y.type.ndim
    if nx == 0 or ny == 0:
        return ew.mul(x, y)
    a, b = list(range(nx)), list(range(nx, nx + ny))
    b[max(axis, -ny)] = a[-1]
    return _contract(x, y, a, b, [k for k in a + b if k != a[-1]])


def matmul(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Matrix product over the last two axes; leading axes broadcast (where of static size 1), as numpy.matmul.

    Vectors stand for a row on the left, a column on the right.  Dtype: common.
    Raises: ShapeError for scalars.
    """
    x = as_tensor_variable(x)
    y = as_tensor_variable(y)
    for v in (x, y):
        if v.type.ndim == 0:
            raise ShapeError(f"matmul takes no scalars, {describe(v)} is one{at(v.source)}; use * or dot")
    return _batched(x, y, min(x.type.ndim, 2), min(y.type.ndim, 2))


def _batched(x: TensorVariable, y: TensorVariable, core_x: int, core_y: int) -> TensorVariable:
    """Products of the core axes; the axes before them are one batch, aligned from the right."""
    batch = max(x.type.ndim - core_x, y.type.ndim - core_y)
    inner, rows, columns = batch, batch + 1, batch + 2
    core_a = [rows, inner] if core_x == 2 else [inner]
    core_b = [inner, columns] if core_y == 2 else [inner]
    a = list(range(batch - (x.type.ndim - core_x), batch)) + core_a
    b = list(range(batch - (y.type.ndim - core_y), batch)) + core_b
    x, a = _drop_ones(x, a, batch)
    y, b = _drop_ones(y, b, batch)
    wanted = list(range(batch)) + [k for k in (rows, columns) if k in a or k in b]
    out = [k for k in wanted if k in a or k in b]
    result = _contract(x, y, a, b, out)
    return build.insert_axes(graph, result, [j for j, k in enumerate(wanted) if k not in out], len(wanted))


def _drop_ones(x: TensorVariable, a: list[int], batch: int) -> tuple[TensorVariable, list[int]]:
    """Without the batch axes of static size 1: the other operand's count, or they are put back at the end."""
    gone = [k for k, label in enumerate(a) if label < batch and x.type.shape[k] == 1]
    return build.drop_axes(graph, x, gone), [label for k, label in enumerate(a) if k not in gone]


def outer(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Every element of x times every element of y, both flattened: shape (n, m).  Dtype: common."""
    x, y = shp.flatten(shp.atleast_1d(x)), shp.flatten(shp.atleast_1d(y))
    return ew.mul(shp.shape_padright(x), shp.shape_padleft(y))


def inner(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Sum over the last axes of both, as numpy.inner."""
    return _sum_over(x, y, -1)


def vdot(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Sum of conj(x) * y over all elements."""
    x = as_tensor_variable(x)
    y = as_tensor_variable(y)
    return dot(ew.conj(shp.flatten(shp.atleast_1d(x))), shp.flatten(shp.atleast_1d(y)))


def vecdot(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Sum of conj(x) * y over the last axis; leading axes broadcast."""
    return _batched(ew.conj(as_tensor_variable(x)), as_tensor_variable(y), 1, 1)


def matvec(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Matrix times vector over the last axes; leading axes broadcast."""
    return _batched(as_tensor_variable(x), as_tensor_variable(y), 2, 1)


def vecmat(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Vector times matrix over the last axes; leading axes broadcast."""
    return _batched(ew.conj(as_tensor_variable(x)), as_tensor_variable(y), 1, 2)


def _axis_lists(x: TensorVariable, y: TensorVariable, axes: int | List, what: str) -> tuple[list[int], list[int]]:
    if isinstance(axes, (int, np.integer)):
        n = int(axes)
        if n < 0 or n > min(x.type.ndim, y.type.ndim):
            raise ShapeError(f"{what}: can't sum over {n} axes of {describe(x)} ({x.type.short()}) and {describe(y)} "
                             f"({y.type.short()}){at(x.source)}")
        return list(range(x.type.ndim - n, x.type.ndim)), list(range(n))
    try:
        first, second = axes
    except (TypeError, ValueError):
        raise TypeMismatchError(f"{what}: axes must be a number or a pair of lists, got {quoted(axes)}") from None
    lists = [[normalize_axis(k, v.type.ndim, what, v) for k in (s if isinstance(s, (list, tuple, np.ndarray)) else [s])]
             for s, v in ((first, x), (second, y))]
    if len(lists[0]) != len(lists[1]) or any(len(set(s)) != len(s) for s in lists):
        raise ShapeError(f"{what}: axes must name equally many axes of both, each once; got {axes}")
    return lists[0], lists[1]


def tensordot(x: TensorLike, y: TensorLike, axes: int | List = 2) -> TensorVariable:
    """Sum over pairs of axes, as numpy.tensordot: `axes` is a number (the last of x with the first of y), or a
    pair of lists.
    """
    x = as_tensor_variable(x)
    y = as_tensor_variable(y)
    over_x, over_y = _axis_lists(x, y, axes, "tensordot")
    a = list(range(x.type.ndim))
    b = list(range(x.type.ndim, x.type.ndim + y.type.ndim))
    for i, j in zip(over_x, over_y):
        b[j] = a[i]
    summed = {a[i] for i in over_x}
    return _contract(x, y, a, b, [k for k in a + b if k not in summed])


def batched_dot(x: TensorLike, y: TensorLike) -> TensorVariable:
    """`dot` for each entry of a shared first axis: (b, n, k) (b, k, m) -> (b, n, m).

    Vectors per entry (rank 2) are accepted on both sides; rank 1 stands for one scalar per entry.
    """
    x = as_tensor_variable(x)
    y = as_tensor_variable(y)
    for v in (x, y):
        if v.type.ndim == 0:
            raise ShapeError(f"batched_dot takes a first axis to go over, {describe(v)} is a scalar{at(v.source)}")
    if x.type.ndim == 1 or y.type.ndim == 1:
        wide, narrow = (y, x) if x.type.ndim == 1 else (x, y)
        return ew.mul(shp.shape_padright(narrow, wide.type.ndim - 1), wide)
    return batched_tensordot(x, y, [[x.type.ndim - 1], [1 if y.type.ndim < 3 else y.type.ndim - 2]])


def batched_tensordot(x: TensorLike, y: TensorLike, axes: int | List = 2) -> TensorVariable:
    """`tensordot` for each entry of a shared first axis; `axes` count that axis, which can't be among them.

    A number means that many last axes of x with the first of y after the shared one.
    """
    x = as_tensor_variable(x)
    y = as_tensor_variable(y)
    nx, ny = x.type.ndim, y.type.ndim
    if isinstance(axes, (int, np.integer)):
        n = int(axes)
        if n < 0 or n > min(nx, ny) - 1:
            raise ShapeError(f"batched_tensordot: can't sum over {n} axes besides the first of {x.type.short()} and "
                             f"{y.type.short()}{at(x.source)}")
        axes = [list(range(nx - n, nx)), list(range(1, n + 1))]
    over_x, over_y = _axis_lists(x, y, axes, "batched_tensordot")
    if 0 in over_x or 0 in over_y:
        raise ShapeError("batched_tensordot: the first axis is shared and can't be summed over")
    a = list(range(nx))
    b = [0] + list(range(nx, nx + ny - 1))
    for i, j in zip(over_x, over_y):
        b[j] = a[i]
    summed = {a[i] for i in over_x}
    return _contract(x, y, a, b, [k for k in a + b[1:] if k not in summed])


# ------------------------------------------------------------------------------------------------- einsum


def einsum(subscripts: str, *operands: TensorLike, optimize: Any = "greedy") -> TensorVariable:
    """Einstein's sum convention, as numpy.einsum: `einsum("ij,jk->ik", x, y)`; `...` stands for any axes.

    Several operands are contracted in pairs, in the order numpy.einsum_path finds (sizes not known count as
    64).  Dtype: common.
    Raises: ShapeError for subscripts that don't fit the operands.
    """
    tensors = [as_tensor_variable(t) for t in operands]
    if not isinstance(subscripts, str):
        raise TypeMismatchError(f"einsum: the first argument is a text such as 'ij,jk->ik', got {quoted(subscripts)}")
    inputs, output = _subscripts(subscripts, tensors)
    terms: list[tuple[TensorVariable, list[str]]] = []
    for t, labels in zip(tensors, inputs):
        terms.append(_distinct(t, labels))
    ones = {label for t, labels in terms for s, label in zip(t.type.shape, labels) if s != 1}
    terms = [_without_ones(t, labels, ones) for t, labels in terms]
    if optimize is False or len(terms) <= 2:
        path: list[tuple[int, ...]] = [(0, 1)] * (len(terms) - 1)
    else:
        dummies = [np.broadcast_to(np.float64(0), [64 if s is None else s for s in t.type.shape]) for t, _ in terms]
        text = ",".join("".join(labels) for _, labels in terms) + "->" + "".join(
            k for k in output if any(k in labels for _, labels in terms))
        path = list(np.einsum_path(text, *dummies, optimize="greedy" if optimize is True else optimize)[0][1:])
    for step in path:
        picked = [terms.pop(k) for k in sorted(step, reverse=True)]
        product = picked.pop()
        while picked:
            factor = picked.pop()
            needed = {k for _, labels in terms + picked for k in labels} | set(output)
            product = _pair(product, factor, needed)
        terms.append(product)
    return _finish(*terms[0], output)


def _subscripts(text: str, tensors: Sequence[TensorVariable]) -> tuple[list[list[str]], list[str]]:
    """Labels per operand and of the result; `...` replaced by upper-case letters not used."""
    text = text.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(tensors):
        raise ShapeError(f"einsum: {quoted(text)} has {len(parts)} operand(s), got {len(tensors)}")
    free = [c for c in string.ascii_letters if c not in text][::-1]
    if any(c not in string.ascii_letters for c in text.replace("...", "").replace(",", "").replace("->", "")):
        raise ShapeError(f"einsum: {quoted(text)} holds characters that are no letters")
    hidden = [t.type.ndim - len(p.replace("...", "")) for p, t in zip(parts, tensors)]
    for p, t, h in zip(parts, tensors, hidden):
        if h < 0 or (h > 0 and "..." not in p):
            raise ShapeError(f"einsum: {quoted(p)} does not fit {describe(t)}, which is {t.type.short()}{at(t.source)}")
    dots = [free.pop() for _ in range(max([h for p, h in zip(parts, hidden) if "..." in p], default=0))]
    inputs = []
    for p, h in zip(parts, hidden):
        before, some, after = p.partition("...")
        inputs.append(list(before) + (dots[len(dots) - h:] if some else []) + list(after))
    if arrow:
        before, some, after = right.partition("...")
        output = list(before) + (dots if some else []) + list(after)
    else:
        seen = [k for labels in inputs for k in labels]
        output = dots + sorted(k for k in set(seen) if seen.count(k) == 1 and k not in dots)
    if len(set(output)) != len(output) or any(all(k not in labels for labels in inputs) for k in output):
        raise ShapeError(f"einsum: a letter of the result of {quoted(text)} is there twice or in no operand")
    return inputs, output


def _distinct(t: TensorVariable, labels: list[str]) -> tuple[TensorVariable, list[str]]:
    """Diagonals taken until each label stands once."""
    while len(set(labels)) != len(labels):
        twice = next(k for k in labels if labels.count(k) > 1)
        i = labels.index(twice)
        j = labels.index(twice, i + 1)
        t = diagonal(t, 0, i, j)
        labels = [k for n, k in enumerate(labels) if n not in (i, j)] + [twice]
    return t, labels


def _without_ones(t: TensorVariable, labels: list[str], keep: set[str]) -> tuple[TensorVariable, list[str]]:
    """Without axes of static size 1 whose label is larger elsewhere (they broadcast)."""
    kept = [k for k, (s, label) in enumerate(zip(t.type.shape, labels)) if s != 1 or label not in keep]
    return build.reorder(graph, t, kept), [labels[k] for k in kept]


def _pair(left: tuple[TensorVariable, list[str]], right: tuple[TensorVariable, list[str]],
          needed: set[str]) -> tuple[TensorVariable, list[str]]:
    (x, a), (y, b) = left, right
    x, a = _sum_out(x, a, needed | set(b))
    y, b = _sum_out(y, b, needed | set(a))
    names = list(dict.fromkeys(a + b))
    number = {k: n for n, k in enumerate(names)}
    out = [k for k in names if k in needed]
    return _contract(x, y, [number[k] for k in a], [number[k] for k in b], [number[k] for k in out]), out


def _sum_out(x: TensorVariable, labels: list[str], needed: set[str]) -> tuple[TensorVariable, list[str]]:
    alone = tuple(n for n, k in enumerate(labels) if k not in needed)
    if not alone:
        return x, labels
    return build.fold(graph, "add", x, alone), [k for k in labels if k in needed]


def _finish(x: TensorVariable, labels: list[str], output: list[str]) -> TensorVariable:
    x, labels = _sum_out(x, labels, set(output))
    return build.reorder(graph, x, [labels.index(k) for k in output])
