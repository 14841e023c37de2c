"""Modules that are also reached otherwise than as registered submodules.

A twin only takes the place of a registered submodule. Through any other reference, such as an
element of a plain list, the model would go on running the original.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from dis import get_instructions
from functools import partial
from types import CellType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from ...extras import require

if TYPE_CHECKING:
    from torch.nn import Module

#: Objects that hold no modules, or that would lead out of the model.
_ENDS = (str, bytes, int, float, complex, type, ModuleType)
#: Objects of which a copy of a model does not get copies.
_UNCOPIED = (FunctionType, CellType, weakref.ref)
#: Attributes of a registered module that lead to its own parts.
_OWN = ("_parameters", "_buffers", "_modules")
#: Attributes that a copy of a module, or of one from `torch.compile`, makes anew.
_REMADE = ("_compiled_call_impl",)
_COMPILED = ("forward", "_forward", "dynamo_ctx", "_torchdynamo_orig_callable")


def held(root: Module) -> dict[Module, str]:
    """The modules of a tree that other objects than their parents refer to, with the place.

    Args:
        root: the module at the top.
    """
    torch = require("torch", "torch")
    names = {module: name for name, module in root.named_modules()}
    ends = (*_ENDS, torch.Tensor)
    # (object, where it is, whether a copy of the model has a copy of it)
    waiting: list[tuple[Any, str, bool]] = []
    for module, name in names.items():
        waiting += [(value, where, True) for value, where in _attributes(module, name, _OWN)]
        waiting += [(value, where, False) for value, where in _of_class(module)]
    places: dict[Module, str] = {}
    seen: dict[tuple[int, bool], Any] = {}  # keeps the objects, so that ids stay theirs
    while waiting:
        one, where, copied = waiting.pop()
        if one is None or isinstance(one, ends) or (id(one), copied) in seen:
            continue
        seen[id(one), copied] = one
        if isinstance(one, torch.nn.Module) and one in names:
            # A copy of the module has twins below it, unless it is not the copy that is held.
            for inner in [one] if copied else one.modules():
                places.setdefault(inner, where)
            continue
        copied = copied and not isinstance(one, _UNCOPIED)
        waiting += [(value, at, copied) for value, at in _parts(one, where, torch.nn.Module)]
    return places


def _parts(one: Any, where: str, module: type) -> Iterator[tuple[Any, str]]:
    """The objects that an object refers to, and where."""
    if isinstance(one, dict):
        for key, value in list(one.items()):
            yield key, where
            yield value, f"{where}[{key!r}]" if isinstance(key, str | int) else where
    elif isinstance(one, list | tuple | deque):
        yield from ((value, f"{where}[{i}]") for i, value in enumerate(one))
    elif isinstance(one, set | frozenset):
        yield from ((value, where) for value in one)
    elif isinstance(one, FunctionType):
        parts = (*(one.__closure__ or ()), one.__defaults__, one.__kwdefaults__)
        yield from ((value, where) for value in parts)
        read = {i.argval for i in get_instructions(one) if i.opname == "LOAD_GLOBAL"}
        named = (one.__globals__.get(name) for name in sorted(read))
        yield from ((v, where) for v in named if isinstance(v, (module, list, tuple, dict)))
    elif isinstance(one, CellType):
        yield from ((value, where) for value in _content(one))
    elif isinstance(one, MethodType):
        yield from ((one.__self__, where), (one.__func__, where))
    elif isinstance(one, partial):
        yield from ((value, where) for value in (one.func, one.args, one.keywords))
    elif isinstance(one, weakref.ref):
        yield one(), where
    yield from _attributes(one, where)


def _content(cell: CellType) -> Iterator[Any]:
    try:
        yield cell.cell_contents
    except ValueError:  # not set yet
        return


def _attributes(one: Any, where: str, but: tuple[str, ...] = ()) -> Iterator[tuple[Any, str]]:
    """The attributes of an object, read without running code of its class."""
    skipped = (*but, *_REMADE, *(_COMPILED if type(one).__name__ == "OptimizedModule" else ()))
    prefix = f"{where}." if where else ""
    for name, value in list(getattr(one, "__dict__", {}).items()):
        if name not in skipped:
            yield value, f"{prefix}{name}"
    for kind in type(one).__mro__:
        slots = vars(kind).items() if "__slots__" in vars(kind) else ()
        for name, slot in slots:
            if isinstance(slot, MemberDescriptorType):
                try:
                    yield slot.__get__(one), f"{prefix}{name}"
                except AttributeError:  # not set
                    continue


def _of_class(module: Module) -> Iterator[tuple[Any, str]]:
    """The attributes of the classes of a module that are not PyTorch's.

    What constructed the module, perhaps with a list of all modules, does not run again.
    """
    for kind in type(module).__mro__:
        if kind is not object and not kind.__module__.startswith(("torch.", "splitdeconv.")):
            for name, value in vars(kind).items():
                if name != "__init__":
                    yield value, f"{kind.__name__}.{name}"
