"""Facade: the base class of user-defined operations."""

from gradc.ir.graph import Op

__all__ = ["Op"]
