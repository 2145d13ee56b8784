"""Systems of linear equations with sparse matrices, by SciPy's SuperLU, which is called from the kernel.

Banded and tridiagonal matrices: `gradc.tensor.linalg.solve_banded`, in C.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.errors import GraphError, IndexOutOfBoundsError, LinAlgError, ShapeError, TypeMismatchError, at, fill
from gradc.ir import build, dtypes
from gradc.ir.graph import Apply, Op, Variable, apply, describe, user_line
from gradc.sparse.structure import OUTSIDE
from gradc.sparse.values import scipy_module
from gradc.sparse.variable import as_sparse_variable
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import equal
from gradc.tensor.convert import as_tensor_variable, cast, size_of
from gradc.tensor.creation import arange
from gradc.tensor.shape import shape_padright
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["spsolve"]

KEPT = 4                    # matrices of which factors are kept
_factors: OrderedDict[int, tuple[tuple[np.ndarray, ...], object]] = OrderedDict()
_lock = threading.Lock()


def _factored(arrays: tuple[np.ndarray, ...]) -> Any:
    """SuperLU's factors of the csc matrix of these arrays: kept ones, if these are of equal arrays."""
    key = hash(tuple([part.tobytes() for part in arrays]))
    with _lock:
        found = _factors.get(key)
        if found is not None and all(map(np.array_equal, found[0], arrays)):
            _factors.move_to_end(key)
            return found[1]
    data, indices, indptr = arrays
    n = len(indptr) - 1
    outside = indices[(indices < 0) | (indices >= n)]
    if outside.size:
        raise IndexOutOfBoundsError(fill(OUTSIDE, [int(outside[0]), n]))
    matrix = scipy_module("scipy.sparse").csc_matrix((data, indices, indptr), (n, n), copy=True)
    try:
        made = scipy_module("scipy.sparse.linalg").splu(matrix)
    except RuntimeError as error:
        raise LinAlgError(f"spsolve: the matrix is singular ({error})") from None
    with _lock:
        _factors[key] = arrays, made
        while len(_factors) > KEPT:
            _factors.popitem(last=False)
    return made


class SuperLUSolve(Op):
    """x with a x = b (`transposed`: a.T x = b), a being the csc matrix of data, indices and indptr; b is a matrix."""

    __props__ = ("transposed",)
    repeatable = True

    def __init__(self, transposed: bool) -> None:
        self.transposed = transposed

    def make_node(self, *inputs: Any) -> Apply:
        b = inputs[3]
        return Apply(self, inputs, [b.type.variable_class(b.type)])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        *arrays, b = inputs
        output_storage[0][0] = _factored(tuple(arrays)).solve(b, "T" if self.transposed else "N") if b.size else b

    def infer_shape(self, fgraph: object, node: Apply, input_shapes: Sequence[object]) -> list[Any]:
        """That of b."""
        return [input_shapes[3]]

    def L_op(self, inputs: Sequence[Any], outputs: Sequence[Any], gs: Sequence[Any]) -> list[Variable | None]:
        """By b it is a^-T g, by a that times -x^T, at its entries."""
        data, indices, indptr, _ = inputs
        by_b = SuperLUSolve(not self.transposed)(data, indices, indptr, gs[0])
        u, v = (by_b, outputs[0]) if self.transposed else (outputs[0], by_b)
        by_data = ew.neg(apply(build.call("csr_sampled_dot"), indptr[:-1], indptr[1:], indices, u, v))
        return [by_data, None, None, by_b]

    def R_op(self, inputs: Sequence[Any], tangents: Sequence[Any]) -> list[Variable]:
        """a^-1 (db - da x)."""
        data, indices, indptr, _ = inputs
        x, (da, _, _, db) = self(*inputs), tangents
        pattern = indptr[:-1], indptr[1:], indices
        right = db
        if da is not None:
            moved = apply(build.call("csr_dot"), *pattern, da, x) if self.transposed else apply(
                build.call("csr_transposed_dot"), *pattern, da, x, arange(size_of(x, 0)))
            right = ew.neg(moved) if db is None else ew.sub(db, moved)
        return [self(data, indices, indptr, right)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """The result depends on data and b."""
        return [[True], [False], [False], [True]]


def spsolve(a: object, b: TensorLike) -> TensorVariable:
    """x with a x = b, a being a square sparse matrix, b dense, by SciPy's SuperLU.

    Factors are those of one matrix: they are kept for its gradient, and for calls with an equal one.
    Shapes: (m, m) and (m,) or (m, n).   Dtype: the common one, floatX for integers.   Derivatives: by both, the one by
    a on its pattern.
    Raises: GraphError where SciPy is not installed; at the call BadValueError for singular matrices.
    """
    if scipy_module("scipy.sparse.linalg") is None:
        raise GraphError(f"spsolve needs SciPy, which is not installed{at(user_line())}")
    a, y = as_sparse_variable(a), as_tensor_variable(b)
    given = [d if d in dtypes.CONTINUOUS else dtypes.working() for d in (a.dtype, y.type.dtype)]
    dtype = dtypes.upcast(*given)
    if dtype in dtypes.COMPLEX:
        raise TypeMismatchError(f"spsolve takes real numbers, {describe(y)} is {y.type.short()}{at(y.source)}")
    if y.type.ndim not in (1, 2):
        raise ShapeError(f"spsolve: b is a vector or matrix, {describe(y)} is {y.type.short()}{at(y.source)}")
    rows, columns = a.shape
    data = equal(rows, columns, "spsolve takes square matrices, got {0} rows and {1} columns", a.data)
    y = equal(size_of(y, 0), a.major, "spsolve: b has {0} rows for a matrix of {1}", y)
    made = SuperLUSolve(a.format == "csr")(cast(data, dtype), a.indices, a.indptr,
                                           cast(shape_padright(y) if y.type.ndim == 1 else y, dtype))
    return made[:, 0] if y.type.ndim == 1 else made


