"""Indexing, and new versions of tensors with a part changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import gradc.tensor as at
from tests.cases_base import Arg, Case, M, S, V, bools, ints

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
