"""Derivative rules, one module per family of op kinds; importing this package fills the tables."""

from gradc.autodiff.rules import (
    calls,
    contract,
    elemwise,
    general,
    index,
    ldl,
    linalg,
    matrix_functions,
    reduce,
    shape,
    sort,
    sparse,
    spectra,
    transforms,
)

__all__ = ["calls", "contract", "elemwise", "general", "index", "ldl", "linalg", "matrix_functions", "reduce", "shape",
           "sort", "sparse", "spectra", "transforms"]
