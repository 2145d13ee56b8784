"""`Symbolic`, the namespace `o` that derivatives are written against, on expression graphs.

`o.exp(x)`, `o.mul(x, y)`, ...: one method per row of `ir.scalars`, so that a row's derivative builds nodes;
`o.apply` and the methods below it serve the rules of structural op kinds.  Every node gets the user's line
of the node that is being differentiated.  Operands are Variables; nothing is converted here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gradc.config import config
from gradc.errors import SourceLine
from gradc.ir import build, dtypes, infer, ops
from gradc.ir.facts import FOLDING, REORDERING
from gradc.ir.graph import Apply, Constant, Variable
from gradc.ir.scalars import ROWS
from gradc.ir.types import TensorType, Type

_SUB, _CONJ, _REAL = ops.Map("sub"), ops.Map("conj"), ops.Map("real")
_BY_TYPES = (ops.Cast, *FOLDING, *REORDERING)       # kinds whose arguments' types tell the type of the result


class Symbolic:
    """Builds nodes of the expression graph; one object per gradient, holding its constants."""

    def __init__(self) -> None:
        self.source: SourceLine | None = None       # given to every node made from now on
        self._constants: dict[tuple[float, str], Variable] = {}
        self._types: dict[tuple[object, ...], Type] = {}         # (row, argument types) -> result type

    if TYPE_CHECKING:
        def __getattr__(self, row: str) -> Callable[..., Variable]: ...

    def apply(self, op: ops.OpKind, *inputs: Variable) -> Variable:
        """`op(*inputs)` for an op with one output."""
        if type(op) not in _BY_TYPES:
            return Apply(op, inputs, infer.output_types(op, inputs, self.source), self.source).outputs[0]
        key = (op, *[v.type for v in inputs])
        result = self._types.get(key)
        if result is None:
            result = self._types[key] = infer.output_types(op, inputs, self.source)[0]
        return Apply(op, inputs, (result,), self.source).outputs[0]

    def const(self, value: float, like: Variable) -> Variable:
        """A constant in the dtype of `like` if that is floating, else the smallest integer dtype for it."""
        dtype = like.type.dtype
        return self.number(value, dtype if dtype in dtypes.CONTINUOUS else dtypes.autocast(value).dtype.name)

    def number(self, value: float, dtype: str) -> Variable:
        """A 0-d constant."""
        found = self._constants.get((value, dtype))
        if found is None:
            data = np.asarray(value, dtype=dtype)
            data.flags.writeable = False
            kind = TensorType.make(dtype, ())
            found = self._constants[value, dtype] = kind.constant_class(kind, data)
        return found

    def never_zero(self, x: Variable) -> bool:
        """Is x fixed and without zeros?"""
        value = _fixed(x)
        return value is not None and bool(np.all(value))

    def is_fixed(self, x: Variable) -> bool:
        """Is x a constant, or one less some constants (an exponent, differentiated before)?"""
        return _fixed(x) is not None

    def full_like(self, x: Variable, value: float) -> Variable:
        """`value` in the shape of x and the dtype of its cotangent (floatX for integers and bools)."""
        return self.second(x, self.number(value, cotangent_dtype(x)))

    def cast(self, x: Variable, dtype: str) -> Variable:
        """x in another dtype, of which a real one takes the real part; x itself if it has it."""
        if x.type.dtype == dtype:
            return x
        if x.type.dtype in dtypes.COMPLEX and dtype not in dtypes.COMPLEX:
            return self.cast(self.apply(_REAL, x), dtype)
        return self.apply(ops.Cast(dtype), x)

    def conjugate(self, x: Variable) -> Variable:
        """The complex conjugate; a real x itself."""
        return self.apply(_CONJ, x) if x.type.dtype in dtypes.COMPLEX else x

    def size(self, x: Variable, axis: int) -> Variable:
        """The size of x along `axis`, as an int64 scalar."""
        static = x.type.shape[axis]
        return self.apply(ops.ShapeOf(axis), x) if static is None else self.number(static, "int64")

    def sum_to(self, x: Variable, like: Variable) -> Variable:
        """x summed over the axes along which `like` was broadcast to it: missing axes and static 1s."""
        have, want = x.type.shape, like.type.shape
        if have == want:
            return x
        pad = len(have) - len(want)
        ones = [k for k, s in enumerate(want) if s == 1 and have[pad + k] != 1]
        axes = (*range(pad), *(pad + k for k in ones))
        if axes:
            x = build.fold(self, "add", x, axes)
        return build.insert_axes(self, x, ones, len(want))

    def fit(self, x: Variable, like: Variable) -> Variable:
        """x, which broadcasts to `like`, in the full shape of `like`."""
        have, want = x.type.shape, like.type.shape
        if len(have) == len(want) and all(a == b or a != 1 for a, b in zip(have, want)):
            return x
        return self.second(like, x)

    def add_terms(self, terms: list[Variable]) -> Variable | None:
        """The sum of `terms`, None if there are none."""
        total = terms[0] if terms else None
        for term in terms[1:]:
            total = self.add(total, term)
        return total


def _fixed(x: Variable) -> np.ndarray | None:
    """The value of a constant less some constants, else None."""
    less = 0
    while x.owner is not None and x.owner.op == _SUB and isinstance(x.owner.inputs[1], Constant):
        less = less + x.owner.inputs[1].data
        x = x.owner.inputs[0]
    return x.data - less if isinstance(x, Constant) else None


def cotangent_dtype(x: Variable) -> str:
    """The dtype of a gradient by x: that of x if it is floating, else floatX."""
    dtype = x.type.dtype
    return dtype if dtype in dtypes.CONTINUOUS else config.floatX


def is_continuous(x: Variable) -> bool:
    """Can x carry a gradient?"""
    return type(x.type) is TensorType and x.type.dtype in dtypes.CONTINUOUS


def is_complex(node: Apply) -> bool:
    """Does `node` take or make a complex value?"""
    for v in (*node.outputs, *node.inputs):
        if type(v.type) is TensorType and v.type.dtype in dtypes.COMPLEX:
            return True
    return False


def _method(name: str) -> Callable[..., Variable]:
    op = ops.Map(name)

    def method(self: Symbolic, *args: Variable) -> Variable:
        key = (name, *[a.type for a in args])
        result = self._types.get(key)
        if result is None:
            result = self._types[key] = infer.output_types(op, args, self.source)[0]
        return Apply(op, args, (result,), self.source).outputs[0]

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"The row {name} of ir.scalars."
    return method


for _name in ROWS:
    setattr(Symbolic, _name, _method(_name))
