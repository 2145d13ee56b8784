"""`ifelse`: one of two expressions, of which only the one that is taken is computed.

The Cond built here merely selects; `ir.branches.sink` moves what one branch alone needs into it.
"""

from __future__ import annotations

from typing import Any, overload

from gradc.config import config
from gradc.errors import LoopError, at
from gradc.ir import dtypes, ops
from gradc.ir.convert import to_program
from gradc.ir.graph import Variable, apply, describe, user_line
from gradc.ir.types import RngType
from gradc.tensor.convert import as_tensor_variable, constant, together
from gradc.tensor.elemwise import neq
from gradc.tensor.types import Array, Number, TensorLike
from gradc.tensor.variable import TensorVariable


@overload
def ifelse(condition: TensorLike, then_branch: list[Any], else_branch: list[Any],
           name: str | None = None) -> list[TensorVariable]: ...
@overload
def ifelse(condition: TensorLike, then_branch: tuple[Any, ...], else_branch: tuple[Any, ...],
           name: str | None = None) -> tuple[TensorVariable, ...]: ...
@overload
def ifelse(condition: TensorLike, then_branch: Variable | Array | Number, else_branch: Variable | Array | Number,
           name: str | None = None) -> TensorVariable: ...
def ifelse(condition: TensorLike, then_branch: Any, else_branch: Any, name: str | None = None) -> Any:
    """`then_branch` if the condition is true (not 0), else `else_branch`; an expression or a list of them in each.

    Lazy: what only the other branch needs is not computed, nor is its part of a gradient.  What is needed elsewhere,
    too, is computed once, outside.  A branch of which only sizes are asked, and these are known without it, is not
    computed either: its errors are not raised.  (`switch` chooses element by element and computes both.)

    Shapes: condition (); the branches' results agree in rank, not in size.   Dtype: the same in both branches; a Python
    number takes that of the other branch.
    Returns: one expression, or a list if the branches are lists (a tuple for tuples).
    Raises: LoopError (a TypeError and a ValueError) if condition or branches do not fit.
    Source: aesara.ifelse.ifelse, whose behaviour is matched.
    """
    chosen = as_tensor_variable(condition)
    if chosen.type.ndim:
        raise LoopError(f"ifelse takes a scalar condition, got {describe(chosen)} of type {chosen.type}"
                        f"{at(chosen.source)}; reduce it with .all() or .any(), or use switch")
    if chosen.type.dtype != "bool":
        chosen = neq(chosen, 0)
    single = not isinstance(then_branch, (list, tuple))
    pairs = _pairs(then_branch, else_branch)
    for k, (a, b) in enumerate(pairs):
        if a.type == b.type:
            continue
        if isinstance(b.type, RngType) or a.type.dtype != b.type.dtype or a.type.ndim != b.type.ndim:
            raise LoopError(f"ifelse: {'the result' if single else f'result {k}'} is {a.type.short()} ({describe(a)}"
                            f"{at(a.source)}) in one branch and {b.type.short()} ({describe(b)}{at(b.source)}) in the "
                            f"other; cast or reshape one of them")
    taken = [a for a, _ in pairs] + [b for _, b in pairs]
    inputs = [v.type() for v in taken]
    select = ops.Cond(to_program(inputs, inputs[:len(pairs)]), to_program(inputs, inputs[len(pairs):]),
                      name or "")
    made = apply(select, chosen, *taken)
    if single:
        return made
    return type(then_branch)(made if isinstance(made, list) else [made])


def _pairs(then_branch: object, else_branch: object) -> list[tuple[Any, Any]]:
    """The results of both branches, by place, as variables."""
    branches = [list(b) if isinstance(b, (list, tuple)) else [b] for b in (then_branch, else_branch)]
    if len(branches[0]) != len(branches[1]) or not branches[0]:
        raise LoopError(f"ifelse: the branches give as many results as one another, at least one; got "
                        f"{len(branches[0])} and {len(branches[1])}{at(user_line())}")
    return [_of_one_type(a, b) for a, b in zip(*branches)]


def _of_one_type(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as variables; a Python number in the dtype of the other, if that holds such numbers, or by the policy."""
    if isinstance(b, Variable) and not isinstance(a, Variable):
        return tuple(reversed(_of_one_type(b, a)))
    if isinstance(a, Variable) and isinstance(b, Variable) and isinstance(a.type, RngType) and a.type == b.type:
        return a, b                     # states of random generators
    if config.cast_policy == "weak":
        a, b = together((a, b))
        return a, b
    a = as_tensor_variable(a)
    if isinstance(b, (int, float)) and dtypes.upcast(a.type.dtype, dtypes.autocast(b).dtype.name) == a.type.dtype:
        return a, constant(b, dtype=a.type.dtype)
    return a, as_tensor_variable(b)
