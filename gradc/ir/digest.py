"""Stable SHA-256 of a Program: equal for equal equations, types, constants and (sanitised) names.

No ids (but of user Ops that have no `__props__` to tell them apart), no `hash()`, no set order: the same in every
process.  User lines are not part of it.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from gradc.ir import ops
from gradc.ir.scalars import Row
from gradc.ir.types import TensorType

_IDENTIFIER = re.compile(r"[^A-Za-z0-9_]")


def sanitised(name: str | None) -> str:
    """The part of a user's name that can appear in C."""
    return _IDENTIFIER.sub("_", name) if name else ""


def digest(program: Any) -> str:
    """Hex SHA-256 of a Program (which compares by it, hence is not imported here); computed once."""
    if program._digest is None:
        number = {v: str(k) for k, v in enumerate(program.inputs)}
        h = hashlib.sha256()
        parts: list[str] = [f"{_type(v.type)} {sanitised(v.name)}" for v in program.inputs]
        texts: dict[ops.OpKind, str] = {}
        for eqn in program.eqns:
            op = eqn.op
            for out in eqn.outs:
                number[out] = str(len(number))
                if out.name:
                    parts.append(sanitised(out.name))
            if type(op) is ops.Constant:
                data = op.value.data
                parts.append(f"constant {data.dtype.str} {data.shape}")
                h.update(data.tobytes())
            else:
                text = texts.get(op)
                if text is None:
                    text = texts[op] = _op(op)
                parts.append(" ".join([text, *[number[a] for a in eqn.args]]))
        parts.append(" ".join(["return", *[number[v] for v in program.outputs]]))
        h.update("\n".join(parts).encode())
        program._digest = h.hexdigest()
    return program._digest


def _type(t: object) -> str:
    return t.short() if isinstance(t, TensorType) else repr(t)


def _op(op: ops.OpKind) -> str:
    if type(op) is ops.Map and isinstance(op.fn, Row):
        return f"Map row {op.fn.name} {op.fn.rule} {op.fn.c} {op.fn.snippet}"
    if type(op) is ops.Callback:
        own = op.op if op.op.__props__ else id(op.op)       # (such a Program never becomes a kernel in the cache)
        return f"Callback {type(op.op).__module__}.{type(op.op).__qualname__} {own}"
    if type(op) is ops.Scan:
        return (f"Scan {digest(op.body)} {op.n_seqs} {op.n_carries} {op.until} {op.reverse} {op.limited} "
                f"{sanitised(op.name)}")
    if type(op) is ops.Cond:
        return f"Cond {digest(op.then)} {digest(op.orelse)} {sanitised(op.name)}"
    return repr(op)
