"""Powers, products, norms, pseudo-inverses and least squares; functions of matrices; matrix equations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir import build
from gradc.ir.graph import apply, describe, user_line
from gradc.tensor import contract
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import python_integer
from gradc.tensor.convert import as_tensor_variable, cast, size_of
from gradc.tensor.creation import eye, zeros_like
from gradc.tensor.linalg.arguments import adjoint, is_complex, numbers, part, square, symmetric
from gradc.tensor.linalg.spectra import eigvalsh, svdvals
from gradc.tensor.linalg.systems import inv, solve
from gradc.tensor.shape import dimshuffle, moveaxis, reshape, shape_padright
from gradc.tensor.types import Axes, List, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "cond", "expm", "lstsq", "matrix_dot", "matrix_power", "matrix_rank", "multi_dot", "norm",
    "pinv", "solve_continuous_lyapunov", "solve_discrete_are", "solve_discrete_lyapunov", "solve_sylvester",
    "tensorinv", "tensorsolve",
]

# rows of `tensor.numpy_api`
NUMPY: dict[str, Any] = {
    "norm": (lambda x, **o: norm(x, **o), "x ord= axis= keepdims="),
    "matrix_norm": (lambda x, keepdims=False, ord="fro": norm(x, ord, (-2, -1), keepdims), "x keepdims= ord="),
    "matrix_power": (lambda a, n: matrix_power(a, n), "a n"), "multi_dot": (lambda arrays: multi_dot(arrays), "arrays"),
    "pinv": (lambda a, rcond=None, hermitian=False: pinv(a, rcond, hermitian), "a rcond= hermitian="),
    "lstsq": (lambda a, b, rcond=None: lstsq(a, b, rcond), "a b rcond="),
    "matrix_rank": (lambda A, tol=None, hermitian=False: matrix_rank(A, tol, hermitian), "A tol= hermitian="),
    "cond": (lambda x, p=None: cond(x, p), "x p="), "tensorinv": (lambda a, ind=2: tensorinv(a, ind), "a ind="),
    "tensorsolve": (lambda a, b, axes=None: tensorsolve(a, b, axes), "a b axes="),
}


# ------------------------------------------------------------------------------------------- products


def matrix_power(a: TensorLike, n: int) -> TensorVariable:
    """The n-th power of square matrices, by squaring; of the inverse for n < 0.  n is an int."""
    n = python_integer(n, "matrix_power", "n")
    a = as_tensor_variable(a)
    if a.type.ndim < 2:
        raise ShapeError(f"matrix_power takes matrices, {describe(a)} is {a.type.short()}{at(a.source)}")
    if n < 0:
        a, n = inv(a), -n
    if n == 0:
        return ew.add(zeros_like(a), eye(size_of(a, a.type.ndim - 1), dtype=a.type.dtype))
    made: TensorVariable | None = None
    while n:
        if n % 2:
            made = a if made is None else contract.matmul(made, a)
        n //= 2
        a = contract.matmul(a, a) if n else a
    assert made is not None
    return made


def multi_dot(arrays: Sequence[TensorLike]) -> TensorVariable:
    """The product of several matrices (the first and the last may be vectors), in the order that takes the least work.

    Sizes that are not known count as 64.  Raises: ShapeError for fewer than two.
    """
    parts = [as_tensor_variable(x) for x in arrays]
    if len(parts) < 2:
        raise ShapeError(f"multi_dot takes two or more matrices, got {len(parts)}{at(user_line())}")
    ends = {0, len(parts) - 1}
    for k, x in enumerate(parts):
        if x.type.ndim != 2 and not (x.type.ndim == 1 and k in ends):
            raise ShapeError(f"multi_dot takes matrices, or vectors at the ends; {describe(x)} is {x.type.short()}"
                             f"{at(x.source)}")
    sizes = [[64 if s is None else s for s in x.type.shape] for x in parts]
    edges = [sizes[0][0] if len(sizes[0]) == 2 else 1, *[s[-1] for s in sizes[:-1]],
             sizes[-1][1] if len(sizes[-1]) == 2 else 1]
    least: dict[tuple[int, int], tuple[float, int]] = {(k, k): (0, k) for k in range(len(parts))}
    for length in range(1, len(parts)):
        for i in range(len(parts) - length):
            j = i + length
            least[i, j] = min((least[i, k][0] + least[k + 1, j][0] + edges[i] * edges[k + 1] * edges[j + 1], k)
                              for k in range(i, j))

    def made(i: int, j: int) -> TensorVariable:
        if i == j:
            return parts[i]
        k = least[i, j][1]
        return contract.dot(made(i, k), made(k + 1, j))

    return made(0, len(parts) - 1)


def matrix_dot(*args: TensorLike) -> TensorVariable:
    """`multi_dot` of its arguments; of one it is that one."""
    return multi_dot(args) if len(args) > 1 else as_tensor_variable(args[0])


def norm(x: TensorLike, ord: float | str | None = None, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    """Norms of vectors (one axis) and matrices (two axes, or a matrix and no axis), as numpy.linalg.norm.

    ord: None (the root of the sum of squares, of all elements if there is no axis); for vectors any number; for
    matrices "fro", 1, -1, inf, -inf, "nuc" (sum of the singular values), 2 and -2 (the largest, the smallest of them).
    The gradient of "nuc", 2 and -2 asks for distinct singular values; at 0 that of the others is 0, the middle.
    """
    x = as_tensor_variable(x)
    axes = red.normalize_axes(axis, x, "norm")
    if ord not in (2, -2, "nuc") or len(axes) != 2:
        if isinstance(ord, str) and (ord != "fro" or len(axes) != 2):
            raise TypeMismatchError(f"norm: ord={ord!r} is not there for {len(axes)} axes{at(user_line())}")
        return red.norm(x, ord, axis, keepdims)
    values = svdvals(moveaxis(x, list(axes), [-2, -1]))
    made = (red.sum if ord == "nuc" else red.max if ord == 2 else red.min)(values, -1)
    if not keepdims:
        return made
    kept = iter(range(made.type.ndim))
    return dimshuffle(made, *["x" if k in axes else next(kept) for k in range(x.type.ndim)])


def cond(x: TensorLike, p: float | str | None = None) -> TensorVariable:
    """The condition number; p: an order of `norm`, None is 2 (the quotient of the extreme singular values).

    Raises: LinAlgError, at the call, for singular matrices unless p is None, 2 or -2: then it is inf (0).
    """
    (x,) = numbers("cond", 2, x)
    if p in (None, 2, -2):
        values = svdvals(x)
        first, last = values[..., 0], values[..., -1]
        return ew.true_divide(last, first) if p == -2 else ew.true_divide(first, last)
    return ew.mul(norm(x, p, (-2, -1)), norm(inv(x), p, (-2, -1)))


# ------------------------------------------------------------------------------------------- least squares


def pinv(a: TensorLike, rcond: TensorLike | None = None, hermitian: bool = False) -> TensorVariable:
    """The pseudo-inverse.  Shapes: (..., m, n) -> (..., n, m).

    rcond: singular values up to rcond times the largest count as 0; None: max(m, n) times the spacing of floats.
    hermitian: of a the lower triangle counts.  The derivative is right where the rank does not change.
    """
    (a,) = numbers("pinv", 2, a)
    if hermitian:
        a = symmetric(a)
    smallest = _smallest(a) if rcond is None else cast(as_tensor_variable(rcond), part(a))
    return apply(build.call("pinv"), a, smallest)


def _smallest(a: TensorVariable) -> TensorVariable:
    """Singular values up to this part of the largest count as 0."""
    most = ew.maximum(size_of(a, a.type.ndim - 2), size_of(a, a.type.ndim - 1))
    return ew.mul(cast(most, part(a)), np.asarray(np.finfo(a.type.dtype).eps, part(a)))


def lstsq(a: TensorLike, b: TensorLike, rcond: TensorLike | None = None) -> tuple[TensorVariable, ...]:
    """x of the least norm among those with the least sum of squares of a x - b; those sums; rank; singular values.

    Shapes: (..., m, n) and (m,) or (..., m, k).  rcond: as `pinv`.  The sums are there whatever the rank is, which
    numpy.linalg.lstsq leaves out where a has less than full rank, or not more rows than columns.
    """
    a, b = numbers("lstsq", 1, a, b)
    vectors = b.type.ndim == 1
    b = shape_padright(b) if vectors else b
    x = contract.matmul(pinv(a, rcond), b)
    rest = ew.sub(b, contract.matmul(a, x))
    sums = red.sum(ew.square(ew.abs(rest)) if is_complex(a) else ew.square(rest), -2)
    values = svdvals(a)
    limit = ew.mul(red.max(values, -1, keepdims=True),
                   _smallest(a) if rcond is None else cast(as_tensor_variable(rcond), part(a)))
    return x[..., 0] if vectors else x, sums, red.sum(ew.gt(values, limit), -1), values


def matrix_rank(a: TensorLike, tol: TensorLike | None = None, hermitian: bool = False) -> TensorVariable:
    """How many singular values are larger than `tol`; None: the limit of `pinv`.  hermitian: by eigenvalues.

    Shapes: (..., m, n) -> (...).  Dtype: int64.
    """
    (a,) = numbers("matrix_rank", 2, a)
    values = ew.abs(eigvalsh(a)) if hermitian else svdvals(a)
    if tol is None:
        limit = ew.mul(red.max(values, -1, keepdims=True), _smallest(a))
    else:
        limit = shape_padright(as_tensor_variable(tol))
    return red.sum(ew.gt(values, limit), -1)


def tensorsolve(a: TensorLike, b: TensorLike, axes: List | None = None) -> TensorVariable:
    """x with tensordot(a, x, x.ndim) = b, as numpy.linalg.tensorsolve; axes: of a, put last before."""
    a, b = numbers("tensorsolve", 0, a, b)
    if axes is not None:
        order = [k for k in range(a.type.ndim) if k not in [int(n) % a.type.ndim for n in axes]]
        a = dimshuffle(a, *order, *[int(n) % a.type.ndim for n in axes])
    rank = b.type.ndim
    shape = [size_of(a, k) for k in range(rank, a.type.ndim)]
    n = reduce(ew.mul, [size_of(b, k) for k in range(rank)])
    return reshape(solve(reshape(a, (n, n), ndim=2), b.flatten()), shape, ndim=len(shape))


def tensorinv(a: TensorLike, ind: int = 2) -> TensorVariable:
    """The inverse of `tensordot(a, ., ind)`, as numpy.linalg.tensorinv; ind: how many axes are those of the result."""
    (a,) = numbers("tensorinv", 1, a)
    ind = python_integer(ind, "tensorinv", "ind")
    if not 0 < ind < a.type.ndim:
        raise ShapeError(f"tensorinv: ind is from 1 to {a.type.ndim - 1} for {describe(a)} ({a.type.short()}), got "
                         f"{ind}{at(user_line())}")
    sizes = [size_of(a, k) for k in range(a.type.ndim)]
    n = reduce(ew.mul, sizes[ind:])
    return reshape(inv(reshape(a, (n, n), ndim=2)), sizes[ind:] + sizes[:ind], ndim=len(sizes))


# ------------------------------------------------------------------------------------------- functions of matrices


def expm(a: TensorLike) -> TensorVariable:
    """The exponential of square matrices, by a Pade approximant, scaling and squaring.  Shapes: (..., m, m).

    Raises: LinAlgError, at the call, for nan and inf.
    """
    return apply(build.call("expm"), square("expm", a))


# ------------------------------------------------------------------------------------------- matrix equations


def solve_sylvester(a: TensorLike, b: TensorLike, q: TensorLike) -> TensorVariable:
    """x with a x + x b = q.  Shapes: (..., m, m), (..., n, n), (..., m, n).

    Raises: LinAlgError, at the call, if a and -b have a common eigenvalue, and for nan and inf.
    """
    return apply(build.call("sylvester"), *numbers("solve_sylvester", 2, a, b, q))


def solve_continuous_lyapunov(a: TensorLike, q: TensorLike) -> TensorVariable:
    """x with a x + x a.conj().T = q.  Shapes: (..., m, m).  See `solve_sylvester`."""
    a, q = numbers("solve_continuous_lyapunov", 2, a, q)
    return solve_sylvester(a, adjoint(a), q)


def solve_discrete_lyapunov(a: TensorLike, q: TensorLike, method: str | None = None) -> TensorVariable:
    """x with a x a.conj().T - x + q = 0, for matrices without the eigenvalue -1.  Shapes: (..., m, m).

    The bilinear transform makes it continuous (M. Barraud, IEEE Trans. Automatic Control 22 (1977)).  method: accepted.
    """
    a, q = numbers("solve_discrete_lyapunov", 2, a, q)
    one = eye(size_of(a, a.type.ndim - 1), dtype=a.type.dtype)
    inverse = inv(ew.add(a, one))
    b = contract.matmul(inverse, ew.sub(a, one))
    right = contract.matmul(contract.matmul(inverse, q), adjoint(inverse))
    return solve_continuous_lyapunov(b, ew.mul(np.asarray(-2, a.type.dtype), right))


def solve_discrete_are(a: TensorLike, b: TensorLike, q: TensorLike, r: TensorLike) -> TensorVariable:
    """The stabilizing x of x = a.T x a - a.T x b (r + b.T x b)^-1 b.T x a + q (Riccati's equation); of complex
    matrices .T stands for the adjoint, and q and r are Hermitian.

    Shapes: (..., m, m), (..., m, n), (..., m, m), (..., n, n).  q and r are symmetric, of which the lower triangle is
    read; r is invertible.   Error: about the spacing of floats times the condition of the equation; it is solved by
    doubling.
    Raises: LinAlgError, at the call, if r is singular or there is no such x, and for nan and inf.
    """
    a, b, q, r = numbers("solve_discrete_are", 2, a, b, q, r)
    return apply(build.call("riccati"), a, b, symmetric(q), symmetric(r))
