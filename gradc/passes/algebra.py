"""Rules of linear algebra: systems instead of inverses, triangles where they are known (orders of products: `chains`).

A factorization that is asked for twice needs no rule: equal equations are one, and derivatives use the factors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.ir import build, dtypes, ops
from gradc.ir.facts import (
    CALLING,
    FOLDING,
    PRODUCTS,
    READING,
    REORDERING,
    Folding,
    Product,
    facts,
    folds,
    permutation,
    product_labels,
    reads,
)
from gradc.ir.program import Eqn, Var
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule, Sample

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter


def _routine(b: Rewriter, v: Var, *names: str) -> Eqn[Any] | None:
    """The call of one of these routines that makes v."""
    eqn = b.eqn(v, CALLING)
    return eqn if eqn is not None and eqn.op.routine in names else None


def _once(b: Rewriter, v: Var) -> bool:
    """Is v used here only?"""
    return b.uses().get(v, 0) == 1


def _turned(b: Rewriter, v: Var) -> Var:
    return build.move_axis(b, v, v.type.ndim - 1, v.type.ndim - 2)


def _labels(op: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The labels of a product: of each operand and of the result."""
    labels = product_labels(op)
    assert labels is not None
    return labels


def _is_product(a: tuple[int, ...], c: tuple[int, ...], out: tuple[int, ...]) -> bool:
    """Is it a product of two matrices, of which each may be transposed?"""
    common = set(a) & set(c)
    return len(a) == len(c) == len(out) == 2 and len(common) == 1 and not common & set(out)


# ------------------------------------------------------------------------------------------- systems


def _solved(b: Rewriter, op: Product, args: Args) -> Var | None:
    """A product with an inverse, of matrices without a batch."""
    *both, out = _labels(op)
    for inverse, labels, other, rest in ((args[0], both[0], args[1], both[1]), (args[1], both[1], args[0], both[0])):
        call = _routine(b, inverse, "lu_inverse")
        summed = [x for x in labels if x in rest]
        if call is None or len(labels) != 2 or len(rest) > 2 or len(summed) != 1 or summed[0] in out \
                or len(out) != len(rest) or not _once(b, inverse):
            continue
        right = build.move_axis(b, other, rest.index(summed[0]), 0)
        vector = len(rest) == 1
        if vector:
            right = build.insert_axes(b, right, (1,), 2)
        name = "lu_solve" if summed[0] == labels[1] else "lu_solve_transposed"
        made = b.apply(build.call(name), *call.args[:2], right, call.args[2])
        if vector:
            return build.take(b, made, 0, axis=1)
        kept = labels[0] if summed[0] == labels[1] else labels[1]
        return made if out[0] == kept else _turned(b, made)
    return None


def _log_of_determinant(b: Rewriter, op: object, args: Args) -> Var | None:
    inner = b.eqn(args[0], "abs")
    call = _routine(b, args[0] if inner is None else inner.args[0], "lu_det")
    if call is None:
        return None
    sign, log = b.apply(build.call("lu_slogdet"), *call.args)
    return log if inner is not None else b.map("add", b.map("log", sign), log)


def _dominant(b: Rewriter) -> Var:
    """A matrix that no input makes singular."""
    v = b.input(TensorType("float64", (3, 3)))
    places = b.apply(ops.Iota(), b.constant(3, "int64"))
    same = b.map("eq", build.insert_axes(b, places, (1,), 2), build.insert_axes(b, places, (0,), 2))
    return b.map("add", b.map("tanh", v), b.map("switch", same, b.constant(4.0, "float64"), b.constant(0.0, "float64")))


def _factors(b: Rewriter, a: Var) -> tuple[Var, Var, Var]:
    factors, swaps = b.apply(build.call("lu"), a)
    return factors, swaps, a


def _sample_solved(b: Rewriter) -> Sample:
    inverses = [b.apply(build.call("lu_inverse"), *_factors(b, _dominant(b))) for _ in range(4)]
    m, v = b.input(TensorType("float64", (3, 2))), b.input(TensorType("float64", (3,)))
    return (build.contract(b, inverses[0], (0, 1), m, (1, 2), (0, 2)),
            build.contract(b, inverses[1], (0, 1), v, (1,), (0,)),
            build.contract(b, m, (0, 1), inverses[2], (0, 2), (1, 2)),
            build.contract(b, inverses[3], (0, 1), m, (0, 2), (2, 1)))


def _sample_determinant(b: Rewriter) -> Sample:
    made = [b.apply(build.call("lu_det"), *_factors(b, _dominant(b))) for _ in range(2)]
    return b.map("log", made[0]), b.map("log", b.map("abs", made[1]))


# ------------------------------------------------------------------------------------------- triangles and diagonals


def bands(b: Rewriter, mask: Var) -> str:
    """What a comparison of row and column numbers leaves of a matrix: "lower", "upper", "diagonal", or ""."""
    eqn = b.eqn(mask, ("le", "lt", "ge", "gt", "eq"))
    if eqn is None or mask.type.ndim != 2:
        return ""
    left, right = eqn.args
    fn = eqn.op.fn
    if left.data is not None:
        left, right, fn = right, left, {"le": "ge", "lt": "gt", "ge": "le", "gt": "lt", "eq": "eq"}[fn]
    less = b.eqn(left, "sub")
    limit = 0
    if less is not None and right.data is not None and not right.data.ndim:
        if right.data.dtype.kind not in "iu":
            return ""
        limit, (left, right) = int(right.data), less.args
    sides = [_axis_of(b, v) for v in (left, right)]
    if sides not in ([0, 1], [1, 0]):
        return ""
    if sides == [0, 1]:                         # row less column
        fn, limit = {"le": "ge", "lt": "gt", "ge": "le", "gt": "lt", "eq": "eq"}[fn], -limit
    if fn == "eq":
        return "diagonal" if limit == 0 else ""
    low = (fn == "le" and limit <= 0) or (fn == "lt" and limit <= 1)
    high = (fn == "ge" and limit >= 0) or (fn == "gt" and limit >= -1)
    return "lower" if low else "upper" if high else ""


def _axis_of(b: Rewriter, v: Var) -> int | None:
    """The axis that v numbers, as one row or column."""
    eqn = b.eqn(v, REORDERING)
    if eqn is None or b.eqn(eqn.args[0], ops.Iota) is None:
        return None
    return 0 if permutation(eqn.op) == (0, -1) else 1 if permutation(eqn.op) == (-1, 0) else None


def _part(b: Rewriter, v: Var) -> str:
    """Which part of a matrix can be other than 0, as far as its expression tells."""
    if _routine(b, v, "cholesky", "cholesky_or_nan") is not None:
        return "lower"
    turned = b.eqn(v, REORDERING)
    if turned is not None and v.type.ndim >= 2 and permutation(turned.op) == (
            *range(v.type.ndim - 2), v.type.ndim - 1, v.type.ndim - 2):
        return {"lower": "upper", "upper": "lower"}.get(found := _part(b, turned.args[0]), found)
    chosen = b.eqn(v, "switch")
    if chosen is not None and chosen.args[2].data is not None and not chosen.args[2].data.any():
        mask, rows, columns = b.dims(chosen.args[0]), *b.dims(v)[-2:]
        if len(mask) == 2 and b.sizes.equal((rows, columns), mask) and b.sizes.equal((rows,), (columns,)):
            return bands(b, chosen.args[0])
    return ""


def _triangular(b: Rewriter, op: Any, args: Args) -> Var | None:
    if op.routine not in ("lu_solve", "lu_solve_transposed"):
        return None
    a = args[-1]
    if (part := _part(b, a)) not in ("lower", "upper"):
        return None
    turned = op.routine == "lu_solve_transposed"
    upper = (part == "upper") != turned
    return b.apply(build.call("solve_upper" if upper else "solve_lower"), _turned(b, a) if turned else a, args[2])


def _scaled_rows(b: Rewriter, op: Product, args: Args) -> Var | None:
    """diag(v) a, or a diag(v): rows or columns of a matrix times a number each."""
    first, second, out = _labels(op)
    for k, (labels, rest) in enumerate(((first, second), (second, first))):
        chosen, other = b.eqn(args[k], "switch"), args[1 - k]
        summed = [x for x in labels if x in rest]
        if chosen is None or len(labels) != 2 or len(rest) != 2 or len(summed) != 1 or summed[0] in out \
                or len(out) != 2 or _part(b, args[k]) != "diagonal" or not b.sizes.equal(
                    b.dims(args[k])[:1], b.dims(args[k])[1:]):
            continue
        vector = b.eqn(chosen.args[1], REORDERING)
        if vector is None or permutation(vector.op) not in ((-1, 0), (0, -1)):
            return None
        axis = rest.index(summed[0])
        made = b.map("mul", build.insert_axes(b, vector.args[0], (1 - axis,), 2), other)
        rows = [next(x for x in labels if x not in rest) if x == summed[0] else x for x in rest]
        return made if rows == list(out) else _turned(b, made)
    return None


def _sample_triangular(b: Rewriter) -> Sample:
    made = []
    for fn in ("le", "ge"):
        a = _dominant(b)
        places = b.apply(ops.Iota(), b.constant(3, "int64"))
        less = b.map("sub", build.insert_axes(b, places, (0,), 2), build.insert_axes(b, places, (1,), 2))
        keep = b.map(fn, less, b.constant(0, "int64"))
        part = b.map("switch", keep, a, b.constant(0.0, "float64"))
        v = b.input(TensorType("float64", (3, 2)))
        factors, swaps, _ = _factors(b, part)
        made += [b.apply(build.call(name), factors, swaps, v, part) for name in ("lu_solve", "lu_solve_transposed")]
    return tuple(made)


def _sample_scaled(b: Rewriter) -> Sample:
    v, m = b.input(TensorType("float64", (3,))), b.input(TensorType("float64", (3, None)))
    places = b.apply(ops.Iota(), b.constant(3, "int64"))
    same = b.map("eq", build.insert_axes(b, places, (1,), 2), build.insert_axes(b, places, (0,), 2))
    d = b.map("switch", same, build.insert_axes(b, v, (0,), 2), b.constant(0.0, "float64"))
    return (build.contract(b, d, (0, 1), m, (1, 2), (0, 2)), build.contract(b, m, (1, 2), d, (0, 1), (2, 0)))


# ------------------------------------------------------------------------------------------- products


def _trace_of_product(b: Rewriter, op: Folding, args: Args) -> Var | None:
    """The sum of the diagonal of x y, which is the sum of x times y^T."""
    part = b.eqn(args[0], READING)
    if op.fn != "add" or folds(op) != (0,) or part is None or len(items := reads(part.op) or ()) != 1 \
            or args[0].type.ndim != 1:
        return None
    flat = b.eqn(part.args[0], ops.Reshape)
    product = None if flat is None else b.eqn(flat.args[0], PRODUCTS)
    if product is None or flat.args[0].type.ndim != 2 or not _once(b, flat.args[0]):
        return None
    (x, y), (c, d, made), item = product.args, _labels(product.op), items[0]
    if not _is_product(c, d, made) or item.at is not None or item.start not in (None, 0):
        return None
    sizes = [b.size(flat.args[0], k) for k in range(2)]
    step = b.map("add", b.constant(1, "int64"), sizes[1])
    given = part.args[-1] if item.step is ops.DYNAMIC else b.constant(item.step or 1, "int64")
    count = b.map("minimum", *sizes)
    stop = b.map("mul", b.map("maximum", b.constant(0, "int64"), count), step)
    whole = part.args[1] is stop if item.stop is ops.DYNAMIC else b.sizes.equal(
        b.dims(args[0]), (b.sizes.value(count),))
    if given is not step or not whole:
        return None
    (between,) = set(c) & set(d)
    parts = [build.cut(b, v, stop=count, axis=1 - labels.index(between)) for v, labels in ((x, c), (y, d))]
    names = [[between if name == between else -1 for name in labels] for labels in (c, d)]
    return build.contract(b, parts[0], names[0], parts[1], names[1], ())


def _sample_trace(b: Rewriter) -> Sample:
    made = []
    for shape in ((None, 3), (5, 3)):
        x, y = b.input(TensorType("float64", (shape[0], None))), b.input(TensorType("float64", (shape[1], None)))
        product = build.contract(b, x, (0, 1), y, (2, 1), (0, 2))
        n, m = (b.size(product, k) for k in range(2))
        flat = b.apply(ops.Reshape(1), product, b.map("mul", n, m))
        step = b.map("add", b.constant(1, "int64"), m)
        count = b.map("maximum", b.constant(0, "int64"), b.map("minimum", n, m))
        part = build.cut(b, flat, 0, b.map("mul", count, step), step)
        made.append(build.fold(b, "add", part, (0,)))
    return tuple(made)


def _scaled(b: Rewriter, v: Var) -> tuple[Var | None, Var]:
    """A number and what it multiplies; None for 1."""
    eqn = b.eqn(v, "mul") if _once(b, v) else None
    if eqn is not None and not eqn.args[0].type.ndim:
        return eqn.args[0], eqn.args[1]
    if eqn is not None and not eqn.args[1].type.ndim:
        return eqn.args[1], eqn.args[0]
    return None, v


def _read_as_array(b: Rewriter, op: ops.Map, args: Args) -> bool:
    """Is the result of this equation in memory in any case, since no loop reads it?"""
    users: dict[Var, list[Any]] | None = b.memo.get("users")
    if users is None:
        users = b.memo["users"] = {}
        for eqn in b.before.eqns:
            for v in eqn.args:
                users.setdefault(v, []).append(eqn)
    made = [eqn.outs[0] for eqn in b.before.eqns if eqn.op == op and set(map(b.latest, eqn.args)) == set(args)]
    return all(all(type(eqn.op) in (*PRODUCTS, *CALLING) for eqn in users.get(v, ())) for v in made)


def _product_and_sum(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """a x y + c z, where z is in memory."""
    for place in (0, 1):
        (factor, made), (other, z) = _scaled(b, args[place]), _scaled(b, args[1 - place])
        product, source = b.eqn(made, PRODUCTS), b.eqn(z)
        if product is None or not _once(b, made) or made.type.ndim != 2 or not _is_product(*_labels(product.op)) \
                or product.args[0] is product.args[1] or made.type.dtype not in dtypes.FLOATS \
                or any(v.type.dtype != made.type.dtype for v in (*args, *product.args)) \
                or any(s is not None and s < SMALL_PRODUCT for v in product.args for s in v.type.shape) \
                or not b.same_shape(made, z) or (source is not None and facts(source.op).fused) \
                or not _read_as_array(b, op, args):
            continue
        (x, y), (c, d, out) = product.args, _labels(product.op)
        if out[0] not in c:
            x, y, c, d = y, x, d, c
        (between,) = set(c) & set(d)
        x = x if c[1] == between else _turned(b, x)
        y = y if d[0] == between else _turned(b, y)
        one = b.constant(1.0, made.type.dtype)
        factors = [one if v is None else b.cast(v, made.type.dtype) for v in (factor, other)]
        if op.fn == "sub":              # what is subtracted
            factors[1 - place] = b.map("neg", factors[1 - place])
        return b.apply(build.call("gemm_add"), x, y, z, *factors)
    return None


def _sample_sum(b: Rewriter) -> Sample:
    x, y = b.input(TensorType("float64", (33, None))), b.input(TensorType("float64", (None, 34)))
    z, c = b.input(TensorType("float64", (33, 34))), b.input(TensorType("float64", ()))
    product = [build.contract(b, x, (0, 1), y, (1, 2), (0, 2)), build.contract(b, y, (1, 0), x, (2, 1), (2, 0))]
    return (b.map("sub", z, b.map("mul", c, product[0])),
            b.map("add", b.map("mul", b.constant(2.0, "float64"), product[1]), b.map("mul", z, c)))


SMALL_PRODUCT = 32      # rows or columns up to which a product is rather a loop that goes on with its result

RULES = (
    Rule("product_and_sum", On(("add", "sub"), needs=PRODUCTS), _product_and_sum, exact=False, ulps=256,
         sample=_sample_sum, why="the sum is rounded with those of the product"),
    Rule("solve_instead_of_inverse", On(PRODUCTS, some=CALLING), _solved, exact=False, ulps=256,
         sample=_sample_solved, why="a solution by factors is closer to the exact one than a product with an inverse"),
    Rule("log_of_determinant", On(("log",), first=(*CALLING, "abs"), needs=CALLING), _log_of_determinant,
         exact=False, ulps=64, sample=_sample_determinant,
         why="the determinant over- or underflows where its logarithm does not"),
    Rule("triangular_system", On(CALLING), _triangular, exact=False, ulps=256, sample=_sample_triangular,
         why="substitution with the triangle itself, not with its factors"),
    Rule("scaled_rows", On(PRODUCTS, some=("switch",)), _scaled_rows, exact=False, sample=_sample_scaled,
         why="no sum with zeros: infinities do not become nan in other rows"),
    Rule("trace_of_product", On(FOLDING, first=READING, needs=PRODUCTS), _trace_of_product,
         exact=False, ulps=256, sample=_sample_trace, why="sums of products in another order"),
)
