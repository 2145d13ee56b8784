"""FunctionGraph: a mutable view of a graph between inputs and outputs, with clients and replacement; comparing graphs.

Here: clients (who uses a variable), `replace`, `toposort`, listings.  Not here: compiling, which works on
Programs; user rewriters run on this view before ingest.  In: variables.  Out: the same graph, changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gradc.errors import GraphError, InconsistencyError, MissingInputError, TypeMismatchError, at
from gradc.ir import graph
from gradc.ir.graph import Apply, Constant, Variable

Client = tuple[Any, int]     # (Apply or "output", input position or output position)


class FunctionGraph:
    """The graph from `inputs` to `outputs`.

    With `clone=True` (as in Aesara) the nodes are copied first, so that `replace` never changes the
    user's graph.  Without `inputs`, they are found.
    Raises MissingInputError if an output needs a variable that is neither input nor constant.
    """

    def __init__(self, inputs: Sequence[Variable] | None = None, outputs: Sequence[Variable] | None = None,
                 clone: bool = True) -> None:
        if outputs is None:
            raise GraphError("FunctionGraph needs outputs: FunctionGraph(inputs, outputs)")
        ins = list(inputs) if inputs is not None else [
            v for v in graph.graph_inputs(outputs) if not isinstance(v, Constant)]
        outs = list(outputs)
        if clone:
            ins, outs = _copy(ins, outs)
        self.inputs: list[Variable] = ins
        self.outputs: list[Variable] = outs
        self.apply_nodes: set[Apply] = set()
        self.variables: set[Variable] = set(ins)
        self.clients: dict[Variable, list[Client]] = {v: [] for v in ins}
        for k, out in enumerate(outs):
            self._import(out)
            self.clients[out].append(("output", k))

    def get_clients(self, variable: Variable) -> list[Client]:
        """Who uses `variable`: pairs (node, input position) or ("output", output position)."""
        return self.clients.get(variable, [])

    def toposort(self) -> list[Apply]:
        """All Apply nodes, each after those it needs."""
        return graph.toposort(self.outputs, stop=self.inputs)

    def replace(self, variable: Variable, new: Variable, reason: str | None = None, **_: object) -> None:
        """Let every user of `variable` use `new` instead (nodes that only `new` brings in keep using it).

        Raises TypeMismatchError for another type, InconsistencyError where the graph would get a cycle.
        """
        if variable is new or variable not in self.clients:
            return
        if not variable.type.accepts(new.type):
            raise TypeMismatchError(f"can't replace {graph.describe(variable)} of type {variable.type} by "
                                    f"{graph.describe(new)} of type {new.type}{at(new.source)}; cast it first")
        users = list(self.clients[variable])
        nodes = {node for node, _ in users if node != "output"}
        for v in graph.ancestors([new], blockers=self.inputs):
            if v.owner in nodes:
                old = graph.describe(variable)
                raise InconsistencyError(f"replacing {old} by {graph.describe(new)} makes a cycle: the latter depends "
                                         f"on {graph.describe(v)}{at(v.source)}, which uses {old}")
        if new.name is None:
            new.name = variable.name
        self._import(new)
        for node, k in users:
            if node == "output":
                self.outputs[k] = new
            else:
                node.inputs[k] = new
            self.clients[new].append((node, k))
        moved = set(users)
        self.clients[variable] = [c for c in self.clients[variable] if c not in moved]
        self._prune([variable])

    replace_validate = replace

    def replace_all(self, pairs: Iterable[tuple[Variable, Variable]], reason: str | None = None, **_: object) -> None:
        """`replace` for each pair (old, new)."""
        for old, new in pairs:
            self.replace(old, new, reason)

    def add_input(self, variable: Variable) -> None:
        """Declare `variable` an input."""
        if variable not in self.inputs:
            self.inputs.append(variable)
            self.variables.add(variable)
            self.clients.setdefault(variable, [])

    def add_output(self, variable: Variable) -> None:
        """Compute `variable` too."""
        self._import(variable)
        self.outputs.append(variable)
        self.clients[variable].append(("output", len(self.outputs) - 1))

    def check_integrity(self) -> None:
        """InconsistencyError if clients and graph disagree (a node was changed behind the view's back)."""
        for node in self.toposort():
            if node not in self.apply_nodes:
                raise InconsistencyError(f"{node.op} is computed, but not part of the graph{at(node.source)}")
            for k, v in enumerate(node.inputs):
                if (node, k) not in self.clients.get(v, ()):
                    raise InconsistencyError(f"{node.op} is no client of its input {k}{at(node.source)}")

    def clone(self) -> FunctionGraph:
        """A copy with nodes of its own."""
        return FunctionGraph(self.inputs, self.outputs, clone=True)

    def __contains__(self, item: object) -> bool:
        return item in self.variables or item in self.apply_nodes

    def __repr__(self) -> str:
        return f"FunctionGraph({', '.join(map(str, self.outputs))})"

    def _import(self, root: Variable) -> None:
        stack = [root.owner] if root.owner is not None and root not in self.clients else []
        while stack:
            node = stack[-1]
            if node in self.apply_nodes:
                stack.pop()
                continue
            missing = [v.owner for v in node.inputs if v.owner is not None and v not in self.clients]
            if missing:
                stack.extend(reversed(missing))
                continue
            stack.pop()
            self.apply_nodes.add(node)
            for k, v in enumerate(node.inputs):
                self._adopt(v)
                self.clients[v].append((node, k))
            for out in node.outputs:
                self.variables.add(out)
                self.clients.setdefault(out, [])
        self._adopt(root)

    def _adopt(self, v: Variable) -> None:
        if v in self.clients:
            return
        if v.owner is None and not isinstance(v, Constant):
            raise MissingInputError(f"{graph.describe(v)} of type {v.type} is needed to compute the outputs, but is "
                                    f"not an input{at(v.source)}")
        self.variables.add(v)
        self.clients[v] = []

    def _prune(self, variables: list[Variable]) -> None:
        """Drop nodes whose outputs nobody uses any more."""
        stack = list(variables)
        inputs = set(self.inputs)
        while stack:
            v = stack.pop()
            if self.clients.get(v) or v in inputs or v not in self.clients:
                continue
            node = v.owner
            if node is None:
                del self.clients[v]
                self.variables.discard(v)
            elif not any(self.clients.get(out) for out in node.outputs):
                self.apply_nodes.discard(node)
                for out in node.outputs:
                    self.clients.pop(out, None)
                    self.variables.discard(out)
                for k, used in enumerate(node.inputs):
                    self.clients[used].remove((node, k))
                    stack.append(used)


def _copy(inputs: list[Variable], outputs: list[Variable]) -> tuple[list[Variable], list[Variable]]:
    """Copies of the nodes between inputs and outputs; constants and unknown leaves are shared."""
    new: dict[Variable, Variable] = {v: v if isinstance(v, Constant) or hasattr(v, "container") else v.clone()
                                     for v in inputs}
    for node in graph.toposort(outputs, stop=inputs):
        made = Apply(node.op, [new.get(v, v) for v in node.inputs], [o.type for o in node.outputs], node.source)
        for old, copy in zip(node.outputs, made.outputs):
            copy.name = old.name
            new[old] = copy
    return [new[v] for v in inputs], [new.get(v, v) for v in outputs]


def equal_computations(xs: Sequence[Variable], ys: Sequence[Variable],
                       in_xs: Sequence[Variable] = (), in_ys: Sequence[Variable] = ()) -> bool:
    """Do `xs` compute the same as `ys`, op for op, when `in_xs[k]` is taken for `in_ys[k]`?"""
    if len(xs) != len(ys) or len(in_xs) != len(in_ys):
        return False
    same: dict[int, int] = {id(a): id(b) for a, b in zip(in_xs, in_ys)}

    def match(a: Variable, b: Variable) -> bool:
        if id(a) in same:
            return same[id(a)] == id(b)
        if isinstance(a, Constant) and isinstance(b, Constant):
            return a.signature() == b.signature()
        return a is b

    stack = list(zip(xs, ys))
    while stack:
        a, b = stack[-1]
        if id(a) in same or a.owner is None or b.owner is None:
            if not match(a, b):
                return False
            stack.pop()
            continue
        left, right = a.owner, b.owner
        if left.op != right.op or a.index != b.index or len(left.inputs) != len(right.inputs):
            return False
        open_pairs = [(p, q) for p, q in zip(left.inputs, right.inputs) if p.owner is not None and id(p) not in same]
        if open_pairs:
            stack.extend(open_pairs)
            continue
        if not all(match(p, q) for p, q in zip(left.inputs, right.inputs)):
            return False
        for p, q in zip(left.outputs, right.outputs):
            same[id(p)] = id(q)
        stack.pop()
    return True
