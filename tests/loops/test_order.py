"""The order of statements in long bodies: what is needed comes before, the longest chain last, and values stay."""

from __future__ import annotations

import numpy as np

import gradc
import gradc.tensor as at
from gradc.loops.look import names
from gradc.loops.nodes import Buffer, Fn, Index, Let, Load, Local, Store
from gradc.loops.order import ordered
from gradc.target import TARGET

X = Load(Buffer("x", "float64", (8,), "input", 0), Index(((1, "i"),)))
Y = Buffer("y", "float64", (8,), "output", 0)


def local(name: str) -> Local:
    return Local(name, "float64")


def chain(name: str, row: str, length: int) -> list[Let]:
    """name_0 = x[i], name_1 = row(name_0), ..."""
    return [Let(f"{name}_0", X)] + [Let(f"{name}_{k}", Fn(row, (local(f"{name}_{k - 1}"),), "float64"))
                                    for k in range(1, length)]


def test_shorter_chain_first():
    long, short = chain("long", "sqrt", TARGET.window), chain("short", "neg", 3)
    both = Let("both", Fn("add", (local(long[-1].name), local(short[-1].name)), "float64"))
    store = Store(Y, Index(((1, "i"),)), local("both"))
    assert ordered([*long, *short, both, store]) == (*short, *long, both, store)


def test_dear_statement_is_a_long_chain():
    dear, cheap, rest = chain("dear", "arctanh", 2), chain("cheap", "neg", 5), chain("rest", "sqrt", TARGET.window)
    both = Let("both", Fn("add", (local(dear[-1].name), local(cheap[-1].name)), "float64"))
    found = ordered([*dear, *cheap, both, *rest])
    assert found.index(dear[-1]) > found.index(cheap[-1])


def test_order_of_memory_and_of_short_bodies():
    """A load stays on its side of a store, and a body that is seen whole stays as written."""
    first, second = chain("first", "sqrt", TARGET.window), chain("second", "sqrt", 4)
    store = Store(Y, Index(((1, "i"),)), local(first[-1].name))
    assert ordered([*first, store, *second]) == (*first, store, *second)
    turned = [*second, *chain("third", "neg", 2)]
    assert ordered(turned) == tuple(turned)


def test_each_after_its_arguments_with_the_same_values():
    rng = np.random.default_rng(3)
    lets = [Let("v0", X)]
    for k in range(1, 200):
        row = ("add", "mul", "true_divide", "maximum")[k % 4]
        lets.append(Let(f"v{k}", Fn(row, tuple(local(f"v{j}") for j in rng.integers(0, k, 2)), "float64")))
    found = ordered(lets)
    assert sorted(s.name for s in found) == sorted(s.name for s in lets)
    for k, s in enumerate(found):
        assert names(s) - {"i"} <= {t.name for t in found[:k]}

    x = at.dvector("x")
    values, parts = np.linspace(0.5, 2.0, 11), [x, at.exp(-x)]
    exact = [values, np.exp(-values)]
    for k in range(60):
        a, b = rng.integers(0, len(parts), 2)
        make = (lambda u, v: u * v / (1 + v * v), lambda u, v: (u + v) / 2, lambda u, v: u - v / 3)[k % 3]
        parts.append(make(parts[a], parts[b]))
        exact.append(make(exact[a], exact[b]))
    np.testing.assert_allclose(gradc.function([x], parts[-1] + parts[-5])(values), exact[-1] + exact[-5], rtol=1e-12)
