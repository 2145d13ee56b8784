"""`grad` and `Lop`: one backward pass over the expression graph.

In: a scalar cost (or known gradients) and the variables to differentiate by.  Out: ordinary expressions,
which can be differentiated again.  Rules come from the tables; nothing is simplified here.  No recursion.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, overload

from gradc.autodiff import guards
from gradc.autodiff import rules as _rules  # noqa: F401  (fills the tables)
from gradc.autodiff.cuts import warn_of_cuts
from gradc.autodiff.guards import Guarded
from gradc.autodiff.rules.user import user_vjp
from gradc.autodiff.stable import ROOTS, SEEDING, GraphForms, new_nodes
from gradc.autodiff.symbolic import Symbolic, cotangent_dtype, is_complex, is_continuous
from gradc.autodiff.table import VJP, Pattern, connection
from gradc.errors import (
    DisconnectedInputError,
    GradcWarning,
    GradientError,
    NonScalarCostError,
    NoRuleError,
    NullTypeGradError,
    ShapeError,
    TypeMismatchError,
    at,
    quoted,
)
from gradc.ir import dtypes, ops
from gradc.ir.branches import sink
from gradc.ir.facts import facts
from gradc.ir.graph import (
    Apply,
    NullVariable,
    Variable,
    ancestors,
    describe,
    graph_inputs,
    made_with,
    to_variable,
    toposort,
    user_line,
)
from gradc.ir.types import DisconnectedType, NullType, TensorType
from gradc.sparse.variable import SparseVariable, dense_part, in_pattern
from gradc.tensor.types import TensorLike
from gradc.tensor.variable import TensorVariable

if TYPE_CHECKING:
    from typing_extensions import Unpack


Wrt: TypeAlias = "Variable | SparseVariable | Sequence[Variable | SparseVariable] | Sequence[Variable]"


class GradOptions(TypedDict, total=False):
    """What else `grad` takes."""

    disconnected_inputs: str
    add_names: bool
    known_grads: Mapping[Variable, object] | None
    return_disconnected: str
    null_gradients: str


@overload
def grad(cost: Variable | None, wrt: Variable, consider_constant: Iterable[Variable] | None = None,
         **options: Unpack[GradOptions]) -> TensorVariable: ...
@overload
def grad(cost: Variable | None, wrt: SparseVariable, consider_constant: Iterable[Variable] | None = None,
         **options: Unpack[GradOptions]) -> SparseVariable: ...
@overload
def grad(cost: Variable | None, wrt: Sequence[Variable], consider_constant: Iterable[Variable] | None = None,
         **options: Unpack[GradOptions]) -> list[TensorVariable]: ...
@overload
def grad(cost: Variable | None, wrt: Sequence[Variable | SparseVariable],
         consider_constant: Iterable[Variable] | None = None, **options: Unpack[GradOptions]) -> list[Any]: ...
def grad(cost: Variable | None, wrt: Wrt, consider_constant: Iterable[Variable] | None = None,
         disconnected_inputs: str = "raise", add_names: bool = True,
         known_grads: Mapping[Variable, Any] | None = None, return_disconnected: str = "zero",
         null_gradients: str = "raise") -> Any:
    """The gradient of the scalar `cost` by `wrt`, a variable or a list of them: an expression, or a list.

    The gradient by a sparse matrix is one of the same pattern.

    consider_constant: variables that are taken as constants: nothing above them gets a gradient through them.
    disconnected_inputs: "raise", "warn" or "ignore" when the cost does not depend on a variable of `wrt`.
    known_grads: variable -> its gradient, which is used instead of a computed one; `cost` may then be None.
    return_disconnected: "zero", "none" or "disconnected": what stands for the gradient by such a variable.
    null_gradients: "raise" or "return" where a gradient is undefined.
    add_names: name the gradient of a named cost by a named variable `(dcost/dx)`.

    An integer variable of wrt has the derivative of the formula; integer and bool values on the way pass none.

    Shapes: as wrt.   Dtype: as wrt if that is floating, else floatX.
    Raises: NonScalarCostError (a TypeError) if the cost is not 0-dimensional, DisconnectedInputError (a
        ValueError), NullTypeGradError, NotDifferentiableError.
    Source: aesara.gradient.grad, whose behaviour is matched.
    """
    _one_of("disconnected_inputs", disconnected_inputs, ("raise", "warn", "ignore"))
    _one_of("return_disconnected", return_disconnected.lower(), ("zero", "none", "disconnected"))
    _one_of("null_gradients", null_gradients, ("raise", "return"))
    single, wanted = targets_of(wrt)
    targets = [dense_part(x) for x in wanted]
    o = Symbolic()
    fixed: dict[Variable, Variable] = {}
    starts: list[tuple[Variable, Guarded]] = []
    if cost is not None:
        cost = _check_cost(cost)
        o.source = cost.source
        starts.append((cost, Guarded(o.full_like(cost, 1))))
    elif not known_grads:
        raise GradientError(f"grad needs a cost, or known_grads; both are missing{at(user_line())}")
    for variable, g in (known_grads or {}).items():
        fixed[variable] = g = _known(o, variable, g)
        starts.append((variable, Guarded(g)))
    backward = _Backward(o, starts, targets, consider_constant, fixed)
    result = []
    for x in targets:
        g = backward.gradient(x)
        if g is None:
            g = _disconnected(o, x, cost, list(known_grads or ()), disconnected_inputs,
                              return_disconnected.lower())
        elif isinstance(g.type, NullType) and null_gradients == "raise":
            raise NullTypeGradError(f"the gradient by {describe(x)}{at(x.source)} is undefined: {g.type.why}; pass "
                                    f"null_gradients='return' to get it as a variable of NullType")
        elif add_names and g.name is None and cost is not None and cost.name and x.name and g.owner is not None:
            g.name = f"(d{cost.name}/d{x.name})"
        result.append(g)
    result = [in_pattern(x, g) for x, g in zip(wanted, result)]
    return result[0] if single else as_given(wrt, result)


@overload
def Lop(f: Variable | Sequence[Variable], wrt: Variable, eval_points: TensorLike | Sequence[TensorLike],
        consider_constant: Iterable[Variable] | None = None, disconnected_inputs: str = "raise") -> TensorVariable: ...
@overload
def Lop(f: Variable | Sequence[Variable], wrt: Sequence[Variable], eval_points: TensorLike | Sequence[TensorLike],
        consider_constant: Iterable[Variable] | None = None,
        disconnected_inputs: str = "raise") -> list[TensorVariable]: ...
@overload
def Lop(f: Variable | Sequence[Variable], wrt: SparseVariable, eval_points: TensorLike | Sequence[TensorLike],
        consider_constant: Iterable[Variable] | None = None,
        disconnected_inputs: str = "raise") -> SparseVariable: ...
def Lop(f: Variable | Sequence[Variable], wrt: Wrt,
        eval_points: TensorLike | Sequence[TensorLike], consider_constant: Iterable[Variable] | None = None,
        disconnected_inputs: str = "raise") -> Any:
    """The row vector `eval_points` times the Jacobian of `f` by `wrt`.

    Shapes: eval_points as f; the result as wrt (a list of them if wrt is a list).
    Raises: ShapeError if f and eval_points differ in number or rank, DisconnectedInputError.
    Source: aesara.gradient.Lop.
    """
    _one_of("disconnected_inputs", disconnected_inputs, ("raise", "warn", "ignore"))
    outputs = [f] if isinstance(f, Variable) else list(f)
    points = list(eval_points) if isinstance(eval_points, (list, tuple)) else [eval_points]
    if len(outputs) != len(points):
        raise ShapeError(f"Lop: expected one evaluation point per output, got {len(points)} for {len(outputs)}"
                         f"{at(user_line())}")
    single, wanted = targets_of(wrt)
    targets = [dense_part(x) for x in wanted]
    o = Symbolic()
    starts = [(y, Guarded(_known(o, y, g))) for y, g in zip(outputs, points)]
    backward = _Backward(o, starts, targets, consider_constant, {})
    result = []
    for x in targets:
        g = backward.gradient(x)
        if g is None:
            g = _disconnected(o, x, None, outputs, disconnected_inputs, "zero")
        elif isinstance(g.type, NullType):
            raise NullTypeGradError(f"the gradient by {describe(x)}{at(x.source)} is undefined: {g.type.why}")
        result.append(g)
    result = [in_pattern(x, g) for x, g in zip(wanted, result)]
    return result[0] if single else as_given(wrt, result)


def subgraph_grad(wrt: Sequence[Variable], end: Sequence[Variable], start: Mapping[Variable, object] | None = None,
                  cost: Variable | None = None, details: bool = False) -> Any:
    """Gradients of one stage of a larger graph: by its parameters `wrt` and by `end`, where the stage begins.

    start: variable -> its gradient, from the stage after this one; cost: a cost of this stage; at least one of them.
    Returns (gradients by wrt, gradients by end); with `details` also the parts due to start and to cost, each a
    list over wrt and end, or None.
    Raises: GradientError if there is neither start nor cost.
    Source: aesara.gradient.subgraph_grad.
    """
    if start is None and cost is None:
        raise GradientError(f"subgraph_grad needs start, cost or both{at(user_line())}")
    targets, count = [*wrt, *end], len(wrt)
    by_start = by_cost = None
    if start is not None:
        by_start = Lop(list(start), targets, list(start.values()), consider_constant=end, disconnected_inputs="ignore")
    if cost is not None:
        by_cost = grad(cost, targets, consider_constant=end, disconnected_inputs="ignore")
    o = Symbolic()
    total: Any
    if by_start is not None and by_cost is not None:
        total = [o.add(a, b) for a, b in zip(by_start, by_cost)]
    else:
        total = by_start if by_cost is None else by_cost
    result = (total[:count], total[count:])
    return (*result, by_start, by_cost) if details else result


def pullback(o: Symbolic, outputs: Sequence[Variable], cotangents: Sequence[Guarded],
             wrt: Sequence[Variable]) -> list[Guarded | None]:
    """The cotangents by `wrt` for those of `outputs`; None where they are zero.  For the rules of loops and branches.

    An undefined one is a variable of NullType.
    """
    backward = _Backward(o, list(zip(outputs, cotangents)), wrt, None, {})
    return [backward.cotangents.get(id(backward.lazy.get(x, x))) for x in wrt]


class _Backward:
    """The backward pass: which variables are connected to the start, and their cotangents.

    It goes through the graph in which branches of an `ifelse` hold what they alone need, so that only the one taken is
    differentiated; `lazy` maps variables of the user's graph to those of this one, where they differ.
    """

    def __init__(self, o: Symbolic, starts: Sequence[tuple[Variable, Guarded]], targets: Sequence[Variable],
                 constants: Iterable[Variable] | None, fixed: dict[Variable, Variable]) -> None:
        self.o = o
        kept = [constants] if isinstance(constants, Variable) else list(constants or ())
        for v in kept:
            if not isinstance(v, Variable):
                raise TypeMismatchError(f"consider_constant is a list of variables, got {quoted(v)} of type "
                                        f"{type(v).__name__} in it{at(user_line())}")
        self.lazy = lazy = sink([*(v for v, _ in starts), *targets, *kept])
        starts = [(lazy.get(v, v), g) for v, g in starts]
        self.fixed = {id(lazy.get(v, v)): g for v, g in fixed.items()}      # known gradients, not added to
        self.stop = {id(lazy.get(v, v)) for v in kept}
        self.cotangents: dict[int, Guarded] = {}
        self.connected: set[int] = set()
        self._patterns: dict[int, Pattern | None] = {}
        self._forms = GraphForms(o, {*(id(lazy.get(x, x)) for x in targets), *self.stop, *self.fixed})
        self._made: list[Apply] = []        # nodes of forms: kept alive, for they are known by id
        order = self._visit([v for v, _ in starts])
        self._seeded = any([type(node.op) is ops.Map and node.op.fn in SEEDING for node in order])
        self._targets = {id(lazy.get(x, x)) for x in targets}
        self._needed = self._leads_to(order, set(self._targets))
        warn_of_cuts(order, [v for v, _ in starts], [lazy.get(x, x) for x in targets])
        for variable, g in starts:
            if id(variable) in self.fixed:
                self.cotangents[id(variable)] = Guarded(self.fixed[id(variable)])
            else:
                self._accumulate(variable, g)
        for node in reversed(order):
            with made_with(node):
                self._step(node)

    def gradient(self, x: Variable) -> Variable | None:
        """The gradient by x; None if the start does not depend on x."""
        x = self.lazy.get(x, x)
        if id(x) in self.fixed:
            return self.fixed[id(x)]
        if id(x) not in self.connected:
            return None
        g = self.cotangents.get(id(x))
        self.o.source = x.source
        if g is not None:
            return g.value(self.o)
        return self.o.full_like(x, 0)

    def _inputs(self, node: Apply) -> Iterable[tuple[int, Variable]]:
        """The inputs that a connected output of `node` depends on."""
        pattern = self._patterns[id(node)]
        if pattern is None:
            return enumerate(node.inputs)
        if len(node.outputs) == 1:
            return ((k, x) for k, x in enumerate(node.inputs) if pattern[k][0])
        live = [j for j, y in enumerate(node.outputs) if id(y) in self.connected]
        return ((k, x) for k, x in enumerate(node.inputs) if any(pattern[k][j] for j in live))

    def _visit(self, starts: Sequence[Variable]) -> list[Apply]:
        """Nodes the start depends on, in topological order; marks the variables that are connected to it."""
        order: list[Apply] = []
        state: dict[int, bool] = {}                     # node -> is it in `order`
        connected, patterns = self.connected, self._patterns
        stack = list(starts)
        while stack:                                    # mark
            v = stack.pop()
            if id(v) in connected:
                continue
            connected.add(id(v))
            node = v.owner
            if node is None or id(v) in self.stop:
                continue
            if id(node) not in patterns:
                patterns[id(node)] = connection(node)
            stack.extend(x for _, x in self._inputs(node))
        for root in starts:
            if root.owner is None or id(root) in self.stop:
                continue
            work = [root.owner]
            while work:                                 # sort
                node = work[-1]
                done = state.get(id(node))
                if done is None:
                    state[id(node)] = False
                    for _, x in self._inputs(node):
                        if x.owner is not None and id(x) not in self.stop and id(x.owner) not in state:
                            work.append(x.owner)
                else:
                    work.pop()
                    if not done:
                        state[id(node)] = True
                        order.append(node)
        return order

    def _leads_to(self, order: Sequence[Apply], needed: set[int]) -> set[int]:
        """The variables a target is computed into."""
        stop = self.stop
        for node in order:
            for _, x in self._inputs(node):
                if id(x) in needed:
                    needed.update(id(y) for y in node.outputs if id(y) not in stop)
                    break
        return needed

    def _step(self, node: Apply) -> None:
        """From the cotangents of the outputs to those of the inputs."""
        cotangents = self.cotangents
        gs = [cotangents.get(id(y)) for y in node.outputs]
        if self.stop:
            gs = [None if id(y) in self.stop else g for y, g in zip(node.outputs, gs)]
        if gs[0] is None and all(g is None for g in gs):
            return
        needed = self._needed
        wanted = [False] * len(node.inputs)
        for k, x in self._inputs(node):
            if id(x) in needed and (is_continuous(x) or (id(x) in self._targets and type(x.type) is TensorType)):
                wanted[k] = True
        if True not in wanted:
            return
        null = next((g for g in gs if g is not None and isinstance(g.raw.type, NullType)), None)
        o = self.o
        o.source = node.source
        op = node.op
        if type(op) is ops.Map and self._seeded and null is None and gs[0] is not None and not is_complex(node):
            projection = self._forms.projection(node)
            if projection is not None:
                return self._through(projection.sources(), projection.backward(gs[0]))
            form = self._forms.of(node) if op.fn in ROOTS else None
            if form is not None:
                return self._through([form], [gs[0]])
        terms: Sequence[Guarded | None]
        if null is not None:
            terms = [null] * len(wanted)
        elif not isinstance(op, ops.OpKind):
            terms = guards.through(o, gs, user_vjp(o, node, guards.values(o, gs)))
        elif facts(op).several:
            terms = VJP[type(op)](o, node, gs, wanted)
        elif not is_continuous(node.outputs[0]):
            return                                      # integers and bools pass no gradient
        elif type(op) not in VJP:
            raise NoRuleError(f"{op} has no entry in autodiff/rules")
        else:
            assert gs[0] is not None
            terms = guards.backward(o, node, gs[0], wanted)
        for x, term, want in zip(node.inputs, terms, wanted):
            if want and term is not None:
                self._accumulate(x, term)

    def _through(self, forms: Sequence[Variable], gs: Sequence[Guarded]) -> None:
        """From the cotangents of other forms that a node has to those of the variables that these are made of."""
        nodes = new_nodes(forms, self.connected)
        self._made += nodes
        for node in nodes:
            self._patterns[id(node)] = connection(node)
            self.connected.update(id(y) for y in node.outputs)
        self._leads_to(nodes, self._needed)
        for form, g in zip(forms, gs):
            if id(form) in self._needed:
                self._accumulate(form, g)
        for node in reversed(nodes):
            self._step(node)

    def _accumulate(self, x: Variable, term: Guarded) -> None:
        key = id(x)
        if key in self.fixed:
            return
        old = self.cotangents.get(key)
        if type(term.raw.type) is not TensorType:
            self.cotangents[key] = term
            return
        dtype = cotangent_dtype(x)
        if term.raw.type.dtype != dtype:
            term = term.with_raw(self.o.cast(term.raw, dtype))
        if old is None:
            self.cotangents[key] = term
        elif type(old.raw.type) is TensorType:
            self.cotangents[key] = guards.add(self.o, old, term)


def _one_of(option: str, value: str, legal: tuple[str, ...]) -> None:
    if value not in legal:
        raise GradientError(f"{option} must be one of {', '.join(map(repr, legal))}, got {quoted(value)}"
                            f"{at(user_line())}")


def as_given(given: Any, results: list[Any]) -> Any:
    """Results for a tuple of variables are a tuple, for any other collection of them a list."""
    return tuple(results) if isinstance(given, tuple) else results


def targets_of(wrt: object) -> tuple[bool, list[Any]]:
    """(is it a single variable?, the variables to differentiate by)."""
    single = isinstance(wrt, (Variable, SparseVariable))
    targets = list(wrt) if isinstance(wrt, Iterable) and not single else [wrt]
    for x in targets:
        if not isinstance(x, (Variable, SparseVariable)):
            raise TypeMismatchError(f"expected variables to differentiate by, got {quoted(x)} of type "
                                    f"{type(x).__name__}{at(user_line())}")
    return single, targets


def _check_cost(cost: object) -> Variable:
    if not isinstance(cost, Variable):
        cost = to_variable(cost)
    if isinstance(cost.type, NullType):
        raise GradientError(f"can't differentiate an undefined cost: {cost.type.why}{at(cost.source)}")
    if not isinstance(cost.type, TensorType) or cost.type.ndim != 0:
        raise NonScalarCostError(f"Cost must be a scalar. {describe(cost)} is {cost.type.short()}{at(cost.source)}; "
                                 "reduce it, e.g. with sum or mean, or use Lop")
    if cost.type.dtype in dtypes.COMPLEX:
        raise GradientError(f"the cost must be real, {describe(cost)} is {cost.type.short()}{at(cost.source)}; take "
                            f"its real part or its absolute value")
    return cost


def _known(o: Symbolic, variable: object, g: object) -> Variable:
    """A gradient given by the user, checked against its variable."""
    if not isinstance(variable, Variable):
        raise TypeMismatchError(f"expected a variable with a known gradient, got {quoted(variable)}{at(user_line())}")
    if isinstance(g, Variable) and isinstance(g.type, NullType):
        return g
    g = to_variable(g)
    if not isinstance(g.type, TensorType) or not isinstance(variable.type, TensorType) \
            or g.type.ndim != variable.type.ndim:
        raise ShapeError(f"the known gradient of {describe(variable)} must have its rank: expected "
                         f"{variable.type}, got {g.type}{at(g.source)}")
    o.source = variable.source
    return o.cast(g, cotangent_dtype(variable))


def _disconnected(o: Symbolic, x: Variable, cost: Variable | None, outputs: Sequence[Variable], how: str,
                  answer: str) -> Variable | None:
    """What `grad` does and returns when the cost does not depend on x."""
    if how != "ignore":
        message = _why_disconnected(x, [cost] if cost is not None else outputs)
        if how == "raise":
            raise DisconnectedInputError(message)
        warnings.warn(message, GradcWarning, stacklevel=3)
    if answer == "none":
        return None
    if answer == "disconnected" or not isinstance(x.type, TensorType):
        return NullVariable(DisconnectedType())
    o.source = x.source
    return o.full_like(x, 0)


def _why_disconnected(x: Variable, outputs: Sequence[Variable]) -> str:
    """The message for a variable that the cost does not depend on, with the op that cuts it off."""
    what = " and ".join(f"{describe(y)}{at(y.source)}" for y in outputs)
    start = (f"grad was asked for the gradient by {describe(x)}{at(x.source)}, which is not part of the graph of "
             f"{what}, or is used there only by operations that pass no gradient")
    depends, cut = {id(x)}, None
    for node in toposort(outputs):
        pattern = connection(node)
        for k, y in enumerate(node.inputs):
            if id(y) not in depends:
                continue
            if pattern is not None and not any(pattern[k]):
                return (f"{start}: it is used only by {node.op}{at(node.source)}; pass disconnected_inputs='ignore' to "
                        f"get zeros")
            if pattern is not None and not all(pattern[k]):
                cut = node
            depends.update(id(z) for j, z in enumerate(node.outputs) if pattern is None or pattern[k][j])
    if any(id(y) in depends for y in outputs):
        return f"{start}: it is used only above variables of consider_constant; pass disconnected_inputs='ignore'"
    if cut is not None:
        return (f"{start}: of the results of {cut.op}{at(cut.source)} only others depend on it; pass "
                f"disconnected_inputs='ignore' to get zeros")
    for v in graph_inputs(outputs):
        whole = getattr(v.tag, "stands_for", None)
        if whole is not None and any(y is x for y in ancestors([whole])):
            return (f"{start}: {describe(v)} is a variable that scan hands to its step, and nothing in it tells how "
                    f"{describe(whole)} is computed. Give scan the whole of it in non_sequences, and index it in the "
                    f"step")
    return f"{start}: it does not occur in it; pass disconnected_inputs='ignore' to get zeros"
