"""Positions of the elements that are true, or not 0: `flatnonzero, nonzero, argwhere`.

How many there are, the data tell: the size of what is made is known when the values are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.errors import ShapeError, at
from gradc.ir import build
from gradc.ir.graph import Constant, apply, describe
from gradc.tensor import elemwise as ew
from gradc.tensor.convert import as_tensor_variable, constant, sizes_of
from gradc.tensor.joining import stack
from gradc.tensor.shape import flatten
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["argwhere", "flatnonzero", "nonzero"]

# rows of `tensor.numpy_api`
NUMPY = {"flatnonzero": "a", "nonzero": "a", "argwhere": "a"}


def flatnonzero(a: TensorLike) -> TensorVariable:
    """Positions in the flattened `a` of the elements that are not 0, ascending (int64)."""
    a = as_tensor_variable(a)
    if isinstance(a, Constant):
        return constant(np.flatnonzero(a.data))
    mask = ew.as_bool(flatten(a))
    return apply(build.call("nonzero", (1,)), mask, apply(build.call("count_true"), mask))


def nonzero(a: TensorLike, return_matrix: bool = False) -> Any:
    """Positions of the elements of `a` that are not 0: a vector for each axis, in a tuple, as numpy.nonzero.

    return_matrix: the vectors as rows of one matrix.
    Raises: ShapeError for a scalar.
    """
    a = as_tensor_variable(a)
    if a.type.ndim == 0:
        raise ShapeError(f"nonzero takes at least one dimension, {describe(a)} is {a.type.short()}{at(a.source)}; "
                         f"use atleast_1d")
    place = flatnonzero(a)
    made: list[TensorVariable] = []
    for n in reversed(sizes_of(a)[1:]):
        made.insert(0, ew.mod(place, n))
        place = ew.floor_divide(place, n)
    made.insert(0, place)
    return stack(made) if return_matrix else tuple(made)


def argwhere(a: TensorLike) -> TensorVariable:
    """Positions of the elements of `a` that are not 0, one a row, as numpy.argwhere."""
    return nonzero(a, return_matrix=True).T
