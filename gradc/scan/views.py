"""Facade: loops of a simpler shape."""

from gradc.control.folds import foldl, foldr, map, reduce

__all__ = ["foldl", "foldr", "map", "reduce"]
