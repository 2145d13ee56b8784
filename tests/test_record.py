"""Records: value classes."""

from __future__ import annotations

import copy
import pickle

import pytest

from gradc.record import fresh, record, replace


@record
class Point:
    """A point."""

    x: int
    y: int = 2

    def norm(self) -> int:
        return self.x + self.y


@record
class Nothing:
    pass


@record
class Named:
    name: str

    def __repr__(self) -> str:
        return f"<{self.name}>"


@record
class Doubled:
    x: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", 2 * self.x)


def test_values() -> None:
    assert Point(1) == Point(1, 2) == Point(x=1, y=2) != Point(2)
    assert hash(Point(1)) == hash(Point(1, 2)) and len({Point(1), Point(1), Point(3)}) == 2
    assert Point(1) != Named("a") and Point(1) != (1, 2)
    assert Nothing() == Nothing() and hash(Nothing()) == hash(Nothing())
    assert repr(Point(1)) == "Point(x=1, y=2)" and repr(Named("a")) == "<a>" and repr(Nothing()) == "Nothing()"
    assert Point(1).norm() == 3 and Point.__doc__ == "A point."
    assert Doubled(3).x == 6


def test_equality_may_be_identity() -> None:
    @record(eq=False)
    class Node:
        x: int

    a = Node(1)
    assert a == a and a != Node(1) and len({a, Node(1)}) == 2 and repr(a).endswith("Node(x=1)")


def test_calls_are_checked() -> None:
    with pytest.raises(TypeError):
        Point()
    with pytest.raises(TypeError):
        Point(1, 2, 3)
    with pytest.raises(TypeError):
        Point(1, z=2)


def test_fields_may_be_assigned_where_asked_for_and_start_fresh() -> None:
    @record(frozen=False, eq=False)
    class Bag:
        items: list = fresh(factory=list)

    a, b = Bag(), Bag()
    a.items.append(1)
    b.items = [2]
    assert a.items == [1] and b.items == [2] and Bag().items == [] and Bag([3]).items == [3]


def test_nothing_changes() -> None:
    p = Point(1)
    for change in (lambda: setattr(p, "x", 3), lambda: setattr(p, "z", 3), lambda: delattr(p, "x")):
        with pytest.raises(AttributeError):
            change()
    assert not hasattr(p, "__dict__")


def test_copies_pickles_and_matching() -> None:
    p = Point(1, 5)
    assert replace(p, y=7) == Point(1, 7) and p.y == 5
    with pytest.raises(TypeError):
        replace(p, z=7)
    assert pickle.loads(pickle.dumps(p)) == copy.deepcopy(p) == copy.copy(p) == p
    match p:
        case Point(1, y):
            assert y == 5
