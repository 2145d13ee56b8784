"""Einstein's sum convention: `einsum`, a sum of products of any number of operands whose axes have labels.

A label is an int: the code of its letter (lists of numbers stand for letters in alphabetical order), and -n to -1 for
the axes of an ellipsis, from the right; so they sort as NumPy orders the axes of a result that is not stated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from gradc.errors import ShapeError, TypeMismatchError, at, literal, quoted
from gradc.ir import build, dtypes, graph
from gradc.ir.graph import describe, user_line
from gradc.record import record
from gradc.tensor.checks import equal, named
from gradc.tensor.convert import as_tensor_variable, cast, size_of
from gradc.tensor.diagonals import diagonal
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["einsum"]

Pattern: TypeAlias = "list[int | None]"         # the labels of an operand as they are given, None for an ellipsis
Labels: TypeAlias = "list[int]"                 # one for each axis
Term: TypeAlias = "tuple[TensorVariable, Labels]"
Optimize: TypeAlias = "bool | str | Sequence[object]"

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@record
class Form:
    """The labels as the user wrote them, for messages."""

    text: str
    lists: bool = False

    def name(self, label: int) -> str:
        if label < 0:
            return "of an axis of '...'"
        return str(_LETTERS.index(chr(label))) if self.lists else repr(chr(label))


def einsum(subscripts: str | TensorLike, *operands: TensorLike, optimize: Optimize = "greedy") -> TensorVariable:
    """The sum of products of the operands over the labels that the result does not have, as numpy.einsum.

    subscripts  the labels of each operand and, after "->", of the result: `einsum("ij,jk->ik", x, y)`.  Without "->"
                the result has those that stand once, in alphabetical order.  `...` stands for any axes, which
                broadcast; a label that one operand has twice is its diagonal.  Or no text, but a list after each
                operand: `einsum(x, [0, 1], y, [1, 2], [0, 2])`, in which `...` is Ellipsis.
    optimize    the order of products: "greedy" (also True) or "optimal", as numpy.einsum_path finds it; one of these
                and the largest size of a product in between; a path that it made; or False: from the left.  Sizes that
                are not known when the graph is built count as 64.

    Diagonals, and sums over labels of one operand alone, are made before products; these are of two operands each.
    Dtype: common; the operands are cast to it first.  Axes of static size 1 broadcast.
    Raises: ShapeError for labels that don't fit the operands, TypeMismatchError for what is no labels.
    """
    if isinstance(subscripts, str):
        patterns, output = _of_text(subscripts)
        tensors, form = [as_tensor_variable(t) for t in operands], Form(quoted(subscripts))
    else:
        given, patterns, output = _of_lists((subscripts, *operands))
        tensors, form = [as_tensor_variable(t) for t in given], Form("the lists of labels", True)
    if len(patterns) != len(tensors):
        raise _misfit(f"{form.text} has labels of {len(patterns)} operand(s), got {len(tensors)}")
    labels = [_fitted(pattern, t, form) for pattern, t in zip(patterns, tensors)]
    result = _result(output, labels, form)
    dtype = dtypes.upcast(*[t.type.dtype for t in tensors])
    same = [t if t.type.dtype == dtype else cast(t, dtype) for t in tensors]
    terms = [_distinct(t, names, form) for t, names in zip(same, labels)]
    sizes = _sizes(terms, tensors, form)
    terms = [_without_ones(t, names, sizes) for t, names in terms]
    terms = [_sum_out(*term, _used(terms[:k] + terms[k + 1:], result)) for k, term in enumerate(terms)]
    for step in _path(terms, result, sizes, optimize):
        chosen = [terms.pop(k) for k in sorted(step, reverse=True)][::-1]
        product = chosen.pop(0)
        while chosen:
            product = _pair(product, chosen.pop(0), terms + chosen, result)
        terms.append(product)
    x, names = _sum_out(*terms[0], set(result))
    return build.reorder(graph, x, [names.index(k) for k in result])


def _misfit(message: str) -> ShapeError:
    return ShapeError(f"einsum: {message}{at(user_line())}")


# ------------------------------------------------------------------------------------------------- labels


def _of_text(text: str) -> tuple[list[Pattern], Pattern | None]:
    """The labels of each operand, and of the result if it is stated."""
    left, arrow, right = text.replace(" ", "").partition("->")
    return [_letters(part, text) for part in left.split(",")], _letters(right, text) if arrow else None


def _letters(part: str, text: str) -> Pattern:
    pieces = re.findall(r"\.\.\.|.", part, re.DOTALL)
    wrong = [piece for piece in pieces if piece != "..." and piece not in _LETTERS]
    if wrong:
        raise _misfit(f"labels are letters, and '...' stands for other axes; got {quoted(wrong[0])} in {quoted(text)}")
    return [None if piece == "..." else ord(piece) for piece in pieces]


def _of_lists(given: Sequence[TensorLike]) -> tuple[list[TensorLike], list[Pattern], Pattern | None]:
    """Operands, the labels of each, and of the result if it is stated."""
    end = len(given) // 2 * 2
    if not end:
        raise TypeMismatchError(f"einsum: the first argument is a text such as 'ij,jk->ik', or each operand is "
                                f"followed by the list of its labels; got {quoted(given[0])}{at(user_line())}")
    patterns = [_numbers(numbers) for numbers in given[1:end:2]]
    return list(given[:end:2]), patterns, _numbers(given[-1]) if end < len(given) else None


def _numbers(given: object) -> Pattern:
    made: Pattern = []
    for k in given if isinstance(given, (list, tuple, np.ndarray)) else [given]:
        if k is not Ellipsis and (isinstance(k, bool) or not isinstance(k, (int, np.integer))
                                  or not 0 <= k < len(_LETTERS)):
            raise TypeMismatchError(f"einsum: the labels of an operand are a list of integers from 0 to "
                                    f"{len(_LETTERS) - 1} and Ellipsis, got {quoted(given)}{at(user_line())}")
        made.append(None if k is Ellipsis else ord(_LETTERS[k]))
    return made


def _fitted(pattern: Pattern, t: TensorVariable, form: Form) -> Labels:
    """A label for each axis of t."""
    stated = [k for k in pattern if k is not None]
    hidden = t.type.ndim - len(stated)
    if len(pattern) - len(stated) > 1:
        raise _misfit(f"'...' stands twice among the labels of {describe(t)} in {form.text}")
    if hidden < 0 or (hidden and len(pattern) == len(stated)):
        raise _misfit(f"{form.text} has {len(stated)} label(s) for {describe(t)}, which is {t.type.short()}")
    return _filled(pattern, hidden)


def _filled(pattern: Pattern, hidden: int) -> Labels:
    """The pattern with as many axes as the ellipsis stands for."""
    return [label for k in pattern for label in (range(-hidden, 0) if k is None else [k])]


def _result(output: Pattern | None, labels: list[Labels], form: Form) -> Labels:
    """The labels of the result."""
    there = [k for names in labels for k in names]
    hidden = max([-k for k in there if k < 0], default=0)
    if output is None:
        return sorted({k for k in there if k < 0 or there.count(k) == 1})
    if output.count(None) > 1:
        raise _misfit(f"'...' stands twice in the result of {form.text}")
    if hidden and None not in output:
        raise _misfit(f"'...' stands for {hidden} axes of operands, but is not in the result of {form.text}")
    result = _filled(output, hidden)
    for k in result:
        if k not in there:
            raise _misfit(f"label {form.name(k)} of the result of {form.text} is in no operand")
        if result.count(k) > 1:
            raise _misfit(f"label {form.name(k)} stands twice in the result of {form.text}")
    return result


def _sizes(terms: list[Term], tensors: list[TensorVariable], form: Form) -> dict[int, int | None]:
    """What is known of the size of each label; 1 only where it is 1 in all operands."""
    known: dict[int, tuple[int, TensorVariable]] = {}
    sizes: dict[int, int | None] = {}
    for (t, labels), x in zip(terms, tensors):
        for k, size in zip(labels, t.type.shape):
            if sizes.get(k, 1) == 1:
                sizes[k] = size
            if size is None or size == 1:
                continue
            if known.setdefault(k, (size, x))[0] != size:
                other, y = known[k]
                raise _misfit(f"label {form.name(k)} has size {other} in {describe(y)}, which is {y.type.short()}, and "
                              f"{size} in {describe(x)}, which is {x.type.short()}")
            sizes[k] = size
    return sizes


# ------------------------------------------------------------------------------------------------- one operand


def _distinct(t: TensorVariable, labels: Labels, form: Form) -> Term:
    """Diagonals taken until each label stands once."""
    while len(set(labels)) != len(labels):
        twice = next(k for k in labels if labels.count(k) > 1)
        i = labels.index(twice)
        j = labels.index(twice, i + 1)
        t = equal(size_of(t, i), size_of(t, j), f"einsum: {named(t)} is {literal(t.type.short())}, two of its axes "
                  f"have the label {literal(form.name(twice))}: sizes {{0}} and {{1}} differ", on=t, error="shape")
        t = diagonal(t, 0, i, j)
        labels = [k for n, k in enumerate(labels) if n not in (i, j)] + [twice]
    return t, labels


def _without_ones(t: TensorVariable, labels: Labels, sizes: dict[int, int | None]) -> Term:
    """Without axes of static size 1 whose label is larger elsewhere (they broadcast)."""
    kept = [k for k, (size, label) in enumerate(zip(t.type.shape, labels)) if size != 1 or sizes[label] == 1]
    return build.reorder(graph, t, kept), [labels[k] for k in kept]


def _sum_out(x: TensorVariable, labels: Labels, needed: set[int]) -> Term:
    """x summed over the axes whose labels are not needed."""
    alone = tuple([n for n, k in enumerate(labels) if k not in needed])
    if not alone:
        return x, labels
    return build.fold(graph, "add", x, alone), [k for k in labels if k in needed]


# ------------------------------------------------------------------------------------------------- products


def _used(terms: Iterable[Term], result: Labels) -> set[int]:
    """The labels that other operands or the result have."""
    return {k for _, labels in terms for k in labels} | set(result)


def _pair(left: Term, right: Term, others: list[Term], result: Labels) -> Term:
    """The product of two operands, summed over what only they have; the last one in the order of the result."""
    (x, a), (y, b) = left, right
    needed = _used(others, result)
    x, a = _sum_out(x, a, needed | set(b))
    y, b = _sum_out(y, b, needed | set(a))
    made = [k for k in (dict.fromkeys(a + b) if others else result) if k in needed and (k in a or k in b)]
    number = {k: n for n, k in enumerate(dict.fromkeys(a + b))}
    axes, other, out = [[number[k] for k in labels] for labels in (a, b, made)]
    return build.contract(graph, x, axes, y, other, out), made


_UNKNOWN = (64, 8, 2)       # what a size that is not known counts as: the first with which no operand is too large


def _path(terms: list[Term], result: Labels, sizes: dict[int, int | None],
          optimize: Optimize) -> list[tuple[int, ...]]:
    """Which operands are multiplied at each step; their product becomes the last one."""
    limited = isinstance(optimize, tuple) and len(optimize) == 2 and isinstance(optimize[1], (int, float))
    if not isinstance(optimize, bool) and (optimize[0] if limited else optimize) not in ("greedy", "optimal"):
        return _stated_path(optimize, len(terms))
    from_left: list[tuple[int, ...]] = [(0, n) for n in range(len(terms) - 2, 0, -1)]
    from_left[:0] = [(0, 1)] * (len(terms) > 1)
    if optimize is False or len(terms) <= 2:
        return from_left
    parts = [labels for _, labels in terms]
    letter = dict(zip(dict.fromkeys([k for labels in parts for k in labels]), _LETTERS))
    fits = [guess for guess in _UNKNOWN if all(prod([sizes[k] or guess for k in labels]) < 2**62 for labels in parts)]
    if not fits or any(k not in letter for labels in parts for k in labels):
        return from_left
    count = {k: fits[0] if (size := sizes[k]) is None else max(size, 1) for k in letter}
    given = [np.broadcast_to(np.True_, [count[k] for k in labels]) for labels in parts]
    text = ["".join([letter[k] for k in labels]) for labels in (*parts, [k for k in result if k in letter])]
    path, _ = np.einsum_path(f"{','.join(text[:-1])}->{text[-1]}", *given,
                             optimize="greedy" if optimize is True else optimize)
    return list(path[1:])


def _stated_path(path: Optimize, count: int) -> list[tuple[int, ...]]:
    """A path as numpy.einsum_path returns it."""
    steps = list(path[1:]) if isinstance(path, (list, tuple)) and path and path[0] == "einsum_path" else None
    if steps is None or not all(isinstance(step, (list, tuple)) and all(
            isinstance(k, (int, np.integer)) for k in step) for step in steps):
        raise TypeMismatchError(f"einsum: optimize is True, False, 'greedy', 'optimal' or a path such as "
                                f"['einsum_path', (0, 1), (0, 1)], got {quoted(path)}{at(user_line())}")
    left = count
    for step in steps:
        if not step or len(set(step)) != len(step) or not all(0 <= k < left for k in step):
            raise _misfit(f"a step of the path {quoted(path)} names operands of which there are not so many")
        left -= len(step) - 1
    if left != 1:
        raise _misfit(f"the path {quoted(path)} leaves {left} operands")
    return [tuple(step) for step in steps]
