"""Legality of a Schedule.  Raises ScheduleCheckError, with the Schedule's text, for the first thing that is wrong.

What is checked:
- loops: the domain of a node has the sizes of the loops around it; views have one entry per loop, out_axes and reduced
  are positions in the domain, each loop is one or the other;
- order: what is used is an input, a number, a size, a position, a local in scope, or was computed before, here or in a
  body around; each value is computed once, and no body is left with a value that it does not define;
- locals: after `loops.store`, a value that is not stored is used only where its local variable is at hand;
- memory: stored are results of calls, targets of writes, outputs, arguments of calls; aliases lead to stored values;
  after `loops.memory` each has memory of its own or is an alias, outputs are numbered, and values whose live ranges
  meet have different slots, except for those that hand one on, each where it is used last.

Not here: whether values are right (tests compare with the interpreter).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from gradc.errors import ScheduleCheckError
from gradc.ir.program import Var
from gradc.ir.routines import Routine, get_routine
from gradc.loops.index import View, lookups, needed
from gradc.loops.memory import live_ranges
from gradc.loops.nodes import SizeExpr
from gradc.loops.schedule import (
    Block,
    Body,
    BodyItem,
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
    leaves,
)
from gradc.loops.schedule_pretty import pretty
from gradc.loops.store import is_local
from gradc.loops.uses import Uses

STEPS = ("place", "store", "memory", "collapse")
KINDS = ("map", "reduce", "argreduce", "cumulate", "position", "write")
PLACES = ("output", "arena", "row", "stack", "room")


def check(schedule: Schedule, after: str = "collapse") -> None:
    """Check `schedule` as the step `after` leaves it."""
    _ScheduleChecker(schedule, STEPS.index(after)).run()


class _ScheduleChecker:
    def __init__(self, schedule: Schedule, step: int) -> None:
        self.s = schedule
        self.step = step
        self.computed: set[Var] = set()
        self.where = "the schedule"

    def fail(self, what: str) -> NoReturn:
        raise ScheduleCheckError(f"{what} (in {self.where}, after {STEPS[self.step]}); this is a bug in gradc, please "
                                 f"report it:\n{pretty(self.s)}")

    def run(self) -> None:
        self.values()
        self.body(self.s.body, set(self.s.inputs), 0)
        uses = Uses(self.s.body)
        if self.step >= STEPS.index("store"):
            self.locals(self.s.body, uses)
        if self.step >= STEPS.index("memory"):
            self.memory(uses)

    # -- values

    def values(self) -> None:
        """What the schedule says of values as a whole."""
        s = self.s
        if sorted(s.outputs.values()) != list(range(len(s.outputs))):
            self.fail(f"outputs have the numbers {sorted(s.outputs.values())}")
        for what, those in (("an output", s.outputs), ("an alias", s.aliases), ("made in another's memory", s.base)):
            for v in those:
                if v not in s.stored and not (what == "made in another's memory" and s.base[v] is not v):
                    self.fail(f"{_name(v)} is {what}, but not stored")
        for v, base in s.base.items():
            if base not in s.stored:
                self.fail(f"{_name(v)} is made in the memory of {_name(base)}, which is not stored")
        for v in s.aliases:
            seen = {v}
            root = s.aliases[v].root
            while root in s.aliases and root not in seen:
                seen.add(root)
                root = s.aliases[root].root
            if root in seen:
                self.fail(f"{_name(v)} is a part of itself")
            if root not in s.stored:
                self.fail(f"{_name(v)} is a part of {_name(root)}, which is not stored")

    # -- order and loops

    def body(self, body: Body, known: set[Var], level: int, scope: Sequence[Var] = ()) -> None:
        """A body where `known` values are there; `scope`: locals."""
        if body.level != level:
            self.fail(f"a body inside {level} others says that its level is {body.level}")
        known = {*known, *scope, *body.kept}
        for number, item in enumerate(body.items):
            self.where = f"item {number} of level {level}"
            self.item(item, known, level)
            known.update(v for v, defined in body.defined.items() if defined == number)
        self.where = f"the end of level {level}"
        for o in body.ends:
            self.operand(o, 0, known)

    def item(self, item: BodyItem, known: set[Var], level: int) -> None:
        match item:
            case Nest() | Block():
                self.nest(item, (), known)
            case CallItem():
                self.call(item, known)
            case SizeItem():
                self.operand(item.value, 0, known)
            case ScanItem():
                self.scan(item, known, level)
            case CondItem():
                self.operand(item.condition, 0, known)
                if len(item.bodies) != 2:
                    self.fail(f"a branch has {len(item.bodies)} bodies")
                for body in item.bodies:
                    if len(body.ends) != len(item.scalars):
                        self.fail(f"a branch ends with {len(body.ends)} scalars, {len(item.scalars)} are its results")
                    self.body(body, known, level + 1)
            case _:
                self.fail(f"{type(item).__name__} is no item")

    def nest(self, nest: Nest | Block, domain: tuple[SizeExpr, ...], known: set[Var]) -> None:
        if isinstance(nest, Nest):
            domain = (*domain, nest.size)
        for child in nest.children:
            match child:
                case Nest():
                    if isinstance(nest, Block):
                        self.fail("a loop is in a block of scalar statements")
                    self.nest(child, domain, known)
                case Node():
                    self.node(child, domain, known)
                case CheckItem():
                    if domain:
                        self.fail("a check is in a loop that may be cut into blocks")
                    for o in child.conditions:
                        self.operand(o, 0, known)
                    for o in child.within:
                        self.operand(o, len(child.domain), known)
                    known.add(child.checked)
                case _:
                    self.fail(f"{type(child).__name__} is no statement")

    def node(self, n: Node, domain: tuple[SizeExpr, ...], known: set[Var]) -> None:
        what = f"{n.kind} {_name(n.out)}"
        if n.kind not in KINDS:
            self.fail(f"{what}: there is no such kind")
        if n.domain != domain:
            self.fail(f"{what} has the domain {_sizes(n.domain)}, in loops of {_sizes(domain)}")
        for o in n.operands:
            self.operand(o, len(domain), known)
        depth = len(domain)
        if (n.target is not None) != (n.kind == "write"):
            self.fail(f"{what} has {'a' if n.target else 'no'} target")
        if n.target is not None:
            self.view(n.target, depth)
            for v, _ in needed(n.target):
                self.known(v, known)
            if n.target.root not in self.s.stored or self.s.base.get(n.out) is not n.target.root:
                self.fail(f"{what} writes into {_name(n.target.root)}, which is not the memory that it is made in")
            known.update((n.out, *self.around(n.target.root)))
            return
        walked = [p for p in n.out_axes if p is not None]
        if len(n.out_axes) != n.out.type.ndim:
            self.fail(f"{what} has {n.out.type.ndim} axes, {len(n.out_axes)} are said")
        if list(n.reduced) != sorted(set(n.reduced)) or sorted([*walked, *n.reduced]) != list(range(depth)):
            self.fail(f"{what}: of {depth} loops {walked} are axes of the result, {list(n.reduced)} folded")
        if bool(n.reduced) != (n.kind in ("reduce", "argreduce")):
            self.fail(f"{what} folds {len(n.reduced)} loops")
        if n.kind == "argreduce" and n.reduced != (depth - 1,):
            self.fail(f"{what} is not along the innermost loop")
        if n.out in self.computed:
            self.fail(f"{_name(n.out)} is computed twice")
        self.computed.add(n.out)
        known.add(n.out)

    def around(self, memory: Var) -> Iterator[Var]:
        """`memory`, and all values that it is a part of: they are written with it."""
        yield memory
        while memory in self.s.aliases:
            memory = self.s.aliases[memory].root
            yield memory

    def call(self, item: CallItem, known: set[Var]) -> None:
        for o, in_memory in zip(item.args, item.in_memory, strict=True):
            if not in_memory:
                self.operand(o, 0, known)
                continue
            if not isinstance(o, Leaf):
                self.fail(f"{item.routine} is given memory of what is computed where it is used")
            self.known(o.root, known)
            self.view(o.view, len(o.view.dims))
        for v in item.outs:
            if v not in self.s.stored:
                self.fail(f"{_name(v)} is the result of a call, but not stored")
        row = get_routine(item.routine)
        if isinstance(row, Routine):
            wanted = row.count - 2 * row.layouts.count("matrix")        # their steps are known later
            if len(item.numbers) != wanted:
                self.fail(f"{item.routine} is told {len(item.numbers)} numbers, not {wanted}")

    def scan(self, item: ScanItem, known: set[Var], level: int) -> None:
        for o in item.operands:
            self.operand(o, 0, known)
        scope = [item.t]
        for c in item.carries:
            if c.init is not None:
                scope.append(c.state)
            elif c.after is None:
                if c.now is None or c.then is None:
                    self.fail(f"the carry {_name(c.state)} has neither a first value nor two rows")
                scope += [c.now, c.then]
            if c.init is None and c.state not in self.s.stored:
                self.fail(f"the carry {_name(c.state)} is an array, but not stored")
        for v in scope:
            if v not in self.s.locals:
                self.fail(f"{_name(v)} is given to each step, but is no local")
        for v in item.rows:
            if v not in self.s.stored:
                self.fail(f"{_name(v)} is stacked by a loop, but not stored")
        scalars = sum(c.init is not None for c in item.carries) + item.until + len(item.sizes)
        if len(item.body.ends) != scalars:
            self.fail(f"a step ends with {len(item.body.ends)} scalars, not {scalars}")
        self.body(item.start, known | item.body.kept, level + 1)
        self.body(item.body, known, level + 1, scope)

    def operand(self, o: Operand, depth: int, known: set[Var]) -> None:
        for leaf in leaves(o):
            if leaf.view.root is not leaf.root:
                self.fail(f"a leaf of {_name(leaf.root)} has a view of {_name(leaf.view.root)}")
            self.known(leaf.root, known)
            self.view(leaf.view, depth)
            for v, _ in needed(leaf.view):
                self.known(v, known)

    def known(self, v: Var, known: set[Var]) -> None:
        if v not in known and v.data is None and v not in self.s.sizes and v not in self.s.positions:
            self.fail(f"{_name(v)} is used before it is computed")

    def view(self, view: View, depth: int) -> None:
        rank = 1 if view.flat else view.root.type.ndim
        if len(view.axes) != depth or len(view.dims) != depth:
            self.fail(f"a view of {_name(view.root)} has {len(view.axes)} axes inside {depth} loops")
        if len(view.offsets) != rank or any(a is not None and not 0 <= a[0] < rank for a in view.axes):
            self.fail(f"a view of {_name(view.root)} does not show the axes that this has")
        for each in lookups(view):
            self.view(each.view, depth)

    # -- locals

    def locals(self, body: Body, uses: Uses) -> None:
        """What is not stored is at hand in a local variable."""
        for v, node in uses.node.items():
            for user, view in uses.users.get(v, ()) if v not in self.s.stored else ():
                if not is_local(node, user, view, body, uses):
                    self.where = f"item {uses.item[user]} of level {body.level}"
                    self.fail(f"{_name(v)} is used outside the loops that compute it, but not stored")
        for number, inner in uses.inner.items():
            for b, u in zip(body.items[number].bodies, inner):  # type: ignore[union-attr]
                self.locals(b, u)

    # -- memory

    def memory(self, uses: Uses) -> None:
        s = self.s
        self.where = "the schedule"
        for v in s.stored:
            if (v in s.memory) == (v in s.aliases) and (v in s.memory or s.base.get(v, v) is v):
                self.fail(f"{_name(v)} has {'memory of its own and is an alias' if v in s.memory else 'no memory'}")
        for v, a in s.memory.items():
            if v not in s.stored:
                self.fail(f"{_name(v)} has memory, but is not stored")
            if a.place not in PLACES:
                self.fail(f"{_name(v)} is in {a.place!r}, which is no place")
            if (a.place == "output") != (v in s.outputs) or (v in s.outputs and a.position != s.outputs[v]):
                self.fail(f"{_name(v)} is in {a.place} {a.position}, but is output {s.outputs.get(v)}")
        own: dict[Var, tuple[Body, int, int]] = {}
        taken: dict[tuple[SizeExpr, int], list[tuple[int, int, Var]]] = {}
        for v, first, last in self.ranges(s.body, uses, own):
            found = s.memory.get(v)
            if found is not None and found.place in ("arena", "row") and found.taken is None:
                taken.setdefault((found.nbytes, found.position), []).append((first, last, v))
        tenants = self.tenants(own)
        for users in taken.values():
            for k, (first, last, v) in enumerate(users):
                for other_first, other_last, other in users[:k]:
                    if first <= other_last and other_first <= last and tenants[v] is not tenants[other]:
                        self.share(v, other)

    def tenants(self, own: Mapping[Var, tuple[Body, int, int]]) -> dict[Var, Var]:
        """For each value the first of those that had its memory, each handed on where it was used last."""
        found: dict[Var, Var] = {}
        handed_on: dict[Var, Var] = {}
        for v, a in self.s.memory.items():
            other = a.reuses
            if other is None:
                found[v] = v
                continue
            (body, first, _), (other_body, _, last) = own[v], own[other]
            if body is not other_body or first != last:
                self.share(v, other)
            if other in handed_on:
                self.share(v, handed_on[other])
            handed_on[other] = v
            found[v] = found[other]
        return found

    def share(self, v: Var, other: Var) -> NoReturn:
        self.fail(f"{_name(v)} and {_name(other)} share a slot while both are in use")

    def ranges(self, body: Body, uses: Uses, own: dict[Var, tuple[Body, int, int]],
               item: int | None = None) -> Iterator[tuple[Var, int, int]]:
        """Values and the items of the kernel in which their memory is used; what is in a body all of its item.

        `own` is told their bodies and the items of these.
        """
        for v, (first, last) in live_ranges(self.s, body, uses).items():
            own[v] = body, first, last
            yield (v, first, last) if item is None else (v, item, item)
        for number, inner in uses.inner.items():
            for b, u in zip(body.items[number].bodies, inner):  # type: ignore[union-attr]
                yield from self.ranges(b, u, own, number if item is None else item)


def _name(v: Var) -> str:
    return v.name or str(v)


def _sizes(sizes: Sequence[SizeExpr]) -> str:
    return f"({', '.join(map(str, sizes))})"
