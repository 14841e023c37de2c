"""Data files as typed records: YAML becomes a frozen dataclass, or an error with its path."""

from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields, is_dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from ..errors import SplitDeconvError, shorten, shown, suggestion
from . import plain_yaml
from .textfile import read_text

_T = TypeVar("_T")
_NAMES = {str: "a text", int: "an integer", float: "a number", bool: "true or false"}
_NAMES |= {NoneType: "null"}
# Keys and positions that lead to a value, outermost first.
_Path: TypeAlias = tuple[str | int, ...]


def read(cls: type[_T], path: Path | Traversable, where: str | None = None) -> _T:
    """Read a YAML file into an instance of the dataclass `cls`.

    Args:
        cls: a dataclass whose annotations are str, int, float, bool, None, Literal, Any,
            ``tuple[X, ...]``, ``tuple[X, Y]``, ``dict[str, X]``, unions of these, and dataclasses
            of the same kind; or ``Annotated[X, "..."]``, whose text describes X in an error.
        path: the file, a `pathlib.Path` or a traversable resource.
        where: the name of the file in an error; by default the path.

    Raises:
        SplitDeconvError: the file is unreadable or not the YAML of
            `splitdeconv.datafiles.plain_yaml`, or a value does not fit; the error has the dotted
            path of the first one.
    """
    where = where or str(path)
    return build(cls, plain_yaml.load(read_text(path, where, "a data file"), where), where)


def expectations(cls: type) -> dict[str, str]:
    """What the value of each field of a dataclass must be, in the words of an error.

    Args:
        cls: a dataclass as for `read`.
    """
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: _name(hints[field.name]) for field in fields(cls)}


def build(cls: type[_T], data: Any, where: str | Path) -> _T:
    """The dataclass `cls` from plain `data`; `where` names the file in an error; as `read`."""
    return _value(cls, data, (), str(Path(where).name if isinstance(where, Path) else where))


def _value(kind: Any, data: Any, path: _Path, where: str) -> Any:
    """`data` as a value of the type `kind`; lists become tuples, mappings dataclasses."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return data
    if is_dataclass(kind):
        return _record(kind, data, path, where)
    if origin is Annotated:
        try:
            return _value(arguments[0], data, path, where)
        except SplitDeconvError:
            raise _misfit(path, where, _name(kind), shown(data)) from None
    if origin in (Union, UnionType):
        return _either(arguments, data, path, where)
    if origin is Literal and any(data == a and type(data) is type(a) for a in arguments):
        return data
    if origin is tuple and isinstance(data, list):
        variable = arguments[-1] is Ellipsis
        if variable or len(arguments) == len(data):
            kinds = arguments[:1] * len(data) if variable else arguments
            return tuple(
                _value(k, d, (*path, i), where)
                for i, (k, d) in enumerate(zip(kinds, data, strict=True))
            )
    if origin is dict and isinstance(data, dict) and all(isinstance(key, str) for key in data):
        return {
            key: _value(arguments[1], value, (*path, key), where) for key, value in data.items()
        }
    if kind is NoneType and data is None:
        return None
    # No float is larger than that.
    if kind is float and type(data) is int and data.bit_length() < 1024:
        return float(data)
    if isinstance(kind, type) and type(data) is kind:
        return data
    raise _misfit(path, where, _name(kind), shown(data))


def _either(kinds: Sequence[Any], data: Any, path: _Path, where: str) -> Any:
    """`data` as the first of `kinds` that it fits; errors are about the only structured one."""
    structured = [kind for kind in kinds if _is_structured(kind)]
    for kind in kinds:
        if len(structured) == 1 and kind is structured[0] and isinstance(data, list | dict):
            return _value(kind, data, path, where)
        try:
            return _value(kind, data, path, where)
        except SplitDeconvError:
            continue
    raise _misfit(path, where, _alternatives(kinds), shown(data))


def _is_structured(kind: Any) -> bool:
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return is_dataclass(kind) or get_origin(kind) in (dict, tuple)


def _record(cls: Any, data: Any, path: _Path, where: str) -> Any:
    """A dataclass from a mapping that has all of its keys and no others."""
    if not isinstance(data, dict):
        raise _misfit(path, where, "a mapping", shown(data))
    hints, known = (
        get_type_hints(cls, include_extras=True),
        {field.name: field for field in fields(cls)},
    )
    for key in data:
        if key not in known:
            raise SplitDeconvError(
                f"unknown key: {dotted((*path, key))}",
                where=shorten(where, 200),
                expected=shorten(", ".join(known), 300),
                got=shown(key),
                fix=suggestion(key, known),
            )
    for name, field in known.items():
        if name not in data and field.default is MISSING and field.default_factory is MISSING:
            raise missing(dotted((*path, name)), where, data, _name(hints[name]))
    values = {key: _value(hints[key], value, (*path, key), where) for key, value in data.items()}
    return cls(**values)


def dotted(path: _Path) -> str:
    """A path as an error names it."""
    return shorten(".".join(map(str, path)), 120)


def missing(path: str, where: str, given: Iterable[str], expected: str) -> SplitDeconvError:
    """The error for a key that a mapping lacks.

    Args:
        path: the dotted path of the key.
        where: the name of the file.
        given: the keys that are there.
        expected: the type of the value, in words.
    """
    keys = ", ".join(given)
    return SplitDeconvError(
        f"missing key: {path}",
        where=shorten(where, 200),
        expected=shorten(expected, 300),
        got=shorten(f"only {keys}" if keys else "no keys", 200),
    )


def _misfit(path: _Path, where: str, expected: str, got: str) -> SplitDeconvError:
    return SplitDeconvError(
        f"invalid value of {dotted(path)}" if path else "the file has another structure",
        where=shorten(where, 200),
        expected=shorten(expected, 300),
        got=got,
    )


def _alternatives(kinds: Sequence[Any]) -> str:
    """Types of which one is expected; an integer is also a number."""
    named = [_name(kind) for kind in kinds if not (kind is int and float in kinds)]
    return " or ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def _name(kind: Any) -> str:
    """The name of a type as a reader would call it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return str(kind.__metadata__[0])
    if is_dataclass(kind) or origin is dict:
        return "a mapping"
    if origin in (Union, UnionType):
        return _alternatives(arguments)
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"a list, each item {_name(arguments[0])}"
    if origin is tuple:
        return f"a list of {len(arguments)}: {'; '.join(map(_name, arguments))}"
    return _NAMES[kind]
