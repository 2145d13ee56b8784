"""Bad and degenerate arguments of every function of `gradc.tensor.linalg`: shapes, dtypes, nan, no elements.

`ROWS` says of each function how it is called with a matrix, and what becomes of wrong ones; the first test holds it
against what is public.  What is singular or not positive definite is in tests/tensor/test_linalg.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import gradc
import gradc.tensor as at
from gradc.errors import GradcError, LinAlgError, ShapeError, TypeMismatchError
from gradc.record import record
from gradc.tensor import linalg

mode = pytest.mark.parametrize("mode", [None, "interpret"])
B = np.ones((3, 2))


@record
class Row:
    """How a function is called with a matrix.

    square: does it take square matrices only?  nan: what it makes of nan, LinAlgError or nan somewhere ("nan"), or
    anything ("").  empty: the same in NumPy or SciPy for a matrix of 0 x 0, None if that has no answer there.
    wide: is 0 x 3 an argument, too?  words: of the error for a vector, if it is not the usual one; "" if there is none.
    """

    run: Callable[..., Any]
    square: bool = True
    nan: str = "LinAlgError"
    empty: Callable[..., Any] | None = None
    wide: bool = False
    words: str = "takes"


def pair(a: Any) -> Any:
    """A matrix, and right sides that fit it."""
    return at.ones((a.shape[0], 2)) if hasattr(a, "owner") else np.ones((len(a), 2))


def schur_of(a: np.ndarray) -> Any:
    return [a, a]


np_, sp = np.linalg, scipy.linalg
ROWS: dict[str, Row] = {
    "cho_factor": Row(lambda a: linalg.cho_factor(a)[0], empty=np_.cholesky),
    "cho_solve": Row(lambda a: linalg.cho_solve((a, True), pair(a)), nan="nan", empty=lambda a: pair(a)),
    "cholesky": Row(linalg.cholesky, empty=np_.cholesky),
    "det": Row(linalg.det, nan="nan", empty=np_.det),
    "inv": Row(linalg.inv, nan="nan", empty=np_.inv),
    "ldl": Row(linalg.ldl, empty=lambda a: [a, a, np.zeros(0, np.int64)]),
    "lu": Row(linalg.lu, False, nan="nan", wide=True, empty=lambda a: [
        np.eye(len(a)), np.zeros((len(a), 0)), np.zeros((0, a.shape[1]))]),
    "lu_factor": Row(linalg.lu_factor, nan="nan", empty=lambda a: [a, np.zeros(0, np.int64)]),
    "lu_solve": Row(lambda a: linalg.lu_solve((a, at.arange(a.shape[0])), pair(a)), nan="nan", empty=lambda a: pair(a)),
    "slogdet": Row(linalg.slogdet, nan="nan", empty=np_.slogdet),
    "solve": Row(lambda a: linalg.solve(a, pair(a)), nan="nan", empty=lambda a: np_.solve(a, pair(a))),
    "solve_banded": Row(lambda a: linalg.solve_banded((1, 1), a, at.ones((a.shape[-1],))), False, nan="nan"),
    "solve_lower_triangular": Row(lambda a: linalg.solve_lower_triangular(a, pair(a)), nan="nan",
                                  empty=lambda a: pair(a)),
    "solve_toeplitz": Row(lambda a: linalg.solve_toeplitz(a[..., 0], at.ones((3,))), False, nan="nan", words=""),
    "solve_triangular": Row(lambda a: linalg.solve_triangular(a, pair(a)), nan="nan", empty=lambda a: pair(a)),
    "solve_upper_triangular": Row(lambda a: linalg.solve_upper_triangular(a, pair(a)), nan="nan",
                                  empty=lambda a: pair(a)),
    "toeplitz": Row(linalg.toeplitz, False, nan="", words=""),
    "eigh": Row(linalg.eigh, empty=np_.eigh),
    "eigvalsh": Row(linalg.eigvalsh, empty=np_.eigvalsh),
    "qr": Row(linalg.qr, False, nan="nan", empty=np_.qr, wide=True),
    "svd": Row(linalg.svd, False, empty=np_.svd, wide=True),
    "svdvals": Row(linalg.svdvals, False, empty=lambda a: np_.svd(a, compute_uv=False), wide=True),
    "cond": Row(linalg.cond, False),
    "eig": Row(linalg.eig, empty=lambda a: [np.zeros(0, complex), a.astype(complex)]),
    "eigvals": Row(linalg.eigvals, empty=lambda a: np.zeros(0, complex)),
    "expm": Row(linalg.expm, empty=lambda a: a),
    "logm": Row(linalg.logm, empty=lambda a: a),
    "lstsq": Row(lambda a: linalg.lstsq(a, pair(a)), False),
    "matrix_dot": Row(lambda a: linalg.matrix_dot(a, a), False, nan="nan", empty=lambda a: a, words=""),
    "matrix_power": Row(lambda a: linalg.matrix_power(a, 3), nan="nan", empty=lambda a: a),
    "matrix_rank": Row(linalg.matrix_rank, False),
    "multi_dot": Row(lambda a: linalg.multi_dot([a, a, a]), False, nan="nan", empty=lambda a: a),
    "norm": Row(lambda a: linalg.norm(a, "nuc"), False, words="norm: ord='nuc' is not there for 1 axes"),
    "pinv": Row(linalg.pinv, False, empty=np_.pinv, wide=True),
    "schur": Row(linalg.schur, empty=schur_of),
    "solve_continuous_lyapunov": Row(lambda a: linalg.solve_continuous_lyapunov(a, a), empty=lambda a: a),
    "solve_discrete_are": Row(lambda a: linalg.solve_discrete_are(a, a, a, a), empty=lambda a: a),
    "solve_discrete_lyapunov": Row(lambda a: linalg.solve_discrete_lyapunov(a, a), empty=lambda a: a),
    "solve_sylvester": Row(lambda a: linalg.solve_sylvester(a, a, a), empty=lambda a: a),
    "sqrtm": Row(linalg.sqrtm, empty=lambda a: a),
    "tensorinv": Row(lambda a: linalg.tensorinv(a, 1), False, nan="nan", words="tensorinv: ind is"),
    "tensorsolve": Row(lambda a: linalg.tensorsolve(a, at.ones((a.shape[0],))), False, nan="nan", words=""),
}
GOOD = np.array([[4.0, 1.0, 0.0], [1.0, 5.0, 2.0], [0.0, 2.0, 6.0]])


def flat(x: Any) -> list[Any]:
    return list(x) if isinstance(x, (tuple, list)) else [x]


def test_each_function_has_a_row() -> None:
    assert set(ROWS) == {n for n in linalg.__all__ if getattr(linalg, n).__module__.startswith(linalg.__name__)}


def test_wrong_shapes() -> None:
    v, wide, unknown = at.dvector("v"), at.constant(np.ones((2, 3))), at.dmatrix("unknown")
    for row in ROWS.values():
        if row.words:
            with pytest.raises((ShapeError, TypeMismatchError), match=row.words):
                row.run(v)
        if row.square:
            with pytest.raises(GradcError, match=r"takes square matrices|differ|must be the same"):
                gradc.function([], row.run(wide), mode="interpret")()
            f = gradc.function([unknown], row.run(unknown), mode="interpret")
            with pytest.raises(GradcError, match=r"differ|square"):
                f(np.ones((2, 3)))


def outputs(names: list[str], a: Any) -> list[Any]:
    return [x for name in names for x in flat(ROWS[name].run(a))]


def test_integers_become_floats() -> None:
    names = [name for name in ROWS if name not in ("matrix_dot", "matrix_power", "multi_dot", "toeplitz")]
    i, a = at.imatrix("i"), at.dmatrix("a")
    got = gradc.function([i], outputs(names, i))(GOOD.astype("int32"))
    for one, other in zip(got, gradc.function([a], outputs(names, a))(GOOD), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)


def with_nan() -> np.ndarray:
    bad = np.array(GOOD)
    bad[1, 0] = bad[0, 1] = bad[1, 1] = np.nan
    return bad


@pytest.mark.parametrize("mode", ["interpret", pytest.param(None, marks=pytest.mark.nightly)])
def test_nan_is_refused(mode: Any) -> None:
    a = at.dmatrix("a")
    for row in [row for row in ROWS.values() if row.nan == "LinAlgError"]:
        f = gradc.function([a], flat(row.run(a)), mode=mode)
        with pytest.raises(LinAlgError, match=r"nan or inf"):
            f(with_nan())


@mode
def test_nan_gives_nan(mode: Any) -> None:
    a = at.dmatrix("a")
    names = [name for name, row in ROWS.items() if row.nan == "nan"]
    sums = [sum(x.sum() for x in flat(ROWS[name].run(a))) for name in names]
    made = gradc.function([a], sums, mode=mode)(with_nan())
    assert not [name for name, x in zip(names, made) if not np.isnan(x)]


@mode
def test_no_elements(mode: Any) -> None:
    a = at.dmatrix("a")
    for shape in ((0, 0), (0, 3), (3, 0)):
        names = [name for name, row in ROWS.items() if row.empty is not None and (row.wide or shape == (0, 0))]
        x = np.zeros(shape)
        wanted = [y for name in names for y in flat(ROWS[name].empty(x))]  # type: ignore[misc]
        for got, want in zip(gradc.function([a], outputs(names, a), mode=mode)(x), wanted, strict=True):
            assert np.shape(got) == np.shape(want)
            np.testing.assert_allclose(got, want)
