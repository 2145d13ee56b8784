"""Where each equation of a loop is computed: once, of all rows at once, in the step, or in a sum.  Program -> Program.

`split` takes out of a loop what needs not wait for the step before:

    before  values of sequences only that are dear: products with a matrix become one gemm, functions of scalars
            become vector code; the loop reads their rows
    after   rows and sums that feed no carry, from the stacked carries: GARCH's log, the gemm of a gradient's
            dW = sum of x_t g_t^T.  Not where more would be stacked than is saved (see `_Split.pays`)
    outside what is the same in every step

A loop without carries goes away entirely.  Sums are added in another order.  `inline_sequences` goes the other way,
with what costs little.  What is dear and what costs little is said in `ir.facts`.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Hashable, Iterable, Mapping, Sequence

from gradc.ir import build, ops
from gradc.ir.batch import Unbatchable, batch, repeat, row_form, with_rows
from gradc.ir.facts import again, dear, elements, facts, may_fail, permutation, product_labels, weight, work
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, rebuild, tensor
from gradc.ir.rows import term_form
from gradc.ir.types import TensorType
from gradc.passes.loop import Key, Loop, SizedBuilder, check_rows, each_loop, is_loop, rows_of, take_in
from gradc.passes.sums import Addend, Sums, accumulators
from gradc.target import TARGET


def split(program: Program) -> Program:
    """Each loop with as little in it as pays."""
    return each_loop(program, lambda b, loop: _Split(b, loop).result())


class _Split:
    """The splitting of one loop: what each value of the body depends on, what goes where, and the result."""

    def __init__(self, b: SizedBuilder, loop: Loop) -> None:
        self.b = b
        self.loop = loop
        sizes = [eqn for eqn in loop.body().eqns if loop.is_size(eqn) and eqn.args[0] in loop.inits]
        loop.cut({}, {eqn.out: loop.size(b, eqn) for eqn in sizes})     # a carry that is only added to is no more
        self.body = loop.body()
        self.producer = self.body.producers()
        self.partial = loop.limit is not None or loop.stop is not None
        self.rows = loop.varying()
        self.late: set[Var] = set(loop.inits)           # values that depend on a carry
        for eqn in self.body.eqns:
            if not self.late.isdisjoint(eqn.args) and eqn.outs[0] in self.rows:
                self.late.update(eqn.outs)
        self.sums = {} if self.partial else accumulators(self.body, loop.after, self.rows.__contains__)
        self.serial = [v for c, v in loop.after.items() if c not in self.sums]
        self.serial += [] if loop.stop is None else [loop.stop]
        self.core = self.ancestors(self.serial)
        self.sizes = {eqn.out: loop.size(b, eqn) for eqn in self.body.eqns if loop.is_size(eqn)}
        # the arguments by the values of `body`, for those of `loop` will be others
        self.seqs, self.inits, self.row_values = dict(loop.seqs), dict(loop.inits), dict(loop.rows)
        self.outer: dict[Var, tuple[Var, bool]] = {v: (x, False) for v, x in loop.others.items()}
        self.leaving: dict[Addend | Key, None] = {}     # Addends, and keys of rows
        self.stacked: set[Var] = {v for v in loop.rows.values() if v in self.core and v in self.late}
        self.inside: set[Var] = set()
        self.batchable: dict[Hashable, bool] = {}

    def ancestors(self, values: Iterable[Var], end: Container[Var] = (), most: int = 1 << 62) -> set[Var]:
        """Everything inside that `values` are made from in one step, `values` included; not past `end`."""
        found: set[Var] = set()
        work = list(values)
        while work and len(found) <= most:
            v = work.pop()
            if v in found:
                continue
            found.add(v)
            if v in self.producer and v not in end:
                work.extend(self.producer[v].args)
        return found

    # ------------------------------------------------------------------------------ what leaves

    def choose(self) -> None:
        """Decide which rows and sums leave; each that does makes values available that others may use."""
        most = TARGET.leaving
        candidates: list[Addend | Key] = [a for addends in self.sums.values() if len(addends) <= most for a in addends]
        candidates += [key for key, v in self.row_values.items() if v not in self.core or v not in self.late]
        progress = True
        while progress:
            progress = False
            self.inside = self.only_inside()
            for out in list(candidates):
                eqns = self.cone(out)
                if len(eqns) <= most and all(self.vectorises(eqn) for eqn in eqns if eqn.outs[0] in self.rows):
                    needs = ({a for eqn in eqns for a in eqn.args} | {self.value(out)}) & self.inside
                    if self.pays(out, eqns, needs):
                        self.stacked |= needs
                        self.leaving[out] = None
                        candidates.remove(out)
                        progress = True

    def value(self, out: Addend | Key) -> Var:
        return out.value if isinstance(out, Addend) else self.row_values[out]

    def only_inside(self) -> set[Var]:
        """The values that only the loop can make: carries, and what is neither stacked nor cheap to make again."""
        found = set(self.inits)
        for eqn in self.body.eqns:
            if self.late.isdisjoint(eqn.outs) or self.core.isdisjoint(eqn.outs):
                continue
            if eqn.out in self.stacked or not again(eqn, TARGET.recompute) \
                    or not all(a in self.stacked or a not in found for a in eqn.args):
                found.update(eqn.outs)
        return found

    def cone(self, out: Addend | Key) -> list[Eqn]:
        """The equations that leave with a row or a sum."""
        found = self.ancestors([self.value(out)], self.inside, 2 * TARGET.leaving) - self.inside
        eqns = {self.producer[v] for v in found if v in self.producer}
        return sorted(eqns, key=lambda eqn: eqn.outs[0].number)

    def pays(self, out: Addend | Key, eqns: list[Eqn], inside: set[Var]) -> bool:
        """Is what has to be stacked for `out`, the values `inside`, less than what it saves?"""
        value = self.value(out)
        size = elements(value)
        new = sum(elements(v) for v in inside - self.stacked)
        products: set[Var] = set()
        if isinstance(out, Addend):
            products = Sums(eqns, self.rows.__contains__, [value], self.inside).linear
        varying = [eqn for eqn in eqns if eqn.outs[0] in self.rows]
        given = max([elements(a) for eqn in varying for a in eqn.args if a in self.seqs or a in inside], default=1)
        if any(not facts(eqn.op).fused and elements(v) > TARGET.stored * max(size, given, new)
               for eqn in varying for v in eqn.outs if v not in products):
            return False
        if new == 0 or (isinstance(out, Addend) and new < size):
            return True
        few = max(new, size) < TARGET.vector or (new <= size and any(product_labels(eqn.op) for eqn in varying))
        return few and sum(work(eqn) for eqn in varying) >= TARGET.stored * new

    def vectorises(self, eqn: Eqn) -> bool:
        """Has `eqn` a form over all steps?  It must not fail in one that is not run."""
        if any(type(a.type) is not TensorType for a in eqn.args) or (self.partial and may_fail(eqn)):
            return False
        flags = tuple([a in self.rows for a in eqn.args])
        key = (eqn.op, flags, *[a if a.data is not None else a.type for a in eqn.args])
        if key not in self.batchable:
            b = Builder()
            args = [_stand_in(b, a, flag) for a, flag in zip(eqn.args, flags)]
            try:
                batch(b, eqn.op, args, flags)
                self.batchable[key] = any(flags)
            except Unbatchable:
                self.batchable[key] = False
        return self.batchable[key]

    def early(self, roots: list[Var]) -> set[Var]:
        """Of what a loop of `roots` needs, the values that are made before it."""
        made: set[Var] = set()
        if self.partial:
            return made
        room = TARGET.room * max([elements(v) for v in self.seqs], default=1)
        uses = self.body.use_counts()
        possible = set(self.seqs)           # values that have a vectorised form
        cheap: set[Var] = set()             # would come along if the loop reads no more sequences then
        needed = self.ancestors(roots)
        for eqn in self.body.eqns:
            v = eqn.outs[0]
            if v in self.late or v not in self.rows or needed.isdisjoint(eqn.outs) or not self.vectorises(eqn) \
                    or any(a in self.rows and a not in possible for a in eqn.args):
                continue
            possible.update(eqn.outs)
            if elements(v) > room:
                continue
            follows = (facts(eqn.op).elementwise or permutation(eqn.op) is not None) and any(
                a in made and uses[a] == 1 and elements(a) >= elements(v) for a in eqn.args)
            if follows or dear(eqn):
                made.update(eqn.outs)
            elif elements(v) < TARGET.vector:
                cheap.add(v)
        both, few = self.taken(roots, made | cheap)[0], self.taken(roots, made)[0]
        return made | cheap if made and len(both) <= len(few) + len(self.seqs) else made

    def taken(self, roots: Iterable[Var], made: set[Var]) -> tuple[list[Var], list[Var]]:
        """What a loop that computes `roots` takes from outside: of `made`, and of what is the same in all steps."""
        found: set[Var] = set()
        read: dict[Var, None] = {}
        same: dict[Var, None] = {}
        work = list(roots)
        while work:
            v = work.pop()
            if v in found:
                continue
            found.add(v)
            eqn = self.producer.get(v)
            if v in made:
                read[v] = None
            elif eqn is not None and v not in self.rows and not facts(eqn.op).view:
                same[v] = None
            elif eqn is not None:
                work.extend(eqn.args)
        return list(read), list(same)

    # ------------------------------------------------------------------------------ the result

    def result(self) -> Mapping[Key, Var]:
        """All results of the loop, by key."""
        b, loop = self.b, self.loop
        self.choose()
        kept = {key: v for key, v in loop.rows.items() if key not in self.leaving}
        kept.update({("stacked", v): v for v in sorted(self.stacked, key=lambda v: v.number)})
        left = {c: [a for a in addends if a not in self.leaving] for c, addends in self.sums.items()}
        roots = [*self.serial, *kept.values(), *[a.value for addends in left.values() for a in addends]]
        read, same = self.taken(roots, self.early(roots))
        self.compute([*read, *same])
        keys = {key: c for key, c in loop.lasts.items() if c in self.sums}
        sums = {key: (c, loop.inits[c]) for key, c in keys.items()}
        outside = {v: self.outer[v] for v in (*read, *same)}    # of a value that was thought to vary: has it rows?
        self.shorten(left, {v: x for v, (x, flag) in outside.items() if flag},
                     {v: x for v, (x, flag) in outside.items() if not flag}, kept)
        made = loop.emit(b)
        self.outer.update({v: (made["stacked", v], True) for v in self.stacked})
        for key in self.leaving:
            if not isinstance(key, Addend):
                made[key] = self.stack(key, made)
        added = self.added()
        for key, (c, init) in sums.items():
            made[key] = self.total(made.get(key, init), [a for a in self.sums[c] if a in self.leaving], added)
        return made

    def shorten(self, left: dict[Var, list[Addend]], seqs: dict[Var, Var], others: dict[Var, Var],
                kept: dict[Key, Var]) -> None:
        """Take from the loop what leaves it: it reads `seqs` and `others`, stacks `kept`, sums up `left`."""
        loop = self.loop
        loop.rows = kept
        ends = {c: loop.after[c] for c in left}
        env = loop.cut(seqs, others)
        for c, addends in left.items():
            carry = env[c]
            if addends == self.sums[c]:
                loop.after[carry] = env[ends[c]]
                continue
            loop.after[carry] = carry
            for a in addends:
                loop.after[carry] = a.apply(loop.inner, loop.after[carry], env[a.value], env.__getitem__)
            if not addends:
                del loop.after[carry], loop.inits[carry]
                loop.lasts = {key: v for key, v in loop.lasts.items() if v is not carry}

    def compute(self, values: Iterable[Var]) -> None:
        """Make `values` outside, with all that they are made from, as far as that is not there yet."""
        b, loop = self.b, self.loop
        b.sources = loop.sources
        needed = self.ancestors(values, self.outer)
        for v in self.seqs:
            if v in needed and v not in self.outer:
                self.outer[v] = rows_of(b, loop, self.seqs[v], v), True
        for eqn in self.body.eqns:
            if all(v in self.outer for v in eqn.outs if v in needed):
                continue
            if eqn.outs[0] in self.sizes:
                self.outer[eqn.out] = self.sizes[eqn.out], False
                continue
            pairs = [self.outer[a] for a in eqn.args]
            b.sources = eqn.sources + loop.sources
            made = batch(b, eqn.op, [x for x, _ in pairs], [flag for _, flag in pairs])
            self.outer.update(zip(eqn.outs, made))

    def stack(self, key: Key, made: Mapping[Key, Var]) -> Var:
        """The rows of a result that leaves the loop; 0 in steps that are not run."""
        b, loop = self.b, self.loop
        value = self.row_values[key]
        self.compute([value])
        rows, flag = self.outer[value]
        if not flag:
            rows = repeat(b, rows, b.cast(loop.steps, "int64"))
        if not self.partial:
            return rows
        t = tensor(rows)
        run = self.run(made)
        return b.map("switch", build.insert_axes(b, run, range(1, t.ndim), t.ndim), rows, b.constant(0, t.dtype))

    def run(self, made: Mapping[Key, Var]) -> Var:
        """For each step, whether it is run."""
        b, loop = self.b, self.loop
        step, end = b.apply(ops.Iota(), loop.steps), loop.limit
        if loop.stop is None:
            return b.map("lt", step, end)
        count = made[loop.counts[0]]
        if not loop.op.reverse:
            return b.map("lt", step, count)
        end = loop.steps if end is None else b.map("minimum", end, loop.steps)
        return b.map("and_", b.map("lt", step, end), b.map("ge", step, b.map("sub", end, count)))

    def total(self, total: Var, addends: list[Addend], added: Mapping[Var, Var]) -> Var:
        """`total` with sums added to it; the first is not added to zeros of the same shape."""
        b = self.b
        eqn = b.producer.get(total)
        zeros = (eqn.args[0] if eqn is not None and type(eqn.op) is ops.Broadcast else total).data
        self.compute([a for addend in addends for a in addend.eqn.args[2:]])
        for a in addends:
            v = added[a.value]
            if zeros is not None and not zeros.any() and a.eqn.op == ops.Map("add") \
                    and tensor(v).broadcastable == tensor(total).broadcastable:
                total = v
            else:
                total = a.apply(b, total, v, lambda index: self.outer[index][0])
            zeros = None
        return total

    def added(self) -> dict[Var, Var]:
        """value -> its sum over all steps, for the sums that leave the loop."""
        values = [a.value for a in self.leaving if isinstance(a, Addend)]
        sums = Sums(self.body.eqns, self.rows.__contains__, values, self.stacked)
        self.compute(sums.needed)
        return sums.compute(self.b, self.outer.__getitem__, self.loop.steps)


def _stand_in(b: Builder, v: Var, rows: bool) -> Var:
    """A value of the type of `v`, or of rows of that type."""
    if v.data is not None:
        return b.apply(ops.Const(ops.ConstantValue(v.data)))
    return b.input(with_rows(v.type) if rows else v.type)


# ------------------------------------------------------------------------------------------------ in the step


def inline_sequences(program: Program) -> Program:
    """Sequences that cost little are computed in the step that reads them: no array of all rows is left.

        xs = a * ys + b; a loop over xs: h' = tanh(h + x)      ->      a loop over ys: h' = tanh(h + (a * y + b))

    `split` goes the other way, with what is dear.
    """
    loops = [eqn for eqn in program.eqns if is_loop(eqn)]
    if not loops:
        return program
    users, producers = users_of(program), program.producers()
    b = SizedBuilder()
    env = copy_inputs(program, b)
    for eqn in program.eqns:
        if not is_loop(eqn):
            rebuild(program, b, env, [eqn])
            continue
        loop = Loop(eqn, eqn.args)
        taken = cheap_rows(program, users, [eqn], [])
        own = [v for v in loop.seqs.values() if _is_own(v, producers, users, {eqn})]
        left = {a for e in taken for a in _by_rows(e) if _is_own(a, producers, users, {eqn, *taken})}
        left -= {e.out for e in taken}
        alike = []
        if len(left) < len(own) and sum(weight(e.op) for e in taken) <= 2 * TARGET.stored * len(own):
            alike = take_in(loop, taken)
        loop.move(env)
        check_rows(b, loop, [(env[v], env[w]) for v, w in alike])
        env.update(loop.emit(b))
    return b.program([env[v] for v in program.outputs])


def _is_own(v: Var, producers: Mapping[Var, Eqn], users: Mapping[Var, Sequence[Eqn]], by: Collection[Eqn]) -> bool:
    """Is it an array that is computed for these equations only?"""
    eqn = producers.get(v)
    if eqn is None or not all(user in by for user in users.get(v, ())):
        return False
    return facts(eqn.op).elementwise or (permutation(eqn.op) is not None and _is_own(
        eqn.args[0], producers, users, {*by, eqn}))


def users_of(program: Program) -> dict[Var, list[Eqn]]:
    """The equations that take a value."""
    users: dict[Var, list[Eqn]] = {}
    for eqn in program.eqns:
        for a in dict.fromkeys(eqn.args):
            users.setdefault(a, []).append(eqn)
    return users


def cheap_rows(program: Program, users: Mapping[Var, Sequence[Eqn]], loops: Sequence[Eqn],
               taken: Sequence[Eqn]) -> list[Eqn]:
    """What is computed at little cost, row by row, only for rows that the loops and what they have taken use."""
    inside = {*loops, *taken}
    found: list[Eqn] = []
    wanted = {x for eqn in loops for x in eqn.op.split(eqn.args)[2]}
    for eqn in taken:
        wanted.update(_by_rows(eqn))
    for eqn in reversed(program.eqns):
        if eqn in inside or wanted.isdisjoint(eqn.outs) or eqn.out in program.outputs or not again(eqn) \
                or not inside.issuperset(users[eqn.out]):
            continue
        if rows := _by_rows(eqn):
            inside.add(eqn)
            found.append(eqn)
            wanted.update(rows)
    return found


def _by_rows(eqn: Eqn) -> list[Var]:
    """The arguments of which a row is used for each row of the result, or of what is summed up."""
    form = row_form(eqn) or term_form(eqn)
    return [] if form is None else [a for a, flag in zip(eqn.args, form[1]) if flag]
