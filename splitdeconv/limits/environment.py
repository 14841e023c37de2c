"""The command and environment of every child process: the same Python with default settings."""

import os
import sys
from pathlib import Path

from .. import privacy

# Python's variables that define locations; others would change the behaviour of the child.
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
    """The command that runs a Python module.

    The option -P prevents the import of, say, a file called numpy.py in the working folder.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def variables(temporary: Path) -> dict[str, str]:
    """The environment of this process, with this package first and Python's default settings.

    Args:
        temporary: the child's folder for temporary files, which is removed with the child.
    """
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") or name in _KEPT
    }
    home = Path(kept.get("KERAS_HOME") or Path("~/.keras").expanduser())
    return {
        **kept,
        **privacy.VARIABLES,
        "PYTHONPATH": os.pathsep.join(paths),
        "TMPDIR": str(temporary),
        # Keras writes its configuration to the home folder if there is none yet.
        **({} if (home / "keras.json").exists() else {"KERAS_HOME": str(temporary)}),
    }
