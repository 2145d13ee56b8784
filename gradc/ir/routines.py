"""Routines: what is called, one row each, as `ir.scalars` has the elementwise functions.

A row says all that is asked of a call but its derivative (`autodiff.rules`): types, sizes, batching, the value in
NumPy, the C function of csrc and how it is given its arguments, what may fail.  Core dimensions are written as the
signature of a NumPy gufunc, "(m,m),(m,n)->(m,n)"; axes in front of them are a batch, and broadcast as those of a Map.
Results may also have the smaller of two, "(m,n)->(m,min(m,n)),(min(m,n),n)", and a number, which is that size.
Not here: `UserRoutine`'s run (`ir.callback`), what users write (`tensor.slinalg`, `tensor.random`, `ir.graph.Op`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, Literal

import numpy as np

from gradc import errors
from gradc.ir import complex_matrices, compressed, draws, dtypes, matrices, schur, transforms
from gradc.ir.distributions import DISTRIBUTIONS, Distribution, drawn, fault
from gradc.ir.matrices import Fault
from gradc.ir.snippet import ArraySnippet, snippet_of
from gradc.record import record

Core = tuple[str, ...]      # the core dimensions of an argument or result: names, numbers and "min(m,n)"
STATED = ("...",)           # as many axes as the call states sizes, after the batch; an argument has them all or none
GENERIC = {"float": dtypes.WIDE, "real": dtypes.DISCRETE + dtypes.FLOATS,       # dtypes that a word stands for
           "complex": dtypes.COMPLEX, "number": dtypes.WIDE + dtypes.COMPLEX}
MOST_SHOWN = 4              # values in the message of an error (csrc/include/gradc_runtime.h)


@record
class Routine:
    """A row.

    takes, gives  dtypes; a word of GENERIC: one of these, the same for all of them, "float" of the same precision as
                  "complex" or "number"; "state": that of a random generator
    value         of one core of each argument and the sizes stated, in NumPy (also of complex numbers, for the complex
                  step): the result, or a list of several; raises Fault
    of_complex    the same of complex numbers that are no step, where it is another
    c             name of the C function, without dtype; see `c_name`
    layouts       how each argument that the C function is given lies in memory: "C": in one piece; "matrix": rows or
                  columns in one piece, any distance from one to the next; "each": one value for all, or an array in
                  one piece.  Arguments after these it is not given: they tell what the value derives from
    options       numbers that the C function is given in front of those that sizes and layouts tell
    faults        error class and message of each status from 1 on that the C function returns; without them a call
                  does not fail, but gives nan.  Messages show the first `shown` values that it leaves in frame->error
    overwrites    the argument in whose memory the C function can leave the first result
    cost          names of core dimensions and numbers, of which the product is about its work in additions; () if that
                  follows the elements
    blas          does it use the library that config.blas chooses?
    works         does the C function ask for memory, and fail if there is none?
    title         what messages call it, where that is not its name
    positions     are its results positions along the first core dimension of its first argument?
    """

    name: str
    signature: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    value: Callable[..., Any]
    c: str
    layouts: tuple[str, ...]
    options: tuple[int, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()
    shown: int = 0
    overwrites: int | None = None
    cost: Core = ()
    blas: bool = False
    works: bool = False
    title: str = ""
    positions: bool = False
    of_complex: Callable[..., Any] | None = None

    repeatable = True               # gives the same results if it is run again
    snippet: ArraySnippet | None = None

    @property
    def cores(self) -> tuple[list[Core], list[Core]]:
        """Core dimensions of the arguments and of the results."""
        return parsed(self.signature)

    @property
    def labels(self) -> list[str]:
        """The core dimensions of which the C function is told the sizes, in order."""
        return list(dict.fromkeys([d for cores in self.cores for core in cores for d in core
                                   if not d.isdecimal() and not smaller(d)]))

    @property
    def count(self) -> int:
        """How many numbers the C function is given."""
        return len(self.options) + len(self.labels) + sum({"matrix": 2, "each": 1}.get(x, 0) for x in self.layouts)

    @property
    def generic(self) -> str:
        """The word of GENERIC among the dtypes that it takes, or ""."""
        return next((want for want in self.takes if want in GENERIC), "")

    @property
    def may_fail(self) -> bool:
        return bool(self.faults)

    @property
    def has_state(self) -> bool:
        return "state" in self.takes

    def c_name(self, dtype: str) -> str:
        """The number of its C function, a name of gradc_runtime.h; `dtype`: what its generic word stands for.

        Transforms are named by the parts of complex numbers.
        """
        part = dtype if self.generic == "number" else dtypes.REAL_PART.get(dtype, dtype)
        short = dtypes.SHORT[part] if self.generic else ""
        return f"GRADC_{self.c}_{short}".upper() if self.generic else f"GRADC_{self.c}".upper()

    def error(self, found: Fault, place: Sequence[int]) -> errors.GradcError:
        """The error that the interpreter raises at index `place` of the batch."""
        kind, _ = self.faults[found.number]
        message = self.message(found.number, len(place))
        return getattr(errors, kind)(errors.fill(message, [*found.values, *place]))

    def message(self, number: int, rank: int) -> str:
        """The message of a fault in a batch of that rank, a format string; the index follows the values shown."""
        text = self.faults[number][1]
        if not rank:
            return text
        room = self.room(rank)
        place = [f"{{{self.shown + k}}}" for k in range(room)] + ["..."] * (rank > room)
        return f"{text}, at index [{', '.join(place)}] of the batch"

    def room(self, rank: int) -> int:
        """How many axes of an index in a batch of that rank a message shows."""
        return min(rank, MOST_SHOWN - self.shown)

    def __str__(self) -> str:
        return self.name


def stands_for(word: str, dtype: str) -> str:
    """The dtype that `word` stands for where another generic word, or this one, stands for `dtype`."""
    if word not in GENERIC or not dtype or dtype in GENERIC[word]:
        return dtype if word in GENERIC else word
    pairs = {real: whole for whole, real in dtypes.REAL_PART.items()} if word == "complex" else dtypes.REAL_PART
    return pairs.get(dtype, dtype)


@cache
def parsed(signature: str) -> tuple[list[Core], list[Core]]:
    """The core dimensions in a signature."""
    label = r"min\(\w+,\w+\)|[\w.]+"
    left, right = [[tuple(re.findall(label, core)) for core in re.findall(rf"\(((?:{label}|,)*)\)", side)]
                   for side in signature.split("->")]
    return left, right


def smaller(label: str) -> tuple[str, ...]:
    """The two names in a core dimension "min(m,n)"; none in another."""
    return tuple(label[4:-1].split(",")) if label.startswith("min(") else ()


@record
class UserRoutine:
    """A user's Op: Python, or C if it has a snippet.  It tells types by `make_node`, and states the sizes it knows."""

    op: Any

    may_fail = has_state = True         # what Python does is not known
    overwrites = None
    cost = ()
    title = ""
    positions = False
    layouts = itertools.repeat("C")

    @property
    def repeatable(self) -> bool:
        return bool(getattr(self.op, "repeatable", False))

    @property
    def snippet(self) -> ArraySnippet | None:
        return snippet_of(self.op)

    def __str__(self) -> str:
        return str(self.op)


# ------------------------------------------------------------------------------------------------- values


def _order_at(x: np.ndarray, ranks: np.ndarray, down: np.ndarray) -> np.ndarray:
    for rank in ranks[(ranks < 0) | (ranks >= len(x))][:1]:
        raise Fault(0, int(rank), len(x))
    return len(x) - 1 - np.argsort(x[::-1], kind="stable")[::-1][ranks] if down else np.argsort(x, kind="stable")[ranks]


def _argpartition(x: np.ndarray, kth: np.ndarray) -> np.ndarray:
    pivots = np.unique(x[_order_at(x, kth, np.array(False))])
    part = np.searchsorted(pivots, x, "left") + np.searchsorted(pivots, x, "right")
    return np.argsort(part, kind="stable")


def _order_of_rows(x: np.ndarray) -> np.ndarray:
    return np.lexsort(x.T[::-1]) if x.shape[1] else np.arange(len(x))


def _places(side: Literal["left", "right"]) -> Callable[..., np.ndarray]:
    return lambda x, v: np.asarray(np.searchsorted(x, v, side))


def _nonzero(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.flatnonzero(mask)


def _bincount(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if (x < 0).any():
        raise Fault(0, x[x < 0][0])
    return np.bincount(x, minlength=shape[0])


def _drawn(name: str) -> Callable[..., list[object]]:
    return lambda state, *rest: drawn(name, state, rest[-1], rest[:-1])


# ------------------------------------------------------------------------------------------------- rows


def _distribution(row: Distribution) -> Routine:
    """Draws of that distribution from a state, which is not changed: the next state, and the draws."""
    shown = [f"{{{k}:float}}" if dtype == "float64" else f"{{{k}}}" for k, dtype in enumerate(row.parameters)]
    count = len(row.parameters)
    return Routine(row.name, f"{','.join(['()', *['(...)'] * count])}->(),(...)", ("state", *row.parameters),
                   ("state", row.dtype), _drawn(row.name), row.name, ("C", *["each"] * count),
                   faults=tuple([("BadValueError", fault(row.name, what, shown)) for what in row.faults]), shown=count,
                   overwrites=0)


def _draws(name: str, takes: tuple[str, ...], cores: str, gives: str, *faults: str, shown: int = 0,
           works: bool = True) -> Routine:
    """Draws of vectors, or out of given values: the next state, and the draws, of the shape stated."""
    return Routine(name, f"(),{cores}->(),(...)", ("state", *takes), ("state", gives), getattr(draws, name), name,
                   ("C",) * (1 + len(takes)), faults=tuple([("BadValueError", f"{name.partition('_')[0]}_rv failed: "
                                                             f"ValueError: {what}") for what in faults]),
                   shown=shown, overwrites=0, works=works, title=name.partition("_")[0])


def solve_name(upper: bool, unit: bool) -> str:
    """The row that solves with a triangular matrix; unit: its diagonal is 1, whatever stands there."""
    return f"solve_{'upper' if upper else 'lower'}{'_unit' * unit}"


def _solve_row(upper: int, unit: int) -> Routine:
    singular = ("LinAlgError", "solve_triangular: the matrix is singular, element {0} of its diagonal is 0")
    return Routine(solve_name(bool(upper), bool(unit)), "(m,m),(m,n)->(m,n)", ("number", "number"), ("number",),
                   matrices.solve(upper, unit), "solve_triangular", ("matrix", "C"), (upper, unit),
                   () if unit else (singular,), 0 if unit else 1, overwrites=1, cost=("m", "m", "n"), blas=True,
                   title="solve_triangular")


def _singular(what: str) -> tuple[str, str]:
    return "LinAlgError", f"{what}: the matrix is singular, pivot {{0}} of its factors is 0"


def _not_finite(what: str) -> tuple[str, str]:
    return "LinAlgError", f"{what}: the matrix has nan or inf, or the iteration does not converge"


def _no_lapack(what: str) -> tuple[str, str]:
    return "LinAlgError", f"{what}: the library of linear algebra in use has no LAPACK"


def _no_rank(what: str) -> tuple[str, str]:
    return "IndexOutOfBoundsError", f"{what}: there is no rank {{0}} among {{1}} elements"


def _factors(name: str, signature: str, gives: tuple[str, ...], faults: tuple[tuple[str, str], ...]) -> Routine:
    """A factorization of one matrix."""
    left = parsed(signature)[0][0]
    return Routine(name, signature, ("number",), gives, getattr(matrices, name), name, ("C",), faults=faults,
                   cost=(*left, left[1]), blas=True, works=True, of_complex=getattr(complex_matrices, name))


def _transform(name: str, signature: str, takes: str, gives: str, value: Callable[..., object], c: str,
               options: tuple[int, ...]) -> Routine:
    """A transform of one axis, times a factor."""
    return Routine(name, signature, (takes, "float"), (gives,), value, c, ("C", "C"), options,
                   overwrites=0 if takes == gives else None, cost=("16", *parsed(signature)[0][0]), works=True)


_LU = ("number", "int64", "number")     # the factors of a matrix, the interchanges, the matrix, of which it derives

_SPARSE = (("BadValueError", "sparse matrix: indptr says that row {0} (column, of a csc matrix) has its entries from "
                             "{1} to {2}, of {3}"),
           ("IndexOutOfBoundsError", "sparse matrix: index {0} is out of bounds for size {1}"))

_ROWS = (
    Routine("gemm", "(m,k),(k,n)->(m,n)", ("number", "number"), ("number",), np.matmul, "gemm", ("matrix", "matrix"),
            cost=("m", "k", "n"), blas=True, title="dot"),
    # of complex matrices: each as it is, transposed, or transposed and conjugate
    *[Routine(f"product_{a}{b}", f"({'m,k' if a == 'n' else 'k,m'}),({'k,n' if b == 'n' else 'n,k'})->(m,n)",
              ("number", "number"), ("number",), matrices.product(a, b), "product", ("C", "C"),
              ("ntc".index(a), "ntc".index(b)), cost=("m", "k", "n"), blas=True, title="dot")
      for a in "ntc" for b in "ntc"],
    # what is added, and the factors of the product and of that
    Routine("gemm_add", "(m,k),(k,n),(m,n),(),()->(m,n)", ("float",) * 5, ("float",),
            lambda x, y, z, a, b: a * np.matmul(x, y) + b * z, "gemm_add", ("matrix", "matrix", "C", "C", "C"),
            overwrites=2, cost=("m", "k", "n"), blas=True, title="dot"),
    *[_solve_row(upper, unit) for upper in (0, 1) for unit in (0, 1)],
    *[Routine(name, "(m,m)->(m,m)", ("number",), ("number",), matrices.cholesky, "cholesky", ("C",), (int(not faults),),
              faults, overwrites=0, cost=("m", "m", "m"), blas=True, title="cholesky",
              of_complex=complex_matrices.cholesky)
      for name, faults in (("cholesky", (("LinAlgError", "cholesky: the matrix is not positive definite"),
                                         ("LinAlgError", "cholesky: the matrix has nan or inf"))),
                           ("cholesky_or_nan", ()))],
    Routine("cholesky_back", "(m,m),(m,m)->(m,m)", ("number",) * 2, ("number",), matrices.cholesky_back,
            "cholesky_back", ("C", "C"), cost=("m", "m", "m"), blas=True, title="the gradient of cholesky",
            of_complex=complex_matrices.cholesky_back),
    Routine("sort", "(n)->(n)", ("real",), ("real",), partial(np.sort, kind="stable"), "sort", ("C",), works=True),
    Routine("argsort", "(n)->(n)", ("real",), ("int64",), partial(np.argsort, kind="stable"), "argsort", ("C",),
            works=True, positions=True),
    # where the elements of some ranks are; do ranks count from the largest element?
    Routine("order_at", "(n),(k),()->(k)", ("real", "int64", "bool"), ("int64",), _order_at, "order_at", ("C",) * 3,
            faults=(_no_rank("order_at"),), shown=2, works=True, positions=True),
    # what is less than element `kth` of the sorted array, equal to it, and greater, each in its order; of several kth
    Routine("partition", "(n),(k)->(n)", ("real", "int64"), ("real",), lambda x, kth: x[_argpartition(x, kth)],
            "partition", ("C", "C"), faults=(_no_rank("partition"),), shown=2, works=True),
    Routine("argpartition", "(n),(k)->(n)", ("real", "int64"), ("int64",), _argpartition, "argpartition", ("C", "C"),
            faults=(_no_rank("argpartition"),), shown=2, works=True, positions=True),
    Routine("order_of_rows", "(n,m)->(n)", ("real",), ("int64",), _order_of_rows, "order_of_rows", ("C",),
            works=True, title="unique", positions=True),
    Routine("searchsorted_left", "(n),(m)->(m)", ("real", "real"), ("int64",), _places("left"), "searchsorted",
            ("C", "C"), (0,), title="searchsorted"),
    Routine("searchsorted_right", "(n),(m)->(m)", ("real", "real"), ("int64",), _places("right"), "searchsorted",
            ("C", "C"), (1,), title="searchsorted"),
    Routine("cholesky_solve", "(m,m),(m,n),(m,m)->(m,n)", ("number",) * 3, ("number",), matrices.cholesky_solve,
            "cholesky_solve", ("C", "C"), faults=(_singular("solve"),), shown=1, cost=("m", "m", "n"), blas=True,
            title="solve", of_complex=complex_matrices.cholesky_solve),
    Routine("lu", "(m,m)->(m,m),(m)", ("number",), ("number", "int64"), matrices.lu, "lu", ("C",),
            cost=("m", "m", "m"), blas=True, title="LU factors", of_complex=complex_matrices.lu),
    # of a symmetric matrix, without interchanges if it is definite
    Routine("lu_definite", "(m,m)->(m,m),(m)", ("float",), ("float", "int64"), matrices.lu_definite, "lu_definite",
            ("C",), cost=("m", "m", "m"), blas=True, title="LU factors"),
    *[Routine(name, "(m,m),(m),(m,n),(m,m)->(m,n)", ("number", "int64", "number", "number"), ("number",),
              matrices.lu_solve(trans), "lu_solve", ("C", "C", "C"), (trans,), (_singular("solve"),), 1,
              cost=("m", "m", "n"), blas=True, title="solve")
      for name, trans in (("lu_solve", 0), ("lu_solve_transposed", 1))],
    *[Routine(name, "(m),(m,n)->(m,n)", ("int64", "number"), ("number",), matrices.interchange(back), "interchange",
              ("C", "C"), (back,), (("IndexOutOfBoundsError", "pivot {0} is out of bounds for {1} rows"),), 2,
              title="lu")
      for name, back in (("interchange", 0), ("interchange_back", 1))],
    Routine("lu_inverse", "(m,m),(m),(m,m)->(m,m)", _LU, ("number",), matrices.lu_inverse, "lu_inverse", ("C", "C"),
            faults=(_singular("inv"),), shown=1, cost=("m", "m", "m"), blas=True, title="inv"),
    Routine("lu_det", "(m,m),(m),(m,m)->()", _LU, ("number",), matrices.lu_det, "lu_det", ("C", "C"), title="det"),
    Routine("lu_slogdet", "(m,m),(m),(m,m)->(),()", _LU, ("number", "float"), matrices.lu_slogdet, "lu_slogdet",
            ("C", "C"), title="slogdet", of_complex=complex_matrices.lu_slogdet),
    Routine("ldl", "(m,m)->(m,m),(m,m),(m)", ("number",), ("number", "number", "int64"), matrices.ldl, "ldl", ("C",),
            faults=(("LinAlgError", "ldl: the matrix has nan or inf"),), cost=("m", "m", "m"), works=True,
            of_complex=complex_matrices.ldl),
    _factors("qr", "(m,n)->(m,min(m,n)),(min(m,n),n)", ("number",) * 2, ()),
    _factors("complete_basis", "(m,n)->(m,m)", ("number",), (
        ("LinAlgError", "an orthogonal basis has no more columns than rows"),)),
    _factors("eigh", "(m,m)->(m),(m,m)", ("float", "number"), (_not_finite("eigh"),)),
    _factors("eigvalsh", "(m,m)->(m)", ("float",), (_not_finite("eigvalsh"),)),
    _factors("svd", "(m,n)->(m,min(m,n)),(min(m,n)),(min(m,n),n)", ("number", "float", "number"), (
        _not_finite("svd"),)),
    _factors("svdvals", "(m,n)->(min(m,n))", ("float",), (_not_finite("svd"),)),
    Routine("pinv", "(m,n),()->(n,m)", ("number", "float"), ("number",), matrices.pinv, "pinv", ("C", "C"),
            faults=(_not_finite("pinv"),), cost=("m", "n", "n"), blas=True, works=True,
            of_complex=complex_matrices.pinv),
    _factors("expm", "(m,m)->(m,m)", ("number",), (("LinAlgError", "expm: the matrix has nan or inf"),)),
    *[Routine(f"{name}_symmetric", "(m,m)->(m,m)", ("float",), ("float",), matrices.of_spectrum(log), "of_spectrum",
              ("C",), (log,), (_not_finite(name), ("LinAlgError", f"{name}: an eigenvalue is "
                                                   f"{'not positive' if log else 'negative'}")),
              cost=("m", "m", "m"), blas=True, works=True) for name, log in (("sqrtm", 0), ("logm", 1))],
    *[Routine(name, "(m,m)->(m,m)", ("number",), ("number",), of_matrix, "of_schur", ("C",), (log,),
              (_not_finite(name), ("LinAlgError", f"{name}: an eigenvalue is {which}, the result would not be real; "
                                   f"that of complex(a, 0) is complex"),
               ("LinAlgError", f"{name}: the matrix is singular, and there is no result"), _no_lapack(name)),
              cost=("16", "m", "m", "m"), blas=True, works=True, of_complex=of_complex)
      for name, log, of_matrix, of_complex, which in (
          ("sqrtm", 0, schur.sqrtm, schur.complex_sqrtm, "negative"),
          ("logm", 1, schur.logm, schur.complex_logm, "negative or 0"))],
    Routine("schur", "(m,m)->(m,m),(m,m)", ("number",), ("number",) * 2, schur.schur, "schur", ("C",),
            faults=(_not_finite("schur"), _no_lapack("schur")), cost=("m", "m", "m"), blas=True, works=True,
            of_complex=schur.complex_schur),
    Routine("solve_banded", "(),(d,m),(m,n)->(m,n)", ("int64", "number", "number"), ("number",), matrices.solve_banded,
            "solve_banded", ("C", "C", "C"), faults=(_singular("solve_banded"),), shown=1, cost=("d", "m", "n"),
            works=True, of_complex=complex_matrices.solve_banded),
    Routine("sylvester", "(m,m),(n,n),(m,n)->(m,n)", ("number",) * 3, ("number",), matrices.sylvester, "sylvester",
            ("C", "C", "C"), faults=(_not_finite("solve_sylvester"), (
                "LinAlgError", "solve_sylvester: the equation is singular, a and -b have a common eigenvalue")),
            cost=("m", "m", "n"), blas=True, works=True, title="solve_sylvester"),
    Routine("riccati", "(m,m),(m,n),(m,m),(n,n)->(m,m)", ("number",) * 4, ("number",), matrices.riccati, "riccati",
            ("C",) * 4, faults=(("LinAlgError", "solve_discrete_are: a matrix has nan or inf"),
                                ("LinAlgError", "solve_discrete_are: r is singular"),
                                ("LinAlgError", "solve_discrete_are: there is no stabilizing solution")),
            cost=("m", "m", "m"), blas=True, works=True, title="solve_discrete_are",
            of_complex=complex_matrices.riccati),
    # eigenvalues, vectors, their inverse, and of each the element that is positive
    Routine("eig", "(m,m)->(m),(m,m),(m,m),(m)", ("number",), ("complex",) * 3 + ("int64",), schur.eig, "eig", ("C",),
            faults=(_not_finite("eig"), _no_lapack("eig")), cost=("16", "m", "m", "m"), blas=True, works=True),
    *[_transform(name, "(n),()->(n)", "complex", "complex", value, "fft", (int(inverse),))
      for name, value, inverse in (("fft", transforms.fft, False), ("ifft", transforms.ifft, True))],
    # of each column of a matrix
    *[_transform(f"{name}_columns", "(n,k),()->(n,k)", "complex", "complex", transforms.of_columns(value),
                 "fft_columns", (int(inverse),))
      for name, value, inverse in (("fft", transforms.fft, False), ("ifft", transforms.ifft, True))],
    *[_transform(name, "(n),()->(...)", *dtypes_, value, c, (ends,))
      for name, dtypes_, value, c, ends in (
          ("rfft", ("float", "complex"), transforms.rfft, "rfft", 0),
          ("rfft_adjoint", ("complex", "float"), transforms.rfft_adjoint, "irfft", 1),
          ("irfft", ("complex", "float"), transforms.irfft, "irfft", 0),
          ("irfft_adjoint", ("float", "complex"), transforms.irfft_adjoint, "rfft", -1))],
    *[_transform(f"{kind}{number}", "(n),()->(n)", "float", "float", transforms.trigonometric(kind == "dst", number),
                 "dct", (number, int(kind == "dst"))) for kind in ("dct", "dst") for number in (1, 2, 3, 4)],
    # elements of a convolution of a and v from a given one on, as many as are stated, 0 where there is none
    *[Routine(name, "(n),(m),()->(...)", (word, word, "int64"), (word,), transforms.convolve, "convolve", ("C",) * 3,
              (method,), cost=("16", "n"), works=True, title="convolve")
      for method, (name, word) in enumerate((("convolve", "real"), ("convolve_direct", "real"),
                                             ("convolve_fft", "float")))],
    Routine("count_true", "(n)->()", ("bool",), ("int64",), lambda mask: np.asarray(np.count_nonzero(mask)),
            "count_true", ("C",)),
    # the positions of the true elements of a mask, whose number is stated
    Routine("nonzero", "(n)->(...)", ("bool",), ("int64",), _nonzero, "nonzero", ("C",),
            positions=True),
    # how often each of 0, 1, ... occurs; the number of counts is stated
    Routine("bincount", "(n)->(...)", ("int64",), ("int64",), _bincount, "bincount", ("C",), faults=(
        ("BadValueError", "bincount: elements must not be negative, got {0}"),), shown=1),
    *[Routine(f"covariance_{method}", "(m,m),()->(m,m)", ("float64", "float64"), ("float64",),
              draws.covariance_factor(method), "covariance_factor", ("C", "C"), (number,),
              (("LinAlgError", "multivariate_normal_rv failed: the covariance has nan or inf"),
               ("BadValueError", "multivariate_normal_rv failed: ValueError: covariance is not symmetric "
                "positive-semidefinite")), cost=("m", "m", "m"), blas=True, works=True, title="multivariate_normal")
      for number, method in enumerate(("svd", "eigh"))],
    # matrices of compressed rows: where each row begins and ends in the entries, their columns, their values
    *[Routine(name, f"(r),(r),(e),{signature}", ("int32",) * 3 + takes, ("real",), value, name, ("C",) * 5,
              faults=_SPARSE, shown=4, cost=("e", "n"), title="a product with a sparse matrix")
      for name, signature, takes, value in (
          ("csr_dot", "(e),(m,n)->(r,n)", ("real",) * 2, compressed.dot),
          # the last argument tells how many columns the matrix has
          ("csr_transposed_dot", "(e),(r,n),(m)->(m,n)", ("real", "real", "int64"), compressed.transposed_dot),
          # of rows of two matrices, for each entry
          ("csr_sampled_dot", "(r,n),(m,n)->(e)", ("real",) * 2, compressed.sampled_dot))],
    # for each entry its row
    Routine("csr_rows", "(r),(r),(e)->(e)", ("int32",) * 3, ("int64",), compressed.rows, "csr_rows", ("C",) * 3,
            faults=_SPARSE[:1], shown=4, title="a sparse matrix"),
    *map(_distribution, DISTRIBUTIONS.values()),
    _draws("permutation", ("int64",), "()", "int64", works=False),
    _draws("choice", ("int64",) * 3, "(),(b),()", "int64", "Cannot take a larger sample than population when replace "
           "is False; got a sample of {0} out of {1}", shown=2),
    _draws("choice_weighted", ("int64", "float64"), "(),(b,k)", "int64", "Fewer non-zero entries in p than size; got "
           "{0} for {1}", shown=2),
    _draws("dirichlet", ("float64",), "(b,k)", "float64", "alpha < 0; got {0:float}", shown=1),
    _draws("multinomial", ("int64", "float64"), "(c),(b,k)", "int64", "n < 0; got {0}", "sum(pvals[:-1]) > 1.0",
           shown=2, works=False),
)
ROUTINES: dict[str, Routine] = {row.name: row for row in _ROWS}


def get_routine(routine: object) -> Any:
    """The row that an op's field `routine` names, or is."""
    if not isinstance(routine, str):
        return routine
    found = ROUTINES.get(routine)
    if found is None:
        raise errors.NoRuleError(f"no routine {routine!r} in ir/routines.py")
    return found
