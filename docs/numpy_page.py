"""Writes `docs/numpy.md`, what NumPy's functions do with variables, from the table that decides it.

`python docs/numpy_page.py` prints the page, `--write` puts it into the file; a test compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gradc.tensor import numpy_api

PAGE = Path(__file__).parent / "numpy.md"
HEAD = """# NumPy on variables

Written by `docs/numpy_page.py` from the table in `gradc/tensor/numpy_api.py`.

NumPy's functions and ufuncs, called with variables, build expressions. Here is what works, with the parameters that are
taken. Parameters about memory only (`order="C"`, `copy`, `subok`, `casting`, `device`) are accepted and change nothing;
`out` is refused, as variables can't be written to. Methods of variables take the same parameters. Functions that are
not listed raise a TypeError that says so. `np.asarray(x)` and `np.array([x, y])` raise one, too: variables are put
together with `gradc.tensor.stack`.
"""


def page() -> str:
    """The text of the page."""
    lines = [HEAD, "## Functions", "", "| `numpy.` | parameters |", "|---|---|"]
    for name, (_, words) in sorted(numpy_api.FUNCTIONS.items()):
        taken = ", ".join(word.partition("=")[0] for word in words.split())
        lines.append(f"| `{name}` | {taken.replace('*', chr(92) + '*')} |")
    lines += ["", "`fill_diagonal` returns another variable, where NumPy changes the array.", "", "## Ufuncs", "",
              "Every ufunc that has the name of a function of `gradc.tensor`, and "
              + ", ".join(f"`{name}`" for name in sorted(numpy_api.RENAMED)) + ".",
              "", "All take `dtype`; `vecdot` takes `axis`. Of their methods: `outer` of each, and "
              + ", ".join(f"`{ufunc}.{method}` ({name})" for (ufunc, method), name in numpy_api.METHODS.items()) + ".",
              "", "## Not there, and what to write", "", "| `numpy.` | |", "|---|---|"]
    lines += [f"| `{name}` | {advice} |" for name, advice in sorted(numpy_api.ADVICE.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")
