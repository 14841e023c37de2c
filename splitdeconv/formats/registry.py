"""The available formats: subfolders that contain a module `format`, and formats of other packages.

A package adds a format with an entry point in the group "splitdeconv.formats": a name, and the
location of its `FORMAT`.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pkgutil import iter_modules

from .content import Bytes
from .format import Format

GROUP = "splitdeconv.formats"


def names() -> list[str]:
    """The names of all formats, those of this package first."""
    return list(_loaders())


def listed() -> str:
    """The file names of all formats, as an error lists them.

    Example:
        >>> listed()
        '.keras, .onnx, .pt2 or .tflite'
    """
    *others, last = (f".{name}" for name in names())
    return f"{', '.join(others)} or {last}" if others else last


def format_of(name: str) -> Format:
    """The format with a name.

    Raises:
        KeyError: no format has this name.
    """
    return _loaders()[name]()


def beginning_with(head: Bytes) -> Format | None:
    """The format that a file with these first bytes may have; None if there is none."""
    return next((each for each in map(format_of, names()) if each.begins(head)), None)


def holding(data: Bytes) -> Format | None:
    """The format of a file with these bytes; None if there is none."""
    every = map(format_of, names())
    return next((each for each in every if each.begins(data) and each.holds(data)), None)


def owning(model: object) -> Format | None:
    """The format of a model in memory; None for paths, bytes and everything else."""
    return next((each for each in map(format_of, names()) if each.owns(model)), None)


@cache
def _loaders() -> dict[str, Callable[[], Format]]:
    """A loader for each format; a format is imported only when it is requested."""
    modules = iter_modules(import_module(__package__).__path__)
    folders = sorted(
        m.name for m in modules if m.ispkg and find_spec(f"{__package__}.{m.name}.format")
    )
    own = {
        name: lambda name=name: import_module(f".{name}.format", __package__).FORMAT
        for name in folders
    }
    return {point.name: point.load for point in entry_points(group=GROUP)} | own
