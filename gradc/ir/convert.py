"""Between the two graphs: `to_program` (expression graph -> Program) and its inverse `inline`.

Resolved here: graph-only ops (`GradientOf` becomes its argument), whole shape vectors (become one size per
axis), user Ops (become Calls).  A Program that is the body of a Scan or Cond keeps what only its derivative
asks for, until the loop itself is converted: `resolved`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradc.errors import GradcWarning, GraphError, MissingInputError, SourceLine, at, quoted
from gradc.ir import build, graph, ops
from gradc.ir.facts import facts
from gradc.ir.graph import Variable
from gradc.ir.program import Builder, Program, Var, copy_inputs, name_results
from gradc.ir.routines import UserRoutine
from gradc.record import replace


def to_program(inputs: Sequence[Variable], outputs: Sequence[Variable],
               given: dict[Variable, Variable] | None = None, *, body: bool = False) -> Program:
    """The Program computing `outputs` from `inputs`; the sources of its equations are the user's lines.

    `given` maps variables to what stands in for them (a function's `givens`).
    `body`: it will be differentiated as the body of a Scan or Cond, so gradients of the user's own are kept.
    Raises MissingInputError naming a variable that is needed but not supplied.
    """
    builder = Builder()
    env: dict[int, Var] = {}
    for v in inputs:
        if id(v) in env:
            raise GraphError(f"{graph.describe(v)} is given twice as an input{at(v.source)}; leave one out")
        env[id(v)] = builder.input(v.type, v.name)
    supplied = frozenset(env)
    replaced = {id(old): new for old, new in (given or {}).items()}

    def leaf(v: Variable) -> None:
        if isinstance(v, graph.Constant) and isinstance(v.data, np.ndarray):
            builder.sources = ()
            env[id(v)] = builder.equation(ops.Const(ops.ConstantValue(v.data)), (), v.name).outs[0]
            return
        raise MissingInputError(f"{graph.describe(v)} of type {v.type} is needed to compute the outputs, but is not "
                                f"an input{at(v.source)}; add it to the inputs or give it a value in `givens`")

    waiting: set[int] = set()               # replaced variables whose replacement is being converted
    stated: dict[int, list[Variable]] = {}  # sizes of the results of users' Ops
    stack = list(reversed(outputs))
    while stack:
        item = stack[-1]
        key = id(item)
        if key in env:
            stack.pop()
            continue
        if key in replaced:
            new = replaced[key]
            if id(new) in env:
                env[key] = env[id(new)]
                stack.pop()
            elif key in waiting:
                raise GraphError(f"givens replace {graph.describe(item)} by something that depends on it"
                                 f"{at(new.source)}")
            else:
                waiting.add(key)
                stack.append(new)
            continue
        node = item.owner
        if node is None:
            leaf(item)
            continue
        if type(node.op) is ops.ShapeOf and id(node.inputs[0]) not in supplied \
                and (shape := _stated_shape(node, stated)) is not None:
            replaced[key] = shape
            continue
        sizes = () if isinstance(node.op, ops.OpKind) else _sizes(node, stated)
        needed = (*node.inputs, *sizes) if sizes else node.inputs
        args = [env.get(id(v)) for v in needed]
        if None in args:
            if sizes:
                if id(node) in waiting:
                    raise GraphError(f"infer_shape of {node.op} states a size that depends on the result itself"
                                     f"{at(node.source)}; it can use the input_shapes and the inputs of the node")
                waiting.add(id(node))
            stack.extend([v for v, var in zip(needed, args) if var is None][::-1])
            continue
        stack.pop()
        builder.sources = () if node.source is None else (node.source,)
        results = _convert(builder, node, args, body)  # type: ignore[arg-type]
        for out, var in zip(node.outputs, results):
            env[id(out)] = var
            if out.name and var.name is None:
                var.name = out.name
        if type(node.op) is ops.Scan:
            name_results(node.op, results)
    return builder.program([env[id(v)] for v in outputs])


def _ranks(node: graph.Apply) -> list[int]:
    """The number of dimensions of each result."""
    return [getattr(out.type, "ndim", 0) for out in node.outputs]


def _sizes(node: graph.Apply, stated: dict[int, list[Variable]]) -> list[Variable]:
    """The sizes of all results of a user's Op, one after the other, as its `infer_shape` says.

    Nothing where it has none or raises NotImplementedError (or, with a warning, another error), and where types tell
    all sizes.
    """
    op = node.op
    if hasattr(op, "expand") or not hasattr(op, "infer_shape") or not any(
            None in getattr(out.type, "shape", ()) for out in node.outputs):
        return []
    found = stated.get(id(node))
    if found is not None:
        return found
    shapes = [tuple([graph.apply(ops.ShapeOf(k), x) for k in range(x.type.ndim)])
              if hasattr(x.type, "ndim") else None for x in node.inputs]
    try:
        said = op.infer_shape(None, node, shapes)
    except NotImplementedError:
        said = None
    except Exception as error:
        said = None
        warnings.warn_explicit(f"infer_shape of {op} failed, so that sizes are not known before it has run: "
                               f"{type(error).__name__}: {error}", GradcWarning, *(node.source or ("gradc", 0)))
    if said is None:
        stated[id(node)] = []
        return []
    lengths = [len(sizes or ()) for sizes in said] if isinstance(said, (list, tuple)) else None
    if lengths != _ranks(node):
        raise GraphError(f"infer_shape of {op} must return a tuple of sizes for each result, as many as it has "
                         f"dimensions; got {quoted(said)}{at(node.source)}")
    found = stated[id(node)] = [graph.apply(ops.Cast("int64"), graph.to_variable(n)) for sizes in said
                                for n in sizes or ()]
    return found


def _stated_shape(node: graph.Apply, stated: dict[int, list[Variable]]) -> Variable | None:
    """What the `infer_shape` of a user's Op says in place of `node`, a size or the shape of its result."""
    of = node.inputs[0]
    if of.owner is None or isinstance(of.owner.op, ops.OpKind):
        return None
    sizes = _sizes(of.owner, stated)
    if not sizes:
        return None
    ranks, k = _ranks(of.owner), of.index or 0
    first = sum(ranks[:k])
    whole = sizes[first:first + ranks[k]]
    if node.op.axis is not None:
        return whole[node.op.axis]
    if not whole:
        return None
    return graph.apply(ops.Concat(0), *[build.vector(graph, n) for n in whole])


def _convert(builder: Builder, node: graph.Apply, args: list[Var], body: bool) -> Sequence[Var]:
    """The results of `node`; `args`: its inputs, and sizes of results if the user's Op states them."""
    op = node.op
    kind = type(op)
    if kind is ops.GradientOf and not body:
        return args[-1:]
    if kind is ops.ShapeOf and op.axis is None:
        sizes = [build.vector(builder, builder.size(args[0], k)) for k in range(args[0].type.ndim)]
        if not sizes:
            return [builder.constant(np.zeros(0, "int64"))]
        return [builder.apply(ops.Concat(0), *sizes)]
    if isinstance(op, ops.OpKind):
        types: list[Any] | None = [o.type for o in node.outputs]
        for a, v in zip(args, node.inputs):
            if a.type is not v.type:        # replaced by something of a more special type: infer anew
                types = None
                break
        if not body and (kind is ops.Scan or kind is ops.Cond):
            op = _resolved(op)
        return builder.equation(op, args, None, types).outs
    if hasattr(op, "expand") and not body:  # OpFromGraph and friends: their body, once gradients are taken
        return op.expand(builder, args)
    ranks = tuple(_ranks(node)) if len(args) > len(node.inputs) else ()
    return builder.equation(build.call(UserRoutine(op), ranks), args).outs


def _resolved(op: ops.OpKind) -> ops.OpKind:
    """A Scan or Cond over resolved bodies; any other op as it is."""
    if type(op) is ops.Scan:
        return replace(op, body=resolved(op.body))
    if type(op) is ops.Cond:
        return replace(op, then=resolved(op.then), orelse=resolved(op.orelse))
    return op


def resolved(program: Program) -> Program:
    """A body without what only its derivative asks for (`to_program(..., body=True)` left it in)."""
    if not any(facts(eqn.op).several or type(eqn.op) is ops.GradientOf for eqn in program.eqns):
        return program
    builder = Builder()
    env = copy_inputs(program, builder)
    for eqn in program.eqns:
        builder.sources, args, op = eqn.sources, [env[a] for a in eqn.args], eqn.op
        outs: Sequence[Var]
        if type(op) is ops.GradientOf:
            outs = args[-1:]
        elif hasattr(user := ops.user_op(op), "expand"):
            outs = user.expand(builder, args)
        else:
            outs = builder.equation(_resolved(op), args, eqn.outs[0].name, [v.type for v in eqn.outs]).outs
        env.update(zip(eqn.outs, outs))
    return builder.program([env[v] for v in program.outputs])


def inline(program: Program, variables: Sequence[Variable], *, bare: bool = False,
           source: SourceLine | None = None) -> list[Variable]:
    """`program`'s outputs as expressions of `variables`, which stand for its inputs.

    `bare` marks the constants for printing without `TensorConstant{}` (the graph of a compiled function);
    `source`: the line of equations that have none of their own (else it is that of the call).
    """
    env: dict[Var, Variable] = dict(zip(program.inputs, variables))
    for eqn in program.eqns:
        if type(eqn.op) is ops.Const:
            data = eqn.op.value.data
            made = [eqn.out.type.constant_class(eqn.out.type, data, name=eqn.out.name)]
            if bare:
                made[0].bare = True
        else:
            op, inputs = eqn.op, eqn.args
            if (user := ops.user_op(op)) is not None:
                op, inputs = user, op.split(inputs)[0]
            args = [env[a] for a in inputs]
            if isinstance(op, ops.OpKind):
                made = graph.Apply(op, args, [o.type for o in eqn.outs], next(iter(eqn.sources), source)).outputs
            else:
                made = op.make_node(*args).outputs
            for variable, out in zip(made, eqn.outs):
                variable.name = out.name
        env.update(zip(eqn.outs, made))
    return [env[v] for v in program.outputs]
