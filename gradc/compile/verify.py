"""`verify_grad` and `numeric_grad`: is a gradient what finite differences say it is?

In: a function that builds an expression, and a point.  Out: nothing, or a WrongGradientError that says where the two
differ and by how much.  gradc's own tests use complex steps, which see errors a million times smaller; these
functions serve users, whose Ops need not take complex numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from gradc.autodiff.reverse import grad
from gradc.compile.function import function
from gradc.compile.mode import Mode
from gradc.errors import BadValueError, GradientError, TypeMismatchError, WrongGradientError, at, quoted
from gradc.ir import dtypes
from gradc.ir.graph import Variable, user_line
from gradc.ir.types import TensorType
from gradc.tensor.checks import python_integer
from gradc.tensor.convert import cast

# Per dtype the step of a central difference, the cube root of the rounding error, and the errors that are let pass,
# Aesara's.
_STEP = {"float32": 5e-3, "float64": 6e-6}
_TOLERANCE = {"float32": 1e-2, "float64": 1e-4}

Points: TypeAlias = Any         # an array, or a list of them



class numeric_grad:
    """The gradient of `f` at `pt` by central differences: `gf`, one array per array of `pt` (or one, if pt is one).

    f: takes arrays such as those of `pt`, returns a number.  eps: the step, for all elements (default: in
    proportion to the element, as its dtype allows).  out_type: the dtype of f's value, if less precise than pt.

    Error: about eps**2 times the third derivative, plus rounding of f divided by eps.
    Source: aesara.gradient.numeric_grad, which takes one-sided differences.
    """

    def __init__(self, f: Callable[..., object], pt: Points, eps: float | None = None,
                 out_type: str | None = None) -> None:
        _check_eps(eps)
        single = not isinstance(pt, (list, tuple))
        points = [np.array(p) for p in ([pt] if single else pt)]
        names = [p.dtype.name for p in points] + ([out_type] if out_type else [])
        for name in names:
            if name not in _STEP:
                raise TypeMismatchError(f"numeric_grad differentiates by arrays of floats, got dtype {name}"
                                        f"{at(user_line())}")
        coarsest = max((_STEP[name] for name in names), default=_STEP["float64"])
        found = [_differences(f, points, p, coarsest if eps is None else eps, eps is None) for p in points]
        self.gf: Any = found[0] if single else found

    @staticmethod
    def abs_rel_err(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """|a - b|, and that in relation to |a| + |b| (0 where both are 0)."""
        with np.errstate(all="ignore"):
            absolute = np.where(np.equal(a, b), 0.0, np.abs(np.subtract(a, b)))
            return absolute, absolute / np.maximum(np.abs(a) + np.abs(b), 1e-8)

    def abs_rel_errors(self, g_pt: Points) -> list[tuple[np.ndarray, np.ndarray]]:
        """Per array of `pt`: absolute and relative errors of the gradient `g_pt`."""
        mine, given = self._listed(self.gf), self._listed(g_pt)
        if len(mine) != len(given):
            raise GradientError(f"expected {len(mine)} gradient(s), got {len(given)}{at(user_line())}")
        for k, (a, b) in enumerate(zip(mine, given)):
            if np.shape(a) != np.shape(b):
                raise GradientError(f"the gradient by input {k} must have its shape {np.shape(a)}, got {np.shape(b)}"
                                    f"{at(user_line())}")
        return [self.abs_rel_err(a, b) for a, b in zip(mine, given)]

    def max_err(self, g_pt: Points, abs_tol: float, rel_tol: float) -> tuple[int, int, float, float]:
        """The worst element: (input, position in the flat array, absolute error, relative error).

        An element is as bad as the better of its two errors, in units of what is allowed; nan is worst.
        """
        worst = (0, 0, 0.0, 0.0)
        measure = -1.0
        for k, (absolute, relative) in enumerate(self.abs_rel_errors(g_pt)):
            if not absolute.size:
                continue
            scaled = np.minimum(absolute / abs_tol, relative / rel_tol)
            scaled = np.where(np.isnan(scaled), np.inf, scaled).ravel()
            position = int(np.argmax(scaled))
            if scaled[position] > measure:
                measure = scaled[position]
                worst = (k, position, float(absolute.flat[position]), float(relative.flat[position]))
        return worst

    @staticmethod
    def _listed(x: Points) -> list[np.ndarray]:
        return list(x) if isinstance(x, (list, tuple)) else [x]


def _check_eps(eps: float | None) -> None:
    if eps is not None and not eps > 0:
        raise BadValueError(f"the step of finite differences, eps, must be positive, got {quoted(eps)}"
                            f"{at(user_line())}")


def _differences(f: Callable[..., object], points: Sequence[np.ndarray], p: np.ndarray, eps: float,
                 relative: bool) -> np.ndarray:
    """Central differences of f by each element of `p`, which is one of `points` and is changed in between."""
    result = np.zeros(p.shape, p.dtype)
    flat, out = p.reshape(-1), result.reshape(-1)
    for k in range(flat.size):
        x = flat[k]
        step = eps * max(1.0, abs(float(x))) if relative else eps
        flat[k] = x + step
        above, after = flat[k], float(np.asarray(f(*points)))
        flat[k] = x - step
        below, before = flat[k], float(np.asarray(f(*points)))
        flat[k] = x
        out[k] = (after - before) / (float(above) - float(below))
    return result


def verify_grad(fun: Callable[..., object], pt: Sequence[object], n_tests: int = 2,
                rng: np.random.Generator | None = None,
                eps: float | None = None, out_type: str | None = None, abs_tol: float | None = None,
                rel_tol: float | None = None, mode: Mode | str | None = None, cast_to_output_type: bool = False,
                no_debug_ref: bool = True) -> None:
    """Check the gradient of what `fun` builds, at the point `pt`, against finite differences.

    fun: takes variables, one per array of `pt`, returns one variable.  The output is multiplied by random numbers
        and summed, `n_tests` times; what is compared is the gradient of that sum.
    rng: a NumPy Generator or RandomState for those numbers; default_rng(1) if None.
    eps, abs_tol, rel_tol: step and allowed errors, by default as the coarsest dtype of `pt` and output allows
        (float64: 1e-4).  An element is wrong if both of its errors are larger.
    out_type: the dtype that the output must have.  cast_to_output_type: the sum is taken in the output's dtype.
    mode: as `function`'s.  no_debug_ref: accepted for compatibility.

    Raises: WrongGradientError (a GradientError) with input, index, both values and both errors; TypeMismatchError
        for points or outputs that are not floats.
    Source: aesara.gradient.verify_grad, whose signature is matched.
    """
    n_tests = python_integer(n_tests, "verify_grad", "n_tests", 1)
    _check_eps(eps)
    points = [np.array(p) for p in pt]
    for k, p in enumerate(points):
        if p.dtype.name not in dtypes.WIDE:
            raise TypeMismatchError(f"verify_grad: point {k} must hold float32 or float64, got dtype {p.dtype}; give "
                                    f"integers and bools to fun as constants{at(user_line())}")
    inputs = [TensorType(p.dtype, tuple(1 if s == 1 else None for s in p.shape))(name=f"input {k}")
              for k, p in enumerate(points)]
    output = fun(*inputs)
    if not isinstance(output, Variable):
        raise TypeMismatchError(f"verify_grad: fun must return one variable, got a {type(output).__name__}"
                                f"{at(user_line())}")
    dtype = getattr(output.type, "dtype", None)
    if dtype not in dtypes.WIDE or out_type not in (None, dtype):
        raise TypeMismatchError(f"verify_grad: the output of fun must have dtype {out_type or 'float32 or float64'}, "
                                f"got {output.type}{at(output.source)}")
    coarsest = max([dtype, *(p.dtype.name for p in points)], key=_TOLERANCE.__getitem__)
    abs_tol = _TOLERANCE[coarsest] if abs_tol is None else abs_tol
    rel_tol = _TOLERANCE[coarsest] if rel_tol is None else rel_tol

    projection = output.type(name="projection")
    summed = output * projection if cast_to_output_type else cast(output, "float64") * projection
    cost = summed.sum()
    value = function([*inputs, projection], cost, mode=mode, on_unused_input="ignore")
    gradient = function([*inputs, projection], grad(cost, inputs, disconnected_inputs="ignore"), mode=mode,
                        on_unused_input="ignore")
    shape = function(inputs, output, mode=mode, on_unused_input="ignore")(*points).shape
    source = np.random.default_rng(1) if rng is None else rng
    for _ in range(n_tests):
        weights = np.asarray(source.uniform(size=shape) + 0.5, dtype)
        numeric = numeric_grad(lambda *x, w=weights: value(*x, w), points, eps, dtype)
        symbolic = gradient(*points, weights)
        k, position, absolute, relative = numeric.max_err(symbolic, abs_tol, rel_tol)
        if absolute <= abs_tol or relative <= rel_tol:
            continue
        index = tuple(map(int, np.unravel_index(position, points[k].shape)))
        raise WrongGradientError(k, index, points[k].shape, float(symbolic[k].flat[position]),
                                 float(numeric.gf[k].flat[position]), absolute, relative, abs_tol, rel_tol)


verify_grad.E_grad = WrongGradientError  # type: ignore[attr-defined]    # Aesara's users catch it by this name
