"""`OpFromGraph`: a graph as one operation, whose derivatives can be replaced.

Such an Op exists on the expression graph only: where a Program is made, its equations stand in its place (`expand`,
called by `ir.convert`), so it costs nothing and is optimised with what is around it.  What remains of it until then is
its name in printed graphs, and its gradient: that of the graph, or what the user says it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.autodiff.forward import pushforward
from gradc.autodiff.guards import Guarded, values
from gradc.autodiff.reverse import pullback
from gradc.autodiff.symbolic import Symbolic, is_continuous
from gradc.autodiff.table import influence
from gradc.errors import GradientError, GraphError, MissingInputError, TypeMismatchError, at, quoted
from gradc.ir import interp
from gradc.ir.convert import to_program
from gradc.ir.graph import (
    Apply,
    Constant,
    Op,
    Variable,
    ancestors,
    clone_replace,
    describe,
    graph_inputs,
    to_variable,
    toposort,
    user_line,
)
from gradc.ir.program import Builder, Var
from gradc.ir.types import DisconnectedType, NullType, RngType

_DEFAULT = "default"


class OpFromGraph(Op):
    """The operation that computes `outputs` from `inputs`, two lists of variables.

    Shared variables in the graph need not be listed; they become further inputs of each application, unless `strict`,
    which refuses them.  So do random draws that depend on no input: in a loop they are one value for all steps, as all
    that is made before the loop is.  `inline` is accepted: compiled functions never contain the Op itself.

    lop_overrides: what to use instead of the graph's own derivative, "default" (or None) for that.
        a function or an OpFromGraph of (inputs, outputs, cotangents): the list of cotangents of the inputs; a function
            gets three lists and returns a list, an OpFromGraph gets them one after the other
        a variable of NullType or DisconnectedType: the gradient is undefined, or the inputs are not connected
        a list with one of these per input; functions then return the one cotangent
    grad_overrides: the same without the outputs: functions of (inputs, cotangents).
    rop_overrides: functions of (inputs, tangents), for all outputs or in a list with one per output.  Without them
        forward mode follows the overridden reverse mode, if there is one, else the graph.
    connection_pattern: [input][output] -> does that output depend on that input?

    Raises: MissingInputError for an input that is not listed, TypeMismatchError for what is no variable,
    GradientError for overrides that make no sense.
    Source: aesara.compile.builders.OpFromGraph, whose arguments are matched.
    """

    def __init__(self, inputs: Sequence[Variable], outputs: Sequence[Variable], inline: bool = False,
                 lop_overrides: object = _DEFAULT, grad_overrides: object = _DEFAULT, rop_overrides: object = _DEFAULT,
                 connection_pattern: Sequence[Sequence[bool]] | None = None, strict: bool = False,
                 name: str | None = None, **_: object) -> None:
        for what, group in (("inputs", inputs), ("outputs", outputs)):
            if not isinstance(group, (list, tuple)):
                raise TypeMismatchError(f"OpFromGraph: {what} are a list of variables, got a {type(group).__name__}"
                                        f"{at(user_line())}")
            for v in group:
                if not isinstance(v, Variable):
                    raise TypeMismatchError(f"OpFromGraph: {what} are variables, got {quoted(v)} of type "
                                            f"{type(v).__name__}{at(user_line())}")
        for v in inputs:
            if isinstance(v, Constant) or hasattr(v, "container"):
                kind = "constant" if isinstance(v, Constant) else "shared variable"
                raise TypeMismatchError(f"OpFromGraph: {describe(v)} is a {kind} and can't be an input{at(v.source)}; "
                                        f"leave it out")
        self.shared = _outside(inputs, outputs, strict)
        self.n_inputs = len(inputs)
        self.inline = inline
        self.name = name
        self.connected = connection_pattern
        self.lop_overrides = _replaced(lop_overrides)
        self.grad_overrides = _replaced(grad_overrides)
        self.rop_overrides = _replaced(rop_overrides)
        if self.lop_overrides is not None and self.grad_overrides is not None:
            raise GradientError("OpFromGraph: lop_overrides and grad_overrides exclude one another; give one"
                                f"{at(user_line())}")
        outer = [*inputs, *self.shared]
        self.inner_inputs = [v.type(name=v.name) for v in outer]
        self.inner_outputs = clone_replace(list(outputs), list(zip(outer, self.inner_inputs)))
        self._finish()

    def _finish(self) -> None:
        """What follows from the fields."""
        self.program = to_program(self.inner_inputs, self.inner_outputs)
        self._pullbacks: dict[tuple[bool, ...], Any] = {}
        if self._override is not None and self.rop_overrides is None:
            vars(self)["R_op"] = None       # forward mode by way of L_op

    @property
    def _override(self) -> Any:
        return self.lop_overrides if self.lop_overrides is not None else self.grad_overrides

    def make_node(self, *inputs: Any) -> Apply:
        """Apply the Op; shared variables of the graph are added (or given, when a node is copied)."""
        given = [to_variable(v) for v in inputs]
        if len(given) == self.n_inputs:
            given += self.shared
        if len(given) != len(self.inner_inputs):
            raise TypeMismatchError(f"{self} takes {self.n_inputs} input(s), got {len(inputs)}{at(user_line())}")
        for k, (v, want) in enumerate(zip(given, self.inner_inputs)):
            if not want.type.accepts(v.type):
                raise TypeMismatchError(f"{self}: input {k} must be {want.type}, got {describe(v)} of type {v.type}"
                                        f"{at(v.source)}; cast it first")
        return Apply(self, given, [v.type for v in self.inner_outputs])

    def expand(self, builder: Builder, args: Sequence[Var]) -> list[Var]:
        """The graph's equations in a Program under construction; they get the line of the application."""
        env = dict(zip(self.program.inputs, args))
        for eqn in self.program.eqns:
            made = builder.equation(eqn.op, [env[a] for a in eqn.args], eqn.outs[0].name)
            env.update(zip(eqn.outs, made.outs))
        return [env[v] for v in self.program.outputs]

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        for cell, value in zip(output_storage, interp.evaluate(self.program, inputs)):
            cell[0] = value

    # -- derivatives

    def connection_pattern(self, node: Apply) -> Sequence[Sequence[bool]]:
        """As given; else overridden inputs are connected to all outputs, the others as the graph is."""
        if self.connected is not None:
            return self.connected
        masks = influence(self.inner_inputs, self.inner_outputs)
        pattern = [[bool(mask >> k & 1) for mask in masks] for k in range(len(self.inner_inputs))]
        for k in range(self.n_inputs):
            override = self._override_of(k)
            if override is not None:
                cut = isinstance(override, Variable) and isinstance(override.type, DisconnectedType)
                pattern[k] = [not cut] * len(masks)
        return pattern

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             cotangents: Sequence[Variable]) -> list[Variable | None]:
        """Cotangents of the inputs, by the overrides where there are any; None where they are zero."""
        override = self._override
        given = [list(inputs[:self.n_inputs]), list(cotangents)]
        if self.lop_overrides is not None:
            given.insert(1, list(outputs))
        if callable(override):
            # what is disconnected is zero to a function that computes with it
            given[-1] = _numbers(cotangents, outputs)
            made = override(*(v for group in given for v in group)) if isinstance(override, OpFromGraph) \
                else override(*given)
            made = list(made) if isinstance(made, (list, tuple)) else [made]
            if len(made) != self.n_inputs:
                raise GradientError(f"the override of {self}'s gradient must return {self.n_inputs} variable(s), got "
                                    f"{len(made)}{at(user_line())}")
            return [*made, *([None] * len(self.shared))]
        rules = [self._override_of(k) for k in range(self.n_inputs)]
        result: list[Variable | None] = [None] * len(inputs)
        if None in rules or self.shared:
            result = self._pullback(inputs, cotangents)
        if any(map(callable, rules)):
            given[-1] = _numbers(cotangents, outputs)
        for k, rule in enumerate(rules):
            if rule is not None:
                result[k] = rule(*given) if callable(rule) else rule
        return result

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Variable | None]) -> list[Variable | None]:
        """Tangents of the outputs, by the overrides where there are any; None where they are zero."""
        override = self.rop_overrides
        given = list(inputs[:self.n_inputs])
        if callable(override):
            made = override(given, _numbers(tangents[:self.n_inputs], given))
            return list(made) if isinstance(made, (list, tuple)) else [made]
        ts = [None if t is None else v.type(name=None) for v, t in zip(self.inner_inputs, tangents)]
        o = Symbolic()
        made = pushforward(o, self.inner_inputs, [None if t is None else Guarded(t) for t in ts], self.inner_outputs)
        found = self._outside_of(values(o, made), [*zip(self.inner_inputs, inputs), *zip(ts, tangents)])
        for k, rule in enumerate(override or ()):
            if rule is not None:
                found[k] = rule(given, _numbers(tangents[:self.n_inputs], given)) if callable(rule) else rule
        return found

    def _override_of(self, k: int) -> Any:
        """What is used for input k instead of the graph's derivative; None: nothing."""
        override = self._override
        if not isinstance(override, list):
            return override
        if len(override) != self.n_inputs:
            raise GradientError(f"the overrides of {self}'s gradient must be {self.n_inputs}, one per input, got "
                                f"{len(override)}{at(user_line())}")
        return override[k]

    def _pullback(self, inputs: Sequence[Variable], cotangents: Sequence[Variable]) -> list[Variable | None]:
        """The graph's own derivative: taken by its own inputs, once per choice of connected outputs, then applied."""
        live = tuple(is_continuous(g) for g in cotangents)
        if live not in self._pullbacks:
            us = [y.type() if alive else None for y, alive in zip(self.inner_outputs, live)]
            starts = [(y, Guarded(u)) for y, u in zip(self.inner_outputs, us) if u is not None]
            o = Symbolic()
            found = pullback(o, [y for y, _ in starts], [u for _, u in starts], self.inner_inputs)
            self._pullbacks[live] = us, values(o, found)
        us, found = self._pullbacks[live]
        return self._outside_of(found, [*zip(self.inner_inputs, inputs), *zip(us, cotangents)])

    def _outside_of(self, found: Sequence[Variable | None],
                    pairs: Sequence[tuple[object, object]]) -> list[Variable | None]:
        """Expressions of the inner variables, in terms of the outer ones."""
        kept = [v for v in found if v is not None]
        made = iter(clone_replace(kept, [(old, new) for old, new in pairs if old is not None]))
        return [None if v is None else next(made) for v in found]

    def __str__(self) -> str:
        return f"{self.name or type(self).__name__}{{inline={self.inline}}}"

    def __reduce__(self) -> tuple[object, ...]:
        fields = {k: v for k, v in vars(self).items()
                  if k not in ("inner_inputs", "inner_outputs", "shared", "program", "_pullbacks", "R_op")}
        return _restore, (self.inner_inputs, self.inner_outputs, self.shared, fields)


def _restore(inputs: list[Variable], outputs: list[Variable], shared: list[Variable],
             fields: dict[str, object]) -> OpFromGraph:
    new = OpFromGraph.__new__(OpFromGraph)
    vars(new).update(fields, inner_inputs=inputs, inner_outputs=outputs, shared=shared)
    new._finish()
    return new


def _outside(inputs: Sequence[Variable], outputs: Sequence[Variable], strict: bool) -> list[Variable]:
    """The shared variables and fixed draws that the graph needs; MissingInputError for inputs that are not listed."""
    listed = {id(v) for v in inputs}
    for v in graph_inputs(outputs, blockers=inputs):
        if id(v) in listed or isinstance(v, Constant):
            continue
        if not hasattr(v, "container"):
            raise MissingInputError(f"OpFromGraph: {describe(v)} of type {v.type} is needed to compute the outputs, "
                                    f"but is not among the inputs{at(v.source)}; add it to them")
        if strict:
            raise GraphError(f"OpFromGraph(strict=True): the graph uses the shared variable {describe(v)}"
                             f"{at(v.source)}; replace it by an input, or leave strict out")
    varying = set(inputs)
    draws = []
    for node in toposort(outputs, stop=inputs):
        if not varying.isdisjoint(node.inputs):
            varying.update(node.outputs)
        elif any(isinstance(v.type, RngType) for v in node.inputs):
            draws += [v for v in node.outputs if not isinstance(v.type, RngType)]
    taken = {*draws}
    return [v for v in ancestors(outputs, blockers=[*inputs, *draws]) if v in taken or hasattr(v, "container")]


def _replaced(override: object) -> Any:
    """An override in one form: None, a function, a variable, or a list of these."""
    if override is None or (isinstance(override, str) and override == _DEFAULT):
        return None
    if isinstance(override, (list, tuple)):
        each = [_replaced(o) for o in override]
        return each if any(o is not None for o in each) else None
    if callable(override) or (isinstance(override, Variable)
                              and isinstance(override.type, (NullType, DisconnectedType))):
        return override
    raise GradientError(f"an override is 'default', a function, an OpFromGraph, a variable of NullType or "
                        f"DisconnectedType, or a list of these, got {quoted(override)}{at(user_line())}")


def _numbers(given: Sequence[Variable | None], like: Sequence[Variable]) -> list[Variable]:
    """Cotangents or tangents, with zeros in place of those that are not connected."""
    o = Symbolic()
    return [o.full_like(x, 0) if g is None or isinstance(g.type, DisconnectedType) else g
            for g, x in zip(given, like)]
