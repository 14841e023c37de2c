"""Optional dependencies: imported where used, and named with their extra where missing."""

from importlib import import_module

from . import privacy
from .errors import SplitDeconvError


def require(module, extra):
    """Import `module` with its telemetry off, or refuse with the command that installs it.

    Args:
        module: dotted name of the module.
        extra: the extra of this package that brings it.

    Raises:
        SplitDeconvError: it is not installed.
    """
    privacy.protect()
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise SplitDeconvError(
            f"{error.name} is not installed",
            where=f"a feature that needs {module}",
            expected=f"the extra {extra!r}",
            fix=f"pip install 'splitdeconv[{extra}]' (or install {error.name} yourself)",
        ) from None
