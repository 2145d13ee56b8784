"""The object `config`: every flag, its environment variable, its legal values, in one table.

Always imported as `from gradc.config import config`.  A flag is read when it is needed, so that changing
it takes effect at the next `function(...)`; `config.change_flags(floatX="float32")` is a context manager
and a decorator.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gradc.errors import GradcError, GradcWarning, GraphError, SourceLine, quoted
from gradc.record import record

TOPICS = ("compile", "passes", "cache")


@record
class Flag:
    """One flag: default, environment variable (or None), legal values (or a parser), and what it does."""

    default: object
    env: str | None
    legal: tuple[object, ...] | Callable[[str], object]
    doc: str
    changes_code: bool = False


def _path(text: str) -> str:
    return os.path.expanduser(text)


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(f"expected a positive integer, got {quoted(text)}")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(f"expected a number of at least 0, got {quoted(text)}")
    return value


def _topics(text: str) -> str:
    unknown = [topic for topic in text.split(",") if topic not in ("", *TOPICS)]
    if unknown:
        raise ValueError(f"expected a comma list of {', '.join(TOPICS)}, got {quoted(text)}")
    return text


def _switch(text: str) -> bool:
    if text.lower() not in ("0", "1", "true", "false", "yes", "no", ""):
        raise ValueError(f"expected 0 or 1, got {quoted(text)}")
    return text.lower() in ("1", "true", "yes")


FLAGS: dict[str, Flag] = {
    "floatX": Flag("float64", "GRADC_FLOATX", ("float64", "float32", "float16"),
                   "dtype of constructors without prefix"),
    "cast_policy": Flag("custom", "GRADC_CAST_POLICY", ("custom", "numpy+floatX", "weak"), "dtypes of Python numbers: "
                        "the smallest (Aesara's), int64 and floatX, or those of the arrays they meet"),
    "mode": Flag("c", "GRADC_MODE", ("c", "interpret"), "default mode of `function`"),
    "on_unused_input": Flag("raise", None, ("raise", "warn", "ignore"), "what `function` does about unused inputs"),
    "warn_float64": Flag("ignore", None, ("ignore", "warn", "raise"), "what to do about a float64 made of none"),
    "warn_int_gradient": Flag("warn", None, ("ignore", "warn", "raise"), "integers that cut a gradient"),
    "warn_truth": Flag("warn", None, ("ignore", "warn", "raise"), "`if x:` and `x == 3` of variables"),
    "cache_dir": Flag("", "GRADC_CACHE_DIR", _path, "kernel cache; empty: $XDG_CACHE_HOME/gradc or ~/.cache/gradc"),
    "cache_errors": Flag(False, "GRADC_CACHE_ERRORS", _switch, "raise CacheError instead of warning"),
    "cc": Flag("", "GRADC_CC", str, "C compiler; empty: $CC, then cc, gcc, clang on PATH"),
    "cc_flags": Flag("", "GRADC_FLAGS", str, "further compiler flags, split at blanks", True),
    "cc_timeout": Flag(600, "GRADC_CC_TIMEOUT", _positive_int, "seconds before a compiler run is given up"),
    "target": Flag("", "GRADC_TARGET", str, "ISA to compile for (x86-64, x86-64-v2, -v3, -v4); empty: this CPU", True),
    "math": Flag("fast", "GRADC_MATH", ("fast", "accurate"), "vector math (<= 4 ulp) or scalar libm (<= 2 ulp)", True),
    "deterministic": Flag(False, "GRADC_DETERMINISTIC", _switch, "gemm by gradc's own loops, same bits always", True),
    "checkpoint_bytes": Flag(64 * 2**20, "GRADC_CHECKPOINT_BYTES", _count, "states that a loop keeps for its gradient "
                             "alone; above, most are computed again; 0: no limit", True),
    "blas": Flag("auto", "GRADC_BLAS", ("auto", "numpy", "scipy", "system", "fallback"), "provider of gemm and LAPACK"),
    "log": Flag("", "GRADC_LOG", _topics, f"comma list of topics to log on stderr: {', '.join(TOPICS)}"),
}


class Config:
    """Flags as attributes; unknown names and illegal values raise GraphError and name what is legal.

    Values are in the instance's dictionary, so that Python finds them itself: some are asked for at every expression.
    """

    def __init__(self) -> None:
        for name, flag in FLAGS.items():
            text = os.environ.get(flag.env) if flag.env else None
            vars(self)[name] = flag.default if text is None else self._parse(name, text, flag.env or name)

    @staticmethod
    def _parse(name: str, value: Any, where: str) -> object:
        legal = FLAGS[name].legal
        if isinstance(legal, tuple):
            if value not in legal:
                raise GraphError(f"{where} must be one of {', '.join(map(repr, legal))}, got {quoted(value)}")
            return value
        if not isinstance(value, str) and type(value) is type(FLAGS[name].default):
            return value
        try:
            return legal(value)
        except (TypeError, ValueError) as error:
            raise GraphError(f"{where} has a bad value: {error}") from None

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"gradc.config has no flag {name!r}; flags: {', '.join(sorted(FLAGS))}")

    def __setattr__(self, name: str, value: object) -> None:
        if name not in FLAGS:
            raise AttributeError(f"gradc.config has no flag {name!r}; flags: {', '.join(sorted(FLAGS))}")
        vars(self)[name] = self._parse(name, value, f"gradc.config.{name}")

    def __repr__(self) -> str:
        rows = (f"  {name} = {vars(self)[name]!r}  # {flag.doc}" for name, flag in FLAGS.items())
        return "gradc.config\n" + "\n".join(rows)

    @contextmanager
    def change_flags(self, **flags: object) -> Iterator[None]:
        """Set flags within a `with` block (or a decorated function); restores them on exit."""
        old = {name: getattr(self, name) for name in flags}
        try:
            for name, value in flags.items():
                setattr(self, name, value)
            yield
        finally:
            vars(self).update(old)

    def code_flags(self) -> dict[str, object]:
        """The flags that change generated code; part of every kernel's key."""
        return {name: vars(self)[name] for name, flag in FLAGS.items() if flag.changes_code}


config = Config()
_WARNED: dict[Any, Any] = {}


def heed(flag: str, message: str, source: SourceLine | None, error: type[GradcError]) -> None:
    """What the flag (ignore, warn, raise) asks for in the case of `message`, which was met at `source`.

    Warnings come once a place, as Python's filters say.
    """
    answer = getattr(config, flag)
    if answer == "raise":
        raise error(message)
    if answer == "warn":
        warnings.warn_explicit(message, GradcWarning, *(source or ("gradc", 1)), registry=_WARNED)
