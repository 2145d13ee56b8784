"""Rules that put cheaper equivalents in the place of canonical forms.  They run last.

Powers with the usual constant exponents become products and roots; a product of a sigmoid and its mirror image
is written with one exp.
"""

from __future__ import annotations

from typing import Any

from gradc.ir import ops
from gradc.ir.program import Var
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule, r, var
from gradc.passes.stabilize import factors, strip

x, y = var("x"), var("y")

_POWER = "pow is within an ulp of the exact value, products and roots within half an ulp each"
_ROOT = _POWER + "; a root of -inf is nan where pow(-inf, c) is inf, and keeps the sign of -0.0"


def _sigmoid_pair(b: Any, op: ops.Map, args: Args) -> Var | None:
    """g * sigmoid(x) * sigmoid(-x) -> g * (s * (1 - s)), s = sigmoid(x): one exp instead of two."""
    left, right = factors(b, args[0]), factors(b, args[1])
    for side, other in ((left, right), (right, left)):
        for key in side:
            if key[0] != "Q" or side[key] < 1:
                continue
            minus = b.eqn(key[1], "neg")
            if minus is None:
                continue
            mirror = ("Q", minus.args[0])
            if max(side.get(mirror, 0), other.get(mirror, 0)) < 1:
                continue
            rest = []
            for own, v in ((left, args[0]), (right, args[1])):
                remove = {k: 1 for k in (key, mirror) if own.get(k, 0) > 0}
                if own is right:
                    remove = {k: p for k, p in remove.items() if left.get(k, 0) < 1}
                wanted = bool(remove)
                rest.append(strip(b, v, remove) if wanted else v)
                if remove:
                    return None
            uses = b.uses()                 # if one of the two is needed elsewhere, take that one
            mine, other_way = [b.map("sigmoid", u) for u in (minus.args[0], key[1])]
            s = other_way if uses.get(other_way, 0) > uses.get(mine, 0) else mine
            pair = b.map("mul", s, b.map("sub", b.like(1, s), s))
            kept = [v for v in rest if v is not None]
            if not kept:
                return pair
            return b.map("mul", kept[0] if len(kept) == 1 else b.map("mul", *kept), pair)
    return None


def _sample_sigmoid(b: Any) -> Any:
    v, g = b.input(TensorType("float64", (None, None))), b.input(TensorType("float64", (None, None)))
    s, t = b.map("sigmoid", v), b.map("sigmoid", b.map("neg", v))
    return b.map("mul", s, t), b.map("mul", b.map("mul", g, s), t), b.map("mul", b.map("mul", g, t), s)


RULES = (
    Rule("power_three", r.pow(x, 3), x * r.square(x), exact=False, why=_POWER),
    Rule("power_three_int", r.pow(x, 3), x * r.square(x), dtype="int"),
    Rule("power_four", r.pow(x, 4), r.square(r.square(x)), exact=False, why=_POWER),
    Rule("power_four_int", r.pow(x, 4), r.square(r.square(x)), dtype="int"),
    Rule("power_half", r.pow(x, 0.5), r.sqrt(x), exact=False, why=_ROOT),
    Rule("power_one_and_half", r.pow(x, 1.5), x * r.sqrt(x), exact=False, why=_ROOT),
    Rule("power_two_and_half", r.pow(x, 2.5), r.square(x) * r.sqrt(x), exact=False, why=_ROOT),
    Rule("power_minus_half", r.pow(x, -0.5), 1 / r.sqrt(x), exact=False, why=_ROOT),
    Rule("power_minus_one_and_half", r.pow(x, -1.5), 1 / (x * r.sqrt(x)), exact=False, why=_ROOT),
    Rule("sigmoid_and_its_mirror", On(("mul",), some=("sigmoid", "mul", "neg"), needs=("sigmoid",)), _sigmoid_pair,
         exact=False,
         why="1 - s is exact where s > 1/2; the product is within an ulp of 1 (absolute) where s is nearly 1",
         sample=_sample_sigmoid),
)
