"""Random loop nests, built from the nodes of the loop IR: what lowering makes today, and what it might make.

`kernel(rng, count)` is a Kernel of `count` sections, one nest each, over inputs that all share; what a section writes
are outputs of its own.  Inputs are small multiples of 1/8, so that the results are right to the last bits in any build.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from gradc.ir import dtypes
from gradc.loops.nodes import (
    Accumulate,
    Assign,
    Buffer,
    Define,
    EachRow,
    Expr,
    Fn,
    Fold,
    For,
    If,
    Index,
    Kernel,
    Let,
    Lit,
    Load,
    Local,
    Section,
    Size,
    Store,
    Tile,
    TilePhase,
    Update,
)

WIDEST = 9                                  # of the rows: static sizes are 1..WIDEST
DTYPES = ("float64",) * 8 + ("float32",) * 5 + ("int64",) * 2 + ("int32",) * 2 + ("int16", "int8", "uint8", "uint32")
COMPARISONS = ("gt", "lt", "ge", "le", "eq", "neq")
BINARY = ("add", "sub", "mul", "maximum", "minimum")
# Sizes of an input for each dtype: n rows, m rows in each of these, WIDEST numbers in each; a stride may double them.
SHAPE = ("n", "m")


def kernel(rng: random.Random, count: int) -> Kernel:
    """A Kernel of `count` sections."""
    unit = _Unit(rng)
    for number in range(count):
        _Nest(unit, number).build()
    return unit.kernel()


class _Unit:
    """What the nests of a Kernel share: inputs, sizes."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.inputs: dict[tuple[str, int], Buffer] = {}
        self.sections: list[Section] = []
        self.outputs: list[Buffer] = []
        self.sizes: dict[str, Define] = {}
        self.shape = Buffer("shape", "bool", SHAPE, "input", 0)

    def input(self, dtype: str, number: int) -> Buffer:
        name = f"in_{dtypes.SHORT[dtype]}_{number}"
        return self.inputs.setdefault((dtype, number),
                                      Buffer(name, dtype, (f"{name}_size",), "input", len(self.inputs) + 1))

    def output(self, name: str, dtype: str, shape: tuple[Any, ...]) -> Buffer:
        self.outputs.append(Buffer(name, dtype, shape, "output", len(self.outputs)))
        return self.outputs[-1]

    def product(self, *factors: int | str) -> int | str:
        """A size: a product of sizes and numbers."""
        sizes, number = sorted(f for f in factors if isinstance(f, str)), 1
        for f in factors:
            number *= f if isinstance(f, int) else 1
        if not sizes:
            return number
        if number == 1 and len(sizes) == 1:
            return sizes[0]
        name = "_".join(["of", *sizes, *([str(number).replace("-", "minus_")] if number != 1 else [])])
        if name not in self.sizes:
            expr: Any = Size(sizes[0])
            for f in (*sizes[1:], *([number] if number != 1 else [])):
                expr = Fn("mul", (expr, Size(f)), "int64")
            self.sizes[name] = Define(name, expr)
        return name

    def kernel(self) -> Kernel:
        return Kernel("nests", (self.shape, *self.inputs.values()), tuple(self.outputs),
                      prologue=tuple(self.sizes.values()), sections=tuple(self.sections))


class _Nest:
    """One section."""

    def __init__(self, unit: _Unit, number: int) -> None:
        self.unit, self.rng, self.number = unit, unit.rng, number
        self.dtype = self.rng.choice(DTYPES)
        self.width = self.rng.choice((1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8, WIDEST))
        self.reads: dict[Buffer, None] = {}
        self.writes: dict[Buffer, None] = {}
        self.names = 0
        self.n: int | str = self.rng.choice(("n", "n", "n", self.rng.randint(1, 9)))
        self.m: int | str = self.rng.choice(("m", "m", "m", self.rng.randint(1, 9)))
        self.step = self.rng.choice((1, 1, 1, 1, 2))        # a stride between the elements of a row
        self.conditions: list[Expr] = []

    def build(self) -> None:
        make: Callable[[], tuple[Any, ...]] = self.rng.choice(
            (self.elements, self.columns, self.members, self.members, self.lanes, self.lanes, self.carries,
             self.branches, self.sums_of_rows))
        title, body = f"{make.__name__} {self.number}", make()
        self.unit.sections.append(Section(title, body, tuple(self.reads), tuple(self.writes)))

    # -- parts

    def name(self, what: str) -> str:
        self.names += 1
        return f"{what}_{self.names}"

    def out(self, *shape: int | str) -> Buffer:
        buffer = self.unit.output(f"out_{self.number}_{len(self.writes)}", self.dtype, shape)
        self.writes[buffer] = None
        return buffer

    def places(self, rows: list[tuple[str, int | str, int | str]], k: str | int | None) -> Callable[[], Index]:
        """A function that gives an index: the rows' variables (with extents and the size below), and column `k`."""
        def index() -> Index:
            terms: list[tuple[int | str, str]] = []
            offset: int | str = 0
            step = self.step
            for var, extent, below in rows:
                stride = self.unit.product(below, WIDEST * 2 if step == 2 else self.width)
                if self.rng.random() < 0.12 and not isinstance(offset, str) and isinstance(extent, int) \
                        and isinstance(stride, int):
                    terms.append((-stride, var))
                    offset += stride * (extent - 1)
                else:
                    terms.append((stride, var))
            if k is None:
                offset = self.plus(offset, self.rng.randrange(self.width) * step)
            elif isinstance(k, int):
                other = self.rng.random() < 0.3
                offset = self.plus(offset, (self.rng.randrange(self.width) if other else k) * step)
            elif self.rng.random() < 0.12:
                terms.append((-step, k))
                offset = self.plus(offset, step * (self.width - 1))
            else:
                terms.append((step, k))
            return Index(tuple(terms), offset)
        return index

    @staticmethod
    def plus(offset: int | str, number: int) -> int | str:
        return offset + number if isinstance(offset, int) else offset

    def load(self, index: Index, dtype: str | None = None) -> Load:
        buffer = self.unit.input(dtype or self.dtype, self.rng.randrange(3))
        self.reads[buffer] = None
        return Load(buffer, index)

    def lit(self, value: int | None = None) -> Lit:
        value = self.rng.choice((0, 0, 0, 1, 2, 3)) if value is None else value
        return Lit(float(value) if self.dtype in dtypes.FLOATS else value, self.dtype)

    def condition(self, body: list[Any], index: Callable[[], Index]) -> Expr:
        """A comparison of loaded numbers, or an earlier one."""
        if self.conditions and self.rng.random() < 0.5:
            return self.rng.choice(self.conditions)
        kind = self.rng.random()
        if kind < 0.12:
            expr: Expr = self.load(index(), "bool")
        elif kind < 0.22:
            other = self.rng.choice(DTYPES)
            zero = Lit(0.0 if other in dtypes.FLOATS else 0, other)
            expr = Fn(self.rng.choice(COMPARISONS), (self.load(index(), other), zero), "bool")
        else:
            right = self.lit() if self.rng.random() < 0.6 else self.named(body, self.load(index()))
            expr = Fn(self.rng.choice(COMPARISONS), (self.named(body, self.load(index())), right), "bool")
        if self.rng.random() < 0.12:
            expr = Fn(self.rng.choice(("and_", "or_")), (expr, self.condition(body, index)), "bool")
        found = self.named(body, expr)
        self.conditions.append(found)
        return found

    def named(self, body: list[Any], expr: Expr) -> Expr:
        if self.rng.random() < 0.2:
            return expr
        name = self.name("t")
        body.append(Let(name, expr))
        return Local(name, expr.dtype)

    def value(self, body: list[Any], index: Callable[[], Index], depth: int, known: tuple[Expr, ...] = ()) -> Expr:
        """An expression over loaded numbers; what it needs stands in `body`."""
        kind = self.rng.random()
        if depth == 0 or kind < 0.12:
            if known and self.rng.random() < 0.3:
                return self.rng.choice(known)
            return self.named(body, self.load(index()))
        if kind < 0.6:
            condition = self.condition(body, index)
            arms = [self.value(body, index, depth - 1, known), self.lit() if self.rng.random() < 0.5 else
                    self.value(body, index, depth - 1, known)]
            self.rng.shuffle(arms)
            return self.named(body, Fn("switch", (condition, *arms), self.dtype))
        if kind < 0.68:
            return self.named(body, Fn(self.rng.choice(("neg", "abs")) if "uint" not in self.dtype else "identity",
                                       (self.value(body, index, depth - 1, known),), self.dtype))
        args = (self.value(body, index, depth - 1, known), self.value(body, index, depth - 1, known))
        return self.named(body, Fn(self.rng.choice(BINARY), args, self.dtype))

    def more(self, body: list[Any], index: Callable[[], Index], count: int, depth: int) -> list[Expr]:
        return [self.value(body, index, self.rng.randint(1, depth)) for _ in range(count)]

    # -- kinds of nests

    def elements(self) -> tuple[Any, ...]:
        """Each element of rows of `width` columns, from elements of its row."""
        self.step = 1
        out, body = self.out(self.unit.product(self.n, self.width)), []         # type: ignore[var-annotated]
        index = self.places([("i", self.n, 1)], "k")
        value = self.value(body, index, 3)
        body.append(Store(out, Index(((self.width, "i"), (1, "k"))), value))
        order = self.rng.choice(("", "", "free"))
        return (For("i", 0, self.n, (For("k", 0, self.width, tuple(body)),), order=order),)

    def columns(self) -> tuple[Any, ...]:
        """The columns of a row one by one, each from any others of its row."""
        out, body = self.out(self.unit.product(self.n, self.width)), []         # type: ignore[var-annotated]
        values = []
        for k in range(self.width):
            values.append(self.value(body, self.places([("i", self.n, 1)], k), 2))
        if self.rng.random() < 0.4 and self.width > 1:      # all of the row in each
            total = values[0]
            for v in values[1:]:
                total = Fn("add", (total, v), self.dtype)
            name = self.name("total")
            body.append(Let(name, total))
            values = [Fn("mul", (v, Local(name, self.dtype)), self.dtype) for v in values]
        for k, v in enumerate(values):
            body.append(Store(out, Index(((self.width, "i"),), k), v))
        order = self.rng.choice(("", "free", "free", "reverse"))
        return (For("i", 0, self.n, tuple(body), order=order),)

    def members(self) -> tuple[Any, ...]:
        """Rows in tiles, four of them sharing a pass, summed by column; then what the sums are for."""
        sums, result = self.out(self.width), self.out(self.n)
        self.reads[sums] = None
        index = self.places([("i", self.n, self.m), ("j", self.m, 1)], "k")
        body: list[Any] = []
        row = self.rng.choice(("add", "add", "maximum"))
        value = self.value(body, index, self.rng.randint(1, 2))
        each = (*body, Accumulate(sums, Index(((1, "k"),)), row, value))
        together = self.rng.choice((4, 4, 1))
        inner = For("k", 0, self.width, (EachRow(each),) if together > 1 else each)
        tile = Tile("j", 0, self.m, 16, (TilePhase((inner,), together),))
        fold = self.name("fold")
        use: list[Any] = [Let("s", Load(sums, Index(((1, "j"),))))]
        s = Local("s", self.dtype)
        kind = self.rng.random()
        used: Expr = Fn("mul", (s, s), self.dtype) if kind < 0.5 else Fn("switch", (
            Fn("gt", (s, self.lit(0)), "bool"), s, self.lit()), self.dtype) if kind < 0.8 else s
        use.append(Update(fold, "add", used))
        body_i = (For("k", 0, self.width, (Store(sums, Index(((1, "k"),)), self.lit(0)),)), tile,
                  For("j", 0, self.width, tuple(use), folds=(Fold(fold, "add", self.lit(0).value, self.dtype),)),
                  Store(result, Index(((1, "i"),)), Local(fold, self.dtype)))
        return (For("i", 0, self.n, body_i),)

    def lanes(self) -> tuple[Any, ...]:
        """Folds over rows, in lanes or plain, one or more in a loop."""
        many = self.rng.choice((1, 1, 2, 3, 6))
        # clang takes seconds for three folds in 32 lanes, or for one of bytes
        slow = many > 2 or dtypes.ITEMSIZE[self.dtype] == 1
        lanes = self.rng.choice((32, 8, 8, 8, 0, 0) if slow else (32, 32, 8, 0))
        index = self.places([("i", self.n, self.m), ("j", self.m, 1)], None)
        body: list[Any] = []
        folds, stores = [], []
        for value in self.more(body, index, many, 2):
            row = self.rng.choice(("add", "add", "maximum", "minimum"))
            name = self.name("fold")
            body.append(Update(name, row, value))
            folds.append(Fold(name, row, self.lit(0).value, self.dtype))
            stores.append(Store(self.out(self.n), Index(((1, "i"),)), Local(name, self.dtype)))
        return (For("i", 0, self.n, (For("j", 0, self.m, tuple(body), folds=tuple(folds), lanes=lanes), *stores)),)

    def sums_of_rows(self) -> tuple[Any, ...]:
        """Sums over the static size, of each row, with a mask; used by each of its elements."""
        self.step = 1
        out = self.out(self.unit.product(self.n, self.width))
        index = self.places([("i", self.n, 1)], "k")
        body: list[Any] = []
        fold = self.name("fold")
        body.append(Update(fold, self.rng.choice(("add", "maximum")), self.value(body, index, 2)))
        again: list[Any] = []
        self.conditions.clear()
        value = Fn(self.rng.choice(BINARY), (self.value(again, index, 1), Local(fold, self.dtype)), self.dtype)
        again.append(Store(out, Index(((self.width, "i"), (1, "k"))), value))
        return (For("i", 0, self.n, (
            For("k", 0, self.width, tuple(body), folds=(Fold(fold, body[-1].row, self.lit(0).value, self.dtype),)),
            For("k", 0, self.width, tuple(again)))),)

    def carries(self) -> tuple[Any, ...]:
        """A loop over time, forwards or backwards: what one step leaves the next one reads."""
        out = self.out(self.unit.product(self.n, self.width))
        names = [f"s_{k}" for k in range(self.width)]
        body: list[Any] = []
        new = []
        for k, name in enumerate(names):
            known = (Local(name, self.dtype),)
            carried = Fn(self.rng.choice(("maximum", "minimum", "sub")), (
                self.value(body, self.places([("t", self.n, 1)], k), 2, known), Local(name, self.dtype)), self.dtype)
            new.append(carried)
        for k, value in enumerate(new):
            body += [Let(f"new_{k}", value), Store(out, Index(((self.width, "t"),), k), Local(f"new_{k}", self.dtype))]
        body += [Assign(name, Local(f"new_{k}", self.dtype)) for k, name in enumerate(names)]
        return (*[Let(name, self.lit(), mutable=True) for name in names],
                For("t", 0, self.n, tuple(body), order=self.rng.choice(("", "", "reverse"))))

    def branches(self) -> tuple[Any, ...]:
        """Branches with loads and stores in them, for each column."""
        out, body = self.out(self.unit.product(self.n, self.width)), []         # type: ignore[var-annotated]
        for k in range(self.width):
            index = self.places([("i", self.n, 1)], k)
            condition = self.condition(body, index)
            arms = []
            outer = list(self.conditions)
            for _ in range(2):
                arm: list[Any] = []
                value = self.value(arm, index, 2)
                arms.append((*arm, Store(out, Index(((self.width, "i"),), k), value)))
                self.conditions = list(outer)
            body.append(If(condition, *arms))
        return (For("i", 0, self.n, tuple(body), order=self.rng.choice(("", "free"))),)
