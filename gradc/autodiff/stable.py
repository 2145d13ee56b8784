"""Expressions of exponentials that are differentiated by a form of equal value that neither overflows nor cancels.

The literal derivative of exp(x) / (1 + exp(x)) is a sum of quotients that are inf/inf at 1000 and cancel at 30: no
later simplification of it can be relied on.  So the two passes ask here, for each node, for another form of it
(`ir/stable_forms.py`).  A form is made of the variables that the node is made of, whatever else they are used for, and
its derivative is that of the rows it is made of.  The node's value stays what it is; `passes.stabilize` gives values
the same forms.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from gradc.autodiff import guards
from gradc.autodiff.guards import Guarded
from gradc.autodiff.symbolic import Symbolic
from gradc.ir import build, dtypes, ops, stable_forms
from gradc.ir.exponentials import ROOTS, SEEDING
from gradc.ir.graph import Apply, Constant, Variable, toposort
from gradc.ir.merge import placed
from gradc.ir.weighted import Remainder, Softmax

__all__ = ["ROOTS", "SEEDING", "GraphForms", "Projection", "new_nodes"]


class GraphForms(stable_forms.Forms[Variable]):
    """Finds forms; `keep` are variables (by id) that are differentiated by, so that they may not be seen through."""

    opens = True

    def __init__(self, o: Symbolic, keep: Collection[int]) -> None:
        super().__init__()
        self.o = o
        self.keep = keep

    def of(self, node: Apply) -> Variable | None:
        """Another expression for the result of `node`, or None."""
        self.like = out = node.outputs[0]
        self.dtype = out.type.dtype
        if self.dtype not in dtypes.FLOATS or not any([self.seed(x) for x in node.inputs]):
            return None
        self.forget()       # a form is made of what the node is made of: cotangents of others may have been passed on
        made = self.form(node.op.fn, node.inputs)
        if made is None:
            return None
        made = self.cast(made, self.dtype)
        return made if made.type == out.type else None

    def projection(self, node: Apply) -> Projection | None:
        """`node` as one of the softmax family, or None."""
        out, fn, args = node.outputs[0], node.op.fn, node.inputs
        if fn not in _PROJECTIONS or out.type.dtype not in dtypes.FLOATS:
            return None
        self.like, self.dtype = out, out.type.dtype
        seeds = any([self.seed(a) for a in args])
        if not seeds and not any([self.made(self._untransposed(a)[1])[0] == _LOG for a in args]):
            return None
        self.forget()
        found: Softmax | None = None
        if fn == "log":
            log = self.log_sum_of(out)
            return None if log is None or (log[1] is not None and log[1] != placed(
                log[0].axes, out.type.ndim)) else self._projection("logsumexp", log[0], out)
        if fn == "sub":
            found = self.log_softmax_of(*args)
            if found is not None:
                return self._projection("log_softmax", found, out)
            less = self._whole_remainder(out) if seeds else None
            return None if less is None or less.centred else self._projection("spread", less.softmax, out, less.first)
        whole = self.combined(fn, args) if seeds else None
        found = None if whole is None else self.softmax_of(whole)
        if found is not None:
            return self._projection("softmax", found, out)
        for p, centred in (args, args[::-1]) if fn == "mul" else ():
            found = self.softmax_of(self.product(p))
            if found is not None:
                less = self._whole_remainder(centred)
                if less is not None and less.centred and less.softmax == found:
                    return self._projection("derivative", found, out, less.first, centred)
        return None

    def _whole_remainder(self, v: Variable) -> Remainder[Variable] | None:
        """v as what is left of an expression of which nothing has been taken off."""
        found = self.remainder(*self.row(v))
        inner = None if found is None else self.remainder(*self.row(found.first))
        return found if inner is None or found is None or inner[2:] != found[2:] else inner

    def _projection(self, kind: str, softmax: Softmax, out: Variable, *more: Variable) -> Projection | None:
        of = self.variable(softmax.u)
        if kind != "logsumexp" and of.type != out.type:
            return None
        return Projection(self, kind, of, self.weights(softmax), softmax.axes, out.type.ndim, *more)

    def made(self, v: Variable) -> tuple[object, Sequence[Variable]]:
        node = v.owner
        return (None, ()) if node is None or id(v) in self.keep else (node.op, node.inputs)

    def number(self, v: Variable) -> float | None:
        if isinstance(v, Constant):
            return float(v.data.reshape(())) if v.data.size == 1 and v.data.dtype.kind in "fiu" else None
        if v.owner is None or v.owner.op != _SUB:
            return None
        first, second = [self.number(x) for x in v.owner.inputs]       # the exponent of a derivative of a power
        return None if first is None or second is None else first - second

    def map(self, fn: str, *args: Variable) -> Variable:
        return getattr(self.o, fn)(*args)

    def apply(self, op: ops.OpKind, *args: Variable) -> Variable:
        return self.o.apply(op, *args)

    def cast(self, v: Variable, dtype: str) -> Variable:
        return self.o.cast(v, dtype)

    def const(self, value: float) -> Variable:
        return self.o.const(value, self.like)

    def hold(self, v: Variable) -> Variable:
        return self.o.apply(ops.GradientOf("consider_constant"), v)


class Projection(NamedTuple):
    """One of the softmax family, whose derivatives are of the family again; p = softmax(of).

    kind           value                        by a cotangent g                 along a tangent t
    softmax        p                            p * centred(g)                   p * centred(t)
    derivative     p * less                     p * centred(centred(g) * less)   p * centred(centred(t) * less)
    log_softmax    log(p)                       spread(g)                        centred(t)
    spread         spread(along)                -p * centred(g) * sum(along)     -p * centred(t) * sum(along)
    logsumexp      log(sum(exp(of)))            p * g                            sum(p * t)

    centred(w) is w - sum(w * p), spread(g) is g - p * sum(g), `less` is centred(along).  Literal derivatives lose
    1 - p[i] where p[i] is near 1; these are made of the two forms of `ir/weighted.py`, which keep it.
    """

    forms: GraphForms
    kind: str
    of: Variable
    p: Variable
    axes: tuple[int, ...]
    ndim: int                       # of the value
    along: Variable | None = None
    less: Variable | None = None

    def sources(self) -> list[Variable]:
        """The variables it depends on."""
        return [self.of] if self.along is None else [self.of, self.along]

    def backward(self, g: Guarded) -> list[Guarded]:
        """The cotangents of `sources`."""
        forms, axes = self.forms, self.axes
        raw, o = g.value(forms.o), forms.o
        match self.kind:
            case "logsumexp":
                kept = raw if self.ndim == self.p.type.ndim else forms.kept(raw, axes, self.p)
                terms = [o.mul(kept, self.p)]
            case "log_softmax":
                terms = [forms.spread(raw, self.p, axes)]
            case "spread":
                terms = [self._derivative_of_spread(raw), self._centred(raw)]
            case "derivative":
                terms = [self._derivative(o.mul(self._centred(raw), self.less)), self._derivative(raw)]
            case _:
                terms = [self._derivative(raw)]
        return [guards.along_axes(o, t, [g], self._axes(), self._kept()) for t in terms]

    def forward(self, tangents: Sequence[Guarded | None]) -> Guarded | None:
        """The tangent for those of `sources`."""
        forms, o = self.forms, self.forms.o
        t, *rest = guards.values(o, tangents)
        if self.less is not None and t is not None:
            t = o.mul(self._centred(t), self.less)
        if self.kind == "spread":
            t = t if t is None else self._derivative_of_spread(t)
            rest = [u if u is None else forms.spread(u, self.p, self.axes) for u in rest]
        t = o.add_terms([u for u in (t, *rest) if u is not None])
        if t is None:
            return None
        match self.kind:
            case "logsumexp":
                t = build.fold(o, "add", o.mul(self.p, t), self.axes)
                t = t if t.type.ndim == self.ndim else forms.kept(t, self.axes, self.p)
            case "log_softmax":
                t = self._centred(t)
            case "softmax" | "derivative":
                t = self._derivative(t)
        wanted = self._kept() if self.ndim == self.p.type.ndim else self._axes()
        return guards.along_axes(o, t, [g for g in tangents if g is not None], range(self.p.type.ndim), wanted)

    def _kept(self) -> list[int]:
        """The axes of p, -1 for those that it is summed along."""
        return [-1 if k in self.axes else k for k in range(self.p.type.ndim)]

    def _axes(self) -> list[int]:
        """The axes that the value has of those of p."""
        return [k for k in range(self.p.type.ndim) if self.ndim == self.p.type.ndim or k not in self.axes]

    def _centred(self, w: Variable) -> Variable:
        return self.forms.centred(w, self.p, self.axes)

    def _derivative_of_spread(self, w: Variable) -> Variable:
        """By `of`, whose tangent or cotangent is w."""
        assert self.along is not None
        total = self.forms.total(self.forms.fitted(self.along, self.p), self.axes)
        return self.forms.o.neg(self.forms.o.mul(self._derivative(w), total))

    def _derivative(self, w: Variable) -> Variable:
        """p * centred(w)."""
        return self.forms.o.mul(self.p, self._centred(w))


_PROJECTIONS = frozenset({"true_divide", "mul", "sub", "log"})
_SUB, _LOG = ops.Map("sub"), ops.Map("log")


def new_nodes(forms: Sequence[Variable], known: Collection[int]) -> list[Apply]:
    """The nodes of forms, in order: those above which there are variables (by id) of the graph they were made for."""
    stop, seen, work = [], set(), list(forms)
    while work:
        v = work.pop()
        if v.owner is None or id(v) in known:
            stop.append(v)
        elif id(v) not in seen:
            seen.add(id(v))
            work.extend(v.owner.inputs)
    return toposort(forms, stop)
