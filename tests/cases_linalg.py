"""Products and linear algebra."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import gradc.tensor as at
from tests.cases_base import M43, SQUARE, T3, Arg, Case, M, S, V


def solved(a: np.ndarray, b: np.ndarray, lower: bool, trans: Any, unit: bool, b_ndim: int | None) -> np.ndarray:
    """A triangular system by elimination with the whole matrix that the triangle stands for."""
    whole = np.tril(a) if lower else np.triu(a)
    if unit:
        whole = whole * (1 - np.eye(a.shape[-1])) + np.eye(a.shape[-1])
    if trans:
        whole = np.swapaxes(whole, -1, -2)
    vectors = b.ndim == 1 or b_ndim == 1
    x = np.linalg.solve(whole, b[..., None] if vectors else b)
    return x[..., 0] if vectors else x


PRODUCTS: list[Case] = [
    *[
        Case("dot", at.dot, np.dot, args, label=" ".join(str(a.shape) for a in args))
        for args in ((V, V), (M, V), (Arg((3,)), M), (M, M43), (T3, M43), (S, M), (T3, V), (M43, T3))
    ],
    *[
        Case("matmul", at.matmul, np.matmul, args, label=" ".join(str(a.shape) for a in args))
        for args in (
            (V, V),
            (M, V),
            (Arg((3,)), M),
            (M, M43),
            (T3, M43),
            (T3, Arg((2, 4, 5))),
            (Arg((1, 2, 3), static=(1, None, None)), T3),
            (Arg((1, 2, 3), static=(1, None, None)), Arg((1, 3, 4), static=(1, None, None))),
        )
    ],
    Case("outer", at.outer, np.outer, (V, M)),
    Case("inner", at.inner, np.inner, (T3, M)),
    Case("vdot", at.vdot, np.vdot, (M, M)),
    Case("vecdot", at.vecdot, lambda x, y: (x * y).sum(-1), (M, M)),
    Case("matvec", at.matvec, lambda x, y: (x @ y[..., None])[..., 0], (T3, V)),
    Case("vecmat", at.vecmat, lambda x, y: (x[..., None, :] @ y)[..., 0, :], (Arg((3,)), T3)),
    *[
        Case("tensordot", partial(at.tensordot, axes=a), partial(np.tensordot, axes=a), args, label=str(a))
        for a, args in ((0, (V, M)), (1, (M, M43)), (2, (T3, Arg((3, 4, 2)))), ([[0, 1], [1, 0]], (T3, Arg((3, 2)))))
    ],
    Case("batched_dot", at.batched_dot, np.matmul, (T3, Arg((2, 4, 3)))),
    *[
        Case(
            "linalg.cholesky",
            partial(at.linalg.cholesky, lower=lower, on_error=on_error),
            np.linalg.cholesky if lower else lambda a: np.swapaxes(np.linalg.cholesky(a), -1, -2),
            (Arg(shape, "positive_definite"),),
            label=f"{shape} {'lower' * lower} {on_error}",
        )
        for shape, lower, on_error in (((4, 4), True, "raise"), ((3, 3), False, "raise"), ((2, 3, 3), False, "nan"),
                                       ((2, 1, 3, 3), True, "raise"))
    ],
    *[
        Case(
            "linalg.solve_triangular",
            partial(at.linalg.solve_triangular, lower=lower, trans=trans, unit_diagonal=unit, b_ndim=ndim),
            partial(solved, lower=lower, trans=trans, unit=unit, b_ndim=ndim),
            (Arg(a, "triangles"), Arg(b, static=static)),
            label=f"{a} {b} {'lower' * lower} {trans} {'unit' * unit}",
        )
        for a, b, static, lower, trans, unit, ndim in (
            ((4, 4), (4, 3), None, True, 0, False, None), ((4, 4), (4,), None, False, 1, False, None),
            ((2, 4, 4), (4, 3), None, False, 0, True, None),
            ((2, 4, 4), (1, 4, 2), (1, None, None), True, "T", False, None),
            ((2, 4, 4), (2, 4), None, True, 0, False, 1), ((4, 4), (3, 4, 1), None, True, 1, True, None),
        )
    ],
    Case("batched_dot", at.batched_dot, lambda x, y: (x * y).sum(1), (M, M), label="vectors"),
    Case("batched_dot", at.batched_dot, lambda x, y: x[:, None] * y, (Arg((3,)), M), label="scalars"),
    Case(
        "batched_tensordot",
        lambda x, y: at.batched_tensordot(x, y, [[1, 2], [2, 1]]),
        lambda x, y: np.einsum("bij,bji->b", x, y),
        (T3, Arg((2, 4, 3))),
    ),
    *[
        Case("einsum", partial(at.einsum, s), partial(np.einsum, s), args, label=s)
        for s, args in (
            ("ij,jk->ik", (M, M43)),
            ("ij,jk", (M, M43)),
            ("ij->ji", (M,)),
            ("ij->", (M,)),
            ("ij->j", (M,)),
            ("ii->i", (SQUARE,)),
            ("ii", (SQUARE,)),
            ("bij,jk,k->bi", (T3, M43, Arg((3,)))),
            ("...ij,jk->...ik", (T3, M43)),
            ("i,j->ij", (V, V)),
            ("ij,kl->ik", (M, M43)),
            ("bij,bjk,kl,l->bi", (T3, Arg((2, 4, 3)), M, V)),
        )
    ],
]
