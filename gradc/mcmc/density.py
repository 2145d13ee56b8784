"""The user's log density as an expression of one vector, the position: its parameters laid end to end."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from gradc import Variable, clone_replace, grad
from gradc import tensor as aet
from gradc.errors import BadArgumentError, at, listed, quoted, user_line
from gradc.ir.graph import describe
from gradc.tensor.variable import TensorVariable

Start: TypeAlias = "Mapping[str, object] | Mapping[Variable, object]"
LogDensity: TypeAlias = "Variable | Callable[..., Variable]"


class Density:
    """The log density of a position q and its gradient; where in q which parameter stands.

    logp: a scalar expression of the variables that are the keys of `start`; or a function of parameters that are named
    as the keys of `start`, which returns such an expression.  start: a value of each parameter, which says its shape.
    """

    def __init__(self, logp: LogDensity, start: Start) -> None:
        if not isinstance(start, Mapping) or not start:
            raise BadArgumentError("the starting point is a dict from parameters to values, such as "
                                   f"{{'mu': 0.0}}, got {quoted(start)}{at(user_line())}")
        self.keys = list(start)
        self.names = [_name(key, k) for k, key in enumerate(self.keys)]
        self.values = [_value(name, value) for name, value in zip(self.names, start.values())]
        self.size = sum(v.size for v in self.values)
        self._logp = logp
        twice = {n for n in self.names if self.names.count(n) > 1}
        if twice:
            raise BadArgumentError(f"parameters need names of their own, got two called {listed(sorted(twice))}")
        if isinstance(logp, Variable):
            strange = [name for name, key in zip(self.names, self.keys) if not isinstance(key, TensorVariable)]
            if strange:
                raise BadArgumentError(f"the log density {describe(logp)} is an expression, so the keys of the "
                                       f"starting point are variables in it, got {listed(strange)}{at(user_line())}")
        elif callable(logp):
            self._takes(logp)
        else:
            raise BadArgumentError(f"the log density is a scalar expression, or a function that returns one, got "
                                   f"{quoted(logp)}{at(user_line())}")

    def position(self) -> np.ndarray:
        """The starting point as one vector, float64."""
        return np.concatenate([v.ravel() for v in self.values])

    def parts(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Positions (..., size) as arrays (..., *shape) by the parameters' names."""
        cuts = np.cumsum([v.size for v in self.values])[:-1]
        return {name: part.reshape((*rows.shape[:-1], *v.shape))
                for name, v, part in zip(self.names, self.values, np.split(rows, cuts, axis=-1))}

    def __call__(self, q: TensorVariable) -> tuple[TensorVariable, TensorVariable]:
        """The log density at q, float64, and its gradient by q."""
        logp = self._expression(q)
        if not isinstance(logp, Variable) or getattr(logp, "ndim", None) != 0:
            got = f"{describe(logp)}: {logp.type}" if isinstance(logp, Variable) else quoted(logp)
            raise BadArgumentError(f"the log density is a scalar, a sum over all terms, got {got}{at(user_line())}")
        logp = aet.cast(logp, "float64")
        return logp, grad(logp, q, disconnected_inputs="ignore")

    def _expression(self, q: TensorVariable) -> Variable:
        begin, parts = 0, []
        for name, v in zip(self.names, self.values):
            part = q[begin:begin + v.size].reshape(v.shape)
            part.name = name
            parts.append(part)
            begin += v.size
        if isinstance(self._logp, Variable):
            pairs = [(key, aet.cast(part, key.dtype)) for key, part in zip(self.keys, parts)
                     if isinstance(key, TensorVariable)]
            replaced: Variable = clone_replace(self._logp, pairs)
            return replaced
        return self._logp(**dict(zip(self.names, parts)))

    def _takes(self, logp: Callable[..., Variable]) -> None:
        try:
            inspect.signature(logp).bind(**dict.fromkeys(self.names))
        except TypeError as fault:
            raise BadArgumentError(f"the log density is called with the names of the starting point, "
                                   f"{listed(self.names)}: {fault}{at(user_line())}") from None
        except ValueError:      # no signature to be had
            return


def _name(key: object, k: int) -> str:
    name = key.name or f"parameter_{k}" if isinstance(key, Variable) else key
    if not isinstance(name, str):
        raise BadArgumentError("the keys of the starting point are names or variables, got "
                               f"{quoted(key)}{at(user_line())}")
    return name


def _value(name: str, value: object) -> np.ndarray:
    try:
        found = np.asarray(value, dtype="float64")
    except (TypeError, ValueError):
        found = np.full((), np.nan)
    if not np.isfinite(found).all():
        raise BadArgumentError(f"the starting point needs finite real numbers, got {quoted(value)} for {name!r}"
                               f"{at(user_line())}")
    return found
