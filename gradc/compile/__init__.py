"""Facade of compilation: `function` and its options, modes."""

from gradc.compile.function import Function, In, Out, function
from gradc.compile.mode import Mode, get_default_mode, get_mode
from gradc.tensor.sharedvar import SharedVariable, shared

__all__ = ["Function", "In", "Mode", "Out", "SharedVariable", "function", "get_default_mode", "get_mode", "shared"]
