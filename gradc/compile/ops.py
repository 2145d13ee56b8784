"""Facade: Ops made from Python functions, under the names of `aesara.compile.ops`."""

from gradc.control.callback import FromFunctionOp, as_op, wrap_py

__all__ = ["FromFunctionOp", "as_op", "wrap_py"]
