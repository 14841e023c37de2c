"""The child's side of `sandbox`: apply limits, run the task, write the answer to a file."""

import json
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SplitDeconvError, one_line
from . import allowance, sandbox, shortage, temporary
from .answer import Answer, Refusal
from .bounds import Limits


def work(folder: str | Path, do: Callable[[Any, Path], Any]) -> int:
    """Run the task in a folder.

    Args:
        folder: the exchange folder.
        do: function from the task, as plain values, and the folder to the JSON-serializable result.
            It should do its own imports, so that the limits apply to them as well.

    Returns:
        The exit code.
    """
    folder = Path(folder)
    order = sandbox.Order.from_json(json.loads((folder / sandbox.TASK).read_text()))
    allowance.begin(folder, order.limits)
    context = _Context(folder, order.where, order.limits)
    try:
        answer = Answer(do(order.task, folder))
    except SplitDeconvError as error:
        answer = Answer(refusal=Refusal.of(error))
    except Exception as error:
        if isinstance(error, OSError) and error.errno in temporary.FULL:
            return sandbox.NO_ROOM
        answer = Answer(refusal=context.refusal(error))
    partial = folder / "result.partial"
    try:
        partial.write_text(_without(folder, json.dumps(answer.to_json())))
    except OSError:
        return sandbox.NO_ROOM
    partial.replace(folder / sandbox.RESULT)
    return 0


@dataclass(frozen=True)
class _Context:
    """The context in which an unexpected error is reported."""

    folder: Path
    where: str
    limits: Limits

    def refusal(self, error: Exception) -> Refusal:
        """The refusal that reports an unexpected error."""
        lacking = isinstance(error, MemoryError) or shortage.of_memory(str(error))
        return self._out_of_memory() if lacking else self._unforeseen(error)

    def _out_of_memory(self) -> Refusal:
        return Refusal(
            "the model needs more memory than allowed; nothing was written",
            where=self.where,
            expected=f"at most {self.limits.grown(0).bytes / 2**30:.1f} GiB",
            got="an allocation that failed",
            fix="the file may be damaged or malicious; if you trust it, allow more with --memory",
        )

    def _unforeseen(self, error: Exception) -> Refusal:
        """An internal error of this package, with its location."""
        stage = "starting"
        with suppress(OSError):
            stage = (self.folder / sandbox.STAGE).read_text()
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Refusal(
            f"internal error while {stage}; nothing was written",
            where=self.where,
            got=f"{one_line(error, typed=True)} ({Path(place.filename).name}, line {place.lineno})",
            fix="please report this message, with the model if possible",
        )


def _without(folder: Path, text: str) -> str:
    """Remove the path of the exchange folder, which runtimes mention and which is temporary."""
    for each in {str(folder), str(folder.resolve())}:
        text = text.replace(json.dumps(each + "/")[1:-1], "")
    return text
