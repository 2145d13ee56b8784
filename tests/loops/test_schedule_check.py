"""The schedule's checker and printer: each kind of fault is found and named, and what a schedule looks like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import ScheduleCheckError
from gradc.ir import ops
from gradc.ir.convert import to_program
from gradc.ir.graph import apply
from gradc.ir.program import Var
from gradc.loops import lower
from gradc.loops.schedule import Allocation, Block, Leaf, Nest, Node, Schedule, statements
from gradc.loops.schedule_check import check
from gradc.loops.schedule_pretty import pretty
from gradc.record import FrozenError, replace
from gradc.tensor import slinalg
from tests.loops.kernels import compiled, tensor

M, B, X, Y, S = at.dmatrix("m"), at.dmatrix("b"), at.dvector("x"), at.dvector("y"), at.dscalar("s")


def schedule_of(inputs: list[Any], outputs: list[Any]) -> Schedule:
    return lower.schedule_of(to_program(inputs, outputs), checked=True)


def softmax() -> Schedule:
    return schedule_of([M], [at.special.softmax(M, axis=1)])


def sums() -> Schedule:
    """Two vectors in the arena: one dies where the next one is computed."""
    return schedule_of([X, Y], [at.exp(X - at.exp(X).sum()) * at.exp(Y - at.exp(Y).sum() + X.sum()), at.cumsum(X)])


def scan() -> Schedule:
    last, _ = gradc.scan(lambda x, h, z: [h * x, at.tanh(z + x)], sequences=[X], outputs_info=[S, M[0]])
    return schedule_of([X, S, M], [last[0][-1], last[1]])


def handed_on() -> Schedule:
    """In a step a sum, its factor and a solution with that have one slot, one after the other."""
    def step(h: Any, b: Any) -> Any:
        return at.tanh(slinalg.solve_triangular(b, slinalg.cholesky(at.tanh(h) + 0.01 * h), lower=True))

    states, _ = gradc.scan(step, outputs_info=[M], non_sequences=[B], n_steps=3)
    return schedule_of([M, B], [states[-1]])


def branch() -> Schedule:
    return schedule_of([X, S], [gradc.ifelse(S > 0, at.exp(X).sum(), S * 2)])


def product() -> Schedule:
    return schedule_of([M], [at.dot(M, M.T)])


def joined() -> Schedule:
    return schedule_of([X, Y], [at.concatenate([at.exp(X), Y])])


def on_node(what: Callable[[Node], bool], **changes: Any) -> Callable[[Schedule], Schedule]:
    """A fault in the first node that `what` finds."""
    done: list[Node] = []

    def of(item: Any) -> Any:
        if isinstance(item, (Nest, Block)):
            return replace(item, children=tuple(map(of, item.children)))
        if isinstance(item, Node) and not done and what(item):
            done.append(item)
            return replace(item, **{k: v(item) if callable(v) else v for k, v in changes.items()})
        return item

    def apply(schedule: Schedule) -> Schedule:
        done.clear()
        made = replace(schedule, body=replace(schedule.body, items=tuple(map(of, schedule.body.items))))
        assert done
        return made

    return apply


def on_item(kind: str, **changes: Any) -> Callable[[Schedule], Schedule]:
    """A fault in the first item of a kind."""

    def apply(schedule: Schedule) -> Schedule:
        items = list(schedule.body.items)
        k = next(k for k, item in enumerate(items) if type(item).__name__ == kind)
        items[k] = replace(items[k], **{n: v(items[k]) if callable(v) else v for n, v in changes.items()})
        return replace(schedule, body=replace(schedule.body, items=tuple(items)))

    return apply


def on_schedule(**changes: Any) -> Callable[[Schedule], Schedule]:
    return lambda s: replace(s, **{k: v(s) for k, v in changes.items()})


def reversed_items(s: Schedule) -> Any:
    return replace(s.body, items=tuple(reversed(s.body.items)))


def twice(s: Schedule) -> Any:
    return replace(s.body, items=(*s.body.items, s.body.items[-1]))


def same_slot(s: Schedule) -> dict[Var, Allocation]:
    """All arena memory in one slot, and nothing said of what takes it over."""
    first = next(a for a in s.memory.values() if a.place == "arena")
    return {v: replace(first, reuses=None) if a.place == "arena" else a for v, a in s.memory.items()}


def taken_over_twice(s: Schedule) -> dict[Var, Allocation]:
    """The second value that takes over a slot takes it from the same as the first."""
    first = next(a.reuses for a in s.memory.values() if a.reuses)
    return {v: replace(a, reuses=first) if a.reuses else a for v, a in s.memory.items()}


def taken_from_outside(s: Schedule) -> dict[Var, Allocation]:
    """The last value that takes over a slot takes that of one outside the step."""
    *_, last = [v for v, a in s.memory.items() if a.reuses]
    return {v: replace(a, reuses=next(iter(s.memory))) if v is last else a for v, a in s.memory.items()}


def without_stored(name: str) -> Callable[[Schedule], Any]:
    return lambda s: {v for v in s.stored if v.name != name}


def wrong_view(n: Node) -> Any:
    return tuple([Leaf(o.root, replace(o.view, axes=((9, 1),) * len(o.view.axes))) for o in n.operands])


def short_view(n: Node) -> Any:
    return tuple([Leaf(o.root, replace(o.view, axes=(), dims=())) for o in n.operands])


def strange(n: Node) -> Any:
    v = Var(-1, n.operands[0].root.type, name="strange")
    return (Leaf(v, replace(n.operands[0].view, root=v)),)


def plain(n: Node) -> bool:
    return n.kind == "reduce" and type(n.operands[0]) is Leaf and n.operands[0].root.name == "m"


def is_kind(kind: str) -> Callable[[Node], bool]:
    return lambda n: n.kind == kind


def any_node(n: Node) -> bool:
    return True


FAULTS: dict[str, tuple[Callable[[], Schedule], Callable[[Schedule], Schedule], str]] = {
    "kind": (softmax, on_node(any_node, kind="fold"), "there is no such kind"),
    "domain": (softmax, on_node(any_node, domain=(3, 4)), r"has the domain \(3, 4\), in loops of"),
    "out axes": (softmax, on_node(is_kind("map"), out_axes=(0, 0)), "of 2 loops"),
    "rank": (softmax, on_node(is_kind("map"), out_axes=(0,)), "has 2 axes, 1 are said"),
    "reduced": (softmax, on_node(is_kind("reduce"), reduced=()), "of 2 loops"),
    "fold of nothing": (softmax, on_node(is_kind("reduce"), kind="map"), "folds 1 loops"),
    "argreduce outside": (softmax, on_node(is_kind("reduce"), kind="argreduce", reduced=(0,), out_axes=(1,)),
                          "not along the innermost loop"),
    "no target": (joined, on_node(is_kind("write"), target=None), "has no target"),
    "target": (softmax, on_node(plain, target=lambda n: n.operands[0].view), "has a target"),
    "wrong target": (joined, on_schedule(base=lambda s: {}), "which is not the memory that it is made in"),
    "view's axes": (softmax, on_node(plain, operands=wrong_view), "does not show the axes that this has"),
    "view's depth": (softmax, on_node(plain, operands=short_view), "has 0 axes inside 2 loops"),
    "view of another": (softmax, on_node(plain, operands=lambda n: (Leaf(n.out, n.operands[0].view),)),
                        "has a view of m"),
    "unknown value": (softmax, on_node(plain, operands=strange), "strange is used before it is computed"),
    "order": (sums, on_schedule(body=reversed_items), "is used before it is computed"),
    "twice": (sums, on_schedule(body=twice), "is computed twice"),
    "level": (softmax, on_schedule(body=lambda s: replace(s.body, level=1)), "says that its level is 1"),
    "loop in a block": (softmax, on_schedule(body=lambda s: replace(s.body, items=(Block(s.body.items[1:]),))),
                        "a loop is in a block"),
    "item": (softmax, on_schedule(body=lambda s: replace(s.body, items=(s.body,))), "Body is no item"),
    "not stored": (sums, on_schedule(stored=lambda s: set(s.outputs)), "but not stored"),
    "outputs": (softmax, on_schedule(outputs=lambda s: {v: 1 for v in s.outputs}), "outputs have the numbers"),
    "output not stored": (softmax, on_schedule(stored=lambda s: set()), "is an output, but not stored"),
    "base not stored": (joined, on_schedule(base=lambda s: {v: s.inputs[0] for v in s.base}),
                        "is made in the memory of x, which is not stored"),
    "alias of itself": (softmax, on_schedule(aliases=lambda s: {v: replace(leaf_of(s).view, root=v)
                                                               for v in s.outputs}), "is a part of itself"),
    "alias of an input": (softmax, on_schedule(aliases=lambda s: {v: leaf_of(s).view for v in s.outputs}),
                          "is a part of m, which is not stored"),
    "no memory": (softmax, on_schedule(memory=lambda s: dict(list(s.memory.items())[1:])), "has no memory"),
    "place": (softmax, on_schedule(memory=lambda s: {v: replace(a, place="disk") for v, a in s.memory.items()}),
              "'disk', which is no place"),
    "output's place": (softmax, on_schedule(memory=lambda s: {v: replace(a, position=5) for v, a in s.memory.items()}),
                       "in output 5, but is output 0"),
    "slot": (scan, on_schedule(memory=same_slot), "share a slot while both are in use"),
    "slot handed on twice": (handed_on, on_schedule(memory=taken_over_twice), "share a slot while both are in use"),
    "slot of another body": (handed_on, on_schedule(memory=taken_from_outside), "share a slot while both are in use"),
    "call's result": (product, on_schedule(stored=lambda s: set(), outputs=lambda s: {}, memory=lambda s: {},
                                           base=lambda s: {}), "is the result of a call, but not stored"),
    "call's numbers": (product, on_item("CallItem", numbers=()), "gemm is told 0 numbers, not 3"),
    "bodies": (branch, on_item("CondItem", bodies=lambda i: i.bodies[:1]), "has 1 bodies"),
    "branch's ends": (branch, on_item("CondItem", scalars=()), "a branch ends with 1 scalars, 0 are its results"),
    "step's ends": (scan, on_item("ScanItem", until=True), "a step ends with"),
    "step's locals": (scan, on_schedule(locals=lambda s: set()), "is given to each step, but is no local"),
    "carry": (scan, on_item("ScanItem", carries=lambda i: tuple([replace(c, init=None, now=None, then=None)
                                                                 for c in i.carries])), "neither a first value"),
    "rows": (scan, on_item("ScanItem", rows=lambda i: (Var(-1, i.t.type, name="row"),)),
             "row is stacked by a loop, but not stored"),
}


def leaf_of(s: Schedule) -> Leaf:
    node = next(n for item in s.body.items for n in statements(item) if isinstance(n, Node) and plain(n))
    (leaf,) = node.operands
    assert isinstance(leaf, Leaf)
    return leaf


def test_values_of_a_step_hand_on_their_slot() -> None:
    assert pretty(handed_on()).count("in place of") == 2


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_schedule_is_named(name: str) -> None:
    make, break_it, message = FAULTS[name]
    good = make()
    check(good)
    with pytest.raises(ScheduleCheckError, match=message) as caught:
        check(break_it(good))
    assert "\nschedule\n" in str(caught.value)


def test_a_schedule_is_frozen() -> None:
    made = softmax()
    nest = made.body.items[1]
    for record, field in ((made, "body"), (made.body, "items"), (nest, "size"), (nest, "children")):
        with pytest.raises(FrozenError):
            setattr(record, field, None)


def test_the_text_of_a_row_of_softmax() -> None:
    assert pretty(softmax()).splitlines() == [
        "schedule",
        "  for i in m_n0",
        "    for j in m_n1",
        "      max[i] = maximum over j: m[i, j]",
        "    for j in m_n1",
        "      exp[i, j] = exp(sub(m[i, j], max[i]))",
        "      sum[i] = add over j: exp[i, j]",
        "    for j in m_n1",
        "      true_divide[i, j] = true_divide(exp[i, j], sum[i])",
        "  memory",
        "    exp: a row for each block of i, slot 0 of size bytes",
        "    true_divide: output 0"]


def test_loops_over_contiguous_memory_are_collapsed() -> None:
    text = pretty(schedule_of([M], [at.exp(M) * 2]))
    assert "exp[_, i] = exp(m.flat[i])" in text and "for j" not in text
    transposed = pretty(schedule_of([M], [at.exp(M) + M.T]))
    assert "for j in" in transposed


@pytest.mark.parametrize(("make", "words"), [
    (scan, ("scan t in x_n0", "carry h = s", "carry z, rows now and then", "ends with mul")),
    (branch, ("if gt(s, 0)", "else", "gives")),
    (product, ("= gemm(m[", "; m_n0, m_n1, m_n0)")), (joined, ("] = exp(x[i])", "= y[i]"))])
def test_the_text_of_other_items(make: Callable[[], Schedule], words: tuple[str, ...]) -> None:
    text = pretty(make())
    for w in words:
        assert w in text, text


def test_a_checked_function_checks_its_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr("gradc.loops.lower.check_schedule", lambda schedule, step: seen.append(step))
    f = gradc.function([X], at.exp(X), mode=gradc.Mode(checked=True, linker="py"))
    f.maker.compiled.kernel()
    np.testing.assert_allclose(f([0.0, 1.0]), [1.0, np.e], rtol=1e-15)
    assert seen == ["place", "store", "memory", "collapse"]


FOUR = tensor(4)("x")


def pair(k: int) -> Any:
    """Two scalar expressions, put together."""
    return at.concatenate([at.exp(FOUR[k:k + 1]), at.sin(FOUR[k + 1:k + 2])])


@pytest.mark.parametrize(("made", "wanted"), [
    (at.set_subtensor(FOUR[1:2], at.exp(FOUR[2:3])), lambda x: [x[0], np.exp(x[2]), *x[2:]]),
    (at.inc_subtensor(FOUR[:1], at.exp(FOUR[3:])), lambda x: [x[0] + np.exp(x[3]), *x[1:]]),
    (at.concatenate([pair(0), pair(2)]), lambda x: [np.exp(x[0]), np.sin(x[1]), np.exp(x[2]), np.sin(x[3])]),
    (at.concatenate([at.concatenate([pair(0), pair(1)]), pair(2)]),
     lambda x: [f(x[k + j]) for k in range(3) for j, f in enumerate((np.exp, np.sin))]),
    (at.concatenate([at.set_subtensor(FOUR[k:k + 1], at.exp(FOUR[2:3])) for k in (0, 1)]),
     lambda x: [np.exp(x[2]), *x[1:], x[0], np.exp(x[2]), *x[2:]])])
def test_what_is_put_together_from_parts_is_used_in_the_block_that_writes_the_last_part(made: Any, wanted: Any) -> None:
    x = np.array([0.3, -0.4, 0.5, 0.6])
    whole = np.array(wanted(x))
    f = compiled(to_program([FOUR], [at.exp(made[k] * 2) for k in range(len(whole))]))
    np.testing.assert_allclose(f(x), np.exp(2 * whole), rtol=1e-14)


def test_a_check_at_a_position_that_is_computed_comes_after_it() -> None:
    allowed = at.TensorType("bool", (None,))("allowed")
    checked = apply(ops.Assert("the largest is not allowed"), X * 2, allowed[at.argmax(at.sin(X))])
    f = compiled(to_program([X, allowed], [checked]))
    np.testing.assert_array_equal(f([0.1, 0.2, 0.7, 0.3], [False, False, True, False])[0], [0.2, 0.4, 1.4, 0.6])
    with pytest.raises(AssertionError, match="the largest is not allowed"):
        f([0.1, 0.2, 0.7, 0.3], [True, True, False, True])
