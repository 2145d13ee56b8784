"""Print a Schedule.

    for i in x_n0                           a loop; Nodes and inner loops are in it
      max[i] = maximum over j: x[i, j]      a reduce, argreduce or cumulate (`running`)
      y[i] = exp(sub(x[i], max[i]))         a map; what is computed where it is used is part of it
      z[i + 3] += y[i]                      a write into a part of z
      c[_, i] = neg(x.flat[i])              axes that no loop walks: of size 1, or two loops are collapsed into one
    a, b = dot(x, y)                        a call
    memory                                  of each stored value; from `loops.memory` on
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gradc.ir import ops
from gradc.ir.facts import product_labels
from gradc.ir.program import Var
from gradc.loops.index import Lookup, View
from gradc.loops.names import Namer
from gradc.loops.schedule import (
    LOOP_NAMES,
    Allocation,
    Block,
    Body,
    CallItem,
    CheckItem,
    CondItem,
    Leaf,
    Nest,
    Node,
    Operand,
    ScanItem,
    Schedule,
    SizeItem,
    nodes_of,
    op_label,
)


def pretty(schedule: Schedule) -> str:
    """The text of a schedule."""
    return "\n".join(_Printer(schedule).lines())


class _Printer:
    def __init__(self, schedule: Schedule) -> None:
        self.s = schedule
        self._node = nodes_of(schedule)
        self._names: dict[Var, str] = {}
        self._namer = Namer(set(LOOP_NAMES), set(), set())

    def lines(self) -> Iterator[str]:
        s = self.s
        yield "schedule"
        yield from self._body(s.body, "  ")
        if s.memory:
            yield "  memory"
            for var, a in s.memory.items():
                yield f"    {self.name(var)}: {self._allocation(a)}"
        elif s.stored:
            yield f"  stored {', '.join([self.name(v) for v in self._names if v in s.stored])}"
        for var, part in s.aliases.items():
            yield f"  {self.name(var)} is {self._view(part)}"
        for var, base in s.base.items():
            if var is not base and var in self._names:
                yield f"  {self.name(var)} is made in {self.name(base)}"

    def name(self, var: Var) -> str:
        found = self._names.get(var)
        if found is None:
            node = self._node.get(var)
            label = self.s.labels.get(var, "v") if node is None else op_label(node.op)
            found = self._names[var] = self._namer(var.name or label)
        return found

    # -- items

    def _body(self, body: Body, indent: str) -> Iterator[str]:
        for item in body.items:
            yield from self._item(item, indent, 0)
        if body.ends:
            yield f"{indent}ends with {self._list(body.ends)}"

    def _item(self, item: object, indent: str, level: int) -> Iterator[str]:
        inner = f"{indent}  "
        match item:
            case Nest():
                yield f"{indent}for {LOOP_NAMES[level]} in {item.size}"
                for child in item.children:
                    yield from self._item(child, inner, level + 1)
            case Block():
                for statement in item.children:
                    yield from self._item(statement, indent, 0)
            case Node():
                yield indent + self._statement(item)
            case CheckItem():
                where = f" for all of {', '.join(map(str, item.domain))}" if item.domain else ""
                yield f"{indent}check {self._list(item.conditions or item.within[:1])}{where}"
            case CallItem():
                name = item.routine if isinstance(item.routine, str) else str(item.routine)
                told = f"; {', '.join(map(str, item.numbers))}" if item.numbers else ""
                batch = f" for all of {', '.join(map(str, item.batch))}" if item.batch else ""
                made = ", ".join(map(self.name, item.outs))
                yield f"{indent}{made} = {name}({self._list(item.args)}{told}){batch}"
            case SizeItem():
                yield f"{indent}size {item.size} = {self.operand(item.value)}"
            case ScanItem():
                yield from self._scan(item, indent)
            case CondItem():
                for k, body in enumerate(item.bodies):
                    yield f"{indent}else" if k else f"{indent}if {self.operand(item.condition)}"
                    yield from self._body(body, inner)
                if item.scalars:
                    yield f"{indent}gives {', '.join(map(self.name, item.scalars))}"

    def _scan(self, item: ScanItem, indent: str) -> Iterator[str]:
        inner = f"{indent}  "
        limit = "" if item.limit is None else f", at most {self.operand(item.limit)}"
        order = " downwards" if item.reverse else ""
        yield f"{indent}scan {self.name(item.t)} in {item.steps}{limit}{order}{', until a step ends it' * item.until}"
        for c in item.carries:
            result = "" if c.result is None else f" gives {self.name(c.result)}"
            rows = f", rows {self.name(c.now)} and {self.name(c.then)}" if c.now and c.then else ""
            init = "" if c.init is None else f" = {self.operand(c.init)}"
            after = "" if c.after is None else f", next {self.name(c.after)}"
            yield f"{inner}carry {self.name(c.state)}{init}{after}{rows}{result}"
        yield from self._body(item.start, f"{inner}start: ")
        yield from self._body(item.body, inner)

    # -- statements

    def _statement(self, n: Node) -> str:
        value = self._list(n.operands)
        if n.target is not None:
            return f"{self._view(n.target)} {'+=' if n.adds else '='} {value}"
        out = self._indexed(self.name(n.out), ["_" if p is None else LOOP_NAMES[p] for p in n.out_axes])
        match n.kind:
            case "map":
                return f"{out} = {self._applied(n.op, n.operands)}"
            case "position":
                return f"{out} = position of {value} in {n.length}"
            case "cumulate":
                return f"{out} = running {n.fold}: {value}"
        over = ", ".join([LOOP_NAMES[p] for p in n.reduced])
        if product_labels(n.op) is not None:
            value = f"mul({value})"
        return f"{out} = {n.fold if n.kind == 'reduce' else n.op} over {over}: {value}"

    def _applied(self, op: ops.OpKind, operands: Sequence[Operand]) -> str:
        if op == ops.Map("identity"):
            return self._list(operands)
        name = op.dtype if isinstance(op, ops.Cast) else op_label(op)
        return f"{name}({self._list(operands)})"

    def _list(self, operands: Sequence[Operand]) -> str:
        return ", ".join(map(self.operand, operands))

    def operand(self, o: Operand) -> str:
        if isinstance(o, Leaf):
            return self._view(o.view)
        if type(o.op) is ops.Iota:
            return self._positions(o.operands[0].view)[0]
        return self._applied(o.op, o.operands)

    def _view(self, view: View) -> str:
        root = view.root
        if root.data is not None and root.data.size == 1:
            return repr(root.data.item())
        flat = ".flat" if view.flat else ""
        return self._indexed(f"{self.name(root)}{flat}", self._positions(view))

    def _positions(self, view: View) -> list[str]:
        """The position on each axis of the root."""
        terms: list[list[str]] = [[] for _ in view.offsets]
        for p, axis in enumerate(view.axes):
            if axis is not None and axis[0] < len(terms):       # else the checker says so
                terms[axis[0]].append(_times(axis[1], LOOP_NAMES[p]))
        for own, offsets in zip(terms, view.offsets):
            own += [_times(t[1], self._position(t[0])) if isinstance(t, tuple) else str(t) for t in offsets if t != 0]
        return [" + ".join(t) or "0" for t in terms]

    def _position(self, term: Var | Lookup) -> str:
        return self._view(term.view) if isinstance(term, Lookup) else self.name(term)

    @staticmethod
    def _indexed(name: str, positions: Sequence[str]) -> str:
        return f"{name}[{', '.join(positions)}]" if positions else name

    def _allocation(self, a: Allocation) -> str:
        if a.reuses is not None:
            return f"in place of {self.name(a.reuses)}"
        match a.place:
            case "output":
                return f"output {a.position}"
            case "stack":
                return "C stack"
            case "row":
                inside: Callable[[int], str] = LOOP_NAMES.__getitem__
                return f"a row for each block of {inside(a.outer - 1)}, {self._slot(a)}"
        return self._slot(a)

    @staticmethod
    def _slot(a: Allocation) -> str:
        return f"{'slot' if a.taken is None else 'room'} {a.position} of size {a.nbytes}"


def _times(factor: object, name: str) -> str:
    return name if factor == 1 else f"{factor} * {name}"
