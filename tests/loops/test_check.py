"""The checker of the loop IR: what the lowering makes is legal, and each kind of fault is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.compile import pipeline
from gradc.errors import KernelCheckError, Unsupported
from gradc.ir.convert import to_program
from gradc.loops.check import check
from gradc.loops.lower import lower
from gradc.loops.nodes import (
    Accumulate,
    Ahead,
    Assign,
    BlockCut,
    Buffer,
    Check,
    CheckInfo,
    Combine,
    Define,
    EachRow,
    Fn,
    Fold,
    For,
    Index,
    Invoke,
    Kernel,
    Let,
    Lit,
    Load,
    Local,
    Section,
    Size,
    Slots,
    Store,
    Take,
    Tile,
    TilePhase,
    Update,
)
from gradc.passes import phases
from gradc.record import replace
from tests.cases import CASES

X = Buffer("x", "float64", ("n",), "input", 0)
Y = Buffer("y", "float64", ("n",), "output", 0)
SMALL = Buffer("small", "float64", (4,), "arena", 0, Slots(64, 1))
I = Index(((1, "i"),))  # noqa: E741
HERE = Index()
ONE = Lit(1.0, "float64")
TRUE = Lit(True, "bool")
ZERO = Lit(0, "int64")
X_I = Load(X, I)


def loop(*body: Any, **fields: Any) -> For:
    return For("i", 0, "n", body, **fields)


COPY = loop(Store(Y, I, X_I))


def kernel(*body: Any, reads: tuple[Buffer, ...] = (X,), writes: tuple[Buffer, ...] = (Y,), inputs: Any = (X,),
           outputs: Any = (Y,), prologue: tuple[Any, ...] = (), checks: int = 0, constants: Any = (),
           arena: int | str = 64, **section: Any) -> Kernel:
    return Kernel("f", inputs, outputs, constants, prologue, arena,
                  (Section("s", body, reads, writes, **section),), (CheckInfo("ShapeError", "m"),) * checks)


TILE_ROW = Buffer("row", "float64", (8,), "tile")


def tile(*phases: Any, shared: tuple[Buffer, ...] = (TILE_ROW,)) -> Kernel:
    """A loop in tiles of 8, each phase one statement."""
    return kernel(Tile("i", 0, "n", 8, tuple([TilePhase((s,)) for s in phases]), shared))


def local(name: str, dtype: str = "float64") -> Local:
    return Local(name, dtype)


def fold(name: str = "total", row: str = "add", dtype: str = "float64") -> Fold:
    return Fold(name, row, 0.0, dtype)


def fn(row: str, *args: Any, dtype: str = "float64") -> Fn:
    return Fn(row, args, dtype)


FIRST = Store(Y, HERE, ONE)
BLOCKS = BlockCut("n", 1, 1, 0, 1.0)
PARTS = Buffer("parts", "float64", (2,), "block", 0, Slots("n", 1), stride=2)
INTEGER = Buffer("k", "int64", (), "input", 1)
SINGLE = Buffer("y", "float32", ("n",), "output", 0)
TABLE = Buffer("table", "float64", (2,), "constant", 0)
HEAP = replace(SMALL, place="heap")
OWN = Buffer("own", "float64", (3,), "stack")
STATE, AFTER = (replace(SMALL, name=name, dtype="uint64", shape=(6,)) for name in ("state", "after"))
WORKS = Invoke("normal", (Load(STATE, HERE), ONE, ONE), (Load(AFTER, HERE), Load(Y, HERE)), ("n", 0, 0), ((1, 1),))
DRAWS = replace(WORKS, args=(Load(X, HERE), ONE, ONE))

ROOM = Buffer("room", "float64", ("n",), "room", 0)


def measuring(*body: Any, section: Section | None = None, **fields: Any) -> Kernel:
    """A size k is defined after all inputs are there, then what `body` says; then comes a section."""
    first = Section("size k", (Define("k", Lit(3, "int64")), *body), measures=True)
    after = section or Section("copy", (For("i", 0, "k", (Store(Y, I, X_I),)),), (X,), (Y,))
    return replace(kernel(COPY, checks=1), sections=(first, after), **fields)


LEGAL = {
    "copy": kernel(COPY),
    "call": kernel(WORKS, reads=(STATE,), writes=(AFTER, Y), checks=1),
    "blocks": kernel(For("i", "lo", "hi", (Store(Y, I, X_I),)), blocks=BLOCKS),
    "mutable": kernel(Let("v", ONE, True), loop(Assign("v", X_I), Store(Y, I, local("v")))),
    "fold": kernel(loop(Update("total", "add", X_I), folds=(fold(),), lanes=8), Store(Y, HERE, local("total"))),
    "loop variables of two nests": kernel(COPY, COPY),
    "prologue": kernel(COPY, inputs=(X, INTEGER), prologue=(Define("k2", Load(INTEGER, HERE)), Check(
        fn("ge", Size("k2"), ZERO, dtype="bool"), 1, (Size("k2"),))), checks=1),
    "reversed": kernel(For("i", 0, 4, (Store(SMALL, Index(((-1, "i"),), 3), ONE),)), reads=(), writes=(SMALL,)),
    "empty loop": kernel(For("i", 0, 0, (Store(SMALL, Index(((1, "i"),), 9), ONE),)), reads=(), writes=(SMALL,)),
    "small array": kernel(For("i", 0, 3, (Store(OWN, I, ONE),)), Store(Y, HERE, Load(OWN, HERE)), reads=(),
                          arrays=(OWN,)),
    "select": kernel(Store(Y, HERE, fn("switch", TRUE, ONE, ONE)), reads=()),
}

FAULTS: dict[str, tuple[Kernel, str]] = {
    # locals
    "used before": (kernel(Store(Y, HERE, local("v")), Let("v", ONE), reads=()), "v is used before it is defined"),
    "never defined": (kernel(Store(Y, HERE, local("v")), reads=()), "v is used before it is defined"),
    "twice": (kernel(Let("v", ONE), Let("v", ONE), FIRST, reads=()), "v is defined twice"),
    "twice in siblings": (kernel(loop(Let("v", X_I)), loop(Let("v", X_I)), FIRST), "v is defined twice"),
    "out of scope": (kernel(loop(Let("v", X_I)), Store(Y, HERE, local("v"))), "v is used out of its scope"),
    "other dtype": (kernel(Let("v", ONE), Store(Y, HERE, local("v", "float32")), reads=()), "v is float64, used as"),
    "hides a size": (kernel(Let("n", ONE), COPY), "the local n hides the size"),
    "name of a buffer": (kernel(Let("x", ONE), COPY), "x is defined twice"),
    "loop variable outside": (kernel(loop(Store(Y, I, X_I)), Store(Y, I, ONE)), "i is used before it is defined"),
    "not mutable": (kernel(Let("v", ONE), Assign("v", ONE), FIRST, reads=()), "v gets a new value, but is not mutable"),
    "assign before": (kernel(Assign("v", ONE), FIRST, reads=()), "v gets a value before it is defined"),
    "assign dtype": (kernel(Let("v", ONE, True), Assign("v", ZERO), FIRST, reads=()), "float64, its new value int64"),
    # folds
    "no fold": (kernel(loop(Update("total", "add", X_I)), FIRST), "total is updated, but is no fold"),
    "fold of another loop": (kernel(loop(Update("total", "add", X_I), folds=(fold(),)),
                                    loop(Update("total", "add", X_I)), FIRST), "total is updated, but is no fold"),
    "other row": (kernel(loop(Update("total", "mul", X_I), folds=(fold(),)), FIRST), "is add of float64, updated"),
    "fold inside": (kernel(loop(Update("total", "add", X_I), Store(Y, I, local("total")), folds=(fold(),))),
                    "the fold total is used inside its loop"),
    "fold twice": (kernel(loop(folds=(fold(), fold())), COPY), "total is defined twice"),
    "rounds": (kernel(loop(Update("total", "add", X_I), folds=(fold(),), rounds=8), FIRST), "8 rounds of 0 lanes"),
    "short": (kernel(loop(Update("total", "add", X_I), folds=(fold(),), short=8), FIRST), "0 lanes, none up to 8"),
    "three lanes": (kernel(loop(Update("total", "add", X_I), folds=(fold(),), lanes=3), FIRST), "3 lanes can't be"),
    # loops
    "same variable": (kernel(loop(COPY)), "the loop variable i is in use already"),
    "variable is a local": (kernel(Let("i", ONE), COPY), "the loop variable i is in use already"),
    "unknown bound": (kernel(For("i", 0, "m", (Store(Y, I, X_I),))), "the size m is not defined"),
    "lo without blocks": (kernel(For("i", "lo", "hi", (Store(Y, I, X_I),))), "the size lo is not defined"),
    # buffers
    "not in reads": (kernel(COPY, reads=()), "the section reads x, which is not in its list"),
    "not in writes": (kernel(COPY, writes=()), "the section writes y, which is not in its list"),
    "too many reads": (kernel(FIRST), "x is in the list of reads, but"),
    "too many writes": (kernel(COPY, writes=(Y, SMALL)), "small is in the list of writes, but"),
    "twice in a list": (kernel(COPY, reads=(X, X)), "the list of reads has a buffer twice"),
    "store to an input": (kernel(loop(Store(X, I, X_I)), writes=(X,)), "the input x is written"),
    "accumulate to an input": (kernel(loop(Accumulate(X, I, "add", X_I)), writes=(X,)), "the input x is written"),
    "gemm to an input": (kernel(Invoke("gemm", (Load(X, HERE), Load(X, HERE)), (Load(X, HERE),), (1, 1, 1, 0, 1, 0, 1)),
                                writes=(X,)), "the input x is written"),
    "store to a constant": (kernel(Store(TABLE, HERE, ONE), reads=(), writes=(TABLE,),
                                   constants=((TABLE, np.zeros(2)),)), "the constant table is written"),
    "constant's data": (kernel(COPY, constants=((TABLE, np.zeros(3)),)), "the constant table is declared"),
    "no such output": (kernel(FIRST, reads=(), writes=(Buffer("y", "float64", (), "output", 0),), outputs=()),
                       "the kernel has no output 0"),
    "position": (kernel(COPY, inputs=(replace(X, position=1),)), "x is input 0 of the kernel, but declared input 1"),
    "no place": (kernel(Store(HEAP, HERE, ONE), reads=(), writes=(HEAP,)), "small lies in 'heap', which is no place"),
    "unknown size": (kernel(COPY, outputs=(replace(Y, shape=("m",)),)), "the size m is not defined"),
    "no slot": (kernel(Store(replace(SMALL, position=1), HERE, ONE), reads=(), writes=(replace(SMALL, position=1),)),
                "small has no slot of the arena"),
    "unknown arena": (kernel(COPY, arena="bytes"), "the size bytes is not defined"),
    "small array past the end": (kernel(For("i", 0, 4, (Store(OWN, I, ONE),)), FIRST, reads=(), arrays=(OWN,)),
                                 r"own\[i\] goes from 0 to 3, the buffer has 3"),
    "not in arrays": (kernel(Store(OWN, HERE, ONE), FIRST, reads=()), "the section has own, which is not in its list"),
    "too many arrays": (kernel(COPY, arrays=(OWN,)), "own is in the list of arrays, but"),
    "array of a run-time size": (kernel(COPY, arrays=(replace(OWN, shape=("n",)),)), "own is no small array"),
    "array elsewhere": (kernel(Store(SMALL, HERE, ONE), COPY, arrays=(SMALL,)), "small is no small array"),
    "array among writes": (kernel(Store(OWN, HERE, ONE), FIRST, reads=(), writes=(Y, OWN)), "which is no place"),
    # dtypes
    "row's arguments": (kernel(Store(Y, HERE, fn("add", ONE, Lit(1.0, "float32"))), reads=()),
                        "add of float64, float32 computes in float64"),
    "row's result": (kernel(Store(Y, HERE, fn("lt", ONE, ONE)), reads=()), "lt of float64, float64 .* gives bool"),
    "number of arguments": (kernel(Store(Y, HERE, fn("add", ONE)), reads=()), "add takes 2 arguments, not 1"),
    "unknown row": (kernel(Store(Y, HERE, fn("plus", ONE, ONE)), reads=()), "no scalar function 'plus'"),
    "select's condition": (kernel(Store(Y, HERE, fn("switch", ONE, ONE, ONE)), reads=()), "switch of float64"),
    "store": (kernel(loop(Store(SINGLE, I, X_I)), writes=(SINGLE,), outputs=(SINGLE,)), "y is float32, what is stored"),
    "gemm": (kernel(Invoke("gemm", (Load(X, HERE), Load(X, HERE)), (Load(SINGLE, HERE),), (1, 1, 1, 0, 1, 0, 1)),
                    writes=(SINGLE,), outputs=(SINGLE,)), "gemm takes and makes .* float64, float64, float32"),
    "routine": (kernel(Invoke("dice", (Load(X, HERE),), (Load(Y, HERE),), ())), "dice is no routine"),
    "call in blocks": (kernel(For("i", "lo", "hi", (Invoke(0, (Load(X, HERE),), (Load(Y, HERE),), ()),)),
                              blocks=BLOCKS),
                       "a call of a user's function stands in a section"),
    "no such call": (kernel(Invoke(0, (Load(X, HERE),), (Load(Y, HERE),), ())), "there is no call 0"),
    "draws": (kernel(DRAWS, checks=1), "takes and makes .* state, float64, float64, state, float64, not float64"),
    "numbers": (kernel(replace(WORKS, numbers=(1, 0))), "normal takes 3 numbers, not 2"),
    "faults": (kernel(replace(WORKS, failures=((1, 1), (2, 1))), checks=1), "2 checks .* for 1 faults of normal"),
    "place": (kernel(replace(WORKS, failures=((1, 1),), place=(ZERO,) * 3), checks=1), "3 values for 1 faults"),
    "size function": (kernel(Store(Y, HERE, fn("position", ONE, ONE)), reads=()), "position takes 2 sizes"),
    # sizes of the prologue
    "size before": (kernel(COPY, prologue=(Define("a", Size("b")), Define("b", Lit(1, "int64")))), "size b is not"),
    "size twice": (kernel(COPY, prologue=(Define("n", ZERO),)), "the size n is defined twice"),
    "size of a float": (kernel(COPY, prologue=(Define("a", ONE),)), "the size a is float64"),
    "loop in the prologue": (kernel(COPY, prologue=(COPY,)), "a prologue has no For"),
    "prologue reads an output": (kernel(COPY, prologue=(Define("a", fn("cast", Load(Y, HERE), dtype="int64")),)),
                                 "the prologue reads y"),
    # checks
    "number": (kernel(Check(TRUE, 2), COPY, checks=1), "no check number 2, the kernel has 1"),
    "number 0": (kernel(COPY, prologue=(Check(TRUE, 0),), checks=1), "no check number 0"),
    "condition": (kernel(Check(ZERO, 1), COPY, checks=1), "check 1 asks for int64, not bool"),
    "values": (kernel(Check(TRUE, 1, (ZERO,) * 5), COPY, checks=1), "check 1 has 5 values"),
    "bool value": (kernel(Check(TRUE, 1, (TRUE,)), COPY, checks=1), "a value of check 1 is bool"),
    "check in blocks": (kernel(Check(TRUE, 1), COPY, checks=1, blocks=BLOCKS), "stands in a section that is cut"),
    # blocks
    "parts without blocks": (kernel(COPY, partial=(Combine(PARTS, "add", 2, ()),)), "but there are no blocks"),
    "parts that no block writes": (kernel(COPY, blocks=BLOCKS, partial=(Combine(PARTS, "add", 2, ()),)),
                                   "parts is combined, but no block writes"),
    "parts too long": (kernel(Store(PARTS, HERE, ONE), reads=(), writes=(PARTS,), blocks=BLOCKS,
                              partial=(Combine(PARTS, "add", 2, ((SMALL, 1, 4),)),)), "small ends at 5 of a row of 2"),
    "parts to an input": (kernel(Store(PARTS, HERE, ONE), reads=(), writes=(PARTS,), blocks=BLOCKS,
                                 partial=(Combine(PARTS, "add", 2, ((X, 0, 1),)),)), "stored to the input x"),
    "blocks in entry": (kernel(COPY, blocks=BLOCKS, in_entry=True), "can't be cut into blocks"),
    # indices
    "past the end": (kernel(For("i", 0, 5, (Store(SMALL, I, ONE),)), reads=(), writes=(SMALL,)),
                     r"small\[i\] goes from 0 to 4, the buffer has 4"),
    "offset past the end": (kernel(Store(SMALL, Index((), 4), ONE), reads=(), writes=(SMALL,)), r"small\[4\]"),
    "before the start": (kernel(For("i", 0, 4, (Store(SMALL, Index(((-1, "i"),), 2), ONE),)), reads=(),
                                writes=(SMALL,)), "goes from -1 to 2"),
    "load past the end": (kernel(Store(Y, HERE, Load(TABLE, Index((), 2))), reads=(TABLE,),
                                 constants=((TABLE, np.zeros(2)),)), r"table\[2\] goes from 2"),
    "index by a float": (kernel(Let("v", ONE), Store(Y, Index(((1, "v"),)), ONE), reads=()), "float64, used as int64"),
    "stride": (kernel(loop(Store(Y, Index((("m", "i"),)), X_I))), "the size m is not defined"),
    # tiles
    "tile in a tile": (kernel(Tile("i", 0, "n", 8, (TilePhase((Tile("j", 0, "n", 8, ()),)),))),
                       "a tile stands in a tile"),
    "rows together": (kernel(Tile("i", 0, "n", 8, (TilePhase((COPY,), 3),))),
                      "3 rows together don't divide a tile of 8"),
    "not one loop": (kernel(Tile("i", 0, "n", 8, (TilePhase((Store(Y, I, X_I),), 4),))),
                     "more than a loop and EachRow"),
    "rows alone": (kernel(EachRow((COPY,))), "a phase that does not take rows together"),
    "fetched too late": (kernel(Tile("i", 0, "n", 8, (TilePhase((For("j", 0, "n", (COPY,)),), 4,
                                                            (Ahead(X, I, "n", 4),)),))),
                         "x is fetched 4 rows ahead of 4 rows together"),
    "array of another size": (tile(Store(Y, I, X_I), shared=(SMALL,)), "small is no array of a tile of 8 rows"),
    "array of no tile": (kernel(Store(Y, HERE, Load(TILE_ROW, I))), "row is no array of this tile"),
    "read before written": (tile(Store(Y, I, Load(TILE_ROW, I))), "row is read before a phase has written it"),
    "written in two phases": (tile(Store(TILE_ROW, I, X_I), Store(TILE_ROW, I, X_I)), "row is written in two phases"),
    "another row": (tile(Store(TILE_ROW, I, X_I), Store(Y, I, Load(TILE_ROW, HERE))), "not the row's own place"),
    "local of a phase": (tile(Let("v", X_I), Store(Y, I, local("v"))), "v is used before it is defined"),
    # late sizes
    "size out of its scope": (kernel(loop(Define("k", ZERO)), For("j", 0, "k", (Store(Y, HERE, ONE),)), reads=()),
                              "the size k is not defined"),
    "size twice in a section": (kernel(Define("k", ZERO), Define("k", ZERO), COPY), "the size k is defined twice"),
    "a loop that measures": (measuring(COPY), "a section that measures has a For"),
    "size before it is measured": (replace(measuring(), sections=(Section("s", (For("i", 0, "k", (Store(
        Y, I, X_I),)),), (X,), (Y,)),)), "the size k is not defined"),
    "room that is not taken": (measuring(section=Section("s", (Store(ROOM, HERE, ONE),), (), (ROOM,))),
                               "room lies in room 0, which is not taken"),
    "room out of its scope": (kernel(loop(Take(ROOM, 8, 1), Store(ROOM, HERE, ONE)), Store(Y, HERE, Load(ROOM, HERE)),
                                     reads=(), checks=1), "room is used where it is not taken"),
    "room taken twice": (kernel(Take(ROOM, 8, 1), Take(ROOM, 8, 1), COPY, checks=1), "memory of room is taken twice"),
    "arena that is taken": (kernel(Take(SMALL, 8, 1), COPY, checks=1), "a section takes the arena small"),
    "taken in blocks": (kernel(Take(ROOM, 8, 1), COPY, checks=1, blocks=BLOCKS), "or is cut into blocks"),
    "output that is not there": (measuring(section=Section("s", (Store(Y, HERE, ONE),), (), (Y,)), made=(("k",),)),
                                 "y is used before its memory is taken"),
    "room of no size": (measuring(Take(ROOM, "bytes", 1)), "the size bytes is not defined"),
    "no statement": (kernel(Ahead(X, HERE, 1, 1), COPY), "Ahead is no statement of a section"),
    "no expression": (kernel(Store(Y, HERE, FIRST), reads=()), "is no expression"),
}


@pytest.mark.parametrize("name", LEGAL)
def test_legal_kernels_pass(name: str):
    check(LEGAL[name])


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_and_shown(name: str):
    faulty, message = FAULTS[name]
    with pytest.raises(KernelCheckError, match=message) as caught:
        check(faulty)
    text = str(caught.value)
    assert "this is a bug in gradc, please report it:\nkernel f(" in text and "(in " in text


def test_what_the_lowering_makes_is_legal():
    count = 0
    for case in CASES:
        inputs = case.variables()
        outputs = case.outputs(inputs)
        written = to_program(inputs, outputs)
        for program in (written, phases.optimize(written)):
            try:
                made = lower(program, "f", checked=True)
            except Unsupported:
                continue
            check(made)
            count += 1
    assert count > 900


def test_the_pipeline_checks_when_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def refuse(kernel: Kernel) -> None:
        raise KernelCheckError("checked")

    monkeypatch.setattr(pipeline.stages(), "check", refuse)
    x = at.dvector("x")
    gradc.function([x], x * 2.25)
    with pytest.raises(KernelCheckError, match="checked"):
        gradc.function([x], x * 2.5, mode=gradc.Mode("c", checked=True))
    with gradc.config.change_flags(log="passes"), pytest.raises(KernelCheckError, match="checked"):
        gradc.function([x], x * 2.75)
