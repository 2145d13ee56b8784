"""Facade: `OrderedUpdates`."""

from gradc.control.returned import OrderedUpdates

__all__ = ["OrderedUpdates"]
