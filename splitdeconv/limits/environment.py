"""What every child process of this package starts with: the same Python, and its defaults."""

import os
import sys
from pathlib import Path

from .. import privacy

# Variables of Python's that say where things are; others would change what the child does.
_KEPT = {
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONEXECUTABLE",
    "PYTHONFAULTHANDLER",
    "PYTHONHASHSEED",
    "PYTHONHOME",
    "PYTHONNOUSERSITE",
    "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX",
    "PYTHONUSERBASE",
    "PYTHONUTF8",
}


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of Python.

    With -P, for a file called numpy.py in the working folder must not be imported.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def variables(temporary: Path) -> dict[str, str]:
    """The environment of this process, with this package first and Python's defaults.

    Args:
        temporary: the child's folder for temporary files, which goes when the child does.
    """
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON") or name in _KEPT}
    home = Path(kept.get("KERAS_HOME") or Path("~/.keras").expanduser())
    return {
        **kept,
        **privacy.VARIABLES,
        "PYTHONPATH": os.pathsep.join(paths),
        "TMPDIR": str(temporary),
        # Keras writes its configuration to the home folder where there is none yet.
        **({} if (home / "keras.json").exists() else {"KERAS_HOME": str(temporary)}),
    }
