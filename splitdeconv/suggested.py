"""Commands that an error suggests, quoted as a shell needs them."""

import os
import shlex


def command(*words: str | os.PathLike[str]) -> str:
    """A command of this package to run.

    Args:
        *words: what follows the name of the program; a path is never taken for an option.
    """
    return shlex.join(["splitdeconv", *(w if isinstance(w, str) else named(w) for w in words)])


def named(path: str | os.PathLike[str]) -> str:
    """A path as an argument: "./" comes before a name that begins with "-", as an option does."""
    text = os.fspath(path)
    return os.path.join(".", text) if text.startswith("-") else text
