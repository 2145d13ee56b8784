"""C code of the users' own, as data: what a `CFunction` declares.

Not here: the public class (`compile.cfunction`), its place in a unit (`codegen.snippets`).
"""

from __future__ import annotations

from gradc.record import record


@record
class Snippet:
    """C code of a user's own: an expression, or the statements of a function, of arguments with the dtypes stated."""

    name: str
    inputs: tuple[tuple[str, str], ...]     # (name, dtype)
    output: str                             # dtype of the result
    code: str


@record
class ArraySnippet:
    """C code of a user's own on whole arrays: the statements of a function that returns 0, or why it failed.

    It is given a pointer for each array in one piece, scalar inputs as they are, and sizes as int64_t.
    """

    name: str
    inputs: tuple[tuple[str, str, int], ...]                # (name, dtype, rank)
    sizes: tuple[tuple[str, int, int], ...]                 # (name, input, its axis)
    outputs: tuple[tuple[str, str, tuple[str, ...]], ...]   # (name, dtype, a size for each dimension)
    code: str
    errors: tuple[tuple[int, str], ...]                     # what it returns when it fails, and what that means


def snippet_of(user: object) -> ArraySnippet | None:
    """The C code of a user's Op, if it has any."""
    found = getattr(user, "snippet", None)
    return found if type(found) is ArraySnippet else None
