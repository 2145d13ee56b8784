"""Indexing, and new versions of tensors with a part changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import gradc.tensor as at
from tests.cases_base import SQUARE, T3, Arg, Case, M, S, V, bools, ints

_INDICES = (
    "0",
    "-1",
    "1:3",
    "::2",
    "::-1",
    "3:0:-1",
    "...,0",
    "0,...",
    ":,None,1",
    "-2:",
    ":-1",
    ":,1:1",
    "None,1:,None,:2",
    "...",
)


def _part(text: str, names: str = "x") -> Callable[..., Any]:
    """x[text] of variables or arrays; `k` is an int where x is an array."""
    return eval(f"lambda {names}: x[{text}]")


def _build_change(mode: str, text: str) -> Callable[[Any], Any]:
    change, part = getattr(at, f"{mode}_subtensor"), _part(text)
    return lambda x: change(part(x), part(x) * 3)


def _numpy_change(mode: str, text: str) -> Callable[[np.ndarray], np.ndarray]:
    statement = f"y[{text}] {'=' if mode == 'set' else '+='} x[{text}] * 3"

    def run(x: np.ndarray) -> np.ndarray:
        y = x.copy()
        exec(statement, {"x": x, "y": y})
        return y

    return run


def _int_index(text: str) -> Callable[[np.ndarray, Any], np.ndarray]:
    part = _part(text, "x, k")
    return lambda x, k: part(x, int(k))

_MASK, _MASKS = Arg((3,), "odd_bools", "bool"), bools()
_I, _J = Arg((4,), "positions", "int64"), Arg((2, 1), "positions", "int32", static=(None, 1))


def _changed_at(mode: str, text: str) -> Callable[..., np.ndarray]:
    part = eval(f"lambda i, j: np.s_[{text}]")

    def run(x: np.ndarray, v: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        y, v = x.copy(), np.broadcast_to(v, x[part(i, j)].shape)
        if mode == "inc":
            y = y.astype(np.result_type(x, v))
            np.add.at(y, part(i, j), v)
        else:
            y = y.astype(np.result_type(x, v))
            y[part(i, j)] = v
        return y

    return run


INDEXING: list[Case] = [
    *[Case("getitem", _part(text, "x, i, j"), _part(text, "x, i, j"), (M, _I, _J), label=text)
      for text in ("i", ":, j", "i, j", "1:, i", "j, None, ::-1", "i, -1", "[2, 0, 2]", "[True, False, True], j[0]")],
    *[Case(f"{mode}_subtensor", lambda x, v, i, j, mode=mode, text=text: getattr(at, f"{mode}_subtensor")(
        _part(text, "x, i, j")(x, i, j), v), _changed_at(mode, text), (M, v, _I, _J), label=f"{text} {v.shape}")
      for mode in ("set", "inc")
      for text, v in (("i", Arg((4, 4))), ("i, j", Arg((4,))), (":, i", S), ("1:, i", Arg((2, 4))), ("[2, 0, 2]", V))],
    *[Case("getitem", _part(text, "x, m, i"), _part(text, "x, m, i"), (T3, _MASK, _I), label=f"mask {text}")
      for text in ("m[:2]", ":, m", "1, m", "::-1, m, 1:3", "m[:2], ..., None", "m[:2], :, 1", ":, m, 2")],
    Case("getitem", _part("m", "x, m"), _part("m", "x, m"), (M, _MASKS), label="mask of two axes"),
    *[Case(f"{mode}_subtensor", lambda x, m, mode=mode: getattr(at, f"{mode}_subtensor")(x[m], x[m] * 3),
           lambda x, m, mode=mode: np.where(m, x * (3 + (mode == "inc")), x), (M, _MASKS), label="mask")
      for mode in ("set", "inc")],
    Case("take", lambda x, i: at.take(x, i, 1), lambda x, i: np.take(x, i, 1), (M, _I)),
    Case("take", lambda x, i, j: at.take(x, i * j), lambda x, i, j: np.take(x, i * j), (M, _I, _J), label="flat"),
    *[Case("getitem", _part(text), _part(text), label=text) for text in _INDICES],
    *[
        Case(f"{mode}_subtensor", _build_change(mode, text), _numpy_change(mode, text), label=text)
        for mode in ("set", "inc")
        for text in _INDICES
    ],
    *[
        Case("getitem", _part(text, "x, k"), _int_index(text), (M, Arg((), "two", "int32")), label=text)
        for text in ("k", "-k", "k:", ":-k", "::k", "::-k", "0:k, k")
    ],
    Case(
        "set_subtensor",
        lambda x, v: at.set_subtensor(x[1], v),
        lambda x, v: np.vstack([x[:1], v, x[2:]]),
        (M, V),
        label="value",
    ),
    Case(
        "set_subtensor",
        lambda x: at.set_subtensor(x[1:], 2),
        lambda x: np.vstack([x[:1], np.full((2, 4), 2.0)]),
        label="number",
    ),
    Case(
        "set_subtensor",
        lambda x, v: at.set_subtensor(x[1:].T, v),
        lambda x, v: np.vstack([x[:1], v.T]),
        (M, Arg((4, 2))),
        label="transposed",
    ),
]

EXTRA: list[Case] = [
    Case("diff", at.diff, np.diff),
    Case("diff", partial(at.diff, n=2, axis=0), partial(np.diff, n=2, axis=0), label="twice"),
    Case("diff", at.diff, np.diff, (bools(),), "none", label="bool"),
    Case("to_one_hot", lambda k: at.to_one_hot(k, 4), lambda k: np.eye(4)[k], (ints((5,), "small"),), "none"),
]

_P, _W = ints((4,), "small"), Arg((4,))
_ORDER = Arg((3, 4), "orders", "int64")
_WIDTHS = ((1, 2), (0, 3))


def _placed(x: np.ndarray, i: np.ndarray, v: np.ndarray) -> np.ndarray:
    y = x.astype(np.result_type(x, v))
    np.put_along_axis(y, i, v, 1)
    return y


def _offset(x: np.ndarray, v: np.ndarray, k: int) -> np.ndarray:
    return np.where(np.eye(*x.shape, k, dtype=bool), v, x)


def _weighted_cov(x: np.ndarray, n: np.ndarray, w: np.ndarray) -> np.ndarray:
    """NumPy refuses to divide by no weights."""
    return np.cov(x, fweights=n + 1, aweights=w) if w.size else np.full((len(x), len(x)), np.nan)


SELECTION: list[Case] = [
    Case("flatnonzero", at.flatnonzero, np.flatnonzero, (ints(domain="small"),), "none"),
    Case("nonzero", at.nonzero, np.nonzero, (ints(domain="small"),), "none"),
    Case("argwhere", at.argwhere, np.argwhere, (ints(domain="small"),), "none"),
    Case("where", at.where, np.where, (bools(),), "none", label="alone"),
    Case("nonzero_values", at.nonzero_values, lambda n: n[n != 0], (ints(domain="small"),), "none"),
    Case("extract", at.extract, np.extract, (_MASKS, M)),
    Case("compress", lambda x, m: at.compress(m, x, 1), lambda x, m: np.compress(m, x, 1), (M, _MASK)),
    Case("compress", lambda x, m: x.compress(m), lambda x, m: x.compress(m), (M, _MASK), label="flat"),
    Case("choose", lambda i, x, y: at.choose(i, [x, y, x * y], mode="wrap"),
         lambda i, x, y: np.choose(i, [x, y, x * y], mode="wrap"), (ints(), M, V)),
    Case("choose", lambda i, x: at.choose(i, x, "clip"), lambda i, x: np.choose(i, list(x), mode="clip"), (_P, M),
         label="of a tensor"),
    *[Case("take_along_axis", partial(at.take_along_axis, axis=axis), partial(np.take_along_axis, axis=axis),
           (x, Arg(x.shape if axis is not None else (5,), "positions", "int64")), label=f"{x.shape} {axis}")
      for x, axis in ((M, 0), (M, -1), (T3, 1), (M, None), (V, 0)) if x.shape != T3.shape or axis == 1],
    Case("put_along_axis", lambda x, i, v: at.put_along_axis(x, i, v, 1), _placed,
         (M, Arg((3, 2), "positions", "int64"), Arg((3, 2)))),
    Case("inc_subtensor", lambda x, i, v: at.inc_subtensor(at.take(x, i), v),
         lambda x, i, v: x + np.bincount(i % 12, v, 12).reshape(3, 4), (M, _I, V), label="take"),
    Case("bincount", at.bincount, np.bincount, (_P,), "none"),
    Case("bincount", lambda i, w: at.bincount(i, w, 3), lambda i, w: np.bincount(i, w, 3), (_P, _W), label="weights"),
    Case("ravel_multi_index", lambda i: at.ravel_multi_index((i, i), (4, 5)), lambda i: i * 5 + i, (_P,), "none"),
    Case("unravel_index", lambda i: at.unravel_index(i, (2, 3), "F"), lambda i: list(np.unravel_index(i, (2, 3), "F")),
         (_P,), "none"),
    Case("ix_", lambda x, i, m: x[at.ix_(m, i)], lambda x, i, m: x[np.ix_(m, i)], (M, _I, _MASK)),
    *[Case(f"{name}_indices", lambda n, name=name: getattr(at, f"{name}_indices")(n, -1, 4),
           lambda n, name=name: list(getattr(np, f"{name}_indices")(n, -1, 4)), (Arg((), "two", "int64"),), "none")
      for name in ("tril", "triu")],
    *[Case(f"{name}_indices_from", lambda x, name=name: x[getattr(at, f"{name}_indices_from")(x)],
           lambda x, name=name: x[getattr(np, f"{name}_indices_from")(x)], (M,)) for name in ("tril", "triu")],
    Case("diag_indices", lambda x: x[at.diag_indices(3)], lambda x: x[np.diag_indices(3)], (M,)),
    Case("diag_indices_from", lambda x: x[at.diag_indices_from(x)] ** 2, lambda x: np.diagonal(x) ** 2, (SQUARE,)),
    Case("fill_diagonal_offset", lambda x, v: at.fill_diagonal_offset(x, v, -1), partial(_offset, k=-1), (M, S)),
    Case("inverse_permutation", at.inverse_permutation, lambda p: np.argsort(p, -1), (_ORDER,), "none"),
    *[Case("permute_row_elements", partial(at.permute_row_elements, inverse=back),
           lambda x, p, back=back: np.take_along_axis(x, np.argsort(p, -1) if back else p, -1), (M, _ORDER),
           label="back" * back) for back in (False, True)],
    Case("repeat", lambda x, n: at.repeat(x, n, axis=1), lambda x, n: np.repeat(x, n, axis=1), (M, _P), label="vector"),
]

MOVED: list[Case] = [
    *[Case(name, getattr(at, name), getattr(np, name), (T3,)) for name in ("flip", "flipud", "fliplr", "rot90")],
    *[Case("rot90", partial(at.rot90, k=k, axes=(2, 1)), partial(np.rot90, k=k, axes=(2, 1)), (T3,), label=str(k))
      for k in (-1, 2)],
    Case("roll", lambda x: at.roll(x, (1, -2), (0, 1)), lambda x: np.roll(x, (1, -2), (0, 1)), label="two axes"),
    *[Case("pad", lambda x, mode=mode, more=more: at.pad(x, _WIDTHS, mode, **more),
           lambda x, mode=mode, more=more: np.pad(x, _WIDTHS, mode, **more), (Arg((3, 4), "distinct"),),
           "difference" if mode[:2] in ("ma", "mi", "me") else "complex", label=f"{mode} {more}")
      for mode, more in (("constant", {"constant_values": (1, 2)}), ("edge", {}), ("linear_ramp", {"end_values": 2.0}),
                         ("maximum", {}), ("minimum", {"stat_length": 2}), ("mean", {"stat_length": (2, 1)}),
                         ("median", {"stat_length": 3}), ("reflect", {}), ("reflect", {"reflect_type": "odd"}),
                         ("symmetric", {}), ("symmetric", {"reflect_type": "odd"}), ("wrap", {}))],
    Case("kron", at.kron, np.kron, (M, V)),
    Case("block_diag", at.block_diag, lambda x, y, z: np.block([
        [x, np.zeros((3, 5))], [np.zeros((1, 4)), y[None], np.zeros((1, 1))], [np.zeros((1, 8)), z[None, None]]]),
        (M, V, S)),
    Case("cross", at.cross, np.cross, (Arg((4, 3)), Arg((3,)))),
    Case("cross", lambda x, y: at.cross(x, y, 0, axisc=0), lambda x, y: np.cross(x, y, 0, axisc=0),
         (Arg((3, 4)), Arg((4, 3))), label="axes"),
    Case("cov", at.cov, np.cov), Case("cov", at.cov, np.cov, (V, V), label="vectors"),
    Case("cov", lambda x, n, w: at.cov(x, fweights=n + 1, aweights=w), _weighted_cov,
         (M, _P, Arg((4,), "positive")), label="weights"),
    Case("corrcoef", at.corrcoef, np.corrcoef, grad="difference"),
    *[Case(name, partial(getattr(at, name), mode=mode), partial(getattr(np, name), mode=mode), args,
           label=f"{mode} {args[0].shape}")
      for name in ("convolve", "correlate") for mode in ("full", "same", "valid") for args in ((V, Arg((3,))),
                                                                                           (Arg((2,)), V))],
    Case("polyval", at.polyval, np.polyval, (V, M)),
    Case("polyval", lambda x, y: at.polyval([x, 2.0, y], x), lambda x, y: np.polyval([x, 2.0, y], x), (S, S),
         label="few"),
    Case("interp", lambda x, y: at.interp(x, [-2.0, 0.0, 0.5, 3.0], y), lambda x, y: np.interp(
        x, [-2.0, 0.0, 0.5, 3.0], y), (M, V)),
    Case("interp", lambda x, p, y: at.interp(x, at.cumsum(at.exp(p)), y, left=-1.0, right=y[1] * y[2]),
         lambda x, p, y: np.interp(x, np.cumsum(np.exp(p)), y, -1.0, y[1] * y[2]), (Arg((3,), "positive"), V, V),
         "difference", label="ends"),
    Case("interp", lambda x, y: at.interp(x, [0.1, 1.2, 0.9, -0.4], y, period=1.3),
         lambda x, y: np.interp(x, [0.1, 1.2, 0.9, -0.4], y, period=1.3), (M, V), "difference", label="period"),
    Case("vander", at.vander, np.vander, (V,)),
    Case("vander", lambda x: at.vander(x, 2, increasing=True), lambda x: np.vander(x, 2, increasing=True), (V,),
         label="increasing"),
    Case("logspace", lambda a, b: at.logspace(a, b, 5, base=2.0), lambda a, b: np.logspace(a, b, 5, base=2.0), (S, S)),
    Case("geomspace", lambda a, b: at.geomspace(a, b, 5), lambda a, b: np.geomspace(a, b, 5),
         (Arg((), "positive"), Arg((4,), "positive"))),
]
