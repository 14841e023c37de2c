"""Data files as typed records: a mapping read from YAML becomes a frozen dataclass, or a refusal with a dotted path."""

from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from .errors import SplitDeconvError


class _Loader(yaml.SafeLoader):
    """Plain data only, as `yaml.safe_load`; a key that is there twice, whose first value would be lost, is an error."""

    def construct_mapping(self, node, deep=False):
        known = []
        for key, _ in node.value:
            if key.value in known:
                problem = f"the key {key.value} is there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            known.append(key.value)
        return super().construct_mapping(node, deep)


def read(cls, path, where=None):
    """Read a YAML file into an instance of the dataclass `cls`.

    Args:
        cls: a dataclass whose annotations are str, int, float, bool, None, Literal, Any, ``tuple[X, ...]``,
            ``tuple[X, Y]``, ``dict[str, X]``, unions of these, and dataclasses of the same kind.
        path: the file, a `pathlib.Path` or a traversable resource.
        where: what to call it in a refusal; by default the path.

    Raises:
        SplitDeconvError: it cannot be read, is no YAML, has a key twice, or does not fit; with the dotted path of the
            first misfit.
    """
    where = where or str(path)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise SplitDeconvError(
            "a data file cannot be read", where=where, expected="a readable text file", got=str(error)
        ) from None
    except yaml.YAMLError as error:
        raise SplitDeconvError(
            "a data file is not valid YAML", where=where, expected="YAML", got=" ".join(str(error).split())
        ) from None
    return build(cls, data, where)


def build(cls, data, where):
    """An instance of the dataclass `cls` from plain `data`; `where` names the file in a refusal. See `read`."""
    return _value(cls, data, (), str(Path(where).name if isinstance(where, Path) else where))


def _value(kind, data, path, where):
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
            return tuple(_value(k, d, (*path, i), where) for i, (k, d) in enumerate(zip(kinds, data, strict=True)))
    if origin is dict and isinstance(data, dict) and all(isinstance(key, str) for key in data):
        return {key: _value(arguments[1], value, (*path, key), where) for key, value in data.items()}
    if kind is NoneType and data is None:
        return None
    if kind is float and type(data) is int:
        return float(data)
    if isinstance(kind, type) and type(data) is kind:
        return data
    raise _misfit("a value of another type", path, where, _name(kind), repr(data))


def _either(kinds, data, path, where):
    """`data` as the first of `kinds` it fits; the refusal is that of the only structured one where there is one."""
    structured = [kind for kind in kinds if is_dataclass(kind) or get_origin(kind) in (dict, tuple)]
    for kind in kinds:
        if len(structured) == 1 and kind is structured[0] and isinstance(data, list | dict):
            return _value(kind, data, path, where)
        try:
            return _value(kind, data, path, where)
        except SplitDeconvError:
            continue
    raise _misfit("a value of another type", path, where, " or ".join(map(_name, kinds)), repr(data))


def _record(cls, data, path, where):
    """A dataclass from a mapping: no key missing, none unknown."""
    if not isinstance(data, dict):
        raise _misfit("a value of another type", path, where, "a mapping", repr(data))
    hints, known = get_type_hints(cls), {field.name: field for field in fields(cls)}
    for key in data:
        if key not in known:
            raise _misfit("an unknown key", (*path, key), where, ", ".join(known), repr(key))
    for name, field in known.items():
        if name not in data and field.default is MISSING and field.default_factory is MISSING:
            raise _misfit("a key is missing", (*path, name), where, _name(hints[name]), "nothing")
    return cls(**{key: _value(hints[key], value, (*path, key), where) for key, value in data.items()})


def _misfit(problem, path, where, expected, got):
    dotted = ".".join(map(str, path)) or "the whole file"
    return SplitDeconvError(f"{problem} in a data file: {dotted}", where=where, expected=expected, got=got)


def _name(kind):
    """A type in a reader's words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) or origin is dict:
        return "a mapping"
    if origin in (Union, UnionType):
        return " or ".join(map(_name, arguments))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple:
        return "a list of " + (_name(arguments[0]) if arguments[-1] is Ellipsis else ", ".join(map(_name, arguments)))
    return {str: "a text", int: "an integer", float: "a number", bool: "true or false", NoneType: "null"}[kind]
