"""A compiler of a vendor's, run on one file. Whatever goes wrong with it is a refusal."""

import subprocess
from collections.abc import Sequence
from os import PathLike

from ..errors import SplitDeconvError
from ..limits import program


def given(model: bytes | str, where: str) -> bytes:
    """The bytes of a file.

    Args:
        model: these, or the reason why there is no file.
        where: what to call the argument in a refusal.

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
    name: str,
    command: Sequence[str | PathLike[str]],
    timeout: float,
    folder: str | PathLike[str],
) -> program.Run:
    """Run a compiler to its end, whether it fails or not.

    Args:
        name: what to call it.
        command: its path and its arguments.
        timeout: seconds.
        folder: in which it works.

    Raises:
        SplitDeconvError: it took longer, or cannot be run.
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
            expected="a program for this processor, with the right to run it",
            got=error.strerror,
            fix="check path and rights, or install it again",
        ) from None


def failed(name: str, problem: str, got: str) -> SplitDeconvError:
    """The refusal for a compiler that made nothing of a model.

    Args:
        name: what to call it.
        problem: one sentence.
        got: what came instead of a compiled model.
    """
    return SplitDeconvError(
        problem,
        where=name,
        expected="a compiled model",
        got=got,
        fix="convert the model for the target first, or compile it by hand for all that is said",
    )
