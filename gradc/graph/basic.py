"""Facade: variables, nodes, and walks over graphs."""

from gradc.ir.fgraph import equal_computations
from gradc.ir.graph import (
    Apply,
    Constant,
    Variable,
    ancestors,
    applys_between,
    clone_replace,
    explicit_graph_inputs,
    graph_inputs,
    graph_replace,
    toposort,
    vars_between,
)

__all__ = ["Apply", "Constant", "Variable", "ancestors", "applys_between", "clone_replace", "equal_computations",
           "explicit_graph_inputs", "graph_inputs", "graph_replace", "toposort", "vars_between"]
