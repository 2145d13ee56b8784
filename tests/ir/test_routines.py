"""Signatures of routines: what they say of sizes, to types, the interpreter and kernels."""

from __future__ import annotations

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import ShapeError
from gradc.ir import ops
from gradc.ir.graph import apply
from gradc.ir.routines import ROUTINES, parsed
from gradc.record import replace


@pytest.fixture
def thin_qr(monkeypatch: pytest.MonkeyPatch) -> ops.Call:
    """A routine whose sizes are the smaller of two, and which also takes 3 numbers and gives 2."""
    row = replace(ROUTINES["cholesky_or_nan"], name="thin_qr", signature="(m,n),(3)->(m,min(m,n)),(min(m,n),n),(2)",
                  takes=("float", "float"), gives=("float", "float", "float"), layouts=("C", "C"), overwrites=None,
                  value=lambda a, b: [*np.linalg.qr(a), b[:2]], cost=())
    monkeypatch.setitem(ROUTINES, "thin_qr", row)
    return ops.Call("thin_qr")


def test_the_smaller_of_two_dimensions_is_read() -> None:
    assert parsed("(m,n)->(m,min(m,n)),(),(min(m,n),2)") == ([("m", "n")], [("m", "min(m,n)"), (), ("min(m,n)", "2")])


def test_the_c_function_is_told_names_only(thin_qr: ops.Call) -> None:
    assert ROUTINES["thin_qr"].labels == ["m", "n"]


def test_types_have_the_smaller_of_two(thin_qr: ops.Call) -> None:
    x, v = at.tensor(dtype="float64", shape=(None, 5, 4)), at.dvector("v")
    assert [out.type.shape for out in apply(thin_qr, x, v)] == [(None, 5, 4), (None, 4, 4), (None, 2)]


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 4, 4), (0, 2, 3)])
def test_values_and_sizes(thin_qr: ops.Call, shape: tuple[int, ...]) -> None:
    """The kernel has size code for a call of which it needs sizes only."""
    x, v = at.tensor(dtype="float64", shape=(None,) * len(shape), name="x"), at.dvector("v")
    given, three = np.random.default_rng(0).normal(size=shape), np.arange(3.0)
    q, r, two = apply(thin_qr, x, v)
    found = gradc.function([x, v], [q, r, two], mode=gradc.Mode("interpret", None))(given, three)
    for got, want in zip(found, [*np.linalg.qr(given), np.broadcast_to(three[:2], (*shape[:-2], 2))]):
        np.testing.assert_array_equal(got, want)
    sizes = gradc.function([x, v], [*q.shape, *r.shape, *two.shape])
    assert sizes.info["mode"] == "c"
    assert [*map(int, sizes(given, three))] == [n for a in found for n in a.shape]


def test_a_number_is_a_size_that_arguments_must_have(thin_qr: ops.Call) -> None:
    q, *_ = apply(thin_qr, at.dmatrix("x"), at.dvector("v"))
    with pytest.raises(ShapeError, match="3"):
        apply(thin_qr, at.dmatrix("x"), at.tensor(dtype="float64", shape=(4,)))
    for mode in ("c", "interpret"):
        with pytest.raises(ShapeError, match="4"):
            gradc.function([*q.owner.inputs], q.shape[1], mode=mode)(np.eye(3), np.ones(4))
