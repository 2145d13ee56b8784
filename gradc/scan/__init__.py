"""Facade: loops.  The attribute `gradc.scan` is the function; these modules are imported by name."""

from gradc.scan import basic, checkpoints, utils, views
from gradc.scan.basic import scan
from gradc.scan.checkpoints import scan_checkpoints
from gradc.scan.utils import until
from gradc.scan.views import foldl, foldr, map, reduce

__all__ = ["basic", "checkpoints", "foldl", "foldr", "map", "reduce", "scan", "scan_checkpoints", "until", "utils",
           "views"]
