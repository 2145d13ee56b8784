"""Sizes: arithmetic in normal form has the value of the expression, and equal sizes are found to be equal."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import ShapeError
from gradc.ir.sizes import Dim, Sizes, Symbol


def value(size: Dim, env: dict[Symbol, int]) -> int:
    """What a size is in numbers, by Python's own rules."""
    if not isinstance(size, Symbol):
        return size
    args = size.args
    match size.fn:
        case "shape" | "value":
            return env[size]
        case "sum":
            return args[0] + sum(f * value(s, env) for f, s in args[1])
        case "product":
            total = 1
            for s in args:
                total *= value(s, env)
            return total
        case "align":
            return -(-value(args[0], env) // args[1]) * args[1]
        case "slice_start":
            return slice(value(args[1], env), None).indices(value(args[0], env))[0]
        case "slice_first" | "slice_count":
            n, start, stop, step, flags = [value(a, env) for a in args]
            r = range(*slice(None if flags & 1 else start, None if flags & 2 else stop, step).indices(n))
            return len(r) if size.fn == "slice_count" else r.start
    a, b = (value(x, env) for x in args)
    match size.fn:
        case "quotient":
            return a // b if b else 0
        case "minimum":
            return min(a, b)
        case "maximum":
            return max(a, b)
        case "position":
            return a if a >= 0 else a + b
    raise AssertionError(size.fn)


OPERATIONS: dict[str, Any] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "minimum": min, "maximum": max,
    "quotient": lambda a, b: a // b if b else 0,
}


@pytest.mark.parametrize("seed", range(40))
def test_random_arithmetic_has_its_value_and_bounds(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        s = Sizes()
        lengths = [s.term("shape", (k, 0)) for k in range(2)]
        values = [s.term("value", (k,)) for k in range(2)]
        env = {t: rng.randint(0, 6) for t in lengths} | {t: rng.randint(-4, 6) for t in values}
        pool: list[tuple[Dim, int]] = [*env.items(), *((k, k) for k in (rng.randint(-3, 5) for _ in range(3)))]
        for _ in range(12):
            (a, x), (b, y) = rng.choice(pool), rng.choice(pool)
            kind = rng.choice([*OPERATIONS, "align", "slice"])
            if kind == "slice":
                if not s.is_length(a):
                    continue
                start, stop = (rng.choice([None, rng.choice(pool)]) for _ in range(2))
                step = rng.choice([None, 1, -1, 2, -2])
                first, count, _ = s.slice_range(start and start[0], stop and stop[0], step, a)
                want = range(*slice(start and start[1], stop and stop[1], step).indices(x))
                assert s.is_length(count)
                assert value(count, env) == len(want)
                assert not want or value(first, env) == want.start
                made, number = count, len(want)
            elif kind == "align":
                made, number = s.align(a, 8), -(-x // 8) * 8
            else:
                made, number = getattr(s, kind)(a, b), OPERATIONS[kind](x, y)
            if abs(number) < 10 ** 6:
                assert value(made, env) == number, (kind, a, b)
                low = s.lower(made)
                assert low is None or low <= number
                pool.append((made, number))


def test_equal_sizes_are_one() -> None:
    s = Sizes()
    n, m = s.term("shape", ("x", 0)), s.term("shape", ("y", 0))
    tail, head = s.slice_range(1, None, None, n)[1], s.slice_range(None, -1, None, n)[1]
    assert tail == head
    assert s.slice_range(1, None, None, tail)[1] == s.slice_range(None, -2, None, n)[1]
    assert s.add(s.slice_range(None, 3, None, n)[1], s.slice_range(3, None, None, n)[1]) == n
    assert s.sub(n, tail) == s.minimum(n, 1)
    assert s.sub(n, s.minimum(n, 4)) == s.maximum(s.sub(n, 4), 0)
    assert s.mul(s.mul(2, n), s.mul(m, 3)) == s.mul(s.mul(n, m), 6)
    assert s.quotient(s.mul(n, 6), 3) == s.mul(n, 2)
    assert s.maximum(n, 0) == n
    assert s.product((n, m, 4)) == s.strides((2, n, m, 4))[0]


def test_what_is_known_to_be_equal_is_one_in_terms_made_before() -> None:
    s = Sizes()
    n, m, k = (s.term("shape", (v, 0)) for v in "xyz")
    late, area = s.add(m, 5), s.mul(m, n)
    s.unify(s.add(n, 1), s.add(m, 3), str)
    assert s.find(late) == s.add(n, 3)
    assert s.find(area) == s.mul(n, s.sub(n, 2))
    s.unify(s.mul(2, k), 6, str)
    assert s.find(k) == 3
    assert [c.kind for c in s.region.constraints] == ["equal", "equal"]


def test_what_a_branch_knows_holds_nowhere_else() -> None:
    s = Sizes()
    n, m = s.term("shape", ("x", 0)), s.term("shape", ("y", 0))
    with s.inside() as branch:
        s.unify(n, m, str)
        s.at_least(n, 2, "ShapeError", str)
        assert s.find(m) == n
        assert s.lower(n) == 2
    assert s.find(m) == m
    assert s.lower(n) == 0
    assert len(branch.constraints) == 2
    assert not s.region.constraints


def test_sizes_that_contradict_each_other_are_an_error_at_the_call() -> None:
    """Two numbers are never taken for each other, in either order."""
    x, y = at.dvectors("xy")
    six, three = np.ones(6), np.ones(3)
    f = gradc.function([x, y], [x + six, x + three, y + three, y + six])
    with pytest.raises(ShapeError, match="3"):
        f(six, three)
