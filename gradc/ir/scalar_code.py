"""Special functions, each written once: a Python function of numbers, which NumPy runs and C text is made of.

`@scalar` marks a function of float64 numbers in a small part of Python: assignments, `if`, `while`, `for` over a
`range`, `return` of a number or of some, arithmetic without `**`, comparisons, conditional expressions, and calls of
what `ir.scalar_math` has and of other such functions.  Names from outside are numbers and tuples of them: tables, of
which an element is read by a loop's variable, or all by `horner`.  `@branch_free` marks one that only
assigns and returns: it runs on whole arrays, and C compilers make vector code of it.

The interpreter calls `numpy`; generated code has what `scalar_c` makes.  So there is one text of each algorithm and
table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class ScalarFunction:
    """A function of numbers, to be run and to be translated; called, it is the Python function."""

    def __init__(self, python: Callable[..., object], branch_free: bool,
                 positive: ScalarFunction | None = None) -> None:
        self.python, self.branch_free, self.positive = python, branch_free, positive
        self.name = python.__name__
        self.__doc__, self.__module__ = python.__doc__, python.__module__

    def __call__(self, *args: Any) -> Any:
        return self.python(*args)

    def numpy(self, *args: object) -> Any:
        """Its value for arrays that broadcast: computed in float64, and rounded to their common dtype."""
        arrays = [np.asarray(a) for a in args]
        dtype = np.result_type(*arrays)
        if dtype.kind not in "fc":
            dtype = np.dtype("float64")
        work = [a.astype("complex128" if a.dtype.kind == "c" else "float64") for a in arrays]
        with np.errstate(all="ignore"):
            if self.branch_free:
                return np.asarray(self.python(*work)).astype(dtype)
            work = list(np.broadcast_arrays(*work))
            made = [self.python(*point) for point in zip(*[a.ravel() for a in work])]
            return np.array(made, dtype).reshape(work[0].shape)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the arguments."""
        return self.python.__code__.co_varnames[:self.python.__code__.co_argcount]

    @property
    def inline(self) -> bool:
        """Does it stand in the loops that call it?"""
        return self.branch_free and self.positive is None

    def __repr__(self) -> str:
        return f"ScalarFunction({self.name})"

    def __reduce__(self) -> str:
        return self.python.__qualname__


def scalar(python: Callable[..., object]) -> ScalarFunction:
    """Mark a function of float64 numbers, see the module's docstring."""
    return ScalarFunction(python, False)


def branch_free(python: Callable[..., object]) -> ScalarFunction:
    """Mark a function of float64 numbers or arrays, which only assigns and returns."""
    return ScalarFunction(python, True)


def branch_free_with(positive: ScalarFunction) -> Callable[[Callable[..., Any]], ScalarFunction]:
    """As `branch_free`; `positive` computes the same of numbers above 0, bit by bit: all that vectors of those cost."""
    return lambda python: ScalarFunction(python, True, positive)
