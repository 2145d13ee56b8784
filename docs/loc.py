"""Count code lines: no blanks, comments or docstrings.  Prints one line a file and the sums; run by `make loc`.

Then what the type checker does not see: lines of gradc/ with the word Any, and with `type: ignore`.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

_SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
           tokenize.ENDMARKER}


def python_lines(text: str) -> int:
    """Lines of Python `text` that hold a token which is no comment and no docstring."""
    lines = {number for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in _SILENT
             for number in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(lines)


def c_lines(text: str) -> int:
    """Lines of C `text` that are neither blank nor inside a comment."""
    kept, inside = 0, False
    for line in text.splitlines():
        code = ""
        while line:
            if inside:
                _, found, line = line.partition("*/")
                inside = not found
            else:
                before, found, line = line.partition("/*")
                code += before
                inside = bool(found)
        kept += bool(code.partition("//")[0].strip())
    return kept


def main() -> None:
    """Print the table."""
    root = Path(__file__).resolve().parent.parent
    for folder, count in (("gradc", python_lines), ("csrc", c_lines), ("tests", python_lines),
                          ("benchmarks", python_lines), ("examples", python_lines)):
        total = 0
        for path in sorted((root / folder).rglob("*.[ch]" if count is c_lines else "*.py")):
            lines = count(path.read_text(encoding="utf-8"))
            total += lines
            if folder in ("gradc", "csrc") and lines:
                print(f"{lines:7d}  {path.relative_to(root)}")
        print(f"{total:7d}  {folder} in all\n")
    lines = [line for path in (root / "gradc").rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    for what, pattern in (("Any", r"\bAny\b"), ("type: ignore", "type: ignore")):
        print(f"{sum(bool(re.search(pattern, line)) for line in lines):7d}  lines of gradc with {what}")


if __name__ == "__main__":
    main()
