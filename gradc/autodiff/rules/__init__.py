"""Derivative rules, one module per family of op kinds; importing this package fills the tables."""

from gradc.autodiff.rules import contract, elemwise, index, random, reduce, shape

__all__ = ["contract", "elemwise", "index", "random", "reduce", "shape"]
