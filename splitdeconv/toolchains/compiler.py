"""Run a vendor's compiler on one file. Every failure is reported as a `SplitDeconvError`."""

import subprocess
from collections.abc import Sequence
from os import PathLike

from ..errors import SplitDeconvError
from ..limits import program


def given(model: bytes | str, where: str) -> bytes:
    """Return the bytes of a file, or raise the reason why there is none.

    Args:
        model: the bytes, or the reason.
        where: the name of the argument in error messages.

    Raises:
        SplitDeconvError: with the reason.
    """
    if isinstance(model, str):
        raise SplitDeconvError(
            model,
            where=where,
            expected="the bytes of a .tflite file",
            got="the reason why there is none",
            fix="export the model",
        )
    return model


def run(
    name: str, command: Sequence[str | PathLike[str]], timeout: float, folder: str | PathLike[str]
) -> program.Run:
    """Run a compiler until it ends, whether it fails or not.

    Args:
        name: its name in error messages.
        command: its path and its arguments.
        timeout: seconds.
        folder: folder for its files.

    Raises:
        SplitDeconvError: it timed out, or cannot be run.
    """
    try:
        return program.run(command, timeout, folder)
    except subprocess.TimeoutExpired:
        raise SplitDeconvError(
            f"{name} took longer than {timeout:g} s",
            where=str(command[0]),
            expected="a compiled model",
            got="a process that was still running",
            fix="allow more (timeout), or compile a smaller model",
        ) from None
    except OSError as error:
        raise SplitDeconvError(
            f"{name} cannot be run: {error.strerror}",
            where=str(command[0]),
            expected="an executable program for this processor",
            got=error.strerror,
            fix="check the path and the permissions, or reinstall it",
        ) from None


def failed(name: str, problem: str, got: str) -> SplitDeconvError:
    """The error for a compiler that did not compile a model.

    Args:
        name: the name of the compiler.
        problem: one sentence.
        got: the outcome instead of a compiled model.
    """
    return SplitDeconvError(
        problem,
        where=name,
        expected="a compiled model",
        got=got,
        fix="convert the model for the target first, or compile it by hand to see all messages",
    )
