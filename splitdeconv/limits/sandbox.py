"""Untrusted files are processed in a child process with limits on time and memory.

A model file is data, but the runtimes that execute it for verification are large C++ programs.
Crashes, hangs and excessive memory use only affect the child, and are reported here as one clear
error. The child ends with this process, however it ends, and its files are removed. `worker` is the
child's side.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import SplitDeconvError
from . import environment, temporary
from .answer import Answer
from .bounds import Limits as Limits
from .ending import ended
from .guard import Guarded
from .program import last

#: Files of the exchange folder: the task, the result, and the current stage.
TASK, RESULT, STAGE = "task.json", "result.json", "stage"
#: Exit code of a child that could not write its answer.
NO_ROOM = 74
#: The stage of a child that has not opened the file yet.
_STARTING = "starting"
_DAMAGED = (
    "the file may be damaged or malicious; if you trust it, allow more with --timeout and --memory"
)

#: Called with the name of each stage that a child enters.
Progress = Callable[[str], object]


@dataclass(frozen=True)
class Order:
    """The instructions for a child process.

    Args:
        task: plain values that the module understands.
        limits: `Limits` of the child.
        where: the name of the model in error messages.
        timed: whether the child times models, which then allocate memory as other programs do.
    """

    task: Any
    limits: Limits
    where: str = "the model"
    timed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain, JSON-serializable values."""
        return {"task": self.task, "limits": asdict(self.limits), "where": self.where}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Order":
        """Rebuild the order from the result of `to_json`."""
        limits = content["limits"]
        limits = Limits(**limits | {"grows": tuple(limits.get("grows", (0, 0)))})
        return cls(content["task"], limits, content["where"])


def run(module: str, order: Order, folder: str | Path, progress: Progress | None = None) -> Any:
    """Run one task in a child process.

    Args:
        module: dotted name of the module to run, which passes its argument, the folder, to
            `worker.work`.
        order: the task and its limits.
        folder: an empty folder for the exchange; the child writes nowhere else.
        progress: called with the name of each stage the child enters.

    Returns:
        The result of the task.

    Raises:
        SplitDeconvError: the task itself failed; or the child crashed, hung, ran out of memory,
            could not be started or could not write to `folder`.
    """
    folder = Path(folder)
    with temporary.writing(folder):
        (folder / TASK).write_text(json.dumps(order.to_json()))
        (folder / "tmp").mkdir()
        (folder / "log").touch()
    with _start(module, folder, order.timed) as child:
        code, problem, limits = _wait(child, folder, order.limits, progress)
    stage = _stage(folder)
    if code is None:
        still = "a process that was still running"
        if stage == _STARTING:  # the file has not been opened yet
            fix = "allow more time with --timeout; starting takes a few seconds"
            raise _failed(f"{problem} while {stage}", order.where, limits, still, fix)
        raise _failed(f"{problem} while {stage}", order.where, limits, still)
    try:
        answer = Answer.from_json(json.loads((folder / RESULT).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        if code == NO_ROOM:
            raise temporary.refuse(folder.parent) from None
        what = f"ended without a result while {stage}"
        raise _failed(what, order.where, limits, f"a process that {_cause(code, folder)}") from None
    if answer.refusal is not None:
        raise answer.refusal.error()
    return answer.result


def _start(module: str, folder: Path, timed: bool) -> Guarded:
    """Start the child."""
    try:
        with (folder / "log").open("ab") as log:
            return Guarded(
                _command(module, folder),
                folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=variables(folder / "tmp", timed),
            )
    except OSError as error:
        raise SplitDeconvError(
            "the child process cannot be started",
            where=sys.executable,
            expected="memory and descriptors for one more process",
            got=error.strerror,
            fix="close other programs, or raise the limits of the system (ulimit)",
        ) from None


def _command(module: str, folder: Path) -> list[str]:
    """The command of the child process."""
    return environment.command(module, str(folder))


def _wait(
    child: Guarded, folder: Path, limits: Limits, progress: Progress | None
) -> tuple[int | None, str | None, Limits]:
    """(exit code or None after a timeout, the limit that was exceeded, the final limits)."""
    start = heard = time.monotonic()
    seen = reported = None
    now = limits = limits.grown(0)
    while True:
        try:
            return child.wait(0.2), None, now
        except subprocess.TimeoutExpired:
            passed = time.monotonic()
        stage, pulse = _stage(folder), _read(folder / "pulse")
        if (stage, pulse) != reported:
            reported, heard = (stage, pulse), passed
            now = limits.grown(*_signs(pulse))
        if progress and stage != seen:
            seen = stage
            progress(stage)
        if passed - start > now.seconds:
            return None, f"took longer than {now.seconds:.0f} s", now
        if now.silence is not None and passed - heard > now.silence:
            return None, f"made no progress for {now.silence:.0f} s", now


def _signs(pulse: str) -> tuple[int, float]:
    """Bytes in other files and the longest run in seconds, as reported by the child."""
    try:
        outside, longest = pulse.split()
        return max(0, int(outside)), max(0.0, float(longest))
    except ValueError:
        return 0, 0.0


def _stage(folder: Path) -> str:
    return _read(folder / STAGE) or _STARTING


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def variables(folder: Path, timed: bool = False) -> dict[str, str]:
    """The environment of every child, with silent runtimes that compute on the CPU.

    Args:
        folder: for its temporary files.
        timed: as of `Order`.
    """
    # To the system, freed memory returns at once, and a run that takes it back takes longer.
    returned = {} if timed else {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
    return environment.variables(folder) | {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Verify on the CPU: the same everywhere, and without using GPU memory.
        "CUDA_VISIBLE_DEVICES": "",
        "MALLOC_ARENA_MAX": "2",  # arenas reserve address space, which is limited
        **returned,
    }


def _cause(code: int, folder: Path) -> str:
    """How a child ended, in words, with the last line of its output."""
    with (folder / "log").open("rb") as log:
        return ended(code, last(log, 4096))


def _failed(
    what: str, where: str, limits: Limits, got: str, fix: str = _DAMAGED
) -> SplitDeconvError:
    return SplitDeconvError(
        f"the process that handled the model {what}; nothing was written",
        where=where,
        expected=f"a result within {limits}",
        got=got,
        fix=fix,
    )
