"""Linear algebra: factors, systems, spectra.  Signs of vectors that are free are chosen as gradc chooses them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg

import gradc.tensor as at
from gradc.tensor import linalg
from tests.cases_base import Arg, Case

Array = np.ndarray


def T(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


def H(x: Array) -> Array:
    return T(x).conj()


def adjoint(x: Any) -> Any:
    """The same of a variable."""
    return at.conj(x.mT) if x.dtype.startswith("complex") else x.mT


def hermitian(a: Array) -> Array:
    """The matrix of which a has the lower triangle."""
    return np.tril(a) + H(np.tril(a, -1)) - 1j * np.diag(np.diag(a).imag) if np.iscomplexobj(a) else np.tril(a) + T(
        np.tril(a, -1))


def each(f: Callable[..., Any], *ranks: int) -> Callable[..., Any]:
    """`f` for each index of the batch; ranks: of the cores of the arguments."""
    def mapped(*xs: Array) -> Any:
        batch = np.broadcast_shapes(*[x.shape[:x.ndim - r] for x, r in zip(xs, ranks)])
        if not batch:
            return f(*xs)
        whole = [np.broadcast_to(x, (*batch, *x.shape[x.ndim - r:])) for x, r in zip(xs, ranks)]
        rows = [f(*[x[place] for x in whole]) for place in np.ndindex(batch)]
        if isinstance(rows[0], (tuple, list)):
            return [np.stack(row).reshape(*batch, *np.shape(row[0])) for row in zip(*rows)]
        return np.stack(rows).reshape(*batch, *np.shape(rows[0]))
    return mapped


def signed(vectors: Array) -> Array:
    """For each column what makes the first element not smaller than 0.6 of the largest a positive number."""
    sizes = np.abs(vectors)
    first = np.argmax(sizes >= 0.6 * sizes.max(-2, keepdims=True), -2)
    chosen = np.take_along_axis(vectors, first[..., None, :], -2)
    return chosen.conj() / np.abs(chosen)


def spectrum(a: Array, lower: bool = True) -> tuple[Array, Array]:
    w, v = np.linalg.eigh(a, "L" if lower else "U")
    return w, v * signed(v)


def compact_svd(a: Array) -> tuple[Array, Array, Array]:
    u, s, v = np.linalg.svd(a, full_matrices=False)
    return u * signed(u), s, v * H(signed(u))


def complex_spectrum(a: Array) -> tuple[Array, Array]:
    w, v = np.linalg.eig(a)
    sizes = np.abs(v)
    place = np.argmax(sizes >= 0.6 * sizes.max(-2, keepdims=True), -2, keepdims=True)
    first = np.take_along_axis(v, place, -2)
    return w.astype(complex), v / (first / np.abs(first)).astype(complex)


def of_schur(a: Any) -> list[Any]:
    """What is determined: the product, that z is orthogonal, and where there is nothing."""
    t, z = linalg.schur(a)
    return [z @ t @ adjoint(z), 1 + z @ adjoint(z), at.tril(t, -2)]


def projector(x: Array) -> Array:
    """On the space of the columns: what does not depend on the choice of a basis."""
    return x @ H(x)


def whole_svd(a: Any) -> list[Any]:
    """What of full factors is determined."""
    u, s, v = linalg.svd(a)
    k = s.shape[-1]
    return [u[..., :k], s, v[..., :k, :], u[..., k:] @ adjoint(u[..., k:]), adjoint(v[..., k:, :]) @ v[..., k:, :]]


def whole_svd_of(a: Array) -> list[Array]:
    u, s, v = np.linalg.svd(a)
    k = s.shape[-1]
    return [*compact_svd(a), projector(u[..., k:]), projector(H(v[..., k:, :]))]


def whole_qr(a: Any) -> list[Any]:
    q, r = linalg.qr(a, "complete")
    k = min(2, 3) if a.type.shape[-1] == 2 else None
    return [q[..., :k], r, q[..., k:] @ adjoint(q[..., k:])] if k else [q, r]


def systems(a: Array, b: Array, assumed: str, lower: bool, transposed: bool, b_ndim: int | None) -> Array:
    if assumed in ("sym", "pos", "symmetric"):
        half = np.tril(a) if lower else np.triu(a)
        a = half + (H if assumed == "pos" else T)(half) - a * np.eye(a.shape[-1])
    elif assumed != "gen":
        a = {"d": a * np.eye(a.shape[-1]), "t": np.tril(np.triu(a, -1), 1), "l": np.tril(a),
             "u": np.triu(a)}[assumed[0]]
    vectors = b.ndim == 1 or b_ndim == 1
    x = np.linalg.solve(T(a) if transposed else a, b[..., None] if vectors else b)
    return x[..., 0] if vectors else x


def ldl_of(a: Array, lower: bool) -> Any:
    return scipy.linalg.ldl(a, lower) if a.size else [a, a, np.zeros(0, np.int64)]


def invertible(*shape: int) -> Arg:
    return Arg(shape, "triangles")


SQUARE, BATCH = invertible(4, 4), invertible(2, 4, 4)
POSITIVE = Arg((4, 4), "positive_definite")
TALL, WIDE = Arg((4, 3)), Arg((3, 4))
LOOSE = 1e-9            # vectors: as exact as gaps between values are large

LINALG: list[Case] = [
    *[Case(f"linalg.{name}", getattr(linalg, name), getattr(np.linalg, name), (arg,), label=str(arg.shape))
      for name in ("inv", "det", "slogdet") for arg in (SQUARE, BATCH, invertible(2, 1, 3, 3))],
    *[
        Case("linalg.solve", partial(linalg.solve, assume_a=assumed, lower=lower, transposed=trans, b_ndim=ndim),
             partial(systems, assumed=assumed, lower=lower, transposed=trans, b_ndim=ndim),
             (Arg(a, "positive_definite" if assumed == "pos" else "triangles"), Arg(b)),
             label=f"{a} {b} {assumed} {'lower' * lower} {'transposed' * trans}")
        for a, b, assumed, lower, trans, ndim in (
            ((4, 4), (4, 3), "gen", False, False, None), ((4, 4), (4,), "gen", False, True, None),
            ((2, 4, 4), (4, 3), "gen", False, True, None), ((4, 4), (2, 4), "gen", False, False, 1),
            ((2, 4, 4), (2, 4), "pos", False, False, 1), ((4, 4), (2, 4, 3), "pos", True, True, None),
            ((4, 4), (4,), "sym", False, False, None), ((4, 4), (4, 3), "sym", True, False, None),
            ((4, 4), (4, 3), "diagonal", False, False, None), ((2, 4, 4), (4, 3), "tridiagonal", False, True, None),
            ((4, 4), (4,), "tridiagonal", False, False, None), ((4, 4), (4,), "symmetric", True, False, None),
            ((4, 4), (4,), "lower triangular", False, True, None),
            ((2, 4, 4), (4, 3), "upper triangular", False, False, None),
        )
    ],
    *[Case("linalg.cho_solve", lambda c, b, lower=lower: linalg.cho_solve((c, lower), b),
           lambda c, b, lower=lower: scipy.linalg.cho_solve((c, lower), b), (SQUARE, b), label=f"{lower} {b.shape}")
      for lower, b in ((True, Arg((4, 3))), (False, Arg((4,))))],
    Case("linalg.cho_factor", lambda a: linalg.cho_factor(a)[0], lambda a: H(np.linalg.cholesky(a)), (POSITIVE,)),
    *[Case(f"linalg.{name}", getattr(linalg, name), lambda a, b, of=of: np.linalg.solve(of(a), b),
           (SQUARE, Arg((4, 3)))) for name, of in (("solve_lower_triangular", np.tril),
                                                   ("solve_upper_triangular", np.triu))],
    *[Case("linalg.lu_factor", linalg.lu_factor, each(scipy.linalg.lu_factor, 2), (a,), label=str(a.shape))
      for a in (SQUARE, Arg((4, 4)), Arg((2, 3, 3)))],
    *[Case("linalg.lu", partial(linalg.lu, **options), lambda a, options=options: scipy.linalg.lu(a, **options), (a,),
           label=f"{a.shape} {options}")
      for a, options in ((Arg((4, 4)), {}), (Arg((2, 3, 3)), {}), (Arg((4, 4)), {"permute_l": True}),
                         (Arg((4, 4)), {"p_indices": True}), (TALL, {}), (WIDE, {}),
                         (Arg((2, 4, 3)), {"permute_l": True}), (Arg((2, 4), static=(2, 4)), {"p_indices": True}),
                         (Arg((4, 2), static=(4, 2)), {}))],
    *[Case("linalg.ldl", partial(linalg.ldl, lower=lower), each(partial(ldl_of, lower=lower), 2), (a,), rtol=LOOSE,
           label=f"{a.shape} {lower}")
      for a, lower in ((Arg((4, 4)), True), (Arg((5, 5)), False), (Arg((2, 3, 3)), True), (POSITIVE, True))],
    *[Case("linalg.lu_solve", lambda a, b, trans=trans: linalg.lu_solve((a, [2, 3, 2, 3]), b, trans),
           lambda a, b, trans=trans: scipy.linalg.lu_solve((a, [2, 3, 2, 3]), b, trans),
           (Arg((4, 4), "triangles", static=(4, 4)), b), label=f"{trans} {b.shape}")
      for trans, b in ((0, Arg((4, 3))), (1, Arg((4,))))],
    *[Case("linalg.solve_banded", partial(linalg.solve_banded, bands), partial(scipy.linalg.solve_banded, bands),
           (Arg((sum(bands) + 1, 4), "positive", static=(sum(bands) + 1, None)), b), rtol=LOOSE,
           label=f"{bands} {b.shape}")
      for bands, b in (((1, 1), Arg((4, 3))), ((2, 0), Arg((4,))), ((0, 1), Arg((4, 2))), ((1, 2), Arg((4,))))],
    Case("linalg.solve_banded", lambda ab, b: linalg.solve_banded((1, 1), ab, b),
         each(lambda ab, b: scipy.linalg.solve_banded((1, 1), ab, b), 2, 2), (
             Arg((2, 3, 4), static=(None, 3, None)), Arg((4, 3))), label="batch"),
    *[Case("linalg.toeplitz", linalg.toeplitz, scipy.linalg.toeplitz, args, label=str(len(args)))
      for args in ((Arg((4,)), Arg((3,))), (Arg((4,)),))],
    Case("linalg.solve_toeplitz", lambda c, b: linalg.solve_toeplitz(c, b),
         lambda c, b: np.linalg.solve(scipy.linalg.toeplitz(c), b), (Arg((4,)), Arg((4, 3))), rtol=LOOSE),
    # orthogonal factors
    *[Case("linalg.qr", linalg.qr, np.linalg.qr, (a,), label=f"{a.shape} {a.static}")
      for a in (TALL, WIDE, Arg((3, 3)), Arg((2, 4, 3)), Arg((4, 3), static=(4, 3)), Arg((3, 4), static=(3, 4)))],
    Case("linalg.qr", partial(linalg.qr, mode="r"), partial(np.linalg.qr, mode="r"), (TALL,), label="r"),
    Case("linalg.qr", partial(linalg.qr, mode="complete"), partial(np.linalg.qr, mode="complete"),
         (Arg((3, 4), static=(3, 4)),), label="complete wide"),
    Case("linalg.qr", whole_qr, lambda a: [np.linalg.qr(a)[0], np.linalg.qr(a, "complete")[1],
                                           projector(np.linalg.qr(a, "complete")[0][..., 2:])],
         (Arg((4, 2), static=(4, 2)),), label="complete tall"),
    # symmetric matrices
    *[Case("linalg.eigh", partial(linalg.eigh, lower=lower), partial(spectrum, lower=lower), (a,), rtol=LOOSE,
           label=f"{a.shape} {lower}")
      for a, lower in ((Arg((4, 4)), True), (Arg((3, 3)), False), (Arg((2, 3, 3)), True))],
    *[Case("linalg.eigvalsh", partial(linalg.eigvalsh, lower=lower), partial(np.linalg.eigvalsh, UPLO="UL"[lower]),
           (a,), rtol=LOOSE, label=f"{a.shape} {lower}")
      for a, lower in ((Arg((4, 4)), True), (Arg((2, 3, 3)), False))],
    Case("linalg.eigh", lambda a, b: [x * at.conj(x) if x.dtype.startswith("complex") else x ** 2
                                              for x in linalg.eigh(a, b)],
         lambda a, b: [x * x.conj() for x in scipy.linalg.eigh(a, b)] if a.size else np.linalg.eigh(a),
         (Arg((4, 4)), POSITIVE), rtol=LOOSE, label="generalized"),
    Case("linalg.eigvalsh", lambda a, b: linalg.eigvalsh(a, b, False),
         lambda a, b: scipy.linalg.eigvalsh(a, b, lower=False) if a.size else np.linalg.eigvalsh(a),
         (Arg((4, 4)), POSITIVE), rtol=LOOSE, label="generalized"),
    # singular values
    *[Case("linalg.svd", partial(linalg.svd, full_matrices=False), compact_svd, (a,), rtol=LOOSE, label=f"{a.shape}")
      for a in (TALL, WIDE, Arg((3, 3)), Arg((2, 4, 3)))],
    *[Case("linalg.svd", whole_svd, whole_svd_of, (a,), rtol=LOOSE, label=f"{a.shape} whole {a.static}")
      for a in (Arg((4, 2)), Arg((2, 3), static=(2, 3)), Arg((2, 4, 2)))],
    *[Case("linalg.svdvals", linalg.svdvals, partial(np.linalg.svd, compute_uv=False), (a,), rtol=LOOSE,
           label=f"{a.shape}") for a in (TALL, Arg((2, 3, 4)))],
    Case("linalg.svd", partial(linalg.svd, compute_uv=False), partial(np.linalg.svd, compute_uv=False), (WIDE,),
         rtol=LOOSE, label="values"),
    # powers, products, norms
    *[Case("linalg.matrix_power", partial(linalg.matrix_power, n=n), partial(np.linalg.matrix_power, n=n), (a,),
           label=f"{a.shape} {n}") for a, n in ((SQUARE, 5), (BATCH, 0), (BATCH, -2), (SQUARE, 1))],
    Case("linalg.multi_dot", lambda *xs: linalg.multi_dot(xs), lambda *xs: np.linalg.multi_dot(xs),
         (Arg((4,)), Arg((4, 3)), Arg((3, 2)), Arg((2, 4)))),
    Case("linalg.matrix_dot", linalg.matrix_dot, lambda a, b, c: a @ b @ c, (Arg((3, 4)), Arg((4, 2)), Arg((2, 3)))),
    *[Case("linalg.norm", partial(linalg.norm, ord=p, axis=axis, keepdims=keep),
           partial(np.linalg.norm, ord=p, axis=axis, keepdims=keep), (a,), rtol=LOOSE,
           label=f"{a.shape} {p} {axis} {keep}", grad="complex" if p in (None, "fro", 2, -2, "nuc") else "difference")
      for a, p, axis, keep in ((TALL, 2, None, False), (TALL, -2, (0, 1), True), (Arg((2, 3, 4)), "nuc", (2, 0), True),
                               (Arg((2, 3, 4)), 2, (0, 2), False), (WIDE, "fro", None, False), (WIDE, None, None, True),
                               (WIDE, 3, 1, False), (WIDE, -np.inf, None, False), (Arg((4,)), 1, None, False))],
    *[Case("linalg.cond", partial(linalg.cond, p=p), partial(np.linalg.cond, p=p), (a,), rtol=LOOSE,
           label=f"{a.shape} {p}", grad="complex" if p in (None, -2, "fro") else "difference")
      for a, p in ((SQUARE, None), (TALL, -2), (BATCH, 1), (SQUARE, "fro"), (SQUARE, -np.inf))],
    # least squares
    *[Case("linalg.pinv", linalg.pinv, np.linalg.pinv, (a,), rtol=LOOSE, label=str(a.shape))
      for a in (TALL, WIDE, Arg((2, 4, 3)))],
    Case("linalg.pinv", lambda a: linalg.pinv(a, 0.5), lambda a: np.linalg.pinv(a, 0.5), (TALL,), rtol=LOOSE,
         label="rank lost", grad="none"),
    Case("linalg.pinv", partial(linalg.pinv, hermitian=True), lambda a: np.linalg.pinv(hermitian(a)),
         (SQUARE,), rtol=LOOSE, label="hermitian"),
    *[Case("linalg.lstsq", lambda a, b: linalg.lstsq(a, b)[:2], lambda a, b: [
        np.linalg.lstsq(a, b)[0], np.atleast_1d(
            (np.abs(b - a @ np.linalg.lstsq(a, b)[0]) ** 2).sum(0))], (TALL, b), rtol=LOOSE,
        label=str(b.shape)) for b in (Arg((4, 2)), Arg((4,)))],
    Case("linalg.lstsq", lambda a, b: linalg.lstsq(a, b)[2:], lambda a, b: np.linalg.lstsq(a, b)[2:], (
        WIDE, Arg((3,))), rtol=LOOSE, label="rank and values", wrt=(0,)),
    *[Case("linalg.matrix_rank", partial(linalg.matrix_rank, **o), partial(np.linalg.matrix_rank, **o), (a,),
           grad="none", label=f"{a.shape} {o}")
      for a, o in ((TALL, {}), (Arg((2, 3, 4)), {}), (WIDE, {"tol": 2.0}), (POSITIVE, {"hermitian": True}))],
    Case("linalg.tensorsolve", linalg.tensorsolve, np.linalg.tensorsolve, (Arg((2, 3, 6)), Arg((2, 3)))),
    Case("linalg.tensorsolve", partial(linalg.tensorsolve, axes=(0,)), partial(np.linalg.tensorsolve, axes=(0,)),
         (Arg((6, 2, 3)), Arg((2, 3))), label="axes"),
    *[Case("linalg.tensorinv", partial(linalg.tensorinv, ind=k), partial(np.linalg.tensorinv, ind=k), (a,),
           label=str(k)) for k, a in ((2, Arg((2, 3, 3, 2))), (1, Arg((6, 2, 3))))],
    # functions of matrices
    *[Case("linalg.expm", linalg.expm, scipy.linalg.expm, (a,), rtol=LOOSE, label=str(a.shape))
      for a in (Arg((3, 3)), Arg((2, 4, 4)))],
    *[Case(f"linalg.{name}", partial(getattr(linalg, name), hermitian=symmetric), each(getattr(scipy.linalg, name), 2),
           (Arg(shape, "positive_definite" if symmetric else "triangles"),), "complex" if symmetric else "difference",
           rtol=LOOSE, label=f"{shape} {symmetric}")
      for name, shape, symmetric in (("sqrtm", (2, 3, 3), True), ("logm", (4, 4), True), ("sqrtm", (4, 4), False),
                                     ("sqrtm", (2, 3, 3), False), ("logm", (2, 3, 3), False))],
    Case("linalg.schur", of_schur, lambda a: [a, 1 + np.eye(4) + 0 * a, 0 * a], (Arg((2, 4, 4)),), "none", rtol=LOOSE),
    *[Case("linalg.eig", linalg.eig, complex_spectrum, (arg,), "difference", rtol=LOOSE, label=f"{arg.shape}")
      for arg in (SQUARE, Arg((2, 3, 3)))],
    Case("linalg.eigvals", lambda a, d: linalg.eigvals(a / 40 + d * at.eye(d.shape[0])),
         lambda a, d: np.linalg.eigvals(a / 40 + np.diag(d)).astype(complex),
         (Arg((3, 3), "unit"), Arg((3,), "distinct")), "difference", rtol=LOOSE),
    # matrix equations
    *[Case("linalg.solve_sylvester", linalg.solve_sylvester, each(scipy.linalg.solve_sylvester, 2, 2, 2),
           (a, b, q), rtol=LOOSE, label=f"{a.shape} {q.shape}")
      for a, b, q in ((SQUARE, invertible(3, 3), Arg((4, 3))), (BATCH, invertible(3, 3), Arg((4, 3))))],
    Case("linalg.solve_continuous_lyapunov", linalg.solve_continuous_lyapunov, scipy.linalg.solve_continuous_lyapunov,
         (SQUARE, Arg((4, 4))), rtol=LOOSE),
    Case("linalg.solve_discrete_lyapunov", linalg.solve_discrete_lyapunov, scipy.linalg.solve_discrete_lyapunov,
         (SQUARE, Arg((4, 4))), rtol=LOOSE),
    *[Case("linalg.solve_discrete_are", lambda a, b, q, r: linalg.solve_discrete_are(a / 8, b, q, r),
           each(lambda a, b, q, r: scipy.linalg.solve_discrete_are(a / 8, b, q, r) if a.size and b.size else q,
                2, 2, 2, 2), (
        Arg(shape, "triangles", static=shape), Arg((4, 2), static=(4, 2)),
        POSITIVE, Arg((2, 2), "positive_definite")), rtol=1e-8, label=str(shape)) for shape in ((4, 4), (2, 4, 4))],
]
