"""Rules of Random: draws have no derivative by their parameters; scale and shift standard ones instead."""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.guards import Guarded
from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import jvp, vjp
from gradc.errors import NotDifferentiableError, at
from gradc.ir import ops
from gradc.ir.graph import Apply, NullVariable
from gradc.ir.types import NullType


def why(name: str) -> str:
    """Why there is no gradient."""
    return f"draws of {name} have no gradient by its parameters; scale and shift standard ones instead"


@vjp(ops.Random)
def random_vjp(o: Symbolic, node: Apply, gs: Sequence[Guarded | None],
               wanted: Sequence[bool]) -> list[Guarded | None]:
    """Undefined by every parameter."""
    first = 1 + node.op.ndim
    return [None] * first + [Guarded(NullVariable(NullType(why(node.op.distribution)))) for _ in node.inputs[first:]]


@jvp(ops.Random)
def random_jvp(o: Symbolic, node: Apply, tangents: Sequence[Guarded | None]) -> list[Guarded | None]:
    """Nothing moves unless a parameter does, and then it is undefined."""
    if any(t is not None for t in tangents):
        raise NotDifferentiableError(f"{why(node.op.distribution)}{at(node.source)}")
    return [None, None]
