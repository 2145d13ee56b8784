"""Shapes, joining, diagonals, and tensors made from shapes."""

from __future__ import annotations

from functools import partial

import numpy as np

import gradc.tensor as at
from tests.cases_base import SQUARE, T3, Arg, Case, M, S, V

SHAPES: list[Case] = [
    Case("shape", at.shape, lambda x: np.array(x.shape), (T3,), "none"),
    Case("size", at.size, np.size, (T3,), "none"),
    Case("shape_tuple", at.shape_tuple, lambda x: list(x.shape), (T3,), "none"),
    Case("dimshuffle", lambda x: at.dimshuffle(x, 1, "x", 0), lambda x: x.T[:, None, :]),
    Case("transpose", at.transpose, np.transpose, (T3,)),
    Case("transpose", lambda x: x.transpose(1, 0, 2), lambda x: x.transpose(1, 0, 2), (T3,), label="axes"),
    Case("matrix_transpose", at.matrix_transpose, lambda x: np.swapaxes(x, -1, -2), (T3,)),
    Case("swapaxes", lambda x: at.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1), (T3,)),
    Case("moveaxis", lambda x: at.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1), (T3,)),
    Case(
        "moveaxis",
        lambda x: at.moveaxis(x, (0, 1), (2, 0)),
        lambda x: np.moveaxis(x, (0, 1), (2, 0)),
        (T3,),
        label="two",
    ),
    Case("squeeze", at.squeeze, np.squeeze, (Arg((3, 1, 4), static=(None, 1, None)),)),
    Case("expand_dims", lambda x: at.expand_dims(x, (0, -1)), lambda x: np.expand_dims(x, (0, -1))),
    Case("shape_padleft", lambda x: at.shape_padleft(x, 2), lambda x: x[None, None]),
    Case("shape_padright", lambda x: at.shape_padright(x, 2), lambda x: x[..., None, None]),
    Case("shape_padaxis", lambda x: at.shape_padaxis(x, 1), lambda x: x[:, None]),
    Case("atleast_1d", at.atleast_1d, np.atleast_1d, (S,)),
    Case("atleast_2d", at.atleast_2d, np.atleast_2d, (V,)),
    Case("atleast_3d", at.atleast_3d, lambda x: x[None], (M,)),
    Case("atleast_nd", lambda x: at.atleast_nd(x, n=3), lambda x: x[None]),
    Case("atleast_Nd", lambda x: at.atleast_Nd(x, n=3, left=False), lambda x: x[..., None]),
    Case("reshape", lambda x: at.reshape(x, (2, -1)), lambda x: x.reshape(2, -1)),
    Case(
        "reshape",
        lambda x: at.reshape(x, x.shape[::-1], ndim=2),
        lambda x: x.reshape(x.shape[::-1]),
        label="symbolic vector",
    ),
    Case(
        "reshape",
        lambda x, n: x.reshape((n, 2)),
        lambda x, n: x.reshape(n, 2),
        (M, Arg((), "minus_one", "int32")),
        label="-1 at run time",
    ),
    Case("flatten", at.flatten, np.ravel, (T3,)),
    Case("ravel", at.ravel, np.ravel, (T3,)),
    Case("flatten", lambda x: at.flatten(x, 2), lambda x: x.reshape(2, -1), (T3,), label="ndim=2"),
    Case("broadcast_to", lambda x: at.broadcast_to(x, (2, 3, 4)), lambda x: np.broadcast_to(x, (2, 3, 4))),
    Case("broadcast_arrays", at.broadcast_arrays, np.broadcast_arrays, (M, V)),
    Case(
        "broadcast_shape",
        at.broadcast_shape,
        lambda *a: list(np.broadcast_shapes(*[x.shape for x in a])),
        (M, V),
        "none",
    ),
    Case("specify_shape", lambda x: at.specify_shape(x, (3, None)), np.copy),
    Case("addbroadcast", lambda x, y: at.addbroadcast(x, 1) + y, np.add, (Arg((3, 1)), M)),
    Case("unbroadcast", lambda x: at.unbroadcast(x, 1), np.copy, (Arg((3, 1), static=(None, 1)),)),
    Case("patternbroadcast", lambda x, y: at.patternbroadcast(x, (False, True)) + y, np.add, (Arg((3, 1)), M)),
    Case("join", lambda a, b: at.join(0, a, b), lambda a, b: np.concatenate([a, b]), (M, Arg((2, 4)))),
    Case(
        "concatenate",
        lambda a, b: at.concatenate([a, b], axis=1),
        lambda a, b: np.concatenate([a, b], 1),
        (M, Arg((3, 2))),
    ),
    Case("stack", lambda a, b: at.stack([a, b], axis=1), lambda a, b: np.stack([a, b], 1), (M, M)),
    Case("stacklists", lambda a, b: at.stacklists([[a, b], [b, a]]), lambda a, b: np.array([[a, b], [b, a]]), (S, S)),
    *[
        Case(name, lambda a, b: at.hstack([a, b]), lambda a, b: np.hstack([a, b]), (V, V))
        for name in ("hstack", "horizontal_stack")
    ],
    *[
        Case(name, lambda a, b: at.vstack([a, b]), lambda a, b: np.vstack([a, b]), (V, V))
        for name in ("vstack", "vertical_stack")
    ],
    Case("split", lambda x: at.split(x, [1, 3], axis=1), lambda x: np.split(x, [1], axis=1)),
    Case(
        "split",
        lambda x, n: at.split(x, at.stack([n, x.shape[1] - n]), 2, axis=1),
        lambda x, n: np.split(x, [int(n)], axis=1),
        (M, Arg((), "two", "int64")),
        label="symbolic",
    ),
    Case("tile", lambda x: at.tile(x, (2, 3)), lambda x: np.tile(x, (2, 3))),
    Case("tile", lambda x: at.tile(x, (2, 1, 2)), lambda x: np.tile(x, (2, 1, 2)), label="more axes"),
    Case("repeat", lambda x: at.repeat(x, 2, axis=1), lambda x: np.repeat(x, 2, axis=1)),
    Case("repeat", lambda x: at.repeat(x, 2), lambda x: np.repeat(x, 2), label="flat"),
    Case("repeat", lambda x: at.repeat(x, [1, 0, 2], axis=0), lambda x: np.repeat(x, [1, 0, 2], axis=0), label="each"),
    *[
        Case(
            "roll",
            partial(at.roll, shift=k, axis=axis),
            partial(np.roll, shift=k, axis=axis),
            label=f"{k}, axis={axis}",
        )
        for k in (-5, 0, 1)
        for axis in (None, 1)
    ],
    *[
        Case("diag", partial(at.diag, k=k), partial(np.diag, k=k), (arg,), label=f"{k}, {len(arg.shape)}-d")
        for k in (-1, 0, 2)
        for arg in (V, M)
    ],
    *[
        Case(
            "diagonal",
            partial(at.diagonal, offset=k, axis1=1, axis2=2),
            partial(np.diagonal, offset=k, axis1=1, axis2=2),
            (T3,),
            label=f"{k}",
        )
        for k in (-3, -1, 0, 1, 5)
    ],
    Case("trace", at.trace, np.trace),
    Case("tril", lambda x: at.tril(x, 1), lambda x: np.tril(x, 1)),
    Case("triu", lambda x: at.triu(x, -1), lambda x: np.triu(x, -1), (T3,)),
    Case("fill_diagonal", lambda x: at.fill_diagonal(x, 7), lambda x: x * (1 - np.eye(4)) + 7 * np.eye(4), (SQUARE,)),
]

CREATION: list[Case] = [
    Case("alloc", lambda x: at.alloc(x, 3, 4), lambda x: np.broadcast_to(x, (3, 4)), (V,)),
    Case("full", lambda x: at.full((2, 3), x), lambda x: np.full((2, 3), x), (S,)),
    Case("zeros", lambda x: at.zeros(x.shape) + x, np.copy),
    Case("ones", lambda x: at.ones((3, 4)) * x, np.copy),
    Case("empty", lambda: at.empty((2, 3)).shape, lambda: np.array((2, 3)), (), "none"),
    Case("zeros_like", at.zeros_like, np.zeros_like, grad="none"),
    Case("ones_like", at.ones_like, np.ones_like, grad="none"),
    Case("full_like", lambda x: at.full_like(x, 3), lambda x: np.full_like(x, 3), grad="none"),
    Case("empty_like", lambda x: at.empty_like(x).shape, lambda x: np.array(x.shape), grad="none"),
    *[
        Case("arange", partial(at.arange, *a), partial(np.arange, *a), (), "none", label=str(a))
        for a in ((5,), (2, 9, 3), (5, 0, -2), (0.0, 1.0, 0.1), (3, 3), (-1,))
    ],
    Case(
        "arange",
        lambda n: at.arange(1, n, 2),
        lambda n: np.arange(1, n, 2),
        (Arg((), "two", "int64"),),
        "none",
        label="symbolic",
    ),
    Case(
        "arange",
        lambda a: at.arange(0.0, a, 0.3),
        lambda a: np.arange(0.0, a, 0.3),
        (Arg((), "positive"),),
        "none",
        label="symbolic float",
    ),
    Case("linspace", lambda a, b: at.linspace(a, b, 7), lambda a, b: np.linspace(a, b, 7), (S, S)),
    Case(
        "linspace",
        lambda a: at.linspace(a, 2.0, 5, endpoint=False),
        lambda a: np.linspace(a, 2.0, 5, endpoint=False),
        (V,),
        label="open",
    ),
    Case("eye", lambda: at.eye(3, 4, 1), lambda: np.eye(3, 4, 1), (), "none"),
    Case("identity_like", at.identity_like, lambda x: np.eye(3, 4), (M,), "none"),
    Case("tri", lambda: at.tri(3, 4, -1), lambda: np.tri(3, 4, -1), (), "none"),
    Case("meshgrid", at.meshgrid, np.meshgrid, (V, Arg((3,)))),
    Case("complex", at.complex, lambda x, y: x + 1j * y, (M, V), "none"),
    Case("complex_from_polar", at.complex_from_polar, lambda r, t: r * np.exp(1j * t), (M, M), "none"),
    Case("cast", lambda x: at.cast(x, "int64"), lambda x: x.astype("int64"), (Arg(domain="off_integer"),), "none"),
    Case("as_tensor_variable", lambda x: at.as_tensor_variable([x, 2.0, x]), lambda x: np.array([x, 2.0, x]), (S,)),
    Case("as_tensor", lambda x: at.as_tensor([[x, 1.0]]), lambda x: np.array([[x, 1.0]]), (S,)),
    Case("constant", lambda x: at.constant([1.0, 2.0]) * x, lambda x: np.array([1.0, 2.0]) * x, (S,)),
]
