"""Run models for verification. Every run reports progress to the waiting parent process."""

from typing import Any

from ...formats.format import Format
from ...formats.port import KERNELS, Runner
from ...limits import allowance


def load(
    format: Format,
    model: Any,
    path: str | None = None,
    kernels: str = KERNELS[0],
    native: bool = False,
    threads: int | None = None,
) -> dict[str, Runner]:
    """Load the entry points of a model, ready to run; see `Format.load`.

    Raises:
        RejectedError: the runtime rejected the model.
    """
    loaded = format.load(model, path, kernels, native, threads)
    return {name: Runner(run.inputs, allowance.watched(run)) for name, run in loaded.items()}
