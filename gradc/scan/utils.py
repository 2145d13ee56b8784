"""Facade: `until`."""

from gradc.control.returned import until

__all__ = ["until"]
