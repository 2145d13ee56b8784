"""Rules of Calls: one for each routine, as for each op kind.

CALL_VJP and CALL_JVP of `autodiff.table` have them by the routine's name.  They take and give values, lists where the
routine has several arguments and results, None where one is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff import guards
from gradc.autodiff.guards import Guarded
from gradc.autodiff.symbolic import Symbolic, is_complex
from gradc.autodiff.table import CALL_JVP, CALL_VJP, jvp, vjp
from gradc.errors import NoRuleError, NotDifferentiableError, at
from gradc.ir import ops
from gradc.ir.graph import Apply, NullVariable, Variable
from gradc.ir.routines import ROUTINES
from gradc.ir.types import NullType
from gradc.tensor import elemwise as ew
from gradc.tensor.random.pathwise import PATHS, pulled

# Rows that are holomorphic functions of their complex arguments.  Their rules are written for f'(z)^T g; in reverse
# mode they get and give conjugates, as elementwise rows do (`rules.complex`).
HOLOMORPHIC = frozenset((
    "solve_lower", "solve_upper", "solve_lower_unit", "solve_upper_unit", "lu", "lu_solve", "lu_solve_transposed",
    "interchange", "interchange_back", "lu_inverse", "lu_det", "expm", "sqrtm", "logm", "solve_banded", "sylvester"))


@vjp(ops.Call)
def call_vjp(o: Symbolic, node: Apply, gs: Sequence[Guarded | None], wanted: Sequence[bool]) -> list[Guarded | None]:
    """The rule of the routine."""
    rule = CALL_VJP.get(node.op.routine)
    if rule is None:
        raise NoRuleError(f"{node.op} has no entry in autodiff/rules/calls.py")
    values = guards.values(o, gs)
    if node.op.routine in HOLOMORPHIC and is_complex(node):
        found = rule(o, node, [g and o.conjugate(g) for g in values], wanted)
        return guards.through(o, gs, [g and o.conjugate(g) for g in found])
    return guards.through(o, gs, rule(o, node, values, wanted))


@jvp(ops.Call)
def call_jvp(o: Symbolic, node: Apply, tangents: Sequence[Guarded | None]) -> list[Guarded | None]:
    """The rule of the routine."""
    rule = CALL_JVP.get(node.op.routine)
    if rule is None:
        raise NoRuleError(f"{node.op} has no forward entry in autodiff/rules/calls.py")
    return guards.through(o, tangents, rule(o, node, guards.values(o, tangents)))


# ------------------------------------------------------------------------------------------------- draws


def why(node: Apply) -> str:
    """Why there is no gradient."""
    return f"draws of {node.op.title} have no gradient by its parameters"


def _draws_vjp(o: Symbolic, node: Apply, gs: Sequence[Variable | None],
               wanted: Sequence[bool]) -> list[Variable | None]:
    """As the draws move with the parameters; undefined where they don't."""
    (_, *parameters), _ = node.op.split(node.inputs)
    path, g, x = PATHS.get(node.op.routine), gs[-1], node.outputs[-1]
    found: list[Variable | None] = [NullVariable(NullType(why(node))) for _ in parameters]
    if path is not None and g is not None:
        found = [pulled(g, slope, p) for slope, p in zip(path(x, *parameters), parameters)]  # type: ignore[arg-type]
    return [None, *found, *[None] * (len(node.inputs) - 1 - len(found))]


def _draws_jvp(o: Symbolic, node: Apply, tangents: Sequence[Variable | None]) -> list[Variable | None]:
    (_, *parameters), _ = node.op.split(node.inputs)
    path, x = PATHS.get(node.op.routine), node.outputs[-1]
    if path is None:
        raise NotDifferentiableError(f"{why(node)}{at(node.source)}")
    terms = [ew.second(x, t * slope) for t, slope in zip(tangents[1:], path(x, *parameters))  # type: ignore
                        if t is not None]
    return [None, ew.add(*terms, 0.0)]


_DRAWS = [name for name, row in ROUTINES.items() if row.has_state]
CALL_VJP.update(dict.fromkeys(_DRAWS, _draws_vjp))
CALL_JVP.update(dict.fromkeys(_DRAWS, _draws_jvp))


def _factor_vjp(o: Symbolic, node: Apply, gs: Sequence[Variable | None],
                wanted: Sequence[bool]) -> list[Variable | None]:
    """Undefined by the covariance: NumPy's factors jump where singular values cross."""
    return [NullVariable(NullType(why(node))), None]


for name in ("covariance_svd", "covariance_eigh"):
    CALL_VJP[name] = _factor_vjp
    CALL_JVP[name] = _draws_jvp


# ------------------------------------------------------------------------------------------------- positions and counts


for name in ("count_true", "nonzero", "bincount"):
    CALL_VJP[name] = lambda o, node, gs, wanted: [None] * len(node.inputs)
    CALL_JVP[name] = lambda o, node, tangents: [None]
