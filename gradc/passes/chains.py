"""The order of a chain of products of matrices, by what it costs: (x y) z or x (y z).

A chain may end in a vector.  Its inner products have no other use.  Of sizes that are not known, the new order has to
cost less whether all of them are small or large.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, TypeAlias

from gradc.ir import build, ops
from gradc.ir.facts import PRODUCTS, product_labels
from gradc.ir.program import Var, tensor
from gradc.passes.pattern import Args, On, Rule, Sample, matrix

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter

Factor: TypeAlias = "tuple[Var, bool]"          # a matrix or, at the end, a vector; is its transpose meant?
Size: TypeAlias = "int | None"

GUESSES = (64, 8, 1024)         # what sizes that are not known may be; the first one decides which order is tried
LONGEST = 12                    # products in a row that are looked at


def _sides(op: ops.OpKind, args: Args) -> tuple[Factor, Factor] | None:
    """The factors of a product of matrices, or of a matrix with a vector, which comes second."""
    labels = product_labels(op)
    if labels is None:
        return None
    a, c, out = labels
    shared = set(a) & set(c)
    if len(shared) != 1 or not out or shared & set(out) or len(a) + len(c) != len(out) + 2 \
            or len(set(a) | set(c)) != len(out) + 1:
        return None
    (x, left), (y, right) = sorted(zip(args, (a, c)), key=lambda part: out[0] not in part[1])
    if len(left) != 2 or len(right) != len(out):
        return None
    return (x, left[0] in shared), (y, right[-1] in shared and len(right) == 2)


def _size(factor: Factor, axis: int) -> Size:
    v, transposed = factor
    shape = tensor(v).shape
    return 1 if axis == len(shape) else shape[1 - axis if transposed else axis]


def _factors(b: Rewriter, factor: Factor, work: list[tuple[Size, ...]], depth: int = LONGEST) -> list[Factor]:
    """The factors of which a factor is the product; what each product costs is added to `work`."""
    v, transposed = factor
    eqn = b.eqn(v, PRODUCTS) if depth and b.uses().get(v, 0) == 1 else None
    sides = None if eqn is None or eqn.args[0].type.dtype != eqn.args[1].type.dtype else _sides(eqn.op, eqn.args)
    if sides is None:
        return [factor]
    found = [part for side in sides for part in _factors(b, side, work, depth - 1)]
    work.append((_size(sides[0], 0), _size(sides[0], 1), _size(sides[1], 1)))
    return [(part, not flag) for part, flag in reversed(found)] if transposed else found


def _is_inner(b: Rewriter, args: Args) -> bool:
    """Is this product, which has a product among its factors, itself a factor of one that is looked at as a whole?"""
    users = b.memo.get("products") or {}
    if not users:
        users = b.memo["products"] = {v: eqn for eqn in b.before.eqns for v in eqn.args
                                      if product_labels(eqn.op) is not None}
    for v in args:
        if v in users and b.uses().get(v, 0) == 1:
            out = users[v].outs[0]
            if b.uses().get(out, 0) == 1 and out in users and _sides(users[out].op, users[out].args) is not None:
                return True
    return False


def _cost(work: list[tuple[Size, ...]], guess: int) -> int:
    return sum([prod([guess if size is None else size for size in sizes]) for sizes in work])


def _chain(b: Rewriter, op: ops.OpKind, args: Args) -> Var | None:
    sides = _sides(op, args)
    if sides is None or args[0].type.dtype != args[1].type.dtype or _is_inner(b, args):
        return None
    written: list[tuple[Size, ...]] = []
    factors = [part for side in sides for part in _factors(b, side, written)]
    if len(factors) < 3:
        return None
    written.append((_size(sides[0], 0), _size(sides[0], 1), _size(sides[1], 1)))
    between = [known if (known := _size(x, 1)) is not None else _size(y, 0) for x, y in pairwise(factors)]
    edges = [_size(factors[0], 0), *between, _size(factors[-1], 1)]
    guessed = [GUESSES[0] if size is None else size for size in edges]
    least: dict[tuple[int, int], tuple[int, int]] = {(k, k): (0, k) for k in range(len(factors))}
    for length in range(1, len(factors)):
        for i in range(len(factors) - length):
            j = i + length
            least[i, j] = min((least[i, k][0] + least[k + 1, j][0] + guessed[i] * guessed[k + 1] * guessed[j + 1], k)
                              for k in range(i, j))
    cheaper: list[tuple[Size, ...]] = []
    parts = [(0, len(factors) - 1)]
    for i, j in parts:
        if i < j:
            k = least[i, j][1]
            cheaper.append((edges[i], edges[k + 1], edges[j + 1]))
            parts += [(i, k), (k + 1, j)]
    if any(_cost(cheaper, guess) >= _cost(written, guess) for guess in GUESSES):
        return None

    def made(i: int, j: int) -> Factor:
        if i == j:
            return factors[i]
        k = least[i, j][1]
        (x, first), (y, second) = made(i, k), made(k + 1, j)
        vector = y.type.ndim == 1
        names = (1,) if vector else (2, 1) if second else (1, 2)
        return build.contract(b, x, (1, 0) if first else (0, 1), y, names, (0,) if vector else (0, 2)), False

    return made(0, len(factors) - 1)[0]


def _sample(b: Rewriter) -> Sample:
    x, y, z = [matrix(b, shape=shape) for shape in ((3, None), (4, None), (4, 3))]
    v, w = matrix(b, shape=(4,)), matrix(b, shape=(3,))
    one = build.contract(b, x, (0, 1), y, (2, 1), (0, 2))
    other = build.contract(b, y, (0, 1), x, (2, 1), (0, 2))
    column, row = matrix(b, shape=(4, 1)), matrix(b, shape=(1, 3))
    outer = build.contract(b, column, (0, 1), row, (1, 2), (0, 2))
    long = build.contract(b, build.contract(b, z, (0, 1), row, (2, 1), (2, 0)), (0, 1), column, (1, 2), (0, 2))
    return (build.contract(b, one, (0, 1), v, (1,), (0,)), build.contract(b, w, (1,), other, (0, 1), (0,)),
            build.contract(b, outer, (0, 1), z, (2, 1), (2, 0)), build.contract(b, long, (0, 1), row, (1, 2), (2, 0)))


RULES = (
    Rule("product_chain", On(PRODUCTS, some=PRODUCTS), _chain, exact=False, ulps=256, sample=_sample,
         why="sums of products in another order"),
)
