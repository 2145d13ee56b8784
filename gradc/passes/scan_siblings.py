"""Loops of the same steps that share carries become one: `merge_siblings`, Program -> Program, exact.

A gradient runs its forward loop a second time, with more rows to stack; here the two find together.  Loops of
scalars are merged also where they share nothing: two recurrences side by side take the time of one.
"""

from __future__ import annotations

from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, rebuild, tensor
from gradc.ir.types import TensorType
from gradc.passes.loop import STOP, Loop, is_loop
from gradc.passes.scan_values import equal_values

Item = Eqn | Loop


def merge_siblings(program: Program) -> Program:
    """Loops of the same steps, of which none needs the other, as one where they have a carry in common."""
    count = sum(is_loop(eqn) for eqn in program.eqns)
    if count < 2:
        return program
    items: list[Item] = [Loop(eqn, eqn.args) if is_loop(eqn) else eqn for eqn in program.eqns]
    tried: set[tuple[Loop, Loop]] = set()
    while (found := _pair(items, tried)) is not None:
        items = _joined(items, *found)
    b = Builder()
    env = copy_inputs(program, b)
    for item in items:
        if isinstance(item, Eqn):
            rebuild(program, b, env, [item])
        else:
            item.move(env)
            env.update(item.emit(b))
    return b.program([env[v] for v in program.outputs])


def _pair(items: list[Item], tried: set[tuple[Loop, Loop]]) -> tuple[Loop, Loop, Loop] | None:
    """Two loops and what they make together."""
    needs = _dependences(items)
    earlier: list[Loop] = []
    for second in items:
        if isinstance(second, Eqn):
            continue
        for first in earlier:
            if (first, second) in tried or id(first) in needs[id(second)]:
                continue
            tried.add((first, second))
            both = _together(first, second)
            if both is not None:
                return first, second, both
        earlier.append(second)
    return None


def _dependences(items: list[Item]) -> dict[int, frozenset[int]]:
    """id of an item -> ids of the loops that it depends on."""
    of_var: dict[Var, frozenset[int]] = {}
    result: dict[int, frozenset[int]] = {}
    nothing: frozenset[int] = frozenset()
    for item in items:
        args = item.args if isinstance(item, Eqn) else item.outside()
        needs = nothing.union(*[of_var[a] for a in args if a in of_var])
        result[id(item)] = needs
        if isinstance(item, Loop):
            of_var.update(dict.fromkeys(item.names, needs | {id(item)}))
        elif needs:
            of_var.update(dict.fromkeys(item.outs, needs))
    return result


def _together(first: Loop, second: Loop) -> Loop | None:
    """One loop that does what both do, if it pays."""
    a, b = first.op, second.op
    if first.steps is not second.steps or first.limit is not second.limit \
            or (a.reverse, a.until) != (b.reverse, b.until):
        return None
    arrays = [v for loop in (first, second) for v in (*loop.inits, *loop.rows.values()) if type(v.type) is TensorType]
    scalars = all(not tensor(v).ndim for v in arrays)
    if not scalars and set(first.inits.values()).isdisjoint(second.inits.values()):
        return None
    both = Loop.both(first, second)
    equal_values(both)
    if second.stop is not None:
        if both.rows.pop(STOP) is not both.stop:
            return None
    elif not scalars and len(both.inits) == len(first.inits) + len(second.inits):
        return None
    return both


def _joined(items: list[Item], first: Loop, second: Loop, both: Loop) -> list[Item]:
    """`items` with `both` in the place of the second; what needs the first follows."""
    needs = _dependences(items)
    at = next(k for k, item in enumerate(items) if item is second)
    before = [item for item in items[:at] if item is not first and id(first) not in needs[id(item)]]
    between = [item for item in items[:at] if id(first) in needs[id(item)]]
    return [*before, both, *between, *items[at + 1:]]
