"""Facade: graphs, their walks, and the base class of user-defined operations."""

from gradc.control.vectorize import vectorize_graph
from gradc.graph import basic, fg, op
from gradc.graph.basic import (
    Apply,
    Constant,
    Variable,
    ancestors,
    applys_between,
    clone_replace,
    explicit_graph_inputs,
    graph_inputs,
    graph_replace,
    vars_between,
)
from gradc.graph.fg import FunctionGraph
from gradc.graph.op import Op
from gradc.ir.fgraph import equal_computations

__all__ = ["Apply", "Constant", "FunctionGraph", "Op", "Variable", "ancestors", "applys_between", "basic",
           "clone_replace", "equal_computations", "explicit_graph_inputs", "fg", "graph_inputs", "graph_replace", "op",
           "vars_between", "vectorize_graph"]
