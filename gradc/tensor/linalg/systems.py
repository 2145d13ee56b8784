"""Systems of linear equations: triangular and Cholesky factors, LU factors, solutions, inverses, determinants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir import build
from gradc.ir.graph import apply, describe
from gradc.ir.routines import solve_name
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import python_integer
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_of
from gradc.tensor.creation import alloc, arange, eye, zeros_like
from gradc.tensor.diagonals import diagonal, offsets, tril, triu
from gradc.tensor.joining import join
from gradc.tensor.linalg.arguments import floats, matrix, one_of, square, symmetric
from gradc.tensor.moves import flip
from gradc.tensor.selection import take_along_axis
from gradc.tensor.shape import matrix_transpose, shape_padright, specify_shape
from gradc.tensor.sorting import argsort
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "cho_factor", "cho_solve", "cholesky", "det", "inv", "ldl", "lu", "lu_factor", "lu_solve", "slogdet", "solve",
    "solve_banded", "solve_lower_triangular", "solve_toeplitz", "solve_triangular", "solve_upper_triangular",
    "toeplitz",
]

# rows of `tensor.numpy_api`
NUMPY: dict[str, Any] = {
    "cholesky": (lambda a, upper=False: cholesky(a, not upper), "a upper="), "det": (lambda a: det(a), "a"),
    "slogdet": (lambda a: slogdet(a), "a"), "inv": (lambda a: inv(a), "a"), "solve": (lambda a, b: solve(a, b), "a b"),
}

_ASSUMED = ("gen", "sym", "her", "pos", "diagonal", "tridiagonal", "lower triangular", "upper triangular")
_LONG = {"general": "gen", "symmetric": "sym", "hermitian": "her", "positive definite": "pos"}
_TRANSPOSED = {0: False, "N": False, 1: True, "T": True, 2: True, "C": True}


def solve_triangular(a: TensorLike, b: TensorLike, trans: int | str = 0, lower: bool = False,
                     unit_diagonal: bool = False, check_finite: bool = True,
                     b_ndim: int | None = None) -> TensorVariable:
    """x with a x = b (a.T x = b if trans is 1 or "T"), a being a triangular matrix, of which the rest is not read.

    Shapes: (..., m, m) and (m,), or (..., m, m) and (..., m, n).  b_ndim=1: b is a batch of vectors, (..., m).
    unit_diagonal: the diagonal is taken for 1s.  check_finite: accepted; nan and inf give what comes of them.
    Raises: LinAlgError, at the call, if the diagonal has a 0.   Error: that of the BLAS in use, or of substitution.
    """
    one_of("solve_triangular", "trans", trans, tuple(_TRANSPOSED))
    a, b, vectors = _system("solve_triangular", a, b, b_ndim)
    if _TRANSPOSED[trans]:
        a, lower = matrix_transpose(a), not lower
    x = apply(build.call(solve_name(not lower, unit_diagonal)), a, b)
    return x[..., 0] if vectors else x


def cholesky(x: TensorLike, lower: bool = True, on_error: str = "raise") -> TensorVariable:
    """The triangular L with L L.T = x (not `lower`: L.T L = x), of which only that triangle is read.

    Shapes: (..., m, m).  on_error: what becomes of a matrix that is not positive definite: "raise", or "nan" for it.
    Raises: LinAlgError, at the call, also where nan or inf is in it.   Error: that of the LAPACK in use, or of the
        plain algorithm.
    """
    one_of("cholesky", "on_error", on_error, ("raise", "nan"))
    op = build.call("cholesky" if on_error == "raise" else "cholesky_or_nan")
    (x,) = floats("cholesky", 2, x)
    return apply(op, x) if lower else matrix_transpose(apply(op, matrix_transpose(x)))


def _system(what: str, a: TensorLike, b: TensorLike,
            b_ndim: int | None) -> tuple[TensorVariable, TensorVariable, bool]:
    """The matrices of a system; was b given as vectors?"""
    a, b = floats(what, 1, a, b)
    vectors = b.type.ndim == 1 if b_ndim is None else b_ndim == 1
    return matrix(what, a), matrix(what, shape_padright(b) if vectors else b), vectors


def solve_lower_triangular(a: TensorLike, b: TensorLike, trans: int | str = 0) -> TensorVariable:
    """As `solve_triangular` with lower=True."""
    return solve_triangular(a, b, trans, lower=True)


def solve_upper_triangular(a: TensorLike, b: TensorLike, trans: int | str = 0) -> TensorVariable:
    """As `solve_triangular` with lower=False."""
    return solve_triangular(a, b, trans)


def cho_factor(a: TensorLike, lower: bool = False, check_finite: bool = True) -> tuple[TensorVariable, bool]:
    """The Cholesky factor of a and `lower`, for `cho_solve`; the other triangle is 0.  See `cholesky`."""
    return cholesky(a, lower), lower


def cho_solve(c_and_lower: tuple[TensorLike, bool], b: TensorLike, check_finite: bool = True,
              b_ndim: int | None = None) -> TensorVariable:
    """x with a x = b, given a Cholesky factor of a and whether it is the lower one.

    Shapes, `b_ndim` and errors: as `solve_triangular`.
    """
    c, lower = c_and_lower
    return solve_triangular(c, solve_triangular(c, b, int(not lower), lower, b_ndim=b_ndim), int(lower), lower,
                            b_ndim=b_ndim)


# ------------------------------------------------------------------------------------------- LU factors


def _factored(a: TensorVariable) -> tuple[TensorVariable, TensorVariable, TensorVariable]:
    """What the routines take that solve, invert and the like: factors, interchanges, and a, which they derive from."""
    factors, swaps = apply(build.call("lu"), a)
    return factors, swaps, a


def lu_factor(a: TensorLike, check_finite: bool = True) -> tuple[TensorVariable, TensorVariable]:
    """LU factors of square matrices in one, and for each row the one with which it was interchanged (int64).

    Shapes: (..., m, m), (..., m).  L has 1s on its diagonal, which are not stored.  A singular matrix has a 0 on the
    diagonal of U.   Error: of LAPACK's getrf, or of elimination with the same choice of pivots.
    """
    factors, swaps, _ = _factored(matrix_transpose(square("lu_factor", a)))
    return matrix_transpose(factors), swaps


def lu_solve(lu_and_piv: tuple[TensorLike, TensorLike], b: TensorLike, trans: int | str = 0,
             check_finite: bool = True, b_ndim: int | None = None) -> TensorVariable:
    """x with a x = b (a.T x = b if trans is 1 or "T"), given what `lu_factor` gives of a.

    Shapes and `b_ndim`: as `solve_triangular`.  Raises: LinAlgError, at the call, if the matrix is singular.
    """
    one_of("lu_solve", "trans", trans, tuple(_TRANSPOSED))
    factors, b, vectors = _system("lu_solve", lu_and_piv[0], b, b_ndim)
    swaps = as_tensor_variable(lu_and_piv[1])
    if swaps.type.dtype.startswith("float"):
        raise TypeMismatchError(f"lu_solve: what tells the interchanges are integers, {describe(swaps)} is "
                                f"{swaps.type.short()}{at(swaps.source)}")
    swaps = cast(swaps, "int64")
    if _TRANSPOSED[trans]:
        x = solve_triangular(factors, solve_triangular(factors, b, 1, b_ndim=2), 1, True, True, b_ndim=2)
        x = apply(build.call("interchange_back"), swaps, x)
    else:
        x = solve_triangular(factors, apply(build.call("interchange"), swaps, b), 0, True, True, b_ndim=2)
        x = solve_triangular(factors, x, b_ndim=2)
    return x[..., 0] if vectors else x


def lu(a: TensorLike, permute_l: bool = False, check_finite: bool = True,
       p_indices: bool = False) -> tuple[TensorVariable, ...]:
    """P, L and U with a = P L U; permute_l: P L and U; p_indices: instead of P, for each row of a the one of L.

    Shapes: (..., m, n) -> (..., m, m), (..., m, k), (..., k, n), k = min(m, n).  The derivative takes the first k
    columns to be independent; else it raises LinAlgError.
    """
    (a,) = floats("lu", 2, a)
    rows, columns = a.type.shape[-2:]
    axis, dtype = a.type.ndim - 1, a.type.dtype
    m = size_of(a, axis - 1)
    back = build.call("interchange_back")
    if rows is not None and rows == columns:
        factors, swaps = lu_factor(a)
    else:
        k = ew.minimum(m, size_of(a, axis))
        factors, swaps = lu_factor(_completed(a[..., :k], m))
    low = ew.add(tril(factors, -1), eye(m, dtype=dtype))
    high = triu(factors)
    if rows is None or rows != columns:
        moved = apply(build.call("interchange"), swaps, a[..., k:])
        beside = solve_triangular(low[..., :k, :k], moved[..., :k, :], 0, True, True, b_ndim=2)
        low, high = low[..., :k], join(axis, high[..., :k, :k], beside)
    if permute_l:
        return apply(back, swaps, low), high
    if p_indices:
        return cast(apply(back, swaps, shape_padright(arange(m, dtype=dtype)))[..., 0], "int64"), low, high
    return apply(back, swaps, eye(m, dtype=dtype)), low, high


def _completed(a: TensorVariable, m: TensorVariable) -> TensorVariable:
    """a, of m rows and at most as many columns, with unit vectors for rows that are no pivots: its factors begin with
    those of a, and no row is interchanged after them."""
    axis = a.type.ndim - 1
    count = size_of(a, axis)
    zeros = alloc(constant(0, dtype=a.type.dtype), *[size_of(a, i) for i in range(axis)], ew.sub(m, count))
    _, swaps = lu_factor(join(axis, a, zeros))
    unit = matrix_transpose(apply(build.call("interchange_back"), swaps, eye(m, dtype=a.type.dtype)))
    return join(axis, a, matrix_transpose(unit[..., count:, :]))


def ldl(a: TensorLike, lower: bool = True, hermitian: bool = True,
        check_finite: bool = True) -> tuple[TensorVariable, TensorVariable, TensorVariable]:
    """l, d and perm with l d l.T = a, for symmetric matrices, of which the lower (not `lower`: the upper) triangle is
    read; d has blocks of 1 or 2 rows on its diagonal, l[perm] is triangular with 1s on its diagonal.

    Shapes: (..., m, m), (..., m, m), (..., m); perm is int64.  As scipy.linalg.ldl.  hermitian: accepted.
    The derivative takes a to be invertible, else it raises LinAlgError; perm stays as it is.
    Raises: LinAlgError, at the call, for nan and inf.   Error: that of J. Bunch's and L. Kaufman's choice of pivots.
    """
    a = square("ldl", a)
    axis = a.type.ndim - 1
    a = a if lower else flip(a, (axis - 1, axis))
    low, d, order = apply(build.call("ldl"), a)
    made = take_along_axis(low, shape_padright(argsort(order, -1)), axis - 1)
    if lower:
        return made, d, order
    last = ew.sub(size_of(order, axis - 1), 1)
    return flip(made, (axis - 1, axis)), flip(d, (axis - 1, axis)), ew.sub(last, flip(order, axis - 1))


# ------------------------------------------------------------------------------------------- general matrices


def solve(a: TensorLike, b: TensorLike, assume_a: str = "gen", lower: bool = False, check_finite: bool = True,
          transposed: bool = False, b_ndim: int | None = None) -> TensorVariable:
    """x with a x = b (a.T x = b if `transposed`).

    Shapes: (..., m, m) and (m,), or (..., m, m) and (..., m, n).  b_ndim=1: b is a batch of vectors, (..., m).
    assume_a: "gen"; "sym", "her" or "pos" for symmetric or positive definite matrices, of which the upper triangle is
    read (`lower`: the lower one); "diagonal", "tridiagonal" (of which the rest is not read), "lower triangular", "upper
    triangular".  SciPy's long names are taken, too.
    Raises: LinAlgError, at the call, for singular matrices, or for "pos" ones that are not positive definite.
    Error: that of LU or Cholesky factors with pivots, of the LAPACK in use where matrices are large.
    """
    assume_a = _LONG.get(assume_a, assume_a)
    one_of("solve", "assume_a", assume_a, _ASSUMED)
    a, b, vectors = _system("solve", a, b, b_ndim)
    square("solve", a)
    if assume_a.endswith("triangular"):
        x = solve_triangular(a, b, int(transposed), assume_a.startswith("lower"), b_ndim=2)
    elif assume_a == "diagonal":
        x = ew.true_divide(b, shape_padright(diagonal(a, 0, -2, -1)))
    elif assume_a == "tridiagonal":
        x = solve_banded((1, 1), _three_diagonals(matrix_transpose(a) if transposed else a), b, b_ndim=2)
    elif assume_a == "pos":
        a = a if lower else matrix_transpose(a)
        x = apply(build.call("cholesky_solve"), cholesky(a), b, a)
    else:
        if assume_a != "gen":
            a = symmetric(a if lower else matrix_transpose(a))
        factors, swaps, a = _factored(a)
        x = apply(build.call("lu_solve_transposed" if transposed else "lu_solve"), factors, swaps, b, a)
    return x[..., 0] if vectors else x


def _three_diagonals(a: TensorVariable) -> TensorVariable:
    """What `solve_banded` takes for the first diagonal and those beside it."""
    above, below = (diagonal(a, k, -2, -1) for k in (1, -1))
    axis = a.type.ndim - 2
    edge = zeros_like(a[..., 0, :1])
    rows = [join(axis, edge, above), diagonal(a, 0, -2, -1), join(axis, below, edge)]
    return join(axis, *[x[..., None, :] for x in rows])


def solve_banded(l_and_u: tuple[int, int], ab: TensorLike, b: TensorLike, check_finite: bool = True,
                 b_ndim: int | None = None) -> TensorVariable:
    """x with a x = b, a having l diagonals below and u above the first one: a[i, j] is ab[u + i - j, j].

    Shapes: (..., l + u + 1, m) and (m,) or (..., m, n); l and u are ints.  b_ndim=1: b is a batch of vectors.
    Raises: LinAlgError, at the call, for singular matrices.   Error: that of elimination with interchanges of rows.
    """
    low, high = (python_integer(n, "solve_banded", "l_and_u") for n in l_and_u)
    ab, b, vectors = _system("solve_banded", ab, b, b_ndim)
    if low < 0 or high < 0 or ab.type.shape[-2] not in (None, low + high + 1):
        raise ShapeError(f"solve_banded: l + u + 1 is {low + high + 1}, but {describe(ab)} is {ab.type.short()}"
                         f"{at(ab.source)}")
    band = specify_shape(ab, [*[None] * (ab.type.ndim - 2), low + high + 1, None])
    x = apply(build.call("solve_banded"), constant(low, dtype="int64"), band, b)
    return x[..., 0] if vectors else x


def toeplitz(c: TensorLike, r: TensorLike | None = None) -> TensorVariable:
    """The matrix whose first column is c and whose diagonals are constant; r: the first row, of which r[0] is not read.

    Shapes: (m,), (n,) -> (m, n).  None: r is c.
    """
    column = as_tensor_variable(c)
    (rest,) = (column,) if r is None else (as_tensor_variable(r),)
    below = offsets(size_of(column, 0), size_of(rest, 0))
    return ew.switch(ew.le(below, 0), column[ew.maximum(ew.neg(below), 0)], rest[ew.maximum(below, 0)])


def solve_toeplitz(c_or_cr: object, b: TensorLike, check_finite: bool = True) -> TensorVariable:
    """x with toeplitz(c, r) x = b; c_or_cr: c, or the pair.  By `solve`, in m**3 steps."""
    column, rest = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    return solve(toeplitz(*floats("solve_toeplitz", 1, column, *([] if rest is None else [rest]))), b)


def inv(a: TensorLike) -> TensorVariable:
    """The inverse.  Shapes: (..., m, m).  Raises: LinAlgError, at the call, for singular matrices."""
    return apply(build.call("lu_inverse"), *_factored(square("inv", a)))


def det(a: TensorLike) -> TensorVariable:
    """The determinant, by LU factors.  Shapes: (..., m, m) -> (...).

    The derivative goes by the inverse: for a singular matrix it raises LinAlgError.
    """
    return apply(build.call("lu_det"), *_factored(square("det", a)))


def slogdet(a: TensorLike) -> tuple[TensorVariable, TensorVariable]:
    """Sign (-1, 0 or 1) and log of the absolute value of the determinant.  Shapes: (..., m, m) -> (...), (...).

    -inf for a singular matrix, whose derivative raises LinAlgError.
    """
    sign, log = apply(build.call("lu_slogdet"), *_factored(square("slogdet", a)))
    return sign, log
