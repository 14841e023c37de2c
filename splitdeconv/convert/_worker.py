"""The child process of `exchange`: receives a task, runs it with `job`, returns the result."""

import sys
from pathlib import Path
from typing import Any

from ..limits import worker


def main(folder: str | Path) -> int:
    """Run the task in `folder`; return the exit code."""
    return worker.work(folder, _do)


def _do(task: dict[str, Any], folder: Path) -> Any:
    # Keras would import matplotlib, which writes a list of fonts to the home folder; nothing is
    # drawn here.
    sys.modules.setdefault("matplotlib", None)  # type: ignore[arg-type]
    from .job import run
    from .task import Task

    return run(Task.from_json(task), folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
