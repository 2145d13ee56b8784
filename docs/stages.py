"""Print one softmax in the five representations that have a text; `--write` puts the text into ARCHITECTURE.md.

The page holds it between two marker lines, so that it can't go stale: `tests/test_docs.py` compares.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import gradc
from gradc import tensor as aet
from gradc.compile.pipeline import Compiled
from gradc.ir.pretty import pretty as program_text
from gradc.loops.lower import schedule_of
from gradc.loops.pretty import pretty as kernel_text
from gradc.loops.schedule_pretty import pretty as schedule_text

PAGE = Path(__file__).resolve().parent.parent / "ARCHITECTURE.md"
BEGIN, END = "<!-- stages: written by docs/stages.py -->", "<!-- end of stages -->"


def _section(source: str) -> str:
    """Beginning and end of the loop of the unit's first section."""
    start = source.index("/* ---- ")
    return _ends(source[start:source.index("\n}\n", start) + 2], 5, 4)


def _ends(text: str, first: int, last: int) -> str:
    """The first and the last lines of a text."""
    lines = text.rstrip().splitlines()
    return "\n".join([*lines[:first], "        ...", *lines[-last:]])


def stages() -> str:
    """Markdown: what it is, and a block of text, for each representation."""
    x = aet.dmatrix("x")
    y = aet.special.softmax(x, axis=1)
    y.name = "y"
    function = gradc.function([x], y, name="softmax_rows", mode=gradc.Mode(linker="py"))
    compiled: Compiled = function.maker.compiled
    ingested, optimised = program_text(function.maker.ingested.program), program_text(compiled.optimized)
    after = "The passes find nothing to simplify here." if optimised == ingested else "After the passes:"
    blocks = [
        ("1. Expression graph.", "What the user builds: `Variable` and `Apply`, compared by identity, typed when "
         "made. Gradients are more of the same.", gradc.dprint(y, file="str")),
        ("2. Program.", "What is to be computed, as a value: closed, one equation an operation, each Var defined once. "
         f"{after} `gradc/ir/check.py`, `gradc/ir/pretty.py`.", optimised),
        ("3. Schedule.", "What is computed in which loop, in which order, and where in memory it is kept. "
         "`gradc/loops/schedule_check.py`, `gradc/loops/schedule_pretty.py`.",
         schedule_text(schedule_of(compiled.optimized))),
        ("4. Loop IR.", "How it is computed: sections (a C function each; like ones share it) of loops over buffers, "
         "sizes named in a prologue, folds in explicit lanes. `gradc/loops/check.py`, `gradc/loops/pretty.py`.",
         _ends(kernel_text(compiled.kernel()), 7, 4)),
        ("5. C.", "The printed Kernel (`gradc/codegen/`; all of it: `tests/golden/softmax_rows.c`), here beginning and "
         "end of the section's loop.", _section(function.c_source())),
    ]
    return "\n".join(f"**{title}** {words}\n```\n{text.rstrip()}\n```" for title, words, text in blocks)


def main() -> None:
    """Print, or write into the page."""
    text = stages()
    if "--write" in sys.argv[1:]:
        page = PAGE.read_text(encoding="utf-8")
        pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
        PAGE.write_text(pattern.sub(lambda _: f"{BEGIN}\n{text}\n{END}", page), encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
