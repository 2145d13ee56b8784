"""Products with matrices of derivatives, found in the user's graph: `dot(jacobian(y, x), v)` and its like.

    products(outputs, stop) -> {variable: what stands for it}        for `ir.convert.to_program`'s `given`

A matrix of derivatives is the result of `jacobian` or `hessian`, which carries a mark, or a Scan whose step is the
gradient of one element, `scan(lambda i, y, x: grad(y[i], x), sequences=arange(y.shape[0]), ...)`.  If all that is done
with one are contractions with vectors, they become J v by `Rop` and v J by `Lop`, and the matrix is not formed.  Else
the Scan becomes the matrix as `control.jacobian` makes it.  In and out: expressions; run by `compile.ingest`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gradc.autodiff.forward import Rop
from gradc.autodiff.linear_rules import is_linear
from gradc.autodiff.reverse import Lop
from gradc.control.jacobian import Derivative
from gradc.control.linear import LinearMap, is_zero, linear_matrix
from gradc.ir import build, graph, ops
from gradc.ir.convert import inline
from gradc.ir.facts import changes, permutation, product_labels
from gradc.ir.graph import Apply, Constant, Variable, apply, clone_replace, toposort
from gradc.ir.program import Eqn, Program, Var
from gradc.record import record

_SECOND = ops.Map("second")


@record(eq=False)
class Matrix:
    """A matrix of derivatives in a graph, its axes those of `rows` and then those of `columns`."""

    rows: Variable                                      # has the shape of the function's value
    columns: int                                        # number of axes of what it is differentiated by
    left: Callable[[Variable], Variable]                # v -> v J, v in the shape of `rows`
    right: Callable[[Variable], Variable]               # v -> J v
    formed: Callable[[], Variable] | None = None        # the matrix itself, where the graph has something slower


@record(eq=False)
class MatrixView:
    """A variable that is `matrix` with its axes in the order `perm`."""

    matrix: Matrix
    perm: tuple[int, ...]
    root: Variable


def may_be_matrix(v: Variable) -> bool:
    """Is v a result of `jacobian` or `hessian`, or of a Scan, so that `products` has work to do?"""
    return v.owner is not None and (type(v.owner.op) is ops.Scan or _mark(v) is not None)


def _mark(v: Variable) -> Derivative | None:
    return getattr(v.tag, "derivative", None) if v.__dict__.get("_tag") else None


def products(outputs: Sequence[Variable], stop: Iterable[Variable] = ()) -> dict[Variable, Variable]:
    """What stands for the matrices of derivatives between `stop` and `outputs`, and for products with them."""
    replaced: dict[Variable, Variable] = {}
    roots = list(outputs)
    while roots:                            # what is put in may itself contain products
        found = _products(roots, {*stop, *replaced})
        replaced.update(found)
        roots = list(found.values())
    return replaced


def _products(roots: Sequence[Variable], known: set[Variable]) -> dict[Variable, Variable]:
    views: dict[Variable, MatrixView] = {}
    pending: dict[Variable, list[tuple[Variable, Callable[[], Variable]]]] = {}     # matrix -> products with it
    formed: set[Variable] = set()           # matrices that are needed as such
    order = toposort(roots, stop=known)
    for node in order:
        if type(node.op) is ops.Scan:
            for k, out in enumerate(node.outputs):
                if out not in known and (matrix := _scanned(node, k)) is not None:
                    views[out] = MatrixView(matrix, tuple(range(out.type.ndim)), out)
        else:
            (out, *_) = node.outputs
            mark = _mark(out)
            if mark is not None and mark.matrix is out and out not in known and not _clips(mark.expression):
                views[out] = MatrixView(_marked(mark), tuple(range(out.type.ndim)), out)
    if not views:
        return {}
    formed.update(views[v].root for v in roots if v in views)
    for node in order:
        used = [v for v in node.inputs if v in views]
        if not used:
            continue
        out = node.outputs[0]
        perm = permutation(node.op)
        if perm is not None and -1 not in perm:
            view = views[used[0]]
            views[out] = MatrixView(view.matrix, tuple([view.perm[p] for p in perm]), view.root)
            if out in roots:
                formed.add(view.root)
            continue
        product = _product(node, views) if product_labels(node.op) is not None and len(used) == 1 else None
        if product is None:
            formed.update(views[v].root for v in used)
        else:
            pending.setdefault(views[used[0]].root, []).append((out, product))
    result: dict[Variable, Variable] = {}
    for root in {view.root: None for view in views.values()}:
        matrix = views[root].matrix
        if root in formed:
            if matrix.formed is not None:
                result[root] = matrix.formed()
            continue
        for out, product in pending.get(root, ()):
            new = product()
            if new.type == out.type or out.type.accepts(new.type):
                result[out] = new
    return result


def _product(node: Apply, views: dict[Variable, MatrixView]) -> Callable[[], Variable] | None:
    """The contraction of a matrix over all its rows, or over all its columns, with an array of just these axes."""
    op = node.op
    (x, y), (a, b) = node.inputs, (op.a, op.b)
    if y in views:
        x, y, a, b = y, x, b, a
    view, matrix = views[x], views[x].matrix
    own = [a[view.perm.index(k)] for k in range(len(a))]            # labels of the matrix, in its own order of axes
    n = len(own) - matrix.columns
    for summed, kept, times in ((own[:n], own[n:], matrix.left), (own[n:], own[:n], matrix.right)):
        if sorted(b) == sorted(summed) and sorted(op.out) == sorted(kept):
            return lambda: _arranged(times(_arranged(y, b, summed)), kept, op.out)
    return None


def _arranged(x: Variable, names: Sequence[int], out: Sequence[int]) -> Variable:
    """x, whose axes are `names`, with its axes in the order `out`."""
    return build.reorder(graph, x, [names.index(name) for name in out])


def _marked(mark: Derivative) -> Matrix:
    y, x, fixed = mark.expression, mark.wrt, mark.fixed

    def left(v: Variable) -> Variable:
        return Lop(y, x, v, fixed, "ignore")

    def right(v: Variable) -> Variable:
        if fixed is None:
            return Rop(y, x, v, "ignore")
        u = y.type()
        return _transposed(LinearMap(u, left(u), y), v)

    return Matrix(y, x.type.ndim, left, right)


def _clips(y: Variable) -> bool:
    """Does a gradient of y go through `grad_clip`, so that products are not linear in the vector?"""
    return any(type(node.op) is ops.GradientOf and node.op.kind[0] == "clip" for node in toposort([y]))


def _transposed(given: LinearMap, v: Variable) -> Variable:
    """v times the transposed map: a second reverse pass, whose result uses the shape of u at most."""
    by_u = Lop(given.result, given.u, v, disconnected_inputs="ignore")
    return clone_replace(by_u, {given.u: given.like})


# ------------------------------------------------------------------------- the gradient of one element, in a Scan


def _scanned(node: Apply, k: int) -> Matrix | None:
    """Output k of a Scan as a matrix, if row i of it is the gradient of element i of something."""
    op = node.op
    if op.n_carries or op.n_seqs != 1 or op.until or op.limited:
        return None
    _, _, (positions,), _, others = op.split(node.inputs)
    found = _one_element(op.body, k)
    if found is None:
        return None
    scatter, program = found
    place = op.body.inputs.index(scatter.args[0]) - 1 if scatter.args[0] in op.body.inputs else -1
    if place < 0 or not is_zero(others[place]) or not _counts(node.inputs[0], positions, others[place]):
        return None
    like = others[place]
    u = like.type()
    (row,) = inline(program, [u, *others])
    given = LinearMap(u, row, like)

    def left(v: Variable) -> Variable:
        return clone_replace(row, {u: apply(_SECOND, like, apply(ops.Cast(u.type.dtype), v))})

    return Matrix(like, row.type.ndim, left, lambda v: _transposed(given, v),
                  lambda: linear_matrix(given))


def _one_element(body: Program, k: int) -> tuple[Eqn, Program] | None:
    """The equation that puts a 1 at position i, the first input, into zeros, and the rest of output k as a Program
    of what it makes and the other inputs; None if output k is not made that way."""
    i, producer = body.inputs[0], body.producers()
    places = [e for e in body.eqns if changes(e.op) == (ops.Item(at=ops.DYNAMIC),)
              and e.args[2:] == (i,) and len(e.out.type.shape) == 1
              and _is_one(e.args[1], producer)]
    if len(places) != 1:
        return None
    out = body.outputs[k]
    needed, kept = {out}, []
    for eqn in reversed(body.eqns):
        if eqn is not places[0] and not needed.isdisjoint(eqn.outs):
            kept.append(eqn)
            needed.update(eqn.args)
    program = Program([places[0].out, *body.inputs[1:]], kept[::-1], [out])
    if i in needed or places[0].out not in needed or not is_linear(program):
        return None
    return places[0], program


def _is_one(v: Var, producer: dict[Var, Eqn]) -> bool:
    while v.data is None:
        eqn = producer.get(v)
        if eqn is None or not (eqn.op == _SECOND or type(eqn.op) in (ops.Broadcast, ops.Cast)):
            return False
        v = eqn.args[1 if eqn.op == _SECOND else 0]
    return bool((v.data == 1).all())


def _counts(steps: Variable, positions: Variable, zeros: Variable) -> bool:
    """Are `positions` 0, 1, ... up to the size of `zeros`, and is there a step for each?"""
    node = positions.owner
    if node is None or type(node.op) is not ops.Iota:
        return False
    n = node.inputs[0]
    if not (steps is n or _is_size_of(steps, positions) or _equal(steps, n)):
        return False
    while not _is_size_of(n, zeros):        # zeros made in the shape of something
        if zeros.owner is None or zeros.owner.op != _SECOND:
            return False
        zeros = zeros.owner.inputs[0]
    return True


def _is_size_of(n: Variable, x: Variable) -> bool:
    node = n.owner
    if node is not None and type(node.op) is ops.Cast:
        return _is_size_of(node.inputs[0], x)
    if node is not None and node.op == ops.ShapeOf(0):
        return node.inputs[0] is x
    static = x.type.shape[0]
    return static is not None and isinstance(n, Constant) and int(n.data) == static


def _equal(a: Variable, b: Variable) -> bool:
    return isinstance(a, Constant) and isinstance(b, Constant) and int(a.data) == int(b.data)
