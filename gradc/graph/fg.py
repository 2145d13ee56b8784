"""Facade: FunctionGraph."""

from gradc.errors import InconsistencyError, MissingInputError
from gradc.ir.fgraph import FunctionGraph

__all__ = ["FunctionGraph", "InconsistencyError", "MissingInputError"]
