"""Factors of matrices that are symmetric by construction, as x^T x + c I and exp(-d^2) + diag(s) are.

If the Cholesky factor of such a matrix is asked for anyway, its LU factors are made of that.  Else Cholesky's algorithm
is tried, which takes half the time; the routine falls back on LU factors where the matrix is not definite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.ir import build, ops
from gradc.ir.facts import CALLING, PRODUCTS, REORDERING, folds, permutation, product_labels
from gradc.ir.program import Var
from gradc.ir.scalars import ROWS
from gradc.ir.types import TensorType
from gradc.passes.algebra import bands
from gradc.passes.pattern import Args, On, Rule, Sample

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter

DEPTH = 16              # equations behind one another that are looked at
LEAST = 25              # rows from which on a library makes the factors (SMALL in csrc/linalg.c)
EVEN = frozenset(["square", "abs", "cosh", "cos"])

Pair = tuple[int, int]  # two axes, counted from the last one on: -1, -2, ...


def mirrored(b: Rewriter, v: Var, w: Var, axes: Pair = (-2, -1), depth: int = DEPTH) -> bool:
    """Is w, as far as the expressions tell, v with two of its axes exchanged?"""
    known: dict[Any, bool] = b.memo.setdefault("mirrored", {})
    key = v, w, axes
    if key not in known:
        known[key] = _mirrored(b, v, w, axes, depth)
    return known[key]


def _mirrored(b: Rewriter, v: Var, w: Var, axes: Pair, depth: int) -> bool:
    ndim = v.type.ndim
    if all(-k > ndim or v.type.shape[k] == 1 for k in axes):
        return v is w
    one, other = b.eqn(v), b.eqn(w)
    if not depth or ndim != w.type.ndim or -min(axes) > ndim or one is None or other is None:
        return False

    def same(x: Var, y: Var, axes: Pair = axes) -> bool:
        return mirrored(b, x, y, axes, depth - 1)

    def opposite(x: Var, y: Var) -> bool:
        """Is y the mirror image of -x?  Of differences."""
        less, more = b.eqn(x, "sub"), b.eqn(y, "sub")
        return less is not None and more is not None and all(map(same, less.args, more.args[::-1]))

    op, places = one.op, [ndim + k for k in axes]
    if permutation(op) is not None and b.eqn(w, REORDERING) is not None:
        return _reordered_alike(permutation(op), permutation(other.op), places, one.args[0], other.args[0], same)
    if op != other.op:
        return False
    if type(op) is ops.Map:
        if all(map(same, one.args, other.args)):
            return True
        if len(one.args) == 2 and ROWS[op.fn].commutative and all(map(same, one.args, other.args[::-1])):
            return True
        if op.fn == "switch" and v is w and axes == (-2, -1) and bands(b, one.args[0]) == "diagonal":
            return same(one.args[2], one.args[2])       # what stands on the diagonal stays there
        zero = op.fn == "eq" and one.args[0] is other.args[0] and one.args[0].data is not None \
            and not one.args[0].data.ndim and one.args[0].data == 0
        return (zero or op.fn in EVEN) and opposite(one.args[-1], other.args[-1])
    if type(op) is ops.Cast:
        return same(one.args[0], other.args[0])
    if (gone := folds(op)) is not None:
        rank = one.args[0].type.ndim
        kept = [k - rank for k in range(rank) if k not in gone]
        return same(one.args[0], other.args[0], (kept[places[0]], kept[places[1]]))
    return v is w and _is_gram(b, v, places)


def _reordered_alike(p: Any, q: Any, places: list[int], x: Var, y: Var, same: Any) -> bool:
    """The same of two permutations of axes."""
    turned = list(p)
    turned[places[0]], turned[places[1]] = p[places[1]], p[places[0]]
    if x is y and tuple(turned) == tuple(q):
        return True
    inner = [p[k] for k in places]
    return tuple(p) == tuple(q) and min(inner) >= 0 and bool(
        same(x, y, (inner[0] - x.type.ndim, inner[1] - x.type.ndim)))


def _is_gram(b: Rewriter, v: Var, places: list[int]) -> bool:
    """Is v a product of something with itself, that is the same if these axes change places?"""
    eqn = b.eqn(v, PRODUCTS)
    if eqn is None or eqn.args[0] is not eqn.args[1]:
        return False
    labels = product_labels(eqn.op)
    assert labels is not None
    first, second = (labels[2][k] for k in places)
    return [{first: second, second: first}.get(x, x) for x in labels[0]] == list(labels[1])


def _may_be_definite(b: Rewriter, v: Var, depth: int = 4) -> bool:
    """Is one of the terms of v a product of a matrix with itself, or an exponential?"""
    if b.eqn(v, "exp") is not None or _is_gram(b, v, [v.type.ndim - 2, v.type.ndim - 1]):
        return True
    eqn = b.eqn(v, ("add", "mul", "true_divide", *REORDERING))
    return bool(depth) and eqn is not None and any(_may_be_definite(b, x, depth - 1) for x in eqn.args
                                                   if x.type.ndim > 1)


def _factors(b: Rewriter, op: Any, args: Args) -> tuple[Var, ...] | None:
    if op.routine != "lu" or args[0] in _read(b) or not mirrored(b, args[0], args[0]):
        return None
    a = args[0]
    if any(eqn.args[0] is a or b.latest(eqn.args[0]) is a for eqn in _choleskys(b)):
        return _of_cholesky(b, a)
    sizes = [s for s in a.type.shape[-2:] if s is not None]
    if (not sizes and a.type.ndim > 2) or (sizes and sizes[0] < LEAST) or not _may_be_definite(b, a):
        return None
    return tuple(b.apply(build.call("lu_definite"), a))


def _read(b: Rewriter) -> set[Var]:
    """Matrices of which the LU factors themselves are asked for, not only what is solved with them."""
    found: set[Var] | None = b.memo.get("factors")
    if found is None:
        eqns = b.before.eqns
        of = {v: b.latest(eqn.args[0]) for eqn in eqns if eqn.op == _LU for v in eqn.outs}
        read = [v for eqn in eqns if getattr(eqn.op, "routine", None) not in _USERS for v in eqn.args]
        found = b.memo["factors"] = {of[v] for v in (*read, *b.before.outputs) if v in of}
    return found


def _choleskys(b: Rewriter) -> list[Any]:
    found: list[Any] | None = b.memo.get("choleskys")
    if found is None:
        found = b.memo["choleskys"] = [eqn for eqn in b.before.eqns if eqn.op == _CHOLESKY]
    return found


def _of_cholesky(b: Rewriter, a: Var) -> tuple[Var, Var]:
    """With l l^T = a and d the diagonal of l: l d and d^-1 l^T, and no interchanges."""
    factor = b.apply(_CHOLESKY, a)
    ndim = a.type.ndim
    n = b.size(a, ndim - 1)
    places = b.apply(ops.Iota(), n)
    rows, columns = [build.insert_axes(b, places, (axis,), 2) for axis in (1, 0)]
    zero = b.constant(0, a.type.dtype)
    diagonal = build.fold(b, "add", b.map("switch", b.map("eq", rows, columns), factor, zero), (ndim - 1,))
    turned = build.move_axis(b, factor, ndim - 1, ndim - 2)
    low = b.map("mul", factor, build.insert_axes(b, diagonal, (ndim - 2,), ndim))
    high = b.map("true_divide", turned, build.insert_axes(b, diagonal, (ndim - 1,), ndim))
    swaps = places if ndim == 2 else b.apply(ops.Broadcast(), places, *[b.size(a, k) for k in range(ndim - 1)])
    return b.map("switch", b.map("le", columns, rows), low, high), swaps


_CHOLESKY, _LU = build.call("cholesky"), build.call("lu")
_USERS = ("lu_solve", "lu_solve_transposed", "lu_inverse", "lu_det", "lu_slogdet")


def _gram(b: Rewriter, more: float) -> Var:
    """x x^T + more I; x is an input whose rows are few."""
    x = b.map("tanh", b.input(TensorType("float64", (26, None))))
    places = b.apply(ops.Iota(), b.constant(26, "int64"))
    same = b.map("eq", build.insert_axes(b, places, (1,), 2), build.insert_axes(b, places, (0,), 2))
    return b.map("add", build.contract(b, x, (0, 1), x, (2, 1), (0, 2)),
                 b.map("switch", same, b.constant(more, "float64"), b.constant(0.0, "float64")))


def _kernel(b: Rewriter) -> Var:
    """exp(-(x_i - x_j)^2) + 2 I"""
    x = b.input(TensorType("float64", (26,)))
    rows, columns = [build.insert_axes(b, x, (axis,), 2) for axis in (1, 0)]
    places = b.apply(ops.Iota(), b.constant(26, "int64"))
    same = b.map("eq", *[build.insert_axes(b, places, (axis,), 2) for axis in (1, 0)])
    inner = b.map("exp", b.map("neg", b.map("square", b.map("sub", rows, columns))))
    return b.map("add", inner, b.map("mul", b.constant(2.0, "float64"), b.apply(ops.Cast("float64"), same)))


def _sample(b: Rewriter) -> Sample:
    """Definite ones, one that is not, and one whose Cholesky factor is there."""
    matrices = [_gram(b, 3.0), _kernel(b), _gram(b, -0.5), _gram(b, 2.0)]
    made = [b.apply(build.call("lu_slogdet"), *b.apply(build.call("lu"), a), a)[1] for a in matrices]
    return *made, b.apply(_CHOLESKY, matrices[-1])


RULES = (
    Rule("definite_factors", On(CALLING), _factors, exact=False, ulps=4096, sample=_sample,
         why="factors without interchanges, where the matrix is definite: as exact as those with them"),
)
