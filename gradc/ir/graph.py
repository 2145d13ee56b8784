"""The expression graph: Variable, Constant, Apply, Op, and walks over them.

Users hold these objects; identity matters (two equal `x + 1` may carry different names), so nothing here
is interned and nothing is mutated once built.  Every Apply and every input knows the user's own line.
In: Python calls.  Out: an append-only DAG, turned into a Program by `ir.convert`.
No walk recurses over graph depth.
"""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, overload

import numpy as np

from gradc.config import config, heed
from gradc.errors import GraphError, MissingInputError, SourceLine, TypeMismatchError, at, quoted
from gradc.errors import user_line as user_line
from gradc.ir import infer, ops
from gradc.ir.shapes import describe as describe
from gradc.ir.types import DisconnectedType, NullType, TensorType, Type

if TYPE_CHECKING:       # the class of variables of TensorType, which the tensor layer registers
    from gradc.tensor.variable import TensorVariable


class Tag(SimpleNamespace):
    """`variable.tag`: attributes a user or a library hangs on a variable; empty until used."""


class Variable:
    """A symbolic value: output `index` of Apply `owner`, or an input (owner is None).

    Operators and methods live in the tensor layer's subclass.  `==` is identity; use `gradc.tensor.eq`.
    """

    def __init__(self, type: Type, owner: Apply | None = None, index: int | None = None,
                 name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeMismatchError(f"the name of a variable is a string, got {quoted(name)}")
        self.type = type
        self.owner = owner
        self.index = index
        self.name = name
        self.source: SourceLine | None = owner.source if owner is not None else user_line()

    @property
    def tag(self) -> Tag:
        """Free attributes of this variable."""
        tag: Tag | None = self.__dict__.get("_tag")
        if tag is None:
            tag = self.__dict__["_tag"] = Tag()
        return tag

    def clone(self, name: str | None = None) -> Variable:
        """A new input of the same type and, unless given, the same name."""
        return self.type.variable_class(self.type, name=self.name if name is None else name)

    def eval(self, inputs_to_values: Mapping[Any, object] | None = None, **options: object) -> Any:
        """The value of this variable for values of the inputs it needs: `y.eval({x: 2.0})` (names work too).

        Compiles a function the first time, and keeps it with the variable.
        """
        return evaluation(self, inputs_to_values, options)

    def get_parents(self) -> list[Apply]:
        return [] if self.owner is None else [self.owner]

    def __reduce__(self) -> tuple[object, ...]:
        if self.owner is not None:
            return _output, (self.owner, self.index)
        return _leaf, (self.__class__,), _state(self)

    def __repr__(self) -> str:
        return spelling(self)

    def __copy__(self) -> Variable:
        return self

    def __deepcopy__(self, memo: Memo) -> Variable:
        return _copied(self, memo)


class Constant(Variable):
    """A variable whose value is known when the graph is built; `data` is read-only."""

    bare = False        # print a scalar as `2.0`, not `TensorConstant{2.0}`; set in graphs of compiled functions

    def __init__(self, type: Type, data: Any, name: str | None = None) -> None:
        super().__init__(type, name=name)
        self.data = data

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if isinstance(self.data, np.ndarray):
            self.data.flags.writeable = False           # pickles don't keep that

    @property
    def value(self) -> Any:
        return self.data

    def clone(self, name: str | None = None) -> Constant:
        return self.__class__(self.type, self.data, self.name if name is None else name)

    def signature(self) -> tuple[object, ...]:
        """Equal for equal constants (type and bytes)."""
        if isinstance(self.data, np.ndarray):
            return (self.type, self.data.tobytes())
        return (self.type, id(self.data))


Memo: TypeAlias = dict[int, Any]        # of a deep copy: id -> copy

_moments = itertools.count(1)


class _Making(threading.local):
    moment: int | None = None       # the place of every Apply made from now on; None: when it is made


_making = _Making()


def moment() -> int:
    """Now, on the clock of `Apply.made`."""
    return next(_moments)


class made_with:
    """`with made_with(node)`: what is made belongs to the place where `node` was made; None: to where it is made.

    For derivatives and copies of `node`: inside a loop they read a shared variable as `node` does, be it the variable
    before the loop or the one that the loop updates.
    """

    def __init__(self, node: Apply | None) -> None:
        self.moment: int | None = None if node is None else node.place

    def _swap(self, *_: object) -> None:
        _making.moment, self.moment = self.moment, _making.moment

    __enter__ = __exit__ = _swap


class Apply:
    """One application of an op: `outputs = op(inputs)`, with the user's line.

    `made` says when: a loop tells by it what was made in its step, and what before (`control.scan`).  `place` is the
    same, or for derivatives and copies the place of their original: whether they read what the loop carries.
    """

    __slots__ = ("__weakref__", "inputs", "made", "op", "outputs", "place", "source", "tag")

    def __init__(self, op: Any, inputs: Sequence[Variable], outputs: Sequence[Variable | Type],
                 source: SourceLine | None = None) -> None:
        self.op = op
        self.inputs = list(inputs)
        self.source = user_line() if source is None else source
        self.tag: Any = None
        self.made = next(_moments)
        self.place: int = _making.moment or self.made
        made = []
        for i, out in enumerate(outputs):
            if isinstance(out, Variable):
                out.owner, out.index = self, i
                made.append(out)
            else:
                made.append(out.variable_class(out, self, i))
        self.outputs = made

    @property
    def nin(self) -> int:
        return len(self.inputs)

    @property
    def nout(self) -> int:
        return len(self.outputs)

    @property
    def out(self) -> Variable:
        return self.outputs[0]

    def default_output(self) -> Variable:
        """The one output; GraphError if there are several."""
        if len(self.outputs) != 1:
            raise GraphError(f"{self.op} has {len(self.outputs)} outputs; pick one from .outputs{at(self.source)}")
        return self.outputs[0]

    def get_parents(self) -> list[Variable]:
        return list(self.inputs)

    def clone_with_new_inputs(self, inputs: Sequence[Variable]) -> Apply:
        """The same op on other inputs; result types are inferred anew, names are kept."""
        if isinstance(self.op, ops.OpKind):
            node = Apply(self.op, inputs, infer.output_types(self.op, inputs), self.source)
        else:
            node = self.op.make_node(*inputs)
            node.source = self.source
        for old, new in zip(self.outputs, node.outputs):
            new.name, new.source = old.name, old.source
        return node

    def __reduce__(self) -> tuple[object, ...]:
        inputs = tuple(self.inputs)         # no list: on the way round through a default update it would be empty
        return (_node, (_saved_before(self), self.op, inputs, tuple(o.__class__ for o in self.outputs), self.source),
                [_state(o) for o in self.outputs])

    def __setstate__(self, states: list[dict[str, object]]) -> None:
        for out, state in zip(self.outputs, states):
            out.__dict__.update(state)

    def __deepcopy__(self, memo: Memo) -> Apply:
        return _copied(self.outputs[0], memo).owner

    def __repr__(self) -> str:
        return f"{self.op}({', '.join(str(i) for i in self.inputs)})"


class Op:
    """Base class of user-defined operations (`make_node, perform, grad | L_op, R_op, connection_pattern`).

    gradc's own operations are the closed set in `ir.ops`; a subclass of this class is called: `perform` is
    called as `ir.callback` says.  Ops are equal, so that their results are computed once, if they have the same class
    and `__props__`, or else are one object.
    `infer_shape(fgraph, node, input_shapes)`, with fgraph None, states a tuple of sizes for each result, made of
    `input_shapes` and of `node.inputs`; it may raise NotImplementedError.  It is believed where only a shape is needed,
    and what `perform` returns must agree.  Without it the results tell their sizes.
    `repeatable = True` says that equal arrays give equal results, which are not changed afterwards: a compiled function
    keeps those of its last call, and does not run `perform` again for the same.
    Memory is gradc's affair: `view_map` and `destroy_map` are accepted, and change nothing.
    """

    __props__: tuple[str, ...] = ()
    repeatable = False
    itypes: Sequence[Type] | None = None
    otypes: Sequence[Type] | None = None

    def make_node(self, *inputs: Any) -> Apply:
        """Check the inputs and build the Apply; needed unless `itypes` and `otypes` are set."""
        if self.itypes is None or self.otypes is None:
            raise GraphError(f"{self} defines neither make_node nor itypes and otypes")
        if len(inputs) != len(self.itypes):
            raise GraphError(f"{self} takes {len(self.itypes)} input(s), got {len(inputs)}")
        for k, (value, want) in enumerate(zip(inputs, self.itypes)):
            if not (isinstance(value, Variable) and want.accepts(value.type)):
                raise TypeMismatchError(f"{self}: input {k} must be {want}, got "
                                        f"{getattr(value, 'type', value)!r}")
        return Apply(self, inputs, list(self.otypes))

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Compute the outputs into `output_storage[k][0]`, which are None before.

        The inputs are this call's own copies, which it may change and keep.  A result may be anything that makes an
        array of the output's dtype without loss, of its number of dimensions; it is copied.
        """
        raise GraphError(f"{self} does not define perform")

    def __call__(self, *inputs: Any, name: str | None = None, return_list: bool = False, **options: Any) -> Any:
        source = user_line()                    # of the call; make_node is the user's, too
        node = self.make_node(*inputs, **options)
        if not isinstance(node, Apply):
            raise GraphError(f"make_node of {self} must return an Apply, got a {type(node).__name__}{at(source)}")
        node.source = source
        for out in node.outputs:
            out.source = source
        if name is not None and len(node.outputs) == 1:
            node.outputs[0].name = name
        return node.outputs[0] if len(node.outputs) == 1 and not return_list else node.outputs

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, p) for p in self.__props__)

    def __eq__(self, other: object) -> bool:
        if not self.__props__:
            return self is other
        return type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        try:
            return hash((type(self), self._values())) if self.__props__ else id(self)
        except TypeError:
            raise TypeMismatchError(f"{self} can't be hashed; its __props__ must be values that can (a tuple, not a "
                                    f"list or an array)") from None

    def __str__(self) -> str:
        inside = ", ".join(f"{p}={getattr(self, p)!r}" for p in self.__props__)
        return f"{type(self).__name__}{{{inside}}}" if inside else type(self).__name__


@overload
def apply(op: ops.OneResult, *inputs: Variable) -> TensorVariable: ...
@overload
def apply(op: ops.OpKind, *inputs: Variable) -> Any: ...
def apply(op: ops.OpKind, *inputs: Variable) -> Any:
    """Apply one of gradc's own op kinds: the output, or the list of outputs where there are several.

    Types are inferred and checked here; errors name the user's line.
    """
    source = user_line()
    node = Apply(op, inputs, infer.output_types(op, inputs, source), source)
    if config.warn_float64 != "ignore":
        _note_float64(node)
    return node.outputs[0] if len(node.outputs) == 1 else node.outputs


def _note_float64(node: Apply) -> None:
    """What `config.warn_float64` asks for, where a result is float64 and of its arguments constants at most are."""
    if any(_is_float64(v) for v in node.outputs) and \
            not any(_is_float64(v) for v in node.inputs if not isinstance(v, Constant)):
        text = ", ".join(f"{describe(v)} is {v.type.short()}" for v in node.inputs if isinstance(v.type, TensorType))
        heed("warn_float64", f"{node.op} makes a float64: {text}{at(node.source)}; cast what should be float32",
             node.source, TypeMismatchError)


def _is_float64(v: Variable) -> bool:
    return isinstance(v.type, TensorType) and v.type.dtype == "float64"


# --------------------------------------------------------------------------------------------- walks


def toposort(outputs: Iterable[Variable], stop: Collection[Variable] = (), since: int = 0) -> list[Apply]:
    """Apply nodes that compute `outputs`, each after those it needs.

    Nothing above `stop` is visited, nor what was made before `since`.
    """
    stopped = {id(v) for v in stop}
    order: list[Apply] = []
    state: dict[int, int] = {}           # Apply id -> 1 open, 2 done
    for output in outputs:
        if output.owner is None or id(output) in stopped or output.owner.made <= since:
            continue
        stack = [output.owner]
        while stack:
            node = stack[-1]
            key = id(node)
            seen = state.get(key)
            if seen is None:
                state[key] = 1
                for v in reversed(node.inputs):
                    if v.owner is not None and id(v.owner) not in state and id(v) not in stopped \
                            and v.owner.made > since:
                        stack.append(v.owner)
            else:
                stack.pop()
                if seen == 1:
                    state[key] = 2
                    order.append(node)
    return order


def ancestors(graphs: Iterable[Variable], blockers: Collection[Variable] | None = None) -> Iterator[Variable]:
    """Every variable that `graphs` depend on, themselves included, each once; not above `blockers`."""
    blocked = {id(b) for b in blockers or ()}
    seen: set[int] = set()
    stack = list(graphs)[::-1]
    while stack:
        variable = stack.pop()
        if id(variable) in seen:
            continue
        seen.add(id(variable))
        yield variable
        if variable.owner is not None and id(variable) not in blocked:
            stack.extend(reversed(variable.owner.inputs))


def graph_inputs(graphs: Iterable[Variable], blockers: Collection[Variable] | None = None) -> Iterator[Variable]:
    """The ancestors without an owner (constants and shared variables included)."""
    return (v for v in ancestors(graphs, blockers) if v.owner is None)


def explicit_graph_inputs(graphs: Iterable[Variable]) -> Iterator[Variable]:
    """The inputs a user has to supply: neither constants nor shared variables."""
    return (v for v in graph_inputs(graphs) if not isinstance(v, Constant) and not hasattr(v, "container"))


def applys_between(ins: Collection[Variable], outs: Iterable[Variable]) -> list[Apply]:
    return toposort(outs, stop=ins)


def vars_between(ins: Collection[Variable], outs: Iterable[Variable]) -> Iterator[Variable]:
    return ancestors(outs, blockers=ins)


def clone_replace(output: Variable | Sequence[Variable], replace: Any = None, **_: object) -> Any:
    """Copies of `output` (one or a list) in which variables are replaced; untouched parts are shared.

    `replace`: dict or list of pairs (old, new); types must agree (TypeMismatchError).
    """
    pairs = list(replace.items()) if hasattr(replace, "items") else list(replace or ())
    memo: dict[int, Variable] = {}
    for old, new in pairs:
        new = to_variable(new)
        if not old.type.accepts(new.type):
            raise TypeMismatchError(f"can't replace {describe(old)} of type {old.type} by {describe(new)} of "
                                    f"type {new.type}{at(new.source)}; cast it first")
        memo[id(old)] = new
    outputs = [output] if isinstance(output, Variable) else list(output)
    for node in toposort(outputs, stop=[old for old, _ in pairs]):
        inputs = [memo.get(id(v), v) for v in node.inputs]
        if any(a is not b for a, b in zip(inputs, node.inputs)):
            for old, new in zip(node.outputs, node.clone_with_new_inputs(inputs).outputs):
                memo.setdefault(id(old), new)
    result = [memo.get(id(v), v) for v in outputs]
    return result[0] if isinstance(output, Variable) else result


graph_replace = clone_replace


def reading(outputs: Sequence[Variable], replace: Mapping[Variable, Variable], since: int) -> list[Variable]:
    """`outputs`, in which what has its place after `since` reads others for the inputs in `replace`, old -> new.

    What has its place before reads the old ones, also where it depends on copies.
    """
    memo: dict[Variable, Variable] = {}
    for node in toposort(outputs, since=since):
        seen = replace if node.place > since else {}
        inputs = [memo[v] if v in memo else seen.get(v, v) for v in node.inputs]
        if any(a is not b for a, b in zip(inputs, node.inputs)):
            with made_with(node):
                memo.update(zip(node.outputs, node.clone_with_new_inputs(inputs).outputs))
    return [memo[v] if v in memo else replace.get(v, v) for v in outputs]


def is_tensor(variable: Variable) -> TypeGuard[TensorVariable]:
    """Is it an array (no state of a random generator, no object)?"""
    return type(variable.type) is TensorType


def tensor_type(variable: Variable) -> TensorType:
    """The type of a variable that is known to be a tensor."""
    assert isinstance(variable.type, TensorType)
    return variable.type


def node_of(variable: Variable) -> Apply:
    """The node that makes a variable which is known to be no input."""
    assert variable.owner is not None
    return variable.owner


def to_variable(value: object) -> Variable:
    """`value` as a variable: itself, or what the tensor layer makes of it."""
    return value if isinstance(value, Variable) else conversion(value)


def _refuse(value: object) -> Variable:
    raise MissingInputError(f"expected a variable, got {quoted(value)}")


def _refuse_to_evaluate(variable: Variable, values: Mapping[Any, object] | None, options: dict[str, object]) -> object:
    raise GraphError("eval needs the compiler; import gradc first")


# Put here by the layers above: `as_tensor_variable`, how a variable is printed, and what `Variable.eval` does.
conversion: Callable[[Any], Variable] = _refuse
spelling: Callable[[Variable], str] = describe
evaluation: Callable[[Variable, Mapping[object, object] | None, dict[str, object]], object] = _refuse_to_evaluate


# -------------------------------------------------------------------- pickles and deep copies without recursion


_NOT_KEPT = ("owner", "index", "_functions")          # `_functions` is what `Variable.eval` has compiled
_SHARED = ("type", "data", "name", "source")          # what copies have in common, as nothing changes it

_saving = threading.local()


def _state(v: Variable) -> dict[str, object]:
    return {k: value for k, value in v.__dict__.items() if k not in _NOT_KEPT}


class _Early:
    """A node in a list for a pickler, which has those above it already when it comes to this one."""

    def __init__(self, node: Apply) -> None:
        self.node = node

    def __reduce__(self) -> tuple[object, ...]:
        _saving.next = id(self.node)            # the very next object that is asked how it is saved
        return _itself, (self.node,)


def _itself(node: Apply) -> Apply:
    return node


def _saved_before(node: Apply) -> list[_Early]:
    """The nodes above `node`, each after those it needs, for a pickler to save before it, so that it never recurses.

    A pickler keeps what it has saved, so each node is in a pickle once, whichever of its variables come with it.
    """
    comes, _saving.next = _saving.__dict__.get("next"), None
    if comes == id(node):
        return []
    above = toposort(node.inputs)
    return [_Early(a) for a in above] if len(above) >= 32 else []       # else there is no depth to speak of


def _leaf(cls: type[Variable]) -> Variable:
    v = cls.__new__(cls)
    v.owner = v.index = None
    return v


def _output(node: Apply, index: int) -> Variable:
    return node.outputs[index]


def _node(above: object, op: object, inputs: tuple[Variable, ...], classes: tuple[type[Variable], ...],
          source: SourceLine | None) -> Apply:
    return Apply(op, inputs, [cls.__new__(cls) for cls in classes], source)


def _copied(variable: Variable, memo: Memo) -> Any:
    """The deep copy of a variable, and in `memo` those of the graph above it."""

    def leaf(v: Variable) -> Variable:
        found = memo.get(id(v))
        if found is None:
            found = memo[id(v)] = _leaf(v.__class__)
            fill(found, v)
        return found

    def fill(new: Variable, old: Variable) -> None:
        for k, value in _state(old).items():
            new.__dict__[k] = value if k in _SHARED else copy.deepcopy(value, memo)

    for node in toposort([variable]):
        if id(node.outputs[0]) in memo:
            continue
        inputs = [memo[id(v)] if id(v) in memo else leaf(v) for v in node.inputs]
        if id(node.outputs[0]) in memo:     # by way of a leaf whose default update needs it
            continue
        twins = Apply(node.op, inputs, [o.__class__.__new__(o.__class__) for o in node.outputs], node.source).outputs
        memo.update((id(old), new) for old, new in zip(node.outputs, twins))
        for old, new in zip(node.outputs, twins):
            fill(new, old)
    return memo[id(variable)] if variable.owner is not None else leaf(variable)


class NullVariable(Variable):
    """A gradient that is undefined or disconnected."""


NullType.variable_class = NullVariable
DisconnectedType.variable_class = NullVariable
Type.variable_class = Variable
Type.constant_class = Constant
TensorType.variable_class = Variable
TensorType.constant_class = Constant
