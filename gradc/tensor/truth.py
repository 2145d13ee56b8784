"""What Python asks of a variable while the graph is built, when it has no value: its truth, and `x == 3`.

Both have an answer, which much code relies on: a variable is true (`if bias:` means that there is one), and equal to
itself only (`x in inputs`).  Where the value may have been meant there is a warning, once a place, with the line
(`config.warn_truth`): where a line of the user's asks for the truth, and where it compares a variable by `==` or `!=`
with a number or, both by their names, with another variable.  What containers ask (`in`, lists, dicts) is no such line.
"""

from __future__ import annotations

import ast
import dis
import linecache
import sys
from types import FrameType
from typing import Any

from gradc.config import config, heed
from gradc.errors import TypeMismatchError, at, is_user_frame
from gradc.ir.graph import Variable, describe

_COMPARE, _DROP, _CACHE = dis.opmap["COMPARE_OP"], dis.opmap["POP_TOP"], dis.opmap.get("CACHE")


def note_truth(x: Variable) -> None:
    """The caller's caller asks for the truth of x."""
    frame = sys._getframe(2)
    if config.warn_truth != "ignore" and is_user_frame(frame):
        source = frame.f_code.co_filename, frame.f_lineno
        heed("warn_truth", f"Python asks for the truth of {describe(x)}{at(source)}, which has no value when the graph "
             f"is built, and takes it as true; use ifelse or switch to branch by the value, `is not None` to ask if "
             f"there is a variable", source, TypeMismatchError)


def note_equality(x: Variable, other: Any) -> None:
    """The caller's caller compares x with `other`, another object, by == or !=."""
    frame = sys._getframe(2)
    if config.warn_truth == "ignore" or not is_user_frame(frame) or not _compares(frame):
        return
    both = isinstance(other, Variable)
    if both and not _by_name(frame, x, other):
        return
    source = frame.f_code.co_filename, frame.f_lineno
    what = describe(other) if both else repr(other)[:40]
    heed("warn_truth", f"Python compares {describe(x)} with {what} as objects{at(source)}: they are unequal, whatever "
         f"their values; use eq or neq of gradc.tensor, and switch or ifelse to branch"
         f"{', or `is` to ask if it is the same variable' if both else ''}", source, TypeMismatchError)


def _compares(frame: FrameType) -> bool:
    """Is the frame at == or != (and not at `in`, or at a call of something that compares)?"""
    return frame.f_code.co_code[frame.f_lasti] == _COMPARE


def _by_name(frame: FrameType, x: Variable, y: Variable) -> bool:
    """Are the sides of the comparison x and y themselves, not lists of variables?  Told where both are names."""
    where = getattr(frame.f_code, "co_positions", None)         # from Python 3.11 on
    if where is None:
        return False
    line, end, first, last = list(where())[frame.f_lasti // 2]
    if line is None or line != end or first is None:
        return False
    text = linecache.getline(frame.f_code.co_filename, line).encode()[first:last].decode(errors="replace")
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return False
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1):
        return False
    known = frame.f_globals | frame.f_locals
    sides = [known.get(side.id) for side in (node.left, node.comparators[0]) if isinstance(side, ast.Name)]
    return len(sides) == 2 and all(any(side is v for side in sides) for v in (x, y))


def result_is_dropped() -> bool:
    """Does the user's line call something without using what it returns?"""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_user_frame(frame):
        frame = frame.f_back
    if frame is None:
        return False
    following = frame.f_code.co_code[frame.f_lasti + 2::2]
    return next((op for op in following if op != _CACHE), None) == _DROP
