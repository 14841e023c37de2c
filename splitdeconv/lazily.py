"""Names of a package that are loaded when first used, and stay what its stub says they are.

lazy_loader reads the names from the stub (``__init__.pyi``). Python, however, gives every package
its submodules as attributes once something has imported them, so that ``splitdeconv.convert`` would
become the module, and no longer the function of that name. From version 0.6 on lazy_loader prevents
this; Colab holds an older one, so it is prevented here.
"""

import sys
from collections.abc import Callable
from types import ModuleType

import lazy_loader


class _Steady(ModuleType):
    """A package whose submodules do not take the places of its public names."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__.get("__all__", ()) and value is sys.modules.get(
            f"{self.__name__}.{name}"
        ):
            return  # the name is looked up when it is used; Python finds submodules in sys.modules
        super().__setattr__(name, value)


def attach(
    package: str, file: str
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """What a package takes as its ``__getattr__``, ``__dir__`` and ``__all__``.

    Args:
        package: its ``__name__``.
        file: its ``__file__``, beside which the stub is.

    Returns:
        The three of them.
    """
    get, names, public = lazy_loader.attach_stub(package, file)
    sys.modules[package].__class__ = _Steady
    return get, names, public
