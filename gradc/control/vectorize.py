"""`vectorize`: a function of variables, or a graph, over a new axis of some of its inputs.

In and out: expressions.  A graph is closed over what it takes from outside, its Program is vectorised equation by
equation (`ir.batch`), and opened again.  What has no vectorised form becomes a loop over the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradc.control.bodies import close
from gradc.errors import GraphError, ShapeError, TypeMismatchError, at
from gradc.ir import build, graph, ops
from gradc.ir.batch import Ragged, Unbatchable, batch_program
from gradc.ir.convert import inline
from gradc.ir.graph import Variable, apply, describe, graph_inputs, user_line
from gradc.ir.program import Builder, Program, rebuild
from gradc.ir.types import RngType, TensorType
from gradc.tensor.convert import as_tensor_variable
from gradc.tensor.elemwise import eq
from gradc.tensor.types import TensorLike

Axis = int | None


def vectorize(fn: Callable[..., object], in_axes: Axis | Sequence[Axis] = 0,
              out_axes: Axis | Sequence[Axis] = 0) -> Callable[..., Any]:
    """`fn`, a Python function of variables, over an axis of its arguments: a function of variables, too.

    `vectorize(fn)(xs, ys)[k]` is `fn(xs[k], ys[k])`, in one vectorised expression.  `fn` is called once, with variables
    for one row each; it returns a variable, or a list or tuple of them.  Scans, ifelse, users' Ops and gradients in
    it are vectorised as well; what has no vectorised form (an index or a condition that differs from row to row, a
    user's Op in Python) is a loop over the rows.  Random draws that depend on the rows are drawn for each row in turn,
    and the stream goes on after all of them; what depends on no row is computed, and drawn, once for all rows.

    in_axes: for each argument, the axis that counts the rows, or None where all rows take the argument whole; one
        number or None for all.  Negative axes count from the end.
    out_axes: for each result, the place of the new axis; None for a result that is the same for all rows.

    Shapes: with n rows, an argument of shape (n, *s) gives the rows shape s; a result of shape r becomes (n, *r).
    Dtype: as `fn`'s.
    Raises: ShapeError for an axis that an argument does not have, and for numbers of rows that differ (at a call,
        where types do not tell them); TypeMismatchError for in_axes or out_axes that do not fit; GraphError, with the
        user's line, for sizes of results that differ from row to row.
    Source: jax.vmap, whose arguments are matched.
    """
    if not callable(fn):
        raise TypeMismatchError(f"vectorize takes a function of variables, got {fn!r}{at(user_line())}; "
                                "vectorize_graph takes graphs")

    def vectorized(*args: Any) -> Any:
        axes = _each(in_axes, "in_axes", len(args), "argument")
        given = [as_tensor_variable(a) for a in args]
        whole = [a if axis is None else _in_front(a, axis, k) for k, (a, axis) in enumerate(zip(given, axes))]
        mapped = [a for a, axis in zip(whole, axes) if axis is not None]
        if not mapped:
            raise TypeMismatchError(f"vectorize: in_axes leaves no argument with rows{at(user_line())}; give at least "
                                    "one argument an axis")
        rows = [TensorType(a.type.dtype, a.type.shape[1:])(a.name) for a in mapped]
        take = iter(rows)
        made = fn(*[a if axis is None else next(take) for a, axis in zip(given, axes)])
        outputs = _results(made)
        places = _each(out_axes, "out_axes", len(outputs), "result")
        there = set(graph_inputs(outputs))
        checked, same = _equally_many(mapped, [row in there for row in rows])
        results, flags = _vectorized(rows, checked, outputs, [p is not None for p in places], own=True)
        for k, (place, flag, v) in enumerate(zip(places, flags, outputs)):
            if place is None and flag:
                raise GraphError(f"vectorize: out_axes says that result {k}, {describe(v)}{at(v.source)}, is the same "
                                 "for all rows, but it depends on them; give it an axis")
        results = [v if p is None else _to_place(v, p, k) for k, (v, p) in enumerate(zip(results, places))]
        if same:
            results = [apply(_EQUALLY_MANY, v, *same) for v in results]
        return type(made)(results) if isinstance(made, (list, tuple)) else results[0]

    vectorized.__name__ = getattr(fn, "__name__", "vectorized")
    vectorized.__doc__ = fn.__doc__
    return vectorized


def vectorize_graph(outputs: Any, replace: Mapping[Variable, TensorLike]) -> Any:
    """`outputs`, a variable or a list, with variables replaced by others that have more axes in front.

    What the outputs are for each element along these axes, in one vectorised graph; see `vectorize` for how.  Outputs
    that depend on no replaced variable stay as they are.  Random draws come from copies of the generators.

    Shapes: {x: X}: X.shape ends with x.shape; further axes in front are lined up from the right, as in broadcasting,
        and have equal sizes.  Each output gets those of the variables that it depends on.
    Variables that the outputs do not depend on may be in `replace`, and change nothing.
    Raises: TypeMismatchError where dtypes differ or X has fewer dimensions than x; GraphError as `vectorize`.
    Source: pytensor.graph.replace.vectorize_graph.
    """
    pairs = [(old, as_tensor_variable(new)) for old, new in replace.items()]
    for old, new in pairs:
        if not isinstance(old, Variable) or not isinstance(old.type, TensorType):
            raise TypeMismatchError(f"vectorize_graph replaces tensor variables, got {old!r}{at(user_line())}")
        if new.type.dtype != old.type.dtype or new.type.ndim < old.type.ndim:
            raise TypeMismatchError(f"vectorize_graph: {describe(old)} is {old.type.short()}, what replaces it has "
                                    f"that dtype and as many dimensions or more; {describe(new)} is {new.type.short()}"
                                    f"{at(new.source)}")
    single = isinstance(outputs, Variable)
    listed = [outputs] if single else list(outputs)
    results, _ = _vectorized([old for old, _ in pairs], [new for _, new in pairs], listed, None, own=False)
    return results[0] if single else type(outputs)(results)


def _each(axes: Any, what: str, count: int, of: str) -> list[Axis]:
    """The axis of each of `count` arguments or results."""
    listed = list(axes) if isinstance(axes, (list, tuple)) else [axes] * count
    if len(listed) != count or any(isinstance(a, bool) or not isinstance(a, int | None) for a in listed):
        raise TypeMismatchError(f"vectorize: {what} is an int, None, or one of these for each {of}; there "
                                f"{'is' if count == 1 else 'are'} {count}, got {axes!r}{at(user_line())}")
    return listed


def _results(made: Any) -> list[Variable]:
    listed = list(made) if isinstance(made, (list, tuple)) else [made]
    if not listed or any(isinstance(v, (dict, list, tuple)) or v is None for v in listed):
        raise TypeMismatchError("vectorize: the function must return a variable or a list or tuple of variables, got "
                                f"{made!r}{at(user_line())}; of (outputs, updates) of a scan return the outputs")
    return [as_tensor_variable(v) for v in listed]


def _in_front(a: Variable, axis: int, k: int) -> Variable:
    """Argument `k` with the axis first."""
    rank = a.type.ndim
    if not -rank <= axis < rank:
        raise ShapeError(f"vectorize: argument {k}, {describe(a)}, has no axis {axis}: it is {a.type.short()}"
                         f"{at(a.source or user_line())}")
    return build.move_axis(graph, a, axis % rank, 0)


def _to_place(v: Variable, place: int, k: int) -> Variable:
    """Result `k` with its first axis moved."""
    rank = v.type.ndim
    if not -rank <= place < rank:
        raise ShapeError(f"vectorize: out_axes puts the new axis of result {k} at {place}, but with it the result has "
                         f"{rank} dimension(s){at(user_line())}")
    return build.move_axis(graph, v, 0, place % rank)


_EQUALLY_MANY = ops.Assert("vectorize: the arguments have different numbers of rows", "shape")


def _equally_many(given: list[Variable], used: list[bool]) -> tuple[list[Variable], list[Variable]]:
    """Arguments, after a check that they have equally many rows; the conditions for those that are not used."""
    first = given[used.index(True) if any(used) else 0]
    checked: list[Variable] = []
    of_unused: list[Variable] = []
    for a, is_used in zip(given, used):
        n, m = [v.type.shape[0] for v in (first, a)]
        if n is not None and m is not None and n != m:
            raise ShapeError(f"vectorize: {describe(first)} has {n} rows, {describe(a)} has {m}{at(user_line())}")
        if a is not first and (n is None or m is None):
            same = eq(apply(ops.ShapeOf(0), first), apply(ops.ShapeOf(0), a))
            if is_used:
                a = apply(_EQUALLY_MANY, a, same)
            else:
                of_unused.append(same)
        checked.append(a)
    return checked, of_unused


def _vectorized(rows: Sequence[Variable], given: Sequence[Variable], outputs: Sequence[Variable],
                keep: Sequence[bool] | None, *, own: bool) -> tuple[list[Variable], list[bool]]:
    """`outputs` with `given`, which has more axes in front, in the place of `rows`; which of them have more axes.

    own: the draws in the graph are made for these rows only, so that their generators go on after all of them.
    """
    streams: list[Any] = [v for v in graph_inputs(outputs) if isinstance(v.type, RngType)
                          and getattr(v, "default_update", None) is not None]
    closed = close(rows, [*outputs, *[v.default_update for v in streams]])
    levels = [new.type.ndim - old.type.ndim for old, new in zip(rows, given)]
    program, flags = closed.program, [False] * len(outputs)
    wanted = None if keep is None else [*keep, *[False] * len(streams)]
    try:
        for level in range(max(levels, default=0)):         # the innermost new axis first
            batched = [n > level for n in levels] + [False] * len(closed.others)
            program, made = batch_program(program, batched, wanted, loops=True)
            flags = [a or b for a, b in zip(flags, made)]
    except Unbatchable as refused:
        advice = "let all rows have one size" if isinstance(refused, Ragged) else "use gradc.scan over the rows"
        raise GraphError(f"vectorize: {refused}{at(next(iter(refused.sources), None))}; {advice}") from None
    others: list[Any] = list(closed.others)
    drawn = [v for v, new in zip(streams, program.outputs[len(outputs):]) if new not in program.inputs and v in others]
    if not own:
        others = [type(v)(v.type, v.get_value(), v.name) if v in drawn else v for v in others]
    results = inline(_typed(program, [*given, *others]), [*given, *others])
    for v, new in zip(streams, results[len(outputs):]):
        if v in drawn:
            others[closed.others.index(v)].default_update = new
    return results[:len(outputs)], flags


def _typed(program: Program, given: Sequence[Variable]) -> Program:
    """`program` with what the types of `given` tell of sizes."""
    b = Builder()
    env = {v: b.input(x.type, v.name) for v, x in zip(program.inputs, given)}
    rebuild(program, b, env)
    return b.program([env[v] for v in program.outputs])
