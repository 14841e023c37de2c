"""The command line: the library's verbs.

Exit codes: 0 if the work is done; 1 if a model or value was rejected, with the reason on stderr; 2
if the command line could not be parsed; 128 plus the number of the signal that ended the command.
The output of `--json` carries a schema version, which increases when a key changes meaning or is
removed.
"""

from __future__ import annotations

import os
import sys

from .streams import Interrupted, interruptible, steady

TYPE_CHECKING = False  # as in `streams`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    import typer


def __getattr__(name: str) -> typer.Typer:
    """`app`, loaded on demand, because an interruption may arrive while it is being imported."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .verbs import app

    return app


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Args:
        arguments: those of the command line; the process' own if None.
    """
    with interruptible(last=arguments is None) as begin, steady() as lost:
        code = _run(arguments, begin)
        reason = lost()
        if reason is not None and not code:
            print(
                f"splitdeconv: standard output cannot be written: {reason.strerror}",
                file=sys.stderr,
            )
            code = 1
    sys.exit(code)


def _run(arguments: list[str] | None, begin: Callable[[], None]) -> int:
    """The exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # the quietest setting TensorFlow offers
    try:
        from ..errors import SplitDeconvError
        from .show import print_error
        from .verbs import app

        begin()
        try:
            app(arguments)
        except SplitDeconvError as error:
            print_error(error)
        return 1
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Interrupted as end:
        return end.code
    # Faults of the machine, such as too little memory or a failing disk.
    except (MemoryError, ImportError, OSError) as error:
        lines = str(error).strip().splitlines() or ["out of memory"]
        print(f"splitdeconv: {type(error).__name__}: {lines[-1]}", file=sys.stderr)
        return 1
