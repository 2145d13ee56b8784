"""Facade: `OpFromGraph`, under the name of `aesara.compile.builders`."""

from gradc.control.opfromgraph import OpFromGraph

__all__ = ["OpFromGraph"]
