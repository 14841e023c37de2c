"""Hand a model to the child process of `sandbox`: an exchange folder, a job, limits."""

import os
import sys
import zipfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import SplitDeconvError
from ..formats.detect import look
from ..limits import sandbox, temporary


@dataclass(frozen=True)
class Job:
    """Work prepared for the child.

    Args:
        content: what `splitdeconv.convert.job.run` is told.
        folder: where child and parent exchange files.
        limits: `Limits` of the child.
        names: what the caller calls each file, by the path that the child knows.
    """

    content: dict
    folder: Path
    limits: sandbox.Limits
    names: Mapping

    def run(self, progress=None):
        """Do it, and return what it returns; raises `SplitDeconvError` for whatever goes wrong."""
        try:
            return sandbox.run(self.content, self.folder, self.limits, progress)
        except SplitDeconvError as error:
            where = error.where
            for path, name in self.names.items():
                if where and where.startswith(path):
                    where = name + where.removeprefix(path)
            details = {"expected": error.expected, "got": error.got, "fix": error.fix}
            raise SplitDeconvError(error.problem, where=where, **details) from None


@contextmanager
def job(verb, model, timeout=None, memory=None, inputs=None, converted=None, **more):
    """A `Job` on a model, whose exchange folder lives as long as the context.

    Args:
        verb: "inspect", "convert", "verify" or "layers".
        model: path or bytes.
        timeout, memory: limits in seconds and GiB; None for those that fit the file's size.
        inputs: arrays by name, or the path of an .npz file.
        converted: path or bytes of the model to compare with.
        **more: what else the verb needs.

    Raises:
        SplitDeconvError: the model cannot be read.
    """
    head, size, _ = look(model)
    with temporary.folder() as folder:
        given = isinstance(model, str | os.PathLike)
        content = {"verb": verb, "where": str(model) if given else "the model", "inputs": None, "converted": None}
        with temporary.writing(folder):
            content["model"] = _as_path(model, folder / "model")
            content["path"] = content["model"] if given else None
            if converted is not None:
                size += look(converted)[1]
                content["converted"] = _as_path(converted, folder / "converted")
            if inputs is not None:
                content["inputs"] = _as_npz(inputs, folder / "inputs.npz")
                size += os.path.getsize(content["inputs"])
        limits = sandbox.Limits.of(size, head.startswith(b"PK\x03\x04"), timeout, memory)
        files = (file for file in (model, converted, inputs) if isinstance(file, str | os.PathLike))
        yield Job(content | more, folder, limits, {os.path.abspath(file): str(file) for file in files})


def is_keras(model) -> bool:
    """Whether this is a `keras.Model`; who has one has imported keras."""
    return "keras" in sys.modules and isinstance(model, sys.modules["keras"].Model)


def target_name(target) -> str:
    """A target's name, or the absolute path of its file."""
    text = str(target)
    return os.path.abspath(text) if text.endswith((".yaml", ".yml")) else text


def _as_path(model, path):
    """The absolute path of a model that is a file, or of one made of its bytes."""
    if isinstance(model, str | os.PathLike):
        return os.path.abspath(model)
    path.write_bytes(model)
    return str(path)


def _as_npz(inputs, path):
    """Inputs as the path of an .npz file."""
    if isinstance(inputs, str | os.PathLike):
        if not os.path.isfile(inputs) or not os.path.getsize(inputs):  # a pipe need not end, nor a file of /proc
            raise _no_inputs(f"{inputs}, which is not a file, or empty")
        return os.path.abspath(inputs)
    if not isinstance(inputs, Mapping):
        raise _no_inputs(type(inputs).__name__)
    try:
        # As numpy.savez, which keeps some names for itself.
        with zipfile.ZipFile(path, "w") as archive:
            for name, values in inputs.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asarray(values), allow_pickle=False)
    except (ValueError, TypeError) as error:  # ragged lists, objects
        raise _no_inputs(f"{name}: {error}") from None
    return str(path)


def _no_inputs(got):
    expected = "plain arrays by input name, samples stacked along a new first axis, or the path of an .npz file"
    return SplitDeconvError("the inputs cannot be read", where="inputs", expected=expected, got=got)
