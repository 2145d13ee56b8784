"""The set of dtypes, their promotion, and the dtype of a Python number on its own.

Dtypes are NumPy's names as strings everywhere in gradc.  Promotion is NumPy's table (`int32 + float32 ->
float64`, `int8 + float32 -> float32`), as in Aesara.  Python numbers take the smallest type that holds
them exactly (`autocast`), after Aesara's `cast_policy="custom"`, or NumPy's with floatX (`default_array`), after the
other policies; what they take beside arrays is decided where graphs are built (`tensor.convert`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np

from gradc.config import config
from gradc.errors import TypeMismatchError, at, quoted, user_line

DTypeLike: TypeAlias = "str | np.dtype | type"       # what users name a dtype by

BOOL = ("bool",)
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
WIDE = ("float32", "float64")                  # floats that are computed with
FLOATS = ("float16", *WIDE)
COMPLEX = ("complex64", "complex128")
DISCRETE = BOOL + INTEGERS
ALL = DISCRETE + FLOATS + COMPLEX
CONTINUOUS = FLOATS + COMPLEX
REAL_PART = dict(zip(COMPLEX, WIDE))          # of a complex dtype that of its parts
COMPLEX_OF = {"float16": "complex64", **dict(zip(WIDE, COMPLEX))}      # of such parts

PREFIX = {"b": "int8", "w": "int16", "i": "int32", "l": "int64", "f": "float32", "d": "float64",
          "c": "complex64", "z": "complex128"}
SHORT = {"bool": "bool", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "u8",
         "uint16": "u16", "uint32": "u32", "uint64": "u64", "float16": "f16", "float32": "f32", "float64": "f64",
         "complex64": "c64", "complex128": "c128"}
ITEMSIZE = {name: np.dtype(name).itemsize for name in ALL}


def check_dtype(dtype: DTypeLike) -> str:
    """Canonical name of `dtype` ("floatX" is resolved); TypeMismatchError names the legal ones."""
    if dtype == "floatX":
        return config.floatX
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in ITEMSIZE:
        raise TypeMismatchError(f"expected a dtype out of {', '.join(ALL)}, got {quoted(dtype)}{at(user_line())}")
    return name


@lru_cache(maxsize=4096)
def upcast(*dtypes: str) -> str:
    """The dtype that arithmetic on `dtypes` is done in."""
    return np.result_type(*(np.dtype(d) for d in dtypes)).name


def floating(*dtypes: str) -> str:
    """Result dtype of a function with values in the reals: ints up to 16 bits give float32, wider float64."""
    common = upcast(*dtypes)
    if common in CONTINUOUS:
        return common
    return "float32" if ITEMSIZE[common] <= 2 else "float64"


def autocast(value: object) -> np.ndarray:
    """A Python or NumPy number (or array) as an array with gradc's dtype for it.

    Python ints get the smallest signed type that holds them; Python floats float32 where that is exact or floatX is
    float32, else float64 (floatX float16: that, but float32 for what is beyond it); NumPy values keep their dtype.
    """
    if isinstance(value, (bool, np.bool_)):
        return np.asarray(value, dtype="bool")
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value)
    if isinstance(value, int):
        for dtype in SIGNED:
            info = np.iinfo(dtype)
            if info.min <= value <= info.max:
                return np.asarray(value, dtype=dtype)
        if 0 <= value <= np.iinfo("uint64").max:
            return np.asarray(value, dtype="uint64")
        raise TypeMismatchError(f"the integer {value} does not fit in 64 bits{at(user_line())}; use a float instead")
    if isinstance(value, float):
        with np.errstate(over="ignore"):
            single, half = np.float32(value), np.float16(value)
        exact = float(single) == value or value != value
        if config.floatX == "float16" and (np.isfinite(half) or not np.isfinite(value)):
            return np.asarray(half)
        return np.asarray(value, dtype="float32" if exact or config.floatX != "float64" else "float64")
    return np.asarray(value)


def default_array(value: bool | int | float | complex) -> np.ndarray:
    """A Python number as an array of NumPy's default dtype, with floatX for float64: bool, int64, floatX or complex.

    Ints beyond int64 are uint64.
    Raises: TypeMismatchError for ints of more than 64 bits.
    """
    if isinstance(value, bool):
        return np.asarray(value)
    if isinstance(value, int):
        data = autocast(value)
        return data if data.dtype == "uint64" else data.astype("int64")
    with np.errstate(over="ignore"):
        return np.asarray(value, default_dtype(isinstance(value, complex)))


def default_dtype(is_complex: bool) -> str:
    """floatX, or the complex dtype of such parts."""
    return COMPLEX_OF[working()] if is_complex else config.floatX


def working() -> str:
    """The dtype in which what has floatX is computed: float32 for float16."""
    return "float32" if config.floatX == "float16" else config.floatX
