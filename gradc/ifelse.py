"""Facade: `ifelse`.  The attribute `gradc.ifelse` is the function."""

from gradc.control.ifelse import ifelse

__all__ = ["ifelse"]
