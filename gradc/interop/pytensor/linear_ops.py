"""Rows for PyTensor's linear algebra; gradc's functions batch over leading axes, so Blockwise is what it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.tensor.math import Dot

import gradc
import gradc.tensor as at
from gradc.interop.pytensor.convert import Converted, Row, classes, has_row, performed, row, to_gradc
from gradc.tensor import linalg

if TYPE_CHECKING:
    from pytensor.tensor.blockwise import Blockwise
    from pytensor.tensor.nlinalg import SVD, Eigh, EighGrad, MatrixPinv
    from pytensor.tensor.slinalg import LU, QR, Cholesky, CholeskySolve, Eigvalsh, Solve, SolveTriangular

BATCHED: set[type] = set()


def batched_row(*paths: str) -> Callable[[Row], Row]:
    """A row that takes any number of leading axes: Blockwise passes through."""
    BATCHED.update(classes(paths))
    return row(*paths)


@row("tensor.blockwise.Blockwise")
def _blockwise(op: Blockwise, node: Apply, *inputs: Converted) -> Converted | Sequence[Converted]:
    core = op.core_op
    if isinstance(core, Dot):
        return at.matmul(*inputs)
    if type(core) in BATCHED:
        return to_gradc(core, node, *inputs)
    if not has_row(core):
        return performed(op, node, *inputs)
    return _over(op.batch_ndim(node), to_gradc, core, op._create_dummy_core_node(node.inputs), inputs)


def _over(ndim: int, core: Any, op: Any, node: Apply, inputs: Sequence[Converted]) -> Sequence[Converted]:
    """The row of a core Op over `ndim` leading axes of all inputs, which have size 1 where they are broadcast."""
    if not ndim:
        made = core(op, node, *inputs)
        return list(made) if isinstance(made, (list, tuple)) else [made]
    shared = [x.type.shape[0] == 1 for x in inputs]
    rows = [x[0] if same else x for x, same in zip(inputs, shared)]

    def step(*row: Converted) -> Sequence[Converted]:
        return _over(ndim - 1, core, op, node, row)

    if all(shared):
        return [at.shape_padleft(x) for x in step(*rows)]
    made = gradc.vectorize(step, in_axes=[None if same else 0 for same in shared])(*rows)
    return list(made) if isinstance(made, (list, tuple)) else [made]


@batched_row("tensor.slinalg.Cholesky")
def _cholesky(op: Cholesky, node: Apply, x: Converted) -> Converted:
    return linalg.cholesky(x, lower=op.lower, on_error="nan")


@batched_row("tensor.slinalg.SolveTriangular")
def _solve_triangular(op: SolveTriangular, node: Apply, a: Converted, b: Converted) -> Converted:
    return linalg.solve_triangular(a, b, lower=op.lower, unit_diagonal=op.unit_diagonal, b_ndim=op.b_ndim)


@batched_row("tensor.slinalg.CholeskySolve")
def _cholesky_solve(op: CholeskySolve, node: Apply, c: Converted, b: Converted) -> Converted:
    return linalg.cho_solve((c, op.lower), b, b_ndim=op.b_ndim)


@batched_row("tensor.slinalg.Solve")
def _solve(op: Solve, node: Apply, a: Converted, b: Converted) -> Converted:
    return linalg.solve(a, b, assume_a=op.assume_a, lower=op.lower, b_ndim=op.b_ndim)


@batched_row("tensor.slinalg.LU")
def _lu(op: LU, node: Apply, a: Converted) -> Sequence[Converted]:
    return list(linalg.lu(a, permute_l=op.permute_l, p_indices=op.p_indices))


@batched_row("tensor.slinalg.LUFactor")
def _lu_factor(op: Op, node: Apply, a: Converted) -> Sequence[Converted]:
    return list(linalg.lu_factor(a))


@row("tensor.slinalg.PivotToPermutations", "tensor.linalg.decomposition.lu.PivotToPermutations")
def _permutation(op: Any, node: Apply, pivots: Converted) -> Converted:
    def swapped(i: Converted, j: Converted, p: Converted) -> Converted:
        return at.set_subtensor(at.set_subtensor(p[i], p[j])[j], p[i])

    count = at.arange(pivots.shape[0])
    made, _ = gradc.scan(swapped, sequences=[count, at.cast(pivots, "int64")], outputs_info=[count])
    return made[-1] if op.inverse else at.argsort(made[-1])


@batched_row("tensor.slinalg.QR")
def _qr(op: QR, node: Apply, a: Converted) -> Converted | Sequence[Converted]:
    if op.pivoting or op.mode not in ("full", "economic", "r"):
        return performed(op, node, a)
    made = linalg.qr(a, mode={"full": "complete", "economic": "reduced", "r": "r"}[op.mode])
    return list(made) if isinstance(made, tuple) else made


@batched_row("tensor.slinalg.Eigvalsh")
def _eigvalsh(op: Eigvalsh, node: Apply, a: Converted, b: Converted = None) -> Converted:
    return linalg.eigvalsh(a, b, lower=op.lower)


@batched_row("tensor.slinalg.Expm")
def _expm(op: Op, node: Apply, a: Converted) -> Converted:
    return linalg.expm(a)


@row("tensor.slinalg.BaseBlockDiagonal")
def _block_diagonal(op: Op, node: Apply, *parts: Converted) -> Converted:
    return at.block_diag(*parts)


@batched_row("tensor.nlinalg.MatrixInverse")
def _inverse(op: Op, node: Apply, a: Converted) -> Converted:
    return linalg.inv(a)


@batched_row("tensor.nlinalg.MatrixPinv")
def _pinv(op: MatrixPinv, node: Apply, a: Converted) -> Converted:
    return linalg.pinv(a, hermitian=op.hermitian)


@batched_row("tensor.nlinalg.Det")
def _det(op: Op, node: Apply, a: Converted) -> Converted:
    return linalg.det(a)


@batched_row("tensor.nlinalg.SLogDet")
def _slogdet(op: Op, node: Apply, a: Converted) -> Sequence[Converted]:
    return list(linalg.slogdet(a))


@batched_row("tensor.nlinalg.Eigh")
def _eigh(op: Eigh, node: Apply, a: Converted) -> Sequence[Converted]:
    lower = op.lower if hasattr(op, "lower") else op.UPLO == "L"       # PyTensor 3, PyTensor 2
    return list(linalg.eigh(a, lower=lower))


@batched_row("tensor.nlinalg.SVD")
def _svd(op: SVD, node: Apply, a: Converted) -> Converted | Sequence[Converted]:
    made = linalg.svd(a, full_matrices=op.full_matrices, compute_uv=op.compute_uv)
    return list(made) if isinstance(made, tuple) else made


@batched_row("tensor.nlinalg.EighGrad")
def _eigh_gradient(op: EighGrad, node: Apply, x: Converted, w: Converted, v: Converted, gw: Converted,
                   gv: Converted) -> Converted:
    """The adjoint of a symmetric matrix's spectrum (Giles 2008, 3.1), as a function of one triangle."""
    count = at.arange(w.shape[-1])
    same = at.eq(count[:, None], count)
    gaps = at.switch(same, 1, w[..., None, :] - w[..., :, None])
    inner = at.switch(same, gw[..., None, :], at.matmul(at.matrix_transpose(v), gv) / gaps)
    g = at.matmul(at.matmul(v, inner), at.matrix_transpose(v))
    lower, upper = at.tril(g, -1), at.triu(g, 1)
    diagonal = g - lower - upper
    if op.UPLO == "L":
        return diagonal + lower + at.matrix_transpose(upper)
    return diagonal + upper + at.matrix_transpose(lower)


# BLAS Ops are rewritten into graphs only where the mode says so; a user may build them

@row("tensor.blas.Dot22")
def _dot22(op: Op, node: Apply, x: Converted, y: Converted) -> Converted:
    return at.dot(x, y)


@row("tensor.blas.Dot22Scalar")
def _dot22_scalar(op: Op, node: Apply, x: Converted, y: Converted, a: Converted) -> Converted:
    return a * at.dot(x, y)


@row("tensor.blas.Gemm")
def _gemm(op: Op, node: Apply, z: Converted, a: Converted, x: Converted, y: Converted, b: Converted) -> Converted:
    return b * z + a * at.dot(x, y)


@row("tensor.blas.Gemv")
def _gemv(op: Op, node: Apply, y: Converted, a: Converted, matrix: Converted, x: Converted, b: Converted) -> Converted:
    return b * y + a * at.dot(matrix, x)


@row("tensor.blas.Ger")
def _ger(op: Op, node: Apply, matrix: Converted, a: Converted, x: Converted, y: Converted) -> Converted:
    return matrix + a * at.outer(x, y)


@row("tensor.blas.BatchedDot")
def _batched_dot(op: Op, node: Apply, x: Converted, y: Converted) -> Converted:
    return at.batched_dot(x, y)
