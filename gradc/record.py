"""`record`: slotted value classes like `@dataclass(frozen=True, slots=True)`, made in a tenth of the time.

gradc has some seventy such classes; `dataclasses` compiles six functions for each, which was most of what
`import gradc` cost.  Here `__init__` is compiled once for each number of fields; equality, hash and repr are closures.
Fields are the annotations of the class body, in order, with class attributes as defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:
    def dataclass_transform(**_: Any) -> Any:
        return lambda decorator: decorator

T = TypeVar("T")


class FrozenError(AttributeError):
    """A field of a record was assigned to or deleted."""


class _Fresh:
    __slots__ = ("factory",)

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.factory = factory


def fresh(*, factory: Callable[[], Any]) -> Any:
    """The default of a field that gets a new value for each record: `names: list[str] = fresh(factory=list)`."""
    return _Fresh(factory)


@dataclass_transform(field_specifiers=(fresh,))
def record(cls: type[T] | None = None, *, eq: bool = True, frozen: bool = True) -> Any:
    """The class with its annotations as slots, an `__init__`, equality by value, and no way to change it.

    With `eq=False` equality is identity, with `frozen=False` fields can be assigned to (then give eq=False, too).
    A class body may define `__repr__`, `__eq__` (then also `__hash__`) or `__init__` itself.
    """
    return (lambda cls: _made(cls, eq, frozen)) if cls is None else _made(cls, eq, frozen)


def replace(old: T, **changes: Any) -> T:
    """A record like `old` with other values in some fields."""
    names = old.__match_args__  # type: ignore[attr-defined]
    return type(old)(*[changes.pop(n) if n in changes else getattr(old, n) for n in names], **changes)


def _made(cls: type[T], eq: bool, frozen: bool) -> type[T]:
    names = tuple(cls.__dict__.get("__annotations__", ()))  # noqa: RUF063  (what inspect does, without importing it)
    body = {k: v for k, v in cls.__dict__.items() if k not in ("__dict__", "__weakref__", "__slots__", *names)}
    defaults = {k: cls.__dict__[k] for k in names if k in cls.__dict__}
    body["__slots__"] = names
    body.setdefault("__match_args__", names)
    new: Any = type(cls)(cls.__name__, cls.__bases__, body)  # type: ignore[misc]
    if "__init__" not in body:
        new.__init__ = _init(new, names, defaults)
    values = attrgetter(*names) if names else lambda self: ()

    def equal(self: Any, other: object) -> bool:
        return self is other or (type(other) is new and values(self) == values(other))

    def digest(self: Any) -> int:
        return hash(values(self))

    def text(self: Any) -> str:
        return f"{cls.__qualname__}({', '.join([f'{n}={getattr(self, n)!r}' for n in names])})"

    def reduce(self: Any) -> tuple[Any, ...]:
        return new, tuple([getattr(self, n) for n in names])

    if eq and "__eq__" not in body:
        new.__eq__ = equal
        new.__hash__ = digest
    if "__repr__" not in body:
        new.__repr__ = text
    new.__reduce__ = reduce
    if frozen:
        new.__setattr__ = _refuse
        new.__delattr__ = _refuse
    return new


def _init(cls: Any, names: tuple[str, ...], defaults: dict[str, Any]) -> Any:
    """`__init__` of `names`: the compiled code of any class with so many fields, under this class's names."""
    made = [n for n in names if isinstance(defaults.get(n), _Fresh)]
    code = _code(len(names), tuple(names.index(n) for n in made), hasattr(cls, "__post_init__"))
    scope: dict[str, Any] = {f"set{k}": cls.__dict__[n].__set__ for k, n in enumerate(names)}
    scope.update({f"fresh{names.index(n)}": defaults[n].factory for n in made})
    values = tuple([defaults[n].factory if n in made else defaults[n] for n in names if n in defaults])
    return FunctionType(code.replace(co_varnames=("self", *names)), scope, "__init__", values)


@cache
def _code(count: int, made: tuple[int, ...], post: bool) -> CodeType:
    fields = range(count)
    lines = [f" if a{k} is fresh{k}: a{k} = fresh{k}()" for k in made] + [f" set{k}(self, a{k})" for k in fields]
    lines += [" self.__post_init__()"] * post or [" pass"]
    scope: dict[str, Any] = {}
    exec(f"def __init__({', '.join(['self', *[f'a{k}' for k in fields]])}):\n" + "\n".join(lines), scope)
    code: CodeType = scope["__init__"].__code__
    return code


def _refuse(self: Any, name: str, value: Any = None) -> None:
    raise FrozenError(f"{type(self).__name__}.{name} can't be changed: records are immutable")
