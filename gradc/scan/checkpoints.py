"""Facade: `scan_checkpoints`."""

from gradc.control.checkpoints import scan_checkpoints

__all__ = ["scan_checkpoints"]
