"""Every function of `gradc.sparse` against SciPy: values, and gradients against complex steps of SciPy's.

The functions of a group are results of one compiled function, which is called with matrices of several kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import gradc
import gradc.sparse as sparse
import gradc.tensor as at

STEP = 1e-30
RNG = np.random.default_rng(5)
WEIGHTS = RNG.normal(size=(40, 40))

# a, c: 6 x 5; b: 5 x 4; q: 5 x 5; d: 5 x 3; e: 6 x 5; v: 5; w: 6; k: a scalar
SHAPES = {"a": (6, 5), "c": (6, 5), "b": (5, 4), "q": (5, 5), "d": (5, 3), "e": (6, 5), "f": (4, 5), "v": (5,),
          "w": (6,), "k": ()}
SPARSE = "abcq"


def full(x: Any) -> np.ndarray:
    return x.toarray() if sp.issparse(x) else np.asarray(x)


def entries(fn: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any], Any]:
    """SciPy's matrix with fn of the entries."""
    def made(x: Any) -> Any:
        x = x.copy()
        x.data = fn(x.data)
        return x
    return made


def added_to_entries(a: Any, v: np.ndarray) -> Any:
    made = a.tocoo()
    return sp.csr_matrix((made.data + v[made.col], (made.row, made.col)), a.shape)


# name: (gradc's, SciPy's, names of the arguments)
Case = tuple[Callable[..., Any], Callable[..., Any], str]
PRODUCTS: dict[str, Case] = {
    "dot": (sparse.dot, lambda a, d: a @ d, "ad"),
    "dot of a vector": (sparse.dot, lambda a, v: a @ v, "av"),
    "vector times": (lambda w, a: w @ a, lambda w, a: a.T @ w, "wa"),
    "dense times": (sparse.structured_dot, lambda f, q: (q.T @ f.T).T, "fq"),
    "transposed times": (lambda a, w: sparse.transpose(a) @ w, lambda a, w: a.T @ w, "aw"),
    "sparse times sparse": (sparse.true_dot, lambda a, b: a @ b, "ab"),
    "dense of both sparse": (sparse.dot, lambda a, b: full(a @ b), "ab"),
    "square": (lambda q: q @ q, lambda q: q @ q, "q"),
    "sampling_dot": (lambda e, q, p: sparse.sampling_dot(e, q.toarray(), p),
                     lambda e, q, p: p.multiply(e @ full(q).T), "eqa"),
    "usmm": (lambda k, a, d, w: sparse.usmm(k, a, d, at.shape_padright(w)),
             lambda k, a, d, w: k * (a @ d) + w[:, None], "kadw"),
    "sum": (sparse.sp_sum, lambda a: a.data.sum(), "a"),
    "sum 0": (lambda a: a.sum(0), lambda a: full(a).sum(0), "a"),
    "sum 1": (lambda a: a.sum(axis=1), lambda a: full(a).sum(1), "a"),
}
ARITHMETIC: dict[str, Case] = {
    "add": (sparse.add, lambda a, c: a + c, "ac"),
    "sub": (lambda a, c: a - c.T.T, lambda a, c: a - c, "ac"),
    "other format": (lambda a, c: a + (c.tocsr() if a.format == "csc" else c.tocsc()), lambda a, c: a + c, "ac"),
    "add dense": (lambda a, e: a + e, lambda a, e: full(a) + e, "ae"),
    "dense minus": (lambda e, a: e - a, lambda e, a: e - full(a), "ea"),
    "minus dense": (lambda a, v: a - v, lambda a, v: full(a) - v, "av"),
    "mul": (lambda a, c: a * c, lambda a, c: a.multiply(c), "ac"),
    "mul dense": (sparse.mul_s_d, lambda a, e: a.multiply(e), "ae"),
    "dense mul": (lambda e, a: e * a, lambda e, a: a.multiply(e), "ea"),
    "mul vector": (sparse.mul_s_v, lambda a, v: full(a) * v, "av"),
    "mul column": (lambda a, w: a * w.dimshuffle(0, "x"), lambda a, w: full(a) * w[:, None], "aw"),
    "mul scalar": (lambda a, k: k * a, lambda a, k: a * k, "ak"),
    "divided": (lambda a, k: a / k, lambda a, k: a / k, "ak"),
    "neg": (lambda a: -a, lambda a: -a, "a"),
    "col_scale": (sparse.col_scale, lambda a, v: a @ sp.diags(v), "av"),
    "row_scale": (sparse.row_scale, lambda a, w: sp.diags(w) @ a, "aw"),
    "structured_add_s_v": (sparse.structured_add_s_v, added_to_entries, "av"),
    "structured_pow": (lambda a, k: sparse.structured_pow(a, k), lambda a, k: entries(lambda x: x ** k)(a), "ak"),
    "structured_add": (sparse.structured_add, lambda a, k: entries(lambda x: x + k)(a), "ak"),
    "structured_minimum": (lambda a: sparse.structured_minimum(a, 0.5), entries(
        lambda x: np.where(x.real < 0.5, x, 0.5)), "a"),
    "structured_maximum": (lambda a: sparse.structured_maximum(a, 0.5), entries(
        lambda x: np.where(x.real > 0.5, x, 0.5)), "a"),
}
FUNCTIONS: dict[str, Case] = {
    **{name: (getattr(sparse, name), entries(fn), "a") for name, fn in {
        "structured_exp": np.exp, "structured_log": np.log, "sin": np.sin, "tan": np.tan, "arcsin": np.arcsin,
        "arctan": np.arctan, "sinh": np.sinh, "arcsinh": np.arcsinh, "tanh": np.tanh, "arctanh": np.arctanh,
        "sqr": np.square, "sqrt": np.sqrt, "log1p": np.log1p, "expm1": np.expm1,
        "structured_sigmoid": lambda x: 1 / (1 + np.exp(-x)), "deg2rad": lambda x: x * (np.pi / 180),
        "rad2deg": lambda x: x * (180 / np.pi), "abs": lambda x: x, "conj": lambda x: x,
        "sgn": lambda x: np.sign(x.real), "ceil": lambda x: np.ceil(x.real), "floor": lambda x: np.floor(x.real),
        "trunc": lambda x: np.trunc(x.real), "rint": lambda x: np.rint(x.real)}.items()},
    "sp_ones_like": (sparse.sp_ones_like, entries(lambda x: np.ones(len(x))), "a"),
    "sp_zeros_like": (sparse.sp_zeros_like, lambda a: 0 * full(a), "a"),
}
PARTS: dict[str, Case] = {
    "transpose": (lambda a: a.T, lambda a: a.T, "a"),
    "to csr": (lambda a: a.tocsr(), lambda a: a, "a"),
    "to csc": (lambda a: a.tocsc(), lambda a: a, "a"),
    "from dense": (lambda e: sparse.csr_from_dense(at.switch(e > 0, e, 0)), lambda e: np.where(e.real > 0, e, 0), "e"),
    "csc from dense": (sparse.csc_from_dense, lambda e: e, "e"),
    "dense": (sparse.dense_from_sparse, full, "a"),
    "clean": (lambda a: sparse.clean(a * (a.sum() > 0)), lambda a: a, "a"),
    "sorted": (sparse.ensure_sorted_indices, lambda a: a, "a"),
    "diag": (sparse.diag, lambda a: a.diagonal(), "a"),
    "square_diagonal": (sparse.square_diagonal, np.diag, "v"),
    "element": (lambda a: a[2, -1], lambda a: full(a)[2, -1], "a"),
    "row": (lambda a: a[1], lambda a: full(a)[1:2], "a"),
    "rows": (lambda a: a[1:5:2], lambda a: a[1:5:2], "a"),
    "rows and columns": (lambda a: sparse.get_item_2d(a, (slice(4, 0, -1), slice(-3, None))),
                         lambda a: a[4:0:-1, -3:], "a"),
    "list of rows": (lambda a: sparse.get_item_list(a, [0, -1, 0]), lambda a: a[[0, -1, 0]], "a"),
    "elements": (lambda a: a[[0, -1, 0], [1, 2, 1]], lambda a: full(a)[[0, -1, 0], [1, 2, 1]], "a"),
    "vstack": (lambda a, c: sparse.vstack([a, c, a]), lambda a, c: np.vstack([full(x) for x in (a, c, a)]), "ac"),
    "hstack": (lambda a, c: sparse.hstack([a, c]), lambda a, c: np.hstack([full(a), full(c)]), "ac"),
    "bmat": (lambda a, c: sparse.bmat([[a, None], [c, a[:, :2]]]),
             lambda a, c: np.block([[full(a), np.zeros((6, 2))], [full(c), full(a)[:, :2]]]), "ac"),
    "block_diag": (lambda a, b: sparse.block_diag([a, b]), lambda a, b: sp.block_diag([a, b]), "ab"),
    "csm": (lambda a: sparse.CSR(*sparse.csm_properties(a.tocsr())), lambda a: a, "a"),
}
GROUPS = {"products": PRODUCTS, "arithmetic": ARITHMETIC, "functions": FUNCTIONS, "parts": PARTS}


def values(format: str, density: float = 0.4) -> dict[str, Any]:
    """Arguments; entries lie between 0.1 and 0.9, and a row and a column of each matrix are empty."""
    rng, made = np.random.default_rng(7), {}
    for name, shape in SHAPES.items():
        x = rng.uniform(0.1, 0.9, shape)
        if name in SPARSE:
            x *= rng.uniform(size=shape) < density
            x[1] = x[:, 1] = 0
            x = sp.csr_matrix(x).asformat(format)
        made[name] = x
    return made


def variables(format: str) -> dict[str, Any]:
    return {name: sparse.matrix(format, name, "float64") if name in SPARSE else
            at.TensorType("float64", (None,) * len(shape))(name) for name, shape in SHAPES.items()}


def dense(x: Any) -> Any:
    return x.toarray() if isinstance(x, sparse.SparseVariable) else x


def weighted(x: Any, shape: Sequence[int]) -> Any:
    return (x * WEIGHTS.reshape(-1)[:int(np.prod(shape))].reshape(shape)).sum()


def moved(x: Any, k: int) -> Any:
    """The argument with its k-th number moved by an imaginary step."""
    x = x.astype(complex) if sp.issparse(x) else np.array(x, complex)
    (x.data if sp.issparse(x) else x.reshape(-1))[k] += STEP * 1j
    return x


def steps(reference: Callable[..., Any], args: Sequence[Any], which: int) -> np.ndarray:
    """The gradient of the weighted result by one argument."""
    count = args[which].nnz if sp.issparse(args[which]) else np.size(args[which])
    made = []
    for k in range(count):
        given = [moved(x, k) if j == which else x for j, x in enumerate(args)]
        y = full(reference(*given))
        made.append(weighted(y, y.shape).imag / STEP)
    return np.array(made)


@pytest.mark.parametrize(("format", "mode", "gradients"), [
    ("csr", "c", False), ("csc", "interpret", True),
    *[pytest.param(format, "c", True, marks=pytest.mark.nightly) for format in ("csr", "csc")]])
@pytest.mark.parametrize("group", GROUPS)
def test_values_and_gradients(group: str, format: str, mode: str, gradients: bool) -> None:
    cases, x, given = GROUPS[group], variables(format), values(format)
    if mode == "c" and not gradients:           # compiling all takes long
        cases = {name: case for k, (name, case) in enumerate(cases.items()) if k % 2}
    outs, wants, labels = [], [], []
    for name, (fn, reference, names) in cases.items():
        args = [given[n] for n in names]
        y, want = fn(*[x[n] for n in names]), full(reference(*args))
        made = dense(y)
        outs.append(made)
        wants.append(want)
        labels.append(name)
        cost = weighted(made, want.shape)
        for k, n in enumerate(names if gradients else ""):
            g = gradc.grad(cost, x[n], disconnected_inputs="ignore")
            outs.append(g.data if n in SPARSE else g)
            wants.append(steps(reference, args, k).reshape(-1 if n in SPARSE else np.shape(given[n])))
            labels.append(f"{name} by {n}")
    used = [n for n in SHAPES if any(n in names for _, _, names in cases.values())]
    found = gradc.function([x[n] for n in used], outs, mode=mode)(*[given[n] for n in used])
    for label, got, want in zip(labels, found, wants):
        assert got.shape == want.shape, label
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13, err_msg=label)
