"""Data files as typed records: YAML becomes a frozen dataclass, or an error with its path."""

from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import SplitDeconvError, shorten, shown
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
            of the same kind.
        path: the file, a `pathlib.Path` or a traversable resource.
        where: the name of the file in an error; by default the path.

    Raises:
        SplitDeconvError: the file is unreadable or not the YAML of
            `splitdeconv.datafiles.plain_yaml`, or a value does not fit; the error has the dotted
            path of the first one.
    """
    where = where or str(path)
    return build(cls, plain_yaml.load(read_text(path, where, "a data file"), where), where)


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
    raise _misfit("a value of another type", path, where, _name(kind), shown(data))


def _either(kinds: Sequence[Any], data: Any, path: _Path, where: str) -> Any:
    """`data` as the first of `kinds` that it fits; errors are about the only structured one."""
    structured = [kind for kind in kinds if is_dataclass(kind) or get_origin(kind) in (dict, tuple)]
    for kind in kinds:
        if len(structured) == 1 and kind is structured[0] and isinstance(data, list | dict):
            return _value(kind, data, path, where)
        try:
            return _value(kind, data, path, where)
        except SplitDeconvError:
            continue
    expected = " or ".join(map(_name, kinds))
    raise _misfit("a value of another type", path, where, expected, shown(data))


def _record(cls: Any, data: Any, path: _Path, where: str) -> Any:
    """A dataclass from a mapping that has all of its keys and no others."""
    if not isinstance(data, dict):
        raise _misfit("a value of another type", path, where, "a mapping", shown(data))
    hints, known = get_type_hints(cls), {field.name: field for field in fields(cls)}
    for key in data:
        if key not in known:
            raise _misfit("an unknown key", (*path, key), where, ", ".join(known), shown(key))
    for name, field in known.items():
        if name not in data and field.default is MISSING and field.default_factory is MISSING:
            raise _misfit("a key is missing", (*path, name), where, _name(hints[name]), "nothing")
    values = {key: _value(hints[key], value, (*path, key), where) for key, value in data.items()}
    return cls(**values)


def _misfit(problem: str, path: _Path, where: str, expected: str, got: str) -> SplitDeconvError:
    dotted = shorten(".".join(map(str, path)), 120) or "the whole file"
    where, expected = shorten(where, 200), shorten(expected, 300)
    return SplitDeconvError(
        f"{problem} in a data file: {dotted}", where=where, expected=expected, got=got
    )


def _name(kind: Any) -> str:
    """The name of a type as a reader would call it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) or origin is dict:
        return "a mapping"
    if origin in (Union, UnionType):
        return " or ".join(map(_name, arguments))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple:
        items = arguments[:1] if arguments[-1] is Ellipsis else arguments
        return f"a list of {', '.join(map(_name, items))}"
    return _NAMES[kind]
