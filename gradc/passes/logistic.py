"""`share_exponentials`: sigmoids and softplus of x and of -x in one Program are made from one exp.

With e = exp(-|x|), which lies in [0, 1], and d = 1 / (1 + e):

    sigmoid(x) = d for x >= 0, e d below          sigmoid(x) sigmoid(-x) = (e d) d = e / (1 + e)**2
    softplus(x) = max(x, 0) + log1p(e)

Nothing is subtracted, so that each keeps its relative accuracy for every x; 1 - sigmoid(x), which costs as little, has
none where the sigmoid is near 1.  No rule, because it asks for the whole Program.
"""

from __future__ import annotations

from gradc.ir import dtypes
from gradc.ir.program import Program, Var, tensor
from gradc.passes.dce import drop_unused
from gradc.passes.pattern import Table
from gradc.passes.rewrite import Rewriter, State

_MEMBERS = ("sigmoid", "softplus")


def share_exponentials(program: Program, state: State) -> Program:
    """`program` with one exp for all sigmoids and softplus of x and -x, where there are several."""
    kinds = state.kinds
    negated = {eqn.out: eqn.args[0] for eqn in program.eqns if kinds[eqn.outs[0].number] == "neg"}
    members = {}      # result -> row, x, is the argument -x?
    found: dict[Var, set[tuple[object, bool]]] = {}
    for eqn in program.eqns:
        row = kinds[eqn.outs[0].number]
        if row in _MEMBERS and tensor(eqn.out).dtype in dtypes.FLOATS and eqn.args[0].type == eqn.out.type:
            u = eqn.args[0]
            x = negated.get(u, u)
            members[eqn.out] = row, x, x is not u
            found.setdefault(x, set()).add((row, x is not u))
    if all([len(several) < 2 for several in found.values()]):
        return program
    pairs: dict[Var, Var] = {}                          # sigmoid(x) sigmoid(-x) -> x
    used = {members[v][1] for v in program.outputs if v in members}     # x whose sigmoids stand elsewhere, too
    for eqn in program.eqns:
        met = [members[a] for a in eqn.args if a in members]
        if len(met) == 2 and kinds[eqn.outs[0].number] == "mul" and met[0] != met[1] \
                and all([row == "sigmoid" and x is met[0][1] for row, x, _ in met]):
            pairs[eqn.out] = met[0][1]
        else:
            used.update([x for row, x, _ in met if row == "sigmoid"])
    b = Rewriter(state, _NO_RULES, "logistic", program)
    for eqn in program.eqns:
        out = eqn.outs[0]
        b.sources = eqn.sources
        if out in pairs:
            state.replaced[out] = _pair(b, state.latest(pairs[out]), pairs[out] in used)
        elif out in members and len(found[members[out][1]]) > 1:
            row, x, mirrored = members[out]
            state.replaced[out] = _member(b, row, state.latest(x), mirrored)
        else:
            args = tuple([state.latest(a) for a in eqn.args])
            b.adopt(eqn, eqn.args if args == eqn.args else args)
    state.next = b._next
    return drop_unused(Program(program.inputs, b.eqns, [state.latest(v) for v in program.outputs]))


def _exponential(b: Rewriter, x: Var) -> Var:
    return b.map("exp", b.map("neg", b.map("abs", x)))


def _parts(b: Rewriter, x: Var) -> tuple[Var, Var]:
    """sigmoid(|x|) and sigmoid(-|x|)."""
    e, one = _exponential(b, x), b.like(1, x)
    d = b.map("true_divide", one, b.map("add", one, e))
    return d, b.map("mul", e, d)


def _pair(b: Rewriter, x: Var, parts: bool) -> Var:
    """sigmoid(x) sigmoid(-x), of its parts where they are needed anyway."""
    if parts:
        return b.map("mul", *_parts(b, x)[::-1])
    e = _exponential(b, x)
    return b.map("true_divide", e, b.map("square", b.map("add", b.like(1, x), e)))


def _member(b: Rewriter, row: str, x: Var, mirrored: bool) -> Var:
    """The sigmoid or softplus of x, or of -x."""
    if row == "sigmoid":
        large, small = _parts(b, x)
        return b.map("switch", b.map("le" if mirrored else "ge", x, b.like(0, x)), large, small)
    return b.map("add", b.map("log1p", _exponential(b, x)),
                 b.map("maximum", b.map("neg", x) if mirrored else x, b.like(0, x)))


_NO_RULES = Table(())
