"""Pass a model to the child process of `sandbox`: an exchange folder, a task and limits."""

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SplitDeconvError
from ..formats.recognition.detect import look
from ..formats.registry import owning
from ..limits import sandbox, temporary
from .task import Files, Task, VerbName, verb_of

#: A model as passed by the user: the path of a file, or its bytes.
ModelFile = str | os.PathLike[str] | bytes | bytearray | memoryview
#: Inputs as passed by the user: arrays by name, or the path of an .npz file.
Inputs = Mapping[str, Any] | str | os.PathLike[str]

_INPUTS = (
    "plain arrays by input name, samples stacked along a new first axis, "
    "or the path of an .npz file"
)
_WORKER = f"{__package__}._worker"


@dataclass(frozen=True)
class Job:
    """Work that is ready for the child process.

    Args:
        task: what to do.
        folder: where child and parent exchange files.
        limits: `Limits` of the child.
        names: the caller's name of each file, by the path that the child uses.
    """

    task: Task
    folder: Path
    limits: sandbox.Limits
    names: Mapping[str, str]

    def run(self, progress: sandbox.Progress | None = None) -> Any:
        """Run the task and return its result as plain values (see `task`).

        Args:
            progress: called with the name of each stage that the child enters.

        Raises:
            SplitDeconvError: for any failure.
        """
        timed = self.task.verb.name == "time"
        order = sandbox.Order(self.task.to_json(), self.limits, self.task.files.where, timed)
        try:
            return sandbox.run(_WORKER, order, self.folder, progress)
        except SplitDeconvError as error:
            where = error.where
            for path, name in self.names.items():
                if where and where.startswith(path):
                    where = name + where.removeprefix(path)
            details = {"expected": error.expected, "got": error.got, "fix": error.fix}
            raise SplitDeconvError(error.problem, where=where, **details) from None


@contextmanager
def job(
    verb: VerbName,
    model: ModelFile,
    timeout: float | None = None,
    memory: float | None = None,
    inputs: Inputs | None = None,
    converted: ModelFile | None = None,
    **given: Any,
) -> Iterator[Job]:
    """Prepare a `Job` on a model; its exchange folder is removed at the end of the context.

    Only the first bytes of a file are read here; the child reads the rest.

    Args:
        verb: what to do.
        model: path or bytes.
        timeout, memory: limits in seconds and GiB; None to derive them from the size of the file.
        inputs: arrays by name, or the path of an .npz file.
        converted: path or bytes of the model to compare with.
        **given: other fields of the verb, see `task.verb_of`.

    Raises:
        SplitDeconvError: the model cannot be read.
    """
    head, size, _ = look(model)
    if converted is not None:
        size += look(converted)[1]
    named = {str(path): str(f) for f in (model, converted, inputs) if (path := _absolute(f))}
    with temporary.folder() as folder:
        with temporary.writing(folder):
            files = Files(
                model=_as_file(model, folder / "model"),
                where=str(model) if isinstance(model, str | os.PathLike) else "the model",
                beside=_absolute(model),
                inputs=None if inputs is None else _as_npz(inputs, folder / "inputs.npz"),
                converted=None if converted is None else _as_file(converted, folder / "converted"),
            )
            if files.inputs is not None:
                size += files.inputs.stat().st_size
        limits = sandbox.Limits.of(size, head.startswith(b"PK\x03\x04"), timeout, memory)
        yield Job(Task(verb_of(verb, given), files), folder, limits, named)


def is_keras(model: object) -> bool:
    """Whether this is a `keras.Model`."""
    kind = owning(model)
    return kind is not None and kind.name == "keras"


def target_name(target: str | os.PathLike[str]) -> str:
    """A target's name, or the absolute path of its file."""
    text = str(target)
    return os.path.abspath(text) if text.endswith((".yaml", ".yml")) else text


def _absolute(given: object) -> Path | None:
    """The absolute path if `given` is a path; None for anything else."""
    return Path(os.path.abspath(given)) if isinstance(given, str | os.PathLike) else None


def _as_file(model: ModelFile, path: Path) -> Path:
    """The absolute path of a model file; bytes are written to `path` first."""
    if isinstance(model, str | os.PathLike):
        return Path(os.path.abspath(model))
    path.write_bytes(model)
    return path


def _as_npz(inputs: Inputs, path: Path) -> Path:
    """The path of an .npz file with the inputs."""
    if isinstance(inputs, str | os.PathLike):
        # A pipe or a file in /proc may never end.
        if not os.path.isfile(inputs) or not os.path.getsize(inputs):
            raise _no_inputs(f"{inputs}, which is not a regular file or is empty")
        return Path(os.path.abspath(inputs))
    if not isinstance(inputs, Mapping):
        raise _no_inputs(type(inputs).__name__)
    try:
        # Like numpy.savez, which cannot store arrays under some of the names.
        with zipfile.ZipFile(path, "w") as archive:
            for name, values in inputs.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asarray(values), allow_pickle=False)
    except (ValueError, TypeError) as error:  # ragged lists, objects
        raise _no_inputs(f"{name}: {error}") from None
    return path


def _no_inputs(got: str) -> SplitDeconvError:
    return SplitDeconvError("the inputs cannot be read", where="inputs", expected=_INPUTS, got=got)
