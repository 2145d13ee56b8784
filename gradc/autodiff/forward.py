"""`Rop`: forward mode, one sweep over the expression graph with a tangent per variable.

A user's Op without `R_op` is differentiated by two reverse passes: J v is the derivative by u of <J^T u, v>.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, TypeAlias, overload

from gradc.autodiff import guards
from gradc.autodiff.cuts import warn_of_cuts
from gradc.autodiff.guards import Guarded
from gradc.autodiff.reverse import Wrt, as_given, grad, targets_of
from gradc.autodiff.rules.user import user_jvp, user_vjp
from gradc.autodiff.stable import ROOTS, GraphForms, new_nodes
from gradc.autodiff.symbolic import Symbolic, cotangent_dtype, is_complex, is_continuous
from gradc.autodiff.table import JVP, connection
from gradc.errors import (
    DisconnectedInputError,
    GradcWarning,
    GradientError,
    NoRuleError,
    NullTypeGradError,
    ShapeError,
    at,
    quoted,
)
from gradc.ir import build, ops
from gradc.ir.branches import sink
from gradc.ir.facts import facts
from gradc.ir.graph import (
    Apply,
    NullVariable,
    Variable,
    clone_replace,
    describe,
    made_with,
    to_variable,
    toposort,
    user_line,
)
from gradc.ir.types import DisconnectedType, NullType, TensorType
from gradc.sparse.variable import SparseVariable, dense_part
from gradc.tensor.types import TensorLike
from gradc.tensor.variable import TensorVariable

Points: TypeAlias = "TensorLike | SparseVariable | Sequence[TensorLike | SparseVariable]"


@overload
def Rop(f: Variable, wrt: Wrt, eval_points: Points,
        disconnected_outputs: str = "raise", return_disconnected: str = "zero") -> TensorVariable: ...
@overload
def Rop(f: Sequence[Variable], wrt: Wrt, eval_points: Points,
        disconnected_outputs: str = "raise", return_disconnected: str = "zero") -> list[TensorVariable]: ...
def Rop(f: Variable | Sequence[Variable], wrt: Wrt, eval_points: Points, disconnected_outputs: str = "raise",
        return_disconnected: str = "zero") -> Any:
    """The Jacobian of `f` by `wrt` times the vector `eval_points`.

    disconnected_outputs: "raise", "warn" or "ignore" when an output does not depend on `wrt`.
    return_disconnected: "zero", "none" or "disconnected": what stands for its derivative then.

    The point of a sparse matrix has its pattern: one of the same arrays, or the vector of its data.

    Shapes: eval_points as wrt (None: zero); the result as f (a list of them if f is a list).
    Raises: ShapeError if wrt and eval_points differ in number or rank, DisconnectedInputError, NullTypeGradError.
    Source: aesara.gradient.Rop; B. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6
        (1994) 147-160.
    """
    if disconnected_outputs not in ("raise", "warn", "ignore"):
        raise GradientError(f"disconnected_outputs must be one of 'raise', 'warn', 'ignore', got "
                            f"{quoted(disconnected_outputs)}{at(user_line())}")
    answer = return_disconnected.lower()
    if answer not in ("zero", "none", "disconnected"):
        raise GradientError(f"return_disconnected must be one of 'zero', 'none', 'disconnected', got "
                            f"{quoted(return_disconnected)}{at(user_line())}")
    outputs = [f] if isinstance(f, Variable) else list(f)
    sources = [dense_part(x) for x in targets_of(wrt)[1]]
    points = [dense_part(t) for t in (eval_points if isinstance(eval_points, (list, tuple)) else [eval_points])]
    if len(sources) != len(points):
        raise ShapeError(f"Rop: expected one evaluation point per variable of wrt, got {len(points)} for "
                         f"{len(sources)}")
    o = Symbolic()
    tangents = [_point(o, x, t) for x, t in zip(sources, points)]
    lazy = sink([*outputs, *sources])       # of an `ifelse` only the branch taken is differentiated
    outputs = [lazy.get(y, y) for y in outputs]
    forward = _Forward(o, [lazy.get(x, x) for x in sources],
                       [None if t is None else Guarded(t) for t in tangents])
    forward.run(outputs)
    result: list[Variable | None] = []
    for y in outputs:
        o.source = y.source
        t = forward.tangents.get(id(y))
        if t is not None and isinstance(t.raw.type, NullType):
            raise NullTypeGradError(f"the derivative of {describe(y)}{at(y.source)} is undefined: {t.raw.type.why}")
        if id(y) not in forward.connected:
            message = (f"Rop was asked for the derivative of {describe(y)}{at(y.source)}, which does not depend on "
                       f"{' or '.join(map(describe, sources))}, or only by operations that pass no derivative; pass "
                       f"disconnected_outputs='ignore' (jacobian: disconnected_inputs='ignore') to get zeros")
            if disconnected_outputs == "raise":
                raise DisconnectedInputError(message)
            if disconnected_outputs == "warn":
                warnings.warn(message, GradcWarning, stacklevel=2)
            if answer == "none":
                result.append(None)
                continue
            if answer == "disconnected":
                result.append(NullVariable(DisconnectedType()))
                continue
        result.append(o.full_like(y, 0) if t is None else t.value(o))
    return result[0] if isinstance(f, Variable) else as_given(f, result)


def hessian_vector_product(cost: Variable, wrt: Variable | Sequence[Variable],
                           p: TensorLike | Sequence[TensorLike]) -> Any:
    """The Hessian of the scalar `cost` by `wrt` times the vector `p`, without the Hessian.

    Shapes: p and the result as wrt (lists if wrt is a list).
    Raises: as grad and Rop.   Source: Pearlmutter 1994, see Rop.
    """
    return Rop(grad(cost, wrt), wrt, p, disconnected_outputs="ignore")


def pushforward(o: Symbolic, inputs: Sequence[Variable], tangents: Sequence[Guarded | None],
                outputs: Sequence[Variable]) -> list[Guarded | None]:
    """The tangents of `outputs` for those of `inputs`; None where they are zero.  For the rules of loops and branches.

    An undefined one is a variable of NullType.
    """
    forward = _Forward(o, inputs, tangents)
    forward.run(outputs)
    return [forward.tangents.get(id(y)) for y in outputs]


class _Forward:
    """The forward pass: which variables depend on the sources, and their tangents (absent: zero)."""

    def __init__(self, o: Symbolic, sources: Sequence[Variable], points: Sequence[Guarded | None]) -> None:
        self.o = o
        self.sources = sources
        self.connected = {id(x) for x in sources}
        self.tangents = {id(x): t for x, t in zip(sources, points) if t is not None}
        self._forms = GraphForms(o, self.connected.copy())
        self._known: set[int] = set()
        self._made: list[Apply] = []        # nodes of forms: kept alive, for they are known by id

    def run(self, outputs: Sequence[Variable]) -> None:
        """Compute the tangents of `outputs`."""
        order = toposort(outputs, stop=self.sources)
        warn_of_cuts(order, outputs, [x for x in self.sources if id(x) in self.tangents])
        self._run(order)

    def _run(self, nodes: Sequence[Apply]) -> None:
        for node in nodes:
            self._known.update(id(v) for v in (*node.inputs, *node.outputs))
            pattern = connection(node)
            live = [id(x) in self.connected for x in node.inputs]
            if True not in live:
                continue
            for j, y in enumerate(node.outputs):
                if pattern is None or any(used and row[j] for used, row in zip(live, pattern)):
                    self.connected.add(id(y))
            with made_with(node):
                self._step(node)

    def _through(self, forms: Sequence[Variable]) -> list[Guarded | None]:
        """The tangents of other forms that a node has."""
        nodes = new_nodes(forms, self._known)
        self._made += nodes
        self._run(nodes)
        return [self.tangents.get(id(form)) for form in forms]

    def _set(self, y: Variable, t: Guarded | None) -> None:
        if t is not None:
            self.tangents[id(y)] = t.with_raw(self.o.cast(t.raw, cotangent_dtype(y)))

    def _step(self, node: Apply) -> None:
        ts = [self.tangents.get(id(x)) for x in node.inputs]
        if all(t is None for t in ts):
            return
        o, op = self.o, node.op
        o.source = node.source
        null = next((t for t in ts if t is not None and isinstance(t.raw.type, NullType)), None)
        if type(op) is ops.Map and null is None and not is_complex(node):
            projection = self._forms.projection(node)
            if projection is not None:
                return self._set(node.outputs[0], projection.forward(self._through(projection.sources())))
            form = self._forms.of(node) if op.fn in ROOTS else None
            if form is not None:
                return self._set(node.outputs[0], *self._through([form]))
        results: Sequence[Guarded | None]
        if null is not None:
            results = [null if is_continuous(y) else None for y in node.outputs]
        elif not isinstance(op, ops.OpKind):
            given = guards.values(o, ts)
            results = guards.through(o, ts, user_jvp(o, node, given) or self._twice_reverse(node, given))
        elif facts(op).several:
            results = JVP[type(op)](o, node, ts)
        elif not is_continuous(node.outputs[0]):
            return                                      # integers and bools: derivative zero
        elif type(op) not in JVP:
            raise NoRuleError(f"{op} has no forward entry in autodiff/rules")
        else:
            results = [guards.forward(o, node, ts)]
        for y, t in zip(node.outputs, results):
            if t is not None and id(y) in self.connected and id(y) not in self.tangents:
                tensor = type(t.raw.type) is TensorType
                self.tangents[id(y)] = t.with_raw(o.cast(t.raw, cotangent_dtype(y))) if tensor else t

    def _twice_reverse(self, node: Apply, tangents: Sequence[Variable | None]) -> list[Variable | None]:
        """J v by the gradient of <J^T u, v> by u, which is linear in u."""
        o = self.o
        us: list[Variable | None] = [y.type() if is_continuous(y) else None for y in node.outputs]
        products = []
        for x, t, g in zip(node.inputs, tangents, user_vjp(o, node, us)):
            if t is None or g is None or not is_continuous(x):
                continue
            if isinstance(g.type, NullType):
                return [g if u is not None else None for u in us]
            product = o.mul(g, t)
            products.append(build.fold_all(o, "add", product))
        total = o.add_terms(products)
        if total is None:
            return [None] * len(us)
        wrt = [u for u in us if u is not None]
        found = grad(total, wrt, disconnected_inputs="ignore", return_disconnected="none", add_names=False)
        # Linear in u, so the result uses at most the shape of u, which is that of the output
        stands_for = [(u, y) for u, y in zip(us, node.outputs) if u is not None]
        rest = iter([g if g is None else clone_replace(g, stands_for) for g in found])
        return [next(rest) if u is not None else None for u in us]


def _point(o: Symbolic, x: Variable, t: object) -> Variable | None:
    """An evaluation point, checked against its variable."""
    if t is None:
        return None
    t = to_variable(t)
    if not isinstance(t.type, TensorType) or t.type.ndim != x.type.ndim:
        raise ShapeError(f"Rop: the evaluation point of {describe(x)}{at(x.source)} must have its rank: expected "
                         f"{x.type}, got {t.type}{at(t.source)}")
    o.source = x.source
    # `second` checks at run time that the point has the shape of x, and keeps x an input of what comes out
    return o.second(x, o.cast(t, cotangent_dtype(x)))
