"""Facade: `scan`."""

from gradc.control.scan import scan

__all__ = ["scan"]
