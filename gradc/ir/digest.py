"""Stable SHA-256 of a Program: equal for equal equations, types, constants and (sanitised) names.

No ids, no `hash()`, no set order: the same in every process.  User lines are not part of it.

Ops that users write in Python are what the digest can't see into.  By `digest`, by which Programs compare, they are
equal if they say so themselves; it holds in this process only.  By `kernel_digest` they are told apart from each other
and not from those of other Programs: a kernel calls them by number.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from gradc.ir import ops
from gradc.ir.names import identifier
from gradc.ir.scalars import Row
from gradc.ir.snippet import snippet_of

if TYPE_CHECKING:
    from gradc.ir.program import Program

_COUNT = itertools.count()
_OF_USERS: WeakKeyDictionary[object, int] = WeakKeyDictionary()    # Ops and their numbers, which are not used again


def sanitised(name: str | None) -> str:
    """The part of a user's name that can appear in C."""
    return identifier(name) if name else ""


def digest(program: Program) -> str:
    """Hex SHA-256 of a Program (which compares by it, hence is not imported here); computed once."""
    if program._digest is None:
        program._digest = _digest(program, digest, _number_of)
    return program._digest


def kernel_digest(program: Program) -> str:
    """The digest of what a kernel of the Program depends on."""
    whole = digest(program)
    if not _OF_USERS:                   # no Program has any
        return whole
    numbers: dict[object, int] = {}

    def inner(body: Program) -> str:
        return _digest(body, inner, lambda user: numbers.setdefault(user, len(numbers)))

    return inner(program)


def _number_of(user: object) -> int:
    """Equal numbers, equal Ops."""
    found = _OF_USERS.get(user)
    if found is None:
        found = _OF_USERS[user] = next(_COUNT)
    return found


def _digest(program: Program, inner: Callable[[Program], str], number_of: Callable[[object], int]) -> str:
    """The digest of a Program; `inner`: that of a body in it; `number_of`: what is known of a user's Op."""
    number = {v: str(k) for k, v in enumerate(program.inputs)}
    h = hashlib.sha256()
    parts: list[str] = [f"{v.type.short()} {sanitised(v.name)}" for v in program.inputs]
    texts: dict[ops.OpKind, str] = {}
    for eqn in program.eqns:
        op = eqn.op
        for out in eqn.outs:
            number[out] = str(len(number))
            if out.name:
                parts.append(sanitised(out.name))
        if type(op) is ops.Const:
            data = op.value.data
            parts.append(f"constant {data.dtype.str} {data.shape}")
            h.update(data.tobytes())
        else:
            text = texts.get(op)
            if text is None:
                text = texts[op] = _op(op, inner, number_of)
            parts.append(" ".join([text, *[number[a] for a in eqn.args]]))
            if ops.user_op(op) is not None:         # only the Op itself can tell
                parts.append(" ".join([out.type.short() for out in eqn.outs]))
    parts.append(" ".join(["return", *[number[v] for v in program.outputs]]))
    h.update("\n".join(parts).encode())
    return h.hexdigest()


def _op(op: ops.OpKind, inner: Callable[[Program], str], number_of: Callable[[object], int]) -> str:
    if type(op) is ops.Map and isinstance(op.fn, Row):
        return f"Map row {op.fn.name} {op.fn.rule} {op.fn.c} {op.fn.snippet}"
    if (user := ops.user_op(op)) is not None:
        return f"Call {op.ranks} {number_of(user)} {snippet_of(user)}"  # type: ignore[attr-defined]
    if type(op) is ops.Scan:
        return (f"Scan {inner(op.body)} {op.n_seqs} {op.n_carries} {op.until} {op.reverse} {op.limited} "
                f"{sanitised(op.name)}")
    if type(op) is ops.Cond:
        return f"Cond {inner(op.then)} {inner(op.orelse)} {sanitised(op.name)}"
    return repr(op)
