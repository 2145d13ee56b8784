"""Products and linear algebra."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import gradc.tensor as at
from tests.cases_base import M43, SQUARE, T3, Arg, Case, M, S, V

CUBE = Arg((4, 4, 4))


def lists(einsum: Any, labels: tuple[list[Any], ...], *operands: Any) -> Any:
    """einsum with a list of labels after each operand."""
    return einsum(*[x for pair in zip(operands, labels) for x in pair], *[list(out) for out in labels[len(operands):]])


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
    Case("vecdot", at.vecdot, lambda x, y: (x.conj() * y).sum(-1), (M, M)),
    Case("matvec", at.matvec, lambda x, y: (x @ y[..., None])[..., 0], (T3, V)),
    Case("vecmat", at.vecmat, lambda x, y: (x.conj()[..., None, :] @ y)[..., 0, :], (Arg((3,)), T3)),
    *[
        Case("tensordot", partial(at.tensordot, axes=a), partial(np.tensordot, axes=a), args, label=str(a))
        for a, args in ((0, (V, M)), (1, (M, M43)), (2, (T3, Arg((3, 4, 2)))), ([[0, 1], [1, 0]], (T3, Arg((3, 2)))))
    ],
    Case("batched_dot", at.batched_dot, np.matmul, (T3, Arg((2, 4, 3)))),
    *[
        Case(
            "linalg.cholesky",
            partial(at.linalg.cholesky, lower=lower, on_error=on_error),
            np.linalg.cholesky if lower else lambda a: np.swapaxes(np.linalg.cholesky(a), -1, -2).conj(),
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
            (" i j , j k -> k i ", (M, M43)),
            ("bA,Ac->cb", (M, M43)),
            ("cb,Ab", (M, M)),
            ("...", (M,)),
            ("...ij->...ji", (T3,)),
            ("i...,i...->...", (T3, T3)),
            ("...i,...i", (T3, M)),
            ("ij...,...k->k...ij", (T3, V)),
            ("a...b->ba...", (T3,)),
            ("iij->j", (CUBE,)),
            ("iii->i", (CUBE,)),
            ("iji,jk->ki", (CUBE, SQUARE)),
            ("ii,jj->ij", (SQUARE, SQUARE)),
            ("ij,ij,ij->i", (M, M, M)),
            ("ij,jk,kl,lm->im", (M, M43, M, M43)),
            ("i,j,k->kji", (V, Arg((2,)), Arg((3,)))),
            ("ab,cb,ad->", (M, M, M)),
            (",ij,->ij", (S, M, S)),
            ("ij,ij->ij", (M, Arg((1, 4), static=(1, None)))),
            ("ij,jk->ik", (M, Arg((1, 2), static=(1, 2)))),
            ("bij,bjk,k->bi", (Arg((1, 3, 4), static=(1, None, None)), Arg((2, 4, 3)), Arg((3,), static=(3,)))),
            ("ij,jk,kl->il", (Arg((0, 4)), M43, Arg((3, 0), static=(3, 0)))),
        )
    ],
    *[
        Case("einsum", partial(lists, at.einsum, labels), partial(lists, np.einsum, labels), args, label=str(labels))
        for labels, args in (
            (([0, 1], [1, 2]), (M, M43)), (([3, 1], [1, 51], [51, 3]), (M, M43)), (([0, 0],), (SQUARE,)),
            (([..., 1], [1], [...]), (T3, V)), (([2, ...], [..., 2]), (T3, Arg((2,)))), (([], [1]), (S, V)),
        )
    ],
    *[
        Case("einsum", partial(at.einsum, "ij,jk,kl,l->i", optimize=how),
             partial(np.einsum, "ij,jk,kl,l->i", optimize=True), (M, M43, M, V), label=f"optimize={how}")
        for how in (True, False, "optimal", ("greedy", 12), ["einsum_path", (2, 3), (0, 2), (0, 1)],
                    ["einsum_path", (0, 1, 2, 3)])
    ],
    *[
        Case("tensordot", partial(at.tensordot, axes=axes), partial(np.tensordot, axes=axes), (T3, y), label=f"{axes}")
        for axes, y in (([[-1, 0], [-2, -1]], Arg((3, 4, 2))), ((-1, 0), M43))
    ],
    *[
        Case("batched_tensordot", partial(at.batched_tensordot, axes=axes), partial(np.einsum, form), (T3, y),
             label=form)
        for axes, form, y in ((1, "bij,bjk->bik", Arg((2, 4, 5))), (2, "bij,bij->b", T3),
                              (0, "bij,bk->bijk", Arg((2, 3))), ([[-2], [-1]], "bij,bki->bjk", Arg((2, 5, 3))))
    ],
    Case("batched_dot", at.batched_dot, lambda x, y: np.einsum("bij,bj->bi", x, y), (T3, Arg((2, 4))), label="matvec"),
    Case("batched_dot", at.batched_dot, lambda x, y: np.einsum("bj,bjk->bk", x, y), (Arg((2, 3)), T3), label="vecmat"),
    Case("inner", at.inner, np.inner, (S, M), label="scalar"),
    *[
        Case(name, getattr(at, name), getattr(np, name), args, label=" ".join(str(a.shape) for a in args))
        for name, args in (
            ("vecdot", (T3, M)), ("vecdot", (V, V)), ("vecdot", (Arg((2, 1, 4), static=(None, 1, None)), T3)),
            ("matvec", (M, V)), ("matvec", (T3, Arg((2, 4)))), ("matvec", (M, Arg((2, 4)))),
            ("matvec", (Arg((1, 3, 4), static=(1, 3, 4)), Arg((5, 4)))), ("vecmat", (Arg((2, 3)), T3)),
            ("vecmat", (Arg((3,)), M)), ("vecmat", (Arg((5, 1, 3), static=(None, 1, None)), T3)),
            ("matmul", (Arg((3,)), T3)), ("matmul", (T3, V)),
            ("matmul", (Arg((5, 1, 2, 3), static=(None, 1, None, None)), T3)),
        )
    ],
    *[
        Case(name, getattr(at, name), getattr(np, name), args, label=" ".join(a.dtype for a in args), rtol=1e-6,
             grad="none" if args[0].dtype == "float32" else "complex")
        for name, args in (
            ("dot", (M, Arg((4, 3), dtype="float32"))),
            ("dot", (Arg((3, 4), dtype="float32", static=(3, 4)), Arg((4, 3), "small", "int8", static=(4, 3)))),
            ("matmul", (Arg((2, 3, 4), "small", "int64"), M43)), ("matmul", (M, Arg((4, 3), "bools", "bool"))),
            ("inner", (Arg((3, 4), "integers", "int32"), Arg((3, 4), "integers", "int64"))),
            ("dot", (Arg((3, 4), "bools", "bool"), Arg((4, 3), "bools", "bool"))),
            ("matvec", (Arg((3, 4), dtype="float32"), V)),
        )
    ],
    # operands are cast to the common dtype before products, which do not overflow then
    Case("einsum", partial(at.einsum, "i,i,i->"), partial(np.einsum, "i,i,i->"),
         (Arg((4,), "hundreds", "int8"), Arg((4,), "hundreds", "int8"), V), label="int8 int8 float64"),
    Case("tensordot", partial(at.tensordot, axes=1), partial(np.tensordot, axes=1),
         (T3, Arg((4, 3), dtype="float32")), label="float64 float32", rtol=1e-6),
]
