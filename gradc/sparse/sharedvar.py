"""Shared sparse matrices: variables with a value of their own, as those of `gradc.shared`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradc.errors import at
from gradc.ir.graph import user_line
from gradc.sparse.values import CompressedArrays, given_back, taken
from gradc.sparse.variable import SparseVariable, check_format
from gradc.tensor import elemwise as ew
from gradc.tensor.convert import size_constant, size_of
from gradc.tensor.sharedvar import TensorSharedVariable
from gradc.tensor.sharedvar import shared as dense_shared

__all__ = ["SparseSharedVariable", "shared"]


class SparseSharedVariable(SparseVariable):
    """A sparse matrix with a value: its data, indices, indptr and one size are shared variables."""

    __slots__ = ("_cells",)

    def __init__(self, format: str, value: CompressedArrays, name: str | None) -> None:
        of = f"{name}." if name else ""
        values = [*value[:3], np.asarray(value.shape[format == "csr"], "int64")]
        size = "columns" if format == "csr" else "rows"
        cells = [dense_shared(v, f"{of}{part}" if name else None)
                 for part, v in zip(("data", "indices", "indptr", size), values)]
        major = ew.sub(size_of(cells[2], 0), size_constant(1))
        shape = (major, cells[3]) if format == "csr" else (cells[3], major)
        super().__init__(format, cells[0], cells[1], cells[2], shape, True, name)
        self._cells: list[TensorSharedVariable] = cells

    def get_value(self, borrow: bool = False) -> Any:
        """The value: a SciPy matrix, or without SciPy its arrays; a copy, or the storage itself with `borrow=True`."""
        data, indices, indptr, minor = [cell.get_value(borrow) for cell in self._cells]
        shape = (len(indptr) - 1, int(minor))
        return given_back(self.format, data, indices, indptr, shape if self.format == "csr" else shape[::-1], True)

    def set_value(self, new_value: object, borrow: bool = False) -> None:
        """Replace the value, by a matrix of any shape and number of entries.

        Raises: BadArgumentError for another format or dtype, ShapeError for what is no matrix.
        """
        value = taken(new_value, self.format, f"shared variable {self!r}{at(user_line())}")
        minor = np.asarray(value.shape[self.format == "csr"], "int64")
        for cell, part in zip(self._cells, (*value[:3], minor)):        # the data first: they may be refused
            cell.set_value(part, borrow)


def shared(value: Any, name: str | None = None, format: str | None = None, borrow: bool = False,
           ) -> SparseSharedVariable:
    """A shared variable that holds a sparse matrix, given as SciPy has it or as (data, indices, indptr, shape).

    format: that of the matrix, if it does not say itself; borrow: keep its arrays rather than copies.
    Raises: ShapeError, BadArgumentError, BadValueError for what is no sparse matrix.
    """
    form = check_format(getattr(value, "format", "csr") if format is None else format)
    arrays = taken(value, form, f"shared{at(user_line())}")
    if not borrow:
        arrays = CompressedArrays(arrays.data.copy(), arrays.indices.copy(), arrays.indptr.copy(), arrays.shape)
    return SparseSharedVariable(form, arrays, name)


