"""Optional dependencies: imported where used, and named with their extra where missing."""

import json
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import privacy
from .errors import SplitDeconvError


def require(module: str, extra: str) -> Any:
    """Import `module` with its telemetry off, or refuse with the command that installs it.

    Args:
        module: dotted name of the module. Keras gets JAX or PyTorch as its backend where
            TensorFlow is missing.
        extra: the extra of this package that brings it.

    Raises:
        SplitDeconvError: it is not installed.
    """
    privacy.protect()
    if module.partition(".")[0] == "keras":
        _choose_backend()
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise SplitDeconvError(
            f"{error.name} is not installed",
            where=f"a feature that needs {module}",
            expected=f"the extra {extra!r}",
            fix=f"pip install 'splitdeconv[{extra}]' (or install {error.name} yourself)",
        ) from None


def default_library() -> str:
    """The default array library: TensorFlow, or the next one where TensorFlow is missing.

    Returns:
        "tensorflow", "jax" or "torch", the first that is installed; "tensorflow" if none is.
    """
    return next((each for each in ("tensorflow", "jax", "torch") if _installed(each)), "tensorflow")


def _choose_backend() -> None:
    """Let Keras compute with JAX, or else PyTorch, where TensorFlow, its default, is missing.

    It is missing on Colab's TPU runtime.

    Keras reads the choice once, while it is imported; child processes inherit it. If the user chose
    another backend, it is kept. A choice of TensorFlow is not, because Keras itself writes that
    default into its file of settings.
    """
    if (
        "keras" not in sys.modules
        and _chosen_backend() == "tensorflow"
        and default_library() != "tensorflow"
    ):
        os.environ["KERAS_BACKEND"] = default_library()


def _chosen_backend() -> str:
    """The backend that Keras would take, as its own `keras.src.backend.config` finds it."""
    folder = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser())
    try:
        settings = json.loads((folder / "keras.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        settings = {}
    written = settings.get("backend") if isinstance(settings, dict) else None
    return os.environ.get("KERAS_BACKEND") or written or "tensorflow"


def _installed(module: str) -> bool:
    # None is Python's mark for a module that cannot be imported.
    return (
        sys.modules[module] is not None if module in sys.modules else find_spec(module) is not None
    )
